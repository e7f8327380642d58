"""Sums over the rows that point to a row: Σ_{n: group_n = g}."""

from __future__ import annotations

from emdsl.derive.levels import Link
from emdsl.report.joint import row_sum, weight_of
from emdsl.report.printer import Printer


def pointing(source: Printer, target: Printer, link: Link) -> str:
    """The sum over the rows that a link leads from, of one row it leads to."""
    conditions, kept = [], set()
    for plate, shown in zip(link.target.plates, source.through(link), strict=True):
        if shown == target.plate(plate):
            kept.add(plate)
        else:
            conditions.append(f"{shown} {source.style.equals} {target.plate(plate)}")
    over = [p for p in link.source.plates if p not in kept]
    if not conditions and link.up:
        return row_sum(source, source.joint, link.source.axis, len(link.target.plates))
    if not over:
        return ""
    if not conditions:
        return row_sum(source, source.joint, link.source.axis)
    inner = ",".join(source.plate(p) for p in over)
    weights = [
        weight_of(source, source.joint, p) + " " for p in over
        if source.joint.model.plate(p).weight is not None
    ]  # fmt: skip
    return source.style.sum([f"{inner}: {', '.join(conditions)}"]) + " " + "".join(weights)
