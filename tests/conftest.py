"""What every test may lean on: no colours, no cache of the user's, one BLAS thread."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")  # before NumPy is loaded: threads only add noise here

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
