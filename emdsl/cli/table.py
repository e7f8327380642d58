"""CSV files: named columns of numbers, with missing cells, or an error that says where.

Knows no model. The first line names the columns; a cell that is empty or NA, NaN, N/A, null or
None (in any case) is missing.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.cli.errors import InputError, near

MISSING = frozenset({"", "na", "nan", "n/a", "null", "none"})
_TRUTH = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Table:
    """The cells of a file as text. `lines` holds the line number of each row."""

    path: str
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...] = field(repr=False)
    lines: tuple[int, ...] = field(repr=False)

    @cached_property
    def _columns(self) -> tuple[tuple[str, ...], ...]:
        return tuple(zip(*self.rows, strict=True))

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column of numbers, NaN where missing."""
        cells = self._cells(name)
        try:
            values = np.array(list(map(float, cells)))
            plain = not any("_" in cell for cell in cells)  # float("1_0") is 10
        except ValueError:
            plain = False
        if not plain:
            values = np.array([self._number(name, row, cell) for row, cell in enumerate(cells)])
        for row in np.flatnonzero(np.isinf(values)):
            raise self._wrong(name, int(row), f"{cells[row].strip()!r} is infinite", "")
        return values

    def ids(self, name: str) -> NDArray[Any]:
        """A column of ids: numbers where all are, else strings; None or NaN where missing."""
        if not self.is_text(name):
            try:
                return self.numbers(name)
            except InputError:  # some are numbers, some aren't: all are names then
                pass
        cells = [cell.strip() for cell in self._cells(name)]
        return np.array([None if c.lower() in MISSING else c for c in cells], dtype=object)

    def is_text(self, name: str) -> bool:
        """Whether no cell of a column is a number: it holds words and was not meant as data.

        A column of missing cells only isn't text; one that mixes numbers and words is an error
        when it is read, since a slip in a number looks just like that.
        """
        present = [c for cell in self._cells(name) if (c := cell.strip().lower()) not in MISSING]
        return bool(present) and not any(_is_number(c) for c in present)

    def _cells(self, name: str) -> tuple[str, ...]:
        if name not in self.names:
            raise InputError(
                f"{self.path} has no column {name!r}; it has {listing(self.names)}",
                near(name, self.names),
            )
        return self._columns[self.names.index(name)]

    def _number(self, name: str, row: int, cell: str) -> float:
        text = cell.strip()
        if text.lower() in MISSING:
            return math.nan
        if text.lower() in _TRUTH:
            return _TRUTH[text.lower()]
        if _is_number(text):
            return float(text)
        hint = "an empty cell or NA means a missing value"
        if self.is_text(name):
            hint = "this column holds words: code categories as whole numbers from 0"
        if text.count(",") == 1 and _is_number(text.replace(",", ".")):
            hint = f"write a decimal point: {text.replace(',', '.')}"
            if len(text.partition(",")[2]) == 3:  # or was it thousands?
                hint += f"; or no separator: {text.replace(',', '')}"
        raise self._wrong(name, row, f"{_short(text)} is not a number", hint)

    def _wrong(self, name: str, row: int, what: str, hint: str) -> InputError:
        return InputError(f"{self.path}:{self.lines[row]}: column {name!r}: {what}", hint)


def read_table(data: bytes, path: str, *, delimiter: str = ",", header: bool = True) -> Table:
    """The table in the bytes of a CSV file."""
    records = _records(_text(data, path), path, delimiter)
    line, first = next(records, (0, []))
    if not first:
        raise InputError(f"{path} is empty", "the first line names the columns")
    if header:
        names = _names(first, path, line, delimiter)
    else:
        names = tuple(str(i) for i in range(len(first)))
        records = _chain(line, first, records)
    rows, lines = [], []
    for number, cells in records:
        if len(cells) != len(names):
            raise _ragged(path, number, cells, names, header)
        rows.append(tuple(cells))
        lines.append(number)
    if not rows:
        raise InputError(f"{path} has column names but no rows")
    return Table(path, names, tuple(rows), tuple(lines))


def listing(names: Sequence[str], most: int = 12) -> str:
    """`a, b, c`, cut short where there are very many."""
    shown = ", ".join(names[:most])
    return f"{shown}, ... ({len(names)} in all)" if len(names) > most else shown


def _text(data: bytes, path: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path} is UTF-16 text", f"convert it: iconv -f utf-16 -t utf-8 {path}")
    if data.startswith(b"PK\x03\x04"):
        raise InputError(f"{path} is a zip archive, not CSV text", "an .npz file ends in .npz")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        byte = data[error.start]
        raise InputError(
            f"{path}:{line}: byte 0x{byte:02x} is not UTF-8 text",
            f"convert it, for example: iconv -f latin1 -t utf-8 {path}",
        ) from None


def _records(text: str, path: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each record that isn't blank, with the number of the line it starts on."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    start = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise InputError(f"{path}:{start}: {error}") from None
        if cells is None:
            return
        if cells:
            yield start, cells
        start = reader.line_num + 1


def _names(cells: list[str], path: str, line: int, delimiter: str) -> tuple[str, ...]:
    names = tuple(cell.strip() for cell in cells)
    present = [name for name in names if name]
    if present and all(_is_number(name) for name in present):
        raise InputError(
            f"{path}:{line}: numbers where the names of the columns are expected",
            "name the columns on the first line, or say --no-header",
        )
    for i, name in enumerate(names):
        if name and name in names[:i]:
            first = names.index(name) + 1
            raise InputError(f"{path}:{line}: columns {first} and {i + 1} are both named {name!r}")
    other = next((d for d in ";\t|" if d != delimiter and d in cells[0]), None)
    if len(names) == 1 and other is not None:
        word = "tab" if other == "\t" else repr(other)
        raise InputError(
            f"{path}:{line}: one column, whose name holds {other!r}",
            f"if that separates columns, say --delimiter {word}",
        )
    return names


def _ragged(
    path: str, line: int, cells: list[str], names: tuple[str, ...], header: bool
) -> InputError:
    def cells_of(number: int) -> str:
        return f"{number} cell{'' if number == 1 else 's'}"

    source = "the header" if header else "the first row"
    return InputError(f"{path}:{line}: {cells_of(len(cells))}, but {source} has {len(names)}")


def _chain(
    line: int, first: list[str], rest: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    yield line, first
    yield from rest


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text.lower() in _TRUTH
    return "_" not in text


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
