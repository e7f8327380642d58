"""Traces → whether they have converged. And what importing the runtime loads."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from emdsl.runtime.converge import fell, has_converged, rounding

TOL, NOISE = 1e-8, 1e-11

TRACES = [
    ("one value", [-1000.0], False),
    ("no change", [-1000.0, -1000.0], True),
    ("a large change", [-1000.0, -999.0], False),
    ("a small change, but how fast is it?", [-1000.0, -1000.0 + 1e-6], False),
    ("quickly there", [-1000.0, -999.0, -999.0 + 1e-6], True),
    ("creeping", [-1000.0, -1000.0 + 9.1e-6, -1000.0 + 18.1e-6], False),
    ("creeping to the end", [-1000.0, -1000.0 + 1.01e-8, -1000.0 + 2.0e-8], True),
    ("gathering speed", [-1000.0, -1000.0 + 1e-7, -1000.0 + 5e-7], False),
    ("scale doesn't matter", [-1e9, -1e9 + 100.0, -1e9 + 100.1], True),
]


@pytest.mark.parametrize(("case", "trace", "expected"), TRACES)
def test_convergence(case: str, trace: list[float], expected: bool) -> None:
    assert has_converged(trace, TOL, NOISE) is expected


def test_what_is_left_is_within_the_tolerance() -> None:
    """A geometric trace stops where its limit is that close."""
    for ratio in (0.1, 0.9, 0.99, 0.999):
        trace = [-500.0 - ratio**t for t in range(40000)]
        stop = next(t for t in range(2, 40000) if has_converged(trace[:t], TOL, 1e-13))
        assert -500.0 - trace[stop - 1] <= 1.1 * TOL * 501.0


def test_a_fall_beyond_rounding() -> None:
    assert fell(-1000.1, -1000.0, 0.0)
    assert not fell(-1000.0 - 5e-7, -1000.0, 0.0)
    typical, worst = rounding(-1000.0, 1e6, 1e-9)
    assert typical < worst
    assert not fell(-1000.0 - 0.9 * worst, -1000.0, worst)


def test_the_runtime_needs_numpy_only() -> None:
    code = (
        "import sys, emdsl.runtime\n"
        "print([m for m in ('scipy', 'sympy', 'lark', 'pandas', 'polars') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_numbers_stay_finite_at_the_edge() -> None:
    assert np.isfinite(rounding(0.0, 0.0, 0.0)).all()
