"""Covariances added up over the rows whose tables are equal, without any row's own.

With P = L L' a node's precision, B its ties to its neighbours, W = P^-1 B and S the neighbours'
covariance, the node's covariance with them is -W S and its own P^-1 + W S W' (see
`gaussian_elimination`). Both are linear in S. For nodes of one class, which have the same P and B,
they can be added up before the products:

    sum over n  -W S_n  =  -W (sum S_n)
    sum over n  P^-1 + W S_n W'  =  n P^-1 + W (sum S_n) W'

so that a chain of T steps with constant coefficients takes O(log T) products, not O(T). This is
the derivative of the log normalising constant with respect to the tables, by going back through
the elimination (Griewank and Walther, Evaluating Derivatives, 2008, chapter 3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emdsl.runtime.gaussian_blocks import Floats, Scatter, chunks, multiply, transposed
from emdsl.runtime.gaussian_core import Core, CoreFactor
from emdsl.runtime.gaussian_elimination import Blocks, Factor
from emdsl.runtime.gaussian_layout import Clique
from emdsl.runtime.gaussian_order import Batch, Order, Round, Update
from emdsl.runtime.gaussian_seen import Assembly, Pair
from emdsl.runtime.gaussian_sharing import Index

Sums = Mapping[Pair, Floats]


@dataclass(frozen=True)
class _Back:
    """An update the other way: from blocks to what they were made of."""

    here: slice
    old: Scatter | None
    parts: tuple[tuple[int, int, int, Scatter], ...]  # batch, neighbours s <= t, blocks to classes


class Totals:
    """The symbolic part, made once for a structure."""

    def __init__(
        self,
        cliques: Sequence[Clique],
        kinds: tuple[int, ...],
        order: Order,
        core: Core | None,
        node_sums: Sequence[Assembly],
        edge_sums: Mapping[Pair, Assembly],
    ) -> None:
        self._kinds, self._order, self._core = kinds, order, core
        self._sizes = [_patterns(clique) for clique in cliques]
        self._back = [
            (
                {k: _turned(u) for k, u in one.nodes.items()},
                {p: _turned(u) for p, u in one.edges.items()},
                [_Slots(batch) for batch in one.batches],
            )
            for one in order.rounds
        ]
        self._nodes = [list(sums.turned()) for sums in node_sums]
        self._edges = {pair: list(sums.turned()) for pair, sums in edge_sums.items()}

    def add_up(self, factors: list[list[Factor]], core: CoreFactor | None) -> list[Sums]:
        """For each clique {(p, q): (dim_p, dim_q, U)}: Cov(u_p, u_q) over its rows, by pattern.

        Without patterns each row is its own.
        """
        kinds, order = self._kinds, self._order
        total = _zeros(kinds, order.node_slots, order.edge_slots)
        if core is not None:
            self._add_core(core, total)
        for one, found, (nodes, edges, slots) in zip(
            reversed(order.rounds), reversed(factors), reversed(self._back), strict=True
        ):
            near = [np.zeros((b.width, b.width, b.classes.count)) for b in one.batches]
            for kind, back in nodes.items():
                _tell(total.nodes[kind], back, one, near)
            for pair, back in edges.items():
                _tell(total.edges[pair], back, one, near)
            for batch, factor, joint, own in zip(one.batches, found, near, slots, strict=True):
                own.add(batch, factor, joint, total)
        return self._by_pattern(total)

    def _by_pattern(self, total: Blocks) -> list[Sums]:
        out: list[dict[Pair, Floats]] = [{} for _ in self._sizes]
        stores = [*zip(self._nodes, total.nodes, strict=True)]
        stores += [(terms, total.edges[pair]) for pair, terms in self._edges.items()]
        for terms, store in stores:
            for seen, swap, dims, scatter in terms:
                x, y = seen.offsets[::-1] if swap else seen.offsets
                d, e = dims[::-1] if swap else dims
                key = seen.p, seen.q
                table = out[seen.clique].get(key)
                if table is None:
                    table = np.zeros((*dims, self._sizes[seen.clique]))
                    out[seen.clique][key] = table
                scatter.add(transposed(table) if swap else table, store[x : x + d, y : y + e])
        return list(out)

    def _add_core(self, factor: CoreFactor, total: Blocks) -> None:
        core = self._core
        assert core is not None
        kinds = self._kinds
        counts = np.bincount(core.kind, minlength=len(kinds)).tolist()
        ties = [*core.dense, *(t for _, t in core.across)]
        edges: dict[Pair, int] = {}
        for t in ties:
            edges[t.pair] = max(edges.get(t.pair, 0), int(t.held.max(initial=-1)) + 1)
        held = _zeros(kinds, counts, edges)
        factor.covariances(held)
        for k in range(len(kinds)):
            here = core.kind == k
            Scatter(core.held[here], core.slots[here]).add(total.nodes[k], held.nodes[k])
        for t in ties:
            Scatter(t.held, t.slots).add(total.edges[t.pair], held.edges[t.pair])


class _Slots:
    """Where what a batch finds out goes: its classes' blocks, of which several may be one."""

    def __init__(self, batch: Batch) -> None:
        count = batch.classes.count
        self.nodes = _to(batch.slots, count)
        self.ties = [_to(slots, count) for slots in batch.ties]
        self.members = np.diff(batch.classes.bounds).astype(float)

    def add(self, batch: Batch, factor: Factor, joint: Floats, total: Blocks) -> None:
        root, cut = factor.inverse, batch.spans
        count, (d, e) = batch.classes.count, factor.ties.shape[:2]
        own = np.empty((d, d, count))
        with_near = np.empty((d, e, count))
        for here in chunks(count, (d + e) ** 2):
            back = transposed(root[:, :, here])
            mine = multiply(back, root[:, :, here]) * self.members[here]
            if e:
                w = multiply(back, factor.ties[:, :, here])
                x = multiply(w, joint[:, :, here])
                with_near[:, :, here] = x
                mine += multiply(x, transposed(w))
            own[:, :, here] = 0.5 * (mine + transposed(mine))
        self.nodes.add(total.nodes[batch.kind], own)
        for s, kind in enumerate(batch.others):
            part = with_near[:, cut[s]]
            if s < batch.lower:
                self.ties[s].add(total.edges[kind, batch.kind], transposed(part), -1.0)
            else:
                self.ties[s].add(total.edges[batch.kind, kind], part, -1.0)


def _to(slots: Index | slice, count: int) -> Scatter:
    index = np.arange(slots.start, slots.stop, slots.step) if isinstance(slots, slice) else slots
    return Scatter(np.arange(count), index)


def _turned(update: Update) -> _Back:
    old = update.old
    index = np.arange(old.start, old.stop, old.step) if isinstance(old, slice) else old
    known = np.arange(update.size) if update.fresh is None else np.flatnonzero(~update.fresh)
    back = Scatter(known, index[known]) if len(known) else None
    here = slice(update.start, update.start + update.size)
    return _Back(here, back, tuple((b, s, t, x.turned()) for b, s, t, x in update.parts))


def _tell(store: Floats, back: _Back, one: Round, near: list[Floats]) -> None:
    """Adds what blocks have come to to the blocks they were, and to the batches' neighbours."""
    fresh = store[:, :, back.here]
    for b, s, t, scatter in back.parts:
        cut = one.batches[b].spans
        scatter.add(near[b][cut[s], cut[t]], fresh)
        if s != t:
            scatter.add(near[b][cut[t], cut[s]], transposed(fresh))
    if back.old is not None:
        back.old.add(store, fresh)


def _zeros(kinds: tuple[int, ...], nodes: Sequence[int], edges: Mapping[Pair, int]) -> Blocks:
    return Blocks(
        [np.zeros((d, d, n)) for d, n in zip(kinds, nodes, strict=True)],
        {(a, b): np.zeros((kinds[a], kinds[b], n)) for (a, b), n in edges.items()},
    )


def _patterns(clique: Clique) -> int:
    if clique.patterns is None:
        return len(clique.rows[0]) if clique.rows else 0
    return int(clique.patterns.max(initial=-1)) + 1
