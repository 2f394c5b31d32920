"""`make owner` names who hosts Twolocks, in every file that says so."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.release.builds import ROOT

PLACEHOLDER = "OWNER" + "/twolocks"
pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an unpacked sdist is no repository")


def git(*words: str, folder: Path) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=False, capture_output=True, text=True).stdout


def test_no_placeholder_is_left(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    git("-c", "safe.directory=*", "clone", "--quiet", str(ROOT), str(copy), folder=tmp_path)
    before = git("grep", "-lI", PLACEHOLDER, folder=copy).split()
    assert {"docs/install.md", "deploy/pypi/README.md", "pyproject.toml", "deploy/github/nightly.yml"} <= set(before)
    subprocess.run(["make", "owner", "NAME=an-agency"], cwd=copy, check=True, capture_output=True)
    assert git("grep", "-lI", PLACEHOLDER, folder=copy) == ""
    assert git("diff", "--name-only", folder=copy).split() == before
    text = (copy / ".github" / "workflows" / "release.yml").read_text("utf-8")
    pattern = re.search(r"git grep -nI '(.+)'", text)
    assert pattern, "the release looks for the placeholder"
    assert re.search(pattern[1], PLACEHOLDER), "by a pattern that finds it"


@pytest.mark.parametrize("name", ["", "two words", "a/b", "a|b", "-x", "$(touch x)"])
def test_a_name_that_github_has_not_is_refused(name: str) -> None:
    before = (ROOT / "docs" / "install.md").read_bytes()
    done = subprocess.run(["make", "owner", f"NAME={name}"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert (ROOT / "docs" / "install.md").read_bytes() == before
