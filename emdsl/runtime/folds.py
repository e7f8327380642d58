"""Rows whose features are added up at the rows they point to: observations of a group, of a person.

Where all that rows say of latents elsewhere is a sum of features times coefficients, the features
can be added up first, once for all iterations:

    sum_{n in g} (coefficients @ features_n)  =  coefficients @ sum_{n in g} features_n
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from emdsl.runtime.filling import Filling
from emdsl.runtime.links import Levels, tie
from emdsl.runtime.pieces import Chunk, load_arrays
from emdsl.runtime.program import Block, Features, Floats, Fold, Layout, Meta, Params

_BLOCK = 2**16  # rows


def folded(
    meta: Meta,
    levels: Levels,
    fold: Fold,
    layout: Layout,
    pivot: Params,
    fillings: Iterable[Filling] = (),
) -> tuple[Floats, ...]:
    """For each of the fold's clusters the features (F, target rows), added up with weights.

    fillings : what stands in for missing cells of these rows.

    Raises DataError where a row points beyond the rows there are.
    """
    arrays, along = load_arrays(meta, levels, fold.link.source, fold.arrays, fold.views)
    for filling in fillings:
        arrays = filling.fill(arrays)
    size = levels.rows(fold.link.source).size
    link = tie(levels, fold.link)
    parts: list[list[Floats]] = [[] for _ in fold.clusters]
    for start in range(0, size, _BLOCK):
        stop = min(start + _BLOCK, size)
        own = {k: v[..., start:stop] if k in along else v for k, v in arrays.items()}
        block = Block(own, along, stop - start)
        for part, rows in zip(parts, fold.features(block, layout, pivot).rows, strict=True):
            part.append(rows)
    return tuple(link.add(np.concatenate(part, axis=1)) for part in parts)


def with_folds(
    own: Features, folds: tuple[Fold, ...], found: list[tuple[Floats, ...]], chunk: Chunk
) -> Features:
    """A block's features with those that other rows give it."""
    if not folds:
        return own
    rows = list(own.rows)
    for fold, features in zip(folds, found, strict=True):
        for cluster, whole in zip(fold.clusters, features, strict=True):
            rows[cluster] = whole[:, chunk.start : chunk.stop]
    return replace(own, rows=tuple(rows))
