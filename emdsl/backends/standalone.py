"""A generated module with the runtime inside: one file that needs NumPy and SciPy alone."""

from __future__ import annotations


def standalone(text: str) -> str:
    return text
