"""How long each gallery model takes to derive and compile, and what importing the result loads.

    python benchmarks/compile_time.py [--only gaussian] [--json]

Cold: the first model that a fresh process compiles, once the compiler is imported. Warm: the
third time in the same process.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from gallery import FILES
from race import ROOT, one_thread

GOAL = 1.5  # seconds

ONE = """
import json, sys, time
from pathlib import Path
start = time.perf_counter(), time.process_time()
from emdsl.compiler import compile_source
from emdsl.diagnostics import CompileError
from emdsl.source import Source
imported = time.perf_counter() - start[0], time.process_time() - start[1]
path = Path(sys.argv[1])
source = Source(path.read_text(encoding="utf-8"), path.name)
times = []
try:
    for _ in range(3):
        start = time.process_time()
        text = compile_source(source).module
        times.append(time.process_time() - start)
except CompileError as error:
    print(json.dumps({"refused": str(error).split("\\n")[0]}))
    sys.exit()
Path(sys.argv[2]).write_text(text, encoding="utf-8")
print(json.dumps({"import": imported[1], "cold": times[0], "warm": times[2],
                  "lines": text.count("\\n")}))
"""

RUN = """
import importlib.util, json, sys, time
start = time.process_time()
import numpy
numpy_only = time.process_time() - start
start = time.process_time()
spec = importlib.util.spec_from_file_location("generated", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules["generated"] = module
spec.loader.exec_module(module)
seconds = time.process_time() - start
if sys.argv[2] == "faithful":
    x = numpy.loadtxt(sys.argv[3], delimiter=",", skiprows=1)
    module.fit(x, K=2, restarts=1)
loaded = {name.split(".")[0] for name in sys.modules}
print(json.dumps({"numpy": numpy_only, "import": seconds,
                  "loaded": sorted(loaded & {"sympy", "lark", "scipy"})}))
"""


def _python(code: str, *arguments: str) -> Any:
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
    )
    return json.loads(ran.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compile times of the gallery, CPU seconds.")
    parser.add_argument("--only", default="", help="a regular expression on model names")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    one_thread()
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in FILES:
            if not re.search(args.only, path.stem):
                continue
            out = Path(folder) / f"{path.stem}.py"
            row = _python(ONE, str(path), str(out))
            if "refused" not in row:
                kind = "faithful" if path.stem == "gaussian_mixture" else "import"
                data = str(ROOT / "models" / "data" / "faithful.csv")
                row["module"] = _python(RUN, str(out), kind, data)
            rows[path.stem] = row
            if not args.json:
                print(_text(path.stem, row), flush=True)
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    done = [r for r in rows.values() if "refused" not in r]
    if done:
        slowest = max(done, key=lambda r: float(r["cold"]))
        over = sum(r["cold"] > GOAL for r in done)
        loaded = sorted({name for r in done for name in r["module"]["loaded"]})
        print(
            f"\n{len(done)} models: slowest {slowest['cold']:.2f} s cold, {over} over {GOAL} s; "
            f"of sympy, lark and scipy generated modules load {', '.join(loaded) or 'none'}"
        )


def _text(name: str, row: dict[str, Any]) -> str:
    if "refused" in row:
        return f"{name:<32} refused: {row['refused']}"
    module = row["module"]
    loads = ", ".join(module["loaded"]) or "NumPy only"
    mark = "  OVER" if row["cold"] > GOAL else ""
    return (
        f"{name:<32} compiler imported in {row['import']:.2f} s, cold {row['cold']:.2f} s, "
        f"warm {row['warm']:.2f} s; module imported in {module['import']:.3f} s "
        f"after NumPy's {module['numpy']:.2f} s, loads {loads}{mark}"
    )


if __name__ == "__main__":
    main()
