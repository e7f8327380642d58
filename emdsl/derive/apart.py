"""Vectors whose entries are independent given all else, as their entries one by one.

    x ~ Joint(m, diag(v))  ⇒  x[d] ~ Single(m[d], v[d]) for each d

Which family that is for each entry is declared beside the density of the vector's (`families`).
Where continuous latents are in it the log density is written so: a missing cell then drops out
alone, and a factor analysis of data with gaps is one without. Other vectors with a covariance of
any structure have their missing cells integrated out (`inference.gaps`).
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from emdsl.derive.matrices import Diagonal, Inverse, Scaled, Structure, structure
from emdsl.derive.refusal import Refused
from emdsl.derive.scalarize import Scalarizer
from emdsl.families.family import Family
from emdsl.model.check import references
from emdsl.model.graph import Apply, Draw, Expr, Number
from emdsl.source import Span


def entry_by_entry(
    draws: list[tuple[sp.Basic, Draw]], families: Mapping[str, Family], s: Scalarizer
) -> list[tuple[sp.Basic, Draw]]:
    """The draws with each entry drawn alone, where all can be and continuous latents are in one."""
    if not any(_has_latent(d, s) for _, d in draws):
        return draws
    apart = [(c, _apart(d, families[d.family], s)) for c, d in draws]
    found = [(c, d) for c, d in apart if d is not None]
    return found if len(found) == len(draws) else draws


def _has_latent(draw: Draw, s: Scalarizer) -> bool:
    """Whether a continuous latent is in an argument: no axis of its values stands for it."""
    return any(
        ref.role == "latent" and ref.name not in s.levels.axes for ref, _ in references(draw)
    )


def _apart(draw: Draw, family: Family, s: Scalarizer) -> Draw | None:
    if family.apart is None:
        return None
    name, words = family.apart
    args: list[tuple[str, Expr]] = []
    for known, arg in draw.args:
        value: Expr | None = arg
        if len(arg.shape) == 2:
            try:
                value = _diagonal(structure(arg, s), arg.span)
            except Refused:
                return None
        if value is None:
            return None
        args.append((dict(words)[known], value))
    return Draw(name, tuple(args), draw.span)


def _diagonal(m: Structure, span: Span) -> Expr | None:
    """The diagonal of a matrix that has nothing beside it, as a vector or number; None else."""
    match m:
        case Diagonal(v=None):
            return Number(1, span)
        case Diagonal(v=v):
            return v
        case Scaled(scale=scale, of=inner, divide=divide):
            rest = _diagonal(inner, span)
            if rest is None:
                return None
            args = (rest, scale) if divide else (scale, rest)
            return Apply("div" if divide else "mul", args, span, rest.shape)
        case Inverse(of=inner):
            rest = _diagonal(inner, span)
            return None if rest is None else Apply("div", (Number(1, span), rest), span, rest.shape)
        case _:
            return None
