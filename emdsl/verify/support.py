"""Free coordinates of continuous values: the whole real line for each, and back.

    real      t            positive   exp t            unit   1 / (1 + exp(-t))
    simplex   entry k takes 1 / (1 + exp(-t_k)) of what those before it leave, the last all of it
    posdef    exp t, of order 1; larger matrices are left to oracles in closed form

A Dirichlet's coordinates are independent so (Connor and Mosimann, JASA 64, 1969). A unit value next
to 1 has no digits for its distance from 1: densities that rise steeply there lose some.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from emdsl.model.kinds import Kind

Floats = NDArray[np.float64]

FREE: frozenset[Kind] = frozenset({"real", "positive", "unit", "simplex", "posdef"})
_LARGEST = 1.0 - 2.0**-53  # the last number before 1


def coordinates(kind: Kind, shape: tuple[int, ...]) -> int:
    """How many free coordinates a value has. Raises NotImplementedError for other kinds."""
    if kind not in FREE:
        raise NotImplementedError(f"no free coordinates of a {kind}")
    if kind == "simplex":
        return math.prod(shape[:-1]) * (shape[-1] - 1)
    if kind == "posdef" and shape[-1] > 1:
        raise NotImplementedError(f"no free coordinates of a matrix of order {shape[-1]}")
    return math.prod(shape)


def back(kind: Kind, shape: tuple[int, ...], free: Floats) -> tuple[Floats, float]:
    """The value of the free coordinates, and the log of its volume for one of theirs.

    The volume of a simplex is that of its entries but the last, as in Dirichlet's density.
    Raises NotImplementedError for other kinds.
    """
    match kind:
        case "real":
            return free.reshape(shape), 0.0
        case "positive" | "posdef":
            return np.exp(np.clip(free, -700.0, 700.0)).reshape(shape), float(free.sum())
        case "unit":
            volume = -float((np.logaddexp(0.0, free) + np.logaddexp(0.0, -free)).sum())
            return np.minimum(special.expit(free), _LARGEST).reshape(shape), volume
        case "simplex":
            rows = free.reshape(*shape[:-1], shape[-1] - 1)
            taken, passed = -np.logaddexp(0.0, -rows), -np.logaddexp(0.0, rows)
            left = np.cumsum(passed, axis=-1)
            logs = np.append(taken, left[..., -1:], axis=-1)
            logs[..., 1:-1] += left[..., :-1]
            volume = taken.sum() + passed.sum() + left[..., :-1].sum()
            return np.exp(np.maximum(logs, -700.0)), float(volume)
    raise NotImplementedError(f"no free coordinates of a {kind}")
