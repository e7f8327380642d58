"""A declared representation integrates to the family's own density."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from emdsl.families import FAMILIES
from emdsl.families.evaluate import evaluate
from emdsl.families.family import Drawn, Family, Representation, U, V
from tests.families.test_densities import log_density

REPRESENTED = [(f, r) for f in FAMILIES.values() for r in f.representations]
VALUES: dict[str, tuple[float, ...]] = {
    "positive": (1.3, 2.6),
    "unit": (0.4, 0.65),
    "real": (-0.4, 0.6),
    "count": (9,),
}
VARIATES: dict[str, tuple[float, ...]] = {
    "real": (-2.0, 0.1, 1.5),
    "count": (0, 2, 8),
    "bool": (0, 1),
}
# the latent is normal about this argument, and about a function of the others that isn't linear
ONLY = {"Bernoulli": [["probit"]]}


@pytest.mark.parametrize(
    ("family", "representation"),
    REPRESENTED,
    ids=[f"{f.name}-{'-'.join(r.parameters)}" for f, r in REPRESENTED],
)
def test_a_representation_integrates_to_the_density(
    family: Family, representation: Representation
) -> None:
    names = representation.parameters
    symbols = [family.symbol(n) for n in names]
    kinds = {q.name: q.kind for q in family.parameters}
    kinds |= {q.name: q.kind for a in family.alternatives for q in a.parameters}
    for values in itertools.product(*(VALUES[kinds[n]] for n in names)):
        environment: dict[Any, Any] = dict(zip(symbols, values, strict=True))
        for x in VARIATES[family.kind]:
            whole = _integral(representation, x, environment)
            own = np.exp(log_density(family, x, dict(zip(names, values, strict=True))))
            assert whole == pytest.approx(own, rel=1e-6)


def _integral(representation: Representation, x: float, environment: dict[Any, Any]) -> float:
    """By the trapezoidal rule over log u, or the logit of a chance; by midpoints over a real u."""
    t, step = np.linspace(-90.0, 90.0, 6001, retstep=True)
    if FAMILIES[representation.latent.family].kind == "unit":
        t, step = np.linspace(-35.0, 35.0, 6001, retstep=True)
        u = 1 / (1 + np.exp(-t))
        slope = u / (1 + np.exp(t))
    elif FAMILIES[representation.latent.family].kind == "real":
        ends, step = np.linspace(-15.0, 15.0, 6001, retstep=True)
        u, slope = (ends[1:] + ends[:-1]) / 2, 1.0  # a density may jump at 0, where one ends
    else:
        u = slope = np.exp(t)
    here = {**environment, U: u, V: u}
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        joint = _log_of(representation.latent, u, here) + _log_of(representation.given, x, here)
        values = slope * np.exp(joint)
    return float(step * np.nansum(values))


def _log_of(drawn: Drawn, x: Any, environment: dict[Any, Any]) -> Any:
    family = FAMILIES[drawn.family]
    given = {family.symbol(n): evaluate(e, environment) for n, e in drawn.arguments}
    return evaluate(
        family.log_density_in([n for n, _ in drawn.arguments]), {**given, family.variable: x}
    )


@pytest.mark.parametrize("family", [f for f in FAMILIES.values() if f.representations],
                         ids=lambda f: f.name)  # fmt: skip
def test_every_way_of_writing_the_arguments_has_one(family: Family) -> None:
    canonical = [p.name for p in family.parameters]
    written = [canonical]
    written += [
        [n for n in canonical if n not in a.replaces] + [q.name for q in a.parameters]
        for a in family.alternatives
    ]
    written = ONLY.get(family.name, written)
    for names in written:
        assert family.representation(names) is not None
    assert len(family.representations) == len(written)
    assert family.representation(["nothing"]) is None
