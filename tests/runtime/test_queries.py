"""What a model with parameters answers, and that chunks add up."""

from __future__ import annotations

import json

import hand_gmm
import hand_lca
import hand_line
import hand_normal
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from emdsl import runtime as rt

GMM = hand_gmm.PROGRAM
PARAMS = {
    "weight": [0.4, 0.6],
    "mean": [[2.0, 54.0], [4.3, 80.0]],
    "cov": [[[0.1, 0.4], [0.4, 33.0]], [[0.2, 0.9], [0.9, 36.0]]],
}


def test_likelihood_by_formula(faithful: np.ndarray) -> None:
    parts = [
        w * multivariate_normal.pdf(faithful, m, c)
        for w, m, c in zip(*PARAMS.values(), strict=True)
    ]
    rows = np.log(sum(parts))
    np.testing.assert_allclose(rt.row_log_likelihood(GMM, faithful, PARAMS)["N"], rows, rtol=1e-10)
    assert rt.log_likelihood(GMM, faithful, PARAMS) == pytest.approx(rows.sum(), rel=1e-12)
    posterior = rt.posterior(GMM, faithful, PARAMS)["z"]
    np.testing.assert_allclose(posterior, np.stack(parts, axis=1) / sum(parts)[:, None], atol=1e-12)
    np.testing.assert_array_equal(rt.predict(GMM, faithful, PARAMS)["z"], posterior.argmax(axis=1))


def test_chunks_add_up(faithful: np.ndarray) -> None:
    whole = rt.e_step(GMM, faithful, PARAMS)
    sums = rt.e_step(GMM, faithful[:100], PARAMS) + rt.e_step(GMM, faithful[100:], PARAMS)
    assert sums.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-13)
    assert sums.layout.sizes["N"] == 272
    start = rt.check_params(GMM.meta, PARAMS, whole.layout.sizes)
    for name, value in GMM.m_step(whole, start).items():
        np.testing.assert_allclose(GMM.m_step(sums, start)[name], value, rtol=1e-9)


def test_chunks_about_different_pivots_do_not(faithful: np.ndarray) -> None:
    a = rt.e_step(GMM, faithful[:100], PARAMS)
    b = rt.e_step(GMM, faithful[100:], PARAMS, pivot={"mean": np.zeros(2)})
    with pytest.raises(ValueError, match="different pivots"):
        a + b


def test_a_chunk_may_lack_a_column(items: np.ndarray) -> None:
    chunk = items[:3].copy()
    chunk[:, 1] = np.nan
    params = {"weight": [0.5, 0.5], "p": np.full((2, 4), 0.5)}
    found = rt.e_step(hand_lca.PROGRAM, {"y": chunk, "freq": [0, 0, 0]}, params)
    assert found.log_likelihood == 0.0


def test_collapsed_rows_answer_one_by_one(items: np.ndarray) -> None:
    result = rt.fit(hand_lca.PROGRAM, {"y": items, "freq": np.ones(300)}, restarts=2)
    one_by_one = np.concatenate([result.posterior({"y": row[None]})["z"] for row in items[:20]])
    np.testing.assert_allclose(result.posterior()["z"][:20], one_by_one, rtol=1e-12)
    rows = result.row_log_likelihood()["N"]
    assert rows.sum() == pytest.approx(result.log_likelihood, rel=1e-12)
    assert result.score() == result.log_likelihood
    assert result.score({"y": items[:9], "freq": np.ones(9)}) == pytest.approx(rows[:9].sum())


def test_new_data_must_have_the_same_columns(faithful: np.ndarray) -> None:
    result = rt.fit(GMM, faithful, restarts=1)
    with pytest.raises(rt.DataError) as caught:
        result.predict(faithful[:, :1])
    assert str(caught.value) == (
        "D = 2 is asked for but x has shape (272, 1), so D is 1 there (axis 1)"
    )


def test_missing_rows_have_the_prior_as_posterior(faithful: np.ndarray) -> None:
    x = faithful.copy()
    x[5] = np.nan
    result = rt.fit(GMM, x, restarts=2)
    np.testing.assert_allclose(result.posterior()["z"][5], result.params["weight"], rtol=1e-9)
    assert result.row_log_likelihood()["N"][5] == pytest.approx(0.0, abs=1e-12)


def test_samples_follow_the_model(faithful: np.ndarray) -> None:
    result = rt.fit(GMM, faithful, restarts=1)
    drawn = result.sample(20000, seed=1)
    assert drawn["x"].shape == (20000, 2)
    assert drawn["z"].shape == (20000,)
    np.testing.assert_allclose(drawn["x"].mean(axis=0), faithful.mean(axis=0), rtol=0.02)
    np.testing.assert_array_equal(drawn["x"], result.sample({"N": 20000}, seed=1)["x"])
    assert not np.array_equal(drawn["x"], result.sample(20000, seed=2)["x"])


def test_samples_need_the_inputs() -> None:
    line, params = hand_line.program(), {"beta": [1.0, 2.0], "sd": 0.1}
    u = np.ones((7, 2))
    assert rt.sample(line, params, {}, inputs={"u": u})["y"].shape == (7,)
    with pytest.raises(rt.DataError) as caught:
        rt.sample(line, params, 7)
    assert str(caught.value).startswith("u (input) is not given, expected an array of shape (N, P)")


def test_samples_need_a_size(faithful: np.ndarray) -> None:
    with pytest.raises(rt.DataError) as caught:
        rt.sample(GMM, PARAMS, {})
    assert str(caught.value) == "N is not given and can't be read off the data: choose it, N=..."

    with pytest.raises(rt.DataError) as caught:
        rt.sample(GMM, PARAMS, 0)
    assert str(caught.value) == "N = 0, expected at least 1"


def test_dict_is_json_without_nan(faithful: np.ndarray) -> None:
    result = rt.fit(GMM, faithful, restarts=2)
    found = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert found["params"]["mean"] == result.params["mean"].tolist()
    for key in ("model", "status", "converged", "log_likelihood", "objective", "n_iter", "sizes",
                "n_params", "aic", "bic", "bic_n", "restarts", "objective_trace"):  # fmt: skip
        assert key in found
    flat = rt.fit(hand_normal.program(), [1.0])
    text = json.dumps(flat.to_dict(), allow_nan=False)
    assert json.loads(text)["log_likelihood"] is None


def test_repr_is_for_people(faithful: np.ndarray) -> None:
    text = repr(rt.fit(GMM, faithful, restarts=3, tol=1e-10))
    assert text.startswith("GaussianMixture: converged after ")
    assert "  log likelihood -1130.263960\n" in text
    assert "  11 free parameters, AIC 2282.5279, BIC 2322.1917 (n = 272)\n" in text
    assert "  sizes K = 2, N = 272, D = 2\n" in text
    assert "\ncov[K] : posdef[D]  (2, 2, 2)\n" in text
