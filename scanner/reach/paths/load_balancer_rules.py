"""The rules of a load balancer's body: ports, floating IP, pools."""

from __future__ import annotations

from typing import Any, Final

from scanner.model.ids import name_of
from scanner.model.json_paths import get_path, is_absent, same, text_at
from scanner.reach.networks.fabric import id_or_empty
from scanner.reach.paths.network_paths import EVERY_PORT, PortMapping, lacks_id, port_at

RULE_LISTS: Final = ("loadBalancingRules", "inboundNatRules", "inboundNatPools")
PROTOCOLS: Final = {"tcp": "tcp", "udp": "udp", "all": "*", "any": "*", "*": "*"}


def name_in(body: Any) -> str:
    """Return the name of a part of a body, by its name or id; "?" without one."""
    return text_at(body, "name") or name_of(text_at(body, "id")) or "?"


def _protocol(body: Any) -> str:
    """Return the protocol of a rule; a value that is not known counts as TCP and UDP."""
    return PROTOCOLS.get(text_at(body, "properties.protocol").lower(), "*")


def is_floating(rule: Any) -> bool | None:
    """Return whether a rule keeps the address of its front end; None where the value is not known."""
    value = get_path(rule, "properties.enableFloatingIP")
    if is_absent(value) or same(value, False):
        return False
    return True if same(value, True) else None


def balanced_ports(rule: Any) -> PortMapping | None:
    """Return the ports of a load balancing rule; None where it names none. 0 to 0 are HA ports: every port."""
    first, back = port_at(rule, "properties.frontendPort"), port_at(rule, "properties.backendPort")
    if not first and not back:
        return EVERY_PORT
    if first is None:
        return None
    floating = is_floating(rule) is not False
    return PortMapping(_protocol(rule), first, first, first if back is None or (floating and not back) else back)


def translated_ports(rule: Any, ranged: bool) -> PortMapping | None:
    """Return the ports of an inbound NAT rule; None where it names none.

    `ranged`: it has a range of front-end ports, of which each machine gets one.
    """
    back = port_at(rule, "properties.backendPort")
    first = port_at(rule, "properties.frontendPortRangeStart" if ranged else "properties.frontendPort")
    last = port_at(rule, "properties.frontendPortRangeEnd") if ranged else first
    if back is None or first is None:
        return None
    return PortMapping(_protocol(rule), first, first if last is None else max(first, last), back, single_backend=ranged)


def is_list_of_objects(value: Any) -> bool:
    """Return whether a value is a list of JSON objects."""
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def is_list_of_resources(value: Any) -> bool:
    """Return whether a value is a list of JSON objects with properties."""
    return is_list_of_objects(value) and all(isinstance(get_path(each, "properties"), dict) for each in value)


def pools_named(rule: Any, list_name: str) -> list[str] | None:
    """Return the keys of the pools that a rule of that list names; None where they cannot be read."""
    if list_name == "inboundNatPools":
        return []
    several = get_path(rule, "properties.backendAddressPools") if list_name == "loadBalancingRules" else None
    if (not is_absent(several) and not is_list_of_objects(several)) or lacks_id(rule, "backendAddressPool"):
        return None
    ids = [text_at(each, "id") for each in several] if isinstance(several, list) else []
    one = text_at(rule, "properties.backendAddressPool.id")
    return [id_or_empty(each) for each in (*ids, *([one] if one else []))] if all(ids) else None
