"""The M-step: each parameter by the first rule that solves its block, in an order that is monotone.

A parameter whose update needs another's is solved after it, with its newest value, so that a block
solved in order is at its joint maximum. Where two need each other, each is maximised in turn with
the other held (conditional maximisation, Meng and Rubin 1993), which never lowers Q.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import sympy as sp

from emdsl.derive.atoms import Stat, Weight
from emdsl.derive.display import tidy_axes, without_pivots
from emdsl.derive.live import params_in
from emdsl.derive.mstep import (
    absolute,
    affine,
    affine_joint,
    logdet,
    matrix_quadratic,
    numeric,
    patterned,
    rotation,
    scalar,
    shape,
    simplex,
)
from emdsl.derive.mstep.block import Block, Collapse, Entries, Update, block_of, own_atom
from emdsl.derive.mstep.calculus import Untaken
from emdsl.derive.mstep.height import unbounded_in
from emdsl.derive.mstep.occurrences import entries_in
from emdsl.derive.mstep.one_way import one_way
from emdsl.derive.mstep.restricted import Restrictions, as_one, restrictions_of
from emdsl.derive.mstep.share import Numeric
from emdsl.derive.statistics import Derived
from emdsl.derive.table import Atoms
from emdsl.derive.words import words
from emdsl.diagnostics import CompileError, Diagnostic, Note
from emdsl.model.graph import Model, Param

RULES: tuple[Callable[[Block], Update | None], ...] = (
    simplex.solve,
    affine.solve,
    logdet.solve,
    matrix_quadratic.solve,
    patterned.solve,
    shape.solve,
    rotation.solve,
    scalar.solve,
)


@dataclass(frozen=True)
class MStep:
    """The updates in order; `cyclic` names those that use another's old value.

    `peaks` are parameters that Newton's method finds, or that are put into its Q by a formula, in
    which data can be infinitely likely: where, and the power of each that is a variance.
    """

    updates: tuple[Update, ...]
    cyclic: frozenset[str]
    peaks: Mapping[str, Collapse] = field(default_factory=dict)

    @property
    def exact(self) -> bool:
        """Whether one M-step ends at the maximum of Q, whatever the values that it starts from.

        A numeric block that leaves a factor out ends by the factor's old value.
        """
        forms = [u.form for u in self.updates if isinstance(u.form, Numeric)]
        given = [f.given for f in forms if f.given is not None]
        return not self.cyclic and all(f.why.common == 1 for f in (*forms, *given))


def m_step_of(derived: Derived) -> MStep:
    """Solve every parameter's block. Raises CompileError naming the term in the way of each."""
    model = derived.joint.model
    rules = restrictions_of(model, derived.joint.pivots)
    derived = as_one(derived, rules.leader)
    atoms = derived.joint.atoms
    updates: list[Update] = []
    problems: list[Diagnostic] = []
    unsolved: dict[str, Block] = {}
    mixed = {n for x in derived.live for n in x.params}
    for param in model.params:
        if param.name in rules.leader:
            continue
        restricted = rules.of.get(param.name)
        block = block_of(param, derived.shares, atoms, restricted)
        if not block.pieces and param.name not in mixed:
            problems.append(_unidentified(param))
            continue
        update = None if param.name in mixed else _by_rule(block)
        if update is not None:
            updates.append(_under(update, rules))
        elif param.type.kind in numeric.KINDS and numeric.takes(param, restricted):
            unsolved[param.name] = block
        else:
            problems.append(_unsolved(param, block))
    if problems:
        raise CompileError(model.source, tuple(problems))
    for group in rules.links:  # what is in one equation with such is solved with it
        for name in group - unsolved.keys() if group & unsolved.keys() else ():
            updates = [u for u in updates if u.param != name]
            unsolved[name] = block_of(model.param(name), derived.shares, atoms, rules.of[name])
    updates = _numerically(updates, unsolved, derived, rules)
    updates = _together(updates, derived, rules)
    problems = [_not_joint(group, model) for group in rules.links
                if not any(group <= set(u.solved) for u in updates)]  # fmt: skip
    if problems:
        raise CompileError(model.source, tuple(problems))
    return replace(_ordered(updates), peaks=_peaks(updates, derived))


def _peaks(updates: list[Update], derived: Derived) -> dict[str, Collapse]:
    model = derived.joint.model
    names: set[str] = set()
    for update in updates:
        if isinstance(update.form, Numeric):
            names |= {*update.solved, *update.form.profiled}
    free = [p.name for p in model.params
            if p.name in names and p.type.kind == "positive"]  # fmt: skip
    found = {n: unbounded_in(n, derived.joint) for n in free}
    return {n: edge for n, edge in found.items() if edge is not None}


def _under(update: Update, rules: Restrictions) -> Update:
    """The update with what is to hold of its parameters, and those that equal them."""
    solved = (update.param, *update.also)
    under = dict.fromkeys(t for n in solved if n in rules.of for t in rules.of[n].texts)
    copies = tuple(c for n in solved for c in rules.copies(n))
    return replace(update, copies=copies, under=tuple(under))


def _by_rule(block: Block) -> Update | None:
    for rule in RULES:
        update = rule(block)
        if update is not None:
            return update
    return None


def _numerically(
    updates: list[Update], unsolved: dict[str, Block], derived: Derived, rules: Restrictions
) -> list[Update]:
    """The updates with one for each group of parameters that no rule solves.

    A parameter with a scalar rule that needs the group's values while the group's Q depends on it
    is put into that Q by its formula, so that both are at their joint maximum; where its formula
    has sums over rows in it, it joins the group.
    """
    atoms, model = derived.joint.atoms, derived.joint.model
    left, problems = list(unsolved), []
    while left:
        (group, *_) = numeric.groups_of(left, derived, rules.links)
        corners = absolute.updates_among(group, derived)
        under = [n for u in corners for n in u.solved if n in rules.of and rules.of[n].linear]
        problems += [_under_constraints(model.param(n), rules.of[n].texts) for n in under]
        if corners:
            solved = {n for u in corners for n in (u.param, *u.also)}
            updates = [*updates, *(_under(u, rules) for u in corners)]
            left = [n for n in left if n not in solved]
            continue
        group = numeric.without_corners(group, derived)
        group, bent = absolute.beside(group, derived)
        left = [n for n in left if n not in group]
        under = [n for n in group if bent is not None and n in rules.of
                 and (rules.of[n].bounded or not rules.of[n].apart)]  # fmt: skip
        problems += [_beside_corners(model.param(n), rules.of[n].texts) for n in under]
        try:
            found = numeric.solve(group, derived, corners=bent)
            circular = [
                u for u in updates
                if u.rule == "scalar" and u.needs & set(group) and u.param in found.needs
                and bent is None
            ]  # fmt: skip
            plain = [u for u in circular if _profitable(u, group, derived)]
            joining = [u for u in circular if u not in plain]
            if joining:
                updates = [u for u in updates if u not in joining]
                names = {*group, *(u.param for u in joining)}
                left = [*(p.name for p in model.params if p.name in names), *left]
                continue
            if plain:
                assert isinstance(found.form, Numeric)
                found = numeric.solve(group, derived, tuple(plain), found.form)
            assert isinstance(found.form, Numeric)
            problems += one_way(found.form, model, frozenset(rules.of))
            updates = [*updates, _under(found, rules)]
        except Untaken as untaken:
            problems += [_no_slope(model.param(n), untaken.expr, atoms, derived) for n in group]
    if problems:
        raise CompileError(model.source, tuple(problems))
    return updates


def _profitable(update: Update, group: tuple[str, ...], derived: Derived) -> bool:
    """Whether a formula can be put into the group's Q: one value, of statistics alone."""
    atoms = derived.joint.atoms
    if not isinstance(update.form, Entries) or update.needs - set(group) or update.under:
        return False
    live = any(isinstance(a, Stat) and a.params for a in atoms.deep(update.form.value))
    rows = any(update.param in params_in(x.basis, atoms) for x in derived.live)
    return not live and not rows


def _no_slope(param: Param, expr: sp.Basic, atoms: Atoms, derived: Derived) -> Diagnostic:
    shown = _shown(expr, atoms)
    spans = dict.fromkeys(t.span for t in derived.shares if numeric.mentions(t, param.name, atoms))
    corner = absolute.obstacle(param.name, derived)
    if corner is not None:
        return Diagnostic(
            "no-closed-form",
            f"no update of `{param.name}` ({param.type}): its share of Q has absolute values with "
            "corners, at which Newton's method has no derivative; and weighted medians and least "
            f"absolute deviations don't apply, for {corner}",
            param.span,
            "drop what stands beside the absolute values (a prior may be of absolute values too), "
            "or fix it as a `const`",
            tuple(Note("its density is drawn here", s) for s in spans),
        )
    return Diagnostic(
        "no-closed-form",
        f"no update of `{param.name}` ({param.type}): no rule solves its share of Q, and the term "
        f"`{shown}` has no derivative that Newton's method could use",
        param.span,
        "fix it as a `const`, or draw from a distribution whose density is smooth in it",
        tuple(Note("its density is drawn here", s) for s in spans),
    )


def _shown(expr: sp.Basic, atoms: Atoms) -> str:
    """The term of Q itself: not its rows' weights, nor its sign or its numbers."""
    weights = {s: 1 for s in expr.free_symbols if isinstance(atoms.atom(s), Weight)}
    _, term = without_pivots(expr.xreplace(weights), atoms).as_coeff_Mul()
    return tidy_axes([words(term, atoms)], atoms)[0]


def _together(updates: list[Update], derived: Derived, rules: Restrictions) -> list[Update]:
    """Affine updates that need each other's values, or stand in one equation, as one update."""
    by_name = {u.param: u for u in updates}
    model = derived.joint.model
    left = [u.param for u in updates if u.rule == "affine"]
    out = [u for u in updates if u.rule != "affine"]
    while left:
        group = _circle(left[0], left, by_name, rules)
        joint = None
        if len(group) > 1:
            joint = affine_joint.solve(
                [model.param(n) for n in group],
                derived.shares,
                derived.joint.atoms,
                [rules.of[n] for n in group if n in rules.of],
            )
        if joint is not None:
            under = dict.fromkeys(t for n in group for t in by_name[n].under)
            copies = tuple(c for n in group for c in by_name[n].copies)
            joint = replace(joint, under=tuple(under), copies=copies)
        out += [joint] if joint is not None else [by_name[n] for n in group]
        left = [n for n in left if n not in group]
    return out


def _circle(
    start: str, among: list[str], by_name: dict[str, Update], rules: Restrictions
) -> list[str]:
    """The parameters among these that reach `start` and are reached from it by their needs."""

    def reached(name: str) -> set[str]:
        seen: set[str] = set()
        todo = [name]
        while todo:
            here = todo.pop()
            for other in (by_name[here].needs | rules.linked(here)) & set(among):
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return seen

    forward = reached(start)
    return [n for n in among if n == start or (n in forward and start in reached(n))]


def _not_joint(group: frozenset[str], model: Model) -> Diagnostic:
    about = [c for c in model.constraints if {t.name for t in c.terms} & group]
    listed = " and ".join(f"`{n}`" for n in sorted(group))
    return Diagnostic(
        "no-closed-form",
        f"no closed-form update of {listed} together, which `{about[0].text}` asks for",
        about[0].span,
        "an equation of several params is solved where Q is quadratic in all of them",
    )


_ANOTHER = "fix it as a `const`, or write the model with another parameter whose update is closed"
_WAYS = {
    "shape": "fix it as a `const`, or let its entries only multiply variances, as in "
    "`var = volume * shape`",
    "orthogonal": "fix it as a `const`, or let it only turn a covariance of unlike variances, as "
    "in `R @ diag(v) @ transpose(R)`",
}


def _unidentified(param: Param) -> Diagnostic:
    return Diagnostic(
        "unidentified-parameter",
        f"the likelihood doesn't depend on `{param.name}`, so nothing estimates it",
        param.span,
        "remove it, use it, or give it a prior",
    )


def _unsolved(param: Param, block: Block) -> Diagnostic:
    """What is in the way: the constraints, if it is they alone."""
    free = replace(block, restricted=None)
    solved = any(rule(free) is not None for rule in RULES) or param.type.kind in numeric.KINDS
    if block.restricted is not None and solved:
        return _under_constraints(param, block.restricted.texts)
    return _no_rule(param, block)


def _no_rule(param: Param, block: Block) -> Diagnostic:
    culprits = _in_the_way(block)
    listed = ", ".join(f"`{c}`" for c in culprits)
    spans = dict.fromkeys(p.span for p in block.pieces)
    return Diagnostic(
        "no-closed-form",
        f"no closed-form update of `{param.name}` ({param.type}): in its share of Q the "
        f"{'term' if len(culprits) == 1 else 'terms'} {listed} stand{'s' * (len(culprits) == 1)} "
        "in the way",
        param.span,
        _WAYS.get(param.type.kind, _ANOTHER),
        tuple(Note("its density is drawn here", s) for s in spans),
    )


def _under_constraints(param: Param, texts: tuple[str, ...]) -> Diagnostic:
    listed = ", ".join(f"`{t}`" for t in texts)
    return Diagnostic(
        "no-closed-form",
        f"no update of `{param.name}` ({param.type}) under {listed}",
        param.span,
        "entries of a simplex are tied where its update is closed, matrices where theirs is by "
        "log determinant and trace; fix it, or declare one param for what is equal",
    )


def _beside_corners(param: Param, texts: tuple[str, ...]) -> Diagnostic:
    return replace(
        _under_constraints(param, texts),
        hint="with absolute values in its share of Q entries can be fixed, no more; give it a prior"
        " without corners, or declare one param for what is equal",
    )


def _in_the_way(block: Block) -> list[str]:
    """The functions of the parameter that no shape of a closed form has."""
    found: dict[str, None] = {}
    fine: dict[str, None] = {}
    kind = block.param.type.kind
    for piece in block.pieces:
        entries = entries_in(piece, block) if kind != "posdef" else None
        symbols = [s for s in piece.own.free_symbols
                   if own_atom(block.atoms.atom(s), block.param.name)]  # fmt: skip
        plain = (
            entries is not None
            and len(entries) == 1
            and all(
                piece.own == f or (piece.own.as_base_exp()[0] == s and kind != "simplex")
                for s in symbols
                for f in (sp.log(s),)
            )
        )
        shown = words(without_pivots(piece.own, block.atoms), block.atoms)
        (fine if plain else found)[shown] = None
    return list(tidy_axes(list(found) or list(fine), block.atoms))


def _ordered(updates: list[Update]) -> MStep:
    """Updates after those they need; where that is a circle, in the order of the file."""
    solved = {n for u in updates for n in u.solved}
    todo = list(updates)
    done: list[Update] = []
    cyclic: set[str] = set()
    while todo:
        known = {n for u in done for n in u.solved}
        ready = [u for u in todo if not (u.needs & solved) - known - {u.param}]
        if not ready:
            # of the circle, take the one fewest others wait for a new value of
            ready = [min(todo, key=lambda u: len((u.needs & solved) - known - {u.param}))]
            cyclic.add(ready[0].param)
        done.append(ready[0])
        todo.remove(ready[0])
    return MStep(tuple(done), frozenset(cyclic))
