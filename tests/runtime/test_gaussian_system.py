"""Random structures of tied latents against one dense matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emdsl.runtime import gaussian_plan
from emdsl.runtime.gaussian_system import Clique, Family, GaussianSystem

from .gaussian_oracle import assemble, compare, tables


def check(families, cliques, rng, rtol=1e-9):
    """Solves with random tables; the system."""
    counts = [
        len(c.rows[0]) if c.patterns is None else int(c.patterns.max(initial=-1)) + 1
        for c in cliques
    ]
    linears, squares = tables(rng, families, cliques, counts)
    dense = assemble(families, cliques, linears, squares)
    system = GaussianSystem(families, cliques, None)
    compare(dense, system.solve(linears, squares), rtol)
    # the structure serves for other numbers
    linears, squares = tables(rng, families, cliques, counts)
    compare(assemble(families, cliques, linears, squares), system.solve(linears, squares), rtol)
    return system


def own(families, rng):
    """A clique of each family that sees every element."""
    found = []
    for f, family in enumerate(families):
        kinds = int(rng.integers(1, 3))
        patterns = rng.integers(kinds, size=family.count) if rng.random() < 0.7 else None
        found.append(Clique((f,), (np.arange(family.count),), patterns))
    return found


@st.composite
def structures(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    families = [
        Family(draw(st.integers(1, 9)), draw(st.integers(1, 3)))
        for _ in range(draw(st.integers(1, 3)))
    ]
    cliques = own(families, rng)
    for _ in range(draw(st.integers(0, 3))):
        seen = tuple(draw(st.lists(st.integers(0, len(families) - 1), min_size=1, max_size=3)))
        size = draw(st.integers(0, 12))
        lowest = draw(st.sampled_from([-1, 0]))
        rows = tuple(rng.integers(lowest, families[f].count, size=size) for f in seen)
        patterns = rng.integers(2, size=size) if draw(st.booleans()) else None
        cliques.append(Clique(seen, rows, patterns))
    return rng, families, cliques, draw(st.sampled_from([0, 1, 2, 3, 8])), draw(st.booleans())


@given(structures())
@settings(max_examples=150, deadline=None)
def test_any_structure(structure):
    rng, families, cliques, most, fill = structure
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gaussian_plan, "_TIES", ((most, fill),))
        check(families, cliques, rng)


def test_ties_of_nodes_that_are_partly_filled(monkeypatch):
    """A node whose neighbours have eight numbers in all: NumPy 2.4.6 negated them wrongly."""
    monkeypatch.setattr(gaussian_plan, "_TIES", ((3, False),))
    families = [Family(1, 1), Family(4, 2), Family(2, 1)]
    each = [Clique((f,), (np.arange(x.count),), None) for f, x in enumerate(families)]
    row, other = np.array([3, 3, 1, 0, 0, 2]), np.array([0, 0, 2, 1, 2, 2])
    three = np.array([3, 1, 0]), np.array([0, 0, 0]), np.array([1, 1, 0])
    cliques = [*each, Clique((1, 1), (row, other), None), Clique((1, 0, 2), three, None)]
    check(families, cliques, np.random.default_rng(0))


@st.composite
def paths(draw):
    """Ragged sequences with ties of several lags, in any order of elements."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lengths = draw(st.lists(st.integers(1, 15), min_size=1, max_size=5))
    size = sum(lengths)
    step = np.concatenate([np.arange(n) for n in lengths])
    names = rng.permutation(size) if draw(st.booleans()) else np.arange(size)
    dims = draw(st.lists(st.integers(1, 2), min_size=1, max_size=2))
    lags = sorted(draw(st.sets(st.integers(1, 5), min_size=1, max_size=3)))
    families = [Family(size, d) for d in dims]
    rows, seen = [], []
    for lag in [0, *lags]:
        back = np.where(step >= lag, names[np.maximum(np.arange(size) - lag, 0)], -1)
        if lag and draw(st.booleans()):
            back[rng.random(size) < 0.2] = -1  # gaps
        for f in range(len(dims)):
            rows.append(back)
            seen.append(f)
    patterns = draw(st.sampled_from(["own", "one", "few"]))
    index = {"own": None, "one": np.zeros(size, int), "few": rng.integers(3, size=size)}[patterns]
    return rng, families, [*own(families, rng), Clique(tuple(seen), tuple(rows), index)]


@given(paths())
@settings(max_examples=80, deadline=None)
def test_paths(path):
    rng, families, cliques = path
    check(families, cliques, rng)


def previous(lengths):
    """The element before each one of its sequence, -1 at starts."""
    before = np.arange(sum(lengths)) - 1
    before[np.cumsum([0, *lengths[:-1]])] = -1
    return before


@pytest.mark.parametrize("shared", ["own", "one", "few"])
@pytest.mark.parametrize("lengths", [[1], [2], [64], [65, 1, 7, 7, 30]])
@pytest.mark.parametrize("dim", [1, 3])
def test_chains(shared, lengths, dim):
    rng = np.random.default_rng(len(lengths) + dim)
    size = sum(lengths)
    patterns = {
        "own": None,
        "one": np.zeros(size, int),
        "few": (rng.random(size) < 0.2).astype(int),
    }[shared]
    cliques = [
        Clique((0,), (np.arange(size),), patterns),
        Clique((0, 0), (np.arange(size), previous(lengths)), patterns),
    ]
    system = check([Family(size, dim)], cliques, rng)
    plan = system._plan
    assert not len(plan.order.left)
    assert len(plan.order.rounds) <= np.log2(max(lengths)) + 2


def test_equal_work_of_a_chain_is_done_once():
    size = 1000
    same = np.zeros(size, int)
    system = GaussianSystem(
        [Family(size, 2)],
        [
            Clique((0,), (np.arange(size),), same),
            Clique((0, 0), (np.arange(size), np.arange(size) - 1), same),
        ],
        None,
    )
    classes = [b.classes.count for one in system._plan.order.rounds for b in one.batches]
    assert sum(classes) <= 3 * 11


def test_equal_sequences_share_their_covariances():
    lengths = [20] * 100
    size = sum(lengths)
    same = np.zeros(size, int)
    system = GaussianSystem(
        [Family(size, 2)],
        [
            Clique((0,), (np.arange(size),), same),
            Clique((0, 0), (np.arange(size), previous(lengths)), same),
        ],
        None,
    )
    assert sum(system._plan.held.node_slots) == 20


@pytest.mark.parametrize("shape", ["random", "binary", "star", "broom"])
@pytest.mark.parametrize("shared", [False, True])
def test_trees(shape, shared):
    rng = np.random.default_rng(3)
    size = 60
    n = np.arange(size)
    parent = {
        "random": np.array([-1, *(rng.integers(i) for i in range(1, size))]),
        "binary": np.where(n > 0, (n - 1) // 2, -1),
        "star": np.where(n > 0, 0, -1),
        "broom": np.where(n < 30, n - 1, 29),
    }[shape]
    if shape == "random":
        names = rng.permutation(size)
        parent[names] = np.where(parent >= 0, names[parent], -1)
    patterns = np.zeros(size, int) if shared else None
    cliques = [Clique((0,), (n,), patterns), Clique((0, 0), (n, parent), patterns)]
    plan = check([Family(size, 2)], cliques, rng)._plan
    assert not len(plan.order.left)
    assert plan.layout.kinds == (2,)  # nothing merged
    assert len(plan.order.rounds) <= 16


@pytest.mark.parametrize("lags", [(1, 2), (1, 2, 3), (1, 12), tuple(range(1, 12))])
def test_ties_of_higher_order_are_merged_into_blocks(lags):
    rng = np.random.default_rng(1)
    size, steps = 70, np.arange(70)
    rows = tuple(np.where(steps >= k, steps - k, -1) for k in (0, *lags))
    cliques = [
        Clique((0,), (steps,), None),
        Clique((0,) * len(rows), rows, np.minimum(steps, max(lags))),
    ]
    plan = check([Family(size, 1)], cliques, rng)._plan
    assert plan.layout.kinds == (max(lags),)
    assert not len(plan.order.left)


def test_latents_of_one_row_are_stacked():
    rng = np.random.default_rng(2)
    size = 40
    n = np.arange(size)
    families = [Family(size, 1), Family(size, 2)]
    cliques = [
        Clique((0, 1), (n, n), None),
        Clique((0, 0, 1), (n, n - 1, n - 1), np.minimum(n, 1)),
    ]
    assert check(families, cliques, rng)._plan.layout.kinds == (3,)


@pytest.mark.parametrize("differ", [False, True])
def test_nested_groups_leave_nothing_dense(differ):
    rng = np.random.default_rng(4)
    school = np.sort(rng.integers(12, size=60))
    district = np.arange(12) // 4
    pupil = rng.integers(60, size=150)
    families = [Family(60, 2), Family(12, 1), Family(3, 2)]
    seen = [
        ((0, 1, 2), (pupil, school[pupil], district[school[pupil]])),
        ((0,), (np.arange(60),)),
        ((1,), (np.arange(12),)),
        ((2,), (np.arange(3),)),
    ]
    cliques = [Clique(f, r, None if differ else np.zeros(len(r[0]), int)) for f, r in seen]
    assert not len(check(families, cliques, rng)._plan.order.left)


@pytest.mark.parametrize("differ", [False, True])
@pytest.mark.parametrize("sizes", [(30, 20), (14, 40), (20, 12, 16)])
def test_crossed_effects(differ, sizes):
    rng = np.random.default_rng(5)
    rows = 600
    families = [Family(n, 1 + f % 2) for f, n in enumerate(sizes)]
    every = tuple(rng.integers(n, size=rows) for n in sizes)
    cliques = [
        Clique(tuple(range(len(sizes))), every, None if differ else np.zeros(rows, int)),
        *own(families, rng),
    ]
    plan = check(families, cliques, rng)._plan
    assert plan.core is not None
    assert plan.core.size == sum(f.count * f.dim for f in families) - max(
        f.count * f.dim for f in families
    )


def test_crossed_effects_in_pieces(monkeypatch):
    from emdsl.runtime import gaussian_core

    monkeypatch.setattr(gaussian_core, "_PIECE", 50)
    for sparse in (0.0, 1e9):
        monkeypatch.setattr(gaussian_core, "_SPARSE", sparse)
        test_crossed_effects(True, (30, 20))


def test_panel_with_effects_of_groups():
    rng = np.random.default_rng(6)
    lengths = [12, 5, 9, 1, 20]
    size = sum(lengths)
    group = np.repeat(np.arange(5), lengths)
    families = [Family(size, 2), Family(5, 1), Family(1, 2)]
    n = np.arange(size)
    cliques = [
        Clique((0, 1, 2), (n, group, np.zeros(size, int)), None),
        Clique((0, 0), (n, previous(lengths)), None),
        *own(families, rng),
    ]
    check(families, cliques, rng)


@pytest.mark.parametrize("walks", [False, True])
def test_panels_with_effects_of_time_find_a_cheap_order(monkeypatch, walks):
    """All ways are tried, and few nodes are left to the dense solver."""
    monkeypatch.setattr(gaussian_plan, "_CHEAP", 0.0)
    monkeypatch.setattr(gaussian_plan, "_DEAR", 0.0)
    rng = np.random.default_rng(10)
    units, times = 12, 9
    n = np.arange(units * times)
    unit, time = np.divmod(n, times)
    families = [Family(len(n), 2), Family(units, 1), Family(times, 1)]
    cliques = [
        Clique((0, 1, 2), (n, unit, time), n * 0),
        Clique((0, 0), (n, np.where(time == 0, -1, n - 1)), np.minimum(time, 1)),
        Clique((1,), (np.arange(units),), None),
        Clique((2,), (np.arange(times),), None),
    ]
    if walks:
        cliques.append(Clique((2, 2), (np.arange(times), np.arange(times) - 1), None))
    core = check(families, cliques, rng)._plan.core
    assert core is None or core.size <= units + times


def test_broad_blocks_where_they_are_cheaper(monkeypatch):
    rng = np.random.default_rng(13)
    side = 12
    i, j = np.divmod(np.arange(side * side), side)
    right = np.where(j + 1 < side, i * side + j + 1, -1)
    down = np.where(i + 1 < side, (i + 1) * side + j, -1)
    cell = np.arange(side * side)
    monkeypatch.setattr(gaussian_plan, "_BROAD", (8, 64))
    monkeypatch.setattr(gaussian_plan, "_DEAR", 0.0)
    monkeypatch.setattr(gaussian_plan, "_TIES", ((0, False),))  # all is left to the dense solver,
    monkeypatch.setattr(gaussian_plan.Core, "cost", 1e15)  # as dear as at a hundred times the size
    cliques = [Clique((0,), (cell,), None), Clique((0, 0, 0), (cell, right, down), cell * 0)]
    families = [Family(side * side, 1)]
    assert check(families, cliques, rng)._plan.layout.kinds == (1,)
    monkeypatch.setattr(gaussian_plan, "_TIES", ((8, False),))
    monkeypatch.setattr(gaussian_plan.Core, "cost", property(lambda core: 1e15 * core.size))
    assert check(families, cliques, rng)._plan.layout.kinds == (side,)


def test_a_ring_and_a_grid():
    rng = np.random.default_rng(7)
    n = np.arange(37)
    check(
        [Family(37, 2)],
        [Clique((0,), (n,), None), Clique((0, 0), (n, (n + 1) % 37), n % 2)],
        rng,
    )
    side = 9
    i, j = np.divmod(np.arange(side * side), side)
    right = np.where(j + 1 < side, i * side + j + 1, -1)
    down = np.where(i + 1 < side, (i + 1) * side + j, -1)
    cell = np.arange(side * side)
    check(
        [Family(side * side, 1)],
        [Clique((0,), (cell,), None), Clique((0, 0, 0), (cell, right, down), cell * 0)],
        rng,
    )


def test_wide_blocks():
    rng = np.random.default_rng(8)
    size = 25
    n = np.arange(size)
    for patterns in (None, n * 0):
        cliques = [Clique((0,), (n,), patterns), Clique((0, 0), (n, n - 1), patterns)]
        check([Family(size, 14)], cliques, rng, rtol=1e-8)


def test_nothing_at_all():
    none = np.empty(0, np.intp)
    system = GaussianSystem([Family(0, 2)], [Clique((0,), (none,), None)], None)
    solution = system.solve([[np.empty((2, 0))]], [{(0, 0): np.empty((2, 2, 0))}])
    assert solution.evidence[0].shape == (0,)
    assert solution.means[0].shape == (2, 0)
    assert solution.second(0, 0, 0).shape == (2, 2, 0)
    assert solution.covariance(0).shape == (2, 2, 0)
    assert solution.draw(np.random.default_rng(0))[0].shape == (2, 0)


def test_means_without_covariances_and_back_and_forth():
    """p > q gives the transpose."""
    rng = np.random.default_rng(9)
    n = np.arange(6)
    families = [Family(6, 2), Family(3, 1)]
    cliques = [Clique((0, 1), (n, n // 2), None), *own(families, rng)]
    counts = [6, *(int(c.patterns.max()) + 1 if c.patterns is not None else len(c.rows[0])
                   for c in cliques[1:])]  # fmt: skip
    linears, squares = tables(rng, families, cliques, counts)
    solution = GaussianSystem(families, cliques, None).solve(linears, squares)
    np.testing.assert_array_equal(solution.second(0, 1, 0), solution.second(0, 0, 1).swapaxes(0, 1))
