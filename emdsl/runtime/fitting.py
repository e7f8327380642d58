"""Fits a program to data: EM from several starts, the best of them, and how each one ended."""

from __future__ import annotations

import logging
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np

from emdsl.runtime.alive import counted
from emdsl.runtime.bind import bind
from emdsl.runtime.centred import Centred, centred
from emdsl.runtime.creeping import latent_scales
from emdsl.runtime.distant import WORTHLESS, far_latents
from emdsl.runtime.em import run_em
from emdsl.runtime.em_run import Iteration, Rules, Run
from emdsl.runtime.engine import Engine
from emdsl.runtime.errors import DataError, ParamsError, near
from emdsl.runtime.floors import floors_of
from emdsl.runtime.given import with_lengths
from emdsl.runtime.guard import Guard
from emdsl.runtime.initial import Start, starts_from
from emdsl.runtime.levels import count_rows
from emdsl.runtime.outward import Outward, has_bound
from emdsl.runtime.params import free_params
from emdsl.runtime.peaks import Peaks
from emdsl.runtime.program import Bound, Layout, Meta, Params, Program
from emdsl.runtime.progress import Bar
from emdsl.runtime.queries import impossible_text
from emdsl.runtime.reference import about_centre, find_reference, flat_params
from emdsl.runtime.restrict import read_fix, resolve
from emdsl.runtime.results import FitResult, Restart
from emdsl.runtime.seeds import Seed, seed_sequence, stream
from emdsl.runtime.shifted import unshifted

_LOG = logging.getLogger("emdsl")
_LOG.addHandler(logging.NullHandler())

_ATTEMPTS = 3  # starts for each restart before a degenerate one is left at that
_LARGEST = 2**31  # numbers in the parameters: more is a mistyped size


def fit(
    program: Program,
    data: Any,
    *,
    sizes: Mapping[str, int] | None = None,
    seed: Seed = 0,
    restarts: int = 10,
    max_iter: int = 1000,
    tol: float = 1e-8,
    init: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    lengths: Any = None,
    fix: Mapping[str, Any] | None = None,
    degenerate: Literal["restart", "floor"] = "restart",
    floor: float = 1e-6,
    progress: bool | None = None,
    on_iteration: Callable[[Iteration], None] | None = None,
    **others: Any,
) -> FitResult:
    """Maximise the likelihood (or, with priors, the posterior) by EM from several starts.

    data : see `bind`.
    sizes : the sizes to choose, such as {"K": 3}.
    seed : an int, SeedSequence, Generator or RandomState. Restart i is the same whatever the
        number of restarts.
    restarts : starts to try; models without latents have one.
    tol : both the last change of the objective and the estimate of all that is still to come
        must be within tol * (1 + |objective|).
    init : parameters to start from (all, or some), responsibilities {latent: (N, values)}, or a
        list of these, one for each start.
    lengths : how many rows each sequence of ragged data has; see `with_lengths`.
    fix : parameters to hold, {name: value}: a number or an array of the parameter's shape, with
        NaN for the entries that are free. The M-step of the rest is that under them.
    degenerate : what to do where a variance collapses or a component empties: "restart" from
        elsewhere, at most twice for each restart, or "floor" to hold variances at `floor` of
        the data's and go on.
    progress : a bar on standard error; None shows it on a terminal.
    on_iteration : called after each E-step; may raise KeyboardInterrupt to stop.
    others : more sizes, by name.

    Ctrl-C returns the best so far, with status "interrupted".

    Raises DataError, ParamsError.
    """
    _check_options(restarts, max_iter, tol, degenerate, floor)
    sequence = seed_sequence(seed)
    data = with_lengths(program.meta, data, lengths)
    bound = bind(program.meta, data, {**(sizes or {}), **_sizes(program.meta, others)})
    _check_size(program.meta, bound.layout)
    held = read_fix(program.meta, bound.layout.sizes, fix)
    constraints = resolve(program.meta, bound.layout.sizes, held)
    with np.errstate(all="ignore"):
        about, far = centred(program.meta, bound, constraints)
        engine = Engine(program, about.bound(bound), constraints=constraints)
        reference, statistics = find_reference(engine)
        notes = [*_notes(program, bound), *far]
        flat = flat_params(engine, reference, statistics)
        if flat:
            result = _flat_result(engine, reference, flat, notes)
            return _stated(_told(result, about, bound), program, held)
        scale = about_centre(engine, reference)
        distant, lost = far_latents(
            program.meta, engine.unit, unshifted(program.meta, engine.pivot), reference, scale
        )
        notes += [distant] if distant else []
        least = floor if degenerate == "floor" else None
        floors = None
        if least is not None:
            floors = floors_of(program, bound.layout.sizes, constraints, scale, least)
        if floors is not None:
            engine.program = floors.held(engine.program, program)
        guard = Guard(program.meta, scale, constraints, floors.all if floors else ())
        starts = starts_from(engine, reference, init, restarts, about)
        rows = sum(
            float(d.weight.sum()) if d.weight is not None else float(d.size) for d in engine.pieces
        )
        watched = program.numeric or latent_scales(program.meta)
        free = watched and not has_bound(program.meta)
        outward = Outward(program, reference, floors.names if floors else ()) if free else None
        peaks = Peaks(engine, reference) if program.numeric else None
        rules = Rules(max_iter, tol, least, rows, outward, peaks, floors)
        watch = _outward(on_iteration, about)
        runs = _run_all(engine, guard, starts, rules, sequence, progress, watch)
        _require_possible(program, bound, runs)
        result = _choose(engine, runs, notes, lost)
        return _stated(_told(result, about, bound), program, held)


def _outward(
    on_iteration: Callable[[Iteration], None] | None, about: Centred
) -> Callable[[Iteration], None] | None:
    """`on_iteration`, told the user's parameters."""
    if on_iteration is None or not about:
        return on_iteration
    return lambda at: on_iteration(replace(at, params=about.outward(at.params)))


def _told(result: FitResult, about: Centred, bound: Bound) -> FitResult:
    """The result of a fit to data less constants as one of the data themselves."""
    if about:
        inner = result.params
        result.params, result.bound = about.outward(inner), bound
        result.messages += tuple(about.notes(inner, bool(result.messages)))
    return result


def _stated(result: FitResult, program: Program, fix: Params) -> FitResult:
    """The result with the model's own program and what was fixed."""
    result.program, result.fix = program, fix
    return result


def init_params(
    program: Program,
    data: Any,
    *,
    sizes: Mapping[str, int] | None = None,
    seed: Seed = 0,
    lengths: Any = None,
) -> Params:
    """The parameters that `fit` starts its first restart from.

    Raises DataError.
    """
    bound = bind(program.meta, with_lengths(program.meta, data, lengths), sizes)
    _check_size(program.meta, bound.layout)
    constraints = resolve(program.meta, bound.layout.sizes)
    with np.errstate(all="ignore"):
        about, _ = centred(program.meta, bound, constraints)
        engine = Engine(program, about.bound(bound), constraints=constraints)
        reference, _ = find_reference(engine)
        start = starts_from(engine, reference, None, 1, about)[0]
        return about.outward(start.params(partial(stream, seed_sequence(seed), 0, 0), 0))


def _sizes(meta: Meta, others: Mapping[str, Any]) -> Mapping[str, Any]:
    """What else `fit` was given by name: sizes that aren't in the model's header."""
    known = [s.name for s in meta.sizes]
    for name in others:
        if name not in known:
            options = [*known, "seed", "restarts", "max_iter", "tol", "init", "lengths", "fix",
                       "degenerate", "floor"]  # fmt: skip
            raise TypeError(f"fit() got an unexpected keyword argument {name!r}"
                            f"{near(name, options)}")  # fmt: skip
    return others


def _check_options(restarts: int, max_iter: int, tol: float, degenerate: str, floor: float) -> None:
    problems = []
    for name, value, least in (("restarts", restarts, 1), ("max_iter", max_iter, 0)):
        try:
            if type(value) is bool or operator.index(value) < least:
                raise TypeError
        except TypeError:
            problems.append(f"{name} is {value!r}, expected a whole number of at least {least}")
    if not 0.0 <= _real(tol) < math.inf:
        problems.append(f"tol is {tol!r}, expected a number of at least 0")
    if degenerate not in ("restart", "floor"):
        problems.append(f"degenerate is {degenerate!r}, expected 'restart' or 'floor'")
    if not 0.0 < _real(floor) < 1.0:
        problems.append(f"floor is {floor!r}, expected a number between 0 and 1")
    if problems:
        raise ParamsError(problems)


def _real(value: object) -> float:
    return float(value) if isinstance(value, (int, float, np.floating)) else math.nan


def _check_size(meta: Meta, layout: Layout) -> None:
    try:
        total = free_params(meta, layout.sizes)
    except KeyError:
        return
    if total > _LARGEST:
        shown = ", ".join(f"{n} = {s}" for n, s in layout.sizes.items())
        raise DataError(f"the sizes ({shown}) make {total} parameters, expected at most {_LARGEST}")


def _notes(program: Program, bound: Bound) -> list[str]:
    """What is odd about the sizes, though no error."""
    notes = []
    sizes = bound.layout.sizes
    for latent in program.meta.latents:
        if isinstance(latent.values, str) and latent.axes:
            values = sizes[latent.values]
            rows = count_rows(bound.plates, latent.axes, sizes, bound.layout.lengths)
            if values > rows:
                shown = f"{latent.dims[0]} = {rows}" if len(latent.dims) == 1 else str(rows)
                notes.append(f"{latent.values} = {values} is more than the number of elements, "
                             f"{shown}")  # fmt: skip
    return notes


# --- the runs ----------------------------------------------------------------------------------


def _run_all(
    engine: Engine,
    guard: Guard,
    starts: Sequence[Start],
    rules: Rules,
    sequence: np.random.SeedSequence,
    progress: bool | None,
    on_iteration: Callable[[Iteration], None] | None,
) -> list[Run]:
    runs: list[Run] = []
    bar = Bar(progress, len(starts))
    best: float | None = None

    def watch(at: Iteration) -> None:
        if bar.shown:
            bar.update(at.restart, at.iteration, at.objective, best)
        if on_iteration is not None:
            on_iteration(at)

    watched = watch if bar.shown or on_iteration is not None else None
    try:
        for i, start in enumerate(starts):
            for attempt in range(_ATTEMPTS if start.drawn and rules.floor is None else 1):
                generator = partial(stream, sequence, i, attempt)
                run = Run(i, attempt, start.params(generator, i, attempt))
                run.settled = start.is_reference and rules.floor is None and _is_maximum(engine)
                runs.append(run)
                run_em(engine, guard, run, rules, watched)
                _LOG.info("restart %d.%d: %s, objective %.12g after %d iterations",
                          i, attempt, run.status, run.objective, run.n_iter)  # fmt: skip
                if run.status == "interrupted":
                    return runs
                if run.status != "degenerate":
                    best = run.objective if best is None else max(best, run.objective)
                    break
    except KeyboardInterrupt:
        if not any(r.trace for r in runs):
            raise
        runs[-1].status = "interrupted"
    finally:
        bar.close()
    return runs


def _is_maximum(engine: Engine) -> bool:
    """Whether the reference is: nothing is latent, and one M-step finds it.

    Where a parameter may run away, it is another M-step that tells.
    """
    program = engine.program
    real = all(kind == "real" for b in program.numeric for kind in b.kinds)
    return program.exact and real and not program.meta.latents and engine.constraints is None


def _require_possible(program: Program, bound: Bound, runs: list[Run]) -> None:
    """Raises DataError where no start could be gone on from, as some data are impossible."""
    impossible = [r.impossible for r in runs if r.impossible is not None and not r.trace]
    if len(impossible) == len(runs):
        raise DataError(impossible_text(bound, program, impossible[0]))


def _choose(engine: Engine, runs: list[Run], notes: list[str], cancelled: float = 0.0) -> FitResult:
    """The best run that is not degenerate; the best of all where every one is.

    cancelled : the share of variances that is lost to rounding.
    """
    program = engine.program
    if runs[-1].status == "interrupted" and not any(r.trace for r in runs):
        raise KeyboardInterrupt
    tried = [r for r in runs if r.trace]
    sound = [r for r in tried if r.status != "degenerate"]
    best = max(sound or tried or runs, key=lambda r: (math.isfinite(r.objective), r.objective))
    status = best.status
    messages = [*notes, *best.messages]
    if runs[-1].status == "interrupted" and status != "interrupted":
        status = "interrupted"
        messages += runs[-1].messages
    lost = [r for r in runs if r.status == "degenerate"]
    if not sound and program.meta.latents:
        floor = any(p.collapse is not None for p in program.meta.params)
        other = "degenerate='floor'" if floor else "a bound (`constrain`)"
        messages.append(f"all {len(runs)} starts were degenerate, see restarts: fewer components, "
                        f"a prior on the variance or {other} would help")  # fmt: skip
    elif lost:
        messages.append(f"{len(lost)} of {len(runs)} starts were degenerate and left out, first "
                        f"restart {lost[0].restart}: {'; '.join(lost[0].messages)}")  # fmt: skip
    status = "degenerate" if cancelled > WORTHLESS else status
    fallen = [r for r in runs if r.status == "decreased" and r is not best]
    messages += [m for r in fallen for m in r.messages]
    for text in (m for r in runs if r.status == "decreased" for m in r.messages):
        _LOG.error("%s", text)
    if not math.isfinite(best.objective):  # no E-step worked at all
        best.objective = best.log_likelihood = math.inf
    return _result(engine, best, status, messages, runs)


def _flat_result(engine: Engine, reference: Params, flat: list[str], notes: list[str]) -> FitResult:
    """The stated result where the data leave no variance to estimate."""
    n, _ = counts(engine)
    why = "there is one observation" if n == 1 else "the values are all equal or exactly dependent"
    text = (
        f"collapsed: {', '.join(flat)} has no variance in the data ({why}), so the likelihood is "
        "unbounded: drop the column or put a prior on it"
    )
    run = Run(0, 0, reference, math.inf, math.inf, 0.0, [], "degenerate", [text])
    return _result(engine, run, "degenerate", [*notes, text], [run])


def _result(
    engine: Engine, best: Run, status: Any, messages: list[str], runs: list[Run]
) -> FitResult:
    program, bound = engine.program, engine.bound
    n_obs, bic_n = counts(engine)
    return FitResult(
        program=program,
        params=best.params,
        objective=best.objective,
        log_likelihood=best.log_likelihood,
        log_prior=best.log_prior,
        objective_trace=np.array(best.trace),
        restarts=tuple(
            Restart(r.restart, r.attempt, r.objective if math.isfinite(r.objective) else math.inf,
                    r.n_iter, r.status, "; ".join(r.messages))
            for r in runs
        ),
        n_iter=best.n_iter,
        status=status,
        messages=tuple(dict.fromkeys(messages)),
        sizes=dict(bound.layout.sizes),
        n_params=counted(
            program.meta, bound.layout.sizes, engine.constraints, best.params, best.gone
        ),
        n_obs=n_obs,
        bic_n=bic_n,
        bound=bound,
    )  # fmt: skip


def counts(engine: Engine) -> tuple[int, float]:
    """How many rows the first data array has, and the sum of their weights.

    Those of plates around a ragged one count for each of its elements.
    """
    meta, bound = engine.program.meta, engine.bound
    array = next((a for a in meta.arrays if a.role == "data" and a.plates), None)
    if array is None:
        return 1, 1.0
    n = bound.arrays[array.name].shape[0]
    ragged = [i for i, axis in enumerate(array.axes) if meta.plate(axis).over]
    weight = engine.levels.weight(array.axes[: max(ragged, default=0) + 1])
    return n, float(n) if weight is None else float(weight.sum())
