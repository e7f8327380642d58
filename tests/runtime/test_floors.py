"""Floors of scales and shapes that Newton's method finds, and that their collapse is seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

import emdsl
from emdsl.compiler import compile_source
from emdsl.source import Source

TEXT = """\
model M(K = 2)
param weight : simplex[K]
{params}
for n in N:
    latent z[n] ~ Categorical(weight)
    data x[n] {kind}~ {draw}
"""
LOCATED = "param m[K] : real\nparam s[K] : positive"
SHAPED = "param a[K] : positive\nparam r[K] : positive"


def written(params: str, draw: str, kind: str = "") -> str:
    return TEXT.format(params=params, draw=draw, kind=kind)


MODELS = {
    "t": written(LOCATED + "\nparam nu[K] : positive", "StudentT(nu[z[n]], m[z[n]], s[z[n]])"),
    "generalised normal": written(
        LOCATED + "\nparam b : positive", "GeneralizedNormal(m[z[n]], s[z[n]], b)"
    ),
    "logistic": written(LOCATED, "Logistic(m[z[n]], s[z[n]])"),
    "laplace": written(LOCATED, "Laplace(m[z[n]], s[z[n]])"),
    "sum of scales": written(LOCATED + "\nparam c : positive", "Normal(m[z[n]], s[z[n]] + c)"),
    "gamma": written(SHAPED, "Gamma(a[z[n]], r[z[n]])", ": positive "),
    "weibull": written(SHAPED, "Weibull(a[z[n]], r[z[n]])", ": positive "),
    "log-logistic": written(SHAPED, "LogLogistic(a[z[n]], r[z[n]])", ": positive "),
    "beta": written(SHAPED, "Beta(a[z[n]], r[z[n]])", ": unit "),
    "von Mises": written("param m[K] : real\nparam r[K] : positive", "VonMises(m[z[n]], r[z[n]])"),
}
PEAKS = {
    "t": {"s": ("zero", 2.0)},
    "generalised normal": {"s": ("zero", 2.0)},
    "logistic": {"s": ("zero", 2.0)},
    "laplace": {},  # closed: weighted medians
    "sum of scales": {"s": ("zero", 2.0), "c": ("zero", 2.0)},
    "gamma": {"a": ("infinity", 1.0), "r": ("infinity", 1.0)},
    "weibull": {"a": ("infinity", 2.0)},
    "log-logistic": {"r": ("infinity", 2.0)},
    "beta": {"a": ("infinity", 1.0), "r": ("infinity", 1.0)},
    "von Mises": {"r": ("infinity", 1.0)},
}


def marked(*without: str) -> list[Any]:
    """The models' names; what takes seconds to compile and fit is slow."""
    slow = ("t", "generalised normal")
    return [pytest.param(n, marks=pytest.mark.slow) if n in slow else n
            for n in MODELS if n not in without]  # fmt: skip


def source(name: str) -> Source:
    return Source(MODELS[name], "m.em")


def data(name: str, count: int) -> NDArray[Any]:
    """Sixty from one component, and equal values beside them."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0.0, 0.5, 60), np.full(count, 2.5)])
    if name in ("gamma", "weibull", "log-logistic"):
        return np.exp(0.5 * x)
    return 1.0 / (1.0 + np.exp(-x)) if name == "beta" else x


@pytest.mark.parametrize("name", MODELS)
def test_what_makes_data_infinitely_likely_is_found(name: str) -> None:
    """A density's height goes with the power of its width; degrees of freedom have none."""
    found = compile_source(source(name)).derivation.m_step.peaks
    assert found == PEAKS[name]


@pytest.mark.parametrize("name", marked())
def test_a_component_on_equal_values_is_held_at_the_floor(name: str) -> None:
    module = emdsl.load(source(name))
    x = data(name, 6)
    start = {n: np.asarray(v) for n, v in module.init_params(x, K=2, seed=0).items()}
    fit = module.fit(x, degenerate="floor", restarts=3, seed=0, progress=False)
    assert fit.status == "converged", fit.messages
    assert any(m.startswith("floored: ") for m in fit.messages), fit.messages
    trace = np.asarray(fit.objective_trace)
    assert (np.diff(trace) >= -1e-9 * (1.0 + np.abs(trace[1:]))).all()
    assert not any(m.startswith(("collapsed", "holding")) for m in fit.messages)
    assert set(start) == set(fit.params)


@pytest.mark.parametrize("name", marked("laplace", "sum of scales"))
def test_by_default_it_has_collapsed(name: str) -> None:
    module = emdsl.load(source(name))
    x = data(name, 6)
    held = module.fit(x, degenerate="floor", restarts=3, seed=0, progress=False)
    fit = module.fit(x, init=held.params, progress=False)  # from a collapse, further into it
    assert fit.status == "degenerate"
    assert any("collapsed" in m for r in fit.restarts for m in [r.message or ""])


def test_the_floor_is_the_bound_of_a_search() -> None:
    """Logistic components: with the held scale fixed there, a search finds nothing higher."""
    x = data("logistic", 6)
    fit = emdsl.load(source("logistic")).fit(
        x, degenerate="floor", restarts=3, seed=0, tol=1e-12, progress=False
    )
    held = int(np.argmin(fit.params["s"]))
    alone = emdsl.load(Source(
        "model One\nparam m : real\nparam s : positive\nfor n in N:\n"
        "    data x[n] ~ Logistic(m, s)\n", "one.em")).fit(x, progress=False)  # fmt: skip
    edge = 1e-3 * float(alone.params["s"])
    assert fit.params["s"][held] == pytest.approx(edge, rel=1e-3)
    edge = float(fit.params["s"][held])

    def lost(t: NDArray[Any]) -> float:
        one = np.log(t[0]) + stats.logistic.logpdf(x, t[1], t[2])
        two = np.log1p(-t[0]) + stats.logistic.logpdf(x, t[3], edge)
        return -float(np.logaddexp(one, two).sum())

    other = 1 - held
    top = np.array([fit.params["weight"][other], fit.params["m"][other], fit.params["s"][other],
                    fit.params["m"][held]])  # fmt: skip
    best = optimize.minimize(lost, top, method="Nelder-Mead",
                             options={"xatol": 1e-9, "fatol": 1e-10, "maxiter": 4000})  # fmt: skip
    assert lost(top) == pytest.approx(-fit.log_likelihood, abs=1e-8)
    assert lost(top) <= best.fun + 1e-6


@pytest.mark.parametrize(("unit", "offset"), [(1e-8, 0.0), (1.0, 1e8), (1e8, 0.0)])
def test_units_and_offsets(unit: float, offset: float) -> None:
    """The scale of the data at which the floor is found is their own; 1e8 away digits are lost."""
    module = emdsl.load(source("logistic"))
    x = data("logistic", 6)
    if offset:
        x = np.round(x * 2.0**20) / 2.0**20  # the same numbers, with the offset and without
    base = module.fit(x, degenerate="floor", restarts=3, seed=0, progress=False)
    fit = module.fit(x * unit + offset, degenerate="floor", restarts=3, seed=0, progress=False)
    assert fit.status == "converged", fit.messages
    assert any(m.startswith("floored: s") for m in fit.messages)
    assert np.sort(fit.params["s"]) / unit == pytest.approx(np.sort(base.params["s"]), rel=1e-3)


def test_one_observation_in_a_component() -> None:
    """A heteroscedastic regression, one of whose two lines goes through a single outlier."""
    text = written(
        "param m[K] : real\nparam s[K] : positive\nparam b : real",
        "Normal(m[z[n]], s[z[n]] * exp(b * u[n]))",
    ).replace("    latent z", "    input u[n] : real\n    latent z")
    module = emdsl.load(Source(text, "m.em"))
    rng = np.random.default_rng(3)
    u = rng.normal(size=60)
    x = np.append(rng.normal(size=59) * np.exp(0.3 * u[:59]), 40.0)
    values = {"x": x, "u": u}
    start = {"weight": [0.98, 0.02], "m": [0.0, 40.0], "s": [1.0, 0.1], "b": 0.3}
    fit = module.fit(values, degenerate="floor", init=start, progress=False)
    assert fit.status == "converged", fit.messages
    assert fit.messages[0] == "floored: s was held at 1e-06 of the data's variance"
    assert fit.params["m"][1] == pytest.approx(40.0, abs=1e-6)
    assert module.fit(values, init=start, progress=False).status == "degenerate"


def test_a_bound_of_ones_own_stays() -> None:
    """Above the floor the constraint decides, and nothing is said of the floor."""
    text = MODELS["logistic"] + "constrain s >= 0.1\n"
    fit = emdsl.load(Source(text, "m.em")).fit(
        data("logistic", 6), degenerate="floor", restarts=3, seed=0, progress=False
    )
    assert fit.status == "converged"
    assert fit.params["s"].min() == pytest.approx(0.1, rel=1e-12)
    assert not any("floored" in m for m in fit.messages)


def test_a_prior_is_a_floor_of_its_own() -> None:
    """One that is infinitely improbable at zero: a half normal isn't."""
    for prior, peaks in (("InverseGamma(2, 1)", {}), ("Normal(0, 1)", PEAKS["logistic"])):
        text = MODELS["logistic"].replace("s[K] : positive", f"s[K] : positive ~ {prior}")
        assert compile_source(Source(text, "m.em")).derivation.m_step.peaks == peaks


def test_tied_and_fixed_scales_have_one_floor() -> None:
    text = written("param m[K] : real\nparam s[K], q[K] : positive", "Logistic(m[z[n]], s[z[n]])")
    text += "    data y[n] ~ Logistic(m[z[n]], q[z[n]])\nconstrain s == q\n"
    x = data("logistic", 6)
    module = emdsl.load(Source(text, "m.em"))
    fit = module.fit({"x": x, "y": x}, degenerate="floor", restarts=3, seed=0, progress=False)
    assert fit.status == "converged", fit.messages
    assert fit.params["s"].tolist() == fit.params["q"].tolist()
    assert any(m.startswith("floored: ") for m in fit.messages)
    given = {"s": [1e-5, np.nan]}
    fit = emdsl.load(source("logistic")).fit(
        x, degenerate="floor", fix=given, restarts=3, seed=0, progress=False
    )
    assert fit.params["s"][0] == 1e-5
