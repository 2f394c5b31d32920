"""The lines of a snapshot file: their structs, their JSON, and their order in a grouped snapshot."""

from hashlib import sha256
from typing import Any

import msgspec

from scanner.document.message_data import restored, stored
from scanner.document.schema import ScopeRow
from scanner.model.ids import bundle_of, resource_type_of, root_of
from scanner.model.index import is_indexed
from scanner.model.kept import WITHOUT, KeptPaths
from scanner.model.message import Message, message_text
from scanner.model.resource import By
from scanner.text.times import checked_time

LINE_LIMIT = "limit: one snapshot line"
"""The beginning of the code of a gap in the place of a resource that is too large for a line."""

DELETED = "deleted meanwhile"
"""Why a resource that a list counts was not read: it no longer existed."""

NOT_ASKED = "not asked for"
"""Why a read was not made that decides less than `--until` asks for."""

VERSION = 2
"""The version of the format that is written, and the newest one that is read."""

CHECKPOINT = 100
"""Every line of this number holds the digest of the lines before it, so that a changed line is found within as many."""


class Header(msgspec.Struct, kw_only=True):
    """The first line of a snapshot."""

    version: int = VERSION
    taken: str
    """The time of the collection (UTC, ISO 8601)."""
    cloud: str = "public"
    scopes: list[str] = []
    """`cloud`, `scopes`: what was read."""
    tool: str = ""
    """The version that wrote the file."""
    grouped: bool = True
    """The lines are sorted by `sort_key`; `order` names the types of the index that come first then, "" in files of
    versions that did not say so.
    """
    order: str = ""
    principal: str = ""
    """The identity that read."""
    resources: list[str] = []
    """The ids that `--resource` named. Other resources in the snapshot are there to be looked up and are not evaluated.
    """
    groups: list[str] = []
    tags: list[str] = []
    """`groups`, `tags`: the filters `--resource-group` and `--tag`. With a filter a list counts more resources than the
    snapshot holds.
    """
    subscriptions: list[str] = []
    """The ids of those that `--subscription` left of a snapshot; [] for all."""
    excluded: list[str] = []
    """The paths of the subscriptions and resource groups that `--exclude` left out. What other verdicts need of them is
    in the snapshot.
    """
    live: bool = True
    """Read from Azure. False for a file of bare resources."""
    notes: list[str] = []
    kept: dict[str, list[str]] | None = None
    """The paths that were kept of each ARM type (`scanner.model.kept`), None where bodies are whole."""
    kept_tags: list[str] = []
    """The names of the tags that were kept."""
    tenants: dict[str, str] = {}
    """The names of the tenants that the settings list, by their ids in lower case; none where one login read all."""
    note_data: dict[str, str] = {}
    """What notes are made of, by their texts (`scanner.document.message_data`)."""

    def __post_init__(self) -> None:
        self.taken = checked_time(self.taken)

    def note(self, *notes: str) -> None:
        """Add notes, with what they are made of."""
        self.notes += notes
        self.note_data |= {each: kept for each in notes if (kept := stored(each))}

    @property
    def messages(self) -> list[str]:
        """Return the notes with what they are made of."""
        return [
            each if isinstance(each, Message) else restored(each, self.note_data.get(each, "")) for each in self.notes
        ]

    def kept_paths(self, why: Message = WITHOUT) -> KeptPaths | None:
        """Return what was kept of each type, None where bodies are whole. `why`: why anything else is unread."""
        return None if self.kept is None else KeptPaths(self.kept, self.kept_tags, why)

    @property
    def is_partial(self) -> bool:
        """Return whether only some resources of the scopes were requested, or some were excluded."""
        return bool(self.filtered or self.excluded)

    @property
    def filtered(self) -> bool:
        """Return whether only some resources, groups or tags were requested."""
        return bool(self.resources or self.groups or self.tags)


class ReadLine(msgspec.Struct, omit_defaults=True):
    """A read that succeeded: its path, the number of resources, and how it was read ("graph", "list", "get", "older" or
    "").
    """

    url: str
    count: int
    by: str = ""
    api: str = ""
    """The api-version of an `older` one."""
    at: str = ""
    """When an earlier scan made it (UTC, ISO 8601); "" for this one."""

    def __post_init__(self) -> None:
        self.at = self.at and checked_time(self.at)


class SkipLine(msgspec.Struct):
    """A read that was not made, and why."""

    url: str
    why: str


class GapLine(msgspec.Struct, omit_defaults=True):
    """A read that failed: see `scanner.model.resource.Gap`."""

    url: str
    status: int
    code: str
    action: str = ""
    resources: int = 0


class NamedLine(msgspec.Struct, omit_defaults=True):
    """A resource outside of what was read, which a resource that was read names: what Resource Graph shows of it."""

    id: str
    resource: dict[str, Any] | None = None
    """Its id and region, and what decides whether logs arrive there; None where no row was shown."""


class EndLine(msgspec.Struct, omit_defaults=True):
    """The last line: how many distinct resources, reads and gaps the snapshot holds, and the end of its chain."""

    resources: int
    reads: int
    gaps: int
    chain: str = ""


class SnapshotLine(msgspec.Struct, omit_defaults=True):
    """One line of a snapshot. Exactly one of the first eight members is set."""

    snapshot: Header | None = None
    scope: ScopeRow | None = None
    resource: dict[str, Any] | None = None
    read: ReadLine | None = None
    skip: SkipLine | None = None
    gap: GapLine | None = None
    named: NamedLine | None = None
    end: EndLine | None = None
    api: str | None = None
    by: By = "list"
    """`api`, `by`: the api-version of a `resource` and how it was read."""
    chain: str = ""
    """The digest of the lines before this one; it may be missing, as it is from most lines."""


class Chain:
    """The chain of a file's lines: the digest of each line goes into that of the next (SHA-256)."""

    def __init__(self) -> None:
        self.digest = b""

    @property
    def text(self) -> str:
        """Return the digest of the last line as text."""
        return self.digest.hex()

    def add(self, line: bytes) -> None:
        """Add a line, without what ends it."""
        self.digest = sha256(self.digest + line).digest()


encoder = msgspec.json.Encoder(enc_hook=message_text)
decoder = msgspec.json.Decoder(SnapshotLine)


def url_of(line: SnapshotLine) -> str:
    """Return the id or path that a line is about; "" for a scope."""
    if line.resource is not None:
        return str(line.resource.get("id") or "")
    record = line.read or line.skip or line.gap
    return record.url if record else line.named.id if line.named else ""


def root_of_line(line: SnapshotLine) -> str:
    """Return the id (lower case) of the bundle that a line belongs to; "" for scopes, bulk reads and `named` lines."""
    if line.named is not None:
        return ""
    return root_of(url_of(line)) if line.resource is None else bundle_of(url_of(line))


def sort_key(line: SnapshotLine) -> str:
    """Return the key that sorts a grouped snapshot: scopes, bulk reads, index bundles, then all other bundles."""
    if line.scope is not None:
        return f"0{line.scope.subscription.lower()}"
    url, segment = url_of(line), "1" if line.resource is None else "0"
    root = root_of_line(line)
    if not root:
        return f"1{segment}{url.lower()}"
    return "\x00".join((bundle_key(root), segment, url.lower()))


def bundle_key(root: str) -> str:
    """Return what the keys of the lines of a bundle begin with: see `sort_key`."""
    return ("2" if is_indexed(resource_type_of(root)) else "3") + root.replace("/", "\x01")
