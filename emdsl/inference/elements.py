"""Conditions under which a plate's elements can be handled one by one, in rectangular arrays."""

from __future__ import annotations

from emdsl.inference.match import Piece, Refusal
from emdsl.inference.references import at_own_place, refs_in
from emdsl.model.graph import Model, Ragged


def ragged(model: Model, piece: Piece) -> Refusal | None:
    """Refuse a plate whose extent differs from element to element."""
    for name in piece.variables:
        for axis in model.variable(name).plates:
            plate = model.plate(axis)
            if isinstance(plate.extent, Ragged):
                return Refusal("", f"plate `{axis}` has an extent of its own for each "
                               f"`{plate.extent.over}`", plate.span)  # fmt: skip
    return None


def uncounted(model: Model, piece: Piece) -> Refusal | None:
    """Refuse data outside any plate, and data that depend on other elements' data."""
    for name in piece.variables:
        v = model.variable(name)
        if not v.plates:
            return Refusal("", f"`{name}` stands in no plate, so there is no sum over it", v.span)
        for ref in refs_in(v.dist) if v.dist is not None else ():
            if ref.role in ("data", "latent"):
                other = model.variable(ref.name)
                if not at_own_place(ref, other.plates):
                    return Refusal("", f"`{name}` refers to `{ref.name}` of another element, "
                                   "which couples them", ref.span)  # fmt: skip
    return None
