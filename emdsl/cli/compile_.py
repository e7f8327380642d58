"""Compile a model to a Python module: readable, typed, and the same byte for byte every time."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from emdsl.cli.augment import add_augment
from emdsl.cli.errors import InputError
from emdsl.cli.files import STDIN, read_model, write_file
from emdsl.cli.generated import module_stem
from emdsl.cli.problems import show
from emdsl.cli.terminal import write_text
from emdsl.diagnostics import Exit
from emdsl.source import Source

HELP = "write the Python module of a model"
EXAMPLES = """\
  emdsl compile gaussian_mixture.em                 # writes gaussian_mixture.py here
  emdsl compile gaussian_mixture.em -o mixture.py
  emdsl compile --standalone model.em -o model.py   # runs without emdsl
  emdsl compile - < model.em > model.py
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The model and where its module goes."""
    parser.add_argument("model", metavar="MODEL", help="a .em file (-: stdin)")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="the file to write (-: stdout); by default the model's name with .py, in this folder",
    )
    parser.add_argument(
        "--standalone",
        action="store_true",
        help="one file that needs NumPy and SciPy but not emdsl",
    )
    add_augment(parser)


def run(args: argparse.Namespace) -> int:
    """Compile, then write all or nothing."""
    source = read_model(args.model)
    output = args.output or (STDIN if args.model == STDIN else None)
    path = _default(source) if output is None else Path(output)

    from emdsl.compiler import compile_source

    compiled = compile_source(source, standalone=args.standalone, augment=args.augment)
    show(compiled.warnings, source)
    if output == STDIN:
        write_text(compiled.module)
    else:
        write_file(path, compiled.module)
        print(f"wrote {path}", file=sys.stderr)
    return Exit.OK


def _default(source: Source) -> Path:
    """The model's name with `.py`; never over a file that emdsl didn't write."""
    path = Path(f"{module_stem(source.name)}.py")
    if path.exists():
        with path.open("rb") as file:
            head = file.read(4000)
        if b"emdsl" not in head:
            raise InputError(
                f"{path} is there already and wasn't written by emdsl",
                f"name the file: emdsl compile {source.name} -o FILE",
            )
    return path
