"""Generated code: parses, is clean, imports three things, and no name or text breaks out of it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import emdsl
from emdsl.compiler import compile_source, import_text
from emdsl.diagnostics import CompileError
from emdsl.runtime.queries import sample
from emdsl.source import Source
from tests.gallery.models import FITTED, compiled, each_fitted

TEXT = """\
model G(K = 2)
param weight  : simplex[K]
param mean[K] : real[D]
param cov[K]  : posdef[D]
param rate[K] : positive
for n in N:
    latent z[n] ~ Categorical(weight)
    latent w[n] ~ Bernoulli(0.4)
    data x[n] : real[D] ~ MvNormal(mean[z[n]], cov[z[n]])
    data y[n] : count ~ Poisson(rate[z[n]]) if w[n] else Delta(0)
"""
MODEL_NAMES = ("y", "G", "K", "D", "N", "weight", "mean", "cov", "rate", "z", "w", "x", "n")
RNG = np.random.default_rng(0)
DATA = {"x": RNG.normal(size=(9, 2)), "y": RNG.poisson(1.0, 9).astype(float)}
PARAMS = {
    "weight": np.array([0.4, 0.6]),
    "mean": np.array([[0.0, 1.0], [1.0, 0.0]]),
    "cov": np.array([np.eye(2), 2.0 * np.eye(2)]),
    "rate": np.array([1.0, 3.0]),
}


def answers(new: dict[str, str]) -> dict[str, Any]:
    """Everything the model says with its names changed, under the names it had."""
    text = re.sub(r"\b\w+\b", lambda word: new.get(word[0], word[0]), TEXT)
    # as the parser reads names
    new = {old: unicodedata.normalize("NFKC", name) for old, name in new.items()}
    back = {name: old for old, name in new.items()}
    program = import_text(compile_source(Source(text, "g.em")).module, "G")
    data = {new.get(k, k): v for k, v in DATA.items()}
    params = {new.get(k, k): v for k, v in PARAMS.items()}
    stats = program.e_step(data, params)
    out = {"log likelihood": np.array(stats.log_likelihood)}
    for what, found in (
        ("m_step", program.m_step(stats, params)),
        ("posterior", program.posterior(data, params)),
        ("predict", program.predict(data, params)),
        ("sample", sample(program.PROGRAM, params, 5, seed=1)),
        ("init", program.init_params(data)),
    ):
        out |= {f"{what} {back.get(k, k)}": v for k, v in found.items()}
    return out


@cache
def plain() -> dict[str, Any]:
    return answers({})


def same_answers(new: dict[str, str]) -> None:
    renamed, expected = answers(new), plain()
    assert set(renamed) == set(expected)
    for key, value in expected.items():
        np.testing.assert_allclose(renamed[key], value, rtol=1e-9, err_msg=f"{key}, {new}")


WORDS = {"data", "real", "category", "positive", "posdef", "simplex", "N", "K", "int", "bool",
         "count"}  # fmt: skip


@cache
def identifiers() -> tuple[str, ...]:
    """Every name that the generated module uses anywhere."""
    tree = ast.parse(compile_source(Source(TEXT, "g.em")).module)
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.FunctionDef(name=name):
                names.add(name)
            case ast.alias(name=name, asname=asname):
                names.add(asname or name)
            case ast.Constant(value=str(text)) if text.isidentifier():
                names.add(text)
    return tuple(sorted(names - set(MODEL_NAMES) - WORDS))


OTHERS = ("exec", "eval", "compile", "open", "print", "type", "len", "__import__", "__name__",
          "__class__", "_", "__", "self", "cls", "None_", "λ", "Σ", "é", "ﬁ", "class", "lambda",
          "yield", "async", "match", "case_", "np", "nm", "rt", "params", "layout", "B", "K_",
          "statistics", "sampling", "runtime", "emdsl", "numpy", "scipy", "special", "s_x", "f_x",
          "c_x", "x_seen", "term_0", "drawn_1", "em_rate", "rate_new", "m_step")  # fmt: skip

# keys and arguments that the module has of its own
CLASHES = (
    ("x", "width"),
    ("y", "width"),
    ("x", "y_observed"),
    ("y", "x_observed"),
    ("z", "direct"),
)
# a word of the language, or of Python where it can only be a mistake
NO_NAMES = {"keyword-as-name", "python-word", "bad-plate", "bad-header", "duplicate"}


@pytest.mark.parametrize("new", OTHERS)
@pytest.mark.parametrize("old", ["rate", "y", "K"])
def test_names_that_mean_something_to_python(old: str, new: str) -> None:
    try:
        same_answers({old: new})
    except CompileError as error:
        if not {d.code for d in error.diagnostics} <= NO_NAMES:
            raise


@pytest.mark.parametrize(("old", "new"), CLASHES)
def test_names_of_the_module_that_clash(old: str, new: str) -> None:
    same_answers({old: new})


def test_a_mask_and_an_array_of_its_name() -> None:
    same_answers({"x": "f_x", "y": "f_x_seen"})


PARTS = 8


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_names_that_mean_something_to_the_module(part: int) -> None:
    """Every name of the model gets every name of the module, all of them at once."""
    names = identifiers()
    for shift in range(part, len(names), PARTS):
        new = {old: names[(shift + i) % len(names)] for i, old in enumerate(MODEL_NAMES)}
        same_answers(new)


# --- text that would like to be code --------------------------------------------------------------

COIN = "param p : unit\nfor n in N:\n    data x[n] : bool ~ Bernoulli(p)\n"
EVIL = [
    '"""\\nimport os\\nraise SystemExit("out")\\n"""',
    "\\\\",
    "ends in a backslash \\\\",
    '\\"\\"\\"; raise SystemExit; \\"\\"\\"',
    "'''",
    "{__import__('os').abort()}",
    "%s {0} \\x00 \\N{BULLET} \\u202e",
    "# a comment",
]


def fit_runs(text: str, data: dict[str, Any]) -> Any:
    module = compile_source(Source(text, 'a"""b\\.em')).module
    ast.parse(module)
    program = import_text(module, "Evil")
    result = program.fit(data, restarts=1, max_iter=3, progress=False)
    assert np.isfinite(result.log_likelihood)
    return program


@pytest.mark.parametrize("doc", EVIL)
def test_docstrings_stay_text(doc: str) -> None:
    text = f'model M\n    "{doc}"\n{COIN}'
    try:
        program = fit_runs(text, {"x": [0, 1, 1]})
    except CompileError:  # not a string of the language: said, not run
        return
    assert program.__doc__ is not None
    assert program.__doc__.startswith("M: ")


@pytest.mark.parametrize("quote", ['"', '""', '"""', "\\", '\\"', "a\\"])
def test_a_source_name_stays_text(quote: str) -> None:
    text = f"model M\n{COIN}"
    module = compile_source(Source(text, f"dir/{quote}; import os #{quote}")).module
    program = import_text(module, "Named")
    assert program.PROGRAM.meta.name == "M"
    assert "import os" not in [line.strip() for line in module.splitlines()]


def test_comments_stay_comments() -> None:
    """A user's density and sizes are printed as mathematics; nothing of them is evaluated."""
    text = (
        "density exec(x : positive; eval : positive) = eval * exp(-eval * x)\n"
        "model M(print = 2)\nparam open[print] : positive\nparam id : simplex[print]\n"
        "for n in N:\n    latent type[n] ~ Categorical(id)\n    data len[n] ~ exec(open[type[n]])\n"
    )
    program = fit_runs(text, {"len": [0.3, 2.0, 5.0, 0.1]})
    drawn = sample(program.PROGRAM, {"open": [1, 2], "id": [0.5, 0.5]}, 4, seed=0)
    assert set(drawn) == {"type", "len"}


@pytest.mark.parametrize("number", ["0 / 0", "1e308 * 10", "10^400"])
def test_numbers_beyond_floats_are_told(number: str) -> None:
    """Not a NameError on inf or nan when the module runs."""
    text = f"model M\nparam p : positive\nfor n in N:\n    data x[n] ~ Normal(0, p * ({number}))\n"
    try:
        program = import_text(compile_source(Source(text, "m.em")).module, "Big")
        program.log_likelihood({"x": [1.0]}, {"p": np.array(1.0)})
    except CompileError:
        pass


# --- clean ----------------------------------------------------------------------------------------

ALLOWED = ("__future__", "collections.abc", "typing", "numpy", "scipy", "emdsl.runtime", "emdsl")


@each_fitted
def test_the_gallery_prints_clean(path: Path) -> None:
    module = compiled(path).module
    tree = ast.parse(module)
    assert ast.get_docstring(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.module in ALLOWED
            if node.module == "emdsl":
                assert [a.name for a in node.names] == ["runtime"]
        elif isinstance(node, ast.Import):
            assert [a.name for a in node.names] == ["numpy"]
    assert not re.search(r"[ \t]+$", module, re.MULTILINE)
    assert "\t" not in module
    assert module.endswith("\n")
    assert not module.endswith("\n\n")


def test_no_line_is_long() -> None:
    lines = [line for path in FITTED for line in compiled(path).module.splitlines()]
    assert [line for line in lines if len(line) > 100] == []


def test_ruff_finds_nothing(tmp_path: Path) -> None:
    for path in FITTED:
        out = tmp_path / f"{path.stem}.py"
        out.write_text(compiled(path).module, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_a_module_needs_no_compiler(tmp_path: Path) -> None:
    """Importing and fitting a generated module loads neither SymPy nor Lark."""
    path = Path(emdsl.__file__).parents[1] / "models" / "gaussian_mixture.em"
    (tmp_path / "made.py").write_text(compiled(path).module, encoding="utf-8")
    code = (
        "import sys, made\n"
        "r = made.fit([[0., 1.], [1., 0.], [3., 4.], [5., 4.], [0., 0.5], [4., 4.5]], K=1,"
        " restarts=1, progress=False)\n"
        "print(r.status, sorted({'sympy', 'lark'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        cwd=tmp_path, env={"PYTHONPATH": f"{path.parents[1]}:{tmp_path}", "PATH": ""},
    )  # fmt: skip
    assert done.stdout.strip() == "converged []", done.stderr
