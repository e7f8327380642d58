"""Whether Q is certainly concave in some parameters, by rules of composition or by its Hessian.

A nonnegative multiple of a concave function of a sum linear in the parameters is concave, and so is
a sum of such (Boyd and Vandenberghe 2004, section 3.2): a softmax's log denominator, log(1 + e^x),
e^x, log Gamma and log I0 are convex; the log is concave, and so are the logs of the normal's and
the Laplace's distribution functions (Pratt 1981).
"""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp

from emdsl.derive.atoms import Elem, LogSumExp, SumOf
from emdsl.derive.live import params_in
from emdsl.derive.smooth import LogBessel, Softplus
from emdsl.derive.table import Atoms
from emdsl.families.cumulative import LogLaplace, LogNdtr

_CONCAVE = (sp.log, LogNdtr, LogLaplace)
_CONVEX = (Softplus, sp.exp, sp.loggamma, LogBessel, sp.Abs)


def is_concave(summands: Iterable[sp.Expr], group: frozenset[str], atoms: Atoms) -> bool:
    """Whether each summand is; False where these rules don't tell."""
    return all(_curvature(s, group, atoms) in (0, -1) for s in summands)


def curves_down(hessian: Iterable[sp.Expr], atoms: Atoms) -> bool:
    """Whether each summand of one parameter's Hessian is -(f >= 0) v v', v being of one entry.

    That is, a nonpositive function of the row times a factor of the one entry times the same factor
    of the other; False where SymPy can't tell.
    """
    for expr in hessian:
        signs = (f for f in sp.Mul.make_args(expr) if not _is_data(f, atoms))  # u[n, p] u[n, p']
        rest = sp.Mul(*(f for f in signs if not (f.is_nonnegative or f.is_positive)))
        if not rest.is_nonpositive:
            return False
    return True


def _is_data(factor: sp.Expr, atoms: Atoms) -> bool:
    atom = atoms.atom(factor) if isinstance(factor, sp.Symbol) else None
    return isinstance(atom, Elem) and atom.role in ("data", "input", "const")


def _curvature(expr: sp.Expr, group: frozenset[str], atoms: Atoms) -> int | None:
    """0 of what is linear in the group, 1 of what is convex, -1 of what is concave; else None."""
    if not params_in(expr, atoms) & group:
        return 0
    if isinstance(expr, sp.Add):
        found = {_curvature(a, group, atoms) for a in expr.args} - {0}
        return found.pop() if len(found) == 1 else (None if found else 0)
    if isinstance(expr, sp.Mul):
        own = [f for f in expr.args if params_in(f, atoms) & group]
        if len(own) > 1:
            return None
        inner = _curvature(own[0], group, atoms)
        rest = sp.Mul(*(f for f in expr.args if f is not own[0]))
        if inner == 0 or inner is None:
            return inner
        if rest.is_nonnegative:
            return inner
        return -inner if rest.is_nonpositive else None
    return _of_function(expr, group, atoms)


def _of_function(expr: sp.Expr, group: frozenset[str], atoms: Atoms) -> int | None:
    if isinstance(expr, sp.Symbol):
        match atoms.atom(expr):
            case SumOf(body=body):
                return _curvature(body, group, atoms)
            case LogSumExp(body=body):
                return 1 if _curvature(body, group, atoms) in (0, 1) else None
            case _:
                return 0
    inner = expr.args[0]
    if _curvature(inner, group, atoms) != 0:
        return None
    if isinstance(expr, _CONVEX) or (isinstance(expr, sp.Pow) and expr.exp == 2):
        return 1
    return -1 if isinstance(expr, _CONCAVE) else None
