"""The share of Q of a parameter that a matrix multiplies, and how the matrix cancels."""

from __future__ import annotations

import sympy as sp

from emdsl.derive.mstep.block import Entries
from emdsl.report.printer import PRODUCT
from emdsl.report.rules.context import Context
from emdsl.report.style import Math
from emdsl.report.tidy import fraction, gathered, matrix_factor


def write_share(c: Context) -> None:
    """The terms of Q with the parameter, summed over all their axes."""
    parts = []
    for axes, expr in gathered(c.terms(), c.atoms, c.symmetric):
        head = ""
        if axes:
            ordered = sorted(axes, key=lambda a: (c.atoms.axes[a].role != "latent", a))
            head = c.printer.style.sum([c.printer.index(a) for a in ordered]) + " "
        parts.append(head + c.printer.show(sp.factor_terms(expr), PRODUCT))
    c.page.formula("Q", " + ".join(parts))


def write_by_matrix(c: Context, form: Entries) -> bool:
    """A mean's update: the covariance is in every term of the gradient, and cancels."""
    names = [matrix_factor(t.basis, c.param.name, c.atoms) for t in c.terms()]
    found = {n for n in names if n is not None}
    if len(found) != 1 or None in names:
        return False
    share = Context(c.page, type(c.printer)(c.page.style, c.derived.joint), c.derived, c.update)
    share.printer.names.given.clear()
    c.page.say("Its share of Q is quadratic:")
    write_share(share)
    top, bottom = sp.fraction(fraction(c.tidy(form.value)))
    name = found.pop()
    matrix = Math(c.printer.style.name(name))
    slope = c.printer.show(sp.expand(top))
    rotated = c.derived.joint.model.param(name).type.kind == "orthogonal"
    head = (
        ("the inverse of a covariance with the axes ", matrix, ",")
        if rotated
        else ("the matrix ", matrix, " or its inverse,")
    )
    c.page.say(
        "Its gradient is ", *head, " times a vector. The matrix is invertible, so every entry of"
        " the vector is 0:",
    )  # fmt: skip
    inner = c.printer.show(bottom, PRODUCT)
    c.page.formula("", f"{slope} {c.printer.style.minus} {inner} {c.entry()} = 0")
    c.page.say("so that")
    c.page.formula(c.entry(), c.printer.show(fraction(c.tidy(form.value))))
    c.page.say("It is the maximum: Q is minus a sum of squares in it, so it is concave.")
    return True
