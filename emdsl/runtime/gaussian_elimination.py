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

import numpy as np

from emdsl.runtime.gaussian_blocks import (
    Floats,
    NotPositive,
    chunks,
    inverse_factor,
    multiply,
    pick,
    transposed,
)
from emdsl.runtime.gaussian_order import Batch, Round, Update
from emdsl.runtime.gaussian_seen import Pair
from emdsl.runtime.gaussian_sharing import piece

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
        cut = batch.spans
        e = batch.width
        c = batch.classes.count
        inverse, logs = np.empty((d, d, c)), np.empty((d, c))
        ties, lost = np.empty((d, e, c)), np.empty((e, e, c))
        for here in chunks(c, (d + e) ** 2):
            _factor(batch, here, blocks, (inverse, logs, ties, lost))
        explained.append(lost)
        y = batch.classes.apply(inverse, np.ascontiguousarray(pick(h[batch.kind], batch.items)))
        own = logs if batch.classes.own else pick(logs, batch.classes.of)
        ev[batch.kind][:, batch.items] = 0.5 * y * y - own + HALF_LOG_2PI
        if e:
            told = batch.classes.apply(transposed(ties), y)
            for s, scatter in enumerate(batch.informs):
                scatter.add(h[batch.others[s]], told[cut[s]], -1.0)
        factors.append(Factor(inverse, ties, y))
    for kind, update in one.nodes.items():
        _update(blocks.nodes[kind], update, one, explained)
    for pair, update in one.edges.items():
        _update(blocks.edges[pair], update, one, explained)
    return factors


def _factor(
    batch: Batch,
    here: slice,
    blocks: Blocks,
    out: tuple[Floats, Floats, Floats, Floats],
) -> None:
    inverse, logs, ties, lost = out
    nodes = blocks.nodes[batch.kind]
    scale = pick(np.einsum("iin->in", nodes), piece(batch.origins, here))
    try:
        root, logs[:, here] = inverse_factor(pick(nodes, piece(batch.slots, here)), scale)
    except NotPositive as found:
        item = int(batch.classes.bounds[here.start + found.item])
        raise Singular(int(batch.nodes[item]), found.row) from None
    inverse[:, :, here] = root
    if not batch.width:
        return
    cut = batch.spans
    b = np.empty((len(root), batch.width, root.shape[2]))
    for s, slots in enumerate(batch.ties):
        if s < batch.lower:
            edges = pick(blocks.edges[batch.others[s], batch.kind], piece(slots, here))
            b[:, cut[s]] = transposed(edges)
        else:
            b[:, cut[s]] = pick(blocks.edges[batch.kind, batch.others[s]], piece(slots, here))
    v = multiply(root, b)
    ties[:, :, here] = v
    lost[:, :, here] = multiply(transposed(v), v)


def _update(store: Floats, update: Update, one: Round, explained: list[Floats]) -> None:
    fresh = store[:, :, update.start : update.start + update.size]
    if update.fresh is None:
        fresh[...] = pick(store, update.old)
    elif update.fresh.all():
        fresh[...] = 0.0
    else:
        fresh[...] = np.where(update.fresh, 0.0, pick(store, update.old))
    for b, s, t, scatter in update.parts:
        cut = one.batches[b].spans
        scatter.add(fresh, explained[b][cut[s], cut[t]], -1.0)


def substitute(
    rounds: list[Round],
    factors: list[list[Factor]],
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
                cut = batch.spans
                near = np.empty((batch.width, z.shape[1]))
                for s, kind in enumerate(batch.others):
                    near[cut[s]] = pick(u[kind], batch.places[s])
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
    cut = batch.spans
    e = batch.width
    own = np.empty((d, d, batch.classes.count))
    w = np.empty((d, e, batch.classes.count))
    for here in chunks(batch.classes.count, (d + e) ** 2):
        own[:, :, here] = multiply(back[:, :, here], root[:, :, here])
        if e:
            w[:, :, here] = multiply(back[:, :, here], factor.ties[:, :, here])
    start = batch.node_start
    nodes = held.nodes[batch.kind]
    if not e:
        nodes[:, :, start : start + batch.held.items] = 0.5 * (own + transposed(own))
        return
    for here, of, classes in batch.held.pieces((d + e) ** 2):
        n = here.stop - here.start
        joint = np.empty((e, e, n))
        for s, kind in enumerate(batch.others):
            joint[cut[s], cut[s]] = pick(held.nodes[kind], piece(batch.node_from[s], here))
            for t in range(s + 1, len(cut)):
                pair = held.edges[kind, batch.others[t]]
                block = pick(pair, piece(batch.pair_from[s, t], here))
                joint[cut[s], cut[t]] = block
                joint[cut[t], cut[s]] = transposed(block)
        x = classes.multiply(w[:, :, of], joint)
        mine = classes.multiply(w[:, :, of], transposed(x))
        mine += own[:, :, of] if classes.own or classes.count == 1 else pick(own, classes.of)
        at = slice(start + here.start, start + here.stop)
        np.add(mine, transposed(mine), out=nodes[:, :, at])
        nodes[:, :, at] *= 0.5
        # a product: NumPy 2.4's `negative` into strided memory errs where x goes by 64 bytes
        for s, kind in enumerate(batch.others):
            at = slice(batch.tie_starts[s] + here.start, batch.tie_starts[s] + here.stop)
            if s < batch.lower:
                held.edges[kind, batch.kind][:, :, at] = -1.0 * transposed(x[:, cut[s]])
            else:
                held.edges[batch.kind, kind][:, :, at] = -1.0 * x[:, cut[s]]
