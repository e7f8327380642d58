"""Floors of what Newton's method finds: bounds within its M-step.

A variance with a closed update is put to the floor where the update is below: its Q has one peak,
so that is the maximum among what is above. A scale that is solved together with other parameters
isn't: these depend on it. So where an M-step goes beyond the floor it is taken again, with the
floor as a bound (`confined`), and Q doesn't fall. What is put into such a Q by a formula (a Gamma's
rate) follows what is held, and has no floor of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from emdsl.runtime.constraints import Constraints
from emdsl.runtime.held import restricted
from emdsl.runtime.program import Params, Program, Statistics
from emdsl.runtime.restrict import unconstrained

_ON = 1e-9  # of a bound: at it


@dataclass(frozen=True, slots=True)
class Floors:
    """The parameters that are held above or below what makes data infinitely likely."""

    names: tuple[str, ...]
    following: tuple[str, ...]
    rules: Constraints
    without: Constraints  # the same but for the floors

    @property
    def all(self) -> tuple[str, ...]:
        """Those that no M-step takes beyond the floor, and those that follow them."""
        return (*self.names, *self.following)

    def clipped(self, params: Params) -> Params:
        """The parameters within their floors."""
        out = dict(params)
        for name in self.names:
            low, high = self.rules.bounds(name)
            out[name] = np.minimum(np.maximum(params[name], low), high)
        return out

    def touched(self, params: Params) -> tuple[str, ...]:
        """Those that are where they are held."""
        found = []
        for name in self.names:
            (low, high), (own, most) = self.rules.bounds(name), self.without.bounds(name)
            value = params[name]
            least = (value <= low * (1.0 + _ON)) & (low > own)
            if (least | ((value >= high * (1.0 - _ON)) & (high < most))).any():
                found.append(name)
        return tuple(found)

    def beyond(self, params: Params) -> bool:
        """Whether one isn't within its floor."""
        for name in self.names:
            low, high = self.rules.bounds(name)
            if not ((params[name] >= low) & (params[name] <= high)).all():
                return True
        return False

    def held(self, program: Program, unrestricted: Program) -> Program:
        """The program with M-steps that keep to the floors; `unrestricted` is it without rules."""
        within = restricted(unrestricted, self.rules)

        def m_step(statistics: Statistics, params: Params) -> Params:
            if statistics.notes is None:  # else it is asked what is at infinity, which nothing is
                new = program.m_step(statistics, params)
                if not self.beyond(new):
                    return new
            return within.m_step(statistics, self.clipped(params))

        return replace(program, m_step=m_step)


def floors_of(
    program: Program,
    sizes: Mapping[str, int],
    constraints: Constraints | None,
    reference: Params,
    floor: float,
) -> Floors | None:
    """The floors of a program's parameters with a `peak`, relative to the reference, which is what
    they are with all the data as one component. None where there are none.
    """
    rules = unconstrained(program.meta, sizes) if constraints is None else constraints
    lower, upper = np.array(rules.lower), np.array(rules.upper)
    touched = np.array(rules.constrained)
    found = {n for block in program.numeric for n in block.params}
    names, following = [], []
    for param in program.meta.params:
        if param.peak is None or param.kind != "positive":
            continue
        if param.name not in found:
            following.append(param.name)
            continue
        side, power = param.peak
        value = np.ravel(reference[param.name])
        if not (np.isfinite(value).all() and (value > 0.0).all()):
            continue
        at, share = rules.of(param.name), floor ** (1.0 / power)
        if side == "zero":  # a bound of the user's own that is tighter stays
            lower[at] = np.minimum(np.maximum(lower[at], value * share), upper[at])
        else:
            upper[at] = np.maximum(np.minimum(upper[at], value / share), lower[at])
        touched[at] = True
        names.append(param.name)
    if not names:
        return None
    # tied entries have one bound: the tightest
    np.maximum.at(lower, rules.classes, lower)
    np.minimum.at(upper, rules.classes, upper)
    lower, upper = lower[rules.classes], np.maximum(upper, lower)[rules.classes]
    free = np.isnan(rules.fixed)
    lower, upper = np.where(free, lower, rules.lower), np.where(free, upper, rules.upper)
    texts = {**rules.texts, **{n: (*rules.texts.get(n, ()), "floor") for n in names}}
    held = replace(rules, lower=lower, upper=upper, constrained=touched, texts=texts,
                   _systems={}, _patterns={})  # fmt: skip
    return Floors(tuple(names), tuple(following), held, rules)
