"""Files that aren't there, can't be read or written; writing that is all or nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from emdsl.cli.errors import InputError
from emdsl.cli.files import write_bytes, write_file
from tests.cli.conftest import Run


def test_a_file_that_is_not_there(tmp_path: Path, emdsl: Run) -> None:
    (tmp_path / "mixture.em").write_text("model A\n")
    ran = emdsl("check", tmp_path / "mixtrue.em")
    assert ran.code == 1
    assert ran.err == (
        f"emdsl: error: there is no file {tmp_path}/mixtrue.em\n"
        f"  help: did you mean {tmp_path}/mixture.em?\n"
    )


def test_a_folder_that_is_not_there(tmp_path: Path, emdsl: Run) -> None:
    ran = emdsl("check", tmp_path / "models" / "mixture.em")
    assert (ran.code, ran.err.splitlines()[1]) == (
        1,
        f"  help: there is no folder {tmp_path}/models",
    )


def test_a_folder_is_not_a_model(tmp_path: Path, emdsl: Run) -> None:
    ran = emdsl("check", tmp_path)
    assert (ran.code, ran.err) == (1, f"emdsl: error: {tmp_path} is a folder, not a file\n")


def test_a_name_with_a_null_character(emdsl: Run) -> None:
    assert emdsl("check", "a\0b").code == 1


def test_writing_keeps_permissions_and_writes_through_links(tmp_path: Path) -> None:
    real, link = tmp_path / "real.em", tmp_path / "link.em"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    write_file(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert real.stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.em", "real.em"]


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_file(tmp_path / "new", "text")
    finally:
        os.umask(old)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(file: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="can't be written: no space left on device"):
        write_bytes(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_no_folder_to_write_to(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        write_file(tmp_path / "no" / "file", "text")
    with pytest.raises(InputError, match="is a folder"):
        write_file(tmp_path, "text")


def test_writing_to_a_device() -> None:
    write_file(Path("/dev/null"), "text")
    assert Path("/dev/null").is_char_device()
