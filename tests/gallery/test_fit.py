"""Every model that compiles fits its data and samples of its own, never going down."""

from __future__ import annotations

import json
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emdsl.cli import main
from emdsl.runtime.boundary import HELD
from emdsl.runtime.converge import rounding
from tests.gallery.models import ROOT, command, data, each_fitted, module, sizes

RESTARTS = 3
ITERATIONS = 300


@cache
def fitted(path: Path) -> Any:
    """The model on its own data."""
    return run(path, data(path), sizes(path))


def run(path: Path, arrays: Any, sizes: Any, **options: Any) -> Any:
    chosen = {"restarts": RESTARTS, "max_iter": ITERATIONS, "progress": False, **options}
    return module(path).fit(arrays, **sizes, **chosen)


def fall(trace: Any) -> float:
    """The largest decrease from one iteration to the next, relative to the objective."""
    values = np.asarray(trace)
    if len(values) < 2:
        return 0.0
    return float(np.max((values[:-1] - values[1:]) / np.maximum(1.0, np.abs(values[:-1]))))


def noise(result: Any, began: Any) -> float:
    """How far rounding may move the objective where a variance is held for zero, there or before.

    The log density's terms are about 1 / HELD of it and cancel; elsewhere this is zero.
    """
    texts = [*result.messages, *began.messages]
    at_edge = any(text.startswith("at the edge") for text in texts)
    return rounding(result.objective, result.n_obs, HELD)[0] if at_edge else 0.0


def check(result: Any) -> None:
    assert result.status in {"converged", "max_iter"}, result.messages
    assert np.isfinite(result.objective)
    assert fall(result.objective_trace) <= 1e-9
    for name, value in result.params.items():
        assert np.isfinite(value).all(), name
    assert not [r for r in result.restarts if r.status == "decreased"]


@each_fitted
def test_the_command_runs(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    words = shlex.split(command(path))[1:]
    assert main([*words, "--restarts", str(RESTARTS), "--max-iter", "200", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert np.isfinite(printed["log_likelihood"])
    assert set(printed["params"]) == {p.name for p in module(path).PROGRAM.meta.params}


@each_fitted
def test_fits_its_data_without_a_decrease(path: Path) -> None:
    check(fitted(path))


def own_sample(fitted: Any, arrays: Any) -> dict[str, Any]:
    """What the fitted model draws: of its own size where it has inputs or ragged plates."""
    meta = fitted.program.meta
    inputs = {a.name: arrays[a.name] for a in meta.arrays if a.role == "input"}
    ragged = {p.axis: str(p.dim) for p in meta.plates if p.over}
    if inputs:  # and which row belongs to which sequence
        inputs |= {p.over: arrays[p.over] for p in meta.plates if p.over in arrays}
    plate = next(s.name for s in meta.sizes if s.role == "plate")
    rows = fitted.n_obs if inputs else 300
    sizes = dict(fitted.sizes) if ragged or inputs else {**fitted.sizes, plate: rows}
    lengths = {size: fitted.bound.layout.lengths[axis] for axis, size in ragged.items()}
    one_by_one = lengths if lengths and not inputs else None
    drawn = fitted.sample(sizes, seed=1, inputs=inputs, lengths=one_by_one)
    sample = {a.name: drawn[a.name] for a in meta.arrays if a.role == "data"}
    weights = {a.name: np.ones(rows) for a in meta.arrays if a.role == "weight"}
    return {**inputs, **weights, **sample}


@each_fitted
def test_fits_a_sample_of_its_own_without_a_decrease(path: Path) -> None:
    """The sample is of the fitted model, under the data's own inputs."""
    if path.stem in {"multinomial_mixture", "dirichlet_multinomial"}:
        pytest.skip("the number of words of a document is read off the data, not modelled")
    if re.search("^likelihood ", path.read_text(encoding="utf-8"), re.MULTILINE):
        pytest.skip("a likelihood has nothing to draw from")
    if "Interval(" in path.read_text(encoding="utf-8"):
        pytest.skip("an Interval says what is known of a value, not how its ends come about")
    own = fitted(path)
    given = own_sample(own, data(path))
    chosen = {s.name: own.sizes[s.name] for s in own.program.meta.sizes if s.role == "hyper"}
    check(run(path, given, chosen))
    result = run(path, given, chosen, init=own.params, restarts=1)
    check(result)
    start = module(path).log_likelihood(given, own.params) + own.log_prior
    assert result.objective >= start - 1e-9 * abs(start) - noise(result, own)
