"""Variances whose likelihood is highest at zero, and bounded there.

Of latents (tau in a random intercept, a singular covariance of effects) and beside them (Heywood's
case: a column that factors explain in full) a variance of zero is an estimate. Whether the
likelihood is bounded is asked of itself: the objective with the variance at 1e-8 of the data's, and
at 1e-6. Of a component that sits on one observation it differs by log(100) / 2 and more, where it
is bounded by next to nothing. Nearer to zero rounding would cost more than the distance does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from emdsl.runtime.guard import COLLAPSED, Guard, Tightest
from emdsl.runtime.program import Params

HELD = 1e-8  # where a variance that is zero stands, relative to the data's
_NEAR = 1e-6
_LOOK = 1e-2  # below which a run that has converged may have been on its way to zero
_GAIN = 1.0
_OFF = (1e-2, 1e-4)  # where a variance is tried that may not be zero after all
_FROZEN = 1e-4  # the share of the way that an iteration goes
_KNOWN = 1e-6  # of the objective: what is known no better at the edge isn't compared with


@dataclass(slots=True)
class Boundary:
    """What one run has found to be zero: names of parameters, with the places first met.

    `shaken` is how much the objective changes where parameters do in their last digits.
    `able` says whether the model is of a kind whose variances may be zero by right; `refused` are
    those past the edge at which the likelihood isn't bounded, `released` those that were held and
    no longer are.
    """

    guard: Guard
    objective: Callable[[Params], float]
    shaken: Callable[[Params], float]
    able: bool
    places: dict[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    released: set[str] = field(default_factory=set)

    def tightest(self, params: Params, cheap: bool = False) -> Tightest:
        """The smallest relative variance among those that aren't held."""
        return self.guard.tightest(params, cheap, without=tuple(self.places))

    def held(self, params: Params) -> Params:
        """The parameters with those that are zero where they are held."""
        if not self.places:
            return params
        return self.guard.floored(params, HELD, only=tuple(self.places))[0]

    def inside(self, params: Params) -> Params:
        """The parameters with no variance below where one that is zero is held."""
        return self.guard.floored(params, HELD)[0] if self.able else params

    def look(self, params: Params, *, thorough: bool) -> tuple[Params, Tightest]:
        """The smallest relative variance that isn't held; where it is zero by right it is held from
        now on, and the parameters are others.

        It is held as soon as an iteration goes past where that is. Of what the iteration maximises
        that is the maximum with the variance no smaller, so that the objective doesn't fall. From
        further on it would be a way back, and a fall.
        """
        found = self.tightest(params, cheap=not (thorough or self.able))
        while self.able and found.ratio < HELD and self._takes(found, params):
            params = self.held(params)
            found = self.tightest(params)
        return params, found

    def _takes(self, found: Tightest, params: Params) -> bool:
        """Whether a variance that has gone below what counts as zero is so by right."""
        name = found.place.partition("[")[0]
        if name in self.refused and found.ratio >= COLLAPSED:
            return False
        inner = self.guard.floored(params, HELD, only=(*self.places, name))[0]
        if not self._is_bounded(inner, (name,)):
            self.refused.add(name)
            return False
        self.places[name] = found.place
        return True

    def at_end(self, params: Params, objective: float) -> Params | None:
        """Parameters at which a variance on its way to zero is there, where they are no worse.

        That must be known: of latents far from zero rounding at the edge may be worth any gain.
        """
        moved = False
        if not self.able:
            return None
        for name, place in self.guard.below(params, _LOOK, without=tuple(self.places)):
            lowered = self.guard.lowered(params, name, _LOOK, HELD)
            value = self.objective(lowered)
            if (
                value >= objective
                and self._is_bounded(lowered, (name,))
                and self.shaken(lowered) <= _KNOWN * (1.0 + abs(value))
            ):
                params, objective, moved = lowered, value, True
                self.places[name] = place
        return params if moved else None

    def off_edge(self, params: Params, gain: float) -> Params | None:
        """Parameters with a held variance off the edge again, where the objective is higher there.

        What went there in a leap may have gone too far, and iterations don't come back: from v they
        change v by v squared. A variance is let go once.

        gain : how much higher
        """
        here = None
        for name in [n for n in self.places if n not in self.released]:
            here = self.objective(params) if here is None else here
            for level in _OFF:
                raised = self.guard.floored(params, level, only=(name,))[0]
                if self.objective(raised) > here + gain:
                    self.released.add(name)
                    del self.places[name]
                    return raised
        return None

    def is_near(self, params: Params) -> bool:
        """Whether a variance is so small that iterations hardly move what stands beside it."""
        return self.able and self.guard.tightest(params).ratio < _FROZEN

    def is_sound(self, params: Params) -> bool:
        """Whether the likelihood is still bounded in what was held."""
        return not self.places or self._is_bounded(params, tuple(self.places))

    def texts(self, params: Params) -> list[str]:
        """What to say of those that ended where they are held."""
        out = []
        for name in self.places:
            watch = self.guard.watch(name)
            here = self.guard.tightest(params, only=(name,))
            if here.ratio > 2.0 * HELD:
                continue
            end = "zero" if watch.to_zero else "infinity"
            what = here.place or name
            which = f"{what} is singular" if watch.param.kind == "posdef" else f"{what} is at {end}"
            out.append(
                f"at the edge: {which} as far as these data tell (held where the variance is "
                f"{HELD:.0e} of the data's): the likelihood is bounded there, and no higher inside"
            )
        return out

    def _is_bounded(self, inner: Params, names: tuple[str, ...]) -> bool:
        outer = self.guard.floored(inner, _NEAR, only=names)[0]
        with np.errstate(all="ignore"):
            return bool(self.objective(inner) - self.objective(outer) < _GAIN)
