"""Absolute deviations of the M-step: the functions of their weights, targets and designs."""

from __future__ import annotations

from emdsl.derive.mstep.block import Update
from emdsl.derive.mstep.share import Absolute
from emdsl.ir.nodes import Assign, Function, Stmt, Whole
from emdsl.lower.deviations import deviations
from emdsl.lower.meta import tuple_literal
from emdsl.lower.names import quoted
from emdsl.lower.numeric import NumericLowering, Written
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
        function, literal = deviations(stem, deviation, form, numeric)
        functions.append(function)
        literals.append(literal)
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
