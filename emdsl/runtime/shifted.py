"""Latents that bear the data's location, and how far each is shifted by the pivot.

E- and M-steps are about latents less their shift; what they are to the user has it added.
"""

from __future__ import annotations

import numpy as np

from emdsl.runtime.program import Continuous, Floats, Meta, Params


def shift_of(latent: Continuous, pivot: Params) -> Floats:
    """What a latent is shifted by, in a shape that broadcasts to one value of it."""
    total = np.zeros((1,) * latent.event)
    for name, factor, places in latent.about:
        value = np.asarray(pivot[name])
        own = dict(zip(places, value.shape, strict=True))
        total = total + factor * value.reshape([own.get(i, 1) for i in range(-latent.event, 0)])
    return total


def bearers(meta: Meta) -> tuple[str, ...]:
    """The latents that are written about a pivot."""
    return tuple(c.name for c in meta.continuous if c.about)


def unshifted(meta: Meta, pivot: Params) -> tuple[str, ...]:
    """The real latents about zero: without a pivot, or with one that parameters hold at zero."""
    return tuple(
        c.name
        for c in meta.continuous
        if c.kind == "real" and not c.added and not shift_of(c, pivot).any()
    )
