"""Runs programs side by side: interleaved, one thread, CPU time, medians."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def one_thread() -> None:
    """Restart this process with one thread for BLAS and OpenMP, which read it on loading."""
    if any(os.environ.get(name) != "1" for name in _THREADS):
        os.environ.update(dict.fromkeys(_THREADS, "1"))
        os.execv(sys.executable, [sys.executable, *sys.argv])
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    warnings.filterwarnings("ignore")


@dataclass(frozen=True)
class Contender:
    """A program at the start: `step()` is one EM iteration, `score()` its log likelihood."""

    name: str
    step: Callable[[], object]
    score: Callable[[], float]
    setup: float = 0.0  # CPU seconds before the first iteration, where worth telling


@dataclass(frozen=True)
class Workload:
    """A race on one data set; `enter(scale)` makes the contenders, emdsl first.

    `goal` is the ratio to the first peer that there should be.
    """

    name: str
    enter: Callable[[float], list[Contender]]
    goal: float | None = None
    iterations: int = 3
    rounds: int = 5


@dataclass(frozen=True)
class Result:
    """CPU seconds per iteration by contender; ratio: the peer's over emdsl's."""

    workload: str
    seconds: Mapping[str, float]
    ratios: Mapping[str, float]
    scores: Mapping[str, float]
    setup: Mapping[str, float]
    goal: float | None
    notes: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def race(workload: Workload, scale: float = 1.0, rounds: int | None = None) -> Result:
    """Iterate every contender in turn from the same start, and compare.

    A ratio is the median over rounds of that round's ratio: what else the machine does slows both.
    """
    contenders = workload.enter(scale)
    times: dict[str, list[float]] = {c.name: [] for c in contenders}
    for _ in range(rounds or workload.rounds):
        for contender in contenders:
            start = time.process_time()
            for _ in range(workload.iterations):
                contender.step()
            times[contender.name].append((time.process_time() - start) / workload.iterations)
    first = contenders[0].name
    ratios = {
        name: median(peer / own for peer, own in zip(found, times[first], strict=True))
        for name, found in times.items()
        if name != first
    }
    scores = {c.name: c.score() for c in contenders}
    notes = [
        f"{name} is at log likelihood {score:.10g}, {first} at {scores[first]:.10g}"
        for name, score in scores.items()
        if abs(score - scores[first]) > 1e-5 * abs(scores[first])
    ]
    return Result(
        workload.name,
        {name: median(found) for name, found in times.items()},
        ratios,
        scores,
        {c.name: c.setup for c in contenders if c.setup},
        workload.goal,
        notes,
    )


def missing(package: str) -> bool:
    """Whether a peer isn't installed; says so."""
    from importlib.util import find_spec

    if find_spec(package) is None:
        print(f"{package} is not installed: left out (benchmarks/README.md)", file=sys.stderr)
        return True
    return False


# --- emdsl -------------------------------------------------------------------------------------


class Fit:
    """emdsl, an iteration at a time: what `fit` does between its watches."""

    def __init__(
        self,
        model: str,
        data: Any,
        params: Mapping[str, Any],
        *,
        collapse: bool = True,
        name: str = "emdsl",
    ) -> None:
        from emdsl import runtime as rt
        from emdsl.runtime.params import sizes_of_params
        from emdsl.runtime.reference import find_reference

        self.name = name
        self.module = module_of(model)
        self.program = self.module.PROGRAM
        self.params = dict(params)
        sizes = sizes_of_params(self.program.meta, params)
        hyper = {s.name: sizes[s.name] for s in self.program.meta.sizes if s.role == "hyper"}
        start = time.process_time()
        bound = rt.bind(self.program.meta, data, hyper)
        self.engine = rt.Engine(self.program, bound, collapse=collapse)
        find_reference(self.engine)
        self.engine.e_step(self.params)  # what is planned once is planned when first asked for
        self.setup = time.process_time() - start

    def step(self) -> None:
        self.params = self.program.m_step(self.engine.e_step(self.params), self.params)

    def score(self) -> float:
        return float(self.engine.e_step(self.params).log_likelihood)

    def contender(self) -> Contender:
        return Contender(self.name, self.step, self.score, self.setup)


def module_of(model: str) -> Any:
    """The generated module of a gallery model."""
    from emdsl.compiler import load

    if model not in _MODULES:
        _MODULES[model] = load(ROOT / "models" / f"{model}.em")
    return _MODULES[model]


_MODULES: dict[str, Any] = {}
