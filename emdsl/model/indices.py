"""Whether an index fits the dimension that it stands at."""

from __future__ import annotations

from dataclasses import dataclass

from emdsl import diagnoses
from emdsl.diagnostics import Note
from emdsl.model import graph as g
from emdsl.model.constants import numbers
from emdsl.model.shapes import fixed, same
from emdsl.model.show import show_expr
from emdsl.model.table import A_ROLE, Table
from emdsl.source import Span


@dataclass(frozen=True, slots=True)
class Indexed:
    """What is indexed, for the messages: how it is called, where it is declared, its dimensions."""

    name: str
    span: Span
    dims: tuple[g.Extent, ...]

    def note(self, extent: g.Extent) -> Note:
        return Note(f"{self.name} has {extent} entries here", self.span)


def verify_index(index: g.Expr, extent: g.Extent, indexed: Indexed, table: Table) -> bool:
    """Whether an index is of a kind that can be one, and stays inside the dimension."""
    match index:
        case g.Number():
            return _verify_number(index, extent, table)
        case g.AxisRef():
            return _verify_axis(index, index, extent, indexed, table)
        case g.Apply(op="sub", args=(g.AxisRef() as axis, g.Number(value=int() as lag))):
            if lag < 0:
                return _ahead(index, axis, table)
            return _verify_axis(axis, index, extent, indexed, table)
        case g.Apply(op="add", args=(g.AxisRef() as axis, g.Number(value=int() as lead))):
            return _ahead(index, axis, table) if lead > 0 else _bad(index, "this", table)
        case g.Ref(shape=()):
            return _verify_gather(index, extent, indexed, table)
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
    axis: g.AxisRef, index: g.Expr, extent: g.Extent, indexed: Indexed, table: Table
) -> bool:
    runs = table.plates[axis.axis].extent
    if same(runs, extent) or _unknown_extent(runs) or _unknown_extent(extent):
        return True
    note = Note(f"`{axis.axis}` runs over {runs}", table.plates[axis.axis].span)
    _disagree(index.span, extent, runs, indexed, note, table)
    return False


def _unknown_extent(extent: g.Extent) -> bool:
    return isinstance(extent, g.Size) and extent.name.startswith("?")


def _verify_gather(index: g.Ref, extent: g.Extent, indexed: Indexed, table: Table) -> bool:
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
        _disagree(index.span, extent, g.Fixed(2), indexed, note, table)
        return False
    if type_.values is not None:
        if same(type_.values, extent):
            return True
        _disagree(index.span, extent, type_.values, indexed, note, table)
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
    span: Span, extent: g.Extent, found: g.Extent, indexed: Indexed, note: Note, table: Table
) -> None:
    hint = f"declare both with `{extent}`, or both with `{found}`"
    if any(same(found, other) for other in indexed.dims):
        dims = ", ".join(map(str, indexed.dims))
        hint = f"the dimensions of {indexed.name} are {dims}, in this order"
    notes = (indexed.note(extent), note)
    table.report(diagnoses.sizes_disagree(span, str(extent), str(found), hint, notes))
