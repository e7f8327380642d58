"""Numeric blocks of the M-step: the functions Newton's method calls, and the literal of each.

Each block's share of Q, its gradient and its Hessian are in two parts: of the statistics, here, and
of rows of data together with parameters (see `live`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emdsl.derive.mstep.block import Update
from emdsl.derive.mstep.share import Absolute, Numeric, Share
from emdsl.derive.reach import walls
from emdsl.derive.statistics import Derived, Statistic
from emdsl.inference.plan import PiecePlan
from emdsl.ir.nodes import Assign, Bind, Function, Item, Return, Stmt, When, Whole
from emdsl.ir.used import without_unused
from emdsl.lower.consts import fetch_consts
from emdsl.lower.deviations import deviations
from emdsl.lower.fetch import fetch_params, sizes_of
from emdsl.lower.live import LiveLowering
from emdsl.lower.meta import extent_literal, tuple_literal
from emdsl.lower.names import Names, quoted
from emdsl.lower.scalar import ScalarLowering

_STATIC = (("statistics", "rt.Statistics"), ("params", "rt.Params"))


@dataclass(frozen=True)
class Written:
    """What a model's numeric blocks are in its module."""

    functions: tuple[Function, ...]
    lines: tuple[str, ...]  # definitions of the blocks
    names: tuple[str, ...]  # of the blocks
    statistics: frozenset[str]  # that they ask for


class NumericLowering:
    """Writes the functions of every numeric block, and of live statistics."""

    def __init__(
        self,
        derived: Derived,
        pieces: tuple[PiecePlan, ...],
        live: Mapping[int, LiveLowering],
        names: Names,
    ) -> None:
        self.derived = derived
        self.model = derived.joint.model
        self.atoms = derived.joint.atoms
        self.pieces = pieces
        self.live = live
        self.names = names
        self.wanted: set[str] = set()
        self.kept: dict[
            int, set[int]
        ] = {}  # of each piece: clusters whose posteriors are asked for
        self.has_latents = any(p.latents for p in pieces)

    def block(self, update: Update) -> Written:
        """The functions and literals of a block, and of the same without formulas put in."""
        form = update.form
        assert isinstance(form, Numeric)
        written = self._written(form)
        if form.given is None:
            return written
        other = self._written(form.given, given=form.profiled)
        return Written(
            (*written.functions, *other.functions), (*written.lines, *other.lines),
            written.names, written.statistics | other.statistics,
        )  # fmt: skip

    def _written(self, form: Numeric, given: tuple[str, ...] = ()) -> Written:
        label = block_label(form, given)
        functions: list[Function] = []
        upper = [(form.block_axes(i), block) for i, block in enumerate(form.blocks)]
        gradient = list(zip(form.cells, form.gradient, strict=True))
        functions.append(self._objective(label, form))
        functions.append(self._slopes(label, form, gradient, upper))
        rows: list[str] = []
        everything = (form.value, *form.gradient, *(s for _, s in upper))
        sources = dict.fromkeys((p.plate, p.latents) for s in everything for p in s.rows)
        for plate, latents in sources:
            index = next(i for i, p in enumerate(self.pieces) if p.plate == plate)
            live = self.live[index].given(latents)
            value = live.objective(label, form.value, form.batch)
            slopes = live.slopes(label, form.value, gradient, upper, form.batch)
            functions += [value, slopes]
            rows.append(self.row_literal(index, latents, (value.name, slopes.name)))
        corners: list[str] = []
        for i, d in enumerate(form.corners):
            stem = f"deviations_{label}" + (f"_{i + 1}" if len(form.corners) > 1 else "")
            function, literal = deviations(stem, d, form, self)
            functions.append(function)
            corners.append(literal)
        return Written(
            tuple(functions), tuple(self._lines(label, form, rows, corners)), (f"BLOCK_{label}",),
            frozenset(self.wanted),
        )  # fmt: skip

    def _lines(self, label: str, form: Numeric, rows: list[str], corners: list[str]) -> list[str]:
        kinds = [quoted(self.model.param(p).type.kind) for p in form.params]
        places = [tuple_literal([str(i) for i in p]) for p in form.places]
        steps = "rt.FEW" if self.has_latents else "rt.ALL"
        lines = [
            f"BLOCK_{label} = rt.Numeric(",
            f"    params={tuple_literal([quoted(p) for p in form.params])},",
            f"    kinds={tuple_literal(kinds)},",
            f"    batch={len(form.batch)},",
            f"    places={tuple_literal(places)},",
            f"    steps={steps},",
            f"    objective=objective_{label},",
            f"    slopes=slopes_{label},",
        ]
        if any(i is not None for i in form.shift):
            lines.append(f"    shift={tuple_literal([str(i) for i in form.shift])},")
        if any(form.ties):
            each = [tuple_literal([str(pair) for pair in axes]) for axes in form.ties]
            lines.append(f"    ties={tuple_literal(each)},")
        if rows:
            lines += ["    rows=(", *(line for r in rows for line in _item(r)), "    ),"]
        if corners:
            lines += ["    corners=(", *(f"        {c}," for c in corners), "    ),"]
        found = walls((part.expr for part in form.value.rows), self.atoms)
        if found:
            lines.append(f"    walls={tuple_literal([quoted(w) for w in found])},")
        return [*lines, ")", "", ""]

    def row_literal(self, index: int, latents: tuple[str, ...], functions: tuple[str, ...]) -> str:
        """Which rows, with whose posterior, and the functions that sum over them."""
        plan = self.pieces[index]
        kept = self.kept.setdefault(index, set())
        if not latents:
            kept.add(-1)
            return f"rt.RowSum({index}, -1, (), (), {', '.join(functions)})"
        cluster = min(
            (len(c.latents), i)
            for i, c in enumerate(plan.clusters)
            if set(latents) <= set(c.latents) and not c.shared
        )[1]
        kept.add(cluster)
        states = plan.clusters[cluster].latents
        dims = tuple_literal([extent_literal(self.atoms.axes[a].extent) for a in states])
        places = tuple_literal([str(states.index(a)) for a in latents])
        return f"rt.RowSum({index}, {cluster}, {dims}, {places}, {', '.join(functions)})"

    def live_statistic(self, statistic: Statistic) -> tuple[Function, str]:
        """The function of a live statistic, and the literal of its rows."""
        index = next(i for i, p in enumerate(self.pieces) if p.plate == statistic.plate)
        function = self.live[index].given(statistic.scope).live_sum(statistic)
        return function, self.row_literal(index, statistic.scope, (function.name,))

    # -- the part of the statistics --

    def _objective(self, label: str, form: Numeric) -> Function:
        s = ScalarLowering(self.atoms, self.names, frozenset())
        axes = tuple(s.axis(a) for a in form.batch)
        body: list[Stmt] = [
            Assign("total", Whole(s.lower(form.value.static), axes, full=True)),
        ]
        doc = "This block's share of Q, of the statistics."
        return self.static(f"objective_{label}", "Any", doc, body, "total", s)

    def _slopes(
        self,
        label: str,
        form: Numeric,
        gradient: list[tuple[tuple[str, ...], Share]],
        upper: list[tuple[tuple[str, ...], Share]],
    ) -> Function:
        s = ScalarLowering(self.atoms, self.names, frozenset())
        first = self._parts("g", gradient, form.batch, s)
        second = self._parts("h", upper, form.batch, s)
        g, h = (
            f"({', '.join(f'{stem}_{i}' for i in range(n))}{',' * (n == 1)})"
            for stem, n in (("g", len(gradient)), ("h", len(upper)))
        )
        body = [*first, When("not second", (Return((g, "None")),)), *second]
        doc = "Its gradient, and the Hessian's upper blocks row by row where `second`."
        return self.static(f"slopes_{label}", "Any", doc, body, (g, h), s, ("second", "bool"))

    def _parts(
        self,
        stem: str,
        shares: list[tuple[tuple[str, ...], Share]],
        batch: tuple[str, ...],
        s: ScalarLowering,
    ) -> list[Stmt]:
        out: list[Stmt] = []
        for i, (own, share) in enumerate(shares):
            axes = tuple(s.axis(a) for a in (*batch, *own))
            out.append(Assign(f"{stem}_{i}", Whole(s.lower(share.static), axes, full=True)))
        return out

    def static(
        self,
        name: str,
        returns: str,
        doc: str,
        body: list[Stmt],
        result: str | tuple[str, ...],
        s: ScalarLowering,
        *more: tuple[str, str],
    ) -> Function:
        """A function of the statistics and the parameters."""
        fetched, wanted = fetch_statistics(self.derived, s)
        self.wanted |= wanted
        consts = fetch_consts(s, self.model, self.names, "statistics.layout.consts")
        whole = [*consts, *fetched, *fetch_params(s, self.model, self.names), *body]
        sizes = [
            Item(x.name, "statistics.layout.sizes", x.key)
            for x in sizes_of(whole, s, self.model)
            if isinstance(x, Item)
        ]
        used = without_unused((*sizes, *whole, Return(result)))
        return Function(name, (*_STATIC, *more), returns, doc, used)


def _item(literal: str) -> list[str]:
    """A call as an item of a tuple: on one line, or on one for each of its last arguments."""
    line = f"        {literal},"
    if len(line) <= 99:
        return [line]
    head, *functions = literal.removesuffix(")").rsplit(", ", 2)
    return [f"        {head},", *(f"            {f}," for f in functions), "        ),"]


def block_label(form: Numeric | Absolute, given: tuple[str, ...] = ()) -> str:
    """A name for a block: its parameters."""
    return "_".join([*form.params, *(["given"] if given else []), *given])


def fetch_statistics(derived: Derived, s: ScalarLowering) -> tuple[list[Stmt], frozenset[str]]:
    """Fetch the statistics and pivots a lowering was found to need, and the statistics' names."""
    body: list[Stmt] = []
    wanted = {k.partition(" ")[2] for k in s.wants if k.startswith("stat ")}
    for statistic in derived.statistics:
        if statistic.name in wanted:
            axes = tuple(s.axis(a) for a in statistic.axes)
            body.append(
                Item(s.stat_name(statistic.name), "statistics", quoted(statistic.name), axes)
            )
    pivots = {k.partition(" ")[2] for k in s.wants if k.startswith("pivot ")}
    if derived.joint.pivots:
        body.append(Bind(("pivot",), "", ("statistics.pivot",)))
    body += [Item(s.pivot_name(name), "pivot", quoted(name)) for name in sorted(pivots)]
    return body, frozenset(wanted)
