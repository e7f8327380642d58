"""A log determinant against two traces: a quadratic in the matrix."""

from __future__ import annotations

from emdsl.derive.mstep.block import MatrixQuadratic
from emdsl.report.rules.context import Context


def write(c: Context, form: MatrixQuadratic) -> bool:
    """Q, its coefficients, the stationarity condition and its one positive solution."""
    p, style, page = c.printer, c.printer.style, c.page
    batch = tuple(c.update.cell[: len(c.param.batch)])
    taken = c.taken()
    number, outer, inner = (
        style.name(next(x for x in names if x not in taken))
        for names in (("a", "a0", "c0"), ("M", "M0", "W0"), ("N", "N0", "V0"))
    )
    matrix = c.matrix(batch)
    inverse = style.power(matrix, "-1")
    minus, half = style.minus, style.half()
    logdet = style.function("log det", matrix, bare=True)
    traces = (
        style.function("tr", f"{m} {w}", bare=False) for m, w in ((matrix, outer), (inverse, inner))
    )
    each = f", for each {', '.join(map(p.index, batch))}," if batch else ""
    page.say(
        f"In its share of Q stand{each} its log determinant, and traces of it and its inverse:"
    )
    page.formula("Q", f"{number} {logdet} {minus} {f' {minus} '.join(traces)}")
    rows = [p.index(a) for a in c.update.cell[len(batch) :]]
    page.formula(number, c.show(form.count))
    page.formula(style.at(outer, rows), c.show(form.plain))
    page.formula(style.at(inner, rows), c.show(form.inverse))
    page.say("Its gradient in the inverse, multiplied by the matrix on both sides, vanishes:")
    page.formula("", f"{matrix} {outer} {matrix} {minus} {number} {matrix} {minus} {inner} = 0")
    root = style.name(next(x for x in ("R", "R0") if x not in taken))
    page.say("With a symmetric root this is one quadratic for each eigenvalue:")
    page.formula(style.power(root, "2"), outer)
    square = f"{style.power(number, '2')} + 4 {root} {inner} {root}"
    page.formula(
        f"{root} {matrix} {root}", f"{half} ({number} + {style.power(f'({square})', '1/2')})"
    )
    page.say("It is the maximum: Q falls without end towards both edges of the definite matrices.")
    return True
