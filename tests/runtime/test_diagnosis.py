"""What is said of maxima that aren't: collinear columns, separated data, shapes that run away."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

import emdsl
from emdsl.runtime.newton import Restriction, diagnose, maximise
from emdsl.source import Source

from .newton_problems import (
    Gammas,
    Logistic,
    NegativeBinomial,
    Poisson,
    Softmax,
    Student,
    VonMises,
)


def design(n: int = 200, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), rng.normal(size=(n, 3))])
    return x, (rng.random(n) < special.expit(x @ [0.5, 1.0, -1.0, 2.0])) * 1.0


def fitted(objective: Any, start: Any, kinds: Any, batch: int, rounds: int = 1, **rest: Any) -> Any:
    """One long maximisation, or `rounds` of two steps, as the iterations of EM make them."""
    for _ in range(rounds):
        start = maximise(objective, start, kinds, batch, steps=2 if rounds > 1 else 80, **rest)
    return start


def beta_says(objective: Any, shape: tuple[int, ...], batch: int = 0, **rest: Any) -> Any:
    point = fitted(objective, (np.zeros(shape),), ("real",), batch, **rest)
    rest.pop("rounds", None)
    return diagnose(objective, point, ("real",), ("beta",), batch, **rest)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scale", [1.0, 1e-8, 1e8])
def test_nothing_is_said_of_a_proper_maximum(seed: int, scale: float) -> None:
    x, y = design(seed=seed)
    x[:, 2] *= scale
    assert beta_says(Logistic(x, y, np.ones(200)), (4,)) == ()
    assert beta_says(Logistic(x, y, np.ones((2, 200))), (2, 4), 1, rounds=10) == ()
    r = np.eye(3)[np.random.default_rng(seed).integers(0, 3, 200)]
    assert beta_says(Softmax(x, r), (3, 4), shift=(0,)) == ()
    data = Student(np.random.default_rng(seed).standard_t(3, 50) * scale + 1e3 * scale)
    point = fitted(data, (np.array(999.0 * scale), np.array(scale)), ("real", "positive"), 0)
    assert diagnose(data, point, ("real", "positive"), ("mu", "s"), 0) == ()


def test_rare_events_are_no_separation() -> None:
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(300), rng.normal(size=300)])
    offset = np.full(300, 18.0)  # person years, or the area of a map
    y = rng.poisson(np.exp(x @ [-19.0, 0.4] + offset))
    assert beta_says(Poisson(x, y, offset), (2,)) == ()
    assert beta_says(Poisson(x, y, offset), (2,), rounds=15) == ()


def test_collinear_columns_are_named_with_their_combination() -> None:
    x, y = design()
    objective = Logistic(np.column_stack([x, 2.0 * x[:, 1] + 1e3 * x[:, 3]]), y, np.ones(200))
    (said,) = beta_says(objective, (5,))
    assert said == (
        "beta[1], beta[3], beta[4] are not determined: adding t to beta[1] and 500 t to beta[3] "
        "and -0.5 t to beta[4] changes nothing, whatever t is (their columns are collinear); drop "
        "one, fix one, or give them a prior such as ~ Normal(0, 2.5)"
    )


def test_a_column_of_zeros_and_what_a_prior_does() -> None:
    x, y = design()
    x = np.column_stack([x, np.zeros(200)])
    (said,) = beta_says(Logistic(x, y, np.ones(200)), (5,))
    assert said == (
        "beta[4] is not determined: the objective doesn't depend on it; drop its column, fix it, "
        "or give it a prior such as ~ Normal(0, 2.5)"
    )
    assert beta_says(Logistic(x, y, np.ones(200), ridge=1e-3), (5,)) == ()
    held = (np.arange(5) == 4,)
    assert beta_says(Logistic(x, y, np.ones(200)), (5,), held=held) == ()


def test_the_problems_of_a_batch_are_told_apart() -> None:
    x, y = design()
    x = np.column_stack([x, x[:, 1] + x[:, 2]])
    x = np.where((np.arange(200) < 100)[:, None] & (np.arange(5) == 4), x**2, x)
    w = np.stack([np.arange(200) < 100, np.arange(200) >= 100]) * 1.0
    (said,) = beta_says(Logistic(x, y, w), (2, 5), 1)
    assert said.startswith("beta[1, 1], beta[1, 2], beta[1, 4] are not determined")


def test_the_known_shift_of_a_softmax_is_no_news_but_collinear_columns_are() -> None:
    x, _ = design()
    r = np.eye(3)[np.random.default_rng(2).integers(0, 3, 200)]
    x = np.column_stack([x, 2.0 * x[:, 1]])
    messages = beta_says(Softmax(x, r), (3, 5), shift=(0,))
    assert len(messages) == 2  # K - 1 of them: one class is measured against
    assert all(m.count("t to beta") == 2 and "collinear" in m for m in messages)


@pytest.mark.parametrize("scale", [1.0, 1e-8, 1e8])
@pytest.mark.parametrize("rounds", [1, 12])
def test_separated_data_end_soon_and_are_told(scale: float, rounds: int) -> None:
    x, _ = design()
    y = (x[:, 1] > 0.2) * 1.0
    objective = Logistic(x * [1.0, scale, 1.0, 1.0], y, np.ones(200))
    (said,) = beta_says(objective, (4,), rounds=rounds)
    assert said.startswith(
        "beta has no finite maximum: the data are separated, which sends beta[0]"
    )
    assert "beta[0] to -infinity, beta[1] to +infinity" in said
    assert said.endswith("; give it a prior such as ~ Normal(0, 2.5)")
    assert objective.calls["slopes"] < 70


@pytest.mark.parametrize("rounds", [1, 8])
def test_quasi_separation_names_only_what_runs_away(rounds: int) -> None:
    x, y = design()
    group = np.arange(200) < 20
    y[group] = 1.0
    objective = Logistic(np.column_stack([x, group]), y, np.ones(200))
    (said,) = beta_says(objective, (5,), rounds=rounds)
    assert said == (
        "beta has no finite maximum: the data are separated, which sends beta[4] to +infinity; "
        "give it a prior such as ~ Normal(0, 2.5)"
    )


def test_separation_of_counts_and_of_classes() -> None:
    rng = np.random.default_rng(3)
    group = (np.arange(100) < 30) * 1.0
    y = np.where(group > 0, 0, rng.poisson(3.0, 100))
    (said,) = beta_says(Poisson(np.column_stack([np.ones(100), group]), y), (2,))
    assert "sends beta[1] to -infinity;" in said
    x, _ = design()
    r = np.eye(3)[np.digitize(x[:, 1], [-0.5, 0.5])]
    (said,) = beta_says(Softmax(x, r), (3, 4), shift=(0,))
    assert "beta[0, 1] to -infinity" in said
    assert "beta[2, 1] to +infinity" in said


@pytest.mark.parametrize("seed", range(6))
def test_a_size_of_counts_no_more_spread_than_poisson(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.stack([rng.poisson(4.0, 500), rng.negative_binomial(3, 0.4, 500)])
    objective = NegativeBinomial(y, np.ones(y.shape))
    kinds = ("positive", "positive")
    spread = y[0].var() > y[0].mean()  # then there is a maximum
    for rounds in (1, 15):
        point = fitted(objective, (np.ones(2), np.ones(2)), kinds, 1, rounds)
        messages = diagnose(objective, point, kinds, ("r", "mu"), 1)
        if spread:
            assert messages == ()
        else:
            (said,) = messages
            assert said.startswith("r[0] grows without bound (it is ")


def test_concentrations_at_both_ends() -> None:
    objective = VonMises(100.0, np.array([0.0, 0.5, 1.0]))
    point = fitted(objective, (np.ones(3),), ("positive",), 1)
    down, up = diagnose(objective, point, ("positive",), ("kappa",), 1)
    assert down.startswith("kappa[0] falls to 0 without end (it is ")
    assert up.startswith("kappa[2] grows without bound (it is ")
    held = (np.array([True, True, True]),)
    assert diagnose(objective, point, ("positive",), ("kappa",), 1, held=held) == ()


def test_a_shape_and_a_rate_of_equal_numbers() -> None:
    objective = Gammas(100.0, np.log(3.0), 3.0)
    kinds = ("positive", "positive")
    point = fitted(objective, (np.array(1.0), np.array(1.0)), kinds, 0)
    (said,) = diagnose(objective, point, kinds, ("a", "b"), 0)
    assert said.startswith("a, b are not determined (they are ")
    assert "multiplying a by c and b by c changes next to nothing" in said


def test_many_messages_are_cut_short() -> None:
    x, y = design()
    objective = Logistic(np.column_stack([x, x[:, 1]]), y, np.ones((9, 200)))
    messages = beta_says(objective, (9, 5), 1)
    assert len(messages) == 6
    assert messages[-1] == "and 4 more like these"


def test_a_restriction_takes_a_flat_direction_away() -> None:
    x, y = design()
    objective = Logistic(np.column_stack([x, x[:, 1]]), y, np.ones(200))
    tie = np.eye(5)[:, :4]
    tie[4, 1] = 1.0  # beta[4] = beta[1]
    assert beta_says(objective, (5,), restriction=Restriction(np.zeros(5), tie)) == ()
    split = Restriction(np.zeros(5), np.eye(5)[:, [0, 1, 3, 4]])  # beta[2] = 0
    (said,) = beta_says(objective, (5,), restriction=split)
    assert "adding t to beta[1] and -t to beta[4] changes nothing" in said


LEAST_SQUARES = """
model Line
param a  : real
param b  : real[P]
param sd : positive
for n in N:
    input u[n] : real[P]
    data  y[n] ~ Normal(a + dot(b, u[n]), sd)
"""
OPEN = "are not determined"


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ((1.0, 2.0), f"b[0], b[1] {OPEN}: adding t to b[0] and -0.5 t to b[1] changes nothing"),
        ((1.0, 1e-6), f"b[0], b[1] {OPEN}: adding t to b[0] and -1e+06 t to b[1]"),
        ((1.0, 0.0), "b[1] is not determined: the objective doesn't depend on it; drop its column"),
    ],
    ids=["twice", "in another unit", "nothing"],
)  # fmt: skip
def test_collinear_columns_of_least_squares_are_named(
    columns: tuple[float, float], told: str
) -> None:
    """The rule that solves a linear system says so, as Newton's method does."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=80)
    y = 1.0 + x + rng.normal(size=80)
    result = emdsl.load(Source(LEAST_SQUARES)).fit({"u": np.outer(x, columns), "y": y})
    (message,) = result.messages
    assert message.startswith(told)
    alone = emdsl.load(Source(LEAST_SQUARES)).fit({"u": x[:, None], "y": y})
    assert alone.messages == ()
    assert result.log_likelihood == pytest.approx(alone.log_likelihood, rel=1e-12)


def test_collinear_columns_in_components_are_named() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=200)
    y = np.where(rng.random(200) < 0.5, 3.0 + 2.0 * x, -3.0 - x) + 0.3 * rng.normal(size=200)
    text = """
model Lines(K = 2)
param weight : simplex[K]
param a[K]   : real
param b[K]   : real[P]
param sd     : positive
for n in N:
    input  u[n] : real[P]
    latent z[n] ~ Categorical(weight)
    data   y[n] ~ Normal(a[z[n]] + dot(b[z[n]], u[n]), sd)
"""
    module = emdsl.load(Source(text))
    result = module.fit({"u": np.stack([x, 1.0 - x], 1), "y": y}, restarts=2, progress=False)
    assert [m.partition(" are not determined")[0] for m in result.messages] == [
        "a[0], b[0, 0], b[0, 1]",
        "a[1], b[1, 0], b[1, 1]",
    ]
