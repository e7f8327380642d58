"""Columns and npz arrays → the model's arrays."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from emdsl.cli.arrays import Gathered, gather, read_npz
from emdsl.cli.errors import InputError
from emdsl.cli.table import read_table
from emdsl.runtime.frames import Table
from emdsl.runtime.gather import gather as runtime_gather
from emdsl.runtime.program import Array, Latent, Meta

X = Array("x", "data", ("N", "D"), plates=1, kind="real", missing="cell")
Y = Array("y", "data", ("N",), plates=1, kind="real", missing="cell")
U = Array("u", "input", ("N", "P"), plates=1, kind="real")
W = Array("freq", "weight", ("N",), plates=1, kind="positive")
M = Array("m", "data", ("N", "D", "E"), plates=1, kind="real")
Z = Array("z", "data", ("N",), plates=1, kind="category", values="K", missing="sum")
C = Array("rate", "const", ("D",), plates=0, kind="real")
NEEDED = frozenset({"data", "input", "weight"})


def meta(*arrays: Array) -> Meta:
    latents = (Latent("z", ("N",), "K", data="z"),) if Z in arrays else ()
    return Meta("M", "", "", "", "", (), (), arrays, latents, "log likelihood")


def gathered(text: str, *arrays: Array, **mapping: tuple[str, ...]) -> Gathered:
    return gather(meta(*arrays), [read_table(text.encode(), "d.csv")], mapping, NEEDED)


def plain(found: Any) -> Any:
    if isinstance(found, Table):
        columns = {name: np.nan_to_num(c, nan=-1).tolist() for name, c in found.columns.items()}
        return list(columns.items())
    return found.tolist()


FOUND = {
    "by name": ("x,y\n1,2\n3,4\n", (X, Y), {}, {"x": [("x", [1, 3])], "y": [("y", [2, 4])]}),
    "by indices in any order": (
        "x[1],y,x[0]\n1,2,3\n",
        (X, Y),
        {},
        {"x": [("x[0]", [3]), ("x[1]", [1])], "y": [("y", [2])]},
    ),
    "by two indices": (
        'm[0],"m[1, 0]","m[0, 1]","m[0,0]","m[1,1]"\n9,3,2,1,4\n',
        (M,),
        {"m": ("m[0,0]", "m[1,1]", "m[0, 1]", "m[1, 0]")},
        {"m": [[[1, 2], [3, 4]]]},
    ),
    "mapped, in the order asked for": (
        "a,b,c\n1,2,3\n",
        (X, Y),
        {"x": ("c", "a"), "y": ("b",)},
        {"x": [("c", [3]), ("a", [1])], "y": [("b", [2])]},
    ),
    "all the numbers": ("a,name,b\n1,u,2\n", (X,), {}, {"x": [("a", [1]), ("b", [2])]}),
    "all the numbers but the weights": (
        "deaths,freq\n0,109\n1,65\n",
        (Y, W),
        {},
        {"freq": [("freq", [109, 65])], "y": [("deaths", [0, 1])]},
    ),
    "all that is left": (
        "a,b,loss\n1,2,3\n",
        (X, Y),
        {"y": ("loss",)},
        {"y": [("loss", [3])], "x": [("a", [1]), ("b", [2])]},
    ),
    "labels where there are some": (
        "a,z\n1,0\n2,\n",
        (X, Z),
        {},
        {"z": [("z", [0, -1])], "x": [("a", [1, 2])]},
    ),
    "no labels": ("a\n1\n", (X, Z), {}, {"x": [("a", [1])]}),
    "a constant if it is there": ("a\n1\n", (Y, C), {}, {"y": [("a", [1])]}),
}


@pytest.mark.parametrize("case", FOUND)
def test_what_an_array_takes(case: str) -> None:
    text, arrays, mapping, expected = FOUND[case]
    found = gathered(text, *arrays, **mapping)  # type: ignore[arg-type]
    assert {name: plain(array) for name, array in found.arrays.items()} == expected


WRONG = {
    "one of several": (
        "a,b\n1,2\n",
        (Y,),
        {},
        "y is one column, but d.csv offers 2: a, b",
        "choose one: --data y=a",
    ),
    "two without": (
        "a,b\n1,2\n",
        (X, Y),
        {},
        "there is nothing for data x, data y: d.csv has a, b",
        "say which: --data x=a,b",
    ),
    "an input without": (
        "y,b\n1,2\n",
        (Y, U),
        {},
        "there is nothing for input u: d.csv has b",
        "say which: --data u=b",
    ),
    "data and an input without": (
        "a,b\n1,2\n",
        (Y, U),
        {},
        "there is nothing for data y, input u: d.csv has a, b",
        "say which: --data y=a",
    ),
    "nothing but text": (
        "a\nu\n",
        (X,),
        {},
        "there is nothing for data x: d.csv has a",
        "say which: --data x=a",
    ),
    "a gap in the indices": (
        "x[0],x[2]\n1,2\n",
        (X,),
        {},
        "d.csv: x has columns x[0], x[2] but no x[1]",
        "indices start at 0",
    ),
    "a mapped column that isn't there": (
        "a,b\n1,2\n",
        (X,),
        {"x": ("a", "bb")},
        "d.csv has no column 'bb'; it has a, b",
        "did you mean b?",
    ),
    "none of the mapped columns": (
        "a,b\n1,2\n",
        (X,),
        {"x": ("c",)},
        "there is no c for x: d.csv has a, b",
        "",
    ),
    "a name the model hasn't": (
        "a\n1\n",
        (X,),
        {"labels": ("a",)},
        "--data: the model has no data or input 'labels'",
        "it has x",
    ),
    "a matrix from unnamed columns": (
        "a,b\n1,2\n",
        (M,),
        {},
        "m has 3 dimensions: which column stands where isn't known",
        "name the columns m[0,0], m[0,1], ..., or use an npz file",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong(case: str) -> None:
    text, arrays, mapping, message, hint = WRONG[case]
    with pytest.raises(InputError) as caught:
        gathered(text, *arrays, **mapping)  # type: ignore[arg-type]
    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_text_columns_left_out_are_named() -> None:
    assert gathered(",a,b\n1,u,2\n2,v,3\n", Y).text == ("(row names)", "a")


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def test_npz_arrays_by_name_by_mapping_and_the_only_one() -> None:
    x, w = np.ones((3, 2)), np.arange(3)
    file = read_npz(npz(x=x, freq=w), "d.npz")
    assert gather(meta(X, W), [file], {}, NEEDED).arrays["x"].shape == (3, 2)
    assert gather(meta(Y), [file], {"y": ("freq",)}, NEEDED).arrays["y"].tolist() == [0, 1, 2]
    only = read_npz(npz(arr_0=x, freq=w), "d.npz")
    assert gather(meta(X, W), [only], {}, NEEDED).arrays["x"].shape == (3, 2)


def test_arrays_in_two_files() -> None:
    first = read_table(b"y\n1\n", "a.csv")
    second = read_table(b"x[0],x[1]\n1,2\n", "b.csv")
    found = gather(meta(X, Y), [first, second], {}, NEEDED)
    assert sorted(found.arrays) == ["x", "y"]
    with pytest.raises(InputError, match=r"y is in both a\.csv and c\.csv"):
        gather(meta(Y), [first, read_table(b"y\n1\n", "c.csv")], {}, NEEDED)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x\n1\n", "d.npz is not an npz file of arrays"),
        (b"", "d.npz is not an npz file of arrays"),
        (npz(x=np.ones(3))[:60], "d.npz is not an npz file of arrays"),
        (npz(x=np.array([{}, None])), "d.npz holds Python objects, which aren't read"),
    ],
    ids=range(4),
)
def test_what_is_not_npz(data: bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_npz(data, "d.npz")
    assert str(caught.value) == message


def test_npz_arrays_of_text() -> None:
    with pytest.raises(InputError, match="array 'x' doesn't hold numbers"):
        gather(meta(X), [read_npz(npz(x=np.array(["a"])), "d.npz")], {}, NEEDED)


def test_columns_that_are_asked_for_are_all_taken() -> None:
    """Also where one of them has the array's own name, in the order asked for."""
    found = gathered("y,x\n1,2\n3,4\n", X, x=("x", "y")).arrays["x"]
    assert found.chosen
    cells = runtime_gather(meta(X), {"x": found}, frozenset(), [])
    np.testing.assert_array_equal(cells["x"].values, [[2.0, 1.0], [4.0, 3.0]])


def test_a_frame_for_a_vector_with_a_column_of_its_name_is_ambiguous() -> None:
    problems: list[str] = []
    frame = Table({"x": [1.0, 2.0], "y": [3.0, 4.0]})
    runtime_gather(meta(X), {"x": frame}, frozenset(), problems)
    assert problems == [
        (
            "x is a vector, and its frame has a column 'x' among others ('x', 'y'), expected to be "
            "told whether that column alone or all of them: pass frame[['x']], or frame.to_numpy() "
            "for all"
        )
    ]
