"""Numbers that are none, in the midst of a model; and hints for what people write instead."""

from __future__ import annotations

import pytest

from emdsl.diagnostics import CompileError, Diagnostic
from emdsl.model.build import build
from emdsl.source import Source
from emdsl.syntax.parse import parse


def problems(mean: str, more: str = "") -> tuple[Diagnostic, ...]:
    text = f"model M\nparam m : real\nconst c = 0\n{more}for n in N:\n    data x[n] ~ {mean}\n"
    source = Source(text, "m.em")
    with pytest.raises(CompileError) as caught:
        build(parse(source), source)
    return caught.value.diagnostics


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ("m / 0", "it divides by zero"),
        ("m / c", "it divides by zero"),
        ("m / (2 - 2)", "it divides by zero"),
        ("m + 0^-1", "it divides by zero"),
        ("m + log(-1)", "there is no log of -1"),
        ("m + log(c)", "there is no log of 0"),
        ("m + sqrt(1 - 2)", "there is no sqrt of -1"),
        ("m + (-2)^0.5", "it is a root of a negative number"),
        ("m + 9^9^9", "it is too large"),
        ("m + 9^9^9^9", "it is too large"),
        ("m * exp(1000)", "it is too large"),
        ("m * 1e308 * 10 + 1e308 * 10", "it is too large"),
        ("m * 2^-9999", "it is too small"),
    ],
)
def test_no_number(part: str, why: str) -> None:
    (problem,) = (p for p in problems(f"Normal({part}, 1)") if p.code != "unused")
    assert (problem.code, problem.message) == (
        "bad-arithmetic",
        f"this constant is not a number: {why}",
    )


def test_a_sum_of_distributions_is_a_mixture() -> None:
    (problem,) = problems("0.5 * Normal(m, 1) + 0.5 * Normal(c, 1)")
    assert problem.code == "value-as-distribution"
    assert "latent z[n] ~ Bernoulli(0.5)" in problem.hint


def test_a_param_is_never_asked_to_be_a_count() -> None:
    (problem,) = problems("Binomial(k, 1/2)", "param k : positive\n")
    assert problem.hint == "it can't be estimated: make `k` an `input` or a `const`"
