"""The kinds of value a type can hold. Knows neither shapes nor sizes."""

from __future__ import annotations

from typing import Literal

Kind = Literal[
    "real", "positive", "unit", "int", "count", "bool", "category", "index",
    "simplex", "posdef", "ordered", "shape", "orthogonal",
]  # fmt: skip

# Kinds whose values are whole matrices, and kinds whose one extent is written: `simplex[K]`.
MATRICES: frozenset[Kind] = frozenset({"posdef", "orthogonal"})
STRUCTURED: frozenset[Kind] = frozenset({"simplex", "ordered", "shape", *MATRICES})

DISCRETE: frozenset[Kind] = frozenset({"int", "count", "bool", "category", "index"})
