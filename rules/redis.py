"""Azure Cache for Redis, and Redis Enterprise (Azure Managed Redis) with its databases."""

from collections.abc import Iterator

from scanner.model.exposure import IDENTITY, NO_GRANT, Auth, Exposure, Hop, Lock, Reach, Switch, closed, grant, possible
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, same
from scanner.model.resource import Resource
from scanner.model.rule import Controls, Fix, ResourceType
from scanner.model.verdict import not_returned, unknown_value
from scanner.reach.firewall import Firewall, RuleList, firewall, injection_subnet, private_endpoints

from .common import ISO, LEARN, MCSB, NIST, host

CACHE = ResourceType("Microsoft.Cache/redis", api="2024-11-01")
CLUSTER = ResourceType("Microsoft.Cache/redisEnterprise", api="2025-07-01")


def rules_count(cache: Resource) -> bool:
    # Inside a virtual network, or with the public side off, the firewall rules open nothing to the public.
    return not injection_subnet(cache, "properties.subnetId") and not same(
        cache.get("properties.publicNetworkAccess"), "Disabled"
    )


RULES = CACHE.child("firewallRules", when=rules_count)
DATABASES = CLUSTER.child("databases")

ACL = Firewall(
    empty="open",
    source="azure-cache-for-redis/cache-network-isolation: without firewall rules every address is let in; "
    "azure-mgmt-redis: publicNetworkAccess is Enabled by default",
    name="Redis firewall",
    absent="enabled",
    addresses=(RuleList(child=RULES, start="properties.startIP", end="properties.endIP"),),
    # What a rule from 0.0.0.0 to 0.0.0.0 means here is not documented: it is taken for what it means to SQL.
    zero=True,
    injected=("properties.subnetId",),
)
KEYS = CACHE.local_auth(
    "properties.disableAccessKeyAuthentication",
    off=(True,),
    on=(False,),
    absent=False,
    source="azure-mgmt-redis: the default value of disableAccessKeyAuthentication is false",
    says="an access key opens it",
)
PLAIN = Switch("properties.enableNonSslPort", {False: Reach.none, True: Reach.internet})
NO_PASSWORD = "properties.redisConfiguration.authnotrequired"


def without_password(cache: Resource) -> Lock:
    """Whether the cache asks for nothing at all, which only a cache inside a virtual network can be told to do."""
    value = cache.get(NO_PASSWORD)
    seen = cache.evidence(NO_PASSWORD, "false")
    if value is MISSING or value is None:
        # Only a cache inside a virtual network can do without (cache-configure); all else that is silent asks for one.
        if (
            cache.has("properties.subnetId")
            or cache.api_version_unknown
            or not cache.has("properties.redisConfiguration")
        ):
            return possible(Auth.anonymous, not_returned(NO_PASSWORD), seen)
        return NO_GRANT
    if same(value, True):
        return grant(Auth.anonymous, seen, description="it asks for no password at all")
    if same(value, False):
        return NO_GRANT
    return possible(Auth.anonymous, unknown_value(NO_PASSWORD, value), seen)


@CACHE.endpoints(data=("redis", "redis-plain"), reads=(RULES,))
def cache_endpoints(cache: Resource, index: Index) -> Iterator[Exposure]:
    reach = firewall(cache, index, ACL)
    authentication = IDENTITY | KEYS.lock(cache) | without_password(cache)
    address = host(cache, "properties.hostName")
    yield Exposure("redis", "data", reach, authentication, display_name="The cache", address=address)
    yield plain(cache, reach, authentication, address)


def plain(cache: Resource, reach: Lock, authentication: Lock, address: str) -> Exposure:
    """Port 6379, which speaks no TLS."""
    what = "The cache's unencrypted port"
    on = PLAIN.lock(cache)
    if on.widest is not None and on.widest.level == Reach.none:
        return closed("redis-plain", "data", "only TLS is spoken", *on.widest.evidence, display_name=what)
    if on.possible_grants:
        missing = on.possible_grants[0].missing
        levels = [each.level for each in reach.grants] + [each.level for each in reach.possible_grants]
        level = max(levels, default=Reach.internet)
        hop = Hop("switch", what, missing.why, allows=None)
        reach = possible(level, missing, *on.possible_grants[0].evidence, hops=(*reach.hops, hop))
    return Exposure("redis-plain", "data", reach, authentication, display_name=what, address=address)


def enterprise_acl(absent_is_open: bool) -> Firewall:
    """A cluster has a public switch and nothing else; those of older versions have not even the switch."""
    return Firewall(
        empty="open",
        source="azure-mgmt-redisenterprise: null is returned only for clusters that were created with a version without the "
        "switch; nothing says whether a private endpoint closes their public side, so that is left open",
        name="Redis Enterprise",
        absent="enabled" if absent_is_open else "",
    )


NEW_OR_PUBLIC = enterprise_acl(absent_is_open=True)
WITH_ENDPOINT = enterprise_acl(absent_is_open=False)
DATABASE_KEYS = CLUSTER.local_auth(
    "properties.accessKeysAuthentication", off=("Disabled",), on=("Enabled",), says="an access key opens it"
)


@CLUSTER.endpoints(data=("redis/*",), reads=(DATABASES,))
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
            display_name=f"The Redis database {database.name}",
            subject=database,
            address=address,
        )
    if databases.gap is not None:
        authentication = possible(Auth.shared, databases.gap)
        yield Exposure(
            "redis/*", "data", reach, authentication, display_name="The cluster's databases", address=address
        )


NETWORK: Controls = {MCSB: ("NS-2",), NIST: ("AC-4", "SC-7"), ISO: ("A.8.20",)}
IDENTITIES: Controls = {MCSB: ("IM-1",), NIST: ("AC-3", "IA-2"), ISO: ("A.5.17",)}
TLS: Controls = {MCSB: ("DP-3",), NIST: ("SC-8",), ISO: ("A.8.24",)}
SET = "az resource update --ids {id} --set"
PAGE = "redis_cache"

CACHE.lock(
    "redis-no-authentication",
    "anonymous-access",
    "The cache answers without a password",
    only=("redis", "redis-plain"),
    why="Every machine that reaches the cache reads, changes and deletes what lies in it. Sessions lie in caches: whoever "
    "reads one signs in as its owner.",
    fix=Fix(
        az=f"{SET} properties.redisConfiguration.authnotrequired=false --force-string",
        first_step="az redis show --name {name} --resource-group {group} --query redisConfiguration",
        breaks="Clients that send no password: give them one, or an identity, first. It can be turned back.",
        bicep="redisConfiguration: { authnotrequired: 'false' }",
        terraform="azurerm_redis_cache.redis_configuration.authentication_enabled = true",
        terraform_page=PAGE,
        cost=2,
    ),
    controls={MCSB: ("IM-1",), NIST: ("AC-3", "IA-2"), ISO: ("A.8.3", "A.8.5")},
    references=(f"{LEARN}/azure-cache-for-redis/cache-configure",),
)
CACHE.lock(
    "redis-access-keys",
    "authentication",
    "The cache accepts access keys",
    only=("redis", "redis-plain"),
    why="An access key opens the whole cache for whoever holds it, names nobody and does not expire. It stands in the "
    "settings of every program that uses the cache.",
    fix=Fix(
        az=f"{SET} properties.disableAccessKeyAuthentication=true",
        first_step="az redis access-policy-assignment list --name {name} --resource-group {group} --output table",
        breaks="Every client that signs in with a key. Turn Entra sign-in on and assign an access policy first; open "
        "connections are cut.",
        bicep="disableAccessKeyAuthentication: true",
        terraform="azurerm_redis_cache.access_keys_authentication_enabled = false",
        terraform_page=PAGE,
        portal="Azure Cache for Redis > Authentication > Disable Access Keys Authentication",
        cost=2,
    ),
    controls=IDENTITIES,
    references=(f"{LEARN}/azure-cache-for-redis/cache-azure-active-directory-for-authentication",),
)
CACHE.lock(
    "redis-open-network",
    "network",
    "The cache answers networks that are not yours",
    only=("redis", "redis-plain"),
    why="Without a firewall rule a cache answers every address, so a key that got lost reads sessions and cached data from "
    "anywhere. A rule from 0.0.0.0 to 0.0.0.0 is taken for all of Azure, since nothing says what it means here.",
    fix=Fix(
        az="az redis firewall-rules create --name {name} --resource-group {group} --rule-name office "
        "--start-ip FIRST_ADDRESS --end-ip LAST_ADDRESS",
        first_step="az redis firewall-rules list --name {name} --resource-group {group} --output table",
        breaks="Clients outside the rules: the first rule shuts everybody else out. With private endpoints alone, set "
        "properties.publicNetworkAccess to Disabled instead. This product is being retired; make new caches in Azure "
        "Managed Redis.",
        bicep="publicNetworkAccess: 'Disabled'",
        terraform="azurerm_redis_cache.public_network_access_enabled = false",
        terraform_page=PAGE,
        portal="Azure Cache for Redis > Firewall, or Private Endpoint",
        cost=2,
    ),
    controls=NETWORK,
    references=(f"{LEARN}/azure-cache-for-redis/cache-network-isolation",),
)
CACHE.setting(
    "redis-plain-port",
    "transport",
    "The cache's unencrypted port is open",
    "properties.enableNonSslPort",
    allowed=(False,),
    severity="high",
    why="On port 6379 the password and the data travel readable for everybody on the way.",
    fix=Fix(
        az=f"{SET} properties.enableNonSslPort=false",
        first_step="az redis show --name {name} --resource-group {group} --query enableNonSslPort",
        breaks="Clients that call port 6379: they need TLS and port 6380.",
        bicep="enableNonSslPort: false",
        terraform="azurerm_redis_cache.non_ssl_port_enabled = false",
        terraform_page=PAGE,
        portal="Azure Cache for Redis > Advanced settings > Allow access only via SSL",
        cost=2,
    ),
    controls=TLS,
    references=(f"{LEARN}/azure-cache-for-redis/cache-configure",),
)
CACHE.setting(
    "redis-old-tls",
    "transport",
    "The cache accepts old TLS versions",
    "properties.minimumTlsVersion",
    allowed=("1.2", "1.3"),
    bad=("1.0", "1.1"),
    severity="medium",
    why="TLS 1.0 and 1.1 have known weaknesses. A client that is made to speak them can be listened to, and its key read.",
    fix=Fix(
        az=f"{SET} properties.minimumTlsVersion=1.2 --force-string",
        first_step="az redis show --name {name} --resource-group {group} --query minimumTlsVersion",
        breaks="Clients that speak nothing newer than TLS 1.1.",
        bicep="minimumTlsVersion: '1.2'",
        terraform='azurerm_redis_cache.minimum_tls_version = "1.2"',
        terraform_page=PAGE,
        portal="Azure Cache for Redis > Advanced settings > Minimum TLS version",
    ),
    controls=TLS,
    references=(f"{LEARN}/azure-cache-for-redis/cache-remove-tls-10-11",),
)

CLUSTER.lock(
    "redis-enterprise-access-keys",
    "authentication",
    "The Redis database accepts access keys",
    only=("redis/*",),
    subject=DATABASES,
    why="An access key opens the whole database for whoever holds it, names nobody and does not expire.",
    fix=Fix(
        az=f"{SET} properties.accessKeysAuthentication=Disabled",
        first_step="az resource show --ids {id} --query properties.accessKeysAuthentication",
        breaks="Every client that signs in with a key: assign an access policy to its identity first. Open connections "
        "are cut.",
        bicep="accessKeysAuthentication: 'Disabled'",
        terraform="azurerm_managed_redis.default_database.access_keys_authentication_enabled = false",
        terraform_page="managed_redis",
        portal="Azure Managed Redis > Authentication > Access keys",
        cost=2,
    ),
    controls=IDENTITIES,
    references=(f"{LEARN}/redis/entra-for-authentication",),
)
CLUSTER.lock(
    "redis-enterprise-open-network",
    "network",
    "The Redis cluster answers networks that are not yours",
    only=("redis/*",),
    why="A cluster has no firewall rules: its public side is on for everybody or off. On, a key that got lost reads the "
    "databases from anywhere.",
    fix=Fix(
        az=f"{SET} properties.publicNetworkAccess=Disabled",
        first_step="az network private-endpoint-connection list --id {id}",
        breaks="Every client outside the networks of its private endpoints: make one first.",
        bicep="publicNetworkAccess: 'Disabled'",
        terraform='azurerm_managed_redis.public_network_access = "Disabled"',
        terraform_page="managed_redis",
        portal="Azure Managed Redis > Networking > Public network access: Disabled",
        cost=2,
    ),
    controls=NETWORK,
    references=(f"{LEARN}/redis/private-link",),
)
DATABASES.setting(
    "redis-enterprise-plaintext",
    "transport",
    "The Redis database accepts unencrypted connections",
    "properties.clientProtocol",
    allowed=("Encrypted",),
    bad=("Plaintext",),
    severity="high",
    why="Without TLS the key and the data travel readable for everybody on the way.",
    fix=Fix(
        az=f"{SET} properties.clientProtocol=Encrypted",
        first_step="az resource show --ids {id} --query properties.clientProtocol",
        breaks="Clients that connect without TLS; a database may have to be made anew to change it.",
        bicep="clientProtocol: 'Encrypted'",
        terraform='azurerm_managed_redis.default_database.client_protocol = "Encrypted"',
        terraform_page="managed_redis",
        portal="Azure Managed Redis > Advanced settings > Non-TLS access only: off",
        cost=2,
    ),
    controls=TLS,
    references=(f"{LEARN}/redis/tls-configuration",),
)
CLUSTER.setting(
    "redis-enterprise-old-tls",
    "transport",
    "The Redis cluster accepts old TLS versions",
    "properties.minimumTlsVersion",
    allowed=("1.2", "1.3"),
    bad=("1.0", "1.1"),
    severity="low",
    why="Azure says that TLS 1.0 and 1.1 no longer work here, so a lower setting is at least one that misleads its reader.",
    fix=Fix(
        az=f"{SET} properties.minimumTlsVersion=1.2 --force-string",
        breaks="Nothing that still works.",
        bicep="minimumTlsVersion: '1.2'",
        portal="Azure Managed Redis > Advanced settings > Minimum TLS version",
    ),
    controls=TLS,
    references=(f"{LEARN}/redis/tls-configuration",),
)
