"""The curvature of a sample, with its noise taken out: against populations that are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import linalg, special

from emdsl.runtime.coordinates import Coordinates
from emdsl.runtime.newton import maximise
from emdsl.runtime.rough import Rough, without_noise

from .newton_problems import Logistic

RNG = np.random.default_rng(11)


def population(size: int, kind: str) -> Any:
    """True correlations (size, size)."""
    if kind == "chain":
        return linalg.toeplitz(0.5 ** np.arange(size))
    if kind == "factor":
        return 0.7 * np.eye(size) + 0.3
    return np.eye(size)


def drawn(rows: int, size: int, kind: str, heavy: bool = False) -> Any:
    x = RNG.normal(size=(rows, size)) @ np.linalg.cholesky(population(size, kind)).T
    return x * RNG.standard_t(4, size=(rows, 1)) if heavy else x


def spread(truth: Any, found: Any) -> float:
    """The condition of found^-1 truth: how many steps by one it takes to solve for the other."""
    values = linalg.eigh(truth, found, eigvals_only=True)
    return float(values[-1] / values[0])


@pytest.mark.parametrize(("kind", "part"), [("chain", 0.7), ("factor", 0.5)])
def test_eigenvalues_are_put_right(kind: str, part: float) -> None:
    size, rows = 80, 320
    truth = population(size, kind)
    raw = np.corrcoef(drawn(rows, size, kind).T)
    mended = without_noise(raw[None], np.array([float(rows)]))[0]
    assert spread(truth, mended) < part * spread(truth, raw)
    # the eigenvectors are the sample's; each eigenvalue is about what the truth is along its own
    values, vectors = np.linalg.eigh(raw)
    best = np.einsum("ij,ik,kj->j", vectors, truth, vectors)
    own = np.einsum("ij,ik,kj->j", vectors, mended, vectors)
    off = np.abs(own / best - 1.0)
    assert np.median(off) < 0.1
    assert np.median(np.abs(values / best - 1.0)) > 3.0 * np.median(off)


def test_each_problem_is_mended_by_itself() -> None:
    raw = np.stack([np.corrcoef(drawn(200, 20, k).T) for k in ("chain", "factor")])
    rows = np.array([200.0, 150.0])
    both = without_noise(raw, rows)
    for i in range(2):
        np.testing.assert_allclose(both[i], without_noise(raw[i : i + 1], rows[i : i + 1])[0])


def test_what_is_not_definite_stays() -> None:
    raw = np.array([[[1.0, 2.0], [2.0, 1.0]]])
    assert without_noise(raw, np.array([9.0])) is raw


def halves(x: Any, y: Any, rows: int) -> tuple[Logistic, Logistic]:
    step = len(y) // rows
    one, other = slice(0, None, 2 * step), slice(step, None, 2 * step)
    return tuple(  # type: ignore[return-value]
        Logistic(x[s], y[s], np.full(len(y[s]), len(y) / len(y[s]))) for s in (one, other)
    )


def test_heavy_tails_count_as_few_rows() -> None:
    """Uncorrelated columns: the diagonal is the better curvature, and that is what is kept."""
    size, n = 30, 6000
    x = drawn(n, size, "none", heavy=True)
    y = (RNG.random(n) < 0.5) * 1.0
    zero = np.zeros((1, size))
    frame = Coordinates((zero[0],), ("real",), 0)
    some = halves(x, y, 4 * size)
    gradient = RNG.normal(size=(1, size))
    step, _ = Rough(some, 0.02).curve(frame, zero).step(frame, gradient, np.ones(1, dtype=bool))
    diagonal = sum(0.5 * (h.w[:, None] * 0.25 * h.x**2).sum(0) for h in some)
    rough = sum(0.5 * -h.slopes((zero[0],), True).hessian[0][0] for h in some)
    plain = np.linalg.solve(rough, gradient[0])
    near = gradient[0] / diagonal
    assert np.linalg.norm(step[0] - near) < 0.2 * np.linalg.norm(step[0] - plain)


@pytest.mark.parametrize(
    ("kind", "heavy", "most"),
    [("none", False, 10), ("chain", False, 12), ("factor", False, 10), ("none", True, 11)],
)
def test_passes_over_all_rows_are_few(kind: str, heavy: bool, most: int) -> None:
    size, n = 150, 9000
    x = drawn(n, size, kind, heavy)
    line = x @ RNG.normal(size=size)
    y = (RNG.random(n) < special.expit(line / line.std())) * 1.0
    whole = Logistic(x, y, np.ones(n))
    wider = Rough(halves(x, y, 12 * size), 0.2)
    rough = Rough(halves(x, y, 4 * size), 0.07, lambda: wider)
    (found,) = maximise(whole, (np.zeros(size),), ("real",), 0, steps=60, rough=rough, final=True)
    passes = whole.calls["slopes"]
    assert np.abs(whole.slopes((found,), False).gradient[0]).max() < 1e-6 * n
    assert passes <= most
    assert whole.calls["hessian"] <= heavy
