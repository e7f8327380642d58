"""`import emdsl`: names looked up when used, and one `fit` for files, sources and modules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import emdsl


def test_every_name_is_there() -> None:
    for name in emdsl.__all__:
        assert getattr(emdsl, name) is not None
    assert dir(emdsl) == sorted(emdsl.__all__)


def test_no_other_name_is() -> None:
    with pytest.raises(AttributeError, match="module 'emdsl' has no attribute 'fits'"):
        emdsl.fits  # noqa: B018 - the attribute is what is tested


def test_fit_takes_a_file_a_source_or_a_module(models: Path) -> None:
    path = models / "gaussian_mixture.em"
    data = pd.read_csv(models / "data" / "faithful.csv")
    from_path = emdsl.fit(path, data, K=2, seed=0)
    source = emdsl.Source(path.read_text(), str(path))
    from_source = emdsl.fit(source, data.to_numpy(), K=2, seed=0)
    from_module = emdsl.fit(emdsl.load(str(path)), {"x": data.to_numpy()}, K=2, seed=0)
    assert from_path.log_likelihood == pytest.approx(-1130.26396)
    for other in (from_source, from_module):
        np.testing.assert_array_equal(other.params["cov"], from_path.params["cov"])


def test_a_wrong_model_and_wrong_data_have_their_errors(models: Path) -> None:
    with pytest.raises(emdsl.CompileError):
        emdsl.compile_source(emdsl.Source("model A\nparam x : raal\n"))
    with pytest.raises(emdsl.DataError):
        emdsl.fit(models / "gaussian_mixture.em", np.full((3, 2), np.inf))


def test_any_size_may_be_chosen() -> None:
    """One that isn't in the header too, where the labels don't show every value."""
    text = "model M\nparam w : simplex[K]\nparam m[K] : real\nfor n in N:\n"
    text += "    data z[n] : category[K] ~ Categorical(w)\n    data x[n] ~ Normal(m[z[n]], 1)\n"
    data = {"x": [0.0, 1.0, 8.0, 9.0], "z": [0.0, None, None, None]}
    module = emdsl.load(emdsl.Source(text, "m.em"))
    assert module.fit(data, K=2, seed=0).params["m"] == pytest.approx([0.5, 8.5], abs=0.1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'restart'; did you mean rest"):
        module.fit(data, restart=2)
