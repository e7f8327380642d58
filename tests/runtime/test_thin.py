"""Statistics of some of the rows, weighted to stand for all, and fits that make use of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from emdsl import compiler
from emdsl.runtime.bind import bind
from emdsl.runtime.engine import Engine
from emdsl.runtime.params import neutral_params
from emdsl.runtime.restrict import resolve

MODELS = Path(__file__).resolve().parents[2] / "models"


@cache
def model(name: str) -> Any:
    return compiler.load(MODELS / f"{name}.em")


def data(n: int, p: int, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    u = rng.normal(size=(n, p))
    y = (rng.random(n) < expit(0.3 + u @ rng.normal(0.0, 1.0 / np.sqrt(p), p))) * 1.0
    return u, y


def statistics(u: Any, y: Any) -> Any:
    program = model("logistic_regression").PROGRAM
    return Engine(program, bind(program.meta, {"u": u, "y": y}, {})).start(lambda _i, _c: None)


@pytest.mark.parametrize("p", [3, 30])
def test_they_are_those_of_the_rows_themselves_times_how_many_there_are(p: int) -> None:
    u, y = data(2003, p)
    y[17] = np.nan
    thin = statistics(u, y).thin(2, 5)
    own = statistics(u[2::5], y[2::5])
    times = 2003 / len(y[2::5])
    for name, value in own.values.items():
        np.testing.assert_allclose(thin[name], times * value, rtol=1e-12)
    (rows,) = thin.rows.values()
    assert sum(block.width for block, _ in rows) == len(y[2::5])
    np.testing.assert_allclose(np.concatenate([w for _, w in rows]), times)


def test_few_rows_stay_all() -> None:
    u, y = data(50, 3)
    thin, whole = statistics(u, y).thin(0, 10), statistics(u, y)
    for name, value in whole.values.items():
        np.testing.assert_array_equal(thin[name], value)


@pytest.mark.parametrize(("n", "p"), [(9_000, 4), (20_000, 40), (9_000, 150)])
def test_a_fit_to_many_rows_ends_at_the_maximum(n: int, p: int) -> None:
    u, y = data(n, p)
    u[:, 1] = u[:, 0] + 0.1 * u[:, 1]
    order = np.argsort(y, kind="stable")  # the worst order to take a part of
    result = model("logistic_regression").fit({"u": u[order], "y": y[order]}, progress=False)
    eta = result.params["intercept"] + u @ result.params["beta"]
    rest = y - expit(eta)
    assert max(abs(rest.mean()), np.abs(rest @ u / n).max()) < 1e-7
    assert result.status == "converged"
    assert not result.messages
    assert result.log_likelihood == pytest.approx(y @ eta - np.logaddexp(0.0, eta).sum(), rel=1e-12)


@pytest.mark.parametrize("n", [2_500, 12_000])
def test_many_covariates_in_units_of_their_own(n: int) -> None:
    u, y = data(n, 350)
    size = 10.0 ** np.random.default_rng(1).uniform(-4.0, 4.0, 350)
    result = model("logistic_regression").fit({"u": u * size, "y": y}, progress=False)
    eta = result.params["intercept"] + (u * size) @ result.params["beta"]
    rest = y - expit(eta)
    assert max(abs(rest.mean()), np.abs(rest @ u / n).max()) < 1e-7
    assert not result.messages


def test_separation_and_collinearity_among_many_rows_are_told() -> None:
    u, _ = data(9_000, 3)
    logistic = model("logistic_regression")
    apart = logistic.fit({"u": u, "y": (u[:, 1] > 0.2) * 1.0}, progress=False)
    assert "the data are separated" in apart.messages[0]
    u, y = data(9_000, 3)
    u[:, 2] = u[:, 0] - 2.0 * u[:, 1]
    together = logistic.fit({"u": u, "y": y}, progress=False)
    assert "collinear" in together.messages[0]


def test_what_is_found_where_nothing_is_known_is_found_once() -> None:
    u, y = data(300, 3)
    program = model("logistic_regression").PROGRAM
    engine = Engine(program, bind(program.meta, {"u": u, "y": y}, {}))
    begun = engine.start(lambda _i, _c: None)
    params = program.m_step(begun, neutral_params(program.meta, engine.layout.sizes))
    ended = engine.e_step(params)
    assert begun.found is ended.found
    assert begun.found is not None
    (slopes,) = begun.found.values()
    rest = y - 0.5
    np.testing.assert_allclose(slopes.gradient[1], rest @ u, atol=1e-12)
    np.testing.assert_allclose(slopes.hessian[1][1], -0.25 * u.T @ u, rtol=1e-12)
    engine.set_pivot({})
    assert engine.e_step(params).found == {}


def test_nothing_is_kept_where_posteriors_change_or_entries_are_held() -> None:
    u, y = data(300, 3)
    program = model("logistic_regression").PROGRAM
    bound = bind(program.meta, {"u": u, "y": y}, {})
    params = neutral_params(program.meta, bound.layout.sizes)
    held = resolve(program.meta, bound.layout.sizes, {"intercept": np.array(0.2)})
    assert Engine(program, bound, constraints=held).e_step(params).found is None
    mixture = model("mixture_of_logistic_regressions").PROGRAM
    given = {"u": u, "y": y, "total": np.ones(300)}
    bound = bind(mixture.meta, given, {"K": 2})
    params = neutral_params(mixture.meta, bound.layout.sizes)
    assert Engine(mixture, bound).e_step(params).found is None
