"""Distribution functions' logs, differences and slopes, against SciPy and against differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import integrate, special, stats

from emdsl.runtime import cumulative as c
from emdsl.runtime import gamma_tails as g

Z = np.array([-1e6, -4000.0, -80.0, -31.0, -29.0, -8.0, -1.0, 0.0, 0.5, 3.0, 9.0, 40.0, 200.0])


def test_log_ndtr_and_its_slopes() -> None:
    assert np.allclose(c.log_ndtr(Z), stats.norm.logcdf(Z), rtol=1e-13)
    ratio = np.exp(stats.norm.logpdf(Z[2:]) - stats.norm.logcdf(Z[2:]))
    assert np.allclose(c.inverse_mills(Z[2:]), ratio, rtol=1e-11)
    far = np.array([-1e6, -4000.0])
    assert np.allclose(c.inverse_mills(far), -far - 1.0 / far, rtol=1e-12)  # Mills' own bounds
    assert np.allclose(c.mills_slope(far), 1.0 - 1.0 / far**2, rtol=1e-12)
    slope = c.mills_slope(Z)
    assert ((slope >= 0.0) & (slope <= 1.0)).all()


SLOPES: list[tuple[Callable[..., Any], Callable[..., Any], float, list[float]]] = [
    (c.log_ndtr, c.inverse_mills, 1.0, [-35.0, -29.9, -3.0, 0.0, 2.0]),
    (c.inverse_mills, c.mills_slope, -1.0, [-35.0, -30.1, -29.9, -3.0, 0.0, 2.0]),
    (c.log_one_less, c.over_expm1, 1.0, [0.01, 0.7, 3.0, 30.0]),
    (c.log_laplace, c.laplace_slope, 1.0, [-3.0, 0.2, 5.0]),
    (c.laplace_slope, c.laplace_bend, -1.0, [-3.0, 0.2, 5.0]),
]


@pytest.mark.parametrize(
    ("of", "slope", "sign", "at"), SLOPES, ids=lambda x: getattr(x, "__name__", "")
)
def test_slopes_are_differences(
    of: Callable[..., Any], slope: Callable[..., Any], sign: float, at: list[float]
) -> None:
    x = np.array(at)
    h = 1e-5 * np.maximum(1.0, np.abs(x))
    found = sign * (of(x + h) - of(x - h)) / (2.0 * h)
    assert np.allclose(slope(x), found, rtol=2e-6, atol=1e-12)


@pytest.mark.parametrize("middle", [-60.0, -9.0, -0.1, 0.0, 7.0, 60.0])
@pytest.mark.parametrize("width", [1e-3, 0.5, 4.0])
def test_log_between_keeps_its_digits_in_both_tails(middle: float, width: float) -> None:
    a, b = middle - width / 2, middle + width / 2
    logs = (c.log_ndtr(a), c.log_ndtr(b), c.log_ndtr(-a), c.log_ndtr(-b))
    top = -min(a * a, b * b) / 2 if a * b > 0 else 0.0
    mass = integrate.quad(lambda x: np.exp(-x * x / 2 - top), a, b, epsabs=0.0, epsrel=1e-12)[0]
    wanted = np.log(mass) + top - np.log(2 * np.pi) / 2
    assert c.log_between(*logs) == pytest.approx(wanted, rel=1e-11, abs=2e-11 / width)
    shares = [float(c.between_share(*logs, i)) for i in range(4)]
    # e^(log F(b)) - e^(log F(a)) is the whole, of whichever tail it is taken in
    assert shares[1] - shares[0] + shares[2] - shares[3] == pytest.approx(1.0, rel=1e-9 / width)
    assert np.isfinite(shares).all()


def test_nothing_between_is_finite() -> None:
    assert np.isfinite(c.log_between(-1.0, -1.0, -0.5, -0.5))
    assert np.isfinite(c.log_between(0.0, -3.0, -np.inf, -0.1))


A = np.array([1e-2, 0.4, 1.0, 3.0, 50.0, 400.0])


@pytest.mark.parametrize("ratio", [0.01, 0.5, 1.0, 2.0, 6.0])
def test_incomplete_gamma_functions(ratio: float) -> None:
    x = A * ratio
    d = stats.gamma(A)
    for own, log, sign in ((c.log_gamma_p, d.logcdf, 1.0), (c.log_gamma_q, d.logsf, -1.0)):
        seen = np.isfinite(log(x))  # SciPy's underflow
        assert np.allclose(own(A, x)[seen], log(x)[seen], rtol=1e-10, atol=1e-14)
        ratios = c.gamma_ratio_p if sign > 0 else c.gamma_ratio_q
        wanted = np.exp(d.logpdf(x)[seen] - log(x)[seen])
        assert np.allclose(ratios(A, x)[seen], wanted, rtol=1e-9)


def test_incomplete_gamma_functions_that_underflow() -> None:
    assert c.log_gamma_p(200.0, 1e-3) == pytest.approx(
        200 * np.log(1e-3) - 1e-3 - special.gammaln(201.0) + np.log1p(1e-3 / 201.0), rel=1e-12
    )
    # Q(3, x) = e^-x (1 + x + x^2 / 2)
    assert c.log_gamma_q(3.0, 2000.0) == pytest.approx(-2000.0 + np.log1p(2000.0 + 2e6), rel=1e-13)


@pytest.mark.parametrize("a", [0.05, 0.9, 4.0, 120.0])
@pytest.mark.parametrize("ratio", [0.02, 0.7, 1.0, 1.6, 5.0])
def test_slopes_in_the_shape(a: float, ratio: float) -> None:
    """d/da log Q(a, x) = E[log t | t > x] - digamma(a), and the second derivatives likewise."""
    x, h = a * ratio, 1e-4 * a

    def slopes(of: Callable[..., Any]) -> tuple[float, float]:
        low, here, high = (float(of(v, x)) for v in (a - h, a, a + h))
        return (high - low) / (2 * h), (high - 2 * here + low) / h**2

    p, q = slopes(c.log_gamma_p), slopes(c.log_gamma_q)
    psi, tri, log = special.psi(a), special.polygamma(1, a), np.log(x)
    assert g.log_excess(a, x) == pytest.approx(q[0] + psi - log, rel=1e-6, abs=1e-7)
    assert g.log_deficit(a, x) == pytest.approx(log - psi - p[0], rel=1e-6, abs=1e-7)
    noise = (
        1e-14 * max(1.0, abs(float(c.log_gamma_p(a, x))), abs(float(c.log_gamma_q(a, x)))) / h**2
    )
    assert g.log_excess_spread(a, x) == pytest.approx(q[1] + tri, rel=1e-4, abs=10 * noise)
    assert g.log_deficit_spread(a, x) == pytest.approx(p[1] + tri, rel=1e-4, abs=10 * noise)
