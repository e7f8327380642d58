"""Hypothesis strategies: good files in wild layout, files gone wrong, expressions."""

from __future__ import annotations

from hypothesis import strategies as st
from lark import Token

from emdsl.source import Source
from emdsl.syntax.layout import CLOSER, Line, read_layout
from tests.syntax.gallery import GALLERY

_SPACES = st.sampled_from(["", "", "", " ", "  "])
_COMMENTS = st.sampled_from(["", "", "", "#", " # c", "   #  more  "])


@st.composite
def shaken(draw: st.DrawFn) -> str:
    """A gallery file with other spacing, indentation, comments and blank lines."""
    lines = read_layout(Source(GALLERY[draw(st.sampled_from(sorted(GALLERY)))])).lines
    step = draw(st.integers(1, 5))
    parts = []
    for line in lines:
        indent = " " * (step * line.depth)
        parts += [draw(_COMMENTS) + "\n" for _ in range(draw(st.integers(0, 2)))]
        parts.append(indent + draw(_line(line)) + draw(_COMMENTS) + "\n")
    return "".join(parts)


@st.composite
def _line(draw: st.DrawFn, line: Line) -> str:
    """The tokens of a line, perhaps with line breaks and comments inside brackets."""
    text, depth = "", 0
    before: Token | None = None
    for token in line.tokens:
        depth -= token.type in CLOSER.values()
        gap = draw(_SPACES) or (" " if _would_merge(before, token) else "")
        if depth and not draw(st.integers(0, 15)):
            gap = draw(_COMMENTS) + "\n" + draw(_SPACES)
        text += (gap if text else "") + str(token)
        depth += token.type in CLOSER
        before = token
    return text


def _would_merge(left: Token | None, right: Token) -> bool:
    """Whether two tokens without a space between would read as other tokens."""
    if left is None:
        return False
    pair = left[-1] + right[0]
    return all(c.isalnum() or c in "._" for c in pair) or pair in ("**", "==", "<=", ">=", "=>")


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A gallery file with some tokens lost, doubled, swapped or replaced."""
    text = GALLERY[draw(st.sampled_from(sorted(GALLERY)))]
    pieces = [piece for piece in _pieces(text) if piece]
    for _ in range(draw(st.integers(1, 4))):
        if not pieces:
            break
        position = draw(st.integers(0, len(pieces) - 1))
        match draw(st.sampled_from(["lose", "double", "swap", "replace"])):
            case "lose":
                del pieces[position]
            case "double":
                pieces.insert(position, pieces[position])
            case "swap":
                other = draw(st.integers(0, len(pieces) - 1))
                pieces[position], pieces[other] = pieces[other], pieces[position]
            case _:
                pieces[position] = draw(st.sampled_from(_ODD_PIECES))
    return "".join(pieces)


def _pieces(text: str) -> list[str]:
    """A text cut at its words, signs, spaces and line breaks."""
    cut, word = [], ""
    for char in text:
        if char.isalnum() and word:
            word += char
            continue
        cut.append(word)
        word = char if char.isalnum() else ""
        if not word:
            cut.append(char)
    return [*cut, word]


_ODD_PIECES = [
    *("\t", "\0", '"', "(", ")", "[", "]", ":", "=", "==", "~", ",", ";", "\n", "\n    ", "#", "$"),
    *("for", "case", "else", "if", "model", "data", "lambda", "not", "in", "1e999", "²", "λ", "9x"),
]


def garbage() -> st.SearchStrategy[str]:
    """Text of the language's own pieces, and of anything."""
    pieces = st.sampled_from([*_ODD_PIECES, "param", "x", "3", " ", "    ", "model M\n", "^", "-"])
    return st.one_of(st.text(), st.lists(pieces, max_size=40).map("".join))


def expressions() -> st.SearchStrategy[str]:
    """Expressions that can be read."""
    atoms = st.sampled_from(["a", "β", "x2", "0", "3", "2.5", "1e-3", ".5"])
    binary = st.sampled_from(["+", "-", "*", "/", "@", "^", "**", " and ", " or ", "=="])

    def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        safe = inner.map(lambda text: f"({text})")
        some = st.lists(inner, min_size=1, max_size=4).map(", ".join)
        return st.one_of(
            st.builds(lambda a, op, b: f"{a}{op}{b}", safe, binary, safe),
            st.builds(lambda a, op, b: f"{a} {op} {b}", atoms, st.sampled_from("+-*/@^"), atoms),
            st.builds(lambda op, a: f"{op}{a}", st.sampled_from(["-", "+", "not "]), safe),
            st.builds(lambda a, b, c: f"({a} if {b} else {c})", safe, safe, inner),
            st.builds(lambda a: f"[{a}]", some),
            st.builds(lambda a: f"f({a}, k={a})".replace(f"k={a}", "k=1"), some),
            st.builds(lambda a, i: f"{a}[{i}]", safe, some),
        )

    return st.recursive(atoms, larger, max_leaves=30)
