"""Continuous latents: factor analysis, Kalman's model, random effects, heavy tails.

A turn is one EM iteration; where the peer isn't EM it is a whole fit, and the log likelihoods say
whether both came as far. dynamax computes in float64, compiled before the race; pykalman is timed
on one iteration, which takes it long enough.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from race import Contender, Fit, Workload, missing, module_of
from scipy.optimize import brentq
from scipy.special import digamma, gammaln, logsumexp, ndtr

Floats = NDArray[np.float64]
Params = dict[str, Any]
_LOG_2PI = float(np.log(2.0 * np.pi))


class Whole:
    """emdsl, a whole fit at a time, from one start of its own."""

    def __init__(self, model: str, data: Any, **options: Any) -> None:
        self.module, self.data = module_of(model), data
        self.options = {"restarts": 1, "progress": False, **options}

    def step(self) -> None:
        self.result: Any = self.module.fit(self.data, **self.options)

    def contender(self, name: str = "emdsl") -> Contender:
        return Contender(name, self.step, lambda: float(self.result.log_likelihood))


# --- factor analysis ---------------------------------------------------------------------------


def _factors(n: int, d: int, latents: int) -> tuple[Floats, Params]:
    rng = np.random.default_rng(1)
    loading = rng.normal(size=(d, latents))
    x = rng.normal(size=(n, latents)) @ loading.T + rng.uniform(0.5, 1.5, d) * rng.normal(
        size=(n, d)
    )
    start = {
        "loading": loading + 0.3 * rng.normal(size=loading.shape),
        "bias": x.mean(axis=0),
        "noise": x.var(axis=0),
    }
    return x, start


def factor_analysis(n: int, d: int, latents: int) -> Any:
    """scikit-learn's iteration finds the best loadings under the noise, more than one of EM does:
    `to the maximum` compares how long both take.
    """

    def go(scale: float) -> list[Contender]:
        x, start = _factors(max(int(n * scale), 20 * d), d, latents)
        found = [Fit("factor_analysis", {"x": x}, start).contender()]
        if missing("sklearn"):
            return found
        return [*found, *(_svd_steps(x, latents, how) for how in ("randomized", "lapack"))]

    return go


def _svd_steps(x: Floats, latents: int, how: str) -> Contender:
    """The loop of scikit-learn's FactorAnalysis.fit, with its own decompositions."""
    from sklearn.decomposition import FactorAnalysis
    from sklearn.utils.extmath import randomized_svd

    centred = x - x.mean(axis=0)
    var = centred.var(axis=0)
    root = np.sqrt(len(x))
    state = {"noise": var.copy(), "loading": np.zeros((latents, x.shape[1]))}

    def step() -> None:
        sd = np.sqrt(state["noise"]) + 1e-12
        scaled = centred / (sd * root)
        if how == "randomized":
            _, s, vt = randomized_svd(scaled, latents, n_iter=3, random_state=0)
        else:
            from scipy import linalg

            _, s, vt = linalg.svd(scaled, full_matrices=False, check_finite=False)
            s, vt = s[:latents], vt[:latents]
        state["loading"] = np.sqrt(np.maximum(s**2 - 1.0, 0.0))[:, None] * vt * sd
        state["noise"] = np.maximum(var - (state["loading"] ** 2).sum(axis=0), 1e-12)

    def score() -> float:
        peer = FactorAnalysis(latents)
        peer.components_, peer.noise_variance_ = state["loading"], state["noise"]
        peer.mean_ = x.mean(axis=0)
        return float(peer.score(x)) * len(x)

    return Contender(f"scikit-learn {how}", step, score)


def factor_analysis_fit(n: int, d: int, latents: int) -> Any:
    """Whole fits from nothing, with loading of the data and all."""

    def go(scale: float) -> list[Contender]:
        x, _ = _factors(max(int(n * scale), 20 * d), d, latents)
        found = [Whole("factor_analysis", {"x": x}, L=latents).contender()]
        if missing("sklearn"):
            return found
        from sklearn.decomposition import FactorAnalysis

        def peer(how: str) -> Contender:
            own = FactorAnalysis(latents, tol=1e-2, max_iter=1000, svd_method=how)
            return Contender(
                f"scikit-learn {how}", lambda: own.fit(x), lambda: float(own.score(x)) * len(x)
            )

        return [*found, peer("randomized"), peer("lapack")]

    return go


# --- linear Gaussian state space models --------------------------------------------------------


def _system(latents: int, outputs: int, *shape: int) -> tuple[Floats, Params]:
    """Draws (..., T, D) of a stable system, and a start near it."""
    rng = np.random.default_rng(2)
    turn = 0.95 * np.linalg.qr(rng.normal(size=(latents, latents)))[0]
    seen = rng.normal(size=(outputs, latents))
    z = np.zeros((*shape, latents))
    z[..., 0, :] = rng.normal(size=(*shape[:-1], latents))
    step = 0.5 * rng.normal(size=z.shape)
    for t in range(1, shape[-1]):
        z[..., t, :] = z[..., t - 1, :] @ turn.T + step[..., t, :]
    x = z @ seen.T + rng.normal(size=(*shape, outputs))
    start = {
        "m0": np.zeros(latents),
        "V0": np.eye(latents),
        "A": turn + 0.05 * rng.normal(size=turn.shape),
        "C": seen + 0.1 * rng.normal(size=seen.shape),
        "Q": 0.4 * np.eye(latents),
        "R": 1.5 * np.eye(outputs),
    }
    return x, start


def kalman(latents: int, outputs: int, steps: int, *, slow: bool = False) -> Any:
    """One sequence; `slow` enters pykalman too."""

    def go(scale: float) -> list[Contender]:
        x, start = _system(latents, outputs, max(int(steps * scale), 100))
        found = [Fit("linear_dynamical_system", {"x": x}, start).contender()]
        if slow and not missing("pykalman"):
            found.append(_pykalman(x, start))
        elif not slow and not missing("dynamax"):
            found.append(_dynamax(x[None], start))
        return found

    return go


def kalman_many(latents: int, outputs: int, sequences: int, steps: int) -> Any:
    """Many sequences of the same length, which is what dynamax's batches are."""

    def go(scale: float) -> list[Contender]:
        x, start = _system(latents, outputs, max(int(sequences * scale), 5), steps)
        found = [Fit("../benchmarks/linear_systems", {"x": x}, start).contender()]
        return found if missing("dynamax") else [*found, _dynamax(x, start)]

    return go


def kalman_gaps(latents: int, outputs: int, sequences: int, steps: int, share: float) -> Any:
    """The same with a share of the cells missing, under noise that ties the cells of a row."""

    def go(scale: float) -> list[Contender]:
        x, start = _system(latents, outputs, max(int(sequences * scale), 5), steps)
        x[np.random.default_rng(4).random(x.shape) < share] = np.nan
        return [Fit("../benchmarks/linear_systems", {"x": x}, start).contender()]

    return go


class Filtering:
    """emdsl's filter of a local level: states and forecasts of all rows, from the rows before."""

    def __init__(self, y: Floats, params: Params) -> None:
        self.module, self.y, self.params = module_of("local_level"), y, params
        self.step()

    def step(self) -> None:
        self.found: Any = self.module.filtered({"y": self.y}, self.params)

    def score(self) -> float:
        (parts,) = self.found.log_predictive.values()
        return float(parts.sum())


def filtering(n: int) -> Any:
    def go(scale: float) -> list[Contender]:
        rng = np.random.default_rng(14)
        size = int(n * scale)
        y = np.cumsum(rng.normal(0.0, 0.5, size)) + rng.normal(size=size)
        own = Filtering(y, {"first": 0.0, "move": 0.5, "sd": 1.0})
        first = Contender("emdsl", own.step, own.score)
        return [first] if missing("statsmodels") else [first, _statsmodels_filter(y)]

    return go


def _statsmodels_filter(y: Floats) -> Contender:
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    model = UnobservedComponents(y, "local level")
    model.ssm.initialize_known(np.zeros(1), np.full((1, 1), 0.25))
    model.loglikelihood_burn = 0
    found: list[Any] = [None]

    def step() -> None:
        found[0] = model.filter([1.0, 0.25])

    return Contender("statsmodels", step, lambda: float(found[0].llf))


def _pykalman(x: Floats, start: Params) -> Contender:
    from pykalman import KalmanFilter

    names = {
        "transition_matrices": "A",
        "observation_matrices": "C",
        "transition_covariance": "Q",
        "observation_covariance": "R",
        "initial_state_mean": "m0",
        "initial_state_covariance": "V0",
    }
    latents = len(start["A"])
    zero = {"transition_offsets": np.zeros(latents), "observation_offsets": np.zeros(x.shape[1])}
    own = [KalmanFilter(**{k: start[v] for k, v in names.items()}, **zero)]

    def step() -> None:
        own[0] = own[0].em(x, n_iter=1, em_vars=list(names))

    return Contender("pykalman", step, lambda: float(own[0].loglikelihood(x)))


def _dynamax(x: Floats, start: Params) -> Contender:
    import jax

    jax.config.update("jax_enable_x64", True)
    from dynamax.linear_gaussian_ssm import LinearGaussianSSM

    model = LinearGaussianSSM(
        len(start["A"]), x.shape[-1], has_dynamics_bias=False, has_emissions_bias=False
    )
    params, props = model.initialize(
        initial_mean=start["m0"],
        initial_covariance=start["V0"],
        dynamics_weights=start["A"],
        dynamics_covariance=start["Q"],
        emission_weights=start["C"],
        emission_covariance=start["R"],
    )

    @jax.jit
    def iterate(params: Any, rows: Any) -> Any:
        stats, log_likelihoods = jax.vmap(lambda one: model.e_step(params, one))(rows)
        new, _ = model.m_step(params, props, stats, None)
        return new, log_likelihoods.sum()

    began = time.process_time()
    rows = jax.numpy.asarray(x)
    jax.block_until_ready(iterate(params, rows))
    state = [params]

    def step() -> None:
        state[0] = jax.block_until_ready(iterate(state[0], rows))[0]

    setup = time.process_time() - began
    return Contender("dynamax", step, lambda: float(iterate(state[0], rows)[1]), setup)


# --- random effects ----------------------------------------------------------------------------


def intercepts(n: int, groups: int) -> Any:
    """Whole fits: statsmodels maximises the likelihood by quasi-Newton steps."""

    def go(scale: float) -> list[Contender]:
        rng = np.random.default_rng(3)
        rows = max(int(n * scale), 10 * groups)
        group = rng.integers(groups, size=rows)
        u = np.column_stack([np.ones(rows), rng.normal(size=(rows, 2))])
        y = u @ [1.0, 2.0, -1.0] + 0.7 * rng.normal(size=groups)[group] + rng.normal(size=rows)
        data = {"y": y, "u": u, "group": group}
        found = [Whole("random_intercept", data).contender()]
        return found if missing("statsmodels") else [*found, _mixed_lm(y, u, group, None)]

    return go


def slopes(n: int, groups: int) -> Any:
    """Whole fits of random intercepts and slopes."""

    def go(scale: float) -> list[Contender]:
        rng = np.random.default_rng(4)
        rows = max(int(n * scale), 10 * groups)
        group = rng.integers(groups, size=rows)
        u = np.column_stack([np.ones(rows), rng.normal(size=rows)])
        own = np.array([1.0, 2.0]) + rng.normal(size=(groups, 2)) @ [[0.7, 0.2], [0.0, 0.4]]
        y = (u * own[group]).sum(axis=1) + rng.normal(size=rows)
        found = [Whole("../benchmarks/random_slopes", {"y": y, "u": u, "group": group}).contender()]
        return found if missing("statsmodels") else [*found, _mixed_lm(y, u, group, u)]

    return go


def _mixed_lm(y: Floats, u: Floats, group: Any, z: Floats | None) -> Contender:
    from statsmodels.regression.mixed_linear_model import MixedLM

    found: list[Any] = [None]

    def step() -> None:
        found[0] = MixedLM(y, u, group, exog_re=z).fit(reml=False)

    return Contender("statsmodels MixedLM", step, lambda: float(found[0].llf))


def crossed(n: int, levels: tuple[int, int]) -> Any:
    """No peer: statsmodels would need a dense covariance of all rows."""

    def go(scale: float) -> list[Contender]:
        rng = np.random.default_rng(5)
        rows = max(int(n * scale), 10 * max(levels))
        row, col = (rng.integers(size, size=rows) for size in levels)
        a, b = (rng.normal(size=size) for size in levels)
        y = 1.0 + a[row] + 0.5 * b[col] + rng.normal(size=rows)
        start = {"mean": np.array(0.0)} | {k: np.array(2.0) for k in ("tau", "rho", "sigma")}
        data = {"y": y, "row": row, "col": col}
        return [Fit("../benchmarks/crossed_effects", data, start).contender()]

    return go


# --- drawn scales and rates --------------------------------------------------------------------


def student_t(n: int) -> Any:
    def go(scale: float) -> list[Contender]:
        x = np.random.default_rng(6).standard_t(3.0, size=max(int(n * scale), 200))
        state = {"mu": 1.0, "s2": 4.0, "nu": 10.0}
        found = Fit("student_t", {"x": x}, {k: np.array(v) for k, v in state.items()}).contender()

        def step() -> None:
            nu = state["nu"]
            half = 0.5 * (nu + (x - state["mu"]) ** 2 / state["s2"])
            u = 0.5 * (nu + 1.0) / half
            log_u = digamma(0.5 * (nu + 1.0)) - np.log(half)
            state["mu"] = float(u @ x / u.sum())
            state["s2"] = float(u @ (x - state["mu"]) ** 2 / len(x))
            known = float((log_u - u).mean()) + 1.0
            state["nu"] = float(
                brentq(lambda v: np.log(v / 2) - digamma(v / 2) + known, 1e-2, 1e4, xtol=1e-13)
            )

        def score() -> float:
            nu, s2 = state["nu"], state["s2"]
            scaled = (x - state["mu"]) ** 2 / (nu * s2)
            each = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(nu * np.pi * s2)
            return float(len(x) * each - 0.5 * (nu + 1) * np.log1p(scaled).sum())

        return [found, Contender("NumPy by hand", step, score)]

    return go


class TMixture:
    """Peel and McLachlan's EM as one would write it in NumPy, a component at a time."""

    def __init__(self, x: Floats, start: Params, nu: float) -> None:
        self.x, self.nu = x, nu
        self.weight, self.mu, self.cov = (start[k].copy() for k in ("weight", "mu", "cov"))

    def e_step(self) -> tuple[Floats, Floats, float]:
        d, nu = self.x.shape[1], self.nu
        logs, precision = [], []
        for w, mu, cov in zip(self.weight, self.mu, self.cov, strict=True):
            root = np.linalg.cholesky(cov)
            far = (np.linalg.solve(root, (self.x - mu).T) ** 2).sum(axis=0)
            level = gammaln((nu + d) / 2) - gammaln(nu / 2) - 0.5 * d * np.log(nu * np.pi)
            level += np.log(w) - np.log(np.diag(root)).sum()
            logs.append(level - 0.5 * (nu + d) * np.log1p(far / nu))
            precision.append((nu + d) / (nu + far))
        joint = np.stack(logs)
        total = logsumexp(joint, axis=0)
        return np.exp(joint - total), np.stack(precision), float(total.sum())

    def step(self) -> None:
        share, precision, _ = self.e_step()
        self.weight = share.mean(axis=1)
        for k, (r, u) in enumerate(zip(share, precision, strict=True)):
            ru = r * u
            self.mu[k] = ru @ self.x / ru.sum()
            off = self.x - self.mu[k]
            self.cov[k] = (off * ru[:, None]).T @ off / r.sum()


def t_mixture(n: int, d: int, k: int) -> Any:
    def go(scale: float) -> list[Contender]:
        rng = np.random.default_rng(7)
        rows = max(int(n * scale), 100 * k)
        centre = 4.0 * rng.normal(size=(k, d))
        z = rng.integers(k, size=rows)
        x = centre[z] + rng.normal(size=(rows, d)) / np.sqrt(rng.gamma(2.0, 0.5, size=(rows, 1)))
        start = {
            "weight": np.full(k, 1.0 / k),
            "mu": centre + 0.5 * rng.normal(size=centre.shape),
            "cov": np.tile(2.0 * np.eye(d), (k, 1, 1)),
        }
        own = TMixture(x, start, 4.0)
        peer = Contender("NumPy by hand", own.step, lambda: own.e_step()[2])
        return [Fit("../benchmarks/robust_mixture", {"x": x}, start).contender(), peer]

    return go


def gamma_poisson(n: int) -> Any:
    """Counts of n units, of which few are different: a frequency for each, and one row for each."""

    def go(scale: float) -> list[Contender]:
        rng = np.random.default_rng(8)
        y = rng.poisson(rng.gamma(2.0, 1.0 / 0.7, size=max(int(n * scale), 200)))
        value, freq = np.unique(y, return_counts=True)
        model = "../benchmarks/counts_of_drawn_rates"
        start = {"a": np.array(1.0), "b": np.array(1.0)}
        rows = {"y": y, "freq": np.ones(len(y))}
        state = {"a": 1.0, "b": 1.0}

        def step() -> None:
            a, b = state["a"], state["b"]
            u = (a + y) / (b + 1.0)
            mean, log_u = u.mean(), (digamma(a + y) - np.log(b + 1.0)).mean()
            gap = np.log(mean) - log_u
            state["a"] = float(
                brentq(lambda v: np.log(v) - digamma(v) - gap, 1e-3, 1e4, xtol=1e-13)
            )
            state["b"] = state["a"] / float(mean)

        def score() -> float:
            a, b = state["a"], state["b"]
            each = gammaln(a + y) - gammaln(a) - gammaln(y + 1.0) + a * np.log(b)
            return float((each - (a + y) * np.log(b + 1.0)).sum())

        return [
            Fit(model, {"y": value, "freq": freq}, start, name="emdsl, frequencies").contender(),
            Contender("NumPy by hand, every row", step, score),
            Fit(model, rows, start, name="emdsl, every row given").contender(),
        ]

    return go


# --- mixtures of factor analysers --------------------------------------------------------------


class FactorAnalysers:
    """Ghahramani and Hinton's EM as one would write it in NumPy, a component at a time."""

    def __init__(self, x: Floats, start: Params) -> None:
        self.x = x
        self.squares = (x**2).sum(axis=0)
        self.weight, self.mu, self.noise = (start[k].copy() for k in ("weight", "mu", "noise"))
        self.loading = start["loading"].copy()

    def e_step(self) -> tuple[Floats, list[tuple[Floats, Floats]], float]:
        logs, found = [], []
        for w, load, mu in zip(self.weight, self.loading, self.mu, strict=True):
            off = self.x - mu
            scaled = load / self.noise[:, None]
            inner = np.eye(load.shape[1]) + load.T @ scaled
            cov = np.linalg.inv(inner)
            half = off @ scaled
            mean = half @ cov
            far = (off**2 / self.noise).sum(axis=1) - (half * mean).sum(axis=1)
            log_det = np.linalg.slogdet(inner)[1] + np.log(self.noise).sum()
            logs.append(np.log(w) - 0.5 * (far + log_det + self.x.shape[1] * _LOG_2PI))
            found.append((mean, cov))
        joint = np.stack(logs)
        total = logsumexp(joint, axis=0)
        return np.exp(joint - total), found, float(total.sum())

    def step(self) -> None:
        share, found, _ = self.e_step()
        self.weight = share.mean(axis=1)
        explained = np.zeros_like(self.noise)
        for k, (r, (mean, cov)) in enumerate(zip(share, found, strict=True)):
            wide = np.column_stack([mean, np.ones(len(mean))])
            cross = (wide * r[:, None]).T @ self.x
            both = (wide * r[:, None]).T @ wide
            both[:-1, :-1] += r.sum() * cov
            new = np.linalg.solve(both, cross).T
            self.loading[k], self.mu[k] = new[:, :-1], new[:, -1]
            explained += (new * cross.T).sum(axis=1)
        self.noise = (self.squares - explained) / len(self.x)


def factor_analysers(n: int, d: int, latents: int, k: int) -> Any:
    def go(scale: float) -> list[Contender]:
        rng = np.random.default_rng(9)
        rows = max(int(n * scale), 100 * k)
        loading, centre = rng.normal(size=(k, d, latents)), 2.0 * rng.normal(size=(k, d))
        z = rng.integers(k, size=rows)
        f = rng.normal(size=(rows, latents))
        x = centre[z] + np.einsum("ndl,nl->nd", loading[z], f) + 0.7 * rng.normal(size=(rows, d))
        start = {
            "weight": np.full(k, 1.0 / k),
            "loading": loading + 0.3 * rng.normal(size=loading.shape),
            "mu": centre + 0.3 * rng.normal(size=centre.shape),
            "noise": np.ones(d),
        }
        own = FactorAnalysers(x, start)
        peer = Contender("NumPy by hand", own.step, lambda: own.e_step()[2])
        return [Fit("../benchmarks/factor_analysers", {"x": x}, start).contender(), peer]

    return go


# --- matrices ----------------------------------------------------------------------------------


class WishartGroups:
    """Matrices' EM as one would write it in NumPy: scatters once, then a stack of inverses."""

    def __init__(self, x: Floats, group: Any, start: Params) -> None:
        width = x.shape[1]
        order = np.argsort(group, kind="stable")
        ends = np.flatnonzero(np.diff(group[order])) + 1
        parts = np.split(x[order], ends)
        self.scatter = np.stack([part.T @ part for part in parts])
        self.count = np.array([len(part) for part in parts], dtype=float)
        self.df, self.scale = width + 4.0, start["scale"].copy()

    def step(self) -> None:
        after = np.linalg.inv(np.linalg.inv(self.scale) + self.scatter)
        self.scale = ((self.df + self.count)[:, None, None] * after).mean(axis=0) / self.df

    def score(self) -> float:
        width, df, inverse = len(self.scale), self.df, np.linalg.inv(self.scale)
        both = 0.5 * (df + self.count)
        logs = multigammaln_of(both, width) - multigammaln_of(np.array([0.5 * df]), width)
        logs += 0.5 * df * np.linalg.slogdet(inverse)[1]
        logs -= both * np.linalg.slogdet(inverse + self.scatter)[1]
        return float((logs - 0.5 * self.count * width * np.log(np.pi)).sum())


def multigammaln_of(a: Floats, order: int) -> Floats:
    """SciPy's `multigammaln` is of one number at a time; the constant in pi cancels here."""
    total: Floats = gammaln(a[:, None] - 0.5 * np.arange(order)).sum(axis=1)
    return total


def wishart_groups(n: int, groups: int, d: int) -> Any:
    def go(scale: float) -> list[Contender]:
        rng = np.random.default_rng(13)
        size = int(n * scale)
        group = rng.permutation(np.arange(size) % groups)
        roots = rng.normal(size=(groups, d, d + 4)) / np.sqrt(d + 4.0)
        spread = np.linalg.cholesky(np.linalg.inv(roots @ np.swapaxes(roots, -1, -2)))
        x = np.einsum("nij,nj->ni", spread[group], rng.normal(size=(size, d)))
        start = {"scale": np.eye(d)}
        own = WishartGroups(x, group, start)
        peer = Contender("NumPy by hand", own.step, own.score)
        data = {"x": x, "group": group}
        return [Fit("../benchmarks/wishart_groups", data, start).contender(), peer]

    return go


# --- what data cut off -------------------------------------------------------------------------


class OrderedProbit:
    """Three categories by a normal score, cut at 0 and 1: truncated moments by SciPy's `ndtr`."""

    def __init__(self, u: Floats, y: Floats, start: Params) -> None:
        ends = np.array([-np.inf, 0.0, 1.0, np.inf])
        self.u = np.column_stack([np.ones(len(u)), u])
        self.low, self.high = ends[y], ends[y + 1]
        self.beta = np.concatenate([[start["intercept"]], start["beta"]])
        self.sd = float(start["sd"])

    def e_step(self) -> tuple[Floats, float, float]:
        mean, sd = self.u @ self.beta, self.sd
        a, b = (self.low - mean) / sd, (self.high - mean) / sd
        mass = ndtr(b) - ndtr(a)
        at_a, at_b = (np.exp(-0.5 * e * e) / np.sqrt(2 * np.pi) for e in (a, b))
        slope = (at_a - at_b) / mass
        ends = np.where(at_a > 0, a, 0.0) * at_a - np.where(at_b > 0, b, 0.0) * at_b
        z = mean + sd * slope
        variance = sd * sd * (1.0 + ends / mass - slope**2)
        return z, float(variance.sum()), float(np.log(mass).sum())

    def step(self) -> None:
        z, variance, _ = self.e_step()
        self.beta = np.linalg.solve(self.u.T @ self.u, self.u.T @ z)
        residual = z - self.u @ self.beta
        self.sd = float(np.sqrt((residual @ residual + variance) / len(z)))


def ordered_probit(n: int, p: int) -> Any:
    def go(scale: float) -> list[Contender]:
        rng = np.random.default_rng(12)
        size = int(n * scale)
        u = rng.normal(size=(size, p))
        z = 0.4 + u @ rng.normal(0.0, 0.4, p) + 0.8 * rng.normal(size=size)
        y = np.digitize(z, [0.0, 1.0])
        start = {"intercept": np.array(0.5), "beta": np.zeros(p), "sd": np.array(1.0)}
        own = OrderedProbit(u, y, start)
        peer = Contender("NumPy by hand", own.step, lambda: own.e_step()[2])
        return [Fit("ordered_probit", {"u": u, "y": y}, start).contender(), peer]

    return go


WORKLOADS = [
    Workload("factor analysis, N=1e5 D=50 L=5", factor_analysis(100_000, 50, 5), 100.0),
    Workload(
        "the same, to the maximum",
        factor_analysis_fit(100_000, 50, 5),
        None,
        iterations=1,
        rounds=3,
    ),
    Workload("factor analysis, N=272 D=4 L=1", factor_analysis(272, 4, 1), None, 50, 7),
    Workload("Kalman, T=2e4, 4 states, 4 outputs", kalman(4, 4, 20_000), 10.0),
    Workload("Kalman, the same", kalman(4, 4, 20_000, slow=True), 300.0, iterations=1, rounds=1),
    Workload("Kalman, T=1e6, 2 states, 2 outputs", kalman(2, 2, 1_000_000), None, 1, 3),
    Workload("Kalman, 2000 of 50, 2 states, 2 outputs", kalman_many(2, 2, 2000, 50)),
    Workload(
        "Kalman, 1000 of 100, 4 states, 4 outputs, 1 cell in 10 missing",
        kalman_gaps(4, 4, 1000, 100, 0.1),
    ),
    Workload("filter of a local level, T=1e4", filtering(10_000), None, 1, 3),
    Workload(
        "random intercepts, N=1e5, 1e3 groups, whole fits", intercepts(100_000, 1000), None, 1
    ),
    Workload("random slopes, N=1e5, 1e3 groups, whole fits", slopes(100_000, 1000), None, 1, 3),
    Workload("crossed effects, N=1e5, 1000 x 300", crossed(100_000, (1000, 300))),
    Workload("Student's t, N=1e5", student_t(100_000)),
    Workload("Student's t, N=272", student_t(272), None, 50, 7),
    Workload("mixture of t, N=1e5 D=2 K=3", t_mixture(100_000, 2, 3)),
    Workload("ordered probit, N=1e5 P=5", ordered_probit(100_000, 5)),
    Workload("Gamma-Poisson, N=1e5", gamma_poisson(100_000)),
    Workload("Wishart precisions, N=1e5 D=5, 1e3 groups", wishart_groups(100_000, 1000, 5)),
    Workload("mixture of factor analysers, N=2e4 D=20 L=3 K=5", factor_analysers(20_000, 20, 3, 5)),
]
