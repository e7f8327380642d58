"""Iterations that hardly move → where they would go, against solutions known beforehand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import hand_normal
import numpy as np
import pytest
from numpy.typing import NDArray

from emdsl.runtime.frozen import MOST, Frozen
from emdsl.runtime.leap import Leaper
from emdsl.runtime.program import Meta, Param, Params

Floats = NDArray[np.float64]

TOP = np.array([3.0, -200.0, 0.02])
SCALE = np.array([2.0, 50.0, 0.01])


def meta(*params: Param) -> Meta:
    return replace(hand_normal.program().meta, params=params)


def quadratic(rates: Any, turned: Floats | None = None) -> Frozen:
    """-|(x - TOP) / SCALE|^2 / 2, of which an iteration goes `rates` of the way to the top.

    turned : what of (x - TOP) / SCALE counts, the identity by default.
    """
    what = np.eye(3) if turned is None else turned

    def iterate(params: Params) -> tuple[float, Params]:
        away = what @ ((params["a"] - TOP) / SCALE)
        return -0.5 * float(away @ away), {"a": params["a"] - np.asarray(rates) * SCALE * away}

    return Frozen(Leaper(meta(Param("a", (3,), "real"))), iterate)


@pytest.mark.parametrize("rates", [(1e-9, 1e-9, 1e-9), (0.9, 1e-8, 0.3), (1e-3, 1e-5, 1e-7)])
def test_the_top_of_a_parabola(rates: tuple[float, ...]) -> None:
    """However slow, in whatever unit, coordinate by coordinate."""
    start = TOP + SCALE * [0.5, -0.1, 2.0]
    found = quadratic(rates).thawed({"a": start}, 1e-12)
    assert found is not None
    np.testing.assert_allclose((found["a"] - TOP) / SCALE, 0.0, atol=1e-5)


def test_what_changes_nothing_stays() -> None:
    """Along a direction that the objective doesn't depend on there is no step."""
    along = np.array([1.0, 1.0, 0.0]) / math.sqrt(2.0)
    start = TOP + SCALE * [0.5, -0.1, 2.0]
    frozen = quadratic((1e-8, 1e-8, 1e-8), np.eye(3) - np.outer(along, along))
    found = frozen.thawed({"a": start}, 1e-12)
    assert found is not None
    away = (found["a"] - TOP) / SCALE
    np.testing.assert_allclose(away - along * (along @ away), 0.0, atol=1e-5)
    assert np.abs(away).max() < 3.0


def test_no_gain_is_no_step() -> None:
    assert quadratic((0.5, 1e-8, 0.1)).thawed({"a": TOP.copy()}, 1e-8) is None
    assert quadratic((0.0, 0.0, 0.0)).thawed({"a": TOP + SCALE}, 1e-8) is None


def test_what_cannot_be_tried_is_left_alone() -> None:
    def iterate(params: Params) -> tuple[float, Params]:
        raise AssertionError("too many to try")

    many = Frozen(Leaper(meta(Param("a", (MOST + 1,), "real"))), iterate)
    assert many.thawed({"a": np.zeros(MOST + 1)}, 1e-8) is None
    nowhere = Frozen(Leaper(meta(Param("a", (1,), "real"))), lambda p: (-math.inf, p))
    assert nowhere.thawed({"a": np.zeros(1)}, 1e-8) is None


def test_every_kind_of_parameter() -> None:
    """Coordinates there and back, and the top of a sum of log densities."""
    names = {"real": 2, "positive": 2, "unit": 2, "simplex": 3, "posdef": 2}
    params = tuple(
        Param(kind, (n, n) if kind == "posdef" else (n,), kind, event=0)
        for kind, n in names.items()
    )
    top: Params = {
        "real": np.array([1.0, -4.0]),
        "positive": np.array([0.3, 40.0]),
        "unit": np.array([0.2, 0.9]),
        "simplex": np.array([0.2, 0.3, 0.5]),
        "posdef": np.array([[2.0, 0.5], [0.5, 1.0]]),
    }
    leaper = Leaper(meta(*params))
    for name, value in leaper.shaped(leaper.flat(top), top).items():
        np.testing.assert_allclose(value, top[name], rtol=1e-14)

    def iterate(at: Params) -> tuple[float, Params]:
        ratio = np.linalg.solve(at["posdef"], top["posdef"])
        value = (
            -0.5 * float(((at["real"] - top["real"]) ** 2).sum())
            - float((top["positive"] / at["positive"] + np.log(at["positive"])).sum())
            + float((top["unit"] * np.log(at["unit"])).sum())
            + float(((1.0 - top["unit"]) * np.log1p(-at["unit"])).sum())
            + float(top["simplex"] @ np.log(at["simplex"]))
            - 0.5 * float(np.trace(ratio) - np.linalg.slogdet(ratio)[1])
        )
        return value, {n: x + 1e-7 * (top[n] - x) for n, x in at.items()}

    start: Params = {
        "real": np.array([1.5, -3.0]),
        "positive": np.array([0.4, 30.0]),
        "unit": np.array([0.3, 0.8]),
        "simplex": np.array([0.3, 0.3, 0.4]),
        "posdef": np.array([[1.5, 0.2], [0.2, 1.2]]),
    }
    found = Frozen(leaper, iterate).thawed(start, 1e-10)
    assert found is not None
    for name, value in found.items():
        np.testing.assert_allclose(value, top[name], rtol=1e-3, err_msg=name)
