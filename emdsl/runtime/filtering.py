"""What is known of chains from the past alone: p(z_t | x_0..t), p(z_t | x_0..t-1), p(x_t | past).

A chain's step holds what row t says, given the row before. It is taken twice, with the data and
without (all of them missing), so that

    p(z_t | x_0..t-1)  ~  sum over z_t-1 of p(z_t-1 | x_0..t-1) step without data
    p(z_t | x_0..t)    ~  sum over z_t-1 of p(z_t-1 | x_0..t-1) step with data
    p(x_t | x_0..t-1)  =  the ratio of the totals of these two

Where sequences have latents of their own (the class c of a mixture of hidden Markov models), each
value has a chain, and p(c | x_0..t) ~ p(c | what is known beside the chain) p(x_0..t | c).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from emdsl.runtime.blank import without_data
from emdsl.runtime.chains import Trees
from emdsl.runtime.engine import Engine
from emdsl.runtime.errors import NoFilterError, no_chain
from emdsl.runtime.integrals import finite_states
from emdsl.runtime.jointly import JointlyNormalData
from emdsl.runtime.past import Level, Past, alone, beside
from emdsl.runtime.pieces import Known
from emdsl.runtime.program import Floats, Params, Walk
from emdsl.runtime.steps import Asked, Steps, replied, steps_of
from emdsl.runtime.structures import StructureData

_CUT = 1e-295  # as in the engine: a potential below e^-690 means none


def filter_chains(engine: Engine, params: Params) -> Past:
    """Filter along every chain of the model.

    Raises NoFilterError.
    """
    chains = [s for s in engine.structures if isinstance(s, StructureData) and s.structure.walks]
    if any(isinstance(x, JointlyNormalData) for x in engine.structures):
        alone(engine, chains)
    if not chains:
        raise NoFilterError(no_chain(engine.program.meta.name))
    for chain in chains:
        _check(chain)
    blank = without_data(engine)
    known, bare = engine.known(params), blank.known(params)
    past = Past({}, {}, {})
    for chain in chains:
        number = engine.structures.index(chain)
        other = blank.structures[number]
        assert isinstance(other, StructureData)
        _filter(engine, chain, other, known, bare, past)
    for level in past.log_predictive:
        past.log_predictive[level] += beside(engine, level, known, chains)
        past.log_predictive[level] -= beside(blank, level, bare, chains)
    return past


def _check(chain: StructureData) -> None:
    walks = chain.structure.walks
    names = [", ".join(w.axes) for w in walks]
    if len(walks) > 1:
        raise NoFilterError(
            f"chains along {' and '.join(names)} hang together, so that no order in time tells "
            "what is past: filtering needs one chain alone, ask for the posterior"
        )
    if isinstance(chain.ties.walks[0].structure, Trees):
        raise NoFilterError(
            f"the latents over {names[0]} are a tree (z[{walks[0].parent}[...]]), which has no "
            "order in time: filtering needs a chain (z[t-1]), ask for the posterior"
        )


def _filter(
    engine: Engine,
    chain: StructureData,
    blank: StructureData,
    known: Known,
    bare: Known,
    past: Past,
) -> None:
    """One chain's answers, added to `past`."""
    walk = chain.structure.walks[0]
    rows = chain.ties.walks[0]
    full, empty = steps_of(chain, known), steps_of(blank, bare)
    given = full.begun.shape[1]
    filtered, predicted = np.empty_like(full.begun), np.empty_like(full.begun)
    scale = np.empty((given, len(rows.first)))
    for o in range(given):
        filtered[:, o], log_scale = full.forward(o)
        predicted[:, o], norm = empty.ahead(o, filtered[:, o])
        scale[o] = np.where(log_scale == -np.inf, -np.inf, log_scale - norm)
    above = full.above if full.above is not None else np.ones((1, rows.above))
    now, before, log_predictive = _weigh(above[:, rows.row_outer], scale, rows.first)
    pairs: list[Floats | None] = [None, None]
    if not rows.shared:  # latents of a row may have been summed out of the step
        pairs = [
            np.stack([s.pairs(o, filtered[:, o], x[:, o]) for o in range(given)], axis=1) * share
            for s, x, share in ((full, filtered, now), (empty, predicted, before))
        ]
    asked = (
        Asked(now, filtered * now, pairs[0]),
        Asked(before, predicted * before, pairs[1]),
    )
    level = walk.axes
    for answers, source, steps, one in zip(
        (past.filtered, past.predicted), (chain, blank), (full, empty), asked, strict=True
    ):
        answers.update(_marginals(engine, source, steps, one))
        for name, share in _outer(engine, walk, one.given).items():
            answers[name] = level, share
    total = past.log_predictive.get(level)
    past.log_predictive[level] = log_predictive if total is None else total + log_predictive


def _weigh(prior: Floats, scale: Floats, first: Any) -> tuple[Floats, Floats, Floats]:
    """p(given | x_0..t) and p(given | x_0..t-1), (given, rows), and log p(x_t | x_0..t-1), (rows,).

    prior : (given, rows), without the chain's data; scale : (given, rows), log p(x_t | past, given)
    """
    dead = np.isneginf(scale)
    starts = np.flatnonzero(first)
    sequence = np.cumsum(first) - 1

    def so_far(x: Floats) -> Floats:
        total = np.cumsum(x, axis=1)
        start = total[:, starts] - x[:, starts]
        found: Floats = total - start[:, sequence]
        return found

    upto = so_far(np.where(dead, 0.0, scale))
    upto[so_far(dead.astype(np.float64)) > 0.5] = -np.inf
    before = np.zeros_like(upto)
    before[:, 1:] = upto[:, :-1]
    before[:, starts] = 0.0
    with np.errstate(divide="ignore"):
        logs = np.log(prior)
    now, _ = _normal(logs + upto)
    then, _ = _normal(logs + before)
    if len(scale) == 1:
        return now, then, scale[0]
    with np.errstate(divide="ignore"):
        _, log_predictive = _normal(np.log(then) + scale)
    return now, then, log_predictive


def _normal(logs: Floats) -> tuple[Floats, Floats]:
    """exp(logs) made to add up to one over axis 0, and the log totals; zeros where all is -inf."""
    top = logs.max(axis=0)
    known = np.where(np.isneginf(top), 0.0, top)
    shares = np.exp(logs - known)
    total = shares.sum(axis=0)
    with np.errstate(divide="ignore"):
        log_total: Floats = np.log(total) + known
    return shares / np.where(total > 0.0, total, 1.0), log_total


def _marginals(
    engine: Engine, chain: StructureData, steps: Steps, asked: Asked
) -> dict[str, tuple[Level, Floats]]:
    """Each latent of the chain's rows, given the walk's states: {latent: (level, (rows, K))}."""
    level = chain.structure.walks[0].axes
    flat = iter(replied(chain, steps.potentials, asked))
    out: dict[str, tuple[Level, Floats]] = {}
    for i in chain.pieces:
        piece = chain.data[i].piece
        clusters = tuple(next(flat).reshape(n, -1) for n in finite_states(chain.data[i]))
        if piece.axes[: len(level)] != level:
            continue
        for name, marginal in piece.marginals(clusters, engine.layout).items():
            shown = np.where(marginal < _CUT, 0.0, marginal).T
            out[name] = piece.axes, np.ascontiguousarray(shown)
    return out


def _outer(engine: Engine, walk: Walk, given: Floats) -> Mapping[str, Floats]:
    """The latents that sequences are walked for, at each row: {latent: (rows, values)}."""
    sizes = engine.layout.sizes
    latents = {z.name: z for z in engine.program.meta.latents}
    values = [latents[v.array].values for v in walk.given]
    shape = [sizes[d] if isinstance(d, str) else d for d in values]
    joint = given.reshape(*shape, -1)
    names = [v.array for v in walk.given]
    out = {}
    for i, view in enumerate(walk.given):
        name = view.array if names.count(view.array) == 1 else view.key
        others = tuple(k for k in range(len(names)) if k != i)
        out[name] = np.ascontiguousarray(joint.sum(axis=others).T)
    return out
