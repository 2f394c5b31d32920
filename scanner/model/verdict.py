"""The four verdicts of a rule, their evidence, and what could not be read."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import force_setattr

from scanner.model.fix import Cause
from scanner.model.json_paths import ABSENT, MISSING, spelled
from scanner.model.message import NOTHING, Message, joined
from scanner.model.severity import Severity
from scanner.model.unread import Unread, malformed
from scanner.text.masks import masked

NOT_READ: Final = Message("not read")
"""The value of evidence for a part that could not be read."""


class Evidence(Struct, frozen=True):
    """One value that was read: its path, the value, and the value that would pass (None: the row is context only).

    The value of a property that the body does not have is ABSENT; None is a property that is null.
    """

    path: str
    value: object
    expected: object = None

    def __post_init__(self) -> None:
        """Put ABSENT in the place of MISSING, which no reader knows."""
        value = self.value
        if value is MISSING:
            force_setattr(self, "value", ABSENT)
        elif type(value) is list and MISSING in value:
            force_setattr(self, "value", [ABSENT if each is MISSING else each for each in value])


NOT_LISTED: Final = Message("not collected")
"""Why a resource that no listing covers is Unread; it may be in a subscription that this identity cannot see."""


def not_returned(path: str, what: str = Message("it")) -> Unread:
    """Return the Unread for a property that ARM did not return; `what` is the pronoun or noun of the message."""
    return Unread(path, Message("Azure did not return {what}", what=what))


def unknown_value(path: str, value: object = MISSING) -> Unread:
    """Return the Unread for a value that Twolocks does not know; without `value` the message does not show it."""
    if value is MISSING:
        return Unread(path, Message("unrecognized value"))
    return Unread(
        path,
        Message("unrecognized value {value}", value=masked(repr(value) if isinstance(value, str) else spelled(value))),
    )


def not_returned_or_unknown(path: str) -> Unread:
    """Return the Unread for a property that is absent or has a value that Twolocks does not know."""
    return Unread(path, Message("Azure did not return it, or returned an unrecognized value"))


def absent_at_unknown_version(path: str) -> Unread:
    """Return the Unread for a property that is absent in a record of Resource Graph or of an imported file."""
    return Unread(path, Message("missing from a record of unknown API version"))


def not_a_list(path: str) -> Unread:
    """Return the Unread for a property that should be a list and is not."""
    return Unread(path, Message("not a list"))


def not_listed(resource_id: str) -> Unread:
    """Return the Unread for a resource that no listing of the scan covers."""
    return Unread(resource_id, NOT_LISTED)


def not_read(path: str) -> Unread:
    """Return the Unread for a read that was not done."""
    return Unread(path, Message("not collected"))


class Pass(Struct, frozen=True):
    """The rule looked for the fault and did not find it."""

    evidence: tuple[Evidence, ...] = ()


class Accepted(NamedTuple):
    """Who accepts a failure in the settings, why, and until when (an ISO date)."""

    reason: str
    owner: str
    expires: str


class Fail(Struct, frozen=True):
    """The fault is there. `severity` overrides the rule's own; `message` says more than the rule's title."""

    evidence: tuple[Evidence, ...]
    message: Message = NOTHING
    severity: Severity | None = None
    endpoints: tuple[str, ...] = ()
    undecided: tuple[Unread, ...] = ()
    causes: tuple[Cause, ...] = ()
    """What the fix removes; the rule's command runs for each, with `{cause}`, `{entry}`, `{path}` and `{place}`."""
    accepted: Accepted | None = None
    """Who accepts it in the settings."""
    lapsed: Accepted | None = None
    """Whose acceptance has expired."""


class Unknown(Struct, frozen=True):
    """The rule is inconclusive."""

    why: Message
    gaps: tuple[str, ...] = ()
    """The URLs of the missing reads."""
    worst: Severity | None = None
    """The highest severity that it may have."""
    evidence: tuple[Evidence, ...] = ()
    endpoints: tuple[str, ...] = ()
    has_other_reasons: bool = False
    """Something besides `gaps` is inconclusive, so accepting every gap does not resolve the finding."""


class NotApplicable(Struct, frozen=True):
    """The rule does not apply to this resource."""

    why: Message


Verdict = Pass | Fail | Unknown | NotApplicable


def unknown(*missing: Unread, worst: Severity | None = None, evidence: Iterable[Evidence] = ()) -> Unknown:
    """Return the Unknown for parts that were not read."""
    if len(missing) == 1:
        one = missing[0]
        gap = one.gap
        return Unknown(one.text, (gap,) if gap else (), worst, tuple(evidence), (), not gap)
    why = joined("; ", dict.fromkeys(each.text for each in missing))
    gaps = tuple(dict.fromkeys(each.gap for each in missing if each.gap))
    return Unknown(why, gaps, worst, tuple(evidence), has_other_reasons=any(not each.gap for each in missing))


def display_value(value: object) -> str:
    """Return a value as one short text: JSON's spelling of null and booleans, a text as it is, at most 60
    characters of what is no message.
    """
    if isinstance(value, Message):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


__all__ = [
    "ABSENT",
    "NOT_LISTED",
    "NOT_READ",
    "Evidence",
    "Fail",
    "NotApplicable",
    "Pass",
    "Severity",
    "Unknown",
    "Unread",
    "Verdict",
    "absent_at_unknown_version",
    "display_value",
    "malformed",
    "not_a_list",
    "not_listed",
    "not_read",
    "not_returned",
    "not_returned_or_unknown",
    "unknown",
    "unknown_value",
]
