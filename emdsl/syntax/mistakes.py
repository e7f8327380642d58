"""Malformed lines → diagnoses, taught by example.

Every entry of `EXAMPLES` is a wrong line and what to say of it. The lines are parsed once, when
the first mistake turns up; a user's mistake gets the entry that stopped the parser with the same
kind of line, the same things it would have accepted, and the same thing found.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache

from lark import Token, UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from emdsl.diagnostics import Bug, Diagnostic
from emdsl.source import Source, Span
from emdsl.syntax.examples import EXAMPLES, Example
from emdsl.syntax.grammar import acceptable, keywords, literal_of, new_parser
from emdsl.syntax.layout import Line, read_layout
from emdsl.syntax.tokens import span_of
from emdsl.syntax.words import shown

# --- blocks ----------------------------------------------------------------------------------


def is_under_header(previous: Line | None, line: Line) -> bool:
    """Whether a line is indented under the header and isn't the docstring."""
    return (
        previous is not None
        and previous.tokens[0].type == "MODEL"
        and line.tokens[0].type not in ("STRING", "UNCLOSED", "STRAY")
    )


def unexpected_indent(line: Line, previous: Line | None) -> Diagnostic:
    if is_under_header(previous, line):
        found = "expected a docstring under the header, found " + shown(line.tokens[0])
        hint = "declarations stand at the left margin, like the header"
    else:
        found = "expected this line under the one above, found it indented further"
        hint = "remove the spaces before it; only `for` and `case` open a block"
    return Diagnostic("unexpected-indentation", found, span_of(line.tokens[0]), hint)


def missing_block(header: Line, line: Line | None) -> Diagnostic:
    """`line` stands where the block of `header` was due; None for the end of the file."""
    what = "the cases" if any(t.type == "CASE" for t in header.tokens) else "the plate's lines"
    instead = "the end of the file" if line is None else "a line that is not indented"
    found = f"expected {what}, indented below, found {instead}"
    hint = "indent what belongs to this line by four spaces"
    return Diagnostic("missing-block", found, header.span, hint)


# --- lines -----------------------------------------------------------------------------------


def positional_after_keyword(span: Span) -> Diagnostic:
    found = "expected `name = value` after a named argument, found a plain argument"
    hint = "put plain arguments first, or name this one too"
    return Diagnostic("positional-after-keyword", found, span, hint)


def name_mistake(line: Line, found: Token, parser: InteractiveParser) -> Diagnostic:
    """What is wrong with `line`, at whose token `found` the parser stopped."""
    expected = _expected(parser)
    place = _place(line, found)
    if found is line.tokens[0]:
        return _at_start(line, expected)
    stop = _Stop(line.tokens[0].type, _telling(expected), found.type)
    example = next((_table()[key] for key in stop.covers() if key in _table()), None)
    if example is not None:
        message = example.message.format(found=shown(found))
        return Diagnostic(example.code, message, place, example.hint)
    return _generic(line, found, expected, place)


@dataclass(frozen=True, slots=True)
class _Stop:
    """Where a parser stopped: the line's first terminal, what would do, what was found."""

    first: str
    expected: frozenset[str]
    found: str

    def covers(self) -> tuple[_Stop, ...]:
        """This stop and the more general ones whose examples cover it, closest first."""
        return (
            self,
            _Stop(self.first, self.expected, "*"),
            _Stop("*", self.expected, self.found),
            _Stop("*", self.expected, "*"),
        )


@cache
def _table() -> dict[_Stop, Example]:
    table: dict[_Stop, Example] = {}
    for example in EXAMPLES:
        for text in example.lines:
            stop = _stop_of(example, text)
            key = _Stop(
                "*" if example.any_line else stop.first,
                stop.expected,
                "*" if example.any_found else stop.found,
            )
            table.setdefault(key, example)
    return table


def _stop_of(example: Example, text: str) -> _Stop:
    before = "" if text.startswith("model") else example.before
    *context, line = read_layout(Source(before + text)).lines
    parser = new_parser()
    try:
        for above in context:
            for token in above.tokens:
                parser.feed_token(token)
            parser.feed_token(Token("_NEWLINE", "\n"))
        if line.depth:
            parser.feed_token(Token("_INDENT", ""))
        for token in (*line.tokens, Token("_NEWLINE", "\n")):
            parser.feed_token(token)
    except UnexpectedToken as error:
        stopped_at = _telling(_expected(parser))
        return _Stop(line.tokens[0].type, stopped_at, error.token.type)
    raise Bug(f"the example {text!r} of a syntax error is none")


# What may follow any expression, or go on inside it: says nothing about where one stands.
_OPERATORS = {"PLUS", "MINUS", "STAR", "SLASH", "AT", "POWER", "COMPARE", "AND", "OR", "NOT", "IF"}
_GOES_ON = _OPERATORS | {"LPAR", "LSQB"}
_OPERAND = {"NAME", "NUMBER", "LPAR", "LSQB"}


def _expected(parser: InteractiveParser) -> frozenset[str]:
    """The terminals that would do, summed up where an expression or an operator would."""
    could = acceptable(parser)
    if could >= _OPERAND:
        return (could - _GOES_ON - _OPERAND) | {"an expression"}
    return (could - _GOES_ON) | ({"an operator"} if "STAR" in could else frozenset())


def _telling(expected: frozenset[str]) -> frozenset[str]:
    """What tells the place: whether a list or an expression may go on depends on how it ended."""
    return expected - {"COMMA", "an operator"}


def _place(line: Line, found: Token) -> Span:
    if found.type != "_NEWLINE":
        return span_of(found)
    last = span_of(line.tokens[-1])
    return Span(last.end_line, last.end_column, last.end_line, last.end_column + 1)


# --- the start of a line ---------------------------------------------------------------------

_ROLES = ("param", "latent", "data", "input", "const", "let")
_STATEMENTS = (
    *_ROLES, "for", "infer", "constrain", "density", "mass", "likelihood", "model"
)  # fmt: skip
_TYPES = ("real", "positive", "unit", "int", "count", "bool", "category", "index", "simplex",
          "posdef", "ordered", "shape", "orthogonal")  # fmt: skip  # fits on two lines
_LONG_FOR = {
    "parameter": "param", "parameters": "param", "observed": "data", "obs": "data",
    "hidden": "latent", "variable": "latent", "constant": "const", "plate": "for",
    "covariate": "input", "def": "let", "var": "let", "inference": "infer",
    "constraint": "constrain", "subject": "constrain",
}  # fmt: skip  # a table


def _at_start(line: Line, expected: frozenset[str]) -> Diagnostic:
    first = line.tokens[0]
    word, place = str(first), span_of(first)
    after = line.tokens[1].type if len(line.tokens) > 1 else "_NEWLINE"
    if "PARAM" not in expected:
        found = f"expected {_listed(expected)}, found {shown(first)}"
        hint = "each line under `case` is `value: Distribution(...)` or `else: Distribution(...)`"
        return Diagnostic("syntax", found, place, hint if "ELSE" in expected else "")
    if first.type == "NAME":
        near = _LONG_FOR.get(word) or next(
            iter(difflib.get_close_matches(word.lower(), _STATEMENTS, 1, 0.7)), None
        )
        if near is not None and after in ("NAME", "_NEWLINE"):
            found = f"expected a declaration, found the unknown word `{word}`"
            return Diagnostic("unknown-statement", found, place, f"is `{near}` meant?")
        if word in _TYPES:
            found = f"expected a role such as `param`, found the type `{word}`"
            hint = f"the type comes after the name: `param x : {word}`"
            return Diagnostic("missing-role", found, place, hint)
        signs = {token.type for token in line.tokens}
        role = "latent` or `data" if "TILDE" in signs else "param"
        role = "let` or `const" if "EQUAL" in signs and "TILDE" not in signs else role
        found = f"expected a role before the name `{word}`, found none"
        hint = f"say what it is: start the line with `{role}`"
        return Diagnostic("missing-role", found, place, hint)
    if first.type == "STRING":
        hint = "a docstring stands right under the header; write a remark as `# ...`"
        found = "expected a declaration, found a string"
        return Diagnostic("misplaced-string", found, place, hint)
    return Diagnostic(
        "misplaced-word" if word in keywords() else "syntax",
        f"expected a declaration, found {shown(first)}",
        place,
        _START_HINTS.get(first.type, "a line starts with one of " + ", ".join(_STATEMENTS)),
    )


_START_HINTS = {
    "IF": "choose between distributions within a line: `A if test else B`",
    "ELSE": "`else:` stands in a `case` block; within a line it is `A if test else B`",
    "CASE": "`case` comes after `~` or `else`: `latent z[n] ~ case k[n]:`",
    "INFER": "`infer` stands at the left margin, outside the plates",
    "CONSTRAIN": "`constrain` stands at the left margin, outside the plates",
    "DENSITY": "a density is declared at the left margin, outside the plates",
    "LIKELIHOOD": "a likelihood is declared at the left margin, outside the plates",
    "MASS": "a mass is declared at the left margin, outside the plates",
    "USING": "write `infer z using meanfield`",
}


# --- what no example covers ------------------------------------------------------------------


def _generic(line: Line, found: Token, expected: frozenset[str], place: Span) -> Diagnostic:
    message = f"expected {_listed(expected)}, found {shown(found)}"
    word = str(found)
    if found.type == "COMPARE" and any(t.type == "COMPARE" for t in line.tokens[:-1]):
        return Diagnostic("chained-comparison", "expected one comparison, found a chain", place,
                          "write one `constrain` for each: `constrain p >= 0`"
                          if line.tokens[0].type == "CONSTRAIN" else
                          "compare pairwise: `a < b and b < c`")  # fmt: skip  # reads as one
    if word in keywords() and expected & {"NAME", "an expression"}:
        hint = f"`{word}` is reserved: choose another name, such as `{word}_`"
        return Diagnostic("keyword-as-name", message, place, hint)
    if word in _STATEMENTS:
        return Diagnostic("two-in-a-line", message, place, "start it on a line of its own")
    if expected & {"RPAR", "RSQB"} and found.type in _OPERAND | {"STRING"}:
        return Diagnostic("syntax", message, place, "separate what stands in brackets by `,`")
    if "an operator" in expected and found.type in _OPERAND | {"STRING"}:
        return Diagnostic("syntax", message, place, "multiplication is written `a * b`")
    if "an expression" in expected:
        hint = "remove it, or write what belongs before it"
        if found.type == "_NEWLINE":
            hint = "finish the line; it goes on below only inside brackets"
        return Diagnostic("syntax", message, place, hint)
    if found.type == "SEMICOLON":
        return Diagnostic("syntax", message, place, "lines end without `;`")
    if found.type == "EQUAL" and "EQUAL" not in expected:
        return Diagnostic("syntax", message, place, "a comparison is written `==`")
    return Diagnostic("syntax", message, place)


_NAMED = {
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": "a string",
    "an expression": "an expression",
    "an operator": "an operator",
    "_NEWLINE": "the end of the line",
    "_INDENT": "an indented block",
    "_DEDENT": "the end of the block",
    "$END": "the end of the file",
    "POWER": "`^`",
    "COMPARE": "a comparison",
}


def _listed(terminals: frozenset[str]) -> str:
    terminals = terminals - {"an operator"} or terminals or frozenset({"$END"})
    names = sorted(_NAMED.get(t) or f"`{literal_of(t) or t}`" for t in terminals)
    return " or ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else names[0]
