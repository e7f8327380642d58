"""Which values of the latents have data left, and sums over a plate with its weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdsl.runtime.alive import Gone
from emdsl.runtime.engine import Engine
from emdsl.runtime.program import Floats, Params

_EMPTY = 1e-8  # an expected count below this, in mean weights, is no data


def weighted(engine: Engine, axes: tuple[str, ...], rows: Floats) -> float:
    """The sum over a level's rows, each with its weight."""
    weight = engine.levels.weight(axes)
    if weight is None:
        return float(rows.sum())
    return float(np.where(weight > 0.0, rows, 0.0) @ weight)


def masses(engine: Engine, params: Params) -> dict[str, Floats]:
    """The expected count of each latent's values, (values,). Costs one E-step."""
    found: dict[str, Floats] = {}
    axes = {z.name: z.axes for z in engine.program.meta.latents}
    for name, marginal in engine.marginals(params).items():
        weight = engine.levels.weight(axes[name])
        found[name] = marginal.sum(axis=0) if weight is None else weight @ marginal
    return found


@dataclass(frozen=True, slots=True)
class Emptied:
    """Values of latents that no data is left for.

    texts : what to say of them.
    undetermined : whether one has parameters of its own. Where there are none, as with a mixing
        probability that ends at 0 or 1, an empty value is merely where the maximum is.
    gone : of a named size, the values that a prior took from every latent that has so many.
    """

    texts: list[str]
    undetermined: bool
    gone: Gone


def emptied(engine: Engine, params: Params) -> Emptied:
    """The values that no data is left for."""
    meta = engine.program.meta
    try:
        counts = masses(engine, params)
    except np.linalg.LinAlgError:
        return Emptied([], False, {})
    texts, own = [], False
    gone: dict[str, frozenset[int]] = {}
    for latent in meta.latents:
        count = counts.get(latent.name)
        if count is None:
            if isinstance(latent.values, str):
                gone[latent.values] = frozenset()
            continue
        mean_weight = float(count.sum()) / max(_elements(engine, latent.name), 1)
        taken = _taken(engine, params, latent.values)
        empty = [int(k) for k in np.flatnonzero(count < _EMPTY * mean_weight)]
        if isinstance(latent.values, str):
            also = gone.get(latent.values, taken)
            gone[latent.values] = frozenset(taken & also & set(empty))
        for k in [k for k in empty if k not in taken][:3]:
            texts.append(f"emptied: {latent.name} = {k} has no data left "
                         f"(expected count {count[k]:.1e})")  # fmt: skip
            own |= isinstance(latent.values, str) and any(
                latent.values in p.dims[: len(p.dims) - p.event] for p in meta.params
            )
    return Emptied(texts, own, {size: values for size, values in gone.items() if values})


def _taken(engine: Engine, params: Params, values: str | int) -> set[int]:
    """Values whose probability a prior took to 0, or is fixed there: they are gone, not
    undetermined.
    """
    found: set[int] = set()
    for p in engine.program.meta.params:
        if p.kind != "simplex" or p.dims[-1] != values:
            continue
        share = np.asarray(params[p.name])
        none = share == 0.0
        if not p.prior:
            rules = engine.constraints
            none &= False if rules is None else rules.values(p.name) == 0.0
        found |= set(np.flatnonzero(none.reshape(-1, share.shape[-1]).all(axis=0)).tolist())
    return found


def identical(engine: Engine, params: Params) -> list[str]:
    """What to say of a latent all of whose values have the same parameters.

    EM stays there for ever: from a symmetric start no iteration tells them apart.
    """
    meta, sizes = engine.program.meta, engine.layout.sizes
    texts = []
    for latent in meta.latents:
        if not isinstance(latent.values, str) or sizes[latent.values] < 2:
            continue
        same = []
        for param in meta.params:
            batch = param.dims[: len(param.dims) - param.event]
            if latent.values in batch:
                value = np.moveaxis(params[param.name], batch.index(latent.values), 0)
                same.append(bool(np.allclose(value, value[:1], rtol=1e-9, atol=0.0)))
        if same and all(same):
            texts.append(f"all values of {latent.name} have the same parameters: the start was "
                         "symmetric, or there is nothing to tell them apart")  # fmt: skip
    return texts


def _elements(engine: Engine, latent: str) -> int:
    for data in engine.pieces:
        if latent in data.piece.latents:
            return data.size if data.inverse is None else len(data.inverse)
    return 0
