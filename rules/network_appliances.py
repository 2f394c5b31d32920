"""Network virtual appliances of virtual hubs: their own public addresses, and those whose traffic they forward."""

from collections.abc import Iterator
from typing import Any

from scanner.model.exposure import SHARED, Auth, Exposure, Hop, Reach, closed, possible, replace
from scanner.model.ids import name_of
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, member, text_at
from scanner.model.message import Message, name
from scanner.model.resource import Resource
from scanner.model.resource_type import Endpoint, ResourceType
from scanner.model.verdict import Evidence, Unread, malformed, not_returned

from .reasons import ONLY_TRAFFIC

APPLIANCE = ResourceType(
    "Microsoft.Network/networkVirtualAppliances",
    api="2025-09-01",
    product=Message("Network virtual appliance"),
    no_rule=ONLY_TRAFFIC,
)
NICS = "properties.virtualApplianceNics"
INGRESS = "properties.internetIngressPublicIps"
RULES = "properties.inboundSecurityRules"

# azure-mgmt-network: InboundSecurityRuleOperations has get and create_or_update, and no list.
OF_THE_VENDOR = Unread(
    Message("the filters of the appliance"),
    Message("they are in the appliance, and of its inbound security rules ARM lists the ids alone"),
)
NOTHING = Message("no inbound security rule forwards traffic")
FORWARDED = Unread(Message("the translation rules of the appliance"), Message("they are in the appliance"))


@APPLIANCE.endpoints(
    Endpoint("nic/*", "admin", ports=("*/*",), no_rule={"anonymous-access": "its administrators sign in there"}),
    Endpoint(
        "ingress/*",
        "app",
        ports=("*/*",),
        no_rule={"authentication": "credentials are checked by the application behind the appliance"},
    ),
)
def endpoints(appliance: Resource, index: Index) -> Iterator[Exposure]:
    yield from _nics(appliance)
    yield from _ingress(appliance, index)


def _nics(appliance: Resource) -> Iterator[Exposure]:
    """Yield an endpoint for each interface with a public address. Its administrators sign in there."""
    nics = appliance.get(NICS)
    if not isinstance(nics, list) or not all(_is_interface(each) for each in nics):
        missing = not_returned(NICS) if is_absent(nics) else malformed(NICS)
        yield Exposure(
            "nic/*", "admin", possible(Reach.internet, missing), SHARED, Message("The interfaces of the appliance")
        )
        return
    for each in nics:
        address, nic = text_at(each, "publicIpAddress"), text_at(each, "name") or text_at(each, "nicType")
        if not address:
            continue
        instance = text_at(each, "instanceName")
        label = f"{instance}-{nic}" if instance else nic or address
        seen = Evidence(f"{NICS}[].publicIpAddress", address)
        hops = (
            Hop("public-ip", nic or label, name(address)),
            Hop("nsg", Message("Filters of the appliance"), allows=None),
        )
        reach = possible(Reach.internet, OF_THE_VENDOR, seen, hops=hops)
        yield Exposure(
            f"nic/{label}", "admin", reach, SHARED, Message("The interface {label}", label=label), address=address
        )


def _is_interface(nic: Any) -> bool:
    """Return whether an entry is an object whose public address is a text, or absent."""
    address = member(nic, "publicIpAddress")
    return isinstance(nic, dict) and (is_absent(address) or isinstance(address, str))


def _ingress(appliance: Resource, index: Index) -> Iterator[Exposure]:
    """Yield an endpoint for each address whose traffic is forwarded into the hub.

    virtual-wan/how-to-network-virtual-appliance-inbound: only inbound security rules bring traffic to it.
    """
    addresses, rules = appliance.items(INGRESS), appliance.get(RULES)
    for each in addresses:
        id = text_at(each, "id")
        name = name_of(id)
        what = Message("What the appliance publishes at {name}", name=name)
        if rules == []:
            hop = Hop("switch", Message("Inbound security rules"), NOTHING, allows=False)
            off = closed(f"ingress/{name}", "app", NOTHING, display_name=what)
            yield replace(off, reach=replace(off.reach, hops=(hop,)))
            continue
        resource = index.resources.get("/" + id.strip("/").lower())
        address = text_at(resource.body, "properties.ipAddress") if resource is not None else ""
        reach = possible(Reach.internet, FORWARDED, Evidence(f"{INGRESS}[].id", id))
        sign_in = possible(Auth.anonymous, FORWARDED)
        yield Exposure(f"ingress/{name}", "app", reach, sign_in, what, address=address)
