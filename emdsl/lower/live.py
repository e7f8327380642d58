"""Live terms by rows: the log potentials they add to the E-step, and their sums for M-steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sympy as sp

from emdsl.derive.atoms import Weight
from emdsl.derive.live import Live
from emdsl.derive.mstep.share import RowPart, Share
from emdsl.derive.statistics import Statistic
from emdsl.ir.nodes import Assign, Bind, Function, Map, Return, Stmt, When, Whole
from emdsl.ir.used import without_unused
from emdsl.lower.blocks import BlockContext
from emdsl.lower.fetch import fetch_params, sizes_of
from emdsl.lower.rowwise import RowScalars, Uses

_POTENTIALS = (
    ("block", "rt.Blocks"), ("params", "rt.Params"), ("layout", "rt.Layout"), ("pivot", "rt.Params")
)  # fmt: skip
_SUMS = (
    ("block", "rt.Blocks"), ("weights", "Any"), ("params", "rt.Params"), ("layout", "rt.Layout"),
    ("pivot", "rt.Params"),
)  # fmt: skip


class LiveLowering(BlockContext):
    """Writes the functions of a piece's live terms."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.scope: tuple[str, ...] = ()  # the latents whose posterior weights the rows

    def given(self, scope: tuple[str, ...]) -> LiveLowering:
        """The same, for sums with the posterior of these latents."""
        self.scope = scope
        return self

    @property
    def suffix(self) -> str:
        """Of the names of functions that sum over rows: the rows and the latents."""
        return "_".join([self.plan.label, *(["given"] if self.scope else []), *self.scope])

    def rows(self, known: Uses | None = None) -> RowScalars:
        s = RowScalars(self.atoms, self.names, frozenset({self.plan.plate}), known=known)
        self.wanted.append(s.wants)
        return s

    def twice(self, written: Callable[[RowScalars], list[Stmt]]) -> tuple[RowScalars, list[Stmt]]:
        """Statements written with what a first writing has found to be needed more than once."""
        first = RowScalars(self.atoms, self.names.copy(), frozenset({self.plan.plate}))
        written(first)
        s = self.rows(first.uses)
        return s, written(s)

    # -- the E-step --

    def potentials(self) -> Function:
        def written(s: RowScalars) -> list[Stmt]:
            body: list[Stmt] = []
            direct = self._added("live", self.plan.direct_live, (), s, body)
            clusters = [
                self._added(f"live_{label}", cluster.live, cluster.latents, s, body)
                for label, cluster in zip(self.labels(), self.plan.clusters, strict=True)
            ]
            found = f"({', '.join(clusters)}{',' * (len(clusters) == 1)})"
            return [*body, Return((direct, found))]

        s, body = self.twice(written)
        fetched = fetch_params(s, self.model, self.names, self.pivots)
        whole = [*self.data_arrays(s), *fetched, *body]
        return Function(
            f"potentials_{self.plan.label}",
            _POTENTIALS,
            "rt.Potential",
            "What data and parameters together add to the log joint: (B,) direct, then (states, B) "
            "each.\n\nNone where there is nothing.\n",
            without_unused((*sizes_of(whole, s, self.model), *whole)),
        )

    def _added(
        self,
        name: str,
        live: Sequence[Live],
        latents: tuple[str, ...],
        s: RowScalars,
        body: list[Stmt],
    ) -> str:
        if not live:
            return "None"
        parts = tuple(s.lower(self.atoms.sum(x.sums, x.expr)) for x in live)
        value = parts[0] if len(parts) == 1 else Map("add", parts)
        axes = (*(s.axis(a) for a in latents), self.plate)
        body += s.flush()
        body.append(Assign(name, Whole(value, axes, full=True)))
        return name

    # -- the M-step --

    def objective(self, label: str, share: Share, batch: tuple[str, ...]) -> Function:
        """The share of Q in these rows, for each problem of a batch."""
        s, body = self.twice(lambda s: self._outputs("q", [((), share)], batch, s))
        return self.summing(
            f"objective_{label}_{self.suffix}", "Any",
            "This block's share of Q: what data and parameters together add.", body, "q_0", s,
        )  # fmt: skip

    def slopes(
        self,
        label: str,
        share: Share,
        gradient: Sequence[tuple[tuple[str, ...], Share]],
        hessian: Sequence[tuple[tuple[str, ...], Share]],
        batch: tuple[str, ...],
    ) -> Function:
        """The same with its derivatives, in the parameters' own coordinates."""

        def written(s: RowScalars) -> list[Stmt]:
            first = [
                *self._outputs("q", [((), share)], batch, s),
                *self._outputs("g", gradient, batch, s),
            ]
            lead = [*s.flush(), *first]
            second = self._outputs("h", hessian, batch, s)
            found = ("q_0", _tuple("g", len(gradient)), "None")
            return [*lead, When("not second", (Return(found),)), *s.flush(), *second]

        s, body = self.twice(written)
        return self.summing(
            f"slopes_{label}_{self.suffix}", "Any",
            "The same with its gradient, and the Hessian's upper blocks row by row where `second`.",
            body, ("q_0", _tuple("g", len(gradient)), _tuple("h", len(hessian))), s,
            ("second", "bool"),
        )  # fmt: skip

    def _outputs(
        self,
        stem: str,
        shares: Sequence[tuple[tuple[str, ...], Share]],
        batch: tuple[str, ...],
        s: RowScalars,
    ) -> list[Stmt]:
        out: list[Stmt] = []
        for i, (own, share) in enumerate(shares):
            axes = tuple(s.axis(a) for a in (*batch, *own))
            terms = self._terms(share)
            if terms:
                value = s.over_rows(terms, (*batch, *own), batch)
                out += [*s.flush(), Assign(f"{stem}_{i}", Whole(value, axes, full=True))]
            else:
                out.append(Bind((f"{stem}_{i}",), "", ("0.0",)))
        return out

    def live_sum(self, statistic: Statistic) -> Function:
        """A live statistic: the sum over these rows."""
        feature = statistic.feature
        weight = self.atoms.symbol(Weight((*statistic.scope, statistic.plate)))
        axes = (*statistic.scope, *feature.axes)

        def written(s: RowScalars) -> list[Stmt]:
            terms = [(weight * feature.expr, frozenset(feature.sums))]
            value = s.over_rows(terms, axes, statistic.scope)
            whole = Whole(value, tuple(s.axis(a) for a in axes), full=True)
            return [*s.flush(), Assign("total", whole)]

        s, body = self.twice(written)
        return self.summing(
            f"live_{statistic.name}", "Any", "A statistic with parameters in it.", body, "total", s
        )

    def _terms(self, share: Share) -> list[tuple[sp.Expr, frozenset[str]]]:
        return [(p.expr, p.axes) for p in share.rows if self._mine(p)]

    def _mine(self, part: RowPart) -> bool:
        return part.plate == self.plan.plate and part.latents == self.scope

    def summing(
        self,
        name: str,
        returns: str,
        doc: str,
        body: list[Stmt],
        result: str | tuple[str, ...],
        s: RowScalars,
        *more: tuple[str, str],
    ) -> Function:
        """A function of a block of rows with their weights."""
        fetched = fetch_params(s, self.model, self.names)
        whole = [*self.data_arrays(s), *fetched, *body, Return(result)]
        body = [*sizes_of(whole, s, self.model), *whole]
        return Function(name, (*_SUMS, *more), returns, doc, without_unused(body))


def _tuple(stem: str, count: int) -> str:
    names = [f"{stem}_{i}" for i in range(count)]
    return f"({', '.join(names)}{',' * (count == 1)})"
