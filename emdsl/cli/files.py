"""Files: models read as `Source`, anything else as bytes, and writing that is all or nothing."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from emdsl.cli.errors import InputError, UsageError
from emdsl.source import Source

STDIN = "-"


def read_bytes(name: str) -> bytes:
    """The bytes of a file, or of standard input for `-`."""
    if name == STDIN:
        return sys.stdin.buffer.read()
    path = Path(name)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"there is no file {name}", _nearby(path)) from None
    except IsADirectoryError:
        raise InputError(f"{name} is a folder, not a file") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise InputError(f"{name} can't be read: {reason(error)}") from None


def read_model(name: str) -> Source:
    """A model's source; raises `CompileError` where it isn't UTF-8."""
    data = read_bytes(name)
    shown = "<stdin>" if name == STDIN else name
    try:
        return Source(data.decode("utf-8-sig"), shown)
    except UnicodeDecodeError:
        from emdsl.syntax.parse import read_source

        return read_source(data, shown)


def write_bytes(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Have `write` fill a new file, then put it in the place of `path` at once.

    A link is written through, and an existing file keeps its permissions.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():  # a pipe or a device: there is nothing to replace
        if target.is_dir():
            raise InputError(f"{path} is a folder, not a file")
        with _writing(path), target.open("wb") as device:
            write(device)
        return
    with _writing(path):
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
            os.chmod(name, _mode(target))  # noqa: PTH101 - the name, as mkstemp gave it
            os.replace(name, target)  # noqa: PTH105 - the name, as mkstemp gave it
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)  # noqa: PTH108 - the name, as mkstemp gave it
            raise


def verify_writable(path: Path) -> None:
    """There is a folder to write `path` in, and no folder in its place."""
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a file")
    if not path.parent.is_dir():
        raise InputError(f"{path} can't be written: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path} can't be written: permission denied")


def write_file(path: Path, text: str) -> None:
    """Put `text` in the place of `path` at once, in UTF-8, line ends as they are."""
    write_bytes(path, lambda file: file.write(text.encode("utf-8")))


def once_stdin(*names: str) -> None:
    """Standard input can stand for one file only."""
    if names.count(STDIN) > 1:
        raise UsageError("only one file can be standard input (-)")


def reason(error: Exception) -> str:
    """Why the system refused, in a few words: `permission denied`."""
    text = getattr(error, "strerror", None) or str(error)
    return text[:1].lower() + text[1:]


@contextlib.contextmanager
def _writing(path: Path):  # type: ignore[no-untyped-def]  # a context manager of nothing
    try:
        yield
    except BrokenPipeError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path} can't be written: there is no folder {path.parent}") from None
    except OSError as error:
        raise InputError(f"{path} can't be written: {reason(error)}") from None


def _mode(target: Path) -> int:
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _nearby(path: Path) -> str:
    """A file of the same name elsewhere in reach, or one beside it with a name much like it."""
    from difflib import get_close_matches

    try:
        beside = [p.name for p in path.parent.iterdir() if p.is_file()]
    except OSError:
        return f"there is no folder {path.parent}"
    matches = get_close_matches(path.name, beside, n=1)
    return f"did you mean {path.parent / matches[0]}?" if matches else ""
