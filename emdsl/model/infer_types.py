"""The types that are not written: a latent's or data's from its distribution, a param's from its
prior. A pass that only looks ahead: it reports nothing, since a later pass looks again.
"""

from __future__ import annotations

from emdsl.model import graph as g
from emdsl.model.distributions import DELTA, resolve_distribution, signature_of
from emdsl.model.drawn import Drawn, combine, drawn
from emdsl.model.expressions import resolve
from emdsl.model.kinds import Kind
from emdsl.model.order import names_in, topological
from emdsl.model.references import Place
from emdsl.model.substitute import is_small
from emdsl.model.table import Declared, Table
from emdsl.syntax import ast


def infer_types(table: Table) -> None:
    """Fill in every type that can be told, in the order in which they depend on each other.

    In a circle (`z[t]` depends on `z[t-1]`) the type comes from the arms outside of it.
    """
    open_names = [d for d in table.names.values() if d.role == "let" or _untyped(d, table)]
    if not any(d.role != "let" for d in open_names):
        return
    wanted = {d.name for d in open_names}
    uses = {d.name: [n for n in names_in(_body(d)) if n in wanted] for d in open_names}
    found = topological(list(uses), uses)
    with table.quiet():
        for name in (n for circle in found.cycles for n in circle):
            _guess(table.names[name], table)
        for name in found.order:
            declared = table.names[name]
            if declared.role == "let":
                body = _body(declared)
                value = resolve(body[0], Place(declared.scope, name), table)
                table.lets[name] = value if value is not None and is_small(value) else None
            else:
                _infer(declared, table)
    lost = {n for circle in found.cycles for n in circle if n not in table.types}
    table.circular = {n for n in lost if table.names[n].role != "let"}


def _untyped(declared: Declared, table: Table) -> bool:
    statement = declared.statement
    if declared.name in table.types or not _body(declared):
        return False
    # A type that is written but wrong is not inferred instead.
    return not isinstance(statement, ast.Let) and statement is not None and statement.type is None


def _body(declared: Declared) -> list[ast.Expr]:
    """The expression or distribution that defines a name."""
    match declared.statement:
        case ast.Let(value=value):
            return [value]
        case ast.Latent(dist=dist) | ast.Data(dist=dist):
            return [dist]
        case ast.Param(prior=prior) if prior is not None:
            return [prior]
        case _:
            return []


def _infer(declared: Declared, table: Table) -> None:
    place = Place(declared.scope, declared.name)
    arms = _arms(_body(declared)[0])
    parts: list[Drawn] = []
    for arm in arms:
        dist = resolve_distribution(arm, place, table)
        if dist is not None and not isinstance(dist, g.Choice):
            part = drawn(dist, table)
            parts += [part] if part is not None else []
    type_ = combine(parts) if parts else None
    if type_ is None and parts:
        type_ = parts[0].type
    if declared.role == "param" and type_ is not None:
        batch = table.batch.get(declared.name, ())
        if len(type_.shape) >= len(batch) and type_.shape[: len(batch)] == batch:
            type_ = g.Type(type_.kind, type_.shape[len(batch) :], type_.values)
    if type_ is None:
        table.types.pop(declared.name, None)
    else:
        table.types[declared.name] = type_


def _guess(declared: Declared, table: Table) -> None:
    """Until it is known, a name in a circle stands for a single value of its first arm's kind.

    A `Delta` may well be of anything, so that another arm goes before it.
    """
    if declared.role == "let":
        return
    arms = _arms(_body(declared)[0])
    kinds = [signature_of(a.func.id, table) for a in arms if isinstance(a, ast.Call)]
    spread = [s.kind for s in kinds if s is not None and s is not DELTA]
    first: Kind = spread[0] if spread else "real"
    table.types[declared.name] = g.Type(first)


def _arms(node: ast.Expr) -> list[ast.Expr]:
    """The distributions between which a choice is made; a wrapped one stands for its wrapper."""
    found: list[ast.Expr] = []
    waiting = [node]
    while waiting:
        match waiting.pop():
            case ast.Conditional(then=then, orelse=orelse):
                waiting += [orelse, then]
            case ast.Case(arms=arms):
                waiting += [arm.body for arm in reversed(arms)]
            case leaf:
                found.append(leaf)
    return found
