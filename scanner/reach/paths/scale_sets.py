"""Network paths to the instances of a Uniform scale set.

Source: Microsoft Learn, virtual-network/ip-services/public-ip-addresses and load-balancer/manage-inbound-nat-rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec import Struct

from scanner.model.addresses import Version
from scanner.model.exposure import Hop
from scanner.model.json_paths import get_path, is_absent, known_text, member, objects_at, same, text_at
from scanner.model.message import Message, listed
from scanner.model.resource import Children, Resource
from scanner.model.verdict import malformed
from scanner.reach.networks.fabric import (
    UNKNOWN_SECURITY_GROUP,
    Destination,
    application_groups,
    id_or_empty,
    network_of,
)
from scanner.reach.networks.filtering import EntryKind
from scanner.reach.paths.load_balancer_rules import is_list_of_objects, is_list_of_resources, name_in
from scanner.reach.paths.network_paths import FrontEnd, NetworkPath, lacks_id
from scanner.reach.paths.topology import Topology

_POOLS: Final = "loadBalancerBackendAddressPools"
_NAT_POOLS: Final = "loadBalancerInboundNatPools"
_PUBLIC_ADDRESS: Final = "properties.publicIPAddressConfiguration"


def scale_set_paths(topology: Topology, models: Iterable[Any], nics: Children, publics: Children) -> list[NetworkPath]:
    """Return the paths to the instances of a scale set.

    `models`: the network interface configurations of its model; `nics`, `publics`: what was read of its instances,
    which may differ from the model until they are upgraded. Raises Unread for a malformed model.
    """
    addresses = _InstanceAddresses(publics)
    network_paths: list[NetworkPath] = []
    for each, body, end in scale_set_ends(models, nics):
        network_paths += [NetworkPath(front, end) for front in _front_ends(topology, each, body, end, addresses)]
        if end.address or nics.gap is not None:
            network = network_of(id_or_empty(end.subnet))
            fronts = topology.front_ends.at(network, end.address, id_or_empty(end.subnet))
            fronts += topology.load_balancers.to_unknown_address(network, end.address)
            network_paths += [NetworkPath(front, end) for front in fronts]
    return network_paths


def scale_set_ends(models: Iterable[Any], nics: Children) -> Iterator[tuple[Any, Any, Destination]]:
    """Yield each IP configuration of a scale set's model, with the one of each instance and its destination; with
    itself where no instance was read. Raises Unread for a malformed model.
    """
    for model in models:
        _check_model(model)
        group = _group_of(model)
        for each in objects_at(model, "properties.ipConfigurations"):
            instances = list(_instances(nics, name_in(model), each)) or [(_destination(each, group), each)]
            yield from ((each, body, end) for end, body in instances)


def pools_of(topology: Topology, model: Any, body: Any, end: Destination) -> tuple[str, ...]:
    """Return the pools and NAT rules (keys) of an IP configuration of the `model`, whose instance is `body`."""
    balancers, network = topology.load_balancers, network_of(id_or_empty(end.subnet))
    id = id_or_empty(text_at(body, "id"))
    pools = [text_at(one, "id") for source in (model, body) for one in objects_at(source, f"properties.{_POOLS}")]
    pools += [text_at(one, "id") for one in objects_at(model, f"properties.{_NAT_POOLS}")]
    named = [*balancers.pools_of_configuration.get(id, ()), *balancers.pools_at(network, end.address)]
    return tuple(dict.fromkeys((*map(id_or_empty, pools), *named)))


def _front_ends(
    topology: Topology, model: Any, body: Any, end: Destination, addresses: _InstanceAddresses
) -> Iterator[FrontEnd]:
    """Return what leads to an IP configuration: of the `model`, and of the `body` of an instance."""
    network, id = network_of(id_or_empty(end.subnet)), id_or_empty(text_at(body, "id"))
    named = pools_of(topology, model, body, end)
    nat_pools = [id_or_empty(text_at(one, "id")) for one in objects_at(model, f"properties.{_NAT_POOLS}")]
    for pool in named:
        yield from topology.front_ends.by_pool.get(pool, ())
    for pool in dict.fromkeys(nat_pools):
        yield from topology.front_ends.by_nat_pool.get(pool, ())
    yield from topology.load_balancers.of_unread(each for each in named if each)
    yield from addresses.front_ends(model, text_at(body, "id"))
    yield from topology.possible_front_ends(end.subnet, network, (id, *named))


class _InstanceAddresses(Struct):
    """The public addresses of a scale set's instances, by its model and by what was read of them."""

    rows: Children

    def front_ends(self, model: Any, configuration: str) -> Iterator[FrontEnd]:
        """Return one front end for all instances of an IP configuration, because their addresses come and go."""
        public_address = get_path(model, _PUBLIC_ADDRESS)
        version: Version = 6 if same(get_path(model, "properties.privateIPAddressVersion"), "IPv6") else 4
        configuration_rows = [row for row in self.rows if self._belongs(row, configuration)]
        if isinstance(public_address, dict) or configuration_rows:
            sku = text_at(public_address, "sku.name") or next(
                (text_at(row.body, "sku.name") for row in configuration_rows), ""
            )
            entry: EntryKind = "standard" if sku.lower().startswith("standard") else "basic"
            known = [address for row in self.rows if (address := text_at(row.body, "properties.ipAddress"))]
            detail = listed(known[:3]) or Message("each instance has its own address")
            name = text_at(public_address, "name") or Message("instance addresses")
            yield FrontEnd("", entry, version=version, hops=(Hop("public-ip", name, detail),))
        elif self.rows.gap is not None:
            hop = Hop("public-ip", Message("instance addresses"), Message("could not be read"), allows=None)
            yield FrontEnd("", "standard", version=version, hops=(hop,), missing=(self.rows.gap,))

    @staticmethod
    def _belongs(row: Resource, configuration: str) -> bool:
        where = text_at(row.body, "properties.ipConfiguration.id")
        return not configuration or not where or id_or_empty(where) == id_or_empty(configuration)


def _destination(body: Any, group: str) -> Destination:
    """Return the destination behind an IP configuration of a model or of an instance."""
    address = text_at(body, "properties.privateIPAddress")
    six = same(get_path(body, "properties.privateIPAddressVersion"), "IPv6") or ":" in address
    groups = application_groups(member(body, "properties"))
    return Destination(
        id_or_empty(text_at(body, "properties.subnet.id")), id_or_empty(group), address, 6 if six else 4, groups
    )


def _instances(nics: Children, nic: str, model: Any) -> Iterator[tuple[Destination, Any]]:
    """Return an IP configuration of the model as it is on every instance that was read. Raises Unread for an interface
    whose name is no text.
    """
    for each in nics:
        name = known_text(each.body, "name").lower()
        if name and name != nic.lower() and not name.endswith(f"-{nic.lower()}"):
            continue
        group = _group_of(each.body)
        for body in objects_at(each.body, "properties.ipConfigurations"):
            if name_in(body).lower() == name_in(model).lower():
                yield _destination(body, group), body


def _check_model(model: Any) -> None:
    """Raise Unread for a malformed network interface of a scale set's model."""
    configurations = get_path(model, "properties.ipConfigurations")
    if not configurations or not is_list_of_resources(configurations):
        raise malformed(f"{name_in(model)} ipConfigurations")
    for body in configurations:
        public_address = get_path(body, _PUBLIC_ADDRESS)
        if not is_absent(public_address) and not isinstance(public_address, dict):
            raise malformed("publicIPAddressConfiguration")
        for name in (_POOLS, _NAT_POOLS):
            value = get_path(body, f"properties.{name}")
            named = is_list_of_objects(value) and all(text_at(each, "id") for each in value)
            if not is_absent(value) and not named:
                raise malformed(Message("load balancer pools"))


def _group_of(body: Any) -> str:
    """Return the id of a network security group, "" without one; UNKNOWN_SECURITY_GROUP where it cannot be read."""
    if lacks_id(body, "networkSecurityGroup"):
        return UNKNOWN_SECURITY_GROUP
    return text_at(body, "properties.networkSecurityGroup.id")
