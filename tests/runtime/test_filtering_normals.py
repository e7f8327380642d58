"""Filtering of normal chains, against filters in covariance form and dense conditioning."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import emdsl
from emdsl.source import Source
from tests.reference.tables import MODELS
from tests.runtime.test_gaps_of_latents import CHAINS, chains, dense
from tests.runtime.test_gaps_of_latents import model as model_of

Floats = NDArray[np.float64]


@cache
def gallery(name: str) -> Any:
    return emdsl.load(MODELS / f"{name}.em")


def local_level(x: Floats, m0: float, q: float, r: float) -> tuple[Floats, ...]:
    """Predicted and filtered means and variances, and log densities: Durbin and Koopman (2012)."""
    out = []
    mean, variance = m0, q
    for value in x:
        before = mean, variance
        density = 0.0
        if np.isfinite(value):
            ahead = variance + r
            density = -0.5 * (np.log(2 * np.pi * ahead) + (value - mean) ** 2 / ahead)
            gain = variance / ahead
            mean, variance = mean + gain * (value - mean), variance * (1 - gain)
        out.append((*before, mean, variance, density))
        variance = variance + q
    return tuple(np.array(out).T)


LOCAL = """
model LocalLevel
param m0   : real
param q, r : positive
for t in T:
    latent z[t] ~ Normal(m0, var = q) if t == 0 else Normal(z[t-1], var = q)
    data   x[t] ~ Normal(z[t], var = r)
"""


@pytest.mark.parametrize(("offset", "digits"), [(0.0, 1e-11), (1e5, 1e-5)])
def test_local_level(offset: float, digits: float) -> None:
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.normal(size=60)) + rng.normal(size=60) + offset
    x[[0, 7, 8, 9]] = np.nan
    x[55:] = np.nan  # forecasts
    p = {"m0": 0.5 + offset, "q": 0.9, "r": 1.4}
    ahead, spread, mean, variance, density = local_level(x, p["m0"], p["q"], p["r"])
    m = model_of(LOCAL)
    found = m.filtered(x, p)
    np.testing.assert_allclose(found.predicted["z"].mean, ahead, rtol=1e-11)
    np.testing.assert_allclose(found.predicted["z"].covariance, spread, rtol=1e-11)
    np.testing.assert_allclose(found.filtered["z"].mean, mean, rtol=1e-11)
    np.testing.assert_allclose(found.filtered["z"].covariance, variance, rtol=1e-11)
    np.testing.assert_allclose(found.log_predictive["T"], density, atol=digits)
    total = m.log_likelihood(x, p)
    assert found.log_predictive["T"].sum() == pytest.approx(total, abs=100 * digits)
    smoothed = m.posterior_moments(x, p)["z"]
    np.testing.assert_allclose(found.filtered["z"].mean[-1], smoothed.mean[-1], rtol=1e-11)


def test_chains_of_unequal_lengths_with_inputs_and_gaps() -> None:
    """What the rows so far say, by conditioning on them alone."""
    data, params, whole = chains()
    m = model_of(CHAINS)
    found = m.filtered(data, params)
    for i, u in enumerate(data["u"]):
        count = len(u)
        logs = [0.0]
        for t in range(count):
            for upto, answers in ((t + 1, found.filtered), (t, found.predicted)):
                x = np.array(data["x"][i])
                x[upto:] = np.nan
                d = conditioned(params, u, x)
                own = slice(2 * t, 2 * t + 2)
                np.testing.assert_allclose(answers["z"].mean[i][t], d.mean[own], atol=1e-10)
                np.testing.assert_allclose(answers["z"].covariance[i][t], d.cov[own, own],
                                           atol=1e-10)  # fmt: skip
                if upto == t + 1:
                    logs.append(d.log_density)
        steps = [b - a for a, b in itertools.pairwise(logs)]
        np.testing.assert_allclose(found.log_predictive["S, T"][i], steps, atol=1e-10)
        assert sum(steps) == pytest.approx(whole[i].log_density, rel=1e-12)


def conditioned(params: dict[str, Floats], u: Floats, x: Floats) -> Any:
    """States and rows of one chain given the cells of x that are there."""
    count = len(u)
    pull, mean = np.eye(2 * count), [params["m0"]]
    for t in range(1, count):
        mean.append(params["step"] @ mean[-1])
        pull[2 * t : 2 * t + 2] += params["step"] @ pull[2 * t - 2 : 2 * t]
    spread = pull @ np.kron(np.eye(count), params["Q"]) @ pull.T
    return dense(
        np.concatenate(mean), spread, np.kron(np.eye(count), params["look"]),
        np.outer(u, params["push"]).reshape(-1), np.kron(np.eye(count), params["R"]), x,
    )  # fmt: skip
