"""What can only be seen once every statement is resolved: order, circles, chains without a
start, and what is never used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from emdsl import diagnoses
from emdsl.model import graph as g
from emdsl.model.lags import lag_of, parent_of, verify_lags
from emdsl.model.order import topological
from emdsl.model.substitute import children
from emdsl.model.table import A_ROLE, Table
from emdsl.source import Span

# The tests that hold where an expression is evaluated, each with its outcome.
Guards = tuple[tuple[g.Expr, bool], ...]


def references(dist: g.Distribution) -> Iterator[tuple[g.Ref, Guards]]:
    """Every reference in a distribution, and the tests on the way to it."""
    waiting: list[tuple[g.Distribution, Guards]] = [(dist, ())]
    while waiting:
        node, guards = waiting.pop()
        match node:
            case g.Choice(test=test):
                yield from references_in(test, guards)
                waiting.append((node.orelse, (*guards, (test, False))))
                waiting.append((node.then, (*guards, (test, True))))
            case g.Limited():
                waiting.append((node.base, guards))
                for limit in (node.lower, node.upper):
                    if limit is not None:
                        yield from references_in(limit, guards)
            case g.Draw():
                for _, value in node.args:
                    yield from references_in(value, guards)


def references_in(expr: g.Expr, guards: Guards = ()) -> Iterator[tuple[g.Ref, Guards]]:
    """Every reference in an expression, and the tests on the way to it."""
    waiting = [(expr, guards)]
    while waiting:
        node, known = waiting.pop()
        if isinstance(node, g.Ref):
            yield node, known
        if isinstance(node, g.Apply) and node.op == "if":
            test, then, orelse = node.args
            waiting += [(orelse, (*known, (test, False))), (then, (*known, (test, True)))]
            waiting.append((test, known))
        else:
            waiting.extend((child, known) for child in reversed(children(node)))


def verify_order(dists: Mapping[str, g.Distribution], table: Table) -> None:
    """Nothing depends on itself at one time, and what is drawn first stands first."""
    uses: dict[str, list[str]] = {}
    places: dict[tuple[str, str], Span] = {}
    for owner, dist in dists.items():
        found: dict[str, None] = {}
        for ref, guards in references(dist):
            verify_lags(ref, owner, guards, table)
            if _is_drawn_now(ref, owner, table):
                found[ref.name] = None
                places.setdefault((owner, ref.name), ref.span)
        uses[owner] = list(found)
    circles = topological(list(uses), uses).cycles
    for circle in circles:
        following = [*circle[1:], circle[0]]
        spans = [places[pair] for pair in zip(circle, following, strict=True)]
        declared = [table.names[n] for n in circle]
        drawn = any(d.role != "param" for d in declared)
        table.report(diagnoses.cycle(spans[0], circle, [d.span for d in declared], drawn=drawn))
    circular = {(a, b) for circle in circles for a in circle for b in circle}
    for owner, names in uses.items():
        for name in names:
            late = table.names[name].position > table.names[owner].position
            is_drawn = table.names[name].role in ("latent", "data")
            if late and is_drawn and (owner, name) not in circular:
                span, where = places[owner, name], table.names[name].span
                table.report(diagnoses.used_before_declared(span, name, where))


def _is_drawn_now(ref: g.Ref, owner: str, table: Table) -> bool:
    """Whether a reference is to a draw at the same time: not a lag, not a parent in a tree."""
    if ref.role == "param":
        return table.names[owner].role == "param"
    if ref.role not in ("latent", "data"):
        return False
    plates = ref.indices[: len(table.names[ref.name].plates)]
    if any(lag_of(index) is not None for index in plates):
        return False
    return ref.name != owner or parent_of(ref, len(plates)) is None


def verify_prior(prior: g.Distribution, table: Table) -> None:
    """A prior depends on neither data nor latents."""
    for ref, _ in references(prior):
        if ref.role in ("latent", "data"):
            role = A_ROLE[table.names[ref.name].role]
            table.report(diagnoses.prior_uses(ref.span, ref.name, role))


def warn_unused(table: Table) -> None:
    """A warning for everything that is declared and never used."""
    for name, declared in table.names.items():
        if declared.role != "data" and name not in table.used:
            table.report(diagnoses.unused(declared.span, name, declared.role))
    for name, size in table.hyper.items():
        if name not in table.sizes and name not in table.used:
            table.report(diagnoses.unused(size.span, name, "size"))
    for name, density in table.families.items():
        if name not in table.used:
            table.report(diagnoses.unused(density.name.span, name, density.word))
