"""Saves and loads a fitted model: an npz of arrays with a JSON manifest. No pickle."""

from __future__ import annotations

import json
import math
import os
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from emdsl.runtime.errors import InputError, ResultFileError
from emdsl.runtime.params import check_params
from emdsl.runtime.program import Meta, Program
from emdsl.runtime.restrict import read_fix
from emdsl.runtime.results import FitResult, Restart, plain

_FORMAT = "emdsl-fit"
_VERSION = 1
_ZIP = b"PK\x03\x04"  # how every npz begins
_STATUSES = ("converged", "max_iter", "degenerate", "decreased", "interrupted")


def save(result: FitResult, path: str | Path) -> None:
    """Write a result to `path`, atomically: no reader ever sees half a file.

    Raises OSError.
    """
    target = Path(path)
    manifest = {
        "format": _FORMAT,
        "version": _VERSION,
        "model": result.program.meta.name,
        "source_sha256": result.program.meta.source_sha256,
        "compiler": result.program.meta.compiler,
        "params": _signature(result.program.meta),
        "status": result.status,
        "objective": plain(result.objective),
        "log_likelihood": plain(result.log_likelihood),
        "log_prior": plain(result.log_prior),
        "n_iter": result.n_iter,
        "sizes": dict(result.sizes),
        "n_params": result.n_params,
        "n_obs": result.n_obs,
        "bic_n": result.bic_n,
        "messages": list(result.messages),
        "restarts": result.to_dict()["restarts"],
    }
    arrays: dict[str, Any] = {
        f"param_{i}": result.params[p.name] for i, p in enumerate(result.program.meta.params)
    }
    for i, p in enumerate(result.program.meta.params):
        if p.name in result.fix:
            arrays[f"fix_{i}"] = result.fix[p.name]
    arrays["objective_trace"] = result.objective_trace
    text = json.dumps(manifest, allow_nan=False).encode()
    arrays["manifest"] = np.frombuffer(text, dtype=np.uint8)
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)  # mkstemp makes private files: give it the mode open() would
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load(program: Program, path: str | Path) -> FitResult:
    """Read a result that `save` wrote, for the same model.

    Raises ResultFileError where the file is none, is damaged or belongs to another model, and
    OSError where it can't be read.
    """
    where = str(path)
    try:
        with Path(path).open("rb") as raw:
            if raw.read(4) != _ZIP:  # np.load would take it for a pickle, and say so
                raise ResultFileError(f"{where} is no saved fit, expected a file from result.save")
            raw.seek(0)
            file = np.load(raw, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile) or "manifest" not in file:
                raise ResultFileError(f"{where} is no saved fit, expected a file from result.save")
            arrays = {name: file[name] for name in file.files}
        manifest = json.loads(arrays.pop("manifest").tobytes().decode())
    except ResultFileError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError,
            NotImplementedError, AttributeError, TypeError) as error:  # fmt: skip
        raise ResultFileError(
            f"{where} is no saved fit or is damaged ({str(error)[:80]}), expected a file from "
            "result.save"
        ) from None
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise ResultFileError(f"{where} is no saved fit, expected a file from result.save")
    if manifest.get("version") != _VERSION:
        raise ResultFileError(
            f"{where} has format version {manifest.get('version')}, expected {_VERSION}: "
            "load it with the emdsl that wrote it"
        )
    meta = program.meta
    if manifest.get("model") != meta.name or manifest.get("params") != _signature(meta):
        raise ResultFileError(
            f"{where} holds {manifest.get('model')} with parameters "
            f"{_list_names(manifest.get('params'))}, expected {meta.name} with "
            f"{_list_names(_signature(meta))}: load it with its own model"
        )
    try:
        return _rebuild(program, manifest, arrays)
    except InputError as error:
        raise ResultFileError(f"{where} is damaged: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ResultFileError(f"{where} is damaged ({error!r}), expected a complete fit") from None


def _rebuild(program: Program, manifest: dict[str, Any], arrays: dict[str, Any]) -> FitResult:
    meta = program.meta
    sizes = {str(n): int(s) for n, s in manifest["sizes"].items()}
    raw = {p.name: arrays[f"param_{i}"] for i, p in enumerate(meta.params)}
    status = manifest["status"]
    if status not in _STATUSES:
        raise ValueError(f"status {status!r}")
    messages = tuple(str(m) for m in manifest["messages"])
    if manifest["source_sha256"] != meta.source_sha256:
        messages += ("saved by another version of the model file",)
    if status == "degenerate":  # a collapsed variance may be outside its support
        params = {name: np.asarray(value, dtype=np.float64) for name, value in raw.items()}
    else:
        params = check_params(meta, raw, sizes)
    given = {p.name: arrays[f"fix_{i}"] for i, p in enumerate(meta.params) if f"fix_{i}" in arrays}
    fix = read_fix(meta, sizes, given)
    return FitResult(
        program=program,
        params=params,
        objective=_from_json(manifest["objective"]),
        log_likelihood=_from_json(manifest["log_likelihood"]),
        log_prior=_from_json(manifest["log_prior"]),
        objective_trace=np.asarray(arrays["objective_trace"], dtype=np.float64),
        restarts=tuple(
            Restart(int(r["restart"]), int(r["attempt"]), _from_json(r["objective"]),
                    int(r["n_iter"]), r["status"], str(r["message"]))
            for r in manifest["restarts"]
        ),
        n_iter=int(manifest["n_iter"]),
        status=status,
        messages=messages,
        sizes=sizes,
        n_params=int(manifest["n_params"]),
        n_obs=int(manifest["n_obs"]),
        bic_n=float(manifest["bic_n"]),
        fix=fix,
    )  # fmt: skip


def _list_names(signature: Any) -> str:
    try:
        return ", ".join(str(p[0]) for p in signature)
    except (TypeError, LookupError):
        return "?"


def _from_json(value: Any) -> float:
    return math.inf if value is None else float(value)  # only an unbounded objective is null


def _signature(meta: Meta) -> list[Any]:
    return [[p.name, list(p.dims), p.kind, p.event] for p in meta.params]
