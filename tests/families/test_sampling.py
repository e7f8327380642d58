"""Samplers against SciPy's distributions, with fixed seeds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln, logsumexp, psi

from emdsl.families import FAMILIES
from emdsl.runtime import sampling
from tests.families.oracles import COV, SCALAR_CASES, discrete

UNLIKELY = 1e-4


def sampler(name: str):
    return getattr(sampling, FAMILIES[name].sampler)


def fits(x, frozen) -> bool:
    """Kolmogorov and Smirnov's test, or chi-square where the values are few."""
    if not discrete(frozen):
        return bool(stats.kstest(x, frozen.cdf).pvalue > UNLIKELY)
    edges = np.unique(frozen.ppf(np.linspace(0, 1, 25)[1:-1]))
    expected = np.diff(np.concatenate([[0.0], frozen.cdf(edges), [1.0]]))
    observed = np.bincount(np.searchsorted(edges, x), minlength=expected.size)
    likely = expected * x.size > 5
    if observed[~likely].sum() > 30 or np.any(observed[expected < 1e-14]):
        return False
    if likely.sum() == 1:
        return True
    e, o = expected[likely], observed[likely]
    return bool(stats.chisquare(o, e / e.sum() * o.sum()).pvalue > UNLIKELY)


@pytest.mark.parametrize(("name", "arguments", "frozen"), SCALAR_CASES)
def test_draws_have_the_distribution(name, arguments, frozen) -> None:
    x = sampler(name)(np.random.default_rng(11), *arguments, (20_000,))
    assert x.shape == (20_000,)
    assert fits(x, frozen)


@pytest.mark.parametrize(("name", "arguments", "frozen"), SCALAR_CASES)
def test_scalar_arguments_broadcast(name, arguments, frozen) -> None:
    arrays = [np.full((3, 1), v) for v in arguments[:1]] + [np.full(4, v) for v in arguments[1:]]
    x = sampler(name)(np.random.default_rng(2), *arrays, (5, 3, 4))
    assert x.shape == (5, 3, 4)
    assert np.shape(sampler(name)(np.random.default_rng(2), *arguments, ())) == ()


def test_a_categorical_draws_each_row_by_its_own_probabilities() -> None:
    p = np.array([[0.2, 0.5, 0.3], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.9, 0.05, 0.05]])
    z = sampling.categorical(np.random.default_rng(1), p, (30_000, 4))
    for row in range(4):
        count = np.bincount(z[:, row], minlength=3)
        assert not np.any(count[p[row] == 0])
        seen = p[row] > 0
        assert seen.sum() == 1 or stats.chisquare(count[seen], 30_000 * p[row][seen])[1] > UNLIKELY


@pytest.mark.parametrize("scale", [1.0, 1 + 1e-9, 1 - 1e-9, 1e-300, 7.0])
def test_a_categorical_never_leaves_its_support(scale: float) -> None:
    p = np.array([0.0, 1 / 3, 1 / 3, 0.0, 1 / 3, 0.0]) * scale

    class Extreme:
        def random(self, size):
            return np.resize([0.0, np.nextafter(1.0, 0.0), 1 / 3, 0.5], size)

    z = sampling.categorical(Extreme(), p, (100,))
    assert set(np.unique(z)) <= {1, 2, 4}
    rows = sampling.categorical(Extreme(), np.tile(p, (100, 1)), (100,))
    np.testing.assert_array_equal(z, rows)


def test_a_categorical_of_nothing_is_refused() -> None:
    for p in ([0.0, 0.0], [np.nan, 1.0], [[0.5, 0.5], [0.0, 0.0]]):
        with pytest.raises(ValueError, match="probabilities"):
            sampling.categorical(np.random.default_rng(1), p, (2,))


def test_multinomial_counts() -> None:
    p = np.array([[0.2, 0.5, 0.3], [0.7, 0.3 + 1e-11, 0.0]])
    n = np.array([6, 9])
    x = sampling.multinomial(np.random.default_rng(1), n, p, (20_000, 2))
    assert np.all(x.sum(axis=-1) == n)
    for row in range(2):
        for k in range(2):
            assert fits(x[:, row, k], stats.binom(n[row], p[row, k]))
    assert sampling.multinomial(np.random.default_rng(1), 4, p[0], ()).shape == (3,)


def test_multivariate_normals() -> None:
    mean = np.array([[1.0, 0.0, -2.0], [5.0, 5.0, 5.0]])
    cov = np.stack([COV, np.diag([1.0, 4.0, 9.0])])
    x = sampling.mv_normal(np.random.default_rng(4), mean, cov, (20_000, 2))
    assert x.shape == (20_000, 2, 3)
    direction = np.array([1.0, -2.0, 0.5])
    for g in range(2):
        spread = np.sqrt(direction @ cov[g] @ direction)
        assert fits(x[:, g] @ direction, stats.norm(mean[g] @ direction, spread))
        away = x[:, g] - mean[g]
        square = np.einsum("ni,ij,nj->n", away, np.linalg.inv(cov[g]), away)
        assert fits(square, stats.chi2(3))
    assert sampling.mv_normal(np.random.default_rng(4), np.zeros(3), COV, ()).shape == (3,)


@pytest.mark.parametrize("alpha", [[2.0, 1.0, 4.5], [0.02, 0.03, 0.01]])
def test_dirichlet_margins(alpha) -> None:
    x = sampling.dirichlet(np.random.default_rng(3), alpha, (20_000,))
    np.testing.assert_allclose(x.sum(axis=-1), 1)
    for k in range(3):
        # Below 1e-12 and above 1 - 1e-12 the marks are rounding's, not the distribution's.
        y = x[:, k]
        for cut in (1e-12, 0.01, 0.5, 0.99):
            p = stats.beta(alpha[k], sum(alpha) - alpha[k]).cdf(cut)
            assert stats.binomtest(int(np.sum(y <= cut)), y.size, p).pvalue > UNLIKELY
    batch = sampling.dirichlet(np.random.default_rng(3), np.ones((4, 3)), (7, 4))
    assert batch.shape == (7, 4, 3)


def test_wisharts() -> None:
    """The diagonal is a scaled chi-square; the mean log determinant is Bishop's (B.81)."""
    df = 4.5
    x = sampling.wishart(np.random.default_rng(6), df, COV, (20_000,))
    for i in range(3):
        assert fits(x[:, i, i] / COV[i, i], stats.chi2(df))
    mean = np.mean(x, axis=0)
    np.testing.assert_allclose(mean, df * COV, atol=0.15)
    log_det = np.linalg.slogdet(x)[1]
    expected = psi((df - np.arange(3)) / 2).sum() + 3 * np.log(2) + np.linalg.slogdet(COV)[1]
    assert abs(log_det.mean() - expected) < 4 * log_det.std() / np.sqrt(20_000)


def test_inverse_wisharts() -> None:
    df, inverse = 5.5, np.linalg.inv(COV)
    x = sampling.inverse_wishart(np.random.default_rng(6), df, COV, (20_000,))
    y = np.linalg.inv(x)
    for i in range(3):
        assert fits(y[:, i, i] / inverse[i, i], stats.chi2(df))
    np.testing.assert_allclose(np.mean(y, axis=0), df * inverse, rtol=0.1, atol=0.3)
    batch = sampling.inverse_wishart(np.random.default_rng(6), [5.0, 9.0], COV, (3, 2))
    assert batch.shape == (3, 2, 3, 3)


def test_a_wishart_of_too_few_degrees_of_freedom_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 2 degrees of freedom"):
        sampling.wishart(np.random.default_rng(6), 2.0, COV, ())


# --- any density -----------------------------------------------------------------------------

DENSITIES = [
    (stats.norm(), -np.inf, np.inf),
    (stats.norm(1e6, 1e-3), -np.inf, np.inf),
    (stats.norm(-3, 1e-8), -np.inf, np.inf),
    (stats.truncnorm(1, 2), 1, 2),
    (stats.cauchy(5, 0.1), -np.inf, np.inf),
    (stats.t(0.5), -np.inf, np.inf),
    (stats.laplace(3, 2), -np.inf, np.inf),
    (stats.uniform(2, 3), -np.inf, np.inf),
    (stats.gamma(0.1), 0, np.inf),
    (stats.gamma(1e6), 0, np.inf),
    (stats.lognorm(3), 0, np.inf),
    (stats.pareto(1.5), 1, np.inf),
    (stats.beta(0.5, 0.5), 0, 1),
    (stats.beta(3000, 2), 0, 1),
    (stats.gumbel_l(), -np.inf, np.inf),
]


@pytest.mark.parametrize(("frozen", "lower", "upper"), DENSITIES)
def test_any_density_has_its_own_distribution_function(frozen, lower, upper) -> None:
    axis = sampling._Axis(lower, upper)
    with np.errstate(all="ignore"):
        edge, _, mass = sampling._cells(frozen.logpdf, axis)
        expected = frozen.cdf(axis.place(edge))
    actual = np.concatenate([[0.0], np.cumsum(mass) / mass.sum()])
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("frozen", "lower", "upper"), DENSITIES)
def test_any_density_is_drawn_from(frozen, lower, upper) -> None:
    rng = np.random.default_rng(7)
    x = sampling.from_log_density(rng, frozen.logpdf, lower, upper, False, 20_000)
    assert np.all((x >= lower) & (x <= upper))
    assert fits(x, frozen)


def test_the_lower_half_line() -> None:
    rng = np.random.default_rng(7)
    g = stats.gamma(0.5)
    x = sampling.from_log_density(rng, lambda v: g.logpdf(4 - v), -np.inf, 4, False, 20_000)
    assert fits(4 - x, g)


def test_peaks_far_apart_and_narrow() -> None:
    parts = [(0.3, 0.0, 1.0), (0.3, 50.0, 0.1), (0.4, 1e5, 10.0)]

    def log_density(x):
        return logsumexp([np.log(w) + stats.norm(m, s).logpdf(x) for w, m, s in parts], axis=0)

    rng = np.random.default_rng(7)
    x = sampling.from_log_density(rng, log_density, -np.inf, np.inf, False, 20_000)
    mixture = [w * stats.norm(m, s).cdf(np.sort(x)) for w, m, s in parts]
    assert stats.kstest(np.sum(mixture, axis=0), "uniform").pvalue > UNLIKELY


def test_jumps_gaps_and_waves() -> None:
    rng = np.random.default_rng(7)

    def steps(x):
        return np.where(x < 0.3, np.log(2), np.where(x < 0.31, -np.inf, 0))

    x = sampling.from_log_density(rng, steps, 0, 1, False, 50_000)
    assert not np.any((x > 0.3 + 1e-9) & (x < 0.31 - 1e-9))
    assert stats.binomtest(int(np.sum(x < 0.305)), x.size, 0.6 / 1.29).pvalue > UNLIKELY
    x = sampling.from_log_density(rng, lambda v: np.log1p(np.cos(50 * v)), -10, 10, False, 50_000)
    assert abs(np.cos(50 * x).mean() - (0.5 + np.sin(1000) / 2000)) < 4 * 0.5 / np.sqrt(50_000)


@pytest.mark.parametrize(
    ("log_density", "message"),
    [
        (lambda x: 0 * x, "does it integrate to one"),
        (lambda x: x, "does it integrate to one"),
        (lambda x: -np.log1p(np.abs(x)), "does it integrate to one"),
        (lambda x: np.where(np.abs(x) < 0.1, np.nan, -(x**2)), "not a number at -0.1"),
        (lambda x: -np.log(np.abs(x)), "infinite"),
        (lambda x: -np.log(np.abs(x - 1)) - x**2, "pole"),
        (lambda x: np.full_like(x, -np.inf), "zero wherever"),
    ],
)
def test_what_is_no_density_is_refused(log_density, message) -> None:
    rng = np.random.default_rng(7)
    with pytest.raises(ValueError, match=message):
        sampling.from_log_density(rng, log_density, -np.inf, np.inf, False, 10)


def test_bounds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="lower < upper"):
        sampling.from_log_density(np.random.default_rng(7), np.negative, 1, 1, False, 10)


@pytest.mark.parametrize(
    ("frozen", "lower", "upper"),
    [
        (stats.poisson(3), 0, np.inf),
        (stats.poisson(1e6), 0, np.inf),
        (stats.geom(1e-4), 1, np.inf),
        (stats.nbinom(0.1, 0.001), 0, np.inf),
        (stats.binom(100, 0.3), 0, 100),
        (stats.randint(5, 9), 5, 8),
        (stats.skellam(10, 2000), -np.inf, np.inf),
        (stats.zipf(2.5), 1, np.inf),
    ],
)
def test_any_mass_is_drawn_from(frozen, lower, upper) -> None:
    rng = np.random.default_rng(7)
    x = sampling.from_log_density(rng, frozen.logpmf, lower, upper, True, 20_000)
    assert x.dtype == np.int64
    assert fits(x, frozen)


def test_masses_far_apart() -> None:
    def log_mass(x):
        return np.logaddexp(*(x * np.log(r) - r - gammaln(x + 1) for r in (3.0, 1e6)))

    rng = np.random.default_rng(7)
    x = sampling.from_log_density(rng, log_mass, 0, np.inf, True, 10_000)
    assert stats.binomtest(int(np.sum(x < 1000)), 10_000, 0.5).pvalue > UNLIKELY


@pytest.mark.parametrize(
    ("log_mass", "lower", "upper", "message"),
    [
        (lambda x: 0 * x, 0, np.inf, "more than 16777216 values"),
        (lambda x: x, 0, np.inf, "more than 16777216 values"),
        (lambda x: -np.log1p(x), 0, np.inf, "more than 16777216 values"),
        (lambda x: np.full_like(x, -np.inf), 0, np.inf, "zero on all values"),
        (lambda x: np.full_like(x, -np.inf), 0, 9, "zero on all values"),
        (lambda x: np.where(x == 4, np.nan, 0), 0, 9, "not a number at 4"),
        (lambda x: np.where(x == 4, np.inf, 0), 0, 9, "infinite"),
    ],
)
def test_what_is_no_mass_is_refused(log_mass, lower, upper, message) -> None:
    with pytest.raises(ValueError, match=message):
        sampling.from_log_density(np.random.default_rng(7), log_mass, lower, upper, True, 10)
