"""What users give → what is bound, or the exact words of what is wrong with it."""

from __future__ import annotations

from typing import Any

import hand_gmm
import hand_lca
import hand_line
import hand_normal
import numpy as np
import pandas as pd
import polars as pl
import pytest

from emdsl import runtime as rt

GMM, LCA = hand_gmm.PROGRAM, hand_lca.PROGRAM
LINE, NORMAL = hand_line.program(), hand_normal.program()
NAN = np.nan
Y = [[0, 1], [1, 1]]
NO_X = "x (data) is not given, expected an array of shape (N, D): pass data={'x': ...}"
UNEQUAL = "N is 2 by {} axis 0) but 3 by {} axis 0): give them equal lengths"

WRONG: list[tuple[rt.Program, Any, dict[str, Any], list[str]]] = [
    # --- nothing there
    (GMM, [], {}, ["x is empty, expected shape (N, D)"]),
    (GMM, np.zeros((0, 2)), {}, ["x has no rows (shape (0, 2)), expected at least one"]),
    (GMM, np.zeros((2, 0)), {}, ["x has no columns (shape (2, 0)), expected at least one"]),
    (GMM, {}, {}, [NO_X]),
    (GMM, None, {}, [NO_X]),
    # --- shapes
    (GMM, [1, 2, 3], {}, [("x has shape (3,), expected (N, D): give one row for each element, for "
                          "a single column x.reshape(-1, 1)")]),
    (GMM, np.zeros((3, 2, 2)), {}, ["x has shape (3, 2, 2), expected (N, D)"]),
    (GMM, [[1, 2], [3]], {}, ["x row 1 has 1 values where row 0 has 2, expected equal rows"]),
    (GMM, [[1, 2], 3], {}, ["x row 1 has a single value where row 0 has 2, expected equal rows"]),
    (LINE, {"u": [[1, 2], [2, 3]], "y": [1, 2, 3]}, {},
     [UNEQUAL.format("u (shape (2, 2),", "y (shape (3,),")]),
    # --- cells
    (GMM, [[1, 2], [3, "a"]], {}, ["x[1, 1] is the string 'a', expected a number"]),
    (GMM, np.array([["1", "2"]]), {}, ["x[0, 0] is the string '1', expected a number"]),
    (GMM, [[1, 2j], [2, 3]], {}, ["x holds complex numbers, expected real ones"]),
    (GMM, [[1, 10**400], [2, 3]], {}, ["x[0, 1] is an integer too large"]),
    (GMM, {"x": object()}, {}, ["x is of type object, expected a number"]),
    (GMM, {"x": {1, 2}}, {}, ["x is a set, expected an array"]),
    (GMM, np.array(["2020-01-01"], dtype="M8[D]"), {},
     ["x holds dates or times, expected numbers: convert them, say to days"]),
    (GMM, "faithful.csv", {}, [
        ("data is the string 'faithful.csv', expected arrays: read the file first "
        "(numpy.genfromtxt, pandas.read_csv) or use the command line")]),
    (GMM, [[1, np.inf], [2, -np.inf]], {},
     ["x[0, 1] is inf (2 such), expected a finite number: mark it missing (NaN)"]),
    (LCA, {"y": [[0, 1], [1, 2]], "freq": [1, 1]}, {}, ["y[1, 1] is 2, expected 0 or 1"]),
    (LCA, {"y": [[0, 1], [1, 0.5]], "freq": [1, 1]}, {}, ["y[1, 1] is 0.5, expected 0 or 1"]),
    (NORMAL, {"x": [1, 2, 3], "z": [0, 1, 2]}, {}, ["z[2] is 2, expected 0 or 1: K is 2"]),
    (NORMAL, {"x": [1, 2, 3], "z": ["a", "b", "a"]}, {}, [
        ("z[0] is the string 'a', expected a number: code the values as whole numbers from 0 "
        "(pandas.factorize)")]),
    (NORMAL, {"x": [1, 2, 3], "z": [0, 1, -1]}, {"K": 4},
     ["z[2] is -1, expected a whole number from 0 to 3: K is 4"]),
    # --- missing cells
    (GMM, [[1, NAN], [2, 3], [NAN, 1]], {}, [
        ("x row 0 is partly missing (x[0, 1]; 2 such), expected all of a row's cells or none: drop "
        "the row, fill it in, or model the columns as independent")]),
    (GMM, [[NAN, NAN]] * 3, {}, ["x is missing everywhere, expected at least one value"]),
    (LCA, {"y": [[0, NAN], [1, NAN]], "freq": [1, 1]}, {}, [
        ("y: y[:, 1] is missing in every row, expected at least one value: there is nothing to "
        "estimate from, drop the column")]),
    (LINE, {"u": [[1, 2], [NAN, 3]], "y": [1, 2]}, {}, [
        ("u[1, 0] is missing, expected a value (inputs and consts can't have gaps): drop the rows "
        "or fill them in")]),
    # --- weights
    (LCA, {"y": Y, "freq": [1, -1]}, {},
     ["freq[1] is -1, expected a weight: finite and not negative"]),
    (LCA, {"y": Y, "freq": [1, NAN]}, {},
     ["freq[1] is missing, expected a weight: finite and not negative"]),
    (LCA, {"y": Y, "freq": [0, 0]}, {},
     ["freq is zero everywhere, expected a positive weight somewhere"]),
    (LCA, Y, {}, [("freq (weight) is not given, expected an array of shape (N,): "
                  "pass data={'freq': ...}")]),
    # --- names
    (GMM, {"x": [[1, 2]], "y": 1}, {}, ["'y' is no array of GaussianMixture, expected x (data)"]),
    (LCA, {"y": Y, "freqs": [1, 1]}, {}, [
        "'freqs' is no array of LatentClass, expected y (data), freq (weight); did you mean freq?",
        "freq (weight) is not given, expected an array of shape (N,): pass data={'freq': ...}"]),
    # --- sizes
    (GMM, [[1, 2]], {"K": 0}, ["K = 0, expected at least 1"]),
    (GMM, [[1, 2]], {"K": 2.5}, ["K = 2.5, expected a whole number of at least 1"]),
    (GMM, [[1, 2]], {"K": True}, ["K = True, expected a whole number of at least 1"]),
    (GMM, [[1, 2]], {"k": 2}, ["'k' is no size of GaussianMixture, expected K, N, D"]),
    (GMM, [[1, 2]], {"D": 3},
     ["D = 3 is asked for but x has shape (1, 2), so D is 2 there (axis 1)"]),
    # --- frames
    (GMM, pd.DataFrame({"a": ["p", "q"]}), {}, [
        ("x has no column of its name and no numeric column is left, expected columns x or x[0], "
        "x[1], ...; the frame has 'a'")]),
    (GMM, pd.DataFrame({"a": [1, 2.0], "b": [3, "n/a"]}), {},
     ["x: column 'b' row 1 is the string 'n/a', expected a number"]),
    (GMM, pd.DataFrame([[1, 2]], columns=["a", "a"]), {},
     ["the frame has two columns named 'a', expected different names"]),
    (GMM, pl.DataFrame({"a": [1.0, np.inf]}), {},
     ["x: column 'a' row 1 is inf, expected a finite number: mark it missing (NaN)"]),
    (LCA, pd.DataFrame({"y[0]": [0, 1], "y[2]": [1, 0], "freq": [1, 1]}), {},
     ["y has columns y[0], y[2] but no y[1]"]),
    (LCA, pl.DataFrame({"y[0]": ["a", "b"], "freq": [1, 2]}), {},
     ["y: column 'y[0]' row 0 is the string 'a', expected a number"]),
    (NORMAL, pd.DataFrame({"a": [1, 2], "b": [2, 3]}), {},
     ["x has shape (N,) but 2 numeric columns fit ('a', 'b'): name one, data={'x': frame['a']}"]),
    # --- all at once
    (LCA, {"y": [[0, 1], [1, 0.5]], "freq": [1, -1, 2]}, {"J": 0}, [
        "J = 0, expected at least 1",
        ("N is 2 by y (shape (2, 2), axis 0) but 3 by freq (shape (3,), axis 0): give them equal "
        "lengths"),
        "y[1, 1] is 0.5, expected 0 or 1",
        "freq[1] is -1, expected a weight: finite and not negative"]),
]  # fmt: skip


@pytest.mark.parametrize(("program", "data", "sizes", "expected"), WRONG)
def test_says_what_is_wrong(program: Any, data: Any, sizes: Any, expected: list[str]) -> None:
    with pytest.raises(rt.DataError) as caught:
        rt.bind(program.meta, data, sizes)
    assert list(caught.value.problems) == expected


X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])

RIGHT: list[tuple[str, Any]] = [
    ("array", X),
    ("lists", X.tolist()),
    ("mapping", {"x": X}),
    ("float32, Fortran order", np.asfortranarray(X.astype(np.float32))),
    ("integers", X.astype(int)),
    ("pandas", pd.DataFrame(X, columns=["a", "b"])),
    ("pandas beside text", pd.DataFrame({"name": list("pqr"), "a": X[:, 0], "b": X[:, 1]})),
    ("pandas nullable", pd.DataFrame(X.astype(int), columns=["a", "b"]).convert_dtypes()),
    ("polars", pl.DataFrame(X, schema=["a", "b"])),
    ("named columns", pd.DataFrame({"x[1]": X[:, 1], "other": 0.0, "x[0]": X[:, 0]})),
    ("columns in a mapping", {"x[1]": X[:, 1], "x[0]": pl.Series(X[:, 0])}),
    ("frame in a mapping", {"x": pl.DataFrame(X, schema=["a", "b"])}),
    ("structured", np.array([tuple(r) for r in X], dtype=[("a", float), ("b", int)])),
    ("table", rt.Table({"a": X[:, 0], "b": list(X[:, 1])})),
    ("a column of lists", {"x": pd.Series(X.tolist())}),
    ("a list column", {"x": pl.Series(X.tolist())}),
    ("masked", np.ma.masked_array(X, np.zeros(X.shape, dtype=bool))),
]


@pytest.mark.parametrize(("kind", "data"), RIGHT)
def test_binds(kind: str, data: Any) -> None:
    bound = rt.bind(GMM.meta, data, {"K": 3})
    np.testing.assert_array_equal(bound.arrays["x"], X)
    assert bound.arrays["x"].dtype == np.float64
    assert bound.observed["x"] is None
    assert dict(bound.layout.sizes) == {"K": 3, "N": 3, "D": 2}
    assert bound.layout.complete == {"x": True}


MISSING: list[tuple[str, Any]] = [
    ("None", [3, None, 5]),
    ("NaN", [3, NAN, 5]),
    ("masked", np.ma.masked_equal([3, 1, 5], 1)),
    ("pandas NA", pd.Series([3, pd.NA, 5], dtype="Int64")),
    ("pandas object", pd.Series([3, pd.NA, 5], dtype=object)),
    ("polars null", pl.Series([3, None, 5])),
]


@pytest.mark.parametrize(("kind", "x"), MISSING)
def test_missing_cells_get_a_harmless_value(kind: str, x: Any) -> None:
    bound = rt.bind(NORMAL.meta, {"x": x})
    np.testing.assert_array_equal(bound.arrays["x"], [3, 3, 5])
    np.testing.assert_array_equal(bound.observed["x"], [True, False, True])
    assert bound.layout.complete["x"] is False


def test_a_missing_row_drops_out_whole() -> None:
    bound = rt.bind(GMM.meta, [[1, 2], [NAN, NAN], [3, 4]])
    np.testing.assert_array_equal(bound.observed["x"], [True, False, True])
    np.testing.assert_array_equal(bound.arrays["x"][1], [1, 2])


def test_labels_are_optional_and_whole_numbers() -> None:
    bound = rt.bind(NORMAL.meta, [1.0, 2.0])
    np.testing.assert_array_equal(bound.observed["z"], [False, False])
    bound = rt.bind(NORMAL.meta, {"x": [1.0, 2.0], "z": [None, 1]})
    assert bound.arrays["z"].dtype == np.int64
    np.testing.assert_array_equal(bound.observed["z"], [False, True])


def test_one_column_of_a_frame_is_a_vector() -> None:
    frame = pd.DataFrame({"name": ["a", "b"], "speed": [1, 2]})
    np.testing.assert_array_equal(rt.bind(NORMAL.meta, frame).arrays["x"], [1, 2])


def test_columns_go_to_arrays_by_name_and_the_rest_to_the_data() -> None:
    frame = pd.DataFrame({"a": [0, 1], "freq": [3, 4], "b": [1, 1]})
    bound = rt.bind(LCA.meta, frame)
    np.testing.assert_array_equal(bound.arrays["y"], [[0, 1], [1, 1]])
    np.testing.assert_array_equal(bound.arrays["freq"], [3, 4])


def test_weights_are_not_needed_for_predictions() -> None:
    np.testing.assert_array_equal(
        rt.bind(LCA.meta, {"y": Y}, purpose="query").arrays["freq"], [1, 1]
    )
