"""Features as quadratic functions of some data cells, found from their values at a few points.

    f(r + h t) = f(r) + sum_v g_v t_v + sum_vw H_vw t_v t_w

holds exactly where f is a polynomial of degree two at most, which the compiler has made sure of.
Then the values at r, r + h_v e_v, r - h_v e_v and r + h_v e_v + h_w e_w give all coefficients: no
feature needs a derivative written out. Points are a standard deviation of the data apart, so no
more digits are lost than in the features themselves. Steps are powers of two and centres multiples
of them, which makes r + h_v a number without rounding.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.feature_columns import distinct_columns
from emdsl.runtime.one_hot import OneHot
from emdsl.runtime.pairs import Pairs
from emdsl.runtime.program import Features, Floats
from emdsl.runtime.rows import Wide

Ints = NDArray[np.intp]
Cell = tuple[str, int]  # an array's name, and the place of an entry among those of a row

_CHUNK = 2**22  # numbers in the features of one chunk of points
_FEW = 32  # kinds of rows that are looked for where rounding may tell rows apart
_NOISE = 64 * np.finfo(float).eps  # of the largest value: less than this is rounding


@dataclass(frozen=True, slots=True)
class Quadratic:
    """A cluster's features as functions of V cells t: those that change, `active` (A,).

    `size` (A,) is how large they are about the centre, which is what their digits are lost from.
    `slope` (A, V, contexts) and `bend` (A, V, V, kinds), symmetric in V, where all contexts or all
    kinds are alike with a last axis of length 1.
    """

    active: Ints
    size: Floats
    slope: Floats
    bend: Floats


def centres_and_steps(values: Floats, there: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """For each row of values (V, B) about where those `there` are, and how far apart: (V,) each."""
    count = np.maximum(there.sum(axis=1), 1)
    kept = np.where(there, values, 0.0)
    mean = kept.sum(axis=1) / count
    spread = np.sqrt((np.where(there, values - mean[:, None], 0.0) ** 2).sum(axis=1) / count)
    step = powers_of_two(np.where(spread > 1e-12 * np.abs(mean), spread, np.abs(mean)))
    return on_grid(mean, step), step


def powers_of_two(x: Floats) -> Floats:
    """The powers of two next to positive numbers; 1 for others."""
    sound = np.isfinite(x) & (x > 1e-300)
    return np.where(sound, 2.0 ** np.round(np.log2(np.where(sound, x, 1.0))), 1.0)


def on_grid(x: Floats, step: Floats) -> Floats:
    """The multiples of the steps next to x."""
    found: Floats = np.round(x / step) * step
    return found


def points(count: int) -> Floats:
    """Where the features are looked at, (V, 1 + 2 V + V (V - 1) / 2)."""
    one = np.eye(count)
    i, j = np.triu_indices(count, 1)
    return np.concatenate([np.zeros((count, 1)), one, -one, one[:, i] + one[:, j]], axis=1)


def number_of_points(count: int) -> int:
    """How many points there are for so many cells."""
    return 1 + 2 * count + count * (count - 1) // 2


def quadratics(
    features: Callable[[Mapping[str, NDArray[Any]]], Features],
    arrays: Mapping[str, NDArray[Any]],
    along: frozenset[str],
    cells: list[Cell],
    centre: Floats,
    step: Floats,
    clusters: tuple[int, ...],
) -> tuple[dict[int, Quadratic], Ints]:
    """The features of some clusters (-1: the direct ones) as functions of cells (v, contexts).

    arrays : the contexts' rows, last axis; those `along` have one entry for each.

    Returns them by cluster, and for each context which kind of second-order coefficients it has.
    """
    size = next(arrays[name].shape[-1] for name in sorted(along))
    at = points(len(cells))
    count = at.shape[1]
    probe = _evaluated(features, arrays, along, cells, centre, step, at, slice(0, 1), clusters)
    wide = sum(len(p) for p in probe.values()) + 1
    width = max(1, _CHUNK // (wide * count))
    slopes: dict[int, list[tuple[Ints, Floats]]] = {c: [] for c in clusters}
    bends: dict[int, list[tuple[Ints, Floats]]] = {c: [] for c in clusters}
    sizes: dict[int, Floats] = {c: np.zeros(len(probe[c])) for c in clusters}
    kinds: list[Ints] = []
    count_of_kinds = 0
    for start in range(0, size, width):
        part = slice(start, min(start + width, size))
        found = _evaluated(features, arrays, along, cells, centre, step, at, part, clusters)
        pieces = {c: _coefficients(values, len(cells)) for c, values in found.items()}
        for c, (_, _, own) in pieces.items():
            sizes[c] = np.maximum(sizes[c], own)
        which, inverse = alike([(b, s) for _, b, s in pieces.values()])
        kinds.append(inverse + count_of_kinds)
        count_of_kinds += len(which)
        for c, (slope, bend, _) in pieces.items():
            slopes[c].append(_trimmed(slope))
            bends[c].append(_trimmed(bend[..., which]))
    kind = np.concatenate(kinds)
    out: dict[int, Quadratic] = {}
    for c in clusters:
        active = np.unique(np.concatenate([i for i, _ in (*slopes[c], *bends[c])]))
        slope, bend = _joined(slopes[c], active), _joined(bends[c], active)
        if len(alike([(slope, sizes[c][active])])[0]) == 1:
            slope = slope[..., :1]
        out[c] = Quadratic(active, sizes[c][active], slope, bend)
    which, inverse = alike([(q.bend, q.size) for q in out.values()])
    out = {c: replace(q, bend=q.bend[..., which]) for c, q in out.items()}
    return out, inverse[kind]


def alike(parts: list[tuple[Floats, Floats]]) -> tuple[Ints, Ints]:
    """The first of the last axis' entries that are alike but for rounding, and which each is like.

    parts : coefficients (F, ..., B) with the sizes (F,) of their features.
    """
    columns = np.concatenate([b.reshape(-1, b.shape[-1]) for b, _ in parts])
    noise = np.concatenate([np.repeat(s, b[..., 0].size // max(len(s), 1)) for b, s in parts])
    limit = _NOISE * noise[:, None]
    inverse = np.full(columns.shape[1], -1, dtype=np.intp)
    first: list[int] = []
    while (inverse < 0).any():
        if len(first) == _FEW:
            return distinct_columns(columns)
        new = int(np.argmax(inverse < 0))
        alike = (np.abs(columns - columns[:, new : new + 1]) <= limit).all(axis=0)
        inverse[(inverse < 0) & alike] = len(first)
        first.append(new)
    return np.array(first, dtype=np.intp), inverse


def _evaluated(
    features: Callable[[Mapping[str, NDArray[Any]]], Features],
    arrays: Mapping[str, NDArray[Any]],
    along: frozenset[str],
    cells: list[Cell],
    centre: Floats,
    step: Floats,
    at: Floats,
    part: slice,
    clusters: tuple[int, ...],
) -> dict[int, Floats]:
    """The features of some contexts at all points: of each cluster (F, contexts, points)."""
    count = at.shape[1]
    block: dict[str, NDArray[Any]] = {
        k: np.repeat(v[..., part], count, axis=-1) if k in along else v for k, v in arrays.items()
    }
    width = next(block[name].shape[-1] for name in sorted(along))
    for name, own in itertools.groupby(range(len(cells)), key=lambda i: cells[i][0]):
        which = list(own)
        flat = block[name].reshape(-1, width)
        values = centre[which, None] + step[which, None] * at[which]
        flat[[cells[i][1] for i in which]] = np.tile(values, (1, width // count))
    block["block width"] = np.asarray(width)
    found = features(block)
    return {
        c: written_out(found.direct if c < 0 else found.rows[c]).reshape(-1, width // count, count)
        for c in clusters
    }


def _coefficients(values: Floats, count: int) -> tuple[Floats, Floats, Floats]:
    """Values (F, contexts, points) as slopes (F, V, contexts) and bends (F, V, V, contexts).

    And how large the values are, (F,): what is much less than that is rounding.
    """
    size = np.abs(values).max(axis=2, initial=0.0)[:, None]
    zero = values[..., 0][:, None]
    plus = values[..., 1 : count + 1].transpose(0, 2, 1)
    minus = values[..., count + 1 : 2 * count + 1].transpose(0, 2, 1)
    both = values[..., 2 * count + 1 :].transpose(0, 2, 1)
    i, j = np.triu_indices(count, 1)
    bend = np.zeros((len(values), count, count, values.shape[1]))
    bend[:, range(count), range(count)] = _clean(0.5 * (plus + minus) - zero, size)
    bend[:, i, j] = 0.5 * _clean(both - plus[:, i] - plus[:, j] + zero, size)
    bend[:, j, i] = bend[:, i, j]
    finite = np.where(np.isfinite(size), size, 0.0)
    return _clean(0.5 * (plus - minus), size), bend, finite.reshape(len(values), -1).max(axis=1)


def _clean(value: Floats, size: Floats) -> Floats:
    """The value, with zero for what is only rounding, or no number (log 0 less log 0)."""
    found: Floats = np.where(np.isfinite(value) & (np.abs(value) > _NOISE * size), value, 0.0)
    return found


def _trimmed(value: Floats) -> tuple[Ints, Floats]:
    """The rows that aren't zero, and which they are."""
    which = np.flatnonzero(value.reshape(len(value), -1).any(axis=1))
    return which, value[which]


def _joined(parts: list[tuple[Ints, Floats]], active: Ints) -> Floats:
    """Chunks side by side, with the same rows in all."""
    out = []
    for which, value in parts:
        whole = np.zeros((len(active), *value.shape[1:]))
        whole[np.searchsorted(active, which)] = value
        out.append(whole)
    return np.concatenate(out, axis=-1)


def written_out(rows: Any) -> Floats:
    """Feature rows as a plain array (F, B)."""
    if isinstance(rows, Wide):
        return np.concatenate([written_out(p) for p in rows.parts])
    if isinstance(rows, Pairs):
        return rows.products()
    if isinstance(rows, OneHot):
        return rows.written_out()
    found: Floats = rows
    return found


def cells_of(arrays: Mapping[str, NDArray[Any]], names: tuple[str, ...]) -> list[Cell]:
    """The entries of one row of some arrays (entries..., B)."""
    return [(n, i) for n in names for i in range(math.prod(arrays[n].shape[:-1]))]
