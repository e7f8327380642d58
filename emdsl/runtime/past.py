"""What each row's past says, and what rows say beside the chain they are in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emdsl.runtime.engine import Engine
from emdsl.runtime.errors import NoFilterError
from emdsl.runtime.how import EXPECT
from emdsl.runtime.links import added_up
from emdsl.runtime.pieces import Coupled, Known
from emdsl.runtime.program import Floats

Level = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Past:
    """What each row's past says, by latent and by level.

    filtered, predicted : {latent: (level, (rows, values))}; of a normal latent (level, its means
        (entries, rows), its covariances (entries, entries, rows))
    log_predictive : {level: (rows,)}
    foreseen : {data: (level, means, standard deviations)}, (rows, entries), of data given the past
    """

    filtered: dict[str, tuple[Level, Floats] | tuple[Level, Floats, Floats]]
    predicted: dict[str, tuple[Level, Floats] | tuple[Level, Floats, Floats]]
    log_predictive: dict[Level, Floats]
    foreseen: dict[str, tuple[Level, Floats, Floats]] = field(default_factory=dict)


def alone(engine: Engine, chains: Sequence[Coupled]) -> None:
    """Raise NoFilterError where only some of the tied latents are of these chains."""
    if chains and len(chains) < len(engine.structures):
        raise NoFilterError(
            "the model has chains of discrete latents and of normal ones, which aren't filtered "
            "together: ask for the posterior"
        )


def beside(engine: Engine, level: Level, known: Known, chains: Sequence[Any]) -> Floats:
    """What the rows of a level, and those inside them, say beside the chain: terms that no latent
    touches, and rows that are independent of it. Without data that is what a latent's own
    probabilities have in all its values.
    """
    size = engine.levels.rows(level).size
    total = np.zeros(size)
    for index, data in enumerate(engine.pieces):
        axes = data.piece.axes
        inside = axes[: len(level)] == level
        ties = [
            tie
            for chain in chains
            for link, tie in zip(chain.structure.links, chain.ties.links, strict=True)
            if index in chain.pieces and link.source == axes and link.target == level
        ]
        if not inside and not ties:
            continue
        parts = []
        for _, features in engine.blocks(index, known.params):
            part = known[index][0] @ features.direct
            if features.live is not None:
                part = part + features.live
            if data.piece.clusters and index not in engine.coupled:
                part = part + data.piece.infer(
                    features, known[index], engine.layout, EXPECT, None)[0]  # fmt: skip
            parts.append(part)
        found = np.concatenate(parts)
        found = found if data.inverse is None else found[data.inverse]
        if not inside:
            total += ties[0].add(found[None])[0]
            continue
        if axes != level:
            weight = engine.levels.within(axes, level)
            found = found if weight is None else found * weight
            found = added_up(found, engine.levels.rows(axes).up[len(level)], size)
        total += found
    return total
