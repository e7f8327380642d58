"""Names for what comes back in a numeric block's share of Q and in its derivatives.

    eta[n, k] = sum_p beta[k, p] u[n, p]            a linear predictor
    rho[n, k] = exp(eta[n, k]) / sum_l exp(eta[n, l])   a softmax
    c[n] = phi + exp(eta[n])                        another sum that is divided by

The formulas are short then, and the names say what is computed once for each row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, permutations

import sympy as sp

from emdsl.derive.atoms import Elem, LogSumExp, SumOf
from emdsl.derive.mstep.neat import neat
from emdsl.derive.mstep.share import Numeric, RowPart, Share
from emdsl.derive.smooth import Expit, LogBessel, Softplus
from emdsl.derive.table import Atoms
from emdsl.model.kinds import Kind


@dataclass(frozen=True)
class Letters:
    """Names to give, in this order: to predictors, to softmaxes, to other sums."""

    predictors: Sequence[str]
    softmaxes: Sequence[str]
    sums: Sequence[str]

    def without(self, taken: set[str]) -> Letters:
        """Those that a model doesn't use."""
        left = [[x for x in some if x not in taken]
                for some in (self.predictors, self.softmaxes, self.sums)]  # fmt: skip
        return Letters(*left)


@dataclass(frozen=True)
class Short:
    """`symbol` stands for `value`, whose axes beside the rows' are `axes`."""

    symbol: sp.Symbol
    value: sp.Expr
    plate: str
    axes: tuple[str, ...]


@dataclass(frozen=True)
class Shortened:
    """A numeric form as it reads."""

    shorts: tuple[Short, ...]
    value: Share
    gradient: tuple[Share, ...]
    hessian: tuple[tuple[Share, ...], ...]  # of each parameter with those from it on


def shortened(form: Numeric, letters: Letters, atoms: Atoms) -> Shortened:
    """The form's formulas in neat order, with names for what comes back in them."""
    upper = [
        form.hessian[i][j] for i in range(len(form.params)) for j in range(i, len(form.params))
    ]
    shares = [form.value, *form.gradient, *upper]
    work = _Shortener(letters, atoms)
    shares = work.run([neat(s, atoms) for s in shares])
    value, *rest = (neat(s, atoms) for s in shares)
    count = len(form.params)
    gradient, blocks = rest[:count], iter(rest[count:])
    hessian = tuple(tuple(next(blocks) for _ in range(i, count)) for i in range(count))
    return Shortened(tuple(work.shorts), value, tuple(gradient), hessian)


class _Shortener:
    def __init__(self, letters: Letters, atoms: Atoms) -> None:
        self.letters = letters
        self.atoms = atoms
        self.shorts: list[Short] = []
        self.given: set[str] = set()  # names
        self.softmaxes: dict[sp.Basic, Short] = {}  # by the log of the denominator

    def run(self, shares: list[Share]) -> list[Share]:
        shares = self._named(shares, self._predictors, self.letters.predictors)
        self._name_softmaxes(shares)
        shares = [self._mapped(s) for s in shares]
        return self._named(shares, self._sums, self.letters.sums)

    def _named(
        self,
        shares: list[Share],
        candidates: Callable[[sp.Expr, str], Iterator[sp.Expr]],
        letters: Sequence[str],
    ) -> list[Share]:
        """Names for the candidates that come back, the smallest first."""
        names = iter(letters)
        found: Counter[tuple[str, sp.Expr]] = Counter()
        for share in shares:
            for part in share.rows:
                for expr in candidates(part.expr, part.plate):
                    found[part.plate, expr] += 1
        groups: list[tuple[str, sp.Expr, int]] = []
        for (plate, expr), times in sorted(
            found.items(), key=lambda x: (x[0][1].count_ops(), str(x[0][1]))
        ):
            for i, (where, one, count) in enumerate(groups):
                if where == plate and self._places(one, expr, plate) is not None:
                    groups[i] = where, one, count + times
                    break
            else:
                groups.append((plate, expr, times))
        for plate, expr, times in groups:
            known = self._walk(expr, plate) != expr
            name = None if times < 2 or known else next(names, None)
            if name is not None:
                self._name(name, expr, plate)
        return [self._mapped(s) for s in shares]

    def _name(self, name: str, value: sp.Expr, plate: str) -> Short:
        axes = self._order(value, plate)
        kind: Kind = "positive" if value.is_positive else "real"
        symbol = self.atoms.symbol(Elem("data", name, (plate, *axes), kind))
        short = Short(symbol, value, plate, axes)
        self.shorts.append(short)
        self.given.add(name)
        return short

    def _order(self, expr: sp.Expr, plate: str) -> tuple[str, ...]:
        text = str(expr)
        free = self.atoms.axes_of(expr) - {plate}
        return tuple(sorted(free, key=lambda a: (text.find(a), a)))

    def _is_live(self, expr: sp.Basic, plate: str) -> bool:
        """Whether an expression has a parameter in it, or a name, and changes along the rows."""
        return plate in self.atoms.axes_of(expr) and any(
            isinstance(a, Elem) and (a.role == "param" or a.name in self.given)
            for a in self.atoms.deep(expr)
        )

    # -- where a short's value stands --

    def _places(self, one: sp.Expr, other: sp.Expr, plate: str) -> dict[str, str] | None:
        """The axes of `one` under their names in `other`, where they are equal up to that."""
        if one == other:
            return {a: a for a in self.atoms.axes_of(one) - {plate}}
        old, new = self._order(one, plate), self._order(other, plate)
        if len(old) != len(new) or len(old) > 4 or one.func != other.func:
            return None
        for order in permutations(new):
            names = dict(zip(old, order, strict=True))
            alike = all(self.atoms.axes[a].extent == self.atoms.axes[b].extent
                        for a, b in names.items())  # fmt: skip
            if alike and self.atoms.rename(one, dict(names)) == other:
                return names
        return None

    def _found(self, expr: sp.Expr, plate: str) -> sp.Expr | None:
        for short in self.shorts:
            if short.plate != plate:
                continue
            names = self._places(short.value, expr, plate)
            if names is not None:
                return self.atoms.rename(short.symbol, dict(names))
        return None

    def _mapped(self, share: Share) -> Share:
        rows = tuple(replace(p, expr=self._walk(p.expr, p.plate)) for p in share.rows)
        return Share(share.static, rows)

    def _walk(self, expr: sp.Expr, plate: str) -> sp.Expr:
        """The expression with names for what they stand for."""
        if not self._is_live(expr, plate):
            return expr
        if isinstance(expr, sp.Symbol):
            atom = self.atoms.atom(expr)
            if isinstance(atom, LogSumExp):
                body = self._walk(atom.body, plate)
                return self.atoms.symbol(LogSumExp(atom.axes, body))
            return self._found(expr, plate) or expr
        if isinstance(expr, sp.exp):
            quotient = self._softmax(expr.args[0], plate)
            if quotient is not None:
                return quotient
        if isinstance(expr, sp.Add | sp.Mul | sp.Pow | sp.exp):
            number, rest = expr.primitive() if isinstance(expr, sp.Add) else expr.as_coeff_Mul()
            for sign in (1, -1):
                found = self._found(sign * rest, plate)
                if found is not None:
                    return sign * number * found
        return expr.func(*(self._walk(a, plate) if a.free_symbols else a for a in expr.args))

    # -- predictors --

    def _predictors(self, expr: sp.Expr, plate: str) -> Iterator[sp.Expr]:
        """Sums of parameters times data, as arguments of functions."""
        for node in sp.preorder_traversal(expr):
            if isinstance(node, sp.Symbol):
                atom = self.atoms.atom(node)
                if isinstance(atom, LogSumExp):
                    yield from self._compound(atom.body, plate)
            elif isinstance(node, sp.exp | Softplus | Expit | LogBessel):
                logs = [s for s in node.args[0].free_symbols
                        if isinstance(self.atoms.atom(s), LogSumExp)]  # fmt: skip
                if not logs:
                    yield from self._compound(node.args[0], plate)

    def _compound(self, arg: sp.Expr, plate: str) -> Iterator[sp.Expr]:
        _, rest = arg.primitive() if isinstance(arg, sp.Add) else arg.as_coeff_Mul()
        if rest.could_extract_minus_sign():
            rest = -rest
        nested = rest.has(sp.exp) or any(
            isinstance(f, sp.Function) and not isinstance(f, sp.log)
            for f in rest.atoms(sp.Function)
        )
        sums = any(isinstance(self.atoms.atom(s), SumOf) for s in rest.free_symbols)
        if self._is_live(rest, plate) and not nested and (sums or not rest.is_Symbol):
            yield rest

    # -- softmaxes --

    def _name_softmaxes(self, shares: list[Share]) -> None:
        names = iter(self.letters.softmaxes)
        for part in (p for s in shares for p in s.rows):
            for node in sp.preorder_traversal(part.expr):
                if not isinstance(node, sp.exp):
                    continue
                for symbol in sorted(node.args[0].free_symbols, key=str):
                    self._name_softmax(symbol, part, names)

    def _name_softmax(self, symbol: sp.Symbol, part: RowPart, names: Iterator[str]) -> None:
        atom = self.atoms.atom(symbol)
        if not isinstance(atom, LogSumExp) or len(atom.axes) != 1:
            return
        if any(self._places(s, symbol, part.plate) is not None for s in self.softmaxes):
            return
        name = next(names, None)
        if name is not None:
            axis = self.atoms.fresh(self.atoms.axes[atom.axes[0]].extent)
            top = self.atoms.rename(atom.body, {atom.axes[0]: axis})
            bottom = SumOf(atom.axes, sp.exp(atom.body))
            value = sp.exp(top) / self.atoms.symbol(bottom)
            self.softmaxes[symbol] = self._name(name, value, part.plate)

    def _softmax(self, arg: sp.Expr, plate: str) -> sp.Expr | None:
        """exp(x[k] + x[l] - 2 log(sum_k exp x[k]))  ⇒  rho[k] rho[l]"""
        for symbol in sorted(arg.free_symbols, key=str):
            atom = self.atoms.atom(symbol)
            times = -arg.coeff(symbol)
            if not isinstance(atom, LogSumExp) or not times.is_Integer or not 0 < times <= 2:
                continue
            for known, short in self.softmaxes.items():
                names = self._places(known, symbol, plate)
                if names is None:
                    continue
                own = next(a for a in short.axes if a not in self.atoms.axes_of(known))
                rest = arg + times * symbol
                axes = sorted(self.atoms.axes_of(rest) - {plate})
                for places in combinations_with_replacement(axes, int(times)):
                    tops = [self.atoms.rename(atom.body, {atom.axes[0]: a}) for a in places]
                    if sp.Add(*tops) == rest:
                        return sp.Mul(
                            *(self.atoms.rename(short.symbol, {**names, own: a}) for a in places)
                        )
        return None

    # -- other sums --

    def _sums(self, expr: sp.Expr, plate: str) -> Iterator[sp.Expr]:
        """Sums in denominators and logs, of more than plain symbols."""
        for node in sp.preorder_traversal(expr):
            inner: sp.Expr | None = None
            if isinstance(node, sp.Pow) and node.exp.is_negative:
                inner = node.base
            elif isinstance(node, sp.log):
                inner = node.args[0]
            if (
                isinstance(inner, sp.Add)
                and not all(a.is_Symbol or a.is_number for a in inner.args)
                and self._is_live(inner, plate)
            ):
                yield inner
