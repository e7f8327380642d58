"""Unconstrained directions in which a parameter can move without leaving its support."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.model.graph import Model, Param
from emdsl.model.kinds import STRUCTURED
from emdsl.verify.feasible import Feasible, wandered

Params = dict[str, NDArray[Any]]
Move = Callable[[NDArray[Any], float], NDArray[Any]]


def directions(model: Model, params: Mapping[str, Any]) -> Iterator[tuple[str, str, Move]]:
    """(parameter, label, move): `move(value, step)` goes a step along a coordinate."""
    for p in model.params:
        array = np.asarray(params[p.name], dtype=float)
        event = len(p.type.shape)
        for place in np.ndindex(*array.shape[: array.ndim - event]):
            if p.type.kind in STRUCTURED:
                yield from _structured(p, place, array[place])
            else:
                for entry in np.ndindex(*array.shape[array.ndim - event :]):
                    yield p.name, f"{p.name}{[*place, *entry]}", _scalar(p, (*place, *entry))


def _scalar(p: Param, place: tuple[int, ...]) -> Move:
    def move(array: NDArray[Any], step: float) -> NDArray[Any]:
        out = np.array(array, dtype=float)
        t = out[place]
        edges = {"positive": (0.0,), "unit": (0.0, 1.0)}.get(p.type.kind, ())
        if t in edges:
            return out  # at the edge: no way to go in these coordinates
        if p.type.kind == "positive":
            out[place] = t * np.exp(step)
        elif p.type.kind == "unit":
            out[place] = t / (t + (1.0 - t) * np.exp(-step))
        else:
            out[place] = t + step * max(1.0, abs(t)) * 0.1
        return out

    return move


def _structured(
    p: Param, place: tuple[int, ...], value: NDArray[Any]
) -> Iterator[tuple[str, str, Move]]:
    size = value.shape[-1]
    if p.type.kind == "posdef":
        for i in range(size):
            for j in range(i + 1):
                yield p.name, f"{p.name}{[*place, i, j]}", _congruence(place, i, j)
    elif p.type.kind == "orthogonal":
        for i, j in combinations(range(size), 2):
            yield p.name, f"{p.name}{[*place, i, j]}", _turn(place, i, j)
    else:
        move = {"simplex": _tilt, "shape": _stretch, "ordered": _widen}[p.type.kind]
        for i in range(size):
            yield p.name, f"{p.name}{[*place, i]}", move(place, i)


def _congruence(place: tuple[int, ...], i: int, j: int) -> Move:
    """S ⇒ L (I + step (e_i e_j' + e_j e_i') / 2) L' with S = L L'."""

    def move(array: NDArray[Any], step: float) -> NDArray[Any]:
        out = np.array(array, dtype=float)
        factor = np.linalg.cholesky(out[place])
        inner = np.eye(len(factor))
        inner[i, j] += 0.5 * step
        inner[j, i] += 0.5 * step
        out[place] = factor @ inner @ factor.T
        return out

    return move


def _tilt(place: tuple[int, ...], i: int) -> Move:
    """p ⇒ p with entry i times e^step, normalised."""

    def move(array: NDArray[Any], step: float) -> NDArray[Any]:
        out = np.array(array, dtype=float)
        row = out[place].copy()
        row[i] *= np.exp(step)
        out[place] = row / row.sum()
        return out

    return move


def _stretch(place: tuple[int, ...], i: int) -> Move:
    """s ⇒ s with entry i times e^step, over what keeps the product."""

    def move(array: NDArray[Any], step: float) -> NDArray[Any]:
        out = np.array(array, dtype=float)
        out[place][i] *= np.exp(step)
        out[place] *= np.exp(-step / out.shape[-1])
        return out

    return move


def _turn(place: tuple[int, ...], i: int, j: int) -> Move:
    """R ⇒ R with columns i and j turned by the angle `step` in their plane."""

    def move(array: NDArray[Any], step: float) -> NDArray[Any]:
        out = np.array(array, dtype=float)
        p, q = out[place][:, i].copy(), out[place][:, j].copy()
        out[place][:, i] = np.cos(step) * p + np.sin(step) * q
        out[place][:, j] = np.cos(step) * q - np.sin(step) * p
        return out

    return move


def _widen(place: tuple[int, ...], i: int) -> Move:
    """The gap below entry i times e^step; all entries moved where there is none below."""

    def move(array: NDArray[Any], step: float) -> NDArray[Any]:
        out = np.array(array, dtype=float)
        row = array[place]
        first = 0.1 * step * max(1.0, abs(float(row[0])))
        out[place][i:] += first if i == 0 else (row[i] - row[i - 1]) * np.expm1(step)
        return out

    return move


def gradient(
    objective: Callable[[Params], float],
    model: Model,
    params: Mapping[str, Any],
    names: frozenset[str] | None = None,
    step: float = 1e-4,
) -> dict[str, float]:
    """Fourth-order finite differences along every coordinate of the named parameters."""
    base: Params = {n: np.asarray(v, dtype=float) for n, v in params.items()}
    out: dict[str, float] = {}
    for name, label, move in directions(model, base):
        if names is None or name in names:

            def at(h: float, name: str = name, move: Move = move) -> float:
                return objective({**base, name: move(base[name], h)})

            near = at(step) - at(-step)
            far = at(2.0 * step) - at(-2.0 * step)
            out[label] = (8.0 * near - far) / (12.0 * step)
    return out


def peaks(
    objective: Callable[[Params], float],
    model: Model,
    params: Mapping[str, Any],
    tolerance: float,
    step: float = 1e-6,
) -> frozenset[str]:
    """The labels of coordinates along which it is lower on both sides: at a kink, say.

    A small step either way may gain at most the tolerance times its length.
    """
    base: Params = {n: np.asarray(v, dtype=float) for n, v in params.items()}
    top = objective(base) + tolerance * step
    return frozenset(
        label
        for name, label, move in directions(model, base)
        if all(objective({**base, name: move(base[name], h)}) <= top for h in (step, -step))
    )


def restricted_gradient(
    objective: Callable[[Params], float],
    model: Model,
    params: Mapping[str, Any],
    names: frozenset[str] | None = None,
    step: float = 1e-3,
) -> dict[str, float]:
    """The same along a basis of the moves that the constraints leave the named parameters."""
    base: Params = {n: np.asarray(v, dtype=float) for n, v in params.items()}
    space = Feasible(model, base)
    flat = space.flat(base)
    out: dict[str, float] = {}
    for number, direction in enumerate(space.directions(base, names)):

        def at(h: float, direction: NDArray[Any] = direction) -> float:
            return objective({**base, **space.back(flat + h * direction)})

        near = at(step) - at(-step)
        far = at(2.0 * step) - at(-2.0 * step)
        out[f"move {number}"] = (8.0 * near - far) / (12.0 * step)
    return out


def jittered(
    model: Model, params: Mapping[str, Any], rng: np.random.Generator, scale: float
) -> Params:
    """Parameters moved at random along every coordinate that constraints leave free."""
    if model.constraints:
        return wandered(model, params, rng, scale)
    out: Params = {n: np.asarray(v, dtype=float) for n, v in params.items()}
    for name, _, move in directions(model, out):
        out[name] = move(out[name], scale * float(rng.uniform(-1.0, 1.0)))
    return out
