"""Logs of distribution functions, their differences and derivatives, safe in both tails.

All work entry by entry on arrays of any shape that broadcast. SciPy is loaded where first needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_FAR = 30.0  # from there phi/Phi's asymptotic series has all digits
_SMALL = 1e-280  # an incomplete gamma function below it is taken by its logs
_LEAST = -745.0
_LOG_2 = 0.6931471805599453
_ROOT_2 = 1.4142135623730951
_ROOT_2_PI = 0.7978845608028654  # sqrt(2 / pi)


def log_ndtr(z: Any) -> Floats:
    """log Phi(z) of the standard normal distribution function."""
    from scipy import special

    return np.asarray(special.log_ndtr(z))


def inverse_mills(z: Any) -> Floats:
    """phi(z) / Phi(z), the derivative of `log_ndtr`."""
    from scipy import special

    with np.errstate(over="ignore"):
        found: Floats = _ROOT_2_PI / special.erfcx(-np.asarray(z, dtype=np.float64) / _ROOT_2)
    return found


def mills_slope(z: Any) -> Floats:
    """h (z + h) of h = phi(z) / Phi(z): minus the second derivative of `log_ndtr`.

    Below -30 the sum is nearly nothing, and taken by the series of h (Johnson, Kotz and
    Balakrishnan 1994, section 13.3):  h(-t) - t = 1/t - 2/t^3 + 10/t^5 - 74/t^7 + 706/t^9.
    """
    z = np.asarray(z, dtype=np.float64)
    h = inverse_mills(z)
    u = 1.0 / np.maximum(-z, _FAR)
    v = u * u
    rest = u * (1.0 + v * (-2.0 + v * (10.0 + v * (-74.0 + v * 706.0))))
    near = np.maximum(z, -_FAR)
    found: Floats = np.where(z < -_FAR, (1.0 / u + rest) * rest, h * (near + h))
    return found


def log_one_less(x: Any) -> Floats:
    """log(1 - e^-x), x > 0 (Maechler 2012, Accurately computing log(1 - exp(-|a|)))."""
    x = np.asarray(x, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(
            x > _LOG_2, np.log1p(-np.exp(-np.maximum(x, _LOG_2))), np.log(-np.expm1(-x))
        )
    return found


def over_expm1(x: Any) -> Floats:
    """1 / (e^x - 1), x > 0: the derivative of `log_one_less`."""
    x = np.asarray(x, dtype=np.float64)
    with np.errstate(divide="ignore", over="ignore"):
        found: Floats = 1.0 / np.expm1(x)
    return found


def log_between(log_f_a: Any, log_f_b: Any, log_s_a: Any, log_s_b: Any) -> Floats:
    """log(F(b) - F(a)) from the logs of F and of S = 1 - F, of those two that are smaller.

    Where rounding leaves nothing of the difference, and in rows that it isn't for (where b isn't
    above a), the log of the least positive number: finite, since 0 times it is 0.
    """
    _, high, low = _smaller(log_f_a, log_f_b, log_s_a, log_s_b)
    proper = high > low
    gap = np.where(proper, high - low, 1.0)
    found: Floats = np.where(proper, high + log_one_less(gap), _LEAST)
    return found


def between_share(log_f_a: Any, log_f_b: Any, log_s_a: Any, log_s_b: Any, which: int) -> Floats:
    """e^(that argument) over F(b) - F(a); zero for the two that aren't the smaller ones."""
    below, high, low = _smaller(log_f_a, log_f_b, log_s_a, log_s_b)
    proper = high > low
    gap = np.where(proper, high - low, 1.0)
    mine = below if which < 2 else ~below
    share = over_expm1(gap) + (1.0 if which in (1, 2) else 0.0)
    found: Floats = np.where(mine & proper, share, 0.0)
    return found


def _smaller(log_f_a: Any, log_f_b: Any, log_s_a: Any, log_s_b: Any) -> tuple[Any, Any, Any]:
    """Whether the lower tail is it, and the logs of the greater and of the lesser of its two."""
    below = np.asarray(log_f_b) <= np.asarray(log_s_a)
    return below, np.where(below, log_f_b, log_s_a), np.where(below, log_f_a, log_s_b)


def log_add(*terms: Any) -> Floats:
    """log of the sum of exponentials."""
    found = np.asarray(terms[0], dtype=np.float64)
    for term in terms[1:]:
        found = np.logaddexp(found, term)
    return found


def log_gamma_p(a: Any, x: Any) -> Floats:
    """log P(a, x), the regularised lower incomplete gamma function; a, x > 0.

    Where it is next to nothing by Kummer's series: P(a, x) = x^a e^-x M(1, a + 1, x) / Gamma(a + 1)
    (DLMF 8.5.1).
    """
    from scipy import special

    a, x = _pair(a, x)
    p = special.gammainc(a, x)
    tiny = (p < _SMALL) & (x > 0.0)
    with np.errstate(divide="ignore"):
        found = np.array(np.log(p))
        if tiny.any():
            series = special.hyp1f1(1.0, a[tiny] + 1.0, x[tiny])
            found[tiny] = (
                a[tiny] * np.log(x[tiny])
                - x[tiny]
                - special.gammaln(a[tiny] + 1.0)
                + np.log(series)
            )
    large = p > 0.5  # its complement has the digits
    found[large] = np.log1p(-special.gammaincc(a[large], x[large]))
    return np.asarray(found)


def log_gamma_q(a: Any, x: Any) -> Floats:
    """log Q(a, x), the regularised upper incomplete gamma function; a, x > 0.

    Where it is next to nothing by Legendre's continued fraction (DLMF 8.9.2).
    """
    from scipy import special

    a, x = _pair(a, x)
    q = special.gammaincc(a, x)
    tiny = q < _SMALL
    with np.errstate(divide="ignore"):
        found = np.array(np.log(q))
    if tiny.any():
        found[tiny] = _log_density(a[tiny], x[tiny]) + np.log(_mills_of_gamma(a[tiny], x[tiny]))
    large = q > 0.5
    found[large] = np.log1p(-special.gammainc(a[large], x[large]))
    return np.asarray(found)


def gamma_ratio_p(a: Any, x: Any) -> Floats:
    """x^(a-1) e^-x / Gamma(a) over P(a, x): the derivative of `log_gamma_p` by x."""
    a, x = _pair(a, x)
    return np.asarray(np.exp(_log_density(a, x) - log_gamma_p(a, x)))


def gamma_ratio_q(a: Any, x: Any) -> Floats:
    """x^(a-1) e^-x / Gamma(a) over Q(a, x): minus the derivative of `log_gamma_q` by x."""
    a, x = _pair(a, x)
    return np.asarray(np.exp(_log_density(a, x) - log_gamma_q(a, x)))


def _pair(a: Any, x: Any) -> tuple[Floats, Floats]:
    one, two = np.broadcast_arrays(np.asarray(a, dtype=np.float64), np.asarray(x, dtype=np.float64))
    return one, two


def _log_density(a: Floats, x: Floats) -> Floats:
    from scipy import special

    found: Floats = special.xlogy(a - 1.0, x) - x - special.gammaln(a)
    return found


def _mills_of_gamma(a: Floats, x: Floats) -> Floats:
    """Q(a, x) Gamma(a) / (x^(a-1) e^-x), by modified Lentz's method; x above a."""
    b = x + 1.0 - a
    c = np.full_like(x, 1e300)
    d = 1.0 / b
    h = d.copy()
    for i in range(1, 500):
        step = -i * (i - a)
        b = b + 2.0
        d = 1.0 / (step * d + b)
        c = b + step / c
        h = h * c * d
        if (np.abs(c * d - 1.0) < 1e-15).all():
            break
    return x * h


def log_laplace(z: Any) -> Floats:
    """log F(z) of the standard Laplace: z - log 2 below 0, log(1 - e^-z / 2) above."""
    z = np.asarray(z, dtype=np.float64)
    found: Floats = np.where(z < 0.0, z - _LOG_2, np.log1p(-0.5 * np.exp(-np.abs(z))))
    return found


def laplace_slope(z: Any) -> Floats:
    """Its derivative: 1 below 0, 1 / (2 e^z - 1) above."""
    small = np.exp(-np.maximum(z, 0.0))
    found: Floats = small / (2.0 - small)
    return found


def laplace_bend(z: Any) -> Floats:
    """Minus the slope's derivative: 0 below 0, 2 e^z / (2 e^z - 1)^2 above."""
    z = np.asarray(z, dtype=np.float64)
    small = np.exp(-np.maximum(z, 0.0))
    found: Floats = np.where(z < 0.0, 0.0, 2.0 * small / (2.0 - small) ** 2)
    return found


def inside(x: Any, low: float, instead: float) -> Floats:
    """x where it is a finite number above `low`, `instead` elsewhere."""
    x = np.asarray(x, dtype=np.float64)
    found: Floats = np.where((x > low) & (x < np.inf), x, instead)
    return found
