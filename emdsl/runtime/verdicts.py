"""How runs of EM end that don't converge: what is looked at, and what is said of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial

import numpy as np

from emdsl.runtime.boundary import Boundary
from emdsl.runtime.creeping import Creeping
from emdsl.runtime.em_run import Rules, Run
from emdsl.runtime.empty import weighted
from emdsl.runtime.engine import Engine
from emdsl.runtime.guard import COLLAPSED, Guard, Tightest
from emdsl.runtime.outward import GAIN, Outward, is_unbounded
from emdsl.runtime.peaks import Peaks
from emdsl.runtime.program import Params
from emdsl.runtime.trials import grain, objective_at, shaken

_DROWNED = 1e-2  # in the objective: last digits that make so much difference
UNKNOWN = 1.0  # in the objective: what is known no better is no maximum


def floor_texts(held: Iterable[str], run: Run, rules: Rules) -> list[str]:
    """What to say of parameters that were held at the floor, or are."""
    names = dict.fromkeys(held)
    if rules.floors is not None:
        names |= dict.fromkeys(rules.floors.touched(run.params))
    return [f"floored: {name} was held at {rules.floor:g} of the data's variance" for name in names]


def is_lost(engine: Engine, run: Run, outward: Outward | None) -> bool:
    """Whether a run ended where functions cancel, stopped by rounding alone."""
    if outward is None or not outward.lost(run.params):
        return False
    shaky, coarse = shaken(engine, run.params), grain(engine, run.params)
    if coarse > UNKNOWN:  # last digits may all be rounded to the same number
        shaky = max(shaky, coarse)
    return has_drowned(engine, run, outward, shaky)


def tell_edges(boundary: Boundary, run: Run) -> None:
    """Say which variances are zero by right, or that what seemed so is not."""
    if boundary.is_sound(run.params):
        run.messages += boundary.texts(run.params)
        return
    run.status = "degenerate"
    run.messages.append(
        f"collapsed: {', '.join(boundary.places)} can go to the edge, and the likelihood has no "
        "bound there"
    )


def has_collapsed(found: Tightest, run: Run, rules: Rules, iteration: int) -> bool:
    """Whether a variance has gone below what rounding leaves of the data's."""
    if rules.floor is not None or found.ratio >= COLLAPSED:
        return False
    run.status = "degenerate"
    run.messages.append(
        f"collapsed: {found.place} has {found.ratio:.1e} of the data's variance "
        f"at iteration {iteration}"
    )
    return True


def is_endless(creeping: Creeping, run: Run) -> bool:
    """Whether the objective was seen to rise without bound where EM creeps."""
    if not creeping.endless:
        return False
    run.status = "degenerate"
    run.messages.append(
        f"collapsed: the objective grows without bound as {creeping.place} goes further out"
    )
    return True


def has_none(run: Run, objective: float, iteration: int) -> bool:
    """Whether the objective is no number."""
    if math.isfinite(objective):
        return False
    run.status = "degenerate"
    run.messages.append(f"the objective is {objective} at iteration {iteration}")
    return True


def runs_away(engine: Engine, run: Run, rules: Rules, params: Params, objective: float) -> bool:
    """Whether a parameter of a numeric block is on its way to where the objective has no bound."""
    if rules.outward is None:
        return False
    suspect = rules.outward.suspect(params, run.params if run.trace else None)
    if suspect is None or not is_unbounded(
        objective, run.objective, suspect, partial(objective_at, engine)
    ):
        return False
    run.status = "degenerate"
    run.messages.append(
        f"collapsed: {suspect.place} is {suspect.value:.1e} at iteration {run.n_iter + 1} and the "
        "objective grows without bound further out"
        f"{_not_held(rules)}"
    )
    return True


def has_drowned(engine: Engine, run: Run, outward: Outward | None, shaky: float) -> bool:
    """Whether rounding alone has stopped a parameter on its way to an infinite objective."""
    if outward is None or not shaky > _DROWNED:
        return False
    for place, value, nearer in outward.inward(run.params):
        if not abs(run.objective - objective_at(engine, nearer)) <= GAIN:
            run.status = "degenerate"
            run.messages.append(
                f"collapsed: {place} is {value:.1e} at iteration {run.n_iter}, where rounding "
                f"leaves the objective uncertain by {shaky:.1g}"
            )
            return True
    return False


def look_for_peaks(engine: Engine, run: Run, rules: Rules, peaks: Peaks) -> None:
    """Whether coefficients make a row infinitely likely, or did until rounding stopped them."""
    row = peaks.row(engine, run.params)
    if row is None:
        return
    block = peaks.rising(run.params, partial(objective_at, engine))
    if block is None and not shaken(engine, run.params) > _DROWNED:
        return
    names = ", ".join((block or peaks.blocks[0]).params)
    run.status = "degenerate"
    run.messages.append(
        f"collapsed: {names} make row {row} ever more likely, without bound{_not_held(rules)}"
    )


def _not_held(rules: Rules) -> str:
    """What to say to one who has asked for a floor that is none here."""
    if rules.floor is None:
        return ""
    return "; no floor holds what isn't a scale: bound it by `constrain`, or give it a prior"


def report_fall(
    engine: Engine,
    run: Run,
    params: Params,
    objective: float,
    iteration: int,
    raised: tuple[str, ...],
) -> None:
    """Say that the objective is lower at `params`, which were `raised` to the floor, or not."""
    if raised:  # a policy, not a bug
        run.status = "degenerate"
        run.messages.append(
            f"holding {', '.join(raised)} at the floor lowered the objective at iteration "
            f"{iteration}: stopped before it"
        )
    else:
        run.status = "decreased"
        run.messages.append(_decreased(engine, run, params, objective, iteration))


def collapse_text(guard: Guard, run: Run) -> str:
    """What to say where a matrix has no Cholesky factor."""
    try:
        found = guard.tightest(run.params)
    except (np.linalg.LinAlgError, FloatingPointError):
        return "collapsed: a matrix is no longer positive definite"
    return f"collapsed: {found.place} is no longer positive definite" if found.place else (
        "collapsed: a matrix is no longer positive definite")  # fmt: skip


def _decreased(engine: Engine, run: Run, params: Params, objective: float, iteration: int) -> str:
    """Report the bug, naming the plate it is in where that can be found out."""
    where = ""
    if len(engine.pieces) > 1:
        worst, fall = "", 0.0
        after = engine.log_evidence(params)
        for axes, rows in engine.log_evidence(run.params).items():
            lost = weighted(engine, axes, rows) - weighted(engine, axes, after[axes])
            if lost > fall:
                worst, fall = engine.levels.name(axes), lost
        where = f", most of it in plate {worst}" if worst else ""
    return (
        f"the objective fell from {run.objective:.12g} to {objective:.12g} at iteration "
        f"{iteration} of restart {run.restart}{where}: EM can't do that, so this is a bug in "
        "emdsl, please report it with the model file; the parameters are those before the fall"
    )
