"""Compressed data states sizes that are not believed."""

import os
from pathlib import Path

import pytest
import zstandard

from scanner.errors import InputError
from scanner.snapshot import files
from scanner.text import packed
from scanner.text.packed import UnpackedTooLarge, bounded_reader, unpacked, zstandard_reader

TERABYTE = b"\x28\xb5\x2f\xfd\xe0" + (1 << 40).to_bytes(8, "little") + b"\x01\x00\x00"
"""A frame that states one terabyte, and holds nothing."""


def test_a_size_that_is_stated_is_not_taken() -> None:
    with pytest.raises((zstandard.ZstdError, UnpackedTooLarge)):
        unpacked(TERABYTE, 1 << 20)
    assert unpacked(zstandard.compress(b"a" * 1000), 1000) == b"a" * 1000
    with pytest.raises(UnpackedTooLarge):
        unpacked(zstandard.compress(bytes(1 << 24)), 1 << 20)


def test_a_window_of_two_gigabytes_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=29)
    made = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = made.compress(os.urandom(1 << 16)) + made.flush()
    with pytest.raises(zstandard.ZstdError):
        unpacked(data, 1 << 30)


def test_a_file_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MOST_FILE", 1 << 20)
    path = tmp_path / "a.zst"
    path.write_bytes(zstandard.compress(bytes(1 << 22)))
    with path.open("rb") as file, zstandard_reader(file) as reader, pytest.raises(OSError, match="unpacked"):
        list(iter(lambda: reader.read(1 << 16), b""))
    with path.open("rb") as file, bounded_reader(file) as reader:
        assert reader.read() == path.read_bytes()


@pytest.mark.parametrize("name", ["night.jsonl.zst", "night.jsonl"])
def test_a_snapshot_that_states_a_terabyte_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(TERABYTE)
    with pytest.raises(InputError):
        list(files.read(path).bundles())
