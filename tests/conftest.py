"""What every test may lean on: no colours, no cache of the user's, one BLAS thread."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")  # before NumPy is loaded: threads only add noise here

import numpy as np  # noqa: E402 - threads are set

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True, scope="session")
def _quiet_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Generated modules are cached where nobody else looks; messages come without colour."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMDSL_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("NO_COLOR", "1")
        patch.delenv("EMDSL_DEBUG", raising=False)
        yield


@pytest.fixture(scope="session")
def models() -> Path:
    """The gallery."""
    return ROOT / "models"


_RNGS = ("RNG", "_RNG", "rng")  # what modules call the generator that their tests draw from


@pytest.fixture(autouse=True, scope="module")
def _generators(request: pytest.FixtureRequest) -> list[tuple[np.random.Generator, Any]]:
    """A test module's own generators, and where they stand after its import."""
    found = [vars(request.module).get(name) for name in _RNGS]
    return [(g, g.bit_generator.state) for g in found if isinstance(g, np.random.Generator)]


@pytest.fixture(autouse=True)
def _same_draws_in_any_order(_generators: list[tuple[np.random.Generator, Any]]) -> None:
    """Each test draws what it draws alone, whichever tests ran before it."""
    for generator, state in _generators:
        generator.bit_generator.state = state


# Of parametrised tests those cases that take six seconds and more; the others are quick.
LONG = (
    "families/test_limited.py::test_intervals[Cauchy(a, b)]",
    "families/test_limited.py::test_intervals[Gumbel(a, b)]",
    "families/test_limited.py::test_truncated[Gumbel(a, b)]",
    "gallery/test_fit.py::test_the_command_runs[pearson_crabs_binned]",
    "gallery/test_maximum.py::test_nothing_near_a_fit_is_better[linear_dynamical_system]",
    "lower/test_numeric.py::test_value_is_the_blocks_share_of_q[t of two columns]",
    "reference/test_reference.py::test_fit[earthquakes_hmm3_stationary]",
    "report/test_dump.py::test_dumps_every_stage[pearson_crabs_binned]",
    "report/test_dump.py::test_dumps_every_stage[truncated_normal]",
    "report/test_explain.py::test_no_python_leaks[pearson_crabs_binned]",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the long cases slow, before pytest chooses by marks."""
    for item in items:
        if item.nodeid.endswith(LONG):
            item.add_marker(pytest.mark.slow)
