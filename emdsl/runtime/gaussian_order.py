"""In which order nodes are eliminated: rounds of nodes that aren't tied to each other.

Every second node of a path goes, then every second one of those left (cyclic reduction: Hockney
1965; Heller 1976), so that a chain of T nodes takes log2 T rounds; leaves of trees go along with
paths between their branchings (rake and compress: Miller and Reif 1985). Elsewhere nodes with few
ties go first (multiple minimum degree: Liu 1985). What remains when all nodes have many ties is
left to a dense solver.

All of this depends on what is tied to what only, and on which tables are equal: nodes with equal
tables, tied to nodes by equal tables, are of one class and matrices are worked out once for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import accumulate, combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.gaussian_blocks import Classes, Scatter
from emdsl.runtime.gaussian_layout import Layout
from emdsl.runtime.gaussian_seen import Pair
from emdsl.runtime.gaussian_sharing import Index, bags, compact, label, share

_MOST_PARTS = 20_000  # an order with more pieces of updates takes seconds to plan
_MOST_PAIRS = 1e6  # and so does one that ties more pairs of neighbours together


@dataclass
class Batch:
    """Nodes of one kind, eliminated together, sorted by class; n of them in c classes."""

    kind: int
    others: tuple[int, ...]  # the kind of each neighbour; neighbours are sorted by number
    lower: int  # how many neighbours have a smaller number than the node
    nodes: Index  # (n,)
    classes: Classes  # of nodes, while eliminating
    slots: Index | slice  # (c,), the block of each class
    origins: Index | slice  # (c,), its block before anything was eliminated
    ties: tuple[Index | slice, ...]  # of each neighbour (c,), the block of the edge
    near: tuple[Index, ...]  # of each neighbour (n,), which node it is
    tie_ids: tuple[Index, ...]  # of each neighbour (n,), the number of the edge
    spans: list[slice]  # where each neighbour's numbers are among those of all
    width: int  # how many numbers all neighbours have
    pair_ids: dict[Pair, Index] = field(default_factory=dict)  # of neighbours s < t, (n,)
    items: Index | slice = field(
        default_factory=lambda: slice(0)
    )  # (n,), the place of nodes in their kind
    informs: tuple[Scatter, ...] = ()  # of each neighbour: from nodes to their place in its kind
    places: tuple[Index | slice, ...] = ()  # of each neighbour, (n,): its place in its kind
    # covariances, k classes of them, sorted by class
    held: Classes | None = None  # the class of each covariance class
    node_start: int = 0  # its k blocks of nodes start here
    tie_starts: tuple[int, ...] = ()  # and of edges here, of each neighbour
    node_from: tuple[Index | slice, ...] = ()  # of each neighbour (k,), where its covariance is
    pair_from: dict[Pair, Index | slice] = field(default_factory=dict)


@dataclass(frozen=True)
class Update:
    """New blocks start to start + size: old ones (or nothing) less what batches say."""

    start: int
    size: int
    old: Index | slice
    fresh: NDArray[np.bool_] | None  # (size,): there is no old one
    parts: tuple[tuple[int, int, int, Scatter], ...]  # batch, neighbours s <= t, classes to blocks


@dataclass
class Round:
    batches: list[Batch]
    nodes: dict[int, Update]  # of each kind
    edges: dict[Pair, Update]


@dataclass
class Order:
    rounds: list[Round]
    left: Index  # nodes left to the dense solver
    left_slots: Index
    left_edges: tuple[Index, Index, Index, Index]  # low, high (places in left), slots, numbers
    node_slots: list[int]  # how many blocks of each kind there are
    edge_slots: dict[Pair, int]
    edges: int  # how many edges there ever were
    cost: float  # about how long it takes, in nanoseconds


def find_order(
    layout: Layout,
    low: Index,
    high: Index,
    node_class: Index,
    edge_class: Index,
    node_slots: list[int],
    edge_slots: dict[Pair, int],
    most: int,
    *,
    fill: bool,
    budget: float,
) -> Order | None:
    """Eliminates nodes with up to `most` ties; `fill`: even where only few nodes have so few.

    None where that would cost more than a finite budget (nanoseconds, about), or take long to plan.

    Edges low < high are sorted; classes are the blocks of nodes (N,) and edges (E,) in the store
    of their kind, of which so many are taken so far (brought up to date).
    """
    work = _Work(layout, low, high, node_class, edge_class, node_slots, edge_slots)
    rounds: list[Round] = []
    cost, parts, pairs = 0.0, 0, 0.0
    while len(work.alive):
        chosen = work.choose(most, fill=fill)
        if chosen is None:
            break
        degree = work.degree[chosen].astype(float)
        pairs += 0.5 * float((degree * (degree - 1.0)).sum())
        if pairs > _MOST_PAIRS and budget < math.inf:
            return None
        rounds.append(work.eliminate(chosen))
        cost += _cost(rounds[-1], layout)
        parts += _parts(rounds[-1])
        if cost > budget or (parts > _MOST_PARTS and budget < math.inf):
            return None
    return Order(
        rounds,
        work.alive,
        work.node_class,
        (work.low, work.high, work.edge_class, work.edge_id),
        node_slots,
        edge_slots,
        work.edges,
        cost,
    )


def _parts(one: Round) -> int:
    """How many pieces the updates of a round have."""
    return sum(len(u.parts) for u in (*one.nodes.values(), *one.edges.values()))


def _cost(one: Round, layout: Layout) -> float:
    """About how long a round takes with all covariances, in nanoseconds."""
    total = 5_000.0 * _parts(one)
    for batch in one.batches:
        d, e = layout.kinds[batch.kind], batch.width
        rate = 1.0 if d * d * e < 300 else 0.2
        each = batch.classes.count * (d + e) ** 2 * d + len(batch.nodes) * e * d * (d + e)
        total += 100_000.0 + rate * each
    return total


class _Work:
    """What is left after some rounds. Edges name the places of nodes among those left."""

    def __init__(
        self,
        layout: Layout,
        low: Index,
        high: Index,
        node_class: Index,
        edge_class: Index,
        node_slots: list[int],
        edge_slots: dict[Pair, int],
    ) -> None:
        self.layout = layout
        self.alive = np.arange(len(layout.dims))
        self.kind = layout.kind
        self.node_class = self.first_class = node_class
        self.low, self.high = low, high
        self.edge_class = edge_class
        self.edge_id = np.arange(len(low))
        self.edges = len(low)
        self.node_slots, self.edge_slots = node_slots, edge_slots

    @property
    def degree(self) -> Index:
        size = len(self.alive)
        found: Index = np.bincount(self.low, minlength=size)
        return found + np.bincount(self.high, minlength=size)

    def choose(self, most: int, *, fill: bool) -> NDArray[np.bool_] | None:
        """Nodes with few ties and none among themselves; None where there are no such nodes."""
        degree = self.degree
        if int(degree.min()) > most:
            return None
        # a quarter of the nodes may always go: only few would have the very fewest ties
        quarter = int(np.partition(degree, len(degree) // 4)[len(degree) // 4])
        limit = min(max(2, quarter), most)
        if quarter > most and not fill:
            # what is left is dense anyway: only those that tie no others together
            limit = min(1, most)
        few = degree <= limit
        if not few.any():
            return None
        both = few[self.low] & few[self.high]
        low, high = self.low[both], self.high[both]
        chosen = np.zeros(len(degree), bool)
        place = np.cumsum(few) - 1
        if (place[high] - place[low] == 1).all():
            # runs along the numbering: every second node, those of one node alone at once
            run = np.ones(int(few.sum()), bool)
            run[place[high]] = False
            start = np.flatnonzero(run)
            lengths = np.diff(np.append(start, len(run)))
            step = np.arange(len(run)) - np.repeat(start, lengths)
            chosen[few] = (step % 2 == 1) | np.repeat(lengths == 1, lengths)
            return chosen
        # those with fewer ties than their neighbours; of equals, by lots
        lot = (self.alive.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(16)
        lot += degree.astype(np.uint64) << np.uint64(48)
        first = lot[low] <= lot[high]
        chosen[:] = few
        chosen[high[first]] = False
        chosen[low[~first]] = False
        return chosen

    def eliminate(self, chosen: NDArray[np.bool_]) -> Round:
        size = len(self.alive)
        at_low = chosen[self.low]
        touched = at_low | chosen[self.high]
        number = np.flatnonzero(touched)
        at_low = at_low[number]
        low, high = self.low[number], self.high[number]
        node, other = np.where(at_low, low, high), np.where(at_low, high, low)
        order = np.argsort(node * size + other, kind="stable")
        node, other, number = node[order], other[order], number[order]
        batches = self._batches(np.flatnonzero(chosen), node, other, number)
        updates = self._update_nodes(batches)
        edge_updates = self._update_edges(batches, touched)
        self._drop(chosen)
        for batch in batches:
            batch.nodes, batch.near = (
                self._before[batch.nodes],
                tuple(self._before[o] for o in batch.near),
            )
            local = self.layout.local
            batch.items = compact(local[batch.nodes])
            steps = np.arange(len(batch.nodes))
            batch.places = tuple(compact(local[o]) for o in batch.near)
            batch.informs = tuple(Scatter(steps, local[o]) for o in batch.near)
        return Round(batches, updates, edge_updates)

    def _batches(self, gone: Index, node: Index, other: Index, number: Index) -> list[Batch]:
        """Those to go (places), by their kind and those of their neighbours."""
        size = len(self.alive)
        degree = np.bincount(node, minlength=size)
        lower = np.bincount(node[other < node], minlength=size)[gone]
        start = (np.cumsum(degree) - degree)[gone]
        degree = degree[gone]
        columns = [self.kind[gone], degree, lower]
        if len(self.layout.kinds) > 1:
            kinds = np.append(self.kind[other], 0)
            for s in range(int(degree.max(initial=0))):
                at = np.where(s < degree, start + s, len(other))
                columns.append(kinds[at])
        labels, first = label(columns[0])
        for column in columns[1:]:
            labels, first = label(labels * (int(column.max()) + 1) + column)
        batches = []
        for one, at in enumerate(first):
            here = np.arange(len(gone)) if len(first) == 1 else np.flatnonzero(labels == one)
            m = int(degree[at])
            near = [start[here] + s for s in range(m)]
            ties = [number[i] for i in near]
            keys = [self.node_class[gone[here]], *(self.edge_class[i] for i in ties)]
            classes, where = share(keys, len(here))
            if not (np.diff(classes) >= 0).all():
                order = np.argsort(classes, kind="stable")
                where = np.argsort(order)[where]
                here, classes = here[order], classes[order]
                near, ties = [i[order] for i in near], [i[order] for i in ties]
            others = tuple(int(self.kind[other[i[0]]]) for i in near)
            ends = list(accumulate((self.layout.kinds[k] for k in others), initial=0))
            batches.append(
                Batch(
                    kind=int(self.kind[gone[here[0]]]),
                    others=others,
                    lower=int(lower[here[0]]),
                    nodes=gone[here],
                    classes=Classes(classes, len(where)),
                    slots=compact(self.node_class[gone[here]][where]),
                    origins=compact(self.first_class[self.alive[gone[here]]][where]),
                    ties=tuple(compact(self.edge_class[i][where]) for i in ties),
                    near=tuple(other[i] for i in near),
                    tie_ids=tuple(self.edge_id[i] for i in ties),
                    spans=[slice(a, b) for a, b in pairwise(ends)],
                    width=ends[-1],
                )
            )
        return batches

    def _update_nodes(self, batches: list[Batch]) -> dict[int, Update]:
        """The blocks of neighbours lose what the eliminated nodes explain."""
        by_kind: dict[int, list[tuple[int, int]]] = {}
        for b, batch in enumerate(batches):
            for s, kind in enumerate(batch.others):
                by_kind.setdefault(kind, []).append((b, s))
        found = {}
        renamed = self.node_class.copy()
        for kind, sources in by_kind.items():
            targets = [batches[b].near[s] for b, s in sources]
            hit = np.zeros(len(self.alive), bool)
            for target in targets:
                hit[target] = True
            affected = np.flatnonzero(hit)
            place = np.cumsum(hit) - 1
            targets = [place[t] for t in targets]
            old = self.node_class[affected]
            update, labels = self._share(batches, sources, targets, old, self.node_slots[kind])
            self.node_slots[kind] += update.size
            renamed[affected] = update.start + labels
            found[kind] = update
        self.node_class = renamed
        return found

    @staticmethod
    def _share(
        batches: list[Batch],
        sources: list[tuple[int, int]] | list[tuple[int, int, int]],
        targets: list[Index],
        old: Index,
        start: int,
    ) -> tuple[Update, Index]:
        """New blocks of targets (their old blocks given), shared among equal ones."""
        # one neighbour at a time: along a path each block then hears from one node at most
        tokens: dict[tuple[int, ...], list[tuple[Index, Index]]] = {}
        base = 0
        for (b, *st), target in zip(sources, targets, strict=True):
            tokens.setdefault(tuple(st), []).append((target, base + batches[b].classes.of))
            base += batches[b].classes.count
        columns = [old + 1]
        for heard in tokens.values():
            to, what = (np.concatenate(x) for x in zip(*heard, strict=True))
            columns.extend(bags(to, what, len(old)))
        labels, first = share(columns, len(old))
        chosen = np.zeros(len(old), bool)
        chosen[first] = True
        parts = []
        for (b, *st), target in zip(sources, targets, strict=True):
            here = chosen[target]
            if here.any():
                scatter = Scatter(batches[b].classes.of[here], labels[target[here]])
                parts.append((b, st[0], st[-1], scatter))
        old = old[first]
        fresh = old < 0 if (old < 0).any() else None
        update = Update(start, len(old), compact(np.maximum(old, 0)), fresh, tuple(parts))
        return update, labels

    def _update_edges(self, batches: list[Batch], touched: NDArray[np.bool_]) -> dict[Pair, Update]:
        """Neighbours of an eliminated node are tied to each other from now on."""
        size = len(self.alive)
        stay = np.flatnonzero(~touched)
        keys = self.low[stay] * size + self.high[stay]
        edge_class, edge_id = self.edge_class[stay], self.edge_id[stay]
        sources = [
            (b, s, t)
            for b, batch in enumerate(batches)
            for s, t in combinations(range(len(batch.others)), 2)
        ]
        found: dict[Pair, Update] = {}
        if sources:
            wanted = [batches[b].near[s] * size + batches[b].near[t] for b, s, t in sources]
            everything = np.concatenate(wanted)
            if (np.diff(everything) > 0).all():
                new, place = everything, np.arange(len(everything))
            else:
                new, place = np.unique(everything, return_inverse=True)
                place = place.reshape(-1)
            at = np.searchsorted(keys, new)
            known = at < len(keys)
            known[known] = keys[at[known]] == new[known]
            old = np.full(len(new), -1)
            old[known] = edge_class[at[known]]
            ids = np.empty(len(new), np.intp)
            ids[known] = edge_id[at[known]]
            fresh = len(new) - int(known.sum())
            ids[~known] = self.edges + np.arange(fresh)
            self.edges += fresh
            slots = np.empty(len(new), np.intp)
            by_kind: dict[Pair, list[tuple[int, int, int, Index]]] = {}
            begin = 0
            for b, s, t in sources:
                target = place[begin : begin + len(batches[b].nodes)]
                begin += len(target)
                batches[b].pair_ids[s, t] = ids[target]
                pair = batches[b].others[s], batches[b].others[t]
                by_kind.setdefault(pair, []).append((b, s, t, target))
            kinds = self.kind[new // size], self.kind[new % size]
            for pair, entries in by_kind.items():
                mine = np.flatnonzero((kinds[0] == pair[0]) & (kinds[1] == pair[1]))
                to = np.empty(len(new), np.intp)
                to[mine] = np.arange(len(mine))
                start = self.edge_slots.get(pair, 0)
                update, labels = self._share(
                    batches,
                    [(b, s, t) for b, s, t, _ in entries],
                    [to[target] for *_, target in entries],
                    old[mine],
                    start,
                )
                self.edge_slots[pair] = start + update.size
                slots[mine] = start + labels
                found[pair] = update
            edge_class[at[known]] = slots[known]
            if fresh:
                keys = np.concatenate([keys, new[~known]])
                edge_class = np.concatenate([edge_class, slots[~known]])
                edge_id = np.concatenate([edge_id, ids[~known]])
                if len(keys) > fresh:
                    order = np.argsort(keys, kind="stable")
                    keys, edge_class, edge_id = keys[order], edge_class[order], edge_id[order]
        self.low, self.high = keys // size, keys % size
        self.edge_class, self.edge_id = edge_class, edge_id
        return found

    def _drop(self, gone: NDArray[np.bool_]) -> None:
        keep = ~gone
        place = np.cumsum(keep) - 1
        self._before = self.alive
        self.alive, self.kind = self.alive[keep], self.kind[keep]
        self.node_class = self.node_class[keep]
        self.low, self.high = place[self.low], place[self.high]


@dataclass
class Held:
    """Where covariances are kept: blocks of nodes by kind, of edges by the kinds of their ends."""

    nodes: Index  # (N,), the block of each node
    edges: Index  # (edges,)
    node_slots: list[int]
    edge_slots: dict[Pair, int]


def find_held(layout: Layout, order: Order) -> Held:
    """Covariances are found in the reverse order of elimination; equal ones are kept once."""
    held = Held(
        np.zeros(len(layout.dims), np.intp),
        np.zeros(order.edges, np.intp),
        [0] * len(layout.kinds),
        {},
    )
    kind = layout.kind[order.left]
    for k in range(len(layout.kinds)):
        here = order.left[kind == k]
        held.nodes[here] = np.arange(len(here))
        held.node_slots[k] = len(here)
    low, high, _, ids = order.left_edges
    ends = kind[low], kind[high]
    for a, b in {(int(x), int(y)) for x, y in zip(*_distinct(*ends), strict=True)}:
        these = ids[(ends[0] == a) & (ends[1] == b)]
        held.edges[these] = np.arange(len(these))
        held.edge_slots[a, b] = len(these)
    for one in reversed(order.rounds):
        for batch in one.batches:
            _hold(batch, held)
    return held


def _distinct(a: Index, b: Index) -> tuple[Index, Index]:
    _, first = label(a * (int(b.max(initial=0)) + 1) + b)
    return a[first], b[first]


def _hold(batch: Batch, held: Held) -> None:
    nodes = [held.nodes[o] for o in batch.near]
    pairs = {st: held.edges[ids] for st, ids in batch.pair_ids.items()}
    n = len(batch.nodes)
    labels, first = share([batch.classes.of, *nodes, *pairs.values()], n)
    batch.held = Classes(batch.classes.of[first], batch.classes.count)
    batch.node_from = tuple(compact(x[first]) for x in nodes)
    batch.pair_from = {st: compact(x[first]) for st, x in pairs.items()}
    batch.node_start = held.node_slots[batch.kind]
    held.node_slots[batch.kind] += len(first)
    held.nodes[batch.nodes] = batch.node_start + labels
    starts = []
    for s, (kind, ids) in enumerate(zip(batch.others, batch.tie_ids, strict=True)):
        pair = (kind, batch.kind) if s < batch.lower else (batch.kind, kind)
        starts.append(held.edge_slots.get(pair, 0))
        held.edge_slots[pair] = starts[-1] + len(first)
        held.edges[ids] = starts[-1] + labels
    batch.tie_starts = tuple(starts)
    batch.tie_ids, batch.pair_ids, batch.near = (), {}, ()
