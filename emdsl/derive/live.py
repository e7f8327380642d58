"""Terms of the log joint that mix data and parameters: what no statistic separates.

    log(1 + exp(beta . u[n])),  lgamma(y[n] + r),  y[n] exp(-eta[n]) / scale

The E-step evaluates them row by row at each value of the parameters. For the M-step each is a
factor of the parameters alone times a live statistic, a sum over rows that is taken anew at each
value of the parameters in it:

    S(k; phi) = sum_n E[ [z_n = k] ] f(x_n, k; phi)
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from emdsl.derive.atoms import Elem, InvOf, LogDetOf, Matrix, Seen, Stat, Weight
from emdsl.derive.monomials import Monomial
from emdsl.derive.smooth import smooth
from emdsl.derive.table import Atoms
from emdsl.source import Span


@dataclass(frozen=True)
class Live:
    """One such term, whole: `expr` summed over `axes`, of which `scope` are latents' values.

    In M-steps it is `number x still x basis x (live statistic of moving)`.
    """

    expr: sp.Expr
    axes: frozenset[str]
    plate: str
    scope: tuple[str, ...]
    moving: sp.Expr
    still: sp.Expr
    basis: sp.Expr
    params: tuple[str, ...]  # those in `moving`
    node: str
    span: Span

    @property
    def sums(self) -> tuple[str, ...]:
        """The axes that a row's share is summed over."""
        return tuple(sorted(self.axes - {self.plate, *self.scope}))

    def weighted(self, atoms: Atoms) -> sp.Expr:
        """The term times its row's posterior weight."""
        return self.expr * atoms.symbol(Weight((*self.scope, self.plate)))


def live_term(m: Monomial, plate: str, node: str, atoms: Atoms) -> Live:
    """A mixed monomial as a live term."""
    expr = smooth(m.number * m.data * m.basis, atoms)
    # summed over without depending on it; of the plate each row has its own share
    for axis in sorted(m.axes - atoms.axes_of(expr) - {plate}):
        expr = expr * atoms.size_of(axis)
    moving, still, basis = [], [], []
    for factor in sp.Mul.make_args(expr):
        if plate in atoms.axes_of(factor) or _has_data(factor, atoms):
            moving.append(factor)
        elif atoms.has_param(factor):
            basis.append(factor)
        else:
            still.append(factor)
    latents = atoms.latent_axes()
    live = sp.Mul(*moving)
    return Live(
        expr,
        m.axes & atoms.axes_of(expr),
        plate,
        tuple(a for a in latents if a in atoms.axes_of(expr)),
        live,
        sp.Mul(*still),
        sp.Mul(*basis),
        tuple(sorted(params_in(live, atoms))),
        node,
        m.span,
    )


def params_in(expr: sp.Basic, atoms: Atoms) -> frozenset[str]:
    """Names of the parameters an expression depends on."""
    out = set()
    for atom in atoms.deep(expr):
        match atom:
            case Elem(role="param", name=name):
                out.add(name)
            case (
                LogDetOf(matrix=Matrix(role="param", name=name))
                | InvOf(matrix=Matrix(role="param", name=name))
            ):
                out.add(name)
            case Stat(params=params):
                out.update(params)
            case _:
                pass
    return frozenset(out)


def _has_data(factor: sp.Expr, atoms: Atoms) -> bool:
    return any(
        isinstance(a, Seen) or (isinstance(a, Elem) and a.role in ("data", "input"))
        for a in atoms.deep(factor)
    )
