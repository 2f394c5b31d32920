"""What a filter must select, written slowly and plainly, without the tables that the page uses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Term = tuple[bool, str, str, Sequence[str]]
"""(negated, key, operator, values): the key is empty for words, the operator is `:`, `>=` or `<=`."""
SEVERITIES = ("critical", "high", "medium", "low", "info")


@dataclass(frozen=True)
class Row:
    """A finding of any status."""

    rule: str
    resource: str
    status: str
    severity: str | None = None
    title: str = ""
    endpoints: Sequence[str] = ()
    gaps: Sequence[str] = ()
    fingerprint: str = ""
    new: bool | None = None
    exposures: Sequence[Mapping[str, Any]] = field(default=())


def rows(document: Mapping[str, Any]) -> list[Row]:
    result = []
    for f in document["findings"]:
        exposures = [
            e for e in document["exposures"] if e["resource"] == f["resource"] and e["endpoint"] in f["endpoints"]
        ]
        result.append(
            Row(
                f["rule"], f["resource"], f["status"], f["severity"], f["title"], f["endpoints"], f["gaps"],
                f["fingerprint"], bool(f.get("new")), exposures,
            )
        )  # fmt: skip
    result += [Row(rule, id, "pass") for id, rules in document["passed"].items() for rule in rules]
    result += [Row(rule, id, "not-applicable") for id, rules in document["not_applicable"].items() for rule in rules]
    return result


def selected(document: Mapping[str, Any], all_rows: Sequence[Row], terms: Sequence[Term]) -> list[Row]:
    return [row for row in all_rows if all(holds(document, row, term) for term in terms)]


def holds(document: Mapping[str, Any], row: Row, term: Term) -> bool:
    negated, key, operator, values = term
    if operator != ":":
        return negated != compares(row.severity, operator, values[0])
    return negated != any(matches(document, row, key, value.lower()) for value in values)


def compares(severity: str | None, operator: str, limit: str) -> bool:
    if severity is None:
        return False
    at, wanted = SEVERITIES.index(severity), SEVERITIES.index(limit)
    return at <= wanted if operator == ">=" else at >= wanted


def matches(document: Mapping[str, Any], row: Row, key: str, value: str) -> bool:
    rule, resource = document["rules"][row.rule], document["resources"][row.resource]
    names = {scope["subscription"]: scope["name"] for scope in document["coverage"]["scopes"]}
    whole: dict[str, Sequence[str | None]] = {
        "status": [row.status],
        "severity": [row.severity],
        "category": [rule["category"]],
        "region": [resource["location"]],
        "kind": [exposure["kind"] for exposure in row.exposures],
        "auth": [exposure["authentication"] for exposure in row.exposures],
        "reach": [exposure["reach"] for exposure in row.exposures],
        "is": [] if row.new is None else ["new" if row.new else "known"],
    }
    if key in whole:
        return value in whole[key]
    exact = {
        "": [row.title or rule["title"], row.rule, row.resource, *row.endpoints, row.fingerprint],
        "rule": [row.rule],
        "type": [resource["type"]],
        "sub": [resource["subscription"], names[resource["subscription"]]],
        "rg": [resource["resource_group"]],
        "name": [resource["name"]],
        "endpoint": row.endpoints,
        "control": [f"{name} {number}" for name, numbers in rule["controls"].items() for number in numbers],
        "gap": [text for gap in document["gaps"] if gap["url"] in row.gaps for text in (gap["url"], gap["action"])],
    }
    if key == "gap" and value == "none":
        return row.status == "unknown" and not row.gaps
    return any(value in text.lower() for text in exact[key])
