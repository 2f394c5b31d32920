"""The places of resources as rows of the document, and who accepts one."""

from scanner.document.schema import DataPlaceRow, WaiverRow
from scanner.evaluate.waiving import Acceptance
from scanner.model.index import Index
from scanner.model.masked_values import shown_value
from scanner.model.message import Message
from scanner.model.places import JudgedPlace, PlaceFinder
from scanner.model.resource import Resource
from scanner.model.rule import Rule
from scanner.model.unread import Unread
from scanner.model.verdict import Accepted, Fail, Unknown, Verdict


def place_rows(
    rule: Rule, finder: PlaceFinder, subject: Resource, index: Index, verdict: Verdict
) -> list[DataPlaceRow]:
    """Return the places that a rule finds for a resource; one that is unknown where they could not be read."""
    try:
        _, judged = finder.judge(subject, index)
    except Unread as missing:
        return [_unread(rule, finder, subject, missing.text)]
    if isinstance(verdict, Unknown) and not any(each.verdict == "unknown" for each in judged):
        return [_unread(rule, finder, subject, verdict.why)]
    return [_row(rule, finder, subject, each) for each in judged]


def _unread(rule: Rule, finder: PlaceFinder, subject: Resource, why: str) -> DataPlaceRow:
    return DataPlaceRow(
        resource=subject.id,
        rule=rule.id,
        kind=finder.kind,
        what=finder.what,
        region="",
        area="unknown",
        verdict="unknown",
        path=finder.path or "location",
        value=None,
        why=why,
    )


def _row(rule: Rule, finder: PlaceFinder, subject: Resource, judged: JudgedPlace) -> DataPlaceRow:
    region, allowed, exception = judged.region, judged.allowed, judged.exception
    return DataPlaceRow(
        resource=subject.id,
        rule=rule.id,
        kind=finder.kind,
        what=finder.what,
        region=judged.place.region,
        area=judged.area,
        verdict=judged.verdict,
        path=judged.place.evidence.path,
        value=shown_value(judged.place.evidence.value),
        geography=region.geography if region is not None else "",
        place=region.physical_location if region is not None else "",
        allowed=list(allowed.words) if allowed is not None else [],
        source=allowed.source if allowed is not None else "",
        why="" if judged.missing is None else judged.missing.text,
        waiver=_waiver(exception.accepted) if exception is not None and judged.is_accepted else None,
    )


def accept_place(verdict: Fail) -> Acceptance | None:
    """Return what the exceptions of the settings accept of a place that may leave; None without any."""
    if verdict.accepted is not None:
        return Acceptance(_waiver(verdict.accepted))
    if verdict.lapsed is None:
        return None
    lapsed = verdict.lapsed
    return Acceptance(
        None,
        _waiver(lapsed),
        Message("The exception of {owner} expired on {expires}.", owner=lapsed.owner, expires=lapsed.expires),
    )


def _waiver(accepted: Accepted) -> WaiverRow:
    return WaiverRow(accepted.reason, accepted.owner, accepted.expires)
