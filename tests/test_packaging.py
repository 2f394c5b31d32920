"""What a wheel and an sdist hold: our one name, and all our content."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of the working copy and the wheel that is built from that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    return next(dist.glob("*.whl"))


def content_files() -> list[str]:
    """Rules, templates and the package's own data in the working copy, as paths relative to its root."""
    files = (
        path for name in ("rules", "templates", "scanner") for path in (ROOT / name).glob("**/*") if path.is_file()
    )
    names = [path.relative_to(ROOT).as_posix() for path in files if path.suffix != ".pyc" and path.name != "ruff.toml"]
    return [name for name in names if "/." not in name]


def installed(name: str) -> str:
    """Where a file of the working copy stands in the wheel."""
    return name if name.startswith("scanner/") else f"scanner/{name}"


def test_the_wheel_installs_one_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {name for name in tops if not name.endswith(".dist-info")} == {"scanner"}


def test_every_rule_template_and_data_file_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    missing = [name for name in content_files() if installed(name) not in names]
    assert not missing
    assert not [name for name in names if name.endswith("ruff.toml")]


def test_the_wheel_has_the_command_and_the_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist() if ".dist-info/" in name}
    entry = next(text for name, text in texts.items() if name.endswith("entry_points.txt"))
    assert "twolocks = scanner.cli.app:main" in entry
    assert any("Apache License" in text for name, text in texts.items() if name.endswith("licenses/LICENSE"))


def test_an_installed_wheel_finds_its_own_content(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for name in ("rules", "templates"):
        (site / name).mkdir()  # somebody else's packages of these names
        done = subprocess.run(
            [sys.executable, "-c", f"from scanner.content import content; print(content({name!r}))"],
            env={"PYTHONPATH": str(site)},
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        )
        assert Path(done.stdout.strip()) == (site / "scanner" / name).resolve()


def test_an_installed_wheel_makes_a_history(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    code = (
        "import scanner, scanner.history.store as h; h.History.open('history.db').close(); print(scanner.__path__[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(site)}, cwd=tmp_path, check=True, capture_output=True,
        text=True,
    )  # fmt: skip
    assert Path(done.stdout.strip()) == site / "scanner"
    assert (tmp_path / "history.db").stat().st_size > 4096


def test_the_sdist_holds_what_it_names(dist: Path) -> None:
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    missing = [name for name in content_files() if name not in names]
    assert not missing
    folders = {"scanner", "rules", "templates", "tests", "docs", "deploy"}
    pages = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"}
    locks = {"requirements.lock", "requirements-dev.lock", "requirements-setup.lock"}
    rest = {"Makefile", "PKG-INFO", "pyproject.toml", ".gitignore"}
    assert {name.split("/")[0] for name in names} <= folders | pages | locks | rest
    assert {"LICENSE", "README.md", "Makefile", "requirements.lock", "tests/test_packaging.py"} <= names
