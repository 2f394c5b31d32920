"""The endpoints of a Machine Learning workspace: its studio and API, and those that serve models."""

from collections.abc import Iterator

from scanner.model.exposure import IDENTITY, Auth, Exposure, Hop, Lock, Reach, Switch, possible, replace, unread
from scanner.model.fix import Fix
from scanner.model.index import Index
from scanner.model.json_paths import same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoPort
from scanner.model.verdict import Unread
from scanner.reach.services.firewall import Firewall, firewall, private_endpoints

from .common import host
from .machine_learning import (
    BATCH,
    COMPUTES,
    CONNECTIONS_PATH,
    ONLINE,
    SERVERLESS,
    WORKSPACE,
    closed_by_switch,
    hub_of,
    is_project,
    network,
)
from .ml_computes import compute_endpoints

OF_HUB = Fix(
    steps=(Message("Disable public network access of the hub: that applies to all its projects"),),
    impact=Message("Callers of every project of the hub lose access unless they use a private endpoint."),
)
PROJECT = Message("a project has the network of its hub, which is assessed by itself")
ONLINE_ACL = Firewall(
    empty="open",
    source="machine-learning/concept-secure-online-endpoint: public network access of an endpoint is enabled unless it is "
    "disabled, whatever the workspace says",
    name=Message("Public network access of the endpoint"),
    absent="enabled",
    endpoints=None,
)
ONLINE_SIGN_IN = Switch(
    "properties.authMode",
    {"AADToken": Auth.identity, "AMLToken": Auth.identity, "Key": Auth.shared},
    descriptions={Auth.shared: Message("accepts one of two keys")},
)
"""A token of Azure Machine Learning is given to an identity, and expires: machine-learning/how-to-authenticate-online-endpoint."""
SERVERLESS_SIGN_IN = Switch(
    "properties.authMode",
    {"AAD": Auth.identity, "Key": Auth.shared, "KeyAndAAD": Auth.shared},
    descriptions={Auth.shared: Message("accepts one of two keys")},
)


def _sign_in(endpoint: Resource, switch: Switch) -> Lock:
    """Return the authentication lock of an endpoint. How callers sign in is chosen when it is created."""
    lock = switch.lock(endpoint)
    return replace(lock, grants=tuple(replace(each, cause=None, then=None) for each in lock.grants))


def _of_project(exposure: Exposure, workspace: Resource) -> Exposure:
    """Return an endpoint with the network of its workspace: in a project that of its hub, which is assessed by itself."""
    if not is_project(workspace) or not exposure.reach.grants:
        return exposure
    if exposure.authentication.levels != (Auth.identity,):
        return replace(exposure, fixes={"network": OF_HUB})
    return replace(exposure, counts_as_closed_up_to=Reach.internet, justification=PROJECT)


def online_network(endpoint: Resource, workspace: Resource, index: Index) -> Lock:
    """Return the network lock of an online endpoint: its own switch, and the private endpoints of its workspace or hub."""
    kind = endpoint.get("kind")
    if not same(kind, "Managed"):
        missing = Unread(
            "kind",
            Message("an endpoint of a cluster has the networks of the cluster, which the workspace does not show"),
        )
        return possible(Reach.internet, missing, endpoint.evidence("kind", "Managed"), hops=(_cluster_hop(missing),))
    direct = closed_by_switch(firewall(endpoint, index, ONLINE_ACL), endpoint)
    try:
        holder = hub_of(workspace, index) if is_project(workspace) else workspace
    except Unread as missing:
        return direct | possible(Reach.selected, missing, workspace.evidence(CONNECTIONS_PATH))
    return direct | private_endpoints(holder, index, CONNECTIONS_PATH)


def _cluster_hop(missing: Unread) -> Hop:
    return Hop("switch", Message("Kubernetes cluster"), missing.why, allows=None)


def _online(workspace: Resource, index: Index) -> Iterator[Exposure]:
    children = workspace.children(ONLINE)
    if children.gap is not None:
        yield unread("online/*", "data", children.gap, display_name=Message("The online endpoints of the workspace"))
    for endpoint in children:
        yield Exposure(
            f"online/{endpoint.name}",
            "data",
            online_network(endpoint, workspace, index),
            _sign_in(endpoint, ONLINE_SIGN_IN),
            display_name=Message("The online endpoint {name}", name=endpoint.name),
            subject=endpoint,
            address=host(endpoint, "properties.scoringUri"),
        )


def _batch(workspace: Resource, reach: Lock) -> Iterator[Exposure]:
    """Yield the batch endpoints. They are private where the workspace is: machine-learning/how-to-secure-batch-endpoint."""
    children = workspace.children(BATCH)
    if children.gap is not None:
        yield unread("batch/*", "data", children.gap, display_name=Message("The batch endpoints of the workspace"))
    for endpoint in children:
        yield Exposure(
            f"batch/{endpoint.name}",
            "data",
            reach,
            _sign_in(endpoint, ONLINE_SIGN_IN),
            display_name=Message("The batch endpoint {name}", name=endpoint.name),
            subject=endpoint,
            address=host(endpoint, "properties.scoringUri"),
        )


def _serverless(workspace: Resource, reach: Lock) -> Iterator[Exposure]:
    """Yield the serverless endpoints. They follow the switch of the workspace or hub: machine-learning/concept-model-catalog."""
    children = workspace.children(SERVERLESS)
    if children.gap is not None:
        yield unread(
            "serverless/*", "data", children.gap, display_name=Message("The serverless endpoints of the workspace")
        )
    for endpoint in children:
        yield Exposure(
            f"serverless/{endpoint.name}",
            "data",
            reach,
            _sign_in(endpoint, SERVERLESS_SIGN_IN),
            display_name=Message("The serverless endpoint {name}", name=endpoint.name),
            subject=endpoint,
            address=host(endpoint, "properties.inferenceEndpoint.uri"),
        )


NO_RULE = {
    "anonymous-access": "every call carries a token, a key or a credential of a user of the node",
    "authentication": "every call carries a token of Microsoft Entra ID",
}


BY_CALLERS = {"anonymous-access": "every call carries a token, a key or a credential of a user of the node"}


BY_USERS_OF_NODES = {
    "anonymous-access": "every call carries a token, a key or a credential of a user of the node",
    "authentication": "users of nodes have keys and passwords of their own: no setting adds Microsoft Entra ID",
}


@WORKSPACE.endpoints(
    Endpoint(
        "workspace",
        "data",
        ports=HTTPS,
        hosts=(
            "properties.notebookInfo.fqdn",
            "properties.mlFlowTrackingUri",
        ),
        no_rule=NO_RULE,
    ),
    Endpoint("online/*", "data", ports=HTTPS, no_rule=BY_CALLERS),
    Endpoint("batch/*", "data", ports=HTTPS, no_rule=BY_CALLERS),
    Endpoint("serverless/*", "data", ports=HTTPS, no_rule=BY_CALLERS),
    Endpoint("apps/*", "data", ports=HTTPS, no_rule=NO_RULE),
    Endpoint(
        "ssh/*",
        "admin",
        ports=NoPort(Message("the SSH port of the compute was not returned")),
        no_rule=BY_USERS_OF_NODES,
    ),
    Endpoint(
        "nodes/*",
        "admin",
        ports=NoPort(Message("each node has its own port in front of SSH")),
        no_rule=BY_USERS_OF_NODES,
    ),
    reads=(ONLINE, BATCH, SERVERLESS, COMPUTES),
)
def endpoints(workspace: Resource, index: Index) -> Iterator[Exposure]:
    reach = network(workspace, index)
    studio = Exposure(
        "workspace",
        "data",
        reach,
        IDENTITY,
        display_name=Message("The Machine Learning workspace"),
        address=host(workspace, "properties.discoveryUrl"),
    )
    yield _of_project(studio, workspace)
    yield from _online(workspace, index)
    for exposure in (*_batch(workspace, reach), *_serverless(workspace, reach)):
        yield _of_project(exposure, workspace)
    for exposure in compute_endpoints(workspace, index, reach):
        yield _of_project(exposure, workspace) if exposure.endpoint.startswith("apps/") else exposure
