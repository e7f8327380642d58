"""A quadratic Q: one system of linear equations."""

from __future__ import annotations

import sympy as sp

from emdsl.derive.mstep.block import Joint, Linear
from emdsl.report.rules.context import Context
from emdsl.report.style import Math

_WHY = "It is the maximum: {} is a sum of squares with positive weights, so Q is concave."


def write(c: Context, form: Linear) -> bool:
    """H, g, and the system."""
    if not form.coupled:
        return _write_diagonal(c, form)
    p, style = c.printer, c.printer.style
    own = [c.update.cell[i] for i in form.coupled]
    batch = [a for i, a in enumerate(c.update.cell) if i not in form.coupled]
    for axis in form.twin:
        p.names.of(axis)
    c.page.say("Its share of Q is quadratic, up to positive factors common to all terms:")
    rows = [p.index(a) for a in own]
    columns = [p.index(a) for a in form.twin]
    entry = c.entry()
    twin = style.at(c.name(), [p.index(_twin(a, own, form.twin)) for a in c.update.cell])
    right, matrix = _names(c)
    g, h = style.at(right, rows), style.at(matrix, [*rows, *columns])
    c.page.formula(
        "Q",
        f"{style.sum(rows)} {g} {entry} {style.minus} {style.half()}"
        f" {style.sum([*rows, *columns])} {h} {entry} {twin}",
    )
    c.page.formula(g, c.show(form.right))
    c.page.formula(h, c.show(sp.expand(form.matrix)))
    c.page.say("The gradient vanishes at the solution of the linear system" + _each(c, batch))
    c.page.formula("", f"{style.sum(columns)} {h} {twin} = {g}")
    c.page.formula(c.matrix(tuple(batch)), f"{style.inverse(matrix)} {right}")
    c.page.say(_WHY.format(matrix))
    return True


def _write_diagonal(c: Context, form: Linear) -> bool:
    """The system of entries that only constraints couple."""
    style = c.printer.style
    rows = [c.printer.index(a) for a in c.update.cell]
    right, matrix = _names(c)
    g, h = style.at(right, rows), style.at(matrix, rows)
    entry = c.entry()
    total = style.sum(rows) + " " if rows else ""
    c.page.say("Its share of Q is quadratic, and couples its entries by constraints only:")
    square = style.power(entry, "2")
    c.page.formula("Q", f"{total}({g} {entry} {style.minus} {style.half()} {h} {square})")
    c.page.formula(g, c.show(form.right))
    c.page.formula(h, c.show(sp.expand(form.matrix)))
    c.page.say("Without them its maximum would be, as ", Math(h), " is not negative,")
    c.page.formula(entry, style.over(g, h))
    return True


def _names(c: Context) -> tuple[str, str]:
    """Names for the right side and the matrix that the model doesn't use."""
    taken = c.taken()
    right = next(x for x in ("g", "r", "v", "g0") if x not in taken)
    matrix = next(x for x in ("H", "S", "M", "H0") if x not in taken)
    return c.printer.style.name(right), c.printer.style.name(matrix)


def _twin(axis: str, own: list[str], twin: tuple[str, ...]) -> str:
    return twin[own.index(axis)] if axis in own else axis


def _each(c: Context, batch: list[str]) -> str:
    if not batch:
        return ":"
    return f", one for each {', '.join(c.printer.names.of(a) for a in batch)}:"


def write_joint(c: Context, form: Joint) -> bool:
    """One system for several parameters, by blocks."""
    p, style = c.printer, c.printer.style
    p.names.given.clear()
    for axis in (*form.batch, *(a for cell in form.cells for a in cell)):
        p.names.of(axis)
    c.page.say(
        "Their shares of Q are quadratic and need each other, so they are solved together, as one"
        " vector" + _each(c, list(form.batch))
    )
    right, matrix = _names(c)
    vector = ", ".join(c.name(n) for n in form.params)
    c.page.formula("", f"{matrix} ({vector}) = {right}")
    for i, name in enumerate(form.params):
        rows = [p.index(a) for a in form.cells[i]]
        c.page.formula(style.at(f"{right}^{_label(c, name)}", rows), c.show(form.right[i]))
    for i, name in enumerate(form.params):
        for j in range(i, len(form.params)):
            rows = [p.index(a) for a in form.cells[i]]
            columns = [p.index(a) for a in form.twins[j]]
            label = f"{_label(c, name)},{_label(c, form.params[j])}"
            label = f"{{{label}}}" if not p.inline else f"({label})"
            entry = sp.expand(form.matrix[i][j])
            c.page.formula(style.at(f"{matrix}^{label}", [*rows, *columns]), c.show(entry))
    c.page.say(f"The blocks of {matrix} below its diagonal are the transposes of those above.")
    c.page.formula(f"({vector})", f"{style.inverse(matrix)} {right}")
    c.page.say(_WHY.format(matrix))
    return True


def _label(c: Context, name: str) -> Math:
    text = c.printer.style.name(name)
    return Math(text if c.printer.inline else f"{{{text}}}")
