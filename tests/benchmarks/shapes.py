"""Estates that grow with a number: hubs, spokes and groups as large ones have them, and a vault of many keys.

A place of a network has a virtual network, a machine with an interface and a security group, and mostly a firewall that
publishes it.
"""

from collections.abc import Callable, Iterator
from itertools import chain, product
from typing import Any

from scanner.model.index import INDEX_TYPES
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store

SUBSCRIPTION = "00000000-0000-0000-0000-00000000000a"
TENANT = "99999999-0000-0000-0000-000000000009"
Body = dict[str, Any]
Bodies = Iterator[Body]


def root(number: int) -> str:
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-{number}/providers/Microsoft.Network"


def block(number: int) -> str:
    """Return the first two numbers of the addresses of a place."""
    return f"10.{number}" if number < 256 else f"172.{16 + number - 256}"


def network_id(number: int) -> str:
    return f"{root(number)}/virtualNetworks/net-{number}"


def network(number: int, peers: list[str], addresses: str, subnets: tuple[str, ...] = ("app",)) -> Body:
    """Return a virtual network with peerings to these networks."""
    inner = [
        {
            "id": f"{network_id(number)}/subnets/{name}",
            "name": name,
            "properties": {"addressPrefix": f"{addresses}.{each}.0/24"},
        }
        for each, name in enumerate(subnets)
    ]
    peerings = [
        {"name": f"p{each}", "properties": {"peeringState": "Connected", "remoteVirtualNetwork": {"id": peer}}}
        for each, peer in enumerate(peers)
    ]
    space = {"addressPrefixes": [f"{addresses}.0.0/16"]}
    properties = {"addressSpace": space, "subnets": inner, "virtualNetworkPeerings": peerings}
    return {"id": network_id(number), "location": "norwayeast", "properties": properties}


def machine(number: int, address: str) -> Bodies:
    """Yield a machine with its interface and security group. `address`: "" where the interface tells none."""
    group, nic = (
        f"{root(number)}/networkSecurityGroups/nsg-{number}",
        f"{root(number)}/networkInterfaces/nic-{number}",
    )
    allow = {
        "priority": 100,
        "direction": "Inbound",
        "access": "Allow",
        "protocol": "Tcp",
        "sourceAddressPrefix": "*",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRange": "22",
    }
    yield {
        "id": group,
        "location": "norwayeast",
        "properties": {"securityRules": [{"name": "ssh", "properties": allow}]},
    }
    where = {"subnet": {"id": f"{network_id(number)}/subnets/app"}}
    inner = {**where, "privateIPAddress": address} if address else where
    properties = {"ipConfigurations": [{"name": "ip", "properties": inner}], "networkSecurityGroup": {"id": group}}
    yield {"id": nic, "location": "norwayeast", "properties": properties}
    yield {
        "id": f"{root(number)}/virtualMachines/vm-{number}".replace("Microsoft.Network", "Microsoft.Compute"),
        "location": "norwayeast",
        "properties": {"networkProfile": {"networkInterfaces": [{"id": nic}]}},
    }


def dnat(number: int, to: str) -> Body:
    """Return a DNAT rule that publishes a private address at a port of its own."""
    return {
        "name": f"to-{number}",
        "destinationAddresses": [public(number)],
        "destinationPorts": ["22"],
        "protocols": ["TCP"],
        "sourceAddresses": ["*"],
        "translatedAddress": to,
        "translatedPort": "22",
    }


def public(number: int) -> str:
    return f"20.1.{number // 250}.{number % 250 + 1}"


def firewall(number: int, rules: list[Body], more: Body) -> Body:
    collections = [{"name": "dnat", "properties": {"rules": rules}}]
    properties = {"natRuleCollections": collections, **more}
    return {"id": f"{root(number)}/azureFirewalls/fw-{number}", "location": "norwayeast", "properties": properties}


def hubs(count: int, wan: bool, distinct: bool, told: bool = True) -> Bodies:
    """Yield virtual hubs with a firewall and a connected network each. `wan`: all of one, else the record has none.

    `distinct`: no two places have the same addresses. `told`: the interfaces have an address in the record.
    """
    for number in range(count):
        hub, addresses = f"{root(number)}/virtualHubs/hub-{number}", block(number) if distinct else "10.0"
        joined = {"virtualWan": {"id": f"{root(0)}/virtualWans/wan"}} if wan else {}
        yield {"id": hub, "location": "norwayeast", "properties": {"addressPrefix": "192.168.0.0/24", **joined}}
        managed = f"/subscriptions/{TENANT}/resourceGroups/rg-{number}/providers/Microsoft.Network/virtualNetworks"
        yield network(number, [f"{managed}/HV_hub-{number}_0a1b"], addresses)
        yield from machine(number, f"{addresses}.0.4" if told else "")
        own = {"publicIPs": {"addresses": [{"address": public(number)}]}, "privateIPAddress": "192.168.0.4"}
        rules = [dnat(number, f"{addresses}.0.4")]
        yield firewall(number, rules, {"virtualHub": {"id": hub}, "hubIPAddresses": own})


def spokes(count: int) -> Bodies:
    """Yield a hub network whose firewall publishes a machine in each of its spokes."""
    middle = count
    subnet = f"{network_id(middle)}/subnets/AzureFirewallSubnet"
    yield network(middle, [network_id(each) for each in range(count)], "192.168", ("AzureFirewallSubnet",))
    addresses = [f"{root(each)}/publicIPAddresses/ip-{each}" for each in range(count)]
    for number in range(count):
        yield {"id": addresses[number], "location": "norwayeast", "properties": {"ipAddress": public(number)}}
        yield network(number, [network_id(middle)], block(number))
        yield from machine(number, f"{block(number)}.0.4")
    ends = [{"properties": {"publicIPAddress": {"id": each}, "subnet": {"id": subnet}}} for each in addresses]
    yield firewall(middle, [dnat(each, f"{block(each)}.0.4") for each in range(count)], {"ipConfigurations": ends})


def balanced(count: int) -> Bodies:
    """Yield networks with the same addresses, each with a firewall that publishes an internal load balancer."""
    for number in range(count):
        net, balancer = network_id(number), f"{root(number)}/loadBalancers/lb-{number}"
        yield network(number, [], "10.0", ("app", "AzureFirewallSubnet"))
        yield from machine(number, "10.0.0.4")
        ip = f"{root(number)}/publicIPAddresses/ip-{number}"
        yield {"id": ip, "location": "norwayeast", "properties": {"ipAddress": public(number)}}
        front, pool = f"{balancer}/frontendIPConfigurations/in", f"{balancer}/backendAddressPools/all"
        at = {"privateIPAddress": "10.0.0.10", "subnet": {"id": f"{net}/subnets/app"}}
        member = f"{root(number)}/networkInterfaces/nic-{number}/ipConfigurations/ip"
        rule = {
            "frontendIPConfiguration": {"id": front},
            "backendAddressPool": {"id": pool},
            "protocol": "Tcp",
            "frontendPort": 22,
            "backendPort": 22,
            "enableFloatingIP": False,
        }
        properties = {
            "frontendIPConfigurations": [{"id": front, "name": "in", "properties": at}],
            "backendAddressPools": [{"id": pool, "properties": {"backendIPConfigurations": [{"id": member}]}}],
            "loadBalancingRules": [{"name": "ssh", "properties": rule}],
        }
        yield {"id": balancer, "location": "norwayeast", "properties": properties}
        end = {"publicIPAddress": {"id": ip}, "subnet": {"id": f"{net}/subnets/AzureFirewallSubnet"}}
        yield firewall(number, [dnat(number, "10.0.0.10")], {"ipConfigurations": [{"properties": end}]})


def grouped(count: int) -> Bodies:
    """Yield networks that a network manager governs as one group."""
    manager = f"{root(0)}/networkManagers/manager"
    configuration = f"{manager}/securityAdminConfigurations/admin"
    for number in range(count):
        yield network(number, [network_id((number + 1) % count)], block(number))
        yield from machine(number, f"{block(number)}.0.4")
        yield {
            "id": f"{network_id(number)}/providers/Microsoft.Network/effectiveSecurityAdminRules/default",
            "properties": {"effectiveSecurityAdminConfigurations": [{"id": configuration}]},
        }


def encrypted(count: int, rbac: bool) -> Bodies:
    """Yield a vault, accounts with a key of it each, and role assignments on each key and each group: of one identity
    that all accounts have, and of another one for each. Deny assignments on each group concern someone else. Without
    `rbac` access policies grant the keys.
    """
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups"
    vault, shared = f"{group}/rg-keys/providers/Microsoft.KeyVault/vaults/kv-growth", f"{group}/rg-keys/id-growth"
    crypto_user = "12338af0-0e69-4776-bea7-57ae8d297424"
    permissions = {"keys": ["get", "wrapKey", "unwrapKey"]}
    granted = [{"objectId": f"of-{each}", "permissions": permissions} for each in range(count)]
    rights = {"enableRbacAuthorization": rbac, "accessPolicies": [] if rbac else granted}
    properties = {"vaultUri": "https://kv-growth.vault.azure.net/", "tenantId": TENANT, **rights}
    yield {"id": f"/subscriptions/{SUBSCRIPTION}", "properties": {"state": "Enabled"}}
    yield {"id": vault, "location": "norwayeast", "properties": properties}
    for number in range(count):
        key, identity = f"key-{number}", {"userAssignedIdentity": shared} if rbac else {}
        used = {"keyvaulturi": "https://kv-growth.vault.azure.net", "keyname": key}
        encryption = {"keySource": "Microsoft.Keyvault", "keyvaultproperties": used, "identity": identity}
        yield {
            "id": f"{group}/rg-{number}/providers/Microsoft.Storage/storageAccounts/st{number}",
            "location": "norwayeast",
            "identity": {"principalId": f"of-{number}", "userAssignedIdentities": {shared: {"principalId": "shared"}}},
            "properties": {"encryption": encryption},
        }
        yield {"id": f"{vault}/keys/{key}", "properties": {"attributes": {"enabled": True}}}
        for principal, scope in product(("shared", f"of-{number}"), (f"{vault}/keys/{key}", f"{group}/rg-{number}")):
            role = f"{group}/providers/Microsoft.Authorization/roleDefinitions/{crypto_user}"
            yield {
                "id": f"{scope}/providers/Microsoft.Authorization/roleAssignments/{principal}",
                "properties": {
                    "roleDefinitionId": role,
                    "principalId": principal,
                    "principalType": "ServicePrincipal",
                    "scope": scope,
                },
            }
        yield {
            "id": f"{group}/rg-{number}/providers/Microsoft.Authorization/denyAssignments/managed",
            "properties": {
                "scope": f"{group}/rg-{number}",
                "permissions": [{"dataActions": ["*"]}],
                "principals": [{"id": "someone", "type": "ServicePrincipal"}],
            },
        }


SHAPES: dict[str, Callable[[int], Bodies]] = {
    "hubs of one WAN": lambda count: hubs(count, wan=True, distinct=True),
    "hubs without a WAN": lambda count: hubs(count, wan=False, distinct=True),
    "hubs without a WAN, same addresses": lambda count: hubs(count, wan=False, distinct=False),
    "interfaces without an address": lambda count: hubs(count, wan=False, distinct=True, told=False),
    "spokes": spokes,
    "internal load balancers, same addresses": balanced,
    "connected group": grouped,
    "keys of a vault with roles": lambda count: encrypted(count, rbac=True),
    "keys of a vault with access policies": lambda count: encrypted(count, rbac=False),
}


OTHERS = (
    "Microsoft.Compute/virtualMachines",
    "Microsoft.KeyVault/vaults",
    "Microsoft.Storage/storageAccounts",
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Authorization/roleDefinitions",
    "Microsoft.Authorization/denyAssignments",
)


def store_of(bodies: Bodies) -> Store:
    """Return a store of these bodies, with complete lists of every type of the index."""
    store = Store(Header(taken="2026-11-25T00:00:00Z"))
    store.scope(SUBSCRIPTION, "growth", TENANT, "full")
    for type in chain(INDEX_TYPES, OTHERS):
        store.read(f"/subscriptions/{SUBSCRIPTION}/providers/{type}", 0)
    for body in bodies:
        store.resource(body, "pinned", "get")
    return store
