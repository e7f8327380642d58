"""Enumerations in sentences."""

from __future__ import annotations

from collections.abc import Sequence


def listed(parts: Sequence[str]) -> list[str]:
    """a, b and c: the parts, which may be mathematics, with what stands between them."""
    out: list[str] = []
    for i, part in enumerate(parts):
        if i:
            out.append(" and " if i == len(parts) - 1 else ", ")
        out.append(part)
    return out
