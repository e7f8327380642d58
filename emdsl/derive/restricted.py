"""What a prior gains by being restricted to the values that its parameter's type allows.

    p(s | s > 0) = p(s) / P(s > 0)      which is 2 p(s) where p is even about 0

A distribution on the whole line, given to a positive parameter, is that distribution on the half
line, so its density there is divided by the mass it has there.
"""

from __future__ import annotations

import numpy as np
import sympy as sp

from emdsl.derive.quadrature import Domain, Floats, SignedLog, integral
from emdsl.derive.refusal import Refused
from emdsl.families.evaluate import evaluate
from emdsl.families.family import Family
from emdsl.families.interval import interval_of
from emdsl.model.graph import Draw
from emdsl.model.kinds import Kind
from emdsl.model.prior_bounds import TYPE_BOUNDS

_WIDER: dict[Kind, tuple[Kind, ...]] = {"positive": ("real",), "unit": ("real", "positive")}
_DOMAIN: dict[Kind, Domain] = {"positive": "half", "unit": "unit"}


def log_restriction(
    family: Family, draw: Draw, kind: Kind, arguments: dict[str, sp.Expr]
) -> sp.Expr:
    """-log of the mass that a univariate family has on a type's values; 0 where that is all of it.

    `arguments` are the draw's, as scalars. Raises Refused where they are no numbers, and the family
    isn't even about 0, so that the mass isn't known here.
    """
    if family.event or family.kind not in _WIDER.get(kind, ()):
        return sp.Integer(0)
    tree = family.log_density_in(list(arguments))
    values = {family.symbol(n): e for n, e in arguments.items()}
    tree = tree.subs(values, simultaneous=True)
    x = family.variable
    if family.condition is not None:
        support = interval_of(family.condition.subs(values, simultaneous=True), x)
        assert support is not None  # else the prior is refused, or has been
        low, high = TYPE_BOUNDS[kind]
        if low <= support[0] and support[1] <= high:
            return sp.Integer(0)
        ends = (x, max(low, support[0]), min(high, support[1]))
        return -sp.log(sp.integrate(sp.exp(tree), ends))
    if kind == "positive" and sp.expand(tree.subs(x, -x) - tree) == 0:
        return sp.log(2)
    mass = _mass(tree, x, _DOMAIN[kind])
    if mass is None:
        raise Refused(
            "restricted-prior",
            f"{family.name} on the {kind} values alone has to be divided by its mass there, which "
            "isn't known before fitting",
            draw.span,
            f"write its arguments as numbers, or take a prior whose values are {kind}",
        )
    return sp.Float(-np.log(mass))


def _mass(tree: sp.Expr, x: sp.Symbol, domain: Domain) -> float | None:
    """None where it can't be computed."""
    if tree.free_symbols - {x}:
        return None

    def density(places: Floats) -> SignedLog:
        return np.ones_like(places), np.asarray(evaluate(tree, {x: places}), dtype=float)

    try:
        found = integral(density, domain)
    except NotImplementedError:
        return None
    return found.value if found.error < 1e-8 and found.value > 0.0 else None
