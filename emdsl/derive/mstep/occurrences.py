"""Where a parameter's entries occur in a piece of Q, with their axes lined up with the cell's."""

from __future__ import annotations

import sympy as sp

from emdsl.derive.atoms import Elem
from emdsl.derive.mstep.block import Block, Piece, own_atom, renamed


def entries_in(piece: Piece, block: Block) -> tuple[Elem, ...] | None:
    """The distinct entries of the parameter in a piece; None where one isn't a plain entry."""
    found = []
    for atom in sorted(block.atoms.deep(piece.own), key=block.atoms.text):
        if not own_atom(atom, block.param.name):
            continue
        if not isinstance(atom, Elem) or not all(isinstance(ix, str) for ix in atom.idx):
            return None
        if len(set(atom.idx)) != len(atom.idx):
            return None
        found.append(atom)
    symbols = {block.atoms.symbol(e) for e in found}
    if not symbols <= piece.own.free_symbols:
        return None  # inside a sum that could not be multiplied out
    return tuple(found)


def at_cell(piece: Piece, entry: Elem, block: Block) -> Piece:
    """The piece with the entry's axes renamed to the block's cell."""
    names = {str(ix): axis for ix, axis in zip(entry.idx, block.cell, strict=True)}
    return renamed(piece, names, block.atoms)


def singles(block: Block) -> tuple[Piece, ...] | None:
    """Every piece at the cell, where each has exactly one entry of the parameter."""
    out = []
    for piece in block.pieces:
        entries = entries_in(piece, block)
        if entries is None or len(entries) != 1:
            return None
        out.append(at_cell(piece, entries[0], block))
    return tuple(out)


def by_basis(pieces: tuple[Piece, ...]) -> dict[sp.Expr, list[Piece]]:
    """Pieces grouped by their function of the entry, in order of first appearance."""
    groups: dict[sp.Expr, list[Piece]] = {}
    for piece in pieces:
        groups.setdefault(piece.own, []).append(piece)
    return groups
