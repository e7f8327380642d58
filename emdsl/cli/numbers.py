"""Numbers among the arguments."""

from __future__ import annotations

import argparse
import math


def natural(word: str) -> int:
    """A whole number from 0."""
    return _whole(word, 0)


def positive(word: str) -> int:
    """A whole number from 1."""
    return _whole(word, 1)


def tolerance(word: str) -> float:
    """A number from 0."""
    value = _real(word)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number from 0, found {word!r}")
    return value


def proper_fraction(word: str) -> float:
    """A number between 0 and 1."""
    value = _real(word)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"expected a number between 0 and 1, found {word!r}")
    return value


def _whole(word: str, least: int) -> int:
    try:
        value = int(word)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"expected a whole number from {least}, found {word!r}")
    return value


def _real(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan
