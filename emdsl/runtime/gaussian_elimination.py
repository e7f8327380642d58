"""Elimination of nodes in rounds, and the way back: means, covariances and draws.

With P = L L' the precision of a node and B its ties to its neighbours, V = L^-1 B and y = L^-1 h,
the neighbours' precision loses V'V and their linear coefficient V'y. On the way back the node's
mean is L'^-1 (y - V m) with m the means of the neighbours, which are tied to each other, so that
their joint covariance S is known: with W = L'^-1 V the node's covariance with them is -W S, and
its own P^-1 + W S W' (Takahashi, Fagan and Chin 1973; Erisman and Tinney 1975).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from emdsl.runtime.gaussian_blocks import (
    Floats,
    NotPositive,
    chunks,
    inverse_factor,
    multiply,
    transposed,
)
from emdsl.runtime.gaussian_order import Batch, Round, Update
from emdsl.runtime.gaussian_seen import Pair

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


@dataclass
class Blocks:
    """Blocks of nodes (d, d, slots) of each kind, of edges (d, e, slots) of kinds of ends."""

    nodes: list[Floats]
    edges: dict[Pair, Floats]


class Singular(Exception):
    """The precision of a node isn't positive definite, found at one of its numbers."""

    def __init__(self, node: int, row: int) -> None:
        super().__init__(node, row)
        self.node, self.row = node, row


@dataclass
class Factor:
    """What is kept of a batch: m neighbours with e numbers in all."""

    inverse: Floats  # L^-1, (d, d, c)
    ties: Floats  # V, (d, e, c)
    y: Floats  # L^-1 h, (d, n)


def spans(batch: Batch, kinds: tuple[int, ...]) -> list[slice]:
    """Where each neighbour's numbers lie among those of all neighbours."""
    ends = np.cumsum([0, *(kinds[k] for k in batch.others)])
    return [slice(int(a), int(b)) for a, b in pairwise(ends)]


def eliminate(
    rounds: list[Round], kinds: tuple[int, ...], blocks: Blocks, h: list[Floats], ev: list[Floats]
) -> list[list[Factor]]:
    """Eliminates; blocks are filled up, h (d, N of each kind) and ev brought up to date.

    `ev` (d, N) gets each number's contribution to the log integral. Raises Singular.
    """
    return [_eliminate(one, kinds, blocks, h, ev) for one in rounds]


def _eliminate(
    one: Round, kinds: tuple[int, ...], blocks: Blocks, h: list[Floats], ev: list[Floats]
) -> list[Factor]:
    factors, explained = [], []
    for batch in one.batches:
        d = kinds[batch.kind]
        cut = spans(batch, kinds)
        e = cut[-1].stop if cut else 0
        c = batch.classes.count
        inverse, logs = np.empty((d, d, c)), np.empty((d, c))
        ties, lost = np.empty((d, e, c)), np.empty((e, e, c))
        for here in chunks(c, (d + e) ** 2):
            _factor(batch, here, blocks, cut, (inverse, logs, ties, lost))
        explained.append(lost)
        y = batch.classes.apply(inverse, np.ascontiguousarray(h[batch.kind][:, batch.items]))
        own = logs if batch.classes.own else logs[:, batch.classes.of]
        ev[batch.kind][:, batch.items] = 0.5 * y * y - own + HALF_LOG_2PI
        if e:
            told = batch.classes.apply(transposed(ties), y)
            for s, scatter in enumerate(batch.informs):
                scatter.add(h[batch.others[s]], told[cut[s]], -1.0)
        factors.append(Factor(inverse, ties, y))
    for kind, update in one.nodes.items():
        _update(blocks.nodes[kind], update, one, kinds, explained)
    for pair, update in one.edges.items():
        _update(blocks.edges[pair], update, one, kinds, explained)
    return factors


def _factor(
    batch: Batch,
    here: slice,
    blocks: Blocks,
    cut: list[slice],
    out: tuple[Floats, Floats, Floats, Floats],
) -> None:
    inverse, logs, ties, lost = out
    nodes = blocks.nodes[batch.kind]
    scale = np.einsum("iin->in", nodes)[:, batch.origins[here]]
    try:
        root, logs[:, here] = inverse_factor(nodes[:, :, batch.slots[here]], scale)
    except NotPositive as found:
        item = int(batch.classes.bounds[here.start + found.item])
        raise Singular(int(batch.nodes[item]), found.row) from None
    inverse[:, :, here] = root
    if not cut:
        return
    b = np.empty((len(root), cut[-1].stop, root.shape[2]))
    for s, slots in enumerate(batch.ties):
        if s < batch.lower:
            edges = transposed(blocks.edges[batch.others[s], batch.kind])
        else:
            edges = blocks.edges[batch.kind, batch.others[s]]
        b[:, cut[s]] = edges[:, :, slots[here]]
    v = multiply(root, b)
    ties[:, :, here] = v
    lost[:, :, here] = multiply(transposed(v), v)


def _update(
    store: Floats, update: Update, one: Round, kinds: tuple[int, ...], explained: list[Floats]
) -> None:
    fresh = store[:, :, update.start : update.start + len(update.old)]
    if (update.old >= 0).all():
        fresh[...] = store[:, :, update.old]
    else:
        fresh[...] = np.where(update.old >= 0, store[:, :, update.old], 0.0)
    for b, s, t, scatter in update.parts:
        cut = spans(one.batches[b], kinds)
        scatter.add(fresh, explained[b][cut[s], cut[t]], -1.0)


def substitute(
    rounds: list[Round],
    factors: list[list[Factor]],
    kinds: tuple[int, ...],
    u: list[Floats],
    rng: np.random.Generator | None = None,
) -> None:
    """Fills in the means (d, N of each kind) of what was eliminated; draws, given a generator."""
    for one, found in zip(reversed(rounds), reversed(factors), strict=True):
        for batch, factor in zip(one.batches, found, strict=True):
            z = factor.y
            if rng is not None:
                z = z + rng.standard_normal(z.shape)
            if batch.others:
                cut = spans(batch, kinds)
                near = np.empty((cut[-1].stop, z.shape[1]))
                for s, kind in enumerate(batch.others):
                    near[cut[s]] = u[kind][:, batch.places[s]]
                z = z - batch.classes.apply(factor.ties, near)
            u[batch.kind][:, batch.items] = batch.classes.apply(transposed(factor.inverse), z)


def covariances(
    rounds: list[Round], factors: list[list[Factor]], kinds: tuple[int, ...], held: Blocks
) -> None:
    """Fills in the covariances of nodes and along edges of what was eliminated."""
    for one, found in zip(reversed(rounds), reversed(factors), strict=True):
        for batch, factor in zip(one.batches, found, strict=True):
            _covariance(batch, factor, kinds, held)


def _covariance(batch: Batch, factor: Factor, kinds: tuple[int, ...], held: Blocks) -> None:
    d = kinds[batch.kind]
    assert batch.held is not None
    root = factor.inverse
    back = transposed(root)
    cut = spans(batch, kinds)
    e = cut[-1].stop if cut else 0
    own = np.empty((d, d, batch.classes.count))
    w = np.empty((d, e, batch.classes.count))
    for here in chunks(batch.classes.count, (d + e) ** 2):
        own[:, :, here] = multiply(back[:, :, here], root[:, :, here])
        if e:
            w[:, :, here] = multiply(back[:, :, here], factor.ties[:, :, here])
    start = batch.node_start
    nodes = held.nodes[batch.kind]
    if not e:
        nodes[:, :, start : start + batch.held.items] = own
        return
    for here, of, classes in batch.held.pieces((d + e) ** 2):
        n = here.stop - here.start
        joint = np.empty((e, e, n))
        for s, kind in enumerate(batch.others):
            joint[cut[s], cut[s]] = _take(held.nodes[kind], batch.node_from[s], here)
            for t in range(s + 1, len(cut)):
                pair = held.edges[kind, batch.others[t]]
                block = _take(pair, batch.pair_from[s, t], here)
                joint[cut[s], cut[t]] = block
                joint[cut[t], cut[s]] = transposed(block)
        x = classes.multiply(w[:, :, of], joint)
        mine = classes.multiply(w[:, :, of], transposed(x))
        mine += own[:, :, of] if classes.own or classes.count == 1 else own[:, :, classes.of]
        at = slice(start + here.start, start + here.stop)
        np.add(mine, transposed(mine), out=nodes[:, :, at])
        nodes[:, :, at] *= 0.5
        for s, kind in enumerate(batch.others):
            at = slice(batch.tie_starts[s] + here.start, batch.tie_starts[s] + here.stop)
            if s < batch.lower:
                np.negative(transposed(x[:, cut[s]]), out=held.edges[kind, batch.kind][:, :, at])
            else:
                np.negative(x[:, cut[s]], out=held.edges[batch.kind, kind][:, :, at])


def _take(store: Floats, index: np.ndarray | slice, here: slice) -> Floats:
    if isinstance(index, slice):
        step = index.step or 1
        first = index.start + here.start * step
        found: Floats = store[:, :, first : first + (here.stop - here.start - 1) * step + 1 : step]
        return found
    taken: Floats = store[:, :, index[here]]
    return taken
