"""Positive definite matrices with entries that are known or equal: where their Q is highest.

    max  a logdet S - tr(S M) - tr(S^-1 N)    over  S = offset + sum_k f_k E_k  positive definite

A covariance has a < 0 and M = 0 (Anderson 1973, Ann. Statist. 1, 135-141), a precision a > 0 and
N = 0 (Dempster 1972, Biometrics 28, 157-175); with a prior, or of both, all three stand there.
Newton's method in f: with P = S^-1 and X = P N P

    dQ   =   tr((a P - M + X) dS)
    d2Q  = - tr(P dS (a P + 2 X) dS)

Where that isn't concave, which only a < 0 lets happen, the expected curvature |a| tr(P dS P dS)
takes its place (Anderson's scoring). Steps are halved until S is positive definite and Q no lower.

Linear equations and bounds may hold of f too (`limits`): S is then in an affine subspace S0 + sum_j
theta_j S_j, which is Anderson's linear covariance structure, and a step is a quadratic program.

Arrays are (problems, matrices, D, D): a problem has several matrices where entries tie them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.limits import Limits, limits_of

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

_STEPS = 40  # more than this where Q has no maximum: it rises along a curved edge
_HALVINGS = 60
_ROUNDS = 200  # of the way into the definite matrices
_LAST = 1e-13  # of the count: what a last step of Newton's method may still gain
_INSIDE = 1e-9  # the least eigenvalue of a completion, in units of the entries


class Equation(Protocol):
    """sum coefficients * (the classes `entries`) = right: see `emdsl.runtime.constraints.Row`."""

    @property
    def entries(self) -> Ints: ...
    @property
    def coefficients(self) -> Floats: ...
    @property
    def right(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Pattern:
    """Problems of one form: the matrices of each, and which of their entries are free.

    members : (problems, g) which of all the matrices; offset : (problems, g, D, D), 0 where free.
    which, row, column : (e,) of each free entry on or below the diagonal, its place.
    value : (e,) which of the `free` numbers it is: tied entries have one.
    limits : equations and bounds of these numbers; None where there are none.
    """

    members: Ints
    offset: Floats
    which: Ints
    row: Ints
    column: Ints
    value: Ints
    free: int
    limits: Limits | None = None

    def some(self, at: Ints | Bools) -> Pattern:
        """Some of the problems."""
        limits = None if self.limits is None else self.limits.some(at)
        return replace(self, members=self.members[at], offset=self.offset[at], limits=limits)

    def matrices(self, f: Floats) -> Floats:
        """S of the free numbers (problems, free)."""
        out = np.array(np.broadcast_to(self.offset, (len(f), *self.offset.shape[1:])))
        out[:, self.which, self.row, self.column] += f[:, self.value]
        off = self.row != self.column
        which, row, column = self.which[off], self.row[off], self.column[off]
        out[:, which, column, row] += f[:, self.value[off]]
        return out

    def numbers(self, matrices: Floats) -> Floats:
        """The free numbers of matrices, averaged over what is tied: (problems, free)."""
        at = (slice(None), self.which, self.row, self.column)
        entries = matrices[at] - self.offset[at]
        found = self.summed(entries) / np.bincount(self.value, minlength=self.free)
        return found if self.limits is None else self.limits.clipped(found)

    def summed(self, entries: Floats) -> Floats:
        """Sums over tied entries: (..., e) to (..., free)."""
        if self.free == len(self.value):
            out = np.empty_like(entries)
            out[..., self.value] = entries
            return out
        sums = np.zeros((*entries.shape[:-1], self.free))
        for entry, value in enumerate(self.value):
            sums[..., value] += entries[..., entry]
        return sums

    @property
    def whole(self) -> bool:
        """Whether nothing is said of entries: of one matrix, or of some that are equal."""
        return self.limits is None and self.every

    @property
    def every(self) -> bool:
        """Whether all entries of one matrix, or of some that are equal, are free numbers."""
        size: int = self.offset.shape[-1]
        one = size * (size + 1) // 2
        return self.free == one and len(self.value) == one * self.members.shape[1]

    @property
    def share(self) -> Floats:
        """How often each free entry stands in its matrix, over two: (e,)."""
        return np.where(self.row == self.column, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Terms:
    """The coefficients of Q: a (problems, g), M and N (problems, g, D, D)."""

    count: Floats
    plain: Floats
    inverse: Floats

    def some(self, at: Ints | Bools) -> Terms:
        """Of some of the problems."""
        return Terms(self.count[at], self.plain[at], self.inverse[at])

    def value(self, s: Floats) -> tuple[Floats, Floats]:
        """Q of each problem, minus infinity where S isn't positive definite; and S^-1."""
        inverse, logdet = _inverses(s)
        with np.errstate(invalid="ignore"):
            found = self.count * logdet - _trace(s, self.plain) - _trace(inverse, self.inverse)
        total = np.where(np.isfinite(found), found, -np.inf).sum(axis=-1)
        return total, inverse


def patterns_of(
    fixed: Floats,
    classes: Ints,
    rows: Sequence[Equation] = (),
    bounds: tuple[Floats, Floats] | None = None,
) -> tuple[Pattern, ...]:
    """The problems that the matrices of one parameter are, those of one form together.

    fixed : (matrices, D, D) values, NaN where free; classes : (matrices, D, D), equal where entries
    are tied, mirror images among them. `rows` are equations of classes, bounds (matrices, D, D).
    Matrices all of whose entries are known are left out.
    """
    groups: dict[tuple[bytes, ...], list[tuple[Ints, Floats, Floats, Floats, Floats]]] = {}
    forms: dict[tuple[bytes, ...], tuple[Ints, Ints, Ints, Ints]] = {}
    coefficients: dict[tuple[bytes, ...], Floats] = {}
    if bounds is None:
        bounds = np.full_like(fixed, -np.inf), np.full_like(fixed, np.inf)
    for members in _linked(fixed, classes, rows):
        own, tied = fixed[members], classes[members]
        which, row, column = np.nonzero(np.isnan(own) & np.tri(own.shape[-1], dtype=np.bool_))
        if not len(which):
            continue
        names, first, inverse = np.unique(
            tied[which, row, column], return_index=True, return_inverse=True
        )
        value = inverse.reshape(-1)
        lower, upper = (b[members][which, row, column][first] for b in bounds)
        about, right = _equations(names, rows)
        limited = len(about) > 0 or np.isfinite(lower).any() or np.isfinite(upper).any()
        form = (which, row, column, value)
        key = (*(x.tobytes() for x in form), about.tobytes(), b"limited" * bool(limited))
        forms[key], coefficients[key] = form, about
        offset = np.where(np.isnan(own), 0.0, own)
        groups.setdefault(key, []).append((members, offset, right, lower, upper))
    out = []
    for key, found in groups.items():
        members, offset, right, lower, upper = (np.stack(x) for x in zip(*found, strict=True))
        limits = limits_of(coefficients[key], right, lower, upper) if key[-1] else None
        free = int(forms[key][3].max()) + 1
        out.append(Pattern(members, offset, *forms[key], free, limits))
    return tuple(out)


def _equations(names: Ints, rows: Sequence[Equation]) -> tuple[Floats, Floats]:
    """The equations of these classes: coefficients (m, classes), right sides (m,)."""
    place = {int(n): i for i, n in enumerate(names)}
    own = [r for r in rows if int(r.entries[0]) in place]
    about = np.zeros((len(own), len(names)))
    for line, r in zip(about, own, strict=True):
        line[[place[int(e)] for e in r.entries]] = r.coefficients
    return about, np.array([r.right for r in own], dtype=np.float64)


def _linked(fixed: Floats, classes: Ints, rows: Sequence[Equation]) -> Iterator[Ints]:
    """The matrices that ties or equations of free entries link, group by group."""
    group = np.arange(len(fixed))
    owner: dict[int, int] = {}
    for i, (own, tied) in enumerate(zip(fixed, classes, strict=True)):
        for c in np.unique(tied[np.isnan(own)]):
            first = owner.setdefault(int(c), i)
            group[group == group[i]] = group[first]
    for row in rows:
        ends = [owner[int(e)] for e in row.entries if int(e) in owner]
        for end in ends[1:]:
            group[group == group[end]] = group[ends[0]]
    for root in dict.fromkeys(group.tolist()):
        yield np.flatnonzero(group == root)


def maximise(pattern: Pattern, terms: Terms, start: Floats) -> Floats:
    """The S where Q is highest, as far as uphill from `start` leads: never one with a lower Q.

    start : (problems, g, D, D) positive definite, of the pattern.
    """
    f = pattern.numbers(start)
    todo = np.arange(len(f))
    before, inverse = terms.value(pattern.matrices(f))
    for _ in range(_STEPS):
        own, q = pattern.some(todo), terms.some(todo)
        gradient, move = _direction(own, q, inverse, f[todo])
        gain = (gradient * move).sum(axis=-1)
        scale = np.abs(q.count).sum(axis=-1) + 1e-300
        last = ~(gain > _LAST * scale)  # rounding hides what more there is
        least = np.where(last, -np.inf, before)
        f[todo], before, inverse, went = _step(own, q, f[todo], move, least, gain)
        left = went & ~last
        if not left.any():
            break
        todo, before, inverse = todo[left], before[left], inverse[left]
    return pattern.matrices(f)


def _direction(pattern: Pattern, terms: Terms, inverse: Floats, f: Floats) -> tuple[Floats, Floats]:
    """The gradient in the free numbers, and the step of Newton's method from f within limits."""
    x = inverse @ terms.inverse @ inverse
    scaled = terms.count[..., None, None] * inverse
    slope = scaled - terms.plain + x
    entries = slope[:, pattern.which, pattern.row, pattern.column]
    gradient = pattern.summed(2.0 * pattern.share * entries)
    newton = _curvature(pattern, inverse, scaled + 2.0 * x)
    if pattern.limits is None:
        try:
            return gradient, _solved(newton, gradient)
        except np.linalg.LinAlgError:
            pass
    expected = _curvature(pattern, inverse, np.abs(terms.count)[..., None, None] * inverse)
    move = np.zeros_like(gradient)
    for i, g in enumerate(gradient):
        for curvature in (newton[i], expected[i]):
            try:
                if pattern.limits is None:
                    move[i] = _solved(curvature[None], g[None])[0]
                else:
                    move[i] = pattern.limits.step(i, f[i], g, curvature)
                break
            except np.linalg.LinAlgError:
                continue
    return gradient, move


def _curvature(pattern: Pattern, p: Floats, y: Floats) -> Floats:
    """tr(P E_k Y E_l) for every two free numbers: (problems, free, free)."""
    i, j, share = pattern.row, pattern.column, pattern.share
    same = pattern.which[:, None] == pattern.which[None, :]
    lead = (slice(None), pattern.which[:, None])

    def at(m: Floats, one: Ints, other: Ints) -> Floats:
        found: Floats = m[(*lead, one[:, None], other[None, :])]
        return found

    whole = at(p, i, j) * at(y, j, i) + at(p, i, i) * at(y, j, j)
    whole += at(p, j, j) * at(y, i, i) + at(p, j, i) * at(y, i, j)
    whole *= np.where(same, share[:, None] * share[None, :], 0.0)
    if pattern.free == len(pattern.value):
        out = np.empty_like(whole)
        out[:, pattern.value[:, None], pattern.value[None, :]] = whole
        return out
    return pattern.summed(np.swapaxes(pattern.summed(whole), -1, -2))


def _solved(curvature: Floats, gradient: Floats) -> Floats:
    """Curvature^-1 gradient, in units of the diagonal.

    Raises LinAlgError where it isn't positive definite.
    """
    diagonal = np.diagonal(curvature, axis1=-2, axis2=-1)
    if not (diagonal > 0.0).all():
        raise np.linalg.LinAlgError
    unit = 1.0 / np.sqrt(diagonal)
    scaled = curvature * unit[:, :, None] * unit[:, None, :]
    np.linalg.cholesky(scaled)
    return unit * np.linalg.solve(scaled, (unit * gradient)[..., None])[..., 0]


def _step(
    pattern: Pattern, terms: Terms, f: Floats, move: Floats, before: Floats, gain: Floats
) -> tuple[Floats, Floats, Floats, Bools]:
    """f moved as far as Q rises by a part of what the gradient promises, with Q and S^-1 there.

    Last, whether it moved: elsewhere Q and S^-1 mean nothing.
    """
    part = np.ones(len(f))
    out, went = np.array(f), np.zeros(len(f), dtype=np.bool_)
    values, inverses = np.zeros(len(f)), np.zeros_like(terms.inverse)
    left = np.flatnonzero(np.isfinite(move).all(axis=-1))
    for _ in range(_HALVINGS):
        if not len(left):
            break
        there = f[left] + part[left, None] * move[left]
        own = pattern.some(left)
        if own.limits is not None:
            there = own.limits.clipped(there)
        found, inverse = terms.some(left).value(own.matrices(there))
        good = np.isfinite(found) & (found >= before[left] + 1e-4 * part[left] * gain[left])
        out[left[good]] = there[good]
        values[left[good]], inverses[left[good]] = found[good], inverse[good]
        went[left[good]] = True
        left = left[~good]
        part[left] *= 0.5
    return out, values, inverses, went


def inside(pattern: Pattern, near: Floats) -> tuple[Floats, Bools]:
    """Positive definite matrices of the pattern, and where there are any: (problems,).

    near : (problems, g, D, D), which is kept as it is, but for what the pattern says, where that is
    positive definite. Elsewhere t is brought down with S + t W positive definite, W the diagonal of
    the entries' units, until it is below 0 (Huard's method of centres: Q is logdet S - tr(S / W)).
    """
    start, met = _met(pattern, near)
    found = np.array(start)
    done = np.zeros(len(start), dtype=np.bool_)
    for i in np.flatnonzero(met):
        unit = _units(pattern.offset[i], near[i])
        if pattern.limits is not None:  # equations and bounds have units of their own
            own = np.abs(np.diagonal(start[i], axis1=-2, axis2=-1))
            unit = np.where(own > 0.0, own, unit)
        if _least(start[i], unit) > _INSIDE:
            done[i] = True
            continue
        deep = _centred(pattern.some(np.array([i])), start[i : i + 1], unit)
        if deep is not None:
            found[i], done[i] = deep, True
    return found, done


def _met(pattern: Pattern, near: Floats) -> tuple[Floats, Bools]:
    """Symmetric matrices of the pattern near to the given ones, and where there are any."""
    if pattern.limits is None:
        start = pattern.matrices(pattern.numbers(near))
        return start, np.ones(len(start), dtype=np.bool_)
    free = replace(pattern, limits=None).numbers(near)
    scale = np.abs(np.diagonal(near, axis1=-2, axis2=-1))
    scale = np.sqrt(np.where(scale > 0.0, scale, 1.0))
    entries = scale[:, pattern.which, pattern.row] * scale[:, pattern.which, pattern.column]
    unit = pattern.summed(entries) / np.bincount(pattern.value, minlength=pattern.free)
    f, met = pattern.limits.nearest(free, unit)
    return pattern.matrices(f), met


def _centred(pattern: Pattern, s: Floats, unit: Floats) -> Floats | None:
    """S of one problem that is positive definite; None where there seems to be none."""
    weight = unit[..., None] * np.eye(s.shape[-1])
    terms = Terms(np.ones(unit.shape[:1])[None], (weight / unit[..., None] ** 2)[None],
                  np.zeros_like(s))  # fmt: skip
    t = 1.0 - 2.0 * min(_least(s[0], unit), 0.0)
    for _ in range(_ROUNDS):
        lifted = replace(pattern, offset=pattern.offset + t * weight)
        s = pattern.matrices(lifted.numbers(maximise(lifted, terms, s + t * weight)))
        least = _least(s[0], unit)
        if least > _INSIDE:
            return np.asarray(s[0])
        nearer = 0.1 * t - 0.9 * least  # a tenth of the way above what S needs
        if not nearer < t * (1.0 - 1e-9) or nearer < 0.1 * _INSIDE:
            return None
        t = nearer
    return None


def _units(offset: Floats, near: Floats) -> Floats:
    """How large the diagonal of each matrix (g, D, D) is: as it is held, or may well have to be."""
    fixed, was = (np.diagonal(x, axis1=-2, axis2=-1) for x in (offset, near))
    beside = np.abs(np.where(np.eye(offset.shape[-1], dtype=np.bool_), 0.0, offset))
    known = fixed > 0.0
    with np.errstate(divide="ignore", invalid="ignore"):  # s_ij^2 < s_ii s_jj
        needed = np.where(known[..., None, :], beside**2 / fixed[..., None, :], beside).max(axis=-1)
    free = np.maximum(np.abs(was), 2.0 * needed)
    return np.where(known, fixed, np.where(free > 0.0, free, 1.0))


def _least(s: Floats, unit: Floats) -> float:
    """The least eigenvalue of the matrices (g, D, D), each in units of its diagonal."""
    root = 1.0 / np.sqrt(unit)
    return float(np.linalg.eigvalsh(s * root[:, :, None] * root[:, None, :]).min())


def _trace(one: Floats, other: Floats) -> Floats:
    """tr(A B) of symmetric matrices."""
    found: Floats = (one * other).sum(axis=(-1, -2))
    return found


def _inverses(s: Floats) -> tuple[Floats, Floats]:
    """Inverses and log determinants; NaN where a matrix isn't positive definite."""
    try:
        roots = np.linalg.cholesky(s)
    except np.linalg.LinAlgError:
        roots = np.full_like(s, np.nan)
        for place in np.ndindex(s.shape[:-2]):
            try:
                roots[place] = np.linalg.cholesky(s[place])
            except np.linalg.LinAlgError:
                continue
    with np.errstate(invalid="ignore"):
        logdet = 2.0 * np.log(np.diagonal(roots, axis1=-2, axis2=-1)).sum(axis=-1)
    back = np.full_like(s, np.nan)
    good = np.isfinite(logdet)
    half = np.linalg.inv(roots[good])
    back[good] = np.swapaxes(half, -1, -2) @ half
    return back, logdet
