"""Families of vectors and matrices of real numbers."""

from __future__ import annotations

from sympy import log, loggamma, pi

from emdsl.families.family import Alternative, Family, Parameter, symbol
from emdsl.families.vocabulary import Dim, LogDet, LogMultiGamma, MatInv, QuadInv, Total, TraceInv

_VECTOR = symbol("x", "real")
_SIMPLEX = symbol("x", "simplex")
_MATRIX = symbol("x", "posdef")
_MEAN = Parameter("mean", "real", event=1, doc="the mean")
_COV = Parameter("cov", "posdef", event=2, doc="the covariance")
_PRECISION = Parameter("precision", "posdef", event=2, doc="the inverse of the covariance")
_ALPHA = Parameter("alpha", "positive", event=1, doc="one more than the powers of x")
_DF = Parameter("df", "positive", doc="the degrees of freedom, above the order less 1")
_SCALE = Parameter("scale", "posdef", event=2, doc="the scale matrix")

_mean, _cov, _alpha, _df, _scale = (p.symbol for p in (_MEAN, _COV, _ALPHA, _DF, _SCALE))

MV_NORMAL = Family(
    name="MvNormal",
    doc="The multivariate normal. Bishop 2006, (2.43).",
    variable=_VECTOR,
    kind="real",
    parameters=(_MEAN, _COV),
    log_density=-Dim(_VECTOR) * log(2 * pi) / 2
    - LogDet(_cov) / 2
    - QuadInv(_cov, _VECTOR - _mean) / 2,
    event=1,
    alternatives=(Alternative((_PRECISION,), (("cov", MatInv(_PRECISION.symbol)),)),),
    sampler="mv_normal",
    apart=("Normal", (("mean", "mean"), ("cov", "var"), ("precision", "precision"))),
)

DIRICHLET = Family(
    name="Dirichlet",
    doc="The Dirichlet. Bishop 2006, (2.38).",
    variable=_SIMPLEX,
    kind="simplex",
    parameters=(_ALPHA,),
    log_density=loggamma(Total(_alpha))
    - Total(loggamma(_alpha))
    + Total((_alpha - 1) * log(_SIMPLEX)),
    event=1,
    sampler="dirichlet",
)

WISHART = Family(
    name="Wishart",
    doc="The Wishart, of mean df x scale. Bishop 2006, (2.155).",
    variable=_MATRIX,
    kind="posdef",
    parameters=(_DF, _SCALE),
    log_density=(_df - Dim(_scale) - 1) * LogDet(_MATRIX) / 2
    - TraceInv(_scale, _MATRIX) / 2
    - _df * Dim(_scale) * log(2) / 2
    - _df * LogDet(_scale) / 2
    - LogMultiGamma(_df / 2, Dim(_scale)),
    event=2,
    sampler="wishart",
)

INVERSE_WISHART = Family(
    name="InverseWishart",
    doc="x's inverse is Wishart(df, scale's inverse). Gelman et al. 2013, table A.1.",
    variable=_MATRIX,
    kind="posdef",
    parameters=(_DF, _SCALE),
    log_density=_df * LogDet(_scale) / 2
    - (_df + Dim(_scale) + 1) * LogDet(_MATRIX) / 2
    - TraceInv(_MATRIX, _scale) / 2
    - _df * Dim(_scale) * log(2) / 2
    - LogMultiGamma(_df / 2, Dim(_scale)),
    event=2,
    sampler="inverse_wishart",
)
