"""Rows of nested plates in a `draw` function: their counts, places and numbers, as expressions."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass

from emdsl.ir.nodes import Array, Axis, Bind, Expr, Gather, Lit, Map, Range, Stmt
from emdsl.ir.used import names_in
from emdsl.lower.names import Names, quoted
from emdsl.model import graph as g


@dataclass(frozen=True, slots=True)
class Level:
    """Plates in each other, outermost first, and what holds each row's place along them.

    `places` are names of arrays (rows,); a lone plate needs none.
    """

    axes: tuple[str, ...]
    places: tuple[str, ...]
    row: Axis

    def place(self, axis: str) -> Expr:
        """Every row's place along one of the plates."""
        if len(self.axes) == 1:
            return Range(self.row)
        return Array(self.places[self.axes.index(axis)], (self.row,))


class Levels:
    """Names the levels of a model as they are asked for; `statements` makes what is used."""

    def __init__(self, model: g.Model, names: Names) -> None:
        self.model = model
        self.names = names
        self.known: dict[tuple[str, ...], Level] = {}
        self.starts: dict[str, str] = {}

    def level(self, axes: tuple[str, ...]) -> Level:
        if axes not in self.known:
            if len(axes) == 1:
                made = Level(axes, (), Axis("row", self.dim(axes[0])))
            else:
                places = tuple(self._fresh(a) for a in axes)
                made = Level(axes, places, Axis("row", f"len({places[-1]})"))
            self.known[axes] = made
        return self.known[axes]

    def statements(self, body: list[Stmt]) -> list[Stmt]:
        """What makes the arrays that `body` uses."""
        used, other = names_in(body), self.names.fresh("_")
        out: list[Stmt] = []
        for axis, name in self.starts.items():
            out.append(Bind((name,), "sampling.starts", (self._lengths(axis),)))
        for level in self.known.values():
            names = [p if p in used else other for p in level.places]
            if {*names} <= {other}:
                continue
            while names[:2] == [other, other] or (names[0] == f"*{other}" and names[1] == other):
                names[:2] = [f"*{other}"]
            given = tuple(self._extent(a) for a in level.axes)
            out.append(Bind(tuple(names), "sampling.places", given))
        return out

    def is_ragged(self, axis: str) -> bool:
        return isinstance(self.model.plate(axis).extent, g.Ragged)

    def flat(self, axes: tuple[str, ...]) -> int:
        """How many of a variable's plates are one dimension of rows, to and from the user."""
        return max((i + 1 for i, a in enumerate(axes) if self.is_ragged(a)), default=0)

    def dim(self, axis: str) -> str | int:
        extent = self.model.plate(axis).extent
        if isinstance(extent, g.Fixed):
            return extent.value
        assert isinstance(extent, g.Size)
        return self.names[extent.name]

    def row_of(self, axes: tuple[str, ...], at: tuple[Expr, ...]) -> Expr:
        """The number of the row at these places."""
        row = at[0]
        for axis, place in zip(axes[1:], at[1:], strict=True):
            if self.is_ragged(axis):
                if axis not in self.starts:
                    self.starts[axis] = self._fresh(f"first_{axis}")
                first: Expr = Gather(self.starts[axis], (row,))
            else:
                dim = self.dim(axis)
                size = Lit(dim) if isinstance(dim, int) else Array(dim)
                first = Map("mul", (row, size))
            row = first if place == Lit(0) else Map("add", (first, place))
        return row

    def stride(self, axes: tuple[str, ...], axis: str) -> Expr | None:
        """How many rows lie between neighbours along an axis; None where that differs."""
        inner = axes[axes.index(axis) + 1 :]
        if any(map(self.is_ragged, inner)):
            return None
        dims = [self.dim(a) for a in inner]
        fixed = math.prod(d for d in dims if isinstance(d, int))
        parts: list[Expr] = [Array(d) for d in dims if isinstance(d, str)]
        if fixed != 1 or not parts:
            parts.append(Lit(fixed))
        return parts[0] if len(parts) == 1 else Map("mul", tuple(parts))

    def _fresh(self, stem: str) -> str:
        return self.names.fresh(unicodedata.normalize("NFKC", stem))

    def _lengths(self, axis: str) -> str:
        return f"layout.lengths[{quoted(axis)}]"

    def _extent(self, axis: str) -> str | int:
        return self._lengths(axis) if self.is_ragged(axis) else self.dim(axis)
