"""A positive definite matrix of which constraints hold single entries, tie or bound them, or relate
them by linear equations.

    max a logdet S - tr(S M) - tr(inv(S) N)    over    S = C + sum_k f_k E_k,  positive definite

C has the fixed entries; E_k is 1 at a free entry, at its mirror image and at what is tied with it.
The gradient in f_k is tr((a P - M + P N P) E_k), with P = inv(S). Newton's method solves for where
it vanishes (Anderson 1973 for covariances, Dempster 1972 for precisions): `runtime/patterned.py`.
Equations of f leave an affine subspace of matrices, and bounds a convex part of it: a Newton step
is then a quadratic program, whose step along a line within the definite matrices never lowers Q.
"""

from __future__ import annotations

from emdsl.derive.live import params_in
from emdsl.derive.mstep.block import Block, Collapse, Patterned, Update, can_vanish, coefficient
from emdsl.derive.mstep.logdet import by_function


def solve(block: Block) -> Update | None:
    """The update of a posdef parameter with constraints on its entries."""
    rules = block.restricted
    if block.param.type.kind != "posdef" or rules is None or not rules.within:
        return None
    found = by_function(block)
    if found is None:
        return None
    dets, inverses, plain = found
    atoms = block.atoms
    a = coefficient(dets, block.batch, atoms)
    m, n = -coefficient(plain, block.cell, atoms), -coefficient(inverses, block.cell, atoms)
    if (not plain and not a.is_nonpositive) or (not inverses and not a.is_nonnegative):
        return None  # it may have no maximum
    name = block.param.name
    traces = [f"tr({name} M)"] * bool(plain) + [f"tr(inv({name}) N)"] * bool(inverses)
    slope = ["a P", "- M" * bool(plain), "+ P N P" * bool(inverses)]
    record = (
        f"Q = a logdet {name} - {' - '.join(traces)}",
        f"a = {a}",
        *([f"M = {m}"] if plain else []),
        *([f"N = {n}"] if inverses else []),
        f"{name} = C + sum_k f_k E_k: C has the fixed entries, E_k is 1 where f_k stands",
        f"with P = inv({name}): dQ/df_k = tr(({' '.join(x for x in slope if x)}) E_k)",
        *(["f fulfils the linear equations: it moves in their null space"] if rules.linear else []),
        *(["f stays within its bounds: each step is a quadratic program"] if rules.bounded else []),
        "damped Newton steps in f from the old value, within the definite matrices",
    )
    collapse: Collapse = None
    if inverses and can_vanish(n, atoms):
        collapse = ("zero", 1.0)
    elif plain and can_vanish(m, atoms):
        collapse = ("infinity", 1.0)
    needs = params_in(a, atoms) | params_in(m, atoms) | params_in(n, atoms)
    return Update(name, "patterned matrix", block.cell, Patterned(a, m, n), needs, record, collapse)
