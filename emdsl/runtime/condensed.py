"""A few rows that give the same statistics as all of them, where posterior means are linear.

Where all rows' normal latents have the same precision, posterior means are linear in the features
phi_n, and the log evidence and all statistics depend on them through one matrix alone:

    G = sum_n w_n phi_n phi_n' = R'R

(Tipping and Bishop, J. R. Stat. Soc. B 61 (1999), for probabilistic PCA: the sample covariance is
sufficient.)

The F rows of R, each counted W / F times with W the sum of the weights, have the same matrix and
the same total weight: an E-step on them costs nothing that grows with the number of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from emdsl.runtime.pieces import Chunk, PieceData
from emdsl.runtime.program import Features, Floats

Blocks = Callable[[], Iterator[tuple[Chunk, Features]]]


def condensed(data: PieceData, blocks: Blocks) -> tuple[Chunk, Features] | None:
    """The rows that stand for all of a piece's; None where posteriors aren't of that kind."""
    piece = data.piece
    if len(piece.integrals) != 1 or piece.latents or piece.potentials is not None:
        return None
    (integral,) = piece.integrals
    if (
        integral.family != "normal"
        or integral.states
        or len(integral.shares) != len(piece.clusters)
    ):
        return None
    linear = [s.cluster for s in integral.shares if s.role == "linear"]
    first: dict[int, Floats] = {}
    widths: list[int] = []
    triangle: Floats | None = None
    total = 0.0
    for chunk, features in blocks():
        if any(not isinstance(r, np.ndarray) for r in features.rows):
            return None
        if any(f is not None for f in features.fixed):
            return None
        widths = [len(r) for r in features.rows]
        for c, rows in enumerate(features.rows):
            if c in linear:
                continue
            column = first.setdefault(c, rows[:, :1])
            if not (rows == column).all():
                return None
        stacked = np.concatenate([features.rows[c] for c in linear]) if linear else np.zeros((0, 1))
        if 2 * len(stacked) >= data.size:
            return None
        if chunk.weight is not None:
            stacked = stacked * np.sqrt(chunk.weight)
        total += float(chunk.stop - chunk.start if chunk.weight is None else chunk.weight.sum())
        rows = stacked.T if triangle is None else np.concatenate([triangle, stacked.T])
        triangle = np.asarray(np.linalg.qr(rows, mode="r"))
    if triangle is None or not len(triangle) or total <= 0.0:
        return None
    count = len(triangle)
    each = np.ascontiguousarray(triangle.T) * np.sqrt(count / total)
    found: list[Floats] = []
    start = 0
    for c, width in enumerate(widths):
        if c in linear:
            found.append(each[start : start + width])
            start += width
        else:
            found.append(np.broadcast_to(first[c], (len(first[c]), count)))
    weight = np.full(count, total / count)
    features = Features(np.zeros((0, count)), tuple(found), (None,) * len(found))
    return Chunk({}, weight, 0, count), features
