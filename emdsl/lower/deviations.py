"""The functions of absolute deviations: their weights, targets and designs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emdsl.derive.mstep.share import Absolute, Deviation, Numeric
from emdsl.ir.nodes import Assign, Function, Stmt, Whole
from emdsl.lower.live import LiveLowering
from emdsl.lower.rowwise import RowScalars
from emdsl.lower.scalar import ScalarLowering

if TYPE_CHECKING:
    from emdsl.lower.numeric import NumericLowering


def deviations(
    name: str, d: Deviation, form: Numeric | Absolute, numeric: NumericLowering
) -> tuple[Function, str]:
    """The function of one sum of deviations, and its literal."""
    if not d.plate:
        return _of_prior(name, d, form, numeric), f"rt.Deviations({len(d.sums)}, {name})"
    index = next(j for j, p in enumerate(numeric.pieces) if p.plate == d.plate)
    function = _of_rows(name, d, form, numeric.live[index].given(d.latents))
    rows = numeric.row_literal(index, d.latents, (name,))
    return function, f"rt.Deviations({len(d.sums)}, {rows})"


_DOC = "Each deviation's weight, target and design, the block's parameters taken out."


def _of_rows(name: str, d: Deviation, form: Numeric | Absolute, live: LiveLowering) -> Function:
    names: tuple[str, ...] = ()

    def written(s: RowScalars) -> list[Stmt]:
        nonlocal names
        lead = tuple(s.axis(a) for a in form.batch)
        tail = (*(s.axis(a) for a in d.sums), s.axis(d.plate))
        weight = Whole(s.times_weight(d.weight, (*lead, *tail)), (*lead, *tail))
        body, names = _parts(d, form, s, weight)
        return body

    s, body = live.twice(written)
    return live.summing(name, "Any", _DOC, body, names, s)


def _of_prior(
    name: str, d: Deviation, form: Numeric | Absolute, numeric: NumericLowering
) -> Function:
    s = ScalarLowering(numeric.atoms, numeric.names, frozenset())
    axes = (*(s.axis(a) for a in form.batch), *(s.axis(a) for a in d.sums))
    body, names = _parts(d, form, s, Whole(s.lower(d.weight), axes))
    return numeric.static(name, "Any", _DOC, body, names, s)


def _parts(
    d: Deviation, form: Numeric | Absolute, s: ScalarLowering, weight: Whole
) -> tuple[list[Stmt], tuple[str, ...]]:
    """Assignments of the three, and their names."""
    lead = tuple(s.axis(a) for a in form.batch)
    tail = weight.axes[len(lead) :]
    out: list[Stmt] = [
        Assign("weight", weight),
        Assign("target", Whole(s.lower(d.target), (*lead, *tail))),
    ]
    names = ["weight", "target"]
    for i, (own, entry) in enumerate(zip(form.cells, d.design, strict=True)):
        names.append(f"design_{i}")
        axes = (*lead, *(s.axis(a) for a in own), *tail)
        out.append(Assign(names[-1], Whole(s.lower(entry), axes)))
    return [*s.flush(), *out], tuple(names)
