"""Random discrete graphs: what the compiler makes of them against every configuration written down.

Each model is compiled and its log likelihood, posterior, most probable configuration, score and
updates are compared with the oracle of `emdsl.verify`, which knows only the model graph.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from numpy.typing import NDArray

from emdsl.compiler import compile_source, import_text
from emdsl.diagnostics import CompileError
from emdsl.model.graph import Fixed, Model
from emdsl.runtime.errors import DataError
from emdsl.source import Source
from emdsl.verify.checks import Case, check_e_step, check_fisher, check_m_step
from tests.inference.chosen_graphs import CHOSEN
from tests.inference.graph_draft import Draft
from tests.inference.random_graphs import draft, graphs

REFUSED = 0.1  # of the models, at most, for want of a strategy
UNSOLVED = {"no-closed-form", "unidentified-parameter"}
GAP = "expected no gap in data that other rows depend on"
FAST, ALL, COUNTED = range(15), range(15, 150), range(30)


def compiled(d: Draft) -> Case | str:
    """The compiled model with its data, or the code it is refused with."""
    try:
        made = compile_source(Source(d.text(), "graph.em"))
    except CompileError as error:
        codes = {x.code for x in error.diagnostics}
        if codes == {"no-strategy"} or codes <= UNSOLVED:
            return min(codes)
        raise
    return Case(made, import_text(made.module, "Graph"), d.data, d.values)


@cache
def seeded(seed: int) -> Case | str:
    return compiled(draft(seed))


def check(case: Case, seed: int) -> None:
    assert check_e_step(case) == []
    assert check_fisher(case) == []
    assert check_m_step(case, np.random.default_rng(seed), moves=4) == []


def check_seeded(seed: int) -> None:
    case = seeded(seed)
    if isinstance(case, str):
        pytest.skip(case)
    try:
        check(case, seed)
    except DataError as error:
        if GAP not in str(error):
            raise
        pytest.skip("a gap in lagged data")


@pytest.mark.parametrize("seed", FAST)
def test_random_graphs(seed: int) -> None:
    check_seeded(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", ALL)
def test_more_random_graphs(seed: int) -> None:
    check_seeded(seed)


def test_few_are_refused() -> None:
    """A skip is no pass: most of what can be written has a strategy."""
    found = Counter(c if isinstance(c, str) else "compiled" for c in map(seeded, COUNTED))
    assert found["no-strategy"] <= REFUSED * len(COUNTED), found
    assert found["compiled"] >= 0.7 * len(COUNTED), found


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(graphs())
def test_drawn_graphs(d: Draft) -> None:
    """The same, where Hypothesis chooses, and shrinks what fails."""
    note(d.text())
    case = compiled(d)
    if isinstance(case, str):
        return
    try:
        check(case, 0)
    except DataError as error:
        if GAP not in str(error):
            raise


# --- chosen graphs: one of each kind, which must compile -----------------------------------------


@pytest.mark.parametrize("name", CHOSEN)
def test_chosen_graphs(name: str) -> None:
    text, cells = CHOSEN[name]
    made = compile_source(Source("model Chosen\n" + dedent(text), f"{name}.em"))
    data = {n: np.array(x, dtype=float) for n, x in cells.items()}
    rng = np.random.default_rng(1)
    case = Case(made, import_text(made.module, "Chosen"), data, parameters(made.model, rng))
    check(case, 1)


def parameters(model: Model, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Random values of every parameter; sizes read off the data are 3 or fewer values."""
    out: dict[str, NDArray[Any]] = {}
    for p in model.params:
        shape = [e.value if isinstance(e, Fixed) else {"K": 3, "A": 2}[str(e)] for e in p.shape]
        match p.type.kind:
            case "simplex":
                out[p.name] = rng.dirichlet(np.full(shape[-1], 3.0), shape[:-1])
            case "unit":
                out[p.name] = rng.uniform(0.2, 0.8, shape)
            case "positive":
                out[p.name] = rng.uniform(0.5, 2.0, shape)
            case _:
                out[p.name] = rng.normal(size=shape)
    return out
