"""DNS zones and Traffic Manager: records and targets that name hosts of Azure which no resource of the scan has.

Such a name can be created by someone else, who then answers in place of the resource that is gone: Microsoft Learn,
security/fundamentals/subdomain-takeover.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from scanner.model.bulk_reads import GraphRows
from scanner.model.ids import name_of, type_of
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, known_objects, same, spelled, text_at, value_at
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Resource
from scanner.model.resource_type import NoRule, ResourceType
from scanner.model.severity import Severity
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    not_returned,
    unknown,
    unknown_value,
)
from scanner.reach.rules.sources import cached

from . import network
from .edge import CDN_ENDPOINTS
from .reasons import FROM_TEMPLATE, METRICS_ONLY, NAMES_ARE_GLOBAL, NO_BACKUP

ZONE = ResourceType(
    "Microsoft.Network/dnsZones",
    api="2018-05-01",
    product=Message("DNS zone"),
    no_rule=NoRule(data=NAMES_ARE_GLOBAL, log=METRICS_ONLY, backup=NO_BACKUP, zone=NAMES_ARE_GLOBAL),
)
ALIASES = ZONE.child("CNAME", graph=GraphRows("dnsresources"))
MANAGER = ResourceType(
    "Microsoft.Network/trafficManagerProfiles",
    api="2022-04-01",
    keep=("properties.dnsConfig.fqdn",),
    product=Message("Traffic Manager profile"),
    unread={
        "monitorConfig.protocol": "A probe carries no data.",
    },
    no_rule=NoRule(data=NAMES_ARE_GLOBAL, log=METRICS_ONLY, loss=FROM_TEMPLATE),
)

SITES = "Microsoft.Web/sites"
ACCOUNTS = "Microsoft.Storage/storageAccounts"
GROUPS = "Microsoft.ContainerInstance/containerGroups"
APPS = (SITES.lower(), GROUPS.lower())


class Namespace(NamedTuple):
    """The hosts below a suffix of Azure. `types`: those whose resources have such hosts.

    `by_name`: the first label is the name of a resource; else the host is a property. `free`: the first who asks gets a
    name, and can serve the domains of others with it. Without it a missing name is inconclusive.
    """

    suffix: str
    types: tuple[str, ...]
    by_name: bool = True
    free: bool = True


# The page names these. Of Static Web Apps and container apps Azure chooses the host.
NAMESPACES: Final = (
    Namespace(".azurewebsites.net", (SITES,), by_name=False),
    Namespace(".core.windows.net", (ACCOUNTS,)),
    Namespace(".azure-api.net", ("Microsoft.ApiManagement/service",)),
    Namespace(".azurefd.net", ("Microsoft.Cdn/profiles", "Microsoft.Network/frontDoors"), by_name=False),
    Namespace(".azureedge.net", ("Microsoft.Cdn/profiles",), by_name=False),
    Namespace(".trafficmanager.net", (MANAGER.type,), by_name=False),
    Namespace(".cloudapp.azure.com", ("Microsoft.Network/publicIPAddresses",), by_name=False),
    Namespace(".azurecontainer.io", (GROUPS,), by_name=False),
    Namespace(".database.windows.net", ("Microsoft.Sql/servers",), free=False),
    Namespace(".redis.cache.windows.net", ("Microsoft.Cache/redis",), free=False),
    Namespace(".search.windows.net", ("Microsoft.Search/searchServices",), free=False),
    Namespace(
        ".servicebus.windows.net", ("Microsoft.EventHub/namespaces", "Microsoft.ServiceBus/namespaces"), free=False
    ),
    Namespace(".vault.azure.net", ("Microsoft.KeyVault/vaults",), free=False),
    Namespace(".azurecr.io", ("Microsoft.ContainerRegistry/registries",), free=False),
    Namespace(".documents.azure.com", ("Microsoft.DocumentDB/databaseAccounts",), free=False),
    Namespace(".postgres.database.azure.com", ("Microsoft.DBforPostgreSQL/flexibleServers",), free=False),
    Namespace(".mysql.database.azure.com", ("Microsoft.DBforMySQL/flexibleServers",), free=False),
)
CHOSEN: Final = (".azurestaticapps.net", ".azurecontainerapps.io", ".privatelink.")
"""Hosts with a part that Azure chooses, so that no one else gets them; and names that resolve inside networks."""
OTHER_CLOUDS: Final = (
    ".azurewebsites.us", ".usgovcloudapi.net", ".usgovcloudapp.net", ".usgovtrafficmanager.net", ".azure.us",
    ".chinacloudsites.cn", ".chinacloudapi.cn", ".chinacloudapp.cn", ".trafficmanager.cn", ".azure.cn",
)  # fmt: skip
# app-service/overview-hosting: a host with a hash and a region belongs to one tenant.
_UNIQUE: Final = re.compile(r".+-[a-z0-9]{16}\.[a-z0-9]+-\d\d\.azurewebsites\.net")
NOT_OF_THE_SCAN = Message(
    "No resource of the scan has this host. A subscription that this scan does not see may have it."
)
CREATED_BY_OTHERS = Message("it names no host of Azure that someone else could create")


def namespace_of(host: str) -> Namespace | None:
    """Return the namespace of a host (lower case), the longest suffix first; None for a host of no such service."""
    namespaces = [each for each in NAMESPACES if host.endswith(each.suffix)]
    return max(namespaces, key=lambda each: len(each.suffix), default=None)


def owner(host: str, space: Namespace, index: Index) -> str:
    """Return the name of the resource that has a host; "" where no resource of the scan has it.

    Raises Unread where more resources may exist than the scan knows, and one of them may have it.
    """
    result = _by_name(host, space, index) if space.by_name else _by_host(host, space, index)
    if result:
        return result
    for type in space.types:
        missing = index.incomplete(type)
        if missing is not None:
            raise missing
    return ""


def _by_name(host: str, space: Namespace, index: Index) -> str:
    # Storage: `account.blob`, `account.z6.web`; API Management: `name.portal`; replicas: `account-secondary`.
    name = host.removesuffix(space.suffix).partition(".")[0]
    for type in space.types:
        for each in (name, name.removesuffix("-secondary")):
            if index.residency.located().has_name(type.lower(), each):
                return each
    return ""


def _app(host: str, index: Index) -> str:
    """Return the name of the app, slot or container group that has a host; "" where none has it.

    An app may have a host with a hash, and its name is then free. Raises Unread where its hosts are not known.
    """
    names = cached(index, "hosts of apps", lambda each: each.names())
    if host in names:
        return name_of(names[host])
    apps = cached(index, "apps without hosts", _apps_without_hosts)
    # An app may have a host with a hash after its name: app-name-hash.region.azurewebsites.net.
    ends = [position for position, letter in enumerate(host) if letter == "-"]
    label = host.partition(".")[0]
    for name in (_ANY_GROUP if host.endswith(".azurecontainer.io") else "", label, *(host[:end] for end in ends)):
        if name in apps:
            raise Unread(apps[name], Message("Azure did not return its hosts"))
    return ""


_ANY_GROUP = "*"
"""Stands for any container group: its label is not its name."""


def _apps_without_hosts(index: Index) -> dict[str, str]:
    """Return the ids (lower case) of apps, slots and container groups of which no host was read, by the beginning of
    the host that each may have.
    """
    seen = frozenset(index.names().values())
    apps = (id for id in index.residency.located() if any(f"/{type}/" in id for type in APPS))
    return {_begins(id): id for id in apps if id not in seen}


def _begins(id: str) -> str:
    if GROUPS.lower() in id:
        return _ANY_GROUP
    # The host of a slot is `app-slot`: app-service/deploy-staging-slots.
    segments = id.split("/")
    return f"{segments[-3]}-{segments[-1]}" if "/slots/" in id else segments[-1]


def _by_host(host: str, space: Namespace, index: Index) -> str:
    result = cached(index, "hosts of names", lambda each: dict(_hosts(each))).get(host, "")
    if result:
        return result
    if SITES in space.types or GROUPS in space.types:
        return _app(host, index)
    if network.PROFILE.type in space.types and (gap := cached(index, "endpoints that were not read", _gap)) is not None:
        raise gap
    if space.suffix == ".cloudapp.azure.com" and host.removesuffix(space.suffix).count(".") != 1:
        raise Unread(
            Message("the addresses of scale sets"), Message("the name may be that of an instance of a scale set")
        )
    return ""


def _gap(index: Index) -> Unread | None:
    """Return that the endpoints of a Front Door or CDN profile were not read; None where all were."""
    for profile in index.of_type(network.PROFILE.type)[0]:
        for read in (network.AFD_ENDPOINTS, CDN_ENDPOINTS):
            if read.needed(profile) and (gap := profile.children(read).gap) is not None:
                return gap
    return None


def _hosts(index: Index) -> Iterator[tuple[str, str]]:
    """Yield the hosts (lower case) of the resources of the index that have such a name, with the resource's name."""
    for type, path in (
        ("Microsoft.Network/publicIPAddresses", "properties.dnsSettings.fqdn"),
        (MANAGER.type, "properties.dnsConfig.fqdn"),
        (network.AFD_ENDPOINTS.type, "properties.hostName"),
        (CDN_ENDPOINTS.type, "properties.hostName"),
    ):
        for each in index.of_type(type)[0]:
            yield text_at(each.body, path).lower(), each.name
    for each in index.of_type(network.FRONT.type)[0]:
        yield f"{each.name.lower()}.azurefd.net", each.name


def dangling(host: str, path: str, index: Index) -> Verdict:
    """Return the verdict on a host that a record or a target names."""
    name = host.lower().rstrip(".")
    space = namespace_of(name)
    seen = Evidence(path, name)
    if name.endswith(OTHER_CLOUDS):
        return unknown(Unread(path, Message("hosts of other clouds of Azure are not compared")), evidence=(seen,))
    if space is None or any(each in f".{name}" for each in CHOSEN):
        return NotApplicable(CREATED_BY_OTHERS)
    try:
        value = owner(name, space, index)
    except Unread as missing:
        return unknown(missing, evidence=(seen,))
    if value:
        return Pass((seen, Evidence("resource", value)))
    if _UNIQUE.fullmatch(name):
        return NotApplicable(Message("Azure keeps the host for the tenant that had it"))
    if not space.free:
        return unknown(Unread(path, Message("no resource of the scan has this host")), evidence=(seen,))
    return Fail((Evidence(path, name, Message("a host that a resource has")),), NOT_OF_THE_SCAN)


CNAME = "properties.CNAMERecord.cname"
ALIAS = "properties.targetResource.id"


def dangling_record(record: Resource, index: Index) -> Verdict:
    """Fail where a CNAME names a host that no resource has. Azure empties an alias record with its resource."""
    alias = record.get(ALIAS)
    if isinstance(alias, str) and alias:
        return Pass((record.evidence(ALIAS),))
    host = record.require(CNAME)
    if not isinstance(host, str) or not host:
        return unknown(unknown_value(CNAME, host))
    return dangling(host, CNAME, index)


ENDPOINTS = "properties.endpoints"


def dangling_target(profile: Resource, index: Index) -> Verdict:
    """Fail where an endpoint of a profile names a resource or host that is gone."""
    if same(profile.get("properties.profileStatus"), "Disabled"):
        return NotApplicable(Message("the profile is disabled"))
    profile.require(ENDPOINTS)
    listed = [
        each
        for each in known_objects(profile.body, ENDPOINTS)
        if not same(value_at(each, "properties.endpointStatus"), "Disabled")
    ]
    if not listed:
        return NotApplicable(Message("it has no enabled endpoint"))
    gone: list[str] = []
    known: list[str] = []
    missing: list[Unread] = []
    sure = False
    for each in listed:
        name, verdict = spelled(value_at(each, "name")), _target(each, index)
        if isinstance(verdict, Fail):
            gone.append(name)
            sure = sure or verdict.severity is not None
        elif isinstance(verdict, Pass | NotApplicable):
            known.append(name)
        else:
            missing.append(Unread(f"{ENDPOINTS}[{name}]", verdict.why))
    if gone:
        seen = Evidence(f"{ENDPOINTS}[].properties.target", gone, Message("targets that exist"))
        return Fail((seen,), NOTHING if sure else NOT_OF_THE_SCAN, Severity.high if sure else None)
    if missing:
        return unknown(*missing)
    return Pass((Evidence(f"{ENDPOINTS}[].properties.target", known),))


def _target(endpoint: object, index: Index) -> Verdict:
    path, host_path = "properties.targetResourceId", "properties.target"
    id, host = value_at(endpoint, path), value_at(endpoint, host_path)
    if not is_absent(id) and not isinstance(id, str):
        return unknown(unknown_value(path, id))
    if id:
        if _exists(id, index):
            return Pass((Evidence(path, id),))
        if not index.is_visible(id):
            return unknown(
                Unread(path, Message("{id} is in a subscription that this scan did not see", id=name_of(id)))
            )
        missing = index.incomplete(type_of(id))
        if missing is not None:
            return unknown(missing)
        # Its subscription was read, so it is gone.
        return Fail((Evidence(path, id, Message("a resource that exists")),), severity=Severity.high)
    if not isinstance(host, str) or not host:
        return unknown(not_returned(host_path) if is_absent(host) else unknown_value(host_path, host))
    return dangling(host, host_path, index)


def _exists(id: str, index: Index) -> bool:
    key = "/" + "/".join(segment for segment in id.lower().split("/") if segment)
    return key in index.resources or key in index.residency.located()
