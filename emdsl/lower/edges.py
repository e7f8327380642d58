"""Where a prior's density is infinite: entries at the edge are left out of the log prior.

A Dirichlet or Beta argument below 1 makes the posterior unbounded where an entry has fewer data
than that lacks of 1, and the update takes it to exactly 0 (Figueiredo and Jain 2002, (17)). The log
prior is then that of the entries that are left:

    (alpha - 1) log p   ⇒   (alpha - 1) log p where p > 0, and 0 where p = 0
"""

from __future__ import annotations

import sympy as sp

from emdsl.derive.atoms import Elem
from emdsl.derive.statistics import Term
from emdsl.derive.table import Atoms


class LogInside(sp.Function):  # type: ignore[misc]  # SymPy has no types
    """`LogInside(x)`: log x, and 0 where x is 0."""

    nargs = 1


def without_edges(term: Term, atoms: Atoms) -> sp.Expr:
    """A prior's term; the log of an entry that may end at the edge is left out there.

    Of a simplex, that is any entry at 0: none gets there but by its prior or by being fixed. Of a
    single number, only one that gains by it: the log's factor is below 0.
    """
    expr = term.number * term.factor * term.basis
    if not isinstance(term.basis, sp.log):
        return expr
    (inside,) = term.basis.args
    kinds = {a.kind for a in atoms.deep(inside) if isinstance(a, Elem) and a.role == "param"}
    gains = sp.sympify(term.number * term.factor).is_negative
    edge = isinstance(inside, sp.Symbol) or kinds == {"unit"}  # log(1 - p) too
    if edge and (kinds == {"simplex"} or (gains and kinds in ({"unit"}, {"positive"}))):
        return term.number * term.factor * LogInside(inside)
    return expr
