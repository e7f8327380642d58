"""Explain what was derived: the graph, the joint, the statistics, each update, the E-step plan."""

from __future__ import annotations

import argparse

from emdsl.cli.augment import add_augment
from emdsl.cli.files import read_model
from emdsl.cli.problems import show
from emdsl.cli.terminal import write_text
from emdsl.diagnostics import Exit

HELP = "show the mathematics that emdsl derived"
EXAMPLES = """\
  emdsl explain models/gaussian_mixture.em
  emdsl explain --latex models/abo.em > abo.tex
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The model and the form."""
    parser.add_argument("model", metavar="MODEL", help="a .em file (-: stdin)")
    add_augment(parser)
    parser.add_argument("--latex", action="store_true", help="LaTeX instead of text")


def run(args: argparse.Namespace) -> int:
    """Print the report."""
    source = read_model(args.model)

    from emdsl.compiler import compile_source

    compiled = compile_source(source, augment=args.augment)
    show(compiled.warnings, source)
    from emdsl.report.explain import explain

    write_text(explain(compiled, latex=args.latex).rstrip("\n") + "\n")
    return Exit.OK
