"""Azure Batch: the account's two endpoints with both locks, and the ports and public addresses of its pools."""

from collections.abc import Iterator
from typing import Any

from scanner.model.addresses import NO_ADDRESSES
from scanner.model.bulk_reads import GraphRows
from scanner.model.exposure import IDENTITY, SHARED, Auth, Exposure, Lock, Reach, grant, possible, replace, unread
from scanner.model.fix import Cause
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, is_list_of_texts, same, spelled
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoPort, NoRule, ResourceType
from scanner.model.severity import Severity
from scanner.model.verdict import (
    ABSENT,
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    absent_at_unknown_version,
    not_a_list,
    unknown,
    unknown_value,
)
from scanner.reach.rules.known_ports import known
from scanner.reach.services.firewall import Firewall, RuleList, firewall

from .common import by_perimeter, host
from .port_rules import EVERYWHERE, PortRule, port_lock
from .reasons import DISKS_ARE_RESOURCES, FROM_TEMPLATE

ACCOUNT = ResourceType(
    "Microsoft.Batch/batchAccounts",
    api="2025-06-01",
    product=Message("Batch account"),
    unread={
        "maximum of formulas of pools": "An account has a quota of cores.",
    },
    no_rule=NoRule(copy=DISKS_ARE_RESOURCES, loss=FROM_TEMPLATE),
)
PERIMETERS = ACCOUNT.child("networkSecurityPerimeterConfigurations", when=by_perimeter)
POOLS = ACCOUNT.child("pools", graph=GraphRows("batchresources"))
MODES = "properties.allowedAuthenticationModes"
SOURCE = (
    "batch/public-network-access: both endpoints are open to all networks by default, and their rules apply where public access is "
    "enabled; azure-mgmt-batch 17.3.0: publicNetworkAccess is Enabled by default"
)


def _acl(kind: str, name: str) -> Firewall:
    """Return the firewall row of one of the two endpoints."""
    return Firewall(
        empty="closed",
        source=SOURCE,
        name=name,
        absent="enabled",
        default=f"properties.networkProfile.{kind}.defaultAction",
        default_absent="allow",
        acl=f"properties.networkProfile.{kind}",
        addresses=(RuleList(f"properties.networkProfile.{kind}.ipRules", address="value"),),
        configurations=PERIMETERS,
    )


ACCOUNT_ACL = _acl("accountAccess", Message("Rules of the account endpoint"))
NODE_ACL = _acl("nodeManagementAccess", Message("Rules of the node management endpoint"))
SERVICE_SIGN_IN = Message(
    "no setting changes how users sign in to a node, so a port that chosen networks alone reach counts as closed"
)
NODES_ONLY = Message("nodes of the account's pools alone sign in there, with a credential of each node, so low at most")
TASKS_ALONE = Message("it accepts the tokens of tasks alone")


def sign_in(account: Resource) -> Lock:
    """Return the authentication lock: shared keys unless the list of modes has none, or pools are in the user's subscription.

    An absent or null list allows all modes: Azure Policy 6f68b69f flags it. An account in user subscription mode takes
    Entra ID alone: batch/batch-account-create-portal.
    """
    value = account.get(MODES)
    seen = Evidence(MODES, ABSENT if is_absent(value) else value, Message("AAD alone"))
    if is_absent(value) and account.has_no_properties:
        return possible(Auth.shared, Unread(MODES, account.why_absent_is_unknown), seen)
    if same(account.get("properties.poolAllocationMode"), "UserSubscription"):
        return grant(Auth.identity, account.evidence("properties.poolAllocationMode"))
    if is_list_of_texts(value) and value:
        strange = [
            each
            for each in value
            if not any(same(each, one) for one in ("SharedKey", "AAD", "TaskAuthenticationToken"))
        ]
        if not any(same(each, "SharedKey") for each in value):
            return (
                possible(Auth.shared, unknown_value(MODES, strange[0]), seen) if strange else grant(Auth.identity, seen)
            )
    elif not is_absent(value) and value != []:
        return possible(Auth.shared, not_a_list(MODES), seen)
    # A task that signs in with the token of its task keeps doing so.
    tokens = [each for each in value if same(each, "TaskAuthenticationToken")] if isinstance(value, list) else []
    cause = Cause("", MODES, value=["AAD", *tokens])
    return grant(
        Auth.shared, seen, description=Message("accepts the account's shared keys"), cause=cause, then=IDENTITY
    )


def refuses_entra(account: Resource, index: Index) -> Verdict:
    """Fail where the list of modes has shared keys and no Microsoft Entra ID. Without a list, all modes are accepted."""
    if same(account.get("properties.poolAllocationMode"), "UserSubscription"):
        return NotApplicable(Message("an account whose pools are in the user's subscription accepts Entra ID alone"))
    value = account.get(MODES)
    if is_absent(value) and account.why_absent_is_unknown:
        raise Unread(MODES, account.why_absent_is_unknown)
    if is_absent(value):
        return Pass((Evidence(MODES, ABSENT, "AAD"),))
    if not is_list_of_texts(value) or not value:
        return unknown(not_a_list(MODES))
    seen = (Evidence(MODES, value, "AAD"),)
    if any(same(each, "AAD") for each in value):
        return Pass(seen)
    return Fail(seen) if any(same(each, "SharedKey") for each in value) else NotApplicable(TASKS_ALONE)


@ACCOUNT.endpoints(
    Endpoint(
        "account",
        "data",
        ports=HTTPS,
        no_rule={
            "anonymous-access": "every call carries a key, a token of Microsoft Entra ID or a credential of a node"
        },
    ),
    Endpoint(
        "nodes",
        "data",
        ports=HTTPS,
        no_rule={
            "anonymous-access": "every call carries a key, a token of Microsoft Entra ID or a credential of a node",
            "authentication": "nodes sign in with a credential of each node, which Batch gives them",
        },
    ),
    Endpoint(
        "pool/*",
        "admin",
        ports=NoPort(Message("the ports that a pool forwards to are those of its endpoint configuration")),
        no_rule={
            "anonymous-access": "every call carries a key, a token of Microsoft Entra ID or a credential of a node",
            "authentication": "users of nodes are made in the data plane: no setting of ARM refuses their passwords",
        },
    ),
    reads=(PERIMETERS, POOLS),
)
def endpoints(account: Resource, index: Index) -> Iterator[Exposure]:
    yield Exposure(
        "account",
        "data",
        firewall(account, index, ACCOUNT_ACL, groups=("batchAccount",)),
        sign_in(account),
        display_name=Message("The Batch account"),
        address=host(account, "properties.accountEndpoint"),
    )
    yield Exposure(
        "nodes",
        "data",
        firewall(account, index, NODE_ACL, groups=("nodeManagement",)),
        IDENTITY,
        display_name=Message("The node management endpoint"),
        address=host(account, "properties.nodeManagementEndpoint"),
        max_severity=Severity.low,
        justification=NODES_ONLY,
    )
    pools = account.children(POOLS)
    if pools.gap is not None:
        yield unread("pool/*", "admin", pools.gap, display_name=Message("The ports of pools"))
    for pool in pools:
        yield from pool_ports(pool, index)


# Pools

PROVISION = "properties.networkConfiguration.publicIPAddressConfiguration.provision"
NAT = "properties.networkConfiguration.endpointConfiguration.inboundNatPools"
RULES = "networkSecurityGroupRules"
OLD_POOL = Message(
    "a pool that was made before 30 November 2025 may answer SSH or RDP without a port of its own in its settings"
)
LAST_DEFAULT = "2025-11-30"


def is_private(pool: Resource) -> bool:
    """Return whether the nodes of a pool have no public address."""
    return same(pool.get(PROVISION), "NoPublicIPAddresses")


def pool_ports(pool: Resource, index: Index) -> Iterator[Exposure]:
    """Yield the ports that a pool forwards to its nodes: batch/pool-endpoint-configuration."""
    if is_private(pool):
        return
    value = pool.get(NAT)
    title = Message("The nodes of the pool {pool}", pool=_name(pool))
    if is_absent(value):
        missing = _perhaps_by_default(pool)
        if missing is not None:
            reach = possible(Reach.internet, missing, pool.evidence(NAT))
            yield _port(f"pool/{_name(pool)}", reach, title, pool)
        return
    if not isinstance(value, list):
        yield replace(unread(f"pool/{_name(pool)}", "admin", not_a_list(NAT), display_name=title), subject=pool)
        return
    for each in value:
        port = get_path(each, "backendPort")
        known_port = known("tcp", port) if isinstance(port, int) else None
        label = (
            Message("{name} of the nodes", name=known_port.name)
            if known_port is not None
            else Message("Port {port} of the nodes", port=port)
        )
        title = Message("{label} of the pool {pool}", label=label, pool=_name(pool))
        made = _port(f"pool/{_name(pool)}/{port}", _nat_lock(each, index), title, pool)
        yield replace(made, ports=_outside(each))


def _outside(entry: Any) -> tuple[str, ...]:
    """Return the ports outside, one for each node; () where they were not returned."""
    first, last = (get_path(entry, f"frontendPortRange{name}") for name in ("Start", "End"))
    known = isinstance(first, int) and isinstance(last, int)
    return (f"{'udp' if same(get_path(entry, 'protocol'), 'UDP') else 'tcp'}/{first}-{last}",) if known else ()


def _port(endpoint: str, reach: Lock, title: Message, pool: Resource) -> Exposure:
    return Exposure(
        endpoint,
        "admin",
        reach,
        SHARED,
        display_name=title,
        subject=pool,
        counts_as_closed_up_to=Reach.selected,
        justification=SERVICE_SIGN_IN,
    )


def _name(pool: Resource) -> str:
    return pool.name.rsplit("/", 1)[-1]


def _perhaps_by_default(pool: Resource) -> Unread | None:
    """Return why a pool without ports of its own may have the two of old pools; None where it has none."""
    if pool.api_version_unknown:
        return absent_at_unknown_version(NAT)
    made = pool.get("properties.creationTime")
    return None if isinstance(made, str) and made[:10] > LAST_DEFAULT else Unread(NAT, OLD_POOL)


def _nat_lock(entry: Any, index: Index) -> Lock:
    """Return the network lock of a port by its rules; every network where it has none."""
    path = f"{NAT}[{spelled(get_path(entry, 'name'))}].{RULES}"
    value = get_path(entry, RULES)
    if not is_absent(value) and not isinstance(value, list):
        return possible(Reach.internet, not_a_list(path))
    rules = [
        PortRule(
            get_path(each, "priority"),
            get_path(each, "access"),
            [get_path(each, "sourceAddressPrefix")],
            get_path(each, "sourcePortRanges"),
        )
        for each in value or ()
    ]
    rest = NO_ADDRESSES if rules else EVERYWHERE
    return port_lock(rules, path, index, rest=rest, name=Message("Rules of the port"))
