"""Rows with the same cells missing: their conditional distributions are found together.

Given what is known of a row, its M missing cells are normal with precision P = -2 H_mm, where H
(K, V, V) holds the second-order coefficients of the log joint for each value of the latents. Rows
that miss the same cells share the inverse; patterns with the same M are inverted in one call.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.feature_columns import distinct_columns
from emdsl.runtime.program import Floats

Ints = NDArray[np.intp]
Masks = NDArray[np.bool_]

_KEPT = 2**23  # numbers in the inverses of all patterns, up to which they are found at once
_TAKEN = 2**20  # numbers in the inverses of rows that are gone through together
_FEW = 16  # rows for each pattern from which patterns are gone through one by one
KINDS = 32  # of second-order coefficients, up to which they are gone through one by one


@dataclass(frozen=True, slots=True)
class Group:
    """The patterns with M missing cells: which these are (P, M), and of which kind, (P,)."""

    cells: Ints
    kind: Ints


@dataclass(frozen=True, slots=True)
class Share:
    """Rows (b,) of a block that have one pattern of a group, or each its own: its `place` there."""

    rows: Ints
    cells: Ints  # (M,) or (b, M)
    group: int
    place: Any


@dataclass(frozen=True, slots=True)
class Patterns:
    """What R rows miss: `missing` (V, R), `kind` (R,), each row's group and its place there.

    `blocks` keeps the shares of whole blocks of rows, by their first and last.
    """

    missing: Masks
    kind: Ints
    groups: tuple[Group, ...]
    group: Ints
    place: Ints
    blocks: dict[tuple[int, int], list[Share]] = field(default_factory=dict)

    @property
    def first(self) -> Ints:
        """The number of each group's first pattern, where all are counted through."""
        sizes = [len(g.cells) for g in self.groups]
        return np.cumsum([0, *sizes])[:-1]

    @property
    def count(self) -> int:
        """How many patterns there are."""
        return sum(len(g.cells) for g in self.groups)

    @property
    def number(self) -> Ints:
        """The number of each row's pattern, (R,)."""
        return self.first[self.group] + self.place

    @classmethod
    def of(cls, missing: Masks, kind: Ints) -> Patterns:
        """The patterns of rows of some kinds; every row misses a cell."""
        first, pattern = distinct_columns(np.concatenate([missing, kind[None]]).astype(np.float64))
        counts = missing[:, first].sum(axis=0)
        group, place = np.empty_like(first), np.empty_like(first)
        groups = []
        for number, count in enumerate(np.unique(counts)):
            own = np.flatnonzero(counts == count)
            group[own], place[own] = number, np.arange(len(own))
            cells = np.nonzero(missing[:, first[own]].T)[1].reshape(len(own), count)
            groups.append(Group(cells, kind[first[own]]))
        return cls(missing, kind, tuple(groups), group[pattern], place[pattern])

    def shares(self, rows: Ints, block: tuple[int, int] | None) -> list[Share]:
        """Some of the rows by pattern; those of a whole block (first, last) are kept."""
        if block is not None and block in self.blocks:
            return self.blocks[block]
        own, out = self.group[rows], []
        for number, group in enumerate(self.groups):
            at = np.flatnonzero(own == number)
            if not len(at):
                continue
            place = self.place[rows[at]]
            distinct = np.unique(place)
            if _FEW * len(distinct) <= len(at) or len(distinct) == 1:
                order = np.argsort(place, kind="stable")
                ends = np.searchsorted(place[order], distinct, side="right")
                for p, low, high in zip(distinct, [0, *ends[:-1]], ends, strict=True):
                    out.append(Share(at[order[low:high]], group.cells[p], number, p))
                continue
            width = max(1, _TAKEN // group.cells.shape[1] ** 2)
            for low in range(0, len(at), width):
                part = slice(low, low + width)
                out.append(Share(at[part], group.cells[place[part]], number, place[part]))
        if block is not None:
            self.blocks[block] = out
        return out


@dataclass(frozen=True, slots=True)
class Part:
    """Rows (b,) of a block: with one pattern, `cells` (M,), `inverse` (K, M, M), `constant` (K, 1);
    or with their own, (b, M), (K, b, M, M) and (K, b).
    """

    rows: Ints
    cells: Ints
    inverse: Floats
    constant: Floats

    @property
    def alike(self) -> bool:
        return self.cells.ndim == 1

    def taken(self, values: Floats) -> Floats:
        """Missing cells of (K, V, B): (K, M, b), or (K, b, M)."""
        if self.alike:
            return values[:, self.cells[:, None], self.rows]
        return values[:, self.cells, self.rows[:, None]]

    def added(self, values: Floats, more: Floats) -> None:
        """Add to missing cells of (K, V, B)."""
        if self.alike:
            values[:, self.cells[:, None], self.rows] += more
        else:
            values[:, self.cells, self.rows[:, None]] += more

    def solved(self, force: Floats) -> Floats:
        """P^-1 b, in the form of `taken`."""
        if self.alike:
            return self.inverse @ force
        found: Floats = np.matmul(self.inverse, force[..., None])[..., 0]
        return found


class Conditionals:
    """The posterior of missing cells t under H (K, V, V, kinds), in units of `step` (V,)."""

    def __init__(self, patterns: Patterns, square: Floats, step: Floats) -> None:
        self.patterns, self.square, self.log_step = patterns, square, np.log(step)
        self.states = square.shape[0]
        size = sum(g.cells.size * g.cells.shape[1] for g in patterns.groups)
        self._known: list[tuple[Floats, Floats]] = []
        self._last: tuple[tuple[int, int], list[Part]] = ((-1, -1), [])
        if self.states * size <= _KEPT:
            self._known = [self._inverted(g, slice(None)) for g in patterns.groups]

    def _inverted(self, group: Group, which: Ints | slice) -> tuple[Floats, Floats]:
        """Covariances (K, P, M, M) of some patterns, and the logs of their normalisers (K, P).

        Raises numpy.linalg.LinAlgError where a precision isn't positive definite.
        """
        cells, kind = group.cells[which], group.kind[which]
        one = self.square.shape[-1] == 1
        precision = (
            -2.0
            * self.square[
                :, cells[:, :, None], cells[:, None, :], 0 if one else kind[:, None, None]
            ]
        )
        factor = np.linalg.cholesky(precision)
        inverse = np.linalg.inv(factor)
        logs = np.log(np.einsum("...vv->...v", factor)).sum(axis=-1)
        constant = (0.5 * math.log(2.0 * math.pi) + self.log_step)[cells].sum(axis=1) - logs
        return np.swapaxes(inverse, -1, -2) @ inverse, constant

    def inverses(self, group: int, which: Ints) -> Floats:
        """The covariances (K, P, M, M) of some patterns of a group."""
        if self._known:
            return self._known[group][0][:, which]
        return self._inverted(self.patterns.groups[group], which)[0]

    def parts(self, rows: Ints) -> list[Part]:
        """Some of the rows, by pattern, or each with its own; `Part.rows` are places in `rows`."""
        block = (int(rows[0]), int(rows[-1])) if len(rows) else (0, -1)
        whole = block[1] - block[0] + 1 == len(rows)
        if whole and self._last[0] == block:
            return self._last[1]
        shares = self.patterns.shares(rows, block if whole else None)
        parts = []
        for share in shares:
            if self._known:
                inverse, constant = (x[:, share.place] for x in self._known[share.group])
            else:
                inverse, constant = self._inverted(
                    self.patterns.groups[share.group], np.atleast_1d(share.place)
                )
                if np.ndim(share.place) == 0:
                    inverse, constant = inverse[:, 0], constant[:, 0]
            if np.ndim(share.place) == 0:
                constant = constant[:, None]
            parts.append(Part(share.rows, share.cells, inverse, constant))
        if whole:
            self._last = (block, parts)
        return parts

    def times(self, values: Floats, kind: Ints) -> Floats:
        """H t for every row, of values (K, V, b) or (1, V, b) in rows of these kinds."""
        square = self.square
        if square.shape[-1] == 1:
            found: Floats = square[..., 0] @ values
            return found
        kinds = np.unique(kind)
        if len(kinds) > KINDS:
            whole = np.broadcast_to(values, (self.states, *values.shape[1:]))
            each: Floats = np.einsum("kvwb,kwb->kvb", square[..., kind], whole)
            return each
        out = np.empty((*square.shape[:2], values.shape[2]))
        for i in kinds:
            own = np.flatnonzero(kind == i)
            out[..., own] = square[..., i] @ values[..., own]
        return out

    def means(self, linear: Floats, known: Floats, rows: Ints) -> tuple[Floats, Floats]:
        """Means of missing cells (K, V, b), zero elsewhere, and log integrals (K, b).

        linear : (K, V, b) or (K, V, 1), the first-order coefficients; known : (V, b), what t is
            where it is known and zero where it is missing.
        """
        missing, kind = self.patterns.missing[:, rows], self.patterns.kind[rows]
        force = np.where(missing, linear + 2.0 * self.times(known[None], kind), 0.0)
        parts = self.parts(rows)
        mean = np.zeros_like(force)
        constant = np.empty((self.states, len(rows)))
        rest = force  # b - P t, which a second solution makes small where P is nearly singular
        for _ in range(2):
            for part in parts:
                part.added(mean, part.solved(part.taken(rest)))
                constant[:, part.rows] = part.constant
            rest = np.where(missing, force + 2.0 * self.times(mean, kind), 0.0)
        # b't - t'Pt / 2 is stationary in t: a small error in it makes a much smaller one here
        return mean, 0.5 * np.einsum("kvb,kvb->kb", mean, force + rest) + constant

    def variances(self, rows: Ints) -> Floats:
        """The variances of missing cells, (K, V, b), zero elsewhere."""
        out = np.zeros((self.states, len(self.patterns.missing), len(rows)))
        for part in self.parts(rows):
            own = np.einsum("...vv->...v", part.inverse)
            part.added(out, own[..., None] if part.alike else own)
        return out

    def total(self, rows: Ints, weight: Floats) -> Floats:
        """sum over rows of weight (K, b) times the covariance of their cells, (K, V, V)."""
        count = len(self.patterns.missing)
        out = np.zeros((self.states, count * count))
        for part in self.parts(rows):
            each = weight[:, part.rows]
            if part.alike:
                flat = (part.cells[:, None] * count + part.cells).reshape(-1)
                out[:, flat] += each.sum(axis=1)[:, None] * part.inverse.reshape(self.states, -1)
                continue
            flat = (part.cells[:, :, None] * count + part.cells[:, None]).reshape(-1)
            weighed = each[..., None, None] * part.inverse
            for k in range(self.states):
                out[k] += np.bincount(flat, weighed[k].reshape(-1), minlength=count * count)
        return out.reshape(self.states, count, count)

    def covariances(self, rows: Ints) -> Floats:
        """The covariances of missing cells row by row, (K, V, V, b), zero elsewhere."""
        count = len(self.patterns.missing)
        out = np.zeros((self.states, count, count, len(rows)))
        for part in self.parts(rows):
            if part.alike:
                at = (part.cells[:, None, None], part.cells[:, None], part.rows)
                out[:, at[0], at[1], at[2]] = part.inverse[..., None]
            else:
                i, j = part.cells[:, :, None], part.cells[:, None]
                out[:, i, j, part.rows[:, None, None]] = part.inverse
        return out
