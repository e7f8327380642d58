"""`infer theta, z using meanfield`: which latents, and which method.

`infer x using augmentation` is about data: whether they get a latent of their own.
"""

from __future__ import annotations

from collections.abc import Mapping

from emdsl import diagnoses
from emdsl.families import FAMILIES
from emdsl.model import graph as g
from emdsl.model.graph import draws
from emdsl.model.table import A_ROLE, Table
from emdsl.source import Span
from emdsl.syntax import ast

# Each method with how it is written; a number in parentheses may be left out.
METHODS: Mapping[str, str] = {
    "meanfield": "meanfield",
    "quadrature": "quadrature(21)",
    "montecarlo": "montecarlo(200)",
    **{name: name for name in g.WRITINGS},
}
_NUMBERED = ("quadrature", "montecarlo")


def resolve_infers(
    items: tuple[ast.Item, ...], dists: Mapping[str, g.Distribution], table: Table
) -> tuple[g.Infer, ...]:
    """Every `infer` line, wherever it stands."""
    found: list[g.Infer] = []
    first: dict[str, Span] = {}
    for node in _lines(items):
        fits = _is_represented if node.method.id in g.WRITINGS else _is_latent
        targets = [t.id for t in node.targets if fits(t, dists, table)]
        for target in node.targets:
            if target.id in first:
                table.report(diagnoses.infer_twice(target.span, target.id, first[target.id]))
            first.setdefault(target.id, target.span)
        args = _arguments(node, table)
        if args is not None and targets:
            found.append(g.Infer(tuple(targets), node.method.id, args, node.span))
    return tuple(found)


def _lines(items: tuple[ast.Item, ...]) -> list[ast.Infer]:
    found: list[ast.Infer] = []
    waiting = list(reversed(items))
    while waiting:
        match waiting.pop():
            case ast.Plate(body=body):
                waiting.extend(reversed(body))
            case ast.Infer() as line:
                found.append(line)
            case _:
                pass
    return found


def _is_represented(target: ast.Name, dists: Mapping[str, g.Distribution], table: Table) -> bool:
    """Whether it is data drawn from a distribution that is a mixture over a latent."""
    name = target.id
    declared = table.names.get(name)
    if declared is None:
        data = (n for n, d in table.names.items() if d.role == "data")
        table.report(diagnoses.unknown_name(target.span, name, table.near(name, data)))
        return False
    what = ""
    if declared.role != "data":
        what = A_ROLE[declared.role]
    elif not declared.scope.plates:
        what = "in no plate"
    elif name in dists and not any(_mixes(d, table) for d in draws(dists[name])):
        found = dict.fromkeys(f"`{d.family}`" for d in draws(dists[name]))
        what = f"drawn from {' and '.join(found)}" if found else "censored or truncated"
    if what:
        known = [name for name, family in FAMILIES.items() if family.representations]
        table.report(diagnoses.not_represented(target.span, name, what, known))
    return not what


def _mixes(draw: g.Draw, table: Table) -> bool:
    family = table.family(draw.family)
    return family is not None and family.representation([n for n, _ in draw.args]) is not None


def _is_latent(target: ast.Name, _: Mapping[str, g.Distribution], table: Table) -> bool:
    declared = table.names.get(target.id)
    latents = (n for n, d in table.names.items() if d.role == "latent")
    if declared is None:
        near = table.near(target.id, latents)
        table.report(diagnoses.unknown_name(target.span, target.id, near))
    elif declared.role != "latent":
        role = A_ROLE[declared.role]
        near = table.near(target.id, latents)
        table.report(diagnoses.infer_target(target.span, target.id, role, near))
    else:
        return True
    return False


def _arguments(node: ast.Infer, table: Table) -> tuple[g.Expr, ...] | None:
    method = node.method.id
    if method not in METHODS:
        near = table.near(method, METHODS)
        known = list(METHODS)
        table.report(diagnoses.unknown_method(node.method.span, method, near, known))
        return None
    most = 1 if method in _NUMBERED else 0
    numbers = [
        g.Number(a.value, a.span)
        for a in node.args
        if isinstance(a, ast.Number) and isinstance(a.value, int) and 0 < a.value < 1 << 31
    ]
    if len(node.args) > most or len(numbers) < len(node.args):
        table.report(diagnoses.method_arguments(node.method.span, method, METHODS[method]))
        return None
    return tuple(numbers)
