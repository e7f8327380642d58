"""Predict the latents of data under a saved fit: responsibilities and most probable values.

For each latent z the answer has a column z, its value in the jointly most probable explanation of
the row, and columns z[0], z[1], ..., the probabilities of its values.
"""

from __future__ import annotations

import argparse
from typing import Any

from emdsl.cli.data import add_data, add_set, gather_data, read_settings, with_constants
from emdsl.cli.errors import InputError
from emdsl.cli.files import read_model
from emdsl.cli.output import add_output, is_npz, verify_output, write_arrays
from emdsl.diagnostics import Exit

HELP = "say which latent values explain data"
EXAMPLES = """\
  emdsl predict model.em fit.npz data.csv > responsibilities.csv
  emdsl predict model.em fit.npz new.csv -o new_predicted.csv
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The model, its fit, the data."""
    parser.add_argument("model", metavar="MODEL", help="a .em file (-: stdin)")
    parser.add_argument("fit", metavar="FIT.npz", help="what `emdsl fit --save` wrote")
    add_data(parser)
    add_set(parser)
    add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Load the fit, gather the data, write the answer."""
    from emdsl.cli import generated
    from emdsl.cli.sequences import in_table, with_ids
    from emdsl.runtime import load

    verify_output(args)
    program = generated.load(read_model(args.model)).module.PROGRAM
    result = load(program, args.fit)
    if not program.meta.latents:
        raise InputError(f"{program.meta.name} has no latents: there is nothing to predict")
    settings = read_settings(args.settings, program.meta)
    gathered = gather_data(args, args.model, program.meta, frozenset({"data", "input"}))
    data = with_constants(program.meta, gathered.arrays, settings.constants)
    values, weights = result.predict(data), result.posterior(data)
    arrays: dict[str, Any] = {}
    for name, best in values.items():
        arrays[name] = best
        arrays[f"{name}[]"] = weights[name]  # whose columns are then z[0], z[1], ...
    npz = is_npz(args.output)
    arrays = in_table(program.meta, arrays, npz=npz)
    if not npz:
        arrays = with_ids(program.meta, arrays, data)
    write_arrays(arrays, args.output)
    return Exit.OK
