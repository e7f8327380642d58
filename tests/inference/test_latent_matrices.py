"""Latent positive definite matrices: Wishart and inverse Wishart, integrated out."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, special, stats

import emdsl
from emdsl.compiler import compile_source
from emdsl.diagnostics import CompileError
from emdsl.runtime.errors import DataError
from emdsl.source import Source
from emdsl.verify.checks import Case
from emdsl.verify.continuous_checks import check_continuous

Floats = NDArray[np.float64]

ROOT = Path(__file__).parents[2]

GROUPS = """model M
param nu : positive
param V  : posdef[D]
for g in G:
    latent W[g] : posdef[D] ~ Wishart(D - 1 + nu, V)
for n in N:
    input group[n] : index[G]
    data  x[n] : real[D] ~ MvNormal(zeros[D], precision = W[group[n]])
"""
ROWS = """model M
param nu   : positive
param V    : posdef[D]
param mean : real[D]
for n in N:
    latent S[n] : posdef[D] ~ InverseWishart(D - 1 + nu, V)
    data   x[n] : real[D] ~ MvNormal(mean, S[n])
"""
MIXTURE = """model M(K = 2)
param w       : simplex[K]
param nu[K]   : positive
param V[K]    : posdef[D]
param mean[K] : real[D]
for n in N:
    latent z[n] ~ Categorical(w)
    latent S[n] : posdef[D] ~ InverseWishart(D - 1 + nu[z[n]], V[z[n]])
    data   x[n] : real[D] ~ MvNormal(mean[z[n]], S[n])
"""

RNG = np.random.default_rng(3)
D = 3
V = np.asarray(stats.wishart(D + 2, np.eye(D)).rvs(random_state=RNG))
X = RNG.normal(size=(9, D))
GROUP = np.array([0, 2, 0, 0, 2, 3, 2, 0, 2])  # of 4: none, one and fewer rows than columns


@cache
def module(text: str) -> Any:
    return emdsl.load(Source(text, "m.em"))


def matrix_t(x: Floats, df: float, precision: Floats) -> float:
    """log of the integral over W ~ Wishart(df, scale) of N(x | 0, W^-1), `precision` = scale^-1.

    Gupta and Nagar 2000, Matrix Variate Distributions, section 4.2.
    """
    n, d = x.shape
    det = np.linalg.slogdet(precision)[1], np.linalg.slogdet(precision + x.T @ x)[1]
    ratio = special.multigammaln((df + n) / 2, d) - special.multigammaln(df / 2, d)
    return float(ratio - n * d / 2 * np.log(np.pi) + df / 2 * det[0] - (df + n) / 2 * det[1])


def test_groups_have_matrix_ts_and_wisharts() -> None:
    params, data = {"nu": 1.7, "V": V}, {"x": X, "group": GROUP}
    df, inverse = D - 1 + 1.7, np.linalg.inv(V)
    model = module(GROUPS)
    rows = [matrix_t(X[g == GROUP], df, inverse) for g in range(4)]
    assert model.log_likelihood(data, params) == pytest.approx(sum(rows), rel=1e-13)
    np.testing.assert_allclose(model.row_log_likelihood(data, params)["G"], rows, atol=1e-12)
    found = model.posterior_moments(data, params)["W"]
    drawn = model.sample_posterior(data, params, n=3000, seed=1)["W"]
    assert drawn.shape == (3000, 4, D, D)
    for g in range(4):
        own = X[g == GROUP]
        law = stats.wishart(df + len(own), np.linalg.inv(inverse + own.T @ own))
        np.testing.assert_allclose(found.mean[g], law.mean(), rtol=1e-12)
        np.testing.assert_allclose(found.covariance[g], law.var(), rtol=1e-12)
        far = (drawn[:, g].mean(axis=0) - law.mean()) / np.sqrt(law.var() / 3000)
        assert np.abs(far).max() < 5
    assert (np.linalg.eigvalsh(drawn) > 0).all()


def test_a_row_of_its_own_has_a_multivariate_t() -> None:
    mean = np.array([0.3, -0.2, 1.0])
    params, df = {"nu": 4.5, "V": V, "mean": mean}, D - 1 + 4.5
    t = stats.multivariate_t(mean, V / 4.5, 4.5)
    model = module(ROWS)
    assert model.log_likelihood(X, params) == pytest.approx(t.logpdf(X).sum(), rel=1e-13)
    found = model.posterior_moments(X, params)["S"]
    drawn = model.sample_posterior(X, params, n=3000, seed=1)["S"]
    away = X[0] - mean
    law = stats.invwishart(df + 1, V + np.outer(away, away))
    np.testing.assert_allclose(found.mean[0], law.mean(), rtol=1e-12)
    np.testing.assert_allclose(found.covariance[0], law.var(), rtol=1e-12)
    far = (drawn[:, 0].mean(axis=0) - law.mean()) / np.sqrt(law.var() / 3000)
    assert np.abs(far).max() < 5


def test_under_a_discrete_latent() -> None:
    """A mixture of multivariate ts; the covariance's mean is over both classes."""
    w, nu, mean = np.array([0.3, 0.7]), np.array([2.5, 4.0]), RNG.normal(size=(2, D))
    both = np.stack([V, V[::-1, ::-1]])
    params = {"w": w, "nu": nu, "V": both, "mean": mean}
    ts = [stats.multivariate_t(mean[k], both[k] / nu[k], nu[k]) for k in (0, 1)]
    logs = np.array([np.log(w[k]) + ts[k].logpdf(X) for k in (0, 1)])
    total = np.logaddexp(*logs)
    model = module(MIXTURE)
    assert model.log_likelihood(X, params) == pytest.approx(total.sum(), rel=1e-13)
    shares = np.exp(logs - total)
    np.testing.assert_allclose(model.posterior(X, params)["z"], shares.T, rtol=1e-10)
    away = X[:, None] - mean
    squares = away[..., None] * away[..., None, :]
    means = (both + squares) / (nu - 1)[:, None, None]  # df + 1 - D - 1
    expected = np.einsum("kn,nkij->nij", shares, means)
    found = model.posterior_moments(X, params)["S"].mean
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def iris() -> dict[str, Any]:
    table = np.loadtxt(ROOT / "models/data/iris_groups.csv", delimiter=",", skiprows=1)
    return {"group": table[:, 0].astype(np.int64), "x": table[:, 1:]}


def pooled() -> Any:
    path = ROOT / "models/pooled_covariances.em"
    return module(path.read_text(encoding="utf-8"))


def test_the_fit_is_the_maximum_of_the_closed_form() -> None:
    """Empirical Bayes of covariances: the marginal likelihood climbed by SciPy."""
    data = iris()
    found = pooled().fit(data, restarts=1, tol=1e-12)
    d = data["x"].shape[1]
    groups = [data["x"][data["group"] == g] for g in range(3)]
    lower = np.tril_indices(d)

    def value(point: Floats) -> float:
        spare, root = np.exp(point[0]), np.zeros((d, d))
        root[lower] = point[1:]
        rate = spare * root @ root.T
        return -sum(matrix_t(x - x.mean(axis=0), d + 1 + spare, rate) for x in groups)

    start = np.r_[1.0, np.linalg.cholesky(np.cov(data["x"].T) / 4)[lower]]
    best = optimize.minimize(value, start, options={"gtol": 1e-6})
    assert found.status == "converged"
    assert found.log_likelihood == pytest.approx(-best.fun, abs=1e-6)
    assert found.params["spare"] == pytest.approx(np.exp(best.x[0]), rel=1e-2)
    np.testing.assert_allclose(found.params["mean"], [x.mean(axis=0) for x in groups], rtol=1e-8)


@pytest.mark.slow
def test_nothing_depends_on_the_unit_or_the_origin() -> None:
    data, model = iris(), pooled()
    plain = model.fit(data, restarts=1)
    small = model.fit({**data, "x": 1e-8 * data["x"]}, restarts=1)
    far = model.fit({**data, "x": 1e8 + data["x"]}, restarts=1)
    for other, shift, tolerance in ((small, data["x"].size * np.log(1e-8), 1e-5), (far, 0.0, 1e-4)):
        assert other.status == "converged"
        assert other.log_likelihood + shift == pytest.approx(plain.log_likelihood, abs=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda x: x[[0, 60, 120]], "collapsed: "),
        (lambda x: np.column_stack([x[:, :3], 2 * x[:, 2]]), "isn't positive definite"),
        (np.ones_like, "collapsed: "),
    ],
    ids=["one row in each group", "collinear columns", "one value"],
)
def test_no_maximum(change: Any, expected: str) -> None:
    data, model = iris(), pooled()
    x = change(data["x"])
    group = data["group"] if len(x) > 3 else np.arange(3)
    found = model.fit({"x": x, "group": group}, restarts=1, seed=0)
    assert found.status == "degenerate"
    assert expected in " ".join(found.messages)


def test_a_row_partly_missing() -> None:
    data = iris()
    data["x"][5, 1] = np.nan
    with pytest.raises(DataError, match=r"x row 5 is partly missing \(x\[5, 1\]; 1 such\)"):
        pooled().fit(data)
    data["x"][5] = np.nan
    assert pooled().fit(data, restarts=1).status == "converged"


def test_degrees_of_freedom_that_are_too_few() -> None:
    text = GROUPS.replace("param nu : positive", "const nu : positive").replace("D - 1 + ", "")
    data = {"x": X, "group": GROUP}
    model = module(text)
    params = {"V": V}
    expected = sum(matrix_t(X[g == GROUP], 2.2, np.linalg.inv(V)) for g in range(4))
    assert model.log_likelihood({**data, "nu": 2.2}, params) == pytest.approx(expected, rel=1e-13)
    message = "2 degrees of freedom are too few for matrices of order 3, expected more than 2"
    with pytest.raises(DataError, match=message):
        model.log_likelihood({**data, "nu": 2.0}, params)


def test_degrees_of_freedom_that_may_become_too_few() -> None:
    with pytest.raises(CompileError) as error:
        compile_source(Source(GROUPS.replace("D - 1 + ", ""), "m.em"))
    said = str(error.value)
    assert "the degrees of freedom of Wishart are above its order less 1, and nothing keeps" in said
    assert "write what they have beyond that as a positive param: `D - 1 + nu`" in said
    bounded = GROUPS.replace("[D]", "[3]").replace("D - 1 + ", "").replace("zeros[D]", "zeros[3]")
    compile_source(Source(bounded + "constrain nu >= 2.5\n", "m.em"))


@pytest.mark.slow
def test_matrices_of_order_1_against_integration() -> None:
    """Everything that holds of a compiled model; fewer rows than in other tests: integrals."""
    compiled = compile_source(Source(GROUPS, "m.em"))
    data = {"x": X[:4, :1], "group": np.array([0, 1, 0, 0])}
    case = Case(compiled, module(GROUPS), data, {"nu": np.array(2.3), "V": np.array([[0.8]])})
    assert check_continuous(case, np.random.default_rng(0)) == []
