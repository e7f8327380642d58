"""Runs a script beside a standalone module, in a Python that has no emdsl."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from emdsl.backends.standalone import standalone

_WITHOUT = """
import importlib.abc, json, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("emdsl", "sympy", "lark"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocker())
sys.path.insert(0, sys.argv[1])
import alone
"""


def run_alone(module: str, script: str, folder: Path, *arguments: str) -> Any:
    """What the script prints as JSON; `alone` is the standalone module made of a generated one.

    In the script `sys.argv[1]` is the folder, and the arguments come after it. Warnings are errors.
    """
    (folder / "alone.py").write_text(standalone(module), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", _WITHOUT + script, str(folder), *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)
