"""Scalar SymPy over atoms as array expressions: each atom becomes an array over its axes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import sympy as sp
from sympy.functions.special.bessel import besseli

from emdsl.derive.atoms import (
    Centered,
    Coef,
    Elem,
    Ind,
    InvOf,
    Ix,
    LogDetOf,
    LogInd,
    LogSumExp,
    Pivot,
    Seen,
    SizeOf,
    Stat,
    SumOf,
    Value,
    Weight,
)
from emdsl.derive.table import Atoms
from emdsl.diagnostics import Bug
from emdsl.families.vocabulary import LogMultiGamma
from emdsl.ir.nodes import (
    Array,
    Axis,
    Contract,
    Expr,
    Gather,
    Kernel,
    Lit,
    Map,
    Range,
    Stmt,
    Whole,
)
from emdsl.lower.names import Names
from emdsl.model.graph import Extent, Fixed, Size


@dataclass
class ScalarLowering:
    """Lowers scalars; `wants` collects the arrays they were found to need, by kind and name.

    `plates` are the axes that the engine takes in blocks. A log of parameters is the one that is
    finite at zero, for those on the edge of their support.
    """

    atoms: Atoms
    names: Names
    plates: frozenset[str]
    wants: dict[str, object] = field(default_factory=dict)

    def flush(self) -> list[Stmt]:
        """The variables made on the way since this was last asked: there are none here."""
        return []

    # -- axes --

    def axis(self, name: str) -> Axis:
        """An axis by name; the blocked plate's size is `B`."""
        if name in self.plates:
            return Axis(name, "B")
        return Axis(name, self.dim(self.atoms.axes[name].extent))

    def dim(self, extent: Extent) -> str | int:
        if isinstance(extent, Fixed):
            return extent.value
        assert isinstance(extent, Size)
        return self.names[extent.name]

    # -- expressions --

    def lower(self, expr: sp.Basic) -> Expr:
        """The array expression of a scalar."""
        if isinstance(expr, sp.Symbol):
            return self._symbol(expr)
        if expr.is_number:
            return self._number(expr)
        match expr:
            case sp.Add():
                return Map("add", tuple(self.lower(a) for a in expr.as_ordered_terms()))
            case sp.Mul():
                return self._product(expr)
            case sp.Pow():
                return self._power(expr)
            case sp.exp():
                return Map("exp", (self.lower(expr.args[0]),))
            case sp.log():
                return self._log(expr.args[0])
            case sp.Piecewise():
                return self._piecewise(expr)
            case LogMultiGamma():
                a, d = (self.lower(x) for x in expr.args)
                return Kernel("multigammaln", (Whole(a, ()), Whole(d, ())), ())
            case besseli():
                if expr.args[0] == 0:
                    return Map("i0", (self.lower(expr.args[1]),))
            case _:
                pass
        if isinstance(expr, sp.polygamma) and expr.args[0] in _POLYGAMMA:
            return Map(_POLYGAMMA[expr.args[0]], (self.lower(expr.args[1]),))
        name = FUNCTIONS.get(type(expr).__name__)
        if name is not None:
            return Map(name, tuple(self.lower(a) for a in expr.args))
        raise Bug(f"no array form of {type(expr).__name__}: {expr}")

    def _number(self, expr: sp.Basic) -> Lit:
        if expr.is_Integer:
            return Lit(int(expr))
        return Lit(float(expr))

    def _product(self, expr: sp.Mul) -> Expr:
        number, rest = expr.as_coeff_Mul()
        constant = [f for f in sp.Mul.make_args(rest) if f.is_number]
        factors = [f for f in sp.Mul.make_args(rest) if not f.is_number]
        top = [f for f in factors if not _inverted(f)]
        bottom = [1 / f for f in factors if _inverted(f)]
        scale = sp.Mul(number, *constant)
        if scale.is_Rational and scale.q != 1 and abs(scale.p) == 1 and scale.q > 2:
            bottom.insert(0, sp.Integer(scale.q))
            scale = sp.Integer(scale.p)
        above = [self.lower(f) for f in top]
        if scale != 1 or not above:
            above.insert(0, self._number(scale))
        upper = above[0] if len(above) == 1 else Map("mul", tuple(above))
        if not bottom:
            return upper
        below = [self.lower(f) for f in bottom]
        return Map("div", (upper, below[0] if len(below) == 1 else Map("mul", tuple(below))))

    def _power(self, expr: sp.Pow) -> Expr:
        base, power = expr.as_base_exp()
        if _inverted(expr):
            return Map("div", (Lit(1), self.lower(1 / expr)))
        if power == sp.Rational(1, 2):
            return Map("sqrt", (self.lower(base),))
        return Map("pow", (self.lower(base), self.lower(power)))

    def _log(self, arg: sp.Expr) -> Expr:
        if isinstance(arg, besseli) and arg.args[0] == 0:
            return Map("log_i0", (self.lower(arg.args[1]),))
        terms = sp.Add.make_args(arg)
        exps = [t for t in terms if isinstance(t, sp.exp)]
        if len(terms) == 2 and len(exps) == 1 and sp.Integer(1) in terms:
            return Map("log1pexp", (self.lower(exps[0].args[0]),))
        top, bottom = (arg - 1).as_numer_denom()
        if sp.Integer(1) in terms and top.is_nonnegative and bottom.is_nonnegative:
            if bottom.is_number:
                return Map("log1p", (self.lower(arg - 1),))
            return Map("log1p_ratio", (self.lower(top), self.lower(bottom)))
        safe = self.atoms.has_param(arg)
        return Map("safelog" if safe else "log", (self.lower(arg),))

    def _piecewise(self, expr: sp.Piecewise) -> Expr:
        value, condition = expr.args[-1]
        out = self.lower(value)
        for value, condition in reversed(expr.args[:-1]):
            out = Map("where", (self.lower(condition), self.lower(value), out))
        return out

    # -- atoms --

    def _symbol(self, symbol: sp.Symbol) -> Expr:
        atom = self.atoms.atom(symbol)
        match atom:
            case Elem(role="param", name=name, idx=idx):
                self.wants[f"param {name}"] = atom
                return self._entry(self.names[name], idx)
            case Elem(idx=idx, via=via) if via:
                self.wants[f"view {view_key(atom)}"] = atom
                return self._entry(self.view_name(atom), _plate_last(idx, self.plates))
            case Elem(name=name, idx=idx):
                self.wants[f"data {name}"] = atom
                return self._entry(self.names[name], _plate_last(idx, self.plates))
            case Stat(name=name, idx=idx):
                self.wants[f"stat {name}"] = atom
                return self._entry(self.stat_name(name), idx)
            case Centered(of=elem):
                return self._centered(atom, elem)
            case Pivot(name=name, idx=idx):
                self.wants[f"pivot {name}"] = atom
                return self._entry(self.pivot_name(name), idx)
            case Seen(name=name, idx=idx):
                self.wants[f"known {name}"] = atom
                return self._entry(f"known_{self.names[name]}", _plate_last(idx, self.plates))
            case Value(axis=axis):
                return Range(self.axis(axis))
            case SizeOf(extent=extent):
                self.wants[f"size {extent}"] = atom
                return Array(str(self.dim(extent)))
            case Ind(condition=condition):
                return Map("indicator", (self.lower(condition),))
            case LogInd(condition=condition):
                return Map("log_indicator", (self.lower(condition),))
            case LogDetOf(matrix=m):
                self.wants[f"logdet {m.name}"] = atom
                return self._entry(f"logdet_{self.names[m.name]}", m.batch)
            case InvOf(matrix=m, i=i, j=j):
                self.wants[f"inv {m.name}"] = atom
                return self._entry(f"inv_{self.names[m.name]}", (*m.batch, i, j))
            case Coef(idx=idx) | Weight(idx=idx):
                return self._entry(self._own_name(atom), idx)
            case SumOf(axes=axes, body=body) | LogSumExp(axes=axes, body=body):
                return self.total(symbol, tuple(self.axis(a) for a in axes), body)

    def _own_name(self, atom: Coef | Weight) -> str:
        return self.coef_name(atom.letter, atom.param) if isinstance(atom, Coef) else "weights"

    def total(self, symbol: sp.Symbol, bound: tuple[Axis, ...], body: sp.Expr) -> Expr:
        """A sum over axes, or the log of one of exponentials."""
        if isinstance(self.atoms.atom(symbol), SumOf):
            return Contract(tuple(self.lower(f) for f in sp.Mul.make_args(body)), bound)
        free = tuple(self.axis(a) for a in sorted(self.atoms.axes_of(symbol)))
        return Kernel(
            "logsumexp", (Whole(self.lower(body), (*bound, *free), True), len(bound)), free
        )

    def _centered(self, atom: Centered, elem: Elem) -> Expr:
        idx = _plate_last(elem.idx, self.plates)
        for key, known in self.wants.items():
            if key.startswith("centered ") and isinstance(known, tuple):
                name, first = known
                if self._same_but_axes(first, atom):
                    return self._entry(name, idx)
        stem = f"{atom.through}_" if atom.through else ""
        name = self.names.fresh(f"{stem}{self.names[elem.name]}_centered")
        self.wants[f"centered {name}"] = (name, atom)
        return self._entry(name, idx)

    def _same_but_axes(self, one: Centered, two: Centered) -> bool:
        """Whether two centred entries are of one array: equal once their places are renamed."""
        if (one.of.name, one.through) != (two.of.name, two.through):
            return False
        names: Mapping[str, Ix] = {
            a: b
            for a, b in zip(one.of.idx, two.of.idx, strict=True)
            if isinstance(a, str) and a != b
        }
        moved = self.atoms.rename(one.offset, names)
        return moved == two.offset or str(_bound_free(moved, self.atoms)) == str(
            _bound_free(two.offset, self.atoms)
        )

    def _entry(self, name: str, idx: tuple[Ix, ...]) -> Expr:
        if all(isinstance(ix, str) for ix in idx):
            return Array(name, tuple(self.axis(str(ix)) for ix in idx))
        places: list[Axis | Expr] = []
        for ix in idx:
            if isinstance(ix, str):
                places.append(self.axis(ix))
            elif isinstance(ix, int):
                places.append(Lit(ix))
            else:
                places.append(self.lower(self.atoms.symbol(ix)))
        return Gather(name, tuple(places))

    def view_name(self, atom: Elem) -> str:
        """The variable that holds other rows' entries: `x_before`, `u_item`, `at_t`."""
        key = f"name {view_key(atom)}"
        if key not in self.wants:
            self.wants[key] = self.names.same(
                key,
                f"at_{atom.name}" if atom.via == "#"
                else f"{self.names[atom.name]}_{_pointed(atom.via)}",
            )  # fmt: skip
        return str(self.wants[key])

    def stat_name(self, name: str) -> str:
        return f"s_{name}"

    def coef_name(self, letter: str, param: str) -> str:
        return f"c_{letter}_{self.names[param]}"

    def pivot_name(self, name: str) -> str:
        return f"pivot_{self.names[name]}"


def view_key(atom: Elem) -> str:
    """What a block calls an array that holds, for each row, another row's entry."""
    return f"#{atom.name}" if atom.via == "#" else f"{atom.name}[{atom.via}]"


def _pointed(via: str) -> str:
    lag = re.search(r"-(\d+)$", via)
    if lag:
        return "before" if lag[1] == "1" else f"before_{lag[1]}"
    return "_".join(re.findall(r"(\w+)\[", via)) or re.sub(r"\W+", "_", via)


def _bound_free(expr: sp.Expr, atoms: Atoms) -> sp.Expr:
    """Sums with their bound axes renamed in order, to compare two of them."""
    new = {}
    for s in expr.free_symbols:
        atom = atoms.atom(s)
        if isinstance(atom, SumOf):
            names: dict[str, Ix] = {a: f"bound{i}" for i, a in enumerate(atom.axes)}
            for a, b in names.items():
                atoms.axes.setdefault(str(b), atoms.axes[a])
            body = _bound_free(atoms.rename(atom.body, names), atoms)
            new[s] = sp.Symbol(f"sum({sp.srepr(body)})")
    return expr.xreplace(new)


def _plate_last(idx: tuple[Ix, ...], plates: frozenset[str]) -> tuple[Ix, ...]:
    """Inside the engine the blocked plate is an array's last axis."""
    first = [ix for ix in idx if ix in plates]
    rest = [ix for ix in idx if ix not in plates]
    return (*rest, *first)


def _inverted(factor: sp.Expr) -> bool:
    _, power = factor.as_base_exp()
    return bool(power.is_Rational and power.is_negative)


FUNCTIONS = {
    "Abs": "abs",
    "sin": "sin",
    "cos": "cos",
    "tanh": "tanh",
    "loggamma": "lgamma",
    "LogRising": "log_rising",
    "DigammaRise": "digamma_rise",
    "TrigammaRise": "trigamma_rise",
    "Softplus": "log1pexp",
    "Expit": "expit",
    "LogBessel": "log_i0",
    "BesselRatio": "bessel_ratio",
    "BesselSlope": "bessel_slope",
    "AbsPower": "abs_power",
    "LogNdtr": "log_ndtr",
    "InverseMills": "inverse_mills",
    "MillsSlope": "mills_slope",
    "LogOneLess": "log_one_less",
    "OverExpm1": "over_expm1",
    "LogBetween": "log_between",
    "BetweenShare": "between_share",
    "LogAdd": "log_add",
    "LogGammaP": "log_gamma_p",
    "LogGammaQ": "log_gamma_q",
    "GammaRatioP": "gamma_ratio_p",
    "GammaRatioQ": "gamma_ratio_q",
    "LogDeficit": "log_deficit",
    "LogExcess": "log_excess",
    "LogDeficitSpread": "log_deficit_spread",
    "LogExcessSpread": "log_excess_spread",
    "LogLaplace": "log_laplace",
    "LaplaceSlope": "laplace_slope",
    "LaplaceBend": "laplace_bend",
    "Inside": "inside",
    "sign": "sign",
    "LogInside": "log_inside",
    "atan2": "atan2",
    "Equality": "eq",
    "Unequality": "ne",
    "StrictLessThan": "lt",
    "LessThan": "le",
    "StrictGreaterThan": "gt",
    "GreaterThan": "ge",
    "And": "and",
    "Or": "or",
    "Not": "not",
}
_POLYGAMMA = {0: "digamma", 1: "trigamma"}
