"""`--effective`: which POSTs leave, what becomes of refusals, and how a disagreement is told."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scanner.azure.clients import AzureReader, ConnectionOptions, connect
from scanner.azure.errors import ReadError
from scanner.azure.limits import LimitKey
from scanner.azure.pipeline import EFFECTIVE, ArmRead, NotARead
from scanner.reach.paths.effective_rules import ACTIONS
from scanner.sandbox.errors import answer
from scanner.sandbox.faults import Fault
from scanner.sandbox.served_estate import RoleGrant
from scanner.sandbox.server import Sandbox, running
from tests.azure.requests import environment
from tests.terminals import Ended, twolocks

SUB = "aaaaaaaa-0000-0000-0000-000000000001"
RG = f"/subscriptions/{SUB}/resourceGroups/rg-a/providers"
NIC = f"{RG}/Microsoft.Network/networkInterfaces/nic"
NSG = f"{RG}/Microsoft.Network/networkSecurityGroups/nsg"
VNET = f"{RG}/Microsoft.Network/virtualNetworks/net"
PIP = f"{RG}/Microsoft.Network/publicIPAddresses/pip"
VM = f"{RG}/Microsoft.Compute/virtualMachines/vm"
ADMIN_LIST = "listNetworkManagerEffectiveSecurityAdminRules"
ALL = (RoleGrant(actions=("*/read", *ACTIONS)),)
APPLIED = f"{VNET}/providers/Microsoft.Network/effectiveSecurityAdminRules/default"
GUARD = f"{RG}/Microsoft.Network/networkManagers/avnm/securityAdminConfigurations/guard"
ADMIN = f"{GUARD}/ruleCollections/ports/rules/hold/snapshots/1"


def rule(name: str, priority: int, access: str, source: str, port: str) -> dict[str, Any]:
    properties = {
        "priority": priority,
        "access": access,
        "direction": "Inbound",
        "protocol": "Tcp",
        "sourceAddressPrefix": source,
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRange": port,
    }
    return {"name": name, "properties": properties}


def body(id: str, type: str, **properties: Any) -> dict[str, Any]:
    made = {"id": id, "name": id.rsplit("/", 1)[-1], "type": type, "location": "norwayeast", "properties": properties}
    return {**made, "sku": {"name": "Standard"}} if "publicIP" in type else made


def deployed(rules: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a network manager that deployed these rules to the network."""
    configuration, groups = (
        [{"id": f"{GUARD}/snapshots/1"}],
        f"{RG}/Microsoft.Network/networkManagers/avnm/networkGroups",
    )
    goal = {"securityAdminConfigurations": configuration, "securityAdminRules": [{"id": each} for each in rules]}
    managers = "Microsoft.Network/networkManagers"
    kind = f"{managers}/securityAdminConfigurations/ruleCollections"
    collection = {"appliesToGroups": [{"networkGroupId": f"{groups}/all"}]}
    return [
        body(
            APPLIED, "Microsoft.Network/effectiveSecurityAdminRules", effectiveSecurityAdminConfigurations=configuration
        ),
        body(f"{RG}/{managers}/avnm", managers),
        body(
            f"{RG}/{managers}/avnm/securityAdminRegionalGoalStates/n",
            f"{managers}/securityAdminRegionalGoalStates",
            **goal,
        ),
        body(f"{GUARD}/ruleCollections/ports/snapshots/1", f"{kind}/snapshots", **collection),
        body(f"{groups}/all/members/net", f"{managers}/networkGroups/members", memberId=VNET),
        *(body(id, f"{kind}/rules/snapshots", **each) for id, each in rules.items()),
    ]


def estate(power: str = "PowerState/running") -> list[dict[str, Any]]:
    properties = {"subnet": {"id": f"{VNET}/subnets/a"}, "publicIPAddress": {"id": PIP}}
    configuration = {"privateIPAddress": "10.0.0.4", **properties}
    subnet = {"id": f"{VNET}/subnets/a", "name": "a", "properties": {"networkSecurityGroup": {"id": NSG}}}
    rules = [rule("stop", 100, "Deny", "198.51.100.0/24", "*"), rule("ssh", 200, "Allow", "Internet", "22")]
    admin = {
        "access": "Deny",
        "direction": "Inbound",
        "priority": 5,
        "protocol": "Tcp",
        "sources": [{"addressPrefix": "203.0.113.0/24", "addressPrefixType": "IPPrefix"}],
        "destinations": [{"addressPrefix": "10.0.0.0/24", "addressPrefixType": "IPPrefix"}],
        "sourcePortRanges": ["0-65535"],
        "destinationPortRanges": ["0-65535"],
    }
    return [
        body(
            VM,
            "Microsoft.Compute/virtualMachines",
            networkProfile={"networkInterfaces": [{"id": NIC}]},
            storageProfile={"osDisk": {"osType": "Linux", "createOption": "FromImage"}, "dataDisks": []},
        ),
        {"id": f"{VM}/instanceView", "name": "instanceView", "statuses": [{"code": power}]},
        body(NIC, "Microsoft.Network/networkInterfaces", ipConfigurations=[{"name": "c", "properties": configuration}]),
        body(NSG, "Microsoft.Network/networkSecurityGroups", securityRules=rules),
        body(VNET, "Microsoft.Network/virtualNetworks", subnets=[subnet]),
        body(PIP, "Microsoft.Network/publicIPAddresses", ipAddress="20.100.4.17"),
        *deployed({ADMIN: admin}),
    ]


@contextmanager
def sandbox(power: str = "PowerState/running", **options: Any) -> Iterator[Sandbox]:
    with running(Sandbox(estate(power), [SUB], **{"grants": ALL, **options})) as box:
        yield box


def scan(box: Sandbox, *words: object) -> Ended:
    only = ("--only", "machine-*", "--fail-on", "never")
    return twolocks("scan", "--effective", *only, *words, env=box.environment())


def posts(box: Sandbox) -> list[str]:
    return [r.path.rsplit("/", 1)[-1] for r in box.requests if r.method == "POST" and "/subscriptions/" in r.path]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# What leaves


@pytest.mark.parametrize(
    "path",
    [
        f"{NIC}/effectiveRouteTable",
        f"{NIC}/effectiveNetworkSecurityGroups/x",
        f"{VM}/runCommand",
        f"{RG}/Microsoft.Storage/storageAccounts/st/listKeys",
        f"{RG}/Microsoft.Network/networkInterfaces/a/b/effectiveNetworkSecurityGroups",
        f"{VM}/effectiveNetworkSecurityGroups",
    ],
)
def test_no_other_post_leaves_even_with_the_option(path: str) -> None:
    assert EFFECTIVE.fullmatch(path) is None

    async def send(reader: AzureReader) -> None:
        arm = reader._arm
        request = ArmRead("POST", f"{arm.cloud.arm}{path}?api-version=2025-05-01", b"{}")
        await arm._send(request, LimitKey("", ""), path)

    with sandbox() as box:
        with pytest.raises(NotARead):
            using(box, send, effective=True)
        assert not [r for r in box.requests if r.method == "POST" and "/subscriptions/" in r.path]


def test_without_the_option_not_even_these_leave() -> None:
    with sandbox() as box:
        with pytest.raises(NotARead):
            using(box, lambda reader: reader.effective(f"{NIC}/effectiveNetworkSecurityGroups"), effective=False)
        ended = twolocks("scan", "--only", "machine-*", "--fail-on", "never", env=box.environment())
        assert ended.code == 0, ended.err
        assert posts(box) == []


@pytest.mark.parametrize("name", ["rg#a", "rg?a", "rg\na", "rg-a/providers/Microsoft.X/y/z"])
def test_an_odd_id_is_no_defect(name: str) -> None:
    """It ended with 70, because the request was cut at `#`, and so refused as no read."""
    bodies = json.loads(json.dumps(estate()).replace("/rg-a/", json.dumps(f"/{name}/")[1:-1]))
    with running(Sandbox(bodies, [SUB], grants=ALL)) as box:
        assert scan(box).code in (0, 3)


def using(box: Sandbox, what: Any, *, effective: bool) -> Any:
    async def run() -> Any:
        way = ConnectionOptions(arm_endpoint=box.url, auth="environment", limits=False, effective=effective)
        async with connect(way) as reader:
            return await what(reader)

    with environment(box):
        return asyncio.run(run())


# What comes of it


def test_where_azure_agrees_nothing_is_reported() -> None:
    with sandbox() as box:
        ended = scan(box, "--out", "f.json")
        assert ended.code == 0, ended.err
        assert sorted(posts(box)) == [
            "effectiveNetworkSecurityGroups",
            "listNetworkManagerEffectiveSecurityAdminRules",
        ]
        assert json.loads(Path("f.json").read_bytes())["coverage"]["notes"] == []


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("nic", "nic, at a, tcp/0: Azure allows 198.51.100.0/24, Twolocks no one"),
        ("net", "net, security admin rules"),
    ],
)
def test_a_disagreement_is_a_defect_of_ours_and_hides_nothing(what: str, text: str) -> None:
    with sandbox(disagrees=[what]) as box:
        ended = scan(box, "--out", "f.json")
        assert ended.code == 70, ended.err
        assert f"error: Azure disagrees with Twolocks, a defect of Twolocks: {text}" in ended.err
        assert ": a defect of Twolocks" in ended.err
        document = json.loads(Path("f.json").read_bytes())
        assert text in document["coverage"]["notes"][0]
        assert [row["endpoint"] for row in document["exposures"]] == ["tcp/22"]
        result = twolocks("scan", "--effective", "--only", "machine-*", env=box.environment())
        assert result.code == 1
        assert "Azure disagrees in " in result.err


def test_a_refusal_is_a_gap_that_names_the_action() -> None:
    with sandbox(grants=(RoleGrant(),)) as box:
        ended = scan(box, "--out", "f.json")
        assert ended.code == 3
        document = json.loads(Path("f.json").read_bytes())
        assert sorted(gap["action"] for gap in document["gaps"]) == sorted(ACTIONS)
        assert [row["endpoint"] for row in document["exposures"]] == ["tcp/22"]


def test_a_machine_that_does_not_run_is_a_gap_too() -> None:
    with sandbox("PowerState/deallocated") as box:
        ended = scan(box, "--out", "f.json")
        assert ended.code == 3
        gaps = json.loads(Path("f.json").read_bytes())["gaps"]
        assert [(gap["status"], gap["action"]) for gap in gaps] == [(400, "")]


def paged() -> list[dict[str, Any]]:
    """The estate with a second group, on the interface, and a second admin rule."""
    bodies = estate()
    own = NSG.replace("/nsg", "/own")
    next(each for each in bodies if each["id"] == NIC)["properties"]["networkSecurityGroup"] = {"id": own}
    more = next(each for each in bodies if each["id"] == ADMIN)
    second = {**more, "id": ADMIN.replace("/hold", "/next"), "name": "next"}
    second["properties"] = {**more["properties"], "priority": 6, "destinationPortRanges": ["23"]}
    goal = next(each for each in bodies if "/securityAdminRegionalGoalStates/" in each["id"])
    goal["properties"]["securityAdminRules"].append({"id": second["id"]})
    ssh = [rule("ssh", 300, "Allow", "Internet", "22")]
    return [*bodies, second, body(own, "Microsoft.Network/networkSecurityGroups", securityRules=ssh)]


def test_an_answer_in_pages_is_read_to_its_end() -> None:
    """A token of the admin rules goes into the next question; the groups' next page is a link."""
    with running(Sandbox(paged(), [SUB], grants=ALL, page_size=1)) as box:
        ended = scan(box, "--out", "f.json")
        assert ended.code == 0, ended.err
        asked = sorted(posts(box))
        assert asked == ["effectiveNetworkSecurityGroups", *["listNetworkManagerEffectiveSecurityAdminRules"] * 2]
        assert sum("operationresults" in each.path.lower() for each in box.requests) == 2


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"skipToken": "again"}, "EndlessList"),
        ({"skipToken": 7}, "BadNextLink"),
        ({"nextLink": "https://example.net/more"}, "ForeignNextLink"),
    ],
)
def test_pages_that_lead_nowhere_are_a_gap(more: dict[str, Any], code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with sandbox() as box:
        monkeypatch.setattr(box.effective, "answer", lambda *_: answer({"value": [], **more}))
        with pytest.raises(ReadError) as lost:
            using(box, lambda reader: reader.effective(f"{VNET}/{ADMIN_LIST}"), effective=True)
        assert lost.value.code == code


@pytest.mark.parametrize(("disagrees", "code"), [([], 0), (["nic"], 70)])
def test_ipv6_is_compared_where_the_interface_has_it(disagrees: list[str], code: int) -> None:
    """Azure may spell everybody as 0.0.0.0/0 there, too; a rule of ours for 0.0.0.0/0 is IPv4 alone."""
    bodies = estate()
    nic = next(each for each in bodies if each["id"] == NIC)
    inner = nic["properties"]["ipConfigurations"][0]["properties"]
    inner |= {"privateIPAddress": "fd00::4", "privateIPAddressVersion": "IPv6"}
    group = next(each for each in bodies if each["id"] == NSG)
    group["properties"]["securityRules"] = [
        rule("six", 100, "Allow", "2603:1000::/24", "22"),
        rule("four", 110, "Allow", "0.0.0.0/0", "22"),
        rule("all", 120, "Allow", "*", "80"),
    ]
    public = next(each for each in bodies if each["id"] == PIP)
    public["properties"] |= {"ipAddress": "2001:db8::7", "publicIPAddressVersion": "IPv6"}
    with running(Sandbox(bodies, [SUB], grants=ALL, disagrees=disagrees)) as box:
        ended = scan(box)
        assert ended.code == code, ended.err
        assert ("over IPv6: Azure allows" in ended.err) == bool(disagrees)


def test_an_answer_that_never_comes_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    with sandbox() as box:
        never = f"{NIC}/effectiveNetworkSecurityGroups"
        monkeypatch.setattr(box.effective, "result", lambda path: box.effective.answer(never, box.url))

        async def ask(reader: AzureReader) -> Any:
            return await reader._arm.post_effective(never, seconds=0.2)

        with pytest.raises(ReadError) as lost:
            using(box, ask, effective=True)
        assert (lost.value.status, lost.value.code) == (0, "Timeout")


def test_a_failing_provider_is_a_gap() -> None:
    with sandbox(faults=[Fault("status", "*effectiveNetworkSecurityGroups*")]) as box:
        ended = scan(box)
        assert ended.code == 3, ended.err
        assert "gap" in ended.err


# What it needs


def test_the_role_names_the_extra_actions_only_when_asked() -> None:
    plain, more = twolocks("access", "role"), twolocks("access", "role", "--effective")
    for action in ACTIONS:
        assert action not in plain.out
        assert action in more.out


def test_a_file_cannot_be_asked() -> None:
    ended = twolocks("scan", "--from", "x.jsonl", "--effective")
    assert ended.code == 2
    assert "so --effective has no effect" in ended.err
