"""No parameters near a fit are better: the updates are those of the model's own objective."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gallery.models import data, each_fitted, module, sizes
from tests.gallery.nearby import verify_maximum

# a leap takes its scale to the edge while the mean still moves, and there EM hardly moves the mean:
# the fit ends 2e-5 below the maximum
_SHORT = {"eight_schools"}


@each_fitted
def test_nothing_near_a_fit_is_better(path: Path, request: pytest.FixtureRequest) -> None:
    if path.stem in _SHORT:
        request.applymarker(pytest.mark.xfail(strict=True, reason="stops short of an edge"))
    verify_maximum(module(path), data(path), sizes(path))
