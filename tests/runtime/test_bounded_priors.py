"""Priors with bounds: their parameters stay between them, and the maximum may be at one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar

from emdsl.compiler import compile_source, import_text, load
from emdsl.diagnostics import CompileError
from emdsl.source import Source
from emdsl.verify.checks import Case, check_fisher, check_m_step

RNG = np.random.default_rng(8)
U = RNG.normal(size=50)
REALS = RNG.normal(1, 2, 50)
POSITIVE = RNG.gamma(3.0, size=50)
BITS = RNG.integers(0, 2, 50).astype(float)


def text(prior: str, density: str) -> str:
    return (
        f"model M\nparam a : {prior}\nfor n in N:\n    input u[n] : real\n    data x[n] {density}\n"
    )


# the param with its prior; the density of the data; the prior and the density of SciPy; the bounds
CASES: dict[str, tuple[str, str, Any, Any, Any, tuple[float, float]]] = {
    "a mean inside": (
        "real ~ Uniform(0, 10)", "~ Normal(a, 1)",
        stats.uniform(0, 10), lambda a: stats.norm(a, 1).logpdf(REALS), REALS, (0, 10),
    ),
    "a mean at its upper bound": (
        "real ~ Uniform(-1, 0.25)", "~ Normal(a, 1)",
        stats.uniform(-1, 1.25), lambda a: stats.norm(a, 1).logpdf(REALS), REALS, (-1, 0.25),
    ),
    "a standard deviation at its upper bound": (
        "positive ~ Uniform(0, 1.5)", "~ Normal(1, a)",
        stats.uniform(0, 1.5), lambda a: stats.norm(1, a).logpdf(REALS), REALS, (1e-9, 1.5),
    ),
    "a standard deviation of which less than nothing is cut off": (
        "positive ~ Uniform(-1, 10)", "~ Normal(1, a)",
        stats.uniform(0, 10), lambda a: stats.norm(1, a).logpdf(REALS), REALS, (1e-9, 10),
    ),
    "a probability": (
        "unit ~ Uniform(0.6, 0.9)", ": bool ~ Bernoulli(a)",
        stats.uniform(0.6, 0.3), lambda a: stats.bernoulli(a).logpmf(BITS), BITS, (0.6, 0.9),
    ),
    "a rate above a Pareto's scale": (
        "positive ~ Pareto(2, 3)", ": positive ~ Exponential(a)",
        stats.pareto(3, scale=2), lambda a: stats.expon(scale=1 / a).logpdf(POSITIVE), POSITIVE,
        (2, 50),
    ),
    "a shape, by Newton's method": (
        "positive ~ Uniform(0.5, 6)", ": positive ~ Gamma(a, 1)",
        stats.uniform(0.5, 5.5), lambda a: stats.gamma(a).logpdf(POSITIVE), POSITIVE, (0.5, 6),
    ),
    "a shape at its bound": (
        "positive ~ Uniform(0.5, 2)", ": positive ~ Gamma(a, 1)",
        stats.uniform(0.5, 1.5), lambda a: stats.gamma(a).logpdf(POSITIVE), POSITIVE, (0.5, 2),
    ),
    "a coefficient at its bound": (
        "real ~ Uniform(0.5, 1)", ": bool ~ Bernoulli(logit = a * u[n])",
        stats.uniform(0.5, 0.5),
        lambda a: stats.bernoulli(1 / (1 + np.exp(-a * U))).logpmf(BITS), BITS, (0.5, 1),
    ),
    "a median at its bound": (
        "real ~ Uniform(2, 3)", "~ Laplace(a, 1)",
        stats.uniform(2, 1), lambda a: stats.laplace(a, 1).logpdf(REALS), REALS, (2, 3),
    ),
    "an angle, with two peaks": (
        "real ~ Uniform(0, 0.5)", "~ VonMises(a, 1)",
        stats.uniform(0, 0.5), lambda a: stats.vonmises(1, a).logpdf(REALS), REALS, (0, 0.5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_against_scipy(name: str) -> None:
    prior, density, frozen, log_density, x, bounds = CASES[name]
    found = load(Source(text(prior, density), "m.em")).fit({"x": x, "u": U}, progress=False)
    a = float(found.params["a"])

    def lack(a: float) -> float:
        return -float(log_density(a).sum() + frozen.logpdf(a))

    best = minimize_scalar(lack, bounds=bounds, method="bounded", options={"xatol": 1e-11})
    places = np.array([best.x, *bounds])
    top = places[np.argmin([lack(p) for p in places])]
    assert found.status == "converged"
    assert a == pytest.approx(top, rel=1e-6, abs=1e-7)
    assert found.log_prior == pytest.approx(frozen.logpdf(a), rel=1e-9)
    assert found.objective == pytest.approx(-lack(a), rel=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_by_the_oracles(name: str) -> None:
    prior, density, frozen, _, x, (low, high) = CASES[name]
    made = compile_source(Source(text(prior, density), "m.em"))
    data = {"x": x[:8], "u": U[:8]}
    params = {"a": np.array(0.5 * (max(low, 0.1) + min(high, 4.0)))}
    case = Case(made, import_text(made.module, "M"), data, params)
    assert frozen.logpdf(float(params["a"])) > -np.inf
    assert check_fisher(case) == []
    assert check_m_step(case, np.random.default_rng(0), moves=8) == []


def test_every_entry_is_bounded_in_a_mixture() -> None:
    module = load(Source(
        "model M(K = 2)\nparam w : simplex[K]\nparam m[K] : real ~ Uniform(0, 1)\nfor n in N:\n"
        "    latent z[n] ~ Categorical(w)\n    data x[n] ~ Normal(m[z[n]], 1)\n",
        "m.em",
    ))  # fmt: skip
    found = module.fit(REALS, progress=False)
    m = np.asarray(found.params["m"])
    assert ((m >= 0.0) & (m <= 1.0)).all()
    assert found.log_prior == pytest.approx(0.0, abs=1e-12)


def test_bounds_that_are_params_are_refused() -> None:
    with pytest.raises(CompileError, match=r"between bounds that aren't known before fitting"):
        load(
            Source(text("real ~ Uniform(0, top)\nparam top : positive", "~ Normal(a, top)"), "m.em")
        )


def test_a_constraint_beyond_the_prior_is_a_contradiction() -> None:
    wrong = text("real ~ Uniform(0, 1)", "~ Normal(a, 1)") + "constrain a >= 2\n"
    with pytest.raises(CompileError, match=r"no value of `a` has both `a >= 2` and `a <= 1`"):
        load(Source(wrong, "m.em"))


def test_a_prior_off_the_types_values_is_refused() -> None:
    with pytest.raises(CompileError, match=r"no value that `a`, being unit, can have"):
        load(Source(text("unit ~ Uniform(2, 3)", ": bool ~ Bernoulli(a)"), "m.em"))


@pytest.mark.parametrize("place", [-3.0, 0.2, 3.0])
def test_a_truncated_prior_is_one_within_its_limits(place: float) -> None:
    """At a limit where the objective is highest there, and normalised between both."""
    text = """
model Cut
param m : real ~ Truncated(Normal(0, 1), lower = -1, upper = 0.5)
for n in N:
    data y[n] ~ Normal(m, 2)
"""
    y = place + np.linspace(-1.0, 1.0, 20)
    result = load(Source(text)).fit({"y": y}, progress=False)
    best = float(np.clip(y.sum() / 4.0 / (20 / 4.0 + 1.0), -1.0, 0.5))
    assert result.params["m"] == pytest.approx(best, abs=1e-12)
    assert result.log_prior == pytest.approx(stats.truncnorm.logpdf(best, -1.0, 0.5), rel=1e-12)
