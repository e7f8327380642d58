"""The reference: what the parameters are with one component for all the data.

Gives the pivot that second moments are taken about, and the scale that variances are judged by.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from emdsl.runtime.borne import borne_pivot
from emdsl.runtime.engine import Chunk, Engine
from emdsl.runtime.guard import nudge, undefined, unsettled, without_spread
from emdsl.runtime.params import neutral_params
from emdsl.runtime.program import Blocks, Features, Layout, Params, Piece, Statistics
from emdsl.runtime.shifted import bearers, unshifted
from emdsl.runtime.unseen import Points


def find_reference(engine: Engine) -> tuple[Params, Statistics]:
    """The parameters if every latent value were equally probable, and their statistics.

    The pivot that goes with them is set in the engine.

    The first pass is about zero, where at an offset of 1e8 no variance survives: only the pivot
    is used from it.
    """
    program = engine.program
    neutral = _neutral(engine)
    first = _maximise(engine, neutral, dict.fromkeys(bearers(program.meta), engine.unit.centre))
    pivot = program.pivot(first[0])
    if not pivot or not all(np.isfinite(p).all() for p in pivot.values()):
        return first
    engine.set_pivot(pivot)
    if bearers(program.meta) and engine.unit.far:
        engine.set_pivot(borne_pivot(engine, neutral, first[0]))
    neutral |= {name: first[0][name] for name in _climbed_locations(engine)}
    return _maximise(engine, neutral)


def _neutral(engine: Engine) -> Params:
    """Parameters of no opinion, as far as constraints leave them that.

    Locations that Newton's method finds are in the midst of the data: from outside of them all
    values are about as far off, which a shape without end fits well, and no step leads back.
    """
    neutral = neutral_params(engine.program.meta, engine.layout.sizes)
    for name in _climbed_locations(engine):
        neutral[name] = np.full(neutral[name].shape, engine.unit.centre)
    return neutral if engine.constraints is None else engine.constraints.impose(neutral)


def _climbed_locations(engine: Engine) -> tuple[str, ...]:
    """The real parameters with a pivot that no rule solves; none where latents tell data apart.

    The midst of all is no place for a component's location.
    """
    if engine.program.meta.latents:
        return ()
    numeric = {name for block in engine.program.numeric for name in block.params}
    kinds = {p.name: p.kind for p in engine.program.meta.params}
    return tuple(n for n in engine.pivot if n in numeric and kinds[n] == "real")


def _even(_index: int, _chunk: Chunk) -> None:
    """No log potentials: every value is as probable as any other."""


def about_centre(engine: Engine, reference: Params) -> Params:
    """The reference that variances are judged by: the smaller, where it depends on where latents
    without a pivot are, at zero or in the midst of data that lie far off.
    """
    resting = unshifted(engine.program.meta, engine.pivot)
    if not (resting and engine.unit.far):
        return reference
    try:
        centres = dict.fromkeys(resting, engine.unit.centre)
        other, _ = _maximise(engine, _neutral(engine), centres)
    except np.linalg.LinAlgError:
        return reference
    out = dict(reference)
    for p in engine.program.meta.params:
        if p.collapse is None or p.kind == "posdef":
            continue
        least = np.fmin if p.collapse[0] == "zero" else np.fmax
        found = least(reference[p.name], other[p.name])
        out[p.name] = np.where(np.isfinite(found) & (found > 0.0), found, reference[p.name])
    return out


def _maximise(
    engine: Engine, params: Params, centres: Mapping[str, float] | None = None
) -> tuple[Params, Statistics]:
    """The parameters of uniform posteriors, and their statistics."""
    statistics = engine.start(Points(engine, _even, None, engine.unit.spread, centres))
    return _settled(engine, statistics, params), statistics


def from_nothing(engine: Engine, statistics: Statistics) -> Params:
    """The parameters of these statistics, from values of no opinion."""
    return _settled(engine, statistics, _neutral(engine))


def _settled(engine: Engine, statistics: Statistics, params: Params) -> Params:
    """A few M-steps on the same statistics: blocks may depend on each other."""
    for _ in range(1 if engine.program.exact else 3):
        try:
            new = engine.program.m_step(statistics, params)
        except np.linalg.LinAlgError:
            break
        if all(np.array_equal(new[n], params[n]) for n in new):
            break
        params = new
    return params


def flat_params(engine: Engine, reference: Params, statistics: Statistics) -> list[str]:
    """Parameters without spread in the data, found by changing the data's last digits."""
    program, meta = engine.program, engine.program.meta
    if not any(p.collapse for p in meta.params):
        return []

    def nudged(piece: Piece) -> Piece:
        def features(block: Blocks, layout: Layout, pivot: Params) -> Features:
            return piece.features(nudge(meta, block), layout, pivot)

        return replace(piece, features=features)

    # rows that functions of data and parameters read are changed themselves, once
    read = [bool(p.kept) for p in program.pieces]
    pieces = zip(program.pieces, read, strict=True)
    other = replace(program, pieces=tuple(p if live else nudged(p) for p, live in pieces))
    like = Engine(other, engine.bound, engine.pivot, like=engine)
    for data, live in zip(like.pieces, read, strict=True):
        if live:
            data.arrays = nudge(meta, data.arrays)
    changed, _ = _maximise(like, _neutral(engine))
    places = without_spread(meta, reference, changed)
    with contextlib.suppress(np.linalg.LinAlgError):
        places += undefined(program, statistics, reference)
        places += unsettled(program, statistics, reference, engine.constraints)
    return list(dict.fromkeys(places))
