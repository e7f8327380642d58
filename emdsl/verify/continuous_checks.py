"""What must hold of compiled models with continuous latents, besides what `checks.py` says of all.

    moments    posterior means and variances are those of the oracle
    monotone   no step of EM lowers the log likelihood plus the log prior

The checks of `checks.py` hold as they are: their oracle integrates continuous latents out. Each
check returns what it found wrong, as text; nothing where all is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from emdsl.verify.checks import Case, check_e_step, check_fisher, check_m_step, collapsed
from emdsl.verify.enumeration import Exact
from emdsl.verify.moments import moments


def posterior_moments(case: Case) -> Mapping[str, tuple[Any, Any]]:
    """{continuous latent: (mean, variance or covariance)} as the compiled module has them.

    Places come first, as in a module's posterior, then the latent's own shape; a covariance has a
    row and a column for each entry of the latent.
    """
    found = case.module.posterior_moments(case.data, case.params)
    return {name: (m.mean, m.covariance) for name, m in found.items()}


def check_moments(case: Case, found: Exact | None = None, tolerance: float = 1e-7) -> list[str]:
    """Posterior means and variances, on the scale of the posterior's width."""
    exact = moments(found or case.elements())
    if not exact:
        return []
    given = posterior_moments(case)
    if set(given) != set(exact):
        return [f"moments of {sorted(given)}, not of {sorted(exact)}"]
    wrong: list[str] = []
    for name, at in exact.items():
        means, spreads = (np.asarray(a, dtype=float) for a in given[name])
        if not at:
            continue
        first_mean, first_spread = next(iter(at.values()))
        size = first_mean.size
        diagonal = spreads.size == len(at) * size  # variances alone
        if means.size != len(at) * size or spreads.size not in (
            len(at) * size,
            len(at) * first_spread.size,
        ):
            wrong.append(f"moments of {name} have shapes {means.shape} and {spreads.shape}")
            continue
        rows = zip(
            means.reshape(len(at), size), spreads.reshape(len(at), -1), at.items(), strict=True
        )
        for mean, spread, (place, (exact_mean, exact_spread)) in rows:
            full = exact_spread.reshape(size, size)
            expected = np.diag(full) if diagonal else full.ravel()
            width = np.sqrt(np.diag(full))
            off = np.abs(mean - exact_mean.ravel())
            if not (off <= tolerance * (width + np.abs(exact_mean.ravel()))).all():
                wrong.append(f"mean of {name}{list(place)} is {mean}, not {exact_mean}")
            if not (np.abs(spread - expected) <= tolerance * width.max() ** 2).all():
                wrong.append(f"variance of {name}{list(place)} is {spread}, not {expected}")
    return wrong


def check_monotone(case: Case, steps: int = 30, tolerance: float = 1e-9) -> list[str]:
    """Steps of EM from the case's parameters never lower what is maximised."""
    program = case.module.PROGRAM
    params: Mapping[str, Any] = case.params
    before = -np.inf
    for step in range(steps):
        stats = case.module.e_step(case.data, params)
        here = float(stats.log_likelihood + program.log_prior(params, stats.layout))
        if not here >= before - tolerance * max(1.0, abs(before)):
            return [f"step {step} of EM lowers the objective from {before!r} to {here!r}"]
        before, params = here, case.module.m_step(stats, params)
        if collapsed(case, params):
            return []  # it has no highest point
    return []


def check_continuous(case: Case, rng: np.random.Generator, moves: int = 4) -> list[str]:
    """Everything, cheapest first; the first kind of check that fails is the last one made."""
    wrong = check_e_step(case) or check_moments(case) or check_monotone(case) or check_fisher(case)
    statistics = case.module.e_step(case.data, case.params)
    after = case.module.m_step(statistics, case.params)
    still = any(np.array_equal(after[n], v) for n, v in case.params.items())  # nothing to take
    if wrong or still or collapsed(case, after):
        return wrong
    return check_m_step(case, rng, moves=moves)
