"""`A if c else B` and `case z[n]: ...` ⇒ chains of choices.

case z[n]:          Choice(z[n] == 0, A,
0: A       ⇒      Choice(z[n] == 1, B, C))
1: B
else: C
"""

from __future__ import annotations

from collections.abc import Callable

from emdsl import diagnoses
from emdsl.model import graph as g
from emdsl.model.expressions import resolve, resolve_test
from emdsl.model.kinds import DISCRETE
from emdsl.model.references import Place
from emdsl.model.shapes import fixed
from emdsl.model.support import kind_of
from emdsl.model.table import Table
from emdsl.syntax import ast

Resolve = Callable[[ast.Expr], g.Distribution | None]

_MOST_ARMS = 64  # a chain of choices is as deep as it has arms


def resolve_choice(
    node: ast.Conditional, inner: Resolve, place: Place, table: Table
) -> g.Choice | None:
    test = resolve_test(node.test, place, table)
    then, orelse = inner(node.then), inner(node.orelse)
    if test is None or then is None or orelse is None:
        return None
    return g.Choice(test, then, orelse, node.span)


def resolve_case(
    node: ast.Case, inner: Resolve, place: Place, table: Table
) -> g.Distribution | None:
    subject = resolve(node.subject, place, table)
    if len(node.arms) > _MOST_ARMS:
        table.report(diagnoses.too_large(node.span, f"a `case` of {len(node.arms)} arms"))
        return None
    bodies = [inner(arm.body) for arm in node.arms]
    values = _values(node, table)
    if subject is None or values is None or not node.arms:
        return None
    if subject.shape or kind_of(subject, table) not in DISCRETE:
        why = "`case` needs a single discrete value to choose by"
        table.report(diagnoses.case_value(node.subject.span, why))
        return None
    if not _verify_covers(node, subject, values, table):
        return None
    result: g.Distribution | None = bodies[-1]
    for value, body, arm in reversed(list(zip(values, bodies, node.arms, strict=True))[:-1]):
        if body is None or result is None or arm.value is None:
            return None
        number = g.Number(value or 0, arm.value.span)
        test = g.Apply("eq", (subject, number), arm.value.span)
        result = g.Choice(test, body, result, arm.span)
    return result


def _values(node: ast.Case, table: Table) -> list[int | None] | None:
    """The number of each arm, None for `else`; None altogether where one is wrong."""
    values: list[int | None] = []
    fine = True
    for position, arm in enumerate(node.arms):
        match arm.value:
            case None:
                value: int | None = None
                if position < len(node.arms) - 1:
                    table.report(diagnoses.case_value(arm.span, "`else` must come last"))
                    fine = False
            case ast.Number(value=int() as value):
                if value in values:
                    why = f"the case {value} is given twice"
                    table.report(diagnoses.case_value(arm.value.span, why))
                    fine = False
            case _:
                why = "each case must be a whole number"
                table.report(diagnoses.case_value(arm.value.span, why))
                fine, value = False, -1
        values.append(value)
    return values if fine else None


def _verify_covers(node: ast.Case, subject: g.Expr, values: list[int | None], table: Table) -> bool:
    """Every value has an arm: the last one stands for all that are left."""
    type_ = table.types.get(subject.name) if isinstance(subject, g.Ref) else None
    most = None
    if type_ is not None:
        most = 2 if type_.kind == "bool" else fixed(type_.values)
    for arm, value in zip(node.arms, values, strict=True):
        if most is not None and value is not None and not 0 <= value < most:
            span = arm.value.span if arm.value is not None else arm.span
            table.report(diagnoses.case_value(span, f"there is no case {value} of {most}"))
            return False
    if values[-1] is None:
        return True
    if most is None:
        table.report(diagnoses.case_incomplete(node.span, "all values"))
        return False
    missing = [k for k in range(most) if k not in values] if most <= _MOST_ARMS else [most - 1]
    if missing:
        table.report(diagnoses.case_incomplete(node.span, f"the value {missing[0]}"))
    return not missing
