"""Continuous latents that stand in no plate: the one element of a plate that nobody writes.

latent rate ~ Gamma(a, b)           for all in 1:
for n in N:                     =>      latent rate[all] ~ Gamma(a, b)
    data y[n] ~ Poisson(rate)       for n in N:
                                        data y[n] ~ Poisson(rate[0])
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from emdsl.model.graph import (
    Apply,
    ArrayOf,
    Choice,
    Distribution,
    Draw,
    Expr,
    Fixed,
    Let,
    Limited,
    Model,
    Plate,
    Ref,
    TheOne,
    Variable,
)


def in_a_plate(model: Model) -> Model:
    """The model with its continuous latents outside of plates in a plate of one element."""
    names = {
        v.name
        for v in model.variables
        if v.role == "latent" and not v.plates and not v.type.discrete
    }
    if not names:
        return model
    axis = "all"
    taken = {p.axis for p in model.plates} | {v.name for v in model.variables}
    taken |= {p.name for p in model.params} | {c.name for c in model.consts}
    while axis in taken:
        axis += "_"

    def changed(expr: Expr) -> Expr:
        match expr:
            case Ref(indices=indices, name=name):
                inner = tuple(map(changed, indices))
                first = (TheOne(0, expr.span),) if name in names else ()
                return replace(expr, indices=(*first, *inner))
            case Apply(args=args):
                return replace(expr, args=tuple(map(changed, args)))
            case ArrayOf(items=items):
                return replace(expr, items=tuple(map(changed, items)))
            case _:
                return expr

    def variable(v: Variable) -> Variable:
        dist = None if v.dist is None else _in_distribution(v.dist, changed)
        return replace(v, dist=dist, plates=(axis,) if v.name in names else v.plates)

    span = next(v.span for v in model.variables if v.name in names)
    return replace(
        model,
        plates=(Plate(axis, Fixed(1), (), None, span, single=True), *model.plates),
        variables=tuple(map(variable, model.variables)),
        lets=tuple(_let(let, changed) for let in model.lets),
    )


def _let(let: Let, changed: Callable[[Expr], Expr]) -> Let:
    return replace(let, value=changed(let.value))


def _in_distribution(dist: Distribution, changed: Callable[[Expr], Expr]) -> Distribution:
    match dist:
        case Draw(args=args):
            return replace(dist, args=tuple((n, changed(e)) for n, e in args))
        case Choice():
            return replace(
                dist,
                test=changed(dist.test),
                then=_in_distribution(dist.then, changed),
                orelse=_in_distribution(dist.orelse, changed),
            )
        case Limited():
            base = _in_distribution(dist.base, changed)
            assert isinstance(base, Draw)
            lower = None if dist.lower is None else changed(dist.lower)
            upper = None if dist.upper is None else changed(dist.upper)
            return replace(dist, base=base, lower=lower, upper=upper)
