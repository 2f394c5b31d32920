"""Compare a findings document of the sample estate with the expected results: missing, too much, different."""

import tomllib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from scanner.model.ids import SUBSCRIPTION, is_subscription
from scanner.model.severity import severity_rank
from scanner.reach.paths.front_ends import PUBLISHER_PREFIXES
from scanner.rulebook.loader import load
from scanner.sandbox.estate import Estate
from tests.rules.examples import current_id
from tests.rules.severities import of_levels

EXPECTED = Path(__file__).parent / "expected"
Key = tuple[str, str]


def expected_results(names: Iterable[str] | None = None) -> dict[str, list[dict[str, Any]]]:
    """Return the expected results of the files (all, or those of these services), by their kind."""
    merged: dict[str, list[dict[str, Any]]] = {"exposure": [], "closed": [], "finding": [], "published": []}
    for path in sorted(EXPECTED.glob("*.toml")):
        if names is None or path.stem in names:
            for kind, entries in tomllib.loads(path.read_text("utf-8")).items():
                merged[kind] += entries
    return merged


def differences(
    document: dict[str, Any], estate: Estate, names: Iterable[str] | None = None, types: Iterable[str] = ()
) -> list[str]:
    """One line for each disagreement. `names`: only these files; `types`: then only resources of these types."""
    expected = expected_results(names)
    wanted = frozenset(each.lower() for each in types)
    ids = names_of(estate)
    return [
        *_exposures(document, expected, ids, wanted),
        *_findings(document, expected, ids, wanted),
    ]


def names_of(estate: Estate) -> dict[str, str]:
    """Return the id (lower case) of each resource and subscription by its name."""
    subscriptions = {one["displayName"]: one["id"].lower() for one in estate.subscriptions}
    return subscriptions | {name: id.lower() for name, id in estate.ids.items()}


@lru_cache
def _rules_of_subscriptions() -> frozenset[str]:
    """Return the rules on what is set on a subscription. Other rows on one say that a type was not listed."""
    rules = load(packages=False).rules.values()
    return frozenset(each.id for each in rules if each.resource_type.type == SUBSCRIPTION)


def _names(entry: dict[str, Any]) -> list[str]:
    return entry["resources"] if "resources" in entry else [entry["resource"]]


def _of(document: dict[str, Any], id: str, wanted: frozenset[str]) -> bool:
    if not wanted:
        return True
    if is_subscription(id):
        return SUBSCRIPTION.lower() in wanted
    segments = id.lower().split("/providers/", 1)[-1].split("/")
    return f"{segments[0]}/{segments[1]}" in wanted


def _exposures(
    document: dict[str, Any], expected: dict[str, list[dict[str, Any]]], ids: dict[str, str], wanted: frozenset[str]
) -> Iterator[str]:
    result = {
        (row["resource"].lower(), row["endpoint"].lower()): row
        for row in document["exposures"]
        if _of(document, row["resource"], wanted)
    }
    open_ones = dict(_expected(expected["exposure"], ids))
    closed = dict(_expected(expected["closed"], ids))
    for key, entry in sorted({**open_ones, **closed}.items()):
        row = result.pop(key, None)
        if row is None:
            yield f"missing  {_short(key)}: expected it {'open' if key in open_ones else 'closed'}"
            continue
        fields = ("kind", "reach", "authentication") if key in open_ones else ("reach", "authentication")
        for field in fields:
            if field in entry and entry[field] != row[field]:
                yield f"differs  {_short(key)} {field}: expected {entry[field]}, found {row[field]}"
        severity, worst = rated(entry) if key in open_ones else (None, None)
        if row["severity"] != severity:
            yield f"differs  {_short(key)}: expected {severity or 'closed'}, found {_shown(row)}"
        may = {name: value for name, value in (row["may"] or {}).items() if value is not None}
        if may != entry.get("may", {}) or (may and row["worst"] != worst):
            yield f"differs  {_short(key)} may: expected {entry.get('may', {})} {worst}, found {may} {row['worst']}"
    for key, row in sorted(result.items()):
        if row["severity"] is not None or row["worst"] is not None:
            yield f"too much {_short(key)}: {_shown(row)}, not expected"


def rated(entry: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return the severity of an expected exposure, and the worst one of what an unread part may add, by the table."""
    may = entry.get("may", {})
    proven, possible = (entry["authentication"], entry["reach"]), (may.get("authentication"), may.get("reach"))
    severity, worst = of_levels(entry["kind"], proven, possible, entry)
    return None if severity is None else severity.name, None if worst is None else worst.name


def _shown(row: dict[str, Any]) -> str:
    return f"{row['authentication']} x {row['reach']} = {row['severity']}"


def _expected(entries: list[dict[str, Any]], ids: dict[str, str]) -> Iterator[tuple[Key, dict[str, Any]]]:
    for entry in entries:
        for name in _names(entry):
            for endpoint in entry["endpoints"]:
                yield (ids[name], endpoint.lower()), entry


def _findings(
    document: dict[str, Any], expected: dict[str, list[dict[str, Any]]], ids: dict[str, str], wanted: frozenset[str]
) -> Iterator[str]:
    result = {
        (row["resource"].lower(), row["rule"]): row
        for row in document["findings"]
        if ("/providers/" in row["resource"].lower() or row["rule"] in _rules_of_subscriptions())
        and _of(document, row["resource"], wanted)
    }
    exposed = dict(_expected(expected["exposure"], ids))
    for entry in expected["finding"]:
        for name in _names(entry):
            top = max((each for each in ids if f"{name}/".startswith(f"{each}/")), key=len)
            id = ids[top] + name[len(top) :].lower()
            key = (id, current_id(entry["rule"]))
            row = result.pop(key, None)
            if row is None:
                if not entry.get("costly"):
                    yield f"missing  {_short(key)}: expected {entry['status']}"
                continue
            if entry["status"] != row["status"]:
                yield f"differs  {_short(key)} status: expected {entry['status']}, found {row['status']}"
            endpoints = [(ids[top], each.lower()) for each in entry.get("endpoints", row["endpoints"])]
            severity = entry.get("severity") or _highest(entry["status"], [exposed.get(each) for each in endpoints])
            if severity != row["severity"]:
                yield f"differs  {_short(key)} severity: expected {severity}, found {row['severity']}"
            if "endpoints" in entry and sorted(entry["endpoints"]) != sorted(row["endpoints"]):
                yield f"differs  {_short(key)} endpoints: expected {entry['endpoints']}, found {row['endpoints']}"
    for key, row in sorted(result.items()):
        yield f"too much {_short(key)}: {row['status']} {row['severity']}, not expected: {row['message']}"


def _highest(status: str, exposures: Iterable[dict[str, Any] | None]) -> str | None:
    """Return the severity of a finding on these endpoints: the highest, or what it may be at worst."""
    severities = [rated(each)[status == "unknown"] for each in exposures if each is not None]
    return min((each for each in severities if each is not None), key=severity_rank, default=None)


def published(document: dict[str, Any], estate: Estate) -> list[str]:
    """One line for each endpoint of which the document tells something else than expected to be in front."""
    ids = {name: id.lower() for name, id in estate.ids.items()}
    expected = {key: entry["told"] for key, entry in _expected(expected_results()["published"], ids)}
    result = {(row["resource"].lower(), row["endpoint"].lower()): _fronts(row) for row in document["exposures"]}
    keys = sorted({*expected, *(key for key, reported in result.items() if reported)})
    return [
        f"{_short(key)}: expected {expected.get(key, [])}, found {result.get(key)}"
        for key in keys
        if expected.get(key, []) != result.get(key)
    ]


def _fronts(row: dict[str, Any]) -> list[str]:
    return [each for each in row["admits"] if each.startswith(PUBLISHER_PREFIXES)]


def _short(key: Key) -> str:
    return f"{key[0].rsplit('/providers/', 1)[-1]} {key[1]}"
