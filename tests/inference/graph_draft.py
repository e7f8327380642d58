"""A `.em` file being written, with random data and parameters: see `random_graphs`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Place = tuple[int, ...]


class Choices(Protocol):
    """Where a draft's choices come from."""

    def integer(self, low: int, high: int) -> int:
        """A number from `low` to `high`, both included."""


# --- what has been written ---------------------------------------------------------------------


@dataclass(eq=False)
class Plate:
    """A plate of the file. `lengths` at each place of the plates around it; `links` are the
    index inputs declared in it, with the plate each points into."""

    axis: str
    extent: str
    outer: tuple[Plate, ...]
    lengths: dict[Place, int]
    ragged: bool = False
    kind: str = "plain"  # or "chain", "tree"
    start: str = ""  # the test for a chain's or a tree's beginning
    weight: str = ""
    lines: list[str] = field(default_factory=list)
    inner: list[Plate] = field(default_factory=list)
    links: list[tuple[str, Plate]] = field(default_factory=list)
    arrays: int = 0

    @property
    def path(self) -> tuple[Plate, ...]:
        return (*self.outer, self)

    def places(self) -> list[Place]:
        around = self.outer[-1].places() if self.outer else [()]
        return [(*p, i) for p in around for i in range(self.lengths[p])]

    def at(self) -> str:
        """The indices of what stands in this plate."""
        return ", ".join(p.axis for p in self.path)


@dataclass(eq=False)
class Node:
    """A discrete variable that others may depend on; `truth` is what it really is."""

    name: str
    values: int
    extent: str
    plate: Plate | None
    truth: dict[Place, int]
    hidden: bool = True


@dataclass
class Ref:
    """A node as it is read from another plate; `place` where it is read, at a place there."""

    text: str
    node: Node
    place: Callable[[Place], Place]

    def true(self, here: Place) -> int:
        return self.node.truth[self.place(here)]


@dataclass
class Draft:
    """A model file being written."""

    choices: Choices
    rng: np.random.Generator
    roots: list[Plate] = field(default_factory=list)
    consts: list[str] = field(default_factory=list)
    params: list[str] = field(default_factory=list)
    globals: list[str] = field(default_factory=list)
    hyper: dict[str, int] = field(default_factory=dict)
    values: dict[str, NDArray[Any]] = field(default_factory=dict)
    data: dict[str, NDArray[Any]] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    links: list[tuple[Plate, Plate]] = field(default_factory=list)
    tables: list[tuple[str, tuple[str, ...], str]] = field(default_factory=list)
    chosen: dict[str, dict[Place, int]] = field(default_factory=dict)
    count: int = 0

    # -- choices --

    def chance(self, p: float) -> bool:
        return self.choices.integer(0, 99) >= 100 * (1 - p)

    def pick(self, items: Sequence[T]) -> T:
        return items[self.choices.integer(0, len(items) - 1)]

    def some(self, items: Sequence[T], most: int = 2, least: int = 0) -> list[T]:
        left = list(items)
        count = self.choices.integer(min(least, len(left)), min(most, len(left)))
        return [left.pop(self.choices.integer(0, len(left) - 1)) for _ in range(count)]

    def name(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    # -- text --

    def text(self) -> str:
        header = ", ".join(f"{name} = {k}" for name, k in self.hyper.items())
        out = [f"model Graph({header})" if header else "model Graph"]
        out += [*self.consts, *self.params, *self.globals]
        for p in self.roots:
            out += self._block(p)
        return "\n".join(out) + "\n"

    def _block(self, p: Plate) -> list[str]:
        times = f" times {p.weight}" if p.weight else ""
        body = [*p.lines, *(line for q in p.inner for line in self._block(q))]
        return [f"for {p.axis} in {p.extent}{times}:", *(f"    {line}" for line in body)]

    # -- plates and arrays --

    def plate(
        self,
        axis: str,
        outer: Plate | None,
        most: int,
        kind: str = "plain",
        ragged: bool = False,
        over: Plate | None = None,
    ) -> Plate:
        """A new plate, its size named; ragged ones give their lengths as data.

        over : the plate along which the lengths differ, the nearest if not said.
        """
        around = outer.places() if outer is not None else [()]
        size = axis.upper()
        if ragged:
            assert outer is not None
            over = over or outer
            own = {p: self.choices.integer(1, most) for p in over.places()}
            lengths = {p: own[p[: len(over.path)]] for p in around}
            self.data[size] = np.array(list(own.values()))
            extent = f"{size}[{over.axis}]"
        else:
            n = self.choices.integer(1 if kind == "plain" else 2, most)
            lengths = dict.fromkeys(around, n)
            extent = size
        path = outer.path if outer is not None else ()
        new = Plate(axis, extent, path, lengths, ragged, kind)
        (outer.inner if outer is not None else self.roots).append(new)
        return new

    def put(self, name: str, plate: Plate, each: Callable[[Place], Any]) -> None:
        """Data over a plate: rows down to the deepest ragged plate, then as nested."""
        places = plate.places()
        plate.arrays += 1
        cells = np.array([each(p) for p in places], dtype=float)
        ragged = [i for i, p in enumerate(plate.path) if p.ragged]
        nested = plate.path[ragged[-1] + 1 :] if ragged else plate.path
        shape = tuple(next(iter(p.lengths.values()), 0) for p in nested)
        self.data[name] = cells.reshape((*((-1,) if ragged else ()), *shape, *cells.shape[1:]))

    def weigh(self, plate: Plate) -> None:
        """Weights, whole and not."""
        name = self.name("w")
        plate.weight = f"{name}[{plate.at()}]"
        self.put(name, plate, lambda _: self.pick([1.0, 2.0, 0.5, 0.0, 3.0]))

    def link(self, plate: Plate, to: Plate) -> None:
        """An index input from one plate into another beside it or around it."""
        name = self.name("at")
        plate.lines.append(f"input {name}[{plate.at()}] : index[{to.extent}]")
        most = next(iter(to.lengths.values())) - 1
        chosen = {p: self.choices.integer(0, most) for p in plate.places()}
        self.put(name, plate, lambda p: chosen[p])
        plate.links.append((name, to))
        self.chosen[name] = chosen

    # -- what can be read --

    def refs(self, plate: Plate) -> list[Ref]:
        """Every node that can be read in a plate without asking where it starts."""
        out = []
        for node in self.nodes:
            if node.plate is None:
                out.append(Ref(node.name, node, lambda _: ()))
            elif node.plate in plate.path:
                depth = len(node.plate.path)
                out.append(Ref(f"{node.name}[{node.plate.at()}]", node, _first(depth)))
        for owner in plate.path:
            for name, to in owner.links:
                there = [n for n in self.nodes if n.plate is to]
                out += [self._gathered(n, to, name, owner) for n in there]
        return out

    def _gathered(self, node: Node, to: Plate, name: str, owner: Plate) -> Ref:
        """`node[s, at[s, r]]`: the plates around it are around the reader too."""
        around, depth = "".join(f"{p.axis}, " for p in to.outer), len(owner.path)
        chosen = self.chosen[name]

        def place(here: Place) -> Place:
            return (*here[: len(to.outer)], chosen[here[:depth]])

        return Ref(f"{node.name}[{around}{name}[{owner.at()}]]", node, place)

    def earlier(self, plate: Plate, lag: int = 1) -> Callable[[Node], Ref]:
        """How a node of a chain or a tree is read one step before."""
        around = "".join(f"{p.axis}, " for p in plate.outer)
        if plate.kind == "tree":
            chosen = self.chosen[plate.start]
            at = f"{plate.start}[{plate.at()}]"
            return lambda node: Ref(
                f"{node.name}[{around}{at}]", node, lambda p: (*p[:-1], chosen[p])
            )
        return lambda node: Ref(
            f"{node.name}[{around}{plate.axis}-{lag}]", node, lambda p: (*p[:-1], p[-1] - lag)
        )

    def starts(self, plate: Plate) -> str:
        return (
            f"{plate.start}[{plate.at()}] == {plate.axis}"
            if plate.kind == "tree"
            else plate.start or f"{plate.axis} == 0"
        )

    # -- parameters --

    def table(
        self, kind: str, over: Sequence[Ref], event: tuple[str, ...] = (), axis: Plate | None = None
    ) -> str:
        """A parameter for each value of what is read (and each place of a plate); its text."""
        extents = ([axis.extent] if axis else []) + [r.node.extent for r in over]
        places = ([axis.axis] if axis else []) + [r.text for r in over]
        typed = f"{kind}[{', '.join(event)}]" if event else kind
        if kind == "score":  # of what has no closed M-step: a prior keeps its maximum finite
            typed = f"{typed.replace(kind, 'real')} ~ Normal(0, 1)"
        same = [n for n, e, k in self.tables if e == tuple(extents) and k == typed]
        if same and self.chance(0.15):
            name = self.pick(same)  # tied
        else:
            name = self.name("p")
            batch = f"[{', '.join(extents)}]" if extents else ""
            prior = ""
            if kind == "simplex" and self.chance(0.1):
                prior = f" ~ Dirichlet(2 * ones[{event[0]}])"
            self.params.append(f"param {name}{batch} : {typed}{prior}")
            size = [next(iter(axis.lengths.values()))] if axis else []
            own = [self.hyper.get(e) or int(e) for e in event]
            self.values[name] = self._value(kind, (*size, *(r.node.values for r in over), *own))
            self.tables.append((name, tuple(extents), typed))
        return f"{name}[{', '.join(places)}]" if places else name

    def _value(self, kind: str, size: tuple[int, ...]) -> NDArray[Any]:
        match kind:
            case "simplex":
                return self.rng.dirichlet(np.full(size[-1], 2.0), size=size[:-1])
            case "unit":
                return self.rng.uniform(0.15, 0.85, size)
            case "positive":
                return self.rng.uniform(0.5, 2.5, size)
            case _:
                return self.rng.normal(size=size) * 1.5


def _first(depth: int) -> Callable[[Place], Place]:
    return lambda place: place[:depth]
