"""Joint posteriors of two latents that one factor of the model reads, for each row of a level."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from emdsl.runtime.engine import Engine
from emdsl.runtime.how import EXPECT, Expect
from emdsl.runtime.pieces import PieceData, whole
from emdsl.runtime.program import Floats, Params, View

Pair = tuple[str, str]
Level = tuple[str, ...]


def pair_marginals(engine: Engine, params: Params) -> dict[Pair, tuple[Level, Floats]]:
    """{(latent, latent): (level, (rows, values, values))}, named as the level's rows see them.

    Of ("z[s, t-1]", "z[s, t]") row [s, t] holds p(z[s, t-1] = i, z[s, t] = j | data) at [i, j];
    NaN where there is no row before, or no parent.
    """
    out: dict[Pair, tuple[Level, Floats]] = {}
    known = engine.known(params)
    for structure in engine.structures:
        _, found = structure.infer(known, Expect(rows=True))
        for i, posteriors in found.items():
            _add(out, _pairs(engine, engine.pieces[i], posteriors))
    for index, data in enumerate(engine.pieces):
        if index in engine.coupled or not data.piece.reads:
            continue
        parts: list[list[Floats]] = [[] for _ in data.piece.reads]
        for _, features in engine.blocks(index, params):
            _, own = data.piece.infer(features, known[index], engine.layout, EXPECT, None)
            for blocks, posterior in zip(parts, own, strict=True):
                blocks.append(posterior.T)
        _add(out, _pairs(engine, data, tuple(whole(blocks, data).T for blocks in parts)))
    return out


def _add(out: dict[Pair, tuple[Level, Floats]], new: dict[Pair, tuple[Level, Floats]]) -> None:
    """Of a pair that rows of several levels see, once for each row of the outermost."""
    for key, found in new.items():
        if key not in out or len(found[0]) < len(out[key][0]):
            out[key] = found


def _pairs(
    engine: Engine, data: PieceData, posteriors: tuple[Floats, ...]
) -> dict[Pair, tuple[Level, Floats]]:
    """The pairs in one piece's clusters, of each the smallest that has it."""
    found: dict[Pair, tuple[Level, Floats]] = {}
    sizes = engine.layout.sizes
    piece = data.piece
    clusters = sorted(zip(piece.reads, piece.clusters, posteriors, strict=False),
                      key=lambda c: len(c[0]))  # fmt: skip
    for views, dims, posterior in clusters:
        shape = [sizes[d] if isinstance(d, str) else d for d in dims]
        whole_ = posterior.reshape(*shape, -1)
        order = sorted(range(len(views)), key=lambda a: _rank(views[a], piece.axes))
        for a, b in combinations(order, 2):
            key = views[a].key, views[b].key
            if key in found:
                continue
            others = tuple(c for c in range(len(views)) if c not in (a, b))
            table = whole_.sum(axis=others)
            if a > b:
                table = table.swapaxes(0, 1)
            table = np.ascontiguousarray(np.moveaxis(table, -1, 0))
            for view in (views[a], views[b]):
                table[_absent(engine, piece.axes, view)] = np.nan
            found[key] = piece.axes, table
    return found


def _rank(view: View, level: Level) -> tuple[int, int]:
    """What comes first in a pair: what others depend on."""
    if not view.places:
        return (0 if view.key != _own_key(view, level) else 3), 0
    kind, name, value = view.places[-1]
    if kind == "axis" and name == level[-1] and value:
        return 1, -value
    return 2, 0


def _own_key(view: View, level: Level) -> str:
    return f"{view.array}[{', '.join(level)}]"


def _absent(engine: Engine, level: Level, view: View) -> Floats | list[int]:
    """The rows that see no such latent: those that begin a sequence, or roots."""
    if not view.places:
        return []
    latent = next(z for z in engine.program.meta.latents if z.name == view.array)
    rows = engine.levels.point(level, latent.axes[: len(view.places)], view.places)
    none = rows < 0
    if latent.axes == level:
        none |= rows == np.arange(len(rows))  # a root that is its own parent
    return np.asarray(np.flatnonzero(none))
