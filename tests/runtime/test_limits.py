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
