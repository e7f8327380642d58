"""Diagnostics of a model on standard error, with a count."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from emdsl.cli.terminal import colorful
from emdsl.diagnostics import Diagnostic, Severity, render
from emdsl.source import Source


def show(diagnostics: Sequence[Diagnostic], source: Source) -> None:
    """Every diagnostic with its caret, then how many there are."""
    if not diagnostics:
        return
    print(render(diagnostics, source, color=colorful(sys.stderr)), file=sys.stderr)
    if any(d.severity is Severity.ERROR for d in diagnostics):
        print(f"\n{count(diagnostics)} in {source.name}", file=sys.stderr)


def count(diagnostics: Sequence[Diagnostic]) -> str:
    """`2 errors, 1 warning`."""
    parts = []
    for severity in Severity:
        number = sum(d.severity is severity for d in diagnostics)
        if number:
            parts.append(f"{number} {severity}{'s' if number > 1 else ''}")
    return ", ".join(parts) or "no problems"
