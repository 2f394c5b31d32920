"""Azure Cache for Redis, and Redis Enterprise (Azure Managed Redis) with its databases."""

from collections.abc import Iterator

from scanner.model.checks import is_one
from scanner.model.exposure import IDENTITY, NO_GRANT, Auth, Exposure, Lock, Reach, Switch, closed, grant, possible
from scanner.model.fix import Cause
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Endpoint, NoRule, ResourceType
from scanner.model.verdict import not_returned, unknown_value
from scanner.reach.services.firewall import Firewall, RuleList, firewall, private_endpoints

from .common import host, perhaps_off, rules_count
from .reasons import NO_CUSTOMER_KEY

CACHE = ResourceType(
    "Microsoft.Cache/redis",
    api="2024-11-01",
    product=Message("Redis cache"),
    unread={
        "storage account of persistence": "It is named in a connection string, which ARM does not return, or by its subscription alone (azure-mgmt-redis RedisConfiguration).",
        "linkedServers that are absent": "A link of caches is a choice of latency.",
    },
    no_rule=NoRule(
        key=NO_CUSTOMER_KEY, loss="a cache: its data is stored in another service, and persistence is a choice"
    ),
)
CLUSTER = ResourceType(
    "Microsoft.Cache/redisEnterprise",
    api="2025-07-01",
    product=Message("Managed Redis"),
    no_rule=NoRule(backup="a cache: its data is stored in another service, and persistence is a choice"),
)


RULES = CACHE.child("firewallRules", when=lambda cache: rules_count(cache, "properties.subnetId"))
# azure-cache-for-redis/cache-how-to-geo-replication: only Premium caches are linked.
LINKS = CACHE.child(
    "linkedServers", when=lambda cache: not is_one(cache.get("properties.sku.name"), ("Basic", "Standard"))
)
DATABASES = CLUSTER.child(
    "databases", alone="settings decide that only some databases have, and what a row lacks is not taken as absent"
)

ACL = Firewall(
    empty="open",
    source="azure-cache-for-redis/cache-network-isolation: without firewall rules every address is allowed; "
    "azure-mgmt-redis: publicNetworkAccess is Enabled by default",
    name=Message("Redis firewall"),
    absent="enabled",
    addresses=(RuleList(child=RULES, start="properties.startIP", end="properties.endIP"),),
    # What a rule from 0.0.0.0 to 0.0.0.0 means here is not documented. It is evaluated as for SQL.
    zero=True,
    injected=("properties.subnetId",),
)
KEYS = CACHE.local_auth(
    "properties.disableAccessKeyAuthentication",
    off=(True,),
    on=(False,),
    absent=False,
    source="azure-mgmt-redis: the default value of disableAccessKeyAuthentication is false",
    message=Message("accepts access keys"),
)
PLAIN = Switch("properties.enableNonSslPort", {False: Reach.none, True: Reach.internet})
NO_PASSWORD = "properties.redisConfiguration.authnotrequired"


def without_password(cache: Resource) -> Lock:
    """Return the anonymous grant of a cache that requires no authentication."""
    value = cache.get(NO_PASSWORD)
    seen = cache.evidence(NO_PASSWORD, "false")
    if is_absent(value):
        # Only a cache inside a virtual network can disable authentication (cache-configure).
        if (
            cache.has("properties.subnetId")
            or cache.api_version_unknown
            or not cache.has("properties.redisConfiguration")
        ):
            return possible(Auth.anonymous, not_returned(NO_PASSWORD), seen)
        return NO_GRANT
    if same(value, True):
        return grant(Auth.anonymous, seen, description=Message("requires no authentication"))
    if same(value, False):
        return NO_GRANT
    return possible(Auth.anonymous, unknown_value(NO_PASSWORD, value), seen)


@CACHE.endpoints(
    Endpoint("redis", "data", ports=("tcp/6380",)),
    Endpoint("redis-plain", "data", ports=("tcp/6379",)),
    reads=(RULES,),
)
def cache_endpoints(cache: Resource, index: Index) -> Iterator[Exposure]:
    reach = firewall(cache, index, ACL)
    authentication = IDENTITY | KEYS.lock(cache) | without_password(cache)
    address = host(cache, "properties.hostName")
    yield Exposure("redis", "data", reach, authentication, display_name=Message("The cache"), address=address)
    yield plain(cache, reach, authentication, address)


def plain(cache: Resource, reach: Lock, authentication: Lock, address: str) -> Exposure:
    """Return the exposure of port 6379, which has no TLS."""
    what = Message("The cache's non-TLS port")
    on = PLAIN.lock(cache)
    if on.widest is not None and on.widest.level == Reach.none:
        return closed(
            "redis-plain", "data", Message("the non-TLS port is disabled"), *on.widest.evidence, display_name=what
        )
    reach = perhaps_off(reach, on, max(reach.levels, default=Reach.internet), what)
    authentication = authentication.with_switch(Cause("", PLAIN.path, value=False))
    return Exposure("redis-plain", "data", reach, authentication, display_name=what, address=address)


def enterprise_acl(absent_is_open: bool) -> Firewall:
    """Return the firewall row of a cluster. Clusters of older versions have no switch for public network access."""
    return Firewall(
        empty="open",
        source="azure-mgmt-redisenterprise: null is returned only for clusters that were created with a version without the "
        "switch; no source documents whether a private endpoint disables their public access, so it is inconclusive",
        name="Redis Enterprise",
        absent="enabled" if absent_is_open else "",
    )


NEW_OR_PUBLIC = enterprise_acl(absent_is_open=True)
WITH_ENDPOINT = enterprise_acl(absent_is_open=False)
DATABASE_KEYS = CLUSTER.local_auth(
    "properties.accessKeysAuthentication",
    off=("Disabled",),
    on=("Enabled",),
    message=Message("accepts access keys"),
)


def _ports(value: object) -> tuple[str, ...]:
    return (f"tcp/{value}",) if isinstance(value, int) and not isinstance(value, bool) else ()


@CLUSTER.endpoints(
    Endpoint(
        "redis/*",
        "data",
        ports=("tcp/10000",),
        no_rule={"anonymous-access": "a Redis Enterprise database always requires a key or a token"},
    ),
    reads=(DATABASES,),
)
def cluster_endpoints(cluster: Resource, index: Index) -> Iterator[Exposure]:
    private = private_endpoints(cluster, index, WITH_ENDPOINT.endpoints)
    row = WITH_ENDPOINT if private.grants or private.possible_grants else NEW_OR_PUBLIC
    reach = firewall(cluster, index, row)
    address = host(cluster, "properties.hostName")
    databases = cluster.children(DATABASES)
    for database in databases:
        yield Exposure(
            f"redis/{database.name}",
            "data",
            reach,
            DATABASE_KEYS.lock(database),
            display_name=Message("The Redis database {name}", name=database.name),
            subject=database,
            address=address,
            ports=_ports(database.get("properties.port")),
        )
    if databases.gap is not None:
        authentication = possible(Auth.shared, databases.gap)
        yield Exposure(
            "redis/*", "data", reach, authentication, display_name=Message("The cluster's databases"), address=address
        )
