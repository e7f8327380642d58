"""One node's draw as an array expression: its family's sampler at its arguments' values."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from emdsl.diagnostics import Bug
from emdsl.families.family import Family
from emdsl.ir.nodes import (
    Array,
    Axis,
    Bind,
    Contract,
    Expr,
    Function,
    Gather,
    Item,
    Kernel,
    Lit,
    Map,
    Range,
    Return,
    Stmt,
    Whole,
    axes_of,
)
from emdsl.ir.used import names_in
from emdsl.lower.formula import formula, name_of
from emdsl.lower.names import Names, quoted
from emdsl.model import graph as g
from emdsl.model.kinds import DISCRETE

_OPS = {
    "add": "add", "mul": "mul", "div": "div", "pow": "pow", "exp": "exp", "log": "log",
    "sqrt": "sqrt", "abs": "abs", "sin": "sin", "cos": "cos", "tanh": "tanh", "lgamma": "lgamma",
    "eq": "eq", "ne": "ne", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge", "and": "and",
    "or": "or", "not": "not",
}  # fmt: skip


_TESTS = ("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not")


class DrawValues:
    """Writes the draws of one distribution, statement by statement into `body`."""

    def __init__(self, model: g.Model, names: Names, families: Mapping[str, Family]) -> None:
        self.model = model
        self.names = names
        self.families = families
        self.body: list[Stmt] = []
        self.count = 0

    def _function(self, result: list[tuple[str, str]]) -> Function:
        """The function `draw` of the statements written so far, with what they need fetched."""
        fetched: list[Stmt] = []
        for p in self.model.params:
            axes = tuple(Axis(f"{p.name}{i}", self._dim(e)) for i, e in enumerate(p.shape))
            fetched.append(Item(self.names[p.name], "params", quoted(p.name), axes))
        fetched += [Item(self.names[c.name], "given", quoted(c.name)) for c in self.model.consts]
        fetched += [
            self._input(v)
            for v in self.model.variables
            if v.role == "input" and not self._only_weight(v.name)
        ]
        used = names_in([*self.body, *(Bind((), "", (code,)) for _, code in result)])
        kept = [s for s in fetched if _bound(s) in used]
        used |= names_in(kept)
        sizes: list[Stmt] = [
            Item(self.names[z.name], "layout.sizes", quoted(z.name))
            for z in self.model.sizes
            if self.names[z.name] in used
        ]
        return Function(
            "draw",
            (("params", "rt.Params"), ("layout", "rt.Layout"),
             ("rng", "np.random.Generator"), ("given", "Mapping[str, Any]")),
            "dict[str, Any]",
            "Draw every latent and data array; `given` holds the inputs and consts.",
            (*sizes, *kept, *self.body, Return(tuple(result))),
        )  # fmt: skip

    def _input(self, v: g.Variable) -> Stmt:
        return Item(self.names[v.name], "given", quoted(v.name))

    def _only_weight(self, name: str) -> bool:
        return any(p.weight is not None and p.weight.name == name for p in self.model.plates)

    def _dim(self, extent: g.Extent) -> str | int:
        if isinstance(extent, g.Fixed):
            return extent.value
        assert isinstance(extent, g.Size)
        return self.names[extent.name]

    def _plate(self, axis: str) -> Axis:
        return Axis(axis, self._dim(self.model.plate(axis).extent))

    def _event(self, shape: tuple[g.Extent, ...]) -> tuple[Axis, ...]:
        return tuple(Axis(f"event{i}", self._dim(e)) for i, e in enumerate(shape))

    def _draw(
        self, dist: g.Distribution, plates: tuple[Axis, ...], events: tuple[Axis, ...]
    ) -> Expr:
        whole = (*plates, *events)
        match dist:
            case g.Draw():
                return self._one(dist, plates, events)
            case g.Choice(test=test, then=then, orelse=orelse):
                a = self._draw(then, plates, events)
                b = self._draw(orelse, plates, events)
                return Map("where", (self._expr(test, ()), a, b))
            case g.Limited(kind="truncated"):
                return self._one(dist.base, plates, events, dist)
            case g.Limited(kind="censored"):
                return self._censored(dist, plates, events)
            case g.Limited():
                name = self._temporary()
                why = (quoted(dist.base.family),)
                self.body.append(Bind((name,), "sampling.interval", why))
                return Array(name, whole)

    def _censored(
        self, dist: g.Limited, plates: tuple[Axis, ...], events: tuple[Axis, ...]
    ) -> Expr:
        """What lies beyond a limit is recorded there."""
        drawn = self._one(dist.base, plates, events)
        whole = (*plates, *events)
        limits = self._limits(dist, whole)
        name = self._temporary()
        self.body.append(Bind((name,), "sampling.censored", (Whole(drawn, whole), *limits)))
        return Array(name, whole)

    def _limits(self, dist: g.Limited, batch: tuple[Axis, ...]) -> tuple[Whole | str, ...]:
        """The lower and the upper limit; None where there is none."""
        out: list[Whole | str] = []
        for limit in (dist.lower, dist.upper):
            if limit is None:
                out.append("None")
                continue
            value = self._expr(limit, ())
            out.append(Whole(value, batch if axes_of(value) else ()))
        return tuple(out)

    def _one(
        self,
        draw: g.Draw,
        plates: tuple[Axis, ...],
        events: tuple[Axis, ...],
        within: g.Limited | None = None,
    ) -> Expr:
        """A draw, within the limits of a truncated one."""
        family = self.families[draw.family]
        args = dict(draw.args)
        own = events[len(events) - family.event :] if family.event else ()
        batch = (*plates, *events[: len(events) - family.event])
        alternative = family.alternative(list(args))
        if alternative is not None and any(
            family.variable in formula.free_symbols for _, formula in alternative.canonical
        ):
            return self._unknown(draw, batch, own)
        values: list[Expr | None] = []
        ranks: list[int] = []
        for p in family.parameters:
            ranks.append(p.event)
            if p.name in args:
                values.append(self._arg(args[p.name], p.event, batch, own))
            else:
                assert alternative is not None
                values.append(self._canonical(p.name, family, alternative, args, batch, own))
        if family.sampler is None:
            return self._from_density(draw, batch)
        size = ", ".join(str(a.dim) for a in batch)
        shape = f"({size}{',' * (len(batch) == 1)})"
        parts: list[Whole | str] = ["rng"]
        if within is not None:
            parts += self._truncation(within, family, batch, shape)
        for p, value, rank in zip(family.parameters, values, ranks, strict=True):
            assert value is not None
            inner = self._inner(rank, value, args.get(p.name))
            code = Whole(value, (*[a for a in batch if a in axes_of(value)], *inner))
            parts.append(Whole(value, (*batch, *inner), full=bool(rank)) if rank else code)
            if not rank:
                parts[-1] = Whole(value, batch if axes_of(value) else ())
        name = self._temporary()
        if within is not None:
            how = "redrawn" if family.log_cdf is None else "truncated"
            self.body.append(Bind((name,), f"sampling.{how}", tuple(parts)))
        else:
            self.body.append(Bind((name,), f"sampling.{family.sampler}", (*parts, f"size={shape}")))
        return Array(name, (*batch, *own))

    def _truncation(
        self, within: g.Limited, family: Family, batch: tuple[Axis, ...], shape: str
    ) -> tuple[Whole | str, ...]:
        """What `sampling.truncated` and `sampling.redrawn` take before the arguments."""
        limits = self._limits(within, batch)
        if family.log_cdf is None:
            return (f"sampling.{family.sampler}", *limits, shape)
        least = "-np.inf" if family.kind == "real" else "0.0"
        return name_of(family), *limits, f"({least}, {family.kind in DISCRETE})", shape

    def _unknown(self, draw: g.Draw, batch: tuple[Axis, ...], own: tuple[Axis, ...]) -> Expr:
        """A draw whose arguments are read off the data (a count's total) can't be sampled."""
        name = self._temporary()
        left_out = ", ".join(
            p.name for p in self.families[draw.family].parameters if p.name not in dict(draw.args)
        )
        self.body.append(
            Bind((name,), "nm.unknown_argument", (quoted(draw.family), quoted(left_out)))
        )
        return Array(name, (*batch, *own))

    def _temporary(self) -> str:
        self.count += 1
        return self.names.fresh(f"drawn_{self.count}")

    def _inner(self, rank: int, value: Expr, given: g.Expr | None) -> tuple[Axis, ...]:
        """The event axes of an argument: a vector's or matrix's last ones, constant or not."""
        if rank == 0:
            return ()
        if given is not None:
            return tuple(Axis(f"arg{i}", self._dim(e)) for i, e in enumerate(given.shape))
        return tuple(a for a in axes_of(value) if a.name.startswith("arg"))

    def _arg(self, expr: g.Expr, rank: int, batch: tuple[Axis, ...], own: tuple[Axis, ...]) -> Expr:
        """An argument over batch axes, and axes of its own where it is a vector or matrix."""
        del own
        shape = expr.shape
        if rank == 0:
            events = batch[len(batch) - len(shape) :] if shape else ()
            return self._expr(expr, events)
        axes = tuple(Axis(f"arg{i}", self._dim(e)) for i, e in enumerate(shape))
        return self._expr(expr, axes)

    def _canonical(
        self,
        name: str,
        family: Family,
        alternative: object,
        args: Mapping[str, g.Expr],
        batch: tuple[Axis, ...],
        own: tuple[Axis, ...],
    ) -> Expr:
        """A parameter from the alternative's arguments: sd from var."""
        formula = dict(alternative.canonical)[name]  # type: ignore[attr-defined] # Alternative
        by_symbol = {
            family.symbol(q.name): self._arg(args[q.name], q.event, batch, own)
            for q in (*alternative.parameters, *family.parameters)  # type: ignore[attr-defined] # Alternative
            if q.name in args
        }
        return self._formula(formula, by_symbol)

    def _formula(self, tree: sp.Basic, known: Mapping[sp.Basic, Expr]) -> Expr:
        if tree in known:
            return known[tree]
        if tree.is_number:
            return Lit(int(tree) if tree.is_Integer else float(tree))
        name = type(tree).__name__
        if name == "MatInv":
            inner = self._formula(tree.args[0], known)
            axes = axes_of(inner)
            return Kernel("inverse", (Whole(inner, axes),), axes)
        if name == "Total":
            inner = self._formula(tree.args[0], known)
            last = tuple(a for a in axes_of(inner) if a.name.startswith("arg"))
            return Contract((inner,), last)
        return formula(tree, {**known, **{a: self._formula(a, known) for a in tree.args}})

    def _from_density(self, draw: g.Draw, batch: tuple[Axis, ...]) -> Expr:
        """A user's density: inversion of its numerically integrated distribution function."""
        density = next(d for d in self.model.densities if d.name == draw.family)
        if not density.normalised:
            name = self._temporary()
            self.body.append(Bind((name,), "nm.no_density", (quoted(density.name),)))
            return Array(name, batch)
        args = dict(draw.args)
        size = ", ".join(str(a.dim) for a in batch)
        parts: list[Whole | str] = []
        for name, _ in density.parameters:
            value = self._arg(args[name], 0, batch, ())
            parts.append(Whole(value, batch if axes_of(value) else ()))
        lower, upper = _RANGES[density.variable[1].kind]
        name = self._temporary()
        shape = f"({size}{',' * (len(batch) == 1)})"
        self.body.append(
            Bind(
                (name,),
                "nm.draw_rows",
                (
                    "rng",
                    f"log_{self.names[density.name]}",
                    f"({lower}, {upper}, {density.discrete})",
                    shape,
                    *parts,
                ),
            )
        )
        return Array(name, batch)

    # -- expressions --

    def _expr(self, expr: g.Expr, at: tuple[Axis, ...]) -> Expr:
        """An expression at event axes `at` (one for each of its dimensions)."""
        shape = expr.shape
        at = at[len(at) - len(shape) :] if shape else ()
        match expr:
            case g.Number(value=value):
                return Lit(value)
            case g.SizeRef(extent=extent):
                dim = self._dim(extent)
                return Lit(dim) if isinstance(dim, int) else Array(dim)
            case g.AxisRef(axis=axis):
                return self._place(axis)
            case g.ArrayOf(items=items):
                return self._items(items, at)
            case g.Ref():
                return self._ref(expr, at)
            case g.Apply():
                return self._apply(expr, at)

    def _place(self, axis: str) -> Expr:
        """A plate's index as a number."""
        return Range(self._plate(axis))

    def _items(self, items: tuple[g.Expr, ...], at: tuple[Axis, ...]) -> Expr:
        total: tuple[Expr, ...] = ()
        for j, item in enumerate(items):
            here = Map("eq", (Range(at[0]), Lit(j)))
            total = (*total, Map("mul", (here, self._expr(item, at[1:]))))
        return Map("add", total)

    def _ref(self, ref: g.Ref, at: tuple[Axis, ...]) -> Expr:
        name = self.names[ref.name]
        if ref.role in ("latent", "data", "input"):
            v = self.model.variable(ref.name)
            plates = tuple(self._plate(a) for a in v.plates)
            own = all(
                isinstance(i, g.AxisRef) and i.axis == a.name
                for i, a in zip(ref.indices, plates, strict=False)
            )
            if own and len(ref.indices) == len(plates):
                return Array(name, (*plates, *at))
        places = tuple(
            self._plate(i.axis) if isinstance(i, g.AxisRef) else self._expr(i, ())
            for i in ref.indices
        )
        if not places and not at:
            return Array(name)
        return Gather(name, (*places, *at))

    def _apply(self, expr: g.Apply, at: tuple[Axis, ...]) -> Expr:
        op, args = expr.op, expr.args
        match op:
            case "zeros":
                return Lit(0.0)
            case "ones":
                return Lit(1.0)
            case "eye":
                return Map("eq", (Range(at[0]), Range(at[1])))
            case "diag":
                same = Map("eq", (Range(at[0]), Range(at[1])))
                return Map("mul", (same, self._expr(args[0], (at[0],))))
            case "transpose":
                return self._expr(args[0], (at[1], at[0]))
            case "neg":
                return Map("mul", (Lit(-1), self._expr(args[0], at)))
            case "sub":
                minus = Map("mul", (Lit(-1), self._number(args[1], at)))
                return Map("add", (self._number(args[0], at), minus))
            case "add":
                return Map("add", tuple(self._number(a, at) for a in args))
            case "logistic":
                e = Map("exp", (Map("mul", (Lit(-1), self._expr(args[0], at))),))
                return Map("div", (Lit(1.0), Map("add", (Lit(1.0), e))))
            case "softmax":
                top = Map("exp", (self._expr(args[0], at),))
                inner = self._fresh(args[0].shape[-1])
                below = Contract((Map("exp", (self._expr(args[0], (inner,)),)),), (inner,))
                return Map("div", (top, below))
            case "sum":
                axes = tuple(self._fresh(e) for e in args[0].shape)
                return Contract((self._expr(args[0], axes),), axes)
            case "dot" | "matmul":
                axis = self._fresh(args[0].shape[-1])
                rank = len(args[0].shape)
                left = self._expr(args[0], (*at[: rank - 1], axis))
                right = self._expr(args[1], (axis, *at[rank - 1 :]))
                return Contract((left, right), (axis,))
            case "if":
                test, then, orelse = args
                return Map(
                    "where",
                    (self._expr(test, at), self._expr(then, at), self._expr(orelse, at)),
                )
            case _:
                return Map(_OPS[op], tuple(self._expr(a, at) for a in args))

    def _number(self, expr: g.Expr, at: tuple[Axis, ...]) -> Expr:
        """A term of a sum: a test is 1 or 0, for NumPy's sum of two is whether either holds."""
        value = self._expr(expr, at)
        is_test = isinstance(expr, g.Apply) and expr.op in _TESTS
        return Map("where", (value, Lit(1), Lit(0))) if is_test else value

    def _fresh(self, extent: g.Extent) -> Axis:
        self.count += 1
        return Axis(f"sum{self.count}", self._dim(extent))


def _bound(statement: Stmt) -> str:
    """The name that a statement fetches something under."""
    match statement:
        case Item(name=name) | Bind(names=(name,)):
            return name
        case _:
            raise Bug(f"fetches nothing: {statement}")


_RANGES = {
    "real": ("-np.inf", "np.inf"),
    "positive": ("0.0", "np.inf"),
    "unit": ("0.0", "1.0"),
    "count": ("0.0", "np.inf"),
    "bool": ("0.0", "1.0"),
    "int": ("-np.inf", "np.inf"),
}
