"""A mixture of univariate normals with standard deviations (or precisions), by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from emdsl import runtime as rt


def program(precision: bool = False) -> rt.Program:
    """The spread is `sd` (collapses to zero) or `tau` (to infinity); z may be labelled."""
    spread = (
        rt.Param("tau", ("K",), "positive", collapse=("infinity", 1.0))
        if precision
        else rt.Param("sd", ("K",), "positive", collapse=("zero", 2.0))
    )
    meta = rt.Meta(
        name="NormalMixture",
        doc="",
        source="normal.em",
        source_sha256="3" * 64,
        compiler="0.1.0",
        sizes=(
            rt.Size("K", "hyper", default=2),
            rt.Size("N", "plate", sources=(("x", 0), ("z", 0))),
        ),
        params=(
            rt.Param("weight", ("K",), "simplex", event=1),
            rt.Param("mean", ("K",), "real"),
            spread,
        ),
        arrays=(
            rt.Array("x", "data", ("N",), plates=1, kind="real", missing="cell", axes=("n",)),
            rt.Array("z", "data", ("N",), 1, "category", values="K", missing="sum", axes=("n",)),
        ),
        latents=(rt.Latent("z", ("N",), "K", data="z", axes=("n",)),),
        objective="log likelihood",
        plates=(rt.Plate("n", "N"),),
    )

    def variance(params: rt.Params) -> rt.Floats:
        return 1.0 / params["tau"] if precision else params["sd"] ** 2

    def features(block: rt.Blocks, layout: rt.Layout, pivot: rt.Params) -> rt.Features:
        x, seen = block["x"] - pivot["mean"], block.get("x observed")
        one = np.ones(len(x))
        rows = np.stack([one, rt.masked(one, seen), rt.masked(x, seen), rt.masked(x * x, seen)])
        known = rt.log_indicator(np.arange(layout.sizes["K"])[:, None] == block["z"])
        if "z observed" in block:
            known = np.where(block["z observed"], known, 0.0)
        return rt.Features(np.zeros((0, len(x))), (rows,), (known,))

    def coefficients(params: rt.Params, layout: rt.Layout, pivot: rt.Params) -> rt.Coefficients:
        v, m = variance(params), params["mean"] - pivot["mean"]
        seen = -0.5 * np.log(2.0 * np.pi * v) - 0.5 * m * m / v
        return np.zeros(0), np.stack([rt.log(params["weight"]), seen, m / v, -0.5 / v], axis=1)

    def infer(
        features: rt.Features,
        known: rt.Coefficients,
        layout: rt.Layout,
        how: rt.Eliminate,
        bias: Any,
    ) -> Any:
        log_joint = known[1] @ features.rows[0] + features.fixed[0]
        if bias is not None and "z" in bias:
            log_joint += bias["z"]
        evidence = how.eliminate(log_joint)
        return evidence, (log_joint,)

    def collect(direct: Any, sums: Any, layout: rt.Layout) -> Any:
        return dict(zip(("count", "seen", "x", "xx"), sums[0].T, strict=True))

    def m_step(s: rt.Statistics, old: rt.Params) -> rt.Params:
        with np.errstate(all="ignore"):
            mean = s["x"] / s["seen"]
            v = s["xx"] / s["seen"] - mean**2
            new = rt.settle(1.0 / v if precision else np.sqrt(v), old[spread.name])
            return {
                "weight": rt.settle(rt.simplex(s["count"]), old["weight"]),
                "mean": rt.settle(mean + s.pivot["mean"], old["mean"]),
                spread.name: new,
            }

    piece = rt.Piece("N", ("x", "z"), ("z",), (("K",),), features, coefficients,
                     lambda clusters, layout: {"z": clusters[0]}, collect,
                     axes=("n",), infer=infer)  # fmt: skip
    return rt.Program(
        meta,
        (piece,),
        m_step,
        lambda params, layout: 0.0,
        lambda params: {"mean": params["mean"].mean()},
        lambda params, layout, rng, given: {},
    )
