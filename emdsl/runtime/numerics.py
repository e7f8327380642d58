"""The few array kernels that generated code calls. NumPy only; SciPy where a function needs it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_TINY = 2.2250738585072014e-308  # smallest normal double; its log is about -708
_LOWEST = -690.0  # exp of less is subnormal, which costs ten to forty times as much


def log(x: Floats) -> Floats:
    """log x with log 0 = -708 in place of minus infinity, so that 0 log 0 is 0."""
    return np.log(np.maximum(x, _TINY))


def normalize(log_joint: Floats, axes: int = 1) -> Floats:
    """Turn a log joint into the posterior in place, and return the log evidence.

    log_joint : (states..., B), overwritten by exp(log_joint - evidence).
    axes : how many leading axes are the states summed over.

    Returns the log evidence, the shape of log_joint without those axes. It is minus infinity
    where every state is impossible, and the posterior there is zero.
    """
    shape = log_joint.shape
    joint = log_joint.reshape(-1, *shape[axes:])
    top = joint.max(axis=0)
    impossible = np.isneginf(top)
    if impossible.any():
        top = np.where(impossible, 0.0, top)
    joint -= top
    np.maximum(joint, _LOWEST, out=joint)
    np.exp(joint, out=joint)
    total = joint.sum(axis=0)
    joint *= 1.0 / total
    evidence = np.log(total)
    evidence += top
    if impossible.any():
        joint[:, impossible] = 0.0
        evidence[impossible] = -np.inf
    return evidence


def inverse(matrix: Floats) -> Floats:
    """Inverses of symmetric positive definite matrices (..., D, D), by Cholesky.

    Raises numpy.linalg.LinAlgError where one isn't positive definite.
    """
    factor = np.linalg.inv(np.linalg.cholesky(matrix))
    return np.swapaxes(factor, -1, -2) @ factor


def logdet(matrix: Floats) -> Floats:
    """Log determinants of symmetric positive definite matrices (..., D, D), by Cholesky."""
    diagonal = np.diagonal(np.linalg.cholesky(matrix), axis1=-2, axis2=-1)
    return 2.0 * np.log(diagonal).sum(axis=-1)


def symmetric(matrix: Floats) -> Floats:
    """The symmetric part of matrices (..., D, D): rounding leaves sums of squares a bit off."""
    return 0.5 * (matrix + np.swapaxes(matrix, -1, -2))


def solve(matrix: Floats, right: Floats, axes: int) -> Floats:
    """Solve matrix @ x = right for symmetric systems, scaled to unit diagonal first.

    matrix : (batch..., m..., m...), right : (batch..., m...), `axes` the number of m axes.
    A singular system gets its least-squares solution of least norm.
    """
    batch = right.shape[: right.ndim - axes]
    size = int(np.prod(right.shape[right.ndim - axes :], dtype=np.int64))
    a = matrix.reshape(*batch, size, size)
    b = right.reshape(*batch, size)
    diagonal = np.abs(np.diagonal(a, axis1=-2, axis2=-1))
    scale = 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    a = a * scale[..., :, None] * scale[..., None, :]
    b = (b * scale)[..., None]
    try:
        x = np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        x = np.linalg.pinv(a, hermitian=True) @ b
    return (x[..., 0] * scale).reshape(right.shape)


def simplex(counts: Floats) -> Floats:
    """Normalise over the last axis; negative counts (a Dirichlet prior below 1) go to the edge.

    An all-zero row gives NaN, which `settle` turns into the row's old value.
    """
    counts = np.maximum(counts, 0.0)
    return counts / counts.sum(axis=-1, keepdims=True)


def settle(new: Floats, old: Floats) -> Floats:
    """The update, except where its statistics are empty (0 / 0): there the old value stays."""
    new = np.broadcast_to(new, old.shape)
    undefined = ~np.isfinite(new)
    return np.where(undefined, old, new) if undefined.any() else np.array(new)


def upper(d: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row and column indices of the upper triangle, diagonal included."""
    return np.triu_indices(d)


def fold(matrix: Floats) -> Floats:
    """Coefficients (..., D, D) of x_d x_e as those of the pairs d <= e: off-diagonals add."""
    i, j = upper(matrix.shape[-1])
    both = matrix[..., i, j] + matrix[..., j, i]
    both[..., i == j] *= 0.5
    return both


def unfold(pairs: Floats, d: int) -> Floats:
    """Statistics (..., D (D+1) / 2) of the pairs d <= e as a symmetric (..., D, D)."""
    i, j = upper(d)
    full = np.empty((*pairs.shape[:-1], d, d))
    full[..., i, j] = pairs
    full[..., j, i] = pairs
    return full


def pairs(x: Floats) -> Floats:
    """Products of rows (D, B) -> (D (D+1) / 2, B), one for each pair d <= e."""
    d = x.shape[0]
    out = np.empty((d * (d + 1) // 2, *x.shape[1:]))
    start = 0
    for i in range(d):  # each product is a contiguous run: faster than fancy indexing
        stop = start + d - i
        np.multiply(x[i], x[i:], out=out[start:stop])
        start = stop
    return out


def rows(*parts: Any, width: int) -> Floats:
    """Stack feature arrays (..., B) into one (F, B); numbers become a constant row."""
    blocks = [
        np.full((1, width), p)
        if np.ndim(p) == 0
        else np.broadcast_to(p, (*np.shape(p)[:-1], width)).reshape(-1, width)
        for p in parts
    ]
    return np.concatenate(blocks, axis=0) if len(blocks) != 1 else np.ascontiguousarray(blocks[0])


def columns(states: int, *parts: Any) -> Floats:
    """Stack coefficient arrays (states..., features...) into one (C, F).

    Each part is a pair of the array and the number of its leading state axes.
    """
    out = []
    for part, lead in parts:
        shape = np.shape(part)
        features = int(np.prod(shape[lead:], dtype=np.int64))
        out.append(np.reshape(part, (states, features)))
    return np.concatenate(out, axis=1) if len(out) != 1 else np.ascontiguousarray(out[0])


def one_hot(x: NDArray[Any], values: int) -> Floats:
    """[x = v] as floats, with the values as a new first axis: (values, ...)."""
    grid = np.arange(values).reshape(-1, *(1,) * np.ndim(x))
    return (grid == x).astype(np.float64)


def masked(value: Any, observed: NDArray[np.bool_] | None) -> Any:
    """The value where observed, zero where missing; `observed` None means complete."""
    return value if observed is None else np.where(observed, value, 0.0)


def log_indicator(condition: Any) -> Any:
    """0 where the condition holds, minus infinity elsewhere."""
    return np.where(condition, 0.0, -np.inf)
