"""What a derivation can't do, said with the place in the source. Never a traceback."""

from __future__ import annotations

from emdsl.diagnostics import Diagnostic, Note
from emdsl.source import Span


class Refused(Exception):
    """Raised where a part of the model is outside what can be derived; carries the diagnostic."""

    def __init__(
        self, code: str, message: str, span: Span, hint: str = "", notes: tuple[Note, ...] = ()
    ) -> None:
        super().__init__(message)
        self.diagnostic = Diagnostic(code, message, span, hint, notes)
