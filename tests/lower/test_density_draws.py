"""Draws of the densities that a file declares, against SciPy's distributions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from emdsl.compiler import load
from emdsl.source import Source

UNLIKELY = 1e-4
N = 20_000


def drawn(density: str, call: str, kind: str) -> np.ndarray[Any, Any]:
    """N draws of `call`, a distribution that the one-line `density` declares."""
    text = (
        f"{density}\nmodel M\nparam mean : real\nfor n in N:\n"
        f"    data x[n] : {kind} ~ {call}\n    data y[n] ~ Normal(mean, 1)\n"
    )
    module = load(Source(text, "m.em"))
    return np.asarray(module.sample({"mean": 0.0}, {"N": N}, seed=3)["x"])


CONTINUOUS = {
    "real": (
        ("density F(x : real; m : real, s : positive) = "
        "exp((x - m) / s) / (s * (1 + exp((x - m) / s))^2)"),
        "F(3, 0.2)", "real", stats.logistic(3, 0.2),
    ),
    "a large shape, where powers overflow": (
        "density F(x : positive; a, b : positive) = x^(a - 1) * exp(-b * x) * b^a / exp(lgamma(a))",
        "F(800, 3)", "positive", stats.gamma(800, scale=1 / 3),
    ),
    "a small shape, a pole at 0": (
        "density F(x : positive; a, b : positive) = x^(a - 1) * exp(-b * x) * b^a / exp(lgamma(a))",
        "F(0.2, 3)", "positive", stats.gamma(0.2, scale=1 / 3),
    ),
    "unit": (
        ("density F(x : unit; a, b : positive) = "
        "x^(a - 1) * (1 - x)^(b - 1) * exp(lgamma(a + b) - lgamma(a) - lgamma(b))"),
        "F(0.7, 2.5)", "unit", stats.beta(0.7, 2.5),
    ),
    "bounds among the arguments": (
        "density F(x : positive; m, a : positive) = a * m^a / x^(a + 1) if x >= m else 0",
        "F(7, 0.8)", "positive", stats.pareto(0.8, scale=7),
    ),
    "bounded": (
        "density F(x : real; c : real) = 1 - abs(x - c) if abs(x - c) < 1 else 0",
        "F(-4)", "real", stats.triang(0.5, loc=-5, scale=2),
    ),
    "no mean": (
        ("density F(x : real; m : real, s : positive) = "
        "1 / (3.141592653589793 * s * (1 + ((x - m) / s)^2))"),
        "F(100, 0.01)", "real", stats.cauchy(100, 0.01),
    ),
    "a tail without mean, and no mass near 0": (
        ("density F(x : positive; c : positive) = "
        "sqrt(c / 6.283185307179586) * exp(-c / (2 * x)) / x^1.5"),
        "F(2)", "positive", stats.levy(scale=2),
    ),
    "two modes far apart": (
        ("density F(x : real; m, q : real) = "
        "exp(-(x - m)^2 / 2) / 10 * 2 / 2.5066282746310002"
        " + 4 * exp(-(x - q)^2 / 2) / 5 / 2.5066282746310002"),
        "F(-30, 30)", "real", None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTINUOUS)
def test_draws_have_the_distribution(name: str) -> None:
    density, call, kind, frozen = CONTINUOUS[name]
    x = drawn(density, call, kind)
    if frozen is not None:
        assert stats.kstest(x, frozen.cdf).pvalue > UNLIKELY
        return
    upper = x > 0
    assert stats.binomtest(int(upper.sum()), N, 0.8).pvalue > UNLIKELY
    assert stats.kstest(x[upper], stats.norm(30).cdf).pvalue > UNLIKELY
    assert stats.kstest(x[~upper], stats.norm(-30).cdf).pvalue > UNLIKELY


DISCRETE = {
    "count": (
        "mass F(k : count; a : positive) = exp(-a + k * log(a) - lgamma(k + 1))",
        "F(3.5)", "count", stats.poisson(3.5),
    ),
    "its number an argument, where powers underflow": (
        ("mass F(k : count; n : count, p : unit) = "
        "exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)) * p^k * (1 - p)^(n - k)"),
        "F(5000, 0.5)", "count", stats.binom(5000, 0.5),
    ),
    "certain": (
        ("mass F(k : count; n : count, p : unit) = "
        "exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)) * p^k * (1 - p)^(n - k) "
        "if k <= n else 0"),
        "F(3, 1)", "count", stats.binom(3, 1),
    ),
    "a heavy tail": (
        "mass F(k : count) = (k + 1)^(-2.5) / 1.3414872572509172",
        "F()", "count", stats.zipf(2.5, loc=-1),
    ),
    "int": (
        "mass F(k : int; s : positive) = exp(-abs(k) / s) * tanh(1 / (2 * s))",
        "F(3)", "int", stats.dlaplace(1 / 3),
    ),
    "bool": (
        "mass F(k : bool; p : unit) = p^k * (1 - p)^(1 - k)",
        "F(0.3)", "bool", stats.bernoulli(0.3),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DISCRETE)
def test_draws_have_the_mass(name: str) -> None:
    density, call, kind, frozen = DISCRETE[name]
    x = drawn(density, call, kind)
    values = np.arange(frozen.ppf(1e-3), frozen.ppf(1 - 1e-3) + 1)
    expected = frozen.pmf(values) * N
    observed = np.array([np.sum(x == v) for v in values])
    enough = expected > 8
    rest_expected, rest = N - expected[enough].sum(), N - observed[enough].sum()
    if rest_expected > 8:
        expected, observed = np.append(expected[enough], rest_expected), [*observed[enough], rest]
        assert stats.chisquare(observed, expected).pvalue > UNLIKELY
    else:
        assert rest <= 30
        ratio = observed[enough].sum() / expected[enough].sum()
        assert (
            enough.sum() == 1
            or stats.chisquare(observed[enough], expected[enough] * ratio).pvalue > UNLIKELY
        )


def test_each_row_by_its_own_arguments() -> None:
    density = "density F(x : positive; s : positive) = exp(-x / s) / s"
    text = (
        f"{density}\nmodel M\nparam mean : positive\nfor n in N:\n"
        "    input group[n] : category[2]\n"
        "    data x[n] ~ F([mean, 100 * mean][group[n]])\n"
    )
    group = np.arange(N) % 2
    x = load(Source(text, "m.em")).sample({"mean": 2.0}, {"N": N}, seed=3, inputs={"group": group})[
        "x"
    ]
    for k, mean in enumerate((2.0, 200.0)):
        assert stats.kstest(x[group == k], stats.expon(scale=mean).cdf).pvalue > UNLIKELY


def test_a_likelihood_has_nothing_to_draw_from() -> None:
    likelihood = "likelihood F(x : positive; r : positive) = exp(-r * x)"
    with pytest.raises(ValueError, match="can't sample from F: a `likelihood` says what"):
        drawn(likelihood, "F(2)", "positive")
