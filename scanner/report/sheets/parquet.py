"""Write the findings as Parquet, for queries over many scans (`docs/queries.md`).

Python writes the rows as compressed JSON lines into a temporary folder, and DuckDB makes the file of them: neither
holds them all. DuckDB may read and write that folder and nothing else.
"""

import errno
import re
from collections.abc import Iterator
from pathlib import Path
from shutil import copyfileobj
from typing import IO, Any

import duckdb
import msgspec
import zstandard
from msgspec import Struct

from scanner.document.schema import Document
from scanner.model.message import message_text
from scanner.report.sheets.parquet_rows import COLUMNS, rows
from scanner.store.temporary import temporary_folder

MEMORY_MB = 256
"""What DuckDB may take. Beyond it, it writes to the temporary folder."""
_ROWS_OF_A_GROUP, _BYTES_OF_A_GROUP = 6_144, 10 << 20
"""DuckDB has a group of rows in memory."""
_LARGEST_ROW = 1 << 20
"""Bytes of a row beyond which DuckDB gets more memory."""
_WINDOW = 64
"""Rows of which the bytes are counted."""
_SURROGATES = re.compile("[\ud800-\udfff]")
_encoder = msgspec.json.Encoder(enc_hook=message_text)


def write_parquet(document: Document, out: IO[bytes]) -> None:
    """Write a findings document as Parquet. The same document gives the same bytes. Raises OSError."""
    with temporary_folder() as folder:
        source, made = folder / "rows.jsonl.zst", folder / "rows.parquet"
        sizes = _write_lines(document, source)
        try:
            _copy(folder, source, made, sizes)
        except duckdb.Error as error:
            raise _fault(error) from None
        source.unlink()
        with made.open("rb") as file:
            copyfileobj(file, out, 1 << 20)


class _Sizes(Struct):
    """The bytes of the largest row, and of the rows of a window with the most."""

    largest: int = 0
    window: int = 0

    @property
    def rows_of_a_group(self) -> int:
        return max(1, min(_ROWS_OF_A_GROUP, _WINDOW * _BYTES_OF_A_GROUP // max(1, self.window)))


def _write_lines(document: Document, path: Path) -> _Sizes:
    """Write the rows as JSON lines."""
    sizes, window = _Sizes(), 0
    with path.open("wb") as file, zstandard.ZstdCompressor(level=1).stream_writer(file) as packed:
        for number, line in enumerate(_lines(document)):
            window = len(line) if number % _WINDOW == 0 else window + len(line)
            sizes.largest, sizes.window = max(sizes.largest, len(line)), max(sizes.window, window)
            packed.write(line)
    return sizes


def _lines(document: Document) -> Iterator[bytes]:
    for row in rows(document):
        try:
            line = _encoder.encode(row)
        except UnicodeEncodeError:
            line = _encoder.encode(_without_surrogates(row))
        yield line + b"\n"


def _without_surrogates(value: Any) -> Any:
    """Return a row with `[U+D800]` for the unpaired surrogate U+D800, which no encoding has."""
    if isinstance(value, str):
        return _SURROGATES.sub(lambda hit: f"[U+{ord(hit[0]):04X}]", value)
    if isinstance(value, list):
        return [_without_surrogates(each) for each in value]
    if isinstance(value, dict):
        return {_without_surrogates(name): _without_surrogates(each) for name, each in value.items()}
    return value


def _copy(folder: Path, source: Path, made: Path, sizes: _Sizes) -> None:
    """Make a Parquet file of JSON lines. Raises duckdb.Error."""
    # A reader of lines holds a few of the largest size.
    memory = MEMORY_MB + 8 * max(0, sizes.largest - _LARGEST_ROW) // 1_000_000
    columns = ", ".join(f"{name}: {quoted(kind)}" for name, kind in COLUMNS.items())
    with duckdb.connect(
        ":memory:",
        config={
            # One thread: rows keep their order, and memory does not depend on the machine.
            "threads": 1,
            "memory_limit": f"{memory}MB",
            "temp_directory": str(folder),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_persistent_secrets": False,
        },
    ) as database:
        database.execute(f"SET home_directory = {quoted(folder)}")
        database.execute(f"SET allowed_directories = [{quoted(f'{folder}/')}]")
        database.execute("SET enable_external_access = false")
        database.execute("SET lock_configuration = true")
        database.execute(
            f"COPY (SELECT {', '.join(map(_identifier, COLUMNS))} FROM read_json({quoted(source)}, "  # noqa: S608
            f"format = 'newline_delimited', compression = 'zstd', columns = {{{columns}}}, "
            f"maximum_object_size = {max(sizes.largest + 1, _LARGEST_ROW)})) "
            f"TO {quoted(made)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {sizes.rows_of_a_group})"
        )


def quoted(text: object) -> str:
    """Return a text as a literal of SQL."""
    return "'" + str(text).replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return f'"{name}"'


def _fault(error: duckdb.Error) -> OSError:
    """Return the error of a file that cannot be written."""
    text = str(error).partition("\n")[0]
    if isinstance(error, duckdb.OutOfMemoryException):
        return OSError(errno.ENOMEM, f"DuckDB: {text}")
    return OSError(errno.ENOSPC if "No space left" in text else errno.EIO, f"DuckDB: {text}")
