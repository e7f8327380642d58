"""Fit a model to data by EM: compile it, run it from several starts, print the best fit."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emdsl.cli import terminal
from emdsl.cli.augment import add_augment
from emdsl.cli.data import (
    add_data,
    add_set,
    gather_data,
    read_fixed,
    read_settings,
    with_constants,
)
from emdsl.cli.errors import INTERRUPTED, InputError
from emdsl.cli.files import read_bytes, read_model, verify_writable
from emdsl.cli.numbers import natural, positive, proper_fraction, tolerance
from emdsl.diagnostics import Exit

if TYPE_CHECKING:
    from emdsl.runtime.program import Program
    from emdsl.runtime.results import FitResult

HELP = "fit a model to data"
EXAMPLES = """\
  emdsl fit models/gaussian_mixture.em faithful.csv --set K=2 --seed 0
  emdsl fit regression.em stackloss.csv --data y=loss --data u=airflow,watertemp
  emdsl fit model.em data.npz --restarts 20 --save fit.npz
  emdsl fit hmm.em sequences.csv --data s=subject
  emdsl fit model.em data.csv --json > fit.json
  emdsl fit model.em data.csv --init fit.json --max-iter 5000
  emdsl fit mixture.em data.csv --fix sd=1 --fix 'mean=[0, null]'

an empty cell, NA and NaN are missing values
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The model, its data, how long to look for the best fit, and where it goes."""
    parser.add_argument("model", metavar="MODEL", help="a .em file (-: stdin)")
    add_data(parser)
    add_set(parser)
    search = parser.add_argument_group("search")
    search.add_argument("--seed", type=natural, default=0, metavar="INT", help="default 0")
    search.add_argument(
        "--restarts", type=positive, default=10, metavar="INT", help="starts to try, default 10"
    )
    search.add_argument(
        "--tol",
        type=tolerance,
        default=1e-8,
        metavar="FLOAT",
        help="how much of the objective, relatively, may still be to come; default 1e-8",
    )
    search.add_argument(
        "--max-iter",
        type=natural,
        default=1000,
        metavar="INT",
        help="iterations of each start, default 1000",
    )
    search.add_argument(
        "--init",
        metavar="FILE",
        help="start from these parameters: a JSON object of arrays by name, what --json printed, "
        "or what --save saved (.npz)",
    )
    search.add_argument(
        "--fix",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="hold a parameter at a number or a JSON array, null where an entry is free; may be "
        "given again for another",
    )
    search.add_argument(
        "--floor",
        type=proper_fraction,
        metavar="FLOAT",
        help="hold collapsing variances at this fraction of the data's; by default such a start "
        "is given up and replaced",
    )
    add_augment(search)
    output = parser.add_argument_group("output")
    output.add_argument("--save", metavar="FILE.npz", help="save the fit for predict and sample")
    output.add_argument("--json", action="store_true", help="print the fit as one JSON object")
    output.add_argument("--quiet", action="store_true", help="no progress bar, notes or warnings")


def run(args: argparse.Namespace) -> int:
    """Compile, gather the data, fit, print."""
    from emdsl.cli import generated

    if args.save:
        verify_writable(Path(args.save))
    found = generated.load(read_model(args.model), quiet=args.quiet, augment=args.augment)
    program = found.module.PROGRAM
    settings = read_settings(args.settings, program.meta)
    fixed = read_fixed(args.fix)
    init = _init(args.init, program) if args.init else None
    gathered = gather_data(args, args.model, program.meta)
    data = with_constants(program.meta, gathered.arrays, settings.constants)
    result = _fit(args, program, data, settings.sizes, init, fixed)
    if args.save:
        result.save(args.save)
    if args.json:
        answer = {**result.to_dict(), "columns": gathered.taken, "module": str(found.path)}
        print(json.dumps(answer, ensure_ascii=False, allow_nan=False))
    else:
        print(result)
        for name, columns in gathered.taken.items():
            print(f"data {name}: {', '.join(columns)}")
        print(f"generated module: {found.path}")
        if args.save:
            print(f"saved fit: {args.save}")
    if not args.quiet:
        sys.stdout.flush()
        _warn(result)
    return INTERRUPTED if result.status == "interrupted" else Exit.OK


def _fit(
    args: argparse.Namespace,
    program: Program,
    data: dict[str, Any],
    sizes: dict[str, Any],
    init: dict[str, Any] | None,
    fixed: dict[str, Any],
) -> FitResult:
    from emdsl.runtime import fit

    policy: dict[str, Any] = {}
    if args.floor is not None:
        policy = {"degenerate": "floor", "floor": args.floor}
    return fit(
        program,
        data,
        sizes=sizes,
        seed=args.seed,
        restarts=args.restarts,
        tol=args.tol,
        max_iter=args.max_iter,
        init=init,
        fix=fixed,
        progress=False if args.quiet else None,
        **policy,
    )


def _init(name: str, program: Program) -> dict[str, Any]:
    """Parameters to start from."""
    if name.endswith(".npz"):
        from emdsl.runtime import load

        return dict(load(program, name).params)
    try:
        found = json.loads(read_bytes(name))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is not JSON: {error}") from None
    if isinstance(found, dict) and isinstance(found.get("params"), dict):
        found = found["params"]
    if not isinstance(found, dict):
        raise InputError(f"{name} is not a JSON object of parameters by name")
    return found


def _warn(result: FitResult) -> None:
    """What a fit that didn't converge means, and what to try."""
    if result.status == "max_iter":
        terminal.say(
            "warning",
            f"not converged after {result.n_iter} iteration{'s' * (result.n_iter != 1)}",
            "allow more with --max-iter, or ask for less with --tol",
        )
    elif result.status == "degenerate":
        terminal.say(
            "warning",
            "the likelihood is unbounded at this fit: don't trust it",
            "try fewer components, a prior on the variance, or --floor 1e-6"
            if result.program.meta.latents
            else "put a prior on the variance, or give it more data",
        )
    elif result.status == "decreased":
        terminal.say(
            "warning",
            "the objective decreased, which EM can't do: this is a bug in emdsl",
            "please report it with the model and the data",
        )
    elif result.status == "interrupted":
        terminal.say("warning", "interrupted: this is the best so far")
