"""Parameters that users give → checked arrays, or the exact words of what is wrong."""

from __future__ import annotations

from typing import Any

import hand_gmm
import numpy as np
import pytest

from emdsl import runtime as rt

GOOD = {"weight": [0.3, 0.7], "mean": np.zeros((2, 2)), "cov": np.stack([np.eye(2)] * 2)}
SIZES = {"K": 2, "D": 2}

WRONG: list[tuple[Any, list[str]]] = [
    ([1], ["params is a list, expected a mapping from names (weight, mean, cov)"]),
    ({k: v for k, v in GOOD.items() if k != "mean"}, ["mean is not given, expected shape (2, 2)"]),
    (GOOD | {"means": 1}, [("'means' is no parameter of GaussianMixture, expected weight, mean, "
                            "cov; did you mean mean?")]),
    (GOOD | {"weight": [0.3, 0.3]}, [("weight is [0.3, 0.3], expected nonnegative numbers that sum "
                                     "to 1")]),
    (GOOD | {"weight": [-0.5, 1.5]}, [("weight is [-0.5,  1.5], expected nonnegative numbers that "
                                      "sum to 1")]),
    (GOOD | {"mean": np.zeros((3, 2))}, ["mean has shape (3, 2), expected (2, 2) (K, D)"]),
    (GOOD | {"mean": [[0, np.nan], [0, 0]]}, ["mean[0, 1] is missing, expected a number"]),
    (GOOD | {"mean": [[0, np.inf], [0, 0]]}, ["mean[0, 1] is inf, expected a finite number"]),
    (GOOD | {"mean": [[0, "a"], [0, 0]]}, ["mean[0, 1] is the string 'a', expected a number"]),
    (GOOD | {"cov": [np.eye(2), [[1, 2], [2, 1]]]},
     ["cov[1] is [[1., 2.], [2., 1.]], expected a positive definite matrix"]),
    (GOOD | {"cov": [np.eye(2), [[1, 0.5], [0, 1]]]},
     ["cov[1] is [[1. , 0.5], [0. , 1. ]], expected a symmetric matrix"]),
]  # fmt: skip


@pytest.mark.parametrize(("params", "expected"), WRONG)
def test_says_what_is_wrong(params: Any, expected: list[str]) -> None:
    with pytest.raises(rt.ParamsError) as caught:
        rt.check_params(hand_gmm.META, params, SIZES)
    assert list(caught.value.problems) == expected


def test_printed_digits_of_a_simplex_are_made_exact() -> None:
    found = rt.check_params(hand_gmm.META, GOOD | {"weight": [0.3333333, 0.6666666]}, SIZES)
    assert found["weight"].sum() == pytest.approx(1.0, abs=1e-15)


def test_given_arrays_are_not_shared() -> None:
    weight = np.array([0.5, 0.5])
    found = rt.check_params(hand_gmm.META, GOOD | {"weight": weight}, SIZES)
    found["weight"][0] = 9.0
    assert weight[0] == 0.5


OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"restarts": 0}, "restarts is 0, expected a whole number of at least 1"),
    ({"restarts": True}, "restarts is True, expected a whole number of at least 1"),
    ({"max_iter": -1}, "max_iter is -1, expected a whole number of at least 0"),
    ({"tol": float("nan")}, "tol is nan, expected a number of at least 0"),
    ({"degenerate": "ignore"}, "degenerate is 'ignore', expected 'restart' or 'floor'"),
    ({"floor": 0.0}, "floor is 0.0, expected a number between 0 and 1"),
    ({"seed": -1}, "seed is -1, expected a whole number from 0 or a NumPy generator"),
    ({"seed": "a"}, "seed is 'a', expected a whole number from 0 or a NumPy generator"),
    ({"init": []}, "init is empty, expected at least one start"),
    ({"init": 3}, ("init is a int, expected a mapping from names of parameters or latents to "
                  "arrays, or a list of them")),
    ({"init": {"men": 1}}, ("'men' in init is neither parameter nor latent of GaussianMixture, "
                           "expected weight, mean, cov, z; did you mean mean?")),
    ({"init": {"z": np.ones((3, 2))}}, ("z in init has shape (3, 2), expected responsibilities of "
                                       "shape (272, 2)")),
    ({"init": {"z": np.zeros((272, 2))}}, ("z in init holds negative, missing or all-zero rows, "
                                          "expected probabilities")),
]  # fmt: skip


@pytest.mark.parametrize(("options", "expected"), OPTIONS)
def test_options(options: dict[str, Any], expected: str, faithful: np.ndarray) -> None:
    with pytest.raises(rt.ParamsError) as caught:
        rt.fit(hand_gmm.PROGRAM, faithful, **options)
    assert str(caught.value) == expected


def test_all_options_at_once() -> None:
    with pytest.raises(rt.ParamsError) as caught:
        rt.fit(hand_gmm.PROGRAM, [[1, 2]], restarts=0, tol=-1.0)
    assert len(caught.value.problems) == 2
