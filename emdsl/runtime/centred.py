"""A fit to covariates less constants, and the parameters that go with them.

    a + b . u = (a + b . c) + b . (u - c)

The compiler says what makes up for c (see `Translation`), the data what c is, and here parameters
are taken from one to the other. What is on the way in is said of u, on the way out of u - c.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.constraints import Constraints
from emdsl.runtime.offsets import AWAY, Columns, columns_of, covariates, far_columns, far_text
from emdsl.runtime.program import Absorbed, Array, Bound, Floats, Meta, Params, Translation

_MOST = 3  # columns of an array that are told of
_ROUNDING = 2.2e-16


@dataclass(frozen=True, slots=True)
class Moved:
    """An array less `constant`, of the shape of one element.

    `ones` is the column that is the same everywhere, `one` what it is there; of arrays that need
    none, -1 and 1.
    """

    by: Translation
    constant: Floats
    ones: int
    one: float
    lost: bool  # whether coefficients would be lost in rounding


@dataclass(frozen=True, slots=True)
class Centred:
    """Arrays less constants, one after the other; nothing where no array is."""

    moved: tuple[Moved, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.moved)

    def bound(self, bound: Bound) -> Bound:
        """The data less the constants."""
        if not self.moved:
            return bound
        arrays = dict(bound.arrays)
        for m in self.moved:
            arrays[m.by.array] = np.ascontiguousarray(arrays[m.by.array] - m.constant)
        return replace(bound, arrays=arrays)

    def inward(self, params: Params) -> Params:
        """Parameters of the data as they are as those of the data less the constants."""
        for m in self.moved:
            params = _taken(m, params, 1.0)
        return params

    def merged(self, params: Params, given: Params) -> Params:
        """Parameters of the data less the constants, but for some given of the data as they are."""
        out = {**params, **given}
        for m in self.moved:
            out |= {name: out[name] + size for name, size in _moves(m, out) if name in given}
        return out

    def outward(self, params: Params) -> Params:
        """The other way round."""
        for m in self.moved[::-1]:
            params = _taken(m, params, -1.0)
        return params

    def notes(self, params: Params, told: bool) -> list[str]:
        """What to say of the constants, given the fitted parameters.

        told : whether there are messages, which are about these parameters.
        """
        notes = []
        for m in self.moved[::-1]:
            sizes = {n: float(np.abs(size).max(initial=0.0)) for n, size in _moves(m, params)}
            params = _taken(m, params, -1.0)
            if told or m.lost:
                notes.append(_note(m, sizes) + ("; other notes are of this fit" * told))
        return notes[::-1]


def _note(moved: Moved, sizes: Mapping[str, float]) -> str:
    name = moved.by.array
    places = np.argwhere(moved.constant != 0.0)
    shown = " and ".join(_less(moved, at) for at in places[:_MOST])
    more = f" (and so on for {len(places) - _MOST} more)" if len(places) > _MOST else ""
    known = " and ".join(f"{n} by {size * _ROUNDING:.0e}" for n, size in sizes.items() if size)
    rounded = f"; at {name} as it is, rounding moves {known}" if known else ""
    return f"the fit is to {shown}{more}, for {name} is far from zero{rounded}"


def _less(moved: Moved, at: NDArray[np.intp]) -> str:
    """What is left of a column: `u[:, 0] - 100`."""
    indices = ", ".join([":", *map(str, at)])
    taken = float(moved.constant[tuple(at)])
    column = f"{moved.by.array}[{indices}]" if len(at) else moved.by.array
    return f"{column} {'-' if taken > 0.0 else '+'} {abs(taken):.9g}"


def centred(
    meta: Meta, bound: Bound, constraints: Constraints | None, *, whole: bool = True
) -> tuple[Centred, list[str]]:
    """What to take off covariates, and what to say of those far from zero that stay as they are.

    whole : whether `bound` is all there is to learn from; of other data (a row may be alone)
        columns that are the same everywhere are taken off too, and only inputs are.
    """
    moved: list[Moved] = []
    notes: list[str] = []
    by = {t.array: t for t in meta.translations}
    for array in covariates(meta):
        if array.open or array.name not in bound.arrays or not (whole or array.role == "input"):
            continue
        found = far_columns(columns_of(array, bound))
        if found is None:
            continue
        far = found.far
        if not whole:
            far = far | (found.constant & (np.abs(found.mean) > AWAY))
        if not far.any():
            continue
        translation = by.get(array.name)
        if translation is None:
            if array.role == "input":
                notes += _left(array, found, "")
            continue
        one = _one(translation, found, far, constraints)
        if isinstance(one, str):
            notes += _left(array, found, one)
        else:
            moved.append(one)
    return Centred(tuple(moved)), notes


def _left(array: Array, found: Columns, why: str) -> list[str]:
    """What to say of an array that stays as it is."""
    because = f" ({why}, so that it isn't done here)" if why else ""
    return [
        f"{far_text(array, tuple(int(i) for i in at), found)}: a coefficient of it is lost in "
        f"rounding; subtract its mean{because}"
        for at in np.argwhere(found.lost)[:_MOST]
    ]


def _one(
    by: Translation, found: Columns, far: NDArray[np.bool_], constraints: Constraints | None
) -> Moved | str:
    """One array's constants; or why there are none."""
    if not (by.absorbed or by.own):
        return by.why
    ones, one = -1, 1.0
    if by.own:
        able = found.constant & (found.mean != 0.0)
        if not able.any():
            return f"{by.why}, nor is any column the same everywhere"
        ones = int(np.where(able, np.abs(found.mean), np.inf).argmin())
        one = float(found.mean[ones])
        far = far & (np.arange(len(far)) != ones)
    constant = np.where(far, _short(found.mean, found.spread), 0.0)
    moved = Moved(by, constant, ones, one, bool(found.lost.any()))
    held = "" if constraints is None else _held(moved, constraints)
    return f"{held} is fixed, tied or bounded" if held else moved


def _short(mean: Floats, spread: Floats) -> Floats:
    """Numbers of few digits near the mean: u - c is exact where u is near c (Sterbenz 1974)."""
    step = np.exp2(np.floor(np.log2(np.where(spread > 0.0, spread, np.abs(mean) + (mean == 0.0)))))
    return np.asarray(np.where(spread > 0.0, np.round(mean / step) * step, mean))


def _held(moved: Moved, constraints: Constraints) -> str:
    """A parameter with an entry that would have to move and mustn't; "" where there is none.

    An entry doesn't move where all that would move it is held at zero, as a softmax's reference is.
    """
    for name in constraints.texts:
        used = {a.param for a in moved.by.absorbed} | {n for n, _ in moved.by.own}
        if name not in used:
            continue
        free = {n: ~(constraints.values(n) == 0.0) * 1.0 for n in constraints.spans}
        touched = replace(moved, constant=(moved.constant != 0.0) * 1.0, one=1.0)
        for other, size in _moves(_unsigned(touched), free):
            if other == name and ((size > 0.0) & constraints.constrained[constraints.of(name)]
                                  .reshape(constraints.spans[name].shape)).any():  # fmt: skip
                return name
    return ""


def _unsigned(moved: Moved) -> Moved:
    """With all numbers one, so that nothing cancels."""
    absorbed = tuple(
        replace(a, moves=tuple((1.0, f, at, power) for _, f, at, power in a.moves))
        for a in moved.by.absorbed
    )
    return replace(moved, by=replace(moved.by, absorbed=absorbed))


# --- moving parameters ---------------------------------------------------------------------------


def _taken(moved: Moved, params: Params, sign: float) -> Params:
    out = dict(params)
    for name, size in _moves(replace(moved, constant=sign * moved.constant), params):
        out[name] = params[name] + size
    return out


def _moves(moved: Moved, params: Mapping[str, Floats]) -> list[tuple[str, Floats]]:
    """What is added to each parameter, in its shape; of those that `params` are enough for."""
    out: list[tuple[str, Any]] = []
    for absorbed in moved.by.absorbed:
        needed = {absorbed.param} | {n for _, f, *_ in absorbed.moves for n, _ in f}
        if needed <= params.keys():
            shape = np.shape(params[absorbed.param])
            out.append((absorbed.param, _sum(absorbed, params, moved.constant, shape)))
    for name, axis in moved.by.own:
        if name in params:
            size = np.zeros(np.shape(params[name]))
            total = np.tensordot(params[name], moved.constant, axes=(axis, 0)) / moved.one
            np.moveaxis(size, axis, 0)[moved.ones] = total
            out.append((name, size))
    return out


def _sum(
    absorbed: Absorbed, params: Mapping[str, Floats], constant: Floats, shape: tuple[int, ...]
) -> Floats:
    total = np.zeros(shape)
    for number, factors, at, power in absorbed.moves:
        operands = [*((params[n], labels) for n, labels in factors), (constant**power, at)]
        parts = [
            np.asarray(x)[tuple(int(a) if a.isdigit() else slice(None) for a in labels)]
            for x, labels in operands
        ]
        letters = ["".join(a for a in labels if not a.isdigit()) for _, labels in operands]
        kept = [a for a in absorbed.labels if any(a in x for x in letters)]
        found = np.einsum(f"{','.join(letters)}->{''.join(kept)}", *parts)
        wide = [n if a in kept else 1 for a, n in zip(absorbed.labels, shape, strict=True)]
        total = total + number * np.reshape(found, wide)
    return np.asarray(total)
