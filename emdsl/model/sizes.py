"""Where each size is read: a dimension of data, an input or a const; or else a largest value."""

from __future__ import annotations

from emdsl import diagnoses
from emdsl.diagnostics import Note
from emdsl.model import graph as g
from emdsl.model.constants import shape_of
from emdsl.model.order import names_in
from emdsl.model.table import Declared, Table, Value
from emdsl.syntax import ast


def read_sizes(table: Table) -> tuple[g.SizeDecl, ...]:
    """Every size with the arrays that give it, header sizes first; report those nothing gives."""
    dims, values = _sources(table)
    found: list[g.SizeDecl] = []
    for name, hyper in table.hyper.items():
        ragged = next((u for u in table.sizes.get(name, ()) if u.over is not None), None)
        if ragged is not None:  # a header chooses one number
            table.report(diagnoses.ragged_and_plain(ragged.span, name, hyper.span))
        sources = tuple(dims.get(name, ()))
        found.append(g.SizeDecl(name, True, hyper.default, sources, hyper.span))
    blocked = _blocked(table)
    for name, uses in table.sizes.items():
        if name in table.hyper:
            continue
        sources = tuple(dims.get(name, ()) or values.get(name, ()))
        if not sources and name not in blocked:
            spans = [u.span for u in uses]
            others = [s for s in table.sizes if s in dims or s in table.hyper]
            near = table.near(name, (n for n in (*table.hyper, *others) if n != name))
            table.report(diagnoses.size_not_read(spans[0], name, table.model, spans[1:4], near))
        found.append(g.SizeDecl(name, False, None, sources, uses[0].span, uses[0].over))
    _verify_literals(table)
    return tuple(found)


def _sources(table: Table) -> tuple[dict[str, list[g.SizeFrom]], dict[str, list[g.SizeFrom]]]:
    """For each size, the dimensions that have it, and the arrays whose values count up to it."""
    dims: dict[str, list[g.SizeFrom]] = {}
    values: dict[str, list[g.SizeFrom]] = {}
    for name, declared in table.names.items():
        if declared.role not in ("data", "input", "const"):
            continue
        for i, extent in enumerate(table.dims(name) or ()):
            if isinstance(extent, g.Size | g.Ragged):
                dims.setdefault(extent.name, []).append(g.SizeFrom(name, i))
        type_ = table.types.get(name)
        if type_ is not None and isinstance(type_.values, g.Size):
            values.setdefault(type_.values.name, []).append(g.SizeFrom(name, "values"))
    return dims, values


def _blocked(table: Table) -> set[str]:
    """The sizes that declarations with a problem of their own might have given."""
    names: set[str] = set()
    broken = [d for d in table.names.values() if d.name not in table.types]
    for declared in (*table.rejected, *broken):
        statement = declared.statement
        if not isinstance(statement, ast.Data | ast.Input | ast.Const):
            continue
        names.update(_extents_of(declared, statement.type, table))
        if not isinstance(statement, ast.Data) or statement.type is not None:
            continue
        for used in names_in([statement.dist]):  # its sizes are those of what it is drawn from
            other = table.names.get(used)
            if other is not None and isinstance(other.statement, ast.Param | ast.Const):
                names.update(_extents_of(other, other.statement.type, table))
    return names


def _extents_of(declared: Declared, type_: ast.Type | None, table: Table) -> list[str]:
    """Every size that a declaration names, its plates' too."""
    extents = type_.extents if type_ is not None else ()
    plates = (table.plates[axis].extent for axis in declared.plates)
    names = [e.name for e in plates if isinstance(e, g.Size | g.Ragged)]
    indices = () if declared.target is None else declared.target.indices
    return [*names, *names_in([*extents, *indices])]


def _verify_literals(table: Table) -> None:
    """Two literal consts that give one size must agree, and with the header's default."""
    seen: dict[str, tuple[int, Note]] = {
        name: (size.default, Note(f"`{name}` is {size.default} here", size.span))
        for name, size in table.hyper.items()
        if size.default is not None
    }
    for name, value in table.values.items():
        if not isinstance(value, int | float | tuple) or name not in table.names:
            continue
        dims = table.dims(name) or ()
        for extent, length in zip(dims, _lengths(value), strict=False):
            if not isinstance(extent, g.Size):
                continue
            span = table.names[name].span
            note = Note(f"`{extent}` is {length} here", span)
            first, place = seen.setdefault(extent.name, (length, note))
            if first != length:
                hint = "give both the same size, or two names"
                table.report(
                    diagnoses.sizes_disagree(span, str(first), str(length), hint, (place,))
                )


def _lengths(value: Value) -> list[int]:
    return [e.value for e in shape_of(value)]
