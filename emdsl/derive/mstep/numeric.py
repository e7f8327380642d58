"""What no closed form solves: Newton's method on the smallest problem left.

The parameters that no rule solves and that share a term are one block. Parameters that a scalar
rule solves given the block are put into its Q by their formula (profiled), where that has only
statistics in it, and join it otherwise. The gradient and the Hessian of what is left are derived
entry by entry (`calculus`); axes along which the Hessian is a diagonal of blocks are a batch of
problems of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sympy as sp

from emdsl.derive.atoms import Elem, Ind, Ix, LogSumExp, Value
from emdsl.derive.differences import level, of_logs, paired
from emdsl.derive.live import Live, params_in
from emdsl.derive.mstep.block import Entries, Update
from emdsl.derive.mstep.calculus import Summand, slope
from emdsl.derive.mstep.concave import curves_down, is_concave
from emdsl.derive.mstep.record import record
from emdsl.derive.mstep.restricted import Restriction
from emdsl.derive.mstep.share import Formula, Numeric, RowPart, Share, Why
from emdsl.derive.mstep.ties import once, tied, ties
from emdsl.derive.smooth import AbsPower, smooth
from emdsl.derive.statistics import Derived, Term
from emdsl.derive.table import Atoms
from emdsl.model.graph import Param

if TYPE_CHECKING:
    from emdsl.derive.mstep.absolute import Beside

KINDS = ("real", "positive", "unit", "simplex", "ordered")  # those with unconstrained coordinates


def groups_of(
    unsolved: Iterable[str], derived: Derived, links: Iterable[frozenset[str]] = ()
) -> list[tuple[str, ...]]:
    """Parameters that share a term of Q, or an equation, directly or by way of others."""
    left = list(unsolved)
    atoms = derived.joint.atoms
    together = [_params(t, atoms) for t in derived.shares]
    together += links
    out: list[tuple[str, ...]] = []
    while left:
        group = {left[0]}
        grown = True
        while grown:
            more = group.union(*(t & set(left) for t in together if t & group))
            grown = more != group
            group = more
        out.append(tuple(n for n in left if n in group))
        left = [n for n in left if n not in group]
    return out


def without_corners(group: tuple[str, ...], derived: Derived) -> tuple[str, ...]:
    """The part of a group to be solved first, where powers of absolute values are in its Q.

    What is inside them is a block of its own: at a corner of Q no step that moves it is upward,
    and the other parameters would be stuck with it.
    """
    atoms = derived.joint.atoms
    inside: frozenset[str] = frozenset()
    for part in share_of(group, derived, ()):
        for power in part.summand.expr.atoms(AbsPower):
            inside |= params_in(power.args[0], atoms)
    first = tuple(n for n in group if n in inside)
    return first or group


def takes(param: Param, rules: Restriction | None) -> bool:
    """Whether these constraints have a form in these coordinates: ties of shares have none."""
    return rules is None or not (rules.tied and param.type.kind in ("simplex", "ordered"))


def mentions(term: Term, name: str, atoms: Atoms) -> bool:
    """Whether a parameter is in a term of Q."""
    return name in _params(term, atoms)


def _params(term: Term, atoms: Atoms) -> frozenset[str]:
    found = params_in(term.basis, atoms)
    return found | set(term.statistic.feature.params) if term.statistic else found


def share_of(group: tuple[str, ...], derived: Derived, profiled: tuple[Update, ...]) -> list[Part]:
    """The summands of Q with the group's parameters, those profiled put in by their formula."""
    atoms = derived.joint.atoms
    wanted = {*group, *(u.param for u in profiled)}
    out: list[Part] = []
    live = dict(zip(derived.live_terms, derived.live, strict=True))
    for term in derived.shares:
        if not _params(term, atoms) & wanted:
            continue
        x = live.get(term)
        if x is None:
            expr = smooth(term.weight(atoms) * term.basis, atoms)
            out.append(Part(Summand(expr, term.axes), None, term))
        else:
            out.append(Part(Summand(x.weighted(atoms), x.axes), x, term))
    for update in profiled:
        out = [_put_in(q, update, atoms) for q in out]
    return out


@dataclass(frozen=True)
class Part:
    """One summand of the block's Q, and the live term it comes from if it is over rows."""

    summand: Summand
    live: Live | None
    term: Term


def _put_in(q: Part, update: Update, atoms: Atoms) -> Part:
    """The summand with a parameter's formula in its place."""
    assert isinstance(update.form, Entries)
    new: dict[sp.Basic, sp.Basic] = {}
    for symbol in q.summand.expr.free_symbols:
        atom = atoms.atom(symbol)
        if isinstance(atom, Elem) and atom.role == "param" and atom.name == update.param:
            names: dict[str, Ix] = dict(zip(update.cell, atom.idx, strict=True))
            new[symbol] = atoms.rename(update.form.value, names)
    if not new:
        return q
    return replace(q, summand=Summand(q.summand.expr.xreplace(new), q.summand.axes))


def solve(
    group: tuple[str, ...],
    derived: Derived,
    profiled: tuple[Update, ...] = (),
    given: Numeric | None = None,
    corners: Beside | None = None,
) -> Update:
    """The numeric update of a group of parameters, with the formulas of those profiled put in.

    corners : takes the absolute values out of Q; without it they can't be there.

    Raises Untaken.
    """
    atoms, model = derived.joint.atoms, derived.joint.model
    params = [model.param(n) for n in group]
    shares = _with_differences(share_of(group, derived, profiled))
    shares, common = _without_common(shares, group, atoms)
    bent: list[Part] = []
    if corners is not None:
        shares, bent = corners.apart(shares)
    cells = [tuple(atoms.fresh(e) for e in p.shape) for p in params]
    twins = [tuple(atoms.fresh(e) for e in p.shape) for p in params]
    gradients = _first(shares, params, cells, atoms)
    hessians = [_first(gradient, params, twins, atoms) for gradient in gradients]
    whole = [int(p.type.kind in ("simplex", "ordered")) for p in params]
    coupled = hessians
    if corners is not None:
        bends = _second(corners.squares(bent), params, cells, twins, atoms)
        coupled = [
            [one + two for one, two in zip(row, more, strict=True)]
            for row, more in zip(hessians, bends, strict=True)
        ]
    batch = batch_of(cells, twins, coupled, whole, atoms)
    # the batch axes have one name each: the first parameter's
    names = tuple(cells[0][i] for i in batch[0])
    aligned: dict[str, Ix] = {}
    for cell, twin, own in zip(cells, twins, batch, strict=True):
        for name, i in zip(names, own, strict=True):
            aligned[cell[i]] = name
            aligned[twin[i]] = name
    order = tuple(
        (*b, *(i for i in range(len(c)) if i not in b)) for c, b in zip(cells, batch, strict=True)
    )
    own_cells = tuple(own_axes(c, b) for c, b in zip(cells, batch, strict=True))
    own_twins = tuple(own_axes(c, b) for c, b in zip(twins, batch, strict=True))
    pairs = [(i, j) for i in range(len(params)) for j in range(i, len(params))]
    together = tuple(
        tied(own_cells[i], own_twins[j], (q.summand.expr for q in hessians[i][j]), atoms)
        for i, j in pairs
    )
    at_ties: list[dict[str, Ix]] = [
        {**aligned, **{own_twins[j][b]: own_cells[i][a] for a, b in axes}}
        for (i, j), axes in zip(pairs, together, strict=True)
    ]
    form = Numeric(
        group,
        names,
        own_cells,
        own_twins,
        order,
        collected([placed(q, group, batch, names, atoms) for q in shares], atoms),
        tuple(collected([at_batch(q, aligned, atoms) for q in g], atoms) for g in gradients),
        tuple(
            tuple(collected([at_batch(q, aligned, atoms) for q in h], atoms) for h in row)
            for row in hessians
        ),
        together,
        tuple(
            collected([at_batch(q, names, atoms) for q in hessians[i][j]], atoms)
            for (i, j), names in zip(pairs, at_ties, strict=True)
        ),
        is_concave((q.summand.expr for q in shares), frozenset(group), atoms)
        or (len(group) == 1 and curves_down((q.summand.expr for q in hessians[0][0]), atoms)),
        tuple(u.param for u in profiled),
        given,
        tuple(
            _shift(n, places[len(names) :], shares, atoms)
            for n, places in zip(group, order, strict=True)
        ),
        Why(*in_the_way(group, derived), tuple(map(_formula, profiled)), common),
        corners.deviations(bent, cells, twins, batch) if corners is not None else (),
        collected([placed(q, group, batch, names, atoms) for q in bent], atoms) if bent else None,
    )  # fmt: skip
    needs = _needs(form, atoms) - set(group)
    lines = record(form, derived)
    return Update(group[0], "numeric", cells[0], form, needs, lines, None, group[1:])


def _with_differences(shares: list[Part]) -> list[Part]:
    """With differences of logs of parameters joined, so that their derivatives keep digits too."""
    still = [i for i, q in enumerate(shares) if q.live is None]
    out: dict[int, Part] = dict(enumerate(shares))
    pairs = paired(
        [shares[i].summand.expr for i in still],
        of_logs,
        [shares[i].summand.axes for i in still],
    )
    for one, other, value in pairs:
        first, second = still[one], still[other]
        del out[second]
        out[first] = replace(shares[first], summand=Summand(value, shares[first].summand.axes))
    return list(out.values())


def _first(
    parts: list[Part], params: list[Param], cells: list[tuple[str, ...]], atoms: Atoms
) -> list[list[Part]]:
    """The derivatives of Q by the entries of each parameter."""
    return [
        [replace(q, summand=d) for q in parts for d in slope(q.summand, p.name, cell, atoms)]
        for p, cell in zip(params, cells, strict=True)
    ]


def _second(
    parts: list[Part],
    params: list[Param],
    cells: list[tuple[str, ...]],
    twins: list[tuple[str, ...]],
    atoms: Atoms,
) -> list[list[list[Part]]]:
    """The second derivatives, the first by cells, the other by twins."""
    return [
        _first(gradient, params, twins, atoms) for gradient in _first(parts, params, cells, atoms)
    ]


def _formula(update: Update) -> Formula:
    assert isinstance(update.form, Entries)
    return Formula(update.param, update.cell, update.form.value)


def own_axes(cell: tuple[str, ...], batch: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(a for i, a in enumerate(cell) if i not in batch)


def _needs(form: Numeric, atoms: Atoms) -> frozenset[str]:
    shares = (form.value, *form.gradient, *(s for row in form.hessian for s in row))
    found: frozenset[str] = frozenset()
    for share in shares:
        found |= params_in(share.static, atoms)
        for part in share.rows:
            found |= params_in(part.expr, atoms)
    for d in form.corners:
        for expr in (d.weight, d.target, *d.design):
            found |= params_in(expr, atoms)
    return found


# --- what all summands have in common ---------------------------------------------------------


def _without_common(
    shares: list[Part], group: tuple[str, ...], atoms: Atoms
) -> tuple[list[Part], sp.Expr]:
    """Cancel positive factors of other parameters, without axes, that all summands share."""
    shared: dict[sp.Expr, sp.Expr] | None = None
    for q in shares:
        powers = {
            base: power
            for base, power in (f.as_base_exp() for f in sp.Mul.make_args(q.summand.expr))
            if (base**power).is_positive
            and atoms.has_param(base)
            and not params_in(base, atoms) & set(group)
            and not atoms.axes_of(base)
        }
        shared = (
            powers if shared is None else {b: e for b, e in shared.items() if powers.get(b) == e}
        )
    common = sp.Mul(*(b**e for b, e in (shared or {}).items()))
    if common == 1:
        return shares, common
    return [
        replace(q, summand=Summand(q.summand.expr / common, q.summand.axes)) for q in shares
    ], common


# --- batches ------------------------------------------------------------------------------------


def batch_of(
    cells: list[tuple[str, ...]],
    twins: list[tuple[str, ...]],
    hessians: list[list[list[Part]]],
    events: list[int],
    atoms: Atoms,
) -> list[tuple[int, ...]]:
    """For each parameter, the positions along which the Hessian has blocks of its own."""

    def diagonal(i: int, a: int, j: int, b: int) -> bool:
        """Whether the second derivative by parameters i and j is zero where the axes differ."""
        one, other = cells[i][a], twins[j][b]
        return all(ties(q.summand.expr, one, other, atoms) for q in hessians[i][j])

    count = len(cells)
    first = [a for a in range(len(cells[0])) if diagonal(0, a, 0, a)]
    found: list[list[int]] = [[] for _ in range(count)]
    for a in first:
        places = [a]
        for j in range(1, count):
            extent = atoms.axes[cells[0][a]].extent
            match = next(
                (
                    b
                    for b in range(len(cells[j]))
                    if b not in found[j]
                    and atoms.axes[cells[j][b]].extent == extent
                    and diagonal(j, b, j, b)
                    and all(
                        diagonal(i, places[i], j, b) and diagonal(j, b, i, places[i])
                        for i in range(j)
                    )
                ),
                None,
            )
            if match is None:
                break
            places.append(match)
        if len(places) == count and all(
            p < len(cells[i]) - events[i] or events[i] == 0 for i, p in enumerate(places)
        ):
            for i, p in enumerate(places):
                found[i].append(p)
    return [tuple(f) for f in found]


def placed(
    q: Part,
    group: tuple[str, ...],
    batch: list[tuple[int, ...]],
    names: tuple[str, ...],
    atoms: Atoms,
) -> Part:
    """A summand of Q's value for each problem of the batch: its axis there isn't summed over."""
    expr, axes = q.summand.expr, q.summand.axes
    for atom in sorted(atoms.deep(expr), key=atoms.text):
        if not (isinstance(atom, Elem) and atom.role == "param" and atom.name in group):
            continue
        own = batch[group.index(atom.name)]
        for name, i in zip(names, own, strict=True):
            ix = atom.idx[i]
            if isinstance(ix, str) and ix in axes:
                expr, axes = atoms.rename(expr, {ix: name}), axes - {ix}
            elif not isinstance(ix, str):
                there = atoms.symbol(ix) if isinstance(ix, Elem) else sp.Integer(ix)
                condition = atoms.symbol(Ind(sp.Eq(there, atoms.symbol(Value(name)))))
                if not expr.has(condition):
                    expr = expr * condition
        if names:
            break
    return replace(q, summand=Summand(expr, axes))


def at_batch(q: Part, names: dict[str, Ix], atoms: Atoms) -> Part:
    """With one name for axes that are the same: [c = c] is 1."""
    expr = q.summand.expr
    for factor in sp.Mul.make_args(expr):
        atom = atoms.atom(factor) if isinstance(factor, sp.Symbol) else None
        if isinstance(atom, Ind) and isinstance(atom.condition, sp.Eq):
            axes = [
                a.axis if isinstance(a, Value) else None
                for a in (
                    atoms.atom(side) if isinstance(side, sp.Symbol) else None
                    for side in atom.condition.args
                )
            ]
            ends = [names.get(a, a) if a is not None else None for a in axes]
            if ends[0] is not None and ends[0] == ends[1]:
                expr = expr / factor
    return replace(q, summand=Summand(once(atoms.rename(expr, names), atoms), q.summand.axes))


def _shift(name: str, own: tuple[int, ...], shares: list[Part], atoms: Atoms) -> int | None:
    """The own axis that softmaxes normalise over: one number added along it drops out of Q.

    Only what is linear in the parameter may stand beside them (the runtime looks again).
    """
    symbols = {x for q in shares for x in q.summand.expr.free_symbols}
    if not any(isinstance(atoms.atom(x), LogSumExp) for x in symbols):
        return None
    found: set[int] = set()
    for q in shares:
        for symbol in q.summand.expr.free_symbols:
            atom = atoms.atom(symbol)
            if isinstance(atom, LogSumExp):
                inside = [
                    a
                    for a in atoms.deep(atom.body)
                    if isinstance(a, Elem) and a.role == "param" and a.name == name
                ]
                places = {i for a in inside for i, ix in enumerate(a.idx) if ix in atom.axes}
                if inside and len(places) != 1:
                    return None
                found |= places
            elif name in params_in(symbol, atoms) and sp.diff(q.summand.expr, symbol, 2) != 0:
                return None
    if len(found) != 1 or not found <= set(own):
        return None
    return own.index(found.pop())


# --- the result ---------------------------------------------------------------------------------


def collected(summands: list[Part], atoms: Atoms) -> Share:
    static: sp.Expr = sp.Integer(0)
    rows: list[RowPart] = []
    for q in summands:
        expr = _one_exp(q.summand.expr, atoms)
        if expr == 0:
            continue
        if q.live is None:
            static += atoms.sum(tuple(sorted(q.summand.axes)), level(expr))
        else:
            axes = q.summand.axes - {q.live.plate}
            rows.append(RowPart(q.live.plate, q.live.scope, expr, axes))
    return Share(static, tuple(rows))


def _one_exp(expr: sp.Expr, atoms: Atoms) -> sp.Expr:
    """A product with one exponential for several, which might overflow each by itself.

    Those over unlike axes stay apart: softmaxes p[c] p[d] are an outer product.
    """
    kept: list[sp.Expr] = []
    others: list[sp.Expr] = []
    for factor in sp.Mul.make_args(expr):
        if not isinstance(factor, sp.exp):
            # a search through the whole factor: only where there is something to be found
            powers = any(map(_open_power, sp.preorder_traversal(factor)))
            others.append(sp.powsimp(factor, combine="exp", deep=True) if powers else factor)
            continue
        axes = atoms.axes_of(factor)
        for i, old in enumerate(kept):
            if atoms.axes_of(old) <= axes or axes <= atoms.axes_of(old):
                kept[i] = sp.powsimp(old * factor, combine="exp")
                break
        else:
            kept.append(factor)
    return sp.Mul(*others, *kept)


def _open_power(expr: sp.Basic) -> bool:
    """An exponential, or a power that SymPy doesn't add to others of the same base by itself."""
    return isinstance(expr, sp.exp) or (isinstance(expr, sp.Pow) and not expr.exp.is_number)


def in_the_way(group: tuple[str, ...], derived: Derived) -> tuple[tuple[sp.Expr, ...], bool]:
    """The terms of Q in the way of a closed form; whether they mix data and parameters."""
    atoms = derived.joint.atoms
    live = dict(zip(derived.live_terms, derived.live, strict=True))
    terms = [t for t in derived.shares if _params(t, atoms) & set(group)]
    mixed: dict[sp.Expr, None] = {}
    plain: dict[sp.Expr, None] = {}
    for term in terms:
        x = live.get(term)
        if x is not None and set(x.params) & set(group):
            mixed[x.moving * x.basis] = None
        elif params_in(term.basis, atoms) & set(group):
            plain[smooth(term.basis, atoms)] = None
    return tuple(mixed or plain), bool(mixed)
