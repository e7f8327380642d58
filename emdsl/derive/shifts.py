"""Latents that bear the data's location: how far each is shifted where locations are.

Add a constant to the data: which latents and parameters have to move along, so that no density
changes?

    y[n] about b[group[n]],  b[g] about mean      b and mean alike
    z[t] about z[t-1] + drift                     z, but not drift

A latent's shift E and a parameter's U are the unknowns. Each case of a latent's density gives the
linear equations E = location(E, U), one for each function of what isn't shifted; a data node gives
those that say that what multiplies a parameter doesn't move. Latents and parameters are then
written about pivots, as data are (see `location`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import sympy as sp

from emdsl.derive.atoms import Elem, Ix
from emdsl.derive.table import Atoms

Places = tuple[int, ...]  # which dimensions of a value are meant, counted from its last


@dataclass(frozen=True)
class Equation:
    """The location of one case of a node's density, at the entry `place` of its variate."""

    name: str
    role: str
    place: tuple[Ix, ...]
    location: sp.Expr


@dataclass(frozen=True)
class Part:
    """A share of a latent's shift: `factor` times the pivot of `param`.

    `places` are the dimensions of the latent's value that the pivot's are, counted from the last.
    """

    param: str
    factor: sp.Rational
    places: Places


Shift = tuple[Part, ...]


@dataclass(frozen=True)
class Shifts:
    """What is shifted. `kept`: of each parameter the dimensions that its pivot keeps; `leaders`:
    the parameter whose pivot is another's, too; `latents`: each one's shift.
    """

    kept: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    leaders: Mapping[str, str] = field(default_factory=dict)
    latents: Mapping[str, Shift] = field(default_factory=dict)


def shifts_of(
    equations: Iterable[Equation],
    spoiled: Collection[str],
    pivots: Mapping[str, tuple[int, ...]],
    atoms: Atoms,
) -> Shifts:
    """Solve for the shifts.

    spoiled : what stays where it is: latents that stand elsewhere than in locations, too, and
        parameters with a prior, which is about a place.
    pivots : the dimensions that the pivots of data nodes' own parameters keep.
    """
    known = list(equations)
    own = [e for e in known if e.role == "latent"]
    if not own:
        return Shifts()
    system = _System(atoms, pivots, frozenset(spoiled))
    for name in dict.fromkeys(e.name for e in own):
        if name not in spoiled:
            system.latents[name] = sp.Symbol(f"shift of {name}")
    system.ranks = {e.name: len(e.place) for e in own}
    for e in own:
        system.meet(e)
    for e in known:
        system.require(e)
    return system.solved()


class _System:
    """Linear equations in the shifts."""

    def __init__(
        self, atoms: Atoms, pivots: Mapping[str, tuple[int, ...]], spoiled: frozenset[str]
    ) -> None:
        self.atoms, self.pivots, self.spoiled = atoms, pivots, spoiled
        self.latents: dict[str, sp.Symbol] = {}
        self.ranks: dict[str, int] = {}
        self.params: dict[str, sp.Symbol] = {}
        self.dims: dict[str, tuple[tuple[int, ...], Places]] = {}
        self.still: set[sp.Symbol] = set()  # what can't be shifted
        self.rows: list[dict[sp.Symbol, sp.Expr]] = []

    # -- the unknowns --

    def meet(self, e: Equation) -> None:
        """Take up the parameters that stand by themselves in a latent's location."""
        for term in sp.Add.make_args(sp.expand(e.location)):
            _, symbol = term.as_coeff_Mul()
            atom = self.atoms.atom(symbol) if isinstance(symbol, sp.Symbol) else None
            if not (isinstance(atom, Elem) and atom.role == "param" and atom.kind == "real"):
                continue
            if atom.name in self.spoiled:
                continue
            found = _dims_of(atom, e.place)
            if self.dims.setdefault(atom.name, found) != found or not _in_order(found[1]):
                self.still.add(self._param(atom.name))
            if self.pivots.get(atom.name, found[0]) != found[0]:
                self.still.add(self._param(atom.name))  # data keep more of it, or less
            self._param(atom.name)

    def _param(self, name: str) -> sp.Symbol:
        return self.params.setdefault(name, sp.Symbol(f"pivot of {name}"))

    def _unknown(self, elem: Elem, e: Equation) -> sp.Symbol | None:
        """What an entry in a location is shifted by, if it may be."""
        if elem.role == "latent":
            return self.latents.get(elem.name)
        if elem.role == "param" and (e.role == "latent" or elem.name not in self.pivots):
            return self.params.get(elem.name)
        return None

    # -- the equations --

    def require(self, e: Equation) -> None:
        """What one location asks of the shifts."""
        moved, hidden = self._moved(e)
        if e.role == "latent":
            self.still |= hidden
        rows: dict[sp.Expr, dict[sp.Symbol, sp.Expr]] = {}
        for term, outer in moved:
            found = [u for u in sp.ordered(term.free_symbols) if u in self._all()]
            rest = term / found[0] if found else sp.Integer(0)
            if len(found) != 1 or rest.free_symbols & self._all():
                self.still |= set(found)
                continue
            number, rest = (rest * outer).as_coeff_Mul()
            if e.role != "latent" and not self._is_uncertain(rest):
                continue  # data are shifted by whatever is known
            row = rows.setdefault(rest, {})
            row[found[0]] = row.get(found[0], sp.Integer(0)) + number
        if e.role == "latent":
            row = rows.setdefault(sp.Integer(1), {})
            if e.name in self.latents:
                symbol = self.latents[e.name]
                row[symbol] = row.get(symbol, sp.Integer(0)) - 1
        self.rows += rows.values()

    def _is_uncertain(self, expr: sp.Expr) -> bool:
        """Whether a factor has parameters, or latents' values, in it."""
        axes = frozenset(self.atoms.latent_axes())
        return (
            self.atoms.has_param(expr)
            or self.atoms.has_latent(expr)
            or bool(self.atoms.axes_of(expr) & axes)
        )

    def _all(self) -> frozenset[sp.Symbol]:
        return frozenset((*self.latents.values(), *self.params.values()))

    def _moved(self, e: Equation) -> tuple[list[tuple[sp.Expr, sp.Expr]], set[sp.Symbol]]:
        """The terms that shifts add to a location, each with what it is multiplied by outside sums;
        and the unknowns that stand in sums.
        """
        terms: list[tuple[sp.Expr, sp.Expr]] = []
        hidden: set[sp.Symbol] = set()
        waiting = [(e.location, sp.Integer(1))]
        while waiting:
            expr, outer = waiting.pop()
            new = dict(self._shifted(expr, e))
            added = sp.expand(expr.xreplace(new) - expr)
            terms += [(t, outer) for t in sp.Add.make_args(added) if t != 0]
            for symbol in sp.ordered(expr.free_symbols):
                for body in self._inside(symbol):
                    hidden |= {u for a in self.atoms.deep(body) if isinstance(a, Elem)
                               if (u := self._unknown(a, e)) is not None}  # fmt: skip
                    waiting.append((body, outer * sp.diff(expr, symbol)))
        return terms, hidden

    def _inside(self, symbol: sp.Basic) -> Iterator[sp.Expr]:
        body = getattr(self.atoms.atom(symbol), "body", None)
        if body is not None:
            yield body

    def _shifted(self, expr: sp.Expr, e: Equation) -> Iterator[tuple[sp.Expr, sp.Expr]]:
        for symbol in expr.free_symbols:
            atom = self.atoms.atom(symbol)
            if not isinstance(atom, Elem):
                continue
            unknown = self._unknown(atom, e)
            if unknown is None:
                continue
            if e.role == "latent" and not self._aligned(atom, e.place):
                self.still.add(unknown)
            yield symbol, symbol + unknown

    def _aligned(self, elem: Elem, place: tuple[Ix, ...]) -> bool:
        """Whether an entry of another array is that at the same place."""
        if elem.role == "param":
            return _dims_of(elem, place) == self.dims[elem.name]
        rank = self.ranks[elem.name]
        return elem.idx[len(elem.idx) - rank :] == place[len(place) - rank :]

    # -- the solution --

    def solved(self) -> Shifts:
        """The shifts that every equation allows, as few parameters' pivots as bear them."""
        order = [*self.latents.values(), *(self.params[n] for n in self._in_turn())]
        still = set(self.still)
        while True:
            rows = [*self.rows, *({u: sp.Integer(1)} for u in sp.ordered(still))]
            found = _solution(order, len(self.latents), rows)
            params = {n: found[u] for n, u in self.params.items()}
            odd = {u for n, expr in params.items() for u in expr.free_symbols
                   if not self._leads(n, expr)}  # fmt: skip
            if not odd:
                break
            still |= odd
        names = {u: n for n, u in self.params.items()}
        latents = {n: self._shift(found[u], names) for n, u in self.latents.items()}
        used = {p.param for shift in latents.values() for p in shift}
        leaders = {n: names[expr] for n, expr in params.items() if expr in names}
        moved = {n for n, lead in leaders.items() if lead in used}
        return Shifts(
            {n: self.dims[n][0] for n in self.params if n in moved},
            {n: leaders[n] for n in self.params if n in moved and leaders[n] != n},
            {n: shift for n, shift in latents.items() if shift},
        )

    def _in_turn(self) -> list[str]:
        """Parameters whose pivots data have of their own come last: they lead."""
        return sorted(self.params, key=lambda n: n in self.pivots)

    def _leads(self, name: str, expr: sp.Expr) -> bool:
        """Whether a parameter is at rest, or shifted by itself or as one other is."""
        if expr == 0:
            return True
        lead = next((n for n, u in self.params.items() if u == expr), None)
        if lead is None or (lead != name and name in self.pivots):
            return False
        return self.dims[lead][1] == self.dims[name][1]

    def _shift(self, expr: sp.Expr, names: Mapping[sp.Basic, str]) -> Shift:
        out = []
        for term in sp.Add.make_args(expr):
            factor, symbol = term.as_coeff_Mul()
            if symbol in names:
                name = names[symbol]
                out.append(Part(name, factor, self.dims[name][1]))
        return tuple(sorted(out, key=lambda p: p.param))


def _dims_of(elem: Elem, place: tuple[Ix, ...]) -> tuple[tuple[int, ...], Places]:
    """A parameter's dimensions that are those of the variate, and which of its they are."""
    kept = tuple(i for i, ix in enumerate(elem.idx) if ix in place)
    return kept, tuple(place.index(elem.idx[i]) - len(place) for i in kept)


def _in_order(places: Places) -> bool:
    return list(places) == sorted(set(places))


def _solution(
    order: list[sp.Symbol], latents: int, rows: Iterable[Mapping[sp.Symbol, sp.Expr]]
) -> dict[sp.Symbol, sp.Expr]:
    """Each unknown in those that stay free, but for the first `latents`: they are at rest then."""
    matrix = sp.Matrix([[row.get(u, 0) for u in order] for row in rows])
    reduced, leading = matrix.rref()
    free = [i for i in range(len(order)) if i not in leading]
    out: dict[sp.Symbol, sp.Expr] = {order[i]: order[i] if i >= latents else sp.Integer(0)
                                     for i in free}  # fmt: skip
    for row, i in enumerate(leading):
        out[order[i]] = sp.Add(*(-reduced[row, j] * out[order[j]] for j in free))
    return out
