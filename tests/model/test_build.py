"""Models → graphs, as text: what each name, size and type comes out as."""

from __future__ import annotations

import pytest

from emdsl.model.build import build
from emdsl.model.show import show
from emdsl.source import Source
from emdsl.syntax.parse import parse

# What is written, and what it comes out as.
TABLE = {
    "lets are written out, with their indices shifted and gathered": (
        """
model Lets
for t in T:
    data x[t] ~ Normal(e[t] + f + g[t-1], 1) if t > 1 else Normal(0, 1)
    let e[t] = a * u[t]
    let f = e[t-1]
    let g[t] = u[t-1]
    input u[t] : real
for m in M:
    input at[m] : index[T]
    data y[m] ~ Normal(e[at[m]], 1)
param a : real
""",
        """
model Lets
size T: dimension 0 of x; dimension 0 of u
size M: dimension 0 of at; dimension 0 of y
plate t in T
plate m in M
param a : real
data x[t] : real ~ Normal(a * u[t] + a * u[t - 1] + u[t - 2], 1) if t > 1 else Normal(0, 1)
input u[t] : real
input at[m] : index[T]
data y[m] : real ~ Normal(a * u[at[m]], 1)
let e[t] = a * u[t]
let f[t] = a * u[t - 1]
let g[t] = u[t - 1]
""",
    ),
    "a plate written twice is one axis; inside of another plate it is its own": (
        """
model Axes
for j in J:
    latent d[j] ~ Normal(0, 1)
for i in I:
    latent b[i] ~ Normal(0, 1)
    for j in J:
        data y[i, j] ~ Normal(d[j] + b[i], 1)
for i in I:
    data w[i] ~ Normal(b[i], 1)
""",
        """
model Axes
size J: dimension 1 of y
size I: dimension 0 of y; dimension 0 of w
plate j in J
plate i in I
plate j_2 in J, inside i
latent d[j] : real ~ Normal(0, 1)
latent b[i] : real ~ Normal(0, 1)
data y[i, j_2] : real ~ Normal(d[j_2] + b[i], 1)
data w[i] : real ~ Normal(b[i], 1)
""",
    ),
    "latents that look back at each other; a type from the arm that starts the chain": (
        """
model Mutual
param a, c : real
param Q : posdef[2]
for t in T:
    latent z[t] ~ Normal(0, 1) if t == 0 else Normal(a * w[t-1], 1)
    latent w[t] ~ Normal(z[t], 1)
    latent v[t] ~ MvNormal([0, 0], Q) if t == 0 else MvNormal(v[t-1], Q)
    data x[t] ~ Normal(w[t] + v[t, 1], 1)
""",
        """
model Mutual
size T: dimension 0 of x
plate t in T
param a : real
param c : real
param Q : posdef[2]
latent z[t] : real ~ Normal(0, 1) if t == 0 else Normal(a * w[t - 1], 1)
latent w[t] : real ~ Normal(z[t], 1)
latent v[t] : real[2] ~ MvNormal([0, 0], Q) if t == 0 else MvNormal(v[t - 1], Q)
data x[t] : real ~ Normal(w[t] + v[t, 1], 1)
""",
    ),
    "a parent array; an input that marks the roots": (
        """
model Tree(K = 2)
param start : simplex[K]
param trans[K] : simplex[K]
param rate[K] : positive
for t in T:
    input parent[t] : index[T]
    input root[t] : bool
    latent z[t] ~ Categorical(start) if root[t] else Categorical(trans[z[parent[t]]])
    data x[t] ~ Poisson(rate[z[t]])
""",
        """
model Tree
size K: chosen when fitting, 2 by default
size T: dimension 0 of parent; dimension 0 of root; dimension 0 of x
plate t in T
param start : simplex[K]
param trans[K] : simplex[K]
param rate[K] : positive
input parent[t] : index[T]
input root[t] : bool
latent z[t] : category[K] ~ Categorical(start) if root[t] else Categorical(trans[z[parent[t]]])
data x[t] : count ~ Poisson(rate[z[t]])
""",
    ),
    "constants folded, as sizes, as arrays, with a row of a prior for each row": (
        """
model Consts
const K = 3
const half = 1 / 2
const w = [half, -(1 / 4) + 1 / 2, 0.25]
const offset : real[D]
const prior[K] : positive[K] = [[9, 1, 1], [1, 9, 1], [1, 1, 9]]
param trans[K] : simplex[K] ~ Dirichlet(prior)
param m : real[D] ~ Normal(0, 10)
for n in N:
    latent z[n] ~ Categorical(w)
    latent y[n] ~ Categorical(trans[z[n]])
    data x[n] ~ Normal(m + offset, 1 + K) if y[n] == 0 else Normal(0, 1)
""",
        """
model Consts
size N: dimension 0 of x
size D: dimension 0 of offset; dimension 1 of x
plate n in N
const K : count = 3
const half : positive = 0.5
const w : positive[3] = [0.5, 0.25, 0.25]
const offset : real[D] = given when fitting
const prior : positive[3] each of 3 = [[9, 1, 1], [1, 9, 1], [1, 1, 9]]
param trans[3] : simplex[3] ~ Dirichlet(prior)
param m : real[D] ~ Normal(0, 10)
latent z[n] : category[3] ~ Categorical(w)
latent y[n] : category[3] ~ Categorical(trans[z[n]])
data x[n] : real[D] ~ Normal(m + offset, 1 + K) if y[n] == 0 else Normal(0, 1)
""",
    ),
    "alternative arguments, a default from the variate, wrappers": (
        """
model Arguments(K = 2)
param p : unit
param s ~ Gamma(2, scale = 3)
param m[K] ~ Normal(0, 1)
for n in N:
    latent b[n] ~ Beta(mean = p, precision = 3)
    input trials[n] : count
    data y[n] : count[2] ~ Multinomial(p = softmax([m[0], 2]))
    data k[n] ~ Binomial(trials[n], b[n])
    data c[n] ~ Censored(Normal(m, s), lower = -1, upper = 1)
""",
        """
model Arguments
size K: chosen when fitting, 2 by default; dimension 1 of c
size N: dimension 0 of trials; dimension 0 of y; dimension 0 of k; dimension 0 of c
plate n in N
param p : unit
param s : positive ~ Gamma(2, scale = 3)
param m[K] : real ~ Normal(0, 1)
latent b[n] : unit ~ Beta(mean = p, precision = 3)
input trials[n] : count
data y[n] : count[2] ~ Multinomial(p = softmax([m[0], 2]))
data k[n] : count ~ Binomial(trials[n], b[n])
data c[n] : real[K] ~ Censored(Normal(m, s), lower = -1, upper = 1)
""",
    ),
    "one type for all the arms of a choice": (
        """
model Choices
param s : positive
param p : real
for n in N:
    latent z[n] ~ Categorical(logit = [p, -1, 2])
    latent l[n] ~ Truncated(Normal(0, 1), lower = 0)
    data x[n] ~ case z[n]:
        0: Normal(0, s)
        1: Normal(l[n], s)
        2: Gamma(1, 1)
    data h[n] ~ Gamma(1, 1) if z[n] == 1 else Delta(0)
""",
        """
model Choices
size N: dimension 0 of x; dimension 0 of h
plate n in N
param s : positive
param p : real
latent z[n] : category[3] ~ Categorical(logit = [p, -1, 2])
latent l[n] : positive ~ Truncated(Normal(0, 1), lower = 0)
data x[n] : real ~ Normal(0, s) if z[n] == 0 else Normal(l[n], s) if z[n] == 1 else Gamma(1, 1)
data h[n] : real ~ Gamma(1, 1) if z[n] == 1 else Delta(0)
""",
    ),
    "declared types that fit": (
        """
model Types(K = 2)
param eta[K] : real[V]
for n in N:
    data e[n] : category[V] ~ Categorical(softmax(eta[0]))
    data f[n] : bool[3] ~ Bernoulli(0.5)
    data g[n] : positive ~ Normal(0, 1)
    data i[n] : int ~ Normal(0, 1)
""",
        """
model Types
size K: chosen when fitting, 2 by default
size N: dimension 0 of e; dimension 0 of f; dimension 0 of g; dimension 0 of i
size V: 1 + the largest e
plate n in N
param eta[K] : real[V]
data e[n] : category[V] ~ Categorical(softmax(eta[0]))
data f[n] : bool[3] ~ Bernoulli(0.5)
data g[n] : positive ~ Normal(0, 1)
data i[n] : int ~ Normal(0, 1)
""",
    ),
    "weights that nothing declares, of an outer plate, or that are a const": (
        """
model Weights
for s in S:
    for t in T[s] times freq[s]:
        data x[s, t] ~ Normal(0, 1)
for m in M times w[m]:
    data y[m] ~ Normal(0, 1)
const w : positive[M]
""",
        """
model Weights
size S: dimension 0 of x; dimension 0 of freq
size T[s]: dimension 1 of x
size M: dimension 0 of y; dimension 0 of w
plate s in S
plate t in T[s] times freq[s], inside s
plate m in M times w[m]
const w : positive[M] = given when fitting
input freq[s] : positive
data x[s, t] : real ~ Normal(0, 1)
data y[m] : real ~ Normal(0, 1)
""",
    ),
}


def shown(text: str) -> str:
    source = Source(text)
    return show(build(parse(source), source)[0])


@pytest.mark.parametrize("what", TABLE)
def test_table(what: str) -> None:
    written, graph = TABLE[what]
    assert shown(written) == graph.removeprefix("\n")
