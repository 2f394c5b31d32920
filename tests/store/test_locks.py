"""Files and folders where the system has no flock, as Windows: tried here without it."""

import os
import tempfile
import time
from pathlib import Path

import pytest

from scanner.store import locks, temporary
from scanner.store.temporary import BOOT, FOLDER, AtomicFile, temporary_folder


@pytest.fixture(autouse=True)
def without_flock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(locks, "fcntl", None)
    monkeypatch.setattr(temporary, "_FRESH", 60)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_a_file_is_closed_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows does not rename an open file."""
    named = Path.replace
    with AtomicFile(tmp_path / "a.json") as file:
        file.write(b"x")

        def replace(unfinished: Path, path: Path) -> Path:
            assert file.closed
            return named(unfinished, path)

        monkeypatch.setattr(Path, "replace", replace)
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_bytes() == b"x"


@pytest.mark.parametrize("refusals", [2, 1000])
def test_a_target_that_is_open_elsewhere_is_waited_for(
    refusals: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two runs that wrote the same report at once on Windows, one ended with "Access denied"."""
    left, named = [refusals], Path.replace

    def replace(unfinished: Path, path: Path) -> Path:
        if left[0]:
            left[0] -= 1
            raise PermissionError(13, "Access denied")
        return named(unfinished, path)

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(locks, "_BUSY_SECONDS", 0.3)
    if refusals == 2:
        with AtomicFile(tmp_path / "a.json") as file:
            file.write(b"x")
        assert (tmp_path / "a.json").read_bytes() == b"x"
    else:
        with pytest.raises(PermissionError), AtomicFile(tmp_path / "a.json"):
            pass
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("age", "left"), [(0, True), (90, False)])
def test_what_a_killed_run_left_is_removed_after_a_minute(age: int, left: bool, tmp_path: Path) -> None:
    """Not at once: a run that is about to give the file its name has closed it."""
    unfinished, folder = tmp_path / f".a.json.{BOOT}{'a' * 16}.part", tmp_path / f"{FOLDER}{BOOT}-abcdefgh"
    unfinished.touch()
    folder.mkdir()
    (folder / ".in-use").touch()
    for each in (unfinished, folder):
        os.utime(each, (time.time() - age,) * 2)
    with AtomicFile(tmp_path / "a.json"), temporary_folder() as path:
        assert path.is_dir()
    assert (unfinished.exists(), folder.exists(), path.exists()) == (left, left, False)
