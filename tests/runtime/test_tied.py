"""Coefficients that data pick: Hessians without their zeros, and Newton's steps by group.

The oracles are the same Hessian written out and solved whole, other packages' fits on dummies, and
the same model with its dummies as covariates.
"""

from __future__ import annotations

import tracemalloc
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import optimize, special

from emdsl.compiler import compile_source, import_text
from emdsl.runtime import newton, numeric
from emdsl.runtime.arrow import Uphill, arrow
from emdsl.runtime.coordinates import Coordinates
from emdsl.runtime.numeric import Share
from emdsl.runtime.tied import Tied, arms_of
from emdsl.source import Source
from tests.lower import numeric_models

EFFECTS = """
model Effects
param b[G] : real
param beta : real[P]
for n in N:
    input group[n] : category[G]
    input u[n] : real[P]
    data y[n] : bool ~ Bernoulli(logit = dot(beta, u[n]) + b[group[n]])
"""
BY_GROUP = (
    "group effects", "group slopes beside a shared slope", "crossed groups",
    "a table of groups beside one of its margins", "group shapes",
    "group effects beside a slope in a mixture",
)  # fmt: skip


def module(text: str) -> ModuleType:
    compiled = compile_source(Source(text, "model.em"))
    return import_text(compiled.module, compiled.model.name)


def drawn(rows: int, groups: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    group = np.arange(rows) % groups
    u = rng.normal(size=(rows, 2))
    line = u @ [0.5, -1.0] + rng.normal(size=groups)[group]
    return {"group": group, "u": u, "y": (rng.random(rows) < special.expit(line)) * 1.0}


def fit(text: str, data: dict[str, Any], **options: Any) -> Any:
    return module(text).fit(data, progress=False, **options)


@pytest.fixture
def always_by_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few unknowns there are."""
    monkeypatch.setattr(numeric, "LARGE", 0)
    monkeypatch.setattr(newton, "LARGE", 0)


@pytest.mark.parametrize("name", BY_GROUP)
def test_steps_by_group_are_those_of_the_whole_hessian(
    name: str, monkeypatch: pytest.MonkeyPatch, always_by_group: None
) -> None:
    case = numeric_models.case(name)
    statistics = case.module.e_step(case.data, case.params)
    asked: list[Any] = []

    def climb(block: Any, stats: Any, values: Any, unit: Any = 1.0) -> Any:
        asked.append((block, stats, dict(values)))
        return tuple(values[n] for n in block.params)

    monkeypatch.setattr(case.module.rt, "climb", climb)
    case.module.m_step(statistics, case.params)
    looked = False
    for block, stats, values in asked:
        share = Share(block, stats, values)
        arms = share.arms()
        if arms is None:
            continue
        looked = True
        point = share.start()
        slopes = share.slopes(point, True)
        assert slopes.hessian is None
        held = tuple(np.arange(x.size).reshape(x.shape) == 1 for x in point)
        for masks in (None, held):
            frame = Coordinates(point, block.kinds, block.batch, masks)
            _, flat = frame.first()
            gradient = frame.gradient(flat, slopes)
            whole = frame.curvature(flat, slopes)
            free = frame.free[0]
            found = Uphill(arrow(frame, flat, slopes, arms)).step(gradient)[0]
            own = whole[0][np.ix_(free, free)]
            own += 1e-9 * np.eye(len(own))  # a few rows don't determine everything
            if np.linalg.eigvalsh(own).min() > 1e-6:
                expected = np.linalg.solve(own, gradient[0][free])
                np.testing.assert_allclose(found[free], expected, rtol=1e-6, atol=1e-9)
            assert found @ gradient[0] >= 0.0
            np.testing.assert_array_equal(
                frame.natural(frame.first()[0] + found)[0][~free], flat[0][~free]
            )
    assert looked


def test_what_goes_by_group_is_what_leaves_the_fewest_to_share() -> None:
    """Of b[i], c[j], d[i, 2] and a: b and d by i where that is longer, else c by j."""
    own = lambda i, j: ((i,), (j,), (i, 2), ())  # noqa: E731
    same = ((0, 0),)
    ties = (same, (), same, (), same, (), (), same, (), ())
    kinds = ("real",) * 4
    longer = arms_of(own(50, 9), ties, kinds, 1)
    assert longer is not None
    assert longer.members == (0, 2)
    assert longer.each.shape == (50, 3)
    assert len(longer.shared) == 10
    other = arms_of(own(3, 90), ties, kinds, 1)
    assert other is not None
    assert other.members == (1,)
    assert other.each.shape == (90, 1)
    assert arms_of(own(3, 90), ties, ("real", "simplex", "real", "real"), 1) is not None
    assert arms_of(((4, 3),), (same,), ("simplex",), 1) is None
    assert arms_of(((9,), (2000,)), (same, (), ()), ("real",) * 2, 1) is None  # too wide a border


def test_written_out_blocks_have_zeros_between_groups() -> None:
    rng = np.random.default_rng(0)
    blocks = (rng.normal(size=(2, 4, 3, 3)), rng.normal(size=(2, 4, 3, 5)), np.ones((2, 5, 5)))
    found = Tied(blocks, (((1, 1),), (), ()), ((3, 4), (5,)), 1)
    assert [np.shape(x) for x in found.blocks[:1]] == [(2, 4, 3, 3)]
    whole = found.whole(0, 0)
    expected = np.zeros((2, 3, 4, 3, 4))
    for g in range(4):
        expected[:, :, g, :, g] = blocks[0][:, g]
    np.testing.assert_array_equal(whole, expected)


@pytest.mark.parametrize("prior", [False, True])
def test_many_groups_end_where_a_solver_of_dummies_does(prior: bool) -> None:
    """Newton's method on the dense design is the oracle, and its gradient nearly zero here."""
    groups, rows = 350, 7000
    data = drawn(rows, groups)
    data["y"][data["group"] == 4] = np.arange((data["group"] == 4).sum()) % 2
    text = EFFECTS.replace("b[G] : real", "b[G] : real ~ Normal(0, 1.5)") if prior else EFFECTS
    result = fit(text, data)
    x = np.column_stack([np.eye(groups)[data["group"]], data["u"]])
    ridge = np.r_[np.full(groups, 1.0 / 1.5**2 if prior else 0.0), 0.0, 0.0]
    at = np.zeros(groups + 2)
    for _ in range(30):
        p = special.expit(x @ at)
        hessian = (x * (p * (1 - p))[:, None]).T @ x + np.diag(ridge)
        at += np.linalg.solve(hessian, x.T @ (data["y"] - p) - ridge * at)
    finite = np.abs(at[:groups]) < 10
    np.testing.assert_allclose(result.params["beta"], at[groups:], rtol=1e-7)
    np.testing.assert_allclose(
        result.params["b"][finite], at[:groups][finite], rtol=1e-6, atol=1e-8
    )
    line = x @ at
    best = data["y"] @ line - np.logaddexp(0, line).sum()
    assert result.log_likelihood == pytest.approx(best, rel=1e-10)
    assert result.status == "converged"


def test_a_fixed_group_stays_and_the_others_move() -> None:
    data = drawn(7000, 350)
    text = (
        EFFECTS.replace("param beta", "param mu : real\nparam beta").replace(
            "dot(beta", "mu + dot(beta"
        )
        + "constrain b[0] == 0\n"
    )
    result, free = fit(text, data), fit(EFFECTS, data)
    assert result.params["b"][0] == 0.0
    assert result.log_likelihood == pytest.approx(free.log_likelihood, rel=1e-11)
    finite = np.abs(free.params["b"]) < 10
    moved = result.params["b"] + result.params["mu"]
    np.testing.assert_allclose(moved[finite], free.params["b"][finite], rtol=1e-5, atol=1e-7)


def test_bounds_hold_where_many_groups_are() -> None:
    data = drawn(6000, 320)
    text = EFFECTS + "constrain b >= -0.5\n"
    result = fit(text, data)
    b, beta = result.params["b"], result.params["beta"]
    assert b.min() == -0.5
    eta = data["u"] @ beta + b[data["group"]]
    gradient = np.bincount(data["group"], data["y"] - special.expit(eta), 320)
    assert (gradient[b == -0.5] <= 1e-6).all()
    assert np.abs(gradient[(b > -0.5) & (b < 10)]).max() < 1e-5


SEPARATED = (
    "b has no finite maximum: the data are separated, which sends b[7] to -infinity, b[9] to "
    "+infinity; give it a prior such as ~ Normal(0, 2.5)"
)
EMPTY = (
    "b[{}] is not determined: the objective doesn't depend on it; drop its column, fix it, or "
    "give it a prior such as ~ Normal(0, 2.5)"
)


@pytest.mark.parametrize("groups", [20, 400])
def test_of_groups_it_is_said_which_are_without_a_maximum(groups: int) -> None:
    """The same of few, whose Hessian is written out, and of many."""
    data = drawn(60 * groups, groups, seed=3)
    group, y = data["group"], data["y"]
    assert fit(EFFECTS, data).messages == ()
    y[group == 7], y[group == 9] = 0.0, 1.0
    assert fit(EFFECTS, data).messages == (SEPARATED,)
    data["group"] = np.where(group == 3, 4, np.where(group == 12, 13, group))
    messages = fit(EFFECTS, data).messages
    assert set(messages) == {EMPTY.format(3), EMPTY.format(12), SEPARATED}
    one = np.r_[np.flatnonzero(group == 5)[:1], np.flatnonzero(group != 5)]
    single = {k: v[one] for k, v in drawn(60 * groups, groups, seed=3).items()}
    (message,) = fit(EFFECTS, single).messages
    assert "sends b[5] to" in message
    assert "," not in message.split(";")[0].split("sends")[1]
    ridge = EFFECTS.replace("b[G] : real", "b[G] : real ~ Normal(0, 2)")
    assert fit(ridge, data).messages == ()


@pytest.mark.parametrize("groups", [20, 400])
def test_group_effects_and_a_constant_are_collinear(groups: int) -> None:
    data = drawn(60 * groups, groups, seed=3)
    data["u"][:, 1] = 1.0
    (message,) = fit(EFFECTS, data).messages
    assert message.startswith(f"b[0], b[1], b[2], b[3], b[4], b[5] and {groups - 5} more are not")
    assert "adding t to b[0] and t to b[1]" in message
    assert "(their columns are collinear)" in message


def test_memory_is_of_the_rows_and_not_of_rows_by_groups() -> None:
    """The indicators of 20 000 rows and 2 000 groups alone would be 320 MB."""
    data = drawn(20_000, 2_000)
    built = module(EFFECTS)
    built.fit(drawn(50, 5), progress=False)
    tracemalloc.start()
    built.fit(data, progress=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30e6


def test_too_many_pairs_are_left_to_lbfgs() -> None:
    """Crossed effects with a prior, each of more groups than a table of pairs is formed for."""
    rng = np.random.default_rng(2)
    rows, i, j = 6000, 2100, 2000
    a, b = rng.integers(0, i, rows), rng.integers(0, j, rows)
    y = rng.poisson(np.exp(0.5 * rng.normal(size=i)[a] + 0.5 * rng.normal(size=j)[b]))
    v = rng.normal(size=rows)
    text = """
model Crossed
param b[I] : real ~ Normal(0, 1)
param c[J] : real ~ Normal(0, 1)
param d : real
for n in N:
    input i[n] : category[I]
    input j[n] : category[J]
    input v[n] : real
    data y[n] : count ~ Poisson(log = b[i[n]] + c[j[n]] + d * v[n])
"""
    a[0], b[0] = i - 1, j - 1
    result = fit(text, {"i": a, "j": b, "y": y, "v": v})

    def down(x: Any) -> Any:
        one, two, three = x[:i], x[i:-1], x[-1]
        line = one[a] + two[b] + three * v
        left = y - np.exp(line)
        slope = np.r_[np.bincount(a, left, i) - one, np.bincount(b, left, j) - two, left @ v]
        return -(y @ line - np.exp(line).sum() - 0.5 * (x[:-1] @ x[:-1])), -slope

    peer = optimize.minimize(down, np.zeros(i + j + 1), jac=True, method="L-BFGS-B",
                             options={"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-7})  # fmt: skip
    found = np.r_[result.params["b"], result.params["c"], result.params["d"]]
    np.testing.assert_allclose(found, peer.x, atol=2e-4)


PAIRED = """
model Paired
param s[G] : real ~ Normal(0, 1)
for n in N:
    input winner[n] : category[G]
    input loser[n]  : category[G]
    data  y[n]      : bool ~ Bernoulli(logit = s[winner[n]] - s[loser[n]])
"""


@pytest.mark.parametrize("players", [12, 3000])
def test_paired_comparisons_need_no_table_of_all_pairs(players: int) -> None:
    """Of 3000 players that alone would be 72 MB; the oracle is the gradient, which is nothing."""
    rng = np.random.default_rng(6)
    rows = 20_000
    winner = np.r_[0, players - 1, rng.integers(0, players, rows - 2)]
    loser = (winner + rng.integers(1, players, rows)) % players
    strength = rng.normal(size=players)
    y = (rng.random(rows) < special.expit(strength[winner] - strength[loser])) * 1.0
    built = module(PAIRED)
    data = {"winner": winner, "loser": loser, "y": y}
    built.fit({k: v[:2] % 2 for k, v in data.items()}, progress=False)
    tracemalloc.start()
    result = built.fit(data, progress=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6
    s = result.params["s"]
    left = y - special.expit(s[winner] - s[loser])
    slope = np.bincount(winner, left, players) - np.bincount(loser, left, players) - s
    assert np.abs(slope).max() < 1e-3
    assert result.messages == ()
