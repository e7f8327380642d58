"""Tokens of one logical line → its text in canonical spacing, broken where it gets too wide.

As in x[t - 1] ⇒ x[t-1] and [t / 4] ⇒ [t/4] (tight in square brackets), but a+b ⇒ a + b;
a ** 2 ⇒ a^2; f(x,var=v) ⇒ f(x, var = v).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from lark import Token

WIDTH = 100
STEP = 4
_OPENERS, _CLOSERS = ("LPAR", "LSQB"), ("RPAR", "RSQB")
_ENDS_OPERAND = ("NAME", "NUMBER", "RPAR", "RSQB")
_ARITHMETIC = ("PLUS", "MINUS", "STAR", "SLASH")
_TYPED = ("PARAM", "LATENT", "DATA", "INPUT", "CONST")


@dataclass(frozen=True, slots=True)
class Piece:
    """A token as it is written; `spaced` asks for a space before it."""

    text: str
    spaced: bool
    kind: str
    breakable: bool = False  # a bracket that may be broken over lines: not an index
    rows: bool = False  # an array
    line: int = 0


def pieces(tokens: Sequence[Token]) -> tuple[Piece, ...]:
    """The tokens of a logical line with their spacing; trailing commas are gone."""
    return tuple(_pieces(_without_trailing_commas(tokens)))


def _without_trailing_commas(tokens: Sequence[Token]) -> list[Token]:
    followed = zip(tokens, [*tokens[1:], None], strict=True)
    return [
        token
        for token, after in followed
        if not (token.type == "COMMA" and after is not None and after.type in _CLOSERS)
    ]


def _pieces(tokens: Sequence[Token]) -> Iterator[Piece]:
    type_colons = _type_colons(tokens)
    tight = [False]  # of each open bracket, whether arithmetic is written without spaces
    before = None
    glued = True  # to what stands before: at the start, after `(` or a sign
    for position, token in enumerate(tokens):
        kind = token.type
        after_operand = before in _ENDS_OPERAND
        unary = kind in ("PLUS", "MINUS") and not after_operand
        call = kind == "LPAR" and before == "NAME"
        index = kind == "LSQB" and before in ("NAME", "RSQB", "RPAR")
        close = (  # to what stands before, for its own sake
            call
            or index
            or kind in (*_CLOSERS, "COMMA", "SEMICOLON", "POWER")
            or (kind == "COLON" and position not in type_colons)
            or (kind in _ARITHMETIC and not unary and tight[-1])
        )
        text = "^" if kind == "POWER" else str(token)
        rows = kind == "LSQB" and not index
        yield Piece(
            text, not glued and not close, kind, rows or kind == "LPAR", rows, token.line or 0
        )
        glued = kind in (*_OPENERS, "POWER") or unary or (kind in _ARITHMETIC and tight[-1])
        if kind in _OPENERS:
            tight.append(kind == "LSQB" or (tight[-1] and not call))
        elif kind in _CLOSERS:
            tight.pop()
        before = kind


def _type_colons(tokens: Sequence[Token]) -> frozenset[int]:
    """Where `:` introduces a type and so has a space before it."""
    colons = [i for i, token in enumerate(tokens) if token.type == "COLON"]
    if tokens[0].type in ("DENSITY", "MASS", "LIKELIHOOD"):
        return frozenset(colons)
    return frozenset(colons[:1] if tokens[0].type in _TYPED and _has_type(tokens) else ())


def _has_type(tokens: Sequence[Token]) -> bool:
    marks = (token.type for token in tokens if token.type in ("COLON", "TILDE", "EQUAL"))
    return next(marks, None) == "COLON"


def flat(parts: Sequence[Piece]) -> str:
    """The pieces on one line."""
    return "".join(" " * part.spaced + part.text for part in parts)


def wrapped(head: str, parts: Sequence[Piece], indent: int) -> list[str]:
    """The lines of `head` and the pieces, brackets broken where a line would be too wide."""
    lines: list[str] = []
    line = head
    position = 0
    while position < len(parts):
        part = parts[position]
        end = _matching(parts, position) if part.kind in _OPENERS else position
        whole = flat(parts[position : end + 1])
        if part.breakable and len(line + whole + _tail(parts, end + 1)) > WIDTH:
            lines.append(line + " " * part.spaced + part.text)
            lines.extend(_elements(parts[position + 1 : end], indent + STEP))
            line = " " * indent + parts[end].text
        else:
            line += whole
        position = end + 1
    return [*lines, line]


def _tail(parts: Sequence[Piece], start: int) -> str:
    """What has to stay on the line after a bracket: up to the next one that may be broken."""
    end = start
    while end < len(parts) and not parts[end].breakable:
        end += 1
    return flat(parts[start : end + 1])


def _elements(parts: Sequence[Piece], indent: int) -> Iterator[str]:
    """The inside of a broken bracket: arrays one to a line, anything else filled."""
    elements = list(_split(parts))
    rows = any(element[0].rows for element in elements)
    line = ""
    for number, element in enumerate(elements):
        text = flat(element).lstrip()
        separator = " " if line else " " * indent
        fits = len(line + separator + text) <= WIDTH and not (rows and line)
        if line and not fits:
            yield line
            line, separator = "", " " * indent
        if len(separator + text) > WIDTH and not line:
            first = replace(element[0], spaced=False)
            *done, line = wrapped(separator, (first, *element[1:]), indent)
            yield from done
        else:
            line += separator + text
        if number == len(elements) - 1:
            yield line


def _split(parts: Sequence[Piece]) -> Iterator[Sequence[Piece]]:
    """The elements between commas, each with the comma or semicolon that ends it."""
    start = depth = 0
    for position, part in enumerate(parts):
        depth += (part.kind in _OPENERS) - (part.kind in _CLOSERS)
        if depth == 0 and part.kind in ("COMMA", "SEMICOLON"):
            yield parts[start : position + 1]
            start = position + 1
    if start < len(parts):
        yield parts[start:]


def _matching(parts: Sequence[Piece], start: int) -> int:
    depth = 0
    for position in range(start, len(parts)):
        depth += (parts[position].kind in _OPENERS) - (parts[position].kind in _CLOSERS)
        if depth == 0:
            return position
    return len(parts) - 1


def with_own_breaks(
    parts: Sequence[Piece], also: set[int], indent: int
) -> Iterator[tuple[int, str]]:
    """The line numbers and texts of the pieces with the line breaks they were written with.

    `also` has the lines that hold a comment, perhaps nothing else.
    """
    depth = 0
    for number in sorted({part.line for part in parts} | also):
        here = [part for part in parts if part.line == number]
        closing = sum(1 for _ in takewhile(lambda part: part.kind in _CLOSERS, here))
        yield number, " " * (indent + STEP * (depth - closing)) + flat(here).lstrip()
        depth += sum((part.kind in _OPENERS) - (part.kind in _CLOSERS) for part in here)
