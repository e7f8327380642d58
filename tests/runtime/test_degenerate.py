"""Data that leave no maximum: a stated result, never NaN and never a traceback."""

from __future__ import annotations

from typing import Any

import hand_gmm
import hand_lca
import hand_line
import hand_normal
import numpy as np
import pytest

from emdsl import runtime as rt
from emdsl.compiler import load
from emdsl.runtime.guard import Guard
from emdsl.source import Source

GMM = hand_gmm.PROGRAM
SD, TAU = hand_normal.program(), hand_normal.program(precision=True)


def nothing_is_nan(result: rt.FitResult) -> None:
    assert all(np.isfinite(v).all() for v in result.params.values())
    for number in (result.objective, result.log_likelihood, result.log_prior, result.aic):
        assert not np.isnan(number)
    assert not np.isnan(result.objective_trace).any()
    assert not any(np.isnan(r.objective) for r in result.restarts)


rng = np.random.default_rng(0)
U = np.column_stack([np.ones(20), rng.normal(size=20)])
TWO = rng.normal(size=(20, 2))

FLAT: list[tuple[str, rt.Program, Any, str, str]] = [
    ("one observation", GMM, [[1.0, 2.0]], "cov", "there is one observation"),
    ("one observation", SD, [3.0], "sd", "there is one observation"),
    ("all equal", SD, [3.3e8] * 7, "sd", "the values are all equal"),
    ("all zero", SD, [0.0] * 7, "sd", "the values are all equal"),
    ("all equal, precision", TAU, [3.3e8] * 7, "tau", "the values are all equal"),
    ("all zero, precision", TAU, [0.0] * 7, "tau", "the values are all equal"),
    ("a constant column", GMM, np.hstack([TWO, np.full((20, 1), 1e8)]), "cov", "all equal"),
    ("a constant zero column", GMM, np.hstack([TWO, np.zeros((20, 1))]), "cov", "all equal"),
    ("dependent columns", GMM, np.hstack([TWO, TWO @ [[1.0], [2.0]]]), "cov", "exactly dependent"),
    ("fewer rows than columns", GMM, rng.normal(size=(3, 5)), "cov", "exactly dependent"),
    ("an exact line", hand_line.program(), {"u": U, "y": U @ [1.0, 2.0]}, "sd", "dependent"),
    ("one distinct row", GMM, [[1.0, 2.0]] * 5 + [[np.nan, np.nan]], "cov", "all equal"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "program", "data", "name", "why"), FLAT)
def test_no_spread_at_all(case: str, program: Any, data: Any, name: str, why: str) -> None:
    for policy in ("restart", "floor"):
        result = rt.fit(program, data, degenerate=policy)
        nothing_is_nan(result)
        assert result.status == "degenerate"
        message = next(m for m in result.messages if m.startswith("collapsed: "))
        assert message.startswith(f"collapsed: {name} has no variance in the data (")
        assert why in message
        assert result.objective == np.inf  # the likelihood is unbounded
        assert "degenerate" in repr(result)


SPREAD: list[tuple[str, rt.Program, Any]] = [
    ("offset 1e8", SD, 1e8 + rng.normal(size=30)),
    ("scale 1e-8", SD, 1e-8 * rng.normal(size=30)),
    ("scale 1e-100", SD, 1e-100 * rng.normal(size=30)),
    ("unlike columns", GMM, TWO * [1e-8, 1e8] + [0.0, 1e10]),
    ("nearly dependent", GMM, np.hstack([TWO, TWO[:, :1] + 1e-5 * rng.normal(size=(20, 1))])),
    ("nearly a line", hand_line.program(), {"u": U, "y": U @ [1e6, 2.0] + rng.normal(size=20)}),
]


@pytest.mark.parametrize(("case", "program", "data"), SPREAD)
def test_little_spread_is_spread(case: str, program: Any, data: Any) -> None:
    result = rt.fit(program, data, sizes={"K": 1} if program is not SPREAD[-1][1] else {})
    assert result.status == "converged", result.messages


@pytest.mark.parametrize("seed", range(3))
def test_a_floor_holds_precisions_where_it_holds_scales(seed: int) -> None:
    """A precision's update is one over zero on equal values, where a scale's is zero."""
    x = np.concatenate([np.random.default_rng(seed).normal(size=50), [40.0] * 4])
    by_scale, by_precision = (rt.fit(p, x, degenerate="floor", floor=1e-4) for p in (SD, TAU))
    assert by_precision.messages == ("floored: tau was held at 0.0001 of the data's variance",)
    assert by_precision.objective == pytest.approx(by_scale.objective, abs=1e-8)
    assert (np.diff(by_precision.objective_trace) > -1e-9).all()
    fixed = rt.fit(TAU, x, degenerate="floor", fix={"tau": np.array([1.0, 4.0])})
    assert np.array_equal(fixed.params["tau"], [1.0, 4.0])
    assert not fixed.messages


def test_more_components_than_rows() -> None:
    x = rng.normal(size=(5, 2))
    result = rt.fit(GMM, x, sizes={"K": 8})
    nothing_is_nan(result)
    assert result.status == "degenerate"
    assert result.messages[0] == "K = 8 is more than the number of elements, N = 5"
    assert "starts were degenerate" in result.messages[-1]
    assert len(result.restarts) == 30  # every one was tried three times
    assert result.posterior()["z"].shape == (5, 8)


@pytest.mark.parametrize("program", [SD, TAU])
def test_a_component_on_one_value(program: Any) -> None:
    x = np.concatenate([rng.normal(size=50), [40.0] * 4])
    result = rt.fit(program, x)
    nothing_is_nan(result)
    assert {r.status for r in result.restarts} >= {"degenerate"}
    lost = next(r for r in result.restarts if r.status == "degenerate")
    assert lost.message.startswith("collapsed: ")
    held = rt.fit(program, x, degenerate="floor", floor=1e-4)
    nothing_is_nan(held)
    assert held.status == "converged"
    assert any("floored" in m for m in held.messages)
    variance = held.params["sd"] ** 2 if "sd" in held.params else 1.0 / held.params["tau"]
    assert variance.min() == pytest.approx(1e-4 * x.var(), rel=1e-6)
    assert (np.diff(held.objective_trace) > -1e-9 * abs(held.objective)).all()


def test_floored_matrices(faithful: np.ndarray) -> None:
    x = np.vstack([faithful, np.tile([10.0, 200.0], (5, 1))])
    result = rt.fit(GMM, x, sizes={"K": 3}, degenerate="floor", floor=1e-5, restarts=5)
    nothing_is_nan(result)
    assert result.status == "converged"
    whiten = np.linalg.inv(np.linalg.cholesky(np.cov(x.T, bias=True)))
    lowest = np.linalg.eigvalsh(whiten @ result.params["cov"] @ whiten.T).min()
    assert lowest == pytest.approx(1e-5, rel=1e-6)


def test_a_degenerate_start_is_replaced() -> None:
    """Two repeated points attract components, but there is an optimum without them."""
    x = np.concatenate([np.random.default_rng(3).normal(size=(100, 1)), [[9.0]] * 2])[:, 0]
    result = rt.fit(SD, x, sizes={"K": 2}, restarts=20)
    tried = {(r.restart, r.attempt) for r in result.restarts}
    assert any(attempt > 0 for _, attempt in tried)
    for r in result.restarts:
        later = (r.restart, r.attempt + 1) in tried
        assert later == (r.status == "degenerate" and r.attempt < 2)
    if result.status == "converged":
        assert any("degenerate and left out" in m for m in result.messages)


def test_an_emptied_component() -> None:
    x = np.concatenate([np.zeros(10), np.ones(10)]) + 0.1 * np.random.default_rng(1).normal(size=20)
    start = {"weight": [0.5, 0.5], "mean": [0.5, 1e6], "sd": [0.5, 0.5]}
    result = rt.fit(SD, x, init=start)
    nothing_is_nan(result)
    assert result.status == "degenerate"
    assert result.messages[0].startswith("emptied: z = 1 has no data left (expected count ")
    assert rt.fit(SD, x, init=start, degenerate="floor").status == "converged"


def test_a_symmetric_start_is_pointed_out(faithful: np.ndarray) -> None:
    start = {"weight": [0.5, 0.5], "mean": [[3.0, 70.0]] * 2, "cov": [np.diag([1.0, 100.0])] * 2}
    result = rt.fit(GMM, faithful, init=start)
    assert any("the start was symmetric" in m for m in result.messages)


def test_impossible_data_are_named() -> None:
    data = {"y": [[0, 1], [1, 1], [1, 0]], "freq": [1, 1, 1]}
    start = {"weight": [0.5, 0.5], "p": [[0.5, 1.0], [0.5, 1.0]]}
    program = impossible_where_certain()
    with pytest.raises(rt.DataError) as caught:
        rt.fit(program, data, init=start)
    assert str(caught.value) == (
        "row 2 of N (y = [1, 0]) has probability zero under the model, expected data it can "
        "produce: check the row, or add to the model what explains it"
    )
    with pytest.raises(rt.DataError, match="row 2 of N"):
        rt.e_step(program, data, start)
    assert rt.log_likelihood(program, data, start) == -np.inf


def impossible_where_certain() -> rt.Program:
    """The latent classes, with 1 - p = 0 meaning never rather than hardly ever."""
    from dataclasses import replace

    def infer(features: Any, known: Any, layout: Any, how: Any, bias: Any) -> Any:
        evidence, joint = hand_lca.infer(features, known, layout, how, bias)
        return np.where(evidence < -100.0, -np.inf, evidence), joint

    piece = replace(hand_lca.PROGRAM.pieces[0], infer=infer)
    return replace(hand_lca.PROGRAM, pieces=(piece,))


def test_a_boundary_is_no_collapse(items: np.ndarray) -> None:
    """A probability of exactly 1 is where the maximum is."""
    y = np.where(np.isnan(items), 1.0, items)
    y[:, 0] = 1.0
    result = rt.fit(hand_lca.PROGRAM, {"y": y, "freq": np.ones(300)})
    assert result.status == "converged"
    np.testing.assert_allclose(result.params["p"][:, 0], 1.0)


def test_a_spread_whose_square_no_float_holds() -> None:
    """The guard looks for what is small: what is large may be anything."""
    guard = Guard(SD.meta, {"sd": np.array([2.0, 2.0])})
    assert guard.tightest({"sd": np.array([1e300, 3.0])}).ratio == 1.0
    assert guard.tightest({"sd": np.array([1e300, 0.2])}).ratio == pytest.approx(0.01)
    inverse = Guard(TAU.meta, {"tau": np.array([2.0, 2.0])})
    assert inverse.tightest({"tau": np.array([1e-300, 200.0])}).ratio == pytest.approx(0.01)


COUNTS = """model Counts
param p    : unit
param a, b : positive
param r    : positive
for n in N:
    latent z[n] ~ Bernoulli(p)
    data   y[n] : count ~ case z[n]:
        0: Geometric(1 / (1 + a))
        1: {}
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 3])
def test_probabilities_have_a_bound(seed: int) -> None:
    """No start is degenerate where all is discrete: a shape without end has a Poisson's limit."""
    rng = np.random.default_rng(seed)
    z = rng.integers(0, 2, 100)
    y = np.where(z, rng.poisson(9, 100), rng.geometric(0.4, 100) - 1)
    found = load(Source(COUNTS.format("NegativeBinomial(mean = a + b, shape = r)"))).fit(
        {"y": y}, restarts=4
    )
    assert [r.status for r in found.restarts] == ["converged"] * 4
    assert found.messages[0].startswith("r grows without bound")
    limit = load(Source(COUNTS.format("Poisson(a + b)").replace("param r    : positive\n", "")))
    assert found.log_likelihood == pytest.approx(limit.fit({"y": y}).log_likelihood, abs=2e-2)
