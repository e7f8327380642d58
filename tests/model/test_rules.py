"""The small print of the build: what is and isn't said, one line each."""

from __future__ import annotations

import sys

import pytest

from emdsl.diagnostics import CompileError
from emdsl.model import graph as g
from emdsl.model.build import build
from emdsl.model.show import show_distribution, show_expr
from emdsl.source import Source, Span
from emdsl.syntax.parse import parse

PRELUDE = """model M(K = 2)
param a, b : real
param s : positive
param w : simplex[K]
param mean[K] : real
param v : real[D]
param V : posdef[D]
"""


def codes(body: str) -> list[str]:
    """The codes of the errors of a plate with these lines."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    source = Source(f"{PRELUDE}for t in T:\n    data obs[t] : real[D] ~ Normal(0, 1)\n{lines}")
    try:
        build(parse(source), source)
    except CompileError as error:
        return [d.code for d in error.diagnostics]
    return []


@pytest.mark.parametrize(
    "body",
    [
        "data x[t] ~ Normal(a, exp(b))",
        "data x[t] ~ Normal(a + t / K, s)",
        "data x[t] ~ Normal(a, s) if t == 0 else Normal(x[t-1], s)",
        "data x[t] ~ Normal(x[t-1], s) if t > 0 else Normal(a, s)",
        "data x[t] ~ Normal(x[t-2], s) if t >= 2 else Normal(a, s)",
        "data x[t] ~ Normal(a, s) if t == 0 or t == 1 else Normal(x[t-2], s)",
        "data x[t] ~ Normal(x[t-1] if t != 0 else 0, s)",
        "input f[t] : bool\ndata x[t] ~ Normal(a, s) if f[t] else Normal(x[t-1], s)",
        "data x[t] : positive ~ Normal(a, s)",
        "data x[t] : count ~ Normal(a, s)",
        "data x[t] : bool ~ Categorical([0.5, 0.5])",
        "data x[t] : bool ~ Poisson(s)",
        "data x[t] : real[D] ~ MvNormal(v, s * eye[D])",
        "data x[t] : real[D] ~ MvNormal(v, V + diag(ones[D]))",
        "data x[t] : real[D] ~ Normal(v, s)",
        "data x[t] ~ Gamma(1, 1)",
        "data x[t] : real ~ Normal(v @ v, s)",
        "data x[t] ~ Normal(v[0], s)",
        "latent z[t] ~ Categorical(w)\ndata x[t] ~ Normal(mean[z[t]], s)",
        "latent u[t] : unit ~ Uniform(0, 1)\ndata x[t] ~ Bernoulli(u[t])",
        "data exp[t] ~ Normal(exp(a), 1)\ndata x[t] ~ Normal(exp[t], 1)",
        "data x[t] ~ Normal(mean[K - 1], s)",
        "data x[t] : real ~ Gamma(1, 1) if t == 0 else Delta(0)",
        "data x[t] ~ Uniform(a, b)",
    ],
)
def test_allowed(body: str) -> None:
    assert codes(body) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("data x[t] ~ Normal(x[t-1], s) if t == 0 else Normal(a, s)", ["lag-without-start"]),
        ("data x[t] ~ Normal(x[t-2], s) if t >= 1 else Normal(a, s)", ["lag-without-start"]),
        ("data x[t] ~ Normal(x[t], s)", ["cycle"]),
        ("data x[t] ~ Normal(y[t], s)\ndata y[t] ~ Normal(a, s)", ["used-before-declared"]),
        ("data x[t] ~ Normal(typo, s)\ndata y[t] ~ Normal(x[t], tpyo)", ["unknown-name"] * 2),
        ("data x[t] ~ Normal(typo + typo2, tpyo3)", ["unknown-name"] * 3),
        ("latent z[t] ~ Categorical(typo)\ndata x[t] ~ Normal(mean[z[t]], s)", ["unknown-name"]),
        ("data x[t] : reel ~ Normal(a, s)\ndata y[t] ~ Normal(x[t], s)", ["unknown-type"]),
        ("data x[t] : real[E] ~ MvNormal(v, V)", ["sizes-disagree"]),
        ("data x[t] : real[D, 2] ~ Normal(v, s)", ["sizes-disagree"]),
        ("data x[t] ~ MvNormal(v @ v, V)", ["argument-shape"]),
        ("data x[t] ~ Delta(v)", ["argument-shape"]),
        ("let p = q\nlet q = p\ndata x[t] ~ Normal(p, s)", ["cycle"]),
        ("data x[t] ~ Normal(mean[t], s)", ["sizes-disagree"]),
    ],
)
def test_refused(body: str, expected: list[str]) -> None:
    """Each problem is told once, and nothing that follows from it."""
    assert codes(body) == expected


def test_every_statement_is_looked_at() -> None:
    """Whatever is wrong with those before it."""
    body = "\n".join(f"data x{i}[t] ~ Normal(typo{i}, 1)" for i in range(50))
    assert codes(body) == ["unknown-name"] * 50


def calls_to_build(count: int) -> int:
    """How many function calls building this many params and data takes: a clock without noise."""
    params = "".join(f"param a{i} : real\n" for i in range(count))
    data = "".join(f"    data y{i}[n] ~ Normal(a{i}, 1)\n" for i in range(count))
    source = Source(f"model Big\n{params}for n in N:\n{data}")
    tree = parse(source)
    calls = 0

    def count_call(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count_call)
    try:
        model, _ = build(tree, source)
    finally:
        sys.setprofile(None)
    assert len(model.params) == count
    return calls


def test_declaring_much_is_linear() -> None:
    """Four times the declarations take four times the work."""
    assert calls_to_build(2000) < 4.5 * calls_to_build(500)


def test_long_chain_of_lets() -> None:
    """A chain of ten thousand lets is refused as too deep, and at once."""
    lets = "".join(f"let b{i + 1} = b{i} + 1\n" for i in range(10_000))
    source = Source(f"model Big\nlet b0 = 1\n{lets}for n in N:\n    data x[n] ~ Normal(b9, 1)\n")
    with pytest.raises(CompileError) as caught:
        build(parse(source), source)
    assert {d.code for d in caught.value.diagnostics} == {"too-large"}


HERE = Span(1, 1, 1, 1)


def binary(op: g.Op, left: g.Expr, right: g.Expr) -> g.Expr:
    return g.Apply(op, (left, right), HERE)


A, B, C = (g.Ref(name, "param", (), HERE) for name in "abc")
IF = g.Apply("if", (binary("eq", A, B), B, C), HERE)


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (binary("sub", A, binary("sub", B, C)), "a - (b - c)"),
        (binary("sub", binary("sub", A, B), C), "a - b - c"),
        (binary("mul", binary("add", A, B), C), "(a + b) * c"),
        (binary("div", A, binary("mul", B, C)), "a / (b * c)"),
        (binary("pow", g.Apply("neg", (A,), HERE), g.Number(2, HERE)), "(-a)^2"),
        (g.Apply("neg", (binary("pow", A, g.Number(2, HERE)),), HERE), "-a^2"),
        (binary("pow", A, g.Number(-1, HERE)), "a^-1"),
        (binary("pow", A, binary("pow", B, C)), "a^b^c"),
        (binary("pow", binary("pow", A, B), C), "(a^b)^c"),
        (IF, "b if a == b else c"),
        (binary("add", IF, A), "(b if a == b else c) + a"),
        (g.Apply("eye", (), HERE, (g.Size("D"), g.Size("D"))), "eye[D]"),
        (g.Apply("softmax", (A,), HERE), "softmax(a)"),
    ],
)
def test_show_expr(expr: g.Expr, text: str) -> None:
    assert show_expr(expr) == text


def test_show_distribution() -> None:
    """A choice on the left stands in parentheses, a family's own arguments without names."""
    normal = g.Draw("Normal", (("mean", A), ("var", B)), HERE)
    beta = g.Draw("Beta", (("alpha", A), ("beta", B)), HERE)
    inner = g.Choice(binary("eq", A, B), normal, beta, HERE)
    outer = g.Choice(binary("lt", A, C), inner, beta, HERE)
    assert show_distribution(outer) == (
        "(Normal(a, var = b) if a == b else Beta(a, b)) if a < c else Beta(a, b)"
    )


def test_a_size_of_the_header_is_one_number() -> None:
    text = "model M(T = 2)\nfor s in S:\n    for t in T[s]:\n        data x[s, t] ~ Normal(0, 1)\n"
    source = Source(text)
    with pytest.raises(CompileError) as caught:
        build(parse(source), source)
    assert [d.code for d in caught.value.diagnostics] == ["ragged-and-plain"]
