"""Locations that may not fall: against all ways to pool neighbours, and a linear program."""

from __future__ import annotations

from functools import cache
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from scipy import optimize

from emdsl import compiler
from emdsl.diagnostics import CompileError
from emdsl.runtime.isotonic import Problem, in_order
from emdsl.source import Source

GROUPS = """
model Groups
param m : ordered[D]
param s : positive

for n in N:
    input g[n] : category[D]
    data y[n] ~ Laplace(m[g[n]], s)
"""
RNG = np.random.default_rng(8)


@cache
def module(text: str = GROUPS) -> Any:
    return compiler.load(Source(text, "m.em"))


def problems(bends: bool, seed: int) -> list[Problem]:
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(5):
        rows = int(rng.integers(1, 6))
        points = np.round(rng.normal(size=rows), 1)  # with ties
        weights = rng.gamma(1.0, size=rows) + 0.1
        bend = float(rng.gamma(1.0)) * bends
        slope = float(rng.uniform(-0.5, 0.5) * weights.sum())
        out.append(Problem(0.0, points, weights, slope, bend))
    return [p._replace(value=lowest([p])[0]) for p in out]


def cost(some: list[Problem], x: float) -> float:
    return sum(0.5 * p.bend * x * x + p.weights @ np.abs(p.points - x) - p.slope * x for p in some)


def lowest(some: list[Problem]) -> tuple[float, float]:
    """At a point, or where the derivative between two is zero: all of them are tried."""
    points = np.concatenate([p.points for p in some])
    bend, slope = sum(p.bend for p in some), sum(p.slope for p in some)
    places = list(points)
    if bend > 0.0:
        weights = np.concatenate([p.weights for p in some])
        sides = [np.sign(points - x) for x in (*(points - 1e-9), *(points + 1e-9))]
        places += [(slope + weights @ side) / bend for side in sides]
    return min(((float(x), cost(some, float(x))) for x in places), key=lambda f: f[1])


@pytest.mark.parametrize("bends", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_no_way_to_pool_neighbours_is_lower(seed: int, bends: bool) -> None:
    every = problems(bends, seed)
    best = np.inf
    for cuts in product([False, True], repeat=len(every) - 1):
        starts = [0, *(i + 1 for i, cut in enumerate(cuts) if cut), len(every)]
        found = [lowest(every[a:b]) for a, b in pairwise(starts)]
        if all(a[0] <= b[0] for a, b in pairwise(found)):
            best = min(best, sum(f[1] for f in found))
    values = in_order(every)
    assert (np.diff(values) >= 0.0).all()
    assert sum(cost([p], v) for p, v in zip(every, values, strict=True)) <= best + 1e-9


def program(y: Any, g: Any, size: int) -> float:
    """The least sum of absolute deviations from numbers that don't fall."""
    n = len(y)
    pick = np.eye(size)[g]
    equal = np.hstack([pick, np.eye(n), -np.eye(n)])
    rises = np.hstack([-np.diff(np.eye(size), axis=0), np.zeros((size - 1, 2 * n))])
    price = np.concatenate([np.zeros(size), np.ones(2 * n)])
    found = optimize.linprog(
        price, rises, np.zeros(size - 1), equal, y, [(None, None)] * size + [(0, None)] * 2 * n
    )
    return float(found.fun)


@pytest.mark.parametrize(("offset", "scale"), [(0.0, 1.0), (1e8, 1.0), (0.0, 1e-8)])
def test_medians_of_groups_that_fall_are_those_of_a_linear_program(
    offset: float, scale: float
) -> None:
    g = RNG.integers(0, 6, 60)
    y = offset + scale * (RNG.normal(size=60) + 0.1 * g)
    y[g == 4] = np.nan  # an empty group
    result = module().fit({"y": y, "g": g}, progress=False)
    m, seen = result.params["m"], ~np.isnan(y)
    assert (np.diff(m) >= 0.0).all()
    least = program((y[seen] - offset) / scale, g[seen], 6)
    assert np.abs(y - m[g])[seen].sum() / scale == pytest.approx(least, rel=1e-7)
    assert result.params["s"] == pytest.approx(np.abs(y - m[g])[seen].mean(), rel=1e-7)


def test_one_observation_and_equal_ones() -> None:
    one = module().fit({"y": np.array([3.0]), "g": np.array([0])}, progress=False)
    assert one.status == "degenerate"
    assert one.params["m"] == pytest.approx(3.0)
    falling = {"y": np.repeat([2.0, 1.0], 4), "g": np.repeat([0, 1], 4)}
    two = module().fit(falling, progress=False)
    assert two.params["m"][0] == two.params["m"][1] == pytest.approx(1.5)


MIXTURE = """
model Mixture(K = 3)
param weight : simplex[K]
param m KIND
param s : positive[K]

for n in N:
    latent z[n] ~ Categorical(weight)
    data y[n] ~ Laplace(m[z[n]], s[z[n]])
"""
CHAIN = """
model Chain(K = 3)
param first : simplex[K]
param trans[K] : simplex[K]
param m KIND
param s : positive[K]

for t in T:
    latent z[t] ~ Categorical(first) if t == 0 else Categorical(trans[z[t-1]])
    data y[t] ~ Laplace(m[z[t]], s[z[t]])
"""


@pytest.mark.parametrize("text", [MIXTURE, MIXTURE.replace("Laplace", "Normal"), CHAIN])
@pytest.mark.parametrize("seed", [1, 2])
def test_components_in_order_are_those_of_a_model_without_order(text: str, seed: int) -> None:
    """The same maximum, with the components renumbered: starts have to be numbered well."""
    rng = np.random.default_rng(seed)
    z = rng.integers(0, 3, 300)
    y = rng.laplace(np.array([-4.0, 0.0, 3.0])[z], np.array([1.0, 0.5, 0.8])[z])
    options = {"progress": False, "restarts": 4, "seed": 1}
    ordered = module(text.replace("KIND", ": ordered[K]")).fit({"y": y}, **options)
    free = module(text.replace(" KIND", "[K] : real")).fit({"y": y}, **options)
    assert ordered.log_likelihood >= free.log_likelihood - 1e-5 * abs(free.log_likelihood)
    np.testing.assert_allclose(ordered.params["m"], np.sort(free.params["m"]), atol=0.05)
    assert (np.diff(ordered.objective_trace) >= -1e-9 * abs(ordered.objective)).all()


def test_a_normal_prior_bends_what_is_in_order() -> None:
    text = GROUPS.replace("m : ordered[D]", "m : ordered[D] ~ Normal(0, 1)")
    g = np.repeat(np.arange(4), 8)
    y = RNG.normal(size=32) - 0.3 * g
    result = module(text).fit({"y": y, "g": g}, progress=False)
    m, s = result.params["m"], result.params["s"]
    assert (np.diff(m) >= 0.0).all()
    peer = optimize.minimize(
        lambda x: (
            np.abs(y - np.cumsum([x[0], *np.exp(x[1:])])[g]).sum() / s
            + 0.5 * (np.cumsum([x[0], *np.exp(x[1:])]) ** 2).sum()
        ),
        np.array([m[0], -8.0, -8.0, -8.0]),
        method="Nelder-Mead",
        options={"maxiter": 5000, "xatol": 1e-10, "fatol": 1e-12},
    )
    own = np.abs(y - m[g]).sum() / s + 0.5 * (m**2).sum()
    assert own <= peer.fun + 1e-9


def test_entries_that_share_a_deviation_are_refused() -> None:
    text = GROUPS.replace("Laplace(m[g[n]], s)", "Laplace(m[0] + m[g[n]], s)")
    with pytest.raises(CompileError, match=r"`m` is ordered\[D\], and no entry of it is alone"):
        module(text)
