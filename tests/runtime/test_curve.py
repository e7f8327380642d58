"""Curvatures mended by gradients, and Newton's steps by one that is rough."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from emdsl.runtime.coordinates import Coordinates
from emdsl.runtime.curve import Curve
from emdsl.runtime.newton import Rough, maximise

from .newton_problems import Logistic

RNG = np.random.default_rng(3)


def frame_of(problems: int, size: int) -> Coordinates:
    return Coordinates((np.zeros((problems, size)),), ("real",), 1)


def positive(problems: int, size: int) -> Any:
    root = RNG.normal(size=(problems, size, 2 * size))
    return root @ np.swapaxes(root, -1, -2)


def test_without_pairs_it_is_newtons_direction_however_often() -> None:
    h, g = positive(3, 4), RNG.normal(size=(3, 4))
    curve = Curve(h)
    for _ in range(3):
        step, gain = curve.step(frame_of(3, 4), g, np.ones(3, dtype=bool))
        assert np.allclose(step, np.linalg.solve(h, g[..., None])[..., 0], rtol=1e-10)
        assert np.allclose(gain, (step * g).sum(-1), rtol=1e-12)


def test_the_last_pair_is_obeyed_and_directions_stay_uphill() -> None:
    h, truth = positive(2, 5), positive(2, 5)
    curve = Curve(h)
    for _ in range(4):
        step = RNG.normal(size=(2, 5))
        fall = (truth @ step[..., None])[..., 0]
        curve.learn(step, fall)
        found, _ = curve.step(frame_of(2, 5), fall, np.ones(2, dtype=bool))
        assert np.allclose(found, step, rtol=1e-8)
        _, gain = curve.step(frame_of(2, 5), RNG.normal(size=(2, 5)), np.ones(2, dtype=bool))
        assert (gain > 0.0).all()


def test_a_pair_that_says_nothing_changes_nothing() -> None:
    h, g = positive(2, 3), RNG.normal(size=(2, 3))
    curve, other = Curve(h), Curve(h)
    step = RNG.normal(size=(2, 3))
    curve.learn(step, -step)  # curved upwards
    curve.learn(np.zeros((2, 3)), step)  # no step
    curve.learn(step, np.full((2, 3), np.nan))
    both = [c.step(frame_of(2, 3), g, np.ones(2, dtype=bool))[0] for c in (curve, other)]
    assert np.array_equal(*both)


def test_a_problem_without_a_finite_curvature_stays() -> None:
    h, g = positive(2, 3), RNG.normal(size=(2, 3))
    h[1, 0, 0] = np.nan
    step, gain = Curve(h).step(frame_of(2, 3), g, np.ones(2, dtype=bool))
    assert step[0].any()
    assert not step[1].any()
    assert gain[1] == 0.0


class Asked(Logistic):
    """Counts Hessians."""

    seconds = 0

    def slopes(self, point: Any, second: bool) -> Any:
        self.seconds += second
        return super().slopes(point, second)


def test_a_rough_hessian_leads_to_the_same_maximum_with_one_of_all_rows_at_most() -> None:
    x = np.column_stack([np.ones(4000), RNG.normal(size=(4000, 12))])
    x[:, 5] += 3.0 * x[:, 4]
    y = (RNG.random(4000) < special.expit(x @ RNG.normal(0.0, 0.4, 13))) * 1.0
    whole = Asked(x, y, np.ones(4000))
    halves = (
        Logistic(x[::40], y[::40], np.full(100, 40.0)),
        Logistic(x[20::40], y[20::40], np.full(100, 40.0)),
    )
    start = (np.zeros(13),)
    (near,) = maximise(whole, start, ("real",), 0, steps=60, rough=Rough(halves, 0.05))
    assert whole.seconds <= 1  # where what the gradients mended comes to nothing at the end
    (exact,) = maximise(whole, start, ("real",), 0, steps=60)
    assert whole.seconds > 2
    assert np.abs(whole.slopes((near,), False).gradient[0]).max() < 1e-3
    assert np.allclose(near, exact, atol=1e-5)


def test_a_rough_hessian_of_something_else_is_given_up() -> None:
    x = np.column_stack([np.ones(500), RNG.normal(size=(500, 3))])
    y = (RNG.random(500) < special.expit(x @ [0.5, 1.0, -1.0, 0.2])) * 1.0
    whole = Asked(x, y, np.ones(500))
    wrong = Logistic(x * [1.0, 100.0, 0.01, 1.0], y, np.ones(500))
    rough = Rough((wrong,), 0.1)
    (found,) = maximise(whole, (np.zeros(4),), ("real",), 0, steps=200, rough=rough)
    (exact,) = maximise(whole, (np.zeros(4),), ("real",), 0, steps=60)
    assert np.allclose(found, exact, atol=1e-4)
