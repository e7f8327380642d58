"""Chains and trees of discrete states: smoothing, most probable states, draws.

Everything takes unary (K, N), log potentials of each row's state (prior of first rows included;
-inf for an impossible state), and tables (G, K, K), log transitions [table, from, to], entries of
-690 or less meaning none. Row n that isn't first uses tables[index[n]], or the only table where
index is None. `structure` says which row follows which: Chains or Trees. K may be the number of
joint states of several variables.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.decoding import decode_chains, decode_trees, follow
from emdsl.runtime.lockstep import Workspace as Workspace  # noqa: PLC0414 - handed on
from emdsl.runtime.routes import messages
from emdsl.runtime.runs import Run
from emdsl.runtime.sequences import Chains as Chains  # noqa: PLC0414 - handed on
from emdsl.runtime.smoothed import Smoothed as Smoothed  # noqa: PLC0414 - handed on
from emdsl.runtime.transitions import Transitions
from emdsl.runtime.trees import Trees as Trees  # noqa: PLC0414 - handed on
from emdsl.runtime.trees import first_dead, smooth_trees

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def forward_backward(
    unary: Floats,
    tables: Floats,
    index: NDArray[np.integer] | None,
    structure: Chains | Trees,
    workspace: Workspace | None = None,
) -> Smoothed:
    """Evidence, posteriors and pair marginals of all states given all the data.

    Costs O(N K^2). Probabilities are scaled at each step; sequences where that underflows are done
    again in log space. A workspace keeps buffers between calls on one structure.
    """
    transitions, used = _checked(unary, tables, index, structure)
    if isinstance(structure, Trees):
        return smooth_trees(unary, transitions, used, structure)
    found = messages(workspace or Workspace(), unary, transitions, used, structure)
    return Run(found, unary, transitions, used, structure).smoothed()


def most_probable(
    unary: Floats,
    tables: Floats,
    index: NDArray[np.integer] | None,
    structure: Chains | Trees,
) -> tuple[Ints, Floats]:
    """The most probable states together, (N,), and their log joint, (S,); the lowest among equals.

    An impossible sequence or tree has states -1 and log joint -inf. Viterbi (1967), max-product.
    """
    transitions, used = _checked(unary, tables, index, structure)
    if isinstance(structure, Trees):
        return decode_trees(unary, transitions, used, structure)
    return decode_chains(unary, transitions, used, structure)


def sample_states(
    rng: np.random.Generator,
    unary: Floats,
    tables: Floats,
    index: NDArray[np.integer] | None,
    structure: Chains | Trees,
) -> Ints:
    """A draw of all states from their joint posterior, (N,); -1 in impossible sequences.

    One uniform number a row, in the order of the rows.
    """
    transitions, used = _checked(unary, tables, index, structure)
    smoothed = forward_backward(unary, tables, index, structure)
    return follow(smoothed, transitions, used, structure, rng.random((unary.shape[1],)))


def first_impossible(
    unary: Floats,
    tables: Floats,
    index: NDArray[np.integer] | None,
    structure: Chains | Trees,
) -> int:
    """The first row at which the evidence becomes -inf, or -1 where all is possible.

    In a chain that is the first time that no path reaches; in a tree, walked from the leaves, the
    first row none of whose states goes with all that hangs below it.
    """
    transitions, used = _checked(unary, tables, index, structure)
    if isinstance(structure, Trees):
        return first_dead(unary, transitions, used, structure)
    alive = unary > -np.inf
    reach = np.zeros_like(alive)
    some = np.ascontiguousarray(transitions.table > 0.0)
    pieces = structure.pieces
    found = -1
    for t in range(pieces.steps):
        rows = pieces.rows[pieces.offsets[t] : pieces.offsets[t + 1]]
        here = alive[:, rows]
        if t:
            before = reach[:, rows - 1]
            step = some[0][:, :, None] if used is None else some[used[rows]].transpose(1, 2, 0)
            here &= (before[:, None, :] & step).any(axis=0)
        reach[:, rows] = here
    dead = np.flatnonzero(~reach.any(axis=0))
    if len(dead):
        found = int(dead[0])
    return found


def _checked(
    unary: Floats, tables: Floats, index: NDArray[np.integer] | None, structure: Chains | Trees
) -> tuple[Transitions, Ints | None]:
    """Transitions, and the table of each row (0 at first rows), None where there is one table."""
    size = structure.size
    if unary.ndim != 2 or unary.shape[1] != size:
        raise ValueError(f"unary must be (K, {size}), found {unary.shape}")
    if tables.ndim != 3 or tables.shape[1:] != (unary.shape[0],) * 2 or not len(tables):
        raise ValueError(
            f"tables must be (G, {unary.shape[0]}, {unary.shape[0]}), found {tables.shape}"
        )
    transitions = Transitions(tables)
    if len(tables) == 1:
        return transitions, None
    if index is None:
        raise ValueError(f"index must say which of {len(tables)} tables each row uses, found None")
    if index.shape != (size,):
        raise ValueError(f"index must be ({size},), found {index.shape}")
    used = np.where(structure.first, 0, index).astype(np.int64)
    if used.size and (used.min() < 0 or used.max() >= len(tables)):
        raise ValueError(
            f"index must be 0 to {len(tables) - 1}, found {used.min()} to {used.max()}"
        )
    return transitions, used
