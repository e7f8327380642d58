"""What is said of bad data, starts and options of models of coupled rows, word by word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import emdsl
from emdsl import runtime as rt
from emdsl.source import Source
from tests.gallery.models import ROOT, module

NAN = np.nan
SYMBOLS = [0, 1, 2, 1, 0, 2]
NUMBERS = np.arange(6.0)


def model(name: str) -> Any:
    return module(ROOT / "models" / f"{name}.em")


def said(name: str, data: Any, error: type[rt.InputError] = rt.DataError, **options: Any) -> str:
    with pytest.raises(error) as caught:
        model(name).fit(data, **{"restarts": 1, "progress": False, **options})
    return str(caught.value)


# --- lengths, ids, lists -------------------------------------------------------------------------

LENGTHS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "too few": (
        {"x": SYMBOLS, "T": [3, 2]}, {},
        "x has 6 rows (shape (6,)) but the lengths T [3, 2] add up to 5, expected as many"),
    "too many": (
        SYMBOLS, {"lengths": [4, 4]},
        "x has 6 rows (shape (6,)) but the lengths T [4, 4] add up to 8, expected as many"),
    "zero": (
        {"x": SYMBOLS, "T": [6, 0]}, {},
        "T[1] is 0, expected a whole number of at least 1: leave out sequences without elements"),
    "negative": (
        {"x": SYMBOLS, "T": [7, -1]}, {}, "T[1] is -1, expected a whole number of at least 1"),
    "a fraction": (
        {"x": SYMBOLS, "T": [2.5, 3.5]}, {},
        "T[0] is 2.5 (2 such), expected a whole number of at least 1"),
    "few ids": (
        {"x": SYMBOLS, "s": [1, 1, 1]}, {},
        "x has 6 rows (shape (6,)) but s has 3 ids, expected one id for each row"),
    "an empty list": ([], {}, "x is empty, expected shape (S, T[s])"),
    "an empty sequence": (
        [[0, 1], []], {}, "x[1] is empty, expected at least one element: leave it out"),
    "another size": (
        {"x": SYMBOLS, "T": [3, 3]}, {"S": 3}, "S = 3 is asked for but T has 2 lengths"),
    "one length for all": (
        {"x": SYMBOLS}, {"T": 5}, "x has 6 rows (shape (6,)), expected 5: 1 sequence of T = 5"),
    "too many dimensions": (
        np.zeros((2, 3, 4)), {},
        ("x has shape (2, 3, 4), expected (S, T[s]): give a list of arrays, or rows one after the "
        "other (1-dimensional)")),
    "another shape": (
        [[0, 1], np.zeros((2, 2))], {}, "x[1] has shape (2, 2), expected an array of 1 dimension"),
    "out of order": (
        {"x": SYMBOLS, "s": [0] * 6, "t": [0, 1, 3, 2, 4, 5]}, {},
        ("t goes from 3 (row 2) to 2 (row 3) within one sequence, expected it to increase: sort "
        "the rows")),
    "text": (
        {"x": ["a", "b"]}, {},
        ("x[0] is the string 'a', expected a number: code the values as whole numbers from 0 "
        "(pandas.factorize)")),
    "beyond the symbols": (SYMBOLS, {"V": 2}, "x[2] is 2 (2 such), expected 0 or 1: V is 2"),
    "a negative symbol": ([[0, 1], [0, -1]], {}, "x[1, 1] is -1, expected 0 or 1: V is 2"),
    "no states": (SYMBOLS, {"K": 0}, "K = 0, expected at least 1"),
    "half a state": (SYMBOLS, {"K": 1.5}, "K = 1.5, expected a whole number of at least 1"),
    "another name": (
        {"y": SYMBOLS}, {},
        ("2 problems\n"
        "  - 'y' is no array of HMM, expected x (data), T (lengths), s (ids)\n"
        "  - x (data) is not given, expected an array of shape (S, T[s]): pass data={'x': ...}")),
}  # fmt: skip


@pytest.mark.parametrize("what", LENGTHS)
def test_sequences(what: str) -> None:
    data, options, text = LENGTHS[what]
    assert said("hmm", data, **{"K": 2, **options}) == text


def test_lengths_of_a_model_without_sequences() -> None:
    text = said("factorial_hmm", NUMBERS, lengths=[3, 3])
    assert text == "lengths= is given but FactorialHMM has no ragged plate: leave it out"


def test_arrays_of_other_lengths() -> None:
    text = said("input_driven_hmm", {"x": [[0, 1, 2], [1, 0, 2]], "u": [[0, 1, 0], [0, 1]]}, K=2)
    assert text == (
        "T[1] is 3 by the lengths of x [3, 3] but 2 by the lengths of u [3, 2]: "
        "give them equal lengths"
    )


def test_pupils_of_other_schools_have_other_items() -> None:
    text = said("multilevel_latent_class", [np.zeros((2, 3)), np.zeros((1, 2))], H=2, K=2)
    assert text == (
        "y[1] has shape (1, 2) where the first has (2, 3), expected the same but for the first "
        "dimension"
    )


# --- parents -------------------------------------------------------------------------------------

TREES: dict[str, tuple[Any, str]] = {
    "a circle": (
        {"x": NUMBERS, "up": [-1, 2, 1, 0, 0, 0]},
        ("row s = 0, t = 1 is among its own ancestors by up, expected a tree: give one row of the "
        "circle the parent -1")),
    "a circle in the second tree": (
        {"x": [[1.0, 2], [3.0, 4, 5, 6]], "up": [[-1, 0], [-1, 0, 3, 2]]},
        ("row s = 1, t = 2 is among its own ancestors by up, expected a tree: give one row of the "
        "circle the parent -1")),
    "no root": (
        {"x": NUMBERS[:3], "up": [1, 2, 0]},
        ("row s = 0, t = 0 is among its own ancestors by up, expected a tree: give one row of the "
        "circle the parent -1")),
    "its own parent": (
        {"x": NUMBERS, "up": [-1, 1, 0, 0, 0, 0]},
        ("row s = 0, t = 1 depends on its parent, but its parent is 1, the row itself: expected "
        "the model's start there")),
    "another tree's row": (
        {"x": [NUMBERS[:2], NUMBERS[2:]], "up": [[-1, 2], [-1, 0, 0, 0]]},
        "up[0, 1] is 2, expected a whole number from -1 (none) to 1: T is 2 there"),
    "outside": (
        {"x": [NUMBERS[:2], NUMBERS[2:]], "up": [[-1, 0], [-1, 0, 4, 0]]},
        "up[1, 2] is 4, expected a whole number from -1 (none) to 3: T is 4 there"),
    "less than none": (
        {"x": NUMBERS[:3], "up": [-1, -2, 0]},
        "up[1] is -2, expected a whole number from -1 (none) to 2: T is 3 there"),
    "a fraction": (
        {"x": NUMBERS[:3], "up": [-1, 0.5, 0]},
        "up[1] is 0.5, expected a whole number from -1 (none) to 2: T is 3 there"),
    "a gap": (
        {"x": NUMBERS[:3], "up": [-1, NAN, 0]},
        ("up[1] is missing, expected a value (inputs and consts can't have gaps): drop the rows or "
        "fill them in")),
    "other lengths": (
        {"x": [NUMBERS[:3]], "up": [[-1, 0]]},
        ("T[0] is 3 by the lengths of x [3] but 2 by the lengths of up [2]: give them equal "
        "lengths")),
    "none given": (
        {"x": NUMBERS[:3]},
        "up (input) is not given, expected an array of shape (S, T[s]): pass data={'up': ...}"),
}  # fmt: skip


@pytest.mark.parametrize("what", TREES)
def test_trees(what: str) -> None:
    data, text = TREES[what]
    assert said("hidden_markov_tree", data, K=2) == text


# --- places --------------------------------------------------------------------------------------

VOTES = {"item": [0, 0, 1], "annotator": [0, 1, 1], "label": [0, 1, 1]}
PLACES: dict[str, tuple[Mapping[str, Any], dict[str, int], str]] = {
    "no such item": (
        {"item": [0, 99, 1]}, {"I": 3}, "item[1] is 99, expected a whole number from 0 to 2: I is 3"
    ),
    "a negative one": (
        {"item": [0, -1, 1]}, {}, "item[1] is -1, expected a whole number from 0 to 1: I is 2"),
    "a fraction": (
        {"item": [0, 0.5, 1]}, {}, "item[1] is 0.5, expected a whole number from 0 to 1: I is 2"),
    "a gap": (
        {"item": [0, NAN, 1]}, {},
        ("item[1] is missing, expected a value (inputs and consts can't have gaps): drop the rows "
        "or fill them in")),
    "no such label": ({"label": [0, 2, 1]}, {}, "label[1] is 2, expected 0 or 1: K is 2"),
    "fewer labels": (
        {"label": [0, 1]}, {},
        ("R is 3 by item (shape (3,), axis 0) but 2 by label (shape (2,), axis 0): give them equal "
        "lengths")),
}  # fmt: skip


@pytest.mark.parametrize("what", PLACES)
def test_places(what: str) -> None:
    data, sizes, text = PLACES[what]
    assert said("dawid_skene", {**VOTES, **data}, **{"K": 2, **sizes}) == text


def test_an_annotator_who_was_not_there() -> None:
    fitted = model("dawid_skene").fit(VOTES, K=2, restarts=1, progress=False)
    with pytest.raises(rt.DataError) as caught:
        fitted.posterior({**VOTES, "annotator": [0, 5, 1]})
    assert str(caught.value) == "annotator[1] is 5, expected a whole number from 0 to 1: A is 2"


# --- the first row -------------------------------------------------------------------------------

RESUMED = """model Resumed(K = 2)
param start    : simplex[K]
param trans[K] : simplex[K]
param mean[K]  : real
for t in T:
    input  new[t] : bool
    latent z[t] ~ Categorical(start) if new[t] else Categorical(trans[z[t-1]])
    data   x[t] ~ Normal(mean[z[t]], 1)
"""


def test_a_first_row_that_goes_on() -> None:
    resumed = emdsl.load(Source(RESUMED, "resumed.em"))
    data = {"x": [0.0, 1.0, 3.0, 2.0], "new": [1, 0, 1, 0]}
    assert resumed.fit(data, restarts=1, progress=False).converged
    with pytest.raises(rt.DataError) as caught:
        resumed.fit({**data, "new": [0, 0, 1, 0]}, restarts=1, progress=False)
    assert str(caught.value) == (
        "row 0 of T depends on the row before it, but it begins a sequence: expected the model's "
        "start there"
    )


# --- rows that others depend on ------------------------------------------------------------------


def test_a_gap_in_what_the_next_row_needs() -> None:
    assert said("autoregressive_hmm", [1, 2, NAN, 3, 4.0], K=2) == (
        "x[t-1] is missing for row 3 of T, expected no gap in data that other rows depend on: "
        "fill x in, or begin a new sequence after the gap"
    )
    assert said("clickstream", [[0, 1], [0, NAN, 1]], C=2) == (
        "page[s, t-1] is missing for row s = 1, t = 2, expected no gap in data that other rows "
        "depend on: fill page in, or begin a new sequence after the gap"
    )


def test_the_last_row_may_be_a_gap() -> None:
    result = model("markov_chain").fit([[0, 1, NAN], [1, 0, 0, 1]], progress=False)
    np.testing.assert_allclose(result.params["trans"], [[1 / 3, 2 / 3], [1, 0]])


INPUTS = {"x": SYMBOLS, "u": [0, 1, NAN, 0, 1, 1]}


def test_inputs() -> None:
    assert said("input_driven_hmm", INPUTS, K=2) == (
        "u[2] is missing, expected a value (inputs and consts can't have gaps): drop the rows or "
        "fill them in"
    )
    assert said("input_driven_hmm", {"x": SYMBOLS}, K=2) == (
        "u (input) is not given, expected an array of shape (S, T[s]): pass data={'u': ...}"
    )


# --- impossible rows -----------------------------------------------------------------------------

NEVER = {
    "start": [0.5, 0.5],
    "trans": [[0.5, 0.5], [0.4, 0.6]],
    "emit": [[0.5, 0.5, 0], [0.3, 0.7, 0]],
}


def test_a_symbol_that_no_state_emits() -> None:
    lists = [[0, 1], [1, 2, 0]]
    assert said("hmm", lists, init=NEVER) == (
        "row s = 1, t = 1 (x = 2) has probability zero under the model, expected data it can "
        "produce: check the row, or add to the model what explains it"
    )
    assert model("hmm").log_likelihood(lists, NEVER) == -np.inf


def test_a_change_that_never_happens() -> None:
    """Two states that are never left, each with a symbol of its own."""
    stay = {"start": [0.5, 0.5], "trans": np.eye(2), "emit": [[1, 0], [0, 1]]}
    assert model("hmm").log_likelihood([[0, 0], [0, 1]], stay) == -np.inf
    text = said("hmm", [[0, 0], [0, 1]], init=stay)
    assert text.startswith("row s = 1")
    assert "has probability zero under the model" in text


# --- starts --------------------------------------------------------------------------------------

START: dict[str, Any] = {
    "start": [0.5, 0.5],
    "trans": [[0.5, 0.5], [0.2, 0.8]],
    "mean": [0, 1],
    "sd": [1, 1],
}
STARTS: dict[str, tuple[Any, str]] = {
    "start": ({"start": [0.5, 0.6]},
              "start is [0.5, 0.6], expected nonnegative numbers that sum to 1"),
    "shape": ({"trans": [0.5, 0.5]}, "trans has shape (2,), expected (2, 2) (K, K)"),
    "row": ({"trans": [[0.5, 0.5], [0.9, 0.2]]},
            "trans[1] is [0.9, 0.2], expected nonnegative numbers that sum to 1"),
    "sign": ({"sd": [1, -1]}, "sd[1] is -1, expected a positive number"),
    "states": ({"mean": [0, 1, 2]}, "mean has shape (3,), expected (2,) (K)"),
    "name": ({"strat": [0.5, 0.5]},
             ("'strat' in init is neither parameter nor latent of NormalHMM, expected start, "
             "trans, mean, sd, z; did you mean start or trans?")),
    "responsibilities": ({"z": np.full((5, 2), 0.5)},
                         "z in init has shape (5, 2), expected responsibilities of shape (6, 2)"),
    "negative": ({"z": np.full((6, 2), -0.5)},
                 "z in init holds negative, missing or all-zero rows, expected probabilities"),
}  # fmt: skip


@pytest.mark.parametrize("what", STARTS)
def test_starts(what: str) -> None:
    init, text = STARTS[what]
    assert said("normal_hmm", NUMBERS, rt.ParamsError, init={**START, **init}, K=2) == text


def test_responsibilities_in_the_form_of_the_data() -> None:
    lists = [NUMBERS[:2], NUMBERS[2:]]
    half = np.full((2, 2), 0.5)
    for z, text in (
        ([half], "z in init has 1 element, expected a list of 2, as the data are"),
        (half[0, 0], "z in init has 0 elements, expected a list of 2, as the data are"),
        ([half, half],
         "z[1] in init has shape (2, 2), expected responsibilities of shape (4, 2)"),
    ):  # fmt: skip
        assert said("normal_hmm", lists, rt.ParamsError, init={"z": z}, K=2) == text


def test_more_states_than_rows() -> None:
    result = model("hmm").fit([0, 1], K=5, V=2, restarts=1, progress=False)
    assert "K = 5 is more than the number of elements, 2" in result.messages


# --- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("max_iters", "max_iters'; did you mean max_iter?"),
        ("length", "length'; did you mean lengths?"),
        ("iterations", "iterations'"),
    ],
)  # fmt: skip
def test_options(option: str, text: str) -> None:
    with pytest.raises(TypeError) as caught:
        model("hmm").fit(SYMBOLS, K=2, **{option: 5})
    assert str(caught.value) == f"fit() got an unexpected keyword argument '{text}"
