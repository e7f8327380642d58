"""Strategy *finite*: discrete latents, whose values can be summed over one after another.

The log evidence is a sum over the latents' values, eliminated one latent after another; every
posterior marginal is the derivative of the log evidence with respect to a log factor, which is the
same elimination run backward. Latents on the same rows as everything that depends on them are
eliminated block by block; those seen from other rows as `schedule` orders it.
"""

from __future__ import annotations

from emdsl.derive.levels import Levels
from emdsl.derive.refusal import Refused
from emdsl.diagnostics import Note
from emdsl.inference.elements import uncounted
from emdsl.inference.match import Match, Piece, Refusal
from emdsl.inference.references import refs_in, users
from emdsl.inference.schedule import Factor, Schedule, Stuck, schedule
from emdsl.model.graph import AxisRef, Model, Ragged, Ref, Variable
from emdsl.model.show import show_expr


def summed_of(model: Model) -> tuple[str, ...]:
    """The discrete variables that are summed over: finite latents, and data others depend on."""
    return tuple(
        v.name
        for v in model.variables
        if _finite(v) and (v.role == "latent" or _observed_parent(model, v))
    )


def _observed_parent(model: Model, v: Variable) -> bool:
    """Discrete data that other nodes depend on are summed over where missing.

    Where only their own later values depend on them they are plain covariates.
    """
    return v.role == "data" and any(user.name != v.name for user, _ in users(model, v.name))


def match(levels: Levels, piece: Piece) -> Match | Refusal:
    """Take a piece whose latents are all finite, if there is an order to sum them out in."""
    model = levels.model
    for name in piece.variables:
        v = model.variable(name)
        if v.role == "latent" and not _finite(v):
            return Refusal("finite", f"`{v.name}` is {v.type}, not one of finitely many values",
                           v.span)  # fmt: skip
        if v.role == "latent" and not v.plates:
            return Refusal("finite", f"`{v.name}` is shared by all elements of every plate", v.span)
    early = uncounted(model, piece)
    if early is not None:
        return early
    summed = tuple(n for n in piece.variables if n in levels.axes)
    try:
        factors, places = factors_of(levels, piece)
    except Refused as refused:
        d = refused.diagnostic
        return Refusal("finite", d.message, d.span)
    coupled = len(piece.levels) > 1 or any(
        not levels.links[f.level.axis, a].own for f in factors for a in f.axes
    )
    if not coupled:
        return Match("finite", piece, summed)
    refused_weights = weighted(levels, factors, places)
    if refused_weights is not None:
        return refused_weights
    given = tuple(factors)
    order = schedule(given, levels)
    if isinstance(order, Stuck):
        return circle(levels, piece, factors, places)
    return Match("finite", piece, summed, coupled=True)


Places = list[dict[str, Ref]]  # for each factor, the reference that each axis is seen through


def factors_of(levels: Levels, piece: Piece) -> tuple[list[Factor], Places]:
    """One factor for each node: the latents that its density depends on."""
    model = levels.model
    factors: list[Factor] = []
    places: Places = []
    for name in piece.variables:
        v = model.variable(name)
        level = levels.of(v)
        seen: dict[str, Ref] = {}
        if name in levels.axes:
            here = tuple(AxisRef(a, v.span) for a in v.plates)
            seen[levels.axes[name]] = Ref(name, v.role, here, v.span)
        for ref in refs_in(v.dist) if v.dist is not None else ():
            if ref.name in levels.axes:
                seen.setdefault(levels.axis_of(ref, level), ref)
        factors.append(Factor(level, tuple(seen)))
        places.append(seen)
    return factors, places


def weighted(levels: Levels, factors: list[Factor], places: Places) -> Refusal | None:
    """Refuse counts of replicates where rows are tied to each other by more than nesting."""
    model = levels.model
    for f, seen in zip(factors, places, strict=True):
        for axis, ref in seen.items():
            link = levels.links[f.level.axis, axis]
            if link.up:
                continue
            for plate in link.target.plates[link.shared :]:
                if model.plate(plate).weight is not None:
                    return Refusal(
                        "finite",
                        f"the elements of `{plate}` are counted by weights, but other rows point "
                        "to them: a replicate would have to be pointed to as well",
                        ref.span,
                    )
    return None


def circle(levels: Levels, piece: Piece, factors: list[Factor], places: Places) -> Refusal:
    """Show the dependences that tie rows in circles, and what enumeration would cost."""
    model = levels.model
    notes: list[Note] = []
    latents: dict[str, None] = {}
    first: Variable | None = None
    for name, f, seen in zip(piece.variables, factors, places, strict=True):
        links = {levels.links[f.level.axis, axis] for axis in seen}
        if len(links) < 2 or all(k.up for k in links):
            continue
        v = model.variable(name)
        shown = show_expr(Ref(name, v.role, tuple(AxisRef(a, v.span) for a in v.plates), v.span))
        first = first or v
        for ref in seen.values():
            latents[ref.name] = None
            if ref.span != v.span:
                notes.append(Note(f"`{shown}` depends on `{_shown(ref)}`", ref.span))
    if first is None:
        v = model.variable(next(n for n in piece.variables if n in levels.axes))
        return Refusal("finite", "no order sums its latents out", v.span)
    outward = _outward(levels, factors, places)
    if outward is not None:
        return outward
    named = " and ".join(f"`{n}`" for n in latents)
    count = " ".join(_configurations(levels, n) for n in latents)
    return Refusal(
        "finite",
        f"the elements of {named} are tied to each other in circles: none can be summed out "
        f"without the others, and all of them together have {count} configurations",
        first.span,
        tuple(notes[:6]),
    )


def _outward(levels: Levels, factors: list[Factor], places: Places) -> Refusal | None:
    """Refuse a chain along a plate that isn't the innermost, if that is all there is."""
    found: tuple[Ref, str, str] | None = None
    for f, seen in zip(factors, places, strict=True):
        for axis, ref in seen.items():
            link = levels.links[f.level.axis, axis]
            if link.up:
                continue
            lags = [p for p in link.places if p.kind == "axis" and p.value]
            inner = link.target.plates[-1]
            along = link.source == link.target and len(lags) == 1 and lags[0].name != inner
            if not along or not all(p.kind == "axis" for p in link.places):
                return None
            found = found or (ref, lags[0].name, inner)
    if found is None:
        return None
    ref, plate, inner = found
    return Refusal(
        "finite",
        f"`{_shown(ref)}` is a step along `{plate}`, but a chain runs along the innermost plate,"
        f" `{inner}`: write the plate of `{plate}` inside that of `{inner}`",
        ref.span,
    )


def _configurations(levels: Levels, name: str) -> str:
    """K^N: values to the power of how many elements there are."""
    v = levels.model.variable(name)
    values = "2" if v.type.kind == "bool" else str(v.type.values)
    plates = [levels.model.plate(p) for p in levels.of(v).plates]
    summed = {p.extent.over: f"sum of {p.extent}" for p in plates if isinstance(p.extent, Ragged)}
    words = [summed.get(p.axis, str(p.extent)) for p in plates if not isinstance(p.extent, Ragged)]
    rows = " ".join(words)
    return f"{values}^{rows}" if rows.isalnum() else f"{values}^({rows})"


def _shown(ref: Ref) -> str:
    """z[s, t-1]: a reference as it is written."""
    return show_expr(ref).replace(" - ", "-")


def _finite(v: Variable) -> bool:
    return not v.type.shape and (
        v.type.kind == "bool" or (v.type.kind == "category" and v.type.values is not None)
    )


__all__ = ["Schedule", "circle", "factors_of", "match", "summed_of", "weighted"]
