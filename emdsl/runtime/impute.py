"""Missing cells filled in with their posterior means, with the standard deviations about them.

    E[x] = sum_k p_k m_k        Var[x] = sum_k p_k (v_k + (m_k - E[x])^2)

over the values k of the discrete latents that a row's cells depend on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.engine import Engine
from emdsl.runtime.gaps import GapData
from emdsl.runtime.how import EXPECT
from emdsl.runtime.levels import depth
from emdsl.runtime.pieces import Known, PieceData, Posteriors
from emdsl.runtime.program import Array, Bound, Floats, Params, Program
from emdsl.runtime.queries import prepare
from emdsl.runtime.ragged import shaped


@dataclass(frozen=True, slots=True)
class Imputed:
    """A data array without gaps, in the form of the data.

    values : the data, with posterior means in missing cells.
    sd : the posterior standard deviations of these cells, zero in those that were there.
    """

    values: Any
    sd: Any


def impute(
    program: Program,
    data: Any,
    params: Mapping[str, Any],
    sizes: Mapping[str, int] | None = None,
    *,
    lengths: Any = None,
) -> dict[str, Imputed]:
    """The data whose missing cells the model integrates out, filled in, {array: (values, sd)}.

    Rows that are missing whole are filled in too.

    Raises DataError, ParamsError.
    """
    program, names = foreseeing(program)
    if isinstance(data, Bound):
        data = with_whole_rows(data, names)
    engine, checked = prepare(program, data, params, sizes, lengths=lengths)
    given = {n: np.array(engine.bound.arrays[n], dtype=np.float64) for n in names}
    found = {n: (value, np.zeros(value.shape)) for n, value in given.items()}
    with np.errstate(all="ignore"):
        for piece, gaps, which, mean, variance in _cells(engine, checked):
            size = engine.levels.rows(piece.piece.axes).size
            for i, (name, place) in enumerate(gaps.rows.cells):
                values, sd = (x.reshape(size, -1) for x in found[name])
                own = gaps.rows.patterns.missing[i][np.searchsorted(gaps.rows.which, which)]
                values[which[own], place] = mean[i, own]
                sd[which[own], place] = np.sqrt(np.maximum(variance[i, own], 0.0))
    return {n: Imputed(*(_in_form(engine, n, x) for x in both)) for n, both in found.items()}


def foreseeing(program: Program) -> tuple[Program, list[str]]:
    """The program in which whatever data can be integrated out are, and the names of these."""
    pieces = tuple(replace(p, gaps=p.foreseen or p.gaps) for p in program.pieces)
    names = [n for p in pieces for g in p.gaps for n in g.arrays]
    arrays = tuple(_filled_wholly(a, names) for a in program.meta.arrays)
    return replace(program, pieces=pieces, meta=replace(program.meta, arrays=arrays)), names


def with_whole_rows(bound: Bound, names: list[str]) -> Bound:
    """Data in which rows that are missing whole are to be integrated out like others."""
    gaps, observed = dict(bound.gaps), dict(bound.observed)
    complete = dict(bound.layout.complete)
    for name in names:
        seen = observed[name]
        if seen is None:
            continue
        value = bound.arrays[name]
        gone = ~seen.reshape(*seen.shape, *(1,) * (value.ndim - seen.ndim))
        gaps[name] = np.broadcast_to(gone, value.shape) | gaps.get(name, False)
        observed[name], complete[name] = None, True
    return replace(
        bound, gaps=gaps, observed=observed, layout=replace(bound.layout, complete=complete)
    )


def _filled_wholly(array: Array, names: list[str]) -> Array:
    return replace(array, missing="any") if array.name in names else array


def _cells(
    engine: Engine, params: Params
) -> Iterator[tuple[PieceData, GapData, NDArray[np.intp], Floats, Floats]]:
    """The incomplete rows of every group of arrays, block by block: their means and variances."""
    known = engine.known(params)
    coupled: Posteriors = {}
    for structure in engine.structures:
        if any(engine.pieces[i].gaps for i in structure.pieces):
            coupled |= structure.infer(known, EXPECT)[1]
    homes = {g.gaps.home for data in engine.pieces for g in data.gaps} - {-1}
    means = {i: _means(engine, i, params, known) for i in homes}
    for index, data in enumerate(engine.pieces):
        for chunk, features in engine.blocks(index, params) if data.gaps else ():
            width = chunk.stop - chunk.start
            own: tuple[Floats, ...] = ()
            if index in coupled:
                own = tuple(p[:, chunk.start : chunk.stop] for p in coupled[index])
            elif data.piece.clusters:
                own = data.piece.infer(features, known[index], engine.layout, EXPECT, None)[1]
            for gaps in data.gaps:
                host = gaps.gaps.host
                weight = own[host] if host >= 0 else np.ones((1, width))
                moments = None
                if gaps.fold is not None and gaps.ties is not None:
                    there = gaps.ties.taken(means[gaps.gaps.home])
                    moments = gaps.fold.taken(there, slice(chunk.start, chunk.stop))
                elif gaps.ties is not None:
                    moments = gaps.ties.taken(own)
                whole = np.broadcast_to(weight, (gaps.states.count, width))
                latents = moments.given(whole) if moments is not None else None
                yield data, gaps, *gaps.cells(chunk.start, chunk.stop, weight, latents)


def _means(engine: Engine, index: int, params: Params, known: Known) -> list[Floats]:
    """The means of all clusters' functions at the rows of a piece, (C, rows)."""
    data = engine.pieces[index]
    found = [
        data.piece.infer(features, known[index], engine.layout, EXPECT, None)[1]
        for _, features in engine.blocks(index, params)
    ]
    return [np.concatenate(c, axis=-1) for c in zip(*found, strict=True)]


def _in_form(engine: Engine, name: str, value: Floats) -> Any:
    """An array in the form that the user's data have."""
    axes = engine.program.meta.array(name).axes
    deep = depth(engine.program.meta.plates, axes)
    return shaped(engine.bound, axes[:deep], value) if deep else value
