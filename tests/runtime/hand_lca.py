"""Latent classes with Bernoulli items, frequencies and missing cells, written by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from emdsl import runtime as rt

META = rt.Meta(
    name="LatentClass",
    doc="Latent classes of binary items.",
    source="latent_class.em",
    source_sha256="1" * 64,
    compiler="0.1.0",
    sizes=(
        rt.Size("K", "hyper", default=2),
        rt.Size("N", "plate", sources=(("y", 0), ("freq", 0))),
        rt.Size("J", "data", sources=(("y", 1),)),
    ),
    params=(
        rt.Param("weight", ("K",), "simplex", event=1),
        rt.Param("p", ("K", "J"), "unit", event=1),
    ),
    arrays=(
        rt.Array("y", "data", ("N", "J"), plates=1, kind="bool", missing="cell", axes=("n",)),
        rt.Array("freq", "weight", ("N",), plates=1, kind="real", axes=("n",)),
    ),
    latents=(rt.Latent("z", ("N",), "K", axes=("n",)),),
    objective="log likelihood",
    plates=(rt.Plate("n", "N", weight="freq"),),
)


def features(block: rt.Blocks, layout: rt.Layout, pivot: rt.Params) -> rt.Features:
    y, width = block["y"], block["y"].shape[-1]
    observed = block.get("y observed")
    seen = np.ones(y.shape) if observed is None else observed.astype(float)
    rows = np.concatenate([np.ones((1, width)), rt.masked(y, observed), seen])
    return rt.Features(direct=np.zeros((0, width)), rows=(rows,), fixed=(None,))


def coefficients(params: rt.Params, layout: rt.Layout, pivot: rt.Params) -> rt.Coefficients:
    one, zero = rt.log(params["p"]), rt.log(1.0 - params["p"])
    parts = ((rt.log(params["weight"]), 1), (one - zero, 1), (zero, 1))
    return np.zeros(0), rt.columns(layout.sizes["K"], *parts)


def infer(
    features: rt.Features,
    coefficients: rt.Coefficients,
    layout: rt.Layout,
    how: rt.Eliminate,
    bias: Any,
) -> Any:
    log_joint = coefficients[1] @ features.rows[0]
    if bias is not None and "z" in bias:
        log_joint += bias["z"]
    evidence = how.eliminate(log_joint)
    return evidence, (log_joint,)


def marginals(clusters: Any, layout: rt.Layout) -> Any:
    return {"z": clusters[0]}


def collect(direct: Any, sums: Any, layout: rt.Layout) -> Any:
    (s,), J = sums, layout.sizes["J"]
    return {"count": s[:, 0], "y": s[:, 1 : 1 + J], "seen": s[:, 1 + J :]}


def m_step(statistics: rt.Statistics, params: rt.Params) -> rt.Params:
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.clip(rt.settle(statistics["y"] / statistics["seen"], params["p"]), 0.0, 1.0)
        return {"weight": rt.settle(rt.simplex(statistics["count"]), params["weight"]), "p": p}


def sample(params: rt.Params, layout: rt.Layout, rng: np.random.Generator, given: Any) -> Any:
    z = rng.choice(layout.sizes["K"], p=params["weight"], size=layout.sizes["N"])
    return {"z": z, "y": (rng.random((len(z), layout.sizes["J"])) < params["p"][z]).astype(int)}


PROGRAM = rt.Program(
    meta=META,
    pieces=(
        rt.Piece("N", ("y",), ("z",), (("K",),), features, coefficients, marginals, collect,
                 axes=("n",), infer=infer),
    ),
    m_step=m_step,
    log_prior=lambda params, layout: 0.0,
    pivot=lambda params: {},
    sample=sample,
)  # fmt: skip
