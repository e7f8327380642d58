"""Beta and Dirichlet posteriors against quadrature, SciPy, differences and draws."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from posterior_oracles import assert_drawn, integrated, slopes
from scipy import special, stats

from emdsl import runtime as rt
from emdsl.runtime.gamma_functions import log_beta
from emdsl.runtime.how import Best, Draw


def one(*values: float) -> tuple[Any, ...]:
    return tuple(np.array([v]) for v in values)


@pytest.mark.parametrize("a", [1e-3, 0.5, 1.0, 12.0, 3000.0])
@pytest.mark.parametrize("b", [1e-3, 0.7, 5.0, 1e5])
def test_beta_by_quadrature(a: float, b: float) -> None:
    message, moments = rt.beta(one(a - 1, b - 1))

    def low(t: float) -> float:  # log u of t = logit u
        return -float(np.logaddexp(0.0, -t))

    def high(t: float) -> float:
        return -float(np.logaddexp(0.0, t))

    total, means = integrated(lambda t: a * low(t) + b * high(t), [low, high], -np.inf, np.inf)
    assert message[0] == pytest.approx(total, rel=1e-11, abs=1e-10)
    np.testing.assert_allclose(np.ravel(moments), means, rtol=1e-8, atol=1e-12)


def test_log_beta_far_out() -> None:
    """B(a, n) = (n - 1)! / (a (a + 1) ... (a + n - 1)), in exact fractions."""
    for a in (
        Fraction(1, 1000),
        Fraction(7, 2),
        Fraction(19, 2),
        Fraction(10**6),
        Fraction(10**12),
    ):
        for n in (1, 2, 9, 10, 11, 40):
            parts = [Fraction(max(k, 1)) / (a + k) for k in range(n)]
            exact = math.fsum(math.log(part) for part in parts)
            assert log_beta(np.array(float(a)), np.array(float(n))) == pytest.approx(
                exact, rel=1e-13, abs=1e-14
            )
            assert log_beta(np.array(float(n)), np.array(float(a))) == pytest.approx(
                exact, rel=1e-13, abs=1e-14
            )
    x = np.exp(np.random.default_rng(0).uniform(-5, 5, (2, 3000)))
    np.testing.assert_allclose(log_beta(*x), special.betaln(*x), rtol=1e-11, atol=1e-12)
    # B(a, a) = 2^(1 - 2 a) B(a, 1/2), with a large
    a = np.geomspace(10, 1e10, 50)
    duplication = (1 - 2 * a) * np.log(2) + log_beta(a, np.full(50, 0.5))
    np.testing.assert_allclose(log_beta(a, a), duplication, rtol=1e-14)


def test_moments_are_slopes() -> None:
    for natural in ([-0.3, 4.0], [800.0, 2.0], [1e5, 1e5]):
        _, moments = rt.beta(one(*natural))
        step = [1e-5 * (x + 1) for x in natural]
        found = slopes(lambda n: rt.beta(one(*n))[0], natural, step)
        np.testing.assert_allclose(np.ravel(moments), found, rtol=1e-6)
    natural = np.array([-0.5, 3.0, 700.0, 0.0])
    _, mean = rt.dirichlet(natural[:, None])
    found = slopes(
        lambda n: rt.dirichlet(np.array(n)[:, None])[0], list(natural), 1e-5 * (natural + 1)
    )
    np.testing.assert_allclose(mean[:, 0], found, rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(2, 6),
    states=st.sampled_from([(), (2,), (2, 3)]),
    rows=st.integers(0, 4),
    seed=st.integers(0, 99),
)
def test_dirichlet_is_as_scipys(size: int, states: Any, rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    alpha = rng.gamma(1.0, 3.0, size=(*states, size, rows)) + 1e-3
    message, mean = rt.dirichlet(alpha - 1)
    assert (message.shape, mean.shape) == ((*states, rows), alpha.shape)
    total = alpha.sum(axis=-2)
    wanted = special.gammaln(alpha).sum(axis=-2) - special.gammaln(total)
    np.testing.assert_allclose(message, wanted, rtol=1e-10, atol=1e-10)
    log_u = special.digamma(alpha) - special.digamma(total)[..., None, :]
    np.testing.assert_allclose(mean, log_u, rtol=1e-8, atol=1e-10)
    center, spread = rt.dirichlet_summary(alpha - 1)
    for at in np.ndindex(*states, rows):
        known = stats.dirichlet(alpha[(*at[:-1], slice(None), at[-1])])
        np.testing.assert_allclose(center[(*at[:-1], slice(None), at[-1])], known.mean())
        np.testing.assert_allclose(spread[(*at[:-1], slice(None), at[-1])], known.var())
    if size == 2:
        two, moments = rt.beta((alpha[..., 0, :] - 1, alpha[..., 1, :] - 1))
        np.testing.assert_allclose(two, message, rtol=1e-13)
        np.testing.assert_allclose(np.stack(moments, axis=-2), mean, rtol=1e-12)


def test_beta_summaries() -> None:
    for a, b in ((0.01, 0.01), (2.0, 5.0), (1e8, 3.0), (1e-8, 1e8)):
        mean, variance = rt.beta_summary(one(a - 1, b - 1))
        known = stats.beta(a, b)
        assert (mean[0], variance[0]) == (
            pytest.approx(known.mean(), rel=1e-7), pytest.approx(known.var(), rel=1e-7)
        )  # fmt: skip


@pytest.mark.parametrize(("a", "b"), [(0.01, 0.02), (0.5, 3.0), (40.0, 1000.0)])
def test_draws(a: float, b: float) -> None:
    rng = np.random.default_rng(4)
    exact = rt.beta(one(a - 1, b - 1))
    message, drawn = rt.beta((np.full(100_000, a - 1), np.array([b - 1])), Draw(rng))
    assert np.all(message == exact[0])
    for draws, mean in zip(drawn, exact[1], strict=True):
        assert np.isfinite(draws).all()
        assert_drawn(draws, mean[0])
    np.testing.assert_allclose(np.exp(drawn[0]) + np.exp(drawn[1]), 1.0, rtol=1e-14)
    alpha = np.array([a, b, 1.0, a])
    _, mean = rt.dirichlet(alpha[:, None] - 1)
    _, many = rt.dirichlet(np.repeat(alpha[:, None], 100_000, axis=1) - 1, Draw(rng))
    assert_drawn(many, mean[:, 0])
    np.testing.assert_allclose(np.exp(many).sum(axis=0), 1.0, rtol=1e-13)


def test_what_is_not_proper_is_said_and_modes_are_refused() -> None:
    with pytest.raises(rt.ImproperError, match=r"log u must be above -1, found -1"):
        rt.beta(one(-1.0, 0.0))
    with pytest.raises(rt.ImproperError, match=r"log\(1 - u\) must be above -1, found -3"):
        rt.beta_summary(one(0.0, -3.0))
    natural = np.zeros((2, 3, 5))
    natural[1, 2, 4] = -1.5
    with pytest.raises(rt.ImproperError, match=r"row 4, state 1 .* found -1.5"):
        rt.dirichlet(natural)
    with pytest.raises(rt.ImproperError, match="found nan"):
        rt.dirichlet(np.full((2, 1), np.nan))
    with pytest.raises(rt.NoModeError):
        rt.beta(one(0.0, 0.0), Best())
    with pytest.raises(rt.NoModeError):
        rt.dirichlet(natural, Best())
