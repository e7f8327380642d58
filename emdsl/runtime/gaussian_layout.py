"""How the elements of families lie in the blocks ("nodes") that elimination works with.

Families that rows see at the same element are stacked: level and slope of one time step are one
node. Elements tied further along a path than to the next one (AR(p), seasons) are merged, as many
to a node as the furthest tie reaches, so that nodes are tied to the next node only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.gaussian_sharing import Index


@dataclass(frozen=True)
class Family:
    """A latent: `count` elements, each a vector of `dim` numbers."""

    count: int
    dim: int


@dataclass(frozen=True)
class Clique:
    """Rows that each see a few elements.

    Of each place: its family and the element each row sees there (R,), -1 where it sees none.
    `patterns` (R,) is the column of the square tables for each row; None: column r for row r.
    """

    families: tuple[int, ...]
    rows: tuple[NDArray[np.intp], ...]
    patterns: NDArray[np.intp] | None


@dataclass(frozen=True)
class Layout:
    """Nodes 0 to N - 1; those of equal size ("kind") are numbered among themselves, too."""

    node: tuple[Index, ...]  # of each family, (count,): the node an element lies in
    offset: tuple[Index, ...]  # of each family, (count,): its first number there
    dims: Index  # (N,), the numbers in a node
    filled: Index  # (N,), how many of them belong to elements; the others come last
    kinds: tuple[int, ...]  # the distinct sizes
    kind: Index  # (N,), the place of a node's size among the kinds
    local: Index  # (N,), its place among the nodes of its kind
    stack: Index  # (N,), equal for nodes made of the same families

    @property
    def sizes(self) -> list[int]:
        """How many nodes each kind has."""
        return [int((self.kind == k).sum()) for k in range(len(self.kinds))]


def lay(families: Sequence[Family], cliques: Sequence[Clique], broad: int) -> Layout:
    """The nodes of a system; merged ones hold at most `broad` numbers."""
    node: list[Index] = [np.empty(0, np.intp)] * len(families)
    offset = list(node)
    dims, filled, numbers, total = [], [], [], 0
    for number, stack in enumerate(_stacks(families, cliques)):
        size = families[stack[0]].count
        dim = sum(families[f].dim for f in stack)
        block, slot, width = _merge(size, dim, _ties(stack, size, cliques), broad)
        inner = 0
        for f in stack:
            node[f] = total + block
            offset[f] = slot * dim + inner
            inner += families[f].dim
        count = int(block.max()) + 1 if size else 0
        dims.append(np.full(count, width * dim))
        filled.append(dim * np.bincount(block, minlength=count))
        numbers.append(np.full(count, number))
        total += count
    all_dims = np.concatenate([np.empty(0, np.intp), *dims])
    kinds, kind = np.unique(all_dims, return_inverse=True)
    kind = kind.reshape(-1)
    local = np.empty(total, np.intp)
    for k in range(len(kinds)):
        local[kind == k] = np.arange(int((kind == k).sum()))
    return Layout(
        tuple(node),
        tuple(offset),
        all_dims,
        np.concatenate([np.empty(0, np.intp), *filled]),
        tuple(int(k) for k in kinds),
        kind.astype(np.intp),
        local,
        np.concatenate([np.empty(0, np.intp), *numbers]),
    )


def _stacks(families: Sequence[Family], cliques: Sequence[Clique]) -> list[list[int]]:
    """Families whose elements of one number are seen together."""
    leader = list(range(len(families)))
    for clique in cliques:
        for p, q in combinations(range(len(clique.families)), 2):
            f, g = leader[clique.families[p]], leader[clique.families[q]]
            if f == g or families[f].count != families[g].count:
                continue
            left, right = clique.rows[p], clique.rows[q]
            both = (left >= 0) & (right >= 0)
            if 2 * int(both.sum()) >= families[f].count and (left == right)[both].all():
                leader = [min(f, g) if x in {f, g} else x for x in leader]
    found: dict[int, list[int]] = {}
    for f, first in enumerate(leader):
        found.setdefault(first, []).append(f)
    return list(found.values())


def _ties(stack: list[int], size: int, cliques: Sequence[Clique]) -> tuple[Index, Index]:
    """The pairs i < j of numbers of elements of a stack that some row sees together."""
    keys = [np.empty(0, np.intp)]
    simple = True  # so far only neighbours, as in most chains
    for clique in cliques:
        for p, q in combinations(range(len(clique.families)), 2):
            if clique.families[p] not in stack or clique.families[q] not in stack:
                continue
            i, j = clique.rows[p], clique.rows[q]
            here = (i >= 0) & (j >= 0) & (i != j)
            low, high = np.minimum(i, j)[here], np.maximum(i, j)[here]
            simple = simple and bool((high - low == 1).all())
            keys.append(low * size + high)
    if simple:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    both = np.unique(np.concatenate(keys))
    return both // size, both % size


def _merge(size: int, dim: int, ties: tuple[Index, Index], broad: int) -> tuple[Index, Index, int]:
    """The node of each element, its slot there, and the slots a node has."""
    i, j = ties
    natural = np.arange(size), np.zeros(size, np.intp), 1
    if not len(i):
        return natural
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components, reverse_cuthill_mckee

    graph: Any = coo_array((np.ones(len(i)), (i, j)), shape=(size, size)).tocsr()
    pieces, piece = connected_components(graph, directed=False)
    rank = _ranks(piece)
    width = int(np.abs(rank[i] - rank[j]).max())
    acyclic = len(i) == size - pieces
    most = int(np.bincount(np.concatenate(ties)).max())
    if width > most:
        # the numbers don't follow the paths: look for an order that does (Cuthill and McKee, 1969)
        other = np.empty(size, np.intp)
        other[reverse_cuthill_mckee((graph + graph.T).tocsr(), symmetric_mode=True)] = np.arange(
            size
        )
        order = np.lexsort((other, piece))
        other[order] = np.arange(size)
        reach = int(np.abs(other[i] - other[j]).max())
        if reach < width:
            rank, width = other, reach
    if width == 1:
        return rank, natural[1], 1
    if acyclic or width * dim > broad:
        return natural
    order = np.argsort(rank)
    sorted_piece = piece[order]
    start = np.flatnonzero(np.append(True, sorted_piece[1:] != sorted_piece[:-1]))
    lengths = np.diff(np.append(start, size))
    place = np.arange(size) - np.repeat(start, lengths)
    blocks = -(-lengths // width)
    block, slot = np.empty(size, np.intp), np.empty(size, np.intp)
    block[order] = np.repeat(np.cumsum(blocks) - blocks, lengths) + place // width
    slot[order] = place % width
    return block, slot, width


def _ranks(piece: NDArray[Any]) -> Index:
    """Places in the order of pieces, within them in that of numbers."""
    rank = np.empty(len(piece), np.intp)
    rank[np.argsort(piece, kind="stable")] = np.arange(len(piece))
    return rank
