"""The M-step: each parameter by the first rule that solves its block, in an order that is monotone.

A parameter whose update needs another's is solved after it, with its newest value, so that a block
solved in order is at its joint maximum. Where two need each other, each is maximised in turn with
the other held (conditional maximisation, Meng and Rubin 1993), which never lowers Q.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from emdsl.derive.display import tidy_axes, without_pivots
from emdsl.derive.mstep import affine, affine_joint, logdet, matrix_quadratic, scalar, simplex
from emdsl.derive.mstep.block import Block, Update, block_of, own_atom
from emdsl.derive.mstep.occurrences import entries_in
from emdsl.derive.statistics import Derived
from emdsl.diagnostics import CompileError, Diagnostic, Note
from emdsl.model.graph import Param

RULES: tuple[Callable[[Block], Update | None], ...] = (
    simplex.solve,
    affine.solve,
    logdet.solve,
    matrix_quadratic.solve,
    scalar.solve,
)


@dataclass(frozen=True)
class MStep:
    """The updates in order; `cyclic` names those that use another's old value."""

    updates: tuple[Update, ...]
    cyclic: frozenset[str]


def m_step_of(derived: Derived) -> MStep:
    """Solve every parameter's block. Raises CompileError naming the term in the way of each."""
    model = derived.joint.model
    updates: list[Update] = []
    problems: list[Diagnostic] = []
    for param in model.params:
        block = block_of(param, (*derived.terms, *derived.priors), derived.joint.atoms)
        if not block.pieces:
            problems.append(_unidentified(param))
            continue
        for rule in RULES:
            update = rule(block)
            if update is not None:
                updates.append(update)
                break
        else:
            problems.append(_no_rule(param, block))
    if problems:
        raise CompileError(model.source, tuple(problems))
    return _ordered(_together(updates, derived))


def _together(updates: list[Update], derived: Derived) -> list[Update]:
    """Affine updates that need each other's values, as one joint update."""
    by_name = {u.param: u for u in updates}
    model = derived.joint.model
    left = [u.param for u in updates if u.rule == "affine"]
    out = [u for u in updates if u.rule != "affine"]
    while left:
        group = _circle(left[0], left, by_name)
        joint = None
        if len(group) > 1:
            joint = affine_joint.solve(
                [model.param(n) for n in group],
                (*derived.terms, *derived.priors),
                derived.joint.atoms,
            )
        out += [joint] if joint is not None else [by_name[n] for n in group]
        left = [n for n in left if n not in group]
    return out


def _circle(start: str, among: list[str], by_name: dict[str, Update]) -> list[str]:
    """The parameters among these that reach `start` and are reached from it by their needs."""

    def reached(name: str) -> set[str]:
        seen: set[str] = set()
        todo = [name]
        while todo:
            here = todo.pop()
            for other in by_name[here].needs & set(among):
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return seen

    forward = reached(start)
    return [n for n in among if n == start or (n in forward and start in reached(n))]


def _unidentified(param: Param) -> Diagnostic:
    return Diagnostic(
        "unidentified-parameter",
        f"the likelihood doesn't depend on `{param.name}`, so nothing estimates it",
        param.span,
        "remove it, use it, or give it a prior",
    )


def _no_rule(param: Param, block: Block) -> Diagnostic:
    if param.type.kind == "ordered":
        return Diagnostic(
            "no-closed-form",
            f"no update of `{param.name}` keeps its entries in order: no rule here knows "
            f"{param.type}",
            param.span,
            f"declare it real[{param.type.shape[0]}]: which component is which is only a label",
        )
    culprits = _in_the_way(block)
    listed = ", ".join(f"`{c}`" for c in culprits)
    spans = dict.fromkeys(p.span for p in block.pieces)
    return Diagnostic(
        "no-closed-form",
        f"no closed-form update of `{param.name}` ({param.type}): in its share of Q the "
        f"{'term' if len(culprits) == 1 else 'terms'} {listed} stand{'s' * (len(culprits) == 1)} "
        "in the way",
        param.span,
        "fix it as a `const`, or write the model with another parameter whose update is closed",
        tuple(Note("its density is drawn here", s) for s in spans),
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
        shown = without_pivots(piece.own, block.atoms)
        (fine if plain else found)[str(shown)] = None
    return list(tidy_axes(list(found) or list(fine), block.atoms))


def _ordered(updates: list[Update]) -> MStep:
    """Updates after those they need; where that is a circle, in the order of the file."""
    solved = {n for u in updates for n in (u.param, *u.also)}
    todo = list(updates)
    done: list[Update] = []
    cyclic: set[str] = set()
    while todo:
        known = {n for u in done for n in (u.param, *u.also)}
        ready = [u for u in todo if not (u.needs & solved) - known - {u.param}]
        if not ready:
            # of the circle, take the one fewest others wait for a new value of
            ready = [min(todo, key=lambda u: len((u.needs & solved) - known - {u.param}))]
            cyclic.add(ready[0].param)
        done.append(ready[0])
        todo.remove(ready[0])
    return MStep(tuple(done), frozenset(cyclic))
