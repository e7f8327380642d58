"""SymPy formulas of a family's own symbols as array expressions."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from emdsl.families.family import Family
from emdsl.ir.nodes import Array, Assign, Expr, Function, Lit, Map, Return, Whole
from emdsl.lower.scalar import FUNCTIONS

_OPS = {"Add": "add", "Mul": "mul", "Pow": "pow", "exp": "exp", "log": "log"}


def formula(tree: sp.Basic, known: Mapping[sp.Basic, Expr]) -> Expr:
    """The formula where `known` stands for its symbols."""
    if tree in known:
        return known[tree]
    if tree.is_number:
        return Lit(int(tree) if tree.is_Integer else float(tree))
    name = type(tree).__name__
    op = _OPS.get(name) or FUNCTIONS[name]
    return Map(op, tuple(formula(a, known) for a in tree.args))


def distribution_functions(family: Family) -> Function:
    """`log_cdfs_Name(x, a, b)`: the logs of P(X <= x) and of P(X > x)."""
    arguments = ["x", *(p.name for p in family.parameters)]
    known: dict[sp.Basic, Expr] = {family.symbol(p.name): Array(p.name) for p in family.parameters}
    known[family.variable] = Array("x")
    assert family.log_cdf is not None
    assert family.log_survival is not None
    return Function(
        name_of(family),
        tuple((a, "Any") for a in arguments),
        "Any",
        f"The logs of P(X <= x) and of P(X > x) of {family.name}.",
        (
            Assign("below", Whole(formula(family.log_cdf, known), ())),
            Assign("above", Whole(formula(family.log_survival, known), ())),
            Return(("below", "above")),
        ),
    )


def name_of(family: Family) -> str:
    return f"log_cdfs_{family.name}"
