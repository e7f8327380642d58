"""Matrices with entries held or tied: their Q is highest where a search on the entries ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize

from emdsl.runtime.patterned import Pattern, Terms, inside, maximise, patterns_of

NAN = np.nan


def pattern_of(fixed: NDArray[Any], ties: tuple[tuple[int, int], ...] = ()) -> Pattern:
    """The one problem that matrices (g, D, D) with NaN where free are; `ties` of flat entries."""
    size = fixed.shape[-1]
    classes = np.arange(fixed.size).reshape(fixed.shape)
    classes = np.minimum(classes, classes.transpose(0, 2, 1)).ravel()
    for one, other in ties:
        a, b = sorted((classes[one], classes[other]))
        classes[classes == b] = a
    (found,) = patterns_of(fixed, classes.reshape(-1, size, size))
    return found


def held(size: int, entries: dict[tuple[int, int], float]) -> NDArray[Any]:
    """A matrix with these entries, NaN elsewhere."""
    out = np.full((1, size, size), NAN)
    for (i, j), value in entries.items():
        out[0, i, j] = out[0, j, i] = value
    return out


def scatter(size: int, seed: int, rows: int = 40) -> NDArray[Any]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, size)) @ rng.normal(size=(size, size))
    return x.T @ x / rows


@pytest.mark.parametrize(
    ("count", "plain", "inverse"),
    [(-1.0, 0.0, 1.0), (1.0, 1.0, 0.0), (1.5, 1.0, 2.0), (-1.5, 1.0, 2.0)],
    ids=["covariance", "precision", "both, count up", "both, count down"],
)
@pytest.mark.parametrize("ties", [(), ((0, 5), (2, 7))], ids=["held", "tied too"])
def test_the_maximum_is_that_of_a_search(
    count: float, plain: float, inverse: float, ties: tuple[tuple[int, int], ...]
) -> None:
    """BFGS over the free numbers alone, by determinants and solves."""
    s = scatter(4, 1)
    s /= np.trace(s)
    pattern = pattern_of(held(4, {(0, 1): 0.0, (2, 3): 0.02}), ties)
    terms = Terms(np.full((1, 1), count), plain * s[None, None], inverse * s[None, None])
    start, good = inside(pattern, np.eye(4)[None, None])
    assert good.all()
    found = maximise(pattern, terms, start)[0, 0]

    def lost(f: NDArray[Any]) -> float:
        m = pattern.matrices(f[None])[0, 0]
        if np.linalg.eigvalsh(m)[0] <= 0.0:
            return 1e6
        traces = plain * np.trace(m @ s) + inverse * np.trace(np.linalg.solve(m, s))
        return float(traces - count * np.linalg.slogdet(m)[1])

    best = min(
        optimize.minimize(lost, f, method="BFGS", options={"gtol": 1e-9}).fun
        for f in (pattern.numbers(start)[0], pattern.numbers(found[None, None])[0] * 1.01)
    )
    assert lost(pattern.numbers(found[None, None])[0]) <= best + 1e-10
    assert found[0, 1] == found[1, 0] == 0.0
    assert found[2, 3] == found[3, 2] == 0.02
    if ties:
        assert found[0, 0] == found[1, 1]
        assert found[0, 2] == found[1, 3]


def scaled_cliques(s: NDArray[Any], cliques: list[list[int]]) -> NDArray[Any]:
    """Iterative proportional scaling (Speed and Kiiveri 1986) of a concentration matrix."""
    k = np.eye(len(s))
    for _ in range(4000):
        for c in cliques:
            k[np.ix_(c, c)] += np.linalg.inv(s[np.ix_(c, c)]) - np.linalg.inv(
                np.linalg.inv(k)[np.ix_(c, c)]
            )
    return k


def test_zeros_of_a_precision_are_a_graph() -> None:
    """A cycle of six, which no formula solves: proportional scaling of its edges."""
    size = 6
    edges = [[i, (i + 1) % size] for i in range(size)]
    zeros = {(i, j): 0.0 for i in range(size) for j in range(i) if sorted((i, j)) not in
             [sorted(e) for e in edges]}  # fmt: skip
    s = scatter(size, 3)
    pattern = pattern_of(held(size, zeros))
    terms = Terms(np.ones((1, 1)), s[None, None], np.zeros((1, 1, size, size)))
    found = maximise(pattern, terms, inside(pattern, np.eye(size)[None, None])[0])[0, 0]
    assert found == pytest.approx(scaled_cliques(s, edges), rel=1e-9, abs=1e-9)


def test_zero_blocks_of_a_covariance_split_it() -> None:
    """Two independent blocks have their own scatters, whatever units the columns are in."""
    unit = np.array([1e-9, 1.0, 1e7, 1e3])
    s = scatter(4, 5) * unit * unit[:, None]
    pattern = pattern_of(held(4, {(i, j): 0.0 for i in (0, 1) for j in (2, 3)}))
    terms = Terms(-np.ones((1, 1)), np.zeros((1, 1, 4, 4)), s[None, None])
    start, _ = inside(pattern, np.diag(unit**2)[None, None])
    found = maximise(pattern, terms, start)[0, 0]
    wanted = np.where(np.kron(np.eye(2), np.ones((2, 2))) > 0.0, s, 0.0)
    assert found / unit / unit[:, None] == pytest.approx(wanted / unit / unit[:, None], rel=1e-9)


def test_many_problems_are_each_its_own() -> None:
    pattern = pattern_of(held(3, {(0, 1): 0.0, (2, 2): 1.0}))
    s = np.stack([scatter(3, i) for i in range(7)])[:, None]
    many = Pattern(np.arange(7)[:, None], np.repeat(pattern.offset, 7, axis=0), pattern.which,
                   pattern.row, pattern.column, pattern.value, pattern.free)  # fmt: skip
    terms = Terms(-np.ones((7, 1)), np.zeros_like(s), s)
    found = maximise(many, terms, inside(many, s)[0])
    for i in range(7):
        at = np.array([i])
        alone = maximise(many.some(at), terms.some(at), inside(many.some(at), s[at])[0])
        assert found[i] == pytest.approx(alone[0], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("entries", "possible"),
    [
        ({(0, 0): 1, (1, 1): 1, (2, 2): 1, (0, 1): 0.95, (0, 2): 0.95}, True),
        ({(0, 0): 1, (1, 1): 1, (2, 2): 1, (0, 1): 0.95, (0, 2): -0.95}, True),
        ({(0, 0): 1, (1, 1): 1, (2, 2): 1, (0, 1): 0.95, (0, 2): 0.95, (1, 2): 0.8}, False),
        ({(0, 0): 1, (1, 1): 1, (0, 1): 0.9, (0, 2): 1e4, (1, 2): -1e4}, True),
        ({(0, 0): 1, (1, 1): 1, (0, 1): 1.0}, False),
        ({(0, 0): 1, (1, 1): 1, (2, 2): 1, (3, 3): 1, (0, 1): 0.9, (1, 2): 0.9, (2, 3): 0.9,
          (0, 3): -0.9}, False),
        ({(0, 0): 1, (1, 1): 1, (2, 2): 1, (3, 3): 1, (0, 1): 0.7, (1, 2): 0.7, (2, 3): 0.7,
          (0, 3): -0.7}, True),
        ({(0, 0): 1, (1, 1): 1, (2, 2): 1, (3, 3): 1, (0, 1): 0.71, (1, 2): 0.71, (2, 3): 0.71,
          (0, 3): -0.71}, False),
    ],
)  # fmt: skip
def test_completions(entries: dict[tuple[int, int], float], possible: bool) -> None:
    """Of a cycle of four with correlations cos t, t, t and pi - t it takes 3 t >= pi - t."""
    fixed = held(4, entries)
    found, good = inside(pattern_of(fixed), np.eye(4)[None, None])
    assert good[0] == possible
    if good[0]:
        assert np.linalg.eigvalsh(found[0, 0])[0] > 0.0
        assert np.array_equal(
            np.where(np.isnan(fixed[0]), NAN, found[0, 0]), fixed[0], equal_nan=True
        )
