"""Say which latent values explain data under a saved fit.

For each latent z the answer has a column z, its value in the jointly most probable explanation of
the data (-1 where there is none), and columns z[0], z[1], ..., the probabilities of its values.
For each continuous latent f it has columns f and f_sd (f[0], f[1], ... where it has entries), the
posterior mean and standard deviation: scores, smoothed states, predicted effects.

--impute has the data whose missing cells the model integrates out, x[0], x[1], ..., with posterior
means in the gaps, and x_sd[0], x_sd[1], ..., the standard deviations there (zero elsewhere).

--filter has for each row of a chain z[0], z[1], ..., given the rows up to it; z_ahead[0], ...,
given those before it; and log_predictive, the log density of the row given those before it. Of a
chain of normal latents it has means and standard deviations, z, z_sd, z_ahead and z_ahead_sd, and
x_ahead and x_ahead_sd, those of the row's data given the rows before it. Rows of missing data at
the end of a sequence are forecasts.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emdsl.cli.augment import add_augment
from emdsl.cli.data import add_data, add_set, gather_data, read_settings, with_constants
from emdsl.cli.errors import InputError
from emdsl.cli.files import read_model
from emdsl.cli.numbers import natural, positive
from emdsl.cli.output import Answer, add_output, is_npz, verify_output, write_arrays
from emdsl.diagnostics import Exit

if TYPE_CHECKING:
    from emdsl.runtime.program import Program
    from emdsl.runtime.results import FitResult

HELP = "say which latent values explain data"
EXAMPLES = """\
  emdsl predict model.em fit.npz data.csv > responsibilities.csv
  emdsl predict model.em fit.npz new.csv -o new_predicted.csv
  emdsl predict hmm.em fit.npz sequences.csv --filter
  emdsl predict level.em fit.npz series_and_empty_rows.csv --filter -o forecast.csv
  emdsl predict hmm.em fit.npz sequences.csv --sample 100 --seed 1 -o paths.npz
  emdsl predict hmm.em fit.npz sequences.csv --log-likelihood
  emdsl predict mvn.em fit.npz gaps.csv --impute -o filled.csv
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The model, its fit, the data, and what is asked of them."""
    parser.add_argument("model", metavar="MODEL", help="a .em file (-: stdin)")
    parser.add_argument("fit", metavar="FIT.npz", help="what `emdsl fit --save` wrote")
    add_data(parser)
    add_set(parser)
    add_augment(parser)
    asked = parser.add_argument_group("instead of posteriors and most probable values")
    one = asked.add_mutually_exclusive_group()
    one.add_argument(
        "--filter",
        action="store_true",
        help="of chains: latents given the rows so far, one step ahead, each row's log density; "
        "of normal chains the data one step ahead too",
    )
    one.add_argument(
        "--sample",
        type=positive,
        metavar="INT",
        help="so many draws of all latents together from their posterior, by a column `draw`",
    )
    one.add_argument(
        "--impute",
        action="store_true",
        help="the data with posterior means in missing cells, and standard deviations x_sd",
    )
    one.add_argument(
        "--pairs",
        action="store_true",
        help="joint posteriors of latents that depend on each other, such as z[t-1] and z[t]",
    )
    one.add_argument(
        "--log-likelihood",
        action="store_true",
        help="the log likelihood of each independent element, such as a sequence",
    )
    one.add_argument(
        "--log-joint",
        action="store_true",
        help="the log joint of each independent element and its most probable latents",
    )
    asked.add_argument(
        "--seed", type=natural, default=0, metavar="INT", help="of --sample; default 0"
    )
    add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Load the fit, gather the data, write the answer."""
    from emdsl.cli import generated
    from emdsl.runtime import load

    verify_output(args)
    program = generated.load(read_model(args.model), augment=args.augment).module.PROGRAM
    result = load(program, args.fit)
    unseen = program.meta.latents or program.meta.continuous
    if not unseen and not args.log_likelihood and not args.impute:
        raise InputError(f"{program.meta.name} has no latents: there is nothing to predict")
    settings = read_settings(args.settings, program.meta)
    gathered = gather_data(args, args.model, program.meta, frozenset({"data", "input"}))
    data = with_constants(program.meta, gathered.arrays, settings.constants)
    if args.sample is not None:
        answer = _draws(args, result, data)
    else:
        answer = _table(program, data, *_answer(args, result, data), npz=is_npz(args.output))
    write_arrays(answer, args.output)
    return Exit.OK


def _answer(
    args: argparse.Namespace, result: FitResult, data: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Answer]]:
    """Arrays by name, and what is to be known of those that no variable has."""
    program = result.program
    if args.log_likelihood:
        return _by_plate(program, result.row_log_likelihood(data), "log_likelihood")
    if args.log_joint:
        return _by_plate(program, result.most_probable(data).log_joint, "log_joint")
    if args.impute:
        return _imputed(program, result.impute(data))
    if args.pairs:
        return _pairs(program, result.posterior_pairs(data))
    if args.filter:
        return _filtered(result, data)
    values, weights = result.predict(data), result.posterior(data)
    arrays: dict[str, Any] = {}
    for name, best in values.items():
        arrays[name] = best
        arrays[f"{name}[]"] = weights[name]  # whose columns are then z[0], z[1], ...
    answers: dict[str, Answer] = {}
    for name, found in result.posterior_moments(data).items():
        latent = next(c for c in program.meta.continuous if c.name == name)
        own = "[]" * (bool(latent.event) and not is_npz(args.output))
        arrays[f"{name}{own}"] = found.mean
        arrays[f"{name}_sd{own}"] = _spread(found.mean, found.covariance)
        answers |= {n: Answer(latent.axes, latent.event) for n in (name, f"{name}_sd")}
    return arrays, answers


def _spread(mean: Any, covariance: Any) -> Any:
    """Posterior standard deviations in the shape of the means."""
    import numpy as np

    if isinstance(mean, list):
        return [_spread(m, c) for m, c in zip(mean, covariance, strict=True)]
    if covariance.shape != mean.shape:  # of all pairs of entries
        diagonal = np.einsum("...ii->...i", covariance)
        covariance = diagonal.reshape(mean.shape)
    return np.sqrt(np.maximum(covariance, 0.0))


def _imputed(
    program: Program, found: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Answer]]:
    if not found:
        raise InputError(
            f"{program.meta.name} integrates no missing cells out: there is nothing to fill in",
            "those of a multivariate normal are, and of data that others are drawn from",
        )
    arrays: dict[str, Any] = {}
    answers: dict[str, Answer] = {}
    for name, filled in found.items():
        array = program.meta.array(name)
        event = len(array.dims) - array.plates
        own = "[]" * bool(event)
        arrays[f"{name}{own}"], arrays[f"{name}_sd{own}"] = filled.values, filled.sd
        answers |= {n: Answer(array.axes, event) for n in (name, f"{name}_sd")}
    return arrays, answers


def _filtered(
    result: FitResult, data: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Answer]]:
    from emdsl.runtime.moments import Moments

    found = result.filtered(data)
    own = {z.name: z.axes for z in result.program.meta.latents}
    arrays, answers = _by_plate(result.program, found.log_predictive, "log_predictive")
    chains = [w.axes for s in result.program.structures for w in getattr(s, "walks", ())]
    out: dict[str, Any] = {}
    for name, now in found.filtered.items():
        if isinstance(now, Moments):
            latent = next(c for c in result.program.meta.continuous if c.name == name)
            for label, m in ((name, now), (f"{name}_ahead", found.predicted[name])):
                _banded(out, answers, label, m.mean, _spread(m.mean, m.covariance),
                        Answer(latent.axes, latent.event))  # fmt: skip
            continue
        level = own.get(name, ())
        if not any(level[: len(c)] == c for c in chains):
            level = chains[0]  # a latent of whole sequences has an answer for each row
        out[f"{name}[]"], out[f"{name}_ahead[]"] = now, found.predicted[name]
        answers |= {name: Answer(level, 1), f"{name}_ahead": Answer(level, 1)}
    for name, ahead in found.foreseen.items():
        array = result.program.meta.array(name)
        form = Answer(array.axes, len(array.dims) - array.plates)
        _banded(out, answers, f"{name}_ahead", ahead.values, ahead.sd, form)
    return {**out, **arrays}, answers


def _banded(
    arrays: dict[str, Any], answers: dict[str, Answer], name: str, mean: Any, sd: Any, form: Answer
) -> None:
    """A column of means with one of standard deviations, or several of a vector."""
    own = "[]" * bool(form.events)
    arrays[f"{name}{own}"], arrays[f"{name}_sd{own}"] = mean, sd
    answers |= {name: form, f"{name}_sd": form}


def _pairs(
    program: Program, found: Mapping[tuple[str, str], Any]
) -> tuple[dict[str, Any], dict[str, Answer]]:
    if not found:
        raise InputError(
            f"{program.meta.name} has no two discrete latents that depend on each other"
        )
    levels = {
        (a.key, b.key): p.axes
        for p in sorted(program.pieces, key=lambda p: -len(p.axes))
        for views in p.reads
        for a in views
        for b in views
    }
    arrays, answers = {}, {}
    for pair, tables in found.items():
        name = " ".join(pair).replace(", ", ",")
        arrays[f"{name}[]"], answers[name] = tables, Answer(levels[pair], 2)
    return arrays, answers


def _by_plate(
    program: Program, found: Mapping[str, Any], name: str
) -> tuple[dict[str, Any], dict[str, Answer]]:
    """One column, or one for each plate where there are several."""
    levels: dict[str, tuple[str, ...]] = {"all": ()}
    for piece in program.pieces:
        for n in range(1, len(piece.axes) + 1):
            axes = piece.axes[:n]
            label = ", ".join(str(program.meta.plate(a).dim) for a in axes)
            levels.setdefault(label, axes)
    arrays, of = {}, {}
    for plate, rows in found.items():
        column = name if len(found) == 1 else f"{name}_{plate.replace(', ', '_')}"
        arrays[column], of[column] = rows, Answer(levels[plate])
    return arrays, of


def _table(
    program: Program,
    data: Mapping[str, Any],
    arrays: dict[str, Any],
    answers: Mapping[str, Answer],
    *,
    npz: bool,
) -> dict[str, Any]:
    from emdsl.cli.sequences import in_table, with_ids

    table = in_table(program.meta, arrays, npz=npz, answers=answers)
    return table if npz else with_ids(program.meta, table, data)


def _draws(args: argparse.Namespace, result: FitResult, data: Mapping[str, Any]) -> dict[str, Any]:
    """Draws one after the other by a column `draw`; in npz, with draws along the first axis."""
    import numpy as np

    npz = is_npz(args.output)
    drawn = result.sample_posterior(data, n=args.sample, seed=args.seed)
    tables = [
        _table(result.program, data, {z: _one(x, i) for z, x in drawn.items()}, {}, npz=npz)
        for i in range(args.sample)
    ]
    if npz:
        return {
            name: np.stack([t[name] for t in tables]) if name in drawn else tables[0][name]
            for name in tables[0]
        }
    lengths = {len(column) for column in tables[0].values()}
    if len(lengths) > 1:
        raise InputError(
            "latents of different plates don't make a table", "write an npz file: -o FILE.npz"
        )
    draw = np.repeat(np.arange(args.sample), lengths.pop())
    return {"draw": draw} | {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}


def _one(drawn: Any, i: int) -> Any:
    """One draw of arrays (n, rows), in lists or not."""
    return [_one(part, i) for part in drawn] if isinstance(drawn, list) else drawn[i]
