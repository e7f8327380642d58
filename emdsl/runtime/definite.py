"""Cholesky factors of many small positive definite matrices, entries first and rows last.

Arrays are (D, D, ...): each entry is an array over matrices. One after the other the columns of the
factors are found for all matrices together, by Golub and Van Loan 2013, algorithm 4.2.1: of small
matrices LAPACK's calls take several times as long as their arithmetic.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_FEW = 16  # of fewer matrices the loops over columns take longer than LAPACK's calls


def inverse_roots(matrices: Floats) -> tuple[Floats, Bools]:
    """The inverses L^-1 (D, D, ...), lower triangular, of Cholesky factors, P = L L'.

    matrices : (D, D, ...) symmetric.

    Returns them and where the matrices are positive definite (...,); elsewhere L^-1 means nothing.
    A matrix is taken not to be where a pivot is lost in rounding: L[i, i]^2 / P[i, i] is the share
    of the variance of entry i that those before it leave open.
    """
    if math.prod(matrices.shape[2:]) < _FEW:
        return _each(matrices)
    factor, definite = _factors(matrices)
    inverse = np.zeros_like(factor)
    for i in range(len(factor)):
        row = inverse[i, :i]
        for k in range(i):
            row[: k + 1] -= factor[k, i] * inverse[k, : k + 1]
        inverse[i, i] = 1.0 / factor[i, i]
        row *= inverse[i, i]
    return inverse, definite


def _factors(matrices: Floats) -> tuple[Floats, Bools]:
    """L' (D, D, ...): entry [k, i] is L[i, k], so that columns lie together."""
    size = len(matrices)
    least = size * np.finfo(np.float64).eps
    factor = np.empty(matrices.shape)
    definite = np.ones(matrices.shape[2:], dtype=np.bool_)
    for j in range(size):
        column = np.array(matrices[j, j:])
        for k in range(j):
            column -= factor[k, j:] * factor[k, j]
        definite &= column[0] > least * matrices[j, j]
        root = np.sqrt(np.where(definite, column[0], 1.0))
        factor[j, j] = root
        np.multiply(column[1:], 1.0 / root, out=factor[j, j + 1 :])
    return factor, definite


def _each(matrices: Floats) -> tuple[Floats, Bools]:
    """`inverse_roots` by LAPACK, one matrix after the other."""
    size = len(matrices)
    least = size * np.finfo(np.float64).eps
    flat = np.moveaxis(matrices.reshape(size, size, -1), -1, 0)
    out = np.zeros(flat.shape)
    definite = np.zeros(len(flat), dtype=np.bool_)
    for i, one in enumerate(flat):
        try:
            factor = np.linalg.cholesky(one)
        except np.linalg.LinAlgError:
            continue
        definite[i] = bool((np.diagonal(factor) ** 2 > least * np.diagonal(one)).all())
        if definite[i]:
            out[i] = np.tril(np.linalg.inv(factor))
    shape = matrices.shape
    return np.moveaxis(out, 0, -1).reshape(shape), definite.reshape(shape[2:])


def from_roots(inverse: Floats) -> Floats:
    """P^-1 (D, D, ...) from L^-1 (D, D, ...): (L^-1)' L^-1."""
    size = len(inverse)
    if math.prod(inverse.shape[2:]) < _FEW:
        whole: Floats = np.einsum("ka...,kb...->ab...", inverse, inverse)
        return whole
    out = np.zeros_like(inverse)
    for k in range(size):
        for a in range(k + 1):
            out[a, a : k + 1] += inverse[k, a] * inverse[k, a : k + 1]
    for a in range(size):
        out[a + 1 :, a] = out[a, a + 1 :]
    return out


def forward(inverse: Floats, vectors: Floats) -> Floats:
    """L^-1 v (D, ...) of v (D, ...); the axes after the first broadcast."""
    shape = np.broadcast_shapes(inverse.shape[2:], vectors.shape[1:])
    out = np.zeros((len(inverse), *shape))
    for k in range(len(inverse)):
        out[k:] += inverse[k:, k] * vectors[k]
    return out


def backward(inverse: Floats, vectors: Floats) -> Floats:
    """(L^-1)' v (D, ...) of v (D, ...); the axes after the first broadcast."""
    shape = np.broadcast_shapes(inverse.shape[2:], vectors.shape[1:])
    out = np.zeros((len(inverse), *shape))
    for k in range(len(inverse)):
        out[: k + 1] += inverse[k, : k + 1] * vectors[k]
    return out


def log_diagonals(inverse: Floats) -> Floats:
    """The sum of log L^-1[i, i] (...): minus half the log determinant of P."""
    diagonal = np.diagonal(inverse, axis1=0, axis2=1)
    found: Floats = np.log(diagonal).sum(axis=-1)
    return found
