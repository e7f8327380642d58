"""Source → the same model in canonical layout; `emdsl fmt`. Keeps every comment.

- four spaces to a block, one blank line at most, two spaces before a comment at a line's end;
- in a run of declarations the roles, and the first `:`, `~` or `=` after the names, stand under
  each other; so do comments at the ends of neighbouring lines;
- brackets are joined to one line, or broken where that is wider than 100 columns; one with a
  comment inside keeps its line breaks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lark import Token

from emdsl.source import Source
from emdsl.syntax.layout import Layout, Line, read_layout
from emdsl.syntax.parse import parse
from emdsl.syntax.spacing import STEP, Piece, flat, pieces, with_own_breaks, wrapped
from emdsl.syntax.tokens import span_of

_ROLES = ("PARAM", "LATENT", "DATA", "INPUT", "CONST", "LET")
_MARKS = ("COLON", "TILDE", "EQUAL")
_FURTHEST = 16  # nothing is aligned where something would move further than this
_FURTHEST_COMMENT = 40


def format_source(source: Source) -> str:
    """The canonical text of a file; raises `CompileError` where it has syntax errors."""
    parse(source)
    entries = _entries(read_layout(source))
    rows = [row for run in _runs(entries) for row in _rows(run)]
    rows[0] = replace(rows[0], blank=False)
    lines: list[str] = []
    for run in _runs_of_comments(rows):
        lines += _texts(run)
    return "\n".join(lines) + "\n"


# --- what there is to print ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Entry:
    """A logical line with its comments, or a comment on a line of its own (`line` is None)."""

    start: int
    end: int
    depth: int
    line: Line | None
    inner: tuple[Token, ...] = ()
    comment: str = ""
    blank: bool = False  # an empty line stands before it

    @property
    def declares(self) -> bool:
        """Whether it can be aligned with its neighbours."""
        return self.line is not None and self.line.tokens[0].type in _ROLES and not self.inner


def _entries(layout: Layout) -> list[_Entry]:
    waiting = deque((span_of(comment).line, comment) for comment in layout.comments)
    entries: list[_Entry] = []
    columns: dict[int, int] = {}  # of each open block, the column of its latest line
    for line in layout.lines:
        start, end = line.span.line, line.span.end_line
        entries += _own_line_comments(_until(waiting, start - 1), columns, line.depth)
        columns = {depth: column for depth, column in columns.items() if depth < line.depth}
        columns[line.depth] = line.span.column
        inner = tuple(_until(waiting, end - 1))
        comment = "".join(_text(token) for token in _until(waiting, end))
        depth = 1 if line.tokens[0].type == "STRING" else line.depth
        entries.append(_Entry(start, end, depth, line, inner, comment))
    entries += _own_line_comments((comment for _, comment in waiting), columns, 0)
    ends = [0, *(entry.end for entry in entries)]
    return [
        replace(entry, blank=entry.start > end + 1)
        for entry, end in zip(entries, ends, strict=False)
    ]


def _until(waiting: deque[tuple[int, Token]], last: int) -> Iterator[Token]:
    """Take the comments up to a line out of those that wait."""
    while waiting and waiting[0][0] <= last:
        yield waiting.popleft()[1]


def _text(comment: Token) -> str:
    return str(comment).rstrip()


def _own_line_comments(
    comments: Iterable[Token], columns: dict[int, int], lowest: int
) -> Iterator[_Entry]:
    """Comments before a line at depth `lowest`, each in the deepest open block that fits it.

    A block fits where its lines don't start to the right of the comment.
    """
    for comment in comments:
        place = span_of(comment)
        fitting = [d for d, column in columns.items() if lowest <= d and column <= place.column]
        depth = max(fitting, default=lowest)
        yield _Entry(place.line, place.line, depth, None, comment=_text(comment))


# --- lines in columns ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    """One printed line, its comment apart."""

    text: str
    comment: str = ""
    blank: bool = False


def _runs(entries: Sequence[_Entry]) -> Iterator[list[_Entry]]:
    """Declarations that stand directly under each other, anything else alone."""
    run: list[_Entry] = []
    for entry in entries:
        joins = run and run[-1].declares and entry.declares and not entry.blank
        if not (joins and entry.depth == run[-1].depth):
            if run:
                yield run
            run = []
        run.append(entry)
    if run:
        yield run


def _rows(run: Sequence[_Entry]) -> Iterator[_Row]:
    if not run[0].declares:
        yield from _row(run[0])
        return
    parted = [_parted(pieces(entry.line.tokens)) for entry in run if entry.line is not None]
    role_width = max(len(role) for role, _, _ in parted)
    widths = [len(names) for _, names, rest in parted if rest]
    name_width = max(widths, default=0)
    if widths and name_width - min(widths) > _FURTHEST:
        name_width = 0
    for entry, (role, names, rest) in zip(run, parted, strict=True):
        head = f"{' ' * (STEP * entry.depth)}{role:<{role_width}} {names:<{name_width}}"
        lines = wrapped(head if rest else head.rstrip(), rest, STEP * entry.depth)
        yield from _commented(lines, entry)


def _parted(parts: Sequence[Piece]) -> tuple[str, str, Sequence[Piece]]:
    """Role, names, and what starts with the first `:`, `~` or `=`."""
    mark = next((i for i, part in enumerate(parts) if part.kind in _MARKS), len(parts))
    return parts[0].text, flat(parts[1:mark]).lstrip(), parts[mark:]


def _row(entry: _Entry) -> Iterator[_Row]:
    indent = STEP * entry.depth
    if entry.line is None:
        yield _Row(" " * indent + entry.comment, "", entry.blank)
    elif entry.inner:
        comments = {span_of(c).line: _text(c) for c in entry.inner}
        broken = with_own_breaks(pieces(entry.line.tokens), set(comments), indent)
        for number, (line, text) in enumerate(broken):
            last = line == entry.end
            comment = entry.comment if last else comments.get(line, "")
            own = not text.strip()
            blank = entry.blank and number == 0
            yield _Row(text + comment, "", blank) if own else _Row(text, comment, blank)
    else:
        yield from _commented(wrapped(" " * indent, pieces(entry.line.tokens), indent), entry)


def _commented(lines: Sequence[str], entry: _Entry) -> Iterator[_Row]:
    """The printed lines of an entry: blank before the first, comment after the last."""
    for number, text in enumerate(lines):
        last = number == len(lines) - 1
        yield _Row(text, entry.comment if last else "", entry.blank and number == 0)


def _runs_of_comments(rows: Sequence[_Row]) -> Iterator[list[_Row]]:
    """Neighbouring lines that all end in a comment, anything else alone."""
    run: list[_Row] = []
    for row in rows:
        if run and not (run[-1].comment and row.comment and not row.blank):
            yield run
            run = []
        run.append(row)
    yield run


def _texts(run: Sequence[_Row]) -> Iterator[str]:
    width = max(len(row.text) for row in run)
    if width - min(len(row.text) for row in run) > _FURTHEST_COMMENT:
        width = 0
    for row in run:
        if row.blank:
            yield ""
        yield f"{row.text:<{width}}  {row.comment}" if row.comment else row.text
