"""Missing cells integrated out, against densities of the cells that are there: dense algebra."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import emdsl
from emdsl.source import Source
from tests.reference.tables import MODELS

Floats = NDArray[np.float64]


@cache
def model(text: str) -> Any:
    return emdsl.load(Source(text) if "\n" in text else MODELS / f"{text}.em")


def punched(x: Floats, rng: np.random.Generator, share: float = 0.3) -> Floats:
    """The array with cells missing at random."""
    x = np.array(x)
    x[rng.random(x.shape) < share] = np.nan
    return x


def definite(rng: np.random.Generator, *shape: int) -> Floats:
    a = rng.normal(size=(*shape, shape[-1]))
    return np.asarray(a @ np.swapaxes(a, -1, -2) + np.eye(shape[-1]))


def seen_density(x: Floats, mean: Floats, cov: Floats) -> float:
    """The log density of the cells of a row that are there."""
    o = ~np.isnan(x)
    if not o.any():
        return 0.0
    return float(multivariate_normal(mean[o], cov[np.ix_(o, o)]).logpdf(x[o]))


def completed(x: Floats, mean: Floats, cov: Floats) -> tuple[Floats, Floats]:
    """A row's posterior mean and covariance given the cells that are there."""
    o, m = ~np.isnan(x), np.isnan(x)
    value, spread = np.where(m, mean, x), np.zeros_like(cov)
    spread[np.ix_(m, m)] = cov[np.ix_(m, m)]
    if o.any() and m.any():
        slope = np.linalg.solve(cov[np.ix_(o, o)], cov[np.ix_(o, m)]).T
        value[m] = mean[m] + slope @ (x[o] - mean[o])
        spread[np.ix_(m, m)] -= slope @ cov[np.ix_(o, m)]
    return value, spread


def rises(result: Any) -> None:
    assert result.status == "converged", result.messages
    fall = np.diff(result.objective_trace).min(initial=0.0)
    assert fall > -1e-9 * (1.0 + abs(result.objective))


# --- one normal, and mixtures --------------------------------------------------------------------


def normals(seed: int = 0, rows: int = 60) -> tuple[Floats, dict[str, Floats]]:
    rng = np.random.default_rng(seed)
    mean, cov = 3 * rng.normal(size=4), definite(rng, 4)
    x = punched(rng.multivariate_normal(mean, cov, size=rows), rng)
    x[5] = np.nan  # drops out
    return x, {"mean": mean, "cov": cov}


def test_normal_likelihood_and_em_step() -> None:
    """The step of Little and Rubin (2019), section 11.2.1."""
    x, params = normals()
    mean, cov = params["mean"], params["cov"]
    m = model("multivariate_normal")
    expected = sum(seen_density(row, mean, cov) for row in x)
    assert m.log_likelihood(x, params) == pytest.approx(expected, rel=1e-13)
    rows = [completed(row, mean, cov) for row in x if not np.isnan(row).all()]
    values = np.array([v for v, _ in rows])
    new = m.m_step(m.e_step(x, params), params)
    average = values.mean(axis=0)
    np.testing.assert_allclose(new["mean"], average, rtol=1e-12)
    second = np.mean([np.outer(v, v) + s for v, s in rows], axis=0)
    np.testing.assert_allclose(new["cov"], second - np.outer(average, average), rtol=1e-10)


@pytest.mark.parametrize(("shift", "scale"), [(1e8, 1.0), (0.0, 1e-8), (0.0, 1e8), (-1e6, 1e-2)])
def test_normal_far_from_zero(shift: float, scale: float) -> None:
    x, _ = normals()
    m = model("multivariate_normal")
    plain = m.fit(x, progress=False, restarts=2, tol=1e-12)
    other = m.fit(shift + scale * x, progress=False, restarts=2, tol=1e-12)
    rises(plain)
    change = np.log(scale) * np.isfinite(x).sum()
    assert other.log_likelihood + change == pytest.approx(plain.log_likelihood, abs=1e-5)
    np.testing.assert_allclose((other.params["mean"] - shift) / scale, plain.params["mean"],
                               atol=2e-5)  # fmt: skip
    np.testing.assert_allclose(other.params["cov"] / scale**2, plain.params["cov"], atol=1e-4)


def test_single_rows_far_from_zero() -> None:
    """A row of its own shows nothing of where its missing cells may be."""
    x, params = normals(rows=12)
    m = model("multivariate_normal")
    for row in x + 1e8:
        value = m.log_likelihood(row[None], {**params, "mean": params["mean"] + 1e8})
        wanted = seen_density(row - 1e8, params["mean"], params["cov"])
        assert value == pytest.approx(wanted, abs=1e-6)


def test_a_fit_is_stationary() -> None:
    """Fisher's identity: where EM ends the observed data's likelihood has no slope."""
    x, _ = normals(3)
    m = model("multivariate_normal")
    result = m.fit(x, progress=False, restarts=1, tol=1e-14)
    at = {n: np.array(v) for n, v in result.params.items()}
    for place in range(4):
        step = np.zeros(4)
        step[place] = 1e-4
        up, down = ({**at, "mean": at["mean"] + s} for s in (step, -step))
        slope = (m.log_likelihood(x, up) - m.log_likelihood(x, down)) / 2e-4
        assert abs(slope) < 1e-3
    for i, j in itertools.combinations_with_replacement(range(4), 2):
        step = np.zeros((4, 4))
        step[i, j] = step[j, i] = 1e-4
        up, down = ({**at, "cov": at["cov"] + s} for s in (step, -step))
        slope = (m.log_likelihood(x, up) - m.log_likelihood(x, down)) / 2e-4
        assert abs(slope) < 1e-3


def mixture(seed: int = 1) -> tuple[Floats, dict[str, Floats], Floats]:
    """Data, parameters, and log p(z, cells seen) by row and component."""
    rng = np.random.default_rng(seed)
    weight, mean, cov = np.array([0.4, 0.6]), 3 * rng.normal(size=(2, 3)), definite(rng, 2, 3)
    z = rng.choice(2, size=50, p=weight)
    x = punched(np.array([rng.multivariate_normal(mean[k], cov[k]) for k in z]), rng)
    logs = [[np.log(weight[k]) + seen_density(r, mean[k], cov[k]) for k in (0, 1)] for r in x]
    return x, {"weight": weight, "mean": mean, "cov": cov}, np.array(logs)


def test_mixture() -> None:
    x, params, logs = mixture()
    m = model("gaussian_mixture")
    total = logsumexp(logs, axis=1)
    assert m.log_likelihood(x, params) == pytest.approx(total.sum(), rel=1e-13)
    post = np.exp(logs - total[:, None])
    np.testing.assert_allclose(m.posterior(x, params)["z"], post, atol=1e-13)
    np.testing.assert_allclose(m.row_log_likelihood(x, params)["N"], total, rtol=1e-12)
    new = m.m_step(m.e_step(x, params), params)
    for k in (0, 1):
        rows = [completed(r, params["mean"][k], params["cov"][k]) for r in x]
        own = post[:, k] * ~np.isnan(x).all(axis=1)
        values = np.array([v for v, _ in rows])
        average = own @ values / own.sum()
        second = sum(p * (np.outer(v, v) + s) for p, (v, s) in zip(own, rows, strict=True))
        np.testing.assert_allclose(new["mean"][k], average, rtol=1e-11)
        np.testing.assert_allclose(new["cov"][k], second / own.sum() - np.outer(average, average),
                                   rtol=1e-9)  # fmt: skip


def test_statistics_add_up_over_chunks() -> None:
    x, params, _ = mixture()
    m = model("gaussian_mixture")
    whole, parts = m.e_step(x, params), m.e_step(x[:20], params) + m.e_step(x[20:], params)
    assert parts.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-13)
    for name, value in whole.values.items():
        if name in parts.values and not name.endswith("seen"):
            np.testing.assert_allclose(parts[name], value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shape", ["", "_tied", "_vee", "_eev", "_vev", "_evv", "_vve", "_eve"])
def test_mixtures_of_every_structure_rise(shape: str) -> None:
    rng = np.random.default_rng(4)
    x = np.concatenate([rng.normal(size=(60, 3)), rng.normal(size=(60, 3)) * [1, 2, 3] + 5])
    result = model(f"gaussian_mixture{shape}").fit(
        punched(x, rng, 0.15), K=2, restarts=3, progress=False
    )
    rises(result)
    best = sorted(result.params["mean"][:, 0])
    assert best[0] == pytest.approx(0.0, abs=0.6)
    assert best[1] == pytest.approx(5.0, abs=0.6)


def test_two_latents_share_a_row() -> None:
    """The result of the integral is a factor of whatever latents the cells depend on."""
    text = """model Two
param w : simplex[2]
param v : simplex[3]
param a[2] : real[D]
param b[3] : real[D]
param cov : posdef[D]
for n in N:
    latent z[n] ~ Categorical(w)
    latent q[n] ~ Categorical(v)
    data   x[n] : real[D] ~ MvNormal(a[z[n]] + b[q[n]], cov)
"""
    rng = np.random.default_rng(2)
    x = punched(3 * rng.normal(size=(30, 3)), rng)
    p = {
        "w": np.array([0.3, 0.7]), "v": np.array([0.2, 0.3, 0.5]), "a": rng.normal(size=(2, 3)),
        "b": rng.normal(size=(3, 3)), "cov": definite(rng, 3),
    }  # fmt: skip
    total = 0.0
    for row in x:
        logs = [
            np.log(p["w"][i] * p["v"][j]) + seen_density(row, p["a"][i] + p["b"][j], p["cov"])
            for i in range(2) for j in range(3)
        ]  # fmt: skip
        total += float(logsumexp(logs))
    assert model(text).log_likelihood(x, p) == pytest.approx(total, rel=1e-12)
    rises(model(text).fit(x, restarts=2, progress=False))


def test_weights_count_rows() -> None:
    text = """model Weighted
param mean : real[D]
param cov : posdef[D]
for n in N times w[n]:
    data x[n] : real[D] ~ MvNormal(mean, cov)
"""
    x, params = normals(rows=20)
    w = np.arange(20) % 3
    m = model(text)
    many = np.repeat(x, w, axis=0)
    one = m.e_step({"x": x, "w": w}, params)
    other = m.e_step({"x": many, "w": np.ones(len(many))}, params)
    assert one.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-12)
    new, known = m.m_step(one, params), m.m_step(other, params)
    np.testing.assert_allclose(new["cov"], known["cov"], rtol=1e-9)


def test_rows_of_several_vectors() -> None:
    """An inner plate's vectors are cells of one row."""
    text = """model Inner
param w : simplex[2]
param mean[2] : real[D]
param cov : posdef[D]
for n in N:
    latent z[n] ~ Categorical(w)
    for j in J:
        data x[n, j] : real[D] ~ MvNormal(mean[z[n]], cov)
"""
    rng = np.random.default_rng(6)
    x = punched(rng.normal(size=(15, 4, 2)), rng)
    x[3, 1] = np.nan
    p = {"w": np.array([0.4, 0.6]), "mean": rng.normal(size=(2, 2)), "cov": definite(rng, 2)}
    total = sum(
        float(logsumexp([
            np.log(p["w"][k]) + sum(seen_density(r, p["mean"][k], p["cov"]) for r in rows)
            for k in (0, 1)
        ]))
        for rows in x
    )  # fmt: skip
    assert model(text).log_likelihood(x, p) == pytest.approx(total, rel=1e-12)


# --- chains --------------------------------------------------------------------------------------


def test_hidden_markov_model() -> None:
    rng = np.random.default_rng(8)
    p = {
        "start": np.array([0.3, 0.7]), "trans": np.array([[0.8, 0.2], [0.3, 0.7]]),
        "mean": 2 * rng.normal(size=(2, 3)), "cov": definite(rng, 2, 3),
    }  # fmt: skip
    x = [punched(2 * rng.normal(size=(n, 3)), rng, 0.4) for n in (7, 12, 1)]
    total = 0.0
    for rows in x:
        said = [[seen_density(r, p["mean"][k], p["cov"][k]) for k in (0, 1)] for r in rows]
        ahead = np.log(p["start"]) + said[0]
        for now in said[1:]:
            ahead = logsumexp(ahead[:, None] + np.log(p["trans"]), axis=0) + now
        total += float(logsumexp(ahead))
    m = model("gaussian_hmm")
    assert m.log_likelihood({"x": x}, p) == pytest.approx(total, rel=1e-12)
    ahead = m.filtered({"x": x}, p).log_predictive["S, T"]
    assert sum(part.sum() for part in ahead) == pytest.approx(total, rel=1e-10)


def test_hidden_markov_model_rises() -> None:
    rng = np.random.default_rng(9)
    z = np.repeat(np.arange(10) % 2, 20)
    x = [punched(rng.normal(size=(200, 2)) + 3 * z[:, None], rng) for _ in range(2)]
    result = model("gaussian_hmm").fit({"x": x}, K=2, restarts=2, progress=False)
    rises(result)
    assert result.params["trans"].diagonal().min() > 0.9
    filled = result.impute()["x"]
    assert [len(part) for part in filled.values] == [200, 200]
    assert all(np.isfinite(part).all() for part in filled.values)


# --- data that other data depend on --------------------------------------------------------------

SCALAR = """model Scalar
param m : real
param t : positive
param a : real
param b : real
param s : positive
for n in N:
    data u[n] : real ~ Normal(m, t)
    data y[n] : real ~ Normal(a + b * u[n], s)
"""

VECTOR = """model Vector
param mu : real[P]
param S : posdef[P]
param a : real[D]
param b : real[D, P]
param R : posdef[D]
for n in N:
    data u[n] : real[P] ~ MvNormal(mu, S)
    data y[n] : real[D] ~ MvNormal(a + b @ u[n], R)
"""

DRIVEN = """model Driven
param m : real
param t : positive
param a : real
param b : real
param s : positive
for n in N:
    input w[n] : real
    data  u[n] : real ~ Normal(m, t)
    data  y[n] : real ~ Normal(a + b * w[n] * u[n], s)
"""

EXPERTS = """model Experts
param w : simplex[2]
param m[2] : real
param t : positive
param b[2] : real
param s : positive
for n in N:
    latent z[n] ~ Categorical(w)
    data   u[n] : real ~ Normal(m[z[n]], t)
    data   y[n] : real ~ Normal(b[z[n]] * u[n], s)
"""


def test_missing_scalar_covariate() -> None:
    rng = np.random.default_rng(10)
    u = rng.normal(size=40)
    y = punched(1 + 2 * u + 0.3 * rng.normal(size=40), rng, 0.2)
    u = punched(u, rng)
    p = {"m": 0.1, "t": 1.2, "a": 0.9, "b": 1.8, "s": 0.4}

    def value(q: dict[str, float]) -> float:
        v = q["t"] ** 2
        cov = np.array([[v, q["b"] * v], [q["b"] * v, q["b"] ** 2 * v + q["s"] ** 2]])
        mean = np.array([q["m"], q["a"] + q["b"] * q["m"]])
        return sum(seen_density(np.array(row), mean, cov) for row in zip(u, y, strict=True))

    data = {"u": u, "y": y}
    assert model(SCALAR).log_likelihood(data, p) == pytest.approx(value(p), rel=1e-12)
    result = model(SCALAR).fit(data, progress=False, restarts=2, tol=1e-13)
    rises(result)
    at = {n: float(v) for n, v in result.params.items()}
    for name, own in at.items():
        up, down = ({**at, name: own + h} for h in (1e-5, -1e-5))
        assert abs(value(up) - value(down)) / 2e-5 < 1e-3


def test_missing_vector_covariates_and_responses() -> None:
    rng = np.random.default_rng(11)
    p = {
        "mu": rng.normal(size=3), "S": definite(rng, 3), "a": rng.normal(size=2),
        "b": rng.normal(size=(2, 3)), "R": definite(rng, 2),
    }  # fmt: skip
    u = rng.multivariate_normal(p["mu"], p["S"], size=30)
    y = punched(u @ p["b"].T + rng.normal(size=(30, 2)), rng)
    u = punched(u, rng)
    mean = np.concatenate([p["mu"], p["a"] + p["b"] @ p["mu"]])
    cross = p["S"] @ p["b"].T
    cov = np.block([[p["S"], cross], [cross.T, p["b"] @ cross + p["R"]]])
    total = sum(seen_density(np.concatenate(row), mean, cov) for row in zip(u, y, strict=True))
    data = {"u": u, "y": y}
    assert model(VECTOR).log_likelihood(data, p) == pytest.approx(total, rel=1e-11)
    rises(model(VECTOR).fit(data, progress=False, restarts=2))
    filled = model(VECTOR).impute(data, p)
    for n in range(30):
        value, spread = completed(np.concatenate([u[n], y[n]]), mean, cov)
        np.testing.assert_allclose(filled["u"].values[n], value[:3], rtol=1e-9)
        np.testing.assert_allclose(filled["y"].values[n], value[3:], rtol=1e-9)
        np.testing.assert_allclose(filled["u"].sd[n] ** 2, spread.diagonal()[:3], atol=1e-9)


@pytest.mark.parametrize("rows", [20, 3000])
def test_coefficients_that_differ_between_rows(rows: int) -> None:
    """How much a cell weighs depends on an input: rows share nothing."""
    rng = np.random.default_rng(12)
    w, u = rng.normal(size=rows), rng.normal(size=rows)
    y = punched(1 + 2 * w * u + 0.3 * rng.normal(size=rows), rng, 0.2)
    u = punched(u, rng)
    p = {"m": 0.1, "t": 1.2, "a": 0.9, "b": 1.8, "s": 0.4}
    total = 0.0
    for one, two, three in zip(w, u, y, strict=True):
        c, v = p["b"] * one, p["t"] ** 2
        cov = np.array([[v, c * v], [c * v, c**2 * v + p["s"] ** 2]])
        mean = np.array([p["m"], p["a"] + c * p["m"]])
        total += seen_density(np.array([two, three]), mean, cov)
    data = {"w": w, "u": u, "y": y}
    assert model(DRIVEN).log_likelihood(data, p) == pytest.approx(total, rel=1e-11)
    rises(model(DRIVEN).fit(data, progress=False, restarts=1))


def test_missing_covariates_under_a_latent() -> None:
    rng = np.random.default_rng(13)
    u = punched(rng.normal(size=25), rng)
    y = punched(rng.normal(size=25), rng, 0.2)
    p = {"w": np.array([0.4, 0.6]), "m": np.array([-1.0, 1.0]), "t": 1.3,
         "b": np.array([2.0, -0.5]), "s": 0.7}  # fmt: skip
    total = 0.0
    for row in zip(u, y, strict=True):
        logs = []
        for k in (0, 1):
            v, b = p["t"] ** 2, p["b"][k]
            cov = np.array([[v, b * v], [b * v, b**2 * v + p["s"] ** 2]])
            mean = p["m"][k] * np.array([1.0, b])
            logs.append(np.log(p["w"][k]) + seen_density(np.array(row), mean, cov))
        total += float(logsumexp(logs))
    data = {"u": u, "y": y}
    assert model(EXPERTS).log_likelihood(data, p) == pytest.approx(total, rel=1e-12)


# --- where nothing need be integrated, or nothing can be -----------------------------------------


@pytest.mark.parametrize("noise", ["diag(v)", "v[0] * eye[D]", "diag(v) / 2"])
def test_factors_with_missing_cells(noise: str) -> None:
    """Entries that are independent given the factors drop out one by one."""
    text = f"""model Factors(L = 2)
param W : real[D, L]
param m : real[D]
param v : positive[D]
for n in N:
    latent f[n] : real[L] ~ MvNormal(zeros[L], eye[L])
    data   x[n] : real[D] ~ MvNormal(W @ f[n] + m, {noise})
"""
    rng = np.random.default_rng(14)
    x = punched(rng.normal(size=(30, 4)), rng)
    p = {"W": rng.normal(size=(4, 2)), "m": rng.normal(size=4), "v": 1 + rng.random(4)}
    own = {"diag(v)": p["v"], "v[0] * eye[D]": p["v"][[0] * 4], "diag(v) / 2": p["v"] / 2}[noise]
    cov = p["W"] @ p["W"].T + np.diag(own)
    total = sum(seen_density(row, p["m"], cov) for row in x)
    m = model(text)
    assert m.PROGRAM.meta.array("x").missing == "cell"
    assert m.log_likelihood(x, p) == pytest.approx(total, rel=1e-11)


WAVY = """model Wavy
param m : real
param s : positive
param b : real
for n in N:
    data u[n] : real ~ Normal(m, 1)
    data y[n] : count ~ Poisson(exp(b * u[n]))
    data v[n] : real ~ Normal(0, s)
"""


def test_covariates_that_cant_be_integrated_out_must_be_there() -> None:
    data = {"u": [0.1, None, 2.0], "y": [1, 2, 0], "v": [1.0, None, 2.0]}
    with pytest.raises(emdsl.DataError) as caught:
        model(WAVY).fit(data, progress=False)
    (problem,) = caught.value.problems
    assert problem == (
        "u[1] is missing, expected a value (other data depend on it, and it can't be integrated "
        "out): drop the rows or fill them in"
    )


def test_a_column_that_is_missing_throughout() -> None:
    x, _ = normals()
    x[:, 2] = np.nan
    with pytest.raises(emdsl.DataError) as caught:
        model("multivariate_normal").fit(x, progress=False)
    (problem,) = caught.value.problems
    assert problem == (
        "x: x[:, 2] is missing in every row, expected at least one value: there is nothing to "
        "estimate from, drop the column"
    )


def test_one_observation() -> None:
    result = model("multivariate_normal").fit(np.array([[1.0, np.nan, 2.0], [1.0, 3.0, np.nan]]),
                                              progress=False)  # fmt: skip
    assert result.status == "degenerate"
    assert "variance" in result.messages[-1]


def test_rows_that_are_equal() -> None:
    x, _ = normals(rows=40)
    m = model("multivariate_normal")
    once, twice = (m.fit(d, progress=False, restarts=1, tol=1e-12) for d in (x, np.tile(x, (2, 1))))
    assert twice.log_likelihood == pytest.approx(2 * once.log_likelihood, abs=1e-6)


# --- filling in ----------------------------------------------------------------------------------


def test_impute() -> None:
    x, params, logs = mixture()
    x[3] = np.nan  # filled in too
    filled = model("gaussian_mixture").impute(x, params)["x"]
    logs[3] = np.log(params["weight"])
    post = np.exp(logs - logsumexp(logs, axis=1)[:, None])
    for n, row in enumerate(x):
        parts = [completed(row, params["mean"][k], params["cov"][k]) for k in (0, 1)]
        mean = sum(p * v for p, (v, _) in zip(post[n], parts, strict=True))
        square = sum(p * (s.diagonal() + (v - mean) ** 2)
                     for p, (v, s) in zip(post[n], parts, strict=True))  # fmt: skip
        np.testing.assert_allclose(filled.values[n], mean, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(filled.sd[n], np.sqrt(square), atol=1e-7)
        seen = ~np.isnan(row)
        np.testing.assert_array_equal(filled.values[n][seen], row[seen])


def test_impute_the_data_of_a_fit() -> None:
    x, _ = normals()
    m = model("multivariate_normal")
    result = m.fit(x, progress=False, restarts=1)
    own, given = result.impute()["x"], m.impute(x, result.params)["x"]
    np.testing.assert_allclose(own.values, given.values, rtol=1e-12)
    np.testing.assert_allclose(own.sd, given.sd, rtol=1e-12)
    assert np.isfinite(own.values[5]).all()
    assert (own.sd[5] > 0).all()


SWITCHING = """model Switching
param start : simplex[2]
param trans[2] : simplex[2]
param m : real
param spread : positive
param b[2] : real
param s : positive
for t in T:
    latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
    data   u[t] : real ~ Normal(m, spread)
    data   y[t] : real ~ Normal(b[z[t]] * u[t], s)
"""


def test_missing_covariates_along_a_chain() -> None:
    """Each row's evidence is a factor of its state; filtering leaves rows without data."""
    rng = np.random.default_rng(15)
    u = punched(rng.normal(size=15), rng)
    y = punched(rng.normal(size=15), rng, 0.2)
    p = {"start": np.array([0.4, 0.6]), "trans": np.array([[0.9, 0.1], [0.2, 0.8]]), "m": 0.3,
         "spread": 1.3, "b": np.array([2.0, -0.5]), "s": 0.7}  # fmt: skip
    v = p["spread"] ** 2
    said = []
    for row in zip(u, y, strict=True):
        both = []
        for b in p["b"]:
            cov = np.array([[v, b * v], [b * v, b**2 * v + p["s"] ** 2]])
            both.append(seen_density(np.array(row), p["m"] * np.array([1.0, b]), cov))
        said.append(both)
    ahead = np.log(p["start"]) + said[0]
    steps = [float(logsumexp(ahead))]
    for now in said[1:]:
        ahead = logsumexp(ahead[:, None] + np.log(p["trans"]), axis=0) + now
        steps.append(float(logsumexp(ahead)))
    data = {"u": u, "y": y}
    m = model(SWITCHING)
    assert m.log_likelihood(data, p) == pytest.approx(steps[-1], rel=1e-12)
    found = m.filtered(data, p).log_predictive
    (rows,) = found.values()
    np.testing.assert_allclose(np.cumsum(rows), steps, rtol=1e-10)
    rises(m.fit(data, restarts=2, progress=False))
