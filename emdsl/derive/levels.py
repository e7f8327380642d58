"""Where rows are: plates as levels of rows, and the links from rows to other rows.

The elements of nested plates are the rows of one array, `s, t` for t in T[s]; a plate inside that
holds only data and is as long for every element stays an axis of its rows. A reference to another
row goes through a link:

    z[s, t-1]         the row before, in the same sequence
    z[s, parent[t]]   a tree: the row that an index input points to
    truth[item[r]]    a row of another level, by index inputs
    w[s]              the row of the enclosing plate
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from emdsl.derive.refusal import Refused
from emdsl.model.check import references, references_in
from emdsl.model.graph import AxisRef, Expr, Model, Number, Ragged, Ref, Variable
from emdsl.model.lags import lag_of
from emdsl.source import Span


@dataclass(frozen=True, slots=True)
class Level:
    """A path of plates whose elements are rows; `axis` is the name of the rows' axis."""

    plates: tuple[str, ...]

    @property
    def axis(self) -> str:
        return ",".join(self.plates)

    @property
    def label(self) -> str:
        return "_".join(self.plates)


@dataclass(frozen=True, slots=True)
class Place:
    """How a row finds one plate's index of the row it points to.

    `axis`: its own index along a plate, `lag` places before; `array`: its entry of an index input;
    `number`: a fixed place.
    """

    kind: Literal["axis", "array", "number"]
    name: str = ""
    value: int = 0  # the lag of an axis, or the number

    def __str__(self) -> str:
        match self.kind:
            case "axis":
                return f"{self.name}-{self.value}" if self.value else self.name
            case "array":
                return self.name
            case "number":
                return str(self.value)


@dataclass(frozen=True, slots=True)
class Link:
    """From each row of level `source` to a row of level `target`."""

    source: Level
    target: Level
    places: tuple[Place, ...]

    @property
    def own(self) -> bool:
        """Whether a row points to itself."""
        return self.source == self.target and self.up

    @property
    def up(self) -> bool:
        """Whether a row points to the row it is in (or itself)."""
        return self.places == own_places(self.target) and (
            self.source.plates[: len(self.target.plates)] == self.target.plates
        )

    @property
    def shared(self) -> int:
        """How many enclosing rows, outermost first, a row has in common with what it points to."""
        count = 0
        for place, target, source in zip(
            self.places, self.target.plates, self.source.plates, strict=False
        ):
            if place != Place("axis", target) or source != target:
                break
            count += 1
        return count

    @property
    def within(self) -> bool:
        """Whether a row points to another one of its own level, in the same enclosing row."""
        inner = self.source == self.target and not self.up
        return inner and self.places[:-1] == own_places(self.target)[:-1]

    @property
    def lag(self) -> int:
        """How many places before along the innermost plate; 0 where it isn't that."""
        last = self.places[-1]
        own = last.kind == "axis" and last.name == self.target.plates[-1]
        return last.value if self.within and own else 0

    @property
    def label(self) -> str:
        """A name made of the places: `before`, `before_2`, `item`."""
        if self.lag:
            return "before" if self.lag == 1 else f"before_{self.lag}"
        own = own_places(self.target)
        words = [_word(p) for p, q in zip(self.places, own, strict=True) if p != q]
        return "_".join(words)

    def __str__(self) -> str:
        return ", ".join(map(str, self.places))


def own_places(level: Level) -> tuple[Place, ...]:
    """A row's own place."""
    return tuple(Place("axis", p) for p in level.plates)


def _word(place: Place) -> str:
    if place.kind == "axis" and place.value:
        return f"{place.name}_before_{place.value}"
    return str(place)


@dataclass
class Levels:
    """The levels of a model; `latents` names the discrete variables that are summed over.

    Links are noted as they are met: `links` by level and the axis of the latent's value there,
    `views` by level and text for data at other rows.
    """

    model: Model
    latents: tuple[str, ...]
    rows: frozenset[str] = frozenset()
    axes: dict[str, str] = field(default_factory=dict)  # latent -> axis of its own values
    links: dict[tuple[str, str], Link] = field(default_factory=dict)
    of_axis: dict[str, str] = field(default_factory=dict)  # axis -> latent
    views: dict[tuple[str, str, str], Link] = field(default_factory=dict)
    spans: dict[tuple[str, str], Span] = field(default_factory=dict)
    _via: dict[tuple[str, Link], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows = _row_plates(self.model, self.latents)
        taken = {p.axis for p in self.model.plates}
        for name in self.latents:
            axis = name
            while axis in taken:  # a plate index may have the latent's name
                axis += "_"
            taken.add(axis)
            self.axes[name] = axis
            self.of_axis[axis] = name
            level = self.of(self.model.variable(name))
            self.links[level.axis, axis] = Link(level, level, own_places(level))

    # -- levels --

    def of(self, v: Variable) -> Level:
        """The level of a variable: its plates as far as they are rows."""
        return self.of_plates(v.plates)

    def of_plates(self, plates: tuple[str, ...]) -> Level:
        count = 0
        while count < len(plates) and plates[count] in self.rows:
            count += 1
        return Level(plates[:count])

    def inner(self, v: Variable) -> tuple[str, ...]:
        """The plates that are axes of a variable's rows."""
        return v.plates[len(self.of(v).plates) :]

    # -- links --

    def link(self, ref: Ref, level: Level) -> Link:
        """How rows of `level` find the row that a reference to a variable is to."""
        target = self.of(self.model.variable(ref.name))
        places = tuple(self._place(i, level) for i in ref.indices[: len(target.plates)])
        return Link(level, target, places)

    def _place(self, index: Expr, level: Level) -> Place:
        lag = lag_of(index)
        if lag is not None:
            return Place("axis", lag[0], lag[1])
        match index:
            case AxisRef(axis=axis):
                return Place("axis", axis)
            case Number(value=int() as value):
                return Place("number", "", value)
            case Ref(role="input" | "data", name=name) if name not in self.latents:
                if self.link(index, level).up:
                    return Place("array", name)
        raise Refused(
            "computed-index",
            "an index that is computed can't be followed into the derivation",
            index.span,
            "index by a plate, a lag such as t-1, a number, or an `input` with the computed index",
        )

    def axis_of(self, ref: Ref, level: Level) -> str:
        """The axis of a latent's values as rows of `level` see them through a reference.

        One axis for each way of pointing: z at t and z at t - 1 are two.
        """
        link = self.link(ref, level)
        base = self.axes[ref.name]
        if link.up:
            axis = base
        else:
            known = self._via.get((ref.name, link))
            axis = known if known is not None else self._new_axis(ref.name, base, link)
            self._via[ref.name, link] = axis
        self.links[level.axis, axis] = link
        self.of_axis[axis] = ref.name
        self.spans.setdefault((level.axis, axis), ref.span)
        return axis

    def unseen(self, latent: str, level: Level, lag: int, arrays: set[Link]) -> str:
        """The axis of a latent `lag` places before (or at the parent) that no node refers to."""
        if arrays:
            link = next(iter(arrays))
        else:
            *outer, last = own_places(level)
            link = Link(level, level, (*outer, Place("axis", last.name, lag)))
        axis = self._new_axis(latent, self.axes[latent], link)
        self._via[latent, link] = axis
        self.links[level.axis, axis] = link
        self.of_axis[axis] = latent
        return axis

    def _new_axis(self, name: str, base: str, link: Link) -> str:
        own = self.of(self.model.variable(name))
        nested = link.source.plates[: len(own.plates)] == own.plates
        first = not any(n == name and k.source == link.source for n, k in self._via)
        if first and not nested:
            return base  # nothing else of this latent is seen from these rows
        axis = f"{base}_{link.label}"
        taken = {p.axis for p in self.model.plates} | set(self.of_axis)
        while axis in taken:
            axis += "_"
        return axis


def _row_plates(model: Model, latents: tuple[str, ...]) -> frozenset[str]:
    """The plates whose elements are rows: outermost, ragged, with latents, or pointed along."""
    rows = {p.axis for p in model.plates if not p.outer or isinstance(p.extent, Ragged)}
    for v in model.variables:
        if v.role == "latent":
            rows |= set(v.plates)
    for name in latents:
        rows |= set(model.variable(name).plates)
    for v in model.variables:
        if v.dist is None:
            continue
        for ref, _ in references(v.dist):
            if ref.role not in ("latent", "data", "input"):
                continue
            plates = model.variable(ref.name).plates
            for axis, index in zip(plates, ref.indices, strict=False):
                if isinstance(index, AxisRef) and index.axis == axis:
                    continue
                rows.add(axis)
                lag = lag_of(index)
                if lag is not None:
                    rows.add(lag[0])
                elif isinstance(index, AxisRef):
                    rows.add(index.axis)
                for inner, _ in references_in(index):
                    if inner.role in ("data", "input"):
                        rows |= set(model.variable(inner.name).plates)
    for p in model.plates:
        if p.axis in rows:
            rows |= set(p.outer)
    return frozenset(rows)
