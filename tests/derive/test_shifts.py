"""Which latents and parameters move along when a constant is added to the data."""

from __future__ import annotations

import re

import pytest

from emdsl.compiler import derived_of
from emdsl.derive.joint import Joint
from emdsl.derive.shifts import Part
from emdsl.source import Source

CHAIN = """model Chain
param {params} : real
param move, sd : positive
for t in T:
    latent z[t] ~ {start} if t == 0 else {step}
    data   y[t] ~ Normal(z[t], sd)
"""
TIED = """model Tied
param {params} : real
param tau, sd : positive
for g in G:
    input  u[g] : real
    latent b[g] ~ Normal({mean}, tau)
for n in N:
    input group[n] : index[G]
    data  y[n] ~ Normal({seen}, sd)
"""


def written(text: str, **parts: str) -> str:
    """The text with the real parameters that it uses."""
    words = set(re.findall(r"\w+", " ".join(parts.values())))
    used = [n for n in ("first", "drift", "mu", "phi", "mean", "slope") if n in words]
    lines = text if used else text.replace("param {params} : real\n", "")
    unread = "u[g]" not in parts.get("mean", "u[g]")
    lines = lines.replace("    input  u[g] : real\n", "") if unread else lines
    return lines.format(params=", ".join(used), **parts)


def joint_of(text: str) -> Joint:
    return derived_of(Source(text, "m.em"))[0].derivation.derived.joint


def shifts_in(text: str) -> dict[str, list[tuple[str, object]]]:
    found = joint_of(text).shifts.latents
    return {n: [(p.param, p.factor) for p in shift] for n, shift in found.items()}


@pytest.mark.parametrize(
    ("start", "step", "expected"),
    [
        ("Normal(first, move)", "Normal(z[t-1], move)", "first"),
        ("Normal(first, move)", "Normal(z[t-1] + drift, move)", "first"),
        ("Normal(0, move)", "Normal(z[t-1], move)", ""),
        ("Normal(first, move)", "Normal(-z[t-1], move)", ""),
        ("Normal(first, move)", "Normal(phi * z[t-1] + drift, move)", ""),
        ("Normal(mu, move)", "Normal(mu + phi * (z[t-1] - mu), move)", "mu"),
        ("Normal(first, move)", "Normal(mu + phi * (z[t-1] - mu), move)", "mu"),
    ],
)
def test_chains(start: str, step: str, expected: str) -> None:
    found = shifts_in(written(CHAIN, start=start, step=step))
    assert found == ({"z": [(expected, 1)]} if expected else {})


def test_a_start_of_its_own_shares_the_pivot() -> None:
    text = written(
        CHAIN, start="Normal(first, move)", step="Normal(mu + phi * (z[t-1] - mu), move)"
    )
    found = joint_of(text)
    assert found.shifts.leaders == {"first": "mu"}
    assert set(found.pivots) == {"first", "mu"}


@pytest.mark.parametrize(
    ("mean", "seen", "expected"),
    [
        ("mean", "b[group[n]]", [("mean", 1)]),
        ("mean", "3 * b[group[n]] + slope", [("mean", 1)]),
        ("2 * mean", "b[group[n]]", [("mean", 2)]),
        ("mean + slope * u[g]", "b[group[n]]", [("mean", 1)]),
        ("slope * u[g]", "b[group[n]]", []),
        ("mean", "slope * b[group[n]]", []),
        ("mean", "mean * b[group[n]]", []),
        ("mean ^ 2", "b[group[n]]", []),
    ],
)
def test_groups(mean: str, seen: str, expected: list[tuple[str, int]]) -> None:
    found = shifts_in(written(TIED, mean=mean, seen=seen))
    assert found == ({"b": expected} if expected else {})


def test_a_prior_is_about_a_place() -> None:
    text = written(TIED, mean="mean", seen="b[group[n]]")
    assert shifts_in(text.replace("mean : real", "mean : real ~ Normal(0, 1)")) == {}


def test_vectors_and_levels() -> None:
    text = """model Nested
param beta : real[P]
param cov, inner : posdef[P]
param sd : positive
for g in G:
    latent b[g] : real[P] ~ MvNormal(beta, cov)
    for h in H[g]:
        latent c[g, h] : real[P] ~ MvNormal(b[g], inner)
        for n in N:
            input u[g, h, n] : real[P]
            data y[g, h, n] ~ Normal(dot(c[g, h], u[g, h, n]), sd)
"""
    part = (Part("beta", 1, (-1,)),)
    assert joint_of(text).shifts.latents == {"b": part, "c": part}


def test_a_mean_of_each_class_is_averaged() -> None:
    text = """model Classes(K = 2)
param w : simplex[K]
param mean[K] : real
param tau, sd : positive
for n in N:
    latent z[n] ~ Categorical(w)
    latent b[n] ~ Normal(mean[z[n]], tau)
    for j in J:
        data y[n, j] ~ Normal(b[n], sd)
"""
    found = joint_of(text)
    assert found.shifts.latents == {"b": (Part("mean", 1, ()),)}
    assert found.pivots == {"mean": ()}
