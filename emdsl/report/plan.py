"""The E-step: the strategy of each piece, what is summed out when, and what it costs."""

from __future__ import annotations

from dataclasses import replace

from emdsl.derive.joint import Joint
from emdsl.derive.statistics import Feature
from emdsl.inference.match import Match
from emdsl.inference.plan import Cluster, PiecePlan, Plan
from emdsl.inference.strategy import STRATEGIES
from emdsl.report.joint import count
from emdsl.report.model import parents_of
from emdsl.report.page import Page
from emdsl.report.printer import Printer
from emdsl.report.style import Math, Style


def write_plan(page: Page, plan: Plan, *, cyclic: bool) -> None:
    """The section on the E-step; `cyclic` says that an update uses an old value."""
    page.section("E-step")
    for piece in plan.pieces:
        _write_piece(page, plan, piece)
    if all(not piece.clusters for piece in plan.pieces):
        page.say(
            "The statistics are sums over the data, the same in every iteration: "
            + ("only the M-step is iterated." if cyclic else "the first M-step is the maximum.")
        )


def _write_piece(page: Page, plan: Plan, piece: PiecePlan) -> None:
    joint = plan.derived.joint
    names = ", ".join(piece.match.piece.variables)
    page.heading(f"Plate {piece.plate} ({names}): strategy {piece.match.strategy}")
    for name, reason in refusals(plan, piece):
        page.item(f"{name} isn't exact here: {reason}")
    page.item(f"{piece.match.strategy}: {_WHY.get(piece.match.strategy, 'the first that fits')}")
    if piece.clusters:
        _write_elimination(page, joint, piece)
    held = "features and the posterior" if piece.clusters else "features"
    page.say(
        "Time of an iteration: ", cost(page.style, joint, piece), ". Memory beside the data: ",
        memory(page.style, joint, piece), " numbers for the statistics, and the ", held,
        f" of one block of the elements of {piece.plate} at a time.",
    )  # fmt: skip


_WHY = {
    "none": "nothing is latent, so nothing is summed out",
    "finite": "every latent has finitely many values and stays within one element of the plate",
}


def refusals(plan: Plan, piece: PiecePlan) -> list[tuple[str, str]]:
    """Each earlier strategy with its reason."""
    out: list[tuple[str, str]] = []
    for name, match in STRATEGIES:
        found = match(plan.derived.joint.model, piece.match.piece)
        if isinstance(found, Match):
            break
        out.append((name, found.reason))
    return out


def _write_elimination(page: Page, joint: Joint, piece: PiecePlan) -> None:
    p = Printer(page.style, joint, elements=True)
    page.say("The latents are summed out one after another, in log space:")
    for i, cluster in enumerate(piece.clusters):
        page.formula(*_message(p, joint, piece, i, cluster))
    last = [i for i, c in enumerate(piece.clusters) if len(c.latents) == 1]
    evidence = " + ".join(_name(p, i, piece.clusters[i]) for i in last)
    extra = " + the terms without a latent" if piece.direct or piece.direct_given else ""
    page.say("The log evidence of an element is ", Math(evidence), extra, ".")
    page.say(
        "Backward, the posterior of each cluster's latents is the derivative of the log evidence"
        " with respect to the log factors: the softmax of each sum above, times the posterior of"
        " the latents its message was passed to."
    )


def _name(p: Printer, i: int, cluster: Cluster) -> str:
    base = f"m{i + 1}".translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")) if p.inline else (
        f"m_{{{i + 1}}}")  # fmt: skip
    rest = ", ".join(p.latent(a) for a in cluster.latents[1:])
    return f"{base}({rest})" if rest else base


def _message(
    p: Printer, joint: Joint, piece: PiecePlan, i: int, cluster: Cluster
) -> tuple[str, str]:
    style = p.style
    spans = {g.span for g in cluster.given}
    found = {t.node for t in cluster.terms} | {n.name for n in joint.nodes if n.span in spans}
    parts = []
    for name in (n.name for n in joint.nodes if n.name in found):
        part = style.function("log p", _conditional(p, joint, name), bare=False)
        inner = "".join(f"{style.sum([a])} " for a in joint.model.variable(name).plates[1:])
        parts.append(inner + _share(p, part, piece, name, cluster))
    parts += [_name(p, child, piece.clusters[child]) for child in cluster.children]
    inner = " + ".join(parts) if parts else "0"
    total = style.sum([p.latent(cluster.latents[0])])
    exp = style.function("exp", inner, bare=False)
    return _name(p, i, cluster), style.function("log", f"{total} {exp}", bare=True)


def _share(p: Printer, part: str, piece: PiecePlan, name: str, cluster: Cluster) -> str:
    """Which terms of a node are meant, where several sums have some."""
    have = [c for c in piece.clusters if any(t.node == name for t in c.terms)]
    if len(have) < 2 or cluster not in have:
        return part
    later = have.index(cluster) > 0
    word = p.style.word(" where only " if later else " where ")
    verb = p.style.word(" enters")
    return f"({part}{word}{p.latent(cluster.latents[0])}{verb})"


def _conditional(p: Printer, joint: Joint, name: str) -> str:
    """x_n | z_n: a node and its parents among the variables."""
    model = joint.model
    variables = {v.name: v for v in model.variables}
    axis = joint.latent_axes.get(name)
    own = p.latent(axis) if axis else p.entry(p.style.name(name), name, variables[name].plates)
    parents = []
    for parent in parents_of(model, name):
        if parent in joint.latent_axes:
            parents.append(p.latent(joint.latent_axes[parent]))
        elif parent in variables:
            parents.append(p.entry(p.style.name(parent), parent, variables[parent].plates))
    if not parents:
        return own
    bar = " | " if p.inline else r" \mid "
    return own + bar + ", ".join(parents)


# --- cost --------------------------------------------------------------------------------------

Counted = tuple[int, tuple[str, ...]]  # a number times named sizes


def cost(style: Style, joint: Joint, piece: PiecePlan) -> Math:
    """Operations of one iteration, in the sizes: O(N K (1 + D + D^2))."""
    n = str(joint.model.plate(piece.plate).extent)
    found: dict[tuple[tuple[str, ...], tuple[Counted, ...]], int] = {}
    parts: list[tuple[Counted, tuple[Feature, ...]]] = [
        (count(joint, _in_order(piece, c)), c.features) for c in piece.clusters
    ]
    every = [f for _, features in parts for f in features] + list(piece.direct_features)
    once = tuple(replace(f, axes=(*f.axes, *f.sums)) for f in every if f.sums)
    if piece.direct_features or once or not parts:
        parts.append(((1, ()), (*piece.direct_features, *once)))
    for (number, names), features in parts:
        entries = {count(joint, f.axes)[1]: count(joint, f.axes) for f in features}
        key = (names, tuple(sorted(entries.values(), key=lambda e: (len(e[1]), e[1]))))
        found[key] = max(found.get(key, 0), number)
    kept = [
        (names, entries, number) for (names, entries), number in found.items()
        if not any(_below((names, entries, number), (a, b, m)) for (a, b), m in found.items())
    ]  # fmt: skip
    shown = [_product(style, n, names, entries, number) for names, entries, number in kept]
    return Math(style.function("O", " + ".join(dict.fromkeys(shown)), bare=False))


def _in_order(piece: PiecePlan, cluster: Cluster) -> tuple[str, ...]:
    return tuple(a for a in piece.latents if a in cluster.latents)


_Part = tuple[tuple[str, ...], tuple[Counted, ...], int]


def _below(one: _Part, other: _Part) -> bool:
    """Whether a part is of no larger order than another part."""
    fits = set(one[0]) <= set(other[0]) and {e[1] for e in one[1]} <= {e[1] for e in other[1]}
    return fits and one != other and one[2] <= other[2]


def _product(
    style: Style, n: str, names: tuple[str, ...], entries: tuple[Counted, ...], number: int
) -> str:
    words = [str(number)] if number > 1 else []
    words += [style.name(n), _monomial(style, names)]
    inner = [_monomial(style, e[1]) or "1" for e in entries]
    if len(inner) > 1:
        words.append(f"({' + '.join(inner)})")
    elif inner and inner != ["1"]:
        words += inner
    return " ".join(w for w in words if w)


def memory(style: Style, joint: Joint, piece: PiecePlan) -> Math:
    """How many numbers the statistics of a piece are."""
    totals: dict[tuple[str, ...], int] = {}
    for s in piece.statistics:
        number, names = count(joint, s.axes)
        totals[names] = totals.get(names, 0) + number
    parts = []
    for names in sorted(totals, key=lambda x: (len(x), x)):
        word, number = _monomial(style, names), totals[names]
        parts.append(word if number == 1 and word else f"{number} {word}".strip())
    return Math(" + ".join(parts) or "0")


def _monomial(style: Style, names: tuple[str, ...]) -> str:
    words = []
    for name in dict.fromkeys(names):
        power = names.count(name)
        base = style.name(name)
        words.append(base if power == 1 else style.power(base, str(power)))
    return " ".join(words)
