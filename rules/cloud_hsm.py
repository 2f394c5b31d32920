"""Azure Cloud HSM: clusters of hardware security modules, which private endpoints alone reach."""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, Reach, grant, unread
from scanner.model.index import Index
from scanner.model.json_paths import get_path
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Endpoint, NoRule, ResourceType
from scanner.model.verdict import Evidence, Unread, not_returned
from scanner.reach.services.firewall import Firewall, firewall

from .reasons import KEY_STORE, NO_OTHER_LOCATION, ZONES_BY_AZURE

CLUSTER = ResourceType(
    "Microsoft.HardwareSecurityModules/cloudHsmClusters",
    api="2025-03-31",
    product=Message("Cloud HSM cluster"),
    unread={
        "activationState": "A cluster that is not activated holds no keys.",
        "backups": "Listed by a POST only.",
    },
    no_rule=NoRule(
        copy=NO_OTHER_LOCATION,
        key=KEY_STORE,
        backup="no vault takes it, and its backups are listed by a POST, which a scan does not send",
        zone=ZONES_BY_AZURE,
    ),
)
SWITCH = Firewall(
    empty="open",
    source="azure-rest-api-specs, Microsoft.HardwareSecurityModules 2025-03-31 PublicNetworkAccess: the one known value is "
    "Disabled. What an absent value means is not documented",
    name=Message("Public network access"),
)
MODULES = "properties.hsms"
PASSWORDS_ONLY = Message(
    "The users of a cluster are in the cluster, with their own passwords or certificates; no setting asks for Microsoft Entra ID, so "
    "behind private endpoints there is nothing left to fix"
)


@CLUSTER.endpoints(
    Endpoint(
        "hsm/*",
        "data",
        ports=("tcp/443", "tcp/2224", "tcp/2225"),
        no_rule={
            "anonymous-access": "a cluster has users of its own, with passwords or certificates",
            "authentication": "no setting asks for Microsoft Entra ID; its network rule reports the cell",
        },
    ),
)
def endpoints(cluster: Resource, index: Index) -> Iterator[Exposure]:
    modules = cluster.get(MODULES)
    if not isinstance(modules, list):
        yield unread("hsm/*", "data", not_returned(MODULES), display_name=Message("The modules of the cluster"))
        return
    reach = firewall(cluster, index, SWITCH)
    users = grant(
        Auth.shared,
        Evidence(Message("users of the cluster"), Message("passwords or certificates")),
        description=Message("accepts passwords of the cluster's own users"),
    )
    for position, module in enumerate(modules, start=1):
        name = get_path(module, "fqdn")
        if not isinstance(name, str) or not name:
            missing = Unread(f"{MODULES}[].fqdn", Message("Azure did not return it"))
            yield unread("hsm/*", "data", missing, display_name=Message("The modules of the cluster"))
            continue
        yield Exposure(
            f"hsm/{position}",
            "data",
            reach,
            users,
            Message("Module {place} of the cluster", place=position),
            address=name,
            counts_as_closed_up_to=Reach.selected,
            justification=PASSWORDS_ONLY,
        )
