"""Absolute deviations of the M-step: the functions of their weights, targets and designs."""

from __future__ import annotations

from emdsl.derive.mstep.block import Update
from emdsl.derive.mstep.share import Absolute, Deviation
from emdsl.ir.nodes import Assign, Function, Stmt, Whole
from emdsl.lower.live import LiveLowering
from emdsl.lower.meta import tuple_literal
from emdsl.lower.names import quoted
from emdsl.lower.numeric import NumericLowering, Written
from emdsl.lower.rowwise import RowScalars
from emdsl.lower.scalar import ScalarLowering


def absolute_block(update: Update, numeric: NumericLowering) -> Written:
    """The functions of one such block, and its literal."""
    form = update.form
    assert isinstance(form, Absolute)
    label = "_".join(form.params)
    functions: list[Function] = []
    literals: list[str] = []
    for i, deviation in enumerate(form.deviations):
        stem = f"deviations_{label}" + (f"_{i + 1}" if len(form.deviations) > 1 else "")
        if deviation.plate:
            index = next(j for j, p in enumerate(numeric.pieces) if p.plate == deviation.plate)
            live = numeric.live[index].given(deviation.latents)
            functions.append(_of_rows(stem, deviation, form, live))
            source = numeric.row_literal(index, deviation.latents, (stem,))
        else:
            functions.append(_of_prior(stem, deviation, form, numeric))
            source = stem
        literals.append(f"rt.Deviations({len(deviation.sums)}, {source})")
    slope = "None"
    if any(t != 0 for t in form.slope):
        slope = f"slope_{label}"
        functions.append(_slope(slope, form, numeric))
    curve = "None"
    if form.curve:
        curve = f"curve_{label}"
        functions.append(_curve(curve, form, numeric))
    model = numeric.model
    lines = [
        f"BLOCK_{label} = rt.Absolute(",
        f"    params={tuple_literal([quoted(p) for p in form.params])},",
        f"    kinds={tuple_literal([quoted(model.param(p).type.kind) for p in form.params])},",
        f"    batch={len(form.batch)},",
        f"    places={tuple_literal([tuple_literal([str(i) for i in p]) for p in form.places])},",
        "    deviations=(",
        *(f"        {x}," for x in literals),
        "    ),",
        f"    slope={slope},",
        f"    curve={curve},",
        ")",
        "",
        "",
    ]
    return Written(tuple(functions), tuple(lines), (f"BLOCK_{label}",),
                   frozenset(numeric.wanted))  # fmt: skip


_DOC = "Each deviation's weight, target and design, the block's parameters taken out."


def _of_rows(name: str, d: Deviation, form: Absolute, live: LiveLowering) -> Function:
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


def _of_prior(name: str, d: Deviation, form: Absolute, numeric: NumericLowering) -> Function:
    s = ScalarLowering(numeric.atoms, numeric.names, frozenset())
    axes = (*(s.axis(a) for a in form.batch), *(s.axis(a) for a in d.sums))
    body, names = _parts(d, form, s, Whole(s.lower(d.weight), axes))
    return numeric.static(name, "Any", _DOC, body, names, s)


def _parts(
    d: Deviation, form: Absolute, s: ScalarLowering, weight: Whole
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


def _slope(name: str, form: Absolute, numeric: NumericLowering) -> Function:
    s = ScalarLowering(numeric.atoms, numeric.names, frozenset())
    lead = tuple(s.axis(a) for a in form.batch)
    body: list[Stmt] = []
    names = []
    for i, (own, entry) in enumerate(zip(form.cells, form.slope, strict=True)):
        names.append(f"g_{i}")
        axes = (*lead, *(s.axis(a) for a in own))
        body.append(Assign(names[-1], Whole(s.lower(entry), axes, full=True)))
    doc = "The terms linear in the parameters: their slopes."
    return numeric.static(name, "Any", doc, body, tuple(names), s)


def _curve(name: str, form: Absolute, numeric: NumericLowering) -> Function:
    s = ScalarLowering(numeric.atoms, numeric.names, frozenset())
    lead = tuple(s.axis(a) for a in form.batch)
    body: list[Stmt] = []
    names = []
    for i, (own, row) in enumerate(zip(form.cells, form.curve, strict=True)):
        for j, (other, entry) in enumerate(zip(form.twins, row, strict=True)):
            names.append(f"h_{i}_{j}")
            axes = (*lead, *(s.axis(a) for a in (*own, *other)))
            body.append(Assign(names[-1], Whole(s.lower(entry), axes, full=True)))
    doc = "The squares of the parameters: their second derivatives, row by row."
    return numeric.static(name, "Any", doc, body, tuple(names), s)
