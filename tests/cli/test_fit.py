"""From a model and a data file to a fit, its predictions and samples."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Run

NORMAL = """\
model Normal
param mean : real
param sd   : positive
for n in N:
    data x[n] ~ Normal(mean, sd)
"""


@pytest.fixture
def normal(tmp_path: Path) -> Path:
    path = tmp_path / "normal.em"
    path.write_text(NORMAL)
    return path


def rows(text: str) -> tuple[list[str], list[list[float]]]:
    header, *cells = csv.reader(io.StringIO(text))
    return header, [[float(c) for c in row] for row in cells]


def test_the_main_job(models: Path, emdsl: Run) -> None:
    ran = emdsl(
        "fit", models / "gaussian_mixture.em", models / "data" / "faithful.csv",
        "--set", "K=2", "--seed", "0", "--restarts", "10", "--tol", "1e-10", "--max-iter", "5000",
        "--json",
    )  # fmt: skip
    assert (ran.code, ran.err) == (0, "")
    found = json.loads(ran.out)
    assert found["status"] == "converged"
    assert found["log_likelihood"] == pytest.approx(-1130.26396, rel=1e-7)
    assert found["objective"] == found["log_likelihood"]
    assert found["sizes"] == {"K": 2, "N": 272, "D": 2}
    assert found["n_params"] == 11
    assert found["aic"] == pytest.approx(2 * 11 - 2 * found["log_likelihood"])
    assert found["bic"] == pytest.approx(np.log(272) * 11 - 2 * found["log_likelihood"])
    assert found["n_iter"] > 0
    assert found["columns"] == {"x": ["eruptions", "waiting"]}
    shapes = {name: np.shape(value) for name, value in found["params"].items()}
    assert shapes == {"weight": (2,), "mean": (2, 2), "cov": (2, 2, 2)}
    assert Path(found["module"]).is_file()
    first = int(found["params"]["mean"][1][0] < found["params"]["mean"][0][0])
    assert found["params"]["mean"][first] == pytest.approx([2.0364, 54.4785], rel=1e-3)


def test_what_a_person_sees(models: Path, emdsl: Run) -> None:
    ran = emdsl(
        "fit", models / "gaussian_mixture.em", models / "data" / "faithful.csv", "--set", "K=2"
    )
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("GaussianMixture: converged after ")
    for line in (
        "  log likelihood -1130.26396",
        "\nweight : simplex[K]  (2,)\n",
        "\nmean[K] : real[D]  (2, 2)\n",
        "\ncov[K] : posdef[D]  (2, 2, 2)\n",
        "\ndata x: eruptions, waiting\n",
        "\ngenerated module: ",
    ):
        assert line in ran.out
    assert Path(ran.out.rpartition("generated module: ")[2].strip()).is_file()


def test_the_second_time_nothing_is_compiled(
    normal: Path, emdsl: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> object:
        raise AssertionError("compiled again")

    first = emdsl("fit", normal, "-", stdin="x\n1\n2\n4\n")
    monkeypatch.setattr("emdsl.compiler.compile_source", refuse)
    assert emdsl("fit", normal, "-", stdin="x\n1\n2\n4\n") == first
    normal.write_text(NORMAL.replace("real", "positive"))
    assert emdsl("fit", normal, "-", stdin="x\n1\n2\n4\n").code == 3


def test_weights_inputs_and_mapped_columns(tmp_path: Path, emdsl: Run) -> None:
    model = tmp_path / "m.em"
    model.write_text(
        "model Line\nparam a, b : real\nparam sd : positive\n"
        "for n in N times freq[n]:\n    input u[n] : real\n"
        "    data y[n] ~ Normal(a + b * u[n], sd)\n"
    )
    data = tmp_path / "d.csv"
    data.write_text("dose,effect,count\n0,1,2\n1,3,1\n2,6,1\n")
    ran = emdsl(
        "fit", model, data, "--json",
        "--data", "y=effect", "--data", "freq=count", "--data", "u=dose",
    )  # fmt: skip
    assert (ran.code, ran.err) == (0, "")
    found = json.loads(ran.out)
    slope, intercept = np.polyfit([0, 0, 1, 2], [1, 1, 3, 6], 1)
    assert found["params"]["a"] == pytest.approx(intercept, rel=1e-3)
    assert found["params"]["b"] == pytest.approx(slope, rel=1e-3)
    assert found["bic_n"] == 4


def test_save_predict_sample(models: Path, tmp_path: Path, emdsl: Run) -> None:
    model, data = models / "gaussian_mixture.em", models / "data" / "faithful.csv"
    fit = tmp_path / "fit.npz"
    assert emdsl("fit", model, data, "--set", "K=3", "--save", fit, "--quiet").code == 0

    header, found = rows(emdsl("predict", model, fit, data).out)
    assert header == ["z", "z[0]", "z[1]", "z[2]"]
    assert len(found) == 272
    for z, *weights in found:
        assert sum(weights) == pytest.approx(1)
        assert weights[int(z)] == max(weights)

    out = tmp_path / "sample.csv"
    ran = emdsl("sample", model, fit, "-n", "5", "--seed", "1", "-o", out)
    assert (ran.code, ran.out) == (0, "")
    header, drawn = rows(out.read_text())
    assert header == ["z", "x[0]", "x[1]"]
    assert len(drawn) == 5
    assert emdsl("sample", model, fit, "-n", "5", "--seed", "1").out == out.read_text()
    assert emdsl("sample", model, fit, "-n", "5", "--seed", "2").out != out.read_text()

    archive = tmp_path / "sample.npz"
    assert emdsl("sample", model, fit, "-o", archive).code == 0
    with np.load(archive, allow_pickle=False) as arrays:
        assert {name: arrays[name].shape for name in arrays} == {"z": (272,), "x": (272, 2)}
    assert emdsl("fit", model, archive, "--quiet").code == 0


def test_what_is_held(models: Path, emdsl: Run) -> None:
    model, data = models / "normal_mixture.em", models / "data" / "faithful.csv"
    common = ("fit", model, data, "--data", "x=waiting", "--set", "K=2")
    ran = emdsl(*common, "--json", "--fix", "sd=6", "--fix", "mean=[55, null]")
    assert (ran.code, ran.err) == (0, "")
    found = json.loads(ran.out)
    assert found["params"]["sd"] == [6.0, 6.0]
    assert found["params"]["mean"][0] == 55.0
    assert found["params"]["mean"][1] == pytest.approx(80.0, abs=1.0)
    assert (found["n_params"], found["fix"]) == (2, {"mean": [55.0, None], "sd": [6.0, 6.0]})
    for words, code, text in (
        (("--fix", "sd"), 2, "--fix sd: expected NAME=VALUE"),
        (("--fix", "sd=x"), 2, "--fix sd=x: expected a number or an array of numbers"),
        (("--fix", "sd=1", "--fix", "sd=2"), 2, "--fix sd is given twice"),
        (("--fix", "mu=1"), 1, "'mu' in fix is no parameter of NormalMixture"),
    ):
        ran = emdsl(*common, *words)
        assert ran.code == code
        assert text in ran.err


def test_bounds_of_shares(tmp_path: Path, models: Path, emdsl: Run) -> None:
    """A line of the model; what is held besides has to leave the others room."""
    model = tmp_path / "bounded.em"
    text = (models / "normal_mixture.em").read_text()
    model.write_text(text + "constrain weight[0] <= 0.3\nconstrain weight >= 0.2\n")
    common = ("fit", model, models / "data" / "faithful.csv", "--data", "x=waiting")
    ran = emdsl(*common, "--set", "K=2", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out)["params"]["weight"] == pytest.approx([0.3, 0.7], abs=1e-15)
    for words, text in (
        (
            ("--set", "K=6"),
            "the entries of weight sum to 1.2 at least by `weight >= 0.2`, expected 1",
        ),
        (("--fix", "weight=[null, 0.9]"), "the entries of weight sum to 1.1 at least by `fix`"),
        (
            ("--fix", "weight=[0.4, null]"),
            "weight[0] is held at 0.4, which is outside of its bounds",
        ),
    ):
        ran = emdsl(*common, *words)
        assert ran.code == 1
        assert text in ran.err


def test_sampling_with_inputs(tmp_path: Path, emdsl: Run) -> None:
    model = tmp_path / "m.em"
    model.write_text(
        "model Line\nparam b : real\nparam sd : positive\n"
        "for n in N:\n    input u[n] : real\n    data y[n] ~ Normal(b * u[n], sd)\n"
    )
    fit = tmp_path / "fit.npz"
    data = "u,y\n1,2\n2,4.5\n3,5.5\n"
    assert emdsl("fit", model, "-", "--save", fit, stdin=data).code == 0
    header, drawn = rows(emdsl("sample", model, fit, "-", stdin="u\n0\n100\n").out)
    assert header[-1] == "y"
    assert abs(drawn[0][-1]) < 10 < drawn[1][-1]
    ran = emdsl("sample", model, fit, "-n", "3")
    assert (ran.code, ran.err.splitlines()) == (
        1,
        [
            "emdsl: error: Line draws its data given u",
            "  help: name a data file with the inputs after the fit",
        ],
    )
    ran = emdsl("sample", model, fit, "-", "-n", "3", stdin="u\n0\n100\n")
    assert (ran.code, ran.err.splitlines()[0]) == (
        2,
        "emdsl: error: -n is for a model with one open plate: here the inputs decide",
    )


def test_start_from_given_parameters(normal: Path, tmp_path: Path, emdsl: Run) -> None:
    init = tmp_path / "init.json"
    init.write_text(json.dumps({"params": {"mean": 5, "sd": 2}}))
    ran = emdsl("fit", normal, "-", "--init", init, "--max-iter", "0", "--json", stdin="x\n1\n2\n")
    assert json.loads(ran.out)["params"] == {"mean": 5, "sd": 2}
    init.write_text(json.dumps({"mean": 5, "sd": -2}))
    ran = emdsl("fit", normal, "-", "--init", init, stdin="x\n1\n2\n")
    assert ran.code == 1
    assert "sd" in ran.err
    init.write_text("mean = 5")
    ran = emdsl("fit", normal, "-", "--init", init, stdin="x\n1\n2\n")
    assert (ran.code, ran.err.startswith(f"emdsl: error: {init} is not JSON: ")) == (1, True)


def test_start_from_a_saved_fit(normal: Path, tmp_path: Path, emdsl: Run) -> None:
    saved = tmp_path / "fit.npz"
    emdsl("fit", normal, "-", "--save", saved, stdin="x\n4\n8\n")
    again = ("fit", normal, "-", "--init", saved, "--max-iter", "0", "--json")
    assert json.loads(emdsl(*again, stdin="x\n1\n2\n").out)["params"] == {"mean": 6, "sd": 2}
    saved.write_bytes(b"x = 5")
    ran = emdsl("fit", normal, "-", "--init", saved, stdin="x\n1\n2\n")
    assert (ran.code, ran.err.splitlines()[0]) == (
        1,
        f"emdsl: error: {saved} is no saved fit, expected a file from result.save",
    )


USAGE = {
    ("--set", "K"): "--set K: expected NAME=VALUE",
    ("--set", "K=2"): "--set K: the model has no size or constant K",
    ("--set", "N=two"): "--set N=two: a size is a whole number",
    ("--set", "N=0"): "--set N=0: a size is at least 1",
    ("--set", "N=2", "--set", "N=2"): "--set N is given twice",
    ("--data", "x=a", "--data", "x=a"): "--data x is given twice",
    ("--data", "x=a,a"): "--data x=a,a: a column is named twice",
    ("--data", "z=a"): "--data: the model has no data or input 'z'",
    ("--delimiter", ";;"): "--delimiter ;;: expected one character, or tab",
}


@pytest.mark.parametrize("options", USAGE, ids=" ".join)
def test_wrong_options(options: tuple[str, ...], normal: Path, emdsl: Run) -> None:
    ran = emdsl("fit", normal, "-", *options, stdin="a\n1\n2\n")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[0] == f"emdsl: error: {USAGE[options]}"


# What is wrong in the data, and the code and the line that say so.
DATA: dict[str, str] = {
    "": "<stdin> is empty",
    "x\n": "<stdin> has column names but no rows",
    "x\n1\noops\n": "<stdin>:3: column 'x': 'oops' is not a number",
    "x,y\n1,2\n1\n": "<stdin>:3: 1 cell, but the header has 2",
    "x\n1\ninf\n": "<stdin>:3: column 'x': 'inf' is infinite",
    "x\nNA\nNaN\n": "x: 'x' is missing in every row",
}


@pytest.mark.parametrize("text", DATA, ids=repr)
def test_wrong_data(text: str, normal: Path, emdsl: Run) -> None:
    ran = emdsl("fit", normal, "-", stdin=text)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("emdsl: error: ")
    if text != "x\nNA\nNaN\n":
        assert ran.err.splitlines()[0] == f"emdsl: error: {DATA[text]}"


@pytest.mark.parametrize("text", ["x\n3\n", "x\n3\n3\n3\n"])
def test_no_variance_is_a_stated_result(text: str, normal: Path, emdsl: Run) -> None:
    ran = emdsl("fit", normal, "-", "--json", stdin=text)
    assert ran.code == 0
    found = json.loads(ran.out)
    assert found["status"] == "degenerate"
    assert found["log_likelihood"] is None
    assert "unbounded" in ran.err


def test_missing_cells_drop_out(normal: Path, emdsl: Run) -> None:
    whole = json.loads(emdsl("fit", normal, "-", "--json", stdin="x\n1\n2\n4\n").out)
    holes = json.loads(emdsl("fit", normal, "-", "--json", stdin="x,y\n1,a\n,a\n2,a\n4,a\n").out)
    assert holes["params"] == pytest.approx(whole["params"])
    assert holes["log_likelihood"] == pytest.approx(whole["log_likelihood"])


def test_a_fit_that_is_none(normal: Path, tmp_path: Path, emdsl: Run) -> None:
    wrong = tmp_path / "fit.npz"
    wrong.write_bytes(b"no")
    ran = emdsl("sample", normal, wrong)
    assert (ran.code, ran.err.startswith(f"emdsl: error: {wrong} is no saved fit")) == (1, True)
    ran = emdsl("sample", normal, tmp_path / "none.npz")
    assert (ran.code, ran.err) == (
        1,
        f"emdsl: error: {tmp_path}/none.npz: no such file or directory\n",
    )


def test_nothing_to_predict(normal: Path, tmp_path: Path, emdsl: Run) -> None:
    fit = tmp_path / "fit.npz"
    assert emdsl("fit", normal, "-", "--save", fit, stdin="x\n1\n2\n").code == 0
    ran = emdsl("predict", normal, fit, "-", stdin="x\n1\n")
    assert (ran.code, ran.err) == (
        1,
        "emdsl: error: Normal has no latents: there is nothing to predict\n",
    )


def test_not_converged_is_said(models: Path, emdsl: Run) -> None:
    ran = emdsl(
        "fit", models / "gaussian_mixture.em", models / "data" / "faithful.csv", "--max-iter", "1"
    )
    assert ran.code == 0
    assert ran.err.splitlines()[0] == "emdsl: warning: not converged after 1 iteration"


def test_output_that_cannot_be_written_is_said_first(normal: Path, emdsl: Run) -> None:
    ran = emdsl("fit", normal, "-", "--save", "/no/such/fit.npz", stdin="x\n1\n2\n")
    assert (ran.code, ran.err) == (
        1,
        "emdsl: error: /no/such/fit.npz can't be written: there is no folder /no/such\n",
    )


OPEN = """model Open
const c : positive
param b : real
for n in N:
    latent z[n] ~ Bernoulli(0.5)
    data   y[n] ~ Normal(b * c if z[n] else 0, 1)
"""


def test_an_open_constant(emdsl: Run, tmp_path: Path) -> None:
    model, data, fit = (str(tmp_path / name) for name in ("m.em", "y.csv", "fit.npz"))
    Path(model).write_text(OPEN)
    Path(data).write_text("y\n0\n4\n")
    one = emdsl("fit", model, data, "--set", "c=1", "--save", fit, "--json", "--quiet")
    two = emdsl("fit", model, data, "--set", "c=2", "--json", "--quiet")
    b, half = (json.loads(ran.out)["params"]["b"] for ran in (one, two))
    assert b == pytest.approx(2 * half)
    for ran in (
        emdsl("fit", model, data),
        emdsl("predict", model, fit, data),
        emdsl("sample", model, fit),
    ):
        assert (ran.code, ran.out) == (1, "")
        assert "the model leaves the constant c open\n  help: give it" in ran.err
        assert "--set 'c=2.5'" in ran.err
    assert emdsl("predict", model, fit, data, "--set", "c=1").code == 0
    assert emdsl("sample", model, fit, "-n", "2", "--set", "c=1").code == 0
