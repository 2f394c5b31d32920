"""Snapshots: what a collection read, as JSON lines. Written index first, then bundle by bundle; read in any order."""

import gzip
import heapq
import io
import json
import re
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol

import msgspec
import zstandard

from scanner.document.schema import ScopeRow
from scanner.document.writer import AtomicFile
from scanner.errors import InputError
from scanner.model.ids import root_of, subscription_of, type_of
from scanner.model.index import is_indexed
from scanner.model.resource import Bundle, By, Gap, Resource
from scanner.reach.networks import Fabric

VERSION = 1
_RUN_BYTES = 64 << 20
_BARE = (
    "read from a file of bare resources: nothing in it is known to be complete, so what is absent never passes;"
    " network security perimeters that are not in it are taken as not in use"
)
_FORMATS = 'a snapshot, {"value": [...]}, the output of az graph query, or JSON lines of resources'
_FINDINGS = re.compile(rb'\s*\{\s*"schema"\s*:\s*"twolocks/')


class SupportsWrite(Protocol):
    """Where lines go: a file, or a compressor around one."""

    def write(self, data: bytes, /) -> object: ...


class Head(msgspec.Struct, kw_only=True):
    """The first line: when it was taken (UTC, ISO 8601), of which cloud, for which scopes, by which version.

    `resources`: what `--resource` named; all else is there to be looked up, and is not judged. `groups`, `tags`: what
    `--resource-group` and `--tag` left; a list then counts more than is here.
    """

    version: int = VERSION
    taken: str
    cloud: str = "public"
    scopes: list[str] = []
    tool: str = ""
    grouped: bool = True
    principal: str = ""
    resources: list[str] = []
    groups: list[str] = []
    tags: list[str] = []
    live: bool = True
    notes: list[str] = []

    @property
    def part(self) -> bool:
        """Whether only some resources of the scopes were asked for."""
        return bool(self.resources or self.groups or self.tags)


class Read(msgspec.Struct, omit_defaults=True):
    url: str
    count: int
    by: str = ""


class Skip(msgspec.Struct):
    url: str
    why: str


class GapLine(msgspec.Struct):
    url: str
    status: int
    code: str
    action: str = ""


class End(msgspec.Struct):
    resources: int
    reads: int
    gaps: int


class Line(msgspec.Struct, omit_defaults=True):
    """One line; exactly one of its first members is there."""

    snapshot: Head | None = None
    scope: ScopeRow | None = None
    resource: dict[str, Any] | None = None
    read: Read | None = None
    skip: Skip | None = None
    gap: GapLine | None = None
    end: End | None = None
    api: str | None = None
    by: By = "list"


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Line)


def _key(line: Line) -> str:
    """Where a line stands in a grouped snapshot: scopes, bulk reads, index bundles, then all other bundles."""
    if line.scope is not None:
        return f"0{line.scope.subscription.lower()}"
    url, part = url_of(line), "1" if line.resource is None else "0"
    root = root_of(url)
    if not root:
        return f"1{part}{url.lower()}"
    rank = "2" if is_indexed(type_of(root)) else "3"
    return "\x00".join((rank + root.replace("/", "\x01"), part, url.lower()))


class Store:
    """Takes what a collection reads, in any order, and gives it back grouped. Beyond 64 MB it sorts on disk.

    It is the `Sink` that `collect` writes to.
    """

    def __init__(self, head: Head) -> None:
        self.head = head
        self._lines: list[tuple[str, bytes]] = []
        self._bytes = 0
        self._runs: list[IO[bytes]] = []

    def add(self, line: Line) -> None:
        encoded = _encoder.encode(line)
        self._lines.append((_key(line), encoded))
        self._bytes += len(encoded)
        if self._bytes > _RUN_BYTES:
            self._spill()

    def scope(self, subscription: str, name: str, tenant: str, view: str) -> None:
        self.add(Line(scope=ScopeRow(subscription=subscription, name=name, tenant=tenant, view=view)))

    def resource(self, body: dict[str, Any], api: str | None, by: By) -> None:
        self.add(Line(resource=body, api=api, by=by))

    def read(self, url: str, count: int, by: str = "") -> None:
        self.add(Line(read=Read(url, count, by)))

    def skip(self, url: str, why: str) -> None:
        self.add(Line(skip=Skip(url, why)))

    def gap(self, url: str, status: int, code: str, action: str = "") -> None:
        self.add(Line(gap=GapLine(url, status, code, action)))

    def _spill(self) -> None:
        self._lines.sort()
        run = tempfile.TemporaryFile()  # noqa: SIM115
        for key, line in self._lines:
            run.write(key.encode("utf-8", "surrogatepass") + b"\t" + line + b"\n")
        run.seek(0)
        self._runs.append(run)
        self._lines, self._bytes = [], 0

    def lines(self) -> Iterator[bytes]:
        """Every line in grouped order; may be called again."""
        self._lines.sort()
        if not self._runs:
            yield from (line for _, line in self._lines)
            return
        for run in self._runs:
            run.seek(0)
        here = ((key.encode("utf-8", "surrogatepass"), line) for key, line in self._lines)
        on_disk = [_run(run) for run in self._runs]
        yield from (line for _, line in heapq.merge(*on_disk, here))

    def decoded(self) -> Iterator[Line]:
        """The same, as lines."""
        return (_decoder.decode(line) for line in self.lines())

    def renewed(
        self, again: "Store", kept: Collection[str], gone: Collection[str] = (), blind: Collection[str] = ()
    ) -> "Store":
        """This collection with what a second look read: the bundles of `again` in place of their first reading, but
        those that are `kept` (roots, in lower case), and without those that are `gone`; of the index, what was read a
        second time wins over the first. Lists that failed in a subscription that is `blind` change nothing.
        """
        second = _Second(again, kept, gone, blind)
        made = Store(self.head)
        for line in self.decoded():
            if not second.replaces(line):
                made.add(line)
        for line in second.lines:
            made.add(line)
        return made

    def close(self) -> None:
        """Give the temporary files back."""
        for run in self._runs:
            run.close()
        self._runs.clear()

    def write(self, path: Path) -> None:
        """The snapshot file, compressed by its suffix (.gz, .zst), written beside and renamed."""
        with AtomicFile(path) as raw:
            self.into(raw, path)

    def into(self, raw: IO[bytes], path: Path) -> None:
        """The snapshot into an open file, compressed by the suffix of `path`."""
        resources: set[str] = set()
        reads = gaps = 0
        with _compressed(raw, path) as out:
            out.write(_encoder.encode({"snapshot": self.head}) + b"\n")
            for encoded in self.lines():
                out.write(encoded + b"\n")
                line = _decoder.decode(encoded)
                if line.resource is not None:
                    resources.add(str(line.resource.get("id")).lower())
                reads += line.read is not None
                gaps += line.gap is not None
            out.write(_encoder.encode({"end": End(len(resources), reads, gaps)}) + b"\n")


class _Second:
    """The lines of a second look, and which lines of the first they take the place of."""

    def __init__(self, store: Store, kept: Collection[str], gone: Collection[str], blind: Collection[str] = ()) -> None:
        self._gone = gone
        self.lines = [
            line
            for line in store.decoded()
            if (root_of(url_of(line)) or (_bulk_index(line) and not _failed_in(line, blind)))
            and root_of(url_of(line)) not in kept
        ]
        self._roots = {root for line in self.lines if (root := root_of(url_of(line)))}
        self._same = {_key(line) for line in self.lines}
        self._lists = {url_of(line).lower().rstrip("/") for line in self.lines if line.read is not None}

    def replaces(self, line: Line) -> bool:
        if line.scope is not None:
            return False
        url = url_of(line)
        root = root_of(url)
        if root in self._gone:
            return True
        if not is_indexed(type_of(root)) and root:
            return root in self._roots
        if _key(line) in self._same:
            return True
        # What a list of the index, or of something below it, does not hold any more.
        above = f"/subscriptions/{subscription_of(url)}/providers/{type_of(root).lower()}" if root else ""
        listed = line.resource is not None and url.lower().rsplit("/", 1)[0] in self._lists
        return listed or (above in self._lists and root not in self._roots)


def _failed_in(line: Line, subscriptions: Collection[str]) -> bool:
    return line.gap is not None and subscription_of(line.gap.url) in subscriptions


def _bulk_index(line: Line) -> bool:
    return is_indexed(type_of(url_of(line)))


def url_of(line: Line) -> str:
    """The id or path that a line is about; "" for a scope."""
    if line.resource is not None:
        return str(line.resource.get("id") or "")
    record = line.read or line.skip or line.gap
    return record.url if record else ""


def _run(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    for row in file:
        key, _, line = row.rstrip(b"\n").partition(b"\t")
        yield key, line


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


@dataclass(slots=True)
class Snapshot:
    """A snapshot in grouped order: what stands before the bundles is read at once, the bundles as a stream."""

    head: Head
    scopes: list[ScopeRow] = field(default_factory=list)
    reads: dict[str, int] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    """The reads among them that ARM itself answered."""
    gaps: list[Gap] = field(default_factory=list)
    skips: dict[str, str] = field(default_factory=dict)
    more: list[Gap] = field(default_factory=list)
    """What is missing by what a history remembers: it leaves nothing that is here undecided."""
    rest: Iterator[Bundle] = field(default_factory=lambda: iter(()))
    fabric: Fabric = field(default_factory=Fabric)
    """The networks of the index, parsed."""
    parsed: Counter[str] = field(default_factory=Counter)
    """How many resources of the index are in the fabric only, by type in lower case."""
    _index: list[Bundle] | None = None

    @property
    def index(self) -> list[Bundle]:
        """The bundles of the index that are kept."""
        return self.load()

    def load(self, judged: Collection[str] | None = None) -> list[Bundle]:
        """Read the index, once. What only the fabric is asked for is kept there, and as a bundle only where rules are
        about its type (`judged`, in lower case; None: about any).
        """
        if self._index is not None:
            return self._index
        self._index = []
        for bundle in self.rest:
            if not is_indexed(type_of(bundle.id)):
                self.rest = _chain(bundle, self.rest)
                break
            self._take(bundle, judged)
        return self._index

    def _take(self, bundle: Bundle, judged: Collection[str] | None) -> None:
        for resource in bundle.resources.values():
            self.fabric.add(resource)
        type = type_of(bundle.id).lower()
        if type in _ONLY_PARSED and judged is not None and type not in judged and not bundle.gaps:
            self.parsed[type] += len(bundle.resources)
        else:
            self.index.append(bundle)

    def bundles(self) -> Iterator[Bundle]:
        """Every bundle, those of the index first; once."""
        yield from self.index
        yield from self.rest


_ONLY_PARSED = frozenset({f"microsoft.network/{each}" for each in ("networkinterfaces", "routetables")})


def grouped(head: Head, lines: Iterable[Line]) -> Snapshot:
    """A snapshot from lines that stand in grouped order."""
    snapshot = Snapshot(head)
    rest = _bundles(snapshot, iter(lines))
    first = next(rest, None)
    snapshot.rest = iter(()) if first is None else chain([first], rest)
    return snapshot


def _chain(first: Bundle, rest: Iterator[Bundle]) -> Iterator[Bundle]:
    """The bundles after those of the index."""
    yield first
    for bundle in rest:
        if is_indexed(type_of(bundle.id)):
            raise _unordered(bundle.id)
        yield bundle


def _unordered(where: str) -> InputError:
    return InputError(
        "the snapshot says that it is grouped, and this stands too late in it to count for what came before",
        at=where,
        do='write "grouped": false in its first line, and any order will do',
    )


def _bundles(snapshot: Snapshot, lines: Iterator[Line]) -> Iterator[Bundle]:
    bundle: Bundle | None = None
    root = ""
    for line in lines:
        if line.scope is not None:
            if bundle is not None:
                raise _unordered(f"scope {line.scope.subscription}")
            snapshot.scopes.append(line.scope)
            continue
        url = url_of(line)
        if not (here := root_of(url)):
            if bundle is not None:
                raise _unordered(url)
            _bulk(snapshot, line)
            continue
        if here != root or bundle is None:
            if bundle is not None:
                yield bundle
            bundle, root = Bundle(here), here
        _into(bundle, line)
    if bundle is not None:
        yield bundle


def _bulk(snapshot: Snapshot, line: Line) -> None:
    if line.read is not None:
        snapshot.reads[line.read.url.lower().rstrip("/")] = line.read.count
        if line.read.by != "graph":
            snapshot.listed.add(line.read.url.lower().rstrip("/"))
    elif line.gap is not None:
        snapshot.gaps.append(Gap(line.gap.url, line.gap.status, line.gap.code, line.gap.action))
    elif line.skip is not None:
        snapshot.skips[line.skip.url.lower().rstrip("/")] = line.skip.why


def _into(bundle: Bundle, line: Line) -> None:
    if line.resource is not None:
        bundle.add(Resource(line.resource, api=line.api, by=line.by, bundle=bundle))
    elif line.read is not None:
        bundle.reads[line.read.url.lower().rstrip("/")] = line.read.count
    elif line.skip is not None:
        bundle.skips[line.skip.url.lower().rstrip("/")] = line.skip.why
    elif line.gap is not None:
        gap = Gap(line.gap.url, line.gap.status, line.gap.code, line.gap.action)
        bundle.gaps[gap.url.lower().rstrip("/")] = gap


def of_store(store: Store) -> Snapshot:
    """The snapshot that a collection made, without a file."""
    return grouped(store.head, store.decoded())


def read(path: Path) -> Snapshot:
    """A snapshot, or what people have (see the contract), from a file; InputError names what is wrong and where."""
    return _any(path, _opened(path))


def _opened(path: Path) -> BinaryIO:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic[:2] == b"\x1f\x8b":
            return gzip.open(path, "rb")  # type: ignore[return-value]
        file = path.open("rb")
        if magic == b"\x28\xb5\x2f\xfd":
            return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True))
        return file
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}", at=f"--from {path}", do=f"give {_FORMATS}"
        ) from None


def _any(path: Path, file: BinaryIO) -> Snapshot:
    """The reader that fits the first line. A snapshot's lines are read later, as a stream; all else is read at once."""
    try:
        first, number = _first_line(path, file)
        if _FINDINGS.match(first):
            do = f"twolocks report {path} --out report.html; what a scan read is kept by scan --snapshot FILE"
            raise InputError("these are findings, not what a scan read", at=str(path), do=do)
        parsed = _parsed(first)
        if isinstance(parsed, dict) and "snapshot" in parsed:
            return _own(path, first, number, file)
        if isinstance(parsed, dict) and not isinstance(parsed.get("value", parsed.get("data")), list):
            second = file.readline()
            if second.strip() or "id" in parsed:
                with file:
                    return _imported(path, _bare_lines(path, number, first, second, file))
        with file:
            return _imported(path, _whole(path, first + file.read()))
    except (EOFError, OSError, zstandard.ZstdError) as error:
        file.close()
        raise _truncated(path, 0, 0, f": {error}") from None
    except InputError:
        file.close()
        raise


def _first_line(path: Path, file: BinaryIO) -> tuple[bytes, int]:
    number = 0
    for line in iter(file.readline, b""):
        number += 1
        if line.strip():
            return line.removeprefix(b"\xef\xbb\xbf"), number
    if number == 0 and path.stat().st_size:
        raise _truncated(path, 0, 0)
    raise InputError("the file is empty", at=str(path), do=f"give {_FORMATS}")


def _parsed(line: bytes) -> Any:
    if line.lstrip()[:1] != b"{":
        return None
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _own(path: Path, first: bytes, number: int, file: BinaryIO) -> Snapshot:
    try:
        head = _decoder.decode(first).snapshot
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
        raise InputError(f"the snapshot's first line is wrong: {error}", at=f"{path}:{number}") from None
    assert head is not None
    if head.version > VERSION:
        raise InputError(
            f"the snapshot has version {head.version}, this twolocks knows {VERSION}",
            at=f"{path}:1",
            do="upgrade twolocks",
        )
    # A truncated file raises while it is judged; nothing is written before its end line was seen.
    lines = _checked(path, number, file)
    if head.grouped:
        return grouped(head, lines)
    store = Store(head)
    for line in lines:
        store.add(line)
    return of_store(store)


def _checked(path: Path, number: int, file: BinaryIO) -> Iterator[Line]:
    resources = 0
    ended = False
    try:
        for number, raw in enumerate(file, number + 1):  # noqa: B020
            if not raw.strip():
                continue
            if ended:
                raise InputError(
                    "the snapshot goes on after its end line",
                    at=f"{path}:{number}",
                    do="give one snapshot at a time; what follows was not judged",
                )
            if not raw.endswith(b"\n"):
                ended = _is_end(raw)
                if not ended:
                    raise _truncated(path, number, resources)
                return
            line = _line(path, number, raw)
            if line.end is not None:
                ended = True
                continue
            resources += line.resource is not None
            yield line
    except (EOFError, OSError, zstandard.ZstdError):
        raise _truncated(path, number, resources) from None
    finally:
        file.close()
    if not ended:
        raise _truncated(path, number, resources)


def _is_end(raw: bytes) -> bool:
    try:
        return _decoder.decode(raw).end is not None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _line(path: Path, number: int, raw: bytes) -> Line:
    try:
        return _decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise InputError(
            f"this line is not of a snapshot: {error}", at=f"{path}:{number}", do="take it again"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _no_json(path, number, raw) from None


def _no_json(path: Path, number: int, raw: bytes) -> InputError:
    try:
        json.loads(raw)
        why = "it cannot be decoded"
    except json.JSONDecodeError as error:
        why = f"{error.msg[:1].lower()}{error.msg[1:]} at character {error.pos + 1}"
    except UnicodeDecodeError as error:
        why = f"it is not UTF-8 at byte {error.start + 1}"
    except RecursionError:
        why = "it is nested too deeply"
    return InputError(f"this is not JSON: {why}", at=f"{path}:{number}", do=f"give {_FORMATS}")


def _truncated(path: Path, number: int, resources: int, why: str = "") -> InputError:
    return InputError(
        f"the snapshot is truncated: it stops without an end line{why}",
        at=f"{path}:{number}, after {resources:,} resources",
        do=f"take it again (scan --snapshot {path.name}); a part is never judged as the whole",
    )


def _bare_lines(path: Path, number: int, first: bytes, second: bytes, file: BinaryIO) -> Iterator[dict[str, Any]]:
    for place, raw in enumerate([first, second, *file], number):
        if raw.strip():
            try:
                record = msgspec.json.decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                raise _no_json(path, place, raw) from None
            yield _resource(path, place, record)


def _whole(path: Path, text: bytes) -> Iterator[dict[str, Any]]:
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _no_json(path, 1, text) from None
    if isinstance(document, dict):
        document = document.get("value", document.get("data", [document]))
    if not isinstance(document, list):
        raise InputError("this JSON holds no resources", at=str(path), do=f"give {_FORMATS}")
    for place, record in enumerate(document, 1):
        yield _resource(path, place, record)


def _resource(path: Path, place: int, record: Any) -> dict[str, Any]:
    inner = record.get("resource") if isinstance(record, dict) and "properties" not in record else None
    if isinstance(inner, dict):
        record = inner if isinstance(inner.get("id"), str) else {**inner, "id": record.get("id")}
    if not isinstance(record, dict) or not isinstance(record.get("id"), str):
        raise InputError("this is no ARM resource: it has no id", at=f"{path}:{place}", do=f"give {_FORMATS}")
    return record


def _imported(path: Path, records: Iterator[dict[str, Any]]) -> Snapshot:
    taken = _mtime(path)
    store = Store(Head(taken=taken, scopes=[], live=False, notes=[_BARE]))
    seen: set[str] = set()
    for record in records:
        store.resource(record, None, "import")
        seen.add(subscription_of(record["id"]))
    for subscription in sorted(seen - {""}):
        store.scope(subscription, subscription, "", "partial")
    return of_store(store)


def _mtime(path: Path) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
