"""The kinds of value a type can hold. Knows neither shapes nor sizes."""

from __future__ import annotations

from typing import Literal

Kind = Literal[
    "real", "positive", "unit", "int", "count", "bool", "category", "index",
    "simplex", "posdef", "ordered",
]  # fmt: skip

DISCRETE: frozenset[Kind] = frozenset({"int", "count", "bool", "category", "index"})
