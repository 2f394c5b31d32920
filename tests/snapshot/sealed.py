"""Snapshot files that a test changes."""

import json
from collections.abc import Callable
from pathlib import Path

from scanner.snapshot.format import Chain


def seal(path: Path) -> None:
    """Give a changed snapshot the chain of its lines, so that a test reaches what lies behind the chain."""
    *lines, last = path.read_bytes().splitlines()
    chain = Chain()
    sealed = []
    for line in lines:
        if b'"chain":' in line:
            line = json.dumps({**json.loads(line), "chain": chain.text}).encode()  # noqa: PLW2901
        chain.add(line)
        sealed.append(line)
    end = json.loads(last)
    end["end"]["chain"] = chain.text
    path.write_bytes(b"\n".join([*sealed, json.dumps(end).encode()]) + b"\n")


def change(path: Path, how: Callable[[str], str]) -> None:
    """Change the text of a snapshot and seal it."""
    path.write_text(how(path.read_text("utf-8")), "utf-8")
    seal(path)
