"""Simulate from a saved fit: latents and data, as columns that fit reads back by their names."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emdsl.cli.augment import add_augment
from emdsl.cli.data import add_data, add_set, gather_data, read_settings, with_constants
from emdsl.cli.errors import InputError, UsageError
from emdsl.cli.files import read_model
from emdsl.cli.numbers import natural, positive
from emdsl.cli.output import add_output, is_npz, verify_output, write_arrays
from emdsl.diagnostics import Exit

if TYPE_CHECKING:
    from emdsl.runtime.program import Meta
    from emdsl.runtime.results import FitResult

HELP = "simulate from a fit"
EXAMPLES = """\
  emdsl sample model.em fit.npz -n 100 --seed 1 > simulated.csv
  emdsl sample regression.em fit.npz covariates.csv -o simulated.csv
  emdsl sample model.em fit.npz --set N=50 --set J=4 -o simulated.npz
  emdsl sample hmm.em fit.npz --set S=5 --set T=20 > sequences.csv
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The model, its fit, how much, and the inputs where it has some."""
    parser.add_argument("model", metavar="MODEL", help="a .em file (-: stdin)")
    parser.add_argument("fit", metavar="FIT.npz", help="what `emdsl fit --save` wrote")
    add_data(parser, needed=False)
    add_set(parser)
    add_augment(parser)
    parser.add_argument(
        "-n",
        type=positive,
        metavar="INT",
        help="rows; by default as many as fitted",
    )
    parser.add_argument("--seed", type=natural, default=0, metavar="INT", help="default 0")
    add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Load the fit, draw, write the answer."""
    from emdsl.cli import generated
    from emdsl.cli.sequences import in_table
    from emdsl.runtime import load

    verify_output(args)
    program = generated.load(read_model(args.model), augment=args.augment).module.PROGRAM
    meta = program.meta
    result = load(program, args.fit)
    settings = read_settings(args.settings, meta)
    needed = frozenset({"input"})
    found = gather_data(args, args.model, meta, needed).arrays if args.data else {}
    given = with_constants(meta, found, settings.constants)
    data = {a.name for a in meta.arrays if a.role == "data"}
    inputs = {name: value for name, value in given.items() if name not in data}
    absent = [a.name for a in meta.arrays if a.role == "input" and a.name not in inputs]
    if absent:
        raise InputError(
            f"{meta.name} draws its data given {', '.join(absent)}",
            "name a data file with the inputs after the fit",
        )
    sizes = _sizes(args.n, result, inputs, settings.sizes) | settings.sizes
    drawn = result.sample(sizes, seed=args.seed, inputs=inputs)
    write_arrays(in_table(meta, drawn, npz=is_npz(args.output)), args.output)
    return Exit.OK


def _sizes(
    n: int | None, result: FitResult, inputs: Mapping[str, Any], chosen: Mapping[str, Any]
) -> dict[str, int]:
    """How many elements of each plate that nothing else decides: n, or as many as fitted."""
    meta = result.program.meta
    read = {s.name for s in meta.sizes if any(name in inputs for name, _ in s.sources)}
    read |= _read_off_lengths(meta, read, inputs, chosen)
    fixed = {dim for param in meta.params for dim in param.dims}
    plates = [s.name for s in meta.sizes if s.role == "plate" and s.name not in read | fixed]
    if n is None:
        return {name: result.sizes[name] for name in plates}
    if len(plates) != 1:
        which = f"this has {', '.join(plates)}" if plates else "here the inputs decide"
        raise UsageError(f"-n is for a model with one open plate: {which}", "use --set NAME=SIZE")
    return {plates[0]: n}


def _read_off_lengths(
    meta: Meta, read: set[str], inputs: Mapping[str, Any], chosen: Mapping[str, Any]
) -> set[str]:
    """The sizes of plates around ragged ones that ids or lengths decide; lengths must be there."""
    from emdsl.runtime.given import id_axes
    from emdsl.runtime.levels import own_path, ragged_sizes

    around = {a: str(meta.plate(a).dim) for a in id_axes(meta)}
    ragged = ragged_sizes(meta)
    if (set(around) | set(around.values()) | set(ragged)) & set(inputs):
        return set(around.values())
    found: set[str] = set()
    for name in ragged:
        if name not in {*read, *chosen}:
            raise UsageError(
                f"{meta.name} has sequences of {name} elements each: how many isn't known",
                f"for example --set {name}=20, or --set '{name}=[18, 25]'",
            )
        if isinstance(chosen.get(name), list):  # which says how many there are
            found |= {str(meta.plate(a).dim) for a in own_path(meta, name)}
    return found
