"""Format models in place: one way to write each, comments kept, and nothing else changed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from emdsl.cli.files import STDIN, once_stdin, read_model, write_file
from emdsl.cli.problems import show
from emdsl.cli.terminal import write_text
from emdsl.diagnostics import CompileError, Exit
from emdsl.source import Source

HELP = "format models"
EXAMPLES = """\
  emdsl fmt model.em
  emdsl fmt --check models/*.em        # 1 where a file would change
  emdsl fmt --diff model.em
  emdsl fmt - < model.em
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The files and what to do with them."""
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help=".em files (-: from stdin to stdout)"
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing; name the files that would change"
    )
    parser.add_argument("--diff", action="store_true", help="change nothing; show the changes")


def run(args: argparse.Namespace) -> int:
    """Format every file; one that can't be read doesn't stop the others."""
    once_stdin(*args.models)
    code = Exit.OK
    changed = 0
    for name in args.models:
        try:
            source = read_model(name)
            formatted = _formatted(source)
        except CompileError as error:
            show(error.diagnostics, error.source)
            code = Exit.INPUT
            continue
        changed += formatted != source.text
        _deliver(args, name, source, formatted)
    if changed and (args.check or args.diff):
        code = Exit.INPUT
    return code


def _deliver(args: argparse.Namespace, name: str, source: Source, formatted: str) -> None:
    if args.diff:
        write_text(_diff(source, formatted))
    if args.check:
        if formatted != source.text:
            print(f"would format {source.name}", file=sys.stderr)
    elif args.diff:
        pass
    elif name == STDIN:
        write_text(formatted)
    elif formatted != source.text:
        write_file(Path(name), formatted)
        print(f"formatted {name}", file=sys.stderr)


def _formatted(source: Source) -> str:
    """The formatted text, with the line ends that the file has."""
    from emdsl.syntax.format import format_source

    text = format_source(source).replace("\r\n", "\n")
    return text.replace("\n", "\r\n") if "\r\n" in source.text else text


def _diff(source: Source, formatted: str) -> str:
    from difflib import unified_diff

    old, new = (text.splitlines(keepends=True) for text in (source.text, formatted))
    return "".join(unified_diff(old, new, source.name, f"{source.name} (formatted)"))
