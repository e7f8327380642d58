"""What a command says when it can't go on for a reason that lies outside emdsl."""

from __future__ import annotations

from collections.abc import Iterable

from emdsl.diagnostics import Exit

INTERRUPTED = 130  # as shells report a command that Ctrl-C ended
BROKEN_PIPE = 141  # as shells report a command whose reader went away


class InputError(Exception):
    """A problem in the user's files or values: lower case, no full stop, with a way out."""

    code = Exit.INPUT

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(InputError):
    """Arguments that don't make a command."""

    code = Exit.USAGE


def near(word: str, known: Iterable[str]) -> str:
    """`did you mean ...?` where something known is close to `word`, or nothing."""
    from difflib import get_close_matches

    matches = get_close_matches(word, list(known), n=2)
    return f"did you mean {' or '.join(matches)}?" if matches else ""
