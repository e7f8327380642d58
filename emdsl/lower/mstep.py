"""The M-step as statements: each update in order, with the mathematics above it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace

import sympy as sp

from emdsl.derive.atoms import Coef, Pivot
from emdsl.derive.display import tidy_axes
from emdsl.derive.joint import Joint
from emdsl.derive.live import params_in
from emdsl.derive.mstep.block import (
    BestOf,
    Eigenvectors,
    Entries,
    Linear,
    MatrixQuadratic,
    MatrixValue,
    Normalized,
    Patterned,
    Planes,
    Pooled,
    UnitProduct,
    Update,
)
from emdsl.derive.mstep.block import (
    Joint as JointForm,
)
from emdsl.derive.mstep.share import Absolute, Numeric
from emdsl.derive.mstep.solve import MStep
from emdsl.derive.statistics import Derived, Statistic
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
from emdsl.lower.numeric import block_label, fetch_statistics
from emdsl.lower.scalar import ScalarLowering


class MStepLowering:
    """Writes `m_step`, `log_prior` and `pivot`."""

    def __init__(self, derived: Derived, m_step: MStep, names: Names) -> None:
        self.derived = derived
        self.joint: Joint = derived.joint
        self.model = derived.joint.model
        self.steps = m_step
        self.names = names
        self.sums: list[Statistic] = []  # live statistics that are asked for

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
            if isinstance(update.form, Numeric | Absolute):  # starts from where it was
                begin = self._solved(update)
                if isinstance(update.form, Numeric):
                    begin = (*begin, *update.form.profiled, *self._in_units(update.form))
                old = sorted({*old, *(n for n in begin if n not in done)})
            for name in old:
                early.append(fetch_param(name, s, self.model, self.names, self.joint.pivots))
                done.add(name)
            early += self._live(s)
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
        fetched, wanted = fetch_statistics(self.derived, s)
        result: list[tuple[str, str]] = []
        for p in self.model.params:
            value = self.names[p.name]
            result.append(
                (quoted(p.name), f"new_{value}" if p.name in self.joint.pivots else value)
            )
            if p.name in self.joint.pivots:
                body.append(self._unpivot(p.name, s))
        consts = fetch_consts(s, self.model, self.names, "statistics.layout.consts")
        whole = [*self._constrained(), *consts, *fetched, *body]
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

    def _live(self, s: ScalarLowering) -> list[Stmt]:
        """The live statistics an update needs, at the parameters as they are by now."""
        out: list[Stmt] = []
        for statistic in (t.statistic for t in self.derived.live_terms):
            assert statistic is not None
            if f"stat {statistic.name}" in s.wants:
                del s.wants[f"stat {statistic.name}"]
                if statistic not in self.sums:
                    self.sums.append(statistic)
                values = self._values(statistic.feature.params)
                axes = tuple(s.axis(a) for a in statistic.axes)
                call = Kernel("rt.live_sum", (f"LIVE_{statistic.name}", "statistics", values), axes)
                out.append(Assign(s.stat_name(statistic.name), Whole(call, axes)))
        return out

    def _values(self, names: Iterable[str]) -> str:
        inner = ", ".join(f"{quoted(n)}: {self.names[n]}" for n in names)
        return f"{{{inner}}}"

    def _numeric(self, update: Update, form: Numeric | Absolute, s: ScalarLowering) -> list[Stmt]:
        func = "rt.climb" if isinstance(form, Numeric) else "rt.least_deviations"
        names = [n for n in (p.name for p in self.model.params)
                 if n in update.needs or n in form.params]  # fmt: skip
        pythons = tuple(self.names[p] for p in form.params)
        block = f"BLOCK_{block_label(form)}"
        free: list[str] = []
        if (
            isinstance(form, Numeric) and form.profiled
        ):  # whose formulas don't hold where constraints do
            names += form.profiled
            free += [f"rt.free({self.names[n]})" for n in form.profiled]
            block += f" if {' and '.join(free)} else BLOCK_{block_label(form, form.profiled)}"
        args: tuple[str, ...] = (block, "statistics", self._values(names))
        units: list[Stmt] = []
        if isinstance(form, Numeric) and any(f.why.common != 1 for f in _forms(form)):
            chosen = []
            for one, given in zip(_forms(form), ((), form.profiled), strict=False):
                chosen.append(f"unit_{block_label(one, given)}")
                units.append(Assign(chosen[-1], Whole(s.lower(one.why.common), ())))
            args = (*args, f" if {' and '.join(free)} else ".join(chosen))
        targets = pythons if len(pythons) > 1 else (f"({pythons[0]},)",)
        return [*units, Bind(targets, func, args)]

    def _in_units(self, form: Numeric) -> tuple[str, ...]:
        """The parameters in what a block leaves out, which Newton's method takes for its unit."""
        atoms = self.joint.atoms
        return tuple(sorted({n for f in _forms(form) for n in params_in(f.why.common, atoms)}))

    def _constrained(self) -> list[Stmt]:
        """In a model with constraints of its own, old values that know what is to hold of them."""
        if not self.model.constraints:
            return []
        return [Bind(("params",), "rt.constrained", ("META", "params", "statistics.layout"))]

    def _pooled(self, param: str, pooled: Pooled, s: ScalarLowering) -> list[Stmt]:
        """The sums that tied entries add up."""
        lines: list[Stmt] = []
        for symbol, value in pooled:
            atom = self.joint.atoms.atom(symbol)
            assert isinstance(atom, Coef)
            axes = tuple(s.axis(str(a)) for a in atom.idx)
            name = s.coef_name(atom.letter, atom.param)
            lines.append(Assign(name, Whole(s.lower(value), axes, full=True)))
            lines.append(Bind((name,), "nm.pooled", (self._old(param, s), name)))
        return lines

    def _value(self, param: str, s: ScalarLowering) -> Whole:
        shape = self.model.param(param).shape
        cell = tuple(Axis(f"{param}{i}", s.dim(e)) for i, e in enumerate(shape))
        return Whole(Array(self.names[param], cell), cell)

    def _solved(self, update: Update) -> tuple[str, ...]:
        return update.solved

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
                lines += self._pooled(update.param, form.pooled, s)
                lines.append(Assign(name, Whole(s.lower(value), axes, full=True)))
                if form.bounded:
                    lines.append(Bind((name,), "nm.bounded", (name, self._old(update.param, s))))
            case Normalized(counts=counts):
                inner = Whole(s.lower(counts), axes, full=True)
                if form.tied:
                    old = self._old(update.param, s)
                    inner = Whole(Kernel("pooled_shares", (inner, old), axes), axes)
                lines.append(Assign(name, Whole(Kernel("simplex", (inner,), axes), axes)))
            case MatrixValue(value=value, invert=invert):
                lines += self._pooled(update.param, form.pooled, s)
                inner = Whole(s.lower(value), axes, full=True)
                whole: Expr = Kernel("symmetric", (inner,), axes)
                if invert:
                    old = self._old(update.param, s)
                    whole = Kernel("settle_inverse", (Whole(whole, axes), old), axes)
                lines.append(Assign(name, Whole(whole, axes)))
            case MatrixQuadratic() | Patterned():
                lines.append(Assign(name, Whole(self._matrix(update.param, form, axes, s), axes)))
            case Linear():
                lines += self._linear(update.param, form, axes, s)
            case BestOf(roots=roots, objective=objective):
                lines += self._pooled(update.param, form.pooled, s)
                lines += self._best(update, roots, objective, name, axes, s)
            case UnitProduct(logs=logs, powers=powers, power=power):
                both = tuple(Whole(s.lower(x), axes, full=True) for x in (logs, powers))
                lines.append(Bind((name,), "nm.unit_product", (*both, float(power))))
            case Eigenvectors() | Planes():
                lines.append(self._rotation(form, update.param, axes, s))
            case JointForm():
                lines += self._joint_linear(form, s)
            case Numeric() | Absolute():
                lines += self._numeric(update, form, s)
        settled = JointForm | Numeric | Absolute | MatrixQuadratic | Patterned
        if not (isinstance(form, settled) or (isinstance(form, MatrixValue) and form.invert)):
            lines.append(self._settled(update.param, s))
        for copy, leader in update.copies:
            lines.append(Assign(self.names[copy], self._value(leader, s)))
        return lines

    def _matrix(
        self, param: str, form: MatrixQuadratic | Patterned, axes: tuple[Axis, ...],
        s: ScalarLowering,
    ) -> Kernel:  # fmt: skip
        """A kernel on the coefficients of the log determinant and of both traces."""
        args = (
            Whole(s.lower(form.count), axes[:-2], full=True),
            Whole(s.lower(form.plain), axes, full=True),
            Whole(s.lower(form.inverse), axes, full=True),
            self._old(param, s),
        )
        return Kernel(
            "patterned" if isinstance(form, Patterned) else "matrix_quadratic", args, axes
        )

    def _settled(self, param: str, s: ScalarLowering) -> Stmt:
        name = self.names[param]
        kind = self.model.param(param).type.kind
        support = (quoted(kind),) if kind in ("positive", "unit") else ()
        return Bind((name,), "nm.settle", (name, self._old(param, s), *support))

    def _old(self, param: str, s: ScalarLowering) -> Whole:
        """The old value of what is solved for: that in `params`, less its pivot if it has one."""
        shape = self.model.param(param).shape
        cell = tuple(Axis(f"{param}{i}", s.dim(e)) for i, e in enumerate(shape))
        stored: Expr = Array(f"params[{quoted(param)}]", cell)
        if param in self.joint.pivots:
            kept = tuple(cell[i] for i in self.joint.pivots[param])
            less = Map("mul", (Lit(-1), Array(f"pivot[{quoted(param)}]", kept)))
            stored = Map("add", (stored, less))
        return Whole(stored, cell)

    def _rotation(
        self, form: Eigenvectors | Planes, param: str, axes: tuple[Axis, ...], s: ScalarLowering
    ) -> Stmt:
        """A kernel on the matrices of the quadratic forms, and the rotation so far."""
        *batch, row, column = axes
        twin = s.axis(form.twin)
        name, old = self.names[param], f"params[{quoted(param)}]"
        if isinstance(form, Planes):
            matrices = Whole(s.lower(form.matrices), (*batch, row, twin, column), full=True)
            return Bind((name,), "nm.rotated", (matrices, old))
        matrix = Whole(s.lower(form.matrix), (*batch, row, twin), full=True)
        weights = Whole(s.lower(form.weights), (*batch, column), full=True)
        return Bind((name,), "nm.eigenvectors", (matrix, weights, old))

    def _linear(
        self, param: str, form: Linear, axes: tuple[Axis, ...], s: ScalarLowering
    ) -> list[Stmt]:
        twin = tuple(s.axis(a) for a in form.twin)
        batch = tuple(a for i, a in enumerate(axes) if i not in form.coupled)
        own = tuple(axes[i] for i in form.coupled)
        matrix = Whole(s.lower(form.matrix), (*batch, *own, *twin), full=True)
        right = Whole(s.lower(form.right), (*batch, *own), full=True)
        trailing = form.coupled == tuple(range(len(batch), len(axes)))
        places = () if trailing else (tuple_text(form.coupled),)
        solved = Kernel(
            "solve", (matrix, right, len(own), self._old(param, s), *places), (*batch, *own)
        )
        return [Assign(self.names[param], Whole(solved, axes))]

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
        olds = []
        for python, param in zip(pythons, form.params, strict=True):
            olds.append(f"old_{python}")
            lines.append(Assign(olds[-1], self._old(param, s)))
        lines.append(
            Bind(
                pythons,
                "nm.solve_blocks",
                (f"({', '.join(rows)})", f"({', '.join(rights)})", len(batch), tuple_text(olds)),
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
        for name in sorted(self.joint.pivots):
            leader = self.joint.shifts.leaders.get(name, name)
            rank, kept = len(self.model.param(leader).shape), self.joint.pivots[leader]
            drop = tuple(i for i in range(rank) if i not in kept)
            source = f"params[{quoted(leader)}]"
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


def _forms(form: Numeric) -> tuple[Numeric, ...]:
    """The form, and the same without formulas put in where there are any."""
    return (form,) if form.given is None else (form, form.given)


def tuple_text(items: Iterable[object]) -> str:
    """A tuple as Python writes it."""
    parts = [str(x) for x in items]
    return f"({', '.join(parts)}{',' * (len(parts) == 1)})"


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
