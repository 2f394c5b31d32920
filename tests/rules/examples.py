"""The examples of the built-in rules: `cases/*.toml`, and those beside rows (`scanner.rulebook.examples`)."""

import json
import tomllib
from collections.abc import Collection, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from scanner.content import content
from scanner.evaluate import examples
from scanner.evaluate.examples import OTHER, TENANT, shown, worst_of, worst_statuses
from scanner.evaluate.results import BundleResult
from scanner.evaluate.run import Evaluation
from scanner.model.exposure import Exposure
from scanner.model.index import Index
from scanner.model.resource import Bundle
from scanner.model.resource_type import ResourceType
from scanner.model.rule import Rule
from scanner.rulebook import derived, loader
from scanner.rulebook import examples as files
from scanner.rulebook.examples import SUBSCRIPTION, Case, nulls

TOGETHER = "the results of all examples"
"""The group of the tests that use `result`."""
__all__ = ["OTHER", "SUBSCRIPTION", "TENANT", "Case", "nulls", "shown", "worst_of", "worst_statuses"]
CASES = Path(__file__).parent / "cases"


@lru_cache
def rules() -> loader.RuleSet:
    rule_set = loader.load(packages=False)
    rule_set.enabled = dict(rule_set.rules)
    return rule_set


def all_rules() -> list[Rule]:
    return list(rules().rules.values())


def rule_at(id: str, resource: str) -> Rule:
    """Return the rule of an id; of one on many types the one for a resource."""
    rule = rules().named(id, resource)
    assert rule is not None, id
    return rule


def current_id(id: str) -> str:
    """Return the id that a rule has now: what tests list by hand may name a rule by each id that it ever had."""
    matches = rules().all_named(id)
    return matches[0].id if matches else id


@lru_cache
def kinds_of(type: str) -> list[ResourceType]:
    return list(rules().declared(type))


@lru_cache
def read(file: str) -> files.CaseFile:
    path = paths()[file]
    return files.with_rules(files.read_cases(path, beside_rows=path.parent != CASES), rules().rules)


@lru_cache
def paths() -> dict[str, Path]:
    """Return the files of examples by name: in a folder of their own, or beside the rows of their service."""
    beside = [path for path in content("rules").glob("*.toml") if files.has_examples(path)]
    every = [*CASES.glob("*.toml"), *beside]
    return {path.name: path for path in sorted(every, key=lambda path: path.name)}


def all_files() -> list[files.CaseFile]:
    return [read(name) for name in paths()]


def load(file: str) -> tuple[tuple[Case, ...], dict[str, str], dict[str, str]]:
    """Return the cases of a file, its `safe` and its `never` table."""
    case_file = read(file)
    return case_file.cases, case_file.safe, case_file.never


@cache
def healthy(type: str) -> Case:
    """Return the healthy resource of a type: its [[base]], the fullest one, else one of which nothing is known.

    It is not to be changed.
    """
    matches = [each.healthy[type.lower()] for each in all_files() if type.lower() in each.healthy]
    return max(matches, key=lambda case: len(json.dumps(case.body, default=str)), default=derived.plain(type))


def of_rule(rule: Rule) -> list[Case]:
    """Return the examples that follow from a rule's row. They are not to be changed."""
    return (
        _of_rule(rule.key)
        if rules().rules.get(rule.key) is rule
        else list(derived.of_rule(rule, healthy, rules().key_finders()))
    )


@cache
def _of_rule(id: str) -> list[Case]:
    return list(derived.of_rule(rules().rules[id], healthy, rules().key_finders()))


def by_type(name: str) -> dict[str, dict[str, Any]]:
    """Return `tests/rules/NAME.toml`, and the tables [NAME."TYPE"] that lie beside the examples of a service."""
    matches: dict[str, dict[str, Any]] = tomllib.loads((CASES.parent / f"{name}.toml").read_text("utf-8"))
    for parsed in _parsed():
        matches |= parsed.get(name, {})
    return matches


@lru_cache
def _parsed() -> list[dict[str, Any]]:
    return [tomllib.loads(path.read_text("utf-8")) for path in paths().values()]


def cases() -> Iterator[Case]:
    for each in all_files():
        yield from each.cases


@lru_cache
def safe() -> dict[str, str]:
    """Return where a missing or unknown value may pass, with the source; a row that says so names it itself."""
    matches = {key: source for each in all_files() for key, source in each.safe.items()}
    return matches | derived.safe(all_rules())


def never() -> set[str]:
    return {key for each in all_files() for key in each.never}


def bundle(case: Case) -> Bundle:
    """Return the bundle that a collection of the example's resource would make."""
    return files.bundle(case, kinds_of(case.type))


def judge(case: Case) -> tuple[dict[str, str], dict[str, Exposure]]:
    """Return the worst status of each rule, and the exposures by endpoint."""
    return examples.evaluate(case, rules())


def index_of(case: Case) -> Index:
    """Return the index of an example."""
    return examples.index_of(case, rules())


def evaluation(case: Case, only: Collection[str] = ()) -> Evaluation:
    """Return the evaluation of an example: of every rule, or of these alone."""
    return examples.evaluation(case, only_rules(tuple(only)) if only else rules())


def result(case: Case) -> BundleResult:
    """Return what the evaluation of an example gives, of every rule. It is made once, and not to be changed.

    Tests that use it run in one process: `TOGETHER`.
    """
    known = _RESULTS.get(id(case))
    if known is None or known[0] is not case:
        known = _RESULTS[id(case)] = case, evaluation(case).evaluate(bundle(case))
        known[1].resources.clear()  # each would hold its bundle
    return known[1]


_RESULTS: dict[int, tuple[Case, BundleResult]] = {}


@cache
def only_rules(ids: tuple[str, ...]) -> loader.RuleSet:
    """Return the rules of which these are enabled. They are not to be changed."""
    return replace(rules(), enabled={rule.key: rule for id in ids for rule in rules().all_named(id)})
