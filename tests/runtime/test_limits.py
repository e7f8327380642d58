"""Shapes on their way to a limit, and shapes whose start at all the data's would lead nowhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import optimize, special, stats

from emdsl.compiler import load
from emdsl.source import Source

COUNTS = """model Counts(K = 2)
param w : simplex[K]
param a[K], b[K] : positive
for n in N:
    latent z[n] ~ Categorical(w)
    data x[n] : count ~ NegativeBinomial(alpha = a[z[n]], beta = b[z[n]])
"""
PEAKS = """model Peaks(K = 2)
param w : simplex[K]
param m[K] : real
param s[K], p[K] : positive
for n in N:
    latent z[n] ~ Categorical(w)
    data x[n] ~ GeneralizedNormal(m[z[n]], s[z[n]], p[z[n]])
"""


def fit(text: str, x: Any, **options: Any) -> Any:
    return load(Source(text, "m.em")).fit(x, progress=False, **options)


@pytest.mark.parametrize("means", [(4, 15), (300, 3000)])
@pytest.mark.parametrize("seed", range(3))
def test_a_poisson_limit_is_no_collapse(seed: int, means: tuple[int, int]) -> None:
    """alpha and beta go to infinity together, and nothing grows on that way."""
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.poisson(mean, 100) for mean in means])
    found = fit(COUNTS, x, seed=seed, restarts=3)
    assert found.status == "converged"
    assert all(r.status == "converged" for r in found.restarts)
    parts = [np.log(0.5) + stats.poisson(mean).logpmf(x) for mean in means]
    assert found.objective >= np.logaddexp(*parts).sum() - 1e-6


@pytest.mark.parametrize(("seed", "apart"), [(0, 3.0), (1, 6.0), (2, 6.0), (3, 10.0)])
def test_two_peaks_are_found_without_a_prior(seed: int, apart: float) -> None:
    """The shape that fits both together is flat, and no place to start from."""
    one, two = stats.gennorm(1.5), stats.gennorm(3.0, apart, 2.0)
    x = np.concatenate([one.rvs(100, random_state=seed), two.rvs(100, random_state=seed + 10)])
    found = fit(PEAKS, x, seed=seed, restarts=5)
    parts = [np.log(0.5) + part.logpdf(x) for part in (one, two)]
    assert found.status == "converged"
    assert found.objective >= np.logaddexp(*parts).sum()


def test_a_ridge_to_a_poisson_limit_is_climbed_to_its_end() -> None:
    """One component is a Poisson's, so that its a and b go out until functions of them cancel,
    while the rest creeps. SciPy climbs to the limit itself, whose objective the fit's comes to.
    """
    rng = np.random.default_rng(6)
    x = np.concatenate([rng.negative_binomial(2.5, 5 / 7, 60), rng.negative_binomial(4, 0.8, 90)])
    y, count = np.unique(x, return_counts=True)

    def loss(at: Any) -> float:
        share, a, b, mean = special.expit(at[0]), *np.exp(at[1:])
        one = special.gammaln(a + y) - special.gammaln(a) - special.gammaln(y + 1)
        one += a * np.log(b / (1 + b)) - y * np.log1p(b)
        other = y * np.log(mean) - mean - special.gammaln(y + 1)
        return -float(count @ np.logaddexp(np.log(share) + one, np.log1p(-share) + other))

    starts = [np.array([s, 1.0, 1.0, m]) for s in (-1.0, 3.0) for m in (-1.0, 1.0)]
    limit = -min(optimize.minimize(loss, start).fun for start in starts)
    found = fit(COUNTS, x, restarts=2, tol=1e-12)
    assert found.status == "converged"
    assert found.n_iter < 600  # with leaps
    assert np.isclose(found.objective, limit, rtol=0.0, atol=1e-8)


def binomials() -> Any:
    return stats.binom(20, 0.3).ppf((np.arange(200) + 0.5) / 200)


def poisson(x: Any) -> float:
    return float(stats.poisson(x.mean()).logpmf(x).sum())


def normals() -> Any:
    return stats.norm(3.0, 2.0).ppf((np.arange(200) + 0.5) / 200)


def normal(x: Any) -> float:
    return float(stats.norm(x.mean(), x.std()).logpdf(x).sum())


def less_than_binomial() -> Any:
    return stats.hypergeom(40, 15, 12).ppf((np.arange(200) + 0.5) / 200)


def binomial(x: Any) -> float:
    return float(stats.binom(12, x.mean() / 12).logpmf(x).sum())


OWN = """mass Mine(x : count; r, m : positive) = exp(
    lgamma(r + x) - lgamma(r) - lgamma(x + 1) + r * log(r / (r + m)) + x * log(m / (r + m)))
"""
GROWS = "{} grows without bound"
FALLS = "{} falls to 0 without end"
LIMITS = [
    ("a, b : positive", ": count ~ NegativeBinomial(alpha = a, beta = b)", binomials, poisson,
     GROWS.format("a")),
    ("m, a : positive", ": count ~ NegativeBinomial(mu = m, phi = a)", binomials, poisson,
     GROWS.format("a")),
    ("m, d : positive", ": count ~ NegativeBinomial(mean = m, dispersion = d)", binomials, poisson,
     FALLS.format("d")),
    ("m, a : positive", ": count ~ Mine(a, m)", binomials, poisson, GROWS.format("a")),
    ("a, s : positive", "~ StudentT(a, 3, s)", normals, normal, GROWS.format("a")),
    ("a, b : positive", ": count ~ BetaBinomial(12, a, b)", less_than_binomial, binomial,
     GROWS.format("a")),
]  # fmt: skip


@pytest.mark.parametrize(("params", "drawn", "data", "limit", "said"), LIMITS)
def test_a_maximum_at_a_limit_is_reached_and_said(
    params: str, drawn: str, data: Any, limit: Any, said: str
) -> None:
    """Data that scatter too little: the shape has no end, and the likelihood is the limit's."""
    above = OWN if "Mine" in drawn else ""
    x = data()
    found = fit(f"{above}model Limit\nparam {params}\nfor n in N:\n    data x[n] {drawn}\n", x)
    assert found.status == "converged"
    assert np.isclose(found.objective, limit(x), rtol=1e-10, atol=0.0)
    assert [m for m in found.messages if m.startswith(said)]


def test_pairs_on_the_way_to_a_limit_are_told_in_each_component() -> None:
    """Of alpha and beta neither can go on alone."""
    few, many = (stats.hypergeom(40, k, 12).ppf((np.arange(150) + 0.5) / 150) for k in (10, 33))
    text = """model Pairs(K = 2)
param w : simplex[K]
param a[K], b[K] : positive
for n in N:
    latent z[n] ~ Categorical(w)
    data x[n] : count ~ BetaBinomial(12, a[z[n]], b[z[n]])
"""
    x = np.concatenate([few, many])
    found = fit(text, x, restarts=2)

    def loss(at: Any) -> float:
        w, p, q = special.expit(at)
        one, two = (stats.binom(12, chance).logpmf(x) for chance in (p, q))
        return -float(np.logaddexp(np.log(w) + one, np.log1p(-w) + two).sum())

    limit = -optimize.minimize(loss, [0.0, -1.0, 1.0], method="BFGS", tol=1e-9).fun
    assert found.status == "converged"
    assert np.isclose(found.objective, limit, rtol=1e-8, atol=0.0)
    for entry in ("a[0]", "a[1]", "b[0]", "b[1]"):
        assert [m for m in found.messages if m.startswith(f"{entry} grows without bound")]


ANGLES = """model Angles(K = 2)
param w : simplex[K]
param m[K] : real
param k[K] : positive
for n in N:
    latent z[n] ~ Categorical(w)
    data x[n] ~ VonMises(m[z[n]], k[z[n]])
"""


@pytest.mark.parametrize("seed", range(3))
def test_tight_angles_among_uniform_ones(seed: int) -> None:
    """A concentration of 1e6 is far, and no collapse; 1e6 cos x - log I0(1e6) leaves few digits, of
    which none is a fall. One of about zero is a uniform's.
    """
    near = 1.0 + 1e-3 * np.random.default_rng(seed).normal(size=100)
    x = np.concatenate([near, np.linspace(-np.pi, np.pi, 200, endpoint=False)])
    found = fit(ANGLES, x, seed=seed, restarts=3)
    tight, wide = stats.norm(near.mean(), near.std()).logpdf(x), -np.log(2.0 * np.pi)
    assert all(r.status == "converged" for r in found.restarts)
    assert found.objective >= np.logaddexp(np.log(1 / 3) + tight, np.log(2 / 3) + wide).sum() - 1e-3
    assert np.isclose(found.params["k"].max(), 1.0 / near.var(), rtol=0.05)


def test_uniform_angles_have_no_direction() -> None:
    x = np.linspace(-np.pi, np.pi, 60, endpoint=False)
    text = "model One\nparam m : real\nparam k : positive\nfor n in N:\n    data x[n] ~ "
    found = fit(f"{text}VonMises(m, k)\n", x)
    assert found.status == "converged"
    assert np.isclose(found.objective, -60.0 * np.log(2.0 * np.pi), rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("count", [1, 4])
def test_equal_angles_have_no_concentration(count: int) -> None:
    """k cos 0 - log I0(k) grows like log k, until k is so large that it is rounded to tens."""
    result = fit("model M\nparam m : real\nparam k : positive\nfor n in N:\n"
                 "    data x[n] ~ VonMises(m, k)\n", np.full(count, 0.5))  # fmt: skip
    assert result.status == "degenerate"
    assert result.messages[0].startswith("collapsed: k is ")


def test_nearly_equal_angles_have_one() -> None:
    """Far out, and known well enough: 1 / k is the angles' variance (Mardia and Jupp 2000)."""
    x = 0.5 + 1e-5 * np.random.default_rng(3).normal(size=2000)
    result = fit("model M\nparam m : real\nparam k : positive\nfor n in N:\n"
                 "    data x[n] ~ VonMises(m, k)\n", x)  # fmt: skip
    assert result.status == "converged"
    assert result.params["k"] == pytest.approx(1.0 / x.var(), rel=1e-2)
