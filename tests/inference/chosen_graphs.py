"""Discrete graphs of every kind, written by hand: text, and the cells of each array.

Ragged plates' arrays are rows, with the lengths under the size's name; None is a gap.
"""

from __future__ import annotations

from typing import Any

CHOSEN: dict[str, tuple[str, dict[str, Any]]] = {
    "a ragged hidden Markov model": (
        """
        param start : simplex[2]
        param trans[2] : simplex[2]
        param emit[2] : simplex[3]
        for s in S times w[s]:
            for t in T[s]:
                latent z[s, t] ~ Categorical(start) if t == 0 else Categorical(trans[z[s, t-1]])
                data x[s, t] : category[3] ~ Categorical(emit[z[s, t]])
        """,
        {"T": [4, 1, 3], "w": [1.0, 2.0, 0.5], "x": [0, 1, None, 2, 1, 0, 0, 2]},
    ),
    "chains given a latent of another plate": (
        """
        param kind : simplex[2]
        param start : simplex[2]
        param trans[2, 2] : simplex[2]
        param mean[2] : real
        for i in I:
            latent c[i] ~ Categorical(kind)
            data u[i] ~ Normal(mean[c[i]], 1)
        for s in S:
            input who[s] : index[I]
            for t in T[s]:
                latent z[s, t] ~ case t:
                    0: Categorical(start)
                    else: Categorical(trans[z[s, t-1], c[who[s]]])
                data x[s, t] ~ Normal(mean[z[s, t]], 1)
        """,
        {
            "T": [3, 1, 2],
            "who": [1, 0, 1],
            "u": [0.1, 0.9],
            "x": [0.3, -1.2, 0.8, 2.0, None, 0.5],
        },
    ),
    "a factorial hidden Markov model": (
        """
        param p, q : unit
        param a[2], b[2] : unit
        param up[2], down[2] : real
        param sd : positive
        for t in T:
            latent u[t] ~ Bernoulli(p) if t == 0 else Bernoulli(a[u[t-1]])
            latent v[t] ~ Bernoulli(q) if t == 0 else Bernoulli(b[v[t-1]])
            data x[t] ~ Normal(up[u[t]] + down[v[t]], sd)
        """,
        {"x": [0.3, -1.2, 0.8, 2.0, None]},
    ),
    "coupled hidden Markov models": (
        """
        param p : unit
        param a[2, 2], b[2, 2] : unit
        param mean[2] : real
        param sd : positive
        param rate[2] : positive
        for t in T:
            latent u[t] ~ Bernoulli(p) if t == 0 else Bernoulli(a[u[t-1], v[t-1]])
            latent v[t] ~ Bernoulli(p) if t == 0 else Bernoulli(b[u[t-1], v[t-1]])
            data x[t] ~ Normal(mean[u[t]], sd)
            data y[t] : count ~ Poisson(rate[v[t]])
        """,
        {"x": [0.3, -1.2, 0.8, 2.0, None], "y": [0, 3, 1, None, 2]},
    ),
    "a chain that remembers two steps": (
        """
        param start : simplex[2]
        param first[2] : simplex[2]
        param trans[2, 2] : simplex[2]
        param mean[2] : real
        for t in T:
            latent z[t] ~ case t:
                0: Categorical(start)
                1: Categorical(first[z[t-1]])
                else: Categorical(trans[z[t-2], z[t-1]])
            data x[t] ~ Normal(mean[z[t]], 1)
        """,
        {"x": [0.3, -1.2, 0.8, 2.0, 0.1, 0.9]},
    ),
    "a switching autoregression": (
        """
        param start : simplex[2]
        param trans[2] : simplex[2]
        param slope[2], level[2] : real
        param sd : positive
        for t in T:
            latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
            let mean[t] = level[z[t]] + slope[z[t]] * x[t-1]
            data x[t] : real ~ Normal(0, sd) if t == 0 else Normal(mean[t], sd)
        """,
        {"x": [0.3, -1.2, 0.8, 2.0, 0.1, 0.9]},
    ),
    "a hidden Markov model of a class each": (
        """
        param weight : simplex[2]
        param start[2] : simplex[2]
        param trans[2, 2] : simplex[2]
        param emit[2] : simplex[2]
        for s in S:
            latent c[s] ~ Categorical(weight)
            for t in T[s]:
                latent z[s, t] ~ case t:
                    0: Categorical(start[c[s]])
                    else: Categorical(trans[c[s], z[s, t-1]])
                data x[s, t] : category[2] ~ Categorical(emit[z[s, t]])
        """,
        {"T": [3, 2, 4], "x": [0, 1, 1, 0, 0, 1, None, 1, 0]},
    ),
    "a chain that something beside it steers": (
        """
        param q : simplex[2]
        param a[2] : simplex[2]
        param b[2, 2] : simplex[2]
        param m[2] : real
        for t in T:
            latent y[t] ~ Categorical(q)
            latent z[t] ~ Categorical(a[y[t]]) if t == 0 else Categorical(b[z[t-1], y[t]])
            data x[t] ~ Normal(m[z[t]], 1)
        """,
        {"x": [0.3, 1.5, -0.7, 2.0]},
    ),
    "a tree": (
        """
        param start : simplex[2]
        param trans[2] : simplex[2]
        param rate[2] : positive
        for t in T:
            input parent[t] : index[T]
            latent z[t] ~ Categorical(start) if parent[t] == t else Categorical(trans[z[parent[t]]])
            data x[t] : count ~ Poisson(rate[z[t]])
        """,
        {"parent": [0, 0, 0, 1, 1, 5, 5], "x": [0, 2, 1, 4, None, 0, 3]},
    ),
    "annotators": (
        """
        param prevalence : simplex[K]
        param confusion[A, K] : simplex[K]
        for i in I:
            latent truth[i] ~ Categorical(prevalence)
        for r in R:
            input item[r] : index[I]
            input annotator[r] : index[A]
            data label[r] : category[K] ~ Categorical(confusion[annotator[r], truth[item[r]]])
        """,
        {
            "item": [0, 2, 0, 1, 2, 2],
            "annotator": [0, 1, 1, 0, 0, 1],
            "label": [2, 1, 2, 0, None, 1],
        },
    ),
    "elements that point to two sorts of things": (
        """
        param weight, sort : simplex[2]
        param link[2, 2] : unit
        for i in I:
            latent block[i] ~ Categorical(weight)
        for r in R:
            input one[r] : index[I]
            latent kind[r] ~ Categorical(sort)
            data tie[r] : bool ~ Bernoulli(link[block[one[r]], kind[r]])
        """,
        {"one": [0, 1, 2, 0, 2], "tie": [1, 0, 1, None, 1]},
    ),
    "a partly labelled hidden Markov model": (
        """
        param start : simplex[2]
        param trans[2] : simplex[2]
        param mean[2] : real
        param sd : positive
        for s in S:
            for t in T[s]:
                data z[s, t] : category[2] ~ case t:
                    0: Categorical(start)
                    else: Categorical(trans[z[s, t-1]])
                data x[s, t] ~ Normal(mean[z[s, t]], sd)
        """,
        {
            "T": [4, 2],
            "z": [0, None, None, 1, None, 1],
            "x": [0.2, 0.1, 1.3, 2.0, 0.4, 1.1],
        },
    ),
    "classes of groups of elements": (
        """
        param weight : simplex[2]
        param inner[2] : simplex[3]
        param mean[3] : real
        param sd : positive
        for g in G times w[g]:
            latent c[g] ~ Categorical(weight)
            for n in N[g] times v[g, n]:
                latent z[g, n] ~ Categorical(inner[c[g]])
                data x[g, n] ~ Normal(mean[z[g, n]], sd)
        """,
        {
            "N": [2, 3],
            "w": [1.0, 2.0],
            "v": [1.0, 0.5, 2.0, 1.0, 3.0],
            "x": [0.2, 1.4, -1.0, 2.2, 0.7],
        },
    ),
    "a vector on one covariate": (
        """
        param slope : real[2]
        param sd : positive[2]
        for n in N:
            input u[n] : real
            data x[n] : real[2] ~ Normal(slope * u[n], sd)
        """,
        {"u": [0.5, 1, 2], "x": [[0, 1], [1, 1.5], [1, 0.4]]},
    ),
    "vectors in groups": (
        """
        param p[3] : unit[2]
        for n in N:
            input g[n] : index[3]
            data x[n] : bool[2] ~ Bernoulli(p[g[n]])
        """,
        {"g": [0, 1, 2, 0], "x": [[0, 1], [1, 1], [1, 0], [1, 0]]},
    ),
    "a Markov chain": (
        """
        param start : simplex[3]
        param trans[3] : simplex[3]
        for t in T:
            data x[t] : category[3] ~ Categorical(start) if t == 0 else Categorical(trans[x[t-1]])
        """,
        {"x": [1, 0, 0, 2, 0, 1]},
    ),
}  # fmt: skip
