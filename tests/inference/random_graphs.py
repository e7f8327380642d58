"""Random small discrete graphs as `.em` text, with data and parameters.

Plates nest, ragged or not, beside or inside each other; latents stand at any level and depend on
latents around them, on lagged ones (chains, of first and second order, coupled), on a parent's
(trees) and on gathered ones (`truth[item[r]]`). Data are of several kinds with gaps; some elements
are weighted. Every choice is asked of a `Choices`, so that the same writer serves a seeded
generator and a Hypothesis strategy, which can shrink what it finds.

Data are never impossible: values of all latents are drawn first (`truth`), and what is a certain
function of them, or partly seen, agrees with that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.inference.graph_draft import Draft, Node, Place, Plate, Ref

MOST_LATENTS = 4


@dataclass
class Seeded:
    """Choices of a NumPy generator."""

    rng: np.random.Generator

    def integer(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))


@dataclass
class Drawn:
    """Choices that Hypothesis draws."""

    draw: Callable[[st.SearchStrategy[int]], int]

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))


def draft(seed: int) -> Draft:
    """A seeded random graph."""
    rng = np.random.default_rng(seed)
    return _written(Graph(Seeded(rng), rng))


@st.composite
def graphs(draw: Callable[[st.SearchStrategy[int]], int]) -> Draft:
    """Random graphs that Hypothesis can shrink; their numbers are of a seed."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 16)))
    return _written(Graph(Drawn(draw), rng))


# --- plates ------------------------------------------------------------------------------------


def _plain(g: Graph) -> None:
    g.plate("n", None, 4)


def _nested(g: Graph) -> None:
    s = g.plate("s", None, 3)
    t = g.plate("t", s, 3, ragged=g.chance(0.6))
    if g.chance(0.4):
        g.plate("u", t, 2, ragged=g.chance(0.5))


def _beside(g: Graph) -> None:
    s = g.plate("s", None, 3)
    g.plate("t", s, 2, ragged=g.chance(0.5))
    g.plate("j", s, 2, ragged=g.chance(0.5))


def _gather(g: Graph) -> None:
    i = g.plate("i", None, 3)
    outer = g.plate("s", None, 2) if g.chance(0.3) else None
    r = g.plate("r", outer, 4, ragged=outer is not None and g.chance(0.5))
    g.links = [(r, i)] * g.choices.integer(1, 2)


def _gather_inside(g: Graph) -> None:
    s = g.plate("s", None, 2)
    i = g.plate("i", s, 2)
    r = g.plate("r", s, 3, ragged=g.chance(0.5))
    g.links = [(r, i)] * g.choices.integer(1, 2)


def _chain(g: Graph) -> None:
    s = g.plate("s", None, 3) if g.chance(0.6) else None
    t = g.plate("t", s, 4, "chain", ragged=s is not None and g.chance(0.6))
    if g.chance(0.2):
        g.mark_starts(t)
    if g.chance(0.3):
        g.plate("j", t, 2, ragged=g.chance(0.4))


def _deep_chain(g: Graph) -> None:
    """Chains two plates deep, as long as either of the plates around them says."""
    s = g.plate("s", None, 2)
    j = g.plate("j", s, 2, ragged=g.chance(0.4))
    g.plate("t", j, 3, "chain", ragged=True, over=g.pick([s, j]))


def _pointed(g: Graph) -> None:
    """Rows that point to times of a chain."""
    s = g.plate("s", None, 2) if g.chance(0.4) else None
    t = g.plate("t", s, 4, "chain")
    r = g.plate("r", s, 3, ragged=s is not None and g.chance(0.5))
    g.links = [(r, t)]


def _tree(g: Graph) -> None:
    s = g.plate("s", None, 2) if g.chance(0.3) else None
    t = g.plate("t", s, 5, "tree")
    g.parents(t)


def _two(g: Graph) -> None:
    g.plate("n", None, 3)
    g.plate("m", None, 3)


SHAPES: Sequence[Callable[[Graph], None]] = (
    _plain, _nested, _nested, _beside, _gather, _gather_inside, _chain, _chain, _deep_chain,
    _pointed, _tree, _two,
)  # fmt: skip


def _written(g: Graph) -> Graph:
    g.pick(SHAPES)(g)
    if g.chance(0.02):
        g.outside()
    for plate in g.every():
        for where, to in g.links:
            if where is plate:
                g.link(plate, to)
        if plate.kind == "plain" and all(to is not plate for _, to in g.links) and g.chance(0.2):
            g.weigh(plate)
        _fill(g, plate)
    return g


def _fill(g: Graph, plate: Plate) -> None:
    """The latents and data of a plate."""
    read = any(to is plate for _, to in g.links)
    least = int(plate.kind != "plain" or read or (not plate.inner and not g.nodes))
    if plate.kind == "chain" and g.chance(0.25):
        g.coupled(plate)
    else:
        for _ in range(g.choices.integer(least, 2)):
            if len(g.nodes) < MOST_LATENTS:
                g.latent(plate)
    within = any(p.ragged for p in plate.inner) and not plate.ragged  # lengths alone don't say
    must = within or (not plate.inner and not read)
    for _ in range(g.choices.integer(int(must), 2)):
        g.observe(plate)


@dataclass
class Graph(Draft):
    """The writer of latents and data."""

    def every(self) -> list[Plate]:
        """Every plate, as they stand in the file."""
        waiting, out = list(self.roots), []
        while waiting:
            out.append(waiting.pop(0))
            waiting = [*out[-1].inner, *waiting]
        return out

    def mark_starts(self, plate: Plate) -> None:
        """Chains that begin where an input says."""
        name = self.name("first")
        plate.start = f"{name}[{plate.at()}]"
        plate.lines.append(f"input {plate.start} : bool")
        self.put(name, plate, lambda p: p[-1] == 0 or self.chance(0.3))

    def parents(self, plate: Plate) -> None:
        """Trees: everything hangs on something before it, or is its own root."""
        name = plate.start = self.name("up")
        plate.lines.append(f"input {name}[{plate.at()}] : index[{plate.extent}]")
        chosen = {p: self.choices.integer(0, p[-1]) for p in plate.places()}
        self.chosen[name] = chosen
        self.put(name, plate, lambda p: chosen[p])

    def outside(self) -> None:
        """A latent in no plate at all."""
        name = self.name("z")
        self.globals.append(f"latent {name} ~ Categorical({self.table('simplex', [], ('2',))})")
        self.nodes.append(Node(name, 2, "2", None, {(): self.choices.integer(0, 1)}))

    # -- latents --

    def latent(self, plate: Plate) -> None:
        """A latent, or data that are partly seen; in a chain or tree it follows on others."""
        name = self.name("z")
        kind = self.pick(["bool", "two", "two", "three", "named", "certain"])
        around = self.refs(plate)
        fixed = [r for r in around if r.node.extent.isdigit()]
        if kind == "certain" and fixed:
            self.certain(name, plate, self.some(fixed, 2, 1))
            return
        values = 3 if kind == "three" else 2
        extent = str(values)
        if kind == "named":
            extent = self.name("K")
            self.hyper[extent] = values
        truth = {p: self.choices.integer(0, values - 1) for p in plate.places()}
        node = Node(name, values, extent, plate, truth)

        def draw(over: Sequence[Ref]) -> str:
            if kind == "bool":
                return f"Bernoulli({self.table('unit', over)})"
            if self.chance(0.1):
                scores = self.table("score", over, (extent,))
                return f"Categorical(softmax({scores} * {self.covariate(plate)}))"
            return f"Categorical({self.table('simplex', over, (extent,))})"

        start = draw(self.some(around, 1 if plate.kind != "plain" else 2))
        dist = start
        if plate.kind != "plain" and self.chance(0.85):
            dist = self._following(node, plate, around, start, draw)
        role, typed = "latent", ""
        if self.chance(0.15):
            role = "data"
            typed = " : bool" if kind == "bool" else f" : category[{extent}]"
            node.hidden = False
            self.put(name, plate, self._gappy(truth))
        plate.lines.append(f"{role} {name}[{plate.at()}]{typed} ~ {dist}")
        self.nodes.append(node)

    def _following(
        self,
        node: Node,
        plate: Plate,
        around: list[Ref],
        start: str,
        draw: Callable[[Sequence[Ref]], str],
    ) -> str:
        """A start here, and elsewhere what the steps before say, perhaps with what is around."""
        back = self.earlier(plate)
        mine = [n for n in self.nodes if n.plate is plate]
        others = [*map(back, mine), *around]
        if plate.kind == "chain" and not plate.start and self.chance(0.25):
            second = draw([self.earlier(plate, 2)(node), back(node)])
            if self.chance(0.5):
                return f"{start} if {plate.axis} < 2 else {second}"
            first, t = draw([back(node)]), plate.axis
            return f"{start} if {t} == 0 else {first} if {t} == 1 else {second}"
        then = draw([back(node), *self.some(others, 1)])
        return f"{start} if {self.starts(plate)} else {then}"

    def coupled(self, plate: Plate) -> None:
        """Two chains, each of which follows on both."""
        truth = [{p: self.choices.integer(0, 1) for p in plate.places()} for _ in range(2)]
        a, b = (Node(self.name("z"), 2, "2", plate, t) for t in truth)
        back, around = self.earlier(plate), self.refs(plate)
        here = Ref(f"{a.name}[{plate.at()}]", a, lambda p: p)
        other = here if self.chance(0.5) else back(a)
        for node, over in ((a, [back(a), back(b)]), (b, [back(b), other])):
            start = self.table("unit", self.some(around, 1))
            then = self.table("unit", over)
            dist = f"Bernoulli({start}) if {self.starts(plate)} else Bernoulli({then})"
            plate.lines.append(f"latent {node.name}[{plate.at()}] ~ {dist}")
        self.nodes += [a, b]

    def certain(self, name: str, plate: Plate, over: Sequence[Ref]) -> None:
        """A latent that is a function of others."""
        shape = tuple(r.node.values for r in over)
        table = self.rng.integers(0, 2, shape)
        table.flat[0], table.flat[-1] = 0, 1
        const = self.name("c")
        self.consts.append(f"const {const} = {table.tolist()}")
        truth = {p: int(table[tuple(r.true(p) for r in over)]) for p in plate.places()}
        read = ", ".join(r.text for r in over)
        plate.lines.append(f"latent {name}[{plate.at()}] : category[2] ~ Delta({const}[{read}])")
        self.nodes.append(Node(name, 2, "2", plate, truth))

    # -- data --

    def observe(self, plate: Plate) -> None:
        """Data that depend on up to two of what can be read."""
        around = self.refs(plate)
        recent = [r for r in around if r.node.plate is not None and len(r.node.plate.path) > 1]
        first = self.some(recent or around, 1, 1)
        rest = [r for r in around if r not in first]
        over = [*first, *self.some(rest, 1)] if around else []
        if self.chance(0.2):
            over.append(self.group(plate))
        name = self.name("x")
        axis = plate if self.chance(0.12) and plate.outer and not plate.ragged else None
        kinds = ["categorical", "bernoulli", "normal", "poisson", "several", "exposure"]
        kinds += ["log-linear", "logistic"]
        kinds += ["delta"] * all(r.node.extent.isdigit() for r in over) * bool(over)
        kinds += ["inflated", "choice", "sum"] * bool(over)
        kinds += ["lagged", "regressed"] * (plate.kind == "chain")
        match self.pick(kinds):
            case "categorical":
                p = self.table("simplex", over, ("3",), axis)
                self.emit(name, plate, " : category[3]", f"Categorical({p})", self._category)
            case "bernoulli":
                p = self.table("unit", over, (), axis)
                self.emit(name, plate, " : bool", f"Bernoulli({p})", self._bit)
            case "several":
                p = self.table("unit", over, ("2",), axis)
                each = lambda _: self.rng.integers(0, 2, 2)  # noqa: E731
                self.emit(name, plate, " : bool[2]", f"Bernoulli({p})", each)
            case "normal":
                mean = self.table("real", over, (), axis)
                sd = self.table("positive", over[: self.choices.integer(0, 1)])
                self.emit(name, plate, "", f"Normal({mean}, {sd})", self._real)
            case "sum":
                mean = " + ".join(self.table("real", [r]) for r in over)
                self.emit(
                    name, plate, "", f"Normal({mean}, {self.table('positive', [])})", self._real
                )
            case "poisson":
                rate = self.table("positive", over, (), axis)
                self.emit(name, plate, " : count", f"Poisson({rate})", self._whole)
            case "exposure":
                given = self.name("e")
                plate.lines.append(f"input {given}[{plate.at()}] : positive")
                self.put(given, plate, lambda _: self.rng.uniform(0.5, 2))
                rate = f"{self.table('positive', over)} * {given}[{plate.at()}]"
                self.emit(name, plate, " : count", f"Poisson({rate})", self._whole)
            case "log-linear":
                rate = f"Poisson(log = {self.predictor(plate, over)})"
                self.emit(name, plate, " : count", rate, self._whole)
            case "logistic":
                odds = f"Bernoulli(logit = {self.predictor(plate, over)})"
                self.emit(name, plate, " : bool", odds, self._bit)
            case "delta":
                self.mapped(name, plate, over)
            case "inflated":
                test, rate = over[0], self.table("positive", over[1:])
                k = self.choices.integer(0, test.node.values - 1)
                each = lambda p: self.rng.poisson(1.5) if test.true(p) == k else 0  # noqa: E731
                dist = f"Poisson({rate}) if {test.text} == {k} else Delta(0)"
                self.emit(name, plate, " : count", dist, each)
            case "choice":
                a, b = (self.table("real", over[1:]), self.table("real", []))
                test = f"{over[0].text} == {self.choices.integer(0, over[0].node.values - 1)}"
                dist = (
                    f"Normal({a}, 1) if {test} else Normal({b}, var = {self.table('positive', [])})"
                )
                self.emit(name, plate, " : real", dist, self._real)
            case "lagged":
                self.lagged(name, plate, over)
            case _:
                back = f"{name}[{''.join(f'{p.axis}, ' for p in plate.outer)}{plate.axis}-1]"
                slope, level = self.table("real", over), self.table("real", [])
                mean = f"({level} if {self.starts(plate)} else {slope} * {back})"
                plate.lines.append(f"data {name}[{plate.at()}] : real ~ Normal({mean}, 1)")
                self.put(name, plate, self._real)

    def predictor(self, plate: Plate, over: Sequence[Ref]) -> str:
        """A regression on a covariate, its coefficients those of what is read."""
        level = self.table("score", over[: self.choices.integer(0, 1)])
        return f"{level} + {self.table('score', over)} * {self.covariate(plate)}"

    def covariate(self, plate: Plate) -> str:
        name = self.name("u")
        plate.lines.append(f"input {name}[{plate.at()}] : real")
        self.put(name, plate, lambda _: self.rng.normal())
        return f"{name}[{plate.at()}]"

    def group(self, plate: Plate) -> Ref:
        """An input that says which group an element is of."""
        name, values = self.name("g"), self.choices.integer(2, 3)
        extent = self.name("G") if self.chance(0.5) else str(values)
        kind = "index" if self.chance(0.5) else "category"
        truth = {p: i % values for i, p in enumerate(plate.places())}
        values = max(truth.values(), default=0) + 1 if not extent.isdigit() else values
        plate.lines.append(f"input {name}[{plate.at()}] : {kind}[{extent}]")
        self.put(name, plate, lambda p: truth[p])
        return Ref(f"{name}[{plate.at()}]", Node(name, values, extent, plate, truth), lambda p: p)

    def lagged(self, name: str, plate: Plate, over: Sequence[Ref]) -> None:
        """A category that depends on the one before; gaps are summed over."""
        truth = {p: self.choices.integer(0, 1) for p in plate.places()}
        node = Node(name, 2, "2", plate, truth, hidden=False)
        start = self.table("simplex", [], ("2",))
        then = self.table("simplex", [self.earlier(plate)(node), *over[:1]], ("2",))
        dist = f"Categorical({start}) if {self.starts(plate)} else Categorical({then})"
        each = (lambda p: truth[p]) if self.chance(0.8) else self._gappy(truth)
        plate.lines.append(f"data {name}[{plate.at()}] : category[2] ~ {dist}")
        self.put(name, plate, each)
        self.nodes.append(node)

    def _gappy(self, truth: dict[Place, int]) -> Callable[[Place], float]:
        return lambda p: np.nan if self.chance(0.5) else truth[p]

    def mapped(self, name: str, plate: Plate, over: Sequence[Ref]) -> None:
        """Data that are a function of latents, as the truth has it."""
        table = self.rng.integers(0, 3, tuple(r.node.values for r in over))
        table.flat[0], table.flat[-1] = 0, 2
        const = self.name("c")
        self.consts.append(f"const {const} = {table.tolist()}")
        read = ", ".join(r.text for r in over)
        each = lambda p: table[tuple(r.true(p) for r in over)]  # noqa: E731
        self.emit(name, plate, " : category[3]", f"Delta({const}[{read}])", each)

    def emit(
        self, name: str, plate: Plate, typed: str, dist: str, each: Callable[[Place], Any]
    ) -> None:
        plate.lines.append(f"data {name}[{plate.at()}]{typed} ~ {dist}")
        gaps = self.chance(0.4)

        def cell(p: Place) -> Any:
            x = np.asarray(each(p), dtype=float)
            return np.where(self.rng.random(x.shape) < 0.3, np.nan, x) if gaps else x

        self.put(name, plate, cell)

    def _category(self, _: Place) -> int:
        return int(self.rng.integers(0, 3))

    def _bit(self, _: Place) -> int:
        return int(self.rng.integers(0, 2))

    def _real(self, _: Place) -> float:
        return float(self.rng.normal() * 2)

    def _whole(self, _: Place) -> int:
        return int(self.rng.poisson(1.5))
