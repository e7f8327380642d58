"""The unconstrained coordinates of a whole block: flat arrays in, the parameters' own out."""

from __future__ import annotations

import numpy as np

from emdsl.runtime.charts import Chart
from emdsl.runtime.layout import layout
from emdsl.runtime.objective import Floats, Mask, Objective, Point, Restriction, Slopes

_OUT = 12.0  # e-folds
_NULL = 1e-9  # a direction whose curvature is this small a part of its terms is flat


class Coordinates:
    """B problems of n entries each, with m free coordinates: m = n unless restricted.

    start : the parameters, (*batch, *own_i) each; batch : how many axes the batch has.
    held : masks of entries that stay, shaped like the parameters (or broadcasting to them).
    restriction : only where batch is 0. Where it contradicts held entries, they win.
    shift : for each parameter the own axis along which adding the same number to every entry
        changes nothing (the classes of a softmax with weights for all of them), or None.

    Entries at the edge of their support (a positive 0, a unit 0 or 1, a simplex's 0, an ordered's
    gap of 0) stay, as no finite coordinate reaches them.

    Raises ValueError for a kind that has no coordinates, or a restriction of a batch.
    """

    def __init__(
        self,
        start: Point,
        kinds: tuple[str, ...],
        batch: int,
        held: tuple[Mask | None, ...] | None = None,
        restriction: Restriction | None = None,
        shift: tuple[int | None, ...] | None = None,
    ) -> None:
        if restriction is not None and batch:
            raise ValueError("a restriction is for one problem, not for a batch of them")
        lay = self.layout = layout(kinds, tuple(np.shape(x) for x in start), batch)
        self.problems, self.slices, self.entries = lay.problems, lay.slices, lay.entries
        self.flat = lay.joined(start)
        masks = held if held is not None else (None,) * len(kinds)
        self.charts = tuple(map(self._chart, kinds, range(len(kinds)), masks))
        frozen = any(c.frozen is not None for c in self.charts)
        self.plain = lay.jumps is None and not frozen
        entrywise = all(k in {"real", "positive", "unit"} for k in kinds)
        self._entrywise = entrywise and not frozen and not self.plain
        self.jumps = lay.jumps
        self._ordered: list[tuple[Chart, slice]] = []
        for kind, chart, at in zip(kinds, self.charts, self.slices, strict=True):
            if kind != chart.kind and self.jumps is not None:  # an ordered with held entries
                self._ordered.append((chart, at))
                self.jumps = self.jumps.copy()
                self.jumps[at] = np.inf
        self._shift = shift if shift is not None else (None,) * len(kinds)
        self._offset = np.zeros(self.entries)
        self._matrix: Floats | None = None
        self.unknowns: int = self.entries
        if restriction is not None:
            self._offset, self._matrix = self._within(restriction)
            self.unknowns = self._matrix.shape[1]
        self.gauge = None if restriction is not None else self._gauges()

    # -- places --

    def first(self) -> tuple[Floats, Floats]:
        """Where to begin: free coordinates (B, m), and the parameters flat (B, n).

        That is the start itself; under a restriction, the nearest point that obeys it.
        """
        phi = self._phi(self.flat)
        if self._matrix is None:
            return phi, self.flat
        found = np.linalg.lstsq(self._matrix, phi[0] - self._offset, rcond=None)[0]
        free = np.asarray(found)[None]
        return free, self.natural(free)

    def natural(self, free: Floats) -> Floats:
        """The parameters of free coordinates, flat: (B, n)."""
        phi = self.moved(free, whole=True)
        if self.plain:
            return phi
        parts = [c.natural(phi[:, at]) for c, at in zip(self.charts, self.slices, strict=True)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

    def moved(self, free: Floats, whole: bool = False) -> Floats:
        """All coordinates of free ones, or of a step of free ones (without the offset), (B, n)."""
        if self._matrix is None:
            return free
        phi = free @ self._matrix.T
        return phi + self._offset if whole else phi

    def point(self, flat: Floats) -> Point:
        """Flat parameters in their own shapes."""
        return self.layout.parted(flat)

    def values(self, objective: Objective, flat: Floats) -> Floats:
        """The objective, (B,); minus infinity where an ordered with held entries is in disorder."""
        return self._in_order(objective.value(self.point(flat)), flat)

    def valued(self, objective: Objective, flat: Floats, slopes: Slopes) -> Floats:
        """`values` where the slopes are known, which may have them."""
        if slopes.value is None:
            return self.values(objective, flat)
        return self._in_order(slopes.value, flat)

    def _in_order(self, values: Floats, flat: Floats) -> Floats:
        found = np.reshape(values, self.problems)
        for chart, at in self._ordered:
            found = np.where(chart.valid(flat[:, at]), found, -np.inf)
        return found

    def is_far(self, flat: Floats) -> bool:
        """Whether any log is so far from 0 that functions of what it is the log of may cancel."""
        if self.jumps is None:
            return False
        logs = np.abs(np.log(np.maximum(np.abs(flat[:, np.isfinite(self.jumps)]), 1e-300)))
        return bool((logs > _OUT).any())

    @property
    def unbroken(self) -> bool:
        """Whether all free coordinates are in the domain: no ordered has held entries."""
        return not self._ordered

    @property
    def restricted(self) -> bool:
        """Whether the free coordinates aren't the entries' own."""
        return self._matrix is not None

    @property
    def free(self) -> Mask:
        """Which entries may move, (B, n)."""
        free = np.ones(self.flat.shape, dtype=np.bool_)
        for chart, at in zip(self.charts, self.slices, strict=True):
            if chart.frozen is not None:
                free[:, at] = ~chart.frozen
        return free

    # -- derivatives --

    def gradient(self, flat: Floats, slopes: Slopes) -> Floats:
        """The gradient in the free coordinates, (B, m)."""
        g = self.layout.joined(slopes.gradient)
        if self._entrywise:
            g = g * self._stretch(flat)
        elif not self.plain:
            g = np.concatenate(
                [
                    chart.pull(flat[:, at], g[:, at])
                    for chart, at in zip(self.charts, self.slices, strict=True)
                ],
                axis=-1,
            )
        return g if self._matrix is None else np.asarray(g @ self._matrix)

    def curvature(self, flat: Floats, slopes: Slopes) -> Floats:
        """The negative Hessian in the free coordinates, (B, m, m), symmetric."""
        size = self.entries
        h = np.empty((self.problems, size, size))
        for row, at in zip(slopes.grid(), self.slices, strict=True):
            for block, to in zip(row, self.slices, strict=True):
                own = self.problems, at.stop - at.start, to.stop - to.start
                h[:, at, to] = np.asarray(block).reshape(own)
        if self._entrywise:
            self._stretched(flat, slopes, h)
        elif not self.plain:
            self._chain(flat, slopes, h)
        if self._matrix is not None:
            h = self._matrix.T @ h @ self._matrix
        found: Floats = h + h.swapaxes(-1, -2)
        found *= -0.5
        return found

    def settled(self, curvature: Floats) -> Floats:
        """The curvature with a positive one along directions that are known to change nothing.

        Newton's step is the same, its part along them zero: the gradient has none there.
        Only where the curvature really vanishes there, which a prior may have changed.
        """
        gauge = self.gauge  # (B or 1, n, r)
        if gauge is None:
            return curvature
        flat = np.abs(curvature @ gauge).max(axis=-2)
        terms = (np.abs(curvature) @ gauge).max(axis=-2)
        count = gauge.sum(axis=-2)
        diagonal = np.abs(np.diagonal(curvature, axis1=-2, axis2=-1))
        mean = (diagonal[:, None, :] @ gauge)[:, 0] / np.maximum(count, 1.0)
        weight = np.where(flat <= _NULL * terms, mean / np.maximum(count, 1.0), 0.0)
        return curvature + (gauge * weight[:, None, :]) @ np.swapaxes(gauge, -1, -2)

    def _stretch(self, flat: Floats) -> Floats:
        """dx / dphi of logs and logits, entry by entry, (B, n)."""
        if self.layout.only_logs:
            return flat
        return np.where(
            self.layout.logs, flat, np.where(self.layout.logits, flat * (1.0 - flat), 1.0)
        )

    def entrywise(self, flat: Floats, slopes: Slopes) -> tuple[Floats, Floats | None]:
        """dx / dphi of every entry, and what the maps' curvature adds to the diagonal, (B, n).

        Only where each coordinate is of its own entry. A held one doesn't move, and its curvature
        is 1; None where nothing is added.
        """
        free = self.free
        stretch = np.where(free, self._stretch(flat), 0.0)
        if self.plain:
            return stretch, None
        bend = self.layout.joined(slopes.gradient) * stretch
        bend *= np.where(self.layout.logs, 1.0, np.where(self.layout.logits, 1.0 - 2.0 * flat, 0.0))
        return stretch, np.where(free, -bend, 1.0)

    def _stretched(self, flat: Floats, slopes: Slopes, h: Floats) -> None:
        """`_chain` where nothing is frozen and every coordinate has its own entry: quicker."""
        stretch = self._stretch(flat)
        h *= stretch[:, :, None]
        h *= stretch[:, None, :]
        bend = self.layout.joined(slopes.gradient) * stretch
        if not self.layout.only_logs:
            bend *= np.where(
                self.layout.logs, 1.0, np.where(self.layout.logits, 1.0 - 2.0 * flat, 0.0)
            )
        on = np.arange(self.entries)
        h[:, on, on] += bend

    def _chain(self, flat: Floats, slopes: Slopes, h: Floats) -> None:
        """J' H J plus the gradient times the maps' second derivatives, in place."""
        turned = np.swapaxes(h, -1, -2)
        for chart, at in zip(self.charts, self.slices, strict=True):
            h[..., at] = chart.pull(flat[:, at], h[..., at])
            turned[..., at] = chart.pull(flat[:, at], turned[..., at])
        for chart, at, g in zip(self.charts, self.slices, slopes.gradient, strict=True):
            bend = chart.bend(flat[:, at], np.reshape(g, (self.problems, -1)))
            if bend is None:
                continue
            if bend.ndim == 3:
                h[:, at, at] += bend
            else:
                on = np.arange(at.start, at.stop)
                h[:, on, on] += bend

    # -- making --

    def _chart(self, kind: str, number: int, held: Mask | None) -> Chart:
        x, own = self.flat[:, self.slices[number]], self.layout.own[number]
        last = own[-1] if own else 1
        stay = None if held is None else np.broadcast_to(held, self.layout.shapes[number])
        stay = None if stay is None else stay.reshape(x.shape)
        if stay is not None and not stay.any():
            stay = None
        if kind == "ordered" and stay is not None:
            kind = "real"
        edge: Mask | None = None
        if kind in {"positive", "simplex"}:
            edge = x <= 0.0
        elif kind == "unit":
            edge = (x <= 0.0) | (x >= 1.0)
        elif kind == "ordered":
            rows = x.reshape(len(x), -1, last)
            edge = (np.diff(rows, axis=-1, prepend=-np.inf) <= 0.0).reshape(x.shape)
        if edge is not None and edge.any():
            stay = edge if stay is None else stay | edge
        return Chart(kind, x, last, stay)

    def _phi(self, flat: Floats) -> Floats:
        if self.plain:
            return flat
        parts = [c.coordinates(flat[:, at]) for c, at in zip(self.charts, self.slices, strict=True)]
        return np.concatenate(parts, axis=-1)

    def _within(self, restriction: Restriction) -> tuple[Floats, Floats]:
        """The restriction, with the coordinates of frozen entries fixed besides."""
        offset, matrix = restriction.offset, restriction.matrix
        frozen = ~self.free[0]
        if frozen.any():
            rows, target = matrix[frozen], (self._phi(self.flat)[0] - offset)[frozen]
            offset = offset + matrix @ np.linalg.lstsq(rows, target, rcond=None)[0]
            tied = rows.any(axis=0)  # the other columns stay as they are, so that ties are exact
            _, values, right = np.linalg.svd(rows[:, tied])
            rank = int((values > 1e-12 * values.max(initial=0.0)).sum())
            matrix = np.hstack([matrix[:, ~tied], matrix[:, tied] @ right[rank:].T])
        return offset, matrix

    def _gauges(self) -> Floats | None:
        """Directions, (B or 1, n, r), that change nothing: a simplex's rows, and known shifts."""
        columns = []
        count = 1 if all(c.frozen is None for c in self.charts) else self.problems
        for chart, at, own, axis in zip(
            self.charts, self.slices, self.layout.own, self._shift, strict=True
        ):
            width = at.stop - at.start
            numbers = np.arange(width).reshape(own)
            if chart.kind == "simplex":
                groups = numbers.reshape(-1, chart.last)
            elif chart.kind == "real" and axis is not None:
                groups = np.moveaxis(numbers, axis, -1).reshape(-1, own[axis])
            else:
                continue
            ones = np.zeros((count, self.entries, len(groups)))
            for r, group in enumerate(groups):
                ones[:, at.start + group, r] = 1.0
            if chart.frozen is not None:
                free = ~chart.frozen
                if chart.kind == "simplex":
                    ones[:, at] *= free[..., None]
                else:  # a shift of all or none
                    ones *= np.asarray(free[:, groups].all(axis=-1))[:, None, :]
            columns.append(ones)
        return np.concatenate(columns, axis=-1) if columns else None
