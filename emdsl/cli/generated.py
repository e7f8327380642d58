"""The generated module of a model, compiled once and kept in the user's cache folder.

The key is the model's text and name, how its data are to be written, the compiler's version and
the state of its files, so that neither an edited model nor an upgraded emdsl ever meets an old
module. A module found there is imported without loading SymPy or Lark.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from keyword import iskeyword
from pathlib import Path
from types import ModuleType

from emdsl import __version__
from emdsl.cli.errors import InputError
from emdsl.cli.files import write_file
from emdsl.diagnostics import Bug
from emdsl.source import Source

_KEPT = 30 * 24 * 3600.0  # seconds
_RUNTIME_ONLY = frozenset({"cli", "runtime", "__pycache__"})  # they don't shape a module


@dataclass(frozen=True, slots=True)
class Generated:
    """A generated module and the file it was imported from."""

    module: ModuleType
    path: Path


def load(source: Source, *, quiet: bool = False, augment: bool | None = None) -> Generated:
    """The module of a model, from the cache or compiled; warnings are shown either way."""
    path = _folder() / f"{module_stem(source.name)}_{_key(source, augment)}.py"
    warned = path.with_suffix(".warnings")
    if not path.is_file():
        from emdsl.compiler import compile_source
        from emdsl.diagnostics import render

        compiled = compile_source(source, augment=augment)
        if compiled.warnings:
            write_file(warned, render(compiled.warnings, source))
        write_file(path, compiled.module)
        _forget_old(path.parent)
    if warned.is_file() and not quiet:
        print(warned.read_text(encoding="utf-8"), file=sys.stderr)
    return Generated(_import(path), path)


def module_stem(name: str) -> str:
    """A module name for a model's file name that shadows nothing one would import."""
    stem = "model" if name.startswith("<") else Path(name).name.removesuffix(".em")
    stem = re.sub(r"\W", "_", stem, flags=re.ASCII) or "model"
    taken = iskeyword(stem) or stem in _TAKEN or stem in sys.stdlib_module_names
    if taken or not stem.isidentifier():
        stem = f"em_{stem}"
    return stem


_TAKEN = frozenset({"emdsl", "numpy", "scipy", "sympy", "lark"})


def _import(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise Bug(f"{path} can't be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _folder() -> Path:
    """The cache folder, or a temporary one where there is no writing to it."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("EMDSL_CACHE") or Path(base) / "emdsl")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except (OSError, ValueError, RuntimeError):  # RuntimeError: there is no home
        writable = False
    if writable:
        return folder
    try:
        return Path(tempfile.mkdtemp(prefix="emdsl-"))
    except OSError:
        raise InputError(
            "there is no folder to keep the generated module in",
            "set EMDSL_CACHE to a folder that can be written",
        ) from None


def _forget_old(folder: Path) -> None:
    """Remove what was compiled long ago; whoever still needs it compiles it again."""
    for path in folder.glob("*_????????????????.*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - _KEPT:
                path.unlink()


def _key(source: Source, augment: bool | None) -> str:
    parts = (source.name, source.text, str(augment), __version__, _state_of_compiler(), sys.version)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _state_of_compiler() -> str:
    """Size and time of every file that shapes a generated module."""
    package = Path(__file__).parents[1]
    rows = []
    for top in (package, package / "grammars", package.parent / "grammars"):
        for folder, inner, files in os.walk(top):
            inner[:] = sorted(set(inner) - _RUNTIME_ONLY)
            for name in sorted(files):
                if name.endswith((".py", ".lark")):
                    stat = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118 - 4x faster
                    rows.append(f"{name} {stat.st_size} {stat.st_mtime_ns}")
    return "\n".join(rows)
