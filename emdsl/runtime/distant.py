"""Normal latents that lie as far from zero as the data: digits cancel in their variances.

E[(z - m)^2] is found from E[z^2], so of a variance v about a mean m a share 1e-16 m^2 / v is lost.
Parameters of data, and latents whose location is a parameter's, are taken about pivots, where this
doesn't happen; this is about the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from emdsl.runtime.program import Meta, Params
from emdsl.runtime.units import Unit

WORTHLESS = 1e-2  # a share of a variance
_FAR = 1e5  # spreads of the data
_ROUNDING = 2e-16
_MUCH = 1e-4  # of a reference: what being about the data's centre takes away


def bear_location(meta: Meta, at_zero: Params, at_centre: Params) -> bool:
    """Whether latents bear the data's location: some variance is much smaller where they do.

    at_zero, at_centre : as for `far_latents`.
    """
    return any(
        (at_centre[p.name] < _MUCH * at_zero[p.name]).any()
        if p.collapse[0] == "zero"
        else (at_zero[p.name] < _MUCH * at_centre[p.name]).any()
        for p in meta.params
        if p.collapse is not None and p.kind != "posdef"
    )


def far_latents(
    meta: Meta, unit: Unit, resting: Sequence[str], at_zero: Params, at_centre: Params
) -> tuple[str, float]:
    """What to say of latents far from zero, and the share of their variances lost; "" where fine.

    resting : the latents that aren't taken about a pivot.
    at_zero, at_centre : variances where latents lie about zero, and about the data's centre. Where
        these aren't much smaller it isn't latents that bear the data's location.
    """
    ratio = abs(unit.centre) / unit.spread
    if not bear_location(meta, at_zero, at_centre) or not resting or ratio < _FAR:
        return "", 0.0
    lost = min(_ROUNDING * ratio**2, 1.0)
    names = ", ".join(resting)
    return (
        f"the data vary by {unit.spread:.0e} about {unit.centre:.3g}, and {names} with them: about "
        f"{lost:.0e} of variances is lost to rounding; subtract a constant near {unit.centre:.3g} "
        f"from the data, or have {names} about zero and its mean as a param beside it"
    ), lost
