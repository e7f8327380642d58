"""A Gaussian mixture written by hand in the form of a generated module, to test the runtime."""

from __future__ import annotations

from typing import Any

import numpy as np

from emdsl.runtime import numerics as nm
from emdsl.runtime import program as rt
from emdsl.runtime.how import EXPECT

META = rt.Meta(
    name="GaussianMixture",
    doc="A mixture of K multivariate normals with full covariances.",
    source="gaussian_mixture.em",
    source_sha256="0" * 64,
    compiler="0.1.0",
    sizes=(
        rt.Size("K", "hyper", default=2),
        rt.Size("N", "plate", sources=(("x", 0),)),
        rt.Size("D", "data", sources=(("x", 1),)),
    ),
    params=(
        rt.Param("weight", ("K",), "simplex", event=1),
        rt.Param("mean", ("K", "D"), "real", event=1),
        rt.Param("cov", ("K", "D", "D"), "posdef", event=2, collapse=("zero", 1.0)),
    ),
    arrays=(rt.Array("x", "data", ("N", "D"), plates=1, kind="real", missing="row", axes=("n",)),),
    latents=(rt.Latent("z", ("N",), "K", axes=("n",)),),
    objective="log likelihood",
    plates=(rt.Plate("n", "N"),),
)


def pivot(params: rt.Params) -> rt.Params:
    return {"mean": params["mean"].mean(axis=0)}


def features(block: rt.Blocks, layout: rt.Layout, pivot: rt.Params) -> rt.Features:
    observed = block.get("x observed")
    x = nm.masked(block["x"] - pivot["mean"][:, None], observed)
    one = np.ones(x.shape[-1]) if observed is None else observed.astype(float)
    rows = np.concatenate([np.ones((1, x.shape[-1])), one[None], x, nm.pairs(x)])
    return rt.Features(direct=np.zeros((0, x.shape[-1])), rows=(rows,), fixed=(None,))


def coefficients(params: rt.Params, layout: rt.Layout, pivot: rt.Params) -> rt.Coefficients:
    K, D = layout.sizes["K"], layout.sizes["D"]
    mean = params["mean"] - pivot["mean"]
    precision = nm.inverse(params["cov"])
    one = nm.log(params["weight"])
    seen = (
        -0.5 * D * np.log(2 * np.pi)
        - 0.5 * nm.logdet(params["cov"])
        - 0.5 * np.einsum("kde,kd,ke->k", precision, mean, mean)
    )
    x = np.einsum("kde,ke->kd", precision, mean)
    return np.zeros(0), nm.columns(K, (one, 1), (seen, 1), (x, 1), (nm.fold(-0.5 * precision), 1))


def infer(
    features: rt.Features,
    coefficients: rt.Coefficients,
    layout: rt.Layout,
    how: rt.Eliminate = EXPECT,
    bias: Any = None,
) -> Any:
    log_joint = coefficients[1] @ features.rows[0]
    if bias is not None and "z" in bias:
        log_joint += bias["z"]
    evidence = how.eliminate(log_joint)
    return evidence, (log_joint,)


def marginals(clusters: Any, layout: rt.Layout) -> Any:
    return {"z": clusters[0]}


def collect(direct: Any, sums: Any, layout: rt.Layout) -> Any:
    (s,), D = sums, layout.sizes["D"]
    return {
        "count": s[:, 0],
        "seen": s[:, 1],
        "x": s[:, 2 : 2 + D],
        "xx": nm.unfold(s[:, 2 + D :], D),
    }


def m_step(statistics: rt.Statistics, params: rt.Params) -> rt.Params:
    n, seen, x, xx = (statistics[name] for name in ("count", "seen", "x", "xx"))
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = nm.settle(nm.simplex(n), params["weight"])
        mean = x / seen[:, None]
        cross = mean[:, :, None] * x[:, None, :]
        scatter = (
            xx
            - cross
            - np.swapaxes(cross, 1, 2)
            + seen[:, None, None] * mean[:, :, None] * mean[:, None, :]
        )
        cov = nm.settle(nm.symmetric(scatter / seen[:, None, None]), params["cov"])
        mean = nm.settle(mean + statistics.pivot["mean"], params["mean"])
    return {"weight": weight, "mean": mean, "cov": cov}


def log_prior(params: rt.Params, layout: rt.Layout) -> float:
    return 0.0


def sample(params: rt.Params, layout: rt.Layout, rng: np.random.Generator, given: Any) -> Any:
    N = layout.sizes["N"]
    z = rng.choice(layout.sizes["K"], p=params["weight"], size=N)
    chol = np.linalg.cholesky(params["cov"])
    noise = rng.standard_normal((N, params["mean"].shape[1]))
    return {"z": z, "x": params["mean"][z] + np.einsum("nde,ne->nd", chol[z], noise)}


PROGRAM = rt.Program(
    meta=META,
    pieces=(
        rt.Piece(
            plate="N",
            axes=("n",),
            arrays=("x",),
            latents=("z",),
            clusters=(("K",),),
            features=features,
            coefficients=coefficients,
            infer=infer,
            marginals=marginals,
            collect=collect,
        ),
    ),
    m_step=m_step,
    log_prior=log_prior,
    pivot=pivot,
    sample=sample,
)
