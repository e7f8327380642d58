"""Formulas for people in messages and in the comments of generated modules."""

from __future__ import annotations

import pytest

from emdsl.derive.display import relations


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[Ne(t, 0)]*y", "[t != 0]*y"),
        ("log [Eq(y[n], cell[a, b])]", "log [y[n] = cell[a, b]]"),
        ("[Eq(y[s, t-1], z) | Ne(t, 0)]", "[y[s, t-1] = z | t != 0]"),
        ("Equal(a, b)", "Equal(a, b)"),
    ],
)
def test_relations(text: str, shown: str) -> None:
    assert relations(text) == shown
