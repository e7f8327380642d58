"""Log-linear on a simplex: a Lagrange multiplier.

max sum_k A_k log p_k  subject to  sum_k p_k = 1   ⇒   p_k = A_k / sum_j A_j

Bounds l_k <= p_k <= u_k have multipliers of their own: p_k = min(max(A_k / m, l_k), u_k), with m
such that these sum to 1 (`runtime.shares`).
"""

from __future__ import annotations

import sympy as sp

from emdsl.derive.live import params_in
from emdsl.derive.mstep.block import Block, Normalized, Update, coefficient
from emdsl.derive.mstep.occurrences import by_basis, singles


def solve(block: Block) -> Update | None:
    """The update of a simplex whose entries appear only as logs."""
    rules = block.restricted
    if block.param.type.kind != "simplex" or (rules and rules.linear):
        return None
    pieces = singles(block)
    if pieces is None or set(by_basis(pieces)) != {sp.log(block.entry)}:
        return None
    counts = coefficient(pieces, block.cell, block.atoms)
    last = block.cell[-1]
    bounded = rules is not None and rules.bounded
    record: tuple[str, ...] = (
        f"Q = sum_{last} A[{last}] log {block.entry}",
        f"with A[{last}] = {counts}",
        f"stationary with multiplier m on sum_{last} {block.entry} = 1:  A / {block.entry} = m",
        f"so {block.entry} = A[{last}] / m, or the bound that this is beyond, with m for a sum of 1"
        if bounded
        else f"so {block.entry} = A[{last}] / sum_{last} A[{last}]",
        "a maximum: Q is concave where A >= 0",
    )
    tied = rules is not None and rules.tied
    if rules is not None and rules.fixed:
        record = (
            *record,
            f"fixed entries stay: the others share what they leave, as their A[{last}]",
        )
    if tied:
        record = (*record, f"tied entries have the sum of their A[{last}], in a row shared equally")
    return Update(
        block.param.name, "simplex", block.cell, Normalized(counts, tied),
        params_in(counts, block.atoms), record,
    )  # fmt: skip
