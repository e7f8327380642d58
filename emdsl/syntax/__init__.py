"""From source text to a syntax tree."""

from emdsl.syntax.parse import parse, read_source

__all__ = ["parse", "read_source"]
