"""The store that a collection writes to: it sorts snapshot lines, on disk where they are many, and writes the file."""

import gzip
import heapq
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import msgspec
import zstandard

from scanner.document.schema import ScopeRow
from scanner.model.ids import list_of, resource_type_of, subscription_of, type_of
from scanner.model.index import ORDER, is_indexed
from scanner.model.kept import KeptPaths
from scanner.model.masked_values import masked_value
from scanner.model.resource import RICHNESS, By
from scanner.snapshot.format import (
    CHECKPOINT,
    DELETED,
    LINE_LIMIT,
    Chain,
    EndLine,
    GapLine,
    Header,
    NamedLine,
    ReadLine,
    SkipLine,
    SnapshotLine,
    decoder,
    encoder,
    root_of_line,
    sort_key,
    url_of,
)
from scanner.snapshot.lines import LINE_MB, LINE_VALUES, fits
from scanner.store.spool import Block, Spool
from scanner.store.temporary import AtomicFile, close_with, read_at
from scanner.text.masks import has_secret, masked

_RUN_BYTES = 8 << 20
"""The size of a sorted run: a store that holds more bytes than this in memory writes them to a temporary file."""
_CHUNK_BYTES = 4 << 20
"""How much of a part is in memory: one that is larger becomes a sorted run of its own."""
_MOST_RUNS = 64
"""The sorted runs, each an open file, beyond which they become one."""
_BLOCK_BYTES = 1 << 15
"""The size of a block of lines that a buffer puts into its spool."""
_READ_BYTES = 1 << 17
"""How much of a temporary file one pass reads at a time."""


class SupportsWrite(Protocol):
    """A file, or a compressor around one."""

    def write(self, data: bytes, /) -> object: ...


class LineWriter:
    """What a collection writes to, in any order. Subclasses implement `add`."""

    kept: KeptPaths | None = None
    """What is kept of a resource; None: all of it."""

    def add(self, line: SnapshotLine) -> None:
        """Take one line."""
        raise NotImplementedError

    def scope(self, subscription: str, name: str, tenant: str, view: str) -> None:
        """Add a subscription and how much of it is visible: "full", "partial" or "none"."""
        self.add(SnapshotLine(scope=ScopeRow(subscription=subscription, name=name, tenant=tenant, view=view)))

    def resource(self, body: dict[str, Any], api: str | None, by: By) -> None:
        """Add a resource. `api`: its api-version, None where it is not known."""
        self.add(SnapshotLine(resource=body, api=api, by=by))

    def read(self, url: str, count: int, by: str = "", api: str | None = None, at: str = "") -> None:
        """Add a read that succeeded, with the number of resources that it gave. `api`: the api-version of it. `at`: the
        time of one that an earlier scan made.
        """
        self.add(SnapshotLine(read=ReadLine(url, count, by, api or "" if by == "older" else "", at)))

    def skip(self, url: str, why: str) -> None:
        """Add a read that was not made."""
        self.add(SnapshotLine(skip=SkipLine(url, why)))

    def named(self, id: str, body: dict[str, Any] | None) -> None:
        """Add what Resource Graph shows of a resource that was not read; None: no row."""
        self.add(SnapshotLine(named=NamedLine(id, body)))

    def gap(self, url: str, status: int, code: str, action: str = "", resources: int = 0) -> None:
        """Add a read that failed. `action`: the RBAC action that would allow it. `resources`: see `Gap`."""
        self.add(SnapshotLine(gap=GapLine(url, status, code, action, resources)))


class LineBuffer(LineWriter):
    """Keep lines in a spool, in the order in which they were added."""

    def __init__(self, spool: Spool | None = None) -> None:
        self._spool = Spool() if spool is None else spool
        self._blocks: list[Block] = []
        self._last: list[bytes] = []
        self._bytes = 0

    @property
    def lines(self) -> list[SnapshotLine]:
        """Return all lines."""
        return list(self)

    def __iter__(self) -> Iterator[SnapshotLine]:
        for block in self._blocks:
            yield from map(decoder.decode, block.read().split(b"\n"))
        yield from map(decoder.decode, self._last)

    def add(self, line: SnapshotLine) -> None:
        row = encoder.encode(line)
        self._last.append(row)
        self._bytes += len(row)
        if self._bytes > _BLOCK_BYTES:
            self._blocks.append(self._spool.put(b"\n".join(self._last)))
            self._last, self._bytes = [], 0

    def clear(self) -> None:
        """Forget all lines."""
        self._blocks, self._last, self._bytes = [], [], 0


class Store(LineWriter):
    """Take lines in any order and return them grouped. More than 8 MB are sorted on disk.

    Of resources only what the header says is kept, without what looks like a secret, so that nothing else is in any
    file. A resource that is too large for a line is a gap.
    """

    def __init__(self, header: Header) -> None:
        self.header = header
        self.kept = header.kept_paths()
        self._types: set[str] = set()
        self._rows: list[bytes] = []
        self._bytes = 0
        self._runs: list[IO[bytes]] = []

    def add(self, line: SnapshotLine) -> None:
        if line.resource is not None:
            line.resource = self._cut(line.resource, resource_type_of(url_of(line)))
        elif line.scope is not None:
            line.scope = msgspec.structs.replace(line.scope, name=masked(line.scope.name))
        elif line.gap is not None:
            line.gap = msgspec.structs.replace(line.gap, url=masked(line.gap.url), code=masked(line.gap.code))
        elif line.skip is not None:
            line.skip = msgspec.structs.replace(line.skip, why=masked(line.skip.why))
        row = _row(line)
        if line.resource is not None and has_secret(row.decode("utf-8", "surrogatepass")):
            line.resource = masked_value(line.resource)
            row = _row(line)
        if line.resource is not None and not fits(row):
            code = f"{LINE_LIMIT}, {LINE_MB} MB or {LINE_VALUES:,} values"
            row = _row(SnapshotLine(gap=GapLine(url_of(line), 0, code)))
        self._add_row(row)

    def _cut(self, body: dict[str, Any], type: str) -> dict[str, Any]:
        """Return of a body what is kept of its type: all of it with `--keep-all`."""
        if self.kept is None:
            return body
        self._types.add(type.lower())
        return self.kept.cut(body, type)

    def _add_row(self, row: bytes) -> None:
        self._rows.append(row)
        self._bytes += len(row)
        if self._bytes > _RUN_BYTES:
            self._write_run()

    def add_shard(self, header: Header, lines: Iterable[SnapshotLine]) -> None:
        """Add the sorted lines of a part, all of them or, where they raise, none. They need not fit into memory."""
        rows: list[bytes] = []
        size = 0
        with ExitStack() as opened:
            run: IO[bytes] | None = None
            for line in lines:
                rows.append(_row(line))
                size += len(rows[-1])
                if size > _CHUNK_BYTES:
                    run = run or opened.enter_context(tempfile.TemporaryFile())
                    run.writelines(rows)
                    rows, size = [], 0
            if run is not None:
                run.writelines(rows)
                self._keep_run(run)
                opened.pop_all()
                rows = []
        self._types.update(map(str.lower, header.kept or ()))
        for row in rows:
            self._add_row(row)
        if len(self._runs) > _MOST_RUNS:
            self._merge_runs()

    def _merge_runs(self) -> None:
        """Make one run of all, because each is an open file."""
        run = tempfile.TemporaryFile()  # noqa: SIM115
        run.writelines(heapq.merge(*map(_rows_of, self._runs)))
        self.close()
        self._keep_run(run)

    def _keep_run(self, run: IO[bytes]) -> None:
        """Keep a sorted run that is complete. It is read past its buffer."""
        run.flush()
        close_with(self, run)
        self._runs.append(run)

    def _write_run(self) -> None:
        self._rows.sort()
        run = tempfile.TemporaryFile()  # noqa: SIM115
        run.writelines(self._rows)
        self._keep_run(run)
        self._rows, self._bytes = [], 0
        if len(self._runs) > _MOST_RUNS:
            self._merge_runs()

    def lines(self) -> Iterator[bytes]:
        """Yield every line, encoded, in grouped order. May be called again, also while an earlier pass goes on.

        Lines that are being read hold the store: when it is collected, its files are closed.
        """
        self._rows.sort()
        for row in heapq.merge(*map(_rows_of, self._runs), self._rows) if self._runs else self._rows:
            yield row[row.rindex(b"\x00") + 1 : -1]

    def decoded(self) -> Iterator[SnapshotLine]:
        """Yield every line in grouped order. May be called again."""
        return (decoder.decode(line) for line in self.lines())

    def merged_with(
        self, reread: "Store", kept: Collection[str], gone: Collection[str] = (), partial: Collection[str] = ()
    ) -> "Store":
        """Return this collection updated by a re-verification (`reread`).

        A bundle of `reread` replaces the bundle of the same root, except for the roots in `kept` (lower case). Bundles
        with roots in `gone` are left out. In the index a line that was read again replaces the line of the same key.
        A list that failed in a subscription of `partial` changes nothing.
        """
        second = _Reread(reread, kept, gone, partial)
        made = Store(self.header)
        made._types = self._types | reread._types
        for line in self.decoded():
            if not second.replaces(line):
                made._add_row(_row(line))
        for line in second.lines:
            made._add_row(_row(line))
        for root in gone:
            made.skip(root, DELETED)
        return made

    def close(self) -> None:
        """Delete the temporary files."""
        for run in self._runs:
            run.close()
        self._runs.clear()

    def write(self, path: Path) -> None:
        """Write the snapshot file, compressed by its suffix (.gz, .zst). It appears when it is complete."""
        with AtomicFile(path) as raw:
            self.into(raw, path)

    def into(self, raw: IO[bytes], path: Path) -> None:
        """Write the snapshot into an open file, compressed by the suffix of `path`."""
        resources = reads = gaps = 0
        chain = Chain()
        with _compressed(raw, path) as out:

            def write(encoded: bytes) -> None:
                chain.add(encoded)
                out.write(encoded + b"\n")

            write(encoder.encode({"snapshot": self._written_header()}))
            for number, (line, encoded) in enumerate(self._distinct(), 2):
                resources += line.resource is not None
                reads += line.read is not None
                gaps += line.gap is not None
                if number % CHECKPOINT == 0:
                    line.chain = chain.text
                    encoded = encoder.encode(line)  # noqa: PLW2901
                write(encoded)
            out.write(encoder.encode({"end": EndLine(resources, reads, gaps, chain.text)}) + b"\n")

    def _written_header(self) -> Header:
        """Return the header with the order of the lines, and the kept paths of the types that the snapshot holds."""
        header = msgspec.structs.replace(self.header, grouped=True, order=ORDER)
        if header.kept is None:
            return header
        kept = {type: paths for type, paths in header.kept.items() if type.lower() in self._types}
        return msgspec.structs.replace(header, kept=kept)

    def _distinct(self) -> Iterator[tuple[SnapshotLine, bytes]]:
        """Yield every line, decoded and encoded; of the records of one resource the one with the most properties."""
        held: tuple[SnapshotLine, bytes] | None = None
        for encoded in self.lines():
            line = decoder.decode(encoded)
            if held is not None and _is_same(held[0], line):
                held = (line, encoded) if RICHNESS[line.by] > RICHNESS[held[0].by] else held
                continue
            if held is not None:
                yield held
            held = (line, encoded)
        if held is not None:
            yield held


def _rows_of(run: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a temporary file, from a place of its own: several passes and processes read one file.

    Raises EOFError where the file ends within a line.
    """
    offset, size = 0, _READ_BYTES
    while text := read_at(run, offset, size):
        end = text.rfind(b"\n") + 1
        if not end and len(text) < size:
            raise EOFError("a temporary file of the scan ends within a line")
        offset += end
        size = _READ_BYTES if end else 2 * size
        yield from (row + b"\n" for row in text[:end].split(b"\n")[:-1])


class _Reread:
    """The lines of a re-verification that count, and which lines of the first collection they replace."""

    def __init__(self, store: Store, kept: Collection[str], gone: Collection[str], partial: Collection[str]) -> None:
        self._gone = gone
        self.lines = [
            line
            for line in store.decoded()
            if (root_of_line(line) or line.named or (_is_index_list(line) and not _failed_in(line, partial)))
            and root_of_line(line) not in kept
        ]
        self._roots = {root for line in self.lines if (root := root_of_line(line))}
        self._keys = {sort_key(line) for line in self.lines}
        self._lists = {url_of(line).lower().rstrip("/") for line in self.lines if line.read is not None}

    def replaces(self, line: SnapshotLine) -> bool:
        """Return whether a line of the first collection is replaced, or is out of date."""
        if line.scope is not None:
            return False
        url = url_of(line)
        root = root_of_line(line)
        if root in self._gone:
            return True
        if not is_indexed(resource_type_of(root)) and root:
            return root in self._roots
        if sort_key(line) in self._keys:
            return True
        # A resource that a list of the index, or of something below it, no longer holds.
        above = f"/subscriptions/{subscription_of(url)}/providers/{resource_type_of(root).lower()}" if root else ""
        listed = line.resource is not None and list_of(url) in self._lists
        return listed or (above in self._lists and root not in self._roots)


def _is_same(one: SnapshotLine, other: SnapshotLine) -> bool:
    """Return whether two lines are records of one resource."""
    return one.resource is not None and other.resource is not None and url_of(one).lower() == url_of(other).lower()


def _failed_in(line: SnapshotLine, subscriptions: Collection[str]) -> bool:
    return line.gap is not None and subscription_of(line.gap.url) in subscriptions


def _is_index_list(line: SnapshotLine) -> bool:
    return is_indexed(type_of(url_of(line)))


def _row(line: SnapshotLine) -> bytes:
    """Return the sort key of a line and the line, so that rows sort like keys and JSON.

    No JSON holds the separator, and in the part of a key where keys have different lengths (the path) nothing sorts
    before it.
    """
    return sort_key(line).encode("utf-8", "surrogatepass") + b"\x00" + encoder.encode(line) + b"\n"


@contextmanager
def _compressed(raw: IO[bytes], path: Path) -> Iterator[SupportsWrite]:
    if path.suffix == ".gz":
        with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as out:
            yield out
    elif path.suffix == ".zst":
        with zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False) as out:
            yield out
    else:
        yield raw
