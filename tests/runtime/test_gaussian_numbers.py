"""What else can be asked of tied normal latents: draws, precision, errors, pieces of the work."""

from __future__ import annotations

import pickle

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emdsl.runtime import gaussian_core, gaussian_plan
from emdsl.runtime.gaussian_blocks import (
    Classes,
    NotPositive,
    Scatter,
    inverse_factor,
    multiply,
    pick,
)
from emdsl.runtime.gaussian_sharing import bags, compact, label, piece, share
from emdsl.runtime.gaussian_system import (
    Clique,
    Family,
    GaussianSystem,
    ImproperElementError,
    TooLargeError,
)
from emdsl.runtime.improper import ImproperError

from .gaussian_oracle import assemble, tables

# ---------------------------------------------------------------------------------------- draws


@pytest.mark.parametrize("most", [0, 8])
def test_draws_have_the_posteriors_moments(monkeypatch, most):
    """Many copies of a chain whose elements share an effect, drawn at once."""
    monkeypatch.setattr(gaussian_plan, "_TIES", ((most, False),))
    rng = np.random.default_rng(0)
    copies, each, times = (40, 5, 500) if most == 0 else (20000, 5, 1)
    n = np.arange(copies * each)
    before = np.where(n % each == 0, -1, n - 1)
    step = n % each
    families = [Family(copies * each, 2), Family(copies, 1)]
    cliques = [
        Clique((0, 1), (n, n // each), step),
        Clique((0, 0), (n, before), step),
        Clique((1,), (np.arange(copies),), np.zeros(copies, int)),
    ]
    linears, squares = tables(rng, families, cliques, [each, each, 1])
    solution = GaussianSystem(families, cliques, None).solve(linears, squares)
    small = [Family(each, 2), Family(1, 1)]
    one = [
        Clique((0, 1), (n[:each], n[:each] * 0), step[:each]),
        Clique((0, 0), (n[:each], before[:each]), step[:each]),
        Clique((1,), (np.zeros(1, int),), np.zeros(1, int)),
    ]
    dense = assemble(small, one, [[x[:, :each] for x in y] for y in linears[:2]]
                     + [[linears[2][0][:, :1]]], squares)  # fmt: skip
    dense.solve()
    np.testing.assert_allclose(solution.means[0][:, :each].T.ravel(), dense.mean[:-1], atol=1e-9)
    draws = []
    for _ in range(times):
        u = [x - m for x, m in zip(solution.draw(rng), solution.means, strict=True)]
        left = u[0].reshape(2, copies, each).transpose(1, 2, 0).reshape(copies, -1)
        draws.append(np.hstack([left, u[1].T]))
    drawn = np.concatenate(draws)
    root = np.linalg.cholesky(dense.precision)
    white = drawn @ root  # independent standard normals
    count = len(white)
    assert np.abs(white.mean(axis=0)).max() < 5 / np.sqrt(count)
    covariance = white.T @ white / count
    assert np.abs(covariance - np.eye(len(covariance))).max() < 7 / np.sqrt(count)
    assert np.abs((white**4).mean(axis=0) - 3).max() < 5 * np.sqrt(96 / count)


def test_draws_repeat_with_their_seed():
    solution = walk(20, 1.0, 1.0)
    first, second = (solution.draw(np.random.default_rng(4))[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


# ---------------------------------------------------------------------------------------- errors


def walk_tables(steps, process, observation, start=1.0):
    """A random walk seen with noise; all are precisions."""
    n = np.arange(steps)
    cliques = [Clique((0,), (n,), n * 0), Clique((0, 0), (n, n - 1), np.minimum(n, 1))]
    y = np.sin(n / 3.0) + 1.0
    linears = [[(observation * y)[None]], [np.zeros((1, steps)), np.zeros((1, steps))]]
    half = -0.5 * process
    squares = [
        {(0, 0): np.full((1, 1, 1), -0.5 * observation)},
        {
            (0, 0): np.array([[[-0.5 * start, half]]]),
            (0, 1): np.array([[[0.0, process]]]),
            (1, 1): np.array([[[0.0, half]]]),
        },
    ]
    return cliques, linears, squares


def walk(steps, process, observation, start=1.0):
    cliques, linears, squares = walk_tables(steps, process, observation, start)
    return GaussianSystem([Family(steps, 1)], cliques, None).solve(linears, squares)


def test_a_walk_that_starts_nowhere_is_improper():
    with pytest.raises(ImproperElementError, match="of family 0: neither its prior") as raised:
        walk(37, 2.0, 0.0, 0.0)
    assert isinstance(raised.value, ImproperError)
    assert isinstance(raised.value, ValueError)
    again = pickle.loads(pickle.dumps(raised.value))
    assert (again.family, again.element) == (0, raised.value.element)
    walk(37, 2.0, 1e-3, 0.0)  # one glance of it is enough


@pytest.mark.parametrize("dim", [1, 3, 15])
@pytest.mark.parametrize("shared", [False, True])
def test_improper_elements_are_named(dim, shared):
    families = [Family(4, 2), Family(5, dim)]
    n = np.arange(5)
    patterns = (n == 3).astype(int) if shared else None
    cliques = [Clique((0,), (np.arange(4),), None), Clique((1,), (n,), patterns)]
    square = np.repeat(-np.eye(dim)[:, :, None], 2 if shared else 5, axis=2)
    square[dim - 1, dim - 1, 1 if shared else 3] = 1e-3
    squares = [{(0, 0): np.repeat(-np.eye(2)[:, :, None], 4, axis=2)}, {(0, 0): square}]
    linears = [[np.zeros((2, 4))], [np.zeros((dim, 5))]]
    with pytest.raises(ImproperElementError) as raised:
        GaussianSystem(families, cliques, None).solve(linears, squares)
    assert (raised.value.family, raised.value.element) == (1, 3)


@pytest.mark.parametrize("flat", [0, 1])
def test_improper_crossed_effects_are_named(flat):
    rng = np.random.default_rng(1)
    families = [Family(30, 1), Family(20, 1)]
    rows = 700
    where = (rng.integers(30, size=rows), rng.integers(19, size=rows))  # element 19 isn't seen
    cliques = [
        Clique((0, 1), where, np.zeros(rows, int)),
        Clique((0,), (np.arange(30),), np.zeros(30, int)),
        Clique((1,), (np.arange(19 + 1),), np.arange(20) // 19),
    ]
    one = np.ones((1, 1, 1))
    squares = [
        {(0, 0): -0.5 * one, (0, 1): -one, (1, 1): -0.5 * one},
        {(0, 0): -0.5 * one * (flat == 1)},
        {(0, 0): np.array([[[0.0, -1.0 if flat == 0 else 0.0]]])},
    ]
    linears = [[np.zeros((1, rows))] * 2, [np.zeros((1, 30))], [np.zeros((1, 20))]]
    with pytest.raises(ImproperElementError) as raised:
        GaussianSystem(families, cliques, None).solve(linears, squares)
    if flat == 1:
        assert (raised.value.family, raised.value.element) == (1, 19)


def test_not_a_number_is_improper():
    cliques, linears, squares = walk_tables(9, 1.0, 1.0)
    squares[0][0, 0][:] = np.nan
    with pytest.raises(ImproperElementError):
        GaussianSystem([Family(9, 1)], cliques, None).solve(linears, squares)


def test_what_is_too_large_says_so(monkeypatch):
    monkeypatch.setattr(gaussian_core, "MOST_BYTES", 1000)
    monkeypatch.setattr(gaussian_plan, "MOST_BYTES", 1000)
    every = np.arange(100 * 90)
    with pytest.raises(TooLargeError, match=r"dense matrix of 90 x 90 numbers .* GiB"):
        GaussianSystem(
            [Family(100, 1), Family(90, 1)], [Clique((0, 1), (every // 90, every % 90), None)], None
        )


@pytest.mark.parametrize(
    ("clique", "said"),
    [
        (Clique((0,), (np.array([3]),), None), "elements 0 to 2 of family 0, or -1"),
        (Clique((0,), (np.array([-2]),), None), "elements 0 to 2 of family 0, or -1"),
        (Clique((0, 0), (np.array([1]),), None), "rows for each place"),
        (Clique((0, 0), (np.array([1]), np.array([1, 2])), None), "1 and 2 rows"),
        (Clique((0,), (np.array([1]),), np.array([0, 1])), "a pattern for each row"),
        (Clique((0,), (np.array([1]),), np.array([-1])), "negative patterns"),
    ],
)
def test_wrong_structures(clique, said):
    with pytest.raises(ValueError, match=said):
        GaussianSystem([Family(3, 1)], [clique], None)


def test_parts_must_be_independent():
    n = np.arange(4)
    clique = Clique((0, 0), (n, n - 1), None)
    GaussianSystem([Family(4, 1)], [clique], (np.zeros(4, int),))
    with pytest.raises(ValueError, match="said to be independent"):
        GaussianSystem([Family(4, 1)], [clique], (n // 2,))


# ------------------------------------------------------------------------------------- precision


@pytest.mark.parametrize(
    ("process", "observation", "digits"),
    [
        (1.0, 1.0, 13),
        (1e4, 1.0, 11),
        (1e8, 1.0, 8),
        (1e12, 1.0, 3),
        (1e-8, 1.0, 13),
        (1.0, 1e8, 13),
    ],
)
def test_digits_that_are_left(process, observation, digits):
    """Against 60 digits; the precision's condition is what the documentation says is lost."""
    steps = 24
    cliques, linears, squares = walk_tables(steps, process, observation)
    dense = assemble([Family(steps, 1)], cliques, linears, squares)
    solution = GaussianSystem([Family(steps, 1)], cliques, None).solve(linears, squares)
    with mpmath.workdps(60):
        exact = mpmath.matrix(steps, steps)
        linear = mpmath.matrix(steps, 1)
        for t in range(steps):
            linear[t] = mpmath.mpf(float(linears[0][0][0, t]))
            exact[t, t] = mpmath.mpf(observation) + mpmath.mpf(process) * (
                (t > 0) + (t + 1 < steps)
            ) + (1 if t == 0 else 0)  # fmt: skip
            if t:
                exact[t, t - 1] = exact[t - 1, t] = -mpmath.mpf(process)
        mean = mpmath.lu_solve(exact, linear)
        inverse = exact**-1
        truth = np.array([float(mean[t]) for t in range(steps)])
        variance = np.array([float(inverse[t, t]) for t in range(steps)])
    total = float(sum(exact[t, t] for t in range(steps)))
    np.testing.assert_allclose(np.trace(dense.precision), total)  # the same problem
    np.testing.assert_allclose(solution.means[0][0], truth, rtol=10.0**-digits)
    np.testing.assert_allclose(solution.covariance(0)[0, 0], variance, rtol=10.0**-digits)


# -------------------------------------------------------------------------------- pieces of work


@given(st.lists(st.integers(-5, 2**40), max_size=30) | st.lists(st.integers(0, 4), max_size=30))
def test_labels(keys):
    labels, first = label(np.array(keys, np.intp))
    distinct = sorted(set(keys))
    assert [distinct[i] for i in labels] == keys
    assert [keys.index(k) for k in distinct] == first.tolist()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=40))
def test_shared_labels_are_equal_for_equal_columns(items):
    columns = [np.array([x[i] for x in items], np.intp) for i in range(2)]
    labels, first = share(columns, len(items))
    for i, one in enumerate(labels):
        assert items[first[one]] == items[i]
    assert len(first) <= max(len(items), 1)
    if len(set(items)) <= 0.6 * len(items):
        assert len(first) == len(set(items))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), max_size=60))
def test_bags_tell_multisets_apart(pairs):
    targets, tokens = (np.array([p[i] for p in pairs], np.intp) for i in range(2))
    columns = np.array(bags(targets, tokens, 6))
    content = [sorted(k for t, k in pairs if t == i) for i in range(6)]
    for i in range(6):
        for j in range(6):
            same = bool((columns[:, i] == columns[:, j]).all())
            assert same == (content[i] == content[j])


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4)), max_size=60),
    st.booleans(),
    st.sampled_from([1.0, -1.0]),
    st.booleans(),
)
@settings(deadline=None)
def test_scatter(pairs, weighted, sign, many):
    rng = np.random.default_rng(len(pairs))
    copies = 200 if many else 1
    sources = np.array([p[0] + 7 * c for c in range(copies) for p in pairs], np.intp)
    targets = np.array([p[1] + 5 * c for c in range(copies) for p in pairs], np.intp)
    weights = rng.random(len(sources)) if weighted else None
    values = rng.normal(size=(2, 3, 7 * copies))
    found, truth = np.ones((2, 3, 5 * copies)), np.ones((2, 3, 5 * copies))
    Scatter(sources, targets, weights).add(found, values, sign)
    for n, (s, t) in enumerate(zip(sources, targets, strict=True)):
        truth[..., t] += sign * values[..., s] * (1.0 if weights is None else weights[n])
    np.testing.assert_allclose(found, truth, rtol=1e-12, atol=1e-12)


@given(st.integers(0, 9), st.integers(1, 4), st.integers(0, 9), st.integers(0, 9))
def test_places_as_slices(start, step, count, cut):
    index = start + step * np.arange(count)
    same = compact(index)
    assert isinstance(same, slice)
    values = np.arange(60)
    np.testing.assert_array_equal(values[same], index)
    here = slice(min(cut, count), count)
    np.testing.assert_array_equal(values[piece(same, here)], index[here])
    np.testing.assert_array_equal(piece(index, here), index[here])
    assert not isinstance(compact(np.array([3, 1])), slice)
    assert not isinstance(compact(np.array([0, 1, 3])), slice)


@pytest.mark.parametrize("size", [3, 900])
def test_picked_items_stay_last(size):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 4, 1000))
    index = rng.integers(1000, size=size)
    for a in (values, values[1:, 1:3], values.swapaxes(0, 1)):
        np.testing.assert_array_equal(pick(a, index), a[..., index])


@pytest.mark.parametrize("d", [1, 2, 5, 11, 20])
@pytest.mark.parametrize("n", [1, 2, 30])
def test_factors(d, n):
    rng = np.random.default_rng(d)
    root = rng.normal(size=(n, d, d + 3))
    full = np.ascontiguousarray((root @ root.transpose(0, 2, 1)).transpose(1, 2, 0))
    scale = np.einsum("iin->in", full)
    inverse, logs = inverse_factor(full, scale)
    for i in range(n):
        lower = np.linalg.cholesky(full[:, :, i])
        np.testing.assert_allclose(inverse[:, :, i] @ lower, np.eye(d), atol=1e-9)
        np.testing.assert_allclose(logs[:, i], np.log(np.diagonal(lower)))
        assert (np.triu(inverse[:, :, i], 1) == 0.0).all()
    full[d - 1, d - 1, n - 1] = -1.0
    with pytest.raises(NotPositive) as raised:
        inverse_factor(full, scale)
    assert (raised.value.item, raised.value.row) == (n - 1, d - 1)


@pytest.mark.parametrize("sizes", [[5], [1] * 7, [3, 1, 4], [2000, 900], [1] * 50 + [60]])
@pytest.mark.parametrize(("i", "j", "k"), [(1, 1, 1), (2, 3, 4), (3, 1, 2), (8, 9, 10)])
def test_products_by_class(sizes, i, j, k):
    rng = np.random.default_rng(i)
    of = np.repeat(np.arange(len(sizes)), sizes)
    classes = Classes(of, len(sizes))
    a, b = rng.normal(size=(i, j, len(sizes))), rng.normal(size=(j, k, len(of)))
    np.testing.assert_allclose(
        classes.multiply(a, b), np.einsum("ijn,jkn->ikn", a[:, :, of], b), atol=1e-12
    )
    np.testing.assert_allclose(
        classes.apply(a, b[:, 0]), np.einsum("ijn,jn->in", a[:, :, of], b[:, 0]), atol=1e-12
    )
    pieces = classes.pieces(10_000)
    found = np.concatenate([x.multiply(a[:, :, of_], b[:, :, h]) for h, of_, x in pieces], axis=2)
    np.testing.assert_allclose(found, classes.multiply(a, b), atol=1e-12)
    np.testing.assert_allclose(multiply(a, a.swapaxes(0, 1))[0, 0], (a[0] ** 2).sum(axis=0))
