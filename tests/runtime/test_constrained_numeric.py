"""Numeric blocks under constraints: the maximum is that of a search that knows no EM."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

import emdsl
from emdsl.source import Source

LOGISTIC = """\
model Logistic
param a : real
param b : real[P]
for n in N:
    input u[n] : real[P]
    data  y[n] : bool ~ Bernoulli(logit = a + dot(b, u[n]))
"""
GAMMAS = """\
model Gammas(K = 2)
param weight   : simplex[K]
param shape[K] : positive
param rate[K]  : positive
for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : positive ~ Gamma(shape[z[n]], rate[z[n]])
"""

RNG = np.random.default_rng(0)
U = RNG.normal(size=(300, 3))
Y = (RNG.random(300) < 1.0 / (1.0 + np.exp(-1.0 - U @ [1.0, 0.5, -0.8]))).astype(float)
X = np.concatenate([RNG.gamma(2.0, 1.0, 200), RNG.gamma(20.0, 0.5, 200)])


def load(text: str, *constraints: str) -> Any:
    return emdsl.load(Source(text + "".join(f"constrain {c}\n" for c in constraints), "m.em"))


def equal(*weights: float, to: float = 0.0) -> dict[str, Any]:
    return {"type": "eq", "fun": lambda t: np.dot(weights, t) - to}


@pytest.mark.parametrize(
    ("texts", "rules", "bounds", "free"),
    [
        (["b[0] == b[1]", "b[2] >= 0", "a == 1"], [equal(0, 1, -1, 0), equal(1, 0, 0, 0, to=1.0)],
         {3: (0, None)}, 2),
        (["b <= 0.3"], [], dict.fromkeys((1, 2, 3), (None, 0.3)), 4),
        (["sum(b) == 1", "a >= 0", "a <= 0.5"], [equal(0, 1, 1, 1, to=1.0)], {0: (0, 0.5)}, 3),
        (["a == b[0]"], [equal(1, -1, 0, 0)], {}, 3),
        (["2 * a - b[2] == 1", "b[1] == 0"],
         [equal(2, 0, 0, -1, to=1.0), equal(0, 0, 1, 0)], {}, 2),
    ],
)  # fmt: skip
def test_logistic_regression(
    texts: list[str], rules: list[dict[str, Any]], bounds: dict[int, Any], free: int
) -> None:
    fit = load(LOGISTIC, *texts).fit({"u": U, "y": Y})

    def lost(t: Any) -> float:
        eta = t[0] + U @ t[1:]
        return float(np.logaddexp(0.0, eta).sum() - Y @ eta)

    found = optimize.minimize(
        lost, np.zeros(4), method="SLSQP", constraints=rules,
        bounds=[bounds.get(i, (None, None)) for i in range(4)], options={"ftol": 1e-14},
    )  # fmt: skip
    assert fit.status == "converged"
    assert fit.n_params == free
    assert fit.log_likelihood == pytest.approx(-found.fun, abs=1e-8)
    top = np.concatenate([[fit.params["a"]], fit.params["b"]])
    assert top == pytest.approx(found.x, abs=1e-5)


@pytest.mark.parametrize(
    ("texts", "rules", "free"),
    [
        (["rate[0] == rate[1]"], [equal(0, 0, 0, 1, -1)], 4),
        (["shape[0] == shape[1]"], [equal(0, 1, -1, 0, 0)], 4),
        (["shape[0] == 2"], [equal(0, 1, 0, 0, 0, to=2.0)], 4),
        (["rate[0] == 1", "rate[1] == 2"],
         [equal(0, 0, 0, 1, 0, to=1.0), equal(0, 0, 0, 0, 1, to=2.0)], 3),
        (["shape <= 10"], [{"type": "ineq", "fun": lambda t, i=i: 10.0 - t[i]} for i in (1, 2)], 5),
    ],
)  # fmt: skip
def test_mixture_of_gammas(texts: list[str], rules: list[dict[str, Any]], free: int) -> None:
    fit = load(GAMMAS, *texts).fit(X, restarts=4, seed=1, tol=1e-12, max_iter=5000)
    top = np.concatenate([fit.params["weight"][:1], fit.params["shape"], fit.params["rate"]])

    def lost(t: Any) -> float:
        density = t[0] * stats.gamma.pdf(X, t[1], scale=1.0 / t[3])
        return -float(np.log(density + (1 - t[0]) * stats.gamma.pdf(X, t[2], scale=1 / t[4])).sum())

    found = optimize.minimize(
        lost, top * 1.01, method="SLSQP", constraints=rules,
        bounds=[(0.01, 0.99)] + [(0.01, 100.0)] * 4, options={"ftol": 1e-14, "maxiter": 500},
    )  # fmt: skip
    assert fit.status == "converged"
    assert fit.n_params == free
    assert fit.log_likelihood == pytest.approx(-found.fun, abs=1e-6)


def test_one_equation_of_a_location_and_an_angle() -> None:
    """What is quadratic joins what isn't, where one equation is about both."""
    text = (
        "model M\nparam m, l : real\nfor n in N:\n    data x[n] ~ VonMises(m, 2)\n"
        "    data y[n] ~ Normal(l, 1)\n"
    )
    x, y = RNG.vonmises(1.0, 2.0, 80), RNG.normal(0.5, 1.0, 80)
    fit = load(text, "m + l == 1").fit({"x": x, "y": y})

    def lost(t: Any) -> float:
        return -float(2.0 * np.cos(x - t).sum() - 0.5 * ((y - 1.0 + t) ** 2).sum())

    best = optimize.minimize_scalar(lost, bounds=(-1.0, 2.0), method="bounded",
                                    options={"xatol": 1e-12})  # fmt: skip
    assert fit.params["m"] == pytest.approx(best.x, abs=1e-6)
    assert fit.params["l"] == pytest.approx(1.0 - fit.params["m"], abs=1e-12)
    assert fit.n_params == 1


def test_held_when_fitting() -> None:
    fit = load(LOGISTIC).fit({"u": U, "y": Y}, fix={"b": [np.nan, 0.0, np.nan]})
    alike = load(LOGISTIC).fit({"u": U[:, [0, 2]], "y": Y})
    assert fit.log_likelihood == pytest.approx(alike.log_likelihood, abs=1e-8)
    assert (fit.params["b"][1], fit.n_params) == (0.0, 3)
    module = load(GAMMAS)
    fit = module.fit(X, fix={"shape": [2.0, np.nan]}, restarts=4, tol=1e-12, max_iter=5000)
    other = load(GAMMAS, "shape[0] == 2").fit(X, restarts=4, tol=1e-12, max_iter=5000)
    assert fit.log_likelihood == pytest.approx(other.log_likelihood, abs=1e-7)
    fit = module.fit(X, fix={"rate": 1.0}, restarts=4, tol=1e-12, max_iter=5000)
    other = load(GAMMAS, "rate == 1").fit(X, restarts=4, tol=1e-12, max_iter=5000)
    assert fit.log_likelihood == pytest.approx(other.log_likelihood, abs=1e-7)
    assert fit.params["rate"].tolist() == [1.0, 1.0]


def test_absolute_deviations_of_what_is_not_held() -> None:
    """Least absolute deviations of y less the held part: a linear program over the free ones."""
    text = (
        "model M\nparam b : real[P]\nparam s : positive\nfor n in N:\n"
        "    input u[n] : real[P]\n    data y[n] ~ Laplace(dot(b, u[n]), s)\n"
    )
    y = U @ [1.0, 2.0, -1.0] + RNG.standard_t(2, 300)
    fit = load(text).fit({"u": U, "y": y}, fix={"b": [np.nan, 1.5, np.nan]})
    free = U[:, [0, 2]]
    rest = y - 1.5 * U[:, 1]
    cost = np.concatenate([np.zeros(2), np.ones(300)])
    sides = np.block([[free, -np.eye(300)], [-free, -np.eye(300)]])
    found = optimize.linprog(cost, A_ub=sides, b_ub=np.concatenate([rest, -rest]),
                             bounds=[(None, None)] * 2 + [(0, None)] * 300)  # fmt: skip
    assert fit.params["b"] == pytest.approx([found.x[0], 1.5, found.x[1]], abs=1e-7)
    assert fit.params["s"] == pytest.approx(found.fun / 300, abs=1e-9)
    again = load(text, "b[1] == 1.5").fit({"u": U, "y": y})
    assert again.params["b"] == pytest.approx(fit.params["b"], abs=1e-12)


# --- what is said of a maximum -------------------------------------------------------------------

COLLINEAR = """model M
param a : real
param b : real[P]{prior}
for n in N:
    input u[n] : real[P]
    data y[n] {density}
"""


@pytest.mark.parametrize(
    "density", [": bool ~ Bernoulli(logit = a + dot(b, u[n]))", "~ Laplace(a + dot(b, u[n]), 1)"]
)
def test_what_is_fixed_is_determined(density: str) -> None:
    rng = np.random.default_rng(0)
    u = rng.normal(size=(60, 2))
    u = np.column_stack([u, 2.0 * u[:, 0]])
    data = {"u": u, "y": (rng.random(60) < 1.0 / (1.0 + np.exp(-u[:, 0]))).astype(float)}
    module = load(COLLINEAR.format(prior="", density=density))
    assert "b[0], b[2] are not determined" in module.fit(data).messages[0]
    for held in ([np.nan, np.nan, 0.5], [0.1, np.nan, 0.5]):
        assert module.fit(data, fix={"b": held}).messages == ()
    still = module.fit(data, fix={"b": [np.nan, 0.5, np.nan]})
    assert "b[0], b[2] are not determined" in still.messages[0]


def test_a_bound_is_no_separation() -> None:
    u = np.linspace(-2, 2, 40)[:, None]
    density = ": bool ~ Bernoulli(logit = a + dot(b, u[n]))"
    text = COLLINEAR.format(prior=" ~ Uniform(-1, 1)", density=density)
    found = load(text).fit({"u": u, "y": u[:, 0] > 0})
    assert found.params["b"].tolist() == [1.0]
    assert found.messages == ()
