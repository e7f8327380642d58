"""Rows with one nonzero of many in a column multiply as the array they stand for would."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emdsl.runtime import numerics as nm

MODULE = sys.modules["emdsl.runtime.one_hot"]


def dense(dims: tuple[int, ...], scale: object, *places: object) -> np.ndarray:
    """One number after the other, by the definition."""
    whole = [np.asarray(p) for p in places]
    shape = np.broadcast_shapes(*(p.shape for p in whole), np.shape(scale))
    out = np.zeros((*dims, shape[-1]))
    for at in np.ndindex(*shape):
        place = tuple(int(np.broadcast_to(p, shape)[at]) for p in whole)
        if all(0 <= p < d for p, d in zip(place, dims, strict=True)):
            out[(*place, at[-1])] += np.broadcast_to(scale, shape)[at]
    return out


@st.composite
def cases(draw: st.DrawFn) -> tuple[tuple[int, ...], object, tuple[np.ndarray, ...]]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    width, inner = draw(st.integers(1, 30)), draw(st.sampled_from([0, 1, 2, 5]))
    sizes = draw(st.lists(st.integers(1, 12), min_size=1, max_size=3))
    shape = (inner, width) if inner else (width,)
    beyond = draw(st.sampled_from([0, 0, 1]))
    places = [rng.integers(0, v + beyond, size=shape) for v in sizes]
    if inner:  # the inner axis itself, anywhere among the others
        at = draw(st.integers(0, len(sizes)))
        sizes.insert(at, inner)
        places.insert(at, np.arange(inner)[:, None])
    scale: object = draw(st.sampled_from([1.0, 2.5, "row", "all"]))
    if scale == "row":
        scale = rng.normal(size=width)
    elif scale == "all":
        scale = np.where(rng.random(shape) < 0.3, 0.0, rng.normal(size=shape))
    return tuple(sizes), scale, tuple(places)


@settings(deadline=None)
@given(cases(), st.integers(0, 2**32))
def test_multiplies_as_the_array_would(case, seed: int) -> None:  # type: ignore[no-untyped-def]
    dims, scale, places = case
    whole = dense(dims, scale, *places)
    rng = np.random.default_rng(seed)
    found = nm.one_hot(dims, scale, *places)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MODULE, "_FEW", -(10**9))
        kept = nm.one_hot(dims, scale, *places)
    assert isinstance(kept, nm.OneHot)
    assert np.array_equal(kept.written_out().reshape(whole.shape), whole)
    if isinstance(found, np.ndarray):
        assert np.array_equal(found, whole)
    width = whole.shape[-1]
    seen = rng.random(width) < 0.7
    more = rng.normal(size=(3, width))
    pairs = nm.pairs(rng.normal(size=(32, width)))
    for parts in ((kept,), (1.0, more, kept), (kept, more, kept, pairs), (nm.masked(kept, seen),)):
        rows = nm.rows(*parts, width=width)
        flat = [
            p.written_out() if isinstance(p, nm.OneHot)
            else p.products() if isinstance(p, nm.Pairs) else p
            for p in parts
        ]  # fmt: skip
        out = nm.rows(*flat, width=width)
        if isinstance(parts[0], nm.OneHot) and len(parts) == 1 and parts[0] is not kept:
            assert np.array_equal(out.reshape(whole.shape), np.where(seen, whole, 0.0))
        assert isinstance(rows, nm.Wide)
        assert rows.shape == out.shape
        for states in (1, 3, 12):
            c, posterior = rng.normal(size=(states, len(out))), rng.random((states, width))
            np.testing.assert_allclose(c @ rows, c @ out, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(nm.ready(c, rows) @ rows, c @ out, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(
                nm.expected(posterior, rows), posterior @ out.T, rtol=1e-9, atol=1e-9
            )
        np.testing.assert_allclose(c[0] @ rows, c[0] @ out, rtol=1e-9, atol=1e-9)


def test_few_rows_are_written_out_and_many_are_not() -> None:
    y = np.array([[0, 3, 2], [1, 1, 0]])
    few = nm.one_hot((2, 4), 1.0, np.arange(2)[:, None], y)
    assert np.array_equal(few, np.arange(4)[:, None] == y[:, None, :])
    many = nm.one_hot((2, 400), 1.0, np.arange(2)[:, None], y)
    assert many.shape == (800, 3)
    assert many.kept == 4


def test_masks_that_are_not_of_whole_columns_go_into_the_scale() -> None:
    y = np.array([[0, 39, 2], [1, 1, 30]])
    seen = np.array([[True, False, True], [False, True, True]])
    found = nm.one_hot((2, 40), nm.masked(1.0, seen), np.arange(2)[:, None], y)
    assert isinstance(found, nm.OneHot)
    whole = (np.arange(40)[:, None] == y[:, None, :]) & seen[:, None, :]
    assert np.array_equal(found.written_out().reshape(2, 40, 3), whole)
    later = nm.masked(nm.one_hot((2, 40), 1.0, np.arange(2)[:, None], y), seen, (1,))
    assert np.array_equal(later.written_out().reshape(2, 40, 3), whole)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2), st.integers(1, 2), st.booleans())
def test_by_place_adds_up_products_where_rows_say(
    seed: int, factors: int, count: int, alike: bool
) -> None:
    """The sums by their definition, row after row, with places that there aren't."""
    rng = np.random.default_rng(seed)
    dims = tuple(int(d) for d in rng.integers(1, 6, size=rng.integers(1, 3)))
    width, kept = int(rng.integers(1, 20)), (2,) * int(rng.integers(0, 2))
    weights = rng.normal(size=(*kept, *((3,) if count == 2 else ()), width))
    places = [rng.integers(-1, d + 1, size=width) for d in dims]
    given_ = [rng.normal(size=(int(rng.integers(1, 4)), width)) for _ in range(factors)]
    if alike and factors == 2:
        given_[1] = given_[0]
    found = nm.by_place(dims, weights, count, *places, *given_)
    flat = weights.sum(axis=-2) if count == 2 else weights
    expected = np.zeros((*kept, *(len(f) for f in given_), *dims))
    for n in range(width):
        place = tuple(int(p[n]) for p in places)
        if all(0 <= p < d for p, d in zip(place, dims, strict=True)):
            value = flat[..., n]
            for f in given_:
                value = np.multiply.outer(value, f[:, n])
            expected[(..., *place)] += value
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def test_by_place_takes_a_place_for_each_element_of_a_row() -> None:
    rng = np.random.default_rng(0)
    weights, place = rng.normal(size=(2, 3, 9)), rng.integers(-1, 5, size=(3, 9))
    expected = np.zeros((2, 4))
    for j, n in np.ndindex(3, 9):
        if 0 <= place[j, n] < 4:
            expected[:, place[j, n]] += weights[:, j, n]
    np.testing.assert_allclose(nm.by_place((4,), weights, 2, place), expected, rtol=1e-12)
