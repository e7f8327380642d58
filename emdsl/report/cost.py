"""What an iteration costs in the sizes: O(N K (1 + D + D^2)), O(S T K^2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import sympy as sp

from emdsl.derive.atoms import Elem, Ind, Value
from emdsl.derive.joint import Joint
from emdsl.derive.levels import Level
from emdsl.derive.statistics import Feature
from emdsl.inference.plan import Cluster, PiecePlan
from emdsl.model.graph import Extent, Fixed, Ragged
from emdsl.report.style import Math, Style

Counted = tuple[int, tuple[str, ...]]  # a number times named sizes
_Part = tuple[tuple[str, ...], tuple[Counted, ...], int]  # names (entries, added up) number


def count(joint: Joint, axes: tuple[str, ...]) -> Counted:
    """How many entries axes have."""
    return _counted(joint.atoms.axes[a].extent for a in axes)


def rows_of(joint: Joint, level: Level) -> Counted:
    """How many rows a level has; a ragged size stands for its mean."""
    return _counted(joint.model.plate(p).extent for p in level.plates)


def _counted(extents: Iterable[Extent]) -> Counted:
    number, names = 1, []
    for extent in extents:
        if isinstance(extent, Fixed):
            number *= extent.value
        else:
            names.append(extent.name)
    return number, tuple(names)


def times(*counts: Counted) -> Counted:
    """A product."""
    number = 1
    for n, _ in counts:
        number *= n
    return number, tuple(name for _, names in counts for name in names)


def largest(counts: Iterable[Counted]) -> list[Counted]:
    """Those that are not of a smaller order than another one."""
    found = list(dict.fromkeys((n, tuple(names)) for n, names in counts))
    return [a for a in found if not any(a != b and below(a, b) for b in found)]


def below(a: Counted, b: Counted) -> bool:
    """Whether a count is at most another, whatever the sizes."""
    return a[0] <= b[0] and not Counter(a[1]) - Counter(b[1])


def order(style: Style, counts: Iterable[str]) -> Math:
    """O(...) of counts as they are written."""
    return Math(style.function("O", " + ".join(dict.fromkeys(counts)) or "1", bare=False))


def written(style: Style, counted: Counted) -> str:
    """12 N K^2."""
    number, names = counted
    word = monomial(style, names)
    return f"{number} {word}" if number > 1 and word else word or str(number)


def features_cost(style: Style, joint: Joint, piece: PiecePlan, walked: list[Counted]) -> list[str]:
    """The sums over a level's rows: N K (1 + D + D^2); not what is below another count."""
    n, rows = rows_of(joint, piece.level)
    found: dict[tuple[tuple[str, ...], tuple[Counted, ...]], int] = {}
    parts: list[tuple[Counted, tuple[Feature, ...]]] = [
        (count(joint, (*_in_order(piece, c), *c.states[len(c.latents) :])), c.features)
        for c in piece.clusters if not c.shared
    ]  # fmt: skip
    every = [f for _, features in parts for f in features] + list(piece.direct_features)
    once = tuple(replace(f, axes=(*f.axes, *f.sums)) for f in every if f.sums)
    if piece.direct_features or once or not parts:
        parts.append(((1, ()), (*piece.direct_features, *once)))
    for (number, names), features in parts:
        each = [count(joint, _spread(joint, f)) for f in features]
        entries = {one[1]: one for one in each}
        key = (names, tuple(sorted(entries.values(), key=lambda e: (len(e[1]), e[1]))))
        found[key] = max(found.get(key, 0), number)
    kept = [
        (names, entries, number * n) for (names, entries), number in found.items()
        if not any(_below((names, entries, number), (a, b, m)) for (a, b), m in found.items())
        and not _covered((rows + names, entries, number * n), walked)
    ]  # fmt: skip
    return [_product(style, rows, names, entries, number) for names, entries, number in kept]


def _spread(joint: Joint, f: Feature) -> tuple[str, ...]:
    """The axes that a feature is spread over: not those it has one nonzero on, [y = v]."""
    if f.symmetric or f.sums:
        return f.axes
    factors = sp.Mul.make_args(f.expr)
    placed = set()
    for factor in factors:
        atom = joint.atoms.atom(factor) if isinstance(factor, sp.Symbol) else None
        if not (isinstance(atom, Ind) and isinstance(atom.condition, sp.Eq)):
            continue
        sides = [joint.atoms.atom(x) for x in atom.condition.args if isinstance(x, sp.Symbol)]
        axes = [a.axis for a in sides if isinstance(a, Value) and a.axis in f.axes]
        given = any(isinstance(a, Elem) and a.role in ("data", "input") for a in sides)
        others = [x for x in factors if x != factor]
        if len(axes) == 1 and given and axes[0] not in joint.atoms.axes_of(sp.Mul(*others)):
            placed.add(axes[0])
    return tuple(a for a in f.axes if a not in placed)


def _covered(part: _Part, others: list[Counted]) -> bool:
    names, entries, number = part
    each = [(number * e, names + more) for e, more in entries] or [(number, names)]
    return all(any(below(one, other) for other in others) for one in each)


def _in_order(piece: PiecePlan, cluster: Cluster) -> tuple[str, ...]:
    own = tuple(a for a in piece.latents if a in cluster.latents)
    return (*own, *(a for a in cluster.latents if a not in own))


def _below(one: _Part, other: _Part) -> bool:
    """Whether a part is of no larger order than another part."""
    fits = set(one[0]) <= set(other[0]) and {e[1] for e in one[1]} <= {e[1] for e in other[1]}
    return fits and one != other and one[2] <= other[2]


def _product(
    style: Style,
    rows: tuple[str, ...],
    names: tuple[str, ...],
    entries: tuple[Counted, ...],
    number: int,
) -> str:
    words = [str(number)] if number > 1 else []
    inner = [monomial(style, e[1]) or "1" for e in entries]
    alone = entries[0][1] if len(entries) == 1 else ()
    words += [monomial(style, (*rows, *names, *alone))]
    if len(inner) > 1:
        words.append(f"({' + '.join(inner)})")
    return " ".join(w for w in words if w) or "1"


def memory(style: Style, joint: Joint, pieces: Iterable[PiecePlan]) -> Math:
    """How many numbers the statistics of pieces are."""
    totals: dict[tuple[str, ...], int] = {}
    for s in (s for piece in pieces for s in piece.statistics):
        number, names = count(joint, s.axes)
        totals[names] = totals.get(names, 0) + number
    parts = []
    for names in sorted(totals, key=lambda x: (len(x), x)):
        word, number = monomial(style, names), totals[names]
        parts.append(word if number == 1 and word else f"{number} {word}".strip())
    return Math(" + ".join(parts) or "0")


def monomial(style: Style, names: tuple[str, ...]) -> str:
    """N K^2."""
    words = []
    for name in dict.fromkeys(names):
        power = names.count(name)
        base = style.name(name)
        words.append(base if power == 1 else style.power(base, str(power)))
    return " ".join(words)


def ragged(joint: Joint, level: Level) -> tuple[str, ...]:
    """The ragged sizes among a level's."""
    extents = [joint.model.plate(p).extent for p in level.plates]
    return tuple(e.name for e in extents if isinstance(e, Ragged))
