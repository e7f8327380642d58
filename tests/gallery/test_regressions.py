"""Predictors in every place: the fit is a maximum, the E- and the M-step are the oracle's."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from emdsl.compiler import Compiled, compile_source, import_text
from emdsl.source import Source
from emdsl.verify.checks import Case, check_e_step, check_fisher, check_m_step
from emdsl.verify.coordinates import jittered
from tests.gallery.nearby import verify_maximum
from tests.gallery.regressions import REGRESSIONS, N

FEW = 24  # rows that the oracle sums over


@cache
def compiled(case: str) -> tuple[Compiled, Any]:
    found = compile_source(Source(REGRESSIONS[case][0].lstrip(), "m.em"))
    return found, import_text(found.module, f"R{list(REGRESSIONS).index(case)}")


def few(data: dict[str, Any]) -> dict[str, Any]:
    """The first rows; of nested ones, those of the first groups."""
    groups = len(set(data["g"][:FEW].tolist())) if "g" in data else 0
    return {name: x[: FEW if len(x) == N else groups] for name, x in data.items()}


@pytest.mark.parametrize("case", REGRESSIONS)
def test_nothing_near_a_fit_is_better(case: str) -> None:
    verify_maximum(compiled(case)[1], REGRESSIONS[case][1](), {}, restarts=2)


@pytest.mark.parametrize("case", REGRESSIONS)
def test_is_what_the_oracle_says(case: str) -> None:
    found, module = compiled(case)
    data = few(REGRESSIONS[case][1]())
    rng = np.random.default_rng(3)
    fit = module.fit(data, restarts=1, max_iter=2, progress=False)
    params = jittered(found.model, fit.params, rng, 0.2)
    checked = Case(found, module, data, params)
    assert check_e_step(checked) == []
    assert check_fisher(checked) == []
    assert check_m_step(checked, rng, moves=8) == []
