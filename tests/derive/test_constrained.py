"""The M-step of what constraints leave is where Q is highest: differences along their surface."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emdsl.compiler import compile_source, import_text
from emdsl.diagnostics import CompileError
from emdsl.runtime.params import neutral_params
from emdsl.runtime.restrict import resolve
from emdsl.source import Source
from emdsl.verify.checks import Case, check_e_step, check_fisher, check_m_step
from emdsl.verify.coordinates import jittered

N = 9
RNG = np.random.default_rng(17)
X = np.round(RNG.normal(3.0, 2.0, N), 3)
XY = np.round(RNG.normal(0.0, 2.0, (N, 2)), 3)
U = np.round(RNG.normal(0.0, 1.0, (N, 3)), 3)
COUNTS = RNG.poisson(3.0, N)
GROUP = np.arange(N) % 3

NORMALS = """\
model M(K = 3)
param weight  : simplex[K]
param mean[K] : real
param sd[K]   : positive
for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Normal(mean[z[n]], sd[z[n]])
"""
PRIORS = NORMALS.replace("simplex[K]", "simplex[K] ~ Dirichlet(2 * ones[K])").replace(
    "mean[K] : real", "mean[K] : real ~ Normal(1, 2)"
)
PLANE = """\
model M(K = 3)
param weight  : simplex[K]
param mean[K] : real[2]
param cov[K]  : posdef[2]
for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : real[2] ~ MvNormal(mean[z[n]], cov[z[n]])
"""
PRECISION = PLANE.replace(
    "cov[K]  : posdef[2]", "prec[K] : posdef[2] ~ Wishart(5, eye[2])"
).replace("cov[z[n]]", "precision = prec[z[n]]")
PRIOR_OF_IT = PLANE.replace("posdef[2]", "posdef[2] ~ Wishart(5, eye[2])")
PRIOR_OF_INVERSE = PLANE.replace("posdef[2]", "posdef[2] ~ InverseWishart(5, eye[2])")
LINES = """\
model M(K = 2)
param weight  : simplex[K]
param a[K]    : real
param b[K]    : real[3]
param sd[K]   : positive
for n in N:
    input  u[n] : real[3]
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Normal(a[z[n]] + dot(b[z[n]], u[n]), sd[z[n]])
"""
RATES = """\
model M(K = 3)
param weight  : simplex[K]
param rate[K] : positive
param p[K]    : unit
param tone[K] : simplex[3]
param tilt    : simplex[3]
for n in N:
    latent z[n] ~ Categorical(weight)
    data   c[n] : count ~ Poisson(rate[z[n]])
    data   b[n] : bool ~ Bernoulli(p[z[n]])
    data   t[n] ~ Categorical(tone[z[n]])
    data   s[n] ~ Categorical(tilt)
"""
EFFECTS = """\
model M
param mu     : real
param a[G]   : real
param b[H]   : real
param sd     : positive
for n in N:
    input g[n] : index[G]
    input h[n] : index[H]
    data  x[n] ~ Normal(mu + a[g[n]] + b[h[n]], sd)
"""
SPREADS = """\
model M
param m[2] : real
param s, r : positive
param v    : positive
for n in N:
    data x[n] ~ Normal(m[0], s)
    data y[n] ~ Normal(m[1], r)
    data w[n] ~ Normal(1, var = v)
"""

PART = """\
model M
param w  : simplex[3]
param sd : positive
for n in N:
    input u[n] : real[3]
    data  x[n] ~ Normal(dot(w, u[n]), sd)
"""

CASES = [
    (NORMALS, {"x": X}, ["mean[0] == mean[2]", "sd[1] == sd[2]"]),
    (NORMALS, {"x": X}, ["mean[0] == 2", "weight[1] == 0.25", "sd[0] == 1.5"]),
    (NORMALS, {"x": X}, ["mean[0] + 2 * mean[1] - mean[2] == 1", "mean[2] <= 2"]),
    (NORMALS, {"x": X}, ["sd >= 1.5", "sd[0] <= 1.75", "mean >= 2.5", "mean <= 3"]),
    (NORMALS, {"x": X}, ["sum(mean) == 6", "sd[0] == sd[1]", "sd[1] == sd[2]"]),
    (PRIORS, {"x": X}, ["mean[0] == mean[2]", "weight[0] == weight[1]"]),
    (PRIORS, {"x": X}, ["sum(mean) == 7", "weight[2] == 0.5"]),
    (PLANE, {"x": XY}, ["mean[0, 1] == 0", "mean[1][0] == mean[2][0]"]),
    (PLANE, {"x": XY}, ["mean[0] == mean[1]", "cov[0] == cov[2]"]),
    (PLANE, {"x": XY}, ["mean[0] + mean[1] == 0", "mean[2] >= 0"]),
    (PLANE, {"x": XY},
     ["cov[0][0, 1] == 0", "cov[1][0, 0] == 1.5", "cov[2][0, 0] == cov[2][1, 1]"]),
    (PLANE, {"x": XY}, ["cov[0][1, 0] == cov[1][0, 1]", "cov[0, 0, 0] == 2", "mean[0, 1] == 0"]),
    (PLANE, {"x": XY}, ["cov[0] == cov[1]", "cov[0][0, 1] == 0.25"]),
    (PRECISION, {"x": XY}, ["prec[0][0, 1] == 0", "prec[1][0, 0] == prec[2][0, 0]"]),
    (PRIOR_OF_IT, {"x": XY}, ["cov[0][0, 1] == 0", "cov[1][0, 0] == cov[2][0, 0]"]),
    (PRIOR_OF_INVERSE, {"x": XY}, ["cov[0][0, 1] == 0.5", "cov[1][0, 0] == cov[2][0, 0]"]),
    (LINES, {"x": X, "u": U}, ["b[0] == b[1]", "a[0] - a[1] == 2"]),
    (LINES, {"x": X, "u": U}, ["b[0, 1] == 0", "b[1][2] == 1", "sd[0] == sd[1]"]),
    (LINES, {"x": X, "u": U}, ["sum(b[0]) == 1", "b[1] >= 0", "b[0] <= 1", "a[0] + b[1, 0] == 1"]),
    (RATES, {"c": COUNTS, "b": COUNTS % 2, "t": GROUP, "s": (GROUP * 2) % 3},
     ["rate[0] == rate[1]", "rate <= 3", "p[1] == p[2]", "p >= 0.25", "tone[0] == tone[2]",
      "tone[1][0] == tone[1][2]", "weight[0] == weight[2]", "tilt[0] == 0.5"]),
    (RATES, {"c": COUNTS, "b": COUNTS % 2, "t": GROUP, "s": (GROUP * 2) % 3},
     ["tone[0][1] == 0.125", "tone[0] == tone[1]", "p[0] == 0.5", "tilt[1] == tilt[2]"]),
    (RATES, {"c": COUNTS, "b": COUNTS % 2, "t": GROUP, "s": (GROUP * 2) % 3},
     ["weight >= 0.2", "weight[0] >= 0.45", "tone <= 0.4", "tone[1, 2] == 0.25", "tilt[1] <= 0.2",
      "tone[0][0] == tone[0][1]", "tilt[0] >= 0.5"]),
    (PRIORS, {"x": X}, ["weight[0] >= 0.4", "weight[2] >= 0.35"]),
    (PART, {"x": X, "u": np.abs(U)}, ["w >= 0.2", "w[1] <= 0.25"]),
    (PART, {"x": X, "u": np.abs(U)}, ["w[0] <= 0.1", "w[2] == 0.3"]),
    (EFFECTS, {"x": X, "g": GROUP, "h": np.arange(N) // 3},
     ["sum(a) == 0", "sum(b) == 0"]),
    (EFFECTS, {"x": X, "g": GROUP, "h": np.arange(N) // 3},
     ["a[0] == 0", "b[0] == 0", "a[1] == b[1]", "b[2] >= 0"]),
    (SPREADS, {"x": X, "y": X * 1.5 + 1, "w": X}, ["s == r", "m[0] == m[1]", "v <= 2"]),
    (SPREADS, {"x": X, "y": X * 1.5 + 1, "w": X}, ["s == r", "r == v", "m[0] == 2 * m[1]"]),
]  # fmt: skip


def case(text: str, constraints: list[str], data: dict[str, Any]) -> Case:
    source = Source(text + "".join(f"constrain {c}\n" for c in constraints), "m.em")
    compiled = compile_source(source)
    module = import_text(compiled.module, compiled.model.name)
    meta = module.PROGRAM.meta
    sizes = {s.name: {"N": N, "G": 3, "H": 3}.get(s.name, s.default or 2) for s in meta.sizes}
    rules = resolve(meta, sizes)
    start = neutral_params(meta, sizes)
    start = start if rules is None else rules.impose(start)
    assert rules is None or rules.broken(start) == []
    params = jittered(compiled.model, start, np.random.default_rng(1), 0.5)
    return Case(compiled, module, {n: np.asarray(v) for n, v in data.items()}, params)


@pytest.mark.parametrize(
    ("text", "data", "constraints"), CASES, ids=lambda x: str(x) if isinstance(x, list) else ""
)
def test_the_update_is_where_q_is_highest(
    text: str, data: dict[str, Any], constraints: list[str]
) -> None:
    found = case(text, constraints, data)
    assert check_e_step(found) == []
    assert check_fisher(found) == []
    assert check_m_step(found, np.random.default_rng(2), moves=12) == []


def test_the_check_sees_an_update_that_ignores_constraints() -> None:
    """The unconstrained update breaks them; clipped or averaged, it isn't the maximum."""
    found = case(NORMALS, ["mean[0] == mean[2]", "sd[0] == sd[1]"], {"x": X})
    free = case(NORMALS, [], {"x": X}).module

    class Wrong:
        PROGRAM = found.module.PROGRAM
        e_step = staticmethod(found.module.e_step)
        averaged = False

        def m_step(self, statistics: Any, params: Any) -> Any:
            new = free.m_step(statistics, params)
            if self.averaged:
                new["mean"][[0, 2]] = new["mean"][[0, 2]].mean()
                new["sd"][[0, 1]] = new["sd"][[0, 1]].mean()
            return new

    wrong = Wrong()
    broken = Case(found.compiled, wrong, found.data, found.params)
    assert any("an equation is off" in text for text in check_m_step(broken, RNG))
    wrong.averaged = True
    assert any("after the update" in text for text in check_m_step(broken, RNG))


@pytest.mark.parametrize(
    ("share", "said"), [([0.1, 0.45, 0.45], "nearby"), ([0.3, 0.6, 0.1], "after the update")]
)
def test_the_check_sees_shares_that_are_not_highest(share: list[float], said: str) -> None:
    """At a bound that Q rises away from, where the others are level; and anywhere inside."""
    found = case(NORMALS, ["weight[0] >= 0.1", "weight[1] == weight[2]"][: 2 - (said != "nearby")],
                 {"x": X})  # fmt: skip

    class Wrong:
        PROGRAM = found.module.PROGRAM
        e_step = staticmethod(found.module.e_step)

        def m_step(self, statistics: Any, params: Any) -> Any:
            return {**found.module.m_step(statistics, params), "weight": np.array(share)}

    wrong = check_m_step(Case(found.compiled, Wrong(), found.data, found.params), RNG)
    assert any(said in text for text in wrong)


def test_what_no_rule_solves_is_said() -> None:
    """Tied shares have no coordinates of their own, where no closed form solves them."""
    text = (
        "model M\nparam w : simplex[3]\nfor n in N:\n    input u[n] : real[3]\n"
        "    data y[n] ~ Normal(dot(w, u[n]), 1)\nconstrain w[0] == w[1]\n"
    )
    with pytest.raises(CompileError) as caught:
        compile_source(Source(text, "m.em"))
    (problem,) = caught.value.diagnostics
    assert problem.code == "no-closed-form"
    assert problem.message == "no update of `w` (simplex[3]) under `w[0] == w[1]`"
    assert (problem.span.line, problem.span.column) == (2, 7)
