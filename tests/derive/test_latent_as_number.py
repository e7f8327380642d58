"""A latent that is multiplied, not only indexed by; a pivoted parameter used elsewhere too."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logsumexp
from scipy.stats import norm, poisson

import emdsl
from emdsl.source import Source

HEAD = """model M
param p    : unit
param a, b : real
param s    : positive
for n in N:
    latent f[n] ~ Bernoulli(p)
"""
MEANS = ["a + b * f[n]", "(a + b) * f[n] + a * (1 - f[n])", "a + b if f[n] else a"]


@pytest.mark.parametrize("mean", MEANS)
def test_a_bool_latent_is_a_number(mean: str) -> None:
    rng = np.random.default_rng(0)
    x = np.r_[rng.normal(3, 1, 60), rng.normal(-1, 1, 90)]
    module = emdsl.load(Source(f"{HEAD}    data x[n] ~ Normal({mean}, s)\n", "m.em"))
    result = module.fit(x, seed=0)
    p, a, b, s = (float(result.params[name]) for name in "pabs")
    parts = [np.log(p) + norm.logpdf(x, a + b, s), np.log1p(-p) + norm.logpdf(x, a, s)]
    assert result.status == "converged"
    assert sorted([a, a + b]) == pytest.approx([-1, 3], abs=0.5)
    assert result.log_likelihood == pytest.approx(np.sum(logsumexp(parts, axis=0)), rel=1e-12)


def test_a_location_elsewhere_too() -> None:
    """`a` is a location of x, so it is written about a pivot; in y it isn't one."""
    text = "model M\nparam a : real\nfor n in N:\n    data x[n] ~ Normal(a, 1)\n"
    text += "    data y[n] ~ Normal(a if n == 0 else 2 * a, 1)\n"
    x, y = np.array([1.0, 2.0]), np.array([1.5, 3.0])
    result = emdsl.load(Source(text, "m.em")).fit({"x": x, "y": y})
    a = (1 + 2 + 1.5 + 2 * 3.0) / (1 + 1 + 1 + 4)
    assert result.params["a"] == pytest.approx(a)
    total = np.sum(norm.logpdf(x, a)) + np.sum(norm.logpdf(y, [a, 2 * a]))
    assert result.log_likelihood == pytest.approx(total)


def test_a_location_beside_a_latent() -> None:
    text = f"{HEAD}    data x[n] ~ Normal(a if f[n] else b, s)\n"
    text += "    data y[n] ~ Normal(a + b, 1)\n"
    result = emdsl.load(Source(text, "m.em")).fit({"x": [0.0, 4, 1, 5], "y": [4.0, 5, 6, 5]})
    assert result.status == "converged"


def test_a_category_is_a_number() -> None:
    text = "model M\nparam w : simplex[3]\nparam r : positive\nfor n in N:\n"
    text += "    latent f[n] ~ Categorical(w)\n    data x[n] : count ~ Poisson(r * (1 + f[n]))\n"
    x = np.array([0, 1, 9, 2, 8, 1])
    result = emdsl.load(Source(text, "m.em")).fit(x, seed=0)
    w, r = result.params["w"], float(result.params["r"])
    with np.errstate(divide="ignore"):
        parts = [np.log(w[k]) + poisson.logpmf(x, r * (1 + k)) for k in range(3)]
    assert result.log_likelihood == pytest.approx(np.sum(logsumexp(parts, axis=0)))


@pytest.mark.parametrize("rows", [1, 7])
def test_in_one_function_with_a_param_of_another_latents_chance(rows: int) -> None:
    """log(1 + exp(a + b z)) is each row's own, though nothing of the row's data is in it."""
    text = "model M\nparam p : unit\nparam a, b : real\nparam m[2] : real\nfor n in N:\n"
    text += "    latent z[n] ~ Bernoulli(p)\n    latent w[n] ~ Bernoulli(logit = a + b * z[n])\n"
    text += "    data x[n] ~ Normal(m[z[n]], 1)\n    data y[n] ~ Normal(m[w[n]], 1)\n"
    x, y = np.random.default_rng(2).normal(size=(2, rows))
    params = {"p": 0.3, "a": 0.4, "b": -1.2, "m": [0.0, 1.5]}
    total = np.zeros(rows)
    for z, w in np.ndindex(2, 2):
        chance = (0.7, 0.3)[z] * (1 - expit(0.4 - 1.2 * z), expit(0.4 - 1.2 * z))[w]
        total += chance * norm.pdf(x, (0.0, 1.5)[z]) * norm.pdf(y, (0.0, 1.5)[w])
    found = emdsl.load(Source(text, "m.em")).log_likelihood({"x": x, "y": y}, params)
    assert found == pytest.approx(np.log(total).sum(), rel=1e-12)
