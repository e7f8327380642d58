"""What is said where a density that should be normal can't be normalised."""

from __future__ import annotations


class ImproperError(ValueError):
    """A log density has no normalising constant: its precision isn't positive definite."""
