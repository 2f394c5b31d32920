"""Bundles of the index in a temporary file: beyond the first thousands they are read again when they are needed."""

import gc
import sys
from array import array
from typing import IO, Any

import msgspec

from scanner.document.temporary import file_of, read_at
from scanner.model.ids import id_key, list_of, name_of
from scanner.model.kept import KeptPaths
from scanner.model.resource import Bundle, By, Gap, Resource

IN_MEMORY = 512
"""How many bundles of the index stay in memory, and how many of the stored ones are kept after they were read."""

_MOST_DROPPED = 512
"""How many bundles are dropped before the collector of cycles runs, which by itself would run too late for them."""


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


class BundleFile:
    """A temporary file of bundles. `kept`: what a snapshot keeps of a body; None: all of it."""

    def __init__(self, kept: KeptPaths | None) -> None:
        self._kept = kept
        self._file: IO[bytes] | None = None
        self._starts = array("Q", [0])
        """Where each bundle starts in the file, and where the last one ends."""
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(_Lines)
        self._read: dict[int, Bundle] = {}
        """The bundles that were read last, by number, the oldest first."""
        self._dropped = 0

    def put(self, bundle: Bundle) -> "StoredBundle":
        """Write a bundle."""
        bodies = [_Body(_plain(each.body), each.type, each.api, each.by) for each in bundle.resources.values()]
        text = self._encoder.encode(_Lines(bodies, bundle.reads, bundle.skips, bundle.gaps))
        if self._file is None:
            self._file = file_of(self, buffering=0)
        self._file.seek(self._starts[-1])
        self._file.write(text)
        self._starts.append(self._starts[-1] + len(text))
        return StoredBundle(self, len(self._starts) - 2, bundle)

    def bundle(self, number: int, id: str) -> Bundle:
        """Return the bundle of a number: how many were written before it."""
        known = self._read.pop(number, None)
        bundle = known if known is not None else self._bundle(number, id)
        self._read[number] = bundle
        if len(self._read) > IN_MEMORY:
            self._drop()
        return bundle

    def _drop(self) -> None:
        """Drop the bundle that was read first. Its resources refer to it, and may be in use."""
        del self._read[next(iter(self._read))]
        self._dropped += 1
        if self._dropped == _MOST_DROPPED:
            self._dropped = 0
            gc.collect()

    def _bundle(self, number: int, id: str) -> Bundle:
        assert self._file is not None
        start, end = self._starts[number : number + 2]
        lines = self._decoder.decode(read_at(self._file, start, end - start))
        bundle = Bundle(id, reads=lines.reads, skips=lines.skips, gaps=lines.gaps)
        for each in lines.bodies:
            body = each.body if self._kept is None else self._kept.part(each.body, each.type)
            bundle.add(Resource(body, api=each.api, by=each.by, bundle=bundle))
        return bundle


def _plain(value: Any) -> Any:
    """Return a JSON value without what its objects raise for members that were not kept."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in dict.items(value)}
    return [_plain(each) for each in value] if isinstance(value, list) else value


class StoredBundle(Bundle):
    """A bundle of which only the id is in memory."""

    __slots__ = ("_file", "_id", "_number", "has_gaps", "stored")

    def __init__(self, file: BundleFile, number: int, bundle: Bundle) -> None:
        self._file = file
        self._number = number
        self.has_gaps = bool(bundle.gaps)
        self.stored = tuple([StoredResource(self, each) for each in bundle.resources.values()])
        """The resources, of which only the ids are in memory."""
        first = self.stored[0] if self.stored else None
        self._id = "" if first is not None and first.key == bundle.id else bundle.id

    @property
    def id(self) -> str:  # type: ignore[override]
        return self._id or self.stored[0].key

    def read(self) -> Bundle:
        """Return the bundle."""
        return self._file.bundle(self._number, self.id)

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
    def below(self) -> dict[str, list[Resource]]:  # type: ignore[override]
        return self.read().below


class StoredResource(Resource):
    """A resource of which only the id is in memory."""

    __slots__ = ("_of",)

    def __init__(self, of: StoredBundle, resource: Resource) -> None:
        self._of = of
        self.id, self.type = resource.id, sys.intern(resource.type)
        self.api = sys.intern(resource.api) if resource.api is not None else None
        self.by, self.has_no_properties = resource.by, resource.has_no_properties

    @property
    def body(self) -> dict[str, Any]:  # type: ignore[override]
        return self._of.read().resources[self.key].body

    @property
    def bundle(self) -> Bundle:  # type: ignore[override]
        return self._of.read()

    @property
    def key(self) -> str:  # type: ignore[override]
        return id_key(self.id)

    @property
    def name(self) -> str:  # type: ignore[override]
        return name_of(self.id)

    @property
    def list_key(self) -> str:  # type: ignore[override]
        return list_of(self.id)
