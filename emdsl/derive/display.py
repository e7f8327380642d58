"""Formulas for people: the compiler's unique axis names as the short ones a reader expects."""

from __future__ import annotations

import re
from collections.abc import Iterable

import sympy as sp

from emdsl.derive.atoms import Pivot, Seen
from emdsl.derive.table import Atoms


def tidy_axes(texts: Iterable[str], atoms: Atoms) -> tuple[str, ...]:
    """Rename axes alike in all the texts: the first d_7 is d, the next is d', then d''."""
    names: dict[str, str] = {}

    def short(match: re.Match[str]) -> str:
        axis = match.group()
        if axis not in atoms.axes or atoms.axes[axis].role != "event":
            return axis
        if axis not in names:
            stem = re.sub(r"(_|~|(?<=\D))\d+$", "", axis) or axis
            base = str(atoms.axes[axis].extent).lower()
            if stem.endswith(f"_{base}"):  # f_l1: of the entries of a latent f
                stem = base
            while stem in names.values():
                stem += "'"
            names[axis] = stem
        return names[axis]

    return tuple(relations(re.sub(r"[^\W\d]\w*(~\d+)?", short, text)) for text in texts)


_SIDE = r"((?:[^()\[\],]|\[[^\[\]]*\])+)"  # what stands on one side, indices and all
_RELATION = re.compile(rf"\b(Eq|Ne)\({_SIDE}, {_SIDE}\)")


def relations(text: str) -> str:
    """`Ne(t, 0)` as `t != 0`."""
    return _RELATION.sub(lambda m: f"{m[2]} {'=' if m[1] == 'Eq' else '!='} {m[3]}", text)


def without_pivots(expr: sp.Expr, atoms: Atoms) -> sp.Expr:
    """The expression in the parameters themselves, their pivots taken for zero; masks for one."""
    shown: dict[sp.Basic, int] = {}
    for symbol in expr.free_symbols:
        atom = atoms.atom(symbol)
        if isinstance(atom, Seen | Pivot):
            shown[symbol] = 1 if isinstance(atom, Seen) else 0
    plain = expr.xreplace(shown)
    return plain if plain != 0 else expr
