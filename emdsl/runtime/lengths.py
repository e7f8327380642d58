"""How many elements a ragged plate has in each row: by lengths, ids, lists, or one sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emdsl.runtime.cells import Cells
from emdsl.runtime.ids import Grouped
from emdsl.runtime.levels import (
    Ints,
    count_rows,
    depth,
    links,
    own_path,
    path_of,
    ragged_sizes,
)
from emdsl.runtime.program import Layout, Meta, Plate
from emdsl.runtime.sizes import Reading


@dataclass(frozen=True, slots=True)
class Source:
    """What one array, or the ids, says of levels: how many elements each row of one has."""

    name: str  # as in "by x"
    what: str  # as in "the lengths of x"
    counts: Mapping[str, Ints]
    noun: str


def sources_of(
    meta: Meta,
    found: Mapping[str, Cells],
    lengths: Mapping[str, int | Cells],
    grouped: Grouped | None,
    id_names: str,
) -> list[Source]:
    """Everything that says how many elements levels have, the plainest first."""
    out = []
    for size, cells in lengths.items():
        if isinstance(cells, int):
            continue
        path = own_path(meta, size)
        counts = dict(zip(path, cells.counts, strict=False))
        if len(path) == 1:
            counts = {path[0]: np.array([len(cells.values)])}
        out.append(Source(size, f"the lengths {size}", counts, "length"))
    if grouped is not None and id_names:
        deepest = [p.axis for p in meta.plates if p.over and p.outer == grouped.axes]
        counts = dict(zip(grouped.axes, grouped.counts, strict=False))
        counts |= dict.fromkeys(deepest, grouped.counts[-1])
        out.append(Source(id_names, f"the ids {id_names}", counts, "id"))
    for name, cells in found.items():
        if cells.counts:
            axes = meta.array(name).axes[: len(cells.counts)]
            counts = dict(zip(axes, cells.counts, strict=True))
            out.append(Source(name, f"the lengths of {name}", counts, "item"))
    return out


def readings_of(
    meta: Meta, sources: Sequence[Source], problems: list[str]
) -> dict[str, list[Reading]]:
    """What sources say of the sizes of plates that aren't ragged."""
    found: dict[str, list[Reading]] = {}
    for source in sources:
        for axis, counts in source.counts.items():
            plate = meta.plate(axis)
            if plate.over:
                continue
            unlike = np.flatnonzero(counts != counts[0])
            if unlike.size:
                problems.append(
                    f"{source.name} has {counts[0]} elements of {axis} in one row and "
                    f"{counts[unlike[0]]} in another, expected equally many ({plate.dim})"
                )
                continue
            extent = int(counts[0])
            noun = source.noun + "s" * (extent != 1)
            text = f"{source.name} ({extent} {noun})"
            if not isinstance(plate.dim, str):
                if extent != plate.dim:
                    problems.append(f"{text} has {extent} elements of {axis}, "
                                    f"expected {plate.dim}")  # fmt: skip
                continue
            has = f"{source.name} has {extent} {noun}"
            found.setdefault(plate.dim, []).append(Reading(extent, text, has))
    return found


def fallback_sizes(
    meta: Meta, found: Mapping[str, Cells], lengths: Mapping[str, int | Cells]
) -> dict[str, int]:
    """The sizes of plates around ragged ones where only rows are given: one sequence.

    Where all sequences have one length, there are as many as it divides the rows into.
    """
    out: dict[str, int] = {}
    rows = _rows_given(meta, found)
    for size, plate in ragged_sizes(meta).items():
        own = own_path(meta, size)
        known = {str(meta.plate(a).dim): 1 for a in plate.outer if not meta.plate(a).over}
        if not any(axes[: len(own)] == own for axes in rows.values()) and not any(
            not isinstance(c, int) and own_path(meta, s)[: len(own)] == own and s != size
            for s, c in lengths.items()
        ):
            continue
        each = lengths.get(size)
        if isinstance(each, int) and plate.outer == own and len(own) == 1:
            name = next((n for n, axes in rows.items() if axes == path_of(plate)), None)
            if name is not None:
                known = dict.fromkeys(known, max(len(found[name].values) // each, 1))
        for name, extent in known.items():
            out.setdefault(name, extent)
    return out


def _rows_given(meta: Meta, found: Mapping[str, Cells]) -> dict[str, tuple[str, ...]]:
    """The level of each array that came as rows alone."""
    out = {}
    for name, cells in found.items():
        axes = meta.array(name).axes
        deep = depth(meta.plates, axes)
        if deep and not cells.counts:
            out[name] = axes[:deep]
    return out


@dataclass(slots=True)
class _Known:
    """What is known of the levels so far."""

    meta: Meta
    found: Mapping[str, Cells]
    sources: Sequence[Source]
    given: Mapping[str, int | Cells]
    sizes: Mapping[str, int]
    lengths: dict[str, Ints]
    problems: list[str]
    needed: bool  # whether to say that lengths are wanting
    broken: bool

    def count(self, axes: tuple[str, ...]) -> int | None:
        """How many rows a level has; None where that isn't known."""
        for plate in map(self.meta.plate, axes):
            known = plate.axis in self.lengths if plate.over else plate.dim in self.sizes
            if not known and not isinstance(plate.dim, int):
                return None
        return count_rows(self.meta.plates, axes, self.sizes, self.lengths)


def resolve_lengths(
    meta: Meta,
    found: Mapping[str, Cells],
    sources: Sequence[Source],
    given: Mapping[str, int | Cells],
    sizes: Mapping[str, int],
    problems: list[str],
    *,
    needed: bool,
    broken: bool,
) -> dict[str, Ints]:
    """The lengths of every ragged plate, for each row of the level around it.

    given : lengths by size.
    needed : whether to say which are wanting: not where an array is, which has been said.
    broken : whether lengths or ids were given that can't be read, which has been said.
    """
    known = _Known(meta, found, sources, given, sizes, {}, problems, needed, broken)
    for plate in meta.plates:
        if plate.over:
            _resolve(plate, known)
    return known.lengths


def _resolve(plate: Plate, known: _Known) -> None:
    meta, problems = known.meta, known.problems
    rows = known.count(plate.outer)
    if rows is None:
        return
    candidates = _candidates(plate, known, rows)
    if candidates is None:
        return
    alone = {
        name: known.found[name].values.shape
        for name, axes in _rows_given(meta, known.found).items()
        if axes == path_of(plate)
    }
    if not candidates:
        first = _one_sequence(plate, known, rows, alone)
        if first is None:
            return
        candidates = [first]
    what, lengths = candidates[0]
    for other, counts in candidates[1:]:
        unlike = np.flatnonzero(counts != lengths)
        if unlike.size:
            row = int(unlike[0])
            place = ", ".join(map(str, _place(known, plate.outer, row)))
            more = f" ({unlike.size} such)" if unlike.size > 1 else ""
            problems.append(
                f"{plate.dim}[{place}] is {lengths[row]} by {what} {_brief(lengths)} but "
                f"{counts[row]} by {other} {_brief(counts)}{more}: give them equal lengths"
            )
    total = int(lengths.sum())
    each = known.given.get(str(plate.dim))
    for name, shape in alone.items():
        if shape[0] != total and isinstance(each, int):
            problems.append(
                f"{name} has {shape[0]} rows (shape {shape}), expected {total}: "
                f"{lengths.size} sequence{'s' * (lengths.size != 1)} of {plate.dim} = {each}"
            )
        elif shape[0] != total:
            problems.append(
                f"{name} has {shape[0]} rows (shape {shape}) but {what} {_brief(lengths)} "
                f"{'is' if lengths.size == 1 else 'add up to'} {total}, expected as many"
            )
    known.lengths[plate.axis] = lengths


def _candidates(plate: Plate, known: _Known, rows: int) -> list[tuple[str, Ints]] | None:
    """The lengths of a plate by everything that says them, with words for who does.

    None where lengths are given for another number of sequences, which is said.
    """
    meta, size = known.meta, str(plate.dim)
    own = plate.outer[: plate.outer.index(plate.over) + 1]
    out: list[tuple[str, Ints]] = []
    given = known.given.get(size)
    if _dims(meta, own) != _dims(meta, own_path(meta, size)):
        given = None  # lengths along another plate than the one they are given for
    if isinstance(given, int):
        out.append((f"the length {size} = {given}", np.full(rows, given, dtype=np.int64)))
    elif given is not None:
        each = given.values.astype(np.int64)
        if len(own) > 1 and len(each) == known.sizes.get(str(meta.plate(plate.over).dim)):
            each = np.tile(each, (known.count(own) or 0) // len(each))  # the same in each outer row
        if len(each) != known.count(own):
            if len(own) > 1 and not given.counts:  # else it is a size that disagrees
                known.problems.append(
                    f"{size} has {len(each)} lengths but there are {known.count(own)} rows of "
                    f"{', '.join(own)}, expected one for each"
                )
            return None
        layout = Layout(known.sizes, lengths=known.lengths)
        each = each[links(meta.plates, plate.outer, len(own), layout)]
        out.append((f"the lengths {size}", each))
    for source in known.sources:
        counts = source.counts.get(plate.axis)
        if counts is not None and len(counts) == rows:
            out.append((source.what, counts))
    for other in meta.plates:  # the same size of another plate
        same = other.dim == plate.dim and _dims(meta, other.outer) == _dims(meta, plate.outer)
        if same and other.axis in known.lengths:
            out.append((f"the plate {other.axis}", known.lengths[other.axis]))
            break
    return out


def _dims(meta: Meta, axes: Sequence[str]) -> list[object]:
    return [meta.plate(axis).dim for axis in axes]


def _one_sequence(
    plate: Plate, known: _Known, rows: int, alone: Mapping[str, tuple[int, ...]]
) -> tuple[str, Ints] | None:
    """Lengths where nothing says where sequences end: there is one, or it is a problem."""
    meta, size = known.meta, str(plate.dim)
    for other, cells in known.given.items():  # lengths of a deeper level are rows of this one
        if not isinstance(cells, int) and own_path(meta, other) == path_of(plate) and rows == 1:
            return f"the lengths {other}", np.array([len(cells.values)], dtype=np.int64)
    groups = known.count(own_path(meta, size))
    for name, shape in alone.items():
        if groups == 1 and shape[0] % rows == 0:
            return name, np.full(rows, shape[0] // rows, dtype=np.int64)
        if known.broken:
            return None
        around = ", ".join(plate.outer)
        known.problems.append(
            f"{name} has {shape[0]} rows (shape {shape}) for {rows} sequences, expected to know "
            f"where each ends: give the lengths, data={{{size!r}: ...}}, a column of ids "
            f"({around}), or {name} as a list of arrays"
        )
        return None
    deeper = any(axes[: len(path_of(plate))] == path_of(plate)
                 for axes in _rows_given(meta, known.found).values())  # fmt: skip
    if deeper and rows == 1:
        return f"one {plate.axis}", np.ones(1, dtype=np.int64)
    if (deeper or known.needed) and not known.broken:
        known.problems.append(f"{size} is not given and can't be read off the data: give the "
                              f"length of each sequence, lengths={{{size!r}: ...}}")  # fmt: skip
    return None


def _place(known: _Known, axes: tuple[str, ...], row: int) -> tuple[int, ...]:
    """A row of a level as an index along each of its axes."""
    out = []
    layout = Layout(known.sizes, lengths=known.lengths)
    for deep in range(len(axes), 0, -1):
        link = links(known.meta.plates, axes[:deep], deep - 1, layout)
        outer = int(link[row])
        out.append(row - int(np.searchsorted(link, outer)))
        row = outer
    return tuple(reversed(out))


def _brief(lengths: Ints) -> str:
    shown = ", ".join(map(str, lengths[:6]))
    return f"[{shown}{', ...' if len(lengths) > 6 else ''}]"
