"""A vector of positive entries with product 1: a Lagrange multiplier on the sum of its logs.

max sum_l A_l log s_l + B_l s_l^p  subject to  sum_l log s_l = 0, B < 0
    ⇒   s_l^p = (A_l + m) / (-p B_l),   m such that the product is 1

Where the A are equal, s_l is |B_l|^(-1/p) over its geometric mean: the shape matrix of a Gaussian
mixture (Celeux and Govaert, Pattern Recognition 28, 1995).
"""

from __future__ import annotations

import sympy as sp

from emdsl.derive.live import params_in
from emdsl.derive.mstep.block import (
    Block,
    Collapse,
    UnitProduct,
    Update,
    can_vanish,
    coefficient,
    without_common_factor,
)
from emdsl.derive.mstep.occurrences import by_basis, singles


def solve(block: Block) -> Update | None:
    """The update of a shape whose entries appear as logs and in one power."""
    rules = block.restricted
    if block.param.type.kind != "shape" or (rules and (rules.tied or rules.linear)):
        return None
    pieces = singles(block)
    if pieces is None:
        return None
    # what is common to one vector's entries doesn't move its maximum
    pieces, common = without_common_factor(pieces, block.batch, block.atoms)
    t, atoms, last = block.entry, block.atoms, block.cell[-1]
    groups = by_basis(pieces)
    bases = [b for b in groups if b != sp.log(t)]
    if len(bases) != 1 or bases[0].as_base_exp()[0] != t:
        return None
    power = bases[0].as_base_exp()[1]
    if not power.is_Rational:
        return None
    logs = coefficient(groups.get(sp.log(t), []), block.cell, atoms)
    powers = coefficient(groups[bases[0]], block.cell, atoms)
    if powers.is_nonnegative:
        return None  # convex in the log: no maximum
    equal = last not in atoms.axes_of(logs)
    collapse: Collapse = None
    if can_vanish(powers, atoms):
        collapse = ("zero", float(-power)) if power < 0 else ("infinity", float(power))
    record = [f"Q = sum over {last} of A[{last}] log {t} + B[{last}] {bases[0]}"]
    if common != 1:
        record.append(f"the positive factor {common} is common to all terms and cancels")
    record += [
        f"with A[{last}] = {logs}",
        f"B[{last}] = {powers}",
        f"stationary with multiplier m on the sum over {last} of log {t}, which is 0:",
        f"A[{last}] + ({power}) B[{last}] {bases[0]} + m = 0",
        f"A is the same for every {last}, so {t**-power} is -B[{last}] over its geometric mean"
        if equal
        else f"so {bases[0]} = (A[{last}] + m) / ({-power} B[{last}]), m by Newton: the sum of "
        "the logs is concave in it, with one root",
        f"a maximum: Q is concave in log {t} where B <= 0",
    ]
    needs = params_in(logs, atoms) | params_in(powers, atoms)
    return Update(
        block.param.name, "product of 1", block.cell, UnitProduct(logs, powers, power),
        needs, tuple(record), collapse,
    )  # fmt: skip
