"""Regression without latents, with a ridge prior of precision `ridge`, written by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from emdsl import runtime as rt

LN = math.log(2.0 * math.pi)


def program(ridge: float = 0.0) -> rt.Program:
    """y[n] ~ Normal(dot(beta, u[n]), sd); beta ~ Normal(0, 1 / sqrt(ridge))."""
    meta = rt.Meta(
        name="Line",
        doc="",
        source="line.em",
        source_sha256="2" * 64,
        compiler="0.1.0",
        sizes=(
            rt.Size("N", "plate", sources=(("u", 0), ("y", 0))),
            rt.Size("P", "data", sources=(("u", 1),)),
        ),
        params=(
            rt.Param("beta", ("P",), "real", event=1, prior=ridge > 0.0),
            rt.Param("sd", (), "positive", collapse=("zero", 2.0)),
        ),
        arrays=(
            rt.Array("u", "input", ("N", "P"), plates=1, kind="real", axes=("n",)),
            rt.Array("y", "data", ("N",), plates=1, kind="real", missing="cell", axes=("n",)),
        ),
        latents=(),
        objective="log posterior" if ridge else "log likelihood",
        plates=(rt.Plate("n", "N"),),
    )

    def features(block: rt.Blocks, layout: rt.Layout, pivot: rt.Params) -> rt.Features:
        u, y, seen = block["u"], block["y"], block.get("y observed")
        rows = [np.ones_like(y)[None], y[None], (y * y)[None], y * u, rt.pairs(u)]
        return rt.Features(rt.masked(np.concatenate(rows), seen), (), ())

    def coefficients(params: rt.Params, layout: rt.Layout, pivot: rt.Params) -> rt.Coefficients:
        beta, sd = params["beta"], params["sd"]
        each = [[-np.log(sd) - LN / 2, 0.0, -0.5 / sd**2], beta / sd**2,
                rt.fold(-0.5 * np.outer(beta, beta) / sd**2)]  # fmt: skip
        return (np.concatenate([np.ravel(e) for e in each]),)

    def collect(direct: Any, sums: Any, layout: rt.Layout) -> Any:
        P = layout.sizes["P"]
        return {"n": direct[0], "yy": direct[2], "uy": direct[3 : 3 + P],
                "uu": rt.unfold(direct[3 + P :], P)}  # fmt: skip

    def m_step(s: rt.Statistics, old: rt.Params) -> rt.Params:
        weight = ridge * old["sd"] ** 2
        solved = rt.solve(s["uu"] + weight * np.eye(len(s["uy"])), s["uy"], 1)
        beta = rt.settle(solved, old["beta"])
        rss = s["yy"] - 2.0 * beta @ s["uy"] + beta @ s["uu"] @ beta
        with np.errstate(all="ignore"):
            sd = rt.settle(np.sqrt(rss / s["n"]), old["sd"])
        return {"beta": beta, "sd": sd}

    def log_prior(params: rt.Params, layout: rt.Layout) -> float:
        if not ridge:
            return 0.0
        beta = params["beta"]
        return float(0.5 * len(beta) * (math.log(ridge) - LN) - 0.5 * ridge * beta @ beta)

    def sample(params: rt.Params, layout: rt.Layout, rng: Any, given: Any) -> Any:
        mean = given["u"] @ params["beta"]
        return {"y": mean + params["sd"] * rng.standard_normal(len(mean))}

    def nothing(*args: Any) -> Any:
        raise AssertionError("no latents to ask about")

    piece = rt.Piece("N", ("u", "y"), (), (), features, coefficients, nothing, collect,
                     axes=("n",), infer=nothing)  # fmt: skip
    return rt.Program(meta, (piece,), m_step, log_prior, lambda params: {}, sample)
