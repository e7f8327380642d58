"""Generalised linear models beside scikit-learn's: the same objective, the same maximum."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import GammaRegressor, LogisticRegression, PoissonRegressor

from tests.peers.fits import compiled, fitted, near
from tests.reference.tables import column, columns, matrix

EXACT = {"tol": 1e-12, "max_iter": 10_000}


def test_ridge_logistic() -> None:
    """A standard normal prior is a penalty of C = 1, the intercept left alone."""
    u, y = matrix("infert", "spontaneous", "induced"), column("infert", "case")
    peer = LogisticRegression(C=1.0, **EXACT).fit(u, y)
    result = fitted("ridge_logistic", {"u": u, "y": y})
    near(result.params["beta"], peer.coef_[0])
    near(result.params["intercept"], peer.intercept_[0])
    assert result.objective == pytest.approx(result.log_likelihood + result.log_prior)


RIDGE_SOFTMAX = """
model RidgeSoftmax
param level[V] : real
param beta[V]  : real[P] ~ Normal(0, 1)
for n in N:
    input u[n] : real[P]
    data  y[n] : category[V] ~ Categorical(softmax(level + beta @ u[n]))
"""


def test_ridge_softmax() -> None:
    """Irises, which separate: the prior holds the coefficients where they are."""
    species = np.array(columns("iris")["species"])
    y = np.unique(species, return_inverse=True)[1]
    u = matrix("iris", "sl", "sw", "pl", "pw")
    peer = LogisticRegression(C=1.0, **EXACT).fit(u, y)
    result = fitted(RIDGE_SOFTMAX, {"u": u, "y": y})
    near(result.params["beta"], peer.coef_, rel=1e-4, abs_=1e-6)
    level = result.params["level"]
    near(level - level.mean(), peer.intercept_ - peer.intercept_.mean(), rel=1e-4, abs_=1e-5)


def test_ridge_of_data_that_separate() -> None:
    u = np.linspace(-2, 2, 40)[:, None]
    y = (u[:, 0] > 0).astype(int)
    peer = LogisticRegression(C=1.0, **EXACT).fit(u, y)
    near(fitted("ridge_logistic", {"u": u, "y": y}).params["beta"], peer.coef_[0])


def test_poisson_regression() -> None:
    u = matrix("biochemists", "fem", "mar", "kid5", "phd", "ment")
    y = column("biochemists", "art")
    peer = PoissonRegressor(alpha=0.0, tol=1e-12, max_iter=10_000).fit(u, y)
    result = fitted("poisson_regression", {"u": u, "y": y})
    near(result.params["beta"], peer.coef_, rel=1e-4)
    near(result.params["intercept"], peer.intercept_, rel=1e-4)


def test_gamma_regression() -> None:
    u, y = matrix("clotting", "log_conc", "lot"), column("clotting", "time")
    peer = GammaRegressor(alpha=0.0, tol=1e-12, max_iter=10_000).fit(u, y)
    result = fitted("gamma_regression", {"u": u, "y": y})
    near(result.params["beta"], peer.coef_, rel=1e-4)


def test_predicted_shares() -> None:
    """The softmax at given coefficients, by the probability of each category."""
    u = matrix("anes96", "one", "selfLR", "age")
    y = column("anes96", "PID").astype(int)
    result = fitted("softmax_regression", {"u": u, "y": y})
    peer = LogisticRegression(C=np.inf, fit_intercept=False, **EXACT).fit(u, y)
    expected = float(peer.predict_log_proba(u)[np.arange(len(y)), y].sum())
    assert result.log_likelihood == pytest.approx(expected, rel=1e-8)
    given = {"beta": peer.coef_}
    value = compiled("softmax_regression").log_likelihood({"u": u, "y": y}, given)
    assert value == pytest.approx(expected, rel=1e-12)
