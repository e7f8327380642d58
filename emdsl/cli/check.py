"""Check models: every problem of a file in one run, without compiling it to a module."""

from __future__ import annotations

import argparse
import json
from typing import Any

from emdsl.cli.augment import add_augment
from emdsl.cli.files import once_stdin, read_model
from emdsl.cli.problems import count, show
from emdsl.diagnostics import CompileError, Diagnostic, Exit, Severity, to_json
from emdsl.source import Source

HELP = "say what is wrong with a model"
EXAMPLES = """\
  emdsl check model.em
  emdsl check --json models/*.em
  cat model.em | emdsl check -
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The models, and how to print what is found."""
    parser.add_argument("models", nargs="+", metavar="MODEL", help=".em files (-: stdin)")
    add_augment(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON array of diagnostics")


def run(args: argparse.Namespace) -> int:
    """Check every file; 1 where one has an error."""
    once_stdin(*args.models)
    rows: list[dict[str, Any]] = []
    code = Exit.OK
    for name in args.models:
        source, found = problems(name, augment=args.augment)
        if any(d.severity is Severity.ERROR for d in found):
            code = Exit.INPUT
        if args.json:
            rows += json.loads(to_json(found, source))
        else:
            show(found, source)
            if not any(d.severity is Severity.ERROR for d in found):
                print(f"{source.name}: {count(found)}")
    if args.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    return code


def problems(name: str, *, augment: bool | None = None) -> tuple[Source, tuple[Diagnostic, ...]]:
    """A model's source with all its errors and warnings."""
    try:
        source = read_model(name)
        from emdsl.compiler import compile_source

        return source, compile_source(source, augment=augment).warnings
    except CompileError as error:
        return error.source, error.diagnostics
