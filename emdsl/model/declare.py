"""The first pass: every declared name with its plates, whatever the order of the file.

Knows no types and no sizes: those may be given by names that come later.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from emdsl import diagnoses
from emdsl.model import graph as g
from emdsl.model.constants import fold
from emdsl.model.show import show_syntax
from emdsl.model.table import A_ROLE, LIMITING, Declared, Role, Scope, Table
from emdsl.source import Span
from emdsl.syntax import ast


@dataclass(slots=True)
class Axes:
    """The plates met so far: each axis with the plate that first wrote it and what is around it."""

    first: dict[str, tuple[ast.Plate, Scope]] = field(default_factory=dict)
    by_key: dict[tuple[object, ...], str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)


def declare(tree: ast.File, table: Table) -> Axes:
    """Enter every name of the file into the table; return the plates, outermost first."""
    for hyper in tree.hyper:
        _declare_hyper(hyper, table)
    for density in tree.densities:
        if _is_free(density.name.id, density.name.span, table, distribution=True):
            table.families[density.name.id] = density
    axes = Axes(taken=_written_names(tree.items))
    _declare_items(tree.items, Scope(), axes, table)
    for axis, (plate, scope) in axes.first.items():
        if plate.weight is not None:
            _declare_weight(plate.weight, axis, scope.inside(plate.index.id, axis), table)
    return axes


def _declare_hyper(hyper: ast.Hyper, table: Table) -> None:
    name = hyper.name.id
    if not _is_free(name, hyper.name.span, table):
        return
    default: int | None = None
    if hyper.default is not None:
        value = hyper.default.value if isinstance(hyper.default, ast.Number) else None
        if isinstance(value, int) and 1 <= value < 1 << 31:
            default = value
        else:
            table.report(diagnoses.bad_default(hyper.default.span, name))
    table.hyper[name] = g.SizeDecl(name, True, default, (), hyper.name.span)


def _written_names(items: tuple[ast.Item, ...]) -> set[str]:
    """Every name that some declaration writes, so that no axis takes it."""
    names: set[str] = set()
    waiting = list(items)
    while waiting:
        match waiting.pop():
            case ast.Plate(body=body, index=index):
                waiting.extend(body)
                names.add(index.id)
            case ast.Let(target=target):
                names.add(target.name.id)
            case ast.Infer() | ast.Constrain():
                pass
            case item:
                names.update(t.name.id for t in item.targets)
    return names


def _declare_items(items: tuple[ast.Item, ...], scope: Scope, axes: Axes, table: Table) -> None:
    for item in items:
        match item:
            case ast.Plate():
                axis = _axis(item, scope, axes, table)
                _declare_items(item.body, scope.inside(item.index.id, axis), axes, table)
            case ast.Infer() | ast.Constrain():
                pass
            case ast.Let():
                _declare_target(item.target, "let", item, scope, table)
            case ast.Param():
                _declare_all(item, "param", scope, table)
            case ast.Const():
                _declare_all(item, "const", scope, table)
                _fold_const(item, table)
            case ast.Latent():
                _declare_all(item, "latent", scope, table)
            case ast.Data():
                _declare_all(item, "data", scope, table)
            case ast.Input():
                _declare_all(item, "input", scope, table)


def _axis(plate: ast.Plate, scope: Scope, axes: Axes, table: Table) -> str:
    """The axis of a plate. One written twice, in one place with one size, is the same axis."""
    index = plate.index.id
    if scope.axis(index) is not None:
        table.report(
            diagnoses.duplicate_name(
                plate.index.span, index, table.indices[index], "the index of a plate around this"
            )
        )
    weight = None if plate.weight is None else show_syntax(plate.weight)
    key = (scope.plates, index, show_syntax(plate.extent), weight)
    if key in axes.by_key:
        return axes.by_key[key]
    axis, number = index, 1
    while axis in axes.first or (number > 1 and axis in axes.taken):
        number += 1
        axis = f"{index}_{number}"
    axes.by_key[key] = axis
    axes.first[axis] = (plate, scope)
    table.indices.setdefault(index, plate.index.span)
    return axis


def _declare_all(
    item: ast.Param | ast.Const | ast.Latent | ast.Data | ast.Input,
    role: Role,
    scope: Scope,
    table: Table,
) -> None:
    for target in item.targets:
        _declare_target(target, role, item, scope, table)


def _declare_target(
    target: ast.Target,
    role: Role,
    item: ast.Param | ast.Const | ast.Let | ast.Latent | ast.Data | ast.Input,
    scope: Scope,
    table: Table,
) -> None:
    name = target.name.id
    free = _is_free(name, target.name.span, table)
    declared = Declared(name, role, target.name.span, target, item, scope, len(table.names))
    if not free:
        table.rejected.append(declared)  # what else it says is looked at all the same
        return
    table.names[name] = declared
    if role in ("latent", "data", "input") or (role == "let" and target.indices):
        written = tuple(i.id if isinstance(i, ast.Name) else "" for i in target.indices)
        if written != scope.indices:
            wanted = declared.written()
            table.report(diagnoses.target_indices(target.span, name, wanted, scope.indices))


def _is_free(name: str, span: Span, table: Table, *, distribution: bool = False) -> bool:
    """Whether a name can be declared here; a report says why it can't."""
    if distribution and name in ("Delta", *LIMITING):
        table.report(diagnoses.reserved_name(span, name, "distribution"))
        return False
    if name in table.names:
        first = table.names[name]
        table.report(diagnoses.duplicate_name(span, name, first.span, A_ROLE[first.role]))
        return False
    if name in table.hyper:
        table.report(
            diagnoses.duplicate_name(span, name, table.hyper[name].span, "a size of the header")
        )
        return False
    if name in table.families:
        first_span = table.families[name].name.span
        table.report(diagnoses.duplicate_name(span, name, first_span, "a distribution"))
        return False
    return True


def _fold_const(item: ast.Const, table: Table) -> None:
    if item.value is None:
        return
    value = fold(item.value, table)
    for target in item.targets:
        declared = table.names.get(target.name.id)
        if declared is not None and declared.statement is item:
            table.values[target.name.id] = value


def _declare_weight(weight: ast.Expr, axis: str, scope: Scope, table: Table) -> None:
    """`times freq[n]` declares the input `freq` where nothing else does."""
    table.weights[axis] = (weight, scope)
    match weight:
        case ast.Index(base=ast.Name() as name, indices=indices) if name.id not in table.names:
            written = tuple(i.id if isinstance(i, ast.Name) else "" for i in indices)
            outer = Scope(scope.axes[: len(written)])  # the plate's own index may be left out
            if written and written == outer.indices and _is_free(name.id, name.span, table):
                target = ast.Target(weight.span, name, indices)
                table.names[name.id] = Declared(
                    name.id, "input", name.span, target, None, outer, len(table.names)
                )
                table.types[name.id] = g.Type("positive")
        case _:
            pass
