"""Families on the real line."""

from __future__ import annotations

from sympy import Abs, And, Rational, atan2, exp, log, loggamma, pi, sqrt

from emdsl.families.cumulative import LogLaplace, LogNdtr, LogOneLess
from emdsl.families.family import (
    Alternative,
    Drawn,
    Family,
    Parameter,
    Representation,
    U,
    symbol,
)
from emdsl.families.vocabulary import LogRising

_x = symbol("x", "real")
_MEAN = Parameter("mean", "real", doc="the mean")
_LOC = Parameter("loc", "real", doc="the centre")
_SD = Parameter("sd", "positive", doc="the standard deviation")
_VAR = Parameter("var", "positive", doc="the variance")
_PRECISION = Parameter("precision", "positive", doc="1 / variance")
_SCALE = Parameter("scale", "positive", doc="the scale")
_SHAPE = Parameter("shape", "positive", doc="the power of the distance from the centre")
_NU = Parameter("nu", "positive", doc="the degrees of freedom")
_LOWER = Parameter("lower", "real", doc="the least value")
_UPPER = Parameter("upper", "real", doc="the greatest value")

_mean, _sd, _loc, _scale, _nu = (p.symbol for p in (_MEAN, _SD, _LOC, _SCALE, _NU))
_shape = _SHAPE.symbol
_lower, _upper = _LOWER.symbol, _UPPER.symbol
_z = (_x - _loc) / _scale

NORMAL = Family(
    name="Normal",
    doc="The normal distribution. Johnson, Kotz and Balakrishnan 1994, chapter 13.",
    variable=_x,
    kind="real",
    parameters=(_MEAN, _SD),
    log_density=-log(_sd) - log(2 * pi) / 2 - (_x - _mean) ** 2 / (2 * _sd**2),
    alternatives=(
        Alternative((_VAR,), (("sd", sqrt(_VAR.symbol)),)),
        Alternative((_PRECISION,), (("sd", 1 / sqrt(_PRECISION.symbol)),)),
    ),
    log_cdf=LogNdtr((_x - _mean) / _sd),
    log_survival=LogNdtr((_mean - _x) / _sd),
    sampler="normal",
)

STUDENT_T = Family(
    name="StudentT",
    doc="Student's t with location and scale. Johnson, Kotz and Balakrishnan 1995, chapter 28.",
    variable=_x,
    kind="real",
    parameters=(_NU, _LOC, _SCALE),
    log_density=LogRising(_nu / 2, Rational(1, 2))
    - log(_nu) / 2
    - log(pi) / 2
    - log(_scale)
    - (_nu + 1) / 2 * log(1 + (_x - _loc) ** 2 / (_nu * _scale**2)),
    sampler="student_t",
    representations=(
        # Dempster, Laird and Rubin 1977, section 4.6; Lange, Little and Taylor 1989.
        Representation(
            ("nu", "loc", "scale"),
            "weight",
            Drawn("Gamma", (("shape", _nu / 2), ("rate", _nu / 2))),
            Drawn("Normal", (("mean", _loc), ("var", _scale**2 / U))),
        ),
    ),
)

LAPLACE = Family(
    name="Laplace",
    doc="The double exponential. Johnson, Kotz and Balakrishnan 1995, chapter 24.",
    variable=_x,
    kind="real",
    parameters=(_LOC, _SCALE),
    log_density=-log(2) - log(_scale) - Abs(_x - _loc) / _scale,
    log_cdf=LogLaplace(_z),
    log_survival=LogLaplace((_loc - _x) / _scale),
    sampler="laplace",
    representations=(
        # Andrews and Mallows, J. R. Stat. Soc. B 36 (1974).
        Representation(
            ("loc", "scale"),
            "variance",
            Drawn("Exponential", (("rate", 1 / (2 * _scale**2)),)),
            Drawn("Normal", (("mean", _loc), ("var", U))),
            "a datum's weight, the mean of 1 over its variance, is infinite where the location "
            "meets it, as a median does",
        ),
    ),
)

CAUCHY = Family(
    name="Cauchy",
    doc="The Cauchy distribution. Johnson, Kotz and Balakrishnan 1994, chapter 16.",
    variable=_x,
    kind="real",
    parameters=(_LOC, _SCALE),
    log_density=-log(pi) - log(_scale) - log(1 + (_x - _loc) ** 2 / _scale**2),
    log_cdf=log(atan2(1, (_loc - _x) / _scale)) - log(pi),  # an angle that is small in the tail
    log_survival=log(atan2(1, _z)) - log(pi),
    sampler="cauchy",
    representations=(
        Representation(  # StudentT's at nu = 1
            ("loc", "scale"),
            "weight",
            Drawn("Gamma", (("shape", Rational(1, 2)), ("rate", Rational(1, 2)))),
            Drawn("Normal", (("mean", _loc), ("var", _scale**2 / U))),
        ),
    ),
)

LOGISTIC = Family(
    name="Logistic",
    doc="The logistic. Johnson, Kotz and Balakrishnan 1995, chapter 23.",
    variable=_x,
    kind="real",
    parameters=(_LOC, _SCALE),
    log_density=-(_x - _loc) / _scale - log(_scale) - 2 * log(1 + exp(-(_x - _loc) / _scale)),
    log_cdf=-log(1 + exp((_loc - _x) / _scale)),
    log_survival=-log(1 + exp(_z)),
    sampler="logistic",
)

GUMBEL = Family(
    name="Gumbel",
    doc="Largest values, type I. Johnson, Kotz and Balakrishnan 1995, chapter 22.",
    variable=_x,
    kind="real",
    parameters=(_LOC, _SCALE),
    log_density=-(_x - _loc) / _scale - log(_scale) - exp(-(_x - _loc) / _scale),
    log_cdf=-exp((_loc - _x) / _scale),
    log_survival=LogOneLess(exp((_loc - _x) / _scale)),
    sampler="gumbel",
)

GENERALIZED_NORMAL = Family(
    name="GeneralizedNormal",
    # Shape 1 is Laplace's, shape 2 a normal with standard deviation scale / sqrt 2.
    doc="The exponential power distribution. Subbotin 1923; Nadarajah 2005, (2).",
    variable=_x,
    kind="real",
    parameters=(_LOC, _SCALE, _SHAPE),
    # The power is written apart, so that expanding finds scale^-shape as a factor.
    log_density=log(_shape)
    - log(2)
    - log(_scale)
    - loggamma(1 / _shape)
    - Abs(_x - _loc) ** _shape * _scale ** (-_shape),
    sampler="generalized_normal",
)

UNIFORM = Family(
    name="Uniform",
    doc="The continuous uniform. Johnson, Kotz and Balakrishnan 1995, chapter 26.",
    variable=_x,
    kind="real",
    parameters=(_LOWER, _UPPER),
    log_density=-log(_upper - _lower),
    condition=And(_lower <= _x, _x <= _upper),
    sampler="uniform",
)
