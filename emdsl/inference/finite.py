"""Strategy *finite*: discrete latents that stay within one plate element.

The log evidence of an element is a sum over its latents' values, eliminated one latent after
another; every posterior marginal is the derivative of the log evidence with respect to a log
factor, which is the same elimination run backward.
"""

from __future__ import annotations

from emdsl.inference.elements import ragged, uncounted
from emdsl.inference.match import Match, Piece, Refusal
from emdsl.inference.references import at_own_place, users
from emdsl.model.graph import Model, Variable


def observed_parents(model: Model, piece: Piece) -> tuple[str, ...]:
    """Discrete data other nodes depend on: summed over where missing (semi-supervised)."""
    out = []
    for name in piece.variables:
        v = model.variable(name)
        above = v.role == "data" and _finite(v) and len(v.plates) == 1
        if above and any(True for _ in users(model, name)):
            out.append(name)
    return tuple(out)


def match(model: Model, piece: Piece) -> Match | Refusal:
    """Take a piece whose latents are all finite, in its outermost plate, and used in place."""
    latents = [v for v in map(model.variable, piece.variables) if v.role == "latent"]
    for v in latents:
        if not _finite(v):
            return Refusal("finite", f"`{v.name}` is {v.type}, not one of finitely many values",
                           v.span)  # fmt: skip
        for user, ref in users(model, v.name):
            if not at_own_place(ref, v.plates):
                return Refusal("finite", _coupling(v, user), ref.span)
        if len(v.plates) != 1:
            inner = ", ".join(f"`{a}`" for a in v.plates[1:])
            return Refusal(
                "finite",
                f"`{v.name}` is in the inner plate {inner}: the elements of `{v.plates[0]}` hold "
                "a number of latents that the data decide",
                v.span,
            ) if v.plates else Refusal(
                "finite", f"`{v.name}` is shared by all elements of every plate", v.span
            )  # fmt: skip
    early = ragged(model, piece) or uncounted(model, piece)
    if early is not None:
        return early
    summed = {v.name for v in latents} | {*observed_parents(model, piece)}
    return Match("finite", piece, tuple(n for n in piece.variables if n in summed))


def _finite(v: Variable) -> bool:
    return not v.type.shape and (
        v.type.kind == "bool" or (v.type.kind == "category" and v.type.values is not None)
    )


def _coupling(v: Variable, user: Variable) -> str:
    if user.name == v.name:
        return f"`{v.name}` depends on itself at another place of `{v.plates[-1]}`: a chain or tree"
    return f"`{user.name}` takes `{v.name}` by an index, which couples elements of `{v.plates[0]}`"
