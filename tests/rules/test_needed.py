"""Reads that a condition leaves out: what they would have returned changes no verdict.

Each example whose condition is false is evaluated with what any other example of the type has below that read.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pytest
from msgspec.structs import replace

from scanner.evaluate.examples import evaluate
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.model.rule import Rule
from scanner.rulebook.loader import reads_of
from tests.rules import examples
from tests.rules.examples import Case

Bodies = list[dict[str, Any]]

MOST = 60
"""Examples of one read that are evaluated, and the bodies that are laid below it."""
BODIES = 12

NONE_EXIST = {
    "Microsoft.ApiManagement/service/gateways": "a tier without self-hosted gateways has none",
    "Microsoft.AppConfiguration/configurationStores/replicas": "the free tier has none",
    "Microsoft.Cache/redis/linkedServers": "the Premium tier alone has them",
    "Microsoft.Cdn/profiles/afdEndpoints": "a profile of Azure CDN has none",
    "Microsoft.Cdn/profiles/endpoints": "a profile of Azure Front Door has none",
    "Microsoft.Cdn/profiles/originGroups": "a profile of Azure CDN has none",
    "Microsoft.CognitiveServices/accounts/connections": "the kind AIServices alone has them",
    "Microsoft.CognitiveServices/accounts/deployments": "these kinds deploy no model",
    "Microsoft.CognitiveServices/accounts/projects": "the kind AIServices alone has them",
    "Microsoft.ContainerRegistry/registries/replications": "the Premium tier alone has them",
    "Microsoft.DocumentDB/databaseAccounts/services": "an account of another API has no dedicated gateway",
    "Microsoft.EventHub/namespaces/disasterRecoveryConfigs": "the Basic tier has none",
    "Microsoft.EventHub/namespaces/networkRuleSets": "the Basic tier has none",
    "Microsoft.MachineLearningServices/workspaces/outboundRules": "without a managed network there are none",
    "Microsoft.ServiceBus/namespaces/disasterRecoveryConfigs": "the Premium tier alone has them",
    "Microsoft.ServiceBus/namespaces/networkRuleSets": "the Premium tier alone has them",
    "Microsoft.SignalRService/signalR/replicas": "the Premium tiers alone have them",
    "Microsoft.Sql/servers/databases/syncGroups": "the database master is in no sync group",
    "Microsoft.Storage/storageAccounts/blobServices": "an account of this kind has no blobs",
    "Microsoft.Storage/storageAccounts/fileServices": "an account of this kind has no files",
    "Microsoft.Storage/storageAccounts/fileServices/shares": "an account of this kind has no such shares",
    "Microsoft.Storage/storageAccounts/objectReplicationPolicies": "an account of this kind has no blobs",
    "Microsoft.Storage/storageAccounts/queueServices": "an account of this kind has no queues",
    "Microsoft.Storage/storageAccounts/tableServices": "an account of this kind has no tables",
    "Microsoft.Web/staticSites/privateEndpointConnections": "the site itself says that it has none",
}
"""Reads whose condition says that there can be none, with the reason. Nothing may be laid below them."""

NO_MATTER = {
    "Microsoft.EventHub/namespaces/eventhubs": "keys of hubs where keys are off, captures on a tier without them",
    "Microsoft.Insights/diagnosticSettings": "logs are assessed where the rule on missing logs applies",
    "Microsoft.ServiceBus/namespaces/queues": "keys of queues where keys are off",
    "Microsoft.ServiceBus/namespaces/topics": "keys of topics where keys are off",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "none is anonymous where the account forbids it",
    "Microsoft.Web/sites/functions": "no one can call a function of an app that is stopped, and other kinds have none",
}
"""Reads with rules on each row, of which the rows that a condition leaves out would pass, with the reason."""


def conditional() -> list[Read]:
    """Return the reads that have a condition."""
    return [read for kind in examples.rules().kinds for read in kind.children if read.when is not None]


@lru_cache
def cases_of() -> dict[str, list[Case]]:
    """Return all examples by type, also those that follow from rows."""
    result: dict[str, list[Case]] = defaultdict(list)
    for case in (*examples.cases(), *(case for rule in examples.all_rules() for case in examples.of_rule(rule))):
        result[case.type.lower()].append(case)
    return result


def users(read: Read) -> list[Rule]:
    """Return the rules whose verdict on something else a read may change."""
    return [rule for rule in examples.all_rules() if read in reads_of(rule) and not is_about(rule, read)]


def is_about(rule: Rule, read: Read) -> bool:
    """Return whether a rule is about what a read returns, or about what is below that."""
    subject = rule.subject
    while isinstance(subject, Read):
        if subject is read:
            return True
        subject = subject.parent if isinstance(subject.parent, Read) else None
    return False


def parents(read: Read, case: Case) -> list[Resource]:
    """Return the resources of an example below which a read is made or left out."""
    made = examples.bundle(case)
    if not isinstance(read.parent, Read):
        return [made.top] if made.top is not None and made.top.type.lower() in map(str.lower, read.tops) else []
    types = {each.lower() for each in read.parent.types}
    return [each for each in made.resources.values() if each.type.lower() in types and matches(read.parent, each)]


def matches(read: Read, resource: Resource) -> bool:
    return resource.key.endswith(read.key) if read.one else resource.list_key.endswith(read.key)


def bodies_of(read: Read) -> Bodies:
    """Return what examples have below a read, the most different ones first."""
    result: dict[str, dict[str, Any]] = {}
    for case in (case for type in read.resource_type.types for case in cases_of()[type.lower()]):
        made = examples.bundle(case)
        for path, body in case.children.items():
            resource = made.resources.get(f"{made.top.key}/{path}".lower()) if made.top is not None else None
            if resource is not None and resource.type.lower() in map(str.lower, read.types) and matches(read, resource):
                result.setdefault(json.dumps(body, sort_keys=True, default=str), body)
    step = max(1, len(result) // BODIES)
    return list(result.values())[::step][:BODIES]


def laid(read: Read, parent: Resource, case: Case, bodies: Bodies) -> Iterator[Case]:
    """Yield an example with something below a read that its condition leaves out."""
    top = examples.bundle(case).id
    path = f"{parent.id}/{read.path}"[len(top) + 1 :]
    more = (
        [{path: body} for body in bodies] if read.one else [{f"{path}/laid{n}": each for n, each in enumerate(bodies)}]
    )
    for each in more:
        yield replace(case, children={**each, **case.children})


def left_out(read: Read) -> list[tuple[Case, Resource]]:
    """Return the examples in which the condition of a read is false, with the resource that it is false of."""
    all_cases = (case for type in read.resource_type.types for case in cases_of()[type.lower()])
    items = [(case, parent) for case in all_cases for parent in parents(read, case) if not read.needed(parent)]
    return items[:: max(1, len(items) // MOST)][:MOST]


def changed(read: Read) -> dict[str, str]:
    """Return by rule what changes where something is laid below a read that is left out, with an example."""
    enabled = {rule.key: rule for rule in users(read)}
    rules, bodies = replace(examples.rules(), enabled=enabled), bodies_of(read)
    result: dict[str, str] = {}
    for case, parent in left_out(read) if enabled and bodies else ():
        before, _ = evaluate(case, rules)
        for more in laid(read, parent, case, bodies):
            after, _ = evaluate(more, rules)
            for rule in after.keys() | before.keys():
                if after.get(rule) != before.get(rule):
                    result[rule] = f"{before.get(rule)} -> {after.get(rule)}: {case.id}"
    return result


@pytest.mark.parametrize("service", sorted({read.type.split("/")[0] for read in conditional()}))
def test_what_a_condition_leaves_out_changes_no_verdict(service: str) -> None:
    wrong = {}
    for read in (each for each in conditional() if each.type.split("/")[0] == service):
        if read.type not in NONE_EXIST and (result := changed(read)):
            wrong[read.type] = result
    assert wrong == {}


def test_rules_on_what_is_left_out_are_not_silent() -> None:
    """A rule on each row of a list says nothing of rows that were not read: then there can be none, or each passes."""
    about = {read.type for read in conditional() if any(is_about(rule, read) for rule in examples.all_rules())}
    assert about - NONE_EXIST.keys() == NO_MATTER.keys()


def test_each_reason_is_of_a_condition() -> None:
    assert NONE_EXIST.keys() - {read.type for read in conditional()} == set()
