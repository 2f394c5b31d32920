"""Twolocks without the folder `scanner/fleet`: everything but a scan in parts works, and that says what is missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scanner.config.commands import COMMANDS
from scanner.exit_codes import WRONG

ROOT = Path(__file__).parent.parent.parent
IGNORED = shutil.ignore_patterns("*.pyc.*", "fleet")
MISSING = "this installation of Twolocks has no scanner.fleet"
HELP = f"""
import sys
from scanner.cli.app import main
for name in {list(COMMANDS)!r}:
    print(name)
    try:
        main([*name.split(), "--help"])
    except SystemExit as ended:
        assert not ended.code, name
assert not [name for name in sys.modules if name.startswith("scanner.fleet")]
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package without `scanner/fleet`."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "scanner", folder / "scanner", ignore=IGNORED)
    for name in ("rules", "templates", "locale", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def python(copy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("TWOLOCKS_")}
    return subprocess.run([sys.executable, *words], cwd=copy, env=env, capture_output=True, text=True, check=False)


def twolocks(copy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return python(copy, "-m", "scanner", *words)


def test_the_demo_and_a_scan_of_its_snapshot_work(copy: Path) -> None:
    demo = twolocks(copy, "demo", "--quiet", "--dir", "demo")
    assert demo.returncode == 0, demo.stderr
    scan = twolocks(copy, "scan", "--from", "demo/snapshot.jsonl", "--out", "again.json", "--fail-on", "never")
    assert scan.returncode == 3, scan.stderr
    assert (copy / "again.json").stat().st_size > 100_000


def test_every_command_has_its_help(copy: Path) -> None:
    """In one process, because each start of one takes a second."""
    ended = python(copy, "-c", HELP)
    assert ended.returncode == 0, ended.stderr
    assert "fleet worker" in ended.stdout.splitlines()


@pytest.mark.parametrize(
    "words",
    [
        ("scan", "--parts", "shards"),
        ("scan", "--broker", "redis://localhost", "--parts", "shards"),
        ("fleet", "status", "--parts", "shards"),
        ("fleet", "worker", "--broker", "redis://localhost", "--parts", "shards"),
    ],
    ids=" ".join,
)
def test_what_needs_it_says_so(copy: Path, words: tuple[str, ...]) -> None:
    ended = twolocks(copy, *words)
    assert ended.returncode == WRONG
    assert MISSING in " ".join(ended.stderr.split()), ended.stderr
    assert "twolocks[fleet]" in ended.stderr
    assert not (copy / "shards").exists()
