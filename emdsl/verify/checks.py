"""What must hold of every compiled model, whatever it says, on a few elements of data.

    e_step   log likelihood, posterior marginals and most probable values are those of enumeration
    fisher   grad Q at theta_old = grad log likelihood at theta_old
    m_step   grad Q = 0 at every block's update, and no move from it raises Q

Each check returns what it found wrong, as text; nothing where all is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.compiler import Compiled
from emdsl.verify.coordinates import Params, gradient, jittered, peaks, restricted_gradient
from emdsl.verify.enumeration import (
    Exact,
    elements,
    expected,
    log_likelihood,
    marginals,
)
from emdsl.verify.feasible import Feasible, wandered
from emdsl.verify.world import Arrays

_REPEATS = 1000  # of an M-step that takes a few of Newton's steps


@dataclass(frozen=True)
class Case:
    """A compiled model, its imported module, a few elements of data, and parameters."""

    compiled: Compiled
    module: Any
    data: Arrays
    params: Mapping[str, NDArray[Any]]
    sizes: Mapping[str, int] | None = None

    def elements(self) -> Exact:
        """The exact E-step; made once, as integrals take time."""
        return self._exact

    @cached_property
    def _exact(self) -> Exact:
        return elements(self.compiled.model, self.data, self.params, self.sizes)

    def q(
        self,
        found: Exact,
        params: Mapping[str, Any],
        about: frozenset[str] | None = None,
    ) -> float:
        """Expected complete-data log likelihood plus log prior, up to what `about` leaves out."""
        return expected(self.compiled.model, self.data, params, found, self.sizes, about)


def check_e_step(case: Case, tolerance: float = 1e-9) -> list[str]:
    """Log likelihood, posterior and prediction against enumeration."""
    wrong: list[str] = []
    found = case.elements()
    exact = log_likelihood(found)
    given = {n: np.array(v) for n, v in case.data.items()}
    for what, value in (
        ("log_likelihood", case.module.log_likelihood(given, case.params)),
        ("e_step's log likelihood", case.module.e_step(given, case.params).log_likelihood),
    ):
        if not abs(value - exact) <= tolerance * found.scale:
            wrong.append(f"{what} is {value!r}, enumeration says {exact!r}")
    exact_marginals = marginals(found)
    if not exact_marginals:
        return wrong
    continuous = {name for name, _ in found.world.continuous}
    posterior = {
        name: p
        for name, p in case.module.posterior(given, case.params).items()
        if name not in continuous
    }
    open_ones = _asked_for(found)
    if not open_ones <= set(posterior) <= set(exact_marginals):
        wrong.append(f"posterior of {sorted(posterior)}, not of {sorted(open_ones)}")
        return wrong
    for name, at in exact_marginals.items():
        if name not in posterior:
            continue
        rows = np.asarray(posterior[name])
        rows = rows.reshape(-1, rows.shape[-1])  # nested plates in order, ragged or not
        if len(rows) != len(at):
            wrong.append(f"posterior {name} has {len(rows)} rows, not {len(at)}")
            continue
        for row, (place, odds) in zip(rows, at.items(), strict=True):
            if not abs(sum(odds.values()) - 1.0) <= 1e-9:
                continue  # impossible given what is around it, which an element of weight 0 may be
            exact_row = np.array([odds.get(k, 0.0) for k in range(len(row))])
            if not np.allclose(row, exact_row, atol=1e-8, rtol=1e-7):
                wrong.append(f"posterior {name}{list(place)} is {row}, not {exact_row}")
    return wrong + check_predict(case, found)


def _asked_for(found: Exact) -> set[str]:
    """The latents, and data with a gap that something else reads: what needs a posterior."""
    read = {
        name
        for c in found.components
        for f in c.factors
        for name, place in f.scope
        if (name, place) not in f.drawn
    }
    latents = (v for v in found.world.model.variables if v.role == "latent")
    return read | {v.name for v in latents if v.type.discrete}


def check_predict(case: Case, found: Exact) -> list[str]:
    """The predicted values of each component are as probable, jointly, as any."""
    wrong: list[str] = []
    given = {n: np.array(v) for n, v in case.data.items()}
    predicted = case.module.predict(given, case.params)
    values = {
        (name, place): int(x)
        for name, rows in marginals(found).items()
        if name in predicted
        for place, x in zip(rows, np.asarray(predicted[name]).reshape(-1), strict=True)
    }
    for c in found.components:
        if not c.sites or c.log_best == -np.inf:
            continue
        for site in c.sites:  # gaps that nothing reads, each at its best
            if site not in values:
                likely = [
                    c.log_joint(values | {site: x}, partly=True)
                    for x in range(found.world.random[site])
                ]
                values[site] = int(np.argmax(likely))
        here = c.log_joint(values)
        if not here >= c.log_best - 1e-8 * max(1.0, abs(c.log_best)):
            chosen = {s: values[s] for s in c.sites}
            wrong.append(
                f"predict is {chosen} of log joint {here:.9g}, but {dict(c.best)} has "
                f"{c.log_best:.9g}"
            )
    return wrong


def check_fisher(case: Case, tolerance: float = 1e-6) -> list[str]:
    """The score two ways: of the module's log likelihood, and of Q where it was made."""
    model = case.compiled.model
    found = case.elements()
    scale = found.scale
    program = case.module.PROGRAM

    def objective(params: Params) -> float:
        stats = case.module.e_step(case.data, params)
        return float(stats.log_likelihood + program.log_prior(params, stats.layout))

    score = gradient(objective, model, case.params)
    of_q: dict[str, float] = {}
    for p in model.params:
        name = frozenset({p.name})
        of_q |= gradient(partial(_q, case, found, name), model, case.params, name)
    return [
        f"d log likelihood / d {label} is {score[label]:.9g}, dQ is {of_q[label]:.9g}"
        for label in score
        if not abs(score[label] - of_q[label]) <= tolerance * (scale + abs(score[label]))
    ]


def _q(case: Case, found: Exact, about: frozenset[str], params: Params) -> float:
    return case.q(found, params, about)


def check_m_step(
    case: Case, rng: np.random.Generator, tolerance: float = 1e-6, moves: int = 20
) -> list[str]:
    """Each block's update is where Q is highest, given the blocks before it new, after it old.

    An M-step that takes a few of Newton's steps only has to raise Q. Repeated with the same
    posterior it comes to rest, and there Q is highest.
    """
    model = case.compiled.model
    wrong: list[str] = []
    found = case.elements()
    stats = case.module.e_step(case.data, case.params)
    new = case.module.m_step(stats, case.params)
    old = {n: np.asarray(v, dtype=float) for n, v in case.params.items()}
    for p in model.params:
        if new[p.name].shape != old[p.name].shape:
            wrong.append(f"{p.name} has shape {new[p.name].shape}, not {old[p.name].shape}")
        elif not np.isfinite(new[p.name]).all():
            wrong.append(f"{p.name} is {new[p.name]}")
    if wrong or collapsed(case, new):
        return wrong
    if model.constraints:
        wrong += [f"{text} after the M-step" for text in Feasible(model, new).broken(new)]
    scale = max(1.0, abs(case.q(found, old)))
    at = dict(old)
    steps = case.compiled.derivation.m_step
    numeric = any(update.rule == "numeric" for update in steps.updates)
    for update in steps.updates:
        names = frozenset(update.solved)
        before = case.q(found, at, names)
        at = {**at, **{n: new[n] for n in names}}
        here = case.q(found, at, names)
        if update.rule != "numeric" and here < before - 1e-10 * scale:
            wrong.append(f"updating {sorted(names)} lowers Q from {before!r} to {here!r}")
        if steps.cyclic and not numeric:  # each is highest only while the others stay
            wrong += _stationary(case, found, at, names, tolerance * scale, update.rule)
            wrong += _highest(case, found, at, names, rng, moves, 1e-9 * scale)
    if numeric:  # what a later update's formula stands in for may lower Q until that follows
        before, here = case.q(found, old), case.q(found, new)
        if here < before - 1e-10 * scale:
            wrong.append(f"the M-step lowers Q from {before!r} to {here!r}")
        at = _settled(case, stats, new)
        if collapsed(case, at):
            return wrong
    if numeric or not steps.cyclic:
        every = frozenset(p.name for p in model.params)
        wrong += _stationary(case, found, at, every, tolerance * scale, "all together")
        wrong += _highest(case, found, at, every, rng, moves, 1e-9 * scale)
    return wrong


def _settled(case: Case, stats: Any, params: Params) -> Params:
    """Where M-steps with the same posterior come to rest."""
    for _ in range(_REPEATS):
        again = case.module.m_step(stats, params)
        if all(np.allclose(again[n], v, rtol=1e-12, atol=1e-14) for n, v in params.items()):
            return dict(again)
        params = again
    return dict(params)


def collapsed(case: Case, params: Mapping[str, NDArray[Any]]) -> bool:
    """Whether the data leave a scale no room, so that Q has no highest point to compare with."""
    for p in case.compiled.model.params:
        value = np.asarray(params[p.name])
        if p.type.kind in ("positive", "shape") and not (1e-5 < value.min() and value.max() < 1e5):
            return True
        if p.type.kind == "posdef":
            spread = np.linalg.eigvalsh(value)
            if spread.min() < 1e-8 or spread.max() > 1e8:
                return True
    return False


def _stationary(
    case: Case,
    found: Exact,
    at: Params,
    names: frozenset[str],
    tolerance: float,
    rule: str,
) -> list[str]:
    slopes: dict[str, float] = {}
    if case.compiled.model.constraints:
        slopes = restricted_gradient(
            partial(_q, case, found, names), case.compiled.model, at, names
        )  # fmt: skip
    for name in names if not case.compiled.model.constraints else ():
        own = frozenset({name})
        slopes |= gradient(partial(_q, case, found, own), case.compiled.model, at, own)
    steep = {label: slope for label, slope in slopes.items() if not abs(slope) <= tolerance}
    if steep and not case.compiled.model.constraints:  # a kink has two slopes, and is a peak
        top = peaks(partial(_q, case, found, names), case.compiled.model, at, tolerance)
        steep = {label: slope for label, slope in steep.items() if label not in top}
    return [
        f"dQ/d {label} is {slope:.6g} after the update by {rule}, expected 0"
        for label, slope in steep.items()
    ]


def _highest(
    case: Case,
    found: Exact,
    at: Params,
    names: frozenset[str],
    rng: np.random.Generator,
    moves: int,
    tolerance: float,
) -> list[str]:
    top = case.q(found, at, names)
    model = case.compiled.model
    for i in range(moves):
        scale = 10.0 ** -(i % 4)
        moved = (
            wandered(model, at, rng, scale, names)
            if model.constraints
            else jittered(model, at, rng, scale)
        )
        there = case.q(found, {**at, **{n: moved[n] for n in names}}, names)
        if there > top + tolerance:
            return [f"Q is {top!r} at the update of {sorted(names)}, but {there!r} nearby"]
    return []
