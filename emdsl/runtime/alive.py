"""What is left to estimate where a prior has pruned: the parameters of what is alive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.constraints import Constraints
from emdsl.runtime.params import free_params
from emdsl.runtime.program import Meta, Param, Params
from emdsl.runtime.restrict import unconstrained

Gone = Mapping[str, frozenset[int]]  # of a named size, the values that no latent has any more


def along_gone(param: Param, shape: tuple[int, ...], gone: Gone) -> NDArray[np.bool_]:
    """Which entries (matrices, where the shape is without theirs) go with values that are gone."""
    found = np.zeros(shape, dtype=np.bool_)
    for axis, dim in enumerate(param.dims[: len(param.dims) - param.event]):
        if isinstance(dim, str) and dim in gone:
            np.moveaxis(found, axis, 0)[sorted(gone[dim])] = True
    return found


def counted(
    meta: Meta,
    sizes: Mapping[str, int],
    constraints: Constraints | None,
    params: Params,
    gone: Gone,
) -> int:
    """How many numbers are estimated: none that a prior took to 0, and none of what went with it.

    As if the parameters of values that are gone, and shares of exactly 0, were held.
    """
    held = {p.name: np.zeros(np.shape(params[p.name]), dtype=bool) for p in meta.params}
    for p in meta.params:
        if p.prior and p.kind == "simplex":
            held[p.name] |= np.asarray(params[p.name]) == 0.0
        held[p.name] |= along_gone(p, held[p.name].shape, gone)
    if not any(h.any() for h in held.values()):
        return free_params(meta, sizes, constraints)
    rules = constraints if constraints is not None else unconstrained(meta, sizes)
    fixed, spans = rules.fixed.copy(), dict(rules.spans)
    for p in meta.params:
        at, away = rules.of(p.name), held[p.name]
        now = np.where(away, params[p.name], rules.values(p.name))
        fixed[at] = now.ravel()
        if p.shift is not None:  # what may be added to all scores of a softmax, of those left
            alive = int((~away).any(axis=p.shift).sum())
            spans[p.name] = replace(spans[p.name], gauge=min(spans[p.name].gauge, alive))
    return replace(rules, fixed=fixed, spans=spans, _systems={}).free()
