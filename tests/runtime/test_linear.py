"""Linear algebra of small matrices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import solve_triangular

from emdsl.runtime.linear import lower_inverse


@pytest.mark.parametrize("size", [1, 2, 47, 48, 97, 200])
def test_a_lower_triangle_is_inverted(size: int) -> None:
    rng = np.random.default_rng(size)
    x = rng.normal(size=(3, 2 * size, size))
    factor = np.linalg.cholesky(np.swapaxes(x, -1, -2) @ x)
    found = lower_inverse(factor)
    assert np.array_equal(found, np.tril(found))
    for one, inverse in zip(factor, found, strict=True):
        expected = solve_triangular(one, np.eye(size), lower=True)
        assert np.allclose(inverse, expected, rtol=1e-10, atol=1e-13)
