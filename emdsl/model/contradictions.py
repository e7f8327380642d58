"""What constraints come to together, as far as it can be seen without the sizes.

Ties make classes of entries; each class has one value at most, and the fixed entries of a simplex
sum to 1 at most; so do its lower bounds, and its upper ones to 1 at least. What only sizes decide
is found when fitting.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

from emdsl import diagnoses
from emdsl.model import graph as g
from emdsl.model.table import Table
from emdsl.source import Span

Key = tuple[str, tuple[int, ...]]

_SAME = 1e-12


def verify_together(constraints: Sequence[g.Constraint], table: Table) -> None:
    """Report the first two constraints that contradict each other, of each class of entries."""
    ties = [_keys(c) for c in constraints if c.kind == "tie"]
    keys = dict.fromkeys(k for c in constraints for k in _keys(c) if c.kind in ("tie", "fixed"))
    every = _with_parts(list(keys), ties)
    parent = {key: key for key in every}

    def root(key: Key) -> Key:
        while parent[key] != key:
            key = parent[key]
        return key

    for one, two in ties:
        for key in every:
            inner = _inside(key, one)
            if inner is not None and (two[0], (*two[1], *inner)) in parent:
                parent[root(key)] = root((two[0], (*two[1], *inner)))
    fixed: dict[Key, tuple[float, Span]] = {}
    for c in constraints:
        if c.kind != "fixed":
            continue
        value = c.value / c.terms[0].coefficient
        (own,) = _keys(c)
        for key in every:
            if _inside(key, own) is None:
                continue
            old = fixed.setdefault(root(key), (value, c.span))
            if abs(old[0] - value) > _SAME * max(1.0, abs(value)):
                shown = _shown(own)
                table.report(diagnoses.contradiction(c.span, shown, old[0], value, old[1]))
                break
    _verify_simplexes({k: fixed[root(k)] for k in every if root(k) in fixed}, table)
    _verify_bounds(constraints, table)
    _verify_sums(constraints, table)


def _keys(c: g.Constraint) -> tuple[Key, ...]:
    return tuple((t.name, t.index) for t in c.terms)


def _with_parts(keys: list[Key], ties: list[tuple[Key, ...]]) -> list[Key]:
    """The keys, and for entries within what is tied those that they are tied to."""
    found = dict.fromkeys(keys)
    for _ in range(len(ties)):
        new: dict[Key, None] = {}
        for key in found:
            for one, two in (*ties, *(t[::-1] for t in ties)):
                inner = _inside(key, one)
                if inner is not None:
                    new[two[0], (*two[1], *inner)] = None
        if new.keys() <= found.keys():
            break
        found |= new
    return list(found)


def _inside(key: Key, whole: Key) -> tuple[int, ...] | None:
    """The rest of an index within what another index leaves."""
    n = len(whole[1])
    if key[0] != whole[0] or key[1][:n] != whole[1]:
        return None
    return key[1][n:]


def _shown(key: Key) -> str:
    return f"{key[0]}[{', '.join(map(str, key[1]))}]" if key[1] else key[0]


def _verify_simplexes(fixed: dict[Key, tuple[float, Span]], table: Table) -> None:
    rows: dict[Key, list[tuple[float, Span]]] = {}
    for (name, index), found in fixed.items():
        dims = table.dims(name)
        if table.types[name].kind == "simplex" and dims is not None and len(index) == len(dims):
            rows.setdefault((name, index[:-1]), []).append(found)
    for key, held in rows.items():
        total = sum(value for value, _ in held)
        if total > 1.0 + _SAME:
            span = max(s for _, s in held)
            table.report(diagnoses.simplex_too_full(span, _shown(key), total))


def _verify_bounds(constraints: Sequence[g.Constraint], table: Table) -> None:
    """Of one entry or param, bounds in the wrong order, or a value outside of them."""
    by_key: dict[Key, list[g.Constraint]] = {}
    for c in constraints:
        if c.kind in ("bound", "fixed"):
            by_key.setdefault(_keys(c)[0], []).append(c)
    for key, found in by_key.items():
        for one, two in combinations(found, 2):
            low = [_value(c) for c in (one, two) if c.relation != "<="]
            high = [_value(c) for c in (one, two) if c.relation != ">="]
            crossed = low and high and max(low) > min(high)
            if crossed and "bound" in (one.kind, two.kind):
                table.report(
                    diagnoses.no_value_left(two.span, _shown(key), one.text, two.text, one.span)
                )
                break


def _verify_sums(constraints: Sequence[g.Constraint], table: Table) -> None:
    """Of each row of a simplex, bounds that leave no values that sum to 1.

    Ties aren't looked at, nor how many entries there are where it isn't written: a fit knows more.
    """
    about = [c for c in constraints if c.kind in ("bound", "fixed")
             and table.types[c.terms[0].name].kind == "simplex"]  # fmt: skip
    rows = dict.fromkeys((n, i[: len(table.batch.get(n, ()))]) for n, i in map(_key, about))
    reported: set[Key] = set()
    for row in sorted(rows, key=lambda key: len(key[1])):
        found = [c for c in about if _inside(row, _row_of(c, table)) is not None]
        dims = table.dims(row[0])
        wider = any(_inside(row, key) is not None for key in reported)
        if dims is None or wider or all(c.kind == "fixed" for c in found):
            continue
        least, most = _sums(found, dims)
        if least > 1.0 + _SAME or most < 1.0 - _SAME:
            reported.add(row)
            side, total = ("least", least) if least > 1.0 else ("most", most)
            last = max(c.span for c in found)
            table.report(diagnoses.simplex_beyond(last, _shown(row), side, total))


def _row_of(c: g.Constraint, table: Table) -> Key:
    name, index = _key(c)
    return name, index[: len(table.batch.get(name, ()))]


def _sums(found: Sequence[g.Constraint], dims: tuple[g.Extent, ...]) -> tuple[float, float]:
    """What the entries of a row come to together, at least and at most."""
    whole = [c for c in found if len(_key(c)[1]) < len(dims)]
    entries: dict[int, list[g.Constraint]] = {}
    for c in found:
        if c not in whole:
            entries.setdefault(_key(c)[1][-1], list(whole)).append(c)
    ranges = [_range(own) for own in entries.values()]
    least, most = (sum(side) for side in zip(*ranges, strict=True)) if ranges else (0.0, 0.0)
    extent = dims[-1]
    if not isinstance(extent, g.Fixed):
        return least, math.inf
    low, high = _range(whole)
    others = extent.value - len(entries)
    return least + others * low, most + others * high


def _range(found: Sequence[g.Constraint]) -> tuple[float, float]:
    """Between what these keep an entry of a simplex."""
    low = max((_value(c) for c in found if c.relation != "<="), default=0.0)
    high = min((_value(c) for c in found if c.relation != ">="), default=1.0)
    return max(low, 0.0), min(high, 1.0)


def _key(c: g.Constraint) -> Key:
    return _keys(c)[0]


def _value(c: g.Constraint) -> float:
    return c.value / c.terms[0].coefficient
