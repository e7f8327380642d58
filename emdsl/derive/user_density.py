"""A user's `density` as a family of equal standing: its log density is the log of its body."""

from __future__ import annotations

import sympy as sp

from emdsl.derive.levels import Levels
from emdsl.derive.scalarize import Scalarizer
from emdsl.derive.table import Atoms
from emdsl.families.family import Family, Parameter, symbol
from emdsl.model.graph import Density, Model


def family_of(density: Density, model: Model) -> Family:
    """The declaration that `density Name(x : t; a : t) = body` stands for."""
    name, type_ = density.variable
    arguments = {
        name: symbol(name, type_.kind),
        **{p: symbol(p, t.kind) for p, t in density.parameters},
    }
    scalarizer = Scalarizer(model, Atoms(), Levels(model, ()), arguments=dict(arguments))
    body = [(_log(value), condition) for condition, value in scalarizer.scalar(density.body)]
    log_density = body[0][0] if len(body) == 1 else sp.Piecewise(*body, evaluate=False)
    return Family(
        name=density.name,
        doc=f"Declared in the model file, line {density.span.line}.",
        variable=arguments[name],
        kind=type_.kind,
        parameters=tuple(Parameter(p, t.kind, event=len(t.shape)) for p, t in density.parameters),
        log_density=log_density,
    )


def _log(value: sp.Expr) -> sp.Expr:
    return sp.expand_log(sp.log(value), force=True)
