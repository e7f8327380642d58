"""The same rows with all their data missing: what the model says of latents before it sees any."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emdsl.runtime.engine import Engine
from emdsl.runtime.filling import Filling
from emdsl.runtime.pieces import PieceData, fill
from emdsl.runtime.program import Gaps, Meta


def without_data(engine: Engine) -> Engine:
    """An engine for the same levels and inputs whose every data cell is missing.

    Data that other rows depend on, such as the x[t-1] of an autoregression, stay known there.
    """
    meta = engine.program.meta
    blank = Engine(engine.program, engine.bound, engine.pivot, collapse=False)
    for data in blank.pieces:
        _hide(meta, data)
    complete = {
        a.name: False for a in meta.arrays if a.role == "data" and a.missing != "any"
    }  # fmt: skip
    blank.layout = replace(blank.layout, complete={**blank.layout.complete, **complete})
    blank.set_pivot(engine.pivot)
    return blank


def _hide(meta: Meta, data: PieceData) -> None:
    hidden = {}
    for name in data.piece.arrays:
        array = meta.array(name)
        if array.role != "data" or array.missing == "any":
            continue
        shape = data.arrays[name].shape  # rows last
        events = len(array.dims) - array.plates if array.missing in ("row", "part") else 0
        shape = (*shape[: len(shape) - 1 - events], shape[-1])
        hidden[f"{name} observed"] = np.zeros(shape, dtype=bool)
    data.arrays = {**data.arrays, **hidden}
    data.along = data.along | frozenset(hidden)
    data.fillings = tuple(_all_missing(meta, data, g) for g in data.piece.gaps)
    fill(data)


def _all_missing(meta: Meta, data: PieceData, gaps: Gaps) -> Filling | None:
    """All cells of data that other data depend on as missing; other rows drop out whole.

    What stands in for them is where the data are.
    """
    names = [n for n in gaps.arrays if meta.array(n).missing == "any"]
    if not names:
        return None
    missing = {n: np.ones(data.arrays[n].shape, dtype=bool) for n in names}
    filling = Filling.of(gaps.arrays, data.arrays, missing)
    there = data.fillings[data.piece.gaps.index(gaps)]
    if there is None:
        there = Filling.of(gaps.arrays, data.arrays, {})
    return replace(filling, centre=there.centre, step=there.step)
