"""What a scan keeps of each resource: the list is current, and what it keeps is enough."""

import copy
import random
from functools import lru_cache, partial
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from scanner.model.json_paths import MISSING
from scanner.model.kept import NOT_KEPT, KeptPaths
from scanner.model.message import message_text
from scanner.model.resource import Resource
from scanner.model.verdict import Unread
from scanner.rulebook.kept import kept_paths
from tests.rules import examples, kept
from tests.rules.each import each_case
from tests.rules.examples import Case
from tests.rules.mutated import statuses
from tests.sampled import only_all, some

TOGETHER = examples.TOGETHER
CASES = list(examples.cases())


@lru_cache
def paths() -> KeptPaths:
    return kept_paths(examples.rules())


@only_all("each kept body gives the verdicts of its whole one, and `test_paths` that what is looked at is kept")
def test_the_list_is_current() -> None:
    assert kept.KEPT.read_text("utf-8") == kept.written(), "run `make paths`"


@each_case
def test_what_is_kept_is_enough(case: Case) -> None:
    one = kept.rows_of(examples.result(case))
    other = kept.rows(case, kept.kept_bundle(examples.bundle(case), paths()), paths())
    if one == other:
        return
    plain = partial(msgspec.to_builtins, enc_hook=message_text)
    assert list(map(plain, other)) == [_shown(plain(row), plain(each)) for row, each in zip(one, other, strict=True)]


def _shown(whole: Any, kept_value: Any) -> Any:
    """Return a row with the evidence that the kept body has where a value is of a type that no rule expects."""
    if isinstance(whole, dict) and len(whole.get("evidence", ())) == len(kept_value.get("evidence", ())):
        for one, other in zip(whole.get("evidence", ()), kept_value.get("evidence", ()), strict=True):
            if other["value"] == NOT_KEPT and not isinstance(one["value"], list | dict):
                one["value"] = NOT_KEPT
    return whole


@pytest.mark.parametrize("type", sorted({case.type for case in CASES}))
def test_of_mixed_examples_what_is_kept_says_no_more_than_the_whole(type: str) -> None:
    """Bodies with members of two examples: the kept body passes nothing that the whole one does not, and at most is
    inconclusive where the whole one is not.
    """
    chance = random.Random(type)
    own = [case for case in CASES if case.type == type]
    for _ in range(min(len(own), 6)):
        one, other = chance.choice(own), chance.choice(own)
        case = replace(one, body=mixed(one.body, other.body, chance), children={**other.children, **one.children})
        whole = _findings(case, None)
        for key, status in _findings(case, paths()).items():
            assert status in (whole.get(key), "unknown"), f"{one.id} with {other.id}: {key}"


def mixed(one: Any, other: Any, chance: random.Random) -> Any:
    """Return an object with the members of two, each of one of them where both have it, or of both where it is one."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return copy.deepcopy(chance.choice((one, other)))
    both = {**other, **one}
    return {name: mixed(one.get(name, value), other.get(name, value), chance) for name, value in both.items()}


def _findings(case: Case, kept_now: KeptPaths | None) -> dict[tuple[str, str], str]:
    bundle = examples.bundle(case)
    run = examples.evaluation(case)
    if kept_now is not None:
        bundle = kept.kept_bundle(bundle, kept_now)
        for key, each in list(run.index.resources.items()):
            run.index.resources[key].body = kept.kept_resource(each, kept_now).body
    return statuses(run, bundle)


def _statuses(case: Case, kept_now: KeptPaths) -> set[tuple[str, str]]:
    """Return the rules that pass or are errors, with the resource."""
    rows = kept.rows(case, kept.kept_bundle(examples.bundle(case), kept_now), kept_now)
    passed = {(id, rule) for id, rules in rows[-2] for rule in rules}
    return passed | {(row.resource, "error") for row in rows[:-2] if getattr(row, "status", "") == "error"}


@pytest.mark.parametrize("type", sorted(paths().paths))
def test_a_newer_rule_on_an_older_snapshot_never_passes_on_what_was_not_kept(type: str) -> None:
    """Each path in turn was not kept: no rule passes that did not pass, and none crashes."""
    chance = random.Random(type)
    own = _cases_of().get(type, [])
    listed = paths().paths[type] if own else ()
    now: dict[str, set[tuple[str, str]]] = {}
    for path in some(listed, 1 + len(listed) // 6):
        case = chance.choice(own)
        older = KeptPaths({**paths().paths, type: [each for each in paths().paths[type] if each != path]})
        if case.id not in now:
            now[case.id] = _statuses(case, paths())
        assert _statuses(case, older) <= now[case.id], f"{path}: {case.id}"


@lru_cache
def _cases_of() -> dict[str, list[Case]]:
    """Return the cases that have a resource of each type (lower case)."""
    result: dict[str, list[Case]] = {}
    for case in CASES:
        resources = [*examples.bundle(case).resources.values(), *examples.index_of(case).resources.values()]
        for type in {each.type.lower() for each in resources}:
            result.setdefault(type, []).append(case)
    return result


def test_a_property_that_was_not_kept_is_unread_with_the_reason() -> None:
    older = KeptPaths({"Microsoft.Storage/storageAccounts": ["properties.minimumTlsVersion"]})
    account = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/st"
    body = {"id": account, "properties": {"minimumTlsVersion": "TLS1_2", "allowBlobPublicAccess": False}}
    resource = kept.kept_resource(Resource(body), older)
    assert resource.get("properties.minimumTlsVersion") == "TLS1_2"
    assert "allowBlobPublicAccess" not in dict.keys(resource.body["properties"])
    with pytest.raises(Unread, match=r"properties\.allowBlobPublicAccess: the snapshot was made without this property"):
        resource.get("properties.allowBlobPublicAccess")
    assert resource.get("location") is MISSING
