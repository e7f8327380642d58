"""Parameters near others, to see that none of them are better than a fit's.

This needs nothing of the derivation but the objective, which the reference cases check.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

from emdsl.runtime.restrict import resolve

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
    if kind == "shape":
        return value * np.exp(scale * (direction - direction.mean(-1, keepdims=True)))
    if kind == "orthogonal":
        return value @ expm(scale * (direction - np.swapaxes(direction, -1, -2)))
    further = value + scale * direction * np.maximum(np.std(value), np.abs(value).max() / 10)
    return np.maximum.accumulate(further, axis=-1) if kind == "ordered" else further


def verify_maximum(
    module: Any, data: Any, sizes: dict[str, int], restarts: int = 1, tolerance: float = 1e-8
) -> None:
    """Fit; no small step of any one parameter may raise the objective by more than a part of it."""
    fit = module.fit(data, **sizes, restarts=restarts, tol=1e-12, max_iter=3000, progress=False)
    assert fit.status in {"converged", "max_iter"}, fit.messages
    program, layout = module.PROGRAM, fit.bound.layout

    def objective(params: dict[str, Any]) -> float:
        return float(module.log_likelihood(data, params) + program.log_prior(params, layout))

    rules = resolve(program.meta, layout.sizes)  # where there are any, steps along them
    assert rules is None or rules.broken(fit.params) == []
    best = objective(fit.params)
    assert np.isclose(best, fit.objective, rtol=1e-10)
    rng = np.random.default_rng(0)
    for param in module.PROGRAM.meta.params:
        for _ in range(DIRECTIONS):
            state = rng.bit_generator.state
            for scale in (STEP, -STEP):
                rng.bit_generator.state = state
                value = moved(fit.params[param.name], param.kind, rng, scale)
                near = {**fit.params, param.name: value}
                there = objective(near if rules is None else rules.impose(near))
                assert there <= best + tolerance * (1 + abs(best)), (param.name, there - best)
