"""Saved fits come back as they were; anything else is refused with a clear word."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import hand_gmm
import hand_lca
import hand_normal
import numpy as np
import pytest

from emdsl import runtime as rt

GMM = hand_gmm.PROGRAM


@pytest.fixture(scope="module")
def result(faithful: np.ndarray) -> rt.FitResult:
    return rt.fit(GMM, faithful, sizes={"K": 3}, restarts=3, max_iter=20)


def test_round_trip(result: rt.FitResult, tmp_path: Path, faithful: np.ndarray) -> None:
    path = tmp_path / "a fit.npz"
    result.save(path)
    back = rt.load(GMM, path)
    assert back.to_dict() == result.to_dict()
    for name, value in result.params.items():
        np.testing.assert_array_equal(back.params[name], value)
    assert repr(back) == repr(result)
    np.testing.assert_array_equal(back.predict(faithful)["z"], result.predict()["z"])
    assert back.sample(5)["x"].shape == (5, 2)
    with pytest.raises(rt.DataError) as caught:
        back.posterior()
    assert str(caught.value) == (
        "this result comes from a file, which holds no data: pass data=..."
    )
    back.save(path)
    assert rt.load(GMM, str(path)).to_dict() == result.to_dict()


def test_an_unbounded_fit_round_trips(tmp_path: Path) -> None:
    program = hand_normal.program()
    flat = rt.fit(program, [1.0, 1.0])
    flat.save(tmp_path / "fit.npz")
    assert rt.load(program, tmp_path / "fit.npz").to_dict() == flat.to_dict()


def test_no_pickle_inside(result: rt.FitResult, tmp_path: Path) -> None:
    result.save(tmp_path / "fit.npz")
    with zipfile.ZipFile(tmp_path / "fit.npz") as archive:
        assert all(name.endswith(".npy") for name in archive.namelist())
    with np.load(tmp_path / "fit.npz", allow_pickle=False) as file:
        assert all(file[name].dtype.kind in "fu" for name in file.files)


def test_the_name_is_taken_as_it_is(result: rt.FitResult, tmp_path: Path) -> None:
    result.save(tmp_path / "fit.model")
    assert [p.name for p in tmp_path.iterdir()] == ["fit.model"]


def test_a_failed_save_leaves_the_old_file(
    result: rt.FitResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fit.npz"
    result.save(path)
    before = path.read_bytes()

    def full(*args: object, **named: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="no space"):
        result.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["fit.npz"]


def test_refuses_another_model(result: rt.FitResult, tmp_path: Path) -> None:
    result.save(tmp_path / "fit.npz")
    with pytest.raises(rt.ResultFileError) as caught:
        rt.load(hand_lca.PROGRAM, tmp_path / "fit.npz")
    assert str(caught.value) == (
        f"{tmp_path / 'fit.npz'} holds GaussianMixture with parameters weight, mean, cov, "
        "expected LatentClass with weight, p: load it with its own model"
    )


@pytest.mark.parametrize("kind", ["text", "empty", "npy", "npz", "cut", "flipped"])
def test_refuses_what_is_no_fit(result: rt.FitResult, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "fit.npz"
    result.save(path)
    whole = path.read_bytes()
    if kind == "npy":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif kind == "npz":
        np.savez(path, a=np.zeros(3))
    else:
        middle = len(whole) // 2
        path.write_bytes({
            "text": b"eruptions,waiting\n1,2\n",
            "empty": b"",
            "cut": whole[:middle],
            "flipped": whole[:300] + bytes(b ^ 255 for b in whole[300:400]) + whole[400:],
        }[kind])  # fmt: skip
    with pytest.raises(rt.ResultFileError, match=r"is no saved fit|damaged") as refusal:
        rt.load(GMM, path)
    assert "pickle" not in str(refusal.value)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rt.load(GMM, tmp_path / "nowhere.npz")


def test_tampered_numbers_are_refused(result: rt.FitResult, tmp_path: Path) -> None:
    path = tmp_path / "fit.npz"
    result.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    arrays["param_0"] = np.array([0.5, 0.5, 0.5])
    np.savez(path, **arrays)
    with pytest.raises(rt.ResultFileError, match="is damaged: weight is"):
        rt.load(GMM, path)
    arrays["param_0"] = np.array([{"a": 1}], dtype=object)
    np.savez(path, **arrays)
    with pytest.raises(rt.ResultFileError, match="is no saved fit or is damaged"):
        rt.load(GMM, path)


def test_one_is_no_plural(result: rt.FitResult) -> None:
    assert " 1 iteration," in repr(replace(result, n_iter=1))
    assert " 0 iterations," in repr(replace(result, n_iter=0))
    assert "  1 free parameter," in repr(replace(result, n_params=1))
