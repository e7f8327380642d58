"""Every family by every choice of estimated parameters: a closed form that holds, or a reason."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest

import emdsl
from emdsl.families import FAMILIES
from emdsl.families.family import Family, Parameter
from emdsl.runtime.api import sample
from emdsl.source import Source
from tests.gallery.nearby import verify_maximum

TRUE = {"real": 0.5, "positive": 2.5, "unit": 0.3, "count": 7, "int": 3}
ESTIMATED = {"real", "positive", "unit"}
SCALAR = [f for f in FAMILIES.values() if not f.event and not any(p.event for p in f.parameters)]


def namings(family: Family) -> Iterator[tuple[Parameter, ...]]:
    """The family's own parameters, and those with each alternative in place."""
    yield family.parameters
    for other in family.alternatives:
        kept = tuple(p for p in family.parameters if p.name not in other.replaces)
        yield (*kept, *other.parameters)


def text(family: Family, parameters: tuple[Parameter, ...], free: set[str], mixed: bool) -> str:
    """A sample or a mixture of two, with the `free` parameters estimated, the others known."""
    batch, index = ("[K]", "[z[n]]") if mixed else ("", "")
    arguments = ", ".join(
        f"{p.name} = q_{p.name}{index}" if p.name in free else f"{p.name} = {TRUE[p.kind]}"
        for p in parameters
    )
    return "\n".join([
        "model A(K = 2)" if mixed else "model A",
        *["param w : simplex[K]"] * mixed,
        *(f"param q_{p.name}{batch} : {p.kind}" for p in parameters if p.name in free),
        "for n in N:",
        *["    latent z[n] ~ Categorical(w)"] * mixed,
        f"    data x[n] : {family.kind} ~ {family.name}({arguments})",
        "",
    ])  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("family", SCALAR, ids=lambda family: family.name)
@pytest.mark.parametrize("mixed", [False, True], ids=["alone", "mixture"])
def test_each_choice_of_parameters(family: Family, mixed: bool) -> None:
    for parameters in namings(family):
        names = [p.name for p in parameters if p.kind in ESTIMATED]
        for chosen in product([False, True], repeat=len(names)):
            free = {name for name, is_free in zip(names, chosen, strict=True) if is_free}
            if not free:
                continue
            try:
                module = emdsl.load(Source(text(family, parameters, free, mixed)))
            except emdsl.CompileError:
                continue
            spread = np.array([1.0, 1.5]) if mixed else 1.0
            true = {f"q_{p.name}": TRUE[p.kind] * spread for p in parameters if p.name in free}
            if mixed:
                true["w"] = np.array([0.4, 0.6])
            drawn = sample(module.PROGRAM, true, {"N": 150}, seed=1)
            data = {"x": drawn["x"]}
            if not (mixed and module.PROGRAM.numeric):
                verify_maximum(module, data, {}, restarts=3)
            elif module.fit(data, restarts=3, progress=False).status != "degenerate":
                # EM creeps along the ridges of mixtures of shapes
                verify_maximum(module, data, {}, restarts=3, tolerance=1e-6)
