"""Strategies *gaussian*, *conjugate* and *mixed*: latents whose posterior has a known form.

The log joint of a piece is derived and sorted by the functions of its continuous latents; their
forms name the posterior (`posteriors`). Where discrete latents are above, the continuous piece's
log evidence for each of their configurations is a factor of *finite*.
"""

from __future__ import annotations

from emdsl.derive.cuts import bound_in
from emdsl.derive.display import without_pivots
from emdsl.derive.joint import joint_of
from emdsl.derive.levels import Level, Levels, Link, own_places
from emdsl.derive.moments import Moment, Sight, written
from emdsl.derive.refusal import Refused
from emdsl.derive.statistics import Derived, statistics_of
from emdsl.derive.table import latent_name
from emdsl.diagnostics import CompileError
from emdsl.inference import finite
from emdsl.inference.elements import uncounted
from emdsl.inference.match import Match, Piece, Refusal
from emdsl.inference.posteriors import Posterior, posteriors_of
from emdsl.inference.schedule import Factor, Stuck, schedule
from emdsl.model.graph import Model, Variable
from emdsl.source import Span


def is_continuous(v: Variable) -> bool:
    """Whether a latent has values that can't be counted."""
    return v.role == "latent" and v.type.kind in ("real", "positive", "unit", "simplex", "posdef")


def gaussian(levels: Levels, piece: Piece) -> Match | Refusal:
    """Real latents alone, all normal given data and parameters."""
    return _match("gaussian", levels, piece)


def conjugate(levels: Levels, piece: Piece) -> Match | Refusal:
    """Continuous latents alone, each with a posterior of a known family."""
    return _match("conjugate", levels, piece)


def mixed(levels: Levels, piece: Piece) -> Match | Refusal:
    """Continuous latents under discrete ones."""
    return _match("mixed", levels, piece)


def _match(strategy: str, levels: Levels, piece: Piece) -> Match | Refusal:
    model = levels.model
    variables = [model.variable(n) for n in piece.variables]
    latents = [v for v in variables if v.role == "latent"]
    own = [v for v in latents if is_continuous(v)]
    first = own[0] if own else variables[0]
    if not own:
        return Refusal(strategy, "no latent is continuous", first.span, apt=False)
    summed = tuple(n for n in piece.variables if n in levels.axes)
    odd = next((v for v in latents if v not in own and v.name not in summed), None)
    if odd is not None:
        return Refusal(strategy, f"`{odd.name}` is {odd.type}", odd.span)
    if strategy == "mixed" and not summed:
        return Refusal(strategy, "no latent is discrete", first.span, apt=False)
    if strategy != "mixed" and summed:
        v = model.variable(summed[0])
        return Refusal(strategy, f"`{v.name}` is discrete", v.span, apt=False)
    other = next((v for v in own if v.type.kind != "real"), None)
    if strategy == "gaussian" and other is not None:
        why = f"`{other.name}` is {other.type}, not real"
        return Refusal(strategy, why, other.span, apt=False)
    early = uncounted(model, piece)
    if early is not None:
        return early
    try:
        derived = derived_of(model, piece, summed)
        found = posteriors_in(derived, strategy, at_home=True)
    except CompileError as error:
        d = error.diagnostics[0]
        return Refusal(strategy, d.message, d.span, hint=d.hint)
    except Refused as refused:
        d = refused.diagnostic
        return Refusal(strategy, d.message, d.span, hint=d.hint)
    if isinstance(found, Refusal):
        return found
    if len(piece.levels) == 1 and not _links(derived):
        return Match(strategy, piece, summed)
    return _across(strategy, derived, piece, summed)


def _across(
    strategy: str, derived: Derived, piece: Piece, summed: tuple[str, ...]
) -> Match | Refusal:
    """A piece whose latents are seen from other rows than their own."""
    links = _links(derived)
    targets = {link.target for own in links.values() for link in own}
    targets |= {
        derived.joint.levels.of(derived.joint.model.variable(n)) for n in _latents(piece, derived)
    }
    once = all(len(own) == 1 for own in links.values())
    if len(targets) == 1 and once:
        (home,) = targets
        if not any(link.target == link.source for own in links.values() for link in own):
            return _counted(strategy, derived, links) or Match(
                strategy, piece, summed, home=home.axis
            )
    if strategy == "mixed" and _at_own_rows(derived):
        return _under_structure(derived, piece, summed)
    model = derived.joint.model
    own = [v for v in map(model.variable, piece.variables) if is_continuous(v)]
    if strategy == "mixed":
        return _configurations(derived, own[0], summed)
    odd = next((v for v in own if v.type.kind != "real"), None)
    if odd is not None:
        return Refusal(
            strategy,
            f"`{odd.name}` is {odd.type}, not real, in a piece whose rows are tied to each other: "
            "across rows only normal latents can be integrated out together",
            odd.span,
        )
    weighted = next((p for k in piece.levels for p in k.plates if model.plate(p).weight), None)
    if weighted is not None:
        return Refusal(
            strategy,
            f"the elements of `{weighted}` are counted by weights, but the elements of "
            f"`{own[0].name}` are tied to each other across rows: a replicate would be tied to as "
            "well",
            own[0].span,
            hint=f"leave out the weights of `{weighted}` and repeat what they count",
        )
    return Match(strategy, piece, summed, coupled=True)


def _configurations(derived: Derived, latent: Variable, summed: tuple[str, ...]) -> Refusal:
    """Continuous latents that many rows' discrete latents are about at once."""
    z = derived.joint.model.variable(summed[0])
    plate = derived.joint.model.plate(z.plates[-1]).extent
    alone = (
        f"without `{z.name}` the elements of `{latent.name}` can be integrated out together, and "
        f"with each `{latent.name}` seen by its own row alone `{z.name}` can be summed out; "
        if latent.type.kind == "real"
        else f"where `{latent.name}` has rows of its own `{z.name}` can be summed out; "
    )
    return Refusal(
        "mixed",
        f"`{latent.name}` is seen by rows with different elements of the discrete `{z.name}`, so "
        "its posterior is a mixture over all of their configurations, whose number grows as a "
        f"power of {plate}",
        latent.span,
        hint=f"{alone}or make `{latent.name}` a param",
    )


def _at_own_rows(derived: Derived) -> bool:
    """Whether every continuous latent is seen by its own rows alone."""
    levels = derived.joint.levels
    return all(
        link_of(levels, s.plate, sight).own
        for s in derived.statistics
        for sight in (s.moment.sights if s.moment is not None else ())
    )


def _under_structure(derived: Derived, piece: Piece, summed: tuple[str, ...]) -> Match | Refusal:
    """Continuous latents of a row each, under discrete latents that are tied across rows.

    What they say is a factor of the row's discrete latents, which *finite* orders with the others.
    """
    levels = derived.joint.levels
    found, places = finite.factors_of(levels, piece)
    for level in piece.levels:
        scopes = [s.scope for s in derived.statistics if s.plate == level.axis and s.moment]
        atoms = derived.joint.atoms
        scopes += [
            tuple(a for a in atoms.latent_axes() if a in c.axes_of(atoms))
            for c in derived.cuts
            if c.plate == level.axis
        ]
        together = tuple(dict.fromkeys(a for scope in scopes for a in scope))
        if together:
            found.append(Factor(level, together))
    weighted = finite.weighted(levels, found[: len(places)], places)
    if weighted is not None:
        return Refusal("mixed", weighted.reason, weighted.span)
    order = schedule(tuple(found), levels)
    if isinstance(order, Stuck):
        circle = finite.circle(levels, piece, found[: len(places)], places)
        return Refusal("mixed", circle.reason, circle.span, circle.notes)
    return Match("mixed", piece, summed, coupled=True)


def _latents(piece: Piece, derived: Derived) -> tuple[str, ...]:
    levels = derived.joint.levels
    return tuple(
        n for n in piece.variables
        if is_continuous(levels.model.variable(n)) or n in levels.axes
    )  # fmt: skip


def _links(derived: Derived) -> dict[str, set[Link]]:
    """By plate, the links to other rows through which latents are seen."""
    levels = derived.joint.levels
    found: dict[str, set[Link]] = {}
    for s in derived.statistics:
        own = found.setdefault(s.plate, set())
        for sight in s.moment.sights if s.moment is not None else ():
            own.add(link_of(levels, s.plate, sight))
        own |= {levels.links[s.plate, axis] for axis in s.scope}
    for plate, scope, _ in _unsummed(derived):
        found.setdefault(plate, set()).update(levels.links[plate, a] for a in scope)
    elsewhere = {p: {k for k in own if not k.own} for p, own in found.items()}
    mixed = {p for p, own in found.items() if elsewhere[p] and len(own) > len(elsewhere[p])}
    return {p: found[p] if p in mixed else own for p, own in elsewhere.items() if own}


def _unsummed(derived: Derived) -> list[tuple[str, tuple[str, ...], Span]]:
    """Plate, latents and place of what no statistic sums up."""
    live = [(x.plate, x.scope, x.span) for x in derived.live]
    return [*live, *((g.plate, g.scope, g.span) for g in derived.given)]


def link_of(levels: Levels, plate: str, sight: Sight) -> Link:
    """How rows of a plate find the element of a continuous latent that they see."""
    name, via = sight
    if via:
        return levels.views[plate, name, via]
    target = levels.of(levels.model.variable(name))
    source = Level(tuple(plate.split(",")))
    return Link(source, target, own_places(target))


def _counted(strategy: str, derived: Derived, links: dict[str, set[Link]]) -> Refusal | None:
    """Refuse what can't be added up at other rows: functions evaluated anew, weighted targets."""
    model = derived.joint.model
    for plate, scope, span in _unsummed(derived):
        if plate in links and scope:
            why = (
                "rows that point to a latent have more than sums for it: functions of data and "
                "parameters together, evaluated anew in each row"
            )
            return Refusal(strategy, why, span)
    for own in links.values():
        for link in own:
            weighted = [p for p in link.target.plates if model.plate(p).weight is not None]
            if weighted and not link.up:
                v = next(v for v in model.variables if v.role == "latent")
                return Refusal(
                    strategy,
                    f"the elements of `{weighted[0]}` are counted by weights, but other rows point "
                    "to them: a replicate would have to be pointed to as well",
                    v.span,
                    hint=f"leave out the weights of `{weighted[0]}` and repeat what they count",
                )
    return None


def derived_of(model: Model, piece: Piece, summed: tuple[str, ...]) -> Derived:
    """The statistics of one piece alone. Raises CompileError, Refused."""
    return statistics_of(joint_of(model, summed, piece.variables))


def posteriors_in(
    derived: Derived,
    strategy: str,
    plates: tuple[str, ...] | None = None,
    *,
    at_home: bool = False,
) -> tuple[Posterior, ...] | Refusal:
    """The posteriors of the continuous latents on some plates, or why one has no known form."""
    atoms, model = derived.joint.atoms, derived.joint.model
    for x in derived.live:
        if atoms.has_latent(x.expr) and (plates is None or x.plate in plates):
            name = latent_name(atoms.latents_in(x.expr)[0])
            bound = bound_in(x.expr, atoms)
            if bound is not None:
                return Refusal(
                    strategy,
                    f"data decide by {bound} where `{name}` is possible, and that moves with a "
                    "parameter: given where it was, no other value of the parameter is possible",
                    x.span,
                    hint="fix the bound (a number, a `const` or an `input`) and let the mean and "
                    "the scale of the latent move instead",
                )
            whole = written(without_pivots(x.expr, atoms).as_coeff_Mul()[1], atoms)
            inside = f"`{name}` and parameters are inside one function"
            return Refusal(
                strategy,
                f"the log density of `{x.node}` has {whole} in it, where {inside}: it is no sum of "
                f"functions of `{name}` times functions of parameters",
                x.span,
            )
    for g in derived.given:
        if atoms.has_latent(g.expr) and (plates is None or g.plate in plates):
            whole = written(g.expr, atoms)
            return Refusal(strategy, f"continuous latents decide what is possible: {whole}", g.span)
    moments: dict[Moment, Span] = {}
    for t in derived.terms:
        s = t.statistic
        if s is not None and s.moment is not None and (plates is None or s.plate in plates):
            moments.setdefault(s.moment, t.span)
    cuts = tuple(c for c in derived.cuts if plates is None or c.plate in plates)
    return posteriors_of(model, atoms, tuple(moments.items()), strategy, at_home=at_home, cuts=cuts)
