"""Kernels for chains compiled by numba, where it is installed and the data are large enough.

Never needed: `lanes` and `lockstep` find the same with NumPy alone. A kernel is compiled for one
number of states, so that its small loops unroll; that takes seconds once, then it is cached on
disk. EMDSL_COMPILED=0 in the environment turns this off, =1 turns it on for data of any size.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from typing import Any

from emdsl.runtime.lockstep import FAINT, LEAST, MOST, OFTEN, SMALLEST

Kernel = Callable[..., None]

_ENOUGH = 1_000_000  # rows times states from which loading numba pays within a fit
_AT_HAND = 50_000  # the same where numba is loaded anyway
_MORE = 4  # by how much more NumPy needs for many tables, and for the most probable states
_WIDE = 48  # with more states a product of matrices is quicker than unrolled loops
_made: dict[tuple[str, int], Kernel] = {}


def kernel(name: str, states: int, rows: int, tables: int) -> Kernel | None:
    """The compiled kernel of this name ("forward", ...) for this many states, where it pays."""
    wish = os.environ.get("EMDSL_COMPILED", "")
    if wish == "0" or states > _WIDE:
        return None
    if (name, states) in _made:
        return _made[name, states]
    work = rows * states * (1 if tables == 1 and name != "best" else _MORE)
    if wish != "1" and work < (_AT_HAND if "numba" in sys.modules else _ENOUGH):
        return None
    if importlib.util.find_spec("numba") is None:
        return None
    numba: Any = importlib.import_module("numba")
    njit = numba.njit(
        cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"}
    )
    made: Kernel = njit(_KERNELS[name](states))
    _made[name, states] = made
    return made


# The functions below are numba's: loops over scalars, which it unrolls and vectorises. K is a
# constant to it. Arrays of one entry for each state lie together (rows first), others as given.


def _forward(K: int) -> Callable[..., None]:
    from numpy import empty

    def forward(
        weight: Any,  # (K, N) relative likelihoods
        tables: Any,  # (G, K, K)
        index: Any,  # (N,), or (0,) where there is one table
        starts: Any,
        lengths: Any,
        left: Any,  # (N, K), out: filtered
        scale: Any,  # (N,), out
        suspect: Any,  # (S,), out: whether a scale was too small
    ) -> None:
        before = empty(K)
        now = empty(K)
        for s in range(len(starts)):
            begin = starts[s]
            for n in range(begin, begin + lengths[s]):
                if n == begin:
                    for k in range(K):
                        now[k] = 1.0
                else:
                    g = index[n] if len(index) else 0
                    for k in range(K):
                        now[k] = 0.0
                    for j in range(K):
                        x = before[j]
                        for k in range(K):
                            now[k] += x * tables[g, j, k]
                total = 0.0
                for k in range(K):
                    now[k] *= weight[k, n]
                for k in range(K):
                    total += now[k]
                total = max(total, LEAST)
                if total < SMALLEST:
                    suspect[s] = True
                scale[n] = total
                inverse = 1.0 / total
                for k in range(K):
                    before[k] = now[k] * inverse
                    left[n, k] = before[k]

    return forward


def _backward(K: int) -> Callable[..., None]:
    from numpy import empty

    def backward(
        weight: Any,
        turned: Any,  # (G, K, K) tables, from and to exchanged
        index: Any,
        starts: Any,
        lengths: Any,
        left: Any,
        scale: Any,
        floor: float,  # posteriors below are nothing
        right: Any,  # (N, K), out: weight * backward message / scale, 0 at first rows
        posterior: Any,  # (K, N), out
        suspect: Any,
    ) -> None:
        after = empty(K)
        message = empty(K)
        for s in range(len(starts)):
            begin = starts[s]
            end = begin + lengths[s]
            for n in range(end - 1, begin - 1, -1):
                if n == end - 1:
                    for k in range(K):
                        message[k] = 1.0
                else:
                    g = index[n + 1] if len(index) else 0
                    for k in range(K):
                        message[k] = 0.0
                    for j in range(K):
                        x = after[j]
                        for k in range(K):
                            message[k] += x * turned[g, j, k]
                most = 0.0
                for k in range(K):
                    message[k] = max(message[k], LEAST)
                    most = max(most, message[k])
                if most * FAINT > 1.0:
                    suspect[s] = True
                    for k in range(K):
                        message[k] = min(message[k], MOST)
                if n % OFTEN == 0:
                    total = 0.0
                    for k in range(K):
                        total += left[n, k] * message[k]
                    inverse = 1.0 / max(total, LEAST)
                    for k in range(K):
                        message[k] *= inverse
                inverse = 1.0 / scale[n] if scale[n] >= SMALLEST else 0.0
                for k in range(K):
                    after[k] = weight[k, n] * message[k] * inverse
                    p = left[n, k] * message[k]
                    p = p if p >= floor else 0.0
                    posterior[k, n] = p
                    right[n, k] = after[k] if p > 0.0 and n > begin else 0.0

    return backward


def _best(K: int) -> Callable[..., None]:
    from numpy import empty

    def best(
        unary: Any,  # (K, N) log potentials
        turned: Any,  # (G, K, K) log tables, [to, from]
        index: Any,
        starts: Any,
        lengths: Any,
        pointers: Any,  # (N, K) scratch: the best state before each state
        states: Any,  # (N,), out
        joint: Any,  # (S,), out
    ) -> None:
        score = empty(K)
        now = empty(K)
        for s in range(len(starts)):
            begin = starts[s]
            end = begin + lengths[s]
            for k in range(K):
                score[k] = unary[k, begin]
            for n in range(begin + 1, end):
                g = index[n] if len(index) else 0
                for k in range(K):
                    top = score[0] + turned[g, k, 0]
                    arg = 0
                    for j in range(1, K):
                        x = score[j] + turned[g, k, j]
                        if x > top:
                            top = x
                            arg = j
                    now[k] = top + unary[k, n]
                    pointers[n, k] = arg
                for k in range(K):
                    score[k] = now[k]
            arg = 0
            for k in range(1, K):
                if score[k] > score[arg]:
                    arg = k
            joint[s] = score[arg]
            for n in range(end - 1, begin - 1, -1):
                states[n] = arg
                if n > begin:
                    arg = pointers[n, arg]

    return best


def _exact_forward(K: int) -> Callable[..., None]:
    from math import exp, inf, log

    from numpy import empty

    def exact_forward(
        unary: Any,  # (K, N) log potentials
        tables: Any,  # (G, K, K) log tables
        index: Any,
        starts: Any,
        lengths: Any,
        coming: Any,  # (K, N), out: log predicted
        left: Any,  # (K, N), out: log filtered
        log_scale: Any,  # (N,), out
    ) -> None:
        term = empty(K)
        for s in range(len(starts)):
            begin = starts[s]
            end = begin + lengths[s]
            for n in range(begin, end):
                g = index[n] if len(index) else 0
                top = -inf
                for k in range(K):
                    value = 0.0
                    if n > begin:
                        most = -inf
                        for j in range(K):
                            term[j] = left[j, n - 1] + tables[g, j, k]
                            most = max(most, term[j])
                        value = most
                        if most > -inf:
                            total = 0.0
                            for j in range(K):
                                total += exp(term[j] - most)
                            value += log(total)
                    coming[k, n] = value
                    left[k, n] = value + unary[k, n]
                    top = max(top, left[k, n])
                log_scale[n] = top
                if top > -inf:
                    total = 0.0
                    for k in range(K):
                        total += exp(left[k, n] - top)
                    log_scale[n] = top + log(total)
                    for k in range(K):
                        left[k, n] -= log_scale[n]

    return exact_forward


def _exact_backward(K: int) -> Callable[..., None]:
    from math import exp, inf, log

    from numpy import empty

    def exact_backward(
        unary: Any,
        tables: Any,
        index: Any,
        starts: Any,
        lengths: Any,
        message: Any,  # (K, N), out: log backward
        log_scale: Any,
    ) -> None:
        term = empty(K)
        after = empty(K)
        for s in range(len(starts)):
            begin = starts[s]
            end = begin + lengths[s]
            for k in range(K):
                message[k, end - 1] = 0.0
            for n in range(end - 1, begin, -1):
                g = index[n] if len(index) else 0
                scale = log_scale[n] if log_scale[n] > -inf else 0.0
                for k in range(K):
                    after[k] = unary[k, n] + message[k, n] - scale
                for j in range(K):
                    most = -inf
                    for k in range(K):
                        term[k] = tables[g, j, k] + after[k]
                        most = max(most, term[k])
                    message[j, n - 1] = most
                    if most > -inf:
                        total = 0.0
                        for k in range(K):
                            total += exp(term[k] - most)
                        message[j, n - 1] += log(total)

    return exact_backward


_KERNELS: dict[str, Callable[[int], Kernel]] = {
    "forward": _forward,
    "backward": _backward,
    "best": _best,
    "exact forward": _exact_forward,
    "exact backward": _exact_backward,
}
