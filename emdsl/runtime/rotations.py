"""Orthogonal matrices that maximise sum_l r_l' M_l r_l over their columns r_l, many at once."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ROUNDS = 30  # of every plane once and a Newton step, whose error near the maximum squares
_NEWTON = 10  # the largest order with Newton steps, whose Hessians grow with its fourth power
_STILL = 1e-13  # a slope this small beside the terms it is a difference of is rounding
_ROUNDING = 4e-15  # or beside the largest entry of all


def nearest_rotation(matrix: Floats) -> Floats:
    """The orthogonal matrices nearest to these (..., D, D), which rounding left a bit off."""
    left, _, right = np.linalg.svd(matrix)
    found: Floats = left @ right
    return found


def exact(kind: str, value: Floats) -> Floats:
    """A shape or an orthogonal matrix near the value: of printed digits, or of several's mean."""
    if kind == "shape":
        return np.asarray(value / np.exp(np.log(value).mean(axis=-1, keepdims=True)))
    return nearest_rotation(value) if kind == "orthogonal" else value


def eigenvectors(matrix: Floats, weights: Floats, old: Floats) -> Floats:
    """Maximise sum_l weights[l] r_l' matrix r_l over rotations: eigenvectors in the weights' order.

    The largest weight has the eigenvector of the largest eigenvalue (Theobald 1975). A column's
    sign, which nothing depends on, is that of `old`; where the matrix is zero or undefined (an
    empty component) `old` stays.

    matrix : (..., D, D) symmetric, weights : (..., D), old : (..., D, D), columns r_l.
    """
    old = np.asarray(old)
    known = np.isfinite(matrix).all(axis=(-1, -2)) & matrix.any(axis=(-1, -2))
    empty = ~np.asarray(known & np.isfinite(weights).all(axis=-1))[..., None, None]
    known = np.where(empty, 0.0, matrix)
    _, vectors = np.linalg.eigh(0.5 * (known + np.swapaxes(known, -1, -2)))
    rank = np.argsort(np.argsort(weights, axis=-1, kind="stable"), axis=-1)
    found = np.take_along_axis(vectors, np.broadcast_to(rank[..., None, :], old.shape), axis=-1)
    found *= np.where((found * old).sum(axis=-2, keepdims=True) < 0.0, -1.0, 1.0)
    return np.where(empty, old, found)


def rotated(matrices: Floats, old: Floats) -> Floats:
    """Raise sum_l r_l' M_l r_l, plane by plane, to where no plane rotation raises it.

    In the plane of two columns p, q an angle t moves the sum by A (cos 2t - 1) + B sin 2t with
    2 A = p'M_p p + q'M_q q - q'M_p q - p'M_q p and B = p'(M_p - M_q)q: highest at
    2 t = atan2(B, A) (Flury and Gautschi, SIAM J. Sci. Stat. Comput. 7, 1986). After each round of
    planes all of them take a Newton step together, where that raises the sum. So it never falls.

    matrices : (..., D, D, L), symmetric in the first two of these, L = D; old : (..., D, D).
    Where they are zero or undefined (an empty component) `old` stays.
    """
    old = np.asarray(old)
    size = old.shape[-1]
    finite = np.isfinite(matrices).all(axis=(-1, -2, -3), keepdims=True)
    known = np.where(finite, matrices, 0.0)
    largest = np.abs(known).max(axis=(-1, -2, -3), keepdims=True, initial=0.0)
    known = known / np.where(largest > 0.0, largest, 1.0)
    m = np.moveaxis(known, -1, 0)
    m = 0.5 * (m + np.swapaxes(m, -1, -2))
    out = np.array(np.broadcast_to(old, (*m.shape[1:-2], size, size)))
    for _ in range(_ROUNDS):
        if not _turn_planes(m, out):
            break
        if 2 < size <= _NEWTON:  # a plane is solved exactly
            out = _newton(m, out)
    return nearest_rotation(out)


def _turn_planes(m: Floats, out: Floats) -> bool:
    """Turn each pair of columns to their best angle, in place; whether any had a way to go."""
    moved = False
    for i, j in combinations(range(out.shape[-1]), 2):
        p, q = out[..., :, i], out[..., :, j]
        mp, mq = _times(m[i], p), _times(m[j], q)
        pp, qq = (p * mp).sum(axis=-1), (q * mq).sum(axis=-1)
        qp, pq = (q * _times(m[i], q)).sum(axis=-1), (p * _times(m[j], p)).sum(axis=-1)
        a = 0.5 * (pp + qq - qp - pq)
        b = (q * mp).sum(axis=-1) - (p * mq).sum(axis=-1)
        terms = np.abs(pp) + np.abs(qq) + np.abs(qp) + np.abs(pq)
        turn = (np.abs(b) > _STILL * terms + _ROUNDING) | (a < -_STILL * terms - _ROUNDING)
        if turn.any():
            moved = True
            angle = np.where(turn, 0.5 * np.arctan2(b, a), 0.0)[..., None]
            cos, sin = np.cos(angle), np.sin(angle)
            out[..., :, i], out[..., :, j] = cos * p + sin * q, cos * q - sin * p
    return moved


def _newton(m: Floats, old: Floats) -> Floats:
    """R (I - W/2)^-1 (I + W/2) with W the skew matrix of a Newton step, or of a part of it.

    With A_l = R'M_l R and R exp(W) in place of R, the sum is, to second order in W,
    sum_l [A_l]_ll + 2 a_l'W e_l + (W e_l)'A_l (W e_l) + a_l'W W e_l,  a_l = A_l e_l.
    Where no such step is higher, R.
    """
    size = old.shape[-1]
    turned = np.swapaxes(old, -1, -2) @ m @ old
    own = np.stack([turned[i][..., :, i] for i in range(size)], axis=-1)  # columns a_l
    rows, columns = np.triu_indices(size, 1)
    basis = np.zeros((len(rows), size, size))
    basis[np.arange(len(rows)), rows, columns] = 1.0
    basis[np.arange(len(rows)), columns, rows] = -1.0
    slope = 2.0 * (own[..., rows, columns] - own[..., columns, rows])
    moved = np.moveaxis(basis, 0, -1)  # columns W e_l of each basis matrix W, by l: (D, P) each
    inner: Floats = np.zeros((*slope.shape, slope.shape[-1]))
    for i in range(size):
        column = moved[:, i]
        bent = np.einsum("pij,...j->...ip", basis, own[..., :, i])
        inner = inner + (column.T @ turned[i] - np.swapaxes(bent, -1, -2)) @ column
    values, vectors = np.linalg.eigh(inner + np.swapaxes(inner, -1, -2))
    sizes = np.abs(values)  # uphill where the sum is convex too
    sizes = np.maximum(sizes, 1e-8 * sizes.max(axis=-1, keepdims=True) + _ROUNDING)
    step = _times(vectors, _times(np.swapaxes(vectors, -1, -2), slope) / sizes)
    eye, best, out = np.eye(size), _total(m, old), old
    for length in (1.0, 0.25, 0.05):
        half = 0.5 * length * np.einsum("...p,pij->...ij", step, basis)
        new = old @ np.linalg.solve(eye - half, eye + half)
        total = _total(m, new)
        better = total > best
        out = np.where(better[..., None, None], new, out)
        best = np.maximum(total, best)
        if better.all():
            break
    return out


def _total(m: Floats, turn: Floats) -> Floats:
    found: Floats = np.einsum("l...ij,...il,...jl->...", m, turn, turn)
    return found


def _times(matrix: Floats, vector: Floats) -> Floats:
    found: Floats = (matrix @ vector[..., None])[..., 0]
    return found
