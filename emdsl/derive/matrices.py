"""Matrix arguments by structure: what their log determinant and inverse are, entry by entry.

logdet(diag(v))   ⇒ sum_i log v[i]            inv(diag(v))[i, j]  ⇒ [i = j] / v[i]
logdet(c * M)     ⇒ D log c + logdet(M)       inv(c * M)          ⇒ inv(M) / c
logdet(inv(M))    ⇒ -logdet(M)                inv(inv(M))         ⇒ M
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from emdsl.derive.atoms import InvOf, Ix, LogDetOf, Matrix
from emdsl.derive.refusal import Refused
from emdsl.derive.scalarize import Guarded, Scalarizer, certain, combine
from emdsl.model.graph import Apply, Expr, Extent, Ref


@dataclass(frozen=True)
class Whole:
    """A param or const matrix as it stands."""

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


Structure = Whole | Diagonal | Scaled | Inverse


def structure(expr: Expr, s: Scalarizer) -> Structure:
    """The structure of a positive definite argument; Refused where none is known."""
    match expr:
        case Ref(role=("param" | "const") as role):
            batch = tuple(s.index(e) for e in expr.indices)
            return Whole(Matrix(role, expr.name, batch, expr.shape[-1]), expr)
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
        case _:
            raise Refused(
                "matrix-structure",
                "the inverse of this matrix expression isn't known in closed form",
                expr.span,
                "write it as a posdef parameter, `diag(v)`, `eye[D]`, or a number times one",
            )


def order(m: Structure) -> Extent:
    match m:
        case Whole(matrix=matrix):
            return matrix.order
        case Diagonal(order=extent):
            return extent
        case Scaled(of=inner) | Inverse(of=inner):
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


def is_diagonal(m: Structure) -> bool:
    match m:
        case Diagonal():
            return True
        case Whole():
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
