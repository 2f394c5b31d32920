"""docs/platforms.md: encodings and terminals that lack letters or colours, and what it says of Windows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "platforms.md").read_text("utf-8")
HAS_MORE_THAN_ASCII = '{"v": 3, "kind": "snapshot", "name": "blåbær 北"}\n'


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "cp1252", "utf-8"])
def test_an_encoding_that_lacks_letters_breaks_no_output(encoding: str, tmp_path: Path) -> None:
    """An error that quotes a name, the help, and the list of rules."""
    name = tmp_path / "blåbær 北.jsonl"
    name.write_text(HAS_MORE_THAN_ASCII, "utf-8")
    plain = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "TERM": "dumb"}
    environment = plain | {"LC_ALL": "C", "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    for arguments, code in ((["scan", "--from", str(name)], 2), (["--help"], 0), (["rules", "list"], 0)):
        ended = subprocess.run(
            [sys.executable, "-m", "scanner", *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        assert ended.returncode == code, ended.stderr
        assert b"Traceback" not in ended.stderr
        assert b"\x1b" not in ended.stdout + ended.stderr
        (ended.stdout + ended.stderr).decode(encoding)


def test_what_it_says_of_windows_is_so() -> None:
    """The page must change when these modules no longer stand in the way."""
    texts = [path.read_text("utf-8") for path in ROOT.glob("scanner/**/*.py")]
    for name in ("import fcntl", "signal.SIGHUP"):
        assert any(name in text for text in texts) == ("Windows without WSL | **not supported**" in PAGE)
