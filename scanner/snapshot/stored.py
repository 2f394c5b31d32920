"""Bundles of the index in temporary files: beyond the first ones they are read again when they are needed."""

import sys
from array import array
from itertools import accumulate
from typing import IO, Any, NamedTuple

import msgspec

from scanner.model.ids import list_of, name_of, normalized_id
from scanner.model.kept import KeptPaths
from scanner.model.message import message_text
from scanner.model.resource import Bundle, By, Gap, Resource
from scanner.store.temporary import file_of, read_at

IN_MEMORY = 128
"""How many of the stored bundles are kept after they were read."""


class _Body(msgspec.Struct, array_like=True):
    body: dict[str, Any]
    type: str
    api: str | None
    by: By


class _Lines(msgspec.Struct, array_like=True):
    bodies: list[_Body]
    reads: dict[str, int]
    skips: dict[str, str]
    gaps: dict[str, Gap]
    ages: dict[str, str] = {}


class _Texts:
    """A temporary file of texts, by their number."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._starts = array("Q", [0])
        """Where each text starts in the file, and where the last one ends."""

    def add(self, *texts: bytes) -> int:
        """Write texts, and return the number of the first one."""
        if self._file is None:
            self._file = file_of(self, buffering=0)
        self._file.seek(self._starts[-1])
        self._file.write(b"".join(texts))
        first = len(self._starts) - 1
        self._starts.extend(accumulate(map(len, texts), initial=self._starts.pop()))
        return first

    def __getitem__(self, number: int) -> bytes:
        assert self._file is not None
        start, end = self._starts[number : number + 2]
        return read_at(self._file, start, end - start)


class _Read(NamedTuple):
    """A bundle that was read, and its resources in the order in which they were written."""

    bundle: Bundle
    resources: tuple[Resource, ...]


class BundleFile:
    """Temporary files of bundles and of the ids of their resources. `kept`: what a snapshot keeps of a body; None: all
    of it.
    """

    def __init__(self, kept: KeptPaths | None) -> None:
        self._kept = kept
        self._texts, self._ids = _Texts(), _Texts()
        self._encoder = msgspec.json.Encoder(enc_hook=message_text)
        self._decoder = msgspec.json.Decoder(_Lines)
        self._read: dict[int, _Read] = {}
        """The bundles that were read last, by number, the oldest first."""

    def put(self, bundle: Bundle) -> "StoredBundle":
        """Write a bundle."""
        bodies = [_Body(_plain(each.body), each.type, each.api, each.by) for each in bundle.resources.values()]
        lines = _Lines(bodies, bundle.reads, bundle.skips, bundle.gaps, bundle.ages)
        number = self._texts.add(self._encoder.encode(lines))
        first = self._ids.add(*(each.id.encode(errors="surrogatepass") for each in bundle.resources.values()))
        return StoredBundle(self, number, first, bundle)

    def resource_id(self, number: int) -> str:
        """Return the id of a resource: of the bundle's first one `first` of `put`, and so on."""
        return self._ids[number].decode(errors="surrogatepass")

    def read(self, stored: "StoredBundle") -> "_Read":
        """Return a bundle."""
        read = self._read.pop(stored.number, None)
        if read is None:
            bundle = self._bundle(stored)
            read = _Read(bundle, tuple(bundle.resources.values()))
        self._read[stored.number] = read
        if len(self._read) > IN_MEMORY:
            del self._read[next(iter(self._read))]
        return read

    def _bundle(self, stored: "StoredBundle") -> Bundle:
        """Read a bundle. Its resources refer to the stored one, so that they are freed without Python's collector of
        cycles, and those in use find what is beside them in the file.
        """
        lines = self._decoder.decode(self._texts[stored.number])
        bundle = Bundle(stored.id, reads=lines.reads, skips=lines.skips, gaps=lines.gaps, ages=lines.ages)
        for each in lines.bodies:
            body = each.body if self._kept is None else self._kept.partial_body(each.body, each.type)
            bundle.add(Resource(body, api=each.api, by=each.by, bundle=bundle))
        for resource in bundle.resources.values():
            resource.bundle = stored
        return bundle


def _plain(value: Any) -> Any:
    """Return a JSON value without what its objects raise for members that were not kept."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in dict.items(value)}
    return [_plain(each) for each in value] if isinstance(value, list) else value


class StoredBundle(Bundle):
    """A bundle in a file."""

    __slots__ = ("_file", "_first", "_id", "has_ages", "has_gaps", "number", "stored")

    def __init__(self, file: BundleFile, number: int, first: int, bundle: Bundle) -> None:
        self._file = file
        self.memo = None
        self.number = number
        """How many bundles were written before it."""
        self._first = first
        self.has_gaps, self.has_ages = bool(bundle.gaps), bool(bundle.ages)
        self.stored = tuple([StoredResource(self, *each) for each in enumerate(bundle.resources.values())])
        """The resources, of which neither body nor id is in memory."""
        self._id = "" if self.stored and self.stored[0].key == bundle.id else bundle.id

    @property
    def id(self) -> str:  # type: ignore[override]
        return self._id or self.stored[0].key

    def resource_id(self, position: int) -> str:
        """Return the id of one of its resources."""
        return self._file.resource_id(self._first + position)

    def read(self) -> Bundle:
        """Return the bundle."""
        return self._file.read(self).bundle

    def resource(self, position: int) -> Resource:
        """Return one of its resources."""
        return self._file.read(self).resources[position]

    @property
    def resources(self) -> dict[str, Resource]:  # type: ignore[override]
        return self.read().resources

    @property
    def reads(self) -> dict[str, int]:  # type: ignore[override]
        return self.read().reads

    @property
    def skips(self) -> dict[str, str]:  # type: ignore[override]
        return self.read().skips

    @property
    def gaps(self) -> dict[str, Gap]:  # type: ignore[override]
        return self.read().gaps if self.has_gaps else {}

    @property
    def ages(self) -> dict[str, str]:  # type: ignore[override]
        return self.read().ages if self.has_ages else {}

    @property
    def below(self) -> dict[str, list[Resource]]:  # type: ignore[override]
        return self.read().below


class StoredResource(Resource):
    """A resource in a file. `position`: which one of its bundle."""

    __slots__ = ("_of", "_position")

    def __init__(self, of: StoredBundle, position: int, resource: Resource) -> None:
        self._of = of
        self._position = position
        self.type = sys.intern(resource.type)
        self.api = sys.intern(resource.api) if resource.api is not None else None
        self.by, self.has_no_properties = resource.by, resource.has_no_properties

    @property
    def id(self) -> str:  # type: ignore[override]
        return self._of.resource_id(self._position)

    @property
    def body(self) -> dict[str, Any]:  # type: ignore[override]
        return self._of.resource(self._position).body

    @property
    def bundle(self) -> Bundle:  # type: ignore[override]
        return self._of

    @property
    def key(self) -> str:  # type: ignore[override]
        return normalized_id(self.id)

    @property
    def name(self) -> str:  # type: ignore[override]
        return name_of(self.id)

    @property
    def list_key(self) -> str:  # type: ignore[override]
        return list_of(self.id)
