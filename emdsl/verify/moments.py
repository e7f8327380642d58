"""Posterior expectations of continuous latents, with discrete ones summed out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.verify.enumeration import Exact
from emdsl.verify.groups import Group
from emdsl.verify.ragged import Place
from emdsl.verify.world import Site

Floats = NDArray[np.float64]
Moments = tuple[Floats, Floats]


def expectation(found: Exact, sites: Sequence[Site], function: Callable[..., Any]) -> Floats:
    """E[function(values of the sites, in this order) | data]; a number or an array.

    The continuous sites among them must hang together with no other site between; discrete ones
    that their factors read may stand with them. Exact, as the integrals are, for functions that
    are quadratic in those sites that are normal given all others, and for all functions of the
    rest. Raises ValueError for sites that are not of one group.
    """
    return np.asarray(
        sum(odds * np.asarray(function(*values), float) for values, odds in _points(found, sites))
    )


def moments(found: Exact) -> dict[str, dict[Place, Moments]]:
    """{latent: {place: (mean, covariance)}} of continuous latents, places in order.

    A number has a number for its variance; an array of n entries an (n, n) matrix of its entries,
    the last index running fastest.
    """
    world = found.world
    return {
        v.name: {place: _moments(found, (v.name, place)) for place in world.each(v)}
        for v in world.model.variables
        if v.role == "latent" and not v.type.discrete
    }


def _moments(found: Exact, site: Site) -> Moments:
    points = list(_points(found, [site]))
    mean = sum(odds * x for (x,), odds in points)
    spread = sum(
        odds * np.multiply.outer(np.ravel(x - mean), np.ravel(x - mean)) for (x,), odds in points
    )
    scalar = np.ndim(mean) == 0
    return np.asarray(mean), np.asarray(spread).reshape(()) if scalar else np.asarray(spread)


def _points(found: Exact, sites: Sequence[Site]) -> Iterator[tuple[tuple[Any, ...], float]]:
    """Values of the sites with their posterior probabilities."""
    continuous = [s for s in sites if s in found.world.continuous]
    for c in found.components:
        for f, belief in zip(c.factors, c.beliefs, strict=False):
            if not (isinstance(f, Group) and continuous and set(continuous) <= set(f.sites)):
                continue
            if not set(sites) <= {*f.sites, *f.scope}:
                continue
            for chosen, _ in f.leaves:
                p = float(belief[tuple(chosen[s] for s in f.scope)])
                if p > 0.0:
                    for values, odds in f.law(chosen).points(continuous):
                        known = {**chosen, **values}
                        yield tuple(known[s] for s in sites), p * odds
            return
    raise ValueError(f"{list(sites)} are not of one group")
