"""Names of the model that the generated functions use for something else."""

from __future__ import annotations

import numpy as np
import pytest

import emdsl
from emdsl.source import Source

TEXT = """model M(K = 2)
param weight  : simplex[K]
param mean[K] : real
for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Normal(mean[z[n]], 1)
"""
X = np.array([0.0, 1.0, 7.0, 8.0])


@pytest.mark.parametrize(
    "name",
    [
        "restarts",
        "tol",
        "max_iter",
        "init",
        "seed",
        "sizes",
        "options",
        "floor",
        "progress",
        "self",
    ],
)
def test_a_size_with_the_name_of_an_option(name: str) -> None:
    module = emdsl.load(Source(TEXT.replace("K", name), "m.em"))
    result = module.fit(X, **{f"{name}_": 2}, restarts=3, seed=1)
    assert result.sizes[name] == 2
    assert sorted(result.params["mean"]) == pytest.approx([0.5, 7.5], abs=0.1)


@pytest.mark.parametrize("name", ["restarts", "tol", "init", "params", "np", "lambda_", "seed"])
def test_a_param_with_the_name_of_an_option(name: str) -> None:
    module = emdsl.load(Source(TEXT.replace("mean", name), "m.em"))
    result = module.fit(X, K=2, restarts=2, seed=0)
    assert sorted(result.params[name]) == pytest.approx([0.5, 7.5], abs=0.1)
