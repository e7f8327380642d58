"""How the parameters of a numeric block lie side by side in a flat array: the same at each call."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from emdsl.runtime.charts import JUMP, KINDS
from emdsl.runtime.objective import Floats, Mask, Point


@dataclass(frozen=True, slots=True)
class Layout:
    """B problems of n entries each.

    shapes, own : each parameter's shape, and that of one problem's part; lead : the batch's.
    slices : where each parameter's entries are among the n.
    logs, logits : which entries have such coordinates, (n,).
    jumps : the longest sensible step of each coordinate, (n,); None where all are infinite.
    """

    shapes: tuple[tuple[int, ...], ...]
    own: tuple[tuple[int, ...], ...]
    lead: tuple[int, ...]
    problems: int
    slices: tuple[slice, ...]
    entries: int
    logs: Mask
    logits: Mask
    only_logs: bool
    jumps: Floats | None

    def joined(self, arrays: Point) -> Floats:
        """Arrays (*batch, *own_i) side by side, (B, n)."""
        parts = [np.asarray(a).reshape(self.problems, -1) for a in arrays]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

    def parted(self, flat: Floats) -> Point:
        """The inverse of `joined`."""
        return tuple(
            flat[:, at].reshape(shape) for at, shape in zip(self.slices, self.shapes, strict=True)
        )


@functools.lru_cache(maxsize=256)
def layout(kinds: tuple[str, ...], shapes: tuple[tuple[int, ...], ...], batch: int) -> Layout:
    """The layout of parameters of these kinds and shapes, `batch` axes of which are the batch's.

    Raises ValueError for a kind that has no coordinates.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"no unconstrained coordinates of a {kind}")
    own = tuple(shape[batch:] for shape in shapes)
    widths = [math.prod(shape) for shape in own]
    ends = [sum(widths[: i + 1]) for i in range(len(widths))]
    logs = np.repeat([kind == "positive" for kind in kinds], widths)
    jumps = np.repeat([np.inf if kind == "real" else JUMP for kind in kinds], widths)
    return Layout(
        shapes=shapes,
        own=own,
        lead=shapes[0][:batch],
        problems=math.prod(shapes[0][:batch]),
        slices=tuple(slice(e - w, e) for e, w in zip(ends, widths, strict=True)),
        entries=ends[-1],
        logs=logs,
        logits=np.repeat([kind == "unit" for kind in kinds], widths),
        only_logs=bool(logs.all()),
        jumps=jumps if any(kind != "real" for kind in kinds) else None,
    )
