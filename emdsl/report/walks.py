"""Forward-backward and upward-downward recursions as they are run, in formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emdsl.inference.cautions import product_of_states
from emdsl.inference.schedule import Walk
from emdsl.report.cost import count, times, written
from emdsl.report.listed import listed
from emdsl.report.page import Page
from emdsl.report.printer import Printer
from emdsl.report.style import Math


@dataclass(frozen=True)
class Walking:
    """A walk with its printer; `message` is what it leaves, `unary` and `pair` are log factors."""

    step: Walk
    p: Printer
    letters: Mapping[str, str]
    number: int
    message: str
    unary: list[str]
    pair: list[str]

    def state(self, steps: Sequence[tuple[str, ...]]) -> list[str]:
        """Latents, the farthest first."""
        return [self.p.latent(a) for s in reversed(steps) for a in s]

    @property
    def now(self) -> list[str]:
        """The state at a row: its latents, after those of history."""
        return self.state(self.step.steps[:-1])

    @property
    def before(self) -> list[str]:
        """The state before a row."""
        return self.state(self.step.steps[1:])

    @property
    def both(self) -> list[str]:
        return self.state(self.step.steps)

    def of(self, letter: str, latents: Sequence[str], sub: str = "") -> str:
        """α(z_t, c): a function of latents and of those given."""
        name = self.p.style.name(self.letters[letter])
        if sub:
            name = self.p.style.element(name, sub)
        given = [self.p.latent(a) for a in self.step.outer]
        return f"{name}({', '.join(dict.fromkeys((*latents, *given)))})"

    def sum(self, latents: Sequence[str]) -> str:
        return self.p.style.sum(latents)


def write_walk(page: Page, w: Walking, price: list[str]) -> None:
    """One walk: what is passed on, both recursions, what is left, posteriors."""
    step, of_axis, style = w.step, w.p.joint.levels.of_axis, w.p.style
    names = [of_axis[a] for a in step.steps[0]]
    plate = step.level.plates[-1]
    given = [of_axis[a] for a in step.outer]
    method = (
        "forward-backward (Baum et al. 1970; Rabiner 1989)"
        if step.link.lag
        else "upward-downward messages (Crouse, Nowak and Baraniuk 1998)"
    )
    every = "".join(listed(names))
    once = f", once for each value of {' and '.join(given)}" if given else ""
    page.say(
        f"Step {w.number}: sum out {every} along {plate} by {method}{once}.",
        *price,
    )
    _write_states(page, w, names)
    page.say(
        "Let ", Math(style.name(w.letters["u"])), " be what depends on the state of a row, and ",
        Math(style.name(w.letters["v"])), " what depends on that of the row ",
        "before as well:" if step.link.lag else "above as well:",
    )  # fmt: skip
    page.formula(_log(w, w.of("u", w.now)), " + ".join(w.unary) or "0")
    page.formula(_log(w, w.of("v", w.both)), " + ".join(w.pair) or "0")
    if step.link.lag:
        _write_chain(page, w)
    else:
        _write_tree(page, w)


def _log(w: Walking, inner: str) -> str:
    return w.p.style.function("log", inner, bare=True)


def _write_states(page: Page, w: Walking, names: list[str]) -> None:
    """What a state is, where it is more than one latent's value."""
    step, joint, style = w.step, w.p.joint, w.p.style
    axes = tuple(a for s in step.steps[:-1] for a in s)
    if step.history > 1:
        states = Math(written(style, count(joint, axes)))
        page.say(
            f"The state holds {step.history} places: ", Math(f"({', '.join(w.now)})"), ", ",
            states, " states. Places before the first are left out.",
        )  # fmt: skip
    caution = product_of_states(joint.atoms, step)
    if len(names) > 1:
        every = "".join(listed(names))
        size = count(joint, step.steps[0])
        shown = Math(written(style, count(joint, axes)))
        squared = Math(written(style, times(count(joint, axes), count(joint, axes))))
        large = caution is not None or size[1]
        the = "WARNING: the" if large else "The"
        page.say(
            f"{the} state space is the product of {every}: ", shown, " states, ", squared,
            " pairs of them a step.",
        )  # fmt: skip
    elif caution is not None:
        page.say(f"WARNING: {caution}.")


def _write_chain(page: Page, w: Walking) -> None:
    style = w.p.style
    plate = w.p.plate(w.step.level.plates[-1])
    first, last = w.before[: len(w.step.steps[0])], w.now[-len(w.step.steps[0]) :]
    u, v = w.of("u", w.now), w.of("v", w.both)
    alpha, alpha_before = w.of("α", w.now), w.of("α", w.before)
    beta, beta_before = w.of("β", w.now), w.of("β", w.before)
    page.say("Forward and backward, from ", Math(f"{alpha} = {u}"), " at the first ", Math(plate),
             " and ", Math(f"{beta} = 1"), " at the last:")  # fmt: skip
    page.formula(alpha, f"{u} {w.sum(first)} {v} {alpha_before}")
    page.formula(beta_before, f"{w.sum(last)} {v} {u} {beta}")
    page.say("Both are scaled at each step. What is left is the log likelihood of a sequence, ",
             "taken at its last ", Math(plate), ":")  # fmt: skip
    page.formula(w.message, _log(w, f"{w.sum(w.now)} {alpha}"))
    page.say("The posteriors of a state and of two in a row are")
    exp = style.function("exp", w.message, bare=False)
    page.formula(w.of("γ", w.now), style.over(f"{alpha} {beta}", exp))
    page.formula(w.of("ξ", w.both), style.over(f"{alpha_before} {v} {u} {beta}", exp))


def _write_tree(page: Page, w: Walking) -> None:
    style, p = w.p.style, w.p
    plate = w.step.level.plates[-1]
    u, v, both = w.of("u", w.now), w.of("v", w.both), w.both
    row = ",".join(p.plate(x) for x in w.step.level.plates)
    child = Printer(style, p.joint, elements=True, level=w.step.level, primed=frozenset({plate}))
    child_row = ",".join(child.plate(x) for x in w.step.level.plates)
    pointing = f"{child.plate(plate)}: {child.through(w.step.link)[-1]} {style.equals} " + (
        p.plate(plate)
    )
    beta = w.of("β", w.now)
    lam, lam_child = w.of("λ", w.before, row), w.of("λ", w.now, child_row)
    page.say("Upward from the leaves, each row after its children,")
    page.formula(beta, f"{u} {style.product([pointing])} {lam_child}")
    page.formula(lam, f"{w.sum(w.now)} {v} {beta}")
    page.say("What is left is the log likelihood of the trees, taken at their roots:")
    root = style.sum([f"{p.plate(plate)}{style.word(' a root')}"])
    page.formula(w.message, f"{root} {_log(w, f'{w.sum(w.now)} {beta}')}")
    gamma, gamma_before = w.of("γ", w.now), w.of("γ", w.before)
    total = f"{w.sum(w.now)} {beta}"
    root_posterior = f"{beta} / ({total})" if p.inline else style.over(beta, total)
    page.say(
        "Downward, from ", Math(f"{gamma} = {root_posterior}"), " at a root, the posteriors of a"
        " row's state with its parent's, and of a row's state alone, are",
    )  # fmt: skip
    xi = w.of("ξ", both)
    page.formula(xi, style.over(f"{gamma_before} {v} {beta}", lam))
    page.formula(gamma, f"{w.sum(w.before)} {xi}")
