"""From source text to a syntax tree, and to the same text in canonical layout."""

from emdsl.syntax.format import format_source
from emdsl.syntax.parse import parse, read_source

__all__ = ["format_source", "parse", "read_source"]
