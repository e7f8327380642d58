"""Parameters given by users: their shapes, supports and sizes. Also neutral ones and counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from emdsl.runtime.cells import CellError, read_cells
from emdsl.runtime.constraints import Constraints
from emdsl.runtime.errors import ParamsError, near
from emdsl.runtime.gather import cell_text
from emdsl.runtime.program import Floats, Meta, Param, Params
from emdsl.runtime.rotations import exact
from emdsl.runtime.supports import MATRICES, violation


def param_shape(param: Param, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The parameter's shape under these sizes."""
    return tuple(sizes[d] if isinstance(d, str) else d for d in param.dims)


def param_type(param: Param) -> str:
    """The declaration as the model file writes it: mean[K] : real[D]."""
    split = len(param.dims) - param.event
    outer, inner = param.dims[:split], param.dims[split:]
    if param.kind in MATRICES:
        inner = inner[:1]
    lead = f"[{', '.join(map(str, outer))}]" if outer else ""
    event = f"[{', '.join(map(str, inner))}]" if inner else ""
    return f"{param.name}{lead} : {param.kind}{event}"


def neutral_params(meta: Meta, sizes: Mapping[str, int]) -> Params:
    """A value of no opinion for every parameter: near 0, 1, 1/2, uniform, the identity.

    Not 0 itself, where a product of two parameters has a saddle that no update leaves.
    """
    return {p.name: _neutral_param(p, param_shape(p, sizes)) for p in meta.params}


def _neutral_param(param: Param, shape: tuple[int, ...]) -> Floats:
    if param.kind in ("positive", "shape"):
        return np.ones(shape)
    if param.kind == "unit":
        return np.full(shape, 0.5)
    if param.kind == "simplex":
        return np.full(shape, 1.0 / shape[-1])
    if param.kind in MATRICES:
        return np.array(np.broadcast_to(np.eye(shape[-1]), shape))
    if param.kind == "ordered":
        return np.array(np.broadcast_to(np.arange(shape[-1], dtype=np.float64), shape))
    count = math.prod(shape)
    return 0.1 + 0.1 * np.arange(count).reshape(shape) / max(count, 1)


def free_params(
    meta: Meta, sizes: Mapping[str, int], constraints: Constraints | None = None
) -> int:
    """How many numbers are estimated.

    A simplex[D] and a shape[D] have D - 1, a posdef[D] D (D + 1) / 2, an orthogonal[D]
    D (D - 1) / 2. A softmax's weights with a row for every class count as with one class for
    reference. Under constraints, what these leave of them.
    """
    if constraints is not None:
        return constraints.free()
    total = 0
    for param in meta.params:
        shape = param_shape(param, sizes)
        if param.kind in ("simplex", "shape"):
            total += math.prod(shape[:-1]) * (shape[-1] - 1)
        elif param.kind == "posdef":
            total += math.prod(shape[:-2]) * (shape[-1] * (shape[-1] + 1) // 2)
        elif param.shift is not None:
            total += math.prod(shape) - math.prod(shape) // shape[param.shift]
        elif param.kind == "orthogonal":
            total += math.prod(shape[:-2]) * (shape[-1] * (shape[-1] - 1) // 2)
        else:
            total += math.prod(shape)
    return total


def sizes_of_params(meta: Meta, params: Any) -> dict[str, int]:
    """The sizes that given parameters have, where their ranks fit; nothing is checked here."""
    sizes: dict[str, int] = {}
    for param in meta.params:
        if isinstance(params, Mapping) and param.name in params:
            try:
                shape = np.shape(params[param.name])
            except ValueError:  # ragged: check_params says so
                continue
            if len(shape) == len(param.dims):
                for dim, extent in zip(param.dims, shape, strict=True):
                    if isinstance(dim, str):
                        sizes.setdefault(dim, extent)
    return sizes


def check_params(
    meta: Meta, params: Any, sizes: Mapping[str, int], *, partial: bool = False
) -> Params:
    """Parameters as float64 arrays of the right shapes and in their supports.

    partial : whether some may be absent.

    Raises ParamsError with every problem found.
    """
    names = [p.name for p in meta.params]
    if not isinstance(params, Mapping):
        kind = type(params).__name__
        raise ParamsError(f"params is a {kind}, expected a mapping from names ({', '.join(names)})")
    problems = [
        f"{name!r} is no parameter of {meta.name}, expected {', '.join(names)}"
        f"{near(str(name), names)}"
        for name in params
        if name not in names
    ]
    out: Params = {}
    for param in meta.params:
        if param.name in params:
            value = _check_param(param, params[param.name], sizes, problems)
            if value is not None:
                out[param.name] = value
        elif not partial:
            problems.append(f"{param.name} is not given, expected shape {_shape(param, sizes)}")
    if problems:
        raise ParamsError(problems)
    return out


def _shape(param: Param, sizes: Mapping[str, int]) -> str:
    return str(tuple(sizes.get(d, d) if isinstance(d, str) else d for d in param.dims))


def _check_param(
    param: Param, value: Any, sizes: Mapping[str, int], problems: list[str]
) -> Floats | None:
    try:
        cells = read_cells(value)
    except CellError as error:
        problems.append(f"{cell_text(param.name, error.index)} {error.text}")
        return None
    found, expected = cells.values, param_shape(param, sizes)
    if found.shape != expected:
        problems.append(f"{param.name} has shape {found.shape}, expected {expected} "
                        f"({', '.join(map(str, param.dims))})")  # fmt: skip
        return None
    if cells.missing is not None:
        index = tuple(int(i) for i in np.argwhere(cells.missing)[0])
        problems.append(f"{cell_text(param.name, index)} is missing, expected a number")
        return None
    wrong = violation(found, param.kind)
    if wrong is not None:
        where = cell_text(param.name, wrong.index)
        problems.append(f"{where} is {wrong.found}, expected {wrong.expected}")
        return None
    found = np.array(found)
    if param.kind == "simplex":
        total = found.sum(axis=-1, keepdims=True)
        if np.abs(total - 1.0).max(initial=0.0) > 1e-12:  # printed digits: make it exact
            found /= total
    return exact(param.kind, found)
