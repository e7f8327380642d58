"""No parameters near a fit are better: the updates are those of the model's own objective.

This needs nothing of the derivation but the objective, which the reference cases check.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

from tests.gallery.models import data, each_fitted, module, sizes

STEP = 1e-3
DIRECTIONS = 12

Floats = NDArray[np.float64]


def moved(value: Floats, kind: str, rng: np.random.Generator, scale: float) -> Floats:
    """A little further in a random direction, within the support."""
    direction = rng.normal(size=value.shape)
    if kind == "positive":
        return value * np.exp(scale * direction)
    if kind == "unit":
        odds = value / np.maximum(1 - value, 1e-300) * np.exp(scale * direction)
        return np.where(value < 1, odds / (1 + odds), value)
    if kind == "simplex":
        tilted = value * np.exp(scale * direction)
        return tilted / tilted.sum(-1, keepdims=True)
    if kind == "posdef":
        turn = expm(scale * direction)
        near = turn @ value @ np.swapaxes(turn, -1, -2)
        return (near + np.swapaxes(near, -1, -2)) / 2
    return value + scale * direction * np.maximum(np.std(value), np.abs(value).max() / 10)


def objective(path: Path, arrays: dict[str, Any], params: dict[str, Any]) -> float:
    """The log likelihood plus log prior; zero iterations from the parameters."""
    result = module(path).fit(
        arrays, **sizes(path), init=params, restarts=1, max_iter=0, progress=False
    )
    return float(result.objective)


@each_fitted
def test_nothing_near_a_fit_is_better(path: Path) -> None:
    arrays = data(path)
    options = {"restarts": 1, "tol": 1e-12, "max_iter": 3000, "progress": False}
    fit = module(path).fit(arrays, **sizes(path), **options)
    best = objective(path, arrays, fit.params)
    assert np.isclose(best, fit.objective, rtol=1e-10)
    rng = np.random.default_rng(0)
    for param in module(path).PROGRAM.meta.params:
        for _ in range(DIRECTIONS):
            state = rng.bit_generator.state
            for scale in (STEP, -STEP):
                rng.bit_generator.state = state
                value = moved(fit.params[param.name], param.kind, rng, scale)
                there = objective(path, arrays, {**fit.params, param.name: value})
                assert there <= best + 1e-8 * (1 + abs(best)), (param.name, there - best)
