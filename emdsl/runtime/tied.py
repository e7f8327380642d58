"""Hessians that are zero between different groups: their blocks, and which groups to solve by.

Of coefficients b[group[n]] beside shared ones beta the Hessian is an arrow: a diagonal of blocks,
one for each group, and a border. The blocks of parameters whose axes tie (second derivatives
between different places on them are zero) are kept without these zeros.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ties = tuple[tuple[tuple[int, int], ...], ...]  # of each upper block: axes of either parameter
Shapes = tuple[tuple[int, ...], ...]

_ENTRYWISE = ("real", "positive", "unit")  # kinds whose entries have coordinates of their own
_MOST = 4 * 10**6  # numbers in an arrow: more of them aren't formed
_ADDED = 2 * 10**7  # numbers added up over blocks of rows: more take longer than L-BFGS does
_BORDER = 1500  # shared unknowns: their matrix is factorised whole


@dataclass(frozen=True)
class Arms:
    """Which unknowns of a problem go by group, and which all groups share.

    each : places among a problem's entries, (A, a): A groups of a unknowns.
    shared : places, (s,).
    members : the parameters that go by group.
    axes : for each of these its own axes that the groups are, in one order for all.
    """

    each: NDArray[np.intp]
    shared: NDArray[np.intp]
    members: tuple[int, ...]
    axes: tuple[tuple[int, ...], ...]


@functools.lru_cache(maxsize=64)
def arms_of(own: Shapes, ties: Ties, kinds: tuple[str, ...], blocks: int) -> Arms | None:
    """The groups to solve by: those that leave the fewest unknowns to share.

    own : each parameter's own shape; blocks : of rows, whose Hessians are added up.

    None where nothing goes by group, or too much is left, as with two gathered parameters that
    both have many groups: what these have in common is a table of all pairs. Only parameters
    whose entries have coordinates of their own go by group.
    """
    best: Arms | None = None
    for i in range(len(own)):
        if kinds[i] not in _ENTRYWISE:
            continue
        found = _with(i, own, ties, kinds)
        if found is not None and (best is None or found.each.size > best.each.size):
            best = found
    if best is None:
        return None
    (count, width), border = best.each.shape, len(best.shared)
    numbers = count * width * (width + border) + border**2
    fits = numbers <= _MOST and numbers * blocks <= _ADDED and border <= _BORDER
    return best if fits else None


def _with(first: int, own: Shapes, ties: Ties, kinds: tuple[str, ...]) -> Arms | None:
    """The groups that a parameter's own ties make, and who else goes by them."""
    count = len(own)
    axes = tuple(a for a, b in _between(ties, count, first, first) if a == b)
    if not axes:
        return None
    members, places = [first], [axes]
    for j in range(count):
        if j == first or kinds[j] not in _ENTRYWISE:
            continue
        to = dict(_between(ties, count, first, j))
        if not set(axes) <= set(to):
            continue
        here = tuple(to[a] for a in axes)
        alike = all(
            set(zip(p, here, strict=True)) == set(_between(ties, count, m, j))
            for m, p in zip((*members, j), (*places, here), strict=True)
        )
        if alike:
            members.append(j)
            places.append(here)
    order = sorted(range(len(members)), key=members.__getitem__)
    members, places = [members[k] for k in order], [places[k] for k in order]
    groups = math.prod(own[first][a] for a in axes)
    starts = [0, *itertools.accumulate(math.prod(shape) for shape in own)]
    each = []
    for m, place in zip(members, places, strict=True):
        numbers = np.arange(starts[m], starts[m + 1]).reshape(own[m])
        each.append(np.moveaxis(numbers, place, range(len(place))).reshape(groups, -1))
    shared = [np.arange(starts[k], starts[k + 1]) for k in range(count) if k not in members] or [
        np.empty(0, dtype=np.intp)
    ]
    return Arms(np.concatenate(each, axis=1), np.concatenate(shared), tuple(members), tuple(places))


def _between(ties: Ties, count: int, i: int, j: int) -> tuple[tuple[int, int], ...]:
    """The axes of parameters i and j that tie."""
    found = ties[_number(count, min(i, j), max(i, j))]
    return found if i <= j else tuple((b, a) for a, b in found)


def _number(count: int, i: int, j: int) -> int:
    """Where block (i, j) is among the upper ones row by row."""
    return i * count - i * (i - 1) // 2 + j - i


@dataclass(frozen=True, slots=True)
class Tied:
    """A Hessian's upper blocks row by row, (batch..., tied axes..., rest of i..., rest of j...).

    own : each parameter's own shape; batch : how many axes the batch has.
    """

    blocks: tuple[Floats, ...]
    ties: Ties
    own: Shapes
    batch: int

    def whole(self, i: int, j: int) -> Floats:
        """The block of parameters i <= j with its zeros, (batch..., own_i..., own_j...)."""
        number = _number(len(self.own), i, j)
        ties, block, one, two = self.ties[number], self.blocks[number], self.own[i], self.own[j]
        if not ties:
            return block
        lead = np.shape(block)[: self.batch]
        spread = np.zeros((*lead, *one, *two))
        rest_one = [a for a in range(len(one)) if a not in {x for x, _ in ties}]
        rest_two = [b for b in range(len(two)) if b not in {y for _, y in ties}]
        rows = _numbered(one, [a for a, _ in ties], rest_one)
        columns = _numbered(two, [b for _, b in ties], rest_two)
        flat = spread.reshape(*lead, math.prod(one), math.prod(two))
        given = np.reshape(block, (*lead, len(rows), rows.shape[1], columns.shape[1]))
        flat[..., rows[:, :, None], columns[:, None, :]] = given
        return spread

    def parts(self, arms: Arms) -> tuple[Floats, Floats, Floats]:
        """The groups' blocks (B, A, a, a), each's with what is shared (B, A, a, s), and the rest.

        B problems; the rest is (B, s, s).
        """
        count = len(self.own)
        rest = [k for k in range(count) if k not in arms.members]
        groups = len(arms.each)
        lead = np.shape(self.blocks[0])[: self.batch]
        problems = math.prod(lead)
        each = [[np.empty(0)] * len(arms.members) for _ in arms.members]
        for x, i in enumerate(arms.members):
            for y, j in enumerate(arms.members[x:], x):
                each[x][y] = block = self._by_group(i, j, arms.axes[x], problems, groups)
                each[y][x] = np.swapaxes(block, -1, -2)
        border = [
            [self._across(i, k, axes, problems, groups) for k in rest]
            for i, axes in zip(arms.members, arms.axes, strict=True)
        ]
        inner = [
            [self._block(i, k).reshape(problems, math.prod(self.own[i]), -1) for k in rest]
            for i in rest
        ]
        width = arms.each.shape[1]
        return (
            np.block(each),
            np.block(border) if rest else np.empty((problems, groups, width, 0)),
            np.block(inner) if rest else np.empty((problems, 0, 0)),
        )

    def _block(self, i: int, j: int) -> Floats:
        """The block of any two parameters with its zeros."""
        if i <= j:
            return self.whole(i, j)
        block = self.whole(j, i)
        cut = self.batch + len(self.own[j])
        lead = range(self.batch)
        return np.transpose(block, (*lead, *range(cut, np.ndim(block)), *range(self.batch, cut)))

    def _by_group(
        self, i: int, j: int, axes: tuple[int, ...], problems: int, groups: int
    ) -> Floats:
        """The block of two parameters that go by group, (B, A, rest of i, rest of j)."""
        number = _number(len(self.own), i, j)
        first = [a for a, _ in self.ties[number]]
        block = np.asarray(self.blocks[number], dtype=np.float64)
        end = self.batch + len(first)
        order = (self.batch + first.index(a) for a in axes)
        turned = np.transpose(block, (*range(self.batch), *order, *range(end, block.ndim)))
        return turned.reshape(problems, groups, math.prod(self.own[i]) // groups, -1)

    def _across(self, i: int, k: int, axes: tuple[int, ...], problems: int, groups: int) -> Floats:
        """The block of one that goes by group and one that doesn't, (B, A, rest of i, own k)."""
        block = np.asarray(self._block(i, k), dtype=np.float64)
        to = range(self.batch, self.batch + len(axes))
        turned = np.moveaxis(block, [self.batch + a for a in axes], to)
        return turned.reshape(problems, groups, math.prod(self.own[i]) // groups, -1)

    def grid(self) -> tuple[tuple[Floats, ...], ...]:
        """All blocks with their zeros, [i][j] being (batch..., own_i..., own_j...)."""
        count = len(self.own)
        out: list[list[Any]] = [[None] * count for _ in range(count)]
        lead = tuple(range(self.batch))
        for i in range(count):
            for j in range(i, count):
                out[i][j] = block = self.whole(i, j)
                rows = tuple(range(self.batch, self.batch + len(self.own[i])))
                columns = tuple(range(self.batch + len(rows), np.ndim(block)))
                if i != j:
                    out[j][i] = np.transpose(block, (*lead, *columns, *rows))
        return tuple(tuple(row) for row in out)


def _numbered(own: tuple[int, ...], first: list[int], rest: list[int]) -> NDArray[np.intp]:
    """The places of a parameter's entries, (tied, rest)."""
    numbers = np.arange(math.prod(own)).reshape(own).transpose(*first, *rest)
    return numbers.reshape(math.prod(own[a] for a in first), -1)
