"""Coefficients inside a scale: densities that grow without bound are said to, others aren't."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emdsl.compiler import load
from emdsl.source import Source

TEXT = """model Scaled(K = 2)
param w : simplex[K]
param m[K] : real
param a[K] : real{prior}
param b[K] : real
for n in N:
    input u[n] : real
    latent z[n] ~ Categorical(w)
    data x[n] ~ Normal(m[z[n]], exp(a[z[n]] + b[z[n]] * u[n]))
"""


def fit(seed: int, n: int, unit: float = 1.0, **options: Any) -> Any:
    rng = np.random.default_rng(seed)
    data = {"u": unit * rng.normal(size=n), "x": rng.normal(size=n)}
    module = load(Source(TEXT.format(prior=""), "m.em"))
    return module.fit(data, seed=seed, restarts=3, progress=False, max_iter=3000, **options)


@pytest.mark.parametrize("unit", [1.0, 1e3, 1e-3])
@pytest.mark.parametrize("seed", range(3))
def test_a_component_on_one_row_has_collapsed(seed: int, unit: float) -> None:
    result = fit(seed, 12, unit, K=3)
    assert result.status == "degenerate"
    assert any("ever more likely, without bound" in m for m in result.messages)


@pytest.mark.parametrize("seed", range(3))
def test_a_sound_maximum_is_one(seed: int) -> None:
    result = fit(seed, 60)
    assert result.status == "converged"
    assert not any(m.startswith("collapsed") for m in result.messages)


def test_a_prior_keeps_the_scale_from_it() -> None:
    text = TEXT.replace("b[K] : real", "b[K] : real ~ Normal(0, 0.2)")
    rng = np.random.default_rng(1)
    data = {"u": rng.normal(size=12), "x": rng.normal(size=12)}
    module = load(Source(text.format(prior=" ~ Normal(0, 0.2)"), "m.em"))
    assert module.fit(data, K=3, seed=1, restarts=3, progress=False).status == "converged"


def test_a_floor_is_said_to_be_none() -> None:
    result = fit(0, 12, K=3, degenerate="floor")
    assert result.status == "degenerate"
    said = " ".join(result.messages)
    assert "no floor holds what isn't a scale: bound it by `constrain`" in said
    assert "degenerate='floor' would help" not in said


def test_tight_groups_in_many_dimensions_are_no_collapse() -> None:
    """Each row is e^20 times as likely as it is without the groups, at a sound maximum."""
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(m, 0.01, size=(30, 6)) for m in (-1.0, 1.0)])
    module = load(Source(
        "model M(K = 2)\nparam w : simplex[K]\nparam m[K] : real[D]\nparam a[K] : real\n"
        "for n in N:\n    input u[n] : real\n    latent z[n] ~ Categorical(w)\n"
        "    data x[n] : real[D] ~ Normal(m[z[n]], exp(a[z[n]] * u[n]))\n", "m.em",
    ))  # fmt: skip
    result = module.fit({"x": x, "u": np.ones(60)}, seed=0, restarts=3, progress=False)
    assert result.status == "converged", result.messages
