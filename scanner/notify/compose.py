"""Compose the notice for a notification after a scan, None where nothing is new for it. Pure."""

from collections.abc import Mapping
from datetime import date
from typing import Literal

import msgspec

from scanner.config.notifications import Target
from scanner.document.tenants import scope_labels, tenant_labels, tenant_of
from scanner.evaluate.results import EvaluationResult
from scanner.history.items import Change, ChangeKind, Changes, Item, Reported, rank, top_of
from scanner.model.ids import subscription_of
from scanner.model.severity import Severity
from scanner.notify import wording
from scanner.notify.notice import (
    ExpiringWaiver,
    Notice,
    NoticeGap,
    NoticeItem,
    NoticeKind,
    NoticeScan,
    ScanResult,
)
from scanner.report.language.messages import in_words
from scanner.report.language.words import ENGLISH

WARNING_DAYS = (14, 3)
"""The numbers of days before its expiry at which a waiver is reported: once for each."""
GAPS = 10
"""The number of gaps that a notice names."""
_NEWS: Mapping[ChangeKind, Literal["new", "reopened", "worse"]] = {
    ChangeKind.new: "new",
    ChangeKind.reopened: "reopened",
    ChangeKind.raised: "worse",
}


def notice(target: Target, result: ScanResult, reported: Reported) -> Notice | None:
    """Return the notice for a notification after a scan, None where nothing is new for it."""
    kind: NoticeKind = "unknown" if result.row is None else "baseline" if result.row.baseline else "news"
    items = _items(target, result, reported) if kind == "news" else []
    expiring = _expiring(target, result, reported) if kind != "unknown" else []
    was_complete = reported.last is None or reported.last.complete
    turned_incomplete = kind == "news" and not result.scan.complete and was_complete
    if kind == "news" and not (items or expiring or turned_incomplete):
        return None
    standing, words = result.evaluation.counts.by_severity, wording.words_of(result.language)
    return Notice(
        notification=target.name,
        kind=kind,
        title=wording.title(kind, items, len(expiring), standing, words, turned_incomplete=turned_incomplete),
        scan=_scan(result),
        remarks=list(
            wording.remarks(
                kind,
                result,
                len(expiring),
                max(WARNING_DAYS),
                words,
                turned_incomplete=turned_incomplete,
                whole=not target.is_of_owner,
            )
        ),
        counts=dict(result.row.counts) if result.row is not None else {},
        open=standing,
        endpoints=result.evaluation.counts.by_state,
        items=items,
        waivers=expiring if kind == "news" else [],
        gaps=_gaps(result.evaluation),
        files=list(result.owner_files.get(target.owner.casefold(), ()) if target.is_of_owner else result.files),
        language=result.language,
    )


def trial(target: Target, tool: str, language: str = ENGLISH) -> Notice:
    """Return the notice that `twolocks notify test` sends."""
    words = wording.words_of(language)
    return Notice(
        notification=target.name,
        kind="test",
        title=words("notice.test", name=target.name),
        scan=None,
        remarks=[words("notice.test_remark", tool=tool)],
        counts={},
        open={},
        endpoints={},
        items=[],
        waivers=[],
        gaps=[],
        files=[],
        language=language,
    )


def owner_of(item: Item, owners: Mapping[str, str]) -> str:
    """Return the owner of the resource itself, else of the top-level resource that it belongs to."""
    return owners.get(item.resource.lower(), "") or owners.get(top_of(item.resource), "")


def _items(target: Target, result: ScanResult, reported: Reported) -> list[NoticeItem]:
    changes = result.changes or Changes()
    matches = {each.item.key: (each, False) for each in changes.alerts(target.least)}
    for each in changes.uncovered([each for each in reported.missed if rank(each.item.severity) >= target.least]):
        matches.setdefault(each.item.key, (each, True))
    tenants = tenant_labels(result.evaluation.scopes, result.scan)
    made = [_item(change, result, tenants, late=late) for change, late in matches.values()]
    wanted = [each for each in made if _is_for(target, each.owner)]
    return sorted(wanted, key=lambda each: (-Severity[each.severity], each.resource.lower(), each.endpoint, each.rule))


def _is_for(target: Target, owner: str) -> bool:
    if target.owner:
        return owner.casefold() == target.owner.casefold()
    return owner.casefold() not in dict(target.owners)


def _item(change: Change, result: ScanResult, tenants: Mapping[str, str], *, late: bool) -> NoticeItem:
    item = change.item
    return NoticeItem(
        news=_NEWS[change.kind],
        kind=item.kind,
        severity=item.severity,
        owner=owner_of(item, result.owners),
        resource=item.resource,
        endpoint=item.endpoint,
        address=item.address,
        rule=item.rule,
        title=in_words(item.message, wording.words_of(result.language)),
        reach=item.reach,
        authentication=item.authentication,
        why=change.why,
        since=item.since,
        late=late,
        fingerprint=item.fingerprint,
        tenant=tenants.get(subscription_of(item.resource), msgspec.UNSET),
    )


def _expiring(target: Target, result: ScanResult, reported: Reported) -> list[ExpiringWaiver]:
    before = date.fromisoformat(reported.last.finished[:10]) if reported.last is not None else None
    return [
        ExpiringWaiver(what=each.what, owner=each.owner, expires=each.expires.isoformat(), at=each.at, covers=each.used)
        for each in result.expiring
        if each.used and _is_due(each.expires, result.today, before) and _is_for(target, each.owner)
    ]


def _is_due(expires: date, today: date, before: date | None) -> bool:
    """Return whether one of WARNING_DAYS has come since the day of the last report."""
    left = (expires - today).days
    known = (expires - before).days if before is not None else max(WARNING_DAYS) + 1
    return any(left <= days < known for days in WARNING_DAYS)


def _gaps(result: EvaluationResult) -> list[NoticeGap]:
    gap_rows = sorted((each for each in result.gaps if not each.accepted), key=lambda each: not tenant_of(each.url))
    return [
        NoticeGap(
            url=each.url,
            status=each.status,
            code=each.code,
            action=each.action,
            tenant=result.tenants.get(tenant_of(each.url), msgspec.UNSET),
        )
        for each in gap_rows[:GAPS]
    ]


def _scan(result: ScanResult) -> NoticeScan:
    scan = result.scan
    names = scope_labels(result.evaluation.scopes, scan)
    return NoticeScan(
        id=scan.id,
        taken=scan.taken,
        evaluated=scan.evaluated,
        tool=scan.tool,
        cloud=scan.cloud,
        subscriptions=[names.get(each.lower()) or each for each in scan.scopes],
        complete=scan.complete,
        exit=result.end.code,
        why=result.end.why,
    )
