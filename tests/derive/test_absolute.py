"""Absolute deviations: weighted medians and least absolute deviations inside models."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

from emdsl.compiler import compile_source, import_text
from emdsl.diagnostics import CompileError
from emdsl.runtime.params import neutral_params
from emdsl.source import Source
from emdsl.verify.checks import Case, check_e_step, check_m_step
from emdsl.verify.coordinates import jittered

Floats = NDArray[Any]

ONE = """model One
param m : real
param s : positive
for n in N:
    data x[n] ~ Laplace(m, s)
"""
LINE = """model Line
param a : real
param b : real[P]
param s : positive
for n in N:
    input u[n] : real[P]
    data y[n] ~ Laplace(a + b @ u[n], s)
"""
MIXTURE = """model Mixture(K = 2)
param w : simplex[K]
param m[K] : real
param s[K] : positive
for n in N:
    latent z[n] ~ Categorical(w)
    data x[n] ~ Laplace(m[z[n]], s[z[n]])
"""
SHARED = MIXTURE.replace("m[K]", "m").replace("m[z[n]]", "m")
VECTORS = """model Vectors(K = 2)
param w : simplex[K]
param m[K] : real[D]
param s[K] : positive
for n in N:
    latent z[n] ~ Categorical(w)
    for d in D:
        data x[n, d] ~ Laplace(m[z[n], d], s[z[n]])
"""
LINES = """model Lines(K = 2)
param w : simplex[K]
param b[K] : real[P]
param s[K] : positive
for n in N:
    input u[n] : real[P]
    latent z[n] ~ Categorical(w)
    data y[n] ~ Laplace(b[z[n]] @ u[n], s[z[n]])
"""
CHAIN = """model Chain(K = 2)
param p : simplex[K]
param move[K] : simplex[K]
param m[K] : real
param s[K] : positive
for t in T:
    latent z[t] ~ Categorical(move[z[t-1]]) if t > 0 else Categorical(p)
    data x[t] ~ Laplace(m[z[t]], s[z[t]])
"""
GROUPS = """model Groups
param m[G] : real
param s : positive
for n in N:
    input g[n] : category[G]
    data x[n] ~ Laplace(m[g[n]], s)
"""
QUANTILE = """model Quantile
param m : real
param s : positive
density Tilted(x : real; m : real, s : positive) = exp(-(abs(x - m) - 0.4 * (x - m)) / s) * 0.42 / s
for n in N:
    data x[n] ~ Tilted(m, s)
"""
PRIOR = ONE.replace("m : real", "m : real ~ Laplace(1, 0.05)")
SPREAD = """model Spread
param m : real
param a, b : real
for n in N:
    input u[n] : real
    data x[n] ~ Laplace(m, exp(a + b * u[n]))
"""
PRODUCT = """model Product
param c, m : real
param s : positive
for n in N:
    input u[n] : real
    data x[n] ~ Laplace(m * c * u[n] + c, s)
"""
POSITIVE = ONE.replace("m : real", "m : positive")
RNG = np.random.default_rng(4)


@cache
def module(text: str) -> Any:
    compiled = compile_source(Source(text, "m.em"))
    return compiled, import_text(compiled.module, compiled.model.name)


def fit(text: str, data: Any, **options: Any) -> Any:
    return module(text)[1].fit(data, **options)


def updated(text: str, data: dict[str, Any], **sizes: int) -> tuple[Any, Any, Any]:
    """Parameters, posterior weights there (if any), and what one M-step makes of them."""
    compiled, found = module(text)
    names = {s.name: sizes.get(s.name, s.default or 2) for s in found.PROGRAM.meta.sizes}
    params = jittered(compiled.model, neutral_params(found.PROGRAM.meta, names),
                      np.random.default_rng(1), 0.5)  # fmt: skip
    assert check_e_step(Case(compiled, found, data, params)) == []
    new = found.m_step(found.e_step(data, params), params)
    weights = found.posterior(data, params).get("z") if "latent" in text else None
    return params, weights, new


def weighted(x: Floats, w: Floats) -> float:
    """A weighted median by looking at every point."""
    return float(x[int(np.argmin([(w * np.abs(x - p)).sum() for p in x]))])


# --- one M-step -------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 7, 20])
def test_a_location_is_the_median(count: int) -> None:
    x = RNG.normal(size=count)
    found = fit(ONE, {"x": x}).params if count > 1 else updated(ONE, {"x": x}, N=1)[2]
    assert found["m"] == pytest.approx(np.median(x), rel=1e-15)
    assert found["s"] == pytest.approx(np.abs(x - np.median(x)).mean(), abs=1e-15)


def test_components_take_medians_with_their_posteriors() -> None:
    x = np.concatenate([RNG.laplace(0, 1, 40), RNG.laplace(5, 2, 30)])
    _, weights, new = updated(MIXTURE, {"x": x}, N=70)
    for k in range(2):
        assert new["m"][k] == pytest.approx(weighted(x, weights[:, k]), rel=1e-14)
        scale = weights[:, k] @ np.abs(x - new["m"][k]) / weights[:, k].sum()
        assert new["s"][k] == pytest.approx(scale, rel=1e-12)


def test_states_of_a_chain_do_too() -> None:
    x = np.concatenate([RNG.laplace(0, 1, 25), RNG.laplace(4, 0.5, 20)])
    _, weights, new = updated(CHAIN, {"x": x}, T=45)
    for k in range(2):
        assert new["m"][k] == pytest.approx(weighted(x, weights[:, k]), rel=1e-14)


def test_a_location_of_all_components_is_one_median_of_all() -> None:
    x = RNG.standard_t(2, size=60)
    old, weights, new = updated(SHARED, {"x": x}, N=60)
    one = (weights / old["s"]).sum(axis=1)  # the scales come after it
    other = (weights / new["s"]).sum(axis=1)
    assert min(abs(new["m"] - weighted(x, w)) for w in (one, other)) < 1e-14


def test_each_coordinate_has_its_own_median_of_the_cells_that_are_seen() -> None:
    x = np.concatenate([RNG.laplace([0, 3], 1, (30, 2)), RNG.laplace([6, -2], 1, (25, 2))])
    x[RNG.random(x.shape) < 0.2] = np.nan
    _, weights, new = updated(VECTORS, {"x": x}, N=55, D=2)
    for k, d in np.ndindex(2, 2):
        seen = ~np.isnan(x[:, d])
        assert new["m"][k, d] == pytest.approx(weighted(x[seen, d], weights[seen, k]), rel=1e-13)


def test_a_group_without_data_is_said_to_be_undetermined() -> None:
    g = np.array([0, 0, 0, 2, 2])
    x = np.array([1.0, 5.0, 2.0, 7.0, 8.0])
    result = fit(GROUPS, {"x": x, "g": g}, G=3)
    assert result.params["m"][[0, 2]].tolist() == [2.0, 7.5]
    assert np.isfinite(result.params["m"]).all()
    assert "m[1] is not determined" in str(result)


def by_program(u: Floats, y: Floats, w: Floats) -> float:
    """The least weighted sum of absolute residuals, of the linear program."""
    a = np.column_stack([np.ones(len(y)), u])
    found = optimize.linprog(-y, A_eq=a.T, b_eq=np.zeros(a.shape[1]),
                             bounds=[(-x, x) for x in w], method="highs")  # fmt: skip
    return float(-found.fun)


def test_regression_is_the_linear_programs() -> None:
    u = RNG.normal(size=(80, 3))
    y = 1.0 + u @ [2.0, -1.0, 0.5] + RNG.standard_t(2, size=80)
    result = fit(LINE, {"y": y, "u": u})
    p = result.params
    away = np.abs(y - p["a"] - u @ p["b"])
    assert away.sum() == pytest.approx(by_program(u, y, np.ones(80)), rel=1e-12)
    assert (away < 1e-12).sum() == 4
    assert p["s"] == pytest.approx(away.mean(), rel=1e-13)
    expected = stats.laplace.logpdf(y, p["a"] + u @ p["b"], p["s"]).sum()
    assert result.log_likelihood == pytest.approx(expected, rel=1e-12)


def test_regressions_of_components() -> None:
    u = np.column_stack([np.ones(90), RNG.normal(size=90)])
    y = np.where(np.arange(90) % 3 == 0, u @ [0.0, 2.0], u @ [3.0, -1.0]) + RNG.laplace(size=90)
    _, weights, new = updated(LINES, {"y": y, "u": u}, N=90, P=2)
    for k in range(2):
        away = weights[:, k] @ np.abs(y - u @ new["b"][k])
        assert away == pytest.approx(by_program(u[:, 1:], y, weights[:, k]), rel=1e-10)


def test_a_linear_term_asks_for_a_quantile() -> None:
    x = RNG.normal(size=41)
    assert fit(QUANTILE, {"x": x}).params["m"] == np.sort(x)[12]  # the 13th: 0.3 of 41


def test_a_prior_is_one_more_deviation() -> None:
    x = RNG.laplace(0.0, 1.0, 31)
    result = fit(PRIOR, {"x": x})

    def objective(q: Floats) -> float:
        return float(stats.laplace.logpdf(x, q[0], np.exp(q[1])).sum()
                     + stats.laplace.logpdf(q[0], 1.0, 0.05))  # fmt: skip

    here = objective(np.array([result.params["m"], np.log(result.params["s"])]))
    scale = np.log(result.params["s"])
    assert here == pytest.approx(max(objective(np.array([m, scale])) for m in [*x, 1.0]), rel=1e-12)
    assert result.objective == pytest.approx(here, rel=1e-12)


def test_a_location_beside_a_predictor_of_its_scale() -> None:
    u = RNG.normal(size=90)
    x = 3.0 + RNG.laplace(size=90) * np.exp(0.5 + 0.7 * u)
    result = fit(SPREAD, {"x": x, "u": u})
    found = optimize.minimize(
        lambda q: -stats.laplace.logpdf(x, q[0], np.exp(q[1] + q[2] * u)).sum(),
        [3.0, 0.5, 0.7], method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 5000},
    )  # fmt: skip
    assert result.log_likelihood >= -found.fun - 1e-7


def test_two_factors_of_one_deviation_take_turns() -> None:
    u = RNG.normal(size=50)
    trace: list[float] = []
    result = fit(PRODUCT, {"x": 3.0 * u + 2.0 + RNG.laplace(size=50) * 0.1, "u": u},
                 on_iteration=lambda i: trace.append(i.objective))  # fmt: skip
    assert np.diff(trace).min(initial=0.0) > -1e-9
    assert result.params["c"] == pytest.approx(2.0, abs=0.2)


def test_a_positive_location_stays_positive() -> None:
    assert fit(POSITIVE, {"x": [3.0, 1.0, 2.0]}).params["m"] == 2.0
    found = updated(POSITIVE, {"x": np.array([-3.0, -1.0, -2.0])}, N=3)
    assert 0.0 < found[2]["m"] < found[0]["m"]


# --- awkward data -----------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 1e-8, 1e8])
@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_far_from_zero_and_on_any_scale(offset: float, scale: float) -> None:
    if offset and scale == 1e-8:
        pytest.skip("no digits are left of such data")
    grid = np.round(RNG.laplace(size=51) * 64) / 64
    x = offset + grid * scale
    found = fit(ONE, {"x": x}).params
    assert found["m"] == np.median(x)
    assert found["s"] == pytest.approx(np.abs(x - np.median(x)).mean(), rel=1e-12)


def test_a_mixture_far_from_zero_is_the_same_mixture() -> None:
    x = np.round(np.concatenate([RNG.laplace(0, 1, 60), RNG.laplace(9, 2, 40)]) * 64) / 64
    near = fit(MIXTURE, {"x": x}, seed=1)
    far = fit(MIXTURE, {"x": x + 2.0**27}, seed=1)
    assert far.log_likelihood == pytest.approx(near.log_likelihood, rel=1e-9)
    np.testing.assert_allclose(np.sort(far.params["m"]) - 2.0**27, np.sort(near.params["m"]))


def test_ties_and_never_a_fall() -> None:
    x = np.round(np.concatenate([RNG.laplace(0, 1, 60), RNG.laplace(4, 1, 40)]))
    for seed in range(5):
        traces: list[list[float]] = []  # of each start: one that collapsed is followed by another

        def watch(at: Any, traces: list[list[float]] = traces) -> None:
            if at.iteration == 0:
                traces.append([])
            traces[-1].append(at.objective)

        fit(MIXTURE, {"x": x}, seed=seed, restarts=1, on_iteration=watch)
        assert traces
        for trace in traces:
            assert np.diff(trace).min(initial=0.0) > -1e-9


# --- what is held -----------------------------------------------------------------------------


def test_fixed_entries_leave_a_regression_of_the_rest() -> None:
    u = RNG.normal(size=(40, 2))
    y = 1.0 + u @ [2.0, -1.0] + RNG.laplace(size=40)
    p = fit(LINE, {"y": y, "u": u}, fix={"b": [0.5, np.nan]}).params
    assert p["b"][0] == 0.5
    left = y - 0.5 * u[:, 0]
    away = np.abs(left - p["a"] - p["b"][1] * u[:, 1]).sum()
    assert away == pytest.approx(by_program(u[:, 1:], left, np.ones(40)), rel=1e-12)


def test_tied_locations_are_one_median() -> None:
    x = np.array([1.0, 2.0, 9.0, 4.0, 5.0, 6.0, 7.0])
    g = np.array([0, 0, 0, 1, 1, 2, 2])
    text = GROUPS.replace("param m[G]", "param m[3]").replace("category[G]", "category[3]")
    tied = text.replace("for n", "constrain m[0] == m[1]\nfor n")
    found = fit(tied, {"x": x, "g": g}).params["m"]
    assert found.tolist() == [4.0, 4.0, 6.5]


def test_bounds_of_a_regression() -> None:
    u = RNG.normal(size=(40, 1))
    y = 1.0 - 2.0 * u[:, 0] + RNG.laplace(size=40)
    text = LINE.replace("for n", "constrain b >= 0\nfor n")
    p = fit(text, {"y": y, "u": u}).params
    assert p["b"].tolist() == [0.0]
    assert np.abs(y - p["a"]).sum() == pytest.approx(np.abs(y - np.median(y)).sum(), rel=1e-9)


# --- squares beside them ---------------------------------------------------------------------

LASSO = """model Lasso
param a : real
param b : real[P] ~ Laplace(0, 0.1)
param s : positive
for n in N:
    input u[n] : real[P]
    data y[n] ~ Normal(a + b @ u[n], s)
"""


def test_the_lasso_has_exact_zeros() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    u = rng.normal(size=(60, 4))
    y = 1.0 + u @ [2.0, 0.0, -0.5, 0.0] + rng.normal(size=60)
    p = fit(LASSO, {"y": y, "u": u}, tol=1e-12).params
    peer = linear_model.Lasso(alpha=p["s"] ** 2 / (0.1 * 60), tol=1e-14).fit(u, y)
    assert (peer.coef_ == 0.0).any()
    assert np.array_equal(p["b"] == 0.0, peer.coef_ == 0.0)
    np.testing.assert_allclose(p["b"], peer.coef_, atol=1e-5)


def test_the_lasso_with_held_and_bounded_coefficients() -> None:
    rng = np.random.default_rng(0)
    u = rng.normal(size=(60, 3))
    y = u @ [2.0, -1.0, 0.5] + rng.normal(size=60)
    held = fit(LASSO, {"y": y, "u": u}, fix={"b": [1.0, np.nan, np.nan]}).params
    assert held["b"][0] == 1.0
    positive = LASSO.replace("for n", "constrain b >= 0\nfor n")
    p = fit(positive, {"y": y, "u": u}, tol=1e-12).params
    assert p["b"][1] == 0.0

    def loss(b: Floats) -> float:
        away = y - p["a"] - u @ b
        return float(away @ away / (2.0 * p["s"] ** 2) + 10.0 * b.sum())

    found = optimize.minimize(loss, np.ones(3), bounds=[(0.0, None)] * 3, tol=1e-14)
    assert loss(p["b"]) <= found.fun + 1e-9


def test_a_normal_prior_of_a_median() -> None:
    x = RNG.laplace(size=20)
    text = ONE.replace("m : real", "m : real ~ Normal(1, 0.5)")
    p = fit(text, {"x": x}).params

    def loss(m: float) -> float:
        return float(np.abs(x - m).sum() / p["s"] + 2.0 * (m - 1.0) ** 2)

    grid = np.concatenate([x, np.linspace(-2.0, 2.0, 4001)])
    assert loss(p["m"]) <= min(map(loss, grid)) + 1e-12


RIDGE = LINE.replace("b : real[P]", "b : real[P] ~ Normal(0, 0.5)")


def ridge_loss(p: Any, y: Floats, u: Floats) -> Any:
    """Of an intercept and coefficients, with the scale at what was found."""
    return lambda q: np.abs(y - q[0] - u @ q[1:]).sum() / p["s"] + 2.0 * (q[1:] ** 2).sum()


@pytest.mark.parametrize("held", [None, 1.0])
def test_a_normal_prior_of_a_regression_by_absolute_deviations(held: float | None) -> None:
    rng = np.random.default_rng(4)
    u = rng.normal(size=(50, 3))
    y = 1.0 + u @ [2.0, 0.0, -0.5] + rng.laplace(size=50)
    fix = {} if held is None else {"b": [held, np.nan, np.nan]}
    p = fit(RIDGE, {"y": y, "u": u}, tol=1e-13, fix=fix).params
    loss = ridge_loss(p, y, u)
    found = np.array([p["a"], *p["b"]])
    for step in np.concatenate([np.eye(4), -np.eye(4), rng.normal(size=(50, 4))]):
        if held is not None:
            step[1] = 0.0
        assert loss(found) <= loss(found + 1e-4 * step) + 1e-12
    if held is not None:
        assert p["b"][0] == held


def test_bounds_and_ties_beside_squares() -> None:
    rng = np.random.default_rng(5)
    u = rng.normal(size=(60, 3))
    y = u @ [-1.0, 0.4, 0.6] + rng.laplace(size=60)
    rules = "constrain b[0] >= 0\nconstrain b[1] == b[2]\nfor n"
    text = RIDGE.replace("real[P]", "real[3]").replace("for n", rules)
    p = fit(text, {"y": y, "u": u}, tol=1e-13).params
    assert p["b"][0] == pytest.approx(0.0, abs=1e-12)
    assert p["b"][1] == p["b"][2]
    loss = ridge_loss(p, y, u)
    found = np.array([p["a"], *p["b"]])
    for step in rng.normal(size=(100, 4)):
        moved = found + 1e-4 * np.array([step[0], abs(step[1]), step[2], step[2]])
        assert loss(found) <= loss(moved) + 1e-12


def test_squares_and_deviations_of_the_same_coefficients() -> None:
    text = LINE.replace("s : positive", "s, t : positive") + "    data x[n] ~ Normal(b @ u[n], t)\n"
    rng = np.random.default_rng(6)
    u = rng.normal(size=(40, 2))
    y, x = u @ [1.0, -1.0] + rng.laplace(size=40), u @ [1.5, -0.5] + rng.normal(size=40)
    p = fit(text, {"y": y, "u": u, "x": x}, tol=1e-13).params

    def loss(q: Floats) -> float:
        square = ((x - u @ q[1:]) ** 2).sum() / (2.0 * p["t"] ** 2)
        return float(np.abs(y - q[0] - u @ q[1:]).sum() / p["s"] + square)

    found = np.array([p["a"], *p["b"]])
    for step in rng.normal(size=(100, 3)):
        assert loss(found) <= loss(found + 1e-4 * step) + 1e-11


def test_squares_beside_the_deviations_of_components() -> None:
    text = LINES.replace("b[K] : real[P]", "b[K] : real[P] ~ Normal(0, 2)")
    compiled = compile_source(Source(text, "m.em"))
    module = import_text(compiled.module, "Lines")
    rng = np.random.default_rng(7)
    data = {"u": rng.normal(size=(9, 2)), "y": rng.normal(size=9)}
    params = {"w": np.array([0.4, 0.6]), "b": rng.normal(size=(2, 2)), "s": np.array([0.7, 1.5])}
    case = Case(compiled, module, data, params)
    assert check_e_step(case) == []
    assert check_m_step(case, rng) == []


# --- powers -----------------------------------------------------------------------------------

POWER = """model Power
param m : real
param s, p : positive
for n in N:
    data x[n] ~ GeneralizedNormal(m, s, p)
"""
POWERS = """model Powers(K = 2)
param w : simplex[K]
param m[K] : real
param s[K], p[K] : positive
for n in N:
    latent z[n] ~ Categorical(w)
    data x[n] ~ GeneralizedNormal(m[z[n]], s[z[n]], p[z[n]])
"""


@pytest.mark.parametrize("shape", [1.0, 1.5, 2.0, 5.0])
def test_a_generalised_normal(shape: float) -> None:
    x = stats.gennorm.rvs(shape, loc=3.0, scale=2.0, size=150, random_state=7)
    result = fit(POWER, {"x": x})
    best = max(
        -optimize.minimize(
            lambda q: -stats.gennorm.logpdf(x, np.exp(q[2]), q[0], np.exp(q[1])).sum(),
            [np.quantile(x, at), np.log(x.std()), start], method="Nelder-Mead",
            options={"xatol": 1e-8, "fatol": 1e-9, "maxiter": 5000},
        ).fun
        for at, start in ((0.4, 0.0), (0.5, 0.5), (0.6, 1.0))
    )  # fmt: skip
    assert result.log_likelihood > best - 1e-5


def test_a_mixture_of_generalised_normals_never_falls() -> None:
    x = np.concatenate([
        stats.gennorm.rvs(1.2, loc=0.0, size=80, random_state=1),
        stats.gennorm.rvs(4.0, loc=6.0, scale=2.0, size=80, random_state=2),
    ])  # fmt: skip
    x[:20] = np.round(x[:20])  # places where derivatives have no limit
    trace: list[float] = []
    result = fit(
        POWERS, {"x": x}, seed=1, restarts=1, on_iteration=lambda i: trace.append(i.objective)
    )
    assert np.diff(trace).min() > -1e-9
    p = result.params
    each = [np.log(p["w"][k]) + stats.gennorm.logpdf(x, p["p"][k], p["m"][k], p["s"][k])
            for k in range(2)]  # fmt: skip
    assert result.log_likelihood == pytest.approx(np.logaddexp(*each).sum(), rel=1e-10)


# --- what is refused, and said ----------------------------------------------------------------


def refusal(text: str) -> str:
    with pytest.raises(CompileError) as raised:
        compile_source(Source(text, "m.em"))
    return str(raised.value)


def test_what_is_no_median_is_refused() -> None:
    text = ONE.replace("Laplace(m, s)", "Laplace(m^2, s)")
    assert (
        "for `-w[n]*Abs(m**2 - x[n])/s` is neither an absolute value of what is linear in `m`, its "
        "factor nonpositive, nor linear or quadratic in `m` itself [no-closed-form]"
    ) in refusal(text)


def test_a_location_of_a_type_of_its_own_is_refused() -> None:
    text = ONE.replace("m : real", "m : ordered[2]").replace("Laplace(m,", "Laplace(m[0] + m[1],")
    assert "for `m` is ordered[2], and no entry of it is alone in them [no-closed-form]" in (
        refusal(text)
    )


def test_says_how_the_location_is_found() -> None:
    text = module(MIXTURE)[0].module
    assert "# m: weighted median\n" in text
    assert "#   Q = - sum_{n} w[k, n] |x~[n] - m[k]|\n" in text
    assert "is the weighted median (Koenker 2005, section 1.3)" in text
    assert "# a: least absolute deviations\n" in module(LINE)[0].module
