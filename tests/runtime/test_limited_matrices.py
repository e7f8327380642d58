"""Positive definite matrices under linear equations and bounds: searches, and textbook answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

import emdsl
from emdsl.diagnostics import CompileError
from emdsl.runtime.errors import ParamsError
from emdsl.source import Source

NORMAL = """\
model Normals
param mean : real[D]
param S    : posdef[D]
for n in N:
    data x[n] : real[D] ~ MvNormal(mean, S)
"""
PRECISION = NORMAL.replace("mean, S)", "mean, precision = S)")
MIXTURE = """\
model Mixture(K = 2)
param weight  : simplex[K]
param mean[K] : real[D]
param S[K]    : posdef[D]
for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : real[D] ~ MvNormal(mean[z[n]], S[z[n]])
"""
SHARED = MIXTURE.replace("S[K]    :", "S :").replace("S[z[n]]", "S")


def load(text: str, *constraints: str) -> Any:
    lines = "".join(f"constrain {c}\n" for c in constraints)
    return emdsl.load(Source(text + lines, "model.em"))


def rows(size: int = 3, count: int = 60, seed: int = 0) -> NDArray[Any]:
    rng = np.random.default_rng(seed)
    return np.asarray(rng.normal(size=(count, size)) @ rng.normal(size=(size, size)) + 2.0)


def scatter(x: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.cov(x.T, bias=True))


# entries of a 3 by 3 matrix in a search: 00 01 02 11 12 22
def eq(*weights: float, to: float = 0.0) -> dict[str, Any]:
    return {"type": "eq", "fun": lambda t: np.dot(weights, t) - to}


def up(*weights: float, to: float = 0.0) -> dict[str, Any]:
    return {"type": "ineq", "fun": lambda t: np.dot(weights, t) - to}


CASES: list[tuple[list[str], list[dict[str, Any]], int]] = [
    (["S[0,1] >= 0.3"], [up(0, 1, 0, 0, 0, 0, to=0.3)], 6),
    (["S[0,0] <= 0.2", "S[2,2] >= 5"],
     [up(-1, 0, 0, 0, 0, 0, to=-0.2), up(0, 0, 0, 0, 0, 1, to=5)], 6),
    (["S[0,0] + S[1,1] == 3"], [eq(1, 0, 0, 1, 0, 0, to=3)], 5),
    (["S[0,1] == 2 * S[0,2]"], [eq(0, 1, -2, 0, 0, 0)], 5),
    (["S[0,0] + S[1,1] == 1", "S[0,1] >= 0.1", "S[0,2] == 3 * S[1,2]", "S[2,2] <= 2"],
     [eq(1, 0, 0, 1, 0, 0, to=1), up(0, 1, 0, 0, 0, 0, to=0.1), eq(0, 0, 1, 0, -3, 0),
      up(0, 0, 0, 0, 0, -1, to=-2)], 4),
    (["sum(S) == 9", "S[0,0] == S[1,1]", "S[1,2] == 0.1"],
     [eq(1, 2, 2, 1, 2, 1, to=9), eq(1, 0, 0, -1, 0, 0), eq(0, 0, 0, 0, 1, 0, to=0.1)], 3),
]  # fmt: skip


@pytest.mark.parametrize("precision", [False, True], ids=["covariance", "precision"])
@pytest.mark.parametrize(("texts", "rules", "free"), CASES, ids=lambda c: str(c)[:30])
def test_the_maximum_is_that_of_slsqp(
    texts: list[str], rules: list[dict[str, Any]], free: int, precision: bool
) -> None:
    """SLSQP over the six entries, from the fit and from beside it, finds nothing higher."""
    x = rows()
    fit = load(PRECISION if precision else NORMAL, *texts).fit(x, tol=1e-13)
    assert fit.status == "converged"
    assert fit.n_params == 3 + free
    s, at = scatter(x), np.triu_indices(3)

    def whole(t: NDArray[Any]) -> NDArray[Any]:
        m = np.zeros((3, 3))
        m[at] = t
        return np.asarray(m + m.T - np.diag(np.diag(m)))

    def lost(t: NDArray[Any]) -> float:
        m = whole(t)
        if np.linalg.eigvalsh(m)[0] <= 1e-9:
            return 1e3
        c = np.linalg.inv(m) if precision else m
        return float(np.linalg.slogdet(c)[1] + np.trace(np.linalg.solve(c, s)))

    top = fit.params["S"][at]
    for rule in rules:
        found = float(rule["fun"](top))
        assert found >= -1e-12 if rule["type"] == "ineq" else abs(found) < 1e-12
    here = lost(top)
    log_likelihood = -0.5 * len(x) * (here + 3.0 * np.log(2.0 * np.pi))
    assert fit.log_likelihood == pytest.approx(log_likelihood, abs=1e-8)
    for jitter in (0.0, 0.02):
        found = optimize.minimize(
            lost,
            top + jitter * np.abs(top),
            method="SLSQP",
            constraints=rules,
            options={"ftol": 1e-15, "maxiter": 500},
        )
        assert here <= found.fun + 1e-8  # type: ignore[attr-defined] # a result


def every_pair(size: int, form: str) -> list[str]:
    """Equations of a matrix that depends on |i - j|, or on it around a circle."""
    first: dict[int, str] = {}
    texts = []
    for i in range(size):
        for j in range(i, size):
            lag = j - i
            lag = min(lag, size - lag) if form == "circulant" else lag
            lag = min(lag, 1) if form == "equal" else lag
            here = f"S[{i},{j}]"
            if lag in first:
                texts.append(f"{here} == {first[lag]}")
            first.setdefault(lag, here)
    return texts


def test_compound_symmetry_has_two_averages() -> None:
    """Votaw 1948: the mean variance and the mean covariance."""
    x = rows(4)
    fit = load(NORMAL, *every_pair(4, "equal")).fit(x)
    s = scatter(x)
    off = ~np.eye(4, dtype=np.bool_)
    wanted = np.where(off, s[off].mean(), np.diag(s).mean())
    assert fit.params["S"] == pytest.approx(wanted, rel=1e-9)
    assert fit.n_params == 4 + 2


def test_a_circulant_averages_around_the_circle() -> None:
    """Olkin and Press 1969: each covariance is the mean of those at its distance."""
    x = rows(5, seed=3)
    s = scatter(x)
    fit = load(NORMAL, *every_pair(5, "circulant")).fit(x)
    lag = np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    lag = np.minimum(lag, 5 - lag)
    wanted = np.array([s[lag == k].mean() for k in range(3)])[lag]
    assert fit.params["S"] == pytest.approx(wanted, rel=1e-8)


def test_known_correlation_of_equal_variances() -> None:
    """S = v (1 on the diagonal, 1/2 beside it): an equation; v is tr(R^-1 scatter) / D."""
    x = rows(3, seed=5)
    texts = ["S[1,1] == S[0,0]", "S[2,2] == S[0,0]",
             *(f"S[0,0] == 2 * S[{i},{j}]" for i, j in ((0, 1), (0, 2), (1, 2)))]  # fmt: skip
    fit = load(NORMAL, *texts).fit(x)
    r = np.full((3, 3), 0.5) + 0.5 * np.eye(3)
    v = np.trace(np.linalg.solve(r, scatter(x))) / 3.0
    assert fit.params["S"] == pytest.approx(v * r, rel=1e-10)
    assert fit.n_params == 3 + 1


def test_a_toeplitz_matrix_satisfies_its_equations() -> None:
    """Anderson 1973: tr(P (scatter - S) P S_j) = 0 of each of the S_j."""
    x = rows(4, seed=7)
    fit = load(NORMAL, *every_pair(4, "lag")).fit(x)
    found = fit.params["S"]
    p = np.linalg.inv(found)
    slope = p @ (scatter(x) - found) @ p
    for k in range(4):
        band = np.eye(4, k=k) + np.eye(4, k=-k) * (k > 0)
        assert np.ptp(np.diagonal(found, k)) == 0.0
        assert np.sum(slope * band) == pytest.approx(0.0, abs=1e-9 * np.abs(p).max())


def test_proportional_covariances_of_components() -> None:
    """`S[0] == 2 * S[1]`, and the whole of both: as S and 2 S under one shared S."""
    x = np.concatenate([rows(2, 80, 1), 0.5 * rows(2, 80, 2) + 12.0])
    fit = load(MIXTURE, "S[0] == 2 * S[1]").fit(x, seed=1)
    assert fit.params["S"][0] == pytest.approx(2.0 * fit.params["S"][1], rel=1e-12)
    one = (
        SHARED.replace("K", "2")
        .replace("(2 = 2)", "")
        .replace("z[n]], S)", "z[n]], scale[z[n]] * S)")
    )
    other = load("model Scaled\nconst scale = [2, 1]\n" + one.split("\n", 1)[1]).fit(x, seed=1)
    assert fit.log_likelihood == pytest.approx(other.log_likelihood, abs=1e-6)
    assert fit.n_params == other.n_params


@pytest.mark.parametrize(
    ("text", "constraints"),
    [(MIXTURE, ["S[0][0,1] >= 0", "S[1][0,0] + S[1][1,1] == 4"]),
     (MIXTURE, ["S[0][0,0] + S[1][0,0] == 3", "S[1][0,1] <= -0.2"]),
     (SHARED, ["S[0,1] <= 0.1", "S[0,0] == 2 * S[1,1]"])],
    ids=["per component", "across components", "shared"],
)  # fmt: skip
def test_no_feasible_way_leads_up_from_a_mixture(text: str, constraints: list[str]) -> None:
    """Objectives never fall; trust-constr on the whole likelihood from there gains nothing."""
    x = np.concatenate([rows(2, 60, 1), rows(2, 60, 4) + 5.0])
    fit = load(text, *constraints).fit(x, seed=3, restarts=3, tol=1e-12, max_iter=5000)
    assert fit.status == "converged"
    trace = np.asarray(fit.objective_trace)
    assert (np.diff(trace) >= -1e-9 * np.abs(trace[1:])).all()
    shape = fit.params["S"].shape

    def matrices(t: NDArray[Any]) -> NDArray[Any]:
        a = t.reshape(-1, 3)
        out = np.stack([a[:, 0], a[:, 1], a[:, 1], a[:, 2]], axis=1).reshape(shape)
        return np.broadcast_to(out, (2, 2, 2))

    def lost(t: NDArray[Any]) -> float:
        s = matrices(t)
        if np.linalg.eigvalsh(s).min() < 1e-6:
            return 1e6
        parts = zip(fit.params["weight"], fit.params["mean"], s, strict=True)
        logs = [np.log(w) + stats.multivariate_normal(m, c).logpdf(x) for w, m, c in parts]
        return -float(np.logaddexp(*logs).sum())

    flat = fit.params["S"].reshape(-1, 4)[:, [0, 1, 3]].ravel()
    rules: list[dict[str, Any]] = {
        2: [up(0, -1, 0, to=-0.1), eq(1, 0, -2)],
        0: [up(0, 1, 0, 0, 0, 0), eq(0, 0, 0, 1, 0, 1, to=4)],
        1: [eq(1, 0, 0, 1, 0, 0, to=3), up(0, 0, 0, 0, -1, 0, to=0.2)],
    }[2 if text is SHARED else int("S[0][0,0]" in constraints[0])]
    for rule in rules:
        value = float(rule["fun"](flat))
        assert value >= -1e-11 if rule["type"] == "ineq" else abs(value) < 1e-11
    assert lost(flat) == pytest.approx(-fit.log_likelihood, abs=1e-7)
    best = optimize.minimize(lost, flat, method="SLSQP", constraints=rules,
                             options={"ftol": 1e-14, "maxiter": 200})  # fmt: skip
    assert -best.fun <= fit.log_likelihood + 1e-5


@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_units_and_offsets_change_nothing(unit: float) -> None:
    """The data at another scale, far from zero, with a duplicate and limits in that scale."""
    x = rows()
    x = np.concatenate([x, x[:5]])
    base = load(NORMAL, "S[0,0] + S[1,1] == 1", "S[0,1] >= 0.1").fit(x)
    far = x * unit + (0.0 if unit > 1.0 else 1e-2)
    text = (f"S[0,0] + S[1,1] == {unit**2:.17g}", f"S[0,1] >= {0.1 * unit**2:.17g}")
    fit = load(NORMAL, *text).fit(far)
    assert fit.status == "converged"
    assert fit.params["S"] / unit**2 == pytest.approx(base.params["S"], rel=1e-5)


@pytest.mark.parametrize(
    ("constraints", "said"),
    [
        (["S[0,0] + S[1,1] == -3"], "`S[0,0] + S[1,1] == -3`: loosen or drop it"),
        (["S[0,1] >= 3", "S[0,0] <= 2", "S[1,1] <= 2"],
         "`S[0,1] >= 3`, `S[0,0] <= 2` and `S[1,1] <= 2`: loosen or drop one of them"),
        (["S[0,0] + S[1,1] == 2", "S[0,0] - S[1,1] == 4"],
         "`S[0,0] + S[1,1] == 2` and `S[0,0] - S[1,1] == 4`: loosen or drop one of them"),
        (["S[0,1] >= 1", "S[0,0] == 1", "S[1,1] <= 1"],  # singular at best
         "`S[0,1] >= 1`, `S[0,0] == 1` and `S[1,1] <= 1`: loosen or drop one of them"),
    ],
)  # fmt: skip
def test_what_no_matrix_meets_is_refused(constraints: list[str], said: str) -> None:
    with pytest.raises(ParamsError) as error:
        load(NORMAL, *constraints).fit(rows())
    assert str(error.value) == f"no positive definite matrix S meets {said}"


def test_fix_and_limits_hold_together() -> None:
    """A fit's `fix` beside the file's: the equation then gives the other entry."""
    module = load(NORMAL, "S[0,0] + S[1,1] == 3", "S[0,1] >= 0")
    given = np.full((3, 3), np.nan)
    given[0, 0] = 1.0
    fit = module.fit(rows(), fix={"S": given})
    assert fit.params["S"][0, 0] == 1.0
    assert fit.params["S"][1, 1] == pytest.approx(2.0, abs=1e-14)
    assert fit.n_params == 3 + 4
    given[1, 1] = 5.0
    with pytest.raises(ParamsError, match="contradicts the other constraints"):
        module.fit(rows(), fix={"S": given})


SLOPES = """\
model Slopes
param beta  : real[P]
param S     : posdef[P]
param sigma : positive
for g in G:
    latent b[g] : real[P] ~ MvNormal(beta, S)
for n in N:
    input group[n] : index[G]
    input u[n]     : real[P]
    data  y[n]     ~ Normal(dot(b[group[n]], u[n]), sigma)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("texts", "rules"),
    [(["S[0,1] <= -0.1", "S[1,1] <= 0.5"], [up(0, -1, 0, 0, to=0.1), up(0, 0, -1, 0, to=-0.5)]),
     (["S[0,0] == 2 * S[1,1]"], [eq(1, 0, -2, 0)])],
    ids=["bounds", "equation"],
)  # fmt: skip
def test_covariances_of_latents(texts: list[str], rules: list[dict[str, Any]]) -> None:
    """Random intercepts and slopes: SLSQP on the marginal likelihood, by dense matrices."""
    rng = np.random.default_rng(4)
    group = np.repeat(np.arange(25), 6)
    u = np.column_stack([np.ones(150), np.tile(np.arange(6.0), 25)])
    b = rng.multivariate_normal([1.0, 0.5], [[1.5, 0.3], [0.3, 0.8]], size=25)
    y = (b[group] * u).sum(axis=1) + 0.7 * rng.normal(size=150)
    fit = load(SLOPES, *texts).fit({"group": group, "u": u, "y": y}, tol=1e-12, max_iter=20000)
    assert fit.status == "converged"
    design, parts = u[:6], y.reshape(25, 6)

    def lost(t: NDArray[Any]) -> float:
        s = np.array([[t[0], t[1]], [t[1], t[2]]])
        v = design @ s @ design.T + t[3] ** 2 * np.eye(6)
        if np.linalg.eigvalsh(v)[0] < 1e-9:
            return 1e6
        p = np.linalg.inv(v)
        beta = np.linalg.solve(design.T @ p @ design, design.T @ p @ parts.mean(axis=0))
        away = parts - design @ beta
        quadratic = float(np.einsum("gi,ij,gj->", away, p, away))
        return 0.5 * (25 * (np.linalg.slogdet(v)[1] + 6 * np.log(2 * np.pi)) + quadratic)

    s = fit.params["S"]
    top = np.array([s[0, 0], s[0, 1], s[1, 1], float(fit.params["sigma"])])
    best = optimize.minimize(lost, top, method="SLSQP", constraints=rules, options={"ftol": 1e-14})
    assert lost(top) == pytest.approx(-fit.log_likelihood, abs=1e-6)
    assert fit.log_likelihood >= -best.fun - 1e-6


FACTOR = """\
model Factor
param mean : real[D]
param load : real[D]
param S    : posdef[D]
for n in N:
    latent f[n] ~ Normal(0, 1)
    data   x[n] : real[D] ~ MvNormal(mean + load * f[n], S)
"""


def test_noise_about_a_factor() -> None:
    """Unlike factor analysis with a diagonal: one error covariance is free, and two limited."""
    rng = np.random.default_rng(6)
    noise = np.array([[1.0, 0.2, 0, 0], [0.2, 0.7, 0, 0], [0, 0, 0.8, -0.1], [0, 0, -0.1, 1.0]])
    x = rng.normal(size=(200, 1)) * [1.5, -1.0, 2.0, 1.2] + rng.multivariate_normal(
        np.zeros(4), noise, size=200)  # fmt: skip
    texts = ["S[0,2] == 0", "S[0,3] == 0", "S[1,2] == 0", "S[1,3] == 0", "S[2,3] >= 0",
             "S[0,1] <= 0", "S[0,0] == 2 * S[1,1]"]  # fmt: skip
    fit = load(FACTOR, *texts).fit(x, tol=1e-11, max_iter=5000, seed=0, restarts=1)
    s, at = scatter(x), ([0, 1, 2, 3, 0, 2], [0, 1, 2, 3, 1, 3])

    def lost(t: NDArray[Any]) -> float:
        noise = np.zeros((4, 4))
        noise[at] = t[4:]
        noise[at[::-1]] = t[4:]
        if np.linalg.eigvalsh(noise)[0] < 1e-7:
            return 1e3
        v = noise + np.outer(t[:4], t[:4])
        return float(np.linalg.slogdet(v)[1] + np.trace(np.linalg.solve(v, s)))

    top = np.concatenate([fit.params["load"], fit.params["S"][at]])
    here = -0.5 * len(x) * (lost(top) + 4.0 * np.log(2.0 * np.pi))
    assert fit.log_likelihood == pytest.approx(here, abs=1e-6)
    assert top[8] <= 0.0 <= top[9]
    assert top[4] == pytest.approx(2.0 * top[5], rel=1e-12)
    rules = [eq(0, 0, 0, 0, 1, -2, 0, 0, 0, 0), up(0, 0, 0, 0, 0, 0, 0, 0, -1, 0),
             up(0, 0, 0, 0, 0, 0, 0, 0, 0, 1)]  # fmt: skip
    best = optimize.minimize(lost, top, method="SLSQP", constraints=rules, options={"ftol": 1e-13})
    assert lost(top) <= best.fun + 1e-6


def test_an_equation_of_two_params_is_refused() -> None:
    text = (
        NORMAL.replace("param S    :", "param S, R :")
        + "    data y[n] : real[D] ~ MvNormal(mean, R)\n"
    )
    with pytest.raises(CompileError) as error:
        load(text, "S[0,0] + R[0,0] == 3")
    assert str(error.value) == (
        "model.em:7:11: error: a linear equation with entries of `S` can't have `R` in it: each "
        "matrix is solved by itself [constraint-type]\n"
        "    7 | constrain S[0,0] + R[0,0] == 3\n"
        "      |           ^^^^^^^^^^^^^^^^^^^^\n"
        "  help: make them one param with an index, or an equation of each"
    )
