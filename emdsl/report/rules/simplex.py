"""Shares that sum to one, by a Lagrange multiplier."""

from __future__ import annotations

from emdsl.derive.mstep.block import Normalized
from emdsl.report.rules.context import Context
from emdsl.report.style import Math


def write(c: Context, form: Normalized) -> bool:
    """Q, the multiplier, and the shares."""
    p, style, page = c.printer, c.printer.style, c.page
    last = p.index(c.update.cell[-1])
    letter = c.letters()[0]
    entry = c.entry()
    count = Math(style.at(style.name(letter), [last]))
    total = style.sum([last])
    logged = style.function("log", entry, bare=True)
    multiplier = style.name("lambda") if not p.inline else "λ"
    page.say("Its share of Q is linear in logs, with expected counts ", count, ":")
    page.formula("Q", f"{total} {count} {logged}")
    page.formula(count, c.show(form.counts))
    page.say("With a multiplier ", Math(multiplier), " for the constraint that it sums to 1:")
    ratio = style.over(count, entry)
    page.formula("", f"{ratio} {style.minus} {multiplier} = 0")
    other = style.name(p.names.fresh(c.atoms.axes[c.update.cell[-1]].extent))
    page.formula(
        entry, style.over(count, f"{style.sum([other])} {style.at(style.name(letter), [other])}")
    )
    sure = ", as" if form.counts.is_nonnegative else " where"
    page.say(f"It is the maximum: Q is concave{sure} no count is negative.")
    return True
