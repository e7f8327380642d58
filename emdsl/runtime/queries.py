"""What a model with parameters can be asked beside its latents: likelihoods, statistics, data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.bind import Purpose, bind
from emdsl.runtime.centred import centred
from emdsl.runtime.empty import weighted
from emdsl.runtime.engine import Engine, ImpossibleError
from emdsl.runtime.errors import DataError, ParamsError
from emdsl.runtime.given import with_lengths
from emdsl.runtime.levels import depth
from emdsl.runtime.links import Levels
from emdsl.runtime.params import check_params, sizes_of_params
from emdsl.runtime.program import Bound, Floats, Layout, Meta, Params, Program, Statistics
from emdsl.runtime.ragged import shaped
from emdsl.runtime.seeds import Seed, seed_sequence, stream


def prepare(
    program: Program,
    data: Any,
    params: Mapping[str, Any],
    sizes: Mapping[str, int] | None = None,
    *,
    pivot: Params | None = None,
    purpose: Purpose = "query",
    lengths: Any = None,
    collapse: bool = True,
    about: bool = True,
) -> tuple[Engine, Params]:
    """An engine for data under given parameters, whose sizes hold where `sizes` is silent.

    What is given back is of covariates less constants, where they are far from zero.

    data : as for `bind`, or a Bound already checked.
    lengths : of the sequences of ragged data; see `with_lengths`.
    collapse : whether equal rows may be done once; not where each is to have a draw of its own.
    about : whether constants may be taken off covariates; not where statistics are the answer.

    Raises DataError, ParamsError.
    """
    known = {**sizes_of_params(program.meta, params), **(sizes or {})}
    data = with_lengths(program.meta, data, lengths)
    bound = data if isinstance(data, Bound) else bind(program.meta, data, known, purpose=purpose)
    checked = check_params(program.meta, params, bound.layout.sizes)
    if about:
        off, _ = centred(program.meta, bound, None, whole=False)
        bound, checked = off.bound(bound), off.inward(checked)
    engine = Engine(
        program, bound, program.pivot(checked) if pivot is None else pivot, collapse=collapse
    )
    if engine.has_gaps:
        with np.errstate(all="ignore"):
            engine.settle(checked)
    return engine, checked


def e_step(
    program: Program,
    data: Any,
    params: Mapping[str, Any],
    sizes: Mapping[str, int] | None = None,
    *,
    pivot: Params | None = None,
    lengths: Any = None,
) -> Statistics:
    """Expected sufficient statistics and the log likelihood; they add up over chunks of data.

    pivot : where second moments are taken about; by default what the parameters imply, so that
        chunks under the same parameters add.

    Raises DataError where an element has probability zero.
    """
    engine, checked = prepare(
        program, data, params, sizes, pivot=pivot, purpose="statistics", lengths=lengths,
        about=False,
    )  # fmt: skip
    try:
        with np.errstate(all="ignore"):
            return engine.e_step(checked)
    except ImpossibleError as error:
        raise DataError(impossible_text(engine.bound, program, error)) from None


def log_likelihood(
    program: Program,
    data: Any,
    params: Mapping[str, Any],
    sizes: Mapping[str, int] | None = None,
    *,
    lengths: Any = None,
) -> float:
    """The weighted log likelihood of all the data; minus infinity where it is impossible."""
    engine, checked = prepare(program, data, params, sizes, purpose="statistics", lengths=lengths)
    with np.errstate(all="ignore"):
        return sum(
            weighted(engine, axes, rows) for axes, rows in engine.log_evidence(checked).items()
        )


def row_log_likelihood(
    program: Program,
    data: Any,
    params: Mapping[str, Any],
    sizes: Mapping[str, int] | None = None,
    *,
    lengths: Any = None,
) -> dict[str, Any]:
    """The log likelihood of each independent element, {plate: (N,)}, without weights.

    Rows that hang together count for what is around them: of a hidden Markov model each sequence
    has one, under the plate of the sequences ("all" where there is but one sequence).
    """
    engine, checked = prepare(program, data, params, sizes, lengths=lengths)
    with np.errstate(all="ignore"):
        return by_plate(engine, engine.log_evidence(checked))


def by_plate(engine: Engine, found: Mapping[tuple[str, ...], Floats]) -> dict[str, Any]:
    """What the rows of each level have, by the names of its plates' sizes, in the user's form."""
    out: dict[str, tuple[tuple[str, ...], Floats]] = {}
    for axes, rows in found.items():
        plate = engine.levels.name(axes)
        out[plate] = (axes, out[plate][1] + rows if plate in out else rows)
    return {
        plate: rows if plate == "all" else shaped(engine.bound, axes, rows)
        for plate, (axes, rows) in out.items()
    }


def sample(
    program: Program,
    params: Mapping[str, Any],
    sizes: int | Mapping[str, Any],
    *,
    seed: Seed = 0,
    inputs: Mapping[str, Any] | None = None,
    fixed: Mapping[str, int] | None = None,
    lengths: Any = None,
) -> dict[str, Any]:
    """Draw latents and data from the model, {name: array} in their declared shapes.

    sizes : how many of each plate, or one number where only one plate is left open. Of a ragged
        size the lengths, or one for all.
    inputs : the model's inputs.
    fixed : sizes that are known already, besides those the parameters have.
    lengths : lengths of ragged sizes; see `with_lengths`.

    Ragged arrays come as lists where their lengths were given one by one, as (S, T, ...) where
    one length was given for all, and in the form of ragged inputs.

    Raises DataError, ParamsError.
    """
    meta = program.meta
    known = {**sizes_of_params(meta, params), **(fixed or {})}
    given = set(inputs or ())
    read = {s.name for s in meta.sizes if any(a in given for a, d in s.sources if d != "values")}
    if isinstance(sizes, Mapping):
        chosen = {**known, **sizes}
    else:
        plates = [s.name for s in meta.sizes
                  if s.role == "plate" and s.name not in known and s.name not in read]  # fmt: skip
        if len(plates) > 1:
            raise ParamsError(f"n = {sizes} but plates {', '.join(plates)} are open: "
                              f"give each, sizes={{{plates[0]!r}: ...}}")  # fmt: skip
        chosen = {**known, **dict.fromkeys(plates, sizes)}
    bound = bind(meta, with_lengths(meta, dict(inputs or {}), lengths), chosen, purpose="sample")
    checked = check_params(meta, params, bound.layout.sizes)
    rng = stream(seed_sequence(seed))
    layout = Layout(bound.layout.sizes, {}, bound.layout.consts, bound.layout.lengths)
    drawn = program.sample(checked, layout, rng, bound.arrays)
    added = {c.name for c in meta.continuous if c.added}
    return {n: _drawn(meta, bound, n, value) for n, value in drawn.items() if n not in added}


def _drawn(meta: Meta, bound: Bound, name: str, value: NDArray[Any]) -> Any:
    """A drawn array in the user's form, if it has ragged plates or stands in none."""
    of = {a.name: a.axes for a in meta.arrays} | {z.name: z.axes for z in meta.latents}
    of |= {c.name: c.axes for c in meta.continuous}
    axes = of.get(name, ())
    if any(meta.plate(a).single for a in axes):
        return value[0]
    deep = depth(meta.plates, axes)  # plates inside are dimensions of the rows already
    return shaped(bound, axes[:deep], value) if deep else value


def impossible_text(bound: Bound, program: Program, error: ImpossibleError) -> str:
    """Name the row that has probability zero, with its values."""
    parts = []
    for array in program.meta.arrays:
        if array.role in ("data", "input") and array.axes[: len(error.axes)] == error.axes:
            levels = Levels(program.meta, bound)
            mask = levels.flat(array.name, len(error.axes), mask=True)
            value = levels.flat(array.name, len(error.axes))
            assert value is not None
            row = value[error.row]
            if mask is not None and not np.all(mask[error.row]):
                continue
            shown = f"{row:g}" if np.ndim(row) == 0 else np.array2string(
                row, threshold=6, precision=4, separator=", ").replace("\n", "")  # fmt: skip
            parts.append(f"{array.name} = {shown}")
    values = f" ({', '.join(parts[:4])})" if parts else ""
    where = Levels(program.meta, bound).where(error.axes, error.row)
    walls = list(dict.fromkeys(w for block in program.numeric for w in block.walls))
    way_out = "check the row, or add to the model what explains it"
    if walls:
        way_out += f"; or give a start where `{'` and `'.join(walls)}` with init="
    return (
        f"row {where}{values} has probability zero under the model, expected "
        f"data it can produce: {way_out}"
    )
