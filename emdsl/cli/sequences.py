"""Sequences of unequal lengths as what files hold: rows with ids, or rows with lengths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emdsl.cli.output import Answer
from emdsl.runtime.levels import depth

if TYPE_CHECKING:
    from emdsl.runtime.program import Meta


@dataclass(frozen=True)
class _Rows:
    """An array's rows, and for each outer plate which of its elements each row belongs to."""

    axes: tuple[str, ...]
    values: NDArray[Any]
    ids: NDArray[np.int64]  # (outer plates, rows)
    counts: tuple[NDArray[np.int64], ...]  # elements of each axis in each row around it


def _as_rows(
    meta: Meta, arrays: Mapping[str, Any], answers: Mapping[str, Answer]
) -> dict[str, Any]:
    """The arrays with what stands in no plate as a row."""
    axes = {c.name: c.axes for c in meta.continuous} | {n: a.axes for n, a in answers.items()}
    alone = {n for n, own in axes.items() if any(meta.plate(a).single for a in own)}
    return {
        n: np.asarray(value)[None] if n.removesuffix("[]") in alone else value
        for n, value in arrays.items()
    }


def in_table(
    meta: Meta,
    arrays: Mapping[str, Any],
    *,
    npz: bool,
    answers: Mapping[str, Answer] | None = None,
) -> dict[str, Any]:
    """Arrays by name (`z[]` has the plates of z) without lists, as `emdsl fit` reads them.

    answers : of arrays that are no variable's values or probabilities in its own plates.
    npz : rows with the lengths of sequences; or else rows with ids, and what belongs to a whole
        sequence repeated in each of its rows.
    """
    if not npz:
        arrays = _as_rows(meta, arrays, answers or {})
    of: dict[str, tuple[tuple[str, ...], tuple[Any, ...]]] = {
        z.name: (z.axes, z.dims) for z in meta.latents
    }
    of |= {a.name: (a.axes, a.dims) for a in meta.arrays}
    of |= {n: (a.axes, (None,) * (len(a.axes) + a.events)) for n, a in (answers or {}).items()}
    axes_of = {name: of.get(name.removesuffix("[]"), ((), ()))[0] for name in arrays}
    ragged: dict[str, _Rows] = {}
    for name, value in arrays.items():
        own, dims = of.get(name.removesuffix("[]"), ((), ()))
        deep = depth(meta.plates, own)
        rank = len(dims) + (name.endswith("[]") and name.removesuffix("[]") not in (answers or {}))
        if deep and (isinstance(value, list) or np.ndim(value) == rank):
            ragged[name] = _rows(value, own[:deep])
    if not ragged:
        return dict(arrays)
    longest = max(ragged.values(), key=lambda r: len(r.axes))
    if npz:
        lengths = {
            str(meta.plate(axis).dim): counts
            for rows in ragged.values()
            for axis, counts in zip(rows.axes, rows.counts, strict=True)
            if meta.plate(axis).over
        }
        values = {n: ragged[n].values if n in ragged else v for n, v in arrays.items()}
        return {**lengths, **values}
    ids = dict(zip(longest.axes, longest.ids, strict=False))
    table: dict[str, Any] = dict(ids)
    for name, value in arrays.items():
        own = axes_of[name]
        if name in ragged and ragged[name].axes == longest.axes:
            table[name] = ragged[name].values
        elif own and own == longest.axes[: len(own)]:
            table[name] = _repeated(value, longest.ids[: len(own)])
        else:
            table[name] = value  # of another plate, which makes no one table
    return table


def with_ids(meta: Meta, arrays: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Answers for rows that ids tell apart, with a column of the ids; what belongs to a whole
    sequence is repeated where there are answers for each row too.

    data : the model's arrays and the ids, as gathered.
    """
    from emdsl.runtime.given import id_axes
    from emdsl.runtime.ids import read_ids

    axes = id_axes(meta)
    column = next((n for a in axes for n in (a, str(meta.plate(a).dim)) if n in data), None)
    if len(axes) != 1 or column is None or any(isinstance(v, list) for v in arrays.values()):
        return dict(arrays)
    ids = read_ids(data[column])
    labels = np.array(ids.labels)
    rows, sequences = len(ids.codes), len(ids.labels)
    if {len(v) for v in arrays.values()} - {rows, sequences}:
        return dict(arrays)
    if not any(len(v) == rows for v in arrays.values()):
        return {axes[0]: labels, **arrays}
    spread = {n: v if len(v) == rows else np.asarray(v)[ids.codes] for n, v in arrays.items()}
    return {axes[0]: labels[ids.codes], **spread}


def _rows(value: Any, axes: tuple[str, ...]) -> _Rows:
    deep = len(axes)
    if isinstance(value, np.ndarray):
        shape = value.shape[:deep]
        counts = tuple(np.full(int(np.prod(shape[:i])), shape[i]) for i in range(deep))
        ids = np.indices(shape).reshape(deep, -1)[:-1]
        return _Rows(axes, value.reshape(-1, *value.shape[deep:]), ids, counts)
    found: list[list[int]] = [[] for _ in axes]
    leaves = list(_leaves(value, deep - 1, (), found))
    ids = np.concatenate([
        np.repeat(np.array(place)[:, None], len(leaf), axis=1) for place, leaf in leaves
    ], axis=1)  # fmt: skip
    rows = np.concatenate([leaf for _, leaf in leaves])
    return _Rows(axes, rows, ids, tuple(np.array(c, dtype=np.int64) for c in found))


def _leaves(
    value: Any, levels: int, place: tuple[int, ...], counts: list[list[int]]
) -> Iterator[tuple[tuple[int, ...], NDArray[Any]]]:
    counts[len(place)].append(len(value))
    if levels == 0:
        yield place, np.asarray(value)
        return
    for i, item in enumerate(value):
        yield from _leaves(item, levels - 1, (*place, i), counts)


def _repeated(value: Any, ids: NDArray[np.int64]) -> NDArray[Any]:
    """What each row's outer element has."""
    return np.array([_at(value, place) for place in ids.T.tolist()])


def _at(value: Any, place: list[int]) -> Any:
    for i in place:
        value = value[i]
    return value
