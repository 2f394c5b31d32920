"""What a rule may know of the whole snapshot: network resources, visible subscriptions, and the own networks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from scanner.model.addresses import NO_ADDRESSES, AddressSet
from scanner.model.ids import segments, subscription_of
from scanner.model.resource import Resource
from scanner.model.verdict import Unread, not_listed

INDEX_TYPES = (
    "Microsoft.Network/virtualNetworks",
    "Microsoft.Network/networkSecurityGroups",
    "Microsoft.Network/networkInterfaces",
    "Microsoft.Network/routeTables",
    "Microsoft.Network/effectiveSecurityAdminRules",
    "Microsoft.Network/publicIPAddresses",
    "Microsoft.Network/publicIPPrefixes",
    "Microsoft.Network/loadBalancers",
    "Microsoft.Network/natGateways",
    "Microsoft.Network/azureFirewalls",
    "Microsoft.Network/firewallPolicies",
    "Microsoft.Network/firewallPolicies/ruleCollectionGroups",
    "Microsoft.Network/ipGroups",
    "Microsoft.Network/virtualHubs",
    "Microsoft.Network/applicationGateways",
    "Microsoft.Network/bastionHosts",
    "Microsoft.Network/virtualNetworkGateways",
    "Microsoft.Network/privateLinkServices",
    "Microsoft.Network/privateEndpoints",
    "Microsoft.Network/networkSecurityPerimeters",
    "Microsoft.Network/networkSecurityPerimeters/profiles",
    "Microsoft.Network/networkSecurityPerimeters/profiles/accessRules",
    "Microsoft.Network/networkSecurityPerimeters/resourceAssociations",
    "Microsoft.Network/frontDoors",
    "Microsoft.Network/trafficManagerProfiles",
    "Microsoft.Cdn/profiles",
    "Microsoft.ApiManagement/service",
    "Microsoft.Web/hostingEnvironments",
    "Microsoft.App/managedEnvironments",
)
"""The types that stand first in a grouped snapshot, since verdicts on other bundles may look them up."""

EXTENSIONS = frozenset({"microsoft.network/effectivesecurityadminrules"})
"""Types that only Resource Graph lists, below other resources, and that no role grants by their own name: whoever
reads virtual networks sees them."""

_FOLDED = frozenset(each.lower() for each in INDEX_TYPES)


def is_indexed(type: str) -> bool:
    """Whether resources of that type belong to the index."""
    return type.lower() in _FOLDED


@dataclass(slots=True)
class Index:
    """`live`: made of a collection that would know of more; then what no complete listing covers is Unread.

    A file of bare resources (`live=False`) is taken to hold all perimeters that are in use.
    `subscriptions`: the ids that the caller can see, lower case, with their tenants.
    """

    resources: dict[str, Resource] = field(default_factory=dict)
    by_type: dict[str, list[Resource]] = field(default_factory=dict)
    missing: dict[str, Unread] = field(default_factory=dict)
    """Why a type (lower case) is not known in whole."""
    unlisted: dict[str, dict[str, Unread]] = field(default_factory=dict)
    """The same by subscription (lower case), where it is known which of them lack the type."""
    subscriptions: Mapping[str, str] = field(default_factory=dict)
    networks: AddressSet = NO_ADDRESSES
    wide_ipv4: int = 65536
    wide_ipv6: int = 48
    live: bool = True
    partial: frozenset[str] = frozenset()
    """The subscriptions (lower case) of which only a part is seen: a list of theirs may lack what is there."""
    memo: dict[object, object] = field(default_factory=dict)
    """A place for parsed forms (perimeters, Front Door ids): built once by the reader that needs them."""

    def add(self, resource: Resource) -> None:
        self.resources[resource.key] = resource
        self.by_type.setdefault(resource.type.lower(), []).append(resource)

    def of_type(self, type: str) -> tuple[list[Resource], Unread | None]:
        """The known resources of a type, and what may be missing of them (None: the list is complete)."""
        return self.by_type.get(type.lower(), []), self.missing.get(type.lower())

    def missing_in(self, type: str, resource_id: str) -> Unread | None:
        """What may be missing of a type in the subscription that an id names; of all where nobody knows in which."""
        whole, by = self.missing.get(type.lower()), self.unlisted.get(type.lower())
        where = subscription_of(resource_id)
        return by.get(where) if whole is not None and by is not None and where else whole

    def find(self, resource_id: str) -> Resource:
        """The resource of that id; Unread where no listing covers it, also where it is in a subscription not seen."""
        found = self.resources.get("/" + "/".join(segments(resource_id)))
        if found is None:
            raise not_listed(resource_id)
        return found

    def is_visible(self, resource_id: str) -> bool:
        """Whether the subscription that an id names is one that the caller can see."""
        return subscription_of(resource_id) in self.subscriptions


def build(resources: Iterable[Resource], **more: object) -> Index:
    """An index of these resources; `more`: fields of `Index`."""
    index = Index(**more)  # type: ignore[arg-type]
    for resource in resources:
        index.add(resource)
    return index
