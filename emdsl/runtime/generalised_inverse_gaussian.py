"""The posterior of a positive latent whose log joint is in log u, u and 1 / u.

    integral over u > 0 of u^(v - 1) exp(-p u - q / u) = 2 (q / p)^(v / 2) K_v(2 sqrt(p q))

The generalised inverse Gaussian distribution (Jorgensen 1982, chapters 2 and 3), which scale
mixtures of normals lead to. 1 / u has the order -v, and p and q changed over, so the order is taken
to be positive. p = 0 is the inverse gamma distribution and q = 0 the gamma distribution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.gig_draws import gig_draws
from emdsl.runtime.gig_integrals import Sums, gig_sums
from emdsl.runtime.how import EXPECT, Best, Draw, How
from emdsl.runtime.posterior_errors import no_mode, require

Floats = NDArray[np.float64]
Two = tuple[Floats, Floats]
Three = tuple[Floats, Floats, Floats]

_FAMILY = "generalised inverse Gaussian"


def generalised_inverse_gaussian(natural: Three, how: How = EXPECT) -> tuple[Floats, Three]:
    """The log integral and (E[log u], E[u], E[1 / u]), u > 0.

    natural : coefficients of log u, u and 1 / u, (S..., B or 1) each.

    Returns arrays of their common shape; E[u] or E[1 / u] is infinite where p or q is 0 and it has
    no finite value. Raises ImproperError where p or q is negative, or 0 and v doesn't make up for
    it.
    """
    if isinstance(how, Best):
        no_mode(_FAMILY)
    found = _Peak.of(natural)
    shape = found.shape
    sums = gig_sums(found.order, found.root, found.wide)
    message = (found.order * found.log_u - found.wide + sums.log_integral).reshape(shape)
    if isinstance(how, Draw):
        s = gig_draws(how.rng, found.order, found.root)
        log_u = found.log_u + s
        log_u = np.where(found.turned, -log_u, log_u).reshape(shape)
        with np.errstate(over="ignore"):
            return message, (log_u, np.exp(log_u), np.exp(-log_u))
    log_u = found.log_u + sums.mean
    up, down = found.moments(sums)
    log_u = np.where(found.turned, -log_u, log_u)
    return message, (log_u.reshape(shape), up.reshape(shape), down.reshape(shape))


def generalised_inverse_gaussian_summary(natural: Three) -> Two:
    """The mean and the variance of u; infinite where they are."""
    found = _Peak.of(natural)
    sums = gig_sums(found.order, found.root, found.wide, spreads=True)
    mean, _ = found.moments(sums)
    spread = np.where(found.turned, sums.down_spread, sums.up_spread)
    log_unit = np.where(found.turned, -found.log_u, found.log_u)
    with np.errstate(over="ignore"):
        variance = np.exp(2.0 * log_unit + spread)
    return mean.reshape(found.shape), variance.reshape(found.shape)


@dataclass(frozen=True, slots=True)
class _Peak:
    """Where the density of log u has its peak, and its form there; all flat.

    `turned` where the order is negative and 1 / u stands for u; `log_u` at the peak; see
    `gig_integrals` for the others. `shape` is that of the natural parameters together.
    """

    shape: tuple[int, ...]
    turned: NDArray[np.bool_]
    order: Floats
    root: Floats
    wide: Floats
    log_u: Floats

    @staticmethod
    def of(natural: Three) -> _Peak:
        log_u, linear, inverse = (np.asarray(x, dtype=np.float64) for x in natural)
        p, q = 0.0 - linear, 0.0 - inverse  # never -0
        for name, rate in (("u", p), ("1 / u", q)):
            why = f"the coefficient of {name} must not be positive"
            require((rate >= 0.0) & (rate < np.inf), _FAMILY, why, -rate)
        order = log_u + 1.0
        require(np.isfinite(order), _FAMILY, "the coefficient of log u must be finite", log_u)
        right, left = (p > 0.0) | (order < 0.0), (q > 0.0) | (order > 0.0)
        why = "without a term in u the coefficient of log u must be below -1"
        require(right, _FAMILY, why, np.broadcast_to(log_u, right.shape))
        why = "without a term in 1 / u the coefficient of log u must be above -1"
        require(left, _FAMILY, why, np.broadcast_to(log_u, left.shape))
        order, p, q = np.broadcast_arrays(order, p, q)
        shape = order.shape
        turned = order.ravel() < 0.0
        order = np.abs(order.ravel())
        rate = np.where(turned, q.ravel(), p.ravel())
        z = 2.0 * np.sqrt(p.ravel()) * np.sqrt(q.ravel())  # p q itself may underflow
        wide = np.hypot(order, z)
        peak = np.log(0.5 * (order + wide)) - np.log(rate)
        return _Peak(shape, turned, order, z / np.sqrt(order + wide), wide, peak)

    def moments(self, sums: Sums) -> Two:
        """E[u] and E[1 / u], flat."""
        with np.errstate(over="ignore"):
            up, down = np.exp(sums.up + self.log_u), np.exp(sums.down - self.log_u)
        return np.where(self.turned, down, up), np.where(self.turned, up, down)
