"""A report's page: headings, prose, formulas and lists, as text of 100 columns or as LaTeX."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import Protocol

from emdsl.report.style import LatexStyle, Math, Style, TextStyle, escape

WIDTH = 100


class Page(Protocol):
    """What a section is written on. Prose is `str`, a formula within it `Math`."""

    style: Style

    def title(self, text: str, doc: str) -> None: ...

    def section(self, text: str) -> None: ...

    def heading(self, *parts: str) -> None:
        """What one item of a section is about."""
        ...

    def say(self, *parts: str) -> None:
        """A paragraph."""
        ...

    def item(self, *parts: str) -> None:
        """A line of a list."""
        ...

    def formula(self, left: str, right: str, relation: str = "=") -> None:
        """A displayed formula; long ones are broken."""
        ...

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Columns, the widest last."""
        ...

    def verbatim(self, text: str) -> None: ...

    def finish(self) -> str: ...


class TextPage:
    """A page for a terminal."""

    def __init__(self) -> None:
        self.style: Style = TextStyle()
        self._lines: list[str] = []
        self._listed = False

    def title(self, text: str, doc: str) -> None:
        self._lines += [text, "=" * len(text)]
        if doc:
            self._lines += ["", *doc.splitlines()]

    def section(self, text: str) -> None:
        self._lines += ["", "", text, "-" * len(text)]
        self._listed = False

    def heading(self, *parts: str) -> None:
        self._lines += ["", *self._filled("".join(parts), "", "  ")]
        self._listed = False

    def say(self, *parts: str) -> None:
        self._lines += ["", *self._filled("".join(parts), "", "")]
        self._listed = False

    def item(self, *parts: str) -> None:
        if not self._listed:
            self._lines.append("")
        self._lines += self._filled("".join(parts), "- ", "  ")
        self._listed = True

    def formula(self, left: str, right: str, relation: str = "=") -> None:
        head = f"    {left} {relation} " if left else "    "
        indent = len(head) if len(head) <= 24 else 8
        if not self._lines or not self._lines[-1].startswith("    "):
            self._lines.append("")
        self._lines += broken(head + right, indent, WIDTH)
        self._listed = False

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        self._lines.append("")
        widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]) - 1)]
        for row in rows:
            head = "  " + "".join(c.ljust(w + 2) for c, w in zip(row, widths, strict=False))
            self._lines += self._filled(row[-1], head, " " * len(head))
        self._listed = False

    def verbatim(self, text: str) -> None:
        self._lines += ["", *(f"    {line}".rstrip() for line in text.splitlines())]
        self._listed = False

    def _filled(self, text: str, first: str, rest: str) -> list[str]:
        return wrap(
            text, WIDTH, initial_indent=first, subsequent_indent=rest,
            break_long_words=False, break_on_hyphens=False,
        ) or [first.rstrip()]  # fmt: skip

    def finish(self) -> str:
        return "\n".join(line.rstrip() for line in self._lines) + "\n"


def broken(line: str, indent: int, width: int) -> list[str]:
    """A long formula on several lines, broken outside as many brackets as can be."""
    out: list[str] = []
    while len(line) > width:
        place = _best_break(line, indent if out else 0, width)
        if place is None:
            break
        out.append(line[:place].rstrip())
        line = " " * indent + line[place:].lstrip()
    return [*out, line]


def _best_break(line: str, start: int, width: int) -> int | None:
    """Where to break: the last place of the least depth in the right part of the line."""
    depth = 0
    best: tuple[int, int] | None = None
    for i, char in enumerate(line[:width]):
        depth += (char in "([{⟨") - (char in ")]}⟩") + _bar(line, i)
        operator = line[i + 1 : i + 2] in "+−=" and line[i + 2 : i + 3] == " "
        after = line[i - 1 : i] in "+−=/"
        if char == " " and not after and i > max(start, width // 3) and line[:i].strip():
            rank = 2 * depth + (0 if operator else 1)
            if best is None or rank <= best[0]:
                best = (rank, i)
    return None if best is None else best[1]


def _bar(line: str, i: int) -> int:
    """1 where |x| opens, -1 where it closes; 0 at the bar of P(a | b)."""
    if line[i] != "|" or line[i - 1 : i + 2] == " | ":
        return 0
    return 1 if i == 0 or line[i - 1] in " ([" else -1


_PREAMBLE = r"""\documentclass[a4paper,11pt]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage[margin=25mm]{geometry}
\usepackage{amsmath}
\allowdisplaybreaks
\setlength{\parindent}{0pt}
\setlength{\parskip}{6pt}
"""


class LatexPage:
    """A page for LaTeX: a whole document that needs amsmath and geometry only."""

    def __init__(self) -> None:
        self.style: Style = LatexStyle()
        self._lines: list[str] = [_PREAMBLE.rstrip("\n")]
        self._open = ""

    def _close(self, unless: str = "") -> None:
        if self._open and self._open != unless:
            self._lines.append(f"\\end{{{self._open}}}")
            self._open = ""

    def _begin(self, environment: str) -> None:
        self._close(environment)
        if not self._open:
            self._lines.append(f"\\begin{{{environment}}}")
            self._open = environment
            return
        if environment == "align*":
            self._lines[-1] += r" \\"

    def _inline(self, parts: Iterable[str]) -> str:
        return "".join(f"${p}$" if isinstance(p, Math) else _prose(p) for p in parts)

    def title(self, text: str, doc: str) -> None:
        self._lines += [
            f"\\title{{{escape(text)}}}", r"\author{}", r"\date{}", r"\begin{document}",
            r"\maketitle",
        ]  # fmt: skip
        if doc:
            self._lines += ["", *(escape(line) + r"\par" for line in doc.splitlines())]

    def section(self, text: str) -> None:
        self._close()
        self._lines += ["", f"\\section*{{{escape(text)}}}"]

    def heading(self, *parts: str) -> None:
        self._close()
        self._lines += ["", f"\\medskip\\textbf{{{self._inline(parts)}}}\\par"]

    def say(self, *parts: str) -> None:
        self._close()
        self._lines += ["", self._inline(parts)]

    def item(self, *parts: str) -> None:
        self._begin("itemize")
        self._lines.append(f"\\item {self._inline(parts)}")

    def formula(self, left: str, right: str, relation: str = "=") -> None:
        relation = {"~": r"\sim", "∝": r"\propto", "∋": r"\ni"}.get(relation, relation)
        self._begin("align*")
        first, *rest = split_latex(right)
        head = f"{left} &{relation} {first}" if left else f"& {first}"
        self._lines.append(r" \\ ".join([head, *(f"&\\qquad {{}}{r}" for r in rest)]))

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        self._close()
        columns = "l" * (len(rows[0]) - 1) + "p{0.45\\textwidth}"
        self._lines += ["", f"\\begin{{tabular}}{{{columns}}}"]
        self._lines += [" & ".join(self._inline([c]) for c in row) + r" \\" for row in rows]
        self._lines.append(r"\end{tabular}\par")

    def verbatim(self, text: str) -> None:
        self._close()
        self._lines.append("")
        for line in text.splitlines():
            indent = len(line) - len(line.lstrip(" "))
            self._lines.append(f"\\texttt{{{'~' * indent}{escape(line.lstrip(' '))}}}\\par")

    def finish(self) -> str:
        self._close()
        return "\n".join([*self._lines, r"\end{document}"]) + "\n"


def _prose(text: str) -> str:
    """Prose for LaTeX; `code` is set as such."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return "".join(f"\\texttt{{{escape(p)}}}" if i % 2 else escape(p) for i, p in enumerate(parts))


_LINE = 80  # characters of a formula as they are seen, about a line's width


def split_latex(formula: str) -> list[str]:
    """A long formula in parts, cut before a + or - outside braces."""
    parts: list[str] = []
    start = depth = braces = 0
    seen = 0
    best: tuple[int, int, int] | None = None
    i = 0
    while i < len(formula):
        char = formula[i]
        if char == "\\":
            end = i + 1
            while end < len(formula) and formula[end].isalpha():
                end += 1
            seen += 1
            i = max(end, i + 2)
            continue
        braces += (char == "{") - (char == "}")
        depth += (char in "([") - (char in ")]")
        seen += char not in "{} _^"
        signs = char in "+-" and braces == 0 and formula[i - 1 : i] == " " and i > start + 1
        if signs and (best is None or depth <= best[0]):
            best = (depth, i, seen)
        if seen > _LINE and best is not None:
            parts.append(formula[start : best[1]].rstrip())
            start, seen = best[1], seen - best[2]
            best = None
        i += 1
    return [*parts, formula[start:]]
