"""What functions of a block of rows fetch: arrays by their own rows, and views of other rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emdsl.derive.atoms import Centered, Elem, Seen
from emdsl.derive.levels import Link
from emdsl.ir.nodes import Assign, Axis, Bind, Expr, Item, Map, Stmt, Whole, axes_of
from emdsl.lower.context import PieceContext
from emdsl.lower.names import quoted
from emdsl.lower.scalar import ScalarLowering


@dataclass(frozen=True)
class Views:
    """What a features function reads: arrays by their own rows, and views of other rows.

    A view is (key, array, link); array "#t" is the index along plate t.
    """

    arrays: tuple[str, ...]
    views: tuple[tuple[str, str, Link | None], ...]

    def __or__(self, other: Views) -> Views:
        """What either reads."""
        views = {v[0]: v for v in (*self.views, *other.views)}
        return Views(tuple(dict.fromkeys((*self.arrays, *other.arrays))), tuple(views.values()))


class BlockContext(PieceContext):
    """Writes functions of one piece's blocks; `wanted` is what each of them was found to need."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.wanted: list[dict[str, object]] = []

    def views(self) -> Views:
        """What the functions written need of other rows, and of enclosing ones."""
        arrays: list[str] = []
        views: list[tuple[str, str, Link | None]] = []
        for key, atom in sorted({k: v for w in self.wanted for k, v in w.items()}.items()):
            kind, _, name = key.partition(" ")
            if kind == "data" and isinstance(atom, Elem) and atom.role != "const":
                arrays += [name] if self.model.variable(name).plates else []
            elif kind == "view":
                assert isinstance(atom, Elem)
                if atom.via == "#":
                    views.append((name, name, None))
                else:
                    link = self.levels.views[self.plan.plate, atom.name, atom.via]
                    views.append((name, atom.name, link))
        return Views(tuple(arrays), tuple(views))

    def data_arrays(self, s: ScalarLowering) -> list[Stmt]:
        """Fetch what the features were found to need; centred arrays last."""
        body: list[Stmt] = [Bind(("B",), "int", ('block["block width"]',))]
        centred = [(v[0], v[1]) for k, v in s.wants.items()
                   if k.startswith("centered ") and isinstance(v, tuple)]  # fmt: skip
        tail: list[Stmt] = []
        for name, atom in centred:
            assert isinstance(atom, Centered)
            elem = s.lower(self.atoms.symbol(atom.of))
            offset = s.lower(-atom.offset)
            whole: Expr = Map(atom.through, (elem,)) if atom.through else elem
            value = Map("add", (whole, offset))
            tail.append(Assign(name, Whole(value, axes_of(elem))))
        known: list[Stmt] = []
        for key in sorted(s.wants):
            kind, _, name = key.partition(" ")
            atom = s.wants[key]
            if kind == "data":
                body.append(Item(self.names[name], "block", quoted(name), self.stored(name, s)))
            elif kind == "view":
                assert isinstance(atom, Elem)
                axes = (self.plate,) if atom.via == "#" else self.stored(atom.name, s)
                body.append(Item(s.view_name(atom), "block", quoted(name), axes))
            elif kind in ("known", "mask"):
                seen = f"seen_{self.names[name]}"
                item = Item(seen, "block", quoted(f"{name} observed"), (), optional=True)
                if item not in body:
                    body.append(item)
                if kind == "known":
                    assert isinstance(atom, Seen)
                    inner = [str(s.axis(str(ix)).dim) for ix in (*atom.idx[1:], atom.idx[0])]
                    shape = f"({', '.join(inner)}{',' * (len(inner) == 1)})"
                    known.append(Bind((f"known_{self.names[name]}",), "nm.known", (seen, shape)))
            elif kind == "pivot":
                body.append(Item(s.pivot_name(name), "pivot", quoted(name)))
        return [*body, *known, *s.flush(), *tail]

    def stored(self, name: str, s: ScalarLowering) -> tuple[Axis, ...]:
        """A data array's dimensions as the engine keeps them: the plate last."""
        const = next((c for c in self.model.consts if c.name == name), None)
        if const is not None:
            return tuple(Axis(str(i), s.dim(e)) for i, e in enumerate(const.shape))
        v = self.model.variable(name)
        inner = [Axis(a, s.dim(self.model.plate(a).extent)) for a in self.levels.inner(v)]
        event = [Axis(str(i), s.dim(e)) for i, e in enumerate(v.type.shape)]
        first = [self.plate] if v.plates else []
        return (*inner, *event, *first)
