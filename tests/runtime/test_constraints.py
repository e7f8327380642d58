"""Constraints in the model: each fit is the constrained maximum, by a search that knows no EM."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

import emdsl
from emdsl.runtime.errors import ParamsError
from emdsl.source import Source

MIXTURE = """\
model Mixture(K = 3)
param weight  : simplex[K]
param mean[K] : real
param sd[K]   : positive
for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Normal(mean[z[n]], sd[z[n]])
"""


def load(text: str, *constraints: str) -> Any:
    lines = "".join(f"constrain {c}\n" for c in constraints)
    return emdsl.load(Source(text + lines, "model.em"))


def three_humps() -> NDArray[Any]:
    rng = np.random.default_rng(11)
    return np.concatenate(
        [rng.normal(0.0, 1.0, 150), rng.normal(4.0, 1.5, 200), rng.normal(9.0, 0.7, 100)]
    )


def same(i: int, j: int) -> dict[str, Any]:
    return {"type": "eq", "fun": lambda t: t[i] - t[j]}


def at(value: float, **weights: float) -> dict[str, Any]:
    """sum of weights * entries = value; i3 = 2.0 is twice entry 3."""
    terms = [(int(k[1:]), w) for k, w in weights.items()]
    return {"type": "eq", "fun": lambda t: sum(w * t[i] for i, w in terms) - value}


def above(i: int, value: float, sign: float = 1.0) -> dict[str, Any]:
    return {"type": "ineq", "fun": lambda t: sign * (t[i] - value)}


# entries: 0 to 2 the weights, 3 to 5 the means, 6 to 8 the standard deviations
CASES: list[tuple[list[str], list[dict[str, Any]], int]] = [
    (["mean[0] == 0.5"], [at(0.5, i3=1.0)], 7),
    (["weight[1] == 1/2"], [at(0.5, i1=1.0)], 7),
    (["weight[0] == weight[2]"], [same(0, 2)], 7),
    (["sd[0] == sd[1]"], [same(6, 7)], 7),
    (["sd[0] == sd[1]", "sd[2] == sd[1]"], [same(6, 7), same(7, 8)], 6),
    (["sd[2] == 1", "sd[0] == sd[1]"], [at(1.0, i8=1.0), same(6, 7)], 6),
    (["sd >= 0.9", "sd[1] <= 1.2"], [above(i, 0.9) for i in (6, 7, 8)] + [above(7, 1.2, -1)], 8),
    (["weight >= 0.3"], [above(i, 0.3) for i in (0, 1, 2)], 8),
    (["weight[0] >= 0.5", "weight[1] <= 0.2", "weight[2] >= 0.25"],
     [above(0, 0.5), above(1, 0.2, -1), above(2, 0.25)], 8),
    (["weight[1] == 0.25", "weight <= 0.45"],
     [at(0.25, i1=1.0), above(0, 0.45, -1), above(2, 0.45, -1)], 7),
    (["weight[0] == weight[1]", "weight[2] <= 0.25", "sd >= 0.9"],
     [same(0, 1), above(2, 0.25, -1)] + [above(i, 0.9) for i in (6, 7, 8)], 7),
    (["2 * mean[0] + mean[1] == 3"], [at(3.0, i3=2.0, i4=1.0)], 7),
    (["sum(mean) == 12"], [at(12.0, i3=1.0, i4=1.0, i5=1.0)], 7),
    (["mean[1] - mean[0] == mean[2] - mean[1]"], [at(0.0, i3=-1.0, i4=2.0, i5=-1.0)], 7),
    (["mean >= 0.4", "sum(mean) == 13"],
     [above(i, 0.4) for i in (3, 4, 5)] + [at(13.0, i3=1.0, i4=1.0, i5=1.0)], 7),
    (["mean[0] == 0", "mean[2] == 9", "weight[2] == 0.2", "sd[0] == sd[2]", "mean[1] <= 3.5"],
     [at(0.0, i3=1.0), at(9.0, i5=1.0), at(0.2, i2=1.0), same(6, 8), above(4, 3.5, -1)], 4),
]  # fmt: skip


@pytest.mark.parametrize(("texts", "rules", "free"), CASES, ids=lambda x: str(x)[:40])
def test_a_mixture_ends_at_the_constrained_maximum(
    texts: list[str], rules: list[dict[str, Any]], free: int
) -> None:
    """From the fit, and from beside it, SLSQP on the likelihood finds nothing higher."""
    x = three_humps()
    fit = load(MIXTURE, *texts).fit(x, restarts=10, seed=4, tol=1e-12, max_iter=50000)
    assert fit.status == "converged"
    assert fit.n_params == free
    top = np.concatenate([fit.params[n] for n in ("weight", "mean", "sd")])
    for rule in rules:
        assert rule["fun"](top) == pytest.approx(0.0, abs=1e-9) or rule["type"] == "ineq"
        assert rule["fun"](top) >= -1e-9

    def lost(t: NDArray[Any]) -> float:
        density = t[:3] @ stats.norm.pdf(x, t[3:6, None], np.maximum(t[6:, None], 1e-3))
        return -float(np.log(np.maximum(density, 1e-300)).mean())

    every = [*rules, {"type": "eq", "fun": lambda t: t[:3].sum() - 1.0}]
    bounds = [(1e-6, 1.0)] * 3 + [(-20.0, 20.0)] * 3 + [(0.1, 20.0)] * 3
    for jitter in (0.0, 0.01):
        found = optimize.minimize(lost, top * (1.0 + jitter), method="SLSQP", constraints=every,
                                  bounds=bounds,
                                  options={"ftol": 1e-15, "maxiter": 1000})  # fmt: skip
        assert fit.log_likelihood >= -found.fun * len(x) - 1e-6
    assert fit.log_likelihood == pytest.approx(-lost(top) * len(x), abs=1e-8)


EFFECTS = """\
model Effects
param mu        : real
param effect[G] : real
param sd        : positive
for n in N:
    input g[n] : index[G]
    data  y[n] ~ Normal(mu + effect[g[n]], sd)
"""


def test_effects_that_sum_to_zero_are_deviations_from_the_mean_of_means() -> None:
    """Hand answer: mu is the mean of the group means, an effect a group's distance from it."""
    rng = np.random.default_rng(2)
    g = np.repeat([0, 1, 2, 3], [5, 20, 10, 3])
    y = np.array([1.0, 3.0, -2.0, 0.5])[g] + rng.normal(size=len(g))
    fit = load(EFFECTS, "sum(effect) == 0").fit({"g": g, "y": y})
    means = np.array([y[g == i].mean() for i in range(4)])
    assert fit.params["mu"] == pytest.approx(means.mean(), abs=1e-10)
    assert fit.params["effect"] == pytest.approx(means - means.mean(), abs=1e-10)
    assert fit.n_params == 5
    assert fit.n_iter <= 2


def test_the_first_level_as_the_reference() -> None:
    g = np.repeat([0, 1, 2], 4)
    y = np.arange(12.0) ** 1.5
    fit = load(EFFECTS, "effect[0] == 0").fit({"g": g, "y": y})
    means = y.reshape(3, 4).mean(axis=1)
    assert fit.params["mu"] == pytest.approx(means[0])
    assert fit.params["effect"] == pytest.approx(means - means[0])


def test_equations_across_params() -> None:
    """The intercept equals the first slope: least squares on the sum of their columns."""
    text = (
        "model M\nparam a : real\nparam b[P] : real\nparam sd : positive\n"
        "for n in N:\n    input u[n] : real[P]\n    data y[n] ~ Normal(a + dot(b, u[n]), sd)\n"
    )
    rng = np.random.default_rng(7)
    u = rng.normal(size=(40, 3))
    y = 1.0 + u @ [2.0, 0.0, -1.0] + rng.normal(size=40)
    fit = load(text, "a == b[0]", "b[1] + b[2] == 1").fit({"u": u, "y": y})
    design = np.column_stack([1.0 + u[:, 0], u[:, 1] - u[:, 2]])
    beta, *_ = np.linalg.lstsq(design, y - u[:, 2], rcond=None)
    assert fit.params["a"] == pytest.approx(beta[0], abs=1e-10)
    assert fit.params["b"] == pytest.approx([beta[0], beta[1], 1.0 - beta[1]], abs=1e-10)
    assert fit.n_params == 3


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_slopes_that_are_not_negative_are_those_of_nnls(sign: float) -> None:
    text = (
        "model M\nparam b : real[P]\nparam sd : positive\n"
        "for n in N:\n    input u[n] : real[P]\n    data y[n] ~ Normal(dot(b, u[n]), sd)\n"
    )
    rng = np.random.default_rng(8)
    u = rng.normal(size=(50, 6)) @ (np.eye(6) + 0.5)
    y = sign * (u @ [1.0, -1.0, 0.5, 2.0, -0.2, 0.0]) + rng.normal(size=50)
    fit = load(text, "b >= 0").fit({"u": u, "y": y})
    expected, _ = optimize.nnls(u, y)
    assert fit.params["b"] == pytest.approx(expected, abs=1e-9)
    assert (fit.params["b"] >= 0.0).all()


def test_params_that_are_one() -> None:
    """Two samples with means of their own and one standard deviation: the pooled one."""
    text = (
        "model M\nparam m0, m1 : real\nparam s0, s1 : positive\n"
        "for i in I:\n    data x[i] ~ Normal(m0, s0)\nfor j in J:\n    data y[j] ~ Normal(m1, s1)\n"
    )
    rng = np.random.default_rng(3)
    x, y = rng.normal(0, 1, 30), rng.normal(5, 2, 50)
    fit = load(text, "s0 == s1").fit({"x": x, "y": y})
    pooled = np.sqrt((30 * x.var() + 50 * y.var()) / 80)
    assert fit.params["s0"] == fit.params["s1"] == pytest.approx(pooled)
    assert fit.n_params == 3
    fit = load(text, "m0 == m1").fit({"x": x, "y": y}, tol=1e-13)
    w = np.array([30, 50]) / np.array([fit.params["s0"] ** 2, fit.params["s1"] ** 2])
    assert fit.params["m0"] == pytest.approx(w @ [x.mean(), y.mean()] / w.sum(), abs=1e-6)
    assert fit.params["m0"] == pytest.approx(fit.params["m1"], abs=1e-12)


GMM = """\
model GMM(K = 3)
param weight  : simplex[K]
param mean[K] : real[D]
param cov[K]  : posdef[D]
for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : real[D] ~ MvNormal(mean[z[n]], cov[z[n]])
"""


def plane() -> NDArray[Any]:
    rng = np.random.default_rng(5)
    a = rng.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 150)
    b = rng.multivariate_normal([5, 1], [[2, -0.5], [-0.5, 1]], 150)
    return np.concatenate([a, b, rng.normal([2.0, 8.0], 0.5, (80, 2))])


def test_matrices_are_tied_whole() -> None:
    """The M-step of two tied covariances is their pooled scatter, the third's its own."""
    x = plane()
    module = load(GMM, "cov[0] == cov[2]")
    fit = module.fit(x, restarts=4, tol=1e-12)
    assert fit.status == "converged"
    assert np.array_equal(fit.params["cov"][0], fit.params["cov"][2])
    assert fit.n_params == 2 + 6 + 2 * 3
    z = fit.posterior()["z"]
    scatter = [(z[:, k, None] * (x - fit.params["mean"][k])).T @ (x - fit.params["mean"][k])
               for k in range(3)]  # fmt: skip
    both = (scatter[0] + scatter[2]) / z[:, [0, 2]].sum()
    assert fit.params["cov"][0] == pytest.approx(both, abs=1e-5)


def test_an_entry_of_a_mean_takes_the_correlation_into_account() -> None:
    """With one coordinate held, the other's maximum is the conditional one, not the average."""
    x = plane()[:150]
    one = load(GMM, "mean[0, 0] == 0.5").fit(x, K=1, tol=1e-14, max_iter=5000)
    cov = one.params["cov"][0]
    slope = cov[1, 0] / cov[0, 0]
    expected = x[:, 1].mean() + slope * (0.5 - x[:, 0].mean())
    assert one.params["mean"][0] == pytest.approx([0.5, expected], abs=1e-6)

    def lost(t: NDArray[Any]) -> float:
        factor = np.array([[np.exp(t[1]), 0.0], [t[2], np.exp(t[3])]])
        return -float(stats.multivariate_normal([0.5, t[0]], factor @ factor.T).logpdf(x).sum())

    found = optimize.minimize(lost, [0.0, 0.0, 0.5, 0.0], method="BFGS", options={"gtol": 1e-7})
    assert one.log_likelihood == pytest.approx(-found.fun, abs=1e-6)


HMM = """\
model HMM(K = 3)
param start    : simplex[K]
param trans[K] : simplex[K]
param emit[K]  : simplex[V]
for s in S:
    for t in T[s]:
        latent z[s, t] ~ Categorical(start) if t == 0 else Categorical(trans[z[s, t-1]])
        data   x[s, t] : category[V] ~ Categorical(emit[z[s, t]])
"""


def sequences() -> list[NDArray[Any]]:
    rng = np.random.default_rng(1)
    rows = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1], [0.1, 0.1, 0.1, 0.7]])
    return [
        np.array([rng.choice(4, p=rows[min(t * 3 // n, 2)]) for t in range(n)])
        for n in (12, 1, 30, 21)
    ]


def test_structural_zeros_rows_that_are_one_and_entries_that_are() -> None:
    module = load(
        HMM, "start[0] == 1", "trans[0][2] == 0", "trans[1][0] == 0", "trans[2, 0] == 0",
        "trans[2, 1] == 0", "trans[0][0] == trans[0][1]", "emit[0] == emit[2]", "emit[1][3] == 0",
    )  # fmt: skip
    fit = module.fit(sequences(), restarts=5, seed=3, V=4)
    trans, emit = fit.params["trans"], fit.params["emit"]
    assert trans[0] == pytest.approx([0.5, 0.5, 0.0], abs=1e-15)
    assert trans[1, 0] == 0.0
    assert trans[2] == pytest.approx([0.0, 0.0, 1.0], abs=1e-15)
    assert np.array_equal(emit[0], emit[2])
    assert emit[1, 3] == 0.0
    assert np.array_equal(fit.params["start"], [1.0, 0.0, 0.0])
    assert fit.n_params == 0 + 1 + 3 + 2
    for z, x in zip(fit.posterior()["z"], sequences(), strict=True):
        assert (z[0] == [1.0, 0.0, 0.0]).all()
        assert (z[x == 3, 1] == 0.0).all()  # exactly: what is ruled out has no posterior
    for path in fit.predict()["z"]:
        assert (np.diff(path) >= 0).all()


def test_a_bound_and_a_tie_meet_in_one_entry() -> None:
    """Of tied entries one bound holds of all."""
    x = three_humps()
    fit = load(MIXTURE, "sd[0] == sd[1]", "sd[1] <= 0.8").fit(x, restarts=4)
    assert fit.params["sd"][:2] == pytest.approx([0.8, 0.8])


def test_what_the_file_fixes_and_what_the_fit_fixes_meet() -> None:
    x = three_humps()
    module = load(MIXTURE, "sd[0] == sd[1]")
    fit = module.fit(x, restarts=4, fix={"sd": [np.nan, 1.0, np.nan]})
    assert fit.params["sd"][:2].tolist() == [1.0, 1.0]
    assert fit.n_params == 6
    with pytest.raises(ParamsError) as caught:
        module.fit(x, fix={"sd": [1.0, 2.0, np.nan]})
    assert str(caught.value) == (
        "sd[0] is held at 1 by `fix` and at 2 by `fix`: leave one out"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("constraints", "sizes", "text"),
    [
        (["mean[0] == mean[5]"], {},
         "`mean[0] == mean[5]` is about mean[5], but K = 3: expected an index from 0 to 2"),
        (["mean[0] == 0", "mean[3] == 1"], {"K": 2},
         "`mean[3] == 1` is about mean[3], but K = 2: expected an index from 0 to 1"),
        (["sum(mean) == 1", "mean[0] == 1", "mean[1] == 2"], {"K": 2},
         "`sum(mean) == 1` contradicts the other constraints: by them it is off by 2"),
        (["mean[0] + mean[1] == 1", "2 * mean[0] + 2 * mean[1] == 3"], {},
         ("`mean[0] + mean[1] == 1`, `2 * mean[0] + 2 * mean[1] == 3` contradict each other: no "
          "values fulfil them all")),
        (["weight[0] == weight[1]", "weight[0] == 0.4"], {"K": 2},
         "weight is [0.4, 0.4], expected nonnegative numbers that sum to 1"),
    ],
)  # fmt: skip
def test_what_only_sizes_decide_is_said_when_fitting(
    constraints: list[str], sizes: dict[str, int], text: str
) -> None:
    with pytest.raises(ParamsError) as caught:
        load(MIXTURE, *constraints).fit(three_humps(), **sizes)
    assert str(caught.value) == text


def test_awkward_data() -> None:
    """Constant columns, missing cells, weights of zero, one row: no crash, and the constraints."""
    module = load(MIXTURE, "mean[0] == mean[1]", "sd >= 0.5", "weight[2] == 0.25")
    for x in (np.full(20, 3.0), np.array([1.0, np.nan, 2.0, 5.0, np.nan]), np.array([1e8, 1e8 + 1]),
              np.array([1.0]), np.array([1e-300, 2e-300, 3e-300])):  # fmt: skip
        fit = module.fit(x, restarts=2)
        assert fit.params["mean"][0] == fit.params["mean"][1]
        assert (fit.params["sd"] >= 0.5).all()
        assert fit.params["weight"][2] == 0.25


NONE = " contradict each other: no values fulfil them all"
TWO = """\
model Two
param mu, nu : real
param s      : positive
for n in N:
    data x[n] ~ Normal(mu, s)
    data y[n] ~ Normal(nu, s)
"""


def test_an_equation_and_a_bound_that_its_nearest_point_is_beyond() -> None:
    """mu + nu = 4 with mu <= 1: the bound holds, and nu is what the equation gives."""
    rng = np.random.default_rng(1)
    values = {"x": rng.normal(3.0, 1.0, 40), "y": rng.normal(1.0, 1.0, 40)}
    fit = load(TWO, "mu + nu == 4", "mu <= 1").fit(values)
    assert fit.status == "converged"
    assert fit.params["mu"] == pytest.approx(1.0, abs=1e-14)
    assert fit.params["nu"] == pytest.approx(3.0, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "constraints", "message"),
    [
        (MIXTURE, ["sum(mean) == 3", "mean >= 2"],
         "`sum(mean) == 3` and `mean >= 2`" + NONE),
        (MIXTURE, ["mean >= 0", "sum(mean) == 3", "mean[0] - mean[1] == 5"],
         "`mean >= 0`, `sum(mean) == 3` and `mean[0] - mean[1] == 5`" + NONE),
        (TWO, ["mu + nu == 4", "mu <= 1", "nu <= 1"],
         "`mu + nu == 4`, `mu <= 1` and `nu <= 1`" + NONE),
        (TWO, ["mu >= 3", "nu <= 2", "mu == nu"],
         "mu has bounds 3 and 2, which leave it no value: it is in `mu >= 3` and `mu == nu`"),
    ],
)  # fmt: skip
def test_equations_and_bounds_that_nothing_meets(
    text: str, constraints: list[str], message: str
) -> None:
    """They gave means that broke the equations, without a word."""
    x = three_humps()
    values = x if text is MIXTURE else {"x": x, "y": x}
    with pytest.raises(ParamsError) as error:
        load(text, *constraints).fit(values)
    assert str(error.value) == message


@pytest.mark.parametrize("where", ["file", "fit", "prior"])
def test_a_component_whose_weight_is_zero_is_gone(where: str) -> None:
    """It has no data left, and nothing is wrong with that: the fit is that of the others."""
    x = three_humps()
    two = load(MIXTURE).fit({"x": x}, K=2, seed=0, tol=1e-12, progress=False)
    text = MIXTURE.replace("simplex[K]", "simplex[K] ~ Dirichlet(ones[K])") * (where == "prior")
    three = load(text or MIXTURE, *["weight[1] == 0"] * (where != "fit"))
    fix = {"weight": [np.nan, 0.0, np.nan]} if where == "fit" else None
    result = three.fit({"x": x}, seed=0, tol=1e-12, progress=False, fix=fix)
    assert (result.status, result.messages) == ("converged", ())
    assert result.log_likelihood == pytest.approx(two.log_likelihood, rel=1e-9)
    assert result.params["weight"][1] == 0.0
    assert result.n_params == two.n_params


def test_structural_zeros_under_a_prior_are_no_news() -> None:
    """Where a Dirichlet's argument is below 1, what it takes to 0 is; what is fixed there isn't."""
    text = """\
model Shares
param p : simplex[4] ~ Dirichlet([0.5, 2, 0.5, 2])
for n in N:
    data y[n] : category[4] ~ Categorical(p)
"""
    data = {"y": np.repeat([1, 3], [4, 6])}
    both = load(text).fit(data, progress=False).messages
    told = "ended at exactly 0; the log prior leaves out what is infinite there"
    assert both == (f"at the edge: 2 entries of p {told}",)
    one = load(text, "p[0] == 0").fit(data, progress=False).messages
    assert one == (f"at the edge: 1 entry of p {told}",)
    assert load(text, "p[0] == 0", "p[2] == 0").fit(data, progress=False).messages == ()
