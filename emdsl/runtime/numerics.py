"""The few array kernels that generated code calls. NumPy only; SciPy where a function needs it."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime import special
from emdsl.runtime.cumulative import between_share as between_share
from emdsl.runtime.cumulative import gamma_ratio_p as gamma_ratio_p
from emdsl.runtime.cumulative import gamma_ratio_q as gamma_ratio_q
from emdsl.runtime.cumulative import inside as inside
from emdsl.runtime.cumulative import inverse_mills as inverse_mills
from emdsl.runtime.cumulative import laplace_bend as laplace_bend
from emdsl.runtime.cumulative import laplace_slope as laplace_slope
from emdsl.runtime.cumulative import log_add as log_add
from emdsl.runtime.cumulative import log_between as log_between
from emdsl.runtime.cumulative import log_gamma_p as log_gamma_p
from emdsl.runtime.cumulative import log_gamma_q as log_gamma_q
from emdsl.runtime.cumulative import log_laplace as log_laplace
from emdsl.runtime.cumulative import log_ndtr as log_ndtr
from emdsl.runtime.cumulative import log_one_less as log_one_less
from emdsl.runtime.cumulative import mills_slope as mills_slope
from emdsl.runtime.cumulative import over_expm1 as over_expm1
from emdsl.runtime.gamma_differences import digamma_rise as digamma_rise
from emdsl.runtime.gamma_differences import log_rising as log_rising
from emdsl.runtime.gamma_differences import trigamma_rise as trigamma_rise
from emdsl.runtime.gamma_tails import log_deficit as log_deficit
from emdsl.runtime.gamma_tails import log_deficit_spread as log_deficit_spread
from emdsl.runtime.gamma_tails import log_excess as log_excess
from emdsl.runtime.gamma_tails import log_excess_spread as log_excess_spread
from emdsl.runtime.held import Held
from emdsl.runtime.held_matrices import covariances
from emdsl.runtime.held_matrices import matrix_quadratic as matrix_quadratic
from emdsl.runtime.held_matrices import patterned as patterned
from emdsl.runtime.held_matrices import settle_inverse as settle_inverse
from emdsl.runtime.linear import inverse as inverse
from emdsl.runtime.linear import logdet as logdet
from emdsl.runtime.linear import symmetric as symmetric
from emdsl.runtime.one_hot import OneHot as OneHot
from emdsl.runtime.one_hot import by_place as by_place
from emdsl.runtime.one_hot import one_hot as one_hot
from emdsl.runtime.pairs import Pairs as Pairs
from emdsl.runtime.pairs import fold as fold
from emdsl.runtime.pairs import pairs as pairs
from emdsl.runtime.pairs import unfold as unfold
from emdsl.runtime.pairs import upper as upper
from emdsl.runtime.pairs import upper_rows as upper_rows
from emdsl.runtime.pooling import bounded as bounded
from emdsl.runtime.pooling import pooled as pooled
from emdsl.runtime.pooling import pooled_shares as pooled_shares
from emdsl.runtime.restricted import solve as solve
from emdsl.runtime.restricted import solve_blocks as solve_blocks
from emdsl.runtime.rotations import eigenvectors as eigenvectors
from emdsl.runtime.rotations import rotated as rotated
from emdsl.runtime.rows import Strips as Strips
from emdsl.runtime.rows import Wide as Wide
from emdsl.runtime.rows import columns as columns
from emdsl.runtime.rows import cut as cut
from emdsl.runtime.rows import expected as expected
from emdsl.runtime.rows import ready as ready
from emdsl.runtime.rows import rows as rows
from emdsl.runtime.scaled import Scaled as Scaled
from emdsl.runtime.scaled import scaled as scaled
from emdsl.runtime.shapes import unit_product as unit_product
from emdsl.runtime.shares import shared_within
from emdsl.runtime.special import abs_power as abs_power
from emdsl.runtime.special import bessel_ratio as bessel_ratio
from emdsl.runtime.special import bessel_slope as bessel_slope
from emdsl.runtime.special import digamma as digamma
from emdsl.runtime.special import expit as expit
from emdsl.runtime.special import log1pexp as log1pexp
from emdsl.runtime.special import log_i0 as log_i0
from emdsl.runtime.special import log_multi_gamma as log_multi_gamma
from emdsl.runtime.special import trigamma as trigamma

Floats = NDArray[np.float64]

_TINY = 2.2250738585072014e-308  # smallest normal double; its log is about -708
_LOWEST = -690.0  # exp of less is subnormal, which costs ten to forty times as much
_HIGHEST = 690.0
_WIDE = 16  # rows and columns of a product with itself of which a triangle is worth it
_LEAST = 1e-260  # a sum of exps this large has nothing below it that counts


def log(x: Floats) -> Floats:
    """log x with log 0 = -708 in place of minus infinity, so that 0 log 0 is 0."""
    found: Floats = np.log(np.maximum(x, _TINY))
    return found


def log1p_ratio(top: Floats, bottom: Floats) -> Floats:
    """log(1 + top / bottom), of numbers >= 0: what log(bottom + top) - log(bottom) is.

    Finite where the bottom is zero, as `log` is at zero.
    """
    with np.errstate(over="ignore"):
        ratio = np.asarray(top / np.maximum(bottom, _TINY))
    found: Floats = np.log1p(np.minimum(ratio, 1.0 / _TINY))
    return found


def log_inside(x: Floats) -> Floats:
    """log x, and 0 where x is 0: an entry at the edge, which a prior leaves out."""
    found: Floats = np.log(np.where(x > 0.0, x, 1.0))
    return found


def normalize(log_joint: Floats, axes: int = 1) -> Floats:
    """Turn a log joint into the posterior in place, and return the log evidence.

    log_joint : (states..., B), overwritten by exp(log_joint - evidence).
    axes : how many leading axes are the states summed over.

    Returns the log evidence, the shape of log_joint without those axes. It is minus infinity
    where every state is impossible, and the posterior there is zero.
    """
    shape = log_joint.shape
    joint = log_joint.reshape(-1, *shape[axes:])
    evidence = _unshifted(joint)
    return _shifted(joint) if evidence is None else evidence


def _unshifted(joint: Floats) -> Floats | None:
    """`normalize` where exp of the log joint itself stays in range, which is most data; or None."""
    if not (joint.size and joint[..., 0].max() > _LOWEST / 2 and joint.max() < _HIGHEST):
        return None
    likelihood = np.maximum(joint, _LOWEST)
    np.exp(likelihood, out=likelihood)
    total = likelihood.sum(axis=0)
    if not total.min() > _LEAST:
        return None
    np.multiply(likelihood, 1.0 / total, out=joint)
    found: Floats = np.log(total)
    return found


def _shifted(joint: Floats) -> Floats:
    """`normalize` in any range, by way of each column's largest log joint."""
    top = joint.max(axis=0)
    impossible = np.isneginf(top)
    if impossible.any():
        top = np.where(impossible, 0.0, top)
    joint -= top
    np.maximum(joint, _LOWEST, out=joint)
    np.exp(joint, out=joint)
    total = joint.sum(axis=0)
    joint *= 1.0 / total
    evidence: Floats = np.log(total)
    evidence += top
    if impossible.any():
        joint[:, impossible] = 0.0
        evidence[impossible] = -np.inf
    return evidence


def simplex(counts: Floats) -> Floats:
    """Normalise over the last axis; negative counts (a Dirichlet prior below 1) go to the edge.

    An all-zero row gives NaN, which `settle` turns into the row's old value.
    """
    counts = np.maximum(counts, 0.0)
    found: Floats = counts / counts.sum(axis=-1, keepdims=True)
    return found


def sqrt(x: Floats) -> Floats:
    """The square root of a sum of squares, which rounding may leave just below zero."""
    return np.sqrt(np.maximum(x, 0.0))


def settle(new: Floats, old: Floats, kind: str = "real") -> Floats:
    """The update, except where its statistics are empty (0 / 0): there the old value stays.

    A "positive" or "unit" value whose stationary point lies outside goes to the edge of its
    support, where a concave objective is highest. Entries of `old` that are held stay too; the rest
    of a simplex shares what they leave, between its bounds, that of a covariance is where Q is
    highest then.
    """
    if isinstance(old, Held):
        return _settle_held(new, old, kind)
    if np.shape(new) != old.shape:
        new = np.broadcast_to(new, old.shape)
    if kind == "positive":
        new = np.maximum(new, 0.0)
    elif kind == "unit":
        new = np.clip(new, 0.0, 1.0)
    undefined = ~np.isfinite(new)
    return np.where(undefined, old, new) if undefined.any() else np.array(new)


def _settle_held(new: Floats, old: Held, kind: str) -> Floats:
    fixed, stays = old.fixed(), old.plain
    if fixed.all():
        return np.array(stays)
    rules = old.rules()
    if rules.spans[old.name].kind == "posdef":
        return covariances(np.broadcast_to(new, old.shape), old)
    new = np.where(fixed, stays, np.broadcast_to(new, old.shape))
    if rules.spans[old.name].kind == "simplex":
        new = shared_within(new, fixed, *rules.bounds(old.name), stays)
        lost = ~np.isfinite(new).all(axis=-1, keepdims=True)
        return np.where(lost, stays, new)
    found = settle(new, stays, kind)
    if kind == "positive":  # of a Q with one peak the maximum within bounds (a floor's)
        found = np.clip(found, *rules.bounds(old.name))
    return np.where(fixed, stays, found)


def best(roots: tuple[Floats, ...], objective: tuple[Floats, ...], kind: str) -> Floats:
    """Of several stationary points, entry by entry, the one in the support with the highest Q."""
    values = np.stack(roots)
    scores = np.stack(objective)
    allowed = np.isfinite(values) & np.isfinite(scores)
    if kind == "positive":
        allowed &= values > 0.0
    elif kind == "unit":
        allowed &= (values >= 0.0) & (values <= 1.0)
    scores = np.where(allowed, scores, -np.inf)
    chosen = np.take_along_axis(values, scores.argmax(axis=0)[None], axis=0)[0]
    return np.where(allowed.any(axis=0), chosen, np.nan)


def masked(value: Any, observed: NDArray[np.bool_] | None, new: tuple[int, ...] = ()) -> Any:
    """The value where observed, zero where missing; `observed` None means complete.

    `new` are the value's axes that the mask doesn't have, where they aren't its first.
    """
    if observed is None:
        return value
    if isinstance(value, (OneHot, Scaled)):
        return value.masked(observed)
    if isinstance(value, Pairs):
        if observed.ndim == 1:
            return Pairs(np.where(observed, value.x, 0.0))
        value = value.products()
    return np.where(np.expand_dims(observed, new) if new else observed, value, 0.0)


def mask_rows(observed: NDArray[np.bool_] | None) -> Floats | None:
    """A mask as feature rows; None where the data are complete, whose mask is constant."""
    return None if observed is None else observed.astype(np.float64)


def known(observed: NDArray[np.bool_] | None, shape: tuple[int, ...]) -> Floats:
    """The mask as an array of 1 and 0, all 1 where the data are complete."""
    return ones(shape) if observed is None else observed.astype(np.float64)


@functools.lru_cache(maxsize=256)
def ones(shape: tuple[int, ...]) -> Floats:
    """An array of ones that is one number, and not to be written to."""
    return np.broadcast_to(1.0, shape)


def indicator(condition: Any) -> Any:
    """1 where the condition holds, 0 elsewhere."""
    return np.asarray(condition, dtype=np.float64)


def log_indicator(condition: Any) -> Any:
    """0 where the condition holds, minus infinity elsewhere."""
    return np.where(condition, 0.0, -np.inf)


def unknown_argument(family: str, name: str) -> Any:
    """Say that sampling needs an argument that the model reads off its data."""
    raise ValueError(
        f"can't sample from {family} without `{name}`: the model reads it off the data, "
        f"give `{name}` as an argument in the model (an input) to sample"
    )


def no_density(name: str) -> Any:
    """Say that a `likelihood` has nothing to draw from."""
    raise ValueError(
        f"can't sample from {name}: a `likelihood` says what an observation adds to the "
        "likelihood, not how it is drawn; declare it as a `density` that integrates to 1 to sample"
    )


def draw_rows(
    rng: np.random.Generator,
    log_density: Any,
    domain: tuple[float, float, bool],
    shape: tuple[int, ...],
    *arguments: Any,
) -> Floats:
    """Sample a user's density: one inversion for each distinct setting of its arguments.

    log_density(x, *arguments) on arrays of x; domain is (lower, upper, discrete).
    """
    from emdsl.runtime import sampling

    lower, upper, discrete = domain
    if not arguments:
        size = math.prod(shape)
        return sampling.from_log_density(rng, log_density, lower, upper, discrete, size).reshape(
            shape
        )
    table = np.stack([np.broadcast_to(a, shape).reshape(-1) for a in arguments], axis=1)
    settings, place = np.unique(table, axis=0, return_inverse=True)
    place = place.reshape(-1)
    out = np.empty(math.prod(shape))
    for i, setting in enumerate(settings):
        rows = np.flatnonzero(place == i)

        def at(x: Any, setting: Any = setting) -> Any:
            return log_density(x, *setting)

        out[rows] = sampling.from_log_density(rng, at, lower, upper, discrete, len(rows))
    return out.reshape(shape)


# --- sums over rows of functions of data and parameters --------------------------------------


def over_rows(terms: Floats, count: int) -> Floats:
    """The sum over the last `count` axes."""
    found: Floats = np.add.reduce(terms, axis=-1 if count == 1 else tuple(range(-count, 0)))
    return found


def weighted(terms: Floats, weights: Floats) -> Floats:
    """terms * weights, zero where the weight is, whatever the term is there."""
    if _all_one(weights):
        return terms
    found: Floats = np.where(weights > 0.0, terms, 0.0) * weights
    return found


def counted(weights: Floats, known: Floats) -> Floats:
    """weights (..., B) * known (B,)."""
    return weights if _all_one(known) else weights * known


def _all_one(x: Floats) -> bool:
    """Whether it is one number for all entries, and that is 1: it is known without a look."""
    return not any(x.strides) and x.size > 0 and x.flat[0] == 1.0


def gram(left: Floats, right: Floats, count: int, shared: int) -> Floats:
    """Products summed over the last `count` axes, as one matrix product.

    left : (shared..., a..., rows...), right : (shared..., b..., rows...).

    Returns (shared..., a..., b...).
    """
    if left.ndim == 1 and right.ndim == 2:
        plain: Floats = left @ right.T
        return plain
    lead, a = left.shape[:shared], left.shape[shared : left.ndim - count]
    b = right.shape[shared : right.ndim - count]
    one = left.reshape(*lead, math.prod(a), -1)
    two = right.reshape(*lead, math.prod(b), -1)
    return (one @ np.swapaxes(two, -1, -2)).reshape(*lead, *a, *b)


def weighted_gram(weights: Floats, values: Floats) -> Floats:
    """sum_n weights[..., n] v[a, n] v[b, n] for each set of weights.

    weights : (batch..., B), values : (a..., B).

    Returns (batch..., a..., a...). Where the weights have one sign, BLAS computes one triangle,
    which saves time where that isn't small.
    """
    flat = values.reshape(-1, values.shape[-1])
    wide = len(flat) >= _WIDE
    if weights.ndim == 1 and values.ndim == 2 and not wide:
        one: Floats = (values * weights) @ values.T
        return one
    each = weights.reshape(-1, weights.shape[-1])
    out = np.empty((len(each), len(flat), len(flat)))
    for w, found in zip(each, out, strict=True):
        low, high = (w.min(initial=0.0), w.max(initial=0.0)) if wide else (-np.inf, np.inf)
        if low < 0.0 < high:
            np.matmul(flat * w, flat.T, out=found)
        else:
            half = flat * np.sqrt(np.abs(w))
            np.matmul(half, half.T, out=found)
            if low < 0.0:
                np.negative(found, out=found)
    return out.reshape(weights.shape[:-1] + 2 * values.shape[:-1])


def logsumexp(x: Floats, count: int) -> Floats:
    """log of the sum of exp(x) over the first `count` axes, without overflow."""
    return special.logsumexp(x, tuple(range(count)))


def softmax(x: Floats, count: int) -> tuple[Floats, Floats]:
    """`logsumexp`, and the shares exp(x - logsumexp(x))."""
    return special.softmax(x, tuple(range(count)))
