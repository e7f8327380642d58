"""Matrix arguments by structure: what their log determinant and inverse are, entry by entry.

logdet(diag(v))   ⇒ sum_i log v[i]            inv(diag(v))[i, j]  ⇒ [i = j] / v[i]
logdet(c * M)     ⇒ D log c + logdet(M)       inv(c * M)          ⇒ inv(M) / c
logdet(inv(M))    ⇒ -logdet(M)                inv(inv(M))         ⇒ M
logdet(R M R')    ⇒ logdet(M)                 inv(R M R')         ⇒ R inv(M) R'   (R orthogonal)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from emdsl.derive.atoms import InvOf, Ix, LogDetOf, Matrix
from emdsl.derive.refusal import Refused
from emdsl.derive.scalarize import Guarded, Scalarizer, certain, combine
from emdsl.model.graph import Apply, Expr, Extent, Ref
from emdsl.model.show import show_expr


@dataclass(frozen=True)
class Whole:
    """A param, const or latent matrix as it stands."""

    matrix: Matrix
    source: Ref


@dataclass(frozen=True)
class Diagonal:
    """diag(v); `v` None is the identity."""

    v: Expr | None
    order: Extent


@dataclass(frozen=True)
class Scaled:
    scale: Expr
    of: Structure
    divide: bool = False


@dataclass(frozen=True)
class Inverse:
    of: Structure


@dataclass(frozen=True)
class Rotated:
    """R M R' with R orthogonal and M diagonal."""

    rotation: Ref
    of: Structure


Structure = Whole | Diagonal | Scaled | Inverse | Rotated


def structure(expr: Expr, s: Scalarizer) -> Structure:
    """The structure of a positive definite argument; Refused where none is known."""
    match expr:
        case Ref(role=("param" | "const") as role):
            batch = tuple(s.index(e) for e in expr.indices)
            return Whole(Matrix(role, expr.name, batch, expr.shape[-1]), expr)
        case Ref(role="latent"):
            seen = s.elem(expr, ())
            return Whole(Matrix("latent", seen.name, seen.idx, expr.shape[-1], seen.via), expr)
        case Apply(op="eye"):
            return Diagonal(None, expr.shape[0])
        case Apply(op="diag"):
            return Diagonal(expr.args[0], expr.shape[0])
        case Apply(op="mul", args=(a, b)) if not a.shape:
            return Scaled(a, structure(b, s))
        case Apply(op="mul", args=(a, b)) if not b.shape:
            return Scaled(b, structure(a, s))
        case Apply(op="div", args=(a, b)) if not b.shape:
            return Scaled(b, structure(a, s), divide=True)
        case Apply(op="matmul"):
            return _product(expr, s)
        case _:
            raise _unknown(expr)


def _unknown(expr: Expr) -> Refused:
    return Refused(
        "matrix-structure",
        "the inverse of this matrix expression isn't known in closed form",
        expr.span,
        "write it as a posdef parameter, `diag(v)`, `eye[D]`, a number times one, or "
        "`R @ diag(v) @ transpose(R)` with R orthogonal",
    )


def _product(expr: Apply, s: Scalarizer) -> Structure:
    """`c * R @ diag(v) @ transpose(R)`, with numbers c anywhere among the factors."""
    numbers, factors = _factors(expr)
    match factors:
        case [Ref() as first, *middle, Apply(op="transpose", args=(Ref() as last,))] if (
            middle and _same(first, last) and _orthogonal(first, s)
        ):
            inner = [structure(m, s) for m in middle]
            if len(inner) != 1 or not is_diagonal(inner[0]):
                raise _unknown(expr)
            found: Structure = Rotated(first, inner[0])
        case _:
            raise _unknown(expr)
    for scale, divide in numbers:
        found = Scaled(scale, found, divide)
    return found


def _factors(expr: Expr) -> tuple[list[tuple[Expr, bool]], list[Expr]]:
    """A matrix product's numbers (with whether they divide) and matrices, in order."""
    match expr:
        case Apply(op="matmul", args=(a, b)):
            (one, left), (two, right) = _factors(a), _factors(b)
            return [*one, *two], [*left, *right]
        case Apply(op="mul", args=(a, b)) if not a.shape or not b.shape:
            scale, matrix = (a, b) if not a.shape else (b, a)
            numbers, factors = _factors(matrix)
            return [*numbers, (scale, False)], factors
        case Apply(op="div", args=(a, b)) if not b.shape:
            numbers, factors = _factors(a)
            return [*numbers, (b, True)], factors
        case _:
            return [], [expr]


def _same(one: Expr, two: Expr) -> bool:
    """Whether two expressions read alike, wherever they stand."""
    return show_expr(one) == show_expr(two)


def _orthogonal(ref: Ref, s: Scalarizer) -> bool:
    match ref.role:
        case "param":
            return s.model.param(ref.name).type.kind == "orthogonal" and len(ref.shape) == 2
        case "const":
            return s.model.const(ref.name).type.kind == "orthogonal" and len(ref.shape) == 2
        case _:
            return False


def order(m: Structure) -> Extent:
    match m:
        case Whole(matrix=matrix):
            return matrix.order
        case Diagonal(order=extent):
            return extent
        case Scaled(of=inner) | Inverse(of=inner) | Rotated(of=inner):
            return order(inner)


def log_det(m: Structure, s: Scalarizer) -> Guarded:
    match m:
        case Whole(matrix=matrix):
            return certain(s.atoms.symbol(LogDetOf(matrix)))
        case Diagonal(v=None):
            return certain(sp.Integer(0))
        case Diagonal(v=v, order=extent):
            axis = s.atoms.fresh(extent)
            assert v is not None
            return certain(s.summed((axis,), s.scalar(v, (axis,)), sp.log))
        case Scaled(scale=scale, of=inner, divide=divide):
            size = s.size(order(inner))
            sign = -1 if divide else 1
            return combine(
                [s.scalar(scale), log_det(inner, s)], lambda c, d: sign * size * sp.log(c) + d
            )
        case Inverse(of=inner):
            return combine([log_det(inner, s)], lambda d: -d)
        case Rotated(of=inner):
            return log_det(inner, s)


def is_diagonal(m: Structure) -> bool:
    match m:
        case Diagonal():
            return True
        case Whole() | Rotated():
            return False
        case Scaled(of=inner) | Inverse(of=inner):
            return is_diagonal(inner)


def entry(m: Structure, i: Ix, j: Ix, s: Scalarizer) -> Guarded:
    """m[i, j]."""
    match m:
        case Whole(source=source):
            return s.scalar(source, (i, j))
        case Diagonal(v=None):
            return certain(s.same(i, j))
        case Diagonal(v=v):
            assert v is not None
            return combine([s.scalar(v, (i,))], lambda x: s.same(i, j) * x)
        case Scaled(scale=scale, of=inner, divide=divide):
            return combine(
                [s.scalar(scale), entry(inner, i, j, s)],
                lambda c, x: x / c if divide else c * x,
            )
        case Inverse(of=inner):
            return inverse_entry(inner, i, j, s)
        case Rotated(rotation=rotation, of=inner):
            return _rotated_entry(rotation, i, j, s, lambda axis: entry(inner, axis, axis, s))


def inverse_entry(m: Structure, i: Ix, j: Ix, s: Scalarizer) -> Guarded:
    """inv(m)[i, j]."""
    match m:
        case Whole(matrix=matrix):
            return certain(s.atoms.symbol(InvOf(matrix, i, j)))
        case Diagonal(v=None):
            return certain(s.same(i, j))
        case Diagonal(v=v):
            assert v is not None
            return combine([s.scalar(v, (i,))], lambda x: s.same(i, j) / x)
        case Scaled(scale=scale, of=inner, divide=divide):
            return combine(
                [s.scalar(scale), inverse_entry(inner, i, j, s)],
                lambda c, x: c * x if divide else x / c,
            )
        case Inverse(of=inner):
            return entry(inner, i, j, s)
        case Rotated(rotation=rotation, of=inner):
            return _rotated_entry(
                rotation, i, j, s, lambda axis: inverse_entry(inner, axis, axis, s)
            )


def _rotated_entry(
    rotation: Ref, i: Ix, j: Ix, s: Scalarizer, inner: Callable[[Ix], Guarded]
) -> Guarded:
    """sum_l R[i, l] inner(l) R[j, l]."""
    axis = s.atoms.fresh(rotation.shape[-1])
    parts = [s.scalar(rotation, (i, axis)), inner(axis), s.scalar(rotation, (j, axis))]
    return certain(s.summed((axis,), combine(parts, sp.Mul)))


def sum_over_entries(
    m: Structure, s: Scalarizer, other: Structure | None, vector: object
) -> Guarded:
    """sum_ij inv(m)[i, j] w[i, j], where w is `other` transposed or the outer square of a vector.

    `vector(axis)` gives the vector's guarded entry. Only the diagonal is summed where either
    factor is diagonal.
    """
    i = s.atoms.fresh(order(m))
    diagonal = is_diagonal(m) or (other is not None and is_diagonal(other))
    j = i if diagonal else s.atoms.fresh(order(m))
    axes = (i,) if diagonal else (i, j)
    weight = inverse_entry(m, i, j, s)
    if other is not None:
        parts = [weight, entry(other, j, i, s)]
    else:
        assert callable(vector)
        parts = [weight, vector(i), vector(j)]
    return certain(s.summed(axes, combine(parts, sp.Mul)))
