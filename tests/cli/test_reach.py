"""`twolocks reach`: over a file and live, what it prints and how it ends."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.sandbox.estate import load_estate
from scanner.sandbox.server import Sandbox, running
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.terminals import SUB, account, snapshot, twolocks

OPEN = account("stopen", publicNetworkAccess="Enabled", networkAcls={"defaultAction": "Allow"})
ACLS = {"defaultAction": "Deny", "bypass": "None", "ipRules": [{"value": "203.0.113.0/26"}], "ipv6Rules": []}
ACLS["virtualNetworkRules"] = []
NAMED = account("stnamed", publicNetworkAccess="Enabled", networkAcls=ACLS, allowBlobPublicAccess=False)


@pytest.fixture(scope="module")
def estate(demo_folder: Path) -> Iterator[tuple[Sandbox, Path]]:
    """The sample estate in a sandbox, and the snapshot of a scan of it."""
    with running(Sandbox.from_estate(load_estate())) as box:
        yield box, demo_folder / "snapshot.jsonl"


def test_answers_of_a_file_go_to_standard_output(tmp_path: Path) -> None:
    file = tmp_path / "list.json"
    file.write_text(json.dumps({"value": [OPEN, NAMED]}))
    ended = twolocks("reach", "stnamed", "--source", "198.51.100.7", "--port", "blob", "--from", file)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "no: 198.51.100.7 cannot open blob on stnamed",
        "  allows  public access     publicNetworkAccess = Enabled",
        "  blocks  firewall          1 rule, 64 addresses; none is 198.51.100.7",
    ]
    ended = twolocks("reach", "stnamed", "--source", "203.0.113.7", "--port", "blob", "--from", file)
    assert ended.code == 0
    assert ended.out.startswith("yes: 203.0.113.7 can open blob on stnamed; ")


def test_every_endpoint_has_an_answer_of_its_own(tmp_path: Path) -> None:
    file = snapshot(tmp_path / "a.jsonl", OPEN)
    out = twolocks("reach", OPEN["id"], "--from", file).out
    heads = [line for line in out.splitlines() if not line.startswith("  ")]
    assert len(heads) >= 6
    assert all(" on stopen" in line or "stopen" in line for line in heads)


def test_a_flexible_scale_set_answers_with_its_instances(tmp_path: Path) -> None:
    group = "/subscriptions/5a000000-0000-4000-8000-000000000001/resourceGroups/rg/providers"
    owner = f"{group}/Microsoft.Compute/virtualMachineScaleSets/flex"
    flexible = {"id": owner, "name": "flex", "properties": {"orchestrationMode": "Flexible"}}
    machines = [
        {
            "id": f"{group}/Microsoft.Compute/virtualMachines/flex_{number}",
            "name": f"flex_{number}",
            "properties": {
                "virtualMachineScaleSet": {"id": owner.upper()},
                "networkProfile": {"networkInterfaces": [{"id": f"{group}/Microsoft.Network/networkInterfaces/x"}]},
            },
        }
        for number in (0, 1)
    ]
    file = tmp_path / "list.json"
    file.write_text(json.dumps({"value": [flexible, *machines]}))
    ended = twolocks("reach", "flex", "--port", "tcp/22", "--from", file)
    assert [name for name in ("flex_0", "flex_1") if name in ended.out] == ["flex_0", "flex_1"]
    file.write_text(json.dumps({"value": [flexible]}))
    ended = twolocks("reach", "flex", "--port", "tcp/22", "--from", file)
    assert ended.out.startswith("not known: flex: no virtual machine of this scale set was collected")


def test_a_type_without_evaluated_endpoints_is_no_verdict(tmp_path: Path) -> None:
    group = "/subscriptions/5a000000-0000-4000-8000-000000000001/resourceGroups/rg/providers"
    id = f"{group}/Microsoft.StreamAnalytics/streamingjobs/hdi"
    file = tmp_path / "list.json"
    for bodies, word in (([OPEN], id), ([OPEN, {"id": id, "name": "hdi", "properties": {}}], "hdi")):
        file.write_text(json.dumps({"value": bodies}))
        ended = twolocks("reach", word, "--from", file)
        assert (ended.code, ended.err) == (3, "Exit 3\n")
        text = "not known: hdi is of a type without evaluated endpoints: microsoft.streamanalytics/streamingjobs\n"
        assert ended.out.lower() == text


@pytest.fixture(scope="module")
def demo(demo_folder: Path) -> Path:
    return demo_folder / "snapshot.jsonl"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("nic-gammel",), 3, "networkInterfaces; it belongs to vm-gammel: ask for that"),
        (("kubernetes",), 3, "not known: kubernetes is of a type without evaluated endpoints: microsoft.network/load"),
        (("vmss-flex",), 3, "not known: vmss-flex: no virtual machine of this scale set was collected"),
        (("vm-ukjent",), 3, "not known: tcp/3389: nsg-drift, on the path to vm-ukjent, could not be assessed"),
        (("vm-gammel", "--port", "tcp/22"), 0, "yes: the internet can open tcp/22 on vm-gammel"),
    ],
)
def test_every_resource_has_an_answer(words: tuple[str, ...], code: int, text: str, demo: Path) -> None:
    ended = twolocks("reach", *words, "--from", demo)
    assert ended.code == code
    assert text in ended.out
    rows = json.loads(twolocks("reach", *words, "--from", demo, "--format", "json").out)
    assert [row["verdict"] for row in rows] == [
        line.partition(":")[0] for line in ended.out.splitlines() if not line.startswith("  ")
    ]


def test_the_reach_examples_of_the_pages_work_on_the_demo(demo: Path) -> None:
    pages = [Path("README.md"), *Path("docs").glob("*.md")]
    matches = {
        tuple(line.split()[2:])
        for page in pages
        if page.name != "cli.md"
        for line in re.findall(r"`?(twolocks reach [^`\n]+)", page.read_text())
    }
    assert matches
    for words in matches:
        assert twolocks("reach", *words, "--from", demo).code == 0, words


def test_what_is_not_known_ends_with_3(tmp_path: Path) -> None:
    odd = account("stodd", publicNetworkAccess="Perhaps", allowBlobPublicAccess=False)
    ended = twolocks("reach", "stodd", "--port", "blob", "--from", snapshot(tmp_path / "a.jsonl", odd))
    assert (ended.code, ended.err) == (3, "Exit 3\n")
    assert ended.out.startswith(
        "not known: blob: publicNetworkAccess of stodd: unrecognized value 'Perhaps'\n  unknown "
    )


@pytest.mark.parametrize("source", ["internet", "vm"])
def test_what_an_older_snapshot_did_not_keep_is_not_known(tmp_path: Path, source: str) -> None:
    machine = "Microsoft.Compute/virtualMachines"
    id = f"/subscriptions/{SUB}/resourceGroups/rg/providers/{machine}/vm"
    store = Store(Header(taken="2026-11-25T00:00:00Z", scopes=[SUB], kept={machine: ["properties.storageProfile"]}))
    store.scope(SUB, "prod", "agency.example", "full")
    store.resource({"id": id, "name": "vm", "type": machine, "properties": {}}, "2025-04-01", "list")
    store.write(tmp_path / "a.jsonl")
    ended = twolocks("reach", "vm", "--source", source, "--port", "tcp/22", "--from", tmp_path / "a.jsonl")
    assert (ended.code, ended.err) == (3, "Exit 3\n")
    assert ended.out.startswith("not known: vm could not be assessed\n  unknown ")
    assert "the snapshot was made without this property" in ended.out


@pytest.mark.parametrize(
    ("words", "what", "do"),
    [
        (("stnamd",), 'no resource "stnamd" with an endpoint', "nearest: stnamed"),
        (("stnamed", "--port", "22/tcp"), '"22/tcp" is not a port', "write tcp/22"),
        (("stnamed", "--port", "tcp/22"), "", ""),
        (("stnamed", "--port", "tcp/99"), "stnamed has no endpoint on tcp/99", "known: blob, "),
        (("stnamed", "--source", "10.0.0.4"), "10.0.0.4 is not a public address", "give the name or id of a machine"),
        (
            ("stnamed", "--source", "vm-none"),
            '"vm-none" is not an address or a collected resource',
            "internet, an address",
        ),
    ],
)
def test_wrong_input_ends_with_2_and_the_nearest_names(
    tmp_path: Path, words: tuple[str, ...], what: str, do: str
) -> None:
    ended = twolocks("reach", *words, "--from", snapshot(tmp_path / "a.jsonl", OPEN, NAMED))
    if not what:
        assert (ended.code, ended.out.split()[0]) == (0, "no:")
        return
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith(f"error: {what}")
    assert do in ended.err


def test_a_name_that_two_resources_have_is_no_name(tmp_path: Path) -> None:
    twin = {**OPEN, "id": OPEN["id"].replace("rg-journal", "rg-other")}
    ended = twolocks("reach", "stopen", "--from", snapshot(tmp_path / "a.jsonl", OPEN, twin))
    assert ended.code == 2
    assert '"stopen" matches 2 resources' in ended.err
    assert OPEN["id"] in ended.err


def test_a_name_from_azure_stays_on_its_line(tmp_path: Path) -> None:
    odd = {**OPEN, "name": "st\n::error::x", "id": OPEN["id"] + "%0a"}
    out = twolocks("reach", odd["id"], "--from", snapshot(tmp_path / "a.jsonl", odd)).out
    assert "\n::error" not in out


# The sample estate


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (
            ("vm-nat01", "--port", "tcp/50001"),
            [
                "yes: the internet can open tcp/50001 on vm-nat01; it accepts a shared key or password",
                "  allows  pip-drift         192.0.2.30, Standard",
                "  allows  lb-drift          rdp: tcp/50001 to port 3389",
                "  allows  nsg-hopp          fjernstyring (100): * to tcp/22, tcp/3389",
                "  allows  nic-nat01         10.40.1.7 in vnet-maskiner/snet-hopp",
            ],
        ),
        (
            ("vm-fag03", "--source", "198.51.100.7"),
            [
                "no: 198.51.100.7 cannot open tcp/443 on vm-fag03"
                "; the peered network vnet-drift is not visible to this scan: "
                "a firewall there may publish this machine",
                "  blocks  fw-hub            DNAT rule rdp-fag03: tcp/443 to 10.40.3.5:3389, for 203.0.113.0/26",
                "  also    published through the Front Door afd-journal, by private link",
            ],
        ),
        (
            ("vm-fag04", "--port", "tcp/22", "--source", "vm-fag03"),
            [
                "yes: vm-fag03 can open tcp/22 on vm-fag04",
                "  allows  vnet-maskiner     inside the virtual network or its peers",
                "  allows  nsg-lukket        AllowVnetInBound (65000): VirtualNetwork to *",
                "  allows  nic-fag04         10.40.3.6 in vnet-maskiner/snet-lukket",
            ],
        ),
        (
            ("redis-okonomi", "--port", "redis", "--source", "203.0.113.9"),
            [
                "yes: 203.0.113.9 can open redis on redis-okonomi; it accepts access keys"
                "; authentication: shared key or password",
                "  allows  public access     publicNetworkAccess = Enabled",
                "  allows  firewall          oslo: 203.0.113.0/26",
            ],
        ),
    ],
    ids=["nat rule", "dnat", "inside", "firewall"],
)
def test_the_sample_estate_hop_by_hop(estate: tuple[Sandbox, Path], words: tuple[str, ...], lines: list[str]) -> None:
    ended = twolocks("reach", *words, "--from", estate[1])
    assert ended.code == 0
    shown = ended.out.splitlines()
    if words[0] == "vm-fag04":
        shown[0] = shown[0].split(";")[0]
    assert shown == lines


def test_ssh_of_a_cluster_is_found_at_its_port(demo: Path) -> None:
    ended = twolocks("reach", "hdi-forsok", "--port", "tcp/22", "--from", demo)
    assert ended.code == 0, ended.err
    assert "can open ssh on hdi-forsok" in ended.out


def _named(id: str) -> dict[str, str]:
    return {"name": id.rsplit("/", 1)[1], "type": "/".join(id.split("/")[6:8])}


def test_a_file_of_resources_is_taken_as_whole_and_a_load_balancer_elsewhere_is_not_known(tmp_path: Path) -> None:
    here = "/subscriptions/5a000000-0000-4000-8000-000000000001/resourceGroups/rg/providers"
    net = f"{here}/Microsoft.Network"
    inner: dict[str, object] = {"privateIPAddress": "10.0.0.4", "subnet": {"id": f"{net}/virtualNetworks/v/subnets/a"}}
    rule = {"priority": 100, "direction": "Inbound", "access": "Allow", "protocol": "Tcp", "sourcePortRange": "*"}
    rule |= {"sourceAddressPrefix": "*", "destinationAddressPrefix": "*", "destinationPortRange": "22"}
    group = f"{net}/networkSecurityGroups/g"
    card = {"ipConfigurations": [{"name": "ip", "properties": inner}], "networkSecurityGroup": {"id": group}}
    subnets = [{"id": f"{net}/virtualNetworks/v/subnets/a", "name": "a", "properties": {}}]
    cards = {"networkProfile": {"networkInterfaces": [{"id": f"{net}/networkInterfaces/n"}]}}
    bodies = [
        {"id": f"{here}/Microsoft.Compute/virtualMachines/vm", "properties": cards},
        {"id": f"{net}/networkInterfaces/n", "properties": card},
        {"id": f"{net}/virtualNetworks/v", "properties": {"subnets": subnets}},
        {"id": group, "properties": {"securityRules": [{"name": "ssh", "properties": rule}]}},
    ]
    named = [{**each, **_named(str(each["id"]))} for each in bodies]
    file = tmp_path / "list.json"
    file.write_text(json.dumps({"value": named}))
    ended = twolocks("reach", "vm", "--port", "tcp/22", "--from", file)
    assert (ended.code, ended.out.split(":")[0]) == (0, "no")
    inside = twolocks("reach", "vm", "--port", "tcp/22", "--source", "a", "--from", file)
    assert (inside.code, inside.out.splitlines()[0]) == (
        3,
        "not known: tcp/22: the address prefix of a: Azure did not return it",
    )
    pool = f"{net.replace('5a', '5b')}/loadBalancers/lb/backendAddressPools/p"
    inner["loadBalancerBackendAddressPools"] = [{"id": pool}]
    file.write_text(json.dumps({"value": named}))
    ended = twolocks("reach", "vm", "--port", "tcp/22", "--from", file)
    assert (ended.code, ended.out.split(":")[0]) == (3, "not known")


# Live


def test_live_it_reads_the_resource_and_the_networks_and_nothing_else(estate: tuple[Sandbox, Path]) -> None:
    box = estate[0]
    before = len(box.requests)
    ended = twolocks("reach", "redis-okonomi", "--source", "203.0.113.9", "--port", "redis", env=box.environment())
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[0].startswith("yes: 203.0.113.9 can open redis on redis-okonomi")
    paths = [request.path.lower() for request in list(box.requests)[before:]]
    assert not any("/microsoft.storage/" in path or "/microsoft.sql/" in path for path in paths)
    assert any("/redis/redis-okonomi/firewallrules" in path for path in paths)


def test_live_a_machine_is_found_by_name(estate: tuple[Sandbox, Path]) -> None:
    ended = twolocks("reach", "vm-nat01", "--port", "tcp/50001", env=estate[0].environment())
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[2] == "  allows  lb-drift          rdp: tcp/50001 to port 3389"
    ended = twolocks("reach", "vm-nat0", env=estate[0].environment())
    assert ended.code == 2
    assert "nearest: vm-nat0" in ended.err


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        (("vm-fag01", "--port", "tcp/22", "--source", "198.51.100.7"), "no: 198.51.100.7 cannot open tcp/22"),
        (("vm-fag04", "--port", "tcp/22", "--source", "vm-fag03"), "yes: vm-fag03 can open tcp/22 on vm-fag04"),
        (("vm-hindret", "--port", "tcp/22"), "no: the internet cannot open tcp/22 on vm-hindret"),
    ],
)
def test_live_the_chain_is_whole_so_no_means_no(
    estate: tuple[Sandbox, Path], words: tuple[str, ...], verdict: str
) -> None:
    ended = twolocks("reach", *words, env=estate[0].environment())
    assert ended.code == 0, ended.out
    assert ended.out.startswith(verdict)


FRONTS = [
    (
        ("app-nettsted", "--port", "app"),
        "yes",
        [
            "published through the Front Door fd-klassisk",
            "published through API Management apim-journal",
            "named by Traffic Manager profile tm-innsyn",
        ],
    ),
    (("app-arkivportal", "--port", "app"), "no", ["named by Traffic Manager profile tm-innsyn"]),
    (("app-helsesjekk",), "yes", ["published through API Management apim-journal; its API helsesjekk requires no key"]),
    (("app-postliste",), "no", ["published through the Front Door afd-journal"]),
    (("vm-fag03", "--port", "tcp/443"), "no", ["published through the Front Door afd-journal, by private link"]),
    (("app-okonomi", "--port", "app"), "no", []),
]


@pytest.mark.parametrize(("words", "verdict", "also"), FRONTS, ids=[each[0][0] for each in FRONTS])
def test_what_stands_in_front_is_shown_live_as_of_a_scan(
    estate: tuple[Sandbox, Path], words: tuple[str, ...], verdict: str, also: list[str]
) -> None:
    of_file = twolocks("reach", *words, "--from", estate[1])
    live = twolocks("reach", *words, env=estate[0].environment())
    assert (live.code, live.out) == (of_file.code, of_file.out)
    assert live.out.startswith(f"{verdict}: ")
    assert [line.strip() for line in live.out.splitlines() if line.startswith("  also")] == [
        f"also    {each}" for each in also
    ]
