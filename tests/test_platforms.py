"""docs/platforms.md: encodings and terminals that lack letters or colours, and a system that is not POSIX."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.terminals import account, snapshot

ROOT = Path(__file__).parent.parent
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


REFUSED = re.compile(r"[<>:\"|?*\x00-\x1f]|[. ]$|^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.I)
"""What no name of a file may have on Windows."""


def test_commands_run_without_what_windows_lacks(tmp_path: Path) -> None:
    """Each command ended with an ImportError of `fcntl` there."""
    snapshot(tmp_path / "taken.jsonl", account("st", allowSharedKeyAccess=True, supportsHttpsTrafficOnly=False))
    codes = {
        "scan --from taken.jsonl --out f.json --out r.html --history h.db --fail-on never": 3,
        "report f.json --out again.html": 0,
        "diff f.json f.json": 0,
        "diff taken.jsonl taken.jsonl": 0,
        "history list --history h.db": 0,
        "config show": 0,
        "demo --quiet --dir demo": 0,
        "show frameworks f.json nsm-2.0": 0,
        "show places f.json": 0,
        "show keys f.json": 0,
        "show endpoints f.json": 0,
        "show findings f.json": 0,
        "show gaps f.json": 0,
        "show capacity f.json": 0,
        "sandbox nothing.jsonl": 2,
        "sandbox --stop": 2,
        "sandbox --env": 2,
    }
    # One process, because each would import everything.
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", "-m", "tests.not_posix", *codes],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path),
            "TMPDIR": str(tmp_path),
            "APPDATA": str(tmp_path / "roaming"),
            "LOCALAPPDATA": str(tmp_path / "local"),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ended = json.loads((tmp_path / "ended.json").read_text("utf-8"))
    assert {line: code for line, code, _ in ended} == codes, ended
    for line, _, stated in ended:
        assert "Traceback" not in stated, line
    assert [each.name for each in tmp_path.rglob("*.part")] == []
    assert [each.name for each in tmp_path.rglob("*") if REFUSED.search(each.name)] == []
