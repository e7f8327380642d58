"""Entries of parameters with priors that are at the edge of their values, and what to say of them.

There a prior's density may be infinite (a Dirichlet's argument below 1); the log prior leaves such
entries out, so objectives before and after an entry went to the edge don't compare.
"""

from __future__ import annotations

import numpy as np

from emdsl.runtime.constraints import Constraints
from emdsl.runtime.program import Meta, Params


def at_edge(meta: Meta, params: Params, rules: Constraints | None = None) -> dict[str, int]:
    """How many entries of each parameter with a prior came to the edge exactly.

    Those that constraints hold there are no news.
    """
    found: dict[str, int] = {}
    for p in (p for p in meta.params if p.prior and p.kind in ("simplex", "positive", "unit")):
        value = np.asarray(params[p.name])
        edge = value == 0.0
        if p.kind == "unit":
            edge |= value == 1.0
        if rules is not None:
            edge &= np.isnan(rules.values(p.name))
        if edge.any():
            found[p.name] = int(np.count_nonzero(edge))
    return found


def edge_texts(meta: Meta, found: dict[str, int]) -> list[str]:
    """What to say of entries that ended at the edge."""
    kinds = {p.name: p.kind for p in meta.params}
    texts = []
    for name, count in found.items():
        which = "1 entry" if count == 1 else f"{count} entries"
        edge = "0 or 1" if kinds[name] == "unit" else "0"
        texts.append(
            f"at the edge: {which} of {name} ended at exactly {edge}; the log prior leaves out "
            "what is infinite there"
        )
    return texts
