"""Parameters that know what is to hold of them, for an M-step to take into account.

A generated `m_step` reads the old values of a parameter wherever it updates it. There they come as
a `Held` array, the functions of `numerics` that finish an update (`settle`, `solve`, `simplex`) see
it, and solve what is left free. Without constraints no such array exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.constraints import Constraints
from emdsl.runtime.program import Floats, Layout, Meta, Params, Program, Statistics
from emdsl.runtime.restrict import resolve


class Held(np.ndarray[Any, np.dtype[np.float64]]):
    """A parameter's old values, less `shift` (its pivot) if that was taken from them."""

    name: str
    constraints: Constraints | None
    shift: Any

    def __array_finalize__(self, obj: object) -> None:
        self.name = getattr(obj, "name", "")
        self.constraints = getattr(obj, "constraints", None)
        self.shift = getattr(obj, "shift", 0.0)

    def __sub__(self, pivot: Any) -> Held:  # type: ignore[override] # its own kind of array
        found = cast("Held", super().__sub__(pivot))
        found.shift = self.shift + np.asarray(pivot)
        return found

    @property
    def plain(self) -> Floats:
        """The same numbers as an ordinary array."""
        return np.asarray(self)

    def rules(self) -> Constraints:
        """What is to hold."""
        assert self.constraints is not None
        return self.constraints

    def fixed(self) -> NDArray[np.bool_]:
        """Which entries are held."""
        return self.rules().held(self.name)

    def shifts(self) -> Floats:
        """What was taken from each entry, in the parameter's shape."""
        return np.broadcast_to(np.asarray(self.shift, dtype=np.float64), self.shape)


def free(value: Floats) -> bool:
    """Whether nothing constrains a parameter, of its old values."""
    return not isinstance(value, Held)


def hold(params: Mapping[str, Any], constraints: Constraints) -> Params:
    """The parameters, those that are constrained as `Held` arrays with their fixed values in."""
    out: Params = dict(params)
    for name in constraints.texts:
        given = params[name]
        if isinstance(given, Held) and given.constraints is not None:
            continue  # those of a fit, which the file's are part of
        fixed = constraints.values(name)
        value = np.where(np.isnan(fixed), given, fixed).view(Held)
        value.name, value.constraints = name, constraints
        out[name] = cast("Floats", value)
    return out


def constrained(meta: Meta, params: Params, layout: Layout) -> Params:
    """The parameters that the `m_step` of a model with constraints of its own starts from."""
    found = _of_the_file(meta, tuple(sorted(layout.sizes.items())))
    return params if found is None else hold(params, found)


@lru_cache(maxsize=16)
def _of_the_file(meta: Meta, sizes: tuple[tuple[str, int], ...]) -> Constraints | None:
    return resolve(meta, dict(sizes))


def restricted(program: Program, constraints: Constraints | None) -> Program:
    """The program with an M-step under these constraints."""
    if constraints is None:
        return program
    rules = constraints

    def m_step(statistics: Statistics, params: Params) -> Params:
        new = program.m_step(statistics, hold(params, rules))
        return {n: v.plain if isinstance(v, Held) else v for n, v in new.items()}

    return replace(program, m_step=m_step)
