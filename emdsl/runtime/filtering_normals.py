"""What is known of normal chains from the past alone: states before a row's data, and with them.

A row's log joint is quadratic in the latents it sees, those of its own time and of a few times
before. It is taken twice, with the data and without (all of them missing): what is known of these
latents from the past times the row without data is the prediction, times the row with data what is
filtered, and the ratio of the two integrals is the density of the row's data given the past. With
u the latents of times t to t - H, N(m, P^-1) their prediction and h'u - u'Ju / 2 what data add,

    g = h - J m        E[u | past, x_t] = m + (P + J)^-1 g
    log p(x_t | past) = h'm - m'Jm / 2 + g'(P + J)^-1 g / 2 + log(det P / det(P + J)) / 2

which is the filter of Kalman (J. Basic Eng. 82 (1960)) in terms of precisions (Anderson and Moore,
Optimal Filtering (1979), section 6.3). Sequences are walked side by side, and where their matrices
no longer change many times are one step (`filter_steps.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.errors import NoFilterError
from emdsl.runtime.filter_steps import Step, alike, settled, steady
from emdsl.runtime.links import added_up
from emdsl.runtime.pieces import Known
from emdsl.runtime.program import Floats, Params

if TYPE_CHECKING:
    from emdsl.runtime.gaps import GapData
    from emdsl.runtime.jointly import JointlyNormalData

Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Windows:
    """Of each row of a chain's level the latents of its own time and of `lags` times before.

    Each time has `size` numbers, those of latent f from `offsets[f]` on; the row's own come first.
    `starts` and `lengths` are those of the sequences.
    """

    level: tuple[str, ...]
    rows: int
    size: int
    offsets: tuple[int, ...]
    lags: int
    starts: Ints
    lengths: Ints

    @property
    def width(self) -> int:
        """How many numbers a window has."""
        return self.size * (self.lags + 1)

    def place(self, family: int, lag: int, dim: int) -> slice:
        """Where in a window a latent is."""
        first = lag * self.size + self.offsets[family]
        return slice(first, first + dim)


@dataclass(frozen=True, slots=True)
class FilteredNormals:
    """What the past says of each row's window: means (W, rows) and covariances (W, W, rows), before
    the row's data and with them; and the log density of the row's data given the past, but for
    terms that no latent touches, (rows,).
    """

    windows: Windows
    predicted: tuple[Floats, Floats]
    filtered: tuple[Floats, Floats]
    log_predictive: Floats


def windows_of(data: JointlyNormalData) -> Windows:
    """The times that rows see at once.

    Raises NoFilterError where the latents aren't those of one chain's rows.
    """
    names = ", ".join(c.name for c in data.latents)
    level = data.latents[0].axes
    other = next((c for c in data.latents if c.axes != level), None)
    if other is not None:
        raise NoFilterError(
            f"{names} can't be filtered: {data.latents[0].name} and {other.name} are tied to each "
            "other over different plates, so that no order in time tells what is past: ask for "
            "posterior_moments"
        )
    for g in data.groups:
        axes = data.data[g.piece].piece.axes
        pointed = next((v for v in g.integral.sights if any(k != "axis" for k, _, _ in v.places)),
                       None)  # fmt: skip
        if pointed is not None or axes[: len(level)] != level:
            seen = pointed.key if pointed is not None else names
            raise NoFilterError(
                f"{names} can't be filtered: rows of {data.levels.name(axes)} see {seen} by an "
                "index, so that no order in time tells what is past: ask for posterior_moments"
            )
    rows = data.levels.rows(level)
    lags = max(int((own - i)[i >= 0].max(initial=0)) for own, i, _, _ in _sights(data))
    if lags == 0:
        raise NoFilterError(
            f"{names}: no row sees a latent of a row before it (z[t-1]), so there is nothing to "
            "filter along: ask for posterior_moments"
        )
    dims = [f.dim for f in data.families]
    offsets = tuple(int(x) for x in np.cumsum([0, *dims])[:-1])
    return Windows(level, rows.size, sum(dims), offsets, lags, rows.starts[-1], rows.lengths[-1])


def _sights(data: JointlyNormalData) -> Iterator[tuple[Ints, Ints, int, int]]:
    """Each part of each group of rows: the rows' own times and the times seen, group and part."""
    deep = len(data.latents[0].axes)
    for c, g in enumerate(data.groups):
        own = data.levels.rows(data.data[g.piece].piece.axes).up[deep]
        for p, seen in enumerate(data.rows[c]):
            yield own, seen, c, p
    for c, gap in enumerate(data.gap_groups, len(data.groups)):
        own = data.levels.rows(data.data[gap.piece].piece.axes).up[deep][gap.gaps.incomplete()]
        for p, seen in enumerate(gap.rows):
            yield own, seen, c, p


def said(data: JointlyNormalData, known: Known, windows: Windows) -> tuple[Floats, Floats]:
    """What rows say of their windows, h'u - u'Ju / 2: h (W, rows) and J (W, W, rows)."""
    h = np.zeros((windows.width, windows.rows))
    j = np.zeros((windows.width, windows.width, windows.rows))
    linears, squares = data.row_naturals(known)
    families = [g.families for g in data.groups] + [g.families for g in data.gap_groups]
    seen_by: dict[int, list[tuple[Ints, Ints]]] = {}
    for own, seen, c, _ in _sights(data):
        seen_by.setdefault(c, []).append((own, seen))
    for c, own_families in enumerate(families):
        dims = [data.families[f].dim for f in own_families]
        for (p, q), value in _both(linears[c], squares[c]):
            (own, first), (_, second) = seen_by[c][p], seen_by[c][max(q, 0)]
            there = (first >= 0) & (second >= 0) if q >= 0 else first >= 0
            lags = np.stack([own - first, own - second if q >= 0 else own - own])
            for one, two in np.unique(lags[:, there], axis=1).T:
                rows = np.flatnonzero(there & (lags[0] == one) & (lags[1] == two))
                left = windows.place(own_families[p], int(one), dims[p])
                if q < 0:
                    h[left] += _at(value[..., rows], own[rows], windows.rows)
                    continue
                right = windows.place(own_families[q], int(two), dims[q])
                more = _at(value[..., rows], own[rows], windows.rows)
                j[left, right] -= more
                j[right, left] -= more.swapaxes(0, 1)
    return h, j


def _both(
    linear: list[tuple[int, Floats]], square: list[tuple[tuple[int, int], Floats]]
) -> Iterator[tuple[tuple[int, int], Floats]]:
    yield from (((p, -1), value) for p, value in linear)
    yield from square


def _at(values: Floats, place: Ints, size: int) -> Floats:
    """Values (..., R) added up at their places, (..., size)."""
    flat = values.reshape(-1, values.shape[-1])
    found = np.stack([added_up(row, place, size) for row in flat])
    return found.reshape(*values.shape[:-1], size)


def filter_normals(
    data: JointlyNormalData, blank: JointlyNormalData, known: Known, bare: Known
) -> FilteredNormals:
    """Filter along a chain; `blank` is the same without data.

    Raises NoFilterError where it is no chain, or the past leaves a state without a distribution.
    """
    windows = windows_of(data)
    h, j = said(blank, bare, windows)
    more_h, more_j = said(data, known, windows)
    more_h -= h
    more_j -= j
    width, size, rows = windows.width, windows.size, windows.rows
    kept = width - size
    ahead_mean, ahead = np.empty((width, rows)), np.empty((width, width, rows))
    mean, spread = np.empty_like(ahead_mean), np.empty_like(ahead)
    density = np.empty(rows)
    order = np.argsort(-windows.lengths, kind="stable")
    starts, lengths = windows.starts[order], windows.lengths[order]
    before = np.zeros((len(order), kept))
    precision = np.tile(np.eye(kept), (len(order), 1, 1))  # of times that aren't there
    again = alike(j, more_j)
    last, t = int(lengths.max(initial=0)), 0
    while t < last:
        alive = int(np.searchsorted(-lengths, -t, side="left"))
        e = starts[:alive] + t
        prior = np.moveaxis(j[..., e], -1, 0)
        prior[:, size:, size:] += precision[:alive]
        more = np.moveaxis(more_j[..., e], -1, 0)
        full = prior + more
        inverse, log_det = _inverse(prior, data, windows, e)
        now, full_log_det = _inverse(full, data, windows, e)
        away = np.linalg.solve(full[:, kept:, kept:], full[:, kept:, :kept])
        after = full[:, :kept, :kept] - full[:, :kept, kept:] @ away
        step = Step(precision[:alive], inverse, now, more, 0.5 * (log_det - full_log_det))
        run = 1
        if settled(precision[:alive], after):
            run = steady(again, starts[:alive], lengths[alive - 1], t)
        at = e[:, None] + np.arange(run)
        m, found = step.means(h[:, at], more_h[:, at], before[:alive])
        density[at] = step.density(more_h[:, at], m, found - m)
        ahead_mean[:, at], mean[:, at] = m, found
        ahead[..., at] = np.moveaxis(inverse, 0, -1)[..., None]
        spread[..., at] = np.moveaxis(now, 0, -1)[..., None]
        before[:alive] = found[:kept, :, -1].T
        precision[:alive] = after
        t += run
    return FilteredNormals(windows, (ahead_mean, ahead), (mean, spread), density)


def foreseen(
    data: JointlyNormalData, found: FilteredNormals, params: Params
) -> Iterator[tuple[GapData, Ints, Floats, Floats]]:
    """What the past says of data: of each group of arrays its rows, their cells' means and
    variances (V, rows).

    data : the chain where all data are missing and integrated out.
    """
    windows, (mean, spread) = found.windows, found.predicted
    seen_by = {(c, p): (own, seen) for own, seen, c, p in _sights(data)}
    for c, gap in enumerate(data.gap_groups, len(data.groups)):
        gap.gaps.solve(params)
        own = seen_by[c, 0][0]
        place = np.full((gap.ties.size, len(own)), -1, dtype=np.intp)  # in the rows' windows
        for p, span in enumerate(gap.ties.spans.values()):
            lag = own - seen_by[c, p][1]
            first = windows.place(gap.families[p], 0, 0).start + lag * windows.size
            numbers = np.arange(span.stop - span.start)[:, None] + first
            place[span] = np.where(seen_by[c, p][1] >= 0, numbers, -1)
        there = place >= 0
        at = np.where(there, mean[place, own], 0.0)
        apart = np.where(there[:, None] & there, spread[place[:, None], place, own], 0.0)
        size = gap.gaps.data.size
        ones = np.ones((1, size))
        yield gap.gaps, *gap.gaps.cells(0, size, ones, (at[None], apart[None]))


def _inverse(
    precision: Floats, data: JointlyNormalData, windows: Windows, rows: Ints
) -> tuple[Floats, Floats]:
    """Inverses (B, W, W) and logs of determinants (B,), scaled by the diagonals first."""
    diagonal = np.einsum("bii->bi", precision)
    try:
        if not (diagonal > 0.0).all():
            raise np.linalg.LinAlgError
        scale = 1.0 / np.sqrt(diagonal)
        root = np.linalg.cholesky(precision * scale[:, :, None] * scale[:, None])
    except np.linalg.LinAlgError:
        names = ", ".join(c.name for c in data.latents)
        where = data.levels.where(windows.level, int(rows[0]))
        raise NoFilterError(
            f"{names} can't be filtered: at row {where} the past leaves no proper distribution of "
            "the states, expected one from the first row on: give the first state a distribution"
        ) from None
    half = np.linalg.inv(root) * scale[:, None]
    logs = np.log(np.einsum("bii->bi", root) / scale).sum(axis=1)
    return np.swapaxes(half, -1, -2) @ half, 2.0 * logs
