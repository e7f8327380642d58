"""Predictors in every place of a model, as texts, with data drawn for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

N = 120
Data = dict[str, Any]
Floats = NDArray[np.float64]

_RNG = np.random.default_rng(11)
U = np.column_stack([np.ones(N), _RNG.normal(size=(N, 2))])
LINE = U @ np.array([0.3, 0.8, -0.5])
HALF = _RNG.random(N) < 0.4  # of one class
TURNS = np.arange(N) // 15 % 2 == 1  # of one state
WHO = np.repeat(np.arange(24), 5)
TIME = np.linspace(0.1, 5.0, N)


def yes(line: Floats, seed: int) -> NDArray[np.int64]:
    chance = 1 / (1 + np.exp(-line))
    return (np.random.default_rng(seed).random(line.shape) < chance).astype(int)


def counts(log: Floats, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).poisson(np.exp(log))


def noise(seed: int) -> Floats:
    return np.random.default_rng(seed).normal(size=N)


def chain(params: str, emission: str) -> str:
    return f"""
model A(K = 2)
param start    : simplex[K]
param trans[K] : simplex[K]
{params}
for t in T:
    latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
    data   x[t] {emission}
"""


def logistic(prior: str) -> str:
    return f"""
model A
param intercept : real
param beta      : real[P] ~ {prior}
for n in N:
    input u[n] : real[P]
    data  y[n] : bool ~ Bernoulli(logit = intercept + dot(beta, u[n]))
"""


def shapes(prior: str) -> str:
    return f"""
model A(K = 2)
param weight   : simplex[K] ~ Dirichlet(2 * ones[K])
param shape[K] : positive ~ {prior}
param rate[K]  : positive ~ {prior}
for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Gamma(shape[z[n]], rate[z[n]])
"""


def two_gammas() -> Data:
    rng = np.random.default_rng(1)
    return {"x": np.where(HALF, rng.gamma(6, 1, N), rng.gamma(2, 0.4, N))}


def answers() -> Data:
    return {"u": U[:, 1:], "y": yes(LINE, 2)}


# what it shows: the model and its data
REGRESSIONS: dict[str, tuple[str, Callable[[], Data]]] = {
    "exposure as a factor": (
        """
model A
param beta : real[P]
for n in N:
    input u[n]     : real[P]
    input years[n] : positive
    data  y[n] : count ~ Poisson(years[n] * exp(dot(beta, u[n])))
""",
        lambda: {"u": U, "years": 1 + TIME, "y": counts(LINE + np.log(1 + TIME), 3)},
    ),
    "lifetimes": (
        """
model A
param beta  : real[P]
param shape : positive
for n in N:
    input u[n] : real[P]
    data  y[n] ~ Weibull(shape, exp(dot(beta, u[n])))
""",
        lambda: {"u": U, "y": np.exp(LINE) * np.random.default_rng(4).weibull(1.7, N)},
    ),
    "shares": (
        """
model A
param beta : real[P]
param phi  : positive
for n in N:
    input u[n] : real[P]
    data  y[n] ~ Beta(logit = dot(beta, u[n]), precision = phi)
""",
        lambda: {"u": U, "y": 1 / (1 + np.exp(-LINE - 0.5 * noise(5)))},
    ),
    "a class of each person": (
        """
model A(K = 2)
param weight  : simplex[K]
param beta[K] : real[P]
for i in I:
    latent z[i] ~ Categorical(weight)
for n in N:
    input who[n] : index[I]
    input u[n]   : real[P]
    data  y[n]   : bool ~ Bernoulli(logit = dot(beta[z[who[n]]], u[n]))
""",
        lambda: {"u": U, "who": WHO, "y": yes(np.where(WHO % 2 == 0, 2, -1.5) * LINE, 6)},
    ),
    "a nonlinear mean": (
        """
model A
param top, half, sd : positive
for n in N:
    input dose[n] : positive
    data  y[n] ~ Normal(top * dose[n] / (half + dose[n]), sd)
""",
        lambda: {"dose": TIME, "y": 3 * TIME / (1 + TIME) + 0.1 * noise(7)},
    ),
    "growth": (
        """
model A
param top, rate, sd : positive
param mid : real
for n in N:
    input time[n] : real
    data  y[n] ~ Normal(top * logistic(rate * (time[n] - mid)), sd)
""",
        lambda: {"time": TIME, "y": 2 / (1 + np.exp(-1.5 * (TIME - 2))) + 0.1 * noise(8)},
    ),
    "gaps in two outcomes": (
        """
model A(K = 2)
param weight  : simplex[K]
param beta[K] : real[P]
for n in N:
    input  u[n] : real[P]
    latent z[n] ~ Categorical(weight)
    data   y[n] : count ~ Poisson(log = dot(beta[z[n]], u[n]))
    data   x[n] ~ Normal(dot(beta[z[n]], u[n]), 1)
""",
        lambda: {
            "u": U[:, :2],
            "y": np.where(np.arange(N) % 9 == 0, np.nan, counts(np.where(HALF, 2.5, LINE), 9)),
            "x": np.where(np.arange(N) % 7 == 0, np.nan, np.where(HALF, 2.5, LINE) + noise(10)),
        },
    ),
    "a predictor in each state": (
        chain("param beta[K] : real[P]", ": count ~ Poisson(log = dot(beta[z[t]], u[t]))").replace(
            "for t in T:\n", "for t in T:\n    input  u[t] : real[P]\n"
        ),
        lambda: {"u": U, "x": counts(np.where(TURNS, 1.5 + LINE, 0.2 - LINE), 11)},
    ),
    "negative binomial states": (
        chain("param m[K], r[K] : positive",
            ": count ~ NegativeBinomial(mu = m[z[t]], phi = r[z[t]])",
        ),
        lambda: {"x": np.random.default_rng(12).negative_binomial(2, np.where(TURNS, 0.1, 0.4))},
    ),
    "Weibull states": (
        chain("param k[K], s[K] : positive", "~ Weibull(k[z[t]], s[z[t]])"),
        lambda: {"x": np.where(TURNS, 5, 1) * np.random.default_rng(13).weibull(2, N)},
    ),
    "Beta states": (
        chain("param a[K], b[K] : positive", "~ Beta(a[z[t]], b[z[t]])"),
        lambda: {"x": np.random.default_rng(14).beta(np.where(TURNS, 5, 2), np.where(TURNS, 2, 6))},
    ),
    "t states": (
        chain(
            "param m[K] : real\nparam s[K], nu[K] : positive",
            "~ StudentT(nu[z[t]], m[z[t]], s[z[t]])",
        ),
        lambda: {"x": 4.0 * TURNS + np.random.default_rng(15).standard_t(3, N)},
    ),
    "Dirichlet states": (
        chain("param a[K] : positive[D]", ": simplex[D] ~ Dirichlet(a[z[t]])"),
        lambda: {
            "x": np.where(
                TURNS[:, None],
                np.random.default_rng(16).dirichlet([5, 2, 1], N),
                np.random.default_rng(17).dirichlet([1, 2, 6], N),
            )
        },
    ),
    "a shape that states share": (
        chain("param a : positive\nparam b[K] : positive", "~ Gamma(a, b[z[t]])"),
        lambda: {"x": np.where(TURNS, 6, 1) * np.random.default_rng(18).gamma(3, 1, N)},
    ),
    "several outcomes in a plate": (
        """
model A
param level    : real[J]
param slope[J] : real[P]
for n in N:
    input u[n] : real[P]
    for j in J:
        data y[n, j] : bool ~ Bernoulli(logit = level[j] + dot(slope[j], u[n]))
""",
        lambda: {"u": U[:, 1:], "y": yes(LINE[:, None] * np.array([1, -0.5, 0.2]), 19)},
    ),
    "several outcomes in an array": (
        """
model A
param level : real[J]
param slope : real[J, P]
for n in N:
    input u[n] : real[P]
    data  y[n] : bool[J] ~ Bernoulli(logit = level + slope @ u[n])
""",
        lambda: {"u": U[:, 1:], "y": yes(LINE[:, None] * np.array([1, -0.5, 0.2]), 19)},
    ),
    "one predictor of two outcomes": (
        """
model A
param beta : real[P]
param sd   : positive
for n in N:
    input u[n] : real[P]
    data  x[n] ~ Normal(dot(beta, u[n]), sd)
    data  y[n] : count ~ Poisson(log = dot(beta, u[n]))
""",
        lambda: {"u": U, "x": LINE + 0.5 * noise(20), "y": counts(LINE, 21)},
    ),
    "a latent as a number": (
        """
model A(K = 3)
param weight : simplex[K]
param a, b   : real
for n in N:
    latent z[n] ~ Categorical(weight)
    data   y[n] : count ~ Poisson(log = a + b * z[n])
""",
        lambda: {"y": counts(1.4 * (np.arange(N) % 3), 22)},
    ),
    "gates above nested rows": (
        """
model A(H = 2, K = 2)
param top[H]  : real[P]
param mix[H]  : real[K]
param rate[K] : positive
for g in G:
    input  u[g] : real[P]
    latent h[g] ~ Categorical(softmax(top @ u[g]))
    for n in N[g]:
        latent z[g, n] ~ Categorical(softmax(mix[h[g]]))
        data   y[g, n] : count ~ Poisson(rate[z[g, n]])
""",
        lambda: {"u": U[:24, :2], "g": WHO, "y": counts(np.where(WHO % 2 == 0, 2.2, 0.7), 23)},
    ),
    "a gate along a tree": (
        """
model A(K = 2)
param start   : simplex[K]
param gate[K] : real[K, P]
param mean[K] : real
param sd      : positive
for t in T:
    input  up[t] : index[T]
    input  u[t]  : real[P]
    latent z[t] ~ Categorical(start) if up[t] < 0 else Categorical(softmax(gate[z[up[t]]] @ u[t]))
    data   x[t] ~ Normal(mean[z[t]], sd)
""",
        lambda: {
            "up": np.where(np.arange(N) > 0, (np.arange(N) - 1) // 2, -1),
            "u": U[:, :2],
            "x": 3.0 * HALF + noise(24),
        },
    ),
    "lagged inputs in transitions": (
        """
model A
param stay[2], mean[2] : real
param tilt             : real
param sd               : positive
for t in T:
    input  u[t] : real
    latent z[t] ~ Bernoulli(1/2) if t == 0 else Bernoulli(logit = stay[z[t-1]] + tilt * u[t-1])
    data   x[t] ~ Normal(mean[z[t]], sd)
""",
        lambda: {"u": U[:, 1], "x": 3.0 * TURNS + noise(25)},
    ),
    "zero inflation in a chain": (
        """
model A(K = 2)
param start    : simplex[K]
param trans[K] : simplex[K]
param gate[K]  : real
param beta[K]  : real[P]
for t in T:
    input  u[t]  : real[P]
    latent z[t]  ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
    latent on[t] ~ Bernoulli(logit = gate[z[t]])
    data   y[t]  : count ~ Poisson(log = dot(beta[z[t]], u[t])) if on[t] else Delta(0)
""",
        lambda: {
            "u": U[:, :2],
            "y": np.where(noise(26) < -0.6, 0, counts(np.where(TURNS, 2, 0.2), 27)),
        },
    ),
    "counts in categories": (
        """
model A
param beta[V] : real[P]
for n in N:
    input u[n] : real[P]
    data  y[n] : count[V] ~ Multinomial(p = softmax(beta @ u[n]))
""",
        lambda: {"u": U, "y": counts(np.column_stack([0 * LINE + 1, 1 + LINE, 1 - LINE]), 28)},
    ),
    "weights of rows": (
        """
model A(K = 2)
param weight  : simplex[K]
param beta[K] : real[P]
for n in N times f[n]:
    input  u[n] : real[P]
    latent z[n] ~ Categorical(weight)
    data   y[n] : count ~ Poisson(log = dot(beta[z[n]], u[n]))
""",
        lambda: {"u": U, "y": counts(np.where(HALF, 1 + LINE, -LINE), 29), "f": 1.5 + HALF},
    ),
    "one gate twice": (
        """
model A(K = 2)
param gate[K]    : real[P]
param m[K], l[K] : real
for n in N:
    input  u[n] : real[P]
    latent a[n] ~ Categorical(softmax(gate @ u[n]))
    latent b[n] ~ Categorical(softmax(gate @ u[n]))
    data   x[n] ~ Normal(m[a[n]] + l[b[n]], 1)
""",
        lambda: {"u": U, "x": LINE + 2 * noise(30)},
    ),
    "a spread in each component": (
        """
model A(K = 2)
param weight           : simplex[K]
param beta[K], tilt[K] : real[P]
for n in N:
    input  u[n] : real[P]
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Normal(dot(beta[z[n]], u[n]), exp(dot(tilt[z[n]], u[n])))
""",
        lambda: {"u": U[:, :2], "x": np.where(HALF, 4 + LINE, -LINE) + noise(31)},
    ),
    "parameters that multiply": (
        """
model A
param a, b, c : real
param sd      : positive
for n in N:
    input x[n] : real
    input w[n] : real
    data  y[n] ~ Normal(a * x[n] + b * w[n] + a * b * c, sd)
""",
        lambda: {"x": U[:, 1], "w": U[:, 2], "y": LINE + 0.3 * noise(32)},
    ),
    "levels around a mean": (
        """
model A
param level[G] : real ~ Normal(m, 1)
param m        : real
for n in N:
    input g[n] : category[G]
    data  y[n] : bool ~ Bernoulli(logit = level[g[n]])
""",
        lambda: {"g": np.arange(N) % 5, "y": yes(0.5 * (np.arange(N) % 5) - 1.0, 33)},
    ),
    "seasons": (
        """
model A
param level, a, b : real
for t in T:
    input day[t] : real
    data  y[t] : count ~ Poisson(log = level + a * cos(day[t]) + b * sin(day[t]))
""",
        lambda: {"day": 2 * TIME, "y": counts(1 + 0.5 * np.cos(2 * TIME), 34)},
    ),
    "counts that remember": (
        """
model A
param a, b : positive
for t in T:
    data y[t] : count ~ Poisson(a) if t == 0 else Poisson(a + b * y[t-1])
""",
        lambda: {"y": counts(1.0 + 0 * TIME, 35)},
    ),
    "a Cauchy prior": (logistic("Cauchy(0, 1)"), answers),
    "a t prior": (logistic("StudentT(4, 0, 1)"), answers),
    "a prior by another parameter": (
        logistic("Normal(0, scale)").replace(
            "for n", "param scale : positive ~ Gamma(3, 2)\nfor n"
        ),
        answers,
    ),
    "a Gamma prior of shapes": (shapes("Gamma(2, 1)"), two_gammas),
    "a LogNormal prior of shapes": (shapes("LogNormal(0, 1)"), two_gammas),
    "an InverseGamma prior of shapes": (shapes("InverseGamma(2, 1)"), two_gammas),
    "a HalfNormal prior of shapes": (shapes("HalfNormal(2)"), two_gammas),
}  # fmt: skip
