"""Which variables an expression or a distribution refers to, and where."""

from __future__ import annotations

from collections.abc import Iterator

from emdsl.model.graph import (
    Apply,
    ArrayOf,
    AxisRef,
    Choice,
    Distribution,
    Draw,
    Expr,
    Limited,
    Model,
    Ref,
    Variable,
)


def refs(expr: Expr) -> Iterator[Ref]:
    """Every reference in an expression, indices included."""
    match expr:
        case Ref(indices=indices):
            yield expr
            for index in indices:
                yield from refs(index)
        case Apply(args=args):
            for arg in args:
                yield from refs(arg)
        case ArrayOf(items=items):
            for item in items:
                yield from refs(item)
        case _:
            return


def refs_in(dist: Distribution) -> Iterator[Ref]:
    """Every reference in a distribution's arguments and tests."""
    match dist:
        case Draw(args=args):
            for _, arg in args:
                yield from refs(arg)
        case Choice(test=test, then=then, orelse=orelse):
            yield from refs(test)
            yield from refs_in(then)
            yield from refs_in(orelse)
        case Limited(base=base, lower=lower, upper=upper):
            yield from refs_in(base)
            for bound in (lower, upper):
                if bound is not None:
                    yield from refs(bound)


def users(model: Model, name: str) -> Iterator[tuple[Variable, Ref]]:
    """The variables whose distribution refers to `name`, with the reference."""
    for v in model.variables:
        if v.dist is not None:
            for ref in refs_in(v.dist):
                if ref.name == name:
                    yield v, ref


def at_own_place(ref: Ref, plates: tuple[str, ...]) -> bool:
    """Whether a reference is to the variable's own element: `z[n]`, not `z[n-1]`."""
    return len(ref.indices) >= len(plates) and all(
        isinstance(index, AxisRef) and index.axis == axis
        for index, axis in zip(ref.indices, plates, strict=False)
    )
