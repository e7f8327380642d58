"""Missing cells that normal latents have a part in: rows of loading @ z with a full covariance.

As a function of a row's latents u and its missing cells t, about where they are filled in, its
log joint is

    q(t, u) = q(0, u) + (b + S'u)'t - t'Pt / 2

The integral over t is that at u = 0 (see `gaps`) times the exponential of

    u'S P^-1 b + u'S P^-1 S'u / 2

which adds to what u and u u' are multiplied by. Given the latents the cells have the mean m + G u,
with m = P^-1 b and the gain G = P^-1 S', and the covariance P^-1; so with moments of u given the
data

    E[t] = m + G E[u]      E[u t'] = E[u] m' + E[u u'] G'
    E[t t'] = P^-1 + m m' + m (G E[u])' + G E[u] m' + G E[u u'] G'

which is what the EM algorithm for missing data asks for (Little and Rubin, Statistical Analysis
with Missing Data (2019), section 11.2; Shumway and Stoffer, J. Time Ser. Anal. 3 (1982)).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emdsl.runtime.patterns import Conditionals, Ints
from emdsl.runtime.program import Floats, Gaps, Layout, Piece, Share


@dataclass(frozen=True, slots=True)
class Moments:
    """Of the latents that rows' cells are tied to, weighed with the posterior of the K values of
    the discrete latents above: `first` (K, U, B) and `second` (K, U, U, B).
    """

    first: Floats
    second: Floats

    def rows(self, which: Ints) -> Moments:
        """Those of some rows."""
        return Moments(self.first[..., which], self.second[..., which])

    def given(self, weight: Floats) -> tuple[Floats, Floats]:
        """Means (K, U, B) and covariances (K, U, U, B) at each value of the discrete latents.

        weight : the posterior of these values, (K, B).
        """
        there = np.where(weight > 0.0, weight, 1.0)
        mean = self.first / there[:, None]
        return mean, self.second / there[:, None, None] - mean[:, :, None] * mean[:, None]


@dataclass(frozen=True, slots=True)
class Ties:
    """Which normal latents the missing cells of one group of arrays are tied to.

    `integral` is their place among the piece's; `linear` the shares that the arrays are in,
    `spans` each of their parts' entries among the U of all parts, `square` the products of parts;
    `dims` the axes of the shares' clusters.
    """

    integral: int
    linear: tuple[Share, ...]
    square: tuple[Share, ...]
    spans: Mapping[int, slice]
    dims: Mapping[int, tuple[int, ...]]
    states: int

    @property
    def size(self) -> int:
        """U: how many entries the latents have."""
        return sum(s.stop - s.start for s in self.spans.values())

    @property
    def parts(self) -> tuple[int, ...]:
        """The parts of the integral, in order."""
        return tuple(self.spans)

    @property
    def clusters(self) -> frozenset[int]:
        """The clusters with features of the arrays that are natural parameters."""
        return frozenset(s.cluster for s in self.linear)

    def taken(self, values: Sequence[Floats]) -> Moments:
        """The moments of u out of those of all clusters' functions, (C, B) each."""
        width = values[self.linear[0].cluster].shape[-1]
        first = np.zeros((self.states, self.size, width))
        second = np.zeros((self.states, self.size, self.size, width))
        for s in self.linear:
            first[:, self.spans[s.first]] = values[s.cluster].reshape(self.states, -1, width)
        for s in self.square:
            i, j = self.spans[s.first], self.spans[s.second]
            both = values[s.cluster].reshape(self.states, i.stop - i.start, j.stop - j.start, width)
            second[:, i, j] = both
            if s.first != s.second:
                second[:, j, i] = np.swapaxes(both, 1, 2)
        return Moments(first, second)

    def natural(self, linear: Floats, square: Floats) -> dict[int, Floats]:
        """What u (K, U, B) and u u' (K, U, U, B) are multiplied by, as clusters have it."""
        out: dict[int, Floats] = {}
        done: set[int] = set()
        for s in self.linear:
            if s.first not in done:  # one cluster of several will do
                done.add(s.first)
                value = linear[:, self.spans[s.first]]
                out[s.cluster] = value.reshape(*self.dims[s.cluster], -1)
        for s in self.square:
            value = square[:, self.spans[s.first], self.spans[s.second]]
            value = value if s.first == s.second else 2.0 * value
            out[s.cluster] = value.reshape(*self.dims[s.cluster], -1)
        return out


def ties_of(piece: Piece, gaps: Gaps, layout: Layout) -> Ties | None:
    """The latents that a group's missing cells are tied to; None where there are none."""
    if not gaps.naturals:
        return None
    number, integral = next(
        (i, g) for i, g in enumerate(piece.integrals)
        if any(s.cluster in gaps.naturals for s in g.shares)
    )  # fmt: skip
    shares = [s for s in integral.shares if s.cluster in gaps.naturals]
    dims = {
        s.cluster: tuple(layout.sizes[d] if isinstance(d, str) else d
                         for d in piece.clusters[s.cluster])
        for s in shares
    }  # fmt: skip
    linear = tuple(s for s in shares if s.role == "linear")
    spans: dict[int, slice] = {}
    start = 0
    for s in sorted(linear, key=lambda s: s.first):
        if s.first not in spans:
            stop = start + math.prod(dims[s.cluster][integral.states :])
            spans[s.first], start = slice(start, stop), stop
    square = tuple(s for s in shares if s.role != "linear")
    states = math.prod(dims[linear[0].cluster][: integral.states])
    return Ties(number, linear, square, spans, dims, states)


class Pull:
    """What latents and the missing cells of rows do to each other, under some parameters.

    `slope` (K, U, V, kinds) is S; of each pattern of missing cells `gain` (K, V, U, P) is G, zero
    for cells that are there, and `square` (K, U, U, P) is S P^-1 S' / 2.
    """

    def __init__(self, posterior: Conditionals, slope: Floats) -> None:
        self.slope = slope
        self.patterns = patterns = posterior.patterns
        states, size, count = slope.shape[:3]
        self.gain = np.zeros((states, count, size, patterns.count))
        self.square = np.empty((states, size, size, patterns.count))
        for number, group in enumerate(patterns.groups):
            which = np.arange(len(group.cells))
            inverse = posterior.inverses(number, which)  # (K, P, M, M)
            kind = np.zeros_like(group.kind) if slope.shape[-1] == 1 else group.kind
            own = np.moveaxis(slope[:, :, group.cells, kind[:, None]], 1, 3)  # (K, P, M, U)
            gain = inverse @ own
            here = patterns.first[number] + which
            self.gain[:, group.cells, :, here[:, None]] = gain.transpose(1, 2, 0, 3)
            self.square[..., here] = np.moveaxis(0.5 * np.swapaxes(own, -1, -2) @ gain, 1, -1)

    def linear(self, mean: Floats, rows: Ints) -> Floats:
        """S m for rows whose cells have the means m (K, V, b) at u = 0: (K, U, b)."""
        found: Floats
        if self.slope.shape[-1] == 1:
            found = self.slope[..., 0] @ mean
        else:
            found = np.einsum("kuvb,kvb->kub", self.slope[..., self.patterns.kind[rows]], mean)
        return found

    def gains(self, rows: Ints) -> Floats:
        """G of some rows, (K, V, U, b)."""
        return self.gain[..., self.patterns.number[rows]]

    def squares(self, rows: Ints) -> Floats:
        """S P^-1 S' / 2 of some rows, (K, U, U, b)."""
        return self.square[..., self.patterns.number[rows]]
