"""The second pass: every extent and every declared type, now that all names are known."""

from __future__ import annotations

from collections.abc import Mapping

from emdsl import diagnoses
from emdsl.diagnostics import Note
from emdsl.model import graph as g
from emdsl.model.constants import kind_of_value, numbers, shape_of
from emdsl.model.declare import Axes
from emdsl.model.kinds import DISCRETE, MATRICES, STRUCTURED, Kind
from emdsl.model.shapes import Shape, describe, fixed
from emdsl.model.support import contains
from emdsl.model.table import A_ROLE, Declared, Scope, SizeUse, Table, Value
from emdsl.source import Span
from emdsl.syntax import ast

# Each type word with how it is written.
TYPES: Mapping[Kind, str] = {
    "real": "real",
    "positive": "positive",
    "unit": "unit",
    "int": "int",
    "count": "count",
    "bool": "bool",
    "category": "category[V]",
    "index": "index[G]",
    "simplex": "simplex[K]",
    "posdef": "posdef[D]",
    "ordered": "ordered[K]",
    "shape": "shape[D]",
    "orthogonal": "orthogonal[D]",
}


def resolve_plates(axes: Axes, table: Table) -> None:
    """Give every plate its extent, outermost first."""
    for axis, (plate, scope) in axes.first.items():
        name = plate.index.id
        if name in table.names:
            first = table.names[name]
            what = A_ROLE[first.role]
            table.report(diagnoses.duplicate_name(plate.index.span, name, first.span, what))
        elif name in table.hyper or name in table.sizes:
            span = table.hyper[name].span if name in table.hyper else table.sizes[name][0].span
            table.report(diagnoses.duplicate_name(plate.index.span, name, span, "a size"))
        extent = resolve_extent(plate.extent, scope, table, plate=True)
        # A broken extent stands as a size of its own, so that nothing else is said of it.
        known = extent if extent is not None else g.Size(f"?{axis}")
        table.plates[axis] = g.Plate(axis, known, scope.plates, None, plate.span)


def resolve_types(table: Table) -> None:
    """Give every declared name its batch extents and its declared type."""
    for declared in table.rejected:
        written = (
            None if isinstance(declared.statement, ast.Let | None) else declared.statement.type
        )
        if written is not None:
            resolve_type(written, declared.scope, table)
    for declared in list(table.names.values()):
        statement, target = declared.statement, declared.target
        if declared.role in ("param", "const") and target is not None:
            batch = _batch(declared, target, table)
            if batch is None:
                continue
            table.batch[declared.name] = batch
        if isinstance(statement, ast.Let) or statement is None:
            continue
        if statement.type is not None:
            type_ = resolve_type(statement.type, declared.scope, table)
            if type_ is not None and _role_allows(declared, type_, statement.type, table):
                table.types[declared.name] = type_
        elif declared.role == "input" or (declared.role == "param" and _prior(declared) is None):
            example = f"{declared.role} {_as_written(declared)} : real"
            why = f"nothing else says what this {declared.role} holds"
            table.report(diagnoses.type_needed(declared.span, declared.name, why, example))
        if isinstance(statement, ast.Const):
            _resolve_const(declared, statement, table)


def _batch(declared: Declared, target: ast.Target, table: Table) -> Shape | None:
    """The dimensions before those of the type: `mean[K]`; by mistake in a plate, the plate's."""
    if declared.scope.axes:
        plates = tuple(table.plates[axis].extent for axis in declared.plates)
        wanted = f"{declared.role} {declared.name}[{', '.join(map(str, plates))}]"
        table.report(diagnoses.param_in_plate(target.span, declared.role, wanted))
        return plates
    batch = [resolve_extent(i, declared.scope, table) for i in target.indices]
    known = tuple(e for e in batch if e is not None)
    return known if len(known) == len(batch) else None


def _prior(declared: Declared) -> ast.Expr | None:
    return declared.statement.prior if isinstance(declared.statement, ast.Param) else None


def _as_written(declared: Declared) -> str:
    if declared.target is None or not declared.target.indices:
        return declared.name
    inner = [i.id if isinstance(i, ast.Name) else "..." for i in declared.target.indices]
    return f"{declared.name}[{', '.join(inner)}]"


def resolve_extent(
    node: ast.Expr, scope: Scope, table: Table, *, plate: bool = False
) -> g.Extent | None:
    """An extent: a size, a whole number, a const that is one, or, for a plate, `T[s]`."""
    match node:
        case ast.Number():
            if isinstance(node.value, int) and 1 <= node.value < 1 << 31:
                return g.Fixed(node.value)
            table.report(diagnoses.bad_extent(node.span, f"`{node.text}`"))
        case ast.Name(id=name):
            return _resolve_name(node, name, table)
        case ast.Index(base=ast.Name() as base, indices=(ast.Name() as over,)) if plate:
            axis = scope.axis(over.id)
            if axis is not None and _is_size(base, table) and _use(base, axis, table):
                return g.Ragged(base.id, axis)
            if axis is None:
                why = f"`{over.id}`, which is not the index of a plate around this,"
                table.report(diagnoses.bad_extent(over.span, why))
        case ast.Index():
            why = "a ragged size" if not plate else "a size with more than one index"
            table.report(diagnoses.bad_extent(node.span, why))
        case _:
            table.report(diagnoses.bad_extent(node.span, "an expression"))
    return None


def _resolve_name(node: ast.Name, name: str, table: Table) -> g.Extent | None:
    declared = table.names.get(name)
    if declared is not None and declared.role == "const" and name in table.values:
        value = table.values[name]
        table.used.add(name)
        if value is None:
            return None
        if isinstance(value, int) and 1 <= value < 1 << 31:
            return g.Fixed(value)
    if not _is_size(node, table):
        return None
    return g.Size(name) if _use(node, None, table) else None


def _is_size(node: ast.Name, table: Table) -> bool:
    name = node.id
    if name in table.names:
        declared = table.names[name]
        role = A_ROLE[declared.role]
        table.report(diagnoses.not_a_size(node.span, name, role, declared.span))
        return False
    if name in table.indices and name not in table.hyper:
        role = "the index of a plate"
        table.report(diagnoses.not_a_size(node.span, name, role, table.indices[name]))
        return False
    return True


def _use(node: ast.Name, over: str | None, table: Table) -> bool:
    """Note a use of a size; a size is ragged everywhere or nowhere."""
    uses = table.sizes.setdefault(node.id, [])
    if uses and (uses[0].over is None) != (over is None):
        table.report(diagnoses.ragged_and_plain(node.span, node.id, uses[0].span))
        return False
    uses.append(SizeUse(node.span, over))
    return True


def resolve_type(node: ast.Type, scope: Scope, table: Table) -> g.Type | None:
    """A type word with its extents."""
    kind = next((k for k in TYPES if k == node.name), None)
    if kind is None:
        near = table.near(node.name, TYPES)
        known = ", ".join(TYPES)
        table.report(diagnoses.unknown_type(node.span, node.name, near, known))
        return None
    pointing = kind == "index" and len(node.extents) > 0
    values = [_pointed(node.extents[0], scope, table)] if pointing else []
    found = values + [resolve_extent(e, scope, table) for e in node.extents[len(values) :]]
    extents = tuple(e for e in found if e is not None)
    if len(extents) < len(found):
        return None
    structured = kind in STRUCTURED
    if (structured and len(extents) != 1) or (kind in ("category", "index") and not extents):
        table.report(diagnoses.type_extents(node.span, kind, TYPES[kind]))
        return None
    if kind in MATRICES:
        return g.Type(kind, (extents[0], extents[0]))
    if kind in ("category", "index"):
        return g.Type(kind, extents[1:], extents[0])
    return g.Type(kind, extents)


def _pointed(node: ast.Expr, scope: Scope, table: Table) -> g.Extent | None:
    """The plate that an `index` points into: inside `for t in T[s]:`, `index[T]` is that of s."""
    if isinstance(node, ast.Name):
        extents = (table.plates[axis].extent for axis in scope.plates if axis in table.plates)
        for extent in extents:
            if isinstance(extent, g.Ragged) and extent.name == node.id:
                _use(node, extent.over, table)
                return extent
    return resolve_extent(node, scope, table, plate=True)


def _role_allows(declared: Declared, type_: g.Type, node: ast.Type, table: Table) -> bool:
    if declared.role == "param" and type_.kind in DISCRETE:
        table.report(diagnoses.discrete_param(node.span, declared.name, str(type_)))
        return False
    if type_.kind == "index" and declared.role in ("latent", "data"):
        role = A_ROLE[declared.role]
        table.report(diagnoses.index_role(node.span, declared.name, role))
        return False
    return True


def _resolve_const(declared: Declared, statement: ast.Const, table: Table) -> None:
    """Check a const's value against its type; without a type, the value says what it is."""
    name, value = declared.name, table.values.get(declared.name)
    if statement.value is None:
        if statement.type is None:
            table.report(diagnoses.const_without_value(declared.span, name))
        return
    if value is None or not isinstance(value, int | float | tuple):
        table.types.pop(name, None)
        return
    shape = shape_of(value)
    batch = table.batch.get(name, ())
    if statement.type is None:
        table.types[name] = g.Type(kind_of_value(value), shape[len(batch) :])
    type_ = table.types.get(name)
    if type_ is not None:
        _verify_value(declared, statement.value.span, type_, value, table)


def _verify_value(
    declared: Declared, span: Span, type_: g.Type, value: Value, table: Table
) -> None:
    shape = shape_of(value)
    wanted = (*table.batch.get(declared.name, ()), *type_.shape)
    if len(wanted) != len(shape):
        table.report(diagnoses.value_shape(span, declared.name, describe(wanted), describe(shape)))
        return
    for extent, length in zip(wanted, shape, strict=True):
        if isinstance(extent, g.Fixed) and extent != length:
            note = Note(f"`{declared.name}` is declared here", declared.span)
            hint = "change the type or the value"
            table.report(diagnoses.sizes_disagree(span, str(extent), str(length), hint, (note,)))
            return
    most = fixed(type_.values)
    for number in numbers(value):
        if not contains(type_.kind, number) or (most is not None and number >= most):
            table.report(diagnoses.value_out_of_type(span, declared.name, str(type_), str(number)))
            return
