"""Shapes: tuples of extents. Two extents agree when they have the same name or the same number.

NumPy's broadcasting, but for extents of 1, which are not stretched: axes here have names.
"""

from __future__ import annotations

from dataclasses import dataclass

from emdsl.model.graph import Extent, Fixed, Ragged

Shape = tuple[Extent, ...]


@dataclass(frozen=True, slots=True)
class Clash:
    """Two extents that would have to be equal."""

    left: Extent
    right: Extent


def same(left: Extent, right: Extent) -> bool:
    """Whether two extents agree. A ragged one is the same along any axis that it is read over."""
    if isinstance(left, Ragged) and isinstance(right, Ragged):
        return left.name == right.name
    return left == right


def first_clash(left: Shape, right: Shape) -> Clash | None:
    """The first pair of extents that differ, of shapes of one rank."""
    pairs = zip(left, right, strict=True)
    return next((Clash(a, b) for a, b in pairs if not same(a, b)), None)


def broadcast(left: Shape, right: Shape) -> Shape | Clash:
    """(D,), (K, D) ⇒ (K, D)"""
    longer, shorter = (left, right) if len(left) >= len(right) else (right, left)
    tail = longer[len(longer) - len(shorter) :]
    clash = first_clash(tail, shorter)
    if clash is None:
        return longer
    return clash if longer is left else Clash(clash.right, clash.left)


def broadcast_all(shapes: list[Shape]) -> Shape | Clash:
    """Every shape broadcast with the others."""
    result: Shape = ()
    for shape in shapes:
        wider = broadcast(result, shape)
        if isinstance(wider, Clash):
            return wider
        result = wider
    return result


def describe(shape: Shape) -> str:
    """A shape in words: `a number`, `a vector of length D`, `a D x L matrix`."""
    inner = " x ".join(str(e) for e in shape)
    match len(shape):
        case 0:
            return "a number"
        case 1:
            return f"a vector of length {inner}"
        case 2:
            return f"a {inner} matrix"
        case _:
            return f"a {inner} array"


def fixed(extent: Extent | None) -> int | None:
    """The number, where an extent is written as one."""
    return extent.value if isinstance(extent, Fixed) else None
