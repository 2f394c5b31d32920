"""What a rule may know of the whole snapshot: network resources, vaults, visible subscriptions, own networks."""

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain

from msgspec import Struct, field

from scanner.model.addresses import NO_ADDRESSES, AddressSet
from scanner.model.ids import SUBSCRIPTION, root_of, segments, subscription_of, type_of
from scanner.model.keys import KeyRegister
from scanner.model.message import Message
from scanner.model.residency import Residency
from scanner.model.resource import Bundle, Resource
from scanner.model.verdict import Evidence, Unread, not_listed

INDEX_TYPES = (
    "Microsoft.Network/virtualNetworks",
    "Microsoft.Network/networkSecurityGroups",
    "Microsoft.Network/networkInterfaces",
    "Microsoft.Network/networkWatchers",
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
    "Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies",
    "Microsoft.Network/FrontDoorWebApplicationFirewallPolicies",
    "Microsoft.Network/bastionHosts",
    "Microsoft.Network/privateLinkServices",
    "Microsoft.Network/privateEndpoints",
    "Microsoft.Network/networkSecurityPerimeters",
    "Microsoft.Network/networkSecurityPerimeters/profiles",
    "Microsoft.Network/networkSecurityPerimeters/profiles/accessRules",
    "Microsoft.Network/networkSecurityPerimeters/resourceAssociations",
    "Microsoft.Network/frontDoors",
    "Microsoft.Network/trafficManagerProfiles",
    "Microsoft.Network/vpnServerConfigurations",
    "Microsoft.Cdn/profiles",
    "Microsoft.ApiManagement/service",
    "Microsoft.Web/hostingEnvironments",
    "Microsoft.App/managedEnvironments",
    "Microsoft.KeyVault/vaults",
    "Microsoft.KeyVault/managedHSMs",
    "Microsoft.Compute/diskEncryptionSets",
    "Microsoft.Compute/diskAccesses",
    "Microsoft.RecoveryServices/vaults",
    "Microsoft.DataProtection/backupVaults",
    "Microsoft.Insights/activityLogAlerts",
    "Microsoft.Insights/actionGroups",
    "Microsoft.OperationalInsights/workspaces",
    "Microsoft.Insights/privateLinkScopes",
    "Microsoft.MachineLearningServices/workspaces",
    "Microsoft.DataFactory/factories",
    "Microsoft.Search/searchServices",
    "Microsoft.Kusto/clusters",
    "Microsoft.Dashboard/grafana",
)
"""The types that come first in a grouped snapshot, because verdicts on other bundles may need them."""

RESOURCE_GRAPH = "/providers/Microsoft.ResourceGraph/resources"
"""The path of the queries of Resource Graph: the URL of the gap where it does not answer what nothing else says."""

EXTENSIONS = frozenset({"microsoft.network/effectivesecurityadminrules"})
"""Types that only Resource Graph lists, below other resources. No role grants them by their own name: an identity
that reads virtual networks sees them.
"""

LISTED_BY_GROUP = frozenset({"microsoft.network/virtualnetworkgateways"})
"""Types (lower case) that ARM lists in a resource group, and not in a subscription: the REST API of virtual network
gateways has no other list (azure-mgmt-network: `virtual_network_gateways.list(resource_group_name)`).
"""

_MANAGERS = "Microsoft.Network/networkManagers"
MANAGER_TYPES = (
    _MANAGERS,
    f"{_MANAGERS}/networkGroups/members",
    f"{_MANAGERS}/securityAdminRegionalGoalStates",
    f"{_MANAGERS}/securityAdminConfigurations/snapshots",
    f"{_MANAGERS}/securityAdminConfigurations/ruleCollections/snapshots",
    f"{_MANAGERS}/securityAdminConfigurations/ruleCollections/rules/snapshots",
)
"""What Resource Graph has of network managers: the deployed security admin rules (Microsoft Learn,
virtual-network-manager/concept-azure-resource-graph). A row of `EXTENSIONS` says which of them a network needs.
"""

NO_ROW = Message(
    "Resource Graph shows this identity no such resource: it may be gone, or this identity may not read it "
    "(Reader on its resource group is enough)"
)
"""Why a resource outside of what was read may exist, where Resource Graph was asked for it."""


def unnamed_id(type: str, name: str) -> str:
    """Return what stands for the id of a resource of which only a unique name is known, in lower case."""
    return f"/providers/{type}/{name}".lower()


_FOLDED = frozenset(each.lower() for each in (*INDEX_TYPES, *MANAGER_TYPES, SUBSCRIPTION))


ORDER = hashlib.sha256("\n".join(sorted(_FOLDED)).encode()).hexdigest()[:8]
"""Names the types of the index: a snapshot that is sorted by others is sorted again when it is read."""


def is_indexed(type: str) -> bool:
    """Return whether resources of that type belong to the index."""
    return type.lower() in _FOLDED


class ResourcesByKey(Mapping[str, Resource]):
    """Resources by their key, in no particular order.

    It holds hashes in place of keys, which a stored resource makes of its id when it is asked.
    """

    def __init__(self) -> None:
        self._cache: dict[int, Resource] = {}
        """Resources by the hash of their key, until they are packed."""
        self._hashes = array("q")
        """The hashes of the packed ones, sorted."""
        self._packed: list[Resource] = []
        self._others: dict[str, Resource] = {}
        """Resources whose key has the hash of another one."""

    def add(self, resource: Resource) -> None:
        """Add a resource, in place of one with the same key. None is added after `pack`."""
        key = resource.key
        known = self._cache.setdefault(hash(key), resource)
        if known is resource:
            return
        if known.key == key:
            self._cache[hash(key)] = resource
        else:
            self._others[key] = resource

    def pack(self) -> None:
        """Take less memory: 16 bytes for each resource in place of a hundred, while finding one takes longer."""
        assert not self._packed
        self._hashes.extend(sorted(self._cache))
        self._packed = [self._cache[each] for each in self._hashes]
        self._cache = {}

    def __getitem__(self, key: str) -> Resource:
        number = hash(key)
        if self._packed:
            position = bisect_left(self._hashes, number)
            is_there = position < len(self._hashes) and self._hashes[position] == number
            resource = self._packed[position] if is_there else None
        else:
            resource = self._cache.get(number)
        if resource is not None and resource.key == key:
            return resource
        return self._others[key]

    def __iter__(self) -> Iterator[str]:
        for each in chain(self._cache.values(), self._packed):
            yield each.key
        yield from self._others

    def __len__(self) -> int:
        return len(self._cache) + len(self._packed) + len(self._others)

    def with_bundle(self, bundle: Bundle) -> "ResourcesByKey":
        """Return these resources with those of a bundle, as it is when one is looked up, in place of the same ones."""
        return _WithBundle(self, bundle)


class _WithBundle(ResourcesByKey):
    """Resources by their key, those of one bundle in place of others. Nothing is copied."""

    def __init__(self, known: ResourcesByKey, bundle: Bundle) -> None:
        self._known = known
        self._bundle = bundle
        self._replaced = bundle.resources

    def __getitem__(self, key: str) -> Resource:
        own = self._bundle.resources
        return own[key] if key in own or key in self._replaced else self._known[key]

    def __iter__(self) -> Iterator[str]:
        yield from (key for key in self._known if key not in self._replaced)
        yield from self._bundle.resources

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Index(Struct):
    """The resources of INDEX_TYPES by id and type, and what of them may be missing."""

    resources: ResourcesByKey = field(default_factory=ResourcesByKey)
    by_type: dict[str, list[Resource]] = field(default_factory=dict)
    missing: dict[str, Unread] = field(default_factory=dict)
    """Why a type (lower case) is not known in full."""
    unlisted: dict[str, dict[str, Unread]] = field(default_factory=dict)
    """Why a type (lower case) is not known in a subscription (lower case), where it is known which ones lack it."""
    subscriptions: Mapping[str, str] = field(default_factory=dict)
    """The ids that this identity can see, in lower case, with their tenants."""
    tenants: frozenset[str] = frozenset()
    """The ids (lower case) of several tenants that belong to one organisation and were read together."""
    networks: AddressSet = NO_ADDRESSES
    wide_ipv4: int = 65536
    wide_ipv6: int = 48
    live: bool = True
    """Made of a collection, so that what no complete listing covers is Unread. A file of bare resources (`live=False`)
    counts as holding all perimeters that are in use.
    """
    partial: frozenset[str] = frozenset()
    """The subscriptions (lower case) with partial visibility: their lists may be incomplete."""
    named: Mapping[str, Resource | None] = field(default_factory=dict)
    """What Resource Graph shows of resources outside of what was read, by id in lower case; None: no row."""
    unanswered: Unread | None = None
    """Why Resource Graph did not say what nothing else says; None where it did."""
    residency: Residency = field(default_factory=Residency)
    """Which places are allowed, and what is known of regions and resource groups."""
    keys: KeyRegister = field(default_factory=KeyRegister)
    """The vaults by address, and which resources name a key."""
    taken: str = ""
    """When the snapshot was taken, in ISO 8601: what dates are compared with."""
    names: Callable[[], Mapping[str, str]] = dict
    """Returns the ids (lower case) of apps and container groups by their hosts."""
    closed: Callable[[], Mapping[str, Evidence | Unread]] = dict
    """Returns the storage accounts and namespaces (ids in lower case) whose firewall keeps logs out, or may."""
    whole: Callable[[str, str], Unread | None] | None = None
    """Returns why more resources of a type may exist than the snapshot has, None where it has all of a subscription, or
    with "" of the subscriptions that this identity can see.
    """
    memo: dict[object, object] = field(default_factory=dict)
    """Parsed forms, as perimeters and Front Door ids, each made once by the first function that needs it."""

    def add(self, resource: Resource) -> None:
        self.resources.add(resource)
        self.by_type.setdefault(resource.type.lower(), []).append(resource)

    def of_type(self, type: str) -> tuple[list[Resource], Unread | None]:
        """Return the known resources of a type, and what may be missing of them (None: the list is complete)."""
        return self.by_type.get(type.lower(), []), self.missing.get(type.lower())

    def missing_in(self, type: str, resource_id: str) -> Unread | None:
        """Return what may be missing of a type in the subscription that an id names; of all where it is not known in
        which.
        """
        whole, by = self.missing.get(type.lower()), self.unlisted.get(type.lower())
        where = subscription_of(resource_id)
        return by.get(where) if whole is not None and by is not None and where else whole

    def incomplete(self, type: str) -> Unread | None:
        """Return why more resources of a type may exist than the snapshot has; None where it has them all."""
        missing = self.missing.get(type.lower())
        return missing if missing is not None or self.whole is None else self.whole(type, "")

    def exists(self, resource_id: str) -> bool:
        """Return whether the top-level resource of an id exists. Raises Unread where no complete list says so.

        What is not in the scan is not gone: its subscription must be visible in full, and its type listed there. Of
        what is outside, a row of Resource Graph proves that it exists; that it shows none proves nothing.
        """
        top = root_of(resource_id)
        shown = self.named.get(top)
        if top in self.resources or (shown is None and top in self.residency.located()):
            return True
        missing = self._why_unlisted(top, resource_id)
        if missing is None or shown is not None:
            return missing is not None
        raise missing if missing.gap else self._why_not_named(top, resource_id) or missing

    def _why_not_named(self, id: str, what: str) -> Unread | None:
        """Return why Resource Graph shows no resource of an id (lower case); None where that is not known.

        `what`: what is unread then.
        """
        if id in self.named:
            return Unread(what, NO_ROW)
        return None if self.unanswered is None else Unread(what, self.unanswered.why, self.unanswered.gap)

    def _why_unlisted(self, top: str, resource_id: str) -> Unread | None:
        """Return why no complete list says whether a top-level resource exists; None where one does."""
        type = type_of(top)
        if not self.live:
            return not_listed(resource_id)
        if not self.is_visible(top):
            return Unread(resource_id, Message("it is in a subscription that this scan does not see"))
        if subscription_of(top) in self.partial:
            return Unread(resource_id, Message("its subscription is visible in part"))
        missing = self.missing_in(type, top)
        if missing is None and self.whole is not None and not is_indexed(type):
            missing = self.whole(type, subscription_of(top))
        return None if missing is None else missing.again()

    def why_not_located(self, resource_id: str) -> Unread:
        """Return why the region of another resource is not known."""
        named = self._why_not_named(root_of(resource_id), resource_id)
        return named or Unread(resource_id, self.residency.why_unknown(resource_id))

    def exists_by_name(self, type: str, name: str, subscription: str = "") -> bool:
        """Return whether a resource of a type has a name that is unique in Azure. Raises Unread where it is not known.

        `subscription`: the id of the one that must have it; "" where it may be in any.
        """
        if self.residency.located().has_name(type.lower(), name.lower()):
            return True
        missing: Unread | None = Unread(name, Message("not in the snapshot, and its subscription is not known"))
        if subscription:
            top = f"/subscriptions/{subscription}/resourcegroups/any/providers/{type.lower()}/{name.lower()}"
            missing = self._why_unlisted(top, name)
        if missing is None:
            return False
        raise missing if missing.gap else self._why_not_named(unnamed_id(type, name), name) or missing

    def find(self, resource_id: str) -> Resource:
        """Return the resource of that id. Raises Unread where no listing covers it, as in a subscription that is not
        visible.
        """
        resource = self.resources.get("/" + "/".join(segments(resource_id)))
        if resource is None:
            raise not_listed(resource_id)
        return resource

    def same_owner(self, tenant: str, other: str) -> bool:
        """Return whether two tenants are one, or belong to one organisation."""
        return tenant.lower() == other.lower() or {tenant.lower(), other.lower()} <= self.tenants

    def is_visible(self, resource_id: str) -> bool:
        """Return whether this identity can see the subscription that an id names."""
        return subscription_of(resource_id) in self.subscriptions


def build(resources: Iterable[Resource], **more: object) -> Index:
    """Return an index of these resources; `more`: fields of `Index`."""
    index = Index(**more)  # type: ignore[arg-type]
    for resource in resources:
        index.add(resource)
    return index
