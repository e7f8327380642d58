"""Functions of rows and parameters together, computed block by block at each of their values.

What takes time, a function of a whole block or a predictor, gets a variable and is computed once,
and so does anything else of a row that is needed twice: a function is lowered to count, and then
again with what was found. Sums over rows of products become matrix products where they can:

    sum_n w[k, n] f(eta[k, n]) u[p, n] u[q, n]  =  ((w f u)[k, p] , n) @ (n, u[q])

and those with a place that an entry of the data picks are added up there, with no indicators:

    sum_n [g = group[n]] f(eta[n])  =  by_place(f(eta), group)[g]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

import sympy as sp

from emdsl.derive.atoms import AxisInfo, Elem, Ix, LogSumExp, Seen, SumOf, Weight
from emdsl.derive.picks import picked
from emdsl.derive.smooth import Expit, Softplus
from emdsl.ir.nodes import Array, Assign, Axis, Bind, Expr, Kernel, Map, Stmt, Whole
from emdsl.lower.scalar import ScalarLowering

_STEMS = {
    "exp": "exp", "log": "log", "Softplus": "softplus", "Expit": "expit", "loggamma": "lgamma",
    "AbsPower": "power",
    "LogRising": "log_rising", "DigammaRise": "rise", "TrigammaRise": "rise",
    "polygamma": "digamma", "LogBessel": "log_bessel", "BesselRatio": "bessel", "Pow": "power",
    "LogNdtr": "log_ndtr", "InverseMills": "mills", "MillsSlope": "bend", "LogAdd": "log_add",
    "LogOneLess": "log_one_less", "OverExpm1": "over", "LogBetween": "log_between",
    "BetweenShare": "share", "LogGammaP": "log_gamma", "LogGammaQ": "log_gamma",
    "GammaRatioP": "ratio", "GammaRatioQ": "ratio", "LogDeficit": "deficit", "LogExcess": "excess",
    "LogDeficitSpread": "spread", "LogExcessSpread": "spread", "LogLaplace": "log_laplace",
    "LaplaceSlope": "slope", "LaplaceBend": "bend", "Inside": "limit",
}  # fmt: skip


@dataclass
class Uses:
    """What a function of rows computes, by key: how often each part is needed.

    `shares` are the softmaxes it needs, by the key of their logsumexp: their own.
    """

    count: Counter[Hashable] = field(default_factory=Counter)
    shares: dict[sp.Basic, sp.Basic] = field(default_factory=dict)


@dataclass
class RowScalars(ScalarLowering):
    """Lowers scalars of rows; `body` are the variables made on the way, in order.

    `known` is what an earlier lowering of the same has found (None: this is the first), `uses` what
    this one finds.
    """

    body: list[Stmt] = field(default_factory=list)
    made: dict[Hashable, tuple[str, int]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    known: Uses | None = None
    uses: Uses = field(default_factory=Uses)

    def flush(self) -> list[Stmt]:
        made, self.body = self.body, []
        return made

    def _log(self, arg: sp.Expr) -> Expr:
        if isinstance(arg, sp.Add) and sp.Integer(1) in arg.args:  # which keeps what is small
            return Map("log1p", (self.lower(arg - 1),))
        return super()._log(arg)

    def lower(self, expr: sp.Basic) -> Expr:
        if not self._costs(expr) and not self._recurs(expr):
            return super().lower(expr)
        axes = self._ordered(expr)
        key = self._key(expr, axes)
        if key not in self.made and not self._made_with_shares(expr, key, axes):
            whole = Whole(self._value(expr), tuple(self.axis(a) for a in axes))
            name = self.temporary(self._stem(expr))
            self.made[key] = name, len(axes)
            self.body.append(Assign(name, whole))
        return Array(self.made[key][0], tuple(self.axis(a) for a in axes))

    def _key(self, expr: sp.Basic, axes: tuple[str, ...]) -> sp.Basic:
        """The expression, whatever its axes are called."""
        names: dict[str, Ix] = {}
        for i, axis in enumerate(axes):
            if axis not in self.plates:
                extent = self.atoms.axes[axis].extent
                place = f"#{i}{extent}"
                self.atoms.axes.setdefault(place, AxisInfo(place, "event", extent))
                names[axis] = place
        return self.atoms.rename(expr, names)

    # -- what is needed more than once --

    def _recurs(self, expr: sp.Basic) -> bool:
        """Whether something that costs little by itself is needed again; it is counted here."""
        if not isinstance(expr, sp.Add | sp.Mul | sp.Pow) or expr.as_coeff_Mul()[1].is_Symbol:
            return False
        if not self.atoms.axes_of(expr) & self.plates:
            return False
        key = self._key(expr, self._ordered(expr))
        self.uses.count[key] += 1
        if self.known is None:
            return self.uses.count[key] > 1  # what it is made of is counted once
        return self.known.count[key] > 1

    def _logistic(self, name: str, arg: sp.Expr) -> Expr:
        """A function of x, with exp(-|x|) where several of x or -x are made of that."""
        flipped = arg.could_extract_minus_sign()
        x = -arg if flipped else arg
        axes = self._ordered(x)
        key = "tail", self._key(x, axes)
        self.uses.count[key] += 1
        inner = self.lower(x)
        given: Expr = Map("neg", (inner,)) if flipped else inner
        if self.known is None or self.known.count[key] < 2:
            return Map(name, (given,))
        own = tuple(self.axis(a) for a in axes)
        if key not in self.made:
            tail = Map("exp", (Map("neg", (Map("abs", (inner,)),)),))
            self.made[key] = self.temporary("tail"), len(axes)
            self.body.append(Assign(self.made[key][0], Whole(tail, own)))
        return Map(name, (given, Array(self.made[key][0], own)))

    def _made_with_shares(self, expr: sp.Basic, key: sp.Basic, axes: tuple[str, ...]) -> bool:
        """Make the log of a sum of exponentials together with their shares of it, if both are
        needed; that they are is noted here.
        """
        if isinstance(expr, sp.exp):
            total = self._total_of(expr, axes)
            if total is not None:
                self.uses.shares[self._key(total, self._ordered(total))] = key
            return False
        atom = self.atoms.atom(expr) if isinstance(expr, sp.Symbol) else None
        if self.known is None or not isinstance(atom, LogSumExp) or key not in self.known.shares:
            return False
        bound, free = (tuple(self.axis(a) for a in x) for x in (atom.axes, axes))
        body = Whole(self.lower(atom.body), (*bound, *free), True)
        names = self.temporary("log_total"), self.temporary("share")
        self.made[key] = names[0], len(free)
        self.made[self.known.shares[key]] = names[1], len(bound) + len(free)
        self.body.append(Bind(names, "nm.softmax", (body, len(bound))))
        return True

    def _total_of(self, expr: sp.exp, axes: tuple[str, ...]) -> sp.Symbol | None:
        """The log total of which e^(x - total) is the share, where its axes come first."""
        for symbol in expr.args[0].free_symbols:
            atom = self.atoms.atom(symbol)
            if not isinstance(atom, LogSumExp) or len(atom.axes) > len(axes):
                continue
            if self._ordered(symbol) != axes[len(atom.axes) :]:
                continue
            names: dict[str, Ix] = dict(zip(atom.axes, axes, strict=False))
            if self.atoms.rename(atom.body, names) - symbol == expr.args[0]:
                return symbol
        return None

    def temporary(self, stem: str) -> str:
        """A variable's name that nothing in the function has."""
        name = self.names.local(stem, self.taken)
        self.taken.add(name)
        return name

    def _costs(self, expr: sp.Basic) -> bool:
        if isinstance(expr, sp.Symbol):
            atom = self.atoms.atom(expr)
            costly = isinstance(atom, SumOf | LogSumExp)
        else:
            costly = isinstance(expr, sp.Function | sp.exp | sp.log) or (
                isinstance(expr, sp.Pow) and not expr.exp.is_Integer
            )
        return bool(costly and self.atoms.axes_of(expr) & self.plates)

    def _stem(self, expr: sp.Basic) -> str:
        if isinstance(expr, sp.Symbol):
            return "eta" if isinstance(self.atoms.atom(expr), SumOf) else "log_total"
        if isinstance(expr, sp.Pow) and expr.exp.is_Integer:
            return "part"
        return _STEMS.get(type(expr).__name__, "part")

    def _ordered(self, expr: sp.Basic) -> tuple[str, ...]:
        """The free axes, the rows' last, the others as they appear in the text."""
        free = self.atoms.axes_of(expr)
        rest = sorted(free - self.plates)
        if len(rest) > 1:
            text = str(expr)
            rest.sort(key=lambda a: _first(text, a))
        return (*rest, *sorted(free & self.plates))

    def _value(self, expr: sp.Basic) -> Expr:
        if isinstance(expr, Softplus | Expit):
            name = "log1pexp" if isinstance(expr, Softplus) else "expit"
            return self._logistic(name, expr.args[0])
        if isinstance(expr, sp.Symbol):
            match self.atoms.atom(expr):
                case SumOf(axes=(axis,), body=body):
                    product = self._predictor(axis, body)
                    if product is not None:
                        return product
                case _:
                    pass
        return super().lower(expr)

    def _predictor(self, axis: str, body: sp.Expr) -> Expr | None:
        """sum_p beta[..., p] u[p, n] as a matrix product; None where it isn't that shape."""
        moving: list[sp.Expr] = []
        still: list[sp.Expr] = []
        for factor in sp.Mul.make_args(body):
            (moving if self.atoms.axes_of(factor) & self.plates else still).append(factor)
        one, other = sp.Mul(*still), sp.Mul(*moving)
        rest = self.atoms.axes_of(one) - {axis}
        rows = self.atoms.axes_of(other) - {axis}
        if rows != self.plates or axis not in self.atoms.axes_of(one) or rest & rows:
            return None
        if not any(isinstance(self.atoms.atom(x), Elem) for x in one.free_symbols):
            return None
        bound, plate = self.axis(axis), tuple(self.axis(a) for a in rows)
        left = Whole(
            self.lower(one), (*(self.axis(a) for a in self._ordered(one) if a in rest), bound)
        )
        right = Whole(self.lower(other), (bound, *plate))
        return Kernel("matmul", (left, right), (*left.axes[:-1], *plate))

    # -- sums over rows --

    def over_rows(
        self,
        terms: Iterable[tuple[sp.Expr, frozenset[str]]],
        out: tuple[str, ...],
        batch: tuple[str, ...],
    ) -> Expr:
        """The sum of terms (expression, axes to sum over beside the rows), with axes `out`."""
        groups: dict[tuple[Hashable, ...], _Group] = {}
        for expr, axes in terms:
            for term in sp.Add.make_args(expr):
                made = self._split(term, axes, out, batch)
                if made.key in groups:
                    groups[made.key].plain += made.plain
                else:
                    groups[made.key] = made
        parts = [self._summed(g, out) for g in groups.values()]
        return parts[0] if len(parts) == 1 else Map("add", tuple(parts))

    def _split(
        self, term: sp.Expr, axes: frozenset[str], out: tuple[str, ...], batch: tuple[str, ...]
    ) -> _Group:
        """A product's factors: outside the sum, and on either side of a matrix product."""
        outside: list[sp.Expr] = []
        parts: list[tuple[set[str], list[sp.Expr]]] = []
        plain: list[sp.Expr] = []
        own = set(out) - set(batch)
        places, rest = self._picked(term, axes, out)
        if places:  # what goes by the weights' axes is weighted, so that zeros stay zeros
            weights = [x for x in rest.free_symbols if isinstance(self.atoms.atom(x), Weight)]
            own -= self.atoms.axes_of(sp.Mul(*weights))
        for factor in sp.Mul.make_args(rest):
            free = self.atoms.axes_of(factor)
            if not free & self.plates and not free & axes:
                outside.append(factor)
            elif not free & own:
                plain.append(factor)
            else:
                mine, merged = free & own, [factor]
                for other in [p for p in parts if p[0] & mine]:
                    mine |= other[0]
                    merged = [*other[1], *merged]
                    parts.remove(other)
                parts.append((set(mine), merged))
        parts.sort(key=lambda p: min(out.index(a) for a in p[0]))
        if len(parts) == 3 and self._mirrored(parts[1][1], parts[2][1], out):
            plain += parts.pop(0)[1]  # w[v, n] u[p, n] u[q, n]: a weight for each v
        half = (len(parts) + 1) // 2 if len(parts) > 1 else 0
        left = [f for _, fs in parts[:half] for f in fs]
        right = [f for _, fs in parts[half:] for f in fs]
        return _Group(
            sp.Mul(*outside), [sp.Mul(*plain)], sp.Mul(*left), sp.Mul(*right), axes, places
        )

    def _picked(
        self, term: sp.Expr, axes: frozenset[str], out: tuple[str, ...]
    ) -> tuple[_Places, sp.Expr]:
        """The axes of `out` that entries of the rows are places on, and the other factors.

        Not those that something else in the rows depends on: there [g = place] is a factor like
        any other.
        """
        found = {
            axis: place
            for axis, place in picked(term, out, self.atoms).items()
            if self.atoms.axes_of(place[1]) <= self.plates | axes
        }
        while True:
            indicators = {indicator for indicator, _ in found.values()}
            others = [x for x in sp.Mul.make_args(term) if x not in indicators]
            moving = {self.atoms.axes_of(x) for x in others}
            taken = {a for free in moving if free & (self.plates | axes) for a in free & set(found)}
            if not taken:
                return tuple((a, found[a][1]) for a in out if a in found), sp.Mul(*others)
            found = {axis: place for axis, place in found.items() if axis not in taken}

    def _mirrored(self, left: list[sp.Expr], right: list[sp.Expr], out: tuple[str, ...]) -> bool:
        """Whether two products are one function, of an axis each."""
        one, two = sp.Mul(*left), sp.Mul(*right)
        a = [x for x in out if x in self.atoms.axes_of(one)]
        b = [x for x in out if x in self.atoms.axes_of(two)]
        return len(a) == len(b) == 1 and self.atoms.rename(one, {a[0]: b[0]}) == two

    def _summed(self, g: _Group, out: tuple[str, ...]) -> Expr:
        sums = (*sorted(g.axes), *sorted(self.plates))
        over = tuple(self.axis(a) for a in sums)
        total = sp.Add(*g.plain)
        weights = [x for x in total.free_symbols if isinstance(self.atoms.atom(x), Weight)]
        has = self.atoms.axes_of(total) | self.atoms.axes_of(g.left)
        lead = tuple(self.axis(a) for a in out if a in has)
        value = self._weighted(total, weights, (*lead, *over))
        made: Expr
        if g.places:
            made = self._by_place(g, value, lead, out)
            return made if g.outside == 1 else Map("mul", (self.lower(g.outside), made))
        squared = self._squared(g, out)
        if squared is not None:
            one, two = squared
            own = tuple(self.axis(a) for a in one)
            kept = tuple(a for a in lead if a not in own)
            made = Kernel(
                "weighted_gram",
                (Whole(value, (*kept, *over), True), Whole(self.lower(g.left), (*own, *over))),
                (*kept, *own, *(self.axis(a) for a in two)),
            )
            return made if g.outside == 1 else Map("mul", (self.lower(g.outside), made))
        if g.left != 1:
            value = Map("mul", (value, self.lower(g.left)))
        if g.right == 1:
            made = Kernel("over_rows", (Whole(value, (*lead, *over), True), len(over)), lead)
        else:
            tail = tuple(self.axis(a) for a in out if a in self.atoms.axes_of(g.right))
            shared = tuple(a for a in lead if a in tail)
            rows = (*shared, *(a for a in lead if a not in shared), *over)
            columns = (*shared, *(a for a in tail if a not in shared), *over)
            made = Kernel(
                "gram",
                (
                    Whole(value, rows, True),
                    Whole(self.lower(g.right), columns, True),
                    len(over),
                    len(shared),
                ),
                (*rows[: -len(over)], *columns[len(shared) : -len(over)]),
            )
        if g.outside == 1:
            return made
        return Map("mul", (self.lower(g.outside), made))

    def _by_place(
        self, g: _Group, value: Expr, lead: tuple[Axis, ...], out: tuple[str, ...]
    ) -> Expr:
        """The sums of a group's rows at each of its places."""
        over = tuple(self.axis(a) for a in (*sorted(g.axes), *sorted(self.plates)))
        rows = over[len(g.axes) :]
        picks = tuple(self.axis(a) for a, _ in g.places)
        dims = f"({', '.join(str(a.dim) for a in picks)}{',' * (len(picks) == 1)})"
        inner = any(self.atoms.axes_of(place) & g.axes for _, place in g.places)
        if inner:  # a place for each element of an axis that is summed over, which is as a row then
            rows = over
        places = [Whole(self.lower(place), rows, inner) for _, place in g.places]
        factors = [f for f in (g.left, g.right) if f != 1]
        wide = [tuple(a for a in out if a in self.atoms.axes_of(f)) for f in factors]
        each = [a for axes in wide for a in axes]
        kept = tuple(a for a in lead if a.name not in self.atoms.axes_of(g.left))
        names = {*each, *(a.name for a in kept)}
        apart = len(names) == len(each) + len(kept)
        if inner or not apart or self.atoms.axes_of(sp.Mul(*factors)) & g.axes:
            value = Map("mul", (value, *(self.lower(f) for f in factors)))
            kept, wide, factors = tuple(self.axis(a) for a in out if a in names), [], []
        alike = len(factors) == 2 and self._squared(g, out) is not None
        given = [
            Whole(self.lower(f), (*(self.axis(a) for a in axes), *rows), True)
            for f, axes in zip(factors, wide, strict=True)
        ]
        given = given[:1] * 2 if alike else given
        whole = Whole(value, (*kept, *over), True)
        return Kernel(
            "by_place", (dims, whole, len(over), *places, *given),
            (*kept, *(self.axis(a) for axes in wide for a in axes), *picks),
        )  # fmt: skip

    def times_weight(self, expr: sp.Expr, axes: tuple[Axis, ...]) -> Expr:
        """A row's factor with its posterior weight, row by row; zero where the weight is."""
        weights = [x for x in expr.free_symbols if isinstance(self.atoms.atom(x), Weight)]
        return self._weighted(expr, weights, axes)

    def _squared(
        self, g: _Group, out: tuple[str, ...]
    ) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
        """The axes of left and right, where these are one function of the rows: u[p] u[p']."""
        one = tuple(a for a in out if a in self.atoms.axes_of(g.left))
        two = tuple(a for a in out if a in self.atoms.axes_of(g.right))
        plain = self.atoms.axes_of(sp.Add(*g.plain))
        if g.axes or not one or len(one) != len(two) or plain & {*one, *two}:
            return None
        names: dict[str, Ix] = dict(zip(one, two, strict=True))
        return (one, two) if self.atoms.rename(g.left, names) == g.right else None

    def _weighted(self, total: sp.Expr, weights: list[sp.Symbol], axes: tuple[Axis, ...]) -> Expr:
        """f w, which is 0 where the weight is, whatever f is there."""
        if len(weights) != 1:
            return self.lower(total)
        terms = [t / weights[0] for t in sp.Add.make_args(sp.expand_mul(total))]
        if sp.Add(*terms).has(weights[0]):
            return self.lower(total)
        seen = [x for x in terms[0].free_symbols if self._is_mask_of(x, terms)]
        seen.sort(key=self.atoms.text)
        rest = sp.Add(*(t / sp.Mul(*seen) for t in terms))
        weight = self._counted(weights[0], seen)
        if not rest.free_symbols:
            return Map("mul", (self.lower(rest), weight)) if rest != 1 else weight
        own = self.atoms.axes_of(rest * weights[0])
        kept = tuple(a for a in axes if a.name in own)
        key = "weighted", rest, tuple(seen), kept
        if key not in self.made:
            inner = self.lower(rest)
            made = Kernel("weighted", (Whole(inner, kept, True), Whole(weight, kept, True)), kept)
            self.made[key] = self.temporary("weighed"), len(kept)
            self.body.append(Assign(self.made[key][0], Whole(made, kept)))
        return Array(self.made[key][0], kept)

    def _is_mask_of(self, symbol: sp.Symbol, terms: list[sp.Expr]) -> bool:
        """Whether it is a row's own mask, and a factor of all terms: such rows weigh nothing."""
        atom = self.atoms.atom(symbol)
        own = isinstance(atom, Seen) and self.atoms.axes_of(symbol) <= self.plates
        return own and all(symbol in sp.Mul.make_args(t) for t in terms)

    def _counted(self, weights: sp.Symbol, seen: list[sp.Symbol]) -> Expr:
        """Weights that are zero in rows where something is missing."""
        found = self.lower(weights)
        for mask in seen:
            axes = tuple(self.axis(a) for a in self._ordered(weights))
            key = "counted", weights, tuple(seen[: seen.index(mask) + 1])
            if key not in self.made:
                plate = tuple(a for a in axes if a.name in self.plates)
                made = Kernel("counted", (Whole(found, axes), Whole(self.lower(mask), plate)), axes)
                self.made[key] = self.temporary("counted"), len(axes)
                self.body.append(Assign(self.made[key][0], Whole(made, axes)))
            found = Array(self.made[key][0], axes)
        return found


_Places = tuple[tuple[str, sp.Expr], ...]  # axes that entries of the rows are places on


@dataclass
class _Group:
    """Products with the same factors outside, on the left and on the right; the rest is added."""

    outside: sp.Expr
    plain: list[sp.Expr]
    left: sp.Expr
    right: sp.Expr
    axes: frozenset[str]
    places: _Places = ()

    @property
    def key(self) -> tuple[Hashable, ...]:
        return self.outside, self.left, self.right, self.axes, self.places


def _first(text: str, axis: str) -> int:
    found = text.find(axis)
    return found if found >= 0 else len(text)
