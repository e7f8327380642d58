"""Updates come from the density: of densities no library has, and of gallery ones written anew."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import emdsl.derive
from emdsl.compiler import Compiled, compile_source, import_text
from emdsl.diagnostics import CompileError
from emdsl.families import FAMILIES
from emdsl.runtime.params import neutral_params
from emdsl.source import Source
from emdsl.verify.checks import Case, check_e_step, check_fisher, check_m_step
from emdsl.verify.coordinates import jittered
from tests.gallery.models import FILES

N = 9
RNG = np.random.default_rng(7)
DATA: dict[str, NDArray[Any]] = {
    "positive": RNG.exponential(size=N),
    "unit": RNG.uniform(0.1, 0.9, N),
    "real": RNG.normal(size=N),
    "count": RNG.poisson(2.0, N).astype(float),
    "bool": np.arange(N) % 3 // 2.0,
}
X = DATA["positive"]


def compiled(text: str) -> Compiled:
    return compile_source(Source(text, "m.em"))


def case(text: str, data: dict[str, Any]) -> Case:
    c = compiled(text)
    program = import_text(c.module, c.model.name)
    meta = program.PROGRAM.meta
    sizes = {s.name: {"N": N}.get(s.name, s.default or 2) for s in meta.sizes}
    params = jittered(c.model, neutral_params(meta, sizes), np.random.default_rng(1), 0.5)
    return Case(c, program, data, params)


def updated(text: str, data: dict[str, Any]) -> dict[str, Any]:
    """One M-step, checked to be the maximum of Q, which came from the right E-step."""
    found = case(text, data)
    assert check_e_step(found) == []
    assert check_fisher(found) == []
    assert check_m_step(found, np.random.default_rng(2)) == []
    result: dict[str, Any] = found.module.m_step(
        found.module.e_step(found.data, found.params), found.params
    )
    return result


def density(body: str, kind: str = "positive", x: str = "positive") -> str:
    """A model of one likelihood, which need not integrate to one for its update to be derived."""
    return (
        f"likelihood Home(x : {x}; t : {kind}) = {body}\nmodel M\nparam t : {kind}\n"
        f"for n in N:\n    data x[n] : {x} ~ Home(t)\n"
    )


# --- densities that no library has --------------------------------------------------------------


@pytest.mark.parametrize("p", [-3, -2, -1, 1, 2, 3])
@pytest.mark.parametrize("a", [1, 2.5])
def test_a_log_and_a_power(p: int, a: float) -> None:
    """a log t - x t^p for p > 0, and its mirror image: t^p = a / (|p| mean x)."""
    sign = 1 if p > 0 else -1
    new = updated(density(f"t^({sign} * {a}) * exp(-x * t^({p}))"), {"x": X})
    assert new["t"] == pytest.approx((a / (abs(p) * X.mean())) ** (1 / p), rel=1e-12)


m = X.mean()
SHAPES = {
    "two negative powers": (density("exp(x / t - 1 / t^2)"), 2 / m),
    "two logs": (
        density("t^(2 * x) * (1 - t)^(3 * (1 - x))", "unit", "unit"),
        2 * DATA["unit"].mean() / (2 * DATA["unit"].mean() + 3 * (1 - DATA["unit"].mean())),
    ),
    "a log, a first and a second power": (
        density("t * exp(-x * t - t^2 / 2)"),
        (-m + np.sqrt(m**2 + 4)) / 2,
    ),
    "a log, a reciprocal and its square": (
        density("exp(-x / t - 1 / t^2) / t"),
        (m + np.sqrt(m**2 + 8)) / 2,
    ),
    "a log, a power and its reciprocal": (
        density("t^2 * exp(-x * t - 1 / (x * t))"),
        (1 + np.sqrt(1 + m * (1 / X).mean())) / m,
    ),
    "two logs on the half line": (density("t^x / (1 + t)^(x + 1)"), m),
    "a root and a line": (density("exp(x * sqrt(t) - t)"), (m / 2) ** 2),
    "an exponential": (density("exp(x * t - exp(t))", "real"), np.log(m)),
    "a quadratic of two terms": (
        density("exp(-(x - t)^2 - (x + 2 * t)^2)", "real", "real"),
        -DATA["real"].mean() / 5,
    ),
    "a wave": (
        density("exp(cos(x - t))", "real", "real"),
        np.arctan2(np.sin(DATA["real"]).sum(), np.cos(DATA["real"]).sum()),
    ),
    "a log-odds": (
        density("exp(x * t - log(1 + exp(t)))", "real", "unit"),
        np.log(DATA["unit"].mean() / (1 - DATA["unit"].mean())),
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_density_of_no_library(shape: str) -> None:
    text, expected = SHAPES[shape]
    x = next(k for k in ("positive", "unit", "real") if f"x : {k};" in text)
    new = updated(text, {"x": DATA[x]})
    assert new["t"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    "body", ["t * exp(-x * t^2 - t^4 / 4)", "t * exp(-x * sqrt(t) - t)"], ids=["t^2", "sqrt t"]
)
def test_a_quadratic_in_a_power(body: str) -> None:
    updated(density(body), {"x": X})


def test_a_likelihood_that_only_grows_is_refused() -> None:
    with pytest.raises(CompileError) as caught:
        compiled(density("t * exp(x)"))
    (problem,) = caught.value.diagnostics
    assert problem.code == "no-maximum"
    assert problem.message == (
        "the likelihood only grows with it: `t` (positive) would end at infinity, whatever the data"
    )


@pytest.mark.parametrize(
    ("body", "end"),
    [
        ("t * exp(x) * lgamma(t + 3)^0", "infinity"),
        ("exp(x - t)", "0"),
        ("exp(-x / t)", "infinity"),
    ],
)
def test_what_only_grows_or_falls_is_refused(body: str, end: str) -> None:
    with pytest.raises(CompileError) as caught:
        compiled(density(body))
    (problem,) = caught.value.diagnostics
    assert problem.code == "no-maximum"
    assert f"would end at {end}" in problem.message


@pytest.mark.parametrize("body", ["t * exp(-x * t)", "exp(-x / t) / t", "t^2 * exp(-t * x^t)"])
def test_what_has_a_maximum_is_not(body: str) -> None:
    assert compiled(density(body)).module


def test_a_mixture_of_a_density_of_no_library() -> None:
    """The same rule under a latent, with a parameter for each of its values."""
    text = (
        "likelihood Home(x : positive; t : positive) = t^2 * exp(-x * t^3)\n"
        "model M(K = 2)\nparam w : simplex[K]\nparam t[K] : positive\n"
        "for n in N:\n    latent z[n] ~ Categorical(w)\n    data x[n] ~ Home(t[z[n]])\n"
    )
    found = case(text, {"x": X})
    r = found.module.posterior(found.data, found.params)["z"]
    new = updated(text, {"x": X})
    np.testing.assert_allclose(new["t"] ** 3, 2 * r.sum(0) / (3 * (r * X[:, None]).sum(0)))


# --- one density, several parametrisations --------------------------------------------------------

FORMS: dict[str, tuple[str, dict[str, tuple[str, str, Any]]]] = {
    # kind of data: {how it is written: (parameter's kind, arguments, the first one's from it)}
    "Normal": ("real", {
        "var": ("positive", "m, var = t", lambda t: t),
        "sd": ("positive", "m, t", lambda t: t**2),
        "precision": ("positive", "m, precision = t", lambda t: 1 / t),
        "root": ("positive", "m, sqrt(t)", lambda t: t),
        "inverse root": ("positive", "m, 1 / t", lambda t: t**-2),
        "log": ("real", "m, exp(t)", lambda t: np.exp(2 * t)),
        "quarter": ("positive", "m, var = t / 4", lambda t: t / 4),
    }),
    "Gamma": ("positive", {
        "rate": ("positive", "3, t", lambda t: t),
        "scale": ("positive", "3, scale = t", lambda t: 1 / t),
        "square": ("positive", "3, t^2", lambda t: t**2),
    }),
    "Exponential": ("positive", {
        "rate": ("positive", "t", lambda t: t),
        "mean": ("positive", "1 / t", lambda t: 1 / t),
        "log": ("real", "exp(t)", np.exp),
    }),
    "Poisson": ("count", {
        "rate": ("positive", "t", lambda t: t),
        "log": ("real", "log = t", np.exp),
        "exp": ("real", "exp(t)", np.exp),
        "half": ("positive", "t / 2", lambda t: t / 2),
    }),
    "Bernoulli": ("bool", {
        "p": ("unit", "t", lambda t: t),
        "logit": ("real", "logit = t", lambda t: 1 / (1 + np.exp(-t))),
        "complement": ("unit", "1 - t", lambda t: 1 - t),
        "odds": ("positive", "t / (1 + t)", lambda t: t / (1 + t)),
    }),
}  # fmt: skip


@pytest.mark.parametrize(
    ("family", "form"), [(f, name) for f, (_, forms) in FORMS.items() for name in forms]
)
def test_another_parametrisation_is_the_same_maximum(family: str, form: str) -> None:
    data, forms = FORMS[family]
    values = {"x": DATA[data]}

    def model(kind: str, arguments: str) -> str:
        mean = "param m : real\n" if family == "Normal" else ""
        return (
            f"model M\n{mean}param t : {kind}\n"
            f"for n in N:\n    data x[n] : {data} ~ {family}({arguments})\n"
        )

    kind, arguments, first = forms[form]
    plain_kind, plain, _ = next(iter(forms.values()))
    expected = updated(model(plain_kind, plain), values)
    new = updated(model(kind, arguments), values)
    np.testing.assert_allclose(first(new["t"]), expected["t"], rtol=1e-9)
    here, there = case(model(kind, arguments), values), case(model(plain_kind, plain), values)
    assert here.module.log_likelihood(values, new) == pytest.approx(
        there.module.log_likelihood(values, expected), rel=1e-12
    )


# --- parameters that are used twice ---------------------------------------------------------------


def test_quarters_of_a_parameter() -> None:
    """Counts of t/4, (1-t)/4 and halves, as in linkage: the constants drop out."""
    text = (
        "model M\nparam t : unit\nfor n in N:\n"
        "    data y[n] : category[4] ~ Categorical([1/2, t/4, (1-t)/4, 1/4])\n"
    )
    y = np.array([0, 1, 1, 2, 3, 0, 1, 2, 1])
    assert updated(text, {"y": y})["t"] == pytest.approx(4 / 6)


def test_powers_of_a_parameter() -> None:
    """Hardy and Weinberg: t^2, 2 t (1-t), (1-t)^2 count alleles."""
    text = (
        "model M\nparam t : unit\nfor n in N:\n"
        "    data y[n] : category[3] ~ Categorical([t^2, 2 * t * (1 - t), (1 - t)^2])\n"
    )
    y = np.array([0, 0, 1, 1, 1, 2, 2, 2, 2])
    assert updated(text, {"y": y})["t"] == pytest.approx(7 / 18)


def test_a_parameter_of_two_nodes() -> None:
    text = (
        "model M\nparam t : positive\nfor n in N:\n"
        "    data x[n] ~ Exponential(t)\n    data y[n] : count ~ Poisson(2 * t)\n"
    )
    y = DATA["count"]
    new = updated(text, {"x": X, "y": y})
    assert new["t"] == pytest.approx((N + y.sum()) / (X.sum() + 2 * N))


def test_a_mean_that_is_a_variance_too() -> None:
    """Normal(t, var = t): t^2 + t = mean of squares, the positive root."""
    text = "model M\nparam t : positive\nfor n in N:\n    data x[n] ~ Normal(t, var = t)\n"
    s = (X**2).mean()
    assert updated(text, {"x": X})["t"] == pytest.approx((-1 + np.sqrt(1 + 4 * s)) / 2)


PRIORS = {
    "a Dirichlet's counts": (
        "param t : simplex[2] ~ Dirichlet([3, 2])", "bool", "category[2] ~ Categorical(t)",
        lambda x: np.array([N - x.sum() + 2, x.sum() + 1]) / (N + 3),
    ),
    "a Beta's counts": (
        "param t : unit ~ Beta(3, 2)", "bool", "bool ~ Bernoulli(t)",
        lambda x: (x.sum() + 2) / (N + 3),
    ),
    "a Gamma's events": (
        "param t : positive ~ Gamma(3, 2)", "count", "count ~ Poisson(t)",
        lambda x: (x.sum() + 2) / (N + 2),
    ),
    "a normal's shrinkage": (
        "param t : real ~ Normal(1, var = 4)", "real", "real ~ Normal(t, 2)",
        lambda x: (x.sum() / 4 + 1 / 4) / (N / 4 + 1 / 4),
    ),
    "an inverse gamma's squares": (
        "param t : positive ~ InverseGamma(3, 2)", "real", "real ~ Normal(0, var = t)",
        lambda x: (2 * 2 + (x**2).sum()) / (2 * 3 + 2 + N),
    ),
}  # fmt: skip


@pytest.mark.parametrize("prior", PRIORS)
def test_a_prior_adds_itself(prior: str) -> None:
    declared, kind, drawn, expected = PRIORS[prior]
    text = f"model M\n{declared}\nfor n in N:\n    data x[n] : {drawn}\n"
    x = DATA[kind]
    np.testing.assert_allclose(updated(text, {"x": x})["t"], expected(x), rtol=1e-12)


# --- what has no closed form says which term stands in the way ------------------------------------


def refusal(body: str, head: str = "model M") -> list[str]:
    with pytest.raises(CompileError) as caught:
        compiled(f"{head}\n{body}")
    return [f"{d.message} [{d.code}]" for d in caught.value.diagnostics]


def one(params: str, dist: str, before: str = "") -> str:
    return f"{params}\nfor n in N:\n{before}    data x[n] ~ {dist}\n"


REFUSALS = {
    "a covariance that is a mean as well": (
        (
            "param S : posdef[2]\nfor n in N:\n    data x[n] ~ MvNormal(zeros[2], S)\n"
            "    data y[n] ~ Normal(S[0, 1], 1)\n"
        ),
        (
            "no closed-form update of `S` (posdef[2]): in its share of Q the terms `logdet(S)`, "
            "`inv(S)[i, i']`, `S[i'', i''']^2`, `S[i'''', i''''']` stand in the way "
            "[no-closed-form]"
        ),
    ),
    "a moving support": (
        one("param b : positive", "Uniform(0, b)"),
        (
            "the support of Uniform moves with a parameter: its likelihood has jumps there, and no "
            "rule of calculus finds its maximum [moving-support]"
        ),
    ),
    "a Pareto's least value": (
        one("param m : positive", "Pareto(m, 2)"),
        (
            "the support of Pareto moves with a parameter: its likelihood has jumps there, and no "
            "rule of calculus finds its maximum [moving-support]"
        ),
    ),
    "an unused parameter": (
        one("param m, q : real", "Normal(m, 1)"),
        "the likelihood doesn't depend on `q`, so nothing estimates it [unidentified-parameter]",
    ),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_refuses(what: str) -> None:
    body, expected = REFUSALS[what]
    assert expected in refusal(body)


def test_a_parameter_that_no_value_reaches_is_refused() -> None:
    body = (
        "param a, t : real\nfor n in N:\n    latent z[n] ~ Bernoulli(0.5)\n"
        "    data x[n] : real ~ Normal(a if z[n] == 1 else t + 1, 1) if z[n] == 1 "
        "else Normal(0, 1)\n"
    )
    assert "the likelihood doesn't depend on `t`" in " ".join(refusal(body))


# --- nothing in derive/ knows a family or a model -------------------------------------------------

DERIVE = sorted(Path(emdsl.derive.__file__).parent.rglob("*.py"))
MODEL_NAMES = {n for f in FILES for n in re.findall(r"(?m)^model (\w+)", f.read_text())}
NAMES = re.compile(rf"\b({'|'.join(sorted({*FAMILIES, *MODEL_NAMES}))})\b")


def docstrings(tree: ast.AST) -> set[int]:
    """The lines on which a docstring starts."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    return {
        node.body[0].lineno
        for node in ast.walk(tree)
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None
    }


def mentions(path: Path, *, in_docstrings: bool) -> list[str]:
    text = path.read_text(encoding="utf-8")
    docs = docstrings(ast.parse(text))
    found = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        doc = token.type == tokenize.STRING and token.start[0] in docs
        if doc == in_docstrings and (hit := NAMES.search(token.string)):
            found.append(f"{path.name}:{token.start[0]}: {hit[1]}")
    return found


def test_no_code_or_comment_of_derive_names_a_family() -> None:
    assert [m for path in DERIVE for m in mentions(path, in_docstrings=False)] == []


def test_no_docstring_of_derive_names_a_family() -> None:
    found = [m for path in DERIVE for m in mentions(path, in_docstrings=True)]
    assert [m for m in found if not m.endswith(": Gamma")] == []  # the gamma function


def test_derive_imports_families_as_a_table_only() -> None:
    """`FAMILIES`, the class and the functions densities are made of, never a declaration."""
    for path in DERIVE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and "emdsl.families" in (node.module or ""):
                assert node.module in {
                    "emdsl.families", "emdsl.families.cumulative", "emdsl.families.evaluate",
                    "emdsl.families.family", "emdsl.families.interval", "emdsl.families.vocabulary",
                }, (path, node.module)  # fmt: skip
                if node.module == "emdsl.families":
                    assert {a.name for a in node.names} <= {"FAMILIES", "vocabulary"}, path
