"""Which variables an expression or a distribution refers to, and where."""

from __future__ import annotations

from collections.abc import Iterator

from emdsl.model.check import references
from emdsl.model.graph import Distribution, Model, Ref, Variable


def refs_in(dist: Distribution) -> Iterator[Ref]:
    """Every reference in a distribution's arguments and tests."""
    return (ref for ref, _ in references(dist))


def users(model: Model, name: str) -> Iterator[tuple[Variable, Ref]]:
    """The variables whose distribution refers to `name`, with the reference."""
    for v in model.variables:
        if v.dist is not None:
            for ref in refs_in(v.dist):
                if ref.name == name:
                    yield v, ref
