"""Many starts on real, sampled and awkward data: EM never goes down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.gallery.models import data, each_fitted, module, sizes

SEEDS = 200
ITERATIONS = 60
DECREASE = 1e-9  # relative


def tables(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The data; a dozen rows of it; every row three times; far from zero; very small."""
    arrays = data(path)
    rows = len(next(iter(arrays.values())))
    yield "data", arrays
    few = np.random.default_rng(0).choice(rows, size=min(rows, 12))
    yield "few rows", {name: value[few] for name, value in arrays.items()}
    yield "repeated rows", {name: value.repeat(3, axis=0) for name, value in arrays.items()}
    drawn = {a.name: a.kind for a in module(path).PROGRAM.meta.arrays if a.role == "data"}
    if set(drawn.values()) == {"real"}:
        yield "far away", {n: v + 1e8 if n in drawn else v for n, v in arrays.items()}
    if set(drawn.values()) <= {"real", "positive"}:
        yield "tiny", {n: v * 1e-8 if n in drawn else v for n, v in arrays.items()}


@pytest.mark.slow
@each_fitted
def test_never_goes_down(path: Path) -> None:
    for name, arrays in tables(path):
        traces: dict[tuple[int, int], float] = {}

        def watch(at: Any, name: str = name, traces: dict[tuple[int, int], float] = traces) -> None:
            before = traces.get((at.restart, at.iteration - 1))
            if before is not None:
                fall = (before - at.objective) / max(1.0, abs(before))
                assert fall <= DECREASE, (name, at.restart, at.iteration, fall)
            traces[at.restart, at.iteration] = at.objective

        result = module(path).fit(
            arrays,
            **sizes(path),
            restarts=SEEDS if name == "data" else SEEDS // 4,
            max_iter=ITERATIONS,
            progress=False,
            on_iteration=watch,
        )
        assert not [r for r in result.restarts if r.status == "decreased"]
        for parameter, value in result.params.items():
            assert np.isfinite(value).all(), (name, parameter)
