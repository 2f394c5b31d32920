"""Which places are allowed for a resource: by the settings, else by the region of its resource group."""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from msgspec import Struct, field

from scanner.model.ids import group_of, segments, subscription_of
from scanner.model.json_paths import MISSING, member
from scanner.model.located import Located
from scanner.model.message import Message
from scanner.model.regions import ADEQUACY, EEA, TABLE, Region, region_name
from scanner.model.resource import Resource
from scanner.model.verdict import Accepted, Unread

EEA_WORD: Final = "eea"
WORDS: Final = frozenset({EEA_WORD, *EEA, *ADEQUACY, *TABLE, *(each.geography.lower() for each in TABLE.values())})
"""What the settings may allow: `eea`, geographies and regions, in lower case."""


SETTING: Final = Message("the setting residency.allowed")


class Allowed(NamedTuple):
    """The places that are allowed for a resource."""

    words: tuple[str, ...]
    """Regions, geographies or `eea`."""
    source: str
    """Who says so."""

    def has(self, region: Region) -> bool:
        """Return whether a region is allowed."""
        folded = region.geography.lower()
        return any(word in (region.name, folded) or (word == EEA_WORD and region.area == "eea") for word in self.words)

    def __str__(self) -> str:
        return ", ".join(self.words)


class ResidencyScope(Struct, frozen=True):
    """A part of the resources with allowed places of its own."""

    allowed: tuple[str, ...]
    source: str
    subscription: str = ""
    """Id or name."""
    tag: tuple[str, str] | None = None
    """Name and value."""


class PlaceException(NamedTuple):
    """More places that are accepted for resources (a pattern with `*`), by whom, why and until when."""

    resource: str
    allowed: tuple[str, ...]
    reason: str
    owner: str
    expires: str
    expired: bool = False
    """The last day has passed, so that it accepts nothing."""

    @property
    def accepted(self) -> Accepted:
        """Return who accepts it."""
        return Accepted(self.reason, self.owner, self.expires)

    def covers(self, resource_id: str, region: Region) -> bool:
        """Return whether it is about a resource and a region."""
        return fnmatchcase(resource_id.lower(), self.resource.lower()) and Allowed(self.allowed, "").has(region)


class ResidencyPolicy(Struct, frozen=True):
    """The settings of [residency]."""

    allowed: tuple[str, ...] = ()
    """For all resources; empty: by the region of the resource group."""
    scopes: tuple[ResidencyScope, ...] = ()
    exceptions: tuple[PlaceException, ...] = ()

    @property
    def is_set(self) -> bool:
        """Return whether the settings say what is allowed anywhere."""
        return bool(self.allowed or self.scopes)

    @property
    def tags(self) -> tuple[str, ...]:
        """Return the names of the tags that scopes are chosen by."""
        return tuple(each.tag[0] for each in self.scopes if each.tag is not None)

    def of_subscription(self, id: str, name: str) -> Allowed | None:
        """Return every place that is allowed for something in a subscription, None where no setting says it."""
        words: list[str] = []
        for scope in self.scopes:
            if scope.subscription and scope.subscription.lower() not in (id.lower(), name.lower()):
                continue
            words += scope.allowed
            if scope.tag is None:
                return Allowed(tuple(dict.fromkeys(words)), SETTING)
        words += self.allowed
        return Allowed(tuple(dict.fromkeys(words)), SETTING) if words else None


GROUP: Final = Message("the geography of the resource group")
NO_GROUPS: Final = Message("not collected")


class Residency(Struct):
    """What is known of places: the settings, the regions, the resource groups, and where other resources are."""

    policy: ResidencyPolicy = field(default_factory=ResidencyPolicy)
    regions: Mapping[str, Region] = field(default_factory=lambda: TABLE)
    groups: Mapping[str, str] = field(default_factory=dict)
    """The region of each resource group, by its id in lower case."""
    unread: Mapping[str, Unread] = field(default_factory=dict)
    """Why the groups of a subscription (lower case) are not known."""
    names: Mapping[str, str] = field(default_factory=dict)
    """The names of subscriptions."""
    locate: Callable[[], Mapping[str, str]] = dict
    """Returns the region of each top-level resource by its id in lower case; called once, where a verdict asks for
    another resource.
    """
    _locations: Located | None = None

    def allowed(self, resource: Resource) -> Allowed:
        """Return the places that are allowed for a resource. Raises Unread where no setting says it and the region of
        its resource group is not known.
        """
        for scope in self.policy.scopes:
            if self._is_in(scope, resource):
                return Allowed(scope.allowed, scope.source)
        if self.policy.allowed:
            return Allowed(self.policy.allowed, SETTING)
        group = f"/subscriptions/{resource.subscription}/resourcegroups/{group_of(resource.id).lower()}"
        region = self.groups.get(group)
        if region is None:
            unread = self.unread.get(resource.subscription)
            raise Unread(Message("the region of the resource group"), NO_GROUPS) if unread is None else unread.again()
        known = self.regions.get(region)
        if known is None:
            raise Unread(
                Message("the region of the resource group"),
                Message("unknown region {region}", region=repr(region)[:60]),
            )
        return Allowed(
            (known.geography.lower(),), Message("{group}, whose region is {region}", group=GROUP, region=region)
        )

    def _is_in(self, scope: ResidencyScope, resource: Resource) -> bool:
        own = resource.subscription
        if scope.subscription and scope.subscription.lower() not in (own, self.names.get(own, "").lower()):
            return False
        if scope.tag is None:
            return True
        name, value = scope.tag
        holder = resource if resource.known_tags or resource.bundle.top is None else resource.bundle.top
        item = member(holder.tags, name)
        return item is not MISSING and str(item).lower() == value.lower()

    def exception(self, resource: Resource, region: Region) -> PlaceException | None:
        """Return the exception that covers a place of a resource, one that has not expired first."""
        exceptions = [each for each in self.policy.exceptions if each.covers(resource.id, region)]
        return min(exceptions, key=lambda each: each.expired, default=None)

    def located(self) -> Located:
        """Return the region of each top-level resource of the snapshot by its id in lower case."""
        if self._locations is None:
            result = self.locate()
            self._locations = result if isinstance(result, Located) else Located(result)
        return self._locations

    def region_of(self, resource_id: str) -> str:
        """Return the region of another resource; "" where it is not known."""
        pieces = segments(resource_id)
        start = pieces.index("providers") if "providers" in pieces else len(pieces)
        return region_name(self.located().get("/" + "/".join(pieces[: start + 4]), ""))

    def why_unknown(self, resource_id: str) -> Message:
        """Return why the region of another resource is not known."""
        visible = subscription_of(resource_id) in self.names
        return (
            Message("not in the snapshot") if visible else Message("in a subscription that is not visible to this scan")
        )
