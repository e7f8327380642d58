"""Bounds on entries of simplexes: fits beside searches that know no EM, and awkward data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats
from scipy.special import digamma, gammaln

import emdsl
from emdsl.runtime.errors import ParamsError
from emdsl.source import Source

Floats = NDArray[Any]

NAN = np.nan
MIXTURE = """\
model Mixture(K = 3)
param weight  : simplex[K]
param mean[K] : real
param sd      : positive
for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Normal(mean[z[n]], sd)
"""
CHAIN = """\
model Chain
param start    : simplex[3]
param trans[3] : simplex[3]
for t in T:
    data x[t] : category[3] ~ Categorical(start) if t == 0 else Categorical(trans[x[t-1]])
"""
HMM = """\
model HMM(K = 2)
param start    : simplex[K]
param trans[K] : simplex[K]
param rate[K]  : positive
for t in T:
    latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
    data   y[t] : count ~ Poisson(rate[z[t]])
"""
SHARES = """\
model Shares
param w : simplex[4]
param s : positive
for n in N:
    data x[n] : simplex[4] ~ Dirichlet(s * w)
"""
COUNTED = """\
model Counted
param w : simplex[3] ~ Dirichlet([{}])
for n in N:
    data x[n] ~ Categorical(w)
"""


def load(text: str, *constraints: str) -> Any:
    return emdsl.load(Source(text + "".join(f"constrain {c}\n" for c in constraints), "m.em"))


def highest(value: Any, start: Any, bounds: Any, rows: list[slice]) -> float:
    """SLSQP's maximum under bounds, with each of these rows a simplex."""
    rules = [{"type": "eq", "fun": lambda t, at=at: t[at].sum() - 1.0} for at in rows]
    found = optimize.minimize(
        lambda t: -value(t), start, method="SLSQP", bounds=bounds, constraints=rules,
        options={"ftol": 1e-15, "maxiter": 1000},
    )  # fmt: skip
    return -float(found.fun)


def test_every_row_of_a_seen_chain_is_at_its_maximum_within_its_bounds() -> None:
    """Counts of pairs are all that matters: SLSQP row by row."""
    rng = np.random.default_rng(0)
    x = [0]
    for _ in range(200):
        x.append(int(rng.choice(3, p=[[0.2, 0.5, 0.3], [0.1, 0.6, 0.3], [0.3, 0.3, 0.4]][x[-1]])))
    texts = ["trans[0] >= 0.3", "trans[1, 1] <= 0.4", "trans[1, 0] >= 0.25", "trans[2, 2] >= 0.5"]
    fit = load(CHAIN, *texts).fit(np.array(x))
    counts = np.zeros((3, 3))
    np.add.at(counts, (x[:-1], x[1:]), 1.0)
    bounds = [[(0.3, 1.0)] * 3, [(0.25, 1.0), (1e-9, 0.4), (1e-9, 1.0)],
              [(1e-9, 1.0), (1e-9, 1.0), (0.5, 1.0)]]  # fmt: skip
    begin = [[0.33, 0.33, 0.34], [0.3, 0.35, 0.35], [0.2, 0.2, 0.6]]
    best = sum(
        highest(lambda t, c=c: float(c @ np.log(t)), b, limits, [slice(0, 3)])
        for c, b, limits in zip(counts, begin, bounds, strict=True)
    )
    assert fit.log_likelihood == pytest.approx(best, abs=1e-7)
    assert fit.n_params == 8
    assert (fit.params["trans"][0] >= 0.3).all()
    assert fit.params["trans"][2, 2] == 0.5


def test_a_hidden_chain_that_stays_at_least_so_long() -> None:
    """The forward recursion written out, searched over all parameters at once."""
    rng = np.random.default_rng(3)
    y = rng.poisson(np.where(np.arange(80) // 5 % 2, 9.0, 3.0))

    def forward(t: Floats) -> float:
        trans, density = t[2:6].reshape(2, 2), stats.poisson.pmf(y[:, None], t[6:])
        at, total = t[:2] * density[0], 0.0
        for row in density[1:]:
            total += np.log(at.sum())
            at = (at / at.sum()) @ trans * row
        return float(total + np.log(at.sum()))

    model = load(HMM, "trans[0, 0] >= 0.9", "trans[1, 1] >= 0.9")
    fit = model.fit(y, restarts=4, seed=1, tol=1e-12, max_iter=20000)
    assert fit.status == "converged"
    assert fit.n_params == 1 + 2 + 2
    assert (np.diag(fit.params["trans"]) >= 0.9).all()
    top = np.concatenate([np.ravel(fit.params[n]) for n in ("start", "trans", "rate")])
    bounds = (
        [(1e-9, 1.0)] * 2 + [(0.9, 1.0), (1e-9, 1.0), (1e-9, 1.0), (0.9, 1.0)] + [(0.1, 50)] * 2
    )
    found = highest(
        forward, np.clip(top, 1e-6, None), bounds, [slice(0, 2), slice(2, 4), slice(4, 6)]
    )
    assert fit.log_likelihood == pytest.approx(forward(top), abs=1e-9)
    assert fit.log_likelihood >= found - 1e-6


@pytest.mark.parametrize("alpha", [(3.0, 1.0, 2.0), (1.0, 1.0, 1.0), (0.5, 1.5, 0.75)])
def test_pseudocounts_of_a_prior_are_counted(alpha: tuple[float, ...]) -> None:
    """An argument below 1 with no data of its own: the entry is at its lower bound, not at 0."""
    x = np.array([1, 1, 1, 2, 1, 1])
    fit = load(COUNTED.format(", ".join(map(str, alpha))), "w >= 0.1", "w[1] <= 0.5").fit(x)
    counts = np.bincount(x, minlength=3) + np.array(alpha) - 1.0
    best = highest(lambda t: float(counts @ np.log(t)), [0.2, 0.5, 0.3],
                   [(0.1, 1.0), (0.1, 0.5), (0.1, 1.0)], [slice(0, 3)])  # fmt: skip
    assert float(counts @ np.log(fit.params["w"])) == pytest.approx(best, abs=1e-9)
    assert fit.params["w"][1] == 0.5


@pytest.mark.parametrize(
    ("texts", "lower", "upper", "free"),
    [
        (["w[0] >= 0.2"], [0.2, 0, 0, 0], [1, 1, 1, 1], 4),
        (["w >= 0.15", "w[3] <= 0.3"], [0.15] * 4, [1, 1, 1, 0.3], 4),
        (["w[0] == 0.3", "w[1] >= 0.25"], [0.3, 0.25, 0, 0], [0.3, 1, 1, 1], 3),
        (["w[0] >= 0.3", "w[1] >= 0.3", "w[2] <= 0.1"], [0.3, 0.3, 0, 0], [1, 1, 0.1, 1], 4),
        (["w <= 0.3", "w[1] <= 0.1", "s <= 15"], [0] * 4, [0.3, 0.1, 0.3, 0.3], 1),
    ],
)
def test_shares_that_newtons_method_finds(
    texts: list[str], lower: list[float], upper: list[float], free: int
) -> None:
    """A mean of Dirichlet shares: no closed form; bounds are met exactly, and left again."""
    x = np.random.default_rng(1).dirichlet([2.0, 4.0, 6.0, 8.0], 60)
    fit = load(SHARES, *texts).fit(x, tol=1e-12)

    def value(t: Floats) -> float:
        a = t[4] * t[:4]
        return float(gammaln(t[4]) - gammaln(a).sum() + ((a - 1.0) * np.log(x).mean(axis=0)).sum())

    most = 15.0 if "s <= 15" in texts else 1e3
    bounds = [(max(a, 1e-9), b) for a, b in zip(lower, upper, strict=True)] + [(0.1, most)]
    begin = [*np.clip(np.ravel(fit.params["w"]), 1e-6, None), 10.0]
    best = 60 * highest(value, begin, bounds, [slice(0, 4)])
    assert fit.status == "converged"
    assert fit.n_params == free
    assert fit.log_likelihood == pytest.approx(best, abs=1e-7)
    assert ((fit.params["w"] >= lower) & (fit.params["w"] <= upper)).all()


def test_many_shares_that_newtons_method_finds_are_level_between_their_bounds() -> None:
    """Slopes by hand: equal between bounds, lower at lower bounds, higher at upper ones."""
    rng = np.random.default_rng(1)
    p = rng.gamma(1.0, 1.0, 50)
    x = rng.dirichlet(1000.0 * (p / p.sum() + 0.002) / 1.1, 200)
    fit = load(SHARES.replace("[4]", "[50]"), "w >= 0.012", "w <= 0.03").fit(x, tol=1e-12)
    w, s = fit.params["w"], float(fit.params["s"])
    slope = s * (np.log(x).mean(axis=0) - digamma(s * w))
    low, high = w == 0.012, w == 0.03
    level = slope[~low & ~high]
    assert low.any()
    assert high.any()
    assert np.ptp(level) == pytest.approx(0.0, abs=1e-10 * np.abs(level).max())
    assert slope[low].max() <= level.min()
    assert slope[high].min() >= level.max()
    assert w.sum() == pytest.approx(1.0, abs=1e-14)


GROUPS = """\
model Groups(G = 2)
param w[G] : simplex[3]
param s[G] : positive
for n in N:
    input g[n] : index[G]
    data  x[n] : simplex[3] ~ Dirichlet(s[g[n]] * w[g[n]])
"""


@pytest.mark.parametrize("tied", [False, True])
def test_rows_of_newtons_method_are_apart_or_one_problem(tied: bool) -> None:
    """Two rows with bounds of their own; scales that are one make them one problem."""
    rng, g = np.random.default_rng(1), np.arange(80) % 2
    x = np.where(g[:, None] == 0, rng.dirichlet([2, 6, 12], 80), rng.dirichlet([10, 8, 2], 80))
    texts = ["w[0, 0] >= 0.2", "w[0, 2] <= 0.5", "w[1, 0] == 0.25", "w[1, 2] >= 0.3"]
    fit = load(GROUPS, *texts, *(["s[0] == s[1]"] * tied)).fit({"x": x, "g": g}, tol=1e-12)

    def value(t: Floats) -> float:
        w, s = t[:6].reshape(2, 3), t[[6, 6 if tied else 7]]
        a = (s[:, None] * w)[g]
        return float((gammaln(s[g]) - gammaln(a).sum(1) + ((a - 1) * np.log(x)).sum(1)).mean())

    bounds = [
        (0.2, 1),
        (1e-9, 1),
        (1e-9, 0.5),
        (0.25, 0.25),
        (1e-9, 1),
        (0.3, 1),
        (0.1, 99),
        (0.1, 99),
    ]
    best = highest(
        value, [0.3, 0.3, 0.4, 0.25, 0.4, 0.35, 9, 9], bounds, [slice(0, 3), slice(3, 6)]
    )
    assert fit.status == "converged"
    assert fit.n_params == 2 + 1 + (1 if tied else 2)
    assert fit.log_likelihood == pytest.approx(80 * best, abs=1e-7)


def test_starts_are_within_bounds_and_no_iteration_goes_down() -> None:
    x = np.random.default_rng(2).normal(size=60) ** 3
    model = load(MIXTURE, "weight >= 0.25", "weight[2] >= 0.4")
    for seed in range(5):
        begin = model.init_params(x, seed=seed)["weight"]
        assert (begin >= [0.25, 0.25, 0.4]).all()
        fit = model.fit(x, seed=seed, restarts=1)
        assert fit.status == "converged"
        assert (np.diff(fit.objective_trace) >= -1e-9).all()
        assert (fit.params["weight"] >= [0.25, 0.25, 0.4]).all()


def test_two_simplexes_that_are_one_have_the_bounds_of_both() -> None:
    text = (
        "model M\nparam a : simplex[3]\nparam b : simplex[3]\nfor n in N:\n"
        "    data x[n] ~ Categorical(a)\n    data y[n] ~ Categorical(b)\n"
    )
    x, y = np.array([0, 0, 0, 0, 1]), np.array([0, 0, 1, 0, 2])
    fit = load(text, "a == b", "b[0] <= 0.5", "a[2] >= 0.2").fit({"x": x, "y": y})
    assert fit.params["a"] == pytest.approx([0.5, 0.3, 0.2])
    assert np.array_equal(fit.params["a"], fit.params["b"])


def test_awkward_data() -> None:
    """A kind that nothing is of, one observation, states that are never left, all rows missing."""
    far = load(MIXTURE, "weight >= 0.2").fit(
        np.array([0.0, 0.1, -0.1, 0.2] * 5), fix={"mean": [0.0, NAN, 1e6], "sd": 1.0}
    )
    assert far.params["weight"][2] == 0.2
    assert far.params["weight"].sum() == pytest.approx(1.0)
    one = load(COUNTED.format("1, 1, 1"), "w[1] <= 0.6", "w[0] >= 0.1").fit(np.array([1]))
    assert one.params["w"][1] == 0.6
    assert one.params["w"][0] >= 0.1
    assert one.params["w"].sum() == pytest.approx(1.0)
    chain = load(CHAIN, "trans[2, 2] >= 0.5", "trans[0] <= 0.8").fit(np.array([0, 1, 1, 0, 1]))
    assert chain.params["trans"][2, 2] >= 0.5
    assert chain.params["trans"].sum(axis=1) == pytest.approx(1.0)
    assert chain.params["trans"][0] == pytest.approx([0.1, 0.8, 0.1])


def test_bounds_that_leave_one_value_are_no_parameter() -> None:
    x = np.array([0, 0, 0, 1])
    for texts in (["w[0] >= 0.2", "w[1] >= 0.3", "w[2] >= 0.5"],
                  ["w[0] <= 0.2", "w[1] <= 0.3", "w[2] <= 0.5"],
                  ["w[0] >= 0.2", "w[0] <= 0.2", "w[1] == 0.3"]):  # fmt: skip
        fit = load(COUNTED.format("1, 1, 1"), *texts).fit(x)
        assert fit.params["w"] == pytest.approx([0.2, 0.3, 0.5], abs=1e-15)
        assert fit.n_params == 0


def test_rows_that_are_held_whole_may_be_printed_digits() -> None:
    digits = [0.3333333, 0.3333333, 0.3333333]
    fit = load(MIXTURE, "weight >= 0.3").fit(np.arange(9.0), fix={"weight": digits, "sd": 1.0})
    assert fit.params["weight"].tolist() == digits


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        (["weight >= 0.3"], {"K": 4},
         ("the entries of weight sum to 1.2 at least by `weight >= 0.3`, expected 1: make lower "
         "bounds smaller")),
        (["weight <= 0.3"], {"K": 3},
         ("the entries of weight sum to 0.9 at most by `weight <= 0.3`, expected 1: make upper "
         "bounds larger")),
        (["weight[0] >= 0.5", "weight[1] <= 0.9"], {"fix": {"weight": [NAN, 0.6, NAN]}},
         ("the entries of weight sum to 1.1 at least by `fix` and `weight[0] >= 0.5`, expected 1: "
         "make lower bounds smaller")),
        (["weight[0] >= 0.4", "weight[0] == weight[1]", "weight[2] >= 0.3"], {},
         ("the entries of weight sum to 1.1 at least by `weight[0] >= 0.4`, `weight[0] == "
         "weight[1]` and `weight[2] >= 0.3`, expected 1: make lower bounds smaller")),
        (["weight[0] >= 0.4"], {"fix": {"weight": [0.3, NAN, NAN]}},
         "weight[0] is held at 0.3, which is outside of its bounds 0.4 and inf"),
        (["weight[0] >= 0.4"], {"init": {"weight": [0.3, 0.4, 0.3]}},
         "weight in init doesn't fulfil `weight[0] >= 0.4`: change it or leave it out"),
        (["weight[3] >= 0.4"], {"K": 3},
         "`weight[3] >= 0.4` is about weight[3], but K = 3: expected an index from 0 to 2"),
    ],
)  # fmt: skip
def test_what_only_a_fit_knows(texts: list[str], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError) as caught:
        load(MIXTURE, *texts).fit(np.arange(9.0), **options)
    assert message in str(caught.value)
