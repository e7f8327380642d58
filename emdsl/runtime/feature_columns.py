"""Columns of feature rows, whatever form the rows have: compared, chosen, joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.one_hot import OneHot
from emdsl.runtime.pairs import Pairs
from emdsl.runtime.rows import Wide

Floats = NDArray[np.float64]


def signature(rows: Any) -> Floats:
    """Numbers (any, B), equal in two columns only where the rows are, and zero for zeros."""
    if isinstance(rows, Wide):
        return np.concatenate([signature(p) for p in rows.parts])
    if isinstance(rows, Pairs):
        return rows.x
    if isinstance(rows, OneHot):
        scale = np.broadcast_to(1.0 if rows.scale is None else rows.scale, rows.index.shape)
        return np.concatenate([np.where(scale != 0.0, rows.index, 0), scale])
    found: Floats = rows
    return found


def at_columns(rows: Any, which: NDArray[np.intp]) -> Any:
    """Some of the columns, in the form the rows have."""
    if isinstance(rows, Wide):
        return Wide([at_columns(p, which) for p in rows.parts])
    if isinstance(rows, Pairs):
        return Pairs(rows.x[:, which])
    if isinstance(rows, OneHot):
        scale = rows.scale[:, which] if np.ndim(rows.scale) else rows.scale
        return OneHot(rows.index[:, which], rows.shape[0], scale)
    return np.ascontiguousarray(rows[:, which])


def distinct_columns(columns: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The places of the first of each distinct column, and which of them each column is."""
    if columns.shape[1] == 0:
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
    if (columns == columns[:, :1]).all():
        return np.zeros(1, dtype=np.intp), np.zeros(columns.shape[1], dtype=np.intp)
    moving = columns[(columns != columns[:, :1]).any(axis=1)]
    # columns mostly come in runs of equal ones, as those of a sequence: one of each is compared
    heads = np.flatnonzero(np.append(True, (moving[:, 1:] != moving[:, :-1]).any(axis=0)))
    lengths = np.diff(np.append(heads, columns.shape[1]))
    table = np.ascontiguousarray(moving[:, heads].T)
    if table.shape[1] == 1:
        packed: Any = table[:, 0]
    else:
        packed = table.view([("", table.dtype)] * table.shape[1]).reshape(-1)
    _, first, inverse = np.unique(packed, return_index=True, return_inverse=True)
    return heads[first], np.repeat(inverse.reshape(-1), lengths)


def joined(blocks: Sequence[Any]) -> Any:
    """Rows of the same form, side by side."""
    first = blocks[0]
    if len(blocks) == 1:
        return first
    if isinstance(first, Wide):
        return Wide([joined(parts) for parts in zip(*(b.parts for b in blocks), strict=True)])
    if isinstance(first, Pairs):
        return Pairs(np.concatenate([b.x for b in blocks], axis=1))
    if isinstance(first, OneHot):
        index = np.concatenate([b.index for b in blocks], axis=1)
        if all(b.scale is None for b in blocks):
            return OneHot(index, first.shape[0])
        scales = [np.broadcast_to(1.0 if b.scale is None else b.scale, b.index.shape)
                  for b in blocks]  # fmt: skip
        return OneHot(index, first.shape[0], np.concatenate(scales, axis=1))
    return np.concatenate(blocks, axis=1)
