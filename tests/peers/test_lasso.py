"""Absolute values beside what has no closed form: scikit-learn's, and what makes a maximum one.

At a maximum the slope of what has derivatives balances that of the absolute values, and where these
have a corner it lies between their two slopes (Rockafellar 1970, theorem 23.8).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special
from sklearn.linear_model import LogisticRegression

from emdsl.compiler import CompileError, load
from emdsl.source import Source
from tests.peers.fits import fitted, near
from tests.reference.tables import MODELS, column, matrix

RNG = np.random.default_rng(2)
N = 150
U = RNG.normal(size=(N, 5))
COUNTS = RNG.poisson(np.exp(1.0 + np.where(RNG.random(N) < 0.5, 1.0, -1.0) * U[:, 0]))


def balanced(slope: Any, x: Any, weight: Any, within: float = 1e-4) -> None:
    """That x is highest for a share of this slope less weight |x|, entry by entry."""
    slope, x = np.ravel(slope), np.ravel(x)
    weight = np.broadcast_to(weight, x.shape)
    corner = x == 0.0
    near(slope[~corner], (weight * np.sign(x))[~corner], abs_=within)
    assert (np.abs(slope[corner]) <= weight[corner] + within).all()


@pytest.mark.parametrize("scale", [0.05, 0.3, 3.0])
def test_lasso_logistic(scale: float) -> None:
    u, y = matrix("infert", "spontaneous", "induced", "parity"), column("infert", "case")
    peer = LogisticRegression(
        C=scale, l1_ratio=1.0, solver="saga", tol=1e-13, max_iter=100_000
    ).fit(u, y)
    text = (MODELS / "lasso_logistic.em").read_text(encoding="utf-8")
    result = fitted(text.replace("0.05", str(scale)), {"u": u, "y": y})
    near(result.params["beta"], peer.coef_[0], abs_=1e-6)
    near(result.params["intercept"], peer.intercept_[0], abs_=1e-6)
    assert np.array_equal(result.params["beta"] == 0.0, peer.coef_[0] == 0.0)
    assert result.objective == pytest.approx(result.log_likelihood + result.log_prior)
    assert result.messages == ()


def test_a_prior_that_leaves_nothing() -> None:
    u, y = matrix("infert", "spontaneous", "induced", "parity"), column("infert", "case")
    text = (MODELS / "lasso_logistic.em").read_text(encoding="utf-8").replace("0.05", "0.01")
    p = fitted(text, {"u": u, "y": y}).params
    assert not p["beta"].any()
    near(p["intercept"], special.logit(y.mean()), rel=1e-10)


SOFTMAX = """
model LassoSoftmax
param beta[V] : real[P] ~ Laplace(0, 0.3)
for n in N:
    input u[n] : real[P]
    data  y[n] : category[V] ~ Categorical(softmax(beta @ u[n]))
"""


def test_lasso_softmax() -> None:
    """Which class is nobody's: the prior decides what the likelihood leaves open."""
    y = np.random.default_rng(3).integers(0, 3, N)
    beta = fitted(SOFTMAX, {"u": U, "y": y}).params["beta"]
    left = np.eye(3)[y] - special.softmax(U @ beta.T, axis=1)
    balanced(left.T @ U, beta, 1.0 / 0.3)
    assert 0 < (beta == 0.0).sum() < beta.size


GAMMA = """
model LassoGamma
param level : real
param beta  : real[P] ~ Laplace(0, tau)
param tau   : positive ~ Gamma(2, 10)
param shape : positive
for n in N:
    input u[n] : real[P]
    data  y[n] ~ Gamma(shape, log = level + dot(beta, u[n]))
"""


def test_lasso_whose_scale_is_estimated() -> None:
    y = np.random.default_rng(4).gamma(2.0, 1.0, N) * np.exp(U[:, 1])
    p = fitted(GAMMA, {"u": U, "y": y}).params
    rest = p["shape"] * (y * np.exp(-p["level"] - U @ p["beta"]) - 1.0)
    near(rest.sum(), 0.0, abs_=1e-4)
    balanced(rest @ U, p["beta"], 1.0 / p["tau"])
    total = np.abs(p["beta"]).sum()  # a root of the density's derivative by tau
    near(-5.0 / p["tau"] + total / p["tau"] ** 2 + 1.0 / p["tau"] - 10.0, 0.0, abs_=1e-3)


MIXTURE = """
model LassoMixture(K = 2)
param w       : simplex[K]
param level[K] : real
param beta[K] : real[P] ~ Laplace(0, 0.1)
for n in N:
    input  u[n] : real[P]
    latent z[n] ~ Categorical(w)
    data   y[n] : count ~ Poisson(log = level[z[n]] + dot(beta[z[n]], u[n]))
"""


def test_lasso_in_a_mixture() -> None:
    """The components are problems of their own; a few steps in each iteration never lower it."""
    result = fitted(MIXTURE, {"u": U, "y": COUNTS}, K=2, restarts=2, seed=0)
    assert np.diff(result.objective_trace).min() > -1e-9
    p, r = result.params, result.posterior()["z"]
    rest = COUNTS[:, None] - np.exp(p["level"] + U @ p["beta"].T)
    balanced((r * rest).T @ U, p["beta"], 10.0)
    assert (p["beta"] == 0.0).any()


ROBUST = """
model CauchyPrior
param b : real[P] ~ Cauchy(0, 1)
param s : positive
for n in N:
    input u[n] : real[P]
    data  y[n] ~ Laplace(dot(b, u[n]), s)
"""


def test_deviations_of_rows_beside_a_prior_with_derivatives() -> None:
    """No move from the maximum raises it, however small, along the rows' corners or across."""
    rng = np.random.default_rng(5)
    y = rng.laplace(size=N) + U[:, 1]
    p = fitted(ROBUST, {"u": U, "y": y}).params

    def density(b: Any) -> Any:
        return -np.abs(y - U @ b).sum() / p["s"] - np.log1p(b * b).sum()

    best = density(p["b"])
    for _ in range(2000):
        move = rng.normal(size=5) * (rng.random(5) < 0.5) * 10.0 ** rng.uniform(-7, 0)
        assert density(p["b"] + move) <= best + 1e-9
    assert (np.abs(y - U @ p["b"]) < 1e-10).sum() >= 3


def test_fixed_coefficients_stay() -> None:
    y = (U[:, 0] > RNG.normal(size=N)).astype(int)
    text = (MODELS / "lasso_logistic.em").read_text(encoding="utf-8")
    fix = {"beta": [0.5, np.nan, np.nan, np.nan, -0.25]}
    p = fitted(text, {"u": U, "y": y}, fix=fix).params
    near(p["beta"][[0, 4]], [0.5, -0.25], rel=0.0, abs_=0.0)
    rest = y - special.expit(p["intercept"] + U @ p["beta"])
    near(rest.sum(), 0.0, abs_=1e-6)
    balanced(rest @ U[:, 1:4], p["beta"][1:4], 20.0)


def test_awkward_data() -> None:
    """One row, equal rows, columns of zeros, all the same outcome, and covariates of any unit."""
    model = load(MODELS / "lasso_logistic.em")
    flat = model.fit({"u": np.zeros((4, 2)), "y": [0, 1, 1, 0]})
    near([flat.params["intercept"], *flat.params["beta"]], [0.0, 0.0, 0.0])
    assert flat.messages == ()  # what the column doesn't decide the prior does
    one = model.fit({"u": [[1.0, 2.0]], "y": [1]})
    assert "intercept has no finite maximum" in one.messages[0]
    assert np.array_equal(one.params["beta"], [0.0, 0.0])
    y = (U[:, 0] > 0.0).astype(int)  # separated, but for the prior
    plain = model.fit({"u": U, "y": y})
    assert plain.messages == ()
    tiny = load(Source(
        (MODELS / "lasso_logistic.em").read_text(encoding="utf-8").replace("0.05", "5e6")
    )).fit({"u": 1e-8 * U, "y": y})  # fmt: skip
    near(1e-8 * tiny.params["beta"], plain.params["beta"], rel=1e-6)


def test_constraints_that_deviations_have_no_step_for_are_refused() -> None:
    text = (MODELS / "lasso_logistic.em").read_text(encoding="utf-8")
    with pytest.raises(CompileError) as raised:
        load(Source(text + "constrain beta[0] == beta[1]\nconstrain intercept >= 0\n", "m.em"))
    said = str(raised.value)
    assert (
        "m.em:7:7: error: no update of `intercept` (real) under `intercept >= 0` [no-closed-form]"
    ) in said
    assert (
        "m.em:8:7: error: no update of `beta` (real[P]) under `beta[0] == beta[1]` [no-closed-form]"
    ) in said
    assert (
        "help: with absolute values in its share of Q entries can be fixed, no more; give it a"
        " prior without corners, or declare one param for what is equal"
    ) in said
