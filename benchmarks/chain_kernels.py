"""Forward-backward alone, as in the E-step of EM, against hmmlearn's compiled recursions.

Run: python benchmarks/chain_kernels.py [--compiled]; seconds of CPU for each call, median.
The peer's time holds its forward, backward and pair sums only, not its likelihoods.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from race import one_thread

ROUNDS = 7


def _timed(call: Callable[[], object]) -> float:
    call()
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return median(times)


def _case(
    name: str, states: int, lengths: list[int], tables: int, deep: float
) -> tuple[str, float, float, float]:
    from hmmlearn import _hmmc

    from emdsl.runtime.chains import Chains, Workspace, forward_backward

    rng = np.random.default_rng(0)
    chains = Chains.from_lengths(lengths)
    truth = rng.integers(states, size=chains.size)
    unary = deep * rng.normal(size=(states, chains.size))
    unary[truth, np.arange(chains.size)] += deep
    log_tables = np.log(rng.dirichlet(np.ones(states), (tables, states)))
    index = None if tables == 1 else rng.integers(tables, size=chains.size)
    if tables == chains.size:
        index = np.arange(chains.size)
    space = Workspace()

    def ours() -> object:
        found = forward_backward(unary, log_tables, index, chains, space)
        return found.posterior, found.pairs(), found.evidence

    mine = _timed(ours)
    if tables > 1:
        return name, mine, np.nan, np.nan
    start = np.full(states, 1.0 / states)
    table = np.exp(log_tables[0])
    rows = np.ascontiguousarray(unary.T)

    def scaling() -> None:
        for i, n in zip(chains.starts.tolist(), chains.lengths.tolist(), strict=True):
            b = np.exp(rows[i : i + n])
            _, left, scale = _hmmc.forward_scaling(start, table, b)
            right = _hmmc.backward_scaling(start, table, b, scale)
            _hmmc.compute_scaling_xi_sum(left, table, right, b)
            post = left * right
            post /= post.sum(axis=1, keepdims=True)

    def logs() -> None:
        for i, n in zip(chains.starts.tolist(), chains.lengths.tolist(), strict=True):
            b = rows[i : i + n]
            _, left = _hmmc.forward_log(start, table, b)
            right = _hmmc.backward_log(start, table, b)
            _hmmc.compute_log_xi_sum(left, table, right, b)
            post = left + right
            np.exp(post - np.logaddexp.reduce(post, axis=1)[:, None])

    return name, mine, _timed(scaling), _timed(logs)


def main() -> None:
    os.environ["EMDSL_COMPILED"] = "1" if "--compiled" in sys.argv else "0"
    rng = np.random.default_rng(0)
    ragged = rng.integers(20, 201, size=2000).tolist()
    cases: list[tuple[str, int, list[int], int, float]] = [
        ("one sequence, T=1e5 K=8", 8, [100_000], 1, 2.0),
        ("one sequence, T=1e5 K=8, vague", 8, [100_000], 1, 0.3),
        ("2000 of 20 to 200, K=8", 8, ragged, 1, 2.0),
        ("one sequence, T=2e5 K=16", 16, [200_000], 1, 1.0),
        ("one sequence, T=300 K=4", 4, [300], 1, 2.0),
        ("one sequence, T=2000 K=3", 3, [2000], 1, 2.0),
        ("2000 of 20 to 200, K=4, 10 tables", 4, ragged, 10, 2.0),
        ("2000 of 20 to 200, K=4, 100 tables", 4, ragged, 100, 2.0),
        ("2000 of 20 to 200, K=4, own tables", 4, ragged, sum(ragged), 2.0),
        ("one sequence, T=1e5 K=4, own tables", 4, [100_000], 100_000, 2.0),
    ]
    print(f"{'':38}{'emdsl':>10}{'scaling':>10}{'log':>10}")
    for case in cases:
        name, mine, scaling, logs = _case(*case)
        print(
            f"{name:38}{1e3 * mine:8.2f}ms{1e3 * scaling:8.1f}ms{1e3 * logs:8.1f}ms"
            f"   x{scaling / mine:.1f} x{logs / mine:.1f}",
            flush=True,
        )


if __name__ == "__main__":
    one_thread()
    main()
