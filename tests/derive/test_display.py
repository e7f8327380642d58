"""Formulas for people in messages and in the comments of generated modules."""

from __future__ import annotations

import pytest

from emdsl.compiler import compile_source
from emdsl.derive.display import relations
from emdsl.source import Source


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[Ne(t, 0)]*y", "[t != 0]*y"),
        ("log [Eq(y[n], cell[a, b])]", "log [y[n] = cell[a, b]]"),
        ("[Eq(y[s, t-1], z) | Ne(t, 0)]", "[y[s, t-1] = z | t != 0]"),
        ("Equal(a, b)", "Equal(a, b)"),
    ],
)
def test_relations(text: str, shown: str) -> None:
    assert relations(text) == shown


def test_a_term_of_a_chain_in_a_message() -> None:
    text = """\
model M(K = 2)
param start, trans[K] : simplex[K]
param phi[K] : real
for t in T:
    latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
    data y[t] ~ Normal(0, 1) if t == 0 else Normal(exp(phi[z[t]] * y[t-1]), 1)
"""
    steps = compile_source(Source(text, "m.em")).derivation.m_step
    (said,) = [update.record[0] for update in steps.updates if update.rule == "numeric"]
    assert "[t != 0]*exp(2*phi[z]*y[t-1])" in said
