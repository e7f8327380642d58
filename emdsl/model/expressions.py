"""Syntax ⇒ expression: names resolved, shapes inferred, every problem reported once.

`None` stands for an expression whose problem is already reported, so that nothing more is said of
whatever contains it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from emdsl import diagnoses
from emdsl.diagnostics import Note
from emdsl.model import graph as g
from emdsl.model.entries import entry
from emdsl.model.extents import resolve_extent
from emdsl.model.indices import Indexed, verify_index
from emdsl.model.kinds import DISCRETE
from emdsl.model.literals import verify_number
from emdsl.model.references import Place, resolve_name, resolve_reference
from emdsl.model.shapes import Clash, Shape, broadcast, describe, first_clash, same
from emdsl.model.show import show_expr
from emdsl.model.support import kind_of
from emdsl.model.table import A_ROLE, FUNCTIONS, Table
from emdsl.source import Span
from emdsl.syntax import ast

_BINARY: Mapping[str, g.Op] = {
    "+": "add",
    "-": "sub",
    "*": "mul",
    "/": "div",
    "^": "pow",
    "**": "pow",
    "and": "and",
    "or": "or",
    "==": "eq",
    "!=": "ne",
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
}
_ELEMENTWISE = frozenset({"exp", "log", "sqrt", "abs", "sin", "cos", "tanh", "logistic", "lgamma"})
_OPS: Mapping[str, g.Op] = {op: op for op in get_args(g.Op)}


def resolve(node: ast.Expr, place: Place, table: Table) -> g.Expr | None:
    """The expression that a piece of syntax means, or None once a problem is reported."""
    match node:
        case ast.Number():
            return g.Number(node.value, node.span)
        case ast.Name():
            return resolve_name(node, place, table)
        case ast.Index():
            return _index(node, place, table)
        case ast.Unary():
            return _unary(node, place, table)
        case ast.Binary():
            return _binary(node, place, table)
        case ast.Array():
            return _array(node, place, table)
        case ast.Conditional():
            return _conditional(node, place, table)
        case ast.Call():
            return _call(node, place, table)
        case ast.Case():
            table.report(diagnoses.case_as_value(node.span))
            return None


def resolve_all(
    nodes: tuple[ast.Expr, ...], place: Place, table: Table
) -> tuple[g.Expr, ...] | None:
    """Every one of several expressions, or None where one has a problem; all are looked at."""
    found = [resolve(n, place, table) for n in nodes]
    exprs = tuple(e for e in found if e is not None)
    return exprs if len(exprs) == len(found) else None


def resolve_test(node: ast.Expr, place: Place, table: Table) -> g.Expr | None:
    """A condition: a comparison, or a single `bool`."""
    test = resolve(node, place, table)
    if test is None:
        return None
    kind = kind_of(test, table)
    if kind == "bool" and not test.shape:
        return test
    hint = "compare it with something: `z[n] == 1`"
    if kind is not None and not test.shape:
        hint = f"write `{show_expr(test)} {'!=' if kind in DISCRETE else '>'} 0`"
    table.report(diagnoses.not_a_test(node.span, hint))
    return None


# --- names and indices -----------------------------------------------------------------------


def _index(node: ast.Index, place: Place, table: Table) -> g.Expr | None:
    base: ast.Expr = node.base
    indices = node.indices
    while isinstance(base, ast.Index):  # mean[k][d] is mean[k, d]
        indices = (*base.indices, *indices)
        base = base.base
    if isinstance(base, ast.Array):
        return _item(base, indices, node.span, place, table)
    if not isinstance(base, ast.Name):
        table.report(diagnoses.index_of_value(node.span))
        return None
    if base.id in ("eye", "zeros", "ones") and base.id not in table.names:
        return _filled(base.id, indices, node.span, place, table)
    resolved = resolve_all(indices, place, table)
    if resolved is None:
        if base.id not in table.names:
            resolve_name(base, place, table)
        return None
    return resolve_reference(base, resolved, node.span, place, table)


def _item(
    base: ast.Array, indices: tuple[ast.Expr, ...], span: Span, place: Place, table: Table
) -> g.Expr | None:
    """`[a, b][z[n]]`: the item of an array that is written out."""
    value = resolve(base, place, table)
    resolved = resolve_all(indices, place, table)
    if value is None or resolved is None:
        return None
    if len(resolved) > len(value.shape):
        shown, most = show_expr(value), len(value.shape)
        wanted = f"{shown}[{', '.join('...' for _ in value.shape)}]"
        table.report(diagnoses.index_count(span, shown, len(resolved), 0, most, wanted, None))
        return None
    indexed = Indexed("this", base.span, value.shape)
    for index, extent in zip(resolved, value.shape, strict=False):
        if not verify_index(index, extent, indexed, table):
            return None
    return entry(value, resolved, span, table)


def _filled(
    name: str, indices: tuple[ast.Expr, ...], span: Span, place: Place, table: Table
) -> g.Expr | None:
    """`eye[D]`, `zeros[D, L]`, `ones[D]`."""
    found = [resolve_extent(i, place.scope, table) for i in indices]
    extents = tuple(e for e in found if e is not None)
    if len(extents) < len(found):
        return None
    if name == "eye":
        if len(extents) != 1:
            table.report(diagnoses.function_arguments(span, name, FUNCTIONS[name]))
            return None
        extents = (extents[0], extents[0])
    return g.Apply(_OPS[name], (), span, extents)


# --- operators -------------------------------------------------------------------------------


def _unary(node: ast.Unary, place: Place, table: Table) -> g.Expr | None:
    if node.op == "not":
        test = resolve_test(node.operand, place, table)
        return None if test is None else g.Apply("not", (test,), node.span)
    inner = resolve(node.operand, place, table)
    if inner is None or node.op == "+":
        return inner
    if isinstance(inner, g.Number):
        return g.Number(-inner.value, node.span)
    return g.Apply("neg", (inner,), node.span, inner.shape)


def _binary(node: ast.Binary, place: Place, table: Table) -> g.Expr | None:
    if node.op in ("and", "or"):
        tests = [resolve_test(n, place, table) for n in (node.left, node.right)]
        known = tuple(t for t in tests if t is not None)
        return g.Apply(_BINARY[node.op], known, node.span) if len(known) == 2 else None
    args = resolve_all((node.left, node.right), place, table)
    if args is None:
        return None
    left, right = args
    if node.op == "@":
        return _matmul(left, right, node.span, table)
    shape = _broadcast(left, right, node.span, table)
    return None if shape is None else _number(_BINARY[node.op], args, node.span, shape, table)


def _number(
    op: g.Op, args: tuple[g.Expr, ...], span: Span, shape: Shape, table: Table
) -> g.Expr | None:
    """An elementwise operation, unless the numbers in it give it no value."""
    expr = g.Apply(op, args, span, shape)
    return expr if verify_number(expr, table) else None


def _broadcast(left: g.Expr, right: g.Expr, span: Span, table: Table) -> Shape | None:
    shape = broadcast(left.shape, right.shape)
    if isinstance(shape, Clash):
        _report_clash(shape, left, right, span, table)
        return None
    return shape


def _report_clash(clash: Clash, left: g.Expr, right: g.Expr, span: Span, table: Table) -> None:
    hint = "use one name for both where they are declared"
    notes = (declaration_note(left, table), declaration_note(right, table))
    table.report(diagnoses.sizes_disagree(span, str(clash.left), str(clash.right), hint, notes))


def declaration_note(expr: g.Expr, table: Table) -> Note:
    """Where the shape of an expression comes from."""
    if isinstance(expr, g.Ref) and expr.name in table.names:
        span = table.names[expr.name].span
        return Note(f"`{show_expr(expr)}` is {describe(expr.shape)}", span)
    return Note(f"this is {describe(expr.shape)}", expr.span)


def _matmul(left: g.Expr, right: g.Expr, span: Span, table: Table) -> g.Expr | None:
    ranks = (len(left.shape), len(right.shape))
    if ranks not in ((1, 1), (2, 1), (2, 2)):
        found = f"{describe(left.shape)} and {describe(right.shape)}"
        wanted = "a matrix and a vector, two matrices, or two vectors"
        table.report(diagnoses.wrong_shape(span, "@", wanted, found))
        return None
    if not same(left.shape[-1], right.shape[0]):
        _report_clash(Clash(left.shape[-1], right.shape[0]), left, right, span, table)
        return None
    if ranks == (1, 1):
        return g.Apply("dot", (left, right), span)
    return g.Apply("matmul", (left, right), span, (left.shape[0], *right.shape[1:]))


def _array(node: ast.Array, place: Place, table: Table) -> g.Expr | None:
    items = resolve_all(node.items, place, table)
    if items is None:
        return None
    if not items:
        table.report(diagnoses.wrong_shape(node.span, "[]", "at least one item", "none"))
        return None
    first = items[0].shape
    for item in items[1:]:
        if len(item.shape) != len(first) or first_clash(first, item.shape):
            text, other = describe(first), describe(item.shape)
            table.report(diagnoses.uneven_array(item.span, text, other))
            return None
    return g.ArrayOf(items, node.span, (g.Fixed(len(items)), *first))


def _conditional(node: ast.Conditional, place: Place, table: Table) -> g.Expr | None:
    test = resolve_test(node.test, place, table)
    arms = resolve_all((node.then, node.orelse), place, table)
    if test is None or arms is None:
        return None
    then, orelse = arms
    shape = _broadcast(then, orelse, node.span, table)
    return None if shape is None else g.Apply("if", (test, then, orelse), node.span, shape)


# --- functions -------------------------------------------------------------------------------


def _call(node: ast.Call, place: Place, table: Table) -> g.Expr | None:
    name = node.func.id
    if name not in FUNCTIONS:
        _report_unknown(node.func, table)
        return None
    if name in ("eye", "zeros", "ones"):
        table.report(diagnoses.function_arguments(node.span, name, FUNCTIONS[name]))
        return None
    args = resolve_all(node.args, place, table)
    if node.keywords or len(node.args) != (2 if name == "dot" else 1):
        table.report(diagnoses.function_arguments(node.span, name, FUNCTIONS[name]))
        return None
    if args is None:
        return None
    if name == "dot":
        return _dot(args[0], args[1], node.span, table)
    return _function(name, args[0], node.span, table)


def _report_unknown(func: ast.Name, table: Table) -> None:
    name = func.id
    if table.is_distribution(name):
        table.report(diagnoses.distribution_as_value(func.span, name))
    elif name in table.names:
        role = A_ROLE[table.names[name].role]
        table.report(diagnoses.not_callable(func.span, name, role))
    else:
        near = table.near(name, FUNCTIONS)
        known = ", ".join(FUNCTIONS)
        table.report(diagnoses.unknown_function(func.span, name, near, known))


def _dot(left: g.Expr, right: g.Expr, span: Span, table: Table) -> g.Expr | None:
    if len(left.shape) != 1 or len(right.shape) != 1:
        found = f"{describe(left.shape)} and {describe(right.shape)}"
        table.report(diagnoses.wrong_shape(span, "dot", "two vectors", found))
        return None
    if not same(left.shape[0], right.shape[0]):
        _report_clash(Clash(left.shape[0], right.shape[0]), left, right, span, table)
        return None
    return g.Apply("dot", (left, right), span)


def _function(name: str, arg: g.Expr, span: Span, table: Table) -> g.Expr | None:
    op, rank = _OPS[name], len(arg.shape)
    if name in _ELEMENTWISE:
        return _number(op, (arg,), span, arg.shape, table)
    if name == "sum" and rank:
        return g.Apply(op, (arg,), span)
    if name == "softmax" and rank == 1:
        return g.Apply(op, (arg,), span, arg.shape)
    if name == "diag" and rank == 1:
        return g.Apply(op, (arg,), span, (arg.shape[0], arg.shape[0]))
    if name == "transpose" and rank == 2:
        return g.Apply(op, (arg,), span, arg.shape[::-1])
    wanted = {"sum": "an array", "transpose": "a matrix"}.get(name, "a vector")
    table.report(diagnoses.wrong_shape(span, name, wanted, describe(arg.shape)))
    return None
