"""What stands in for a posterior of continuous latents before there are parameters.

Natural parameters are added to the log joint, as log potentials of discrete latents are: normal
latents about a drawn point (or zero) with a standard deviation of about one scale, positive ones
about that scale, chances about a half.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from emdsl.runtime.pieces import Chunk, Steer
from emdsl.runtime.program import Bias, Floats, Integral, Layout, Piece, Share

if TYPE_CHECKING:
    from emdsl.runtime.engine import Engine

_SHAPE = 3.0  # of positive latents and pairs of chances: a posterior neither flat nor sharp
_SPREAD = 0.3  # in logs, of drawn ones about the scale


def unopinionated(piece: Piece, chunk: Chunk, layout: Layout) -> dict[str, Floats]:
    """Natural parameters, by the names of the functions, that say nothing of any row."""
    return steered(piece, chunk.stop - chunk.start, layout, None, 1.0)


def steered(
    piece: Piece,
    rows: int,
    layout: Layout,
    rng: np.random.Generator | None,
    scale: float,
    added: Collection[str] = (),
) -> dict[str, Floats]:
    """Natural parameters about points drawn anew for every row, {function: (entries..., rows)}.

    Latents that the model's file doesn't have are not drawn: they start at what changes nothing.
    """
    out: dict[str, Floats] = {}
    for integral in piece.integrals:
        dims = {
            s.name: tuple(
                layout.sizes[d] if isinstance(d, str) else d
                for d in piece.clusters[s.cluster][integral.states :]
            )
            for s in integral.shares
        }
        make = _normal if integral.family == "normal" else _FAMILIES[integral.family]
        own = not set(integral.latents) <= set(added)
        out |= make(integral, dims, rows, rng if own else None, scale if own else 1.0)
    return out


class Points:
    """A steer that draws points for continuous latents too, `scale` apart."""

    def __init__(
        self, engine: Engine, steer: Steer, rng: np.random.Generator, scale: float
    ) -> None:
        self.engine, self.steer, self.rng, self.scale = engine, steer, rng, scale

    def __call__(self, index: int, chunk: Chunk) -> Bias:
        """The log potentials, and natural parameters, of one block of a piece."""
        piece = self.engine.pieces[index].piece
        drawn = dict(self.steer(index, chunk) or {})
        if piece.integrals:
            rows = chunk.stop - chunk.start
            added = {c.name for c in self.engine.program.meta.continuous if c.added}
            drawn |= steered(piece, rows, self.engine.layout, self.rng, self.scale, added)
        return drawn


Dims = Mapping[str, tuple[int, ...]]


def _normal(
    integral: Integral, dims: Dims, rows: int, rng: np.random.Generator | None, scale: float
) -> dict[str, Floats]:
    """Independent normals: precision 2 / scale^2 about the drawn point."""
    out: dict[str, Floats] = {}
    entries: dict[int, tuple[int, ...]] = {}
    for s in integral.shares:
        inner = dims[s.name]
        entries[s.first] = inner[: s.width]
        if s.role == "product":
            entries[s.second] = inner[s.width :]
    for part, shape in entries.items():
        point = np.zeros((*shape, 1)) if rng is None else rng.standard_normal((*shape, rows))
        own = [s for s in integral.shares if s.first == part]
        linear = next((s for s in own if s.role == "linear"), None)
        if linear is not None:
            out[linear.name] = 2.0 / scale * point
        square = _square(own, part)
        count = int(np.prod(shape))
        value = -1.0 / scale**2 * (np.ones if square.role == "along" else _eye)(count)
        out[square.name] = value.reshape(*dims[square.name], 1)
    return out


def _square(shares: list[Share], part: int) -> Share:
    """The function that a part's own squares are: entry by entry where there is one."""
    own = [s for s in shares if s.role in ("along", "product") and s.second == part]
    return min(own, key=lambda s: s.role)


def _eye(count: int) -> Floats:
    return np.eye(count)


def _drawn(shape: tuple[int, ...], rng: np.random.Generator | None) -> Floats:
    return np.ones(shape) if rng is None else np.exp(_SPREAD * rng.standard_normal(shape))


def _named(integral: Integral, values: Mapping[int, Floats]) -> dict[str, Floats]:
    """Natural parameters by function number, under the names of the functions that are there."""
    out: dict[str, Floats] = {}
    for number, value in values.items():
        share = next((s for s in integral.shares if s.first == number), None)
        if share is not None:
            out[share.name] = value
    return out


def _shape_of(integral: Integral, dims: Dims, rows: int) -> tuple[int, ...]:
    return (*dims[integral.shares[0].name], rows)


def _gamma(
    integral: Integral, dims: Dims, rows: int, rng: np.random.Generator | None, scale: float
) -> dict[str, Floats]:
    rate = _SHAPE / (scale * _drawn(_shape_of(integral, dims, rows), rng))
    return _named(integral, {0: np.full_like(rate, _SHAPE - 1.0), 1: -rate})


def _inverse_gamma(
    integral: Integral, dims: Dims, rows: int, rng: np.random.Generator | None, scale: float
) -> dict[str, Floats]:
    size = _SHAPE * scale * _drawn(_shape_of(integral, dims, rows), rng)
    return _named(integral, {0: np.full_like(size, -_SHAPE - 1.0), 1: -size})


def _both_ways(
    integral: Integral, dims: Dims, rows: int, rng: np.random.Generator | None, scale: float
) -> dict[str, Floats]:
    """u and 1/u: a generalised inverse Gaussian about the scale."""
    at = scale * _drawn(_shape_of(integral, dims, rows), rng)
    return _named(integral, {1: -1.0 / at, 2: -at})


def _chance(
    integral: Integral, dims: Dims, rows: int, rng: np.random.Generator | None, _: float
) -> dict[str, Floats]:
    shape = _shape_of(integral, dims, rows)
    return _named(integral, {i: _SHAPE * _drawn(shape, rng) - 1.0 for i in (0, 1)})


def _half_normal(
    integral: Integral, dims: Dims, rows: int, rng: np.random.Generator | None, scale: float
) -> dict[str, Floats]:
    point = scale * _drawn(_shape_of(integral, dims, rows), rng)
    square = np.full_like(point, -1.0 / scale**2)
    return _named(integral, {0: 2.0 * point / scale**2, 1: square})


_FAMILIES = {
    "gamma": _gamma,
    "inverse_gamma": _inverse_gamma,
    "generalised_inverse_gaussian": _both_ways,
    "beta": _chance,
    "dirichlet": _chance,
    "positive_normal": _half_normal,
}
