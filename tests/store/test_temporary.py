"""Temporary files: exclusive, locked, removed by the next run. `python -m tests.output.races` runs many more."""

import fcntl
import os
import secrets
import tempfile
import time
from pathlib import Path

import pytest

from scanner.store import locks, temporary
from scanner.store.temporary import BOOT, DAY, FOLDER, AtomicFile, temporary_folder
from tests.output.races import kills, races

OTHER_BOOT = "0" * 8


def temporary_files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.name.endswith(".part"))


def test_a_file_is_whole_or_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with AtomicFile(path) as file:
        file.write(b"one")
        assert not path.exists()
    with pytest.raises(ZeroDivisionError), AtomicFile(path) as file:
        file.write(b"two" * (1 // 0))
    assert (path.read_bytes(), temporary_files(tmp_path), temporary.OPEN) == (b"one", [], [])


def test_two_writers_with_one_process_number_share_nothing(tmp_path: Path) -> None:
    """Two containers on one volume are both process 1. The name was `.a.json.1.part` for both."""
    path = tmp_path / "a.json"
    with AtomicFile(path) as first, AtomicFile(path) as second:
        first.write(b"first")
        second.write(b"second")
        assert len(temporary_files(tmp_path)) == 2
    assert (path.read_bytes(), temporary_files(tmp_path)) == (b"first", [])


def test_a_link_under_the_temporary_name_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")
    monkeypatch.setattr(secrets, "token_hex", lambda size: "1" * 16)
    (tmp_path / f".a.json.{BOOT}{'1' * 16}.part").symlink_to(victim)
    (tmp_path / f".a.json.{os.getpid()}.part").symlink_to(victim)
    with pytest.raises(FileExistsError), AtomicFile(tmp_path / "a.json"):
        pass
    assert victim.read_text() == "kept"


@pytest.mark.parametrize(
    ("name", "age", "left"),
    [
        (f".a.json.{BOOT}{'a' * 16}.part", 0, False),
        (f".a.json.{OTHER_BOOT}{'a' * 16}.part", 0, True),
        (f".a.json.{OTHER_BOOT}{'a' * 16}.part", DAY + 9, False),
        (".a.json.4711.part", 0, True),
        (".a.json.4711.part", DAY + 9, False),
        (f".b.json.{BOOT}{'a' * 16}.part", DAY + 9, True),
        (".a.json.notes.part", DAY + 9, True),
        ("a.json.part", DAY + 9, True),
    ],
)
def test_what_a_killed_run_left_is_removed(name: str, age: int, left: bool, tmp_path: Path) -> None:
    there = tmp_path / name
    there.write_text("half")
    os.utime(there, (time.time() - age,) * 2)
    with AtomicFile(tmp_path / "a.json") as file:
        file.write(b"whole")
    assert there.exists() == left


def test_the_mode_of_an_existing_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.touch(0o640)
    path.chmod(0o640)
    with AtomicFile(path) as file:
        file.write(b"x")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_long_name_has_a_part(tmp_path: Path) -> None:
    path = tmp_path / ("ø" * 120 + ".json")
    with AtomicFile(path) as file:
        file.write(b"x")
    assert path.read_bytes() == b"x"


@pytest.mark.parametrize(
    ("name", "age", "left"),
    [
        (f"{FOLDER}{BOOT}-abcdefgh", 0, False),
        (f"{FOLDER}{OTHER_BOOT}-abcdefgh", 0, True),
        (f"{FOLDER}{OTHER_BOOT}-abcdefgh", DAY + 9, False),
        ("twolocks-demo", DAY + 9, True),
        (f"{FOLDER}notes", DAY + 9, True),
    ],
)
def test_temporary_folders_that_were_left_are_removed(
    name: str, age: int, left: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    there = tmp_path / name
    there.mkdir()
    (there / "report.html").write_text("x")
    os.utime(there, (time.time() - age,) * 2)
    with temporary_folder() as first, temporary_folder() as second:
        assert first.is_dir()
        assert second.is_dir()
        assert first.stat().st_mode & 0o777 == 0o700
    assert there.exists() == left
    assert not first.exists()


def test_races_and_kills(tmp_path: Path) -> None:
    assert races(tmp_path, 20, seed=1) == (20, 0, 0)
    assert kills(tmp_path, 10, seed=1) == (10, 0, 0)


@pytest.mark.parametrize("folder", [False, True])
def test_what_a_cleaner_locked_first_is_not_held(folder: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is still there, but the cleaner is about to remove it: a sandbox lost its certificates so."""
    opened, cleaners = os.open, list[int]()

    def open_second(path: Path, flags: int, *more: int) -> int:
        number = opened(path, flags, *more)
        cleaners.append(opened(path, os.O_RDONLY))
        fcntl.flock(cleaners[-1], fcntl.LOCK_EX)
        return number

    path = tmp_path / "made"
    if folder:
        path.mkdir()
    monkeypatch.setattr(os, "open", open_second)
    assert (locks.folder_held(path) if folder else locks.create_held(path, 0o600)) is None
    os.close(cleaners[0])
