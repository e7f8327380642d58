"""Random models with continuous latents: the compiler against dense algebra and integrals.

Each model is compiled and its log likelihood, posterior, moments, score and updates are compared
with the oracle of `emdsl.verify`, which knows only the model graph.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest

from emdsl.compiler import compile_source, import_text
from emdsl.diagnostics import CompileError
from emdsl.source import Source
from emdsl.verify.checks import Case
from emdsl.verify.continuous_checks import check_continuous
from tests.inference.continuous_graphs import KINDS, draft

# The kinds whose models the compiler must take, with the share of them that it may refuse.
TAKEN: dict[str, float] = dict.fromkeys(
    ("rows", "groups", "crossed", "nested", "chains", "conjugate"), 0.4
)

REFUSALS = {"no-strategy", "no-closed-form", "unidentified-parameter"}
FAST, ALL, COUNTED = range(2), range(2, 40), range(6)


@cache
def seeded(kind: str, seed: int) -> Case | str:
    """The compiled model with its data, or the code it is refused with."""
    d = draft(kind, seed)
    try:
        made = compile_source(Source(d.text(), "graph.em"))
    except CompileError as error:
        codes = {x.code for x in error.diagnostics}
        if codes <= REFUSALS:
            return min(codes)
        raise
    return Case(made, import_text(made.module, "Graph"), d.data, d.values)


def check_seeded(kind: str, seed: int) -> None:
    case = seeded(kind, seed)
    if isinstance(case, str):
        pytest.skip(case)
    assert check_continuous(case, np.random.default_rng(seed)) == []


@pytest.mark.parametrize("seed", FAST)
@pytest.mark.parametrize("kind", KINDS)
def test_random_models(kind: str, seed: int) -> None:
    check_seeded(kind, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", ALL)
@pytest.mark.parametrize("kind", KINDS)
def test_more_random_models(kind: str, seed: int) -> None:
    check_seeded(kind, seed)


@pytest.mark.parametrize("kind", TAKEN)
def test_few_are_refused(kind: str) -> None:
    """A skip is no pass: what the compiler is said to take it takes."""
    found = Counter(
        c if isinstance(c, str) else "compiled" for c in (seeded(kind, s) for s in COUNTED)
    )
    assert found["compiled"] >= (1.0 - TAKEN[kind]) * len(COUNTED), found
