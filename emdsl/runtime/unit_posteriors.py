"""Posteriors of a latent in the unit interval or on the simplex: Beta and Dirichlet.

    integral of u^(a - 1) (1 - u)^(b - 1) = B(a, b),    of prod u_k^(alpha_k - 1) = B(alpha)

over all but one of a simplex's entries (Bishop 2006, sections 2.1.1 and 2.2.1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.gamma_differences import digamma_rise
from emdsl.runtime.gamma_functions import log_beta, log_gamma_draws
from emdsl.runtime.how import EXPECT, Best, Draw, How
from emdsl.runtime.posterior_errors import no_mode, require
from emdsl.runtime.special import log1pexp, logsumexp

Floats = NDArray[np.float64]
Two = tuple[Floats, Floats]


def beta(natural: Two, how: How = EXPECT) -> tuple[Floats, Two]:
    """The log integral and (E[log u], E[log(1 - u)]), 0 < u < 1.

    natural : coefficients of log u and of log(1 - u), (S..., B or 1) each.

    Returns arrays of their common shape. Raises ImproperError where one isn't above -1.
    """
    if isinstance(how, Best):
        no_mode("beta")
    a, b = _beta_shapes(natural)
    message = log_beta(a, b)
    if isinstance(how, Draw):
        odds = log_gamma_draws(how.rng, np.broadcast_to(a, message.shape))
        odds -= log_gamma_draws(how.rng, np.broadcast_to(b, message.shape))
        return message, (-log1pexp(-odds), -log1pexp(odds))
    return message, (-digamma_rise(a, b), -digamma_rise(b, a))


def beta_summary(natural: Two) -> Two:
    """The mean and the variance of u."""
    a, b = _beta_shapes(natural)
    mean = a / (a + b)
    return mean, mean * (b / (a + b)) / (a + b + 1.0)


def _beta_shapes(natural: Two) -> Two:
    a = np.asarray(natural[0], dtype=np.float64) + 1.0
    b = np.asarray(natural[1], dtype=np.float64) + 1.0
    for name, shape in (("log u", a), ("log(1 - u)", b)):
        why = f"the coefficient of {name} must be above -1"
        require((shape > 0.0) & (shape < np.inf), "beta", why, shape - 1.0)
    return a, b


def dirichlet(natural: Floats, how: How = EXPECT) -> tuple[Floats, Floats]:
    """The log integral (S..., B) and E[log u] (S..., K, B), u on the simplex.

    natural : the coefficients of log u, (S..., K, B). Raises ImproperError where one isn't above
    -1.
    """
    if isinstance(how, Best):
        no_mode("dirichlet")
    alpha = _concentrations(natural)
    # one entry after the other: B(alpha) is a product of Beta functions, which don't cancel
    before = np.cumsum(alpha, axis=-2)
    message = log_beta(alpha[..., 1:, :], before[..., :-1, :]).sum(axis=-2)
    if isinstance(how, Draw):
        log_g = log_gamma_draws(how.rng, alpha)
        return message, log_g - logsumexp(log_g, -2)[..., None, :]
    # the others' sum, without what a difference from the total would lose
    after = np.cumsum(alpha[..., ::-1, :], axis=-2)[..., ::-1, :]
    others = np.zeros_like(alpha)
    others[..., 1:, :] += before[..., :-1, :]
    others[..., :-1, :] += after[..., 1:, :]
    return message, -digamma_rise(alpha, others)


def dirichlet_summary(natural: Floats) -> Two:
    """The means and the variances of u's entries, (S..., K, B) each."""
    alpha = _concentrations(natural)
    total = alpha.sum(axis=-2, keepdims=True)
    mean = alpha / total
    return mean, mean * (1.0 - mean) / (total + 1.0)


def _concentrations(natural: Floats) -> Floats:
    alpha = np.asarray(natural, dtype=np.float64) + 1.0
    proper = ((alpha > 0.0) & (alpha < np.inf)).all(axis=-2)
    why = "the coefficients of log u must be above -1"
    require(proper, "dirichlet", why, alpha.min(axis=-2) - 1.0)
    return alpha
