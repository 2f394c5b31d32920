"""Random networks as ARM bodies, by seed: small pools, so that rules overlap, and every spelling that ARM may answer.

`doubtful` estates also hold values that nobody knows: an access, a protocol, a priority, a port, a prefix.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

ROOT = "/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/rg/providers/Microsoft.Network"
PREFIXES = (
    *("*", "Any", "0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1", "2000::/4", "20.0.0.0/8", "20.1.0.0/16"),
    *("20.1.2.0/24", "20.1.2.128/25", "20.1.2.3", "20.1.2.3/32", "203.0.113.0/24", "10.0.0.0/8", "10.0.1.4"),
    *("2603:1000::/24", "2603:1000:4::/48", "2603:1000:4::7", "172.16.0.0/12", "20.1.0.0/16,203.0.113.9"),
)
TAGS = (
    *("Internet", "INTERNET", "internet", "VirtualNetwork", "virtualnetwork", "VIRTUAL_NETWORK", "AzureLoadBalancer"),
    *("AzureCloud", "AZURECLOUD", "AzureCloud.NorwayEast", "azurecloud.norwayeast", "Storage", "Storage.WestEurope"),
    *("AzureFrontDoor.Backend", "GatewayManager", "ApiManagement.NorwayEast", "FooService", "fooservice"),
)
PORTS = (
    *("*", "22", "20-25", "80", "443", "3389", "3380-3390", "0-65535", "1-1024", "1024-65535", "23-80", "8080", "0"),
    *("65535", "22-22", "21", "24-3388", "22,443", "0-32767", "32768-65535", "Any"),
)
PROTOCOLS = ("Tcp", "TCP", "tcp", "Udp", "udp", "*", "*", "*", "Icmp", "Esp", "Ah", "Any")
SENDERS = (
    *("1.2.3.4", "20.0.0.1", "20.1.0.0", "20.1.2.2", "20.1.2.3", "20.1.2.4", "20.1.2.200", "20.2.0.0", "21.0.0.0"),
    *("126.255.255.255", "128.0.0.1", "203.0.113.9", "203.0.113.255", "223.0.0.1"),
    *("2603:1000::1", "2603:1000:4::7", "2603:1000:4::8", "2603:1100::1", "2a00::1", "3000::1"),
)
INSIDERS = ("10.0.0.4", "10.0.1.4", "10.0.1.5", "10.9.0.1", "172.16.5.5", "192.168.1.1", "20.1.2.3", "fd00::9")
BORNE: tuple[tuple[str, ...], ...] = (
    (),
    (),
    (),
    ("AzureCloud.norwayeast",),
    ("AzureCloud.westeurope", "Storage.westeurope"),
    ("Storage.norwayeast", "AzureCloud.norwayeast"),
    ("AzureFrontDoor.Backend",),
    ("AzureFrontDoor",),
    ("GatewayManager",),
    ("FooService",),
)


FRONTS = ("192.0.2.1", "2001:db8::1")
BEHIND = ("192.0.2.0/30", "2001:db8::/122")
"""Prefixes that hold the fronts, and not those of the load balancer over regions."""
EVERYWHERE = ("192.0.2.77", "2001:db8::77")
"""The addresses of the load balancer over regions."""


TENANT = "99999999-0000-0000-0000-000000000009"
SCOPES: tuple[dict[str, list[str]], ...] = (
    {"managementGroups": [f"/providers/Microsoft.Management/managementGroups/{TENANT}"], "subscriptions": []},
    {"managementGroups": ["/providers/Microsoft.Management/managementGroups/mg-all"]},
    {"subscriptions": ["/subscriptions/00000000-0000-0000-0000-00000000000a"], "managementGroups": []},
)
"""From the highest to the lowest."""
WALLS = ("198.51.100.1", "198.51.100.2")
"""The public addresses of the two firewalls."""
HUBS = ("10.201.0.0/24", "10.0.1.0/24", "20.1.2.0/24", "172.16.0.0/16", "")
"""The prefix of the virtual hub, which its firewall shows inside; "": not known."""
MANAGED = "HV_whub_5d2f7c11-90ab"
DELEGATED = ("Microsoft.Sql/managedInstances", "microsoft.databricks/workspaces", "Microsoft.Web/serverFarms")


SPACE = ("10.0.0.0/15", "fd00::/48")
"""The address space of the networks."""
INNER_ROUTES = (
    *(("10.0.0.0/24", "None"), ("10.0.0.0/16", "VirtualAppliance"), ("10.0.1.4/32", "VnetLocal")),
    *(("10.0.0.0/8", "None"), ("10.0.1.0/24", "VirtualNetworkGateway"), ("fd00::/64", "None"), ("10.0.1.5/32", "None")),
)


def _turned(properties: dict[str, Any]) -> dict[str, Any]:
    """The properties of a rule for packets that leave: source and destination exchanged, but not their ports."""
    made: dict[str, Any] = {}
    for key, value in properties.items():
        low = key.lower()
        if low == "direction":
            made[key] = "Outbound" if isinstance(value, str) and value.lower().endswith("bound") else value
        elif "port" not in low and low.startswith("source"):
            made[f"destination{key[6:]}"] = value
        elif "port" not in low and low.startswith("destination"):
            made[f"source{key[11:]}"] = value
        else:
            made[key] = value
    return made


@dataclass(slots=True)
class Estate:
    """ARM bodies: `resources` in any order, with the rows of network managers among them."""

    resources: list[dict[str, Any]] = field(default_factory=list)
    nics: list[dict[str, Any]] = field(default_factory=list)
    balancers: list[dict[str, Any]] = field(default_factory=list)
    balanced: list[dict[str, Any]] = field(default_factory=list)
    """A load balancer with rules, pools, NAT rules of pools and NAT pools, and its two public addresses."""
    models: list[dict[str, Any]] = field(default_factory=list)
    """For each interface the model of a scale set whose instance it is: it names the NAT pools."""
    over: list[dict[str, Any]] = field(default_factory=list)
    """A load balancer over regions, its two public addresses, and a gateway load balancer."""
    walls: list[dict[str, Any]] = field(default_factory=list)
    """A firewall in a hub network and one in a virtual hub, their policies with a parent, and what these need."""


@dataclass(frozen=True, slots=True)
class Packet:
    """`entry` as the chain knows it; the sender bears `tags` and what they are a part of, and is in `groups`.

    `floats`: it bears the public address of a front.
    """

    nic: int
    configuration: int
    entry: str
    protocol: str
    port: int
    sender: str
    tags: tuple[str, ...]
    groups: tuple[str, ...]
    floats: bool = False


class Maker:
    """One estate and packets for it. The same seed makes the same."""

    def __init__(self, seed: int, doubtful: bool = False) -> None:
        self.dice = random.Random(seed)
        self.own = random.Random(f"balancer {seed}")
        self.walls = random.Random(f"walls {seed}")
        self.managers = random.Random(f"managers {seed}")
        self.further = random.Random(f"further {seed}")
        self.leaving = random.Random(f"leaving {seed}")
        self.doubtful = doubtful
        self.asgs = [f"{ROOT}/applicationSecurityGroups/asg{n}" for n in range(3)]
        self.groups = [f"{ROOT}/networkSecurityGroups/nsg{n}" for n in range(4)]
        self.addresses = ["10.0.0.4", "10.0.1.4", "10.0.1.5", "fd00::4", "fd00::5"]

    def estate(self) -> Estate:
        out = Estate()
        out.resources += [self._nsg(each) for each in self.groups]
        networks = [self._network(n) for n in range(2)]
        out.resources += networks
        out.resources += self._managed(networks)
        out.resources += self._routed(networks)
        out.walls = self._walls(networks)
        subnets = [subnet["id"] for network in networks for subnet in network["properties"]["subnets"]]
        out.nics = [self._nic(n, subnets) for n in range(4)]
        out.balancers = [self._balancer(out.nics)]
        out.balanced = self._balanced(out.nics)
        out.models = self._translating(out.balanced[0], out.nics)
        out.over = self._over(out.balanced[0], out.nics)
        out.resources += out.nics
        self.dice.shuffle(out.resources)
        return out

    def packet(self, estate: Estate) -> Packet:
        dice = self.dice
        nic = dice.randrange(len(estate.nics))
        configurations = estate.nics[nic]["properties"]["ipConfigurations"]
        number = dice.randrange(len(configurations))
        six = configurations[number]["properties"].get("privateIPAddressVersion") == "IPv6"
        entry = dice.choice(("standard", "standard", "basic", "inside"))
        pool = [each for each in (INSIDERS if entry == "inside" else SENDERS) if (":" in each) == six]
        port = dice.choice((22, 80, 443, 3389, 0, 65535, 21, 1024, 1025, 8080, 25, 26, dice.randrange(65536)))
        return Packet(
            nic,
            number,
            entry,
            dice.choice(("tcp", "tcp", "tcp", "udp", "udp", "icmp", "esp", "ah")),
            port,
            dice.choice(pool),
            () if entry == "inside" else dice.choice(BORNE),
            tuple(dice.sample(self.asgs, dice.randint(0, 2))) if entry == "inside" else (),
        )

    # Bodies

    def _cased(self, text: str) -> str:
        return self.dice.choice((text, text, text, text, text.lower(), text.upper(), text[:1].upper() + text[1:]))

    def _id(self, text: str) -> str:
        return self.dice.choice((text, text, text.lower(), text.replace("resourceGroups", "resourcegroups")))

    def _nsg(self, identity: str) -> dict[str, Any]:
        count = self.dice.randint(0, 9)
        rules = [self._rule(f"r{n}", priority) for n, priority in enumerate(self._priorities(count))]
        rules += self._leaving_rules()
        properties: dict[str, Any] = {self._cased("securityRules"): rules}
        kept = self.dice.random()
        if kept < 0.4:
            properties["defaultSecurityRules"] = self._defaults()
        elif kept < 0.5:
            properties["defaultSecurityRules"] = []
        elif kept < 0.6:
            properties["defaultSecurityRules"] = self.dice.sample(self._defaults(), 3)
        return {"id": self._id(identity), "properties": properties}

    def _leaving_rules(self) -> list[dict[str, Any]]:
        """Outbound rules, with dice of their own."""
        self.dice, kept = self.leaving, self.dice
        rules = [self._rule(f"o{n}", 4097 + n) for n in range(self.dice.randint(0, 3))]
        for rule in rules:
            (key,) = (key for key in rule if key.lower() == "properties")
            rule[key] = _turned(rule[key])
        self.dice = kept
        return rules

    def _priorities(self, count: int) -> list[int]:
        return self.dice.sample(range(100, 4097), count)

    def _defaults(self) -> list[dict[str, Any]]:
        rows = (
            ("AllowVnetInBound", 65000, "Allow", "Inbound", "VirtualNetwork", "VirtualNetwork"),
            ("AllowAzureLoadBalancerInBound", 65001, "Allow", "Inbound", "AzureLoadBalancer", "*"),
            ("DenyAllInBound", 65500, "Deny", "Inbound", "*", "*"),
            ("AllowVnetOutBound", 65000, "Allow", "Outbound", "VirtualNetwork", "VirtualNetwork"),
            ("AllowInternetOutBound", 65001, "Allow", "Outbound", "*", "Internet"),
            ("DenyAllOutBound", 65500, "Deny", "Outbound", "*", "*"),
        )
        return [
            {
                "name": name,
                "properties": {
                    "protocol": "*",
                    "sourcePortRange": "*",
                    "destinationPortRange": "*",
                    "sourceAddressPrefix": source,
                    "destinationAddressPrefix": destination,
                    "access": access,
                    "priority": priority,
                    "direction": direction,
                    "sourcePortRanges": [],
                },
            }
            for name, priority, access, direction, source, destination in rows
        ]

    def _many(self, properties: dict[str, Any], name: str, plural: str, pool: tuple[str, ...], most: int = 4) -> None:
        """A field in its singular or plural form, the other one absent, empty or null."""
        if self.dice.random() < 0.5:
            properties[self._cased(name)] = self.dice.choice(pool)
            other: Any = self.dice.choice(([], None, "gone"))
            if other != "gone":
                properties[plural] = other
        else:
            properties[self._cased(plural)] = [self.dice.choice(pool) for _ in range(self.dice.randint(1, most))]
            if self.dice.random() < 0.2:
                properties[name] = ""

    def _rule(self, name: str, priority: int) -> dict[str, Any]:
        dice = self.dice
        out: dict[str, Any] = {
            self._cased("protocol"): dice.choice(PROTOCOLS),
            "priority": priority,
            self._cased("access"): dice.choice(("Allow", "Allow", "allow", "ALLOW", "Deny", "deny")),
            self._cased("direction"): dice.choice(("Inbound",) * 7 + ("inbound", "INBOUND", "Outbound")),
        }
        self._ends(out)
        self._many(out, "destinationPortRange", "destinationPortRanges", PORTS)
        if dice.random() < 0.85:
            out["sourcePortRange"] = "*"
        else:
            self._many(out, "sourcePortRange", "sourcePortRanges", PORTS)
        if self.doubtful and dice.random() < 0.35:
            self._spoil(out)
        return {self._cased("name"): name, self._cased("properties"): out}

    def _ends(self, out: dict[str, Any]) -> None:
        dice = self.dice
        if dice.random() < 0.15:
            out[self._cased("sourceApplicationSecurityGroups")] = [{"id": self._id(dice.choice(self.asgs))}]
        else:
            pool = TAGS if dice.random() < 0.45 else PREFIXES
            self._many(out, "sourceAddressPrefix", "sourceAddressPrefixes", pool + PREFIXES[:1])
        where = dice.random()
        if where < 0.2:
            out["destinationApplicationSecurityGroups"] = [
                {"id": self._id(each)} for each in dice.sample(self.asgs, dice.randint(1, 2))
            ]
        elif where < 0.6:
            out["destinationAddressPrefix"] = "*"
        else:
            subnets = (
                "10.0.0.0/24",
                "10.0.1.4",
                "10.0.1.0/24",
                "fd00::/64",
                "fd00::4/128",
                "VirtualNetwork",
                "Internet",
            )
            self._many(
                out, "destinationAddressPrefix", "destinationAddressPrefixes", (*subnets, *BEHIND, "10.0.0.4/31", "Any")
            )

    def _spoil(self, out: dict[str, Any]) -> None:
        """One value that nobody knows."""
        which = self.dice.choice(("access", "protocol", "direction", "priority", "port", "source", "destination"))
        lowered = {key.lower(): key for key in out}
        if which in ("access", "protocol", "direction"):
            out[lowered[which]] = self.dice.choice(("Perhaps", None, 7))
        elif which == "priority":
            out["priority"] = self.dice.choice((None, "100"))
        else:
            stem = {"port": "destinationPort", "source": "sourceAddress", "destination": "destinationAddress"}[which]
            for key in [key for key in out if key.lower().startswith(stem.lower())]:
                del out[key]
            one, many = (f"{stem}Range", f"{stem}Ranges") if which == "port" else (f"{stem}Prefix", f"{stem}Prefixes")
            if self.dice.random() < 0.5:
                good = "22" if which == "port" else "20.1.0.0/16" if which == "source" else "10.0.0.4"
                out[many] = [good, self.dice.choice(("10.0.0.300/24", "7000000", "fe80::zz/10"))]
            else:
                out[one] = "99999/99" if which != "port" else "http"

    def _routed(self, networks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Route tables of subnets: a packet from outside arrives whatever becomes of the answers."""
        dice = self.walls
        tables: list[dict[str, Any]] = []
        for number, hop in enumerate(("None", "VirtualAppliance", "VirtualNetworkGateway", "Internet")):
            routes = [("0.0.0.0/0", hop), *self.leaving.sample(INNER_ROUTES, self.leaving.randint(0, 2))]
            bodies = [
                {"properties": {"addressPrefix": prefix, "nextHopType": to, "nextHopIpAddress": "10.9.9.9"}}
                for prefix, to in routes
            ]
            tables.append({"id": f"{ROOT}/routeTables/t{number}", "properties": {"routes": bodies}})
        for network in networks:
            for subnet in network["properties"]["subnets"]:
                if dice.random() < 0.4:
                    subnet["properties"]["routeTable"] = {"id": self._id(dice.choice(tables)["id"])}
        return tables

    def _walls(self, networks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        hub: dict[str, Any] = {
            "id": f"{ROOT}/virtualNetworks/hub",
            "properties": {
                "subnets": [
                    {
                        "id": f"{ROOT}/virtualNetworks/hub/subnets/AzureFirewallSubnet",
                        "properties": {"addressPrefix": "10.200.0.0/26"},
                    }
                ],
                "virtualNetworkPeerings": [],
            },
        }
        for network in networks:
            network["properties"]["virtualNetworkPeerings"] = []
            self._peered(hub, network)
            if self.walls.random() < 0.5:
                remote = f"/subscriptions/0b/resourceGroups/RG/providers/Microsoft.Network/virtualNetworks/{MANAGED}"
                connection = {"peeringState": "Connected", "remoteVirtualNetwork": {"id": remote}}
                network["properties"]["virtualNetworkPeerings"].append({"properties": connection})
        configuration = {
            "subnet": {"id": hub["properties"]["subnets"][0]["id"]},
            "publicIPAddress": {"id": f"{ROOT}/publicIPAddresses/wall"},
        }
        of_hub = {"publicIPs": {"addresses": [{"address": WALLS[1]}]}}
        return [
            hub,
            {"id": f"{ROOT}/publicIPAddresses/wall", "properties": {"ipAddress": WALLS[0]}},
            {"id": f"{ROOT}/virtualHubs/whub", "properties": self._hub()},
            self._wall("one", {"ipConfigurations": [{"properties": configuration}]}),
            self._wall("two", {"virtualHub": {"id": f"{ROOT}/virtualHubs/whub"}, "hubIPAddresses": of_hub}),
            *(row for name in ("one", "two") for row in self._policy(name)),
        ]

    def _hub(self) -> dict[str, Any]:
        prefix = random.Random(f"hub {self.dice.random()}").choice(HUBS)
        return {"addressPrefix": prefix} if prefix else {}

    def _peered(self, hub: dict[str, Any], network: dict[str, Any]) -> None:
        """Peer two networks, or do not: whole or by subnets, with and without access, connected or not any more."""
        dice = self.walls
        if dice.random() < 0.2:
            return
        states = dice.choice(
            (("Connected",) * 2,) * 5
            + (("Disconnected",) * 2, ("Connected", "Initiated"), ("Disconnected", "Connected"))
        )
        for (one, two), state in zip(((hub, network), (network, hub)), states, strict=True):
            properties: dict[str, Any] = {"remoteVirtualNetwork": {"id": self._id(two["id"])}, "peeringState": state}
            if dice.random() < 0.6:
                properties["allowVirtualNetworkAccess"] = dice.choice((True, True, False))
            if dice.random() < 0.25:
                local = dice.choice((["AzureFirewallSubnet"], ["AzureFirewallSubnet"], ["other"]))
                remote = dice.choice((["S0"], ["s1", "s0"]))
                names = (local, remote) if one is hub else (remote, local)
                properties |= {
                    "peerCompleteVnets": False,
                    "localSubnetNames": names[0],
                    "remoteSubnetNames": names[1],
                }
            one["properties"]["virtualNetworkPeerings"].append({"properties": properties})

    def _wall(self, name: str, properties: dict[str, Any]) -> dict[str, Any]:
        policy = {"firewallPolicy": {"id": self._id(f"{ROOT}/firewallPolicies/{name}")}}
        return {"id": f"{ROOT}/azureFirewalls/{name}", "properties": {**properties, **policy}}

    def _policy(self, name: str) -> list[dict[str, Any]]:
        """A policy, and its parent with NAT rules of its own, which are not inherited."""
        own, parent = f"{ROOT}/firewallPolicies/{name}", f"{ROOT}/firewallPolicies/{name}-parent"
        rows: list[dict[str, Any]] = [
            {"id": own, "properties": {"basePolicy": {"id": parent}}},
            {"id": parent, "properties": {"basePolicy": None}},
        ]
        for policy in (own, parent):
            rules = [self._dnat() for _ in range(self.walls.randint(3, 7))]
            nat = {"ruleCollectionType": "FirewallPolicyNatRuleCollection", "rules": rules}
            filtering = {"ruleCollectionType": "FirewallPolicyFilterRuleCollection", "rules": [{"name": "x"}]}
            rows.append({"id": f"{policy}/ruleCollectionGroups/g", "properties": {"ruleCollections": [nat, filtering]}})
        return rows

    def _dnat(self) -> dict[str, Any]:
        dice = self.walls
        return {
            "name": "nat",
            "ipProtocols": dice.choice((["TCP"], ["UDP"], ["TCP", "UDP"])),
            "sourceAddresses": dice.choice((["*"], ["*"], ["*"], ["20.0.0.0/8"], ["1.2.3.4", "203.0.113.0/24"])),
            "destinationAddresses": dice.choice((list(WALLS), list(WALLS), [WALLS[0]], ["192.0.2.99"])),
            "destinationPorts": [dice.choice(("443", "22", "80"))],
            "translatedAddress": dice.choice(self.addresses[:3]),
            "translatedPort": dice.choice(("22", "443", "3389")),
        }

    def _managed(self, networks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows of two network managers of different scopes, and of the networks that they govern."""
        dice = self.managers
        rows: list[dict[str, Any]] = []
        applied: dict[str, list[str]] = {}
        for number, scope in enumerate(dice.sample(SCOPES, 2)):
            top = f"{ROOT}/networkManagers/m{number}"
            rows.append({"id": top, "properties": {"networkManagerScopes": scope}})
            rows += self._configured(f"{top}/securityAdminConfigurations/c", networks, applied)
        for network, ids in applied.items():
            properties: dict[str, Any] = {
                dice.choice(("effectiveSecurityAdminConfigurations", "EffectiveSecurityAdminConfigurations")): [
                    {dice.choice(("id", "Id")): self._id(each)} for each in ids
                ]
            }
            if self.doubtful and dice.random() < 0.3:
                properties["provisioningState"] = "Failed"
            rows.append(
                {
                    "id": f"{network}/providers/Microsoft.Network/effectiveSecurityAdminRules/default",
                    "properties": properties,
                }
            )
        return rows

    def _configured(
        self, configuration: str, networks: list[dict[str, Any]], applied: dict[str, list[str]]
    ) -> list[dict[str, Any]]:
        """A configuration of two collections, its commit, and the groups that its collections apply to."""
        dice, top = self.managers, configuration.partition("/securityAdmin")[0]
        services = dice.choice(([], ["None"], ["AllowRulesOnly"], ["All"]))
        rows: list[dict[str, Any]] = [
            {
                "id": f"{configuration}/snapshots/3",
                "properties": {"applyOnNetworkIntentPolicyBasedServices": services},
            }
        ]
        rules: list[str] = []
        for name in ("one", "two"):
            collection, group = f"{configuration}/ruleCollections/{name}", f"{top}/networkGroups/{name}"
            rows.append(
                {
                    "id": f"{collection}/snapshots/3",
                    "properties": {"appliesToGroups": [{"networkGroupId": self._id(group)}]},
                }
            )
            for network in (each["id"] for each in networks if dice.random() < 0.6):
                rows.append({"id": f"{group}/members/{len(rows)}", "properties": {"memberId": self._id(network)}})
                if f"{configuration}/snapshots/3" not in applied.setdefault(network, []):
                    applied[network].append(f"{configuration}/snapshots/3")
            for number in range(dice.randint(0, 4)):
                id = f"{collection}/rules/{name}{number}/snapshots/{dice.randint(0, 2)}"
                rows.append({**self._admin(number + (5 if name == "two" else 0)), "id": id})
                rules += [id] if dice.random() < 0.8 else []
            for number in range(self.leaving.randint(0, 3)):
                id = f"{collection}/rules/{name}-out{number}/snapshots/1"
                rows.append({**self._leaving_admin(number + (10 if name == "one" else 20)), "id": id})
                rules.append(id)
        goal = {
            "securityAdminConfigurations": [{"id": f"{configuration}/snapshots/3"}],
            "securityAdminRules": [{"id": self._id(each)} for each in rules],
            "commitTimestamp": "2026-01-01T00:00:00Z",
        }
        rows.append({"id": f"{top}/securityAdminRegionalGoalStates/norwayeast", "properties": goal})
        return rows

    def _admin(self, number: int) -> dict[str, Any]:
        dice = self.dice
        properties: dict[str, Any] = {
            "priority": number * 10 + self.managers.randint(1, 9),
            self._cased("access"): dice.choice(("Allow", "AlwaysAllow", "alwaysallow", "Deny", "Deny")),
            "direction": dice.choice(("Inbound", "Inbound", "Inbound", "Outbound")),
            "protocol": dice.choice(("Any", "Tcp", "Udp", "Icmp")),
            "sourcePortRanges": [dice.choice(("0-65535", "0-65535", "0-65535", "1-1024"))],
            "destinationPortRanges": [dice.choice(PORTS) for _ in range(dice.randint(1, 3))],
            "sources": [self._item() for _ in range(dice.randint(1, 3))],
            "destinations": [
                {"addressPrefix": dice.choice(("*", "*", "10.0.0.0/24", "fd00::/64")), "addressPrefixType": "IPPrefix"}
            ],
        }
        return {"name": f"admin{number}", "properties": properties}

    def _leaving_admin(self, number: int) -> dict[str, Any]:
        """An outbound rule, with dice of their own."""
        self.dice, kept, self.managers, managers = self.leaving, self.dice, self.leaving, self.managers
        made = self._admin(number)
        self.dice, self.managers = kept, managers
        return {**made, "properties": _turned(made["properties"])}

    def _item(self) -> dict[str, str]:
        if self.dice.random() < 0.4:
            return {"addressPrefix": self.dice.choice(TAGS), "addressPrefixType": "ServiceTag"}
        return {"addressPrefix": self.dice.choice(PREFIXES), "addressPrefixType": self._cased("IPPrefix")}

    def _network(self, number: int) -> dict[str, Any]:
        identity = f"{ROOT}/virtualNetworks/net{number}"
        subnets = []
        for each in range(2):
            properties: dict[str, Any] = {"addressPrefix": f"10.{number}.{each}.0/24"}
            if self.dice.random() < 0.65:
                properties[self._cased("networkSecurityGroup")] = {"id": self._id(self.dice.choice(self.groups))}
            if self.managers.random() < 0.1:
                properties["applicationGatewayIPConfigurations"] = [{"id": f"{ROOT}/applicationGateways/g/x/y"}]
            if self.managers.random() < 0.15:
                properties["delegations"] = [{"properties": {"serviceName": self.managers.choice(DELEGATED)}}]
            subnets.append({"id": f"{identity}/subnets/s{each}", "name": f"s{each}", "properties": properties})
        return {"id": identity, "properties": {"addressSpace": {"addressPrefixes": list(SPACE)}, "subnets": subnets}}

    def _nic(self, number: int, subnets: list[str]) -> dict[str, Any]:
        dice = self.dice
        subnet = dice.choice(subnets)
        properties: dict[str, Any] = {
            "ipConfigurations": [self._configuration(n, subnet) for n in range(dice.randint(1, 2))]
        }
        if dice.random() < 0.65:
            properties["networkSecurityGroup"] = {"id": self._id(dice.choice(self.groups))}
        identity = f"{ROOT}/networkInterfaces/nic{number}"
        for each in properties["ipConfigurations"]:
            each["id"] = f"{identity}/ipConfigurations/{each['name']}"
        return {"id": identity, "properties": properties}

    def _configuration(self, number: int, subnet: str) -> dict[str, Any]:
        dice = self.dice
        address = dice.choice(self.addresses)
        properties: dict[str, Any] = {"subnet": {"id": self._id(subnet)}, "privateIPAddress": address}
        if ":" in address:
            properties["privateIPAddressVersion"] = "IPv6"
        if self.doubtful and dice.random() < 0.2:
            properties["privateIPAddress"] = None
        members = dice.sample(self.asgs, dice.randint(0, 2))
        if members:
            properties["applicationSecurityGroups"] = [{"id": self._id(each)} for each in members]
        return {"name": f"c{number}", "properties": properties}

    def _balancer(self, nics: list[dict[str, Any]]) -> dict[str, Any]:
        """A load balancer whose NAT rules give each interface ports of its own outside."""
        rules = []
        for number, nic in enumerate(nics):
            for each, configuration in enumerate(nic["properties"]["ipConfigurations"]):
                for count, port in enumerate((22, 3389, self.dice.choice((80, 443, 8080)))):
                    properties = {
                        "protocol": self.dice.choice(("Tcp", "tcp", "Udp")),
                        "frontendPort": 50000 + 100 * number + 10 * each + count,
                        "backendPort": port,
                        "backendIPConfiguration": {"id": f"{nic['id']}/ipConfigurations/{configuration['name']}"},
                    }
                    rules.append({"name": f"nat{number}{each}{count}", "properties": properties})
        return {"id": f"{ROOT}/loadBalancers/lb", "properties": {"inboundNatRules": rules}}

    def _balanced(self, nics: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Rules and pools: members named by the pool, by the interface, or by both; each family on its own front."""
        dice, identity = self.own, f"{ROOT}/loadBalancers/balanced"
        pools = [{"id": f"{identity}/backendAddressPools/p{n}", "name": f"p{n}", "properties": {}} for n in range(4)]
        for nic in nics:
            for each in nic["properties"]["ipConfigurations"]:
                properties = each["properties"]
                six = properties.get("privateIPAddressVersion") == "IPv6"
                for number in (0, 1):
                    text = dice.choice(("", "", "pool", "interface", "both"))
                    pool: Any = pools[2 * six + number]
                    if text in ("pool", "both"):
                        member = {"id": dice.choice((str, str.lower))(f"{nic['id']}/ipConfigurations/{each['name']}")}
                        pool["properties"].setdefault("backendIPConfigurations", []).append(member)
                    if text in ("interface", "both"):
                        named = {"id": dice.choice((str, str.upper))(pool["id"])}
                        properties.setdefault("loadBalancerBackendAddressPools", []).append(named)
        fronts, addresses = [], []
        for number, address in enumerate(FRONTS):
            public = f"{ROOT}/publicIPAddresses/pip{number}"
            sku, version = dice.choice(("Standard", "Standard", "Basic")), "IPv6" if number else "IPv4"
            addresses.append(
                {
                    "id": public,
                    "name": f"pip{number}",
                    "sku": {"name": sku},
                    "properties": {"ipAddress": address, "publicIPAddressVersion": version},
                }
            )
            front = {"id": f"{identity}/frontendIPConfigurations/f{number}", "name": f"f{number}"}
            fronts.append({**front, "properties": {"publicIPAddress": {"id": public}}})
        rules = [self._balancing(n, fronts, pools) for n in range(dice.randint(1, 6))]
        properties = {"frontendIPConfigurations": fronts, "backendAddressPools": pools, "loadBalancingRules": rules}
        return [{"id": identity, "name": "balanced", "sku": {"name": "Standard"}, "properties": properties}, *addresses]

    def _balancing(self, number: int, fronts: list[Any], pools: list[Any]) -> dict[str, Any]:
        dice = self.own
        six = dice.randrange(2)
        floating = dice.random() < 0.25
        front, back = dice.choice((22, 80, 443, 50022)), dice.choice((22, 80, 443, 3389, 8080))
        ports = (0, 0) if dice.random() < 0.25 else (front, front if floating else back)
        protocol = "All" if ports == (0, 0) else dice.choice(("Tcp", "tcp", "Udp", "All"))
        properties: dict[str, Any] = {
            "protocol": protocol,
            "frontendPort": ports[0],
            "backendPort": ports[1],
            "enableFloatingIP": floating,
            "frontendIPConfiguration": {"id": fronts[six]["id"]},
        }
        pool = {"id": pools[2 * six + dice.randrange(2)]["id"]}
        if dice.random() < 0.5:
            properties["backendAddressPool"] = pool
        else:
            properties["backendAddressPools"] = [pool]
        return {"name": f"rule{number}", "properties": properties}

    # What gives each machine ports of its own, and what stands before the load balancer

    def _translating(self, balancer: dict[str, Any], nics: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """NAT rules of pools and NAT pools, by family; and the models that name the latter."""
        dice, properties = self.further, balancer["properties"]
        fronts, pools = properties["frontendIPConfigurations"], properties["backendAddressPools"]
        properties["inboundNatRules"] = [
            self._ranged(f"nat{n}", fronts[n % 2], {"backendAddressPool": {"id": pools[2 * (n % 2) + n // 2]["id"]}})
            for n in range(4)
        ]
        properties["inboundNatPools"] = [self._ranged(f"natpool{n}", fronts[n % 2], {}) for n in range(4)]
        models = []
        for nic in nics:
            configurations = []
            for each in nic["properties"]["ipConfigurations"]:
                six = each["properties"].get("privateIPAddressVersion") == "IPv6"
                named = dice.sample([n for n in range(4) if n % 2 == six], dice.randint(0, 2))
                ids = [dice.choice((str, str.lower))(f"{balancer['id']}/inboundNatPools/natpool{n}") for n in named]
                inner = {"loadBalancerInboundNatPools": [{"id": each} for each in ids]}
                configurations.append({"name": each["name"], "properties": inner})
            models.append({"name": nic["id"].rsplit("/", 1)[-1], "properties": {"ipConfigurations": configurations}})
        return models

    def _ranged(self, name: str, front: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
        dice = self.further
        first = dice.choice((50000, 50010, 50020))
        properties = {
            "protocol": dice.choice(("Tcp", "tcp", "Udp", "All")),
            "frontendPortRangeStart": first,
            "frontendPortRangeEnd": first + dice.choice((0, 3, 9)),
            "backendPort": dice.choice((22, 80, 443, 3389)),
            "enableFloatingIP": dice.random() < 0.2,
            "frontendIPConfiguration": {"id": front["id"]},
            **more,
        }
        return {"name": name, "properties": properties}

    def _over(self, regional: dict[str, Any], nics: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """A load balancer whose members are the fronts of the other one; and one that only looks at what passes."""
        dice, identity, gate = self.further, f"{ROOT}/loadBalancers/everywhere", f"{ROOT}/loadBalancers/gate"
        fronts, pools, addresses, inner = [], [], [], regional["properties"]["frontendIPConfigurations"]
        for number, address in enumerate(EVERYWHERE):
            public = f"{ROOT}/publicIPAddresses/everywhere{number}"
            version = "IPv6" if number else "IPv4"
            stated = {"ipAddress": address, "publicIPAddressVersion": version}
            addresses.append({"id": public, "sku": {"name": "Standard", "tier": "Global"}, "properties": stated})
            front = {"id": f"{identity}/frontendIPConfigurations/f{number}", "name": f"f{number}"}
            fronts.append({**front, "properties": {"publicIPAddress": {"id": public}}})
            member = {"id": dice.choice((str, str.upper))(inner[number]["id"])}
            members = [{"name": "m", "properties": {"loadBalancerFrontendIPConfiguration": member}}]
            pool = {"id": f"{identity}/backendAddressPools/p{number}", "name": f"p{number}"}
            pools.append({**pool, "properties": {"loadBalancerBackendAddresses": members}})
        rules = [self._spreading(n, fronts, pools) for n in range(dice.randint(1, 4))]
        properties = {"frontendIPConfigurations": fronts, "backendAddressPools": pools, "loadBalancingRules": rules}
        sku = {"name": "Standard", "tier": "Global"}
        return [{"id": identity, "sku": sku, "properties": properties}, *addresses, self._gate(gate, inner, nics)]

    def _spreading(self, number: int, fronts: list[Any], pools: list[Any]) -> dict[str, Any]:
        dice = self.further
        six = dice.randrange(2)
        front, back = dice.choice((22, 443, 8443)), dice.choice((22, 80, 443, 50003, 50010, 50022))
        floating = dice.random() < 0.2
        ports = (0, 0) if dice.random() < 0.2 else (front, front if floating else back)
        properties = {
            "protocol": "All" if ports == (0, 0) else dice.choice(("Tcp", "Udp", "All")),
            "frontendPort": ports[0],
            "backendPort": ports[1],
            "enableFloatingIP": floating,
            "frontendIPConfiguration": {"id": fronts[six]["id"]},
            "backendAddressPool": {"id": pools[six]["id"]},
        }
        return {"name": f"rule{number}", "properties": properties}

    def _gate(self, identity: str, chained: list[dict[str, Any]], nics: list[dict[str, Any]]) -> dict[str, Any]:
        front = {"id": f"{identity}/frontendIPConfigurations/f", "name": "f"}
        inside = {"privateIPAddress": "10.0.0.9", "subnet": {"id": f"{ROOT}/virtualNetworks/net0/subnets/s0"}}
        members = [{"id": each["id"]} for nic in nics for each in nic["properties"]["ipConfigurations"]]
        pool = {"id": f"{identity}/backendAddressPools/p", "name": "p"}
        every = {"protocol": "All", "frontendPort": 0, "backendPort": 0, "backendAddressPool": {"id": pool["id"]}}
        for each in chained:
            if self.further.random() < 0.4:
                each["properties"]["gatewayLoadBalancer"] = {"id": front["id"]}
        properties = {
            "frontendIPConfigurations": [{**front, "properties": inside}],
            "backendAddressPools": [{**pool, "properties": {"backendIPConfigurations": members}}],
            "loadBalancingRules": [{"name": "all", "properties": {**every, "frontendIPConfiguration": front}}],
        }
        return {"id": identity, "sku": {"name": "Gateway"}, "properties": properties}
