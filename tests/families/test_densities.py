"""Log densities against SciPy's, against integrals and sums, and against their alternatives."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import sympy as sp
from scipy import integrate, stats
from scipy.special import expit, softmax

from emdsl.families import FAMILIES
from emdsl.families.evaluate import evaluate, log_density
from emdsl.families.family import Alternative, Family, Parameter
from tests.families.oracles import (
    COV,
    SCALAR_CASES,
    STRUCTURED_CASES,
    discrete,
    draws,
    log_probability,
)

SUPPORT = {"real": (-np.inf, np.inf), "positive": (0.0, np.inf), "unit": (0.0, 1.0)}


def named(family: Family, arguments: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip([p.name for p in family.parameters], arguments, strict=True))


@pytest.mark.parametrize(("name", "arguments", "frozen"), SCALAR_CASES)
def test_a_scalar_density_is_scipys(name, arguments, frozen) -> None:
    family = FAMILIES[name]
    x = frozen.ppf(np.linspace(0.002, 0.998, 15))
    expected = [log_probability(frozen, v) for v in x]
    actual = [log_density(family, v, named(family, arguments)) for v in x]
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("name", "arguments", "frozen"), STRUCTURED_CASES)
def test_a_structured_density_is_scipys(name, arguments, frozen) -> None:
    family = FAMILIES[name]
    for x in draws(frozen, np.shape(arguments[-1])[: family.event], 6):
        actual = log_density(family, x, named(family, arguments))
        np.testing.assert_allclose(actual, log_probability(frozen, x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("name", "arguments", "frozen"), SCALAR_CASES)
def test_a_scalar_density_is_normalised(name, arguments, frozen) -> None:
    family = FAMILIES[name]

    def p(x: float) -> float:
        return float(np.exp(log_density(family, x, named(family, arguments))))

    if discrete(frozen):
        last = int(frozen.ppf(1 - 1e-13))
        if family.values is not None:
            environment = {family.symbol(n): v for n, v in named(family, arguments).items()}
            last = int(evaluate(family.values, environment)) - 1
        assert sum(map(p, range(last + 1))) == pytest.approx(1, abs=1e-9)
        return
    lower, upper = SUPPORT[family.kind] if name != "VonMises" else (-np.pi, np.pi)
    if family.condition is not None:  # outside it there is nothing: also checked below
        lower, upper = max(lower, frozen.support()[0]), min(upper, frozen.support()[1])
    cuts = [lower, *frozen.ppf([0.01, 0.5, 0.99]), upper]
    whole = sum(
        integrate.quad(p, a, b, epsabs=1e-9, limit=200)[0] for a, b in itertools.pairwise(cuts)
    )
    assert whole == pytest.approx(1, abs=1e-6)


def test_a_categorical_is_normalised_over_its_values() -> None:
    p = [0.25, 0.0, 0.75]
    family = FAMILIES["Categorical"]
    assert evaluate(family.values, {family.symbol("p"): np.array(p)}) == 3
    mass = [np.exp(log_density(family, k, {"p": p})) for k in range(3)]
    np.testing.assert_allclose(mass, p)


def test_a_multinomial_is_normalised() -> None:
    p, n = [0.2, 0.0, 0.5, 0.3], 5
    counts = [x for x in itertools.product(range(n + 1), repeat=4) if sum(x) == n]
    mass = [np.exp(log_density(FAMILIES["Multinomial"], x, {"n": n, "p": p})) for x in counts]
    assert sum(mass) == pytest.approx(1)


def test_a_multivariate_normal_is_normalised() -> None:
    given = {"mean": [0.0, 1.0], "cov": COV[:2, :2]}
    axis = np.linspace(-12, 12, 121)  # the trapezium is exact to rounding for a normal
    mass = [
        np.exp(log_density(FAMILIES["MvNormal"], [a, b], given))
        for a, b in itertools.product(axis, axis)
        if abs(a) < 9 and abs(b) < 8
    ]
    assert sum(mass) * (axis[1] - axis[0]) ** 2 == pytest.approx(1, abs=1e-6)


def test_a_dirichlet_is_normalised() -> None:
    node, weight = np.polynomial.legendre.leggauss(20)
    node, weight = (node + 1) / 2, weight / 2
    whole = 0.0
    for (a, u), (b, v) in itertools.product(zip(node, weight, strict=True), repeat=2):
        x = [a, (1 - a) * b, (1 - a) * (1 - b)]
        given = {"alpha": [2.0, 3.0, 4.0]}
        whole += u * v * (1 - a) * np.exp(log_density(FAMILIES["Dirichlet"], x, given))
    assert whole == pytest.approx(1)


@pytest.mark.parametrize("name", ["Wishart", "InverseWishart"])
def test_a_wishart_of_order_one_is_normalised(name: str) -> None:
    given = {"df": 3.5, "scale": [[0.8]]}

    def p(x: float) -> float:
        return float(np.exp(log_density(FAMILIES[name], [[x]], given)))

    whole = integrate.quad(p, 0, 1)[0] + integrate.quad(p, 1, np.inf)[0]
    assert whole == pytest.approx(1, abs=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Wishart", "InverseWishart"])
def test_a_wishart_of_order_two_is_normalised(name: str) -> None:
    """Over logs of the diagonal and the inverse hyperbolic tangent of the correlation."""
    given = {"df": 4.5, "scale": [[1.0, 0.3], [0.3, 0.8]]}
    u, h = np.linspace(-7, 7, 29, retstep=True)
    r, k = np.linspace(-6, 6, 25, retstep=True)
    whole = 0.0
    for a, b, c in itertools.product(u, u, r):
        s, t, rho = np.exp(a), np.exp(b), np.tanh(c)
        cross = rho * np.sqrt(s * t)
        slope = s * t * np.sqrt(s * t) * (1 - rho**2)  # d(s, t, cross) / d(a, b, c)
        x = [[s, cross], [cross, t]]
        whole += slope * np.exp(log_density(FAMILIES[name], x, given))
    assert whole * h * h * k == pytest.approx(1, abs=2e-3)


# --- alternatives ----------------------------------------------------------------------------

VALUES: dict[tuple[str, int], list[Any]] = {
    ("positive", 0): [0.7, 2.3],
    ("unit", 0): [0.2, 0.65],
    ("real", 0): [-1.2, 0.6],
    ("count", 0): [9, 12],
    ("int", 0): [2, 3],
    ("real", 1): [np.array([0.3, -1.0, 0.5]), np.array([3.0, 0.0, 0.1])],
    ("simplex", 1): [np.array([0.2, 0.7, 0.1]), np.array([0.3, 0.3, 0.4])],
    ("posdef", 2): [COV, np.eye(3) / 2],
}
VARIATES: dict[tuple[str, int], list[Any]] = {
    ("positive", 0): [0.1, 1.0, 7.0],
    ("unit", 0): [0.05, 0.5, 0.99],
    ("real", 0): [-2.0, 0.0, 1.5],
    ("bool", 0): [0, 1],
    ("count", 0): [0, 1, 8],
    ("category", 0): [0, 1, 2],
    ("count", 1): [np.array([4, 3, 2])],
    ("real", 1): [np.array([0.3, 1.0, -2.0])],
}
ALTERNATIVES = [(f, a) for f in FAMILIES.values() for a in f.alternatives]


@pytest.mark.parametrize(("family", "alternative"), ALTERNATIVES)
def test_an_alternative_agrees_with_the_canonical(family: Family, alternative: Alternative) -> None:
    def values(parameters: list[Parameter]) -> list[Any]:
        return list(itertools.product(*(VALUES[q.kind, q.event] for q in parameters)))

    kept = [p for p in family.parameters if p.name not in alternative.replaces]
    written = [*kept, *alternative.parameters]
    for arguments, x in itertools.product(values(written), VARIATES[family.kind, family.event]):
        environment = {q.symbol: v for q, v in zip(written, arguments, strict=True)}
        environment[family.variable] = x
        canonical = {p.name: environment[p.symbol] for p in kept}
        canonical |= {n: evaluate(e, environment) for n, e in alternative.canonical}
        given = {q.name: v for q, v in zip(written, arguments, strict=True)}
        np.testing.assert_allclose(
            log_density(family, x, given), log_density(family, x, canonical), rtol=1e-11
        )


@pytest.mark.parametrize(
    ("name", "given", "frozen"),
    [
        ("Normal", {"mean": 1, "var": 4}, stats.norm(1, 2)),
        ("Normal", {"mean": 1, "precision": 4}, stats.norm(1, 0.5)),
        ("LogNormal", {"mu": 0, "var": 4}, stats.lognorm(2)),
        ("HalfNormal", {"precision": 4}, stats.halfnorm(scale=0.5)),
        ("Exponential", {"scale": 3}, stats.expon(scale=3)),
        ("Gamma", {"shape": 2, "scale": 3}, stats.gamma(2, scale=3)),
        ("InverseGaussian", {"mu": 0.5, "scale": 3}, stats.invgauss(0.5, scale=3)),
        ("InverseGaussian", {"mean": 2, "dispersion": 0.5}, stats.invgauss(1, scale=2)),
        ("Beta", {"mean": 0.25, "precision": 8}, stats.beta(2, 6)),
        ("Beta", {"logit": -np.log(3), "precision": 8}, stats.beta(2, 6)),
        ("Exponential", {"log": np.log(3)}, stats.expon(scale=3)),
        ("Gamma", {"shape": 2, "mean": 3}, stats.gamma(2, scale=1.5)),
        ("Gamma", {"shape": 2, "log": np.log(3)}, stats.gamma(2, scale=1.5)),
        ("InverseGaussian", {"log": np.log(2), "shape": 2}, stats.invgauss(1, scale=2)),
        ("NegativeBinomial", {"mean": 3, "shape": 2}, stats.nbinom(2, 0.4)),
        ("NegativeBinomial", {"log": np.log(3), "shape": 2}, stats.nbinom(2, 0.4)),
        ("NegativeBinomial", {"mean": 3, "dispersion": 0.5}, stats.nbinom(2, 0.4)),
        ("NegativeBinomial", {"log": np.log(3), "dispersion": 0.5}, stats.nbinom(2, 0.4)),
        ("Bernoulli", {"logit": 0.7}, stats.bernoulli(expit(0.7))),
        ("Binomial", {"n": 8, "logit": -0.7}, stats.binom(8, expit(-0.7))),
        ("Geometric", {"logit": -0.7}, stats.geom(expit(-0.7), loc=-1)),
        ("Poisson", {"log": 1.5}, stats.poisson(np.exp(1.5))),
    ],
)
def test_an_alternative_means_what_the_field_means(name, given, frozen) -> None:
    for x in frozen.ppf([0.1, 0.5, 0.9]):
        actual = log_density(FAMILIES[name], x, given)
        assert actual == pytest.approx(log_probability(frozen, x), rel=1e-10)


@pytest.mark.parametrize(
    ("given", "mean", "variance"),
    [
        # Stan Functions Reference, neg_binomial and neg_binomial_2.
        ({"alpha": 3.0, "beta": 0.5}, 3.0 / 0.5, 3.0 / 0.25 * 1.5),
        ({"mu": 4.0, "phi": 2.5}, 4.0, 4.0 + 16.0 / 2.5),
    ],
)
def test_the_negative_binomials_of_stan(given, mean, variance) -> None:
    x = np.arange(400)
    p = np.exp([log_density(FAMILIES["NegativeBinomial"], v, given) for v in x])
    assert p @ x == pytest.approx(mean)
    assert p @ (x - mean) ** 2 == pytest.approx(variance)


def test_the_logits_of_a_categorical() -> None:
    logit = np.array([0.3, -1.0, 2.0])
    actual = [log_density(FAMILIES["Categorical"], k, {"logit": logit}) for k in range(3)]
    np.testing.assert_allclose(np.exp(actual), softmax(logit))


def test_the_logits_of_a_multinomial() -> None:
    family, logit, x = FAMILIES["Multinomial"], np.array([0.3, -1.0, 2.0]), [2, 0, 3]
    expected = log_probability(stats.multinomial(5, softmax(logit)), x)
    assert log_density(family, x, {"n": 5, "logit": logit}) == pytest.approx(expected)
    assert log_density(family, x, {"logit": logit}) == pytest.approx(expected)


def test_far_logits_lose_nothing() -> None:
    beta = log_density(FAMILIES["Beta"], 0.5, {"logit": 50.0, "precision": 2.0})
    near = log_density(FAMILIES["Beta"], 0.5, {"alpha": 2.0, "beta": 2 * np.exp(-50.0)})
    assert beta == pytest.approx(near)
    assert log_density(FAMILIES["Bernoulli"], 0, {"logit": 50.0}) == pytest.approx(-50)
    assert log_density(FAMILIES["Bernoulli"], 1, {"logit": -50.0}) == pytest.approx(-50)


def test_large_counts_do_not_overflow() -> None:
    actual = log_density(FAMILIES["Poisson"], 100_000, {"rate": 1e5})
    assert actual == pytest.approx(stats.poisson(1e5).logpmf(100_000))


# --- edges -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "given", "inside", "outside"),
    [
        ("Uniform", {"lower": -1, "upper": 2}, [-1, 0, 2], [-1.001, 2.001]),
        ("Pareto", {"scale": 2, "shape": 3}, [2, 2.5, 100], [0.5, 1.999]),
        ("Binomial", {"n": 3, "p": 0.4}, [0, 3], [4, 10]),
        ("Binomial", {"n": 3, "logit": 0.4}, [0, 3], [4, 10]),
        ("Delta", {"value": 3}, [3], [0, 2, 4]),
        ("Multinomial", {"n": 3, "p": [0.4, 0.6]}, [[0, 3]], [[0, 2], [2, 2]]),
        ("Bernoulli", {"p": 1.0}, [1], [0]),
        ("Categorical", {"p": [0.0, 1.0]}, [1], [0]),
        ("Poisson", {"rate": 0.0}, [0], [1]),
    ],
)
def test_the_support_ends_where_it_should(name, given, inside, outside) -> None:
    family = FAMILIES[name]
    assert all(np.isfinite(log_density(family, x, given)) for x in inside)
    assert [log_density(family, x, given) for x in outside] == [-np.inf] * len(outside)


def test_an_operation_without_numbers_is_refused() -> None:
    x = sp.Symbol("x")
    with pytest.raises(NotImplementedError, match="airyai"):
        evaluate(sp.airyai(x), {x: 1.0})
