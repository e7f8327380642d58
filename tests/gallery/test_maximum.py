"""No parameters near a fit are better: the updates are those of the model's own objective."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

from tests.gallery.models import ROOT, data, each_fitted, module, sizes
from tests.gallery.nearby import verify_maximum


@each_fitted
def test_nothing_near_a_fit_is_better(path: Path) -> None:
    verify_maximum(module(path), data(path), sizes(path))


def studies(seed: int) -> dict[str, NDArray[np.float64]]:
    """A few effects with known errors, which differ by more than these or don't."""
    rng = np.random.default_rng(seed)
    se = rng.uniform(5.0, 20.0, rng.integers(5, 12))
    return {"se": se, "y": rng.normal(size=se.size) * np.hypot(se, rng.uniform(0.0, 12.0))}


@pytest.mark.parametrize("seed", range(12))
def test_a_spread_is_zero_only_where_it_should_be(seed: int) -> None:
    """A leap to the edge, or a start beside it, is found out: iterations hardly move there."""
    data = studies(seed)
    y, se = data["y"], data["se"]

    def fall(at: NDArray[np.float64]) -> float:
        return -float(stats.norm.logpdf(y, at[0], np.hypot(se, at[1])).sum())

    options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000}
    starts = [np.array([y.mean(), tau]) for tau in (0.1, 3.0, 10.0)]
    found = [optimize.minimize(fall, x, method="Nelder-Mead", options=options) for x in starts]
    best = -min(float(f.fun) for f in found)
    fit = module(ROOT / "models/eight_schools.em").fit(data, restarts=1, progress=False)
    assert fit.status == "converged"
    assert fit.objective == pytest.approx(best, rel=1e-6)
