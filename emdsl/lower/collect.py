"""The sums over a piece's plate, cut into the statistics the M-step asks for."""

from __future__ import annotations

from emdsl.derive.statistics import Feature, Statistic
from emdsl.ir.nodes import (
    Array,
    Assign,
    Axis,
    Bind,
    Function,
    Return,
    Stmt,
    Whole,
)
from emdsl.lower.context import PieceContext
from emdsl.lower.fetch import sizes_of
from emdsl.lower.names import quoted
from emdsl.lower.scalar import ScalarLowering


class CollectLowering(PieceContext):
    """Writes the collect function of one piece."""

    def collect(self, wanted: frozenset[str]) -> Function:
        s = self.scalars()
        body: list[Stmt] = []
        found: list[tuple[str, str]] = []
        groups: list[tuple[str, tuple[str, ...], tuple[Feature, ...], str]] = [
            ("direct", (), self.plan.direct_features, "direct")
        ]
        for i, (label, cluster) in enumerate(zip(self.labels(), self.plan.clusters, strict=True)):
            groups.append((label, cluster.states, cluster.features, f"sums[{i}]"))
        by_group: dict[int, list[Statistic]] = {}
        for statistic in self.plan.statistics:
            inner = statistic.scope or statistic.moment is not None
            index = 1 + self.plan.cluster_of(statistic) if inner else 0
            if statistic.name in wanted:
                by_group.setdefault(index, []).append(statistic)
        for index, statistics in sorted(by_group.items()):
            _, latents, features, source = groups[index]
            states = tuple(s.axis(a) for a in latents)
            body += self._cut(source, states, features, s, index)
            for statistic in statistics:
                name = self._collected(statistic, index, states, s, body)
                found.append((quoted(statistic.name), name))
        sizes = sizes_of(body, s, self.model)
        return Function(
            f"collect_{self.plan.label}",
            (("direct", "Any"), ("sums", "Any"), ("layout", "rt.Layout")),
            "dict[str, Any]",
            "The sums over the plate, cut into statistics by name.",
            (*sizes, *body, Return(tuple(found) if found else "{}")),
        )

    def _cut(
        self,
        source: str,
        states: tuple[Axis, ...],
        features: tuple[Feature, ...],
        s: ScalarLowering,
        index: int,
    ) -> list[Stmt]:
        """Slice the feature axis of the summed (states, F) into blocks of features."""
        shape = ", ".join(str(a.dim) for a in states)
        lead = f"({shape}{',' * (len(states) == 1)})"
        specs = []
        for f in features:
            dims = [s.axis(a).dim for a in f.axes]
            kind = f'"{f.seen}"' if f.seen is not None else "None"
            sizes = f"({', '.join(map(str, dims))}{',' * (len(dims) == 1)})"
            specs.append(f"({sizes}, {f.symmetric}, {kind})")
        return [Bind((f"parts_{index}",), "nm.cut", (source, lead, "layout.complete", *specs))]

    def _collected(
        self,
        statistic: Statistic,
        index: int,
        states: tuple[Axis, ...],
        s: ScalarLowering,
        body: list[Stmt],
    ) -> str:
        features = (
            self.plan.direct_features if index == 0 else self.plan.clusters[index - 1].features
        )
        place = features.index(statistic.feature)
        name = f"s_{statistic.name}"
        own = tuple(s.axis(a) for a in statistic.feature.axes)
        within = statistic.moment.axes if statistic.moment is not None else ()
        scope = tuple(s.axis(a) for a in (*statistic.scope, *within))
        extra = tuple(i for i, a in enumerate(states) if a not in scope)
        source = f"parts_{index}[{place}]"
        if extra:
            source += f".sum(axis={extra[0] if len(extra) == 1 else extra})"
        kept = [a for a in states if a in scope]
        code = Array(source, (*kept, *own))
        body.append(Assign(name, Whole(code, (*scope, *own))))
        return name
