"""Parameters that Q only grows or only falls with: it has no maximum in them."""

from __future__ import annotations

import sympy as sp

from emdsl.derive.mstep.share import Numeric, Share
from emdsl.diagnostics import Diagnostic
from emdsl.model.graph import Model, Param


def one_way(form: Numeric, model: Model, bounded: frozenset[str]) -> list[Diagnostic]:
    """A problem for each parameter whose derivative of Q SymPy can tell never changes its sign.

    bounded : parameters that a constraint or their type keeps from infinity.
    """
    found = []
    for name, gradient in zip(form.params, form.gradient, strict=True):
        param = model.param(name)
        if param.type.kind not in ("real", "positive") or name in bounded:
            continue
        parts = _parts(gradient)
        if not parts:
            continue
        if all(p.is_nonnegative for p in parts):
            found.append(_problem(param, "only grows with it", "at infinity"))
        elif all(p.is_nonpositive for p in parts):
            end = "at 0" if param.type.kind == "positive" else "at minus infinity"
            found.append(_problem(param, "only falls with it", end))
    return found


def _parts(gradient: Share) -> tuple[sp.Expr, ...]:
    static = sp.Add.make_args(gradient.static) if gradient.static != 0 else ()
    return (*static, *(term for p in gradient.rows for term in sp.Add.make_args(p.expr)))


def _problem(param: Param, how: str, end: str) -> Diagnostic:
    return Diagnostic(
        "no-maximum",
        f"the likelihood {how}: `{param.name}` ({param.type}) would end {end}, whatever the data",
        param.span,
        "check the density's sign, give the parameter a prior, or fix it as a `const`",
    )
