"""In which order the latents of coupled rows are summed out.

A factor is on the rows of a level and over the values of some latents, each seen through a link.
Until no latent is left, one of three things is done:

    send      a factor without latents of its own rows goes, through its link, to the rows that the
              link points to:  m[i](truth) = sum over r with item[r] = i of m[r](truth)
    sum out   a latent that only factors on its own rows have, seen there only, is summed out of
              their product, row by row
    walk      latents tied to others of their own level, a place before or at their parent, are
              summed out of each sequence or tree by forward-backward; what is left is on the rows
              of the enclosing plate

Where none can be done, rows hang together in circles, and no order is exact short of enumeration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emdsl.derive.levels import Level, Levels, Link, Place, own_places


@dataclass(frozen=True, slots=True)
class Factor:
    """A factor on the rows of `level`, over the values of the latents on `axes`."""

    level: Level
    axes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Send:
    """Factors added up where their rows' link points to; `inputs` are numbers of factors."""

    link: Link
    inputs: tuple[int, ...]
    output: int
    axes: tuple[tuple[str, str], ...]  # an axis at the source, and what it is at the target


@dataclass(frozen=True, slots=True)
class SumOut:
    """One latent summed out row by row; `rest` are the other axes of its factors' product."""

    level: Level
    latent: str
    rest: tuple[str, ...]
    inputs: tuple[int, ...]
    output: int


@dataclass(frozen=True, slots=True)
class Walk:
    """Latents summed out along sequences or trees, given those of enclosing rows (`outer`).

    `steps[k]` are the latents' axes k places before (for a tree: of the parent, k = 1); `unary`
    factors have none but the first of them, or, where history is longer, all but the last.
    """

    level: Level
    link: Link
    steps: tuple[tuple[str, ...], ...]
    outer: tuple[str, ...]
    unary: tuple[int, ...]
    pair: tuple[int, ...]
    output: int

    @property
    def history(self) -> int:
        return len(self.steps) - 1


Step = Send | SumOut | Walk


@dataclass(frozen=True, slots=True)
class Schedule:
    """The steps in order, and every factor there is: those given first, then the steps' outputs."""

    factors: tuple[Factor, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Stuck:
    """Factors that are left where nothing more can be done."""

    factors: tuple[int, ...]


def schedule(given: Sequence[Factor], levels: Levels) -> Schedule | Stuck:
    """Order the elimination of every latent of these factors, or say where it is stuck."""
    return _Scheduler(list(given), levels).run()


class _Scheduler:
    def __init__(self, factors: list[Factor], levels: Levels) -> None:
        self.factors = factors
        self.levels = levels
        self.live = [i for i, f in enumerate(factors) if f.axes]
        self.steps: list[Step] = []
        self.order = {axis: i for i, axis in enumerate(levels.of_axis)}

    def run(self) -> Schedule | Stuck:
        while self.live:
            if not (self._send() or self._sum_out() or self._walk()):
                return Stuck(tuple(self.live))
        return Schedule(tuple(self.factors), tuple(self.steps))

    # -- what is known of a factor --

    def link(self, f: Factor, axis: str) -> Link:
        return self.levels.links[f.level.axis, axis]

    def _sorted(self, axes: set[str]) -> tuple[str, ...]:
        return tuple(sorted(axes, key=lambda a: (self.order.get(a, len(self.order)), a)))

    def _replace(self, inputs: tuple[int, ...], level: Level, axes: tuple[str, ...]) -> int:
        self.live = [i for i in self.live if i not in inputs]
        self.factors.append(Factor(level, axes))
        output = len(self.factors) - 1
        if axes:
            self.live.append(output)
        return output

    def _see(self, level: Level, latent: str) -> str:
        """The axis of a latent seen from its own rows, or from rows inside them."""
        target = self.levels.of(self.levels.model.variable(latent))
        axis = self.levels.axes[latent]
        self.levels.links[level.axis, axis] = Link(level, target, own_places(target))
        return axis

    # -- send --

    def _send(self) -> bool:
        groups: dict[tuple[Link, tuple[str, ...]], list[int]] = {}
        for i in self.live:
            f = self.factors[i]
            found = self._common(f)
            if found is not None:
                groups.setdefault((found, f.axes), []).append(i)
        for (link, axes), inputs in groups.items():
            renamed = []
            for axis in axes:
                latent = self.levels.of_axis[axis]
                renamed.append((axis, self._see(link.target, latent)))
            kept = self._sorted({b for _, b in renamed})
            output = self._replace(tuple(inputs), link.target, kept)
            self.steps.append(Send(link, tuple(inputs), output, tuple(renamed)))
        return bool(groups)

    def _common(self, f: Factor) -> Link | None:
        """The link that all of a factor's links begin with, where none is to its own rows."""
        links = [self.link(f, a) for a in f.axes]
        if any(k.own for k in links):
            return None
        longest = max(links, key=lambda k: len(k.places))
        for k in links:
            count = len(k.places)
            if k.places != longest.places[:count]:
                return None
            if k.target.plates != longest.target.plates[:count]:
                return None
        latents = [self.levels.of_axis[a] for a in f.axes]
        return longest if len(set(latents)) == len(latents) else None

    # -- sum out --

    def _sum_out(self) -> bool:
        best: tuple[tuple[int, int], str, tuple[int, ...], set[str]] | None = None
        for latent, axis in self.levels.axes.items():
            found = self._alone(latent)
            if found is None:
                continue
            inputs, rest = found
            cost = (len(rest), -self.order.get(axis, 0))
            if best is None or cost < best[0]:
                best = (cost, axis, inputs, rest)
        if best is None:
            return False
        _, axis, inputs, rest = best
        level = self.factors[inputs[0]].level
        kept = self._sorted(rest)
        output = self._replace(inputs, level, kept)
        self.steps.append(SumOut(level, axis, kept, inputs, output))
        return True

    def _alone(self, latent: str) -> tuple[tuple[int, ...], set[str]] | None:
        """The factors of a latent that is seen from its own rows only, and their other axes."""
        mine = self._with({latent})
        rest: set[str] = set()
        for i in mine:
            f = self.factors[i]
            for a in f.axes:
                if self.levels.of_axis[a] != latent:
                    rest.add(a)
                elif not self.link(f, a).own:
                    return None
        return (tuple(mine), rest) if mine else None

    def _with(self, latents: set[str]) -> list[int]:
        return [
            i
            for i in self.live
            if any(self.levels.of_axis[a] in latents for a in self.factors[i].axes)
        ]

    # -- walk --

    def _walk(self) -> bool:
        for i in self.live:
            f = self.factors[i]
            within = [a for a in f.axes if self.link(f, a).within]
            if within and self._walk_from(f, {self.levels.of_axis[a] for a in within}):
                return True
        return False

    def _walk_from(self, first: Factor, latents: set[str]) -> bool:
        """Take the latents tied along a level's rows, if nothing else stands in the way."""
        level = first.level
        while True:
            mine = self._with(latents)
            more = set(latents)
            for i in mine:
                f = self.factors[i]
                if f.level != level:
                    return False
                more |= {self.levels.of_axis[a] for a in f.axes if not self._is_outer(f, a)}
            if more == latents:
                break
            latents = more
        seen = {
            self.link(f, a)
            for f in map(self.factors.__getitem__, mine)
            for a in f.axes
            if not self._is_outer(f, a)
        }
        links = {k for k in seen if k.within}
        if not all(k.within or k.own for k in seen):
            return False  # a step along another plate, as on a grid
        steps = self._steps(level, latents, links)
        if steps is None:
            return False
        outer: set[str] = set()
        unary: list[int] = []
        pair: list[int] = []
        last = set(steps[-1])
        for i in mine:
            f = self.factors[i]
            outer |= {a for a in f.axes if self._is_outer(f, a)}
            (pair if last & set(f.axes) else unary).append(i)
        above = Level(level.plates[:-1])
        kept = self._sorted(outer)
        for axis in kept:
            link = next(self.link(self.factors[i], axis) for i in mine
                        if axis in self.factors[i].axes)  # fmt: skip
            self.levels.links[above.axis, axis] = Link(above, link.target, link.places)
        output = self._replace(tuple(mine), above, kept)
        link = max(links, key=lambda k: k.lag)
        self.steps.append(Walk(level, link, steps, kept, tuple(unary), tuple(pair), output))
        return True

    def _is_outer(self, f: Factor, axis: str) -> bool:
        """Whether an axis is of a latent that is the same for all of a sequence's rows."""
        link = self.link(f, axis)
        above = f.level.plates[:-1]
        if link.target == f.level or link.own:
            return False
        return all(self._is_above(p, above) for p in link.places)

    def _is_above(self, place: Place, above: tuple[str, ...]) -> bool:
        """Whether the enclosing row tells a place."""
        match place.kind:
            case "axis":
                return place.name in above and not place.value
            case "array":
                v = self.levels.model.variable(place.name)
                return v.plates == above[: len(v.plates)]
            case "number":
                return True

    def _steps(
        self, level: Level, latents: set[str], links: set[Link]
    ) -> tuple[tuple[str, ...], ...] | None:
        """The latents' axes at each step back; None where lags and parents are mixed."""
        arrays = {k for k in links if not k.lag}
        if arrays and (len(links) > 1 or any(p.kind != "array" for k in arrays
                                             for p in k.places[-1:])):  # fmt: skip
            return None
        names = [n for n in self.levels.latents if n in latents]
        history = 1 if arrays else max(k.lag for k in links)
        steps = [tuple(self.levels.axes[n] for n in names)]
        steps += [
            tuple(self._before(level, n, lag, arrays) for n in names)
            for lag in range(1, history + 1)
        ]
        return tuple(steps)

    def _before(self, level: Level, latent: str, lag: int, arrays: set[Link]) -> str:
        """The axis of a latent `lag` places before, whether or not a factor has it."""
        for (source, axis), link in self.levels.links.items():
            same = source == level.axis and self.levels.of_axis[axis] == latent and link.within
            if same and (link in arrays or (not arrays and link.lag == lag)):
                return axis
        return self.levels.unseen(latent, level, lag, arrays)
