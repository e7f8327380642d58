"""Wrong usage: exit code 2 and a way out, never a traceback."""

from __future__ import annotations

import pytest

from emdsl import __version__
from tests.cli.conftest import Run

WRONG = {
    (): "emdsl: error: the following arguments are required: command",
    ("explian",): "emdsl: error: there is no command 'explian'; did you mean explain?",
    ("fmt", "--chek", "m.em"): "emdsl fmt: error: there is no option '--chek'; "
    "did you mean --check or --help?",
    ("--json", "check", "m.em"): "emdsl check: error: '--json' goes behind the command: "
    "`emdsl check ... --json`",
    ("compile", "a.em", "b.em"): "emdsl compile: error: unexpected argument 'b.em'",
    ("dump", "--stage", "grph", "a.em"): "emdsl dump: error: there is no stage 'grph'",
    ("fit", "a.em"): "emdsl fit: error: the following arguments are required: DATA",
    ("fit", "a.em", "d.csv", "--restarts", "0"): "emdsl fit: error: argument --restarts: "
    "expected a whole number from 1, found '0'",
    ("fit", "a.em", "d.csv", "--seed", "-1"): "emdsl fit: error: argument --seed: "
    "expected a whole number from 0, found '-1'",
    ("fit", "a.em", "d.csv", "--tol", "nan"): "emdsl fit: error: argument --tol: "
    "expected a number from 0, found 'nan'",
}


@pytest.mark.parametrize("argv", WRONG, ids=" ".join)
def test_wrong_usage(argv: tuple[str, ...], emdsl: Run) -> None:
    ran = emdsl(*argv)
    assert ran.code == 2
    assert ran.out == ""
    usage, error, help_line = ran.err.rsplit("\n", 3)[:3]
    assert usage.startswith("usage: emdsl")
    assert error == WRONG[argv]
    assert help_line.startswith("  help: see `emdsl")


def test_debug_goes_before_the_command_or_behind(emdsl: Run) -> None:
    for argv in (("--debug", "check", "no.em"), ("check", "--debug", "no.em")):
        ran = emdsl(*argv)
        assert ran.code == 1
        assert "no.em" in ran.err


def test_version(emdsl: Run) -> None:
    assert emdsl("--version").out == f"emdsl {__version__}\n"


@pytest.mark.parametrize(
    "command", ["fit", "predict", "sample", "check", "explain", "compile", "fmt", "dump"]
)
def test_help_ends_in_examples(command: str, emdsl: Run) -> None:
    ran = emdsl(command, "--help")
    assert ran.code == 0
    assert f"\n  emdsl {command} " in ran.out.partition("\nexamples:\n")[2]


def test_every_command_is_in_the_help(emdsl: Run) -> None:
    out = emdsl("--help").out
    for command in ("fit", "predict", "sample", "check", "explain", "compile", "fmt", "dump"):
        assert f"\n    {command} " in out


def test_standard_input_stands_for_one_file(emdsl: Run) -> None:
    ran = emdsl("check", "-", "-")
    assert (ran.code, ran.err) == (
        2,
        "emdsl: error: only one file can be standard input (-)\n",
    )
