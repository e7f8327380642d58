"""What a reference case is: a model, its data, and the answer in the model's names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.reference.tables import Floats

Data = dict[str, NDArray[Any]]
Params = dict[str, Floats]
Answer = Mapping[str, Any]  # a case's `reference.params`


@dataclass(frozen=True, slots=True)
class Case:
    """A fit to try.

    `labels` gives, of each parameter with interchangeable components, the axis or axes that they
    are on.
    `constant(data)` is what the model's log likelihood has beyond the reference's. `near` starts
    at the reference shaken a little, for where the likelihood is unbounded or its best maximum is
    seldom found; the others start from the data, with `restarts`.
    """

    id: str
    model: str  # a file of models/, or a text
    data: Callable[[], Data]
    params: Callable[[Answer], Params]
    labels: Mapping[str, int | tuple[int, ...]] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    constant: Callable[[Data], float] = lambda data: 0.0
    restarts: int = 5
    near: bool = False
    view: Callable[[Params], Params] = lambda params: params  # what is determined of them
    known: bool = True  # does the reference give the parameters, or only the view?
    free: int | None = None  # the number of free parameters, where it isn't the reference's
    n: int | None = None  # what the BIC counts, where it isn't the reference's
    atol: float = 1e-6  # beside 1e-4 relative: what is zero in the reference
    slow: bool = False
    likelihood: float = 1e-6  # relative; more only with its reason beside the case


def array(x: Any) -> Floats:
    return np.asarray(x, dtype=float)
