"""What is said of a wrong file or wrong data, and how it is shown. Knows no particular mistake."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from emdsl.source import Source, Span


class Exit(IntEnum):
    """Exit codes of the command line."""

    OK = 0
    INPUT = 1
    USAGE = 2
    BUG = 3


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Note:
    """A further place, or a remark without one, that explains a diagnostic."""

    text: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem: lower case, no full stop, no blame.

    `message` says what was expected and what was found, `hint` a way out; `code` is a stable
    kebab-case name (`unknown-name`) under which `docs/errors.md` explains it.
    """

    code: str
    message: str
    span: Span
    hint: str = ""
    notes: tuple[Note, ...] = ()
    severity: Severity = Severity.ERROR


@dataclass(eq=False)
class CompileError(Exception):
    """Raised by a stage that can't go on: carries every diagnostic found so far."""

    source: Source
    diagnostics: tuple[Diagnostic, ...] = field(default=())

    def __str__(self) -> str:
        return render(self.diagnostics, self.source)


class Bug(Exception):
    """The compiler broke one of its own rules; never the user's fault."""


_COLORS = {Severity.ERROR: "\x1b[1;31m", Severity.WARNING: "\x1b[1;33m"}


def render(diagnostics: Iterable[Diagnostic], source: Source, *, color: bool = False) -> str:
    """Every diagnostic as `file:line:col: severity: message [code]` with its line and a caret."""
    ordered = sorted(diagnostics, key=lambda d: (d.span, d.code))
    return "\n\n".join(_render_one(d, source, color) for d in ordered)


def _render_one(d: Diagnostic, source: Source, color: bool) -> str:
    severity = f"{_COLORS[d.severity]}{d.severity}\x1b[0m" if color else str(d.severity)
    place = f"{source.name}:{d.span.line}:{d.span.column}"
    lines = [f"{place}: {severity}: {d.message} [{d.code}]", *_excerpt(source, d.span)]
    for note in d.notes:
        if note.span is None:
            lines.append(f"  note: {note.text}")
        else:
            lines.append(f"  note: {source.name}:{note.span.line}:{note.span.column}: {note.text}")
            lines.extend(_excerpt(source, note.span))
    if d.hint:
        lines.append(f"  help: {d.hint}")
    return "\n".join(lines)


_CONTROL = ("Cc", "Cf", "Cs", "Zl", "Zp")
_WIDEST = 160  # a longer source line is shown around the caret only


def _excerpt(source: Source, span: Span) -> list[str]:
    # a control character could move the caret, or write to the terminal
    line = source.line(span.line).replace("\t", " ")
    text = "".join("\ufffd" if unicodedata.category(c) in _CONTROL else c for c in line)
    first = span.column - 1
    last = span.end_column - 1 if span.end_line == span.line else len(text)
    if len(text) > _WIDEST:
        start = max(0, first - _WIDEST // 2)
        text = text[start : start + _WIDEST]
        first, last = first - start, min(last - start, _WIDEST)
    gutter = f"{span.line:>5} | "
    caret = " " * first + "^" * max(1, min(last, len(text)) - first)
    return [gutter + text, " " * (len(gutter) - 2) + "| " + caret]


def to_json(diagnostics: Iterable[Diagnostic], source: Source) -> str:
    """The diagnostics as one JSON array, for tools (`emdsl check --json`)."""

    def place(span: Span) -> dict[str, int]:
        return {
            "line": span.line,
            "column": span.column,
            "end_line": span.end_line,
            "end_column": span.end_column,
        }

    rows = [
        {
            "file": source.name,
            **place(d.span),
            "severity": str(d.severity),
            "code": d.code,
            "message": d.message,
            "hint": d.hint,
            "notes": [
                {"message": n.text, **(place(n.span) if n.span is not None else {})}
                for n in d.notes
            ],
        }
        for d in sorted(diagnostics, key=lambda d: (d.span, d.code))
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False)
