"""Warnings on what an exact E-step costs: latents whose values are tried out all together."""

from __future__ import annotations

import math
from collections.abc import Iterator

from emdsl.derive.table import Atoms
from emdsl.diagnostics import Diagnostic, Note, Severity
from emdsl.inference.plan import Plan
from emdsl.inference.schedule import Walk
from emdsl.model.graph import Fixed, Model

MANY = 256  # states of a walk: a step goes through their square
FEW = 2  # latents of a walk, where their numbers of values are known only from data


def product_of_states(atoms: Atoms, walk: Walk) -> str | None:
    """What is large about a walk's states; None where they are few."""
    axes = [a for step in walk.steps[:-1] for a in step]
    extents = [atoms.axes[a].extent for a in axes]
    number = math.prod(e.value for e in extents if isinstance(e, Fixed))
    words = [str(e) for e in extents if not isinstance(e, Fixed)]
    if number <= MANY and (len(walk.steps[0]) <= FEW or not words):
        return None
    shown = [*([str(number)] if number > 1 or not words else []), *words]
    return f"each step goes through all pairs of {' x '.join(shown)} states"


def cautions_of(plan: Plan) -> tuple[Diagnostic, ...]:
    """A warning for each walk whose states are too many to go through without a thought."""
    return tuple(_cautions(plan))


def _cautions(plan: Plan) -> Iterator[Diagnostic]:
    joint = plan.derived.joint
    for structure in plan.structures:
        for step in structure.schedule.steps:
            why = product_of_states(joint.atoms, step) if isinstance(step, Walk) else None
            if isinstance(step, Walk) and why is not None:
                names = [joint.levels.of_axis[a] for a in step.steps[0]]
                yield _many_states(joint.model, names, step, why)


def _many_states(model: Model, names: list[str], walk: Walk, why: str) -> Diagnostic:
    first, *others = (model.variable(n) for n in names)
    quoted = [f"`{n}`" for n in names]
    plate = walk.level.plates[-1]
    if not others:
        places = f", {walk.history} places of it at once" if walk.history > 1 else ""
        message = f"{quoted[0]} is summed out along `{plate}`{places}: {why}"
        way_out = "give it fewer values, or expect an iteration to take long"
    else:
        together = f"{', '.join(quoted[:-1])} and {quoted[-1]}"
        message = f"{together} are summed out together along `{plate}`: {why}"
        way_out = (
            "give them fewer values, or have fewer of them depend on each other or on the same data"
        )
    notes = tuple(Note(f"`{v.name}` is in the same product of states", v.span) for v in others)
    return Diagnostic("many-states", message, first.span, way_out, notes, Severity.WARNING)
