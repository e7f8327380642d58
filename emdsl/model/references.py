"""A name in an expression, with its indices: what it means and whether each index fits."""

from __future__ import annotations

from dataclasses import dataclass, field

from emdsl import diagnoses
from emdsl.model import graph as g
from emdsl.model.entries import entry
from emdsl.model.indices import Indexed, verify_index
from emdsl.model.substitute import substitute
from emdsl.model.table import FUNCTIONS, Declared, Scope, Table
from emdsl.source import Span
from emdsl.syntax import ast


@dataclass(frozen=True, slots=True)
class Place:
    """Where an expression stands: in which plates, and in the definition of which name.

    `arguments` are the only names there are inside the body of a density.
    """

    scope: Scope = field(default_factory=Scope)
    owner: str = ""
    arguments: dict[str, g.Type] | None = None


def resolve_name(node: ast.Name, place: Place, table: Table) -> g.Expr | None:
    """A name without indices."""
    name, span = node.id, node.span
    if place.arguments is not None:
        if name in place.arguments:
            return g.Ref(name, "argument", (), span, place.arguments[name].shape)
        _report_unknown(node, place, table)
        return None
    axis = place.scope.axis(name)
    if axis is not None:
        return g.AxisRef(axis, span)
    if name in table.names:
        return resolve_reference(node, (), span, place, table)
    if name in table.hyper or name in table.sizes:
        return _size(name, span, table)
    _report_unknown(node, place, table)
    return None


def _size(name: str, span: Span, table: Table) -> g.Expr | None:
    uses = table.sizes.get(name)
    if uses and uses[0].over is not None:
        table.report(diagnoses.size_as_value(span, name))
        return None
    table.used.add(name)
    return g.SizeRef(g.Size(name), span)


def _report_unknown(node: ast.Name, place: Place, table: Table) -> None:
    name, span = node.id, node.span
    if name in FUNCTIONS:
        table.report(diagnoses.function_without_call(span, name, FUNCTIONS[name]))
    elif table.is_distribution(name):
        table.report(diagnoses.distribution_as_value(span, name))
    elif place.arguments is None and name in table.indices:
        table.report(diagnoses.outside_plate(span, name, table.indices[name]))
    else:
        known = (
            place.arguments
            if place.arguments is not None
            else (*table.names, *place.scope.indices, *table.hyper, *table.sizes)
        )
        table.report(diagnoses.unknown_name(span, name, table.near(name, known)))


def resolve_reference(
    node: ast.Name, indices: tuple[g.Expr, ...], span: Span, place: Place, table: Table
) -> g.Expr | None:
    """A declared name with its indices, each checked against its dimension."""
    name = node.id
    if place.arguments is not None or name not in table.names:
        return _not_declared(node, indices, span, place, table)
    declared = table.names[name]
    if name != place.owner:
        table.used.add(name)
    if declared.role == "let":
        return _resolve_let(declared, indices, span, place, table)
    dims = table.dims(name)
    if dims is None:
        # Its declaration is wrong, which is reported there; its plates are known all the same.
        plates = tuple(table.plates[axis].extent for axis in declared.plates)
        for index, extent in zip(indices, plates, strict=False):
            verify_index(index, extent, _indexed(declared, plates), table)
        return None
    if len(indices) < len(declared.plates) or len(indices) > len(dims):
        wanted = _wanted(declared, dims)
        found = len(indices)
        least, most, where = len(declared.plates), len(dims), declared.span
        table.report(diagnoses.index_count(span, name, found, least, most, wanted, where))
        return None
    indexed = _indexed(declared, dims)
    checked = [verify_index(index, dims[i], indexed, table) for i, index in enumerate(indices)]
    if not all(checked):
        return None
    return g.Ref(name, declared.role, indices, span, dims[len(indices) :])


def _not_declared(
    node: ast.Name, indices: tuple[g.Expr, ...], span: Span, place: Place, table: Table
) -> g.Expr | None:
    """An indexed name that is not declared: an argument, an index or a size takes no indices."""
    base = resolve_name(node, place, table)
    if base is not None and indices:
        table.report(diagnoses.index_count(span, node.id, len(indices), 0, 0, node.id, None))
        return None
    return base


def _wanted(declared: Declared, dims: tuple[g.Extent, ...]) -> str:
    """How a name is to be indexed: its plates' indices, or as many dots as it has dimensions."""
    if declared.scope.axes or not dims:
        return declared.written()
    return f"{declared.name}[{', '.join('...' for _ in dims)}]"


def _resolve_let(
    declared: Declared, indices: tuple[g.Expr, ...], span: Span, place: Place, table: Table
) -> g.Expr | None:
    value = table.lets.get(declared.name)
    plates = declared.plates
    if value is None:
        return None
    here = place.scope.plates[: len(plates)] == plates
    if not indices and plates and here:
        return value  # a let without its indices, in its own plates
    if len(indices) < len(plates):
        _report_let_indices(declared, span, len(indices), value, table)
        return None
    dims = (*(table.plates[axis].extent for axis in plates), *value.shape)
    indexed = _indexed(declared, dims)
    for index, extent in zip(indices[: len(plates)], dims, strict=False):
        if not verify_index(index, extent, indexed, table):
            return None
    value = substitute(value, dict(zip(plates, indices, strict=False)))
    rest = indices[len(plates) :]
    if len(rest) > len(value.shape):
        _report_let_indices(declared, span, len(indices), value, table)
        return None
    if not all(verify_index(i, e, indexed, table) for i, e in zip(rest, value.shape, strict=False)):
        return None
    return entry(value, rest, span, table)


def _report_let_indices(
    declared: Declared, span: Span, found: int, value: g.Expr, table: Table
) -> None:
    least = len(declared.plates)
    most, wanted = least + len(value.shape), declared.written()
    name, where = declared.name, declared.span
    table.report(diagnoses.index_count(span, name, found, least, most, wanted, where))


def _indexed(declared: Declared, dims: tuple[g.Extent, ...]) -> Indexed:
    return Indexed(f"`{declared.name}`", declared.span, dims)
