"""What is said of a `density` or `mass` that isn't one. Knows nothing of how that was found."""

from __future__ import annotations

from emdsl.diagnostics import Diagnostic, Severity
from emdsl.model.graph import Density

LIKELIHOOD = "declare it as a `likelihood` if it is what an observation adds to the likelihood"


def _integrates(density: Density) -> str:
    return f"`{density.name}` {'sums' if density.discrete else 'integrates'}"


def _at(where: str) -> str:
    return f" at {where}" if where else ""


def not_one(density: Density, value: float, where: str, factor: str) -> Diagnostic:
    """`factor` is what it has to be divided by, as text; empty where that isn't known."""
    message = f"{_integrates(density)} to {value:.6g}, not to 1{',' * bool(where)}{_at(where)}"
    hint = f"divide it by {factor}" if factor else "divide it by what it integrates to"
    if density.discrete and not factor:
        hint = "divide it by what it sums to"
    if any(t.discrete for _, t in density.parameters):
        hint = f"{hint}, or {LIKELIHOOD}"
    return Diagnostic("not-a-density", message, density.span, hint)


def diverges(density: Density, where: str) -> Diagnostic:
    name, type_ = density.variable
    what = "sum" if density.discrete else "integral"
    message = f"`{density.name}` is no {density.word}: its {what} over `{name}` is infinite"
    hint = f"it has to fall off at the ends of `{name} : {type_}`: check its sign"
    return Diagnostic("not-a-density", f"{message}{_at(where)}", density.span, hint)


def nowhere(density: Density, what: str, where: str) -> Diagnostic:
    """Not one setting of its parameters makes it a function that is positive and a number."""
    message = f"`{density.name}` is no {density.word}: it is {what}{_at(where)}"
    hint = "check its sign, and for which values its logs and roots exist"
    return Diagnostic("not-a-density", message, density.span, hint)


def at_times(density: Density, good: str, bad: str, value: float) -> Diagnostic:
    """A warning: it may be that the second setting is outside of what is meant."""
    message = f"{_integrates(density)} to 1 at {good}, but to {value:.6g} at {bad}"
    hint = "if such parameters are possible, divide it by what it integrates to there"
    return Diagnostic("density-at-times", message, density.span, hint, severity=Severity.WARNING)


def unsettled(density: Density) -> Diagnostic:
    what = "sum" if density.discrete else "integral"
    message = f"the {what} of `{density.name}` can't be computed well enough to see that it is 1"
    hint = f"check it on paper: the likelihood is wrong by what the {what} lacks"
    return Diagnostic("density-unsettled", message, density.span, hint, severity=Severity.WARNING)
