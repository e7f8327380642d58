"""Sequences of unequal lengths in files: CSV with ids, npz with lengths, JSON lists, and back."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from emdsl import runtime as rt
from emdsl.cli.arrays import Gathered, gather, read_json, read_npz
from emdsl.cli.data import read_settings
from emdsl.cli.errors import InputError, UsageError
from emdsl.cli.output import write_arrays
from emdsl.cli.sample import _sizes
from emdsl.cli.sequences import in_table, with_ids
from emdsl.cli.table import read_table

sys.path.insert(0, str(Path(__file__).parents[1] / "runtime"))
import hand_ragged as hand

NEEDED = frozenset({"data", "input", "weight"})
LISTS = [np.array([1.0, 2, 3]), np.array([4.0]), np.array([5.0, 6])]


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def from_files(
    meta: rt.Meta, files: dict[str, str | bytes], **mapping: tuple[str, ...]
) -> Gathered:
    read = []
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        if name.endswith(".npz"):
            read.append(read_npz(data, name))
        else:
            read.append(read_json(data, name) if name.endswith(".json") else read_table(data, name))
    return gather(meta, read, mapping, NEEDED)


X = "1\n2\n3\n4\n5\n6\n"
CSV = "s,x\nb,1\nb,2\nb,3\na,4\nc,5\nc,6\n"
FORMS: dict[str, tuple[dict[str, str | bytes], dict[str, tuple[str, ...]]]] = {
    "ids": ({"d.csv": CSV}, {}),
    "ids by the size's name": ({"d.csv": CSV.replace("s,x", "S,x")}, {}),
    "the only column left": ({"d.csv": CSV.replace("s,x", "s,height")}, {}),
    "ids by another name": ({"d.csv": CSV.replace("s,x", "who,x")}, {"s": ("who",)}),
    "numbers": ({"d.csv": CSV.replace("b", "2").replace("a", "1").replace("c", "7")}, {}),
    "numbers and names": ({"d.csv": CSV.replace("a", "1")}, {}),
    "lengths in a file of their own": ({"d.csv": "x\n" + X, "n.csv": "T\n3\n1\n2\n"}, {}),
    "npz with lengths": ({"d.npz": npz(x=np.arange(1.0, 7), T=[3, 1, 2])}, {}),
    "npz with ids": ({"d.npz": npz(x=np.arange(1.0, 7), s=list("bbbacc"))}, {}),
    "json lists": ({"d.json": '{"x": [[1, 2, 3], [4], [5, 6]]}'}, {}),
    "json lengths": ({"d.json": '{"x": [1, 2, 3, 4, 5, 6], "T": [3, 1, 2]}'}, {}),
    "two files": ({"d.csv": "x\n" + X, "n.npz": npz(T=[3, 1, 2])}, {}),
}


@pytest.mark.parametrize("form", FORMS)
def test_files_hold_the_same_sequences(form: str) -> None:
    files, mapping = FORMS[form]
    bound = rt.bind(hand.HMM, from_files(hand.HMM, files, **mapping).arrays)
    assert bound.arrays["x"].tolist() == [1, 2, 3, 4, 5, 6]
    assert bound.layout.lengths["t"].tolist() == [3, 1, 2]


def test_without_ids_there_is_one_sequence() -> None:
    bound = rt.bind(hand.HMM, from_files(hand.HMM, {"d.csv": "x\n" + X}).arrays)
    assert bound.layout.lengths["t"].tolist() == [6]
    text = "x,y,u\n1,1,5\n2,2,5\n"
    bound = rt.bind(hand.SEVERAL, from_files(hand.SEVERAL, {"d.csv": text}).arrays)
    assert bound.arrays["u"].tolist() == [5]


def test_what_each_sequence_has_once() -> None:
    text = "s,x,y,u\n1,1,1,5\n2,2,2,6\n1,3,3,5\n"
    found = from_files(hand.SEVERAL, {"d.csv": text})
    assert found.taken == {"s": ("s",), "x": ("x",), "y": ("y",), "u": ("u",)}
    bound = rt.bind(hand.SEVERAL, found.arrays)
    assert bound.arrays["u"].tolist() == [5, 6]
    assert bound.arrays["x"].tolist() == [1, 3, 2]


def test_columns_of_a_vector() -> None:
    text = "s,a,b\n1,1,2\n1,3,4\n2,5,6\n"
    bound = rt.bind(hand.VECTOR, from_files(hand.VECTOR, {"d.csv": text}).arrays)
    assert bound.arrays["v"].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert bound.layout.sizes == {"S": 2, "D": 2}


def test_nested_ids() -> None:
    text = "d,s,words,y\np,0,1,7\np,0,2,7\np,1,3,8\nq,0,4,9\n"
    bound = rt.bind(hand.NESTED, from_files(hand.NESTED, {"d.csv": text}).arrays)
    assert {a: n.tolist() for a, n in bound.layout.lengths.items()} == {"s": [2, 1], "w": [2, 1, 1]}
    assert bound.arrays["y"].tolist() == [7, 8, 9]


def test_missing_ids_and_cells() -> None:
    text = "s,x\n1,1\n,2\n2,\n"
    with pytest.raises(rt.DataError, match=r"^s\[1\] is missing, expected an id$"):
        rt.bind(hand.HMM, from_files(hand.HMM, {"d.csv": text}).arrays)
    bound = rt.bind(hand.HMM, from_files(hand.HMM, {"d.csv": text.replace("\n,", "\n1,")}).arrays)
    assert bound.observed["x"] is not None
    assert bound.observed["x"].tolist() == [True, True, False]


def test_a_model_without_ragged_plates_takes_no_ids() -> None:
    found = from_files(hand.RECTANGULAR, {"d.npz": npz(x=np.ones((2, 3)), s=[1, 2], T=[3])})
    assert list(found.arrays) == ["x"]


WRONG = [
    ({"d.csv": CSV}, {"s": ("who",)}, "there is no one column who for s: d.csv has s, x"),
    ({"d.csv": CSV, "e.csv": "s\n1\n"}, {}, "s is in both d.csv and e.csv"),
    ({"d.json": "[1"}, {}, "d.json is not JSON: Expecting ',' delimiter: line 1 column 3 (char 2)"),
    ({"d.json": "[1]"}, {}, "d.json is not a JSON object of arrays by name"),
]


@pytest.mark.parametrize(("files", "mapping", "message"), WRONG)
def test_wrong_files(files: Any, mapping: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        from_files(hand.HMM, files, **mapping)
    assert str(caught.value).splitlines()[0] == message


def test_lengths_are_set() -> None:
    assert read_settings(["S=3", "T=20"], hand.HMM).sizes == {"S": 3, "T": 20}
    assert read_settings(["T=[3, 4]"], hand.HMM).sizes == {"T": [3, 4]}
    for value in ("true", "a", "2.5"):
        with pytest.raises(UsageError, match="expected one length, or a list of lengths"):
            read_settings([f"T={value}"], hand.HMM)


# --- answers -----------------------------------------------------------------------------------

SEVERAL = {"x": [a.astype(int) for a in LISTS], "y": [a.astype(int) for a in LISTS],
           "u": np.array([7, 8, 9])}  # fmt: skip


def test_lists_make_a_table_that_is_read_back() -> None:
    table = in_table(hand.SEVERAL, SEVERAL, npz=False)
    assert {name: values.tolist() for name, values in table.items()} == {
        "s": [0, 0, 0, 1, 2, 2],
        "x": [1, 2, 3, 4, 5, 6],
        "y": [1, 2, 3, 4, 5, 6],
        "u": [7, 7, 7, 8, 9, 9],
    }
    text = "\n".join(",".join(map(str, row)) for row in zip(*table.values(), strict=True))
    read = from_files(hand.SEVERAL, {"d.csv": f"{','.join(table)}\n{text}\n"})
    bound = rt.bind(hand.SEVERAL, read.arrays)
    again = rt.bind(hand.SEVERAL, SEVERAL)
    for name in ("x", "y", "u"):
        np.testing.assert_array_equal(bound.arrays[name], again.arrays[name])
    np.testing.assert_array_equal(bound.layout.lengths["t"], again.layout.lengths["t"])


def test_lists_make_an_npz_that_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    write_arrays(in_table(hand.SEVERAL, SEVERAL, npz=True), str(path))
    bound = rt.bind(hand.SEVERAL, from_files(hand.SEVERAL, {"d.npz": path.read_bytes()}).arrays)
    assert bound.layout.lengths["t"].tolist() == [3, 1, 2]
    assert bound.arrays["u"].tolist() == [7, 8, 9]


def test_rectangular_arrays_and_vectors(capfd: pytest.CaptureFixture[str]) -> None:
    v = np.arange(8).reshape(2, 2, 2)
    write_arrays(in_table(hand.VECTOR, {"v": v}, npz=False), None)
    rows = list(csv.reader(io.StringIO(capfd.readouterr().out)))
    assert rows == [["s", "v[0]", "v[1]"], ["0", "0", "1"], ["0", "2", "3"], ["1", "4", "5"],
                    ["1", "6", "7"]]  # fmt: skip
    table = in_table(hand.VECTOR, {"v": v}, npz=True)
    assert table["T"].tolist() == [2, 2]
    assert table["v"].shape == (4, 2)


def test_rows_stay_as_they_are() -> None:
    rows = {"x": np.arange(3), "x[]": np.ones((3, 2))}
    assert in_table(hand.HMM, rows, npz=False) == rows
    vectors = {"v": np.ones((3, 2))}
    assert in_table(hand.VECTOR, vectors, npz=False) == vectors
    probabilities = {"x": LISTS, "x[]": [np.ones((len(a), 2)) for a in LISTS]}
    table = in_table(hand.HMM, probabilities, npz=False)
    assert table["x[]"].shape == (6, 2)
    assert table["s"].tolist() == [0, 0, 0, 1, 2, 2]


def test_answers_have_the_ids_of_their_rows() -> None:
    data = {"s": np.array(["b", "a", "b"])}
    table = with_ids(hand.SEVERAL, {"x": np.arange(3), "u": np.array([7, 8])}, data)
    assert {n: v.tolist() for n, v in table.items()} == {
        "s": ["b", "a", "b"], "x": [0, 1, 2], "u": [7, 8, 7]}  # fmt: skip
    alone = with_ids(hand.SEVERAL, {"u": np.array([7, 8])}, {"S": np.array([4, 4, 2])})
    assert {n: v.tolist() for n, v in alone.items()} == {"s": [4, 2], "u": [7, 8]}
    assert with_ids(hand.SEVERAL, {"u": [7, 8]}, {}) == {"u": [7, 8]}


def test_nested_lists() -> None:
    words = [[[1, 2], [3]], [[4]]]
    arrays = {"words": [[np.array(w) for w in s] for s in words],
              "y": [np.array([7, 8]), np.array([9])]}  # fmt: skip
    table = in_table(hand.NESTED, arrays, npz=False)
    assert {name: values.tolist() for name, values in table.items()} == {
        "d": [0, 0, 0, 1], "s": [0, 0, 1, 0], "words": [1, 2, 3, 4], "y": [7, 7, 8, 9],
    }  # fmt: skip
    assert {n: v.tolist() for n, v in in_table(hand.NESTED, arrays, npz=True).items()} == {
        "S": [2, 1], "W": [2, 1, 1], "words": [1, 2, 3, 4], "y": [7, 8, 9],
    }  # fmt: skip
    found = from_files(hand.NESTED, {"d.json": json.dumps({"words": words, "y": [[7, 8], [9]]})})
    bound = rt.bind(hand.NESTED, found.arrays)
    assert bound.arrays["words"].tolist() == [1, 2, 3, 4]


# --- how much to sample ------------------------------------------------------------------------

INPUT = hand.chain(hand.X, replace(hand.Y, role="input"))
SIZES: list[tuple[rt.Meta, Any, Any, Any, Any]] = [
    (hand.HMM, None, {}, {"T": 20}, {"S": 9}),
    (hand.HMM, 3, {}, {"T": 20}, {"S": 3}),
    (hand.HMM, None, {}, {"T": [3, 4]}, {}),
    (INPUT, None, {"y": [[1, 2], [3]]}, {}, {}),
    (INPUT, None, {"y": [1, 2], "s": [1, 1]}, {}, {}),
    (INPUT, None, {"y": [1, 2], "S": [1, 1]}, {}, {}),
    (INPUT, None, {"y": [1, 2], "T": [1, 1]}, {}, {}),
]


@pytest.mark.parametrize(("meta", "n", "inputs", "chosen", "expected"), SIZES)
def test_sizes_of_samples(meta: rt.Meta, n: Any, inputs: Any, chosen: Any, expected: Any) -> None:
    result: Any = SimpleNamespace(program=SimpleNamespace(meta=meta), sizes={"S": 9})
    assert _sizes(n, result, inputs, chosen) == expected


def test_samples_need_lengths() -> None:
    result: Any = SimpleNamespace(program=SimpleNamespace(meta=hand.HMM), sizes={"S": 9})
    with pytest.raises(UsageError, match="HMM has sequences of T elements each: how many isn't"):
        _sizes(2, result, {}, {})
