"""Objectives that are minus infinity somewhere: where a climb may begin, and how it may end.

Predictors at zero are no rate, no scale and no probability under the identity or the inverse link:
`Poisson(a + b * u[n])` needs a + b u_n > 0 in every row. An intercept, or a column that is never
negative, at some power of ten is enough for that; which one, and which power, is tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emdsl.runtime.coordinates import Coordinates
from emdsl.runtime.curve import Curve
from emdsl.runtime.objective import Floats, Point
from emdsl.runtime.rules import fixed_of, rules_of

if TYPE_CHECKING:
    from emdsl.runtime.numeric import Share

_POWERS = (1.0, 0.1, 10.0, 1e-2, 1e2, 1e-3, 1e3, 1e-4, 1e4, 1e-6, 1e6, 1e-8, 1e8, 1e-10, 1e10)
_LEFT = 1e-8  # of the value: what a step still promises where there is no maximum
_INCH = 2.0**-6  # of that step
_ENTRIES = 64  # of a parameter in one problem; more are not tried


def with_footing(share: Share, start: Point) -> Point:
    """For each problem the start, or a point with a finite value where that has none.

    One entry of a real parameter is at a power of ten, of either sign, the others at zero: the best
    of these. A problem stays where it was if none will do.
    """
    if np.isfinite(share.value(start)).all():
        return start
    best = start
    block, rules = share.block, rules_of(share)
    zero = share.zero()
    for i, kind in enumerate(block.kinds):
        own = start[i].shape[block.batch :]
        if kind != "real" or np.prod(own) > _ENTRIES:
            continue
        for entry in np.ndindex(*own):
            for size in (sign * power for power in _POWERS for sign in (1.0, -1.0)):
                moved: Floats = np.array(zero[i])
                moved[(..., *entry)] = size
                if rules is not None:
                    moved = np.where(fixed_of(share, i), start[i], moved)
                best = share.higher(best, (*zero[:i], moved, *zero[i + 1 :]))
    return best


def at_a_wall(share: Share) -> tuple[str, ...]:
    """A note where a climb ended because its objective is minus infinity further on.

    That is short of the highest point along that edge: steps don't follow it.
    """
    block, start = share.block, share.start()
    if not block.walls or rules_of(share) is not None:
        return ()
    frame = Coordinates(start, block.kinds, block.batch, None, None, block.shift)
    with np.errstate(all="ignore"):
        free, flat = frame.first()
        slopes = share.slopes(frame.point(flat), True)
        gradient = frame.gradient(flat, slopes)
        curve = Curve(frame.settled(frame.curvature(flat, slopes)))
        step, gain = curve.step(frame, gradient, np.ones(len(flat), dtype=np.bool_))
        value = frame.values(share, flat)
        beyond = frame.values(share, frame.natural(free + _INCH * step))
    stopped = (gain > _LEFT * (1.0 + np.abs(value))) & np.isneginf(beyond)
    if not stopped.any():
        return ()
    names, walls = " and ".join(block.params), "` and `".join(block.walls)
    note = (
        f"{names} ended at the edge of where `{walls}` in every row, and the maximum may be "
        "elsewhere along that edge: start there with init=, constrain them, or take a link that "
        "keeps to the support"
    )
    return (note,)
