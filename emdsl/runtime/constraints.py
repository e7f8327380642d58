"""What must hold of the parameters besides their types, with the sizes known: one object for
everything that asks.

    fixed entries        theta_i = v
    ties                 theta_i = theta_j        classes of entries with one value
    linear equalities    sum_i a_i theta_i = b
    bounds               lower_i <= theta_i <= upper_i

All of them are over one flat vector: the parameters one after the other, each in its own order.
The equalities are solved for once:  theta = offset + matrix @ f  with f free. `resolve` makes it
from a model's own constraints and the `fix` of a fit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.feasible import feasible_point
from emdsl.runtime.patterned import Pattern, Terms, inside, maximise, patterns_of
from emdsl.runtime.program import Floats, Params
from emdsl.runtime.quadratic import highest
from emdsl.runtime.rotations import exact
from emdsl.runtime.shares import shared_within
from emdsl.runtime.supports import MATRICES

Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

_WITHIN = 1e-9  # how far given parameters may be off, relatively: printed digits


@dataclass(frozen=True, slots=True)
class Span:
    """A parameter's stretch of the flat vector."""

    name: str
    kind: str
    shape: tuple[int, ...]
    event: int  # how many of the last dimensions are one value
    start: int
    gauge: int = 0  # numbers that change nothing: a softmax's weights have a row too many

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def stop(self) -> int:
        return self.start + self.size


@dataclass(frozen=True, slots=True)
class Row:
    """sum coefficients * theta[entries] = right, over entries that are free and untied."""

    entries: Ints
    coefficients: Floats
    right: float


@dataclass(frozen=True, slots=True)
class System:
    """Some parameters' flattened entries as  offset + matrix @ f,  with lower <= them <= upper.

    offset : (n,); matrix : (n, free); `held` says which entries nothing moves, (n,).
    """

    offset: Floats
    matrix: Floats
    held: Bools
    lower: Floats
    upper: Floats

    @property
    def bounded(self) -> bool:
        return bool(np.isfinite(self.lower).any() or np.isfinite(self.upper).any())


@dataclass(frozen=True, slots=True)
class Constraints:
    """All that holds of the parameters. The arrays are over the flat vector, (total,).

    fixed : the value, NaN where free.
    classes : the first entry of those it is tied with, itself where it is tied with none.
    """

    spans: Mapping[str, Span]
    fixed: Floats
    classes: Ints
    rows: tuple[Row, ...]
    lower: Floats
    upper: Floats
    constrained: Bools  # whether anything but its type holds of the entry
    texts: Mapping[str, tuple[str, ...]]  # of each parameter: its constraints as written
    _systems: dict[bytes, System] = field(default_factory=dict)
    _patterns: dict[str, tuple[Pattern, ...]] = field(default_factory=dict)

    # -- what there is to know of one parameter --

    def of(self, name: str) -> slice:
        """Its stretch of the flat arrays."""
        span = self.spans[name]
        return slice(span.start, span.stop)

    def touches(self, name: str) -> bool:
        """Whether anything but its type constrains the parameter."""
        return name in self.texts

    def held(self, name: str) -> Bools:
        """Which entries are fixed, in the parameter's shape."""
        return ~np.isnan(self.fixed[self.of(name)]).reshape(self.spans[name].shape)

    def values(self, name: str) -> Floats:
        """The fixed values, NaN where free, in the parameter's shape."""
        return self.fixed[self.of(name)].reshape(self.spans[name].shape)

    def bounds(self, name: str) -> tuple[Floats, Floats]:
        """Lower and upper bounds in the parameter's shape."""
        at, shape = self.of(name), self.spans[name].shape
        return self.lower[at].reshape(shape), self.upper[at].reshape(shape)

    def patterns(self, name: str) -> tuple[Pattern, ...]:
        """The free entries of a parameter that is positive definite matrices."""
        found = self._patterns.get(name)
        if found is None:
            square = self.spans[name].shape[-2:]
            fixed = self.fixed[self.of(name)].reshape(-1, *square)
            classes = self.classes[self.of(name)].reshape(-1, *square)
            lower, upper = (b[self.of(name)].reshape(-1, *square) for b in (self.lower, self.upper))
            span = self.spans[name]
            rows = [r for r in self.rows if span.start <= r.entries[0] < span.stop]
            found = patterns_of(fixed, classes, rows, (lower, upper))
            self._patterns[name] = found
        return found

    def without_completion(self, name: str) -> list[tuple[int, ...]]:
        """The matrices of a parameter that aren't positive definite whatever is free."""
        span = self.spans[name]
        batch = span.shape[:-2]
        one = np.eye(span.shape[-1])
        bad = []
        for pattern in self.patterns(name):
            near = np.broadcast_to(one, pattern.offset.shape)
            _, good = inside(pattern, near)
            bad += pattern.members[~good, 0].tolist()
        return [tuple(int(i) for i in np.unravel_index(b, batch)) for b in sorted(bad)]

    # -- the equalities, solved --

    def index(self, names: Sequence[str]) -> Ints:
        """The flat entries of some parameters, one after the other."""
        return np.concatenate([np.arange(s.start, s.stop) for s in map(self.spans.get, names) if s])

    def system(self, index: Ints, shift: Floats | None = None) -> System:
        """The equalities and bounds of these entries, each less `shift` where it is given.

        index : (n,), negative numbers for entries that are no parameter's that is constrained.
            Constraints that are about other entries too are left out.
        """
        found = self._systems.get(index.tobytes())
        if found is None:
            found = self._systems[index.tobytes()] = self._solved(index)
        if shift is None:
            return found
        return System(
            found.offset - shift, found.matrix, found.held,
            found.lower - shift, found.upper - shift,
        )  # fmt: skip

    def _solved(self, index: Ints) -> System:
        known = index >= 0
        at = np.where(known, index, 0)
        fixed = np.where(known, self.fixed[at], np.nan)
        classes = np.where(known, self.classes[at], index)
        free = np.isnan(fixed)
        firsts, place = np.unique(classes[free], return_inverse=True)
        matrix = np.zeros((len(index), len(firsts)))
        matrix[np.flatnonzero(free), place.reshape(-1)] = 1.0
        offset = np.where(free, 0.0, fixed)
        column = {int(f): i for i, f in enumerate(firsts)}
        rows = [r for r in self.rows if all(int(e) in column for e in r.entries)]
        if rows:
            a = np.zeros((len(rows), len(firsts)))
            for i, row in enumerate(rows):
                a[i, [column[int(e)] for e in row.entries]] = row.coefficients
            right = np.array([r.right for r in rows])
            _, s, vt = np.linalg.svd(a)
            rank = int((s > 1e-12 * s[0]).sum())
            offset = offset + matrix @ (np.linalg.pinv(a) @ right)
            matrix = matrix @ vt[rank:].T
        lower = np.where(known, self.lower[at], -np.inf)
        upper = np.where(known, self.upper[at], np.inf)
        return System(offset, matrix, ~free, lower, upper)

    # -- whole sets of parameters --

    def free(self) -> int:
        """How many numbers are left to estimate."""
        total = 0
        for span in self.spans.values():
            at = slice(span.start, span.stop)
            classes = np.where(np.isnan(self.fixed[at]), self.classes[at], -1)
            classes = classes.reshape(span.shape)
            own = classes >= span.start  # tied with an earlier parameter: counted there
            if span.kind in MATRICES:
                own &= np.tri(span.shape[-1], k=-(span.kind == "orthogonal"), dtype=bool)
            total += len(np.unique(classes[own]))
            if span.name not in self.texts:
                total -= span.gauge
            if span.kind in ("simplex", "shape"):
                rows = np.unique(np.where(own, classes, -1).reshape(-1, span.shape[-1]), axis=0)
                total -= int((rows >= 0).any(axis=1).sum())
        if self.rows:
            entries = np.unique(np.concatenate([r.entries for r in self.rows]))
            a = np.zeros((len(self.rows), len(entries)))
            for i, row in enumerate(self.rows):
                a[i, np.searchsorted(entries, row.entries)] = row.coefficients
            total -= int(np.linalg.matrix_rank(a))
        return total

    def impose(self, params: Params) -> Params:
        """The parameters moved to where the constraints hold, not far."""
        flat = np.concatenate([np.ravel(params[n]) for n in self.spans])
        size = np.bincount(self.classes, minlength=len(flat))
        mean = np.bincount(self.classes, flat, minlength=len(flat)) / np.maximum(size, 1)
        flat = mean[self.classes]
        flat = np.where(np.isnan(self.fixed), flat, self.fixed)
        flat = np.clip(flat, self.lower, self.upper)
        out: Params = dict(params)
        for name, span in self.spans.items():
            value = flat[self.of(name)].reshape(span.shape)
            if span.kind == "simplex" and name in self.texts:
                bounds = self.bounds(name)
                value = shared_within(value, self.held(name), *bounds, value)
            elif span.kind in ("shape", "orthogonal"):
                value = exact(span.kind, value)
            elif span.kind == "posdef" and name in self.texts:
                value = self._definite(name, np.asarray(params[name], np.float64), value)
            out[name] = value if name in self.texts else params[name]
        if self.rows:
            out = self._on_the_rows(out)
        return out

    def _definite(self, name: str, given: Floats, moved: Floats) -> Floats:
        """Of the matrices that the constraints leave, those nearest to the given ones.

        That is by Stein's loss, logdet S + tr(S^-1 given); `moved` are they with the fixed entries.
        """
        square = given.shape[-2:]
        out, near = np.array(moved).reshape(-1, *square), given.reshape(-1, *square)
        for pattern in self.patterns(name):
            start, good = inside(pattern, near[pattern.members])
            at = pattern.members[good]
            terms = Terms(-np.ones(at.shape), np.zeros_like(near[at]), near[at])
            out[at] = maximise(pattern.some(good), terms, start[good])
        return out.reshape(given.shape)

    def in_equations(self) -> list[str]:
        """The parameters, but for matrices, that linear equations are about or that are tied so."""
        at = np.concatenate([r.entries for r in self.rows]) if self.rows else np.zeros(0, np.intp)
        return [
            name for name, span in self.spans.items()
            if span.kind != "posdef" and np.isin(self.classes[self.of(name)], at).any()
        ]  # fmt: skip

    def _on_the_rows(self, params: Params) -> Params:
        """The nearest point that the linear equalities hold of."""
        names = self.in_equations()
        if not names:
            return params  # equations of matrices are met already
        system = self.system(self.index(names))
        flat = np.concatenate([np.ravel(params[n]) for n in names])
        f = np.linalg.lstsq(system.matrix, flat - system.offset, rcond=None)[0]
        moved = system.offset + system.matrix @ f
        if system.bounded and not ((moved >= system.lower) & (moved <= system.upper)).all():
            begin = feasible_point(system.offset, system.matrix, system.lower, system.upper)
            if begin is not None:
                moved = highest(np.eye(len(flat)), flat, system, begin)
        ends = np.cumsum([self.spans[n].size for n in names])
        parts = np.split(moved, ends[:-1])
        return {**params, **{n: p.reshape(self.spans[n].shape)
                             for n, p in zip(names, parts, strict=True)}}  # fmt: skip

    def broken(self, params: Params) -> list[str]:
        """The parameters of these (all or some) of which their constraints don't hold."""
        flat = np.concatenate(
            [np.ravel(params[n]) if n in params else np.full(s.size, np.nan)
             for n, s in self.spans.items()]
        )  # fmt: skip
        scale = _WITHIN * np.maximum(1.0, np.abs(flat))
        with np.errstate(invalid="ignore"):
            bad = np.abs(flat - self.fixed) > scale
            bad |= np.abs(flat - flat[self.classes]) > scale
            bad |= (flat < self.lower - scale) | (flat > self.upper + scale)
        for row in self.rows:
            off = abs(float(row.coefficients @ flat[row.entries]) - row.right)
            if off > _WITHIN * max(
                1.0, float(np.abs(row.coefficients) @ np.abs(flat[row.entries]))
            ):
                bad[row.entries] = True
        return [n for n in self.spans if n in self.texts and bad[self.of(n)].any()]
