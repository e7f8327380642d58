"""Show one stage of the compiler's work on a model, for those who work on the compiler."""

from __future__ import annotations

import argparse

from emdsl.cli.files import read_model
from emdsl.cli.terminal import write_text
from emdsl.diagnostics import Exit

HELP = "show a stage of the compiler"
EXAMPLES = """\
  emdsl dump --stage model models/abo.em
  emdsl dump --stage ir models/gaussian_mixture.em
"""
STAGES = ("tokens", "tree", "model", "derivation", "plan", "ir", "module")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The model and the stage."""
    parser.add_argument("model", metavar="MODEL", help="a .em file (-: stdin)")
    parser.add_argument(
        "--stage", required=True, choices=STAGES, metavar="STAGE", help=", ".join(STAGES)
    )


def run(args: argparse.Namespace) -> int:
    """Print the stage."""
    source = read_model(args.model)

    from emdsl.compiler import dump_stage

    write_text(dump_stage(source, args.stage).rstrip("\n") + "\n")
    return Exit.OK
