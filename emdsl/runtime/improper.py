"""What is said where a log joint is no distribution of its latents: its integral is infinite."""

from __future__ import annotations

import numpy as np


class ImproperError(np.linalg.LinAlgError):
    """A log joint has no normalising constant: a precision isn't positive definite, or the like."""
