"""The Resource Graph queries that Twolocks sends, over rows that are dicts.

A query is a table and stages behind `|`:

- `where` with `column =~ 'text'` or `column in~ ('text', ...)`, joined by `and`; also `tostring(properties.name)`
- `project column, ...`
- `summarize count_=count(), groups=make_set(resourceGroup) by type, subscriptionId`
- `order by column asc, ...`
- of the table of changes: `where todatetime(properties.changeAttributes.timestamp) > datetime(TIME)` and
  `summarize changed=max(todatetime(properties.changeAttributes.timestamp)) by id=tostring(properties.targetResourceId)`

Anything else raises `BadQuery`, because a wrong answer would hide what the scanner asks.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec import Struct

Row = dict[str, Any]

_TEXT = r"'[^'|]*'"
_NAMES = r"\w+(?:\s*,\s*\w+)*"
_COLUMN = r"(\w+|tostring\(properties\.\w+\))"
_EQUALS = re.compile(rf"{_COLUMN}\s*=~\s*({_TEXT})")
_IN = re.compile(rf"{_COLUMN}\s+in~\s*\(\s*({_TEXT}(?:\s*,\s*{_TEXT})*)\s*\)")
_WHERE = re.compile(r"where\s+(.+)", re.DOTALL)
_PROJECT = re.compile(rf"project\s+({_NAMES})")
_SUMMARIZE = re.compile(
    r"summarize\s+count_=count\(\),\s*groups=make_set\(resourceGroup\)\s+by\s+type,\s*subscriptionId"
)
_AT = r"todatetime\(properties\.changeAttributes\.timestamp\)"
_SINCE = re.compile(rf"where\s+{_AT}\s*>\s*datetime\(([0-9TZ:-]+)\)")
_CHANGED = re.compile(rf"summarize\s+changed=max\({_AT}\)\s+by\s+id=tostring\(properties\.targetResourceId\)")
_ORDER = re.compile(r"order\s+by\s+(\w+\s+asc(?:\s*,\s*\w+\s+asc)*)")


class BadQuery(Exception):
    """The query is wrong, or has a form that the sandbox does not know."""


class QueryResult(Struct, frozen=True):
    """The rows of a query."""

    rows: list[Row]
    ordered: bool = False
    """An `order by` fixes their order."""


def run(query: str, table: Callable[[str], list[Row]]) -> QueryResult:
    """Run a query. `table` returns the rows of a table by its name in lower case. Raises BadQuery."""
    name, *stages = (stage.strip() for stage in query.split("|"))
    if not re.fullmatch(r"\w+", name):
        raise BadQuery("the query must start with one table")
    result = QueryResult(table(name.lower()))
    for stage in stages:
        result = _run_stage(stage, result)
    return result


def _run_stage(stage: str, result: QueryResult) -> QueryResult:
    rows = result.rows
    if match := _SINCE.fullmatch(stage):
        return QueryResult([row for row in rows if _time(row) > datetime.fromisoformat(match[1])])
    if _CHANGED.fullmatch(stage):
        return QueryResult(_last_changes(rows))
    if match := _WHERE.fullmatch(stage):
        tests = [_condition(text.strip()) for text in re.split(r"\sand\s", match[1])]
        return QueryResult([row for row in rows if all(test(row) for test in tests)], result.ordered)
    if match := _PROJECT.fullmatch(stage):
        names = re.findall(r"\w+", match[1])
        return QueryResult([{name: row.get(name) for name in names} for row in rows], result.ordered)
    if _SUMMARIZE.fullmatch(stage):
        return QueryResult(_groups_by_type(rows))
    if match := _ORDER.fullmatch(stage):
        columns = re.findall(r"(\w+)\s+asc", match[1])
        return QueryResult(sorted(rows, key=lambda row: [_folded(row.get(name)) for name in columns]), ordered=True)
    raise BadQuery(f"cannot read the query at: {stage[:30]!r}")


def _condition(text: str) -> Callable[[Row], bool]:
    match = _EQUALS.fullmatch(text) or _IN.fullmatch(text)
    if match is None:
        raise BadQuery(f"cannot read the query at: {text[:30]!r}")
    column, wanted = match[1], {each[1:-1].lower() for each in re.findall(_TEXT, match[2])}
    if name := re.fullmatch(r"tostring\(properties\.(\w+)\)", column):
        return lambda row: _folded((row.get("properties") or {}).get(name[1])) in wanted
    return lambda row: _folded(row.get(column)) in wanted


def _groups_by_type(rows: list[Row]) -> list[Row]:
    """Return one row for each type and subscription: the number of rows, and their distinct resource groups."""
    result: dict[tuple[Any, Any], list[Row]] = {}
    for row in rows:
        result.setdefault((row["type"], row["subscriptionId"]), []).append(row)
    return [
        {
            "type": type,
            "subscriptionId": subscription,
            "count_": len(members),
            "groups": list(dict.fromkeys(row["resourceGroup"] for row in members)),
        }
        for (type, subscription), members in result.items()
    ]


def _time(row: Row) -> datetime:
    return datetime.fromisoformat(row["properties"]["changeAttributes"]["timestamp"])


def _last_changes(rows: list[Row]) -> list[Row]:
    """Return one row for each resource that changed, with the time of its last change."""
    result: dict[str, str] = {}
    for row in sorted(rows, key=_time):
        result[row["properties"]["targetResourceId"]] = row["properties"]["changeAttributes"]["timestamp"]
    return [{"id": id, "changed": at} for id, at in result.items()]


def _folded(value: Any) -> str:
    """Return a value as Kusto compares and Resource Graph sorts it: as text without case, null as empty text."""
    return "" if value is None else str(value).lower()
