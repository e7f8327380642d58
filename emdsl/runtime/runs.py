"""One run of forward and backward over chains, and what `Smoothed` asks of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.chains_log import Exact, exact
from emdsl.runtime.routes import Messages
from emdsl.runtime.sequences import Chains
from emdsl.runtime.smoothed import Filtering, Links, Smoothed
from emdsl.runtime.transitions import Transitions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Run:
    """Scaled messages, and exact ones for the sequences where these can't be trusted."""

    def __init__(
        self,
        messages: Messages,
        unary: Floats,
        transitions: Transitions,
        index: Ints | None,
        chains: Chains,
    ) -> None:
        self.messages, self.transitions = messages, transitions
        self.index, self.chains = index, chains
        self.log_scale = messages.log_scale
        if transitions.shift is not None:
            added = transitions.shift[0] if index is None else transitions.shift[index]
            self.log_scale += np.where(chains.first, 0.0, added)
        self.evidence = _by_sequence(self.log_scale, chains)
        self.rows = np.zeros(0, np.int64)
        self.exact: Exact | None = None
        suspect = messages.suspect
        if len(suspect):
            self.rows = np.flatnonzero(np.isin(chains.sequence, suspect))
            some = Chains.from_lengths(chains.lengths[suspect])
            used = None if index is None else index[self.rows]
            self.exact = exact(unary[:, self.rows], transitions, used, some)
            self.log_scale[self.rows] = self.exact.log_scale
            self.evidence[suspect] = self.exact.evidence

    def smoothed(self) -> Smoothed:
        """The answer of `forward_backward`."""
        posterior = self.messages.posterior
        if self.exact is not None:
            posterior[:, self.rows] = self.exact.posterior
        return Smoothed(self.evidence, posterior, self.transitions, self.index, self)

    def total(self) -> Floats | None:
        """All pairs added up, where no sequence was done again."""
        return None if self.exact is not None else self.messages.total()

    def links(self) -> Links:
        """All pair marginals, those of sequences done again apart."""
        left = self._before()
        right = self.messages.right()
        if self.exact is None:
            nothing = np.zeros((len(left), len(left), 0))
            return Links(left, right, self.rows, nothing)
        left[:, self.rows] = 0.0
        right[:, self.rows] = 0.0
        return Links(left, right, self.rows, self.exact.pairs)

    def _before(self) -> Floats:
        """Each row's predecessor's filtered state, (K, N); of no meaning at first rows."""
        filtered = self.messages.left()
        left = np.zeros(filtered.shape)
        left[:, 1:] = filtered[:, :-1]
        return left

    def filtering(self) -> Filtering:
        """Filtered and predicted states, and the scales."""
        filtered = np.array(self.messages.left())
        predicted = self.transitions.ahead(self._before(), self.index)
        total = predicted.sum(axis=0)
        predicted /= np.where(total > 0.0, total, 1.0)
        predicted[:, self.chains.starts] = np.nan
        if self.exact is not None:
            filtered[:, self.rows] = self.exact.filtered
            predicted[:, self.rows] = self.exact.predicted
        return Filtering(filtered, predicted, self.log_scale)


def _by_sequence(values: Floats, chains: Chains) -> Floats:
    """Sums over each sequence, (S,); pairwise within a sequence."""
    if len(chains.starts) == 1:
        return np.array([values.sum()])
    found: Floats = np.add.reduceat(values, chains.starts)
    return found
