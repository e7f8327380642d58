"""Random streams: anything people use as a seed becomes one SeedSequence."""

from __future__ import annotations

import operator
from typing import TypeAlias

import numpy as np

from emdsl.runtime.errors import ParamsError

Seed: TypeAlias = int | np.random.SeedSequence | np.random.Generator | np.random.RandomState | None


def seed_sequence(seed: Seed) -> np.random.SeedSequence:
    """A SeedSequence from an int, a SeedSequence, a Generator or a RandomState; None is random.

    Generators are advanced, so that the next use of them differs.
    """
    if isinstance(seed, np.random.SeedSequence):
        return seed
    if isinstance(seed, np.random.Generator):
        return np.random.SeedSequence([int(i) for i in seed.integers(2**32, size=4)])
    if isinstance(seed, np.random.RandomState):
        return np.random.SeedSequence([int(i) for i in seed.randint(2**31 - 1, size=4)])
    if seed is None:
        return np.random.SeedSequence()
    try:
        number = operator.index(seed)
        if number < 0:
            raise TypeError
    except TypeError:
        raise ParamsError(
            f"seed is {seed!r}, expected a whole number from 0 or a NumPy generator"
        ) from None
    return np.random.SeedSequence(number)


def stream(sequence: np.random.SeedSequence, *key: int) -> np.random.Generator:
    """The generator at `key`: the same whatever else is drawn from the sequence."""
    child = np.random.SeedSequence(
        entropy=sequence.entropy,
        spawn_key=(*sequence.spawn_key, *key),
        pool_size=sequence.pool_size,
    )
    return np.random.default_rng(child)
