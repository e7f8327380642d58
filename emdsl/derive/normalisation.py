"""Whether a user's density is one: its integral over its variate, at several parameters.

What a wrong constant does is silent (the likelihood is off by a factor, a mixture prefers the wrong
component), so it is checked when compiling. Parameters may have bounds that their types don't say
(`lower < upper`), so a density counts as one where it integrates to 1 at some setting of its
continuous parameters, for each value tried of its discrete ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emdsl.derive import improper
from emdsl.derive.quadrature import Floats, Integral, SignedLog, integral, total
from emdsl.derive.signed_logs import signed_log
from emdsl.diagnostics import CompileError, Diagnostic, Severity
from emdsl.model.graph import Density, Model
from emdsl.model.kinds import Kind

TOLERANCE = 1e-5  # of the integral: constants are often written with six digits
SETTLED = 1e-6  # an integral known worse than this decides nothing

Setting = dict[str, float]

# Values of discrete parameters that are tried out in every combination, up to MOST of them.
_TRIED: dict[Kind, tuple[int, ...]] = {"bool": (0, 1), "count": (1, 2, 5), "int": (-2, 1, 4)}
_MOST = 8
_EACH = 6  # settings of the continuous parameters, for each combination


def check_densities(model: Model) -> tuple[Diagnostic, ...]:
    """A warning for each `density` or `mass` that can't be seen to be one everywhere.

    Raises CompileError with each that isn't.
    """
    found = tuple(d for density in model.densities for d in _check(density))
    if any(d.severity is Severity.ERROR for d in found):
        raise CompileError(model.source, found)
    return found


@dataclass(frozen=True, slots=True)
class _Tried:
    setting: Setting
    found: Integral

    @property
    def defined(self) -> bool:
        """Whether the parameters are such as the density allows, for all one can see."""
        f = self.found
        return f.negative is None and f.undefined is None and (f.value != 0.0 or f.diverges)

    @property
    def settled(self) -> bool:
        return self.found.error <= SETTLED or self.wrong

    @property
    def wrong(self) -> bool:
        f = self.found
        return f.diverges or abs(f.value - 1.0) > TOLERANCE + 10.0 * f.error


def _check(density: Density) -> Iterator[Diagnostic]:
    if not density.normalised:
        return
    tried = [[_Tried(s, _integral(density, s)) for s in group] for group in _settings(density)]
    for group in tried:
        defined = [t for t in group if t.defined]
        wrong = [t for t in defined if t.wrong]
        right = [t for t in defined if not t.wrong and t.settled]
        if wrong and not right:
            yield _not_one(density, wrong)
            return
        if wrong:
            good, bad = right[0], wrong[0]
            value = np.inf if bad.found.diverges else bad.found.value
            yield improper.at_times(density, _shown(good.setting), _shown(bad.setting), value)
            return
    every = [t for group in tried for t in group]
    if not any(t.defined for t in every):
        yield _nowhere(density, every[0])
    elif not any(t.defined and t.settled for t in every):
        yield improper.unsettled(density)


def _not_one(density: Density, wrong: list[_Tried]) -> Diagnostic:
    first = next((t for t in wrong if not t.found.diverges), wrong[0])
    where = _shown(first.setting)
    if first.found.diverges:
        return improper.diverges(density, where)
    return improper.not_one(density, first.found.value, where, _factor(density, wrong))


def _nowhere(density: Density, first: _Tried) -> Diagnostic:
    found, where = first.found, _shown(first.setting)
    odd = found.negative if found.negative is not None else found.undefined
    what = "negative" if found.negative is not None else "not a number"
    at = f"{density.variable[0]} = {odd:.4g}" if odd is not None else ""
    if odd is None:
        what = "zero everywhere"
    places = ", ".join(p for p in (at, where) if p)
    return improper.nowhere(density, what, places)


def _integral(density: Density, setting: Setting) -> Integral:
    name, type_ = density.variable

    def body(x: Floats) -> SignedLog:
        sign, log = signed_log(density.body, {**setting, name: x})
        return np.asarray(sign, dtype=float), np.asarray(log, dtype=float)

    match type_.kind:
        case "positive":
            return integral(body, "half")
        case "unit":
            return integral(body, "unit")
        case "count":
            return total(body, 0, None)
        case "bool":
            return total(body, 0, 1)
        case "int":
            return total(body, None, None)
        case _:
            return integral(body, "line")


def _settings(density: Density) -> Iterator[list[Setting]]:
    """For each combination of discrete parameters, settings of the continuous ones."""
    rng = np.random.default_rng(20_030_101)
    continuous = [(p, t.kind) for p, t in density.parameters if not t.discrete]
    discrete = [(p, t.kind) for p, t in density.parameters if t.discrete]
    choices = list(itertools.product(*(_TRIED[kind] for _, kind in discrete)))
    if len(choices) > _MOST:
        choices = [choices[i] for i in sorted(rng.choice(len(choices), _MOST, replace=False))]
    for choice in choices:
        fixed = {p: float(v) for (p, _), v in zip(discrete, choice, strict=True)}
        number = _EACH if continuous else 1
        yield [{**fixed, **{p: _value(kind, rng) for p, kind in continuous}} for _ in range(number)]


def _value(kind: Kind, rng: np.random.Generator) -> float:
    """A value of moderate size, with two decimals, so that a message can show it."""
    match kind:
        case "positive":
            value = np.exp(rng.uniform(np.log(0.4), np.log(4.0)))
        case "unit":
            value = rng.uniform(0.05, 0.95)
        case _:
            value = rng.uniform(-2.5, 2.5)
    return float(np.round(value, 2))


def _shown(setting: Setting) -> str:
    return ", ".join(f"{name} = {value:g}" for name, value in setting.items())


# --- what to divide by ------------------------------------------------------------------------


def _factor(density: Density, wrong: list[_Tried]) -> str:
    """`c * a^p * b^q` where the integrals are that, else nothing.

    The log of the integral is linear in the logs of the positive parameters: least squares.
    """
    finite = [t for t in wrong if not t.found.diverges and t.found.value > 0.0]
    names = [p for p, t in density.parameters if t.kind in ("positive", "unit")]
    if len(finite) < len(names) + 2 and density.parameters:
        return ""
    value = np.array([t.found.value for t in finite])
    design = np.array([[1.0, *(np.log(t.setting[n]) for n in names)] for t in finite])
    found = np.linalg.lstsq(design, np.log(value), rcond=None)[0]
    powers = np.round(found[1:] * 2.0) / 2.0
    log_c = np.log(value) - design[:, 1:] @ powers
    if float(np.ptp(log_c)) > 1e-6:
        return ""
    constant = float(np.exp(np.mean(log_c)))
    return _written(constant, dict(zip(names, powers, strict=True)))


def _written(constant: float, powers: dict[str, float]) -> str:
    above, below = (
        [n if p == sign else f"{n}^{abs(p):g}" for n, p in powers.items() if p * sign > 0]
        for sign in (1.0, -1.0)
    )
    if abs(constant - 1.0) > 1e-6 or not above:
        above = [f"{constant:.10g}", *above]
    product = " * ".join(below)
    under = f" / ({product})" if len(below) > 1 else f" / {product}" if below else ""
    return " * ".join(above) + under
