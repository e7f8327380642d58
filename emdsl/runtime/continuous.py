"""Continuous latents of independent rows: from natural parameters to log evidence and means.

Generated E-steps hand over the coefficients that functions of the latents have in the log joint.
Arrays are (discrete states..., entries..., B); what all rows share has a last axis of length 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdsl.runtime.cut_normal import cut_normal, cut_normal_summary
from emdsl.runtime.generalised_inverse_gaussian import (
    generalised_inverse_gaussian,
    generalised_inverse_gaussian_summary,
)
from emdsl.runtime.how import EXPECT, Best, Describe, DrawAll, How
from emdsl.runtime.matrix_posteriors import (
    inverse_of,
    inverse_wishart,
    inverse_wishart_summary,
    wishart,
    wishart_summary,
)
from emdsl.runtime.normal_posterior import normal, normal_summary
from emdsl.runtime.positive_posteriors import (
    gamma,
    gamma_summary,
    inverse_gamma,
    inverse_gamma_summary,
)
from emdsl.runtime.program import Floats
from emdsl.runtime.rows import alike
from emdsl.runtime.truncated_normal import truncated_normal, truncated_normal_summary
from emdsl.runtime.unit_posteriors import beta, beta_summary, dirichlet, dirichlet_summary


def natural(coefficients: Any, rows: Any) -> Floats:
    """Coefficients (C, F) times features (F, B): (C, B), or (C, 1) where all rows are alike."""
    if isinstance(rows, np.ndarray) and rows.shape[1] > 1:
        first = rows[:, :1]  # mostly the last column already tells that rows differ
        if alike(rows) or ((rows[:, -1:] == first).all() and (rows == first).all()):
            rows = first
    found: Floats = coefficients @ rows
    return found


@dataclass(frozen=True, slots=True)
class Linear:
    """The coefficients of a latent's entries; the last `width` axes before the rows are entries."""

    value: Floats
    part: int
    width: int


@dataclass(frozen=True, slots=True)
class Product:
    """The coefficients of u_l v_m, of every entry with every other: `width` axes are of u."""

    value: Floats
    part: int
    other: int
    width: int


@dataclass(frozen=True, slots=True)
class Along:
    """The coefficients of u_l v_l, entry by entry."""

    value: Floats
    part: int
    other: int
    width: int


Share = Linear | Product | Along


def jointly_normal(how: How, states: int, *shares: Share) -> tuple[Floats, tuple[Floats, ...]]:
    """The posterior of jointly normal latents, given what each function of them is multiplied by.

    states : how many leading axes are values of discrete latents.

    Returns the log of the integral of the exponential (states..., B), and for each share the
    posterior mean of its function, in the share's shape with all B rows.

    Raises ImproperError where there is no such integral.
    """
    width = {s.part: s.width for s in shares} | {
        s.other: s.value.ndim - 1 - states - s.width for s in shares if isinstance(s, Product)
    }
    sizes: dict[int, int] = {}
    for s in shares:
        inner = s.value.shape[states:-1]
        sizes[s.part] = math.prod(inner[: s.width])
        if isinstance(s, Product):
            sizes[s.other] = math.prod(inner[s.width :])
    parts = sorted(width)
    lead = np.broadcast_shapes(*(s.value.shape[:states] for s in shares))
    linears: list[Floats] = []
    for p in parts:
        own = [_flat(s.value, states, 1) for s in shares if isinstance(s, Linear) and s.part == p]
        linears.append(sum(own[1:], own[0]) if own else np.zeros((*lead, sizes[p], 1)))
    squares: dict[tuple[int, int], Floats] = {}
    for s in shares:
        if isinstance(s, Linear):
            continue
        if isinstance(s, Product):
            value = s.value.reshape(*s.value.shape[:states], sizes[s.part], sizes[s.other], -1)
        else:
            value = _diagonal(_flat(s.value, states, 1))
        key = (parts.index(s.part), parts.index(s.other))
        if key[0] > key[1]:
            key, value = key[::-1], np.swapaxes(value, -3, -2)
        squares[key] = squares[key] + value if key in squares else value
    if isinstance(how, Describe):
        how.found.append(normal_summary(tuple(linears), squares))
    message, means, seconds = normal(tuple(linears), squares, integrated(how))
    rows = message.shape[-1]
    if isinstance(how, DrawAll):
        how.found.append((means, None))
    if isinstance(how, (Describe, DrawAll)):
        return message, tuple(np.ones((*lead, *s.value.shape[states:-1], rows)) for s in shares)
    found: list[Floats] = []
    for s in shares:
        if isinstance(s, Linear):
            mean = means[parts.index(s.part)]
        else:
            key = (parts.index(s.part), parts.index(s.other))
            mean = seconds[key] if key in seconds else np.swapaxes(seconds[key[::-1]], -3, -2)
            if isinstance(s, Along):
                mean = np.einsum("...iib->...ib", mean)
        shape = (*lead, *s.value.shape[states:-1], rows)
        found.append(np.broadcast_to(mean, (*mean.shape[:-1], rows)).reshape(shape))
    return message, tuple(found)


def posterior_of_one(
    family: Callable[..., tuple[Floats, tuple[Floats, ...]]],
    how: How,
    states: int,
    naturals: tuple[Floats | None, ...],
    places: tuple[int, ...],
    **settings: Any,
) -> tuple[Floats, tuple[Floats, ...]]:
    """The posterior of latents that have one each, by a family of `emdsl.runtime`.

    naturals : what each function of the family is multiplied by, (states..., entries..., B); None
        for a function that isn't there.
    places : the functions whose posterior means are wanted.
    settings : what the family takes by name: `power`, `between`.

    Returns the log of the integral, summed over the entries, and the means.
    """
    shape = np.broadcast_shapes(*(x.shape for x in naturals if x is not None))
    given = tuple(np.zeros((1,) * len(shape)) if x is None else x for x in naturals)
    message, means = family(given, how=integrated(how), **settings)
    if isinstance(how, Describe):
        how.found.append(_SUMMARIES[family](given, **settings))
    if isinstance(how, DrawAll):
        value = means[0] if family in (positive_normal, cut_normal) else np.exp(means[0])
        how.found.append((value, None))
    if isinstance(how, (Describe, DrawAll)):
        means = tuple(np.ones(1) for _ in means)
    if message.ndim > states + 1:
        message = message.sum(axis=tuple(range(states, message.ndim - 1)))
    return message, tuple(
        means[i] if means[i].shape == shape else np.broadcast_to(means[i], shape) for i in places
    )


def posterior_of_shares(
    how: How, states: int, log_share: Floats, count: int = 1
) -> tuple[Floats, tuple[Floats, ...]]:
    """The Dirichlet posterior of shares, given what log u_k is multiplied by, (..., K, B).

    count : how often the means are wanted, by rows of so many kinds.
    """
    message, mean = dirichlet(log_share, integrated(how))
    if isinstance(how, Describe):
        how.found.append(dirichlet_summary(log_share))
    if isinstance(how, DrawAll):
        how.found.append((np.exp(mean), None))
    if isinstance(how, (Describe, DrawAll)):
        mean = np.ones_like(mean)
    if message.ndim > states + 1:
        message = message.sum(axis=tuple(range(states, message.ndim - 1)))
    return message, (mean,) * count


def posterior_of_matrix(
    family: Callable[..., tuple[Floats, tuple[Floats, Floats]]],
    how: How,
    naturals: tuple[Floats | None, Floats],
    places: tuple[int, ...],
) -> tuple[Floats, tuple[Floats, ...]]:
    """The posterior of a positive definite matrix U, Wishart or inverse Wishart.

    naturals : what log det U is multiplied by, (states..., B), None where it isn't there; and what
        U's entries, or its inverse's, are multiplied by, (states..., D, D, B).
    places : the functions whose posterior means are wanted.

    Returns the log of the integral (states..., B) and the means.
    """
    log_det, matrix = naturals
    lead = (*matrix.shape[:-3], matrix.shape[-1])
    given = (np.zeros((1,) * len(lead)) if log_det is None else log_det, matrix)
    message, means = family(given, how=integrated(how))
    shape = np.broadcast_shapes(given[0].shape, lead)
    shapes = (shape, (*shape[:-1], *matrix.shape[-3:-1], shape[-1]))
    if isinstance(how, Describe):
        how.found.append(_SUMMARIES[family](given))
    if isinstance(how, DrawAll):
        how.found.append((means[1] if family is wishart else inverse_of(means[1]), None))
    if isinstance(how, (Describe, DrawAll)):
        means = (np.ones(1), np.ones(1))
    return message, tuple(np.broadcast_to(means[i], shapes[i]) for i in places)


def integrated(how: How) -> How:
    """How a continuous latent is summed out: also where the most probable values of discrete ones
    are wanted it is integrated, for its own mode depends on its unit.
    """
    return EXPECT if isinstance(how, Best) else how


def positive_normal(
    natural: tuple[Floats, Floats], how: How = EXPECT
) -> tuple[Floats, tuple[Floats, Floats]]:
    """A normal cut off at zero, given what u and u^2 are multiplied by."""
    return truncated_normal(natural, 0.0, np.inf, how)


def positive_normal_summary(natural: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """The mean and the variance of a normal cut off at zero."""
    return truncated_normal_summary(natural, 0.0, np.inf)


_SUMMARIES: dict[Callable[..., Any], Callable[..., tuple[Floats, Floats]]] = {
    gamma: gamma_summary,
    inverse_gamma: inverse_gamma_summary,
    generalised_inverse_gaussian: generalised_inverse_gaussian_summary,
    beta: beta_summary,
    positive_normal: positive_normal_summary,
    wishart: wishart_summary,
    inverse_wishart: inverse_wishart_summary,
    cut_normal: cut_normal_summary,
}


def _flat(value: Floats, states: int, _: int) -> Floats:
    """All axes of entries as one."""
    return value.reshape(*value.shape[:states], -1, value.shape[-1])


def _diagonal(value: Floats) -> Floats:
    """(..., L, B) as (..., L, L, B) with zeros off the diagonal."""
    size = value.shape[-2]
    out = np.zeros((*value.shape[:-2], size, *value.shape[-2:]))
    at = np.arange(size)
    out[..., at, at, :] = value
    return out
