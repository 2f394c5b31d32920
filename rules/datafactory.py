"""Azure Data Factory: self-hosted integration runtimes with their keys, and where other runtimes run."""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, Reach, grant, unread
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Verdict,
    not_returned_or_unknown,
    unknown,
    unknown_value,
)
from scanner.reach.services.firewall import Firewall, firewall

from .reasons import NO_BACKUP, NO_ZONES

FACTORY = ResourceType(
    "Microsoft.DataFactory/factories",
    api="2018-06-01",
    product=Message("Data factory"),
    unread={
        "linkedservices, globalParameters": "They hold credentials, masked or not. No rule reads them, so no snapshot keeps them.",
        "repoConfiguration": "Whether pipelines are in Git is a choice of development.",
    },
    no_rule=NoRule(backup=NO_BACKUP, zone=NO_ZONES),
)
RUNTIMES = FACTORY.child("integrationRuntimes")
CONNECTIONS = FACTORY.child("privateEndPointConnections")
# What a factory connects to is looked up where another resource has the connection: scanner/reach/networks/managed_endpoints.py.
NETWORK = FACTORY.child("managedVirtualNetworks", always=True)
MANAGED = NETWORK.child(
    "managedPrivateEndpoints",
    always=True,
    keep=("properties.privateLinkResourceId", "properties.connectionState.status"),
)
ACL = Firewall(
    empty="open",
    source="Azure Policy 1cf164be: everything but Disabled is non-compliant; data-factory/data-factory-private-link: a factory has no "
    "address rules, and the switch is for self-hosted integration runtimes alone",
    name=Message("Public network access"),
    absent="enabled",
    endpoints=CONNECTIONS,
)
KEYS_REMAIN = Message(
    "the authentication keys of a self-hosted runtime cannot be disabled (data-factory/create-self-hosted-integration-runtime), so once "
    "the network is restricted there is nothing left to fix"
)
LINKED = "properties.typeProperties.linkedInfo.resourceId"


def is_self_hosted(runtime: Resource) -> bool:
    """Return whether machines register at a runtime with its keys. A linked one has those of the factory that shares it."""
    return not same(runtime.get("properties.type"), "Managed") and not isinstance(runtime.get(LINKED), str)


# Authoring and monitoring (adf.azure.com) go through Azure Resource Manager, so they are no endpoint of a factory.
@FACTORY.endpoints(
    Endpoint(
        "runtime/*",
        "data",
        ports=HTTPS,
        no_rule={
            "anonymous-access": "machines register with a key",
            "authentication": "the keys of a self-hosted runtime cannot be disabled",
        },
    ),
    reads=(RUNTIMES, CONNECTIONS),
)
def endpoints(factory: Resource, index: Index) -> Iterator[Exposure]:
    runtimes = factory.children(RUNTIMES)
    if runtimes.gap is not None:
        yield unread("runtime/*", "data", runtimes.gap, display_name=Message("The integration runtimes"))
    resources = [each for each in runtimes if is_self_hosted(each)]
    reach = firewall(factory, index, ACL, groups=("dataFactory",)) if resources else None
    for runtime in resources:
        if reach is None:
            continue
        keys = grant(
            Auth.shared,
            Evidence(Message("authentication keys"), Message("cannot be disabled")),
            description=Message("accepts the authentication keys of the runtime, which cannot be disabled"),
        )
        yield Exposure(
            f"runtime/{runtime.name}",
            "data",
            reach,
            keys,
            display_name=Message("The integration runtime {name}", name=runtime.name),
            address=f"{factory.name}.{factory.location}.datafactory.azure.net".lower(),
            counts_as_closed_up_to=Reach.private,
            justification=KEYS_REMAIN,
        )


NETWORKS = (
    "properties.managedVirtualNetwork.referenceName",
    "properties.typeProperties.computeProperties.vNetProperties.vNetId",
    "properties.typeProperties.computeProperties.vNetProperties.subnetId",
    "properties.typeProperties.customerVirtualNetwork.subnetId",
)


def without_network(runtime: Resource, index: Index) -> Verdict:
    """Fail where a runtime of Azure is in no virtual network: not a managed one, and not the customer's."""
    kind = runtime.require("properties.type")
    if same(kind, "SelfHosted"):
        return NotApplicable(Message("it runs on machines of its owner"))
    if not same(kind, "Managed"):
        return unknown(unknown_value("properties.type", kind))
    for path in NETWORKS:
        value = runtime.get(path)
        if isinstance(value, str) and value:
            return Pass((runtime.evidence(path),))
        if not is_absent(value) and value != "":
            return unknown(not_returned_or_unknown(path), evidence=(runtime.evidence(path),))
    return Fail((runtime.evidence(NETWORKS[0], Message("a managed virtual network")),))
