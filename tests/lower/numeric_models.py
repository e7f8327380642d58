"""Models whose M-step has a numeric block, one construct at a time, with a few rows of data."""

from __future__ import annotations

import re
from collections.abc import Callable
from textwrap import dedent, indent
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.compiler import compile_source, import_text
from emdsl.runtime.bind import bind
from emdsl.runtime.params import param_shape
from emdsl.source import Source
from emdsl.verify.checks import Case

N = 7
Data = dict[str, NDArray[Any]]


def real(rng: np.random.Generator) -> Data:
    return {"y": 2.0 * rng.standard_t(4, size=N) + 1.0}


def positive(rng: np.random.Generator) -> Data:
    return {"y": rng.gamma(2.0, size=N) + 0.1}


def unit(rng: np.random.Generator) -> Data:
    return {"y": rng.uniform(0.05, 0.95, N)}


def count(rng: np.random.Generator) -> Data:
    return {"y": rng.poisson(3.0, N).astype(float)}


def boolean(rng: np.random.Generator) -> Data:
    return {"y": (np.arange(N) % 3 > 0).astype(float)}


def angle(rng: np.random.Generator) -> Data:
    return {"y": rng.vonmises(1.0, 2.0, N)}


def category(rng: np.random.Generator) -> Data:
    return {"y": (np.arange(N) % 3).astype(float)}


def shares(rng: np.random.Generator) -> Data:
    return {"y": rng.dirichlet([2.0, 3.0, 1.5], N)}


def pair(rng: np.random.Generator) -> Data:
    return {"y": rng.normal(size=(N, 2)) * 2.0}


def gappy(rng: np.random.Generator) -> Data:
    y = 2.0 * rng.normal(size=N)
    y[2] = np.nan
    return {"y": y}


def items(rng: np.random.Generator) -> Data:
    return {"y": rng.integers(0, 2, (N, 3)).astype(float)}


def intervals(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ends about each number, one of them open here and there, one number exact."""
    pair = np.stack([y - 0.6, y + 0.4], axis=-1)
    pair[1, 0], pair[2, 1] = -np.inf, np.nan
    pair[3] = y[3]
    return pair


# name: (lines above the plate, lines in it, the data)
MODELS: dict[str, tuple[str, str, Callable[[np.random.Generator], Data]]] = {
    # -- plain maximum likelihood --
    "logistic": ("param b : real[P]", "data y[n] : bool ~ Bernoulli(logit = b @ u[n])", boolean),
    "logistic by hand": (
        "param a, b : real",
        "data y[n] : bool ~ Bernoulli(logistic(a + b * v[n]))",
        boolean,
    ),
    "binomial": (
        "param a, b : real",
        "data y[n] : count ~ Binomial(12, logit = a + b * v[n])",
        count,
    ),
    "softmax": (
        "param g : real[3, P]",
        "data y[n] : category[3] ~ Categorical(softmax(g @ u[n]))",
        category,
    ),
    "softmax of rows": (
        "param g[3] : real[P]",
        "data y[n] : category[3] ~ Categorical(logit = g @ u[n])",
        category,
    ),
    "softmax with a reference": (
        "param g, h : real[P]",
        "data y[n] : category[3] ~ Categorical(softmax([0, dot(g, u[n]), dot(h, u[n])]))",
        category,
    ),
    "poisson": ("param b : real[P]", "data y[n] : count ~ Poisson(log = b @ u[n])", count),
    "poisson with exposure": (
        "param a, b : real",
        "data y[n] : count ~ Poisson(exp(a + b * v[n]) * t[n])",
        count,
    ),
    "gamma regression": (
        "param a, b : real\nparam k : positive",
        "let mu[n] = exp(a + b * v[n])\ndata y[n] ~ Gamma(k, rate = k / mu[n])",
        positive,
    ),
    "gamma regression, inverse link": (
        "param a, b : positive\nparam k : positive",
        "data y[n] ~ Gamma(k, k * (a + b * t[n]))",
        positive,
    ),
    "negative binomial regression": (
        "param b : real[P]\nparam phi : positive",
        "data y[n] : count ~ NegativeBinomial(mu = exp(b @ u[n]), phi = phi)",
        count,
    ),
    "beta regression": (
        "param b : real[P]\nparam phi : positive",
        "data y[n] ~ Beta(mean = logistic(b @ u[n]), precision = phi)",
        unit,
    ),
    "beta": ("param a, b : positive", "data y[n] ~ Beta(a, b)", unit),
    "dirichlet": ("param a : positive[3]", "data y[n] : simplex[3] ~ Dirichlet(a)", shares),
    "heteroscedastic": (
        "param b, c : real[P]",
        "data y[n] ~ Normal(b @ u[n], sd = exp(c @ u[n]))",
        real,
    ),
    "robust regression": (
        "param b : real[P]\nparam s : positive",
        "data y[n] ~ StudentT(4, b @ u[n], s)",
        real,
    ),
    "weibull regression": (
        "param a, b : real\nparam k : positive",
        "data y[n] ~ Weibull(k, exp(a + b * v[n]))",
        positive,
    ),
    "inverse gaussian regression": (
        "param a, b : real\nparam k : positive",
        "data y[n] ~ InverseGaussian(exp(a + b * v[n]), k)",
        positive,
    ),
    "exponential of a curve": (
        "param a : positive\nparam b : real",
        "data y[n] ~ Normal(a * exp(b * v[n]), 1)",
        real,
    ),
    "hill curve": (
        "param top, half, k : positive\nparam s : positive",
        "data y[n] ~ Normal(top * t[n]^k / (half^k + t[n]^k), s)",
        real,
    ),
    "tanh": ("param a, b : real", "data y[n] ~ Normal(tanh(a + b * v[n]), 1)", real),
    "logistic location": (
        "param m : real\nparam s : positive",
        "data y[n] ~ Logistic1(m, s)",
        real,
    ),
    "gumbel": ("param m : real\nparam s : positive", "data y[n] ~ Gumbel1(m, s)", real),
    "kumaraswamy": ("param m, s : positive", "data y[n] ~ Kumaraswamy1(m, s)", unit),
    # -- limits --
    "probit": ("param b : real[P]", "data y[n] : bool ~ Bernoulli(probit = b @ u[n])", boolean),
    "probit of counts": (
        "param a, b : real",
        "data y[n] : count ~ Binomial(12, probit = a + b * v[n])",
        count,
    ),
    "tobit": (
        "param b : real[P]\nparam s : positive",
        "data y[n] ~ Censored(Normal(b @ u[n], s), lower = 0)",
        lambda rng: {"y": np.maximum(real(rng)["y"], 0.0)},
    ),
    "censored on both sides": (
        "param m : real\nparam s : positive",
        "data y[n] ~ Censored(Normal(m, s), lower = 0, upper = 2)",
        lambda rng: {"y": np.clip(real(rng)["y"], 0.0, 2.0)},
    ),
    "censored gammas": (
        "param k, r : positive",
        "data y[n] ~ Censored(Gamma(k, r), lower = 1, upper = t[n])",
        lambda rng: {"y": np.clip(positive(rng)["y"], 1.0, 2.0)},
    ),
    "censored logistic": (
        "param m : real\nparam s : positive",
        "data y[n] ~ Censored(Logistic(m + v[n], s), upper = 1)",
        lambda rng: {"y": np.minimum(real(rng)["y"], 1.0)},
    ),
    "censored Cauchy": (
        "param m : real\nparam s : positive",
        "data y[n] ~ Censored(Cauchy(m, s), upper = 1)",
        lambda rng: {"y": np.minimum(real(rng)["y"], 1.0)},
    ),
    "censored half normal": (
        "param s : positive",
        "data y[n] ~ Censored(HalfNormal(s), lower = 1, upper = 2)",
        lambda rng: {"y": np.clip(positive(rng)["y"], 1.0, 2.0)},
    ),
    "truncated normal": (
        "param m : real\nparam s : positive",
        "data y[n] ~ Truncated(Normal(m, s), lower = 0, upper = 9)",
        positive,
    ),
    "truncated regression": (
        "param a, b : real\nparam s : positive",
        "data y[n] ~ Truncated(Normal(a + b * v[n], s), lower = -t[n])",
        positive,
    ),
    "truncated weibull": (
        "param k, s : positive",
        "data y[n] ~ Truncated(Weibull(k, s), lower = 0.05, upper = 20)",
        positive,
    ),
    "truncated gamma": (
        "param k, r : positive",
        "data y[n] ~ Truncated(Gamma(k, r), lower = 0.05, upper = 20)",
        positive,
    ),
    "truncated laplace": (
        "param s : positive",
        "data y[n] ~ Truncated(Laplace(0.5, s), lower = -30, upper = 30)",
        real,
    ),
    "positive poisson": (
        "param a, b : real",
        "data y[n] : count ~ Truncated(Poisson(log = a + b * v[n]), lower = 1)",
        lambda rng: {"y": count(rng)["y"] + 1.0},
    ),
    "positive negative binomial": (
        "param m, k : positive",
        "data y[n] : count ~ Truncated(NegativeBinomial(mean = m, shape = k), lower = 1)",
        lambda rng: {"y": count(rng)["y"] + 1.0},
    ),
    "censored poisson": (
        "param r : positive",
        "data y[n] : count ~ Censored(Poisson(r), lower = 1, upper = 4)",
        lambda rng: {"y": np.clip(count(rng)["y"], 1.0, 4.0)},
    ),
    "intervals": (
        "param b : real[P]\nparam s : positive",
        "data y[n] ~ Interval(Normal(b @ u[n], s))",
        lambda rng: {"y": intervals(real(rng)["y"])},
    ),
    "intervals of lifetimes": (
        "param a : real\nparam k : positive",
        "data y[n] ~ Interval(Weibull(k, exp(a + v[n])))",
        lambda rng: {"y": intervals(positive(rng)["y"])},
    ),
    "intervals of counts": (
        "param r : positive",
        "data y[n] ~ Interval(Poisson(r))",
        lambda rng: {"y": np.maximum(np.round(intervals(count(rng)["y"] + 1.0)), 0.0)},
    ),
    # -- mixtures --
    "mixture of tobits": (
        "param w : simplex[2]\nparam b[2] : real[P]\nparam s[2] : positive",
        (
            "latent z[n] ~ Categorical(w)\n"
            "data y[n] ~ Censored(Normal(b[z[n]] @ u[n], s[z[n]]), lower = 0)"
        ),
        lambda rng: {"y": np.maximum(real(rng)["y"], 0.0)},
    ),
    "mixture of truncated normals": (
        "param w : simplex[2]\nparam m[2] : real\nparam s : positive",
        "latent z[n] ~ Categorical(w)\ndata y[n] ~ Truncated(Normal(m[z[n]], s), lower = 0)",
        positive,
    ),
    "mixture of intervals": (
        "param w : simplex[2]\nparam m[2] : real\nparam s[2] : positive",
        "latent z[n] ~ Categorical(w)\ndata y[n] ~ Interval(Normal(m[z[n]], s[z[n]]))",
        lambda rng: {"y": intervals(real(rng)["y"])},
    ),
    "a probit gate": (
        "param g : real[P]\nparam m[2] : real",
        "latent z[n] ~ Bernoulli(probit = g @ u[n])\ndata y[n] ~ Normal(m[z[n]], 1)",
        real,
    ),
    "mixture of logistics": (
        "param w : simplex[2]\nparam b[2] : real[P]",
        "latent z[n] ~ Categorical(w)\ndata y[n] : bool ~ Bernoulli(logit = b[z[n]] @ u[n])",
        boolean,
    ),
    "mixture with a shared slope": (
        "param w : simplex[2]\nparam a[2] : real\nparam b : real",
        "latent z[n] ~ Categorical(w)\ndata y[n] : count ~ Poisson(log = a[z[n]] + b * v[n])",
        count,
    ),
    "mixture of gammas": (
        "param w : simplex[2]\nparam k[2], r[2] : positive",
        "latent z[n] ~ Categorical(w)\ndata y[n] ~ Gamma(k[z[n]], r[z[n]])",
        positive,
    ),
    "gammas of one rate": (
        "param w : simplex[2]\nparam k[2] : positive\nparam r : positive",
        "latent z[n] ~ Categorical(w)\ndata y[n] ~ Gamma(k[z[n]], r)",
        positive,
    ),
    "gammas of one shape": (
        "param w : simplex[2]\nparam k : positive\nparam r[2] : positive",
        "latent z[n] ~ Categorical(w)\ndata y[n] ~ Gamma(k, r[z[n]])",
        positive,
    ),
    "mixture of t": (
        "param w : simplex[2]\nparam nu[2], s[2] : positive\nparam m[2] : real",
        "latent z[n] ~ Categorical(w)\ndata y[n] ~ StudentT(nu[z[n]], m[z[n]], s[z[n]])",
        real,
    ),
    "t of one scale": (
        "param w : simplex[2]\nparam s : positive\nparam m[2] : real",
        "latent z[n] ~ Categorical(w)\ndata y[n] ~ StudentT(3, m[z[n]], s)",
        real,
    ),
    "t of two columns": (
        "param w : simplex[2]\nparam s[2] : positive[2]\nparam m[2] : real[2]",
        "latent z[n] ~ Categorical(w)\ndata y[n] : real[2] ~ StudentT(3, m[z[n]], s[z[n]])",
        pair,
    ),
    "mixture of weibulls": (
        "param w : simplex[2]\nparam k[2], s[2] : positive",
        "latent z[n] ~ Categorical(w)\ndata y[n] ~ Weibull(k[z[n]], s[z[n]])",
        positive,
    ),
    "mixture of negative binomials": (
        "param w : simplex[2]\nparam m[2], phi[2] : positive",
        (
            "latent z[n] ~ Categorical(w)\n"
            "data y[n] : count ~ NegativeBinomial(mu = m[z[n]], phi = phi[z[n]])"
        ),
        count,
    ),
    "negative binomials by p": (
        "param w : simplex[2]\nparam r[2] : positive\nparam p[2] : unit",
        "latent z[n] ~ Categorical(w)\ndata y[n] : count ~ NegativeBinomial(r[z[n]], p[z[n]])",
        count,
    ),
    "mixture of von mises": (
        "param w : simplex[2]\nparam m[2] : real\nparam k[2] : positive",
        "latent z[n] ~ Categorical(w)\ndata y[n] ~ VonMises(m[z[n]], k[z[n]])",
        angle,
    ),
    "mixture of dirichlets": (
        "param w : simplex[2]\nparam a[2] : positive[3]",
        "latent z[n] ~ Categorical(w)\ndata y[n] : simplex[3] ~ Dirichlet(a[z[n]])",
        shares,
    ),
    "zero inflation": (
        "param g, b : real[P]",
        (
            "latent off[n] ~ Bernoulli(logit = g @ u[n])\n"
            "data y[n] : count ~ Delta(0) if off[n] else Poisson(log = b @ u[n])"
        ),
        lambda rng: {"y": count(rng)["y"] * (np.arange(N) % 2)},
    ),
    "experts": (
        "param g : real[3, P]\nparam b[3] : real[P]\nparam s[3] : positive",
        "latent z[n] ~ Categorical(softmax(g @ u[n]))\ndata y[n] ~ Normal(b[z[n]] @ u[n], s[z[n]])",
        real,
    ),
    "hierarchical experts": (
        (
            "param g : real[2, P]\nparam h[2] : real[2, P]\nparam b[2, 2] : real[P]\n"
            "param s : positive"
        ),
        (
            "latent z[n] ~ Categorical(softmax(g @ u[n]))\n"
            "latent j[n] ~ Categorical(softmax(h[z[n]] @ u[n]))\n"
            "data y[n] ~ Normal(b[z[n], j[n]] @ u[n], s)"
        ),
        real,
    ),
    "two latents in one predictor": (
        "param p, q : unit\nparam a[2], b[2] : real\nparam c : real",
        (
            "latent z[n] ~ Bernoulli(p)\nlatent j[n] ~ Bernoulli(q)\n"
            "data y[n] : count ~ Poisson(log = a[z[n]] + b[j[n]] + c * v[n])"
        ),
        count,
    ),
    "a latent's value in a predictor": (
        "param w : simplex[3]\nparam a, b : real",
        "latent z[n] ~ Categorical(w)\ndata y[n] : count ~ Poisson(log = a + b * z[n] * v[n])",
        count,
    ),
    "one parameter in two nodes": (
        "param w : unit\nparam m[2] : real",
        (
            "latent z[n] ~ Bernoulli(w)\ndata y[n] ~ Normal(m[z[n]] * v[n], 1)\n"
            "data x[n] : count ~ Poisson(log = m[z[n]] * v[n])"
        ),
        lambda rng: real(rng) | {"x": rng.poisson(2.0, N)},
    ),
    "shared across a gate and an emission": (
        "param g : real[2]\nparam m : real",
        "latent z[n] ~ Bernoulli(logit = dot(g, u[n]))\ndata y[n] ~ Normal(m + 2 * z[n] + g[0], 1)",
        real,
    ),
    # -- groups, plates, weights, gaps --
    "group effects": (
        "param b[G] : real\nparam c : real",
        "input k[n] : index[G]\ndata y[n] : bool ~ Bernoulli(logit = b[k[n]] + c * v[n])",
        boolean,
    ),
    "group slopes with a prior": (
        "param b[G] : real ~ Normal(0, 2)\nparam c[G] : real[2] ~ Normal(0, 1)",
        "input k[n] : index[G]\ndata y[n] : count ~ Poisson(log = b[k[n]] + dot(c[k[n]], u[n]))",
        count,
    ),
    "group effects in a mixture": (
        "param w : simplex[2]\nparam b[G, 2] : real",
        (
            "input k[n] : index[G]\nlatent z[n] ~ Categorical(w)\n"
            "data y[n] : count ~ Poisson(log = b[k[n], z[n]] + v[n])"
        ),
        count,
    ),
    "group slopes beside a shared slope": (
        "param b[G] : real[2]\nparam c[G] : real\nparam a : real[2]",
        (
            "input k[n] : category[G]\n"
            "data y[n] : bool ~ Bernoulli(logit = dot(b[k[n]], u[n]) + c[k[n]] * v[n] "
            "+ dot(a, u[n]) * v[n])"
        ),
        boolean,
    ),
    "crossed groups": (
        "param b[G] : real\nparam c[H] : real ~ Normal(0, 2)\nparam a : real",
        (
            "input k[n] : category[G]\ninput l[n] : category[H]\n"
            "data y[n] : count ~ Poisson(t[n] * exp(b[k[n]] + c[l[n]] + a * v[n]))"
        ),
        lambda rng: count(rng) | {"l": rng.integers(0, 4, N)},
    ),
    "a table of groups beside one of its margins": (
        "param b[G] : real[H]\nparam c[G] : real\nparam a : real",
        (
            "input k[n] : category[G]\ninput l[n] : category[H]\n"
            "data y[n] : bool ~ Bernoulli(logit = b[k[n], l[n]] + c[k[n]] * v[n] + a * t[n])"
        ),
        lambda rng: boolean(rng) | {"l": rng.integers(0, 2, N)},
    ),
    "two places on one parameter": (
        "param s[G] : real\nparam home : real",
        (
            "input k[n] : category[G]\ninput l[n] : category[G]\n"
            "data y[n] : bool ~ Bernoulli(logit = s[k[n]] - s[l[n]] + home * v[n])"
        ),
        lambda rng: boolean(rng) | {"l": np.arange(N) % 2},
    ),
    "two places and nothing else": (
        "param s[G] : real ~ Normal(0, 1)",
        (
            "input k[n] : category[G]\ninput l[n] : category[G]\n"
            "data y[n] : bool ~ Bernoulli(logit = s[k[n]] - s[l[n]])"
        ),
        lambda rng: boolean(rng) | {"l": np.arange(N) % 2},
    ),
    "items that are picked": (
        "param b[G] : real\nparam c : real\nparam d[J] : real",
        (
            "for j in J:\n    input m[n, j] : category[G]\n"
            "    data y[n, j] : bool ~ Bernoulli(logit = b[m[n, j]] + c * v[n] + d[j] * t[n])"
        ),
        lambda rng: items(rng) | {"m": rng.integers(0, 4, (N, 3))},
    ),
    "group shapes": (
        "param a[G] : positive\nparam b[G] : real\nparam c : real",
        (
            "input k[n] : category[G]\n"
            "data y[n] : positive ~ Gamma(a[k[n]], log = b[k[n]] + c * v[n])"
        ),
        positive,
    ),
    "group effects beside a slope in a mixture": (
        "param w : simplex[2]\nparam b[2] : real[G]\nparam c : real[P]",
        (
            "input k[n] : category[G]\nlatent z[n] ~ Categorical(w)\n"
            "data y[n] : count ~ Poisson(log = b[z[n], k[n]] + dot(c, u[n]))"
        ),
        count,
    ),
    "group effects in a gate": (
        "param g[G] : real[2]\nparam h[2] : real\nparam m[2] : real",
        (
            "input k[n] : category[G]\n"
            "latent z[n] ~ Categorical(softmax(h * v[n] + g[k[n]]))\n"
            "data y[n] ~ Normal(m[z[n]], 1)"
        ),
        gappy,
    ),
    "items, rasch of classes": (
        "param w : simplex[2]\nparam d[J] : real\nparam a[2] : real",
        (
            "latent z[n] ~ Categorical(w)\nfor j in J:\n"
            "    data y[n, j] : bool ~ Bernoulli(logit = a[z[n]] - d[j])"
        ),
        items,
    ),
    "items with discrimination": (
        "param w : simplex[2]\nparam d[J], e[J], a[2] : real ~ Normal(0, 1)",
        (
            "latent z[n] ~ Categorical(w)\nfor j in J:\n"
            "    data y[n, j] : bool ~ Bernoulli(logit = e[j] * (a[z[n]] - d[j]) + v[n])"
        ),
        items,
    ),
    "gaps": (
        "param w : simplex[2]\nparam m[2], l[2] : real",
        "latent z[n] ~ Categorical(w)\ndata y[n] ~ Normal(m[z[n]], exp(l[z[n]] * v[n]))",
        gappy,
    ),
    # -- priors, consts, lets --
    "a prior on coefficients": (
        "const tau = 1.5\nparam b : real[P] ~ Normal(0, tau)",
        "data y[n] : bool ~ Bernoulli(logit = b @ u[n])",
        boolean,
    ),
    "a prior on a shape": (
        "param k : positive ~ Gamma(2, 1)\nparam r : positive ~ Gamma(3, 1)",
        "data y[n] ~ Gamma(k, r)",
        positive,
    ),
    "a hyperparameter": (
        "param b[3] : real ~ Normal(0, 1)\nparam c : real ~ Normal(b[0] * b[1], 1)",
        "data y[n] : bool ~ Bernoulli(logit = c + dot([b[0], b[1], b[2]], [1, v[n], v[n]^2]))",
        boolean,
    ),
    "let predictors": (
        "const c = [0.5, -1]\nparam a : real\nparam b : real[2]",
        (
            "let e[n] = a + dot(b, u[n]) + c[1] * v[n]\n"
            "data y[n] : count ~ Poisson(log = e[n])\n"
            "data x[n] : bool ~ Bernoulli(logit = e[n] / 2)"
        ),
        lambda rng: count(rng) | {"x": boolean(rng)["y"]},
    ),
    # -- numeric parameters of other kinds --
    "ordered": (
        "param c : ordered[2]\nparam b : real",
        (
            "let e[n] = b * v[n]\nlet lo[n] = logistic(c[0] - e[n])\n"
            "let hi[n] = logistic(c[1] - e[n])\n"
            "data y[n] : category[3] ~ Categorical([lo[n], hi[n] - lo[n], 1 - hi[n]])"
        ),
        category,
    ),
    "a simplex": (
        "param p : simplex[3]",
        "data y[n] : count ~ Poisson(dot(p, [1 + t[n], 2, t[n]^2]))",
        count,
    ),
    "simplices of a mixture": (
        "param w : simplex[2]\nparam p[2] : simplex[2]",
        (
            "latent z[n] ~ Categorical(w)\n"
            "data y[n] : count ~ Poisson(p[z[n], 0] * t[n] + 3 * p[z[n], 1])"
        ),
        count,
    ),
    "a unit": ("param p : unit", "data y[n] : count ~ Poisson(p * t[n] + (1 - p) * 4)", count),
    "linkage": (
        "param p : unit",
        "data y[n] : category[3] ~ Categorical([1/2 + p/4, (1 - p)/4, 1/4])",
        category,
    ),
}

DENSITIES = """
density Logistic1(x : real; m : real, s : positive) = exp((m - x)/s) / (s*(1 + exp((m - x)/s))^2)
density Gumbel1(x : real; m : real, s : positive) = exp(-(x - m) / s - exp(-(x - m) / s)) / s
density Kumaraswamy1(x : unit; a, b : positive) = a * b * x^(a - 1) * (1 - x^a)^(b - 1)
""".strip().splitlines()

# whole models: plates and chains of their own
WHOLE: dict[str, tuple[str, Callable[[np.random.Generator], Data]]] = {
    "input-output chain": (
        """
        param start : simplex[2]
        param g[2] : real[2, P]
        param m[2] : real
        for t in T:
            input u[t] : real[P]
            latent z[t] ~ Categorical(start) if t == 0 else Categorical(softmax(g[z[t-1]] @ u[t]))
            data y[t] ~ Normal(m[z[t]], 1)
        """,
        lambda rng: {"y": rng.normal(size=N), "u": rng.normal(size=(N, 2))},
    ),
    "chain of gammas": (
        """
        param start : simplex[2]
        param trans[2] : simplex[2]
        param k[2], r[2] : positive
        for t in T:
            latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
            data y[t] ~ Gamma(k[z[t]], r[z[t]])
        """,
        positive,
    ),
    "switching autoregression": (
        """
        param start : simplex[2]
        param trans[2] : simplex[2]
        param a[2], b[2] : real
        for t in T:
            latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
            data y[t] : count ~ Poisson(2) if t == 0 else Poisson(log = a[z[t]] + b[z[t]] * y[t-1])
        """,
        count,
    ),
    "sequences with a transition regression": (
        """
        param start : unit
        param a[2] : real
        param b : real
        param p[2] : unit
        for s in S:
            for t in T[s]:
                input u[s, t] : real
                latent z[s, t] : bool ~ (Bernoulli(start) if t == 0
                    else Bernoulli(logit = a[z[s, t-1]] + b * u[s, t]))
                data y[s, t] : bool ~ Bernoulli(p[z[s, t]])
        """,
        lambda rng: {"y": rng.integers(0, 2, 8), "u": rng.normal(size=8), "T": np.array([3, 1, 4])},
    ),
    "weighted sequences": (
        """
        param start : simplex[2]
        param trans[2] : simplex[2]
        param m[2], s[2] : positive
        for s_ in S times f[s_]:
            for t in T[s_]:
                latent z[s_, t] ~ Categorical(start) if t == 0 else Categorical(trans[z[s_, t-1]])
                data y[s_, t] ~ Weibull(m[z[s_, t]], s[z[s_, t]])
        """,
        lambda rng: {
            "y": rng.gamma(2.0, size=8),
            "f": np.array([2.0, 0.5, 1.0]),
            "T": np.array([3, 1, 4]),
        },
    ),
    "weights": (
        """
        param w : simplex[2]
        param b[2] : real[P]
        for n in N times f[n]:
            input u[n] : real[P]
            latent z[n] ~ Categorical(w)
            data y[n] : count ~ Poisson(log = b[z[n]] @ u[n])
        """,
        lambda rng: (
            count(rng)
            | {"u": rng.normal(size=(N, 2)), "f": rng.integers(0, 4, N) + 0.5 * (np.arange(N) > 2)}
        ),
    ),
    "counted rows": (
        """
        param k, r : positive
        for n in N times f[n]:
            data y[n] : count ~ NegativeBinomial(k, alpha_to_p(r))
        """.replace("NegativeBinomial(k, alpha_to_p(r))", "NegativeBinomial(alpha = k, beta = r)"),
        lambda rng: {"y": np.arange(N), "f": rng.integers(0, 9, N)},
    ),
    "latents of groups": (
        """
        param w : simplex[2]
        param b[2] : real[P]
        for i in I:
            latent c[i] ~ Categorical(w)
        for r in R:
            input item[r] : index[I]
            input u[r] : real[P]
            data y[r] : bool ~ Bernoulli(logit = b[c[item[r]]] @ u[r])
        """,
        lambda rng: {
            "item": np.array([0, 0, 1, 2, 1, 2, 0]),
            "u": rng.normal(size=(N, 2)),
            "y": rng.integers(0, 2, N),
        },
    ),
    "nested plates with latents": (
        """
        param w : simplex[2]
        param v[2] : simplex[2]
        param b[2, 2] : real
        param c : real
        for i in I:
            latent g[i] ~ Categorical(w)
            for j in J[i]:
                input u[i, j] : real
                latent z[i, j] ~ Categorical(v[g[i]])
                data y[i, j] : count ~ Poisson(log = b[g[i], z[i, j]] + c * u[i, j])
        """,
        lambda rng: {"y": rng.poisson(2.0, 6), "u": rng.normal(size=6), "J": np.array([1, 3, 2])},
    ),
    "two plates": (
        """
        param b : real[P]
        param s : positive
        for n in N:
            input u[n] : real[P]
            data y[n] : bool ~ Bernoulli(logit = b @ u[n])
        for m in M:
            input v[m] : real[P]
            data x[m] ~ StudentT(5, b @ v[m], s)
        """,
        lambda rng: (
            boolean(rng)
            | {"u": rng.normal(size=(N, 2)), "v": rng.normal(size=(4, 2)), "x": rng.normal(size=4)}
        ),
    ),
    "a tree": (
        """
        param start : unit
        param g[2] : real[2]
        param m[2], s[2] : positive
        for t in T:
            input up[t] : index[T]
            input u[t] : real[2]
            latent z[t] : bool ~ (Bernoulli(start) if up[t] < 0
                else Bernoulli(logit = dot(g[z[up[t]]], u[t])))
            data y[t] ~ Gamma(m[z[t]], s[z[t]])
        """,
        lambda rng: (
            positive(rng) | {"up": np.array([-1, 0, 0, 1, 2, 2, 3]), "u": rng.normal(size=(N, 2))}
        ),
    ),
    "partly labelled": (
        """
        param b[3] : real[P]
        param k[3] : positive
        for n in N:
            input u[n] : real[P]
            data z[n] : category[3] ~ Categorical(softmax(b @ u[n]))
            data y[n] ~ Gamma(k[z[n]], 1)
        """,
        lambda rng: (
            positive(rng)
            | {"u": rng.normal(size=(N, 2)), "z": np.array([0, 1, 2, np.nan, np.nan, 1, np.nan])}
        ),
    ),
}

NAMES = (*MODELS, *WHOLE)


def text(name: str) -> str:
    """The model file."""
    if name in WHOLE:
        return "model Live\n" + dedent(WHOLE[name][0])
    above, inside, _ = MODELS[name]
    used = f"{above}\n{inside}"
    inputs = [
        f"input {x}[n] : {kind}"
        for x, kind in (("u", "real[P]"), ("v", "real"), ("t", "positive"))
        if f"{x}[n]" in used
    ]
    lines = "\n".join([*inputs, inside])
    if "u[n]" in used and not re.search(r"[\[ ]P\]", above):
        lines = lines.replace("real[P]", "real[2]")
    top = "".join(f"{d}\n" for d in DENSITIES if d.split("(")[0].split()[-1] in used)
    return f"{top}model Live\n{above}\nfor n in N:\n{indent(lines, '    ')}\n"


def case(name: str, seed: int = 3) -> Case:
    """The model compiled, with data and random parameters."""
    rng = np.random.default_rng(seed)
    written = text(name)
    make = WHOLE[name][1] if name in WHOLE else MODELS[name][2]
    data = {k: np.asarray(v, dtype=float) for k, v in make(rng).items()}
    if name not in WHOLE:
        more = {
            "u": np.column_stack([np.ones(N), rng.normal(size=N)]),
            "v": rng.normal(size=N),
            "t": rng.uniform(0.5, 3.0, N),
            "k": np.arange(N) % 3,
        }
        data |= {
            k: v.astype(float)
            for k, v in more.items() if f"{k}[n]" in written and f"{k}[n] ~" not in written
        }  # fmt: skip
    compiled = compile_source(Source(written, f"{name}.em"))
    module = import_text(compiled.module, compiled.model.name)
    sizes = bind(module.PROGRAM.meta, data, {}).layout.sizes
    params = {p.name: value(p.kind, param_shape(p, sizes), rng) for p in module.PROGRAM.meta.params}
    return Case(compiled, module, data, params)


def value(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """A random value of a type."""
    match kind:
        case "positive":
            return rng.uniform(0.6, 2.5, shape)
        case "unit":
            return rng.uniform(0.2, 0.8, shape)
        case "simplex":
            return rng.dirichlet(np.full(shape[-1], 3.0), size=shape[:-1])
        case "ordered":
            return np.sort(rng.normal(size=shape), axis=-1)
        case _:
            return 0.7 * rng.normal(size=shape)
