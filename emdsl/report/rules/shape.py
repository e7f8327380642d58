"""A vector whose product is 1, by a Lagrange multiplier on the sum of its logs."""

from __future__ import annotations

import sympy as sp

from emdsl.derive.mstep.block import UnitProduct
from emdsl.report.rules.context import Context
from emdsl.report.style import Math


def write(c: Context, form: UnitProduct) -> bool:
    """Q, the multiplier, and the entries."""
    p, style, page = c.printer, c.printer.style, c.page
    last = c.update.cell[-1]
    d = p.index(last)
    log_letter, power_letter = c.letters()[:2]
    a = style.at(style.name(log_letter), [d] if _varies(c, form.logs) else [])
    b = style.at(style.name(power_letter), [d])
    entry, total = c.entry(), style.sum([d])
    logged = style.function("log", entry, bare=True)
    powered = _power(c, entry, form.power)
    multiplier = Math("λ" if p.inline else style.name("lambda"))
    page.say("Each entry stands in its share of Q as a log and as a power:")
    page.formula("Q", f"{total} {a} {logged} {style.minus} {total} {b} {powered}")
    page.formula(a, c.show(form.logs))
    page.formula(b, c.show(sp.expand(-form.powers)))
    page.say("With a multiplier ", multiplier, " for the constraint that the logs sum to 0:")
    page.formula("", f"{total} {logged} = 0")
    slope = _scaled(c, -form.power, f"{b} {powered}")
    page.formula("", f"{a}{slope} {style.minus} {multiplier} = 0")
    if _varies(c, form.logs):
        page.say(
            "It has one root: with the entries it gives put into the constraint, the sum of the"
            " logs is concave and monotone in ", multiplier, ", and Newton climbs to where it is"
            " 0.",
        )  # fmt: skip
    else:
        other = p.names.fresh(c.atoms.axes[last].extent)
        each = style.at(style.name(power_letter), [style.name(other)])
        product = f"{style.product([style.name(other)])} {each}"
        size = p.show(c.atoms.size_of(last))
        root = style.power(f"({product})", f"1/{size}" if p.inline else f"{{1/{size}}}")
        page.formula(_power(c, entry, -form.power), style.over(b, root))
    page.say(
        "It is the maximum: in the logs of the entries Q is concave, and the constraint is linear."
    )
    return True


def _varies(c: Context, expr: sp.Expr) -> bool:
    return c.update.cell[-1] in c.atoms.axes_of(expr)


def _power(c: Context, entry: str, power: sp.Rational) -> str:
    return entry if power == 1 else c.printer.style.power(entry, str(power))


def _scaled(c: Context, factor: sp.Rational, text: str) -> str:
    """` + 2 B t^-2`: a term with its sign."""
    sign = "+" if factor > 0 else c.printer.style.minus
    size = "" if abs(factor) == 1 else f"{c.printer.show(abs(factor))} "
    return f" {sign} {size}{text}"
