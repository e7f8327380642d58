"""Compiled kernels find what NumPy finds; run where numba is installed."""

from __future__ import annotations

import numpy as np
import pytest

from emdsl.runtime import compiled
from emdsl.runtime.chains import Chains, Workspace, forward_backward, most_probable

from .chain_oracles import problem


def both(monkeypatch, call):
    monkeypatch.setenv("EMDSL_COMPILED", "0")
    plain = call()
    monkeypatch.setenv("EMDSL_COMPILED", "1")
    return plain, call()


@pytest.mark.parametrize("count", [1, 3, 0])
@pytest.mark.parametrize("holes", [0.0, 0.05])
def test_compiled_as_plain(monkeypatch, count, holes):
    pytest.importorskip("numba")
    rng = np.random.default_rng(count)
    chains = Chains.from_lengths([3000, 1, 12, 800, 40])
    unary, tables, index = problem(
        rng, 3, chains.size, count or chains.size, holes=holes, deep=60.0 if holes else 2.0
    )
    index = index if count else np.arange(chains.size)
    used = None if count == 1 else index
    weight = rng.random(chains.size)
    space = Workspace()
    one, two = both(monkeypatch, lambda: forward_backward(unary, tables, used, chains, space))
    assert compiled.kernel("forward", 3, 1, 1) is not None
    np.testing.assert_allclose(one.evidence, two.evidence, rtol=1e-12)
    np.testing.assert_allclose(one.log_scale, two.log_scale, rtol=1e-11, atol=1e-12)
    for a, b in (
        (one.posterior, two.posterior),
        (one.filtered, two.filtered),
        (one.predicted, two.predicted),
        (one.pair_rows(), two.pair_rows()),
        (one.pairs(), two.pairs()),
        (one.pairs(weight), two.pairs(weight)),
    ):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)
    (states, joint), (others, best) = both(
        monkeypatch, lambda: most_probable(unary, tables, used, chains)
    )
    np.testing.assert_allclose(joint, best, rtol=1e-12)
    assert (states != others).mean() < 0.002


def test_compiled_where_a_message_underflows(monkeypatch):
    pytest.importorskip("numba")
    unary = np.zeros((2, 3000))
    unary[0, 1000:1200] = -10.0
    unary[1, 1200:] = -10.0
    unary[1, 0] = -np.inf
    tables = np.log(np.array([[[0.99, 0.01], [1e-320, 1.0]]]))
    chains = Chains.from_lengths([3000])
    one, two = both(monkeypatch, lambda: forward_backward(unary, tables, None, chains))
    np.testing.assert_allclose(one.evidence, two.evidence, rtol=1e-13)
    np.testing.assert_allclose(one.posterior, two.posterior, atol=1e-12)


def test_no_kernel_where_it_is_not_wanted_or_does_not_pay(monkeypatch):
    monkeypatch.setattr(compiled, "_made", {})
    monkeypatch.setenv("EMDSL_COMPILED", "0")
    assert compiled.kernel("forward", 3, 10**9, 1) is None
    monkeypatch.delenv("EMDSL_COMPILED")
    assert compiled.kernel("forward", 3, 100, 1) is None
    assert compiled.kernel("forward", 300, 10**9, 1) is None
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert compiled.kernel("forward", 3, 10**9, 1) is None
