"""How far arguments reach: intervals that hold every value, and which of them are tested for."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from emdsl.compiler import compile_source
from emdsl.derive.atoms import Elem
from emdsl.derive.reach import reach
from emdsl.derive.table import Atoms
from emdsl.source import Source

ATOMS = Atoms()
A, B = (ATOMS.symbol(Elem("param", name, (), "real")) for name in "ab")
S, T = (ATOMS.symbol(Elem("param", name, (), "positive")) for name in "st")
P, Q = (ATOMS.symbol(Elem("param", name, (), "unit")) for name in "pq")
X = ATOMS.symbol(Elem("input", "x", ("n",), "real"))
EXPIT = 1 / (1 + sp.exp(-A * X))

INTERVALS = [
    (S + T, 0.0, np.inf),
    (A + B * X, -np.inf, np.inf),
    (S / (1 + T * X**2), 0.0, np.inf),
    ((A + B * X) ** 2 + S, 0.0, np.inf),
    (1 - EXPIT, 0.0, 1.0),
    (2 + sp.tanh(A * X), 1.0, 3.0),
    (P * Q, 0.0, 1.0),
    (P * (1 - Q) + (1 - P) * Q, 0.0, 1.0),
    (Q + (1 - Q) * EXPIT, 0.0, 1.0),
    (1 - sp.exp(-sp.exp(A + B * X)), 0.0, 1.0),
    (sp.Rational(1, 2) + P / 4, 0.5, 0.75),
    (sp.Abs(A) + 1, 1.0, np.inf),
    (P**S, 0.0, 1.0),
    (1 - P**2, 0.0, 1.0),
    (1 / (1 - A**2), -np.inf, np.inf),
    (S - T, -np.inf, np.inf),
    (sp.exp(A), 0.0, np.inf),
]


@pytest.mark.parametrize(("expr", "low", "high"), INTERVALS, ids=str)
def test_intervals_hold_every_value(expr: sp.Expr, low: float, high: float) -> None:
    """At 2000 points of the symbols' own intervals."""
    assert reach(expr, ATOMS) == (low, high)
    rng = np.random.default_rng(0)
    draws = {
        **{x: rng.normal(0.0, 3.0, 2000) for x in (A, B, X)},
        **{x: rng.lognormal(0.0, 2.0, 2000) for x in (S, T)},
        **{x: rng.beta(0.3, 0.3, 2000) for x in (P, Q)},
    }
    with np.errstate(over="ignore", divide="ignore"):
        values = sp.lambdify(list(draws), expr, "numpy")(*draws.values())
    assert (values >= low - 1e-12).all()
    assert (values <= high + 1e-12).all()


def test_what_is_tested_for() -> None:
    """In words, with factors that are positive whatever they are left out."""
    text = """
model Arguments
param a, b, c, d : real
param s    : positive
param p, q : unit
for n in N:
    input x[n] : real
    input e[n] : positive
    data  y[n] : count ~ Poisson(e[n] * s / (a + b * x[n]))
    data  v[n] ~ Exponential(s * x[n])
    data  w[n] : bool ~ Bernoulli(p + (1 - p) * logistic(c * x[n]))
    data  z[n] : bool ~ Bernoulli(exp(d * x[n]))
    data  r[n] : bool ~ Bernoulli(q * x[n])
"""
    module = compile_source(Source(text)).module
    found = [line.strip() for line in module.splitlines() if line.startswith("    walls=")]
    assert found == [
        'walls=("a + b*x[n] > 0",),',
        'walls=("exp(d*x[n]) < 1",),',
        'walls=("q*x[n] < 1",),',
    ]
