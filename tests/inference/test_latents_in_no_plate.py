"""Continuous latents that stand in no plate: one value, which all rows say something of."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

import emdsl
from emdsl.compiler import compile_source
from emdsl.report.explain import explain
from emdsl.source import Source
from emdsl.verify.checks import Case
from emdsl.verify.continuous_checks import check_continuous
from tests.gallery.models import ROOT, data, module
from tests.inference.test_latent_matrices import matrix_t

NORMAL = """model M
param m0    : real
param s0, s : positive
latent mu ~ Normal(m0, s0)
for n in N:
    data x[n] ~ Normal(mu, s)
"""
NESTED = """model M
param m0       : real
param s0, s, t : positive
latent mu ~ Normal(m0, s0)
for g in G:
    latent b[g] ~ Normal(mu, t)
for n in N:
    input group[n] : index[G]
    data  x[n] ~ Normal(b[group[n]], s)
"""
X = np.random.default_rng(5).normal(size=7) + 1
GROUP = np.array([0, 0, 1, 1, 1, 2, 2])


def model(text: str) -> Any:
    return emdsl.load(Source(text, "m.em"))


def shared(declared: str, data: str, params: str = "param a, b : positive") -> Any:
    return model(f"model M\n{params}\nlatent {declared}\nfor n in N:\n    data {data}\n")


def test_a_normal_mean() -> None:
    params = {"m0": 0.3, "s0": 0.7, "s": 1.2}
    m = model(NORMAL)
    law = stats.multivariate_normal(np.full(7, 0.3), 0.49 + 1.44 * np.eye(7))
    assert m.log_likelihood(X, params) == pytest.approx(law.logpdf(X), rel=1e-13)
    precision = 1 / 0.49 + 7 / 1.44
    found = m.posterior_moments(X, params)["mu"]
    assert (found.mean.shape, found.covariance.shape) == ((), ())
    assert found.mean == pytest.approx((0.3 / 0.49 + X.sum() / 1.44) / precision, rel=1e-13)
    assert found.covariance == pytest.approx(1 / precision, rel=1e-13)
    np.testing.assert_allclose(m.row_log_likelihood(X, params)["all"], [law.logpdf(X)], rtol=1e-13)
    drawn = m.sample_posterior(X, params, n=4000, seed=1)["mu"]
    assert drawn.shape == (4000,)
    assert drawn.mean() == pytest.approx(found.mean, abs=5 / np.sqrt(4000 * precision))
    assert np.shape(m.sample(params, 4)["mu"]) == ()


def test_above_a_mean_of_each_group() -> None:
    """Tied to latents of other rows: one large normal, of which it is one element."""
    params, data = {"m0": 0.3, "s0": 0.7, "s": 1.2, "t": 0.5}, {"x": X, "group": GROUP}
    same = GROUP[:, None] == GROUP
    law = stats.multivariate_normal(np.full(7, 0.3), 0.49 + 0.25 * same + 1.44 * np.eye(7))
    m = model(NESTED)
    assert m.log_likelihood(data, params) == pytest.approx(law.logpdf(X), rel=1e-12)
    gain = 0.49 * np.linalg.solve(law.cov_object.covariance, np.ones(7))
    found = m.posterior_moments(data, params)["mu"]
    assert found.mean == pytest.approx(0.3 + gain @ (X - 0.3), rel=1e-12)
    assert found.covariance == pytest.approx(0.49 - 0.49 * gain.sum(), rel=1e-12)


def test_a_chance_a_rate_shares_and_a_matrix() -> None:
    params = {"a": 1.3, "b": 2.0}
    y = np.array([1, 0, 1, 1, 0, 1])
    chance = shared("p : unit ~ Beta(a, b)", "y[n] : bool ~ Bernoulli(p)")
    expected = special.betaln(5.3, 4.0) - special.betaln(1.3, 2.0)
    assert chance.log_likelihood(y, params) == pytest.approx(expected, rel=1e-12)
    assert chance.posterior_moments(y, params)["p"].mean == pytest.approx(5.3 / 9.3, rel=1e-13)

    c = np.array([1, 0, 5, 2])
    rate = shared("r ~ Gamma(a, b)", "c[n] : count ~ Poisson(r)")
    expected = 1.3 * np.log(2.0) - special.gammaln(1.3) - special.gammaln(c + 1).sum()
    expected += special.gammaln(9.3) - 9.3 * np.log(6.0)
    assert rate.log_likelihood(c, params) == pytest.approx(expected, rel=1e-12)
    assert rate.posterior_moments(c, params)["r"].mean == pytest.approx(9.3 / 6, rel=1e-13)

    alpha, k = np.array([1.0, 2.0, 0.5]), np.array([0, 1, 1, 2, 1])
    shares = shared(
        "u : simplex[K] ~ Dirichlet(alpha)",
        "k[n] : category[K] ~ Categorical(u)",
        "param alpha : positive[K]",
    )
    after = alpha + np.bincount(k)
    expected = special.gammaln(after).sum() - special.gammaln(after.sum())
    expected -= special.gammaln(alpha).sum() - special.gammaln(alpha.sum())
    assert shares.log_likelihood(k, {"alpha": alpha}) == pytest.approx(expected, rel=1e-12)
    found = shares.posterior_moments(k, {"alpha": alpha})["u"]
    np.testing.assert_allclose(found.mean, after / after.sum(), rtol=1e-13)

    x, v = np.random.default_rng(1).normal(size=(5, 2)), np.array([[1.0, 0.3], [0.3, 2.0]])
    matrix = shared(
        "W : posdef[D] ~ Wishart(D - 1 + nu, V)",
        "x[n] : real[D] ~ MvNormal(zeros[D], precision = W)",
        "param nu : positive\nparam V : posdef[D]",
    )
    found = matrix.posterior_moments(x, {"nu": 2.0, "V": v})["W"]
    expected = matrix_t(x, 3.0, np.linalg.inv(v))
    assert matrix.log_likelihood(x, {"nu": 2.0, "V": v}) == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(
        found.mean, 8 * np.linalg.inv(np.linalg.inv(v) + x.T @ x), rtol=1e-12
    )


def test_weights_and_missing_rows_count() -> None:
    text = NORMAL.replace("for n in N:", "for n in N times w[n]:\n    input w[n] : positive")
    params = {"m0": 0.3, "s0": 0.7, "s": 1.2}
    seen = np.append(X, np.nan)
    weighted = model(text).log_likelihood({"x": seen, "w": np.r_[2.0, np.ones(7)]}, params)
    repeated = model(NORMAL).log_likelihood(np.append(X, X[0]), params)
    assert weighted == pytest.approx(repeated, rel=1e-13)


def test_a_mean_under_a_wide_prior_is_restricted_likelihood() -> None:
    """Of balanced groups that has the estimates of the analysis of variance."""
    path = ROOT / "models/restricted_likelihood.em"
    y = data(path)["y"].reshape(6, 5)
    within = y.var(axis=1, ddof=1).mean()
    between = y.mean(axis=1).var(ddof=1)
    fit = module(path).fit(data(path), progress=False)
    assert fit.params["sigma"] ** 2 == pytest.approx(within, rel=1e-5)
    assert fit.params["tau"] ** 2 == pytest.approx(between - within / 5, rel=1e-5)
    law = stats.multivariate_normal(
        np.zeros(30),
        np.full((30, 30), 1e10)
        + np.kron(np.eye(6), np.full((5, 5), fit.params["tau"] ** 2))
        + fit.params["sigma"] ** 2 * np.eye(30),
    )
    assert fit.log_likelihood == pytest.approx(law.logpdf(y.ravel()), rel=1e-6)


def test_explained_without_an_index() -> None:
    said = explain(compile_source(Source(NORMAL, "m.em")))
    assert "Plate n (mu, x): strategy gaussian" in said
    assert "b = m0′ / s0² + Σ_n [x_n seen] x′_n / s²" in said
    assert "log p(x | mu, s) = Σ_n [x_n seen]" in said
    assert "latent  mu    real  ~ Normal(m0, s0)" in said
    text = compile_source(Source(NORMAL, "m.em")).module
    assert "    latent mu : real ~ Normal(m0, s0)\n" in text
    assert not re.search(r"\bmu\[", text.split("def draw")[0])


@pytest.mark.slow
@pytest.mark.parametrize("text", [NORMAL, NESTED], ids=["alone", "above groups"])
def test_all_that_holds_of_a_compiled_model(text: str) -> None:
    compiled = compile_source(Source(text, "m.em"))
    params = {"m0": np.array(0.3), "s0": np.array(0.7), "s": np.array(1.2)}
    data: dict[str, Any] = {"x": X}
    if text == NESTED:
        params["t"], data["group"] = np.array(0.5), GROUP
    case = Case(compiled, model(text), data, params)
    assert check_continuous(case, np.random.default_rng(0)) == []
