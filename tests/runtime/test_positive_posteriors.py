"""Posteriors of a positive latent against quadrature, SciPy, differences and draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from posterior_oracles import assert_drawn, integrated, slopes
from scipy import special, stats

from emdsl import runtime as rt
from emdsl.runtime.how import Best, Draw

gig = rt.generalised_inverse_gaussian


def one(*values: float) -> tuple[Any, ...]:
    return tuple(np.array([v]) for v in values)


# --- gamma, and powers of it -------------------------------------------------------------------


@pytest.mark.parametrize("power", [1.0, -1.0, 2.0, 0.5, -0.3, 7.0])
@pytest.mark.parametrize("shape", [1e-3, 0.4, 1.0, 3.7, 400.0])
@pytest.mark.parametrize("rate", [1e-8, 0.3, 1e8])
def test_gamma_by_quadrature(power: float, shape: float, rate: float) -> None:
    a = shape * power - 1.0
    message, moments = rt.gamma(one(a, -rate), power=power)

    def log_joint(t: float) -> float:  # t = log u^power + log rate, du = u dt / |power|
        return shape * (t - np.log(rate)) - np.exp(t) - np.log(abs(power))

    total, (mean, up) = integrated(log_joint, [lambda t: t, np.exp], -np.inf, np.inf)
    assert message[0] == pytest.approx(total, rel=1e-11, abs=1e-11)
    log_u = (mean - np.log(rate)) / power
    assert moments[0][0] == pytest.approx(log_u, rel=1e-9, abs=1e-11 * max(1 / shape, 1))
    assert moments[1][0] == pytest.approx(up / rate, rel=1e-9)


@pytest.mark.parametrize("power", [1.0, -1.0, 2.5])
def test_gamma_summaries(power: float) -> None:
    """Against the distributions' own, far out as well, where differences would cancel."""
    for shape in (0.3, 1.5, 2.5, 80.0, 1e6):
        for rate in (1e-3, 2.0):
            natural = one(shape * power - 1.0, -rate)
            mean, variance = rt.gamma_summary(natural, power=power)
            known = stats.gengamma(shape, power, scale=rate ** (-1 / power))
            if power == 1.0:
                wanted = shape / rate, shape / rate**2
            elif power == -1.0:
                low = shape - 1
                wanted = (
                    rate / low if low > 0 else np.inf,
                    rate**2 / (low**2 * (shape - 2)) if shape > 2 else np.inf,
                )
            else:
                wanted = known.mean(), known.var() if shape < 1e5 else variance[0]
            assert mean[0] == pytest.approx(wanted[0], rel=1e-9)
            assert variance[0] == pytest.approx(wanted[1], rel=1e-8)
            if power == -1.0:
                assert rt.inverse_gamma_summary(natural)[0][0] == mean[0]


def test_inverse_gamma_is_as_scipys() -> None:
    shape, scale = np.array([0.5, 3.0, 20.0]), np.array([2.0, 1e-6, 1e6])
    message, (log_u, inverse) = rt.inverse_gamma((-shape - 1, -scale))
    x = scale / 3
    density = stats.invgamma.logpdf(x, shape, scale=scale)
    np.testing.assert_allclose((-shape - 1) * np.log(x) - scale / x - message, density, rtol=1e-12)
    np.testing.assert_allclose(inverse, shape / scale)
    np.testing.assert_allclose(log_u, np.log(scale) - special.digamma(shape))


@pytest.mark.parametrize("power", [1.0, -1.0, 3.0])
def test_gamma_moments_are_slopes(power: float) -> None:
    for shape, rate in ((0.2, 3.0), (5.0, 0.01), (300.0, 40.0)):
        natural = [shape * power - 1.0, -rate]
        _, moments = rt.gamma(one(*natural), power=power)
        step = [1e-5 * shape * abs(power), 1e-5 * rate]
        found = slopes(lambda n: rt.gamma(one(*n), power=power)[0], natural, step)
        np.testing.assert_allclose(np.ravel(moments), found, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("power", [1.0, -1.0, 2.0])
@pytest.mark.parametrize("shape", [0.05, 1.0, 30.0])
def test_gamma_draws(power: float, shape: float) -> None:
    natural = np.full((2, 100_000), shape * power - 1.0), np.array([[-2.0], [-1e-4]])
    exact = rt.gamma((natural[0][:, :1], natural[1]), power=power)
    message, drawn = rt.gamma(natural, Draw(np.random.default_rng(1)), power=power)
    np.testing.assert_allclose(message[:, :1], exact[0], rtol=1e-13)
    for draws, mean in zip(drawn, exact[1], strict=True):
        assert np.isfinite(draws).all()
        assert_drawn(draws, mean[:, 0])
    u = np.exp(power * drawn[0])
    np.testing.assert_allclose(u, drawn[1], rtol=1e-9, atol=1e-300)
    assert stats.kstest(2.0 * drawn[1][0], stats.gamma(shape).cdf).pvalue > 1e-4


@settings(max_examples=40, deadline=None)
@given(
    states=st.sampled_from([(), (2,), (2, 3)]),
    lasts=st.tuples(*[st.sampled_from([1, 5])] * 3),
    bare=st.integers(0, 3),
    seed=st.integers(0, 99),
)
def test_coefficients_broadcast(states: Any, lasts: Any, bare: int, seed: int) -> None:
    """Shared over rows, or over states, they give what they give spelt out."""
    rng = np.random.default_rng(seed)
    parts = [
        -rng.gamma(2.0, size=((last,) if k == bare else (*states, last)))
        for k, last in enumerate(lasts)
    ]
    for family, natural in (
        (rt.gamma, (-parts[0], parts[1])),
        (rt.inverse_gamma, (parts[0] - 1, parts[1])),
        (rt.beta, (-parts[0], -parts[1])),
        (gig, tuple(parts)),
        (lambda n, *how: rt.truncated_normal(n, 0.5, np.inf, *how), (parts[0], parts[1])),
        (lambda n, *how: rt.truncated_normal(n, parts[2], 3.0, *how), (parts[0], parts[1])),
    ):  # fmt: skip
        message, moments = family(natural)
        whole = tuple(np.array(x) for x in np.broadcast_arrays(*natural))
        spelt, others = family(whole)
        if message.shape == spelt.shape:
            np.testing.assert_allclose(message, spelt, rtol=1e-12, atol=1e-12)
        for m, o in zip(moments, others, strict=True):
            assert m.shape == message.shape
            np.testing.assert_allclose(np.broadcast_to(m, o.shape), o, rtol=1e-12)
        drawn = family(natural, Draw(rng))
        assert {x.shape for x in (drawn[0], *drawn[1])} == {message.shape}


# --- the generalised inverse Gaussian ----------------------------------------------------------

ORDERS = [-300.0, -3.0, -0.5, -1e-3, 0.0, 0.2, 0.5, 1.5, 50.0]


@pytest.mark.parametrize("order", ORDERS)
def test_generalised_inverse_gaussian_by_quadrature(order: float) -> None:
    rates = [(1e-6, 1e-6), (1e-6, 0.3), (0.3, 2.0), (1.0, 1e5), (1e5, 1e5), (50.0, 1e-6)]
    for p, q in rates:
        message, moments = gig(one(order - 1, -p, -q))
        total, means = integrated(
            lambda t, p=p, q=q: order * t - p * np.exp(t) - q * np.exp(-t),  # type: ignore[misc]
            [lambda t: t, np.exp, lambda t: np.exp(-t)],
            -np.inf,
            np.inf,
        )
        assert message[0] == pytest.approx(total, rel=1e-12, abs=1e-12)
        assert moments[0][0] == pytest.approx(means[0], rel=1e-10, abs=1e-12)
        assert moments[1][0] == pytest.approx(means[1], rel=1e-11)
        assert moments[2][0] == pytest.approx(means[2], rel=1e-11)


def test_orders_of_half_integers_are_their_closed_forms() -> None:
    """K_{1/2}(z) = sqrt(pi / (2 z)) exp(-z), and on by K_{v+1} = K_{v-1} + 2 v / z K_v."""
    for z in (1e-300, 1e-100, 1e-30, 1e-8, 1e-3, 0.7, 3.0, 40.0, 1e4, 1e8):
        log_half = 0.5 * np.log(np.pi / (2 * z)) - z
        ratios = [1.0]  # K_{v+1} / K_v at v = -1/2, 1/2, 3/2, ...
        with np.errstate(over="ignore"):
            for v in (0.5, 1.5, 2.5):
                ratios.append(1 / ratios[-1] + 2 * v / z)
        log_k = log_half
        for i, v in enumerate((0.5, 1.5, 2.5)):
            for sign in (1.0, -1.0):
                message, (_, up, down) = gig(one(sign * v - 1, -z / 2, -z / 2))
                assert message[0] == pytest.approx(np.log(2) + log_k, rel=1e-13, abs=1e-13)
                wanted = ratios[i + 1], 1 / ratios[i]
                if np.isfinite(wanted[0]):
                    found = (up, down) if sign > 0 else (down, up)
                    np.testing.assert_allclose(np.ravel(found), wanted, rtol=2e-13)
            log_k += np.log(ratios[i + 1])
            if not np.isfinite(log_k):
                break


def test_the_slope_in_the_order_at_one_half_is_an_exponential_integral() -> None:
    """d log K_v(z) / dv = exp(2 z) E_1(2 z) at v = 1/2 (DLMF 10.38.7): E[log u] where p = q."""
    for z in (1e-100, 1e-8, 0.01, 0.7, 5.0, 300.0, 1e6):
        log_u = gig(one(-0.5, -z / 2, -z / 2))[1][0][0]
        x = 2 * z
        wanted = (
            special.exp1(x) * np.exp(x)
            if x < 600
            else (1 - 1 / x + 2 / x**2 - 6 / x**3 + 24 / x**4) / x
        )
        assert log_u == pytest.approx(wanted, rel=1e-11, abs=1e-14)
        assert gig(one(-1.5, -z / 2, -z / 2))[1][0][0] == pytest.approx(-log_u, rel=1e-14)


def test_the_log_integral_is_as_scipys_bessel_function() -> None:
    rng = np.random.default_rng(3)
    v, z = rng.uniform(-20, 20, 2000), np.exp(rng.uniform(-7, 7, 2000))
    message, (_, up, down) = gig((v - 1, -z / 2, -z / 2))
    scaled = special.kve(v, z)
    np.testing.assert_allclose(message, np.log(2 * scaled) - z, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(up, special.kve(v + 1, z) / scaled, rtol=1e-11)
    np.testing.assert_allclose(down, special.kve(v - 1, z) / scaled, rtol=1e-11)
    # integration by parts: v = p E[u] - q E[1 / u], whatever v
    np.testing.assert_allclose(z / 2 * (up - down), v, rtol=1e-9, atol=1e-9)


def test_large_orders_and_arguments_by_integration_by_parts() -> None:
    for v in (1e4, 1e8):
        for z in (1e-150, 1e-8, 1.0, 1e4, 1e8):
            _, (_, up, down) = gig(one(v - 1, -z / 2, -z / 2))
            assert z / 2 * (up[0] - down[0]) == pytest.approx(v, rel=1e-7)
    # the gamma distribution's limit
    message, (log_u, up, down) = gig(one(1e4 - 1, -2.0, -1e-280))
    wanted, (log_wanted, mean) = rt.gamma(one(1e4 - 1, -2.0))
    np.testing.assert_allclose(
        [message, log_u, up, down], [wanted, log_wanted, mean, 2.0 / (1e4 - 1 + np.zeros(1))],
        rtol=1e-12,
    )  # fmt: skip


def test_anything_proper_has_moments_and_draws_that_agree() -> None:
    rng = np.random.default_rng(12)
    n = 20_000

    def spread(low: float, high: float) -> Any:
        return np.exp(rng.uniform(np.log(low), np.log(high), n))

    order = rng.choice([-1, 0, 1], n) * spread(1e-12, 1e10)
    for low, high in ((1e-12, 1e12), (1e-250, 1e250)):
        p, q = spread(low, high), spread(low, high)
        message, (log_u, up, down) = gig((order - 1, -p, -q))
        mean, variance = rt.generalised_inverse_gaussian_summary((order - 1, -p, -q))
        assert np.isfinite(message).all()
        assert np.isfinite(log_u).all()
        assert not np.isnan(variance).any()
        np.testing.assert_allclose(mean, up, rtol=1e-12)
        # Jensen's inequality, and integration by parts: order = p E[u] - q E[1 / u]
        assert (np.log(up) >= log_u - 1e-12 * (1 + abs(log_u))).all()
        assert (np.log(down) >= -log_u - 1e-12 * (1 + abs(log_u))).all()
        size = p * up + q * down
        np.testing.assert_allclose((p * up - q * down) / size, order / size, atol=1e-11)
        drawn = gig((order - 1, -p, -q), Draw(rng))[1]
        share = (p * drawn[1] + q * drawn[2]) / size
        moderate = (p * up > 1e-3) & (q * down > 1e-3) & (abs(order) > 3)
        assert share[moderate].mean() == pytest.approx(1.0, abs=0.05)
        assert np.isfinite(drawn[0]).all()


def test_moments_of_the_generalised_inverse_gaussian_are_slopes() -> None:
    for natural in (
        [-1.5, -1.0, -2.0],
        [2.0, -1e-4, -3e-3],
        [-0.99, -5.0, -1e-3],
        [80.0, -9.0, -1.0],
    ):
        _, moments = gig(one(*natural))
        step = [1e-4, *(1e-4 * abs(x) for x in natural[1:])]
        found = slopes(lambda n: gig(one(*n))[0], natural, step)
        np.testing.assert_allclose(np.ravel(moments), found, rtol=1e-6, atol=1e-8)


def test_without_a_term_it_is_gamma_or_inverse_gamma() -> None:
    for shape in (0.5, 1.5, 40.0):
        message, (log_u, up, down) = gig(one(shape - 1, -2.0, 0.0))
        gamma = rt.gamma(one(shape - 1, -2.0))
        np.testing.assert_allclose(message, gamma[0], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose((log_u, up), gamma[1], rtol=1e-11)
        assert down[0] == pytest.approx(2 / (shape - 1) if shape > 1 else np.inf)
        mean, variance = rt.generalised_inverse_gaussian_summary(one(shape - 1, -2.0, 0.0))
        assert (mean[0], variance[0]) == (pytest.approx(shape / 2), pytest.approx(shape / 4))
        message, (log_u, up, down) = gig(one(-shape - 1, 0.0, -2.0))
        inverse = rt.inverse_gamma(one(-shape - 1, -2.0))
        np.testing.assert_allclose(message, inverse[0], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose((log_u, down), inverse[1], rtol=1e-11)
        mean, variance = rt.generalised_inverse_gaussian_summary(one(-shape - 1, 0.0, -2.0))
        wanted = rt.inverse_gamma_summary(one(-shape - 1, -2.0))
        np.testing.assert_allclose((mean, variance), wanted, rtol=1e-11)
        assert up[0] == pytest.approx(mean[0])


def test_the_generalised_inverse_gaussians_mean_and_variance() -> None:
    for order, p, q in ((-0.5, 1.0, 2.0), (0.5, 3.0, 1e-6), (-4.0, 0.01, 9.0), (100.0, 5.0, 5.0)):
        mean, variance = rt.generalised_inverse_gaussian_summary(one(order - 1, -p, -q))
        known = stats.geninvgauss(order, 2 * np.sqrt(p * q), scale=np.sqrt(q / p))
        assert mean[0] == pytest.approx(known.mean(), rel=1e-7)
        assert variance[0] == pytest.approx(known.var(), rel=1e-6)


@pytest.mark.parametrize("order", [-20.0, -0.5, 0.0, 0.3, 2.0, 500.0])
@pytest.mark.parametrize("z", [1e-8, 0.3, 20.0, 1e5])
def test_draws_of_the_generalised_inverse_gaussian(order: float, z: float) -> None:
    natural = one(order - 1, -z / 4, -z)
    exact = gig(natural)[1]
    many = (np.full(50_000, order - 1), *natural[1:])
    message, drawn = gig(many, Draw(np.random.default_rng(2)))
    assert np.ptp(message) == 0.0
    for draws, mean in zip(drawn, exact, strict=True):
        # of a heavy tail the mean says little; logs do
        if draws is drawn[0] or (z > 0.1 and abs(order) < 100) or z > 10:
            assert_drawn(draws, mean[0])
    np.testing.assert_allclose(drawn[1] * drawn[2], 1.0, rtol=1e-12)
    if 0.1 < z < 100 and abs(order) < 100:
        known = stats.geninvgauss(order, z, scale=2.0)
        assert stats.kstest(drawn[1][:3000], known.cdf).pvalue > 1e-4


def test_draws_in_the_limits() -> None:
    rng = np.random.default_rng(5)
    found = gig((np.full(50_000, 1.5), np.full(1, -2.0), np.zeros(1)), Draw(rng))[1][1]
    assert stats.kstest(found, stats.gamma(2.5, scale=0.5).cdf).pvalue > 1e-4
    found = gig((np.full(50_000, -1.3), np.zeros(1), np.full(1, -2.0)), Draw(rng))[1][1]
    assert stats.kstest(found, stats.invgamma(0.3, scale=2.0).cdf).pvalue > 1e-4


# --- what isn't proper -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: rt.gamma(one(-1.0, -1.0)), "shape must be positive, found 0"),
        (lambda: rt.gamma(one(np.nan, -1.0)), "found nan"),
        (lambda: rt.gamma(one(1.0, 0.0)), "coefficient of u must be negative, found 0"),
        (lambda: rt.gamma(one(1.0, 2.0), power=2.0), "u\\^power must be negative, found 2"),
        (lambda: rt.inverse_gamma(one(-0.5, -1.0)), "found -0.5"),
        (lambda: rt.inverse_gamma(one(-3.0, 1.0)), "1 / u must be negative"),
        (lambda: gig(one(1.0, 1.0, -1.0)), "coefficient of u must not be positive, found 1"),
        (lambda: gig(one(0.0, 0.0, -1.0)), "without a term in u .* found 0"),
        (lambda: gig(one(-2.0, -1.0, 0.0)), "without a term in 1 / u .* found -2"),
        (lambda: gig(one(-1.0, 0.0, 0.0)), "without a term in u"),
        (lambda: gig(one(np.inf, -1.0, -1.0)), "must be finite"),
        (lambda: rt.generalised_inverse_gaussian_summary(one(0.0, -1.0, np.nan)), "1 / u"),
        (lambda: rt.gamma_summary(one(-2.0, -1.0)), "found -1"),
    ],
)
def test_what_is_not_proper_is_said(call: Any, why: str) -> None:
    with pytest.raises(rt.ImproperError, match=why):
        call()


def test_the_place_is_said_and_modes_are_refused() -> None:
    rates = -np.ones((2, 3, 4))
    rates[1, 2, 3] = 0.0
    with pytest.raises(rt.ImproperError, match="row 3, state 1, 2") as caught:
        rt.gamma((np.zeros(1), rates))
    assert (caught.value.row, caught.value.state) == (3, (1, 2))
    for call in (rt.gamma, rt.inverse_gamma, gig):
        with pytest.raises(rt.NoModeError, match="isn't supported"):
            call(one(1.0, -1.0, -1.0), Best())  # type: ignore[operator]


def test_no_rows() -> None:
    none = np.zeros((2, 0))
    assert rt.gamma((none, none - 1))[0].shape == (2, 0)
    message, moments = gig((none, none - 1, none - 1))
    assert {x.shape for x in (message, *moments)} == {(2, 0)}
    assert gig((none, none - 1, none - 1), Draw(np.random.default_rng(0)))[1][0].shape == (2, 0)
