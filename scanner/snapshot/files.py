"""Readers of snapshot files and of files of bare resources: `az` output, JSON or JSON lines, compressed or not."""

import gzip
import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import zstandard

from scanner.errors import InputError
from scanner.model.ids import subscription_of
from scanner.model.index import ORDER
from scanner.model.kept import WITHOUT
from scanner.model.message import Message
from scanner.snapshot.bundles import Snapshot, closed_in, locations_of, names_in, of_lines, of_store
from scanner.snapshot.checks import LineChecks
from scanner.snapshot.format import VERSION, Header, SnapshotLine, decoder
from scanner.snapshot.line_source import EncodedLine
from scanner.snapshot.lines import LINE_BYTES, LINE_VALUES, Lines, values_of
from scanner.snapshot.signature import Signature
from scanner.snapshot.store import Store
from scanner.text.packed import bounded_reader, zstandard_reader
from scanner.text.times import BadTime

_BARE = Message(
    "read from a file of bare resources: nothing in it is known to be complete, so what is absent never passes;"
    " network security perimeters that are not in it are taken as not in use;"
    " it has no chain, so changes to it do not show"
)
VERSION_1 = (
    "read from a snapshot of version 1 (--accept-version-1): it has no chain, so nothing shows whether it was changed"
)
_FORMATS = 'a snapshot, {"value": [...]}, the output of az graph query, or JSON lines of resources'
_FINDINGS = re.compile(rb'\s*\{\s*"schema"\s*:\s*"twolocks/')
_SNAPSHOT = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"snapshot"\s*:')
_LARGE = 1 << 20
_Other = str | int | float | bool | None
"""The JSON values that hold no resources."""
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read(path: Path, signature: Signature | None = None, *, accept_version_1: bool = False) -> Snapshot:
    """Return the snapshot in a file, or one made of a file of bare resources. One of version 1 has a note that says so,
    and is refused where it is not accepted.

    Raises InputError that names what is wrong and where, and for a file that `signature` is not of. A snapshot that was
    cut off raises it while its bundles are read.
    """
    again = partial(_raw_lines, path, signature)
    return _read_any(path, _open(path, signature), again, accept_version_1=accept_version_1)


def _raw_lines(path: Path, signature: Signature | None) -> Iterator[bytes]:
    """Yield the lines of a file once more, as they are."""
    with _open(path, signature) as file:
        yield from file


def _open(path: Path, signature: Signature | None) -> BinaryIO:
    """Open a file, decompressed where its first bytes say that it is compressed."""
    try:
        file = signature.opened(path) if signature is not None else path.open("rb")
        magic = file.peek(4)[:4]  # type: ignore[attr-defined]
        if magic[:2] == b"\x1f\x8b":
            return bounded_reader(_Gzip(file))  # type: ignore[arg-type]
        if magic == b"\x28\xb5\x2f\xfd":
            return zstandard_reader(file)
        return file
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}", at=f"--from {path}", do=f"give {_FORMATS}"
        ) from None


class _Gzip(gzip.GzipFile):
    """A compressed file that closes the file below it."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(fileobj=file, mode="rb")
        self._below = file

    def close(self) -> None:
        super().close()
        self._below.close()


def _read_any(path: Path, file: BinaryIO, again: Callable[[], Iterator[bytes]], *, accept_version_1: bool) -> Snapshot:
    """Read a file by its first line. The lines of a snapshot are read later, as a stream; other files at once.

    `again`: yields the lines of the file once more.
    """
    try:
        lines = Lines(path, file)
        first = _first_line(lines)
        if _FINDINGS.match(first):
            do = f"twolocks report {path} --out report.html; scan --snapshot FILE keeps a snapshot"
            raise InputError("this is a findings file, not a snapshot", at=str(path), do=do)
        parsed = _parsed(first)
        if isinstance(parsed, dict) and "snapshot" in parsed:
            return _with_lines(_read_snapshot(lines, first, accept_version_1=accept_version_1), again)
        if isinstance(parsed, dict) and not isinstance(parsed.get("value", parsed.get("data")), list):
            second = lines.next()
            if second.strip() or "id" in parsed:
                with file:
                    return _import(path, _records_of_lines(lines, first, second))
        with file:
            return _import(path, _records_of_document(path, lines.document(first)))
    except (EOFError, OSError, zstandard.ZstdError) as error:
        file.close()
        raise _truncated(path, 0, 0, f": {error}") from None
    except InputError:
        file.close()
        raise


def _first_line(lines: Lines) -> bytes:
    """Return the first line that is not blank. Raises InputError where it is the header of a snapshot and too long."""
    while line := lines.next():
        if _SNAPSHOT.match(line):
            lines.check(line)
        if line.strip():
            return line.removeprefix(b"\xef\xbb\xbf")
    if lines.number == 0 and lines.path.stat().st_size:
        raise _truncated(lines.path, 0, 0)
    raise InputError("the file is empty", at=str(lines.path), do=f"give {_FORMATS}")


def _parsed(line: bytes) -> Any:
    """Return the JSON object of a line, None where the line is no complete object."""
    if line.lstrip()[:1] != b"{" or len(line) > LINE_BYTES or values_of(line) > LINE_VALUES:
        return None
    try:
        return msgspec.json.decode(line)
    except _NOT_JSON:
        return None


def lines_of_shard(path: Path) -> tuple[Header, Iterator[SnapshotLine]]:
    """Return the header and the lines of a part of a snapshot: a file that has this version's order.

    Raises InputError for another file, and where a line is wrong or the end line is missing, also while the lines are
    read.
    """
    lines = Lines(path, _open(path, None))
    try:
        first = _first_line(lines)
        header = _header(lines, first)
        if not header.grouped or header.version != VERSION:
            raise InputError("the snapshot is of another version", at=str(path), do="collect it again")
    except (EOFError, OSError, zstandard.ZstdError) as error:
        lines.file.close()
        raise _truncated(path, 0, 0, f": {error}") from None
    except InputError:
        lines.file.close()
        raise
    checked = _checked_lines(lines, LineChecks(path, header, first, lines.number, is_partial=True))
    return header, (each.line for each in checked)


def _header(lines: Lines, first: bytes) -> Header:
    """Return the header in the first line. `grouped` says whether the lines have the order of this version."""
    at = f"{lines.path}:{lines.number}"
    try:
        header = decoder.decode(first).snapshot
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
        raise InputError(
            f"the snapshot's first line is invalid: {error}",
            at=at,
            do="set the clock where it is wrong, or collect it again; a snapshot that was changed is not evaluated",
        ) from None
    if header is None:
        raise InputError("the snapshot's first line has no header", at=at, do="collect it again")
    if header.version > VERSION:
        raise InputError(
            f"the snapshot has version {header.version}; this version of twolocks supports {VERSION}",
            at=f"{lines.path}:1",
            do="upgrade twolocks",
        )
    if header.version < 1:
        raise InputError(f"no snapshot has version {header.version}", at=at, do="collect it again")
    # The index of another version has other types: its lines are sorted again.
    header.grouped = header.grouped and header.order == ORDER
    return header


def _read_snapshot(lines: Lines, first: bytes, *, accept_version_1: bool) -> Snapshot:
    header = _header(lines, first)
    if header.version < VERSION:
        if not accept_version_1:
            raise InputError(
                f"the snapshot has version {header.version}, which has no chain: nothing shows whether it was changed",
                at=f"{lines.path}:{lines.number}",
                do="collect it again; or, where you trust everyone who could write it, add --accept-version-1",
            )
        header.notes.append(VERSION_1)
    # A truncated file raises during the evaluation. Nothing is written before the end line was read.
    checked = _checked_lines(lines, LineChecks(lines.path, header, first, lines.number))
    if header.grouped:
        return of_lines(header, checked)
    store = Store(header)
    for _, line in checked:
        store.add(line)
    return of_store(store, WITHOUT)


def _checked_lines(lines: Lines, checks: LineChecks) -> Iterator[EncodedLine]:
    """Yield the lines after the first one. Raises InputError where a line is wrong or the end line is missing."""
    path = lines.path
    try:
        for raw in lines:
            if raw.isspace():
                continue
            if checks.ended:
                raise InputError(
                    "the snapshot continues after its end line",
                    at=f"{path}:{lines.number}",
                    do="give one snapshot at a time; the rest was not evaluated",
                )
            if not raw.endswith(b"\n") and not _is_end(raw):
                raise _truncated(path, lines.number, checks.resources)
            line = _decoded_line(path, lines.number, raw)
            checks.add(lines.number, raw, line)
            if line.end is None:
                yield EncodedLine(raw, line)
    except (EOFError, OSError, zstandard.ZstdError):
        raise _truncated(path, lines.number, checks.resources) from None
    finally:
        lines.file.close()
    if not checks.ended:
        raise _truncated(path, lines.number, checks.resources)


def _is_end(raw: bytes) -> bool:
    try:
        return decoder.decode(raw).end is not None
    except _NOT_JSON:
        return False


def _decoded_line(path: Path, number: int, raw: bytes) -> SnapshotLine:
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise InputError(
            f"this is not a snapshot line: {error}", at=f"{path}:{number}", do="collect it again"
        ) from None
    except _NOT_JSON:
        raise _not_json(path, number, raw) from None


def _not_json(path: Path, number: int, raw: bytes) -> InputError:
    return InputError(f"this is not JSON: {_fault(raw)}", at=f"{path}:{number}", do=f"give {_FORMATS}")


def _fault(raw: bytes) -> str:
    """Return why bytes are no JSON, of large ones in few words, because the exact parser takes much memory."""
    if len(raw) > _LARGE:
        try:
            msgspec.json.decode(raw, type=msgspec.Raw)
        except _NOT_JSON as error:
            return str(error)
        return "it cannot be decoded"
    try:
        json.loads(raw)
    except json.JSONDecodeError as error:
        return f"{error.msg[:1].lower()}{error.msg[1:]} at character {error.pos + 1}"
    except UnicodeDecodeError as error:
        return f"it is not UTF-8 at byte {error.start + 1}"
    except RecursionError:
        return "it is nested too deeply"
    return "it cannot be decoded"


def _truncated(path: Path, number: int, resources: int, why: str = "") -> InputError:
    return InputError(
        f"the snapshot is unfinished or truncated: it stops without an end line{why}",
        at=f"{path}:{number}, after {resources:,} resources",
        do=f"collect it again (scan --snapshot {path.name}); a partial snapshot is not evaluated",
    )


def _records_of_lines(lines: Lines, first: bytes, second: bytes) -> Iterator[dict[str, Any]]:
    start = lines.number - bool(second)
    for number, raw in enumerate(chain((first, second), lines), start):
        if raw.strip():
            lines.check(raw)
            yield _record(lines.path, number, _decoded(lines.path, number, raw))


def _records_of_document(path: Path, text: bytes) -> Iterator[dict[str, Any]]:
    """Yield the resources of a document, each decoded when its turn comes."""
    document = _decoded(path, 1, text, dict[str, msgspec.Raw] | list[msgspec.Raw] | _Other)
    if isinstance(document, dict):
        inner = document.get("value", document.get("data"))
        document = [msgspec.Raw(text)] if inner is None else _decoded(path, 1, inner, list[msgspec.Raw] | _Other)
    if not isinstance(document, list):
        raise InputError("this JSON contains no resources", at=str(path), do=f"give {_FORMATS}")
    for number, raw in enumerate(document, 1):
        yield _record(path, number, _decoded(path, number, raw))


def _decoded(path: Path, number: int, raw: bytes | msgspec.Raw, type: Any = Any) -> Any:
    try:
        return msgspec.json.decode(raw, type=type)
    except _NOT_JSON:
        raise _not_json(path, number, bytes(raw)) from None


def _record(path: Path, number: int, record: Any) -> dict[str, Any]:
    """Return the resource of a record, or of its member `resource`. Raises InputError where it has no id."""
    inner = record.get("resource") if isinstance(record, dict) and "properties" not in record else None
    if isinstance(inner, dict):
        record = inner if isinstance(inner.get("id"), str) else {**inner, "id": record.get("id")}
    if not isinstance(record, dict) or not isinstance(record.get("id"), str):
        raise InputError("this is not an ARM resource: it has no id", at=f"{path}:{number}", do=f"give {_FORMATS}")
    return record


def _import(path: Path, records: Iterator[dict[str, Any]]) -> Snapshot:
    """Return a snapshot of bare resources, taken when the file was last changed."""
    try:
        header = Header(taken=_mtime(path), scopes=[], live=False, notes=[_BARE])
    except BadTime as error:
        raise InputError(f"the time of the file cannot be used: {error}", at=str(path), do="touch it") from None
    store = Store(header)
    subscriptions: set[str] = set()
    for record in records:
        store.resource(record, None, "import")
        subscriptions.add(subscription_of(record["id"]))
    for subscription in sorted(subscriptions - {""}):
        store.scope(subscription, subscription, "", "partial")
    # The lines of the file are no lines of a snapshot: they are read once more from the store.
    return _with_lines(of_store(store), store.lines)


def _with_lines(snapshot: Snapshot, again: Callable[[], Iterable[bytes]]) -> Snapshot:
    """Return the snapshot with what yields its lines once more."""
    snapshot.raw, snapshot.locate = again, partial(locations_of, again)
    snapshot.names, snapshot.closed = partial(names_in, again), partial(closed_in, again)
    return snapshot


def _mtime(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
