"""What closes an open port, proven on random networks: its changes as overlays close the port, or it says why not."""

import json

import pytest
from msgspec.structs import replace

from scanner.model.exposure import Reach
from scanner.model.fix import Edit, Fix
from scanner.model.index import build
from scanner.model.resource import Resource
from scanner.reach.networks.fabric import destination_of
from scanner.reach.networks.filtering import OpenRange
from scanner.reach.paths.closing import NO_RULE, closing_of
from scanner.reach.paths.narrowing import IN_CLUSTER, caused, narrowing
from scanner.reach.paths.network_paths import FrontEnd, NetworkPath
from scanner.reach.paths.open_ports import OpenPorts, open_ports, open_range_lock
from scanner.reach.paths.topology import Topology, topology
from scanner.reach.rules.source_grants import grants_from_sources
from tests.reach.estates import Maker
from tests.reach.test_topology import NET, Body, dnat, firewall, group, made, network, nic, public, rule, shown
from tests.reach.test_topology import paths as behind
from tests.rules.simulate import overlaid_body

FRONT = FrontEnd("", "standard")


def paths(result: Topology) -> dict[tuple[str, str], NetworkPath]:
    nics = result.fabric.nics.values()
    return {
        (nic.id, each.name): NetworkPath(FRONT, destination_of(nic, each))
        for nic in nics
        for each in nic.configurations
    }


def open_ranges_of(result: Topology, key: tuple[str, str], limit: Reach) -> list[tuple[OpenRange, tuple[int, int]]]:
    """The places of a network interface's configuration that callers of a reach, or more, get to."""
    opened = paths(result)[key].open_ranges(result.fabric)
    wide = [each for each in opened if any(g.level >= limit for g in grants_from_sources(each.certain, result.index))]
    return [(each, span) for each in wide for span in each.spans]


@pytest.mark.parametrize(("limit", "remove"), [(Reach.wide, False), (Reach.selected, True)])
@pytest.mark.parametrize("seed", range(40))
def test_the_fix_of_an_open_port_closes_it_or_says_why_not(seed: int, limit: Reach, remove: bool) -> None:
    bodies = Maker(seed).estate().resources
    before = topology(build(map(Resource, bodies)))
    for key, path in paths(before).items():
        for opened in path.open_ranges(before.fabric)[:4]:
            lock = open_range_lock(opened, before.index)
            closing = closing_of(opened, FRONT, before.index, limit)
            ports = OpenPorts("", opened.label, opened.known_port, False, lock, closing, closing)
            fix = narrowing(ports, before.index, remove=remove)
            causes = [each.cause for each in caused(ports, before.index).grants if each.level >= limit]
            assert fix.steps or set(fix.closes) <= {
                one for each in causes if each is not None for one in (each._replace(also=()), *each.also)
            }
            if all(each.level < limit for each in lock.grants):
                assert not fix.commands
                continue
            assert fix.changes or fix.steps
            if not fix.changes:
                continue
            edits = [each for each in fix.changes if isinstance(each, Edit)]
            after = topology(build(Resource(overlaid_body(each, each["id"], edits)) for each in bodies))
            left = [
                one
                for one, span in open_ranges_of(after, key, limit)
                if span in opened.spans and one.label == opened.label
            ]
            assert left == [], (opened.label, fix)


def of_firewall(*, policy: bool, remove: bool) -> tuple[list[Body], Fix]:
    """A network behind a firewall whose second collection has a filler and the DNAT rule; and what changes that."""
    rules = [dnat(destinationPorts=["99"]), dnat(sourceAddresses=["*"], sourceIpGroups=[f"{NET}/ipGroups/any"])]
    bodies = [network(), group(rule("ssh", "22")), nic(), public("pip-fw", "192.0.2.9")]
    bodies.append({"id": f"{NET}/ipGroups/any", "properties": {"ipAddresses": ["0.0.0.0/0"]}})
    if policy:
        id = f"{NET}/firewallPolicies/p"
        kind = {"ruleCollectionType": "FirewallPolicyNatRuleCollection"}
        collections = [{"name": "empty", "rules": [], **kind}, {"name": "in", "rules": rules, **kind}]
        bodies += [{"id": id, "properties": {}}, firewall([], firewallPolicy={"id": id})]
        bodies.append({"id": f"{id}/ruleCollectionGroups/g", "properties": {"ruleCollections": collections}})
    else:
        bodies.append(firewall(rules))
    result = made(*bodies)
    (ports,) = (each for each in open_ports(behind(result), result.fabric, result.index) if each.label == "tcp/2222")
    closing = ports.narrow
    assert closing.dnat
    assert not closing.rules
    return bodies, narrowing(replace(ports, close=closing), result.index, remove=remove)


@pytest.mark.parametrize("remove", [False, True])
@pytest.mark.parametrize("policy", [False, True])
def test_a_port_behind_a_firewall_is_closed_at_the_dnat_rule(policy: bool, remove: bool) -> None:
    bodies, fix = of_firewall(policy=policy, remove=remove)
    edits = [each for each in fix.changes if isinstance(each, Edit)]
    after = shown(made(*(overlaid_body(each, each["id"], edits) for each in bodies)))
    assert after == ({"192.0.2.9 tcp/99": "internet"} if remove else {**after, "192.0.2.9 tcp/2222": "selected"})
    if policy and remove:
        assert "rule remove --name dnat --collection-name in --rule-collection-group-name g " in fix.commands[0]
    else:
        # Whether a command can clear the IP groups of a rule is not known.
        assert not fix.commands
        assert "rule dnat: " in fix.steps[0]


def test_every_part_of_a_range_is_closed() -> None:
    two = group(rule("low", "40000-40100"), rule("high", "40101-40200"))
    result = made(network(), two, nic(public="pip"), public())
    (ports,) = open_ports(behind(result), result.fabric, result.index)
    assert (ports.label, len(ports.narrow.rules), ports.narrow.steps) == ("tcp/40000-40200", 2, ())


def test_without_a_rule_that_decides_the_fix_is_a_group() -> None:
    result = made(network(guarded=False), nic(public="pip"), public(sku="Basic"))
    for ports in open_ports(behind(result), result.fabric, result.index):
        assert (ports.narrow.rules, ports.narrow.steps) == ((), (NO_RULE,))
        assert narrowing(ports, result.index).steps == (NO_RULE,)


def test_the_rules_of_a_cluster_are_not_changed() -> None:
    bodies = [network(), group(rule("ssh", "22")), nic(public="pip"), public()]
    result = made(*(overlaid_cluster(each) for each in bodies))
    nics = list(result.fabric.nics.values())
    for ports in open_ports(result.paths(nics[0]), result.fabric, result.index):
        assert ports.narrow.rules
        fix = narrowing(ports, result.index)
        assert fix.steps == (IN_CLUSTER,)
        assert not fix.commands


def overlaid_cluster(body: Body) -> Body:
    """Return a body whose ids are in the resource group of a cluster."""
    moved: Body = json.loads(json.dumps(body).replace("/resourceGroups/rg/", "/resourceGroups/MC_rg_aks_norwayeast/"))
    return moved
