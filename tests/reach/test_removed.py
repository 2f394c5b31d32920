"""One resource less, with the list that it was in not read: a yes never becomes a no, nor a no a yes."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest

from scanner.errors import InputError
from scanner.evaluate.reach_answers import answers
from scanner.evaluate.reach_targets import ReachQuestion
from scanner.evaluate.run import Evaluation
from scanner.model.addresses import parse
from scanner.model.ids import type_of
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Bundle, Resource
from scanner.model.verdict import Unread
from scanner.reach.networks.fabric import ADMIN_RULES, fabric_of, id_or_empty, network_of
from scanner.reach.paths.internal_paths import internal_paths
from scanner.reach.paths.topology import topology
from scanner.reach.questions.answers import ReachAnswer
from scanner.reach.questions.callers import INTERNET, Caller, caller_of_resource
from scanner.reach.questions.port_query import AskedPort, ask_port
from scanner.snapshot import files as snapshots
from tests.reach import inside
from tests.reach.estates import Estate, Maker
from tests.sampled import some

FLIPS = {("yes", "no"), ("no", "yes"), ("yes", "in part"), ("in part", "yes"), ("in part", "no"), ("no", "in part")}
TOP = Resource({"id": "/machines/vm", "name": "vm", "type": "Microsoft.Network/machines"})
PORTS = (22, 80, 443, 3389, 8080, 50000)
SEPARATE = ("/snapshots/", "/members/", "securityadminregionalgoalstates", "/networkmanagers/")
"""Rows of network managers beside those that say what is in force: no gap tells that one of them is missing."""


def index_of(bodies: list[dict[str, Any]], unread: str = "") -> Index:
    made = Index(live=bool(unread))
    for each in bodies:
        made.add(Resource(each))
    if unread:
        made.missing[unread.lower()] = Unread(unread, Message("403, missing a permission"), "/gap")
    return made


def asked(index: Index, target: str, source: str, port: int) -> str:
    """The answer from an interface, an address or the internet to an interface of an estate."""
    result = topology(index)
    if source.startswith("/"):
        caller = caller_of_resource(source, "/other", result, [source]) or Caller(
            source, missing=(Unread("x", Message("y")),)
        )
    else:
        caller = Caller(source, parse(source)) if source else INTERNET
    nic = result.fabric.nics.get(id_or_empty(target))
    missing = () if nic is not None else (Unread(target, Message("not collected")),)
    led = result.paths(nic) if nic is not None else []
    paths = [*(internal_paths(result, [target]) if caller.in_network else []), *led]
    return ask_port(AskedPort("tcp", port), paths, missing, TOP, caller, result).verdict


def bodies_of(estate: Estate) -> list[dict[str, Any]]:
    every = [*estate.resources, *estate.balanced, *estate.over, *estate.walls]
    return [{**each, "type": type_of(each["id"])} for each in every]


@pytest.mark.parametrize("seed", some(range(1, 51), 12))
def test_one_resource_less_never_turns_an_answer_in_a_generated_estate(seed: int) -> None:
    dice = random.Random(f"removed {seed}")
    estate = Maker(seed).estate()
    every = bodies_of(estate)
    nics = [each["id"] for each in estate.nics]
    whole = index_of(every)
    wrong = []
    for _ in range(12):
        source = dice.choice((*nics, *nics, "", "20.1.2.3", "203.0.113.9"))
        question = (dice.choice(nics), source, dice.choice(PORTS))
        gone = dice.choice([each for each in every if not any(segment in each["id"].lower() for segment in SEPARATE)])
        kind = ADMIN_RULES if "effectivesecurityadminrules" in gone["id"].lower() else gone["type"]
        less = index_of([each for each in every if each is not gone], kind)
        before, after = asked(whole, *question), asked(less, *question)
        if (before, after) in FLIPS:
            wrong.append((question, gone["id"], before, after))
    assert wrong == []


CASES = inside.cases()
TARGETS = ("vm-b", "vm-c", "vm-a", "kv-open", "kv-named", "kv-subnet", "kv-private")
SOURCES = ("vm-a", "vm-b", "vm-c", "vm-x", "snet-a", "vnet-a", "internet", "20.1.0.9")


@pytest.mark.parametrize("number", some(range(len(CASES)), 24))
def test_one_resource_less_never_turns_an_answer_of_the_small_estates(number: int) -> None:
    dice, case = random.Random(f"removed {number}"), {**CASES[number], "drop": []}
    whole = inside.base() | case.get("add", {})
    estate = inside.changed(inside.base(), case)
    wrong = []
    for attempt in range(6):
        target, source, port = case["ask"] if attempt < 3 else (dice.choice(TARGETS), dice.choice(SOURCES), "")
        port = port or ("vault" if target.startswith("kv") else "tcp/22")
        gone = dice.choice([name for name in estate if name not in (target, source)])
        names = {gone, *(name for name, body in estate.items() if body.get("network") == gone)}
        less = {name: body for name, body in estate.items() if name not in names}
        kind = estate[gone].get("type", "Microsoft.Network/virtualNetworks")
        try:
            before = inside.asked(estate, whole, target, source, port)[0].verdict
            after = inside.asked(less, whole, target, source, port, unread=(kind,))[0].verdict
        except InputError:
            continue  # the source or target is not there
        if (before, after) in FLIPS:
            wrong.append((target, source, gone, before, after))
    assert wrong == []


NETWORK_TYPES = {
    f"microsoft.network/{each}"
    for each in (
        *("virtualnetworks", "networksecuritygroups", "networkinterfaces", "routetables", "publicipaddresses"),
        *("loadbalancers", "natgateways", "privateendpoints"),
    )
}


def without(index: Index, key: str, kind: str) -> Index:
    """The index of the sample without one resource, whose list was not read."""
    gap = Unread(kind, Message("403, missing a permission"), "/gap")
    less = Index(
        **{name: getattr(index, name) for name in ("subscriptions", "tenants", "networks", "partial", "names")}
    )
    less.missing = {**index.missing, kind: gap}
    less.unlisted = {name: each for name, each in index.unlisted.items() if name != kind}
    less.residency, less.keys, less.whole, less.taken = index.residency, index.keys, index.whole, index.taken
    for resource in index.resources.values():
        if resource.key != key:
            less.add(resource)
    fabric = copy.copy(fabric_of(index))
    fabric.memo = {}
    for name in ("groups", "nics", "tables", "subnets"):
        kept = {id: each for id, each in getattr(fabric, name).items() if id != key and network_of(id) != key}
        setattr(fabric, name, kept)
    less.memo["fabric"] = fabric
    return less


@pytest.mark.parametrize("seed", some(range(20), 3))
def test_one_resource_less_never_turns_an_answer_of_the_sample(seed: int, demo_folder: Path) -> None:
    dice = random.Random(f"sample {seed}")
    taken = snapshots.read(demo_folder / "snapshot.jsonl")
    evaluation, bundles = Evaluation(taken, inside.rules()), list(taken.bundles())
    index, tops = evaluation.index, [each.top for each in bundles if each.top is not None]
    machines = [each.id for each in tops if each.type.lower() == "microsoft.compute/virtualmachines"]
    targets = [each.id for each in tops if each.type.lower() in evaluation.kinds]
    fabric = fabric_of(index)
    matches = [key for key, each in index.resources.items() if each.type.lower() in NETWORK_TYPES]
    keys = list(dict.fromkeys((*matches, *fabric.nics, *fabric.groups, *fabric.tables)))
    wrong = []
    for _ in range(12):
        target, port = dice.choice(((dice.choice(machines), "tcp/22"), (dice.choice(targets), "")))
        question = ReachQuestion(target, dice.choice((*machines, "internet")), port)
        evaluation.index = index
        before = answers_of(question, evaluation, bundles)
        named = [id_or_empty(hop.resource) for each in before.values() for hop in each.hops if hop.resource]
        gone = dice.choice([key for key in named if key in keys] or keys)
        evaluation.index = without(index, gone, type_of(gone).lower())
        after = answers_of(question, evaluation, bundles)
        wrong += [
            (question, gone, name)
            for name, each in before.items()
            if (each.verdict, after[name].verdict if name in after else "") in FLIPS
        ]
    assert wrong == []


def answers_of(question: ReachQuestion, evaluation: Evaluation, bundles: list[Bundle]) -> dict[str, ReachAnswer]:
    try:
        return {each.endpoint: each for each in answers(question, evaluation, bundles)}
    except InputError:
        return {}
