"""The severity that levels and limits of an endpoint make, which examples and expected results leave out.

The table itself is pinned by hand in `tests/model/test_exposure.py` alone, so that a cell is changed there and in
`scanner/model/levels.py`. Of the limits this is a second reading of what `Exposure.rate` does.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from scanner.model.levels import Auth, EndpointKind, Reach, cell
from scanner.model.severity import Severity

_TEXT = re.compile(
    r"(?P<app>app )?(?P<auth>\w+) (?P<reach>\w+)(?: may (?P<more_auth>\S+) (?P<more_reach>[^\s,]+))?"
    r"(?:, lowered by (?P<lowered_by>\d))?(?:, at most (?P<at_most>\w+)(?: up to (?P<at_most_up_to>\w+))?)?"
    r"(?:, closed up to (?P<closed_up_to>\w+))?"
)
Limits = Mapping[str, Any]
"""`lowered_by`, `at_most`, `at_most_up_to` and `closed_up_to`, as the texts have them; None limits nothing."""


def of_text(text: str) -> tuple[Severity | None, Severity | None]:
    """Return the severity of an exposure as the examples spell it, and the worst one that an unread part may make."""
    match = _TEXT.fullmatch(text)
    assert match is not None, f"not an exposure: {text}"
    kind: EndpointKind = "app" if match["app"] else "data"
    more = tuple(None if each in (None, "-") else each for each in (match["more_auth"], match["more_reach"]))
    return of_levels(kind, (match["auth"], match["reach"]), more, match.groupdict())


def of_levels(
    kind: EndpointKind, proven: tuple[str, str], possible: Sequence[str | None], limits: Limits
) -> tuple[Severity | None, Severity | None]:
    """Return the severity of what is proven (authentication and reach, or `unknown`), and the worst one: of what is
    possible, where that is not None.
    """
    auth, reach = proven
    worst_auth = possible[0] or {"unknown": "anonymous"}.get(auth, auth)
    worst_reach = possible[1] or {"unknown": "internet"}.get(reach, reach)
    certain = None if reach == "unknown" else _rated(kind, {"unknown": "identity"}.get(auth, auth), reach, limits)
    return certain, _rated(kind, worst_auth, worst_reach, limits)


def _rated(kind: EndpointKind, auth: str, reach: str, limits: Limits) -> Severity | None:
    level = Reach[reach]
    by_table = cell(kind, Auth[auth], level)
    steps = int(limits.get("lowered_by") or 0)
    if by_table is None or by_table - steps < Severity.low or level <= Reach[limits.get("closed_up_to") or "none"]:
        return None
    result = Severity(by_table - steps)
    highest = limits.get("at_most")
    if highest and level <= Reach[limits.get("at_most_up_to") or "internet"]:
        return min(result, Severity[highest])
    return result
