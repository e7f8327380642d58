"""What a fit gives back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime import latents, moments, queries
from emdsl.runtime.em_run import Status
from emdsl.runtime.errors import DataError
from emdsl.runtime.impute import Imputed
from emdsl.runtime.impute import impute as _impute
from emdsl.runtime.params import param_type
from emdsl.runtime.program import Bound, Floats, Params, Program
from emdsl.runtime.seeds import Seed


@dataclass(frozen=True, slots=True)
class Restart:
    """How one start ended. `attempt` counts the starts that replaced degenerate ones."""

    restart: int
    attempt: int
    objective: float
    n_iter: int
    status: Status
    message: str = ""


@dataclass(slots=True, repr=False, eq=False)
class FitResult:
    """A fitted model.

    params : name -> array, of the declared shapes.
    objective : what was maximised, log_likelihood + log_prior, at `params`.
    objective_trace : the objective before each iteration and at the end, (n_iter + 1,).
    restarts : how every start ended.
    status : "converged", "max_iter", "degenerate", "decreased" or "interrupted".
    n_params : how many numbers were estimated (a simplex of K has K - 1).
    n_obs : elements of the first data plate, of sequences all their rows together; `bic_n` is the
        sum of their weights.
    fix : what was held, by name, NaN where entries were free.
    """

    program: Program
    params: Params
    objective: float
    log_likelihood: float
    log_prior: float
    objective_trace: Floats
    restarts: tuple[Restart, ...]
    n_iter: int
    status: Status
    messages: tuple[str, ...]
    sizes: Mapping[str, int]
    n_params: int
    n_obs: int
    bic_n: float
    bound: Bound | None = field(default=None)
    fix: Params = field(default_factory=dict)

    @property
    def converged(self) -> bool:
        return self.status == "converged"

    @property
    def aic(self) -> float:
        """2 n_params - 2 log likelihood."""
        return 2.0 * self.n_params - 2.0 * self.log_likelihood

    @property
    def bic(self) -> float:
        """log(bic_n) n_params - 2 log likelihood, bic_n being the sum of the rows' weights."""
        return math.log(self.bic_n) * self.n_params - 2.0 * self.log_likelihood

    def _data(self, data: Any) -> Any:
        if data is not None:
            return data
        if self.bound is None:
            raise DataError("this result comes from a file, which holds no data: pass data=...")
        return self.bound

    def _fixed(self) -> dict[str, int]:
        """The sizes that new data must have too: all but those of plates that only data have."""
        dims = {d for p in self.program.meta.params for d in p.dims}
        return {
            s.name: self.sizes[s.name]
            for s in self.program.meta.sizes
            if s.role not in ("plate", "ragged") or s.name in dims
        }

    def posterior(self, data: Any = None, *, lengths: Any = None) -> dict[str, Floats]:
        """Probability of each value of each latent, {latent: (N, values)}.

        data : by default those the model was fitted to.
        lengths : of the sequences of new ragged data.
        """
        return latents.posterior(
            self.program, self._data(data), self.params, self._fixed(), lengths=lengths
        )

    def posterior_moments(
        self, data: Any = None, *, lengths: Any = None
    ) -> dict[str, moments.Moments]:
        """Posterior mean and covariance of each continuous latent, {latent: (mean, covariance)}."""
        return moments.posterior_moments(
            self.program, self._data(data), self.params, self._fixed(), lengths=lengths
        )

    def impute(self, data: Any = None, *, lengths: Any = None) -> dict[str, Imputed]:
        """The data with posterior means in missing cells, and their standard deviations.

        Of the arrays whose missing cells the model integrates out, {array: (values, sd)}.
        """
        return _impute(self.program, self._data(data), self.params, self._fixed(), lengths=lengths)

    def predict(self, data: Any = None, *, lengths: Any = None) -> dict[str, NDArray[np.int64]]:
        """Jointly most probable values of each element's latents, {latent: (N,)}."""
        return latents.predict(
            self.program, self._data(data), self.params, self._fixed(), lengths=lengths
        )

    def most_probable(self, data: Any = None, *, lengths: Any = None) -> latents.MostProbable:
        """The same values, and their log joint with the data, {plate: (N,)}."""
        return latents.most_probable(
            self.program, self._data(data), self.params, self._fixed(), lengths=lengths
        )

    def posterior_pairs(
        self, data: Any = None, *, lengths: Any = None
    ) -> dict[tuple[str, str], Any]:
        """Joint posteriors, {("z[t-1]", "z[t]"): (N, values, values)}; NaN in first rows."""
        return latents.posterior_pairs(
            self.program, self._data(data), self.params, self._fixed(), lengths=lengths
        )

    def sample_posterior(
        self, data: Any = None, *, n: int = 1, seed: Seed = 0, lengths: Any = None
    ) -> dict[str, Any]:
        """All latents drawn together from their posterior n times, {latent: (n, N)}."""
        return latents.sample_posterior(
            self.program,
            self._data(data),
            self.params,
            self._fixed(),
            n=n,
            seed=seed,
            lengths=lengths,
        )

    def filtered(self, data: Any = None, *, lengths: Any = None) -> latents.Filtered:
        """What is known of each row of a chain from those up to it, and those before it.

        Raises NoFilterError where there is no chain to filter along.
        """
        return latents.filtered(
            self.program, self._data(data), self.params, self._fixed(), lengths=lengths
        )

    def row_log_likelihood(self, data: Any = None, *, lengths: Any = None) -> dict[str, Any]:
        """Log likelihood of each independent element, {plate: (N,)}, unweighted.

        Of chains and trees that is one for each sequence.
        """
        return queries.row_log_likelihood(
            self.program, self._data(data), self.params, self._fixed(), lengths=lengths
        )

    def score(self, data: Any = None, *, lengths: Any = None) -> float:
        """The total log likelihood (not its mean) of the data, weighted."""
        if data is None and lengths is None:
            return self.log_likelihood
        return queries.log_likelihood(
            self.program, data, self.params, self._fixed(), lengths=lengths
        )

    def sample(
        self,
        sizes: int | Mapping[str, Any],
        *,
        seed: Seed = 0,
        inputs: Mapping[str, Any] | None = None,
        lengths: Any = None,
    ) -> dict[str, Any]:
        """Draw from the fitted model: `sizes` elements, or how many of each plate.

        Consts that the fit was given hold unless `inputs` has others.
        """
        known = {
            a.name: self.bound.arrays[a.name]
            for a in self.program.meta.arrays
            if a.role == "const" and self.bound is not None and a.name in self.bound.arrays
            and a.name not in dict(self.program.meta.constants)
        }  # fmt: skip
        given = {**known, **(inputs or {})}
        return queries.sample(
            self.program,
            self.params,
            sizes,
            seed=seed,
            inputs=given,
            fixed=self._fixed(),
            lengths=lengths,
        )

    def save(self, path: str | Path) -> None:
        """Write an npz file with a JSON manifest (no pickle, no data); see `load`."""
        from emdsl.runtime.persist import save  # which needs this class

        save(self, path)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the data, for JSON: nested lists, null for what isn't finite."""
        return {
            "model": self.program.meta.name,
            "status": self.status,
            "converged": self.converged,
            "log_likelihood": plain(self.log_likelihood),
            "log_prior": plain(self.log_prior),
            "objective": plain(self.objective),
            "params": {name: plain(value.tolist()) for name, value in self.params.items()},
            "n_iter": self.n_iter,
            "sizes": dict(self.sizes),
            "n_params": self.n_params,
            "n_obs": self.n_obs,
            "aic": plain(self.aic),
            "bic": plain(self.bic),
            "bic_n": plain(self.bic_n),
            "fix": {name: plain(value.tolist()) for name, value in self.fix.items()},
            "messages": list(self.messages),
            "restarts": [
                {
                    "restart": r.restart,
                    "attempt": r.attempt,
                    "objective": plain(r.objective),
                    "n_iter": r.n_iter,
                    "status": r.status,
                    "message": r.message,
                }
                for r in self.restarts
            ],
            "objective_trace": plain(self.objective_trace.tolist()),
        }

    def __repr__(self) -> str:
        meta = self.program.meta
        tried = len(self.restarts)
        starts = f", best of {tried} starts" if tried > 1 else ""
        sizes = ", ".join(f"{name} = {size}" for name, size in self.sizes.items())
        bayes = meta.objective == "log posterior"
        posterior = f", log prior {self.log_prior:.6f}, log posterior {self.objective:.6f}"
        information = f"AIC {self.aic:.4f}, BIC {self.bic:.4f} (n = {self.bic_n:g})"
        lines = [
            f"{meta.name}: {self.status} after {_count(self.n_iter, 'iteration')}{starts}",
            f"  log likelihood {self.log_likelihood:.6f}{posterior if bayes else ''}",
            f"  {_count(self.n_params, 'free parameter')}, {information}",
            f"  sizes {sizes or 'none'}",
        ]
        if self.fix:
            lines.append(f"  fixed {', '.join(_fixed_text(n, v) for n, v in self.fix.items())}")
        lines += [f"  note: {message}" for message in self.messages]
        for param in meta.params:
            value = self.params[param.name]
            lines.append(f"{param_type(param)}" + (f"  {value.shape}" if value.shape else ""))
            text = np.array2string(value, precision=6, suppress_small=False, threshold=60)
            lines += [f"    {line}" for line in text.splitlines()]
        return "\n".join(lines)


def plain(value: Any) -> Any:
    """Numbers and nested lists with None for what JSON can't hold."""
    if isinstance(value, list):
        return [plain(v) for v in value]
    number = float(value)
    return number if math.isfinite(number) else None


def _fixed_text(name: str, value: Floats) -> str:
    """What was fixed of a parameter: all of it, or how many of its entries."""
    held = int((~np.isnan(value)).sum())
    return name if held == value.size else f"{held} of {value.size} entries of {name}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
