"""The curvature that directions uphill are by: a Hessian, mended by the gradients met since."""

from __future__ import annotations

import numpy as np

from emdsl.runtime.arrow import Arrow
from emdsl.runtime.arrow import Uphill as ByGroup
from emdsl.runtime.ascent import Uphill
from emdsl.runtime.coordinates import Coordinates
from emdsl.runtime.finite import all_finite
from emdsl.runtime.objective import Floats, Mask

_LEAST = 1e-12  # a cosine between a step and its change of the gradient that still tells something


class Curve:
    """Curvatures of B problems in their free coordinates.

    curvature : the negative Hessians, (B, m, m), symmetric, or arrows.

    What a step has shown of the curvature along it is kept as a pair: the step and by how much the
    gradient fell. Directions obey all of them by the recursion of L-BFGS, with the Hessian in place
    of its initial matrix (Nocedal and Wright 2006, algorithm 7.4).
    """

    sound: Mask

    def __init__(self, curvature: Floats | Arrow) -> None:
        self._pairs: list[tuple[Floats, Floats, Floats]] = []
        if isinstance(curvature, Arrow):
            self.sound = curvature.sound
            self._uphill: Uphill | ByGroup = curvature.harmless(self.sound).uphill()
            return
        self.sound = np.ones(len(curvature), dtype=np.bool_)
        if not all_finite(curvature):
            self.sound = np.asarray(np.isfinite(curvature).all(axis=(-2, -1)))
        if not self.sound.all():
            harmless = np.eye(curvature.shape[-1])
            curvature = np.where(self.sound[:, None, None], curvature, harmless)
        self._uphill = Uphill(curvature)

    def learn(self, step: Floats, fall: Floats) -> None:
        """Steps (B, m) and by how much the gradient fell along them (B, m)."""
        product = (step * fall).sum(axis=-1)
        size = np.sqrt((step * step).sum(axis=-1) * (fall * fall).sum(axis=-1))
        tells = np.isfinite(product) & (product > _LEAST * size)
        if tells.any():
            weight = np.where(tells, 1.0 / np.where(tells, product, 1.0), 0.0)
            fall = np.where(tells[:, None], fall, 0.0)
            self._pairs.append((step, fall, weight))

    def step(self, frame: Coordinates, gradient: Floats, active: Mask) -> tuple[Floats, Floats]:
        """The step of each problem (B, m), and the slope of its value along it; 0 where none."""
        g = gradient
        if not (all_finite(g) and self.sound.all() and active.all()):
            sound = np.isfinite(g).all(axis=-1) & self.sound & active
            g = np.where(sound[:, None], g, 0.0)
        step = self._direction(g)
        if frame.jumps is not None:
            longest = (np.abs(frame.moved(step)) / frame.jumps).max(axis=-1)
            if longest.max() > 1.0:
                step = step / np.maximum(longest, 1.0)[:, None]
        gain = (g * step).sum(axis=-1)
        return step, np.where(np.isfinite(gain), gain, 0.0)

    def _direction(self, gradient: Floats) -> Floats:
        parts = []
        for step, fall, weight in reversed(self._pairs):
            part = weight * (step * gradient).sum(axis=-1)
            gradient = gradient - part[:, None] * fall
            parts.append(part)
        found = self._uphill.step(gradient)
        for (step, fall, weight), part in zip(self._pairs, reversed(parts), strict=True):
            other = weight * (fall * found).sum(axis=-1)
            found = found + (part - other)[:, None] * step
        return found
