"""Streams that are closed, broken or full, in real processes; and log commands of CI systems on both streams."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scanner.exit_codes import FINE
from scanner.terminal import streams
from scanner.terminal.streams import PIPE_CLOSED, json_without_commands, without_commands
from tests.processes import in_shell, start
from tests.terminals import STORAGE, account, snapshot, twolocks

OPEN = account("st", allowSharedKeyAccess=True, publicNetworkAccess="Enabled", supportsHttpsTrafficOnly=False)
PROGRAM = f"{sys.executable} -m scanner"
PRINTING = [
    "scan --from night.jsonl --out - --out findings.json --fail-on low",
    "report given.json --out - --out again.json",
    "diff night.jsonl night.jsonl --format json",
    "rules list",
    "history list --history h.db",
    "config show",
    "access role",
    f"reach {STORAGE}/st --from night.jsonl",
    "--version",
    "scan --help",
]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    snapshot(Path("night.jsonl"), OPEN)
    ended = twolocks("scan", "--from", "night.jsonl", "--out", "given.json", "--history", "h.db", "--fail-on", "never")
    assert ended.code in (0, 3)


def shell(line: str) -> tuple[int, str]:
    """Exit code and standard error of a line of bash, started in the folder of the test."""
    done = subprocess.run(["bash", "-c", line], check=False, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stderr


STREAMS = [">&-", "| true; exit ${PIPESTATUS[0]}", ">/dev/full"]


@pytest.mark.parametrize(
    ("command", "stream"),
    [
        *((PRINTING[0], each) for each in STREAMS),
        *((each, STREAMS[position % 3]) for position, each in enumerate(PRINTING)),
    ],
)
def test_an_output_that_is_lost_is_never_found(command: str, stream: str) -> None:
    """Ended with 0, 1 (found) or 70 before, with a traceback where the stream was closed."""
    code, text = shell(f"{in_shell()} {command} {stream}")
    assert code == (2 if "full" in stream else PIPE_CLOSED), text
    assert "Traceback" not in text
    assert "Exception ignored" not in text
    for name in ("findings.json", "again.json"):
        if name in command:
            assert json.loads(Path(name).read_text())["schema"] == "twolocks/2"


@pytest.mark.parametrize("stream", ["2>&-", "2>/dev/full", "2>&1 | true; exit ${PIPESTATUS[0]}"])
def test_messages_that_are_lost_change_no_exit_code(stream: str) -> None:
    scan = f"{in_shell()} scan --from night.jsonl --out findings.json"
    for more, code in (("--fail-on never --only storage-plain-http", FINE), ("--fail-on low", 1), ("--skip nosuch", 2)):
        assert shell(f"{scan} {more} {stream}")[0] == code


def test_a_closed_stream_is_not_the_history() -> None:
    """A file that was opened first got the number of standard output, and what was printed."""
    shell(f"{in_shell()} scan --from night.jsonl --history new.db --out - >&- 2>&-")
    assert Path("new.db").read_bytes()[:15] == b"SQLite format 3"
    assert twolocks("history", "list", "--history", "new.db").code == 0


@pytest.mark.parametrize("command", ["scan --from night.jsonl --out", "report given.json --out"])
def test_a_file_that_does_not_fit_leaves_the_old_one(command: str) -> None:
    Path("old.html").write_text("old")
    code, text = shell(f"ulimit -f 8; {PROGRAM} {command} old.html")
    assert (code, Path("old.html").read_text()) == (2, "old"), text
    assert not [path for path in Path().iterdir() if path.name.endswith(".part")]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_has_its_code_and_leaves_no_file(number: signal.Signals, code: int) -> None:
    os.mkfifo("slow.jsonl")
    words = ("scan", "--from", "slow.jsonl", "--out", "findings.json")
    with start(*words, stderr=subprocess.DEVNULL) as started, Path("slow.jsonl").open("w"):
        time.sleep(0.3)
        started.send_signal(number)
        assert started.wait(30) == code
    assert not Path("findings.json").exists()
    assert not [path for path in Path().iterdir() if path.name.endswith(".part")]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error title=x::y", "<U+003A>:error title=x<U+003A>:y"),
        ("a ::set-env name=PATH::/x", "a <U+003A>:set-env name=PATH::/x"),
        ("##vso[task.setvariable]x", "<U+0023>#vso[task.setvariable]x"),
        ("a###[b", "a<U+0023><U+0023>#[b"),
        ("fe80::1c, 2001:db8::ad, ::1, ::/0", "fe80::1c, 2001:db8::ad, ::1, ::/0"),
        ("::add-mask::x", "<U+003A>:add-mask<U+003A>:x"),
    ],
)
def test_log_commands_are_broken(text: str, shown: str) -> None:
    assert without_commands(text) == shown


@pytest.mark.parametrize("name", ["##vso[x]", "a###b##", "#", "::error::x", "a:::b", "\\##", "ø##"])
def test_json_says_the_same_without_commands(name: str) -> None:
    text = json.dumps({"name": name}, ensure_ascii=False).encode()
    assert not re.search(rb"##|::[a-z]", json_without_commands(text))
    assert json.loads(json_without_commands(text)) == {"name": name}
    prefixes = [text[:position] for position in range(1, len(text))]
    for first in prefixes:
        whole = json_without_commands(first) + json_without_commands(text[len(first) :], first)
        assert json.loads(whole) == {"name": name}
        assert b"##" not in whole
        assert not re.search(rb"::[a-z]", whole)


def test_a_console_of_windows_is_written_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes of UTF-8 that go to its descriptor are shown in its code page: `Ã¥` for `å`."""

    class Console(io.BytesIO):
        pass

    console = Console()
    monkeypatch.setattr(io, "_WindowsConsoleIO", Console, raising=False)
    before = io.TextIOWrapper(io.BufferedWriter(console), "utf-8")
    stream = streams._stream(1, before, is_open=True, is_required=True)
    stream.write("blåbær\n")
    stream.flush()
    assert console.getvalue() == "blåbær\n".encode()
