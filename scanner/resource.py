"""One ARM resource as plain data: its id, its properties by path, and what was read below it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from scanner.verdict import ABSENT, Evidence, Unread

if TYPE_CHECKING:
    from scanner.rule import Child

By = Literal["graph", "list", "get", "import"]
"""How a record was read. Of `graph` rows and imported files the api-version is not known: see `Resource.thin`."""

RICHNESS: dict[str, int] = {"import": 0, "graph": 0, "list": 1, "get": 2}


class _Missing:
    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()
"""What `Resource.look` answers for a property that the body does not have."""


@lru_cache(maxsize=4096)
def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


@lru_cache(maxsize=8192)
def _folded(keys: tuple[str, ...]) -> dict[str, str]:
    return {key.lower(): key for key in keys}


def member(body: Any, name: str) -> Any:
    """The member of a JSON object whatever its case, or MISSING; a body that is no object has none."""
    if not isinstance(body, dict):
        return MISSING
    if name in body:
        return body[name]
    key = _folded(tuple(body)).get(name.lower())
    return MISSING if key is None else body[key]


def look(body: Any, path: str) -> Any:
    """The value below a dotted path whatever the case of its keys, or MISSING."""
    for step in _steps(path):
        try:
            body = body[step]
        except (KeyError, TypeError):
            body = member(body, step)
            if body is MISSING:
                return MISSING
    return body


def same(seen: object, known: object) -> bool:
    """Whether a value from Azure is a known one: text without case, and "true" for true."""
    if seen is known:
        return True
    if isinstance(known, bool) or isinstance(seen, bool):
        return str(seen).lower() == str(known).lower()
    if isinstance(seen, str) and isinstance(known, str):
        return seen.lower() == known.lower()
    return seen == known


@lru_cache(maxsize=8192)
def segments(url: str) -> tuple[str, ...]:
    """The parts of an ARM id or path, in lower case, without empty ones and without the query."""
    return tuple(part for part in url.split("?", 1)[0].lower().split("/") if part)


@lru_cache(maxsize=8192)
def type_of(resource_id: str) -> str:
    """The ARM type that an id names, as the id spells it; "" for a subscription or a group."""
    parts = [part for part in resource_id.split("?", 1)[0].split("/") if part]
    for place in range(len(parts) - 1, -1, -1):
        if parts[place].lower() == "providers":
            rest = parts[place + 1 :]
            return "/".join([*rest[:1], *rest[1::2]]) if len(rest) > 1 else ""
    return ""


def subscription_of(url: str) -> str:
    """The subscription id that an id or path names, in lower case, or ""."""
    parts = segments(url)
    return parts[1] if len(parts) > 1 and parts[0] == "subscriptions" else ""


@lru_cache(maxsize=8192)
def group_of(resource_id: str) -> str:
    """The resource group that an id names, as it spells it, or ""."""
    parts = [part for part in resource_id.split("/") if part]
    return parts[3] if len(parts) > 3 and parts[2].lower() == "resourcegroups" else ""


_OWN_BUNDLES = frozenset({"microsoft.web/sites/slots"})
"""Nested types of which each resource is a bundle of its own."""

_PERIMETERS = "microsoft.network/networksecurityperimeters"
_LISTED_NESTED = frozenset(
    {
        *_OWN_BUNDLES,
        f"{_PERIMETERS}/profiles",
        f"{_PERIMETERS}/profiles/accessrules",
        f"{_PERIMETERS}/resourceassociations",
        "microsoft.network/firewallpolicies/rulecollectiongroups",
    }
)
"""Nested types of which a collection reads all in a subscription: below it, their path is a list, not a resource."""


@lru_cache(maxsize=2048)
def root_of(url: str) -> str:
    """The id (lower case) of the bundle that a resource, or a read below one, belongs to; "" for bulk reads."""
    parts = segments(url)
    if "providers" not in parts:
        return ""
    start = parts.index("providers")
    end = start + 4
    if len(parts) < end or (start == 2 and "/".join(parts[start + 1 :]) in _LISTED_NESTED):
        return ""
    if len(parts) >= end + 2 and f"{parts[start + 1]}/{parts[start + 2]}/{parts[end]}" in _OWN_BUNDLES:
        end += 2
    return "/" + "/".join(parts[:end])


@dataclass(slots=True)
class Children:
    """The child resources that are known below one read; `gap` says what is missing, None when they are all there."""

    items: list["Resource"]
    gap: Unread | None = None

    def __iter__(self) -> Iterator["Resource"]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def all(self) -> list["Resource"]:
        """All of them, or Unread where some may be missing."""
        if self.gap is not None:
            raise self.gap
        return self.items


LOST = "SubscriptionMissing"
"""The code of a gap that a history adds: an earlier scan saw the subscription, this one was not shown it."""


@dataclass(slots=True)
class Gap:
    """A read that failed or was refused. `status` 0: there was no answer; `code` is then Timeout, Reset or BadJson."""

    url: str
    status: int
    code: str
    action: str = ""

    def why(self) -> str:
        """A clause for messages: what was answered, and what is missing."""
        answer = f"{self.status} {self.code}".strip() if self.status else self.code
        return f"{answer}, missing {self.action}" if self.status in (401, 403) and self.action else answer


@dataclass(slots=True)
class Bundle:
    """A top-level resource with everything that was read below it. Keys are paths in lower case."""

    id: str
    resources: dict[str, "Resource"] = field(default_factory=dict)
    reads: dict[str, int] = field(default_factory=dict)
    skips: dict[str, str] = field(default_factory=dict)
    gaps: dict[str, Gap] = field(default_factory=dict)
    below: dict[str, list["Resource"]] = field(default_factory=dict)

    def add(self, resource: "Resource") -> None:
        """Take a record; of one id the richer one stays."""
        known = self.resources.get(resource.key)
        if known is not None:
            if RICHNESS[resource.by] <= RICHNESS[known.by]:
                return
            self.below[known.list_key].remove(known)
        resource.bundle = self
        self.resources[resource.key] = resource
        self.below.setdefault(resource.list_key, []).append(resource)

    @property
    def top(self) -> "Resource | None":
        return self.resources.get("/" + "/".join(segments(self.id)))


class Resource:
    """One ARM resource. Property names, ids and enum values compare without case."""

    __slots__ = ("api", "body", "bundle", "by", "id", "key", "list_key", "mute", "name", "type")

    def __init__(self, body: dict[str, Any], *, api: str | None = None, by: By = "list", bundle: Bundle | None = None):
        identity = member(body, "id")
        self.body = body
        self.id: str = identity if isinstance(identity, str) else ""
        parts = segments(self.id)
        self.key = "/" + "/".join(parts)
        self.list_key = "/" + "/".join(parts[:-1])
        self.type = type_of(self.id)
        self.name = self.id.rstrip("/").rsplit("/", 1)[-1]
        self.api = api
        self.by: By = by
        self.mute = not isinstance(member(body, "properties"), dict)
        """Whether the answer held no properties at all: it shows neither that something is open, nor closed."""
        self.bundle = bundle if bundle is not None else Bundle(self.id)
        if bundle is None:
            self.bundle.add(self)

    def __repr__(self) -> str:
        return f"Resource({self.id!r})"

    @property
    def thin(self) -> bool:
        """Whether an absent property says nothing, since the api-version of the record is not known."""
        return self.by in ("graph", "import")

    @property
    def silence(self) -> str:
        """Why an absent property of this record says nothing; "" where it means what Azure documents."""
        if self.mute:
            return "the answer held no properties"
        return "absent in a record whose api-version is not known" if self.thin else ""

    @property
    def subscription(self) -> str:
        return subscription_of(self.id)

    @property
    def group(self) -> str:
        return group_of(self.id)

    @property
    def location(self) -> str:
        """The region as ARM names it (`norwayeast`), "" where the body has none."""
        value = member(self.body, "location")
        return value.lower().replace(" ", "") if isinstance(value, str) else ""

    @property
    def tags(self) -> dict[str, str]:
        value = member(self.body, "tags")
        return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}

    def look(self, path: str) -> Any:
        """What the body has there, null included, or MISSING."""
        return look(self.body, path)

    def has(self, path: str) -> bool:
        """Whether the body has a value there that is not null."""
        return self.look(path) is not MISSING and self.look(path) is not None

    def need(self, path: str) -> Any:
        """The value there; Unread where it is absent or null, since both mean that it was not returned."""
        value = self.look(path)
        if value is MISSING or value is None:
            raise Unread(path, "the answer did not hold it")
        return value

    def get(self, path: str, default: Any, *, source: str) -> Any:
        """The value there, or what Azure documents for an absent one (`source` names where).

        Unread where the record is thin: use it for defaults that could pass, and a `Switch` for those that could fail.
        """
        if not source:
            raise TypeError("a default without a source is a guess")
        value = self.look(path)
        if value is MISSING or value is None:
            if self.thin or self.mute:
                raise Unread(path, self.silence)
            return default
        return value

    def items(self, path: str) -> list[Any]:
        """The list there; [] where it is absent or null; Unread where it is something else."""
        value = self.look(path)
        if value is MISSING or value is None:
            return []
        if not isinstance(value, list):
            raise Unread(path, "this is no list")
        return value

    def seen(self, path: str, expected: object = None) -> Evidence:
        """Evidence of what the body has there."""
        value = self.look(path)
        return Evidence(path, ABSENT if value is MISSING else value, expected)

    def url(self, child: "Child") -> str:
        """The ARM path of a read below this resource."""
        return f"{self.id}/{child.path}"

    def children(self, child: "Child") -> Children:
        """What is known below a read; never raises: look at `.gap`."""
        found = self._below(child)
        if not child.needed(self):
            return Children(found)
        return Children(found, self._missing(child, len(found)))

    def child(self, child: "Child") -> "Resource | None":
        """The one resource of a single read, None where Azure says that there is none; Unread where it is not known."""
        found = self._below(child)
        if found:
            return found[0]
        if not child.needed(self):
            return None
        missing = self._missing(child, 0)
        if missing is not None:
            raise missing
        return None

    def _below(self, child: "Child") -> list["Resource"]:
        place = self.key + child.key
        if child.one:
            single = self.bundle.resources.get(place)
            return [] if single is None else [single]
        return list(self.bundle.below.get(place, ()))

    def _missing(self, child: "Child", found: int) -> Unread | None:
        place = self.key + child.key
        bundle = self.bundle
        count = bundle.reads.get(place)
        if count is not None:
            return Unread(child.path, f"{count} were read, {found} are here") if count > found else None
        gap = bundle.gaps.get(place)
        if gap is not None:
            return Unread(child.path, gap.why(), gap.url)
        why = bundle.skips.get(place)
        if why is not None and why in child.off:
            return None
        return Unread(child.path, f"not read ({why})" if why else "it was not read")

    def off(self, child: "Child") -> str | None:
        """The error code that says that this SKU or kind does not have such children, or None."""
        why = self.bundle.skips.get(self.key + child.key)
        return why if why is not None and why in child.off else None
