"""The M-step: each update as a derivation, from its share of Q to its formula."""

from __future__ import annotations

from dataclasses import dataclass

from emdsl.derive.joint import Joint
from emdsl.derive.mstep.block import (
    BestOf,
    Eigenvectors,
    Entries,
    Linear,
    MatrixQuadratic,
    MatrixValue,
    Normalized,
    Patterned,
    Planes,
    UnitProduct,
    Update,
)
from emdsl.derive.mstep.block import (
    Joint as JointForm,
)
from emdsl.derive.mstep.share import Absolute, Numeric
from emdsl.derive.mstep.solve import MStep
from emdsl.derive.statistics import Derived
from emdsl.report.forms import expressions
from emdsl.report.listed import listed
from emdsl.report.page import Page
from emdsl.report.printer import Printer
from emdsl.report.rules import (
    absolute,
    constraints,
    entries,
    logdet,
    matrix_quadratic,
    numeric,
    patterned,
    rotation,
    shape,
    simplex,
    systems,
)
from emdsl.report.rules.context import Context
from emdsl.report.style import Math


@dataclass(frozen=True)
class _When:
    """Which values of other parameters an update uses."""

    newer: tuple[str, ...]
    older: tuple[str, ...]


def write_updates(page: Page, derived: Derived, m_step: MStep, *, iterated: bool) -> None:
    """The section on the M-step; `iterated` says that it is one of many, something being latent."""
    page.section("M-step")
    kind = "Q, the expectation above" + (", plus the log prior" if derived.priors else "")
    page.say(f"Each parameter maximises {kind}, with the statistics held fixed, in this order:")
    if any(isinstance(u.form, Numeric) for u in m_step.updates):
        numeric.write_method(page, iterated=iterated)
    done: list[str] = []
    for number, update in enumerate(m_step.updates, 1):
        own = update.solved
        needs = update.needs - set(own)
        model = derived.joint.model
        when = _When(
            tuple(p.name for p in model.params if p.name in needs and p.name in done),
            tuple(p.name for p in model.params if p.name in needs and p.name not in done),
        )
        _write(page, number, update, derived)
        _write_when(page, when, cyclic=update.param in m_step.cyclic)
        done += own
    if m_step.cyclic:
        page.say(
            "Some updates use each other's values, so no order solves them all at once: each"
            " maximises Q over its own parameter with the others held (conditional maximisation,"
            " Meng and Rubin 1993). No step lowers Q, so the objective never falls."
        )


def _write(page: Page, number: int, update: Update, derived: Derived) -> None:
    joint = derived.joint
    printer = Printer(page.style, joint)
    context = Context(page, printer, derived, update)
    shown: list[str] = []
    for i, name in enumerate(update.solved):
        shown += [", " if i else "", Math(page.style.name(name))]
    page.heading(f"{number}. ", *shown, f"  ({update.rule})")
    written = False
    match update.form:
        case Normalized():
            written = simplex.write(context, update.form)
        case Entries() | BestOf():
            written = entries.write(context, constraints.plain(update.form))  # type: ignore[arg-type] # the same kind
        case Linear():
            written = systems.write(context, update.form)
        case JointForm():
            written = systems.write_joint(context, update.form)
        case MatrixValue():
            written = logdet.write(context, constraints.plain(update.form))  # type: ignore[arg-type] # the same kind
        case Absolute():
            written = absolute.write(context, update.form)
        case UnitProduct():
            written = shape.write(context, update.form)
        case Eigenvectors() | Planes():
            written = rotation.write(context, update.form)
        case Numeric():
            written = numeric.write(context, update.form)
        case MatrixQuadratic():
            written = matrix_quadratic.write(context, update.form)
        case Patterned():
            written = patterned.write(context, update.form)
    if not written:
        _write_record(context)
    constraints.write(context)
    _write_unpivot(page, joint, (update.param, *update.also))


def _write_record(context: Context) -> None:
    """What the rule noted, where nothing better can be said of it."""
    context.page.verbatim("\n".join(context.update.record))
    for expr in expressions(context.update.form):
        context.page.formula(context.entry(), context.show(expr))


def _write_unpivot(page: Page, joint: Joint, names: tuple[str, ...]) -> None:
    """A location is its pivot plus what was solved for."""
    pivoted = [n for n in names if n in joint.pivots]
    if pivoted:
        page.say("Back from the pivot:")
    for name in pivoted:
        p = Printer(page.style, joint)
        idx = [page.style.name(p.names.fresh(e)) for e in joint.model.param(name).shape]
        kept = [idx[i] for i in joint.pivots[name]]
        base = page.style.name(name)
        leader = page.style.name(joint.shifts.leaders.get(name, name))
        pivot = page.style.at(page.style.pivot(leader), kept)
        page.formula(
            page.style.at(base, idx), f"{pivot} + {page.style.at(page.style.about(base), idx)}"
        )


def _write_when(page: Page, when: _When, *, cyclic: bool) -> None:
    style = page.style

    def names(which: tuple[str, ...]) -> list[str]:
        return listed([Math(style.name(n)) for n in which])

    if when.newer:
        page.say("It uses the new ", *names(when.newer), ".")
    if when.older:
        reason = " (one of a circle of updates)" if cyclic else ""
        page.say(
            "It uses ", *names(when.older), f" as the previous iteration left it{reason}."
            if len(when.older) == 1
            else f" as the previous iteration left them{reason}.",
        )  # fmt: skip
