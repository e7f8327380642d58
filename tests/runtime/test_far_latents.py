"""Latents that bear the data's location: an offset of 1e8 and a unit of 1e-8 cost no digit."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from emdsl.compiler import compile_source, import_text
from emdsl.source import Source
from tests.gallery.models import data, module

MODELS = Path(__file__).parents[2] / "models"
OFFSET = 1e8
# the parameters that move along, and by what: of a slope nothing
MOVED: dict[str, dict[str, Any]] = {
    "variance_components": {"mean": 1.0},
    "eight_schools": {"mean": 1.0},
    "nested_effects": {"mean": 1.0},
    "random_slopes": {"beta": np.array([1.0, 0.0])},
    "local_level": {"first": 1.0},
    "local_linear_trend": {"first": 1.0},
    "seasonal": {"first": 1.0},
}
LONG = ("local_linear_trend", "seasonal")
# without priors or scales that are known
PLAIN = [n for n in MOVED if n not in ("eight_schools", "local_linear_trend", "seasonal")]


def far(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The data far from zero, and the same data about zero: what is left of them by rounding."""
    arrays = data(MODELS / f"{name}.em")
    if name == "eight_schools":  # where schools differ
        arrays = {**arrays, "y": 4.0 * arrays["y"]}
    moved = arrays["y"] - np.round(arrays["y"].mean()) + OFFSET
    return {**arrays, "y": moved}, {**arrays, "y": moved - OFFSET}


@cache
def fitted(name: str) -> Any:
    return module(MODELS / f"{name}.em").fit(far(name)[1], restarts=1, tol=1e-11, progress=False)


def shifted(name: str, params: dict[str, Any], by: float = OFFSET) -> dict[str, Any]:
    return {n: x + by * MOVED[name].get(n, 0.0) for n, x in params.items()}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] if n in LONG else []) for n in MOVED],
)
def test_the_same_likelihood_and_moments(name: str) -> None:
    """Under the same parameters; these are known to a last digit of 1e8."""
    model, (there, here) = module(MODELS / f"{name}.em"), far(name)
    plain = fitted(name).params
    params = shifted(name, plain)
    near = shifted(name, params, -OFFSET)  # with that digit gone
    wanted = model.log_likelihood(here, near)
    assert model.log_likelihood(there, params) == pytest.approx(wanted, rel=1e-9)
    own, other = model.posterior_moments(here, near), model.posterior_moments(there, params)
    drawn, again = (
        model.sample_posterior(x, p, n=2, seed=3) for x, p in ((here, near), (there, params))
    )
    moves = {"slope": 0.0, "s": 0.0, "b": MOVED[name].get("beta", 1.0)}
    for latent, found in other.items():
        by = OFFSET * moves.get(latent, 1.0)
        digit = 3e-8 + 1e-9 * np.abs(own[latent].mean).max()
        np.testing.assert_allclose(found.mean - by, own[latent].mean, rtol=0, atol=digit)
        np.testing.assert_allclose(found.covariance, own[latent].covariance, rtol=1e-8)
        np.testing.assert_allclose(again[latent] - by, drawn[latent], rtol=0, atol=2 * digit)


@pytest.mark.slow
@pytest.mark.parametrize("name", MOVED)
def test_the_same_fit(name: str) -> None:
    model, (there, _) = module(MODELS / f"{name}.em"), far(name)
    plain = fitted(name)
    other = model.fit(there, restarts=1, tol=1e-11, progress=False)
    assert other.status == plain.status == "converged"
    assert not other.messages
    assert other.objective == pytest.approx(plain.objective, rel=1e-9, abs=1e-7)
    expected = shifted(name, plain.params)
    for parameter, value in other.params.items():
        np.testing.assert_allclose(value, expected[parameter], rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("name", PLAIN)
def test_another_unit(name: str) -> None:
    """Offset and unit together: data of 1 with a spread of 1e-8; a density in that unit."""
    unit = 1e-8
    model, (there, here) = module(MODELS / f"{name}.em"), far(name)
    plain = fitted(name)
    powers = {"cov": 2}
    params = {n: x * unit ** powers.get(n, 1) for n, x in shifted(name, dict(plain.params)).items()}
    small = {**there, "y": there["y"] * unit}
    # what rounding leaves of the data in that unit
    left = {**here, "y": (small["y"] - OFFSET * unit) / unit}
    found = model.log_likelihood(small, params) + there["y"].size * np.log(unit)
    near = {n: (x - (OFFSET * MOVED[name].get(n, 0.0)) * unit) / unit ** powers.get(n, 1)
            for n, x in params.items()}  # fmt: skip
    assert found == pytest.approx(model.log_likelihood(left, near), rel=1e-9)


def test_filtered_and_foreseen() -> None:
    """The past alone, and data that are missing, in the data's own place."""
    model, (there, here) = module(MODELS / "local_level.em"), far("local_level")
    gone = np.arange(len(here["y"])) % 7 == 3
    there, here = ({**x, "y": np.where(gone, np.nan, x["y"])} for x in (there, here))
    params = {"first": 2.0, "move": 3.0, "sd": 5.0}
    own = model.filtered(here, params)
    other = model.filtered(there, {**params, "first": OFFSET + 2.0})
    for name in ("filtered", "predicted"):
        near, away = getattr(own, name)["level"], getattr(other, name)["level"]
        np.testing.assert_allclose(away.mean - OFFSET, near.mean, rtol=0, atol=1e-6)
        np.testing.assert_allclose(away.covariance, near.covariance, rtol=1e-9)
    for plate, rows in own.log_predictive.items():
        np.testing.assert_allclose(other.log_predictive[plate], rows, rtol=1e-9)
    found, wanted = other.foreseen["y"], own.foreseen["y"]
    np.testing.assert_allclose(found.values - OFFSET, wanted.values, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.sd, wanted.sd, rtol=1e-7)


def test_against_dense_algebra() -> None:
    """The local level's likelihood is that of a normal with covariance min(s, t) q + r."""
    model, (there, here) = module(MODELS / "local_level.em"), far("local_level")
    count = len(here["y"])
    at = np.arange(1, count + 1)
    covariance = 9.0 * np.minimum.outer(at, at) + 25.0 * np.eye(count)
    expected = stats.multivariate_normal(np.full(count, 2.0), covariance).logpdf(here["y"])
    params = {"first": OFFSET + 2.0, "move": 3.0, "sd": 5.0}
    assert model.log_likelihood(there, params) == pytest.approx(expected, rel=1e-12)


# --- what has no pivot ---------------------------------------------------------------------------

GROUPS = """model Groups
param mean : real{prior}
param tau, sd : positive
for g in G:
    latent b[g] ~ Normal(mean, tau)
for n in N:
    input group[n] : index[G]
    data  y[n] ~ Normal(b[group[n]], sd)
"""
PULLED = """model Pulled
param a, c : real
param q, r : positive
for t in T:
    latent z[t] ~ Normal(c, q) if t == 0 else Normal(a * z[t-1] + c, q)
    data   y[t] ~ Normal(z[t], r)
"""


@cache
def compiled(text: str) -> Any:
    return import_text(compile_source(Source(text, "m.em")).module, "m")


def groups() -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(12), 5)
    return {"group": group, "y": rng.normal(size=12)[group] + rng.normal(size=60)}


@pytest.mark.parametrize("text", [GROUPS.format(prior=" ~ Normal(0, 10)"), PULLED])
def test_latents_without_a_pivot(text: str) -> None:
    """Latents drawn to zero by a prior, or by their own past, are where the data are."""
    arrays = {n: x for n, x in groups().items() if n == "y" or "group" in text}
    found = compiled(text).fit({**arrays, "y": arrays["y"] + OFFSET}, restarts=1, progress=False)
    assert found.status == "degenerate"
    assert "is lost to rounding; subtract a constant near 1e+08" in " ".join(found.messages)


def test_a_fixed_mean_is_kept() -> None:
    model, arrays = compiled(GROUPS.format(prior="")), groups()
    there = {**arrays, "y": arrays["y"] + OFFSET}
    options: dict[str, Any] = {"restarts": 1, "progress": False, "tol": 1e-11}
    plain = model.fit({**arrays, "y": there["y"] - OFFSET}, fix={"mean": 0.5}, **options)
    at_data = model.fit(there, fix={"mean": OFFSET + 0.5}, **options)
    assert at_data.status == "converged"
    assert at_data.params["mean"] == OFFSET + 0.5
    assert at_data.log_likelihood == pytest.approx(plain.log_likelihood, rel=1e-9)
    at_zero = model.fit(there, fix={"mean": 0.0}, **options)
    assert at_zero.params["mean"] == 0.0
    assert at_zero.messages[0] == (
        "the data vary by 2e+00 about 1e+08, and b with them: about 8e-01 of variances is lost to "
        "rounding; subtract a constant near 1e+08 from the data, or have b about zero and its mean "
        "as a param beside it"
    )


def test_a_start_of_its_own() -> None:
    """An autoregression about its mean, which starts elsewhere: two parameters, one pivot."""
    text = PULLED.replace("a * z[t-1] + c", "c + a * (z[t-1] - c)")
    text = text.replace("Normal(c, q) if", "Normal(first, 1) if").replace("a, c", "a, c, first")
    model, y = compiled(text), groups()["y"]
    there = {"y": y + OFFSET}
    start = {"a": 0.7, "c": 0.25, "first": 3.5, "q": 0.8, "r": 0.6}
    params = {n: np.array(x) for n, x in start.items()}
    moved = {**params, "c": params["c"] + OFFSET, "first": params["first"] + OFFSET}
    here = {"y": there["y"] - OFFSET}
    assert model.log_likelihood(there, moved) == pytest.approx(
        model.log_likelihood(here, params), rel=1e-12
    )
    own, other = (model.m_step(model.e_step(x, p), p) for x, p in ((here, params), (there, moved)))
    for name, value in own.items():
        by = OFFSET * (name in ("c", "first"))
        assert other[name] - by == pytest.approx(value, rel=1e-7, abs=3e-8)
