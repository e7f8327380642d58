"""The root of a quadratic in a positive definite matrix, many at once."""

from __future__ import annotations

import numpy as np

from emdsl.runtime.linear import Floats, inverse, symmetric


def matrix_quadratic(a: Floats, m: Floats, n: Floats) -> Floats:
    """The positive definite S (..., D, D) with S M S - a S - N = 0.

    a : (...), m, n : (..., D, D) symmetric, one of them positive definite; NaN, for `settle`, where
    none is. Where M isn't, the equation for S^-1 is solved, in which M and N change places. S is
    singular, or nearly without end, where that is where the equation leads.
    """
    square = m.shape[-2:]
    counts, ms, ns = a.reshape(-1), symmetric(m).reshape(-1, *square), symmetric(n)
    out = np.full_like(ms, np.nan)
    for i, (count, one, other) in enumerate(zip(counts, ms, ns.reshape(-1, *square), strict=True)):
        try:
            out[i] = _quadratic_root(float(count), one, other, 0.0)
        except np.linalg.LinAlgError:
            try:
                out[i] = inverse(_quadratic_root(-float(count), other, one, 1e-12))
            except np.linalg.LinAlgError:
                continue
    return out.reshape(m.shape)


def _quadratic_root(a: float, m: Floats, n: Floats, least: float) -> Floats:
    """With M = L L' and T = L' S L, T^2 - a T - L' N L = 0: a quadratic in each eigenvalue.

    No eigenvalue of T is below `least` of the largest. Raises LinAlgError where m isn't positive
    definite.
    """
    root = np.linalg.cholesky(m)
    d, basis = np.linalg.eigh(root.T @ n @ root)
    wide = np.sqrt(a * a + 4.0 * np.maximum(d, 0.0))
    # (a + wide) / 2, which cancels where a is below 0
    with np.errstate(invalid="ignore"):
        t = (a + wide) / 2.0 if a > 0.0 else 2.0 * np.maximum(d, 0.0) / (wide - a)
    t = np.where(np.isnan(t), 0.0, t)
    t = np.maximum(t, least * np.max(t))
    half = np.linalg.solve(root.T, basis)
    found: Floats = (half * t) @ half.T
    return found
