"""Continuous latents of one element as statements: natural parameters, then evidence and means.

The coefficients of a latent's functions in the log joint are its posterior's natural parameters.
The log of the integral is a message to the discrete latents above, and the posterior means of the
same functions are what the statistics are made of.
"""

from __future__ import annotations

from emdsl.derive.cuts import Cut
from emdsl.inference.plan import Bundle, Cluster, PiecePlan
from emdsl.inference.posteriors import Role
from emdsl.ir.nodes import (
    Array,
    Assign,
    Axis,
    Bind,
    Comment,
    Contract,
    Expr,
    Map,
    Stmt,
    When,
    Whole,
)
from emdsl.lower.names import quoted
from emdsl.lower.scalar import ScalarLowering

_WORDS = {
    "normal": "normal",
    "gamma": "gamma",
    "inverse_gamma": "inverse gamma",
    "generalised_inverse_gaussian": "generalised inverse Gaussian",
    "beta": "beta",
    "dirichlet": "Dirichlet",
    "positive_normal": "normal, cut off at zero",
    "wishart": "Wishart",
    "inverse_wishart": "inverse Wishart",
    "cut_normal": "normal, cut off by data",
}


def cut_in(plan: PiecePlan, cluster: int) -> Cut | None:
    """Where the latent is possible whose first function's cluster this is; None: anywhere."""
    for b in plan.bundles:
        if b.posterior is not None and b.clusters[0] == cluster:
            return b.posterior.cut
    return None


class Integration:
    """Writes the statements of one piece's bundles."""

    def __init__(self, plan: PiecePlan, scalars: ScalarLowering) -> None:
        self.plan = plan
        self.scalars = scalars
        self.plate = Axis(plan.plate, "B")

    def axes(self, cluster: Cluster) -> tuple[Axis, ...]:
        return (*(self.scalars.axis(a) for a in cluster.states), self.plate)

    def message(self, bundle: Bundle) -> Expr:
        """The bundle's log evidence, over the discrete latents above and the rows."""
        above = tuple(self.scalars.axis(a) for a in bundle.scope)
        return Array(f"message_{bundle.label}", (*above, self.plate))

    def forward(self, bundle: Bundle) -> list[Stmt]:
        """Natural parameters, and the posterior's log normaliser and means."""
        given = f" given {', '.join(bundle.scope)}" if bundle.scope else ""
        if bundle.posterior is None:
            return self._said_elsewhere(bundle)
        names = ", ".join(bundle.posterior.latents)
        word = _WORDS[bundle.posterior.family]
        body: list[Stmt] = [
            Comment(f"{names}{given}: {word}; what its functions in log p are multiplied by")
        ]
        for i in bundle.clusters:
            cluster = self.plan.clusters[i]
            assert cluster.moment is not None
            name = self._natural(cluster)
            value = (
                f"coefficients[{i + 1}] @ features.rows[{i}]"
                if i == self._in_full(bundle)
                else f"rt.natural(coefficients[{i + 1}], features.rows[{i}])"
            )
            axes = self.axes(cluster)
            if len(axes) != 2:
                shape = ", ".join([*(str(a.dim) for a in axes[:-1]), "-1"])
                value = f"({value})" if i == self._in_full(bundle) else value
                value += f".reshape({shape})"
            body.append(Bind((name,), "", (value,)))
            key = quoted(cluster.moment.name)
            more = Bind((name,), "", (f"{name} + bias[{key}]",))
            body.append(When(f"bias is not None and {key} in bias", (more,)))
            if i in self.plan.fed:
                tied = Bind((name,), "", (f"{name} + features.fixed[{i}]",))
                note = Comment("missing cells, integrated out")
                body.append(When(f"features.fixed[{i}] is not None", (note, tied)))
        posts = ", ".join(self.post(self.plan.clusters[i]) for i in bundle.clusters)
        posts += "," * (len(bundle.clusters) == 1)
        targets = f"message_{bundle.label}, ({posts})"
        body.append(Comment(f"the log of the integral over {names}, the means of these functions"))
        body.append(Bind((targets,), "", (self._call(bundle),)))
        return body

    def _in_full(self, bundle: Bundle) -> int:
        """The cluster whose natural parameters are kept for every row, were all rows alike."""
        p = bundle.posterior
        assert p is not None
        moments = {i: self.plan.clusters[i].moment for i in bundle.clusters}
        linear = [i for i, m in moments.items() if m is not None and p.role(m).kind == "linear"]
        return (linear or list(bundle.clusters))[-1]

    def _said_elsewhere(self, bundle: Bundle) -> list[Stmt]:
        """What the rows that point here say of discrete latents, added up."""
        (i,) = bundle.clusters
        above = ", ".join(bundle.scope)
        cluster = self.plan.clusters[i]
        axes = self.axes(cluster)
        value = f"coefficients[{i + 1}] @ features.rows[{i}]"
        if len(axes) != 2:
            value = f"({value}).reshape({', '.join([*(str(a.dim) for a in axes[:-1]), '-1'])})"
        return [
            Comment(f"log p of the rows {cluster.source} that see them, at each {above}"),
            Bind((f"message_{bundle.label}",), "", (value,)),
        ]

    def backward(self, bundle: Bundle) -> list[Stmt]:
        """E[[z = k] h] = p(z = k) E[h | z = k]."""
        if bundle.parent is None:
            return []
        parent = self.plan.clusters[bundle.parent]
        above = (*(self.scalars.axis(a) for a in parent.latents), self.plate)
        kept = {*bundle.scope}
        marginal: Expr = Array(f"post_{parent.latents[0]}", above)
        extra = tuple(a for a, n in zip(above, parent.latents, strict=False) if n not in kept)
        if extra:
            marginal = Contract((marginal,), extra)
        body: list[Stmt] = [Comment(self._weighed(bundle))]
        for i in bundle.clusters:
            cluster = self.plan.clusters[i]
            axes = self.axes(cluster)
            name = self.post(cluster)
            if bundle.posterior is None:
                return [Assign(name, Whole(marginal, axes))]
            body.append(Assign(name, Whole(Map("mul", (Array(name, axes), marginal)), axes)))
        return body

    def _weighed(self, bundle: Bundle) -> str:
        above = ", ".join(bundle.scope)
        if bundle.posterior is None:
            return f"p({above}), for the rows that see it"
        inner = f"h({', '.join(bundle.posterior.latents)})"
        return f"E[[{above} = k] {inner}] = p({above} = k) E[{inner} | {above} = k]"

    def post(self, cluster: Cluster) -> str:
        name = cluster.label if cluster.moment is None else cluster.moment.name
        return f"mean_{name}"

    def flat(self, cluster: Cluster) -> str:
        """A cluster's posterior means with its states as one axis."""
        return self.post(cluster) + (".reshape(-1, B)" if len(cluster.states) != 1 else "")

    def _natural(self, cluster: Cluster) -> str:
        assert cluster.moment is not None
        return f"natural_{cluster.moment.name}"

    def _call(self, bundle: Bundle) -> str:
        p = bundle.posterior
        assert p is not None
        clusters = [self.plan.clusters[i] for i in bundle.clusters]
        if p.family == "normal":
            parts = [self._part(c, p.role(c.moment)) for c in clusters if c.moment is not None]
            return f"rt.jointly_normal(how, {len(bundle.scope)}, {', '.join(parts)})"
        order: dict[int, str] = {}
        places: list[int] = []
        for c in clusters:
            assert c.moment is not None
            at = p.role(c.moment).first
            name = self._natural(c)
            order[at] = f"{order[at]} + {name}" if at in order else name
            places.append(at)
        inner = ", ".join(order.get(i, "None") for i in range(max(order) + 1))
        inner += "," * (max(order) == 0)
        power = f", power={float(p.power)!r}" if p.power != 1 else ""
        if p.cut is not None:
            power = f", between=features.fixed[{bundle.clusters[0]}]"
        wanted = f"({', '.join(map(str, places))}{',' * (len(places) == 1)})"
        states = len(bundle.scope)
        if p.family == "dirichlet":
            count = f", {len(places)}" if len(places) > 1 else ""
            return f"rt.posterior_of_shares(how, {states}, {order[0]}{count})"
        if p.family in ("wishart", "inverse_wishart"):
            return f"rt.posterior_of_matrix(rt.{p.family}, how, ({inner}), {wanted})"
        return f"rt.posterior_of_one(rt.{p.family}, how, {states}, ({inner}), {wanted}{power})"

    def _part(self, cluster: Cluster, role: Role) -> str:
        assert cluster.moment is not None
        name = self._natural(cluster)
        widths = cluster.moment.widths
        match role.kind:
            case "linear":
                return f"rt.Linear({name}, {role.first}, {widths[0]})"
            case "along":
                return f"rt.Along({name}, {role.first}, {role.second}, {widths[0]})"
            case _:
                return f"rt.Product({name}, {role.first}, {role.second}, {widths[0]})"
