"""The maximiser of numeric blocks, against closed answers and SciPy's optimisers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats

from emdsl.runtime.newton import Restriction, maximise

from .newton_problems import (
    Dirichlet,
    Gammas,
    Logistic,
    NegativeBinomial,
    Poisson,
    Softmax,
    Student,
    VonMises,
)


def logistic_data(n: int = 200, p: int = 3, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), rng.normal(size=(n, p - 1))])
    y = (rng.random(n) < special.expit(x @ rng.normal(size=p))) * 1.0
    return x, y


def test_logistic_regression_has_no_gradient_left_and_agrees_with_scipy() -> None:
    x, y = logistic_data()
    objective = Logistic(x, y, np.ones(len(y)))
    (beta,) = maximise(objective, (np.zeros(3),), ("real",), 0, steps=30)
    gradient = objective.slopes((beta,), False).gradient[0]
    assert np.abs(gradient).max() < 1e-9
    other = optimize.minimize(lambda b: -objective.value((b,)), np.zeros(3), tol=1e-12)
    assert np.allclose(beta, other.x, atol=1e-5)


def test_a_step_costs_one_value_and_one_slopes_and_the_start_one_value() -> None:
    x, y = logistic_data()
    objective = Logistic(x, y, np.ones(len(y)))
    maximise(objective, (np.zeros(3),), ("real",), 0, steps=2)
    assert objective.calls["value"] == 3
    assert objective.calls["slopes"] == 2


@pytest.mark.parametrize("n", [60, 2000])
def test_a_whole_fit_ends_by_a_step_it_doesnt_look_at_and_leaves_nothing(n: int) -> None:
    """Without it there is one slopes more, and a value."""
    x, y = logistic_data(n)
    calls, ends = [], []
    for final in (False, True):
        objective = Logistic(x, y, np.ones(len(y)))
        (beta,) = maximise(objective, (np.zeros(3),), ("real",), 0, steps=50, cheap=True,
                           final=final)  # fmt: skip
        calls.append(objective.calls)
        ends.append(beta)
    assert calls[1]["value"] < calls[0]["value"]
    assert calls[1]["slopes"] <= calls[0]["slopes"]
    slopes = Logistic(x, y, np.ones(len(y))).slopes((ends[1],), True)
    assert slopes.hessian is not None
    left = slopes.gradient[0] @ np.linalg.solve(-slopes.hessian[0][0], slopes.gradient[0])
    assert left < 1e-13 * n
    assert np.allclose(*ends, rtol=1e-6)


def test_a_whole_fit_doesnt_leave_its_maximum_unseen() -> None:
    """Data are separated: no step falls as errors are squared, and each is looked at."""
    x = np.column_stack([np.ones(20), np.linspace(-1.0, 1.0, 20)])
    y = (x[:, 1] > 0.0) * 1.0
    objective = Logistic(x, y, np.ones(20))
    (beta,) = maximise(objective, (np.zeros(2),), ("real",), 0, steps=200, cheap=True, final=True)
    assert objective.value((beta,)) > -1e-6


def test_at_the_maximum_one_look_at_the_slopes_is_enough() -> None:
    x, y = logistic_data()
    objective = Logistic(x, y, np.ones(len(y)))
    (beta,) = maximise(objective, (np.zeros(3),), ("real",), 0, steps=30)
    objective.calls.update(value=0, slopes=0)
    (again,) = maximise(objective, (beta,), ("real",), 0, steps=30)
    assert (objective.calls["value"], objective.calls["slopes"]) == (1, 1)
    assert np.array_equal(again, beta)


@pytest.mark.parametrize("scales", [(1.0, 1e-8, 1e8), (1e8, 1e8, 1e8), (1e-8, 1.0, 1e-8)])
def test_scales_of_covariates_change_nothing_but_the_coefficients(scales: Any) -> None:
    x, y = logistic_data()
    (beta,) = maximise(Logistic(x, y, np.ones(len(y))), (np.zeros(3),), ("real",), 0, steps=30)
    scaled = Logistic(x * np.array(scales), y, np.ones(len(y)))
    (other,) = maximise(scaled, (np.zeros(3),), ("real",), 0, steps=30)
    assert np.allclose(other * scales, beta, rtol=1e-9)


def test_a_batch_is_as_each_problem_alone_and_a_bad_one_stays() -> None:
    x, y = logistic_data()
    w = np.random.default_rng(1).random((2, 3, len(y)))
    w[1, 2] = np.nan
    w[0, 1] = 0.0  # an empty component
    start = np.random.default_rng(2).normal(size=(2, 3, 3))
    (beta,) = maximise(Logistic(x, y, w), (start,), ("real",), 2, steps=40)
    for i, j in np.ndindex(2, 3):
        if (i, j) in ((1, 2), (0, 1)):
            assert np.array_equal(beta[i, j], start[i, j])
            continue
        one = Logistic(x, y, w[i, j])
        (alone,) = maximise(one, (start[i, j],), ("real",), 0, steps=40)
        assert np.allclose(beta[i, j], alone, rtol=1e-8)
        assert np.abs(one.slopes((beta[i, j],), False).gradient[0]).max() < 1e-8


@pytest.mark.parametrize("shift", [None, (0,)])
def test_softmax_with_weights_for_every_class(shift: Any) -> None:
    rng = np.random.default_rng(3)
    x = np.column_stack([np.ones(300), rng.normal(size=(300, 2)) * [1e-6, 1e5]])
    r = rng.random((300, 4))
    objective = Softmax(x, r)
    (w,) = maximise(objective, (np.zeros((4, 3)),), ("real",), 0, steps=30, shift=shift)
    scale = np.abs(x).max(axis=0)
    assert np.abs(objective.slopes((w,), False).gradient[0] / scale).max() < 1e-8
    assert np.abs(w * scale).max() < 100.0
    if shift is not None:  # least norm: nothing along the shift
        assert np.abs((w * scale).sum(axis=0)).max() < 1e-9
    free = np.vstack([np.zeros((1, 3)), w[1:] - w[0]])  # the same model without the shift
    assert np.isclose(objective.value((free,)), objective.value((w,)), rtol=1e-12)


def test_a_known_shift_that_a_prior_took_away_does_no_harm() -> None:
    rng = np.random.default_rng(3)
    x, r = rng.normal(size=(100, 2)), rng.random((100, 3))
    objective = Softmax(x, r, ridge=0.3)
    start = rng.normal(size=(3, 2)) + 5.0
    (w,) = maximise(objective, (start,), ("real",), 0, steps=12, shift=(0,))
    assert np.abs(objective.slopes((w,), False).gradient[0]).max() < 1e-9
    assert np.abs(w.sum(axis=0)).max() < 1e-9


def test_gamma_shapes_and_rates_of_a_batch_agree_with_scipy() -> None:
    rng = np.random.default_rng(4)
    data = rng.gamma([[0.05], [1.0], [300.0]], [[1e6], [1.0], [1e-6]], size=(3, 500))
    data = np.maximum(data, 1e-300)
    objective = Gammas(500.0, np.log(data).mean(1), data.mean(1))
    a, b = maximise(objective, (np.ones(3), np.ones(3)), ("positive",) * 2, 1, steps=60)
    for i in range(3):
        shape, _, scale = stats.gamma.fit(data[i], floc=0)
        assert np.isclose(a[i], shape, rtol=1e-6)
        assert np.isclose(b[i], 1 / scale, rtol=1e-6)
    assert np.allclose(a / b, data.mean(1), rtol=1e-9)


def test_dirichlet_of_fifty_and_beta_as_one_of_two() -> None:
    rng = np.random.default_rng(5)
    for k, size in ((50, 400), (2, 300)):
        logs = np.log(rng.dirichlet(rng.gamma(2.0, 1.0, k), size=size)).mean(0)
        objective = Dirichlet(size, logs)
        (a,) = maximise(objective, (np.ones(k),), ("positive",), 0, steps=60)
        gradient = special.digamma(a.sum()) - special.digamma(a) + logs
        assert np.abs(gradient * a).max() < 1e-10


def test_von_mises_concentrations_from_none_to_many() -> None:
    true = np.array([1e-3, 0.5, 5.0, 800.0, 1e6])
    r = special.i1e(true) / special.i0e(true)
    (k,) = maximise(VonMises(100.0, r), (np.full(5, 2.0),), ("positive",), 1, steps=60)
    assert np.allclose(k[:4], true[:4], rtol=1e-6)
    assert np.isclose(k[4], true[4], rtol=1e-3)  # 1 - A(k) has but ten digits left


def test_negative_binomials() -> None:
    rng = np.random.default_rng(6)
    y = np.stack([rng.negative_binomial(r, r / (r + 4.0), 800) for r in (0.3, 2.0, 10.0)])
    objective = NegativeBinomial(y, np.ones(y.shape))
    r, mu = maximise(objective, (np.ones(3), np.ones(3)), ("positive",) * 2, 1, steps=60)
    assert np.allclose(mu, y.mean(1), rtol=1e-8)
    for i in range(3):
        one = NegativeBinomial(y[i], 1.0)

        def loss(log_r: float, i: int = i, one: Any = one) -> float:
            return -float(one.value((np.exp(np.float64(log_r)), y[i].mean())))

        best = optimize.minimize_scalar(loss, (-3, 3), tol=1e-12)
        assert np.isclose(np.log(r[i]), best.x, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 8), spread=st.floats(0.1, 100.0))
def test_no_number_of_steps_from_any_start_goes_down(seed: int, steps: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    objective = Student(rng.standard_cauchy((5, 12)) * 10.0)
    start = (rng.normal(0.0, spread, 5), np.exp(rng.normal(0.0, 3.0, 5)))
    before = objective.value(start)
    for _ in range(3):
        start = maximise(objective, start, ("real", "positive"), 1, steps=steps)
        after = objective.value(start)
        assert (after >= before).all()
        before = after


def test_from_a_saddle_the_way_is_up_and_ends_at_a_maximum() -> None:
    y = np.concatenate([np.linspace(-101, -99, 9), np.linspace(99, 101, 9)])
    objective = Student(y)
    start = (np.array(1.0), np.array(0.5))
    m, s = maximise(objective, start, ("real", "positive"), 0, steps=200)
    slopes = objective.slopes((m, s), True)
    assert max(abs(g) for g in slopes.gradient) < 1e-6
    assert np.linalg.eigvalsh(np.array(slopes.hessian)).max() < 0.0


def test_held_entries_stay_and_the_others_are_at_their_best() -> None:
    x, y = logistic_data()
    objective = Logistic(x, y, np.ones(len(y)))
    held = np.array([False, True, False])
    (beta,) = maximise(objective, (np.array([0.0, 0.7, 0.0]),), ("real",), 0, steps=30,
                       held=(held,))  # fmt: skip
    assert beta[1] == 0.7
    gradient = objective.slopes((beta,), False).gradient[0]
    assert np.abs(gradient[[0, 2]]).max() < 1e-9 < abs(gradient[1])


def test_values_at_the_edge_stay_without_nan() -> None:
    objective = Dirichlet(10.0, np.array([[-1.0, -2.0, -1.5], [-1.0, -2.0, -1.5]]))
    start = np.array([[1.0, 2.0, 3.0], [1.0, 0.0, 3.0]])
    (a,) = maximise(objective, (start,), ("positive",), 1, steps=30)
    assert np.array_equal(a[1], start[1])  # infinite there: the start is left
    assert np.isfinite(a[0]).all()
    (k,) = maximise(VonMises(1.0, np.array([0.5, 0.5])), (np.array([0.0, 1.0]),),
                    ("positive",), 1, steps=30)  # fmt: skip
    assert k[0] == 0.0
    assert np.isclose(k[1], 1.1593, atol=1e-4)


def test_a_restriction_is_obeyed_and_the_best_within_it() -> None:
    x, y = logistic_data(p=4)
    objective = Logistic(x, y, np.ones(len(y)))
    # beta[1] = beta[2], and beta[0] + beta[3] = 0.3
    matrix = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [-1.0, 0.0]])
    rule = Restriction(np.array([0.0, 0.0, 0.0, 0.3]), matrix)
    (beta,) = maximise(objective, (np.zeros(4),), ("real",), 0, steps=30, restriction=rule)
    assert beta[1] == beta[2]
    assert beta[0] + beta[3] == pytest.approx(0.3, abs=1e-15)
    assert np.abs(objective.slopes((beta,), False).gradient[0] @ matrix).max() < 1e-9


def test_a_restriction_with_held_entries_and_another_kind() -> None:
    rng = np.random.default_rng(7)
    y = rng.negative_binomial(2.0, 0.3, (1, 500))[0]
    objective = NegativeBinomial(y, 1.0)
    start = (np.array(2.0), np.array(2.0))
    tie = Restriction(np.zeros(2), np.ones((2, 1)))
    r, mu = maximise(objective, start, ("positive",) * 2, 0, steps=40, restriction=tie)
    assert r == mu
    slopes = objective.slopes((r, mu), False).gradient
    assert abs(slopes[0] + slopes[1]) < 1e-8
    held = (np.array(True), None)
    r, mu = maximise(objective, start, ("positive",) * 2, 0, steps=40, restriction=tie, held=held)
    assert (r, mu) == (2.0, 2.0)


def test_ties_beside_a_held_entry_are_exact() -> None:
    x, y = logistic_data(p=6)
    objective = Logistic(x, y, np.ones(len(y)))
    ties = np.eye(6)[:, [0, 1, 2]][[0, 1, 2, 0, 1, 2]]  # beta[i] = beta[i + 3]
    start = np.array([0.0, 0.0, 0.7, 0.0, 0.0, 0.0])
    (beta,) = maximise(objective, (start,), ("real",), 0, steps=30, held=(start > 0.5,),
                       restriction=Restriction(np.zeros(6), ties))  # fmt: skip
    assert np.array_equal(beta[:3], beta[3:])
    assert beta[2] == 0.7
    gradient = objective.slopes((beta,), False).gradient[0] @ ties
    assert np.abs(gradient[:2]).max() < 1e-9 < abs(gradient[2])


def test_a_restricted_batch_and_an_unknown_kind_are_refused() -> None:
    x, y = logistic_data()
    objective = Logistic(x, y, np.ones((2, len(y))))
    rule = Restriction(np.zeros(3), np.eye(3))
    with pytest.raises(ValueError, match="a restriction is for one problem"):
        maximise(objective, (np.zeros((2, 3)),), ("real",), 1, steps=1, restriction=rule)
    with pytest.raises(ValueError, match="no unconstrained coordinates of a posdef"):
        maximise(objective, (np.zeros((2, 3)),), ("posdef",), 1, steps=1)


def test_many_unknowns_go_by_lbfgs_to_the_same_maximum() -> None:
    rng = np.random.default_rng(8)
    x = rng.normal(size=(400, 101))
    r = special.softmax(x @ rng.normal(size=(101, 4)), axis=1)
    objective = Softmax(x, r, ridge=1.0)
    (w,) = maximise(objective, (np.zeros((4, 101)),), ("real",), 0, steps=100)
    assert np.abs(objective.slopes((w,), False).gradient[0]).max() < 1e-3
    again = objective.value((w,))
    (w,) = maximise(objective, (w,), ("real",), 0, steps=1)
    assert objective.value((w,)) >= again


def test_lbfgs_in_a_batch_with_logs_and_a_bad_problem() -> None:
    rng = np.random.default_rng(9)
    logs = np.log(rng.dirichlet(np.full(320, 2.0), size=(3, 100))).mean(1)
    logs[1] = np.nan
    start = np.ones((3, 320))
    (a,) = maximise(Dirichlet(100.0, logs), (start,), ("positive",), 1, steps=100)
    assert np.array_equal(a[1], start[1])
    for i in (0, 2):
        gradient = special.digamma(a[i].sum()) - special.digamma(a[i]) + logs[i]
        assert np.abs(gradient * a[i]).max() < 1e-3


@pytest.mark.parametrize("far", [-1000.0, -30.0, 30.0, 1000.0])
def test_a_start_where_every_probability_is_saturated_is_left(far: float) -> None:
    x, y = logistic_data()
    objective = Logistic(x, y, np.ones(len(y)))
    (best,) = maximise(objective, (np.zeros(3),), ("real",), 0, steps=30)
    (beta,) = maximise(objective, (far * best,), ("real",), 0, steps=60)
    assert np.allclose(beta, best, rtol=1e-8)


def test_counts_in_the_millions_from_zero() -> None:
    x, _ = logistic_data()
    y = np.random.default_rng(0).poisson(np.exp(x @ [14.0, 1.0, -0.5]))
    (beta,) = maximise(Poisson(x, y), (np.zeros(3),), ("real",), 0, steps=60)
    assert np.allclose(x.T @ (y - np.exp(x @ beta)), 0.0, atol=1e-3)
