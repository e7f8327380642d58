"""What a distribution draws: its type, and whether a declared type fits it."""

from __future__ import annotations

from dataclasses import dataclass

from emdsl import diagnoses
from emdsl.diagnostics import Note
from emdsl.families.vocabulary import Dim
from emdsl.model import graph as g
from emdsl.model.arguments import Signature
from emdsl.model.constants import numbers
from emdsl.model.distributions import DELTA, signature_of
from emdsl.model.kinds import DISCRETE, Kind
from emdsl.model.shapes import Clash, Shape, broadcast, broadcast_all, first_clash, same
from emdsl.model.show import show_expr
from emdsl.model.support import ENTRY, constant, contains, fits, join, join_point, kind_of
from emdsl.model.table import Declared, Table
from emdsl.source import Span


@dataclass(frozen=True, slots=True)
class Drawn:
    """The type of a draw. `values` of a category may be unknown.

    `point`: a `Delta`, which goes with anything; `at` is its value where that is a number, and
    it is `sure` unless it is arithmetic on whole numbers.
    `exact`: every value of the type can be drawn; not so where the bounds depend on parameters.
    `elementwise`: fills an array of any shape.
    """

    type: g.Type
    point: bool
    exact: bool
    elementwise: bool
    span: Span
    family: str
    at: float | None = None
    sure: bool = True


def leaves(dist: g.Distribution) -> list[g.Draw | g.Limited]:
    """The distributions between which a choice is made, in order."""
    found: list[g.Draw | g.Limited] = []
    waiting = [dist]
    while waiting:
        match waiting.pop():
            case g.Choice(then=then, orelse=orelse):
                waiting += [orelse, then]
            case leaf:
                found.append(leaf)
    return found


def drawn(leaf: g.Draw | g.Limited, table: Table) -> Drawn | None:
    """What one distribution draws; None where its length can't be told."""
    draw = leaf.base if isinstance(leaf, g.Limited) else leaf
    signature = signature_of(draw.family, table)
    if signature is None:
        return None
    args = dict(draw.args)
    if signature is DELTA:
        value = args["value"]
        type_ = g.Type(_point_kind(value, table), (), _point_values(value, table))
        at = constant(value, table)
        return Drawn(type_, True, False, False, leaf.span, "Delta", at, not _is_whole(value, table))
    shape = _shape(draw, signature)
    if shape is None:
        return None
    kind, exact = signature.kind, not signature.bounded
    if isinstance(leaf, g.Limited) and leaf.kind == "interval":
        pair = g.Type(kind, (g.Fixed(2),), None)  # its two ends
        return Drawn(pair, False, False, False, leaf.span, "Interval")
    if isinstance(leaf, g.Limited):
        kind = _limited_kind(leaf, kind, table)
        exact = False
    values = _values(draw, signature) if kind == "category" else None
    type_ = g.Type(kind, shape, values)
    return Drawn(type_, False, exact, signature.event == 0, leaf.span, draw.family)


def _shape(draw: g.Draw, signature: Signature) -> Shape | None:
    if signature.event == 0:
        events = _events(signature)
        scalars = [e.shape for name, e in draw.args if events.get(name, 0) == 0]
        shape = broadcast_all(scalars)
        return None if isinstance(shape, Clash) else shape
    events = _events(signature)
    length = next((e.shape[-1] for name, e in draw.args if events.get(name, 0)), None)
    return None if length is None else (length,) * signature.event


def _events(signature: Signature) -> dict[str, int]:
    every = (*signature.parameters, *(p for a in signature.alternatives for p in a.parameters))
    return {p.name: p.event for p in every}


def _values(draw: g.Draw, signature: Signature) -> g.Extent | None:
    """How many categories: a number, or the length of a vector of parameters."""
    if signature.values is None:
        return None
    if signature.values.is_Integer:
        return g.Fixed(int(signature.values))
    if not isinstance(signature.values, Dim):
        return None
    events = _events(signature)
    vectors = [e for name, e in draw.args if events.get(name, 0) == 1]
    return vectors[0].shape[-1] if vectors else None


def _limited_kind(leaf: g.Limited, kind: Kind, table: Table) -> Kind:
    """Truncated to numbers that are all positive, a real is positive."""
    if leaf.kind == "truncated" and kind == "real" and leaf.lower is not None:
        lower = constant(leaf.lower, table)
        if lower is not None and lower >= 0:
            return "positive"
    return kind


def _point_kind(value: g.Expr, table: Table) -> Kind:
    if isinstance(value, g.Ref) and value.role == "const":
        type_ = table.types.get(value.name)
        return ENTRY.get(type_.kind, type_.kind) if type_ is not None else "real"
    kind = kind_of(value, table)
    if kind is None:
        return "int" if _is_whole(value, table) else "real"
    return ENTRY.get(kind, kind)


def _is_whole(value: g.Expr, table: Table) -> bool:
    """Whether it is arithmetic on whole numbers: some whole number, there is no telling which."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case g.Apply(op="add" | "sub" | "mul" | "neg", args=args):
                waiting += args
            case g.Apply(op="if", args=(_, *arms)):
                waiting += arms
            case leaf if kind_of(leaf, table) not in DISCRETE:
                return False
    return isinstance(value, g.Apply) and kind_of(value, table) is None


def _point_values(value: g.Expr, table: Table) -> g.Extent | None:
    type_ = table.types.get(value.name) if isinstance(value, g.Ref) else None
    return type_.values if type_ is not None else None


def combine(parts: list[Drawn]) -> g.Type | None:
    """One type for all the arms of a choice, or None where they have nothing in common."""
    spread = [p for p in parts if not p.point]
    kinds = [p.type.kind for p in spread] or [parts[0].type.kind]
    kind: Kind | None = kinds[0]
    for other in kinds[1:]:
        kind = join(kind, other) if kind is not None else None
    if kind is None:
        return None
    for part in parts:
        if part.point and not _is_among(part, spread, kind):
            kind = join_point(part.type.kind, kind)
    shape: Shape = ()
    for part in parts:
        wider = broadcast(shape, part.type.shape)
        if isinstance(wider, Clash):
            return None
        shape = wider
    values = None
    if kind in ("category", "index"):
        values = next((p.type.values for p in spread or parts if p.type.values), None)
    return g.Type(kind, shape, values)


def _is_among(point: Drawn, spread: list[Drawn], kind: Kind) -> bool:
    """Whether a value is one that the other arms draw too: `Delta(0)` beside a Bernoulli.

    Arithmetic (`Delta(left[t-1] - 1)`) is taken to be, since nothing certain is known of it.
    """
    if not spread or kind not in DISCRETE:
        return False
    return contains(kind, point.at) if point.at is not None else not point.sure


def verify_fit(
    declared: Declared, type_: g.Type, dist: g.Distribution, batch: Shape, table: Table
) -> bool:
    """Whether a name's type, declared or inferred, fits every arm of its distribution."""
    found = [drawn(leaf, table) for leaf in leaves(dist)]
    parts = [p for p in found if p is not None]
    if not parts:
        return True
    whole = combine(parts)
    if whole is None:
        first = parts[0]
        other = next((p for p in parts[1:] if combine([first, p]) is None), parts[-1])
        table.report(diagnoses.arms_disagree(other.span, str(first.type), str(other.type)))
        return False
    return all(_verify_part(declared, type_, p, batch, table) for p in parts) and _verify_kind(
        declared, type_, whole, parts, table
    )


def _verify_part(
    declared: Declared, type_: g.Type, part: Drawn, batch: Shape, table: Table
) -> bool:
    """The shape, and the number of categories."""
    if part.point:
        return True
    target = (*batch, *type_.shape) if part.elementwise else type_.shape
    if part.elementwise:
        wider = broadcast(target, part.type.shape)
        clash = wider if isinstance(wider, Clash) else None
        fine = wider == target or (clash is None and len(part.type.shape) <= len(target))
    else:
        fine = len(target) == len(part.type.shape)
        clash = first_clash(target, part.type.shape) if fine else None
    left, right = type_.values, part.type.values
    if clash is None and left is not None and right is not None and not same(left, right):
        clash = Clash(left, right)
    if clash is not None:
        note = Note(f"`{declared.name}` is `{type_}`", declared.span)
        hint = f"declare both with `{clash.left}`, or both with `{clash.right}`"
        left_text, right_text = str(clash.left), str(clash.right)
        table.report(diagnoses.sizes_disagree(part.span, left_text, right_text, hint, (note,)))
        return False
    if not fine:
        _report(declared, type_, part, table)
    return fine


def _verify_kind(
    declared: Declared, type_: g.Type, whole: g.Type, parts: list[Drawn], table: Table
) -> bool:
    """The declared values lie in the support; and a latent's support in its declared values."""
    first = next((p for p in parts if not p.point), parts[0])
    if all(p.point for p in parts):
        if type_.discrete and whole.kind in ("real", "positive", "unit"):
            _report(declared, type_, first, table)
            return False
        return True
    scalar = g.Type(whole.kind, type_.shape, whole.values)
    if not fits(type_, scalar, data=declared.role == "data"):
        _report(declared, type_, first, table)
        return False
    both = fits(scalar, type_, data=False) or not all(p.exact or p.point for p in parts)
    if declared.role == "latent" and not both:
        _report(declared, type_, first, table)
        return False
    return True


def _report(declared: Declared, type_: g.Type, part: Drawn, table: Table) -> None:
    support, name = part.type, declared.name
    shown = str(support)
    if support.kind == "category" and support.values is None:
        shown = "category[...]"
    hint = f"declare `{name}` as `{shown}`, or draw it from another distribution"
    if declared.role == "latent" and type_.kind == "positive" and support.kind == "real":
        hint = f"declare `{name}` as `{shown}`, or write `Truncated({part.family}(...), lower = 0)`"
    elif declared.role == "param" and type_.kind in ("shape", "orthogonal"):
        hint = f"leave the prior out: no distribution has the values of `{type_}`"
    elif declared.role == "param":
        hint = f"give `{name}` a prior whose values include all of `{type_}`"
    elif support.kind == "unit" and type_.kind == "real" and not support.shape:
        hint = f"declare `{name}` as `unit`, or draw it from `Normal`"
    if len(support.shape) > len(type_.shape) and part.elementwise:
        hint = f"declare `{name}` as `{support}`"
    table.report(
        diagnoses.support_mismatch(part.span, name, str(type_), f"`{part.family}`", shown, hint)
    )


def verify_points(declared: Declared, type_: g.Type, dist: g.Distribution, table: Table) -> None:
    """The values of every `Delta` that are known lie in the type."""
    for leaf in leaves(dist):
        if not isinstance(leaf, g.Draw) or leaf.family != "Delta":
            continue
        value = leaf.args[0][1]
        known = constant(value, table)
        entries = [] if known is None else [known]
        if known is None and isinstance(value, g.Ref) and value.role == "const":
            entries = [float(n) for n in numbers(table.values.get(value.name))]
        most = type_.values.value if isinstance(type_.values, g.Fixed) else None
        for entry in entries:
            if not contains(type_.kind, entry) or (most is not None and entry >= most):
                shown = show_expr(value) if known is not None else f"{entry:g}"
                table.report(
                    diagnoses.value_out_of_type(leaf.span, declared.name, str(type_), shown)
                )
                break
