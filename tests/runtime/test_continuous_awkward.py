"""Continuous latents and awkward data: right, or an honest status with a message."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.runtime.continuous_models import ROWS, TEXTS, data_of, module

REAL = [name for name in TEXTS if name != "counts"]


def fitted(name: str, data: dict[str, Any], **options: Any) -> Any:
    options = {"seed": 0, "restarts": 2, "max_iter": 1000, **options}
    return module(name).fit(data, **options)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
@pytest.mark.parametrize("name", REAL)
def test_units_make_no_difference(name: str, scale: float) -> None:
    """x in another unit: the same fit, its density in that unit."""
    data = data_of(name)
    plain = fitted(name, data)
    other = fitted(name, {**data, "x": data["x"] * scale})
    assert other.status == "converged"
    moved = other.log_likelihood + data["x"].size * np.log(scale)
    assert moved == pytest.approx(plain.log_likelihood, abs=2e-2)


@pytest.mark.parametrize("name", ["factors", "tails", "mixture", "groups", "level", "slopes"])
def test_an_offset_makes_no_difference(name: str) -> None:
    """Parameters and latents that bear the location are about pivots."""
    data = data_of(name)
    plain, other = fitted(name, data), fitted(name, {**data, "x": data["x"] + 1e8})
    assert other.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-3)


@pytest.mark.parametrize("name", TEXTS)
def test_few_or_equal_rows(name: str) -> None:
    """Fits that can't mean much end without a traceback, with a number or a reason."""
    data = data_of(name)
    column = "y" if "y" in data else "x"
    cases = [{k: v[:n] for k, v in data.items()} for n in (1, 2)]
    cases.append({k: np.repeat(v[:3], 10, axis=0) for k, v in data.items()})
    cases.append({**data, column: np.full_like(data[column], 3)})
    for case in cases:
        result = fitted(name, case, restarts=1, max_iter=200)
        assert result.status in ("converged", "max_iter", "degenerate")
        assert result.status != "degenerate" or result.messages
        if np.isfinite(result.log_likelihood):
            assert result.log_likelihood == pytest.approx(
                module(name).log_likelihood(case, result.params), abs=1e-3
            )


def test_all_counts_zero() -> None:
    result = fitted("counts", {"y": np.zeros(ROWS, dtype=int)})
    assert result.status in ("converged", "max_iter")
    assert result.log_likelihood == pytest.approx(0.0, abs=1e-2)


def test_a_group_that_no_row_points_to() -> None:
    """It has its prior as its posterior, and changes nothing."""
    data = data_of("groups")
    kept = data["group"] != 4
    without = {"x": data["x"][kept], "group": data["group"][kept]}
    params = {"mean": 3.0, "tau": 1.2, "sigma": 0.8}
    found = module("groups").posterior_moments(without, params)["b"]
    assert found.mean[4] == pytest.approx(3.0)
    assert found.covariance[4] == pytest.approx(1.44)
    closed = np.searchsorted(np.unique(without["group"]), without["group"])
    assert module("groups").log_likelihood(without, params) == pytest.approx(
        module("groups").log_likelihood({**without, "group": closed}, params)
    )


@pytest.mark.parametrize(("name", "tight"), [("groups", "tau"), ("slopes", "cov")])
def test_one_group_has_no_variance_between(name: str, tight: str) -> None:
    """A variance of latents whose best value is zero is an estimate, and said to be on the edge."""
    data = {**data_of(name), "group": np.zeros(ROWS, dtype=int)}
    result = fitted(name, data)
    assert result.status == "converged"
    assert any(m.startswith("at the edge") and tight in m for m in result.messages)
    if name == "groups":
        spread = data["x"].var()
        best = -0.5 * ROWS * (np.log(2 * np.pi * spread) + 1.0)
        assert result.log_likelihood == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_a_variance_on_its_way_to_zero_takes_nothing_back(offset: float) -> None:
    """Groups less unlike than chance: neither the edge nor rounding near it lowers the objective.

    Rounding may be worth a part of the objective there: what it adds is no gain.
    """
    data = data_of("groups")
    means = np.array([data["x"][data["group"] == g].mean() for g in range(data["group"].max() + 1)])
    x = data["x"] - means[data["group"]] + offset
    traces: dict[int, list[float]] = {}

    def watch(at: Any) -> None:
        traces.setdefault(at.restart, []).append(at.objective)

    result = fitted("groups", {**data, "x": x}, restarts=6, max_iter=80, on_iteration=watch)
    for trace in traces.values():
        assert (np.diff(trace) >= -1e-9 * np.maximum(1.0, np.abs(trace[:-1]))).all()
    best = -0.5 * ROWS * (np.log(2 * np.pi * x.var()) + 1.0)
    assert result.status == "converged"
    assert result.objective == pytest.approx(best, abs=1e-6 if offset == 0.0 else 1e-2)


def test_a_column_that_the_factor_explains_in_full() -> None:
    """Heywood's case: the likelihood is bounded, so the fit is sound and says where it ended."""
    rng = np.random.default_rng(3)
    f = rng.normal(size=200)
    x = np.c_[f, f[:, None] + rng.normal(size=(200, 3))] + [0.0, 1, 2, 3]
    result = fitted("factors", {"x": x})
    assert result.status == "converged"
    assert any("at the edge: noise[0]" in m for m in result.messages)
    centred = x - x.mean(axis=0)
    first = centred[:, 0]
    left = centred[:, 1:] - np.outer(first, first @ centred[:, 1:] / (first @ first))
    scales = np.r_[first.var(), left.var(axis=0)]
    best = -0.5 * 200 * (np.log(2 * np.pi * scales).sum() + 4)
    assert result.log_likelihood == pytest.approx(best, abs=1e-2)


def test_rows_that_sit_on_a_line_have_no_bound() -> None:
    """Two rows and a factor: every noise goes to zero, and that is no estimate."""
    data = data_of("factors")
    assert fitted("factors", {"x": data["x"][:2]}).status == "degenerate"


@pytest.mark.parametrize("name", ["level", "groups", "factors", "mixture"])
def test_rows_without_data_say_nothing(name: str) -> None:
    data = data_of(name)
    x = data["x"].copy()
    x[[0, 7, 8, 9, -1]] = np.nan
    result = fitted(name, {**data, "x": x}, restarts=1)
    assert result.status == "converged"
    if name == "level":
        p = result.params
        seen = np.isfinite(x)
        t = np.arange(ROWS)
        cov = p["q"] * (1 + np.minimum.outer(t, t)) + p["r"] * np.eye(ROWS)
        cov = cov[np.ix_(seen, seen)]
        apart = x[seen] - p["m0"]
        _, logdet = np.linalg.slogdet(2 * np.pi * cov)
        want = -0.5 * (logdet + apart @ np.linalg.solve(cov, apart))
        assert result.log_likelihood == pytest.approx(want, abs=1e-6)


def test_equal_rows_have_draws_of_their_own() -> None:
    params = {"a": 2.0, "b": 1.0}
    drawn = module("counts").sample_posterior({"y": np.full(50, 3)}, params, n=2)["u"]
    assert drawn.shape == (2, 50)
    assert len(np.unique(drawn)) == 100


def test_rows_that_point_to_a_group_count_for_it() -> None:
    """The log likelihood of a group is that of all its rows together."""
    data = data_of("groups")
    params = {"mean": 3.0, "tau": 1.2, "sigma": 0.8}
    (found,) = module("groups").row_log_likelihood(data, params).values()
    cov = 1.44 * np.ones((5, 5)) + 0.64 * np.eye(5)
    apart = data["x"].reshape(12, 5) - 3.0
    _, logdet = np.linalg.slogdet(2 * np.pi * cov)
    want = -0.5 * (logdet + np.einsum("gi,ij,gj->g", apart, np.linalg.inv(cov), apart))
    np.testing.assert_allclose(found, want, rtol=1e-12)
