"""The data of rows as standardised columns, and rows of them far from each other to start from."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.engine import Engine, PieceData
from emdsl.runtime.program import Array, Dim, Floats, Latent, Meta

_SAMPLE = 4000  # rows looked at to pick centres
_FEW = 64  # columns that a category takes at most


def extent_of(dim: Dim, sizes: Mapping[str, int]) -> int:
    return sizes[dim] if isinstance(dim, str) else dim


def distances(x: Floats, seen: Floats | None, centres: Floats) -> Floats:
    """Squared distances (K, B) of rows x (F, B) from centres (K, F) over the cells seen."""
    square = centres**2
    own = square.sum(axis=1)[:, None] if seen is None else square @ seen
    out: Floats = np.maximum(own - 2.0 * (centres @ x) + (x**2).sum(axis=0), 0.0)
    return out


@functools.cache
def _codes(values: int) -> Floats:
    """A column for each value of a category, all about as far from each other.

    Indicators; of many values, directions in a few dimensions, drawn the same every time (the
    lemma of Johnson and Lindenstrauss): rows so wide would not fit into memory.
    """
    if values <= _FEW:
        return np.eye(values)
    found: Floats = np.random.default_rng(values).standard_normal((_FEW, values))
    return found / math.sqrt(_FEW)


class Scale:
    """One piece's data as standardised columns, (F, B), zero where missing."""

    def __init__(self, meta: Meta, piece: PieceData, sizes: Mapping[str, int]) -> None:
        labels = {z.data for z in meta.latents}
        arrays = [meta.array(n) for n in piece.piece.arrays]
        own = piece.piece.axes
        self._arrays = [
            a for a in arrays
            if a.role == "data" and a.name not in labels and a.axes[: len(own)] == own
        ]  # fmt: skip
        self._sizes = sizes
        self._piece = piece
        self.data = [a.name for a in self._arrays]
        self.names = self.data if piece.piece.latents else []
        self.width = 0
        self._shift: dict[str, Floats] = {}
        self._unit: dict[str, Floats] = {}
        pick = np.linspace(0, piece.size - 1, min(piece.size, _SAMPLE)).astype(np.intp)
        for array in self._arrays:
            raw, seen = self._raw(array, {k: v[..., pick] for k, v in self._own(piece).items()})
            weight = np.ones_like(raw) if seen is None else seen
            if piece.weight is not None:
                weight = weight * piece.weight[pick]
            total = np.maximum(weight.sum(axis=1), 1e-300)[:, None]
            shift = (raw * weight).sum(axis=1, keepdims=True) / total
            spread = np.sqrt(((raw - shift) ** 2 * weight).sum(axis=1, keepdims=True) / total)
            self._shift[array.name] = shift
            self.width += len(shift)
            if array.kind == "category":  # one distance for a category, whatever its values
                spread = np.full_like(spread, max(float(np.sqrt((spread**2).sum())), 1e-12))
            tiny = 1e-12 * np.abs(shift)
            self._unit[array.name] = np.where(spread > tiny, 1.0 / np.maximum(spread, 1e-300), 0.0)

    def _own(self, piece: PieceData) -> dict[str, NDArray[Any]]:
        names = {a.name for a in self._arrays} | {f"{a.name} observed" for a in self._arrays}
        return {k: v for k, v in piece.arrays.items() if k in names}

    def _raw(
        self, array: Array, arrays: Mapping[str, NDArray[Any]]
    ) -> tuple[Floats, Floats | None]:
        value = arrays[array.name]
        width = value.shape[-1]
        seen = arrays.get(f"{array.name} observed")
        if array.kind == "category" and array.values is not None:
            codes = _codes(extent_of(array.values, self._sizes))
            raw = codes[:, value.astype(np.intp, copy=False)].reshape(-1, width)
            shape: tuple[int, ...] = (len(codes), *value.shape)
        else:
            shape = value.shape
            raw = value.reshape(-1, width).astype(np.float64)
            if array.kind == "count":
                raw = np.sqrt(raw)  # steadies a count's variance
        if seen is None:
            return raw, None
        return raw, np.broadcast_to(seen, shape).reshape(-1, width).astype(np.float64)

    def same_values(self, latent: Latent) -> tuple[Floats, Floats | None] | None:
        """Indicators (values, B) of a category with a latent's values, if there is one."""
        for array in self._arrays:
            same = array.kind == "category" and isinstance(array.values, str)
            same &= array.values == latent.values and len(array.dims) == array.plates
            if same and extent_of(latent.values, self._sizes) <= _FEW:
                return self._raw(array, self._own(self._piece))
        return None

    def rows(self, which: Any) -> tuple[Floats, Floats | None]:
        """Standardised columns (F, B) of some rows and which are seen (None: all)."""
        arrays = {k: v[..., which] for k, v in self._own(self._piece).items()}
        columns, masks = [], []
        partial = False
        for array in self._arrays:
            raw, seen = self._raw(array, arrays)
            x = (raw - self._shift[array.name]) * self._unit[array.name]
            columns.append(x if seen is None else x * seen)
            masks.append(np.ones_like(x) if seen is None else seen)
            partial |= seen is not None
        return np.concatenate(columns), np.concatenate(masks) if partial else None

    def centres(
        self,
        piece: PieceData,
        latent: Latent,
        values: int,
        rng: np.random.Generator,
        *,
        blind: bool,
        tilt: Floats,
    ) -> Floats:
        """k-means++: each next centre is a row drawn by its squared distance from those before.

        blind : draw each row alike instead.
        tilt : (F, 1), what the standardised columns are multiplied by.

        Returns (values, F).
        """
        return spread(self.rows, piece, latent, values, rng, blind=blind, tilt=tilt)


class Gathered:
    """Columns of rows without data of their own: the means of those of the rows that point there.

    So a latent that other levels' data depend on starts from what they are on average.
    """

    def __init__(self, table: Floats, votes: dict[str, Floats]) -> None:
        self.table = table
        self.votes = votes  # latent -> (values, rows): how often what points there has each value
        self.width = len(table)
        self.names = ["gathered"]

    def rows(self, which: Any) -> tuple[Floats, Floats | None]:
        """Columns (F, B) of some rows."""
        return self.table[:, which], None

    def centres(
        self,
        piece: PieceData,
        latent: Latent,
        values: int,
        rng: np.random.Generator,
        *,
        blind: bool,
        tilt: Floats,
    ) -> Floats:
        """As those of rows with data."""
        return spread(self.rows, piece, latent, values, rng, blind=blind, tilt=tilt)


def gathered(engine: Engine, scales: list[Scale], index: int) -> Gathered | None:
    """The columns of a piece's rows by those of coupled rows that point to them."""
    piece = engine.pieces[index].piece
    if not piece.latents:
        return None
    parts = []
    votes: dict[str, Floats] = {}
    for structure in engine.structures:
        for i, place in structure.pointing(index).items():
            if not scales[i].data:
                continue
            size = engine.pieces[index].size
            parts.append(_means(*scales[i].rows(slice(0, len(place))), place, size))
            for latent in engine.program.meta.latents:
                said = scales[i].same_values(latent)
                if said is not None and latent.name in piece.latents:
                    votes[latent.name] = _means(*said, place, size)
    return Gathered(np.concatenate(parts), votes) if parts else None


def _means(x: Floats, seen: Floats | None, place: NDArray[np.intp], size: int) -> Floats:
    """Means (F, size) of columns (F, B) over the rows that point to each place."""
    weight = np.ones_like(x) if seen is None else seen
    total = np.stack([np.bincount(place, row, minlength=size) for row in x * weight])
    count = np.stack([np.bincount(place, row, minlength=size) for row in weight])
    means: Floats = total / np.maximum(count, 1.0)
    return means


def spread(
    rows: Callable[[Any], tuple[Floats, Floats | None]],
    piece: PieceData,
    latent: Latent,
    values: int,
    rng: np.random.Generator,
    *,
    blind: bool,
    tilt: Floats,
) -> Floats:
    """Centres (values, F) among rows, each far from those before."""
    weight = piece.weight
    if piece.size > _SAMPLE:
        pick = np.sort(rng.choice(piece.size, size=_SAMPLE, replace=False))
    else:
        pick = np.arange(piece.size)
    x, seen = rows(pick)
    x = x * tilt
    mass = np.ones(len(pick)) if weight is None else weight[pick]
    chosen = _labelled(piece, latent, values, pick, x)
    nearest: Floats | None = None
    for k in (*chosen, *(k for k in range(values) if k not in chosen)):
        if k not in chosen:
            chance = mass if nearest is None else mass * (nearest > 1e-9 if blind else nearest)
            total = chance.sum()
            if not total > 0.0:
                chance, total = mass, mass.sum()
            row = rng.choice(len(pick), p=chance / total) if total > 0.0 else 0
            chosen[k] = x[:, row] + 1e-3 * rng.standard_normal(len(x))
        distance = distances(x, seen, chosen[k][None])[0]
        nearest = distance if nearest is None else np.minimum(nearest, distance)
    return np.stack([chosen[k] for k in range(values)])


def _labelled(
    piece: PieceData, latent: Latent, values: int, pick: NDArray[np.intp], x: Floats
) -> dict[int, Floats]:
    """Centres of the values that some labels show."""
    if latent.data is None or latent.data not in piece.arrays:
        return {}
    label = piece.arrays[latent.data].reshape(-1)[pick]
    seen = piece.arrays.get(f"{latent.data} observed")
    known = np.ones(len(pick), dtype=np.bool_) if seen is None else seen.reshape(-1)[pick]
    return {
        k: x[:, known & (label == k)].mean(axis=1)
        for k in range(values)
        if (known & (label == k)).any()
    }
