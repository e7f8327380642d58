"""No parameters near a fit are better: the updates are those of the model's own objective."""

from __future__ import annotations

from pathlib import Path

from tests.gallery.models import data, each_fitted, module, sizes
from tests.gallery.nearby import verify_maximum


@each_fitted
def test_nothing_near_a_fit_is_better(path: Path) -> None:
    verify_maximum(module(path), data(path), sizes(path))
