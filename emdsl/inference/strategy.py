"""The interface of an E-step strategy, and the choice of one for each independent piece.

A strategy looks at the graph and says either what it will sum over or why it isn't exact.
"""

from __future__ import annotations

from collections.abc import Callable

from emdsl.derive.levels import Level, Levels
from emdsl.diagnostics import CompileError, Diagnostic, Note
from emdsl.inference import continuous, finite, none
from emdsl.inference.match import Match, Piece, Refusal
from emdsl.inference.references import refs_in
from emdsl.model.graph import WRITINGS, Model
from emdsl.source import Span

STRATEGIES: tuple[tuple[str, Callable[[Levels, Piece], Match | Refusal]], ...] = (
    ("none", none.match),
    ("finite", finite.match),
    ("gaussian", continuous.gaussian),
    ("conjugate", continuous.conjugate),
    ("mixed", continuous.mixed),
)


def levels_of(model: Model) -> Levels:
    """The model's levels of rows, with the discrete variables that can be summed over."""
    return Levels(model, finite.summed_of(model))


def pieces_of(levels: Levels) -> tuple[Piece, ...]:
    """Levels of rows tied by latents seen from one to the other, in the order of the file."""
    model = levels.model
    nodes = [v for v in model.variables if v.role in ("latent", "data")]
    group = {levels.of(v): levels.of(v) for v in nodes}

    def root(level: Level) -> Level:
        while group[level] != level:
            level = group[level]
        return level

    for v in nodes:
        for ref in refs_in(v.dist) if v.dist is not None else ():
            target = model.variable(ref.name) if ref.role in ("latent", "data") else None
            if target is not None and (target.role == "latent" or ref.name in levels.axes):
                first, second = root(levels.of(v)), root(levels.of(target))
                group[second] = first
    found: dict[Level, list[str]] = {}
    for v in nodes:
        found.setdefault(root(levels.of(v)), []).append(v.name)
    return tuple(
        Piece(tuple(dict.fromkeys(levels.of(model.variable(n)) for n in names)), tuple(names))
        for names in found.values()
    )


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
        if request.method not in WRITINGS
    ]
    matches: list[Match] = []
    levels = levels_of(model)
    for piece in pieces_of(levels):
        refusals: list[Refusal] = []
        for name, match in STRATEGIES:
            found = match(levels, piece)
            if isinstance(found, Match):
                matches.append(found)
                break
            refusals.append(Refusal(name, found.reason, found.span, found.notes))
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
    first = [Note(f"{', '.join(who)}: {why}", span) for (why, span), who in said.items()]
    return (*first, *(note for r in refusals for note in r.notes))


def _no_strategy(model: Model, piece: Piece, refusals: list[Refusal]) -> Diagnostic:
    latents = [v for v in map(model.variable, piece.variables) if v.role == "latent"]
    first = latents[0] if latents else model.variable(piece.variables[0])
    named = " and ".join(f"`{v.name}`" for v in latents) or f"`{first.name}`"
    way_out = (
        "each strategy's reason is given above; a model whose latents are finite and tied to "
        "each other by plates, indices, chains or trees has an exact E-step"
    )
    if any(r.notes for r in refusals):
        asked = f"`infer {', '.join(v.name for v in latents)} using meanfield`"
        known = any(name == "meanfield" for name, _ in STRATEGIES)
        way_out = "leave out dependences until those that are left make chains or trees; " + (
            f"or ask for an approximation: {asked}" if known
            else f"an approximation ({asked}) isn't there yet"
        )  # fmt: skip
    return Diagnostic(
        "no-strategy",
        f"no exact E-step for {named}{_where(piece)}",
        first.span,
        way_out,
        _notes(refusals),
    )


def _where(piece: Piece) -> str:
    """On which rows, where there is one answer."""
    if len(piece.levels) > 1:
        return ""
    plates = piece.levels[0].plates
    if not plates:
        return " outside any plate"
    return f" of plate{'s' * (len(plates) > 1)} {', '.join(f'`{p}`' for p in plates)}"
