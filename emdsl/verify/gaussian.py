"""Integrals of functions that are quadratic on the log scale, by dense algebra.

    f(u) = sum_k f_k(u[at_k]) = c + b'd - d'Pd / 2,   d = u - center
    log ∫ exp f = c + b'm / 2 + (D log 2 pi - log det P) / 2,   m = P^-1 b

Each f_k's coefficients are read off its values at a few points, which is exact for a quadratic
whatever the distance between them. That distance is about as far as the density reaches, and the
center is moved to the mean, so that no digits are lost in differences of large numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Quadratic = tuple[float, Floats, Floats]  # c, b (d,) and P (d, d)

_STEPS = (1.0, 1e3, 1e-3, 1e6, 1e-6)  # tried until the numbers make a proper density
_REACH = 2.0  # standard deviations to go for a difference
_FAR = 30.0  # standard deviations from the center that the mean, or a difference, may be
_WIDE = 5.0  # steps of a difference that a standard deviation may be
_ROUNDS = 20


class NotNormal(Exception):
    """A function that is not the log of a normal density times a constant."""


@dataclass(frozen=True, slots=True)
class Part:
    """`log_density` of the coordinates `at` (increasing)."""

    log_density: Callable[[Floats], float]
    at: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Normal:
    """exp(log_evidence) times a normal density of mean (D,) and covariance (D, D)."""

    log_evidence: float
    mean: Floats
    covariance: Floats

    def points(self, at: Sequence[int]) -> Iterator[tuple[Floats, float]]:
        """Values of some coordinates, and weights: E g = sum of weight * g exactly for quadratic g.

        Equal weights at mean ± sqrt(d) L e_i, L L' the covariance: the rule of degree 3 of Stroud,
        Approximate Calculation of Multiple Integrals (1971), E_n^r2 3-1. Needs at least one.
        """
        mean = self.mean[list(at)]
        root = _root(self.covariance[np.ix_(at, at)]) * np.sqrt(len(at))
        for column in root.T:
            yield mean + column, 0.5 / len(at)
            yield mean - column, 0.5 / len(at)


def normal(parts: Sequence[Part], dimension: int, near: Normal | None = None) -> Normal:
    """The integral over all D coordinates of exp of the parts' sum.

    near : a law of about the same place and width; the parts are then known to be quadratic

    Raises NotNormal where a part is not quadratic, or the sum has no finite integral. Minus
    infinity is the log evidence where a part is minus infinity wherever it is looked at.
    """
    center: Floats = np.zeros(dimension) if near is None else near.mean
    width: Floats = np.ones(dimension) if near is None else np.sqrt(np.diag(near.covariance))
    for factor in _STEPS:
        step = factor * _REACH * width
        fitted = [quadratic(p.log_density, center[list(p.at)], step[list(p.at)]) for p in parts]
        if any(c == -np.inf for c, _, _ in fitted):
            return Normal(-np.inf, center, np.eye(dimension))
        precision = _sums(parts, fitted, dimension)[2]
        if np.isfinite(precision).all() and np.linalg.eigvalsh(precision).min(initial=1.0) > 0:
            break
    else:
        raise NotNormal("no finite integral: the precision matrix is not positive definite")
    for _ in range(_ROUNDS):
        constant, linear, precision = _sums(parts, fitted, dimension)
        if not (np.isfinite(precision).all() and np.linalg.eigvalsh(precision).min() > 0):
            raise NotNormal("not quadratic: no proper density around its own mean")
        inverse = np.linalg.inv(precision)
        covariance = 0.5 * (inverse + inverse.T)
        move, scale = covariance @ linear, np.sqrt(np.diag(covariance))
        log_evidence = constant + 0.5 * linear @ move
        if (np.abs(move) <= _FAR * scale).all() and (
            (step <= _FAR * scale) & (scale <= _WIDE * step)
        ).all():
            break
        center, step = center + move, _REACH * scale
        fitted = [quadratic(p.log_density, center[list(p.at)], step[list(p.at)]) for p in parts]
    if near is None:
        for part, (c, b, p) in zip(parts, fitted, strict=True):
            _verify(part.log_density, center[list(part.at)], step[list(part.at)], (c, b, p))
    half = 0.5 * (dimension * np.log(2 * np.pi) - np.linalg.slogdet(precision)[1])
    return Normal(float(log_evidence + half), center + move, covariance)


def _sums(parts: Sequence[Part], fitted: Sequence[Quadratic], dimension: int) -> Quadratic:
    """The sum of the parts, each at its coordinates."""
    constant, linear = 0.0, np.zeros(dimension)
    precision = np.zeros((dimension, dimension))
    for part, (c, b, p) in zip(parts, fitted, strict=True):
        at = list(part.at)
        constant += c
        linear[at] += b
        precision[np.ix_(at, at)] += p
    return constant, linear, precision


def quadratic(function: Callable[[Floats], float], center: Floats, step: Floats) -> Quadratic:
    """c, b (d,) and P (d, d) of c + b'd - d'Pd / 2 through values around a center."""
    size = len(center)
    units = np.diag(step)
    c = function(center)
    up = np.array([function(center + e) for e in units])
    down = np.array([function(center - e) for e in units])
    b = (up - down) / 2.0
    p = np.diag(2.0 * c - up - down)
    for i in range(size):
        for j in range(i):
            p[i, j] = p[j, i] = up[i] + up[j] - c - function(center + units[i] + units[j])
    return c, b / step, p / np.outer(step, step)


def _verify(
    function: Callable[[Floats], float], center: Floats, step: Floats, fitted: Quadratic
) -> None:
    """The function at random points against its quadratic. Raises NotNormal.

    They are some way off, as anything smooth is quadratic nearby.
    """
    c, b, p = fitted
    rng = np.random.default_rng(0)
    for _ in range(2):
        d = 4.0 * step * rng.choice([-1.0, 1.0], len(step)) * rng.uniform(0.5, 1.0, len(step))
        here, terms = function(center + d), np.array([c, b @ d, -0.5 * d @ p @ d])
        if not abs(here - terms.sum()) <= 1e-10 * (1.0 + np.abs(terms).sum()):
            raise NotNormal(f"not quadratic: {here!r} where that says {terms.sum()!r}")


def _root(covariance: Floats) -> Floats:
    """L with L L' the matrix, of any rank."""
    values, vectors = np.linalg.eigh(covariance)
    root: Floats = vectors * np.sqrt(np.maximum(values, 0.0))
    return root
