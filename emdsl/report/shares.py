"""Which terms of which nodes are taken in one step of the E-step, as a sum of log densities."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import sympy as sp

from emdsl.derive.joint import Joint, Node
from emdsl.inference.plan import Cluster
from emdsl.report.joint import event_sum
from emdsl.report.model import parents_of
from emdsl.report.naturals import added, summand
from emdsl.report.printer import PRODUCT, Printer
from emdsl.report.tidy import plain_logs

Where = tuple[int, int]  # a piece and a cluster in it


@dataclass(frozen=True)
class Shares:
    """Where each node's terms are; `clusters` are those of the pieces that hang together."""

    joint: Joint
    clusters: dict[Where, Cluster]

    def have(self, node: Node) -> list[Where]:
        """The clusters that have terms of a node."""
        return [w for w, c in self.clusters.items() if node.name in nodes_of(c, self.joint)]

    def of(self, p: Printer, taken: AbstractSet[Where]) -> list[str]:
        """What is taken of each node: all of it, the terms themselves, or which terms in words."""
        out: list[str] = []
        for node in self.joint.nodes:
            have = self.have(node)
            mine = [w for w in have if w in taken]
            if not mine:
                continue
            if any(self.clusters[w].moment is not None for w in have):
                out.append(self._without_moments(p, node, mine))
            elif len(mine) == len(have):
                inner = "".join(f"{p.style.sum([p.index(a)])} " for a in node.plates[1:])
                density = p.style.function("log p", conditional(p, node.name), bare=False)
                out.append(inner + density)
            else:
                out += self._summands(p, node, have, mine) or self._in_words(p, node, have, mine)
        return out

    def _summands(
        self, p: Printer, node: Node, have: list[Where], mine: list[Where]
    ) -> list[str] | None:
        """The summands of a node's density, where each of them is in one cluster."""
        latents = set(self.joint.levels.of_axis)
        scopes = {frozenset(self.clusters[w].latents): w for w in have}
        shown: list[str] = []
        if any(m.mixed for m in node.monomials):
            return self._monomials(p, node, mine)
        if not isinstance(node.log_density, sp.Add):
            return None
        for part in sorted(node.log_density.args, key=str):
            scope = frozenset(self.joint.atoms.axes_of(part) & latents)
            if scope and scope not in scopes:
                return None
            if scope and scopes[scope] in mine:
                text = p.show(plain_logs(part), PRODUCT)
                shown.append(event_sum(p, self.joint, node) + text)
        return shown

    def _without_moments(self, p: Printer, node: Node, mine: list[Where]) -> str:
        """The terms of a density that has continuous latents which these are not in."""
        atoms = self.joint.atoms
        found = [
            summand(t, self.clusters[w].states, atoms)
            for w in mine for t in self.clusters[w].terms if t.node == node.name
        ]  # fmt: skip
        return p.show(added(found, atoms), PRODUCT)

    def _monomials(self, p: Printer, node: Node, mine: list[Where]) -> list[str] | None:
        """The same of a density that is a quotient: log(e^x / sum e^x) is x less the log of it."""
        atoms = self.joint.atoms
        latents = set(self.joint.levels.of_axis)
        scopes = [frozenset(self.clusters[w].latents) for w in mine]
        shown: list[str] = []
        for m in node.monomials:
            expr = m.number * m.data * m.basis
            if m.axes & latents in scopes:
                sums = [p.index(a) for a in sorted(m.axes) if atoms.axes[a].role == "event"]
                head = f"{p.style.sum(sums)} " if sums else ""
                negative = bool(expr.could_extract_minus_sign())
                text = head + p.show(plain_logs(-expr if negative else expr), PRODUCT)
                shown.append(f"({p.style.minus}{text})" if negative else text)
        return shown

    def _in_words(self, p: Printer, node: Node, have: list[Where], mine: list[Where]) -> list[str]:
        """(log p(x_n | z_n, w_n) where only z_n enters)"""
        density = p.style.function("log p", conditional(p, node.name), bare=False)
        out = []
        for where in mine:
            least = min(have, key=lambda w: len(self.clusters[w].latents))
            latents = " and ".join(p.latent(a) for a in self.clusters[where].latents)
            several = len(self.clusters[where].latents) > 1
            word = " where only " if where == least or not several else " where "
            verb = " enter" if several else " enters"
            out.append(f"({density}{p.style.word(word)}{latents}{p.style.word(verb)})")
        return out


def nodes_of(cluster: Cluster, joint: Joint) -> set[str]:
    """The nodes that have terms in a cluster."""
    spans = {g.span for g in cluster.given}
    own = {t.node for t in cluster.terms} | {x.node for x in cluster.live}
    return own | {n.name for n in joint.nodes if n.span in spans}


def conditional(p: Printer, name: str) -> str:
    """x_n | z_n, z_{s,t} | z_{s,t-1}: a node and its parents among the variables."""
    joint = p.joint
    model, levels = joint.model, joint.levels
    variables = {v.name for v in model.variables}
    assert p.level is not None
    own = p.element(name)
    parents: list[str] = []
    for parent in parents_of(model, name):
        if parent in levels.axes:
            seen = [
                a
                for (row, a), link in levels.links.items()
                if row == p.level.axis
                and levels.of_axis[a] == parent
                and not (parent == name and link.own)
            ]
            wanted = {
                a for n in joint.nodes if n.name == name for a in joint.atoms.axes_of(n.log_density)
            }
            parents += [p.latent(a) for a in seen if a in wanted]
        elif parent in variables:
            parents += _seen_from(p, name, parent)
    if not parents:
        return own
    bar = " | " if p.inline else r" \mid "
    return own + bar + ", ".join(dict.fromkeys(parents))


def _seen_from(p: Printer, name: str, parent: str) -> list[str]:
    """Data that a node depends on, at each place it is seen."""
    joint = p.joint
    node = next(n for n in joint.nodes if n.name == name)
    found = {
        a.via for a in joint.atoms.deep(node.log_density)
        if getattr(a, "name", "") == parent and hasattr(a, "via")
    }  # fmt: skip
    assert p.level is not None
    out = []
    if parent == name:
        found.discard("")
    for via in sorted(found):  # none where it is only pointed with
        link = joint.levels.views.get((p.level.axis, parent, via))
        if link is None:
            out.append(p.element(parent))
        else:
            out.append(p.placed(parent, link))
    return out
