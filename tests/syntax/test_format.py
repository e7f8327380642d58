"""`emdsl fmt`: what it writes, that it says the same, and that it settles at once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from emdsl.source import Source
from emdsl.syntax.format import format_source
from emdsl.syntax.layout import read_layout
from emdsl.syntax.parse import parse
from tests.syntax.gallery import GALLERY
from tests.syntax.texts import expressions, shaken
from tests.syntax.written import bare


def formatted(text: str) -> str:
    return format_source(Source(text))


def comments(text: str) -> list[str]:
    return [str(comment).rstrip() for comment in read_layout(Source(text)).comments]


def verify_format(text: str) -> None:
    """Formatting keeps the tree and the comments, and doing it again changes nothing."""
    once = formatted(text)
    assert bare(parse(Source(once))) == bare(parse(Source(text)))
    assert comments(once) == comments(text)
    assert formatted(once) == once
    assert all(line == line.rstrip() for line in once.split("\n"))
    assert "\n\n\n" not in once


@pytest.mark.parametrize("name", GALLERY)
def test_gallery(name: str) -> None:
    verify_format(GALLERY[name])


@pytest.mark.parametrize("name", ["GaussianMixture", "HMM", "FactorAnalysis"])
def test_already_canonical(name: str) -> None:
    """The documentation is written as the formatter writes."""
    assert formatted(GALLERY[name]) == GALLERY[name]


@settings(deadline=None, max_examples=150)
@given(text=shaken())
def test_any_layout(text: str) -> None:
    """However a good file is laid out and commented, it says the same once formatted."""
    verify_format(text)


@settings(deadline=None, max_examples=300)
@given(expression=expressions())
def test_any_expression(expression: str) -> None:
    verify_format(f"model M\nlet a = {expression}  # c\nconst b[{expression}] : real\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("let a=b+c*d", "let a = b + c * d"),
        ("let a = x [ t - 1 , 2*s ]", "let a = x[t-1, 2*s]"),
        ("let a = -b**- 2", "let a = -b^-2"),
        ("let a = [ 1 / 2 , (1 - t) / 4,exp( a+b ) ]", "let a = [1/2, (1-t)/4, exp(a + b)]"),
        ("let a = f ( x,var=v , )", "let a = f(x, var = v)"),
        ("let a = not(b)and c", "let a = not (b) and c"),
        ("let a = b@c", "let a = b @ c"),
        ("let a = (b) [0]", "let a = (b)[0]"),
        ("let a = b if c==0 else(d)", "let a = b if c == 0 else (d)"),
        ("param p:real [D]~Normal(0,1)", "param p : real[D] ~ Normal(0, 1)"),
        ("infer a,b using quadrature( 21 )", "infer a, b using quadrature(21)"),
        ("density F(x:real;s,t:real)=x", "density F(x : real; s, t : real) = x"),
    ],
)
def test_spacing(text: str, expected: str) -> None:
    assert formatted(f"model M\n{text}\n") == f"model M\n{expected}\n"


LAID_OUT = {
    "runs of declarations stand in columns, up to a blank line or a comment": (
        """\
model M
param a : real
param alpha[K] ~ Normal(0, 1)
let b = 3

param c : real
# d
param delta : real
""",
        """\
model M
param a        : real
param alpha[K] ~ Normal(0, 1)
let   b        = 3

param c : real
# d
param delta : real
""",
    ),
    "nothing is moved very far": (
        "model M\nparam a : real\nparam bbbbbbbbbbbbbbbbbbbbbbbbbbbbb : real\n",
        "model M\nparam a : real\nparam bbbbbbbbbbbbbbbbbbbbbbbbbbbbb : real\n",
    ),
    "four spaces, one blank line, comments where they belong": (
        """\


# top
model M # m
  "Doc."
  # still the docstring
# declarations


param a : real  # a
param alpha : real    # alpha
for n in N: # plate
 # first
 data x[n] ~ Normal(0, 1)
 # inside
# outside
for m in M :
 for l in L:

  data y[m,l] ~ case m:   # case
     # arm
     0 : Delta(0)
     else:Delta(1)
     # last arm
  # last line
 # after l
# end

""",
        """\
# top
model M  # m
    "Doc."
    # still the docstring
# declarations

param a     : real  # a
param alpha : real  # alpha
for n in N:         # plate
    # first
    data x[n] ~ Normal(0, 1)
    # inside
# outside
for m in M:
    for l in L:

        data y[m, l] ~ case m:  # case
            # arm
            0: Delta(0)
            else: Delta(1)
            # last arm
        # last line
    # after l
# end
""",
    ),
    "brackets are joined, or broken where too wide": (
        """\
model M
const a = [
    1,
    2,
]
const b = [[11111111, 11111111, 11111111], [11111111, 11111111, 11111111], [11111111, 11111111, 1]]
const c = [1111111, 1111111, 1111111, 1111111, 1111111, 1111111, 1111111, 1111111, 1111111, 1111111,
  1]
""",
        """\
model M
const a = [1, 2]
const b = [[11111111, 11111111, 11111111], [11111111, 11111111, 11111111], [11111111, 11111111, 1]]
const c = [
    1111111, 1111111, 1111111, 1111111, 1111111, 1111111, 1111111, 1111111, 1111111, 1111111, 1
]
""",
    ),
    "a matrix is broken into rows": (
        "model M\nconst b = [" + "[11111111, 11111111, 11111111], " * 4 + "[1]]\n",
        "model M\nconst b = [\n" + "    [11111111, 11111111, 11111111],\n" * 4 + "    [1]\n]\n",
    ),
    "a bracket with a comment inside keeps its line breaks": (
        """\
model M
const a = [ # rows
  1,2, # first
    # second

  f(x,
  y)]  # end
""",
        """\
model M
const a = [  # rows
    1, 2,    # first
    # second
    f(x,
        y)]  # end
""",
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", LAID_OUT)
def test_layout(rule: str) -> None:
    text, expected = LAID_OUT[rule]
    assert formatted(text) == expected
    verify_format(text)


def test_windows_line_ends() -> None:
    assert formatted("model M\r\nparam a:real # c\r\n") == "model M\nparam a : real  # c\n"
