"""Strategy *none*: nothing is latent. The statistics are sums over the data, taken once."""

from __future__ import annotations

from emdsl.inference.elements import ragged, uncounted
from emdsl.inference.finite import observed_parents
from emdsl.inference.match import Match, Piece, Refusal
from emdsl.model.graph import Model


def match(model: Model, piece: Piece) -> Match | Refusal:
    """Take a piece without latents, unless its discrete data may be missing above others."""
    for name in piece.variables:
        v = model.variable(name)
        if v.role == "latent":
            return Refusal("none", f"`{name}` is latent", v.span)
    parents = observed_parents(model, piece)
    if parents:
        v = model.variable(parents[0])
        return Refusal("none", f"`{v.name}` is summed over where it is missing", v.span)
    return ragged(model, piece) or uncounted(model, piece) or Match("none", piece, ())
