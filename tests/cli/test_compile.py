"""`check`, `compile`, `explain` and `dump`; and that no name in a model becomes code."""

from __future__ import annotations

import ast
import builtins
import json
import keyword
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from emdsl.cli.generated import module_stem
from tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]
GOOD = """\
model Normal
param mean : real
param sd   : positive
for n in N:
    data x[n] ~ Normal(mean, sd)
"""
WRONG = GOOD.replace("Normal(mean, sd)", "Normal(maen, sd)").replace("real", "raal")


def test_check(tmp_path: Path, emdsl: Run) -> None:
    good, wrong = tmp_path / "good.em", tmp_path / "wrong.em"
    good.write_text(GOOD)
    wrong.write_text(WRONG)
    ran = emdsl("check", good)
    assert (ran.code, ran.out, ran.err) == (0, f"{good}: no problems\n", "")
    ran = emdsl("check", wrong, good)
    assert (ran.code, ran.out) == (1, f"{good}: no problems\n")
    assert f"{wrong}:2:14: error: " in ran.err
    assert f"{wrong}:5:24: error: " in ran.err
    assert ran.err.endswith(f"\n2 errors in {wrong}\n")


def test_check_json(tmp_path: Path, emdsl: Run) -> None:
    wrong = tmp_path / "wrong.em"
    wrong.write_text(WRONG)
    ran = emdsl("check", "--json", wrong, "-", stdin=WRONG)
    assert (ran.code, ran.err) == (1, "")
    found = json.loads(ran.out)
    places = [(d["file"], d["line"], d["column"], d["severity"]) for d in found]
    assert places == [
        (str(wrong), 2, 14, "error"),
        (str(wrong), 5, 24, "error"),
        ("<stdin>", 2, 14, "error"),
        ("<stdin>", 5, 24, "error"),
    ]
    assert all(d["message"] and d["code"] for d in found)
    assert emdsl("check", "--json", "-", stdin=GOOD).out == "[]\n"


def test_warnings_are_no_errors(emdsl: Run) -> None:
    ran = emdsl("check", "-", stdin=GOOD.replace("param sd", "const unused = 2\nparam sd"))
    assert (ran.code, ran.out) == (0, "<stdin>: 1 warning\n")
    assert "<stdin>:3:7: warning: " in ran.err


def test_compile_writes_beside_you(
    tmp_path: Path, emdsl: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "my-model.em").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    ran = emdsl("compile", "models/my-model.em")
    assert (ran.code, ran.out, ran.err) == (0, "", "wrote my_model.py\n")
    text = Path("my_model.py").read_text()
    ast.parse(text)
    assert emdsl("compile", "models/my-model.em", "-o", "-").out == text
    assert emdsl("compile", "models/my-model.em").code == 0
    Path("my_model.py").write_text("mine = 1\n")
    ran = emdsl("compile", "models/my-model.em")
    assert (ran.code, ran.err.splitlines()[0]) == (
        1,
        "emdsl: error: my_model.py is there already and wasn't written by emdsl",
    )
    assert Path("my_model.py").read_text() == "mine = 1\n"
    assert emdsl("compile", "models/my-model.em", "-o", "my_model.py").code == 0


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("mixture.em", "mixture"),
        ("models/my mixture-2.em", "my_mixture_2"),
        ("numpy.em", "em_numpy"),
        ("random.em", "em_random"),
        ("class.em", "em_class"),
        ("2d.em", "em_2d"),
        ("Größe.em", "Gr__e"),
        ("<stdin>", "model"),
        (".em", "model"),
    ],
)
def test_names_of_modules(name: str, stem: str) -> None:
    assert module_stem(name) == stem


def test_a_wrong_model_writes_nothing(tmp_path: Path, emdsl: Run) -> None:
    out = tmp_path / "out.py"
    ran = emdsl("compile", "-", "-o", out, stdin=WRONG)
    assert (ran.code, ran.out) == (1, "")
    assert not out.exists()


def test_explain(models: Path, emdsl: Run) -> None:
    ran = emdsl("explain", models / "gaussian_mixture.em")
    assert (ran.code, ran.err) == (0, "")
    for word in ("weight", "mean", "cov", "z"):
        assert word in ran.out
    latex = emdsl("explain", "--latex", models / "gaussian_mixture.em")
    assert (latex.code, "\\" in latex.out) == (0, True)


@pytest.mark.parametrize("stage", ["tokens", "tree", "model", "derivation", "plan", "ir", "module"])
def test_dump(stage: str, models: Path, emdsl: Run) -> None:
    ran = emdsl("dump", "--stage", stage, models / "gaussian_mixture.em")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.strip()


def test_a_refusal_names_the_latents(models: Path, emdsl: Run) -> None:
    ran = emdsl("check", models / "rasch.em")
    assert (ran.code, ran.out) == (1, "")
    assert str(models / "rasch.em") in ran.err
    assert "Traceback" not in ran.err


NAMES = sorted(
    {
        *(k for k in keyword.kwlist if k.isidentifier()),
        *(b for b in dir(builtins) if b.isidentifier() and not b.startswith("__")),
        "np", "rt", "data", "params", "self", "fit", "PROGRAM", "seed", "K", "statistics", "block",
        "layout", "pivot", "features", "numpy", "scipy", "emdsl", "μ", "Ω", "ſ", "ﬁt",
    }
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_any_name_compiles_and_runs(name: str, tmp_path: Path, emdsl: Run) -> None:
    model = tmp_path / "m.em"
    model.write_text(
        f"model M\nparam {name} : real\nparam sd_ : positive\n"
        f"for n in N:\n    data x_[n] ~ Normal({name}, sd_)\n"
    )
    checked = emdsl("check", model)
    assert checked.code in (0, 1), checked.err
    if checked.code == 1:  # a word of the language, said so
        assert name in checked.err
        return
    ran = emdsl("fit", model, "-", "--json", stdin="x_\n1\n2\n6\n")
    assert ran.code == 0, ran.err
    known = unicodedata.normalize("NFKC", name)  # as in Python
    assert json.loads(ran.out)["params"][known] == pytest.approx(3)


REST = "param m : real\nfor n in N:\n    data x[n] ~ Normal(m, 1)\n"
OPEN = "open({pwned!r}, 'w')"
INJECTIONS = {
    "call as a name": f'model M\nparam x__import__("os").remove : real\n{REST}',
    "single quotes": f"model M\n    \"''' + {OPEN}.name + '''\"\n{REST}",
    "backslash": f'model M\n    "ends in \\\\"\n    "; {OPEN}  # \\"\n{REST}',
    "carriage return in the docstring": f'model M\n    "doc\r{OPEN}"\n{REST}',
    "line separators": f'model M\n    "doc\u2028{OPEN}\x85{OPEN}\x0c{OPEN}"\n{REST}',
    "carriage return in a comment": f"model M  # a\r{OPEN}\n# b\r{OPEN}\n{REST}",
    "quotes in a comment": f'model M\n# """\n{REST}# """; {OPEN}\n',
    "format fields": f'model M\n    "{{{{0.__class__}}}} %s {{{{{OPEN}}}}}"\n{REST}',
    "dunder names": "model __import__\nparam __class__ : real\nparam __builtins__ : positive\n"
    "for n in N:\n    data __dict__[n] ~ Normal(__class__, __builtins__)\n",
    "call in a constant": f"model M\nconst c = [0, 1, {OPEN}]\n{REST}",
    "call in an argument": f"model M\n{REST}".replace("1)", 'exec("open(1)"))'),
    "call in a size": f"model M\n{REST}".replace("in N", "in __import__[os]"),
    "call in a density": f"density F(x : real; a : real) = exec(x) + {OPEN}\nmodel M\n{REST}",
}


def _run_module(path: Path) -> None:
    subprocess.run(
        [sys.executable, path], cwd=path.parent, check=True, capture_output=True, timeout=60,
        env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.mark.parametrize("what", INJECTIONS)
def test_nothing_in_a_model_is_executed(what: str, tmp_path: Path, emdsl: Run) -> None:
    pwned = tmp_path / "pwned"
    model = tmp_path / "m.em"
    model.write_bytes(INJECTIONS[what].format(pwned=str(pwned)).encode())
    out = tmp_path / "m.py"
    ran = emdsl("compile", model, "-o", out)
    assert ran.code in (0, 1), ran.err
    if ran.code == 0:
        ast.parse(out.read_text())
        _run_module(out)
    assert not pwned.exists()


def test_a_file_name_is_not_code_either(tmp_path: Path, emdsl: Run) -> None:
    pwned = tmp_path / "pwned"
    model = tmp_path / f'a""";open("{pwned.name}","w");"""\n# b.em'
    model.write_text(GOOD)
    out = tmp_path / "m.py"
    assert emdsl("compile", model, "-o", out).code == 0
    _run_module(out)
    assert not pwned.exists()


def test_a_generated_module_needs_no_compiler(tmp_path: Path, models: Path, emdsl: Run) -> None:
    out = tmp_path / "mixture.py"
    assert emdsl("compile", models / "gaussian_mixture.em", "-o", out).code == 0
    code = (
        "import sys, numpy as np; import mixture;"
        "mixture.fit(np.random.default_rng(0).normal(size=(50, 2)), K=2, seed=0, restarts=1);"
        "print([m for m in ('sympy', 'lark', 'emdsl.compiler') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False,
        timeout=120, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_a_standalone_module_needs_no_emdsl(tmp_path: Path, models: Path, emdsl: Run) -> None:
    out = tmp_path / "mixture.py"
    ran = emdsl("compile", "--standalone", models / "gaussian_mixture.em", "-o", out)
    assert ran.code == 0, ran.err
    code = (
        "import sys; sys.modules['emdsl'] = None; import numpy as np; import mixture;"
        "r = mixture.fit(np.random.default_rng(0).normal(size=(50, 2)), K=2, seed=0, restarts=1);"
        "print(r.status, [m for m in sys.modules if m.startswith(('sympy', 'lark', 'emdsl.'))])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False,
        timeout=120, env={},
    )  # fmt: skip
    assert (ran.stdout, ran.stderr) == ("converged []\n", "")


def test_compiling_twice_gives_the_same_bytes(models: Path, emdsl: Run) -> None:
    first = emdsl("compile", models / "abo.em", "-o", "-")
    code = "import sys; from emdsl.cli import main; sys.exit(main(sys.argv[1:]))"
    second = subprocess.run(
        [sys.executable, "-c", code, "compile", models / "abo.em", "-o", "-"],
        cwd=ROOT, capture_output=True, check=False, timeout=120,
        env={"PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert second.stdout.decode() == first.out


MANY = """model Many
param a[20], b[20] : simplex[20]
param first : simplex[20]
param p[20, 20] : unit
for t in T:
    latent f[t] ~ Categorical(first) if t == 0 else Categorical(a[f[t-1]])
    latent g[t] ~ Categorical(first) if t == 0 else Categorical(b[g[t-1]])
    data   x[t] ~ Bernoulli(p[f[t], g[t]])
"""


def test_a_warning_of_many_states(emdsl: Run) -> None:
    for command in (("check", "-"), ("compile", "-"), ("explain", "-")):
        ran = emdsl(*command, stdin=MANY)
        assert ran.code == 0
        assert "warning: `f` and `g` are summed out together along `t`" in ran.err
        assert "all pairs of 400 states [many-states]" in ran.err
    assert "400 states, 160000 pairs of them a step" in " ".join(ran.out.split())
    assert emdsl("check", "-", stdin=MANY).out.endswith(": 1 warning\n")


ROBUST = """model Robust
param m     : real
param s, nu : positive
for n in N:
    data x[n] ~ StudentT(nu, m, s)
"""


def test_data_with_a_latent_of_their_own(tmp_path: Path, emdsl: Run) -> None:
    model, data, saved = tmp_path / "r.em", tmp_path / "d.csv", tmp_path / "fit.npz"
    model.write_text(ROBUST)
    data.write_text("x\n" + "\n".join(map(str, [1.2, 0.8, 1.1, 0.7, 1.0, 1.4, 30.0])) + "\n")
    assert "x_weight" not in emdsl("compile", model, "-o", "-").out
    assert "x_weight" in emdsl("compile", model, "--augment", "-o", "-").out
    assert emdsl("check", model, "--augment").out == f"{model}: no problems\n"
    off = emdsl("explain", model, "--no-augment").out
    assert "Why not: it is turned off" in off
    assert "Why not: nothing else is latent" in emdsl("explain", model).out
    plain = json.loads(emdsl("fit", model, data, "--json", "--quiet").out)
    other = emdsl("fit", model, data, "--augment", "--json", "--quiet", "--save", saved)
    found = json.loads(other.out)
    assert found["module"] != plain["module"]
    assert abs(found["objective"] - plain["objective"]) < 1e-3
    rows = emdsl("predict", model, saved, data, "--augment").out.splitlines()
    assert rows[0] == "x_weight,x_weight_sd"
    weights = [float(row.split(",")[0]) for row in rows[1:]]
    assert weights.index(min(weights)) == 6
    assert emdsl("predict", model, saved, data).code == 1  # as written nothing is latent
    assert emdsl("sample", model, saved, "-n", "3", "--augment").out.splitlines()[0] == "x"
