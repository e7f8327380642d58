"""Models with terms that mix data and parameters, on data that nobody would choose."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

import emdsl
from emdsl.compiler import compile_source, import_text
from emdsl.runtime.errors import DataError
from emdsl.source import Source

N = 60
GUMBEL = (
    "density Gumbel1(x : real; m : real, s : positive) = exp(-(x - m)/s - exp(-(x - m)/s)) / s\n"
)
LOGISTIC = (
    "density Logistic1(x : real; m : real, s : positive) ="
    " exp((m - x)/s) / (s*(1 + exp((m - x)/s))^2)\n"
)
MIXED = "param w : simplex[2]\n"
PLATE = "for n in N:\n    "
ROW = f"{PLATE}latent z[n] ~ Categorical(w)\n    data y[n] "

# what the data are, and the model
MODELS = {
    "t": ("real", f"param nu, s : positive\nparam m : real\n{PLATE}data y[n] ~ StudentT(nu, m, s)"),
    "Cauchy": ("real", f"param s : positive\nparam m : real\n{PLATE}data y[n] ~ Cauchy(m, s)"),
    "Gumbel": ("real", f"param s : positive\nparam m : real\n{PLATE}data y[n] ~ Gumbel1(m, s)"),
    "logistic": (
        "real", f"param s : positive\nparam m : real\n{PLATE}data y[n] ~ Logistic1(m, s)"),
    "robust regression": (
        "real",
        (f"param a, b : real\nparam s : positive\n{PLATE}input u[n] : real\n"
        "    data y[n] ~ StudentT(4, a + b * u[n], s)"),
    ),
    "Weibull": ("positive", f"param k, s : positive\n{PLATE}data y[n] ~ Weibull(k, s)"),
    "Gamma": ("positive", f"param k, r : positive\n{PLATE}data y[n] ~ Gamma(k, r)"),
    "Gamma regression": (
        "positive",
        (f"param a, b : real\nparam k : positive\n{PLATE}input u[n] : real\n"
        "    data y[n] ~ Gamma(k, k / exp(a + b * u[n]))"),
    ),
    "mixture of t": (
        "real",
        (f"{MIXED}param nu[2], s[2] : positive\nparam m[2] : real\n"
        f"{ROW}~ StudentT(nu[z[n]], m[z[n]], s[z[n]])"),
    ),
    "mixture of Gumbels": (
        "real",
        f"{MIXED}param s[2] : positive\nparam m[2] : real\n{ROW}~ Gumbel1(m[z[n]], s[z[n]])",
    ),
    "mixture of Weibulls": (
        "positive", f"{MIXED}param k[2], s[2] : positive\n{ROW}~ Weibull(k[z[n]], s[z[n]])"),
    "mixture of Gammas": (
        "positive", f"{MIXED}param k[2], s[2] : positive\n{ROW}~ Gamma(k[z[n]], s[z[n]])"),
    "negative binomial": (
        "count",
        f"param m, phi : positive\n{PLATE}data y[n] : count ~ NegativeBinomial(mu = m, phi = phi)",
    ),
    "mixture of negative binomials": (
        "count",
        (f"{MIXED}param m[2], phi[2] : positive\n"
        f"{ROW}: count ~ NegativeBinomial(mu = m[z[n]], phi = phi[z[n]])"),
    ),
    "Poisson regression": (
        "count",
        (f"param a, b : real\n{PLATE}input u[n] : real\n"
        "    data y[n] : count ~ Poisson(log = a + b * u[n])"),
    ),
    "logistic regression": (
        "bool",
        (f"param a, b : real\n{PLATE}input u[n] : real\n"
        "    data y[n] : bool ~ Bernoulli(logit = a + b * u[n])"),
    ),
    "mixture of logistic regressions": (
        "bool",
        (f"{MIXED}param a[2], b[2] : real\n{PLATE}input u[n] : real\n"
        "    latent z[n] ~ Categorical(w)\n"
        "    data y[n] : bool ~ Bernoulli(logit = a[z[n]] + b[z[n]] * u[n])"),
    ),
}  # fmt: skip
CONTINUOUS = [name for name, (kind, _) in MODELS.items() if kind in ("real", "positive")]
REAL = [name for name, (kind, _) in MODELS.items() if kind == "real"]
ONE_SCALE = ["Cauchy", "Gumbel", "logistic", "Weibull", "Gamma", "robust regression"]


@cache
def module(name: str) -> Any:
    _, body = MODELS[name]
    top = GUMBEL * ("Gumbel1" in body) + LOGISTIC * ("Logistic1" in body)
    made = compile_source(Source(f"{top}model Awkward\n{body}\n", f"{name}.em"))
    return import_text(made.module, "Awkward")


@cache
def plain(name: str) -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    upper = np.arange(N) % 2 == 0
    match MODELS[name][0]:
        case "real":
            return rng.normal(size=N) + 4.0 * upper
        case "positive":
            return np.where(upper, 8.0 + rng.gamma(3.0, size=N), rng.gamma(2.0, size=N))
        case "count":
            return rng.negative_binomial(3, 0.3, N).astype(float)
        case _:
            return (rng.random(N) < 0.6).astype(float)


def fitted(name: str, y: NDArray[Any], u: NDArray[Any] | None = None) -> Any:
    data = {"y": y}
    if "input u" in MODELS[name][1]:
        own = np.random.default_rng(1).normal(size=N)[: len(y)]
        data["u"] = own if u is None else u
    found = module(name).fit(data, restarts=2, max_iter=300, progress=False)
    assert all(np.isfinite(v).all() for v in found.params.values())
    assert "decreased" not in {found.status, *(r.status for r in found.restarts)}
    assert not math.isnan(found.objective)
    return found


@cache
def usual(name: str) -> Any:
    return fitted(name, plain(name))


@pytest.mark.parametrize("name", CONTINUOUS)
@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_another_unit_changes_nothing(name: str, unit: float) -> None:
    found = fitted(name, plain(name) * unit)
    assert found.status == "converged"
    assert found.log_likelihood + N * math.log(unit) == pytest.approx(
        usual(name).log_likelihood, abs=1e-3
    )


@pytest.mark.parametrize("name", REAL)
def test_another_origin_changes_nothing(name: str) -> None:
    found = fitted(name, plain(name) + 1e8)
    assert found.log_likelihood == pytest.approx(usual(name).log_likelihood, abs=1e-3)


@pytest.mark.parametrize("name", [n for n in MODELS if "regression" in n])
@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_a_covariate_in_another_unit_changes_nothing(name: str, unit: float) -> None:
    u = np.random.default_rng(1).normal(size=N)
    found = fitted(name, plain(name), u * unit)
    assert found.log_likelihood == pytest.approx(usual(name).log_likelihood, abs=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_gaps_and_duplicates(name: str) -> None:
    y = plain(name).copy()
    y[::3] = np.nan
    assert fitted(name, y).status in ("converged", "max_iter")
    fitted(name, np.repeat(plain(name)[:3], 20))
    fitted(name, plain(name)[:2])
    with pytest.raises(DataError, match="missing everywhere"):
        fitted(name, y * np.nan)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_equal_data_have_no_finite_likelihood(name: str) -> None:
    found = fitted(name, np.repeat(plain(name)[:1], 30))
    assert found.status == "degenerate"
    assert any("collapsed" in text for text in found.messages)


@pytest.mark.parametrize("name", ONE_SCALE)
def test_one_observation_has_no_finite_likelihood(name: str) -> None:
    assert fitted(name, plain(name)[:1]).status == "degenerate"


@pytest.mark.parametrize("name", [n for n in MODELS if MODELS[n][0] in ("count", "bool")])
def test_zeros_only(name: str) -> None:
    found = fitted(name, np.zeros(N))
    assert found.status == "converged"
    assert found.log_likelihood == pytest.approx(0.0, abs=1e-4)
    assert any("without end" in m or "no finite maximum" in m for m in found.messages)


def test_less_spread_than_poisson_goes_to_the_poisson() -> None:
    """A limit that the data are as likely under is reached, and no collapse."""
    y = np.repeat([2.0, 3.0, 4.0], 20)
    found = fitted("negative binomial", y)
    assert found.status == "converged"
    rate = y.mean()
    exact = float((y * math.log(rate) - rate - np.vectorize(math.lgamma)(y + 1.0)).sum())
    assert found.log_likelihood == pytest.approx(exact, abs=1e-3)
    assert any("phi grows without bound" in m for m in found.messages)


def test_what_is_impossible_weighs_nothing() -> None:
    """(x / s)^k of a component that the row can't be of may be as large as its weight is small."""
    y = np.repeat([10.09023715, 1.76617479, 11.01016023], 20)
    model = module("mixture of Weibulls")
    params = {"w": [2 / 3, 1 / 3], "k": [27.5, 375.0], "s": [10.77, 1.7661]}
    found = model.e_step({"y": y}, params)
    new = model.m_step(found, {k: np.array(v) for k, v in params.items()})
    assert model.log_likelihood({"y": y}, new) >= found.log_likelihood


def test_constant_covariates_and_separation_are_said() -> None:
    name = "logistic regression"
    found = fitted(name, plain(name), np.ones(N))
    assert any("not determined" in m for m in found.messages)
    u = np.random.default_rng(1).normal(size=N)
    found = fitted(name, (u > 0.0).astype(float), u)
    assert any("the data are separated" in m for m in found.messages)


@pytest.mark.parametrize(
    ("centre", "spread"),
    [(0.0, 1.0), (0.5, 1e-7), (-1e-4, 1e-6), (1e6, 2.0), (0.0, 1e8), (1e8, 1e3)],
)
def test_a_generalised_normal_wherever_the_data_lie(centre: float, spread: float) -> None:
    """From outside of them all values are about as far off, which a shape without end fits well."""
    text = """
model Peak
param m    : real
param k, r : positive
for n in N:
    data y[n] ~ GeneralizedNormal(m, k, r)
"""
    y = centre + spread * stats.gennorm.rvs(1.6, size=200, random_state=4)
    result = emdsl.load(Source(text)).fit({"y": y}, progress=False, tol=1e-12)

    def less(x: Any) -> float:
        about = (y - y.mean()) / y.std()
        return -float(stats.gennorm.logpdf(about, np.exp(x[2]), x[0], np.exp(x[1])).sum())

    best = optimize.minimize(
        less, [0.0, 0.3, 0.5], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9}
    )
    assert result.status == "converged"
    assert result.log_likelihood == pytest.approx(-best.fun - 200 * np.log(y.std()), abs=1e-5)
