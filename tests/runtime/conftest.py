"""Data that several tests of the runtime share."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the hand-written modules


@pytest.fixture(scope="session")
def faithful(models: Path) -> np.ndarray:
    """Old Faithful, (272, 2)."""
    return np.loadtxt(models / "data" / "faithful.csv", delimiter=",", skiprows=1)


@pytest.fixture(scope="session")
def items() -> np.ndarray:
    """Answers to four binary items of two latent classes, with missing cells, (300, 4)."""
    rng = np.random.default_rng(5)
    p = np.array([[0.9, 0.8, 0.2, 0.7], [0.1, 0.3, 0.9, 0.2]])
    y = (rng.random((300, 4)) < p[rng.integers(2, size=300)]).astype(float)
    y[rng.random(y.shape) < 0.1] = np.nan
    return y
