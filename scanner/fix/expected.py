"""The expected values of evidence, as the fix of this instance sets them."""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from scanner.model.fix import REMOVE, Change, Deletion, Edit, Fix
from scanner.model.ids import normalized_id
from scanner.model.index import Index
from scanner.model.json_paths import ABSENT, PRESENT, member, spelled
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Unread


def as_fixed(
    evidence: Iterable[Evidence], fix: Fix, subject: Resource, top: Resource, index: Index
) -> tuple[Evidence, ...]:
    """Return evidence as it stands beside a fix: what the fix leaves as it is has no expected value.

    A lock may close by one of several settings, and a fix changes one of them, or removes one rule of many. Where the
    evidence expects nothing of that, it does then. Where there is something left to do in words, all expected values
    stay.
    """
    known = tuple(evidence)
    if not fix.changes or fix.steps:
        return known
    result = tuple(replace(each, expected=None) if is_left(each, fix, subject, top) else each for each in known)
    if any(each.expected is not None for each in result):
        return result
    return tuple(_shown(result, fix, subject, top, index))


def is_left(evidence: Evidence, fix: Fix, subject: Resource, top: Resource) -> bool:
    """Return whether a fix leaves a property at a value that is not the expected one."""
    owner, _, path = evidence.path.rpartition(" ")
    if evidence.expected is None or not path.lower().startswith("properties."):
        return False
    if _is_same(evidence.value, evidence.expected):
        return False
    owners = _owners(owner, subject, top)
    if any(_shows_same(each, path, evidence.expected) for each in fix.changes):
        return False
    return bool(owners) and not any(_touches(each, owners, path) for each in fix.changes)


def _is_same(value: object, expected: object) -> bool:
    return spelled(value).lower() == spelled(expected).lower()


def _shows_same(change: Change, path: str, expected: object) -> bool:
    """Return whether a change gives the expected value to a property of this name: Azure shows some settings twice."""
    if not isinstance(change, Edit) or change.entry is not None or not _is_same(change.value, expected):
        return False
    return change.path.rsplit(".", 1)[-1].lower() == path.rsplit(".", 1)[-1].lower()


def _owners(owner: str, subject: Resource, top: Resource) -> set[str]:
    """Return the keys of the resources, with what is below them, that a property may be of; none where the words
    before it name no resource. A path without such words is of the subject, or of the resource above it.
    """
    if not owner:
        return {subject.key, top.key}
    if owner.startswith("/subscriptions/"):
        return {normalized_id(owner)}
    below = {f"{each.key}/{owner.lower()}" for each in (subject, top)}
    return {each for each in below if each in top.bundle.resources}


def _touches(change: Change, owners: set[str], path: str) -> bool:
    """Return whether a change is of a property, of what it is in or of what is in it."""
    key = normalized_id(change.resource)
    if not isinstance(change, Edit):
        return any(each == key or each.startswith(f"{key}/") for each in owners)
    one, other = (f"{each.split('[')[0].lower()}." for each in (change.path, path))
    is_there = any(key == each or key.startswith(f"{each}/") for each in owners)
    return is_there and (one.startswith(other) or other.startswith(one))


def _shown(known: tuple[Evidence, ...], fix: Fix, subject: Resource, top: Resource, index: Index) -> list[Evidence]:
    """Return evidence with what each change of a fix leaves behind: in its own row, where evidence has one.

    Lists are long: they are shown only where a fix changes nothing else.
    """
    rows = list(known)
    made: list[tuple[Change, Evidence]] = []
    for is_all in (False, True):
        for each in () if made else (edit for step in fix.changes for edit in _single_changes(step, is_all)):
            row = _change_row(each, fix, subject, top, index)
            if row is not None:
                made.append((each, row))
    short = [(change, row) for change, row in made if isinstance(row.expected, bool | int | float | str)]
    for change, row in short or made:
        position = next(
            (position for position, each in enumerate(rows) if _is_about(each, change, row, subject, top)), -1
        )
        if position >= 0:
            rows[position] = replace(rows[position], expected=row.expected)
        elif row not in rows:
            rows.append(row)
    return rows


def _single_changes(change: Change, is_all: bool) -> Iterator[Change]:
    """Yield a change, as one of each property where it sets an object. `is_all`: with what only the user knows."""
    if not isinstance(change, Edit) or change.entry is not None or not isinstance(change.value, dict):
        yield change
        return
    for name, each in change.value.items():
        if is_all or not (isinstance(each, str) and "<" in each):
            yield from _single_changes(change._replace(path=f"{change.path}.{name}", value=each), is_all)


def _is_about(evidence: Evidence, change: Change, row: Evidence, subject: Resource, top: Resource) -> bool:
    """Return whether evidence is about what a row says of a change, in its own words."""
    if evidence.expected is not None:
        return False
    owner, _, path = evidence.path.rpartition(" ")
    if isinstance(change, Edit) and change.entry is None and change.path.lower() == path.lower():
        return normalized_id(change.resource) in _owners(owner, subject, top) or _is_same(evidence.value, row.value)
    return (
        row.expected == ABSENT and not path.startswith("properties.") and path.lower() == row.path.split()[-1].lower()
    )


def _change_row(change: Change, fix: Fix, subject: Resource, top: Resource, index: Index) -> Evidence | None:
    """Return what is there before a change, and after it; None where it is not known, or stays the same."""
    key = normalized_id(change.resource)
    resource = top.bundle.resources.get(key) or index.resources.get(key)
    if isinstance(change, Deletion):
        return Evidence(_name_of(change.resource, top), PRESENT, ABSENT)
    if resource is None:
        # The list of a rule that this scan does not have may be known from a copy of it.
        lists = (each.among for each in fix.closes if normalized_id(each.resource) == key and each.path == change.path)
        among = next(filter(None, lists), None) if change.entry is None else None
        return Evidence(f"{change.resource} {change.path}", list(among), change.value) if among else None
    owner = "" if resource in (subject, top) else f"{_name_of(resource.id, top)} "
    target = f"{owner}{change.path}"
    try:
        seen = resource.get(change.path)
    except Unread:
        return None
    if change.value is REMOVE:
        return Evidence(f"{target}{_entry_of(change, fix)}", PRESENT, ABSENT)
    if isinstance(seen, dict) or (isinstance(seen, list) and any(isinstance(each, dict) for each in seen)):
        return Evidence(target, PRESENT, change.value)
    return None if _is_same(seen, change.value) else Evidence(target, seen, change.value)


def _entry_of(change: Edit, fix: Fix) -> str:
    """Return what names the entry of a list that a change removes: its text, its name or its place."""
    entry = member(change.entry, "name") if isinstance(change.entry, dict) else change.entry
    if isinstance(entry, str):
        return f" {entry}"
    positions = (each.position for each in fix.closes if each.path == change.path and each.entry == change.entry)
    position = next(positions, -1)
    return f"[{position}]" if position >= 0 else ""


def _name_of(id: str, top: Resource) -> str:
    """Return the name of a resource below another one; of any other, its id."""
    return id[len(top.id) + 1 :] if id.lower().startswith(f"{top.id.lower()}/") else id
