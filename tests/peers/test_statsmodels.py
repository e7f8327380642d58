"""Regressions beside statsmodels: coefficients and log likelihoods."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import digamma
from statsmodels.discrete.count_model import ZeroInflatedNegativeBinomialP, ZeroInflatedPoisson
from statsmodels.miscmodels.ordinal_model import OrderedModel
from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression
from statsmodels.tsa.statespace.structural import UnobservedComponents

import emdsl
from tests.peers.fits import Floats, compiled, fitted, near
from tests.reference.tables import MODELS, column, design, matrix

LIKELIHOOD = 1e-8  # relative
PUBLISHING = ("fem", "mar", "kid5", "phd", "ment")


def line(result: Any) -> Floats:
    """Intercept and slopes as one vector."""
    return np.concatenate([np.atleast_1d(result.params["intercept"]), result.params["beta"]])


def same_line(result: Any, peer: Any) -> None:
    near(line(result), peer.params[: len(line(result))])
    assert result.log_likelihood == pytest.approx(peer.llf, rel=LIKELIHOOD)


def test_least_squares() -> None:
    u, y = matrix("stackloss", "airflow", "watertemp", "acidconc"), column("stackloss", "loss")
    same_line(fitted("linear_regression", {"u": u, "y": y}), sm.OLS(y, sm.add_constant(u)).fit())


@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_logistic_regression(shift: float) -> None:
    """Covariates far from zero are covariates still."""
    u = matrix("infert", "spontaneous", "induced")
    y = column("infert", "case")
    peer = sm.Logit(y, sm.add_constant(u)).fit(disp=0, tol=1e-12)
    result = fitted("logistic_regression", {"u": u + shift, "y": y})
    near(result.params["beta"], peer.params[1:])
    near(result.params["intercept"], peer.params[0] - shift * peer.params[1:].sum())
    assert result.log_likelihood == pytest.approx(peer.llf, rel=LIKELIHOOD)


@pytest.mark.parametrize("augment", [False, True])
def test_probit_regression(augment: bool) -> None:
    """By Newton's method, and by EM over the normal scores that the answers are the signs of."""
    u, y = matrix("infert", "spontaneous", "induced"), column("infert", "case")
    peer = sm.Probit(y, sm.add_constant(u)).fit(disp=0, tol=1e-12)
    module = emdsl.load(MODELS / "probit_regression.em", augment=augment)
    result = module.fit({"u": u, "y": y}, seed=0, restarts=1, tol=1e-13, max_iter=5000)
    near(line(result), peer.params)
    assert result.log_likelihood == pytest.approx(peer.llf, rel=LIKELIHOOD)


def test_ordered_probit() -> None:
    """Cut at 0 and at 1 with a scale, or at any two places with the scale 1."""
    u, y = matrix("infert", "age", "parity"), column("infert", "induced")
    peer = OrderedModel(y, u, distr="probit").fit(method="newton", disp=0, tol=1e-12)
    result = fitted("ordered_probit", {"u": u, "y": y})
    sd = float(result.params["sd"])
    first, second = peer.model.transform_threshold_params(peer.params)[1:3]
    near(result.params["beta"] / sd, peer.params[:2])
    near(np.array([-result.params["intercept"], 1.0]) / sd, np.array([first, second - first]))
    assert result.log_likelihood == pytest.approx(peer.llf, rel=LIKELIHOOD)


def test_binomial_regression() -> None:
    u, total, y = (column("menarche", head) for head in ("Age", "Total", "Menarche"))
    counts = np.stack([y, total - y], axis=1)
    peer = sm.GLM(counts, sm.add_constant(u), family=sm.families.Binomial()).fit(tol=1e-13)
    same_line(fitted("binomial_regression", {"u": u[:, None], "total": total, "y": y}), peer)


def test_frequency_weights() -> None:
    u, freq = matrix("infert", "spontaneous"), 1.0 + column("infert", "parity")
    y = column("infert", "case")
    weighted = """
model Weighted
param intercept : real
param beta      : real[P]
for n in N times freq[n]:
    input u[n] : real[P]
    data  y[n] : bool ~ Bernoulli(logit = intercept + dot(beta, u[n]))
"""
    binomial = sm.families.Binomial()
    peer = sm.GLM(y, sm.add_constant(u), family=binomial, freq_weights=freq).fit(tol=1e-13)
    same_line(fitted(weighted, {"u": u, "y": y, "freq": freq}), peer)


def test_multinomial_regression() -> None:
    """Only differences of the categories' coefficients are determined."""
    u = matrix("anes96", "one", "logpopul", "selfLR", "age", "educ", "income")
    y = column("anes96", "PID").astype(int)
    peer = sm.MNLogit(y, u).fit(disp=0, tol=1e-12)
    result = fitted("softmax_regression", {"u": u, "y": y})
    near((result.params["beta"] - result.params["beta"][0])[1:].T, peer.params, rel=1e-4, abs_=1e-6)
    assert result.log_likelihood == pytest.approx(peer.llf, rel=LIKELIHOOD)


def test_poisson_regression() -> None:
    u, y = matrix("biochemists", *PUBLISHING), column("biochemists", "art")
    peer = sm.GLM(y, sm.add_constant(u), family=sm.families.Poisson()).fit(tol=1e-13)
    same_line(fitted("poisson_regression", {"u": u, "y": y}), peer)


def doctors() -> dict[str, Any]:
    heads = ("age", "smoker", "deaths", "years")
    data: dict[str, Any] = {head: column("doctors", head) for head in heads}
    return data | {"age": data["age"].astype(int)}


def test_exposure() -> None:
    data = doctors()
    u = np.column_stack([np.eye(5)[data["age"]], data["smoker"]])
    poisson = sm.families.Poisson()
    peer = sm.GLM(data["deaths"], u, family=poisson, exposure=data["years"]).fit(tol=1e-13)
    result = fitted("poisson_exposure", data)
    near(result.params["base"], peer.params[:5])
    near(result.params["smoking"], peer.params[5])
    assert result.params["smoking"] == pytest.approx(0.3545, abs=5e-5)  # Breslow and Day
    assert result.log_likelihood == pytest.approx(peer.llf, rel=LIKELIHOOD)


def test_paired_comparisons() -> None:
    """Strengths as logistic regression on differences of dummies; Agresti's are to two places."""
    heads = ("first", "second", "games", "wins")
    data: dict[str, Any] = {head: column("baseball", head).astype(int) for head in heads}
    design = (np.eye(7)[data["first"]] - np.eye(7)[data["second"]])[:, 1:]
    counts = np.column_stack([data["wins"], data["games"] - data["wins"]])
    peer = sm.GLM(counts, design, family=sm.families.Binomial()).fit(tol=1e-13)
    result = fitted("bradley_terry", data)
    near(result.params["strength"][1:], peer.params)
    assert result.log_likelihood == pytest.approx(peer.llf, rel=LIKELIHOOD)
    published = [0.0, 1.11, 0.68, 1.44, 1.58, 1.25, 1.29]
    np.testing.assert_allclose(result.params["strength"], published, atol=0.005)


EFFECTS = """
model Effects
param effect[G] : real
param slope[G]  : real
param beta      : real[P]
for n in N:
    input group[n] : category[G]
    input u[n]     : real[P]
    input v[n]     : real
    input t[n]     : positive
    data  y[n]     : count ~ Poisson(
        t[n] * exp(effect[group[n]] + slope[group[n]] * v[n] + dot(beta, u[n])))
"""


@pytest.mark.parametrize("groups", [5, 160])
def test_effects_and_slopes_of_groups(groups: int) -> None:
    """Beside dummies and their products; 160 groups are solved by group, 5 are not."""
    rng = np.random.default_rng(4)
    n = 12 * groups
    group, v, t = np.arange(n) % groups, rng.normal(size=n), rng.uniform(1.0, 3.0, n)
    u = rng.normal(size=(n, 2))
    line = 0.5 * rng.normal(size=groups)[group] + 0.3 * v + u @ [0.2, -0.4] + 1.0
    y = rng.poisson(t * np.exp(line))
    dummies = np.eye(groups)[group]
    design = np.column_stack([dummies, dummies * v[:, None], u])
    peer = sm.GLM(y, design, family=sm.families.Poisson(), exposure=t).fit(tol=1e-13)
    result = compiled(EFFECTS).fit({"group": group, "u": u, "v": v, "t": t, "y": y})
    near(result.params["effect"], peer.params[:groups])
    near(result.params["slope"], peer.params[groups:-2])
    near(result.params["beta"], peer.params[-2:])
    assert result.log_likelihood == pytest.approx(peer.llf, rel=LIKELIHOOD)
    assert result.messages == ()


INVERSE_LINK = """
model InverseLink
param intercept : real
param beta      : real[P]
param shape     : positive
for n in N:
    input u[n] : real[P]
    data  y[n] ~ Gamma(shape, shape * (intercept + dot(beta, u[n])))
"""


@pytest.mark.filterwarnings("ignore:The InversePower link")  # it isn't positive by itself
@pytest.mark.parametrize("canonical", [False, True], ids=["log link", "canonical link"])
def test_gamma_regression(canonical: bool) -> None:
    """Coefficients don't depend on the shape, which statsmodels doesn't fit: its equation does."""
    u, y = matrix("clotting", "log_conc", "lot"), column("clotting", "time")
    if canonical:  # of one lot, as in the book
        u, y = u[:9, :1], y[:9]
        start = {"intercept": np.array(0.02), "beta": np.zeros(1), "shape": np.array(1.0)}
        result = fitted(INVERSE_LINK, {"u": u, "y": y}, init=start)
        family = sm.families.Gamma(sm.families.links.InversePower())
    else:
        result = fitted("gamma_regression", {"u": u, "y": y})
        family = sm.families.Gamma(sm.families.links.Log())
    peer = sm.GLM(y, sm.add_constant(u), family=family).fit(tol=1e-14, maxiter=200)
    near(line(result), peer.params)
    ratio = y / peer.mu
    shape = result.params["shape"]
    assert np.log(shape) - digamma(shape) == pytest.approx(np.mean(ratio - 1 - np.log(ratio)))


def test_negative_binomial_regression() -> None:
    u, y = matrix("biochemists", *PUBLISHING), column("biochemists", "art")
    peer = sm.NegativeBinomial(y, sm.add_constant(u)).fit(disp=0, method="newton", tol=1e-12)
    result = fitted("negative_binomial_regression", {"u": u, "y": y})
    same_line(result, peer)
    near(1 / result.params["phi"], peer.params[-1])


def test_zero_inflated_regression() -> None:
    u, y = design("biochemists", *PUBLISHING), column("biochemists", "art")
    peer = ZeroInflatedPoisson(y, u, exog_infl=u)
    result = fitted("zero_inflated_regression", {"u": u, "v": u, "y": y})
    found = np.concatenate([-result.params["gate"], result.params["beta"]])  # of zeros, there
    assert result.log_likelihood == pytest.approx(peer.loglike(found), rel=1e-12)
    best = peer.fit(start_params=found, method="newton", disp=0)
    assert result.log_likelihood == pytest.approx(best.llf, rel=LIKELIHOOD)
    near(found, best.params, rel=1e-3, abs_=1e-4)


def test_zero_inflated_negative_binomial() -> None:
    u, v = design("biochemists", *PUBLISHING), design("biochemists", "ment")
    y = column("biochemists", "art")
    peer = ZeroInflatedNegativeBinomialP(y, u, exog_infl=v, p=2)
    result = fitted("zero_inflated_negative_binomial", {"u": u, "v": v, "y": y}, restarts=3)
    found = np.concatenate(
        [-result.params["gate"], result.params["beta"], [1 / result.params["phi"]]]
    )
    assert result.log_likelihood == pytest.approx(peer.loglike(found), rel=1e-10)
    best = peer.fit(start_params=found, method="bfgs", maxiter=500, disp=0)
    assert result.log_likelihood == pytest.approx(best.llf, rel=LIKELIHOOD)


def test_switching_regression() -> None:
    """Hamilton's filter at the fit, from the stationary distribution."""
    u, y = column("geyser", "duration"), column("geyser", "waiting")
    found = fitted("switching_regression", {"u": u, "y": y}, restarts=10).params
    leave, back = found["trans"][0, 1], found["trans"][1, 0]
    peer = MarkovRegression(y, 2, exog=u, switching_variance=True)
    peer.initialize_steady_state()
    lines = [found[name] for name in ("intercept", "slope")]
    expected = peer.loglike(np.concatenate([found["trans"][:, 0], *lines, found["sd"] ** 2]))
    stationary = {**found, "start": np.array([back, leave]) / (leave + back)}
    value = compiled("switching_regression").log_likelihood({"u": u, "y": y}, stationary)
    assert value == pytest.approx(expected, rel=1e-9)


def test_one_step_forecasts_of_a_local_level() -> None:
    """The same one-step forecasts and their variances from the same start."""
    rng = np.random.default_rng(5)
    y = np.cumsum(rng.normal(size=40)) + rng.normal(size=40)
    y[[3, 20, 21]] = np.nan
    peer = UnobservedComponents(y, "local level")
    peer.ssm.initialize_known(np.array([0.3]), np.array([[0.8**2]]))
    result = peer.filter([1.2**2, 0.8**2])
    found = compiled("local_level").filtered(y, {"first": 0.3, "move": 0.8, "sd": 1.2})
    np.testing.assert_allclose(found.foreseen["y"].values, result.forecasts[0], rtol=1e-9)
    np.testing.assert_allclose(found.foreseen["y"].sd ** 2, result.forecasts_error_cov[0, 0],
                               rtol=1e-9)  # fmt: skip
    np.testing.assert_allclose(found.filtered["level"].mean, result.filtered_state[0], rtol=1e-9)
    np.testing.assert_allclose(found.log_predictive["T"], result.llf_obs, rtol=1e-9, atol=1e-12)
