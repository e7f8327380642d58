"""The directions that a model's constraints leave, as linear algebra on all numbers at once.

    A theta = b      sums of simplexes, symmetry of matrices, and every `==` of the file

The directions are the null space of A over the entries that are at no edge of their support and at
no bound: along each of them Q must be level at a constrained maximum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.model.graph import Constraint, Entries, Model

Params = dict[str, NDArray[Any]]
Vector = NDArray[np.float64]

_NEAR = 1e-9  # how close to a bound is at it
_EXACTLY = 1e-12  # what rounding may be beyond a bound
_TRIES = 8  # of moves off bounds, half of which lead beyond each


class Feasible:
    """Where in all parameters' entries, one after the other, constraints let them move."""

    def __init__(self, model: Model, params: Mapping[str, Any]) -> None:
        self.model = model
        self.shapes = {p.name: np.shape(params[p.name]) for p in model.params}
        starts = np.cumsum([0, *(int(np.prod(s)) for s in self.shapes.values())])
        self.places = {
            name: np.arange(start, stop).reshape(shape)
            for (name, shape), (start, stop) in zip(
                self.shapes.items(), pairwise(starts), strict=True
            )
        }
        self.size = int(starts[-1])
        rows = [*self._types(), *(r for c in model.constraints for r in self._rows(c))]
        equal = [(row, value) for row, value, relation in rows if relation == "=="]
        self.equations = np.array([row for row, _ in equal]).reshape(-1, self.size)
        self.right = np.array([value for _, value in equal])
        self.bounds = [(row, value, op) for row, value, op in rows if op != "=="]

    def flat(self, params: Mapping[str, Any]) -> Vector:
        """All entries as one vector."""
        return np.concatenate([np.ravel(np.asarray(params[n], float)) for n in self.shapes])

    def back(self, flat: Vector) -> Params:
        """The parameters of a vector."""
        return {n: flat[place] for n, place in self.places.items()}

    def broken(self, params: Mapping[str, Any], tolerance: float = 1e-8) -> list[str]:
        """What doesn't hold of these parameters."""
        x = self.flat(params)
        scale = 1.0 + np.abs(self.equations) @ np.abs(x)
        off = np.abs(self.equations @ x - self.right) / scale
        wrong = [f"an equation is off by {o:.3g}" for o in off if not o <= tolerance]
        for row, value, op in self.bounds:
            beyond = (value - row @ x) * (1.0 if op == ">=" else -1.0)
            if not beyond <= tolerance * (1.0 + abs(value)):
                wrong.append(f"a bound at {value:.6g} is off by {beyond:.3g}")
        return wrong

    def directions(
        self,
        params: Mapping[str, Any],
        names: frozenset[str] | None = None,
        *,
        off_bounds: bool = False,
    ) -> Iterator[Vector]:
        """A basis of the moves of the named parameters; a whole step stays in the support.

        off_bounds : entries at a bound move too, by which some moves lead beyond it.
        """
        x = self.flat(params)
        reach = self._reach(params)
        for name, place in self.places.items():
            if names is not None and name not in names:
                reach[place] = 0.0
        for row, value, _ in () if off_bounds else self.bounds:
            if abs(row @ x - value) <= _NEAR * (1.0 + abs(value)):
                reach[row != 0.0] = 0.0
        free = np.flatnonzero(reach > 0.0)
        if not len(free):
            return
        a = (self.equations * reach)[:, free]
        _, s, vt = np.linalg.svd(a)
        rank = int((s > 1e-9 * max(1.0, s.max(initial=0.0))).sum())
        for unit in vt[rank:]:
            move = np.zeros(self.size)
            move[free] = reach[free] * unit
            yield move

    def _reach(self, params: Mapping[str, Any]) -> Vector:
        """How far each entry may go without leaving its support, on its own scale."""
        out = np.empty(self.size)
        for p in self.model.params:
            value = np.asarray(params[p.name], float)
            match p.type.kind:
                case "positive":
                    far = value
                case "unit" | "simplex":
                    far = np.minimum(value, 1.0 - value)
                case "posdef":
                    least = np.linalg.eigvalsh(value)[..., :1, None]
                    far = np.broadcast_to(least / (2.0 * value.shape[-1]), value.shape)
                case "shape" | "orthogonal":
                    far = np.zeros_like(value)  # curved: along no straight line
                case _:
                    far = 0.1 * np.maximum(1.0, np.abs(value))
            out[self.places[p.name]] = far
        return out

    def _types(self) -> Iterator[tuple[Vector, float, str]]:
        """What the types say: simplexes sum to 1, matrices are symmetric."""
        for p in self.model.params:
            place = self.places[p.name]
            if p.type.kind == "simplex":
                for row in place.reshape(-1, place.shape[-1]):
                    yield self._row({int(i): 1.0 for i in row}), 1.0, "=="
            elif p.type.kind == "posdef":
                for matrix in place.reshape(-1, *place.shape[-2:]):
                    for i in range(len(matrix)):
                        for j in range(i):
                            pair = {int(matrix[i, j]): 1.0, int(matrix[j, i]): -1.0}
                            yield self._row(pair), 0.0, "=="

    def _rows(self, c: Constraint) -> Iterator[tuple[Vector, float, str]]:
        count = max(1 if t.summed else self._entries(t).size for t in c.terms)
        for i in range(count):
            weights: dict[int, float] = {}
            for t in c.terms:
                entries = self._entries(t).ravel()
                for entry in entries if t.summed else entries[[i if entries.size > 1 else 0]]:
                    weights[int(entry)] = weights.get(int(entry), 0.0) + t.coefficient
            yield self._row(weights), c.value, c.relation

    def _entries(self, t: Entries) -> NDArray[Any]:
        return np.asarray(self.places[t.name][t.index])

    def _row(self, weights: Mapping[int, float]) -> Vector:
        row = np.zeros(self.size)
        row[list(weights)] = list(weights.values())
        return row


def wandered(
    model: Model, params: Mapping[str, Any], rng: np.random.Generator, scale: float,
    names: frozenset[str] | None = None,
) -> Params:  # fmt: skip
    """Parameters moved at random where the constraints let them, also away from bounds."""
    space = Feasible(model, params)
    base: Params = {n: np.asarray(v, float) for n, v in params.items()}
    moves = list(space.directions(base, names))
    every = list(space.directions(base, names, off_bounds=True))
    for _ in range(_TRIES if len(every) > len(moves) else 0):
        size = min(scale, 0.9) / np.sqrt(len(every))
        step = size * sum(float(rng.uniform(-1.0, 1.0)) * m for m in every)
        for way in (step, -step, 0.1 * step, -0.1 * step):
            there = {**base, **space.back(space.flat(base) + way)}
            if not space.broken(there, _EXACTLY):
                return there
    if not moves:
        return base
    size = min(scale, 0.9) / np.sqrt(len(moves))
    step = size * sum(float(rng.uniform(-1.0, 1.0)) * m for m in moves)
    for _ in range(20):
        there = {**base, **space.back(space.flat(base) + step)}
        if not space.broken(there):
            return there
        step = 0.5 * step  # a bound is nearer
    return base
