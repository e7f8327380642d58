"""Strategies *gaussian*, *conjugate* and *mixed*: latents whose posterior has a known form.

The log joint of a piece is derived and sorted by the functions of its continuous latents; their
forms name the posterior (`posteriors`). Where discrete latents are above, the continuous piece's
log evidence for each of their configurations is a factor of *finite*.
"""

from __future__ import annotations

from emdsl.derive.joint import joint_of
from emdsl.derive.levels import Levels
from emdsl.derive.moments import Moment
from emdsl.derive.refusal import Refused
from emdsl.derive.statistics import Derived, statistics_of
from emdsl.diagnostics import CompileError
from emdsl.inference.elements import uncounted
from emdsl.inference.match import Match, Piece, Refusal
from emdsl.inference.posteriors import Posterior, posteriors_of
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
        return Refusal(strategy, "no latent is continuous", first.span)
    summed = tuple(n for n in piece.variables if n in levels.axes)
    odd = next((v for v in latents if v not in own and v.name not in summed), None)
    if odd is not None:
        return Refusal(strategy, f"`{odd.name}` is {odd.type}", odd.span)
    if strategy == "mixed" and not summed:
        return Refusal(strategy, "no latent is discrete", first.span)
    if strategy != "mixed" and summed:
        v = model.variable(summed[0])
        return Refusal(strategy, f"`{v.name}` is discrete", v.span)
    other = next((v for v in own if v.type.kind != "real"), None)
    if strategy == "gaussian" and other is not None:
        return Refusal(strategy, f"`{other.name}` is {other.type}, not real", other.span)
    early = uncounted(model, piece)
    if early is not None:
        return early
    try:
        derived = derived_of(model, piece, summed)
        found = posteriors_in(derived, strategy)
    except CompileError as error:
        d = error.diagnostics[0]
        return Refusal(strategy, d.message, d.span)
    except Refused as refused:
        d = refused.diagnostic
        return Refusal(strategy, d.message, d.span)
    if isinstance(found, Refusal):
        return found
    return Match(strategy, piece, summed)


def derived_of(model: Model, piece: Piece, summed: tuple[str, ...]) -> Derived:
    """The statistics of one piece alone. Raises CompileError, Refused."""
    return statistics_of(joint_of(model, summed, piece.variables))


def posteriors_in(
    derived: Derived, strategy: str, plates: tuple[str, ...] | None = None
) -> tuple[Posterior, ...] | Refusal:
    """The posteriors of the continuous latents on some plates, or why one has no known form."""
    atoms, model = derived.joint.atoms, derived.joint.model
    for x in derived.live:
        if atoms.has_latent(x.expr) and (plates is None or x.plate in plates):
            name = next(a.name for a in sorted(atoms.deep(x.expr), key=str)
                        if getattr(a, "role", "") == "latent")  # fmt: skip
            return Refusal(
                strategy,
                f"`{name}` and parameters are inside one function in the density of `{x.node}`, "
                "so no list of functions of it is multiplied by parameters",
                x.span,
            )
    for g in derived.given:
        if atoms.has_latent(g.expr) and (plates is None or g.plate in plates):
            return Refusal(strategy, "a continuous latent decides what is possible", g.span)
    moments: dict[Moment, Span] = {}
    for t in derived.terms:
        if t.statistic is not None and t.statistic.moment is not None:
            if plates is None or t.statistic.plate in plates:
                moments.setdefault(t.statistic.moment, t.span)
    return posteriors_of(model, atoms, tuple(moments.items()), strategy)
