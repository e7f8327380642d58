"""Starts whose latents' values are numbered as an ordered parameter asks for.

A start gives values to rows without regard to their numbers. Where a parameter's entries are in
order along these, most numberings contradict it: the first M-step gives such entries one value, and
what has one value EM seldom tells apart again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.columns import extent_of
from emdsl.runtime.engine import Chunk, Engine
from emdsl.runtime.program import Bias, Floats, Meta, Params
from emdsl.runtime.start import Steer
from emdsl.runtime.trials import objective_at

_BETTER = 1e-9  # relative: by so much one numbering has to be better than another


def numbered(meta: Meta, sizes: Mapping[str, int]) -> dict[str, int]:
    """How many values each latent has along which a parameter may be in order.

    Not of those that data say something of: their values have their numbers.
    """
    along = {p.dims[-1] for p in meta.params if p.kind == "ordered"}
    return {
        z.name: extent_of(z.values, sizes)
        for z in meta.latents
        if z.values in along and z.data is None
    }


def in_best_order(
    engine: Engine, names: Mapping[str, int], steer: Steer, maximised: Callable[[Steer], Params]
) -> Params:
    """The parameters of the best numbering of a start's values that swaps of neighbours lead to."""
    drawn: dict[tuple[int, int], dict[str, Floats]] = {}
    orders: dict[str, NDArray[np.intp]] = {n: np.arange(count) for n, count in names.items()}

    def renumbered(orders: Mapping[str, NDArray[np.intp]]) -> Steer:
        def steered(index: int, chunk: Chunk) -> Bias:
            key = index, chunk.start
            if key not in drawn:  # once: a draw at random would be another one
                drawn[key] = dict(steer(index, chunk) or {})
            return {n: x[orders[n]] if n in orders else x for n, x in drawn[key].items()}

        return steered

    best = maximised(renumbered(orders))
    worth = objective_at(engine, best)
    for name, count in names.items():
        for _ in range(count):
            before = worth
            for i in range(count - 1):
                order = orders[name].copy()
                order[[i, i + 1]] = order[[i + 1, i]]
                trial = maximised(renumbered({**orders, name: order}))
                value = objective_at(engine, trial)
                if value > worth + _BETTER * (1.0 + abs(worth)):
                    best, worth, orders[name] = trial, value, order
            if worth <= before:
                break
    return best
