"""Conditions under which data can be summed over at all."""

from __future__ import annotations

from emdsl.inference.match import Piece, Refusal
from emdsl.model.graph import Model


def uncounted(model: Model, piece: Piece) -> Refusal | None:
    """Refuse data outside any plate."""
    for name in piece.variables:
        v = model.variable(name)
        if not v.plates:
            hint = "" if v.role != "latent" else (
                f"a value that all rows share is a param: `param {name} : {v.type}`, with a prior "
                "where it has one"
            )  # fmt: skip
            why = f"`{name}` stands in no plate, so there is no sum over it"
            return Refusal("", why, v.span, hint=hint)
    return None
