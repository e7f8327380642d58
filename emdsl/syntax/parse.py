"""Source → syntax tree, or every syntax error that can sensibly be found in one run.

Each logical line is fed to the LALR parser. Where one is refused, its mistake is named
(`mistakes.py`), the parser goes back to the start of the line, a stand-in that opens the same
kind of block is fed instead, and reading goes on with the next line.
"""

from __future__ import annotations

from collections.abc import Iterable

from lark import Token, UnexpectedToken

from emdsl.diagnostics import Bug, CompileError, Diagnostic
from emdsl.source import Source, Span
from emdsl.syntax import ast, headers, mistakes, words
from emdsl.syntax.depth import verify_depth
from emdsl.syntax.grammar import accepts, fork, lex, needs_block, new_parser
from emdsl.syntax.layout import Line, read_layout
from emdsl.syntax.tree import PositionalAfterKeyword

MOST_PROBLEMS = 50  # after so many, the rest is silence

# What is fed for a line that can't be read: the first that fits where it stands.
_PLAIN = ("input _", "else: _", '""', "model _")
_OPENS_ITEMS = ("for _ in _:", "latent _ ~ case _:", "else: case _:", "model _")
_OPENS_ARMS = ("latent _ ~ case _:", "else: case _:", "for _ in _:", "model _")


def parse(source: Source) -> ast.File:
    """The syntax tree of a file; raises `CompileError` with all its syntax errors."""
    layout = read_layout(source)
    if not layout.lines and not layout.problems:
        raise CompileError(source, (headers.empty_file(),))
    lines, header_problems = headers.check_headers(layout.lines)
    reader = _Reader([*layout.problems, *header_problems])
    tree = reader.read(lines)
    if reader.problems:
        raise CompileError(source, tuple(reader.problems[:MOST_PROBLEMS]))
    if not isinstance(tree, ast.File):
        raise Bug("the parser took a whole file and built no tree")
    verify_depth(tree, source)
    return tree


def read_source(data: bytes, name: str = "<stdin>") -> Source:
    """The bytes of a file as a `Source`; raises `CompileError` where they are not UTF-8."""
    try:
        return Source(data.decode("utf-8-sig"), name)
    except UnicodeDecodeError as error:
        source = Source(data.decode("utf-8", errors="replace"), name)
        before = data[: error.start].decode("utf-8", errors="replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        place = Span(line, column, line, column + 1)
        raise CompileError(source, (headers.not_utf8(data[error.start], place),)) from None


class _Reader:
    """Feeds lines to a parser; `levels` says of each indentation whether the parser knows it."""

    def __init__(self, problems: list[Diagnostic]) -> None:
        self.problems = problems
        self.parser = new_parser()
        self.levels: list[bool] = []
        self.previous: Line | None = None
        self.lost = False  # the last line was dropped without a stand-in

    def read(self, lines: Iterable[Line]) -> object:
        """The tree, which means something only where `problems` stays empty."""
        for line in lines:
            if len(self.problems) >= MOST_PROBLEMS:
                return None
            self.enter(line)
            self.take(line)
            self.previous = line
        try:
            self.fill_missing_block(None)
            self.leave(0)
            return self.parser.feed_token(Token("$END", ""))
        except UnexpectedToken:
            if not self.problems:
                raise Bug("the parser refused the end of a file that has no mistake") from None
            return None

    # --- blocks ------------------------------------------------------------------------------

    def enter(self, line: Line) -> None:
        """Close and open blocks so that `line` can be read at its depth."""
        if line.depth <= len(self.levels):
            self.fill_missing_block(line)
        self.leave(line.depth)
        if line.depth > len(self.levels):
            known = accepts(self.parser, "_INDENT") and not mistakes.is_under_header(
                self.previous, line
            )
            self.levels.append(known)
            if known:
                self.feed([Token("_INDENT", "")])
            elif not self.lost:
                self.problems.append(mistakes.unexpected_indent(line, self.previous))

    def leave(self, depth: int) -> None:
        while len(self.levels) > depth:
            if self.levels.pop():
                self.feed([Token("_DEDENT", "")])

    def fill_missing_block(self, line: Line | None) -> None:
        """Report a header with no block under it, and give it one."""
        if self.previous is not None and needs_block(self.parser):
            if not self.lost:
                self.problems.append(mistakes.missing_block(self.previous, line))
            self.feed([Token("_INDENT", "")])
            self.stand_in(_PLAIN, below=False)
            self.feed([Token("_DEDENT", "")])

    # --- lines -------------------------------------------------------------------------------

    def take(self, line: Line) -> None:
        """Read one line, or name its mistake and let a stand-in take its place."""
        start = fork(self.parser)
        problem = None if line.broken else self.problem_of(line)
        self.lost = False
        if problem is not None:
            self.problems.append(problem)
        if problem is not None or line.broken:
            self.parser = start
            arms = any(token.type == "CASE" for token in line.tokens)
            opening = _OPENS_ARMS if arms else _OPENS_ITEMS
            self.stand_in(opening if line.below else _PLAIN, line.below)

    def problem_of(self, line: Line) -> Diagnostic | None:
        """Feed the line; what is wrong with it, if anything."""
        problem = words.problem_of(line)
        if problem is not None:
            return problem
        try:
            self.feed([*line.tokens, Token("_NEWLINE", "\n")])
        except UnexpectedToken as error:
            return mistakes.name_mistake(line, error.token, self.parser)
        except PositionalAfterKeyword as error:
            return mistakes.positional_after_keyword(error.span)
        return None

    def feed(self, tokens: Iterable[Token]) -> None:
        for token in tokens:
            self.parser.feed_token(token)

    def stand_in(self, choices: tuple[str, ...], below: bool) -> None:
        """Feed the first of the choices that fits here."""
        for text in choices:
            tokens = list(lex(text + "\n"))
            wanted = [token.type for token in tokens] + ["_INDENT"] * below
            if accepts(self.parser, *wanted):
                self.feed(tokens)
                return
        self.lost = True
