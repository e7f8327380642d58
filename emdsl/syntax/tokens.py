"""What single tokens say: the value of a number, the name behind an identifier, the place."""

from __future__ import annotations

import unicodedata

from lark import Token

from emdsl.source import Span

LONGEST_NUMBER = 100  # characters; also keeps int() far from its digit limit
LONGEST_NAME = 200
LARGEST_INT = 2**63 - 1


def span_of(token: Token) -> Span:
    """Where a token stands."""
    # A token made by the lexer has all four; `or 1` is for the type checker.
    return Span(token.line or 1, token.column or 1, token.end_line or 1, token.end_column or 1)


def number_value(text: str) -> int | float:
    """The value of a literal: an int where it has neither point nor exponent.

    `number_problem` has to be asked first; what it refuses is read as zero here.
    """
    if len(text) > LONGEST_NUMBER:
        return 0
    return int(text) if text.isdigit() else float(text)


def number_problem(text: str) -> str:
    """Why a literal can't be used, or an empty string."""
    if len(text) > LONGEST_NUMBER:
        return f"a number of {len(text)} characters, at most {LONGEST_NUMBER} are read"
    value = number_value(text)
    if isinstance(value, int):
        return f"`{text}` is too large for an integer" if value > LARGEST_INT else ""
    if value == float("inf"):
        return f"`{text}` is too large for a double"
    mantissa = text.lower().partition("e")[0]
    if value == 0 and mantissa.strip("0."):
        return f"`{text}` is too small for a double, it would be read as 0"
    return ""


def name_id(text: str) -> str:
    """The name an identifier stands for: letters that look alike by design are one (NFKC).

    This is Python's own rule, so two names that differ here also differ in the generated module.
    """
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def name_problem(text: str) -> str:
    """Why an identifier can't be used as a name, or an empty string."""
    if len(text) > LONGEST_NAME:
        return f"a name of {len(text)} characters, at most {LONGEST_NAME} are read"
    for char in "" if text.isascii() else text:
        if unicodedata.decomposition(char).startswith(("<super>", "<sub>")):
            return f"`{char}` can't be part of a name"
    return "" if name_id(text).isidentifier() else f"`{text}` can't be a name"
