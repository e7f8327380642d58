"""Standard output and standard error, with colour only where a person looks at them."""

from __future__ import annotations

import os
import sys
from typing import TextIO

_CODES = {"error": "1;31", "warning": "1;33", "help": "36", "bold": "1", "dim": "2"}


def colorful(stream: TextIO) -> bool:
    """Whether `stream` is a terminal whose user hasn't asked for no colour (NO_COLOR)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def paint(text: str, style: str, stream: TextIO) -> str:
    """The text in a style of `_CODES` where `stream` shows colours."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if colorful(stream) else text


def say(kind: str, message: str, hint: str = "") -> None:
    """`emdsl: kind: message` on standard error, with a line of help."""
    print(f"emdsl: {paint(kind, kind, sys.stderr)}: {message}", file=sys.stderr)
    if hint:
        print(f"  {paint('help', 'help', sys.stderr)}: {hint}", file=sys.stderr)


def note(message: str) -> None:
    """A remark on standard error."""
    print(f"emdsl: note: {message}", file=sys.stderr)


def write_text(text: str) -> None:
    """Exactly this text on standard output, in UTF-8 whatever the locale."""
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:
        sys.stdout.write(text)
        return
    sys.stdout.flush()
    buffer.write(text.encode("utf-8"))
    buffer.flush()


def quiet_stdout() -> None:
    """Nobody reads standard output any more: what is still buffered goes nowhere."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # there is no file behind it
        sys.stdout = None  # as where Python starts without one
