"""Source → the same model in canonical layout; `emdsl fmt`. Keeps every comment.

- four spaces to a block, one blank line at most, two spaces before a comment at a line's end;
- in a run of declarations the roles, and the first `:`, `~` or `=` after the names, stand under
  each other; so do comments at the ends of neighbouring lines;
- brackets are joined to one line, or broken where that is wider than 100 columns; one with a
  comment inside keeps its line breaks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lark import Token

from emdsl.source import Source, Span
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
    lines = []
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
    comments = {span_of(comment).line: comment for comment in layout.comments}
    entries: list[_Entry] = []
    for line in layout.lines:
        start, end = line.span.line, line.span.end_line
        inner = tuple(comments.pop(n) for n in range(start, end) if n in comments)
        last = comments.pop(end, None)
        docstring = line.tokens[0].type == "STRING"
        depth = 1 if docstring else line.depth
        entries.append(_Entry(start, end, depth, line, inner, _text(last)))
    for number, comment in comments.items():
        depth = _depth_of_comment(span_of(comment), layout.lines)
        entries.append(_Entry(number, number, depth, None, comment=_text(comment)))
    entries.sort(key=lambda entry: entry.start)
    before = [0, *(entry.end for entry in entries)]
    return [
        replace(entry, blank=entry.start > end + 1)
        for entry, end in zip(entries, before, strict=False)
    ]


def _text(comment: Token | None) -> str:
    return "" if comment is None else str(comment).rstrip()


def _depth_of_comment(place: Span, lines: Sequence[Line]) -> int:
    """The deepest block around a comment whose lines don't start to the right of it."""
    above = [line for line in lines if line.span.line < place.line]
    below = next((line for line in lines if line.span.line > place.line), None)
    lowest = below.depth if below is not None else 0
    above_depth = above[-1].depth if above else 0
    columns: dict[int, int] = {}  # of each open block, the column of its latest line
    for line in above if below is None or below.depth <= above_depth else (*above, below):
        columns = {depth: column for depth, column in columns.items() if depth < line.depth}
        columns[line.depth] = line.span.column
    fitting = [d for d, column in columns.items() if d >= lowest and column <= place.column]
    return max(fitting, default=lowest)


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
            yield _Row(text + comment if own else text, "" if own else comment,
                       entry.blank and number == 0)  # fmt: skip
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
