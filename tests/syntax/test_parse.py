"""Texts → trees: the gallery and the small print of the grammar."""

from __future__ import annotations

import pytest

from emdsl.source import Source
from emdsl.syntax.parse import parse
from tests.syntax.gallery import GALLERY


@pytest.mark.parametrize("name", GALLERY)
def test_gallery(name: str) -> None:
    """Every documented model is read, under its own name."""
    tree = parse(Source(GALLERY[name]))
    assert tree.items
    assert f"model {tree.name.id}" in GALLERY[name]
