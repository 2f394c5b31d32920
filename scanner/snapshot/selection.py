"""What of a collection is evaluated: scopes, filters, and the scopes that `--exclude` leaves out. Pure."""

import re

from msgspec import Struct, field

from scanner.errors import InputError
from scanner.model.ids import group_of, is_subscription, root_of, segments, subscription_of
from scanner.model.masked_values import masked_value
from scanner.model.resource import Bundle
from scanner.snapshot.format import Header

GRAMMAR = "write sub:NAME-OR-ID, group:NAME or group:SUBSCRIPTION/NAME"
_GROUP = re.compile(r"[\w.()-]{1,90}")


class Exclusion(Struct, frozen=True):
    """One value of `--exclude`."""

    subscription: str
    """Its name or id, "" for a resource group in any."""
    group: str
    """Its name, "" for a whole subscription."""
    at: str
    """Where it was given."""
    is_required: bool = True
    """A name that does not exist is an error."""

    @classmethod
    def parse(cls, text: str, at: str, *, is_required: bool = True) -> "Exclusion":
        """Return the exclusion that a text names. Raises InputError."""
        kind, _, rest = (segment.strip() for segment in text.partition(":"))
        if kind == "sub" and rest:
            return cls(rest, "", at, is_required)
        # A name of a subscription may hold a slash, that of a resource group may not.
        subscription, slash, group = rest.rpartition("/")
        if kind == "group" and _GROUP.fullmatch(group) and bool(subscription) == bool(slash):
            return cls(subscription, group, at, is_required)
        raise InputError(f'"{text}" is not an exclusion; nothing was read', at=at, do=GRAMMAR)

    def names(self, id: str, name: str) -> bool:
        """Return whether a subscription is the named one; every one where none is named."""
        return not self.subscription or self.subscription.lower() in (id.lower(), name.lower())


def scope_of(subscription: str, group: str = "") -> str:
    """Return the path (lower case) of a subscription, or of a resource group in it."""
    return f"/subscriptions/{subscription}{f'/resourcegroups/{group}' if group else ''}".lower()


class Selection(Struct):
    """What is evaluated. Every name is in lower case, and an empty filter selects everything."""

    subscriptions: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    """Ids of bundles."""
    tags: tuple[tuple[str, str], ...] = ()
    """Name and value; a resource must have all."""
    excluded: frozenset[str] = frozenset()
    """Paths of subscriptions and resource groups (`scope_of`)."""
    selected: set[str] = field(default_factory=set)
    """Those of `resources` that were seen."""
    tagged: set[str] = field(default_factory=set)
    """The top-level resources that have the tags: what lies below one is selected with it."""

    @classmethod
    def of(cls, header: Header) -> "Selection":
        """Return what the header of a snapshot says is evaluated."""
        pairs = (each.partition("=") for each in header.tags)
        return cls(
            frozenset(each.lower() for each in header.subscriptions),
            frozenset(each.lower() for each in header.groups),
            frozenset(root_of(id) for id in header.resources),
            tuple(_stored(name.strip(), value) for name, _, value in pairs),
            frozenset(each.lower() for each in header.excluded),
        )

    @property
    def is_filtered(self) -> bool:
        """Return whether only some of the resources of a subscription are evaluated, and so not the subscription."""
        return bool(self.groups or self.resources or self.tags)

    def has_subscription(self, id: str) -> bool:
        """Return whether anything of a subscription is evaluated."""
        lower = id.lower()
        return (not self.subscriptions or lower in self.subscriptions) and scope_of(lower) not in self.excluded

    def is_excluded(self, id: str) -> bool:
        """Return whether an id or path lies in an excluded scope."""
        subscription, group = subscription_of(id), group_of(id)
        scopes = {scope_of(subscription), scope_of(subscription, group)} if subscription else set()
        return bool(scopes & self.excluded)

    def covers(self, id: str) -> bool:
        """Return whether the place of an id or path is selected, whatever its tags are.

        A path above the resource groups is, where its subscription is: something selected may be in it.
        """
        if self.resources and root_of(id) not in self.resources and not self._below_named(root_of(id)):
            return False
        if not self.has_subscription(subscription_of(id)) or self.is_excluded(id):
            return False
        group = group_of(id).lower()
        return not (self.groups and group) or group in self.groups

    def has(self, bundle: Bundle) -> bool:
        """Return whether a bundle is evaluated. Bundles come in the order of the document: an app before its slots.

        A bundle whose top-level resource could not be read is selected whatever tags it may have.
        """
        if bundle.id in self.resources:
            self.selected.add(bundle.id)
        if is_subscription(bundle.id) and self.is_filtered:
            return False
        if not self.covers(bundle.id) or (self.groups and not group_of(bundle.id)):
            return False
        return not self.tags or self._has_tags(bundle)

    def _has_tags(self, bundle: Bundle) -> bool:
        pieces = segments(bundle.id)
        top = "/" + "/".join(pieces[: pieces.index("providers") + 4]) if "providers" in pieces else bundle.id
        if top == bundle.id and (bundle.top is None or has_tags(bundle.top.known_tags, self.tags)):
            self.tagged.add(top)
        return top in self.tagged

    def _below_named(self, root: str) -> bool:
        """Return whether a bundle lies below one of the named resources (a slot of an app)."""
        return any(root.startswith(f"{each}/") for each in self.resources)


def has_tags(known: dict[str, str], wanted: tuple[tuple[str, str], ...]) -> bool:
    """Return whether tags have the wanted values. Names of tags are compared without case."""
    values = {name.lower(): value for name, value in known.items()}
    return all(values.get(name.lower()) == value for name, value in wanted)


def _stored(name: str, value: str) -> tuple[str, str]:
    """Return a tag as snapshots hold it: a value that looks like a secret is masked."""
    return name, str(masked_value({"tags": {name: value}})["tags"][name])
