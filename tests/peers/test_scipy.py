"""Shapes, concentrations and errors of other kinds, beside SciPy's fits and its optimiser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import optimize, special, stats

from tests.peers.fits import Floats, fitted, near
from tests.reference.tables import column, matrix

GAMMA = """
model Alone
param shape, rate : positive
for n in N:
    data x[n] ~ Gamma(shape, rate)
"""
WEIBULL = GAMMA.replace("rate", "scale").replace("Gamma", "Weibull")
BETA = GAMMA.replace("rate", "other").replace("Gamma", "Beta")


def waiting() -> Floats:
    return column("faithful", "waiting")


def test_gamma() -> None:
    shape, _, scale = stats.gamma.fit(waiting(), floc=0)
    result = fitted(GAMMA, {"x": waiting()})
    near([result.params["shape"], result.params["rate"]], [shape, 1 / scale])


def test_weibull() -> None:
    shape, _, scale = stats.weibull_min.fit(waiting(), floc=0)
    result = fitted(WEIBULL, {"x": waiting()})
    near([result.params["shape"], result.params["scale"]], [shape, scale], rel=1e-4)


def test_beta() -> None:
    x = column("shares", "x")
    a, b, *_ = stats.beta.fit(x, floc=0, fscale=1)
    result = fitted(BETA, {"x": x})
    near([result.params["shape"], result.params["other"]], [a, b], rel=1e-4)


def test_von_mises() -> None:
    x = column("turtles", "angle")
    kappa, mu, _ = stats.vonmises.fit(x, fscale=1)
    result = fitted("von_mises", {"angle": x})
    near([result.params["kappa"], result.params["mu"]], [kappa, mu])


def test_laplace() -> None:
    """The median, and the mean distance from it."""
    laplace = """
model Alone
param loc   : real
param scale : positive
for n in N:
    data x[n] ~ Laplace(loc, scale)
"""
    x = np.append(column("newcomb", "x"), 31.5)  # an odd number: the median is one of them
    loc, scale = stats.laplace.fit(x)
    result = fitted(laplace, {"x": x})
    near([result.params["loc"], result.params["scale"]], [loc, scale])


def highest(log_density: Callable[[Floats], float], start: Floats) -> Any:
    """The best that a simplex search and then BFGS find from there."""

    def lost(p: Floats) -> float:
        with np.errstate(all="ignore"):
            value = -log_density(p)
        return value if np.isfinite(value) else 1e300

    found = optimize.minimize(lost, start, method="Nelder-Mead", options={"maxiter": 4000})
    return optimize.minimize(lost, found.x, method="BFGS", options={"gtol": 1e-7})


def test_cauchy() -> None:
    x = column("newcomb", "x")
    best = highest(
        lambda p: stats.cauchy.logpdf(x, p[0], np.exp(p[1])).sum(), np.array([27.0, 1.0])
    )
    result = fitted("cauchy", {"x": x})
    assert result.log_likelihood == pytest.approx(-best.fun, rel=1e-9)
    near([result.params["loc"], np.log(result.params["scale"])], best.x, rel=1e-4)


def test_robust_regression() -> None:
    u, y = matrix("stackloss", "airflow", "watertemp", "acidconc"), column("stackloss", "loss")
    result = fitted("robust_regression", {"u": u, "y": y})
    p = result.params
    found = np.concatenate([[p["intercept"]], p["beta"], np.log([p["scale"], p["nu"]])])

    def log_density(q: Floats) -> float:
        residual = y - q[0] - u @ q[1:4]
        return float(stats.t.logpdf(residual, np.exp(q[5]), 0, np.exp(q[4])).sum())

    assert log_density(found) == pytest.approx(result.log_likelihood, rel=1e-12)
    best = highest(log_density, found)
    assert result.log_likelihood == pytest.approx(-best.fun, rel=1e-8)


def test_heteroscedastic_regression() -> None:
    u, y = column("engel", "income"), column("engel", "food")
    result = fitted("heteroscedastic_regression", {"u": u[:, None], "y": y})
    p = result.params
    mean = p["intercept"] + p["beta"][0] * u
    sd = np.exp(p["spread"] + p["tilt"][0] * u)
    assert result.log_likelihood == pytest.approx(stats.norm.logpdf(y, mean, sd).sum(), rel=1e-12)
    standard = (y - mean) / sd
    for weight in (1.0, u / u.mean()):  # its score equations
        near([(weight * standard / sd).sum(), (weight * (standard**2 - 1)).sum()], 0.0, abs_=1e-4)


def test_dirichlet() -> None:
    """psi(alpha) - psi(sum alpha) is the mean of log x: Ronning's equations."""
    x = matrix("iris_shares", *(f"x[{d}]" for d in range(4)))
    alpha = fitted("dirichlet", {"x": x}).params["alpha"]
    near(special.digamma(alpha) - special.digamma(alpha.sum()), np.log(x).mean(0), abs_=1e-8)


def test_faults_left_in_a_program() -> None:
    """Jelinski and Moranda's own numbers: 31.2 faults at first, 0.00685 a day of each."""
    data = {head: column("ntds", head) for head in ("wait", "after")}
    result = fitted("jelinski_moranda", data)
    assert 25 + result.params["left"] == pytest.approx(31.2, abs=0.05)
    assert result.params["hazard"] == pytest.approx(0.00685, abs=5e-6)


def test_faults_as_a_poisson_process() -> None:
    data = {head: column("ntds_decades", head) for head in ("begin", "length", "failures")}
    result = fitted("goel_okumoto", data)

    def mean(a: float, b: float) -> Floats:
        return a * (np.exp(-b * data["begin"]) - np.exp(-b * (data["begin"] + data["length"])))

    best = highest(
        lambda q: stats.poisson.logpmf(data["failures"], mean(*np.exp(q))).sum(),
        np.log([34.0, 0.006]),  # Goel and Okumoto's, of the days themselves
    )
    near(np.log([result.params["a"], result.params["b"]]), best.x, rel=1e-4)


MIXTURES: dict[str, tuple[Callable[[], dict[str, Any]], Callable[[Any, Any], Any]]] = {
    "gamma_mixture": (
        lambda: {"x": waiting()},
        lambda d, p: stats.gamma.logpdf(d["x"], p["shape"], scale=1 / p["rate"]),
    ),
    "weibull_mixture": (
        lambda: {"x": waiting()},
        lambda d, p: stats.weibull_min.logpdf(d["x"], p["shape"], scale=p["scale"]),
    ),
    "beta_mixture": (
        lambda: {"x": column("shares", "x")},
        lambda d, p: stats.beta.logpdf(d["x"], p["alpha"], p["beta"]),
    ),
    "negative_binomial_mixture": (
        lambda: {"y": column("quine", "days")},
        lambda d, p: stats.nbinom.logpmf(d["y"], p["phi"], p["phi"] / (p["phi"] + p["mu"])),
    ),
    "von_mises_mixture": (
        lambda: {"angle": column("turtles", "angle")},
        lambda d, p: stats.vonmises.logpdf(d["angle"], p["kappa"], p["mu"]),
    ),
    "t_mixture": (
        lambda: {"x": waiting()},
        lambda d, p: stats.t.logpdf(d["x"], 4, p["loc"], p["scale"]),
    ),
    "laplace_mixture": (
        lambda: {"x": waiting()},
        lambda d, p: stats.laplace.logpdf(d["x"], p["loc"], p["scale"]),
    ),
}


@pytest.mark.parametrize("model", MIXTURES)
def test_mixture(model: str) -> None:
    """The likelihood is SciPy's, and the responsibilities that go with it."""
    data, log_density = MIXTURES[model]
    arrays = data()
    result = fitted(model, arrays, restarts=5, tol=1e-10)
    columns = {name: value[:, None] for name, value in arrays.items()}
    joint = np.log(result.params["weight"]) + log_density(columns, result.params)
    evidence = special.logsumexp(joint, axis=1)
    assert result.log_likelihood == pytest.approx(evidence.sum(), rel=1e-11)
    near(result.posterior()["z"], np.exp(joint - evidence[:, None]), abs_=1e-9)
