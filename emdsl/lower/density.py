"""A user's density as a function of its own, for sampling."""

from __future__ import annotations

from emdsl.ir.nodes import Array, Assign, Expr, Function, Gather, Lit, Map, Return, Whole
from emdsl.lower.draw_values import _OPS
from emdsl.lower.names import Names
from emdsl.model import graph as g


def log_density(density: g.Density, names: Names) -> Function:
    """`log_Name(x, a, b)`: the log of the density's body, as the file has it."""
    body = Map("log", (_expr(density.body, names),))
    arguments = [density.variable[0], *(n for n, _ in density.parameters)]
    return Function(
        f"log_{names[density.name]}",
        tuple((names[a], "Any") for a in arguments),
        "Any",
        f"The log density {density.name}, as the model file declares it.",
        (Assign("value", Whole(body, ())), Return("value")),
    )


def _expr(expr: g.Expr, names: Names) -> Expr:
    match expr:
        case g.Number(value=value):
            return Lit(value)
        case g.Ref(role="argument", name=name):
            return Array(names[name])
        case g.Ref(name=name, indices=indices):
            return Gather(names[name], tuple(_expr(i, names) for i in indices))
        case g.Apply(op="neg", args=(a,)):
            return Map("mul", (Lit(-1), _expr(a, names)))
        case g.Apply(op="sub", args=(a, b)):
            return Map("add", (_expr(a, names), Map("mul", (Lit(-1), _expr(b, names)))))
        case g.Apply(op="if", args=args):
            return Map("where", tuple(_expr(a, names) for a in args))
        case g.Apply(op="logistic", args=(a,)):
            e = Map("exp", (Map("mul", (Lit(-1), _expr(a, names))),))
            return Map("div", (Lit(1.0), Map("add", (Lit(1.0), e))))
        case g.Apply(op=op, args=args):
            return Map(_OPS[op], tuple(_expr(a, names) for a in args))
        case _:
            raise AssertionError(f"no scalar form of {expr}")
