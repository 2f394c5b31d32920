"""One caller, one endpoint: yes, no or not known, and which lock decides."""

import dataclasses
from typing import Any, cast

import msgspec
import pytest

from scanner.model.addresses import parse, parse_all
from scanner.model.exposure import SHARED, Exposure, Grant, Hop, Lock, PossibleGrant, Reach, closed, grant
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Unread
from scanner.reach.networks.fabric import destination_of
from scanner.reach.networks.filtering import EntryKind
from scanner.reach.networks.peerings import NOT_SEEN
from scanner.reach.networks.public_addresses import public_addresses
from scanner.reach.paths.network_paths import FrontEnd, NetworkPath
from scanner.reach.paths.topology import Topology, topology
from scanner.reach.questions.callers import INTERNET, Caller
from scanner.reach.questions.port_query import AskedPort, ask_port, endpoint_covers, parse_port, port_of_endpoint
from scanner.reach.questions.query import ask_endpoint
from scanner.reach.rules.port_ranges import Protocol
from scanner.reach.rules.sources import grant_from_addresses
from tests.reach.bodies import ABOVE, ROOT, SUBNET, network, nsg, rule
from tests.reach.compare import fabric
from tests.reach.estates import BORNE, Maker
from tests.reach.oracle import Oracle

TOP = Resource({"id": f"{ROOT}/things/door", "name": "door", "type": "Microsoft.Network/things"})
HERE = Caller("198.51.100.7", parse("198.51.100.7"))
INDEX = Index(live=False)
SWITCH = Hop("switch", "Public network access", Message("publicNetworkAccess = Enabled"))
OFFICE = parse_all(["203.0.113.0/26", "198.51.100.0/28"])


def ranges(*texts: str) -> Lock:
    """A firewall with a rule for each of these."""
    rules = tuple(({"name": f"rule-{number}"}, parse(text)) for number, text in enumerate(texts))
    result = grant_from_addresses(parse_all(texts), INDEX)
    assert result is not None
    made = Grant(result.level, (), result.description, addresses=result.addresses, rules=rules)
    return Lock(
        (made,),
        hops=(Hop("source", "Allow-listed networks"), SWITCH, Hop("firewall", "SQL firewall", result.description)),
    )


def endpoint(reach: Lock, authentication: Lock = SHARED) -> Exposure:
    return Exposure("tds", "data", reach, authentication)


def asked(reach: Lock, caller: Caller = HERE) -> tuple[str, str, list[tuple[bool | None, str, str]]]:
    reach_answer = ask_endpoint(endpoint(reach), TOP, caller, INDEX)
    return (
        reach_answer.verdict,
        reach_answer.sentence,
        [(hop.allows, hop.kind, hop.detail) for hop in reach_answer.hops],
    )


def test_a_peer_that_was_not_visible_is_reported_with_every_no() -> None:
    text = f"the peered network hub {NOT_SEEN}"
    closed_port = msgspec.structs.replace(endpoint(grant(Reach.none)), admits=(text, "published through a gateway"))
    reach_answer = ask_endpoint(closed_port, TOP, INTERNET, INDEX)
    assert (reach_answer.verdict, reach_answer.sentence) == ("no", f"the internet cannot open tds on door; {text}")
    alone = topology(Index(live=False))
    given = ask_port(AskedPort("tcp", 22), [], (), TOP, INTERNET, alone, [closed_port])
    assert (given.verdict, given.sentence) == ("no", f"the internet cannot open tcp/22 on door; {text}")


# Services


def test_an_address_in_the_union_is_allowed_by_the_rule_that_contains_it() -> None:
    verdict, expected, hops = asked(ranges("203.0.113.0/26", "198.51.100.0/28"))
    assert (verdict, expected) == ("yes", "198.51.100.7 can open tds on door; it accepts a shared key or password")
    assert hops[-1] == (True, "firewall", "rule-1: 198.51.100.0/28")


def test_an_address_beside_the_union_is_held_and_the_union_is_counted() -> None:
    verdict, expected, hops = asked(ranges("203.0.113.0/26", "198.51.100.8"))
    assert (verdict, expected) == ("no", "198.51.100.7 cannot open tds on door")
    assert hops == [
        (True, "switch", "publicNetworkAccess = Enabled"),
        (False, "firewall", "2 rules, 65 addresses; none is 198.51.100.7"),
    ]


def test_two_rules_may_hold_a_range_together() -> None:
    both = Caller("198.51.100.0/24", parse("198.51.100.0/24"))
    verdict, _, hops = asked(ranges("198.51.100.0/25", "198.51.100.128/25"), both)
    assert (verdict, hops[-1][2]) == ("yes", "2 rules together include 198.51.100.0/24")
    verdict, expected, hops = asked(ranges("198.51.100.0/25"), both)
    assert (verdict, expected) == ("in part", "only 198.51.100.0/25 of 198.51.100.0/24 can open tds on door")
    assert hops[-1] == (True, "firewall", "198.51.100.0/25")


def test_half_of_the_internet_is_not_all_of_it() -> None:
    lock = ranges("0.0.0.0/1")
    assert lock.widest is not None
    assert lock.widest.level == Reach.internet
    assert asked(lock, INTERNET)[0] == "yes"
    assert asked(lock)[0] == "no"
    assert asked(lock, Caller("8.8.8.8", parse("8.8.8.8")))[0] == "yes"


def test_the_internet_is_not_a_few_addresses_and_the_answer_says_who_can() -> None:
    verdict, expected, hops = asked(ranges("203.0.113.0/26"), INTERNET)
    assert (verdict, expected) == ("no", "the internet cannot open tds on door; only 203.0.113.0/26 can")
    assert hops[-1] == (False, "firewall", "only 203.0.113.0/26")


def test_a_tag_is_known_to_azure_alone() -> None:
    tag = Lock((Grant(Reach.azure, (), Message("the service tag Storage")),), hops=(SWITCH, Hop("firewall", "rules")))
    verdict, expected, hops = asked(tag)
    assert verdict == "not known"
    assert expected.startswith("whether 198.51.100.7 belongs to the service tag Storage")
    assert hops[-1][0] is None
    assert asked(tag, INTERNET)[0] == "no"


def test_whether_an_address_is_one_of_azure_is_not_known() -> None:
    zero = Lock((Grant(Reach.azure, (), Message("any Azure tenant")),))
    assert asked(zero)[1] == "whether 198.51.100.7 has an Azure address: any Azure tenant is allowed"


def test_a_subnet_rule_allows_no_address() -> None:
    rules = Lock(
        (Grant(Reach.private, ids=(SUBNET,)),),
        hops=(SWITCH, Hop("firewall", "rules", Message("private networks only"))),
    )
    assert asked(rules)[0] == "no"


def test_what_was_not_read_leaves_the_question_open_only_where_it_could_allow_access() -> None:
    gap = Unread("firewallRules", Message("403, missing Microsoft.Sql/servers/firewallRules/read"), "/url")
    hop = Hop("firewall", "SQL firewall", gap.why, allows=None)
    verdict, expected, hops = asked(Lock(possible_grants=(PossibleGrant(Reach.internet, gap),), hops=(SWITCH, hop)))
    assert (verdict, expected) == ("not known", "the firewall rules of door could not be assessed")
    assert hops[-1] == (None, "firewall", "403, missing Microsoft.Sql/servers/firewallRules/read")
    private = Lock((Grant(Reach.none),), (PossibleGrant(Reach.selected, gap),), (SWITCH,))
    assert asked(private)[0] == "no"
    limited = Lock((Grant(Reach.none),), (PossibleGrant(Reach.selected, gap, addresses=OFFICE),), (SWITCH,))
    assert asked(limited)[0] == "not known"
    assert asked(limited, Caller("8.8.8.8", parse("8.8.8.8")))[0] == "no"


def test_a_certain_grant_answers_whatever_else_is_not_known() -> None:
    gap = Unread("x", Message("y"), "/url")
    assert asked(ranges("198.51.100.7") | Lock(possible_grants=(PossibleGrant(Reach.internet, gap),)))[0] == "yes"


def test_a_switch_that_blocks_is_the_last_hop() -> None:
    shut = Hop("switch", "Public network access", Message("publicNetworkAccess = Disabled"), allows=False)
    endpoint_hop = Hop("private-endpoint", "pe", Message("Approved"), f"{ROOT}/privateEndpoints/pe")
    private = Lock((Grant(Reach.private, ids=(endpoint_hop.resource,)),), hops=(shut, endpoint_hop))
    assert asked(private)[2] == [(False, "switch", "publicNetworkAccess = Disabled")]


def test_an_endpoint_that_is_off_is_closed_to_the_internet() -> None:
    reach_answer = ask_endpoint(closed("tds", "data", Message("SFTP is off")), TOP, INTERNET, INDEX)
    assert (reach_answer.verdict, reach_answer.hops[0].detail, reach_answer.hops[0].allows) == (
        "no",
        "SFTP is off",
        False,
    )


# Ports


@pytest.mark.parametrize(
    ("text", "asked_port"),
    [
        ("tcp/22", AskedPort("tcp", 22)),
        ("UDP/53", AskedPort("udp", 53)),
        ("22", None),
        ("tcp/x", None),
        ("tcp/65536", None),
    ],
)
def test_a_port_is_a_protocol_and_a_number(text: str, asked_port: AskedPort | None) -> None:
    assert parse_port(text) == asked_port


def test_endpoints_are_named_by_their_ports() -> None:
    assert endpoint_covers("tcp/20-25", AskedPort("tcp", 22))
    assert not endpoint_covers("tcp/20-25", AskedPort("udp", 22))
    assert endpoint_covers("*/*", AskedPort("udp", 22))
    assert not endpoint_covers("blob", AskedPort("tcp", 443))
    assert port_of_endpoint("udp/500-600") == AskedPort("udp", 500, "udp/500-600")
    assert port_of_endpoint("blob") is None


def machine(*rules: dict[str, Any], address: str = "20.100.4.17", public: bool = True) -> tuple[Index, Resource]:
    """A machine with a Standard address behind a subnet's group."""
    index = Index(live=False)
    ip = {
        "id": f"{ROOT}/publicIPAddresses/pip-jump",
        "name": "pip-jump",
        "type": "Microsoft.Network/publicIPAddresses",
        "sku": {"name": "Standard"},
        "properties": {"ipAddress": address},
    }
    configuration: dict[str, Any] = {"privateIPAddress": "10.0.0.4", "subnet": {"id": SUBNET}}
    if public:
        configuration["publicIPAddress"] = {"id": ip["id"]}
    nic = {
        "id": f"{ROOT}/networkInterfaces/nic",
        "type": "Microsoft.Network/networkInterfaces",
        "properties": {"ipConfigurations": [{"name": "one", "properties": configuration}]},
    }
    for each in (network(ABOVE), nsg(ABOVE, *rules), Resource(ip), Resource(nic)):
        index.add(each)
    return index, Resource({"id": f"{ROOT}/machines/vm-jump", "name": "vm-jump", "type": "Microsoft.Network/machines"})


def at(index: Index, top: Resource, caller: Caller, number: int = 22) -> tuple[str, str, list[tuple[bool | None, str]]]:
    result = topology(index)
    nic = next(iter(result.fabric.nics.values()))
    exposure = Exposure("tcp/22", "admin", grant(Reach.internet), SHARED)
    given = ask_port(AskedPort("tcp", number), result.paths(nic), (), top, caller, result, [exposure])
    return given.verdict, given.sentence, [(hop.allows, f"{hop.name} {hop.detail}") for hop in given.hops]


def test_each_group_says_which_rule_allows() -> None:
    index, top = machine(rule("allow-ssh", 300, "Allow", "Internet", "22"))
    verdict, expected, hops = at(index, top, INTERNET)
    assert verdict == "yes"
    assert expected == "the internet can open tcp/22 on vm-jump; it accepts a shared key or password"
    assert hops[:2] == [
        (True, "pip-jump 20.100.4.17, Standard"),
        (True, "above allow-ssh (300): Internet to tcp/22"),
    ]


def test_a_deny_before_the_allow_is_named() -> None:
    index, top = machine(
        rule("stop", 200, "Deny", "198.51.100.0/24", "*"), rule("allow-ssh", 300, "Allow", "*", ["22", "3389"])
    )
    assert at(index, top, HERE)[::2] == (
        "no",
        [(True, "pip-jump 20.100.4.17, Standard"), (False, "above stop (200): 198.51.100.0/24 to tcp/*")],
    )
    other = at(index, top, Caller("8.8.8.8", parse("8.8.8.8")))
    assert other[0] == "yes"
    assert other[2][1] == (True, "above allow-ssh (300): * to tcp/22, tcp/3389")


def test_the_default_rule_blocks_what_nothing_allows() -> None:
    index, top = machine()
    verdict, expected, hops = at(index, top, INTERNET)
    assert (verdict, expected) == ("no", "the internet cannot open tcp/22 on vm-jump")
    assert hops[-1][0] is False
    assert "(65500)" in hops[-1][1]


def test_named_addresses_are_reported_where_the_whole_internet_was_asked_about() -> None:
    index, top = machine(rule("office", 300, "Allow", "203.0.113.0/26", "22"))
    verdict, expected, hops = at(index, top, INTERNET)
    assert (verdict, expected) == ("no", "the internet cannot open tcp/22 on vm-jump; only 203.0.113.0/26 can")
    assert hops[-1] == (False, "above only by office (300): 203.0.113.0/26 to tcp/22")
    assert at(index, top, Caller("203.0.113.9", parse("203.0.113.9")))[0] == "yes"


def test_a_tag_before_an_address_leaves_it_open() -> None:
    index, top = machine(rule("azure", 100, "Deny", "AzureCloud", "*"), rule("all", 200, "Allow", "*", "22"))
    verdict, expected, hops = at(index, top, HERE)
    assert verdict == "not known"
    assert expected.startswith("whether 198.51.100.7 belongs to AzureCloud")
    assert hops[-1][0] is None


def test_a_tag_and_the_internet_are_everyone_whatever_the_tag_covers() -> None:
    index, top = machine(rule("azure", 100, "Allow", "AzureCloud", "22"), rule("all", 200, "Allow", "Internet", "22"))
    assert at(index, top, HERE)[0] == "yes"
    assert at(index, top, INTERNET)[0] == "yes"
    index, top = machine(
        rule("azure", 100, "Allow", "AzureCloud", "22"),
        rule("storage", 110, "Deny", "Storage", "22"),
        rule("all", 200, "Allow", "Internet", "22"),
    )
    assert at(index, top, HERE)[0] == "not known"


def test_a_range_of_which_a_part_gets_in_is_in_part() -> None:
    index, top = machine(rule("office", 300, "Allow", "203.0.113.0/26", "22"))
    verdict, expected, hops = at(index, top, Caller("203.0.113.0/24", parse("203.0.113.0/24")))
    assert (verdict, expected) == ("in part", "only 203.0.113.0/26 of 203.0.113.0/24 can open tcp/22 on vm-jump")
    assert hops[-1][0] is True
    assert at(index, top, Caller("198.51.100.0/24", parse("198.51.100.0/24")))[0] == "no"


def test_nothing_leads_to_a_machine_without_an_address() -> None:
    index, top = machine(rule("all", 200, "Allow", "*", "*"), public=False)
    assert at(index, top, INTERNET)[::2] == (
        "no",
        [(False, "vm-jump it has no public address, load balancer or firewall in front of it")],
    )


def test_an_ipv4_caller_cannot_dial_an_ipv6_address() -> None:
    index, top = machine(rule("all", 200, "Allow", "*", "*"), address="2603:1020::7")
    result = topology(index)
    assert next(iter(public_addresses(result.index).values())).version == 6
    assert at(index, top, HERE)[0] == "no"


# Random estates


@pytest.mark.parametrize("seed", range(6))
def test_answers_agree_with_the_packet_oracle(seed: int) -> None:
    """A packet with one sender, asked as a caller: yes, no and not known as the oracle's set of verdicts says."""
    maker = Maker(seed)
    estate = maker.estate()
    oracle, networks = Oracle(estate), fabric(estate)
    result = Topology(Index(live=False), networks)
    wrong = []
    for _ in range(150):
        packet = maker.packet(estate)
        if packet.protocol not in ("tcp", "udp") or packet.entry == "inside":
            continue
        nic = networks.nics[networks.key(estate.nics[packet.nic]["id"])]
        target = destination_of(nic, nic.configurations[packet.configuration])
        front = FrontEnd("", cast("EntryKind", packet.entry), version=target.version)
        caller = Caller(packet.sender, parse(packet.sender))
        asked = AskedPort(cast("Protocol", packet.protocol), packet.port)
        given = ask_port(asked, [NetworkPath(front, target)], (), TOP, caller, result)
        truth = {verdict for tags in BORNE for verdict in oracle.ask(dataclasses.replace(packet, tags=tags))}
        if (given.verdict == "yes" and truth != {True}) or (given.verdict == "no" and truth != {False}):
            wrong.append((packet, given, truth))
        if given.verdict != "not known":
            holding = [hop for hop in given.hops if hop.allows is False]
            assert len(holding) == (given.verdict == "no"), given
    assert wrong == []
