"""Densities and priors of the file's own on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run

WRONG = "density F(x : real; s : positive) = exp(-(x / s)^2)\n"
RIGHT = "density F(x : real; s : positive) = exp(-(x / s)^2) / (s * 1.7724538509055159)\n"
REST = "model M\nparam s : positive\nfor n in N:\n    data x[n] ~ F(s)\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "x.csv"
    path.write_text("x\n" + "\n".join(map(str, [0.5, -1.0, 2.0, 0.25])) + "\n")
    return path


@pytest.mark.parametrize("command", ["check", "fit"])
def test_what_is_no_density_is_refused(
    tmp_path: Path, table: Path, emdsl: Run, command: str
) -> None:
    path = tmp_path / "m.em"
    path.write_text(WRONG + REST)
    ran = emdsl(command, path, *([table] if command == "fit" else []))
    assert ran.code == 1
    assert "m.em:1:1: error: `F` integrates to 2.14467, not to 1, at s = 1.21" in ran.err
    assert "help: divide it by 1.772453851 * s" in ran.err
    path.write_text(RIGHT + REST)
    assert emdsl(command, path, *([table] if command == "fit" else [])).code == 0


def test_log_prior_stands_beside_the_log_likelihood(
    tmp_path: Path, table: Path, emdsl: Run
) -> None:
    path = tmp_path / "m.em"
    path.write_text(
        "model M\nparam s : positive ~ Cauchy(0, 1)\nfor n in N:\n    data x[n] ~ Normal(0, s)\n"
    )
    found = json.loads(emdsl("fit", path, table, "--json").out)
    assert found["objective"] == pytest.approx(found["log_likelihood"] + found["log_prior"])
    shown = emdsl("fit", path, table).out
    assert (
        f"log likelihood {found['log_likelihood']:.6f}, log prior {found['log_prior']:.6f}, "
        f"log posterior {found['objective']:.6f}"
    ) in shown
