"""Links that don't keep to the support: identity, inverse and log links, beside peers and SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import optimize, stats

from emdsl.runtime.errors import DataError
from tests.peers.fits import Floats, compiled, fitted, near

# statsmodels says that the links leave the support
pytestmark = pytest.mark.filterwarnings("ignore")

RNG = np.random.default_rng(5)
ROWS = 300
U = RNG.normal(size=ROWS)
SPAN = RNG.uniform(-1.0, 2.0, ROWS)
TIMES = RNG.gamma(3.0, 1.0, ROWS) / 3.0 / (1.5 + 1.2 * SPAN)
COUNTS = RNG.poisson(4.0 + np.clip(U, -3.0, 3.0))
YES = RNG.random(ROWS) < np.exp(np.minimum(-1.8 + 0.4 * U, -0.1))
LINKS = sm.families.links


def model(draw: str, kind: str = "", *more: str) -> str:
    declared = "\n".join(f"param {line}" for line in ("a, b : real", *more))
    return f"""
model Linked
{declared}
for n in N:
    input u[n] : real
    data  y[n]{kind} ~ {draw}
"""


POISSON = model("Poisson(a + b * u[n])", " : count")
GAMMA = model("Gamma(k, k * (a + b * u[n]))", "", "k : positive")


@pytest.mark.parametrize(
    ("text", "u", "y", "family"),
    [
        (POISSON, U, COUNTS, sm.families.Poisson(LINKS.Identity())),
        (GAMMA, SPAN, TIMES, sm.families.Gamma(LINKS.InversePower())),
        (GAMMA, SPAN, 1e8 * TIMES, sm.families.Gamma(LINKS.InversePower())),
        (GAMMA, SPAN, 1e-8 * TIMES, sm.families.Gamma(LINKS.InversePower())),
        (model("Bernoulli(exp(a + b * u[n]))", " : bool"), U, YES,
         sm.families.Binomial(LINKS.Log())),
        (model("Exponential(a + b * u[n])"), SPAN, TIMES, sm.families.Gamma(LINKS.InversePower())),
    ],
    ids=["identity", "inverse", "inverse of large", "inverse of small", "log", "exponential"],
)  # fmt: skip
def test_coefficients_are_those_of_statsmodels(
    text: str, u: Floats, y: Floats, family: Any
) -> None:
    start = [-2.0, 0.0] if isinstance(family.link, LINKS.Log) else None
    scale = np.mean(y) if np.mean(y) > 1e6 else 1.0
    peer = sm.GLM(y / scale, sm.add_constant(u), family=family).fit(
        tol=1e-13, maxiter=500, start_params=start
    )
    result = fitted(text, {"u": u, "y": y})
    near([result.params["a"] * scale, result.params["b"] * scale], peer.params, abs_=1e-12)
    assert not result.messages


def test_in_both_components_of_a_mixture() -> None:
    """The observed likelihood has its maximum where SciPy finds it from there."""
    text = """
model Two(K = 2)
param weight     : simplex[K]
param a[K], b[K] : real
for n in N:
    input  u[n] : real
    latent z[n] ~ Categorical(weight)
    data   y[n] : count ~ Poisson(a[z[n]] + b[z[n]] * u[n])
"""
    first = RNG.random(ROWS) < 0.5
    y = RNG.poisson(np.clip(np.where(first, 4.0 + U, 20.0 - 3.0 * U), 0.1, None))

    def less(x: Floats) -> float:
        share = 1.0 / (1.0 + np.exp(-x[0]))
        rates = x[1:3, None] + x[3:5, None] * U
        logs = np.where(rates > 0, stats.poisson.logpmf(y, np.abs(rates)), -np.inf)
        return -float(np.logaddexp(np.log(share) + logs[0], np.log1p(-share) + logs[1]).sum())

    result = fitted(text, {"u": U, "y": y}, seed=0, restarts=3)
    p = result.params
    here = np.array([np.log(p["weight"][0] / p["weight"][1]), *p["a"], *p["b"]])
    assert -less(here) == pytest.approx(result.log_likelihood, rel=1e-12)
    best = optimize.minimize(less, here, method="Nelder-Mead", options={"fatol": 1e-10})
    assert -best.fun <= result.log_likelihood + 1e-6
    assert (np.diff(result.objective_trace) >= -1e-9).all()


def test_a_scale_that_is_a_difference_of_parameters() -> None:
    """No data are in `a - 1`; a negative one had a log likelihood of 2120."""
    text = "model Less\nparam a : real\nfor n in N:\n    data y[n] ~ Normal(0, a - 1)\n"
    y = np.array([-3.0, -4.0, -5.0])
    result = fitted(text, {"y": y})
    near(result.params["a"], 1.0 + np.sqrt(np.mean(y**2)))
    near(result.log_likelihood, stats.norm.logpdf(y, 0.0, np.sqrt(np.mean(y**2))).sum())


def test_one_row_of_many_may_be_near_the_edge() -> None:
    """With many rows a start is looked for on a part of them, which says nothing of the others."""
    u = np.abs(RNG.normal(size=20_000))
    u[7] = -4.9
    y = RNG.poisson(5.5 + u)
    peer = sm.GLM(y, sm.add_constant(u), family=sm.families.Poisson(LINKS.Identity())).fit(
        tol=1e-13, start_params=[5.5, 1.0]
    )
    result = fitted(POISSON, {"u": u, "y": y})
    near([result.params["a"], result.params["b"]], peer.params)


def test_beside_absolute_values() -> None:
    """A lasso under the identity link, where SciPy finds it."""
    text = model("Poisson(a + b * u[n])", " : count").replace(
        "param a, b : real", "param a : real\nparam b : real ~ Laplace(0, 0.05)"
    )

    def less(x: Floats) -> float:
        rate = x[0] + x[1] * U
        if not (rate > 0.0).all():
            return np.inf
        return -float(stats.poisson.logpmf(COUNTS, rate).sum() - abs(x[1]) / 0.05 - np.log(0.1))

    result = fitted(text, {"u": U, "y": COUNTS})
    best = optimize.minimize(less, [4.0, 0.5], method="Nelder-Mead", options={"fatol": 1e-11})
    assert result.objective == pytest.approx(-best.fun, abs=1e-6)


def test_rows_without_an_outcome_may_be_outside() -> None:
    y = np.where(U < -2.0, np.nan, RNG.poisson(np.clip(2.2 + U, 0.1, None)))
    seen = ~np.isnan(y)
    whole = fitted(POISSON, {"u": U, "y": y})
    rest = fitted(POISSON, {"u": U[seen], "y": y[seen]})
    near(whole.params["b"], rest.params["b"])
    near(whole.log_likelihood, rest.log_likelihood)


def test_ending_at_the_edge_is_told() -> None:
    """With no counts where the rate is lowest, the maximum is where it comes to zero."""
    result = fitted(POISSON, {"u": U, "y": np.where(U < 0, 0, COUNTS)})
    (told,) = result.messages
    assert told == (
        "a and b ended at the edge of where `a + b*u[n] > 0` in every row, and the maximum may be "
        "elsewhere along that edge: start there with init=, constrain them, or take a link that "
        "keeps to the support"
    )


def test_no_start_is_an_error_that_says_so() -> None:
    """Without an intercept no slopes are right for covariates of both signs."""
    text = """
model Through
param b : real[P]
for n in N:
    input u[n] : real[P]
    data  y[n] : count ~ Poisson(dot(b, u[n]))
"""
    with pytest.raises(DataError) as caught:
        compiled(text).fit({"u": np.stack([U, U**3], 1), "y": COUNTS}, progress=False)
    assert "has probability zero under the model" in str(caught.value)
    assert "or give a start where `sum_{p} (b[p]*u[n, p]) > 0` with init=" in str(caught.value)
