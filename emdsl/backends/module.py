"""Prints a whole module: docstring, imports, metadata, functions, and what users call."""

from __future__ import annotations

import re

from emdsl.backends.functions import function
from emdsl.ir.nodes import Module


def module(m: Module) -> str:
    """The module's text. Equal modules print equal, byte for byte."""
    bodies = [line for f in m.functions for line in ("", "", *function(f))]
    text = "\n".join(bodies)
    lines = [*_docstring(m.doc), "", "from __future__ import annotations", ""]
    lines += ["from collections.abc import Mapping", "from typing import Any", ""]
    lines += ["import numpy as np"]
    if "special." in text:
        lines += ["from scipy import special"]
    lines += ["", "from emdsl import runtime as rt", "from emdsl.runtime import numerics as nm"]
    if "sampling." in text:
        lines += ["from emdsl.runtime import sampling"]
    unseen = any("rt.Continuous(" in line for line in m.meta)
    more = _MOMENTS if unseen else ()
    if any(" gaps=(" in line or " foreseen=(" in line for line in m.program):
        more = (*more, *_GAPS)
    lines += ["", *m.meta, *bodies, "", "", *m.program, *_api(m, more)]
    return re.sub(r"\n{4,}", "\n\n\n", "\n".join(lines)).rstrip() + "\n"


def _docstring(doc: str) -> list[str]:
    safe = doc.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return [f'"""{safe}"""'] if not safe.endswith('"') else [f'"""{safe} """']


_LATENTS = (
    "def most_probable(",
    "    data: Any, params: Mapping[str, Any], *, lengths: Any = None",
    ") -> rt.MostProbable:",
    '    """The same values (`values`), and their log joint with the data (`log_joint`)."""',
    "    return rt.most_probable(PROGRAM, data, params, lengths=lengths)",
    "",
    "",
    "def posterior_pairs(",
    "    data: Any, params: Mapping[str, Any], *, lengths: Any = None",
    ") -> dict[tuple[str, str], Any]:",
    '    """The joint posterior of each two latents that depend on each other directly."""',
    "    return rt.posterior_pairs(PROGRAM, data, params, lengths=lengths)",
    "",
    "",
    "def sample_posterior(",
    "    data: Any,",
    "    params: Mapping[str, Any],",
    "    *,",
    "    n: int = 1,",
    "    seed: rt.Seed = 0,",
    "    lengths: Any = None,",
    ") -> dict[str, Any]:",
    '    """All latents drawn together from their posterior n times, {latent: (n, N)}."""',
    "    return rt.sample_posterior(PROGRAM, data, params, n=n, seed=seed, lengths=lengths)",
    "",
    "",
    "def filtered(",
    "    data: Any, params: Mapping[str, Any], *, lengths: Any = None",
    ") -> rt.Filtered:",
    '    """Of chains: the latents given the rows up to each, and before it; log p of each row."""',
    "    return rt.filtered(PROGRAM, data, params, lengths=lengths)",
    "",
    "",
)


_MOMENTS = (
    "def posterior_moments(",
    "    data: Any, params: Mapping[str, Any], *, lengths: Any = None",
    ") -> dict[str, rt.Moments]:",
    '    """The posterior mean and covariance of each continuous latent: scores, states."""',
    "    return rt.posterior_moments(PROGRAM, data, params, lengths=lengths)",
    "",
    "",
)


_GAPS = (
    "def impute(",
    "    data: Any, params: Mapping[str, Any], *, lengths: Any = None",
    ") -> dict[str, rt.Imputed]:",
    '    """The data with posterior means in missing cells, and their standard deviations."""',
    "    return rt.impute(PROGRAM, data, params, lengths=lengths)",
    "",
    "",
)


def _api(m: Module, more: tuple[str, ...]) -> list[str]:
    """The functions users call; each hands the program to the common runtime."""
    with_default = [
        f"    {py}: int = {default}," for py, _, default in m.hyper if default is not None
    ]
    required = [f"    {py}: int," for py, _, default in m.hyper if default is None]
    chosen = ", ".join(f"{name!r}: {py}" for py, name, _ in m.hyper)
    sizes = f"{{{chosen}}}"
    return [
        "",
        "",
        "def fit(",
        "    data: Any,",
        "    *,",
        *required,
        *with_default,
        "    seed: rt.Seed = 0,",
        "    restarts: int = 10,",
        "    max_iter: int = 1000,",
        "    tol: float = 1e-8,",
        "    init: Any = None,",
        "    lengths: Any = None,",
        "    **options: Any,",
        ") -> rt.FitResult:",
        '    """Fit by EM from several starts; see `emdsl.runtime.fit` for data and options."""',
        "    return rt.fit(",
        "        PROGRAM,",
        "        data,",
        f"        sizes={sizes},",
        "        seed=seed,",
        "        restarts=restarts,",
        "        max_iter=max_iter,",
        "        tol=tol,",
        "        init=init,",
        "        lengths=lengths,",
        "        **options,",
        "    )",
        "",
        "",
        "def init_params(",
        "    data: Any,",
        "    *,",
        *required,
        *with_default,
        "    seed: rt.Seed = 0,",
        "    lengths: Any = None,",
        ") -> rt.Params:",
        '    """The parameters `fit` starts its first restart from."""',
        f"    return rt.init_params(PROGRAM, data, sizes={sizes}, seed=seed, lengths=lengths)",
        "",
        "",
        "def e_step(",
        "    data: Any,",
        "    params: Mapping[str, Any],",
        "    *,",
        "    pivot: rt.Params | None = None,",
        "    lengths: Any = None,",
        ") -> rt.Statistics:",
        '    """Expected sufficient statistics and the log likelihood: they add over chunks."""',
        "    return rt.e_step(PROGRAM, data, params, pivot=pivot, lengths=lengths)",
        "",
        "",
        "def log_likelihood(",
        "    data: Any, params: Mapping[str, Any], *, lengths: Any = None",
        ") -> float:",
        '    """The log likelihood of all the data under `params`, constants included."""',
        "    return rt.log_likelihood(PROGRAM, data, params, lengths=lengths)",
        "",
        "",
        "def posterior(",
        "    data: Any, params: Mapping[str, Any], *, lengths: Any = None",
        ") -> dict[str, rt.Floats]:",
        '    """The posterior of each latent, {latent: (N, values)}: responsibilities."""',
        "    return rt.posterior(PROGRAM, data, params, lengths=lengths)",
        "",
        "",
        "def predict(",
        "    data: Any, params: Mapping[str, Any], *, lengths: Any = None",
        ") -> dict[str, Any]:",
        '    """The jointly most probable values of each element\'s latents, {latent: (N,)}."""',
        "    return rt.predict(PROGRAM, data, params, lengths=lengths)",
        "",
        "",
        *_LATENTS,
        *more,
        "def row_log_likelihood(",
        "    data: Any, params: Mapping[str, Any], *, lengths: Any = None",
        ") -> dict[str, Any]:",
        '    """The log likelihood of each independent element, {plate: (N,)}, unweighted."""',
        "    return rt.row_log_likelihood(PROGRAM, data, params, lengths=lengths)",
        "",
        "",
        "def load(path: str) -> rt.FitResult:",
        '    """A fit that `FitResult.save` wrote. Raises rt.ResultFileError."""',
        "    return rt.load(PROGRAM, path)",
        "",
        "",
        "def sample(",
        "    params: Mapping[str, Any],",
        "    sizes: int | Mapping[str, Any],",
        "    *,",
        "    seed: rt.Seed = 0,",
        "    inputs: Mapping[str, Any] | None = None,",
        "    lengths: Any = None,",
        ") -> dict[str, Any]:",
        '    """Draw latents and data: `sizes` elements, or how many of each plate."""',
        "    return rt.sample(PROGRAM, params, sizes, seed=seed, inputs=inputs, lengths=lengths)",
    ]
