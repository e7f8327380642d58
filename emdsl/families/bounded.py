"""Families on the unit interval."""

from __future__ import annotations

from sympy import exp, log, loggamma

from emdsl.families.family import Alternative, Family, Parameter, symbol

_x = symbol("x", "unit")
_ALPHA = Parameter("alpha", "positive", doc="one more than the power of x")
_BETA = Parameter("beta", "positive", doc="one more than the power of 1 - x")
_MEAN = Parameter("mean", "unit", doc="alpha / (alpha + beta)")
_LOGIT = Parameter("logit", "real", doc="log mean - log(1 - mean)")
_PRECISION = Parameter("precision", "positive", doc="alpha + beta")

_alpha, _beta, _mean, _precision = (p.symbol for p in (_ALPHA, _BETA, _MEAN, _PRECISION))
_logistic = 1 / (1 + exp(-_LOGIT.symbol))
_against = 1 / (1 + exp(_LOGIT.symbol))  # 1 - logistic, where that would be 0 from a logit of 37 on

BETA = Family(
    name="Beta",
    doc="The beta. Johnson et al. 1995, chapter 25; by mean: Ferrari and Cribari-Neto 2004.",
    variable=_x,
    kind="unit",
    parameters=(_ALPHA, _BETA),
    log_density=loggamma(_alpha + _beta)
    - loggamma(_alpha)
    - loggamma(_beta)
    + (_alpha - 1) * log(_x)
    + (_beta - 1) * log(1 - _x),
    alternatives=(
        Alternative(
            (_MEAN, _PRECISION),
            (("alpha", _mean * _precision), ("beta", (1 - _mean) * _precision)),
            # alpha + beta is precision: left to itself SymPy keeps the sum of products.
            loggamma(_precision)
            - loggamma(_mean * _precision)
            - loggamma((1 - _mean) * _precision)
            + (_mean * _precision - 1) * log(_x)
            + ((1 - _mean) * _precision - 1) * log(1 - _x),
        ),
        Alternative(
            (_LOGIT, _PRECISION),
            (("alpha", _logistic * _precision), ("beta", _against * _precision)),
            loggamma(_precision)
            - loggamma(_logistic * _precision)
            - loggamma(_against * _precision)
            + (_logistic * _precision - 1) * log(_x)
            + (_against * _precision - 1) * log(1 - _x),
        ),
    ),
    sampler="beta",
)
