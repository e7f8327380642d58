"""Terms that mix data and parameters: what they are, and what they add to the E-step's cost."""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp

from emdsl.derive.atoms import LogSumExp, Stat, SumOf
from emdsl.derive.joint import Joint
from emdsl.derive.mstep.solve import MStep
from emdsl.derive.statistics import Derived
from emdsl.inference.plan import PiecePlan
from emdsl.report.cost import Counted, count, largest, order, rows_of, times, written
from emdsl.report.forms import expressions
from emdsl.report.joint import definition
from emdsl.report.listed import listed
from emdsl.report.page import Page
from emdsl.report.printer import Printer
from emdsl.report.rows import live_formula
from emdsl.report.style import Math, Style


def write_live(page: Page, derived: Derived, m_step: MStep) -> None:
    """The terms that no statistic holds, and the sums of them that updates use."""
    if not derived.live:
        return
    style = page.style
    names = list(dict.fromkeys(n for x in derived.live for n in x.params))
    page.say(
        "What is left are terms that mix data and parameters. The E-step evaluates them row by row"
        " at the parameters as they are. The M-step of ",
        *listed([Math(style.name(n)) for n in names]), " sums them over the rows",
        (", weighted with the posterior," if any(x.scope for x in derived.live) else ""),
        " at every value that it tries:",
    )  # fmt: skip
    for term in derived.live:
        p = Printer(style, derived.joint, elements=True)
        left = p.style.function("log p", p.style.name(term.node), bare=False)
        page.formula(left, live_formula(p, term), "∋")
    _write_sums(page, derived, m_step)


def _write_sums(page: Page, derived: Derived, m_step: MStep) -> None:
    """Live statistics: in the closed updates of other parameters."""
    atoms = derived.joint.atoms
    used = {
        a.name for u in m_step.updates for e in expressions(u.form) for a in atoms.deep(e)
        if isinstance(a, Stat) and a.params
    }  # fmt: skip
    live = {t.statistic.name: t.statistic for t in derived.live_terms if t.statistic is not None}
    if used:
        page.say("Other updates use sums of them, which are taken anew when these have moved:")
        for name in sorted(used):
            page.formula(*definition(page, derived.joint, live[name]))


def write_potentials(page: Page, joint: Joint, pieces: Iterable[PiecePlan]) -> list[Counted]:
    """What the E-step does with such terms; what that takes, nothing where there are none."""
    found = []
    for piece in pieces:
        live = [*piece.direct_live, *(x for c in piece.clusters for x in c.live)]
        found += [
            times(rows_of(joint, piece.level), count(joint, tuple(sorted(axes - {piece.plate}))))
            for term in live
            for axes in _loops(term.expr, joint)
        ]
    costs = largest(found)
    if costs:
        page.say(
            "The terms that mix data and parameters are evaluated in each row and added to the log"
            " densities: ",
            order(page.style, [written(page.style, c) for c in costs]),
            ".",
        )
    return costs


def kept(style: Style, joint: Joint, pieces: Iterable[PiecePlan]) -> list[str]:
    """What the E-step keeps of each row for M-steps that sum over rows."""
    found = []
    for piece in pieces:
        for scope in {x.scope for c in piece.clusters for x in c.live}:
            cluster = min(
                (c for _, c in piece.finite if set(scope) <= set(c.latents)),
                key=lambda c: len(c.latents),
            )
            found.append(times(rows_of(joint, piece.level), count(joint, cluster.latents)))
    if not found:
        return []
    words = " + ".join(written(style, c) for c in largest(found))
    return [Math(words), " for the posteriors of the rows, which its M-steps sum over, "]


def _loops(expr: sp.Expr, joint: Joint) -> list[frozenset[str]]:
    """The axes of an expression, and of each sum in it."""
    out = [joint.atoms.axes_of(expr)]
    for symbol in expr.free_symbols:
        atom = joint.atoms.atom(symbol)
        if isinstance(atom, SumOf | LogSumExp):
            out += _loops(atom.body, joint)
    return out
