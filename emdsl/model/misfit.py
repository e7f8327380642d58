"""Arguments that are certainly outside the support of their parameter."""

from __future__ import annotations

import math

from emdsl import diagnoses
from emdsl.diagnostics import Note
from emdsl.families.family import Parameter
from emdsl.model import graph as g
from emdsl.model.kinds import DISCRETE, STRUCTURED, Kind
from emdsl.model.show import show_expr
from emdsl.model.support import ENTRY, WITHIN, constant, contains, in_words, kind_of
from emdsl.model.table import A_ROLE, Table

# Beyond `WITHIN`: a count may well be positive, an index is a whole number.
_LENIENT: dict[Kind, frozenset[Kind]] = {
    "positive": frozenset({"count", "bool", "category", "index"}),
    "unit": frozenset({"bool"}),
    "real": frozenset({"category", "index", *STRUCTURED}),
    "bool": frozenset({"count", "int", "category"}),
    "count": frozenset({"int"}),
    "int": frozenset({"positive", "real"}),
}


def verify_support(parameter: Parameter, expr: g.Expr, family: str, table: Table) -> bool:
    """Report an argument that can't be right: `Normal(0, -1)`, or a real where it is positive."""
    if parameter.kind == "posdef":
        return _verify_posdef(parameter, expr, family, table)
    if parameter.kind == "simplex":
        return _verify_simplex(parameter, expr, family, table)
    return _verify_entries(parameter, expr, family, table)


def _verify_entries(parameter: Parameter, expr: g.Expr, family: str, table: Table) -> bool:
    wanted = parameter.kind
    if isinstance(expr, g.ArrayOf):
        return all(_verify_entries(parameter, item, family, table) for item in expr.items)
    value = constant(expr, table)
    if value is not None and not contains(wanted, value):
        _report_value(parameter, expr, family, value, table)
        return False
    if value is not None:
        return True
    if isinstance(expr, g.Apply) and expr.op == "neg" and wanted in ("positive", "unit", "count"):
        inside = kind_of(expr.args[0], table)
        if inside in ("positive", "unit"):
            found = f"`{show_expr(expr)}` is negative"
            _report(parameter, expr, family, found, "remove the minus sign", table)
            return False
        return True
    kind = kind_of(expr, table)
    if kind is None or isinstance(expr, g.AxisRef | g.SizeRef):
        return True
    if wanted == "unit" and isinstance(expr, g.Apply) and expr.op == "exp":
        return True  # a log link: a probability wherever what is inside isn't positive
    kind = ENTRY.get(kind, kind)
    if wanted in WITHIN[kind] or kind in _LENIENT.get(wanted, frozenset()):
        return True
    _report_kind(parameter, expr, family, kind, table)
    return False


def _verify_simplex(parameter: Parameter, expr: g.Expr, family: str, table: Table) -> bool:
    """Probabilities: a simplex, a softmax, or literals that add up; the rest is left to be."""
    if isinstance(expr, g.ArrayOf):
        entry = Parameter(parameter.name, "unit")
        if not all(_verify_entries(entry, item, family, table) for item in expr.items):
            return False
        values = [constant(item, table) for item in expr.items]
        known = [v for v in values if v is not None]
        total = math.fsum(known)
        if len(known) == len(values) and abs(total - 1) > 1e-6:
            found = f"these add up to {total:g}"
            _report(parameter, expr, family, found, "divide them by their sum", table)
            return False
        return True
    kind = kind_of(expr, table)
    if kind is None or kind == "simplex":
        return True
    if isinstance(expr, g.Ref) and expr.role == "const" and table.values.get(expr.name) is not None:
        return True  # a literal: its numbers are looked at when fitting
    _report_kind(parameter, expr, family, kind, table)
    return False


def _verify_posdef(parameter: Parameter, expr: g.Expr, family: str, table: Table) -> bool:
    kind = kind_of(expr, table)
    literal = (
        isinstance(expr, g.Ref) and expr.role == "const" and table.values.get(expr.name) is not None
    )
    if kind is None or kind == "posdef" or literal:
        return True
    _report_kind(parameter, expr, family, kind, table)
    return False


def _report_value(
    parameter: Parameter, expr: g.Expr, family: str, value: float, table: Table
) -> None:
    shown = show_expr(expr)
    plain = isinstance(expr, g.Number)
    found = f"this is {shown}" if plain else f"`{shown}` is {value:g}"
    _report(parameter, expr, family, found, "", table)


def _report_kind(parameter: Parameter, expr: g.Expr, family: str, kind: Kind, table: Table) -> None:
    shown = show_expr(expr)
    if isinstance(expr, g.Ref) and expr.name in table.names:
        type_ = table.types[expr.name]
        role = A_ROLE[table.names[expr.name].role]
        found = f"`{shown}` is {role} of type `{type_}`"
        hint = f"declare `{expr.name}` as `{_better(parameter, type_)}`{_instead(parameter)}"
        if parameter.kind in DISCRETE and table.names[expr.name].role == "param":
            hint = f"it can't be estimated: make `{expr.name}` an `input` or a `const`"
        if parameter.kind == "posdef" and type_.kind == "orthogonal":
            hint = f"write the axes' variances too: `{shown} @ diag(v) @ transpose({shown})`"
        note = Note(f"`{expr.name}` is declared here", table.names[expr.name].span)
        _report(parameter, expr, family, found, hint, table, note)
    else:
        _report(parameter, expr, family, f"`{shown}` is {in_words(kind)}", "", table)


def _better(parameter: Parameter, type_: g.Type) -> str:
    """The type that would do."""
    extents = [str(e) for e in type_.shape]
    if parameter.kind in ("simplex", "posdef"):
        return f"{parameter.kind}[{extents[-1] if extents else 'K'}]"
    return f"{parameter.kind}[{', '.join(extents)}]" if extents else parameter.kind


def _instead(parameter: Parameter) -> str:
    match parameter.kind:
        case "positive":
            return ", or write `exp(...)`"
        case "unit":
            return ", or write `logistic(...)`"
        case "simplex":
            return ", or write `softmax(...)`"
        case _:
            return ""


def _report(
    parameter: Parameter,
    expr: g.Expr,
    family: str,
    found: str,
    hint: str,
    table: Table,
    note: Note | None = None,
) -> None:
    wanted = in_words(parameter.kind)
    table.report(
        diagnoses.argument_support(expr.span, family, parameter.name, wanted, found, hint, note)
    )
