"""A log determinant against two traces, of a positive definite matrix and of its inverse.

    max a logdet S - tr(S M) - tr(inv(S) N)   ⇒   S M S - a S - N = 0

With M = L L' and T = L' S L that is T^2 - a T - L' N L = 0, a quadratic in the eigenvalues d of
L' N L alone:  t = (a + sqrt(a^2 + 4 d)) / 2 in the same basis, the one positive solution. It is
what a covariance's likelihood and a precision's prior make together, or the other way round.
"""

from __future__ import annotations

from emdsl.derive.live import params_in
from emdsl.derive.mstep.block import (
    Block,
    Collapse,
    MatrixQuadratic,
    Update,
    can_vanish,
    coefficient,
)
from emdsl.derive.mstep.logdet import by_function


def solve(block: Block) -> Update | None:
    """The update of a posdef parameter that appears with its inverse and log determinant."""
    if block.param.type.kind != "posdef" or block.restricted is not None:
        return None
    found = by_function(block)
    if found is None:
        return None
    dets, inverses, plain = found
    if not inverses or not plain:
        return None
    atoms = block.atoms
    a = coefficient(dets, block.batch, atoms)
    m, n = -coefficient(plain, block.cell, atoms), -coefficient(inverses, block.cell, atoms)
    name = block.param.name
    record = (
        f"Q = a logdet {name} - tr({name} M) - tr(inv({name}) N)",
        f"a = {a}",
        f"M = {m}",
        f"N = {n}",
        f"stationary: {name} M {name} - a {name} - N = 0, quadratic in the eigenvalues",
        "a maximum where M and N are positive definite: Q falls towards both ends",
    )
    needs = params_in(a, atoms) | params_in(m, atoms) | params_in(n, atoms)
    collapse: Collapse = None
    if can_vanish(n, atoms):
        collapse = ("zero", 1.0)
    elif can_vanish(m, atoms):
        collapse = ("infinity", 1.0)
    form = MatrixQuadratic(a, m, n)
    return Update(name, "matrix quadratic", block.cell, form, needs, record, collapse)
