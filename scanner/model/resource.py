"""One ARM resource as plain data: its id, its properties by path, and what was read below it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

from msgspec import Struct

from scanner.model.ids import (
    SUBSCRIPTION,
    group_of,
    list_of,
    name_of,
    normalized_id,
    resource_type_of,
    segments,
    subscription_of,
)
from scanner.model.json_paths import MISSING, get_path, is_absent, member, value_at
from scanner.model.message import NOTHING, Message, name
from scanner.model.verdict import ABSENT, Evidence, Unread, malformed, not_a_list, not_returned

T = TypeVar("T")


class ChildRead(Protocol):
    """The part of a declared read (`model.rule.Read`) that a resource needs."""

    path: str
    key: str
    one: bool
    off: frozenset[str]

    def needed(self, parent: "Resource") -> bool: ...


By = Literal["graph", "list", "get", "import", "older"]
"""How a record was read. For `graph` and `import` its api-version is not known: see `Resource.api_version_unknown`.
`older`: by a list or GET at an older api-version than the pinned one, because Azure does not serve that.
"""

RICHNESS: dict[str, int] = {"import": 0, "graph": 0, "older": 1, "list": 1, "get": 2}


class Children(Struct):
    """The child resources that are known below one read."""

    items: list["Resource"]
    gap: Unread | None = None
    """Why some may be missing, None where all are known."""

    def __iter__(self) -> Iterator["Resource"]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def all(self) -> list["Resource"]:
        """Return all children. Raises Unread where some may be missing."""
        if self.gap is not None:
            raise self.gap.again()
        return self.items


LOST = "SubscriptionMissing"
"""The code of a gap that a history adds: an earlier scan saw the subscription, this one did not."""


class Gap(Struct):
    """A read that failed or was refused."""

    url: str
    status: int
    """0 where there was no response; `code` is then Timeout, Reset or BadJson."""
    code: str
    action: str = ""
    resources: int = 0
    """Of a list, how many resources Resource Graph counts that were not read; 0 also where that is not known."""

    def why(self) -> Message:
        """Return a clause for messages: the status and code, and the missing action."""
        answer = f"{self.status} {self.code}".strip() if self.status else self.code
        return (
            Message("{answer}, missing {action}", answer=answer, action=self.action)
            if self.status in (401, 403) and self.action
            else name(answer)
        )


@dataclass(slots=True)
class Bundle:
    """A top-level resource with everything that was read below it. Keys are paths in lower case."""

    id: str
    resources: dict[str, "Resource"] = field(default_factory=dict)
    reads: dict[str, int] = field(default_factory=dict)
    skips: dict[str, str] = field(default_factory=dict)
    gaps: dict[str, Gap] = field(default_factory=dict)
    below: dict[str, list["Resource"]] = field(default_factory=dict)
    ages: dict[str, str] = field(default_factory=dict)
    """The times (UTC, ISO 8601) of the reads that an earlier scan made."""
    memo: dict[tuple[object, ...], Any] | None = None
    """What was computed of its resources, by what computes it and the key of the resource; None while
    more may be read."""

    def add(self, resource: "Resource") -> None:
        """Add a record; of two with one id the one with more properties stays."""
        known = self.resources.get(resource.key)
        if known is not None:
            if RICHNESS[resource.by] <= RICHNESS[known.by]:
                return
            self.below[known.list_key].remove(known)
        resource.bundle = self
        self.resources[resource.key] = resource
        self.below.setdefault(resource.list_key, []).append(resource)

    def release(self) -> None:
        """Forget the resources, after the last use, so that they are freed without Python's collector of cycles: they
        and their bundle hold each other. Afterwards none of them has a bundle, so that a later use is an error.
        """
        for each in self.resources.values():
            del each.bundle
        self.resources, self.below, self.memo = {}, {}, None

    @property
    def top(self) -> "Resource | None":
        return self.resources.get(self.id) or self.resources.get("/" + "/".join(segments(self.id)))


class Resource:
    """One ARM resource. Property names, ids and enum values compare without case."""

    __slots__ = ("api", "body", "bundle", "by", "has_no_properties", "id", "key", "list_key", "name", "type")

    def __init__(self, body: dict[str, Any], *, api: str | None = None, by: By = "list", bundle: Bundle | None = None):
        identity = member(body, "id")
        self.body = body
        self.id: str = identity if isinstance(identity, str) else ""
        self.key = normalized_id(self.id)
        self.list_key = list_of(self.id)
        self.type = resource_type_of(self.id)
        self.name = name_of(self.id)
        self.api = api
        self.by: By = by
        self.has_no_properties = self.lacks_properties(body, self.type)
        """Whether the body has no properties at all: then nothing is known to be open or closed."""
        self.bundle = bundle if bundle is not None else Bundle(self.id)
        if bundle is None:
            self.bundle.add(self)

    def __repr__(self) -> str:
        return f"Resource({self.id!r})"

    @staticmethod
    def lacks_properties(body: Any, type: str) -> bool:
        """Return whether a body has no properties. A subscription has its values beside its id."""
        kind = str if type == SUBSCRIPTION else dict
        try:
            return not isinstance(member(body, "state" if kind is str else "properties"), kind)
        except Unread:
            return True

    @property
    def api_version_unknown(self) -> bool:
        """Return whether the api-version of the record is not known, or not the pinned one, so that an absent property
        has no known meaning.
        """
        return self.by in ("graph", "import", "older")

    @property
    def why_absent_is_unknown(self) -> Message:
        """Return why an absent property of this record has no known meaning; "" where it means what Azure documents."""
        if self.has_no_properties:
            return Message("Azure returned no properties")
        return Message("missing from a record of unknown API version") if self.api_version_unknown else NOTHING

    @property
    def subscription(self) -> str:
        return subscription_of(self.id)

    @property
    def group(self) -> str:
        return group_of(self.id)

    @property
    def location(self) -> str:
        """Return the region as ARM names it (`norwayeast`); "" where the body has none."""
        value = member(self.body, "location")
        return value.lower().replace(" ", "") if isinstance(value, str) else ""

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags, for rules. Looking up a tag that was not kept raises Unread."""
        value = member(self.body, "tags")
        return value if isinstance(value, dict) else {}

    @property
    def known_tags(self) -> dict[str, str]:
        """Return the tags of the body; of one that was cut those that were kept."""
        value = member(self.body, "tags")
        return {str(key): str(text) for key, text in dict.items(value)} if isinstance(value, dict) else {}

    def get(self, path: str) -> Any:
        """Return the value below a path, null included; MISSING without one. Raises Unread for a path that was not
        kept, and for one that leads into a value that is no object.
        """
        # Of a body without properties everything is unknown: has_no_properties.
        return get_path(self.body, path) if self.has_no_properties else value_at(self.body, path)

    def once(self, name: str, of: object, make: Callable[[], T]) -> T:
        """Return what `make` returns; made once while the bundle is evaluated. `name`: what is made; `of`: a row or a
        read of which it is made.
        """
        memo = self.bundle.memo
        if memo is None:
            return make()
        key = name, of, self.key
        if key in memo:
            result: T = memo[key]
            return result
        made = memo[key] = make()
        return made

    def has(self, path: str) -> bool:
        """Return whether the body has a value below a path that is not null."""
        return not is_absent(self.get(path))

    def require(self, path: str) -> Any:
        """Return the value below a path. Raises Unread where it is absent or null, because ARM did not return it
        then.
        """
        value = self.get(path)
        if is_absent(value):
            raise not_returned(path)
        return value

    def items(self, path: str) -> list[Any]:
        """Return the list below a path; [] where it is absent or null. Raises Unread where the value is no list, and
        for a body without properties.
        """
        value = self.get(path)
        if is_absent(value):
            if self.has_no_properties and path.startswith("properties."):
                raise Unread(path, self.why_absent_is_unknown)
            return []
        if not isinstance(value, list):
            raise not_a_list(path)
        return value

    def objects(self, path: str) -> list[Any]:
        """Return what `items` returns. Raises Unread also where an entry is no JSON object."""
        result = self.items(path)
        if not all(isinstance(each, dict) for each in result):
            raise malformed(f"{path}[]")
        return result

    def text(self, path: str) -> str:
        """Return the text below a path; "" where it is absent or null. Raises Unread for a value that is no text."""
        value = self.get(path)
        if is_absent(value):
            return ""
        if not isinstance(value, str):
            raise malformed(path)
        return value

    def evidence(self, path: str, expected: object = None) -> Evidence:
        """Return the evidence for the value below a path."""
        value = self.get(path)
        return Evidence(path, ABSENT if value is MISSING else value, expected)

    def url(self, child: ChildRead) -> str:
        """Return the ARM path of a read below this resource."""
        return f"{self.id}/{child.path}"

    def children(self, child: ChildRead) -> Children:
        """Return what is known below a read. It never raises: check `.gap`."""
        resources = self._below(child)
        if not child.needed(self):
            return Children(resources)
        return Children(resources, self._missing(child, len(resources)))

    def child(self, child: ChildRead) -> "Resource | None":
        """Return the one resource of a single read; None where Azure says that there is none. Raises Unread where
        that is not known.
        """
        resources = self._below(child)
        if resources:
            return resources[0]
        if not child.needed(self):
            return None
        missing = self._missing(child, 0)
        if missing is not None:
            raise missing.again()
        return None

    def _below(self, child: ChildRead) -> list["Resource"]:
        list_path = self.key + child.key
        if child.one:
            single = self.bundle.resources.get(list_path)
            return [] if single is None else [single]
        return list(self.bundle.below.get(list_path, ()))

    def _missing(self, child: ChildRead, value: int) -> Unread | None:
        list_path = self.key + child.key
        bundle = self.bundle
        count = bundle.reads.get(list_path)
        if count is not None:
            return (
                Unread(
                    child.path, Message("{count} were collected, {found} are in the snapshot", count=count, found=value)
                )
                if count > value
                else None
            )
        gap = bundle.gaps.get(list_path)
        if gap is not None:
            return Unread(child.path, gap.why(), gap.url)
        why = bundle.skips.get(list_path)
        if why is not None and why in child.off:
            return None
        return Unread(child.path, Message("not collected ({why})", why=why) if why else Message("not collected"))

    def off(self, child: ChildRead) -> str | None:
        """Return the error code with which Azure said that this SKU or kind has no such children; None without one."""
        why = self.bundle.skips.get(self.key + child.key)
        return why if why is not None and why in child.off else None
