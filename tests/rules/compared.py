"""The values that rules compare with what Azure returns, and whether Azure's schema has them.

Rows name their values. What Python code compares is noted while the examples are evaluated (`traced.py`). What the
schema does not list, and values of the schema that no rule knows, are listed by hand in `values.toml`:

[other."Microsoft.Cache/redis"]             values that rules compare beside those of the schema: a type or read,
"properties.x" = { "1.3" = "source" }       or "*" for all of them and the end of a path
[undecided.rule-id]                         values of the schema of which a rule knows no meaning, and why
"properties.x" = { Invalid = "why" }
"""

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import UNSET

from scanner.model.json_paths import is_one
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.model.rule import Rule
from scanner.model.rule_row import CheckRow, KeyCheck, LeastCheck, PlaceCheck, UnlessRow, Value, ValueCheck
from scanner.model.verdict import ABSENT
from scanner.rulebook import pinned_paths
from tests.rules import examples, pinned, schema
from tests.rules.hostile import replaced
from tests.rules.mutated import Example, all_examples, path_of

FILE = Path(__file__).parent / "values.toml"
NO_VALUES = ("", ABSENT, "not kept")
"""What stands for a value that is not there."""


class Comparison(NamedTuple):
    """A value that is compared with what stands at one of the paths of a type or read. `where`: a rule or example."""

    where: str
    read: str
    paths: tuple[str, ...]
    value: Value


@lru_cache
def by_hand() -> dict[str, dict[str, dict[str, dict[str, str]]]]:
    """Return `values.toml`, with the rules by the ids that they have now."""
    result: dict[str, dict[str, dict[str, dict[str, str]]]] = tomllib.loads(FILE.read_text("utf-8"))
    result["undecided"] = {examples.current_id(id): paths for id, paths in result["undecided"].items()}
    return result


def of_rows(rules: Iterable[Rule]) -> Iterator[Comparison]:
    """Yield the values of rows."""
    for rule in rules:
        row = rule.row
        if row is None:
            continue
        compared = list(_of_check(row.check)) if row.check is not None else []
        for of, paths, values in (*compared, *map(_of_condition, row.unless)):
            for read in _reads(rule, of):
                for value in values:
                    yield Comparison(rule.id, read, paths, value)


Compared = tuple[str, tuple[str, ...], tuple[Value, ...]]
"""The read that a row names, its paths and its values."""


def _of_check(check: CheckRow) -> Iterator[Compared]:
    if isinstance(check, ValueCheck | LeastCheck | PlaceCheck):
        paths: tuple[str, ...] = (check.path,)
        values: tuple[Value, ...] = () if check.absent is UNSET else (check.absent,)
        if isinstance(check, LeastCheck):
            values += (check.at_least,)
        else:
            values += (*check.good, *(check.bad_values if check.good else ()))
        if isinstance(check, ValueCheck):
            paths = check.any_of or paths
        if isinstance(check, PlaceCheck):
            paths += check.also if check.place == "pair" else ()
            values += (*check.zones, *check.instead)
        yield check.of, paths, values
    if isinstance(check, KeyCheck) and check.key.mode:
        yield check.of, (check.key.mode,), (*check.key.customer, *check.key.platform)


def _of_condition(row: UnlessRow) -> Compared:
    return row.of, (row.path,), row.is_


def _reads(rule: Rule, of: str) -> list[str]:
    single = next((read for read in rule.reads if read.one), None)
    read = (single if of else None) or rule.subject or rule.resource_type
    types = read.tops if isinstance(read, Read) else read.types
    return [pinned_paths.pinned_name(type, read) for type in types]


def of_code() -> Iterator[Comparison]:
    """Yield the texts that Python code compares, without those of rows."""
    rows = {(each.read, path.lower(), str(each.value).lower()) for each in of_rows(_all()) for path in each.paths}
    for read, result in pinned.compared().items():
        for (path, text), where in result.items():
            if (read, path.lower(), text.lower()) not in rows:
                yield Comparison(where, read, (path,), text)


def _all() -> list[Rule]:
    return examples.all_rules()


def is_known(compared: Comparison, paths: dict[str, Any]) -> bool:
    """Return whether one of the paths may have the value, as the schema has them: their kind, or their values.

    A path without a schema, a text without listed values, and the entries of a list, may have any.
    """
    stated = {path.lower(): text for path, text in paths.items()}
    return any(path.endswith("[]") or _may_be(compared.value, stated.get(path.lower())) for path in compared.paths)


def _may_be(value: Value, stated: str | list[str] | None) -> bool:
    if isinstance(stated, list):
        return isinstance(value, str) and is_one(value, (*stated, *NO_VALUES))
    kinds = {"Any"} if stated is None else set(stated.split("/"))
    own = "Boolean" if isinstance(value, bool) else "Integer" if isinstance(value, int) else "String"
    return bool({own, "Any"} & kinds) or value in NO_VALUES


def is_listed(compared: Comparison) -> bool:
    """Return whether the value is listed by hand."""
    return any(
        is_one(compared.value, values)
        for read in (compared.read, "*")
        for listed, values in by_hand()["other"].get(read, {}).items()
        for path in compared.paths
        if path.lower() == listed.lower() or (read == "*" and path.lower().endswith(f"{listed}".lower()))
    )


class Undecided(NamedTuple):
    """A value of the schema that leaves a rule as inconclusive as a value that nobody knows."""

    rule: str
    read: str
    path: str
    value: str


STRANGE = "a-value-nobody-knows"
_MOST = 6
"""How many examples of each path are tried, each with another value."""


@lru_cache
def undecided() -> set[Undecided]:
    """Return the values of the schema that rules do not know. Each is put into examples that have its path; a rule that
    it decides in one of them knows it.
    """
    tried = [each for (read, path), paths in _tried_paths().items() for each in _tried(read, path, paths)]
    known = {matches for matches, is_known in tried if is_known}
    return {matches for matches, _ in tried} - known


TriedPath = tuple[Example, str, tuple[str | int, ...]]
"""An example, the key of a body in it, and a place in the body."""


def _tried_paths() -> dict[tuple[str, str], list[TriedPath]]:
    """Return where the examples have the paths whose values the schema lists: a few of each, with different values."""
    result: dict[tuple[str, str], dict[str, TriedPath]] = defaultdict(dict)
    listed = {
        (read, path.lower()): path
        for read, paths in schema.paths().items()
        for path, stated in paths.items()
        if isinstance(stated, list)
    }
    for example in all_examples():
        bodies: dict[str, tuple[Any, str]] = {}
        for key, at in example.paths():
            if key not in bodies:
                body = example.body(key)
                bodies[key] = body, pinned.read_of(Resource(body))
            body, read = bodies[key]
            path = listed.get((read, path_of(at)))
            for step in at if path else ():
                body = body[step]
            if path and isinstance(body, str) and len(result[read, path]) < _MOST:
                result[read, path].setdefault(body.lower(), (example, key, at))
    return {where: list(each.values()) for where, each in result.items()}


def _tried(read: str, path: str, paths: list[TriedPath]) -> Iterator[tuple[Undecided, bool]]:
    """Yield each value with the rules that a value which nobody knows leaves inconclusive, and whether they know it."""
    for example, key, at in paths:
        body = example.body(key)
        as_it_is = example.unknown(key, body)
        strange = example.unknown(key, replaced(body, at, STRANGE))
        # Others lack what the strange value makes necessary, such as a read.
        rules = {each: text for each, text in strange.items() if each not in as_it_is and _is_about(text, path)}
        for value in schema.paths()[read][path] if rules else ():
            result = example.unknown(key, replaced(body, at, value))
            for (resource, rule), text in rules.items():
                same_text = result.get((resource, rule), "").replace(value, "") == text.replace(STRANGE, "")
                yield Undecided(rule, read, path, value), not same_text


def _is_about(text: str, path: str) -> bool:
    return STRANGE in text or (path.partition("[]")[0] in text and "unrecognized" in text)


def is_explained(matches: Undecided) -> bool:
    """Return whether it is listed by hand why a rule does not know a value."""
    return matches.value in by_hand()["undecided"].get(matches.rule, {}).get(matches.path, {})
