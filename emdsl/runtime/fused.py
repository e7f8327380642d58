"""The E-step of a structure that is one walk and nothing else: a hidden Markov model.

From coefficients to expected features step by step, with the rows in the order in which they are
walked, so that log potentials and posteriors of all rows are never written in the user's order.
What is asked for beyond sums over the rows goes the general way through `infer`, and so does an
iteration in which underflow may matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.compiled import kernel
from emdsl.runtime.emissions import Emissions, emissions
from emdsl.runtime.how import EXPECT, How
from emdsl.runtime.lanes import Lanes
from emdsl.runtime.lockstep import LEAST, OFTEN, Walk, Workspace
from emdsl.runtime.program import Layout
from emdsl.runtime.sequences import Chains
from emdsl.runtime.transitions import Transitions

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


_SHORT = 200_000  # rows times states


class EmittedWalk(Walk):
    """A walk whose weights come from emissions, and which adds up what is expected on its way."""

    def __init__(
        self,
        space: Workspace,
        chains: Chains,
        transitions: Transitions,
        emitted: Emissions,
        coefficients: Any,
    ) -> None:
        self.space, self.pieces, self.transitions = space, chains.lanes, transitions
        self.states = transitions.states
        space.ready(self.pieces, self.states)
        self.row_index = None
        self.index = [None] * self.pieces.steps
        self.suspect = np.zeros(len(self.pieces.lengths), dtype=bool)
        self.emitted = emitted
        emitted.begin(coefficients)
        self.lanes = bool(self.pieces.inner.any())
        self.careful = transitions.sparse or not emitted.low > -np.inf
        self.weighed = False
        self.pairs = space.array("pairs", (self.pieces.steps, self.states, self.states))
        self.pairs[0] = 0.0
        self.touched = self.pieces.steps

    def weigh(self) -> None:
        """Make the weights of all steps, where they aren't there."""
        if not self.weighed:
            for t, weight in enumerate(self.space.weight):
                self.emitted.weigh(t, weight)
            self.weighed = True
            self.careful |= not self.emitted.low > -np.inf

    def forward(self, coming: Floats | None = None) -> None:
        """As a `Walk`'s, each step's weights made just before they are used."""
        if self.weighed or self.careful:
            self.weigh()
            super().forward(coming)
            return
        space, weigh = self.space, self.emitted.weigh
        turned = self.transitions.turned[0]
        before = np.empty((self.states, 0))
        steps = zip(space.left, space.weight, space.scales, space.inverses, strict=True)
        for t, (left, weight, scale, inverse) in enumerate(steps):
            weigh(t, weight)
            if t:
                np.matmul(turned, before[:, : left.shape[1]], out=left)
                np.multiply(left, weight, out=left)
            else:
                np.multiply(weight, 1.0 if coming is None else coming, out=left)
            np.add.reduce(left, axis=0, out=scale)
            np.divide(1.0, scale, out=inverse)
            np.multiply(left, inverse, out=left)
            before = left
        self.weighed = True
        if not self.emitted.low > -np.inf:  # states that can't be need care
            self.careful = True
            super().forward(coming)

    def backward(self, coming: Floats | None = None) -> None:
        """As a `Walk`'s, each step's sums made while it is at hand."""
        if self.careful:
            super().backward(coming)
            self.touched = 0
            return
        space, table, emitted = self.space, self.transitions.table[0], self.emitted
        self.touched = self.pieces.steps
        after = np.empty((self.states, 0))
        for t in range(self.pieces.steps - 1, -1, -1):
            left, message = space.left[t], self._scratch("posterior", t)
            going, width = after.shape[1], left.shape[1]
            np.matmul(table, after, out=message[:, :going])
            if going < width:
                message[:, going:] = 1.0 if coming is None else coming[:, going:width]
            if t % OFTEN == 0:
                total = np.add.reduce(left * message, axis=0)
                message /= np.maximum(total, LEAST, out=total)
            after = self._scratch("right", t)
            np.multiply(space.weight[t], message, out=after)
            np.multiply(after, space.inverses[t], out=after)
            np.multiply(message, left, out=message)
            emitted.add(t, message)
            if t:
                np.matmul(space.left[t - 1][:, :width], after.T, out=self.pairs[t])

    def _scratch(self, name: str, t: int) -> Floats:
        """Where step t's posterior or right message goes: kept only where it is asked for again."""
        space = self.space
        if name == "posterior":
            if self.lanes or self.emitted.stored:
                return space.posterior[t]
        elif self.lanes:
            return space.right[t]
        width = int(self.pieces.counts[t])
        buffer = space.array(f"{name} {t % 2}", (self.states * int(self.pieces.counts[0]),))
        return buffer[: self.states * width].reshape(self.states, width)

    def expected(self) -> tuple[Floats, Floats]:
        """Expected features (K, F) and steps (K, K), after `finish`."""
        space = self.space
        for t in range(self.touched, self.pieces.steps):
            self.emitted.add(t, space.posterior[t])
            if t:
                before = space.left[t - 1][:, : space.right[t].shape[1]]
                np.matmul(before, space.right[t].T, out=self.pairs[t])
        return self.emitted.sums(space), np.add.reduce(self.pairs, axis=0)

    def evidence(self) -> Floats:
        """The log evidence of each sequence, (S,)."""
        logs = np.log(self.space.scale)
        if self.emitted.tops is not None:
            logs += self.emitted.tops
        pieces = self.pieces
        total = np.zeros(len(pieces.lengths))
        for span, going in zip(self.emitted.spans, pieces.counts.tolist(), strict=True):
            total[:going] += logs[span]
        found = np.zeros(len(pieces.chains.starts))
        found += np.bincount(pieces.sequence, total, len(found))
        return found


@dataclass(frozen=True, slots=True)
class Shape:
    """How `infer` of a lone walk takes and gives a step's table: places in a flat (K K) table.

    axis : the level of the evidence, as `infer` names it
    given : the place in the cluster's table of each place in the walk's (before, now)
    back : the place in the walk's table of each place in the cluster's
    """

    axis: str
    given: Ints
    back: Ints


@dataclass(frozen=True, slots=True)
class _Marked:
    """Stands in for a walk and what it found, with numbers that tell which entry is which."""

    tables: int
    states: int
    rows: int
    above: int
    seen: list[Floats] = field(default_factory=list)

    def walk(self, how: How, unary: Floats, pair: Floats) -> _Marked:  # noqa: ARG002
        self.seen[:] = unary, pair
        return self

    @property
    def evidence(self) -> Floats:
        return np.arange(self.above, dtype=np.float64)[None]

    def posterior(self, above: Floats | None) -> Floats:  # noqa: ARG002
        return np.arange(self.states * self.rows, dtype=np.float64).reshape(self.states, 1, -1)

    def pairs(self, above: Floats | None) -> Floats:  # noqa: ARG002
        return np.arange(self.states**2, dtype=np.float64).reshape(-1, 1, 1)


def shape_of(infer: Callable[..., Any], ties: Any, layout: Layout, states: int) -> Shape | None:
    """What `infer` does around the only walk in ties, or None where that is more than its axes.

    `infer` is given marked numbers, and so is what it hears from the walk: where these arrive as
    they were, or in another order, nothing else happens to them.
    """
    rows = ties.walks[0]
    marked = _Marked(1, states, len(rows.first), rows.above)
    unary = np.arange(float(states * marked.rows)).reshape(states, -1)
    pair = np.arange(float(states**2)).reshape(-1, 1)
    with_marks = replace(ties, walks=(marked,))
    evidence, found = infer(((unary, pair),), with_marks, layout, EXPECT)
    if len(marked.seen) != 2 or len(evidence) != 1 or len(found) != 2:
        return None
    (axis,) = evidence
    given, back = marked.seen[1].reshape(-1), found[1].reshape(-1)
    same = (
        np.array_equal(marked.seen[0].reshape(-1), unary.reshape(-1))
        and np.array_equal(found[0].reshape(-1), unary.reshape(-1))
        and np.array_equal(evidence[axis].reshape(-1), marked.evidence[0])
        and np.array_equal(np.sort(given), pair[:, 0])
        and np.array_equal(np.sort(back), pair[:, 0])
    )
    return Shape(axis, given.astype(np.intp), back.astype(np.intp)) if same else None


class Fused:
    """A lone walk's rows: `expect` is its whole E-step."""

    def __init__(self, chains: Chains, shape: Shape, rows: Any) -> None:
        """Take the feature rows (F, N) of what each row says alone."""
        self.chains, self.shape = chains, shape
        self.space = Workspace()
        self.emitted = emissions(rows, chains.lanes)

    def expect(
        self, coefficients: Any, table: Floats
    ) -> tuple[Mapping[str, Floats], Floats, Floats] | None:
        """Log evidence, expected features (K, F), and expected steps (K K,) as the cluster's.

        table : (K K,) the cluster's log potentials of a step

        None where an iteration has to go the general way.
        """
        states = round(float(np.sqrt(len(table))))
        size = self.chains.size
        if states * size < _SHORT and kernel("forward", states, size, 1) is not None:
            return None  # compiled loops over rows are quicker still
        logs = table[self.shape.given].reshape(1, states, states)
        transitions = Transitions(logs)
        if transitions.shift is not None:
            return None
        walk = EmittedWalk(self.space, self.chains, transitions, self.emitted, coefficients)
        between = Lanes(walk) if walk.lanes else None
        path = between or walk
        path.forward()
        walk.check()
        path.backward()
        walk.finish()
        if walk.suspect.any():
            return None
        evidence = walk.evidence()
        if not evidence.min() > -np.inf:
            return None
        sums, steps = walk.expected()
        if between is not None:
            steps += between.pairs_between()
        steps *= transitions.table[0]
        return {self.shape.axis: evidence}, sums, steps.reshape(-1)[self.shape.back]
