"""Which Python names statements use: so that a function fetches what it needs and no more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass

from emdsl.ir.nodes import Axis, Bind, Comment, Gather, Item, Kernel, Range, Stmt, Whole, axes_of

_WORD = re.compile(r"[^\W\d]\w*")


def names_in(statements: Iterable[Stmt]) -> frozenset[str]:
    """Every name in the printed code of the statements, sizes of printed axes included."""
    return frozenset(name for s in statements for name in _names(s))


def _names(x: object) -> Iterator[str]:
    match x:
        case str():
            yield from _WORD.findall(x)
        case Comment() | Item() | Axis():  # not code, or only a shape's comment
            return
        case Range(axis=axis):
            yield str(axis.dim)
        case Whole(value=value, axes=axes, full=full):
            if full and set(axes_of(value)) != set(axes):
                yield from (str(a.dim) for a in axes)
            yield from _names(value)
        case Kernel(args=args):
            yield from _names(args)
        case Gather(name=name, places=places):
            yield from _names(name)
            found = [p for p in places if not isinstance(p, Axis)]
            tail = [p for p in places if isinstance(p, Axis)]
            whole = list(places) == [*found, *tail] and len(set(tail)) == len(tail)
            for place in found if whole else places:  # whole last axes need no index
                yield from [str(place.dim)] if isinstance(place, Axis) else _names(place)
        case tuple():
            for item in x:
                yield from _names(item)
        case _ if is_dataclass(x):
            for f in fields(x):
                yield from _names(getattr(x, f.name))


def without_unused(body: Sequence[Stmt]) -> tuple[Stmt, ...]:
    """The statements without those that fetch or bind what none after them uses."""
    kept: list[Stmt] = []
    read: set[str] = set()  # by those kept
    for s in reversed(body):
        if isinstance(s, Item | Bind) and _made(s) and not _made(s) & read:
            continue
        kept.append(s)
        read |= names_in((s,))
        if isinstance(s, Item):
            read.update(_WORD.findall(s.mapping))
    return tuple(reversed(kept))


def _made(s: Item | Bind) -> set[str]:
    """The variables a statement makes; none where it changes what is there."""
    names = (s.name,) if isinstance(s, Item) else s.names
    return {n for n in names if n.isidentifier()}
