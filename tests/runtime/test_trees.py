from __future__ import annotations

import numpy as np
import pytest

from emdsl.runtime.chains import (
    Chains,
    Trees,
    first_impossible,
    forward_backward,
    most_probable,
    sample_states,
)

from .chain_oracles import enumerate_all, problem


def forest(rng, size: int) -> np.ndarray:
    """Random parents, in a random order of rows."""
    up = np.array([-1 if n == 0 or rng.random() < 0.2 else rng.integers(n) for n in range(size)])
    names = rng.permutation(size)
    parent = np.full(size, -1)
    parent[names] = np.where(up >= 0, names[up], -1)
    return parent


@pytest.mark.parametrize("seed", range(40))
def test_small_trees_against_enumeration(seed):
    rng = np.random.default_rng(seed)
    size, states = int(rng.integers(1, 8)), int(rng.integers(1, 4))
    trees = Trees(forest(rng, size))
    count = [1, 2, size][seed % 3]
    unary, tables, index = problem(
        rng, states, size, count, holes=[0.0, 0.15][seed % 2], deep=1.0 + 300 * (seed % 4 == 3)
    )
    used = None if count == 1 else index
    found = forward_backward(unary, tables, used, trees)
    best, joint = most_probable(unary, tables, used, trees)
    drawn = sample_states(rng, unary, tables, used, trees)
    rows = found.pair_rows()
    weight = rng.random(size)
    sums, plain = np.zeros_like(tables), np.zeros_like(tables)
    dead = False
    for tree in range(len(trees.roots)):
        own = np.flatnonzero(trees.root_of == tree)
        assert trees.roots[tree] in own
        place = np.full(size, -1)
        place[own] = np.arange(len(own))
        up = np.where(trees.parent[own] >= 0, place[trees.parent[own]], -1)
        truth = enumerate_all(unary[:, own], tables, index[own] % count, up)
        np.testing.assert_allclose(found.evidence[tree], truth.evidence, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found.posterior[:, own], truth.posterior, atol=1e-12)
        np.testing.assert_allclose(rows[:, :, own], truth.pairs, atol=1e-12)
        np.testing.assert_allclose(joint[tree], truth.best, rtol=1e-12)
        assert (best[own] == truth.states).all()
        if truth.evidence == -np.inf:
            dead = True
            assert (drawn[own] == -1).all()
        else:
            assert (truth.posterior[drawn[own], np.arange(len(own))] > 0.0).all()
        for n in own[up >= 0]:
            sums[index[n] % count] += weight[n] * truth.pairs[:, :, place[n]]
            plain[index[n] % count] += truth.pairs[:, :, place[n]]
    np.testing.assert_allclose(found.pairs(weight), sums, atol=1e-12)
    np.testing.assert_allclose(found.pairs(), plain, atol=1e-12)
    row = first_impossible(unary, tables, used, trees)
    assert (row >= 0) == dead
    with pytest.raises(TypeError, match="filtering needs an order in time"):
        _ = found.filtered


@pytest.mark.parametrize("holes", [0.0, 0.1])
def test_a_tree_without_branches_is_a_chain(holes):
    rng = np.random.default_rng(11)
    chains = Chains.from_lengths(rng.integers(1, 40, size=25))
    parent = np.arange(-1, chains.size - 1)
    parent[chains.starts] = -1
    trees = Trees(parent)
    unary, tables, index = problem(rng, 4, chains.size, 3, deep=20.0)
    tables[rng.random(tables.shape) < holes] = -700.0
    a = forward_backward(unary, tables, index, chains)
    b = forward_backward(unary, tables, index, trees)
    np.testing.assert_allclose(a.evidence, b.evidence, rtol=1e-12)
    np.testing.assert_allclose(a.posterior, b.posterior, atol=1e-12)
    np.testing.assert_allclose(a.pairs(), b.pairs(), atol=1e-11)
    one, two = (
        most_probable(unary, tables, index, chains),
        most_probable(unary, tables, index, trees),
    )
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_allclose(one[1], two[1], rtol=1e-12)
    draws = [
        sample_states(np.random.default_rng(4), unary, tables, index, s) for s in (chains, trees)
    ]
    np.testing.assert_array_equal(*draws)


def test_many_children_and_far_states():
    """A thousand children's messages multiply to what no double holds."""
    rng = np.random.default_rng(2)
    parent = np.zeros(1001, np.int64)
    parent[0] = -1
    trees = Trees(parent)
    unary, tables, _ = problem(rng, 3, 1001, 1, deep=3.0)
    unary[:, 7] = [0.0, -1e5, -np.inf]
    tables[0, 1] = [-800.0, -0.1, -2.0]  # state 1 has no way to state 0
    found = forward_backward(unary, tables, None, trees)
    logs = np.where(tables[0] <= -690, -np.inf, tables[0])[:, :, None] + unary[None, :, 1:]
    top = logs.max(axis=1)
    message = np.log(np.exp(logs - top[:, None]).sum(axis=1)) + top
    root = unary[:, 0] + message.sum(axis=1)
    evidence = root.max() + np.log(np.exp(root - root.max()).sum())
    np.testing.assert_allclose(found.evidence, [evidence], rtol=1e-12)
    posterior = np.exp(root - evidence)
    np.testing.assert_allclose(found.posterior[:, 0], posterior, atol=1e-9)
    unary[[0, 2], 0] = -np.inf  # now state 1 is all that is left, 1e5 nats below
    found = forward_backward(unary, tables, None, trees)
    np.testing.assert_allclose(found.evidence, [root[1]], rtol=1e-12)
    np.testing.assert_allclose(found.posterior[:, 7], [0.0, 1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(found.pair_rows()[1, 1, 7], 1.0)
    assert sample_states(rng, unary, tables, None, trees)[7] == 1


def test_draws_from_a_tree_have_the_posterior():
    rng = np.random.default_rng(0)
    parent = np.array([2, 2, -1, 0, 0, 2])
    unary, tables, _ = problem(rng, 3, 6, 1)
    base = forward_backward(unary, tables, None, Trees(parent))
    times = 20_000
    shift = 6 * np.arange(times)[:, None]
    many = Trees(np.where(parent < 0, -1, parent + shift).reshape(-1))
    states = sample_states(rng, np.tile(unary, times), tables, None, many).reshape(times, 6)
    pairs = base.pair_rows()
    for n in range(6):
        share = np.bincount(states[:, n], minlength=3) / times
        assert (np.abs(share - base.posterior[:, n]) < 5 * np.sqrt(0.25 / times)).all()
        if parent[n] >= 0:
            both = np.bincount(3 * states[:, parent[n]] + states[:, n], minlength=9) / times
            assert (np.abs(both - pairs[:, :, n].ravel()) < 5 * np.sqrt(0.25 / times)).all()


def test_trees_say_what_is_wrong():
    with pytest.raises(ValueError, match=r"row [123] is among its own ancestors"):
        Trees(np.array([-1, 2, 3, 1, 2]))
    with pytest.raises(ValueError, match="row 1 has parent 5"):
        Trees(np.array([-1, 5]))
    with pytest.raises(ValueError, match="row 0 is among"):
        Trees(np.array([0]))
    trees = Trees(np.array([3, -1, 1, -1, 2]))
    assert trees.root_of.tolist() == [1, 0, 0, 1, 0]
    assert trees.depth.tolist() == [1, 0, 1, 0, 2]
    assert Trees(np.zeros(0, np.int64)).levels == ()
