"""The network index: interfaces with both groups, evaluated with evidence.

No two groups are alike. Half of the rules are an organisation's own standard ones (500 of them, at any priority), the
other half stand in one group only. Four subnets share a group, the interfaces of a subnet one of two.

    python -m tests.benchmarks.network [INTERFACES [RULES]]      a tenth as many groups, a fifth as many subnets

Up to 20,000 interfaces, the bodies are also evaluated as a snapshot, with all rules.

Prints JSON: memory over the start (MB: the index, and the peak of all), CPU seconds of decoding, of parsing and of
evaluating every interface, and what came of it.
"""

from __future__ import annotations

import gc
import json
import random
import resource as usage
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from scanner.document.writer import Writer
from scanner.evaluate.run import Evaluation
from scanner.model.index import INDEX_TYPES
from scanner.model.resource import Resource
from scanner.reach.networks import filtering as chain
from scanner.reach.networks.fabric import Fabric, destination_of
from scanner.rulebook import loader
from scanner.snapshot.bundles import of_store
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store

ROOT = "/subscriptions/00000000-0000-0000-0000-{0:012d}/resourceGroups/rg-{1}/providers/Microsoft.Network"
SOURCES = ("VirtualNetwork", "VirtualNetwork", "AzureLoadBalancer", "Internet", "*", "AzureCloud", "Storage.NorwayEast")
PORTS = (22, 80, 443, 1433, 3389, 5432, 5985, 8080)


def root(number: int) -> str:
    return ROOT.format(number % 40, number % 997)


def rule(dice: random.Random, number: int, standard: list[dict[str, Any]]) -> dict[str, Any]:
    if standard and dice.random() < 0.5:
        known = dice.choice(standard)
        return {**known, "properties": {**known["properties"], "priority": 100 + 10 * number}}
    properties: dict[str, Any] = {
        "protocol": dice.choice(("Tcp", "Tcp", "Tcp", "Udp", "*")),
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "access": dice.choice(("Allow", "Allow", "Allow", "Allow", "Deny")),
        "priority": 100 + 10 * number,
        "direction": "Outbound" if dice.random() < 0.2 else "Inbound",
        "sourcePortRanges": [],
        "destinationPortRanges": [],
        "sourceAddressPrefixes": [],
        "destinationAddressPrefixes": [],
    }
    kind = dice.random()
    if kind < 0.45:
        properties["sourceAddressPrefix"] = f"10.{dice.randrange(256)}.{dice.randrange(256)}.0/24"
    elif kind < 0.75:
        many = [
            f"{dice.randrange(20, 90)}.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(256)}"
            for _ in range(3)
        ]
        properties["sourceAddressPrefixes"] = many
    else:
        properties["sourceAddressPrefix"] = dice.choice(SOURCES)
    if dice.random() < 0.2:
        first = dice.randrange(1, 60000)
        properties["destinationPortRange"] = f"{first}-{first + dice.randrange(200)}"
    else:
        properties["destinationPortRanges"] = [str(dice.choice(PORTS)), str(dice.randrange(1, 65536))]
    if dice.random() < 0.1:
        properties["destinationAddressPrefix"] = f"10.{dice.randrange(256)}.{dice.randrange(256)}.0/24"
    return {"name": f"rule-{number}-{dice.randrange(10**6)}", "properties": properties}


def bodies(interfaces: int, rules: int) -> Iterator[bytes]:
    """The ARM bodies, one by one."""
    dice = random.Random(1)
    standard = [rule(dice, each, []) for each in range(500)]
    groups, subnets = interfaces // 10, interfaces // 5

    def group(number: int) -> dict[str, str]:
        return {"id": f"{root(number)}/networkSecurityGroups/nsg-{number}"}

    for number in range(groups):
        properties: dict[str, Any] = {"securityRules": [rule(dice, each, standard) for each in range(rules)]}
        yield json.dumps({**group(number), "properties": properties}).encode()
    for number in range(0, subnets, 10):
        network = f"{root(number)}/virtualNetworks/net-{number}"
        inner = [
            {
                "id": f"{network}/subnets/s-{each}",
                "properties": {
                    "addressPrefix": f"10.{each // 256 % 256}.{each % 256}.0/24",
                    "networkSecurityGroup": group(each * groups // 2 // subnets),
                },
            }
            for each in range(number, number + 10)
        ]
        yield json.dumps({"id": network, "properties": {"subnets": inner}}).encode()
    for number in range(interfaces):
        each = number // 5
        network = f"{root(each // 10 * 10)}/virtualNetworks/net-{each // 10 * 10}"
        configuration = {
            "name": "ipconfig1",
            "properties": {
                "privateIPAddress": f"10.{each // 256 % 256}.{each % 256}.{4 + number % 200}",
                "privateIPAddressVersion": "IPv4",
                "subnet": {"id": f"{network}/subnets/s-{each}"},
                "publicIPAddress": {"id": f"{root(number)}/publicIPAddresses/ip-{number}"},
            },
        }
        properties = {
            "ipConfigurations": [configuration],
            "networkSecurityGroup": group(groups // 2 + (each * groups // 2 // subnets + number % 2) % (groups // 2)),
            "virtualMachine": {"id": f"{root(number)}/virtualMachines/vm-{number}".replace("Network", "Compute")},
        }
        yield json.dumps({"id": f"{root(number)}/networkInterfaces/nic-{number}", "properties": properties}).encode()


def resident() -> float:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def peak() -> float:
    return usage.getrusage(usage.RUSAGE_SELF).ru_maxrss / 1e3


def measure(interfaces: int, rules: int) -> dict[str, Any]:
    for _ in bodies(200, rules):
        pass
    start = resident()
    fabric, decode = Fabric(), msgspec.json.Decoder().decode
    decoding = parsing = 0.0
    for line in bodies(interfaces, rules):
        before = time.process_time()
        body = decode(line)
        between = time.process_time()
        fabric.add(Resource(body))
        after = time.process_time()
        decoding, parsing = decoding + between - before, parsing + after - between
    index = resident() - start
    before = time.process_time()
    openings = exposed = hops = 0
    for nic in fabric.nics.values():
        for configuration in nic.configurations:
            open_ranges = chain.filter_chain(fabric, destination_of(nic, configuration), "standard").open_ranges
            openings += len(open_ranges)
            exposed += bool(open_ranges)
            hops += sum(len(each.steps) for each in open_ranges)
    judging = time.process_time() - before
    return {
        "interfaces": interfaces,
        "groups": len(fabric.groups),
        "rules": len(fabric.groups) * rules,
        "index_mb": round(index, 1),
        "with_answers_mb": round(resident() - start, 1),
        "peak_mb": round(peak() - start, 1),
        "decoding_s": round(decoding, 2),
        "parsing_s": round(parsing, 2),
        "judging_s": round(judging, 2),
        "cpu_s": round(parsing + judging, 2),
        "open_interfaces": exposed,
        "openings": openings,
        "hops": hops,
    }


def evaluated(interfaces: int, rules: int) -> float:
    """The CPU seconds of a whole evaluation of the same bodies, with every rule about networks and groups."""
    store, decode = Store(Header(taken="2026-11-25T00:00:00Z")), msgspec.json.Decoder().decode
    for number in range(40):
        store.scope(f"00000000-0000-0000-0000-{number:012d}", f"s{number}", "tenant", "full")
        for type in INDEX_TYPES:
            store.read(f"/subscriptions/00000000-0000-0000-0000-{number:012d}/providers/{type}", 0)
    for line in bodies(interfaces, rules):
        store.resource(decode(line), "pinned", "list")
    rule_set, writer = loader.load(packages=False), Writer()
    before = time.process_time()
    Evaluation(of_store(store), rule_set).run(writer)
    spent = time.process_time() - before
    writer.close()
    return round(spent, 2)


EVALUATED = 20_000
"""The largest number of interfaces that are evaluated whole too."""


def main() -> None:
    given = [int(each) for each in sys.argv[1:]]
    interfaces, rules = [*given, *(50_000, 50)[len(given) :]]
    document = measure(interfaces, rules)
    document["evaluation_s"] = evaluated(interfaces, rules) if interfaces <= EVALUATED else 0
    print(json.dumps(document))


if __name__ == "__main__":
    main()
