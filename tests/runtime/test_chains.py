from __future__ import annotations

import numpy as np
import pytest

from emdsl.runtime.chains import (
    Chains,
    first_impossible,
    forward_backward,
    most_probable,
    sample_states,
)
from emdsl.runtime.lockstep import Workspace

from .chain_oracles import cut, enumerate_all, log_joint, log_space, problem


def parents(chains: Chains) -> np.ndarray:
    up = np.arange(-1, chains.size - 1)
    up[chains.starts] = -1
    return up


@pytest.mark.parametrize("seed", range(40))
def test_small_chains_against_enumeration(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 6, size=rng.integers(1, 5))
    chains = Chains.from_lengths(lengths)
    states = int(rng.integers(1, 4))
    count = int(rng.integers(1, 4)) if seed % 3 else chains.size
    unary, tables, index = problem(
        rng, states, chains.size, count, holes=[0.0, 0.15, 0.3][seed % 3], deep=1.0 + 3 * (seed % 4)
    )
    used = None if count == 1 else index
    found = forward_backward(unary, tables, used, chains)
    states_found, joint = most_probable(unary, tables, used, chains)
    rows = found.pair_rows()
    weight = rng.random(chains.size)
    sums, plain = np.zeros_like(tables), np.zeros_like(tables)
    dead = []
    for s, (start, length) in enumerate(zip(chains.starts, chains.lengths, strict=True)):
        span = slice(start, start + length)
        up = np.arange(-1, length - 1)
        truth = enumerate_all(unary[:, span], tables, index[span] % count, up)
        np.testing.assert_allclose(found.evidence[s], truth.evidence, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found.posterior[:, span], truth.posterior, atol=1e-13)
        np.testing.assert_allclose(rows[:, :, span], truth.pairs, atol=1e-13)
        np.testing.assert_allclose(joint[s], truth.best, rtol=1e-12)
        assert (states_found[span] == truth.states).all()
        for n in range(start + 1, start + length):
            g = index[n] % count
            sums[g] += weight[n] * truth.pairs[:, :, n - start]
            plain[g] += truth.pairs[:, :, n - start]
        for stop in range(1, length + 1):
            part = slice(start, start + stop)
            past = enumerate_all(unary[:, part], tables, index[part] % count, up[:stop])
            if past.evidence == -np.inf:
                dead.append(start + stop - 1)
                assert (found.log_scale[part.stop - 1 : span.stop] == -np.inf).all()
                break
            np.testing.assert_allclose(
                found.log_scale[part].sum(), past.evidence, rtol=1e-12, atol=1e-12
            )
            np.testing.assert_allclose(
                found.filtered[:, part.stop - 1], past.posterior[:, -1], atol=1e-13
            )
            if stop > 1:
                blind = unary[:, part].copy()
                blind[:, -1] = 0.0
                ahead = enumerate_all(blind, tables, index[part] % count, up[:stop])
                np.testing.assert_allclose(
                    found.predicted[:, part.stop - 1], ahead.posterior[:, -1], atol=1e-13
                )
            else:
                assert np.isnan(found.predicted[:, start]).all()
    np.testing.assert_allclose(found.pairs(weight), sums, atol=1e-12)
    np.testing.assert_allclose(found.pairs(), plain, atol=1e-12)
    assert first_impossible(unary, tables, used, chains) == (min(dead) if dead else -1)
    zero = (cut(tables) == -np.inf) | (plain == 0.0)
    assert (found.pairs()[zero] == 0.0).all()


@pytest.mark.parametrize("count", [1, 3, 40, 0])
def test_long_and_ragged_against_log_space(count):
    rng = np.random.default_rng(count)
    chains = Chains.from_lengths(rng.integers(1, 90, size=60))
    count = count or chains.size
    unary, tables, index = problem(rng, 4, chains.size, count, deep=5.0)
    index = np.arange(chains.size) if count == chains.size else index
    found = forward_backward(unary, tables, None if count == 1 else index, chains)
    scale, filtered, posterior = log_space(unary, tables, index % count, chains.first)
    np.testing.assert_allclose(found.log_scale, scale, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.filtered, filtered, rtol=1e-11, atol=1e-300)
    np.testing.assert_allclose(found.posterior, posterior, rtol=1e-11, atol=1e-300)
    rows = found.pair_rows()
    inner = ~chains.first
    np.testing.assert_allclose(rows.sum(axis=0)[:, inner], posterior[:, inner], atol=1e-13)
    np.testing.assert_allclose(
        rows.sum(axis=1)[:, inner], posterior[:, np.flatnonzero(inner) - 1], atol=1e-13
    )
    assert (rows[:, :, chains.first] == 0.0).all()
    whole = np.zeros_like(tables)
    np.add.at(whole, index[inner] % count, rows[:, :, inner].transpose(2, 0, 1))
    np.testing.assert_allclose(found.pairs(), whole, rtol=1e-11, atol=1e-14)


def test_the_only_state_in_reach_is_far_worse_than_another():
    """A left-to-right chain with outliers: the scale underflows, the evidence doesn't."""
    rng = np.random.default_rng(5)
    chains = Chains.from_lengths([40, 7, 60])
    unary, tables, index = problem(rng, 3, chains.size, 1)
    tables[0] = np.log([[0.9, 0.1, 1e-320], [1e-320, 0.8, 0.2], [1e-320, 1e-320, 1.0]])
    unary[1:, chains.starts] = -np.inf
    unary[0, [0, 11, 48]] -= 1e5
    unary[2, 30] -= 2e5
    unary[1, 30] -= 1e5
    found = forward_backward(unary, tables, None, chains)
    scale, filtered, posterior = log_space(unary, tables, index, chains.first)
    np.testing.assert_allclose(found.log_scale, scale, rtol=1e-12)
    np.testing.assert_allclose(found.evidence, np.add.reduceat(scale, chains.starts), rtol=1e-12)
    np.testing.assert_allclose(found.posterior, posterior, atol=1e-12)
    np.testing.assert_allclose(found.filtered, filtered, atol=1e-12)
    assert (found.posterior[1:, 0] == 0.0).all()
    assert (found.pairs()[0][np.tril_indices(3, -1)] == 0.0).all()
    np.testing.assert_allclose(found.pairs().sum(), chains.size - 3, rtol=1e-12)
    np.testing.assert_allclose(found.pairs(np.ones(chains.size)), found.pairs(), rtol=1e-12)


def test_a_state_given_up_slowly_may_still_win():
    """No single scale is small, but a message falls below the smallest double and comes back."""
    size = 3000
    chains = Chains.from_lengths([size, 50])
    unary = np.zeros((2, chains.size))
    unary[0, 1000:1200] = -10.0
    unary[1, 1200:size] = -10.0
    unary[1, 0] = -np.inf
    tables = np.log(np.array([[[0.99, 0.01], [1e-320, 1.0]]]))
    found = forward_backward(unary, tables, None, chains)
    scale, _, posterior = log_space(unary, tables, np.zeros(chains.size, int), chains.first)
    np.testing.assert_allclose(found.evidence[0], scale[:size].sum(), rtol=1e-12)
    np.testing.assert_allclose(found.posterior, posterior, atol=1e-12)


def test_a_dead_end_has_no_posterior():
    """A state from which nothing goes on is impossible, not just improbable."""
    tables = np.log(np.array([[[0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]]) + 1e-320)
    unary = np.zeros((3, 4))
    unary[2] = -np.inf
    found = forward_backward(unary, tables, None, Chains.from_lengths([4]))
    assert (found.posterior[1, :3] == 0.0).all()
    np.testing.assert_allclose(found.posterior[:, 3], [0.5, 0.5, 0.0])


def test_tables_that_are_not_normalised():
    rng = np.random.default_rng(1)
    chains = Chains.from_lengths([5, 1, 4])
    unary, tables, index = problem(rng, 3, chains.size, 2)
    moved = tables + np.array([300.0, -50.0])[:, None, None]
    base = forward_backward(unary, tables, index, chains)
    found = forward_backward(unary, moved, index, chains)
    added = np.where(chains.first, 0.0, np.array([300.0, -50.0])[index])
    np.testing.assert_allclose(found.log_scale, base.log_scale + added, rtol=1e-12)
    np.testing.assert_allclose(found.posterior, base.posterior, atol=1e-13)
    np.testing.assert_allclose(found.pairs(), base.pairs(), atol=1e-13)
    np.testing.assert_allclose(found.predicted, base.predicted, atol=1e-13)


def test_sequences_without_a_path():
    unary = np.zeros((2, 6))
    unary[:, 4] = -np.inf
    chains = Chains.from_lengths([3, 3])
    tables = np.log(np.full((1, 2, 2), 0.5))
    found = forward_backward(unary, tables, None, chains)
    np.testing.assert_allclose(found.evidence, [3 * np.log(2.0) + 2 * np.log(0.5), -np.inf])
    assert (found.posterior[:, 3:] == 0.0).all()
    assert (found.log_scale[4:] == -np.inf).all()
    assert found.log_scale[3] > -np.inf
    assert first_impossible(unary, tables, None, chains) == 4
    states, joint = most_probable(unary, tables, None, chains)
    assert (states[3:] == -1).all()
    assert joint[1] == -np.inf
    assert (sample_states(np.random.default_rng(0), unary, tables, None, chains)[3:] == -1).all()
    np.testing.assert_allclose(found.pairs().sum(), 2.0)


def test_ties_go_to_the_lowest_state():
    chains = Chains.from_lengths([4] * 20)
    tables = np.zeros((1, 3, 3))
    for some in (chains, Chains.from_lengths([4])):
        states, _ = most_probable(np.zeros((3, some.size)), tables, None, some)
        assert (states == 0).all()


def test_most_probable_of_many_equals_one_by_one():
    rng = np.random.default_rng(3)
    chains = Chains.from_lengths(rng.integers(1, 30, size=40))
    unary, tables, _ = problem(rng, 5, chains.size, 1, deep=2.0)
    states, joint = most_probable(unary, tables, None, chains)
    for s, (i, n) in enumerate(zip(chains.starts, chains.lengths, strict=True)):
        one, best = most_probable(unary[:, i : i + n], tables, None, Chains.from_lengths([n]))
        assert (states[i : i + n] == one).all()
        np.testing.assert_allclose(joint[s], best[0])
        zeros = np.zeros(n, int)
        np.testing.assert_allclose(
            log_joint(unary[:, i : i + n], tables, zeros, np.arange(-1, n - 1), one), best[0]
        )


@pytest.mark.parametrize("count", [1, 3])
def test_draws_have_the_posterior(count):
    rng = np.random.default_rng(count)
    lengths = [5, 1, 3]
    unary, tables, index = problem(rng, 3, 9, count, holes=0.1)
    used = None if count == 1 else index
    base = forward_backward(unary, tables, used, Chains.from_lengths(lengths))
    assert (base.evidence > -np.inf).all()
    times = 20_000
    many = Chains.from_lengths(lengths * times)
    states = sample_states(
        rng, np.tile(unary, times), tables, None if count == 1 else np.tile(index, times), many
    ).reshape(times, 9)
    pairs = base.pair_rows()
    for n in range(9):
        share = np.bincount(states[:, n], minlength=3) / times
        assert (np.abs(share - base.posterior[:, n]) < 5 * np.sqrt(0.25 / times)).all()
        assert (share[base.posterior[:, n] == 0.0] == 0.0).all()
        if n not in (0, 5, 6):
            both = np.bincount(3 * states[:, n - 1] + states[:, n], minlength=9) / times
            assert (np.abs(both - pairs[:, :, n].ravel()) < 5 * np.sqrt(0.25 / times)).all()
            assert (both[pairs[:, :, n].ravel() == 0.0] == 0.0).all()


def test_a_workspace_is_only_memory():
    rng = np.random.default_rng(8)
    chains = Chains.from_lengths(rng.integers(1, 50, size=30))
    space = Workspace()
    for _ in range(3):
        unary, tables, _ = problem(rng, 4, chains.size, 1, holes=0.02)
        kept = forward_backward(unary, tables, None, chains, space)
        fresh = forward_backward(unary, tables, None, chains)
        np.testing.assert_array_equal(kept.evidence, fresh.evidence)
        np.testing.assert_array_equal(kept.posterior, fresh.posterior)
        np.testing.assert_array_equal(kept.pairs(), fresh.pairs())


def test_chains_say_what_is_wrong():
    with pytest.raises(ValueError, match="row 0 must be the first"):
        Chains.from_starts(np.array([False, True]))
    with pytest.raises(ValueError, match="sequence 1 has 0"):
        Chains.from_lengths([2, 0])
    with pytest.raises(ValueError, match="without gaps"):
        Chains(np.array([0, 3]), np.array([2, 2]))
    chains = Chains.from_starts(np.array([True, False, True]))
    assert chains.starts.tolist() == [0, 2]
    assert chains.lengths.tolist() == [2, 1]
    with pytest.raises(ValueError, match="index must say which of 2 tables"):
        forward_backward(np.zeros((2, 3)), np.zeros((2, 2, 2)), None, chains)
    with pytest.raises(ValueError, match=r"unary must be \(K, 3\)"):
        forward_backward(np.zeros((2, 4)), np.zeros((1, 2, 2)), None, chains)
    assert Chains.from_starts(np.zeros(0, bool)).size == 0
    nothing = Chains.from_lengths([])
    empty = forward_backward(np.zeros((2, 0)), np.zeros((1, 2, 2)), None, nothing)
    assert empty.posterior.shape == (2, 0)
    assert empty.evidence.shape == (0,)
    assert not empty.pairs().any()
    assert most_probable(np.zeros((2, 0)), np.zeros((1, 2, 2)), None, nothing)[0].shape == (0,)
