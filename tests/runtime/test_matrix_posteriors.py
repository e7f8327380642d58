"""Wishart and inverse Wishart posteriors against SciPy, one entry's gamma, differences, draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from posterior_oracles import assert_drawn
from scipy import stats

from emdsl import runtime as rt
from emdsl.runtime.how import Best, Draw


def matrices(rng: np.random.Generator, size: int, shape: tuple[int, ...]) -> Any:
    """Positive definite (D, D, *shape)."""
    root = rng.normal(size=(size, size + 2, *shape))
    return np.einsum("ik...,jk...->ij...", root, root)


def placed(x: Any) -> Any:
    """(D, D, S..., B) as (S..., D, D, B)."""
    return np.moveaxis(x, (0, 1), (-3, -2))


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(1, 4),
    states=st.sampled_from([(), (2,), (2, 3)]),
    lasts=st.tuples(st.sampled_from([1, 20]), st.sampled_from([1, 20])),
    bare=st.booleans(),
    seed=st.integers(0, 99),
)
@example(size=1, states=(), lasts=(1, 1), bare=False, seed=26)  # has no variance
def test_as_scipys(size: int, states: Any, lasts: Any, bare: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    freedom = size - 1 + rng.gamma(2.0, 2.0, size=(*states, lasts[0])) + 3.5
    scale = matrices(rng, size, (lasts[1],) if bare else (*states, lasts[1]))
    skew = rng.normal(size=scale.shape)
    skew = skew - np.swapaxes(skew, 0, 1)  # adds nothing: U is symmetric
    shape = (*states, max(lasts))
    inverses = np.moveaxis(np.linalg.inv(np.moveaxis(scale, (0, 1), (-2, -1))), (-2, -1), (0, 1))
    for call, summary, log_det, coefficient, family in (
        (rt.wishart, rt.wishart_summary, 0.5 * (freedom - size - 1), -0.5 * inverses,
         stats.wishart),
        (rt.inverse_wishart, rt.inverse_wishart_summary, -0.5 * (freedom + size + 1),
         -0.5 * scale, stats.invwishart),
    ):  # fmt: skip
        natural = (log_det, placed(coefficient + skew))
        message, (log_u, mean) = call(natural)
        assert message.shape == log_u.shape == shape
        assert mean.shape == (*shape[:-1], size, size, shape[-1])
        center, spread = summary(natural)
        assert center.shape == spread.shape == mean.shape
        x = matrices(rng, size, ())
        stat = x if family is stats.wishart else np.linalg.inv(x)
        for at in [(0,) * len(shape), tuple(n - 1 for n in shape)]:

            def pick(y: Any, at: Any = at) -> Any:
                y = y.reshape(size, size, *(1,) * (2 + len(shape) - y.ndim), *y.shape[2:])
                y = np.broadcast_to(y, (size, size, *shape))
                return y[(..., *at)]

            k = float(np.broadcast_to(freedom, shape)[at])
            known = family(k, pick(scale))
            log_joint = 0.5 * (k - size - 1) if family is stats.wishart else -0.5 * (k + size + 1)
            log_joint = log_joint * np.linalg.slogdet(x)[1] + (pick(coefficient) * stat).sum()
            assert log_joint - message[at] == pytest.approx(known.logpdf(x), rel=1e-8, abs=1e-8)
            place = (*at[:-1], slice(None), slice(None), at[-1])
            np.testing.assert_allclose(center[place], known.mean(), rtol=1e-7, atol=1e-10)
            # SciPy says None of an inverse Wishart with no variance: k at most D + 3
            wanted = known.var()
            assert (wanted is None) == (family is stats.invwishart and k <= size + 3)
            wanted = np.nan if wanted is None else wanted
            np.testing.assert_allclose(spread[place], wanted, rtol=1e-7, atol=1e-10)
            if family is stats.wishart:
                np.testing.assert_allclose(mean[place], known.mean(), rtol=1e-7, atol=1e-10)


def test_one_entry_is_gamma() -> None:
    a, c = np.array([-0.7, 0.0, 30.0]), np.array([-1e-8, -2.0, -1e8])
    message, (log_u, mean) = rt.wishart((a, c[None, None]))
    wanted, (log_wanted, u) = rt.gamma((a, c))
    np.testing.assert_allclose(message, wanted, rtol=1e-12)
    np.testing.assert_allclose(log_u, log_wanted, rtol=1e-12)
    np.testing.assert_allclose(mean[0, 0], u, rtol=1e-12)
    message, (log_u, mean) = rt.inverse_wishart((-a - 2, c[None, None]))
    wanted, (log_wanted, u) = rt.inverse_gamma((-a - 2, c))
    np.testing.assert_allclose(message, wanted, rtol=1e-12)
    np.testing.assert_allclose(log_u, log_wanted, rtol=1e-12)
    np.testing.assert_allclose(mean[0, 0], u, rtol=1e-12)


@pytest.mark.parametrize("rows", [1, 30])
def test_moments_are_slopes(rows: int) -> None:
    rng = np.random.default_rng(2)
    size, step = 3, 1e-6
    coefficient = -matrices(rng, size, (2, rows))
    for call, a in ((rt.wishart, 1.7), (rt.inverse_wishart, -5.5)):

        def message(a: Any, c: Any, call: Any = call) -> Any:
            return call((np.full((2, 1), a), placed(c)))[0]

        _, (log_u, mean) = call((np.full((2, 1), a), placed(coefficient)))
        found = (message(a + step, coefficient) - message(a - step, coefficient)) / (2 * step)
        np.testing.assert_allclose(log_u, found, rtol=1e-6, atol=1e-6)
        for i, j in np.ndindex(size, size):
            up, down = coefficient.copy(), coefficient.copy()
            up[i, j] += step
            down[i, j] -= step
            found = (message(a, up) - message(a, down)) / (2 * step)
            np.testing.assert_allclose(mean[:, i, j], found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("a", [-0.9, 2.0])
def test_draws(a: float) -> None:
    rng = np.random.default_rng(3)
    coefficient = placed(-matrices(rng, 3, (1,)))
    for call, log_det in ((rt.wishart, a), (rt.inverse_wishart, -a - 4)):
        exact = call((np.array([log_det]), coefficient))
        message, (log_u, u) = call((np.full(100_000, log_det), coefficient), Draw(rng))
        np.testing.assert_allclose(message, exact[0][0], rtol=1e-13)
        assert_drawn(log_u, exact[1][0][0])
        assert_drawn(u, exact[1][1][..., 0])
        sign, known = np.linalg.slogdet(np.moveaxis(u[..., :200], -1, 0))
        good = sign > 0  # of the nearly singular rounding may leave no determinant
        assert good.mean() > 0.9
        if a > 0:
            expected = known if call is rt.wishart else -known
            np.testing.assert_allclose(log_u[:200][good], expected[good], rtol=1e-5, atol=1e-5)


def test_what_is_not_proper_is_said_and_modes_are_refused() -> None:
    rng = np.random.default_rng(4)
    c = placed(-matrices(rng, 2, (3, 40)))
    with pytest.raises(rt.ImproperError, match=r"log \|U\| must be above -1, found -1"):
        rt.wishart((np.array([-1.0]), c))
    with pytest.raises(rt.ImproperError, match=r"log \|U\| must be below -2, found -2"):
        rt.inverse_wishart((np.array([-2.0]), c))
    c[1, :, :, 17] *= -1
    with pytest.raises(rt.ImproperError, match=r"row 17, state 1 .*of U isn't") as caught:
        rt.wishart((np.array([0.0]), c))
    assert (caught.value.row, caught.value.state) == (17, (1,))
    with pytest.raises(rt.ImproperError, match=r"of U\^-1 isn't positive definite"):
        rt.inverse_wishart_summary((np.array([-4.0]), c))
    for call in (rt.wishart, rt.inverse_wishart):
        with pytest.raises(rt.NoModeError):
            call((np.array([0.0]), c), Best())


def test_summaries_where_there_is_none() -> None:
    c = -np.eye(2)[..., None]
    mean, variance = rt.inverse_wishart_summary((np.array([-2.6]), c))  # 2.2 degrees of freedom
    assert np.isnan(mean).all()
    assert np.isnan(variance).all()
    mean, variance = rt.inverse_wishart_summary((np.array([-3.5]), c))  # 4
    assert np.isfinite(mean).all()
    assert np.isnan(variance).all()
