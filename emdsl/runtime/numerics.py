"""The few array kernels that generated code calls. NumPy only; SciPy where a function needs it."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_TINY = 2.2250738585072014e-308  # smallest normal double; its log is about -708
_LOWEST = -690.0  # exp of less is subnormal, which costs ten to forty times as much
_HIGHEST = 690.0
_MANY = 32  # rows of which the products of pairs are not written out
_STRIP = 16  # rows of such products that are taken at once
_LEAST = 1e-260  # a sum of exps this large has nothing below it that counts


def log(x: Floats) -> Floats:
    """log x with log 0 = -708 in place of minus infinity, so that 0 log 0 is 0."""
    found: Floats = np.log(np.maximum(x, _TINY))
    return found


def normalize(log_joint: Floats, axes: int = 1) -> Floats:
    """Turn a log joint into the posterior in place, and return the log evidence.

    log_joint : (states..., B), overwritten by exp(log_joint - evidence).
    axes : how many leading axes are the states summed over.

    Returns the log evidence, the shape of log_joint without those axes. It is minus infinity
    where every state is impossible, and the posterior there is zero.
    """
    shape = log_joint.shape
    joint = log_joint.reshape(-1, *shape[axes:])
    evidence = _unshifted(joint)
    return _shifted(joint) if evidence is None else evidence


def _unshifted(joint: Floats) -> Floats | None:
    """`normalize` where exp of the log joint itself stays in range, which is most data; or None."""
    if not (joint.size and joint[..., 0].max() > _LOWEST / 2 and joint.max() < _HIGHEST):
        return None
    likelihood = np.maximum(joint, _LOWEST)
    np.exp(likelihood, out=likelihood)
    total = likelihood.sum(axis=0)
    if not total.min() > _LEAST:
        return None
    np.multiply(likelihood, 1.0 / total, out=joint)
    found: Floats = np.log(total)
    return found


def _shifted(joint: Floats) -> Floats:
    """`normalize` in any range, by way of each column's largest log joint."""
    top = joint.max(axis=0)
    impossible = np.isneginf(top)
    if impossible.any():
        top = np.where(impossible, 0.0, top)
    joint -= top
    np.maximum(joint, _LOWEST, out=joint)
    np.exp(joint, out=joint)
    total = joint.sum(axis=0)
    joint *= 1.0 / total
    evidence: Floats = np.log(total)
    evidence += top
    if impossible.any():
        joint[:, impossible] = 0.0
        evidence[impossible] = -np.inf
    return evidence


def expected(posterior: Floats, rows: Any) -> Floats:
    """Expected sums of features: posterior (C, B) times rows (F, B) -> (C, F)."""
    if isinstance(rows, Wide):
        return rows.expected(posterior)
    found: Floats
    if len(posterior) < 12:
        found = posterior @ rows.T
        return found
    # the same product, as BLAS is fastest at it: where it is small, with what is shorter copied
    # so that rows follow rows
    if posterior.shape[0] * rows.size < 1_000_000:
        posterior = np.ascontiguousarray(posterior.T).T
    found = (rows @ posterior.T).T
    return found


def inverse(matrix: Floats) -> Floats:
    """Inverses of symmetric positive definite matrices (..., D, D), by Cholesky.

    Raises numpy.linalg.LinAlgError where one isn't positive definite.
    """
    factor = np.linalg.inv(np.linalg.cholesky(matrix))
    found: Floats = np.swapaxes(factor, -1, -2) @ factor
    return found


def logdet(matrix: Floats) -> Floats:
    """Log determinants of symmetric positive definite matrices (..., D, D), by Cholesky."""
    diagonal = np.diagonal(np.linalg.cholesky(matrix), axis1=-2, axis2=-1)
    found: Floats = 2.0 * np.log(diagonal).sum(axis=-1)
    return found


def symmetric(matrix: Floats) -> Floats:
    """The symmetric part of matrices (..., D, D): rounding leaves sums of squares a bit off."""
    return 0.5 * (matrix + np.swapaxes(matrix, -1, -2))


def solve(matrix: Floats, right: Floats, axes: int) -> Floats:
    """Solve matrix @ x = right for symmetric systems, scaled to unit diagonal first.

    matrix : (batch..., m..., m...), right : (batch..., m...), `axes` the number of m axes.
    A singular system gets its least-squares solution of least norm.
    """
    batch = right.shape[: right.ndim - axes]
    size = int(np.prod(right.shape[right.ndim - axes :], dtype=np.int64))
    a = matrix.reshape(*batch, size, size)
    b = right.reshape(*batch, size)
    diagonal = np.abs(np.diagonal(a, axis1=-2, axis2=-1))
    scale = 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    a = a * scale[..., :, None] * scale[..., None, :]
    b = (b * scale)[..., None]
    try:
        x = np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        x = np.linalg.pinv(a, hermitian=True) @ b
    return (x[..., 0] * scale).reshape(right.shape)


def simplex(counts: Floats) -> Floats:
    """Normalise over the last axis; negative counts (a Dirichlet prior below 1) go to the edge.

    An all-zero row gives NaN, which `settle` turns into the row's old value.
    """
    counts = np.maximum(counts, 0.0)
    found: Floats = counts / counts.sum(axis=-1, keepdims=True)
    return found


def sqrt(x: Floats) -> Floats:
    """The square root of a sum of squares, which rounding may leave just below zero."""
    return np.sqrt(np.maximum(x, 0.0))


def settle(new: Floats, old: Floats, kind: str = "real") -> Floats:
    """The update, except where its statistics are empty (0 / 0): there the old value stays.

    A "positive" or "unit" value whose stationary point lies outside goes to the edge of its
    support, where a concave objective is highest.
    """
    new = np.broadcast_to(new, old.shape)
    if kind == "positive":
        new = np.maximum(new, 0.0)
    elif kind == "unit":
        new = np.clip(new, 0.0, 1.0)
    undefined = ~np.isfinite(new)
    return np.where(undefined, old, new) if undefined.any() else np.array(new)


def safe_inverse(matrix: Floats) -> Floats:
    """Inverses of symmetric matrices (..., D, D); NaN, for `settle`, where one isn't definite."""
    try:
        return inverse(matrix)
    except np.linalg.LinAlgError:
        flat = matrix.reshape(-1, *matrix.shape[-2:])
        out = np.full_like(flat, np.nan)
        for i, one in enumerate(flat):
            try:
                out[i] = inverse(one)
            except np.linalg.LinAlgError:
                continue
        return out.reshape(matrix.shape)


def best(roots: tuple[Floats, ...], objective: tuple[Floats, ...], kind: str) -> Floats:
    """Of several stationary points, entry by entry, the one in the support with the highest Q."""
    values = np.stack(roots)
    scores = np.stack(objective)
    allowed = np.isfinite(values) & np.isfinite(scores)
    if kind == "positive":
        allowed &= values > 0.0
    elif kind == "unit":
        allowed &= (values >= 0.0) & (values <= 1.0)
    scores = np.where(allowed, scores, -np.inf)
    chosen = np.take_along_axis(values, scores.argmax(axis=0)[None], axis=0)[0]
    return np.where(allowed.any(axis=0), chosen, np.nan)


def solve_blocks(
    matrix: tuple[tuple[tuple[Floats, int, int], ...], ...],
    right: tuple[tuple[Floats, int], ...],
    batch: int,
) -> tuple[Floats, ...]:
    """Solve one symmetric system given by blocks: sum_j matrix[i][j] @ x[j] = right[i].

    A block is (array, row axes, column axes) with shape (batch..., rows..., columns...); a right
    side is (array, row axes). Returns each x[i] in the shape of right[i].
    """
    shapes = [np.shape(g) for g, _ in right]
    lead = shapes[0][:batch]
    widths = [math.prod(shape[batch:]) for shape in shapes]
    g = np.concatenate(
        [np.reshape(r, (*lead, w)) for (r, _), w in zip(right, widths, strict=True)], axis=-1
    )
    h = np.concatenate(
        [
            np.concatenate(
                [np.reshape(b, (*lead, w, v)) for (b, _, _), v in zip(row, widths, strict=True)],
                axis=-1,
            )
            for row, w in zip(matrix, widths, strict=True)
        ],
        axis=-2,
    )
    x = solve(h, g, 1)
    ends = np.cumsum(widths)
    return tuple(
        x[..., end - w : end].reshape(shape)
        for end, w, shape in zip(ends, widths, shapes, strict=True)
    )


@functools.cache
def upper(d: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row and column indices of the upper triangle, diagonal included."""
    return np.triu_indices(d)


def fold(matrix: Floats) -> Floats:
    """Coefficients (..., D, D) of x_d x_e as those of the pairs d <= e: off-diagonals add."""
    i, j = upper(matrix.shape[-1])
    both = matrix[..., i, j] + matrix[..., j, i]
    both[..., i == j] *= 0.5
    return both


def unfold(pairs: Floats, d: int) -> Floats:
    """Statistics (..., D (D+1) / 2) of the pairs d <= e as a symmetric (..., D, D)."""
    i, j = upper(d)
    full = np.empty((*pairs.shape[:-1], d, d))
    full[..., i, j] = pairs
    full[..., j, i] = pairs
    return full


def pairs(x: Floats) -> Any:
    """Products of rows (D, B) -> (D (D+1) / 2, B), one for each pair d <= e.

    Of many rows they are not written out: `Pairs` stands for them.
    """
    return Pairs(x) if x.shape[0] >= _MANY else _products(x)


def _products(x: Floats) -> Floats:
    d = x.shape[0]
    out = np.empty((d * (d + 1) // 2, *x.shape[1:]))
    start = 0
    for i in range(d):  # each product is a contiguous run: faster than fancy indexing
        stop = start + d - i
        np.multiply(x[i], x[i:], out=out[start:stop])
        start = stop
    return out


class Pairs:
    """The products of all pairs of rows of x (D, B), in place of D (D+1) / 2 rows.

        sum_{d <= e} c_de x_d x_e = sum_d x_d (sum_{e >= d} c_de x_e)

    is a product with x alone, by strips of d. So are the products' expected sums.
    """

    __slots__ = ("edges", "flat", "shape", "x")
    __array_ufunc__ = None  # array * Pairs is __rmul__'s

    def __init__(self, x: Floats) -> None:
        d = x.shape[0]
        self.x = x
        self.shape = (d * (d + 1) // 2, *x.shape[1:])
        strips = -(-d // _STRIP)
        i, j = upper(d)
        self.flat = i * d + j  # where the pairs are in a D by D matrix
        self.edges = [d * i // strips for i in range(strips + 1)]

    def products(self) -> Floats:
        return _products(self.x)

    def __mul__(self, other: Any) -> Any:
        return self.products() * other

    __rmul__ = __mul__

    def strips(self, c: Floats) -> list[Floats]:
        """Coefficients (C, D (D+1) / 2) as matrices (C * rows, columns), one for each strip."""
        d = len(self.x)
        square = np.zeros((len(c), d * d))
        square[:, self.flat] = c
        full = square.reshape(len(c), d, d)
        return [full[:, i:j, i:].reshape(-1, d - i) for i, j in itertools.pairwise(self.edges)]

    def combined(self, strips: list[Floats]) -> Floats:
        """Coefficients, in strips, times the products -> (C, B)."""
        x = self.x
        parts = []
        for (start, stop), strip in zip(itertools.pairwise(self.edges), strips, strict=True):
            inner = (strip @ x[start:]).reshape(-1, stop - start, x.shape[1])
            parts.append(np.einsum("cdb,db->cb", inner, x[start:stop]))
        return functools.reduce(np.add, parts)

    def expected(self, posterior: Floats) -> Floats:
        """Posteriors (C, B) -> expected sums of the products (C, D (D+1) / 2)."""
        x, states = self.x, len(posterior)
        full = np.zeros((states, len(x), len(x)))
        for start, stop in itertools.pairwise(self.edges):
            weighed = posterior[:, None, :] * x[start:stop]
            strip = weighed.reshape(-1, x.shape[1]) @ x[start:].T
            full[:, start:stop, start:] = strip.reshape(states, stop - start, -1)
        found: Floats = np.take(full.reshape(states, -1), self.flat, axis=1)
        return found


_recent: list[tuple[Floats, list[Any]]] = []  # the last coefficients a Wide met, cut up


class Wide:
    """Feature rows (F, B) of which some are `Pairs`: multiplies as the array would."""

    __slots__ = ("kept", "parts", "shape")
    __array_ufunc__ = None

    def __init__(self, parts: list[Floats | Pairs]) -> None:
        self.parts = parts
        self.shape = (sum(p.shape[0] for p in parts), parts[0].shape[1])
        self.kept = sum(len(p.x) if isinstance(p, Pairs) else len(p) for p in parts)

    def _cuts(self) -> Iterator[tuple[Floats | Pairs, slice]]:
        start = 0
        for part in self.parts:
            yield part, slice(start, start := start + part.shape[0])

    def __rmatmul__(self, c: Floats) -> Floats:
        if c.ndim == 1:
            found: Floats = (c[None] @ self)[0]
            return found
        known, pieces = _recent[0] if _recent else (None, [])
        if known is not c:  # every block of an E-step has the same coefficients
            pieces = [p.strips(c[:, w]) if isinstance(p, Pairs) else c[:, w]
                      for p, w in self._cuts()]  # fmt: skip
            _recent[:] = [(c, pieces)]
        return functools.reduce(
            np.add,
            [
                part.combined(piece) if isinstance(part, Pairs) else piece @ part
                for part, piece in zip(self.parts, pieces, strict=True)
            ],
        )

    def expected(self, posterior: Floats) -> Floats:
        """Posteriors (C, B) -> expected sums (C, F)."""
        return np.concatenate(
            [
                part.expected(posterior) if isinstance(part, Pairs) else posterior @ part.T
                for part in self.parts
            ],
            axis=1,
        )

    def is_impossible(self) -> NDArray[np.bool_]:
        """Which columns (B,) have a feature of minus infinity."""
        found = np.zeros(self.shape[1], dtype=np.bool_)
        for part in self.parts:
            if not isinstance(part, Pairs):
                found |= np.isneginf(part).any(axis=0)
        return found


def upper_rows(products: Floats) -> Floats:
    """The upper triangle's rows of symmetric products (D, D, B)."""
    i, j = upper(products.shape[0])
    return products[i, j]


def rows(*parts: Any, width: int) -> Any:
    """Stack feature arrays (..., B) into one (F, B); a number is a constant row, None no row."""
    blocks: list[Any] = []
    for part in parts:
        if isinstance(part, Pairs):
            blocks.append(part)
        elif part is not None:
            row = np.full((1, width), part) if np.ndim(part) == 0 else np.reshape(part, (-1, width))
            blocks.append(row.astype(np.float64, copy=False))
    if not blocks:
        return np.zeros((0, width))
    if not any(isinstance(block, Pairs) for block in blocks):
        return np.concatenate(blocks, axis=0) if len(blocks) != 1 else blocks[0]
    wide: list[Any] = []
    for is_pairs, group in itertools.groupby(blocks, lambda block: isinstance(block, Pairs)):
        run = list(group)
        wide += run if is_pairs else [np.concatenate(run)]
    return Wide(wide)


def columns(states: int, *parts: tuple[Any, int]) -> Floats:
    """Stack coefficient arrays (states..., features...) into one (C, F).

    Each part is an array and the number of its leading state axes; None is no column.
    """
    out = []
    for part, lead in parts:
        if part is not None:
            features = math.prod(np.shape(part)[lead:])
            out.append(np.reshape(part, (states, features)))
    return np.concatenate(out, axis=1) if out else np.zeros((states, 0))


def cut(
    sums: Floats,
    states: tuple[int, ...],
    complete: Any,
    *features: tuple[tuple[int, ...], bool, str | None],
) -> list[Floats]:
    """Undo `columns`: the blocks of (C, F) sums, (states..., features...) each.

    A feature is (dimensions, symmetric, the data it is the mask of or None). The mask of complete
    data has no columns: its sums are those of the constant, which comes first.
    """
    sums = np.reshape(sums, (*states, -1))
    found: list[Floats] = []
    start = 0
    for dims, symmetric, mask in features:
        if mask is not None and complete[mask]:
            constant = found[0].reshape((*states, *(1,) * len(dims)))
            found.append(np.broadcast_to(constant, (*states, *dims)))
            continue
        width = dims[0] * (dims[0] + 1) // 2 if symmetric else math.prod(dims)
        part = sums[..., start : start + width]
        start += width
        found.append(unfold(part, dims[0]) if symmetric else part.reshape((*states, *dims)))
    return found


def masked(value: Any, observed: NDArray[np.bool_] | None, new: tuple[int, ...] = ()) -> Any:
    """The value where observed, zero where missing; `observed` None means complete.

    `new` are the value's axes that the mask doesn't have, where they aren't its first.
    """
    if observed is None:
        return value
    if isinstance(value, Pairs):
        if observed.ndim == 1:
            return Pairs(np.where(observed, value.x, 0.0))
        value = value.products()
    return np.where(np.expand_dims(observed, new) if new else observed, value, 0.0)


def mask_rows(observed: NDArray[np.bool_] | None) -> Floats | None:
    """A mask as feature rows; None where the data are complete, whose mask is constant."""
    return None if observed is None else observed.astype(np.float64)


def known(observed: NDArray[np.bool_] | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The mask as an array, all True where the data are complete."""
    return np.ones(shape, dtype=bool) if observed is None else observed


def indicator(condition: Any) -> Any:
    """1 where the condition holds, 0 elsewhere."""
    return np.asarray(condition, dtype=np.float64)


def log_indicator(condition: Any) -> Any:
    """0 where the condition holds, minus infinity elsewhere."""
    return np.where(condition, 0.0, -np.inf)


def unknown_argument(family: str, name: str) -> Any:
    """Say that sampling needs an argument that the model reads off its data."""
    raise ValueError(
        f"can't sample from {family} without `{name}`: the model reads it off the data, "
        f"give `{name}` as an argument in the model (an input) to sample"
    )


def draw_rows(
    rng: np.random.Generator,
    log_density: Any,
    domain: tuple[float, float, bool],
    shape: tuple[int, ...],
    *arguments: Any,
) -> Floats:
    """Sample a user's density: one inversion for each distinct setting of its arguments.

    log_density(x, *arguments) on arrays of x; domain is (lower, upper, discrete).
    """
    from emdsl.runtime import sampling

    lower, upper, discrete = domain
    if not arguments:
        size = math.prod(shape)
        return sampling.from_log_density(rng, log_density, lower, upper, discrete, size).reshape(
            shape
        )
    table = np.stack([np.broadcast_to(a, shape).reshape(-1) for a in arguments], axis=1)
    settings, place = np.unique(table, axis=0, return_inverse=True)
    place = place.reshape(-1)
    out = np.empty(math.prod(shape))
    for i, setting in enumerate(settings):
        rows = np.flatnonzero(place == i)

        def at(x: Any, setting: Any = setting) -> Any:
            return log_density(x, *setting)

        out[rows] = sampling.from_log_density(rng, at, lower, upper, discrete, len(rows))
    return out.reshape(shape)
