"""Standalone modules carry the posteriors of continuous latents that they call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emdsl import runtime as rt
from emdsl.compiler import compile_source
from emdsl.source import Source
from tests.backends.alone import run_alone

MODELS = Path(__file__).parents[2] / "models"

CALLS = {
    "normal": "rt.normal((np.ones((2, 3)),), {(0, 0): -np.eye(2)[..., None]})[0]",
    "normal_rows":
        "rt.normal((np.ones((2, 20)),), {(0, 0): -np.eye(2)[..., None] * np.ones(20)})[0]",
    "normal_summary":
        "rt.normal_summary((np.ones((2, 3)),), {(0, 0): -np.eye(2)[..., None]})[0][0]",
    "gamma": "rt.gamma((np.ones(1), -np.ones(3)), rt.EXPECT, power=2.0)[1][0]",
    "gamma_summary": "rt.gamma_summary((np.ones(1), -np.ones(3)), power=2.0)[1]",
    "inverse_gamma": "rt.inverse_gamma((-4 * np.ones(1), -np.ones(3)))[1][0]",
    "inverse_gamma_summary": "rt.inverse_gamma_summary((-4 * np.ones(1), -np.ones(3)))[1]",
    "gig": "rt.generalised_inverse_gaussian((np.ones(1), -np.ones(3), -np.ones(1)))[1][0]",
    "gig_summary":
        "rt.generalised_inverse_gaussian_summary((np.ones(1), -np.ones(3), -np.ones(1)))[1]",
    "beta": "rt.beta((np.ones(1), 2 * np.ones(3)))[1][1]",
    "beta_summary": "rt.beta_summary((np.ones(1), 2 * np.ones(3)))[1]",
    "dirichlet": "rt.dirichlet(np.ones((3, 2)))[1]",
    "dirichlet_summary": "rt.dirichlet_summary(np.ones((3, 2)))[1]",
    "truncated": "rt.truncated_normal((np.ones(3), -np.ones(1)), 0.0, np.inf)[1][1]",
    "truncated_summary": "rt.truncated_normal_summary((np.ones(3), -np.ones(1)), 0.0, 2.0)[1]",
    "wishart": "rt.wishart((np.ones(3), -np.eye(2)[..., None]))[1][0]",
    "wishart_summary": "rt.wishart_summary((np.ones(3), -np.eye(2)[..., None]))[1]",
    "inverse_wishart": "rt.inverse_wishart((-9 * np.ones(3), -np.eye(2)[..., None]))[1][0]",
    "inverse_wishart_summary":
        "rt.inverse_wishart_summary((-9 * np.ones(3), -np.eye(2)[..., None]))[1]",
}  # fmt: skip

RUN = """

try:
    alone.improper()
except ValueError as error:
    said = str(error)
print(json.dumps([{k: f().tolist() for k, f in alone.CALLS.items()}, said]))
"""


def test_posteriors_run_without_emdsl_and_agree(tmp_path: Path) -> None:
    path = MODELS / "poisson_mixture.em"
    text = compile_source(Source(path.read_text(encoding="utf-8"), path.name)).module
    names = {k: f"posterior_{k}" for k in CALLS}
    calls = "".join(f"\n\ndef {names[k]}():\n    return {v}\n" for k, v in CALLS.items())
    table = ", ".join(f"{k!r}: {v}" for k, v in names.items())
    improper = "\n\ndef improper():\n    return rt.gamma((-np.ones(1), -np.ones(1)))\n"
    text = f"{text}{calls}{improper}\n\nCALLS = {{{table}}}\n"
    found, said = run_alone(text, RUN, tmp_path)
    for name, call in CALLS.items():
        assert found[name] == eval(call, {"rt": rt, "np": np}).tolist(), name
    with pytest.raises(rt.ImproperError) as caught:
        rt.gamma((-np.ones(1), -np.ones(1)))
    assert said == str(caught.value)
