"""Posteriors of a positive latent whose log joint is in log u and a power of u.

    integral over u > 0 of u^a exp(-c u^p) = Gamma(k) c^-k / |p|,    k = (a + 1) / p

(Stacy 1962): u^p is Gamma(k, rate c). p = 1 is the gamma distribution, p = -1 its inverse.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.gamma_functions import log_beta, log_gamma_draws
from emdsl.runtime.how import EXPECT, Best, Draw, How
from emdsl.runtime.posterior_errors import no_mode, require

Floats = NDArray[np.float64]
Two = tuple[Floats, Floats]


def gamma(natural: Two, how: How = EXPECT, *, power: Any = 1.0) -> tuple[Floats, Two]:
    """The log integral and (E[log u], E[u^power]), u > 0.

    natural : coefficients of log u and of u^power, (S..., B or 1) each; `power` isn't 0, and
        broadcasts against them.

    Returns arrays of their common shape. Raises ImproperError where (a + 1) / power isn't positive
    or the coefficient of u^power isn't negative.
    """
    return _generalised("gamma", natural, how, power)


def inverse_gamma(natural: Two, how: How = EXPECT) -> tuple[Floats, Two]:
    """The log integral and (E[log u], E[1 / u]), u > 0.

    natural : coefficients of log u and of 1 / u, as those of `gamma`.
    """
    return _generalised("inverse gamma", natural, how, -1.0)


def gamma_summary(natural: Two, *, power: Any = 1.0) -> Two:
    """The mean and the variance of u; infinite where they are."""
    return _summary("gamma", natural, power)


def inverse_gamma_summary(natural: Two) -> Two:
    """The mean and the variance of u; infinite where they are."""
    return _summary("inverse gamma", natural, -1.0)


def _generalised(family: str, natural: Two, how: How, power: Any) -> tuple[Floats, Two]:
    from scipy import special

    if isinstance(how, Best):
        no_mode(family)
    power = np.asarray(power, dtype=np.float64)
    shape, rate = _shape_and_rate(family, natural, power)
    log_rate = np.log(rate)
    # what all rows share is put together before it meets them
    message = special.gammaln(shape) - np.log(np.abs(power)) - shape * log_rate
    if isinstance(how, Draw):
        log_g = log_gamma_draws(how.rng, np.broadcast_to(shape, message.shape)) - log_rate
        return message, (log_g / power, np.exp(log_g))
    log_u = special.psi(shape) - log_rate
    if power.ndim or power != 1.0:
        log_u = log_u / power
    return message, (log_u, shape / rate)


def _shape_and_rate(family: str, natural: Two, power: Floats) -> Two:
    """k and c of the module's text."""
    log_u = np.asarray(natural[0], dtype=np.float64)
    other = np.asarray(natural[1], dtype=np.float64)
    shape = (log_u + 1.0) / power
    rate = -other
    if not _within(shape):
        require((shape > 0.0) & (shape < np.inf), family, "its shape must be positive", shape)
    if not _within(rate):
        named = {1.0: "u", -1.0: "1 / u"}.get(float(power) if power.ndim == 0 else 0.0, "u^power")
        proper = (rate > 0.0) & (rate < np.inf)
        require(proper, family, f"the coefficient of {named} must be negative", other)
    return shape, rate


def _within(x: Floats) -> bool:
    """Whether all entries are positive and finite; where one is NaN they aren't."""
    return bool(x.min(initial=np.inf) > 0.0 and x.max(initial=0.0) < np.inf)


def _summary(family: str, natural: Two, power: Any) -> Two:
    """E[u] = Gamma(k + d) / Gamma(k) c^-d, d = 1 / p; var u / E[u]^2 is of log Gamma's differences.

    log Gamma(k + 2 d) - 2 log Gamma(k + d) + log Gamma(k) is that of two Beta functions.
    """
    from scipy import special

    power = np.asarray(power, dtype=np.float64)
    shape, rate = _shape_and_rate(family, natural, power)
    d = 1.0 / power
    step = np.abs(d)
    once = shape + np.minimum(d, 0.0)  # the smaller argument of Gamma in E[u]
    twice = once + np.minimum(d, 0.0)  # and among those in E[u^2]
    some, more = once > 0.0, twice > 0.0
    one, two = np.where(some, once, 1.0), np.where(more, twice, 1.0)
    rise = special.gammaln(step) - log_beta(one, step)
    mean = np.where(some, np.exp(np.sign(d) * rise - d * np.log(rate)), np.inf)
    excess = np.expm1(log_beta(two, step) - log_beta(two + step, step))
    spread = np.where(more, excess, np.inf)
    return mean, mean * mean * spread
