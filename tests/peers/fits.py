"""A gallery model, or a text, fitted until nothing moves."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

import emdsl
from emdsl.source import Source
from tests.reference.tables import MODELS

Floats = NDArray[np.float64]


@cache
def compiled(model: str) -> Any:
    """The module of a file of models/, or of a text."""
    return emdsl.load(Source(model) if "\n" in model else MODELS / f"{model}.em")


def fitted(model: str, data: dict[str, Any], **options: Any) -> Any:
    chosen: dict[str, Any] = {"tol": 1e-13, "max_iter": 5000, "progress": False, **options}
    result = compiled(model).fit(data, **chosen)
    assert result.status == "converged", result.messages
    return result


def near(found: Any, expected: Any, rel: float = 1e-5, abs_: float = 1e-7) -> None:
    np.testing.assert_allclose(found, expected, rtol=rel, atol=abs_)
