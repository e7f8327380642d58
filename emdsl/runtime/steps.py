"""A chain's potentials as a filter needs them: each row's own, apart from those of later rows.

A structure's generated `infer` is run with a stand-in for its walk, which notes the potentials it
is handed. There a factor of row t on the row before alone has been added to that row (it was "sent"
there), which smoothing may do but filtering may not: it belongs to row t.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.chains import forward_backward
from emdsl.runtime.errors import NoFilterError
from emdsl.runtime.how import EXPECT
from emdsl.runtime.links import Tie, added_up
from emdsl.runtime.pieces import Known
from emdsl.runtime.program import Floats, Link, Potentials, Walk
from emdsl.runtime.structures import StructureData, Ties
from emdsl.runtime.transitions import Transitions
from emdsl.runtime.walks import WalkRows, begun, collapsed, tables_of

Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a walk is to answer with: the probabilities of what is `given` (given, rows), with
    `states` (states, given, rows), and, where rows share no tables, with `pairs` (states over
    history and now, given, rows).
    """

    given: Floats
    states: Floats
    pairs: Floats | None


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of a chain for each value of the latents given.

    states : how many values the latents have together.
    begun : (states over history, given, rows), each row's own log potentials, first rows' whole.
    tables : for each given value (tables, states, states), log; `index` (rows,) into them or None.
    above : (given, enclosing rows), p(given | all but the chain); None where nothing is given.
    """

    rows: WalkRows
    states: int
    potentials: Potentials
    begun: Floats
    tables: tuple[Floats, ...]
    index: Ints | None
    above: Floats | None

    def forward(self, o: int) -> tuple[Floats, Floats]:
        """Filtered states (states, rows) and log scales (rows,) under one given value."""
        found = forward_backward(self.begun[:, o], self.tables[o], self.index, self.rows.structure)
        return found.filtered, found.log_scale

    def ahead(self, o: int, filtered: Floats) -> tuple[Floats, Floats]:
        """One step from filtered states: the next states (states, rows), and the log total."""
        transitions = Transitions(self.tables[o])
        first = self.rows.first
        used = None if self.index is None else np.where(first, 0, self.index).astype(np.int64)
        if used is not None and transitions.count == 1:
            used = None
        before = np.zeros_like(filtered)
        before[:, 1:] = filtered[:, :-1]
        with np.errstate(divide="ignore"):
            logs = np.log(transitions.ahead(before, used))
        if transitions.shift is not None:
            logs += transitions.shift[0] if used is None else transitions.shift[used]
        logs[:, first] = 0.0
        logs += self.begun[:, o]
        top = logs.max(axis=0)
        top = np.where(np.isneginf(top), 0.0, top)
        states = np.exp(logs - top)
        total = states.sum(axis=0)
        with np.errstate(divide="ignore"):
            log_total: Floats = np.log(total) + top
        return states / np.where(total > 0.0, total, 1.0), log_total

    def pairs(self, o: int, filtered: Floats, now: Floats) -> Floats:
        """One step as the probabilities of both its ends, (states over history and now, rows).

        filtered, now : (states, rows), the filtered states and where the step leads.
        """
        size = filtered.shape[1]
        which = np.zeros(size, np.intp) if self.index is None else self.index
        with np.errstate(divide="ignore"):
            logs = np.log(filtered)
        joint = self.tables[o][which].transpose(1, 2, 0) + self.begun[:, o]
        joint[:, :, 1:] += logs[:, None, :-1]
        joint[:, :, 0] = -np.inf
        top = joint.max(axis=(0, 1))
        joint = np.exp(joint - np.where(np.isneginf(top), 0.0, top))
        total = joint.sum(axis=(0, 1))
        found = collapsed(joint / np.where(total > 0.0, total, 1.0), self.states, self.rows.history)
        first = self.rows.first
        found[:, first] = 0.0
        found[: self.states, first] = now[: self.states, first]
        return found


def steps_of(chain: StructureData, known: Known) -> Steps:
    """The steps of a structure's chain under these coefficients."""
    given, _ = chain.potentials(known)
    walk, rows = chain.structure.walks[0], chain.ties.walks[0]
    seen = _look(chain, given)
    lags = [lag for link in chain.structure.links if (lag := _lag(link, walk))]
    states = round(float(seen.unary.shape[0]) ** (1.0 / walk.history))
    size = len(rows.first)
    if not lags:
        own = seen.unary
        index, pair = rows.index, seen.pair
    else:
        if max(lags) > walk.history:
            raise NoFilterError(
                f"data depend on latents {max(lags)} places before, further than the latents "
                f"themselves ({walk.history}): filtering isn't possible, ask for the posterior"
            )
        own, sent = _apart(chain, given, states)
        which = rows.index
        if which is None:
            which = np.zeros(size, np.intp) if seen.pair.shape[-1] == 1 else np.arange(size)
        shape = (states,) * (walk.history + 1)
        each = np.array(seen.pair[:, :, which]).reshape(*shape, *seen.pair.shape[1:2], size)
        for lag, part in sent.items():
            turned = [1] * len(shape)
            turned[walk.history - lag] = states
            each += part.reshape(*turned, *part.shape[1:])
        index, pair = np.arange(size), each.reshape(seen.pair.shape[0], -1, size)
    own = own + seen.added
    return Steps(
        rows,
        states,
        given,
        np.stack(
            [begun(own[:, o], seen.pair[:, o], rows, states) for o in range(own.shape[1])], axis=1
        ),
        tuple(tables_of(pair[:, o], states, walk.history) for o in range(own.shape[1])),
        index,
        seen.above,
    )


def replied(chain: StructureData, given: Potentials, asked: Asked) -> tuple[Floats, ...]:
    """The posteriors of all clusters where the walk's states are as asked."""
    return _look(chain, given, asked).posteriors


# --- the stand-ins -------------------------------------------------------------------------------


@dataclass(slots=True)
class _Seen:
    """What a walk was handed. `added` (given, rows): what rows say of what is given alone."""

    unary: Floats
    pair: Floats
    added: Floats
    above: Floats | None
    posteriors: tuple[Floats, ...]


class _Walker:
    """In place of a walk: notes what it is handed, and says nothing, or what was asked."""

    def __init__(self, rows: WalkRows, asked: Asked | None) -> None:
        self.rows, self.asked = rows, asked
        self.tables = rows.tables
        self.unary = self.pair = np.empty((0, 0, 0))
        self.above: Floats | None = None
        self.evidence = np.empty((0, 0))

    def walk(self, how: Any, unary: Floats, pair: Floats) -> _Walker:
        del how
        self.unary, self.pair = unary, pair
        self.evidence = np.zeros((unary.shape[1], self.rows.above))
        return self

    def posterior(self, above: Floats | None) -> Floats:
        self.above = above
        return np.zeros(self.unary.shape) if self.asked is None else self.asked.states

    def pairs(self, above: Floats | None) -> Floats:
        del above
        if self.asked is not None and self.asked.pairs is not None:
            return self.asked.pairs
        last = self.tables if self.rows.shared else len(self.rows.first)
        return np.broadcast_to(0.0, (*self.pair.shape[:2], last))


class _Way:
    """In place of a link out of the chain's rows: what goes along is noted, and not added up."""

    def __init__(self, tie: Tie, reply: Floats | None) -> None:
        self.tie, self.reply = tie, reply
        self.noted = np.empty(0)

    def add(self, x: Floats) -> Floats:
        self.noted = x
        return np.zeros((*x.shape[:-1], self.tie.size))

    def take(self, x: Floats) -> Floats:
        return self.tie.take(x) if self.reply is None else self.reply


def _look(chain: StructureData, given: Potentials, asked: Asked | None = None) -> _Seen:
    """Run a structure's `infer` with stand-ins for its walk and for the links out of its rows."""
    walk, rows = chain.structure.walks[0], chain.ties.walks[0]
    walker = _Walker(rows, asked)
    depth = len(walk.axes)
    out: list[tuple[Link, _Way]] = []
    ties: list[Any] = []
    for link, tie in zip(chain.structure.links, chain.ties.links, strict=True):
        if link.source[:depth] == walk.axes != link.target[:depth]:
            reply = None if asked is None else _share(chain, walk, link, asked.given)
            out.append((link, _Way(tie, reply)))
            ties.append(out[-1][1])
        else:
            ties.append(tie)
    walks: Any = (walker,)
    instead = Ties(chain.ties.rows, tuple(ties), walks)
    _, posteriors = chain.structure.infer(given, instead, chain.levels.bound.layout, EXPECT)
    added = np.zeros((walker.unary.shape[1], len(rows.first)))
    for link, way in out:
        added += _spread(chain, walk, link, way.noted).reshape(added.shape)
    return _Seen(walker.unary, walker.pair, added, walker.above, posteriors)


def _sizes(chain: StructureData, walk: Walk) -> list[int]:
    sizes, latents = chain.levels.bound.layout.sizes, chain.meta.latents
    values = [next(z.values for z in latents if z.name == v.array) for v in walk.given]
    return [sizes[d] if isinstance(d, str) else d for d in values]


def _axes(walk: Walk, link: Link) -> list[int]:
    """Which of the latents given each one that a link carries is."""
    keys = [v.key for v in walk.given]
    unknown = [v.key for v in link.carries if v.key not in keys]
    if unknown:
        raise NoFilterError(
            f"rows of {', '.join(walk.axes)} say something of {unknown[0]}, which their chain "
            "doesn't depend on: filtering isn't possible, ask for the posterior"
        )
    return [keys.index(v.key) for v in link.carries]


def _spread(chain: StructureData, walk: Walk, link: Link, noted: Floats) -> Floats:
    """What rows say of latents that are given, over all of these: (given..., rows)."""
    depth, axes = len(walk.axes), _axes(walk, link)
    size = chain.levels.rows(walk.axes).size
    if link.source != walk.axes:
        weight = chain.levels.within(link.source, walk.axes)
        up = chain.levels.rows(link.source).up[depth]
        flat = noted.reshape(-1, noted.shape[-1])
        flat = flat if weight is None else np.where(weight > 0.0, flat, 0.0) * weight
        noted = np.stack([added_up(row, up, size) for row in flat]).reshape(*noted.shape[:-1], size)
    order = sorted(range(len(axes)), key=axes.__getitem__)
    turned = np.transpose(noted, (*order, len(axes)))
    sizes = _sizes(chain, walk)
    shape = [n if i in axes else 1 for i, n in enumerate(sizes)]
    return np.array(np.broadcast_to(turned.reshape(*shape, size), (*sizes, size)))


def _share(chain: StructureData, walk: Walk, link: Link, given: Floats) -> Floats:
    """The probabilities of what a link carries, of those of all that is given: (..., rows)."""
    axes = _axes(walk, link)
    sizes = _sizes(chain, walk)
    joint = given.reshape(*sizes, -1)
    others = tuple(i for i in range(len(sizes)) if i not in axes)
    kept = joint.sum(axis=others)
    order = np.argsort(np.argsort(axes))
    kept = np.transpose(kept, (*order.tolist(), len(axes)))
    if link.source != walk.axes:
        kept = kept[..., chain.levels.rows(link.source).up[len(walk.axes)]]
    return kept


# --- what later rows say of earlier ones ---------------------------------------------------------


def _lag(link: Link, walk: Walk) -> int:
    """How many places before its own a link within the chain's rows points; 0 for others."""
    depth = len(walk.axes)
    if link.target != walk.axes or link.source[:depth] != walk.axes:
        return 0
    kind, _, value = link.places[-1]
    if kind == "axis":
        return value
    raise NoFilterError(
        f"rows of {', '.join(link.source)} depend on other rows of {', '.join(walk.axes)} than the "
        "one before, so that no order in time tells what is past: ask for the posterior"
    )


def _apart(
    chain: StructureData, given: Potentials, states: int
) -> tuple[Floats, dict[int, Floats]]:
    """Each row's own potentials (states, given, rows), and by lag what each row says of one before
    it, (values, given, rows).

    Every history + 1 rows in turn say nothing, so that what is left tells who said what. Sums over
    nothing leave constants, which are the same with and without data.
    """
    walk = chain.structure.walks[0]
    depth, count = len(walk.axes), walk.history + 1
    place = chain.levels.rows(walk.axes).places[walk.axes[-1]]

    def kept(turn: int, *, outside: bool) -> Floats:
        """What the walk is handed where only each rows' turn, or what lies outside, speaks."""
        parts = []
        for i, clusters in zip(chain.pieces, given, strict=True):
            axes, shared = chain.data[i].piece.axes, chain.shared.get(i, {})
            alive: Any = outside
            if axes[:depth] == walk.axes:
                alive = chain.levels.rows(axes).places[walk.axes[-1]] % count == turn
            parts.append(
                tuple(x if c in shared else np.where(alive, x, 0.0) for c, x in enumerate(clusters))
            )
        return _look(chain, tuple(parts)).unary

    own = kept(-1, outside=True)
    sent: dict[int, Floats] = {}
    size = len(place)
    for k in range(count):
        found = kept(k, outside=False)
        mine = np.flatnonzero(place % count == k)
        own[:, :, mine] += found[:, :, mine]
        for lag in range(1, count):
            rows = mine[place[mine] >= lag]
            part = sent.setdefault(lag, np.zeros((states, own.shape[1], size)))
            part[:, :, rows] = found[:states, :, rows - lag]
    return own, sent
