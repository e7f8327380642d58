"""Models with continuous latents of every kind, as users write them, and data to fit them to."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.compiler import compile_source, import_text
from emdsl.source import Source

TEXTS = {
    "factors": """model Factors(L = 1)
param W : real[D, L]
param mu : real[D]
param noise : positive[D]
for n in N:
    latent f[n] : real[L] ~ MvNormal(zeros[L], eye[L])
    data x[n] : real[D] ~ MvNormal(W @ f[n] + mu, diag(noise))
""",
    "level": """model Level
param m0 : real
param q, r : positive
for t in T:
    latent z[t] ~ Normal(m0, var = q) if t == 0 else Normal(z[t-1], var = q)
    data x[t] ~ Normal(z[t], var = r)
""",
    "groups": """model Groups
param mean : real
param tau, sigma : positive
for g in G:
    latent b[g] ~ Normal(mean, tau)
for n in N:
    input group[n] : index[G]
    data x[n] ~ Normal(b[group[n]], sigma)
""",
    "slopes": """model Slopes
param beta : real[P]
param cov : posdef[P]
param sigma : positive
for g in G:
    latent b[g] : real[P] ~ MvNormal(beta, cov)
for n in N:
    input group[n] : index[G]
    input u[n] : real[P]
    data x[n] ~ Normal(dot(b[group[n]], u[n]), sigma)
""",
    "tails": """model Tails
param mu : real
param s2, nu : positive
for n in N:
    latent u[n] ~ Gamma(nu / 2, nu / 2)
    data x[n] ~ Normal(mu, var = s2 / u[n])
""",
    "counts": """model Counts
param a, b : positive
for n in N:
    latent u[n] ~ Gamma(a, b)
    data y[n] : count ~ Poisson(u[n])
""",
    "mixture": """model Mixture(K = 2, L = 1)
param w : simplex[K]
param W[K] : real[D, L]
param mu[K] : real[D]
param noise : positive[D]
for n in N:
    latent z[n] ~ Categorical(w)
    latent f[n] : real[L] ~ MvNormal(zeros[L], eye[L])
    data x[n] : real[D] ~ MvNormal(W[z[n]] @ f[n] + mu[z[n]], diag(noise))
""",
}

ROWS = 60


@cache
def module(name: str) -> Any:
    return import_text(compile_source(Source(TEXTS[name], f"{name}.em")).module, name)


def data_of(name: str) -> dict[str, NDArray[Any]]:
    """Data drawn from about the model: 60 rows, 12 groups of 5."""
    rng = np.random.default_rng(1)
    factor = rng.normal(size=ROWS)
    noise = rng.normal(size=(ROWS, 4)) * [0.5, 1, 0.7, 0.3]
    x = np.outer(factor, [1, 2, -1, 0.5]) + noise + [1, 2, 3, 4]
    group = np.repeat(np.arange(12), 5)
    u = np.c_[np.ones(ROWS), np.tile(np.arange(5.0), 12)]
    effect = rng.normal(size=(12, 2)) * [2, 0.7] + [5, 1]
    one = rng.normal(size=ROWS)
    match name:
        case "factors":
            return {"x": x}
        case "mixture":
            return {"x": np.r_[x, x + 8.0]}
        case "level":
            return {"x": np.cumsum(rng.normal(size=ROWS)) + one}
        case "groups":
            return {"x": 1.5 * rng.normal(size=12)[group] + one + 3.0, "group": group}
        case "slopes":
            return {"x": (effect[group] * u).sum(axis=1) + one, "group": group, "u": u}
        case "tails":
            return {"x": rng.standard_t(4, size=ROWS)}
        case _:
            return {"y": rng.negative_binomial(3, 0.4, size=ROWS)}
