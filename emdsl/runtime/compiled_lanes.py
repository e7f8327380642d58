"""Loops over packed lanes for numba: many lanes at a step, so that its instructions are vectors.

Each function here makes one for K states, a constant to numba; see `compiled.kernel`. Packed
arrays are flat: step t's slab (K, n) starts at K offsets[t], with n = offsets[t + 1] - offsets[t]
lanes (see `sequences.Pieces`). They do what `lockstep.Walk` and `lanes.Lanes` do in NumPy for
tables without zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emdsl.runtime.lockstep import LEAST, OFTEN

_TILE = 64  # lanes whose messages of one step stay in the first cache


def forward(K: int) -> Callable[..., None]:
    from numpy import empty, zeros

    def packed_forward(
        weight: Any,  # packed relative likelihoods
        table: Any,  # (K, K) from, to
        offsets: Any,
        coming: Any,  # (K, lanes) predicted messages at the lanes' first rows
        left: Any,  # packed, out: filtered
        scale: Any,  # (N,) packed, out
        inverse: Any,  # (N,) packed, out
    ) -> None:
        now = empty((K, _TILE))
        total = empty(_TILE)
        before = zeros((K, _TILE))
        for t in range(len(offsets) - 1):
            row = offsets[t]
            n = offsets[t + 1] - row
            for first in range(0, n, _TILE):
                m = min(_TILE, n - first)
                if t:
                    for j in range(K):
                        at = K * offsets[t - 1] + j * (row - offsets[t - 1]) + first
                        before[j, :m] = left[at : at + m]
                total[:] = 0.0
                for k in range(K):
                    if t:
                        for b in range(_TILE):
                            x = 0.0
                            for j in range(K):
                                x += table[j, k] * before[j, b]
                            now[k, b] = x
                    else:
                        now[k, :m] = coming[k, first : first + m]
                    at = K * row + k * n + first
                    for b in range(m):
                        now[k, b] *= weight[at + b]
                        total[b] += now[k, b]
                for b in range(m):
                    scale[row + first + b] = total[b]
                    total[b] = 1.0 / total[b]
                    inverse[row + first + b] = total[b]
                for k in range(K):
                    at = K * row + k * n + first
                    for b in range(m):
                        left[at + b] = now[k, b] * total[b]

    return packed_forward


def backward(K: int) -> Callable[..., None]:
    from numpy import empty, zeros

    def packed_backward(
        weight: Any,
        turned: Any,  # (K, K) to, from
        offsets: Any,
        coming: Any,  # (K, lanes) messages at the lanes' last rows
        left: Any,
        inverse: Any,
        right: Any,  # packed, out
        posterior: Any,  # packed, out
    ) -> None:
        after = zeros((K, _TILE))
        message = empty((K, _TILE))
        total = empty(_TILE)
        steps = len(offsets) - 1
        for t in range(steps - 1, -1, -1):
            row = offsets[t]
            n = offsets[t + 1] - row
            later = offsets[t + 1]
            going = offsets[t + 2] - later if t + 1 < steps else 0
            for first in range(0, n, _TILE):
                m = min(_TILE, n - first)
                on = min(max(going - first, 0), m)
                if on > 0:
                    for j in range(K):
                        at = K * later + j * going + first
                        after[j, :on] = right[at : at + on]
                    for k in range(K):
                        for b in range(_TILE):
                            x = 0.0
                            for j in range(K):
                                x += turned[j, k] * after[j, b]
                            message[k, b] = x
                for k in range(K):
                    for b in range(on, m):
                        message[k, b] = coming[k, first + b]
                if t % OFTEN == 0:
                    total[:] = 0.0
                    for k in range(K):
                        at = K * row + k * n + first
                        for b in range(m):
                            total[b] += left[at + b] * message[k, b]
                    for b in range(m):
                        total[b] = 1.0 / max(total[b], LEAST)
                    for k in range(K):
                        for b in range(m):
                            message[k, b] *= total[b]
                for k in range(K):
                    at = K * row + k * n + first
                    for b in range(m):
                        posterior[at + b] = left[at + b] * message[k, b]
                        right[at + b] = weight[at + b] * message[k, b] * inverse[row + first + b]

    return packed_backward


def mend_forward(K: int) -> Callable[..., None]:
    from numpy import empty

    def packed_mend_forward(
        weight: Any,
        table: Any,
        offsets: Any,
        lengths: Any,
        ranks: Any,  # the lanes to walk again
        given: Any,  # (K, ranks) filtered messages of the rows before them
        near: float,  # how far entries agree, relative to their size
        negligible: float,
        left: Any,
        scale: Any,
        inverse: Any,
        late: Any,  # (1,), out: how many lanes never agreed
    ) -> None:
        before = empty(K)
        now = empty(K)
        for i in range(len(ranks)):
            r = ranks[i]
            for k in range(K):
                before[k] = given[k, i]
            agree = False
            for t in range(lengths[r]):
                n = offsets[t + 1] - offsets[t]
                at = K * offsets[t] + r
                for k in range(K):
                    now[k] = 0.0
                for j in range(K):
                    for k in range(K):
                        now[k] += before[j] * table[j, k]
                total = 0.0
                for k in range(K):
                    now[k] *= weight[at + k * n]
                    total += now[k]
                inv = 1.0 / total
                agree = True
                for k in range(K):
                    before[k] = now[k] * inv
                    gap = abs(before[k] - left[at + k * n])
                    agree &= gap <= near * before[k] + negligible
                    left[at + k * n] = before[k]
                scale[offsets[t] + r] = total
                inverse[offsets[t] + r] = inv
                if agree:
                    break
            if not agree:
                late[0] += 1

    return packed_mend_forward


def mend_backward(K: int) -> Callable[..., None]:
    from numpy import empty

    def packed_mend_backward(
        weight: Any,
        turned: Any,
        offsets: Any,
        lengths: Any,
        ranks: Any,
        given: Any,  # (K, ranks) messages at their last rows
        near: float,
        negligible: float,
        left: Any,
        inverse: Any,
        right: Any,
        posterior: Any,
        late: Any,
    ) -> None:
        after = empty(K)
        message = empty(K)
        for i in range(len(ranks)):
            r = ranks[i]
            for k in range(K):
                message[k] = given[k, i]
            agree = False
            for t in range(lengths[r] - 1, -1, -1):
                n = offsets[t + 1] - offsets[t]
                at = K * offsets[t] + r
                agree = True
                for k in range(K):
                    after[k] = weight[at + k * n] * message[k] * inverse[offsets[t] + r]
                    gap = abs(after[k] - right[at + k * n])
                    agree &= gap <= near * after[k] + negligible
                    right[at + k * n] = after[k]
                    posterior[at + k * n] = message[k] * left[at + k * n]
                if agree:
                    break
                for k in range(K):
                    message[k] = 0.0
                for j in range(K):
                    for k in range(K):
                        message[k] += after[j] * turned[j, k]
            if not agree:
                late[0] += 1

    return packed_mend_backward
