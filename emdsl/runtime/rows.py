"""Feature rows and their coefficients: stacking and cutting.

coefficients (C, F) @ rows (F, B)  and  posterior (C, B) @ rows.T
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.one_hot import OneHot
from emdsl.runtime.pairs import Pairs, unfold
from emdsl.runtime.scaled import Scaled

Floats = NDArray[np.float64]


def expected(posterior: Floats, rows: Any) -> Floats:
    """Expected sums of features: posterior (C, B) times rows (F, B) -> (C, F)."""
    if isinstance(rows, Wide):
        return rows.expected(posterior)
    found: Floats
    if alike(rows):
        found = posterior.sum(axis=1)[:, None] * rows[:, 0]
        return found
    if len(posterior) < 12:
        found = posterior @ rows.T
        return found
    # the same product, as BLAS is fastest at it: where it is small, with what is shorter copied
    # so that rows follow rows
    if posterior.shape[0] * rows.size < 1_000_000:
        posterior = np.ascontiguousarray(posterior.T).T
    found = (rows @ posterior.T).T
    return found


def alike(rows: Floats) -> bool:
    """Whether rows (F, B) are one column, written once, for all elements."""
    return rows.shape[1] > 1 and rows.strides[1] == 0


class Wide:
    """Feature rows (F, B) of which some are not written out: multiplies as the array would."""

    __slots__ = ("gathered", "kept", "parts", "shape")
    __array_ufunc__ = None

    def __init__(self, parts: list[Floats | Pairs | OneHot | Scaled]) -> None:
        self.parts = parts
        self.shape = (sum(p.shape[0] for p in parts), parts[0].shape[1])
        self.kept = sum(len(p) if isinstance(p, np.ndarray) else p.kept for p in parts)
        self.gathered = sum(p.shape[0] // len(p.index) for p in parts if isinstance(p, OneHot))

    def _cuts(self) -> Iterator[tuple[Floats | Pairs | OneHot | Scaled, slice]]:
        start = 0
        for part in self.parts:
            yield part, slice(start, start := start + part.shape[0])

    def strips(self, c: Floats) -> list[Any]:
        """Coefficients (C, F) cut up by part, in the form that each part takes."""
        return [
            c[:, w] if isinstance(p, np.ndarray) else p.strips(c[:, w]) for p, w in self._cuts()
        ]

    def combined(self, pieces: list[Any]) -> Floats:
        """Coefficients, cut up by `strips`, times the rows -> (C, B)."""
        found: Floats | None = None
        for part, piece in zip(self.parts, pieces, strict=True):
            more = piece @ part if isinstance(part, np.ndarray) else part.combined(piece)
            found = more if found is None else np.add(found, more, out=found)
        assert found is not None
        return found

    def __rmatmul__(self, c: Floats) -> Floats:
        if c.ndim == 1:
            found: Floats = (c[None] @ self)[0]
            return found
        return self.combined(self.strips(c))

    def expected(self, posterior: Floats) -> Floats:
        """Posteriors (C, B) -> expected sums (C, F)."""
        return np.concatenate(
            [
                posterior @ p.T if isinstance(p, np.ndarray) else p.expected(posterior)
                for p in self.parts
            ],
            axis=1,
        )

    def is_impossible(self) -> NDArray[np.bool_]:
        """Which columns (B,) have a feature of minus infinity."""
        found = np.zeros(self.shape[1], dtype=np.bool_)
        for part in self.parts:
            if isinstance(part, np.ndarray):
                found |= np.isneginf(part).any(axis=0)
        return found


def rows(*parts: Any, width: int) -> Any:
    """Stack feature arrays (..., B) into one (F, B); a number is a constant row, None no row.

    Where there are numbers only, they are written once: see `alike`.
    """
    given = [part for part in parts if part is not None]
    if given and all(isinstance(part, (int, float)) for part in given):
        return np.broadcast_to(np.array(given, dtype=np.float64)[:, None], (len(given), width))
    blocks: list[Any] = []
    for part in given:
        if isinstance(part, (Pairs, OneHot, Scaled)):
            blocks.append(part)
        else:
            row = np.full((1, width), part) if np.ndim(part) == 0 else np.reshape(part, (-1, width))
            blocks.append(row.astype(np.float64, copy=False))
    if not blocks:
        return np.zeros((0, width))
    if all(isinstance(block, np.ndarray) for block in blocks):
        return np.concatenate(blocks, axis=0) if len(blocks) != 1 else blocks[0]
    wide: list[Any] = []
    for is_array, group in itertools.groupby(blocks, lambda block: isinstance(block, np.ndarray)):
        run = list(group)
        wide += [np.concatenate(run)] if is_array else run
    return Wide(wide)


def columns(states: int, *parts: tuple[Any, int]) -> Floats:
    """Stack coefficient arrays (states..., features...) into one (C, F).

    Each part is an array and the number of its leading state axes; None is no column.
    """
    out = []
    for part, lead in parts:
        if part is not None:
            features = math.prod(np.shape(part)[lead:])
            out.append(np.reshape(part, (states, features)))
    return np.concatenate(out, axis=1) if out else np.zeros((states, 0))


def cut(
    sums: Floats,
    states: tuple[int, ...],
    complete: Any,
    *features: tuple[tuple[int, ...], bool, str | None],
) -> list[Floats]:
    """Undo `columns`: the blocks of (C, F) sums, (states..., features...) each.

    A feature is (dimensions, symmetric, the data it is the mask of or None). The mask of complete
    data has no columns: its sums are those of the constant, which comes first.
    """
    sums = np.reshape(sums, (*states, -1))
    found: list[Floats] = []
    start = 0
    for dims, symmetric, mask in features:
        if mask is not None and complete[mask]:
            if dims:
                constant = found[0].reshape((*states, *(1,) * len(dims)))
                found.append(np.broadcast_to(constant, (*states, *dims)))
            else:
                found.append(found[0])
            continue
        width = dims[0] * (dims[0] + 1) // 2 if symmetric else math.prod(dims)
        part = sums[..., start : start + width]
        start += width
        found.append(unfold(part, dims[0]) if symmetric else part.reshape((*states, *dims)))
    return found


class Strips:
    """Coefficients cut up for `Wide` rows once, and multiplied with those of every block."""

    __slots__ = ("pieces",)

    def __init__(self, coefficients: Floats, rows: Wide) -> None:
        self.pieces = rows.strips(coefficients)

    def __matmul__(self, rows: Wide) -> Floats:
        return rows.combined(self.pieces)


def ready(coefficients: Floats, rows: Any) -> Any:
    """Coefficients in the form that multiplies rows like these fastest, block after block."""
    return Strips(coefficients, rows) if isinstance(rows, Wide) else coefficients
