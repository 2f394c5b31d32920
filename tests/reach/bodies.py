"""ARM bodies of small networks, written by hand."""

from __future__ import annotations

from typing import Any

from scanner.model.addresses import Version
from scanner.model.resource import Resource
from scanner.reach.networks.fabric import Destination, Fabric
from scanner.reach.networks.filtering import EntryKind, FilterChain, filter_chain

ROOT = "/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/rg/providers/Microsoft.Network"
SUBNET = f"{ROOT}/virtualNetworks/net/subnets/inner"
ABOVE = f"{ROOT}/networkSecurityGroups/above"
BELOW = f"{ROOT}/networkSecurityGroups/below"
ASG = f"{ROOT}/applicationSecurityGroups/web"


def rule(name: str, priority: int, access: str, source: Any, ports: Any, /, **more: Any) -> dict[str, Any]:
    """An inbound rule for TCP to everywhere; lists go into the plural fields. `more` replaces members; None removes."""
    properties: dict[str, Any] = {
        "priority": priority,
        "access": access,
        "direction": "Inbound",
        "protocol": "Tcp",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "sourceAddressPrefixes" if isinstance(source, list) else "sourceAddressPrefix": source,
        "destinationPortRanges" if isinstance(ports, list) else "destinationPortRange": ports,
        **more,
    }
    return {"name": name, "properties": {key: value for key, value in properties.items() if value is not None}}


def nsg(identity: str, *rules: dict[str, Any], **more: Any) -> Resource:
    return Resource({"id": identity, "properties": {"securityRules": list(rules), **more}})


def network(group: str = "", table: str = "") -> Resource:
    properties: dict[str, Any] = {"addressPrefix": "10.0.0.0/24"}
    if group:
        properties["networkSecurityGroup"] = {"id": group}
    if table:
        properties["routeTable"] = {"id": table}
    subnets = [{"id": SUBNET, "name": "inner", "properties": properties}]
    return Resource({"id": f"{ROOT}/virtualNetworks/net", "properties": {"subnets": subnets}})


def manager_rows(
    network: str, rules: list[dict[str, Any]], manager: str = "m", scope: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The rows of Resource Graph that say that these rules of a network manager are in force in a network (its id)."""
    top = f"{ROOT}/networkManagers/{manager}"
    configuration = f"{top}/securityAdminConfigurations/c"
    effective = {"effectiveSecurityAdminConfigurations": [{"id": f"{configuration}/snapshots/1"}]}
    rows = [
        {"id": f"{network}/providers/Microsoft.Network/effectiveSecurityAdminRules/default", "properties": effective}
    ]
    for each in rules:
        name = each["id"].rsplit("/", 1)[-1]
        rows.append({**each, "id": f"{configuration}/ruleCollections/rc/rules/{name}/snapshots/1"})
    if scope is not None:
        rows.append({"id": top, "properties": {"networkManagerScopes": scope}})
    return rows


def routes(identity: str, *routes: tuple[str, str]) -> Resource:
    matches = [{"properties": {"addressPrefix": prefix, "nextHopType": hop}} for prefix, hop in routes]
    return Resource({"id": identity, "properties": {"routes": matches}})


def fabric(*resources: Resource) -> Fabric:
    out = Fabric()
    for each in resources:
        assert out.add(each)
    return out


def one_group(
    *rules: dict[str, Any], entry: EntryKind = "standard", address: str = "10.0.0.4", groups: tuple[str, ...] = ()
) -> FilterChain:
    """The passage to a machine whose subnet has one group with these rules, and whose interface has none."""
    version: Version = 6 if ":" in address else 4
    made = fabric(network(ABOVE), nsg(ABOVE, *rules))
    return filter_chain(
        made, Destination(SUBNET, "", address, version, frozenset(each.lower() for each in groups)), entry
    )


def labels(passage: FilterChain) -> list[str]:
    """The endpoints that are open, with what is only maybe open in brackets."""
    return [each.label if each.certain else f"({each.label})" for each in passage.open_ranges]
