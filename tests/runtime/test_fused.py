"""Chains alone: the E-step in packed order against the general way through `infer`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emdsl import runtime as rt
from emdsl.compiler import load
from emdsl.runtime.emissions import Each, Repeated
from emdsl.runtime.structures import StructureData

ROOT = Path(__file__).resolve().parents[2]
RAGGED = "benchmarks/ragged_gaussian_hmm.em"


def _engine(path: str, data: Any, params: Any) -> tuple[Any, Any]:
    module = load(ROOT / path)
    bound = rt.bind(module.PROGRAM.meta, data, {"K": len(params["start"])})
    return module.PROGRAM, rt.Engine(module.PROGRAM, bound, module.PROGRAM.pivot(params))


def _structure(engine: Any) -> StructureData:
    (found,) = engine.structures
    assert isinstance(found, StructureData)
    return found


def _agree(path: str, data: Any, params: Any, iterations: int = 3, *, kind: Any = Each) -> None:
    """Statistics of several EM iterations, so that what a walk remembers is used as well."""
    program, fused = _engine(path, data, params)
    _, general = _engine(path, data, params)
    assert _structure(general)._lone is not None
    _structure(general)._lone = None
    for _ in range(iterations):
        mine, other = fused.e_step(params), general.e_step(params)
        assert mine.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-12, abs=1e-12)
        for name, value in other.values.items():
            scale = max(1.0, float(np.abs(value).max()))
            np.testing.assert_allclose(mine[name], value, rtol=1e-9, atol=1e-11 * scale)
        params = program.m_step(other, params)
    chains = _structure(fused)._fused
    assert (chains is None) == (kind is None)
    if chains is not None:
        assert isinstance(chains.emitted, kind)


def _gaussian(k: int, d: int, size: int, spread: float = 1.0) -> tuple[Any, dict[str, Any]]:
    rng = np.random.default_rng(k)
    mean = 2.0 * rng.normal(size=(k, d))
    z = np.repeat(rng.integers(k, size=size // 5 + 1), 5)[:size]
    x = spread * (mean[z] + rng.normal(size=(size, d)))
    params = {
        "start": rng.dirichlet(np.ones(k)),
        "trans": 0.6 * np.eye(k) + 0.4 * rng.dirichlet(np.ones(k), k),
        "mean": spread * (mean + 0.2 * rng.normal(size=(k, d))),
        "var": np.full((k, d), 1.5 * spread**2),
    }
    return x, params


@pytest.mark.parametrize("size", [1, 2, 30, 400, 6000])
def test_one_sequence(size: int) -> None:
    x, params = _gaussian(3, 2, size)
    _agree("models/gaussian_hmm_diagonal.em", {"x": x}, params, 1 if size < 30 else 3)


def test_ragged_sequences() -> None:
    lengths = np.random.default_rng(1).integers(1, 60, size=80)
    x, params = _gaussian(4, 2, int(lengths.sum()))
    _agree(RAGGED, {"x": x, "T": lengths}, params, kind=Each)


def test_a_few_long_sequences_among_short_ones() -> None:
    lengths = np.array([3, 2500, 1, 1700, 40, 2600])
    x, params = _gaussian(3, 2, int(lengths.sum()))
    _agree(RAGGED, {"x": x, "T": lengths}, params, 4)


def test_log_potentials_far_from_zero() -> None:
    x, params = _gaussian(3, 2, 3000)
    x[700] += 90.0
    params["var"] = np.full((3, 2), 0.05)
    _agree("models/gaussian_hmm_diagonal.em", {"x": x}, params, 1)


def test_missing_cells() -> None:
    x, params = _gaussian(3, 2, 900)
    x[np.random.default_rng(2).random(x.shape) < 0.1] = np.nan
    _agree("models/gaussian_hmm_diagonal.em", {"x": x}, params)


@pytest.mark.parametrize("zeros", [False, True])
def test_symbols(zeros: bool) -> None:
    rng = np.random.default_rng(3)
    lengths = np.array([5, 4000, 300, 1])
    k, v = 3, 7
    trans = rng.dirichlet(np.ones(k), k)
    emit = rng.dirichlet(np.ones(v), k)
    if zeros:  # states and steps that can't be: what bars a state is looked at row by row
        trans[0, 2] = trans[1, 0] = emit[0, 1] = emit[2, 3] = 0.0
        trans /= trans.sum(axis=1, keepdims=True)
        emit /= emit.sum(axis=1, keepdims=True)
    x = rng.integers(v, size=int(lengths.sum()))
    x[:v] = np.arange(v)
    params = {"start": np.full(k, 1 / k), "trans": trans, "emit": emit}
    _agree("models/hmm.em", {"x": x, "T": lengths}, params, kind=None if zeros else Repeated)


def test_counts_are_kept_once() -> None:
    y = np.random.default_rng(4).poisson(6.0, size=2000)
    params = {"start": np.full(2, 0.5), "trans": np.full((2, 2), 0.5), "rate": np.array([3.0, 9.0])}
    _agree("models/poisson_hmm.em", {"y": y}, params, kind=Repeated)
