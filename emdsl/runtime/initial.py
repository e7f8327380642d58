"""Turns `init` into starts: given parameters, given responsibilities, or what the seeder draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.cells import CellError, read_cells
from emdsl.runtime.centred import Centred
from emdsl.runtime.distant import bear_location
from emdsl.runtime.engine import Engine
from emdsl.runtime.errors import ParamsError, near
from emdsl.runtime.gather import cell_text
from emdsl.runtime.params import check_params
from emdsl.runtime.program import Floats, Latent, Params
from emdsl.runtime.ragged import places_of
from emdsl.runtime.reference import about_centre, from_nothing
from emdsl.runtime.relabelled import in_best_order, numbered
from emdsl.runtime.shifted import bearers, unshifted
from emdsl.runtime.start import Seeder, Steer, given_steer
from emdsl.runtime.trials import objective_at
from emdsl.runtime.unseen import Points

_SCALES = (1.0, 1e1, 1e-1, 1e2, 1e-2, 1e3, 1e-3, 1e4, 1e-4)  # of continuous latents, to begin with
_WARM = 6  # iterations by which they are compared
_ALIKE = 1e-3  # in log likelihood: starts that differ by less are as good


class Start:
    """One start. `drawn` says whether another draw would give another."""

    def __init__(
        self,
        engine: Engine,
        reference: Params,
        seeder: Seeder,
        given: Params,
        responsibilities: Mapping[str, Floats],
        off: Centred,
    ) -> None:
        meta = engine.program.meta
        self._engine, self._reference, self._seeder = engine, reference, seeder
        self._given, self._responsibilities, self._off = given, responsibilities, off
        self._resting = _resting(engine, reference)
        self._numbered = numbered(meta, engine.layout.sizes)
        steered = {z for p in engine.program.pieces for z in p.latents}
        full = len(given) == len(meta.params)
        unseen = any(not c.added for c in meta.continuous) or engine.has_gaps
        self.drawn = not full and (unseen or not steered <= set(responsibilities))
        self._full = full
        # weights of data and the like are about 1, whatever unit the data are in
        self._about: tuple[float, float] | None = None if unseen else (1.0, 0.0)

    @property
    def is_reference(self) -> bool:
        """Whether it is at the reference: there is nothing to draw, and nothing was given."""
        return not self._engine.program.meta.latents and not self._given

    def params(
        self, generator: Callable[[], np.random.Generator], restart: int, attempt: int = 0
    ) -> Params:
        """The parameters to start from: one M-step from drawn or given responsibilities.

        `generator` is called where there is something to draw.

        Newton's method begins where the parameters are, which at the reference may be a shape that
        only all the data together have: then from neutral values, if that is better.
        """
        if self._full:
            return self._with({})
        engine = self._engine
        meta = engine.program.meta
        unseen = meta.latents or meta.continuous or engine.has_gaps
        if not unseen:  # there is nothing to draw, and no posterior
            return self._with({name: np.array(value) for name, value in self._reference.items()})
        rng = generator()
        method = self._seeder.method(restart, attempt)
        steer = self._seeder.steer(rng, method, tilted=restart + attempt > 0)
        if self._responsibilities:
            steer = given_steer(engine, self._responsibilities, steer)
        names = {n: k for n, k in self._numbered.items() if n not in self._responsibilities}
        if not meta.continuous and not names:
            return self._maximised(steer, rng)
        seed = int(rng.integers(2**63))
        if not meta.continuous:
            return in_best_order(
                engine, names, steer, lambda s: self._maximised(s, np.random.default_rng(seed))
            )
        if self._about is not None:
            return self._maximised(*self._points(steer, seed, self._about))
        # what unit continuous latents are in isn't known: the data choose among some
        tried = [(a, *self._warmed(*self._points(steer, seed, a))) for a in self._candidates()]
        best = max(worth for _, _, worth in tried)
        if bearers(meta):  # a variance that begins near zero stays there long: the widest will do
            tried = [max((t for t in tried if t[2] >= best - _ALIKE), key=lambda t: t[0][0])]
        self._about, params, _ = max(tried, key=lambda t: t[2])
        return params

    def _candidates(self) -> list[tuple[float, float]]:
        """Scales and centres to try: about zero in any unit, and as the data are."""
        unit = self._engine.unit
        found = [(s, 0.0) for s in _SCALES]
        if not _SCALES[-1] < unit.spread < max(_SCALES):
            found += [(unit.spread * s, 0.0) for s in _SCALES[:3]]
        if unit.far and self._resting:
            found += [(unit.spread * s, unit.centre) for s in _SCALES[:3]]
        return found

    def _points(
        self, steer: Steer, seed: int, about: tuple[float, float]
    ) -> tuple[Points, np.random.Generator]:
        rng = np.random.default_rng(seed)
        scale, centre = about
        centres = dict.fromkeys(self._resting, centre)
        return Points(self._engine, steer, rng, scale, centres), rng

    def _warmed(self, steer: Steer, rng: np.random.Generator) -> tuple[Params, float]:
        """Parameters after a few iterations, and their log likelihood: -inf where there is none.

        Latents that vary much less than they should take EM long to widen, and look well at first.
        """
        params, worth = self._maximised(steer, rng), -math.inf
        for _ in range(_WARM):
            try:
                statistics = self._engine.e_step(params)
                new = self._engine.program.m_step(statistics, params)
            except (np.linalg.LinAlgError, ValueError):
                return params, -math.inf
            found = statistics.log_likelihood + self._engine.program.log_prior(
                params, self._engine.layout
            )
            worth = found if math.isfinite(found) else -math.inf
            params = self._with(new)
        return params, worth

    def _maximised(self, steer: Steer, rng: np.random.Generator) -> Params:
        """One M-step from what stands in for posteriors, within the constraints."""
        engine = self._engine
        statistics = engine.start(steer, rng)
        params = engine.program.m_step(statistics, self._reference)
        if any("positive" in b.kinds for b in engine.program.numeric):
            other = from_nothing(engine, statistics)
            params = max((params, other), key=partial(objective_at, engine))
        params = self._with(params)
        rules = engine.constraints
        return params if rules is None or not rules.broken(params) else rules.impose(params)

    def _with(self, params: Params) -> Params:
        """The parameters, or those that were given, which are of covariates as they are."""
        given = {name: np.array(value) for name, value in self._given.items()}
        return self._off.merged(params, given)


def _resting(engine: Engine, reference: Params) -> tuple[str, ...]:
    """The latents without a pivot that may be where the data are."""
    meta = engine.program.meta
    found = unshifted(meta, engine.pivot)
    if not found or not bearers(meta):
        return found
    # where others bear the location, what the data gain by it tells
    return found if bear_location(meta, reference, about_centre(engine, reference)) else ()


def starts_from(
    engine: Engine, reference: Params, init: Any, restarts: int, off: Centred
) -> list[Start]:
    """The starts that `init` asks for.

    off : what is taken off covariates in the engine, of which `init` says nothing.

    Raises ParamsError.
    """
    seeder = Seeder(engine)
    if isinstance(init, Sequence) and not isinstance(init, (str, bytes)):
        if not init:
            raise ParamsError("init is empty, expected at least one start")
        return [_start(engine, reference, seeder, one, off) for one in init]
    start = _start(engine, reference, seeder, {} if init is None else init, off)
    return [start] * (restarts if start.drawn else 1)


def _start(engine: Engine, reference: Params, seeder: Seeder, init: Any, off: Centred) -> Start:
    meta, sizes = engine.program.meta, engine.layout.sizes
    if not isinstance(init, Mapping):
        raise ParamsError(f"init is a {type(init).__name__}, expected a mapping from names of "
                          "parameters or latents to arrays, or a list of them")  # fmt: skip
    latents = {z.name: z for z in meta.latents}
    names = [p.name for p in meta.params]
    problems = [
        f"{name!r} in init is neither parameter nor latent of {meta.name}, expected "
        f"{', '.join([*names, *latents])}{near(str(name), [*names, *latents])}"
        for name in init
        if name not in latents and name not in names
    ]
    given: Params = {}
    try:
        given = check_params(meta, {n: v for n, v in init.items() if n in names}, sizes,
                             partial=True)  # fmt: skip
    except ParamsError as error:
        problems += error.problems
    if engine.constraints is not None:
        for name in engine.constraints.broken(given):
            texts = ", ".join(f"`{t}`" for t in engine.constraints.texts[name])
            problems.append(f"{name} in init doesn't fulfil {texts}: change it or leave it out")
    tables: dict[str, Floats] = {}
    for name, value in init.items():
        if name in latents:
            table = _table(latents[name], value, engine, problems)
            if table is not None:
                tables[name] = table
    if problems:
        raise ParamsError(problems)
    return Start(engine, reference, seeder, given, tables, off)


def _table(latent: Latent, value: Any, engine: Engine, problems: list[str]) -> Floats | None:
    """Responsibilities (rows, values): nonnegative, each row with a positive sum, normalised.

    They come in the form that posteriors of the same data have.
    """
    name, sizes = latent.name, engine.layout.sizes
    values = sizes[latent.values] if isinstance(latent.values, str) else latent.values
    found = len(problems)
    parts = list(_parts(name, value, places_of(engine.bound, latent.axes), values, problems))
    if len(problems) > found:
        return None
    table = np.empty((sum(rows.size for rows, _ in parts), values))
    for rows, part in parts:
        table[rows.ravel()] = part.reshape(-1, values)
    total = table.sum(axis=-1, keepdims=True)
    if not (np.isfinite(table).all() and (table >= 0.0).all() and (total > 0.0).all()):
        problems.append(f"{name} in init holds negative, missing or all-zero rows, expected "
                        "probabilities")  # fmt: skip
        return None
    out: Floats = table / total
    return out


def _parts(
    name: str, value: Any, places: Any, values: int, problems: list[str]
) -> Iterator[tuple[NDArray[np.intp], Floats]]:
    """Each array of a value in the form of the data, with the rows that it is about."""
    if isinstance(places, list):
        if not isinstance(value, Sequence) or len(value) != len(places):
            count = len(value) if hasattr(value, "__len__") else 0
            shown = f"{count} element{'s' * (count != 1)}"
            problems.append(f"{name} in init has {shown}, expected a list of {len(places)}, "
                            "as the data are")  # fmt: skip
            return
        for i, (inner, there) in enumerate(zip(value, places, strict=True)):
            yield from _parts(f"{name}[{i}]", inner, there, values, problems)
        return
    try:
        table = read_cells(value).values
    except CellError as error:
        problems.append(f"{cell_text(name, error.index)} {error.text}")
        return
    expected = (*places.shape, values)
    if table.shape != expected:
        problems.append(f"{name} in init has shape {table.shape}, expected responsibilities of "
                        f"shape {expected}")  # fmt: skip
        return
    yield places, table
