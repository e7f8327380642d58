"""Where EM starts from: log potentials for the latents that stand in for a posterior.

`spread` picks rows of the data far from each other (k-means++) and gives each row to the nearest;
`rows` picks them blindly; `random` gives every row random responsibilities. Restarts take turns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from emdsl.runtime.columns import Gathered, Scale, distances, extent_of, gathered
from emdsl.runtime.engine import Chunk, Engine
from emdsl.runtime.program import Bias, Floats, Meta
from emdsl.runtime.supports import DISCRETE

Steer = Callable[[int, Chunk], "Bias | None"]
Method = Literal["spread", "rows", "random"]

_TILT = 0.7  # how far restarts after the first weigh columns unlike: finds more optima
_VOTES = 0.5  # how often a start believes what others say of a row
_OTHER = -3.0  # log potential of the other centres: a hard start finds fewer optima, and collapses


class Seeder:
    """Draws starts for one data set. Row i of a plate sees only the data, never the order."""

    def __init__(self, engine: Engine) -> None:
        self._meta: Meta = engine.program.meta
        self._sizes: Mapping[str, int] = engine.layout.sizes
        self._pieces = engine.pieces
        unseen = self._meta.latents or self._meta.continuous or engine.has_gaps
        scaled = engine.pieces if unseen else ()  # else there is nothing to draw
        own = [Scale(self._meta, piece, self._sizes) for piece in scaled]
        self._scales: list[Scale | Gathered] = [
            scale if scale.names else gathered(engine, own, i) or scale
            for i, scale in enumerate(own)
        ]

    def method(self, restart: int, attempt: int) -> Method:
        """How a restart starts; where the start before it was degenerate, otherwise than that."""
        methods = self._methods()
        first = methods[restart % len(methods)]
        if attempt == 0 or len(methods) == 1:
            return first
        # rows far from all others make components of one row, so now pick blindly
        return ("rows", "random" if first == "spread" else "spread")[(attempt - 1) % 2]

    def _methods(self) -> tuple[Method, ...]:
        if any(s.names for s in self._scales):
            seen = {a.kind for a in self._meta.arrays if a.role in ("data", "input")}
            inputs = any(a.role == "input" for a in self._meta.arrays)
            if inputs or seen <= DISCRETE:  # nearness says less of what belongs together
                return ("spread", "random")
            return ("spread", "spread", "spread", "random")
        return ("random",)

    def steer(self, rng: np.random.Generator, method: Method, *, tilted: bool) -> Steer:
        """A `bias` for `Engine.start`, drawn anew; `tilted` weighs the columns at random."""
        plans: list[dict[str, Callable[[Chunk], Floats]]] = []
        for piece, scale in zip(self._pieces, self._scales, strict=True):
            plan: dict[str, Callable[[Chunk], Floats]] = {}
            several = len(piece.piece.latents) > 1
            for name in piece.piece.latents:
                latent = next(z for z in self._meta.latents if z.name == name)
                values = extent_of(latent.values, self._sizes)
                near = method != "random" and bool(scale.names)
                if several and rng.random() < 0.5:
                    near = False
                votes = scale.votes.get(name) if isinstance(scale, Gathered) else None
                if near and votes is not None and rng.random() < _VOTES:
                    plan[name] = _voted(votes)
                elif near:
                    tilt = np.exp(_TILT * tilted * rng.standard_normal((scale.width, 1)))
                    centres = scale.centres(
                        piece, latent, values, rng, blind=method == "rows", tilt=tilt
                    )
                    plan[name] = _nearest(scale, centres, tilt)
                else:
                    plan[name] = _random(values, rng, labelled=latent.data is not None)
            plans.append(plan)
        return lambda index, chunk: {n: draw(chunk) for n, draw in plans[index].items()}


def given_steer(engine: Engine, responsibilities: Mapping[str, Floats], otherwise: Steer) -> Steer:
    """Log potentials from responsibilities (N, values) the user gives for some latents."""
    tables: dict[str, Floats] = {}
    for piece in engine.pieces:
        for name in piece.piece.latents:
            if name in responsibilities:
                table = responsibilities[name].T
                if piece.inverse is not None:  # equal rows share their average
                    weight = engine.levels.weight(piece.piece.axes)
                    total = np.bincount(piece.inverse, weight, minlength=piece.size)
                    table = np.stack([
                        np.bincount(
                            piece.inverse, r if weight is None else r * weight, minlength=piece.size
                        )
                        / np.maximum(total, 1e-300)
                        for r in table
                    ])  # fmt: skip
                tables[name] = np.log(np.maximum(table, 1e-300))

    def steer(index: int, chunk: Chunk) -> Bias | None:
        drawn = dict(otherwise(index, chunk) or {})
        for name in engine.pieces[index].piece.latents:
            if name in tables:
                drawn[name] = tables[name][:, chunk.start : chunk.stop]
        return drawn

    return steer


def _random(values: int, rng: np.random.Generator, labelled: bool) -> Callable[[Chunk], Floats]:
    scale = 0.5 if labelled else 2.0  # labels already tell the values apart
    return lambda chunk: scale * rng.standard_normal((values, chunk.stop - chunk.start))


def _voted(votes: Floats) -> Callable[[Chunk], Floats]:
    """Log shares of the values that rows are said to have (Dawid and Skene 1979, section 4)."""
    return lambda chunk: np.log(np.maximum(votes[:, chunk.start : chunk.stop], 1e-3))


def _nearest(scale: Scale | Gathered, centres: Floats, tilt: Floats) -> Callable[[Chunk], Floats]:
    def draw(chunk: Chunk) -> Floats:
        x, seen = scale.rows(slice(chunk.start, chunk.stop))
        x = x * tilt
        distance = distances(x, seen, centres)
        out = np.full(distance.shape, _OTHER)
        out[distance.argmin(axis=0), np.arange(distance.shape[1])] = 0.0
        return out

    return draw
