"""Strategy *none*: nothing is latent. The statistics are sums over the data, taken once."""

from __future__ import annotations

from emdsl.derive.levels import Levels
from emdsl.inference.elements import uncounted
from emdsl.inference.match import Match, Piece, Refusal


def match(levels: Levels, piece: Piece) -> Match | Refusal:
    """Take a piece without latents, unless its discrete data may be missing above others."""
    model = levels.model
    for name in piece.variables:
        v = model.variable(name)
        if v.role == "latent":
            return Refusal("none", f"`{name}` is latent", v.span)
    for name in piece.variables:
        if name in levels.axes:
            v = model.variable(name)
            return Refusal("none", f"`{v.name}` is summed over where it is missing", v.span)
    return uncounted(model, piece) or Match("none", piece, ())
