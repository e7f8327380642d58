"""Sums of features over coupled normal latents against the rows' own means and products."""

from __future__ import annotations

import numpy as np
import pytest

from emdsl import runtime as rt
from emdsl.compiler import compile_source, import_text
from emdsl.runtime.how import EXPECT
from emdsl.runtime.rows import expected
from emdsl.source import Source

N = 60

CHAIN = """model Chain(L = 2)
param A : {form}
param Q : {kind}
param C : real[D, L]
param R : positive[D]
for t in T:
    latent z[t] : real[L] ~ MvNormal(zeros[L], eye[L]) if t == 0 else MvNormal({mean}, {cov})
    data   x[t] : real[D] ~ MvNormal(C @ z[t], diag(R))
"""
DRIFT = """model Drift
param q, r : positive
for t in T:
    input  u[t] : real[P]
    latent b[t] : real[P] ~ MvNormal(zeros[P], eye[P]) if t == 0 else MvNormal(b[t-1], q * eye[P])
    data   y[t] ~ Normal(dot(b[t], u[t]), r)
"""
CROSSED = """model Crossed
param {names} : real
param tau, rho, sigma : positive
for i in I:
    latent a[i] ~ Normal(0, tau)
for j in J:
    latent b[j] ~ Normal(0, rho)
for n in N:
    input row[n] : index[I]
    input col[n] : index[J]
    input u[n] : real
    data  y[n] ~ Normal(mean + a[row[n]] + {by} * b[col[n]], sigma)
"""


def chain(rng, mean="A @ z[t-1]", cov="Q", kind="posdef[L]", form="real[L, L]"):
    q = np.eye(2)
    params = {"A": 0.5 * q, "Q": q, "C": rng.normal(size=(3, 2)), "R": np.ones(3)}
    text = CHAIN.format(mean=mean, cov=cov, kind=kind, form=form)
    if kind.startswith("positive"):
        params |= {"A": np.array([0.5, 0.3]), "Q": np.ones(2)}
    return text, {"x": rng.normal(size=(N, 3))}, params


def drift(rng):
    data = {"u": rng.normal(size=(N, 2)), "y": rng.normal(size=N)}
    return DRIFT, data, {"q": np.array(0.3), "r": np.array(1.2)}


def crossed(rng, by):
    data = {"row": rng.integers(7, size=N), "col": rng.integers(5, size=N)}
    data |= {"u": rng.normal(size=N), "y": rng.normal(size=N)}
    names = ["mean", "slope", "tau", "rho", "sigma"]
    if by != "slope":
        names.remove("slope")
    text = CROSSED.format(by=by, names=", ".join(names[:-3]))
    return text, data, {k: np.array(0.7) for k in names}


CASES = {
    "matrices": chain,
    "diagonal": lambda rng: chain(rng, "A * z[t-1]", "diag(Q)", "positive[L]", "real[L]"),
    "a pattern for each row": drift,
    "one pattern": lambda rng: crossed(rng, "slope"),
    "weighed": lambda rng: crossed(rng, "u[n]"),
}


@pytest.mark.parametrize("case", CASES)
def test_sums_are_those_of_rows(case):
    text, data, params = CASES[case](np.random.default_rng(3))
    program = import_text(compile_source(Source(text, "m.em")).module, "m").PROGRAM
    hyper = {"L": 2} if "(L = 2)" in text else {}
    engine = rt.Engine(program, rt.bind(program.meta, data, hyper))
    (structure,) = engine.structures
    known = engine.known(params)
    evidence, sums, _ = structure.expect(known)
    other, posteriors = structure.infer(known, EXPECT)
    for level, rows in evidence.items():
        np.testing.assert_allclose(rows, other[level], rtol=1e-12)
    for index, own in posteriors.items():
        found = list(sums[index])
        truth = [0.0] * len(own)
        for chunk, features in engine.blocks(index, params):
            here = slice(chunk.start, chunk.stop)
            for c, p in enumerate(own):
                truth[c] = truth[c] + expected(p[:, here], features.rows[c])
        for a, b in zip(found, truth, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
