"""A log density as a sum of monomials  number x T(data, latents) x phi(parameters).

    -(x - m)^2 / (2 s^2)  ⇒  -1/2 [x^2] [s^-2]  +  1 [x] [m s^-2]  -  1/2 [1] [m^2 s^-2]

Sums over axes are multiplied out, each copy over axes of its own, so that a monomial is a plain
product summed over its axes. A factor that mixes data and parameters can't be separated: it is
kept whole in `basis`, and `mixed` says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import sympy as sp

from emdsl.derive.atoms import Elem, Ind, InvOf, Ix, LogDetOf, LogInd, Seen, SumOf, Value
from emdsl.derive.differences import joined
from emdsl.derive.refusal import Refused
from emdsl.derive.table import Atoms
from emdsl.families.cumulative import KEPT
from emdsl.families.vocabulary import LogRising
from emdsl.model.graph import Size
from emdsl.source import Span


@dataclass(frozen=True)
class Monomial:
    """`number * data * basis`, summed over all of its axes.

    `number` has no axes (numbers and sizes), `data` no parameter, `basis` no data unless `mixed`.
    """

    number: sp.Expr
    data: sp.Expr
    basis: sp.Expr
    axes: frozenset[str]
    mixed: bool
    span: Span


def monomials(
    expr: sp.Expr, bound: frozenset[str], atoms: Atoms, span: Span
) -> tuple[Monomial, ...]:
    """The monomials of `expr`, summed over its own free axes and `bound`."""
    terms = _expand(expr, bound, atoms, span)
    merged: dict[tuple[sp.Expr, sp.Expr, frozenset[str]], Monomial] = {}
    for term, axes in terms:
        m = _separate(term, axes, atoms, span)
        key = (m.data, m.basis, m.axes)
        old = merged.get(key)
        if old is not None:
            m = Monomial(sp.expand(old.number + m.number), m.data, m.basis, m.axes, m.mixed, m.span)
        merged[key] = m
    return tuple(m for m in merged.values() if m.number != 0 and m.data != 0)


_MOST = 20000  # terms of one node; past that the model is not one a person wrote


def _expand(
    expr: sp.Expr, bound: frozenset[str], atoms: Atoms, span: Span
) -> list[tuple[sp.Expr, frozenset[str]]]:
    """Products without sums inside, each with the axes it is summed over beside its free ones."""
    out: list[tuple[sp.Expr, frozenset[str]]] = []
    todo = [(expr, bound)]
    while todo:
        whole, axes = todo.pop()
        if _size(whole) > _MOST:
            raise _too_many(span)
        for term in sp.Add.make_args(flat(whole, atoms)):
            opened = _open_sum(term, atoms)
            if opened is None:
                out.append((term, axes))
            else:
                inner, new = opened
                todo.append((inner, axes | new))
            if len(out) + len(todo) > _MOST:
                raise _too_many(span)
    return out


def _too_many(span: Span) -> Refused:
    return Refused(
        "too-many-terms",
        f"this node's log density has more than {_MOST} terms when multiplied out",
        span,
        "write it with fewer parameters in one power or product",
    )


def _size(expr: sp.Basic) -> int:
    """A bound on the terms of an expression multiplied out, found without doing it."""
    if isinstance(expr, sp.Add):
        return sum(_size(a) for a in expr.args)
    if isinstance(expr, sp.Mul):
        return math.prod(_size(a) for a in expr.args)
    if isinstance(expr, sp.Pow) and expr.exp.is_Integer and expr.exp > 1:
        terms, power = _size(expr.base), int(expr.exp)
        bounded = terms <= _MOST and power <= 1000
        return math.comb(terms + power - 1, power) if bounded else _MOST + 1
    return 1


def flat(expr: sp.Expr, atoms: Atoms) -> sp.Expr:
    """Logs of products, powers and products multiplied out.

    A function of data and parameters together that doesn't come apart is left as it is written:
    log(1 + r^2 / v) as log(v + r^2) - log v would lose what it says where v is large.
    """
    expr = _split_logs(expr, atoms)
    whole: dict[sp.Basic, sp.Dummy] = {}

    def kept(e: sp.Expr) -> sp.Expr:
        return whole.setdefault(e, sp.Dummy(positive=e.is_positive, real=True))

    expr = expr.replace(lambda e: _stays(e, atoms), kept)
    if expr.has(sp.sin, sp.cos):
        expr = sp.expand_trig(expr)
    expr = sp.expand_power_base(expr, force=True)
    expr = sp.expand(expr, log=False, func=False)
    for e, dummy in reversed(whole.items()):  # what holds others was met after them
        expr = expr.xreplace({dummy: e})
    return joined(expr, lambda f, u, v: _is_live_step(f, u, v, atoms))


def _is_live_step(function: type, u: sp.Expr, v: sp.Expr, atoms: Atoms) -> bool:
    """Whether f(u) - f(v) is to be joined: of log gammas of parameters, what steps by data or
    a number; of logs, what mixes data and parameters.

    Logs of parameters alone are left as they are: closed forms are found by them.
    """
    if function is sp.loggamma:
        return atoms.has_param(u) and not atoms.has_param(sp.expand(u - v))
    return _mixes(u, atoms) or _mixes(v, atoms)


def _stays(expr: sp.Basic, atoms: Atoms) -> bool:
    """A log or an exponential, some addend of whose argument mixes data and parameters."""
    if isinstance(expr, KEPT):
        return True
    if not isinstance(expr, sp.log | sp.exp | sp.loggamma | LogRising):
        return False
    if isinstance(expr, sp.exp):
        return any(_mixes(term, atoms) for term in sp.Add.make_args(sp.expand(expr.args[0])))
    return _mixes(expr.args[0], atoms)


def _mixes(expr: sp.Basic, atoms: Atoms) -> bool:
    if any(not s.name or isinstance(s, sp.Dummy) for s in expr.free_symbols):
        return True  # has what is kept inside
    found = atoms.deep(expr)
    return any(atoms.is_param(a) for a in found) and any(_is_data(a) for a in found)


def _split_logs(expr: sp.Expr, atoms: Atoms) -> sp.Expr:
    """log(a b^n) ⇒ log a + n log b, after taking the content out of sums: log((1 - t)/4)."""

    def split(arg: sp.Expr) -> sp.Expr:
        arg = sp.powsimp(arg)
        if isinstance(arg, sp.exp):
            return arg.args[0]
        if isinstance(arg, sp.Add):
            content, rest = arg.primitive()
            together = sp.together(rest)
            if content != 1 or not isinstance(together, sp.Add):
                top, bottom = together.as_numer_denom()
                if isinstance(top, sp.Add) and _mixes(top, atoms):
                    return sp.log(arg)
                parts = sp.log(content) + _whole_log(top)
                return parts - split(bottom) if bottom != 1 else parts
            return sp.log(arg)
        if isinstance(arg, sp.Mul):
            return sp.Add(*(split(a) for a in arg.args))
        if isinstance(arg, sp.Pow):
            return arg.exp * split(arg.base)
        return sp.log(arg)

    def _whole_log(top: sp.Expr) -> sp.Expr:
        return split(top) if isinstance(top, sp.Mul | sp.Pow | sp.exp) else sp.log(top)

    return expr.replace(lambda e: isinstance(e, sp.log), lambda e: split(e.args[0]))


def _open_sum(term: sp.Expr, atoms: Atoms) -> tuple[sp.Expr, frozenset[str]] | None:
    """Multiply one sum factor of a product out: its body over fresh axes, times the rest."""
    factors = list(sp.Mul.make_args(term))
    for position, factor in enumerate(factors):
        base, power = factor.as_base_exp()
        if not isinstance(base, sp.Symbol):
            continue
        atom = atoms.atom(base)
        if isinstance(atom, SumOf) and power.is_Integer and 0 < int(power) <= 4:
            bodies, new = [], set()
            for _ in range(int(power)):
                names: dict[str, Ix] = {a: atoms.fresh(atoms.axes[a].extent) for a in atom.axes}
                new |= {str(n) for n in names.values()}
                bodies.append(atoms.rename(atom.body, names))
            rest = factors[:position] + factors[position + 1 :]
            return sp.Mul(*rest, *bodies), frozenset(new)
    return None


def _separate(term: sp.Expr, axes: frozenset[str], atoms: Atoms, span: Span) -> Monomial:
    number, data, basis = [], [], []
    for factor in sp.Mul.make_args(term):
        if atoms.has_param(factor):
            basis.append(factor)
        elif atoms.axes_of(factor):
            data.append(factor)
        else:
            number.append(factor)
    guards = [f for f in basis if _is_guard(f, atoms)]
    if guards:
        data, basis = _ruled_out(data, basis, guards, atoms)
    m = Monomial(
        sp.Mul(*number),
        _indicators(data, atoms),
        sp.Mul(*basis),
        axes | atoms.axes_of(term),
        False,
        span,
    )
    guarded = _guard_params(m, atoms)
    mixed = any(
        _is_data(a) and not _is_place(a, atoms)
        for f in sp.Mul.make_args(guarded.basis)
        for a in atoms.deep(f)
    )
    mixed = mixed or any(_pairs(f, atoms) for f in sp.Mul.make_args(m.basis))
    return replace(m, mixed=True) if mixed else guarded  # by rows, each finds its own entries


def _is_guard(factor: sp.Expr, atoms: Atoms) -> bool:
    """Whether it is minus infinity at some values of parameters (see `reach`)."""
    return isinstance(factor, sp.Symbol) and isinstance(atoms.atom(factor), LogInd)


def _ruled_out(
    data: list[sp.Expr], basis: list[sp.Expr], guards: list[sp.Expr], atoms: Atoms
) -> tuple[list[sp.Expr], list[sp.Expr]]:
    """Data and parameters' factors with the conditions on data inside of the guards' own.

    [a] log[b(theta)] is 0 where a doesn't hold, whatever theta is, and never 0 x infinity.
    """
    tests = [f for f in data if isinstance(f, sp.Symbol) and _is_test(atoms.atom(f))]
    merged = atoms.atom(_indicators([*tests, *guards], atoms))
    assert isinstance(merged, LogInd)
    rest = [f for f in basis if f not in guards]
    return [f for f in data if f not in tests], [*rest, atoms.symbol(merged)]


def _is_test(atom: object) -> bool:
    return isinstance(atom, Ind | Seen)


def _pairs(factor: sp.Expr, atoms: Atoms) -> bool:
    """Whether it has a function of two entries of one parameter that data pick, s[i[n]] - s[j[n]].

    The statistic of such a function is a table of all pairs, which has the square of the
    parameter's entries (paired comparisons of thousands), where the rows are what there is.
    """
    for node in sp.preorder_traversal(factor):
        if not isinstance(node, sp.Function) or isinstance(node, sp.exp):
            continue
        places: dict[str, set[tuple[Ix, ...]]] = {}
        for symbol in node.free_symbols:
            atom = atoms.atom(symbol)
            if not (isinstance(atom, Elem) and atom.role == "param"):
                continue
            if any(_is_long_place(ix, atom.name, k, atoms) for k, ix in enumerate(atom.idx)):
                places.setdefault(atom.name, set()).add(atom.idx)
        if any(len(found) > 1 for found in places.values()):
            return True
    return False


def _is_long_place(ix: Ix, name: str, position: int, atoms: Atoms) -> bool:
    """Whether an index is an entry of the data, on a dimension that they give the size of."""
    picked = isinstance(ix, Elem) and ix.role in ("data", "input")
    return picked and isinstance(atoms.param_dims[name][position], Size)


def _is_place(atom: object, atoms: Atoms) -> bool:
    """Whether it is the number of an entry of a vector, which all rows have alike."""
    return isinstance(atom, Value) and atoms.axes[atom.axis].role == "event"


def _is_data(atom: object) -> bool:
    """Whether a factor that also has parameters depends on data or a latent's value by this."""
    match atom:
        case Elem(role=role):
            return role in ("data", "input", "latent")
        case Value() | Ind() | LogInd() | Seen():
            return True
        case _:
            return type(atom).__name__ == "Centered"


def _indicators(factors: list[sp.Expr], atoms: Atoms) -> sp.Expr:
    """[a] [a] ⇒ [a];  [a] log[b] ⇒ log[not a or b], which never makes 0 x infinity."""
    plain, conditions, logs = [], [], []
    for factor in factors:
        base, power = factor.as_base_exp()
        atom = atoms.atom(base) if isinstance(base, sp.Symbol) else None
        if isinstance(atom, Ind) and power.is_positive:
            conditions.append(atom.condition)
        elif isinstance(atom, Seen) and power.is_positive:
            conditions.append(sp.Ne(base, 0))
        elif isinstance(atom, LogInd) and power == 1:
            logs.append(atom.condition)
        else:
            plain.append(factor)
    if sp.And(*conditions) == sp.false:
        return sp.Integer(0)
    if logs:
        merged = sp.Or(sp.Not(sp.And(*conditions)), sp.And(*logs)) if conditions else sp.And(*logs)
        return sp.Mul(*plain, atoms.symbol(LogInd(merged)))
    known = [_as_factor(c, atoms) for c in dict.fromkeys(conditions)]
    return sp.Mul(*plain, *known)


def _as_factor(condition: sp.Basic, atoms: Atoms) -> sp.Expr:
    if isinstance(condition, sp.Ne) and isinstance(condition.lhs, sp.Symbol):
        atom = atoms.atom(condition.lhs)
        if isinstance(atom, Seen):
            return condition.lhs
    return atoms.symbol(Ind(condition))


def _guard_params(m: Monomial, atoms: Atoms) -> Monomial:
    """Make every index of a parameter an axis of its own.

    phi(b[group[n]])  ⇒  sum_g [group[n] = g] phi(b[g])
    phi(p[2])         ⇒  sum_i [i = 2] phi(p[i])
    """
    names: dict[object, str] = {}
    data = m.data
    axes = set(m.axes)
    replaced: dict[sp.Symbol, sp.Symbol] = {}
    for symbol in sorted(m.basis.free_symbols, key=str):
        atom = atoms.atom(symbol)
        match atom:
            case Elem(role="param", name=name, idx=idx, kind=kind):
                new = tuple(_free(ix, name, k, names, atoms) for k, ix in enumerate(idx))
                if new != idx:
                    replaced[symbol] = atoms.symbol(Elem("param", name, new, kind))
            case LogDetOf(matrix=matrix) | InvOf(matrix=matrix):
                batch = tuple(
                    _free(ix, matrix.name, k, names, atoms) for k, ix in enumerate(matrix.batch)
                )
                if batch != matrix.batch:
                    replaced[symbol] = atoms.symbol(
                        replace(atom, matrix=replace(matrix, batch=batch))
                    )
            case _:
                pass
    if not replaced:
        return m
    for key, axis in names.items():
        place = key[1] if isinstance(key, tuple) else key
        if isinstance(place, Elem):
            there: sp.Expr = atoms.symbol(place)
        else:
            assert isinstance(place, int)
            there = sp.Integer(place)
        data = data * atoms.symbol(Ind(sp.Eq(there, atoms.symbol(Value(axis)))))
        axes.add(axis)
    return Monomial(m.number, data, m.basis.xreplace(replaced), frozenset(axes), m.mixed, m.span)


def _free(ix: Ix, name: str, position: int, names: dict[object, str], atoms: Atoms) -> Ix:
    if isinstance(ix, str):
        return ix
    # the same gather by the same observed index is one axis; fixed places are one per parameter
    extent = atoms.param_dims[name][position]
    key: object = (str(extent), ix) if isinstance(ix, Elem) else (f"{name}.{position}", ix)
    if key not in names:
        names[key] = atoms.fresh(extent)
    return names[key]
