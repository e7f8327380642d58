"""Whether all of many numbers are finite, at the least cost."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_MANY = 4096  # numbers from which a product is quicker than a sum


def all_finite(x: NDArray[np.float64]) -> bool:
    """Whether no number of an array of any shape is infinite or NaN; it may be wrong to deny it.

    A sum of squares, which BLAS has in the time it takes to read them; the sum where there are few
    or they don't lie side by side. Either may be too large for a float where no number is.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if x.size < _MANY or not (x.flags.c_contiguous or x.flags.f_contiguous):
            return math.isfinite(x.sum())
        flat = x.ravel(order="K")  # no copy
        return math.isfinite(flat @ flat)
