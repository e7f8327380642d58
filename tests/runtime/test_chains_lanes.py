"""Long chains are cut into lanes; nothing of what is found may depend on that."""

from __future__ import annotations

import numpy as np
import pytest

from emdsl.runtime import paths
from emdsl.runtime.chains import Chains, Trees, forward_backward, most_probable, sample_states
from emdsl.runtime.lockstep import Workspace

from .chain_oracles import log_joint, log_space, problem


def same(unary, tables, index, chains, space=None) -> None:
    found = forward_backward(unary, tables, None if len(tables) == 1 else index, chains, space)
    scale, filtered, posterior = log_space(unary, tables, index, chains.first)
    assert chains.lanes.inner.any()
    np.testing.assert_allclose(found.log_scale, scale, rtol=1e-11, atol=1e-12)
    evidence = np.add.reduceat(scale, chains.starts)
    np.testing.assert_allclose(found.evidence, evidence, rtol=1e-12)
    np.testing.assert_allclose(found.filtered, filtered, rtol=1e-11, atol=1e-100)
    np.testing.assert_allclose(found.posterior, posterior, rtol=1e-10, atol=1e-100)
    rows = found.pair_rows()
    inner = np.flatnonzero(~chains.first)
    np.testing.assert_allclose(rows.sum(axis=0)[:, inner], posterior[:, inner], atol=1e-12)
    np.testing.assert_allclose(rows.sum(axis=1)[:, inner], posterior[:, inner - 1], atol=1e-12)
    sums = np.zeros_like(tables)
    np.add.at(sums, index[inner], rows[:, :, inner].transpose(2, 0, 1))
    np.testing.assert_allclose(found.pairs(), sums, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("count", [1, 3, 60, 0])
@pytest.mark.parametrize("lengths", [[4000], [1800, 3, 2500, 700, 40], [700]])
def test_lanes_find_what_one_step_after_the_other_finds(lengths, count):
    rng = np.random.default_rng(count)
    chains = Chains.from_lengths(lengths)
    unary, tables, index = problem(rng, 3, chains.size, count or chains.size, deep=2.0)
    if not count:
        index = np.arange(chains.size)
    space = Workspace()
    for _ in range(2):
        same(unary, tables, index, chains, space)
        unary = unary + 0.1 * rng.normal(size=unary.shape)  # guesses are a little off now


@pytest.mark.parametrize("stay", [0.9, 0.999, 1 - 1e-7, 1 - 1e-13])
def test_lanes_of_chains_that_forget_late(stay):
    rng = np.random.default_rng(4)
    chains = Chains.from_lengths([5000, 900])
    unary, _, index = problem(rng, 3, chains.size, 1, deep=0.05)
    tables = np.log(np.full((1, 3, 3), (1 - stay) / 2) + np.eye(3) * (stay - (1 - stay) / 2))
    space = Workspace()
    for _ in range(2):
        same(unary, tables, index, chains, space)


def test_lanes_of_a_chain_from_left_to_right():
    rng = np.random.default_rng(6)
    chains = Chains.from_lengths([3000, 600])
    unary, _, index = problem(rng, 4, chains.size, 1, deep=1.0)
    unary[1:, chains.starts] = -np.inf
    table = np.array([[0.99, 0.01, 0, 0], [0, 0.995, 0.005, 0], [0, 0, 0.99, 0.01], [0, 0, 0, 1]])
    same(unary, np.log(table + 1e-320)[None], index, chains)


def test_lanes_of_a_chain_that_goes_round():
    """A cycle forgets nothing: only products find the phase, which the first rows tell."""
    rng = np.random.default_rng(7)
    chains = Chains.from_lengths([3000])
    unary, _, index = problem(rng, 3, chains.size, 1, deep=0.02)
    unary[:, 0] = [2.0, 0.0, 1.0]
    same(unary, np.log(np.roll(np.eye(3), 1, axis=1) + 1e-320)[None], index, chains)


def test_known_states_in_lanes():
    rng = np.random.default_rng(8)
    chains = Chains.from_lengths([4000])
    unary, tables, index = problem(rng, 4, chains.size, 1)
    known = rng.random(chains.size) < 0.3
    unary[:, known] = np.where(np.arange(4)[:, None] == 2, 0.0, -np.inf)
    same(unary, tables, index, chains)


def test_an_impossible_row_in_a_lane():
    rng = np.random.default_rng(9)
    chains = Chains.from_lengths([4000, 3000])
    unary, tables, _ = problem(rng, 3, chains.size, 1)
    alone = forward_backward(unary[:, 4000:], tables, None, Chains.from_lengths([3000]))
    unary[:, 1234] = -np.inf
    found = forward_backward(unary, tables, None, chains)
    assert found.evidence[0] == -np.inf
    assert (found.posterior[:, :4000] == 0.0).all()
    np.testing.assert_allclose(found.evidence[1], alone.evidence[0], rtol=1e-13)
    np.testing.assert_allclose(found.posterior[:, 4000:], alone.posterior, atol=1e-12)
    np.testing.assert_allclose(found.pairs(), alone.pairs(), rtol=1e-11)


def test_lanes_after_an_impossible_iteration():
    rng = np.random.default_rng(14)
    chains = Chains.from_lengths([4000])
    unary, tables, index = problem(rng, 3, chains.size, 1)
    space = Workspace()
    broken = unary.copy()
    broken[:, 700] = -np.inf
    assert forward_backward(broken, tables, None, chains, space).evidence[0] == -np.inf
    same(unary, tables, index, chains, space)


def test_lanes_of_many_states_with_structure():
    """Products of so many states would cost too much: guesses, though tables have zeros."""
    rng = np.random.default_rng(15)
    chains = Chains.from_lengths([3000])
    unary, tables, index = problem(rng, 50, chains.size, 1, deep=2.0)
    tables[0][rng.random((50, 50)) < 0.8] = -700.0
    tables[0][np.arange(50), (np.arange(50) + 1) % 50] = -1.0
    same(unary, tables, index, chains)


@pytest.mark.parametrize("count", [1, 3])
def test_pointers_are_followed_through_lanes(count):
    rng = np.random.default_rng(13)
    chains = Chains.from_lengths([2500, 30, 1700, 1])
    unary, tables, index = problem(rng, 3, chains.size, count, holes=0.1)
    pointers = rng.integers(5, size=(5, chains.size))
    first, last = rng.integers(5, size=chains.size), rng.integers(5, size=4)
    assert chains.lanes is not chains.pieces
    for walk, given in ((paths.ahead, first), (paths.back, last)):
        np.testing.assert_array_equal(
            walk(pointers, given, chains.lanes), walk(pointers, given, chains.pieces)
        )
    parent = np.arange(-1, chains.size - 1)
    parent[chains.starts] = -1
    unary[:, rng.random(chains.size) < 0.5] = 0.0
    states, joint = most_probable(unary, tables, None if count == 1 else index, chains)
    peers, best = most_probable(unary, tables, None if count == 1 else index, Trees(parent))
    np.testing.assert_allclose(joint, best, rtol=1e-12)
    for s, (i, n) in enumerate(zip(chains.starts, chains.lengths, strict=True)):
        own = slice(i, i + n)
        assert (states[own] == -1).all() == (joint[s] == -np.inf) == (peers[own] == -1).all()
        if joint[s] > -np.inf:
            up = np.arange(-1, n - 1)
            found = log_joint(unary[:, own], tables, index[own], up, states[own])
            np.testing.assert_allclose(found, best[s], rtol=1e-12)


@pytest.mark.parametrize("lengths", [[6000], [40, 300, 7, 90, 2]])
def test_as_hmmlearn(lengths):
    hmm = pytest.importorskip("hmmlearn.hmm")
    rng = np.random.default_rng(10)
    chains = Chains.from_lengths(lengths)
    peer = hmm.CategoricalHMM(n_components=4, init_params="", params="")
    peer.startprob_ = rng.dirichlet(np.ones(4))
    peer.transmat_ = rng.dirichlet(np.ones(4), 4)
    peer.emissionprob_ = rng.dirichlet(np.ones(6), 4)
    x = rng.integers(6, size=(chains.size, 1))
    unary = np.log(peer.emissionprob_)[:, x[:, 0]]
    unary[:, chains.starts] += np.log(peer.startprob_)[:, None]
    tables = np.log(peer.transmat_)[None]
    found = forward_backward(unary, tables, None, chains)
    score, posterior = peer.score_samples(x, chains.lengths)
    np.testing.assert_allclose(found.evidence.sum(), score, rtol=1e-12)
    np.testing.assert_allclose(found.posterior.T, posterior, atol=1e-10)
    states, joint = most_probable(unary, tables, None, chains)
    best, path = peer.decode(x, chains.lengths)
    np.testing.assert_allclose(joint.sum(), best, rtol=1e-12)
    assert (states != path).mean() < 0.001  # paths with the same symbols reordered tie to rounding


@pytest.mark.slow
def test_a_million_rows():
    rng = np.random.default_rng(12)
    chains = Chains.from_lengths([1_000_000])
    unary, tables, index = problem(rng, 3, chains.size, 1, deep=30.0)
    found = forward_backward(unary, tables, None, chains)
    scale, _, posterior = log_space(unary[:, :2000], tables, index, chains.first)
    np.testing.assert_allclose(found.log_scale[:2000], scale, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(found.posterior[:, :1900], posterior[:, :1900], atol=1e-12)
    np.testing.assert_allclose(found.evidence, [found.log_scale.sum()], rtol=1e-13)
    np.testing.assert_allclose(found.posterior.sum(axis=0), 1.0, atol=1e-12)
    np.testing.assert_allclose(found.pairs().sum(), chains.size - 1, rtol=1e-12)
    states = sample_states(rng, unary, tables, None, chains)
    share = np.bincount(states, minlength=3) / chains.size
    np.testing.assert_allclose(share, found.posterior.mean(axis=1), atol=1e-3)
