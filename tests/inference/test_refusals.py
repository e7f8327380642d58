"""What is said of models whose latents no order sums out, and of walks over many states."""

from __future__ import annotations

from textwrap import dedent

import pytest

from emdsl.compiler import compile_source
from emdsl.diagnostics import CompileError, Severity
from emdsl.source import Source


def refusal(text: str) -> str:
    """The one error of a model: message, notes with their places, way out."""
    source = Source("model Tied(K = 2, L = 3)\n" + dedent(text), "tied.em")
    with pytest.raises(CompileError) as raised:
        compile_source(source)
    (found,) = raised.value.diagnostics
    lines = [f"{found.message} [{found.code}]"]
    for note in found.notes:
        assert note.span is not None
        lines.append(f"{note.span.line}:{note.span.column}: {note.text}")
    return "\n".join([*lines, found.hint])


NOT_YET = "leave out dependences until those that are left make chains or trees; an approximation "


def test_stochastic_block_model() -> None:
    assert (
        refusal("""\
        param weight  : simplex[K]
        param p[K, K] : unit
        for i in N:
            latent z[i] ~ Categorical(weight)
        for a in N:
            for b in N:
                data y[a, b] ~ Bernoulli(p[z[a], z[b]])
        """)
        == f"""\
no exact E-step for `z` [no-strategy]
5:12: none: `z` is latent
8:14: finite: the elements of `z` are tied to each other in circles: none can be summed out \
without the others, and all of them together have K^N configurations
8:36: `y[a, b]` depends on `z[a]`
8:42: `y[a, b]` depends on `z[b]`
{NOT_YET}(`infer z using meanfield`) isn't there yet"""
    )


def test_two_gathers() -> None:
    assert (
        refusal("""\
        param u : simplex[K]
        param v : simplex[L]
        param p[K, L] : unit
        for i in I:
            latent a[i] ~ Categorical(u)
        for j in J:
            latent b[j] ~ Categorical(v)
        for r in R:
            input user[r] : index[I]
            input film[r] : index[J]
            data like[r] ~ Bernoulli(p[a[user[r]], b[film[r]]])
        """)
        == f"""\
no exact E-step for `a` and `b` [no-strategy]
6:12: none: `a` is latent
12:10: finite: the elements of `a` and `b` are tied to each other in circles: none can be summed \
out without the others, and all of them together have K^I L^J configurations
12:32: `like[r]` depends on `a[user[r]]`
12:44: `like[r]` depends on `b[film[r]]`
{NOT_YET}(`infer a, b using meanfield`) isn't there yet"""
    )


def test_grid() -> None:
    assert (
        refusal("""\
        param s : unit
        param n[2, 2] : unit
        param p[2] : unit
        for i in I:
          for j in J:
            latent z[i, j] ~ Bernoulli(s) if i < 1 or j < 1 else Bernoulli(n[z[i-1, j], z[i, j-1]])
            data y[i, j] ~ Bernoulli(p[z[i, j]])
        """)
        == f"""\
no exact E-step for `z` of plates `i`, `j` [no-strategy]
7:12: none: `z` is latent; finite: the elements of `z` are tied to each other in circles: none \
can be summed out without the others, and all of them together have 2^(I J) configurations
7:70: `z[i, j]` depends on `z[i-1, j]`
7:81: `z[i, j]` depends on `z[i, j-1]`
{NOT_YET}(`infer z using meanfield`) isn't there yet"""
    )


def test_chains_that_share_latents_row_by_row() -> None:
    assert (
        refusal("""\
        param start : simplex[K]
        param trans[K] : simplex[K]
        param kind : simplex[L]
        param p[K, L] : unit
        for i in I:
            latent c[i] ~ Categorical(kind)
        for s in S:
            for t in T[s]:
                input  item[s, t] : index[I]
                latent z[s, t] ~ Categorical(start) if t == 0 else Categorical(trans[z[s, t-1]])
                data   x[s, t] ~ Bernoulli(p[z[s, t], c[item[s, t]]])
        """)
        == f"""\
no exact E-step for `c` and `z` [no-strategy]
7:12: none: `c` is latent
11:16: finite: the elements of `z` and `c` are tied to each other in circles: none can be summed \
out without the others, and all of them together have K^(sum of T[s]) L^I configurations
11:78: `z[s, t]` depends on `z[s, t-1]`
12:38: `x[s, t]` depends on `z[s, t]`
12:47: `x[s, t]` depends on `c[item[s, t]]`
{NOT_YET}(`infer c, z using meanfield`) isn't there yet"""
    )


def test_chain_along_an_outer_plate() -> None:
    assert (
        refusal("""\
        param s : simplex[K]
        param n[K] : simplex[K]
        param p[K] : unit
        for t in T:
            for j in J:
                latent z[t, j] ~ Categorical(s) if t == 0 else Categorical(n[z[t-1, j]])
                data y[t, j] ~ Bernoulli(p[z[t, j]])
        """)
        == """\
no exact E-step for `z` of plates `t`, `j` [no-strategy]
7:16: none: `z` is latent
7:70: finite: `z[t-1, j]` is a step along `t`, but a chain runs along the innermost plate, `j`: \
write the plate of `t` inside that of `j`
each strategy's reason is given above; a model whose latents are finite and tied to each other by \
plates, indices, chains or trees has an exact E-step"""
    )


# --- many states ---------------------------------------------------------------------------------


def chains(names: str, values: str) -> str:
    """Chains of their own that are seen only together."""
    lines = ["model Many(K = 2)", f"param s : simplex[{values}]"]
    lines += [f"param a_{n}[{values}] : simplex[{values}]" for n in names]
    lines += [f"param p[{', '.join([values] * len(names))}] : unit", "for t in T:"]
    for n in names:
        draw = f"Categorical(s) if t == 0 else Categorical(a_{n}[{n}[t-1]])"
        lines.append(f"    latent {n}[t] ~ {draw}")
    lines.append(f"    data x[t] ~ Bernoulli(p[{', '.join(f'{n}[t]' for n in names)}])")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("names", "values", "message"),
    [
        ("fg", "K", None),
        ("fg", "16", None),
        (
            "fg",
            "17",
            "`f` and `g` are summed out together along `t`: {} 289 states",
        ),
        (
            "fgh",
            "K",
            "`f`, `g` and `h` are summed out together along `t`: {} K x K x K states",
        ),
        (
            "f",
            "300",
            "`f` is summed out along `t`: {} 300 states",
        ),
    ],
)
def test_many_states(names: str, values: str, message: str | None) -> None:
    found = compile_source(Source(chains(names, values), "many.em")).warnings
    found = tuple(d for d in found if d.code != "unused")
    assert [d.message for d in found] == (
        [] if message is None else [message.format("each step goes through all pairs of")]
    )
    for d in found:
        assert (d.code, d.severity) == ("many-states", Severity.WARNING)
        assert [n.span.line for n in d.notes if n.span] == [
            d.span.line + i for i in range(1, len(names))
        ]
