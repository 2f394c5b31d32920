"""Snapshot files that a test changes."""

import json
from collections.abc import Callable
from pathlib import Path

from scanner.snapshot.format import Chain


def seal(path: Path) -> None:
    """Give a changed snapshot the chain of its lines, so that a test reaches what lies behind the chain."""
    lines = path.read_bytes().splitlines()
    chain = Chain()
    for line in lines[:-1]:
        chain.add(line)
    end = json.loads(lines[-1])
    end["end"]["chain"] = chain.text
    path.write_bytes(b"\n".join([*lines[:-1], json.dumps(end).encode()]) + b"\n")


def change(path: Path, how: Callable[[str], str]) -> None:
    """Change the text of a snapshot and seal it."""
    path.write_text(how(path.read_text("utf-8")), "utf-8")
    seal(path)
