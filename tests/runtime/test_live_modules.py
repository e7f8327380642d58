"""Generated modules with numeric blocks: chunks that add up, files, and modules without emdsl."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.backends.alone import run_alone
from tests.lower import numeric_models

CHUNKED = [
    "mixture of t", "experts", "zero inflation", "gaps", "gamma regression",
    "items, rasch of classes", "group effects in a mixture",
]  # fmt: skip

ALONE = """
import numpy as np

data = {k: np.array(v) for k, v in json.loads(sys.argv[2]).items()}
found = alone.fit(data, restarts=1, max_iter=5, progress=False)
print(json.dumps([found.log_likelihood, alone.log_likelihood(data, found.params)]))
"""


@pytest.mark.parametrize("name", CHUNKED)
def test_chunks_add_up(name: str) -> None:
    """Statistics carry their rows: the M-step of two chunks is that of all the data."""
    case = numeric_models.case(name)
    size = len(case.data["y"])
    k = case.data.get("k")  # chunks don't see every group: the sizes are those of the params
    cut = size // 2 if k is None else 3
    parts = [{n: v[at] for n, v in case.data.items()} for at in (slice(cut), slice(cut, size))]
    whole = case.module.e_step(case.data, case.params)
    sums = case.module.e_step(parts[0], case.params, pivot=whole.pivot) + case.module.e_step(
        parts[1], case.params, pivot=whole.pivot
    )
    assert sums.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-12)
    one, other = (case.module.m_step(s, case.params) for s in (whole, sums))
    for param, value in one.items():
        np.testing.assert_allclose(other[param], value, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", ["mixture of t", "input-output chain", "softmax"])
def test_fits_are_saved_and_loaded(name: str, tmp_path: Path) -> None:
    case = numeric_models.case(name)
    found = case.module.fit(case.data, restarts=1, max_iter=4, progress=False)
    found.save(str(tmp_path / "fit.npz"))
    again = case.module.load(str(tmp_path / "fit.npz"))
    assert again.log_likelihood == found.log_likelihood
    for param, value in found.params.items():
        np.testing.assert_array_equal(again.params[param], value)


@pytest.mark.parametrize("name", ["gamma regression", "mixture of t", "input-output chain"])
def test_a_standalone_module_fits_without_emdsl(name: str, tmp_path: Path) -> None:
    case = numeric_models.case(name)
    data = json.dumps({k: np.asarray(v).tolist() for k, v in case.data.items()})
    found = case.module.fit(case.data, restarts=1, max_iter=5, progress=False)
    fitted, again = run_alone(case.compiled.module, ALONE, tmp_path, data)
    assert fitted == pytest.approx(found.log_likelihood, rel=1e-12)
    assert again == pytest.approx(fitted, rel=1e-10)


def test_a_generated_module_needs_no_compiler(tmp_path: Path) -> None:
    case = numeric_models.case("mixture of t")
    (tmp_path / "made.py").write_text(case.compiled.module, encoding="utf-8")
    code = (
        "import sys; import made; "
        "print([m for m in ('sympy', 'lark', 'emdsl.compiler') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True,
        env={"PYTHONPATH": f"{Path(__file__).parents[2]}:{tmp_path}", "PATH": "/usr/bin"},
    )  # fmt: skip
    assert ran.stdout.strip() == "[]"
