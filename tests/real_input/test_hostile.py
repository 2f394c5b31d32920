"""Recorded resources with strange values, and with the values that they leave out."""

import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from scanner.evaluate.run import Evaluation
from scanner.model.ids import type_of
from scanner.model.resource import Bundle, Resource
from scanner.snapshot.bundles import Snapshot
from tests.real_input.counts import count
from tests.real_input.recorded import bare, documented, live, recorded
from tests.rules import examples
from tests.rules.hostile import STRANGE, errors, paths_of, replaced, with_body, written
from tests.rules.traced import Log, traced

MUTANTS = 30_000


def judged_types() -> set[str]:
    return {type.lower() for kind in examples.rules().kinds for type in kind.types}


def bundles(by: str) -> tuple[Evaluation, list[Bundle]]:
    """The recorded and documented bundles that rules judge."""
    rows = [(bare(each), each["api_version"], by) for each in recorded()]
    rows += [(each["body"], each["api_version"], by) for each in documented()]
    snapshot: Snapshot = live(rows, read=True)
    run = Evaluation(snapshot, examples.rules())
    types = judged_types()
    return run, [each for each in snapshot.bundles() if type_of(each.id).lower() in types and each.top is not None]


def test_no_rule_crashes_on_a_strange_value() -> None:
    chance = random.Random(2)
    run, matches = bundles("get")
    matches = [each for each in matches if any(True for top in each.resources.values() for _ in paths_of(top.body))]
    each_gets = MUTANTS // len(matches) + 1
    wrong: dict[str, str] = {}
    made = 0
    for bundle in matches:
        all_paths = [(each.key, at) for each in bundle.resources.values() for at in paths_of(each.body)]
        for key, at in chance.choices(all_paths, k=each_gets):
            value = chance.choice(STRANGE)
            made += 1
            changed = with_body(bundle, key, replaced(bundle.resources[key].body, at, value))
            for error in errors(run, changed):
                wrong.setdefault(error, f"{key} {at} {value!r}")
    count(f"strange values: {made:,} in {len(matches)} bundles")
    assert made >= MUTANTS
    assert wrong == {}


def values() -> dict[tuple[str, str], list[Any]]:
    """The values that the examples have at a path, by type (lower case) and path."""
    result: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for case in examples.cases():
        for resource in examples.bundle(case).resources.values():
            for path, value in _paths(resource.body):
                known = result[resource.type.lower(), path.lower()]
                if value is not None and value not in known:
                    known.append(value)
    return result


def _paths(body: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    if at:
        yield at, body
    if isinstance(body, dict):
        for key, value in body.items():
            yield from _paths(value, f"{at}.{key}".lstrip("."))


def passing(run: Evaluation, bundle: Bundle) -> set[tuple[str, str]]:
    return {(id.lower(), rule) for id, rules in run.evaluate(bundle).passed.items() for rule in rules}


def test_no_pass_of_a_graph_row_rests_on_what_is_absent() -> None:
    chance = random.Random(3)
    run, matches = bundles("import")
    known = values()
    wrong: dict[str, str] = {}
    tried = 0
    for bundle in chance.sample(matches, min(len(matches), 500)):
        passed = passing(run, bundle)
        if not passed:
            continue
        for resource, path in absent(run, bundle):
            some = known.get((resource.type.lower(), path.lower()), [])
            for value in chance.sample(some, min(len(some), 4)):
                tried += 1
                changed = with_body(bundle, resource.key, written(resource.body, path, value))
                for row in run.evaluate(changed).findings:
                    if row.status == "fail" and (row.resource.lower(), row.rule) in passed:
                        wrong.setdefault(f"{row.rule} {path} {value!r}", row.resource)
    count(f"absent values given to thin records: {tried:,}")
    assert tried > 1000
    assert wrong == {}


def absent(run: Evaluation, bundle: Bundle) -> Iterator[tuple[Resource, str]]:
    """What the rules looked for in each resource of a bundle, and did not find."""
    for resource in list(bundle.resources.values()):
        log: Log = set()
        run.evaluate(with_body(bundle, resource.key, traced(resource.body, log)))
        yield from ((resource, path) for path, there in sorted(log) if not there and "[" not in path)
