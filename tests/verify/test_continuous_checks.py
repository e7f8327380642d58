"""The checks find what is wrong: run on modules written by hand, right ones and wrong ones."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from emdsl.model.build import build
from emdsl.source import Source
from emdsl.syntax.parse import parse
from emdsl.verify.checks import Case, check_e_step, check_fisher
from emdsl.verify.continuous_checks import check_moments, check_monotone

TEXT = """model Means
param m : real
param s : positive
for n in N:
    latent z[n] ~ Normal(m, 2)
    data x[n] ~ Normal(z[n], s)
"""
GIVEN = np.array([0.3, -1.0, 4.0, 2.5])


@dataclass
class Means:
    """EM for the model above, with faults to choose from."""

    fault: str = ""

    PROGRAM = SimpleNamespace(log_prior=lambda params, layout: 0.0)

    def log_likelihood(self, data: Any, params: Any) -> float:
        scale = np.hypot(2.0, params["s"])
        off = 1e-3 if self.fault == "likelihood" else 0.0
        return float(stats.norm.logpdf(data["x"], params["m"] + off, scale).sum())

    def posterior_moments(self, data: Any, params: Any) -> dict[str, Any]:
        precision = 0.25 + params["s"] ** -2.0
        mean = (0.25 * params["m"] + data["x"] * params["s"] ** -2.0) / precision
        variance = np.full(len(mean), 1.0 / precision)
        if self.fault == "mean":
            mean = mean + 1e-5
        if self.fault == "variance":
            variance = variance * (1 + 1e-5)
        return {"z": SimpleNamespace(mean=mean, covariance=variance)}

    def e_step(self, data: Any, params: Any) -> Any:
        z = self.posterior_moments(data, params)["z"]
        found = self.log_likelihood(data, params)
        return SimpleNamespace(
            log_likelihood=found, layout=None, mean=z.mean, variance=z.covariance, x=data["x"]
        )

    def m_step(self, stats: Any, params: Any) -> dict[str, Any]:
        square = (stats.x - stats.mean) ** 2 + stats.variance
        mean = params["m"] + 3 * (stats.mean.mean() - params["m"])
        return {
            "m": np.asarray(mean if self.fault == "update" else stats.mean.mean()),
            "s": np.asarray(np.sqrt(square.mean())),
        }


def case(fault: str = "") -> Case:
    source = Source(TEXT, "means.em")
    compiled: Any = SimpleNamespace(model=build(parse(source), source)[0])
    params = {"m": np.array(0.7), "s": np.array(1.5)}
    return Case(compiled, Means(fault), {"x": GIVEN}, params)


def test_what_is_right() -> None:
    for check in (check_e_step, check_fisher, check_moments, check_monotone):
        assert check(case()) == []


@pytest.mark.parametrize(
    ("fault", "check", "says"),
    [
        ("likelihood", check_e_step, "enumeration says"),
        ("likelihood", check_fisher, "d log likelihood"),
        ("mean", check_moments, "mean of z"),
        ("variance", check_moments, "variance of z"),
        ("update", check_monotone, "lowers the objective"),
    ],
)
def test_what_is_wrong(fault: str, check: Any, says: str) -> None:
    assert says in check(case(fault))[0]
