"""The command as a process of its own: what it loads, broken pipes, Ctrl-C, bugs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]
HEAVY = ("numpy", "scipy", "sympy", "lark")


def python(code: str, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *argv],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("name", ["emdsl", "emdsl.cli.arguments"])
def test_importing_loads_nothing_heavy(name: str) -> None:
    ran = python(f"import {name}, sys; print([m for m in {HEAVY} if m in sys.modules])")
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from emdsl.cli import main; main(['--help']);"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    assert python(code).stdout.endswith("\n[]\n")


def test_a_broken_pipe_is_quiet() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "emdsl", "--help"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode in (0, 141)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_said() -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "emdsl", "fmt", "-"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            input="model A\nparam x : real\n",
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (ran.returncode, ran.stderr) == (1, "emdsl: error: no space left on device\n")


def _raise(error: BaseException) -> object:
    def read(name: str) -> object:
        raise error

    return read


def test_ctrl_c(monkeypatch: pytest.MonkeyPatch, emdsl: Run) -> None:
    monkeypatch.setattr("emdsl.cli.fmt.read_model", _raise(KeyboardInterrupt()))
    ran = emdsl("fmt", "m.em")
    assert (ran.code, ran.err) == (130, "emdsl: interrupted\n")


def test_a_bug_is_reported_as_one(monkeypatch: pytest.MonkeyPatch, emdsl: Run) -> None:
    monkeypatch.setattr("emdsl.cli.fmt.read_model", _raise(ZeroDivisionError("oh")))
    ran = emdsl("fmt", "m.em")
    assert ran.code == 3
    first, *_, last = ran.err.splitlines()
    assert first == "emdsl: internal error: ZeroDivisionError: oh"
    assert "this is a bug in emdsl, not a mistake of yours" in ran.err
    assert "Traceback" not in ran.err
    report = Path(last.removeprefix("  the traceback in "))
    text = report.read_text()
    report.unlink()
    assert "Traceback (most recent call last)" in text
    assert "numpy" in text


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, emdsl: Run) -> None:
    monkeypatch.setattr("emdsl.cli.fmt.read_model", _raise(ZeroDivisionError("oh")))
    assert "Traceback" in emdsl("fmt", "--debug", "m.em").err
    monkeypatch.setenv("EMDSL_DEBUG", "1")
    assert "Traceback" in emdsl("fmt", "m.em").err
