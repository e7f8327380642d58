"""`python -m emdsl` is the command `emdsl`."""

from __future__ import annotations

import sys

from emdsl.cli import main

if __name__ == "__main__":
    sys.exit(main())
