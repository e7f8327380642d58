"""What README and the pages promise, tried out."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(#[^)]*)?\)")


def blocks(language: str, *names: str) -> list[object]:
    return [
        pytest.param(text, id=f"{page.name}-{number}")
        for page in PAGES
        if not names or page.name in names
        for number, (found, text) in enumerate(FENCE.findall(page.read_text()))
        if found == language
    ]


@pytest.mark.parametrize("text", blocks("em", "README.md", "tutorial.md"))
def test_every_model_compiles_and_is_formatted(text: str, emdsl: Run) -> None:
    ran = emdsl("check", "-", stdin=text)
    assert (ran.code, ran.err) == (0, "")
    lines = [line for line in text.splitlines() if line]
    formatted = emdsl("fmt", "-", stdin=text).out
    assert [line for line in formatted.splitlines() if line] == lines


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = [target for target, _ in LINK.findall(page.read_text()) if "://" not in target]
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []


def test_ci_takes_its_commands_from_readme() -> None:
    commands = [text for found, text in FENCE.findall(PAGES[0].read_text()) if found == "sh"]
    assert len(commands) == 2
    assert "emdsl fit models/gaussian_mixture.em models/data/faithful.csv" in commands[0]
    assert "pytest" in commands[1]


@pytest.mark.parametrize("text", blocks("sh", "README.md")[:1])
def test_readme_fits_as_it_says(text: str, emdsl: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    program, *argv = shlex.split(text.splitlines()[-1])
    assert Path(program).name == "emdsl"
    assert emdsl(*argv).code == 0


COMMAND = re.compile(r"^\$ emdsl (.*?)(?: *#.*)?$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_shown_are_commands(page: Path) -> None:
    from emdsl.cli.arguments import parse

    for line in COMMAND.findall(page.read_text()):
        assert parse(shlex.split(line)).run
