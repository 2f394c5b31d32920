"""Snapshots in memory: the lines of a grouped snapshot as an index of network resources and a stream of bundles."""

import weakref
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from scanner.document.schema import ScopeRow
from scanner.document.scopes import ExcludedRow, LimitRow
from scanner.errors import InputError
from scanner.model.diagnostic_settings import closed
from scanner.model.host_names import MARKS, host_names
from scanner.model.ids import group_of, is_below, resource_type_of, root_of, segments, subscription_of, type_of
from scanner.model.index import RESOURCE_GRAPH, is_indexed
from scanner.model.kept import WITHOUT, KeptPaths
from scanner.model.located import Located
from scanner.model.message import Message
from scanner.model.regions import region_name
from scanner.model.resource import Bundle, Gap, Resource
from scanner.model.verdict import Evidence, Unread
from scanner.reach.networks.fabric import Fabric
from scanner.snapshot.format import GapLine, Header, SnapshotLine, decoder, encoder, root_of_line, url_of
from scanner.snapshot.line_source import EncodedLine, LineSource, decoded, with_partial_bodies
from scanner.snapshot.located import located
from scanner.snapshot.selection import Selection, scope_of
from scanner.snapshot.store import Store
from scanner.snapshot.stored import BundleFile
from scanner.terminal.text import clean
from scanner.text.masks import masked

IN_MEMORY = 512
"""How many bundles of the index stay in memory."""
_ONLY_PARSED = frozenset({f"microsoft.network/{each}" for each in ("networkinterfaces", "routetables")})
"""Types of the index that are only used in parsed form, unless a rule is about them."""

CUSTOM_RULE = Message(
    "this scan did not keep this property: name its path in keep= of the type or read, or scan with --keep-all"
)
"""Why a property that an own rule reads, and that a scan could not know of, is unread."""


@dataclass(slots=True)
class Snapshot:
    """A grouped snapshot. Scopes and bulk reads are read at once, bundles as a stream."""

    header: Header
    scopes: list[ScopeRow] = field(default_factory=list)
    reads: dict[str, int] = field(default_factory=dict)
    """The number of resources of each bulk read, by path in lower case."""
    listed_by_arm: set[str] = field(default_factory=set)
    """The bulk reads that ARM answered, not Resource Graph."""
    older_lists: list[tuple[str, str]] = field(default_factory=list)
    """The type and the api-version of each list at an older api-version than the pinned one."""
    gaps: list[Gap] = field(default_factory=list)
    unanswered: Gap | None = None
    """The query of Resource Graph that failed first, of those of which nothing else says what they ask for."""
    skips: dict[str, str] = field(default_factory=dict)
    """Why a bulk read was not made."""
    history_gaps: list[Gap] = field(default_factory=list)
    """What is missing compared with the history. It makes nothing in this snapshot inconclusive."""
    source: LineSource = field(default_factory=LineSource)
    """The lines that were not read yet: after `load`, those after the index."""
    fabric: Fabric = field(default_factory=Fabric)
    """The networks of the index, parsed."""
    parsed_counts: Counter[str] = field(default_factory=Counter)
    """How many resources of the index are kept in the fabric only, by type in lower case."""
    groups: dict[str, str] = field(default_factory=dict)
    """The names of the resource groups of the bundles so far, by their path in lower case."""
    unread_types: dict[str, Unread] = field(default_factory=dict)
    """Types of the index (lower case) of which a property was not kept that the networks are parsed from, and why."""
    group_regions: dict[str, str] = field(default_factory=dict)
    """The region of each resource group, by its id in lower case."""
    locations: list[dict[str, Any]] = field(default_factory=list)
    """ARM's list of regions."""
    quotas: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The quotas of a region of a subscription, by the path of their list in lower case."""
    named: dict[str, Resource | None] = field(default_factory=dict)
    """What Resource Graph shows of resources outside of what was read, by id in lower case; None: no row."""
    locate: Callable[[], Mapping[str, str]] = dict
    """Returns the region of each top-level resource by its id in lower case."""
    names: Callable[[], Mapping[str, str]] = dict
    """Returns the ids (lower case) of apps and container groups by their hosts."""
    closed: Callable[[], Mapping[str, Evidence | Unread]] = dict
    """Returns the storage accounts and namespaces (ids in lower case) whose firewall keeps logs out, or may."""
    raw: Callable[[], Iterable[bytes]] | None = None
    """Returns the encoded lines once more; None where they cannot be read again."""
    why: Message = WITHOUT
    """Why a property that was not kept is unread."""
    is_partial: bool = field(init=False)
    """Only a part of the subscriptions was collected; what is evaluated of it may be less."""
    _index: list[Bundle] | None = None
    kept: KeptPaths | None = field(init=False)
    """What is kept of a body, None: all of it."""
    _stored: BundleFile = field(init=False)

    def __post_init__(self) -> None:
        self.is_partial = self.header.filtered or any(map(group_of, self.header.excluded))
        self.kept = self.header.kept_paths(self.why)
        self._stored = BundleFile(self.kept)

    def close(self) -> None:
        """Close the file that the bundles come from, where not all of them are read."""
        self.source.close()

    @property
    def selection(self) -> Selection:
        """Return what of the snapshot is evaluated; a new one each time, for one pass over the bundles."""
        return Selection.of(self.header)

    @property
    def evaluated_scopes(self) -> list[ScopeRow]:
        """Return the subscriptions of which something is evaluated."""
        selection = self.selection
        return [scope for scope in self.scopes if selection.has_subscription(scope.subscription)]

    def excluded(self) -> list[ExcludedRow]:
        """Return the scopes that were excluded, with names for people."""
        names = {scope.subscription.lower(): scope.name for scope in self.scopes}
        excluded_rows = []
        for path in sorted(set(self.header.excluded), key=str.lower):
            name, group = names.get(subscription_of(path), subscription_of(path)), group_of(path)
            excluded_rows.append(ExcludedRow(scope=path, name=f"{name}/{group}" if group else name))
        return excluded_rows

    def limited(self) -> LimitRow | None:
        """Return what was requested of the scopes, None for all of them."""
        head = self.header
        row = LimitRow(resources=head.resources, groups=head.groups, tags=head.tags)
        return row if head.filtered else None

    @property
    def index(self) -> list[Bundle]:
        """Return the bundles of the index that are kept."""
        return self.load()

    def load(self, evaluated_types: Collection[str] | None = None) -> list[Bundle]:
        """Read the index, once, and return its bundles.

        A type that only the fabric uses is kept as bundles only where rules are about it (`evaluated_types`, in lower
        case; None: rules are about every type).
        """
        if self._index is not None:
            return self._index
        self._index = []
        for bundle in bundles_of(self.source.of_index(), self.groups):
            self._add_to_index(bundle, evaluated_types)
        return self._index

    @property
    def remaining(self) -> Iterator[Bundle]:
        """The bundles that were not read yet: after `load`, those after the index. Works once."""
        bundles = bundles_of(self.source.rest(), self.groups)
        return bundles if self._index is None else _after_index(bundles)

    def _add_to_index(self, bundle: Bundle, evaluated_types: Collection[str] | None) -> None:
        for resource in bundle.resources.values():
            try:
                self.fabric.add(resource)
            except Unread as missing:
                self.unread_types.setdefault(resource.type.lower(), missing)
        type = resource_type_of(bundle.id).lower()
        only_parsed = type in _ONLY_PARSED and evaluated_types is not None and type not in evaluated_types
        if only_parsed and not bundle.gaps:
            self.parsed_counts[type] += len(bundle.resources)
        elif len(self.index) < IN_MEMORY:
            self.index.append(bundle)
            return
        else:
            self.index.append(self._stored.put(bundle))
        bundle.release()

    def bundles(self) -> Iterator[Bundle]:
        """Yield every bundle, those of the index first. Works once."""
        yield from self.index
        yield from self.remaining


def of_store(store: Store, why: Message = CUSTOM_RULE) -> Snapshot:
    """Return the snapshot that a collection made, without a file. `why`: why a property that was not kept is unread."""
    snapshot = of_lines(store.header, decoded(store.lines()), why)
    # Weak: the files of a store are closed when its last user is gone, not by the collector of cycles.
    snapshot.raw = partial(_lines_of_store, weakref.ref(store))
    snapshot.locate = partial(locations_of, snapshot.raw)
    snapshot.names = partial(names_in, snapshot.raw)
    snapshot.closed = partial(closed_in, snapshot.raw)
    return snapshot


class _Located(Struct):
    id: str = ""
    location: Any = None


class _NamedLine(Struct):
    resource: _Located | None = None


class _LocatedLine(Struct):
    resource: _Located | None = None
    named: _NamedLine | None = None


_LOCATED = msgspec.json.Decoder(_LocatedLine)


def _lines_of_store(store: "weakref.ref[Store]") -> Iterable[bytes]:
    """Return the lines of a store. Raises Unread where it is gone: no line is not the same as no resource."""
    result = store()
    if result is None:
        raise Unread("the resources of the scan", Message("they are no longer in memory"))
    return result.lines()


def locations_of(lines: Callable[[], Iterable[bytes]]) -> Located:
    """Return the region of each top-level resource in encoded lines, by its id in lower case."""
    return located(locations_in(lines()))


def locations_in(lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    for raw in lines:
        if b'"location"' not in raw:
            continue
        with suppress(msgspec.DecodeError):
            line = _LOCATED.decode(raw)
            one = line.resource if line.named is None else line.named.resource
            if one is not None and isinstance(one.location, str) and root_of(one.id) == one.id.lower():
                yield one.id.lower(), one.location


def names_in(lines: Callable[[], Iterable[bytes]]) -> dict[str, str]:
    """Return the ids (lower case) of apps, their slots and container groups in encoded lines, by their hosts."""
    result: dict[str, str] = {}
    for raw in lines():
        folded = raw.lower()
        if any(mark in folded for mark in MARKS):
            with suppress(msgspec.DecodeError):
                body = decoder.decode(raw).resource
                for host in host_names(body) if body is not None else ():
                    result[host] = str(body.get("id")).lower() if body is not None else ""
    return result


def closed_in(lines: Callable[[], Iterable[bytes]]) -> dict[str, Evidence | Unread]:
    """Return the storage accounts and namespaces in encoded lines, by their ids in lower case, whose firewall keeps
    logs out, or may.
    """
    return dict(matches for raw in lines() if (matches := closed_of(raw)) is not None)


def closed_of(raw: bytes) -> tuple[str, Evidence | Unread] | None:
    """Return the id, in lower case, of the storage account or namespace of a line, and why it keeps logs out, or may;
    None for every other line.
    """
    if b'"networkAcls"' not in raw and b"/networkRuleSets/" not in raw:
        return None
    with suppress(msgspec.DecodeError):
        line = decoder.decode(raw)
        if line.resource is not None:
            root = root_of_line(line)
            try:
                evidence = closed(Resource(line.resource, by=line.by))
            except Unread as unread:
                return root, unread.with_traceback(None)
            return None if evidence is None else (root, evidence)
    return None


NAMING = (b".vault.", b".managedhsm.", b"/diskencryptionsets/")
"""Only lines with such a text can name a key: the addresses of vaults in all clouds, and the ids of sets."""


def naming_keys(snapshot: Snapshot) -> Iterator[Resource]:
    """Yield the resources of a snapshot that may name a key, in a second pass over its lines."""
    kept = snapshot.kept
    for raw in snapshot.raw() if snapshot.raw is not None else ():
        folded = raw.lower()
        if not any(text in folded for text in NAMING):
            continue
        with suppress(msgspec.DecodeError):
            line = decoder.decode(raw)
            if line.resource is not None:
                type = resource_type_of(url_of(line))
                yield Resource(
                    kept.partial_body(line.resource, type) if kept is not None else line.resource, by=line.by
                )


def grouped(header: Header, lines: Iterable[SnapshotLine], why: Message = WITHOUT) -> Snapshot:
    """Return a snapshot from lines in grouped order, which were not encoded. See `of_lines`."""
    return of_lines(header, (EncodedLine(encoder.encode(line), line) for line in lines), why)


def of_lines(header: Header, lines: Iterable[EncodedLine], why: Message = WITHOUT) -> Snapshot:
    """Return a snapshot from lines in grouped order. Raises InputError, also later, where the order is wrong.

    `why`: why a property that was not kept is unread.
    """
    snapshot = Snapshot(header, why=why)
    snapshot.source = LineSource(lines, snapshot.kept)
    for line in snapshot.source.before_bundles():
        if line.scope is not None:
            snapshot.scopes.append(line.scope)
        else:
            _add_bulk_read(snapshot, line)
    return snapshot


def bundles_in(lines: bytes, kept: KeptPaths | None, groups: dict[str, str]) -> Iterator[Bundle]:
    """Yield the bundles of encoded lines. `groups`: see `bundles_of`."""
    snapshot_lines = (decoder.decode(each) for each in lines.split(b"\n") if each)
    return bundles_of(with_partial_bodies(snapshot_lines, kept), groups)


def _after_index(bundles: Iterator[Bundle]) -> Iterator[Bundle]:
    """Yield the bundles after those of the index. Raises InputError where another bundle of the index follows."""
    for bundle in bundles:
        require_after_index(bundle.id, bundle.id)
        yield bundle


def require_after_index(root: str, where: str) -> None:
    """Raise InputError for what must not come after the index: another bundle of it, or a line without a bundle.

    `root`: the id of the bundle, "" for none. `where`: what the line is about.
    """
    if not root or is_indexed(resource_type_of(root)):
        raise _unordered(where)


def subject_of(line: SnapshotLine) -> str:
    """Return what a line is about, for people."""
    return f"scope {line.scope.subscription}" if line.scope is not None else url_of(line)


def _unordered(where: str) -> InputError:
    return InputError(
        "the snapshot is marked as grouped, but this line is out of order",
        at=where,
        do='write "grouped": false in its first line to allow any order',
    )


def bundles_of(lines: Iterator[SnapshotLine], groups: dict[str, str]) -> Iterator[Bundle]:
    """Yield the bundles of grouped lines. `groups`: takes the names of their resource groups, by path in lower case.

    Raises InputError for a line that belongs to no bundle.
    """
    bundle: Bundle | None = None
    root = ""
    for line in lines:
        url = url_of(line)
        if bundle is not None and is_below(url, root):
            _add_to_bundle(bundle, line)
            continue
        if not (line_root := root_of_line(line)):
            raise _unordered(subject_of(line))
        if line_root != root or bundle is None:
            if bundle is not None:
                yield bundle
            bundle, root = Bundle(line_root), line_root
            if group := group_of(url):
                groups.setdefault(scope_of(subscription_of(url), group), group)
        _add_to_bundle(bundle, line)
    if bundle is not None:
        yield bundle


def _add_bulk_read(snapshot: Snapshot, line: SnapshotLine) -> None:
    if line.resource is not None:
        _add_container(snapshot, line.resource)
    elif line.named is not None:
        body = line.named.resource
        snapshot.named[_path(line.named.id)] = None if body is None else Resource(body, by="graph")
    elif line.read is not None:
        url = _path(line.read.url)
        snapshot.reads[url] = line.read.count
        if line.read.by != "graph":
            snapshot.listed_by_arm.add(url)
        if line.read.by == "older":
            snapshot.older_lists.append((type_of(line.read.url), line.read.api))
    elif line.gap is not None and line.gap.url == RESOURCE_GRAPH:
        snapshot.unanswered = snapshot.unanswered or _gap(line.gap)
    elif line.gap is not None:
        snapshot.gaps.append(_gap(line.gap))
    elif line.skip is not None:
        snapshot.skips[_path(line.skip.url)] = line.skip.why


def _add_container(snapshot: Snapshot, body: dict[str, Any]) -> None:
    """Add a resource group, a region or the quotas of one, which belong to no bundle."""
    match segments(str(dict.get(body, "id") or "")):
        case ("subscriptions", _, "resourcegroups", _) as pieces:
            snapshot.group_regions["/" + "/".join(pieces)] = region_name(dict.get(body, "location"))
        case ("subscriptions", _, "locations", _):
            snapshot.locations.append(body)
        case ("subscriptions", _, "providers", _, "locations", _, "usages") as pieces:
            snapshot.quotas["/" + "/".join(pieces)] = body


def _add_to_bundle(bundle: Bundle, line: SnapshotLine) -> None:
    if line.resource is not None:
        bundle.add(Resource(line.resource, api=line.api, by=line.by, bundle=bundle))
    elif line.read is not None:
        bundle.reads[_path(line.read.url)] = line.read.count
        if line.read.at:
            bundle.ages[_path(line.read.url)] = line.read.at
    elif line.skip is not None:
        bundle.skips[_path(line.skip.url)] = line.skip.why
    elif line.gap is not None:
        bundle.gaps[_path(line.gap.url)] = _gap(line.gap)


def _path(url: str) -> str:
    return url.lower().rstrip("/")


def _gap(line: GapLine) -> Gap:
    return Gap(masked(line.url), line.status, masked(line.code), clean(masked(line.action)), line.resources)
