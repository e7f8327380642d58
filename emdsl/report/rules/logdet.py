"""A log determinant against a trace: a covariance or a precision matrix."""

from __future__ import annotations

import sympy as sp

from emdsl.derive.atoms import LogDetOf
from emdsl.derive.mstep.block import MatrixValue, coefficient, renamed
from emdsl.report.rules.context import Context


def write(c: Context, form: MatrixValue) -> bool:
    """Q with its count and its scatter, and the stationary matrix."""
    count = _count(c)
    if count is None:
        return False
    p, style, page = c.printer, c.printer.style, c.page
    number = style.name(next(x for x in ("c", "C", "n0") if x not in c.taken()))
    scatter = style.name(next(x for x in ("W", "M", "W0") if x not in c.taken()))
    batch = tuple(c.update.cell[: len(c.param.batch)])
    matrix = c.matrix(batch)
    inverse = style.power(matrix, "-1")
    other = matrix if form.invert else inverse
    half, minus = style.half(), style.minus
    sign = "" if form.invert else minus
    logdet = style.function("log det", matrix, bare=True)
    trace = style.function("tr", f"{other} {scatter}", bare=False)
    size = c.tidy((2 if form.invert else -2) * count)
    each = f", for each {', '.join(map(p.index, batch))}," if batch else ""
    page.say(f"In its share of Q stand{each} its log determinant and a trace:")
    page.formula("Q", f"{sign}{half} {number} {logdet} {minus} {half} {trace}")
    page.formula(number, c.show(sp.expand(size)))
    value = c.tidy(form.value)
    top = sp.expand(sp.simplify(value * size) if value.is_number else _times(value, size))
    rows = [p.index(a) for a in c.update.cell[len(batch) :]]
    page.formula(style.at(scatter, rows), p.show(top))
    inner = style.over(scatter, number)
    if form.invert:
        page.say("Its gradient in the matrix vanishes:")
        page.formula("", f"{half} {number} {inverse} {minus} {half} {scatter} = 0")
        page.formula(matrix, style.power(f"({inner})", "-1"))
        page.say("It is the maximum: the log determinant is concave and the trace is linear.")
    else:
        page.say("The gradient in its inverse vanishes:")
        page.formula("", f"{half} {number} {matrix} {minus} {half} {scatter} = 0")
        page.formula(matrix, inner)
        page.say(
            "It is the maximum: in the inverse, the log determinant is concave and the trace is"
            " linear."
        )
    return True


def _times(value: sp.Expr, size: sp.Expr) -> sp.Expr:
    """value x size, where value is a quotient by a multiple of size."""
    top, bottom = sp.fraction(value)
    ratio = sp.cancel(sp.expand(size) / sp.expand(bottom))
    return top * ratio


def _count(c: Context) -> sp.Expr | None:
    """The coefficient of the log determinant, at the cell."""
    block = c.block()
    dets = []
    for piece in block.pieces:
        atoms = [c.atoms.atom(s) for s in piece.own.free_symbols]
        det = next((a for a in atoms if isinstance(a, LogDetOf)), None)
        if det is None:
            continue
        names = {str(ix): axis for ix, axis in zip(det.matrix.batch, block.batch, strict=True)}
        dets.append(renamed(piece, names, c.atoms))
    return coefficient(dets, block.batch, c.atoms) if dets else None
