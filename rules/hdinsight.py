"""HDInsight: the gateway, SSH, the Kafka REST proxy and the applications of a cluster, behind public addresses or a subnet."""

import functools
import operator
from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from scanner.model.exposure import Auth, Exposure, Hop, Lock, Reach, Switch, grant, possible, unread
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, is_list_of_texts, same, text_at
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.verdict import Evidence, Unread, not_a_list, not_returned, unknown_value
from scanner.reach.paths.open_ports import subnet_port_lock
from scanner.reach.rules.sources import source_hop
from scanner.reach.services.firewall import private_endpoints

from .common import private_only
from .reasons import DISKS_ARE_RESOURCES, STORED_ELSEWHERE, ZONES_NOT_READ

CLUSTER = ResourceType(
    "Microsoft.HDInsight/clusters",
    api="2021-06-01",
    product=Message("HDInsight cluster"),
    unread={
        "gateway settings, configurations": "A POST that returns the password.",
    },
    no_rule=NoRule(
        copy=DISKS_ARE_RESOURCES, log="an agent sends the logs of a cluster", loss=STORED_ELSEWHERE, zone=ZONES_NOT_READ
    ),
)
APPLICATIONS = CLUSTER.child("applications")
DIRECTION = "properties.networkProperties.resourceProviderConnection"
ROLES = "properties.computeProfile.roles"
SUBNETS = f"{ROLES}[].virtualNetworkProfile.subnet"
CONNECTIONS = "properties.privateEndpointConnections"
PASSWORDS = Message(
    "no setting of ARM refuses the passwords of a cluster, so once its networks are restricted there is nothing left to fix"
)
GATEWAY = grant(Auth.shared, description=Message("accepts the password of the cluster login or of a domain user"))
SHELL = grant(Auth.shared, description=Message("accepts the password or key of the SSH user"))
SIGN_IN = Switch(
    "disableGatewayAuth",
    {False: Auth.shared, True: Auth.anonymous},
    descriptions={Auth.shared: Message("accepts the password of the cluster login or of a domain user")},
)


def subnets(cluster: Resource) -> list[str]:
    """Return the subnets of a cluster; [] where it has none. Raise Unread where that is not known."""
    roles = cluster.get(ROLES)
    if not isinstance(roles, list):
        raise not_returned(ROLES) if is_absent(roles) else not_a_list(ROLES)
    matches = [get_path(each, "virtualNetworkProfile.subnet") for each in roles]
    named = [each for each in matches if not is_absent(each)]
    if not is_list_of_texts(named) or not all(named):
        raise Unread(SUBNETS, Message("Azure returned an unrecognized value"))
    return list(dict.fromkeys(each.lower() for each in named))


def network(cluster: Resource, index: Index, port: int) -> Lock:
    """Return the network lock of a port.

    hdinsight/hdinsight-restrict-public-connectivity: a cluster has public addresses unless its connection to the resource
    provider is outbound; hdinsight/control-network-traffic: the security group of its subnet filters them.
    """
    if cluster.has_no_properties:
        return possible(Reach.internet, Unread("properties", cluster.why_absent_is_unknown))
    # hdinsight/hdinsight-private-link: `gateway` for HTTPS, `headnode` for SSH.
    direct = private_endpoints(cluster, index, CONNECTIONS, ("headnode",) if port == 22 else ("gateway",))
    value, seen = cluster.get(DIRECTION), cluster.evidence(DIRECTION, "Outbound")
    if same(value, "Outbound"):
        return (
            private_only(
                Hop("switch", Message("Resource provider connection"), Message("outbound: no public addresses")), seen
            )
            | direct
        )
    if not is_absent(value) and not same(value, "Inbound"):
        return possible(Reach.internet, unknown_value(DIRECTION, value), seen) | direct
    try:
        inside = subnets(cluster)
    except Unread as missing:
        return possible(Reach.internet, missing, seen) | direct
    if not inside:
        reach = grant(Reach.internet, seen, Evidence(SUBNETS, "none"))
        return (
            replace(reach, hops=(source_hop(reach), Hop("switch", Message("Virtual network"), Message("none"))))
            | direct
        )
    # The gateway and the head nodes are in one subnet each; what any of them allows counts.
    hop = Hop("switch", Message("Virtual network"), Message("public addresses in a subnet"))
    locks = [subnet_port_lock(index, each, port, hop) for each in inside]
    widest = max(locks, key=lambda each: max(each.levels, default=0))
    others = (Lock(each.grants, each.possible_grants) for each in locks if each is not widest)
    return functools.reduce(operator.or_, others, widest) | grant(Reach.private, seen) | direct


def _ports(cluster: Resource) -> Iterator[tuple[str, str, int]]:
    """Yield name, host and port of the endpoints that a cluster names besides its gateway and SSH."""
    value = cluster.get("properties.connectivityEndpoints")
    for each in value if isinstance(value, list) else ():
        name, port = text_at(each, "name"), get_path(each, "port")
        if name and not same(name, "HTTPS") and not same(name, "SSH"):
            yield name, text_at(each, "location"), port if isinstance(port, int) and not isinstance(port, bool) else 443


def _address(cluster: Resource, name: str, suffix: str) -> str:
    value = cluster.get("properties.connectivityEndpoints")
    named = (
        (text_at(each, "location") for each in value if same(get_path(each, "name"), name))
        if isinstance(value, list)
        else ()
    )
    return next((each for each in named if each), f"{cluster.name}{suffix}.azurehdinsight.net".lower())


NO_GATEWAY_RULE = {
    "anonymous-access": "the gateway asks for a password",
    "authentication": "no setting of ARM refuses the passwords of a cluster",
}


NO_SSH_RULE = {
    "anonymous-access": "SSH asks for a password or key",
    "authentication": "no setting of ARM refuses the passwords of a cluster",
}


@CLUSTER.endpoints(
    Endpoint("gateway", "data", ports=HTTPS, no_rule=NO_GATEWAY_RULE),
    Endpoint("more/*", "data", ports=HTTPS, no_rule=NO_GATEWAY_RULE),
    Endpoint("ssh", "admin", ports=("tcp/22", "tcp/23"), no_rule=NO_SSH_RULE),
    Endpoint("shell/*", "admin", ports=("tcp/22",), no_rule=NO_SSH_RULE),
    Endpoint(
        "application/*",
        "app",
        ports=HTTPS,
        no_rule={
            "authentication": "no setting of ARM refuses the passwords of a cluster",
            "network": "its network is that of the gateway, which hdinsight-network-unrestricted evaluates",
        },
    ),
    reads=(APPLICATIONS,),
)
def endpoints(cluster: Resource, index: Index) -> Iterator[Exposure]:
    gateway, shell = network(cluster, index, 443), network(cluster, index, 22)
    yield _endpoint("gateway", gateway, GATEWAY, Message("The cluster gateway"), _address(cluster, "HTTPS", ""))
    yield _endpoint("ssh", shell, SHELL, Message("SSH of the cluster"), _address(cluster, "SSH", "-ssh"))
    for name, host, port in _ports(cluster):
        if port == 22:
            yield _endpoint(f"shell/{name}", shell, SHELL, Message("SSH of the cluster ({name})", name=name), host)
        else:
            reach = gateway if port == 443 else network(cluster, index, port)
            made = _endpoint(
                f"more/{name}", reach, GATEWAY, Message("The endpoint {name} of the cluster", name=name), host
            )
            yield replace(made, ports=(f"tcp/{port}",))
    applications = cluster.children(APPLICATIONS)
    if applications.gap is not None:
        yield unread("application/*", "app", applications.gap, display_name=Message("The applications of the cluster"))
    for application in applications:
        yield from application_endpoints(application, gateway)


def _endpoint(name: str, reach: Lock, sign_in: Lock, title: Message, address: str) -> Exposure:
    return Exposure(
        name,
        "admin" if name.partition("/")[0] in ("ssh", "shell") else "data",
        reach,
        sign_in,
        display_name=title,
        address=address,
        counts_as_closed_up_to=Reach.selected,
        justification=PASSWORDS,
    )


def application_endpoints(application: Resource, reach: Lock) -> Iterator[Exposure]:
    """Yield the web endpoints of an application on an edge node; the gateway may let callers in without a password."""
    path = "properties.httpsEndpoints"
    value = application.get(path)
    title = Message("The application {value}", value=application.name.rsplit("/", 1)[-1])
    name = f"application/{application.name.rsplit('/', 1)[-1]}"
    if not isinstance(value, list):
        if not is_absent(value) or application.has_no_properties:
            yield replace(unread(name, "app", not_a_list(path), display_name=title), subject=application)
        return
    for each in value:
        yield Exposure(
            name,
            "app",
            reach,
            _gateway_sign_in(each, f"{path}[].disableGatewayAuth"),
            display_name=title,
            subject=application,
            address=text_at(each, "location"),
        )


def _gateway_sign_in(entry: Any, path: str) -> Lock:
    value = get_path(entry, "disableGatewayAuth")
    level = SIGN_IN.level(value)
    seen = Evidence(path, None if is_absent(value) else value, False)
    if level is None:
        return possible(Auth.anonymous, not_returned(path) if is_absent(value) else unknown_value(path, value), seen)
    return grant(level, seen, description=SIGN_IN.descriptions.get(level, NOTHING))
