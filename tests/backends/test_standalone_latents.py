"""Standalone modules of models with continuous latents fit, describe and draw without emdsl."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emdsl.compiler import compile_source
from emdsl.source import Source
from tests.backends.alone import run_alone
from tests.runtime.continuous_models import TEXTS, data_of, module

RUN = """
import numpy as np

data = dict(np.load(sys.argv[1] + "/data.npz"))
result = alone.fit(data, seed=3, restarts=1, max_iter=15)
result.save(sys.argv[1] + "/fit.npz")
again = alone.rt_load(alone.PROGRAM, sys.argv[1] + "/fit.npz")
moments = again.posterior_moments(data)
print(json.dumps({
    "log_likelihood": result.log_likelihood,
    "means": {k: m.mean.tolist() for k, m in moments.items()},
    "drawn": {k: x.tolist() for k, x in again.sample_posterior(data, n=2, seed=1).items()},
    "rows": {k: x.tolist() for k, x in again.row_log_likelihood(data).items()},
}))
"""


@pytest.mark.parametrize("name", TEXTS)
def test_continuous_latents_stand_alone(name: str, tmp_path: Path) -> None:
    compiled = compile_source(Source(TEXTS[name], f"{name}.em")).module
    data = data_of(name)
    np.savez(tmp_path / "data.npz", **data)
    found = run_alone(compiled, RUN, tmp_path)
    result = module(name).fit(data, seed=3, restarts=1, max_iter=15)
    assert found["log_likelihood"] == result.log_likelihood
    for latent, moments in result.posterior_moments(data).items():
        assert found["means"][latent] == moments.mean.tolist()
    for latent, drawn in result.sample_posterior(data, n=2, seed=1).items():
        assert found["drawn"][latent] == drawn.tolist()
    for plate, rows in result.row_log_likelihood(data).items():
        assert found["rows"][plate] == rows.tolist()
