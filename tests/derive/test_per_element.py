"""A parameter for each element of a plate: closed forms, and many elements."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from emdsl.compiler import compile_source, import_text
from emdsl.source import Source
from emdsl.verify.checks import Case, check_e_step, check_fisher, check_m_step

GROUPS = """model Groups
param mu[G] : real
param s : positive
for g in G:
    for m in M:
        data y[g, m] : real ~ Normal(mu[g], s)
"""
RAGGED = """model Ragged
param rate[G] : positive
for g in G:
    for m in M[g]:
        data y[g, m] : count ~ Poisson(rate[g])
"""
SHARES = """model Shares(K = 2)
param w[G] : simplex[K]
param mean[K] : real
param s : positive
for g in G:
    for m in M:
        latent z[g, m] : category[K] ~ Categorical(w[g])
        data y[g, m] : real ~ Normal(mean[z[g, m]], s)
"""
RNG = np.random.default_rng(11)


def module(text: str) -> Any:
    compiled = compile_source(Source(text, "m.em"))
    return import_text(compiled.module, compiled.model.name)


def groups(count: int, each: int) -> Any:
    return RNG.normal(0.0, 3.0, size=(count, 1)) + RNG.normal(size=(count, each))


@pytest.mark.parametrize(("count", "each"), [(1, 5), (7, 4)])
def test_means_of_groups_and_the_spread_within(count: int, each: int) -> None:
    y = groups(count, each)
    found = module(GROUPS).fit(y).params
    np.testing.assert_allclose(found["mu"], y.mean(axis=1), rtol=1e-12)
    within = np.sqrt(((y - y.mean(axis=1, keepdims=True)) ** 2).mean())
    assert found["s"] == pytest.approx(within, rel=1e-12)


def test_cells_that_are_missing_count_nothing() -> None:
    y = groups(6, 5)
    y[RNG.random(y.shape) < 0.3] = np.nan
    y[:, 0] = 1.0
    found = module(GROUPS).fit(y).params
    mean = np.nanmean(y, axis=1)
    np.testing.assert_allclose(found["mu"], mean, rtol=1e-12)
    assert found["s"] == pytest.approx(np.sqrt(np.nanmean((y - mean[:, None]) ** 2)), rel=1e-12)


def test_one_for_each_row_is_the_row() -> None:
    text = "model M\nparam m[N] : real\nfor n in N:\n    data x[n] : real ~ Normal(m[n], 1)\n"
    x = RNG.normal(size=40)
    np.testing.assert_allclose(module(text).fit(x).params["m"], x, rtol=1e-12)


def test_groups_of_different_lengths() -> None:
    y = [RNG.poisson(4.0, size=n) + 1 for n in (3, 1, 8, 2, 5)]
    found = module(RAGGED).fit({"y": y}).params
    np.testing.assert_allclose(found["rate"], [v.mean() for v in y], rtol=1e-12)


def test_shares_of_each_group_are_its_mean_posterior() -> None:
    """At a maximum w[g] = the mean over m of p(z[g, m] | y)."""
    share = RNG.random((30, 1))
    y = RNG.normal(size=(30, 40)) + 6.0 * (RNG.random((30, 40)) < share)
    program = module(SHARES)
    found = program.fit(y, restarts=2, tol=1e-12)
    posterior = program.posterior(y, found.params)["z"]
    assert posterior.shape == (30, 40, 2)
    np.testing.assert_allclose(posterior.mean(axis=1), found.params["w"], atol=1e-5)


@pytest.mark.parametrize("text", [GROUPS, SHARES], ids=["groups", "shares"])
def test_against_enumeration(text: str) -> None:
    compiled = compile_source(Source(text, "m.em"))
    y = groups(3, 3)
    params: dict[str, Any] = {"s": np.array(1.3)}
    if text == GROUPS:
        params["mu"] = y.mean(axis=1) + 0.4
    else:
        params |= {"w": RNG.dirichlet([2.0, 2.0], size=3), "mean": np.array([-1.0, 2.0])}
    case = Case(compiled, import_text(compiled.module, "M"), {"y": y}, params)
    assert check_e_step(case) == []
    assert check_fisher(case) == []
    assert check_m_step(case, np.random.default_rng(2)) == []


@pytest.mark.parametrize(("text", "count"), [(GROUPS, 50_000), (SHARES, 5_000)])
def test_many_elements_take_no_square_of_their_number(text: str, count: int) -> None:
    """Indicators of which element a row is in are places: written out they would take gigabytes."""
    y = groups(count, 3)
    program = module(text)
    tracemalloc.start()
    try:
        found = program.fit(y, restarts=1, max_iter=3)
        assert tracemalloc.get_traced_memory()[1] < 100 * y.nbytes
    finally:
        tracemalloc.stop()
    if text == GROUPS:
        np.testing.assert_allclose(found.params["mu"], y.mean(axis=1), atol=1e-12)
