"""The Lark parser of `grammars/em.lark`, made once. Knows no layout and no messages."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from functools import cache
from importlib import resources
from pathlib import Path

from lark import Lark, Token, UnexpectedToken
from lark.lark import PostLex
from lark.parsers.lalr_interactive_parser import InteractiveParser

from emdsl.diagnostics import Bug
from emdsl.syntax.tree import TreeBuilder


@cache
def grammar_text() -> str:
    """The grammar, from the installed package or else from the source checkout."""
    try:
        return resources.files("emdsl.grammars").joinpath("em.lark").read_text(encoding="utf-8")
    except (ModuleNotFoundError, FileNotFoundError):
        checkout = Path(__file__).parents[2] / "grammars" / "em.lark"
        return checkout.read_text(encoding="utf-8")


class _KeepAll(PostLex):
    """Tells Lark to keep the terminals that only the layout and the messages look at."""

    always_accept = ("COMMENT", "UNCLOSED", "STRAY")

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return stream


@cache
def _lark() -> Lark:
    return Lark(
        grammar_text(),
        start="file",
        parser="lalr",
        lexer="basic",
        postlex=_KeepAll(),
        maybe_placeholders=True,
        transformer=TreeBuilder(),
    )


def lex(text: str) -> Iterator[Token]:
    """Every token of `text`, line breaks and comments included; never fails."""
    return _lark().lex(text)


def new_parser() -> InteractiveParser:
    """A parser at the start of a file, to be fed token by token."""
    return _lark().parse_interactive("")


def fork(parser: InteractiveParser) -> InteractiveParser:
    """A copy that can go on by itself (the values below are immutable, so they are shared)."""
    state = parser.parser_state.copy(deepcopy_values=False)
    return InteractiveParser(parser.parser, state, parser.lexer_thread)


def literal_of(terminal: str) -> str | None:
    """How a terminal is written where there is one way to write it: `COLON` is `:`."""
    return _literals().get(terminal)


@cache
def _literals() -> dict[str, str]:
    return {t.name: t.pattern.value for t in _lark().terminals if t.pattern.type == "str"}


@cache
def keywords() -> frozenset[str]:
    """The reserved words, as the grammar has them."""
    words = frozenset(word for word in _literals().values() if word.isalpha())
    if "model" not in words:
        raise Bug("the grammar has no keyword 'model'")
    return words


def accepts(parser: InteractiveParser, *terminals: str) -> bool:
    """Whether the parser, which is left as it is, could take these terminals next."""
    trial = _without_callbacks(parser)
    try:
        for terminal in terminals:
            trial.feed_token(Token(terminal, ""))
    except UnexpectedToken:
        return False
    return True


def acceptable(parser: InteractiveParser) -> frozenset[str]:
    """The terminals the parser could take next."""
    return frozenset(c for c in _choices(parser) if accepts(parser, c))


def needs_block(parser: InteractiveParser) -> bool:
    """Whether nothing but an indented block can follow."""
    return _choices(parser) == ["_INDENT"]


def _choices(parser: InteractiveParser) -> list[str]:
    """The terminals the state has an entry for; not all of them need be acceptable."""
    state = parser.parser_state
    return [name for name in state.parse_conf.states[state.position] if name.isupper()]


def _without_callbacks(parser: InteractiveParser) -> InteractiveParser:
    trial = fork(parser)
    conf = copy(trial.parser_state.parse_conf)
    conf.callbacks = {}
    trial.parser_state.parse_conf = conf
    return trial
