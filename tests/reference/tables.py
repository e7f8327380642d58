"""The reference tables: from the gallery's data where they may be copied, else from `../shared`."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
SHARED = ROOT.parent / "shared" / "reference"

Floats = NDArray[np.float64]


def find(name: str) -> Path | None:
    """The table's file, or None where neither place has it."""
    places = (MODELS / "data" / f"{name}.csv", SHARED / "data" / f"{name}.csv")
    return next((path for path in places if path.exists()), None)


@cache
def columns(name: str) -> dict[str, list[str]]:
    """A table's columns as written, by name."""
    path = find(name)
    assert path is not None, f"no table {name}"
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    return {head: [row[i] for row in rows[1:]] for i, head in enumerate(rows[0])}


def column(name: str, head: str) -> Floats:
    """One column as numbers; an empty cell is missing."""
    return np.array([float(cell) if cell else np.nan for cell in columns(name)[head]])


def matrix(name: str, *heads: str) -> Floats:
    """Some columns side by side, or all of them."""
    return np.stack([column(name, head) for head in heads or columns(name)], axis=-1)


def design(name: str, *heads: str) -> Floats:
    """Covariates behind a column of ones."""
    x = matrix(name, *heads)
    return np.column_stack([np.ones(len(x)), x])


@cache
def references() -> dict[str, dict[str, Any]]:
    """The reference cases by id: `references.json` holds those whose data may be copied.

    The others, on data that must stay in `../shared`, are there only where that folder is.
    """
    known = json.loads((Path(__file__).parent / "references.json").read_text())
    path = SHARED / "cases.json"
    if path.exists():
        known += [c for c in json.loads(path.read_text()) if c.get("copy_into_project") is False]
    return {case["id"]: case for case in known}
