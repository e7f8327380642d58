"""Parameters that are exactly zero rule rows out, whatever else is improbable."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from emdsl import runtime as rt
from emdsl.compiler import load
from emdsl.source import Source

HMM = """model M(K = 2)
param start    : simplex[K]
param trans[K] : simplex[K]
param mu[K]    : real
param p[K]     : unit
for t in T:
    latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
    data   x[t] ~ Normal(mu[z[t]], 1)
    data   y[t] : bool ~ Bernoulli(p[z[t]])
"""
MIXTURE = """model M(K = 2)
param weight : simplex[K]
param mu[K]  : real
for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Normal(mu[z[n]], 1)
"""
CHAIN = """model M
param start    : simplex[V]
param trans[V] : simplex[V]
for t in T:
    data x[t] : category[V] ~ Categorical(start) if t == 0 else Categorical(trans[x[t-1]])
"""


def model(text: str) -> Any:
    return load(Source(text, "m.em"))


PARAMS = {
    "start": [1.0, 0.0],
    "trans": [[0.5, 0.5], [0.0, 1.0]],
    "mu": [0.0, 100.0],
    "p": [0.5, 1.0],
}


def test_an_outlier_starts_where_it_can() -> None:
    """The only possible start is e^-4000 less likely: it is taken nonetheless."""
    data = {"x": [100.0], "y": [1.0]}
    expected = stats.norm.logpdf(100.0) + np.log(0.5)
    assert model(HMM).log_likelihood(data, PARAMS) == pytest.approx(expected, rel=1e-12)
    np.testing.assert_array_equal(model(HMM).posterior(data, PARAMS)["z"], [[1.0, 0.0]])


def test_a_complement_of_one() -> None:
    """y = 0 in the second state is impossible: the path stays in the first."""
    data = {"x": [0.0, 100.0], "y": [1.0, 0.0]}
    path = 3 * np.log(0.5) + stats.norm.logpdf([0.0, 100.0]).sum()
    assert model(HMM).log_likelihood(data, PARAMS) == pytest.approx(path, rel=1e-12)


def test_the_row_is_named() -> None:
    params = {**PARAMS, "p": [1.0, 1.0]}
    data = {"x": [0.0, 1.0, 2.0], "y": [1.0, 0.0, 1.0]}
    assert model(HMM).log_likelihood(data, params) == -np.inf
    with pytest.raises(rt.DataError) as caught:
        model(HMM).e_step(data, params)
    assert str(caught.value) == (
        "row 1 of T (x = 1, y = 0) has probability zero under the model, expected data it can "
        "produce: check the row, or add to the model what explains it"
    )


def test_a_mixture_weight() -> None:
    params = {"weight": [1.0, 0.0], "mu": [0.0, 100.0]}
    found = model(MIXTURE).log_likelihood({"x": [100.0]}, params)
    assert found == pytest.approx(stats.norm.logpdf(100.0), rel=1e-12)


def test_a_latent_that_is_one() -> None:
    """log(1 - p) stands apart from the latent's own terms, which take it back."""
    text = """model M
param p  : unit
param mu : real
for n in N:
    latent z[n] ~ Bernoulli(p)
    data   x[n] ~ Normal(mu * z[n], 1)
"""
    found = model(text).log_likelihood({"x": [1.0, 2.0]}, {"p": 1.0, "mu": 3.0})
    assert found == pytest.approx(stats.norm.logpdf([1.0, 2.0], 3.0).sum(), rel=1e-12)


def test_without_latents() -> None:
    params = {"start": [0.5, 0.5], "trans": [[1.0, 0.0], [0.5, 0.5]]}
    assert model(CHAIN).log_likelihood({"x": [0, 0, 0]}, params) == pytest.approx(np.log(0.5))
    assert model(CHAIN).log_likelihood({"x": [1, 0, 1]}, params) == -np.inf
    with pytest.raises(rt.DataError, match=r"row 2 of T \(x = 1\) has probability zero"):
        model(CHAIN).e_step({"x": [1, 0, 1]}, params)


SWITCH = """model M
param p       : unit
param mean[2] : real
for n in N:
    latent z[n] ~ Bernoulli(p)
    data   x[n] ~ Normal(mean[z[n]], 1)
"""
SWITCHES = """model M
param first    : unit
param later[2] : unit
param mean[2]  : real
for t in T:
    latent z[t] ~ Bernoulli(first) if t == 0 else Bernoulli(later[z[t-1]])
    data   x[t] ~ Normal(mean[z[t]], 1)
"""


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_a_switch_that_is_never_changed(p: float) -> None:
    """A latent's own log(1 - p) is taken back where it is 1: nothing is impossible."""
    x = [0.0, 1.0, 0.5]
    expected = stats.norm.logpdf(x, p).sum()
    once = model(SWITCH).log_likelihood({"x": x}, {"p": p, "mean": [0, 1]})
    assert once == pytest.approx(expected, rel=1e-12)
    for first, later in ((p, [p, p]), (p, [0.0, 1.0]), (1 - p, [p, p])):
        expected = stats.norm.logpdf(x, [first, later[int(first)], later[int(later[int(first)])]])
        chain = model(SWITCHES).log_likelihood(
            {"x": x}, {"first": first, "later": later, "mean": [0, 1]}
        )
        assert chain == pytest.approx(expected.sum(), rel=1e-12)
