"""The interface of an E-step strategy, and the choice of one for each independent piece.

A strategy looks at the graph and says either what it will sum over or why it isn't exact.
"""

from __future__ import annotations

from collections.abc import Callable

from emdsl.diagnostics import CompileError, Diagnostic, Note
from emdsl.inference import finite, none
from emdsl.inference.match import Match, Piece, Refusal
from emdsl.model.graph import Model
from emdsl.source import Span

STRATEGIES: tuple[tuple[str, Callable[[Model, Piece], Match | Refusal]], ...] = (
    ("none", none.match),
    ("finite", finite.match),
)


def pieces_of(model: Model) -> tuple[Piece, ...]:
    """The outermost plates with the latents and data in them, in the order of the file."""
    groups: dict[str, list[str]] = {}
    for v in model.variables:
        if v.role in ("latent", "data"):
            groups.setdefault(v.plates[0] if v.plates else "", []).append(v.name)
    return tuple(Piece(plate, tuple(names)) for plate, names in groups.items())


def choose(model: Model) -> tuple[Match, ...]:
    """The first strategy exact for each piece; CompileError with all refusals where none is."""
    known = ", ".join(sorted(name for name, _ in STRATEGIES))
    problems = [
        Diagnostic(
            "no-such-strategy",
            f"no strategy named `{request.method}` to infer {', '.join(request.targets)} with",
            request.span,
            f"remove the line: a strategy ({known}) is chosen from the graph",
        )
        for request in model.infer
    ]
    matches: list[Match] = []
    for piece in pieces_of(model):
        refusals: list[Refusal] = []
        for name, match in STRATEGIES:
            found = match(model, piece)
            if isinstance(found, Match):
                matches.append(found)
                break
            refusals.append(Refusal(name, found.reason, found.span))
        else:
            problems.append(_no_strategy(model, piece, refusals))
    if problems:
        raise CompileError(model.source, tuple(problems))
    return tuple(matches)


def _notes(refusals: list[Refusal]) -> tuple[Note, ...]:
    """Each reason once, with the strategies that give it."""
    said: dict[tuple[str, Span], list[str]] = {}
    for r in refusals:
        said.setdefault((r.reason, r.span), []).append(r.strategy)
    return tuple(Note(f"{', '.join(who)}: {why}", span) for (why, span), who in said.items())


def _no_strategy(model: Model, piece: Piece, refusals: list[Refusal]) -> Diagnostic:
    latents = [v for v in map(model.variable, piece.variables) if v.role == "latent"]
    first = latents[0] if latents else model.variable(piece.variables[0])
    named = ", ".join(f"`{v.name}`" for v in latents) or f"`{first.name}`"
    where = f"of plate `{piece.plate}`" if piece.plate else "outside any plate"
    return Diagnostic(
        "no-strategy",
        f"no exact E-step for {named} {where}",
        first.span,
        "each strategy's reason is given above; a model whose latents are finite and stay within "
        "one plate element has an exact E-step",
        _notes(refusals),
    )
