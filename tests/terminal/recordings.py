"""Runs commands in a real terminal of a given size, and prints what a person sees.

`python -m tests.terminal.recordings` runs twenty commands on the sample estate, at 80 and 120 columns, and prints what
they show: read it when the terminal's output changes.
"""

import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

SIZES = ((80, 24), (120, 40))
COMMANDS = (
    "twolocks -h",
    "twolocks demo",
    "twolocks scan --from twolocks-demo/snapshot.jsonl --severity critical",
    "twolocks scan --from twolocks-demo/snapshot.jsonl -o report.html -o findings.json --only 'storage-*'",
    "twolocks rules list --only 'storage-*'",
    "twolocks rules show storage-plain-http",
    "twolocks reach vm-gammel --port tcp/22 --from twolocks-demo/snapshot.jsonl",
    "twolocks reach nic-gammel --from twolocks-demo/snapshot.jsonl",
    "twolocks report twolocks-demo/snapshot.jsonl -o report.html",
    "twolocks diff twolocks-demo/snapshot.jsonl twolocks-demo/snapshot.jsonl",
    *(
        f"twolocks show {each} twolocks-demo/findings.json"
        for each in ("endpoints", "findings", "gaps", "places", "keys", "capacity", "frameworks")
    ),
    "twolocks show -h",
    "twolocks fleet -h",
    "twolocks rules frameworks",
)
_ROOT = Path(__file__).parents[2]
_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def in_terminal(
    words: Sequence[str], *, columns: int, rows: int, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> str:
    """Return what `twolocks` writes to a terminal of this size, without colour, progress and carriage returns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    made = {**kept, "TERM": "xterm", "NO_COLOR": "1", "PYTHONPATH": str(_ROOT), "PAGER": "cat", **(env or {})}
    command = [sys.executable, "-m", "scanner", *words]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=made, cwd=cwd) as run:
        os.close(theirs)
        text = b"".join(_read(ours)).decode(errors="replace")
        os.close(ours)
        run.wait()
    return without_progress(text.replace("\r", ""))


def _read(number: int) -> Iterator[bytes]:
    while True:
        try:
            value = os.read(number, 65536)
        except OSError:  # the other side was closed
            return
        if not value:
            return
        yield value


def without_progress(text: str) -> str:
    """Return a text as it stays on the screen: a block that is erased takes its lines with it."""
    lines: list[str] = []
    for each in text.split("\n"):
        line = each
        while match := re.search(r"\x1b\[(\d+)A(?:\x1b\[J)?", line):
            del lines[len(lines) - int(match[1]) :]
            line = line[: match.start()] + line[match.end() :]
        lines.append(_CODES.sub("", line))
    return "\n".join(lines)


def recordings(folder: Path) -> Iterator[tuple[int, str, str]]:
    """Yield width, command and what it shows, for each size and command."""
    in_terminal(["demo", "-q"], columns=80, rows=24, cwd=folder)
    for columns, rows in SIZES:
        for command in COMMANDS:
            shown = in_terminal(shlex.split(command)[1:], columns=columns, rows=rows, cwd=folder)
            yield columns, command, shown.replace(str(folder.resolve()), "/home/kari").rstrip()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for columns, command, shown in recordings(Path(folder)):
            print(f"{columns} columns\n$ {command}\n{shown}\n")


if __name__ == "__main__":
    main()
