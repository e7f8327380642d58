"""Answers in the form of the data, awkward data, and what other programs answer."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hmmlearn.hmm import CategoricalHMM

import emdsl
from emdsl import runtime as rt
from emdsl.compiler import compile_source, import_text
from emdsl.source import Source
from tests.runtime.test_outputs import case_of

NAN = np.nan
MODELS = Path(__file__).parents[2] / "models"

HMM = {"start": [0.6, 0.4], "trans": [[0.9, 0.1], [0.3, 0.7]],
       "emit": [[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]]}  # fmt: skip
SEQUENCES = [[0, 2, 2, 1, 0], [2], [1, 1, 2, 2]]
ZEROS = """
model Zeros
param trans[3] : simplex[3]
param mean[3] : real
for s in S:
    for t in T[s]:
        data z[s, t] : category[3] ~ Delta(0) if t == 0 else Categorical(trans[z[s, t-1]])
        data x[s, t] ~ Normal(mean[z[s, t]], 1)
"""
STUCK = {"trans": [[0.5, 0.5, 0], [0, 0.5, 0.5], [0, 0, 1.0]], "mean": [0.0, 0.0, 0.0]}
CLASSES = """
model Classes
param weight : simplex[2]
param start[2] : simplex[2]
param trans[2, 2] : simplex[2]
param mean[2, 2] : real
for s in S:
    latent c[s] ~ Categorical(weight)
    for t in T[s]:
        latent z[s, t] ~ Categorical(start[c[s]]) if t == 0 else Categorical(trans[c[s], z[s, t-1]])
        data x[s, t] ~ Normal(mean[c[s], z[s, t]], 1)
"""


@cache
def model(name: str) -> ModuleType:
    return emdsl.load(MODELS / f"{name}.em")


@cache
def zeros() -> ModuleType:
    return emdsl.load(Source(ZEROS, "zeros.em"))


@cache
def classes() -> ModuleType:
    return emdsl.load(Source(CLASSES, "classes.em"))


def class_params(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "weight": rng.dirichlet([2, 2]),
        "start": rng.dirichlet([2, 2], 2),
        "trans": rng.dirichlet([2, 2], (2, 2)),
        "mean": rng.normal(size=(2, 2)),
    }


@cache
def hmm() -> ModuleType:
    return emdsl.load(Source(
        "model H(K = 2)\nparam start : simplex[K]\nparam trans[K] : simplex[K]\n"
        "param emit[K] : simplex[V]\nfor s in S:\n    for t in T[s]:\n"
        "        latent z[s, t] ~ Categorical(start) if t == 0 else Categorical(trans[z[s, t-1]])\n"
        "        data x[s, t] : category[V] ~ Categorical(emit[z[s, t]])\n",
        "h.em",
    ))  # fmt: skip


# --- another program ---------------------------------------------------------------------------


def test_hmmlearn_agrees() -> None:
    other = CategoricalHMM(2)
    other.startprob_, other.transmat_ = np.array(HMM["start"]), np.array(HMM["trans"])
    other.emissionprob_ = np.array(HMM["emit"])
    rows, lengths = np.concatenate(SEQUENCES)[:, None], [len(x) for x in SEQUENCES]
    found = hmm().most_probable(SEQUENCES, HMM)
    log_joint, states = other.decode(rows, lengths)
    np.testing.assert_array_equal(np.concatenate(found.values["z"]), states)
    assert found.log_joint["S"].sum() == pytest.approx(log_joint)
    score, posterior = other.score_samples(rows, lengths)
    np.testing.assert_allclose(np.concatenate(hmm().posterior(SEQUENCES, HMM)["z"]), posterior)
    alone = [other.score(rows[a:b]) for a, b in ((0, 5), (5, 6), (6, 10))]
    np.testing.assert_allclose(hmm().row_log_likelihood(SEQUENCES, HMM)["S"], alone)
    past = hmm().filtered(SEQUENCES, HMM)
    assert np.concatenate(past.log_predictive["S, T"]).sum() == pytest.approx(score)
    for x, filtered in zip(SEQUENCES, past.filtered["z"], strict=True):
        for t in range(len(x)):  # the last row's posterior, of every beginning
            upto = other.predict_proba(np.array(x[: t + 1])[:, None])
            np.testing.assert_allclose(filtered[t], upto[-1])


# --- forms -------------------------------------------------------------------------------------


def test_lists_rows_ids_and_arrays() -> None:
    """The same answers for the same sequences, each in the form they came in."""
    rows, lengths = np.concatenate(SEQUENCES), [len(x) for x in SEQUENCES]
    ids = np.repeat([7, 3, 5], lengths)
    for call, pick in (
        (lambda *a, **k: hmm().filtered(*a, **k), lambda f: (f.filtered["z"], f.predicted["z"])),
        (lambda *a, **k: hmm().posterior_pairs(*a, **k), lambda f: tuple(f.values())),
        (lambda *a, **k: hmm().most_probable(*a, **k), lambda f: (f.values["z"],)),
    ):
        listed = pick(call(SEQUENCES, HMM))
        flat = pick(call(rows, HMM, lengths=lengths))
        by_id = pick(call({"x": rows, "s": ids}, HMM))
        for a, b, c in zip(listed, flat, by_id, strict=True):
            assert [len(x) for x in a] == lengths
            np.testing.assert_array_equal(np.concatenate(a), b)
            np.testing.assert_array_equal(b, c)
    whole = hmm().filtered([[0, 1], [2, 2]], HMM)
    square = hmm().filtered({"x": np.array([[0, 1], [2, 2]])}, HMM)
    assert square.filtered["z"].shape == (2, 2, 2)
    assert square.log_predictive["S, T"].shape == (2, 2)
    np.testing.assert_array_equal(square.filtered["z"], np.stack(whole.filtered["z"]))
    drawn = hmm().sample_posterior(SEQUENCES, HMM, n=4)
    assert [x.shape for x in drawn["z"]] == [(4, 5), (4, 1), (4, 4)]
    assert hmm().sample_posterior({"x": np.array([[0, 1], [2, 2]])}, HMM, n=3)["z"].shape == (
        3,
        2,
        2,
    )


def test_interleaved_ids() -> None:
    x, s = [0, 2, 2, 1, 2], ["a", "b", "a", "a", "b"]
    found = hmm().filtered({"x": x, "s": s}, HMM)
    a = hmm().filtered([[0, 2, 1]], HMM).filtered["z"][0]
    b = hmm().filtered([[2, 2]], HMM).filtered["z"][0]
    np.testing.assert_array_equal(found.filtered["z"][[0, 2, 3]], a)
    np.testing.assert_array_equal(found.filtered["z"][[1, 4]], b)


def test_plain_plates_inside_ragged_ones_are_drawn() -> None:
    """y[g, n, j]: j is a dimension of each row, not one more."""
    module = model("multilevel_latent_class")
    params = {"weight": [0.5, 0.5], "mix": [[0.8, 0.2], [0.1, 0.9]],
              "prob": np.full((5, 2, 3), 1 / 3)}  # fmt: skip
    drawn = module.sample(params, {"G": 3, "N": [4, 1, 2]})
    assert [y.shape for y in drawn["y"]] == [(4, 5), (1, 5), (2, 5)]
    assert [z.shape for z in drawn["z"]] == [(4,), (1,), (2,)]
    assert module.sample(params, {"G": 3, "N": 4})["y"].shape == (3, 4, 5)
    back = module.posterior({"y": drawn["y"]}, params)
    assert [z.shape for z in back["z"]] == [(4, 2), (1, 2), (2, 2)]
    assert back["h"].shape == (3, 2)
    draws = module.sample_posterior({"y": drawn["y"]}, params, n=2)
    assert draws["h"].shape == (2, 3)
    assert [z.shape for z in draws["z"]] == [(2, 4), (2, 1), (2, 2)]
    pairs = module.posterior_pairs({"y": drawn["y"]}, params)["h[g]", "z[g, n]"]
    assert [p.shape for p in pairs] == [(4, 2, 2), (1, 2, 2), (2, 2, 2)]


def test_a_fit_answers_for_its_own_data() -> None:
    result = model("mixture_of_hmms").fit({"x": [[0.1, 1.2], [3.0], [0.4, 0.2, 2.9]]}, restarts=1)
    past = result.filtered()
    assert [x.shape for x in past.filtered["c"]] == [(2, 2), (1, 2), (3, 2)]
    total = sum(x.sum() for x in past.log_predictive["S, T"])
    assert total == pytest.approx(result.log_likelihood)
    assert result.row_log_likelihood()["S"].sum() == pytest.approx(result.log_likelihood)
    assert result.most_probable().log_joint["S"].shape == (3,)
    assert set(result.posterior_pairs()) >= {("z[s, t-1]", "z[s, t]")}
    assert result.sample_posterior(n=2)["c"].shape == (2, 3)
    assert result.filtered({"x": [[0.5]]}).filtered["z"][0].shape == (1, 2)
    assert result.n_obs == 6


def test_one_sequence_has_enough_elements_for_its_states() -> None:
    """Rows of all sequences are counted, not sequences."""
    assert hmm().fit([[0, 2, 1, 0, 1, 2]], K=2, restarts=1).messages == ()


# --- what is ahead -----------------------------------------------------------------------------


def test_a_missing_row_at_the_end_is_a_forecast() -> None:
    x = [0, 2, 2]
    past = hmm().filtered([[*x, None]], HMM)
    last = hmm().filtered([x], HMM).filtered["z"][0][-1]
    ahead = last @ np.array(HMM["trans"])
    np.testing.assert_allclose(past.predicted["z"][0][-1], ahead)
    np.testing.assert_allclose(past.filtered["z"][0][-1], ahead)
    assert past.log_predictive["S, T"][0][-1] == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(past.predicted["z"][0][0], HMM["start"])


def test_covariates_of_the_row_ahead_count() -> None:
    module = model("input_driven_hmm")
    params = {"start": [0.5, 0.5], "trans": [[[0.9, 0.1], [0.2, 0.8]], [[0.4, 0.6], [0.5, 0.5]]],
              "emit": HMM["emit"]}  # fmt: skip
    found = module.filtered({"x": [[0, 1, NAN]], "u": [[0, 0, 1]]}, params)
    last = found.filtered["z"][0][1]
    np.testing.assert_allclose(found.predicted["z"][0][2], last @ np.array(params["trans"][1]))


def test_an_autoregression_goes_one_step_ahead() -> None:
    module, x = model("autoregressive_hmm"), [0.3, 1.2, -0.4, 0.9]
    params = {"start": HMM["start"], "trans": HMM["trans"], "first": 0.1, "mu": [0.0, 1.0],
              "phi": [0.5, -0.3], "sd": [1.0, 0.7]}  # fmt: skip
    whole = module.filtered(x, params)
    for t in range(1, 4):
        past = module.filtered([*x[:t], NAN], params)
        np.testing.assert_allclose(past.predicted["z"][-1], whole.predicted["z"][t])
        last = module.filtered(x[:t], params).filtered["z"][-1]
        np.testing.assert_allclose(past.predicted["z"][-1], last @ np.array(HMM["trans"]))
    assert whole.log_predictive["T"].sum() == pytest.approx(module.log_likelihood(x, params))


def test_data_further_back_than_the_state_reaches() -> None:
    text = """
    model Late
    param start : simplex[2]
    param trans[2] : simplex[2]
    param mean[2] : real
    for t in T:
        latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
        data x[t] ~ Normal(0, 1) if t < 2 else Normal(mean[z[t-2]], 1)
    """
    late = emdsl.load(Source(dedent(text), "late.em"))
    params = {"start": [0.5, 0.5], "trans": HMM["trans"], "mean": [0.0, 1.0]}
    assert late.posterior([0.1, 0.2, 0.3], params)["z"].shape == (3, 2)
    with pytest.raises(rt.NoFilterError, match="2 places before, further than"):
        late.filtered([0.1, 0.2, 0.3], params)


def test_classes_of_sequences_by_hand() -> None:
    """p(c | x_0..t) ~ p(c) p(x_0..t | c), each class's own chain by its own filter."""
    params, x = class_params(), [0.3, -1.0, 2.0, NAN, 0.1]
    found = classes().filtered([x], params)
    logs, states = [], []
    for c in range(2):
        alpha, total, steps = params["start"][c], 0.0, []
        for t, value in enumerate(x):
            ahead = alpha if t == 0 else alpha @ params["trans"][c]
            density = np.ones(2) if np.isnan(value) else np.exp(
                -0.5 * (value - params["mean"][c]) ** 2) / np.sqrt(2 * np.pi)  # fmt: skip
            alpha = ahead * density
            total += np.log(alpha.sum())
            alpha = alpha / alpha.sum()
            steps.append((total, alpha))
        logs.append([s[0] for s in steps])
        states.append([s[1] for s in steps])
    joint = params["weight"][:, None] * np.exp(logs)
    share = joint / joint.sum(axis=0)
    np.testing.assert_allclose(found.filtered["c"][0], share.T)
    np.testing.assert_allclose(
        found.filtered["z"][0], np.einsum("ct,ctk->tk", share, np.array(states))
    )
    np.testing.assert_allclose(
        np.cumsum(found.log_predictive["S, T"][0]), np.log(joint.sum(axis=0)), atol=1e-12
    )
    np.testing.assert_allclose(found.predicted["c"][0][0], params["weight"])


def test_sequences_that_share_a_latent_are_filtered_alone() -> None:
    """What other sequences say of it is no part of one's past; what is beside the chains is."""
    case = case_of("chains given a latent of another plate")
    data = {n: np.array(v) for n, v in case.data.items()}
    whole = case.module.filtered(data, case.params)
    x = data["x"]
    for s, rows in enumerate((slice(0, 3), slice(3, 4), slice(4, 6))):
        one = {"x": x[rows], "T": [len(x[rows])], "who": data["who"][s : s + 1], "u": data["u"]}
        alone = case.module.filtered(one, case.params)
        np.testing.assert_allclose(whole.filtered["z"][rows], alone.filtered["z"])
        np.testing.assert_allclose(whole.predicted["c"][rows], alone.predicted["c"])


# --- awkward data ------------------------------------------------------------------------------


def test_nothing_seen() -> None:
    past = hmm().filtered([[None, None], [None]], HMM)
    start = np.array(HMM["start"])
    np.testing.assert_allclose(past.filtered["z"][0], [start, start @ HMM["trans"]])
    assert np.concatenate(past.log_predictive["S, T"]) == pytest.approx(np.zeros(3), abs=1e-12)
    assert hmm().posterior_pairs([[None]], HMM)["z[s, t-1]", "z[s, t]"][0].shape == (1, 2, 2)
    assert np.isnan(hmm().posterior_pairs([[None]], HMM)["z[s, t-1]", "z[s, t]"][0]).all()


def test_impossible_rows() -> None:
    """From such a row on nothing is known; other sequences are as ever."""
    x = {"z": [[0, 2, NAN], [NAN, 1, 2], [1]], "x": [[0.0, 0, 0], [0.0, 0, 0], [0.0]]}
    past, one = zeros().filtered(x, STUCK), -0.5 * np.log(2 * np.pi)
    log_predictive = past.log_predictive["S, T"]
    assert np.isneginf(log_predictive[0]).tolist() == [False, True, True]
    assert np.isneginf(log_predictive[2]).all()
    np.testing.assert_allclose(log_predictive[1], np.log([1.0, 0.5, 0.5]) + one)
    np.testing.assert_allclose(past.filtered["z"][0], [[1, 0, 0], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(past.predicted["z"][0][1], [0.5, 0.5, 0.0], atol=1e-300)
    np.testing.assert_allclose(past.filtered["z"][1], np.eye(3))
    best = zeros().most_probable(x, STUCK)
    assert [v.tolist() for v in best.values["z"]] == [[-1, -1, -1], [0, 1, 2], [-1]]
    assert np.isneginf(best.log_joint["S"]).tolist() == [True, False, True]
    assert [v.tolist() for v in zeros().predict(x, STUCK)["z"]] == [[-1, -1, -1], [0, 1, 2], [-1]]
    drawn = zeros().sample_posterior(x, STUCK, n=3, seed=1)["z"]
    assert [d.tolist() for d in drawn] == [[[-1] * 3] * 3, [[0, 1, 2]] * 3, [[-1]] * 3]
    assert np.isneginf(zeros().row_log_likelihood(x, STUCK)["S"]).tolist() == [True, False, True]
    assert not np.concatenate(zeros().posterior(x, STUCK)["z"])[[0, 1, 2, 6]].any()


def test_long_sequences_do_not_underflow() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=3000) + 30.0  # far from every state
    found = classes().filtered([x], class_params())
    whole = classes().log_likelihood([x], class_params())
    assert found.log_predictive["S, T"][0].sum() == pytest.approx(whole, rel=1e-12)
    np.testing.assert_allclose(found.filtered["z"][0].sum(axis=1), 1.0)
    np.testing.assert_allclose(found.filtered["c"][0].sum(axis=1), 1.0)
    np.testing.assert_allclose(
        found.filtered["c"][0][-1], classes().posterior([x], class_params())["c"][0], rtol=1e-8
    )


def test_draws_of_paths_have_the_joint_posterior() -> None:
    """Whole paths, not only each row's states, come with their probabilities."""
    x = [[0, 2, 2]]
    best = hmm().most_probable(x, HMM)
    share = np.exp(best.log_joint["S"][0] - hmm().log_likelihood(x, HMM))
    drawn = hmm().sample_posterior(x, HMM, n=4000, seed=2)["z"][0]
    hits = (drawn == best.values["z"][0]).all(axis=1).mean()
    assert hits == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 4000))
    pair = np.stack([(drawn[:, 1:] == j).mean(axis=0) for j in range(2)])
    np.testing.assert_allclose(pair.sum(axis=0), 1.0)


# --- what can't be -----------------------------------------------------------------------------


def test_where_there_is_no_past() -> None:
    tree = model("hidden_markov_tree")
    params = {"start": [0.5, 0.5], "trans": HMM["trans"], "mean": [0, 1], "sd": [1, 1]}
    with pytest.raises(rt.NoFilterError, match=r"are a tree .* which has no order in time"):
        tree.filtered({"x": [[0.1, 1.0]], "up": [[-1, 0]]}, params)
    mixture = model("gaussian_mixture")
    given = {"weight": [0.5, 0.5], "mean": [[0.0], [1.0]], "cov": [[[1.0]], [[1.0]]]}
    with pytest.raises(rt.NoFilterError) as caught:
        mixture.filtered([[0.1], [0.4]], given)
    assert str(caught.value) == (
        "GaussianMixture has no latents tied along a chain (z[t-1]), so there is nothing to filter "
        "along: ask for the posterior"
    )


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2"])
def test_how_many_draws(n: Any) -> None:
    with pytest.raises(rt.ParamsError, match="expected a whole number of at least 1"):
        hmm().sample_posterior(SEQUENCES, HMM, n=n)


def test_a_standalone_module_answers_alike() -> None:
    """The runtime's own names and those of the module's functions don't meet."""
    made = compile_source(Source(CLASSES, "classes.em"), standalone=True)
    alone = import_text(made.module, "ClassesAlone")
    params, x = class_params(), [[0.3, -1.0, 2.0], [0.5]]
    one, other = alone.filtered(x, params), classes().filtered(x, params)
    for answer in ("filtered", "predicted", "log_predictive"):
        for name, rows in getattr(other, answer).items():
            np.testing.assert_array_equal(
                np.concatenate(getattr(one, answer)[name]), np.concatenate(rows)
            )
    pairs = alone.posterior_pairs(x, params)
    assert pairs.keys() == classes().posterior_pairs(x, params).keys()
    drawn = alone.sample_posterior(x, params, n=2, seed=4)
    np.testing.assert_array_equal(
        drawn["c"], classes().sample_posterior(x, params, n=2, seed=4)["c"]
    )
    assert alone.most_probable(x, params).log_joint["S"].shape == (2,)
