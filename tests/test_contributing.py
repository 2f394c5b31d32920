"""The tutorials of CONTRIBUTING.md: it is run in a copy, prints what they say, and changes that many files."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sampled import is_all

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
TUTORIAL = re.compile(r"^## ([^\n]+) \((\d) files?[^\n)]*\)\n(.*?)(?=^## )", re.MULTILINE | re.DOTALL)
TUTORIALS = {title: (int(count), text) for title, count, text in TUTORIAL.findall(PAGE)}
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NOT_RUN = ("git ", "make ")
DEMO = ".venv/bin/twolocks demo --quiet\n"
"""What `make test-all` alone runs here: tests/test_quickstart.py runs it too."""
ENDS = {
    "scanner/output/formats.py": '\n)\n"""The formats of `twolocks scan',
    "scanner/config/commands.py": "\n)\nCOMMANDS = ",
}
"""The end of each table that gets a row."""
IGNORED = shutil.ignore_patterns("*.pyc.*")
"""What other processes are about to write. The bytecode is copied: else each command compiles all modules again."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Path:
    """A working copy that has been set up, with what `twolocks demo` writes."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("scanner", "rules", "templates", "locale", "tests/rules/cases"):
        shutil.copytree(ROOT / name, folder / name, ignore=IGNORED)
    shutil.copy(ROOT / "pyproject.toml", folder)
    command = folder / ".venv" / "bin" / "twolocks"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nPYTHONDONTWRITEBYTECODE=1 exec {sys.executable} -m scanner "$@"\n')
    command.chmod(0o755)
    shutil.copytree(demo_folder, folder / "twolocks-demo")
    return folder


def sh(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    words = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(folder)}
    return subprocess.run(["sh", "-c", text], cwd=folder, env=words, capture_output=True, text=True, check=False)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a working copy that people write."""
    names = (path for name in ("scanner", "rules", "templates", "tests") for path in (folder / name).rglob("*.*"))
    texts = (path for path in names if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(folder)): path.read_bytes() for path in texts}


def written(folder: Path, name: str, text: str) -> None:
    """Add the text of a block to its file, as a reader would: a row to its table, else at the end, once."""
    path = folder / name
    before = path.read_text("utf-8") if path.exists() else ""
    if text in before:
        return
    if name in ENDS:
        assert before.count(ENDS[name]) == 1
        path.write_text(before.replace(ENDS[name], f"\n{text.rstrip()}{ENDS[name]}"), "utf-8")
        return
    path.write_text(before + text, "utf-8")


def steps(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield language, file and text of each block of a tutorial."""
    yield from BLOCK.findall(text)


def test_the_page_has_four_tutorials() -> None:
    assert list(TUTORIALS) == ["A rule", "A service", "An output format", "A command"]
    for title, (count, _) in TUTORIALS.items():
        link = f"#{title} {count} file{'s' if count > 1 else ''}".lower().replace(" ", "-")
        assert f"]({link}" in PAGE


# `make test` follows those of rules, whose interface others write against; the others are as slow.
@pytest.mark.parametrize("title", TUTORIALS if is_all() else ["A rule", "A service"])
def test_tutorial(copy: Path, title: str) -> None:
    count, text = TUTORIALS[title]
    before, message = contents(copy), ""
    for language, name, block in steps(text):
        if name:
            written(copy, name, block)
        elif language == "sh" and not block.startswith(NOT_RUN):
            done = sh(copy, block if is_all() else block.replace(DEMO, ""))
            message = done.stdout + done.stderr
            assert done.returncode in (0, 1), message
        elif language == "text":
            for line in block.splitlines():
                assert line in message
    after = contents(copy)
    assert len([name for name in after if after[name] != before.get(name)]) == count
    assert before.keys() <= after.keys()


def test_the_row_on_the_page_is_what_the_command_writes(copy: Path) -> None:
    text = TUTORIALS["A rule"][1]
    row = next(block for language, name, block in steps(text) if name == "rules/storage.toml")
    shutil.copy(ROOT / "rules" / "storage.toml", copy / "rules")
    command = next(block for language, _, block in steps(text) if "rules new" in block and language == "sh")
    assert sh(copy, command).returncode == 0
    assert (copy / "rules" / "storage.toml").read_text("utf-8") == (ROOT / "rules" / "storage.toml").read_text(
        "utf-8"
    ) + "\n" + row
