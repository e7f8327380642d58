"""MAP: what a prior does to an estimate and its objective, at edges and where it is restricted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

from emdsl.compiler import load
from emdsl.diagnostics import CompileError
from emdsl.source import Source

RNG = np.random.default_rng(3)
X = RNG.normal(1, 2, 60)
COUNTS = RNG.poisson(3, 60)


def fit(text: str, data: Any, **options: Any) -> Any:
    result = load(Source(f"model M\n{text}", "m.em")).fit(data, **options)
    assert result.objective == pytest.approx(result.log_likelihood + result.log_prior, rel=1e-12)
    return result


# --- what is reported ------------------------------------------------------------------------

# A parameter's type and prior, and the same of SciPy.
SCALE_PRIORS = {
    "InverseGamma(2, 1)": stats.invgamma(2),
    "HalfNormal(2)": stats.halfnorm(scale=2),
    "Weibull(2, 1)": stats.weibull_min(2),
    "Rayleigh(1)": stats.rayleigh(),
    "Normal(0, 2)": stats.halfnorm(scale=2),
    "Cauchy(0, 2)": stats.halfcauchy(scale=2),
    "StudentT(4, 0, 1)": None,
}


@pytest.mark.parametrize("prior", SCALE_PRIORS)
def test_the_posterior_of_a_standard_deviation(prior: str) -> None:
    found = fit(f"param m : real\nparam s : positive ~ {prior}\n"
                "for n in N:\n    data x[n] ~ Normal(m, s)", X)  # fmt: skip
    frozen = SCALE_PRIORS[prior]

    def log_prior(s: float) -> float:
        return float(np.log(2) + stats.t(4).logpdf(s) if frozen is None else frozen.logpdf(s))

    def lack(s: float) -> float:
        return -log_prior(s) - float(stats.norm(X.mean(), s).logpdf(X).sum())

    best = minimize_scalar(lack, bounds=(0.1, 20), method="bounded", options={"xatol": 1e-11})
    s = float(found.params["s"])
    assert s == pytest.approx(best.x, rel=1e-6)
    assert found.log_prior == pytest.approx(log_prior(s), rel=1e-9)
    assert found.objective == pytest.approx(-best.fun, rel=1e-12)


def test_a_vector_takes_a_scalar_prior_entry_by_entry() -> None:
    u = RNG.normal(size=(60, 3))
    y = u @ [1.0, 0.0, -2.0] + RNG.normal(size=60)
    lines = "for n in N:\n    input u[n] : real[P]\n    data y[n] ~ Normal(dot(b, u[n]), 1)"
    data = {"u": u, "y": y}
    ridge = np.linalg.solve(u.T @ u + np.eye(3) / 0.5**2, u.T @ y)
    for written in (
        "param b : real[P] ~ Normal(0, 0.5)",
        "param b[P] : real ~ Normal(0, 0.5)",
        "param b : real[P] ~ MvNormal(zeros[P], 0.25 * eye[P])",
        "param b : real[P] ~ MvNormal(zeros[P], precision = 4 * eye[P])",
    ):
        found = fit(f"{written}\n{lines}", data)
        np.testing.assert_allclose(found.params["b"], ridge, rtol=1e-9)
        assert found.log_prior == pytest.approx(stats.norm(0, 0.5).logpdf(ridge).sum())


def test_a_prior_of_the_files_own() -> None:
    density = "density Own(x : positive; s : positive) = x / s^2 * exp(-x^2 / (2 * s^2))\n"
    text = "param r : positive ~ Own(1)\nfor n in N:\n    data k[n] ~ Poisson(r)"
    found = load(Source(f"{density}model M\n{text}", "m.em")).fit(COUNTS)
    same = fit(text.replace("Own", "Rayleigh"), COUNTS)
    assert found.params["r"] == pytest.approx(same.params["r"])
    assert found.log_prior == pytest.approx(same.log_prior)


# --- restricted to the parameter's values ----------------------------------------------------


@pytest.mark.parametrize(
    ("prior", "frozen"),
    [("Normal(1, 2)", stats.truncnorm(-0.5, np.inf, 1, 2)), ("Laplace(0, 1)", stats.expon())],
)
def test_a_restricted_prior_is_normalised_there(prior, frozen) -> None:
    found = fit(f"param r : positive ~ {prior}\nfor n in N:\n    data k[n] ~ Poisson(r)", COUNTS)
    assert found.log_prior == pytest.approx(float(frozen.logpdf(found.params["r"])), rel=1e-9)


def test_the_mass_of_a_unit_interval() -> None:
    found = fit("param r : unit ~ Gamma(2, 1)\nfor n in N:\n    data k[n] ~ Geometric(r)", COUNTS)
    gamma = stats.gamma(2)
    expected = gamma.logpdf(found.params["r"]) - np.log(gamma.cdf(1))
    assert found.log_prior == pytest.approx(float(expected), rel=1e-9)


def test_an_even_prior_may_have_a_scale_that_is_estimated() -> None:
    found = fit("param t : positive ~ InverseGamma(2, 1)\nparam s : positive ~ Normal(0, t)\n"
                "for n in N:\n    data x[n] ~ Normal(0, s)", X)  # fmt: skip
    t, s = (float(found.params[name]) for name in "ts")
    expected = stats.invgamma(2).logpdf(t) + stats.halfnorm(scale=t).logpdf(s)
    assert found.log_prior == pytest.approx(float(expected), rel=1e-9)


def test_a_mass_that_is_not_known_is_refused() -> None:
    text = """model M
param t : positive
param s : positive ~ Normal(1, t)
for n in N:
    data x[n] ~ Normal(0, s)
"""
    with pytest.raises(CompileError) as refusal:
        load(Source(text, "m.em"))
    assert str(refusal.value) == (
        "m.em:3:22: error: Normal on the positive values alone has to be divided by its mass there,"
        " which isn't known before fitting [restricted-prior]\n"
        "    3 | param s : positive ~ Normal(1, t)\n"
        "      |                      ^^^^^^^^^^^^\n"
        "  help: write its arguments as numbers, or take a prior whose values are positive"
    )


# --- the edge --------------------------------------------------------------------------------

CATEGORIES = "param p : simplex[K] ~ {}\nfor n in N:\n    data x[n] : category[K] ~ Categorical(p)"
NOTE = "at the edge: {} of {} ended at exactly {}; the log prior leaves out what is infinite there"


def test_categories_without_data_are_left_out() -> None:
    x = np.array([0, 0, 0, 2, 2, 4])
    found = fit(CATEGORIES.format("Dirichlet(0.5 * ones[K])"), x)
    np.testing.assert_allclose(found.params["p"], [2.5 / 4.5, 0, 1.5 / 4.5, 0, 0.5 / 4.5])
    constant = stats.dirichlet(np.full(5, 0.5)).logpdf(np.full(5, 0.2)) + 2.5 * np.log(0.2)
    alive = np.array([2.5, 1.5, 0.5]) / 4.5
    assert found.log_prior == pytest.approx(constant - 0.5 * np.log(alive).sum())
    assert found.messages == (NOTE.format("2 entries", "p", "0"),)
    assert found.status == "converged"


def test_enough_data_leave_nothing_out() -> None:
    found = fit(CATEGORIES.format("Dirichlet(0.5 * ones[K])"), np.arange(3).repeat(4))
    np.testing.assert_allclose(found.params["p"], np.ones(3) / 3)
    assert found.log_prior == pytest.approx(
        float(stats.dirichlet(np.full(3, 0.5)).logpdf(np.ones(3) / 3))
    )
    assert found.messages == ()


def test_no_data_for_any_entry_keeps_the_value() -> None:
    """Every corner is as unbounded as the next: a row that was never visited stays."""
    text = """param trans[K] : simplex[K] ~ Dirichlet(0.2 * ones[K])
for n in N:
    input before[n] : category[K]
    data x[n] : category[K] ~ Categorical(trans[before[n]])
"""
    data = {"before": np.array([0, 0, 0, 2]), "x": np.array([0, 1, 1, 2])}
    found = fit(text, data)
    assert np.isfinite(found.objective)
    np.testing.assert_allclose(found.params["trans"].sum(axis=1), 1)
    np.testing.assert_allclose(found.params["trans"][2], [0, 0, 1])
    assert (found.params["trans"][1] > 0).all()


@pytest.mark.parametrize(("value", "edge"), [(0, 0.0), (1, 1.0)])
def test_a_probability_below_its_prior(value: int, edge: float) -> None:
    text = "param p : unit ~ Beta(0.5, 0.5)\nfor n in N:\n    data x[n] : bool ~ Bernoulli(p)"
    found = fit(text, np.full(7, value))
    assert found.params["p"] == edge
    assert found.log_likelihood == pytest.approx(0, abs=1e-9)
    assert found.log_prior == pytest.approx(-np.log(np.pi))  # what is left of 1 / (pi sqrt(p q))
    assert found.messages == (NOTE.format("1 entry", "p", "0 or 1"),)


def test_a_rate_below_its_prior() -> None:
    text = "param r : positive ~ Gamma(0.5, 1)\nfor n in N:\n    data x[n] ~ Poisson(r)"
    found = fit(text, np.zeros(7))
    assert found.params["r"] == 0
    assert np.isfinite(found.objective)
    assert found.messages == (NOTE.format("1 entry", "r", "0"),)


MIXTURE = """param weight : simplex[K] ~ Dirichlet({} * ones[K])
param mean[K] : real
param sd      : positive
for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Normal(mean[z[n]], sd)
"""
GROUPS = np.concatenate([RNG.normal(m, 1, 150) for m in (-8.0, 0.0, 8.0)])


def mixture(alpha: float, x: Any, k: int, **options: Any) -> Any:
    text = f"model M(K = {k})\n{MIXTURE.format(alpha)}"
    return load(Source(text, "m.em")).fit(x, seed=1, **options)


def test_a_prior_below_one_prunes_a_mixture() -> None:
    full = mixture(0.01, GROUPS, 3, restarts=5)
    assert (full.params["weight"] > 0).all()  # nothing to prune
    sparse = mixture(0.01, GROUPS[::15], 8, restarts=5)
    assert np.sum(sparse.params["weight"] == 0) >= 3
    assert sparse.status == "converged"
    assert np.isfinite(sparse.objective)
    assert any(m.startswith("at the edge: ") for m in sparse.messages)
    assert not any(m.startswith("emptied") for m in sparse.messages)
    np.testing.assert_allclose(sparse.params["weight"].sum(), 1)


def test_what_is_gone_is_not_counted() -> None:
    """A mixture of which a prior left some components counts as one of so many does."""
    sparse = mixture(0.01, GROUPS[::15], 8, restarts=5)
    alive = int(np.sum(sparse.params["weight"] > 0))
    assert alive < 8
    assert sparse.n_params == mixture(2, GROUPS, alive).n_params == (alive - 1) + alive + 1
    fixed = mixture(0.01, GROUPS[::15], 8, restarts=5, fix={"sd": 1.0})
    assert fixed.n_params == 2 * int(np.sum(fixed.params["weight"] > 0)) - 1


def test_shares_without_data_are_not_counted() -> None:
    text = (
        "param p[G] : simplex[3] ~ Dirichlet(0.5 * ones[3])\nfor n in N:\n"
        "    input g[n] : index[G]\n    data x[n] : category[3] ~ Categorical(p[g[n]])"
    )
    found = fit(text, {"g": [0] * 6 + [1] * 6, "x": [0, 1, 2] * 2 + [0, 1] * 3})
    assert found.params["p"][1, 2] == 0.0
    assert found.n_params == 3


def test_the_objective_rises_between_entries_that_go() -> None:
    found = mixture(0.01, GROUPS[::15], 8, restarts=1)
    steps = np.diff(found.objective_trace)
    falls = int(np.sum(steps < -1e-9 * np.abs(found.objective_trace[:-1])))
    assert falls <= int(np.sum(found.params["weight"] == 0))
    assert found.status == "converged"


@pytest.mark.parametrize(
    ("draw", "params"),
    [
        ("Gamma(a[z[n]], r[z[n]])", "param a[K], r[K] : positive"),
        ("Exponential(r[z[n]])", "param r[K] : positive"),
    ],
)
def test_pruning_where_rates_and_shapes_go_with_a_component(draw: str, params: str) -> None:
    """What is gone has no update and no maximum, and nothing is wrong with that.

    A leap doesn't take a share nearer to the edge either, where the prior has no bound.
    """
    text = f"""\
model Pruned(K = 4)
param weight : simplex[K] ~ Dirichlet(0.2 * ones[K])
{params}
for n in N:
    latent z[n] ~ Categorical(weight)
    data   y[n] ~ {draw}
"""
    rng = np.random.default_rng(7)
    y = np.concatenate([rng.gamma(2.0, 1.0, 150), rng.gamma(20.0, 0.5, 150)])
    result = load(Source(text)).fit({"y": y}, seed=0, restarts=3, progress=False)
    ends = {r.status for r in result.restarts}
    assert ends <= {"converged", "max_iter"}, [r.message for r in result.restarts]
    p = result.params
    left = p["weight"] > 0.0
    assert 0 < left.sum() < 4
    assert (p["weight"][left] > 1e-6).all()
    shapes = p["a"] if "a" in p else np.ones(4)
    logs = np.log(p["weight"][left, None])
    logs = logs + stats.gamma.logpdf(y, shapes[left, None], scale=1.0 / p["r"][left, None])
    assert result.log_likelihood == pytest.approx(np.logaddexp.reduce(logs).sum(), rel=1e-10)
    prior = gammaln(0.8) - 4 * gammaln(0.2) - 0.8 * np.log(p["weight"][left]).sum()
    assert result.log_prior == pytest.approx(prior, rel=1e-9)
    assert result.objective_trace.max() < 0.0
