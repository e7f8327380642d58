"""What has limits: likelihoods against SciPy's, total probability, draws, and awkward data."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy import stats

import emdsl
from emdsl.diagnostics import CompileError
from emdsl.families import FAMILIES
from emdsl.families.evaluate import log_density
from emdsl.source import Source

CONTINUOUS = {
    "Normal(a, b)": stats.norm(0.7, 1.3),
    "LogNormal(a, b)": stats.lognorm(1.3, scale=np.exp(0.7)),
    "HalfNormal(b)": stats.halfnorm(scale=1.3),
    "Exponential(b)": stats.expon(scale=1 / 1.3),
    "Gamma(2.5, b)": stats.gamma(2.5, scale=1 / 1.3),
    "InverseGamma(2.5, b)": stats.invgamma(2.5, scale=1.3),
    "Weibull(2.5, b)": stats.weibull_min(2.5, scale=1.3),
    "LogLogistic(b, 2.5)": stats.fisk(2.5, scale=1.3),
    "Rayleigh(b)": stats.rayleigh(scale=1.3),
    "Logistic(a, b)": stats.logistic(0.7, 1.3),
    "Gumbel(a, b)": stats.gumbel_r(0.7, 1.3),
    "Cauchy(a, b)": stats.cauchy(0.7, 1.3),
    "Laplace(0.7, b)": stats.laplace(0.7, 1.3),
}
COUNTS = {
    "Poisson(b)": stats.poisson(1.3),
    "Geometric(0.3)": stats.geom(0.3, loc=-1),
    "NegativeBinomial(mean = b, shape = 2)": stats.nbinom(2, 2 / 3.3),
    "Binomial(9, 0.3)": stats.binom(9, 0.3),
}
PARAMS = {"a": np.array(0.7), "b": np.array(1.3)}


@cache
def module(dist: str, data: str = "x[n]") -> Any:
    arguments = re.findall(r"\b[ab]\b(?! =)", dist)
    used = [f"param {n} : {k}" for n, k in (("a", "real"), ("b", "positive")) if n in arguments]
    text = "\n".join(["model M", *used, "param c : positive", "for n in N:",
                      "    data w[n] ~ Exponential(c)", f"    data {data} ~ {dist}"])  # fmt: skip
    return emdsl.load(Source(text, "limits.em"))


def rows(made: Any, x: Any) -> Any:
    """The log likelihood of each row of x."""
    params = {p.name: PARAMS.get(p.name, np.array(1.0)) for p in made.PROGRAM.meta.params}
    x = np.asarray(x, dtype=float)
    found = made.row_log_likelihood({"x": x, "w": np.zeros(len(x)) + 1e-300}, params)
    return found["N"]


def test_every_declared_distribution_function_is_here() -> None:
    """And its slope is the density: F and 1 - F belong to the density beside them."""
    here = {name.partition("(")[0] for name in (*CONTINUOUS, *COUNTS)} | {"Pareto"}
    assert {name for name, f in FAMILIES.items() if f.log_cdf is not None} <= here


@pytest.mark.parametrize("dist", CONTINUOUS)
def test_censored(dist: str) -> None:
    d = CONTINUOUS[dist]
    x = np.array([0.4, 0.5, 0.8, 1.5, 2.0, 2.7])
    wanted = [d.logcdf(0.5), d.logcdf(0.5), *d.logpdf(x[2:4]), d.logsf(2.0), d.logsf(2.0)]
    assert np.allclose(rows(module(f"Censored({dist}, 0.5, 2)"), x), wanted, rtol=1e-10)


@pytest.mark.parametrize("dist", CONTINUOUS)
def test_truncated(dist: str) -> None:
    d, x = CONTINUOUS[dist], np.array([0.5, 0.8, 1.5, 2.0])
    wanted = d.logpdf(x) - np.log(d.cdf(2.0) - d.cdf(0.5))
    made = module(f"Truncated({dist}, 0.5, 2)")
    assert np.allclose(rows(made, x), wanted, rtol=1e-9)
    node, weight = np.polynomial.legendre.leggauss(60)
    total = 0.0
    for low, high in ((0.5, 0.7), (0.7, 2.0)):  # in two, where Laplace(0.7, b) has its kink
        half = (high - low) / 2.0
        total += half * weight @ np.exp(rows(made, low + half + half * node))
    assert total == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("dist", CONTINUOUS)
def test_intervals(dist: str) -> None:
    d = CONTINUOUS[dist]
    x = np.array(
        [[0.5, 2.0], [0.8, 0.8], [-np.inf, 1.0], [np.nan, 1.0], [1.0, np.inf], [1.0, np.nan]]
    )
    wanted = [np.log(d.cdf(2.0) - d.cdf(0.5)), d.logpdf(0.8), *[d.logcdf(1.0)] * 2,
              *[d.logsf(1.0)] * 2]  # fmt: skip
    assert np.allclose(rows(module(f"Interval({dist})"), x), wanted, rtol=1e-9)


@pytest.mark.parametrize("dist", COUNTS)
def test_counts(dist: str) -> None:
    d, x = COUNTS[dist], np.arange(1.0, 6.0)
    found = rows(module(f"Truncated({dist}, 1, 5)", "x[n] : count"), x)
    assert np.allclose(found, d.logpmf(x) - np.log(d.cdf(5) - d.cdf(0)), rtol=1e-10)
    assert np.exp(found).sum() == pytest.approx(1.0)
    found = rows(module(f"Truncated({dist}, lower = 1)", "x[n] : count"), x)
    assert np.allclose(found, d.logpmf(x) - d.logsf(0), rtol=1e-10)
    x = np.arange(7.0)
    found = rows(module(f"Censored({dist}, 1, 4)", "x[n] : count"), x)
    wanted = np.where(x <= 1, d.logcdf(1), np.where(x >= 4, d.logsf(3), d.logpmf(x)))
    assert np.allclose(found, wanted, rtol=1e-10)


def test_pareto_beyond_its_start() -> None:
    d, x = stats.pareto(1.3, scale=2.0), np.array([2.5, 4.0, 6.0])
    found = rows(module("Censored(Pareto(2, b), upper = 4)"), x)
    assert np.allclose(found, [d.logpdf(2.5), d.logsf(4.0), d.logsf(4.0)])


@pytest.mark.parametrize("dist", CONTINUOUS)
def test_truncated_draws(dist: str) -> None:
    made, d = module(f"Truncated({dist}, 0.5, 2)"), CONTINUOUS[dist]
    params = {p.name: PARAMS.get(p.name, np.array(1.0)) for p in made.PROGRAM.meta.params}
    x = made.sample(params, 4000, seed=3)["x"]
    low, high = d.cdf(0.5), d.cdf(2.0)
    assert stats.kstest(x, lambda t: (d.cdf(t) - low) / (high - low)).pvalue > 1e-3


@pytest.mark.parametrize("dist", COUNTS)
def test_truncated_counts_are_drawn(dist: str) -> None:
    made, d = module(f"Truncated({dist}, 1, 5)", "x[n] : count"), COUNTS[dist]
    params = {p.name: PARAMS.get(p.name, np.array(1.0)) for p in made.PROGRAM.meta.params}
    x = made.sample(params, 6000, seed=3)["x"].astype(int)
    chances = d.pmf(np.arange(1, 6))
    expected = 6000 * chances / chances.sum()
    assert stats.chisquare(np.bincount(x, minlength=6)[1:6], expected).pvalue > 1e-3


def test_draws_far_in_the_tail() -> None:
    made = module("Truncated(Normal(a, b), lower = 60)")
    x = made.sample({**PARAMS, "c": 1.0}, 2000, seed=3)["x"]
    assert x.min() >= 60.0
    assert np.mean(x - 60.0) == pytest.approx(1.3**2 / (60 - 0.7), rel=0.1)


def test_censored_draws_are_at_their_limit_and_intervals_have_none() -> None:
    made = module("Censored(Normal(a, b), 0, 1)")
    x = made.sample({**PARAMS, "c": 1.0}, 500, seed=3)["x"]
    assert x.min() == 0.0
    assert x.max() == 1.0
    with pytest.raises(ValueError, match="can't sample from Interval"):
        module("Interval(Normal(a, b))").sample({**PARAMS, "c": 1.0}, 5)


# --- data ----------------------------------------------------------------------------------------


def test_outside_of_a_truncation_is_an_error_that_names_the_row() -> None:
    made = module("Truncated(Normal(a, b), 0, 1)")
    with pytest.raises(emdsl.DataError, match=r"row 2 of N \(.*x = 1.5.*probability zero"):
        made.fit({"x": [0.1, 0.2, 1.5], "w": np.ones(3)}, progress=False)


def test_crossed_ends_are_an_error_that_names_the_row() -> None:
    made = module("Interval(Normal(a, b))")
    with pytest.raises(emdsl.DataError, match="x row 1 is 3 to 2, expected an interval"):
        made.fit({"x": [[0, 1], [3, 2]], "w": np.ones(2)}, progress=False)


TOBIT = """
model M
param m : real
param s : positive
for n in N:
    data x[n] ~ Censored(Normal(m, s), lower = LOW)
"""


def tobit(low: float) -> Any:
    return emdsl.load(Source(TOBIT.replace("LOW", repr(low)), "tobit.em"))


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (1e8, 1.0), (0.0, 1e-8), (-1e8, 1e3)])
def test_any_offset_and_scale(shift: float, scale: float) -> None:
    """The fit moves with the data."""
    y = np.maximum(np.random.default_rng(1).normal(0.5, 1.0, 200), 0.0)
    y[17] = np.nan
    plain = tobit(0.0).fit({"x": y}, progress=False)
    moved = tobit(shift).fit({"x": y * scale + shift}, progress=False)
    assert moved.status == "converged"
    digits = 1e-6 + 1e-7 * abs(shift) / scale / 1e6
    assert (moved.params["m"] - shift) / scale == pytest.approx(
        float(plain.params["m"]), abs=digits
    )
    assert moved.params["s"] / scale == pytest.approx(float(plain.params["s"]), rel=digits)


def test_all_censored_and_one_observation_end_well() -> None:
    for y in ([0.0, 0.0, 0.0], [1.5], [0.0, 0.0, 1.5]):
        result = tobit(0.0).fit({"x": y}, progress=False)
        assert result.status in ("converged", "degenerate", "max_iter")
        assert result.messages or result.status == "converged"


@pytest.mark.parametrize(
    ("node", "says"),
    [
        ("data x[n] ~ Censored(StudentT(4, m, s), lower = 0)", "`StudentT` can't be censored"),
        ("data x[n] ~ Interval(Own(s))", "`Own` can't be interval"),
        ("data x[n] : count ~ Truncated(NegativeBinomial(s, 0.4), lower = k[n])", "numbers"),
        ("data x[n] ~ Censored(Normal(0, s), lower = m)", "moves with a parameter"),
        ("data x[n] ~ Truncated(Normal(0, s), lower = m)", "moves with a parameter"),
    ],
)
def test_refused(node: str, says: str) -> None:
    text = (
        "density Own(x : positive; s : positive) = exp(-x / s) / s\n"
        "model M\nparam m : real\nparam s : positive\nfor n in N:\n"
        f"    input k[n] : count\n    data y[n] ~ Normal(m + k[n], s)\n    {node}\n"
    )
    with pytest.raises(CompileError) as caught:
        emdsl.load(Source(text, "refused.em"))
    assert says in str(caught.value)


def test_log_density_of_probit() -> None:
    for x in (0, 1):
        p = stats.norm.cdf(-1.2)
        found = log_density(FAMILIES["Bernoulli"], x, {"probit": -1.2})
        assert found == pytest.approx(stats.bernoulli.logpmf(x, p))
