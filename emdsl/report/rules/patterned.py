"""A positive definite matrix whose entries constraints hold or tie: Newton's method on the rest."""

from __future__ import annotations

from emdsl.derive.mstep.block import Patterned
from emdsl.report.rules.context import Context
from emdsl.report.style import Math


def write(c: Context, form: Patterned) -> bool:
    """Q, its coefficients, what is free, and the gradient in it."""
    p, style, page = c.printer, c.printer.style, c.page
    batch = tuple(c.update.cell[: len(c.param.batch)])
    taken = c.taken()
    number, outer, inner, known, unit, free = (
        style.name(next(x for x in names if x not in taken))
        for names in (("a", "a0", "c0"), ("M", "M0", "W0"), ("N", "N0", "V0"), ("C", "C0", "K0"),
                      ("E", "E0", "U0"), ("f", "f0", "h0"))
    )  # fmt: skip
    matrix = c.matrix(batch)
    inverse = style.power(matrix, "-1")
    minus = style.minus
    logdet = style.function("log det", matrix, bare=True)
    traces, slope = [], f"{number} {inverse}"
    if form.plain != 0:
        traces.append(style.function("tr", f"{matrix} {outer}", bare=False))
        slope += f" {minus} {outer}"
    if form.inverse != 0:
        traces.append(style.function("tr", f"{inverse} {inner}", bare=False))
        slope += f" + {inverse} {inner} {inverse}"
    each = f", for each {', '.join(map(p.index, batch))}," if batch else ""
    several = "traces of it and its inverse" if len(traces) > 1 else "a trace"
    page.say(f"In its share of Q stand{each} its log determinant and {several}:")
    page.formula("Q", f"{number} {logdet} {minus} {f' {minus} '.join(traces)}")
    page.formula(number, c.show(form.count))
    rows = [p.index(a) for a in c.update.cell[len(batch) :]]
    for letter, value in ((outer, form.plain), (inner, form.inverse)):
        if value != 0:
            page.formula(style.at(letter, rows), c.show(value))
    index = style.name(next(x for x in ("r", "s", "q", "r0") if x not in taken))
    part = f"{style.at(free, [index])} {style.at(unit, [index])}"
    page.say("Constraints leave numbers free in it:")
    page.formula(matrix, f"{known} + {style.sum([index])} {part}")
    page.say(
        Math(known), " has the fixed entries; ", Math(style.at(unit, [index])), " is 1 at the"
        " entries that are one of the numbers, mirror images among them, and 0 elsewhere.",
    )  # fmt: skip
    page.say("The gradient vanishes in each of these numbers:")
    trace = style.function("tr", f"({slope}) {style.at(unit, [index])}", bare=False)
    page.formula("", f"{trace} = 0")
    if form.inverse == 0:
        page.say("It is the maximum: the log determinant is concave and the trace is linear.")
    rest = (
        "; where Q isn't concave, the expected curvature takes the place of the Hessian (Anderson"
        " 1973)" if form.inverse != 0 else ""
    )  # fmt: skip
    page.say(
        "Newton's method solves for them from the old values. A step is halved until the matrix is"
        f" positive definite and Q no lower{rest}."
    )
    return True
