"""What data say of latents, for every kind of structure, against brute force."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

from emdsl import runtime as rt
from emdsl.compiler import compile_source, import_text
from emdsl.source import Source
from emdsl.verify.checks import Case
from emdsl.verify.enumeration import best, filtered, log_joint, log_likelihood, pairs
from tests.inference.chosen_graphs import CHOSEN
from tests.inference.test_discrete_structure import parameters
from tests.lower import numeric_models

MORE: dict[str, tuple[str, dict[str, Any]]] = {
    "a factorial chain of Bernoullis whose data ask for the state before": (
        """
        param p : unit
        param a[2] : unit
        param mean[2], shift[2] : real
        for s in S:
            for t in T[s]:
                latent z[s, t] ~ Bernoulli(p) if t == 0 else Bernoulli(a[z[s, t-1]])
                data x[s, t] ~ Normal(mean[z[s, t]], 1)
                data y[s, t] ~ Normal(0, 1) if t == 0 else Normal(shift[z[s, t-1]], 1)
        """,
        {"T": [4, 1, 3], "x": [0.3, -1.2, 0.8, 2.0, None, 0.4, 1.0, None],
         "y": [0.1, 1.2, -0.8, 0.5, 1.0, 0.4, 2.0, 0.3]},
    ),
    "a class that rows speak of beside the chain": (
        """
        param weight : simplex[2]
        param a[2, 2] : unit
        param p[2] : unit
        param mean[2], level[2], u0[2] : real
        param side[2] : simplex[2]
        for s in S:
            latent c[s] ~ Categorical(weight)
            data u[s] ~ Normal(u0[c[s]], 1)
            for t in T[s]:
                latent z[s, t] ~ case t:
                    0: Bernoulli(p[c[s]])
                    else: Bernoulli(a[c[s], z[s, t-1]])
                latent m[s, t] ~ Categorical(side[c[s]])
                data x[s, t] ~ Normal(mean[z[s, t]] + level[c[s]], 1)
                data y[s, t] ~ Normal(level[m[s, t]], 1)
        """,
        {"T": [3, 1, 2], "u": [0.1, None, 1.0], "x": [0.3, -1.2, 0.8, 2.0, None, 0.5],
         "y": [1.3, 0.2, None, 1.0, None, 0.1]},
    ),
    "a chain of Bernoullis that remembers two steps": (
        """
        param p : unit
        param first[2] : unit
        param a[2, 2] : unit
        param mean[2], late[2] : real
        for t in T:
            latent z[t] ~ case t:
                0: Bernoulli(p)
                1: Bernoulli(first[z[t-1]])
                else: Bernoulli(a[z[t-2], z[t-1]])
            data x[t] ~ Normal(mean[z[t]], 1)
            data y[t] ~ case t:
                0: Normal(0, 1)
                1: Normal(0, 1)
                else: Normal(late[z[t-2]], 1)
        """,
        {"x": [0.3, -1.2, 0.8, 2.0, 0.1, 0.9], "y": [0.1, 1.2, 0.5, -0.4, 1.4, 0.0]},
    ),
    "states that are mixtures, with elements inside each row": (
        """
        param start : simplex[3]
        param trans[3] : simplex[3]
        param part[3] : simplex[2]
        param mean[3, 2] : real
        for s in S:
            for t in T[s]:
                latent z[s, t] ~ Categorical(start) if t == 0 else Categorical(trans[z[s, t-1]])
                for j in J[t]:
                    latent m[s, t, j] ~ Categorical(part[z[s, t]])
                    data x[s, t, j] ~ Normal(mean[z[s, t], m[s, t, j]], 1)
        """,
        {"T": [3, 1], "J": [2, 1, 1, 2], "x": [0.3, -1.2, 0.8, 2.0, None, 0.5]},
    ),
    "reports that point to places of a chain": (
        """
        param start : simplex[2]
        param trans[2] : simplex[2]
        param mean[2] : real
        for t in T:
            latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
        for r in R:
            input when[r] : index[T]
            data x[r] ~ Normal(mean[z[when[r]]], 1)
        """,
        {"when": [2, 0, 2, 3], "x": [0.3, 1.2, -0.8, 2.0]},
    ),
}  # fmt: skip
GRAPHS = CHOSEN | MORE
SHARED = "chains given a latent of another plate"
NO_CHAINS = ("a vector", "vectors", "classes", "a tree", "elements", "annot", "a Markov chain")
LIVE_CHAINS = [
    "input-output chain", "chain of gammas", "switching autoregression",
    "sequences with a transition regression", "weighted sequences",
]  # fmt: skip
LIVE = [
    *LIVE_CHAINS, "weights", "latents of groups", "nested plates with latents", "a tree",
    "partly labelled", "experts", "hierarchical experts", "zero inflation", "mixture of t",
    "items, rasch of classes", "two latents in one predictor", "gaps",
]  # fmt: skip
CHAINS = [n for n in GRAPHS if n != SHARED and not n.startswith(NO_CHAINS)] + LIVE_CHAINS
LATENT = [n for n in GRAPHS if not n.startswith(("a vector", "vectors", "a Markov chain"))] + LIVE


@cache
def case_of(name: str) -> Case:
    if name in LIVE:  # terms that mix data and parameters
        return numeric_models.case(name)
    text, cells = GRAPHS[name]
    made = compile_source(Source("model Chosen\n" + dedent(text), "chosen.em"))
    data = {n: np.array(x, dtype=float) for n, x in cells.items()}
    params = parameters(made.model, np.random.default_rng(1))
    return Case(made, import_text(made.module, "Chosen"), data, params)


def flat(answer: Any, tail: int = 1) -> np.ndarray:
    """An answer for nested rows as rows; `tail` dimensions belong to each."""
    answer = np.asarray(answer)
    return answer.reshape(-1, *answer.shape[answer.ndim - tail :])


def given(case: Case) -> dict[str, Any]:
    return {n: np.array(v) for n, v in case.data.items()}


@pytest.mark.parametrize("name", CHAINS)
def test_filtering(name: str) -> None:
    """Filtered and predicted latents are those of the rows up to each, or before it, alone."""
    case = case_of(name)
    walk = case.module.PROGRAM.structures[0].walks[0]
    exact = filtered(case.compiled.model, case.data, case.params, walk.axes[-1], case.sizes)
    found = case.module.filtered(given(case), case.params)
    for latent, rows in exact.items():
        agree(found.filtered[latent], rows)
    assert found.filtered.keys() == found.predicted.keys()


def agree(answer: Any, exact: Mapping[Any, Mapping[int, float]]) -> None:
    """Posteriors (..., values) are those of each place."""
    table = flat(answer)
    assert len(table) == len(exact)
    for row, odds in zip(table, exact.values(), strict=True):
        np.testing.assert_allclose(row, [odds.get(k, 0.0) for k in range(len(row))], atol=1e-9)


def without(case: Case, level: tuple[str, ...], rows: np.ndarray) -> dict[str, Any]:
    """The data with those of some of a level's rows, and of rows inside them, missing."""
    out = given(case)
    meta = case.module.PROGRAM.meta
    engine = rt.Engine(case.module.PROGRAM, rt.bind(meta, given(case), purpose="query"))
    for array in meta.arrays:
        if array.role == "data" and array.axes[: len(level)] == level:
            up = engine.levels.rows(array.axes).up[len(level)]
            shape = out[array.name].shape
            out[array.name] = out[array.name].reshape(len(up), -1).astype(float)
            out[array.name][rows[up]] = np.nan
            out[array.name] = out[array.name].reshape(shape)
    return out


@pytest.mark.parametrize("name", CHAINS)
def test_one_step_ahead(name: str) -> None:
    """Predictions are what is filtered where the row itself is missing; rows add up."""
    case = case_of(name)
    level = case.module.PROGRAM.structures[0].walks[0].axes
    found = case.module.filtered(given(case), case.params)
    meta = case.module.PROGRAM.meta
    engine = rt.Engine(case.module.PROGRAM, rt.bind(meta, given(case), purpose="query"))
    rows = engine.levels.rows(level)
    place = rows.places[level[-1]]
    lagged = name.endswith("switching autoregression")  # whose gaps may not lie before other rows
    outside = [a for a in meta.arrays if a.role == "data" and a.axes[: len(level)] != level]
    if name == "reports that point to places of a chain":
        total = float(flat(next(iter(found.log_predictive.values())), 0).sum())
        assert total == pytest.approx(case.module.log_likelihood(given(case), case.params))
        return
    for t in range(int(place.max()) + 1):
        for latent, predicted in found.predicted.items():
            if lagged:
                continue
            gone = case.module.filtered(without(case, level, place == t), case.params)
            axes = next(z.axes for z in meta.latents if z.name == latent)
            axes = axes if axes[: len(level)] == level else level
            here = place[engine.levels.rows(axes).up[len(level)]] == t
            np.testing.assert_allclose(
                flat(predicted)[here], flat(gone.filtered[latent])[here], atol=1e-9
            )
    weight = engine.levels.weight(level)
    steps = flat(next(iter(found.log_predictive.values())), 0)
    total = float(steps.sum() if weight is None else steps @ weight)
    rest = 0.0
    if outside:
        nothing = without(case, level, np.ones(rows.size, dtype=bool))
        rest = case.module.log_likelihood(nothing, case.params)
    whole = case.module.log_likelihood(given(case), case.params)
    assert total + rest == pytest.approx(whole, rel=1e-10)


@pytest.mark.parametrize("name", LATENT)
def test_pairs(name: str) -> None:
    """Every table is the joint posterior of the two latents its key names, and none is left out."""
    case = case_of(name)
    exact = {frozenset(k): (k, v) for k, v in pairs(case.elements()).items()}
    found = case.module.posterior_pairs(given(case), case.params)
    meta = case.module.PROGRAM.meta
    engine = rt.Engine(case.module.PROGRAM, rt.bind(meta, given(case), purpose="query"))
    pieces = sorted(case.module.PROGRAM.pieces, key=lambda p: len(p.axes))
    seen = set()
    for key, tables in found.items():
        level, cluster = next(
            (p.axes, c) for p in pieces for c in p.reads if set(key) <= {v.key for v in c}
        )
        views = {v.key: v for v in cluster}
        sites = [_sites(engine, views[k], level) for k in key]
        for row, table in enumerate(flat(tables, 2)):
            pair = [None if s[row] is None else (views[k].array, s[row])
                    for k, s in zip(key, sites, strict=True)]  # fmt: skip
            if None in pair or pair[0] == pair[1]:
                assert np.isnan(table).all()
                continue
            seen.add(frozenset(pair))
            order, odds = exact.get(frozenset(pair), (None, None))
            if order is None:
                continue  # both are seen, or the oracle knows no such factor
            turned = table if order == tuple(pair) else table.T
            for at, p in odds.items():
                assert turned[at] == pytest.approx(p, abs=1e-9), (key, row, level)
    assert set(exact) <= seen


def _sites(engine: Any, view: rt.View, level: tuple[str, ...]) -> list[tuple[int, ...] | None]:
    """The place of the latent that each row of a level sees."""
    axes = next(z.axes for z in engine.program.meta.latents if z.name == view.array)
    if view.places:
        index = engine.levels.point(level, axes, view.places)
    else:
        index = engine.levels.rows(level).up[len(axes)]
    places = engine.levels.rows(axes).places
    return [None if i < 0 else tuple(int(places[a][i]) for a in axes) for i in index]


@pytest.mark.parametrize("name", LATENT)
def test_most_probable(name: str) -> None:
    """The values are as probable as any, and their log joint is what is said."""
    case = case_of(name)
    exact = case.elements()
    found = case.module.most_probable(given(case), case.params)
    assert found.values.keys() == case.module.predict(given(case), case.params).keys()
    for latent, values in case.module.predict(given(case), case.params).items():
        np.testing.assert_array_equal(found.values[latent], values)
    _, top = best(exact)
    assert weighted(case, found.log_joint) == pytest.approx(top, rel=1e-10)


def weighted(case: Case, rows: Mapping[str, Any]) -> float:
    """The sum of rows by plate, with their weights."""
    engine = rt.Engine(
        case.module.PROGRAM, rt.bind(case.module.PROGRAM.meta, given(case), purpose="query")
    )
    levels = {engine.levels.name(a): a for p in case.module.PROGRAM.pieces
              for n in range(len(p.axes) + 1) for a in [p.axes[:n]]}  # fmt: skip
    total = 0.0
    for plate, values in rows.items():
        weight = engine.levels.weight(levels[plate])
        total += float(flat(values, 0) @ (1.0 if weight is None else weight)
                       if weight is not None else flat(values, 0).sum())  # fmt: skip
    return total


@pytest.mark.parametrize("name", [*GRAPHS, *LIVE])
def test_rows_add_up_to_the_log_likelihood(name: str) -> None:
    case = case_of(name)
    rows = case.module.row_log_likelihood(given(case), case.params)
    exact = log_likelihood(case.elements())
    assert weighted(case, rows) == pytest.approx(exact, rel=1e-10)
    assert case.module.log_likelihood(given(case), case.params) == pytest.approx(exact, rel=1e-10)


@pytest.mark.parametrize("name", LATENT)
def test_draws(name: str) -> None:
    """Draws have the posterior's frequencies, one by one and together."""
    case = case_of(name)
    count = 400
    drawn = case.module.sample_posterior(given(case), case.params, n=count, seed=3)
    for latent, odds in case.module.posterior(given(case), case.params).items():
        assert drawn[latent].shape == (count, *np.shape(odds)[:-1])
        share = (drawn[latent][..., None] == np.arange(np.shape(odds)[-1])).mean(axis=0)
        np.testing.assert_allclose(share, odds, atol=5.0 * 0.5 / np.sqrt(count))
    again = case.module.sample_posterior(given(case), case.params, n=2, seed=3)
    for latent, values in again.items():
        np.testing.assert_array_equal(values, drawn[latent][:2])
    exact = case.elements()
    logs = [log_joint(exact, _values(case, drawn, i)) for i in range(20)] if _all(case) else [0.0]
    assert np.isfinite(logs).all()


def _all(case: Case) -> bool:
    return {s[0] for c in case.elements().components for s in c.sites} <= {
        z.name for z in case.module.PROGRAM.meta.latents
    }


def _values(case: Case, drawn: Mapping[str, Any], i: int) -> dict[Any, int]:
    engine = rt.Engine(
        case.module.PROGRAM, rt.bind(case.module.PROGRAM.meta, given(case), purpose="query")
    )
    out = {}
    for z in case.module.PROGRAM.meta.latents:
        rows = engine.levels.rows(z.axes)
        for row, value in enumerate(flat(drawn[z.name][i], 0)):
            out[z.name, tuple(int(rows.places[a][row]) for a in z.axes)] = int(value)
    return out
