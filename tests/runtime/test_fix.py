"""Parameters held at fit time: the M-step of the rest is exact, and what is wrong is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

import emdsl
from emdsl.runtime.errors import ParamsError
from emdsl.source import Source

MODELS = Path(__file__).parents[2] / "models"

NAN = np.nan


def two_humps(n: int = 400) -> NDArray[Any]:
    rng = np.random.default_rng(3)
    return np.concatenate([rng.normal(0.0, 1.0, n // 2), rng.normal(4.0, 1.5, n - n // 2)])


@pytest.fixture(scope="module")
def mixture() -> Any:
    return emdsl.load(MODELS / "normal_mixture.em")


def likelihood(w: Any, mean: Any, sd: Any, x: NDArray[Any]) -> float:
    return float(np.log(sum(a * stats.norm.pdf(x, m, s)
                            for a, m, s in zip(w, mean, sd, strict=True))).sum())  # fmt: skip


@pytest.mark.parametrize(
    ("fix", "free"),
    [
        ({"mean": [0.0, NAN]}, 4),
        ({"sd": 1.0}, 3),
        ({"sd": [NAN, 1.25]}, 4),
        ({"weight": [0.25, NAN]}, 4),
        ({"mean": [0.0, 4.0], "sd": [1.0, 1.5]}, 1),
    ],
)
def test_the_maximum_is_that_of_a_direct_search(
    mixture: Any, fix: dict[str, Any], free: int
) -> None:
    """SLSQP on the same likelihood, with the same entries held, from the fit and from beside it."""
    x = two_humps()
    fit = mixture.fit(x, K=2, fix=fix, restarts=8, seed=1, tol=1e-12, max_iter=20000)
    assert fit.status == "converged"
    assert fit.n_params == free
    where = {n: np.broadcast_to(np.asarray(v, float), (2,)) for n, v in fix.items()}
    for name, value in where.items():
        held = ~np.isnan(value)
        assert np.array_equal(fit.params[name][held], value[held])
        assert np.array_equal(fit.fix[name], value, equal_nan=True)
    every = [where.get(n, np.full(2, NAN)) for n in ("weight", "mean", "sd")]
    fixed = [(i, v) for i, v in enumerate(np.concatenate(every)) if not np.isnan(v)]
    rules: list[Any] = [{"type": "eq", "fun": lambda t: t[0] + t[1] - 1.0}]
    rules += [{"type": "eq", "fun": lambda t, i=i, v=v: t[i] - v} for i, v in fixed]
    start = np.concatenate([fit.params[n] for n in ("weight", "mean", "sd")])
    best = -np.inf
    for jitter in (0.0, 0.02):
        found = optimize.minimize(
            lambda t: -likelihood(t[:2], t[2:4], t[4:], x) / len(x), start * (1 + jitter),
            method="SLSQP", constraints=rules,
            bounds=[(1e-6, 1)] * 2 + [(-9, 9)] * 2 + [(0.1, 9)] * 2,
            options={"ftol": 1e-14, "maxiter": 500},
        )  # fmt: skip
        best = max(best, -found.fun * len(x))
    assert fit.log_likelihood == pytest.approx(best, abs=1e-6)


LINE = """\
model Line
param a    : real
param b    : real[P]
param sd   : positive
for n in N:
    input u[n] : real[P]
    data  y[n] ~ Normal(a + dot(b, u[n]), sd)
"""


@pytest.fixture(scope="module")
def line() -> Any:
    return emdsl.load(Source(LINE, "line.em"))


@pytest.mark.parametrize(
    "fix", [{"a": 1.0}, {"b": [NAN, 2.0, NAN]}, {"a": 0.0, "b": [1.0, NAN, 0.0]}]
)
def test_a_regression_solves_the_normal_equations_of_what_is_left(
    line: Any, fix: dict[str, Any]
) -> None:
    """Least squares of y less what is held, on the columns that are free: exact at once."""
    rng = np.random.default_rng(5)
    u = rng.normal(size=(60, 3)) @ np.array([[1, 0.8, 0], [0, 1, 0.5], [0, 0, 1]])
    y = 3.0 + u @ [1.0, -2.0, 0.5] + rng.normal(size=60)
    fit = line.fit({"u": u, "y": y}, fix=fix)
    design = np.column_stack([np.ones(60), u])
    held = np.concatenate([[fix.get("a", NAN)], fix.get("b", [NAN] * 3)])
    free = np.isnan(held)
    rest = y - design[:, ~free] @ held[~free]
    beta, *_ = np.linalg.lstsq(design[:, free], rest, rcond=None)
    expected = np.where(free, 0.0, held)
    expected[free] = beta
    found = np.concatenate([[fit.params["a"]], fit.params["b"]])
    assert found == pytest.approx(expected, abs=1e-9)
    assert fit.params["sd"] == pytest.approx(
        np.sqrt(np.mean((y - design @ expected) ** 2)), abs=1e-9
    )
    assert fit.n_params == free.sum() + 1


def test_structural_zeros_of_a_chain_stay_zero_in_every_start() -> None:
    """A left-to-right chain: forbidden transitions have posterior zero, and the rest share."""
    hmm = emdsl.load(MODELS / "hmm.em")
    rng = np.random.default_rng(0)
    z = np.minimum(np.arange(30) // 10, 2)
    x = [rng.choice(4, p=p) for p in np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1],
                                               [0.1, 0.1, 0.1, 0.7]])[z]]  # fmt: skip
    trans = [[NAN, NAN, 0], [0, NAN, NAN], [0, 0, NAN]]
    fix = {"start": [1, 0, 0], "trans": trans}
    fit = hmm.fit({"x": np.array([x, x[::-1]])}, K=3, fix=fix, restarts=4, seed=0)
    found = fit.params["trans"]
    assert (found[np.isfinite(trans) & (np.array(trans) == 0)] == 0.0).all()
    assert found[2, 2] == 1.0
    assert found.sum(axis=1) == pytest.approx(1.0)
    assert fit.n_params == 2 + 3 * 3
    path = np.asarray(fit.predict()["z"])
    assert (np.diff(path.reshape(2, -1), axis=1) >= 0).all()
    assert (np.asarray(fit.posterior()["z"]).reshape(2, 30, 3)[:, 0] == [1.0, 0.0, 0.0]).all()


def test_a_whole_matrix_is_held_and_the_others_are_not() -> None:
    gmm = emdsl.load(MODELS / "gaussian_mixture.em")
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=(100, 2)), rng.normal(size=(100, 2)) * 2 + 5])
    cov = np.full((2, 2, 2), NAN)
    cov[0] = [[1.0, 0.2], [0.2, 1.0]]
    mean = np.array([[0.0, 0.0], [NAN, NAN]])
    fit = gmm.fit(x, K=2, fix={"cov": cov, "mean": mean}, seed=2)
    assert np.array_equal(fit.params["cov"][0], cov[0])
    assert np.array_equal(fit.params["mean"][0], mean[0])
    assert fit.n_params == 1 + 2 + 3
    assert fit.status == "converged"


def test_saved_and_loaded_with_what_was_held(mixture: Any, tmp_path: Path) -> None:
    fit = mixture.fit(two_humps(), K=2, fix={"mean": [0.0, NAN]}, restarts=2)
    fit.save(tmp_path / "fit.npz")
    again = mixture.load(tmp_path / "fit.npz")
    assert np.array_equal(again.fix["mean"], [0.0, NAN], equal_nan=True)
    assert (again.n_params, again.bic) == (fit.n_params, fit.bic)
    assert fit.to_dict()["fix"] == {"mean": [0.0, None]}
    assert "  fixed 1 of 2 entries of mean\n" in repr(fit)


@pytest.mark.parametrize(
    ("fix", "text"),
    [
        ({"mu": 0.0}, "'mu' in fix is no parameter of NormalMixture, expected weight, mean, sd"),
        (
            {"maen": 0.0},
            (
                "'maen' in fix is no parameter of NormalMixture, expected weight, mean, sd; "
                "did you mean mean?"
            ),
        ),
        ({"mean": [1.0, 2.0, 3.0]}, "mean in fix has shape (3,), expected (2,) (K) or one number"),
        ({"sd": [0.0, NAN]}, "sd[0] in fix is 0, expected a positive number"),
        ({"sd": -1}, "sd[0] in fix is -1, expected a positive number"),
        ({"weight": [0.4, 0.4]},
         "weight in fix is [0.4, 0.4], expected nonnegative numbers that sum to 1"),
        ({"weight": [1.5, NAN]}, "weight[0] in fix is 1.5, expected a number from 0 to 1"),
        ({"mean": "far"}, "mean in fix is the string 'far', expected a number"),
        (
            [0.0],
            (
                "fix is a list, expected a mapping from names of parameters (weight, mean, sd) to "
                "values"
            ),
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(mixture: Any, fix: Any, text: str) -> None:
    with pytest.raises(ParamsError) as caught:
        mixture.fit(two_humps(), K=2, fix=fix)
    assert str(caught.value) == text


def test_a_start_must_fulfil_what_is_held(mixture: Any) -> None:
    with pytest.raises(ParamsError) as caught:
        mixture.fit(two_humps(), K=2, fix={"mean": [0.0, NAN]}, init={"mean": [1.0, 2.0]})
    assert str(caught.value) == "mean in init doesn't fulfil `fix`: change it or leave it out"


def test_entries_that_one_update_takes_together() -> None:
    """The precision cancels from a mean's update only while all of the mean is free."""
    gmm = emdsl.load(MODELS / "gaussian_mixture.em")
    x = np.random.default_rng(1).normal(size=(50, 2))
    with pytest.raises(ParamsError) as caught:
        gmm.fit(x, K=2, fix={"mean": [[0.0, NAN], [NAN, NAN]]})
    assert str(caught.value) == (
        "mean[0, :] in fix has some entries, but its update takes them all together: fix all of "
        "them, or write `constrain mean[0, 0] == 0` in the model"
    )


def zeros_of(size: int, entries: dict[tuple[int, int], float]) -> NDArray[Any]:
    out = np.full((size, size), NAN)
    for place, value in entries.items():
        out[place] = value
    return out


GAUSSIAN = """\
model Gaussian
param mean : real[D]
param cov  : posdef[D]
for n in N:
    data x[n] : real[D] ~ MvNormal(mean, cov)
"""


def rows(seed: int, n: int = 60, size: int = 3) -> NDArray[Any]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, size)) @ rng.normal(size=(size, size)) + 3.0


@pytest.mark.parametrize("gaps", [False, True], ids=["complete", "cells missing"])
def test_entries_of_a_covariance(gaps: bool) -> None:
    """A search over the mean and the free entries, on the density of the cells that are there."""
    x = rows(4)
    if gaps:
        x[np.random.default_rng(1).random(x.shape) < 0.15] = NAN
    fixed = zeros_of(3, {(0, 1): 0.0, (2, 2): 2.0})
    fit = emdsl.load(Source(GAUSSIAN, "g.em")).fit(x, fix={"cov": fixed}, tol=1e-12)
    cov = fit.params["cov"]
    assert fit.status == "converged"
    assert (cov[0, 1], cov[1, 0], cov[2, 2]) == (0.0, 0.0, 2.0)
    assert fit.n_params == 3 + 4
    assert np.array_equal(np.isnan(fit.fix["cov"]), np.isnan(fixed) & np.isnan(fixed.T))

    def lost(t: NDArray[Any]) -> float:
        s = np.array([[t[3], 0.0, t[4]], [0.0, t[5], t[6]], [t[4], t[6], 2.0]])
        if np.linalg.eigvalsh(s)[0] <= 1e-9:
            return 1e6
        total = 0.0
        for row in x:
            at = np.flatnonzero(~np.isnan(row))
            if len(at):
                total -= stats.multivariate_normal.logpdf(row[at], t[:3][at], s[np.ix_(at, at)])
        return total

    start = np.array([*fit.params["mean"], *cov[0, [0, 2]], *cov[1, [1, 2]]])
    found = optimize.minimize(lost, start * 1.01, method="BFGS", options={"gtol": 1e-5})
    assert fit.log_likelihood == pytest.approx(-found.fun, abs=1e-6)
    assert start == pytest.approx(found.x, rel=1e-3, abs=1e-3)


def test_zeros_of_each_component_and_of_the_noise_of_latents() -> None:
    """A diagonal written as zeros is the model that has a diagonal."""
    x = np.concatenate([rows(1), rows(2) + 6.0])
    off = np.where(np.eye(3) > 0.0, NAN, 0.0)
    gmm = emdsl.load(MODELS / "gaussian_mixture.em")
    init = {"weight": [0.5, 0.5], "mean": [[3.0] * 3, [9.0] * 3], "cov": np.array([np.eye(3)] * 2)}
    fit = gmm.fit(x, K=2, fix={"cov": np.stack([off, off])}, init=init, tol=1e-11)
    diagonal = emdsl.load(MODELS / "gaussian_mixture_diagonal.em")
    var = {**{n: v for n, v in init.items() if n != "cov"}, "var": np.ones((2, 3))}
    plain = diagonal.fit(x, K=2, init=var, tol=1e-11)
    assert (fit.n_params, fit.log_likelihood) == (
        plain.n_params, pytest.approx(plain.log_likelihood, abs=1e-6)
    )  # fmt: skip
    factor = (
        "model F\nparam load : real[3]\nparam mean : real[3]\nparam noise : {}\nfor n in N:\n"
        "    latent f[n] : real ~ Normal(0, 1)\n"
        "    data x[n] : real[3] ~ MvNormal(mean + load * f[n], {})\n"
    )
    full = emdsl.load(Source(factor.format("posdef[3]", "noise"), "f.em"))
    vector = emdsl.load(Source(factor.format("positive[3]", "diag(noise)"), "f.em"))
    begun = {"load": np.ones(3), "mean": np.zeros(3)}
    y = rows(3)
    one = full.fit(y, fix={"noise": off}, init={**begun, "noise": np.eye(3)}, max_iter=25)
    two = vector.fit(y, init={**begun, "noise": np.ones(3)}, max_iter=25, fix={"mean": NAN})
    assert one.objective_trace[:6] == pytest.approx(two.objective_trace[:6], abs=1e-7)


def test_a_graph_in_a_chain() -> None:
    """The states' precisions have a zero: theirs are the blocks of their covariances."""
    text = """\
model Chain(K = 2)
param start    : simplex[K]
param trans[K] : simplex[K]
param mean[K]  : real[3]
param prec[K]  : posdef[3]
for t in T:
    latent z[t] ~ Categorical(start if t == 0 else trans[z[t-1]])
    data   x[t] : real[3] ~ MvNormal(mean[z[t]], precision = prec[z[t]])
"""
    rng = np.random.default_rng(8)
    state = (np.arange(240) // 40) % 2
    x = rng.normal(size=(240, 3)) * np.where(state, 1.0, 2.0)[:, None] + 3.0 * state[:, None]
    off = zeros_of(3, {(0, 1): 0.0, (0, 2): 0.0})
    fit = emdsl.load(Source(text, "c.em")).fit(
        x, fix={"prec": np.stack([off, off])}, restarts=2, seed=1, tol=1e-11
    )
    assert fit.status == "converged"
    z = fit.posterior()["z"]
    for k in range(2):
        w = z[:, k] / z[:, k].sum()
        s = (w[:, None] * (x - w @ x)).T @ (x - w @ x)
        assert fit.params["prec"][k][0, 0] == pytest.approx(1.0 / s[0, 0], rel=1e-4)
        assert fit.params["prec"][k][1:, 1:] == pytest.approx(np.linalg.inv(s[1:, 1:]), rel=1e-3,
                                                              abs=1e-3)  # fmt: skip


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ({(0, 1): 0.5, (1, 0): 0.4},
         ("cov[0, 1] in fix is 0.5, but cov[1, 0] is 0.4: the matrix is symmetric, give both the "
          "same or one of them NaN")),
        ({(1, 1): 0.0},
         ("cov[1, 1] in fix is 0, expected a positive number: it is on the diagonal of a positive "
          "definite matrix")),
        ({(0, 1): np.inf}, "cov[0, 1] in fix is inf, expected a finite number"),
        ({(0, 0): 1.0, (2, 2): 4.0, (2, 0): -2.0},
         ("no positive definite matrix cov has the entries that `fix` give it: [0, 2] is -2, "
          "expected between -2 and 2, the root of [0, 0] times [2, 2]")),
        ({(0, 0): 1.0, (1, 1): 1.0, (2, 2): 1.0, (0, 1): 0.9, (1, 2): 0.9, (0, 2): -0.9},
         ("cov in fix is [[ 1. ,  0.9, -0.9], [ 0.9,  1. ,  0.9], [-0.9,  0.9,  1. ]], expected a "
          "positive definite matrix")),
    ],
)  # fmt: skip
def test_entries_that_no_matrix_has(entries: dict[tuple[int, int], float], text: str) -> None:
    with pytest.raises(ParamsError) as caught:
        emdsl.load(Source(GAUSSIAN, "g.em")).fit(rows(1), fix={"cov": zeros_of(3, entries)})
    assert str(caught.value) == text


def test_entries_of_the_file_and_of_the_fit_meet() -> None:
    text = GAUSSIAN + "constrain cov[0, 1] == 0\nconstrain cov[2, 2] == cov[1, 1]\n"
    module = emdsl.load(Source(text, "g.em"))
    fit = module.fit(rows(2), fix={"cov": zeros_of(3, {(1, 2): 0.25})})
    cov = fit.params["cov"]
    assert (cov[0, 1], cov[2, 1], fit.n_params) == (0.0, 0.25, 3 + 3)
    assert cov[1, 1] == cov[2, 2]
    with pytest.raises(ParamsError) as caught:
        module.fit(rows(2), fix={"cov": zeros_of(3, {(1, 0): 0.25})})
    assert str(caught.value) == (
        "cov[0, 1] is held at 0.25 by `fix` and at 0 by `cov[0, 1] == 0`: leave one out"
    )
    one_row = emdsl.load(Source(GAUSSIAN + "constrain cov[0] == cov[1]\n", "g.em"))
    with pytest.raises(ParamsError) as caught:
        one_row.fit(rows(2))
    assert str(caught.value) == (
        "no positive definite matrix cov has the entries that `cov[0] == cov[1]` give it, whatever "
        "the others are: leave more of them free"
    )


def test_awkward_data_under_entries() -> None:
    """Units, an offset, a constant column, fewer rows than columns, one row."""
    module = emdsl.load(Source(GAUSSIAN, "g.em"))
    fixed = zeros_of(3, {(0, 1): 0.0})
    x = rows(7)
    plain = module.fit(x, fix={"cov": fixed})
    for unit in (1e-12, 1e12):
        other = module.fit(x * unit, fix={"cov": fixed})
        assert other.params["cov"] / unit**2 == pytest.approx(plain.params["cov"], rel=1e-7)
    far = module.fit(x + 1e8, fix={"cov": fixed})
    assert far.params["cov"] == pytest.approx(plain.params["cov"], abs=1e-6)
    for data in (x * [0.0, 1.0, 1.0], x[:2], x[:1]):
        assert module.fit(data, fix={"cov": fixed}).status == "degenerate"
    off = np.where(np.eye(3) > 0.0, NAN, 0.0)
    assert module.fit(x[:2], fix={"cov": off}).status == "converged"
