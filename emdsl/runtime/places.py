"""Rows of nested plates, and the order in which rows that depend on others are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]


def places(*extents: Any) -> tuple[Rows, ...]:
    """For every row of nested plates its place along each of them; the last moves fastest.

    An extent is a number, or as many lengths as the plates before have rows.
    """
    found: list[Rows] = []
    rows = 1
    for extent in extents:
        lengths = np.broadcast_to(np.asarray(extent, dtype=np.intp), rows)
        outer = np.repeat(np.arange(rows), lengths)
        found = [place[outer] for place in found]
        found.append(np.arange(len(outer)) - starts(lengths)[outer])
        rows = len(outer)
    return tuple(found)


def starts(lengths: Any) -> Rows:
    """The row that each of these lengths begins with."""
    ends: Rows = np.cumsum(lengths, dtype=np.intp)
    return ends - np.asarray(lengths, dtype=np.intp)


def steps(*orders: NDArray[np.integer[Any]]) -> Iterator[Any]:
    """The rows of each step, from 0 on: an array, or one for each of several orders."""
    last = max((int(order.max()) for order in orders if order.size), default=-1)
    sorted_rows = [np.argsort(order, kind="stable") for order in orders]
    edges = [
        np.searchsorted(order[rows], np.arange(last + 2))
        for order, rows in zip(orders, sorted_rows, strict=True)
    ]
    for step in range(last + 1):
        now = tuple(r[e[step] : e[step + 1]] for r, e in zip(sorted_rows, edges, strict=True))
        yield now[0] if len(now) == 1 else now


def depths(*parents: NDArray[np.integer[Any]]) -> Rows:
    """How far each row is below a root: one more than the deepest of its parents.

    parents : (rows,) each; who is its own parent has none there.

    Raises ValueError where parents go round in a circle, or are none of the rows.
    """
    count = len(parents[0])
    rows = np.arange(count)
    for parent in parents:
        outside = np.flatnonzero((parent < 0) | (parent >= count))
        if outside.size:
            raise ValueError(
                f"the parent of row {outside[0]} is {parent[outside[0]]}, expected one of {count} "
                "rows: let the model choose what a root is drawn from, such as "
                "`... if parent[t] < 0 else ...`"
            )
    child = np.concatenate([rows[p != rows] for p in parents])
    above = np.concatenate([p[p != rows] for p in parents])
    waiting = np.bincount(child, minlength=count)
    order = np.argsort(above, kind="stable")
    children, first = child[order], np.searchsorted(above[order], np.arange(count + 1))
    depth = np.zeros(count, dtype=np.intp)
    step, done, now = 0, 0, rows[waiting == 0]
    while now.size:
        depth[now] = step
        done += len(now)
        lengths = first[now + 1] - first[now]
        (at,) = places(int(lengths.sum()))
        below = children[at + np.repeat(first[now] - starts(lengths), lengths)]
        np.subtract.at(waiting, below, 1)
        now = np.unique(below[waiting[below] == 0])
        step += 1
    if done < count:
        circle = int(np.flatnonzero(waiting)[0])
        raise ValueError(
            f"the parents of row {circle} lead round in a circle, expected a tree: "
            "let each root be its own parent"
        )
    return depth


def split(rows: Rows, test: Any) -> tuple[Rows, Rows]:
    """The rows for which a test holds, and the others."""
    holds = np.broadcast_to(np.asarray(test, dtype=np.bool_), rows.shape)
    return rows[holds], rows[~holds]


def unordered(why: str) -> Any:
    """Say that no order was found to draw variables in that depend on each other."""
    raise ValueError(f"can't sample this model: {why}")


def back(rows: Any, exists: Any) -> Any:
    """Earlier rows, all of which must exist.

    Raises ValueError where one doesn't: an input marks the wrong starts.
    """
    if not np.all(exists):
        raise ValueError(
            "a lag reaches back before the start of its sequence, expected a choice that keeps it "
            "from being read there: correct the input that marks the starts"
        )
    return rows
