"""A standalone module does what the plain one does, without emdsl."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from emdsl.backends.scopes import references
from emdsl.backends.standalone import standalone
from emdsl.compiler import compile_source, import_text
from emdsl.diagnostics import CompileError
from emdsl.source import Source
from tests.backends.alone import run_alone

MODELS = Path(__file__).parents[2] / "models"

RUN = """
import numpy as np

x = np.loadtxt(sys.argv[2], delimiter=",", skiprows=1)
result = alone.fit(x, K=2, seed=3, restarts=2)
result.save(sys.argv[1] + "/fit.npz")
again = alone.rt_load(alone.PROGRAM, sys.argv[1] + "/fit.npz")
drawn = result.sample(5, seed=1)
print(json.dumps({
    "log_likelihood": result.log_likelihood,
    "again": again.log_likelihood,
    "mean": result.params["mean"].tolist(),
    "posterior": alone.posterior(x, result.params)["z"][:3].tolist(),
    "predict": alone.predict(x, result.params)["z"][:9].tolist(),
    "e_step": alone.e_step(x, result.params).log_likelihood,
    "drawn": np.asarray(drawn["x"]).tolist(),
    "text": repr(result),
}))
"""


@cache
def compiled(name: str) -> str:
    path = MODELS / f"{name}.em"
    return compile_source(Source(path.read_text(encoding="utf-8"), path.name)).module


def compilable() -> list[str]:
    found = []
    for path in sorted(MODELS.glob("*.em")):
        try:
            compiled(path.stem)
        except CompileError:
            continue
        found.append(path.stem)
    return found


def test_runs_without_emdsl_and_agrees(tmp_path: Path) -> None:
    text = compiled("gaussian_mixture")
    data = MODELS / "data" / "faithful.csv"
    found = run_alone(text, RUN, tmp_path, str(data))

    module = import_text(text, "with_emdsl")
    x = np.loadtxt(data, delimiter=",", skiprows=1)
    result = module.fit(x, K=2, seed=3, restarts=2)
    assert found["log_likelihood"] == result.log_likelihood == found["again"]
    assert found["mean"] == result.params["mean"].tolist()
    assert found["posterior"] == module.posterior(x, result.params)["z"][:3].tolist()
    assert found["predict"] == module.predict(x, result.params)["z"][:9].tolist()
    assert found["e_step"] == module.e_step(x, result.params).log_likelihood
    assert found["drawn"] == result.sample(5, seed=1)["x"].tolist()
    assert found["text"] == repr(result)


@pytest.mark.slow
def test_every_model_stands_alone() -> None:
    for name in compilable():
        text = standalone(compiled(name))
        tree = ast.parse(text)
        roots = {
            (node.module or "").split(".")[0] if isinstance(node, ast.ImportFrom) else alias.name
            for node in ast.walk(tree)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        }
        outside = {r.split(".")[0] for r in roots} - set(sys.stdlib_module_names)
        assert outside <= {"numpy", "scipy"}, name
        bound = {r.name for r in references(tree) if is_binding(r.node)} | imported(tree)
        unknown = {r.name for r in references(tree)} - bound - set(dir(builtins))
        assert not unknown, f"{name}: {unknown}"


def is_binding(node: ast.AST) -> bool:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return True
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def imported(tree: ast.Module) -> set[str]:
    return {
        (alias.asname or alias.name).split(".")[0]
        for node in tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }


def test_the_same_every_time() -> None:
    text = compiled("poisson_mixture")
    assert standalone(text) == standalone(text)


def test_names_of_the_model_are_never_taken_by_the_runtime() -> None:
    path = MODELS / "normal_mixture.em"
    source = path.read_text(encoding="utf-8")
    for old, new in (("weight", "rt_bind"), ("mean", "nm_normalize"), ("sd", "Engine")):
        source = re.sub(rf"\b{old}\b", new, source)
    text = standalone(compile_source(Source(source, "names.em")).module)
    module = import_text(text, "names")
    x = np.concatenate([np.linspace(-1, 1, 50), np.linspace(9, 11, 50)])
    result = module.fit(x, K=2, restarts=2)
    assert set(result.params) == {"rt_bind", "nm_normalize", "Engine"}
    assert np.allclose(np.sort(result.params["nm_normalize"]), [0, 10], atol=0.2)


def test_strings_and_comments_stay(tmp_path: Path) -> None:
    text = standalone(compiled("gaussian_mixture"))
    (tmp_path / "x.py").write_text(text, encoding="utf-8")
    assert "see `emdsl.runtime.fit`" in text
    assert "from emdsl" not in "\n".join(
        line for line in text.split("\n") if line.startswith(("from ", "import ", "    from "))
    )


def test_only_models_with_coupled_rows_carry_what_couples_them() -> None:
    chains = {"chains", "lockstep", "decoding", "smoothed", "trees", "walks", "structures"}
    carried = {
        name: set(re.findall(r"# --- emdsl\.runtime\.(\w+)", standalone(compiled(name))))
        for name in ("gaussian_mixture", "gaussian_hmm", "dawid_skene")
    }
    assert not carried["gaussian_mixture"] & chains
    assert chains <= carried["gaussian_hmm"]
    assert "structures" in carried["dawid_skene"]


def test_names_that_a_match_binds_are_local() -> None:
    text = (
        "def f(x):\n    match x:\n        case [first, *rest]:\n            return first, rest\n"
        "        case {'a': value, **others}:\n            return value, others\n"
        "        case int(found) | str(found) as whole:\n            return found, whole\n"
    )
    assert {r.name for r in references(ast.parse(text))} == {"f", "int", "str"}
