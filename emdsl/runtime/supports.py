"""Which values a kind of number admits. Used of data and of parameters alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.finite import all_finite

Floats = NDArray[np.float64]

DISCRETE = frozenset({"int", "count", "bool", "category", "index"})
INTEGERS = frozenset({"bool", "category", "index"})  # bound as int64, the others as float64
MATRICES = frozenset({"posdef", "orthogonal"})
EVENT_AXES = {"simplex": 1, "ordered": 1, "shape": 1, "posdef": 2, "orthogonal": 2}
_SUM = 1e-6  # how far a simplex may be from 1, a matrix from symmetric: printed digits
_PRINTED = 1e-5  # the same of a product of 1 and of orthogonal columns: errors add up


@dataclass(frozen=True, slots=True)
class Violation:
    """Where values leave their support: (index of the first, how many), what was expected."""

    index: tuple[int, ...]
    count: int
    expected: str
    found: str


def violation(
    values: Floats,
    kind: str,
    upper: int | NDArray[np.int64] | None = None,
    lower: int = 0,
    *,
    finite: bool = False,
) -> Violation | None:
    """The first value outside the support of `kind`, or None. NaN cells are passed over.

    values : (..., event...), the event axes being one for a simplex and two for a matrix.
    upper : the number of values of a category or index, or of each element's own.
    lower : the least value of an index, -1 where there may be none.
    finite : whether all are known to be.
    """
    if not finite and not all_finite(values):
        bad = np.isinf(values)
        if bad.any():
            return _first(bad, values, "a finite number")
    if kind in EVENT_AXES:
        return _structured(values, kind)
    if kind == "positive":
        return _first(values <= 0.0, values, "a positive number")
    if kind == "unit":
        return _first((values < 0.0) | (values > 1.0), values, "a number from 0 to 1")
    if kind not in DISCRETE:
        return None
    with np.errstate(invalid="ignore"):
        fraction = values != np.floor(values)
    fraction &= ~np.isnan(values)
    if kind == "int":
        return _first(fraction, values, "a whole number")
    if kind == "count":
        return _first(fraction | (values < 0.0), values, "a count (0, 1, 2, ...)")
    top = 2 if kind == "bool" else upper
    if top is None:
        return _first(fraction | (values < lower), values, f"a whole number from {_least(lower)}")
    expected = "0 or 1" if kind != "index" and np.ndim(top) == 0 and top == 2 else ""
    wrong = _first(fraction | (values < lower) | (values >= top), values, expected)
    if wrong is None or expected:
        return wrong
    own = int(np.broadcast_to(top, values.shape)[wrong.index])
    return replace(wrong, expected=f"a whole number from {_least(lower)} to {own - 1}")


def _least(lower: int) -> str:
    return f"{lower} (none)" if lower < 0 else str(lower)


def _structured(values: Floats, kind: str) -> Violation | None:
    seen: Any = ~np.isnan(values).any(axis=tuple(range(-EVENT_AXES[kind], 0)))
    if kind == "simplex":
        off = np.abs(values.sum(axis=-1) - 1.0) > _SUM
        bad = seen & (off | (values < 0.0).any(axis=-1))
        return _first(bad, values, "nonnegative numbers that sum to 1")
    if kind == "ordered":
        bad = seen & (np.diff(values, axis=-1) < 0.0).any(axis=-1)
        return _first(bad, values, "increasing numbers")
    if kind == "shape":
        with np.errstate(divide="ignore", invalid="ignore"):
            off = ~(np.abs(np.log(values).sum(axis=-1)) <= _PRINTED)
        return _first(seen & off, values, "positive numbers with a product of 1")
    turned = np.swapaxes(values, -1, -2)
    if turned.shape != values.shape:
        return Violation((), 1, "square matrices", f"shape {values.shape}")
    if kind == "orthogonal":
        off = np.abs(turned @ values - np.eye(values.shape[-1])).max(axis=(-1, -2), initial=0.0)
        return _first(seen & (off > _PRINTED), values, "an orthogonal matrix")
    scale = np.abs(values).max(axis=(-1, -2), initial=0.0)
    bad = seen & (np.abs(values - turned).max(axis=(-1, -2), initial=0.0) > _SUM * scale)
    if bad.any():
        return _first(bad, values, "a symmetric matrix")
    try:
        np.linalg.cholesky(np.where(seen[..., None, None], values, np.eye(values.shape[-1])))
    except np.linalg.LinAlgError:
        bad = seen & (np.linalg.eigvalsh(np.where(np.isnan(values), 0.0, values))[..., 0] <= 0.0)
        bad = bad if bad.any() else seen
        return _first(bad, values, "a positive definite matrix")
    return None


def _first(bad: Any, values: Floats, expected: str) -> Violation | None:
    bad = np.asarray(bad)
    if not bad.any():
        return None
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
    found = values[index]
    shown = f"{found:.6g}" if np.ndim(found) == 0 else np.array2string(
        found, precision=6, separator=", ", threshold=8).replace("\n", "")  # fmt: skip
    return Violation(index, int(bad.sum()), expected, shown)
