"""Continuous latents of a row each, under discrete latents that are tied across rows.

Integrated out row by row they leave a factor of the row's discrete latents; with these latents'
posterior the means of their functions are weighed as those of independent rows are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from emdsl.runtime.how import EXPECT
from emdsl.runtime.pieces import Chunk, PieceData
from emdsl.runtime.program import Bias, Coefficients, Features, Floats, Layout
from emdsl.runtime.unseen import unopinionated


def finite_states(data: PieceData) -> list[int]:
    """How many states the clusters of discrete latents have; they come first."""
    own = sum(len(g.shares) for g in data.piece.integrals)
    return data.states[: len(data.states) - own]


def add_integrals(
    data: PieceData,
    known: Coefficients,
    layout: Layout,
    potentials: tuple[Floats, ...],
    blocks: Iterable[tuple[Chunk, Features]],
    bias: Callable[[Chunk], Bias | None] | None,
) -> list[Floats]:
    """Add what continuous latents say to the potentials (states, rows) of discrete ones, in place.

    Returns the means of their functions, (states, rows) each, given the discrete latents.
    """
    piece = data.piece
    assert piece.integrate is not None
    first = len(finite_states(data))
    means = [np.empty((n, data.size)) for n in data.states[first:]]
    for chunk, features in blocks:
        steer = None
        if bias is not None:
            steer = {**unopinionated(piece, chunk, layout), **(bias(chunk) or {})}
        messages, found = piece.integrate(features, known, layout, EXPECT, steer)
        here = slice(chunk.start, chunk.stop)
        for integral, message in zip(piece.integrals, messages, strict=True):
            potentials[integral.parent][:, here] += message
        for mean, part in zip(means, found, strict=True):
            mean[:, here] = part
    return means


def weighed(
    data: PieceData, means: list[Floats], posteriors: tuple[Floats, ...]
) -> tuple[Floats, ...]:
    """Means times the posterior (states, rows) of the discrete values they were given."""
    out = []
    shares = [(s, g.parent) for g in data.piece.integrals for s in g.shares]
    first = len(finite_states(data))
    by_cluster = {s.cluster: parent for s, parent in shares}
    for i, mean in enumerate(means):
        weight = posteriors[by_cluster[first + i]]
        parts = mean.reshape(len(weight), -1, mean.shape[-1]) * weight[:, None]
        out.append(parts.reshape(mean.shape))
    return tuple(out)
