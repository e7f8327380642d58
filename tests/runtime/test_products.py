"""Products of many pairs of rows, which are not written out, are those of the rows written out."""

from __future__ import annotations

import numpy as np
import pytest

from emdsl.runtime import numerics as nm


@pytest.mark.parametrize("d", [32, 33, 50, 64])
@pytest.mark.parametrize("mask", [False, True])
def test_wide_rows_multiply_as_the_array_would(d: int, mask: bool) -> None:
    rng = np.random.default_rng(d)
    x = rng.normal(size=(d, 17))
    seen = rng.random(17) < 0.7 if mask else None
    products = nm.pairs(x)
    wide = nm.rows(1.0, nm.mask_rows(seen), x, nm.masked(products, seen), x[:2] ** 3, width=17)
    assert isinstance(products, nm.Pairs)
    assert isinstance(wide, nm.Wide)
    whole = nm.rows(
        1.0, nm.mask_rows(seen), x, nm.masked(products.products(), seen), x[:2] ** 3, width=17
    )
    assert wide.shape == whole.shape
    for states in (1, 3, 20):
        c = rng.normal(size=(states, whole.shape[0]))
        assert np.allclose(c @ wide, c @ whole, rtol=1e-12, atol=1e-12 * d * d)
        posterior = rng.random((states, 17))
        assert np.allclose(nm.expected(posterior, wide), posterior @ whole.T, rtol=1e-12)
    assert np.allclose(c[0] @ wide, c[0] @ whole)


def test_few_rows_are_written_out() -> None:
    x = np.arange(6.0).reshape(3, 2)
    assert np.array_equal(nm.pairs(x), [x[0] * x[0], x[0] * x[1], x[0] * x[2], x[1] * x[1],
                                        x[1] * x[2], x[2] * x[2]])  # fmt: skip


@pytest.mark.parametrize("states", [2, 12, 40])
def test_expected_sums_in_every_order_of_multiplication(states: int) -> None:
    rng = np.random.default_rng(states)
    posterior, rows = rng.random((states, 500)), rng.normal(size=(70, 500))
    assert np.allclose(nm.expected(posterior, rows), posterior @ rows.T, rtol=1e-12)


@pytest.mark.parametrize("shift", [0.0, -300.0, -1e5, 650.0, 1e6])
def test_normalize_in_any_range(shift: float) -> None:
    rng = np.random.default_rng(1)
    joint = rng.normal(0.0, 40.0, (4, 300)) + shift
    top = joint.max(axis=0)
    evidence = np.log(np.exp(joint - top).sum(axis=0)) + top
    posterior = joint.copy()
    assert np.allclose(nm.normalize(posterior), evidence, rtol=1e-14, atol=1e-12)
    assert np.allclose(posterior, np.exp(joint - evidence), rtol=1e-9, atol=1e-280)
    assert np.allclose(posterior.sum(axis=0), 1.0, rtol=1e-14)


def test_normalize_where_one_column_is_far_from_the_first() -> None:
    joint = np.array([[-1.0, -5000.0, -np.inf, 3.0], [-2.0, -5001.0, -np.inf, -np.inf]])
    evidence = nm.normalize(joint)
    assert np.allclose(
        evidence[[0, 1, 3]], [np.log1p(np.exp(-1)) - 1, np.log1p(np.exp(-1)) - 5000, 3]
    )
    assert evidence[2] == -np.inf
    assert np.array_equal(joint[:, 2], [0.0, 0.0])
    assert np.allclose(joint[:, 0], joint[:, 1])
