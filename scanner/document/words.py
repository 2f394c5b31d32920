"""The words of a findings document: each of these members has one of a closed list. A reader checks them once.

A row with another word would be counted nowhere, and end a writer. A newer version may have more of them.
"""

from collections.abc import Collection, Iterable
from typing import Any, Final, get_args

import msgspec

from scanner.document.capacity_rows import QUOTA_STATES
from scanner.document.framework_rows import CONTROL_STATES
from scanner.model.levels import Auth, EndpointKind, Reach
from scanner.model.places import PlaceVerdict
from scanner.model.regions import Area
from scanner.model.responsibility import ANOTHER_TIER, Responsibility
from scanner.model.rule import CATEGORIES
from scanner.model.severity import SEVERITIES
from scanner.text.times import BadTime, checked_day, checked_time

STATUSES: Final = frozenset({"fail", "unknown", "error", "waived"})
"""The statuses of findings."""
VIEWS: Final = ("full", "partial", "none")
"""How much of a subscription a scan saw."""
_SEVERITY = frozenset(SEVERITIES)
_SEVERITY_OR_NONE = _SEVERITY | {None}
_REACH, _AUTH = ({*each.__members__, "unknown"} for each in (Reach, Auth))
_YES = frozenset({"", "yes", "no", "unknown"})
_QUOTA = frozenset(QUOTA_STATES)
_CATEGORY = frozenset(CATEGORIES)
KNOWN: Final[dict[str, dict[str, Collection[Any]]]] = {
    "ExposureRow": {
        "kind": frozenset(get_args(EndpointKind)),
        "reach": _REACH,
        "authentication": _AUTH,
        "severity": _SEVERITY_OR_NONE,
        "worst": _SEVERITY_OR_NONE,
    },
    "May": {"reach": {*Reach.__members__, None}, "authentication": {*Auth.__members__, None}},
    "FindingRow": {"category": _CATEGORY, "status": STATUSES, "severity": _SEVERITY_OR_NONE},
    "DataPlaceRow": {"area": frozenset(get_args(Area)), "verdict": frozenset(get_args(PlaceVerdict))},
    "RuleRow": {
        "category": _CATEGORY,
        "severity": _SEVERITY_OR_NONE,
        "responsibility": frozenset({"", *get_args(Responsibility)}),
    },
    "ScopeRow": {"view": frozenset(VIEWS)},
    "CellRow": {"severity": _SEVERITY, "reach": _REACH | {""}, "authentication": _AUTH | {""}},
    "ChangeRow": {"severity": _SEVERITY | {""}, "reach": _REACH | {""}, "authentication": _AUTH | {""}},
    "KeyRow": {
        "holder": frozenset({"customer", "platform", ANOTHER_TIER, "unknown"}),
        "lives": frozenset({"software", "hsm", "managed-hsm", "microsoft", "unknown"}),
        "state": frozenset({"enabled", "disabled", "expired", "missing", "unknown"}),
        "rotation": _YES,
    },
    "KeyStoreRow": {"double": _YES, "host": _YES, "confidential": _YES},
    "KeyRiskRow": {
        "id": frozenset(
            {
                *("expired", "expires-soon", "disabled", "missing", "no-purge-protection", "no-rotation"),
                *("elsewhere", "services-blocked", "identity", "version"),
            }
        ),
        "severity": _SEVERITY | {"unknown"},
    },
    "QuotaRow": {"state": _QUOTA},
    "ReservationRow": {"state": _QUOTA},
    "SpreadRow": {"over": frozenset({"zones", "regions"})},
}
"""The words of the members of each row, by the name of its type. Where the type of a member lists its words, they are
not here.
"""


def check_words(row: object, at: str) -> None:
    """Raise msgspec.ValidationError for a row with an unknown word or a time that cannot be, and for an open endpoint
    without a severity.
    """
    for name, known in KNOWN.get(type(row).__name__, {}).items():
        word = getattr(row, name)
        if word not in known:
            raise _unknown(word, known, f"{at}.{name}")
    match type(row).__name__:
        case "ExposureRow":
            _check_exposure(row, at)
            _check_dates(row, at)
        case "FindingRow" | "DataPlaceRow" | "GapRow":
            _check_dates(row, at)
        case "ChangeRow":
            _check_each(filter(None, [getattr(row, "was", None)]), f"{at}.was")
        case "KeyRow":
            _check_key(row, at)
        case "FrameworkRow":
            for state in getattr(row, "states", ()):
                if state not in CONTROL_STATES:
                    raise _unknown(state, CONTROL_STATES, f"{at}.states")


def check_rest(document: Any) -> None:
    """Raise as `check_words` for the parts of a document that are in memory in each case."""
    for id, rule in document.rules.items():
        check_words(rule, f"$.rules[{id[:60]}]")
    _check_each(document.coverage.scopes, "$.coverage.scopes")
    _check_each(document.gaps, "$.gaps")
    for name in ("reopened", "worse", "better", "fixed", "unseen") if document.changes is not None else ():
        _check_each(getattr(document.changes, name), f"$.changes.{name}")
    _check_each(document.frameworks or (), "$.frameworks")


def check_all(document: Any) -> None:
    """Raise as `check_words` for a document."""
    for name in ("exposures", "findings", "places", "keys", "capacity"):
        _check_each(getattr(document, name), f"$.{name}")
    check_rest(document)


def _check_exposure(row: Any, at: str) -> None:
    if row.may is not None:
        check_words(row.may, f"{at}.may")
    if row.state == "open" and row.severity is None:
        raise msgspec.ValidationError(f"An open endpoint has a severity - at `{at}.severity`")


def _check_key(row: Any, at: str) -> None:
    _check_day(row.expires, f"{at}.expires")
    _check_each(row.stores, f"{at}.stores")
    _check_each(row.risks, f"{at}.risks")


def _check_each(rows: Iterable[object], at: str) -> None:
    for number, row in enumerate(rows):
        check_words(row, f"{at}[{number}]")


def _check_dates(row: Any, at: str) -> None:
    """Check when a row was first found, and until when it is accepted."""
    since = getattr(row, "since", None)
    if isinstance(since, str):
        _check_time(since, f"{at}.since")
    for name in ("waiver", "lapsed"):
        expires = getattr(getattr(row, name, None), "expires", None)
        if isinstance(expires, str):
            _check_day(expires, f"{at}.{name}.expires")


def _check_time(text: str, at: str) -> None:
    try:
        is_canonical = checked_time(text) == text
    except BadTime as error:
        raise msgspec.ValidationError(f"{error} - at `{at}`") from None
    if not is_canonical:
        raise msgspec.ValidationError(f"A time is written 2026-11-25T02:00:00Z - at `{at}`")


def _check_day(text: str, at: str) -> None:
    try:
        checked_day(text)
    except BadTime as error:
        raise msgspec.ValidationError(f"{error} - at `{at}`") from None


def _unknown(word: object, known: Collection[Any], at: str) -> msgspec.ValidationError:
    words = ", ".join(sorted(str(each) for each in known if each))
    return msgspec.ValidationError(f"Unknown word {word!r:.60} - at `{at}`; this version knows: {words}")
