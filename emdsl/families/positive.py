"""Families on the positive half line."""

from __future__ import annotations

from sympy import exp, log, loggamma, pi, sqrt

from emdsl.families.cumulative import LogGammaP, LogGammaQ, LogNdtr, LogOneLess
from emdsl.families.family import Alternative, Family, Parameter, symbol

_x = symbol("x", "positive")
_MU = Parameter("mu", "real", doc="the mean of log x")
_SIGMA = Parameter("sigma", "positive", doc="the standard deviation of log x")
_SD = Parameter("sd", "positive", doc="the standard deviation before folding")
_VAR = Parameter("var", "positive", doc="the square of the standard deviation")
_PRECISION = Parameter("precision", "positive", doc="1 / var")
_MEAN = Parameter("mean", "positive", doc="the mean")
_LOG = Parameter("log", "real", doc="the log of the mean")
_SHAPE = Parameter("shape", "positive", doc="the shape")
_RATE = Parameter("rate", "positive", doc="the rate, 1 / scale")
_SCALE = Parameter("scale", "positive", doc="the scale")
_DISPERSION = Parameter("dispersion", "positive", doc="1 / shape; the variance is it x mean^3")
_RATIO = Parameter("mu", "positive", doc="the mean over the scale")

_mu, _sigma, _sd, _mean = (p.symbol for p in (_MU, _SIGMA, _SD, _MEAN))
_log = _LOG.symbol
_shape, _rate, _scale = (p.symbol for p in (_SHAPE, _RATE, _SCALE))

LOG_NORMAL = Family(
    name="LogNormal",
    doc="exp of a normal; var and precision are log x's. Johnson et al. 1994, chapter 14.",
    variable=_x,
    kind="positive",
    parameters=(_MU, _SIGMA),
    log_density=-log(_x) - log(_sigma) - log(2 * pi) / 2 - (log(_x) - _mu) ** 2 / (2 * _sigma**2),
    alternatives=(
        Alternative((_VAR,), (("sigma", sqrt(_VAR.symbol)),)),
        Alternative((_PRECISION,), (("sigma", 1 / sqrt(_PRECISION.symbol)),)),
    ),
    log_cdf=LogNdtr((log(_x) - _mu) / _sigma),
    log_survival=LogNdtr((_mu - log(_x)) / _sigma),
    sampler="log_normal",
)

HALF_NORMAL = Family(
    name="HalfNormal",
    doc="The absolute value of a Normal(0, sd). Johnson et al. 1994, chapter 13.",
    variable=_x,
    kind="positive",
    parameters=(_SD,),
    log_density=log(2) / 2 - log(pi) / 2 - log(_sd) - _x**2 / (2 * _sd**2),
    alternatives=(
        Alternative((_VAR,), (("sd", sqrt(_VAR.symbol)),)),
        Alternative((_PRECISION,), (("sd", 1 / sqrt(_PRECISION.symbol)),)),
    ),
    log_cdf=LogOneLess(-log(2) - LogNdtr(-_x / _sd)),
    log_survival=log(2) + LogNdtr(-_x / _sd),
    sampler="half_normal",
)

EXPONENTIAL = Family(
    name="Exponential",
    doc="The exponential. Johnson, Kotz and Balakrishnan 1994, chapter 19.",
    variable=_x,
    kind="positive",
    parameters=(_RATE,),
    log_density=log(_rate) - _rate * _x,
    alternatives=(
        Alternative((_SCALE,), (("rate", 1 / _scale),)),
        Alternative((_LOG,), (("rate", exp(-_log)),)),
    ),
    log_cdf=LogOneLess(_rate * _x),
    log_survival=-_rate * _x,
    sampler="exponential",
)

GAMMA = Family(
    name="Gamma",
    doc="The gamma. Johnson, Kotz and Balakrishnan 1994, chapter 17.",
    variable=_x,
    kind="positive",
    parameters=(_SHAPE, _RATE),
    log_density=_shape * log(_rate) - loggamma(_shape) + (_shape - 1) * log(_x) - _rate * _x,
    alternatives=(
        Alternative((_SCALE,), (("rate", 1 / _scale),)),
        # As in generalised linear models; each power apart, so that the sums separate.
        Alternative(
            (_MEAN,),
            (("rate", _shape / _mean),),
            _shape * log(_shape)
            - _shape * log(_mean)
            - loggamma(_shape)
            + (_shape - 1) * log(_x)
            - _shape * _x / _mean,
        ),
        Alternative(
            (_LOG,),
            (("rate", _shape * exp(-_log)),),
            _shape * log(_shape)
            - _shape * _log
            - loggamma(_shape)
            + (_shape - 1) * log(_x)
            - _shape * _x * exp(-_log),
        ),
    ),
    log_cdf=LogGammaP(_shape, _rate * _x),
    log_survival=LogGammaQ(_shape, _rate * _x),
    sampler="gamma",
)

INVERSE_GAMMA = Family(
    name="InverseGamma",
    doc="1 / x is Gamma(shape, rate = scale). Gelman et al. 2013, table A.1.",
    variable=_x,
    kind="positive",
    parameters=(_SHAPE, _SCALE),
    log_density=_shape * log(_scale) - loggamma(_shape) - (_shape + 1) * log(_x) - _scale / _x,
    log_cdf=LogGammaQ(_shape, _scale / _x),
    log_survival=LogGammaP(_shape, _scale / _x),
    sampler="inverse_gamma",
)

INVERSE_GAUSSIAN = Family(
    name="InverseGaussian",
    doc="Wald's distribution. Johnson, Kotz and Balakrishnan 1994, chapter 15.",
    variable=_x,
    kind="positive",
    parameters=(_MEAN, _SHAPE),
    log_density=log(_shape) / 2
    - log(2 * pi) / 2
    - 3 * log(_x) / 2
    - _shape * (_x - _mean) ** 2 / (2 * _mean**2 * _x),
    alternatives=(
        # McCullagh and Nelder's GLM dispersion, then SciPy's invgauss(mu, scale = scale).
        Alternative((_DISPERSION,), (("shape", 1 / _DISPERSION.symbol),)),
        Alternative((_RATIO, _SCALE), (("mean", _RATIO.symbol * _scale), ("shape", _scale))),
        Alternative((_LOG,), (("mean", exp(_log)),)),
    ),
    sampler="inverse_gaussian",
)

WEIBULL = Family(
    name="Weibull",
    doc="The two-parameter Weibull. Johnson, Kotz and Balakrishnan 1994, chapter 21.",
    variable=_x,
    kind="positive",
    parameters=(_SHAPE, _SCALE),
    # The power is written apart, so that expanding finds scale^-shape as a factor.
    log_density=log(_shape)
    - _shape * log(_scale)
    + (_shape - 1) * log(_x)
    - _x**_shape * _scale ** (-_shape),
    log_cdf=LogOneLess(_x**_shape * _scale ** (-_shape)),
    log_survival=-(_x**_shape) * _scale ** (-_shape),
    sampler="weibull",
)

LOG_LOGISTIC = Family(
    name="LogLogistic",
    doc="exp of a logistic, Fisk's distribution. Johnson et al. 1995, section 23.11.",
    variable=_x,
    kind="positive",
    parameters=(_SCALE, _SHAPE),
    log_density=log(_shape)
    - _shape * log(_scale)
    + (_shape - 1) * log(_x)
    - 2 * log(1 + _x**_shape * _scale ** (-_shape)),
    log_cdf=-log(1 + _x ** (-_shape) * _scale**_shape),
    log_survival=-log(1 + _x**_shape * _scale ** (-_shape)),
    sampler="log_logistic",
)

RAYLEIGH = Family(
    name="Rayleigh",
    doc="The length of a plane Normal(0, scale). Johnson et al. 1994, chapter 18.",
    variable=_x,
    kind="positive",
    parameters=(_SCALE,),
    log_density=log(_x) - 2 * log(_scale) - _x**2 / (2 * _scale**2),
    log_cdf=LogOneLess(_x**2 / (2 * _scale**2)),
    log_survival=-(_x**2) / (2 * _scale**2),
    sampler="rayleigh",
)

PARETO = Family(
    name="Pareto",
    doc="Pareto of the first kind, x >= scale. Johnson et al. 1994, chapter 20.",
    variable=_x,
    kind="positive",
    parameters=(_SCALE, _SHAPE),
    log_density=log(_shape) + _shape * log(_scale) - (_shape + 1) * log(_x),
    condition=_x >= _scale,
    log_cdf=LogOneLess(_shape * (log(_x) - log(_scale))),
    log_survival=_shape * (log(_scale) - log(_x)),
    sampler="pareto",
)
