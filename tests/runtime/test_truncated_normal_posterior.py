"""Truncated normal posteriors against quadrature, SciPy, closed forms, differences and draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from posterior_oracles import assert_drawn, integrated, slopes
from scipy import special, stats

from emdsl import runtime as rt
from emdsl.runtime.how import Best, Draw

INF = np.inf
BOUNDS = [
    (0.0, INF), (-INF, 0.0), (-1.0, 2.0), (5.0, 5.1), (1.0, 1 + 1e-9), (-INF, INF), (40.0, INF),
    (-3.0, -1.0), (-1e-8, 1e-8), (1e4, 1e4 + 0.01),
]  # fmt: skip


def one(*values: float) -> tuple[Any, ...]:
    return tuple(np.array([v]) for v in values)


def proper(b: float, c: float, lower: float, upper: float) -> bool:
    up = upper < INF or c < 0 or (c == 0 and b < 0)
    return up and (lower > -INF or c < 0 or (c == 0 and b > 0))


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("c", [-1e3, -0.5, -1e-8, 0.0, 1e-6, 0.5, 30.0])
def test_by_quadrature(c: float, bounds: tuple[float, float]) -> None:
    lower, upper = bounds
    for b in (-1e4, -40.0, -1.0, 0.0, 0.3, 5.0, 200.0):
        if not proper(b, c, lower, upper):
            with pytest.raises(rt.ImproperError):
                rt.truncated_normal(one(b, c), lower, upper)
            continue
        message, (first, second) = rt.truncated_normal(one(b, c), lower, upper)
        mean, variance = rt.truncated_normal_summary(one(b, c), lower, upper)
        # from where it is highest, or from the middle where it has two peaks
        turn = float(np.clip(-b / (2 * c), lower, upper)) if c else (lower if b <= 0 else upper)
        slope = b + 2 * c * turn
        pieces = [(lower - turn, 0.0), (0.0, upper - turn)]
        sides = [
            integrated(
                lambda t, s=slope, c=c: s * t + c * t * t,  # type: ignore[misc]
                [lambda t: t, lambda t: t * t],
                *piece,
            )
            for piece in pieces
            if piece[0] < piece[1]
        ]
        total = np.logaddexp.reduce([s[0] for s in sides])
        share = [np.exp(s[0] - total) for s in sides]
        away = sum(p * s[1][0] for p, s in zip(share, sides, strict=True))
        square = sum(p * s[1][1] for p, s in zip(share, sides, strict=True))
        spread = square - away**2  # which cancels where the mass is far from `turn`
        base = turn * (b + c * turn)
        assert message[0] == pytest.approx(total + base, rel=1e-12, abs=1e-11)
        assert mean[0] == pytest.approx(turn + away, rel=1e-14, abs=1e-11 * np.sqrt(square))
        assert variance[0] == pytest.approx(spread, rel=1e-9, abs=1e-11 * square)
        assert first[0] == mean[0]
        assert second[0] == pytest.approx(mean[0] ** 2 + variance[0], rel=1e-15)


def test_forty_deviations_out_it_is_mills_ratio() -> None:
    """The mass beyond a is sqrt(2 pi) exp(-a^2 / 2) erfcx(a / sqrt 2) / 2 (DLMF 7.8.1)."""
    for a in (-8.0, 0.0, 3.0, 40.0, 1e3, 1e8, 1e150):
        message, (mean, _) = rt.truncated_normal(one(-a, -0.5), 0.0, INF)  # from the bound on
        ratio = np.sqrt(np.pi / 2) * special.erfcx(a / np.sqrt(2))
        assert message[0] == pytest.approx(np.log(ratio), rel=1e-12, abs=1e-12)
        if a <= 40:
            assert mean[0] == pytest.approx(1 / ratio - a, rel=1e-11 * max(a, 1) ** 2)
        elif a > 100:
            assert mean[0] == pytest.approx(1 / a * (1 - 2 / a**2), rel=1e-9)
        variance = rt.truncated_normal_summary(one(-a, -0.5), 0.0, INF)[1]
        if a > 100:
            assert variance[0] == pytest.approx(a**-2.0 * (1 - 6 / a / a), rel=1e-9)
    for a in (-40.0, -5.0, 0.0, 6.0, 37.0):  # the bound away from 0, in SciPy's form
        message, (mean, second) = rt.truncated_normal(one(0.0, -0.5), a, INF)
        known = stats.truncnorm(a, INF)
        wanted = 0.5 * np.log(2 * np.pi) + special.log_ndtr(-a)
        assert message[0] == pytest.approx(wanted, rel=1e-13, abs=1e-13)
        assert mean[0] == pytest.approx(known.mean(), rel=1e-9)
        assert second[0] == pytest.approx(known.moment(2), rel=1e-9)


def test_truncated_exponential_and_uniform() -> None:
    for rate, width in ((3.0, 2.0), (1e-9, 1.0), (1e9, 1.0), (50.0, 1e-8)):
        for sign in (1.0, -1.0):
            low, high = (0.0, width) if sign > 0 else (-width, 0.0)
            message, (mean, _) = rt.truncated_normal(one(-sign * rate, 0.0), low, high)
            x = rate * width
            assert message[0] == pytest.approx(np.log(-np.expm1(-x) / rate), rel=1e-12, abs=1e-12)
            exact = (
                1 / rate - width / np.expm1(min(x, 700.0)) if x > 1e-3 else width * (0.5 - x / 12)
            )
            assert sign * mean[0] == pytest.approx(exact, rel=1e-10)
    message, (mean, second) = rt.truncated_normal(one(0.0, 0.0), 2.0, 5.0)
    assert (message[0], mean[0], second[0]) == pytest.approx((np.log(3), 3.5, 13.0), rel=1e-13)
    message, (mean, second) = rt.truncated_normal(one(-4.0, 0.0), 1.0, INF)
    assert (message[0], mean[0]) == pytest.approx((-4 - np.log(4), 1.25), rel=1e-13)
    assert second[0] == pytest.approx(1.25**2 + 1 / 16, rel=1e-13)


def test_without_bounds_it_is_normal() -> None:
    b, c = np.array([0.3, -7.0, 1e8]), np.array([-0.5, -1e6, -0.5])
    message, (mean, second) = rt.truncated_normal((b, c), -INF, INF)
    wanted, (u,), squares = rt.normal((b[None],), {(0, 0): c[None, None]})
    np.testing.assert_allclose(message, wanted, rtol=1e-13)
    np.testing.assert_allclose(mean, u[0], rtol=1e-13)
    np.testing.assert_allclose(second, squares[0, 0][0, 0], rtol=1e-13)
    variance = rt.truncated_normal_summary((b, c), -INF, INF)[1]
    np.testing.assert_allclose(variance, -0.5 / c, rtol=1e-13)


def test_far_from_zero_and_in_small_units() -> None:
    """Shifted and scaled, it is what it was; so are the intervals one bit of 1e8 wide."""
    rng = np.random.default_rng(0)
    m, low = rng.normal(size=50), rng.normal(size=50)
    _, (mean, _) = rt.truncated_normal((m, np.full(1, -0.5)), low, low + 2.0)
    variance = rt.truncated_normal_summary((m, np.full(1, -0.5)), low, low + 2.0)[1]
    for scale in (1e-8, 1e8):
        natural = m / scale, np.full(1, -0.5 / scale**2)
        found, spread = rt.truncated_normal_summary(natural, low * scale, (low + 2.0) * scale)
        np.testing.assert_allclose(found, mean * scale, rtol=1e-12, atol=1e-13 * scale)
        np.testing.assert_allclose(spread, variance * scale**2, rtol=1e-12)
    bit = np.spacing(1e8)
    found, spread = rt.truncated_normal_summary(one(0.0, -0.5), 1e8, 1e8 + bit)
    assert 1e8 <= found[0] <= 1e8 + bit
    slope = 1e8
    exact = 1 / slope**2 - bit**2 * np.exp(-slope * bit) / np.expm1(-slope * bit) ** 2
    assert spread[0] == pytest.approx(exact, rel=1e-6)


def test_moments_are_slopes() -> None:
    for natural, low, high in (
        ([0.5, -0.5], 0.0, INF), ([-30.0, -2.0], 0.0, 3.0), ([1.0, 0.0], -1.0, 2.0),
        ([-2.0, 3.0], -1.0, 2.0), ([9.0, -0.1], -INF, 0.0), ([3.0, -4.0], -INF, INF),
    ):  # fmt: skip
        _, moments = rt.truncated_normal(one(*natural), low, high)

        def message(n: Any, bounds: Any = (low, high)) -> Any:
            return rt.truncated_normal(one(*n), *bounds)[0]

        found = slopes(message, natural, [1e-5, 1e-5])
        np.testing.assert_allclose(np.ravel(moments), found, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("b", "c", "lower", "upper"),
    [
        (0.5, -0.5, 0.0, INF), (-40.0, -0.5, 0.0, INF), (3.0, -0.5, -INF, 0.0),
        (0.2, -0.5, -0.3, 1.5), (0.0, -0.5, -0.01, 0.02), (-3.0, 0.0, 1.0, INF),
        (2.0, 0.0, -1.0, 1.0), (0.0, 0.0, 2.0, 3.0), (-1.0, 2.0, -1.0, 2.0), (1.0, 2.0, 1.0, 2.0),
        (0.3, 1e-9, -1.0, 1.0), (30.0, -0.5, 0.0, 25.0), (3e5, -0.5e10, -INF, INF),
    ],
)  # fmt: skip
def test_draws(b: float, c: float, lower: float, upper: float) -> None:
    natural = np.full(100_000, b), np.array([c])
    exact, moments = rt.truncated_normal(one(b, c), lower, upper)
    message, drawn = rt.truncated_normal(natural, lower, upper, Draw(np.random.default_rng(6)))
    np.testing.assert_allclose(message, exact[0], rtol=1e-14, atol=1e-14)
    assert ((drawn[0] >= lower) & (drawn[0] <= upper)).all()
    for draws, mean in zip(drawn, moments, strict=True):
        assert_drawn(draws, mean[0])
    np.testing.assert_array_equal(drawn[1], drawn[0] ** 2)

    def below(x: Any) -> Any:
        ends = np.maximum(np.atleast_1d(x), np.nextafter(lower, INF))
        return np.exp(rt.truncated_normal(one(b, c), lower, ends)[0] - exact[0])

    assert stats.kstest(drawn[0][:1000], below).pvalue > 1e-4


def test_anything_finite_has_moments_and_draws_that_agree() -> None:
    rng = np.random.default_rng(11)
    n = 50_000

    def spread(low: float, high: float) -> Any:
        return np.exp(rng.uniform(np.log(low), np.log(high), n))

    b = rng.choice([-1, 0, 1], n) * spread(1e-12, 1e12)
    c = rng.choice([-1, 0, 1], n) * spread(1e-12, 1e12)
    lower = rng.choice([-1, 1], n) * spread(1e-6, 1e6)
    upper = lower + spread(1e-9, 1e9)
    open_end = rng.random(n)
    lower[(open_end < 0.3) & ((c < 0) | ((c == 0) & (b > 0)))] = -INF
    upper[(open_end > 0.7) & ((c < 0) | ((c == 0) & (b < 0)))] = INF
    b, c, lower, upper = (x[lower < upper] for x in (b, c, lower, upper))
    message, (mean, _) = rt.truncated_normal((b, c), lower, upper)
    variance = rt.truncated_normal_summary((b, c), lower, upper)[1]
    assert np.isfinite(message).all()
    assert ((lower <= mean) & (mean <= upper) & (variance > 0)).all()
    drawn = rt.truncated_normal((b, c), lower, upper, Draw(rng))[1][0]
    assert ((lower <= drawn) & (drawn <= upper)).all()
    told = np.sqrt(variance) > 1e-12 * np.abs(mean)  # numbers lie close enough to tell
    z = ((drawn - mean) / np.sqrt(variance))[told]
    assert abs(z.mean()) < 0.03
    assert z.std() == pytest.approx(1.0, abs=0.03)


def test_each_row_has_its_bounds() -> None:
    lower = np.array([-INF, 0.0, -2.0, 1.0])
    upper = np.array([INF, INF, 0.5, 1.5])
    natural = np.array([[0.3], [-2.0]]), np.array([-0.5])
    message, (mean, second) = rt.truncated_normal(natural, lower, upper)
    assert message.shape == mean.shape == second.shape == (2, 4)
    for s, b in enumerate((0.3, -2.0)):
        for n in range(4):
            alone = rt.truncated_normal(one(b, -0.5), lower[n], upper[n])
            found = message[s, n], mean[s, n], second[s, n]
            wanted = alone[0][0], alone[1][0][0], alone[1][1][0]
            assert found == pytest.approx(wanted, rel=1e-13)
    none = rt.truncated_normal((np.zeros((3, 0)), np.array([-1.0])), 0.0, 1.0)
    assert none[0].shape == (3, 0)


@pytest.mark.parametrize(
    ("b", "c", "lower", "upper", "why"),
    [
        (0.0, -1.0, 2.0, 2.0, "lower bound must be below its upper bound, found 2"),
        (0.0, -1.0, 3.0, 2.0, "found 3"),
        (0.0, -1.0, INF, INF, "found inf"),
        (0.0, -1.0, np.nan, 2.0, "found nan"),
        (1.0, 0.0, 0.0, INF, "no upper bound and no u\\^2 .* negative, found 1"),
        (0.0, 0.0, -INF, 1.0, "no lower bound and no u\\^2 .* positive, found 0"),
        (0.0, 0.5, 0.0, INF, "no upper bound the coefficient of u\\^2 .* found 0.5"),
        (np.nan, -1.0, 0.0, 1.0, "must be finite"),
    ],
)
def test_what_is_not_proper_is_said(b: float, c: float, lower: Any, upper: Any, why: str) -> None:
    with pytest.raises(rt.ImproperError, match=why):
        rt.truncated_normal(one(b, c), lower, upper)


def test_the_place_is_said_and_modes_are_refused() -> None:
    lower = np.array([0.0, 0.0, 1.0])
    with pytest.raises(rt.ImproperError, match="row 2") as caught:
        rt.truncated_normal((np.zeros((2, 1)), np.array([-1.0])), lower, 1.0)
    assert caught.value.row == 2
    with pytest.raises(rt.NoModeError):
        rt.truncated_normal(one(0.0, -1.0), 0.0, 1.0, Best())
