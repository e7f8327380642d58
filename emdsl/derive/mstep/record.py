"""What the comments of a generated module say of a numeric block."""

from __future__ import annotations

import sympy as sp

from emdsl.derive.display import tidy_axes, without_pivots
from emdsl.derive.mstep.neat import plain
from emdsl.derive.mstep.share import Absolute, Numeric, Share
from emdsl.derive.mstep.shorten import Letters, shortened
from emdsl.derive.statistics import Derived
from emdsl.derive.table import Atoms
from emdsl.derive.words import words

LETTERS = Letters(
    ("eta", "zeta", "xi", "omega"), ("rho", "pi", "tau", "upsilon"), ("c", "h", "b", "a")
)


def record(form: Numeric, derived: Derived) -> tuple[str, ...]:
    """Why no rule solves it, its share of Q, the derivatives, and how it is climbed."""
    atoms, model = derived.joint.atoms, derived.joint.model
    taken = {p.name for p in model.params} | {v.name for v in model.variables}
    taken |= {c.name for c in model.consts} | {s.name for s in model.sizes}
    taken |= {p.axis for p in model.plates} | {s.name.lower() for s in model.sizes}
    short = shortened(form, LETTERS.without(taken), atoms)
    why = form.why
    terms = ", ".join(_text(t, atoms) for t in why.terms)
    verb = "mix data and parameters" if why.mixed else "together have no rule"
    verb = verb.replace("mix ", "mixes ") if len(why.terms) == 1 else verb
    lines = [f"no closed form: {terms} {verb}"]
    if why.common != 1:
        lines.append(f"the positive factor {_text(why.common, atoms)} of all terms cancels")
    for f in why.profiled:
        name = f"{f.param}[{', '.join(f.cell)}]" if f.cell else f.param
        given = ", ".join(form.params)
        lines.append(f"given {given}, the maximum is at {name} = {_text(plain(f.value), atoms)}")
    lines += [f"{s.symbol} = {_text(s.value, atoms)}" for s in short.shorts]
    if any(p.latents for s in (short.value, *short.gradient) for p in s.rows):
        lines.append("w: the posterior of each row, times its weight")
    lines.append("Q = " + text_of(short.value, atoms))
    names = [entry(form, i, form.cells[i]) for i in range(len(form.params))]
    twins = [entry(form, i, form.twins[i]) for i in range(len(form.params))]
    for name, gradient in zip(names, short.gradient, strict=True):
        lines.append(f"dQ/d{name} = " + text_of(gradient, atoms))
    for i, row in enumerate(short.hessian):
        for j, share in enumerate(row, i):
            below = f"d{names[i]} d{twins[j]}" if names[i] != twins[j] else f"d{names[i]}^2"
            lines.append(f"d2Q/{below} = " + text_of(share, atoms))
    if form.bent is not None:
        lines.append("beside it, with corners: " + text_of(form.bent, atoms))
        lines.append("each step is to where Q's second-order model and these are highest together")
    lines.append(
        "Q is concave: damped Newton steps reach its one maximum"
        if form.concave
        else "damped Newton steps in unconstrained coordinates, each halved until Q does not fall"
    )
    return tuple(tidy_axes([line], atoms)[0] for line in lines)


def entry(form: Numeric | Absolute, i: int, own: tuple[str, ...]) -> str:
    """An entry of a block's parameter, its batch axes first among the block's."""
    order = form.places[i]
    axes = (*form.batch, *own)
    placed = [axes[order.index(k)] for k in range(len(order))]
    name = form.params[i]
    return f"{name}[{', '.join(placed)}]" if placed else name


def text_of(share: Share, atoms: Atoms) -> str:
    """A share of Q in words of mathematics."""
    out = _text(share.static, atoms) if share.static != 0 else ""
    for part in share.rows:
        sums = ", ".join((part.plate, *sorted(part.axes)))
        negative = part.expr.could_extract_minus_sign()
        body = _text(-part.expr if negative else part.expr, atoms)
        body = f"({body})" if isinstance(part.expr, sp.Add) else body
        sign = (" - " if negative else " + ") if out else ("-" if negative else "")
        out += f"{sign}sum_{{{sums}}} {body}"
    return out or "0"


def _text(expr: sp.Expr, atoms: Atoms) -> str:
    return words(without_pivots(expr, atoms), atoms, centered=True)
