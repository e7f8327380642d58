"""Names directions of a numeric block by its parameters and their entries."""

from __future__ import annotations

import numpy as np

from emdsl.runtime.coordinates import Coordinates
from emdsl.runtime.gather import cell_text
from emdsl.runtime.objective import Floats

_LISTED = 6
_EXACT = 1e-5  # of a flat direction's largest entry: less is rounding
SEEN = 0.02  # of a way to infinity's largest entry: less is not worth naming
_PRIOR = "~ Normal(0, 2.5)"


class Naming:
    """The words for problem b of a batch.

    A direction is in the free coordinates, (m,), and its weight says how much each of them does:
    a small number on a large column may be as much as a large one on a small.
    """

    def __init__(self, frame: Coordinates, names: tuple[str, ...], kinds: tuple[str, ...]) -> None:
        self._frame = frame
        self._names = names
        self._kinds = kinds
        self.logs = (
            ()
            if frame.restricted
            else tuple(
                i
                for kind, at in zip(kinds, frame.slices, strict=True)
                if kind == "positive"
                for i in range(at.start, at.stop)
            )
        )

    def runaway(self, b: int, entry: int, up: bool) -> str:
        """A positive parameter that goes to infinity or to 0."""
        value = f"{self._frame.flat[b, entry]:.3g}"
        where = "grows without bound" if up else "falls to 0 without end"
        return (
            f"{self._cell(b, entry)} {where} (it is {value} now): the distribution at that limit "
            "fits as well or better; use that one, fix the parameter, or give it a prior"
        )

    def collinear(self, b: int, direction: Floats, weight: Floats) -> str:
        """A direction that changes nothing."""
        parts = self._parts(direction, weight, _EXACT)
        parts = [(i, c * parts[0][1]) for i, c in parts]  # either sign says the same
        if len(parts) > 1 and all(self._kinds[self._owner(i)] == "positive" for i, _ in parts):
            values = ", ".join(f"{self._frame.flat[b, i]:.3g}" for i, _ in parts[:_LISTED])
            factors = " and ".join(f"{self._cell(b, i)} by {_power(c)}" for i, c in parts[:_LISTED])
            return (
                f"{self._cells(b, parts)} are not determined (they are {values} now): multiplying "
                f"{factors} changes next to nothing, whatever c is; fix one, or give it a prior"
            )
        return undetermined([(self._cell(b, i), self._coordinate(b, i), c) for i, c in parts])

    def separated(self, b: int, direction: Floats, weight: Floats) -> str:
        """A direction whose maximum is at infinity."""
        parts = self._parts(direction, weight, SEEN)
        names = dict.fromkeys(self._names[self._owner(i)] for i, _ in parts)
        verb, them = ("has", "it") if len(names) == 1 else ("have", "them")
        way = ", ".join(
            f"{self._coordinate(b, i)} to {'+' if c > 0.0 else '-'}infinity"
            for i, c in parts[:_LISTED]
        )
        more = f", and {len(parts) - _LISTED} more" if len(parts) > _LISTED else ""
        return (
            f"{' and '.join(names)} {verb} no finite maximum: the data are separated, which sends "
            f"{way}{more}; give {them} a prior such as {_PRIOR}"
        )

    def _parts(self, direction: Floats, weight: Floats, least: float) -> list[tuple[int, float]]:
        """The entries that take part and by how much, the first by 1."""
        phi = self._frame.moved(direction[None])[0]
        if self._frame.restricted:
            weight = np.abs(phi)
        on = np.flatnonzero(weight > least * weight.max())
        return [(int(i), float(phi[i] / abs(phi[on[0]]))) for i in on]

    def _owner(self, entry: int) -> int:
        return next(p for p, at in enumerate(self._frame.slices) if at.start <= entry < at.stop)

    def _cell(self, b: int, entry: int) -> str:
        owner = self._owner(entry)
        lead, own = self._frame.layout.lead, self._frame.layout.own[owner]
        index = (
            *np.unravel_index(b, lead),
            *np.unravel_index(entry - self._frame.slices[owner].start, own),
        )
        return cell_text(self._names[owner], tuple(int(i) for i in index))

    def _coordinate(self, b: int, entry: int) -> str:
        kind, cell = self._kinds[self._owner(entry)], self._cell(b, entry)
        word = {"positive": "log ", "simplex": "log ", "unit": "logit "}.get(kind, "")
        return word + cell

    def _cells(self, b: int, parts: list[tuple[int, float]]) -> str:
        more = f" and {len(parts) - _LISTED} more" if len(parts) > _LISTED else ""
        return ", ".join(self._cell(b, i) for i, _ in parts[:_LISTED]) + more


def undetermined(parts: list[tuple[str, str, float]]) -> str:
    """What to say of a direction that changes nothing: cells, their coordinates, how far each."""
    cell = parts[0][0]
    if len(parts) == 1:
        return (
            f"{cell} is not determined: the objective doesn't depend on it; drop its column, fix "
            f"it, or give it a prior such as {_PRIOR}"
        )
    left = len(parts) - _LISTED
    cells = ", ".join(c for c, _, _ in parts[:_LISTED]) + (f" and {left} more" if left > 0 else "")
    moves = " and ".join(f"{_times(t)} to {x}" for _, x, t in parts[:_LISTED])
    more = f" (and so on for {left} more)" if left > 0 else ""
    return (
        f"{cells} are not determined: adding {moves}{more} changes nothing, whatever t is (their "
        f"columns are collinear); drop one, fix one, or give them a prior such as {_PRIOR}"
    )


def _times(number: float) -> str:
    if abs(abs(number) - 1.0) < 1e-6:
        return "t" if number > 0.0 else "-t"
    return f"{number:.4g} t"


def _power(number: float) -> str:
    return "c" if abs(number - 1.0) < 1e-6 else f"c^{number:.4g}"
