"""What constraints make of an update: what is pooled, held, solved in a subspace, or cut off."""

from __future__ import annotations

from typing import assert_never

from emdsl.derive.mstep.block import (
    BestOf,
    Entries,
    Joint,
    Linear,
    MatrixValue,
    Normalized,
    Patterned,
)
from emdsl.derive.mstep.restricted import Restriction
from emdsl.derive.mstep.share import Numeric
from emdsl.report.rules.context import Context
from emdsl.report.style import Math


def plain(form: Entries | BestOf | MatrixValue) -> Entries | BestOf | MatrixValue:
    """The form of an entry that nothing is tied to: its sums in place of their symbols."""
    sums = dict(form.pooled)
    match form:
        case Entries(value=value):
            return Entries(value.xreplace(sums))
        case BestOf(roots=roots, objective=objective):
            return BestOf(tuple(r.xreplace(sums) for r in roots), objective.xreplace(sums))
        case MatrixValue(value=value, invert=invert):
            return MatrixValue(value.xreplace(sums), invert)
        case _:
            assert_never(form)


def write(c: Context) -> None:
    """The paragraphs after an update that is solved under constraints."""
    update = c.update
    if update.copies:
        for copy, leader in update.copies:
            one, other = (Math(c.printer.style.name(n)) for n in (copy, leader))
            c.page.say(one, " equals ", other, " by a constraint: the terms of both are in this Q.")
    rules = c.restrictions.of.get(update.param, Restriction())
    if not update.under or rules == Restriction(texts=rules.texts):
        return
    c.page.say(f"Under the constraint{'s' * (len(update.under) > 1)}")
    for text in update.under:
        c.page.item(Math(text) if c.printer.inline else text)
    match update.form:
        case Linear() | Joint():
            _write_system(c)
        case Normalized():
            _write_shares(c, rules)
        case Entries() | BestOf() | MatrixValue():
            _write_entries(c, rules)
        case Patterned():
            _write_patterned(c, rules)
        case Numeric():
            _write_numeric(c)


def _write_system(c: Context) -> None:
    style = c.printer.style
    turned = "Mᵀ" if c.printer.inline else r"M^\top"
    c.page.say(
        "all the entries x that they tie together are c + M f with f free: c and M solve the"
        " equations. With H block diagonal over these entries, Q in f is quadratic too, and is"
        " highest where"
    )
    minus = style.minus
    c.page.formula(f"{turned} H M f", f"{turned} (g {minus} H c)")
    c.page.say(
        "It is the maximum: with H, ", Math(f"{turned} H M"), " is a sum of squares too, so Q is"
        " concave in f.",
    )  # fmt: skip
    bounded = any(
        c.restrictions.of[n].bounded for n in c.update.solved if n in c.restrictions.of
    )  # fmt: skip
    if bounded:
        c.page.say(
            "Where that lies beyond a bound, it is the highest point within the bounds: an active"
            " set method finds it exactly (Nocedal and Wright 2006, algorithm 16.3)."
        )


def _write_shares(c: Context, rules: Restriction) -> None:
    letter = Math(c.printer.style.name(c.letters()[0]))
    if rules.tied:
        c.page.say(
            "what is tied has one count, the sum of the ", letter, " of its entries; entries of"
            " one row that are tied share it equally, rows that are tied are all the same.",
        )  # fmt: skip
    if rules.fixed:
        c.page.say(
            "the multiplier is for the sum of the free entries, which is 1 less the fixed ones:"
            " they share that in proportion to their ", letter, ". What is fixed at 0 is"
            " impossible.",
        )  # fmt: skip
    if rules.bounded:
        _write_bounded_shares(c, letter)


def _write_bounded_shares(c: Context, letter: Math) -> None:
    """Multipliers of the bounds, beside that of the sum."""
    style, last = c.printer.style, c.printer.index(c.update.cell[-1])
    low, high = (style.name(name) for name in c.letters()[1:3])
    multiplier = "λ" if c.printer.inline else style.name("lambda")
    ratio = style.over(style.at(letter, [last]), multiplier)
    lifted = style.function("max", f"{ratio}, {low}", bare=False)
    c.page.say(
        "a bound has a multiplier too, which is 0 unless the entry is at it. So an entry between ",
        Math(low), " and ", Math(high), " is",
    )  # fmt: skip
    c.page.formula(c.entry(), style.function("min", f"{lifted}, {high}", bare=False))
    c.page.say(
        "with the one ", Math(multiplier), " at which the row sums to 1. Shares in proportion to"
        " the ", letter, " are put at the bounds that they break, of lower and upper ones those"
        " broken by more in sum, until none is broken (Bitran and Hax 1981). It is the maximum: Q"
        " is concave, and the bounds are linear.",
    )  # fmt: skip


def _write_patterned(c: Context, rules: Restriction) -> None:
    c.page.say("fixed entries keep their values, and entries that are tied are one number.")
    if rules.linear:
        c.page.say(
            "Linear equations of these numbers leave an affine subspace of matrices, in whose"
            " directions the gradient vanishes in place of each number's."
        )
    if rules.bounded:
        c.page.say(
            "A step of Newton's method within bounds is a quadratic program, solved by an active"
            " set: at a bound the gradient may point beyond it."
        )


def _write_numeric(c: Context) -> None:
    """Newton's method on what is left."""
    found = [c.restrictions.of[n] for n in c.update.solved if n in c.restrictions.of]
    c.page.say("Newton's method moves what they leave free: fixed entries stay.")
    if not all(r.apart for r in found):
        c.page.say(
            "ties and equations are linear in the unconstrained coordinates φ: these are c + M f"
            " with f free, in which the gradient is Mᵀ g and the Hessian Mᵀ H M."
            if c.printer.inline else
            "ties and equations are linear in the unconstrained coordinates: these are c + M f with"
            " f free, in which the gradient is M'g and the Hessian M'HM."
        )  # fmt: skip
    if any(r.bounded for r in found):
        c.page.say(
            "An entry that comes to its bound stays there, as long as Q rises beyond it."
        )  # fmt: skip


def _write_entries(c: Context, rules: Restriction) -> None:
    what = "matrices" if isinstance(c.update.form, MatrixValue) else "entries"
    if rules.tied:
        c.page.say(
            f"{what} that are tied have one Q, the sum of theirs: its coefficients are added up"
            " over them, and the same formula is applied to the sums."
        )
    if rules.fixed:
        c.page.say("fixed entries keep their values.")
    if rules.bounded:
        c.page.say(
            "Q rises up to its one stationary point and falls after it, so that of an entry beyond"
            " a bound the maximum is at the bound."
        )
