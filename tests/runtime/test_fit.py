"""Fits against oracles: the known optimum, scikit-learn, direct formulas."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import hand_gmm
import hand_lca
import hand_line
import hand_normal
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from emdsl import runtime as rt

OPTIMUM = -1130.2639601847  # two full components on Old Faithful


def never_fell(trace: np.ndarray) -> bool:
    return bool((np.diff(trace) >= -1e-9 * np.abs(trace[1:])).all())


def test_reaches_the_known_optimum(faithful: np.ndarray) -> None:
    result = rt.fit(hand_gmm.PROGRAM, faithful, sizes={"K": 2}, tol=1e-10)
    assert result.status == "converged"
    assert result.converged
    assert result.objective == pytest.approx(OPTIMUM, abs=1e-6)
    assert result.log_likelihood == result.objective == result.objective_trace[-1]
    assert len(result.objective_trace) == result.n_iter + 1
    assert never_fell(result.objective_trace)
    assert [r.restart for r in result.restarts] == list(range(10))
    assert result.objective == max(r.objective for r in result.restarts)
    assert result.messages == ()


def test_the_objective_belongs_to_the_parameters(faithful: np.ndarray) -> None:
    for max_iter in (0, 1, 5):
        result = rt.fit(hand_gmm.PROGRAM, faithful, max_iter=max_iter, restarts=1, tol=0.0)
        assert (result.status, result.n_iter) == ("max_iter", max_iter)
        again = rt.log_likelihood(hand_gmm.PROGRAM, faithful, result.params)
        assert result.objective == pytest.approx(again, rel=1e-12)


def test_same_steps_as_scikit_learn(faithful: np.ndarray) -> None:
    start = rt.init_params(hand_gmm.PROGRAM, faithful, sizes={"K": 3}, seed=4)
    peer = GaussianMixture(
        3, max_iter=7, tol=0.0, reg_covar=0.0, weights_init=start["weight"],
        means_init=start["mean"], precisions_init=np.linalg.inv(start["cov"]),
    )  # fmt: skip
    with pytest.warns(ConvergenceWarning):
        peer.fit(faithful)
    ours = rt.fit(hand_gmm.PROGRAM, faithful, sizes={"K": 3}, init=start, max_iter=7, tol=0.0)
    np.testing.assert_allclose(ours.params["weight"], peer.weights_, rtol=1e-8)
    np.testing.assert_allclose(ours.params["mean"], peer.means_, rtol=1e-8)
    np.testing.assert_allclose(ours.params["cov"], peer.covariances_, rtol=1e-7)
    assert ours.log_likelihood == pytest.approx(peer.score(faithful) * 272, rel=1e-10)
    np.testing.assert_allclose(ours.posterior()["z"], peer.predict_proba(faithful), atol=1e-9)
    np.testing.assert_array_equal(ours.predict()["z"], peer.predict(faithful))
    assert ours.n_params == peer._n_parameters()
    assert ours.aic == pytest.approx(peer.aic(faithful))
    assert ours.bic == pytest.approx(peer.bic(faithful))


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 1e8), (1e-8, 0.0), (1e8, 0.0), (1.0, -1e6)])
def test_offset_and_scale_change_nothing(faithful: np.ndarray, scale: float, offset: float) -> None:
    plain = rt.fit(hand_gmm.PROGRAM, faithful, restarts=2, tol=1e-10)
    moved = rt.fit(hand_gmm.PROGRAM, scale * faithful + offset, restarts=2, tol=1e-10)
    assert moved.status == "converged"
    assert moved.objective == pytest.approx(plain.objective - 272 * 2 * np.log(scale), abs=1e-4)
    np.testing.assert_allclose(moved.params["cov"], scale**2 * plain.params["cov"], rtol=1e-4)
    assert never_fell(moved.objective_trace)


def test_converged_means_it_went_on_to_the_end(faithful: np.ndarray) -> None:
    """K = 4 creeps: the estimate of what is still to come holds it until it is really there."""
    result = rt.fit(hand_gmm.PROGRAM, faithful, sizes={"K": 4}, restarts=1, max_iter=5000, seed=3)
    further = rt.fit(
        hand_gmm.PROGRAM, faithful, sizes={"K": 4}, init=result.params, tol=1e-13, max_iter=5000
    )
    assert result.status == "converged"
    assert further.objective - result.objective <= 5e-8 * abs(result.objective)


def test_regression_is_one_step(items: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    u = np.column_stack([np.ones(40), rng.normal(size=(40, 2))])
    y = u @ [1.0, 2.0, 3.0] + rng.normal(size=40)
    y[3] = np.nan
    result = rt.fit(hand_line.program(), {"u": u, "y": y})
    seen = ~np.isnan(y)
    beta, rss, *_ = np.linalg.lstsq(u[seen], y[seen], rcond=None)
    np.testing.assert_allclose(result.params["beta"], beta, rtol=1e-9)
    assert result.params["sd"] == pytest.approx(np.sqrt(rss[0] / 39))
    assert (result.status, result.n_iter, len(result.restarts)) == ("converged", 1, 1)
    assert result.n_params == 4


def test_priors_count_in_the_objective() -> None:
    rng = np.random.default_rng(0)
    u = rng.normal(size=(40, 2))
    y = u @ [2.0, 3.0] + rng.normal(size=40)
    result = rt.fit(hand_line.program(ridge=2.0), {"u": u, "y": y}, tol=1e-12)
    assert result.status == "converged"
    assert result.log_prior < 0.0
    assert result.objective == pytest.approx(result.log_likelihood + result.log_prior)
    beta, sd = result.params["beta"], result.params["sd"]
    np.testing.assert_allclose(u.T @ (y - u @ beta) / sd**2, 2.0 * beta, rtol=1e-5)
    assert "log posterior" in repr(result)


def test_weights_are_repeated_rows(items: np.ndarray) -> None:
    start = {"weight": [0.4, 0.6], "p": [[0.8, 0.7, 0.3, 0.6], [0.2, 0.3, 0.7, 0.4]]}
    freq = np.arange(300) % 3
    weighted = rt.fit(hand_lca.PROGRAM, {"y": items, "freq": freq}, init=start)
    repeated = rt.fit(
        hand_lca.PROGRAM,
        {"y": np.repeat(items, freq, axis=0), "freq": np.ones(freq.sum())},
        init=start,
    )
    assert weighted.objective == pytest.approx(repeated.objective, rel=1e-12)
    np.testing.assert_allclose(weighted.params["p"], repeated.params["p"], rtol=1e-9)
    assert (weighted.n_obs, weighted.bic_n) == (300, freq.sum())
    assert weighted.bic == pytest.approx(repeated.bic)


def test_labels_pin_the_components() -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 1, 100), rng.normal(6, 1, 100)])
    z = np.full(200, np.nan)
    z[:3], z[-3:] = 1, 0
    for seed in range(3):
        result = rt.fit(hand_normal.program(), {"x": x, "z": z}, seed=seed, restarts=1)
        assert result.params["mean"][0] == pytest.approx(6, abs=0.5)
        assert result.params["mean"][1] == pytest.approx(0, abs=0.5)
        posterior = result.posterior()["z"]
        np.testing.assert_allclose(posterior[:3], [[0, 1]] * 3, atol=1e-200)
    assert result.predict({"x": [6.0, 0.0]})["z"].tolist() == [0, 1]


# --- starts ------------------------------------------------------------------------------------


def test_seeds_reproduce(faithful: np.ndarray) -> None:
    def objectives(seed: Any, restarts: int = 3) -> list[float]:
        found = rt.fit(hand_gmm.PROGRAM, faithful, sizes={"K": 3}, seed=seed, restarts=restarts)
        return [r.objective for r in found.restarts if r.attempt == 0]

    assert objectives(1) == objectives(1)
    assert objectives(1) != objectives(2)
    assert objectives(1, restarts=5)[:3] == objectives(1)
    assert objectives(np.random.SeedSequence(1)) == objectives(1)
    for make in (np.random.default_rng, np.random.RandomState):
        assert objectives(make(7)) == objectives(make(7))
    assert objectives(np.random.SeedSequence(1)) == objectives(np.int64(1))


def test_a_used_seed_sequence_is_left_alone(faithful: np.ndarray) -> None:
    sequence = np.random.SeedSequence(3)
    rt.fit(hand_gmm.PROGRAM, faithful, seed=sequence, restarts=2)
    assert sequence.n_children_spawned == 0


def test_init_params_is_the_first_start(faithful: np.ndarray) -> None:
    seen: list[rt.Iteration] = []
    rt.fit(hand_gmm.PROGRAM, faithful, seed=8, restarts=1, on_iteration=seen.append)
    start = rt.init_params(hand_gmm.PROGRAM, faithful, seed=8)
    for name, value in start.items():
        np.testing.assert_array_equal(seen[0].params[name], value)


def test_init_may_be_parameters_or_a_list_or_responsibilities(faithful: np.ndarray) -> None:
    p = rt.init_params(hand_gmm.PROGRAM, faithful, seed=8)
    one = rt.fit(hand_gmm.PROGRAM, faithful, init=p)
    assert len(one.restarts) == 1
    two = rt.fit(hand_gmm.PROGRAM, faithful, init=[p, {"mean": p["mean"]}])
    assert len(two.restarts) == 2
    some = rt.fit(hand_gmm.PROGRAM, faithful, init={"weight": [0.9, 0.1]}, restarts=3)
    assert len(some.restarts) == 3
    split = (faithful[:, :1] > 3.0) * 1.0
    given = rt.fit(hand_gmm.PROGRAM, faithful, init={"z": np.hstack([split, 1.0 - split])})
    assert len(given.restarts) == 1
    assert given.params["mean"][0, 0] > given.params["mean"][1, 0]
    assert given.objective == pytest.approx(OPTIMUM, abs=1e-4)


def test_responsibilities_of_collapsed_rows(items: np.ndarray) -> None:
    """Equal rows share one average, so given posteriors are carried on where they left off."""
    data = {"y": items, "freq": np.ones(300)}
    first = rt.fit(hand_lca.PROGRAM, data, restarts=2, tol=1e-12, max_iter=5000)
    again = rt.fit(hand_lca.PROGRAM, data, init=first.posterior(), tol=1e-12)
    assert again.n_iter <= 3
    np.testing.assert_allclose(again.params["p"], first.params["p"], atol=1e-4)


def test_many_rows_of_bits_break_their_symmetry() -> None:
    rng = np.random.default_rng(0)
    p = np.array([[0.8] * 12, [0.2] * 12, [0.8, 0.2] * 6])
    y = (rng.random((3000, 12)) < p[rng.integers(3, size=3000)]).astype(int)
    result = rt.fit(hand_lca.PROGRAM, {"y": y, "freq": np.ones(3000)}, sizes={"K": 3}, restarts=4)
    truth = sorted(p.mean(axis=1))
    assert sorted(result.params["p"].mean(axis=1)) == pytest.approx(truth, abs=0.03)
    assert len({round(r.objective, 1) for r in result.restarts}) == 1


# --- endings -----------------------------------------------------------------------------------


def test_ctrl_c_returns_the_best_so_far(faithful: np.ndarray) -> None:
    def stop(at: rt.Iteration) -> None:
        if (at.restart, at.iteration) == (2, 3):
            raise KeyboardInterrupt

    result = rt.fit(hand_gmm.PROGRAM, faithful, on_iteration=stop)
    assert result.status == "interrupted"
    assert not result.converged
    assert [r.status for r in result.restarts] == ["converged", "converged", "interrupted"]
    assert result.objective == pytest.approx(OPTIMUM, abs=1e-4)
    assert "interrupted after iteration 3" in result.messages


def test_ctrl_c_in_the_first_run(faithful: np.ndarray) -> None:
    def stop(at: rt.Iteration) -> None:
        raise KeyboardInterrupt

    result = rt.fit(hand_gmm.PROGRAM, faithful, on_iteration=stop)
    assert (result.status, result.n_iter) == ("interrupted", 0)
    assert np.isfinite(result.objective)


def test_ctrl_c_before_anything_is_known(faithful: np.ndarray, monkeypatch: Any) -> None:
    def stop(self: Any, params: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rt.Engine, "e_step", stop)
    with pytest.raises(KeyboardInterrupt):
        rt.fit(hand_gmm.PROGRAM, faithful)


def test_a_decrease_is_reported_as_a_bug(caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(0)
    u = rng.normal(size=(40, 2))
    data = {"u": u, "y": u @ [2.0, 3.0] + rng.normal(size=40)}
    good, broken = hand_line.program(ridge=1.0), []

    def break_it(at: rt.Iteration) -> None:
        broken.append(at.iteration)

    def m_step(statistics: rt.Statistics, params: rt.Params) -> rt.Params:
        new = good.m_step(statistics, params)
        return {**new, "sd": new["sd"] * 1.5} if broken else new

    with caplog.at_level(logging.ERROR, logger="emdsl"):
        result = rt.fit(replace(good, m_step=m_step), data, tol=0.0, on_iteration=break_it)
    assert result.status == "decreased"
    assert never_fell(result.objective_trace)
    assert "this is a bug in emdsl" in result.messages[0]
    assert "of restart 0" in result.messages[0]
    assert caplog.records[0].getMessage() == result.messages[0]
    assert result.objective == pytest.approx(rt.fit(good, data).objective, rel=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_never_falls_on_awkward_data(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 3)) * 10.0 ** rng.integers(-6, 6, size=3)
    x += 10.0 ** rng.integers(-3, 9, size=3) * np.abs(x).max(axis=0) * 1e-3
    x[rng.random(60) < 0.2] = x[0]
    result = rt.fit(hand_gmm.PROGRAM, x, sizes={"K": 3}, restarts=4, seed=seed)
    assert all(r.status in ("converged", "degenerate", "max_iter") for r in result.restarts)
    assert all(np.isfinite(v).all() for v in result.params.values())


# --- progress ----------------------------------------------------------------------------------


def test_progress_is_off_where_there_is_no_terminal(
    faithful: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    rt.fit(hand_gmm.PROGRAM, faithful)
    assert capsys.readouterr() == ("", "")
    rt.fit(hand_gmm.PROGRAM, faithful, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "restart 1/10, iteration 0: " in err
    assert err.endswith("\r")
