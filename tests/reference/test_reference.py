"""Fits of real data against answers found by direct numerical maximisation, not by EM."""

from __future__ import annotations

from functools import cache
from itertools import permutations
from typing import Any

import numpy as np
import pytest

import emdsl
from emdsl.source import Source
from tests.reference.cases import (
    CASES,
    ENGLISH,
    GERMAN,
    Case,
    Params,
    binomial_coefficients,
    corpus,
)
from tests.reference.tables import MODELS, column, matrix, references

LIKELIHOOD = 1e-6  # relative
PARAMETERS = 1e-4  # relative

Labels = dict[str, tuple[int, ...]]

PARAMS = [pytest.param(c, id=c.id, marks=[pytest.mark.slow] * c.slow) for c in CASES]


@cache
def compiled(model: str) -> Any:
    return emdsl.load(Source(model) if "\n" in model else MODELS / f"{model}.em")


def reference(case: Case) -> dict[str, Any]:
    """The answer, or a skip that says what is missing."""
    if case.id not in references():
        pytest.skip("its data may not be copied into the project, and ../shared is not here")
    answer: dict[str, Any] = references()[case.id]["reference"]
    return answer


def relabelled(params: Params, labels: Labels, order: tuple[int, ...]) -> Params:
    result = dict(params)
    for name, axes in labels.items():
        for axis in axes:
            result[name] = np.take(result[name], order, axis=axis)
    return result


def in_order(params: Params, expected: Params, case: Case) -> Params:
    """The components in whatever order comes nearest to the expected one."""
    labels: Labels = {
        name: (axes,) if isinstance(axes, int) else axes
        for name, axes in case.labels.items()
        if name in expected
    }
    if not labels:
        return params
    name, axes = next(iter(labels.items()))
    orders = permutations(range(expected[name].shape[axes[0]]))
    arranged = (relabelled(params, labels, order) for order in orders)
    return min(arranged, key=lambda p: sum(np.abs(p[n] - expected[n]).sum() for n in labels))


def shaken(module: Any, params: Params) -> Params:
    """Parameters a little away, nothing of them at the edge of what is possible."""
    kinds = {p.name: p.kind for p in module.PROGRAM.meta.params}
    result = {}
    for name, value in params.items():
        match kinds[name]:
            case "simplex":
                result[name] = 0.9 * value + 0.1 / value.shape[-1]
            case "unit":
                result[name] = 0.9 * value + 0.05
            case _:
                result[name] = 1.02 * value
    return result


def fit(case: Case, data: dict[str, Any], expected: Params) -> Any:
    """The best of the starts, run on until nothing moves."""
    module = compiled(case.model)
    if case.near:
        init = shaken(module, expected)
        best = module.fit(data, **case.sizes, init=init, restarts=1, progress=False)
    else:
        best = module.fit(data, **case.sizes, restarts=case.restarts, progress=False)
    return module.fit(
        data,
        **case.sizes,
        init=best.params,
        restarts=1,
        tol=1e-14,
        max_iter=20_000,
        progress=False,
    )


@pytest.mark.parametrize("case", [p for p in PARAMS if p.values[0].known])
def test_log_likelihood_at_the_reference(case: Case) -> None:
    answer = reference(case)
    data = case.data()
    value = compiled(case.model).log_likelihood(data, case.params(answer["params"]))
    # the linear regressions' coefficients are given to too few digits for more
    assert value - case.constant(data) == pytest.approx(answer["loglik"], rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("case", PARAMS)
def test_fit(case: Case) -> None:
    answer = reference(case)
    expected = case.params(answer["params"])
    data = case.data()
    result = fit(case, data, expected)
    constant = case.constant(data)
    assert result.status in {"converged", "max_iter"}, result.messages
    found = result.log_likelihood - constant
    assert found == pytest.approx(answer["loglik"], rel=case.likelihood)
    assert result.n_params == (case.free or answer["nparams"])
    assert result.bic_n == (case.n or answer["n"])
    for criterion in ("aic", "bic"):
        if criterion in answer and case.free is None and case.n is None:
            value = getattr(result, criterion) + 2 * constant
            assert value == pytest.approx(answer[criterion], rel=case.likelihood)
    wanted = case.view(expected)
    arranged = in_order(case.view(result.params), wanted, case)
    for name, value in wanted.items():
        np.testing.assert_allclose(
            arranged[name], value, rtol=PARAMETERS, atol=case.atol, err_msg=name
        )


def test_two_latent_traits_is_as_good_as_in_the_paper() -> None:
    """Goodman's H5 of Coleman's boys: a likelihood ratio of 1.27 with four degrees of freedom."""
    table = matrix("leading_crowd")
    crowd, view, freq = table[:, [0, 2]], table[:, [1, 3]], table[:, 4]
    data = {"crowd": crowd, "view": view, "freq": freq}
    result = compiled("two_latent_traits").fit(data, restarts=5, tol=1e-12, progress=False)
    saturated = float(freq @ np.log(freq / freq.sum()))
    assert 2 * (saturated - result.log_likelihood) == pytest.approx(1.27, abs=5e-3)
    assert result.n_params == 15 - 4


def test_two_coins_takes_the_steps_of_the_paper() -> None:
    """Do and Batzoglou's estimates after each iteration from 0.6 and 0.5."""
    module = compiled("two_coins")
    data = {"heads": column("two_coins", "heads"), "tosses": column("two_coins", "n")}
    params: Params = {"heads_prob": np.array([0.6, 0.5])}
    for estimate in references()["two_coins_fixed"]["reference"]["em_trace_from_0p6_0p5"]:
        params = module.m_step(module.e_step(data, params), params)
        np.testing.assert_allclose(params["heads_prob"], estimate, rtol=1e-10)


def test_two_coins_with_the_binomial_coefficients() -> None:
    data = {"heads": column("two_coins", "heads"), "tosses": column("two_coins", "n")}
    constant = binomial_coefficients(data["tosses"], data["heads"], np.ones(5))
    module = compiled("two_coins")
    result = module.fit(data, restarts=3, tol=1e-12, progress=False)
    assert result.log_likelihood == pytest.approx(-31.5702002359969 + constant, rel=1e-9)


def test_ibm_model_1_takes_the_steps_of_the_book() -> None:
    """Koehn's toy corpus from uniform translations: EM goes to its supremum ever more slowly."""
    trace = {step["iteration"]: step for step in references()["ibm1_koehn"]["reference"]["trace"]}
    module = compiled("ibm_model_1")
    data = corpus()
    params: Params = {"translation": np.full((4, 4), 1 / 4)}
    for iteration in range(101):
        statistics = module.e_step(data, params)
        if iteration in trace:
            wanted = trace[iteration]
            assert statistics.log_likelihood == pytest.approx(wanted["loglik"], rel=1e-12)
            for pair, probability in wanted["t"].items():
                english, german = pair.split("|")
                found = params["translation"][GERMAN.index(german), ENGLISH.index(english)]
                assert found == pytest.approx(probability, abs=1e-12), pair
        params = module.m_step(statistics, params)
    assert statistics.log_likelihood == pytest.approx(-6 * np.log(2), rel=2e-5)


def test_a_regression_is_one_m_step() -> None:
    """Intercept and slopes are solved together, however dependent the covariates are."""
    case = next(c for c in CASES if c.id == "longley_lm")
    result = compiled(case.model).fit(case.data(), progress=False)
    assert result.log_likelihood == pytest.approx(reference(case)["loglik"], rel=LIKELIHOOD)
    assert result.n_iter <= 3  # one exact M-step, and one or two to see that it was
