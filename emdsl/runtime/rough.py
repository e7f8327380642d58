"""The curvature of a sample in place of that of all rows, without the noise of having few rows.

How noisy it is, two halves of the sample tell: of heavy-tailed rows a few make up most of it, and
it is as if there were far fewer. The correlations that are found are shrunk by the part of them
that is noise (Schaefer and Strimmer 2005, Stat. Appl. Genet. Mol. Biol. 4, section 2.4), or, where
what is left is strong, each eigenvalue is put right by itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from emdsl.runtime.ascent import scaling
from emdsl.runtime.coordinates import Coordinates
from emdsl.runtime.curve import Curve
from emdsl.runtime.objective import Floats, Objective

_CORRELATED = 0.3  # of squared correlations that is not noise: unknowns that do hang together
_ENOUGH = 40  # rows for each unknown from which a sample's eigenvalues are about right
_FEW = 1.5  # below which they tell nothing
_MANY = 16  # unknowns: of fewer eigenvalues there is no density
_WIDEST = np.sqrt(5.0)  # of Epanechnikov's kernel


class Rough:
    """An objective as a sample of its data shows it, or two halves of one, scaled to stand for all.

    share : what part of all rows that is.
    """

    def __init__(
        self,
        parts: tuple[Objective, ...],
        share: float,
        wider: Callable[[], Rough | None] | None = None,
    ) -> None:
        """`wider` gives one of more rows, where there are, worth its price among correlations."""
        self._parts = parts
        self._wider = wider
        self._better: Rough | None = None
        self.share = share

    def curve(self, frame: Coordinates, flat: Floats) -> Curve:
        """Its curvature, less what having few rows has added to the correlations of unknowns."""
        if self._better is not None:
            return self._better.curve(frame, flat)
        one, *others = (
            frame.settled(frame.curvature(flat, p.slopes(frame.point(flat), True)))
            for p in self._parts
        )
        if not others:
            return Curve(one)
        (other,) = others
        curvature = 0.5 * (one + other)
        count = frame.unknowns
        if frame.gauge is not None or count < 2 or not np.isfinite(curvature).all():
            return Curve(curvature)
        scale = scaling(curvature)
        scale = scale[:, :, None] * scale[:, None, :]
        noise = 0.25 * _off_diagonal((one - other) * scale)
        found = np.maximum(_off_diagonal(curvature * scale), 1e-300)
        kept = np.maximum(1.0 - noise / found, 0.0)
        rows = count * (count - 1) / np.maximum(noise, 1e-300)
        if count >= _MANY and (kept > _CORRELATED).any() and (rows < _ENOUGH * count).any():
            self._better = None if self._wider is None else self._wider()
            if self._better is not None:
                self.share = self._better.share
                return self._better.curve(frame, flat)
            if (rows > _FEW * count).all():
                return Curve(without_noise(curvature * scale, rows) / scale)
        on = np.arange(count)
        diagonal = curvature[:, on, on]
        curvature = curvature * kept[:, None, None]
        curvature[:, on, on] = diagonal
        return Curve(curvature)


def _off_diagonal(matrices: Floats) -> Floats:
    """The sum of squares off the diagonal, (B,)."""
    diagonal = matrices.diagonal(axis1=-2, axis2=-1)
    found: Floats = (matrices * matrices).sum(axis=(-2, -1)) - (diagonal * diagonal).sum(axis=-1)
    return found


def without_noise(correlations: Floats, rows: Floats) -> Floats:
    """Sample correlations (B, n, n) of so many rows (B,) with their eigenvalues put right.

    Those of a sample are spread out, the small ones most, so that steps by it are far too long
    along some directions. What each should be follows from the density of all of them and its
    Hilbert transform, both estimated with a kernel (Ledoit and Wolf 2020, Annals of Statistics 48,
    section 4). As they are, where some are not positive.
    """
    values, vectors = np.linalg.eigh(correlations)
    if not values.min() > 0.0:
        return correlations
    count = values.shape[-1]
    width = (rows ** (-1.0 / 3.0))[:, None, None] * values[:, None, :]
    x = (values[:, :, None] - values[:, None, :]) / width
    inside = np.maximum(1.0 - x * x / 5.0, 0.0)
    density = 0.75 / _WIDEST * (inside / width).mean(axis=-1)
    edge = np.abs(np.abs(x) - _WIDEST) < 1e-12  # where the logarithm's factor is zero
    logs = np.log(np.abs((_WIDEST - x) / np.where(edge, 1.0, _WIDEST + x)), where=~edge,
                  out=np.zeros_like(x))  # fmt: skip
    transform = (-0.3 * x + 0.75 / _WIDEST * (1.0 - x * x / 5.0) * logs) / np.pi
    hilbert = (transform / width).mean(axis=-1)
    part = (count / rows)[:, None]
    real = 1.0 - part - np.pi * part * values * hilbert
    mended = values / ((np.pi * part * values * density) ** 2 + real * real)
    found: Floats = (vectors * mended[:, None, :]) @ np.swapaxes(vectors, -1, -2)
    return found
