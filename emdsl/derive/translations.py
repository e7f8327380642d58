"""Covariates whose zero is arbitrary: moving it is made up for by moving other parameters.

    a + b . u   =   (a + b . c) + b . (u - c)     whatever c is

So a model may be fitted to u - c, where the digits are, and its parameters told in the user's own
coordinates (Practical Optimization 1981, section 8.7, on the scaling of variables). That holds
where everything that depends on u is such a sum: an array u is moved by c and each parameter that
stands by itself in a sum with u by what c is multiplied by there. What asks the same of a parameter
wherever it stands leaves the joint density as it was.

Where no parameter stands by itself, a column of ones does: b . u with u_j = 1 has b_j for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import sympy as sp

from emdsl.derive.atoms import (
    Centered,
    Elem,
    Ind,
    InvOf,
    Ix,
    LogDetOf,
    LogInd,
    LogSumExp,
    Pivot,
    Seen,
    SumOf,
)
from emdsl.derive.joint import Joint
from emdsl.derive.table import Atoms

_KINDS = {"input": ("real", "positive"), "data": ("real",)}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"

Labels = tuple[str, ...]  # of each dimension: a letter, or a fixed place's number


@dataclass(frozen=True, order=True)
class Move:
    """number times entries of parameters times the entry `at` of c to some power.

    It is summed over letters of its own. `factors` are the parameters' names with the letters of
    their dimensions.
    """

    number: float
    factors: tuple[tuple[str, Labels], ...]
    at: Labels
    power: int = 1


@dataclass(frozen=True)
class Absorbed:
    """What is added to a parameter, whose dimensions have the letters `labels`."""

    param: str
    labels: Labels
    moves: tuple[Move, ...]


@dataclass(frozen=True)
class Translation:
    """What moves with an array; or `why` nothing can, or not without `own`.

    `own` are parameters (name, dimension) that take it up themselves, where a column of the array
    is the same everywhere: in the entry of that column.
    """

    array: str
    absorbed: tuple[Absorbed, ...] = ()
    own: tuple[tuple[str, int], ...] = ()
    why: str = ""


def translations_of(joint: Joint) -> tuple[Translation, ...]:
    """What there is to say of each covariate, in the order of the file.

    An array that no parameter multiplies is none.
    """
    walk = _Walk(joint.atoms)
    for node in (*joint.nodes, *joint.priors):
        walk.visit(node.log_density)
    able = {p.name for p in joint.model.params if p.prior is None and p.type.kind == "real"}
    priors = {p.name for p in joint.model.params if p.prior is not None}
    out = []
    for v in joint.model.variables:
        if v.type.kind in _KINDS.get(v.role, ()):
            of_one = _Covariate(v.name, len(v.type.shape), joint.atoms, able, priors)
            found = of_one.translation(walk)
            if found is not None:
                out.append(found)
    return tuple(out)


# --- the terms of sums ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Term:
    """A term of a sum: number x parameters x entries of arrays x the rest.

    `bound` are the axes it is summed over; `mixed` that the rest has parameters or arrays in it.
    """

    place: sp.Expr  # the sum it is in
    number: sp.Rational
    params: tuple[Elem, ...]
    arrays: tuple[Elem, ...]
    rest: sp.Expr
    bound: frozenset[str]
    mixed: bool

    def key(self, name: str) -> tuple[sp.Expr, sp.Expr, tuple[Elem, ...]]:
        """What terms have in common that add up to one thing times a sum, as far as array `name`
        goes.
        """
        return self.place, self.rest, tuple(a for a in self.arrays if a.name != name)


@dataclass
class _Walk:
    """All sums of an expression, each once, with their terms; pivots are at zero."""

    atoms: Atoms
    terms: list[_Term] = field(default_factory=list)
    odd: set[str] = field(default_factory=set)  # arrays and parameters that stand elsewhere
    _seen: set[sp.Basic] = field(default_factory=set)

    def visit(self, expr: sp.Basic) -> None:
        if expr in self._seen or not expr.free_symbols:
            return
        self._seen.add(expr)
        if isinstance(expr, sp.Add | sp.Mul | sp.Symbol):
            self.terms += self._terms(expr, expr, frozenset())
        else:
            for part in expr.args:
                self.visit(part)

    def _terms(self, place: sp.Expr, expr: sp.Expr, bound: frozenset[str]) -> Iterator[_Term]:
        for term in sp.Add.make_args(expr):
            yield from self._split(place, term, bound)

    def _split(self, place: sp.Expr, term: sp.Expr, bound: frozenset[str]) -> Iterator[_Term]:
        number, product = term.as_coeff_Mul()
        factors = sp.Mul.make_args(product)
        inner = [f for f in factors if self._is_sum(f)]
        if any(isinstance(self._atom(f), Pivot) for f in factors):
            return
        if len(inner) != 1:  # a product of sums is none of them
            yield self._product(place, number, factors, bound)
            return
        atom = self._atom(inner[0])
        outer = self._product(place, number, [f for f in factors if f is not inner[0]], bound)
        if isinstance(atom, SumOf):
            parts = self._terms(place, atom.body, bound | set(atom.axes))
        elif not isinstance(atom, Centered):
            parts = self._terms(place, inner[0], bound)
        else:
            own: tuple[_Term, ...] = ()
            if atom.through:  # of a logarithm
                self.odd.add(atom.of.name)
            else:
                symbol = self.atoms.symbol(atom.of)
                own = (self._product(place, sp.Integer(1), (symbol,), bound),)
            parts = iter((*own, *self._terms(place, -atom.offset, bound)))
        for part in parts:
            yield _Term(
                place,
                outer.number * part.number,
                outer.params + part.params,
                outer.arrays + part.arrays,
                outer.rest * part.rest,
                part.bound,
                outer.mixed or part.mixed,
            )

    def _is_sum(self, factor: sp.Expr) -> bool:
        """Whether a factor is a sum that terms are made of: of axes, or of what is known."""
        if isinstance(factor, sp.Add):
            return not self.atoms.has_param(factor)
        return isinstance(self._atom(factor), SumOf | Centered)

    def _product(
        self, place: sp.Expr, number: sp.Rational, factors: Iterable[sp.Expr], bound: frozenset[str]
    ) -> _Term:
        params: list[Elem] = []
        arrays: list[Elem] = []
        rest: sp.Expr = sp.Integer(1)
        mixed = False
        for factor in factors:
            base, exponent = factor.as_base_exp()
            power = int(exponent) if exponent.is_Integer and exponent > 0 else 0
            atom = self._atom(base if power else factor)
            match atom:
                case Elem(role="param"):
                    params += [atom] * power
                case Elem(role="data" | "input"):
                    arrays += [atom] * power
                case _:
                    rest *= factor
                    mixed |= self._within(factor, self._atom(factor))
        return _Term(place, number, tuple(params), tuple(arrays), rest, bound, mixed)

    def _within(self, factor: sp.Expr, atom: object) -> bool:
        """Look into a factor of another kind; whether parameters or arrays are in it."""
        match atom:
            case LogSumExp(body=body) | SumOf(body=body):
                self.visit(body)
            case LogInd(condition=condition) if self.atoms.has_param(condition):
                for test in condition.atoms(sp.core.relational.Relational):
                    self.visit(test.lhs - test.rhs)
            case Ind() | LogInd() | InvOf() | LogDetOf() | Elem():
                self.odd |= {a.name for a in self.atoms.deep(factor) if isinstance(a, Elem)}
            case Centered(of=of, offset=offset):
                self.visit(self.atoms.symbol(of))
                self.visit(offset)
            case None if not isinstance(factor, sp.Symbol):
                self.visit(factor)
        if isinstance(atom, Ind | LogInd | Seen):
            return False
        return any(
            isinstance(a, Elem) and a.role in ("param", "data", "input")
            for a in self.atoms.deep(factor)
        )

    def _atom(self, factor: sp.Basic) -> object:
        return self.atoms.atom(factor) if isinstance(factor, sp.Symbol) else None


# --- one array -----------------------------------------------------------------------------------


class _Unmoved(Exception):  # not an error: it is told of
    """Why an array can't be moved."""


@dataclass
class _Sum:
    """The terms of one sum, by the power of an entry of the array that is in them."""

    terms: dict[int, list[_Term]] = field(default_factory=dict)

    @property
    def moved(self) -> list[_Term]:
        return [t for power, terms in self.terms.items() if power for t in terms]

    @property
    def powers(self) -> range:
        """Those that change with the array's zero: a + b u + d u^2 has another a and b."""
        return range(max(self.terms))


@dataclass
class _Covariate:
    name: str
    rank: int  # dimensions of one element
    atoms: Atoms
    able: Collection[str]  # parameters that nothing holds in place
    priors: Collection[str]

    def translation(self, walk: _Walk) -> Translation | None:
        sums: dict[object, _Sum] = {}
        fixed = set(walk.odd)  # parameters that stand elsewhere
        alone = True
        clash = "it doesn't stand in sums alone" if self.name in walk.odd else ""
        for term in walk.terms:
            power = sum(a.name == self.name for a in term.arrays)
            if power == 0 and not self._is_bare(term):
                fixed |= {p.name for p in term.params}
                continue
            sums.setdefault(term.key(self.name), _Sum()).terms.setdefault(power, []).append(term)
            if power:
                alone &= not (term.params or self.atoms.has_latent(term.rest))
            if power and term.mixed:
                clash = "it stands in a product with functions of parameters or data"
        if alone:
            return None
        if any(len(one.powers) > 1 and self._places(one) > 1 for one in sums.values()):
            clash = "entries of it stand in a product"
        try:
            if clash:
                raise _Unmoved(clash)
            return self._solved(list(sums.values()), fixed)
        except _Unmoved as error:
            return Translation(self.name, why=str(error))

    def _places(self, one: _Sum) -> int:
        return len({a for t in one.moved for a in t.arrays if a.name == self.name})

    def _is_bare(self, term: _Term) -> bool:
        """Whether a parameter stands by itself in a sum, but for what multiplies all of it."""
        places = {ix for a in term.arrays if a.name == self.name for ix in a.idx}
        return len(term.params) == 1 and not term.mixed and term.bound <= places

    def _solved(self, sums: Sequence[_Sum], fixed: set[str]) -> Translation:
        taken: dict[str, Absorbed] = {}
        own: dict[str, int] = {}
        why = ""
        able = set(self.able) - fixed
        for one in sums:
            for power in one.powers:
                names = [t.params[0].name for t in one.terms.get(power, ()) if self._is_bare(t)]
                if any(n in taken for n in names):
                    continue
                found = next(
                    (a for n in names
                     if n in able and (a := self._everywhere(n, sums)) is not None),
                    None,
                )  # fmt: skip
                if found is not None:
                    taken[found.param] = found
                    continue
                name, axis = self._by_itself(one, sums, able - set(taken))
                own[name] = axis
                why = why or self._no_intercept(one)
        for one in sums:
            for power in one.powers:
                here = [t.params[0].name for t in one.terms.get(power, ()) if t.params]
                at_ones = {p.name for t in one.moved for p in t.params} & own.keys()
                if sum(n in taken for n in here) + len(at_ones) != 1:
                    raise _Unmoved(self._no_intercept(one))
        return Translation(self.name, tuple(taken.values()), tuple(own.items()), why)

    def _everywhere(self, name: str, sums: Sequence[_Sum]) -> Absorbed | None:
        """What a parameter takes up, if that is the same wherever it stands."""
        asked: set[Absorbed | None] = set()
        for one in sums:
            for power, terms in one.terms.items():
                for term in terms:
                    if any(p.name == name for p in term.params):
                        bare = self._is_bare(term)
                        asked.add(self._asked(term, power, one) if bare else None)
        found = asked.pop() if len(asked) == 1 else None
        return found if found is not None and found.moves else None

    def _asked(self, bare: _Term, power: int, one: _Sum) -> Absorbed | None:
        """What one sum asks of a parameter in it; None where it can't give that.

        d u^k = d (v + c)^k has (k over j) d c^(k - j) for the parameter that multiplies v^j.
        """
        param = bare.params[0]
        letters = _Letters(self.atoms)
        labels = letters.of(param.idx)
        if any(x.isdigit() for x in labels) or len(set(labels)) < len(labels):
            return None
        own = frozenset(letters.known)
        moves = []
        for higher, terms in one.terms.items():
            for term in terms if higher > power else ():
                more = letters.copy()
                multiplied = sorted(term.params, key=self.atoms.text)
                factors = tuple((p.name, more.of(p.idx)) for p in multiplied)
                at = more.of(self._event(term))
                if any(axis not in term.bound for axis in more.known if axis not in own):
                    return None  # it isn't the same for all that the parameter stands for
                if own & (term.bound - bare.bound):
                    return None
                number = sp.binomial(higher, power) * term.number / bare.number
                moves.append(Move(float(number), factors, at, higher - power))
        return Absorbed(param.name, labels, tuple(sorted(moves)))

    def _by_itself(self, one: _Sum, sums: Sequence[_Sum], able: set[str]) -> tuple[str, int]:
        """The parameter whose entry at a column of ones takes it up, and its dimension."""
        names = {p.name for t in one.moved for p in t.params}
        if len(one.powers) > 1:
            raise _Unmoved(self._no_intercept(one))
        if len(one.moved) != 1 or len(names) != 1 or self.rank != 1 or not names <= able:
            raise _Unmoved(self._no_intercept(one))
        name = names.pop()
        axes = set()
        for other in sums:
            if any(p.name == name for t in other.terms.get(0, ()) for p in t.params):
                raise _Unmoved(self._no_intercept(one))
            for term in other.moved:
                if all(p.name != name for p in term.params):
                    continue
                (column,) = self._event(term)
                param = term.params[0]
                alone = len(term.params) == 1 and len(other.moved) == 1
                if not alone or column not in term.bound or param.idx.count(column) != 1:
                    raise _Unmoved(self._no_intercept(one))
                axes.add(param.idx.index(column))
        if len(axes) != 1:
            raise _Unmoved(self._no_intercept(one))
        return name, axes.pop()

    def _event(self, term: _Term) -> tuple[Ix, ...]:
        """Where in one element of the array its entry in a term is."""
        entry = next(a for a in term.arrays if a.name == self.name)
        return entry.idx[len(entry.idx) - self.rank :]

    def _no_intercept(self, one: _Sum) -> str:
        names = sorted({p.name for t in one.moved for p in t.params})
        beside = sorted({p.name for t in one.terms.get(0, ()) for p in t.params})
        held = [n for n in (*beside, *names) if n in self.priors]
        if held:
            return f"{held[0]} has a prior, which is about a place"
        if not names:
            return "it stands elsewhere than beside an intercept, too"
        return f"{', '.join(names)} has no intercept beside it that is free to make up for it"


class _Letters:
    """Letters for the axes of an equation, in the order they are met: the same for equal ones."""

    def __init__(self, atoms: Atoms) -> None:
        self.atoms = atoms
        self.known: dict[Ix, str] = {}

    def copy(self) -> _Letters:
        other = _Letters(self.atoms)
        other.known = dict(self.known)
        return other

    def of(self, idx: tuple[Ix, ...]) -> Labels:
        return tuple(
            str(ix) if isinstance(ix, int) else self.known.setdefault(ix, _LETTERS[len(self.known)])
            for ix in idx
        )
