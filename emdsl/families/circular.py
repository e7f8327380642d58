"""Families of angles."""

from __future__ import annotations

from sympy import besseli, cos, log, pi

from emdsl.families.family import Family, Parameter, symbol

_x = symbol("x", "real")
_MU = Parameter("mu", "real", doc="the mean direction")
_KAPPA = Parameter("kappa", "positive", doc="the concentration")

VON_MISES = Family(
    name="VonMises",
    # No condition: the density is periodic and angles come in [0, 2 pi) as often as (-pi, pi].
    doc="The circular normal, per radian over one turn. Mardia and Jupp 2000, section 3.5.4.",
    variable=_x,
    kind="real",
    parameters=(_MU, _KAPPA),
    log_density=_KAPPA.symbol * cos(_x - _MU.symbol) - log(2 * pi) - log(besseli(0, _KAPPA.symbol)),
    sampler="von_mises",
)
