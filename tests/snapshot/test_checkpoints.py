"""The chain says where a snapshot was changed: every 100th line holds the digest of the lines before it."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.errors import InputError
from scanner.snapshot import files
from scanner.snapshot.format import CHECKPOINT, Chain, Header
from scanner.snapshot.store import Store

SUB = "/subscriptions/5a000000-0000-4000-8000-000000000001"
ACCOUNT = f"{SUB}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st"
RANGE = re.compile(r"between line ([\d,]+) and line ([\d,]+) something was changed")
LINES = 452


def write(path: Path) -> None:
    """Write a snapshot of 452 lines. No check but the chain sees a line that is deleted: lists count nothing."""
    store = Store(Header(taken="2026-11-25T00:00:00Z"))
    for number in range(LINES - 2):
        store.resource({"id": f"{ACCOUNT}{number:04}", "properties": {"n": number}}, "2025-08-01", "list")
    store.write(path)


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def fault(path: Path, lines: list[bytes]) -> InputError:
    path = path.with_name("changed.jsonl")
    path.write_bytes(b"".join(lines))
    with pytest.raises(InputError) as caught:
        list(files.read(path).bundles())
    return caught.value


def contains(error: InputError, number: int) -> bool:
    """Whether the error names the line, or a range of lines that it is in. A deleted line lies before its number."""
    if match := RANGE.match(error.what):
        first, last = (int(each.replace(",", "")) for each in match.groups())
        assert last - first <= 2 * CHECKPOINT  # A checkpoint may be missing itself.
        assert error.at.endswith(f":{first}-{last}")
        return first <= number <= last + 1
    return error.at.endswith(f":{number}")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("chain") / "night.jsonl"
    write(path)
    return path


def test_every_hundredth_line_is_a_checkpoint(whole: Path) -> None:
    assert [position for position, line in enumerate(lines_of(whole)[:-1], 1) if b'"chain":' in line] == [
        100,
        200,
        300,
        400,
    ]


HOW = ("delete", "alter", "repeat", "swap", "digest", "empty")


def changed(lines: list[bytes], how: str, number: int, other: int, byte: int) -> int:
    """Change a line, or put another one in its place. Return the first line that differs."""
    position, there = number - 1, other % (LINES - 2) + 1
    match how:
        case "delete":
            del lines[position]
        case "repeat":
            lines.insert(position, lines[there])
            return number + (lines[position] == lines[position + 1])
        case "swap" if number in (1, LINES):
            return number
        case "swap":
            lines[position], lines[there] = lines[there], lines[position]
            return min(number, there + 1)
        case "alter":
            spot = other % (len(lines[position]) - 1)
            lines[position] = lines[position][:spot] + bytes([byte]) + lines[position][spot + 1 :]
        case "digest":
            lines[position] = lines[position].replace(b'"chain":"', b'"chain":"0', 1)
        case "empty":
            lines[position] = b"{}\n"
    return number


@settings(max_examples=300, deadline=None)
@given(st.integers(1, LINES), st.sampled_from(HOW), st.integers(0, 100_000), st.integers(11, 255))
def test_the_range_holds_the_changed_line(whole: Path, number: int, how: str, other: int, byte: int) -> None:
    lines = lines_of(whole)
    number = changed(lines, how, number, other, byte)
    if lines == lines_of(whole) or (how == "delete" and number == LINES):
        return
    error = fault(whole, lines)
    if "order" in error.what:
        return  # The line that is named is the first one that does not follow the line before it.
    # A first line that is no header any more makes it a file of bare resources.
    assert contains(error, number) or number == 1, error.what


def test_a_version_2_file_without_checkpoints_is_read_and_checked(whole: Path) -> None:
    path, lines = whole.with_name("plain.jsonl"), lines_of(whole)
    chain, plain = Chain(), []
    for line in lines[:-1]:
        parsed = json.loads(line)
        parsed.pop("chain", None)
        plain.append(json.dumps(parsed).encode())
        chain.add(plain[-1])
    end = json.loads(lines[-1])
    end["end"]["chain"] = chain.text
    old = [each + b"\n" for each in (*plain, json.dumps(end).encode())]
    path.write_bytes(b"".join(old))
    assert len(list(files.read(path).bundles())) == LINES - 2
    del old[40]
    assert RANGE.match(fault(path, old).what), "the range is the whole file"
