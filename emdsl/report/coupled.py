"""The E-step of coupled rows: messages along links, sums row by row, forward-backward, and costs.

Functions of latents carry their rows in their arguments: m(truth_i) is one number for each i and
each value of its latent; where these don't tell the row, the name does: m_{g,n}(h_g).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from emdsl.derive.joint import Joint
from emdsl.derive.levels import Level
from emdsl.inference.plan import Plan, Structure
from emdsl.inference.schedule import Send, Step, SumOut, Walk
from emdsl.report.axes import declared
from emdsl.report.cost import (
    Counted,
    count,
    features_cost,
    largest,
    memory,
    order,
    ragged,
    rows_of,
    times,
    written,
)
from emdsl.report.joint import row_sum
from emdsl.report.live import kept, write_potentials
from emdsl.report.page import Page
from emdsl.report.pointing import pointing
from emdsl.report.printer import Printer
from emdsl.report.shares import Shares
from emdsl.report.style import Math, Style
from emdsl.report.walks import Walking, write_walk


def numbered(p: Printer, stem: str, number: int) -> str:
    """m₁"""
    if p.inline:
        return f"{stem}{number}".translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
    return f"{p.style.name(stem)}_{{{number}}}"


def mean_size(style: Style, joint: Joint, *levels: Level) -> tuple[str, ...]:
    """What a ragged size stands for in a cost."""
    names = tuple(dict.fromkeys(name for level in levels for name in ragged(joint, level)))
    if not names:
        return ()
    parts: list[str] = [" ("]
    for i, name in enumerate(names):
        parts += [" and " if i else "", Math(style.name(name))]
    parts.append(" standing for its mean)" if len(names) == 1 else " standing for their means)")
    return tuple(parts)


def write_structure(page: Page, plan: Plan, structure: Structure) -> None:
    """The steps of one structure, what they leave, the way back, and the cost."""
    _Writer(page, plan, structure).write()


@dataclass
class _Writer:
    page: Page
    plan: Plan
    structure: Structure
    numbers: dict[int, int] = field(default_factory=dict)  # of the factors that steps make

    def __post_init__(self) -> None:
        self.joint = self.plan.derived.joint
        self.factors = self.structure.schedule.factors
        self.shares = Shares(
            self.joint,
            {w: self.plan.pieces[w[0]].clusters[w[1]] for w in self.structure.clusters},
        )
        model = self.joint.model
        taken = declared(model) | {p.axis for p in model.plates}
        self.letters: dict[str, str] = {}
        for stem, *others in (("m", "M", "message"), ("u", "U", "local"), ("v", "V", "step"),
                              ("α", "a", "forward"), ("β", "b", "backward"),
                              ("γ", "c", "posterior"), ("ξ", "x", "pair"),
                              ("λ", "l", "upward")):  # fmt: skip
            self.letters[stem] = next(s for s in (stem, *others) if s not in taken)

    def write(self) -> None:
        steps = self.structure.schedule.steps
        self.page.say(
            "The latents are summed out in this order, in log space. A message is a function of"
            " the latents that are left; a log p in it is a function of its row's latents."
        )
        for number, step in enumerate(steps, 1):
            self.numbers[step.output] = number
        for number, step in enumerate(steps, 1):
            match step:
                case Send():
                    self._send(number, step)
                case SumOut():
                    self._sum_out(number, step)
                case Walk():
                    self._walk(number, step)
        self._evidence()
        self._backward(steps)
        self._cost(steps)

    # -- what a step takes and leaves --

    def printer(self, level: Level) -> Printer:
        return Printer(self.page.style, self.joint, elements=True, level=level)

    def _of(self, p: Printer, factor: int, axes: tuple[str, ...] | None = None) -> str:
        """m₁(truth_i): a message and the latents it is over."""
        made = self.factors[factor]
        axes = made.axes if axes is None else axes
        shown = [p.latent(a) for a in axes]
        name = numbered(p, self.letters["m"], self.numbers[factor])
        links = [self.joint.levels.links[made.level.axis, a] for a in axes]
        told = {place.name for link in links if link.up for place in link.places}
        if made.level.plates and not set(made.level.plates) <= told:
            name = p.style.element(name, ",".join(p.plate(x) for x in made.level.plates))
        return f"{name}({', '.join(shown)})" if shown else name

    def inputs(self, p: Printer, numbers: tuple[int, ...]) -> list[str]:
        """Factors as log densities and messages."""
        given = {self.structure.clusters[i] for i in numbers if i < len(self.structure.clusters)}
        made = [i for i in numbers if i >= len(self.structure.clusters)]
        return [*self.shares.of(p, given), *(self._of(p, i) for i in made)]

    def _cost_of(self, step: Step) -> Counted:
        match step:
            case Send(link=link, inputs=inputs):
                return times(rows_of(self.joint, link.source),
                             count(self.joint, self.factors[inputs[0]].axes))  # fmt: skip
            case SumOut(level=level, latent=latent, rest=rest):
                return times(rows_of(self.joint, level), count(self.joint, (*rest, latent)))
            case Walk(level=level, steps=steps, outer=outer):
                # the state is that of all steps but one; a step goes from one state to another
                once = count(self.joint, tuple(a for s in steps[:-1] for a in s))
                return times(rows_of(self.joint, level), count(self.joint, outer), once, once)

    def _price(self, step: Step) -> list[str]:
        style = self.page.style
        return [" It takes ", order(style, [written(style, self._cost_of(step))]), "."]

    # -- steps --

    def _send(self, number: int, step: Send) -> None:
        link = step.link
        source, target = self.printer(link.source), self.printer(link.target)
        outside = link.target.plates
        target.primed = frozenset(
            p for p, place in zip(outside, link.places, strict=True)
            if p in link.source.plates and not (place.name == p and not place.value)
        )  # fmt: skip
        latents = [self.joint.levels.of_axis[b] for _, b in step.axes]
        over = ", ".join(link.source.plates)
        where = "within each " + ", ".join(outside) if link.up else "that point to it"
        self.page.say(
            f"Step {number}: each row of {', '.join(outside) or 'the whole'} adds up what the rows"
            f" {over} {where} say of {' and '.join(dict.fromkeys(latents))}.",
            *self._price(step),
        )
        axes = dict(step.axes)
        shown = [axes[a] for a in self.factors[step.inputs[0]].axes]
        inner = " + ".join(self.inputs(source, step.inputs))
        inner = f"({inner})" if len(step.inputs) > 1 or " + " in inner else inner
        self.page.formula(
            self._of(target, step.output, tuple(shown)), pointing(source, target, link) + inner
        )

    def _sum_out(self, number: int, step: SumOut) -> None:
        p = self.printer(step.level)
        style = p.style
        latent = self.joint.levels.of_axis[step.latent]
        given = ""
        if step.rest:
            names = [self.joint.levels.of_axis[a] for a in step.rest]
            given = f", for each value of {' and '.join(dict.fromkeys(names))}"
        rows = ", ".join(step.level.plates)
        self.page.say(
            f"Step {number}: sum out {latent} in each row of {rows}{given}.",
            *self._price(step),
        )
        inner = style.function("exp", " + ".join(self.inputs(p, step.inputs)), bare=False)
        total = style.sum([p.latent(step.latent)])
        left = self._of(p, step.output)
        self.page.formula(left, style.function("log", f"{total} {inner}", bare=True))

    def _walk(self, number: int, step: Walk) -> None:
        p = self.printer(step.level)
        above = self.printer(Level(step.level.plates[:-1]))
        write_walk(
            self.page,
            Walking(
                step, p, self.letters, number, self._of(above, step.output),
                self.inputs(p, step.unary), self.inputs(p, step.pair),
            ),
            self._price(step),
        )  # fmt: skip

    # -- the end --

    def _evidence(self) -> None:
        parts = []
        for i, f in enumerate(self.factors):
            if not f.axes and i in self.numbers:
                p = self.printer(f.level)
                parts.append(row_sum(p, self.joint, f.level.axis) + self._of(p, i))
        pieces = [self.plan.pieces[i] for i in self.structure.pieces]
        extra = any(p.direct or p.direct_given or p.direct_live for p in pieces)
        self.page.say(
            "The log evidence is ", Math(" + ".join(parts)),
            ", plus the terms without a latent." if extra else ".",
        )  # fmt: skip

    def _backward(self, steps: tuple[Step, ...]) -> None:
        style = self.page.style
        said = ["Backward through the steps, the posterior of the latents in a factor is the "]
        said.append("derivative of the log evidence with respect to that log factor: ")
        summed = [s for s in steps if not isinstance(s, Send)]
        if any(isinstance(s, SumOut) for s in summed):
            said.append("the softmax of the sum where a latent was summed out row by row")
        if any(isinstance(s, Walk) for s in summed):
            said += [
                ", and " if len(said) > 2 else "",
                Math(style.name(self.letters["γ"])),
                " and ",
                Math(style.name(self.letters["ξ"])),
                " along a plate",
            ]
        if any(self.factors[s.output].axes for s in summed):
            said.append("; times the posterior of the other latents, where a message has some")
        said.append(".")
        if any(isinstance(s, Send) for s in steps):
            said.append(" What rows added up has the posterior of the row they added to.")
        self.page.say(*said)

    def _cost(self, steps: tuple[Step, ...]) -> None:
        style, joint = self.page.style, self.joint
        pieces = [self.plan.pieces[i] for i in self.structure.pieces]
        potentials = write_potentials(self.page, joint, pieces)
        stepped = largest([*potentials, *(self._cost_of(s) for s in steps)])
        features = [w for piece in pieces for w in features_cost(style, joint, piece, stepped)]
        tables = {w for w, c in self.shares.clusters.items() if c.shared}
        given = self.structure.clusters
        held = largest(
            times(rows_of(joint, f.level), count(joint, f.axes))
            for i, f in enumerate(self.factors)
            if i >= len(given) or given[i] not in tables
        )
        self.page.say(
            "Time of an iteration: ",
            order(style, [*(written(style, c) for c in stepped), *features]),
            *mean_size(style, joint, *(piece.level for piece in pieces)),
            ". Memory beside the data: ", memory(style, joint, pieces),
            " numbers for the statistics, ", *kept(style, joint, pieces), "and ",
            order(style, [written(style, c) for c in held]),
            " for the factors and posteriors of all rows.",
        )  # fmt: skip
