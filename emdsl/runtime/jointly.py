"""Normal latents tied across rows, as the engine holds them: state space models, crossed effects.

What rows say of the latents they see is gathered as natural parameters, block by block, as that of
independent rows is; `gaussian_system` conditions on all of it together; the means and products
that come back for each row go into the statistics as posteriors do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.feature_columns import at_columns, distinct_columns, joined, signature
from emdsl.runtime.gap_ties import Moments
from emdsl.runtime.gaps import GapData
from emdsl.runtime.gaussian_system import Clique, Family, GaussianSystem, Solution
from emdsl.runtime.how import Draw, How
from emdsl.runtime.joint_sums import LinearSums, SquareSums
from emdsl.runtime.links import Levels
from emdsl.runtime.pieces import Chunk, Kept, Known, PieceData, Posteriors, Steer
from emdsl.runtime.program import Features, Floats, Integral, Meta, Share
from emdsl.runtime.unseen import Points

Ints = NDArray[np.intp]
Pair = tuple[int, int]
Blocks = Callable[..., Iterator[tuple[Chunk, Features]]]


@dataclass(frozen=True, slots=True)
class JointlyNormal:
    """Coupled levels whose latents are all normal: `pieces` are their numbers in the program.

    `level` is the level whose rows are independent of each other.
    """

    pieces: tuple[int, ...]
    level: tuple[str, ...] = ()

    def load(
        self, meta: Meta, levels: Levels, pieces: Sequence[PieceData], blocks: Blocks
    ) -> JointlyNormalData:
        """The levels with their rows."""
        return JointlyNormalData(self, meta, levels, pieces, blocks)


class _Group:
    """One integral's rows: which elements each part is, and which rows have the same squares."""

    def __init__(self, piece: int, integral: Integral, families: tuple[int, ...]) -> None:
        self.piece = piece
        self.integral = integral
        self.families = families
        self.linear = [s for s in integral.shares if s.role == "linear"]
        self.square = [s for s in integral.shares if s.role != "linear"]
        self.patterns: Ints | None = None
        self.columns: dict[int, Any] = {}  # of each square's cluster, its rows in each pattern
        self.linear_sums: list[LinearSums] = []
        self.square_sums: list[SquareSums] = []


class _GapGroup:
    """The rows of a piece with missing cells that its latents have a part in; see `gap_ties`."""

    def __init__(
        self, piece: int, gaps: GapData, families: tuple[int, ...], rows: tuple[Ints, ...]
    ) -> None:
        """`families`, `rows`: of the integral's parts, each with the elements that rows see."""
        assert gaps.ties is not None
        self.piece, self.gaps, self.ties = piece, gaps, gaps.ties
        self.families = tuple(families[p] for p in gaps.ties.parts)
        self.rows = tuple(rows[p][gaps.incomplete()] for p in gaps.ties.parts)
        self.patterns: Ints | None = gaps.rows.patterns.number
        self.square_sums: list[SquareSums] = []

    def natural(self) -> tuple[list[Floats | None], dict[tuple[int, int], Floats]]:
        """What the cells, integrated out, say of the parts of each row and of their products."""
        linear, square, _ = self.gaps.pulled()
        spans = list(self.ties.spans.values())
        return [linear[s] for s in spans], {
            (i, j): square[s, t] if i == j else 2.0 * square[s, t]
            for i, s in enumerate(spans) for j, t in enumerate(spans) if i <= j
        }  # fmt: skip

    def sums(self, found: Solution | StandIn, number: int) -> dict[int, Floats]:
        """What the cells add to the expected sums of the piece's features, (C, F) by cluster."""
        spans = list(self.ties.spans.values())
        width = len(self.rows[0])
        first = np.zeros((1, self.ties.size, width))
        second = np.zeros((1, self.ties.size, self.ties.size, width))
        for i, s in enumerate(spans):
            mean = np.take(found.means[self.families[i]], self.rows[i], axis=1, mode="clip")
            first[0, s] = np.where(self.rows[i] >= 0, mean, 0.0)
            for j, t in enumerate(spans):
                second[0, s, t] = found.second(number, i, j)
        return self.gaps.sums_of(
            0, self.gaps.data.size, np.ones((1, width)), Moments(first, second)
        )


class JointlyNormalData:
    """The structure with its rows."""

    def __init__(
        self,
        structure: JointlyNormal,
        meta: Meta,
        levels: Levels,
        pieces: Sequence[PieceData],
        blocks: Blocks,
    ) -> None:
        self.structure, self.meta, self.levels = structure, meta, levels
        self.data, self.blocks = pieces, blocks
        names = dict.fromkeys(
            name for i in structure.pieces for g in pieces[i].piece.integrals for name in g.latents
        )
        self.latents = [next(c for c in meta.continuous if c.name == n) for n in names]
        self.families = [
            Family(levels.rows(c.axes).size, math.prod(self._shape(c.dims[len(c.axes) :])))
            for c in self.latents
        ]
        place = {c.name: i for i, c in enumerate(self.latents)}
        self.groups = [
            _Group(i, g, tuple(place[v.array] for v in g.sights))
            for i in structure.pieces
            for g in pieces[i].piece.integrals
        ]
        self.rows = [
            tuple(self._rows(g.piece, v.places, f)
                  for v, f in zip(g.integral.sights, g.families, strict=True))
            for g in self.groups
        ]  # fmt: skip
        self.gap_groups: list[_GapGroup] = []
        self.system: GaussianSystem | None = None
        self.cliques: list[Clique] = []

    @property
    def pieces(self) -> tuple[int, ...]:
        return self.structure.pieces

    def _shape(self, dims: Sequence[str | int]) -> tuple[int, ...]:
        sizes = self.levels.bound.layout.sizes
        return tuple(sizes[d] if isinstance(d, str) else d for d in dims)

    def _rows(self, piece: int, places: Any, family: int) -> Ints:
        source, target = self.data[piece].piece.axes, self.latents[family].axes
        if places:
            return self.levels.point(source, target, places)
        return self.levels.rows(source).up[len(target)]

    # -- what is the same in all iterations --

    def share(self) -> None:
        """Find which rows' squares have the same features, and add features up at elements."""
        cliques = []
        for g, rows in zip(self.groups, self.rows, strict=True):
            parts: dict[int, list[Any]] = {s.cluster: [] for s in g.integral.shares}
            for _, features in self.blocks(g.piece):
                for c, found in parts.items():
                    found.append(features.rows[c])
            whole = {c: joined(found) for c, found in parts.items()}
            columns = [signature(whole[c]) for c in sorted({s.cluster for s in g.square})]
            which, inverse = distinct_columns(np.concatenate(columns))
            g.patterns = None if 2 * len(which) > len(inverse) else inverse
            kept = which if g.patterns is not None else np.arange(len(inverse))
            g.columns = {s.cluster: at_columns(whole[s.cluster], kept) for s in g.square}
            counts = [self.families[f].count for f in g.families]
            g.linear_sums = [
                LinearSums(s, rows[s.first], whole[s.cluster], counts[s.first]) for s in g.linear
            ]
            g.square_sums = []
            for p, q in dict.fromkeys(_sorted(s) for s in g.square):
                shares = [s for s in g.square if _sorted(s) == (p, q)]
                g.square_sums.append(
                    SquareSums(
                        (p, q), shares, (rows[p], rows[q]), g.patterns, g.columns, whole, counts[p]
                    )
                )
            cliques.append(Clique(g.families, rows, g.patterns))
        self.gap_groups = [
            _GapGroup(g.piece, gaps, g.families, rows)
            for g, rows in zip(self.groups, self.rows, strict=True)
            for gaps in self.data[g.piece].gaps
            if gaps.ties is not None
            and self.data[g.piece].piece.integrals[gaps.ties.integral] is g.integral
        ]
        cliques += [Clique(g.families, g.rows, g.patterns) for g in self.gap_groups]
        if not _alike(self.cliques, cliques):
            self.system = None
        self.cliques = cliques

    # -- inference --

    def solve(self, known: Known) -> Solution:
        """The posterior of all latents under these coefficients. Raises ImproperError."""
        linears: list[list[Floats | None]] = []
        given: dict[int, Floats] = {}
        squares = []
        for g in self.groups:
            own: list[Floats | None] = [None] * len(g.families)
            for one in g.linear_sums:
                s = one.share
                part = one.natural(known[g.piece][s.cluster + 1])
                if one.added_up:
                    f = g.families[s.first]
                    given[f] = given[f] + part if f in given else part
                else:
                    before = own[s.first]
                    own[s.first] = part if before is None else before + part
            linears.append(own)
            squares.append(self._square(g, known))
        for gap in self.gap_groups:
            gap.gaps.solve(known.params)
            linear, square = gap.natural()
            linears.append(linear)
            squares.append(square)
        if self.system is None:  # planned where it is asked for, as filters never do
            self.system = GaussianSystem(self.families, self.cliques, None)
        return self.system.solve(linears, squares, given)

    def _square(self, g: _Group, known: Known) -> dict[tuple[int, int], Floats]:
        out: dict[tuple[int, int], Floats] = {}
        for s in g.square:
            part = known[g.piece][s.cluster + 1] @ g.columns[s.cluster]
            d, e = (self.families[g.families[p]].dim for p in (s.first, s.second))
            if s.role == "along":
                value = np.zeros((d, e, part.shape[-1]))
                value[np.arange(d), np.arange(d)] = part
            else:
                value = part.reshape(d, e, -1)
            key = (s.first, s.second)
            if s.first > s.second:
                key, value = key[::-1], value.swapaxes(0, 1)
            out[key] = out[key] + value if key in out else value
        return out

    def row_naturals(
        self, known: Known
    ) -> tuple[list[list[tuple[int, Floats]]], list[list[tuple[Pair, Floats]]]]:
        """What each row says, not added up: of each group (those of gaps last) the coefficients
        (dim, R) of part p, and (dim_p, dim_q, R) of the products of parts p and q.
        """
        linears: list[list[tuple[int, Floats]]] = []
        squares: list[list[tuple[Pair, Floats]]] = []
        for g in self.groups:
            dims = [self.families[f].dim for f in g.families]
            linears.append([])
            squares.append([])
            blocks = [features for _, features in self.blocks(g.piece)]
            for s in g.integral.shares:
                own = known[g.piece][s.cluster + 1]
                value = np.concatenate(
                    [np.atleast_2d(own @ f.rows[s.cluster]) for f in blocks], axis=1
                )
                if s.role == "linear":
                    linears[-1].append((s.first, value))
                    continue
                both = value.reshape(dims[s.first], -1, value.shape[1])
                if s.role == "along":
                    both = np.zeros((dims[s.first], dims[s.second], value.shape[1]))
                    both[np.arange(dims[s.first]), np.arange(dims[s.first])] = value
                squares[-1].append(((s.first, s.second), both))
        for gap in self.gap_groups:
            gap.gaps.solve(known.params)
            linear, square = gap.natural()
            linears.append([(p, x) for p, x in enumerate(linear) if x is not None])
            squares.append([(pair, x[..., gap.patterns]) for pair, x in square.items()])
        return linears, squares

    def infer(
        self, known: Known, how: How, bias: Steer | None = None
    ) -> tuple[Mapping[str, Floats], Posteriors]:
        """Log evidence by level, and for each piece's clusters the means of their functions."""
        if known.params is None:
            found: Solution | StandIn = self._stand_in(bias)
            evidence = np.zeros(self.levels.rows(self.structure.level).size)
        else:
            found = self.solve(known)
            evidence = self._evidence(found.evidence)
            if isinstance(how, Draw):
                found = self._at(found.draw(how.rng), None)
        posteriors: dict[int, list[Floats]] = {
            i: [np.empty((0, 0))] * len(self.data[i].states) for i in self.pieces
        }
        for c, g in enumerate(self.groups):
            for s in g.integral.shares:
                posteriors[g.piece][s.cluster] = self._mean(found, c, g, s)
        return {",".join(self.structure.level): evidence}, {
            i: tuple(p) for i, p in posteriors.items()
        }

    def _mean(self, found: Solution | StandIn, c: int, g: _Group, s: Share) -> Floats:
        if s.role == "linear":
            rows = self.rows[c][s.first]
            mean = np.take(found.means[g.families[s.first]], rows, axis=1, mode="clip")
            return np.where(rows >= 0, mean, 0.0) if (rows < 0).any() else mean
        both = found.second(c, s.first, s.second)
        if s.role == "along":
            return np.ascontiguousarray(np.einsum("iib->ib", both))
        return both.reshape(-1, both.shape[-1])

    def _evidence(self, parts: Sequence[Floats]) -> Floats:
        """What the elements say, added up at the independent rows."""
        level = self.structure.level
        total = np.zeros(self.levels.rows(level).size)
        for latent, part in zip(self.latents, parts, strict=True):
            up = self.levels.rows(latent.axes).up[len(level)]
            total += np.bincount(up, part, minlength=len(total))
        return total

    def _stand_in(self, bias: Steer | None) -> StandIn:
        """Points drawn for all latents (or zero), as far from each other as the scale says."""
        rng, scale, centres = None, 1.0, [0.0] * len(self.families)
        if isinstance(bias, Points):
            rng, scale = bias.rng, bias.scale
            centres = [bias.centres.get(c.name, 0.0) for c in self.latents]
        means = tuple(
            np.full((f.dim, f.count), centre) if rng is None else
            centre + scale * rng.standard_normal((f.dim, f.count))
            for f, centre in zip(self.families, centres, strict=True)
        )  # fmt: skip
        return self._at(means, scale**2 / 2.0)

    def _at(self, means: tuple[Floats, ...], variance: float | None) -> StandIn:
        rows = [*self.rows, *(g.rows for g in self.gap_groups)]
        return StandIn(means, variance, rows, [*self.groups, *self.gap_groups])

    def expect(
        self, known: Known, bias: Steer | None = None
    ) -> tuple[Mapping[str, Floats], Posteriors, Kept]:
        """Log evidence by level, and the expected sums of each piece's features, by cluster."""
        if known.params is None:
            found: Solution | StandIn = self._stand_in(bias)
            evidence = np.zeros(self.levels.rows(self.structure.level).size)
        else:
            found = self.solve(known)
            evidence = self._evidence(found.evidence)
        out: dict[int, list[Floats]] = {
            i: [np.empty((0, 0))] * len(self.data[i].states) for i in self.pieces
        }
        for g, covariances in zip(self.groups, found.totals(), strict=False):
            sums = out[g.piece]
            for one in g.linear_sums:
                sums[one.share.cluster] = one.sums(found.means[g.families[one.share.first]])
            for two in g.square_sums:
                left, right = (found.means[g.families[p]] for p in two.pair)
                for c, total in two.sums(left, right, covariances.get(two.pair)).items():
                    sums[c] = total
        for number, gap in enumerate(self.gap_groups, len(self.groups)):
            gap.gaps.solve(known.params)
            for c, more in gap.sums(found, number).items():
                out[gap.piece][c] = out[gap.piece][c] + more.reshape(out[gap.piece][c].shape)
        level = ",".join(self.structure.level)
        return {level: evidence}, {i: tuple(x) for i, x in out.items()}, {}

    def log_likelihood(self, evidence: Mapping[str, Floats], known: Known) -> float:
        """The log evidence of all rows."""
        del known
        return float(sum(math.fsum(rows) if len(rows) < 1000 else rows.sum()
                         for rows in evidence.values()))  # fmt: skip

    def pointing(self, index: int) -> dict[int, Ints]:
        """No rows here have starts drawn for them that others could vote on."""
        del index
        return {}

    def past(self, engine: Any, params: Any) -> Any:
        """What each row's past says, along every chain of the model: a `past.Past`."""
        from emdsl.runtime.past_of_normals import filter_normal_chains  # which needs this class

        return filter_normal_chains(engine, params)


class StandIn:
    """Means of all latents with one variance for every entry, in place of a posterior."""

    def __init__(
        self,
        means: tuple[Floats, ...],
        variance: float | None,
        rows: Sequence[tuple[Ints, ...]],
        groups: Sequence[_Group | _GapGroup],
    ) -> None:
        self.means, self.variance = means, variance
        self.rows, self.groups = rows, groups

    def second(self, c: int, p: int, q: int) -> Floats:
        """E[u_p u_q'] for each row of group c, (dim_p, dim_q, R); 0 where the row sees none."""
        families, rows = self.groups[c].families, self.rows[c]
        left = np.take(self.means[families[p]], rows[p], axis=1, mode="clip")
        right = np.take(self.means[families[q]], rows[q], axis=1, mode="clip")
        both = left[:, None] * right
        if self.variance is not None and families[p] == families[q]:
            at = np.arange(len(left))
            both[at, at] += np.where(rows[p] == rows[q], self.variance, 0.0)
        kept: Floats = np.where((rows[p] >= 0) & (rows[q] >= 0), both, 0.0)
        return kept

    def totals(self) -> list[dict[tuple[int, int], Floats]]:
        """Covariances added up by pattern, as those of a `Solution`."""
        return [self._totals(g, rows) for g, rows in zip(self.groups, self.rows, strict=True)]

    def _totals(
        self, g: _Group | _GapGroup, rows: tuple[Ints, ...]
    ) -> dict[tuple[int, int], Floats]:
        out: dict[tuple[int, int], Floats] = {}
        patterns = np.arange(len(rows[0])) if g.patterns is None else g.patterns
        size = int(patterns.max(initial=-1)) + 1
        for p, q in (two.pair for two in g.square_sums):
            if self.variance is None or g.families[p] != g.families[q]:
                continue
            same = (rows[p] == rows[q]) & (rows[p] >= 0)
            counts = np.bincount(patterns[same], minlength=size)
            at = np.eye(len(self.means[g.families[p]]))
            out[p, q] = self.variance * at[:, :, None] * counts
        return out


def _sorted(s: Share) -> tuple[int, int]:
    return min(s.first, s.second), max(s.first, s.second)


def _alike(before: Sequence[Clique], after: Sequence[Clique]) -> bool:
    """Whether the same rows see the same and have equal tables as before."""
    return len(before) == len(after) and all(
        all(map(_same, (a.patterns, *a.rows), (b.patterns, *b.rows)))
        for a, b in zip(before, after, strict=True)
    )


def _same(a: Ints | None, b: Ints | None) -> bool:
    return a is b or (a is not None and b is not None and np.array_equal(a, b))
