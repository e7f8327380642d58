"""Jointly normal latents tied across rows: one big sparse normal, conditioned on exactly.

A log joint density is a quadratic form in latents u, a sum over rows that each see a few of them:

    sum over rows of  b_p' u_p + u_p' C_pq u_q,  that is  h'u - u'Pu / 2

It knows nothing of models: state space models, random effects (nested, crossed) and trees differ
in what rows see. The precision P is factored block by block (`gaussian_order` says in which
order), which gives log of the integral, means, and the covariances of whatever some row sees
together. Everything that depends on the structure alone is done once, in `GaussianSystem`.

Accuracy: that of a Cholesky factorisation of P; different units don't matter, but a tie that is
much more precise than what is known of the elements it ties costs digits. In a random walk with
variance q of a step and r of an observation means and variances are right to about 1e-16 r/q,
whatever its length: 8 digits are left at r/q = 1e8, 4 at 1e12. Beyond 1e14 precisions are lost
altogether, and ImproperElementError says so. Where q is 0 in truth, all steps are one latent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.gaussian_blocks import Floats
from emdsl.runtime.gaussian_core import CoreFactor, TooLargeError
from emdsl.runtime.gaussian_elimination import Blocks, Singular, eliminate
from emdsl.runtime.gaussian_layout import Clique, Family
from emdsl.runtime.gaussian_plan import make_plan
from emdsl.runtime.gaussian_seen import Pair
from emdsl.runtime.gaussian_solution import Solution
from emdsl.runtime.improper import ImproperError

__all__ = [
    "Clique",
    "Family",
    "GaussianSystem",
    "ImproperElementError",
    "Solution",
    "TooLargeError",
]


class ImproperElementError(ImproperError):
    """The precision isn't positive definite: nothing determines an element."""

    def __init__(self, family: int, element: int) -> None:
        super().__init__(
            f"the precision of the latents isn't positive definite, found at element {element} of "
            f"family {family}: neither its prior nor the data determine it"
        )
        self.family, self.element = family, element

    def __reduce__(self) -> tuple[type[ImproperElementError], tuple[int, int]]:
        return type(self), (self.family, self.element)


class GaussianSystem:
    """The structure: which elements of which families each row sees."""

    def __init__(
        self,
        families: Sequence[Family],
        cliques: Sequence[Clique],
        parts: tuple[NDArray[np.intp], ...] | None = None,
    ) -> None:
        """`parts`: of each family (count,), the independent part that an element belongs to.

        Raises ValueError where rows don't fit the families or tie two parts together, and
        TooLargeError where the dense matrix that is left in the end doesn't fit in memory.
        """
        _check(families, cliques, parts)
        self._plan = make_plan(families, cliques)

    def solve(
        self,
        linears: Sequence[Sequence[Floats | None]],
        squares: Sequence[Mapping[Pair, Floats]],
        given: Mapping[int, Floats] | None = None,
    ) -> Solution:
        """The posterior.

        linears[c][p]: (dim_p, R), the coefficient of u_p in the log joint of clique c's rows; or
        None, and given[f]: (dim, count), those of family f's elements, already added up.
        squares[c][p, q], p <= q: (dim_p, dim_q, U), that of u_p[i] u_q[j] for each pattern, or
        (dim_p, dim_q, R) where the clique has no patterns; absent pairs count as 0. Raises
        ImproperElementError where the precision isn't positive definite.
        """
        plan = self._plan
        kinds, order = plan.layout.kinds, plan.order
        blocks = Blocks(
            [np.empty((d, d, n)) for d, n in zip(kinds, order.node_slots, strict=True)],
            {(a, b): np.empty((kinds[a], kinds[b], n)) for (a, b), n in order.edge_slots.items()},
        )
        for k, sums in enumerate(plan.node_sums):
            sums.sum(blocks.nodes[k], squares)
            for i, at in plan.padded[k]:
                blocks.nodes[k][i, i, at] = 1.0
        for pair, sums in plan.edge_sums.items():
            sums.sum(blocks.edges[pair], squares)
        h = plan.linears.sum(linears)
        for f, values in (given or {}).items():
            plan.readers[f].add(h, values)
        evidence = [np.empty_like(x) for x in h]
        try:
            factors = eliminate(order.rounds, kinds, blocks, h, evidence)
            core = CoreFactor(plan.core, blocks, h, evidence) if plan.core else None
        except Singular as found:
            raise ImproperElementError(*self._element(found.node, found.row)) from None
        return Solution(plan, factors, core, evidence)

    def _element(self, node: int, row: int) -> tuple[int, int]:
        """The family and element that a number of a node belongs to."""
        layout = self._plan.layout
        for f, family in enumerate(self._plan.families):
            offset = layout.offset[f]
            here = (layout.node[f] == node) & (offset <= row) & (row < offset + family.dim)
            if here.any():
                return f, int(np.argmax(here))
        raise AssertionError(node, row)


def _check(
    families: Sequence[Family],
    cliques: Sequence[Clique],
    parts: tuple[NDArray[np.intp], ...] | None,
) -> None:
    for c, clique in enumerate(cliques):
        if len(clique.families) != len(clique.rows):
            raise ValueError(f"clique {c} must have rows for each place")
        for p, (f, rows) in enumerate(zip(clique.families, clique.rows, strict=True)):
            count = families[f].count
            if len(rows) != len(clique.rows[0]):
                raise ValueError(f"clique {c} has places with {len(clique.rows[0])} and "
                                 f"{len(rows)} rows")  # fmt: skip
            if len(rows) and not (-1 <= int(rows.min()) and int(rows.max()) < count):
                raise ValueError(
                    f"clique {c} place {p} must see elements 0 to {count - 1} of family {f}, or -1"
                )
        if clique.patterns is not None and len(clique.rows):
            if len(clique.patterns) != len(clique.rows[0]):
                raise ValueError(f"clique {c} must have a pattern for each row")
            if len(clique.patterns) and int(clique.patterns.min()) < 0:
                raise ValueError(f"clique {c} has negative patterns")
        if parts is None:
            continue
        for p, q in combinations(range(len(clique.families)), 2):
            i, j = clique.rows[p], clique.rows[q]
            here = (i >= 0) & (j >= 0)
            left = parts[clique.families[p]][i[here]]
            if not (left == parts[clique.families[q]][j[here]]).all():
                raise ValueError(f"clique {c} ties parts that are said to be independent")
