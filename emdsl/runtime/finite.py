"""Whether all of many numbers are finite, at the least cost."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_MANY = 2**15  # numbers from which a product is quicker than a look at each


def all_finite(x: NDArray[np.float64]) -> bool:
    """Whether no number of an array of any shape is infinite or NaN; it may be wrong to deny it.

    Many are squared and summed, which BLAS has done in the time it takes to read them, or summed
    where they don't lie side by side. Either may be too large for a float where no number is.
    """
    if x.size < _MANY:
        return bool(np.isfinite(x).all())
    with np.errstate(over="ignore", invalid="ignore"):
        if not (x.flags.c_contiguous or x.flags.f_contiguous):
            return math.isfinite(x.sum())
        flat = x.ravel(order="K")  # no copy
        return math.isfinite(flat @ flat)
