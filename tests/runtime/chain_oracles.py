"""What `emdsl.runtime.chains` must find, by enumeration and by plain log-space recursions."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass
class Truth:
    """Of all rows: joint enumeration over one tree (chains have parent n - 1)."""

    evidence: float
    posterior: Floats
    pairs: Floats  # (K, K, N)
    best: float
    states: NDArray[np.int64]


def cut(tables: Floats) -> Floats:
    return np.where(tables <= -690.0, -np.inf, tables)


def log_joint(unary: Floats, tables: Floats, index: NDArray[np.int64], parent, states) -> float:
    total = 0.0
    for n, state in enumerate(states):
        total += unary[state, n]
        if parent[n] >= 0:
            total += cut(tables)[index[n], states[parent[n]], state]
    return total


def enumerate_all(unary: Floats, tables: Floats, index, parent) -> Truth:
    """Every assignment of states; rows of one tree."""
    states, size = unary.shape
    every = list(itertools.product(range(states), repeat=size))
    logs = np.array([log_joint(unary, tables, index, parent, z) for z in every])
    top = logs.max()
    posterior = np.zeros((states, size))
    pairs = np.zeros((states, states, size))
    best = every[int(logs.argmax())]
    if top == -np.inf:
        return Truth(-np.inf, posterior, pairs, -np.inf, np.full(size, -1))
    weight = np.exp(logs - top)
    evidence = float(np.log(weight.sum()) + top)
    weight /= weight.sum()
    for w, z in zip(weight, every, strict=True):
        for n, state in enumerate(z):
            posterior[state, n] += w
            if parent[n] >= 0:
                pairs[z[parent[n]], state, n] += w
    return Truth(evidence, posterior, pairs, float(top), np.array(best))


def lse(x: Floats, axis: int) -> Floats:
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(x - top).sum(axis=axis)) + np.squeeze(top, axis)


def log_space(unary: Floats, tables: Floats, index, first) -> tuple[Floats, Floats, Floats]:
    """Row after row in log space: log p(x_t | past), filtered, posterior; possible chains only."""
    states, size = unary.shape
    table = cut(tables)
    left, right = np.zeros((states, size)), np.zeros((states, size))
    scale = np.zeros(size)
    for n in range(size):
        joint = unary[:, n].copy()
        if not first[n]:
            joint += lse(left[:, n - 1][:, None] + table[index[n]], 0)
        scale[n] = lse(joint, 0)
        left[:, n] = joint - scale[n]
    for n in range(size - 2, -1, -1):
        if not first[n + 1]:
            after = table[index[n + 1]] + unary[:, n + 1] + right[:, n + 1]
            right[:, n] = lse(after, 1) - scale[n + 1]
    joint = left + right
    return scale, np.exp(left), np.exp(joint - lse(joint, 0))


def problem(rng, states, size, count, *, holes=0.0, deep=1.0):
    """Random potentials and tables, with `holes` of the entries impossible."""
    unary = deep * rng.normal(size=(states, size))
    unary[rng.random(unary.shape) < holes] = -np.inf
    tables = np.log(rng.dirichlet(np.ones(states), (count, states)))
    tables[rng.random(tables.shape) < holes] = -700.0
    index = rng.integers(count, size=size)
    return unary, tables, index
