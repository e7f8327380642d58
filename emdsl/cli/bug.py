"""A bug in emdsl: said to be one, with a file that holds what is needed to find it."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback

from emdsl import __version__
from emdsl.cli import terminal
from emdsl.diagnostics import Exit


def report(error: BaseException) -> int:
    """Write the traceback to a file and tell the user what to do with it."""
    summary = traceback.format_exception_only(error)[-1].strip().split("\n")[0]
    print(
        f"emdsl: {terminal.paint('internal error', 'error', sys.stderr)}: {summary[:400]}",
        file=sys.stderr,
    )
    where = _write(error)
    print(
        "  this is a bug in emdsl, not a mistake of yours\n"
        "  please report it to the maintainers with the model, the command and\n"
        f"  {where}",
        file=sys.stderr,
    )
    return Exit.BUG


def _write(error: BaseException) -> str:
    text = "\n".join(
        [
            f"emdsl {__version__}, Python {platform.python_version()}, {platform.platform()}",
            f"command: {sys.argv}",
            *_versions(),
            "",
            "".join(traceback.format_exception(error)),
        ]
    )
    try:
        handle, name = tempfile.mkstemp(prefix="emdsl-bug-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        return "what it prints with --debug"
    return f"the traceback in {name}"


def _versions() -> list[str]:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for package in ("numpy", "scipy", "sympy", "lark"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed")
    return found
