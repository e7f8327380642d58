"""All that can be worked out about jointly normal latents before any number is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from emdsl.runtime.gaussian_blocks import Floats
from emdsl.runtime.gaussian_core import MOST_BYTES, Core, TooLargeError
from emdsl.runtime.gaussian_layout import Clique, Family, Layout, lay
from emdsl.runtime.gaussian_order import Held, Order, find_held, find_order
from emdsl.runtime.gaussian_seen import Assembly, Edges, Linears, Pair, Seen, find_edges, look
from emdsl.runtime.gaussian_sharing import Index, compact, label
from emdsl.runtime.gaussian_totals import Totals

# nodes with at most so many ties are eliminated in rounds, even where they are few; the cheapest
_TIES = ((8, False), (8, True), (16, True), (32, True))
_BROAD = (64, 512)  # elements tied along a path are merged into nodes with at most so many numbers
_CHEAP = 2e8  # nanoseconds below which no cheaper way is looked for
_DEAR = 1e9  # and from which very broad nodes are tried


class Reader:
    """Takes a family's numbers out of those of the nodes."""

    def __init__(self, layout: Layout, family: int, dim: int) -> None:
        node, offset = layout.node[family], layout.offset[family]
        self._shape = dim, len(node)
        labels, first = label(offset)  # the nodes of a family are of one kind
        self._kind = int(layout.kind[node[0]]) if len(node) else 0
        self._parts = []
        for one, at in enumerate(first):
            here = np.flatnonzero(labels == one)
            start = int(offset[at])
            rows = slice(start, start + dim)
            self._parts.append((rows, compact(layout.local[node[here]]), compact(here)))

    def add(self, out: Sequence[Floats], given: Floats) -> None:
        """Adds numbers (dim, count) to those of the nodes, (d, N of each kind)."""
        for rows, local, elements in self._parts:
            out[self._kind][rows, local] += given[:, elements]

    def read(self, values: Sequence[Floats]) -> Floats:
        """Values (d, N of each kind) as (dim, count)."""
        if len(self._parts) == 1:
            rows, local, _ = self._parts[0]
            return np.ascontiguousarray(values[self._kind][rows, local])
        found = np.empty(self._shape)
        for rows, local, elements in self._parts:
            found[:, elements] = values[self._kind][rows, local]
        return found


@dataclass(frozen=True)
class Plan:
    """What is fixed as long as the structure is."""

    families: tuple[Family, ...]
    cliques: tuple[Clique, ...]
    layout: Layout
    linears: Linears
    node_sums: list[Assembly]  # of each kind
    edge_sums: dict[Pair, Assembly]
    padded: list[list[tuple[int, Index]]]  # of each kind: number, blocks in which it stands unused
    order: Order
    core: Core | None
    held: Held
    where: dict[tuple[int, int, int], list[tuple[Seen, Index]]]  # of (c, p, q): covariances
    readers: tuple[Reader, ...]  # of each family

    @cached_property
    def totals(self) -> Totals:
        """How covariances are added up, worked out when that is first asked for."""
        return Totals(
            self.cliques, self.layout.kinds, self.order, self.core, self.node_sums, self.edge_sums
        )


def make_plan(families: Sequence[Family], cliques: Sequence[Clique]) -> Plan:
    """Raises TooLargeError where the dense matrix that is left doesn't fit in memory."""
    way = _choose(families, cliques)
    draft, order, core = way.draft, way.order, way.core
    layout, seen = draft.layout, draft.seen
    held = find_held(layout, order)
    core.finish(held, draft.node_class)
    where: dict[tuple[int, int, int], list[tuple[Seen, Index]]] = {}
    for one in seen:
        slots = held.edges[one.edge] if one.tie else held.nodes[one.left]
        where.setdefault((one.clique, one.p, one.q), []).append((one, slots))
        one.left = one.right = one.edge = np.empty(0, np.intp)  # needed no more
    return Plan(
        tuple(families),
        tuple(cliques),
        layout,
        Linears(layout, cliques),
        draft.node_sums,
        draft.edge_sums,
        draft.padded,
        order,
        core if len(core.nodes) else None,
        held,
        where,
        tuple(Reader(layout, f, family.dim) for f, family in enumerate(families)),
    )


@dataclass(frozen=True)
class _Draft:
    """What is known before the order is."""

    layout: Layout
    seen: list[Seen]
    edges: Edges
    node_sums: list[Assembly]
    node_class: Index
    padded: list[list[tuple[int, Index]]]
    edge_sums: dict[Pair, Assembly]
    edge_class: Index


def _draft(families: Sequence[Family], cliques: Sequence[Clique], broad: int) -> _Draft:
    layout = lay(families, cliques, broad)
    seen = look(layout, cliques)
    edges = find_edges(seen, len(layout.dims))
    return _Draft(
        layout,
        seen,
        edges,
        *_assemble_nodes(layout, families, cliques, seen),
        *_assemble_edges(layout, families, cliques, seen, edges),
    )


def _assemble_nodes(
    layout: Layout, families: Sequence[Family], cliques: Sequence[Clique], seen: Sequence[Seen]
) -> tuple[list[Assembly], Index, list[list[tuple[int, Index]]]]:
    sums = []
    classes = np.zeros(len(layout.dims), np.intp)
    padded = []
    for k, size in enumerate(layout.sizes):
        nodes = layout.kind == k
        here = [s for s in seen if not s.tie and s.kinds[0] == k]
        places = [layout.local[s.left] for s in here]
        sums.append(Assembly(cliques, here, places, size, families, (layout.filled[nodes],)))
        classes[nodes] = sums[-1].classes
        filled = layout.filled[nodes][sums[-1].first]
        missing = [(i, np.flatnonzero(filled <= i)) for i in range(layout.kinds[k])]
        padded.append([(i, at) for i, at in missing if len(at)])
    return sums, classes, padded


def _assemble_edges(
    layout: Layout,
    families: Sequence[Family],
    cliques: Sequence[Clique],
    seen: Sequence[Seen],
    edges: Edges,
) -> tuple[dict[Pair, Assembly], Index]:
    sums: dict[Pair, Assembly] = {}
    classes = np.zeros(len(edges.keys), np.intp)
    ends = layout.kind[edges.low], layout.kind[edges.high]
    for pair in sorted({s.ends for s in seen if s.tie}):
        these = np.flatnonzero((ends[0] == pair[0]) & (ends[1] == pair[1]))
        place = np.empty(len(edges.keys), np.intp)
        place[these] = np.arange(len(these))
        here = [s for s in seen if s.tie and s.ends == pair]
        sums[pair] = Assembly(cliques, here, [place[s.edge] for s in here], len(these), families)
        classes[these] = sums[pair].classes
    return sums, classes


@dataclass(frozen=True)
class _Way:
    cost: float  # nanoseconds, about; infinite where it doesn't fit in memory
    draft: _Draft
    order: Order
    core: Core


def _cheaper(way: _Way | None, draft: _Draft, most: int, *, fill: bool) -> _Way:
    """The way, or another order of a draft where that costs less."""
    best = way.cost if way else math.inf
    order = find_order(
        draft.layout,
        draft.edges.low,
        draft.edges.high,
        draft.node_class,
        draft.edge_class,
        [len(s.first) for s in draft.node_sums],
        {pair: len(s.first) for pair, s in draft.edge_sums.items()},
        most,
        fill=fill,
        budget=best,
    )
    if order is None:
        assert way is not None  # the first has no budget
        return way
    core = Core(draft.layout, order)
    cost = order.cost + core.cost if core.bytes <= MOST_BYTES else math.inf
    return _Way(cost, draft, order, core) if way is None or cost < best else way


def _choose(families: Sequence[Family], cliques: Sequence[Clique]) -> _Way:
    """The cheapest way. Raises TooLargeError where even that doesn't fit in memory."""
    (most, fill), *others = _TIES
    way = _cheaper(None, _draft(families, cliques, _BROAD[0]), most, fill=fill)
    for broad in _BROAD[1:]:
        if way.cost < _DEAR:
            break
        draft = _draft(families, cliques, broad)
        if draft.layout.kinds != way.draft.layout.kinds:
            way = _cheaper(way, draft, most, fill=fill)
    for most, fill in others:
        if way.cost < _CHEAP or not len(way.core.nodes):
            break
        way = _cheaper(way, way.draft, most, fill=fill)
    if way.cost == math.inf:
        core = way.core
        raise TooLargeError(
            f"the latents are tied in such a way that a dense matrix of {core.size} x {core.size} "
            f"numbers is left, which takes {core.bytes / 2**30:.1f} GiB with its inverse, more "
            f"than {MOST_BYTES / 2**30:.0f} GiB: use fewer groups or fewer crossed effects"
        )
    return way
