"""`python -m tests.rules.mutated [--seed N] [--count N] [--only WORD]`: every place of every example with other values.

Each value, list and object of each body of each example is replaced by each of `VALUES` in turn, and the rules of the
example are evaluated again. Without `--count` all of them are tried; with it as many, chosen by the seed.

A value of a wrong type is one that the property cannot have: text where a switch stands, a list where a text stands. It
must pass no rule that needs the value. A rule needs it where it fails or is inconclusive with the value as it was,
without it, or with another value of the right type.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from msgspec.structs import replace

from scanner.evaluate.rows import inconclusive_row
from scanner.evaluate.run import Evaluation
from scanner.model.resource import Bundle
from scanner.model.verdict import Unknown
from tests.rules import examples
from tests.rules.examples import Case
from tests.rules.hostile import JsonPath, paths_of, replaced, with_body, without
from tests.rules.verdicts import every, verdicts

Statuses = dict[tuple[str, str], str]
"""The worst status of each rule, by the id of the resource (lower case) and the rule."""

ABSENT = object()
FLIP = object()
VALUES: dict[str, Any] = {
    "absent": ABSENT,
    "null": None,
    "{}": {},
    "[]": [],
    "[7]": [7],
    "7": 7,
    "-1": -1,
    '""': "",
    '"x"': "x",
    "flipped, or in the other case": FLIP,
    "true": True,
    "a long text": "a" * 5000,
    "an object": {"a": {"b": [{"c": 1}]}},
    "control characters": "a\x1b[2J\r\n\u202e\x00",
    '["x"]': ["x"],
}
"""What is put in the place of a value, by its name in the counts."""
OK = ("pass", "not-applicable")


@dataclass
class Example:
    """An example, ready to be evaluated with one of its bodies changed."""

    case: Case

    @cached_property
    def run(self) -> Evaluation:
        return examples.evaluation(self.case)

    @cached_property
    def bundle(self) -> Bundle:
        return examples.bundle(self.case)

    def paths(self) -> Iterator[tuple[str, JsonPath]]:
        """Yield the places of its bodies: the key of a resource, or the place of one in the index as `also N`."""
        for key, resource in self.bundle.resources.items():
            yield from ((key, at) for at in paths_of(resource.body))
        for number, body in enumerate(self.case.also):
            yield from ((f"also {number}", at) for at in paths_of(examples.nulls(body)))

    def body(self, key: str) -> Any:
        if key.startswith("also "):
            return examples.nulls(self.case.also[int(key[5:])])
        return self.bundle.resources[key].body

    def statuses(self, key: str = "", body: Any = None) -> Statuses:
        """Return what the rules say, with another body of one resource."""
        return statuses(*self._with(key, body))

    def unknown(self, key: str, body: Any) -> dict[tuple[str, str], str]:
        """Return why rules are inconclusive with another body of one resource, and what they saw, by resource (lower
        case) and rule.
        """
        run, bundle = self._with(key, body)
        rows = [
            inconclusive_row(rule, id, verdict, None)
            for id, rule, verdict in verdicts(every(bundle), bundle, run.index)
            if isinstance(verdict, Unknown)
        ]
        return {
            (row.resource.lower(), row.rule): f"{row.message} {[each.value for each in row.evidence]}" for row in rows
        }

    def _with(self, key: str, body: Any) -> tuple[Evaluation, Bundle]:
        if key.startswith("also "):
            also = list(self.case.also)
            also[int(key[5:])] = body
            return examples.evaluation(replace(self.case, also=also)), self.bundle
        return self.run, with_body(self.bundle, key, body) if key else self.bundle


@lru_cache
def all_examples() -> tuple[Example, ...]:
    """Return the examples, made once."""
    return tuple(map(Example, examples.cases()))


def path_of(at: JsonPath) -> str:
    """Return a place as a path in lower case: `properties.list[].name`."""
    return "".join("[]" if isinstance(each, int) else f".{each.lower()}" for each in at).removeprefix(".")


def statuses(run: Evaluation, bundle: Bundle) -> Statuses:
    """Return the worst status of each rule and resource."""
    order = {each: position for position, each in enumerate(("error", "fail", "unknown", "pass", "not-applicable"))}
    bundle_result = run.evaluate(bundle)
    rows = [(row.resource, row.rule, str(row.status)) for row in bundle_result.findings]
    rows += [(id, rule, "pass") for id, rules in bundle_result.passed.items() for rule in rules]
    rows += [(id, rule, "not-applicable") for id, rules in bundle_result.not_applicable.items() for rule in rules]
    worst: Statuses = {}
    for id, rule, status in rows:
        key = (id.lower(), rule)
        if key not in worst or order[status] < order[worst[key]]:
            worst[key] = status
    return worst


def kind_of(value: Any) -> str:
    """Return the JSON type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "switch"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "list" if isinstance(value, list) else "object"


def is_wrong(old: Any, new: Any, name: str) -> bool | None:
    """Return whether a new value is of a type that the property cannot have, as the old one shows it; None where it
    does not: a null, an empty list, a template expression as in a policy, a switch for a text that says the same
    (`same` compares them as equal), a number for a port.

    `name`: that of the property. Ports are texts in some types of azure-mgmt-network and numbers in others.
    """
    one, other = kind_of(old), kind_of(new)
    if one == "text" and other == "switch" and old.lower() in ("true", "false"):
        return None
    if one == "text" and other == "number" and "port" in name.lower() and old.replace("-", "").isdecimal():
        return None
    if new is ABSENT or other == "null":
        return False
    if one == "text" and old.startswith("[") and other != one:
        return None
    if one == "null" or (old == [] and new):
        return None if one == "null" or other == "list" else True
    if one == other == "list":
        return bool(new) and not {kind_of(each) for each in new} & {kind_of(each) for each in old}
    return one != other


def changed(value: Any) -> Any:
    """Return a switch flipped, a text in the other case, a number plus one."""
    if isinstance(value, bool):
        return not value
    return value.swapcase() if isinstance(value, str) else value + 1 if isinstance(value, int | float) else ABSENT


@dataclass(slots=True)
class Counts:
    """What came of it."""

    paths: int = 0
    leaves: int = 0
    mutations: int = 0
    evaluations: int = 0
    verdicts: int = 0
    moves: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Verdicts by what they were and became, and whether the value was of a wrong type."""
    errors: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, example: Example, key: str, at: JsonPath, base: Statuses) -> None:
        """Try all values in one place."""
        body = example.body(key)
        old = body
        for each in at:
            old = old[each]
        self.paths += 1
        self.leaves += not isinstance(old, dict | list) or not old
        seen: dict[str, tuple[bool | None, Statuses]] = {}
        for name, value in VALUES.items():
            new = changed(old) if value is FLIP else value
            if new is not ABSENT and kind_of(new) == kind_of(old) and new == old:
                continue
            if value is FLIP and new is ABSENT:
                continue
            made = without(body, at) if new is ABSENT else replaced(body, at, new)
            self.mutations += 1
            self.evaluations += 1
            property_name = next((each for each in reversed(at) if isinstance(each, str)), "")
            seen[name] = is_wrong(old, new, property_name), example.statuses(key, made)
        self._compare(f"{example.case.id}: {key.rsplit('/', 1)[-1]} {'.'.join(map(str, at))}", base, seen)

    def _compare(self, where: str, base: Statuses, seen: dict[str, tuple[bool | None, Statuses]]) -> None:
        for name, (wrong, now) in seen.items():
            for each, status in now.items():
                before = base.get(each, "none")
                self.verdicts += 1
                self.moves[before, status, {True: "wrong type", False: "right type", None: "open"}[wrong]] += 1
                if status == "error":
                    self.errors.append(f"{each[1]}: {where} = {name}")
                if wrong and status in OK and before not in ("unknown", "none") and not _said_above(each, now):
                    others = [
                        before,
                        *(result.get(each, "none") for each_wrong, result in seen.values() if each_wrong is False),
                    ]
                    needs = [one for one in others if one in ("fail", "unknown")]
                    if before == "fail" or needs:
                        self.wrong.append(f"{status}\t{each[1]}\t{where} = {name}\tbefore {before}")


def _said_above(key: tuple[str, str], now: Statuses) -> bool:
    """Return whether the same rule is inconclusive or fails on a resource above, which then stands for its children."""
    id, rule = key
    above = (other for (other, each), status in now.items() if each == rule and status in ("unknown", "fail"))
    return any(id.startswith(f"{other}/") for other in above)


def run(seed: int, count: int = 0, only: str = "") -> Counts:
    """Return the counts of all places, or of as many as are enough for `count` mutations."""
    counts = Counts()
    all_paths = [(each, key, at) for each in all_examples() if only in each.case.id for key, at in each.paths()]
    if count:
        all_paths = random.Random(seed).sample(all_paths, min(len(all_paths), max(1, count // len(VALUES))))
    bases: dict[int, Statuses] = {}
    for example, key, at in all_paths:
        if id(example) not in bases:
            bases[id(example)] = example.statuses()
        counts.add(example, key, at, bases[id(example)])
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.rules.mutated")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    counts = run(given.seed, given.count, given.only)
    for line in [*counts.errors, *counts.wrong]:
        sys.stdout.write(f"{line}\n")
    for (before, after, kind), number in sorted(counts.moves.items()):
        sys.stdout.write(f"{before:15}-> {after:15}{kind:12}{number:>10,}\n")
    sys.stdout.write(
        f"{counts.paths:,} places ({counts.leaves:,} leaves), {counts.mutations:,} mutations,"
        f" {counts.verdicts:,} verdicts, {len(counts.errors)} errors, {len(counts.wrong)} wrong passes\n"
    )
    return 1 if counts.errors or counts.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
