"""Affine updates: linear systems, restricted where constraints hold of what is solved for.

    -H x = g    becomes    (M' H M) f = M' (g - H offset),  x = offset + M f

A system for each batch element, except that those which constraints tie are solved as one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime import linear
from emdsl.runtime.constraints import Constraints
from emdsl.runtime.held import Held
from emdsl.runtime.quadratic import highest

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


def solve(
    matrix: Floats,
    right: Floats,
    axes: int,
    old: Floats | None = None,
    coupled: tuple[int, ...] | None = None,
) -> Floats:
    """Solve matrix @ x = right for symmetric systems, scaled to unit diagonal first.

    matrix : (batch..., m..., m...), right : (batch..., m...), `axes` the number of m axes.
    old : the parameter's old values, in its own order of axes, of which `coupled` are the m axes
        (the last ones if None); where constraints hold of it, x fulfils them.
    A singular system gets its least-squares solution of least norm.
    """
    x = linear.solve(matrix, right, axes)
    if not isinstance(old, Held):
        return x
    places = tuple(range(old.ndim - axes, old.ndim)) if coupled is None else coupled
    order = (*(i for i in range(old.ndim) if i not in places), *places)
    start = old.rules().spans[old.name].start
    index = np.arange(start, start + old.size).reshape(old.shape).transpose(order)
    lead = int(np.prod(right.shape[: right.ndim - axes], dtype=np.int64))
    size = right.size // max(lead, 1)
    found = _restricted(
        matrix.reshape(lead, size, size),
        right.reshape(lead, size),
        x.reshape(lead, size),
        index.reshape(lead, size),
        old.plain.transpose(order).reshape(lead, size),
        old.shifts().transpose(order).reshape(lead, size),
        old.rules(),
    )
    return found.reshape(right.shape)


def solve_blocks(
    matrix: tuple[tuple[tuple[Floats, int, int], ...], ...],
    right: tuple[tuple[Floats, int], ...],
    batch: int,
    olds: Sequence[Floats] = (),
) -> tuple[Floats, ...]:
    """Solve one symmetric system given by blocks: sum_j matrix[i][j] @ x[j] = right[i].

    A block is (array, row axes, column axes) with shape (batch..., rows..., columns...); a right
    side is (array, row axes). `olds` are the parameters' old values: where constraints hold of
    them, the solution fulfils these. Returns each x[i] in the shape of right[i].
    """
    shapes = [np.shape(g) for g, _ in right]
    lead = shapes[0][:batch]
    widths = [math.prod(shape[batch:]) for shape in shapes]
    g = np.concatenate(
        [np.reshape(r, (*lead, w)) for (r, _), w in zip(right, widths, strict=True)], axis=-1
    )
    h = np.concatenate(
        [
            np.concatenate(
                [np.reshape(b, (*lead, w, v)) for (b, _, _), v in zip(row, widths, strict=True)],
                axis=-1,
            )
            for row, w in zip(matrix, widths, strict=True)
        ],
        axis=-2,
    )
    x = linear.solve(h, g, 1)
    rules = next((o.rules() for o in olds if isinstance(o, Held)), None)
    if rules is not None:
        x = _restrict_blocks(h, g, x, olds, lead, widths, rules)
    ends = np.cumsum(widths)
    return tuple(
        x[..., end - w : end].reshape(shape)
        for end, w, shape in zip(ends, widths, shapes, strict=True)
    )


def _restrict_blocks(
    h: Floats,
    g: Floats,
    x: Floats,
    olds: Sequence[Floats],
    lead: tuple[int, ...],
    widths: list[int],
    rules: Constraints,
) -> Floats:
    count = math.prod(lead)
    index, old, shift = [], [], []
    free = -1  # entries that nothing is said of have numbers of their own
    for value, width in zip(olds, widths, strict=True):
        if isinstance(value, Held):
            start = rules.spans[value.name].start
            flat = np.arange(start, start + value.size)
        else:
            flat = np.arange(free, free - value.size, -1)
            free -= value.size
        index.append(flat.reshape(count, width))
        old.append(np.asarray(value).reshape(count, width))
        moved = value.shifts() if isinstance(value, Held) else np.zeros(value.shape)
        shift.append(moved.reshape(count, width))
    size = sum(widths)
    return _restricted(
        h.reshape(count, size, size),
        g.reshape(count, size),
        x.reshape(count, size),
        np.concatenate(index, axis=1),
        np.concatenate(old, axis=1),
        np.concatenate(shift, axis=1),
        rules,
    ).reshape(g.shape)


def _restricted(
    h: Floats,
    g: Floats,
    x: Floats,
    index: Ints,
    old: Floats,
    shift: Floats,
    rules: Constraints,
) -> Floats:
    """The unrestricted solutions x (batch, m), with those that constraints touch solved anew."""
    out = np.array(x)
    for group in _groups(index, rules):
        m = h.shape[-1]
        whole = np.zeros((len(group) * m, len(group) * m))
        for i, b in enumerate(group):
            whole[i * m : (i + 1) * m, i * m : (i + 1) * m] = h[b]
        system = rules.system(index[group].ravel(), shift[group].ravel())
        found = highest(whole, g[group].ravel(), system, old[group].ravel())
        out[group] = found.reshape(len(group), m)
    return out


def _groups(index: Ints, rules: Constraints) -> Iterator[Ints]:
    """The batch elements that constraints touch, those that one constraint links together."""
    known = index >= 0
    flat = np.where(known, index, 0)
    classes = np.where(known, rules.classes[flat], -1)
    parent = list(range(len(index)))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    touched = (known & rules.constrained[flat]).any(axis=1)
    owner: dict[int, int] = {}
    for b in np.flatnonzero(touched):
        for c in np.unique(classes[b][known[b]]):
            parent[root(int(b))] = root(owner.setdefault(int(c), int(b)))
    for row in rules.rows:
        linked = [owner[int(e)] for e in row.entries if int(e) in owner]
        for other in linked[1:]:
            parent[root(other)] = root(linked[0])
    groups: dict[int, list[int]] = {}
    for b in np.flatnonzero(touched):
        groups.setdefault(root(int(b)), []).append(int(b))
    for members in groups.values():
        yield np.array(members, dtype=np.intp)
