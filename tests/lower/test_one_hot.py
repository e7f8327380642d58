"""Models whose data or inputs are places on long axes: the same statistics as rows written out."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp

from emdsl.compiler import compile_source, import_text
from emdsl.runtime import numerics as nm
from emdsl.runtime.bind import bind
from emdsl.runtime.engine import Engine
from emdsl.source import Source

ONE_HOT = sys.modules["emdsl.runtime.one_hot"]
COLUMNS = sys.modules["emdsl.runtime.columns"]

INDEXED = """
model Indexed(K = 3)
param weight   : simplex[K]
param word[K]  : simplex[V]
param beta[G]  : real
param slope[G] : real
param table[G] : simplex[W]
param conf[G, K] : simplex[L]
param sd       : positive
for n in N:
    latent z[n] ~ Categorical(weight)
    input g[n] : index[G]
    input x[n] : real
    data y[n] : category[V] ~ Categorical(word[z[n]])
    data w[n] : category[W] ~ Categorical(table[g[n]])
    data l[n] : category[L] ~ Categorical(conf[g[n], z[n]])
    data s[n] ~ Normal(beta[g[n]] + slope[g[n]] * x[n], sd)
"""
ITEMS = """
model Items(K = 2)
param weight     : simplex[K]
param prob[J, K] : simplex[V]
param score[J, V] : real
for n in N:
    latent z[n] ~ Categorical(weight)
    for j in J:
        data y[n, j] : category[V] ~ Categorical(prob[j, z[n]])
        input w[n, j] : index[V]
        data t[n, j] ~ Normal(score[j, w[n, j]], 1)
"""


def module(text: str) -> ModuleType:
    compiled = compile_source(Source(text, "test.em"))
    return import_text(compiled.module, compiled.model.name)


def indexed(n: int, g: int, v: int) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    first = np.arange(n)
    return {
        "g": np.where(first < g, first, rng.integers(g, size=n)) % g,
        "x": rng.normal(size=n),
        "y": np.where(first < v, first, rng.integers(v, size=n)) % v,
        "w": rng.integers(4, size=n),
        "l": rng.integers(3, size=n),
        "s": rng.normal(size=n),
    }


def gaps(data: dict[str, Any], names: str) -> dict[str, Any]:
    rng = np.random.default_rng(2)
    return data | {
        k: np.where(rng.random(data[k].shape) < 0.2, np.nan, data[k].astype(float))
        for k in names.split()
    }


def items(n: int, v: int) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    y = rng.integers(v, size=(n, 3))
    y[0, 0] = v - 1
    return {"y": y, "w": rng.permutation(y), "t": rng.normal(size=(n, 3))}


CASES = {
    "indexed": (INDEXED, indexed(700, 60, 90), {"K": 3}),
    "with gaps": (INDEXED, gaps(indexed(700, 60, 90), "y w l s"), {"K": 3}),
    "many states": (INDEXED, indexed(700, 60, 90), {"K": 12}),
    "items": (ITEMS, items(200, 50), {"K": 2}),
    "items with gaps": (ITEMS, gaps(items(200, 50), "y t"), {"K": 2}),
}


@pytest.mark.parametrize("name", CASES)
def test_statistics_are_those_of_rows_written_out(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, data, sizes = CASES[name]
    m = module(text)
    params = m.init_params(data, **sizes, seed=0)
    bound = bind(m.PROGRAM.meta, data, sizes)
    engine = Engine(m.PROGRAM, bound, collapse=False)
    _, features = next(engine.blocks(0))
    rows: tuple[Any, ...] = (features.direct, *features.rows)
    assert any(isinstance(p, nm.OneHot) for r in rows if isinstance(r, nm.Wide) for p in r.parts)
    kept = engine.e_step(params)
    monkeypatch.setattr(ONE_HOT, "_FEW", 10**9)
    whole = Engine(m.PROGRAM, bound, collapse=False).e_step(params)
    assert kept.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-11)
    for key, value in whole.values.items():
        np.testing.assert_allclose(kept[key], value, rtol=1e-9, atol=1e-11)
    one, other = m.m_step(kept, params), m.m_step(whole, params)
    for key, value in other.items():
        np.testing.assert_allclose(one[key], value, rtol=1e-8, atol=1e-10)


def test_the_log_likelihood_is_that_of_the_model_written_in_numpy() -> None:
    data = indexed(700, 60, 90)
    m = module(INDEXED)
    p = m.init_params(data, K=3, seed=0)
    g, y, w, label = (data[k] for k in "gywl")
    location = p["beta"][g] + p["slope"][g] * data["x"]
    z = np.log(p["weight"])[:, None] + np.log(p["word"][:, y]) + np.log(p["conf"][g, :, label].T)
    rest = (
        np.log(p["table"][g, w])
        - 0.5 * ((data["s"] - location) / p["sd"]) ** 2
        - np.log(p["sd"])
        - 0.5 * np.log(2 * np.pi)
    )
    expected = float((logsumexp(z, axis=0) + rest).sum())
    assert m.log_likelihood(data, p) == pytest.approx(expected, rel=1e-11)


def test_fits_upwards_and_blocks_are_no_shorter_than_what_is_gathered_from() -> None:
    data = indexed(9000, 6000, 5000)
    m = module(INDEXED)
    result = m.fit(data, K=2, seed=0, restarts=1, max_iter=5, progress=False)
    trace = np.asarray(result.objective_trace)
    assert np.all(np.diff(trace) >= -1e-9 * np.abs(trace[1:]))
    engine = Engine(m.PROGRAM, bind(m.PROGRAM.meta, data, {"K": 2}))
    assert engine.pieces[0].block >= 6000


def test_starts_tell_the_values_of_a_long_category_apart_in_few_columns() -> None:
    """As rows of indicators would: all values about as far from each other."""
    few, many = COLUMNS._codes(5), COLUMNS._codes(3000)
    assert np.array_equal(few, np.eye(5))
    assert many.shape == (64, 3000)
    squares = ((many[:, :300, None] - many[:, None, 300:600]) ** 2).sum(axis=0)
    assert squares.mean() == pytest.approx(2.0, abs=0.1)
    assert squares.min() > 0.3


def test_a_mixture_of_items_with_many_categories_is_found() -> None:
    """Three classes that use different thirds of 90 values, on five items."""
    rng = np.random.default_rng(0)
    z = rng.integers(3, size=1500)
    y = 30 * z[:, None] + rng.integers(30, size=(1500, 5))
    stray = rng.random(y.shape) < 0.2
    y[stray] = rng.integers(90, size=stray.sum())
    y[0, 0] = 89
    text = ITEMS.split("        input w", maxsplit=1)[0].replace("param score[J, V] : real\n", "")
    m = module(text)
    result = m.fit({"y": y}, K=3, seed=0, restarts=4, progress=False)
    found = m.predict({"y": y}, result.params)["z"]
    counts = np.zeros((3, 3))
    np.add.at(counts, (z, found), 1)
    assert counts.max(axis=1).sum() > 1450
