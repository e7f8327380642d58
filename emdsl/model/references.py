"""A name in an expression, with its indices: what it means and whether each index fits."""

from __future__ import annotations

from dataclasses import dataclass, field

from emdsl import diagnoses
from emdsl.diagnostics import Note
from emdsl.model import graph as g
from emdsl.model.constants import numbers
from emdsl.model.shapes import fixed, same
from emdsl.model.show import show_expr
from emdsl.model.substitute import substitute
from emdsl.model.table import A_ROLE, FUNCTIONS, Declared, Scope, Table
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
        for index, axis in zip(indices, declared.plates, strict=False):
            verify_index(index, table.plates[axis].extent, declared, table)
        return None
    if len(indices) < len(declared.plates) or len(indices) > len(dims):
        wanted = _wanted(declared, dims)
        found = len(indices)
        least, most, where = len(declared.plates), len(dims), declared.span
        table.report(diagnoses.index_count(span, name, found, least, most, wanted, where))
        return None
    checked = [verify_index(index, dims[i], declared, table) for i, index in enumerate(indices)]
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
    for index, axis in zip(indices, plates, strict=False):
        if not verify_index(index, table.plates[axis].extent, declared, table):
            return None
    value = substitute(value, dict(zip(plates, indices, strict=False)))
    return _index_value(value, indices[len(plates) :], span, declared, table)


def _report_let_indices(
    declared: Declared, span: Span, found: int, value: g.Expr, table: Table
) -> None:
    least = len(declared.plates)
    most, wanted = least + len(value.shape), declared.written()
    name, where = declared.name, declared.span
    table.report(diagnoses.index_count(span, name, found, least, most, wanted, where))


def _index_value(
    value: g.Expr, indices: tuple[g.Expr, ...], span: Span, declared: Declared, table: Table
) -> g.Expr | None:
    """Index what a let stands for, where that is an array of names or of items."""
    for index in indices:
        if not value.shape:
            found = len(declared.plates) + len(indices)
            _report_let_indices(declared, span, found, value, table)
            return None
        if not verify_index(index, value.shape[0], declared, table):
            return None
        match value, index:
            case g.ArrayOf(), g.Number(value=int() as at):
                value = value.items[at]
            case g.Ref(), _:
                value = g.Ref(
                    value.name, value.role, (*value.indices, index), span, value.shape[1:]
                )
            case _:
                table.report(diagnoses.index_of_value(span))
                return None
    return value


def verify_index(index: g.Expr, extent: g.Extent, declared: Declared, table: Table) -> bool:
    """Whether an index is of a kind that can be one, and stays inside the dimension."""
    match index:
        case g.Number():
            return _verify_number(index, extent, table)
        case g.AxisRef():
            return _verify_axis(index, index, extent, declared, table)
        case g.Apply(op="sub", args=(g.AxisRef() as axis, g.Number(value=int() as lag))):
            if lag < 0:
                return _ahead(index, axis, table)
            return _verify_axis(axis, index, extent, declared, table)
        case g.Apply(op="add", args=(g.AxisRef() as axis, g.Number(value=int() as lead))):
            return _ahead(index, axis, table) if lead > 0 else _bad(index, "this", table)
        case g.Ref(shape=()):
            return _verify_gather(index, extent, declared, table)
        case g.SizeRef():
            if same(index.extent, extent):
                _out_of_range(index, extent, table)
                return False
            return True
        case g.Apply(op="sub" | "add" | "mul") if all(
            isinstance(a, g.SizeRef | g.Number) for a in index.args
        ):
            return True  # `K - 1`: in range or not, that depends on K
        case _ if index.shape:
            return _bad(index, "an array", table)
        case _:
            return _bad(index, "this expression", table)


def _bad(index: g.Expr, why: str, table: Table) -> bool:
    table.report(diagnoses.bad_index(index.span, why))
    return False


def _ahead(index: g.Expr, axis: g.AxisRef, table: Table) -> bool:
    table.report(diagnoses.looks_ahead(index.span, show_expr(index), axis.axis))
    return False


def _out_of_range(index: g.Expr, extent: g.Extent, table: Table) -> None:
    table.report(diagnoses.index_out_of_range(index.span, show_expr(index), str(extent)))


def _verify_number(index: g.Number, extent: g.Extent, table: Table) -> bool:
    if not isinstance(index.value, int):
        return _bad(index, f"`{index.value}`", table)
    most = fixed(extent)
    if index.value < 0 or (most is not None and index.value >= most):
        _out_of_range(index, extent, table)
        return False
    return True


def _verify_axis(
    axis: g.AxisRef, index: g.Expr, extent: g.Extent, declared: Declared, table: Table
) -> bool:
    runs = table.plates[axis.axis].extent
    if same(runs, extent) or _unknown_extent(runs) or _unknown_extent(extent):
        return True
    note = Note(f"`{axis.axis}` runs over {runs}", table.plates[axis.axis].span)
    _disagree(index.span, extent, runs, declared, note, table)
    return False


def _unknown_extent(extent: g.Extent) -> bool:
    return isinstance(extent, g.Size) and extent.name.startswith("?")


def _verify_gather(index: g.Ref, extent: g.Extent, declared: Declared, table: Table) -> bool:
    """An index that is itself data, an input, a const or a discrete latent."""
    type_ = table.types.get(index.name)
    if type_ is None:
        return False
    where = table.names[index.name]
    count = "2" if type_.kind == "bool" else str(type_.values)
    note = Note(f"`{index.name}` takes {count} values", where.span)
    if type_.kind == "bool":
        if fixed(extent) == 2:
            return True
        _disagree(index.span, extent, g.Fixed(2), declared, note, table)
        return False
    if type_.values is not None:
        if same(type_.values, extent):
            return True
        _disagree(index.span, extent, type_.values, declared, note, table)
        return False
    if type_.kind in ("category", "index"):
        return True  # how many values there are is not known yet
    if index.role == "const" and type_.kind in ("count", "int"):
        found, most = numbers(table.values.get(index.name)), fixed(extent)
        if any(n < 0 or (most is not None and n >= most) for n in found):
            _out_of_range(index, extent, table)
            return False
        return True
    shown = show_expr(index)
    return _bad(index, f"`{shown}`, which is {A_ROLE[where.role]} of type `{type_}`,", table)


def _disagree(
    span: Span, extent: g.Extent, found: g.Extent, declared: Declared, note: Note, table: Table
) -> None:
    first = Note(f"`{declared.name}` has {extent} entries here", declared.span)
    hint = f"declare both with `{extent}`, or both with `{found}`"
    table.report(diagnoses.sizes_disagree(span, str(extent), str(found), hint, (first, note)))
