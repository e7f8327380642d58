"""Filtering of normal chains, against filters in covariance form and dense conditioning."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import emdsl
from emdsl.runtime.errors import NoFilterError
from emdsl.runtime.filter_steps import alike, recurrence, settled, steady
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
    np.testing.assert_allclose(found.foreseen["x"].values, ahead, rtol=1e-11)
    np.testing.assert_allclose(found.foreseen["x"].sd, np.sqrt(spread + p["r"]), rtol=1e-11)
    total = m.log_likelihood(x, p)
    assert found.log_predictive["T"].sum() == pytest.approx(total, abs=100 * digits)
    smoothed = m.posterior_moments(x, p)["z"]
    np.testing.assert_allclose(found.filtered["z"].mean[-1], smoothed.mean[-1], rtol=1e-11)
    filled = m.impute(x, p)["x"]
    gone = np.isnan(x)
    np.testing.assert_allclose(filled.values, np.where(gone, smoothed.mean, x), rtol=1e-11)
    sd = np.where(gone, np.sqrt(smoothed.covariance + p["r"]), 0.0)
    np.testing.assert_allclose(filled.sd, sd, rtol=1e-5 if offset else 1e-10)


def test_a_long_series_with_gaps() -> None:
    """Between its gaps the filter's variances settle, and many steps are taken at once."""
    rng = np.random.default_rng(1)
    x = np.cumsum(rng.normal(0.0, 0.3, size=700)) + rng.normal(size=700)
    x[[200, 201, 450]] = np.nan
    p = {"m0": 0.5, "q": 0.09, "r": 1.0}
    found = model_of(LOCAL).filtered(x, p)
    ahead, spread, mean, variance, density = local_level(x, p["m0"], p["q"], p["r"])
    np.testing.assert_allclose(found.predicted["z"].mean, ahead, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(found.predicted["z"].covariance, spread, rtol=1e-11)
    np.testing.assert_allclose(found.filtered["z"].mean, mean, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(found.filtered["z"].covariance, variance, rtol=1e-11)
    np.testing.assert_allclose(found.log_predictive["T"], density, atol=1e-11)


def test_what_settles_and_how_long_it_stays() -> None:
    """Of two sequences the shorter run counts; a recurrence by doubling is that by steps."""
    table = np.array([[1.0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]])
    again = alike(table)
    assert again.tolist() == [False, *[True] * 5, False, *[True] * 5]
    assert steady(again, np.array([0, 6]), 6, 2) == 4
    assert steady(again, np.array([0]), 12, 1) == 5
    assert steady(again, np.array([4]), 8, 0) == 2
    before = np.array([[[2.0, 1.0], [1.0, 3.0]]])
    assert settled(before, before * (1 + 1e-15))
    assert not settled(before, before * (1 + 1e-13))
    rng = np.random.default_rng(2)
    power, x = rng.normal(size=(3, 2, 2)) * 0.6, rng.normal(size=(2, 3, 37))
    expected = x.copy()
    for t in range(1, 37):
        expected[..., t] += np.einsum("bij,jb->ib", power, expected[..., t - 1])
    np.testing.assert_allclose(recurrence(power, x), expected, rtol=1e-12)


def test_panels_are_filtered_as_each_series_is_alone() -> None:
    """Sequences of all lengths, in which the steps settle at different times."""
    data, params, _ = chains()
    rng = np.random.default_rng(3)
    lengths = (60, 5, 90, 60)
    u = [rng.normal(size=(n, *data["u"][0].shape[1:])) for n in lengths]
    x = [rng.normal(size=(n, *data["x"][0].shape[1:])) for n in lengths]
    x[2][40, 0] = np.nan
    m = model_of(CHAINS)
    together = m.filtered({"u": u, "x": x}, params)
    for i in range(len(lengths)):
        alone = m.filtered({"u": u[i : i + 1], "x": x[i : i + 1]}, params)
        total = m.log_likelihood({"u": u[i : i + 1], "x": x[i : i + 1]}, params)
        assert alone.log_predictive["S, T"][0].sum() == pytest.approx(total, rel=1e-12)
        smoothed = m.posterior_moments({"u": u[i : i + 1], "x": x[i : i + 1]}, params)["z"]
        for answer, one in ((together.filtered, alone.filtered),
                            (together.predicted, alone.predicted)):  # fmt: skip
            np.testing.assert_allclose(answer["z"].mean[i], one["z"].mean[0], atol=1e-11)
            np.testing.assert_allclose(
                answer["z"].covariance[i], one["z"].covariance[0], atol=1e-11
            )
        np.testing.assert_allclose(
            alone.filtered["z"].mean[0][-1], smoothed.mean[0][-1], atol=1e-10
        )


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
                if upto == t:
                    cells = slice(2 * count + 3 * t, 2 * count + 3 * t + 3)
                    sd = np.sqrt(np.diag(d.cov)[cells])
                    np.testing.assert_allclose(found.foreseen["x"].values[i][t], d.mean[cells],
                                               atol=1e-10)  # fmt: skip
                    np.testing.assert_allclose(found.foreseen["x"].sd[i][t], sd, atol=1e-10)
                else:
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


GALLERY = {
    "seasonal": {"first": 1.0, "drift": 0.1, "season": 0.2, "move": 0.4, "shift": 0.3, "sd": 0.5},
    "local_linear_trend": {"first": 1.0, "steep": 0.1, "move": 0.4, "turn": 0.3, "sd": 0.5},
}


@pytest.mark.parametrize("name", sorted(GALLERY))
def test_chains_of_several_latents(name: str) -> None:
    """A filtered state is the smoothed one of the rows so far, a density what a row adds."""
    m, p = gallery(name), GALLERY[name]
    y = np.random.default_rng(1).normal(size=9)  # complete
    found = m.filtered(y, p)
    before = 0.0
    for t in range(9):
        upto = m.log_likelihood(y[: t + 1], p)
        assert found.log_predictive["T"][t] == pytest.approx(upto - before, abs=1e-11)
        before = upto
        smoothed = m.posterior_moments(y[: t + 1], p)
        for latent, answer in smoothed.items():
            assert found.filtered[latent].mean[t] == pytest.approx(answer.mean[t], abs=1e-10)
            variance = found.filtered[latent].covariance[t]
            assert variance == pytest.approx(answer.covariance[t], abs=1e-10)
        ahead = np.append(y[:t], np.nan)
        forecast = m.impute(ahead, p)["y"]
        assert found.foreseen["y"].values[t] == pytest.approx(forecast.values[t], abs=1e-10)
        assert found.foreseen["y"].sd[t] == pytest.approx(forecast.sd[t], abs=1e-10)


REFUSED = {
    "different plates": (
        """
model Crossed
param tau, sd : positive
for i in I:
    latent a[i] ~ Normal(0, tau)
for j in J:
    latent b[j] ~ Normal(0, tau)
for n in N:
    input i_of[n] : index[I]
    input j_of[n] : index[J]
    data  y[n] ~ Normal(a[i_of[n]] + b[j_of[n]], sd)
""",
        {"i_of": [0, 1, 0], "j_of": [0, 0, 1], "y": [0.1, 0.2, 0.3]},
        {"tau": 1.0, "sd": 1.0},
        (
            "a, b can't be filtered: a and b are tied to each other over different plates, so that "
            "no order in time tells what is past: ask for posterior_moments"
        ),
    ),
    "rows that point": (
        """
model Pointed
param sd : positive
for t in T:
    latent z[t] ~ Normal(0, 1) if t == 0 else Normal(z[t-1], 1)
for n in N:
    input at[n] : index[T]
    data  y[n] ~ Normal(z[at[n]], sd)
""",
        {"at": [0, 2, 1], "y": [0.1, 0.2, 0.3]},
        {"sd": 1.0},
        (
            "z can't be filtered: rows of N see z[at[n]] by an index, so that no order in time "
            "tells what is past: ask for posterior_moments"
        ),
    ),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_has_no_past_is_refused(name: str) -> None:
    text, data, params, message = REFUSED[name]
    with pytest.raises(NoFilterError) as caught:
        model_of(text).filtered(data, params)
    assert str(caught.value) == message


def test_rows_inside_a_time() -> None:
    """Several instruments at each time: the densities of their rows together."""
    text = """
model Instruments
param q, r : positive
for t in T:
    latent z[t] ~ Normal(0, q) if t == 0 else Normal(z[t-1], q)
    for i in I:
        data y[t, i] ~ Normal(z[t], r)
"""
    y = np.random.default_rng(3).normal(size=(6, 2))
    y[2, 1], y[4] = np.nan, np.nan
    p = {"q": 0.7, "r": 0.9}
    m = model_of(text)
    found = m.filtered(y, p)
    logs = [0.0, *(m.log_likelihood(y[: t + 1], p) for t in range(6))]
    np.testing.assert_allclose(found.log_predictive["T"], np.diff(logs), atol=1e-12)
    ahead = found.predicted["z"]
    np.testing.assert_allclose(found.foreseen["y"].values, np.repeat(ahead.mean[:, None], 2, 1),
                               atol=1e-12)  # fmt: skip
    sd = np.sqrt(ahead.covariance + p["r"] ** 2)
    np.testing.assert_allclose(found.foreseen["y"].sd, np.repeat(sd[:, None], 2, 1), rtol=1e-11)
