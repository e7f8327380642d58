"""Jointly normal latents by one dense matrix, assembled row by row with plain loops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdsl.runtime.gaussian_system import Clique, Family


@dataclass
class Dense:
    families: list[Family]
    cliques: list[Clique]
    precision: np.ndarray
    linear: np.ndarray

    def at(self, f: int, element: int) -> slice:
        start = sum(x.count * x.dim for x in self.families[:f])
        dim = self.families[f].dim
        return slice(start + element * dim, start + (element + 1) * dim)

    def solve(self) -> None:
        self.covariance = np.linalg.inv(self.precision)
        self.mean = np.linalg.solve(self.precision, self.linear)

    def component(self) -> np.ndarray:
        """The independent component of each element, elements of all families in a row."""
        owner = [(f, i) for f, x in enumerate(self.families) for i in range(x.count)]
        group = list(range(len(owner)))
        number = {fi: n for n, fi in enumerate(owner)}
        for clique in self.cliques:
            for r in range(len(clique.rows[0])):
                seen = [
                    number[f, int(rows[r])]
                    for f, rows in zip(clique.families, clique.rows, strict=True)
                    if rows[r] >= 0
                ]
                for other in seen[1:]:
                    a, b = group[seen[0]], group[other]
                    group = [a if g == b else g for g in group]
        return np.array(group)

    def evidence(self) -> dict[int, float]:
        """Log integral of each component."""
        owner = np.concatenate(
            [
                np.repeat(np.arange(x.count) + sum(y.count for y in self.families[:f]), x.dim)
                for f, x in enumerate(self.families)
            ]
        )
        group = self.component()
        found = {}
        for g in np.unique(group):
            here = np.flatnonzero(group[owner] == g)
            p, h = self.precision[np.ix_(here, here)], self.linear[here]
            sign, logdet = np.linalg.slogdet(p)
            assert sign > 0
            found[int(g)] = (
                0.5 * h @ np.linalg.solve(p, h) - 0.5 * logdet + 0.5 * len(here) * np.log(2 * np.pi)
            )
        return found


def assemble(families, cliques, linears, squares) -> Dense:
    size = sum(x.count * x.dim for x in families)
    dense = Dense(list(families), list(cliques), np.zeros((size, size)), np.zeros(size))
    for c, clique in enumerate(cliques):
        for r in range(len(clique.rows[0])):
            u = r if clique.patterns is None else clique.patterns[r]
            for p, f in enumerate(clique.families):
                if clique.rows[p][r] < 0:
                    continue
                i = dense.at(f, int(clique.rows[p][r]))
                dense.linear[i] += linears[c][p][:, r]
                for q in range(p, len(clique.families)):
                    if clique.rows[q][r] < 0 or (p, q) not in squares[c]:
                        continue
                    j = dense.at(clique.families[q], int(clique.rows[q][r]))
                    table = squares[c][p, q][:, :, u]
                    dense.precision[i, j] -= table
                    dense.precision[j, i] -= table.T
    return dense


def tables(rng, families, cliques, patterns, ridge=0.3):
    """Random linear and square coefficients, each row's own precision positive definite."""
    linears, squares = [], []
    for clique, count in zip(cliques, patterns, strict=True):
        dims = [families[f].dim for f in clique.families]
        rows = len(clique.rows[0])
        ends = np.cumsum([0, *dims])
        root = rng.normal(size=(count, ends[-1], ends[-1] + 1))
        full = -0.5 * (root @ root.transpose(0, 2, 1) + ridge * np.eye(ends[-1]))
        skew = rng.normal(size=full.shape)
        full += 0.3 * (skew - skew.transpose(0, 2, 1))  # the quadratic form doesn't see it
        one = {}
        for p in range(len(dims)):
            for q in range(p, len(dims)):
                a, b = slice(ends[p], ends[p + 1]), slice(ends[q], ends[q + 1])
                block = full[:, a, b].copy()
                if p < q:
                    block += full[:, b, a].transpose(0, 2, 1)
                one[p, q] = np.ascontiguousarray(block.transpose(1, 2, 0))
        squares.append(one)
        linears.append([rng.normal(size=(d, rows)) for d in dims])
    return linears, squares


def compare(dense: Dense, solution, rtol=1e-9) -> None:
    """Everything a solution says against the dense matrix."""
    dense.solve()
    families, cliques = dense.families, dense.cliques
    size = max(1.0, float(np.abs(dense.mean).max(initial=0.0)))
    wide = max(1.0, float(np.abs(dense.covariance).max(initial=0.0)))
    for f, family in enumerate(families):
        covariance = solution.covariance(f)
        assert solution.means[f].shape == (family.dim, family.count)
        assert covariance.shape == (family.dim, family.dim, family.count)
        for i in range(family.count):
            at = dense.at(f, i)
            np.testing.assert_allclose(
                solution.means[f][:, i], dense.mean[at], rtol=rtol, atol=rtol * size
            )
            np.testing.assert_allclose(
                covariance[:, :, i], dense.covariance[at, at], rtol=rtol, atol=rtol * wide
            )
            np.testing.assert_array_equal(covariance[:, :, i], covariance[:, :, i].T)
    for c, clique in enumerate(cliques):
        for p, f in enumerate(clique.families):
            for q in range(p, len(clique.families)):
                g = clique.families[q]
                found = solution.second(c, p, q)
                assert found.shape == (families[f].dim, families[g].dim, len(clique.rows[0]))
                for r in range(len(clique.rows[0])):
                    i, j = int(clique.rows[p][r]), int(clique.rows[q][r])
                    truth = np.zeros(found.shape[:2])
                    if i >= 0 and j >= 0:
                        a, b = dense.at(f, i), dense.at(g, j)
                        truth = dense.covariance[a, b] + np.outer(dense.mean[a], dense.mean[b])
                    np.testing.assert_allclose(
                        found[:, :, r], truth, rtol=rtol, atol=rtol * (size**2 + wide)
                    )
    compare_totals(dense, solution, rtol * wide)
    group = dense.component()
    evidence = np.concatenate(solution.evidence)
    assert len(evidence) == len(group)
    for g, value in dense.evidence().items():
        np.testing.assert_allclose(
            evidence[group == g].sum(), value, rtol=rtol, atol=rtol * (group == g).sum()
        )


def compare_totals(dense: Dense, solution, atol) -> None:
    """Covariances added up over the rows of each pattern."""
    for clique, found in zip(dense.cliques, solution.totals(), strict=True):
        rows = len(clique.rows[0])
        patterns = np.arange(rows) if clique.patterns is None else clique.patterns
        for p, f in enumerate(clique.families):
            for q in range(p, len(clique.families)):
                g = clique.families[q]
                shape = dense.families[f].dim, dense.families[g].dim, patterns.max(initial=-1) + 1
                truth = np.zeros(shape)
                for r in range(rows):
                    i, j = int(clique.rows[p][r]), int(clique.rows[q][r])
                    if i >= 0 and j >= 0:
                        truth[:, :, patterns[r]] += dense.covariance[dense.at(f, i), dense.at(g, j)]
                own = found.get((p, q), np.zeros(shape))
                np.testing.assert_allclose(own, truth, rtol=1e-8, atol=atol * max(rows, 1))
