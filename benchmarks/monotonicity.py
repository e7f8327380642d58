"""Does the objective ever fall? Every model that compiles, many seeds, kind and awkward data.

    python benchmarks/monotonicity.py --seeds 200

Each seed is one run of EM from its own start on one data set: drawn from the fitted model, or the
gallery's own, as it is or made awkward. Sequences are taken or left whole, but for what a shorter
sequence still says. A decrease counts beyond 1e-9 (1 + |objective|).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gallery
import numpy as np
from numpy.typing import NDArray
from race import module_of, one_thread

Arrays = dict[str, NDArray[np.float64]]
Make = Callable[[Any, Arrays, np.random.Generator], Arrays | None]


# --- data --------------------------------------------------------------------------------------


def _over(meta: Any) -> str:
    """The axis whose elements hold sequences of rows, "" without any."""
    return next((p.over for p in meta.plates if p.over), "")


def _rows(meta: Any, arrays: Arrays) -> set[str]:
    """The arrays along the rows of the first data array, ids of sequences among them."""
    first = next(a for a in meta.arrays if a.role == "data" and a.plates)
    depth = gallery.row_dims(meta, first)
    along = {a.name for a in meta.arrays if a.plates and a.dims[:depth] == first.dims[:depth]}
    return (along | {_over(meta)}) & set(arrays)


def _take(meta: Any, arrays: Arrays, chosen: NDArray[np.intp]) -> Arrays:
    along = _rows(meta, arrays)
    return {name: x[chosen] if name in along else x for name, x in arrays.items()}


def _units(meta: Any, arrays: Arrays) -> list[NDArray[np.intp]]:
    """The places of what can't be divided: the rows of each sequence, or each row."""
    over = _over(meta)
    n = len(arrays[min(_rows(meta, arrays))])
    if over not in arrays:
        return [np.arange(n)] if over else [np.array([i]) for i in range(n)]
    return [np.flatnonzero(arrays[over] == s) for s in dict.fromkeys(arrays[over])]


def _choose(meta: Any, arrays: Arrays, units: list[NDArray[np.intp]]) -> Arrays:
    """These units one after the other; sequences taken twice are two."""
    out = _take(meta, arrays, np.concatenate(units))
    over = _over(meta)
    if over:
        out[over] = np.repeat(np.arange(len(units), dtype=float), [len(u) for u in units])
    return out


def as_is(_meta: Any, arrays: Arrays, _rng: np.random.Generator) -> Arrays:
    return arrays


def offset(meta: Any, arrays: Arrays, _rng: np.random.Generator) -> Arrays | None:
    return _moved(meta, arrays, ("real",), lambda x: x + 1e8)


def tiny_scale(meta: Any, arrays: Arrays, _rng: np.random.Generator) -> Arrays | None:
    return _moved(meta, arrays, ("real", "positive"), lambda x: x * 1e-8)


def _moved(
    meta: Any, arrays: Arrays, kinds: tuple[str, ...], move: Callable[[Any], Any]
) -> Arrays | None:
    names = [a.name for a in meta.arrays if a.role == "data" and a.kind in kinds]
    return {**arrays, **{n: move(arrays[n]) for n in names}} if names else None


def duplicates(meta: Any, arrays: Arrays, rng: np.random.Generator) -> Arrays:
    units = _units(meta, arrays)
    few = rng.integers(max(len(units) // 5, 1), size=len(units))
    return _choose(meta, arrays, [units[i] for i in few])


def few(meta: Any, arrays: Arrays, rng: np.random.Generator) -> Arrays:
    units = _units(meta, arrays)
    return _choose(
        meta, arrays, [units[i] for i in rng.permutation(len(units))[: int(rng.integers(1, 6))]]
    )


def one_unit(meta: Any, arrays: Arrays, rng: np.random.Generator) -> Arrays:
    units = _units(meta, arrays)
    return _choose(meta, arrays, [units[int(rng.integers(len(units)))]])


def short(meta: Any, arrays: Arrays, rng: np.random.Generator) -> Arrays | None:
    """Sequences cut after one to three rows, many after one; no parent is cut off a child."""
    if not _over(meta):
        return None
    units = _units(meta, arrays)
    return _choose(meta, arrays, [u[: max(int(rng.integers(-2, 4)), 1)] for u in units])


def one_row(meta: Any, arrays: Arrays, _rng: np.random.Generator) -> Arrays:
    return _choose(meta, arrays, [_units(meta, arrays)[0][:1]])


def constant(meta: Any, arrays: Arrays, _rng: np.random.Generator) -> Arrays:
    """One row's data everywhere."""
    names = [a.name for a in meta.arrays if a.role == "data" and a.name in arrays]
    return {**arrays, **{n: np.broadcast_to(arrays[n][:1], arrays[n].shape) for n in names}}


def ties(meta: Any, arrays: Arrays, rng: np.random.Generator) -> Arrays | None:
    """Three values for all rows of a number."""
    names = [a.name for a in meta.arrays if a.role == "data" and a.kind in ("real", "positive")]
    n = {name: len(arrays[name]) for name in names}
    return {**arrays, **{m: arrays[m][rng.integers(min(3, n[m]), size=n[m])] for m in names}} \
        if names else None  # fmt: skip


def holes(meta: Any, arrays: Arrays, rng: np.random.Generator) -> Arrays | None:
    out, any_holes = dict(arrays), False
    for array in meta.arrays:
        if array.role == "data" and array.missing != "no" and array.name in out:
            x = np.array(out[array.name], dtype=np.float64)
            event = len(array.dims) - array.plates
            shape = x.shape if array.missing == "cell" else x.shape[: x.ndim - event]
            x[rng.random(shape) < 0.15] = np.nan
            out[array.name], any_holes = x, True
    return out if any_holes else None


def no_sequence(meta: Any, arrays: Arrays, rng: np.random.Generator) -> Arrays | None:
    """Everything missing in one of the sequences."""
    if not _over(meta) or any(a.role == "data" and a.missing == "no" for a in meta.arrays):
        return None
    units = _units(meta, arrays)
    if len(units) == 1:
        return None
    gone = units[int(rng.integers(len(units)))]
    along = _rows(meta, arrays)
    out = dict(arrays)
    for array in meta.arrays:
        if array.role == "data" and array.name in along:
            out[array.name] = np.array(out[array.name], dtype=np.float64)
            out[array.name][gone] = np.nan
    return out


AWKWARD: dict[str, Make] = {
    "as it is": as_is,
    "offset 1e8": offset,
    "scale 1e-8": tiny_scale,
    "duplicates": duplicates,
    "one to five units": few,
    "missing": holes,
    "ties": ties,
    "short sequences": short,
    "a sequence missing": no_sequence,
    "one unit": one_unit,
    "constant": constant,
    "one row": one_row,
}


# --- runs --------------------------------------------------------------------------------------


def check(task: tuple[str, int, int]) -> dict[str, Any]:
    """All seeds of one model."""
    from emdsl.diagnostics import CompileError

    name, seeds, iterations = task
    path = Path("models") / f"{name}.em"
    found: dict[str, Any] = {"model": name, "offenders": [], "refusals": [], "statuses": {},
                             "iterations": 0}  # fmt: skip
    try:
        module = module_of(name)
    except CompileError as error:
        return {**found, "refused": str(error).split("\n")[0]}
    base = next(p for p in gallery.FILES if p.name == path.name)
    own = gallery.data(base, module.META)
    fitted = module.fit(own, restarts=3, seed=0, progress=False, **gallery.sizes(base))
    statuses: Counter[str] = Counter()
    begin = time.process_time()
    for seed in range(seeds):
        label, data = _data(module, fitted, own, seed)
        _run(module, data, gallery.sizes(base), seed, label, iterations, found, statuses)
    seconds = time.process_time() - begin
    return {**found, "statuses": dict(statuses), "seconds": seconds}


def _data(module: Any, fitted: Any, own: Arrays, seed: int) -> tuple[str, Arrays]:
    rng = np.random.default_rng([seed, 7])
    kinds = list(AWKWARD)
    for turn in range(len(kinds)):
        kind = kinds[(seed + turn) % len(kinds)]
        drawn = _drawn(module, fitted, own, seed) if seed // len(kinds) % 3 else None
        made = AWKWARD[kind](module.META, own if drawn is None else drawn, rng)
        if made is not None:
            return f"{'gallery data' if drawn is None else 'drawn data'}, {kind}", made
    raise AssertionError("data as they are always do")


def _drawn(module: Any, fitted: Any, own: Arrays, seed: int) -> Arrays | None:
    meta, over = module.META, _over(module.META)
    inputs = {a.name: own[a.name] for a in meta.arrays if a.name in own and a.role != "data"}
    if over in own and inputs:
        inputs[over] = own[over]
    read = {d for n in inputs if n != over for d in meta.array(n).dims}
    plates = {s.name: min(fitted.sizes[s.name], 150) for s in meta.sizes
              if s.role == "plate" and s.name not in read}  # fmt: skip
    lengths = _lengths(fitted) if over and not inputs else {}
    if lengths:
        plates[str(meta.plate(over).dim)] = len(next(iter(lengths.values())))
    names = [a.name for a in meta.arrays if a.role == "data" and a.name in own]
    try:
        drawn = fitted.sample(plates, seed=seed, inputs=inputs, lengths=lengths or None)
    except ValueError:  # an argument that the model only reads off its data
        return None
    out = {**inputs, **{n: _one_array(drawn[n]) for n in names}}
    for lengths_of in lengths.values():
        out[over] = np.repeat(np.arange(len(lengths_of), dtype=float), lengths_of)
    for name in names:  # as many unseen labels as there were
        if meta.array(name).missing == "sum":
            unseen = np.random.default_rng(seed).random(out[name].shape)
            out[name][unseen < np.isnan(own[name]).mean()] = np.nan
    return out


def _lengths(fitted: Any) -> dict[str, NDArray[np.int64]]:
    """Those of the first sequences, up to about 150 rows; of one sequence, its first rows."""
    out = {}
    for plate in (p for p in fitted.program.meta.plates if p.over):
        own = np.minimum(fitted.bound.layout.lengths[plate.axis], 150)
        out[str(plate.dim)] = own[: int(np.searchsorted(np.cumsum(own), 150)) + 1]
    return out


def _one_array(drawn: Any) -> NDArray[np.float64]:
    whole = np.concatenate(drawn) if isinstance(drawn, list) else np.asarray(drawn)
    return whole.astype(np.float64)


def _run(
    module: Any,
    data: Arrays,
    sizes: Mapping[str, int],
    seed: int,
    label: str,
    iterations: int,
    found: dict[str, Any],
    statuses: Counter[str],
) -> None:
    from emdsl.runtime import InputError

    def offend(what: str) -> None:
        found["offenders"].append({"seed": seed, "data": label, "what": what})

    try:
        result = module.fit(
            data, seed=seed, restarts=1, max_iter=iterations, tol=0.0, progress=False, **sizes
        )
    except InputError as error:
        statuses["refused data"] += 1
        found["refusals"].append(f"seed {seed} ({label}): {error}")
        return
    except Exception:  # noqa: BLE001 - it is what is looked for
        offend(traceback.format_exc(limit=-2))
        statuses["crash"] += 1
        return
    statuses[result.status] += 1
    found["iterations"] += sum(r.n_iter for r in result.restarts)
    trace = np.asarray(result.objective_trace)
    if any(not np.isfinite(v).all() for v in result.params.values()):
        offend("a parameter is not finite")
    if np.isnan(trace).any():
        offend("NaN in the trace")
    fall = trace[:-1] - trace[1:]
    for i in np.flatnonzero(fall > 1e-9 * (1.0 + np.abs(trace[:-1]))):
        offend(f"fell by {fall[i]:.3g} from {trace[i]:.12g} at iteration {i + 1}")
    for restart in result.restarts:
        if restart.status == "decreased":
            offend(restart.message)


def main() -> None:
    parser = argparse.ArgumentParser(description="Looks for EM iterations that go downhill.")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--only", default="", help="a regular expression on model names")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    one_thread()
    names = [p.stem for p in gallery.FITTED if re.search(args.only, p.stem)]
    tasks = [(name, args.seeds, args.iterations) for name in names]
    rows = []
    with multiprocessing.Pool(args.processes) as pool:
        for row in pool.imap_unordered(check, tasks):
            rows.append(row)
            if not args.json:
                print(_text(row), flush=True)
    offenders = sum(len(r["offenders"]) for r in rows)
    total = {
        "models": sum("refused" not in r for r in rows),
        "seeds": args.seeds,
        "iterations": sum(r["iterations"] for r in rows),
        "offenders": offenders,
    }
    if args.json:
        print(json.dumps({"total": total, "models": sorted(rows, key=lambda r: r["model"])}))
    else:
        print(f"\n{total['models']} models, {args.seeds} seeds each: {total['iterations']} "
              f"iterations, {offenders} offenders")  # fmt: skip
    sys.exit(1 if offenders else 0)


def _text(row: dict[str, Any]) -> str:
    if "refused" in row:
        return f"{row['model']:<32} refused: {row['refused']}"
    ended = ", ".join(f"{n} {s}" for s, n in sorted(row["statuses"].items()))
    line = f"{row['model']:<32} {row['iterations']:7d} iterations {row['seconds']:6.1f} s   {ended}"
    shown = [f"  ! seed {o['seed']} ({o['data']}): {o['what']}" for o in row["offenders"][:5]]
    more = len(row["offenders"]) - len(shown)
    refusals = sorted({r.split(": ", 1)[1] for r in row["refusals"]})
    shown += [f"  refused: {r}" for r in refusals[:3]]
    return "\n".join([line, *shown, *([f"  ! and {more} more"] if more > 0 else [])])


if __name__ == "__main__":
    main()
