"""What `emdsl predict` can be asked of a saved fit of sequences."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from emdsl import load
from tests.cli.conftest import Run

CSV = "s,x\na,0.1\nb,2.0\na,0.3\na,1.9\nc,\nb,2.2\nc,0.5\n"


@pytest.fixture(scope="module")
def model(models: Path) -> Path:
    return models / "mixture_of_hmms.em"


@pytest.fixture
def fit(model: Path, tmp_path: Path, emdsl: Run) -> Path:
    data, path = tmp_path / "d.csv", tmp_path / "fit.npz"
    data.write_text(CSV)
    assert emdsl("fit", model, data, "--restarts", "1", "--save", path, "--quiet").code == 0
    return path


def table(text: str) -> tuple[list[str], list[list[str]]]:
    header, *rows = csv.reader(io.StringIO(text))
    return header, rows


def numbers(rows: list[list[str]], column: int) -> np.ndarray:
    return np.array([float(row[column]) for row in rows])


def test_filter(model: Path, fit: Path, emdsl: Run) -> None:
    header, rows = table(emdsl("predict", model, fit, "-", "--filter", stdin=CSV).out)
    assert header == [
        "s", "c[0]", "c[1]", "c_ahead[0]", "c_ahead[1]", "z[0]", "z[1]", "z_ahead[0]", "z_ahead[1]",
        "log_predictive",
    ]  # fmt: skip
    assert [row[0] for row in rows] == list("abaacbc")
    result = load(model).load(fit)
    x = [[0.1, 0.3, 1.9], [2.0, 2.2], [np.nan, 0.5]]
    found = result.filtered({"x": x})
    at = [0, 2, 3, 1, 5, 4, 6]  # rows of a, then b, then c
    np.testing.assert_allclose(numbers(rows, 5)[at], np.concatenate(found.filtered["z"])[:, 0])
    np.testing.assert_allclose(numbers(rows, 3)[at], np.concatenate(found.predicted["c"])[:, 0])
    np.testing.assert_allclose(
        numbers(rows, 9)[at], np.concatenate(found.log_predictive["S, T"]), atol=1e-12
    )


def test_log_likelihood_of_each_sequence(model: Path, fit: Path, emdsl: Run) -> None:
    header, rows = table(emdsl("predict", model, fit, "-", "--log-likelihood", stdin=CSV).out)
    assert (header, [row[0] for row in rows]) == (["s", "log_likelihood"], ["a", "b", "c"])
    result = load(model).load(fit)
    assert numbers(rows, 1).sum() == pytest.approx(result.log_likelihood)
    header, joint = table(emdsl("predict", model, fit, "-", "--log-joint", stdin=CSV).out)
    assert header == ["s", "log_joint"]
    assert (numbers(joint, 1) <= numbers(rows, 1) + 1e-12).all()


def test_draws(model: Path, fit: Path, tmp_path: Path, emdsl: Run) -> None:
    ran = emdsl("predict", model, fit, "-", "--sample", "3", "--seed", "1", stdin=CSV)
    header, rows = table(ran.out)
    assert header == ["draw", "s", "c", "z"]
    assert [row[:2] for row in rows] == [[str(i), s] for i in range(3) for s in "abaacbc"]
    again = emdsl("predict", model, fit, "-", "--sample", "3", "--seed", "1", stdin=CSV)
    assert again.out == ran.out
    path = tmp_path / "draws.npz"
    assert emdsl("predict", model, fit, "-", "--sample", "3", "--seed", "1", "-o", path,
                 stdin=CSV).code == 0  # fmt: skip
    with np.load(path) as drawn:
        assert {n: drawn[n].shape for n in drawn.files} == {"c": (3, 3), "z": (3, 7)}
        np.testing.assert_array_equal(drawn["z"].ravel(), numbers(rows, 3))


def test_draws_of_lists(model: Path, fit: Path, tmp_path: Path, emdsl: Run) -> None:
    data, path = tmp_path / "d.json", tmp_path / "draws.npz"
    data.write_text('{"x": [[1, 2], [3, 4, 5]]}')
    header, rows = table(emdsl("predict", model, fit, data, "--sample", "2").out)
    assert header == ["draw", "s", "c", "z"]
    assert [row[1] for row in rows] == list("0011100111")
    assert emdsl("predict", model, fit, data, "--sample", "2", "-o", path).code == 0
    with np.load(path) as drawn:
        assert drawn["T"].tolist() == [2, 3]
        assert drawn["z"].shape == (2, 5)


@pytest.mark.parametrize("form", ["ids", "lists", "array"])
def test_pairs(model: Path, fit: Path, tmp_path: Path, emdsl: Run, form: str) -> None:
    data = tmp_path / ("d.csv" if form == "ids" else "d.json")
    data.write_text({
        "ids": "s,x\n0,1\n0,2\n1,3\n1,4\n", "lists": '{"x": [[1, 2], [3, 4, 5]]}',
        "array": '{"x": [[1, 2], [3, 4]]}',
    }[form])  # fmt: skip
    header, rows = table(emdsl("predict", model, fit, data, "--pairs").out)
    assert header[0] == "s"
    assert [row[0] for row in rows] == (list("00111") if form == "lists" else list("0011"))
    first = header.index("z[s,t-1] z[s,t][0,0]")
    assert header[first + 3] == "z[s,t-1] z[s,t][1,1]"
    assert [row[first] == "nan" for row in rows[:3]] == [True, False, True]
    assert sum(float(x) for x in rows[1][first : first + 4]) == pytest.approx(1.0)


def test_what_goes_wrong(model: Path, fit: Path, models: Path, tmp_path: Path, emdsl: Run) -> None:
    ran = emdsl("predict", model, fit, "-", "--filter", "--pairs", stdin=CSV)
    assert ran.code == 2
    assert "not allowed with argument" in ran.err
    assert emdsl("predict", model, fit, "-", "--sample", "0", stdin=CSV).code == 2
    mixture, saved = models / "normal_mixture.em", tmp_path / "mixture.npz"
    data = "1\n2\n5\n6\n"
    assert emdsl("fit", mixture, "-", "--set", "K=2", "--save", saved, "--quiet", "--restarts",
                 "1", "--floor", "1e-6", stdin="x\n" + data).code == 0  # fmt: skip
    ran = emdsl("predict", mixture, saved, "-", "--filter", stdin="x\n" + data)
    assert ran.code == 1
    assert "has no latents tied along a chain (z[t-1])" in ran.err
    ran = emdsl("predict", mixture, saved, "-", "--pairs", stdin="x\n" + data)
    assert (ran.code, "no two discrete latents that depend on each other" in ran.err) == (1, True)
    header, rows = table(
        emdsl("predict", mixture, saved, "-", "--log-likelihood", stdin="x\n" + data).out
    )
    assert (header, len(rows)) == (["log_likelihood"], 4)


def test_impute(models: Path, tmp_path: Path, emdsl: Run) -> None:
    text = "s,x[0],x[1]\na,0.1,1\nb,2.0,\na,,1.5\na,1.9,0.2\nc,0.4,0.9\nb,2.2,3\nb,1.5,2.5\n"
    model, path = models / "gaussian_hmm.em", tmp_path / "fit.npz"
    data = tmp_path / "d.csv"
    data.write_text(text)
    done = emdsl("fit", model, data, "--set", "K=1", "--restarts", "1", "--save", path, "--quiet")
    assert done.code == 0
    header, rows = table(emdsl("predict", model, path, data, "--impute").out)
    assert header == ["s", "x[0]", "x[1]", "x_sd[0]", "x_sd[1]"]
    assert [row[0] for row in rows] == list("abaacbb")
    a, b = [[0.1, 1], [None, 1.5], [1.9, 0.2]], [[2.0, None], [2.2, 3], [1.5, 2.5]]
    filled = load(model).load(path).impute({"x": [a, b, [[0.4, 0.9]]]})["x"]
    at = [0, 2, 3, 1, 5, 6, 4]
    for column, values in ((1, filled.values), (3, filled.sd)):
        given = np.stack([numbers(rows, column), numbers(rows, column + 1)], axis=1)
        np.testing.assert_allclose(given[at], np.concatenate(values), atol=1e-9)
    assert (numbers(rows, 3) > 0).tolist() == [False, False, True, False, False, False, False]


def test_impute_where_nothing_is_integrated_out(model: Path, fit: Path, emdsl: Run) -> None:
    done = emdsl("predict", model, fit, "-", "--impute", stdin=CSV)
    assert done.code == 1
    assert "integrates no missing cells out: there is nothing to fill in" in done.err


def test_forecasts_of_a_normal_chain(models: Path, tmp_path: Path, emdsl: Run) -> None:
    """Rows without data at the end: the Nile's level and flow three years ahead."""
    level, nile = models / "local_level.em", models / "data" / "nile.csv"
    saved = tmp_path / "nile.npz"
    assert emdsl("fit", level, nile, "--data", "y=flow", "--save", saved).code == 0
    text = nile.read_text().rstrip() + "\n1971,\n1972,\n1973,\n"
    ran = emdsl("predict", level, saved, "-", "--data", "y=flow", "--filter", stdin=text)
    header, rows = table(ran.out)
    assert header == ["level", "level_sd", "level_ahead", "level_ahead_sd", "y_ahead",
                      "y_ahead_sd", "log_predictive"]  # fmt: skip
    assert len(rows) == 103
    ahead, sd = [float(r[4]) for r in rows[-3:]], [float(r[5]) for r in rows[-3:]]
    assert max(ahead) - min(ahead) < 1e-6 < sd[0] < sd[1] < sd[2]
    assert [float(r[6]) for r in rows[-3:]] == [0.0, 0.0, 0.0]
