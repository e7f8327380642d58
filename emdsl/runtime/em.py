"""One run of EM from one start: iterate, watch, and say honestly how it ended."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from emdsl.runtime.converge import fell, has_converged, rounding
from emdsl.runtime.engine import Engine, ImpossibleError
from emdsl.runtime.guard import COLLAPSED, Guard
from emdsl.runtime.program import Floats, Params

Status = Literal["converged", "max_iter", "degenerate", "decreased", "interrupted"]

_CHECK = 8  # iterations between looks at matrices, which cost an eigenvalue problem
_EMPTY = 1e-8  # an effective count below this is no data


@dataclass(frozen=True, slots=True)
class Iteration:
    """What `on_iteration` is told: after the E-step of `iteration`, under `params`."""

    restart: int
    iteration: int
    objective: float
    params: Params


@dataclass(slots=True)
class Run:
    """One run: its last good parameters and the objective there."""

    restart: int
    attempt: int
    params: Params
    objective: float = math.nan
    log_likelihood: float = math.nan
    log_prior: float = 0.0
    trace: list[float] = field(default_factory=list)
    status: Status = "max_iter"
    messages: list[str] = field(default_factory=list)
    impossible: ImpossibleError | None = None

    @property
    def n_iter(self) -> int:
        return max(len(self.trace) - 1, 0)


@dataclass(frozen=True, slots=True)
class Rules:
    """When to stop and what to do with a collapsing variance (`floor` None: stop)."""

    max_iter: int
    tol: float
    floor: float | None
    rows: float


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
        _iterate(engine, guard, run, rules, watch)
    except KeyboardInterrupt:
        run.status = "interrupted"
        run.messages.append(f"interrupted after iteration {run.n_iter}")
        return
    except np.linalg.LinAlgError:
        run.status = "degenerate"
        run.messages.append(_collapse_text(guard, run) + f" at iteration {run.n_iter + 1}")
        return
    except ImpossibleError as error:
        run.status = "degenerate"
        run.impossible = error
        run.messages.append(f"{error} at iteration {run.n_iter + 1}")
        return
    if run.status in ("converged", "max_iter") and math.isfinite(run.objective):
        _look_for_empty(engine, run, rules)


def _iterate(
    engine: Engine,
    guard: Guard,
    run: Run,
    rules: Rules,
    watch: Callable[[Iteration], None] | None,
) -> None:
    program, layout, trace = engine.program, engine.layout, run.trace
    params = run.params
    tightest, was_floored = 1.0, False
    floored: dict[str, None] = {}
    if rules.floor is not None:
        params, raised = guard.floored(params, rules.floor)
        floored.update(dict.fromkeys(raised))
    for iteration in range(rules.max_iter + 1):
        look = iteration % _CHECK == 0
        if rules.floor is None:
            found = guard.tightest(params, cheap=not look)
            tightest = found.ratio if look else min(tightest, found.ratio)
            if found.ratio < COLLAPSED:
                run.status = "degenerate"
                run.messages.append(_collapsed(found.place, found.ratio, iteration))
                return
        elif look:
            tightest = guard.tightest(params).ratio
        statistics = engine.e_step(params)
        prior = program.log_prior(params, layout)
        objective = statistics.log_likelihood + prior
        if not math.isfinite(objective):
            run.status = "degenerate"
            run.messages.append(f"the objective is {objective} at iteration {iteration}")
            return
        noise, worst = rounding(objective, rules.rows, tightest)
        if trace and fell(objective, trace[-1], worst):
            found = guard.tightest(params)
            noise, worst = rounding(objective, rules.rows, found.ratio)
            if rules.floor is None and found.ratio < COLLAPSED:
                run.status = "degenerate"
                run.messages.append(_collapsed(found.place, found.ratio, iteration))
                return
            if was_floored:
                run.messages.append(
                    f"holding the floor lowered the objective at iteration {iteration}: stopped "
                    "before it"
                )
                run.status = "degenerate"
                return
            if fell(objective, trace[-1], worst):
                run.status = "decreased"
                run.messages.append(_decreased(engine, run, params, objective, iteration))
                return
        run.params, run.objective = params, objective
        run.log_likelihood, run.log_prior = statistics.log_likelihood, prior
        trace.append(objective)
        if watch is not None:
            watch(Iteration(run.restart, iteration, objective, params))
        if has_converged(trace, rules.tol, noise):
            found = guard.tightest(params)
            if rules.floor is None and found.ratio < COLLAPSED:
                run.status = "degenerate"
                run.messages.append(_collapsed(found.place, found.ratio, iteration))
                return
            run.status = "converged"
            break
        if iteration == rules.max_iter:
            run.status = "max_iter"
            break
        params = program.m_step(statistics, params)
        if rules.floor is not None:
            params, raised = guard.floored(params, rules.floor)
            was_floored = bool(raised)
            floored.update(dict.fromkeys(raised))
    for name in floored:
        run.messages.append(f"floored: {name} was held at {rules.floor:g} of the data's variance")


def _collapsed(place: str, ratio: float, iteration: int) -> str:
    return (f"collapsed: {place} has {ratio:.1e} of the data's variance "
            f"at iteration {iteration}")  # fmt: skip


def _collapse_text(guard: Guard, run: Run) -> str:
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
        for index, data in enumerate(engine.pieces):
            before = weighted(engine, index, engine.log_evidence(run.params, index))
            now = weighted(engine, index, engine.log_evidence(params, index))
            if before - now > fall:
                worst, fall = str(data.piece.plate), before - now
        where = f", most of it in plate {worst}" if worst else ""
    return (
        f"the objective fell from {run.objective:.12g} to {objective:.12g} at iteration "
        f"{iteration} of restart {run.restart}{where}: EM can't do that, so this is a bug in "
        "emdsl, please report it with the model file; the parameters are those before the fall"
    )


def weighted(engine: Engine, index: int, rows: Floats) -> float:
    """The sum over a plate's elements, each with its weight."""
    name = engine.pieces[index].piece.weight
    if name is None:
        return float(rows.sum())
    weight = np.asarray(engine.bound.arrays[name], dtype=np.float64)
    return float(np.where(weight > 0.0, rows, 0.0) @ weight)


def masses(engine: Engine, params: Params) -> dict[str, Floats]:
    """The expected count of each latent's values, (values,). Costs one E-step."""
    found: dict[str, Floats] = {}
    for index, data in enumerate(engine.pieces):
        if not data.piece.latents:
            continue
        known = data.piece.coefficients(params, engine.layout, engine.pivot)
        for chunk, features in engine.blocks(index):
            _, posterior = data.piece.infer(features, known, engine.layout, None)
            for name, marginal in data.piece.marginals(posterior, engine.layout).items():
                part = marginal.sum(axis=1) if chunk.weight is None else marginal @ chunk.weight
                found[name] = found[name] + part if name in found else part
    return found


def _look_for_empty(engine: Engine, run: Run, rules: Rules) -> None:
    """A value of a latent that no data is left for: degenerate where it has its own parameters."""
    meta = engine.program.meta
    try:
        counts = masses(engine, run.params)
    except (np.linalg.LinAlgError, KeyboardInterrupt):
        return
    for latent in meta.latents:
        count = counts.get(latent.name)
        if count is None:
            continue
        mean_weight = float(count.sum()) / max(_elements(engine, latent.name), 1)
        empty = np.flatnonzero(count < _EMPTY * mean_weight)
        if not len(empty):
            continue
        k = int(empty[0])
        text = f"emptied: {latent.name} = {k} has no data left (effective count {count[k]:.1e})"
        run.messages.append(text)
        own = isinstance(latent.values, str) and any(
            latent.values in p.dims[: len(p.dims) - p.event] for p in meta.params
        )
        if own and rules.floor is None:
            run.status = "degenerate"


def _elements(engine: Engine, latent: str) -> int:
    for data in engine.pieces:
        if latent in data.piece.latents:
            return data.size if data.inverse is None else len(data.inverse)
    return 0
