"""Rows times a number for each column, against the array written out."""

from __future__ import annotations

import numpy as np
import pytest

from emdsl.runtime import numerics as nm
from emdsl.runtime.pieces import weighted_sum
from emdsl.runtime.scaled import Scaled

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("layout", ["C", "F"])
def test_products_and_sums_are_those_of_the_array(layout: str) -> None:
    x, scale = np.array(RNG.normal(size=(20, 50)), order=layout), RNG.normal(size=50)
    seen = RNG.random(50) < 0.7
    found = nm.rows(nm.masked(nm.scaled(x, scale), seen), scale, width=50)
    assert isinstance(found.parts[0], Scaled)
    whole = np.concatenate([x * scale * seen, scale[None]])
    assert found.shape == whole.shape
    c, posterior, weight = RNG.normal(size=(3, 21)), RNG.random((4, 50)), RNG.random(50)
    assert np.allclose(c @ found, c @ whole)
    assert np.allclose(c[0] @ found, c[0] @ whole)
    assert np.allclose(found.expected(posterior), posterior @ whole.T)
    assert np.allclose(weighted_sum(found, weight), whole @ weight)
    assert np.allclose(weighted_sum(found, None), whole.sum(axis=1))


def test_few_rows_are_written_out() -> None:
    x, scale = RNG.normal(size=(2, 7)), RNG.normal(size=7)
    assert np.array_equal(nm.scaled(x, scale), x * scale)
