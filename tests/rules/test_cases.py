"""Every rule on every example; and what may never end in Pass: nothing, null, and a value that nobody knows."""

import copy
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import count
from typing import Any
from zlib import crc32

from scanner.model.ids import SUBSCRIPTION as SUBSCRIPTION_TYPE
from scanner.model.index import INDEX_TYPES
from scanner.model.rule import Rule
from tests.rules import examples, severities, verdicts
from tests.rules.each import each_case, each_rule
from tests.rules.examples import Case
from tests.rules.hostile import replaced, without
from tests.rules.verdicts import worst_by_rule
from tests.sampled import is_all

TOGETHER = examples.TOGETHER
CASES = list(examples.cases())
STRANGE = "a-value-nobody-knows"
WAYS = ("null", "absent", "strange")


@each_case
def test_example(case: Case) -> None:
    statuses = examples.worst_of(examples.result(case))
    exposures = {
        each.endpoint: each
        for each in verdicts.exposures(examples.kinds_of(case.type), examples.bundle(case), examples.index_of(case))
    }
    assert {rule: statuses.get(rule) for rule in case.expect} == case.expect
    shown = {endpoint: examples.shown(exposure) for endpoint, exposure in exposures.items()}
    assert {endpoint: shown.get(endpoint) for endpoint in case.exposures} == case.exposures
    rated = {name: (exposures[name].severity, exposures[name].worst_severity) for name in case.exposures}
    assert rated == {name: severities.of_text(text) for name, text in case.exposures.items()}


@each_rule
def test_examples_that_follow_from_the_row(rule: Rule) -> None:
    result = {case.name: (_status(case, rule), case.expect[rule.id]) for case in examples.of_rule(rule)}
    assert {name: each for name, each in result.items() if each[0] != each[1]} == {}


def _status(case: Case, rule: Rule) -> str | None:
    """Return what one rule says of an example. What the others say of it is in `test_kept`, which evaluates all."""
    return worst_by_rule([rule], examples.bundle(case), examples.index_of(case)).get(rule.id)


@each_case
def test_a_read_that_was_refused_is_named_where_something_is_undecided(case: Case) -> None:
    if not case.gaps:
        return
    made, findings = examples.bundle(case), examples.result(case).findings
    named = {url.lower() for row in findings for url in row.gaps}
    unnamed = [gap.url for gap in made.gaps.values() if gap.url.lower() not in named]
    # The examples have no subscription, where deletion locks are.
    assert not unnamed or all(row.status != "unknown" or row.rule.endswith("no-delete-lock") for row in findings)


def test_example_names_are_unique() -> None:
    assert len({case.id for case in CASES}) == len(CASES)


def test_what_is_listed_by_hand_may_name_a_rule_by_an_old_id() -> None:
    """So that a rename is one file, the row's: expected results, reasons and values go on."""
    assert examples.current_id("keyvault-no-delete-lock") == examples.current_id("no-delete-lock") == "no-delete-lock"
    assert examples.current_id("no-such-rule") == "no-such-rule"


def _rule(id: str, case: Case) -> Rule:
    """Return the rule of an id, of one on many types that for the resource of an example."""
    rules = examples.rules().all_named(id)
    fitting = (rule for rule in rules if case.type.lower() in map(str.lower, rule.resource_type.types))
    return next(fitting, rules[0])


@lru_cache
def _expected() -> dict[str, set[str]]:
    """Return the statuses that the examples expect of each rule."""
    result: dict[str, set[str]] = defaultdict(set)
    for case in CASES:
        for id, status in case.expect.items():
            result[_rule(id, case).key].add(status)
    return result


@each_rule
def test_rule_has_a_good_a_bad_and_an_unknown_example(rule: Rule) -> None:
    matches = {case.expect[rule.id] for case in examples.of_rule(rule) if rule.id in case.expect}
    matches |= _expected().get(rule.key, set())
    needed = {status for status in ("pass", "fail", "unknown") if f"{rule.id}:{status}" not in examples.never()}
    assert needed <= matches


@cache
def _empty(type: str) -> dict[str, str]:
    return examples.judge(Case("empty", type, type, {"properties": {}}, {}, read=False))[0]


@cache
def _mute(type: str) -> dict[str, str]:
    # A subscription has no properties by design: then nothing of the index was read either.
    missing = list(INDEX_TYPES) if type == SUBSCRIPTION_TYPE else []
    return examples.judge(Case("mute", type, type, {}, {}, read=False, missing=missing))[0]


@each_rule
def test_an_empty_resource_never_passes(rule: Rule) -> None:
    for type in rule.resource_type.types:
        statuses = _empty(type)
        if statuses.get(rule.id) == "pass":
            assert rule.id in examples.safe(), "passes on a resource without properties, and no source says why it may"


@each_rule
def test_an_answer_without_properties_neither_fails_nor_passes(rule: Rule) -> None:
    for type in rule.resource_type.types:
        assert _mute(type).get(rule.id) not in ("pass", "fail")


def _leaves(body: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(body, dict):
        for key, value in body.items():
            yield from _leaves(value, (*at, key))
        return
    if at and at[0] in ("properties", "sku", "kind"):
        yield at


def _changed(body: dict[str, Any], at: tuple[Any, ...], how: str) -> dict[str, Any]:
    value = None if how == "null" else STRANGE
    made: dict[str, Any] = without(body, at) if how == "absent" else replaced(body, at, value)
    return made


def _mutants(case: Case) -> Iterator[tuple[str, Case]]:
    """Yield the example with one leaf changed: each leaf in one way, where not all are tried.

    The examples of a rule share most of their leaves, and each begins with another way.
    """
    turn = count(crc32(case.id.encode()))

    def ways() -> Sequence[str]:
        return WAYS if is_all() else WAYS[next(turn) % len(WAYS) :][:1]

    for at in _leaves(case.body):
        for how in ways():
            yield f"{'.'.join(at)} {how}", _copy(case, body=_changed(case.body, at, how))
    for list_path, child in case.children.items():
        for at in _leaves(child):
            for how in ways():
                children = {**case.children, list_path: _changed(child, at, how)}
                yield f"{list_path} {'.'.join(at)} {how}", _copy(case, children=children)


def _copy(case: Case, **changed: Any) -> Case:
    made = copy.copy(case)
    for key, value in changed.items():
        setattr(made, key, value)
    return made


@each_case
def test_no_missing_or_unknown_value_makes_a_failure_pass(case: Case) -> None:
    if "fail" not in case.expect.values():
        return
    failing = [rule for rule, status in case.expect.items() if status == "fail"]
    safe = examples.safe()
    wrong = defaultdict(list)
    rules = [_rule(rule, case) for rule in failing if rule not in safe]
    index = examples.index_of(case)
    for what, mutant in _mutants(case) if rules else ():
        statuses = worst_by_rule(rules, examples.bundle(mutant), index)
        path = what.rsplit(" ", 1)[0]
        for rule, status in statuses.items():
            if status == "pass" and f"{rule}:{path}" not in safe:
                wrong[rule].append(what)
    assert not wrong
