"""Whether all of many numbers are finite."""

from __future__ import annotations

import numpy as np
import pytest

from emdsl.runtime.finite import all_finite

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("shape", [(), (0,), (7,), (50_000,), (300, 200), (10, 60, 80)])
@pytest.mark.parametrize("bad", [None, np.nan, np.inf, -np.inf])
def test_it_is_told_in_any_layout(shape: tuple[int, ...], bad: float | None) -> None:
    x = RNG.normal(size=shape)
    if bad is not None and x.size:
        x[tuple(s // 2 for s in shape)] = bad
    for y in (x, np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2] if shape else x):
        assert all_finite(y) == bool(np.isfinite(y).all())


def test_numbers_too_large_to_add_up_are_not_vouched_for() -> None:
    assert not all_finite(np.full(50_000, 1e200))
    assert all_finite(np.full(50_000, 1e150))
