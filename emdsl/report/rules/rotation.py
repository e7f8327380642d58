"""An orthogonal matrix: eigenvectors, or one plane after another."""

from __future__ import annotations

import sympy as sp

from emdsl.derive.mstep.block import Eigenvectors, Planes
from emdsl.report.rules.context import Context
from emdsl.report.style import Math


def write(c: Context, form: Eigenvectors | Planes) -> bool:
    """Q in the columns, and where it is highest."""
    p, style, page = c.printer, c.printer.style, c.page
    *batch, row, column = c.update.cell
    d, e, twin = p.index(row), p.index(column), p.index(form.twin)
    lead = [p.index(a) for a in batch]
    taken = c.taken()
    r = style.name(next(x for x in ("r", "v", "r0") if x not in taken))
    w = style.name(next(x for x in ("W", "M", "W0") if x not in taken))
    weight = style.name(next(x for x in ("c", "C", "c0") if x not in taken))
    at = Math(style.at(r, [e]))
    each = f", for each {', '.join(lead)}" if lead else ""
    half, minus = style.half(), style.minus
    turned = f"{at}ᵀ" if p.inline else f"{at}^\\top"
    page.say(
        "Its share of Q is a quadratic form in each of its columns, ", at, f"{each}:"
    )  # fmt: skip
    if isinstance(form, Eigenvectors):
        page.formula(
            "Q", f"{minus}{half} {style.sum([e])} {style.at(weight, [e])} {turned} {w} {at}"
        )
        page.formula(style.at(w, [d, twin]), c.show(sp.expand(-2 * form.matrix)))
        page.formula(style.at(weight, [e]), c.show(form.weights))
        page.say(
            "The derivative along every rotation vanishes where the columns are eigenvectors of ",
            Math(w), "; the maximum has the smallest eigenvalue's where ",
            Math(style.at(weight, [e])), " is largest (Theobald 1975):",
        )  # fmt: skip
        eigenvalue = style.at("λ" if p.inline else style.name("lambda"), [e])
        page.formula(f"{w} {at}", f"{eigenvalue} {at}")
        page.formula(c.matrix(tuple(batch)), _columns(c, r))
        return True
    own = style.at(w, [e])
    page.formula("Q", f"{minus}{half} {style.sum([e])} {turned} {own} {at}")
    page.formula(style.at(w, [e, d, twin]), c.show(sp.expand(-2 * form.matrices)))
    page.say(
        "Each column has a matrix of its own, and they share no eigenvectors, so nothing closed is"
        " left. Turning two columns by an angle t in their plane moves Q by"
        " A (cos 2t − 1) + B sin 2t, with A and B from four quadratic forms; t = ½ atan2(B, A) is"
        " its highest point. The pairs of columns take turns until none raises Q (Flury and"
        " Gautschi 1986), with Newton steps of all of them between the rounds, where those raise"
        " Q. At the end Q is at its maximum in every plane, so that its derivative along every"
        " rotation vanishes, and it was never lowered on the way."
    )
    page.formula(c.matrix(tuple(batch)), _columns(c, r))
    return True


def _columns(c: Context, r: str) -> str:
    """The matrix as its columns side by side."""
    style = c.printer.style
    size = c.printer.show(c.atoms.size_of(c.update.cell[-1]) - 1)
    dots = "…" if c.printer.inline else "\\dots"
    return f"({style.at(r, ['0'])} {dots} {style.at(r, [size])})"
