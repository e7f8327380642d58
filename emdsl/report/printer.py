"""Scalar SymPy over atoms → a formula.

Terms come in a reader's order: a sum's without parameters first, a product's numbers first and its
functions and sums last. A latent's axis is an index (k in [z_n = k]) or, with `elements`, the
latent itself (z_n, z_{s,t-1}), as in the joint, where `level` holds the rows at hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy as sp
from sympy.core.relational import Relational
from sympy.functions.special.bessel import besseli
from sympy.logic.boolalg import Boolean

from emdsl.derive.atoms import (
    Atom,
    Centered,
    Coef,
    Elem,
    Ind,
    InvOf,
    Ix,
    LogDetOf,
    LogInd,
    LogSumExp,
    Matrix,
    Pivot,
    Seen,
    SizeOf,
    Stat,
    SumOf,
    Value,
    Weight,
)
from emdsl.derive.joint import Joint
from emdsl.derive.levels import Level, Link
from emdsl.derive.smooth import AbsPower, BesselRatio, Softplus
from emdsl.diagnostics import Bug
from emdsl.families.cumulative import KEPT, Inside
from emdsl.families.vocabulary import DigammaRise, LogRising, TrigammaRise
from emdsl.report.axes import AxisNames
from emdsl.report.style import Math, Style

SUM, PRODUCT, FACTOR, POWER, ATOM = range(5)
Bound = tuple[str, int]

_RELATIONS = {sp.Eq: "eq", sp.Ne: "ne", sp.Lt: "lt", sp.Le: "le", sp.Gt: "gt", sp.Ge: "ge"}
_FUNCTIONS = {
    "log": "log", "loggamma": "log Γ", "exp": "exp", "LogMultiGamma": "log MultiGamma",
    "Expit": "expit", "LogBessel": "log I₀", "Phi": "Φ", "phi": "φ", "LogLaplace": "log F",
    "LaplaceSlope": "(log F)′", "LaplaceBend": "−(log F)″",
}  # fmt: skip


@dataclass
class Printer:
    """Prints the formulas of one derivation; `names` are those of one formula's axes."""

    style: Style
    joint: Joint
    elements: bool = False
    plain: bool = False  # parameters as they are declared, where nothing is about a pivot
    level: Level | None = None  # the rows that data and latents are seen from
    primed: frozenset[str] = frozenset()  # plates whose index is another one's: t'
    names: AxisNames = field(init=False)
    marks: dict[sp.Basic, str] = field(default_factory=dict)  # further symbols and their spelling

    def __post_init__(self) -> None:
        self.names = AxisNames(self.joint.model, self.joint.atoms)
        self._latents = self.joint.levels.of_axis
        self._rows = {self.joint.levels.of(v).axis for v in self.joint.model.variables}

    def show(self, expr: sp.Basic, level: int = SUM) -> Math:
        """The formula, bracketed where it binds less tightly than `level`."""
        text, binds = self._show(expr)
        return Math(text if binds >= level else f"({text})")

    # -- SymPy --

    def _show(self, expr: sp.Basic) -> Bound:
        match expr:
            case sp.Add():
                return self._add(expr), SUM
            case sp.Mul() | sp.Pow():
                return self._mul(expr)
            case sp.Rational():
                return self._number(expr)
            case sp.Float():
                return f"{float(expr):.6g}".replace("-", self.style.minus), ATOM
            case sp.Symbol():
                return self._symbol(expr)
            case _ if expr == sp.pi:
                return self.style.pi, ATOM
            case _ if expr in (sp.oo, -sp.oo):
                sign = self.style.minus if expr == -sp.oo else ""
                return sign + self.style.infinity, ATOM
            case AbsPower():
                x, power, logs, signs = expr.args
                size = sp.Abs(x)
                return self._show(size**power * sp.log(size) ** logs * sp.sign(x) ** signs)
            case LogRising() | DigammaRise() | TrigammaRise():
                return self._rise(expr), PRODUCT
            case sp.polygamma() | besseli() | Softplus() | BesselRatio():
                return self._special(expr)
            case AbsPower():
                return self._show(expr.written())
            case sp.Abs():
                return self.style.absolute(self.show(expr.args[0])), ATOM
            case Relational() | Boolean():
                return self.condition(expr), SUM
            case _ if isinstance(expr, KEPT):
                return self._show(expr.written())
            case _ if expr.args:
                return self._function(expr)
            case _:
                return self.style.name(str(expr)), ATOM

    def _number(self, number: sp.Rational) -> Bound:
        top, bottom = abs(int(number.p)), int(number.q)
        sign = self.style.minus if number < 0 else ""
        if bottom == 1:
            return f"{sign}{top}", ATOM if number >= 0 else SUM
        if (top, bottom) == (1, 2):
            return sign + self.style.half(), FACTOR if number >= 0 else SUM
        return sign + self.style.over(str(top), str(bottom)), PRODUCT if number >= 0 else SUM

    def _add(self, expr: sp.Add) -> str:
        out = ""
        for term in self._in_order(expr):
            negative = term.could_extract_minus_sign() and not isinstance(term, sp.Add)
            body = self.show(-term if negative else term, PRODUCT)
            if not out:
                out = self.style.minus + body if negative else body
            else:
                out += f" {self.style.minus if negative else '+'} {body}"
        return out

    def _in_order(self, expr: sp.Add) -> list[sp.Expr]:
        """Terms with fewer parameters first; a positive one, if there is one, at the front."""
        numbers = [a for a in expr.args if not a.free_symbols]
        large = any(abs(n) > 9999999 for a in numbers for n in a.atoms(sp.Integer))
        args = [a for a in expr.args if a.free_symbols] if large else list(expr.args)
        if large:
            args.append(sp.Float(sp.N(sp.Add(*numbers), 8)))
        terms = sorted(args, key=lambda a: (a.is_Rational, self._degree(a), _rank(a), str(a)))
        for i, term in enumerate(terms):
            if not term.could_extract_minus_sign():
                return [term, *terms[:i], *terms[i + 1 :]]
        return terms

    def _degree(self, expr: sp.Expr) -> int:
        """How many factors of a product hold parameters, powers counted."""
        atoms = self.joint.atoms
        count = 0
        for factor in sp.Mul.make_args(expr):
            base, power = factor.as_base_exp()
            if any(self._has_param(s) for s in base.free_symbols):
                count += abs(int(power)) if power.is_Integer else 1
                inner = [atoms.atom(s) for s in base.free_symbols if self._known(s)]
                count += sum(self._degree(a.body) - 1 for a in inner if isinstance(a, SumOf))
        return count

    def _known(self, symbol: sp.Basic) -> bool:
        try:
            self.joint.atoms.atom(symbol)
        except Bug:
            return False
        return True

    def _has_param(self, symbol: sp.Basic) -> bool:
        return self._known(symbol) and self.joint.atoms.has_param(symbol)

    def _mul(self, expr: sp.Expr) -> Bound:
        if expr.could_extract_minus_sign():
            positive = -expr
            if not isinstance(positive, sp.Add):
                return self.style.minus + self.show(positive, PRODUCT), SUM
        top: list[sp.Expr] = []
        bottom: list[sp.Expr] = []
        number = sp.Integer(1)
        for factor in sp.Mul.make_args(expr):
            if factor.is_Rational:
                number *= factor
                continue
            base, power = factor.as_base_exp()
            if isinstance(base, sp.exp) or (base.is_number and not base.is_Rational):
                top.append(factor)
            elif power.is_Rational and power < 0:
                bottom.append(base ** (-power))
            else:
                top.append(factor)
        halved = number.q == 2 and bool(top) and not bottom
        if number.p != 1 or (not top and not bottom):
            top.insert(0, sp.Integer(number.p))
        if number.q != 1 and not halved:
            bottom.insert(0, sp.Integer(number.q))
        if not bottom:
            body, binds = self._product(top)
            if not halved:
                return body, binds
            inner = body if binds >= PRODUCT else f"({body})"
            return f"{self.style.half()} {inner}", PRODUCT
        above, _ = self._product(top) if top else ("1", ATOM)
        if len(top) == 1 and isinstance(top[0], sp.Add) and self.inline:
            above = f"({above})"
        below, binds = self._product(bottom)
        if self.inline and binds < POWER:
            below = f"({below})"
        return self.style.over(above, below), PRODUCT

    @property
    def inline(self) -> bool:
        """Whether a fraction is written on one line."""
        return self.style.over("a", "b") == "a / b"

    def _product(self, factors: list[sp.Expr]) -> Bound:
        if len(factors) == 1:
            text, binds = self._factor(factors[0])
            return text, binds
        ordered = sorted(enumerate(factors), key=lambda f: (self._place(f[1]), f[0]))
        shown = []
        for i, (_, factor) in enumerate(ordered):
            last = i == len(ordered) - 1
            text, binds = self._factor(factor)
            least = PRODUCT if last else FACTOR
            shown.append(text if binds > least or (last and binds == PRODUCT) else f"({text})")
        return " ".join(shown), PRODUCT

    def _place(self, factor: sp.Expr) -> tuple[int, str]:
        """Where a factor stands in a product."""
        base = factor.as_base_exp()[0]
        if isinstance(factor, sp.exp):
            return 8, str(factor)
        if base.is_number:
            return (8 if base.is_Function else 0), str(factor)
        if isinstance(base, sp.Symbol):
            if not self._known(base):
                return 4, str(factor)
            match self.joint.atoms.atom(base):
                case SizeOf():
                    return 1, str(factor)
                case Ind() | Seen():
                    return 2, str(factor)
                case Elem(role="const"):
                    return 3, str(factor)
                case SumOf():
                    return 9, str(factor)
                case LogDetOf() | LogInd():
                    return 8, str(factor)
                case Stat():
                    return 6, str(factor)
                case atom if self.joint.atoms.is_param(atom):
                    return 4, str(factor)
                case _:
                    return 5, str(factor)
        return (7 if isinstance(base, sp.Add) else 8), str(factor)

    def _factor(self, expr: sp.Expr) -> Bound:
        base, power = expr.as_base_exp()
        if isinstance(expr, sp.exp) or power == 1:
            return self._show(expr)
        if power.is_Rational and power.p == 1 and power.q > 1:
            return self.style.root(int(power.q), self.show(base)), POWER
        inner = self.show(base, ATOM)
        return self.style.power(inner, self.show(power)), POWER

    def _function(self, expr: sp.Basic) -> Bound:
        name = _FUNCTIONS.get(type(expr).__name__, type(expr).__name__)
        args = [self._show(a) for a in expr.args]
        bare = len(args) == 1 and args[0][1] == ATOM and name == "log"
        text = ", ".join(a for a, _ in args)
        return self.style.function(name, text, bare=bare), FACTOR if bare else POWER

    def _rise(self, expr: sp.Basic) -> str:
        """A function's difference between two places, as it is."""
        x, d = expr.args
        order = (LogRising, DigammaRise, TrigammaRise).index(type(expr))
        one, two = (
            self.show(sp.loggamma(at) if order == 0 else sp.polygamma(order - 1, at))
            for at in (x + d, x)
        )
        return f"({one} - {two})"

    def _special(self, expr: sp.Basic) -> Bound:
        """Functions that are more than a name before their argument."""
        style = self.style
        inner = self.show(expr.args[-1])
        match expr:
            case Softplus():
                exp = style.function("exp", inner, bare=False)
                return style.function("log", f"1 + {exp}", bare=False), POWER
            case BesselRatio():
                one, zero = (style.function(name, inner, bare=False) for name in ("I₁", "I₀"))
                return style.over(one, zero), PRODUCT
            case _:
                order, letter = int(expr.args[0]), "I" if isinstance(expr, besseli) else "ψ"
                name = letter if (order, letter) == (0, "ψ") else f"{letter}{_subscript(order)}"
                return style.function(name, inner, bare=False), POWER

    # -- conditions --

    def condition(self, expr: sp.Basic) -> str:
        """A condition in words and relations."""
        match expr:
            case sp.And():
                return self._joined(expr, ", ")
            case sp.Or():
                return self._joined(expr, f" {self.style.word('or')} ")
            case sp.Not():
                inner = sp.to_nnf(expr, simplify=False)
                if isinstance(inner, sp.Not):
                    return f"{self.style.word('not')} ({self.condition(inner.args[0])})"
                return self.condition(inner)
            case Relational():
                return self._relation(expr)
            case _:
                return str(self.show(expr))

    def _joined(self, expr: sp.Basic, by: str) -> str:
        parts = sorted(expr.args, key=lambda a: ("seen(" in str(a), str(a)))
        return by.join(
            f"({self.condition(a)})" if isinstance(a, sp.Or) else self.condition(a) for a in parts
        )

    def _relation(self, expr: sp.Basic) -> str:
        left, right = expr.args
        limits = [side for side in expr.args if isinstance(side, Inside)]
        if limits:  # a limit that is a number, and not an open end
            word = " given" if isinstance(expr, sp.Eq) else " open"
            return self.show(limits[0], PRODUCT) + self.style.word(word)
        atoms = [self.joint.atoms.atom(s) for s in left.free_symbols if left == s]
        if isinstance(expr, sp.Eq | sp.Ne) and atoms and right == 0:
            unequal = isinstance(expr, sp.Ne)
            if isinstance(atoms[0], Seen):
                word = self.style.word(" seen" if unequal else " missing")
                name = atoms[0].name
                return self.entry(self.style.name(name), atoms[0].idx) + word
            if unequal and self._is_bool(atoms[0]):
                return f"{self.show(left)} {self.style.equals} 1"
        if isinstance(expr, sp.Eq | sp.Ne) and self._rank_of(left) > self._rank_of(right):
            left, right = right, left  # y = v, and not v = y
        op = self.style.relation(_RELATIONS[type(expr)])
        return f"{self.show(left)} {op} {self.show(right)}"

    def _rank_of(self, side: sp.Basic) -> int:
        """A variable stands left of an index, and an index left of a number."""
        if not side.is_Symbol:
            return 2 if side.is_number else 0
        atom = self.joint.atoms.atom(side)
        own = isinstance(atom, Value) and not (self.elements and atom.axis in self._latents)
        return 1 if own else 0

    def _is_bool(self, atom: Atom) -> bool:
        match atom:
            case Value(axis=axis) if axis in self._latents:
                return self.joint.model.variable(self._latents[axis]).type.kind == "bool"
            case Elem(kind="bool"):
                return True
            case _:
                return False

    # -- atoms --

    def _symbol(self, symbol: sp.Symbol) -> Bound:
        if not self._known(symbol):
            return self.marks.get(symbol) or self.style.name(symbol.name), ATOM
        style = self.style
        match self.joint.atoms.atom(symbol):
            case Elem() as elem:
                return self.elem(elem), ATOM
            case Centered(of=of):
                return self.elem(of, centered=True), ATOM
            case Pivot(name=name, idx=idx):
                return style.at(style.pivot(style.name(name)), self.indices(idx)), ATOM
            case Seen(name=name, idx=idx):
                inner = self.entry(style.name(name), idx) + style.word(" seen")
                return style.bracket(inner), ATOM
            case Value(axis=axis):
                return self.index(axis), ATOM
            case SizeOf(extent=extent):
                return style.name(str(extent)), ATOM
            case Ind(condition=c):
                return style.bracket(self.condition(c)), ATOM
            case LogInd(condition=c):
                return style.function("log", style.bracket(self.condition(c)), bare=True), FACTOR
            case LogDetOf(matrix=m):
                return style.function("log det", self.matrix(m), bare=True), FACTOR
            case InvOf(matrix=m, i=i, j=j):
                return style.at(style.inverse(self.matrix(m)), self.indices((i, j))), ATOM
            case Stat(name=name, idx=idx):
                return style.at(style.statistic(name), self.indices(idx)), ATOM
            case SumOf() | LogSumExp() as total:
                return self._total(total), PRODUCT
            case Coef(letter=name, idx=idx) | Weight(name=name, idx=idx):
                return style.at(style.name(name), self.indices(idx)), ATOM

    def _total(self, total: SumOf | LogSumExp) -> str:
        """A sum over axes, or the log of one of exponentials."""
        style, shown = self.style, [self.index(a) for a in total.axes]
        if isinstance(total, SumOf):
            return f"{style.sum(shown)} {self.show(total.body, PRODUCT)}"
        inner = style.function("exp", self.show(total.body), bare=False)
        return style.function("log", f"{style.sum(shown)} {inner}", bare=False)

    def matrix(self, m: Matrix) -> str:
        """A whole matrix; a latent's of another row with the way to it."""
        if m.role == "latent":
            return self.elem(Elem("latent", m.name, m.batch, "posdef", m.via))
        return self.style.at(self.style.name(m.name), self.indices(m.batch))

    def indices(self, idx: tuple[Ix, ...]) -> list[str]:
        """Indices as they are shown; an axis of rows is one for each of its plates."""
        return [shown for ix in idx for shown in self._places(ix)]

    def _places(self, ix: Ix) -> list[str]:
        if isinstance(ix, str) and ix in self._rows:
            return [self.plate(p) for p in ix.split(",")]
        return [self.index(ix)]

    def index(self, ix: Ix) -> str:
        """An index: an axis by its short name, a place, or what is gathered by."""
        if isinstance(ix, int):
            return str(ix)
        if isinstance(ix, Elem):
            return self.elem(ix)
        if self.elements and ix in self._latents:
            return self.latent(ix)
        return self.style.name(self.names.of(ix))

    def plate(self, axis: str) -> str:
        """A plate's index."""
        shown = self.style.name(axis)
        return self.style.about(shown) if axis in self.primed else shown

    def elem(self, elem: Elem, *, centered: bool = False) -> str:
        """An array's entry; one of another row with the way to it: x_{s,t-1}, w_{item_r}."""
        if elem.via == "#":
            return self.plate(elem.name)
        base = self.style.name(elem.name)
        pivoted = elem.role == "param" and elem.name in self.joint.pivots and not self.plain
        shifted = elem.role == "latent" and elem.name in self.joint.shifts.latents
        if centered or pivoted or shifted:
            base = self.style.about(base)
        if elem.role in ("param", "const"):
            return self.style.at(base, self.indices(elem.idx))
        if not elem.via:
            return self.entry(base, elem.idx)
        row = elem.idx[0]
        assert isinstance(row, str)
        link = self.joint.levels.views[row, elem.name, elem.via]
        return self._placed(base, self.through(link), self.indices(elem.idx[1:]))

    def entry(self, base: str, idx: tuple[Ix, ...]) -> str:
        """A variable's entry: a whole element as x_n or x_{s,t}, one in it as x[n,d]."""
        if not idx or idx[0] not in self._rows:
            return self.style.at(base, self.indices(idx))
        return self._placed(base, self.indices(idx[:1]), self.indices(idx[1:]))

    def _placed(self, base: str, rows: list[str], rest: list[str]) -> str:
        if rest or not rows:
            return self.style.at(base, [*rows, *rest])
        return self.style.element(base, ",".join(rows))

    def element(self, name: str) -> str:
        """A variable as a row of its own level has it; what it has for every inner plate, too."""
        levels = self.joint.levels
        v = self.joint.model.variable(name)
        rows = [self.plate(p) for p in levels.of(v).plates]
        return self._placed(self._base(name), rows, [self.plate(p) for p in levels.inner(v)])

    def latent(self, axis: str) -> str:
        """The latent an axis stands for, at its own place: z_n, z_{s,t-1}, truth_{item_r}."""
        name = self._latents[axis]
        level = self.level
        link = self.joint.levels.links.get((level.axis, axis)) if level is not None else None
        if link is None:
            return self.element(name)
        return self.placed(name, link)

    def placed(self, name: str, link: Link) -> str:
        """A variable's element that a link points to."""
        return self._placed(self._base(name), self.through(link), [])

    def _base(self, name: str) -> str:
        base = self.style.name(name)
        if name in self.joint.shifts.latents:
            return self.style.about(base)
        summed = name in self.joint.levels.axes
        data = self.joint.model.variable(name).role == "data"
        return self.style.complete(base) if summed and data else base

    def through(self, link: Link) -> list[str]:
        """The indices of the row that a row points to."""
        out = []
        for place in link.places:
            match place.kind:
                case "axis":
                    lag = f"{self.style.minus}{place.value}" if place.value else ""
                    out.append(self.plate(place.name) + lag)
                case "array":
                    plates = self.joint.model.variable(place.name).plates
                    own = ",".join(self.plate(p) for p in plates)
                    out.append(self.style.element(self.style.name(place.name), own))
                case "number":
                    out.append(str(place.value))
        return out


def _rank(expr: sp.Expr) -> int:
    """Within a sum: what isn't a function before what is."""
    return 1 if expr.has(sp.loggamma) else 0


def _subscript(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
