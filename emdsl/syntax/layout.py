"""Source text → logical lines: brackets joined, comments aside, indentation counted.

Knows tokens, brackets and columns, but neither statements nor expressions; of the keywords it
uses only that some of them can't stand inside brackets, which ends an unclosed one early.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from lark import Token

from emdsl.diagnostics import CompileError, Diagnostic, Note
from emdsl.source import Source, Span
from emdsl.syntax.grammar import lex
from emdsl.syntax.tokens import span_of

LARGEST_FILE = 1_000_000  # characters
LONGEST_LINE = 100_000
MOST_TOKENS = 100_000
DEEPEST_BRACKETS = 60
DEEPEST_BLOCKS = 30

CLOSER = {"LPAR": "RPAR", "LSQB": "RSQB"}
_WRITTEN = {"LPAR": "(", "RPAR": ")", "LSQB": "[", "RSQB": "]"}
_STARTS_A_LINE = (
    *("MODEL", "PARAM", "LATENT", "DATA", "INPUT", "CONST", "LET"),
    *("FOR", "INFER", "DENSITY", "MASS", "LIKELIHOOD"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """A logical line: its tokens without line breaks, and how many blocks it stands in.

    `broken` says that a problem with it has been reported already; `below` is True where the
    next line stands deeper.
    """

    tokens: tuple[Token, ...]
    depth: int
    broken: bool = False
    below: bool = False

    @property
    def span(self) -> Span:
        return span_of(self.tokens[0]).to(span_of(self.tokens[-1]))


@dataclass(frozen=True, slots=True)
class Layout:
    """The logical lines and the comments of a file, and what is wrong with its layout."""

    lines: tuple[Line, ...]
    comments: tuple[Token, ...]
    problems: tuple[Diagnostic, ...]


def read_layout(source: Source) -> Layout:
    """The logical lines of a file; raises only where it is too large to go on."""
    verify_size(source)
    text = plain_text(source)
    reader = _Reader(text.split("\n"))
    for token in _tokens(text, source):
        reader.take(token)
    return reader.finish()


def plain_text(source: Source) -> str:
    """The text as the lexer wants it: no byte order mark, lines that end in a line feed."""
    return source.text.removeprefix("\ufeff").replace("\r\n", "\n")


def verify_size(source: Source) -> None:
    """Raise for a file or a line too large to be a model."""
    start = Span(1, 1, 1, 1)
    if len(source.text) > LARGEST_FILE:
        found = f"a file of {len(source.text)} characters, at most {LARGEST_FILE} are read"
        hint = "pass large arrays as data or as a `const` given when fitting"
        raise CompileError(source, (Diagnostic("file-too-large", found, start, hint),))
    for number, line in enumerate(source.text.split("\n"), 1):
        if len(line) > LONGEST_LINE:
            found = f"a line of {len(line)} characters, at most {LONGEST_LINE} are read"
            hint = "break it inside its brackets, or pass large arrays as data"
            place = Span(number, 1, number, 2)
            raise CompileError(source, (Diagnostic("line-too-long", found, place, hint),))


def _tokens(text: str, source: Source) -> Iterable[Token]:
    for count, token in enumerate(lex(text)):
        if count == MOST_TOKENS:
            found = f"more than {MOST_TOKENS} words and signs in one file"
            hint = "pass large arrays as data or as a `const` given when fitting"
            problem = Diagnostic("file-too-large", found, span_of(token), hint)
            raise CompileError(source, (problem,))
        yield token


@dataclass
class _Reader:
    """Takes the tokens one by one; the state is the logical line being read."""

    texts: list[str]  # the physical lines
    current: list[Token] = field(default_factory=list)
    open: list[Token] = field(default_factory=list)
    columns: list[int] = field(default_factory=lambda: [1])
    broken: bool = False
    tabs: bool = False  # one has been reported
    fresh: bool = True  # no token of this physical line has been seen
    lines: list[Line] = field(default_factory=list)
    comments: list[Token] = field(default_factory=list)
    problems: list[Diagnostic] = field(default_factory=list)

    def take(self, token: Token) -> None:
        if token.type == "COMMENT":
            self.comments.append(token)
            return
        if token.type == "_NEWLINE":
            self.fresh = True
            if not self.open:
                self.end_line()
            return
        if self.fresh and self.open and token.type in _STARTS_A_LINE:
            self.unclosed()
            self.end_line()
        self.fresh = False
        if token.type in CLOSER:
            self.open_bracket(token)
        elif token.type in _WRITTEN:
            self.close_bracket(token)
        self.current.append(token)

    def finish(self) -> Layout:
        self.unclosed()
        self.end_line()
        depths = [*(line.depth for line in self.lines), 0]
        lines = tuple(
            replace(line, below=below > line.depth)
            for line, below in zip(self.lines, depths[1:], strict=True)
        )
        return Layout(lines, tuple(self.comments), tuple(self.problems))

    # --- brackets ----------------------------------------------------------------------------

    def open_bracket(self, token: Token) -> None:
        self.open.append(token)
        if len(self.open) == DEEPEST_BRACKETS + 1:
            found = f"brackets nested more than {DEEPEST_BRACKETS} deep"
            self.report("too-deep", found, token, "name the inner parts with `let`")

    def close_bracket(self, token: Token) -> None:
        if not self.open:
            found = f"`{token}` closes nothing"
            self.report("unmatched-bracket", found, token, "remove it, or open it before")
            return
        opener = self.open.pop()
        wanted = _WRITTEN[CLOSER[opener.type]]
        if str(token) != wanted:
            found = f"expected `{wanted}` to close `{opener}`, found `{token}`"
            note = Note(f"`{opener}` was opened here", span_of(opener))
            self.report("unmatched-bracket", found, token, f"write `{wanted}`", note)

    def unclosed(self) -> None:
        if self.open:
            opener = self.open[-1]
            wanted = _WRITTEN[CLOSER[opener.type]]
            hint = f"add `{wanted}` where the bracket ends"
            self.report("unclosed-bracket", f"`{opener}` is never closed", opener, hint)
            self.open.clear()

    # --- lines -------------------------------------------------------------------------------

    def end_line(self) -> None:
        if self.current:
            depth = self.measure(self.current[0])
            self.lines.append(Line(tuple(self.current), depth, self.broken))
        self.current, self.broken = [], False

    def measure(self, first: Token) -> int:
        """The depth of a line by the column of its first token."""
        place = span_of(first)
        column = place.column
        margin = self.texts[place.line - 1][: column - 1]
        if "\t" in margin:
            if not self.tabs:  # once a file is enough
                hint = "indent with spaces, four to a level"
                self.remark("tab-indentation", "expected spaces, found a tab", first, hint)
            self.tabs = True
            column = len(margin.expandtabs(4)) + 1
        if column > self.columns[-1]:
            self.columns.append(column)
            if len(self.columns) == DEEPEST_BLOCKS + 2:
                found = f"blocks nested more than {DEEPEST_BLOCKS} deep"
                self.report("too-deep", found, first, "take some of the plates apart")
        elif column < self.columns[-1]:
            left = self.columns[-1]
            while column < self.columns[-1]:
                left = self.columns.pop()
            if column > self.columns[-1]:
                self.misaligned(first, column, self.columns[-1], left)
                self.columns.append(column)
        return len(self.columns) - 1

    def misaligned(self, first: Token, found: int, outer: int, inner: int) -> None:
        message = f"expected {outer - 1} or {inner - 1} spaces before this line, found {found - 1}"
        hint = "a line stands exactly under the other lines of its block"
        self.remark("inconsistent-indentation", message, first, hint)

    def remark(self, code: str, found: str, token: Token, hint: str) -> None:
        """Note a problem that leaves the current line readable."""
        self.problems.append(Diagnostic(code, found, span_of(token), hint))

    def report(self, code: str, found: str, token: Token, hint: str, *notes: Note) -> None:
        """Note a problem that breaks the current line, the first of them only."""
        if not self.broken:
            self.problems.append(Diagnostic(code, found, span_of(token), hint, notes))
        self.broken = True
