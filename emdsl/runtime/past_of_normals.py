"""What each row's past says along every chain of normal latents: states, densities, forecasts."""

from __future__ import annotations

import numpy as np

from emdsl.runtime.blank import without_data
from emdsl.runtime.engine import Engine
from emdsl.runtime.filtering_normals import filter_normals, foreseen, windows_of
from emdsl.runtime.gaps import GapData
from emdsl.runtime.impute import foreseeing, with_whole_rows
from emdsl.runtime.jointly import JointlyNormalData
from emdsl.runtime.past import Past, alone, beside
from emdsl.runtime.patterns import Ints
from emdsl.runtime.program import Floats, Params


def filter_normal_chains(engine: Engine, params: Params) -> Past:
    """Filter along every chain of normal latents.

    Raises NoFilterError.
    """
    chains = [s for s in engine.structures if isinstance(s, JointlyNormalData)]
    alone(engine, chains)
    for chain in chains:
        windows_of(chain)
    blank = without_data(engine)
    known, bare = engine.known(params), blank.known(params)
    past = Past({}, {}, {})
    unseen = _unseen(engine)
    for chain in chains:
        number = engine.structures.index(chain)
        other, ahead = blank.structures[number], unseen.structures[number]
        assert isinstance(other, JointlyNormalData)
        assert isinstance(ahead, JointlyNormalData)
        found = filter_normals(chain, other, known, bare)
        windows = found.windows
        for f, latent in enumerate(chain.latents):
            own = windows.place(f, 0, chain.families[f].dim)
            for answers, (mean, spread) in (
                (past.filtered, found.filtered),
                (past.predicted, found.predicted),
            ):
                answers[latent.name] = windows.level, mean[own], spread[own, own]
        total = past.log_predictive.get(windows.level)
        for gaps, which, mean, variance in foreseen(ahead, found, params):
            _foresee(unseen, gaps, which, mean, variance, past)
        density = found.log_predictive
        past.log_predictive[windows.level] = density if total is None else total + density
    for level in past.log_predictive:
        past.log_predictive[level] += beside(engine, level, known, ())
        past.log_predictive[level] -= beside(blank, level, bare, ())
    return past


def _unseen(engine: Engine) -> Engine:
    """An engine for the same rows whose data are missing, and integrated out where they can be."""
    program, names = foreseeing(engine.program)
    bound = with_whole_rows(engine.bound, names)
    return without_data(Engine(program, bound, engine.pivot, collapse=False))


def _foresee(
    engine: Engine, gaps: GapData, which: Ints, mean: Floats, variance: Floats, past: Past
) -> None:
    """Data's means and standard deviations given the past, added to the answers."""
    axes = gaps.data.piece.axes
    size = engine.levels.rows(axes).size
    for name in gaps.gaps.arrays:
        own = [i for i, (n, _) in enumerate(gaps.rows.cells) if n == name]
        shape = gaps.data.arrays[name].shape[:-1]
        values, sd = np.full((size, len(own)), np.nan), np.full((size, len(own)), np.nan)
        values[which] = mean[own].T
        sd[which] = np.sqrt(np.maximum(variance[own], 0.0)).T
        past.foreseen[name] = axes, values.reshape(size, *shape), sd.reshape(size, *shape)
