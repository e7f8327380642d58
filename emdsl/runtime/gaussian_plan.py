"""All that can be worked out about jointly normal latents before any number is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emdsl.runtime.gaussian_blocks import Floats
from emdsl.runtime.gaussian_core import MOST_BYTES, Core, TooLargeError
from emdsl.runtime.gaussian_layout import Clique, Family, Layout, lay
from emdsl.runtime.gaussian_order import Held, Order, find_held, find_order
from emdsl.runtime.gaussian_seen import Assembly, Edges, Linears, Pair, Seen, find_edges, look
from emdsl.runtime.gaussian_sharing import Index, compact, label

# nodes with at most so many ties are eliminated in rounds, even where they are few
_TIES = ((8, False), (8, True), (16, True), (32, True))


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


def make_plan(families: Sequence[Family], cliques: Sequence[Clique]) -> Plan:
    """Raises TooLargeError where the dense matrix that is left doesn't fit in memory."""
    layout = lay(families, cliques)
    seen = look(layout, cliques)
    edges = find_edges(seen, len(layout.dims))
    node_sums, node_class, padded = _assemble_nodes(layout, cliques, seen)
    edge_sums, edge_class = _assemble_edges(layout, cliques, seen, edges)
    order, core = _order(
        layout,
        edges,
        (node_class, [len(s.first) for s in node_sums]),
        (edge_class, {pair: len(s.first) for pair, s in edge_sums.items()}),
    )
    held = find_held(layout, order)
    core.finish(held, node_class)
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
        node_sums,
        edge_sums,
        padded,
        order,
        core if len(core.nodes) else None,
        held,
        where,
        tuple(Reader(layout, f, family.dim) for f, family in enumerate(families)),
    )


def _assemble_nodes(
    layout: Layout, cliques: Sequence[Clique], seen: Sequence[Seen]
) -> tuple[list[Assembly], Index, list[list[tuple[int, Index]]]]:
    sums = []
    classes = np.zeros(len(layout.dims), np.intp)
    padded = []
    for k, size in enumerate(layout.sizes):
        nodes = layout.kind == k
        here = [s for s in seen if not s.tie and s.kinds[0] == k]
        places = [layout.local[s.left] for s in here]
        sums.append(Assembly(cliques, here, places, size, (layout.filled[nodes],)))
        classes[nodes] = sums[-1].classes
        filled = layout.filled[nodes][sums[-1].first]
        missing = [(i, np.flatnonzero(filled <= i)) for i in range(layout.kinds[k])]
        padded.append([(i, at) for i, at in missing if len(at)])
    return sums, classes, padded


def _assemble_edges(
    layout: Layout, cliques: Sequence[Clique], seen: Sequence[Seen], edges: Edges
) -> tuple[dict[Pair, Assembly], Index]:
    sums: dict[Pair, Assembly] = {}
    classes = np.zeros(len(edges.keys), np.intp)
    ends = layout.kind[edges.low], layout.kind[edges.high]
    for pair in sorted({s.ends for s in seen if s.tie}):
        these = np.flatnonzero((ends[0] == pair[0]) & (ends[1] == pair[1]))
        place = np.empty(len(edges.keys), np.intp)
        place[these] = np.arange(len(these))
        here = [s for s in seen if s.tie and s.ends == pair]
        sums[pair] = Assembly(cliques, here, [place[s.edge] for s in here], len(these))
        classes[these] = sums[pair].classes
    return sums, classes


def _order(
    layout: Layout,
    edges: Edges,
    nodes: tuple[Index, list[int]],
    ties: tuple[Index, dict[Pair, int]],
) -> tuple[Order, Core]:
    """The order, with as many nodes left to the dense solver as fit."""
    for most, fill in _TIES:
        order = find_order(
            layout,
            edges.low,
            edges.high,
            nodes[0],
            ties[0],
            list(nodes[1]),
            dict(ties[1]),
            most,
            fill=fill,
        )
        core = Core(layout, order)
        if core.bytes <= MOST_BYTES:
            return order, core
    raise TooLargeError(
        f"the latents are tied in such a way that a dense matrix of {core.size} x {core.size} "
        f"numbers is left, which takes {core.bytes / 2**30:.1f} GiB with its inverse, more than "
        f"{MOST_BYTES / 2**30:.0f} GiB: use fewer groups or fewer crossed effects"
    )
