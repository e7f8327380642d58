"""E-steps and M-steps of the gallery and of random models against models written out in full."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import emdsl
from emdsl.compiler import compile_source, import_text
from emdsl.diagnostics import CompileError
from emdsl.runtime.errors import DataError
from emdsl.source import Source
from emdsl.verify.checks import Case, check_e_step, check_fisher, check_m_step
from emdsl.verify.coordinates import jittered
from emdsl.verify.enumeration import log_likelihood
from tests.gallery.models import FITTED, compiled, data, module, sizes
from tests.inference.generate import draft, text

ROWS = 9

# Together over four minutes. `latent_rates` and `laplace_scale_mixture` have latent scales and
# rates too.
LONG = {
    "dirichlet_multinomial", "gamma_frailty", "inverse_gamma_normal", "multivariate_t",
    "pearson_crabs_binned", "robust_regression_scales", "student_t", "t_hmm", "t_mixture",
    "t_mixture_scales", "tobit",
}  # fmt: skip

# Columns that the oracle takes: for shares of six it is slow, and of matrices it has order 1.
FEWER = {"dirichlet_multinomial": 3, "pooled_covariances": 1}

# It integrates what is smooth: normals that data cut off are checked in `test_cut_latents.py`.
CUT = {"ordered_probit"}


def gallery(path: Path, seed: int = 1) -> Case:
    """A few rows of a gallery model's own data, near parameters that fit them all."""
    rng = np.random.default_rng(seed)
    program, arrays = module(path), data(path)
    if path.stem in FEWER:
        arrays["x"] = arrays["x"][:, : FEWER[path.stem]]
    meta = program.PROGRAM.meta
    arrays = {name: array[~gapped(program.PROGRAM, arrays)] for name, array in arrays.items()}
    hyper = {s.name for s in meta.sizes if s.role == "hyper"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = program.fit(
            arrays, **{k: v for k, v in sizes(path).items() if k in hyper},
            restarts=1, max_iter=2, progress=False,
        )  # fmt: skip
    pick = picked(program.PROGRAM, arrays, rng)
    few = {name: array[pick] for name, array in arrays.items()}
    for array in meta.arrays:
        if array.role == "data" and array.kind in ("real", "positive"):  # ties leave no variance
            few[array.name] = few[array.name] * rng.uniform(0.98, 1.02, few[array.name].shape)
    made = compiled(path)
    params = jittered(made.model, fitted.params, rng, 0.2)
    return Case(made, program, few, params)


def gapped(program: Any, arrays: dict[str, NDArray[np.float64]]) -> NDArray[np.bool_]:
    """Rows of vectors with some cells missing, which tests/runtime/test_gaps.py is about.

    EM integrates such cells out; the oracle sums over discrete gaps only, and leaves a vector with
    gaps out altogether.
    """
    rows = np.zeros(len(next(iter(arrays.values()))), dtype=bool)
    for name in {name for p in program.pieces for gaps in p.gaps for name in gaps.arrays}:
        rows |= np.isnan(arrays[name]).reshape(len(rows), -1).any(axis=1)
    return rows


def picked(
    program: Any, arrays: dict[str, NDArray[np.float64]], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Some rows: of a sequence or tree its first, of others any."""
    rows = len(next(iter(arrays.values())))
    ids = [arrays[p.over] for p in program.meta.plates if p.over in arrays]
    if ids:
        firsts = [np.flatnonzero(ids[0] == i)[:4] for i in np.unique(ids[0])[:3]]
        return np.concatenate(firsts)
    if any(getattr(s, "walks", True) for s in program.structures) or any(
        v.places for p in program.pieces for v in p.views
    ):
        return np.arange(min(rows, ROWS))
    return np.sort(rng.choice(rows, size=min(rows, ROWS), replace=False))


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(p, id=p.stem, marks=[pytest.mark.slow] * (p.stem in LONG))
        for p in FITTED
        if p.stem not in CUT
    ],
)
def test_gallery(path: Path) -> None:
    case = gallery(path)
    assert check_e_step(case) == []
    assert check_fisher(case) == []
    assert check_m_step(case, np.random.default_rng(2), moves=8) == []


def drawn(seed: int) -> Case | None:
    """A random model with random data and parameters; None where it has no closed M-step."""
    d = draft(seed)
    try:
        compiled = compile_source(Source(text(d), f"drawn{seed}.em"))
    except CompileError as error:
        if {x.code for x in error.diagnostics} <= {"no-closed-form", "unidentified-parameter"}:
            return None
        raise
    return Case(compiled, import_text(compiled.module, f"Drawn{seed}"), d.data, d.values)


def check_drawn(seed: int) -> None:
    case = drawn(seed)
    if case is None:
        pytest.skip("no closed form")
    if log_likelihood(case.elements()) == -np.inf:
        assert case.module.log_likelihood(case.data, case.params) == -np.inf
        with pytest.raises(DataError, match="probability zero"):
            case.module.e_step(case.data, case.params)
        return
    assert check_e_step(case) == []
    assert check_fisher(case) == []
    assert check_m_step(case, np.random.default_rng(seed), moves=8) == []


@pytest.mark.parametrize("seed", range(10))
def test_random_models(seed: int) -> None:
    check_drawn(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 80))
def test_more_random_models(seed: int) -> None:
    check_drawn(seed)


# --- chosen models: what the random ones are made of, one at a time ------------------------------

CHOSEN = {
    "a chain of three latents": """
        param p : simplex[2]
        param q[2], r[2] : simplex[3]
        param a[3, 3] : real
        for n in N:
            latent u[n] ~ Categorical(p)
            latent v[n] ~ Categorical(q[u[n]])
            latent w[n] ~ Categorical(r[u[n]])
            data x[n] ~ Normal(a[v[n], w[n]], 1)
        """,
    "a mean of two latents' effects": """
        param p : unit
        param a[2], b[2] : real
        param s : positive
        for n in N:
            latent u[n] ~ Bernoulli(p)
            latent v[n] ~ Bernoulli(p)
            data x[n] ~ Normal(a[u[n]] + 2 * b[v[n]], s)
        """,
    "one parameter in two nodes": """
        param p : unit
        param m[2] : positive
        for n in N:
            latent z[n] ~ Bernoulli(p)
            data y[n] : count ~ Poisson(m[z[n]])
            data t[n] ~ Exponential(m[z[n]])
            data v[n] ~ Normal(0, precision = m[z[n]])
        """,
    "a scale that is a precision here and a variance there": """
        param p : unit
        param a, b : real
        param s : positive
        for n in N:
            latent z[n] ~ Bernoulli(p)
            data x[n] : real ~ Normal(a, precision = s) if z[n] == 1 else Normal(b, var = s)
        """,
    "a scale that is a precision for some values and a variance for others": """
        param p : simplex[3]
        param s[3] : positive
        for n in N:
            latent z[n] ~ Categorical(p)
            data x[n] : real ~ Normal(0, 1 / s[z[n]]) if z[n] == 1 else Normal(1, s[z[n]])
        """,
    "matrices by one latent, means by another": """
        param p, q : simplex[2]
        param m[2] : real[2]
        param S[2] : posdef[2]
        for n in N:
            latent u[n] ~ Categorical(p)
            latent v[n] ~ Categorical(q)
            data x[n] : real[2] ~ MvNormal(m[u[n]], S[v[n]])
        """,
    "a precision matrix": """
        param p : simplex[2]
        param m[2] : real[2]
        param P : posdef[2]
        for n in N:
            latent u[n] ~ Categorical(p)
            data x[n] : real[2] ~ MvNormal(m[u[n]], precision = P)
        """,
    "two plates that share parameters": """
        param p : simplex[2]
        param m[2] : real
        param s : positive
        for n in N:
            latent u[n] ~ Categorical(p)
            data x[n] ~ Normal(m[u[n]], s)
        for k in K times w[k]:
            latent v[k] ~ Categorical(p)
            data y[k] ~ Normal(m[v[k]], s)
        """,
    "a plate of items in a weighted plate": """
        param p : simplex[2]
        param m[J, 2] : real
        param s[J] : positive
        for n in N times w[n]:
            latent u[n] ~ Categorical(p)
            for j in J:
                data x[n, j] ~ Normal(m[j, u[n]], var = s[j])
        """,
    "weights on an inner plate": """
        param p : simplex[2]
        param m[2] : positive
        for n in N:
            latent u[n] ~ Categorical(p)
            for j in J times f[n, j]:
                data x[n, j] : count ~ Poisson(m[u[n]])
        """,
    "groups by an index": """
        param a[G] : real
        param b[G] : positive
        param p[G] : simplex[2]
        for n in N:
            input g[n] : index[G]
            latent u[n] ~ Categorical(p[g[n]])
            data x[n] ~ Normal(a[g[n]] if u[n] == 1 else 0, b[g[n]])
        """,
    "counts of an exposure": """
        param p : unit
        param r[2] : positive
        for n in N:
            input t[n] : positive
            latent z[n] ~ Bernoulli(p)
            data y[n] : count ~ Poisson(r[z[n]] * t[n])
        """,
    "a covariance in a diagonal": """
        param p : simplex[2]
        param m[2] : real[2]
        param v[2] : positive[2]
        for n in N:
            latent u[n] ~ Categorical(p)
            data x[n] : real[2] ~ MvNormal(m[u[n]], diag(v[u[n]]))
        """,
    "a regression on a matrix": """
        param p : simplex[2]
        param A[2] : real[2, 3]
        param S : posdef[2]
        for n in N:
            input u[n] : real[3]
            latent z[n] ~ Categorical(p)
            data x[n] : real[2] ~ MvNormal(A[z[n]] @ u[n], S)
        """,
    "a table with two places for one latent": """
        const t = [[[0, 1], [1, 0]], [[1, 1], [0, 0]]]
        param p : simplex[2]
        param m[2, 2] : real
        for n in N:
            latent z[n] ~ Categorical(p)
            latent w[n] ~ Categorical(p)
            data y[n] : category[2] ~ Delta(t[1, w[n], w[n]])
            data x[n] ~ Normal(m[z[n], w[n]] + t[0, z[n], w[n]], 1)
        """,
    "three ways to choose": """
        param p : simplex[3]
        param m : real[3]
        param s : positive
        for n in N:
            latent z[n] ~ Categorical(p)
            data x[n] : real ~ case z[n]:
                0: Normal(m[0], s)
                1: Normal(m[1], 2 * s)
                2: Uniform(-9, 9)
        """,
    "a const added to a mean": """
        const t = [0, 3]
        param p : simplex[2]
        param m[2] : real
        for n in N:
            latent z[n] ~ Categorical(p)
            data x[n] ~ Normal(m[z[n]] + t[z[n]], 1)
        """,
    "a const that scales a rate": """
        const t = [1, 3]
        param p : simplex[2]
        param m : positive
        for n in N:
            latent z[n] ~ Categorical(p)
            data y[n] : count ~ Poisson(m * t[z[n]])
        """,
    "a const for a standard deviation": """
        const t = [1, 3]
        param p : simplex[2]
        for n in N:
            latent z[n] ~ Categorical(p)
            data x[n] ~ Normal(0, t[z[n]])
        """,
    "a table of means": """
        const p = [0.3, 0.7]
        const m = [[-1, 0], [2, 1]]
        param s : positive
        for n in N:
            latent z[n] ~ Categorical(p)
            data x[n] : real[2] ~ Normal(m[z[n]], s)
        """,
    "an inverse Wishart of fixed sizes": """
        param c : posdef[2] ~ InverseWishart(4, eye[2])
        for n in N:
            data x[n] : real[2] ~ MvNormal(zeros[2], c)
        """,
    "a Wishart of fixed sizes": """
        param c : posdef[2] ~ Wishart(4, eye[2])
        for n in N:
            data x[n] : real[2] ~ MvNormal(zeros[2], precision = c)
        """,
    "an if whose test the branch has settled": """
        param p : unit
        param a, b, c : real
        param s : positive
        for n in N:
            latent z[n] ~ Bernoulli(p)
            data x[n] : real ~ Normal(a if z[n] == 1 else b, s) if z[n] == 1 else Normal(c, 1)
            data y[n] ~ Normal(b, 1)
        """,
    "a uniform prior": """
        param g : unit ~ Uniform(0, 1)
        for n in N:
            data b[n] : bool ~ Bernoulli(g)
        """,
    "a location in two shapes": """
        param p : unit
        param a, b : real
        param s : positive
        for n in N:
            latent z[n] ~ Bernoulli(p)
            data x[n] : real ~ Normal(a if z[n] == 1 else b + 1, s)
            data y[n] : real ~ Normal(a, 1)
        """,
    "a covariance and a scale of it": """
        param p : simplex[2]
        param c : posdef[2]
        param v[2] : positive
        for n in N:
            latent z[n] ~ Categorical(p)
            data x[n] : real[2] ~ MvNormal(zeros[2], v[z[n]] * c)
        """,
    "names that generated code likes": """
        param m_x : real[3] ~ Normal(0.5, 2)
        param s_x : positive
        for n in N:
            data x[n] : real[3] ~ Normal(m_x, s_x)
        """,
    "a prior with a parameter of its own": """
        param m : real ~ Normal(0, 1)
        param q : real ~ Normal(m, 1)
        for n in N:
            data x[n] ~ Normal(q, 1)
        """,
    "simplexes that share a table": """
        param p : simplex[2] ~ Dirichlet(2 * ones[2])
        param q[2] : simplex[2] ~ Dirichlet([1.5, 2])
        for n in N:
            latent z[n] ~ Categorical(p)
            latent y[n] ~ Categorical(q[z[n]])
            data x[n] : category[2] ~ Categorical(q[y[n]])
        """,
    "scales of many families": """
        param s, t, w, l, r, k : positive
        param a : real
        for n in N:
            data x[n] : positive ~ Weibull(2, s)
            data y[n] : positive ~ Gamma(3, scale = t)
            data u[n] : positive ~ InverseGamma(3, w)
            data v[n] ~ Laplace(0, l)
            data h[n] : positive ~ HalfNormal(r)
            data c[n] ~ VonMises(a, 2)
            data e[n] : positive ~ LogNormal(0.5, k)
        """,
    "priors of many families": """
        param r : positive ~ Exponential(2)
        param v : positive ~ InverseGamma(3, 2)
        param l : positive ~ Gamma(2, scale = 3)
        for n in N:
            data x[n] ~ Normal(0, var = v)
            data y[n] ~ Exponential(r)
            data c[n] : count ~ Poisson(l)
        """,
    "an if in a probability": """
        param t : unit
        for n in N:
            input c[n] : bool
            latent z[n] ~ Bernoulli(t if c[n] else 1 - t)
            data y[n] ~ Normal(2 * z[n] - 1, 1)
        """,
}


def chosen(name: str, seed: int = 0) -> Case:
    lines = CHOSEN[name].splitlines()
    body = "\n".join(line[8:] for line in lines)
    compiled = compile_source(Source(f"model Chosen\n{body}\n", "chosen.em"))
    program = import_text(compiled.module, "Chosen")
    rng = np.random.default_rng(seed)
    meta = program.PROGRAM.meta
    rows = {s.name: {"J": 3, "G": 2, "K": 5}.get(s.name, 10) for s in meta.sizes}
    arrays: dict[str, Any] = {}
    for a in meta.arrays:
        if a.role == "const":
            continue
        shape = [rows[d] if isinstance(d, str) else d for d in a.dims]
        match a.kind:
            case "bool" | "index":
                x = rng.integers(0, 2, shape)
            case "category":
                assert isinstance(a.values, int)
                x = rng.integers(0, a.values, shape)
            case "count":
                x = rng.poisson(2, shape)
            case "positive":
                x = rng.exponential(size=shape)
            case _:
                x = np.abs(rng.normal(size=shape)) if a.role == "weight" else rng.normal(size=shape)
        arrays[a.name] = np.asarray(x, dtype=float)
    if "g" in arrays:
        arrays["g"] = np.arange(rows["N"]) % 2.0
    rng = np.random.default_rng(seed + 1)
    params = jittered(compiled.model, _middle(meta, rows), rng, 0.7)
    return Case(compiled, program, arrays, params)


def _middle(meta: Any, rows: dict[str, int]) -> dict[str, Any]:
    from emdsl.runtime.params import neutral_params

    return neutral_params(meta, rows)


@pytest.mark.parametrize("name", CHOSEN)
def test_chosen(name: str) -> None:
    case = chosen(name)
    assert check_e_step(case) == []
    assert check_fisher(case) == []
    assert check_m_step(case, np.random.default_rng(2), moves=8) == []


def test_impossible_data() -> None:
    """Every configuration is ruled out: minus infinity, and an error that names the row."""
    program = emdsl.load(Source(
        "model Ruled\nparam p : simplex[2]\nconst t = [0, 1]\nfor n in N:\n"
        "    latent z[n] ~ Categorical(p)\n    data y[n] : category[3] ~ Delta(t[z[n]])\n", "r.em"
    ))  # fmt: skip
    params = {"p": np.array([0.5, 0.5])}
    assert program.log_likelihood({"y": [0, 1, 2]}, params) == -np.inf
    with pytest.raises(DataError, match=r"row 2 of N \(y = 2\) has probability zero"):
        program.e_step({"y": [0, 1, 2]}, params)


def test_impossible_data_of_weight_zero_weigh_nothing() -> None:
    program = emdsl.load(Source(
        "model Ruled\nparam p : simplex[2]\nconst t = [0, 1]\nfor n in N times w[n]:\n"
        "    latent z[n] ~ Categorical(p)\n    data y[n] : category[3] ~ Delta(t[z[n]])\n", "r.em"
    ))  # fmt: skip
    params = {"p": np.array([0.5, 0.5])}
    rows = {"y": [0, 1, 2], "w": [1.0, 1.0, 0.0]}
    assert program.log_likelihood(rows, params) == pytest.approx(2 * np.log(0.5))
    assert program.e_step(rows, params).log_likelihood == pytest.approx(2 * np.log(0.5))
