"""Content is found inside an installed package or beside it in a working copy, and nowhere else."""

from pathlib import Path

import pytest

from scanner import content as module
from scanner.content import content


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "scanner"
    folder.mkdir()
    monkeypatch.setattr(module, "PACKAGE", folder)
    return folder


def test_installed_content_wins_over_a_folder_beside_the_package(package: Path) -> None:
    (package / "rules").mkdir()
    (package.parent / "rules").mkdir()
    (package.parent / "pyproject.toml").touch()
    assert content("rules") == package / "rules"


def test_a_working_copy_keeps_its_content_beside_the_package(package: Path) -> None:
    (package.parent / "rules").mkdir()
    (package.parent / "pyproject.toml").touch()
    assert content("rules") == package.parent / "rules"


def test_another_package_named_rules_in_site_packages_is_not_ours(package: Path) -> None:
    (package.parent / "rules").mkdir()
    with pytest.raises(FileNotFoundError, match="not installed whole"):
        content("rules")


def test_missing_content_is_one_clear_error(package: Path) -> None:
    with pytest.raises(FileNotFoundError, match="templates"):
        content("templates")
