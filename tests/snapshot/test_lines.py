"""A line of a snapshot has a limit: none is read beyond it, and none is written."""

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from scanner.errors import InputError
from scanner.snapshot import files, lines
from scanner.snapshot.bundles import of_store
from scanner.snapshot.format import LINE_LIMIT, Header
from scanner.snapshot.store import Store
from tests.terminals import GROUP, SUB, twolocks

MB = 1 << 20
HEAD = b'{"snapshot":{"version":2,"taken":"2026-11-25T00:00:00Z"}}\n'
ACCOUNTS = f"{GROUP}/providers/Microsoft.Storage/storageAccounts"
PROGRAM = """
import re, sys
from pathlib import Path
from scanner.errors import InputError
from scanner.snapshot import files
try:
    for _ in files.read(Path(sys.argv[1])).bundles():
        pass
    print("read")
except InputError as error:
    print(error.what, "|", error.at)
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def read(path: Path) -> tuple[str, float]:
    """Read a snapshot in a process of its own. Return the error, and the most memory in MB (VmHWM)."""
    program = [sys.executable, "-c", PROGRAM, str(path)]
    here = {"PYTHONPATH": str(Path(__file__).parents[2])}
    text = subprocess.run(program, env=here, capture_output=True, text=True, check=True, timeout=120).stdout
    error, most = text.strip().splitlines()
    return error, int(most) / 1024


def endless(before: bytes, size: int, after: bytes) -> Iterator[bytes]:
    yield before
    for _ in range(size // MB):
        yield b" " * MB
    yield after


FILES: dict[str, tuple[Callable[[], Iterator[bytes]], str]] = {
    "a line of 300 MB": (
        lambda: endless(HEAD + b'{"resource":{"id":"', 300 * MB, b'"}}\n'),
        r"line 2 has 314,572,\d\d\d bytes, the limit is 33,554,432 \(32 MB\)",
    ),
    "a first line of 300 MB": (
        lambda: endless(b'{"snapshot":{"taken":"', 300 * MB, b'"}}\n'),
        r"line 1 has 314,572,\d\d\d bytes, the limit is",
    ),
    "a line of 300 MB without an end": (lambda: endless(HEAD, 300 * MB, b""), r"line 2 has 314,572,800 bytes"),
    "a document of 300 MB": (
        lambda: endless(b"[", 300 * MB, b"]"),
        r"one JSON document of more than 104,857,600 bytes; the limit is 100 MB",
    ),
    "a line of many values": (
        lambda: iter((HEAD, b'{"resource":{"id":"' + b'x","v":[' + b"{},0," * 2_000_000 + b"0]}}\n")),
        r"line 2 has 4,000,00\d values, the limit is 1,000,000|line 2 has 6,000,00\d values",
    ),
    "a document of many values": (
        lambda: iter((b"[" + b"[]," * 10_000_000 + b"0]",)),
        r"one JSON document of 20,000,001 values; the limit is 3,000,000",
    ),
    "a line within the limits": (
        lambda: iter((HEAD, b'{"resource":{"id":"x","v":[' + b'{"":0},' * 450_000 + b"0]}}\n")),
        r"the snapshot is unfinished",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_line_beyond_the_limit_is_refused_in_little_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / "night.jsonl"
    make, expected = FILES[name]
    with path.open("wb") as out:
        out.writelines(make())
    error, most = read(path)
    print(f"{name}: {most:.0f} MB, {error}")
    assert re.match(expected, error), error
    assert most < 500


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_compressed_line_is_not_read_to_its_end(tmp_path: Path, suffix: str) -> None:
    """3 GB of blanks are a file of 3 MB or less."""
    path = tmp_path / f"night.jsonl{suffix}"
    block = b" " * (100 * MB)
    with path.open("wb") as raw:
        if suffix == ".gz":
            compress = gzip.compress(block, 1)
            raw.write(gzip.compress(HEAD) + compress * 30)
        else:
            packed = zstandard.ZstdCompressor(level=1).compress(block)
            raw.write(zstandard.ZstdCompressor().compress(HEAD) + packed * 30)
    error, most = read(path)
    assert error.startswith("line 2 has more than 1,073,741,824 bytes, the limit is 33,554,432"), error
    assert most < 500


def large(size: int) -> Store:
    """A store with an account and a container that fit, and with ones that do not."""
    store = Store(Header(taken="2026-11-25T00:00:00Z"))
    store.scope(SUB, "prod", "t", "full")
    store.read(f"/subscriptions/{SUB}/providers/Microsoft.Storage/storageAccounts", 2, "list")
    for name, count in (("st1", 1), ("st2", size)):
        account = f"{ACCOUNTS}/{name}"
        store.resource({"id": account, "properties": {"x": "y" * count}}, "2025-08-01", "list")
        store.read(f"{account}/localUsers", 2, "list")
        store.resource({"id": f"{account}/localUsers/a"}, "2025-08-01", "list")
        store.resource({"id": f"{account}/localUsers/b", "properties": {"x": "y" * count}}, "2025-08-01", "list")
    return store


def test_what_does_not_fit_a_line_is_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "night.jsonl.zst"
    large(33 * MB).write(path)
    bundles = {bundle.id.rsplit("/", 1)[1]: bundle for bundle in files.read(path).bundles()}
    assert {name: len(bundle.resources) for name, bundle in bundles.items()} == {"st1": 3, "st2": 1}
    gaps = bundles["st2"].gaps
    assert sorted(url.rsplit("/", 1)[1] for url in gaps) == ["b", "st2"]
    assert {gap.code for gap in gaps.values()} == {f"{LINE_LIMIT}, 32 MB or 1,000,000 values"}
    again = {each.id: sorted(each.gaps) for each in of_store(large(33 * MB)).bundles()}
    assert again == {each.id: sorted(each.gaps) for each in bundles.values()}
    ended = twolocks("scan", "--from", path, "--only", "storage-*", "--out", tmp_path / "f.json", "--fail-on", "never")
    assert ended.code == 3
    document = json.loads((tmp_path / "f.json").read_text())
    matches = {row["status"] for row in document["findings"] if row["resource"].endswith("/st2")}
    assert matches <= {"unknown", "not_applicable"}
    assert any("limit: one snapshot line" in gap["code"] for gap in document["gaps"])


def test_a_line_that_is_written_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each size around the limit, also where the line holds a checkpoint."""
    monkeypatch.setattr(lines, "LINE_BYTES", 2000)
    monkeypatch.setattr(lines, "LINE_VALUES", 500)
    path = tmp_path / "night.jsonl"
    for size in range(1400, 2100):
        store = Store(Header(taken="2026-11-25T00:00:00Z"))
        for number in range(98):
            store.gap(f"/subscriptions/{SUB}/providers/Microsoft.A/b{number:02}", 403, "No")
        store.resource({"id": f"{ACCOUNTS}/st", "x": "y" * size}, None, "list")
        store.write(path)
        assert len(list(files.read(path).bundles())) == 1
    path.write_bytes(path.read_bytes().replace(b"/st", b"/st" + b"t" * 2000))
    with pytest.raises(InputError, match="line 100 has"):
        list(files.read(path).bundles())
