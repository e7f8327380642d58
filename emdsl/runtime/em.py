"""One run of EM from one start: iterate, watch, and say honestly how it ended."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from emdsl.runtime.boundary import Boundary
from emdsl.runtime.converge import fell, has_converged, rounding
from emdsl.runtime.creeping import Creeping, latent_scales
from emdsl.runtime.edges import at_edge, edge_texts
from emdsl.runtime.em_run import Iteration, Rules, Run
from emdsl.runtime.empty import emptied, identical
from emdsl.runtime.engine import Engine, ImpossibleError
from emdsl.runtime.flat import undetermined_systems
from emdsl.runtime.frozen import Frozen
from emdsl.runtime.guard import COLLAPSED, Guard, infinite, stuck, undefined
from emdsl.runtime.improper import ImproperError
from emdsl.runtime.leap import Leaper
from emdsl.runtime.program import Params, Statistics
from emdsl.runtime.trials import grain, objective_at, shaken, tried
from emdsl.runtime.verdicts import (
    UNKNOWN,
    collapse_text,
    floor_texts,
    has_collapsed,
    has_drowned,
    has_none,
    is_endless,
    is_lost,
    look_for_peaks,
    report_fall,
    runs_away,
    tell_edges,
)

_SHAKEN = 10.0  # falls of so many times what the last digits do are rounding
_SLOW = 10  # iterations, before the first leap
_SLOWER = 50  # the same where only discrete latents are summed out: most runs end before
_CHECK = 8  # iterations between looks at matrices, which cost an eigenvalue problem


def run_em(
    engine: Engine,
    guard: Guard,
    run: Run,
    rules: Rules,
    watch: Callable[[Iteration], None] | None,
) -> None:
    """Iterate EM from run.params, in place, until it converges or has to stop.

    An objective in `run` always belongs to the parameters beside it.
    """
    try:
        statistics = _iterate(engine, guard, run, rules, watch or _unwatched)
        if statistics is not None:
            _examine(engine, guard, run, rules, statistics)
    except KeyboardInterrupt:
        run.status = "interrupted"
        run.messages.append(f"interrupted after iteration {run.n_iter}")
        return
    except ImproperError as error:
        run.status = "degenerate"
        run.messages.append(f"{error} at iteration {run.n_iter + 1}")
        return
    except np.linalg.LinAlgError:
        run.status = "degenerate"
        run.messages.append(collapse_text(guard, run) + f" at iteration {run.n_iter + 1}")
        return
    except ImpossibleError as error:
        run.status = "degenerate"
        run.impossible = error
        run.messages.append(f"{error} at iteration {run.n_iter + 1}")
        return


def _unwatched(at: Iteration) -> None:
    """Nobody wants to know."""


def _examine(engine: Engine, guard: Guard, run: Run, rules: Rules, statistics: Statistics) -> None:
    """Look at where a run ended: for values without data, and variances without an update."""
    empty = emptied(engine, run.params)
    run.gone, without = empty.gone, empty.undetermined
    run.messages += [*empty.texts, *identical(engine, run.params)]
    if not without:
        short = None
        if rules.floor is not None:
            short = guard.stopped(run.params, run.params, rules.floor)
        for place in undefined(engine.program, statistics, run.params, short, run.gone):
            run.messages.append(f"collapsed: {place} has no variance left in its data")
            without = True
    if engine.program.numeric:
        notes: list[str] = []
        engine.program.m_step(replace(statistics, notes=notes), run.params)
        run.messages += notes
    if not without:
        run.messages += undetermined_systems(engine, statistics, run.params)
    if rules.peaks is not None:
        look_for_peaks(engine, run, rules, rules.peaks)
    if without and rules.floor is None:
        run.status = "degenerate"
    for name in stuck(engine.program, statistics, run.params):
        run.status = "degenerate"
        run.messages.append(
            f"{name} has no finite update from these data (its maximum is at infinity, or the data "
            "are beyond what floats can hold): it is where it began"
        )


def _iterate(
    engine: Engine,
    guard: Guard,
    run: Run,
    rules: Rules,
    watch: Callable[[Iteration], None],
) -> Statistics | None:
    """Returns the statistics at run.params where it ended in good order."""
    program, layout, trace = engine.program, engine.layout, run.trace
    params, raised = _hold(guard, run.params, rules)
    floored = dict.fromkeys(raised)
    tightest = 1.0
    edge = at_edge(program.meta, params, engine.constraints)
    since = 0  # the first of the objectives that compare
    leaper = _leaper(engine, rules)
    able = bool(program.meta.continuous) and rules.floor is None
    boundary = Boundary(guard, partial(objective_at, engine), partial(shaken, engine), able)
    creeping = Creeping(latent_scales(program.meta), partial(objective_at, engine))
    plain: Params | None = None  # what the iteration came to, where `params` are a leap from there
    known: Statistics | None = None  # at a leap, which has been tried
    for iteration in range(rules.max_iter + 1):
        if plain is not None:
            leap = boundary.inside(params)
            params, known = _landed(engine, guard, leaper, leap, plain, trace[-1])
            plain, since = None, len(trace)
        look = iteration % _CHECK == 0
        inner, found = boundary.look(params, thorough=look)
        if inner is not params:
            params, known, since = inner, None, len(trace)
        tightest = found.ratio if look else min(tightest, found.ratio)
        if has_collapsed(found, run, rules, iteration):
            return None
        if not (trace and run.settled):
            statistics = engine.e_step(params) if known is None else known
            known = None
        prior = program.log_prior(params, layout)
        objective = statistics.log_likelihood + prior
        if (
            has_none(run, objective, iteration)
            or runs_away(engine, run, rules, params, objective)
            or is_endless(creeping, run)
        ):
            return None
        noise = rounding(objective, rules.rows, tightest)[0]
        there = at_edge(program.meta, params, engine.constraints)
        if there != edge:
            edge, since = there, len(trace)
            fallen = False
        else:
            fallen = bool(trace) and fell(objective, trace[-1])
        if not fallen:
            run.keep(params, statistics.log_likelihood, prior)
            watch(Iteration(run.restart, iteration, objective, params))
        if fallen or has_converged(trace[since:], rules.tol, noise):
            if has_collapsed(boundary.tightest(params), run, rules, iteration):
                return None
            still = _Still(boundary, creeping, leaper)
            further = _onwards(engine, still, run, rules, iteration)
            if further is not None:
                params, since = further, len(trace)
                leaper.restart(params)
                continue
            if fallen:
                step = _Step(params, objective, iteration, raised, boundary)
                return _after_fall(engine, guard, run, rules, step)
            run.status = "converged"
            break
        if iteration == rules.max_iter:
            run.status = "max_iter"
            break
        if not run.settled:
            params = _updated(engine, guard, rules, statistics, params)
        params, raised = _hold(guard, params, rules)
        params = boundary.held(params)
        params, plain = _ahead(leaper, params, iteration, trace[since:], rules.tol)
        floored.update(dict.fromkeys(raised))
    if is_lost(engine, run, rules.outward):
        return None
    run.messages += edge_texts(program.meta, edge)
    tell_edges(boundary, run)
    run.messages += floor_texts(floored, run, rules)
    return statistics


def _leaper(engine: Engine, rules: Rules) -> Leaper:
    """Leaps are for continuous latents and missing cells, whose EM can be slow, unconstrained, and
    for shapes that Newton's method finds: those of components creep along ridges. (Coefficients by
    themselves don't, and how far a leap goes depends on the units of their covariates.)
    """
    leaper = Leaper(engine.program.meta)
    early = bool(engine.program.meta.continuous) or engine.has_gaps
    leaper.able &= early or any("positive" in b.kinds for b in engine.program.numeric)
    leaper.first = _SLOW if early else _SLOWER
    leaper.able &= engine.constraints is None and rules.floor is None
    return leaper


def _ahead(
    leaper: Leaper, params: Params, iteration: int, trace: list[float], tol: float
) -> tuple[Params, Params | None]:
    """Where to go on: from a leap, with what the iteration came to beside it, or from that."""
    leaper.add(params)
    slow = iteration >= leaper.first and _is_far_from_over(trace, tol)
    leap = leaper.propose() if slow else None
    return (params, None) if leap is None else (leap, params)


def _is_far_from_over(trace: list[float], tol: float) -> bool:
    """Whether it is time to leap: not where the next iterations will tell that it is over."""
    if not 1 < len(trace) < 4:
        return True
    return abs(trace[-1] - trace[-2]) > tol * (1.0 + abs(trace[-1]))


def _landed(
    engine: Engine, guard: Guard, leaper: Leaper, leap: Params, plain: Params, before: float
) -> tuple[Params, Statistics | None]:
    """A leap with its statistics, where it is at least as good as where it began, or what the
    iteration came to.
    """
    try:
        sound = guard.tightest(leap).ratio >= COLLAPSED
    except np.linalg.LinAlgError:
        sound = False
    value, statistics = tried(engine, leap) if sound else (-math.inf, None)
    kept = value >= before
    leaper.judge(kept=kept)
    params = leap if kept else plain
    leaper.restart(params)
    return params, statistics if kept else None


@dataclass(frozen=True, slots=True)
class _Step:
    """Parameters an iteration came to, and the variances that were raised to the floor in it."""

    params: Params
    objective: float
    iteration: int
    raised: tuple[str, ...]
    boundary: Boundary


@dataclass(frozen=True, slots=True)
class _Still:
    """What is watched of a run that may stand still."""

    boundary: Boundary
    creeping: Creeping
    leaper: Leaper


def _onwards(
    engine: Engine, still: _Still, run: Run, rules: Rules, iteration: int
) -> Params | None:
    """Better parameters than those where EM stands still: at an edge, off it, or beside it."""
    boundary, params = still.boundary, run.params
    if iteration == rules.max_iter:
        return None
    there = boundary.at_end(params, run.objective)
    if there is None:
        there = boundary.off_edge(params, rules.tol * (1.0 + abs(run.objective)))
    if there is None:
        there = still.creeping.further(params, run.objective)
    if there is not None or not (still.leaper.able and boundary.is_near(params)):
        return there
    frozen = Frozen(still.leaper, partial(_iterated, engine, boundary))
    return frozen.thawed(params, rules.tol)


def _iterated(engine: Engine, boundary: Boundary, params: Params) -> tuple[float, Params]:
    """The objective at parameters, and what an iteration makes of them."""
    value, statistics = tried(engine, params)
    if statistics is None:
        return value, params
    try:
        return value, boundary.inside(engine.program.m_step(statistics, params))
    except np.linalg.LinAlgError:
        return -math.inf, params


def _after_fall(
    engine: Engine, guard: Guard, run: Run, rules: Rules, step: _Step
) -> Statistics | None:
    """A run ends before an objective that is lower: the statistics, if it does in good order."""
    found = guard.tightest(step.params)
    fall = run.trace[-1] - step.objective
    worst = rounding(step.objective, rules.rows, found.ratio)[1] + grain(engine, step.params)
    known = not fell(step.objective, run.trace[-1], worst)
    if step.raised and not known:
        report_fall(engine, run, step.params, step.objective, step.iteration, step.raised)
        return None
    shaky = shaken(engine, step.params, run.params)
    if has_drowned(engine, run, rules.outward, shaky):
        return None
    if not known and fall > _SHAKEN * shaky:
        report_fall(engine, run, step.params, step.objective, step.iteration, step.raised)
        return None
    run.status = "converged" if shaky <= UNKNOWN else "degenerate"
    run.messages.append(
        f"the objective is known to {max(shaky, fall):.1g} only: its parts cancel where the "
        "parameters have gone"
    )
    tell_edges(step.boundary, run)
    return engine.e_step(run.params)


def _updated(
    engine: Engine, guard: Guard, rules: Rules, statistics: Statistics, old: Params
) -> Params:
    """After the M-step. It leaves a precision that is one over zero where it was: where there is a
    floor, that one is infinite, and held there, if it isn't for want of data.
    """
    new = engine.program.m_step(statistics, old)
    if rules.floor is None:
        return new
    stopped = guard.stopped(old, new, rules.floor)
    raised = infinite(engine.program, statistics, new, stopped) if stopped else new
    lost = any(np.isinf(raised[name]).any() for name in stopped)
    return raised if lost and not emptied(engine, old).undetermined else new


def _hold(guard: Guard, params: Params, rules: Rules) -> tuple[Params, tuple[str, ...]]:
    """The parameters, with variances held at the floor if there is one, and which were."""
    if rules.floor is None:
        return params, ()
    if rules.floors is not None:
        params = rules.floors.clipped(params)
    return guard.floored(params, rules.floor)
