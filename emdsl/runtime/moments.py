"""What data say of continuous latents: means and covariances, and draws.

Given the discrete latents above each has a posterior of its own; over all of their values the mean
is the weighted mean, and the variance has a part within the values and one between them:

    E[u] = sum_k p_k m_k        Var[u] = sum_k p_k (V_k + (m_k - E[u]) (m_k - E[u])')
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdsl.runtime.engine import Engine
from emdsl.runtime.how import EXPECT, Describe, Draw, DrawAll
from emdsl.runtime.jointly import JointlyNormalData
from emdsl.runtime.pieces import Known, PieceData, whole
from emdsl.runtime.program import Floats, Integral, Params, Program
from emdsl.runtime.queries import prepare
from emdsl.runtime.ragged import shaped
from emdsl.runtime.shifted import shift_of


@dataclass(frozen=True, slots=True)
class Moments:
    """A continuous latent's posterior mean and covariance, in the form of the data.

    mean : (N, ...) in the latent's declared shape.
    covariance : (N, L, L) of the entries of normal latents (of a scalar (N,), its variance); of
        other latents (N, ...), the variance of each entry.
    """

    mean: Any
    covariance: Any


def posterior_moments(
    program: Program,
    data: Any,
    params: Mapping[str, Any],
    sizes: Mapping[str, int] | None = None,
    *,
    lengths: Any = None,
) -> dict[str, Moments]:
    """The posterior mean and covariance of each continuous latent; {} where there is none.

    On a chain of normal latents these are the smoothed states (Rauch, Tung and Striebel 1965).
    """
    engine, checked = prepare(program, data, params, sizes, lengths=lengths)
    with np.errstate(all="ignore"):
        found = moments_of(engine, checked)
    axes = {c.name: c.axes for c in program.meta.continuous}
    return {
        name: Moments(*(shaped(engine.bound, axes[name], rows) for rows in both))
        for name, both in found.items()
    }


def moments_of(engine: Engine, params: Params) -> dict[str, tuple[Floats, Floats]]:
    """Each continuous latent's means and covariances, rows first."""
    out: dict[str, tuple[Floats, Floats]] = {}
    for structure in engine.structures:
        if isinstance(structure, JointlyNormalData):
            solution = structure.solve(engine.known(params))
            for f, latent in enumerate(structure.latents):
                out[latent.name] = (solution.means[f], solution.covariance(f))
    for data, parts in _integrals(engine, params, None):
        out |= _described(data, parts)
    return {c.name: in_shape(engine, c.name, *out[c.name]) for c in engine.program.meta.continuous}


def draws_of(
    engine: Engine, params: Params, rng: np.random.Generator
) -> tuple[dict[str, Floats], dict[str, Any]]:
    """A joint draw: of the continuous latents, rows first, and of the discrete, (rows, values).

    The discrete ones are those that continuous latents are under.
    """
    values: dict[str, Floats] = {}
    discrete: dict[str, Any] = {}
    for structure in engine.structures:
        if isinstance(structure, JointlyNormalData):
            drawn = structure.solve(engine.known(params)).draw(rng)
            values |= {c.name: d for c, d in zip(structure.latents, drawn, strict=True)}
    for data, parts in _integrals(engine, params, rng):
        for name in data.piece.latents:
            discrete[name] = whole([p.discrete[name].T for p in parts], data)
        for i, integral in enumerate(data.piece.integrals):
            for place, name in enumerate(integral.latents):
                each = [
                    np.sum(p.weights[i][..., None, :] * _flat(integral, p.found[i][0], place,
                                                              integral.states), axis=0)
                    for p in parts
                ]  # fmt: skip
                values[name] = np.concatenate(each, axis=-1)
    shaped_values = {
        c.name: _entries(engine, c.name, values[c.name]) + shift_of(c, engine.pivot)
        for c in engine.program.meta.continuous
    }
    return shaped_values, discrete


@dataclass(frozen=True, slots=True)
class _Part:
    """One block: of each integral what was found, and the weights (states, B) of the values above;
    `discrete` are these latents' marginals.
    """

    found: list[Any]
    weights: list[Floats]
    discrete: dict[str, Any]


def _integrals(
    engine: Engine, params: Params, rng: np.random.Generator | None
) -> Iterator[tuple[PieceData, list[_Part]]]:
    """Every piece with continuous latents of independent rows, block by block."""
    known = engine.known(params)
    for structure in engine.structures:
        whose = [i for i in structure.pieces if engine.pieces[i].piece.integrate is not None]
        if not whose:
            continue
        _, posteriors = structure.infer(known, EXPECT if rng is None else Draw(rng))
        for index in whose:
            yield engine.pieces[index], _tied(engine, index, params, known, posteriors[index], rng)
    for index, data in enumerate(engine.pieces):
        if index in engine.coupled or not data.piece.integrals:
            continue
        parts: list[_Part] = []
        for _, features in engine.blocks(index, params):
            how = Describe() if rng is None else DrawAll(rng)
            _, clusters = data.piece.infer(features, known[index], engine.layout, how, None)
            weights = []
            for integral in data.piece.integrals:
                share = integral.shares[0]
                dims = [engine.layout.sizes[d] if isinstance(d, str) else d
                        for d in data.piece.clusters[share.cluster]]  # fmt: skip
                states = int(np.prod(dims[: integral.states]))
                weights.append(clusters[share.cluster].reshape(states, -1, features.direct.shape[1])
                               [:, 0])  # fmt: skip
            discrete = dict(data.piece.marginals(clusters, engine.layout))
            parts.append(_Part(how.found, weights, discrete))
        yield data, parts


def _tied(
    engine: Engine,
    index: int,
    params: Params,
    known: Known,
    posteriors: tuple[Floats, ...],
    rng: np.random.Generator | None,
) -> list[_Part]:
    """The blocks of a piece whose discrete latents are tied across rows."""
    data = engine.pieces[index]
    assert data.piece.integrate is not None
    marginals = data.piece.marginals(posteriors, engine.layout)
    parts = []
    for chunk, features in engine.blocks(index, params):
        how = Describe() if rng is None else DrawAll(rng)
        data.piece.integrate(features, known[index], engine.layout, how, None)
        here = slice(chunk.start, chunk.stop)
        weights = [posteriors[g.parent][:, here] for g in data.piece.integrals]
        parts.append(_Part(how.found, weights, {n: m[:, here] for n, m in marginals.items()}))
    return parts


def _described(data: PieceData, parts: list[_Part]) -> dict[str, tuple[Floats, Floats]]:
    out: dict[str, tuple[Floats, Floats]] = {}
    for i, integral in enumerate(data.piece.integrals):
        for place, name in enumerate(integral.latents):
            both = [_over_states(integral, p.found[i], place, p.weights[i]) for p in parts]
            means, covariances = ([b[k].T for b in both] for k in (0, 1))
            mean, covariance = whole(means, data).T, whole(covariances, data).T
            out[name] = (mean, covariance)
    return out


def _over_states(
    integral: Integral, found: Any, place: int, weight: Floats
) -> tuple[Floats, Floats]:
    """The mean (entries, B) and covariance (entries, entries, B) or variance (entries, B)."""
    states = weight.shape[0]
    mean = _flat(integral, found[0], place, integral.states)
    total = np.einsum("sb,seb->eb", weight, np.broadcast_to(
        mean, (states, mean.shape[1], weight.shape[1])))  # fmt: skip
    apart = mean - total
    if integral.family == "normal":
        within = found[1][place, place]
        within = within.reshape(-1, *within.shape[integral.states :])
        within = np.broadcast_to(within, (states, *within.shape[1:3], weight.shape[1]))
        between = apart[:, :, None] * apart[:, None]
        return total, np.einsum("sb,sefb->efb", weight, within + between)
    within = _flat(integral, found[1], 0, integral.states)
    return total, np.einsum("sb,seb->eb", weight, np.broadcast_to(
        within + apart**2, (states, mean.shape[1], weight.shape[1])))  # fmt: skip


def _flat(integral: Integral, found: Any, place: int, states: int) -> Floats:
    """What a latent's entries are for all states: (states, entries, B)."""
    value = np.asarray(found[place] if integral.family == "normal" else found)
    count = int(np.prod(value.shape[:states]))
    return value.reshape(count, -1, value.shape[-1])


def in_shape(engine: Engine, name: str, mean: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """Rows first, means in the latent's own shape and place; of scalars the covariance is a
    variance.
    """
    latent = next(c for c in engine.program.meta.continuous if c.name == name)
    rows = mean.shape[-1]
    where = _entries(engine, name, mean) + shift_of(latent, engine.pivot)
    if spread.ndim == 2:
        return where, _entries(engine, name, spread)
    moved = np.moveaxis(spread, -1, 0)
    return where, moved.reshape(rows) if not latent.event else moved


def _entries(engine: Engine, name: str, value: Floats) -> Floats:
    """(entries, rows) as (rows, ...) in the latent's own shape."""
    latent = next(c for c in engine.program.meta.continuous if c.name == name)
    sizes = engine.layout.sizes
    dims = latent.dims[len(latent.dims) - latent.event :]
    shape = [sizes[d] if isinstance(d, str) else d for d in dims]
    return np.ascontiguousarray(value.reshape(*shape, value.shape[-1]).transpose(
        len(shape), *range(len(shape))))  # fmt: skip
