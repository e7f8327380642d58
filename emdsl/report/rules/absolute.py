"""Absolute deviations: a median, or as many of them zero as there are unknowns."""

from __future__ import annotations

import sympy as sp

from emdsl.derive.atoms import Elem
from emdsl.derive.mstep.share import Absolute, Deviation, RowPart
from emdsl.report.rows import with_rows
from emdsl.report.rules.context import Context
from emdsl.report.style import Math

_MIDPOINT = "between two that are as good, their midpoint (Koenker 2005, section 1.3)"

_PROGRAM = (
    "Where it is highest some deviations are zero. They are held there while Q, quadratic until "
    "another deviation changes its sign, is raised to the top of that piece by one linear system; "
    "one is let go where Q rises on one of its sides, another joins where it stops the rise."
)


def write(c: Context, form: Absolute) -> bool:
    """Q in the parameters, and how the highest of its corners is found."""
    page = c.page
    entries = [_entry(form, i, c) for i in range(len(form.params))]
    total: sp.Expr = sp.Integer(0)
    rows: list[RowPart] = []
    for d in form.deviations:
        one = -d.weight * sp.Abs(_inside(d, form, entries, c))
        if d.plate:
            rows.append(RowPart(d.plate, d.latents, one, frozenset(d.sums)))
        else:
            total += c.atoms.sum(d.sums, one)
    for entry, own, slope in zip(entries, form.cells, form.slope, strict=True):
        total += c.atoms.sum(own, slope * entry)
    page.say(
        "Its share of Q, without positive factors that all terms have and without the terms that "
        "are free of it:"
    )
    for entry, own, row in zip(entries, form.cells, form.curve, strict=False):
        for j, (other, curve) in enumerate(zip(form.twins, row, strict=True)):
            square = curve * entry * _entry(form, j, c, form.twins) / 2
            total += c.atoms.sum((*own, *other), square)
    page.formula("Q", with_rows(c.printer, "" if total == 0 else c.show(total), rows))
    if form.curve:
        page.say(
            "It is concave, with corners at which it has no derivative. "
            + ("Its maximum is at one of them, or between two where the slope is zero."
               if form.is_median else _PROGRAM if not form.apart else
               "One entry after the other is put where it is highest: at a corner, which may be "
               "exactly zero, or where the slope is; until none moves, which is the maximum "
               "(Tseng 2001).")
        )  # fmt: skip
        _in_order(c, form, entries[0])
        return True
    page.say(
        "It is concave and piecewise linear: it has no derivative at its corners, and its "
        "maximum is at one of them."
    )
    if form.is_median:
        (d, *more) = form.deviations
        design = d.design[0]
        what = "median" if form.slope[0] == 0 else "quantile"
        if more or design != 1:
            page.say(
                f"It is the weighted {what} of the values at which one deviation is zero; "
                f"{_MIDPOINT}."
            )
        else:
            page.say(f"It is the weighted {what} of ", Math(c.show(d.target)),
                     f"; {_MIDPOINT}.")  # fmt: skip
    else:
        page.say(
            "There as many deviations are zero as there are unknowns. From such a corner the one "
            "whose release raises Q fastest is let go, and another becomes zero where Q is highest "
            "on the way, until none raises it (Bloomfield and Steiger 1983)."
        )
    _in_order(c, form, entries[0])
    return True


def _in_order(c: Context, form: Absolute, entry: sp.Symbol) -> None:
    """What becomes of entries that may not fall."""
    if c.derived.joint.model.param(form.params[0]).type.kind != "ordered":
        return
    page, style = c.page, c.page.style
    atom = c.atoms.atom(entry)
    assert isinstance(atom, Elem)
    k = c.printer.index(atom.idx[-1])
    i, j = (style.name(x) for x in [x for x in "ijlm" if x != k][:2])
    best = style.at("M", [i, j])
    page.say(
        "That is so of entries that come out in order. Neighbours that don't are pooled until all "
        "do, the maximum among ordered ones (Best, Chakravarti and Ubhaya 2000), which comes to"
    )
    largest = f"{style.word('the largest over ')}{i} {style.relation('le')} {k}"
    least = f"{style.word(' of the least over ')}{j} {style.relation('ge')} {k}"
    page.formula(c.show(entry), f"{largest}{least}{style.word(' of ')}{best}")
    page.say("with ", Math(best), " where Q is highest if all entries from ", Math(i), " to ",
             Math(j), " are one number (Robertson, Wright and Dykstra 1988).")  # fmt: skip


def _entry(
    form: Absolute, i: int, c: Context, cells: tuple[tuple[str, ...], ...] = ()
) -> sp.Symbol:
    name, order = form.params[i], form.places[i]
    axes = (*form.batch, *(cells or form.cells)[i])
    idx = tuple(axes[order.index(k)] for k in range(len(order)))
    kind = c.derived.joint.model.param(name).type.kind
    return c.atoms.symbol(Elem("param", name, idx, kind))


def _inside(d: Deviation, form: Absolute, entries: list[sp.Symbol], c: Context) -> sp.Expr:
    inside = d.target
    for entry, own, design in zip(entries, form.cells, d.design, strict=True):
        inside -= c.atoms.sum(own, design * entry)
    return inside
