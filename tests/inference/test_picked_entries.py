"""Entries of latents at places of their own: fixed ones, and places that data name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emdsl.compiler import compile_source, import_text
from emdsl.source import Source
from emdsl.verify.checks import Case
from emdsl.verify.continuous_checks import check_continuous

FIXED = """
model Fixed
param a : real
param b : real[2]
param s : positive
param r : posdef[2]
for n in N:
    latent z[n] : real[2] ~ Normal(zeros[2], ones[2])
    data x[n] ~ Normal(a + z[n, 0] - 2 * z[n, 1], s)
    data y[n] : real[2] ~ MvNormal(b + z[n], r)
"""
BY_DATA = """
model ByData
param a : real[3]
param s : positive
param v : posdef[3]
for j in G:
    latent z[j] : real[3] ~ MvNormal(a, v)
for n in N:
    input g[n] : index[G]
    input k[n] : index[3]
    data x[n] ~ Normal(z[g[n], k[n]], s)
"""
RNG = np.random.default_rng(0)
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "fixed": (
        FIXED,
        {"x": RNG.normal(size=5), "y": RNG.normal(size=(5, 2))},
        {"a": 0.3, "b": [0.1, 0.2], "s": 0.8, "r": [[1.0, 0.2], [0.2, 0.7]]},
    ),
    "by data": (
        BY_DATA,
        {"x": RNG.normal(size=6), "g": [0, 0, 1, 1, 1, 0], "k": [0, 1, 2, 0, 0, 1]},
        {"a": [0.1, 0.2, 0.3], "s": 0.6, "v": np.eye(3) + 0.2},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_against_dense_algebra(name: str) -> None:
    text, data, params = CASES[name]
    made = compile_source(Source(text, "picked.em"))
    case = Case(
        made,
        import_text(made.module, "Picked"),
        {k: np.asarray(v) for k, v in data.items()},
        {k: np.asarray(v) for k, v in params.items()},
    )
    assert check_continuous(case, np.random.default_rng(0)) == []
