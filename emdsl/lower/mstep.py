"""The M-step as statements: each update in order, with the mathematics above it."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace

import sympy as sp

from emdsl.derive.atoms import Pivot
from emdsl.derive.display import tidy_axes
from emdsl.derive.joint import Joint
from emdsl.derive.mstep.block import (
    BestOf,
    Entries,
    Linear,
    MatrixQuadratic,
    MatrixValue,
    Normalized,
    Update,
)
from emdsl.derive.mstep.block import (
    Joint as JointForm,
)
from emdsl.derive.mstep.solve import MStep
from emdsl.derive.statistics import Derived
from emdsl.ir.nodes import (
    Array,
    Assign,
    Axis,
    Bind,
    Blank,
    Comment,
    Expr,
    Function,
    Item,
    Kernel,
    Lit,
    Map,
    Return,
    Stmt,
    Whole,
)
from emdsl.lower.consts import fetch_consts
from emdsl.lower.edges import without_edges
from emdsl.lower.fetch import fetch_param, fetch_params, matrix_function, sizes_of
from emdsl.lower.names import Names, mathematics, quoted
from emdsl.lower.scalar import ScalarLowering


class MStepLowering:
    """Writes `m_step`, `log_prior` and `pivot`."""

    def __init__(self, derived: Derived, m_step: MStep, names: Names) -> None:
        self.derived = derived
        self.joint: Joint = derived.joint
        self.model = derived.joint.model
        self.steps = m_step
        self.names = names

    def scalars(self) -> ScalarLowering:
        return ScalarLowering(self.joint.atoms, self.names, frozenset())

    # -- m_step ---------------------------------------------------------------------------------

    def m_step(self) -> tuple[Function, frozenset[str]]:
        """The function, and the names of the statistics it asks for."""
        s = self.scalars()
        done: set[str] = set()
        matrices: set[tuple[str, str]] = set()
        body: list[Stmt] = []
        for update in self.steps.updates:
            lines = self._update(update, s)
            old = sorted((update.needs - done) & {p.name for p in self.model.params})
            early: list[Stmt] = []
            for name in old:
                early.append(fetch_param(name, s, self.model, self.names, self.joint.pivots))
                done.add(name)
            for key in sorted(s.wants):
                kind, _, name = key.partition(" ")
                if kind in ("inv", "logdet") and (kind, name) not in matrices:
                    early.append(matrix_function(kind, name, s, self.model, self.names))
                    matrices.add((kind, name))
            body += [*early, *lines]
            for name in self._solved(update):
                done.add(name)
                matrices -= {("inv", name), ("logdet", name)}
                for kind in ("inv", "logdet"):
                    s.wants.pop(f"{kind} {name}", None)
        fetched, wanted = self._fetched(s)
        result: list[tuple[str, str]] = []
        for p in self.model.params:
            value = self.names[p.name]
            result.append(
                (quoted(p.name), f"new_{value}" if p.name in self.joint.pivots else value)
            )
            if p.name in self.joint.pivots:
                body.append(self._unpivot(p.name, s))
        consts = fetch_consts(s, self.model, self.names, "statistics.layout.consts")
        whole = [*consts, *fetched, *body]
        sizes = sizes_of(whole, s, self.model)
        sizes = [
            Item(x.name, "statistics.layout.sizes", x.key) for x in sizes if isinstance(x, Item)
        ]
        function = Function(
            "m_step",
            (("statistics", "rt.Statistics"), ("params", "rt.Params")),
            "rt.Params",
            "The parameters that maximise the expected complete-data log likelihood"
            + (" plus log prior." if self.derived.priors else ".")
            + "\n\nWhere a statistic is empty (0 / 0) the value in `params` stays.\n",
            (*sizes, *whole, Return(tuple(result) if result else "{}")),
            guarded=True,
        )
        return function, wanted

    def _solved(self, update: Update) -> tuple[str, ...]:
        return (update.param, *update.also)

    def _fetched(self, s: ScalarLowering) -> tuple[list[Stmt], frozenset[str]]:
        body: list[Stmt] = []
        wanted = {k.partition(" ")[2] for k in s.wants if k.startswith("stat ")}
        for statistic in self.derived.statistics:
            if statistic.name in wanted:
                axes = tuple(s.axis(a) for a in statistic.axes)
                body.append(
                    Item(s.stat_name(statistic.name), "statistics", quoted(statistic.name), axes)
                )
        pivots = {k.partition(" ")[2] for k in s.wants if k.startswith("pivot ")}
        if self.joint.pivots:
            body.append(Bind(("pivot",), "", ("statistics.pivot",)))
        body += [Item(s.pivot_name(name), "pivot", quoted(name)) for name in sorted(pivots)]
        return body, frozenset(wanted)

    def _unpivot(self, name: str, s: ScalarLowering) -> Stmt:
        param = self.model.param(name)
        axes = tuple(Axis(f"{name}{i}", s.dim(e)) for i, e in enumerate(param.shape))
        kept = tuple(axes[i] for i in self.joint.pivots[name])
        py = self.names[name]
        value = Map("add", (Array(py, axes), Array(f"pivot[{quoted(name)}]", kept)))
        return Assign(f"new_{py}", Whole(value, axes))

    def _update(self, update: Update, s: ScalarLowering) -> list[Stmt]:
        name = self.names[update.param]
        axes = tuple(s.axis(a) for a in update.cell)
        lines: list[Stmt] = [
            Blank(),
            Comment(f"{update.param}: {update.rule}"),
            *(
                Comment(line)
                for text in tidy_axes(update.record, self.joint.atoms)
                for line in mathematics(text)
            ),
        ]
        form = update.form
        match form:
            case Entries(value=value):
                lines.append(Assign(name, Whole(s.lower(value), axes, full=True)))
            case Normalized(counts=counts):
                inner = Whole(s.lower(counts), axes, full=True)
                lines.append(Assign(name, Whole(Kernel("simplex", (inner,), axes), axes)))
            case MatrixValue(value=value, invert=invert):
                inner = Whole(s.lower(value), axes, full=True)
                whole: Expr = Kernel("symmetric", (inner,), axes)
                if invert:
                    whole = Kernel("safe_inverse", (Whole(whole, axes),), axes)
                lines.append(Assign(name, Whole(whole, axes)))
            case MatrixQuadratic(count=count, plain=plain, inverse=inverse):
                batch = axes[: len(axes) - 2]
                parts = (
                    Whole(s.lower(count), batch, full=True),
                    Whole(s.lower(plain), axes, full=True),
                    Whole(s.lower(inverse), axes, full=True),
                )
                lines.append(Assign(name, Whole(Kernel("matrix_quadratic", parts, axes), axes)))
            case Linear():
                lines += self._linear(form, name, axes, s)
            case BestOf(roots=roots, objective=objective):
                lines += self._best(update, roots, objective, name, axes, s)
            case JointForm():
                return [*lines, *self._joint_linear(form, s)]
        lines.append(self._settled(update.param, s))
        return lines

    def _settled(self, param: str, s: ScalarLowering) -> Stmt:
        name = self.names[param]
        declared = self.model.param(param)
        cell = tuple(Axis(f"{param}{i}", s.dim(e)) for i, e in enumerate(declared.shape))
        stored: Expr = Array(f"params[{quoted(param)}]", cell)
        if param in self.joint.pivots:
            kept = tuple(cell[i] for i in self.joint.pivots[param])
            less = Map("mul", (Lit(-1), Array(f"pivot[{quoted(param)}]", kept)))
            stored = Map("add", (stored, less))
        kind = declared.type.kind
        support = (quoted(kind),) if kind in ("positive", "unit") else ()
        return Bind((name,), "nm.settle", (name, Whole(stored, cell), *support))

    def _linear(
        self, form: Linear, name: str, axes: tuple[Axis, ...], s: ScalarLowering
    ) -> list[Stmt]:
        twin = tuple(s.axis(a) for a in form.twin)
        batch = tuple(a for i, a in enumerate(axes) if i not in form.coupled)
        own = tuple(axes[i] for i in form.coupled)
        matrix = Whole(s.lower(form.matrix), (*batch, *own, *twin), full=True)
        right = Whole(s.lower(form.right), (*batch, *own), full=True)
        solved = Kernel("solve", (matrix, right, len(own)), (*batch, *own))
        return [Assign(name, Whole(solved, axes))]

    def _joint_linear(self, form: JointForm, s: ScalarLowering) -> list[Stmt]:
        """One system for several parameters: their blocks in a grid, solved together."""
        lines: list[Stmt] = []
        batch = tuple(s.axis(a) for a in form.batch)
        count = len(form.params)
        rows: list[str] = []
        rights: list[str] = []
        for i, row in enumerate(form.matrix):
            own = tuple(s.axis(a) for a in form.cells[i])
            names = []
            for j, entry in enumerate(row):
                other = tuple(s.axis(a) for a in form.twins[j])
                block = f"h_{i}_{j}"
                whole = Whole(s.lower(entry), (*batch, *own, *other), full=True)
                lines.append(Assign(block, whole))
                names.append(f"({block}, {len(own)}, {len(other)})")
            rows.append(f"({', '.join(names)}{',' * (count == 1)})")
            right = f"g_{i}"
            lines.append(Assign(right, Whole(s.lower(form.right[i]), (*batch, *own), full=True)))
            rights.append(f"({right}, {len(own)})")
        pythons = tuple(self.names[p] for p in form.params)
        lines.append(
            Bind(
                pythons,
                "nm.solve_blocks",
                (f"({', '.join(rows)})", f"({', '.join(rights)})", len(batch)),
            )
        )
        lines += [self._settled(p, s) for p in form.params]
        return lines

    def _best(
        self,
        update: Update,
        roots: tuple[sp.Expr, ...],
        objective: sp.Expr,
        name: str,
        axes: tuple[Axis, ...],
        s: ScalarLowering,
    ) -> list[Stmt]:
        lines: list[Stmt] = []
        values: list[str] = []
        scores: list[str] = []
        for i, root in enumerate(roots):
            root_name = f"root_{i}_{name}"
            lines.append(Assign(root_name, Whole(s.lower(root), axes, full=True)))
            score = s.lower(objective)
            renamed = _replace(score, Array(name, axes), Array(root_name, axes))
            lines.append(Assign(f"q_{root_name}", Whole(renamed, axes, full=True)))
            values.append(root_name)
            scores.append(f"q_{root_name}")
        kind = quoted(self.model.param(update.param).type.kind)
        lines.append(
            Bind((name,), "nm.best", (f"({', '.join(values)},)", f"({', '.join(scores)},)", kind))
        )
        return lines

    # -- log_prior and pivot --------------------------------------------------------------------

    def log_prior(self) -> Function:
        s = self.scalars()
        atoms = self.joint.atoms
        total: sp.Expr = sp.Integer(0)
        for term in self.derived.priors:
            axes = tuple(sorted(term.axes))
            expr = without_edges(term, atoms)
            # the prior is of the parameter itself, not of its distance from a pivot
            zero = {x: 0 for x in expr.free_symbols if isinstance(atoms.atom(x), Pivot)}
            total += atoms.sum(axes, expr.xreplace(zero))
        parts = sp.Add.make_args(total) if total != 0 else ()
        body: list[Stmt] = []
        names = []
        for i, part in enumerate(parts):
            names.append(f"term_{i}")
            body.append(Assign(names[-1], Whole(s.lower(part), ())))
        fetched = fetch_params(s, self.model, self.names)
        whole = [*fetch_consts(s, self.model, self.names), *fetched, *body]
        sizes = sizes_of(whole, s, self.model)
        text = "float(" + " + ".join(names) + ")" if names else "0.0"
        return Function(
            "log_prior",
            (("params", "rt.Params"), ("layout", "rt.Layout")),
            "float",
            "The log density of the parameters' priors, constants included.",
            (*sizes, *whole, Return(text)),
        )

    def pivot(self) -> Function:
        body: list[Stmt] = []
        result: list[tuple[str, str]] = []
        for name, kept in sorted(self.joint.pivots.items()):
            rank = len(self.model.param(name).shape)
            drop = tuple(i for i in range(rank) if i not in kept)
            source = f"params[{quoted(name)}]"
            if drop:
                source += f".mean(axis={drop[0] if len(drop) == 1 else drop})"
            result.append((quoted(name), source))
        body.append(Return(tuple(result) if result else "{}"))
        return Function(
            "pivot",
            (("params", "rt.Params"),),
            "rt.Params",
            "About where second moments are taken: each location, averaged over the latents.",
            tuple(body),
        )


def _replace(expr: Expr, old: Array, new: Array) -> Expr:
    """The expression with one array in place of another."""

    def walk(x: object) -> object:
        if isinstance(x, Array) and x.name == old.name:
            return Array(new.name, x.axes)
        if isinstance(x, tuple):
            return tuple(walk(y) for y in x)
        if is_dataclass(x) and not isinstance(x, type):
            return replace(x, **{f.name: walk(getattr(x, f.name)) for f in fields(x)})
        return x

    return walk(expr)  # type: ignore[return-value] # the same kind of node
