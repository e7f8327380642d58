"""Regressions by logit and log: the density is linear in the predictor but for one term.

Bernoulli(logit = e):  y e - log(1 + exp e);    Poisson(log = e):  y e - exp e - log y!
"""

from __future__ import annotations

import pytest
import sympy as sp

from emdsl.derive.joint import joint_of
from emdsl.model.build import build
from emdsl.source import Source
from emdsl.syntax.parse import parse

# What is drawn, its bases that separate, and what mixes data and parameters.
LINKS = {
    "bool ~ Bernoulli(logit = a + b * u[n])": (
        {"a", "b"}, {"log(exp(a + b*u[n]) + 1)"},
    ),
    "bool ~ Bernoulli(logistic(a + b * u[n]))": (
        {"a", "b"}, {"log(exp(a + b*u[n]) + 1)"},
    ),
    "count ~ Binomial(5, logit = a + b * u[n])": (
        {"a", "b"}, {"log(exp(a + b*u[n]) + 1)"},
    ),
    "count ~ Poisson(log = a + b * u[n])": (
        {"a", "b"}, {"exp(a + b*u[n])"},
    ),
    "count ~ Poisson(exp(a + b * u[n]))": (
        {"a", "b"}, {"exp(a + b*u[n])"},
    ),
    "positive ~ Exponential(log = a + b * u[n])": (
        {"a", "b"}, {"exp(-a - b*u[n])"},
    ),
    "positive ~ Gamma(r, log = a + b * u[n])": (
        {"a*r", "b*r", "r", "r*log(r)", "loggamma(r)"}, {"r*exp(-a - b*u[n])"},
    ),
    "positive ~ Gamma(shape = r, mean = exp(a + b * u[n]))": (
        {"a*r", "b*r", "r", "r*log(r)", "loggamma(r)"}, {"r*exp(-a - b*u[n])"},
    ),
    "count ~ NegativeBinomial(log = a + b * u[n], shape = r)": (
        {"a", "b"},
        {"LogRising(r, y[n])", "log(r + exp(a + b*u[n]))", "r*log(1 + exp(a + b*u[n])/r)"},
    ),
    "count ~ NegativeBinomial(mean = exp(a + b * u[n]), shape = r)": (
        {"a", "b"},
        {"LogRising(r, y[n])", "log(r + exp(a + b*u[n]))", "r*log(1 + exp(a + b*u[n])/r)"},
    ),
    "unit ~ Beta(mean = logistic(a + b * u[n]), precision = r)": (
        {"loggamma(r)"},
        {
            "loggamma(r/(exp(a + b*u[n]) + 1))", "loggamma(r/(exp(-a - b*u[n]) + 1))",
            "r/(exp(a + b*u[n]) + 1)", "r/(exp(-a - b*u[n]) + 1)",
        },
    ),
    "category[K] ~ Categorical(logit = w * u[n])": (
        {"w[k_2]"}, {"log(sum_{k~1} (exp(u[n]*w[k~1])))"},
    ),
    "category[K] ~ Categorical(softmax(w * u[n]))": (
        {"w[k_2]"}, {"log(sum_{k~1} (exp(u[n]*w[k~1])))"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("drawn", LINKS)
def test_a_link_leaves_the_predictor_linear(drawn: str) -> None:
    text = f"""model M(K = 3)
param a, b : real
param r : positive
param w : real[K]
for n in N:
    input u[n] : real
    data y[n] : {drawn}
"""
    model, _ = build(parse(Source(text, "m.em")), Source(text, "m.em"))
    (node,) = joint_of(model, ()).nodes
    plain = {str(m.basis) for m in node.monomials if not m.mixed and m.basis != sp.Integer(1)}
    mixed = {str(m.basis).replace("w[k~1]*u[n]", "u[n]*w[k~1]") for m in node.monomials if m.mixed}
    assert (plain, mixed) == LINKS[drawn]
