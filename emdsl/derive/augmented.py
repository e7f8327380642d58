"""A data node's distribution as a mixture over a latent of its own, in the model's graph.

    data x[n] ~ Mixed(a, b)   ⇒   latent x_weight[n] ~ Mixing(f(a))
                                  data x[n] ~ Simple(g(b, x_weight[n]))

What stands for what is declared beside each family's density (`families`), not here. Tanner and
Wong, J. Am. Stat. Assoc. 82 (1987).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import sympy as sp

from emdsl.families import FAMILIES
from emdsl.families.family import Drawn, Representation, U, V
from emdsl.model.graph import (
    Apply,
    AxisRef,
    Choice,
    Distribution,
    Draw,
    Expr,
    Model,
    Number,
    Op,
    Ref,
    Variable,
    draws,
)
from emdsl.model.shapes import Clash, broadcast
from emdsl.source import Span


@dataclass(frozen=True)
class Rewriting:
    """A data node as written, and as drawn `given` a latent that is added to the model."""

    node: str
    written: Distribution
    latent: Variable
    given: Distribution
    cautions: tuple[str, ...] = ()

    def within(self, model: Model) -> Model:
        """The model with the node rewritten and its latent before it."""
        variables: list[Variable] = []
        for v in model.variables:
            if v.name == self.node:
                variables += [self.latent, replace(v, dist=self.given)]
            else:
                variables.append(v)
        return replace(model, variables=tuple(variables))


def rewriting(model: Model, v: Variable) -> Rewriting | None:
    """How a data node is written with a latent of its own; None where no way is declared.

    Of a choice, each branch that has such a way is rewritten, with one latent for all.
    """
    if v.role != "data" or v.dist is None or not v.plates:
        return None
    own = {d.name for d in model.densities}
    found = [r for d in draws(v.dist) if (r := _representation(d, own)) is not None]
    kinds = {FAMILIES[r.latent.family].kind for r in found}
    if len(kinds) != 1:
        return None
    name = _free(model, f"{v.name}_{found[0].word}")
    index = tuple(AxisRef(a, v.span) for a in v.plates)
    ref = Ref(name, "latent", index, v.span, v.type.shape)
    latent, given = _apart(v.dist, ref, own)
    kind = replace(v.type, kind=kinds.pop(), values=None)
    added = Variable(name, "latent", v.plates, kind, latent, v.span, added=True)
    cautions = tuple(dict.fromkeys(r.caution for r in found if r.caution))
    return Rewriting(v.name, v.dist, added, given, cautions)


def _representation(draw: Draw, own: set[str]) -> Representation | None:
    if draw.family in own or draw.family not in FAMILIES:
        return None
    return FAMILIES[draw.family].representation([n for n, _ in draw.args])


def _free(model: Model, name: str) -> str:
    """The name, or with a number where the file has it already."""
    taken = {p.axis for p in model.plates}
    for named in (model.sizes, model.params, model.variables, model.consts, model.lets,
                  model.densities):  # fmt: skip
        taken |= {x.name for x in named}
    number, out = 1, name
    while out in taken:
        number += 1
        out = f"{name}_{number}"
    return out


def _apart(
    dist: Distribution, latent: Ref, own: set[str]
) -> tuple[Distribution | None, Distribution]:
    """What the latent is drawn from, None where it doesn't matter, and the node given it."""
    if isinstance(dist, Choice):
        (first, then), (second, orelse) = (_apart(d, latent, own) for d in (dist.then, dist.orelse))
        whole = replace(dist, then=then, orelse=orelse)
        if first is None or second is None:
            return first or second, whole
        same = isinstance(first, Draw) and isinstance(second, Draw) and _equal(first, second)
        return first if same else Choice(dist.test, first, second, dist.span), whole
    found = _representation(dist, own) if isinstance(dist, Draw) else None
    if found is None:
        return None, dist
    assert isinstance(dist, Draw)
    return _drawn(found.latent, dist, latent), _drawn(found.given, dist, latent)


def _equal(left: Draw, right: Draw) -> bool:
    """Whether two draws are the same but for where they are written."""
    if left.family != right.family:
        return False
    return all(n == m and _same(a, b)
               for (n, a), (m, b) in zip(left.args, right.args, strict=True))  # fmt: skip


def _same(left: Expr, right: Expr) -> bool:
    match left, right:
        case Number(), Number():
            return left.value == right.value
        case Ref(), Ref():
            pairs = zip(left.indices, right.indices, strict=False)
            return left.name == right.name and all(_same(a, b) for a, b in pairs)
        case AxisRef(), AxisRef():
            return left.axis == right.axis
        case Apply(), Apply():
            pairs = zip(left.args, right.args, strict=False)
            return left.op == right.op and all(_same(a, b) for a, b in pairs)
        case _:
            return False


def _drawn(wanted: Drawn, draw: Draw, latent: Ref) -> Draw:
    """A declared draw with a node's own arguments put in."""
    family = FAMILIES[draw.family]
    names: dict[sp.Symbol, Expr] = {family.symbol(n): e for n, e in draw.args}
    names[U] = names[V] = latent
    args = tuple((n, expression(e, names, draw.span)) for n, e in wanted.arguments)
    return Draw(wanted.family, args, draw.span)


# --- from SymPy to the model's expressions ------------------------------------------------------


def expression(tree: sp.Expr, names: dict[sp.Symbol, Expr], span: Span) -> Expr:
    """A SymPy expression as one of the model, with these for its symbols; numbers are folded."""
    numbers = {s: sp.Rational(repr(e.value)) for s, e in names.items() if isinstance(e, Number)}
    return _written(tree.xreplace(numbers), names, span)


def _written(tree: sp.Expr, names: dict[sp.Symbol, Expr], span: Span) -> Expr:
    if tree in names:
        return names[tree]
    if tree.is_Rational:
        return _number(tree, span)
    if isinstance(tree, sp.Add):
        terms = sorted(tree.args, key=lambda t: t.could_extract_minus_sign())
        out = _written(terms[0], names, span)
        for term in terms[1:]:
            minus = term.could_extract_minus_sign()
            out = _binary("sub" if minus else "add", out,
                          _written(-term if minus else term, names, span), span)  # fmt: skip
        return out
    if isinstance(tree, sp.Mul | sp.Pow):
        above, below = sp.fraction(tree)
        if below != 1:
            return _binary("div", _written(above, names, span), _written(below, names, span), span)
    if isinstance(tree, sp.Mul):
        if tree.could_extract_minus_sign():
            inner = _written(-tree, names, span)
            return Apply("neg", (inner,), span, inner.shape)
        first, *rest = tree.as_ordered_factors()
        out = _written(first, names, span)
        for factor in rest:
            out = _binary("mul", out, _written(factor, names, span), span)
        return out
    if isinstance(tree, sp.Pow):
        base, power = (_written(a, names, span) for a in tree.args)
        return _binary("pow", base, power, span)
    if isinstance(tree, sp.exp | sp.log):
        inner = _written(tree.args[0], names, span)
        op: Op = "exp" if isinstance(tree, sp.exp) else "log"
        return Apply(op, (inner,), span, inner.shape)
    if isinstance(tree, sp.Gt):
        left, right = (_written(a, names, span) for a in tree.args)
        return _binary("gt", left, right, span)
    raise NotImplementedError(f"a representation has {tree.func} in it")


def _number(value: sp.Rational, span: Span) -> Expr:
    """A number as it would be written: 2, 0.5; 1/3 as a division."""
    if value.is_Integer:
        return Number(int(value), span)
    exact = Fraction(int(value.p), int(value.q))
    if Fraction(repr(float(value))) == exact:
        return Number(float(value), span)
    above, below = Number(int(value.p), span), Number(int(value.q), span)
    return Apply("div", (above, below), span)


def _binary(op: Op, left: Expr, right: Expr, span: Span) -> Expr:
    shape = broadcast(left.shape, right.shape)
    assert not isinstance(shape, Clash)  # the node's arguments fit each other already
    return Apply(op, (left, right), span, shape)
