"""Texts → trees: the gallery and the small print of the grammar."""

from __future__ import annotations

import pytest

from emdsl.source import Source, Span
from emdsl.syntax import ast
from emdsl.syntax.parse import parse, read_source
from tests.syntax.gallery import GALLERY
from tests.syntax.written import written


@pytest.mark.parametrize("name", GALLERY)
def test_gallery(name: str) -> None:
    """Every documented model is read, under its own name."""
    tree = parse(Source(GALLERY[name]))
    assert tree.items
    assert f"model {tree.name.id}" in GALLERY[name]


def expr(text: str) -> ast.Expr:
    (let,) = parse(Source(f"model M\nlet v = {text}\n")).items
    assert isinstance(let, ast.Let)
    return let.value


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("a + b * c", "(a + (b * c))"),
        ("a - b - c", "((a - b) - c)"),
        ("a / b @ c", "((a / b) @ c)"),
        ("-a ^ 2", "(-(a ^ 2))"),
        ("-a * b", "((-a) * b)"),
        ("2 ^ -a ^ b", "(2 ^ (-(a ^ b)))"),
        ("a ** b ** c", "(a ^ (b ^ c))"),
        ("(a ^ b) ^ c", "((a ^ b) ^ c)"),
        ("not a == b and c or d", "(((not (a == b)) and c) or d)"),
        ("a if b else c if d else e", "(a if b else (c if d else e))"),
        ("(a if b else c) if d else e", "((a if b else c) if d else e)"),
        ("a if b or c else d", "(a if (b or c) else d)"),
        ("a + b if c < d else e", "((a + b) if (c < d) else e)"),
        ("x[t - 1, s][0]", "x[(t - 1), s][0]"),
        ("f(a, b = c + 1, d = 2,)", "f(a, b = (c + 1), d = 2)"),
        ("f()", "f()"),
        ("[a, [b, c,],]", "[a, [b, c]]"),
        ("zeros[L] + eye[L, L]", "(zeros[L] + eye[L, L])"),
        ("[1 / 2, t/4, -1]", "[(1 / 2), (t / 4), (-1)]"),
        ("diag(noise)[0]", "diag(noise)[0]"),
    ],
)
def test_precedence(text: str, grouped: str) -> None:
    assert written(expr(text)) == grouped


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("007", 7), ("3.", 3.0), (".5", 0.5), ("1e3", 1000.0), ("1.5E-2", 0.015),
     ("9223372036854775807", 2**63 - 1), ("0.0e-999", 0.0)],
)  # fmt: skip  # a table
def test_numbers(text: str, value: float) -> None:
    """A literal is an int where it has neither point nor exponent."""
    number = expr(text)
    assert isinstance(number, ast.Number)
    assert (number.value, type(number.value), number.text) == (value, type(value), text)


@pytest.mark.parametrize(
    "text",
    [
        'model M\r\n    "Doc."\r\nparam p : unit\r\n',
        '\ufeffmodel M\n    "Doc."\nparam p : unit\n',
        'model M\n    "Doc."\nparam p : unit',
        '\n\n# c\nmodel M # c\n\n  # c\n  "Doc." # c\n\n\nparam p : unit   \n   # c',
        'model M()\n"Doc."\nparam p : (\nunit)\n'.replace("(\nunit)", "unit"),
        'model M\n  "Doc."\nparam p\\\n'.replace("\\", " : unit"),
    ],
)  # fmt: skip  # quotes inside quotes
def test_layout(text: str) -> None:
    """Line ends, byte order mark, comments and blank lines change nothing."""
    tree = parse(Source(text))
    (param,) = tree.items
    assert (tree.doc, written(param)) == ("Doc.", "param p : unit")


def test_statements() -> None:
    """What each declaration holds."""
    tree = parse(Source(GALLERY["Everything"]))
    density, last = tree.densities
    assert (density.word, last.word) == ("mass", "density")
    assert [argument.name.id for argument in density.parameters] == ["p", "q"]
    assert [argument.type.name for argument in density.parameters] == ["unit", "unit"]
    assert [written(hyper) for hyper in tree.hyper] == ["K = 2", "L = (K + 1)", "M"]
    assert tree.doc == "One line.\nAnother."
    kinds = [type(item) for item in tree.items]
    assert kinds == [ast.Param] * 2 + [ast.Const] * 3 + [ast.Let, ast.Plate, ast.Infer, ast.Infer]
    plate = tree.items[6]
    assert isinstance(plate, ast.Plate)
    inner = plate.body[1]
    assert isinstance(inner, ast.Plate)
    assert (inner.weight is not None, plate.weight) == (True, None)
    latent = inner.body[1]
    assert isinstance(latent, ast.Latent)
    assert isinstance(latent.dist, ast.Case)
    assert [arm.value is None for arm in latent.dist.arms] == [False, False, False, True]
    assert isinstance(latent.dist.arms[2].body, ast.Case)
    last_arm = latent.dist.arms[3].body
    assert isinstance(last_arm, ast.Conditional)
    assert isinstance(last_arm.orelse, ast.Case)
    assert last_arm.span.line == last_arm.orelse.span.line


def test_names() -> None:
    """Names that Python would not tell apart are one name; the span is of what was written."""
    tree = parse(Source("model M\nparam ϵ, e\u0301 : real\nlet σ² = 3\n".replace("σ²", "σ2")))
    param, let = tree.items
    assert isinstance(param, ast.Param)
    assert [target.name.id for target in param.targets] == ["ε", "é"]
    assert param.targets[1].span == Span(2, 10, 2, 12)
    assert isinstance(let, ast.Let)
    assert let.target.name.id == "σ2"


def test_spans() -> None:
    """A node's span covers all of it, brackets too, and a plate's is its header."""
    text = "model M\nfor n in N:\n    data x[n] : real ~ (Normal(0, (1 + 2)))\n"
    (plate,) = parse(Source(text)).items
    assert isinstance(plate, ast.Plate)
    assert plate.span == Span(2, 1, 2, 12)
    (data,) = plate.body
    assert isinstance(data, ast.Data)
    assert data.span == Span(3, 5, 3, 44)
    assert data.targets[0].span == Span(3, 10, 3, 14)
    assert isinstance(data.dist, ast.Call)
    assert data.dist.span == Span(3, 24, 3, 44)
    assert data.dist.args[1].span == Span(3, 35, 3, 42)


def test_read_source() -> None:
    assert read_source(b"\xef\xbb\xbfmodel M", "m.em") == Source("model M", "m.em")
