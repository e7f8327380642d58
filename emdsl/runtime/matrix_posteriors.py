"""Posteriors of a positive definite matrix: Wishart and inverse Wishart.

    integral of |U|^a exp(-tr(Lambda U)) = Gamma_D(n) |Lambda|^-n,    n = a + (D + 1) / 2

over the D (D + 1) / 2 entries of U's upper triangle; Gamma_D is the multivariate Gamma function and
U is Wishart with 2 n degrees of freedom and scale (2 Lambda)^-1 (Muirhead 1982, theorem 2.1.11).
The density of U^-1 gains |U|^(D + 1) (theorem 2.1.8).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.definite import from_roots, inverse_roots, log_diagonals
from emdsl.runtime.gamma_functions import log_gamma_draws
from emdsl.runtime.how import EXPECT, Best, Draw, How
from emdsl.runtime.posterior_errors import improper, no_mode, require

Floats = NDArray[np.float64]
Two = tuple[Floats, Floats]


def wishart(natural: Two, how: How = EXPECT) -> tuple[Floats, Two]:
    """The log integral (S..., B) and (E[log |U|] (S..., B), E[U] (S..., D, D, B)).

    natural : coefficients of log |U|, (S..., B or 1), and of U's entries, (S..., D, D, B or 1),
        which needn't be symmetric: the log joint has tr(C' U).

    Raises ImproperError where that of log |U| isn't above -1, or minus that of U not positive
    definite.
    """
    if isinstance(how, Best):
        no_mode("wishart")
    log_det = np.asarray(natural[0], dtype=np.float64)
    matrix = np.asarray(natural[1], dtype=np.float64)
    proper = (log_det > -1.0) & (log_det < np.inf)
    require(proper, "wishart", "the coefficient of log |U| must be above -1", log_det)
    return _posterior("wishart", log_det + 0.5 * (matrix.shape[-2] + 1.0), matrix, how)


def inverse_wishart(natural: Two, how: How = EXPECT) -> tuple[Floats, Two]:
    """The log integral (S..., B) and (E[log |U|] (S..., B), E[U^-1] (S..., D, D, B)).

    natural : coefficients of log |U| and of the entries of U^-1, as those of `wishart`.

    Raises ImproperError where that of log |U| isn't below -D, or minus that of U^-1 not positive
    definite.
    """
    if isinstance(how, Best):
        no_mode("inverse wishart")
    message, (log_det, inverse) = _posterior("inverse wishart", *_inverted(natural), how)
    return message, (-log_det, inverse)


def wishart_summary(natural: Two) -> Two:
    """The means and the variances of U's entries, (S..., D, D, B) each."""
    log_det = np.asarray(natural[0], dtype=np.float64)
    matrix = np.asarray(natural[1], dtype=np.float64)
    proper = (log_det > -1.0) & (log_det < np.inf)
    require(proper, "wishart", "the coefficient of log |U| must be above -1", log_det)
    found = _Wishart.of("wishart", log_det + 0.5 * (matrix.shape[-2] + 1.0), matrix)
    freedom = 2.0 * found.half
    scale = 0.5 * from_roots(found.root)
    return _entries_inside(freedom * scale), _entries_inside(
        freedom * (scale * scale + _diagonals(scale))
    )


def inverse_wishart_summary(natural: Two) -> Two:
    """The means and the variances of U's entries, (S..., D, D, B) each; NaN where there is none."""
    found = _Wishart.of("inverse wishart", *_inverted(natural))
    size = len(found.root)
    scale = 2.0 * found.precision
    spare = 2.0 * found.half - size  # von Rosen 1988, corollary 3.1
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(spare > 1.0, scale / (spare - 1.0), np.nan)
        spread = (spare + 1.0) * scale * scale + (spare - 1.0) * _diagonals(scale)
        spread = spread / (spare * (spare - 1.0) ** 2 * (spare - 3.0))
        variance = np.where(spare > 3.0, spread, np.nan)
    return _entries_inside(mean), _entries_inside(variance)


def inverse_of(matrices: Floats) -> Floats:
    """The inverses (S..., D, D, B) of positive definite matrices."""
    root, _ = inverse_roots(np.moveaxis(matrices, (-3, -2), (0, 1)))
    return _entries_inside(from_roots(root))


def _inverted(natural: Two) -> Two:
    """n, and the coefficients, of U^-1's Wishart distribution."""
    log_det = np.asarray(natural[0], dtype=np.float64)
    matrix = np.asarray(natural[1], dtype=np.float64)
    size = matrix.shape[-2]
    why = f"the coefficient of log |U| must be below -{size}"
    require((log_det < -size) & (log_det > -np.inf), "inverse wishart", why, log_det)
    return -log_det - 0.5 * (size + 1.0), matrix


@dataclass(frozen=True, slots=True)
class _Wishart:
    """n (S..., B or 1); Lambda and the inverse of its Cholesky factor, (D, D, S..., B or 1)."""

    half: Floats
    precision: Floats
    root: Floats

    @staticmethod
    def of(family: str, half: Floats, matrix: Floats) -> _Wishart:
        lead = max(half.ndim, matrix.ndim - 2)
        matrix = matrix.reshape((1,) * (lead + 2 - matrix.ndim) + matrix.shape)
        entries = np.moveaxis(matrix, (-3, -2), (0, 1))
        precision = -0.5 * (entries + np.swapaxes(entries, 0, 1))
        root, definite = inverse_roots(precision)
        if not definite.all():
            at = tuple(int(k) for k in np.unravel_index(int(np.argmin(definite)), definite.shape))
            what = "U" if family == "wishart" else "U^-1"
            why = f"minus the coefficient of {what} isn't positive definite"
            raise improper(family, why, at, definite.shape)
        return _Wishart(half, precision, root)


def _posterior(family: str, half: Floats, matrix: Floats, how: How) -> tuple[Floats, Two]:
    from scipy import special

    found = _Wishart.of(family, half, matrix)
    size = len(found.root)
    log_det = -2.0 * log_diagonals(found.root)  # log |Lambda|
    steps = 0.5 * np.arange(size)
    arguments = half[..., None] - steps
    constant = 0.25 * size * (size - 1) * math.log(math.pi)
    message = constant + special.gammaln(arguments).sum(axis=-1) - half * log_det
    if isinstance(how, Draw):
        return message, _draw(how.rng, found, message.shape)
    log_u = special.psi(arguments).sum(axis=-1) - log_det
    mean = _entries_inside(half * from_roots(found.root))
    return message, (log_u, mean)


def _draw(rng: np.random.Generator, found: _Wishart, shape: tuple[int, ...]) -> Two:
    """log |U| and U: Bartlett's decomposition (Muirhead 1982, theorem 3.2.14).

    U = 1/2 M A A' M' with M = (L^-1)' and A lower triangular: A[i, i]^2 is chi-squared with
    2 n - i degrees of freedom, what is below the diagonal is standard normal. `a` is A / sqrt 2.
    """
    size = len(found.root)
    a = np.zeros((size, size, *shape))
    log_u = np.broadcast_to(2.0 * log_diagonals(found.root), shape).copy()
    for i in range(size):
        log_half = log_gamma_draws(rng, np.broadcast_to(found.half - 0.5 * i, shape))
        log_u += log_half
        a[i, i] = np.exp(0.5 * log_half)
        a[i, :i] = math.sqrt(0.5) * rng.standard_normal((i, *shape))
    half = np.einsum("ka...,kb...->ab...", found.root, a)
    return log_u, _entries_inside(np.einsum("ak...,bk...->ab...", half, half))


def _diagonals(x: Floats) -> Floats:
    """x[i, i] x[j, j] (D, D, ...) of x (D, D, ...)."""
    diagonal = np.moveaxis(np.diagonal(x, axis1=0, axis2=1), -1, 0)
    found: Floats = diagonal[:, None] * diagonal[None]
    return found


def _entries_inside(x: Floats) -> Floats:
    """(D, D, S..., B) as (S..., D, D, B), its rows contiguous."""
    return np.ascontiguousarray(np.moveaxis(x, (0, 1), (-3, -2)))
