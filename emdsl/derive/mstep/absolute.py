"""Absolute deviations: Q is a sum of -c |b - a . theta|, whose corners Newton's method can't pass.

Such a Q is concave and piecewise linear in the block, so it is highest where as many deviations as
there are unknowns are zero:

    one unknown    a weighted median of b / a with weights c |a|  (Koenker 2005, section 1.3)
    several        a weighted least absolute deviations regression, which is a linear program
                   (Bloomfield and Steiger 1983; Koenker 2005, chapter 6)

Terms linear in the block are allowed too: they tilt the median to another quantile. So are squares,
as of a normal prior. Where each deviation is of one entry alone (the lasso's) one entry after the
other is put where Q is highest, which ends at the maximum (Tseng 2001); else it is a quadratic
program, in which some deviations are zero and the rest is a system of equations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import sympy as sp

from emdsl.derive.atoms import Elem, SumOf
from emdsl.derive.display import tidy_axes, without_pivots
from emdsl.derive.live import params_in
from emdsl.derive.mstep.block import Update
from emdsl.derive.mstep.calculus import Summand, Untaken, slope
from emdsl.derive.mstep.numeric import (
    Part,
    at_batch,
    batch_of,
    own_axes,
    placed,
    share_of,
)
from emdsl.derive.mstep.record import entry
from emdsl.derive.mstep.share import Absolute, Deviation
from emdsl.derive.statistics import Derived
from emdsl.derive.table import Atoms

_IN_ORDER = (
    "entries that come out of order share the value that is best for them together: neighbours are"
    " pooled until all are in order, which is the maximum among ordered ones (Best, Chakravarti and"
    " Ubhaya 2000)"
)


def updates_among(group: tuple[str, ...], derived: Derived) -> list[Update]:
    """The updates by this rule of parameters in a group: of all together, or of as many as it can.

    Others of the group are held at their values (conditional maximisation).
    """
    inside = _deviating(group, derived)
    if not inside:
        return []
    for some in dict.fromkeys((group, inside)):
        update = solve(some, derived)
        if update is not None:
            return [update]
    alone = (solve((name,), derived) for name in inside)
    return [u for u in alone if u is not None]


def solve(group: tuple[str, ...], derived: Derived) -> Update | None:
    """The update of parameters in whose absolute deviations Q is; None where it isn't."""
    atoms, model = derived.joint.atoms, derived.joint.model
    params = [model.param(n) for n in group]
    kinds = {p.type.kind for p in params}
    whole = kinds != {"real"}  # what is positive or in order: each entry has to be a problem
    if whole and not (len(params) == 1 and kinds <= {"positive", "ordered"}):
        return None
    names = frozenset(group)
    shares = [_sorted(part, names, atoms) for part in share_of(group, derived, ())]
    found = [s for s in shares if s is not None]
    if len(found) < len(shares) or not any(s.inner is not None for s in found):
        return None
    cells = [tuple(atoms.fresh(e) for e in p.shape) for p in params]
    twins = [tuple(atoms.fresh(e) for e in p.shape) for p in params]
    try:
        squares = [_slopes([s.squared() for s in found], name, cell, atoms)
                   for name, cell in zip(group, cells, strict=True)]  # fmt: skip
        curves = [[_slopes(g, name, twin, atoms) for name, twin in zip(group, twins, strict=True)]
                  for g in squares]  # fmt: skip
    except Untaken:
        return None
    batch = batch_of(cells, twins, curves, [0] * len(group), atoms)
    if whole and len(batch[0]) < len(cells[0]):
        return None
    axes = tuple(cells[0][i] for i in batch[0])
    aligned = {t: c for cell, twin in zip(cells, twins, strict=True)
               for c, t in zip(cell, twin, strict=True)}  # fmt: skip
    for twin, own in zip(twins, batch, strict=True):
        aligned.update({twin[i]: axis for axis, i in zip(axes, own, strict=True)})
    frame = _Frame(group, tuple(twins), batch, axes, aligned, atoms)
    found = [replace(s, part=frame.placed(s.part)) for s in found]
    found, common = _without_common(found, frame)
    thirds = [tuple(atoms.fresh(e) for e in p.shape) for p in params]
    curve: list[list[sp.Expr]] = []
    if any(s.degree > 1 for s in found):
        curve = [[sp.Integer(0)] * len(group) for _ in group]
    deviations: list[Deviation] = []
    tilt: list[sp.Expr] = [sp.Integer(0)] * len(group)
    for share in found:
        again = _sorted(share.part, names, atoms)
        assert again is not None
        if again.degree > 1:
            more = frame.curves(again.part, thirds)
            curve = [[a + b for a, b in zip(one, two, strict=True)]
                     for one, two in zip(curve, more, strict=True)]  # fmt: skip
        elif again.inner is None:
            tilt = [t + d for t, d in zip(tilt, frame.slopes(again.part), strict=True)]
        else:
            deviations.append(frame.deviation(again))
    form = Absolute(
        group,
        frame.names,
        tuple(own_axes(c, b) for c, b in zip(cells, batch, strict=True)),
        tuple((*b, *(i for i in range(len(c)) if i not in b))
              for c, b in zip(cells, batch, strict=True)),
        tuple(deviations),
        tuple(tilt),
        tuple(own_axes(c, b) for c, b in zip(thirds, batch, strict=True)),
        tuple(map(tuple, curve)),
        not curve or _is_apart(found, cells, batch, atoms),
    )  # fmt: skip
    needs = _needs(form, atoms) - names
    if not names.isdisjoint(_needs(form, atoms)):
        return None
    return Update(
        group[0],
        _rule(form),
        cells[0],
        form,
        needs,
        (*_record(form, common, atoms), *([_IN_ORDER] if "ordered" in kinds else [])),
        None,
        group[1:],
    )


@dataclass(frozen=True)
class Beside:
    """Absolute values beside terms that Newton's method has derivatives of."""

    group: tuple[str, ...]
    atoms: Atoms

    def apart(self, parts: list[Part]) -> tuple[list[Part], list[Part]]:
        """The terms with derivatives, and the absolute values."""
        bent = [p for p in parts if _inner(p, self.group, self.atoms) is not None]
        return [p for p in parts if p not in bent], bent

    def squares(self, bent: list[Part]) -> list[Part]:
        """Their squares, which tie the same entries to each other."""
        found = (_sorted(p, frozenset(self.group), self.atoms) for p in bent)
        return [s.squared() for s in found if s is not None]

    def deviations(
        self,
        bent: list[Part],
        cells: list[tuple[str, ...]],
        twins: list[tuple[str, ...]],
        batch: list[tuple[int, ...]],
    ) -> tuple[Deviation, ...]:
        """The absolute values as weights, targets and designs."""
        axes = tuple(cells[0][i] for i in batch[0])
        aligned = {t: c for cell, twin in zip(cells, twins, strict=True)
                   for c, t in zip(cell, twin, strict=True)}  # fmt: skip
        for cell, twin, own in zip(cells, twins, batch, strict=True):
            aligned.update({twin[i]: axis for axis, i in zip(axes, own, strict=True)})
            aligned.update({cell[i]: axis for axis, i in zip(axes, own, strict=True)})
        frame = _Frame(self.group, tuple(twins), batch, axes, aligned, self.atoms)
        out = []
        for part in bent:
            share = _sorted(frame.placed(part), frozenset(self.group), self.atoms)
            assert share is not None
            out.append(frame.deviation(share))
        return tuple(out)


def beside(group: tuple[str, ...], derived: Derived) -> tuple[tuple[str, ...], Beside | None]:
    """What is solved by Newton's method beside absolute values, and how these are told apart.

    That is the whole group, or what is inside them with the others held; None where nothing is.
    """
    atoms, model = derived.joint.atoms, derived.joint.model
    inside = _deviating(group, derived)
    if not inside or any(model.param(n).type.kind != "real" for n in inside):
        return group, None
    for some in dict.fromkeys((group, inside)):
        parts = [p for p in share_of(some, derived, ()) if p.summand.expr.has(sp.Abs)]
        if all(_inner(p, some, atoms) is not None for p in parts):
            return some, Beside(some, atoms)
    return group, None


def _inner(part: Part, group: tuple[str, ...], atoms: Atoms) -> sp.Expr | None:
    """What is affine in the group inside a term's absolute value; None of other terms."""
    found = _sorted(part, frozenset(group), atoms) if part.summand.expr.has(sp.Abs) else None
    return None if found is None else found.inner


def _rule(form: Absolute) -> str:
    if form.curve:
        return "absolute deviations and squares"
    return "weighted median" if form.is_median else "least absolute deviations"


def obstacle(name: str, derived: Derived) -> str | None:
    """Why this rule doesn't apply to a parameter inside an absolute value, for people."""
    atoms, param = derived.joint.atoms, derived.joint.model.param(name)
    if not _deviating((name,), derived):
        return None
    if param.type.kind not in ("real", "positive", "ordered"):
        return f"`{name}` is {param.type}, and they are for real parameters"
    for part in share_of((name,), derived, ()):
        shown = tidy_axes([str(without_pivots(part.summand.expr, atoms))], atoms)[0]
        found = _sorted(part, frozenset({name}), atoms)
        if found is None:
            return (
                f"`{shown}` is neither an absolute value of what is linear in `{name}`, its factor "
                f"nonpositive, nor linear or quadratic in `{name}` itself"
            )
    return f"`{name}` is {param.type}, and no entry of it is alone in them"


def _deviating(group: tuple[str, ...], derived: Derived) -> tuple[str, ...]:
    """Those of the group inside an absolute value."""
    atoms = derived.joint.atoms
    found: frozenset[str] = frozenset()
    for part in share_of(group, derived, ()):
        for inner in part.summand.expr.atoms(sp.Abs):
            found |= params_in(inner, atoms)
    return tuple(n for n in group if n in found)


# --- the shape ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Sorted:
    """A summand of Q: outer x |inner|, the outer factor free of the block; or of degree 1 or 2."""

    part: Part
    outer: sp.Expr
    inner: sp.Expr | None
    degree: int = 1

    def squared(self) -> Part:
        """The summand with the square in place of the absolute value: with the same zeros."""
        if self.inner is None:
            return self.part
        axes = self.part.summand.axes
        return replace(self.part, summand=Summand(self.outer * self.inner**2, axes))


def _sorted(part: Part, names: frozenset[str], atoms: Atoms) -> _Sorted | None:
    """A summand by its shape; None where it is neither nonpositive x |affine| nor linear."""
    outer: list[sp.Expr] = []
    own: list[sp.Expr] = []
    for factor in sp.Mul.make_args(part.summand.expr):
        (own if params_in(factor, atoms) & names else outer).append(factor)
    factor, rest = sp.Mul(*own), sp.Mul(*outer)
    if not isinstance(factor, sp.Abs):
        if part.live is not None or factor.has(sp.Abs):
            return None
        if _is_affine(factor, names, atoms):
            return _Sorted(part, rest, None)
        slopes = [sp.diff(factor, s) for s in factor.free_symbols if params_in(s, atoms) & names]
        plain = all(isinstance(atoms.atom(s), Elem) for s in factor.free_symbols)
        quadratic = plain and all(_is_affine(d, names, atoms) for d in slopes)
        return _Sorted(part, rest, None, 2) if quadratic else None
    inner = factor.args[0]
    if not rest.is_nonpositive or not _is_affine(inner, names, atoms):
        return None
    return _Sorted(part, rest, inner)


def _is_affine(expr: sp.Expr, names: frozenset[str], atoms: Atoms) -> bool:
    """Whether the second derivatives by the entries of these parameters are zero."""
    for symbol in expr.free_symbols:
        if not params_in(symbol, atoms) & names:
            continue
        if params_in(sp.diff(expr, symbol), atoms) & names:
            return False
        match atoms.atom(symbol):
            case Elem():
                pass
            case SumOf(body=body):
                if not _is_affine(body, names, atoms):
                    return False
            case _:
                return False
    return True


def _is_apart(
    found: list[_Sorted], cells: list[tuple[str, ...]], batch: list[tuple[int, ...]], atoms: Atoms
) -> bool:
    """Whether there is one unknown, or every deviation is of one entry."""
    if len(cells) == 1 and len(batch[0]) == len(cells[0]):
        return True
    for s in found:
        if s.inner is None:
            continue
        within = [atoms.atom(x) for x in s.inner.free_symbols if params_in(x, atoms)]
        if s.part.live is not None or len(within) != 1 or not isinstance(within[0], Elem):
            return False
    return True


def _slopes(parts: list[Part], name: str, cell: tuple[str, ...], atoms: Atoms) -> list[Part]:
    return [replace(p, summand=d) for p in parts for d in slope(p.summand, name, cell, atoms)]


# --- the problem --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Frame:
    """The axes of the block's problems: one for each place of the batch axes `names`."""

    group: tuple[str, ...]
    twins: tuple[tuple[str, ...], ...]
    batch: list[tuple[int, ...]]
    names: tuple[str, ...]
    aligned: dict[str, str]
    atoms: Atoms

    def placed(self, part: Part) -> Part:
        """The summand for each problem of its own."""
        return placed(part, self.group, self.batch, self.names, self.atoms)

    def slopes(self, part: Part) -> list[sp.Expr]:
        """The derivatives of a summand by each parameter, summed over the summand's axes."""
        out = []
        for name, cell in zip(self.group, self.twins, strict=True):
            total: sp.Expr = sp.Integer(0)
            for d in _slopes([part], name, cell, self.atoms):
                here = at_batch(d, dict(self.aligned), self.atoms).summand
                total += self.atoms.sum(tuple(sorted(here.axes)), here.expr)
            out.append(total)
        return out

    def curves(self, part: Part, thirds: list[tuple[str, ...]]) -> list[list[sp.Expr]]:
        """The second derivatives of a summand, summed over its axes, by the second's own axes."""
        names = dict(self.aligned)
        for third, own in zip(thirds, self.batch, strict=True):
            names.update({third[i]: axis for axis, i in zip(self.names, own, strict=True)})
        out = []
        for name, twin in zip(self.group, self.twins, strict=True):
            first = [at_batch(d, dict(names), self.atoms)
                     for d in _slopes([part], name, twin, self.atoms)]  # fmt: skip
            row = []
            for other, third in zip(self.group, thirds, strict=True):
                total: sp.Expr = sp.Integer(0)
                for d in _slopes(first, other, third, self.atoms):
                    here = at_batch(d, dict(names), self.atoms).summand
                    total += self.atoms.sum(tuple(sorted(here.axes)), here.expr)
                row.append(total)
            out.append(row)
        return out

    def deviation(self, share: _Sorted) -> Deviation:
        """-outer |inner| as a weight, a target and a design."""
        assert share.inner is not None
        atoms, part = self.atoms, share.part
        alone = replace(part, summand=Summand(share.inner, frozenset()))
        plate = part.live.plate if part.live is not None else ""
        target = _at_zero(share.inner, frozenset(self.group), atoms)
        design = [-d for d in self.slopes(alone)]
        if design[0].could_extract_minus_sign():  # |-b| is |b|
            target, design = -target, [-d for d in design]
        return Deviation(
            plate,
            part.live.scope if part.live is not None else (),
            -share.outer,
            target,
            tuple(design),
            tuple(sorted(part.summand.axes - {plate})),
        )


def _at_zero(expr: sp.Expr, names: frozenset[str], atoms: Atoms) -> sp.Expr:
    """An affine expression where all these parameters are zero."""
    new: dict[sp.Basic, sp.Basic] = {}
    for symbol in expr.free_symbols:
        if not params_in(symbol, atoms) & names:
            continue
        atom = atoms.atom(symbol)
        new[symbol] = (
            atoms.sum(atom.axes, _at_zero(atom.body, names, atoms))
            if isinstance(atom, SumOf)
            else sp.Integer(0)
        )
    return expr.xreplace(new)


def _without_common(found: list[_Sorted], frame: _Frame) -> tuple[list[_Sorted], sp.Expr]:
    """Cancel positive factors that all summands of a problem share, as a scale is."""
    shared: dict[sp.Expr, sp.Expr] | None = None
    for s in found:
        powers = {
            base: power
            for base, power in (f.as_base_exp() for f in sp.Mul.make_args(s.part.summand.expr))
            if (base**power).is_positive
            and params_in(base, frame.atoms) - set(frame.group)
            and frame.atoms.axes_of(base) <= set(frame.names)
        }
        shared = (
            powers if shared is None else {b: e for b, e in shared.items() if powers.get(b) == e}
        )
    common = sp.Mul(*(b**e for b, e in (shared or {}).items()))
    if common == 1:
        return found, common
    return [
        replace(
            s, part=replace(s.part, summand=Summand(s.part.summand.expr / common,
                                                    s.part.summand.axes))
        )
        for s in found
    ], common  # fmt: skip


def _needs(form: Absolute, atoms: Atoms) -> frozenset[str]:
    exprs = [*form.slope, *(e for row in form.curve for e in row)]
    for d in form.deviations:
        exprs += [d.weight, d.target, *d.design]
    return frozenset().union(*(params_in(e, atoms) for e in exprs))


# --- the record ---------------------------------------------------------------------------------


def _record(form: Absolute, common: sp.Expr, atoms: Atoms) -> tuple[str, ...]:
    lines = []
    if common != 1:
        lines.append(f"the positive factor {common} is common to all terms and cancels")
    entries = [entry(form, i, c) for i, c in enumerate(form.cells)]
    lines.append("Q = " + " - ".join(["", *(_text(d, form, entries, atoms)
                                            for d in form.deviations)]).strip())  # fmt: skip
    tilts = [(e, t) for e, t in zip(entries, form.slope, strict=True) if t != 0]
    lines[-1] += "".join(f" + ({without_pivots(t, atoms)}) {e}" for e, t in tilts)
    tilted = bool(tilts)
    if form.curve:
        lines[-1] += " + the squares"
        how = "one entry after the other is put where it is highest (Tseng 2001)"
        if form.is_median:
            how = "highest at one of them, or between two where the slope is zero"
        elif not form.apart:
            how = (
                "a quadratic program; deviations that are zero are held there while what is left "
                "is a linear system, and let go or joined by others until no way leads up"
            )
        return (*lines, f"concave, with corners at which it has no derivative: {how}")
    lines.append(
        "concave and piecewise linear: no derivative at its corners, one of which is highest"
    )
    if form.is_median:
        what = "quantile that the linear term asks for" if tilted else "median"
        lines.append(
            f"so {entries[0]} is the weighted {what} (Koenker 2005, section 1.3); between two that "
            "are as good, their midpoint"
        )
    else:
        lines.append(
            "so as many deviations as there are unknowns are zero: exchanged one by one for the "
            "steepest rise of Q (Bloomfield and Steiger 1983, chapter 2)"
        )
    return tuple(lines)


def _text(d: Deviation, form: Absolute, entries: list[str], atoms: Atoms) -> str:
    over = ", ".join((*([d.plate] if d.plate else []), *d.sums))
    target = str(without_pivots(d.target, atoms))
    parts = []
    for shown_entry, own, a in zip(entries, form.cells, d.design, strict=True):
        shown = str(without_pivots(a, atoms))
        product = (
            shown_entry
            if a == 1
            else f"({shown}) {shown_entry}"
            if a.is_Add
            else f"{shown} {shown_entry}"
        )
        parts.append(f"sum_{{{', '.join(own)}}} {product}" if own else product)
    inside = " - ".join([target, *parts])
    weight = without_pivots(d.weight, atoms)
    return f"{f'sum_{{{over}}} ' if over else ''}{weight} |{inside}|"
