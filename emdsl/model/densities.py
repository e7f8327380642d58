"""The densities that a file defines for itself: scalar arithmetic over their own arguments."""

from __future__ import annotations

from emdsl import diagnoses
from emdsl.model import graph as g
from emdsl.model.expressions import resolve
from emdsl.model.extents import resolve_type
from emdsl.model.kinds import DISCRETE, STRUCTURED, Kind
from emdsl.model.references import Place
from emdsl.model.shapes import describe
from emdsl.model.show import show_syntax
from emdsl.model.table import Scope, Table
from emdsl.source import Span
from emdsl.syntax import ast

_SCALARS: frozenset[Kind] = frozenset({"real", "positive", "unit", "int", "count", "bool"})


def resolve_densities(table: Table) -> None:
    """Check every `density`, `mass` and `likelihood` of the file."""
    for node in table.families.values():
        density = _resolve(node, table)
        if density is not None:
            table.densities[density.name] = density


def _resolve(node: ast.Density, table: Table) -> g.Density | None:
    arguments: dict[str, g.Type] = {}
    fine = True
    places: dict[str, Span] = {}
    for argument in (node.variable, *node.parameters):
        name, span = argument.name.id, argument.name.span
        if name in places:
            what = "an argument of this density"
            table.report(diagnoses.duplicate_name(span, name, places[name], what))
            fine = False
            continue
        places[name] = span
        type_ = _scalar_type(argument, table)
        fine = fine and type_ is not None
        # A broken type stands as real, so that the body is still looked at.
        arguments[name] = type_ or g.Type("real")
    variable = arguments[node.variable.name.id]
    wanted = {"density": False, "mass": True}.get(node.word)
    if fine and wanted is not None and (variable.kind in DISCRETE) != wanted:
        span, name = node.variable.type.span, node.variable.name.id
        table.report(diagnoses.density_type(span, name, str(variable), node.word))
        fine = False
    body = resolve(node.body, Place(Scope(), node.name.id, arguments), table)
    if body is None or not fine:
        return None
    if body.shape:
        table.report(
            diagnoses.wrong_shape(node.body.span, node.name.id, "a number", describe(body.shape))
        )
        return None
    parameters = tuple((p.name.id, arguments[p.name.id]) for p in node.parameters)
    name = node.name.id
    first = (node.variable.name.id, variable)
    return g.Density(name, node.word, first, parameters, body, node.span)


def _scalar_type(argument: ast.Argument, table: Table) -> g.Type | None:
    written = argument.type
    if written.extents or written.name in {"category", "index", *STRUCTURED}:
        inner = ", ".join(show_syntax(e) for e in written.extents)
        shown = f"{written.name}[{inner}]" if inner else written.name
        table.report(diagnoses.density_scalar(written.span, argument.name.id, shown))
        return None
    type_ = resolve_type(written, Scope(), table)
    return type_ if type_ is not None and type_.kind in _SCALARS else None
