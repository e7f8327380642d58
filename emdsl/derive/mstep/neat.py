"""Sums over rows rearranged so that they read well; they say the same."""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from emdsl.derive.atoms import Ind
from emdsl.derive.mstep.share import RowPart, Share
from emdsl.derive.smooth import AbsPower, BesselRatio, BesselSlope, Expit
from emdsl.derive.table import Atoms
from emdsl.model.graph import Fixed


def neat(share: Share, atoms: Atoms) -> Share:
    """Equal sums added up, common factors and signs outside, plain functions."""
    groups: dict[tuple[str, tuple[str, ...], frozenset[str]], list[sp.Expr]] = {}
    for part in share.rows:
        for one in _decided(part, atoms):
            groups.setdefault((one.plate, one.latents, one.axes), []).append(one.expr)
    rows = []
    for (plate, latents, axes), parts in groups.items():
        whole = factored(parts)
        if whole != 0:
            rows.append(RowPart(plate, latents, whole, axes))
    return Share(plain(share.static), tuple(rows))


def factored(parts: list[sp.Expr]) -> sp.Expr:
    """The sum of some terms, what they have in common outside."""
    terms = [t for p in parts for t in sp.Add.make_args(plain(p))]
    return _signs(sp.factor_terms(sp.Add(*map(sp.factor_terms, terms))))


def _decided(part: RowPart, atoms: Atoms) -> list[RowPart]:
    """A sum over a latent's values with a test on them, as the value that passes it."""
    expr, axes = part.expr, part.axes
    for axis in sorted(axes):
        place = _place(expr, axis, atoms)
        if place is not None:
            expr, axes = atoms.at_place(expr, axis, place), axes - {axis}
    return [replace(part, expr=expr, axes=axes)]


def _place(expr: sp.Expr, axis: str, atoms: Atoms) -> int | None:
    """The one place on an axis that a test in a product lets through."""
    extent = atoms.axes[axis].extent
    if not isinstance(extent, Fixed) or extent.value > 16:
        return None
    for factor in sp.Mul.make_args(expr):
        atom = atoms.atom(factor) if isinstance(factor, sp.Symbol) else None
        if isinstance(atom, Ind) and atoms.axes_of_atom(atom) == {axis}:
            passed = [i for i in range(extent.value) if atoms.at_place(factor, axis, i) != 0]
            return passed[0] if len(passed) == 1 else None
    return None


def plain(expr: sp.Expr) -> sp.Expr:
    """Expit of x and not of -x, no BesselSlope, numbers outside powers, signs outside products."""
    kinds = {type(e) for e in sp.preorder_traversal(expr)}  # a look is cheaper than a replacement
    if BesselSlope in kinds:
        expr = expr.replace(
            lambda e: isinstance(e, BesselSlope),
            lambda e: 1 - BesselRatio(e.args[0]) / e.args[0] - BesselRatio(e.args[0]) ** 2,
        )
    if AbsPower in kinds:
        expr = expr.replace(lambda e: isinstance(e, AbsPower), AbsPower.written)
    if Expit in kinds:
        expr = expr.replace(
            lambda e: isinstance(e, Expit) and e.args[0].could_extract_minus_sign(),
            lambda e: 1 - Expit(-e.args[0]),
        )
    expr = expr.replace(
        lambda e: e.is_Pow and e.base.is_Add and e.exp.is_Integer and e.base.primitive()[0] != 1,
        lambda e: e.base.primitive()[0] ** e.exp * e.base.primitive()[1] ** e.exp,
    )
    return _signs(expr)


def _signs(expr: sp.Expr) -> sp.Expr:
    """(-a - b) / (-c - d)  ⇒  (a + b) / (c + d), inside functions too."""
    return expr.replace(lambda e: e.is_Mul or e.is_Pow, _flipped)


def _flipped(product: sp.Expr) -> sp.Expr:
    sign, factors = sp.Integer(1), []
    for factor in sp.Mul.make_args(product):
        base, power = factor.as_base_exp()
        if base.is_Add and power.is_Integer and _negative(base):
            sign *= (-1) ** power
            base = -base
        factors.append(base**power)
    return sign * sp.Mul(*factors)


def _negative(expr: sp.Add) -> bool:
    """Whether most of a sum's terms have a minus; of x - m and m - x it is one."""
    count = sum(bool(t.could_extract_minus_sign()) for t in expr.args)
    even = 2 * count == len(expr.args)
    return 2 * count > len(expr.args) or (even and bool(expr.could_extract_minus_sign()))
