"""Which arrays are limits, that may be missing or infinite where there is none."""

from __future__ import annotations

from emdsl.inference.references import refs_in
from emdsl.model.drawn import leaves
from emdsl.model.graph import AxisRef, Limited, Model, Ref


def open_limits(model: Model) -> dict[str, str]:
    """`ends` of data that are intervals; `lower` or `upper` of inputs that are nothing else."""
    uses: dict[str, set[str]] = {}
    out: dict[str, str] = {}
    for v in model.variables:
        if v.dist is None:
            continue
        limits: list[str] = []
        for leaf in leaves(v.dist):
            if not isinstance(leaf, Limited):
                continue
            if leaf.kind == "interval":
                out[v.name] = "ends"
            for word, limit in (("lower", leaf.lower), ("upper", leaf.upper)):
                if isinstance(limit, Ref) and limit.role == "input" and _is_own(limit):
                    uses.setdefault(limit.name, set()).add(word)
                    limits.append(limit.name)
        for ref in refs_in(v.dist):
            if ref.role == "input":
                if ref.name in limits:
                    limits.remove(ref.name)
                else:
                    uses.setdefault(ref.name, set()).add("otherwise")
    for name, words in uses.items():
        if len(words) == 1 and model.variable(name).type.kind in ("real", "positive", "unit"):
            (word,) = words
            if word != "otherwise":
                out[name] = word
    weights = {p.weight.name for p in model.plates if p.weight is not None}
    return {name: word for name, word in out.items() if name not in weights}


def _is_own(limit: Ref) -> bool:
    """Whether a limit is the row's own."""
    return all(isinstance(i, AxisRef) for i in limit.indices)
