"""Arrays as a table of columns, in CSV or npz, on standard output or in a file."""

from __future__ import annotations

import argparse
import csv
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from emdsl.cli.errors import InputError
from emdsl.cli.files import STDIN, verify_writable, write_bytes, write_file
from emdsl.cli.terminal import write_text


@dataclass(frozen=True)
class Answer:
    """The plates that an answer's rows are in, and how many dimensions belong to each row."""

    axes: tuple[str, ...]
    events: int = 0


def add_output(parser: argparse.ArgumentParser) -> None:
    """Where the answer goes."""
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="a .csv or .npz file; by default CSV on stdout"
    )


def verify_output(args: argparse.Namespace) -> None:
    """The answer will have somewhere to go: better said before the work than after."""
    if args.output not in (None, STDIN):
        verify_writable(Path(args.output))


def is_npz(output: str | None) -> bool:
    return output is not None and output.endswith(".npz")


def write_arrays(arrays: Mapping[str, Any], output: str | None) -> None:
    """Arrays with one row for each element, by name; `x[]` is `x` with its indices spelt out."""
    if output is not None and is_npz(output):
        write_bytes(Path(output), lambda file: _write_npz(arrays, file))
        return
    text = _csv(arrays)
    if output in (None, STDIN):
        write_text(text)
    else:
        write_file(Path(output), text)


def _csv(arrays: Mapping[str, Any]) -> str:
    import numpy as np

    lengths = {name: len(array) if np.ndim(array) else 0 for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name.rstrip('[]')} {length}" for name, length in lengths.items())
        raise InputError(
            f"arrays of different lengths don't make a table: {shown}",
            "write them to an npz file: -o FILE.npz",
        )
    names, columns = [], []
    for name, array in arrays.items():
        base = name.removesuffix("[]")
        for index in np.ndindex(*np.shape(array)[1:]):
            names.append(f"{base}[{','.join(map(str, index))}]" if index else base)
            columns.append(np.asarray(array)[(slice(None), *index)].tolist())
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(zip(*columns, strict=True))
    return out.getvalue()


def _write_npz(arrays: Mapping[str, Any], file: BinaryIO) -> None:
    """As `numpy.savez` does, whose own argument names can't be names of arrays."""
    import numpy as np

    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            shown = name.replace("[]", "_probability")
            with archive.open(f"{shown}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
