"""The complete-data log likelihood, the objective, and the statistics they come down to."""

from __future__ import annotations

import sympy as sp

from emdsl.derive.atoms import Centered, Elem, LogInd, Pivot, Seen, Stat
from emdsl.derive.joint import Joint, Node
from emdsl.derive.levels import Level
from emdsl.derive.mstep.solve import MStep
from emdsl.derive.statistics import Derived, Statistic
from emdsl.derive.translations import translations_of
from emdsl.inference.continuous import is_continuous
from emdsl.report.forms import expressions
from emdsl.report.listed import listed
from emdsl.report.model import parents_of
from emdsl.report.page import Page
from emdsl.report.printer import PRODUCT, SUM, Printer
from emdsl.report.style import Math
from emdsl.report.tidy import plain_logs


def write_joint(page: Page, joint: Joint) -> None:
    """The section on the log joint, a node at a time, and what is maximised."""
    page.section("Complete-data log likelihood")
    page.say("With every node known, the log likelihood is a sum over the nodes:")
    for node in joint.nodes:
        _write_node(page, joint, node)
    seen = any(_mentions(n.log_density, joint, Seen) for n in joint.nodes)
    ruled = any(_mentions(n.log_density, joint, LogInd) for n in joint.nodes)
    words = ["Square brackets are 1 where what they say holds, and 0 elsewhere."]
    if ruled:
        words.append(" The log of a bracket that is 0 is minus infinity: it rules the case out.")
    if seen:
        words.append(" Missing data have a bracket of 0, so they drop out of the likelihood.")
    page.say("".join(words))
    _write_given(page, joint)
    _write_pivots(page, joint)
    _write_translations(page, joint)


def _mentions(expr: sp.Expr, joint: Joint, kind: type) -> bool:
    return any(isinstance(a, kind) for a in joint.atoms.deep(expr))


def _write_node(page: Page, joint: Joint, node: Node) -> None:
    level = joint.levels.of(joint.model.variable(node.name))
    p = Printer(page.style, joint, elements=True, level=level)
    body = p.show(plain_logs(node.log_density), PRODUCT)
    page.formula(_density_name(p, joint, node.name), plate_sum(p, joint, node) + body)


def plate_sum(p: Printer, joint: Joint, node: Node) -> str:
    """The sums over a node's plates and entries, with the weights of the plates."""
    out = row_sum(p, joint, node.plates[0]) if node.plates else ""
    for axis in node.plates[1:]:
        out += p.style.sum([p.index(axis)]) + " "
    return out + event_sum(p, joint, node)


def event_sum(p: Printer, joint: Joint, node: Node) -> str:
    """The sum over a node's entries."""
    free = joint.atoms.axes_of(node.log_density)
    events = sorted(a for a in free if joint.atoms.axes[a].role == "event")
    return p.style.sum([p.index(a) for a in events]) + " " if events else ""


def row_sum(p: Printer, joint: Joint, axis: str, start: int = 0) -> str:
    """The sum over rows, with the weights of their plates; over plates from `start` on."""
    out, held = "", []
    for plate in level_at(axis).plates[start:]:
        if plate == joint.atoms.single:
            continue
        held.append(p.plate(plate))
        if joint.model.plate(plate).weight is not None:
            out += p.style.sum(held) + " " + weight_of(p, joint, plate) + " "
            held = []
    return out + (p.style.sum(held) + " " if held else "")


def level_at(axis: str) -> Level:
    """The level whose rows have this axis."""
    return Level(tuple(axis.split(",")) if axis else ())


def weight_of(p: Printer, joint: Joint, axis: str) -> str:
    """How often an element of a plate counts."""
    weight = joint.model.plate(axis).weight
    assert weight is not None
    plates = (*joint.model.plate(axis).outer, axis)
    own = plates[len(plates) - len(weight.indices) :]
    return p.style.element(p.style.name(weight.name), ",".join(p.plate(a) for a in own))


def _density_name(p: Printer, joint: Joint, name: str) -> str:
    """log p(x | z, theta), with the node's own parents."""
    style = p.style
    parents = [style.name(n) for n in parents_of(joint.model, name) if n != name]
    given = f" | {', '.join(parents)}" if parents else ""
    if not p.inline:
        given = given.replace("|", r"\mid")
    return style.function("log p", style.name(name) + given, bare=False)


def _write_given(page: Page, joint: Joint) -> None:
    """Discrete data whose missing cells are summed over."""
    p = Printer(page.style, joint)
    for name in joint.levels.axes:
        v = joint.model.variable(name)
        if v.role == "data":
            observed = Math(p.entry(page.style.name(name), (joint.levels.of(v).axis,)))
            page.say(
                Math(p.element(name)),
                " is the value of ",
                observed,
                ", which is summed over where it is missing.",
            )


def _write_pivots(page: Page, joint: Joint) -> None:
    if not joint.pivots:
        return
    style = page.style
    names = sorted(joint.pivots)
    own = [n for n in names if n not in joint.shifts.leaders]
    data = sorted({m.name for n in joint.nodes for m in _centered(n, joint)})
    data += sorted(joint.shifts.latents)
    page.say(
        "Written about a pivot: ",
        *listed([Math(style.about(style.name(n))) for n in (*data, *names)]),
        " are ",
        *listed([Math(style.name(n)) for n in (*data, *names)]),
        " less the location at a fixed ",
        *listed([Math(style.pivot(style.name(n))) for n in own]),
        ". Only differences enter the density, so this changes nothing in it, and second moments"
        " about the pivot lose no digits where the data are far from 0.",
    )
    for name in own:
        p = Printer(style, joint)
        param = joint.model.param(name)
        idx = tuple(p.names.fresh(e) for e in param.shape)
        kept = [idx[i] for i in joint.pivots[name]]
        dropped = [i for j, i in enumerate(idx) if j not in joint.pivots[name]]
        base = style.name(name)
        over: list[str] = []
        if dropped:
            over = [", averaged over ", *listed([Math(style.name(d)) for d in dropped])]
        page.item(
            Math(style.at(style.pivot(base), [style.name(k) for k in kept])),
            " is ",
            Math(style.at(base, [style.name(i) for i in idx])),
            " as a first pass over the data gives it",
            *over,
            ".",
        )


def _write_translations(page: Page, joint: Joint) -> None:
    """What makes up for a constant taken off a covariate."""
    style = page.style
    for t in translations_of(joint):
        name = Math(style.name(t.array))
        if not (t.absorbed or t.own):
            continue
        named = [Math(style.name(n)) for n in (*(a.param for a in t.absorbed), *dict(t.own))]
        where = ", in the entry of a column that is the same everywhere," if t.own else ""
        makes = " makes" if len(named) == 1 else " make"
        page.say(
            "Where ", name, " is far from 0 the fit is to ", name, " less a constant, for which ",
            *listed(named), f"{where}{makes} up.",
        )  # fmt: skip


def _centered(node: Node, joint: Joint) -> list[Elem]:
    return [a.of for a in joint.atoms.deep(node.log_density) if isinstance(a, Centered)]


# --- the objective -----------------------------------------------------------------------------


def write_objective(page: Page, joint: Joint) -> None:
    """The section on what is maximised."""
    page.section("Objective")
    latents = [v for v in joint.model.variables if v.role == "latent"]
    about = "the log likelihood of the data"
    counted = [v.name for v in latents if not is_continuous(v)]
    others = [v.name for v in latents if is_continuous(v)]
    done = [f"{_and(names)} {how} out" for names, how in ((counted, "summed"),
            (others, "integrated")) if names]  # fmt: skip
    if done:
        about += f", with {' and '.join(done)}"
    if not joint.priors:
        page.say(f"EM maximises {about}.")
        return
    page.say(f"EM maximises the log posterior: {about}, plus the log priors")
    for node in joint.priors:
        p = Printer(page.style, joint, elements=True, plain=True)
        free = sorted(joint.atoms.axes_of(node.log_density))
        head = p.style.sum([p.index(a) for a in free]) + " " if free else ""
        left = p.style.function("log p", p.style.name(node.name), bare=False)
        body = plain_logs(_whole(node.log_density, joint))
        page.formula(left, head + p.show(body, PRODUCT if head else SUM))


def _and(names: list[str]) -> str:
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), names[-1]])


def _whole(expr: sp.Expr, joint: Joint) -> sp.Expr:
    """A prior as it was declared: of the parameter itself, not about its pivot."""
    atoms = joint.atoms
    zero = {s: sp.Integer(0) for s in expr.free_symbols if isinstance(atoms.atom(s), Pivot)}
    return expr.xreplace(zero)


# --- statistics --------------------------------------------------------------------------------


def write_statistics(page: Page, derived: Derived, m_step: MStep) -> None:
    """The section on the expected sufficient statistics."""
    page.section("Expected sufficient statistics")
    page.say(
        "The expectation of the complete-data log likelihood under the posterior of the latents"
        " depends on the data only through these sums. They are all that the E-step computes and"
        " all that the M-step is given."
        if not derived.live
        else "Through these sums the data enter the expectation of the complete-data log likelihood"
        " under the posterior of the latents, but for some terms that no sum over the data is"
        " enough for; they are below."
    )
    if any(s.moment is not None for s in derived.statistics):
        style = page.style
        page.say(
            Math(style.mean(f"{style.dot}{style.bar}{style.word('data')}")),
            " is a posterior expectation: continuous latents enter through those of functions of"
            " them.",
        )
    used = {", ".join((u.param, *u.also)): _statistics_in(u.form, derived) for u in m_step.updates}
    rows = []
    only_constant = []
    for s in derived.statistics:
        users = [n for n, stats in used.items() if s.name in stats]
        if users:
            rows.append((s, users))
        else:
            only_constant.append(s)
    for s, _ in rows:
        page.formula(*definition(page, derived.joint, s))
    style = page.style
    if rows:
        page.say("Shapes and uses:")
        page.table(
            [
                (Math(style.statistic(s.name)), _shape(derived.joint, s), f"for {', '.join(users)}")
                for s, users in rows
            ]
        )
    if only_constant:
        page.say("No update needs these, which only add to the value of the log likelihood:")
        for s in only_constant:
            page.formula(*definition(page, derived.joint, s))


def _statistics_in(form: object, derived: Derived) -> frozenset[str]:
    atoms = derived.joint.atoms
    return frozenset(
        a.name for e in expressions(form) for a in atoms.deep(e) if isinstance(a, Stat)
    )


def definition(page: Page, joint: Joint, s: Statistic) -> tuple[str, str]:
    """The statistic's entry and the sum it is."""
    p = Printer(page.style, joint, level=level_at(s.plate))
    style = p.style
    left = style.at(style.statistic(s.name), [p.index(a) for a in s.axes])
    out = row_sum(p, joint, s.plate)
    weighted = any(joint.model.plate(a).weight is not None for a in level_at(s.plate).plates)
    inner = ""
    if s.feature.sums:
        inner = style.sum([p.index(a) for a in s.feature.sums]) + " "
    feature = "" if s.feature.expr == 1 else p.show(s.feature.expr, PRODUCT)
    if not s.scope and s.moment is None:
        return left, out + inner + (feature or ("" if weighted else "1"))
    places = ", ".join(f"{p.latent(a)} = {p.index(a)}" for a in s.scope)
    data = style.word("data")
    means = []
    if s.scope:
        means.append(style.function("P", f"{places}{style.bar}{data}", bare=False))
    if s.moment is not None:
        known = f"{places}, {data}" if s.scope else data
        means.append(style.mean(f"{p.show(s.moment.expr)}{style.bar}{known}"))
    return left, out + " ".join(means) + (f" {inner}{feature}" if feature else "")


def _shape(joint: Joint, s: Statistic) -> str:
    extents = [str(joint.atoms.axes[a].extent) for a in s.axes]
    return " x ".join(extents) if extents else "one number"
