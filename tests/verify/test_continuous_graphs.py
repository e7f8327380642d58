"""The oracle of continuous latents on random models: it takes them all, and agrees with itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emdsl.model.build import build
from emdsl.model.graph import Model
from emdsl.source import Source
from emdsl.syntax.parse import parse
from emdsl.verify import enumeration as exact
from emdsl.verify.coordinates import gradient
from emdsl.verify.evaluate import log_prior
from emdsl.verify.moments import moments
from tests.inference.continuous_draft import Latents
from tests.inference.continuous_graphs import KINDS, draft

NORMAL = ("rows", "groups", "crossed", "nested", "global", "chains")  # quick to solve exactly


def model(d: Latents) -> Model:
    source = Source(d.text(), "graph.em")
    return build(parse(source), source)[0]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", KINDS)
def test_evidence_and_moments(kind: str, seed: int) -> None:
    d = draft(kind, seed)
    found = exact.elements(model(d), d.data, d.values)
    assert np.isfinite(exact.log_likelihood(found))
    for at in moments(found).values():
        for mean, spread in at.values():
            assert np.isfinite(mean).all()
            variances = np.atleast_2d(spread)
            assert np.linalg.eigvalsh(variances).min() > -1e-9 * variances.max()


def score(kind: str, seed: int) -> tuple[list[float], list[float]]:
    """The gradient of the log evidence and the log prior, and that of Q, by finite differences."""
    d = draft(kind, seed)
    m = model(d)
    found = exact.elements(m, d.data, d.values)

    def objective(p: dict[str, Any]) -> float:
        there = exact.elements(m, d.data, p)
        return exact.log_likelihood(there) + log_prior(there.world)

    def q(p: dict[str, Any]) -> float:
        return exact.expected(m, d.data, p, found)

    return list(gradient(objective, m, d.values).values()), list(gradient(q, m, d.values).values())


@pytest.mark.parametrize("kind", NORMAL)
def test_fisher(kind: str) -> None:
    log_p, q = score(kind, 1)
    assert log_p == pytest.approx(q, rel=1e-6, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
@pytest.mark.parametrize("kind", NORMAL)
def test_fisher_of_more(kind: str, seed: int) -> None:
    log_p, q = score(kind, seed)
    assert log_p == pytest.approx(q, rel=1e-6, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["conjugate", "scaled"])
def test_fisher_of_integrals(kind: str, seed: int) -> None:
    log_p, q = score(kind, seed)
    assert log_p == pytest.approx(q, rel=1e-6, abs=1e-6)
