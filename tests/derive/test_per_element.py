"""A parameter for each element of the outermost plate: the plate's own index picks its entry."""

from __future__ import annotations

import numpy as np
import pytest

from emdsl.compiler import load
from emdsl.source import Source

MEANS = """model Means
param mu[G] : real
param s     : positive
for g in G:
    for m in M:
        data y[g, m] ~ Normal(mu[g], s)
"""


@pytest.mark.parametrize(("groups", "each"), [(1, 5), (7, 3), (3000, 4)])
def test_means_of_groups(groups: int, each: int) -> None:
    rng = np.random.default_rng(groups)
    y = rng.normal(rng.normal(0, 5, groups)[:, None], 0.5, (groups, each))
    fit = load(Source(MEANS, "means.em")).fit({"y": y})
    np.testing.assert_allclose(fit.params["mu"], y.mean(axis=1), rtol=1e-9)
    spread = np.sqrt(((y - y.mean(axis=1, keepdims=True)) ** 2).mean())
    np.testing.assert_allclose(fit.params["s"], spread, rtol=1e-9)


def test_one_entry_for_each_row() -> None:
    model = load(Source("model M\nparam m[N] : real\nfor n in N:\n"
                        "    data x[n] ~ Normal(m[n], 1)\n", "m.em"))  # fmt: skip
    x = np.random.default_rng(0).standard_normal(50)
    np.testing.assert_allclose(model.fit({"x": x}).params["m"], x, rtol=1e-12)
