"""Which kinds of value lie in which support.

Judges only what is certain: of an expression whose values can't be told, nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from emdsl.model import graph as g
from emdsl.model.kinds import DISCRETE, Kind
from emdsl.model.shapes import fixed, same
from emdsl.model.table import Table

# Every value of a kind lies in each of these.
WITHIN: Mapping[Kind, frozenset[Kind]] = {
    "real": frozenset({"real"}),
    "positive": frozenset({"positive", "real"}),
    "unit": frozenset({"unit", "positive", "real"}),
    "int": frozenset({"int", "real"}),
    "count": frozenset({"count", "int", "real"}),
    "bool": frozenset({"bool", "count", "int", "real"}),
    "category": frozenset({"category", "index", "count", "int"}),
    "index": frozenset({"category", "index", "count", "int"}),
    "simplex": frozenset({"simplex"}),
    "posdef": frozenset({"posdef"}),
    "ordered": frozenset({"ordered", "real"}),
    "shape": frozenset({"shape"}),
    "orthogonal": frozenset({"orthogonal"}),
}

# What a single entry of a structured value is.
ENTRY: Mapping[Kind, Kind] = {
    "simplex": "unit", "posdef": "real", "ordered": "real", "shape": "positive",
    "orthogonal": "real",
}  # fmt: skip

_IN_WORDS: Mapping[Kind, str] = {
    "positive": "positive",
    "unit": "between 0 and 1",
    "int": "a whole number",
    "count": "a count",
    "bool": "true or false",
    "category": "a category",
    "index": "an index",
    "simplex": "a simplex",
    "posdef": "positive definite",
    "ordered": "ordered",
    "shape": "a shape, positive with a product of 1",
    "orthogonal": "orthogonal",
    "real": "a number",
}


def in_words(kind: Kind) -> str:
    return _IN_WORDS[kind]


def join(left: Kind, right: Kind) -> Kind | None:
    """The smallest kind that holds both, or None where one is discrete and the other not."""
    if (left in DISCRETE) != (right in DISCRETE):
        return None
    if right in WITHIN[left]:
        return right
    if left in WITHIN[right]:
        return left
    scalar = left not in ENTRY and right not in ENTRY
    if not scalar:
        return None
    return "count" if {left, right} <= {"bool", "category", "index"} else "real"


def join_point(point: Kind, other: Kind) -> Kind:
    """The kind that holds a distribution's values and one more value."""
    if other in WITHIN[point]:
        return other
    if other in DISCRETE:
        return join(point, other) or "int"
    return "real"


def fits(declared: g.Type, support: g.Type, *, data: bool) -> bool:
    """Whether the values of `declared` lie in `support`.

    Whole numbers lie in the reals, so data that are whole may be modelled by a density; a latent
    that is summed over may not.
    """
    if declared.kind == "bool" and support.kind == "category":
        return support.values is None or fixed(support.values) == 2
    if support.kind not in WITHIN[declared.kind]:
        return False
    if declared.discrete and not support.discrete and not data:
        return False
    if declared.values is not None and support.values is not None:
        return same(declared.values, support.values)
    return True


def kind_of(expr: g.Expr, table: Table) -> Kind | None:
    """What the values of an expression are, where that is certain."""
    match expr:
        case g.Number():
            return number_kind(expr.value)
        case g.AxisRef() | g.SizeRef():
            return "count"
        case g.Ref():
            return _kind_of_ref(expr, table)
        case g.Apply(op="exp"):
            return "positive"
        case g.Apply(op="logistic"):
            return "unit"
        case g.Apply(op="softmax"):
            return "simplex"
        case g.Apply(op="eq" | "ne" | "lt" | "le" | "gt" | "ge" | "and" | "or" | "not"):
            return "bool"
        case _:
            return None


def number_kind(value: float) -> Kind:
    """The kind of a literal: the smallest that isn't `bool` or `unit` by accident."""
    if isinstance(value, int):
        return "count" if value >= 0 else "int"
    return "positive" if value > 0 else "real"


def _kind_of_ref(ref: g.Ref, table: Table) -> Kind | None:
    type_ = table.types.get(ref.name)
    if type_ is None:
        return None
    whole = len(ref.shape) >= len(type_.shape)
    return type_.kind if whole else ENTRY.get(type_.kind, type_.kind)


def constant(expr: g.Expr, table: Table) -> float | None:
    """The value of an expression of literals and scalar consts, or None."""
    match expr:
        case g.Number():
            return _finite(expr.value)
        case g.Ref(role="const"):
            return constant_entry(expr, table)
        case g.Apply(op="neg", args=(inner,)):
            value = constant(inner, table)
            return None if value is None else -value
        case g.Apply(op=op, args=(left, right)) if op in ("add", "sub", "mul", "div"):
            return _arithmetic(op, constant(left, table), constant(right, table))
        case _:
            return None


def constant_entry(ref: g.Ref, table: Table) -> float | None:
    """The entry of a literal const that constant indices pick, or None."""
    value = table.values.get(ref.name)
    for index in ref.indices:
        if not isinstance(index, g.Number) or not isinstance(value, tuple):
            return None
        if not isinstance(index.value, int) or not 0 <= index.value < len(value):
            return None
        value = value[index.value]
    return _finite(value) if isinstance(value, int | float) else None


def _finite(value: float) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _arithmetic(op: str, left: float | None, right: float | None) -> float | None:
    if left is None or right is None:
        return None
    match op:
        case "add":
            return left + right
        case "sub":
            return left - right
        case "mul":
            return left * right
        case _:
            return left / right if right != 0 else math.nan


def contains(kind: Kind, value: float) -> bool:
    """Whether a number is a possible argument of this kind. The ends of `unit` are."""
    match ENTRY.get(kind, kind):
        case "positive":
            return value > 0
        case "unit":
            return 0 <= value <= 1
        case "count" | "category" | "index":
            return value >= 0 and value == math.floor(value)
        case "int":
            return value == math.floor(value)
        case "bool":
            return value in (0, 1)
        case _:
            return not math.isnan(value)
