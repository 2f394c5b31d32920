"""The expected values of evidence, as the fix of this instance sets them."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from msgspec.structs import replace

from scanner.model.ids import id_key
from scanner.model.json_paths import spelled
from scanner.model.remedy import Edit, Remedy, Step
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Unread


def as_fixed(evidence: Iterable[Evidence], remedy: Remedy, subject: Resource, top: Resource) -> tuple[Evidence, ...]:
    """Return evidence as it stands beside a fix: what the fix leaves as it is has no expected value.

    A lock may close by one of several settings, and a fix changes one of them. Where that one is not in the evidence,
    it is added. Where there is something left to do in words, all expected values stay.
    """
    known = tuple(evidence)
    if not remedy.changes or remedy.steps:
        return known
    found = tuple(replace(each, expected=None) if is_left(each, remedy, subject, top) else each for each in known)
    if found == known or any(each.expected is not None for each in found):
        return found
    return (*found, *_added(remedy, subject, top))


def is_left(evidence: Evidence, remedy: Remedy, subject: Resource, top: Resource) -> bool:
    """Return whether a fix leaves a property at a value that is not the expected one."""
    owner, _, path = evidence.path.rpartition(" ")
    if evidence.expected is None or not path.lower().startswith("properties."):
        return False
    if _is_same(evidence.value, evidence.expected):
        return False
    owners = _owners(owner, subject, top)
    if any(_shows_same(each, path, evidence.expected) for each in remedy.changes):
        return False
    return bool(owners) and not any(_touches(each, owners, path) for each in remedy.changes)


def _is_same(value: object, expected: object) -> bool:
    return spelled(value).lower() == spelled(expected).lower()


def _shows_same(change: Step, path: str, expected: object) -> bool:
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
        return {id_key(owner)}
    below = {f"{each.key}/{owner.lower()}" for each in (subject, top)}
    return {each for each in below if each in top.bundle.resources}


def _touches(change: Step, owners: set[str], path: str) -> bool:
    """Return whether a change is of a property, of what it is in or of what is in it."""
    key = id_key(change.resource)
    if not isinstance(change, Edit):
        return any(each == key or each.startswith(f"{key}/") for each in owners)
    one, other = (f"{each.split('[')[0].lower()}." for each in (change.path, path))
    is_there = any(key == each or key.startswith(f"{each}/") for each in owners)
    return is_there and (one.startswith(other) or other.startswith(one))


def _added(remedy: Remedy, subject: Resource, top: Resource) -> Iterator[Evidence]:
    """Yield the properties that a fix sets to one value, as they are."""
    for each in remedy.changes:
        found = top.bundle.resources.get(id_key(each.resource))
        if not isinstance(each, Edit) or each.entry is not None or found is None:
            continue
        if not isinstance(each.value, bool | int | float | str):
            continue  # objects and lists are long, and no evidence shows them as a whole
        with suppress(Unread):
            seen = found.evidence(each.path, each.value)
            owner = "" if found in (subject, top) else f"{found.id[len(top.id) + 1 :]} "
            if not _is_same(seen.value, each.value):
                yield replace(seen, path=f"{owner}{each.path}")
