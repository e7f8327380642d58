"""Generalised linear models and mixtures of them against scikit-learn's solvers.

Here a turn is a whole fit, from checking the data to the estimates. Regressions stop where the
largest entry of the gradient of the mean log likelihood is FLAT or less: scikit-learn is told to,
and emdsl's own rule (what is left to gain is 1e-13 of the log likelihood where there are many rows,
1e-24 where there are few) leads there. The names of the contenders say where each one did stop.
Mixtures begin at the same parameters and end at the same likelihood, just below the maximum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from race import Contender, Workload, missing, module_of
from scipy.special import digamma, expit, gammaln, logsumexp, polygamma, softmax

FACTOR, CHAIN, HEAVY, UNITS = "a common factor", "a chain", "heavy tails", "own units"
Floats = NDArray[np.float64]
FLAT = 3e-8
NEAR = 1e-6  # part of the log likelihood that a mixture may stop below its maximum
Score = Callable[[Floats], float]  # the log likelihood at coefficients
Slope = Callable[[Floats], Floats]  # its gradient


class Whole:
    """emdsl, a whole fit at a time; a mixture's from parameters that are given."""

    def __init__(
        self, model: str, data: Any, tol: float, start: dict[str, Floats] | None = None
    ) -> None:
        from emdsl.runtime.params import sizes_of_params

        self.module = module_of(model)
        meta = self.module.PROGRAM.meta
        self.options: dict[str, Any] = {"tol": tol, "max_iter": 2000, "progress": False}
        if start is not None:
            sizes = sizes_of_params(meta, start)
            chosen = {s.name: sizes[s.name] for s in meta.sizes if s.role == "hyper"}
            self.options |= {**chosen, "init": start, "restarts": 1}
        self.data = data
        self.target = np.inf
        self.step()
        if start is not None:
            self.target = self.score() - NEAR * abs(self.score())
            self.options["on_iteration"] = self._watch

    def _watch(self, at: Any) -> None:
        if at.objective >= self.target:
            raise KeyboardInterrupt  # which `fit` takes as a wish to stop

    def step(self) -> None:
        self.result: Any = self.module.fit(self.data, **self.options)

    def score(self) -> float:
        return float(self.result.log_likelihood)


def _flat(name: str, slope: Floats, n: int) -> str:
    return f"{name} (gradient {np.abs(slope).max() / n:.0e})"


# --- one regression ----------------------------------------------------------------------------


def _covariates(n: int, p: int, how: str = "") -> tuple[np.random.Generator, Floats]:
    """A column of ones, and normal columns; by default they have nothing to do with each other."""
    rng = np.random.default_rng(5)
    u = rng.normal(size=(n, p))
    if how == FACTOR:  # each two correlate by 0.3
        u = np.sqrt(0.7) * u + np.sqrt(0.3) * rng.normal(size=(n, 1))
    elif how == CHAIN:  # neighbours correlate by 0.5
        for j in range(1, p):
            u[:, j] = 0.5 * u[:, j - 1] + np.sqrt(0.75) * u[:, j]
    elif how == HEAVY:  # some rows are far out
        u *= rng.standard_t(4, size=(n, 1))
    elif how == UNITS:
        u *= np.exp(rng.normal(size=p))
    u[:, 0] = 1.0
    return rng, u


def _scikit(u: Any, y: Floats) -> Any:
    """No intercept (it is a column), no penalty: the same objective."""
    from sklearn.linear_model import LogisticRegression

    peer = LogisticRegression(C=np.inf, fit_intercept=False, tol=FLAT, max_iter=10_000)
    return peer.fit(u, y)


def _lbfgs(u: Floats, y: Floats, slope: Slope, score: Score) -> Contender:
    found = [_scikit(u, y)]

    def step() -> None:
        found[0] = _scikit(u, y)

    name = _flat("scikit-learn lbfgs", slope(found[0].coef_), len(y))
    return Contender(name, step, lambda: score(found[0].coef_))


def logistic(n: int, p: int, how: str = "") -> Any:
    def go(scale: float) -> list[Contender]:
        rows = int(n * scale)
        rng, u = _covariates(rows, p, how)
        chance = rng.random(rows)
        line = u @ rng.normal(0.0, 1.0 / np.sqrt(p), p)
        y = (chance < expit(line / line.std() if how else line)).astype(float)

        def slope(beta: Floats) -> Floats:
            return (y - expit(u @ beta.reshape(-1))) @ u

        def score(beta: Floats) -> float:
            line = u @ beta.reshape(-1)
            return float(y @ line - np.logaddexp(0.0, line).sum())

        covariates = np.ascontiguousarray(u[:, 1:])  # the intercept is a parameter of its own
        own = Whole("logistic_regression", {"u": covariates, "y": y}, 1e-8)
        at = np.append(own.result.params["intercept"], own.result.params["beta"])
        first = Contender(_flat("emdsl", slope(at), rows), own.step, own.score)
        return [first] if missing("sklearn") else [first, _lbfgs(u, y, slope, score)]

    return go


def group_effects(n: int, p: int, groups: int) -> Any:
    """An intercept for each group; scikit-learn gets sparse indicators of them as covariates."""

    def go(scale: float) -> list[Contender]:
        rows = int(n * scale)
        rng, u = _covariates(rows, p + 1)
        u = np.ascontiguousarray(u[:, 1:])
        group = rng.permutation(np.arange(rows) % groups)
        line = u @ rng.normal(0.0, 1.0 / np.sqrt(p), p) + rng.normal(0.0, 0.7, groups)[group]
        y = (rng.random(rows) < expit(line)).astype(float)
        _, one = np.unique(group, return_index=True)
        y[one], y[rows - 1 - np.unique(group[::-1], return_index=True)[1]] = (
            0.0,
            1.0,
        )  # both in each

        def value(effect: Floats, beta: Floats) -> Floats:
            return u @ beta.reshape(-1) + effect[group]

        def slope(effect: Floats, beta: Floats) -> Floats:
            left = y - expit(value(effect, beta))
            return np.concatenate([np.bincount(group, left, groups), left @ u])

        def score(effect: Floats, beta: Floats) -> float:
            line = value(effect, beta)
            return float(y @ line - np.logaddexp(0.0, line).sum())

        own = Whole("../benchmarks/group_effects", {"group": group, "u": u, "y": y}, 1e-8)
        at = own.result.params
        first = Contender(
            _flat("emdsl", slope(at["effect"], at["beta"]), rows), own.step, own.score
        )
        if missing("sklearn"):
            return [first]
        from scipy import sparse

        indicators = sparse.csr_matrix((np.ones(rows), (np.arange(rows), group)))
        design = sparse.hstack([indicators, u]).tocsr()
        found = [_scikit(design, y)]

        def step() -> None:
            found[0] = _scikit(design, y)

        def parts() -> tuple[Floats, Floats]:
            coef = np.asarray(found[0].coef_).reshape(-1)
            return coef[:groups], coef[groups:]

        name = _flat("scikit-learn lbfgs", slope(*parts()), rows)
        return [first, Contender(name, step, lambda: score(*parts()))]

    return go


def multinomial(n: int, p: int, v: int) -> Any:
    def go(scale: float) -> list[Contender]:
        rows = int(n * scale)
        rng, u = _covariates(rows, p)
        shares = softmax(u @ rng.normal(0.0, 1.0 / np.sqrt(p), (v, p)).T, axis=1)
        y = (shares.cumsum(axis=1) < rng.random((rows, 1))).sum(axis=1)
        seen = np.eye(v)[y]

        def slope(beta: Floats) -> Floats:
            return np.asarray((seen - softmax(u @ beta.T, axis=1)).T @ u)

        def score(beta: Floats) -> float:
            line = u @ beta.T
            return float((seen * line).sum() - logsumexp(line, axis=1).sum())

        own = Whole("softmax_regression", {"u": u, "y": y}, 1e-8)
        first = Contender(
            _flat("emdsl", slope(own.result.params["beta"]), rows), own.step, own.score
        )
        return [first] if missing("sklearn") else [first, _lbfgs(u, y, slope, score)]

    return go


def lasso(n: int, p: int) -> Any:
    """A Laplace prior of scale 1/20 on the slopes; scikit-learn's saga ends at the same objective.

    (Its liblinear, too, is a lasso, but of the intercept as well.)
    """

    def go(scale: float) -> list[Contender]:
        rows = int(n * scale)
        rng, u = _covariates(rows, p + 1)
        u, few = np.ascontiguousarray(u[:, 1:]), max(3, p // 20)
        y = (rng.random(rows) < expit(u[:, :few] @ rng.normal(size=few))).astype(float)

        def score(intercept: Floats, beta: Floats) -> float:
            line = float(np.ravel(intercept)[0]) + u @ beta.reshape(-1)
            return float(y @ line - np.logaddexp(0.0, line).sum() - 20.0 * np.abs(beta).sum())

        own = Whole("lasso_logistic", {"u": u, "y": y}, 1e-8)
        first = Contender(
            "emdsl", own.step, lambda: score(*(own.result.params[k] for k in ("intercept", "beta")))
        )
        if missing("sklearn"):
            return [first]
        from sklearn.linear_model import LogisticRegression

        peer = LogisticRegression(l1_ratio=1, C=1 / 20, solver="saga", tol=1e-6, max_iter=10_000)

        def step() -> None:
            peer.fit(u, y)

        return [first, Contender("scikit-learn saga", step,
                                 lambda: score(peer.intercept_, peer.coef_))]  # fmt: skip

    return go


# --- mixtures: flexmix's way, each component fitted again at every step ------------------------


def _responsibilities(log_joint: Floats) -> tuple[Floats, float]:
    evidence = logsumexp(log_joint, axis=1)
    return np.exp(log_joint - evidence[:, None]), float(evidence.sum())


def _refits(
    start: dict[str, Floats],
    lines: Callable[[Floats], Floats],
    refit: Callable[[Floats, Floats], Floats],
    target: float,
    name: str,
) -> Contender:
    """EM whose M-step refits every component, until the log likelihood is at the target.

    `lines(beta)` are log densities, (N, K); `refit(weights, beta)` new coefficients of one
    component from its responsibilities (N,) and its last ones.
    """
    state: dict[str, Any] = {}

    def step() -> None:
        weight, beta = start["weight"], start["beta"]
        for _ in range(2000):
            resp, value = _responsibilities(np.log(weight) + lines(beta))
            if value >= target:
                break
            weight = resp.mean(axis=0)
            beta = np.stack([refit(w, b) for w, b in zip(resp.T, beta, strict=True)])
        state["score"] = value

    return Contender(name, step, lambda: float(state["score"]))


def _classes(n: int, p: int, k: int, spread: float) -> tuple[Any, Floats, Floats, dict[str, Any]]:
    rng, u = _covariates(n, p)
    beta = rng.normal(0.0, spread, (k, p))
    start = beta + rng.normal(0.0, 0.2 * spread, (k, p))
    lines = (u * beta[rng.integers(k, size=n)]).sum(axis=1)
    return rng, u, lines, {"weight": np.full(k, 1.0 / k), "beta": start}


def logistics(n: int, p: int, k: int, trials: int, tol: float = 1e-10) -> Any:
    """Binomial counts: scikit-learn gets every row twice, its yeses and its noes."""

    def go(scale: float) -> list[Contender]:
        rows = int(n * scale)
        rng, u, line, start = _classes(rows, p, k, 1.5)
        y = rng.binomial(trials, expit(line)).astype(float)
        data = {"u": u, "y": y, "total": np.full(rows, trials)}
        own = Whole("mixture_of_logistic_regressions", data, tol, start)
        first = Contender("emdsl", own.step, own.score)
        if missing("sklearn"):
            return [first]
        from sklearn.linear_model import LogisticRegression

        twice, seen = np.concatenate([u, u]), np.repeat([1, 0], rows)
        chosen = gammaln(trials + 1) - gammaln(y + 1) - gammaln(trials - y + 1)

        def lines(beta: Floats) -> Floats:
            eta = u @ beta.T
            return chosen[:, None] + y[:, None] * eta - trials * np.logaddexp(0.0, eta)

        def refit(resp: Floats, beta: Floats) -> Floats:
            peer = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-6, warm_start=True)
            peer.classes_, peer.coef_, peer.intercept_ = np.arange(2), beta[None], np.zeros(1)
            counts = np.concatenate([resp * y, resp * (trials - y)])
            return np.asarray(peer.fit(twice, seen, sample_weight=counts).coef_[0])

        return [first, _refits(start, lines, refit, own.target, "refits by scikit-learn lbfgs")]

    return go


def poissons(n: int, p: int, k: int, tol: float = 1e-10) -> Any:
    def go(scale: float) -> list[Contender]:
        rows = int(n * scale)
        rng, u, line, start = _classes(rows, p, k, 0.5)
        y = rng.poisson(np.exp(line)).astype(float)
        own = Whole("mixture_of_poisson_regressions", {"u": u, "y": y}, tol, start)
        first = Contender("emdsl", own.step, own.score)
        if missing("sklearn"):
            return [first]
        from sklearn.linear_model import PoissonRegressor

        logs = gammaln(y + 1)

        def lines(beta: Floats) -> Floats:
            eta = u @ beta.T
            return y[:, None] * eta - np.exp(eta) - logs[:, None]

        def refit(resp: Floats, beta: Floats) -> Floats:
            peer = PoissonRegressor(alpha=0.0, fit_intercept=False, tol=1e-6, warm_start=True)
            peer.coef_ = beta
            return np.asarray(peer.fit(u, y, sample_weight=resp).coef_)

        return [first, _refits(start, lines, refit, own.target, "refits by scikit-learn lbfgs")]

    return go


# --- a shape -----------------------------------------------------------------------------------


def gammas(n: int, k: int, tol: float = 1e-10) -> Any:
    """Whole arrays, (N, K); the shapes of all components by Newton's method at once."""

    def go(scale: float) -> list[Contender]:
        rng = np.random.default_rng(6)
        rows = int(n * scale)
        shape, mean = np.linspace(2.0, 9.0, k), np.geomspace(1.0, 20.0, k)
        z = rng.integers(k, size=rows)
        x = rng.gamma(shape[z], mean[z] / shape[z])
        start = {
            "weight": np.full(k, 1.0 / k),
            "shape": np.full(k, 3.0),
            "rate": 3.0 / (1.2 * mean),
        }
        own = Whole("gamma_mixture", {"x": x}, tol, start)
        state: dict[str, Any] = {}
        logs = np.log(x)

        def step() -> None:
            weight, a, b = (start[name] for name in ("weight", "shape", "rate"))
            for _ in range(2000):
                density = a * np.log(b) - gammaln(a) + (a - 1) * logs[:, None] - x[:, None] * b
                resp, value = _responsibilities(np.log(weight) + density)
                if value >= own.target:
                    break
                mass = resp.sum(axis=0)
                average, gap = x @ resp / mass, np.log(x @ resp / mass) - logs @ resp / mass
                for _ in range(3):
                    score, slope = np.log(a) - digamma(a) - gap, 1 / a - polygamma(1, a)
                    a = np.maximum(a - score / slope, a / 10)
                weight, b = mass / rows, a / average
            state["score"] = value

        return [
            Contender("emdsl", own.step, own.score),
            Contender("NumPy by hand", step, lambda: float(state["score"])),
        ]

    return go


def _fit(name: str, enter: Any, goal: float | None = None) -> Workload:
    return Workload(name, enter, goal, iterations=1, rounds=9)


WORKLOADS = [
    _fit("logistic regression, N=1e3 P=10", logistic(1_000, 10), 1.0),
    _fit(f"the same, N=1e3 P=10, {FACTOR}", logistic(1_000, 10, FACTOR), 1.0),
    _fit(f"the same, N=1e3 P=10, {CHAIN}", logistic(1_000, 10, CHAIN), 1.0),
    _fit("logistic regression, N=1e5 P=10", logistic(100_000, 10), 1.0),
    _fit(f"the same, N=1e5 P=10, {FACTOR}", logistic(100_000, 10, FACTOR), 1.0),
    _fit(f"the same, N=1e5 P=10, {HEAVY}", logistic(100_000, 10, HEAVY), 1.0),
    _fit("logistic regression, N=1e5 P=50", logistic(100_000, 50), 1.0),
    _fit(f"the same, N=1e5 P=50, {FACTOR}", logistic(100_000, 50, FACTOR), 1.0),
    _fit(f"the same, N=1e5 P=50, {CHAIN}", logistic(100_000, 50, CHAIN), 1.0),
    _fit("logistic regression, N=1e4 P=100", logistic(10_000, 100), 1.0),
    _fit(f"the same, N=1e4 P=100, {FACTOR}", logistic(10_000, 100, FACTOR), 1.0),
    _fit(f"the same, N=1e4 P=100, {UNITS}", logistic(10_000, 100, UNITS), 1.0),
    _fit("logistic regression, N=2e4 P=200", logistic(20_000, 200), 1.0),
    _fit(f"the same, N=2e4 P=200, {FACTOR}", logistic(20_000, 200, FACTOR), 1.0),
    _fit(f"the same, N=2e4 P=200, {CHAIN}", logistic(20_000, 200, CHAIN), 1.0),
    _fit(f"the same, N=2e4 P=200, {HEAVY}", logistic(20_000, 200, HEAVY), 1.0),
    _fit("lasso, N=1e3 P=10", lasso(1_000, 10), 1.0),
    _fit("lasso, N=1e4 P=50", lasso(10_000, 50), 1.0),
    _fit("lasso, N=2e3 P=300", lasso(2_000, 300), 1.0),
    _fit("group effects, N=1e5 G=1e3 P=5", group_effects(100_000, 5, 1_000), 1.0),
    _fit("group effects, N=1e5 G=1e4 P=5", group_effects(100_000, 5, 10_000), 1.0),
    _fit("softmax regression, N=1e5 P=10 V=5", multinomial(100_000, 10, 5), 1.0),
    _fit("softmax regression, N=2e4 P=30 V=10", multinomial(20_000, 30, 10), 1.0),
    _fit("mixture of logistic regressions, N=2e4 P=5 K=3", logistics(20_000, 5, 3, 10), 1.0),
    _fit("mixture of Poisson regressions, N=2e4 P=5 K=3", poissons(20_000, 5, 3), 1.0),
    _fit("Gamma mixture, N=1e5 K=3", gammas(100_000, 3)),
]
