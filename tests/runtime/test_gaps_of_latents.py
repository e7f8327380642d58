"""Missing cells that normal latents have a part in, against dense conditioning of all cells."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import emdsl
from emdsl.source import Source

Floats = NDArray[np.float64]


@cache
def model(text: str) -> Any:
    return emdsl.load(Source(text))


def definite(rng: np.random.Generator, *shape: int) -> Floats:
    a = rng.normal(size=(*shape, shape[-1]))
    return np.asarray(a @ np.swapaxes(a, -1, -2) + 0.5 * np.eye(shape[-1]))


def punched(x: Floats, rng: np.random.Generator, share: float = 0.3) -> Floats:
    """The array with cells missing at random, one row whole."""
    x = np.array(x)
    x[rng.random(x.shape) < share] = np.nan
    x[1] = np.nan
    return x


@dataclass(frozen=True)
class Dense:
    """All latents u and all cells x jointly normal, given the cells that are there."""

    log_density: float
    mean: Floats  # of u, then of x
    cov: Floats

    @property
    def second(self) -> Floats:
        return self.cov + np.outer(self.mean, self.mean)


def dense(prior: Floats, spread: Floats, slope: Floats, shift: Floats, noise: Floats, x: Floats
          ) -> Dense:  # fmt: skip
    """u ~ N(prior, spread), x ~ N(slope u + shift, noise)."""
    mean = np.concatenate([prior, slope @ prior + shift])
    cross = slope @ spread
    cov = np.block([[spread, cross.T], [cross, cross @ slope.T + noise]])
    seen = np.concatenate([np.zeros(len(prior), bool), ~np.isnan(x.reshape(-1))])
    value = x.reshape(-1)[~np.isnan(x.reshape(-1))]
    inner = cov[np.ix_(seen, seen)]
    gain = np.linalg.solve(inner, cov[seen]).T
    found = np.where(seen, 0.0, mean + gain @ (value - mean[seen]))
    found[seen] = value
    left = cov - gain @ cov[seen]
    left[seen], left[:, seen] = 0.0, 0.0
    logs = multivariate_normal(mean[seen], inner).logpdf(value) if seen.any() else 0.0
    return Dense(float(logs), found, left)


# --- factors of independent rows ------------------------------------------------------------------

FACTORS = """
model Factors(L = 2)
param loading : real[D, L]
param bias    : real[D]
param noise   : posdef[D]
for n in N:
    latent f[n] : real[L] ~ MvNormal(zeros[L], eye[L])
    data   x[n] : real[D] ~ MvNormal(loading @ f[n] + bias, noise)
"""


def factors(shift: float = 0.0) -> tuple[Floats, dict[str, Floats], list[Dense]]:
    rng = np.random.default_rng(3)
    loading, bias, noise = rng.normal(size=(4, 2)), rng.normal(size=4) + shift, definite(rng, 4)
    f = rng.normal(size=(25, 2))
    x = punched(f @ loading.T + bias + rng.multivariate_normal(np.zeros(4), noise, 25), rng)
    rows = [dense(np.zeros(2), np.eye(2), loading, bias, noise, row) for row in x]
    return x, {"loading": loading, "bias": bias, "noise": noise}, rows


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_factors_under_a_full_covariance(shift: float) -> None:
    x, params, rows = factors(shift)
    m = model(FACTORS)
    digits = 1e-9 if shift else 1e-12
    each = [r.log_density for r in rows]
    assert m.log_likelihood(x, params) == pytest.approx(sum(each), rel=digits)
    np.testing.assert_allclose(m.row_log_likelihood(x, params)["N"], each, rtol=1e-8, atol=1e-8)
    found = m.posterior_moments(x, params)["f"]
    np.testing.assert_allclose(found.mean, [r.mean[:2] for r in rows], atol=1e-8)
    np.testing.assert_allclose(found.covariance, [r.cov[:2, :2] for r in rows], atol=1e-10)
    filled = m.impute(x, params)["x"]
    np.testing.assert_allclose(filled.values, [r.mean[2:] for r in rows], rtol=1e-12, atol=1e-8)
    sd = [np.sqrt(np.maximum(np.diag(r.cov)[2:], 0.0)) for r in rows]
    np.testing.assert_allclose(filled.sd, sd, atol=1e-9)


def test_one_em_step_of_factors() -> None:
    """Regression of rows on factors, with the moments of both given what is there."""
    x, params, rows = factors()
    m = model(FACTORS)
    new = m.m_step(m.e_step(x, params), params)
    kept = [r for r, row in zip(rows, x, strict=True) if not np.isnan(row).all()]
    second = sum(r.second for r in kept)
    first = sum(r.mean for r in kept)
    count = len(kept)
    design = np.block([[second[:2, :2], first[:2, None]], [first[None, :2], np.array([[count]])]])
    both = np.vstack([second[:2, 2:], first[None, 2:]])
    solved = np.linalg.solve(design, both)
    np.testing.assert_allclose(new["loading"], solved[:2].T, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(new["bias"], solved[2], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        new["noise"], (second[2:, 2:] - both.T @ solved) / count, rtol=1e-8, atol=1e-9
    )


# --- chains ---------------------------------------------------------------------------------------

CHAINS = """
model Chains(L = 2)
param m0   : real[L]
param step : real[L, L]
param look : real[D, L]
param push : real[D]
param Q    : posdef[L]
param R    : posdef[D]
for s in S:
    for t in T[s]:
        input  u[s, t] : real
        latent z[s, t] : real[L] ~ MvNormal(m0, Q) if t == 0 else MvNormal(step @ z[s, t-1], Q)
        data   x[s, t] : real[D] ~ MvNormal(look @ z[s, t] + u[s, t] * push, R)
"""


def chains() -> tuple[dict[str, Any], dict[str, Floats], list[Dense]]:
    rng = np.random.default_rng(8)
    params = {
        "m0": rng.normal(size=2), "step": 0.7 * np.eye(2) + 0.1 * rng.normal(size=(2, 2)),
        "look": rng.normal(size=(3, 2)), "push": rng.normal(size=3),
        "Q": definite(rng, 2), "R": definite(rng, 3),
    }  # fmt: skip
    data: dict[str, Any] = {"u": [], "x": []}
    out = []
    for count in (7, 1, 4):
        u = rng.normal(size=count)
        x = rng.normal(size=(count, 3))
        x[rng.random(x.shape) < 0.4] = np.nan
        if count > 2:
            x[2] = np.nan
        data["u"].append(u)
        data["x"].append(x)
        mean, spread = [params["m0"]], np.zeros((2 * count, 2 * count))
        pull = np.eye(2 * count)
        for t in range(1, count):
            mean.append(params["step"] @ mean[-1])
            here, before = slice(2 * t, 2 * t + 2), slice(2 * t - 2, 2 * t)
            pull[here] += params["step"] @ pull[before]
        spread = pull @ np.kron(np.eye(count), params["Q"]) @ pull.T
        out.append(
            dense(
                np.concatenate(mean), spread, np.kron(np.eye(count), params["look"]),
                np.outer(u, params["push"]).reshape(-1), np.kron(np.eye(count), params["R"]), x,
            )
        )  # fmt: skip
    return data, params, out


def test_chains_under_a_full_covariance() -> None:
    data, params, found = chains()
    m = model(CHAINS)
    logs = [d.log_density for d in found]
    assert m.log_likelihood(data, params) == pytest.approx(sum(logs), rel=1e-12)
    np.testing.assert_allclose(m.row_log_likelihood(data, params)["S"], logs, rtol=1e-11)
    states = m.posterior_moments(data, params)["z"]
    filled = m.impute(data, params)["x"]
    for i, d in enumerate(found):
        count = len(data["u"][i])
        np.testing.assert_allclose(states.mean[i].reshape(-1), d.mean[: 2 * count], atol=1e-10)
        for t in range(count):
            own = d.cov[2 * t : 2 * t + 2, 2 * t : 2 * t + 2]
            np.testing.assert_allclose(states.covariance[i][t], own, atol=1e-11)
        shown = d.mean[2 * count :].reshape(count, 3)
        np.testing.assert_allclose(filled.values[i], shown, atol=1e-10)
        sd = np.sqrt(np.maximum(np.diag(d.cov)[2 * count :], 0.0)).reshape(count, 3)
        np.testing.assert_allclose(filled.sd[i], sd, atol=1e-7)


def test_one_em_step_of_chains() -> None:
    """Regressions of states on states and of rows on states and inputs."""
    data, params, found = chains()
    m = model(CHAINS)
    new = m.m_step(m.e_step(data, params), params)
    design, both, left = np.zeros((3, 3)), np.zeros((3, 3)), np.zeros((3, 3))
    before, across, firsts, rows = np.zeros((2, 2)), np.zeros((2, 2)), [], 0
    for u, x, d in zip(data["u"], data["x"], found, strict=True):
        count = len(u)
        firsts.append(d.mean[:2])
        for t in range(count):
            z = slice(2 * t, 2 * t + 2)
            if t:
                before += d.second[2 * t - 2 : 2 * t, 2 * t - 2 : 2 * t]
                across += d.second[z, 2 * t - 2 : 2 * t]
            if np.isnan(x[t]).all():
                continue
            own = slice(2 * count + 3 * t, 2 * count + 3 * t + 3)
            first = d.mean[z, None] * u[t]
            design += np.block([[d.second[z, z], first], [first.T, np.array([[u[t] ** 2]])]])
            both += np.vstack([d.second[z, own], u[t] * d.mean[own]])
            left += d.second[own, own]
            rows += 1
    np.testing.assert_allclose(new["m0"], np.mean(firsts, axis=0), rtol=1e-9)
    np.testing.assert_allclose(new["step"], np.linalg.solve(before, across.T).T, rtol=1e-8)
    solved = np.linalg.solve(design, both)
    np.testing.assert_allclose(new["look"], solved[:2].T, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(new["push"], solved[2], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(new["R"], (left - both.T @ solved) / rows, rtol=1e-8, atol=1e-9)


def test_chains_rise() -> None:
    data, _, _ = chains()
    result = model(CHAINS).fit(data, progress=False, restarts=1, max_iter=30)
    fall = np.diff(result.objective_trace).min(initial=0.0)
    assert fall > -1e-9 * (1.0 + abs(result.objective))


# --- crossed effects, and rows whose loadings differ ----------------------------------------------

CROSSED = """
model Crossed
param mean  : real[D]
param A, B, noise : posdef[D]
for i in I:
    latent a[i] : real[D] ~ MvNormal(zeros[D], A)
for j in J:
    latent b[j] : real[D] ~ MvNormal(zeros[D], B)
for n in N:
    input first[n]  : index[I]
    input second[n] : index[J]
    input u[n]      : real
    data  y[n] : real[D] ~ MvNormal(mean + a[first[n]] + u[n] * b[second[n]], noise)
"""


def test_crossed_effects_with_covariates() -> None:
    """Each row's loading is its own: no two rows share what the cells' integral adds."""
    rng = np.random.default_rng(5)
    A, B, noise, mean = definite(rng, 2), definite(rng, 2), definite(rng, 2), rng.normal(size=2)
    first, second, u = rng.integers(0, 3, 14), rng.integers(0, 2, 14), rng.normal(size=14)
    first[:3], second[:2] = range(3), range(2)
    y = punched(rng.normal(size=(14, 2)), rng, 0.35)
    slope = np.zeros((28, 10))
    for n in range(14):
        own = slice(2 * n, 2 * n + 2)
        slope[own, 2 * first[n] : 2 * first[n] + 2] = np.eye(2)
        slope[own, 6 + 2 * second[n] : 8 + 2 * second[n]] = u[n] * np.eye(2)
    spread = np.zeros((10, 10))
    spread[:6, :6], spread[6:, 6:] = np.kron(np.eye(3), A), np.kron(np.eye(2), B)
    d = dense(np.zeros(10), spread, slope, np.tile(mean, 14), np.kron(np.eye(14), noise), y)
    m = model(CROSSED)
    data = {"first": first, "second": second, "u": u, "y": y}
    params = {"A": A, "B": B, "noise": noise, "mean": mean}
    assert m.log_likelihood(data, params) == pytest.approx(d.log_density, rel=1e-12)
    effects = m.posterior_moments(data, params)
    np.testing.assert_allclose(effects["a"].mean.reshape(-1), d.mean[:6], atol=1e-11)
    np.testing.assert_allclose(effects["b"].mean.reshape(-1), d.mean[6:10], atol=1e-11)
    new = m.m_step(m.e_step(data, params), params)
    expected = np.mean([d.second[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] for i in range(3)], axis=0)
    np.testing.assert_allclose(new["A"], expected, rtol=1e-10)
    there = np.flatnonzero(~np.isnan(y).all(axis=1))
    error = np.hstack([-slope, np.eye(28)])  # y - slope @ (a, b), entry by entry
    average = (error @ d.mean).reshape(14, 2)[there].mean(axis=0)
    np.testing.assert_allclose(new["mean"], average, rtol=1e-9)
    second_moment = error @ d.second @ error.T
    total = sum(second_moment[2 * n : 2 * n + 2, 2 * n : 2 * n + 2] for n in there) / len(there)
    np.testing.assert_allclose(new["noise"], total - np.outer(average, average), rtol=1e-8)


# --- under discrete latents -----------------------------------------------------------------------

MIXED = """
model Mixed(K = 2, L = 1)
param weight : simplex[K]
param loading : real[K, D, L]
param bias    : real[K, D]
param noise[K] : posdef[D]
for n in N:
    latent z[n] : category[K] ~ Categorical(weight)
    latent f[n] : real[L] ~ MvNormal(zeros[L], eye[L])
    data   x[n] : real[D] ~ MvNormal(loading[z[n]] @ f[n] + bias[z[n]], noise[z[n]])
"""


def test_mixtures_of_factors_under_full_covariances() -> None:
    rng = np.random.default_rng(2)
    weight, noise = np.array([0.3, 0.7]), definite(rng, 2, 3)
    loading, bias = rng.normal(size=(2, 3, 1)), rng.normal(size=(2, 3))
    x = punched(2.0 * rng.normal(size=(20, 3)), rng)
    given = [[dense(np.zeros(1), np.eye(1), loading[k], bias[k], noise[k], row) for k in (0, 1)]
             for row in x]  # fmt: skip
    logs = np.log(weight) + np.array([[d.log_density for d in row] for row in given])
    total = logsumexp(logs, axis=1)
    share = np.exp(logs - total[:, None])
    m = model(MIXED)
    params = {"weight": weight, "loading": loading, "bias": bias, "noise": noise}
    assert m.log_likelihood(x, params) == pytest.approx(total.sum(), rel=1e-12)
    np.testing.assert_allclose(m.posterior(x, params)["z"], share, atol=1e-11)
    mean = np.einsum("nk,nkd->nd", share, [[d.mean for d in row] for row in given])
    np.testing.assert_allclose(m.posterior_moments(x, params)["f"].mean[:, 0], mean[:, 0],
                               atol=1e-10)  # fmt: skip
    filled = m.impute(x, params)["x"]
    np.testing.assert_allclose(filled.values, mean[:, 1:], atol=1e-10)
    second = np.einsum("nk,nkde->nde", share, [[d.second for d in row] for row in given])
    variance = np.einsum("nd->nd", np.einsum("ndd->nd", second) - mean**2)[:, 1:]
    np.testing.assert_allclose(filled.sd, np.sqrt(np.maximum(variance, 0.0)), atol=1e-6)
    new = m.m_step(m.e_step(x, params), params)
    there = ~np.isnan(x).all(axis=1)
    for k in (0, 1):
        own = [share[n, k] * given[n][k].second for n in np.flatnonzero(there)]
        first = sum(share[n, k] * given[n][k].mean for n in np.flatnonzero(there))
        whole, count = sum(own), share[there, k].sum()
        design = np.array([[whole[0, 0], first[0]], [first[0], count]])
        both = np.vstack([whole[:1, 1:], first[None, 1:]])
        solved = np.linalg.solve(design, both)
        np.testing.assert_allclose(new["loading"][k], solved[:1].T, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(
            new["noise"][k], (whole[1:, 1:] - both.T @ solved) / count, rtol=1e-8, atol=1e-9
        )


# --- rows of groups -------------------------------------------------------------------------------

GROUPS = """
model Groups
param mean      : real[D]
param A, noise  : posdef[D]
for g in G:
    latent b[g] : real[D] ~ MvNormal(zeros[D], A)
for n in N times w[n]:
    input  group[n] : index[G]
    data   y[n] : real[D] ~ MvNormal(mean + b[group[n]], noise)
"""


@pytest.mark.parametrize("weighted", [False, True])
def test_random_intercepts_of_vectors(weighted: bool) -> None:
    """A row of weight 2 stands for two."""
    rng = np.random.default_rng(11)
    A, noise, mean = definite(rng, 3), definite(rng, 3), rng.normal(size=3)
    group = np.array([0, 0, 1, 1, 1, 2, 2, 0, 1])
    y = punched(rng.normal(size=(9, 3)), rng, 0.4)
    w = np.array([1, 2, 1, 2, 1, 1, 2, 1, 1]) if weighted else np.ones(9, dtype=int)
    each, rows = np.repeat(group, w), np.repeat(y, w, axis=0)
    count = len(each)
    slope = np.kron(np.eye(3)[each], np.eye(3))
    d = dense(np.zeros(9), np.kron(np.eye(3), A), slope, np.tile(mean, count),
              np.kron(np.eye(count), noise), rows)  # fmt: skip
    m = model(GROUPS)
    data: dict[str, Any] = {"group": group, "y": y, "w": w}
    params = {"A": A, "noise": noise, "mean": mean}
    assert m.log_likelihood(data, params) == pytest.approx(d.log_density, rel=1e-12)
    assert m.row_log_likelihood(data, params)["G"].sum() == pytest.approx(d.log_density, rel=1e-12)
    effects = m.posterior_moments(data, params)["b"]
    np.testing.assert_allclose(effects.mean.reshape(-1), d.mean[:9], atol=1e-11)
    np.testing.assert_allclose(effects.covariance[1], d.cov[3:6, 3:6], atol=1e-11)
    filled = m.impute(data, params)["y"]
    place = np.cumsum(w) - w  # the first copy of each row
    shown = d.mean[9:].reshape(count, 3)[place]
    np.testing.assert_allclose(filled.values, shown, atol=1e-10)
    sd = np.sqrt(np.maximum(np.diag(d.cov)[9:], 0.0)).reshape(count, 3)[place]
    np.testing.assert_allclose(filled.sd, sd, atol=1e-7)
    new = m.m_step(m.e_step(data, params), params)
    expected = np.mean([d.second[3 * g : 3 * g + 3, 3 * g : 3 * g + 3] for g in range(3)], axis=0)
    np.testing.assert_allclose(new["A"], expected, rtol=1e-9)
    kept = np.flatnonzero(~np.isnan(rows).all(axis=1))
    error = np.hstack([-slope, np.eye(3 * count)])  # y - b of its group, entry by entry
    average = (error @ d.mean).reshape(count, 3)[kept].mean(axis=0)
    np.testing.assert_allclose(new["mean"], average, rtol=1e-9)
    second = error @ d.second @ error.T
    total = sum(second[3 * n : 3 * n + 3, 3 * n : 3 * n + 3] for n in kept) / len(kept)
    np.testing.assert_allclose(new["noise"], total - np.outer(average, average), rtol=1e-8)


COVARIATES = """
model Covariates
param mean, beta, m : real
param tau, sigma, s : positive
for g in G:
    latent b[g] : real ~ Normal(0, tau)
for n in N:
    input group[n] : index[G]
    data  u[n] ~ Normal(m, s)
    data  y[n] ~ Normal(mean + beta * u[n] + b[group[n]], sigma)
"""


def test_missing_covariates_of_grouped_rows() -> None:
    rng = np.random.default_rng(4)
    group = np.array([0, 0, 1, 1, 1, 2])
    u, y = rng.normal(size=6), rng.normal(size=6)
    u[[1, 2, 5]], y[[2, 3]] = np.nan, np.nan
    p = {"mean": 0.3, "beta": 1.7, "m": -0.5, "tau": 0.8, "sigma": 0.6, "s": 1.3}
    slope = np.kron(np.eye(3)[group], np.array([[0.0], [1.0]]))
    shift = np.tile([p["m"], p["mean"] + p["beta"] * p["m"]], 6)
    one = np.array([[1.0, 0.0], [p["beta"], 1.0]])
    noise = one @ np.diag([p["s"] ** 2, p["sigma"] ** 2]) @ one.T
    d = dense(np.zeros(3), p["tau"] ** 2 * np.eye(3), slope, shift, np.kron(np.eye(6), noise),
              np.stack([u, y], axis=1))  # fmt: skip
    m = model(COVARIATES)
    data = {"group": group, "u": u, "y": y}
    assert m.log_likelihood(data, p) == pytest.approx(d.log_density, rel=1e-12)
    np.testing.assert_allclose(m.posterior_moments(data, p)["b"].mean, d.mean[:3], atol=1e-11)
    at = {name: np.array(value) for name, value in p.items()}
    new = m.m_step(m.e_step(data, at), at)
    assert new["tau"] == pytest.approx(np.sqrt(np.mean(np.diag(d.second)[:3])), rel=1e-9)
    assert new["m"] == pytest.approx(np.mean(d.mean[3::2]), rel=1e-9)


CHAINED = """
model Chained(K = 2)
param start      : simplex[K]
param step[K]    : simplex[K]
param loading[K] : real[D]
param noise[K]   : posdef[D]
for t in T:
    latent z[t] : category[K] ~ Categorical(start) if t == 0 else Categorical(step[z[t-1]])
    latent f[t] : real ~ Normal(0, 1)
    data   x[t] : real[D] ~ MvNormal(f[t] * loading[z[t]], noise[z[t]])
"""


def test_hidden_markov_models_of_factors() -> None:
    """Against the sum over all paths."""
    rng = np.random.default_rng(6)
    start, step = np.array([0.4, 0.6]), np.array([[0.7, 0.3], [0.2, 0.8]])
    loading, noise = rng.normal(size=(2, 2)), definite(rng, 2, 2)
    x = punched(rng.normal(size=(5, 2)), rng, 0.5)
    given = [[dense(np.zeros(1), np.eye(1), loading[k][:, None], np.zeros(2), noise[k], row)
              for k in (0, 1)] for row in x]  # fmt: skip
    paths = [[(code >> t) & 1 for t in range(5)] for code in range(32)]
    logs = np.array([
        np.log(start[z[0]]) + sum(np.log(step[a, b]) for a, b in itertools.pairwise(z))
        + sum(given[t][k].log_density for t, k in enumerate(z)) for z in paths
    ])  # fmt: skip
    total = logsumexp(logs)
    share = np.array([[np.exp(logs - total) @ [z[t] == k for z in paths] for k in (0, 1)]
                      for t in range(5)])  # fmt: skip
    m = model(CHAINED)
    params = {"start": start, "step": step, "loading": loading, "noise": noise}
    assert m.log_likelihood(x, params) == pytest.approx(total, rel=1e-12)
    mean = np.einsum("tk,tkd->td", share, [[d.mean for d in row] for row in given])
    np.testing.assert_allclose(m.posterior_moments(x, params)["f"].mean, mean[:, 0], atol=1e-10)
    np.testing.assert_allclose(m.impute(x, params)["x"].values, mean[:, 1:], atol=1e-10)
    new = m.m_step(m.e_step(x, params), params)
    there = ~np.isnan(x).all(axis=1)
    second = np.einsum("tk,tkde->kde", share[there], np.array(
        [[d.second for d in row] for row in given])[there])  # fmt: skip
    for k in (0, 1):
        np.testing.assert_allclose(new["loading"][k], second[k, 0, 1:] / second[k, 0, 0], rtol=1e-8)


def test_groups_of_several_kinds_need_whole_rows() -> None:
    """Where groups' latents are under discrete ones partly missing rows are refused, in words."""
    text = """
model Kinds(K = 2)
param weight  : simplex[K]
param mean[K] : real[D]
param A, noise : posdef[D]
for g in G:
    latent z[g] : category[K] ~ Categorical(weight)
    latent b[g] : real[D] ~ MvNormal(mean[z[g]], A)
for n in N:
    input group[n] : index[G]
    data  y[n] : real[D] ~ MvNormal(b[group[n]] + mean[z[group[n]]], noise)
"""
    rng = np.random.default_rng(0)
    y = rng.normal(size=(6, 2))
    y[2, 1] = np.nan
    with pytest.raises(emdsl.DataError, match=r"y row 2 is partly missing \(y\[2, 1\]; 1 such\)"):
        model(text).fit({"group": [0, 0, 0, 1, 1, 1], "y": y}, progress=False)
