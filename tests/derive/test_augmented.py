"""Data nodes rewritten with a latent of their own, in the graph."""

from __future__ import annotations

import pytest
import sympy as sp

from emdsl.derive.augmented import expression, rewriting
from emdsl.model.build import build
from emdsl.model.graph import Model, Number, Ref
from emdsl.model.show import show, show_expr
from emdsl.source import Source, Span
from emdsl.syntax.parse import parse

SPAN = Span(1, 1, 1, 2)


def model(*lines: str) -> Model:
    source = Source("model M(K = 2)\n" + "\n".join(lines) + "\n", "m.em")
    return build(parse(source), source)[0]


def rewritten(found: Model, name: str) -> list[str]:
    """The lines of the latent added and of the node."""
    made = rewriting(found, found.variable(name))
    assert made is not None
    lines = show(made.within(found)).splitlines()
    return [
        k for k in lines if k.split()[1].startswith(name) and k.split()[0] in ("latent", "data")
    ]


@pytest.mark.parametrize(
    ("written", "latent", "given"),
    [
        ("StudentT(nu, m, s)", "Gamma(nu / 2, nu / 2)", "Normal(m, var = s^2 / x_weight[n])"),
        ("StudentT(4, m, s)", "Gamma(2, 2)", "Normal(m, var = s^2 / x_weight[n])"),
        ("StudentT(4.5, m, s)", "Gamma(2.25, 2.25)", "Normal(m, var = s^2 / x_weight[n])"),
        ("Cauchy(m, s)", "Gamma(0.5, 0.5)", "Normal(m, var = s^2 / x_weight[n])"),
        ("Laplace(m, s)", "Exponential(1 / (2 * s^2))", "Normal(m, var = x_variance[n])"),
    ],
)
def test_of_a_real_variate(written: str, latent: str, given: str) -> None:
    found = model(
        "param m : real", "param s, nu : positive", "for n in N:", f"    data x[n] ~ {written}"
    )
    word = "variance" if "Laplace" in written else "weight"
    assert rewritten(found, "x") == [
        f"latent x_{word}[n] : positive ~ {latent}",
        f"data x[n] : real ~ {given}",
    ]


@pytest.mark.parametrize(
    ("written", "latent", "given"),
    [
        ("(s, p)", "Gamma(s, p / (1 - p))", "Poisson(x_rate[n])"),
        ("(alpha = s, beta = r)", "Gamma(s, r)", "Poisson(x_rate[n])"),
        ("(mu = r, phi = s)", "Gamma(s, s)", "Poisson(r * x_rate[n])"),
        ("(log = m, shape = s)", "Gamma(s, s)", "Poisson(log = m + log(x_rate[n]))"),
        ("(mean = r, dispersion = s)", "Gamma(1 / s, 1 / s)", "Poisson(r * x_rate[n])"),
    ],
)
def test_of_a_negative_binomial(written: str, latent: str, given: str) -> None:
    found = model(
        "param m : real", "param s, r : positive", "param p : unit", "for n in N:",
        f"    data x[n] : count ~ NegativeBinomial{written}",
    )  # fmt: skip
    first, second = rewritten(found, "x")
    assert first == f"latent x_rate[n] : positive ~ {latent}"
    for order in (given, given.replace("m + log(x_rate[n])", "log(x_rate[n]) + m"),
                  given.replace("r * x_rate[n]", "x_rate[n] * r")):  # fmt: skip
        if second == f"data x[n] : count ~ {order}":
            return
    pytest.fail(second)


def test_an_array_has_a_latent_for_each_entry() -> None:
    found = model("param m : real[D]", "const nu = 3", "for n in N:",
                  "    data x[n] : real[D] ~ StudentT(nu, m, 1)")  # fmt: skip
    assert rewritten(found, "x") == [
        "latent x_weight[n] : positive[D] ~ Gamma(nu / 2, nu / 2)",
        "data x[n] : real[D] ~ Normal(m, var = 1 / x_weight[n])",
    ]


def test_the_latent_has_a_name_of_its_own() -> None:
    found = model("param x_weight : real", "param x_weight_2 : positive", "for n in N:",
                  "    data x[n] ~ Cauchy(x_weight, x_weight_2)")  # fmt: skip
    made = rewriting(found, found.variable("x"))
    assert made is not None
    assert made.latent.name == "x_weight_3"
    assert made.latent.added


def test_branches_that_agree_share_what_the_latent_is_drawn_from() -> None:
    body = (
        "param w : unit",
        "param a, b : real",
        "param s : positive",
        "for n in N:",
        "    latent z[n] ~ Bernoulli(w)",
    )
    same = model(
        *body,
        "    data x[n] ~ case z[n]:",
        "        0: StudentT(4, a, s)",
        "        1: StudentT(4, b, s)",
    )
    assert "~ Gamma(2, 2)" in rewritten(same, "x")[0]
    one = model(
        *body,
        "    data x[n] ~ case z[n]:",
        "        0: StudentT(4, a, s)",
        "        1: Normal(b, s)",
    )
    assert "~ Gamma(2, 2)" in rewritten(one, "x")[0]
    assert "Normal(b, s)" in rewritten(one, "x")[1]
    two = model(
        *body,
        "    data x[n] ~ case z[n]:",
        "        0: StudentT(4, a, s)",
        "        1: Cauchy(b, s)",
    )
    assert "Gamma(2, 2)" in rewritten(two, "x")[0]
    assert "Gamma(0.5, 0.5)" in rewritten(two, "x")[0]


@pytest.mark.parametrize("dist", ["Normal(m, s)", "Truncated(StudentT(4, m, s), lower = 0)"])
def test_other_nodes_have_no_such_form(dist: str) -> None:
    found = model("param m : real", "param s : positive", "for n in N:", f"    data x[n] ~ {dist}")
    assert rewriting(found, found.variable("x")) is None


def test_a_density_of_the_files_own_is_not_the_languages() -> None:
    source = Source(
        "likelihood Cauchy(x : real; loc : real, scale : positive) = exp(-abs(x - loc) / scale)\n"
        "model M\nparam m : real\nfor n in N:\n    data x[n] ~ Cauchy(m, 1)\n"
    )
    found = build(parse(source), source)[0]
    assert rewriting(found, found.variable("x")) is None


def test_data_outside_plates_and_latents_are_left() -> None:
    found = model("param m : real", "data y ~ Cauchy(m, 1)", "for n in N:",
                  "    latent b[n] ~ Cauchy(m, 1)", "    data x[n] ~ Normal(b[n], 1)")  # fmt: skip
    assert all(rewriting(found, v) is None for v in found.variables)


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        ("a - b", "a - b"), ("-a*b", "-(a * b)"), ("a/(b*(1 - a))", "a / (b * (1 - a))"),
        ("exp(-a)", "exp(-a)"), ("a**2/3", "a^2 / 3"), ("Rational(1, 3)", "1 / 3"),
        ("a + log(b)", "a + log(b)"),
    ],
)  # fmt: skip
def test_expressions(tree: str, text: str) -> None:
    a, b = sp.symbols("a b", positive=True)
    names = {s: Ref(str(s), "param", (), SPAN) for s in (a, b)}
    made = show_expr(expression(sp.sympify(tree, {"a": a, "b": b}), names, SPAN))
    assert sp.simplify(sp.sympify(made, {"a": a, "b": b}) - sp.sympify(tree, {"a": a, "b": b})) == 0
    if text != made:
        assert sorted(text) == sorted(made)  # SymPy's order of a sum or product


def test_numbers_are_folded_in() -> None:
    a = sp.Symbol("a", positive=True)
    assert expression(a / 2, {a: Number(3, SPAN)}, SPAN) == Number(1.5, SPAN)
    assert show_expr(expression(a / 3, {a: Number(1, SPAN)}, SPAN)) == "1 / 3"
    with pytest.raises(NotImplementedError, match="sin"):
        expression(sp.sin(a), {a: Ref("a", "param", (), SPAN)}, SPAN)
