"""The parameter side of a piece: each feature's coefficient in the log joint."""

from __future__ import annotations

import sympy as sp

from emdsl.derive.atoms import Ix
from emdsl.derive.differences import joined, of_logs
from emdsl.derive.display import tidy_axes
from emdsl.derive.joint import Node
from emdsl.derive.statistics import Feature, Statistic, Term
from emdsl.derive.words import words
from emdsl.inference.plan import Cluster
from emdsl.ir.nodes import (
    Assign,
    Axis,
    Bind,
    Comment,
    Expr,
    Function,
    Item,
    Kernel,
    Return,
    Stmt,
    When,
    Whole,
)
from emdsl.lower.consts import fetch_consts
from emdsl.lower.context import PieceContext
from emdsl.lower.fetch import fetch_params, sizes_of
from emdsl.lower.names import mathematics, quoted
from emdsl.lower.scalar import ScalarLowering

_COEFFICIENTS = (("params", "rt.Params"), ("layout", "rt.Layout"), ("pivot", "rt.Params"))


class CoefficientLowering(PieceContext):
    """Writes the coefficients function of one piece."""

    def _mathematics(self, node: Node) -> list[str]:
        given = ", ".join(p for p in node.plates if p != self.atoms.single)
        density = words(node.log_density, self.atoms, centered=True)
        whose = f"{node.name}[{given}]" if given else node.name
        text = f"log p({whose} | its parents) = {density}"
        return mathematics(tidy_axes([text], self.atoms)[0])

    def _purpose(self, cluster: Cluster) -> list[Comment]:
        """What a cluster's coefficients are: of log p, or of a function of continuous latents."""
        above = f", given {', '.join(cluster.latents)}" if cluster.latents else ""
        if cluster.moment is None:
            return [Comment(f"log p{above}: the coefficient of each feature")]
        (shown,) = tidy_axes([words(cluster.moment.expr, self.atoms)], self.atoms)
        text = f"natural parameter of {shown}{above}: the coefficient of each feature"
        return [Comment(line.strip()) for line in mathematics(text)]

    def coefficients(self) -> Function:
        s = self.scalars()
        body: list[Stmt] = []
        results: list[str] = []
        if self.plan.direct_features:
            body.append(Comment("terms without a latent: the coefficient of each feature"))
        results.append(
            self._coefficients(
                "0",
                (),
                self.plan.direct,
                self.plan.direct_features,
                s,
                body,
                extra=len(self.plan.direct_given),
            )
        )
        for label, cluster in zip(self.labels(), self.plan.clusters, strict=True):
            if cluster.features:
                body += self._purpose(cluster)
            results.append(
                self._coefficients(label, cluster.states, cluster.terms, cluster.features, s, body)
            )
        fetched = fetch_consts(s, self.model, self.names)
        fetched += fetch_params(s, self.model, self.names, self.pivots)
        pivots = sorted(k.partition(" ")[2] for k in s.wants if k.startswith("pivot "))
        fetched += [Item(s.pivot_name(name), "pivot", quoted(name)) for name in pivots]
        joint = [Comment(line) for node in self.nodes for line in self._mathematics(node)]
        body = [*joint, *fetched, *body, Return(tuple(results))]
        sizes = sizes_of(body, s, self.model)
        doc = "The parameter parts of the log joint's terms: (F,) direct, then (states, F) each."
        return Function(
            f"coefficients_{self.plan.label}",
            _COEFFICIENTS,
            "rt.Coefficients",
            doc,
            (*sizes, *body),
        )

    def _coefficients(
        self,
        label: str,
        latents: tuple[str, ...],
        terms: tuple[Term, ...],
        features: tuple[Feature, ...],
        s: ScalarLowering,
        body: list[Stmt],
        extra: int = 0,
    ) -> str:
        states = tuple(s.axis(a) for a in latents)
        parts: list[str] = []
        masks: list[tuple[Feature, str]] = []
        one = None
        for f in features:
            own = tuple(s.axis(a) for a in f.axes)
            value = self._coefficient([t for t in terms if _of(t).feature == f], s)
            name = f"c_{label}_{f.name}"
            if f.symmetric:
                whole = Whole(value, (*states, *own), full=True)
                body.append(
                    Assign(
                        name,
                        Whole(
                            Kernel("fold", (whole,), (*states, Axis("pairs", "..."))),
                            (*states, Axis("pairs", "...")),
                        ),
                    )
                )
            else:
                body.append(Assign(name, Whole(value, (*states, *own), full=True)))
            if f.expr == 1:
                one = name
            if f.seen is not None:
                masks.append((f, name))
            parts.append(f"({name}, {len(states)})")
        for f, name in masks:
            assert one is not None
            total = f"{name}.sum(axis={_tail(len(states), len(f.axes))})" if f.axes else name
            body.append(
                When(
                    f'layout.complete["{f.seen}"]',
                    (
                        Comment("every cell is seen: the mask is the constant"),
                        Bind((one, name), "", (f"{one} + {total}, None",)),
                    ),
                )
            )
        count = " * ".join(str(a.dim) for a in states) or "1"
        target = f"all_{label}"
        if not features and not latents and not extra:
            body.append(Bind((target,), "np.zeros", (0,)))
        else:
            rows = [*parts, *["(1.0, 0)"] * extra]
            body.append(Bind((target,), "nm.columns", (count, *rows)))
            if not latents:
                body.append(Bind((target,), "", (f"{target}[0]",)))
        return target

    def _coefficient(self, terms: list[Term], s: ScalarLowering) -> Expr:
        total: sp.Expr = sp.Integer(0)
        for t in terms:
            statistic = _of(t)
            names: dict[str, Ix] = dict(zip(t.places, statistic.axes, strict=True))
            expr = self.atoms.rename(t.number * t.factor * t.basis, names)
            kept = {*statistic.axes}
            bound = tuple(sorted({str(names.get(a, a)) for a in t.axes} - kept))
            total += self.atoms.sum(bound, expr)
        return s.lower(joined(total, of_logs))


def _of(term: Term) -> Statistic:
    assert term.statistic is not None
    return term.statistic


def _tail(lead: int, count: int) -> str:
    axes = tuple(range(lead, lead + count))
    return str(axes[0]) if count == 1 else str(axes)
