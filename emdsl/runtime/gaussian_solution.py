"""The posterior of jointly normal latents."""

from __future__ import annotations

import numpy as np

from emdsl.runtime.gaussian_blocks import Floats, chunks, pick, transposed
from emdsl.runtime.gaussian_core import CoreFactor
from emdsl.runtime.gaussian_elimination import Blocks, Factor, covariances, substitute
from emdsl.runtime.gaussian_plan import Plan
from emdsl.runtime.gaussian_sharing import compact
from emdsl.runtime.gaussian_totals import Sums


class Solution:
    """The posterior of the latents.

    `evidence`: of each family (count,), contributions that add up to the log integral of exp(log
    joint) over all latents; those of an independent component lie on its elements.
    `means`: of each family (dim, count).
    """

    def __init__(
        self,
        plan: Plan,
        factors: list[list[Factor]],
        core: CoreFactor | None,
        evidence: list[Floats],
    ) -> None:
        self._plan, self._factors, self._core = plan, factors, core
        self._covariances: Blocks | None = None
        self.means = self._substitute(None)
        self.evidence = tuple(reader.read(evidence).sum(axis=0) for reader in plan.readers)

    def second(self, c: int, p: int, q: int) -> Floats:
        """E[u_p u_q'] for each row of clique c, (dim_p, dim_q, R); 0 where the row sees none."""
        if p > q:
            return self.second(c, q, p).swapaxes(0, 1)
        plan, held = self._plan, self._held
        clique = plan.cliques[c]
        f, g = clique.families[p], clique.families[q]
        d, e = plan.families[f].dim, plan.families[g].dim
        found = np.zeros((d, e, len(clique.rows[p])))
        for seen, slots in plan.where.get((c, p, q), []):
            x, y = seen.offsets
            if not seen.tie:
                blocks = held.nodes[seen.kinds[0]][x : x + d, y : y + e]
            elif seen.swap:
                blocks = held.edges[seen.ends][y : y + e, x : x + d]
            else:
                blocks = held.edges[seen.ends][x : x + d, y : y + e]
            for here in chunks(len(seen.rows), d * e):
                rows = seen.rows[here]
                left = pick(self.means[f], clique.rows[p][rows])
                right = pick(self.means[g], clique.rows[q][rows])
                second = left[:, None] * right
                second += (
                    transposed(pick(blocks, slots[here]))
                    if seen.swap
                    else pick(blocks, slots[here])
                )
                found[:, :, compact(rows)] = second
        return found

    def totals(self) -> list[Sums]:
        """For each clique {(p, q): (dim_p, dim_q, U)}, p <= q: Cov(u_p, u_q) added up by pattern.

        That is over the rows of each pattern, or of each row where the clique has no patterns. It
        costs no more for many rows with equal tables than for a few.
        """
        return self._plan.totals.add_up(self._factors, self._core)

    def covariance(self, f: int) -> Floats:
        """The posterior covariance of each element of a family, (dim, dim, count)."""
        plan, held = self._plan, self._held
        d, count = plan.families[f].dim, plan.families[f].count
        found = np.zeros((d, d, count))
        if not count:
            return found
        nodes = plan.layout.node[f]
        slots = plan.held.nodes[nodes]
        kind = held.nodes[int(plan.layout.kind[nodes[0]])]
        offset = plan.layout.offset[f]
        for x in np.unique(offset):
            here = compact(np.flatnonzero(offset == x))
            found[:, :, here] = pick(kind[x : x + d, x : x + d], compact(slots[here]))
        return found

    def draw(self, rng: np.random.Generator) -> tuple[Floats, ...]:
        """A joint draw of all latents from the posterior: of each family (dim, count)."""
        return self._substitute(rng)

    def _substitute(self, rng: np.random.Generator | None) -> tuple[Floats, ...]:
        plan = self._plan
        layout = plan.layout
        u = [np.empty((d, n)) for d, n in zip(layout.kinds, layout.sizes, strict=True)]
        if self._core:
            self._core.substitute(u, rng)
        substitute(plan.order.rounds, self._factors, u, rng)
        return tuple(reader.read(u) for reader in plan.readers)

    @property
    def _held(self) -> Blocks:
        """Covariances, worked out when they are first asked for."""
        if self._covariances is None:
            held, kinds = self._plan.held, self._plan.layout.kinds
            found = Blocks(
                [np.empty((d, d, n)) for d, n in zip(kinds, held.node_slots, strict=True)],
                {
                    (a, b): np.empty((kinds[a], kinds[b], n))
                    for (a, b), n in held.edge_slots.items()
                },
            )
            if self._core:
                self._core.covariances(found)
            covariances(self._plan.order.rounds, self._factors, kinds, found)
            self._covariances = found
        return self._covariances
