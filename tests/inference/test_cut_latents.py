"""Normal latents cut by data: likelihoods and posteriors beside what is known of normals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.integrate import quad

import emdsl
from emdsl.compiler import compile_source
from emdsl.report.explain import explain
from emdsl.runtime.errors import DataError
from emdsl.source import Source

Floats = NDArray[np.float64]
RNG = np.random.default_rng

BRACKETS = """model Brackets
param m : real
param s : positive
const cut = [1, 2, 3.5]
for n in N:
    latent z[n] ~ Normal(m, s)
    data   y[n] : category[4] ~ Delta((z[n] > cut[0]) + (z[n] >= cut[1]) + (cut[2] < z[n]))
"""
CHOICE = BRACKETS.replace(
    "Delta((z[n] > cut[0]) + (z[n] >= cut[1]) + (cut[2] < z[n]))",
    "Delta(0) if z[n] < 1 else Delta(1) if 2 * z[n] < 4 else Delta(2) if -z[n] > -3.5 "
    "else Delta(3)",
).replace("const cut = [1, 2, 3.5]\n", "")
WINDOW = """model Window
param m : real
param s : positive
for n in N:
    input  low[n], high[n] : real
    latent z[n] ~ Normal(m, s)
    data   y[n] : bool ~ Delta(low[n] < z[n] and z[n] < high[n])
"""
CLASSES = """model Classes(K = 2)
param w    : simplex[K]
param b[K] : real[P]
for n in N:
    input  u[n] : real[P]
    latent k[n] ~ Categorical(w)
    latent z[n] ~ Normal(dot(b[k[n]], u[n]), 1)
    data   y[n] : bool ~ Delta(z[n] > 0)
    data   x[n] ~ Normal(z[n], 2)
"""
BELOW = """model Below
param a : real
param p : unit
for n in N:
    latent z[n] ~ Normal(a, 1)
    latent t[n] : bool ~ Delta(z[n] > 0)
    data   y[n] : bool ~ Bernoulli(p if t[n] else 0.2)
    data   x[n] ~ Normal(z[n], 1)
"""


def load(text: str) -> Any:
    return emdsl.load(Source(text, "m.em"))


def bracketed() -> Floats:
    return np.digitize(RNG(0).normal(2.2, 1.1, 300), [1, 2, 3.5]).astype(float)


@pytest.mark.parametrize("text", [BRACKETS, CHOICE])
def test_brackets(text: str) -> None:
    """Interval regression: log likelihood and moments beside truncated normals; gaps drop out."""
    y = bracketed()
    gaps = np.arange(300) % 7 == 0
    seen = np.where(gaps, np.nan, y)
    module = load(text)
    result = module.fit({"y": seen}, seed=0, restarts=1)
    m, s = (float(result.params[n]) for n in "ms")
    edges = np.array([-np.inf, 1, 2, 3.5, np.inf])
    share = np.diff(stats.norm.cdf(edges, m, s))
    own = y.astype(int)
    assert result.log_likelihood == pytest.approx(np.log(share[own[~gaps]]).sum(), rel=1e-12)
    found = result.posterior_moments({"y": seen})["z"]
    law = stats.truncnorm((edges[own] - m) / s, (edges[own + 1] - m) / s, m, s)
    assert found.mean == pytest.approx(np.where(gaps, m, law.mean()), rel=1e-10)
    assert found.covariance == pytest.approx(np.where(gaps, s * s, law.var()), rel=1e-9)
    drawn = result.sample_posterior({"y": seen}, n=20)["z"]
    assert (np.digitize(drawn, edges[1:-1]) == own)[:, ~gaps].all()
    for name in "ms":  # a maximum
        for step in (-1e-3, 1e-3):
            moved = {**result.params, name: result.params[name] + step}
            assert module.log_likelihood({"y": seen}, moved) < result.log_likelihood


def test_tests_that_are_added_up_are_counted_in_draws_too() -> None:
    drawn = load(BRACKETS).sample({"m": 2.0, "s": 1.5}, sizes={"N": 200}, seed=0)
    assert drawn["y"].tolist() == np.digitize(drawn["z"], [1, 2, 3.5]).tolist()


def test_inside_and_outside_of_a_window() -> None:
    rng = RNG(1)
    low = rng.normal(size=200)
    high = low + rng.uniform(0.5, 2, 200)
    z = rng.normal(0.5, 1.3, 200)
    inside = (low < z) & (z < high)
    data = {"low": low, "high": high, "y": inside.astype(int)}
    module = load(WINDOW)
    result = module.fit(data, seed=0, restarts=1)
    m, s = (float(result.params[n]) for n in "ms")
    p = stats.norm.cdf(high, m, s) - stats.norm.cdf(low, m, s)
    wanted = np.log(np.where(inside, p, 1 - p)).sum()
    assert result.log_likelihood == pytest.approx(wanted, rel=1e-12)
    drawn = result.sample_posterior(data, n=20)["z"]
    assert (((low < drawn) & (drawn < high)) == inside).all()
    # ends that cross leave nothing inside
    data["high"] = np.where(np.arange(200) == 3, low - 1.0, high)
    data["y"] = np.where(np.arange(200) == 3, 1, data["y"])
    assert module.log_likelihood(data, result.params) == -np.inf
    with pytest.raises(DataError, match=r"row 3 of N .* has probability zero under the model"):
        module.fit(data, seed=0, restarts=1)


def test_under_classes() -> None:
    rng = RNG(2)
    u = rng.normal(size=(150, 2))
    z = u @ [1.0, -1.0] * rng.choice([-1, 2], 150) + rng.normal(size=150)
    x = z + 2 * rng.normal(size=150)
    y = z > 0
    module = load(CLASSES)
    data = {"u": u, "y": y.astype(int), "x": x}
    for seed in range(3):
        params = module.init_params(data, seed=seed)
        mean = u @ params["b"].T
        given = mean + (x[:, None] - mean) / 5  # z given x: variance 4/5
        side = np.where(y, 1, -1)[:, None]
        each = params["w"] * stats.norm.pdf(x[:, None], mean, np.sqrt(5))
        each *= stats.norm.cdf(side * given / np.sqrt(0.8))
        wanted = np.log(each.sum(axis=1)).sum()
        assert module.log_likelihood(data, params) == pytest.approx(wanted, rel=1e-12)


def test_a_discrete_latent_below() -> None:
    """The bounds are a discrete latent's: each of its values leaves a side."""
    rng = RNG(3)
    z = rng.normal(0.3, 1, 100)
    x = z + rng.normal(size=100)
    y = rng.random(100) < np.where(z > 0, 0.8, 0.2)
    data = {"x": x, "y": y.astype(int)}
    result = load(BELOW).fit(data, seed=0, restarts=1)
    a, p = (float(result.params[n]) for n in "ap")
    above = stats.norm.cdf((a + x) / 2 / np.sqrt(0.5))
    both = np.array([np.where(y, 0.2, 0.8) * (1 - above), np.where(y, p, 1 - p) * above])
    wanted = (stats.norm.logpdf(x, a, np.sqrt(2)) + np.log(both.sum(axis=0))).sum()
    assert result.log_likelihood == pytest.approx(wanted, rel=1e-12)
    assert result.posterior(data)["t"] == pytest.approx((both / both.sum(axis=0)).T, abs=1e-12)


TRUNCATED = """model Truncated
param m, a, b : real
param s, t    : positive
for n in N:
    input  low[n] : real
    latent z[n] ~ Truncated(Normal(m, t), lower = low[n])
    data   y[n] ~ Normal(z[n], s)
    data   x[n] ~ Normal(a + b * z[n], 1)
"""
UNIFORM = """model Uniform
param s : positive
for n in N:
    latent z[n] : real ~ Uniform(-1, 2)
    data   x[n] ~ Normal(z[n], s)
"""


@pytest.mark.slow
def test_truncated_latents() -> None:
    """What it is divided by has parameters, which are solved for with it."""
    rng = RNG(4)
    low = rng.uniform(-1, 1, 60)
    z = stats.truncnorm.rvs((low - 0.5) / 1.3, np.inf, 0.5, 1.3, random_state=5)
    data = {"low": low, "y": z + 0.7 * rng.normal(size=60), "x": 1 - z + rng.normal(size=60)}
    module = load(TRUNCATED)
    result = module.fit(data, seed=0, restarts=1)
    m, a, b, s, t = (float(result.params[n]) for n in ("m", "a", "b", "s", "t"))

    def density(v: float, i: int) -> float:
        prior = stats.norm.pdf(v, m, t) / stats.norm.sf(low[i], m, t)
        return float(prior * stats.norm.pdf(data["y"][i], v, s)
                     * stats.norm.pdf(data["x"][i], a + b * v, 1))  # fmt: skip

    rows = range(0, 60, 10)
    found = module.row_log_likelihood(data, result.params)["N"]
    for i in rows:
        whole = quad(density, low[i], low[i] + 15, (i,), epsabs=0, epsrel=1e-9, limit=200)[0]
        assert found[i] == pytest.approx(np.log(whole), rel=1e-8)


def test_uniform_latents() -> None:
    x = RNG(6).uniform(-1, 2, 200) + 0.3 * RNG(7).normal(size=200)
    result = load(UNIFORM).fit({"x": x}, seed=0, restarts=1)
    s = float(result.params["s"])
    wanted = np.log((stats.norm.cdf((2 - x) / s) - stats.norm.cdf((-1 - x) / s)) / 3).sum()
    assert result.log_likelihood == pytest.approx(wanted, rel=1e-12)


def test_explain_says_where_it_is_possible() -> None:
    text = explain(compile_source(Source(BRACKETS, "m.em")))
    assert "those of the truncated normal distribution" in text.replace("\n", " ")
    assert "    1 < z_n < 2 where y_n = 1 or y_n missing" in text
    assert "    7 / 2 < z_n where y_n = 3 or y_n missing" in text
