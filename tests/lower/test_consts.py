"""Consts, of the file or given when fitting, wherever they stand: each against a closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

import emdsl
from emdsl.source import Source

Y = np.random.default_rng(5).normal(3, 2, 50)
M2 = np.array([[1.0, 0.5], [0.5, 2.0]])
W = np.array([[1.0, 0.5], [0.5, 2.0], [1.0, 1.0]])
Y3 = np.random.default_rng(6).normal(size=(20, 3))


def model(declarations: str, line: str, latent: str = "") -> Any:
    text = f"model M\n{declarations}\nfor n in N:\n"
    text += f"    {latent}\n" if latent else ""
    return emdsl.load(Source(f"{text}    {line}\n", "m.em"))


CASES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    (
        "const c : real\nparam b : real",
        "data y[n] ~ Normal(b * c, 1)",
        {"y": Y, "c": 2.0},
        {"b": Y.mean() / 2},
    ),
    (
        "const c : positive\nparam b : real\nparam s : positive",
        "data y[n] ~ Normal(b + c, c * s)",
        {"y": Y, "c": 2.0},
        {"b": Y.mean() - 2, "s": Y.std() / 2},
    ),
    (
        "const c : positive\nparam b : positive",
        "data y[n] ~ Gamma(c, b)",
        {"y": Y**2, "c": 1.5},
        {"b": 1.5 / np.mean(Y**2)},
    ),
    (
        "const V : posdef[D]\nparam t : positive",
        "data y[n] : real[D] ~ MvNormal(zeros[D], t * V)",
        {"y": Y3[:, :2], "V": M2},
        {"t": np.mean(np.einsum("nd,de,ne->n", Y3[:, :2], np.linalg.inv(M2), Y3[:, :2])) / 2},
    ),
    (
        "const W : real[D, P]\nparam b : real[P]",
        "data y[n] : real[D] ~ Normal(W @ b, 1)",
        {"y": Y3, "W": W},
        {"b": np.linalg.lstsq(W, Y3.mean(axis=0))[0]},
    ),
    (
        "const a : positive[K]\nparam p : simplex[K] ~ Dirichlet(a)",
        "data y[n] : category[K] ~ Categorical(p)",
        {"y": [1, 1, 0, 1], "a": [2.0, 3.0]},
        {"p": [2 / 7, 5 / 7]},
    ),
    (
        "const a : positive\nparam p : unit ~ Beta(a, a)",
        "data y[n] : bool ~ Bernoulli(p)",
        {"y": [1, 1, 0, 1], "a": 2.0},
        {"p": 4 / 6},
    ),
]


@pytest.mark.parametrize(("declarations", "line", "data", "expected"), CASES)
def test_a_const_given_when_fitting(
    declarations: str, line: str, data: dict[str, Any], expected: dict[str, Any]
) -> None:
    result = model(declarations, line).fit(data)
    assert result.status == "converged"
    for name, value in expected.items():
        np.testing.assert_allclose(result.params[name], value, rtol=1e-10)


def test_a_const_gathered_by_a_latent() -> None:
    module = model(
        "const c = [1, 10]\nparam b : real\nparam s : positive",
        "data y[n] ~ Normal(b, c[z[n]] * s)",
        "latent z[n] ~ Categorical(ones[2] / 2)",
    )
    result = module.fit({"y": Y}, seed=0)
    b, s = float(result.params["b"]), float(result.params["s"])

    def likelihood(b: float, s: float) -> float:
        parts = [np.asarray(norm.logpdf(Y, b, c * s)) - np.log(2) for c in (1, 10)]
        return float(np.sum(logsumexp(parts, axis=0)))

    assert result.log_likelihood == pytest.approx(likelihood(b, s))
    for other in ((b + 1e-2, s), (b - 1e-2, s), (b, s * 1.01), (b, s / 1.01)):
        assert likelihood(*other) < result.log_likelihood


def test_a_number_stays_one() -> None:
    module = model("const c : real\nparam b : real", "data y[n] ~ Normal(b * c, 1)")
    total = module.e_step({"y": Y[:20], "c": 2.0}, {"b": 1.0})
    rest = module.e_step({"y": Y[20:], "c": 2.0}, {"b": 1.0}, pivot=total.pivot)
    params = module.m_step(total + rest, {"b": 1.0})
    assert np.shape(params["b"]) == ()
    assert params["b"] == pytest.approx(Y.mean() / 2)


@pytest.mark.parametrize("latent", ["", "latent z[n] ~ Categorical([0.5, 0.5])"])
def test_nothing_to_estimate(latent: str) -> None:
    mean = "z[n]" if latent else "0"
    result = model("", f"data y[n] ~ Normal({mean}, 1)", latent).fit(Y)
    parts = [np.asarray(norm.logpdf(Y, k, 1)) for k in ((0, 1) if latent else (0,))]
    expected = np.sum(logsumexp(parts, axis=0) - np.log(len(parts)))
    assert (result.status, result.n_params) == ("converged", 0)
    assert result.log_likelihood == pytest.approx(expected)
