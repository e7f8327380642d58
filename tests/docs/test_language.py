"""Every model that README and the pages show is what its fence says it is.

    ```em                    a whole model, without problems
    ```em excerpt            part of one: it may only lack what would stand around it
    ```em refused CODE       a whole model, refused with that code alone
    ```em warned CODE        a whole model, compiled with that warning alone
"""  # fmt: skip

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from emdsl.compiler import compile_source
from emdsl.diagnostics import CompileError
from emdsl.families import FAMILIES
from emdsl.model.build import build
from emdsl.model.extents import TYPES
from emdsl.model.table import FUNCTIONS
from emdsl.source import Source
from emdsl.syntax.grammar import keywords
from emdsl.syntax.parse import parse

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```em\b *([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(mark.split(), text, id=f"{page.name}-{number}")
    for page in PAGES
    for number, (mark, text) in enumerate(FENCE.findall(page.read_text()))
]

# What an excerpt may lack: declarations and data that would stand around it.
AROUND = frozenset({"unknown-name", "size-not-read", "no-data"})


@pytest.mark.parametrize(("mark", "text"), BLOCKS)
def test_is_what_it_says(mark: list[str], text: str) -> None:
    match mark:
        case []:
            compiled = compile_source(Source(text, "page.em"))
            assert not compiled.warnings
        case ["excerpt"]:
            assert problems(f"model Excerpt\n{text}") <= AROUND
        case ["refused", code]:
            with pytest.raises(CompileError) as refusal:
                compile_source(Source(text, "page.em"))
            assert {d.code for d in refusal.value.diagnostics} == {code}
        case ["warned", code]:
            assert {d.code for d in compile_source(Source(text, "page.em")).warnings} == {code}
        case _:
            raise AssertionError(f"no such mark: {' '.join(mark)}")


def test_the_language_page_shows_each_kind() -> None:
    marks = [mark.partition(" ")[0] for mark, _ in FENCE.findall(PAGES[-1].parent.joinpath(
        "language.md").read_text())]  # fmt: skip
    assert set(marks) == {"", "excerpt", "refused"}


NAMED: dict[str, tuple[Iterable[str], str]] = {
    "distributions": (FAMILIES, "families.md"),
    "functions": (FUNCTIONS, "language.md"),
    "types": (TYPES, "language.md"),
    "words": (keywords(), "language.md"),
}


@pytest.mark.parametrize("what", NAMED)
def test_every_word_is_on_its_page(what: str) -> None:
    names, page = NAMED[what]
    text = (ROOT / "docs" / page).read_text()
    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []


# A message's code, where one is made.
CODE = re.compile(r"\b(?:Diagnostic|Refused)\(\s*(?:f?\"[^\"]*\")?\"([a-z]+(?:-[a-z]+)*)\"")


def test_every_code_is_on_the_page_of_errors() -> None:
    text = (ROOT / "docs" / "errors.md").read_text()
    codes = {c for f in (ROOT / "emdsl").rglob("*.py") for c in CODE.findall(f.read_text())}
    assert {"no-closed-form", "no-strategy", "unused", "moving-support"} <= codes
    assert [c for c in sorted(codes) if f"### {c}\n" not in text and f"| `{c}` |" not in text] == []


def problems(text: str) -> set[str]:
    """The codes of the errors in a text."""
    source = Source(text, "page.em")
    try:
        build(parse(source), source)
    except CompileError as error:
        return {d.code for d in error.diagnostics}
    return set()
