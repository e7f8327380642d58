"""The oracle against recursions and sums written by hand, so that it can judge the compiler."""

from __future__ import annotations

from itertools import product
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from emdsl.model.build import build
from emdsl.model.graph import Model
from emdsl.source import Source
from emdsl.syntax.parse import parse
from emdsl.verify import enumeration as exact
from emdsl.verify.coordinates import gradient
from emdsl.verify.evaluate import log_prior
from emdsl.verify.world import world_of
from tests.inference.random_graphs import draft

Floats = NDArray[np.float64]


def model(text: str) -> Model:
    source = Source("model M\n" + dedent(text), "m.em")
    return build(parse(source), source)[0]


HMM = """
    param start : simplex[3]
    param trans[3] : simplex[3]
    param emit[3] : simplex[4]
    for s in S:
        for t in T[s]:
            latent z[s, t] ~ Categorical(start) if t == 0 else Categorical(trans[z[s, t-1]])
            data x[s, t] : category[4] ~ Categorical(emit[z[s, t]])
    """


def hmm_params(rng: np.random.Generator) -> dict[str, Floats]:
    return {
        "start": rng.dirichlet(np.ones(3)),
        "trans": rng.dirichlet(np.ones(3), 3),
        "emit": rng.dirichlet(np.ones(4), 3),
    }


def forward_backward(
    start: Floats, trans: Floats, seen: Floats
) -> tuple[float, Floats, Floats, list[Floats]]:
    """log p(x), filtered and smoothed marginals (T, K), pairs (T - 1, K, K); seen (T, K)."""
    length = len(seen)
    forward = np.zeros((length, len(start)))
    total = 0.0
    for t in range(length):
        now = (start if t == 0 else forward[t - 1] @ trans) * seen[t]
        total += float(np.log(now.sum()))
        forward[t] = now / now.sum()
    backward = np.ones((length, len(start)))
    for t in range(length - 2, -1, -1):
        step = trans @ (seen[t + 1] * backward[t + 1])
        backward[t] = step / step.sum()
    smooth = forward * backward
    smooth /= smooth.sum(1, keepdims=True)
    both = [
        forward[t][:, None] * trans * (seen[t + 1] * backward[t + 1])[None, :]
        for t in range(length - 1)
    ]
    return total, forward, smooth, [b / b.sum() for b in both]


def viterbi(start: Floats, trans: Floats, seen: Floats) -> tuple[list[int], float]:
    best = np.log(start) + np.log(seen[0])
    back = []
    for now in seen[1:]:
        scores = best[:, None] + np.log(trans)
        back.append(scores.argmax(0))
        best = scores.max(0) + np.log(now)
    path = [int(best.argmax())]
    for step in reversed(back):
        path.append(int(step[path[-1]]))
    return path[::-1], float(best.max())


@pytest.mark.parametrize("largest", [1 << 18, 0], ids=["enumerated", "eliminated"])
def test_ragged_hmm_is_forward_backward(largest: int) -> None:
    rng = np.random.default_rng(1)
    params, lengths = hmm_params(rng), np.array([5, 1, 7, 2])
    x = rng.integers(0, 4, lengths.sum()).astype(float)
    x[[2, 7]] = np.nan
    m = model(HMM)
    found = exact.elements(m, {"x": x, "T": lengths}, params, largest=largest)
    by_element, odds, pairs = exact.by_element(found), exact.marginals(found), exact.pairs(found)
    path, log_best = exact.best(found)
    filtered = exact.filtered(m, {"x": x, "T": lengths}, params, "t")
    total, highest = 0.0, 0.0
    for s, rows in enumerate(np.split(x, np.cumsum(lengths)[:-1])):
        seen = np.array([np.ones(3) if np.isnan(v) else params["emit"][:, int(v)] for v in rows])
        log_p, forward, smooth, both = forward_backward(params["start"], params["trans"], seen)
        total += log_p
        assert by_element["s", s] == pytest.approx(log_p, rel=1e-12)
        chosen, high = viterbi(params["start"], params["trans"], seen)
        highest += high
        for t in range(len(rows)):
            assert list(odds["z"][s, t].values()) == pytest.approx(smooth[t], abs=1e-12)
            assert list(filtered["z"][s, t].values()) == pytest.approx(forward[t], abs=1e-12)
            assert path["z", (s, t)] == chosen[t]
        for t in range(len(rows) - 1):
            pair = pairs[("z", (s, t)), ("z", (s, t + 1))]
            assert list(pair.values()) == pytest.approx(both[t].ravel(), abs=1e-12)
    assert exact.log_likelihood(found) == pytest.approx(total, rel=1e-12)
    assert log_best == pytest.approx(highest, rel=1e-12)
    assert exact.log_joint(found, path) == pytest.approx(highest, rel=1e-12)


def test_long_chain() -> None:
    """Far more configurations than can be written down."""
    rng = np.random.default_rng(2)
    params = hmm_params(rng)
    x = rng.integers(0, 4, 200).astype(float)
    found = exact.elements(model(HMM), {"x": x, "T": np.array([200])}, params)
    seen = params["emit"][:, x.astype(int)].T
    log_p, _, smooth, _ = forward_backward(params["start"], params["trans"], seen)
    assert exact.log_likelihood(found) == pytest.approx(log_p, rel=1e-12)
    assert list(exact.marginals(found)["z"][0, 77].values()) == pytest.approx(smooth[77])
    path, high = viterbi(params["start"], params["trans"], seen)
    assert exact.best(found)[1] == pytest.approx(high, rel=1e-12)
    assert [exact.best(found)[0]["z", (0, t)] for t in range(200)] == path


def test_second_order_chain() -> None:
    m = model("""
        param start : simplex[2]
        param first[2] : simplex[2]
        param trans[2, 2] : simplex[2]
        param mean[2] : real
        for t in T:
            latent z[t] ~ case t:
                0: Categorical(start)
                1: Categorical(first[z[t-1]])
                else: Categorical(trans[z[t-2], z[t-1]])
            data x[t] ~ Normal(mean[z[t]], 1)
        """)
    rng = np.random.default_rng(3)
    params = {
        "start": rng.dirichlet(np.ones(2)),
        "first": rng.dirichlet(np.ones(2), 2),
        "trans": rng.dirichlet(np.ones(2), (2, 2)),
        "mean": np.array([-1.0, 1.0]),
    }
    x = rng.normal(size=6)
    joint = {}
    for z in product(range(2), repeat=6):
        p = params["start"][z[0]] * params["first"][z[0], z[1]]
        for t in range(2, 6):
            p *= params["trans"][z[t - 2], z[t - 1], z[t]]
        joint[z] = p * np.prod(stats.norm.pdf(x, params["mean"][list(z)], 1))
    for largest in (1 << 18, 0):
        found = exact.elements(m, {"x": x}, params, largest=largest)
        assert exact.log_likelihood(found) == pytest.approx(np.log(sum(joint.values())))
        one = sum(p for z, p in joint.items() if z[3] == 1) / sum(joint.values())
        assert exact.marginals(found)["z"][(3,)][1] == pytest.approx(one)
        assert exact.best(found)[1] == pytest.approx(np.log(max(joint.values())))


def test_tree() -> None:
    m = model("""
        param start : simplex[2]
        param trans[2] : simplex[2]
        param mean[2] : real
        for t in T:
            input parent[t] : index[T]
            latent z[t] ~ Categorical(start) if parent[t] == t else Categorical(trans[z[parent[t]]])
            data x[t] ~ Normal(mean[z[t]], 1)
        """)
    rng = np.random.default_rng(4)
    params = {
        "start": np.array([0.3, 0.7]),
        "trans": np.array([[0.9, 0.1], [0.2, 0.8]]),
        "mean": np.array([-1.0, 1.0]),
    }
    parent, x = np.array([0, 0, 0, 1, 1, 5]), rng.normal(size=6)  # 5 is a tree of its own
    joint = {}
    for z in product(range(2), repeat=6):
        p = 1.0
        for t, up in enumerate(parent):
            p *= params["start"][z[t]] if up == t else params["trans"][z[up], z[t]]
            p *= stats.norm.pdf(x[t], params["mean"][z[t]], 1)
        joint[z] = p
    for largest in (1 << 18, 0):
        found = exact.elements(m, {"x": x, "parent": parent}, params, largest=largest)
        assert len([c for c in found.components if c.sites]) == 2
        assert exact.log_likelihood(found) == pytest.approx(np.log(sum(joint.values())))
        both = sum(p for z, p in joint.items() if z[0] == 1 and z[2] == 0) / sum(joint.values())
        assert exact.pairs(found)[("z", (0,)), ("z", (2,))][1, 0] == pytest.approx(both)


def test_gathered() -> None:
    """Dawid and Skene: given the labels, each item's truth by Bayes' rule."""
    m = model("""
        param prevalence : simplex[K]
        param confusion[A, K] : simplex[K]
        for i in I:
            latent truth[i] ~ Categorical(prevalence)
        for r in R:
            input item[r] : index[I]
            input annotator[r] : index[A]
            data label[r] : category[K] ~ Categorical(confusion[annotator[r], truth[item[r]]])
        """)
    rng = np.random.default_rng(5)
    params = {
        "prevalence": rng.dirichlet(np.ones(3)),
        "confusion": rng.dirichlet(np.ones(3), (2, 3)),
    }
    data = {
        "item": np.array([0, 3, 0, 1, 3, 3]),
        "annotator": np.array([0, 1, 1, 0, 0, 1]),
        "label": np.array([2, 1, 2, 0, np.nan, 1]),
    }
    found = exact.elements(m, data, params)
    total = 0.0
    for i in range(4):
        p = params["prevalence"].copy()
        for at, who, label in zip(*data.values(), strict=True):
            if at == i and not np.isnan(label):
                p *= params["confusion"][int(who), :, int(label)]
        total += np.log(p.sum())
        assert list(exact.marginals(found)["truth"][(i,)].values()) == pytest.approx(p / p.sum())
    assert exact.log_likelihood(found) == pytest.approx(total)


WEIGHTED = """
    param p : simplex[2]
    param q[2] : simplex[2]
    param rate[2, 2] : positive
    for n in N times w[n]:
        latent u[n] ~ Categorical(p)
        for j in J times f[n, j]:
            latent v[n, j] ~ Categorical(q[u[n]])
            data x[n, j] : count ~ Poisson(rate[u[n], v[n, j]])
    """


def weighted() -> tuple[dict[str, Floats], dict[str, Floats]]:
    rng = np.random.default_rng(6)
    params = {
        "p": rng.dirichlet(np.ones(2)),
        "q": rng.dirichlet(np.ones(2), 2),
        "rate": rng.uniform(0.5, 4, (2, 2)),
    }
    data = {
        "x": rng.poisson(2, (3, 2)).astype(float),
        "w": np.array([2.0, 0.5, 1.0]),
        "f": np.array([[1.0, 3.0], [0.5, 0.0], [2.0, 2.0]]),
    }
    return params, data


@pytest.mark.parametrize("largest", [1 << 18, 0])
def test_weights_multiply(largest: int) -> None:
    params, data = weighted()
    found = exact.elements(model(WEIGHTED), data, params, largest=largest)
    total, highest = 0.0, 0.0
    for n in range(3):
        each = params["q"] * stats.poisson.pmf(data["x"][n][:, None, None], params["rate"])
        inner = data["f"][n][:, None] * np.log(each.sum(-1))
        joint = np.log(params["p"]) + inner.sum(0)
        total += data["w"][n] * np.logaddexp.reduce(joint)
        top = np.log(params["p"]) + (data["f"][n][:, None] * np.log(each.max(-1))).sum(0)
        highest += data["w"][n] * top.max()
        p_u = np.exp(joint - np.logaddexp.reduce(joint))
        odds = exact.marginals(found)
        assert list(odds["u"][(n,)].values()) == pytest.approx(p_u)
        for j in range(2):
            given = each[j] / each[j].sum(-1, keepdims=True)
            assert list(odds["v"][n, j].values()) == pytest.approx(p_u @ given)
    assert exact.log_likelihood(found) == pytest.approx(total)
    chosen, log_best = exact.best(found)
    assert log_best == pytest.approx(highest)
    assert exact.log_joint(found, chosen) == pytest.approx(highest)


def test_a_whole_weight_is_a_repetition() -> None:
    params, data = weighted()
    m = model(WEIGHTED)
    data["w"], data["f"] = np.array([2.0, 1.0, 3.0]), np.array([[1.0, 2.0]] * 3)
    times = [0, 0, 1, 2, 2, 2]
    again = {"x": data["x"][times][:, [0, 1, 1]], "w": np.ones(6), "f": np.ones((6, 3))}
    one, two = (exact.elements(m, d, params) for d in (data, again))
    assert exact.log_likelihood(one) == pytest.approx(exact.log_likelihood(two))
    assert exact.best(one)[1] == pytest.approx(exact.best(two)[1])
    moved = {**params, "rate": params["rate"] * 1.3, "p": np.array([0.4, 0.6])}
    q_one = exact.expected(m, data, moved, one)
    assert q_one == pytest.approx(exact.expected(m, again, moved, two))


def test_reading_into_a_weighted_element_is_refused() -> None:
    m = model("""
        param p : unit
        param q[2] : unit
        for i in I times w[i]:
            latent z[i] ~ Bernoulli(p)
        for r in R:
            input item[r] : index[I]
            data x[r] : bool ~ Bernoulli(q[z[item[r]]])
        """)
    data = {"w": np.array([2.0, 1.0]), "item": np.array([0, 1, 1]), "x": np.array([1.0, 0.0, 1.0])}
    params = {"p": np.array(0.3), "q": np.array([0.2, 0.7])}
    with pytest.raises(NotImplementedError, match="inside a weighted element"):
        exact.elements(m, data, params)
    found = exact.elements(m, {**data, "w": np.ones(2)}, params)
    assert exact.log_likelihood(found) == pytest.approx(
        np.log(0.7 * 0.2 + 0.3 * 0.7) + np.log(0.7 * 0.8 * 0.2 + 0.3 * 0.3 * 0.7)
    )


def test_missing_links_are_summed() -> None:
    """Lagged data with a gap: a Markov chain seen at some times, closed by matrix powers."""
    m = model("""
        param start : simplex[3]
        param trans[3] : simplex[3]
        for t in T:
            data x[t] : category[3] ~ Categorical(start) if t == 0 else Categorical(trans[x[t-1]])
        """)
    rng = np.random.default_rng(7)
    params = {"start": rng.dirichlet(np.ones(3)), "trans": rng.dirichlet(np.ones(3), 3)}
    x = np.array([1, np.nan, np.nan, 2, 0, np.nan])
    found = exact.elements(m, {"x": x}, params)
    power = np.linalg.matrix_power(params["trans"], 3)
    p = params["start"][1] * power[1, 2] * params["trans"][2, 0]
    assert exact.log_likelihood(found) == pytest.approx(np.log(p))
    odds = exact.marginals(found)["x"]
    assert odds[(0,)] == {1: 1.0}
    assert list(odds[(5,)].values()) == pytest.approx(params["trans"][0])
    square = np.linalg.matrix_power(params["trans"], 2)
    assert list(odds[(1,)].values()) == pytest.approx(
        params["trans"][1] * square[:, 2] / power[1, 2]
    )


def test_latents_through_latents() -> None:
    """Which site is read depends on another one: association by a latent index."""
    m = model("""
        param p : simplex[2]
        param q[2] : unit
        param at : simplex[2]
        for g in 2:
            latent b[g] ~ Categorical(p)
        for n in N:
            latent a[n] ~ Categorical(at)
            data x[n] : bool ~ Bernoulli(q[b[a[n]]])
        """)
    params = {"p": np.array([0.3, 0.7]), "q": np.array([0.2, 0.9]), "at": np.array([0.4, 0.6])}
    x = np.array([1.0, 0.0, 1.0])
    found = exact.elements(m, {"x": x}, params)
    total = 0.0
    for b in product(range(2), repeat=2):
        for a in product(range(2), repeat=3):
            p = params["p"][b[0]] * params["p"][b[1]] * np.prod(params["at"][list(a)])
            for n in range(3):
                q = params["q"][b[a[n]]]
                p *= q if x[n] else 1 - q
            total += p
    assert exact.log_likelihood(found) == pytest.approx(np.log(total))


def test_delta_and_latents_outside_plates() -> None:
    m = model("""
        param p : simplex[3]
        const parity = [0, 1, 0]
        param q[2] : unit
        latent g ~ Categorical(p)
        latent odd : category[2] ~ Delta(parity[g])
        for n in N:
            data x[n] : bool ~ Bernoulli(q[odd])
        """)
    params = {"p": np.array([0.2, 0.5, 0.3]), "q": np.array([0.1, 0.8])}
    found = exact.elements(m, {"x": np.array([1.0, 1.0, np.nan])}, params)
    even, odd = 0.5 * 0.01, 0.5 * 0.64
    assert exact.log_likelihood(found) == pytest.approx(np.log(even + odd))
    assert exact.marginals(found)["odd"][()][1] == pytest.approx(odd / (even + odd))
    assert exact.by_element(found) == {}  # they hang together through g


def test_nested_ragged_rows() -> None:
    m = model("""
        param mean : real
        for s in S:
            for t in T[s]:
                for u in U[t]:
                    for j in 2:
                        data x[s, t, u, j] ~ Normal(mean, 1)
        """)
    t, u = np.array([2, 0, 1]), np.array([1, 3, 2])
    x = np.arange(12.0).reshape(6, 2)
    world = world_of(m, {"x": x, "T": t, "U": u}, {"mean": np.array(0.0)})
    places = list(world.each(m.variable("x")))
    assert [p[:3] for p in places[::2]] == [
        (0, 0, 0), (0, 1, 0), (0, 1, 1), (0, 1, 2), (2, 0, 0), (2, 0, 1)
    ]  # fmt: skip
    assert [world.arrays["x"][p] for p in places] == list(range(12))
    with pytest.raises(ValueError, match="has 5 rows, expected 6"):
        world_of(m, {"x": x[:5], "T": t, "U": u}, {"mean": np.array(0.0)})


def score(m: Model, data: dict[str, Any], params: dict[str, Any]) -> tuple[Any, Any]:
    """d (log likelihood + log prior) and dQ along every coordinate."""
    found = exact.elements(m, data, params)

    def objective(p: dict[str, Any]) -> float:
        there = exact.elements(m, data, p)
        return exact.log_likelihood(there) + log_prior(there.world)

    log_p = gradient(objective, m, params)
    return log_p, gradient(lambda p: exact.expected(m, data, p, found), m, params)


def test_fisher() -> None:
    params, data = weighted()
    rng = np.random.default_rng(8)
    x = rng.integers(0, 4, 6).astype(float)
    for m, d, p in (
        (model(WEIGHTED), data, params),
        (model(HMM), {"x": x, "T": np.array([4, 2])}, hmm_params(rng)),
    ):
        log_p, q = score(m, d, p)
        assert list(log_p.values()) == pytest.approx(list(q.values()), abs=1e-7)


@pytest.mark.parametrize("seed", range(20))
def test_elimination_is_enumeration(seed: int) -> None:
    d = draft(seed)
    source = Source(d.text(), "graph.em")
    m = build(parse(source), source)[0]
    one, two = (exact.elements(m, d.data, d.values, largest=n) for n in (1 << 18, 0))
    assert exact.log_likelihood(one) == pytest.approx(exact.log_likelihood(two), rel=1e-11)
    assert exact.best(one)[1] == pytest.approx(exact.best(two)[1], rel=1e-11)
    assert exact.log_joint(two, exact.best(two)[0]) == pytest.approx(exact.best(one)[1])
    odds, again = exact.marginals(one), exact.marginals(two)
    for name, rows in odds.items():
        for place, row in rows.items():
            # less where the inside of an element without weight is impossible given the outside
            weightless = any(d.data[w].min() == 0 for w in d.data if w[0] == "w")
            assert weightless or sum(row.values()) == pytest.approx(1.0)
            assert list(row.values()) == pytest.approx(list(again[name][place].values()), abs=1e-10)


@pytest.mark.parametrize("seed", range(8))
def test_fisher_of_random_graphs(seed: int) -> None:
    d = draft(seed)
    source = Source(d.text(), "graph.em")
    m = build(parse(source), source)[0]
    log_p, q = score(m, d.data, d.values)
    assert list(log_p.values()) == pytest.approx(list(q.values()), abs=1e-6)
