"""Generated modules as they were last read by a person: equal byte for byte, and they run."""

from __future__ import annotations

import difflib
from importlib import util
from types import ModuleType

import numpy as np
import pytest

from tests.gallery.models import data, sizes
from tests.golden.regenerate import HERE, MODELS, NAMES, generated


def imported(name: str) -> ModuleType:
    spec = util.spec_from_file_location(f"golden_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_is_what_the_compiler_prints(name: str) -> None:
    golden = (HERE / f"{name}.py").read_text(encoding="utf-8")
    now = generated(name)
    diff = difflib.unified_diff(golden.splitlines(), now.splitlines(), "golden", "now", lineterm="")
    assert golden == now, "\n".join([
        *list(diff)[:60],
        "if this is what you meant: python -m tests.golden.regenerate, and read the diff",
    ])


@pytest.mark.parametrize("name", NAMES)
def test_fits(name: str) -> None:
    """The file itself, imported from disk, fits its gallery data upwards and answers queries."""
    path = MODELS / f"{name}.em"
    module, arrays = imported(name), data(path)
    chosen = {s.name for s in module.PROGRAM.meta.sizes if s.role == "hyper"}
    given = {n: k for n, k in sizes(path).items() if n in chosen}
    result = module.fit(arrays, **given, restarts=2, max_iter=50, progress=False)
    trace = np.asarray(result.objective_trace)
    assert np.all(np.diff(trace) >= -1e-9 * np.abs(trace[1:]))
    score = module.log_likelihood(arrays, result.params)
    assert score == pytest.approx(result.log_likelihood, rel=1e-10)
    stats = module.e_step(arrays, result.params)
    again = module.m_step(stats, result.params)
    assert set(again) == set(result.params)
    for latent, rows in module.posterior(arrays, result.params).items():
        np.testing.assert_allclose(rows.sum(axis=1), 1.0, rtol=1e-9)
        most = module.predict(arrays, result.params)[latent]
        assert most.shape == rows.shape[:1]


def test_every_file_here_is_one_of_them() -> None:
    found = {p.stem for p in HERE.glob("*.py")} - {"regenerate", "test_golden", "__init__"}
    assert found == set(NAMES)
