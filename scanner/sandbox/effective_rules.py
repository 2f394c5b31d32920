"""Answers the two POSTs about effective rules as Azure does, by a plain walk over the estate's own JSON.

It shares nothing with `scanner.reach`, so that a scan can be compared with it. Azure answers 202 with a Location first,
because it works the rules out meanwhile. Not verified: the code and text for a virtual machine that does not run.
"""

import itertools
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from scanner.sandbox import errors
from scanner.sandbox.errors import HttpAnswer, answer
from scanner.sandbox.served_estate import Json, ServedEstate

NIC = "/effectivenetworksecuritygroups"
NETWORK = "/listnetworkmanagereffectivesecurityadminrules"
ACTIONS = {
    NIC: "Microsoft.Network/networkInterfaces/effectiveNetworkSecurityGroups/action",
    NETWORK: "Microsoft.Network/virtualNetworks/listNetworkManagerEffectiveSecurityAdminRules/action",
}
RESULT = re.compile(r"/subscriptions/[^/]+/providers/microsoft\.network/locations/[^/]+/operationresults/(\d+)", re.I)


class SandboxEffectiveRules:
    """Answer the POSTs about effective rules.

    `disagrees`: name patterns of network interfaces and networks whose first rule is inverted, so that the answer does
    not match the estate. `page`: the rows of a page.
    """

    def __init__(self, estate: ServedEstate, disagrees: Iterable[str] = (), page: int = 100) -> None:
        self.estate = estate
        self.page = page
        self.disagrees = tuple(disagrees)
        self._results: dict[int, HttpAnswer] = {}
        self._numbers = itertools.count(1)

    def serves(self, path: str) -> bool:
        """Return whether a POST to a path is about effective rules."""
        return path.lower().endswith((NIC, NETWORK))

    def is_result(self, path: str) -> bool:
        """Return whether a path is the Location of a result."""
        return RESULT.fullmatch(path) is not None

    def result(self, path: str) -> HttpAnswer:
        """Return the answer at a Location."""
        match = RESULT.fullmatch(path)
        missing = errors.arm_error(404, "NotFound", "The operation was not found.")
        return self._results.get(int(match[1]), missing) if match else missing

    def answer(self, path: str, base: str, body: bytes = b"") -> HttpAnswer:
        """Return the answer to a POST: a refusal, the Location of the groups, or a page of admin rules.

        The `skipToken` of the body says where the page starts.
        """
        parent, _, word = path.rpartition("/")
        action = ACTIONS[f"/{word.lower()}"]
        node = self.estate.nodes.get(parent.lower())
        if not self.estate.may(action, parent):
            refused = self.estate.refused(action, parent, path)
            return errors.forbidden(self.estate.principal, action, parent, refused.denied_by if refused else None)
        if node is None:
            return errors.arm_error(404, "ResourceNotFound", f"The resource {parent} was not found.")
        if word.lower() == NETWORK[1:]:
            rows, start = self._admin(node.json), _token(body)
            more = str(start + self.page) if len(rows) > start + self.page else ""
            return answer({"value": rows[start : start + self.page], "skipToken": more})
        if not self._runs(node.id):
            return errors.arm_error(
                400,
                "VMNotRunning",
                "Effective rules can be asked of a network interface of a running virtual machine only.",
            )
        results = f"{base}/subscriptions/{node.subscription}/providers/Microsoft.Network/locations/norwayeast"
        where = self._paged(list(self._groups(node.json)), f"{results}/operationResults")
        return answer({}, 202, Location=where, Retry_After="0")

    def _paged(self, rows: list[Json], results: str) -> str:
        """Keep the pages of rows, each with a link to the next one. Return the URL of the first."""
        number, rest = next(self._numbers), rows[self.page :]
        more = {"nextLink": self._paged(rest, results)} if rest else {}
        self._results[number] = answer({"value": rows[: self.page], **more})
        return f"{results}/{number}?api-version=2025-05-01"

    def _inverted(self, name: object) -> bool:
        return any(fnmatchcase(str(name).lower(), each.lower()) for each in self.disagrees)

    def _runs(self, nic: str) -> bool:
        for each in self.estate.nodes.values():
            if each.type != "microsoft.compute/virtualmachines":
                continue
            for row in _list(each.json, "properties", "networkProfile", "networkInterfaces"):
                if str(row.get("id")).lower() == nic:
                    view = self.estate.nodes.get(f"{each.id}/instanceview")
                    statuses = [str(one.get("code")).lower() for one in _list(view.json if view else {}, "statuses")]
                    return not {"powerstate/deallocated", "powerstate/stopped"} & set(statuses)
        return False

    def _groups(self, nic: Json) -> Iterator[Json]:
        inverted = self._inverted(nic.get("name"))
        id = _text(nic, "properties", "networkSecurityGroup", "id")
        subnets = {_text(each, "properties", "subnet", "id") for each in _list(nic, "properties", "ipConfigurations")}
        for subnet in sorted(subnets - {""}):
            group = self._group_of_subnet(subnet)
            if group:
                yield self._group(group, {"subnet": {"id": subnet}}, inverted)
        if id:
            yield self._group(id, {"networkInterface": {"id": nic["id"]}}, inverted)

    def _group_of_subnet(self, subnet: str) -> str:
        network = self.estate.nodes.get(subnet.lower().split("/subnets/")[0])
        rows = _list(network.json, "properties", "subnets") if network else []
        name = subnet.rsplit("/", 1)[-1].lower()
        inside = next((row for row in rows if str(row.get("name") or row.get("id")).lower().endswith(name)), None)
        child = self.estate.nodes.get(subnet.lower())
        return _text(inside or (child.json if child else {}), "properties", "networkSecurityGroup", "id")

    def _group(self, id: str, association: Json, inverted: bool) -> Json:
        node = self.estate.nodes.get(id.lower())
        body = node.json if node else {}
        rules = [self._rule(each, "securityRules") for each in _list(body, "properties", "securityRules")]
        rules += [self._rule(each, "defaultSecurityRules") for each in _defaults(body)]
        rules.sort(key=lambda rule: (rule["direction"] != "Inbound", rule["priority"]))
        if inverted and rules:
            rules[0]["access"] = "Deny" if rules[0]["access"] == "Allow" else "Allow"
        return {
            "networkSecurityGroup": {"id": id},
            "association": association,
            "effectiveSecurityRules": rules,
            "tagMap": None,
        }

    def _rule(self, rule: Json, kind: str) -> Json:
        declared = {key.lower(): value for key, value in (rule.get("properties") or {}).items()}
        protocol = str(declared.get("protocol", "*"))
        return {
            "name": f"{kind}/{rule.get('name')}",
            "protocol": "All" if protocol == "*" else protocol.capitalize(),
            "priority": declared.get("priority"),
            "access": declared.get("access"),
            "direction": declared.get("direction"),
            "sourcePortRange": "0-65535",
            "sourcePortRanges": ["0-65535"],
            "destinationPortRanges": [_port(each) for each in _both(declared, "destinationportrange")],
            "sourceAddressPrefixes": self._addresses(declared, "source"),
            "destinationAddressPrefixes": self._addresses(declared, "destination"),
            "expandedSourceAddressPrefix": None,
            "expandedDestinationAddressPrefix": None,
        }

    def _addresses(self, declared: Json, side: str) -> list[str]:
        matches = [
            "0.0.0.0/0" if each in ("*", "Any", "any") else each for each in _both(declared, f"{side}addressprefix")
        ]
        groups = {str(each.get("id")).lower() for each in declared.get(f"{side}applicationsecuritygroups") or ()}
        return matches + self._members(groups) if groups else matches

    def _members(self, groups: set[str]) -> list[str]:
        """Return the addresses of the network interfaces in application security groups."""
        return [
            f"{_text(each, 'properties', 'privateIPAddress')}/32"
            for node in self.estate.nodes.values()
            if node.type == "microsoft.network/networkinterfaces"
            for each in _list(node.json, "properties", "ipConfigurations")
            if groups & {str(one.get("id")).lower() for one in _list(each, "properties", "applicationSecurityGroups")}
        ]

    def _admin(self, network: Json) -> list[Json]:
        """Return the rules of the last commit that apply to the network, of every configuration in force there."""
        group_id = str(network["id"]).lower()
        effective = self.estate.nodes.get(f"{group_id}/providers/microsoft.network/effectivesecurityadminrules/default")
        rows: list[Json] = []
        for each in _list(effective.json if effective else {}, "properties", "effectiveSecurityAdminConfigurations"):
            snapshot = _text(each, "id").lower()
            for id in self._committed(snapshot):
                rule, collection = self.estate.nodes[id], id.split("/rules/")[0]
                if self._applies(collection, group_id):
                    name = str(rule.json["id"]).split("/snapshots/")[0]
                    rows.append({"id": name, "kind": "Custom", "properties": dict(rule.json["properties"])})
        if self._inverted(network.get("name")) and rows:
            first = min(rows, key=lambda row: row["properties"].get("priority", 0))["properties"]
            first["access"] = "AlwaysAllow" if first.get("access") == "Deny" else "Deny"
        return rows

    def _committed(self, configuration: str) -> list[str]:
        """Return the ids (lower case) of the rules that the commit of a configuration deployed."""
        for node in self.estate.nodes.values():
            if node.type == "microsoft.network/networkmanagers/securityadminregionalgoalstates":
                named = [_text(each, "id").lower() for each in _list(node.json, "properties", _CONFIGURATIONS)]
                if configuration in named:
                    return [_text(each, "id").lower() for each in _list(node.json, "properties", "securityAdminRules")]
        return []

    def _applies(self, collection: str, network: str) -> bool:
        """Return whether one of the groups of a rule collection has the network as a member."""
        groups = {
            _text(each, "networkGroupId").lower()
            for node in self.estate.nodes.values()
            if node.id.startswith(f"{collection}/snapshots/")
            for each in _list(node.json, "properties", "appliesToGroups")
        }
        return any(
            node.id.split("/members/")[0] in groups and _text(node.json, "properties", "memberId").lower() == network
            for node in self.estate.nodes.values()
            if node.type == "microsoft.network/networkmanagers/networkgroups/members"
        )


_CONFIGURATIONS = "securityAdminConfigurations"


def _token(body: bytes) -> int:
    """Return the row that the `skipToken` of a request names; 0 without one."""
    try:
        declared = msgspec.json.decode(body or b"{}")
    except msgspec.DecodeError:
        return 0
    token = declared.get("skipToken") if isinstance(declared, dict) else None
    return int(token) if isinstance(token, str) and token.isdecimal() else 0


def _list(body: Any, *path: str) -> list[Json]:
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    return [each for each in body if isinstance(each, dict)] if isinstance(body, list) else []


def _text(body: Any, *path: str) -> str:
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    return body if isinstance(body, str) else ""


def _both(declared: Json, one: str) -> list[str]:
    many = declared.get(f"{one}s" if not one.endswith("prefix") else f"{one}es") or []
    return [*([declared[one]] if declared.get(one) else []), *many]


def _port(text: str) -> str:
    return "0-65535" if text == "*" else text if "-" in text else f"{text}-{text}"


def _defaults(body: Json) -> list[Json]:
    """Return the default rules of a group: those of the estate, else the usual ones."""
    given = _list(body, "properties", "defaultSecurityRules")
    usual = (
        ("AllowVnetInBound", 65000, "Allow", "VirtualNetwork", "VirtualNetwork"),
        ("AllowAzureLoadBalancerInBound", 65001, "Allow", "AzureLoadBalancer", "*"),
        ("DenyAllInBound", 65500, "Deny", "*", "*"),
    )
    return given or [
        {
            "name": name,
            "properties": {
                "protocol": "*",
                "priority": priority,
                "access": access,
                "direction": "Inbound",
                "sourceAddressPrefix": source,
                "destinationAddressPrefix": to,
                "destinationPortRange": "*",
            },
        }
        for name, priority, access, source, to in usual
    ]
