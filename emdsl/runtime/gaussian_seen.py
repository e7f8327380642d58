"""Where the pairs of elements that rows see lie among the nodes, and sums over those rows.

A pair lies in one node, or along an edge: two nodes a < b that some row sees together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from emdsl.runtime.gaussian_blocks import Floats, Scatter
from emdsl.runtime.gaussian_layout import Clique, Family, Layout
from emdsl.runtime.gaussian_sharing import Index, bags, label, share

Pair = tuple[int, int]  # the kinds of the ends of an edge


@dataclass
class Seen:
    """Rows of one clique that see places (p, q) of nodes in the same way."""

    clique: int
    p: int
    q: int
    rows: Index  # (n,)
    tie: bool  # along an edge; else within one node
    swap: bool  # of an edge: p is at its second end
    kinds: Pair  # of the nodes of p and q
    offsets: Pair  # of p and q in their nodes
    left: Index  # (n,), the node of p
    right: Index  # (n,), the node of q
    edge: Index = field(default_factory=lambda: np.empty(0, np.intp))  # (n,)

    @property
    def ends(self) -> Pair:
        """The kinds of the ends of the edge, in its order."""
        return self.kinds[::-1] if self.swap else self.kinds


def look(layout: Layout, cliques: Sequence[Clique]) -> list[Seen]:
    """All pairs p <= q of places that rows see, sorted by where they lie."""
    found = []
    for c, clique in enumerate(cliques):
        for p in range(len(clique.families)):
            for q in range(p, len(clique.families)):
                found.extend(_look(layout, clique, c, p, q))
    return found


def _look(layout: Layout, clique: Clique, c: int, p: int, q: int) -> list[Seen]:
    rows = np.flatnonzero((clique.rows[p] >= 0) & (clique.rows[q] >= 0))
    if not len(rows):
        return []
    f, g = clique.families[p], clique.families[q]
    i, j = clique.rows[p][rows], clique.rows[q][rows]
    a, b = layout.node[f][i], layout.node[g][j]
    x, y = layout.offset[f][i], layout.offset[g][j]
    how = (a < b) + 2 * (a > b)
    wide = int(layout.dims.max()) + 1
    labels, first = label((how * wide + x) * wide + y)
    found = []
    for one, at in enumerate(first):
        here = slice(None) if len(first) == 1 else np.flatnonzero(labels == one)
        kinds = int(layout.kind[a[at]]), int(layout.kind[b[at]])
        offsets = int(x[at]), int(y[at])
        swap = bool(how[at] == 2)
        found.append(
            Seen(c, p, q, rows[here], bool(how[at]), swap, kinds, offsets, a[here], b[here])
        )
    return found


@dataclass(frozen=True)
class Edges:
    """Pairs of nodes that are tied, sorted."""

    low: Index  # (E,)
    high: Index  # (E,), above low
    keys: Index  # (E,), low * nodes + high


def find_edges(seen: Sequence[Seen], nodes: int) -> Edges:
    """The edges; notes in what is seen which they are."""
    keys = [
        np.minimum(s.left, s.right) * nodes + np.maximum(s.left, s.right) for s in seen if s.tie
    ]
    all_keys = np.concatenate([np.empty(0, np.intp), *keys])
    if (np.diff(all_keys) > 0).all():
        found, places = all_keys, np.arange(len(all_keys))
    else:
        found, places = np.unique(all_keys, return_inverse=True)
        places = places.reshape(-1)
    start = 0
    for one in seen:
        if one.tie:
            one.edge = places[start : start + len(one.rows)]
            start += len(one.rows)
    divisor = max(nodes, 1)
    return Edges(found // divisor, found % divisor, found)


@dataclass(frozen=True)
class _Term:
    """A square table's part of blocks: out[x :, y :, ...] -= table (or its transpose)."""

    seen: Seen
    swap: bool
    dims: tuple[int, int]  # of the table
    scatter: Scatter


class Assembly:
    """Sums tables over rows into the blocks of targets (nodes, or edges) of one shape.

    `classes` (targets,) is equal for targets with equal sums whatever the tables are.
    """

    def __init__(
        self,
        cliques: Sequence[Clique],
        seen: Sequence[Seen],
        places: Sequence[Index],  # of each seen (n,), the target of each row
        size: int,
        families: Sequence[Family],
        extra: Sequence[Index] = (),
    ) -> None:
        columns = list(extra)
        patterns = []
        for one, target in zip(seen, places, strict=True):
            given = cliques[one.clique].patterns
            patterns.append(one.rows if given is None else given[one.rows])
            columns.extend(bags(target, patterns[-1], size))
        self.classes, self.first = share(columns, size)
        chosen = np.zeros(size, bool)
        chosen[self.first] = True
        self._terms: list[_Term] = []
        for one, pattern, target in zip(seen, patterns, places, strict=True):
            here = chosen[target]
            scatter = _counted(pattern[here], self.classes[target[here]])
            own = cliques[one.clique].families
            dims = families[own[one.p]].dim, families[own[one.q]].dim
            swaps = (one.swap,) if one.tie else (False, True)
            self._terms.extend(_Term(one, swap, dims, scatter) for swap in swaps)

    def turned(self) -> Iterator[tuple[Seen, bool, tuple[int, int], Scatter]]:
        """For each table whether it goes in transposed, its sides, and its classes' patterns."""
        for term in self._terms:
            if term.seen.tie or not term.swap:
                yield term.seen, term.swap, term.dims, term.scatter.turned()

    def sum(self, out: Floats, squares: Sequence[Mapping[Pair, Floats]]) -> None:
        """Sets the first of out (d, e, at least classes)."""
        out[:, :, : len(self.first)] = 0.0
        for term in self._terms:
            seen = term.seen
            table = squares[seen.clique].get((seen.p, seen.q))
            if table is None:
                continue
            x, y = seen.offsets
            if term.swap:
                x, y, table = y, x, table.swapaxes(0, 1)
            i, j = table.shape[:2]
            term.scatter.add(out[x : x + i, y : y + j], table, -1.0)


def _counted(sources: Index, targets: Index) -> Scatter:
    """A scatter in which what is added several times is multiplied."""
    if len(sources) < 2 or (np.diff(targets) > 0).all():
        return Scatter(sources, targets)
    both, counts = np.unique(targets * (int(sources.max()) + 1) + sources, return_counts=True)
    if len(both) == len(sources):
        return Scatter(sources, targets)
    span = int(sources.max()) + 1
    return Scatter(both % span, both // span, counts.astype(float))


class Linears:
    """Sums linear coefficients over rows into the nodes."""

    def __init__(self, layout: Layout, cliques: Sequence[Clique]) -> None:
        self._parts = []
        for c, clique in enumerate(cliques):
            for p, f in enumerate(clique.families):
                rows = np.flatnonzero(clique.rows[p] >= 0)
                element = clique.rows[p][rows]
                node, offset = layout.node[f][element], layout.offset[f][element]
                labels, first = label(layout.kind[node] * (int(layout.dims.max(initial=0)) + 1)
                                      + offset)  # fmt: skip
                for one, at in enumerate(first):
                    here = slice(None) if len(first) == 1 else np.flatnonzero(labels == one)
                    scatter = Scatter(rows[here], layout.local[node[here]])
                    self._parts.append((c, p, int(layout.kind[node[at]]), int(offset[at]), scatter))
        self._shapes = [(d, n) for d, n in zip(layout.kinds, layout.sizes, strict=True)]

    def sum(self, linears: Sequence[Sequence[Floats | None]]) -> list[Floats]:
        """Of each kind (d, n)."""
        found = [np.zeros(shape) for shape in self._shapes]
        for c, p, kind, offset, scatter in self._parts:
            given = linears[c][p]
            if given is None:
                continue
            scatter.add(found[kind][offset : offset + given.shape[0]], given)
        return found
