"""The lines of a snapshot file: their structs, their JSON, and their order in a grouped snapshot."""

from typing import Any

import msgspec

from scanner.document.schema import ScopeRow
from scanner.model.ids import root_of, type_of
from scanner.model.index import is_indexed
from scanner.model.resource import By

VERSION = 1
"""The version of the format that is written, and the newest one that is read."""


class Header(msgspec.Struct, kw_only=True):
    """The first line of a snapshot.

    `taken`: the time of the collection (UTC, ISO 8601). `cloud`, `scopes`: what was read. `tool`: the version that
    wrote the file. `principal`: the identity that read.
    `grouped`: the lines are sorted by `sort_key`.
    `resources`: the ids that `--resource` named. Other resources in the snapshot are there to be looked up and are not
    evaluated.
    `groups`, `tags`: the filters `--resource-group` and `--tag`. With a filter a list counts more resources than the
    snapshot holds.
    `live`: read from Azure. False for a file of bare resources.
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
        """Return whether only some resources of the scopes were requested."""
        return bool(self.resources or self.groups or self.tags)


class ReadLine(msgspec.Struct, omit_defaults=True):
    """A read that succeeded: its path, the number of resources, and how it was read ("graph", "list", "get" or "")."""

    url: str
    count: int
    by: str = ""


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


class EndLine(msgspec.Struct):
    """The last line: how many distinct resources, reads and gaps the snapshot holds."""

    resources: int
    reads: int
    gaps: int


class SnapshotLine(msgspec.Struct, omit_defaults=True):
    """One line of a snapshot. Exactly one of the first seven members is set.

    `api`, `by`: the api-version of a `resource` and how it was read.
    """

    snapshot: Header | None = None
    scope: ScopeRow | None = None
    resource: dict[str, Any] | None = None
    read: ReadLine | None = None
    skip: SkipLine | None = None
    gap: GapLine | None = None
    end: EndLine | None = None
    api: str | None = None
    by: By = "list"


encoder = msgspec.json.Encoder()
decoder = msgspec.json.Decoder(SnapshotLine)


def url_of(line: SnapshotLine) -> str:
    """Return the id or path that a line is about; "" for a scope."""
    if line.resource is not None:
        return str(line.resource.get("id") or "")
    record = line.read or line.skip or line.gap
    return record.url if record else ""


def sort_key(line: SnapshotLine) -> str:
    """Return the key that sorts a grouped snapshot: scopes, bulk reads, index bundles, then all other bundles."""
    if line.scope is not None:
        return f"0{line.scope.subscription.lower()}"
    url, part = url_of(line), "1" if line.resource is None else "0"
    root = root_of(url)
    if not root:
        return f"1{part}{url.lower()}"
    rank = "2" if is_indexed(type_of(root)) else "3"
    return "\x00".join((rank + root.replace("/", "\x01"), part, url.lower()))
