"""Columns and npz arrays → the model's arrays, by name.

An array takes, in this order: what `--data name=...` says; the column (or npz array) of its own
name; the columns `name[0], name[1], ...`. If then just one data array is left without, it takes
every column that holds numbers and that no other array has taken.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emdsl.cli.errors import InputError, UsageError, near
from emdsl.cli.table import Table, listing
from emdsl.runtime.cells import CellError
from emdsl.runtime.frames import Table as NamedColumns
from emdsl.runtime.frames import indexed_shape, own_columns
from emdsl.runtime.given import id_axes
from emdsl.runtime.levels import flat, ragged_sizes

if TYPE_CHECKING:
    from emdsl.runtime.program import Array, Meta


@dataclass(frozen=True)
class Npz:
    """The arrays of an npz file by name."""

    path: str
    arrays: Mapping[str, NDArray[Any]] = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.arrays)


class Lists(Npz):
    """The arrays of a JSON file by name: nested lists, which may be ragged."""


@dataclass
class Gathered:
    """The arrays found, where each came from, and what was left over."""

    arrays: dict[str, Any] = field(default_factory=dict)
    taken: dict[str, tuple[str, ...]] = field(default_factory=dict)
    text: tuple[str, ...] = ()  # columns that a default left out because they hold words


def read_npz(data: bytes, path: str) -> Npz:
    """The arrays in the bytes of an npz file; never unpickles anything."""
    if not data.startswith(b"PK"):  # where NumPy would try a pickle
        raise InputError(f"{path} is not an npz file of arrays")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, KeyError) as error:
        if "pickle" in str(error):
            raise InputError(
                f"{path} holds Python objects, which aren't read",
                "save arrays of numbers with numpy.savez",
            ) from None
        raise InputError(f"{path} is not an npz file of arrays") from None
    return Npz(path, arrays)


def read_json(data: bytes, path: str) -> Lists:
    """The nested lists in the bytes of a JSON file; null is a missing cell."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path} is not a JSON object of arrays by name")
    return Lists(path, found)


def gather(
    meta: Meta,
    files: Sequence[Table | Npz],
    mapping: Mapping[str, tuple[str, ...]],
    needed: frozenset[str],
) -> Gathered:
    """The model's arrays out of the files; those of the roles in `needed` must be there."""
    specs = [flat(meta, a) for a in meta.arrays if a.name not in dict(meta.constants)]
    beside = _beside(meta)
    _verify_mapping([*(s.name for s in specs), *beside], mapping)
    found = Gathered()
    for name in beside:
        _take_beside(name, name in ragged_sizes(meta), files, mapping, found)
    for spec in specs:
        place = _named(spec, files, mapping)
        if place is not None:
            found.arrays[spec.name] = _take(spec, *place)
            found.taken[spec.name] = place[1]
    labels = {latent.data for latent in meta.latents}  # where none are known, none are given
    missing = [s for s in specs if s.role in needed and s.name not in {*found.arrays, *labels}]
    if len(missing) == len(files) == 1 and missing[0].role == "data":
        names = _rest(files[0], found)
        if names:
            left = missing.pop()
            found.arrays[left.name] = _take(left, files[0], names)
            found.taken[left.name] = names
    if missing:
        raise _nothing_for(missing, files, found)
    return found


def _beside(meta: Meta) -> list[str]:
    """What tells the rows of ragged plates apart: lengths, ids by axis or by size, places."""
    inner = [p.axis for p in meta.plates if p.over]
    outer = [n for a in id_axes(meta) for n in (a, str(meta.plate(a).dim))]
    return list(dict.fromkeys([*ragged_sizes(meta), *outer, *inner]))


def _take_beside(
    name: str,
    size: bool,
    files: Sequence[Table | Npz],
    mapping: Mapping[str, tuple[str, ...]],
    found: Gathered,
) -> None:
    """A column of ids or an array of lengths, if a file has it; a column alone may be lengths."""
    columns = mapping.get(name, (name,))
    places = [f for f in files if set(columns) & set(f.names)]
    if name in mapping and (not places or len(columns) > 1):
        has = "; ".join(f"{file.path} has {listing(file.names)}" for file in files)
        raise InputError(f"there is no one column {listing(columns)} for {name}: {has}")
    if len(places) > 1:
        raise InputError(f"{name} is in both {places[0].path} and {places[1].path}")
    for file in places:
        (column,) = columns
        if isinstance(file, Npz):
            found.arrays[name] = file.arrays[column]
        elif not size:
            found.arrays[name] = file.ids(column)
        elif name in mapping or file.names == columns:
            found.arrays[name] = file.numbers(column)
        else:
            continue
        found.taken[name] = columns


def _named(
    spec: Array, files: Sequence[Table | Npz], mapping: Mapping[str, tuple[str, ...]]
) -> tuple[Table | Npz, tuple[str, ...]] | None:
    """The file and the names in it that stand for an array, unless none do."""
    wanted = mapping.get(spec.name)
    places = []
    for file in files:
        names = tuple(own_columns(spec.name, file.names)) if wanted is None else wanted
        if names and (wanted is None or set(names) & set(file.names)):
            places.append((file, names))
    if len(places) > 1:
        raise InputError(f"{spec.name} is in both {places[0][0].path} and {places[1][0].path}")
    if wanted is not None and not places:
        has = "; ".join(f"{file.path} has {listing(file.names)}" for file in files)
        raise InputError(f"there is no {listing(wanted)} for {spec.name}: {has}")
    return places[0] if places else None


def _rest(file: Table | Npz, found: Gathered) -> tuple[str, ...]:
    """What no array has taken: all the columns of numbers, or the only npz array."""
    used = {name for names in found.taken.values() for name in names}
    names = tuple(name for name in file.names if name not in used)
    if isinstance(file, Npz):
        return names if len(names) == 1 else ()
    text = tuple(n for n in names if not n or file.is_text(n))
    found.text = tuple(n or "(row names)" for n in text)
    return tuple(n for n in names if n not in text)


def _take(spec: Array, file: Table | Npz, names: tuple[str, ...]) -> Any:
    """An array from its place: with its columns' names, for the runtime to speak of them."""
    if isinstance(file, Lists) and len(names) == 1:
        return file.arrays[names[0]]
    if isinstance(file, Npz):
        return _take_npz(spec, file, names)
    rank = len(spec.dims)
    if rank == 0:
        raise InputError(f"{spec.name} is a single number", f"give it as --set {spec.name}=VALUE")
    if rank == 1 and len(names) > 1:
        raise InputError(
            f"{spec.name} is one column, but {file.path} offers {len(names)}: {listing(names)}",
            f"choose one: --data {spec.name}={names[0]}",
        )
    columns = {name: file.numbers(name) for name in names}
    shape = _shape(spec, file, names)
    if rank <= 2:
        return NamedColumns(columns, chosen=True)
    if len(shape) != rank - 1:
        raise InputError(
            f"{spec.name} has {rank} dimensions: which column stands where isn't known",
            f"name the columns {spec.name}[0,0], {spec.name}[0,1], ..., or use an npz file",
        )
    ordered = [columns[name] for name in own_columns(spec.name, names)]
    return np.stack(ordered, axis=-1).reshape(len(file.rows), *shape)


def _shape(spec: Array, file: Table, names: tuple[str, ...]) -> tuple[int, ...]:
    """The extents that columns named `x[0,0], x[0,1], ...` span; empty for other names."""
    if set(names) != set(own_columns(spec.name, names)):
        return ()
    try:
        return indexed_shape(spec.name, list(names))
    except CellError as error:
        raise InputError(f"{file.path}: {spec.name} {error.text}", "indices start at 0") from None


def _take_npz(spec: Array, file: Npz, names: tuple[str, ...]) -> NDArray[Any]:
    arrays = []
    for name in names:
        if name not in file.arrays:
            raise InputError(f"{file.path} has no array {name!r}; it has {listing(file.names)}")
        if np.asarray(file.arrays[name]).dtype.kind not in "biuf":
            raise InputError(f"{file.path}: array {name!r} doesn't hold numbers")
        arrays.append(np.asarray(file.arrays[name]))
    if len(arrays) == 1:
        return arrays[0]
    if any(a.shape != arrays[0].shape for a in arrays):
        raise InputError(f"{file.path}: {listing(names)} for {spec.name} have different shapes")
    return np.stack(arrays, axis=-1)


def _verify_mapping(known: Sequence[str], mapping: Mapping[str, tuple[str, ...]]) -> None:
    for name in mapping:
        if name not in known:
            hint = near(name, known) or f"it has {listing(known)}"
            raise UsageError(f"--data: the model has no data or input {name!r}", hint)


def _nothing_for(
    missing: Sequence[Array], files: Sequence[Table | Npz], found: Gathered
) -> InputError:
    """The arrays without data, what there is to choose from, and how to choose."""
    first = missing[0]
    used = {name for names in found.taken.values() for name in names}
    offers = [n for file in files for n in file.names if n not in used]
    has = listing(offers) if offers else "nothing else"
    where = listing([file.path for file in files])
    names = ", ".join(f"{s.role} {s.name}" for s in missing)
    columns = offers[: 1 if len(first.dims) <= 1 else 2] or ["COLUMN"]
    return InputError(
        f"there is nothing for {names}: {where} has {has}",
        f"say which: --data {first.name}={','.join(columns)}",
    )
