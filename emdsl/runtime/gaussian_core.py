"""What elimination in rounds leaves: nodes with many ties each, as in crossed effects.

Nodes of one sort that aren't tied to each other (the sort with the most numbers) are eliminated
at once; the others' precision, less what those explain (the Schur complement), is one dense matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emdsl.runtime.gaussian_blocks import (
    LOST,
    Floats,
    NotPositive,
    Scatter,
    inverse_factor,
    multiply,
    pick,
    transposed,
)
from emdsl.runtime.gaussian_elimination import HALF_LOG_2PI, Blocks, Singular
from emdsl.runtime.gaussian_layout import Layout
from emdsl.runtime.gaussian_order import Held, Order
from emdsl.runtime.gaussian_seen import Pair
from emdsl.runtime.gaussian_sharing import Index

MOST_BYTES = 8 * 2**30
_PIECE = 4_000_000  # numbers of a dense piece of a sparse matrix
_SPARSE = 40.0  # a multiplication in a sparse product takes this many times as long
_FILLED = (
    8  # where one in so many numbers of a sparse matrix isn't zero, a dense product is quicker
)


class TooLargeError(ValueError):
    """The latents are tied in such a way that the dense matrix that is left is too large."""


@dataclass(frozen=True)
class _Ties:
    """Edges of one pair of kinds within the core."""

    pair: Pair
    slots: Index  # (n,), the block of each edge
    held: Index  # (n,), the block of its covariance
    low: Index  # (n,), of its first end: its place among those eliminated or, in the dense
    high: Index  # matrix, its first row; and of its second end


class Core:
    """The symbolic part."""

    def __init__(self, layout: Layout, order: Order) -> None:
        self.layout = layout
        low, high, self._edge_slots, self._edge_ids = order.left_edges
        self.nodes, self.slots = order.left, order.left_slots
        self.kind = layout.kind[self.nodes]
        self._low, self._high = low, high
        dims = layout.dims[self.nodes]
        stack = layout.stack[self.nodes]
        free = np.ones(len(self.nodes), bool)
        inner = stack[low] == stack[high]
        free[low[inner]] = free[high[inner]] = False
        sums = np.bincount(stack[free], dims[free])
        self.out = np.zeros(len(self.nodes), bool)  # those eliminated
        if len(sums):
            self.out = free & (stack == int(np.argmax(sums)))
        self.rest = np.flatnonzero(~self.out)
        self.gone = np.flatnonzero(self.out)
        self.start = np.zeros(len(self.nodes), np.intp)
        ends = np.cumsum(dims[self.rest])
        self.start[self.rest] = ends - dims[self.rest]
        self.start[self.gone] = np.arange(len(self.gone))
        self.size = int(ends[-1]) if len(ends) else 0

    @property
    def cost(self) -> float:
        """About how long it takes with all covariances, in nanoseconds."""
        rows = float(self.layout.dims[self.nodes[self.gone]].sum())
        across = float((self.out[self._low] | self.out[self._high]).sum())
        dense = min(_SPARSE * across**2 / max(rows, 1.0), rows * float(self.size) ** 2)
        return 0.12 * float(self.size) ** 3 + 0.5 * across * self.size + 0.05 * dense

    @property
    def bytes(self) -> int:
        """The memory of the dense matrix and its inverse."""
        return 16 * self.size**2

    def finish(self, held: Held, origins: Index) -> None:
        """Notes where covariances go, and the nodes' first blocks (N,)."""
        self.origins = origins[self.nodes]
        self.held = held.nodes[self.nodes]
        edge_held = held.edges[self._edge_ids]
        kinds = self.kind[self._low], self.kind[self._high]
        side = np.where(self.out[self._low], 1, np.where(self.out[self._high], 2, 0))
        self.dense: list[_Ties] = []  # within the dense matrix
        self.across: list[tuple[bool, _Ties]] = []  # whether the first end is eliminated
        many = len(self.layout.kinds)
        keys = (side * many + kinds[0]) * many + kinds[1]
        for key in np.unique(keys):
            here = np.flatnonzero(keys == key)
            pair = int(kinds[0][here[0]]), int(kinds[1][here[0]])
            ties = _Ties(
                pair,
                self._edge_slots[here],
                edge_held[here],
                self.start[self._low[here]],
                self.start[self._high[here]],
            )
            if side[here[0]]:
                self.across.append((bool(side[here[0]] == 1), ties))
            else:
                self.dense.append(ties)

    def groups(self) -> list[tuple[int, Index]]:
        """The kinds of nodes in the dense matrix and which of the core's nodes they are."""
        kind = self.kind[self.rest]
        return [(int(k), self.rest[kind == k]) for k in np.unique(kind)]


def _place(start: Index, d: int) -> Index:
    """Rows (d, n) of blocks whose first rows are given (n,)."""
    found: Index = np.arange(d)[:, None] + start
    return found


class CoreFactor:
    """The numbers: factors of what was eliminated and of the dense rest. Raises Singular."""

    def __init__(self, core: Core, blocks: Blocks, h: list[Floats], ev: list[Floats]) -> None:
        self.core = core
        layout = core.layout
        self.sparse: Any = None
        dense, scale = np.zeros((core.size, core.size)), np.empty(core.size)
        linear = np.empty(core.size)
        for k, nodes in core.groups():
            at = _place(core.start[nodes], layout.kinds[k])
            dense[at[:, None], at[None]] = pick(blocks.nodes[k], core.slots[nodes])
            scale[at] = np.einsum("iin->in", blocks.nodes[k])[:, core.origins[nodes]]
            linear[at] = h[k][:, layout.local[core.nodes[nodes]]]
        for ties in core.dense:
            d, e = layout.kinds[ties.pair[0]], layout.kinds[ties.pair[1]]
            row, column = _place(ties.low, d), _place(ties.high, e)
            values = pick(blocks.edges[ties.pair], ties.slots)
            dense[row[:, None], column[None]] = values
            dense[column[None], row[:, None]] = values
        if len(core.gone):
            self._eliminate(blocks, h, ev, dense, linear)
        self._factor(dense, scale)
        self.y = self._solve(linear, transpose=False)
        logs = np.log(np.diagonal(self.lower))
        contribution = 0.5 * self.y**2 - logs + HALF_LOG_2PI
        for k, nodes in core.groups():
            at = _place(core.start[nodes], layout.kinds[k])
            ev[k][:, layout.local[core.nodes[nodes]]] = contribution[at]

    def _eliminate(
        self, blocks: Blocks, h: list[Floats], ev: list[Floats], dense: Floats, linear: Floats
    ) -> None:
        from scipy.sparse import coo_array

        core, layout = self.core, self.core.layout
        k = int(core.kind[core.gone[0]])
        self.kind, self.items = k, layout.local[core.nodes[core.gone]]
        nodes = blocks.nodes[k]
        scale = np.einsum("iin->in", nodes)[:, core.origins[core.gone]]
        try:
            self.inverse, logs = inverse_factor(pick(nodes, core.slots[core.gone]), scale)
        except NotPositive as found:
            raise Singular(int(core.nodes[core.gone[found.item]]), found.row) from None
        self.y_out = np.einsum("ijn,jn->in", self.inverse, h[k][:, self.items])
        ev[k][:, self.items] = 0.5 * self.y_out**2 - logs + HALF_LOG_2PI
        self.v: list[Floats] = []  # of each group of edges (d, e, n)
        d = layout.kinds[k]
        values, rows, columns = [], [], []
        for first, ties in core.across:
            b = pick(blocks.edges[ties.pair], ties.slots)
            mine, other = ties.low, ties.high
            if not first:
                b, mine, other = transposed(b), other, mine
            v = multiply(pick(self.inverse, mine), b)
            self.v.append(v)
            values.append(v.ravel())
            row, column = _place(mine * d, d)[:, None], _place(other, v.shape[1])[None]
            rows.append(np.broadcast_to(row, v.shape).ravel())
            columns.append(np.broadcast_to(column, v.shape).ravel())
        shape = d * len(core.gone), core.size
        where = np.concatenate(rows), np.concatenate(columns)
        self.sparse = coo_array((np.concatenate(values), where), shape=shape).tocsr()
        counts = np.diff(self.sparse.indptr).astype(float)
        if _SPARSE * float((counts**2).sum()) < shape[0] * float(core.size) ** 2:
            dense -= (self.sparse.T @ self.sparse).toarray()
        else:
            step = max(_PIECE // core.size, 1)
            for begin in range(0, shape[0], step):
                piece = self.sparse[begin : begin + step].toarray()
                dense -= piece.T @ piece
        linear -= self.sparse.T @ self.y_out.T.ravel()

    def _factor(self, dense: Floats, scale: Floats) -> None:
        from scipy.linalg.lapack import dpotrf

        # LAPACK reads columns: the transpose of a symmetric matrix needs no copying
        self.lower, info = dpotrf(dense.T, lower=1, clean=1, overwrite_a=1)
        good = np.diagonal(self.lower) ** 2 > LOST * np.abs(scale)
        row = info - 1 if info > 0 else -1
        if row < 0 and not good.all():
            row = int(np.argmin(good))
        if row >= 0:
            core = self.core
            at = int(np.searchsorted(core.start[core.rest], row, side="right")) - 1
            raise Singular(int(core.nodes[core.rest[at]]), int(row - core.start[core.rest[at]]))

    def _solve(self, right: Floats, *, transpose: bool) -> Floats:
        from scipy.linalg import solve_triangular

        found: Floats = solve_triangular(
            self.lower, right, lower=True, trans="T" if transpose else "N", check_finite=False
        )
        return found

    def substitute(self, u: list[Floats], rng: np.random.Generator | None = None) -> None:
        """Fills in the core's means, or a draw."""
        core, layout = self.core, self.core.layout
        y = self.y if rng is None else self.y + rng.standard_normal(core.size)
        found = self._solve(y, transpose=True)
        for k, nodes in core.groups():
            at = _place(core.start[nodes], layout.kinds[k])
            u[k][:, layout.local[core.nodes[nodes]]] = found[at]
        if self.sparse is not None:
            z = self.y_out if rng is None else self.y_out + rng.standard_normal(self.y_out.shape)
            z = z - (self.sparse @ found).reshape(z.shape[1], -1).T
            u[self.kind][:, self.items] = np.einsum("jin,jn->in", self.inverse, z)

    def covariances(self, held: Blocks) -> None:
        """Fills in the covariances of the core's nodes and along its edges."""
        from scipy.linalg.lapack import dpotri

        core, layout = self.core, self.core.layout
        inverse, _ = dpotri(self.lower, lower=1)
        full = np.tril(inverse)
        full += np.tril(full, -1).T
        for k, nodes in core.groups():
            at = _place(core.start[nodes], layout.kinds[k])
            held.nodes[k][:, :, core.held[nodes]] = full[at[:, None], at[None]]
        for ties in core.dense:
            d, e = layout.kinds[ties.pair[0]], layout.kinds[ties.pair[1]]
            row, column = _place(ties.low, d), _place(ties.high, e)
            held.edges[ties.pair][:, :, ties.held] = full[row[:, None], column[None]]
        if self.sparse is not None:
            self._eliminated(full, held)

    def _eliminated(self, full: Floats, held: Blocks) -> None:
        core = self.core
        d = core.layout.kinds[self.kind]
        own = multiply(transposed(self.inverse), self.inverse)
        step = max(_PIECE // (core.size * d), 1)
        orders = []
        for first, ties in core.across:
            mine = ties.low if first else ties.high
            order = np.argsort(mine, kind="stable")
            orders.append((order, mine[order]))
        for begin in range(0, len(core.gone), step):
            end = min(begin + step, len(core.gone))
            part = self.sparse[begin * d : end * d]
            if part.nnz * _FILLED > part.shape[0] * core.size:
                part = part.toarray()
            x = (part @ full).reshape(end - begin, d, -1)
            for (first, ties), v, (order, mine) in zip(core.across, self.v, orders, strict=True):
                here = order[slice(*np.searchsorted(mine, [begin, end]))]
                node = (ties.low if first else ties.high)[here]
                at = _place((ties.high if first else ties.low)[here], v.shape[1])
                seen = x[(node - begin)[None, None], np.arange(d)[:, None, None], at[None]]
                back = transposed(pick(self.inverse, node))
                seen = multiply(back, seen)
                w = multiply(back, pick(v, here))
                Scatter(np.arange(len(here)), node).add(own, multiply(seen, transposed(w)))
                if first:
                    held.edges[ties.pair][:, :, ties.held[here]] = -seen
                else:
                    held.edges[ties.pair][:, :, ties.held[here]] = -transposed(seen)
        held.nodes[self.kind][:, :, core.held[core.gone]] = 0.5 * (own + transposed(own))
