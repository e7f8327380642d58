"""The E-step: the strategy of each piece, and why those before it aren't exact."""

from __future__ import annotations

from emdsl.inference.match import Match
from emdsl.inference.plan import Plan
from emdsl.inference.strategy import STRATEGIES, levels_of
from emdsl.report.coupled import write_structure
from emdsl.report.page import Page
from emdsl.report.piece import write_integrals, write_piece
from emdsl.report.together import write_together


def write_plan(page: Page, plan: Plan, *, cyclic: bool) -> None:
    """The section on the E-step; `cyclic` says that an update uses an old value."""
    page.section("E-step")
    structures = {i: s for s in plan.structures for i in s.pieces}
    together = {i: s for s in plan.together for i in s.pieces}
    done: set[int] = set()
    headed: set[int] = set()
    for i, piece in enumerate(plan.pieces):
        if i in done:
            continue
        if id(piece.match) not in headed:
            headed.add(id(piece.match))
            _write_head(page, plan, piece.match)
        if i in structures:
            done |= set(structures[i].pieces)
            for n in structures[i].pieces:
                write_integrals(page, plan.derived.joint, plan.pieces[n])
            write_structure(page, plan, structures[i])
        elif i in together:
            done |= set(together[i].pieces)
            write_together(page, plan, together[i])
        else:
            write_piece(page, plan, piece)
    if all(not piece.clusters for piece in plan.pieces):
        page.say(
            "Nothing is latent: one M-step, climbed to its end, is the maximum."
            if plan.derived.live and not cyclic
            else "The statistics are sums over the data, the same in every iteration: "
            + ("only the M-step is iterated." if cyclic else "the first M-step is the maximum.")
        )


def _write_head(page: Page, plan: Plan, match: Match) -> None:
    names = ", ".join(match.piece.variables)
    single = plan.derived.joint.atoms.single
    levels = [level for level in match.piece.levels if level.axis != single]
    plates = " and ".join(", ".join(level.plates) for level in levels)
    several = len(levels) > 1 or len(levels[0].plates) > 1
    page.heading(f"Plate{'s' * several} {plates} ({names}): strategy {match.strategy}")
    for name, reason in refusals(plan, match):
        page.item(f"{name} isn't exact here: {reason}")
    page.item(f"{match.strategy}: {_why(match, single)}")


_WHY = {
    "none": "nothing is latent, so nothing is summed out",
    "finite": "every latent has finitely many values and stays within one element of the plate",
    "gaussian": "every latent is real, and the log joint is quadratic in all of them, so that their"
    " posterior is normal",
    "conjugate": "the functions of each latent in the log joint are those that a distribution with"
    " known moments has",
    "mixed": "given the discrete latents the continuous ones have posteriors of known form, whose"
    " log evidence is one more factor of what finite sums over",
}
_COUPLED = {
    "finite": "every latent has finitely many values, and there is an order to sum them out in,"
    " though some are seen from other elements than their own",
    "gaussian": "every latent is real, and the log joint is quadratic in all of them; rows tie"
    " elements to each other, so that all are conditioned on together",
    "mixed": "given the discrete latents of its row a continuous one has a posterior of known form,"
    " whose log evidence is one more factor of the row; there is an order to sum the discrete ones"
    " out in, though some are seen from other elements than their own",
}


def _why(match: Match, single: str) -> str:
    if match.coupled:
        return _COUPLED[match.strategy]
    why = _WHY[match.strategy]
    if match.home and match.home == single:
        why += "; what the rows say of what they share is added up"
    elif match.home:
        why += (
            f"; each row that sees latents of {match.home} sees one row of it only, where what it"
        )
        why += " says is added up"
    return why


def refusals(plan: Plan, chosen: Match) -> list[tuple[str, str]]:
    """Each earlier strategy with its reason."""
    out: list[tuple[str, str]] = []
    for name, match in STRATEGIES:
        found = match(levels_of(plan.derived.joint.model), chosen.piece)
        if isinstance(found, Match):
            break
        out.append((name, found.reason))
    return out
