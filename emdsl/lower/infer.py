"""The finite E-step of one element as statements: eliminate forward, differentiate backward."""

from __future__ import annotations

from emdsl.derive.levels import Levels
from emdsl.derive.table import Atoms
from emdsl.inference.plan import Cluster, PiecePlan
from emdsl.ir.nodes import (
    AddTo,
    Array,
    Assign,
    Axis,
    Bind,
    Comment,
    Contract,
    Expr,
    Function,
    Item,
    Map,
    Return,
    Stmt,
    When,
    Whole,
)
from emdsl.ir.used import names_in
from emdsl.lower.integrate import Integration
from emdsl.lower.names import Names, quoted
from emdsl.lower.scalar import ScalarLowering

_ARGS = (("features", "rt.Features"), ("coefficients", "rt.Coefficients"), ("layout", "rt.Layout"))


class Elimination:
    """Writes `infer` and `marginals` of a piece with latents."""

    def __init__(self, plan: PiecePlan, atoms: Atoms, names: Names, levels: Levels) -> None:
        self.plan = plan
        self.levels = levels
        self.scalars = ScalarLowering(atoms, names, frozenset({plan.plate}))
        self.plate = Axis(plan.plate, "B")
        self.latent_of = {axis: name for name, axis in levels.axes.items()}
        self.integration = Integration(plan, self.scalars)

    def axes(self, cluster: Cluster) -> tuple[Axis, ...]:
        return (*(self.scalars.axis(a) for a in cluster.latents), self.plate)

    def _sizes(self, body: list[Stmt]) -> list[Stmt]:
        """The sizes that the statements use: of the latents, and of the block as `B`."""
        used = names_in(body)
        block = Bind(("B",), "", ("features.direct.shape[1]",))
        out: list[Stmt] = [block] if "B" in used else []
        dims = {a.dim for c in self.plan.clusters for a in self._states(c)}
        by_python = {self.scalars.names[e]: e for e in self._size_names()}
        out += [Item(d, "layout.sizes", quoted(by_python[d]))
                for d in sorted(map(str, dims)) if d in by_python and d in used]  # fmt: skip
        return out

    def _states(self, cluster: Cluster) -> tuple[Axis, ...]:
        return tuple(self.scalars.axis(a) for a in cluster.states)

    def _size_names(self) -> list[str]:
        axes = self.scalars.atoms.axes
        own = {a for c in self.plan.clusters for a in c.states}
        return [
            str(info.extent)
            for name, info in axes.items()
            if (info.role == "latent" or name in own) and not hasattr(info.extent, "value")
        ]

    def _forward(self) -> list[Stmt]:
        """Each cluster's log factor, then its latent summed out."""
        body: list[Stmt] = []
        for bundle in self.plan.bundles:
            body += self.integration.forward(bundle)
        for i, cluster in self.plan.finite:
            axes = self.axes(cluster)
            out, rest = cluster.latents[0], cluster.latents[1:]
            name = f"post_{out}"
            given = f" given {', '.join(rest)}" if rest else ""
            body.append(Comment(f"sum out {out}{given}"))
            shape = f"({', '.join(str(a.dim) for a in axes)})"
            product = f"coefficients[{i + 1}] @ features.rows[{i}]"
            if len(axes) > 2:
                product = f"({product}).reshape{shape}"
            body.append(Bind((name,), "", (product,)))
            if cluster.given or cluster.live:
                body.append(AddTo(name, Whole(Array(f"features.fixed[{i}]", axes), axes)))
            elif any(i == g.host for g in self.plan.gaps):
                fixed = Array(f"features.fixed[{i}]", axes)
                body.append(
                    When(
                        f"features.fixed[{i}] is not None",
                        (
                            Comment("missing cells, integrated out"),
                            AddTo(name, Whole(fixed, axes)),
                        ),
                    )
                )
            for bundle in (self.plan.bundles[-1 - n] for n in cluster.children if n < 0):
                body.append(AddTo(name, Whole(self.integration.message(bundle), axes)))
            for child in (n for n in cluster.children if n >= 0):
                own = self.axes(self.plan.clusters[child])[1:]
                message = Array(f"message_{self.plan.clusters[child].latents[0]}", own)
                body.append(AddTo(name, Whole(message, axes)))
            latent = quoted(self.latent_of[out])
            start = Array(f"bias[{latent}]", (axes[0], self.plate))
            body.append(
                When(
                    f"bias is not None and {latent} in bias",
                    (AddTo(name, Whole(start, axes)),),
                )
            )
            body.append(Bind((f"message_{out}",), "how.eliminate", (name,)))
        return body

    def _roots(self) -> Expr:
        messages: list[Expr] = [
            Array(f"message_{c.latents[0]}", (self.plate,))
            for _, c in self.plan.finite
            if c.parent is None
        ]
        messages += [self.integration.message(b) for b in self.plan.bundles if b.parent is None]
        return messages[0] if len(messages) == 1 else Map("add", tuple(messages))

    def infer(self) -> Function:
        body = self._forward()
        for _, cluster in reversed(self.plan.finite):
            if cluster.parent is None:
                continue
            axes = self.axes(cluster)
            parent = self.plan.clusters[cluster.parent]
            above = self.axes(parent)
            name, rest = f"post_{cluster.latents[0]}", axes[1:]
            marginal: Expr = Array(f"post_{parent.latents[0]}", above)
            extra = tuple(a for a in above if a not in rest)
            if extra:
                marginal = Contract((marginal,), extra)
            body.append(Comment(f"p({', '.join(cluster.latents)}) = p({cluster.latents[0]} | "
                                f"{', '.join(cluster.latents[1:])}) p("
                                f"{', '.join(cluster.latents[1:])})"))  # fmt: skip
            body.append(Assign(name, Whole(Map("mul", (Array(name, axes), marginal)), axes)))
        for bundle in self.plan.bundles:
            body += self.integration.backward(bundle)
        body.append(Assign("evidence", Whole(self._roots(), (self.plate,))))
        flat = [
            self.integration.flat(c)
            if c.moment is not None or c.source
            else f"post_{c.latents[0]}" + (".reshape(-1, B)" if len(c.latents) > 1 else "")
            for c in self.plan.clusters
        ]
        clusters = f"({', '.join(flat)}{',' * (len(flat) == 1)})"
        body.append(Return(("evidence", clusters)))
        return Function(
            f"infer_{self.plan.label}",
            (*_ARGS, ("how", "rt.How = rt.EXPECT"), ("bias", "rt.Bias | None = None")),
            "rt.Inferred",
            "Log evidence (B,) and the posterior of each elimination's latents, (states, B).\n\n"
            "`how` says what summing out means: the sum, the maximum, or a draw.\n",
            (*self._sizes(body), *body),
        )

    def integrate(self) -> Function:
        """Continuous latents of coupled rows: what they say of discrete ones, and their means."""
        body: list[Stmt] = []
        messages, means = [], []
        for bundle in self.plan.bundles:
            body += self.integration.forward(bundle)
            flat = len(bundle.scope) > 1
            messages.append(f"message_{bundle.label}" + ".reshape(-1, B)" * flat)
            means += [self.integration.flat(self.plan.clusters[i]) for i in bundle.clusters]
        parts = (f"({', '.join(x)}{',' * (len(x) == 1)})" for x in (messages, means))
        body.append(Return(tuple(parts)))
        return Function(
            f"integrate_{self.plan.label}",
            (*_ARGS, ("how", "rt.How = rt.EXPECT"), ("bias", "rt.Bias | None = None")),
            "rt.Integrated",
            "Log evidence (states, B) of each group of continuous latents, and the means of their\n"
            "functions given the discrete latents' values, (states, B).\n",
            (*self._sizes(body), *body),
        )

    def marginals(self) -> Function:
        body: list[Stmt] = []
        found: list[tuple[str, str]] = []
        for i, cluster in self.plan.finite:
            if cluster not in self._own():
                continue
            out = cluster.latents[0]
            axes = self.axes(cluster)
            source = f"clusters[{i}]"
            if len(cluster.latents) > 1:
                shape = ", ".join(str(a.dim) for a in axes[:-1])
                places = tuple(range(1, len(cluster.latents)))
                source = f"{source}.reshape({shape}, -1).sum(axis={places})"
            body.append(Bind((f"post_{out}",), "", (source,)))
        by_axis = dict(zip(self.plan.latents, self._names(), strict=True))
        for axis, name in by_axis.items():
            found.append((quoted(name), f"post_{axis}"))
        body.append(Return(tuple(found) if found else "{}"))
        return Function(
            f"marginals_{self.plan.label}",
            (("clusters", "Any"), ("layout", "rt.Layout")),
            "dict[str, Any]",
            "Each latent's own posterior, (values, B).",
            (*(s for s in self._sizes(body) if isinstance(s, Item)), *body),
        )

    def _names(self) -> tuple[str, ...]:
        by_axis = {axis: name for name, axis in self.levels.axes.items()}
        return tuple(by_axis[a] for a in self.plan.latents)

    def _own(self) -> tuple[Cluster, ...]:
        """The clusters from which each latent's own posterior is taken.

        Where rows are coupled every latent has a group of terms of its own.
        """
        if not self.plan.match.coupled:
            return tuple(c for _, c in self.plan.finite)
        return tuple(
            c
            for _, c in self.plan.finite
            if len(c.latents) == 1 and c.latents[0] in self.plan.latents
        )
