"""An argument that is written as a link's inverse, as the link's own argument.

    D(p = logistic(e))  ⇒  D(logit = e)

The density of the second is linear in e but for one term; that of the first has the log of a
difference that rounding makes 0. Knows no distribution: it reads their declarations.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import sympy as sp

from emdsl.families.family import Alternative, Family
from emdsl.model.graph import Apply, Draw


def linked(draw: Draw, family: Family) -> Draw:
    """The draw with every `logistic(e)` that an alternative of its family takes as e."""
    names = tuple(name for name, _ in draw.args)
    for name, value in draw.args:
        if isinstance(value, Apply) and value.op == "logistic":
            instead = _instead(family, names, name)
            if instead is not None:
                args = tuple((instead, value.args[0]) if n == name else (n, v)
                             for n, v in draw.args)  # fmt: skip
                return linked(replace(draw, args=args), family)
    return draw


@cache
def _instead(family: Family, names: tuple[str, ...], name: str) -> str | None:
    """The argument whose logistic stands for `name`, all else the same; None: there is none."""
    now = family.alternative(names)
    kept = {n for n in names if n != name}
    for other in family.alternatives:
        written = {q.name for q in other.parameters}
        new = written - kept
        if len(new) != 1 or not kept <= {p.name for p in family.parameters} | written:
            continue
        (link,) = new
        try:
            if family.alternative({*kept, link}) is not other:
                continue
        except KeyError:
            continue
        if _same(_canonical(family, now, name, link), _canonical(family, other, link, None)):
            return link
    return None


def _canonical(
    family: Family, a: Alternative | None, name: str, link: str | None
) -> dict[str, sp.Expr]:
    """Canonical arguments that `name` decides, with the logistic of `link` put in for it."""
    formulas = {name: family.symbol(name)} if a is None else dict(a.canonical)
    if link is None:
        return formulas
    logistic = 1 / (1 + sp.exp(-family.symbol(link)))
    return {p: e.subs(family.symbol(name), logistic) for p, e in formulas.items()}


def _same(one: dict[str, sp.Expr], other: dict[str, sp.Expr]) -> bool:
    return set(one) == set(other) and all(sp.simplify(one[p] - other[p]) == 0 for p in one)
