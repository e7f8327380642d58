"""Sampling row by row: ragged plates, chains and trees.

Every array has its plates flattened into one axis of rows while it is drawn. What depends on its
own past is drawn step by step, each step for all rows that are that far: `now` holds their numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from emdsl.families.family import Family
from emdsl.ir.nodes import (
    Array,
    Axis,
    Bind,
    Comment,
    Expr,
    For,
    Function,
    Gather,
    Kernel,
    Lit,
    Map,
    Stmt,
    When,
    Whole,
)
from emdsl.lower.draw_levels import Level, Levels
from emdsl.lower.draw_order import Group, Parent, groups
from emdsl.lower.draw_values import DrawValues
from emdsl.lower.names import Names, quoted
from emdsl.model import graph as g
from emdsl.model.check import Guards, references_in
from emdsl.model.lags import lag_of, starts_later


@dataclass(frozen=True, slots=True)
class Here:
    """The rows that are being drawn: all of a level's, or those in the array `rows`.

    `guards` are the tests that hold for them all; `both` that both sides of a choice between
    values are computed, so that a lag may lead nowhere.
    """

    level: Level
    rows: str | None = None
    guards: Guards = ()
    both: bool = False

    @property
    def axis(self) -> Axis:
        return self.level.row if self.rows is None else Axis("row", f"len({self.rows})")


class RowSampling(DrawValues):
    """Writes `draw` for models whose rows have to be told apart."""

    def __init__(self, model: g.Model, names: Names, families: Mapping[str, Family]) -> None:
        super().__init__(model, names, families)
        self.levels = Levels(model, names)
        self.here: Here | None = None  # None: outside all plates
        self.target: str | None = None
        self.sides: list[tuple[str, str]] = []  # the rows of a choice's two sides, by depth
        self.now: dict[tuple[str, ...], str] = {}  # the rows of a step, by level

    def function(self) -> Function:
        for group in groups(self.model):
            if group.why:
                for v in group.variables:
                    why = (quoted(group.why),)
                    self.body.append(Bind((self.names[v.name],), "sampling.unordered", why))
            elif group.times or group.parents:
                self._together(group)
            else:
                self._alone(group.variables[0])
        drawn = [v for v in self.model.variables if v.role in ("latent", "data")]
        result = [(quoted(v.name), self._declared(v)) for v in drawn]
        self.body = [*self.levels.statements(self.body), *self.body]
        return self._function(result)

    # -- arrays as they come and go --

    def _input(self, v: g.Variable) -> Stmt:
        given = f"given[{quoted(v.name)}]"
        if self.levels.flat(v.plates) < len(v.plates) > 1:
            events = ", ".join(str(self._dim(e)) for e in v.type.shape)
            given = f"np.reshape({given}, (-1, {events}))" if events else f"np.ravel({given})"
        return Bind((self.names[v.name],), "", (given,))

    def _declared(self, v: g.Variable) -> str:
        """A drawn array in its declared shape, the rows of ragged plates one after the other."""
        name, flat = self.names[v.name], self.levels.flat(v.plates)
        if len(v.plates) < 2 or flat == len(v.plates):
            return name
        dims = [*(self.levels.dim(a) for a in v.plates[flat:]), *map(self._dim, v.type.shape)]
        return f"{name}.reshape({', '.join(map(str, ['-1', *dims] if flat else dims))})"

    # -- variables --

    def _alone(self, v: g.Variable) -> None:
        """A variable that depends on nothing of its own: all rows at once."""
        assert v.dist is not None
        name = self.names[v.name]
        if not v.plates:
            self.here = self.target = None
            events = self._event(v.type.shape)
            self.body.append(Bind((name,), "", (Whole(self._draw(v.dist, (), events), events),)))
            return
        here = Here(self.levels.level(v.plates))
        if isinstance(v.dist, g.Choice):
            self._allocate(v)
        self._rows(v, v.dist, here, name)

    def _together(self, group: Group) -> None:
        """Variables that depend on their own past, step by step."""
        for v in group.variables:
            self._allocate(v)
        levels = list(dict.fromkeys(self.levels.level(v.plates) for v in group.variables))
        for level in levels:
            if level.axes not in self.now:
                self.now[level.axes] = self.names.fresh("now")
        depths = self._depths(group.parents) if group.parents else None
        orders = tuple(self._order(level, group, depths) for level in levels)
        outer, self.body = self.body, []
        for v in group.variables:
            assert v.dist is not None
            here = Here(self.levels.level(v.plates), self.now[v.plates])
            self._rows(v, v.dist, here, f"{self.names[v.name]}[{here.rows}]")
        now = tuple(self.now[level.axes] for level in levels)
        walk = For(now, "sampling.steps", orders, tuple(self.body))
        along = " and ".join([*group.times, *(["down the tree"] if group.parents else [])])
        text = "step by step, all rows that are that far: along " if group.times else ""
        self.body = [*outer, Comment(f"{text}{along}"), walk]

    def _allocate(self, v: g.Variable) -> None:
        row = self.levels.level(v.plates).row
        shape = ", ".join(str(a.dim) for a in (row, *self._event(v.type.shape)))
        kind = ("dtype=np.int64",) if v.type.discrete else ()
        shape = f"({shape})" if v.type.shape else shape
        self.body.append(Bind((self.names[v.name],), "np.zeros", (shape, *kind)))

    def _order(self, level: Level, group: Group, depths: tuple[Level, str] | None) -> Whole:
        """The step at which each row of a level is drawn."""
        self.here = Here(level)
        parts = [level.place(axis) for axis in group.times]
        if depths is not None:
            known, name = depths
            above = self.levels.row_of(known.axes, tuple(map(level.place, known.axes)))
            same = known.axes == level.axes
            parts.append(Array(name, (level.row,)) if same else Gather(name, (above,)))
        total = parts[0] if len(parts) == 1 else Map("add", tuple(parts))
        return Whole(total, (level.row,))

    def _depths(self, parents: tuple[Parent, ...]) -> tuple[Level, str]:
        """How deep each row is in a tree. What a choice keeps from being read is no parent."""
        level = self.levels.level(self.model.variable(parents[0].owner).plates)
        self.here = Here(level, both=True)
        args = []
        for parent in parents:
            row = self._row(parent.ref)
            known = [(t, o) for t, o in parent.guards if not _is_drawn(t)]
            for test, outcome in reversed(known):
                own, found = self._own(), self._expr(test, ())
                sides = (row, own) if outcome else (own, row)
                row = Map("where", (found, *sides))
            args.append(Whole(row, (level.row,)))
        name = self.names.fresh("depth")
        self.body.append(Bind((name,), "sampling.depths", tuple(args)))
        return level, name

    def _rows(self, v: g.Variable, dist: g.Distribution, here: Here, target: str) -> None:
        """Draw some rows of a variable; a choice between distributions splits them."""
        events = self._event(v.type.shape)
        self.here = here
        if not isinstance(dist, g.Choice):
            self.target = target
            self._draw(dist, (here.axis,), events)
            return
        rows = Whole(self._own(), (here.axis,))
        test = Whole(self._expr(dist.test, ()), (here.axis,))
        level = len(here.guards)  # a choice within a choice needs names of its own
        if level == len(self.sides):
            self.sides.append((self.names.fresh("yes"), self.names.fresh("no")))
        yes, no = self.sides[level]
        self.body.append(Bind((yes, no), "sampling.split", (rows, test)))
        for name, side, outcome in ((yes, dist.then, True), (no, dist.orelse, False)):
            outer, self.body = self.body, []
            inner = replace(here, rows=name, guards=(*here.guards, (dist.test, outcome)))
            self._rows(v, side, inner, f"{self.names[v.name]}[{name}]")
            self.body = [*outer, When(f"{name}.size", tuple(self.body))]

    def _temporary(self) -> str:
        if self.target is None:
            return super()._temporary()
        return self.target

    # -- expressions --

    def _own(self) -> Expr:
        """The numbers of the rows being drawn."""
        assert self.here is not None
        if self.here.rows is None:
            return Kernel("arange", (str(self.here.level.row.dim),), (self.here.axis,))
        return Array(self.here.rows, (self.here.axis,))

    def _place(self, axis: str) -> Expr:
        here = self.here
        assert here is not None
        if here.rows is None:
            return here.level.place(axis)
        if len(here.level.axes) == 1:
            return self._own()
        return Gather(here.level.places[here.level.axes.index(axis)], (self._own(),))

    def _ref(self, ref: g.Ref, at: tuple[Axis, ...]) -> Expr:
        name = self.names[ref.name]
        if ref.role not in ("latent", "data", "input"):
            places = tuple(self._expr(i, ()) for i in ref.indices)
            return Gather(name, (*places, *at)) if places or at else Array(name)
        plates = self.model.variable(ref.name).plates
        inner = tuple(self._expr(i, ()) for i in ref.indices[len(plates) :])
        if not plates:
            return Gather(name, (*inner, *at)) if inner or at else Array(name)
        here = self.here
        assert here is not None
        own = here.level.axes == plates and here.rows is None and self._is_own(ref, plates)
        if own and not inner:
            return Array(name, (here.axis, *at))
        return Gather(name, (self._row(ref), *inner, *at))

    def _is_own(self, ref: g.Ref, plates: tuple[str, ...]) -> bool:
        return all(
            isinstance(i, g.AxisRef) and i.axis == a
            for i, a in zip(ref.indices, plates, strict=False)
        )

    def _row(self, ref: g.Ref) -> Expr:
        """The row a reference leads to, for each row being drawn."""
        here, plates = self.here, self.model.variable(ref.name).plates
        assert here is not None
        indices = ref.indices[: len(plates)]
        lags = [(axis, lag) for i in indices for axis, lag in [lag_of(i) or ("", 0)] if lag]
        row = self._shifted(plates, indices)
        if row is None:
            row = self.levels.row_of(plates, tuple(self._expr(i, ()) for i in indices))
        for axis, lag in lags:
            if not starts_later(axis, lag, here.guards):
                exists = Map("ge", (self._place(axis), Lit(lag)))
                if here.both:  # some row will do: it is not taken
                    row = Map("mul", (row, exists))
                else:
                    axes = (here.axis,)
                    row = Kernel("back", (Whole(row, axes), Whole(exists, axes)), axes)
        return row

    def _shifted(self, plates: tuple[str, ...], indices: tuple[g.Expr, ...]) -> Expr | None:
        """The row itself, or so many rows before it; None where it takes more to say."""
        assert self.here is not None
        if self.here.level.axes != plates:
            return None
        row = self._own()
        for index, axis in zip(indices, plates, strict=True):
            found = lag_of(index)
            if found is not None and found[0] == axis:
                stride = self.levels.stride(plates, axis)
                if stride is None:
                    return None
                less = Lit(-found[1]) if stride == Lit(1) else Map("mul", (Lit(-found[1]), stride))
                row = Map("add", (row, less))
            elif not (isinstance(index, g.AxisRef) and index.axis == axis):
                return None
        return row

    def _apply(self, expr: g.Apply, at: tuple[Axis, ...]) -> Expr:
        if expr.op != "if" or self.here is None:
            return super()._apply(expr, at)
        test, then, orelse = expr.args
        here = self.here
        found = self._expr(test, at)
        self.here = replace(here, both=True)
        sides = self._expr(then, at), self._expr(orelse, at)
        self.here = here
        return Map("where", (found, *sides))


def _is_drawn(test: g.Expr) -> bool:
    """Whether a test looks at what is yet to be drawn."""
    return any(ref.role in ("latent", "data") for ref, _ in references_in(test))
