"""Syntax ⇒ distribution: which family, which arguments, and whether each argument can be one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from emdsl import diagnoses
from emdsl.families.family import Parameter
from emdsl.model import graph as g
from emdsl.model.arguments import Signature, match_arguments, of_density, of_family
from emdsl.model.choices import resolve_case, resolve_choice
from emdsl.model.expressions import declaration_note, resolve
from emdsl.model.kinds import DISCRETE
from emdsl.model.misfit import verify_support
from emdsl.model.references import Place
from emdsl.model.shapes import Clash, Shape, broadcast_all, describe, same
from emdsl.model.show import show_syntax
from emdsl.model.support import constant, kind_of
from emdsl.model.table import FUNCTIONS, LIMITING, Table
from emdsl.source import Span
from emdsl.syntax import ast

DELTA = Signature("Delta", "real", (Parameter("value", "real"),))
_KINDS: Mapping[str, Literal["censored", "truncated", "interval"]] = {
    "Censored": "censored", "Truncated": "truncated", "Interval": "interval",
}  # fmt: skip
_USAGE = {
    "Censored": "Censored(Normal(mean, sd), lower = 0)",
    "Truncated": "Truncated(Normal(mean, sd), lower = 0)",
    "Interval": "Interval(Normal(mean, sd))",
}
_LIMITS = (Parameter("lower", "real"), Parameter("upper", "real"))


def resolve_distribution(
    node: ast.Expr, place: Place, table: Table, batch: Shape = ()
) -> g.Distribution | None:
    """The distribution after a `~`; `batch` are the dimensions of a param that has a prior."""

    def inner(part: ast.Expr) -> g.Distribution | None:
        return resolve_distribution(part, place, table, batch)

    match node:
        case ast.Conditional():
            return resolve_choice(node, inner, place, table)
        case ast.Case():
            return resolve_case(node, inner, place, table)
        case ast.Call(func=func) if func.id in LIMITING:
            return _limited(node, place, table, batch)
        case ast.Call(func=func) if table.is_distribution(func.id):
            return _draw(node, place, table, batch)
        case ast.Call(func=func) if func.id not in FUNCTIONS and func.id not in table.names:
            near = table.near_distribution(func.id)
            table.report(diagnoses.unknown_distribution(func.span, func.id, near))
            _resolve_all(node, place, table)
        case ast.Name(id=name) if table.is_distribution(name):
            signature = signature_of(name, table)
            usage = f"{name}(...)" if signature is None else signature.usage()
            missing = [] if signature is None else [p.name for p in signature.parameters]
            table.report(diagnoses.missing_argument(node.span, name, missing, usage))
        case ast.Name() if node.id not in table.names and table.near_distribution(node.id):
            near = table.near_distribution(node.id)
            table.report(diagnoses.unknown_distribution(node.span, node.id, near))
        case _:
            shown = show_syntax(node)
            hint = "write `Delta(...)` for something that is certain, or `let` to name a value"
            if _mixes(node, table):
                hint = "a mixture draws which it is: `latent z[n] ~ Bernoulli(0.5)`, "
                hint += "then `... ~ A if z[n] else B`"
            table.report(diagnoses.value_as_distribution(node.span, shown, hint))
    return None


def _mixes(node: ast.Expr, table: Table) -> bool:
    """Whether distributions are added: `0.3 * Normal(0, 1) + 0.7 * Normal(1, 1)`."""
    match node:
        case ast.Binary(left=left, right=right):
            return _mixes(left, table) or _mixes(right, table)
        case ast.Call(func=func):
            return table.is_distribution(func.id)
        case _:
            return False


def signature_of(name: str, table: Table) -> Signature | None:
    """What is known of a family or of a density of the file; None where its own head is wrong."""
    if name == "Delta":
        return DELTA
    family = table.family(name)
    if family is not None:
        return of_family(family)
    density = table.densities.get(name)
    return of_density(density) if density is not None else None


def _draw(call: ast.Call, place: Place, table: Table, batch: Shape) -> g.Draw | None:
    signature = signature_of(call.func.id, table)
    table.used.add(call.func.id)
    slots = match_arguments(call, signature, table) if signature is not None else None
    if signature is None or slots is None:
        _resolve_all(call, place, table)
        return None
    args: list[tuple[Parameter, g.Expr]] = []
    fine = True
    for parameter, value in slots:
        if value is None:
            args.append((parameter, g.Number(parameter.default or 0, call.span)))
            continue
        expr = resolve(value, place, table)
        if expr is not None and _verify_argument(parameter, expr, signature, batch, table):
            args.append((parameter, expr))
        else:
            fine = False
    if not fine or not _verify_together(args, signature, call.span, table):
        return None
    return g.Draw(signature.name, tuple((p.name, e) for p, e in args), call.span)


def _resolve_all(call: ast.Call, place: Place, table: Table) -> None:
    """Look for problems inside of arguments that can't be matched."""
    for argument in (*call.args, *(k.value for k in call.keywords)):
        resolve(argument, place, table)


def _verify_argument(
    parameter: Parameter, expr: g.Expr, signature: Signature, batch: Shape, table: Table
) -> bool:
    """Whether an argument has the right rank, and can have the right values."""
    event, rank = parameter.event, len(expr.shape)
    elementwise = signature.event == 0 and event == 0 and signature is not DELTA
    lead = expr.shape[: rank - event]
    if not elementwise and lead and lead != batch:
        wanted = ("a single number", "a vector", "a matrix")[event]
        _report_rank(parameter, expr, signature, wanted, table)
        return False
    if not elementwise and rank < event:
        wanted = ("a single number", "a vector", "a matrix")[event]
        _report_rank(parameter, expr, signature, wanted, table)
        return False
    return verify_support(parameter, expr, signature.name, table)


def _report_rank(
    parameter: Parameter, expr: g.Expr, signature: Signature, wanted: str, table: Table
) -> None:
    hint = ""
    if not expr.shape and parameter.event == 1:
        hint = "write `zeros[D]` or `[a, b]` for a vector"
    elif not expr.shape and parameter.event == 2:
        hint = "write `s * eye[D]` for a multiple of the identity"
    elif len(expr.shape) == 1 and parameter.event == 2:
        hint = "write `diag(...)` for a diagonal matrix"
    elif parameter.event == 1 and isinstance(expr, g.Ref):
        hint = f"index it: `{expr.name}[...]`"
    elif expr.shape and parameter.event == 0 and signature.name == "Normal":
        hint = "use `MvNormal`"
    found = describe(expr.shape)
    table.report(
        diagnoses.argument_shape(expr.span, signature.name, parameter.name, wanted, found, hint)
    )


def _verify_together(
    args: list[tuple[Parameter, g.Expr]], signature: Signature, span: Span, table: Table
) -> bool:
    """Whether the arguments fit each other: one length of vectors and matrices, or broadcast."""
    vectors = [(e, extent) for p, e in args if p.event for extent in e.shape[-p.event :]]
    if signature.event or len(vectors) > 1:
        for expr, extent in vectors[1:]:
            if not same(vectors[0][1], extent):
                clash = Clash(vectors[0][1], extent)
                _report_clash(clash, [vectors[0][0], expr], span, table)
                return False
    scalars = [e for p, e in args if p.event == 0]
    shape = broadcast_all([e.shape for e in scalars])
    if isinstance(shape, Clash):
        _report_clash(shape, [e for e in scalars if e.shape], span, table)
        return False
    return True


def _report_clash(clash: Clash, exprs: list[g.Expr], span: Span, table: Table) -> None:
    notes = tuple(dict.fromkeys(declaration_note(e, table) for e in exprs))
    hint = "use one name for both where they are declared"
    table.report(diagnoses.sizes_disagree(span, str(clash.left), str(clash.right), hint, notes))


def _limited(call: ast.Call, place: Place, table: Table, batch: Shape) -> g.Limited | None:
    """`Censored(base, lower, upper)` or `Truncated(...)`, a limit of which may be left out.

    `Interval(base)` has none: its limits are its data.
    """
    name = call.func.id
    usage = _USAGE[name]
    base: ast.Expr | None = call.args[0] if call.args else None
    keywords = tuple(k for k in call.keywords if k.name.id != "base")
    base = base or next((k.value for k in call.keywords if k.name.id == "base"), None)
    if base is None:
        table.report(diagnoses.missing_argument(call.span, name, ("base",), usage))
        return None
    limits = ast.Call(call.span, call.func, call.args[1:], keywords)
    given = _limits(limits, name, place, table)
    dist = resolve_distribution(base, place, table, batch)
    if dist is None or given is None:
        return None
    if not isinstance(dist, g.Draw):
        table.report(diagnoses.bad_base(base.span, name, "a choice", usage))
        return None
    signature = signature_of(dist.family, table)
    if dist.family == "Delta" or (signature is not None and signature.event):
        why = "of vectors" if dist.family != "Delta" else "certain"
        what = f"`{dist.family}`, which is {why}"
        table.report(diagnoses.bad_base(base.span, name, what, usage))
        return None
    if dist.family in ("Categorical", "Bernoulli"):
        why = f"`{dist.family}`, whose values have no order to cut"
        table.report(diagnoses.bad_base(base.span, name, why, usage))
        return None
    discrete = signature is not None and signature.kind in DISCRETE
    if not _verify_limits(given, dist, discrete, table):
        return None
    if name == "Interval" and any(e.shape for _, e in dist.args):
        table.report(diagnoses.bad_base(base.span, name, "an array of them", usage))
        return None
    return g.Limited(_KINDS[name], dist, given.get("lower"), given.get("upper"), call.span)


def _limits(call: ast.Call, name: str, place: Place, table: Table) -> dict[str, g.Expr] | None:
    takes = () if name == "Interval" else _LIMITS
    signature = Signature(name, "real", tuple(_optional(p) for p in takes))
    slots = match_arguments(call, signature, table)
    if slots is None:
        return None
    given = {p.name: resolve(v, place, table) for p, v in slots if v is not None}
    if takes and not given:
        missing = ("lower", "upper")
        table.report(diagnoses.missing_argument(call.span, name, missing, _USAGE[name]))
        return None
    known = {word: expr for word, expr in given.items() if expr is not None}
    for word, expr in known.items():
        if expr.shape:
            found = describe(expr.shape)
            table.report(diagnoses.argument_shape(expr.span, name, word, "a single number", found))
            return None
    return known if len(known) == len(given) else None


def _verify_limits(given: dict[str, g.Expr], base: g.Draw, discrete: bool, table: Table) -> bool:
    """Whether something lies between known limits, and those of whole numbers are whole."""
    known = {word: constant(expr, table) for word, expr in given.items()}
    low, high = known.get("lower"), known.get("upper")
    if low is not None and high is not None and low >= high:
        table.report(diagnoses.empty_limits(given["upper"].span, f"{low:g}", f"{high:g}"))
        return False
    for word, expr in given.items() if discrete else ():
        value, kind = known[word], kind_of(expr, table)
        whole = value == int(value) if value is not None else kind is None or kind in DISCRETE
        if not whole:
            table.report(diagnoses.broken_limit(expr.span, word, base.family))
            return False
    return True


def _optional(parameter: Parameter) -> Parameter:
    return Parameter(parameter.name, parameter.kind, default=0.0)
