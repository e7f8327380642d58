"""CSV text → columns, or an error that says where."""

from __future__ import annotations

import numpy as np
import pytest

from emdsl.cli.errors import InputError
from emdsl.cli.table import read_table


def numbers(text: str, name: str = "x", **options: object) -> list[float]:
    return read_table(text.encode(), "d.csv", **options).numbers(name).tolist()  # type: ignore[arg-type]


def test_numbers_as_people_write_them() -> None:
    assert numbers("x,y\n1,a\n -2.5 ,b\n+1e3,c\n.5,d\n") == [1.0, -2.5, 1000.0, 0.5]


@pytest.mark.parametrize("cell", ["", " ", "NA", "NaN", "nan", "N/A", "null", "NULL", "None"])
def test_missing_cells(cell: str) -> None:
    values = numbers(f"x,y\n1,0\n{cell},0\n3,0\n")
    assert np.isnan(values[1])
    assert [values[0], values[2]] == [1.0, 3.0]


@pytest.mark.parametrize(
    "text",
    [
        "x,y\r\n1,2\r\n3,4\r\n",
        "x,y\r1,2\r3,4\r",
        "\ufeffx,y\n1,2\n3,4",
        'x,"y"\n"1",2\n\n3,4\n\n',
        "y , x\n2,1\n4,3\n",
    ],
)
def test_the_same_table_however_it_is_written(text: str) -> None:
    assert numbers(text) == [1.0, 3.0]


def test_truth_values_are_0_and_1() -> None:
    assert numbers("x\nTRUE\nfalse\n1\n") == [1.0, 0.0, 1.0]


def test_other_delimiters_and_no_header() -> None:
    assert numbers("x;y\n1;2\n", delimiter=";") == [1.0]
    assert numbers("1\t2\n3\t4\n", "1", delimiter="\t", header=False) == [2.0, 4.0]


BAD = {
    "": ("d.csv is empty", "the first line names the columns"),
    "\n\n": ("d.csv is empty", "the first line names the columns"),
    "x,y\n": ("d.csv has column names but no rows", ""),
    "x,y\n1,2\n\n3\n": ("d.csv:4: 1 cell, but the header has 2", ""),
    "x,y\n1,2,3\n": ("d.csv:2: 3 cells, but the header has 2", ""),
    "x,y\n1,2\nabc,3\n": (
        "d.csv:3: column 'x': 'abc' is not a number",
        "an empty cell or NA means a missing value",
    ),
    "x,y\nann,2\nbob,3\n": (
        "d.csv:2: column 'x': 'ann' is not a number",
        "this column holds words: code categories as whole numbers from 0",
    ),
    'x,y\n1,"two\nlines"\n1_000,3\n': (
        "d.csv:4: column 'x': '1_000' is not a number",
        "an empty cell or NA means a missing value",
    ),
    'x,y\n"1,5",2\n': ("d.csv:2: column 'x': '1,5' is not a number", "write a decimal point: 1.5"),
    'x,y\n"1,234",2\n': (
        "d.csv:2: column 'x': '1,234' is not a number",
        "write a decimal point: 1.234; or no separator: 1234",
    ),
    "x,y\n1,2\ninf,2\n": ("d.csv:3: column 'x': 'inf' is infinite", ""),
    "x,y\n1,2\n1e999,2\n": ("d.csv:3: column 'x': '1e999' is infinite", ""),
    "x,x\n1,2\n": ("d.csv:1: columns 1 and 2 are both named 'x'", ""),
    "1,2\n3,4\n": (
        "d.csv:1: numbers where the names of the columns are expected",
        "name the columns on the first line, or say --no-header",
    ),
    "y,z\n1,2\n": ("d.csv has no column 'x'; it has y, z", ""),
    "x;y\n1;2\n": (
        "d.csv:1: one column, whose name holds ';'",
        "if that separates columns, say --delimiter ';'",
    ),
    'x\n"1\n': ("d.csv:2: unexpected end of data", ""),
}


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_what_is_wrong_and_where(text: str) -> None:
    with pytest.raises(InputError) as caught:
        numbers(text)
    assert (str(caught.value), caught.value.hint) == BAD[text]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x\n1\n\xe9\n", "d.csv:3: byte 0xe9 is not UTF-8 text"),
        ("x\n1\n".encode("utf-16"), "d.csv is UTF-16 text"),
        (b"PK\x03\x04...", "d.csv is a zip archive, not CSV text"),
        (b"x\n1\n\x002\n", "d.csv:3: column 'x': '\\x002' is not a number"),
    ],
)
def test_what_is_not_csv_text(data: bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_table(data, "d.csv").numbers("x")
    assert str(caught.value) == message


def test_text_columns_are_told_from_slips() -> None:
    table = read_table(b"a,b,c,d\nu,1,NA,2\nv,2,,x\n", "d.csv")
    assert [table.is_text(name) for name in "abcd"] == [True, False, False, False]
