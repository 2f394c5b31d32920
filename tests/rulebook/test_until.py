"""`--until`: no rule that can be as severe is left out, and no enabled rule needs a read that is."""

from collections import defaultdict
from collections.abc import Mapping

import pytest

from scanner.evaluate.checks import subjects_of, verdict_of
from scanner.evaluate.endpoints import locks_of
from scanner.model.resource import Bundle, Resource
from scanner.model.resource_type import Read
from scanner.model.rule import Rule, questions
from scanner.model.severity import SEVERITIES, Severity
from scanner.model.verdict import Fail
from scanner.rulebook import loader
from scanner.rulebook.loader import RuleSet, reads_of
from scanner.rulebook.until import ask_until, notes_of
from tests.rules import examples
from tests.rules.verdicts import every, verdicts

HOSTS = {
    "Microsoft.AppConfiguration/configurationStores/replicas",
    "Microsoft.EventHub/namespaces/disasterRecoveryConfigs",
    "Microsoft.ServiceBus/namespaces/disasterRecoveryConfigs",
    "Microsoft.Sql/servers/failoverGroups",
    "Microsoft.ServiceBus/namespaces/networkSecurityPerimeterConfigurations",
}
"""Reads that add host names or evidence to a verdict where they were made, and decide nothing."""


def asked(until: str, severities: Mapping[str, Severity] | None = None) -> RuleSet:
    rules = loader.load(packages=False)
    ask_until(rules, until, severities or {})
    return rules


@pytest.fixture(scope="module")
def worst() -> dict[str, Severity]:
    """The worst severity that an example of each rule has, by its key."""
    result: dict[str, Severity] = {}
    for case in examples.cases():
        bundle = examples.bundle(case)
        for _, rule, verdict in verdicts(every(bundle), bundle, examples.index_of(case)):
            given = (verdict.severity or rule.severity) if isinstance(verdict, Fail) else None
            if given is not None:
                result[rule.key] = max(given, result.get(rule.key, given))
    return result


@pytest.mark.parametrize("until", SEVERITIES[:-1])
def test_a_rule_that_can_be_as_severe_is_asked(worst: dict[str, Severity], until: str) -> None:
    rules = asked(until)
    assert rules.unasked
    assert {key: worst[key].name for key in rules.unasked if worst.get(key, Severity.info) >= Severity[until]} == {}


@pytest.mark.parametrize("until", SEVERITIES[:-1])
def test_an_enabled_rule_has_all_of_its_reads(until: str) -> None:
    whole, rules = loader.load(packages=False), asked(until)
    assert {*rules.enabled, *rules.unasked} == set(whole.enabled)
    made, left_out = set(rules.reads()), set(rules.unasked_reads())
    assert made.isdisjoint(left_out)
    assert made | left_out <= set(whole.reads())
    for rule in rules.enabled.values():
        assert set(reads_of(rule)) <= made, rule.key
    for rule in rules.unasked.values():
        is_user = loader.KEY_USERS in rule.looks_up
        assert is_user or rule.finder is not None or not set(reads_of(rule)) <= made, rule.key


def test_rules_without_a_further_read_are_asked_whatever_their_severity() -> None:
    rules = asked("high")
    assert "storage-plain-http" in rules.enabled
    assert "storage-smb-rc4" in rules.unasked
    assert notes_of(rules) == [
        f"not assessed (not asked for, --until high): {len(questions(rules.unasked.values()))} rules that need"
        " more reads"
    ]
    assert notes_of(asked("")) == []


def test_a_severity_of_the_settings_counts() -> None:
    rules = asked("high", {"storage-smb-rc4": Severity.high})
    assert {"storage-smb-rc4", "storage-smb-ntlm"} <= set(rules.enabled), "one read gives both"


def test_a_selection_forgets_what_was_not_asked() -> None:
    rules = asked("critical")
    rules.select()
    assert (rules.until, rules.unasked, set(rules.enabled)) == ("", {}, set(loader.load(packages=False).enabled))


def test_rules_ask_for_the_reads_that_they_declare(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SMB rules of storage accounts declared none, and were inconclusive where no other rule needed it."""
    looked_up: list[tuple[Bundle, Read]] = []
    below = Resource._below

    def noting(resource: Resource, child: Read) -> list[Resource]:
        if isinstance(child, Read):
            looked_up.append((resource.bundle, child))
        return below(resource, child)

    monkeypatch.setattr(Resource, "_below", noting)
    undeclared: dict[str, set[str]] = defaultdict(set)
    for case in examples.cases():
        bundle = examples.bundle(case)
        for rule in every(bundle):
            looked_up.clear()
            _ask(rule, bundle, case)
            declared = set(reads_of(rule))
            wanted = (read for of, read in looked_up if of is bundle and read not in declared and not read.always)
            for read in wanted:
                undeclared[read.type].add(rule.key)
    assert {type: keys for type, keys in undeclared.items() if type not in HOSTS} == {}


def _ask(rule: Rule, bundle: Bundle, case: examples.Case) -> None:
    top, index = bundle.top, examples.index_of(case)
    assert top is not None
    if top.type.lower() not in map(str.lower, rule.resource_type.types):
        return
    if rule.lock:
        locks_of(rule.resource_type, top, index)
    elif rule.subject is None:
        verdict_of(rule, top, index)
    else:
        for subject, known in subjects_of(rule.subject, top, rule.severity):
            if known is None:
                verdict_of(rule, subject, index)
