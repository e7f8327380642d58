"""A progress bar on standard error. Knows nothing of what is running."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_EVERY = 0.1  # seconds between redraws
_WIDTH = 20


class Bar:
    """Shows restart, iteration and objective on one line, redrawn in place."""

    def __init__(self, shown: bool | None, restarts: int, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        if shown is None:
            shown = bool(getattr(self._stream, "isatty", lambda: False)())
        self.shown = shown
        self._restarts = restarts
        self._next = 0.0
        self._length = 0

    def update(self, restart: int, iteration: int, objective: float, best: float | None) -> None:
        """Redraw, at most ten times a second."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY
        filled = min(_WIDTH, _WIDTH * restart // max(self._restarts, 1))
        bar = "#" * filled + "." * (_WIDTH - filled)
        text = f"[{bar}] restart {restart + 1}/{self._restarts}, iteration {iteration}"
        text += f": {objective:.6f}"
        if best is not None:
            text += f", best {best:.6f}"
        self._write(text)

    def close(self) -> None:
        """Wipe the line."""
        if self._length:
            self._write("")
            self._stream.write("\r")
            self._stream.flush()
            self._length = 0

    def _write(self, text: str) -> None:
        self._stream.write("\r" + text.ljust(self._length))
        self._stream.flush()
        self._length = len(text)
