"""Bundles of the index in a temporary file: beyond the first thousands they are read again when they are needed."""

import sys
from typing import IO, Any, NamedTuple

import msgspec

from scanner.document.temporary import file_of, read_at
from scanner.model.ids import list_of, name_of
from scanner.model.kept import KeptPaths
from scanner.model.resource import Bundle, By, Gap, Resource

IN_MEMORY = 4096
"""How many bundles of the index stay in memory, and how many of the stored ones are kept after they were read."""


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


class _Place(NamedTuple):
    start: int
    size: int


class BundleFile:
    """A temporary file of bundles. `kept`: what a snapshot keeps of a body; None: all of it."""

    def __init__(self, kept: KeptPaths | None) -> None:
        self._kept = kept
        self._file: IO[bytes] | None = None
        self._end = 0
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(_Lines)
        self._read: dict[_Place, Bundle] = {}
        """The bundles that were read last, the oldest first."""

    def put(self, bundle: Bundle) -> "StoredBundle":
        """Write a bundle."""
        bodies = [_Body(_plain(each.body), each.type, each.api, each.by) for each in bundle.resources.values()]
        text = self._encoder.encode(_Lines(bodies, bundle.reads, bundle.skips, bundle.gaps))
        if self._file is None:
            self._file = file_of(self, buffering=0)
        self._file.seek(self._end)
        self._file.write(text)
        place = _Place(self._end, len(text))
        self._end += len(text)
        return StoredBundle(self, place, bundle)

    def bundle(self, place: _Place, id: str) -> Bundle:
        """Return the bundle that was written at a place."""
        known = self._read.pop(place, None)
        bundle = known if known is not None else self._bundle(place, id)
        self._read[place] = bundle
        if len(self._read) > IN_MEMORY:
            del self._read[next(iter(self._read))]
        return bundle

    def _bundle(self, place: _Place, id: str) -> Bundle:
        assert self._file is not None
        lines = self._decoder.decode(read_at(self._file, place.start, place.size))
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

    __slots__ = ("_file", "_place", "has_gaps", "stored")

    def __init__(self, file: BundleFile, place: _Place, bundle: Bundle) -> None:
        self.id = bundle.id
        self._file = file
        self._place = place
        self.has_gaps = bool(bundle.gaps)
        self.stored = [StoredResource(self, each) for each in bundle.resources.values()]
        """The resources, of which only the ids are in memory."""

    def read(self) -> Bundle:
        """Return the bundle."""
        return self._file.bundle(self._place, self.id)

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
        self.id, self.key, self.type = resource.id, resource.key, sys.intern(resource.type)
        self.api, self.by, self.has_no_properties = resource.api, resource.by, resource.has_no_properties

    @property
    def body(self) -> dict[str, Any]:  # type: ignore[override]
        return self._of.read().resources[self.key].body

    @property
    def bundle(self) -> Bundle:  # type: ignore[override]
        return self._of.read()

    @property
    def name(self) -> str:  # type: ignore[override]
        return name_of(self.id)

    @property
    def list_key(self) -> str:  # type: ignore[override]
        return list_of(self.id)
