"""Fits to covariates far from zero: those of the same covariates centred, in other coordinates.

Covariates are multiples of 1/8, so that 1e8 more of them is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emdsl.compiler import compile_source, import_text, load
from emdsl.runtime.errors import ParamsError
from emdsl.source import Source
from emdsl.syntax import read_source

RNG = np.random.default_rng(5)
N = 240
U = np.round(RNG.normal(size=(N, 2)) * 8.0) / 8.0
ONES = np.column_stack([np.ones(N), U])
FAR = 1e8
AWAY = np.array([0.0, FAR, -3.0 * FAR])
GROUP = np.arange(N) % 3
YES = RNG.random(N) < 1.0 / (1.0 + np.exp(-U @ [1.0, -0.5]))
REAL = np.where(YES, 1.0 + U[:, 0], -2.0 - U[:, 1]) + 0.3 * RNG.normal(size=N)
COUNT = RNG.poisson(np.exp(np.where(YES, 1.5 + 0.5 * U[:, 0], -0.5 - 0.3 * U[:, 1])))
KIND = RNG.integers(0, 3, N)

ALONE = "b has no intercept beside it that is free to make up for it"
LOGISTIC = "a + dot(b, u[n])"


def model(params: str, predictor: str, inputs: str = "input u[n] : real[P]") -> Any:
    lines = [*(f"param {p}" if "==" not in p else f"constrain {p}" for p in params.split("; "))]
    text = "\n".join(["model M", *lines, "for n in N:", *(f"    {x}" for x in inputs.split("; "))])
    return load(Source(f"{text}\n    data y[n] : bool ~ Bernoulli(logit = {predictor})\n", "m.em"))


PLAIN = model("a : real; b : real[P]", LOGISTIC)


def alike(
    m: Any, data: Mapping[str, Any], far: Mapping[str, Any], **options: Any
) -> tuple[Any, Any]:
    """Fits near zero and far off, which have the same objective and the same posterior."""
    near = m.fit(data, progress=False, **options)
    there = m.fit({**data, **far}, progress=False, **options)
    np.testing.assert_allclose(there.objective_trace, near.objective_trace, rtol=1e-12)
    assert there.status == near.status
    assert there.score({**data, **far}) == pytest.approx(near.log_likelihood, rel=1e-9)
    return near, there


@pytest.mark.parametrize(
    ("name", "y", "inputs"),
    [
        ("softmax_regression", KIND, "u"),
        ("mixture_of_experts", REAL, "u"),
        ("mixture_of_regressions", REAL, "u"),
        ("mixture_of_poisson_regressions", COUNT, "u"),
        pytest.param("poisson_experts", COUNT, "uv", marks=pytest.mark.slow),
        pytest.param("zero_inflated_regression", COUNT, "uv", marks=pytest.mark.slow),
        pytest.param("zero_inflated_negative_binomial", COUNT, "uv", marks=pytest.mark.slow),
    ],
)
def test_a_column_of_ones(name: str, y: Any, inputs: str, models: Path) -> None:
    data = {"y": y, **dict.fromkeys(inputs, ONES)}
    far = dict.fromkeys(inputs, ONES + AWAY)
    near, there = alike(load(models / f"{name}.em"), data, far, restarts=1, max_iter=60)
    for param, value in near.params.items():
        if value.shape[-1:] == (3,):
            np.testing.assert_allclose(there.params[param][..., 1:], value[..., 1:], rtol=1e-9)
            back = value[..., 0] - value[..., 1:] @ AWAY[1:]
            np.testing.assert_allclose(there.params[param][..., 0], back, rtol=1e-12)
    for latent, value in (near.posterior() if near.program.meta.latents else {}).items():
        np.testing.assert_allclose(there.posterior()[latent], value, atol=3e-7)


def test_transitions_of_several_sequences(models: Path) -> None:
    data = {"u": ONES, "x": REAL, "T": [100, N - 100]}
    m = load(models / "input_output_hmm.em")
    near, there = alike(m, data, {"u": ONES + AWAY}, K=2, restarts=1)
    np.testing.assert_allclose(there.params["trans"][..., 1:], near.params["trans"][..., 1:])
    np.testing.assert_allclose(there.posterior()["z"], near.posterior()["z"], atol=1e-6)


@pytest.mark.parametrize("name", ["logistic", "probit", "poisson", "gamma", "negative_binomial"])
def test_against_statsmodels(name: str, models: Path) -> None:
    api = pytest.importorskip("statsmodels.api")
    families = {
        "logistic": (api.families.Binomial(), YES),
        "probit": (api.families.Binomial(api.families.links.Probit()), YES),
        "poisson": (api.families.Poisson(), COUNT),
        "gamma": (api.families.Gamma(api.families.links.Log()), COUNT + 0.5),
    }
    y = families[name][1] if name in families else COUNT
    found = load(models / f"{name}_regression.em").fit({"u": U + FAR, "y": y}, progress=False)
    if name in families:
        peer = api.GLM(y.astype(float), ONES, family=families[name][0]).fit(tol=1e-14, maxiter=200)
    else:
        peer = api.NegativeBinomial(y, ONES).fit(method="newton", tol=1e-12, disp=False)
    np.testing.assert_allclose(found.params["beta"], peer.params[1:3], rtol=1e-6)
    intercept = peer.params[0] - peer.params[1:3].sum() * FAR
    np.testing.assert_allclose(found.params["intercept"], intercept, rtol=1e-6)
    if name in ("logistic", "probit", "poisson", "negative_binomial"):
        assert found.log_likelihood == pytest.approx(peer.llf, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
@pytest.mark.parametrize("away", [0.0, FAR])
def test_whatever_the_unit(scale: float, away: float) -> None:
    near = PLAIN.fit({"u": U, "y": YES}, progress=False)
    there = PLAIN.fit({"u": (U + away) * scale, "y": YES}, progress=False)
    assert there.log_likelihood == pytest.approx(
        near.log_likelihood, rel=1e-12 if not away else 1e-9
    )
    np.testing.assert_allclose(there.params["b"] * scale, near.params["b"], rtol=1e-6)


def test_intercepts_of_classes_with_one_held() -> None:
    text = (
        "model M\nparam a[V] : real\nparam b[V] : real[P]\nconstrain a[0] == 0\n"
        "constrain b[0] == 0\nfor n in N:\n    input u[n] : real[P]\n"
        "    data y[n] : category[V] ~ Categorical(softmax(a + b @ u[n]))\n"
    )
    near, there = alike(load(Source(text, "m.em")), {"u": U, "y": KIND}, {"u": U + FAR})
    np.testing.assert_allclose(there.params["b"], near.params["b"], rtol=1e-9)
    assert there.params["a"][0] == 0.0


def test_squares_and_interactions() -> None:
    m = model(
        "a, b, c, d, e : real",
        "a + b * u[n] + c * u[n]^2 + d * v[n] + e * u[n] * v[n]",
        "input u[n] : real; input v[n] : real",
    )
    data = {"u": U[:, 0], "v": U[:, 1], "y": YES}
    near = m.fit(data, progress=False)
    there = m.fit({**data, "u": U[:, 0] + FAR, "v": U[:, 1] - FAR}, progress=False)
    assert there.log_likelihood == pytest.approx(near.log_likelihood, rel=1e-12)
    for name in ("c", "e"):
        assert there.params[name] == pytest.approx(near.params[name], rel=1e-9)


def test_effects_of_groups_take_it_up() -> None:
    inputs = "input g[n] : category[G]; input u[n] : real"
    data = {"u": U[:, 0], "g": GROUP, "y": YES}
    m = model("a[G], b[G] : real", "a[g[n]] + b[g[n]] * u[n]", inputs)
    near, there = alike(m, data, {"u": U[:, 0] + FAR})
    np.testing.assert_allclose(there.params["b"], near.params["b"], rtol=1e-9)


def test_data_that_later_data_depend_on() -> None:
    text = (
        "model M\nparam first, c, phi : real\nparam s : positive\nfor t in T:\n"
        "    data x[t] ~ StudentT(4, first, s) if t == 0 else StudentT(4, c + phi * x[t-1], s)\n"
    )
    x = np.zeros(N)
    for t in range(1, N):
        x[t] = 0.6 * x[t - 1] + REAL[t]
    x = np.round(x * 8.0) / 8.0
    near, there = alike(load(Source(text, "m.em")), {"x": x}, {"x": x + FAR})
    assert there.params["phi"] == pytest.approx(near.params["phi"], rel=1e-9)
    assert there.params["first"] == pytest.approx(near.params["first"] + FAR, rel=1e-12)


# --- the user's own coordinates ------------------------------------------------------------------


def test_a_warm_start_is_there_already() -> None:
    data = {"u": U + FAR, "y": YES}
    found = PLAIN.fit(data, progress=False)
    seen: list[Any] = []
    again = PLAIN.fit(data, init=found.params, on_iteration=seen.append, progress=False)
    assert again.objective_trace[0] == pytest.approx(found.objective, rel=1e-9)
    np.testing.assert_allclose(seen[0].params["a"], found.params["a"], rtol=1e-15)
    np.testing.assert_allclose(seen[-1].params["b"], again.params["b"])
    some = PLAIN.fit(data, init={"a": found.params["a"]}, progress=False)
    assert some.objective_trace[0] == pytest.approx(found.objective, rel=1e-9)
    np.testing.assert_allclose(
        PLAIN.init_params(data)["a"], found.params["a"], rtol=1e-12
    )  # where nothing is latent, that is the maximum


def test_saved(tmp_path: Path) -> None:
    data = {"u": U + FAR, "y": YES}
    found = PLAIN.fit(data, progress=False)
    found.save(tmp_path / "fit.npz")
    again = PLAIN.load(tmp_path / "fit.npz")
    assert again.score(data) == pytest.approx(found.log_likelihood, rel=1e-12)


@pytest.mark.slow
def test_standalone(models: Path) -> None:
    source = read_source((models / "logistic_regression.em").read_bytes(), "m.em")
    data = {"u": U + FAR, "y": YES}
    alone = import_text(compile_source(source, standalone=True).module, "alone")
    params = alone.fit(data, progress=False).params
    there = PLAIN.fit(data, progress=False).params
    np.testing.assert_array_equal(params["intercept"], there["a"])


@pytest.mark.parametrize("rows", [1, 2, N])
def test_of_rows_by_themselves(rows: int, models: Path) -> None:
    m = load(models / "mixture_of_regressions.em")
    data = {"u": ONES + AWAY, "y": REAL}
    found = m.fit(data, progress=False, restarts=1)
    some = found.posterior({name: x[:rows] for name, x in data.items()})["z"]
    np.testing.assert_allclose(some, found.posterior()["z"][:rows], atol=1e-6)


# --- what isn't moved ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "predictor", "fix", "why"),
    [
        ("a : real; b : real[P]", LOGISTIC, {"a": 0.0}, "a is fixed, tied or bounded"),
        ("a : real; b : real[P]; a == b[0]", LOGISTIC, None, "a is fixed, tied or bounded"),
        (
            "b : real[P]",
            "dot(b, u[n])",
            None,
            f"{ALONE}, nor is any column the same everywhere",
        ),
    ],
)
def test_told(params: str, predictor: str, fix: Any, why: str) -> None:
    found = model(params, predictor).fit({"u": U + FAR, "y": YES}, fix=fix, progress=False)
    assert found.messages[0] == (
        "u[:, 0] is 1.0e+08 on average and varies by "
        f"{U[:, 0].std():.1e} only: a coefficient of it is lost in rounding; subtract its mean "
        f"({why}, so that it isn't done here)"
    )


def test_coefficients_held_at_zero_ask_for_nothing() -> None:
    found = PLAIN.fit({"u": U + FAR, "y": YES}, fix={"a": -0.5, "b": 0.0}, progress=False)
    assert found.messages == (
        "the fit is to u[:, 0] - 100000000 and u[:, 1] - 100000000, for u is far from zero",
    )
    assert found.params["a"] == -0.5


# --- awkward data --------------------------------------------------------------------------------


def test_the_note() -> None:
    found = PLAIN.fit({"u": U + np.array([0.0, -FAR]), "y": YES}, progress=False)
    size = abs(found.params["b"][1]) * FAR * 2.2e-16
    expected = (
        "the fit is to u[:, 1] + 100000000, for u is far from zero; at u as it is, rounding moves "
        f"a by {size:.0e}"
    )
    assert found.messages == (expected,)


def test_collinear_columns_are_told_of_the_fit() -> None:
    u = np.column_stack([U[:, 0], 2.0 * U[:, 0]]) + FAR
    found = PLAIN.fit({"u": u, "y": YES}, progress=False)
    assert "adding t to b[0] and -0.5 t to b[1] changes nothing" in found.messages[0]
    assert found.messages[1].endswith("; other notes are of this fit")


def test_a_column_equal_to_the_intercept_and_a_far_one() -> None:
    u = np.column_stack([np.ones(N), U[:, 0] + FAR])
    found = PLAIN.fit({"u": u, "y": YES}, progress=False)
    near = PLAIN.fit({"u": np.column_stack([np.ones(N), U[:, 0]]), "y": YES}, progress=False)
    assert found.log_likelihood == pytest.approx(near.log_likelihood, rel=1e-12)
    assert any("a, b[0] are not determined" in m for m in found.messages)


def test_one_observation() -> None:
    found = PLAIN.fit({"u": U[:1] + FAR, "y": YES[:1]}, progress=False)
    assert np.isfinite(found.objective)


def test_missing_outcomes_drop_out() -> None:
    y = np.where(np.arange(N) % 5 == 0, np.nan, YES)
    alike(PLAIN, {"u": U, "y": y}, {"u": U + FAR})


def test_what_is_wrong_with_a_start_is_said() -> None:
    with pytest.raises(ParamsError, match=r"b .* shape \(3,\), expected \(2,\)"):
        PLAIN.fit({"u": U + FAR, "y": YES}, init={"a": 0.0, "b": [1.0, 2.0, 3.0]})
