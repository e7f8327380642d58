"""What stands in for a posterior of continuous latents before there are parameters.

Natural parameters are added to the log joint, as log potentials of discrete latents are: normal
latents about a drawn point (or zero) with a standard deviation of about one scale, positive ones
about that scale, chances about a half.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
    centres: Mapping[str, float] | None = None,
    added: Collection[str] = (),
) -> dict[str, Floats]:
    """Natural parameters about points drawn anew for every row, {function: (entries..., rows)}.

    Normal latents are drawn about their `centres`, or zero. Without `rng` nothing is drawn: they
    are at the centre, others at one. Latents that the model's file doesn't have are not drawn: they
    start at what changes nothing.
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
        own = not set(integral.latents) <= set(added)
        point = rng if own else None
        if integral.family == "normal":
            about = [(centres or {}).get(name, 0.0) for name in integral.latents]
            out |= _normal(integral, dims, rows, point, scale if own else 1.0, about)
        else:
            unit = 1.0 if point is None else scale
            out |= _FAMILIES[integral.family](integral, dims, rows, point, unit)
    return out


class Points:
    """A steer that draws points for continuous latents too, `scale` apart about their `centres`.

    Without `rng` all are alike.
    """

    def __init__(
        self,
        engine: Engine,
        steer: Steer,
        rng: np.random.Generator | None,
        scale: float,
        centres: Mapping[str, float] | None = None,
    ) -> None:
        self.engine, self.steer, self.rng = engine, steer, rng
        self.scale, self.centres = scale, centres or {}

    def __call__(self, index: int, chunk: Chunk) -> Bias:
        """The log potentials, and natural parameters, of one block of a piece."""
        piece = self.engine.pieces[index].piece
        drawn = dict(self.steer(index, chunk) or {})
        if piece.integrals:
            rows = chunk.stop - chunk.start
            added = {c.name for c in self.engine.program.meta.continuous if c.added}
            layout = self.engine.layout
            drawn |= steered(piece, rows, layout, self.rng, self.scale, self.centres, added)
        return drawn


Dims = Mapping[str, tuple[int, ...]]


def _normal(
    integral: Integral,
    dims: Dims,
    rows: int,
    rng: np.random.Generator | None,
    scale: float,
    centres: Sequence[float],
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
            out[linear.name] = 2.0 / scale * point + 2.0 * centres[part] / scale**2
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


def _matrix(
    integral: Integral,
    dims: Dims,
    rows: int,
    rng: np.random.Generator | None,
    scale: float,
    *,
    inverse: bool = False,
) -> dict[str, Floats]:
    """Wishart of so many degrees of freedom beyond the order, about diagonal matrices."""
    entries = next(s.name for s in integral.shares if s.first == 1)
    size = dims[entries][0]
    half = 0.5 * (size - 1.0) + _SHAPE
    at = scale * _drawn((size, rows), rng)
    value = np.zeros((size, size, rows))
    value[np.arange(size), np.arange(size)] = -half * (at if inverse else 1.0 / at)
    log_det = half - 0.5 * (size + 1.0)
    if inverse:
        log_det = -log_det - size - 1.0
    return _named(integral, {0: np.full(rows, log_det), 1: value})


def _inverse_matrix(
    integral: Integral, dims: Dims, rows: int, rng: np.random.Generator | None, scale: float
) -> dict[str, Floats]:
    return _matrix(integral, dims, rows, rng, scale, inverse=True)


_FAMILIES = {
    "gamma": _gamma,
    "inverse_gamma": _inverse_gamma,
    "generalised_inverse_gaussian": _both_ways,
    "beta": _chance,
    "dirichlet": _chance,
    "positive_normal": _half_normal,
    "wishart": _matrix,
    "inverse_wishart": _inverse_matrix,
}
