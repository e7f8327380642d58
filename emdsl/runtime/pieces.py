"""One level's data as the engine holds it: arrays with the rows last, weights, equal rows once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.errors import DataError
from emdsl.runtime.filling import Filling
from emdsl.runtime.gaps import GapData
from emdsl.runtime.how import How
from emdsl.runtime.links import Levels
from emdsl.runtime.program import (
    Bias,
    Block,
    Coefficients,
    Features,
    Floats,
    Gaps,
    Meta,
    Params,
    Piece,
    Rows,
    View,
)
from emdsl.runtime.rows import Wide

_BLOCK = 2**19  # bytes of one block's features and posteriors together: about an L2 cache
_NOTHING = 1e-38  # a posterior less than what is cut off may come to
_WIDE = 16  # columns from which an array of live terms is left as it came: rows one by one
_LIVE = 2**21  # bytes of one block's data of live terms
_SOME = 1024  # rows of a block where some are left out: Hessians are wide
_THIN = 16  # rows to be left where some are left out, at the least
_SMALL = 950_000  # multiplications in a product up to which BLAS doesn't copy its operands first


Kept = dict[tuple[int, int], list[Rows]]  # of a piece and cluster, rows with their posterior
Posteriors = dict[int, tuple[Floats, ...]]  # each piece's, by its number: (states, rows or tables)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A block of rows: its arrays, its weights and where it starts."""

    arrays: Mapping[str, NDArray[Any]]
    weight: Floats | None
    start: int
    stop: int


@dataclass(slots=True)
class PieceData:
    """One piece's arrays, rows last, with equal rows collapsed where all is discrete.

    `along` are the arrays that have rows; `kinds` the feature rows of one element: what form each
    cluster's rows have, and `width` how many direct features there are; `states` how many states
    each cluster has. `fillings` stand in for missing cells of the piece's `gaps`, of which those
    that the data have are `gaps` here.
    """

    piece: Piece
    size: int
    arrays: Mapping[str, NDArray[Any]]
    along: frozenset[str]
    weight: Floats | None
    inverse: NDArray[np.intp] | None  # row -> collapsed row
    block: int
    cache: dict[int, tuple[Chunk, Features]]
    cached: bool
    states: list[int]
    kinds: tuple[Any, ...] = ()
    width: int = 0
    fillings: tuple[Filling | None, ...] = ()
    gaps: tuple[GapData, ...] = ()
    guests: tuple[GapData, ...] = ()  # gaps of other rows, that are folded into these
    folded: list[tuple[Floats, ...]] = field(default_factory=list)  # other rows' features, added up

    def chunk(self, start: int, stop: int) -> Chunk:
        """Rows `start` to `stop`."""
        arrays = {k: v[..., start:stop] if k in self.along else v for k, v in self.arrays.items()}
        weight = None if self.weight is None else self.weight[start:stop]
        return Chunk(arrays, weight, start, stop)

    def block_arrays(self, chunk: Chunk) -> Block:
        """A chunk's arrays, as generated functions take them."""
        return Block(chunk.arrays, self.along, chunk.stop - chunk.start)

    def chunks(self) -> Iterator[Chunk]:
        """All rows, block by block."""
        for start in range(0, self.size, self.block):
            yield self.chunk(start, min(start + self.block, self.size))

    def thinned(self, first: int, step: int) -> PieceData:
        """Every so-many-th row from one on, weighted to stand for all; all, where there are few."""
        if self.size < _THIN * step or self.piece.folds:
            return self
        some = slice(first, None, step)
        arrays = {k: np.copy(v[..., some]) if k in self.along else v
                  for k, v in self.arrays.items()}  # fmt: skip
        size = len(range(self.size)[some])
        weight = np.ones(size) if self.weight is None else self.weight[some]
        whole = self.size if self.weight is None else self.weight.sum()
        total = weight.sum()
        if total > 0.0:
            weight = weight * (whole / total)
        return replace(self, size=size, arrays=arrays, weight=weight, inverse=None, cache={},
                       block=min(self.block, _SOME))  # fmt: skip

    def kept(self, chunk: Chunk, posterior: Floats | None) -> Rows:
        """A chunk with its rows' weights times a posterior (states, B).

        What is impossible has a posterior of about e^-690 over the evidence, not quite zero, and
        what it is impossible by may be e^686: it weighs nothing here.
        """
        if posterior is not None:
            posterior = np.where(posterior < _NOTHING, 0.0, posterior)
        parts = [x for x in (posterior, chunk.weight) if x is not None]
        weights = parts[0] * parts[1] if len(parts) == 2 else (parts[0] if parts else None)
        return self.block_arrays(chunk), weights


class Known(list[Coefficients]):
    """Each piece's coefficients, and the parameters they are of (None: there are none yet)."""

    def __init__(self, coefficients: Iterable[Coefficients], params: Params | None) -> None:
        super().__init__(coefficients)
        self.params = params


Steer = Callable[[int, Chunk], "Bias | None"]


class Coupled(Protocol):
    """Coupled levels with their rows, as the engine sees them."""

    def past(self, engine: Any, params: Any) -> Any:
        """What each row's past says, along every chain of the model."""
        ...

    @property
    def pieces(self) -> tuple[int, ...]:
        """Their numbers in the program."""
        ...

    def share(self) -> None:
        """Look anew for rows that share potentials: the features have changed."""
        ...

    def infer(
        self, known: Known, how: How, bias: Steer | None = None
    ) -> tuple[Mapping[str, Floats], Posteriors]:
        """Log evidence by level, and each piece's posteriors by cluster."""
        ...

    def log_likelihood(self, evidence: Mapping[str, Floats], known: Known) -> float:
        """The log evidence of all rows with their weights; ImpossibleError where there is none."""
        ...

    def pointing(self, index: int) -> dict[int, NDArray[np.intp]]:
        """The pieces whose rows point to rows of one: where each of their rows points to."""
        ...

    def expect(
        self, known: Known, bias: Steer | None = None
    ) -> tuple[Mapping[str, Floats], Posteriors, Kept]:
        """Log evidence by level, expected sums of each piece's features, (states, F), and rows."""
        ...


class ImpossibleError(ValueError):
    """A row of the data has probability zero under every value of the latents."""

    def __init__(self, axes: tuple[str, ...], row: int) -> None:
        super().__init__(
            f"element {row} of plate {', '.join(axes)} has probability zero under the model"
        )
        self.axes = axes
        self.row = row


def load_piece(meta: Meta, levels: Levels, piece: Piece, collapse: bool) -> PieceData:
    """Gather a piece's arrays; raise DataError where rows point to what is missing."""
    level = piece.axes
    size = levels.rows(level).size
    arrays, _ = load_arrays(
        meta, levels, level, piece.arrays, piece.views, wide=piece.potentials is not None
    )
    read = {*piece.arrays, *(v.array for v in piece.views if not v.array.startswith("#"))}
    discrete = all(
        meta.array(n).kind in ("int", "count", "bool", "category", "index") for n in read
    )
    fixed = frozenset(a for a in arrays if _is_fixed(meta, a))
    own = {k: v for k, v in arrays.items() if k not in fixed}
    weight = levels.weight(level)
    if weight is not None and (weight == 1.0).all():
        weight = None
    inverse = None
    if collapse and discrete and own and size > 1:
        found = _distinct(own, weight, size)
        if found is not None:
            own, weight, inverse = found
            size = len(weight)
    along = frozenset(own)
    arrays = {**own, **{k: arrays[k] for k in fixed}}
    sizes = levels.bound.layout.sizes
    states = [
        math.prod(sizes[d] if isinstance(d, str) else d for d in dims) for dims in piece.clusters
    ]
    data = PieceData(piece, size, arrays, along, weight, inverse, 0, {}, True, states)
    data.fillings = tuple(_filling(levels, level, g, arrays) for g in piece.gaps)
    fill(data)
    return data


def _filling(
    levels: Levels, level: tuple[str, ...], gaps: Gaps, arrays: Mapping[str, NDArray[Any]]
) -> Filling | None:
    """What stands in for the missing cells of some arrays; None where none is missing."""
    found = {n: levels.gaps(n, level) for n in gaps.arrays}
    missing = {n: _last(mask, False) for n, mask in found.items() if mask is not None}
    return Filling.of(gaps.arrays, arrays, missing) if missing else None


def fill(data: PieceData) -> None:
    """Put what stands in for missing cells into a piece's arrays."""
    for filling in data.fillings:
        if filling is not None:
            data.arrays = filling.fill(data.arrays)


def load_arrays(
    meta: Meta,
    levels: Levels,
    level: tuple[str, ...],
    names: tuple[str, ...],
    views: tuple[View, ...],
    *,
    wide: bool = False,
) -> tuple[dict[str, NDArray[Any]], frozenset[str]]:
    """A level's arrays with the rows last, and which of them have rows.

    wide : whether arrays of many columns are left as they came.

    Raises DataError where rows point to what is missing.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for name in names:
        arrays[name] = _last(levels.along(name, level), wide)
        mask = levels.along(name, level, mask=True)
        if mask is not None:
            arrays[f"{name} observed"] = _last(mask, wide)
    for view in views:
        arrays[view.key] = _last(_seen(meta, levels, level, view), wide)
    along = frozenset(arrays)
    for array in meta.arrays:  # what isn't along this plate goes to every block as it is
        if _is_fixed(meta, array.name) and array.name in levels.bound.arrays:
            arrays[array.name] = levels.bound.arrays[array.name]
    return arrays, along


def _is_fixed(meta: Meta, name: str) -> bool:
    """Whether an array is one for all rows."""
    return any(
        a.name == name and a.role in ("const", "input") and a.plates == 0 for a in meta.arrays
    )


def _last(value: NDArray[Any], wide: bool) -> NDArray[Any]:
    """The rows as the last axis; what matrix products alone are made of again and again, as it is.

    BLAS doesn't mind which of the two axes is contiguous, and copying costs as much as several
    products with a vector.
    """
    turned = np.moveaxis(value, 0, -1)
    if wide and value.ndim == 2 and value.shape[1] >= _WIDE:
        return turned
    return np.ascontiguousarray(turned)


def _seen(meta: Meta, levels: Levels, level: tuple[str, ...], view: View) -> NDArray[Any]:
    """An array's entries at the rows that each row points to; its own value where there is none."""
    if view.array.startswith("#"):
        return levels.rows(level).places[view.array[1:]]
    target = meta.array(view.array).axes[: len(view.places)]
    index = levels.point(level, target, view.places)
    value = levels.flat(view.array, len(target))
    assert value is not None
    mask = levels.flat(view.array, len(target), mask=True)
    if mask is not None:
        gone = np.logical_not(mask.reshape(len(mask), -1).all(axis=1))
        wanted = (index >= 0) & gone[index]
        if wanted.any():
            row = int(np.argmax(wanted))
            lagged = any(kind == "axis" and lag for kind, _, lag in view.places)
            or_else = ", or begin a new sequence after the gap" if lagged else ""
            raise DataError(
                f"{view.key} is missing for row {levels.where(level, row)}, expected no gap in "
                f"data that other rows depend on: fill {view.array} in{or_else}"
            )
    return value[np.maximum(index, 0)]


def block_of(probe: Features, states: list[int], least: int = 256) -> tuple[int, int]:
    """How many numbers a row's features are, and how many rows make a block that stays in cache."""
    wide = sum(_kept(r) for r in (probe.direct, *probe.rows))
    products = sum(_kept(r) * n for r, n in zip(probe.rows, states, strict=True))
    fits = min(_BLOCK // max(8 * (wide + 2 * sum(states)), 1), _SMALL // max(products, 1))
    gathered = max(map(_gathered, (probe.direct, *probe.rows)))
    return wide, max(int(np.clip(fits, least, max(4096, 4 * least))), gathered)


def live_block(data: PieceData) -> int:
    """How many rows make a block where data and parameters mix, and nothing is latent."""
    wide = sum(math.prod(a.shape[:-1]) for k, a in data.arrays.items() if k in data.along)
    return int(np.clip(_LIVE // (8 * max(wide, 1)), 512, 4096))


def whole(blocks: list[Any], data: PieceData) -> Any:
    """What blocks gave, of every row the user has: collapsed rows are spread out again."""
    found = np.concatenate(blocks)
    return found if data.inverse is None else found[data.inverse]


def _kept(rows: Any) -> int:
    """How many numbers are kept for each element."""
    return rows.kept if isinstance(rows, Wide) else len(rows)


def _gathered(rows: Any) -> int:
    """How many rows are gathered from: adding up sums that long shouldn't cost most of a block."""
    return rows.gathered if isinstance(rows, Wide) else 0


def weighted_sum(rows: Any, weight: Floats | None) -> Floats:
    """Sum features (F, B) over the block; a weight of zero drops even an infinite feature."""
    if isinstance(rows, Wide):
        each = np.ones((1, rows.shape[1])) if weight is None else weight[None]
        return np.concatenate(
            [
                weighted_sum(p, weight) if isinstance(p, np.ndarray) else p.expected(each)[0]
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
