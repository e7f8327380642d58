"""Syntax tree ⇒ model: names, sizes, types and shapes resolved; or every problem at once.

The passes, each over the whole file, so that the order of declarations matters only where a story
has one: names and plates; extents and types; types that are not written; expressions and
distributions; then sizes, order, chains, and what is never used.
"""

from __future__ import annotations

from collections.abc import Mapping

from emdsl import diagnoses
from emdsl.diagnostics import CompileError, Diagnostic, Severity
from emdsl.model import graph as g
from emdsl.model.check import verify_order, verify_prior, warn_unused
from emdsl.model.constraints import resolve_constraints
from emdsl.model.contradictions import verify_together
from emdsl.model.declare import declare
from emdsl.model.densities import resolve_densities
from emdsl.model.distributions import resolve_distribution
from emdsl.model.drawn import leaves, verify_fit, verify_points
from emdsl.model.expressions import resolve
from emdsl.model.extents import resolve_plates, resolve_types
from emdsl.model.infer import resolve_infers
from emdsl.model.infer_types import infer_types
from emdsl.model.order import names_in, topological
from emdsl.model.prior_bounds import prior_bounds
from emdsl.model.references import Place
from emdsl.model.sizes import read_sizes
from emdsl.model.substitute import is_small
from emdsl.model.table import Declared, Table
from emdsl.source import Source
from emdsl.syntax import ast


def build(tree: ast.File, source: Source) -> tuple[g.Model, tuple[Diagnostic, ...]]:
    """The model and its warnings; raises `CompileError` with every error of the file."""
    table = Table(source, tree.name.id)
    axes = declare(tree, table)
    resolve_plates(axes, table)
    resolve_types(table)
    resolve_densities(table)
    infer_types(table)
    _resolve_lets(table)
    plates = _weighted_plates(table)
    dists = _resolve_distributions(table)
    infers = resolve_infers(tree.items, dists, table)
    constraints = (*resolve_constraints(tree.items, table), *prior_bounds(dists, table))
    verify_together(constraints, table)
    sizes = read_sizes(table)
    verify_order(dists, table)
    if not any(d.role == "data" for d in table.names.values()):
        table.report(diagnoses.no_data(tree.name.span, tree.name.id))
    if not any(p.severity == Severity.ERROR for p in table.problems):
        _require_types(table)
    warn_unused(table)
    problems = tuple(sorted(set(table.problems), key=lambda d: (d.span, d.code, d.message)))
    errors = tuple(d for d in problems if d.severity == Severity.ERROR)
    if errors:
        raise CompileError(source, errors)
    return _model(tree, table, sizes, plates, dists, infers, constraints), problems


def _resolve_lets(table: Table) -> None:
    """Every let, after those it uses."""
    lets = {n: d.statement for n, d in table.names.items() if isinstance(d.statement, ast.Let)}
    uses = {name: [n for n in names_in([let.value]) if n in lets] for name, let in lets.items()}
    found = topological(list(uses), uses)
    circular = {name for circle in found.cycles for name in circle}
    for circle in found.cycles:
        spans = [table.names[n].span for n in circle]
        table.report(diagnoses.cycle(spans[0], circle, spans, drawn=False))
    for name in found.order:
        declared, let = table.names[name], lets[name]
        value = None
        if name not in circular:
            value = resolve(let.value, Place(declared.scope, name), table)
        table.lets[name] = value if _verify_small(value, declared, table) else None


def _verify_small(value: g.Expr | None, declared: Declared, table: Table) -> bool:
    if value is None:
        return True
    if is_small(value):
        return True
    table.report(diagnoses.too_large(declared.span, f"what `{declared.name}` stands for"))
    return False


def _weighted_plates(table: Table) -> tuple[g.Plate, ...]:
    """The plates with their weights, which are names of inputs or consts."""
    plates: list[g.Plate] = []
    for axis, plate in table.plates.items():
        weight: g.Ref | None = None
        if axis in table.weights:
            node, scope = table.weights[axis]
            named = isinstance(node, ast.Name | ast.Index)
            expr = resolve(node, Place(scope), table) if named else None
            if isinstance(expr, g.Ref) and expr.role in ("input", "const") and not expr.shape:
                weight = expr
            elif expr is not None or not named:
                wanted = f"weight[{', '.join(scope.indices)}]"
                table.report(diagnoses.bad_weight(node.span, wanted))
        plates.append(g.Plate(axis, plate.extent, plate.outer, weight, plate.span))
    return tuple(plates)


def _resolve_distributions(table: Table) -> Mapping[str, g.Distribution]:
    """The distribution of every latent and data, the prior of every param, checked."""
    dists: dict[str, g.Distribution] = {}
    for declared in (*table.names.values(), *table.rejected):
        name = declared.name
        match declared.statement:
            case ast.Latent(dist=node) | ast.Data(dist=node):
                pass
            case ast.Param(prior=node) if node is not None:
                pass
            case _:
                continue
        batch = table.batch.get(name, ())
        before = len(table.problems)
        dist = resolve_distribution(node, Place(declared.scope, name), table, batch)
        if dist is None:
            if name in table.circular and len(table.problems) == before:
                _report_untyped(declared, "its distribution depends on itself", table)
            continue
        type_ = table.types.get(name)
        if table.names.get(name) is not declared:
            continue  # the second of two declarations
        if type_ is None or (type_.kind == "category" and type_.values is None):
            if _untyped(declared):
                why = "its distribution doesn't say how many values it has"
                _report_untyped(declared, why, table)
            continue
        if verify_fit(declared, type_, dist, batch, table):
            verify_points(declared, type_, dist, table)
        if declared.role == "param":
            verify_prior(dist, table)
        if _verify_all_small(dist, declared, table):
            dists[name] = dist
    return dists


def _untyped(declared: Declared) -> bool:
    statement = declared.statement
    return not isinstance(statement, ast.Let) and statement is not None and statement.type is None


def _require_types(table: Table) -> None:
    """Without another problem, a name that has no type yet takes part in a circle."""
    for declared in table.names.values():
        if declared.role != "let" and declared.name not in table.types:
            _report_untyped(declared, "its distribution depends on itself", table)


def _report_untyped(declared: Declared, why: str, table: Table) -> None:
    kind = "category[K]" if "how many" in why else "real[D]"
    example = f"{declared.role} {declared.written()} : {kind} ~ ..."
    table.report(diagnoses.type_needed(declared.span, declared.name, why, example))


def _verify_all_small(dist: g.Distribution, declared: Declared, table: Table) -> bool:
    for leaf in leaves(dist):
        draw = leaf.base if isinstance(leaf, g.Limited) else leaf
        if not all(_verify_small(value, declared, table) for _, value in draw.args):
            return False
    return True


def _model(
    tree: ast.File,
    table: Table,
    sizes: tuple[g.SizeDecl, ...],
    plates: tuple[g.Plate, ...],
    dists: Mapping[str, g.Distribution],
    infers: tuple[g.Infer, ...],
    constraints: tuple[g.Constraint, ...],
) -> g.Model:
    params: list[g.Param] = []
    variables: list[g.Variable] = []
    consts: list[g.Const] = []
    lets: list[g.Let] = []
    for d in sorted(table.names.values(), key=lambda d: d.span):
        name = d.name
        if d.role == "let":
            value = table.lets[name]
            if value is not None:
                lets.append(g.Let(name, d.plates, value, d.span))
            continue
        type_ = table.types[name]
        if d.role == "param":
            batch = table.batch.get(name, ())
            params.append(g.Param(name, batch, type_, dists.get(name), d.span))
        elif d.role == "const":
            dims = table.dims(name) or ()
            consts.append(g.Const(name, type_, dims, table.values.get(name), d.span))
        else:
            dist = dists.get(name)
            variables.append(g.Variable(name, d.role, d.plates, type_, dist, d.span))
    densities = tuple(table.densities.values())
    return g.Model(
        table.source,
        tree.name.id,
        tree.doc,
        sizes,
        plates,
        tuple(params),
        tuple(variables),
        tuple(consts),
        tuple(lets),
        densities,
        infers,
        constraints,
    )
