"""Affine stationarity: Q is quadratic in the block, so its gradient is one linear system.

    Q = 1/2 x' H x + g' x   ⇒   -H x = g

An invertible factor common to all terms cancels first: with a noise precision P,

    sum_e P[d, e] (b[e] - S x[e]) = 0 for every d   ⇒   b[d] - S x[d] = 0
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import sympy as sp

from emdsl.derive.atoms import Elem, Ind, Value
from emdsl.derive.live import params_in
from emdsl.derive.mstep.block import (
    Block,
    Entries,
    Linear,
    Piece,
    Update,
    coefficient,
    quotient,
    renamed,
    without_common_factor,
)
from emdsl.derive.mstep.occurrences import entries_in
from emdsl.derive.mstep.restricted import Restriction
from emdsl.derive.mstep.symmetric import symmetric_factors


@dataclass(frozen=True)
class Pair:
    """A quadratic piece: the two entries it multiplies."""

    piece: Piece
    first: Elem
    second: Elem


@dataclass(frozen=True)
class Lone:
    """A linear piece: the entry it is linear in."""

    piece: Piece
    entry: Elem


def solve(block: Block) -> Update | None:
    """The update of a real or positive parameter in which Q is quadratic."""
    if block.param.type.kind not in ("real", "positive"):
        return None
    sorted_pieces = _degrees(block)
    if sorted_pieces is None:
        return None
    pairs, lones = sorted_pieces
    if not pairs:
        return None
    rules = block.restricted
    canceled = _cancel_matrix(pairs, lones, block) if rules is None else None
    if canceled is not None:
        pairs, lones, matrix, together = canceled
    coupled = tuple(
        i for i in range(len(block.cell))
        if any(p.first.idx[i] != p.second.idx[i] for p in pairs)
    )  # fmt: skip
    atoms = block.atoms
    twin_all = tuple(
        atoms.fresh(atoms.axes[a].extent) if i in coupled else a for i, a in enumerate(block.cell)
    )
    quadratic = tuple(_at_pair(p, block, twin_all) for p in pairs)
    linear = tuple(_at_lone(p, block) for p in lones)
    batch = tuple(a for i, a in enumerate(block.cell) if i not in coupled)
    apart = batch if rules is None or rules.apart else ()
    both, common = without_common_factor((*quadratic, *linear), apart, atoms)
    quadratic, linear = both[: len(quadratic)], both[len(quadratic) :]
    right = coefficient(linear, block.cell, atoms)
    wide = (*block.cell, *(t for t in twin_all if t not in block.cell))
    half = coefficient(quadratic, wide, atoms)
    record = [f"Q is quadratic in {block.entry}"]
    if canceled is not None:
        record.append(f"the invertible factor {matrix} is common to all terms and cancels")
    if common != 1:
        record.append(f"the positive factor {common} is common to all terms and cancels")
    if not coupled:
        if half.is_nonnegative:
            return None  # convex: the stationary point is a minimum
        value = quotient(-right, 2 * half)
        record += [f"dQ/d{block.entry} = ({right}) + 2 ({half}) {block.entry} = 0"]
        record += [
            f"so {block.entry} = {value}" if rules is None else "-H x = g with a diagonal H",
            "a maximum: the quadratic term is negative"
            if half.is_nonpositive
            else "a maximum where the quadratic term is negative",
        ]
        form: Entries | Linear = Entries(value) if rules is None else (
            Linear(-2 * half, right, (), ()))  # fmt: skip
    else:
        names = dict(zip(block.cell, twin_all, strict=True))
        flipped = {**names, **{v: k for k, v in names.items()}}
        hessian = half + atoms.rename(half, dict(flipped))
        record += [
            f"-H x = g with g = {right}",
            f"H = {hessian}",
            "a maximum: Q is concave, H being minus a weighted sum of squares",
        ]
        twin = tuple(twin_all[i] for i in coupled)
        form = Linear(-hessian, right, coupled, twin)
    if rules is not None:
        record += restricted_record(rules)
    exprs = [form.value] if isinstance(form, Entries) else [form.matrix, form.right]
    needs = frozenset().union(*(params_in(e, atoms) for e in exprs))
    return Update(
        block.param.name, "affine", block.cell, form, needs, tuple(record),
        together=None if canceled is None else together,
    )  # fmt: skip


def restricted_record(rules: Restriction) -> list[str]:
    """What is solved in place of the system, under constraints."""
    lines = [
        "the equalities leave x = c + M f with f free, of all entries that they tie together",
        "so (M' H M) f = M' (g - H c) with H and g those of -H x = g, where H is block diagonal",
    ]
    if rules.bounded:
        lines.append(
            "beyond a bound: the maximum of the concave quadratic within the bounds, exactly, by "
            "the active set method"
        )
    return lines


def _degrees(block: Block) -> tuple[list[Pair], list[Lone]] | None:
    """Sort pieces into quadratic and linear; None where one is neither."""
    pairs, lones = [], []
    for piece in block.pieces:
        entries = entries_in(piece, block)
        if entries is None:
            return None
        symbols = [block.atoms.symbol(e) for e in entries]
        if len(entries) == 2 and piece.own == symbols[0] * symbols[1]:
            pairs.append(Pair(piece, entries[0], entries[1]))
        elif len(entries) == 1 and piece.own == symbols[0] ** 2:
            pairs.append(Pair(piece, entries[0], entries[0]))
        elif len(entries) == 1 and piece.own == symbols[0]:
            lones.append(Lone(piece, entries[0]))
        else:
            return None
    return pairs, lones


def _at_pair(pair: Pair, block: Block, twin: tuple[str, ...]) -> Piece:
    """The pair's first entry at the cell, its second at the twin; equal axes get [c = c']."""
    atoms = block.atoms
    names: dict[str, str] = {}
    same: list[tuple[str, str]] = []
    for one, two, c, t in zip(pair.first.idx, pair.second.idx, block.cell, twin, strict=True):
        names[str(one)] = c
        if one != two:
            names[str(two)] = t
        elif c != t:
            same.append((c, t))
    piece = renamed(pair.piece, names, atoms)
    for c, t in same:
        here = atoms.symbol(Ind(sp.Eq(atoms.symbol(Value(c)), atoms.symbol(Value(t)))))
        piece = replace(piece, weight=piece.weight * here, axes=piece.axes | {t})
    return piece


def _at_lone(lone: Lone, block: Block) -> Piece:
    names = {str(ix): c for ix, c in zip(lone.entry.idx, block.cell, strict=True)}
    return renamed(lone.piece, names, block.atoms)


# --- cancelling a common matrix ----------------------------------------------------------------


def _cancel_matrix(
    pairs: list[Pair], lones: list[Lone], block: Block
) -> tuple[list[Pair], list[Lone], str, int] | None:
    """Drop P[d, e] where every term has it, with d the entry's own axis; see the module's text.

    The last result is the axis's position in the cell.
    """
    found = None
    for position in range(len(block.cell)):
        new_pairs = [_without(p.piece, p.first, p.second, position, block) for p in pairs]
        new_lones = [_without(p.piece, p.entry, None, position, block) for p in lones]
        every = [*new_pairs, *new_lones]
        if any(x is None for x in every):
            continue
        names = {x[2] for x in every if x is not None}
        if len(names) != 1:
            continue
        found = (
            [Pair(x[0], x[1][0], x[1][1]) for x in new_pairs if x is not None],
            [Lone(x[0], x[1][0]) for x in new_lones if x is not None],
            next(iter(names)),
            position,
        )
        break
    return found


def _without(
    piece: Piece, first: Elem, second: Elem | None, position: int, block: Block
) -> tuple[Piece, tuple[Elem, ...], str] | None:
    atoms = block.atoms
    axis = first.idx[position]
    for factor in symmetric_factors(piece, atoms):
        i, j = factor.rows
        other = j if axis == i else i if axis == j else None
        if other is None or (second is not None and second.idx[position] != other):
            continue
        names = {str(ix): c for ix, c in zip(first.idx, block.cell, strict=True)}
        own_batch = {str(ix) for k, ix in enumerate(first.idx) if k != position}
        if not factor.batch <= own_batch:
            continue
        # dP/dx at the entry e: the entry moves to where the matrix's other index points
        rest = replace(
            piece, other=piece.other / factor.expr, axes=piece.axes - frozenset(factor.inner)
        )
        merged = renamed(rest, {str(axis): str(other)}, atoms)
        moved = [replace(e, idx=tuple(other if ix == axis else ix for ix in e.idx))
                 for e in ((first,) if second is None else (first, second))]  # fmt: skip
        return merged, tuple(moved), factor.label(names, atoms)
    return None
