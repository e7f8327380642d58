"""A user's density as a function of its own, for sampling."""

from __future__ import annotations

from dataclasses import dataclass

from emdsl.ir.nodes import Array, Assign, Expr, Function, Gather, Lit, Map, Return, Whole
from emdsl.lower.draw_values import _OPS
from emdsl.lower.names import Names
from emdsl.model import graph as g


def log_density(density: g.Density, names: Names) -> Function:
    """`log_Name(x, a, b)`: the log of the density's body, factor by factor.

    The log is taken inside of products, powers and exponentials, which would overflow far from
    where the density is of moderate size. Factors whose sign isn't known are taken as positive: so
    is their product, where there is any density.
    """
    variable, type_ = density.variable
    inside = {variable: type_.kind} if type_.kind in ("positive", "unit") else {}
    logs = _Logs(
        names,
        positive=frozenset({n for n, t in density.parameters if t.kind == "positive"} | {*inside}),
        shares=frozenset(n for n, t in density.parameters if t.kind == "unit"),
    )
    body = logs.log(density.body, alone=True)
    arguments = [variable, *(n for n, _ in density.parameters)]
    return Function(
        f"log_{names[density.name]}",
        tuple((names[a], "Any") for a in arguments),
        "Any",
        f"The log density {density.name}, as the model file declares it.",
        (Assign("value", Whole(body, ())), Return("value")),
    )


@dataclass(frozen=True, slots=True)
class _Logs:
    """Logs of expressions; `positive` arguments are above 0, `shares` from 0 to 1."""

    names: Names
    positive: frozenset[str]
    shares: frozenset[str]

    def log(self, expr: g.Expr, *, alone: bool = False) -> Expr:
        """log |expr|; log expr where it is `alone`, no factor of something.

        log |a b| = log |a| + log |b|,   log |a^p| = p log |a|,   log exp a = a
        """
        match expr:
            case g.Apply(op="mul", args=(a, b)):
                return Map("add", (self.log(a), self.log(b)))
            case g.Apply(op="div", args=(a, b)):
                return Map("add", (self.log(a), Map("mul", (Lit(-1), self.log(b)))))
            case g.Apply(op="pow", args=(a, b)) if self._is_positive(a) or _is_whole(b):
                return Map("mul", (_expr(b, self.names), self.log(a)))
            case g.Apply(op="pow", args=(a, b)) if self._is_share(a):  # 0^0 is 1
                return Map("xlogy", (_expr(b, self.names), _expr(a, self.names)))
            case g.Apply(op="sqrt", args=(a,)):
                return Map("mul", (Lit(0.5), self.log(a)))
            case g.Apply(op="exp", args=(a,)):
                return _expr(a, self.names)
            case g.Apply(op="if", args=(test, then, orelse)):
                sides = (self.log(e, alone=alone) for e in (then, orelse))
                return Map("where", (_expr(test, self.names), *sides))
            case _ if alone or self._is_positive(expr):
                return Map("log", (_expr(expr, self.names),))
            case _:
                return Map("log", (Map("abs", (_expr(expr, self.names),)),))

    def _is_positive(self, expr: g.Expr) -> bool:
        """Whether it can be seen to be above 0."""
        match expr:
            case g.Number(value=value):
                return value > 0
            case g.Ref(role="argument", name=name):
                return name in self.positive
            case g.Apply(op="exp" | "logistic"):
                return True
            case g.Apply(op="add" | "mul" | "div" | "sqrt", args=args):
                return all(self._is_positive(a) for a in args)
            case g.Apply(op="pow", args=(a, _)):
                return self._is_positive(a)
            case _:
                return False

    def _is_share(self, expr: g.Expr) -> bool:
        """p or 1 - p."""
        match expr:
            case g.Apply(op="sub", args=(g.Number(value=1), inner)):
                return self._is_share(inner)
            case g.Ref(role="argument", name=name):
                return name in self.shares
            case _:
                return False


def _is_whole(expr: g.Expr) -> bool:
    return isinstance(expr, g.Number) and isinstance(expr.value, int) and expr.value > 0


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
