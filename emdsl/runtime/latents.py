"""What data say of a model's latents: posteriors, best explanations, draws, pairs, filtering."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.engine import Engine
from emdsl.runtime.errors import NoFilterError, ParamsError, no_chain
from emdsl.runtime.how import Best, Draw, How
from emdsl.runtime.impute import Imputed
from emdsl.runtime.moments import Moments, draws_of, in_shape
from emdsl.runtime.pairwise import Pair, pair_marginals
from emdsl.runtime.program import Floats, Params, Program
from emdsl.runtime.queries import by_plate, prepare
from emdsl.runtime.ragged import shaped
from emdsl.runtime.seeds import Seed, seed_sequence, stream


@dataclass(frozen=True, slots=True)
class MostProbable:
    """The jointly most probable values of all latents.

    values : {latent: (N,)}, -1 where the data are impossible.
    log_joint : {plate: (N,)}, log p(data, values) of each independent element, unweighted.
    """

    values: dict[str, Any]
    log_joint: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Filtered:
    """What is known of each row of a chain from the rows up to it, or before it, alone.

    filtered : {latent: (N, values)}, p(z_t | x_0..t); of a normal latent its `Moments`, the mean
        and covariance.
    predicted : {latent: (N, values)}, p(z_t | x_0..t-1); in first rows the model's own start.
    log_predictive : {plate: (N,)}, log p(x_t | x_0..t-1), of a row without data zero. Those of a
        sequence add up to its log likelihood.

    foreseen : {data: Imputed}, of data under normal chains E[x_t | x_0..t-1] and the standard
        deviations about it; forecasts in rows of missing data at the end.

    A latent of a whole sequence has an answer for each of its rows too. From an impossible row of
    a sequence on `filtered` is zero and `log_predictive` minus infinity.
    """

    filtered: dict[str, Any]
    predicted: dict[str, Any]
    log_predictive: dict[str, Any]
    foreseen: dict[str, Imputed] = field(default_factory=dict)


def posterior(
    program: Program,
    data: Any,
    params: Mapping[str, Any],
    sizes: Mapping[str, int] | None = None,
    *,
    lengths: Any = None,
) -> dict[str, Floats]:
    """The posterior probability of each value of each latent, {latent: (N, values)}.

    Rows that are impossible, whatever the latents, have zeros.
    """
    engine, checked = prepare(program, data, params, sizes, lengths=lengths)
    with np.errstate(all="ignore"):
        found = engine.marginals(checked)
    return _in_form(engine, found)


def posterior_pairs(
    program: Program,
    data: Any,
    params: Mapping[str, Any],
    sizes: Mapping[str, int] | None = None,
    *,
    lengths: Any = None,
) -> dict[Pair, Any]:
    """The joint posterior of each two latents that one factor of the model reads.

    Returns {("z[s, t-1]", "z[s, t]"): (N, values, values)}: keys name the latents as the rows of
    the factor's level see them, and each such row has a table; NaN where there is no row before.
    """
    engine, checked = prepare(program, data, params, sizes, lengths=lengths)
    with np.errstate(all="ignore"):
        found = pair_marginals(engine, checked)
    return {key: shaped(engine.bound, level, rows) for key, (level, rows) in found.items()}


def most_probable(
    program: Program,
    data: Any,
    params: Mapping[str, Any],
    sizes: Mapping[str, int] | None = None,
    *,
    lengths: Any = None,
) -> MostProbable:
    """The jointly most probable values of all latents, and their log joint with the data."""
    engine, checked = prepare(program, data, params, sizes, lengths=lengths)
    with np.errstate(all="ignore"):
        values = _configuration(engine, checked, Best(), _impossible(engine, checked))
        log_joint = by_plate(engine, engine.log_evidence(checked, Best()))
    return MostProbable(_in_form(engine, values), log_joint)


def predict(
    program: Program,
    data: Any,
    params: Mapping[str, Any],
    sizes: Mapping[str, int] | None = None,
    *,
    lengths: Any = None,
) -> dict[str, NDArray[np.int64]]:
    """The jointly most probable values of each element's latents, {latent: (N,)}.

    -1 where the data are impossible.
    """
    engine, checked = prepare(program, data, params, sizes, lengths=lengths)
    with np.errstate(all="ignore"):
        values = _configuration(engine, checked, Best(), _impossible(engine, checked))
    return _in_form(engine, values)


def sample_posterior(
    program: Program,
    data: Any,
    params: Mapping[str, Any],
    sizes: Mapping[str, int] | None = None,
    *,
    n: int = 1,
    seed: Seed = 0,
    lengths: Any = None,
) -> dict[str, Any]:
    """Draw all latents together from their posterior, n times.

    Returns {latent: (n, N)}; for lists of sequences, lists of (n, T). -1 where the data are
    impossible.
    """
    try:
        count = operator.index(n)
    except TypeError:
        count = 0
    if count < 1 or isinstance(n, bool):
        raise ParamsError(f"n is {n!r}, expected a whole number of at least 1")
    engine, checked = prepare(program, data, params, sizes, lengths=lengths, collapse=False)
    rng = stream(seed_sequence(seed))
    with np.errstate(all="ignore"):
        dead = _impossible(engine, checked)
        draws = [_drawn(engine, checked, rng, dead) for _ in range(count)]
    together = {name: np.stack([d[name] for d in draws], axis=-1) for name in draws[0]}
    return {name: _first(rows) for name, rows in _in_form(engine, together).items()}


def filtered(
    program: Program,
    data: Any,
    params: Mapping[str, Any],
    sizes: Mapping[str, int] | None = None,
    *,
    lengths: Any = None,
) -> Filtered:
    """Filtering and one-step prediction along the model's chains.

    To predict beyond the data, append rows of missing data (and their inputs).

    Raises NoFilterError where the model has no chain, or its past isn't well defined.
    """
    engine, checked = prepare(program, data, params, sizes, lengths=lengths)
    if not engine.structures:
        raise NoFilterError(no_chain(program.meta.name))
    with np.errstate(all="ignore"):
        past = engine.structures[0].past(engine, checked)
    order = [z.name for z in program.meta.latents] + [z.name for z in program.meta.continuous]
    now, before = (
        {
            name: _answer(engine, name, found[name])
            for name in sorted(found, key=lambda n: (order.index(n.partition("[")[0]), n))
        }
        for found in (past.filtered, past.predicted)
    )
    foreseen = {
        name: Imputed(*(shaped(engine.bound, level, x) for x in both))
        for name, (level, *both) in past.foreseen.items()
    }
    return Filtered(now, before, by_plate(engine, past.log_predictive), foreseen)


def _answer(
    engine: Engine,
    name: str,
    found: tuple[tuple[str, ...], Floats] | tuple[tuple[str, ...], Floats, Floats],
) -> Any:
    """Of a discrete latent its probabilities in the data's form, of a normal one its Moments."""
    if len(found) == 2:
        return shaped(engine.bound, *found)
    level, mean, covariance = found
    both = in_shape(engine, name, mean, covariance)
    return Moments(*(shaped(engine.bound, level, x) for x in both))


def _configuration(
    engine: Engine, params: Params, how: How, dead: Mapping[str, NDArray[np.bool_]]
) -> dict[str, NDArray[np.int64]]:
    """{latent: (rows,)}: values that are best together, or drawn; -1 in dead rows."""
    found = {n: rows.argmax(axis=1) for n, rows in engine.marginals(params, how).items()}
    for name, rows in dead.items():
        found[name][rows] = -1
    return found


def _drawn(
    engine: Engine,
    params: Params,
    rng: np.random.Generator,
    dead: Mapping[str, NDArray[np.bool_]],
) -> dict[str, NDArray[Any]]:
    """{latent: (rows, ...)}: a draw of all latents together; discrete ones -1 in dead rows."""
    if not engine.program.meta.continuous:
        return dict(_configuration(engine, params, Draw(rng), dead))
    values, together = draws_of(engine, params, rng)
    found: dict[str, NDArray[Any]] = dict(values)
    if any(z.name not in together for z in engine.program.meta.latents):
        found |= _configuration(engine, params, Draw(rng), dead)
    for name, rows in together.items():
        found[name] = rows.argmax(axis=1)
        if name in dead:
            found[name][dead[name]] = -1
    return found


def _impossible(engine: Engine, params: Params) -> dict[str, NDArray[np.bool_]]:
    """Of latents with rows in which no values are possible, which these are, (rows,)."""
    out: dict[str, NDArray[np.bool_]] = {}
    for level, rows in engine.log_evidence(params).items():
        dead = np.isneginf(rows)
        for latent in engine.program.meta.latents if dead.any() else ():
            if latent.axes[: len(level)] == level:
                own = dead[engine.levels.rows(latent.axes).up[len(level)]]
                out[latent.name] = out.get(latent.name, False) | own
    return out


def _in_form(engine: Engine, found: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """What each latent's rows have, in the form of the user's data."""
    meta = engine.program.meta
    axes = {z.name: z.axes for z in meta.latents} | {c.name: c.axes for c in meta.continuous}
    return {name: shaped(engine.bound, axes[name], rows) for name, rows in found.items()}


def _first(rows: Any) -> Any:
    """The last axis first, of each array in nested lists."""
    if isinstance(rows, list):
        return [_first(r) for r in rows]
    return np.ascontiguousarray(np.moveaxis(rows, -1, 0))
