"""What is wrong with a line whatever stands around it: characters, numbers, names, Python.

Rules are tried in order; the first that speaks is heard.
"""

from __future__ import annotations

import keyword
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

from lark import Token

from emdsl.diagnostics import Diagnostic
from emdsl.syntax.grammar import keywords
from emdsl.syntax.layout import Line
from emdsl.syntax.tokens import name_problem, number_problem, span_of


def problem_of(line: Line) -> Diagnostic | None:
    """The first problem that the words of a line have by themselves."""
    return next((problem for rule in RULES for problem in rule(line)), None)


def unclosed_string(line: Line) -> Iterator[Diagnostic]:
    for token in line.tokens:
        if token.type == "UNCLOSED":
            hint = 'add `"` at its end; a string stands on one line'
            yield Diagnostic("unclosed-string", "a string that never ends", span_of(token), hint)


# What people type, or paste, for something the language writes differently.
_INSTEAD = {
    "−": "-", "–": "-", "—": "-", "×": "*", "·": "*", "⋅": "*", "÷": "/", "≤": "<=", "≥": ">=",
    "≠": "!=", "∼": "~", "˜": "~", "“": '"', "”": '"', "„": '"', "'": '"', "‘": '"', "’": '"',
    "∈": "in", "∧": "and", "∨": "or", "¬": "not", "&": "and", "|": "or", "!": "not", "{": "[",
    "}": "]", "√": "sqrt(...)", "，": ",", "：": ":", "（": "(", "）": ")",
}  # fmt: skip  # one pair a line would be thirty lines of nothing
_NO_SUCH = {
    ".": "nothing has attributes here; functions are called by name, `sum(x)`",
    "$": "the language has no shell or regular-expression signs; remove it",
    "%": "there is no remainder; pass what you need as `input`",
    "\\": "a line goes on by itself inside brackets",
    "\r": "end lines with a line feed",
}


def stray_character(line: Line) -> Iterator[Diagnostic]:
    for token in line.tokens:
        if token.type == "STRAY":
            char = str(token)
            if char in _INSTEAD:
                hint = f"write `{_INSTEAD[char]}`"
            elif unicodedata.category(char) == "Zs":
                hint = "replace it with an ordinary space"
            else:
                hint = _NO_SUCH.get(char, "remove it")
            found = f"unexpected character {_shown(char)}"
            yield Diagnostic("stray-character", found, span_of(token), hint)


def _shown(char: str) -> str:
    if char.isprintable() and not char.isspace():
        return f"`{char}`"
    name = unicodedata.name(char, "").lower()
    return f"U+{ord(char):04X}" + (f" ({name})" if name else "")


def wrong_number(line: Line) -> Iterator[Diagnostic]:
    for token in line.tokens:
        if token.type == "NUMBER" and (found := number_problem(str(token))):
            yield Diagnostic("bad-number", found, span_of(token), "write a smaller literal")


def run_together(line: Line) -> Iterator[Diagnostic]:
    """`2x`, `1_000`, `0x1F`."""
    for left, right in pairwise(line.tokens):
        if left.type == "NUMBER" and left.end_pos == right.start_pos:
            place = span_of(left).to(span_of(right))
            written = f"{left}{right}"
            if right.type == "NUMBER":
                hint = "a number has one point"
            elif right.startswith("_"):
                hint = "write the digits without `_`"
            elif right in ("e", "E"):
                hint = "write digits after the exponent, as in `1e-3`"
            elif str(left) == "0" and right[0] in "xXbBoO":
                hint = "numbers are written in decimal"
            elif right in keywords():
                hint = f"write `{left} {right}`"
            else:
                hint = f"write `{left} * {right}` for a product; names start with a letter"
            if right.type in ("NAME", "NUMBER") or right in keywords():
                found = f"`{written}` is neither a number nor a name"
                yield Diagnostic("bad-number", found, place, hint)


def wrong_name(line: Line) -> Iterator[Diagnostic]:
    for token in line.tokens:
        if token.type == "NAME" and (found := name_problem(str(token))):
            hint = "names are made of letters, digits and `_`"
            for char in token:
                if unicodedata.decomposition(char).startswith("<super>"):
                    hint = f"write a power as `^{unicodedata.normalize('NFKC', char)}`"
                elif unicodedata.decomposition(char).startswith("<sub>"):
                    hint = f"write `_{unicodedata.normalize('NFKC', char)}`"
            if len(token) > 40:
                hint = "choose a shorter one"
            yield Diagnostic("bad-name", found, span_of(token), hint)


_PYTHON = {
    "elif": "chain `A if test else B if other else C`, or use `case`",
    "import": "a model imports nothing: distributions and functions are all there",
    "from": "a model imports nothing: distributions and functions are all there",
    "def": "name an expression with `let`, a distribution of your own with `density`",
    "lambda": "as a name, write `λ`, `lam` or `rate`; there are no anonymous functions",
    "return": "name an expression with `let`",
    "while": "repeat with a plate, `for n in N:`",
    "class": "a model is declared with `model`",
    "True": "write `1`",
    "False": "write `0`",
    "None": "missing data are passed when fitting, not written in the model",
    "with": "write `using`: `infer z using meanfield`",
    "is": "compare with `==`",
}


def python_word(line: Line) -> Iterator[Diagnostic]:
    for token in line.tokens:
        if token.type == "NAME" and keyword.iskeyword(str(token)):
            hint = _PYTHON.get(str(token), "choose another name")
            found = f"`{token}` is a word of Python and has no meaning here"
            yield Diagnostic("python-word", found, span_of(token), hint)


_PAIRS = {
    (":", "="): "write `=` for a value, `~` for a distribution",
    ("<", "-"): "write `~` for a distribution, `=` for a value",
    ("=", "="): "write `==` without the space",
    ("+", "="): "nothing is assigned twice: name the sum with `let`",
    ("-", "="): "nothing is assigned twice: name the difference with `let`",
    ("*", "="): "nothing is assigned twice: name the product with `let`",
    ("/", "="): "nothing is assigned twice: name the quotient with `let`",
    ("/", "/"): "there is one division, `/`",
    ("-", ">"): "write `=` or `:` instead",
    ("=", ">"): "write `>=` for a comparison",
}


def wrong_sign(line: Line) -> Iterator[Diagnostic]:
    """Two signs that make a third one elsewhere; `x <-1` is left alone in an expression."""
    for left, right in pairwise(line.tokens):
        pair = (str(left), str(right))
        if pair not in _PAIRS or (left.end_pos != right.start_pos and pair != ("=", "=")):
            continue
        if pair == ("<", "-") and any(t.type in ("TILDE", "EQUAL", "IF") for t in line.tokens):
            continue
        if pair[1] == "=" and any(t.type == "LPAR" for t in line.tokens) and pair[0] == ":":
            continue
        found = f"`{left}{right}` is not a sign of the language"
        place = span_of(left).to(span_of(right))
        yield Diagnostic("unknown-operator", found, place, _PAIRS[pair])


RULES = (
    unclosed_string,
    stray_character,
    run_together,
    wrong_number,
    wrong_name,
    python_word,
    wrong_sign,
)


def shown(token: Token) -> str:
    """A token in a message: what kind of thing was found."""
    if token.type == "_NEWLINE":
        return "the end of the line"
    if token.type == "STRING":
        return "a string"
    if str(token) in keywords():
        return f"the keyword `{token}`"
    return f"`{token}`" if len(token) <= 40 else f"`{token[:37]}...`"
