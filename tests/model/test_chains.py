"""Chains, trees and what is indexed by a latent: each way to write them, and what it means."""

from __future__ import annotations

import pytest

from emdsl.diagnostics import CompileError
from emdsl.model import graph as g
from emdsl.model.build import build
from emdsl.model.show import show_distribution, show_expr
from emdsl.source import Source
from emdsl.syntax.parse import parse

PRELUDE = """model M(K = 2)
param a        : unit
param start    : simplex[K]
param trans[K] : simplex[K]
param pair[K, K] : simplex[K]
param mean[K]  : real
param spots[3] : real
const bit = [0, 1, 1]
"""


def built(body: str, prelude: str = PRELUDE) -> g.Model:
    source = Source(prelude + body)
    return build(parse(source), source)[0]


def codes(body: str) -> list[str]:
    try:
        built(body)
    except CompileError as error:
        return [d.code for d in error.diagnostics]
    return []


def plate(*lines: str) -> str:
    return "for t in T:\n" + "".join(f"    {line}\n" for line in lines)


def trees(*lines: str) -> str:
    inner = "".join(f"        {line}\n" for line in lines)
    return f"for s in S:\n    for t in T[s]:\n{inner}"


def drawn(model: g.Model, name: str = "z") -> str:
    variable = model.variable(name)
    assert variable.dist is not None
    return f"{variable.type} ~ {show_distribution(variable.dist)}"


SEEN = "data x[t] ~ Normal(mean[z[t]], 1)"
SEEN_THREE = "data x[t] ~ Normal(spots[z[t]], 1)"
SEEN_TREE = "data x[s, t] ~ Normal(mean[z[s, t]], 1)"


@pytest.mark.parametrize(
    "body",
    [
        plate("latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])", SEEN),
        plate(
            "latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]]) "
            "if t == 1 else Categorical(pair[z[t-2], z[t-1]])",
            SEEN,
        ),
        plate(
            "latent z[t] ~ case t:",
            "    0: Categorical(start)",
            "    1: Categorical(trans[z[t-1]])",
            "    else: Categorical(pair[z[t-2], z[t-1]])",
            SEEN,
        ),
        plate(
            "latent z[t] ~ Categorical(start) if t == 0 else case z[t-1]:",
            "    0: Categorical(trans[0])",
            "    else: Categorical(trans[1])",
            SEEN,
        ),
        plate(
            "input fresh[t] : bool",
            "latent z[t] ~ Categorical(start) if fresh[t] else Categorical(trans[z[t-1]])",
            SEEN,
        ),
        plate(
            "data z[t] : category[K] ~ Categorical(start) if t == 0 "
            "else Categorical(trans[z[t-1]])",
            SEEN,
        ),
        plate(
            "latent z[t] ~ Categorical(start)",
            "data x[t] ~ Normal(0, 1) if t == 0 else Normal(mean[z[t]] * x[t-1], 1)",
        ),
        trees(
            "input parent[s, t] : index[T]",
            "latent z[s, t] ~ Categorical(start) if parent[s, t] < 0 "
            "else Categorical(trans[z[s, parent[s, t]]])",
            SEEN_TREE,
        ),
        trees(
            "input parent[s, t] : index[T[s]]",
            "latent z[s, t] ~ Categorical(start) if t == 0 "
            "else Categorical(trans[z[s, parent[s, t]]])",
            SEEN_TREE,
        ),
        plate(
            "input parent[t] : index[T]",
            "latent z[t] ~ Categorical(start) if parent[t] == -1 "
            "else Categorical(trans[z[parent[t]]])",
            SEEN,
        ),
        "for t in T times w[t]:\n    latent z[t] ~ Categorical(start)\n    " + SEEN + "\n",
    ],
)
def test_allowed(body: str) -> None:
    assert codes(body) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            plate(
                "latent z[t] ~ Categorical(start) if t == 0 else Categorical(pair[z[t-2], z[t-1]])",
                SEEN,
            ),
            ["lag-without-start"],
        ),
        (
            # a latent says nothing of where the chain starts
            plate(
                "latent m[t] ~ Bernoulli(a)",
                "latent z[t] ~ Categorical(start) if m[t] else Categorical(trans[z[t-1]])",
                SEEN,
            ),
            ["lag-without-start"],
        ),
        (
            plate(
                "latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t+1]])",
                SEEN,
            ),
            ["index-out-of-range"],
        ),
        (
            trees(
                "input parent[s, t] : index[T]",
                "latent z[s, t] ~ Categorical(trans[z[s, parent[s, t]]])",
                SEEN_TREE,
            ),
            ["parent-without-root"],
        ),
        (
            trees(
                "input parent[s, t] : index[S]",
                "latent z[s, t] ~ Categorical(start) if t == 0 "
                "else Categorical(trans[z[s, parent[s, t]]])",
                SEEN_TREE,
            ),
            ["sizes-disagree"],
        ),
        (
            trees(
                "input parent[s, t] : int",
                "latent z[s, t] ~ Categorical(start) if t == 0 "
                "else Categorical(trans[z[s, parent[s, t]]])",
                SEEN_TREE,
            ),
            ["bad-index"],
        ),
        (
            # outside of the plate that T belongs to
            "input first : index[T]\n" + trees("data x[s, t] ~ Normal(a, 1)"),
            ["ragged-and-plain"],
        ),
        (
            plate(
                "latent z[t] ~ Categorical(start)",
                "data x[t] ~ Normal([1, 2, 3][z[t]], 1)",
            ),
            ["sizes-disagree"],
        ),
        (
            plate(
                "latent z[t] ~ Categorical(start)",
                "data x[t] ~ Normal([1, 2][z[t], 0], 1)",
            ),
            ["index-count"],
        ),
    ],
)
def test_refused(body: str, expected: list[str]) -> None:
    assert codes(body) == expected


def test_a_let_of_rows_is_indexed_by_a_latent() -> None:
    """Structural zeros: the rows are chosen among where the state before has its value."""
    rows = "let rows = [[a, 1 - a, 0], [0, a, 1 - a], [0, 0, 1]]\n"
    model = built(
        rows + plate("latent z[t] ~ Delta(0) if t == 0 else Categorical(rows[z[t-1]])", SEEN_THREE)
    )
    assert drawn(model) == (
        "category[3] ~ Delta(0) if t == 0 else Categorical([a, 1 - a, 0] if z[t - 1] == 0 "
        "else [0, a, 1 - a] if z[t - 1] == 1 else [0, 0, 1])"
    )


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        ("[[1 - a, a], [0, 1]][z[t], 1]", "a if z[t] == 0 else 1"),
        ("[[1 - a, a], [0, 1]][z[t]][1]", "a if z[t] == 0 else 1"),
        ("[[1 - a, a], [0, 1]][0][z[t]]", "1 - a if z[t] == 0 else a"),
        ("[mean, [a, 1]][1, z[t]]", "a if z[t] == 0 else 1"),
        ("[spots, spots][0, 2]", "spots[2]"),
    ],
)
def test_an_entry_of_what_is_written_out(value: str, meaning: str) -> None:
    model = built(
        plate("latent z[t] ~ Bernoulli(a)", f"data x[t] ~ Normal({value}, 1)"),
        PRELUDE.replace("mean[K]", "mean[2]"),
    )
    dist = model.variable("x").dist
    assert isinstance(dist, g.Draw)
    assert show_expr(dict(dist.args)["mean"]) == meaning


@pytest.mark.parametrize(
    ("dist", "type_"),
    [
        ("Delta(0) if t == 0 else Bernoulli(a)", "bool"),
        ("Delta(0) if t == 0 else Delta(1) if z[t-1] else Bernoulli(a)", "bool"),
        ("Bernoulli(a) if t == 0 else Delta(1 - z[t-1])", "bool"),
        ("Delta(0) if t == 0 else Categorical(trans[z[t-1]])", "category[K]"),
        ("Delta(2) if t == 0 else Bernoulli(a)", "count"),
    ],
)
def test_a_certain_value_keeps_the_type_of_the_other_arms(dist: str, type_: str) -> None:
    model = built(plate(f"latent z[t] ~ {dist}", "data x[t] ~ Normal(z[t], 1)"))
    assert drawn(model).split(" ~ ")[0] == type_


def test_a_draw_that_counts_down() -> None:
    """A `Delta` of arithmetic on whole numbers may be of any discrete type that is declared."""
    body = plate(
        "latent z[t] : category[K] ~ Categorical(start) if t == 0 else case z[t-1]:",
        "    0: Categorical(start)",
        "    else: Delta(z[t-1] - 1)",
        SEEN,
    )
    # `case` needs all the values of a category[K] or an `else`
    assert codes(body) == []
    wrong = plate("latent z[t] : category[3] ~ Delta(a + 1)", SEEN_THREE)
    assert codes(wrong) == ["support-mismatch"]


def test_an_index_of_a_ragged_plate_points_within_its_row() -> None:
    model = built(
        trees(
            "input parent[s, t] : index[T]",
            "latent z[s, t] ~ Categorical(start) if t == 0 "
            "else Categorical(trans[z[s, parent[s, t]]])",
            SEEN_TREE,
        )
    )
    assert model.variable("parent").type.values == g.Ragged("T", "s")
