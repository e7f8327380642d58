"""The oracle of continuous latents against closed forms that SciPy and dense algebra know."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, product
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, linalg, special, stats

from emdsl.model.build import build
from emdsl.model.graph import Model
from emdsl.source import Source
from emdsl.syntax.parse import parse
from emdsl.verify import enumeration as exact
from emdsl.verify.coordinates import gradient
from emdsl.verify.evaluate import log_prior
from emdsl.verify.gaussian import NotNormal, Part, normal, quadratic
from emdsl.verify.groups import Group
from emdsl.verify.integration import NotIntegrated, integral
from emdsl.verify.moments import expectation, moments

Floats = NDArray[np.float64]


def model(text: str) -> Model:
    source = Source("model M\n" + dedent(text), "m.em")
    return build(parse(source), source)[0]


def array(*x: float) -> Floats:
    return np.array(x, dtype=float)


# --- one latent a row, and what its rows then are ------------------------------------------------

Y = array(0, 3, 7, 40)
X = array(0.1, -2.0, 30.0, 0.0)
XX = np.array([[0.3, 1.0], [-2.0, 0.5], [40.0, 3.0]])
S = np.array([[2.0, 0.5], [0.5, 1.0]])
COUNTS = np.array([[3.0, 2, 5], [0, 0, 10], [1, 9, 0]])

PLAIN = "const S = [[2, 0.5], [0.5, 1]]\nparam a, b : positive\nfor n in N:\n    latent {}\n"
CLOSED: dict[str, tuple[str, dict[str, Any], dict[str, Any], Callable[[], Any]]] = {
    "negative binomial": (
        "u[n] ~ Gamma(a, b)\n    data y[n] : count ~ Poisson(u[n])",
        {"y": Y},
        {"a": 1.5, "b": 0.7},
        lambda: stats.nbinom.logpmf(Y, 1.5, 0.7 / 1.7),
    ),
    "negative binomial of a small shape": (
        "u[n] ~ Gamma(a, b)\n    data y[n] : count ~ Poisson(u[n])",
        {"y": Y},
        {"a": 0.1, "b": 0.7},
        lambda: stats.nbinom.logpmf(Y, 0.1, 0.7 / 1.7),
    ),
    "Student's t": (
        "u[n] ~ Gamma(a / 2, a / 2)\n    data y[n] ~ Normal(0.3, precision = u[n] / b)",
        {"y": X},
        {"a": 3.0, "b": 2.0},
        lambda: stats.t.logpdf(X, 3, 0.3, np.sqrt(2)),
    ),
    "Student's t by variances": (
        "u[n] ~ InverseGamma(a, b)\n    data y[n] ~ Normal(0.3, var = u[n])",
        {"y": X},
        {"a": 1.2, "b": 2.0},
        lambda: stats.t.logpdf(X, 2.4, 0.3, np.sqrt(2.0 / 1.2)),
    ),
    "Student's t of vectors": (
        "u[n] ~ Gamma(a / 2, a / 2)\n    data y[n] : real[2] ~ MvNormal(zeros[2], b * S / u[n])",
        {"y": XX},
        {"a": 3.0, "b": 1.5},
        lambda: stats.multivariate_t.logpdf(XX, np.zeros(2), 1.5 * S, 3),
    ),
    "Laplace": (
        "v[n] ~ Exponential(b)\n    data y[n] ~ Normal(a, var = v[n])",
        {"y": X},
        {"a": 1.0, "b": 2.0},
        lambda: stats.laplace.logpdf(X, 1.0, 0.5),
    ),
    "beta binomial": (
        "p[n] ~ Beta(a, b)\n    data y[n] : count ~ Binomial(9, p[n])",
        {"y": array(0, 4, 9)},
        {"a": 0.8, "b": 1.3},
        lambda: stats.betabinom.logpmf([0, 4, 9], 9, 0.8, 1.3),
    ),
    "Dirichlet multinomial": (
        "p[n] ~ Dirichlet([a, b, 2])\n    data y[n] : count[3] ~ Multinomial(10, p[n])",
        {"y": COUNTS},
        {"a": 0.7, "b": 1.2},
        lambda: stats.dirichlet_multinomial.logpmf(COUNTS.astype(int), [0.7, 1.2, 2], 10),
    ),
    "Lomax": (
        "u[n] ~ Gamma(a, b)\n    data y[n] ~ Exponential(u[n])",
        {"y": array(0.0, 0.5, 60.0)},
        {"a": 1.4, "b": 2.0},
        lambda: stats.lomax.logpdf([0.0, 0.5, 60.0], 1.4, scale=2.0),
    ),
    "normal": (
        "u[n] ~ Normal(3, a)\n    data y[n] ~ Normal(u[n] - 1, b)",
        {"y": X},
        {"a": 0.5, "b": 2.0},
        lambda: stats.norm.logpdf(X, 2, np.hypot(0.5, 2.0)),
    ),
    "normal with a heavy tail": (
        "u[n] ~ Cauchy(a, b)\n    data y[n] ~ Normal(u[n], 0.1)",
        {"y": X},
        {"a": 1.0, "b": 2.0},
        lambda: [
            np.log(
                integrate.quad(
                    lambda u, x=x: stats.cauchy.pdf(u, 1, 2) * stats.norm.pdf(x, u, 0.1),
                    x - 2, x + 2, points=[x], epsabs=0, epsrel=1e-12,
                )[0]
            )
            for x in X
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms(name: str) -> None:
    body, data, params, expected = CLOSED[name]
    m = model(PLAIN.format(body))
    found = exact.elements(m, data, params)
    rows = exact.by_element(found)
    assert [rows["n", i] for i in range(len(rows))] == pytest.approx(expected(), abs=1e-9)
    assert all(law.error < 1e-10 for law in laws(found))


def laws(found: exact.Exact) -> list[Any]:
    groups = [f for c in found.components for f in c.factors if isinstance(f, Group)]
    assert groups
    return [law for g in groups for law in g.laws]


def test_posterior_of_a_gamma() -> None:
    m = model("""
        param a, b : positive
        for n in N:
            latent u[n] ~ Gamma(a, b)
            data y[n] : count ~ Poisson(u[n])
        """)
    found = exact.elements(m, {"y": Y}, {"a": 1.5, "b": 0.7})
    for n, y in enumerate(Y):
        site, shape, rate = ("u", (n,)), 1.5 + y, 1.7
        mean, variance = moments(found)["u"][(n,)]
        assert mean == pytest.approx(shape / rate, rel=1e-9)
        assert variance == pytest.approx(shape / rate**2, rel=1e-9)
        assert expectation(found, [site], np.log) == pytest.approx(
            special.digamma(shape) - np.log(rate), rel=1e-9
        )
        assert expectation(found, [site], lambda u: u**3) == pytest.approx(
            shape * (shape + 1) * (shape + 2) / rate**3, rel=1e-9
        )


def test_posterior_of_a_dirichlet() -> None:
    m = model("""
        param a : positive[3]
        for n in N:
            latent p[n] ~ Dirichlet(a)
            for j in J:
                data y[n, j] : category[3] ~ Categorical(p[n])
        """)
    a, y = array(0.7, 1.2, 2.0), np.array([[0, 0, 2, np.nan], [1, 1, 1, 1]])
    found = exact.elements(m, {"y": y}, {"a": a})
    for n in range(2):
        after = a + [(y[n] == k).sum() for k in range(3)]
        mean, covariance = moments(found)["p"][(n,)]
        assert mean == pytest.approx(after / after.sum(), rel=1e-9)
        assert covariance == pytest.approx(stats.dirichlet.cov(after), abs=1e-10)
        logs = expectation(found, [("p", (n,))], np.log)
        assert logs == pytest.approx(special.digamma(after) - special.digamma(after.sum()))


def test_posterior_of_a_beta() -> None:
    m = model("""
        param a, b : positive
        for n in N:
            latent p[n] ~ Beta(a, b)
            data y[n] : count ~ Binomial(9, p[n])
        """)
    found = exact.elements(m, {"y": array(3)}, {"a": 0.8, "b": 1.3})
    mean, variance = moments(found)["p"][(0,)]
    own = stats.beta(3.8, 7.3)
    assert (mean, variance) == pytest.approx((own.mean(), own.var()), rel=1e-9)
    logs = expectation(found, [("p", (0,))], lambda p: [np.log(p), np.log1p(-p)])
    expected = special.digamma([3.8, 7.3]) - special.digamma(11.1)
    assert logs == pytest.approx(expected, rel=1e-9)


# --- normal latents --------------------------------------------------------------------------


def conditioned(
    mean: Floats, covariance: Floats, x: Floats, seen: NDArray[np.bool_]
) -> tuple[float, Floats, Floats]:
    """log density of the entries seen, and mean and covariance of the others."""
    hidden = ~seen
    gain = covariance[np.ix_(hidden, seen)] @ np.linalg.inv(covariance[np.ix_(seen, seen)])
    log_p = stats.multivariate_normal.logpdf(x[seen], mean[seen], covariance[np.ix_(seen, seen)])
    return (
        float(log_p),
        mean[hidden] + gain @ (x[seen] - mean[seen]),
        covariance[np.ix_(hidden, hidden)] - gain @ covariance[np.ix_(seen, hidden)],
    )


@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e4])
def test_factor_analysis(scale: float) -> None:
    """A few missing cells; data on any scale, some far away."""
    m = model("""
        param W : real[4, 2]
        param mu : real[4]
        param s : positive[4]
        for n in N:
            latent z[n] : real[2] ~ MvNormal(zeros[2], eye[2])
            data x[n] : real[4] ~ Normal(W @ z[n] + mu, s)
        """)
    rng = np.random.default_rng(0)
    w, mu, s = scale * rng.normal(size=(4, 2)), rng.normal(size=4), scale * rng.uniform(0.1, 1, 4)
    x = mu + scale * 3 * rng.normal(size=(5, 4))
    x[0, 1] = x[1, [0, 3]] = np.nan
    found = exact.elements(m, {"x": x}, {"W": w, "mu": mu, "s": s})
    rows = exact.by_element(found)
    prior = np.block([[np.eye(2), w.T], [w, w @ w.T + np.diag(s**2)]])
    mean = np.concatenate([np.zeros(2), mu])
    for n in range(5):
        kept = np.append([True, True], ~np.isnan(x[n]))
        log_p, after, spread = conditioned(
            mean[kept],
            prior[np.ix_(kept, kept)],
            np.append([0.0, 0.0], x[n])[kept],
            np.arange(kept.sum()) >= 2,
        )
        assert rows["n", n] == pytest.approx(log_p, rel=1e-9, abs=1e-9)
        got = moments(found)["z"][(n,)]
        assert got[0] == pytest.approx(after, rel=1e-8, abs=1e-8)
        assert got[1] == pytest.approx(spread, rel=1e-8, abs=1e-9)


def kalman(
    a: Floats, q: Floats, c: Floats, r: Floats, first: Floats, x: Floats
) -> tuple[float, Floats]:
    """log p(x) and the last filtered mean; NaN entries of x are missing."""
    mean, cov, total = np.zeros(len(a)), first, 0.0
    for t, row in enumerate(x):
        if t:
            mean, cov = a @ mean, a @ cov @ a.T + q
        seen = ~np.isnan(row)
        if seen.any():
            h = c[seen]
            s = h @ cov @ h.T + r[np.ix_(seen, seen)]
            off = row[seen] - h @ mean
            total += float(stats.multivariate_normal.logpdf(off, np.zeros(seen.sum()), s))
            gain = cov @ h.T @ np.linalg.inv(s)
            mean, cov = mean + gain @ off, cov - gain @ h @ cov
    return total, mean


def test_kalman_filter() -> None:
    m = model("""
        param A, C : real[2, 2]
        param Q, F : posdef[2]
        param r : positive[2]
        for s in S:
            for t in T[s]:
                latent z[s, t] : real[2] ~ case t:
                    0: MvNormal(zeros[2], F)
                    else: MvNormal(A @ z[s, t-1], Q)
                data x[s, t] : real[2] ~ Normal(C @ z[s, t], r)
        """)
    rng = np.random.default_rng(1)
    a, c = linalg.orth(rng.normal(size=(2, 2))) * 0.9, rng.normal(size=(2, 2))
    q, first, r = S * 0.3, S * 2, array(0.5, 1.5)
    lengths = [25, 1, 6]
    x = 2 * rng.normal(size=(sum(lengths), 2))
    x[[3, 4]], x[7, 1] = np.nan, np.nan
    params = {"A": a, "C": c, "Q": q, "F": first, "r": r}
    found = exact.elements(m, {"x": x, "T": np.array(lengths)}, params)
    rows = exact.by_element(found)
    posterior = moments(found)["z"]
    for s, part in enumerate(np.split(x, np.cumsum(lengths)[:-1])):
        log_p, last = kalman(a, q, c, np.diag(r**2), first, part)
        assert rows["s", s] == pytest.approx(log_p, rel=1e-11)
        assert posterior[s, lengths[s] - 1][0] == pytest.approx(last, rel=1e-9)


def test_groups() -> None:
    """Crossed random intercepts and a slope: one normal of everything."""
    m = model("""
        param m : real
        param s, t, u : positive
        for g in G:
            latent b[g] ~ Normal(m, s)
            latent k[g] ~ Normal(0, t)
        for h in H:
            latent c[h] ~ Normal(0, u)
        for n in N:
            input group[n] : index[G]
            input item[n] : index[H]
            input v[n] : real
            data y[n] ~ Normal(b[group[n]] + k[group[n]] * v[n] + c[item[n]], 1)
        """)
    rng = np.random.default_rng(2)
    g, h = np.array([0, 0, 1, 2, 2, 2, 1]), np.array([0, 1, 1, 0, 1, 0, 0])
    v, y = rng.normal(size=7), rng.normal(size=7)
    params = {"m": 0.4, "s": 1.3, "t": 0.6, "u": 0.9}
    found = exact.elements(m, {"group": g, "item": h, "v": v, "y": y}, params)
    z = np.concatenate([np.eye(3)[g], v[:, None] * np.eye(3)[g], np.eye(2)[h]], axis=1)
    d = np.diag(np.repeat([1.69, 0.36, 0.81], [3, 3, 2]))
    cov = z @ d @ z.T + np.eye(7)
    log_p = stats.multivariate_normal.logpdf(y, np.full(7, 0.4), cov)
    assert exact.log_likelihood(found) == pytest.approx(log_p, rel=1e-11)
    mean = np.repeat([0.4, 0, 0], [3, 3, 2]) + d @ z.T @ np.linalg.solve(cov, y - 0.4)
    spread = d - d @ z.T @ np.linalg.solve(cov, z @ d)
    got = moments(found)
    flat = [*got["b"].values(), *got["k"].values(), *got["c"].values()]
    assert [x for x, _ in flat] == pytest.approx(mean)
    assert [x for _, x in flat] == pytest.approx(np.diag(spread))
    both = expectation(found, [("b", (1,)), ("c", (0,))], np.multiply)
    assert both == pytest.approx(spread[1, 6] + mean[1] * mean[6])


def test_weights_count_the_evidence() -> None:
    m = model("""
        param a : positive
        for n in N times w[n]:
            latent u[n] ~ Normal(0, a)
            for j in J times f[n, j]:
                data y[n, j] ~ Normal(u[n], 1)
        """)
    y, w, f = XX, array(2, 0.5, 0), np.array([[1.0, 2], [0.5, 0], [1, 1]])
    found = exact.elements(m, {"y": y, "w": w, "f": f}, {"a": 1.5})
    total = 0.0
    for n in range(2):
        own = integrate.quad(
            lambda u, n=n: stats.norm.pdf(u, 0, 1.5)
            * np.exp(f[n] @ stats.norm.logpdf(y[n], u, 1)),
            -12, 12, epsabs=0, epsrel=1e-12,
        )[0]  # fmt: skip
        total += w[n] * np.log(own)
    assert exact.log_likelihood(found) == pytest.approx(total, rel=1e-10)


# --- under discrete latents ------------------------------------------------------------------


def test_mixture_of_factor_analysers() -> None:
    m = model("""
        param p : simplex[2]
        param W[2] : real[3, 2]
        param mu[2] : real[3]
        param R : posdef[3]
        for n in N:
            latent c[n] ~ Categorical(p)
            latent z[n] : real[2] ~ Normal(0, 1)
            data x[n] : real[3] ~ MvNormal(W[c[n]] @ z[n] + mu[c[n]], R)
        """)
    rng = np.random.default_rng(3)
    w, mu, p = rng.normal(size=(2, 3, 2)), rng.normal(size=(2, 3)), array(0.3, 0.7)
    r, x = np.eye(3) + 0.3, rng.normal(size=(3, 3))
    found = exact.elements(m, {"x": x}, {"p": p, "W": w, "mu": mu, "R": r})
    rows = exact.by_element(found)
    for n in range(3):
        logs = np.array(
            [
                np.log(p[k]) + stats.multivariate_normal.logpdf(x[n], mu[k], w[k] @ w[k].T + r)
                for k in range(2)
            ]
        )
        odds = special.softmax(logs)
        assert rows["n", n] == pytest.approx(special.logsumexp(logs))
        assert list(exact.marginals(found)["c"][(n,)].values()) == pytest.approx(odds)
        means = [w[k].T @ np.linalg.solve(w[k] @ w[k].T + r, x[n] - mu[k]) for k in range(2)]
        mean, cov = moments(found)["z"][(n,)]
        assert mean == pytest.approx(odds @ means)
        spread = sum(
            o * (np.eye(2) - w[k].T @ np.linalg.solve(w[k] @ w[k].T + r, w[k]) + np.outer(u, u))
            for k, (o, u) in enumerate(zip(odds, means, strict=True))
        )
        assert cov == pytest.approx(spread - np.outer(mean, mean))
        chosen = expectation(found, [("z", (n,)), ("c", (n,))], lambda z, c: z[0] * (c == 1))
        assert chosen == pytest.approx(odds[1] * means[1][0])


def test_hidden_markov_model_of_student_t() -> None:
    """Every row's variable is integrated alone; the chain is left as tables."""
    m = model("""
        param start : simplex[2]
        param trans[2] : simplex[2]
        param m[2] : real
        param nu[2] : positive
        for t in T:
            latent c[t] ~ Categorical(start) if t == 0 else Categorical(trans[c[t-1]])
            latent u[t] ~ Gamma(nu[c[t]] / 2, nu[c[t]] / 2)
            data y[t] ~ Normal(m[c[t]], precision = u[t])
        """)
    start, trans = array(0.4, 0.6), np.array([[0.9, 0.1], [0.3, 0.7]])
    mean, nu, y = array(-1, 2), array(3, 7), array(0.2, -1, 5, 2)
    found = exact.elements(m, {"y": y}, {"start": start, "trans": trans, "m": mean, "nu": nu})
    seen = stats.t.logpdf(y[:, None], nu, mean)
    logs = {
        c: np.log(start[c[0]])
        + sum(np.log(trans[i, j]) for i, j in pairwise(c))
        + sum(seen[t, k] for t, k in enumerate(c))
        for c in product(range(2), repeat=4)
    }
    total = special.logsumexp(list(logs.values()))
    assert exact.log_likelihood(found) == pytest.approx(total, rel=1e-10)
    odds = [sum(np.exp(v - total) for c, v in logs.items() if c[t] == 1) for t in range(4)]
    assert [exact.marginals(found)["c"][(t,)][1] for t in range(4)] == pytest.approx(odds)
    precision = [
        [(nu[k] + 1) / (nu[k] + (y[t] - mean[k]) ** 2) for k in range(2)] for t in range(4)
    ]
    for t in range(4):
        both = odds[t] * precision[t][1] + (1 - odds[t]) * precision[t][0]
        assert moments(found)["u"][(t,)][0] == pytest.approx(both, rel=1e-9)


def test_normal_given_a_gamma() -> None:
    """Factor analysis with Student's errors: a numeric integral around a normal one."""
    m = model("""
        param w : real[2]
        param nu : positive
        for n in N:
            latent u[n] ~ Gamma(nu / 2, nu / 2)
            latent z[n] ~ Normal(0, precision = u[n])
            data x[n] : real[2] ~ MvNormal(w * z[n], eye[2] / u[n])
        """)
    w = array(1.0, -0.5)
    found = exact.elements(m, {"x": XX}, {"w": w, "nu": 4.0})
    shape = np.outer(w, w) + np.eye(2)
    expected = stats.multivariate_t.logpdf(XX, np.zeros(2), shape, 4)
    assert [exact.by_element(found)["n", i] for i in range(3)] == pytest.approx(expected, rel=1e-10)
    for n in range(3):
        gain = w @ np.linalg.inv(shape)
        mean, variance = moments(found)["z"][(n,)]
        assert mean == pytest.approx(gain @ XX[n])
        scale = (4 + XX[n] @ np.linalg.solve(shape, XX[n])) / (4 + 2)
        assert variance == pytest.approx((1 - gain @ w) * scale * 6 / (6 - 2))
        assert all(law.inner and law.outer for law in laws(found))


def test_not_normal() -> None:
    """Real latents whose data are not normal are integrated numerically."""
    m = model("""
        param s : positive
        for n in N:
            latent b[n] ~ Normal(0, s)
            for j in J:
                data y[n, j] : bool ~ Bernoulli(logistic(b[n]))
        """)
    y = np.array([[1.0, 1, 0], [0, 0, 0]])
    found = exact.elements(m, {"y": y}, {"s": 2.0})
    for n in range(2):
        own = integrate.quad(
            lambda b, n=n: stats.norm.pdf(b, 0, 2)
            * np.prod(np.where(y[n] == 1, special.expit(b), special.expit(-b))),
            -30, 30, epsabs=0, epsrel=1e-12,
        )[0]  # fmt: skip
        assert exact.by_element(found)["n", n] == pytest.approx(np.log(own), rel=1e-10)


# --- the pieces ------------------------------------------------------------------------------


def test_quadratics() -> None:
    rng = np.random.default_rng(4)
    p, b = rng.normal(size=(6, 6)), rng.normal(size=6)
    p = p @ p.T + np.eye(6)
    c, linear, precision = quadratic(
        lambda u: float(3 + b @ u - 0.5 * u @ p @ u), np.zeros(6), np.full(6, 2.0)
    )
    assert c == 3
    assert linear == pytest.approx(b)
    assert precision == pytest.approx(p)
    whole = Part(lambda u: float(3 + b @ u - 0.5 * u @ p @ u), tuple(range(6)))
    got = normal([whole], 6)
    assert got.mean == pytest.approx(np.linalg.solve(p, b))
    assert got.covariance == pytest.approx(np.linalg.inv(p))
    x = np.array([u for u, _ in got.points([1, 4])])
    odds = np.array([w for _, w in got.points([1, 4])])
    assert odds @ x == pytest.approx(got.mean[[1, 4]])
    centred = x - got.mean[[1, 4]]
    assert centred.T * odds @ centred == pytest.approx(got.covariance[np.ix_([1, 4], [1, 4])])
    with pytest.raises(NotNormal, match="not quadratic"):
        normal([whole, Part(lambda u: -float(u[0] ** 4), (2,))], 6)
    with pytest.raises(NotNormal, match="no finite integral"):
        normal([Part(lambda u: float(u[0]), (0,))], 1)


def test_integrals_of_three() -> None:
    """Correlated, and one coordinate with tails of a power."""
    precision = np.array([[2.0, 1.2], [1.2, 1.5]])
    parts = [
        Part(lambda t: float(-0.5 * t @ precision @ t), (0, 1)),
        Part(lambda t: float(stats.t.logpdf(t[0], 3)), (2,)),
    ]
    got = integral(parts, 3)
    expected = np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(precision)[1]
    assert got.log_evidence == pytest.approx(expected, abs=1e-10)
    assert got.error < 1e-10
    second = sum(odds * t[0] * t[1] for t, odds in got.points([0, 1]))
    assert second == pytest.approx(np.linalg.inv(precision)[0, 1])


def test_what_cannot_be_integrated() -> None:
    with pytest.raises(NotImplementedError, match="4 coordinates"):
        integral([], 4)
    with pytest.raises(NotIntegrated):
        integral([Part(lambda t: -(abs(float(t[0])) ** 0.01), (0,))], 1)
    with pytest.raises(NotIntegrated):
        integral([Part(lambda t: -2.0 * np.log(2 + np.sign(t[0] - 0.123)) - t[0] ** 2, (0,))], 1)
    nothing = integral([Part(lambda _: -np.inf, (0,))], 1)
    assert nothing.log_evidence == -np.inf


def test_fisher() -> None:
    """The gradient of the log evidence is that of Q, for normal latents and for others."""
    rng = np.random.default_rng(5)
    cases: list[tuple[Model, dict[str, Any], dict[str, Any]]] = []
    for name in ("Student's t", "beta binomial", "normal"):
        body, data, params, _ = CLOSED[name]
        cases.append((model(PLAIN.format(body)), {n: x[:2] for n, x in data.items()}, params))
    chain = model("""
        param a : real
        param q, r : positive
        param p : simplex[2]
        for t in T:
            latent c[t] ~ Categorical(p)
            latent z[t] ~ Normal(0, 1) if t == 0 else Normal(a * z[t-1], q)
            data x[t] ~ Normal(z[t] if c[t] == 0 else -z[t], r)
        """)
    params = {"a": 0.8, "q": 0.5, "r": 0.7, "p": array(0.4, 0.6)}
    cases.append((chain, {"x": rng.normal(size=3)}, params))
    for m, data, values in cases:
        found = exact.elements(m, data, values)

        def objective(p: dict[str, Any], m: Model = m, data: Any = data) -> float:
            there = exact.elements(m, data, p)
            return exact.log_likelihood(there) + log_prior(there.world)

        def q(p: dict[str, Any], m: Model = m, data: Any = data, found: Any = found) -> float:
            return exact.expected(m, data, p, found)

        score, of_q = gradient(objective, m, values), gradient(q, m, values)
        assert list(score.values()) == pytest.approx(list(of_q.values()), rel=1e-7, abs=1e-7)
