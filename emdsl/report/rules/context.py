"""What each rule's account of itself is written from."""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy as sp

from emdsl.derive.mstep.block import Block, Piece, Update, block_of, own_atom
from emdsl.derive.mstep.restricted import Restrictions, as_one, restrictions_of
from emdsl.derive.statistics import Derived, Term
from emdsl.derive.table import Atoms
from emdsl.model.graph import Param
from emdsl.report.axes import declared
from emdsl.report.page import Page
from emdsl.report.printer import Printer
from emdsl.report.style import Math
from emdsl.report.tidy import canonical, fraction, symmetric_statistics


@dataclass
class Context:
    """An update being written down; its cell's axes have the first letters."""

    page: Page
    printer: Printer
    derived: Derived
    update: Update
    symmetric: frozenset[str] = field(init=False)
    restrictions: Restrictions = field(init=False)

    def __post_init__(self) -> None:
        self.symmetric = symmetric_statistics(self.derived)
        joint = self.derived.joint
        self.restrictions = restrictions_of(joint.model, joint.pivots)
        for axis in self.update.cell:
            self.printer.names.of(axis)

    @property
    def atoms(self) -> Atoms:
        return self.derived.joint.atoms

    @property
    def param(self) -> Param:
        return self.derived.joint.model.param(self.update.param)

    def name(self, param: str | None = None) -> str:
        """A parameter as it is solved for: about its pivot where it has one."""
        param = param or self.update.param
        base = self.printer.style.name(param)
        pivoted = param in self.derived.joint.pivots
        return self.printer.style.about(base) if pivoted else base

    def entry(self) -> Math:
        """The entry of the parameter being solved for."""
        indices = [self.printer.index(a) for a in self.update.cell]
        return Math(self.printer.style.at(self.name(), indices))

    def matrix(self, batch: tuple[str, ...]) -> Math:
        """A positive definite parameter as a whole."""
        return Math(self.printer.style.at(self.name(), [self.printer.index(a) for a in batch]))

    def tidy(self, expr: sp.Expr) -> sp.Expr:
        return canonical(expr, self.atoms, self.symmetric)

    def show(self, expr: sp.Expr) -> Math:
        """An expression, equal atoms written equally."""
        return self.printer.show(fraction(self.tidy(expr)))

    def terms(self) -> tuple[Term, ...]:
        """The terms of Q with the parameter."""
        return tuple(
            t for t in as_one(self.derived, self.restrictions.leader).shares
            if any(own_atom(a, self.param.name) for a in self.atoms.deep(t.basis))
        )  # fmt: skip

    def block(self) -> Block:
        """The parameter's pieces of Q, at the update's own cell."""
        pieces: tuple[Piece, ...] = block_of(self.param, self.terms(), self.atoms).pieces
        restricted = self.restrictions.of.get(self.param.name)
        return Block(self.param, self.update.cell, pieces, self.atoms, restricted)

    def taken(self) -> set[str]:
        """The names that the model uses."""
        return declared(self.derived.joint.model)

    def letters(self) -> list[str]:
        """Capitals for coefficients that the model doesn't use."""
        taken = self.taken()
        return [c for c in "ABCEFGHIJLMOPRSTUVWXYZ" if c not in taken]
