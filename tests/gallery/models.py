"""The gallery's files, the command that each one's first comment gives, and its data."""

from __future__ import annotations

import shlex
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emdsl.compiler import Compiled, compile_source, import_text
from emdsl.source import Source

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "models").glob("*.em"))


def source(path: Path) -> Source:
    return Source(path.read_text(encoding="utf-8"), str(path))


def command(path: Path) -> str:
    """The command in the comment that a model file starts with, on one line."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        lines.append(line.removeprefix("# ").removesuffix("\\").strip())
        if not line.endswith("\\"):
            break
    return " ".join(lines)


FITTED = [path for path in FILES if command(path).startswith("emdsl fit ")]
REFUSED = [path for path in FILES if command(path).startswith("emdsl check ")]

each_model = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
each_fitted = pytest.mark.parametrize("path", FITTED, ids=lambda path: path.stem)
each_refused = pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)


@cache
def compiled(path: Path) -> Compiled:
    """What the compiler makes of a file, worked out once for all tests of a process."""
    return compile_source(source(path))


@cache
def module(path: Path) -> Any:
    made = compiled(path)
    return import_text(made.module, made.model.name)


def options(path: Path, flag: str) -> dict[str, str]:
    """What a command gives with `--data name=columns` or `--set name=size`."""
    words = shlex.split(command(path))
    given = [words[i + 1] for i, word in enumerate(words) if word == flag]
    return dict(pair.split("=", 1) for pair in given)


def data(path: Path) -> dict[str, NDArray[np.float64]]:
    """The arrays that a model's command reads."""
    table = np.genfromtxt(
        ROOT / shlex.split(command(path))[3],
        delimiter=",",
        names=True,
        deletechars="",
        encoding="utf-8",
    )
    heads = table.dtype.names
    assert heads is not None
    mapped = options(path, "--data")
    arrays = {}
    meta = module(path).PROGRAM.meta
    fixed = dict(meta.constants)
    for array in (a for a in meta.arrays if a.name not in fixed):
        if array.name in mapped:
            chosen = mapped[array.name].split(",")
        elif array.name in heads:
            chosen = [array.name]
        else:
            own = [head for head in heads if head.startswith(f"{array.name}[")]
            chosen = own or list(heads)
        rank = len(array.dims) - max(_rows(meta, array) - 1, 0)
        columns = [table[head].astype(float) for head in chosen]
        arrays[array.name] = columns[0] if rank == 1 else np.stack(columns, axis=-1)
    for plate in meta.plates:
        if plate.over in heads:  # which sequence each row belongs to
            arrays[plate.over] = table[plate.over].astype(int)
    return arrays


def _rows(meta: Any, array: Any) -> int:
    """How many plate dimensions of an array its rows run through: all down to a ragged one."""
    ragged = [i for i, axis in enumerate(array.axes) if meta.plate(axis).over]
    return max(ragged, default=0) + 1


def sizes(path: Path) -> dict[str, int]:
    return {name: int(size) for name, size in options(path, "--set").items()}
