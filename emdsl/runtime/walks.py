"""Latents tied along sequences or trees, given those of the rows around: the kernels' interface.

A walk's state is the values of all its latents at a row and, where the history is longer than one,
at the rows before it:  state = (z[t-m+1], ..., z[t]).  Each value of the latents of enclosing rows
has potentials of its own, and so a forward-backward of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.chains import (
    Chains,
    Trees,
    Workspace,
    first_impossible,
    forward_backward,
    most_probable,
    sample_states,
)
from emdsl.runtime.how import Best, Draw, Expect, How
from emdsl.runtime.links import added_up
from emdsl.runtime.program import Floats

Ints = NDArray[np.intp]


@dataclass(slots=True)
class WalkRows:
    """The rows of a walk.

    structure : the sequences or trees.
    outer : (sequences,), the enclosing row of each; `above` of them in all.
    row_outer : (rows,), the enclosing row of each row.
    index : (rows,), the table each row's step takes; None where all take the only one.
    tables : how many tables.
    first : (rows,), where a sequence begins.
    history : how many rows before a row it depends on.
    weight : (rows,) for sums over the rows; None for ones.
    shared : whether steps are tables that rows share, so that pairs are summed over the rows.
    """

    structure: Chains | Trees
    outer: Ints
    above: int
    row_outer: Ints
    index: Ints | None
    tables: int
    first: NDArray[np.bool_]
    history: int
    weight: Floats | None
    shared: bool
    workspaces: dict[int, Workspace] = field(default_factory=dict)

    def walk(self, how: How, unary: Floats, pair: Floats) -> Walked:
        """Sum out the latents of all rows as `how` says: for their posteriors (forward-backward),
        the most probable path (Viterbi) or a draw (filtering forward, sampling backward).

        unary : (states, given, rows), log potentials of each row's state for each given value of
            the latents of enclosing rows.
        pair : (states over history and now, given, tables), of each step.
        """
        match how:
            case Best():
                return walk_best(self, unary, pair)
            case Draw(rng):
                return walk_draw(self, unary, pair, rng)
            case Locate(found=found):
                row = impossible_row(self, unary, pair)
                if row >= 0:
                    found.append((self, row))
        return walk_expect(self, unary, pair, each=how.rows)


@dataclass(frozen=True, slots=True)
class Locate(Expect):
    """Looks for the rows at which walks become impossible: `found` holds each walk and its row."""

    found: list[tuple[WalkRows, int]] = field(default_factory=list)


@dataclass(slots=True)
class Walked:
    """What a walk found.

    evidence : (given, enclosing rows), the log evidence of each given value of outer latents.
    """

    rows: WalkRows
    evidence: Floats
    found: list[Any]
    each: bool
    states: int

    def posterior(self, above: Floats | None) -> Floats:
        """(states, given, rows); `above` (given, enclosing rows) is what the outer latents have."""
        if above is None:
            return np.stack([one.posterior for one in self.found], axis=1)
        size = len(self.rows.row_outer)
        out = np.empty((len(self.found[0].posterior), len(self.found), size))
        for o, one in enumerate(self.found):
            np.multiply(one.posterior, above[o][self.rows.row_outer], out=out[:, o])
        return out

    def pairs(self, above: Floats | None) -> Floats:
        """What steps have: (states over history and now, given, tables), summed over the rows
        with their weights, or (..., rows) where rows share no tables or each row is asked for.
        """
        rows = self.rows
        each = self.each or not rows.shared
        out = []
        for o, one in enumerate(self.found):
            share = None if above is None else above[o][rows.row_outer]
            if each:
                both = one.pair_rows(share)
            else:
                weight = rows.weight if share is None else (
                    share if rows.weight is None else share * rows.weight)  # fmt: skip
                both = np.moveaxis(one.pairs(weight), 0, -1)
            kept = collapsed(both, self.states, rows.history)
            if each:  # where there is no row before, its values are held at 0
                first = one.posterior[: self.states, rows.first]
                kept[: self.states, rows.first] = (
                    first if share is None else first * share[rows.first]
                )
            out.append(kept)
        return np.stack(out, axis=1)


def walk_expect(rows: WalkRows, unary: Floats, pair: Floats, *, each: bool = False) -> Walked:
    """Forward-backward. unary (states, given, rows), pair (states and history, given, tables)."""
    found, evidence = [], []
    states = _states(unary, rows.history)
    for o in range(unary.shape[1]):
        one = forward_backward(
            begun(unary[:, o], pair[:, o], rows, states),
            tables_of(pair[:, o], states, rows.history),
            rows.index,
            rows.structure,
            workspace=rows.workspaces.setdefault(o, Workspace()),
        )
        found.append(one)
        evidence.append(_above(one.evidence, rows))
    return Walked(rows, np.stack(evidence), found, each, states)


def walk_best(rows: WalkRows, unary: Floats, pair: Floats) -> Walked:
    """Max-product; arguments as for `walk_expect`."""
    found, evidence = [], []
    states = _states(unary, rows.history)
    for o in range(unary.shape[1]):
        first = begun(unary[:, o], pair[:, o], rows, states)
        tables = tables_of(pair[:, o], states, rows.history)
        path, value = most_probable(first, tables, rows.index, rows.structure)
        found.append(_Path(rows, path, len(first)))
        evidence.append(_above(value, rows))
    return Walked(rows, np.stack(evidence), found, True, states)


def walk_draw(rows: WalkRows, unary: Floats, pair: Floats, rng: np.random.Generator) -> Walked:
    """A path for each given value; arguments as for `walk_expect`."""
    found, evidence = [], []
    states = _states(unary, rows.history)
    for o in range(unary.shape[1]):
        first = begun(unary[:, o], pair[:, o], rows, states)
        tables = tables_of(pair[:, o], states, rows.history)
        one = forward_backward(first, tables, rows.index, rows.structure)
        path = sample_states(rng, first, tables, rows.index, rows.structure)
        found.append(_Path(rows, path, len(first)))
        evidence.append(_above(one.evidence, rows))
    return Walked(rows, np.stack(evidence), found, True, states)


def impossible_row(rows: WalkRows, unary: Floats, pair: Floats) -> int:
    """The first row that can't be whatever the outer latents are, or -1."""
    states = _states(unary, rows.history)
    found = []
    for o in range(unary.shape[1]):
        first = begun(unary[:, o], pair[:, o], rows, states)
        tables = tables_of(pair[:, o], states, rows.history)
        found.append(first_impossible(first, tables, rows.index, rows.structure))
    return -1 if min(found) < 0 else max(found)


class _Path:
    """One path in place of a posterior: 1 at its states."""

    def __init__(self, rows: WalkRows, path: NDArray[np.int64], states: int) -> None:
        self.rows, self.path, self.states = rows, path, states
        self.posterior = np.zeros((states, len(path)))
        self.posterior[path, np.arange(len(path))] = 1.0

    def pair_rows(self, weight: Floats | None) -> Floats:
        """1 at each row's state and the one before it, times the weight."""
        size = len(self.path)
        structure = self.rows.structure
        before = structure.parent if isinstance(structure, Trees) else np.arange(size) - 1
        out = np.zeros((self.states, self.states, size))
        tied = np.flatnonzero(~self.rows.first)
        value = 1.0 if weight is None else weight[tied]
        out[self.path[before[tied]], self.path[tied], tied] = value
        return out


def _states(unary: Floats, history: int) -> int:
    """How many values the latents have together: the root of the number of states."""
    states: float = float(unary.shape[0]) ** (1.0 / history)
    return round(states)


def begun(unary: Floats, pair: Floats, rows: WalkRows, states: int) -> Floats:
    """Where there is no row before, the values before are held at 0.

    Steps that rows don't share may hold what no value before has a part in; there that counts too.
    """
    if rows.history == 1 and rows.shared:
        return unary
    out = np.array(unary)
    out[states:, rows.first] = -np.inf
    if not rows.shared:
        out[:states, rows.first] += pair[:states, rows.first]
    return out


def _places(states: int, history: int) -> tuple[Ints, Ints]:
    """The state before and the state now, for each value of history and now together."""
    all_values = np.arange(states ** (history + 1))
    return all_values // states, all_values % states**history


def tables_of(pair: Floats, states: int, history: int) -> Floats:
    """Potentials (history and now, tables) as tables (tables, state before, state now)."""
    if history == 1:
        return np.ascontiguousarray(np.moveaxis(pair.reshape(states, states, -1), -1, 0))
    size = states**history
    out = np.full((pair.shape[-1], size, size), -np.inf)
    before, now = _places(states, history)
    out[:, before, now] = pair.T
    return out


def collapsed(both: Floats, states: int, history: int) -> Floats:
    """The inverse of `tables_of`: (state before, state now, ...) as (history and now, ...)."""
    if history == 1:
        return both.reshape(states * states, both.shape[-1])
    before, now = _places(states, history)
    found: Floats = both[before, now]
    return found


def _above(evidence: Floats, rows: WalkRows) -> Floats:
    """Log evidence of sequences, added up in the enclosing rows."""
    if len(evidence) == rows.above:  # one each, in order
        return evidence
    return added_up(evidence, rows.outer, rows.above)
