"""Ragged data: every form of the same data is bound alike; the exact words for wrong ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import hand_ragged as hand
import numpy as np
import pandas as pd
import polars as pl
import pytest

import emdsl
from emdsl import runtime as rt
from emdsl.runtime.given import with_lengths
from emdsl.runtime.levels import limits, links
from emdsl.runtime.ragged import shaped

NAN = np.nan
R = np.arange(1.0, 7)
LISTS = [np.array([1.0, 2, 3]), np.array([4.0]), np.array([5.0, 6])]
ROOT = [[-1, 0, 1], [-1], [-1, 0]]
WORDS = [[[1.0, 2], [3]], [[4.0]], [[5.0], [6.0], [7.0, 8]]]
Y = [[1, 2], [3], [4, 5, 6]]
ROWS = np.arange(1.0, 9)


def bound_text(bound: rt.Bound) -> dict[str, Any]:
    """A Bound but for how it came."""
    lengths = {axis: n.tolist() for axis, n in bound.layout.lengths.items()}
    arrays = {name: a.tolist() for name, a in bound.arrays.items()}
    seen = {name: None if m is None else m.tolist() for name, m in bound.observed.items()}
    return {
        "sizes": dict(bound.layout.sizes),
        "lengths": lengths,
        "complete": dict(bound.layout.complete),
        "arrays": arrays,
        "observed": seen,
    }


def wrong(meta: rt.Meta, data: Any, sizes: Any = None, purpose: Any = "fit") -> list[str]:
    with pytest.raises(rt.DataError) as caught:
        rt.bind(meta, data, sizes, purpose=purpose)
    return list(caught.value.problems)


# --- the same data in every form ---------------------------------------------------------------

ALIKE: dict[str, tuple[Any, Any, str]] = {
    "list of arrays": ({"x": LISTS}, None, "list"),
    "bare list": (LISTS, None, "list"),
    "list of lists": ({"x": [a.tolist() for a in LISTS]}, None, "list"),
    "tuple of lists": (tuple(a.tolist() for a in LISTS), None, "list"),
    "object array": (np.array(LISTS, dtype=object), None, "list"),
    "list of Series": ([pd.Series(a, index=a) for a in LISTS], None, "list"),
    "list of polars": ([pl.Series(a) for a in LISTS], None, "list"),
    "list of frames": ([pd.DataFrame({"a": a}) for a in LISTS], None, "list"),
    "list of columns": ([a[:, None] for a in LISTS], None, "list"),
    "Series of lists": (pd.Series([a.tolist() for a in LISTS]), None, "list"),
    "polars of lists": (pl.Series([a.tolist() for a in LISTS]), None, "list"),
    "lengths": ({"x": R, "T": [3, 1, 2]}, None, "rows"),
    "float lengths": ({"x": R[:, None], "T": np.array([3.0, 1, 2])}, None, "rows"),
    "lengths as a size": ({"x": R}, {"T": [3, 1, 2]}, "rows"),
    "lengths=": (with_lengths(hand.HMM, {"x": R}, [3, 1, 2]), None, "rows"),
    "lengths= by size": (with_lengths(hand.HMM, R, {"T": [3, 1, 2]}), None, "rows"),
    "lengths= of a frame": (
        with_lengths(hand.HMM, pd.DataFrame({"b": R}), [3, 1, 2]), None, "rows"),
    "ids": ({"x": R, "s": [7, 7, 7, 3, 5, 5]}, None, "rows"),
    "ids by the size's name": ({"x": R, "S": [7, 7, 7, 3, 5, 5]}, None, "rows"),
    "strings": ({"x": R, "s": list("bbbacc")}, None, "rows"),
    "floats": ({"x": R, "s": np.array([0.0, 0, 0, 9, 2, 2])}, None, "rows"),
    "mixed ids": ({"x": R, "s": [1, 1, 1, "1", 2.0, 2]}, None, "rows"),
    "dates": ({"x": R, "s": np.array([3, 3, 3, 1, 2, 2], dtype="M8[D]")}, None, "rows"),
    "categorical": ({"x": R, "s": pd.Categorical(list("bbbacc"))}, None, "rows"),
    "frame": (pd.DataFrame({"s": list("bbbacc"), "x": R}), None, "rows"),
    "frame, unnamed column": (pl.DataFrame({"S": list("bbbacc"), "what": R}), None, "rows"),
    "ids anywhere": (
        {"x": [1, 4.0, 2, 5, 3, 6], "s": ["b", "a", "b", "c", "b", "c"]}, None, "rows"),
    "places": ({"x": R, "s": [7, 7, 7, 3, 5, 5], "t": [0, 1, 5, 0, -1, 2]}, None, "rows"),
    "named places": ({"x": R, "s": [7, 7, 7, 3, 5, 5], "t": list("cbabca")}, None, "rows"),
}  # fmt: skip


@pytest.mark.parametrize("form", ALIKE)
def test_every_form_is_bound_alike(form: str) -> None:
    data, sizes, came = ALIKE[form]
    bound = rt.bind(hand.HMM, data, sizes)
    expected = rt.bind(hand.HMM, {"x": LISTS})
    assert bound.form == came
    assert bound.plates == hand.HMM.plates
    if form == "ids anywhere":
        assert bound.order is not None
        assert bound.order.tolist() == [0, 2, 4, 1, 3, 5]
    else:
        assert bound.order is None
    assert bound_text(bound) == bound_text(expected)
    assert bound.arrays["x"].tolist() == R.tolist()
    assert bound.layout.sizes == {"S": 3}
    assert bound.layout.lengths["t"].dtype == np.int64
    assert bound.layout.lengths["t"].tolist() == [3, 1, 2]


def test_one_sequence_and_rectangular_arrays() -> None:
    one = rt.bind(hand.HMM, R)
    assert (one.form, one.layout.sizes, one.layout.lengths["t"].tolist()) == ("rows", {"S": 1}, [6])
    even = rt.bind(hand.HMM, R.reshape(2, 3))
    assert even.form == "array"
    assert bound_text(even) == bound_text(rt.bind(hand.HMM, R, {"T": 3}))
    assert bound_text(even) == bound_text(rt.bind(hand.HMM, R.reshape(2, 3).tolist()))
    assert even.layout.lengths["t"].tolist() == [3, 3]
    single = rt.bind(hand.HMM, [[1.0]])
    assert (single.layout.sizes, single.layout.lengths["t"].tolist()) == ({"S": 1}, [1])


def test_vectors() -> None:
    rows = np.arange(6.0).reshape(3, 2)
    forms: list[Any] = [
        [rows[:2], rows[2:]],
        [rows[:2].tolist(), rows[2:].tolist()],
        [pd.DataFrame(rows[:2], columns=["a", "b"]), pl.DataFrame(rows[2:], schema=["a", "b"])],
        {"v": rows, "T": [2, 1]},
        {"v": rows.tolist(), "s": ["u", "u", "v"]},
        pd.DataFrame({"v[1]": rows[:, 1], "v[0]": rows[:, 0], "s": [1, 1, 0]}),
        pd.DataFrame({"s": [1, 1, 0], "p": rows[:, 0], "q": rows[:, 1]}),
    ]
    expected = bound_text(rt.bind(hand.VECTOR, forms[0]))
    assert expected["sizes"] == {"S": 2, "D": 2}
    for form in forms[1:]:
        assert bound_text(rt.bind(hand.VECTOR, form)) == expected
    even = rt.bind(hand.VECTOR, np.ones((2, 3, 4)))
    assert even.layout.sizes == {"S": 2, "D": 4}
    assert even.arrays["v"].shape == (6, 4)


def test_missing_cells() -> None:
    x = np.ma.masked_array([5.0, 6], mask=[True, False])
    bound = rt.bind(hand.HMM, [[1, None, 3], np.array([4.0]), x])
    seen = bound.observed["x"]
    assert seen is not None
    assert seen.tolist() == [True, False, True, True, False, True]
    assert np.isfinite(bound.arrays["x"]).all()
    rows = np.ma.masked_invalid([1, NAN, 3, 4, NAN, 6])
    frame = pd.DataFrame({"s": list("aaabcc"), "x": [1, NAN, 3, 4, NAN, 6]})
    for same in ({"x": rows, "T": [3, 1, 2]}, frame):
        assert bound_text(rt.bind(hand.HMM, same)) == bound_text(bound)
    gone = rt.bind(hand.VECTOR, [np.array([[1.0, 2], [NAN, NAN]]), np.ones((1, 2))])
    assert gone.observed["v"] is not None
    assert gone.observed["v"].tolist() == [True, False, True]


def test_a_tidy_frame_has_outer_arrays_once() -> None:
    frame = pd.DataFrame({
        "s": ["b", "a", "b"], "x": [1, 2, 3.0], "y": [1, 2, 3], "u": [5, 6, 5.0]})  # fmt: skip
    bound = rt.bind(hand.SEVERAL, frame)
    lists = rt.bind(hand.SEVERAL, {"x": [[1, 3], [2]], "y": [[1, 3], [2]], "u": [5, 6]})
    assert bound_text(bound) == bound_text(lists)
    columns = {name: frame[name] for name in frame}
    assert bound_text(rt.bind(hand.SEVERAL, columns)) == bound_text(lists)
    assert bound_text(rt.bind(hand.SEVERAL, {**columns, "u": [5, 6]})) == bound_text(lists)
    both = with_lengths(hand.SEVERAL, frame.iloc[[0, 2, 1]].drop(columns="s"), [2, 1])
    assert bound_text(rt.bind(hand.SEVERAL, both)) == bound_text(lists)
    alone = rt.bind(hand.SEVERAL, frame.iloc[[0, 2]].drop(columns="s"))
    assert alone.layout.sizes == {"S": 1}
    assert alone.arrays["u"].tolist() == [5]


def test_missing_values_of_outer_arrays_agree() -> None:
    meta = hand.chain(hand.X, replace(hand.U, role="data", missing="cell"))
    frame = pd.DataFrame({"s": [1, 1, 2], "x": [1, 2, 3.0], "u": [NAN, NAN, 2.0]})
    bound = rt.bind(meta, frame)
    assert bound.observed["u"] is not None
    assert bound.observed["u"].tolist() == [False, True]


NESTED: list[tuple[Any, int]] = [
    ({"words": WORDS, "y": Y}, 3),
    ({"words": ROWS, "y": np.arange(1, 7), "W": [2, 1, 1, 1, 1, 2], "S": [2, 1, 3]}, 3),
    ({"words": ROWS, "y": np.arange(1, 7), "W": [[2, 1], [1], [1, 1, 2]]}, 3),
    ({"words": ROWS, "y": Y, "W": [2, 1, 1, 1, 1, 2]}, 3),
    ({"words": ROWS, "y": np.arange(1, 7), "d": list("aaabcccc"),
      "s": [0, 0, 1, 0, 0, 1, 2, 2]}, 3),
    (pd.DataFrame({"words": ROWS, "y": [1, 1, 2, 3, 4, 5, 6, 6], "D": list("aaabcccc"),
                   "S": [0, 0, 1, 0, 0, 1, 2, 2]}), 3),
    ({"words": ROWS, "y": np.arange(1, 7), "W": [2, 1, 1, 1, 1, 2]}, 1),
    ({"words": ROWS, "y": np.arange(1, 7), "s": list("aabcdeff")}, 1),
    ({"words": ROWS, "y": [1]}, 0),
]  # fmt: skip


@pytest.mark.parametrize(("data", "docs"), NESTED)
def test_nested(data: Any, docs: int) -> None:
    bound = rt.bind(hand.NESTED, data)
    lengths = {axis: n.tolist() for axis, n in bound.layout.lengths.items()}
    assert bound.arrays["words"].tolist() == ROWS.tolist()
    assert bound.layout.sizes == {"D": max(docs, 1)}
    if docs == 0:
        assert lengths == {"s": [1], "w": [8]}
    else:
        assert bound.arrays["y"].tolist() == [1, 2, 3, 4, 5, 6]
        assert lengths == {"s": [2, 1, 3] if docs == 3 else [6], "w": [2, 1, 1, 1, 1, 2]}


def test_siblings() -> None:
    lists = rt.bind(hand.TWO, {"x": LISTS, "r": [[1], [2, 3], [4]]})
    rows = rt.bind(hand.TWO, {"x": R, "r": [1, 2, 3, 4], "T": [3, 1, 2], "R": [1, 2, 1]})
    assert bound_text(lists) == bound_text(rows)
    assert {a: n.tolist() for a, n in rows.layout.lengths.items()} == {
        "t": [3, 1, 2], "k": [1, 2, 1]}  # fmt: skip


def test_one_size_on_several_plates() -> None:
    """`T[s]` twice, `T[n]` along another plate of the same size, and inside a plate d."""
    t, n = hand.T, rt.Plate("n", "S")
    meta = hand.meta(
        (rt.Size("S", "plate"), rt.Size("T", "ragged")),
        (hand.S, t, replace(t, axis="k"), n, rt.Plate("v", "T", outer=("n",), over="n")),
        hand.X,
        replace(hand.X, name="k", axes=("s", "k")),
        replace(hand.X, name="v", axes=("n", "v")),
    )
    bound = rt.bind(meta, {"x": R, "k": -R, "v": R, "T": [3, 1, 2]})
    assert {a: n.tolist() for a, n in bound.layout.lengths.items()} == {
        "t": [3, 1, 2], "k": [3, 1, 2], "v": [3, 1, 2]}  # fmt: skip
    assert bound_text(rt.bind(meta, {"x": LISTS, "k": -R, "v": R})) == bound_text(bound)
    assert wrong(meta, {"x": LISTS, "k": -R, "v": [[1, 2], [3, 4], [5, 6]]}) == [
        ("T[0] is 2 by the lengths of v [2, 2, 2] but 3 by the plate t [3, 1, 2] (2 such): give "
        "them equal lengths")]  # fmt: skip
    inside = hand.meta(
        (rt.Size("D", "plate"), rt.Size("S", "plate"), rt.Size("T", "ragged")),
        (rt.Plate("d", "D"), replace(hand.S, outer=("d",)), replace(t, outer=("d", "s"))),
        rt.Array("x", "data", ("D", "S", "T"), 3, "real", axes=("d", "s", "t")),
    )
    nested = rt.bind(inside, [[[1.0, 2], [3.0]], [[4.0, 5], [6.0]]])
    for given in ([2, 1], [2, 1, 2, 1], [[2, 1], [2, 1]]):
        rows = rt.bind(inside, {"x": R, "T": given}, {"D": 2, "S": 2})
        assert bound_text(rows) == bound_text(nested)
    assert nested.layout.lengths["t"].tolist() == [2, 1, 2, 1]


def test_rectangular_plates_are_as_they_were() -> None:
    bound = rt.bind(hand.RECTANGULAR, R.reshape(2, 3))
    assert bound.arrays["x"].shape == (2, 3)
    assert (bound.layout.sizes, bound.layout.lengths) == ({"S": 2, "T": 3}, {})


def test_trees() -> None:
    bound = rt.bind(hand.TREE, {"x": LISTS, "parent": ROOT})
    assert bound.arrays["parent"].tolist() == [-1, 0, 1, -1, -1, 0]
    assert bound.arrays["parent"].dtype == np.int64
    found = limits(hand.TREE, hand.PARENT, bound.layout)
    assert found is not None
    assert found.tolist() == [3, 3, 3, 1, 2, 2]
    first = rt.bind(hand.chain(hand.X, hand.FIRST), {"x": LISTS, "first": [2, 0, 1]})
    assert first.arrays["first"].tolist() == [2, 0, 1]


# --- what is wrong -----------------------------------------------------------------------------

NO_ENDS = (
    "{} has {} rows (shape ({},)) for {} sequences, expected to know where each ends: give "
    "the lengths, data={{'{}': ...}}, a column of ids ({}), or {} as a list of arrays"
)

WRONG: list[tuple[rt.Meta, Any, Any, list[str]]] = [
    # --- lengths
    (hand.HMM, {"x": R, "T": [3, 1, 1]}, None,
     ["x has 6 rows (shape (6,)) but the lengths T [3, 1, 1] add up to 5, expected as many"]),
    (hand.HMM, {"x": R, "T": [3, 0, 3]}, None, [
        "T[1] is 0, expected a whole number of at least 1: leave out sequences without elements"]),
    (hand.HMM, {"x": R, "T": [3, -1, 4]}, None,
     ["T[1] is -1, expected a whole number of at least 1"]),
    (hand.HMM, {"x": R, "T": [2.5, 3.5]}, None,
     ["T[0] is 2.5 (2 such), expected a whole number of at least 1"]),
    (hand.HMM, {"x": R, "T": [3, NAN, 3]}, None,
     ["T[1] is missing, expected a whole number of at least 1"]),
    (hand.HMM, {"x": R, "T": ["3", "3"]}, None, ["T[0] is the string '3', expected a number"]),
    (hand.HMM, {"x": R, "T": []}, None, ["T is empty, expected at least one element"]),
    (hand.HMM, {"x": R, "T": 0}, None, ["T is 0, expected a whole number of at least 1"]),
    (hand.HMM, {"x": R, "T": 4}, None,
     ["x has 6 rows (shape (6,)), expected 4: 1 sequence of T = 4"]),
    (hand.HMM, {"x": R, "T": [[3, 3]]}, None,
     ["T has shape (1, 2), expected an array of 1 dimension"]),
    (hand.HMM, {"x": R, "T": [6]}, {"T": [6]},
     ["T is given twice, in the data and as lengths= or a size: leave one out"]),
    (hand.HMM, {"x": R}, {"S": 2}, [NO_ENDS.format("x", 6, 6, 2, "T", "s", "x")]),
    (hand.HMM, {"x": R, "T": [3, 3]}, {"S": 3}, ["S = 3 is asked for but T has 2 lengths"]),
    (hand.NESTED, {"words": ROWS, "y": np.arange(1, 7)}, None,
     [NO_ENDS.format("words", 8, 8, 6, "W", "d, s", "words")]),
    (hand.NESTED, {"words": ROWS, "y": Y, "W": [4, 4]}, None, [
        "W has 2 lengths but there are 6 rows of d, s, expected one for each"]),
    # --- ids
    (hand.HMM, {"x": R, "s": list("aaabc")}, None,
     ["x has 6 rows (shape (6,)) but s has 5 ids, expected one id for each row"]),
    (hand.HMM, {"x": R, "S": [1, 1, NAN, 2, 2, 2]}, None, ["S[2] is missing, expected an id"]),
    (hand.HMM, pd.DataFrame({"x": R, "s": [*list("aaab"), None, "a"]}), None,
     ["s[4] is missing, expected an id"]),
    (hand.HMM, {"x": R, "s": np.ma.masked_equal([1, 1, 1, 2, 2, 9], 9)}, None,
     ["s[5] is missing, expected an id"]),
    (hand.HMM, {"x": R, "s": [1, 1, 0.5, 2, 2, 2]}, None,
     ["s[2] is 0.5, expected ids that are whole numbers or strings"]),
    (hand.HMM, {"x": R, "s": [[1], [1]]}, None,
     ["s[0] is a list, expected ids that are whole numbers or strings"]),
    (hand.HMM, {"x": R, "s": []}, None, ["s is empty, expected one id for each row"]),
    (hand.HMM, {"x": R, "S": [1] * 6, "s": [1] * 6}, None,
     ["S and s both hold ids, expected one of them"]),
    (hand.TWO, {"x": R, "r": R, "s": [1] * 6}, None, [
        ("ids s don't say which of T, R their rows are: give the lengths of each, or lists of "
        "arrays"),
        ]),
    (hand.NESTED, {"words": ROWS, "y": np.arange(1, 7), "d": [1] * 8}, None,
     ["ids d are given but none of s, expected ids of both, or lengths"]),
    (hand.HMM, {"x": R, "s": [0, 0, 0, 1, 1, 1], "t": [0, 1, 2, 0, 2, 1]}, None, [
        ("t goes from 2 (row 4) to 1 (row 5) within one sequence, expected it to increase: sort "
        "the rows")]),
    (hand.HMM, {"x": R, "t": [0, 1]}, None,
     ["t has shape (2,), expected one place for each of 6 rows"]),
    (hand.SEVERAL, pd.DataFrame({"s": ["b", "a", "b"], "x": R[:3], "y": [1, 2, 3],
                                 "u": [5, 6, 7]}), None,
     ["u is 5 in row 0 but 7 in row 2, both of s = 'b', expected one value for each s"]),
    # --- lists
    (hand.HMM, {"x": [[1, 2], []]}, None,
     ["x[1] is empty, expected at least one element: leave it out"]),
    (hand.HMM, [], None, ["x is empty, expected shape (S, T[s])"]),
    (hand.HMM, {"x": [[1, "a"], [2]]}, None, ["x[0, 1] is the string 'a', expected a number"]),
    (hand.HMM, {"x": [1, [2, 3]]}, None,
     ["x[0] is a single value, expected an array of 1 dimension"]),
    (hand.HMM, [[1, np.inf], [2]], None,
     ["x[0, 1] is inf, expected a finite number: mark it missing (NaN)"]),
    (hand.VECTOR, [np.ones((2, 3)), np.zeros((1, 4))], None, [
        ("v[1] has shape (1, 4) where the first has (2, 3), expected the same but for the first "
        "dimension")]),
    (hand.VECTOR, [np.ones((2, 3)), np.zeros(4)], None,
     ["v[1] has shape (4,), expected an array of 2 dimensions"]),
    (hand.VECTOR, [np.ones((2, 2)), np.array([[1, NAN]])], None, [
        ("v row 1, 0 is partly missing (v[1, 0, 1]; 1 such), expected all of a row's cells or "
        "none: drop the row, fill it in, or model the columns as independent")]),
    (hand.VECTOR, [pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [3, "x"]})], None,
     ["v[1]: column 'a' row 1 is the string 'x', expected a number"]),
    (hand.HMM, np.ones((2, 2, 2)), None, [
        ("x has shape (2, 2, 2), expected (S, T[s]): give a list of arrays, or rows one after the "
        "other (1-dimensional)")]),
    (hand.NESTED, {"words": [[1, 2], [3]], "y": [[1], [2]]}, None,
     ["words has 2 dimensions, expected 3 (lists of arrays) or 1 (rows)"]),
    (hand.SEVERAL, {"x": [[1, 2], [3]], "y": [[1, 2], [3, 4]], "u": [1, 2, 3]}, None, [
        "S is 2 by x (2 items) but 3 by u (shape (3,), axis 0): give them equal lengths",
        ("T[1] is 1 by the lengths of x [2, 1] but 2 by the lengths of y [2, 2]: give them equal "
        "lengths")]),
    (hand.RECTANGULAR, LISTS, None, [
        ("x row 1 has 1 values where row 0 has 3, expected equal rows: for sequences of unequal "
        "lengths write `for t in T[s]` in the model")]),
    # --- indices
    (hand.TREE, {"x": LISTS, "parent": [[-1, 0, 1], [-1], [-1, 2]]}, None,
     ["parent[2, 1] is 2, expected a whole number from -1 (none) to 1: T is 2 there"]),
    (hand.TREE, {"x": R, "parent": [-1, 3, 0, -1, -1, -2], "s": [0, 1, 1, 0, 0, 0]}, None, [
        "parent[5] is -2 (2 such), expected a whole number from -1 (none) to 3: T is 4 there"]),
    (hand.chain(hand.X, hand.FIRST), {"x": LISTS, "first": [2, 1, -1]}, None,
     ["first[1] is 1 (2 such), expected a whole number from 0 to 0: T is 1 there"]),
    # --- names
    (hand.HMM, {"x": R, "TT": [3, 3]}, None, [
        "'TT' is no array of HMM, expected x (data), T (lengths), s (ids); did you mean T?"]),
    (hand.HMM, None, None, [
        "x (data) is not given, expected an array of shape (S, T[s]): pass data={'x': ...}"]),
    # --- all at once
    (hand.SEVERAL, {"x": R, "y": [1, 2, 3.5, 4], "u": [1, NAN], "T": [3, 2]}, None, [
        "x has 6 rows (shape (6,)) but the lengths T [3, 2] add up to 5, expected as many",
        "y has 4 rows (shape (4,)) but the lengths T [3, 2] add up to 5, expected as many",
        "y[2] is 3.5, expected a count (0, 1, 2, ...)",
        ("u[1] is missing, expected a value (inputs and consts can't have gaps): drop the rows or "
        "fill them in")]),
]  # fmt: skip


@pytest.mark.parametrize(("meta", "data", "sizes", "expected"), WRONG)
def test_exact_words(meta: rt.Meta, data: Any, sizes: Any, expected: list[str]) -> None:
    assert wrong(meta, data, sizes) == expected


def test_lengths_as_an_argument() -> None:
    with pytest.raises(rt.DataError, match=r"HMM has no ragged plate: leave it out") as caught:
        with_lengths(hand.RECTANGULAR, R, [3, 3])
    assert str(caught.value).startswith("lengths= is given but")
    with pytest.raises(rt.DataError, match=r"has 2 ragged sizes: pass lengths=\{'S': "):
        with_lengths(hand.NESTED, R, [3, 3])
    with pytest.raises(rt.DataError, match="lengths: 'N' is no ragged size of HMM, expected T"):
        with_lengths(hand.HMM, R, {"N": [3, 3]})
    with pytest.raises(rt.DataError, match="lengths= belongs to new data, but none are given"):
        with_lengths(hand.HMM, rt.bind(hand.HMM, R), [3, 3])
    assert with_lengths(hand.RECTANGULAR, R, None) is R


def test_random_forms_agree() -> None:
    """Lists, lengths, shuffled ids and nested ids of the same random data are bound alike."""
    rng = np.random.default_rng(7)
    for _ in range(50):
        counts = rng.integers(1, 5, size=rng.integers(1, 6))
        lists = [rng.standard_normal(n) for n in counts]
        rows = np.concatenate(lists)
        ids = np.repeat(rng.permutation(len(counts)), counts)
        expected = bound_text(rt.bind(hand.HMM, lists))
        assert bound_text(rt.bind(hand.HMM, {"x": rows, "T": counts})) == expected
        assert bound_text(rt.bind(hand.HMM, {"x": rows, "s": ids})) == expected
        mixed = rng.permutation(len(rows))
        bound = rt.bind(hand.HMM, {"x": rows[mixed], "s": ids[mixed]})
        answer = shaped(bound, ("s", "t"), bound.arrays["x"])
        np.testing.assert_array_equal(answer, rows[mixed])
        for s, label in enumerate(dict.fromkeys(ids[mixed].tolist())):
            link = links(hand.HMM.plates, ("s", "t"), 1, bound.layout)
            own = rows[mixed][ids[mixed] == label]
            np.testing.assert_array_equal(bound.arrays["x"][link == s], own)


# --- answers -----------------------------------------------------------------------------------


def test_answers_have_the_form_of_the_data() -> None:
    answer = np.arange(12.0).reshape(6, 2)
    lists = shaped(rt.bind(hand.HMM, LISTS), ("s", "t"), answer)
    assert [a.tolist() for a in lists] == [
        answer[:3].tolist(), answer[3:4].tolist(), answer[4:].tolist()]  # fmt: skip
    rows = rt.bind(hand.HMM, {"x": R, "T": [3, 1, 2]})
    assert shaped(rows, ("s", "t"), answer) is not None
    np.testing.assert_array_equal(shaped(rows, ("s", "t"), answer), answer)
    even = shaped(rt.bind(hand.HMM, R.reshape(2, 3)), ("s", "t"), answer)
    np.testing.assert_array_equal(even, answer.reshape(2, 3, 2))
    mixed = rt.bind(hand.HMM, {"x": R, "s": list("abacbc")})
    np.testing.assert_array_equal(shaped(mixed, ("s", "t"), mixed.arrays["x"]), R)
    np.testing.assert_array_equal(shaped(mixed, ("s",), np.arange(3)), np.arange(3))
    plain = rt.bind(hand.RECTANGULAR, R.reshape(2, 3))
    np.testing.assert_array_equal(shaped(plain, ("s", "t"), answer), answer.reshape(2, 3, 2))


def test_answers_of_nested_plates() -> None:
    bound = rt.bind(hand.NESTED, {"words": WORDS, "y": Y})
    words = shaped(bound, ("d", "s", "w"), ROWS)
    assert [[w.tolist() for w in s] for s in words] == WORDS
    assert [s.tolist() for s in shaped(bound, ("d", "s"), np.arange(1, 7))] == Y
    assert shaped(bound, ("d",), np.arange(3)).tolist() == [0, 1, 2]


# --- sampling ----------------------------------------------------------------------------------


def drawing(meta: rt.Meta) -> rt.Program:
    """A program that draws x as the number of its row."""

    def sample(params: Any, layout: rt.Layout, rng: Any, given: Any) -> dict[str, Any]:
        return {"x": np.arange(float(layout.lengths["t"].sum()))}

    nothing: Any = None
    return rt.Program(meta, (), nothing, nothing, nothing, sample)


def test_samples_are_lists_or_rectangular() -> None:
    program = drawing(hand.HMM)
    for sizes, lengths in (({"S": 2, "T": [2, 1]}, None), ({"T": [2, 1]}, None), (2, [2, 1])):
        drawn = rt.sample(program, {}, sizes, lengths=lengths)["x"]
        assert [a.tolist() for a in drawn] == [[0, 1], [2]]
    drawn = rt.sample(program, {}, {"S": 2, "T": 3})["x"]
    assert drawn.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert rt.sample(program, {}, 1, lengths=3)["x"].tolist() == [[0, 1, 2]]
    with_inputs = drawing(hand.chain(hand.X, replace(hand.Y, role="input")))
    drawn = rt.sample(with_inputs, {}, {}, inputs={"y": [[1, 2], [3]]})["x"]
    assert [a.tolist() for a in drawn] == [[0, 1], [2]]
    drawn = rt.sample(with_inputs, {}, {}, inputs={"y": [1, 2, 3], "T": [2, 1]})["x"]
    assert drawn.tolist() == [0, 1, 2]


def test_samples_need_lengths() -> None:
    program = drawing(hand.HMM)
    for sizes, message in (
        ({"S": 2}, ("T is not given and can't be read off the data: give the length of each "
                   "sequence, lengths={'T': ...}")),
        ({"T": 5}, "S is not given and can't be read off the data: choose it, S=..."),
        ({"S": 2, "T": [1, 2, 3]}, "S = 2 is asked for but T has 3 lengths"),
    ):  # fmt: skip
        with pytest.raises(rt.DataError) as caught:
            rt.sample(program, {}, sizes)
        assert str(caught.value) == message


def test_statistics_of_chunks_have_the_lengths_of_both() -> None:
    parts = []
    for data in ([[1.0, 2]], [[3.0], [4.0, 5]]):
        layout = rt.bind(hand.HMM, data).layout
        parts.append(rt.Statistics({}, 0.0, layout, {}))
    layout = (parts[0] + parts[1]).layout
    assert layout.sizes == {"S": 3}
    assert layout.lengths["t"].tolist() == [2, 1, 2]


def test_every_question_takes_lengths(models: Path) -> None:
    """They reach `bind`, which refuses these, in the runtime and in a generated module."""
    program = drawing(hand.HMM)
    asked: list[Any] = [rt.e_step, rt.log_likelihood, rt.row_log_likelihood, rt.posterior]
    for ask in (*asked, rt.predict):
        with pytest.raises(rt.DataError, match=r"but the lengths T .* add up to 5"):
            ask(program, R, {}, lengths=[3, 2])
    for ask in (rt.fit, rt.init_params):
        with pytest.raises(rt.DataError, match=r"but the lengths T .* add up to 5"):
            ask(program, R, lengths=[3, 2])
    with pytest.raises(rt.DataError, match=r"but the lengths T .* add up to 5"):
        rt.fit(program, R, T=[3, 2])
    module = emdsl.load(models / "gaussian_mixture.em")
    x = np.random.default_rng(0).standard_normal((20, 2))
    result = module.fit(x, K=1)
    asked = [module.e_step, module.log_likelihood, module.posterior, module.predict]
    questions: list[Any] = [
        lambda: module.fit(x, lengths=[20]),
        lambda: module.init_params(x, lengths=[20]),
        lambda: module.sample(result.params, 3, lengths=[20]),
        *(lambda ask=ask: ask(x, result.params, lengths=[20]) for ask in asked),
        lambda: result.sample(3, lengths=[20]),
        *(
            lambda ask=ask: ask(x, lengths=[20])
            for ask in (result.posterior, result.predict, result.row_log_likelihood, result.score)
        ),
    ]
    for question in questions:
        with pytest.raises(rt.DataError, match="has no ragged plate: leave it out"):
            question()


def test_the_module_of_a_size_named_lengths() -> None:
    text = "model M(lengths = 2)\nparam w : simplex[lengths]\nparam m[lengths] : real\n"
    text += "for n in N:\n    latent z[n] ~ Categorical(w)\n    data x[n] ~ Normal(m[z[n]], 1)\n"
    module = emdsl.load(emdsl.Source(text, "m.em"))
    assert module.fit(np.arange(6.0), lengths_=3, seed=0).sizes == {"lengths": 3, "N": 6}


def junk(rng: np.random.Generator, deep: int = 0) -> Any:
    """Something that may or may not be ragged data, lengths or ids."""
    kind = int(rng.integers(9 if deep < 3 else 5))
    few = rng.integers(0, 4, size=rng.integers(0, 5))
    single: list[Any] = [0, 2, -1, 2.5, NAN, None, "a", True, np.inf, pd.NA, pd.NaT, 10**30,
                         1e300, b"x", object(), {}, {1}, 1j, pd.DataFrame()]  # fmt: skip
    if kind == 0:
        return single[rng.integers(len(single))]
    if kind == 1:
        return few.tolist()
    if kind == 2:
        return np.ones(rng.integers(0, 3, size=rng.integers(0, 4)))
    if kind == 3:
        return pd.Series(few, dtype=float)
    if kind == 4:
        return pd.DataFrame(dict.fromkeys("xyst"[: rng.integers(1, 5)], few))
    parts = [junk(rng, deep + 1) for _ in range(rng.integers(0, 4))]
    if kind == 5:
        found = np.empty(len(parts), dtype=object)
        for i, part in enumerate(parts):
            found[i] = part
        return found
    return parts


@pytest.mark.parametrize("meta", [hand.HMM, hand.VECTOR, hand.SEVERAL, hand.TREE, hand.NESTED])
def test_junk_is_a_data_error(meta: rt.Meta) -> None:
    """Whatever is given, it is bound or refused in words."""
    rng = np.random.default_rng(3)
    beside = ["T", "s", "t", "S", "W", "d"]
    for _ in range(400):
        data: Any = {a.name: junk(rng) for a in meta.arrays if rng.random() < 0.9}
        data |= {name: junk(rng) for name in beside if rng.random() < 0.2}
        if rng.random() < 0.1:
            data = rt.Table(data)
        try:
            bound = rt.bind(meta, data)
        except rt.DataError:
            continue
        for array in meta.arrays:
            shaped(bound, array.axes, bound.arrays[array.name])
