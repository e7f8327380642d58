"""Differences of logs and of log gammas written so that no digits cancel.

    c log u - c log v                      c log(1 + (u - v) / v)         u >= v
    c log Gamma(u) - c log Gamma(v)        c LogRising(v, u - v)

Far out, where a family is close to a limit, each alone is large and what they leave is small: of
r log(r / (r + m)), which goes to -m, and of log Gamma(r + x) - log Gamma(r) few digits are left
where r is 1e9, and none where it is 1e16. Both are found by their form, whoever wrote them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import sympy as sp

from emdsl.families.vocabulary import LogRising

# whether f(u) - f(v) is wanted, f being sp.log or sp.loggamma
Wanted = Callable[[type, sp.Expr, sp.Expr], bool]


def of_logs(function: type, *arguments: sp.Expr) -> bool:
    """Of logs alone, whatever their arguments."""
    del arguments
    return function is sp.log


def joined(expr: sp.Expr, wanted: Wanted) -> sp.Expr:
    """The sum with its differences joined."""
    terms = sp.Add.make_args(expr)
    pairs = paired(terms, wanted)
    if not pairs:
        return expr
    gone = {i for one, other, _ in pairs for i in (one, other)}
    rest = [t for i, t in enumerate(terms) if i not in gone]
    return sp.Add(*rest, *(value for *_, value in pairs))


def paired(
    terms: Sequence[sp.Expr], wanted: Wanted, sums: Sequence[frozenset[str]] = ()
) -> list[tuple[int, int, sp.Expr]]:
    """Which two terms are a difference, and what it is; none is in two of them.

    sums : the axes that each term is summed over, if any; those of a difference are the same.
    """
    waiting: dict[Hashable, list[tuple[int, sp.Expr]]] = {}
    out: list[tuple[int, int, sp.Expr]] = []
    for i, term in enumerate(terms):
        split = _split(term)
        if split is None:
            continue
        function, factor, u = split
        over = sums[i] if sums else None
        others = waiting.get((function, -factor, over), [])
        for place, (j, v) in enumerate(others):
            value = _difference(function, factor, u, v) if wanted(function, u, v) else None
            if value is not None:
                out.append((j, i, value))
                del others[place]
                break
        else:
            waiting.setdefault((function, factor, over), []).append((i, u))
    return out


def _split(term: sp.Expr) -> tuple[type, sp.Expr, sp.Expr] | None:
    """c f(u) as f, c and u, where f is the one log or log gamma among the factors."""
    found = [f for f in sp.Mul.make_args(term) if isinstance(f, sp.log | sp.loggamma)]
    if len(found) != 1 or found[0].args[0].is_number:
        return None
    return type(found[0]), term / found[0], found[0].args[0]


def _difference(function: type, factor: sp.Expr, u: sp.Expr, v: sp.Expr) -> sp.Expr | None:
    """factor (f(u) - f(v)), or None where it has no such form."""
    step = sp.expand(u - v)
    if function is sp.loggamma:
        down = step.is_nonpositive or (
            not step.is_nonnegative and len(u.free_symbols) < len(v.free_symbols)
        )  # from what has no data in it, where the sign isn't known
        return -factor * LogRising(u, -step) if down else factor * LogRising(v, step)
    if step.is_nonnegative:
        return factor * sp.log(1 + step / v)
    return -factor * sp.log(1 - step / u) if step.is_nonpositive else None


def level(expr: sp.Expr) -> sp.Expr:
    """1 / (1 + d / u)^n  ⇒  u^n / (u + d)^n, which the derivatives of such logs are full of."""
    return expr.replace(_is_nested, _levelled)


def _is_nested(expr: sp.Basic) -> bool:
    return (
        isinstance(expr, sp.Pow)
        and isinstance(expr.base, sp.Add)
        and bool(expr.exp.is_Integer and expr.exp.is_negative)
        and sp.Integer(1) in expr.base.args
        and len(expr.base.args) == 2
        and (expr.base - 1).as_numer_denom()[1].free_symbols != set()
    )


def _levelled(power: sp.Pow) -> sp.Expr:
    top, bottom = (power.base - 1).as_numer_denom()
    return (bottom + top) ** power.exp * bottom ** (-power.exp)
