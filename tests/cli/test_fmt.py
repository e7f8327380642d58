"""`emdsl fmt`: in place, checked, shown, or from stdin to stdout."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run

UGLY = "model   A\nparam x:real   # a comment\n"
NEAT = "model A\nparam x : real  # a comment\n"


def test_stdin_to_stdout(emdsl: Run) -> None:
    ran = emdsl("fmt", "-", stdin=UGLY)
    assert (ran.code, ran.out, ran.err) == (0, NEAT, "")


def test_in_place_and_only_where_something_changes(tmp_path: Path, emdsl: Run) -> None:
    ugly, neat = tmp_path / "ugly.em", tmp_path / "neat.em"
    ugly.write_text(UGLY)
    neat.write_text(NEAT)
    before = neat.stat()
    ran = emdsl("fmt", ugly, neat)
    assert (ran.code, ran.out, ran.err) == (0, "", f"formatted {ugly}\n")
    assert ugly.read_text() == NEAT
    assert neat.stat() == before


def test_check_changes_nothing(tmp_path: Path, emdsl: Run) -> None:
    path = tmp_path / "m.em"
    path.write_text(UGLY)
    ran = emdsl("fmt", "--check", path)
    assert (ran.code, ran.out, ran.err) == (1, "", f"would format {path}\n")
    assert path.read_text() == UGLY
    path.write_text(NEAT)
    assert emdsl("fmt", "--check", path).code == 0


def test_diff(emdsl: Run) -> None:
    ran = emdsl("fmt", "--diff", "-", stdin=UGLY)
    assert ran.code == 1
    assert ran.out.splitlines()[3:] == [
        "-model   A",
        "-param x:real   # a comment",
        "+model A",
        "+param x : real  # a comment",
    ]


def test_line_ends_are_kept(tmp_path: Path, emdsl: Run) -> None:
    path = tmp_path / "m.em"
    path.write_bytes(UGLY.replace("\n", "\r\n").encode())
    assert emdsl("fmt", path).code == 0
    assert path.read_bytes() == NEAT.replace("\n", "\r\n").encode()
    assert emdsl("fmt", "--check", path).code == 0


def test_a_wrong_file_is_left_alone_and_does_not_stop_the_others(
    tmp_path: Path, emdsl: Run
) -> None:
    wrong, ugly = tmp_path / "wrong.em", tmp_path / "ugly.em"
    wrong.write_text("model A\nparam : real\n")
    ugly.write_text(UGLY)
    ran = emdsl("fmt", wrong, ugly)
    assert ran.code == 1
    assert f"{wrong}:2:7: error: " in ran.err
    assert f"\n1 error in {wrong}\n" in ran.err
    assert wrong.read_text() == "model A\nparam : real\n"
    assert ugly.read_text() == NEAT


def test_the_gallery_is_formatted(models: Path, emdsl: Run) -> None:
    ran = emdsl("fmt", "--check", *sorted(models.glob("*.em")))
    assert (ran.code, ran.err) == (0, "")
