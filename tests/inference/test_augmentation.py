"""Data with a latent of their own: when they get one, and that nothing else changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import stats

import emdsl
from emdsl.compiler import Compiled, compile_source
from emdsl.diagnostics import CompileError
from emdsl.report.explain import explain
from emdsl.runtime.results import FitResult
from emdsl.source import Source

N = 40
HEAD = """model M(K = 2)
param weight   : simplex[K]
param loc[K]   : real
param scale[K] : positive
"""
MIXTURE = f"""{HEAD}for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ StudentT(4, loc[z[n]], scale[z[n]])
"""
ARRAYS = """model M(K = 2)
const nu[D]    : positive
param weight   : simplex[K]
param loc[K]   : real[D]
param scale[K] : positive[D]
for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : real[D] ~ StudentT(nu, loc[z[n]], scale[z[n]])
"""
WEIGHTED = f"""{HEAD}for n in N times freq[n]:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Cauchy(loc[z[n]], scale[z[n]])
"""
REGRESSIONS = """model M(K = 2)
param weight  : simplex[K]
param beta[K] : real[P]
param scale   : positive
for n in N:
    input  u[n] : real[P]
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ StudentT(3, dot(beta[z[n]], u[n]), scale)
"""
NOISE = """model M
param p    : unit
param m    : real
param s, t : positive
for n in N:
    latent z[n] ~ Bernoulli(p)
    data   x[n] ~ case z[n]:
        0: Normal(m, s)
        1: StudentT(3, m, t)
"""
CHAIN = """model M(K = 2)
param start    : simplex[K]
param trans[K] : simplex[K]
param loc[K]   : real
param scale[K] : positive
for t in T:
    latent z[t] ~ Categorical(start if t == 0 else trans[z[t-1]])
    data   x[t] ~ StudentT(4, loc[z[t]], scale[z[t]])
"""
NESTED = f"""{HEAD}for s in S:
    latent z[s] ~ Categorical(weight)
    for t in T:
        data x[s, t] ~ StudentT(4, loc[z[s]], scale[z[s]])
"""
TEXTS = {
    "mixture": MIXTURE, "arrays": ARRAYS, "weighted": WEIGHTED, "regressions": REGRESSIONS,
    "noise": NOISE, "chain": CHAIN, "nested": NESTED,
}  # fmt: skip


def _data(name: str) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    one = rng.standard_t(4, size=N)
    x = np.where(rng.random(N) < 0.4, one, 6 + 2 * rng.standard_t(4, size=N))
    missing = x.copy()
    missing[[3, 17]] = np.nan
    if name == "arrays":
        both = np.stack([missing, 0.5 * x + rng.normal(size=N)], axis=1)
        both[5] = np.nan
        return {"x": both, "nu": [3.0, 5.0]}
    if name == "weighted":
        return {"x": missing, "freq": rng.integers(1, 4, size=N)}
    if name == "regressions":
        return {"x": x, "u": np.stack([np.ones(N), rng.normal(size=N)], axis=1)}
    return {"x": x.reshape(8, 5) if name == "nested" else missing}


@cache
def modules(text: str) -> tuple[ModuleType, ModuleType]:
    """As written, and rewritten."""
    source = Source(text, "m.em")
    return emdsl.load(source, augment=False), emdsl.load(source)


def compiled(text: str, augment: bool | None = None) -> Compiled:
    return compile_source(Source(text, "m.em"), augment=augment)


each = pytest.mark.parametrize("name", TEXTS)


@each
def test_it_is_taken(name: str) -> None:
    (found,) = compiled(TEXTS[name]).augmentations
    assert found.taken
    assert found.closed
    assert not found.numeric
    written, rewritten = modules(TEXTS[name])
    assert not written.META.continuous
    assert [(c.name, c.kind, c.added) for c in rewritten.META.continuous] == [
        ("x_weight", "positive", True)
    ]


@each
def test_the_likelihood_is_the_same_at_any_parameters(name: str) -> None:
    written, rewritten = modules(TEXTS[name])
    data = _data(name)
    rng = np.random.default_rng(0)
    for seed in range(3):
        params = written.init_params(data, seed=seed)
        params = {n: v * np.exp(0.3 * rng.normal(size=np.shape(v))) for n, v in params.items()}
        for p in written.META.params:
            if p.kind == "simplex":
                params[p.name] /= params[p.name].sum(axis=-1, keepdims=True)
            elif p.kind == "unit":
                params[p.name] = np.minimum(params[p.name], 0.9)
        assert rewritten.log_likelihood(data, params) == pytest.approx(
            written.log_likelihood(data, params), rel=1e-12
        )


@each
def test_fits_and_what_they_answer_agree(name: str) -> None:
    written, rewritten = modules(TEXTS[name])
    data = _data(name)
    one = written.fit(data, seed=0, restarts=2, tol=1e-11, max_iter=5000)
    two = rewritten.fit(data, init=one.params, tol=1e-11, max_iter=5000)
    assert two.objective == pytest.approx(one.objective, abs=1e-5)
    assert two.n_params == one.n_params
    assert two.bic_n == one.bic_n
    for key, value in one.params.items():
        np.testing.assert_allclose(two.params[key], value, rtol=2e-2, atol=2e-3)
    _answers_agree(one, dataclasses.replace(two, params=one.params))


def _answers_agree(one: FitResult, two: FitResult) -> None:
    asked: list[Callable[[FitResult], dict[str, Any]]] = [
        lambda r: r.posterior(),
        lambda r: r.predict(),
        lambda r: r.row_log_likelihood(),
        lambda r: r.most_probable().log_joint,
        lambda r: {str(k): v for k, v in r.posterior_pairs().items()},
    ]
    if one.program.structures and one.program.structures[0].walks:
        asked += [lambda r: r.filtered().filtered, lambda r: r.filtered().predicted,
                  lambda r: r.filtered().log_predictive]  # fmt: skip
    for ask in asked:
        first, second = ask(one), ask(two)
        assert list(first) == list(second)
        for key, value in first.items():
            np.testing.assert_allclose(second[key], value, rtol=1e-9, atol=1e-9)


@each
def test_it_finds_as_good_a_maximum_from_its_own_starts(name: str) -> None:
    written, rewritten = modules(TEXTS[name])
    data = _data(name)
    one, two = (m.fit(data, seed=0, restarts=8) for m in (written, rewritten))
    assert two.objective > one.objective - 1e-3 * abs(one.objective)
    assert (np.diff(two.objective_trace) > -1e-8).all()


def test_weights_are_those_of_robust_regression() -> None:
    """E[u | x] = (nu + 1) / (nu + ((x - m) / s)^2): Lange, Little and Taylor 1989, (5)."""
    text = ALONE.replace("s, nu", "s").replace("(nu,", "(5,")
    module = emdsl.load(Source(text), augment=True)
    x = np.append(stats.t.rvs(5, size=30, random_state=1), 40.0)
    result = module.fit({"x": x})
    found = result.posterior_moments()["x_weight"]
    z = (x - result.params["m"]) / result.params["s"]
    np.testing.assert_allclose(found.mean, 6 / (5 + z**2))
    np.testing.assert_allclose(found.covariance, 2 * 6 / (5 + z**2) ** 2)


def test_samples_have_only_what_the_file_has() -> None:
    module = modules(MIXTURE)[1]
    params = {"weight": [0.3, 0.7], "loc": [0.0, 50.0], "scale": [1.0, 2.0]}
    drawn = module.sample(params, 4000, seed=1)
    assert list(drawn) == ["z", "x"]
    own = drawn["x"][drawn["z"] == 1]
    assert stats.kstest(own, stats.t(4, 50, 2).cdf).pvalue > 1e-3


# --- what is taken ---------------------------------------------------------------------------

ALONE = """model M
param m     : real
param s, nu : positive
for n in N:
    data x[n] ~ StudentT(nu, m, s)
"""
FREE = MIXTURE.replace("param weight", "param nu : positive\nparam weight").replace("(4,", "(nu,")
COUNTS = """model M(K = 2)
param weight : simplex[K]
param mu[K]  : positive
param phi    : positive
for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : count ~ NegativeBinomial(mu = mu[z[n]], phi = phi)
"""
CHANCES = """model M
param a, b : positive
for n in N:
    data x[n] : count ~ BetaBinomial(7, a, b)
"""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (ALONE, "nothing else is latent"),
        (FREE, "`nu` would be numeric all the same"),
        (COUNTS, "`phi` would be numeric all the same"),
        (CHANCES, "nothing else is latent"),
    ],
)
def test_it_is_left_with_a_reason(text: str, why: str) -> None:
    (found,) = compiled(text).augmentations
    assert not found.taken
    assert why in found.reason
    assert not any(v.added for v in compiled(text).model.variables)


@pytest.mark.parametrize(
    ("text", "closed", "numeric"),
    [
        (ALONE, ("m", "s"), ("nu",)),
        (FREE, ("loc", "scale"), ("nu",)),
        (COUNTS, ("mu",), ("phi",)),
        (CHANCES, (), ("a", "b")),
    ],
)
def test_it_can_be_asked_for(text: str, closed: tuple[str, ...], numeric: tuple[str, ...]) -> None:
    by_file = compiled(text + "infer x using augmentation\n").augmentations
    for (found,) in (compiled(text, augment=True).augmentations, by_file):
        assert (found.taken, found.closed, found.numeric) == (True, closed, numeric)
    rng = np.random.default_rng(2)
    data = {"x": rng.poisson(rng.gamma(2, 1, size=N)) if "count" in text else rng.normal(size=N)}
    data["x"] = np.minimum(data["x"], 7) if text == CHANCES else data["x"]
    written, other = (emdsl.load(Source(text), augment=a) for a in (False, True))
    params = written.init_params(data, seed=1)
    assert other.log_likelihood(data, params) == pytest.approx(
        written.log_likelihood(data, params), rel=1e-11
    )


@pytest.mark.parametrize("text", [MIXTURE, ALONE])
def test_it_can_be_turned_off(text: str) -> None:
    by_file = compiled(text + "infer x using numeric\n")
    for found in (compiled(text, augment=False), by_file):
        (one,) = found.augmentations
        assert (one.taken, one.reason) == (False, "it is turned off")
        assert found.model.variable("x").dist == one.rewriting.written
    assert compiled(text + "infer x using augmentation\n", augment=False).module.count("Gamma") == 0


PROBITS = """model M(K = 2)
param weight  : simplex[K]
param beta[K] : real[P]
for n in N:
    input  u[n] : real[P]
    latent z[n] ~ Categorical(weight)
    data   x[n] : bool[J] ~ Bernoulli(probit = dot(beta[z[n]], u[n]) * ones[J])
"""


def test_a_probit_is_a_side_of_a_normal() -> None:
    """Albert and Chib 1993. Offered, and not taken unasked: separation would go unseen."""
    (found,) = compiled(PROBITS).augmentations
    assert not found.taken
    assert "where data are separated" in found.reason
    (found,) = compiled(PROBITS, augment=True).augmentations
    assert (found.taken, found.closed, found.numeric) == (True, ("beta",), ())
    rng = np.random.default_rng(4)
    u = np.stack([np.ones(N), rng.normal(size=N)], axis=1)
    x = (rng.random((N, 3)) < np.where(u[:, 1:] > 0.3, 0.8, 0.3)).astype(float)
    x[[2, 9], 1] = np.nan
    data = {"u": u, "x": x}
    written, other = (emdsl.load(Source(PROBITS), augment=a) for a in (False, True))
    params = written.init_params(data, seed=1)
    params["beta"] = 2 * rng.normal(size=(2, 2))
    assert other.log_likelihood(data, params) == pytest.approx(
        written.log_likelihood(data, params), rel=1e-12
    )
    one, two = (m.fit(data, init=params, tol=1e-12, max_iter=3000) for m in (written, other))
    assert two.log_likelihood == pytest.approx(one.log_likelihood, rel=1e-8)
    score = two.posterior_moments(data)["x_score"].mean
    assert score.shape == x.shape
    eta = u @ two.params["beta"].T
    assert (score[x == 1] > 0).all()
    assert (score[x == 0] < 0).all()
    posterior = two.posterior(data)["z"]
    assert score[2, 1] == pytest.approx((posterior[2] * eta[2]).sum())  # nothing was seen


def test_separated_probits_are_told() -> None:
    """As they are written; EM over the scores has no end, and stops where it is told to."""
    text = """model M
param a    : real
param beta : real[P]
for n in N:
    input u[n] : real[P]
    data  x[n] ~ Bernoulli(probit = a + dot(beta, u[n]))
"""
    u = np.random.default_rng(0).normal(size=(60, 2))
    data = {"u": u, "x": (u[:, 0] > 0.1).astype(int)}
    result = emdsl.load(Source(text)).fit(data, seed=0)
    (said,) = result.messages
    assert said.startswith("a and beta have no finite maximum: the data are separated, which sends")
    assert said.endswith("give them a prior such as ~ Normal(0, 2.5)")
    slow = emdsl.load(Source(text), augment=True).fit(data, seed=0, restarts=1, max_iter=100)
    assert slow.status == "max_iter"
    assert slow.log_likelihood < result.log_likelihood
    tame = text.replace("real[P]\nfor", "real[P] ~ Normal(0, 2.5)\nfor")
    one, two = (
        emdsl.load(Source(tame), augment=a).fit(data, seed=0, restarts=1, tol=1e-13, max_iter=5000)
        for a in (False, True)
    )
    assert not one.messages
    assert two.objective == pytest.approx(one.objective, rel=1e-8)


def test_a_probit_with_effects_of_groups_is_refused() -> None:
    text = """model M
param tau : positive
for g in G:
    latent b[g] ~ Normal(0, tau)
for n in N:
    input  group[n] : index[G]
    data   x[n] ~ Bernoulli(probit = b[group[n]])
"""
    for augment in (None, True):
        with pytest.raises(CompileError) as caught:
            compiled(text, augment)
        (problem,) = caught.value.diagnostics
        assert problem.code == "no-strategy"
        assert "`(log(Phi(b[group[n]]*(2*x[n] - 1))))`" in problem.notes[-1].text


def test_closed_updates_stay_as_they_are() -> None:
    """A Laplace's weighted medians are exact; so is a normal's."""
    text = MIXTURE.replace("StudentT(4, ", "Laplace(")
    assert compiled(text).augmentations == ()
    assert compiled(text, augment=True).augmentations == ()


def test_each_node_for_itself() -> None:
    text = f"{MIXTURE}    data   y[n] ~ Cauchy(0, scale[z[n]])\ninfer x using numeric\n"
    found = compiled(text)
    assert [(a.rewriting.node, a.taken) for a in found.augmentations] == [
        ("x", False),
        ("y", False),
    ]
    assert "`scale` would be numeric" in found.augmentations[1].reason
    both = compiled(text.replace("infer x using numeric\n", ""), augment=True)
    assert [a.taken for a in both.augmentations] == [True, True]


BESIDE = """model M
param m          : real
param s, tau, sd : positive
for t in T:
    latent f[t] ~ Normal(0, tau) if t == 0 else Normal(f[t-1], tau)
    data   y[t] ~ Normal(f[t], sd)
    data   x[t] ~ StudentT(4, m, s)
"""


def test_what_no_strategy_takes_is_left_or_refused() -> None:
    for augment in (None, True):
        (found,) = compiled(BESIDE, augment).augmentations
        assert not found.taken
        assert found.reason == (
            "the rewritten model has no EM: no exact E-step for `f` and `x_weight` of plate `t` "
            "(conjugate: `x_weight` is positive, not real, in a piece whose rows are tied to each "
            "other: across rows only normal latents can be integrated out together)"
        )
    with pytest.raises(CompileError) as caught:
        compiled(f"{BESIDE}infer x using augmentation\n")
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.span.line) == ("no-augmentation", 8)
    assert "`x_weight` is positive, not real" in problem.message
    assert problem.notes


def test_a_model_that_has_no_em_as_written() -> None:
    """A t whose centre is a latent normal has no posterior as written; by its weight neither."""
    text = """model M
param m    : real
param s, t : positive
for n in N:
    latent b[n] ~ Normal(m, t)
    data   x[n] ~ StudentT(4, b[n], s)
"""
    with pytest.raises(CompileError) as caught:
        compiled(text)
    assert [d.code for d in caught.value.diagnostics] == ["no-strategy"]


INNER = f"""{HEAD}for s in S:
    latent z[s] ~ Categorical(weight)
    for t in T times freq[s, t]:
        data x[s, t] ~ StudentT(4, loc[z[s]], scale[z[s]])
"""


def test_replicates_of_an_inner_plate() -> None:
    """Each replicate has a latent of its own: where that can't be, the density stays as written."""
    rng = np.random.default_rng(0)
    x = rng.standard_t(4, size=(9, 4))
    freq = rng.integers(1, 4, size=(9, 4))
    written, other = (emdsl.load(Source(INNER), augment=a) for a in (False, None))
    params = {"weight": [0.4, 0.6], "loc": [0.0, 1.0], "scale": [1.0, 2.0]}
    data = {"x": x, "freq": freq}
    own = stats.t.logpdf(x[..., None], 4, params["loc"], params["scale"])
    expected = np.log(np.exp((freq[..., None] * own).sum(axis=1)) @ params["weight"]).sum()
    assert written.log_likelihood(data, params) == pytest.approx(expected, rel=1e-12)
    assert other.log_likelihood(data, params) == pytest.approx(expected, rel=1e-12)


# --- what is said ----------------------------------------------------------------------------


def test_explain_shows_what_was_done() -> None:
    text = explain(compiled(MIXTURE))
    for part in (
        "Data augmentation",
        "`x` is rewritten",
        "data   x[n] ~ StudentT(4, loc[z[n]], scale[z[n]])",
        "latent x_weight[n] ~ Gamma(2, 2)",
        "data   x[n] ~ Normal(loc[z[n]], var = scale[z[n]]^2 / x_weight[n])",
        "The M-step of `loc`, `scale`, numeric as written, is closed with it.",
        "`infer x using numeric` in the file, or `augment=False` or `--no-augment`",
    ):
        assert part in text
    assert r"\texttt{x} is rewritten" in explain(compiled(MIXTURE), latex=True)
    chain = explain(compiled(CHAIN))
    assert "M₁(z_t) = log Γ(α_t) − α_t log β[t,z_t]" in chain
    assert "by forward-backward" in chain


def test_explain_shows_what_could_be_done() -> None:
    text = explain(compiled(ALONE))
    assert "`x` is derived as it is written" in text
    assert "Why not: nothing else is latent" in text
    assert "`infer x using augmentation` in the file, or `augment=True` or `--augment`" in text
    normal = "model M\nparam m : real\nfor n in N:\n    data x[n] ~ Normal(m, 1)\n"
    assert "Data augmentation" not in explain(compiled(normal))
