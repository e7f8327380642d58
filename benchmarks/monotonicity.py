"""Does the objective ever fall? Every model that compiles, many seeds, kind and awkward data.

    python benchmarks/monotonicity.py --seeds 200

Each seed is one run of EM from its own start on one data set: drawn from the fitted model, or the
gallery's own, as it is or made awkward. A decrease counts beyond 1e-9 (1 + |objective|).
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


def _take(meta: Any, arrays: Arrays, rows: Callable[[int], NDArray[np.intp]]) -> Arrays:
    """The same elements of every array on the plate of the first data array."""
    first = next(a for a in meta.arrays if a.role == "data" and a.plates)
    n = len(arrays[first.name])
    chosen = rows(n)
    along = {a.name for a in meta.arrays if a.plates and a.dims[0] == first.dims[0]}
    return {name: x[chosen] if name in along else x for name, x in arrays.items()}


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
    return _take(meta, arrays, lambda n: rng.integers(max(n // 5, 1), size=n))


def few(meta: Any, arrays: Arrays, rng: np.random.Generator) -> Arrays:
    return _take(meta, arrays, lambda n: rng.permutation(n)[: int(rng.integers(1, 6))])


def holes(meta: Any, arrays: Arrays, rng: np.random.Generator) -> Arrays | None:
    out, any_holes = dict(arrays), False
    for array in meta.arrays:
        if array.role == "data" and array.missing != "no" and array.name in out:
            x = np.array(out[array.name], dtype=np.float64)
            shape = x.shape if array.missing == "cell" else x.shape[: array.plates]
            x[rng.random(shape) < 0.15] = np.nan
            out[array.name], any_holes = x, True
    return out if any_holes else None


AWKWARD: dict[str, Make] = {
    "as it is": as_is,
    "offset 1e8": offset,
    "scale 1e-8": tiny_scale,
    "duplicates": duplicates,
    "one to five rows": few,
    "missing": holes,
}


# --- runs --------------------------------------------------------------------------------------


def check(task: tuple[str, int, int]) -> dict[str, Any]:
    """All seeds of one model."""
    from emdsl.diagnostics import CompileError

    name, seeds, iterations = task
    path = Path("models") / f"{name}.em"
    found: dict[str, Any] = {"model": name, "offenders": [], "statuses": {}, "iterations": 0}
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
    meta = module.META
    inputs = {a.name: own[a.name] for a in meta.arrays if a.name in own and a.role != "data"}
    read = {d for n in inputs for d in meta.array(n).dims}
    plates = {s.name: min(fitted.sizes[s.name], 150) for s in meta.sizes
              if s.role == "plate" and s.name not in read}  # fmt: skip
    try:
        drawn = fitted.sample(plates, seed=seed, inputs=inputs)
    except ValueError:  # an argument that the model only reads off its data
        return None
    names = [a.name for a in meta.arrays if a.role == "data" and a.name in own]
    return {**inputs, **{n: np.asarray(drawn[n], dtype=np.float64) for n in names}}


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
    except InputError:
        statuses["refused data"] += 1
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
            offend(restart.messages if isinstance(restart.messages, str) else result.messages[-1])


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
    return "\n".join([line, *shown, *([f"  ! and {more} more"] if more > 0 else [])])


if __name__ == "__main__":
    main()
