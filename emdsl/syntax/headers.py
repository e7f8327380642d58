"""What is wrong with a file as a whole: its bytes, no header, a late one, two of them."""

from __future__ import annotations

from collections.abc import Sequence

from emdsl.diagnostics import Diagnostic, Note
from emdsl.source import Source, Span
from emdsl.syntax.layout import Line, read_layout
from emdsl.syntax.words import problem_of, shown

_START = Span(1, 1, 1, 1)
_BEFORE_HEADER = ("MODEL", "DENSITY", "MASS", "LIKELIHOOD")


def empty_file() -> Diagnostic:
    hint = "start with a header such as `model Mixture(K = 2)`"
    return Diagnostic("no-model", "expected a model, found an empty file", _START, hint)


def not_utf8(byte: int, span: Span) -> Diagnostic:
    found = f"expected utf-8 text, found the byte 0x{byte:02x}"
    return Diagnostic("not-utf8", found, span, "save the file as utf-8")


def check_headers(lines: Sequence[Line]) -> tuple[list[Line], list[Diagnostic]]:
    """The lines with exactly one header, at its place; and what was wrong with the headers."""
    headers = [line for line in lines if line.tokens[0].type == "MODEL"]
    early = next((line for line in lines if line.tokens[0].type not in _BEFORE_HEADER), None)
    problems = [_second_model(extra, headers[0]) for extra in headers[1:]]
    if not headers:
        hint = "start the file with a header such as `model Mixture(K = 2)`"
        place = lines[0].span if lines else _START
        found = "expected a header `model Name`, found none in the file"
        if not any(line.broken for line in lines):
            problems.append(Diagnostic("no-model", found, place, hint))
        return [*_stand_in_header(), *lines], problems
    if early is not None and early.span < headers[0].span:
        found = f"expected the header `model Name` first, found {shown(early.tokens[0])}"
        note = Note("the header is here", headers[0].span)
        hint = "move the header up; only densities may stand before it"
        if not early.broken and problem_of(early) is None:
            problems.append(Diagnostic("no-model", found, early.span, hint, (note,)))
        return [*_stand_in_header(), *_without(lines, headers)], problems
    return _without(lines, headers[1:]), problems


def _second_model(extra: Line, first: Line) -> Diagnostic:
    note = Note("the first model is here", first.span)
    hint = "put each model into a file of its own"
    found = "expected one model in a file, found a second"
    return Diagnostic("second-model", found, extra.span, hint, (note,))


def _stand_in_header() -> tuple[Line, ...]:
    return read_layout(Source("model _")).lines


def _without(lines: Sequence[Line], headers: Sequence[Line]) -> list[Line]:
    """The lines less some headers and the docstrings under those."""
    kept: list[Line] = []
    dropping = False
    unwanted = {id(header) for header in headers}  # equality would compare every token
    for line in lines:
        dropping = id(line) in unwanted or (dropping and line.tokens[0].type == "STRING")
        if not dropping:
            kept.append(line)
    return kept
