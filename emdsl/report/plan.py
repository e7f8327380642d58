"""The E-step: the strategy of each piece, what is summed out when, and what it costs."""

from __future__ import annotations

from emdsl.derive.joint import Joint
from emdsl.inference.match import Match
from emdsl.inference.plan import Cluster, PiecePlan, Plan
from emdsl.inference.strategy import STRATEGIES, levels_of
from emdsl.report.cost import features_cost, memory, order, written
from emdsl.report.coupled import mean_size, numbered, write_structure
from emdsl.report.live import kept, write_potentials
from emdsl.report.page import Page
from emdsl.report.printer import Printer
from emdsl.report.shares import Shares
from emdsl.report.style import Math


def write_plan(page: Page, plan: Plan, *, cyclic: bool) -> None:
    """The section on the E-step; `cyclic` says that an update uses an old value."""
    page.section("E-step")
    structures = {i: s for s in plan.structures for i in s.pieces}
    done: set[int] = set()
    for i, piece in enumerate(plan.pieces):
        structure = structures.get(i)
        if i in done:
            continue
        _write_head(page, plan, piece.match)
        if structure is None:
            _write_piece(page, plan, piece)
        else:
            done |= set(structure.pieces)
            write_structure(page, plan, structure)
    if all(not piece.clusters for piece in plan.pieces):
        page.say(
            "Nothing is latent: one M-step, climbed to its end, is the maximum."
            if plan.derived.live and not cyclic
            else "The statistics are sums over the data, the same in every iteration: "
            + ("only the M-step is iterated." if cyclic else "the first M-step is the maximum.")
        )


def _write_head(page: Page, plan: Plan, match: Match) -> None:
    names = ", ".join(match.piece.variables)
    levels = match.piece.levels
    plates = " and ".join(", ".join(level.plates) for level in levels)
    several = len(levels) > 1 or len(levels[0].plates) > 1
    page.heading(f"Plate{'s' * several} {plates} ({names}): strategy {match.strategy}")
    for name, reason in refusals(plan, match):
        page.item(f"{name} isn't exact here: {reason}")
    why = _WHY.get(match.strategy, "the first that fits")
    page.item(f"{match.strategy}: {_COUPLED if match.coupled else why}")


def _write_piece(page: Page, plan: Plan, piece: PiecePlan) -> None:
    joint = plan.derived.joint
    if piece.clusters:
        _write_elimination(page, joint, piece)
    held = "features and the posterior" if piece.clusters else "features"
    plate = ", ".join(piece.level.plates)
    evaluated = write_potentials(page, joint, [piece])
    page.say(
        "Time of an iteration: ",
        order(page.style, [*(written(page.style, c) for c in evaluated),
                           *features_cost(page.style, joint, piece, evaluated)]),
        *mean_size(page.style, joint, piece.level),
        ". Memory beside the data: ", memory(page.style, joint, [piece]),
        " numbers for the statistics, ", *kept(page.style, joint, [piece]), "and the ", held,
        f" of one block of the elements of {plate} at a time.",
    )  # fmt: skip


_WHY = {
    "none": "nothing is latent, so nothing is summed out",
    "finite": "every latent has finitely many values and stays within one element of the plate",
}
_COUPLED = (
    "every latent has finitely many values, and there is an order to sum them out in, though some"
    " are seen from other elements than their own"
)


def refusals(plan: Plan, chosen: Match) -> list[tuple[str, str]]:
    """Each earlier strategy with its reason."""
    out: list[tuple[str, str]] = []
    for name, match in STRATEGIES:
        found = match(levels_of(plan.derived.joint.model), chosen.piece)
        if isinstance(found, Match):
            break
        out.append((name, found.reason))
    return out


def _write_elimination(page: Page, joint: Joint, piece: PiecePlan) -> None:
    p = Printer(page.style, joint, elements=True, level=piece.level)
    page.say("The latents are summed out one after another, in log space:")
    for i, cluster in enumerate(piece.clusters):
        page.formula(*_message(p, joint, piece, i, cluster))
    last = [i for i, c in enumerate(piece.clusters) if len(c.latents) == 1]
    evidence = " + ".join(_name(p, i, piece.clusters[i]) for i in last)
    extra = (
        " + the terms without a latent"
        if piece.direct or piece.direct_given or piece.direct_live
        else ""
    )
    page.say("The log evidence of an element is ", Math(evidence), extra, ".")
    page.say(
        "Backward, the posterior of each cluster's latents is the derivative of the log evidence"
        " with respect to the log factors: the softmax of each sum above, times the posterior of"
        " the latents its message was passed to."
    )


def _name(p: Printer, i: int, cluster: Cluster) -> str:
    base = numbered(p, "m", i + 1)
    rest = ", ".join(p.latent(a) for a in cluster.latents[1:])
    return f"{base}({rest})" if rest else base


def _message(
    p: Printer, joint: Joint, piece: PiecePlan, i: int, cluster: Cluster
) -> tuple[str, str]:
    style = p.style
    shares = Shares(joint, {(0, j): c for j, c in enumerate(piece.clusters)})
    parts = shares.of(p, {(0, i)})
    parts += [_name(p, child, piece.clusters[child]) for child in cluster.children]
    inner = " + ".join(parts) if parts else "0"
    total = style.sum([p.latent(cluster.latents[0])])
    exp = style.function("exp", inner, bare=False)
    return _name(p, i, cluster), style.function("log", f"{total} {exp}", bare=True)
