"""What changed in Azure since a scan was interrupted, and which of its reads are made again because of it.

Resource Graph keeps the changes of fourteen days of the types in its table `resources`, and shows each within five
minutes (learn.microsoft.com, Resource Graph, "Get resource changes").
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from scanner.model.ids import list_of, resource_type_of, root_of, subscription_of
from scanner.snapshot.answer_shape import GRAPH, etag_of, rows_of
from scanner.snapshot.journal import Journal, Key
from scanner.snapshot.journal_lines import AnswerLine

Json = dict[str, Any]

TABLE = "resourcechanges"
EARLY = timedelta(minutes=10)
"""How long before its beginning changes count, because the clocks of this machine and of Azure differ."""
_LATE = 60
"""The seconds by which an answer must be younger than a change to count."""


def query(taken: str) -> str:
    """Return the query for what changed since a scan began: the ids, each with the time of its last change."""
    since = (datetime.fromisoformat(taken) - EARLY).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f"{TABLE} | where todatetime(properties.changeAttributes.timestamp) > datetime({since}) "
        "| summarize changed=max(todatetime(properties.changeAttributes.timestamp)) "
        "by id=tostring(properties.targetResourceId) | order by id asc"
    )


def last_changes(rows: Iterable[Json]) -> dict[str, float]:
    """Return the time of the last change in each subscription (lower case), in seconds since 1970."""
    result: dict[str, float] = {}
    for row in rows:
        subscription = subscription_of(str(row.get("id")))
        if subscription:
            result[subscription] = max(result.get(subscription, 0.0), _seconds(row.get("changed")))
    return result


class LastChanges:
    """The times of the last changes in Azure, of what is at or below each resource, and of each type in a subscription.

    In seconds since 1970, those of the far future where Azure gave no time.
    """

    def __init__(self, rows: Iterable[Json] = ()) -> None:
        self._times: dict[str, float] = {}
        for row in rows:
            id = str(row.get("id"))
            for subject in (root_of(id) or id.lower(), f"{subscription_of(id)} {resource_type_of(id).lower()}"):
                self._times[subject] = max(self._times.get(subject, 0.0), _seconds(row.get("changed")))

    def shown_by(self, path: str, at: float) -> bool:
        """Return whether a read of a path, answered at a time, shows every change that concerns it."""
        return all(at >= self._times.get(each, 0.0) + _LATE for each in _concerns(path))


def shows(read: str, change: float) -> bool:
    """Return whether a read that began at a time shows a change."""
    return _seconds(read) < float("inf") and _seconds(read) >= change + _LATE


def forget_changed(journal: Journal, rows: Iterable[Json]) -> int:
    """Make the reads again that changes concern: of a changed resource all below it, the lists that show it, and the
    queries of Resource Graph. Return the number of changed resources.
    """
    changed: dict[str, float] = {}
    for row in rows:
        id = row.get("id")
        if isinstance(id, str):
            changed[id.lower()] = max(changed.get(id.lower(), 0.0), _seconds(row.get("changed")))
    if not changed:
        return 0
    latest: dict[str, float] = defaultdict(float)
    for id, at in changed.items():
        for subject in _subjects(id):
            latest[subject] = max(latest[subject], at)
    journal.forget(
        key
        for key, kept in journal.kept()
        if any(kept.at < latest[subject] + _LATE for subject in _concerns(kept.path) if subject in latest)
    )
    return len(changed)


def _subjects(id: str) -> Iterable[str]:
    """Yield what a change of a resource concerns."""
    subscription, type = subscription_of(id), resource_type_of(id).lower()
    yield root_of(id) or id
    yield list_of(id).lower()
    yield f"{subscription} {type}"
    yield GRAPH


def _concerns(path: str) -> Iterable[str]:
    """Yield what a read is about, in the same words."""
    lower = unquote(path).lower().rstrip("/")
    yield lower
    if root := root_of(lower):
        yield root
    else:
        yield f"{subscription_of(lower)} {resource_type_of(f'{lower}/x').lower()}"


def _seconds(when: Any) -> float:
    """Return the seconds since 1970 of a time of Azure; those of the far future for what is no time."""
    try:
        result = datetime.fromisoformat(str(when))
    except ValueError:
        return float("inf")
    return (result if result.tzinfo else result.replace(tzinfo=UTC)).timestamp()


class SeenBefore:
    """The resources of an answer as the interrupted scan saw them."""

    def __init__(self, earlier: AnswerLine) -> None:
        rows = rows_of(earlier.body)
        etags = earlier.etags or [""] * len(rows)
        self._rows = {_id_of(row).lower(): (row, etag) for row, etag in zip(rows, etags, strict=False)}

    def changed(self, body: Any, shaped: Any) -> list[str]:
        """Return the ids of those that have another etag or content now, and of those that are gone.

        `shaped`: what is kept of the answer of now.
        """
        now = {
            _id_of(kept).lower(): (kept, etag_of(row))
            for row, kept in zip(rows_of(body), rows_of(shaped), strict=False)
        }
        return [id for id in {**self._rows, **now} if self._rows.get(id) != now.get(id)]


def _id_of(row: Any) -> str:
    return str(row.get("id")) if isinstance(row, dict) else ""


def forget_below(journal: Journal, ids: Iterable[str]) -> None:
    """Make the reads again at and below some resources."""
    roots = {root_of(id) or id.lower() for id in ids}
    if not roots:
        return
    keys: list[Key] = [key for key, kept in journal.kept() if root_of(unquote(kept.path).lower()) in roots]
    journal.forget(keys)
