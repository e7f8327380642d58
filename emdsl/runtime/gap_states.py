"""The values of the latents that rows with missing cells have, and of those of each cluster."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from emdsl.runtime.program import Floats


@dataclass(frozen=True, slots=True)
class HostStates:
    """The K = prod(dims) joint values of the host's latents.

    `places` says for each cluster which of these latents it has, in its own order.
    """

    dims: tuple[int, ...]
    places: dict[int, tuple[int, ...]]

    @property
    def count(self) -> int:
        return math.prod(self.dims)

    def spread(self, cluster: int, value: Floats) -> Floats:
        """(C, ...) of a cluster's values as (K, ...) of the host's."""
        places = self.places.get(cluster, ())
        dims, rest = tuple(self.dims[p] for p in places), value.shape[1:]
        order = [int(i) for i in np.argsort(places)]
        whole = value.reshape(*dims, *rest).transpose(
            *order, *range(len(dims), len(dims) + len(rest))
        )
        shape = [self.dims[i] if i in places else 1 for i in range(len(self.dims))]
        wide = np.broadcast_to(whole.reshape(*shape, *rest), (*self.dims, *rest))
        return wide.reshape(self.count, *rest)

    def gathered(self, cluster: int, value: Floats) -> Floats:
        """(K, F) of the host's values, added up to (C, F) of a cluster's."""
        places = self.places.get(cluster, ())
        others = tuple(i for i in range(len(self.dims)) if i not in places)
        found = value.reshape(*self.dims, -1).sum(axis=others)
        ranks = [int(i) for i in np.argsort(np.argsort(places))]
        out: Floats = found.transpose(*ranks, len(places)).reshape(-1, value.shape[-1])
        return out
