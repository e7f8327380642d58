"""Draws from each family, and from any log density. Knows nothing of the compiler.

Every sampler is called as `sampler(rng, *canonical parameters, size)`; `size` is the batch shape.
Scalar parameters broadcast against it; a vector or matrix parameter carries its own dimensions
last, and its leading ones broadcast against `size`. Needs NumPy only. `places` has what the order
of drawing takes, under the same name for generated modules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator

from emdsl.runtime.limited_draws import censored as censored
from emdsl.runtime.limited_draws import interval as interval
from emdsl.runtime.limited_draws import redrawn as redrawn
from emdsl.runtime.limited_draws import truncated as truncated
from emdsl.runtime.places import back as back
from emdsl.runtime.places import depths as depths
from emdsl.runtime.places import places as places
from emdsl.runtime.places import split as split
from emdsl.runtime.places import starts as starts
from emdsl.runtime.places import steps as steps
from emdsl.runtime.places import unordered as unordered

Array = np.ndarray[Any, np.dtype[Any]]
Size = tuple[int, ...]

# --- the real line ---------------------------------------------------------------------------


def normal(rng: Generator, mean: Any, sd: Any, size: Size) -> Array:
    return np.asarray(rng.normal(mean, sd, size))


def student_t(rng: Generator, nu: Any, loc: Any, scale: Any, size: Size) -> Array:
    return np.asarray(loc + scale * rng.standard_t(nu, size))


def laplace(rng: Generator, loc: Any, scale: Any, size: Size) -> Array:
    return np.asarray(rng.laplace(loc, scale, size))


def cauchy(rng: Generator, loc: Any, scale: Any, size: Size) -> Array:
    return np.asarray(loc + scale * rng.standard_cauchy(size))


def logistic(rng: Generator, loc: Any, scale: Any, size: Size) -> Array:
    return np.asarray(rng.logistic(loc, scale, size))


def gumbel(rng: Generator, loc: Any, scale: Any, size: Size) -> Array:
    return np.asarray(rng.gumbel(loc, scale, size))


def generalized_normal(rng: Generator, loc: Any, scale: Any, shape: Any, size: Size) -> Array:
    """(abs(x - loc) / scale)^shape is Gamma(1 / shape), and both signs are as likely.

    Gamma(a)^a is Gamma(a + 1)^a U, which doesn't underflow (Marsaglia and Tsang 2000, section 6).
    """
    a = 1.0 / np.asarray(shape, dtype=float)
    away = rng.standard_gamma(a + 1.0, size) ** a * rng.random(size)
    return np.asarray(loc + scale * np.where(rng.random(size) < 0.5, -away, away))


def uniform(rng: Generator, lower: Any, upper: Any, size: Size) -> Array:
    return np.asarray(rng.uniform(lower, upper, size))


def von_mises(rng: Generator, mu: Any, kappa: Any, size: Size) -> Array:
    """In [-pi, pi]."""
    return np.asarray(rng.vonmises(mu, kappa, size))


# --- the positive half line, the unit interval -----------------------------------------------


def log_normal(rng: Generator, mu: Any, sigma: Any, size: Size) -> Array:
    return np.asarray(rng.lognormal(mu, sigma, size))


def half_normal(rng: Generator, sd: Any, size: Size) -> Array:
    return np.abs(rng.normal(0.0, sd, size))


def exponential(rng: Generator, rate: Any, size: Size) -> Array:
    return np.asarray(rng.standard_exponential(size) / rate)


def gamma(rng: Generator, shape: Any, rate: Any, size: Size) -> Array:
    return np.asarray(rng.standard_gamma(shape, size) / rate)


def inverse_gamma(rng: Generator, shape: Any, scale: Any, size: Size) -> Array:
    return np.asarray(scale / rng.standard_gamma(shape, size))


def inverse_gaussian(rng: Generator, mean: Any, shape: Any, size: Size) -> Array:
    return np.asarray(rng.wald(mean, shape, size))


def weibull(rng: Generator, shape: Any, scale: Any, size: Size) -> Array:
    return np.asarray(scale * rng.weibull(shape, size))


def log_logistic(rng: Generator, scale: Any, shape: Any, size: Size) -> Array:
    return np.asarray(scale * np.exp(rng.logistic(0.0, 1.0, size) / shape))


def rayleigh(rng: Generator, scale: Any, size: Size) -> Array:
    return np.asarray(rng.rayleigh(scale, size))


def pareto(rng: Generator, scale: Any, shape: Any, size: Size) -> Array:
    return np.asarray(scale * (1.0 + rng.pareto(shape, size)))


def beta(rng: Generator, alpha: Any, beta: Any, size: Size) -> Array:
    return np.asarray(rng.beta(alpha, beta, size))


# --- counts and categories -------------------------------------------------------------------


def bernoulli(rng: Generator, p: Any, size: Size) -> Array:
    return np.asarray(rng.random(size) < p).astype(np.int64)


def binomial(rng: Generator, n: Any, p: Any, size: Size) -> Array:
    """Successes in n trials; n may be whole numbers held as floats, as data arrays are."""
    return np.asarray(rng.binomial(np.asarray(n).astype(np.int64), p, size))


def beta_binomial(rng: Generator, n: Any, alpha: Any, beta: Any, size: Size) -> Array:
    """Successes in n trials of one chance, which is drawn first."""
    chance = rng.beta(alpha, beta, size)
    return np.asarray(rng.binomial(np.asarray(n).astype(np.int64), chance, size))


def geometric(rng: Generator, p: Any, size: Size) -> Array:
    """Failures before the first success; NumPy counts the success too."""
    return np.asarray(rng.geometric(p, size)) - 1


def poisson(rng: Generator, rate: Any, size: Size) -> Array:
    return np.asarray(rng.poisson(rate, size))


def negative_binomial(rng: Generator, n: Any, p: Any, size: Size) -> Array:
    return np.asarray(rng.negative_binomial(n, p, size))


def delta(rng: Generator, value: Any, size: Size) -> Array:  # noqa: ARG001  # called as the others
    return np.broadcast_to(np.asarray(value), size).copy()


def categorical(rng: Generator, p: Any, size: Size) -> Array:
    """By inversion, a row at a time. `p` of shape (..., K) need only sum to about 1.

    The draw is the number of cumulative sums not above v, for v uniform on [0, sum p). A category
    of probability 0 has its predecessor's cumulative sum and so is never drawn.
    """
    cumulative = np.cumsum(np.asarray(p, dtype=float), axis=-1)
    total = cumulative[..., -1]
    if not np.all(np.isfinite(total) & (total > 0)):
        raise ValueError("probabilities to draw a category from must be finite, and not all zero")
    # Strictly below the total: rounding must not lead past the last possible category.
    v = np.minimum(rng.random(size) * total, np.nextafter(total, 0.0))
    if cumulative.ndim == 1:
        return np.asarray(np.searchsorted(cumulative, v, side="right"))
    return np.asarray(np.sum(cumulative <= v[..., None], axis=-1))


def multinomial(rng: Generator, n: Any, p: Any, size: Size) -> Array:
    """`n` broadcasts against `size`, `p` is (..., K); the result is (*size, K)."""
    p = np.asarray(p, dtype=float)
    p = p / p.sum(axis=-1, keepdims=True)  # NumPy refuses a sum of 1 + 1e-11
    return np.asarray(rng.multinomial(np.broadcast_to(np.asarray(n), size), p))


# --- vectors and matrices --------------------------------------------------------------------


def mv_normal(rng: Generator, mean: Any, cov: Any, size: Size) -> Array:
    """mean + L e, cov = L L'."""
    mean, root = np.asarray(mean), np.linalg.cholesky(np.asarray(cov))
    noise = rng.standard_normal((*size, root.shape[-1]))
    return np.asarray(mean + np.matmul(root, noise[..., None])[..., 0])


def dirichlet(rng: Generator, alpha: Any, size: Size) -> Array:
    """Gammas over their sum, in logs: below alpha = 0.01 most gammas underflow.

    Gamma(alpha) is Gamma(alpha + 1) U^(1/alpha) (Marsaglia and Tsang 2000, section 6).
    """
    alpha = np.asarray(alpha, dtype=float)
    shape = (*size, alpha.shape[-1])
    g = np.log(rng.standard_gamma(alpha + 1.0, shape)) - rng.standard_exponential(shape) / alpha
    weight = np.exp(g - g.max(axis=-1, keepdims=True))
    return np.asarray(weight / weight.sum(axis=-1, keepdims=True))


def wishart(rng: Generator, df: Any, scale: Any, size: Size) -> Array:
    """B B' with B = L A, scale = L L' (Bartlett 1933).

    A is lower triangular: roots of chi-squares with df, df - 1, ... on the diagonal, normals below.
    """
    root = np.linalg.cholesky(np.asarray(scale, dtype=float))
    b = root @ _bartlett(rng, df, root.shape[-1], size)
    return np.asarray(b @ np.swapaxes(b, -1, -2))


def inverse_wishart(rng: Generator, df: Any, scale: Any, size: Size) -> Array:
    """B' B with B = A^-1 L', so that its inverse is Wishart(df, scale^-1).

    scale^-1 = R R' with R = L^-T, hence (R A A' R')^-1 = L A^-T A^-1 L'.
    """
    root = np.linalg.cholesky(np.asarray(scale, dtype=float))
    a = _bartlett(rng, df, root.shape[-1], size)
    b = np.linalg.solve(a, np.broadcast_to(np.swapaxes(root, -1, -2), a.shape))
    return np.asarray(np.swapaxes(b, -1, -2) @ b)


def _bartlett(rng: Generator, df: Any, order: int, size: Size) -> Array:
    df = np.broadcast_to(np.asarray(df, dtype=float), size)
    if np.any(df <= order - 1):
        raise ValueError(
            f"a Wishart of order {order} needs more than {order - 1} degrees of freedom"
        )
    a = np.tril(rng.standard_normal((*size, order, order)), -1)
    place = np.arange(order)
    a[..., place, place] = np.sqrt(rng.chisquare(df[..., None] - place))
    return a


# --- any density -----------------------------------------------------------------------------

LogDensity = Callable[[Array], Array]

# What may be lost of the mass, in the tails and by interpolation; well below what any sample shows.
_LOST = 1e-7
# A table of probabilities longer than this is refused.
_LONGEST = 1 << 24
# Where exp(g) is this far below its peak, nothing is left of it.
_GONE = 60.0


def from_log_density(
    rng: Generator,
    log_density: LogDensity,
    lower: float,
    upper: float,
    discrete: bool,
    size: int,
) -> Array:
    """Draws from exp(log_density) on [lower, upper], which need not be normalised.

    `log_density` maps a vector of places to their logs; minus infinity where there is no mass.
    Raises ValueError where no distribution can be made of it.
    """
    if not lower < upper:
        raise ValueError(f"a density needs lower < upper, not {lower} and {upper}")
    with np.errstate(all="ignore"):
        if discrete:
            first, probability = _table(log_density, lower, upper)
            return first + categorical(rng, probability, (size,))
        axis = _Axis(lower, upper)
        edge, value, mass = _cells(log_density, axis)
        cell = categorical(rng, mass, (size,))
        left, width = edge[cell], np.diff(edge)[cell]
        t = _invert_cubic(rng.random(size), mass[cell], width, value[cell], value[cell + 1])
        return np.clip(axis.place(left + t * width), lower, upper)


class _Axis:
    """x as a function of u, so that every density dies off exponentially at both ends.

    x = sinh u on the whole line, lower + exp u or upper - exp(-u) on half of it, and
    lower + width logistic(u) on an interval. Steps in u are relative steps towards an end, so that
    one grid serves densities of any scale, their long tails and their poles at an end.
    """

    def __init__(self, lower: float, upper: float) -> None:
        self.lower, self.upper = lower, upper

    def place(self, u: Array) -> Array:
        if np.isfinite(self.lower) and np.isfinite(self.upper):
            width = self.upper - self.lower
            near = width * np.exp(-np.abs(u)) / (1.0 + np.exp(-np.abs(u)))
            return np.where(u < 0, self.lower + near, self.upper - near)
        if np.isfinite(self.lower):
            return self.lower + np.exp(u)
        if np.isfinite(self.upper):
            return self.upper - np.exp(-u)
        return np.sinh(u)

    def log_slope(self, u: Array) -> Array:
        """log dx/du."""
        if np.isfinite(self.lower) and np.isfinite(self.upper):
            width = np.log(self.upper - self.lower)
            return np.asarray(width - np.abs(u) - 2.0 * np.log1p(np.exp(-np.abs(u))))
        if np.isfinite(self.lower):
            return u
        if np.isfinite(self.upper):
            return -u
        return np.asarray(np.abs(u) + np.log1p(np.exp(-2.0 * np.abs(u))) - np.log(2.0))

    def inside(self, u: Array) -> Array:
        """Whether x(u) is a number strictly between the ends."""
        x = self.place(u)
        return np.isfinite(x) & (x > self.lower) & (x < self.upper)

    def log_mass(self, log_density: LogDensity, u: Array) -> Array:
        """g(u): the log density of u; not a number where that of x is not."""
        x = self.place(u)
        inside = self.inside(u)
        value = np.asarray(log_density(np.where(inside, x, np.nan)), dtype=float)
        g = np.broadcast_to(value, u.shape) + self.log_slope(u)
        return np.where(inside, g, -np.inf)


def _scout(g: Callable[[Array], Array]) -> tuple[Array, Array]:
    """Places u in ascending order that are dense about every peak of g, with their values.

    A coarse grid, then a finer one about each of its maxima, until neighbours differ little. Missed
    is only a peak in the tail of another that is much narrower than 1/400 of its distance from the
    nearest end (or from 0).
    """
    core = np.linspace(-25.0, 25.0, 20_001)
    far = np.linspace(25.0, 700.0, 4001)[1:]
    u = np.concatenate([-far[::-1], core, far])
    value = _or_nothing(g(u))
    middle = value[1:-1]
    peak = np.isfinite(middle) & (middle >= value[:-2]) & (middle >= value[2:])
    at = 1 + np.flatnonzero(peak)
    at = at[np.argsort(value[at])[::-1][:256]]
    left, right = u[at - 1], u[at + 1]
    step = np.linspace(0.0, 1.0, 17)
    for _ in range(20):
        if not left.size:
            break
        fine = left[:, None] + (right - left)[:, None] * step
        height = _or_nothing(g(fine.ravel())).reshape(fine.shape)
        u, value = np.append(u, fine), np.append(value, height)
        top = np.clip(np.argmax(height, axis=1), 1, step.size - 2)
        row = np.arange(top.size)
        left, right = fine[row, top - 1], fine[row, top + 1]
        fall = height[row, top] - np.minimum(height[row, top - 1], height[row, top + 1])
        steep = ~(fall < 0.5) & (right - left > 1e-14 * (1.0 + np.abs(left)))
        left, right = left[steep], right[steep]
    u, first = np.unique(u, return_index=True)
    return u, value[first]


def _or_nothing(value: Array) -> Array:
    """Not-a-numbers as minus infinity: far out, overflow makes them of harmless densities."""
    return np.where(np.isnan(value), -np.inf, value)


def _cells(log_density: LogDensity, axis: _Axis) -> tuple[Array, Array, Array]:
    """Edges in u, the density of u at each (up to a factor), and the mass between neighbours.

    A cell is halved until the cubic with its mass and its edges' densities gives each half its
    mass; then that cubic is its CDF (`_invert_cubic`).
    """

    def g(u: Array) -> Array:
        return axis.log_mass(log_density, u)

    u, value = _scout(g)
    top = np.max(value)
    if not np.isfinite(top):
        what = "is infinite inside its support" if top > 0 else "is zero wherever it was looked at"
        raise ValueError(f"this density {what}")
    # One place further on each side: the mass may lie between it and the last one alive.
    alive = np.flatnonzero(value >= top - _GONE)
    span = slice(max(alive[0] - 1, 0), min(alive[-1] + 2, u.size))
    u = u[span]
    u = u[axis.inside(u)]

    node, weight = np.polynomial.legendre.leggauss(8)
    node, weight = (node + 1.0) / 2.0, weight / 2.0

    def density(u: Array) -> Array:
        value = np.exp(g(u) - top)
        if np.any(np.isnan(value)):
            where = axis.place(u[np.isnan(value)][:1])[0]
            raise ValueError(f"the log density is not a number at {where:.6g}")
        if np.any(np.isinf(value)):
            raise ValueError("this density has a pole inside its support")
        return np.asarray(value)

    def integral(left: Array, right: Array) -> Array:
        width = right - left
        points = left[:, None] + width[:, None] * node
        return np.asarray(width * (density(points.ravel()).reshape(points.shape) @ weight))

    left, right = u[:-1], u[1:]
    low, high, mass = density(left), density(right), integral(left, right)
    done: list[tuple[Array, Array, Array, Array]] = []
    total = 0.0
    for _ in range(60):
        middle = (left + right) / 2.0
        first, second = integral(left, middle), integral(middle, right)
        total_now = total + float(np.sum(first + second))
        predicted = (first + second) / 2.0 + (right - left) * (low - high) / 8.0
        error = np.abs(first - predicted) + np.abs(first + second - mass)
        fine = (error <= 1e-9 * total_now) | (middle <= left) | (middle >= right)
        done.append((left[fine], low[fine], high[fine], (first + second)[fine]))
        total += float(np.sum((first + second)[fine]))
        rough = ~fine
        if not np.any(rough):
            break
        if np.sum(rough) > 500_000:
            raise ValueError("this density is too rough to be integrated")
        at = density(middle[rough])
        left, right = (
            np.concatenate([left[rough], middle[rough]]),
            np.concatenate([middle[rough], right[rough]]),
        )
        low, high = np.concatenate([low[rough], at]), np.concatenate([at, high[rough]])
        mass = np.concatenate([first[rough], second[rough]])
    else:
        raise ValueError("this density is too rough to be integrated")
    left, low, high, mass = (np.concatenate(part) for part in zip(*done, strict=True))
    order = np.argsort(left)
    left, low, high, mass = left[order], low[order], high[order], mass[order]
    edge, value = np.append(left, u[-1]), np.append(low, high[-1])
    _verify_tails(edge, value, float(np.sum(mass)))
    return edge, value, mass


def _verify_tails(edge: Array, value: Array, total: float) -> None:
    """Refuses a density with mass beyond the outermost edges, where no floating number reaches.

    Out there the density of u is about exp(-a |u|), of mass value / a.
    """
    inside = np.searchsorted(edge, [edge[0] + 2.0, edge[-1] - 2.0]) - [0, 1]
    for outer, inner in zip((0, -1), inside, strict=True):
        if value[outer] <= 1e-12 * total:
            continue
        fall = np.log(value[inner] / value[outer]) / abs(edge[inner] - edge[outer])
        if not fall > 0 or value[outer] / fall > _LOST * total:
            end = "lower" if outer == 0 else "upper"
            raise ValueError(
                f"this density has too much of its mass at its {end} end to be drawn from;"
                " does it integrate to one?"
            )


def _invert_cubic(v: Array, mass: Array, width: Array, low: Array, high: Array) -> Array:
    """t in [0, 1] with F(t) = v F(1), F the cubic with F(0) = 0, F(1) = mass, F' low and high.

    By bisection on F where it is monotone, which it is within the error `_cells` allows.
    """
    a, b = low * width, high * width
    c2, c3 = 3.0 * mass - 2.0 * a - b, a + b - 2.0 * mass
    target = v * mass
    left, right = np.zeros_like(v), np.ones_like(v)
    for _ in range(45):
        t = (left + right) / 2.0
        below = t * (a + t * (c2 + t * c3)) < target
        left, right = np.where(below, t, left), np.where(below, right, t)
    return (left + right) / 2.0


def _table(log_mass: LogDensity, lower: float, upper: float) -> tuple[int, Array]:
    """The first value, and the probabilities of it and its successors, up to a factor."""
    low, high = float(np.ceil(lower)), float(np.floor(upper))
    if high - low >= _LONGEST:
        low, high = _reach(log_mass, low, high)
    _verify_length(low, high)
    value = np.asarray(log_mass(np.arange(low, high + 1.0)), dtype=float)
    value = np.broadcast_to(value, (int(high - low) + 1,))
    if np.any(np.isnan(value)):
        where = low + np.argmax(np.isnan(value))
        raise ValueError(f"the log mass is not a number at {where:.0f}")
    top = np.max(value)
    if not np.isfinite(top):
        what = "is infinite somewhere" if top > 0 else "is zero on all values it was looked at"
        raise ValueError(f"this mass {what}")
    return int(low), np.exp(value - top)


def _reach(log_mass: LogDensity, low: float, high: float) -> tuple[float, float]:
    """Bounds that hold all but `_LOST` of a mass on infinitely (or very) many values.

    The peaks are found as a density's, its steps spread evenly; from the outermost ones the bounds
    go out by doubling. A tail beyond k of a sum that converges is at most about k p(k).
    """
    axis = _Axis(low - 0.5 if np.isfinite(low) else low, high + 0.5 if np.isfinite(high) else high)

    def g(u: Array) -> Array:
        x = np.clip(np.rint(axis.place(u)), low, high)
        inside = axis.inside(u) & (np.abs(x) < 2.0**52)
        value = np.asarray(log_mass(np.where(inside, x, np.nan)), dtype=float)
        return np.where(inside, np.broadcast_to(value, u.shape) + axis.log_slope(u), -np.inf)

    u, value = _scout(g)
    top = np.max(value)
    if not np.isfinite(top):
        what = "is infinite somewhere" if top > 0 else "is zero on all values it was looked at"
        raise ValueError(f"this mass {what}")
    alive = u[value >= top + np.log(_LOST)]
    left = float(np.clip(np.floor(axis.place(alive[0])), low, high))
    right = float(np.clip(np.ceil(axis.place(alive[-1])), low, high))
    total = float(np.sum(np.exp(value[:-1] - top) * np.diff(u)))

    def beyond(x: float, reach: float) -> float:
        log_p = float(np.asarray(log_mass(np.array([x])), dtype=float).ravel()[0])
        return 0.0 if np.isnan(log_p) else float(np.exp(log_p - top) * reach)

    step = max(right - left, 32.0)
    while right < high and beyond(right, max(abs(right), step)) > _LOST * total / 4.0:
        right, step = min(right + step, high), 2.0 * step
        _verify_length(left, right)
    step = max(right - left, 32.0)
    while left > low and beyond(left, max(abs(left), step)) > _LOST * total / 4.0:
        left, step = max(left - step, low), 2.0 * step
        _verify_length(left, right)
    return left, right


def _verify_length(low: float, high: float) -> None:
    if high - low >= _LONGEST:
        raise ValueError(f"this mass spreads over more than {_LONGEST} values")
