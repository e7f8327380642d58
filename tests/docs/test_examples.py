"""What the pages show is run: commands with their output, Python sessions, in a folder of its own.

A model is written to the file that the text above it names ("In `waits.em`:"). Commands stand in
a ```console block, their output in the ```text block below; ```python and ```pycon blocks of a page
share their names. Numbers may differ a little; `...` stands for lines left out; how many iterations
it took and where the module lies are left out of the comparison.
"""  # fmt: skip

from __future__ import annotations

import doctest
import math
import re
import shlex
from pathlib import Path

import pytest

from emdsl.cli import main

ROOT = Path(__file__).parents[2]
PAGES = ["tutorial.md", "discrete.md", "regression.md"]
FENCE = re.compile(
    r"(?:`(?P<file>[\w.]+\.em)`:\n\n)?^```(?P<kind>\w+)(?P<mark>[^\n]*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d*)?(?:e[+-]?\d+)?")
VARIES = re.compile(r"after \d+ iterations?|(?<=generated module: ).*")


def same_line(found: str, expected: str) -> bool:
    """Whether two lines are the same but for small differences of their numbers."""
    found, expected = (VARIES.sub("#", line) for line in (found, expected))
    ours, theirs = ([float(n) for n in NUMBER.findall(line)] for line in (found, expected))
    if [w.split() for w in NUMBER.split(found)] != [w.split() for w in NUMBER.split(expected)]:
        return False
    pairs = zip(ours, theirs, strict=True)
    return all(math.isclose(a, b, rel_tol=2e-5, abs_tol=1e-5) for a, b in pairs)


def same(found: str, expected: str) -> bool:
    """Whether lines are those expected, where a line `...` stands for any lines."""
    ours = [line for line in found.splitlines() if line.strip()]
    skip = False
    for line in (line for line in expected.splitlines() if line.strip()):
        if line.strip() == "...":
            skip = True
            continue
        while skip and ours and not same_line(ours[0], line):
            ours.pop(0)
        if not ours or not same_line(ours.pop(0), line):
            return False
        skip = False
    return skip or not ours


class Checker(doctest.OutputChecker):
    """Compares what a session prints as the output of a command is."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return same(got, want)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_happens(
    page: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    shown: str | None = None  # what the last command printed, if it was run
    ran = 0
    for fence in FENCE.finditer((ROOT / "docs" / page).read_text(encoding="utf-8")):
        text = fence["text"]
        if fence["kind"] != "text":
            shown = None
        match fence["kind"]:
            case "em" if fence["file"]:
                Path(fence["file"]).write_text(text, encoding="utf-8")
            case "console":
                shown = console(text, capfd)
                ran += shown is not None
            case "text" if shown is not None:
                assert same(shown, text), shown
                shown = None
            case "python":
                exec(compile(text, page, "exec"), names)
            case "pycon":
                session = doctest.DocTestParser().get_doctest(text, names, page, page, 0)
                report: list[str] = []
                runner = doctest.DocTestRunner(Checker(), verbose=False)
                runner.run(session, out=report.append, clear_globs=False)
                assert not report, "".join(report)
                names = session.globs
                ran += 1
    assert ran


def console(text: str, capfd: pytest.CaptureFixture[str]) -> str | None:
    """Run a block's commands and hand back what the last printed.

    None where it is no command of emdsl alone, or one on a file that the page doesn't show. Where
    the block itself has the output, that is compared.
    """
    lines = text.splitlines()
    commands = [line for line in lines if line.startswith("$ ")]
    if len(commands) == 1 and commands[0].startswith("$ head -n "):
        count, name = commands[0].split()[3:]
        return "\n".join(Path(name).read_text(encoding="utf-8").splitlines()[: int(count)])
    printed = None
    for line in commands:
        words = shlex.split(line[2:], comments=True)
        if words[0] != "emdsl" or {"|", "do"} & set(words):
            return None
        if not all(Path(w).exists() for w in words if w.endswith((".em", ".csv"))):
            return None
        capfd.readouterr()
        main(words[1:])
        out, err = capfd.readouterr()
        printed = err + out
    expected = [line for line in lines if not line.startswith("$ ")]
    if expected and printed is not None:
        assert same(printed, "\n".join(expected)), printed
        return None
    return printed
