"""The gallery's models, and the data that each one's first comment names."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from race import ROOT

FILES = sorted((ROOT / "models").glob("*.em"))


def command(path: Path) -> list[str]:
    """The words of the command in the comment that a model file starts with."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        lines.append(line.removeprefix("# ").removesuffix("\\").strip())
        if not line.endswith("\\"):
            break
    return shlex.split(" ".join(lines))


FITTED = [path for path in FILES if command(path)[:2] == ["emdsl", "fit"]]


def options(path: Path, flag: str) -> dict[str, str]:
    words = command(path)
    return dict(words[i + 1].split("=", 1) for i, word in enumerate(words) if word == flag)


def sizes(path: Path) -> dict[str, int]:
    return {name: int(size) for name, size in options(path, "--set").items()}


def data(path: Path, meta: Any) -> dict[str, NDArray[np.float64]]:
    """The arrays that the model's command reads, with the ids of sequences where it has them."""
    table = np.genfromtxt(
        ROOT / command(path)[3], delimiter=",", names=True, deletechars="", encoding="utf-8"
    )
    heads = list(table.dtype.names or ())
    mapped = options(path, "--data")
    fixed = dict(meta.constants)
    arrays = {}
    for array in (a for a in meta.arrays if a.name not in fixed):
        own = [h for h in heads if h == array.name] or [
            h for h in heads if h.startswith(f"{array.name}[")
        ]
        chosen = mapped[array.name].split(",") if array.name in mapped else own or heads
        columns = [table[head].astype(float) for head in chosen]
        rank = len(array.dims) - row_dims(meta, array) + 1
        arrays[array.name] = columns[0] if rank == 1 else np.stack(columns, axis=-1)
    for plate in meta.plates:
        if plate.over in heads:
            arrays[plate.over] = table[plate.over].astype(float)
    return arrays


def row_dims(meta: Any, array: Any) -> int:
    """How many plate dimensions of an array its rows run through: all down to a ragged one."""
    ragged = [i for i, axis in enumerate(array.axes) if meta.plate(axis).over]
    return max(ragged, default=0) + 1
