"""The questions that a row can ask of a property. Each returns a verdict with its evidence."""

import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import partial
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from scanner.model.json_paths import MISSING, get_path, is_absent, is_one, spelled, value_at
from scanner.model.message import NOTHING, Message, joined, listed
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.model.verdict import ABSENT, Evidence, Fail, NotApplicable, Pass, Unknown, Unread, Verdict, unknown

NOT_HELD = Message("Azure did not return it")


_SCALARS = frozenset((str, bool, int, type(None), type(MISSING)))
_FOLDED = (str, bool)
_MOST_VERDICTS = 16
"""How many verdicts a check keeps, each of one value."""
_LONGEST = 64
"""The most characters of a text, and bits of a number, of which a check keeps the verdict."""


def known_by(known: tuple[Any, ...]) -> Callable[[Any], bool]:
    """Return what tells whether a value is one of the known ones: `is_one`, with texts and switches folded once."""
    if not all(isinstance(each, str | bool) for each in known):
        return partial(is_one, known=known)
    folded = frozenset(str(each).lower() for each in known)

    def is_known(value: Any) -> bool:
        return isinstance(value, _FOLDED) and str(value).lower() in folded

    return is_known


def value_check(
    path: str,
    *,
    good: tuple[Any, ...],
    bad: tuple[Any, ...],
    absent: Any = MISSING,
    unclear: Message = NOTHING,
) -> Callable[[Resource], Verdict]:
    """Return a check of a property: Pass for a good value, Fail for a bad one, Unknown for any other.

    `absent`: the value that an absent property stands for. Without it an absent property is Unknown.
    `unclear`: the reason of an Unknown in place of the usual two; `{value}` stands for the value.
    """
    return _remembered(path, _judged(path, good, bad, absent, unclear))


def _judged(
    path: str, good: tuple[Any, ...], bad: tuple[Any, ...], absent: Any, unclear: Message
) -> Callable[[Resource, Any], Verdict]:
    """Return what a `value_check` says of a resource and the value of its property."""
    is_good, is_bad, expected = known_by(good), known_by(bad), good[0]

    def judged(resource: Resource, value: Any) -> Verdict:
        seen = Evidence(path, ABSENT if value is MISSING else value, expected)
        gone = is_absent(value)
        if gone:
            if absent is MISSING or resource.has_no_properties:
                why = NOT_HELD if not unclear or "{value}" in unclear else unclear
                return unknown(Unread(path, why), evidence=(seen,))
            value = absent
        if is_good(value):
            if gone and resource.api_version_unknown:
                return unknown(Unread(path, Message("missing from a record of unknown API version")), evidence=(seen,))
            return Pass((seen,))
        if is_bad(value):
            return Fail((seen,))
        return _strange(seen, value, unclear)

    return judged


def _remembered(path: str, judged: Callable[[Resource, Any], Verdict]) -> Callable[[Resource], Verdict]:
    """Return a check that keeps the verdicts on the first texts, numbers and switches that it sees.

    A verdict depends on the value, and on an absent one's record. True and 1 are equal, but not the same.
    """
    known: dict[tuple[type, object, str], Verdict] = {}

    def check(resource: Resource) -> Verdict:
        value = resource.get(path)
        kind = type(value)
        if kind not in _SCALARS:
            return judged(resource, value)
        key = kind, value, resource.why_absent_is_unknown if value is MISSING or value is None else ""
        verdict = known.get(key)
        if verdict is None:
            verdict = judged(resource, value)
            is_short = len(value) <= _LONGEST if kind is str else kind is not int or value.bit_length() < _LONGEST
            if is_short and len(known) < _MOST_VERDICTS:
                known[key] = verdict
        return verdict

    return check


def check_value(
    resource: Resource,
    path: str,
    *,
    good: tuple[Any, ...],
    bad: tuple[Any, ...],
    absent: Any = MISSING,
    unclear: Message = NOTHING,
) -> Verdict:
    """Return what a `value_check` says of a resource."""
    return _judged(path, good, bad, absent, unclear)(resource, resource.get(path))


def _strange(seen: Evidence, value: Any, unclear: str = "") -> Unknown:
    why = Message(str(unclear) or "unrecognized value {value}", value=repr(value))
    return Unknown(Message("{path}: {why}", path=seen.path, why=why), evidence=(seen,))


def check_any_of(
    resource: Resource,
    paths: tuple[str, ...],
    *,
    good: tuple[Any, ...],
    bad: tuple[Any, ...],
    absent: Any = MISSING,
    expected: Mapping[str, Any] = MappingProxyType({}),
) -> Verdict:
    """Return Pass where one of the paths has a good value, Fail where all have a bad one.

    `absent`: the value that an absent property stands for. It makes no Pass where the api-version is not known.
    `expected`: by path, where that is not the first good value.
    """
    seen = tuple(resource.evidence(path, expected.get(path, good[0])) for path in paths)
    values = {path: resource.get(path) for path in paths}
    usable = MISSING if resource.api_version_unknown and is_one(absent, good) else absent
    values = {path: usable if is_absent(value) else value for path, value in values.items()}
    if any(is_one(value, good) for value in values.values()):
        return Pass(seen)
    for path, value in values.items():
        if not is_one(value, bad):
            why = NOT_HELD if value is MISSING else Message("unrecognized value {value}", value=repr(value))
            return unknown(Unread(path, why), evidence=seen)
    return Fail(seen)


def check_set(resource: Resource, path: str, *, expected: str, like: str = "?*") -> Verdict:
    """Return Pass for a text that fits the pattern `like`, Fail where it is absent, null or empty, else Unknown."""
    value, seen = resource.get(path), resource.evidence(path, expected)
    if is_absent(value) or value == "":
        return Fail((seen,))
    if isinstance(value, str) and fnmatchcase(value.lower(), like):
        return Pass((seen,))
    return _strange(seen, value)


def check_at_least(resource: Resource, path: str, least: int | str, *, absent: Any = MISSING) -> Verdict:
    """Return Pass for a number, version or ISO 8601 period that is not smaller.

    `absent`: the value that an absent property stands for. Raise Unread where it is absent without one, and in a record
    of unknown api-version.
    """
    value = resource.get(path)
    seen = resource.evidence(path, Message("{least} or more", least=least))
    if is_absent(value):
        if absent is MISSING or resource.has_no_properties or resource.api_version_unknown:
            value = resource.require(path)
        value = absent
    size = _size(value, least)
    if size is None:
        return _strange(seen, value)
    return Pass((seen,)) if size >= (_size(least, least) or ()) else Fail((seen,))


_PERIOD = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.I)
_SECONDS = (365 * 86400, 30 * 86400, 7 * 86400, 86400, 3600, 60, 1)


def _size(value: Any, like: int | str) -> tuple[int, ...] | None:
    """Return a value of the same sort as `like` in a form that compares, None where it is of another sort."""
    if isinstance(like, int):
        return (value,) if isinstance(value, int) and not isinstance(value, bool) else None
    if not isinstance(value, str):
        return None
    if re.fullmatch(r"\d+(\.\d+)*", like):
        return tuple(int(number) for number in value.split(".")) if re.fullmatch(r"\d+(\.\d+)*", value) else None
    seconds = period_seconds(value)
    return None if seconds is None else (seconds,)


def period_seconds(value: Any) -> int | None:
    """Return an ISO 8601 period in seconds, months of 30 days; None for anything else."""
    match = _PERIOD.fullmatch(value) if isinstance(value, str) else None
    if match is None or not any(match.groups()):
        return None
    return sum(int(number or 0) * seconds for number, seconds in zip(match.groups(), _SECONDS, strict=True))


def check_items(
    resource: Resource,
    path: str,
    *,
    good: tuple[Any, ...],
    bad: tuple[Any, ...],
    absent: Any = MISSING,
    expected: str = "",
    unclear: Message = NOTHING,
) -> Verdict:
    """Return the verdict on one property of each item of a list: `path` is LIST[].PROPERTY.

    Fail names the items with a bad value. A list that is absent or empty is Unknown, by the reason `unclear`.
    """
    above, _, inner = path.partition("[].")
    items = resource.require(above)
    if not isinstance(items, list) or not items:
        return unknown(Unread(above, unclear or Message("Azure returned no items")))
    usable = MISSING if resource.why_absent_is_unknown else absent
    values = [value_at(item, inner) for item in items]
    values = [usable if is_absent(value) else value for value in values]
    names = [spelled(get_path(item, "name")) for item in items]
    failing = [name for name, value in zip(names, values, strict=True) if is_one(value, bad)]
    if failing:
        return Fail((Evidence(path, failing, expected or good[0]),))
    missing = [name for name, value in zip(names, values, strict=True) if not is_one(value, good)]
    if missing:
        return unknown(Unread(path, Message("{not_held} for {missing}", not_held=NOT_HELD, missing=listed(missing))))
    return Pass((Evidence(path, values, good[0]),))


def check_child(
    resource: Resource | None,
    read: Read,
    check: Callable[[Resource], Verdict],
    *,
    none: Message = NOTHING,
    named: bool = False,
) -> Verdict:
    """Return the verdict on the one resource of a single read; its evidence names the read.

    `none`: why the rule does not apply where Azure reports that it does not exist; without it that is Unknown.
    `named`: the reason of an Unknown names the read too.
    """
    if resource is None:
        return (
            NotApplicable(none) if none else unknown(Unread(read.path, Message("Azure reports that it does not exist")))
        )
    verdict = check(resource)
    if isinstance(verdict, NotApplicable):
        return verdict
    evidence = tuple([Evidence(f"{read.path} {each.path}", each.value, each.expected) for each in verdict.evidence])
    if isinstance(verdict, Pass):
        return Pass(evidence)
    if named and isinstance(verdict, Unknown):
        return replace(verdict, why=joined(" ", (read.path, verdict.why)), evidence=evidence)
    return replace(verdict, evidence=evidence)


__all__ = [
    "NOT_HELD",
    "check_any_of",
    "check_at_least",
    "check_child",
    "check_items",
    "check_set",
    "check_value",
    "is_one",
    "known_by",
    "period_seconds",
    "value_check",
]
