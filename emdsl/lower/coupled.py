"""The finite E-step of coupled rows as statements: the schedule forward, then backward.

Forward, each step makes a factor from factors. Backward, each factor's posterior comes from that
of the factor it went into: the derivative of the log evidence with respect to its logarithm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from emdsl.derive.levels import Level
from emdsl.derive.table import Atoms
from emdsl.inference.plan import Plan, Structure
from emdsl.inference.schedule import Send, SumOut, Walk
from emdsl.ir.nodes import (
    Array,
    Assign,
    Axis,
    Bind,
    Comment,
    Contract,
    Expr,
    Function,
    Item,
    Map,
    Return,
    Stmt,
    Whole,
)
from emdsl.ir.used import names_in
from emdsl.lower.names import Names, quoted
from emdsl.lower.scalar import ScalarLowering
from emdsl.model.graph import Model

_ARGS = (
    ("potentials", "rt.Potentials"),
    ("ties", "rt.Ties"),
    ("layout", "rt.Layout"),
    ("how", "rt.How"),
)


@dataclass(frozen=True)
class _Made:
    """A factor in the generated function: its name, and its axes in storage order."""

    name: str
    axes: tuple[Axis, ...]


class Coupling:
    """Writes the `infer` function of one structure, and the metadata of its links and walks."""

    def __init__(self, plan: Plan, structure: Structure, model: Model, names: Names) -> None:
        self.plan = plan
        self.structure = structure
        self.model = model
        self.atoms: Atoms = plan.derived.joint.atoms
        self.levels = plan.derived.joint.levels
        self.scalars = ScalarLowering(self.atoms, names, frozenset())
        self.sends: list[Send] = []
        self.walks: list[Walk] = []
        self.made: dict[int, _Made] = {}
        self.taken: set[str] = set()

    @property
    def label(self) -> str:
        pieces = [self.plan.pieces[i] for i in self.structure.pieces]
        return "_and_".join(p.label for p in pieces)

    # -- axes and names --

    def _row(self, level: Level) -> Axis:
        return Axis(level.axis or "one", f"rows_{level.label}" if level.plates else 1)

    def _latent(self, axis: str) -> Axis:
        return Axis(axis, self.scalars.dim(self.atoms.axes[axis].extent))

    def _axes(self, names: tuple[str, ...]) -> tuple[Axis, ...]:
        return tuple(self._latent(a) for a in names)

    def _name(self, stem: str) -> str:
        name, count = stem, 1
        while name in self.taken:
            count += 1
            name = f"{stem}_{count}"
        self.taken.add(name)
        return name

    def _array(self, i: int) -> Array:
        return Array(self.made[i].name, self.made[i].axes)

    def _product(self, inputs: tuple[int, ...]) -> Expr:
        """The sum of log factors."""
        arrays = tuple(self._array(i) for i in inputs)
        return arrays[0] if len(arrays) == 1 else Map("add", arrays)

    # -- the function --

    def infer(self) -> Function:
        body: list[Stmt] = []
        self._fetch(body)
        backward: list[list[Stmt]] = []
        for number, step in enumerate(self.structure.schedule.steps):
            match step:
                case Send():
                    backward.append(self._send(step, body))
                case SumOut():
                    backward.append(self._sum_out(step, body))
                case Walk():
                    backward.append(self._walk(step, number, body))
        if backward:
            body.append(Comment("backward: the posterior of each factor's latents"))
        for part in reversed(backward):
            body += part
        evidence = self._evidence()
        posteriors = [f"post_{self.made[i].name}" for i in range(len(self.structure.clusters))]
        body.append(Return((f"{{{evidence}}}", _tuple(posteriors))))
        used = names_in(body)
        sizes: list[Stmt] = [
            Item(self.scalars.names[z.name], "layout.sizes", quoted(z.name))
            for z in self.model.sizes
            if self.scalars.names[z.name] in used
        ]
        sizes += [
            Item(f"rows_{level.label}", "ties.rows", quoted(level.axis))
            for level in dict.fromkeys(f.level for f in self.structure.schedule.factors)
            if f"rows_{level.label}" in used and level.plates
        ]
        return Function(
            f"infer_{self.label}",
            _ARGS,
            "rt.Coupled",
            "Log evidence by level, and the posterior of each cluster of latents.\n\n"
            + "\n".join(self.story())
            + "\n",
            (*sizes, *body),
        )

    def story(self) -> list[str]:
        """The steps in words."""
        out = []
        for i, step in enumerate(self.structure.schedule.steps, 1):
            match step:
                case Send(link=link):
                    text = f"add up the factors of rows {link.source.axis} where ({link}) points"
                case SumOut(level=level, latent=latent):
                    text = f"sum out {latent} in each row of {level.axis}"
                case Walk(level=level, steps=steps, outer=outer):
                    given = f", given {', '.join(outer)}," if outer else ""
                    text = f"sum out {', '.join(steps[0])}{given} along {level.plates[-1]}"
                    text += ": forward-backward" if step.link.lag else ": upward-downward"
            out.append(f"{i}. {text}")
        return out

    def _evidence(self) -> str:
        parts: dict[str, list[str]] = {}
        for i, f in enumerate(self.structure.schedule.factors):
            if not f.axes and i in self.made:
                parts.setdefault(f.level.axis, []).append(self.made[i].name)
        return ", ".join(f"{quoted(axis)}: {' + '.join(names)}" for axis, names in parts.items())

    def _fetch(self, body: list[Stmt]) -> None:
        """The given factors by name."""
        shared = self._tables()
        for i, (piece, cluster) in enumerate(self.structure.clusters):
            plan = self.plan.pieces[piece]
            latents = plan.clusters[cluster].latents
            name = self._name(f"log_{'_'.join(latents)}_at_{plan.label}")
            last = shared.get(i, self._row(plan.level))
            self.made[i] = _Made(name, (*self._axes(latents), last))
            here = self.structure.pieces.index(piece)
            given = ", ".join(latents)
            body.append(Comment(f"log p of what depends on {given}, for each row of {plan.plate}"))
            shape = ", ".join(str(a.dim) for a in self._axes(latents))
            body.append(Bind((name,), "", (f"potentials[{here}][{cluster}].reshape({shape}, -1)",)))

    def _tables(self) -> dict[int, Axis]:
        """The last axis of those given factors that are tables: of which walk they are."""
        out: dict[int, Axis] = {}
        walks = [s for s in self.structure.schedule.steps if isinstance(s, Walk)]
        for number, step in enumerate(walks):
            for i in step.pair:
                if self.is_shared(i):
                    out[i] = Axis(f"tables {number}", f"ties.walks[{number}].tables")
        return out

    def is_shared(self, factor: int) -> bool:
        """Whether a given factor's potentials are tables."""
        if factor >= len(self.structure.clusters):
            return False
        piece, cluster = self.structure.clusters[factor]
        return self.plan.pieces[piece].clusters[cluster].shared

    # -- steps: each appends its forward statements and returns its backward ones --

    def _send(self, step: Send, body: list[Stmt]) -> list[Stmt]:
        self.sends.append(step)
        tie = f"ties.links[{len(self.sends) - 1}]"
        source, target = step.link.source, step.link.target
        renamed = dict(step.axes)
        first = self.made[step.inputs[0]].axes
        axes = (*(self._latent(renamed[a.name]) for a in first[:-1]), self._row(target))
        latents = "_".join(a.name for a in axes[:-1])
        name = self._name(f"sent_{latents}_to_{target.label}")
        body.append(Comment(f"add up what rows {source.axis} say of {latents.replace('_', ', ')} "
                            f"where ({step.link}) points"))  # fmt: skip
        body.append(Bind((name,), f"{tie}.add", (Whole(self._product(step.inputs), first),)))
        self.made[step.output] = _Made(name, axes)
        return [
            Bind((f"post_{self.made[i].name}",), f"{tie}.take", (f"post_{name}",))
            for i in step.inputs
        ]

    def _sum_out(self, step: SumOut, body: list[Stmt]) -> list[Stmt]:
        row = self._row(step.level)
        axes = (self._latent(step.latent), *self._axes(step.rest), row)
        joint = self._name(f"joint_{step.latent}")
        body.append(Comment(f"sum out {step.latent} in each row of {step.level.axis}"))
        body.append(Bind((joint,), "np.array", (Whole(self._product(step.inputs), axes, True),)))
        name = self._name(f"message_{step.latent}")
        body.append(Bind((name,), "how.eliminate", (joint,)))
        self.made[step.output] = _Made(name, axes[1:])
        back: list[Stmt] = []
        whole: Expr = Array(joint, axes)
        if step.rest:
            whole = Map("mul", (whole, Array(f"post_{name}", axes[1:])))
            back.append(Assign(joint, Whole(whole, axes)))
            whole = Array(joint, axes)
        back += [self._marginal(i, whole, axes) for i in step.inputs]
        return back

    def _marginal(self, factor: int, whole: Expr, axes: tuple[Axis, ...]) -> Stmt:
        """A factor's posterior from that of the product it is in."""
        made = self.made[factor]
        extra = tuple(a for a in axes if a not in made.axes)
        value = Contract((whole,), extra) if extra else whole
        return Assign(f"post_{made.name}", Whole(value, made.axes))

    def _walk(self, step: Walk, number: int, body: list[Stmt]) -> list[Stmt]:
        del number
        index = len(self.walks)
        self.walks.append(step)
        rows = f"ties.walks[{index}]"
        row = self._row(step.level)
        outer = self._axes(step.outer)
        before = [self._axes(s) for s in reversed(step.steps)]  # the farthest first
        history = tuple(a for s in before[1:] for a in s)
        everything = tuple(a for s in before for a in s)
        shared = all(self.is_shared(i) for i in step.pair)
        last = Axis(f"tables {index}", f"{rows}.tables") if shared else row
        unary_axes = (*history, *outer, row)
        pair_axes = (*everything, *outer, last)
        label = "_".join(a.name for a in before[-1])
        given = f" given {', '.join(step.outer)}" if step.outer else ""
        body.append(Comment(f"sum out {', '.join(step.steps[0])}{given} along "
                            f"{step.level.plates[-1]}"))  # fmt: skip
        count = _count(outer)
        name = self._name(f"walk_{label}")
        unary, pair = self._name(f"unary_{label}"), self._name(f"step_{label}")
        body.append(Assign(unary, Whole(self._product(step.unary), unary_axes, full=True)))
        body.append(Assign(pair, Whole(self._product(step.pair), pair_axes, full=True)))
        body.append(
            Bind(
                (name,),
                f"{rows}.walk",
                (
                    "how",
                    f"{unary}.reshape({_count(history)}, {count}, -1)",
                    f"{pair}.reshape({_count(everything)}, {count}, -1)",
                ),
            )
        )
        message = self._name(f"message_{label}")
        above = Level(step.level.plates[:-1])
        shape = ", ".join([*(str(a.dim) for a in outer), "-1"])
        body.append(Bind((message,), "", (f"{name}.evidence.reshape({shape})",)))
        self.made[step.output] = _Made(message, (*outer, self._row(above)))
        back: list[Stmt] = []
        given_post = f"post_{message}.reshape({count}, -1)" if step.outer else "None"
        post, both = f"all_{label}_now", f"all_{label}_step"
        shape_of = ", ".join(str(a.dim) for a in unary_axes[:-1])
        back.append(Bind((post,), "", (f"{name}.posterior({given_post}).reshape({shape_of}, -1)",)))
        back += [self._marginal(i, Array(post, unary_axes), unary_axes) for i in step.unary]
        shape_of = ", ".join(str(a.dim) for a in pair_axes[:-1])
        back.append(Bind((both,), "", (f"{name}.pairs({given_post}).reshape({shape_of}, -1)",)))
        back += [self._marginal(i, Array(both, pair_axes), pair_axes) for i in step.pair]
        return back


def _count(axes: tuple[Axis, ...]) -> str:
    """How many values axes have together, as Python."""
    numbers = [a.dim for a in axes if isinstance(a.dim, int)]
    names = [a.dim for a in axes if isinstance(a.dim, str)]
    number = math.prod(numbers)
    words = [*([str(number)] if number != 1 or not names else []), *names]
    return " * ".join(words)


def _tuple(items: list[str]) -> str:
    return f"({', '.join(items)}{',' * (len(items) == 1)})"
