"""The options that say where data comes from, shared by fit and predict."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emdsl.cli.errors import InputError, UsageError, near
from emdsl.cli.files import once_stdin, read_bytes
from emdsl.cli.terminal import note

if TYPE_CHECKING:
    from emdsl.cli.arrays import Gathered
    from emdsl.runtime.program import Meta


def add_data(parser: argparse.ArgumentParser, *, needed: bool = True) -> None:
    """The data files and how their columns become the model's arrays."""
    parser.add_argument(
        "data",
        nargs="+" if needed else "*",
        metavar="DATA",
        help=f"CSV, .npz or .json files{'' if needed else ' with the inputs'} (-: CSV from stdin)",
    )
    parser.add_argument(
        "--data",
        dest="columns",
        metavar="NAME=COLUMN,...",
        action="append",
        default=[],
        help="the columns (or npz array) that NAME takes; by default those of its own name, "
        "and for the only array left, all numeric columns left",
    )
    parser.add_argument(
        "--delimiter",
        default=",",
        metavar="CHAR",
        help="what separates columns, or tab",
    )
    parser.add_argument(
        "--no-header", action="store_true", help="the columns have no names: they are 0, 1, ..."
    )


def add_set(parser: argparse.ArgumentParser) -> None:
    """Sizes and constants."""
    parser.add_argument(
        "--set",
        dest="settings",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a size of the model's header (K=3), or a constant it leaves open (rate=[1, 2.5])",
    )


def gather_data(
    args: argparse.Namespace,
    model: str,
    meta: Meta,
    needed: frozenset[str] = frozenset({"data", "input", "weight"}),
) -> Gathered:
    """The model's arrays out of the files that the arguments name; see `arrays.gather`."""
    from emdsl.cli.arrays import Npz, gather, read_json, read_npz
    from emdsl.cli.table import Table, read_table

    once_stdin(model, *args.data)
    mapping = _mapping(args.columns)
    delimiter = _delimiter(args.delimiter)
    files: list[Table | Npz] = []
    for name in args.data:
        content = read_bytes(name)
        shown = "<stdin>" if name == "-" else name
        if name.endswith(".npz"):
            files.append(read_npz(content, shown))
        elif name.endswith(".json"):
            files.append(read_json(content, shown))
        else:
            files.append(read_table(content, shown, delimiter=delimiter, header=not args.no_header))
    gathered = gather(meta, files, mapping, needed)
    if gathered.text and not getattr(args, "quiet", False):
        note(f"left out the columns of text: {', '.join(gathered.text)}")
    return gathered


@dataclass(frozen=True)
class Settings:
    """What `--set` gave: sizes, and values for constants."""

    sizes: dict[str, Any] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)


def read_settings(words: Sequence[str], meta: Meta) -> Settings:
    """Each `NAME=VALUE` as a size or as a constant that the model leaves open."""
    sizes = [s.name for s in meta.sizes]
    ragged = {s.name for s in meta.sizes if s.role == "ragged"}
    constants = [
        a.name for a in meta.arrays if a.role == "const" and a.name not in dict(meta.constants)
    ]
    found = Settings()
    for word in words:
        name, value = _pair(word, "--set")
        if name in found.sizes or name in found.constants:
            raise UsageError(f"--set {name} is given twice")
        if name in ragged:
            found.sizes[name] = _lengths(name, value)
        elif name in sizes:
            found.sizes[name] = _size(name, value)
        elif name in constants:
            found.constants[name] = _constant(name, value)
        else:
            known = [*sizes, *constants]
            hint = near(name, known) or f"it has {', '.join(known)}"
            raise UsageError(f"--set {name}: the model has no size or constant {name}", hint)
    return found


def read_fixed(words: Sequence[str]) -> dict[str, Any]:
    """Each `NAME=VALUE` of `--fix` as a parameter's value to hold; null where an entry is free."""
    found: dict[str, Any] = {}
    for word in words:
        name, value = _pair(word, "--fix")
        if name in found:
            raise UsageError(f"--fix {name} is given twice")
        try:
            found[name] = json.loads(value)
        except (ValueError, RecursionError):
            raise UsageError(
                f"--fix {word}: expected a number or an array of numbers",
                f"for example --fix {name}=0, or --fix '{name}=[0, null]' with null where an entry "
                "is free",
            ) from None
    return found


def with_constants(
    meta: Meta, arrays: Mapping[str, Any], constants: Mapping[str, Any]
) -> dict[str, Any]:
    """The arrays of the files and the constants that `--set` gave; every open one must be there."""
    given = {**arrays, **constants}
    fixed = dict(meta.constants)
    for array in meta.arrays:
        if array.role == "const" and array.name not in {*given, *fixed}:
            value = "[1, 2.5]" if array.dims else "2.5"
            raise InputError(
                f"the model leaves the constant {array.name} open",
                f"give it a value, for example --set '{array.name}={value}'",
            )
    return given


def _size(name: str, value: str) -> int:
    try:
        size = int(value)
    except ValueError:
        raise UsageError(f"--set {name}={value}: a size is a whole number") from None
    if size < 1:
        raise UsageError(f"--set {name}={value}: a size is at least 1")
    return size


def _lengths(name: str, value: str) -> Any:
    """One length for all, or a list of them (of lists, for a size inside a ragged plate)."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, bool) or not isinstance(found, (int, list)):
        raise UsageError(
            f"--set {name}={value}: expected one length, or a list of lengths",
            f"for example --set {name}=20, or --set '{name}=[18, 25]'",
        )
    return found


def _constant(name: str, value: str) -> Any:
    import numpy as np

    try:
        array = np.array(json.loads(value))
    except (ValueError, RecursionError):
        array = np.array(None)
    if array.dtype.kind not in "biuf":
        raise UsageError(
            f"--set {name}={value}: expected a number or an array of numbers",
            f"for example --set {name}=2.5, or --set '{name}=[1, 2.5]'",
        )
    return array


def _mapping(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for word in words:
        name, value = _pair(word, "--data")
        if name in found:
            raise UsageError(f"--data {name} is given twice")
        try:
            (columns,) = csv.reader([value], skipinitialspace=True, strict=True)
        except (csv.Error, ValueError):
            raise UsageError(f"--data {word}: the columns can't be read") from None
        found[name] = tuple(column.strip() for column in columns)
        if len(set(found[name])) < len(columns):
            raise UsageError(f"--data {word}: a column is named twice")
    return found


def _pair(word: str, option: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not (name.strip() and equals and value.strip()):
        raise UsageError(f"{option} {word}: expected NAME=VALUE")
    return name.strip(), value.strip()


def _delimiter(word: str) -> str:
    char = {"tab": "\t", "\\t": "\t"}.get(word, word)
    if len(char) != 1 or char in '"\r\n':
        raise UsageError(f"--delimiter {word}: expected one character, or tab")
    return char
