"""Functions of continuous latents that the log joint is linear in: what an E-step takes means of.

    x f_l C_l / s^2  -  f_l f_m C_l C_m / (2 s^2)  -  f_l^2 / 2

Given all else the log joint is a sum of such functions with coefficients, so their forms name the
posterior (`inference/posteriors.py`) and their coefficients are its natural parameters. A moment is
over axes of its own, the entries of the latents in it:

    f_l        one entry                         log u, 1/u    a function of one entry
    f_l g_m    every entry with every other      f_l g_l       entry by entry
    W_ij, inv(W)_ij    every entry of a matrix   logdet(W)     a function of the whole matrix
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import sympy as sp

from emdsl.derive.atoms import Elem, Ind, InvOf, Ix, LogDetOf, LogInd, Value
from emdsl.derive.display import tidy_axes
from emdsl.derive.refusal import Refused
from emdsl.derive.table import Atoms, latent_name
from emdsl.derive.words import words
from emdsl.source import Span

_LONGEST = 100  # characters of a formula in a message

Sight = tuple[str, str]  # a latent's name, and how a row finds its element ("" its own)


@dataclass(frozen=True)
class Moment:
    """A function of continuous latents over entry axes, as the rows of one plate see them.

    `sights` are the latents in it, one for each factor (f_l f_m has two); `spans` how many of the
    axes, from the first, each factor's entry has, unless `along`, where all have all axes.
    `mirrored` says that it is the entries of a symmetric matrix.
    """

    name: str
    expr: sp.Expr
    plate: str
    axes: tuple[str, ...]
    sights: tuple[Sight, ...]
    widths: tuple[int, ...]
    along: bool = False
    mirrored: bool = False

    @property
    def is_power(self) -> bool:
        """Whether it is a product of entries: what normal latents' log densities are made of."""
        return bool(self.widths)

    @property
    def symmetric(self) -> bool:
        """Whether its axes can be exchanged: f_l f_m with single axes, W_ij."""
        if self.mirrored:
            return True
        return self.widths == (1, 1) and not self.along and self.sights[0] == self.sights[1]


@dataclass(frozen=True)
class Taken:
    """A moment met in a monomial, the axes it was met at, and what had to be set apart for it."""

    moment: Moment
    places: tuple[str, ...]
    same: tuple[tuple[str, str], ...]  # pairs of axes that must be equal
    picks: sp.Expr  # 1 where axes are at the places that entries were written at, else 0


Name = Callable[[tuple[str, ...], dict[str, Ix], str], tuple[dict[str, Ix], tuple[str, ...]]]


def latent_part(data: sp.Expr, atoms: Atoms) -> tuple[sp.Expr, sp.Expr]:
    """A monomial's data as (factors with continuous latents, the others)."""
    inner: list[sp.Expr] = []
    rest: list[sp.Expr] = []
    for factor in sp.Mul.make_args(data):
        (inner if atoms.has_latent(factor) else rest).append(factor)
    return sp.Mul(*inner), sp.Mul(*rest)


def moment_of(inner: sp.Expr, plate: str, atoms: Atoms, canonical: Name, span: Span) -> Taken:
    """The moment that a product of latents' entries is; Refused where it is no such thing."""
    written_so = inner
    inner, picks = _freed(inner, atoms)
    atom = atoms.atom(inner) if isinstance(inner, sp.Symbol) else None
    if isinstance(atom, LogDetOf | InvOf) or (isinstance(atom, Elem) and atom.kind == "posdef"):
        return replace(_of_matrix(atom, plate, atoms, canonical), picks=picks)
    entries = _entries(inner, atoms)
    if entries is None:
        found = _function(inner, plate, atoms, canonical)
        if found is None:
            raise _unknown(written_so, atoms, span)
        return replace(found, picks=picks)
    entries = sorted(entries, key=lambda e: (e.name, e.via, str(e.idx)))
    if len(entries) > 2:
        raise _unknown(written_so, atoms, span)
    own = [tuple(map(str, e.idx[1:])) for e in entries]
    same: list[tuple[str, str]] = []
    along = len(entries) == 2 and own[0] == own[1]
    if len(entries) == 2 and not along:  # f_l g_l' with l = l', where only some axes are shared
        taken = set(own[0])
        apart: dict[str, Ix] = {}
        for axis in own[1]:
            if axis in taken:
                new = atoms.fresh(atoms.axes[axis].extent)
                apart[axis] = new
                same.append((axis, new))
        second = atoms.rename_atom(entries[1], apart)
        assert isinstance(second, Elem)
        entries[1], own[1] = second, tuple(map(str, second.idx[1:]))
    places = own[0] if along else tuple(a for axes in own for a in axes)
    names, axes = canonical(places, {}, f"{entries[0].name}_")
    expr = sp.Mul(*(atoms.symbol(atoms.rename_atom(e, names)) for e in entries))
    sights = tuple((e.name, e.via) for e in entries)
    name = "_".join(map(_word, sights)) + ("_each" if along and axes else "")
    widths = tuple(map(len, own))
    return Taken(Moment(name, expr, plate, axes, sights, widths, along), places, tuple(same), picks)


def _freed(inner: sp.Expr, atoms: Atoms) -> tuple[sp.Expr, sp.Expr]:
    """Latents' entries at places of their own, as entries along axes; where those are.

    u_n0  ⇒  sum_l [l = 0] u_nl
    """
    axes: dict[tuple[str, int, Ix], str] = {}
    picks = sp.Integer(1)
    replaced: dict[sp.Symbol, sp.Symbol] = {}
    for atom in atoms.latents_in(inner):
        if not isinstance(atom, Elem):
            continue
        idx = list(atom.idx)
        for i, ix in enumerate(atom.idx[1:], start=1):
            if isinstance(ix, str):
                continue
            key = (atom.name, i, ix)
            if key not in axes:
                axes[key] = atoms.fresh(atoms.latent_dims[atom.name][i - 1])
                there = sp.Integer(ix) if isinstance(ix, int) else atoms.symbol(ix)
                here = atoms.symbol(Value(axes[key]))
                picks = picks * atoms.symbol(Ind(sp.Eq(there, here)))
            idx[i] = axes[key]
        if tuple(idx) != atom.idx:
            replaced[atoms.symbol(atom)] = atoms.symbol(replace(atom, idx=tuple(idx)))
    return inner.xreplace(replaced), picks


def _of_matrix(atom: Elem | LogDetOf | InvOf, plate: str, atoms: Atoms, canonical: Name) -> Taken:
    """log det W, or the entries of W or of its inverse: all of them, off the diagonal too.

    The trace is no function of its own:  W_ii  ⇒  sum_j [i = j] W_ij
    """
    name = latent_name(atom)
    places: tuple[str, ...] = ()
    same: tuple[tuple[str, str], ...] = ()
    if not isinstance(atom, LogDetOf):
        i, j = (atom.i, atom.j) if isinstance(atom, InvOf) else atom.idx[-2:]
        if i == j:
            j = atoms.fresh(atoms.axes[str(i)].extent)
            same = ((str(i), j),)
            atom = (
                replace(atom, j=j)
                if isinstance(atom, InvOf)
                else replace(atom, idx=(*atom.idx[:-1], j))
            )
        places = (str(i), str(j))
    names, axes = canonical(places, {}, f"{name}_")
    expr = atoms.symbol(atoms.rename_atom(atom, names))
    via = atom.via if isinstance(atom, Elem) else atom.matrix.via
    word = {Elem: "", LogDetOf: "log_det_", InvOf: "inverse_"}[type(atom)]
    moment = Moment(
        word + _word((name, via)), expr, plate, axes, ((name, via),), (), mirrored=bool(axes)
    )
    return Taken(moment, places, same, sp.Integer(1))


def _entries(inner: sp.Expr, atoms: Atoms) -> list[Elem] | None:
    """The entries of a product of whole powers; None where it is another function."""
    out: list[Elem] = []
    for factor in sp.Mul.make_args(inner):
        base, power = factor.as_base_exp()
        atom = atoms.atom(base) if isinstance(base, sp.Symbol) else None
        if not isinstance(atom, Elem) or not (power.is_Integer and power > 0):
            return None
        out += [atom] * int(power)
    return out


def _function(inner: sp.Expr, plate: str, atoms: Atoms, canonical: Name) -> Taken | None:
    """A function of one entry of one latent: log u, 1/u, log(1 - u)."""
    found = atoms.latents_in(inner)
    others = [a for a in atoms.deep(inner) if a not in found]
    elem = found[0]
    if len(found) != 1 or others or not isinstance(elem, Elem):
        return None
    places = tuple(map(str, elem.idx[1:]))
    names, axes = canonical(places, {}, f"{elem.name}_")
    expr = atoms.rename(inner, names)
    sight = (elem.name, elem.via)
    name = f"{_function_word(inner, atoms.symbol(elem))}_{_word(sight)}"
    return Taken(Moment(name, expr, plate, axes, (sight,), ()), places, (), sp.Integer(1))


def _unknown(inner: sp.Expr, atoms: Atoms, span: Span) -> Refused:
    """Why there is no posterior where the log joint has this in it."""
    deep = sorted(atoms.deep(inner), key=str)
    entries = atoms.latents_in(inner)
    name = latent_name(entries[0])
    bounds = next((a for a in deep if isinstance(a, LogInd)), None)
    if bounds is not None:
        text = written(bounds.condition, atoms)
        why = f"`{name}` is possible only where {text}, and a posterior cut off there isn't known"
    elif any(isinstance(a, Ind) for a in deep):
        condition = next(a.condition for a in deep if isinstance(a, Ind))
        text = written(condition, atoms)
        why = f"densities change where {text}: a posterior of `{name}` in parts isn't known"
    elif all(isinstance(a, Elem) and a.kind == "real" for a in entries):
        why = not_normal(inner, name, atoms)
    else:
        names = " and ".join(f"`{n}`" for n in dict.fromkeys(map(latent_name, entries)))
        why = f"the log joint has {written(inner, atoms)} in it: no posterior of {names} is known"
    return Refused("no-posterior", why, span)


def not_normal(expr: sp.Expr, name: str, atoms: Atoms) -> str:
    """Why real latents with this in the log joint have no normal posterior."""
    return (
        f"the log joint has {written(expr, atoms)} in it: the posterior of `{name}` is normal only "
        "where latents stand alone or in products of two, as normals with linear means have them"
    )


def written(expr: sp.Basic, atoms: Atoms) -> str:
    """A function of latents as the language writes it, in backticks."""
    if isinstance(expr, sp.And):
        return " and ".join(sorted(written(c, atoms) for c in expr.args))
    (text,) = tidy_axes((words(expr, atoms),), atoms)
    return f"`{text}`" if len(text) <= _LONGEST else f"`{text[:_LONGEST].rstrip()}...`"


def _word(sight: Sight) -> str:
    name, via = sight
    lag = re.search(r"-(\d+)$", via)
    if lag:
        return f"{name}_before" if lag[1] == "1" else f"{name}_before_{lag[1]}"
    return "_".join([name, *re.findall(r"(\w+)\[", via)])


def _function_word(inner: sp.Expr, symbol: sp.Expr) -> str:
    known = {
        sp.log(symbol): "log", 1 / symbol: "inverse", sp.log(1 - symbol): "log_rest",
        symbol**-2: "inverse_square", sp.sqrt(symbol): "root",
    }  # fmt: skip
    return known.get(inner) or re.sub(r"\W+", "_", type(inner).__name__.lower()).strip("_")


__all__ = ["Moment", "Sight", "Taken", "latent_part", "moment_of", "not_normal", "written"]
