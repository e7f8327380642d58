"""Many starts on real, sampled and awkward data: EM never goes down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.gallery.models import data, each_fitted, module, sizes

SEEDS = 200
ITERATIONS = 60
DECREASE = 1e-9  # relative
# data are covariates too: far away, a column of them is one of ones
FAR = {"autoregressive_hmm", "autoregression"}
ANGLES = {
    "animal_movement",
    "von_mises",
    "von_mises_mixture",
}  # a turn isn't smaller in other units


def sequences(path: Path, arrays: dict[str, Any]) -> list[NDArray[np.intp]]:
    """The places of what can't be divided: the rows of each sequence, or each row."""
    over = next((p.over for p in module(path).PROGRAM.meta.plates if p.over), None)
    n = len(next(iter(arrays.values())))
    if over in arrays:
        return [np.flatnonzero(arrays[over] == s) for s in dict.fromkeys(arrays[over])]
    return [np.arange(n)] if over else [np.array([i]) for i in range(n)]


def taken(path: Path, arrays: dict[str, Any], units: list[NDArray[np.intp]]) -> dict[str, Any]:
    """These one after the other; sequences taken twice are two."""
    out = {name: value[np.concatenate(units)] for name, value in arrays.items()}
    for plate in module(path).PROGRAM.meta.plates:
        if plate.over:
            out[plate.over] = np.repeat(np.arange(len(units)), [len(u) for u in units])
    return out


def tables(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The data; a dozen rows of it; every row three times; far from zero; very small."""
    arrays = data(path)
    units = sequences(path, arrays)
    yield "data", arrays
    few = np.random.default_rng(0).choice(len(units), size=min(len(units), 12))
    yield "few rows", taken(path, arrays, [units[i] for i in few])
    yield "repeated rows", taken(path, arrays, [u for u in units for _ in range(3)])
    drawn = {a.name: a.kind for a in module(path).PROGRAM.meta.arrays if a.role == "data"}
    if set(drawn.values()) == {"real"} and path.stem not in FAR:
        yield "far away", {n: v + 1e8 if n in drawn else v for n, v in arrays.items()}
    if set(drawn.values()) <= {"real", "positive"} and path.stem not in ANGLES:
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
