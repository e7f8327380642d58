"""The gallery's constrained models against published answers and other ways to the same maximum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

from emdsl.compiler import compile_source
from emdsl.report.explain import explain
from tests.gallery.models import ROOT, data, module, sizes, source

MODELS = ROOT / "models"


def fitted(name: str, **options: Any) -> Any:
    path = MODELS / f"{name}.em"
    chosen = {"restarts": 8, "tol": 1e-12, "max_iter": 20000, **options}
    return module(path).fit(data(path), **sizes(path), **chosen)


def test_goodmans_scale_types() -> None:
    """Goodman (1975): likelihood ratio chi-squared 0.99 on 6 degrees of freedom."""
    fit = fitted("scale_types")
    freq = data(MODELS / "scale_types.em")["freq"]
    saturated = float(freq @ np.log(freq / freq.sum()))
    assert 2.0 * (saturated - fit.log_likelihood) == pytest.approx(0.99, abs=5e-3)
    assert len(freq) - 1 - fit.n_params == 6
    certain = fit.params["yes"][:5]
    assert np.isin(certain, (0.0, 1.0)).all()
    # an answer that no scale type gives is from the unscalable alone
    odd = {tuple(y): z for y, z in zip(fit.bound.arrays["y"].tolist(), fit.posterior()["z"],
                                       strict=True)}[(0, 1, 0, 1)]  # fmt: skip
    assert odd.tolist() == [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]


def test_effects_are_deviations_of_group_means() -> None:
    fit = fitted("one_way_effects")
    assert fit.params["mean"] == pytest.approx(5.073, abs=1e-9)
    assert fit.params["effect"] == pytest.approx([-0.041, -0.412, 0.453], abs=1e-9)


def test_slopes_are_those_of_nonnegative_least_squares() -> None:
    """The intercept is free: NNLS on columns about their means."""
    fit = fitted("nonnegative_regression")
    arrays = data(MODELS / "nonnegative_regression.em")
    u, y = arrays["u"], arrays["y"]
    slopes, _ = optimize.nnls(u - u.mean(axis=0), y - y.mean())
    assert fit.params["beta"] == pytest.approx(slopes, abs=1e-9)
    assert fit.params["beta"][2] == 0.0
    assert fit.params["intercept"] == pytest.approx(y.mean() - u.mean(axis=0) @ slopes)


def test_two_normals_about_one_mean() -> None:
    """The same by a search over four free numbers."""
    fit = fitted("contaminated_normal")
    x = data(MODELS / "contaminated_normal.em")["x"]

    def lost(t: Any) -> float:
        bad = 1.0 / (1.0 + np.exp(-t[0]))
        density = (1.0 - bad) * stats.norm.pdf(x, t[1], np.exp(t[2]))
        return -float(np.log(density + bad * stats.norm.pdf(x, t[1], np.exp(t[3]))).sum())

    found = optimize.minimize(lost, [-2.0, 27.0, 1.5, 3.5], method="BFGS", options={"gtol": 1e-7})
    assert fit.log_likelihood == pytest.approx(-found.fun, abs=1e-6)
    assert fit.params["mean"] == pytest.approx([found.x[1]] * 2, abs=1e-4)
    assert fit.params["sd"] == pytest.approx(np.exp(found.x[2:]), rel=1e-4)
    assert fit.params["mean"][0] == fit.params["mean"][1]


def test_a_chain_that_never_goes_back() -> None:
    """Its likelihood is the sum over all pairs of change points, written out."""
    fit = fitted("two_changes")
    y = data(MODELS / "two_changes.em")["y"]
    trans, rate = fit.params["trans"], fit.params["rate"]
    sums = np.concatenate([np.zeros((3, 1)), np.cumsum(stats.poisson.logpmf(y, rate[:, None]), 1)],
                          axis=1)  # fmt: skip
    n = len(y)
    ways = []
    for first in range(1, n + 1):  # how many years the first stage lasts
        for second in range(first + 1, n + 1) if first < n else [n]:
            stay = (first - 1) * np.log(trans[0, 0])
            if first < n:
                stay += np.log(trans[0, 1]) + (second - first - 1) * np.log(trans[1, 1])
            if second < n:
                stay += np.log(trans[1, 2])
            ways.append(stay + sums[0, first] + sums[1, second] - sums[1, first]
                        + sums[2, n] - sums[2, second])  # fmt: skip
    assert fit.log_likelihood == pytest.approx(np.logaddexp.reduce(ways), abs=1e-8)
    assert trans[[0, 1, 2, 2], [2, 0, 0, 1]].tolist() == [0.0] * 4
    assert (np.diff(fit.predict()["z"]) >= 0).all()


def test_phases_that_are_not_short() -> None:
    """The forward recursion, searched from the fit and from beside it with the same bounds."""
    fit = fitted("growth_phases", restarts=20)
    y = data(MODELS / "growth_phases.em")["growth"]
    rows = [slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 12)]

    def lost(t: Any) -> float:
        trans, density = t[3:12].reshape(3, 3), stats.norm.pdf(y[:, None], t[12:15], t[15])
        at, total = t[:3] * density[0], 0.0
        for row in density[1:]:
            total += np.log(at.sum())
            at = (at / at.sum()) @ trans * row
        return -float(total + np.log(at.sum()))

    top = np.concatenate([np.ravel(fit.params[n]) for n in ("start", "trans", "mean", "sd")])
    assert fit.log_likelihood == pytest.approx(-lost(top), abs=1e-9)
    trans = fit.params["trans"]
    assert (np.diag(trans) >= 0.5).all()
    low = int(fit.params["mean"].argmin())
    assert trans[low, low] == 0.5  # a recession would be shorter
    bounds = [(1e-9, 1.0)] * 12 + [(-5.0, 5.0)] * 3 + [(0.1, 5.0)]
    for i in (3, 7, 11):
        bounds[i] = (0.5, 1.0)
    rules = [{"type": "eq", "fun": lambda t, at=at: t[at].sum() - 1.0} for at in rows]
    for jitter in (0.0, 0.02):
        begin = np.clip(top + jitter * np.cos(np.arange(16)), *np.transpose(bounds))
        found = optimize.minimize(lost, begin, method="SLSQP", bounds=bounds, constraints=rules,
                                  options={"ftol": 1e-13, "maxiter": 300})  # fmt: skip
        assert fit.log_likelihood >= -found.fun - 1e-6
    assert fit.log_likelihood == pytest.approx(-found.fun, abs=1e-5)
    told = explain(compile_source(source(MODELS / "growth_phases.em")))
    assert "    trans[i,j] = min(max(A[j] / λ, B), C)\n" in told


def test_components_about_one_graph() -> None:
    """Iterative proportional scaling (Speed and Kiiveri 1986) over the edges of the four-cycle."""
    fit = fitted("concentration_graph", restarts=3)
    x = data(MODELS / "concentration_graph.em")["x"]
    z, mean = fit.posterior()["z"], fit.params["mean"]
    away = [x - m for m in mean]
    scatter = sum((z[:, k, None] * a).T @ a for k, a in enumerate(away)) / len(x)
    conc = np.eye(4)
    for _ in range(2000):
        for edge in ([0, 1], [0, 2], [1, 3], [2, 3]):
            at = np.ix_(edge, edge)
            conc[at] += np.linalg.inv(scatter[at]) - np.linalg.inv(np.linalg.inv(conc)[at])
    assert fit.params["conc"] == pytest.approx(conc, rel=1e-4, abs=1e-4)
    assert fit.params["conc"][[0, 1], [3, 2]].tolist() == [0.0, 0.0]
    assert fit.n_params == 2 + 3 * 4 + 8
    told = explain(compile_source(source(MODELS / "concentration_graph.em")))
    assert "    tr((a conc⁻¹ − M) E[r]) = 0\n" in told
    assert "- conc[0, 3] == 0\n" in told


def test_no_partial_correlation_is_negative() -> None:
    """Lauritzen, Uhler and Zwiernik 2019: the covariance is above the scatter's, and equal to it
    where the precision isn't at its bound and on the diagonal: that is the maximum, and only that.
    """
    fit = fitted("positive_dependence")
    x, conc = data(MODELS / "positive_dependence.em")["x"], fit.params["conc"]
    extra = np.linalg.inv(conc) - np.cov(x.T, bias=True)
    off = ~np.eye(5, dtype=np.bool_)
    assert (conc[off] <= 0.0).all()
    assert ((conc == 0.0) & off).any()
    assert (extra >= -1e-10).all()
    assert np.abs(extra * conc).max() <= 1e-9
    told = explain(compile_source(source(MODELS / "positive_dependence.em")))
    assert "is a quadratic program" in told
