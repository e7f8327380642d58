"""`constrain mean[0] == mean[2]`: which entries of which params, and whether it can hold.

    constrain emit[1, 2] == 0         fixed
    constrain sd_a == sd_b            a tie, entry by entry
    constrain sum(effect) == 0        a linear equation, of real params
    constrain slope >= 0              a bound

Sizes that only data have are unknown here: what depends on them is checked when fitting.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from emdsl import diagnoses
from emdsl.model import graph as g
from emdsl.model.show import show_syntax
from emdsl.model.table import A_ROLE, Table
from emdsl.source import Span
from emdsl.syntax import ast

_RELATIONS = {"==": "==", ">=": ">=", "<=": "<="}
_WHOLE = ("orthogonal", "shape")  # kinds of which no entry can be held by itself
_WANTED = {"positive": "a positive number", "unit": "a number from 0 to 1",
           "simplex": "a number from 0 to 1",
           "posdef": "a positive number, for the diagonal is among them"}  # fmt: skip  # a table


class _Wrong(Exception):
    """Reported already."""


@dataclass(slots=True)
class _Sum:
    """A linear expression: its terms and its number."""

    terms: list[g.Entries] = field(default_factory=list)
    number: float = 0.0

    def times(self, factor: float) -> _Sum:
        terms = [replace(t, coefficient=t.coefficient * factor) for t in self.terms]
        return _Sum(terms, self.number * factor)

    def plus(self, other: _Sum) -> _Sum:
        return _Sum([*self.terms, *other.terms], self.number + other.number)


def resolve_constraints(items: tuple[ast.Item, ...], table: Table) -> tuple[g.Constraint, ...]:
    """Every `constrain` line, checked; those that are wrong are reported and left out."""
    found = []
    for item in items:
        if isinstance(item, ast.Constrain):
            try:
                found.append(_constraint(item, table))
            except _Wrong:
                continue
    return tuple(found)


def _constraint(node: ast.Constrain, table: Table) -> g.Constraint:
    relation = node.relation
    if not isinstance(relation, ast.Binary) or relation.op not in (
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
    ):
        table.report(diagnoses.not_a_constraint(relation.span, f"`{show_syntax(relation)}` alone"))
        raise _Wrong
    if relation.op not in _RELATIONS:
        table.report(diagnoses.constraint_strict(relation.span, relation.op))
        raise _Wrong
    both = _linear(relation.left, table).plus(_linear(relation.right, table).times(-1.0))
    text = _written(relation, table)
    terms = _combined(both.terms)
    if not terms:
        table.report(diagnoses.constraint_empty(relation.span, text))
        raise _Wrong
    _verify_shapes(terms, relation.span, table)
    value = -both.number + 0.0
    if relation.op != "==":
        return _bound(terms, relation.op, value, text, node.span, table)
    kind = _kind(terms, value)
    _verify_kind(kind, terms, value, relation.span, table)
    return g.Constraint(kind, tuple(terms), "==", value, text, node.span)


def _written(node: ast.Expr, table: Table) -> str:
    """The constraint as it stands in the file, on one line."""
    span = node.span
    if span.line != span.end_line:
        return show_syntax(node)
    return table.source.line(span.line)[span.column - 1 : span.end_column - 1]


def _bound(
    terms: list[g.Entries], op: str, value: float, text: str, span: Span, table: Table
) -> g.Constraint:
    if len(terms) > 1 or terms[0].summed:
        table.report(diagnoses.bound_of_several(span))
        raise _Wrong
    (term,) = terms
    type_ = table.types[term.name]
    if type_.kind not in ("real", "positive", "unit", "simplex", "posdef"):
        if type_.kind == "ordered":
            table.report(diagnoses.ordered_constrained(term.span, term.name, str(type_)))
            raise _Wrong
        hint = "fix all of it when fitting (`fix`), or make it a `const`"
        table.report(diagnoses.bound_of_type(term.span, term.name, str(type_), hint))
        raise _Wrong
    edge = value / term.coefficient
    upper = (op == "<=") == (term.coefficient > 0.0)
    positive = type_.kind != "real" and not (type_.kind == "posdef" and _off_diagonal(term, table))
    share = type_.kind in ("unit", "simplex")
    if positive and ((upper and edge <= 0.0) or (share and edge > 1.0)):
        table.report(diagnoses.fixed_outside(span, str(term), edge, _wanted(term, table)))
        raise _Wrong
    relation: g.Relation = "<=" if upper else ">="
    return g.Constraint("bound", (replace(term, coefficient=1.0),), relation, edge, text, span)


def _kind(terms: list[g.Entries], value: float) -> g.ConstraintKind:
    if any(t.summed for t in terms):
        return "linear"
    if len(terms) == 1:
        return "fixed"
    opposite = len(terms) == 2 and terms[0].coefficient == -terms[1].coefficient
    return "tie" if opposite and value == 0.0 else "linear"


def _verify_kind(
    kind: g.ConstraintKind, terms: list[g.Entries], value: float, span: Span, table: Table
) -> None:
    for term in terms:
        type_ = table.types[term.name]
        batch = len(table.batch.get(term.name, ()))
        if type_.kind == "ordered":
            table.report(diagnoses.ordered_constrained(term.span, term.name, str(type_)))
            raise _Wrong
        whole = len(term.index) <= batch and kind == "tie"
        if type_.kind in _WHOLE and not whole:
            table.report(diagnoses.entry_of_whole(term.span, term.name, str(type_)))
            raise _Wrong
        if kind == "linear" and type_.kind not in ("real", "posdef"):
            table.report(diagnoses.linear_of_type(term.span, term.name, str(type_)))
            raise _Wrong
        if kind == "linear" and type_.kind == "posdef" and term.name != terms[0].name:
            table.report(diagnoses.linear_of_matrices(span, terms[0].name, term.name))
            raise _Wrong
    if kind == "fixed":
        _verify_value(terms[0], value / terms[0].coefficient, table)
    if kind == "tie":
        _verify_tie(terms[0], terms[1], span, table)


def _verify_value(term: g.Entries, value: float, table: Table) -> None:
    kind = table.types[term.name].kind
    off = kind == "posdef" and _off_diagonal(term, table)
    outside = (kind in ("positive", "posdef") and not off and value <= 0.0) or (
        kind in ("unit", "simplex") and not 0.0 <= value <= 1.0
    )
    if outside:
        table.report(diagnoses.fixed_outside(term.span, str(term), value, _wanted(term, table)))
        raise _Wrong


def _wanted(term: g.Entries, table: Table) -> str:
    """What the values of these entries are, by their type."""
    kind = table.types[term.name].kind
    if kind == "posdef" and not term.shape:
        return "a positive number on the diagonal"
    return _WANTED[kind]


def _off_diagonal(term: g.Entries, table: Table) -> bool:
    """Of a matrix: whether it is about one entry beside the diagonal."""
    return len(set(term.index[len(table.batch.get(term.name, ())) :])) == 2


def _verify_tie(one: g.Entries, two: g.Entries, span: Span, table: Table) -> None:
    left, right = table.types[one.name], table.types[two.name]
    if one.name == two.name:
        batch = len(table.batch.get(one.name, ()))
        within = len(one.index) > batch
        if left.kind == "simplex" and within and one.index[:-1] != two.index[:-1]:
            table.report(diagnoses.tie_of_entries(span, one.name, str(left)))
            raise _Wrong
        return
    if left.kind != right.kind:
        table.report(diagnoses.tie_of_types(span, f"`{one}` : {left}", f"`{two}` : {right}"))
        raise _Wrong
    if left.kind != "real" and (one.index or two.index):
        table.report(diagnoses.tie_of_entries(span, one.name, str(left)))
        raise _Wrong


def _combined(terms: list[g.Entries]) -> list[g.Entries]:
    """The terms with those about the same entries added up, and without those that cancel."""
    out: dict[tuple[str, tuple[int, ...], bool], g.Entries] = {}
    for term in terms:
        key = (term.name, term.index, term.summed)
        if key in out:
            total = out[key].coefficient + term.coefficient
            out[key] = replace(out[key], coefficient=total)
        else:
            out[key] = term
    return [t for t in out.values() if t.coefficient != 0.0]


def _verify_shapes(terms: list[g.Entries], span: Span, table: Table) -> None:
    """All terms are about as many entries, as far as their sizes say: a sum is one number."""
    first = terms[0]
    for term in terms[1:]:
        left, right = (() if t.summed else t.shape for t in (first, term))
        if left != right:
            shown = [_shown(t) for t in (first, term)]
            table.report(diagnoses.constraint_shapes(span, *shown))
            raise _Wrong


def _shown(term: g.Entries) -> str:
    shape = () if term.summed else term.shape
    sizes = f"[{', '.join(map(str, shape))}]" if shape else "one number"
    return f"`{term}` is {sizes}"


# --- reading a linear expression -------------------------------------------------------------


def _linear(node: ast.Expr, table: Table) -> _Sum:
    match node:
        case ast.Number(value=value):
            return _Sum([], float(value))
        case ast.Unary(op="-" | "+"):
            return _linear(node.operand, table).times(-1.0 if node.op == "-" else 1.0)
        case ast.Binary(op="+"):
            return _linear(node.left, table).plus(_linear(node.right, table))
        case ast.Binary(op="-"):
            return _linear(node.left, table).plus(_linear(node.right, table).times(-1.0))
        case ast.Binary(op="*"):
            left, right = _linear(node.left, table), _linear(node.right, table)
            if left.terms and right.terms:
                table.report(diagnoses.constraint_not_linear(node.span))
                raise _Wrong
            return right.times(left.number) if right.terms else left.times(right.number)
        case ast.Binary(op="/"):
            return _quotient(node, table)
        case ast.Call(func=ast.Name(id="sum"), args=(ast.Name() | ast.Index() as inner,)) if (
            not node.keywords
        ):
            term = _entries(inner, table)
            return _Sum([replace(term, summed=True, span=node.span)])
        case ast.Name(id=name) if isinstance(table.values.get(name), int | float):
            table.used.add(name)
            return _Sum([], float(table.values[name]))  # type: ignore[arg-type] # a number
        case ast.Name() | ast.Index():
            return _Sum([_entries(node, table)])
        case _:
            table.report(diagnoses.not_a_constraint(node.span, f"`{show_syntax(node)}`"))
            raise _Wrong


def _quotient(node: ast.Binary, table: Table) -> _Sum:
    top, bottom = _linear(node.left, table), _linear(node.right, table)
    if bottom.terms:
        table.report(diagnoses.constraint_not_linear(node.span))
        raise _Wrong
    if bottom.number == 0.0:
        table.report(diagnoses.bad_arithmetic(node.span, "it divides by zero"))
        raise _Wrong
    return top.times(1.0 / bottom.number)


def _entries(node: ast.Name | ast.Index, table: Table) -> g.Entries:
    """`name`, `name[1]`, `name[1][2]` or `name[1, 2]`."""
    span = node.span
    written: list[ast.Expr] = []
    base: ast.Expr = node
    while isinstance(base, ast.Index):
        written = [*base.indices, *written]
        base = base.base
    if not isinstance(base, ast.Name):
        table.report(diagnoses.not_a_constraint(base.span, f"`{show_syntax(base)}`"))
        raise _Wrong
    declared = table.names.get(base.id)
    if declared is None:
        params = [n for n, d in table.names.items() if d.role == "param"]
        table.report(diagnoses.unknown_name(base.span, base.id, table.near(base.id, params)))
        raise _Wrong
    if declared.role != "param":
        table.report(diagnoses.constraint_of(base.span, base.id, A_ROLE[declared.role]))
        raise _Wrong
    dims = table.dims(base.id)
    if dims is None:
        raise _Wrong  # its declaration is wrong, which is reported there
    if len(written) > len(dims):
        wanted = f"{base.id}[{', '.join('...' for _ in dims)}]" if dims else base.id
        table.report(
            diagnoses.index_count(span, base.id, len(written), 0, len(dims), wanted, declared.span)
        )
        raise _Wrong
    index = []
    for item, extent in zip(written, dims, strict=False):
        if not isinstance(item, ast.Number) or not isinstance(item.value, int):
            table.report(diagnoses.constraint_index(item.span, base.id))
            raise _Wrong
        if isinstance(extent, g.Fixed) and item.value >= extent.value:
            table.report(
                diagnoses.constraint_index_range(item.span, base.id, item.value, extent.value)
            )
            raise _Wrong
        index.append(item.value)
    if table.types[base.id].kind == "posdef" and len(index) == len(dims):
        index[-2:] = sorted(index[-2:])  # the same number as its mirror image
    return g.Entries(base.id, tuple(index), 1.0, False, dims[len(index) :], span)
