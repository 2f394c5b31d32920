"""What rules say of a bundle, asked of their functions alone: no rows are made, and no fixes are tried.

`test_verdicts` compares it with evaluations.
"""

from collections.abc import Iterable, Iterator
from functools import cache

from scanner.evaluate import locks
from scanner.evaluate.checks import subjects_of, verdict_of
from scanner.evaluate.endpoints import by_subject, locks_of
from scanner.evaluate.missing import unread_below
from scanner.model.exposure import Exposure
from scanner.model.ids import resource_type_of, type_of
from scanner.model.index import Index
from scanner.model.resource import Bundle, Resource
from scanner.model.resource_type import ResourceType
from scanner.model.rule import Rule
from scanner.model.verdict import Verdict, unknown
from tests.rules import examples

NAMES = {"Fail": "fail", "Unknown": "unknown", "Pass": "pass", "NotApplicable": "not-applicable"}
ORDER = tuple(NAMES.values())
Found = tuple[str, str, str]
"""The id of a resource, a rule, and its status."""


@cache
def of_types(types: frozenset[str]) -> tuple[Rule, ...]:
    """Return the rules of ARM types (lower case)."""
    return tuple(rule for rule in examples.all_rules() if types & {type.lower() for type in rule.resource_type.types})


def every(bundle: Bundle) -> tuple[Rule, ...]:
    """Return the rules of a bundle, and of the lists that were not read in it."""
    below = {type_of(url).lower() for url, _ in unread_below(bundle)}
    return of_types(frozenset({resource_type_of(bundle.id).lower(), *below}))


def worst_by_rule(rules: Iterable[Rule], bundle: Bundle, index: Index) -> dict[str, str]:
    """Return the worst status of each rule over a bundle. Whatever a rule raises is raised."""
    result: dict[str, str] = {}
    for _, rule, status in statuses(rules, bundle, index):
        known = result.get(rule)
        if known is None or ORDER.index(status) < ORDER.index(known):
            result[rule] = status
    return result


def statuses(rules: Iterable[Rule], bundle: Bundle, index: Index) -> Iterator[Found]:
    """Yield the status of each check of a bundle."""
    for id, rule, verdict in verdicts(rules, bundle, index):
        yield id, rule.id, NAMES[type(verdict).__name__]


def verdicts(rules: Iterable[Rule], bundle: Bundle, index: Index) -> Iterator[tuple[str, Rule, Verdict]]:
    """Yield what the rules of its types say of each resource of a bundle that was read, and of lists that were not."""
    top, exposures = bundle.top, dict[int, list[Exposure]]()
    assert top is not None
    missing = [(url, why, type_of(url).lower()) for url, why in unread_below(bundle)]
    bundle.memo = {}
    try:
        for rule in rules:
            types = [type.lower() for type in rule.resource_type.types]
            if top.type.lower() in types:
                for id, verdict in _verdicts(rule, top, index, exposures):
                    yield id, rule, verdict
            for url, why, type_of_list in missing:
                if type_of_list in types:
                    yield url, rule, unknown(why)
    finally:
        bundle.memo = None


def exposures(kinds: Iterable[ResourceType], bundle: Bundle, index: Index) -> list[Exposure]:
    """Return the endpoints of a bundle with their locks. Whatever an exposure function raises is raised."""
    assert bundle.top is not None
    return [each for kind in kinds for each in _exposures(kind, bundle.top, index, {})]


def _verdicts(
    rule: Rule, top: Resource, index: Index, exposures: dict[int, list[Exposure]]
) -> Iterator[tuple[str, Verdict]]:
    if rule.lock:
        for subject, group in by_subject(rule, top, _exposures(rule.resource_type, top, index, exposures)):
            yield subject.id, locks.evaluate(rule.category, group, rule.credentials).verdict
    elif rule.subject is None:
        yield top.id, verdict_of(rule, top, index)
    else:
        for subject, known in subjects_of(rule.subject, top, rule.severity):
            yield subject.id, known or verdict_of(rule, subject, index)


def _exposures(kind: ResourceType, top: Resource, index: Index, known: dict[int, list[Exposure]]) -> list[Exposure]:
    if id(kind) not in known:
        matches, problem = locks_of(kind, top, index)
        if problem is not None:
            raise problem
        known[id(kind)] = matches
    return known[id(kind)]
