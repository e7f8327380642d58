"""Runs a program's E-step over blocks of each plate that stay in cache.

    features (F, B), coefficients (C, F)
    log joint = coefficients @ features          one matrix product out
    statistics = posterior @ features.T          and the same features back

Knows nothing of convergence, restarts or where the data came from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.program import (
    Bias,
    Bound,
    Coefficients,
    Features,
    Floats,
    Layout,
    Params,
    Piece,
    Program,
    Statistics,
)
from emdsl.runtime.rows import Wide, expected, ready

_CACHED = 2**28  # bytes of features kept between iterations; past that they are made anew
_BLOCK = 2**19  # bytes of one block's features and posteriors together: about an L2 cache
_CUT = 1e-295  # a posterior below e^-690 was cut off there
_SMALL = 950_000  # multiplications in a product up to which BLAS doesn't copy its operands first


@dataclass(frozen=True, slots=True)
class Chunk:
    """A block of plate elements: its arrays, its weights and where it starts."""

    arrays: Mapping[str, NDArray[Any]]
    weight: Floats | None
    start: int
    stop: int


@dataclass(slots=True)
class PieceData:
    """One piece's arrays, plate axis last, with equal rows collapsed where all is discrete.

    `kinds` are the feature rows of one element: what form each cluster's rows have.
    """

    piece: Piece
    size: int
    arrays: Mapping[str, NDArray[Any]]
    weight: Floats | None
    inverse: NDArray[np.intp] | None  # element -> collapsed row
    block: int
    cache: dict[int, tuple[Chunk, Features]]
    cached: bool
    kinds: tuple[Any, ...] = ()


class Engine:
    """A program with its data: E-steps under any parameters, about one pivot."""

    def __init__(
        self,
        program: Program,
        bound: Bound,
        pivot: Params | None = None,
        *,
        collapse: bool = True,
    ) -> None:
        self.program = program
        self.bound = bound
        self.layout: Layout = bound.layout
        self.pieces = [self._load(piece, collapse) for piece in program.pieces]
        self.pivot: Params = {}
        self._direct: list[Floats | None] = []
        self.set_pivot(pivot if pivot is not None else self._zero_pivot())

    # --- data --------------------------------------------------------------------------------

    def _load(self, piece: Piece, collapse: bool) -> PieceData:
        bound, meta = self.bound, self.program.meta
        sizes = self.layout.sizes
        size = sizes[piece.plate] if isinstance(piece.plate, str) else piece.plate
        arrays: dict[str, NDArray[Any]] = {}
        discrete = True
        for name in piece.arrays:
            array = meta.array(name)
            arrays[name] = np.ascontiguousarray(np.moveaxis(bound.arrays[name], 0, -1))
            discrete &= array.kind in ("int", "count", "bool", "category", "index")
            mask = bound.observed.get(name)
            if mask is not None:
                arrays[f"{name} observed"] = np.ascontiguousarray(np.moveaxis(mask, 0, -1))
        weight = None
        if piece.weight is not None:
            weight = np.asarray(bound.arrays[piece.weight], dtype=np.float64)
            if (weight == 1.0).all():
                weight = None
        inverse = None
        if collapse and discrete and arrays and size > 1:
            found = _distinct(arrays, weight, size)
            if found is not None:
                arrays, weight, inverse = found
                size = len(weight)
        for array in meta.arrays:  # what isn't along this plate goes to every block as it is
            whole = array.role in ("const", "input") and array.plates == 0
            if whole and array.name in bound.arrays:
                arrays[array.name] = bound.arrays[array.name]
        return PieceData(piece, size, arrays, weight, inverse, 0, {}, True)

    def _zero_pivot(self) -> Params:
        shapes = self.program.meta.params
        sizes = self.layout.sizes
        zero = {p.name: np.zeros([sizes[d] if isinstance(d, str) else d for d in p.dims])
                for p in shapes}  # fmt: skip
        return self.program.pivot(zero)

    def set_pivot(self, pivot: Params) -> None:
        """Take second moments about `pivot` from now on."""
        self.pivot = pivot
        for data in self.pieces:
            data.cache.clear()
            probe = self._features(data, self._chunk(data, 0, min(1, data.size)))
            data.kinds = probe.rows
            wide = sum(_kept(r) for r in (probe.direct, *probe.rows))
            states = sum(self._states(data))
            products = sum(
                _kept(r) * n for r, n in zip(probe.rows, self._states(data), strict=True)
            )
            fits = min(_BLOCK // max(8 * (wide + 2 * states), 1), _SMALL // max(products, 1))
            gathered = max(map(_gathered, (probe.direct, *probe.rows)))
            data.block = max(int(np.clip(fits, 256, 4096)), gathered)
            data.cached = 8 * wide * data.size <= _CACHED
        self._direct = [None] * len(self.pieces)

    def _states(self, data: PieceData) -> list[int]:
        """How many states each elimination cluster of the piece has."""
        sizes = self.layout.sizes
        return [
            math.prod(sizes[d] if isinstance(d, str) else d for d in dims)
            for dims in data.piece.clusters
        ]

    def _chunk(self, data: PieceData, start: int, stop: int) -> Chunk:
        along = set(data.piece.arrays) | {f"{a} observed" for a in data.piece.arrays}
        arrays = {k: v[..., start:stop] if k in along else v for k, v in data.arrays.items()}
        weight = None if data.weight is None else data.weight[start:stop]
        return Chunk(arrays, weight, start, stop)

    def _features(self, data: PieceData, chunk: Chunk) -> Features:
        arrays = {**chunk.arrays, "block width": np.asarray(chunk.stop - chunk.start)}
        return data.piece.features(arrays, self.layout, self.pivot)

    def blocks(self, index: int) -> Iterator[tuple[Chunk, Features]]:
        """The blocks of piece `index` with their features, made or from the cache."""
        data = self.pieces[index]
        for start in range(0, data.size, data.block):
            found = data.cache.get(start)
            if found is None:
                chunk = self._chunk(data, start, min(start + data.block, data.size))
                found = chunk, self._features(data, chunk)
                if data.cached:
                    data.cache[start] = found
            yield found

    # --- E-step ------------------------------------------------------------------------------

    def e_step(self, params: Params) -> Statistics:
        """Expected sufficient statistics and log likelihood of all the data under `params`.

        Raises numpy.linalg.LinAlgError where a covariance is no longer positive definite, and
        ImpossibleError where an element has probability zero.
        """
        return self._run(params, None)

    def start(self, bias: Callable[[int, Chunk], Bias | None]) -> Statistics:
        """Statistics from given log potentials in place of a posterior, to start EM from.

        `bias(piece index, chunk)` gives, for each latent to be steered, (values, B). What the
        data rule out stays ruled out.
        """
        return self._run(None, bias)

    def _run(
        self,
        params: Params | None,
        bias: Callable[[int, Chunk], Bias | None] | None,
    ) -> Statistics:
        values: dict[str, Floats] = {}
        log_likelihood = 0.0
        for index, data in enumerate(self.pieces):
            piece = data.piece
            known = self._coefficients(data, params) if params is not None else None
            sums: tuple[Floats, ...] | None = None
            first = self._direct[index] is None
            direct: Floats | None = self._direct[index]
            if piece.latents or first:
                for chunk, features in self.blocks(index):
                    if first:
                        part = _weighted_sum(features.direct, chunk.weight)
                        direct = part if direct is None else direct + part
                    if not piece.latents:
                        continue
                    given = known
                    if given is None:
                        given = (np.zeros(features.direct.shape[0]), *self._neutral(data, features))
                    steer = bias(index, chunk) if bias is not None else None
                    evidence, posterior = piece.infer(features, given, self.layout, steer)
                    if known is not None:
                        if chunk.weight is not None:  # what has no weight may be impossible
                            evidence = np.where(chunk.weight > 0.0, evidence, 0.0)
                        lowest = evidence.min()
                        if lowest == -np.inf:
                            self._impossible(data, chunk, evidence)
                        log_likelihood += float(
                            evidence.sum() if chunk.weight is None else evidence @ chunk.weight
                        )
                    if chunk.weight is not None:
                        posterior = tuple(p * chunk.weight for p in posterior)
                    new = tuple(map(expected, posterior, features.rows))
                    sums = new if sums is None else tuple(map(np.add, sums, new))
            assert direct is not None
            self._direct[index] = direct
            if known is not None:
                log_likelihood += float(known[0] @ direct)
                if log_likelihood == -np.inf:
                    self._impossible_direct(index)
            values.update(piece.collect(direct, sums or (), self.layout))
        return Statistics(values, log_likelihood, self.layout, self.pivot)

    def _coefficients(self, data: PieceData, params: Params) -> Coefficients:
        """A piece's coefficients, those of clusters ready to meet rows like the piece's."""
        direct, *clusters = data.piece.coefficients(params, self.layout, self.pivot)
        return (direct, *map(ready, clusters, data.kinds))

    def _neutral(self, data: PieceData, features: Features) -> tuple[Floats, ...]:
        states = self._states(data)
        return tuple(np.zeros((c, r.shape[0])) for c, r in zip(states, features.rows, strict=True))

    def _impossible(self, data: PieceData, chunk: Chunk, evidence: Floats) -> None:
        row = chunk.start + int(np.argmin(evidence))
        if data.inverse is not None:
            row = int(np.flatnonzero(data.inverse == row)[0])
        raise ImpossibleError(str(data.piece.plate), row)

    def _impossible_direct(self, index: int) -> None:
        data = self.pieces[index]
        for chunk, features in self.blocks(index):
            direct: Any = features.direct
            bad = (direct.is_impossible() if isinstance(direct, Wide) else
                   np.isneginf(direct).any(axis=0))  # fmt: skip
            if bad.any():
                self._impossible(data, chunk, np.where(bad, -np.inf, 0.0))
        raise ImpossibleError(str(data.piece.plate), 0)

    def log_evidence(self, params: Params, index: int) -> Floats:
        """Log likelihood of every element of piece `index`, (N,), unweighted."""
        data = self.pieces[index]
        known = self._coefficients(data, params)
        out = np.empty(data.size)
        for chunk, features in self.blocks(index):
            part = known[0] @ features.direct
            if data.piece.latents:
                part = part + data.piece.infer(features, known, self.layout, None)[0]
            out[chunk.start : chunk.stop] = part
        return out if data.inverse is None else out[data.inverse]

    def posterior(self, params: Params, index: int) -> dict[str, Floats]:
        """Posterior marginals of piece `index`'s latents, (N, values) each."""
        data = self.pieces[index]
        known = self._coefficients(data, params)
        found: dict[str, list[Floats]] = {name: [] for name in data.piece.latents}
        for _, features in self.blocks(index):
            _, posterior = data.piece.infer(features, known, self.layout, None)
            for name, marginal in data.piece.marginals(posterior, self.layout).items():
                # exp is cut off at e^-690: what is ruled out is that, and shown as zero
                found[name].append(np.where(marginal < _CUT, 0.0, marginal).T)
        return {name: _whole(parts, data) for name, parts in found.items()}

    def decode(self, params: Params, index: int) -> dict[str, NDArray[np.int64]]:
        """The most probable joint values of piece `index`'s latents, (N,) each."""
        data = self.pieces[index]
        known = self._coefficients(data, params)
        found: dict[str, list[NDArray[np.int64]]] = {name: [] for name in data.piece.latents}
        for _, features in self.blocks(index):
            states, _ = data.piece.decode(features, known, self.layout)
            for name, state in zip(data.piece.latents, states, strict=True):
                found[name].append(state)
        return {name: _whole(parts, data) for name, parts in found.items()}


def _whole(blocks: list[Any], data: PieceData) -> Any:
    """What blocks gave, of every element the user has: collapsed rows are spread out again."""
    whole = np.concatenate(blocks)
    return whole if data.inverse is None else whole[data.inverse]


class ImpossibleError(ValueError):
    """An element of the data has probability zero under every value of the latents."""

    def __init__(self, plate: str, row: int) -> None:
        super().__init__(f"element {row} of plate {plate} has probability zero under the model")
        self.plate = plate
        self.row = row


def _kept(rows: Any) -> int:
    """How many numbers are kept for each element."""
    return rows.kept if isinstance(rows, Wide) else len(rows)


def _gathered(rows: Any) -> int:
    """How many rows are gathered from: adding up sums that long shouldn't cost most of a block."""
    return rows.gathered if isinstance(rows, Wide) else 0


def _weighted_sum(rows: Any, weight: Floats | None) -> Floats:
    """Sum features (F, B) over the block; a weight of zero drops even an infinite feature."""
    if isinstance(rows, Wide):
        each = np.ones((1, rows.shape[1])) if weight is None else weight[None]
        return np.concatenate(
            [
                _weighted_sum(p, weight) if isinstance(p, np.ndarray) else p.expected(each)[0]
                for p in rows.parts
            ]
        )
    if weight is None:
        total: Floats = rows.sum(axis=1)
        return total
    return np.where(weight > 0.0, rows, 0.0) @ weight


def _distinct(
    arrays: Mapping[str, NDArray[Any]], weight: Floats | None, size: int
) -> tuple[dict[str, NDArray[Any]], Floats, NDArray[np.intp]] | None:
    """Collapse equal elements to one with a weight; None where it would not pay."""
    flat = [np.ascontiguousarray(a.reshape(-1, size).T) for a in arrays.values()]
    table = np.concatenate([f.astype(np.float64, copy=False) for f in flat], axis=1)
    if len(np.unique(table[: min(size, 1000)], axis=0)) > 700 and size > 1000:
        return None  # a sample of rows is nearly all distinct
    packed = np.ascontiguousarray(table).view([("", table.dtype)] * table.shape[1]).reshape(-1)
    _, first, inverse = np.unique(packed, return_index=True, return_inverse=True)
    if 2 * len(first) > size:
        return None
    counts = np.bincount(inverse, weights=weight, minlength=len(first)).astype(np.float64)
    collapsed = {k: np.ascontiguousarray(a[..., first]) for k, a in arrays.items()}
    return collapsed, counts, inverse
