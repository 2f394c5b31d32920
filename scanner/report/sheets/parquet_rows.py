"""The typed rows of a findings document for Parquet: exposures, findings, resources, failed reads, and the scan itself.

A query over many scans must not take a thing for fixed that a scan did not read. So a scan says what it covered: a row
for each subscription, tenant and resource, with the rules that passed there; and the scan's own row, the last one.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from scanner.document.schema import Document, ExposureRow, FindingRow, GapRow, ResourceRow, WaiverRow
from scanner.document.tenants import tenant_names, tenant_of
from scanner.evaluate.counts import may_be_worse, misses_permission
from scanner.history.baseline import endpoint_types
from scanner.history.observation import bundle_of
from scanner.history.uncertain import Uncertain, is_uncertain_exposure
from scanner.model.ids import group_of, name_of, subscription_of, type_of
from scanner.report.language.plain_fixes import PlainFixes
from scanner.report.language.words import Words
from scanner.report.views.headline import left_out
from scanner.report.views.owners import ResourceOwners
from scanner.report.views.responsibility import responsibility_of
from scanner.rulebook.loader import load

COLUMNS: dict[str, str] = {
    "record": "VARCHAR",
    "scan": "VARCHAR",
    "taken": "TIMESTAMPTZ",
    "evaluated": "TIMESTAMPTZ",
    "tool": "VARCHAR",
    "tenant": "VARCHAR",
    "tenant_name": "VARCHAR",
    "subscription": "VARCHAR",
    "subscription_name": "VARCHAR",
    "resource_group": "VARCHAR",
    "type": "VARCHAR",
    "name": "VARCHAR",
    "location": "VARCHAR",
    "owner": "VARCHAR",
    "tags": "MAP(VARCHAR, VARCHAR)",
    "resource": "VARCHAR",
    "bundle": "VARCHAR",
    "fingerprint": "VARCHAR",
    "counted": "BOOLEAN",
    "outcome": "VARCHAR",
    "status": "VARCHAR",
    "severity": "VARCHAR",
    "worst": "VARCHAR",
    "cause": "VARCHAR",
    "new": "BOOLEAN",
    "since": "TIMESTAMPTZ",
    "rule": "VARCHAR",
    "category": "VARCHAR",
    "responsibility": "VARCHAR",
    "controls": "VARCHAR[]",
    "title": "VARCHAR",
    "endpoint": "VARCHAR",
    "endpoints": "VARCHAR[]",
    "kind": "VARCHAR",
    "address": "VARCHAR",
    "reach": "VARCHAR",
    "authentication": "VARCHAR",
    "message": "VARCHAR",
    "fix": "VARCHAR",
    "gaps": "VARCHAR[]",
    "permission": "VARCHAR",
    "waiver_reason": "VARCHAR",
    "waiver_owner": "VARCHAR",
    "waiver_expires": "DATE",
    "waiver_ticket": "VARCHAR",
    "waiver_lapsed": "DATE",
    "passed": "VARCHAR[]",
    "not_applicable": "VARCHAR[]",
    "unread": "BOOLEAN",
    "view": "VARCHAR",
    "complete": "BOOLEAN",
    "limited": "BOOLEAN",
    "subscriptions": "VARCHAR[]",
    "excluded": "VARCHAR[]",
    "rules": "VARCHAR[]",
    "types": "VARCHAR[]",
    "unlisted_types": "VARCHAR[]",
}
"""The columns in their order, each with its type in DuckDB; `docs/formats.md` describes each."""

MISSING_PERMISSION, FAILED_READ, NO_VALUE, CRASHED = "missing permission", "failed read", "no value", "rule crashed"
"""Why something is inconclusive. The first three are those of `numbers` in JSON."""

_OUTCOMES = {"fail": "open", "waived": "accepted", "unknown": "inconclusive", "error": "inconclusive"}
Row = dict[str, Any]


def rows(document: Document) -> Iterator[Row]:
    """Yield every row of a document by the names of `COLUMNS`, the scan itself last. Cells of None are left out."""
    maker, uncertain = _Maker(document), Uncertain()
    for exposure in document.exposures:
        uncertain.exposure(exposure)
        yield maker.exposure(exposure)
    for finding in document.findings:
        uncertain.finding(finding)
        yield maker.finding(finding)
    for id, row in document.resources.items():
        yield maker.resource(id, row) | {"unread": uncertain.hides(id)}
    for gap in document.gaps:
        yield maker.gap(gap)
    yield from maker.scopes()
    yield maker.scan()


class _Maker:
    """Makes the rows of one document."""

    def __init__(self, document: Document) -> None:
        scan, scopes = document.scan, document.coverage.scopes
        self._document = document
        self._resources = document.resources
        self._names = {scope.subscription.lower(): scope.name for scope in scopes}
        self._tenants = {scope.subscription.lower(): scope.tenant.lower() for scope in scopes}
        self._tenant_names = tenant_names(scan)
        self._refused = {gap.url.lower() for gap in document.gaps if misses_permission(gap)}
        self._controls = {
            id: [f"{framework} {control}" for framework, ids in rule.controls.items() for control in ids]
            for id, rule in document.rules.items()
        }
        self._scan: Row = {
            "scan": scan.id,
            "taken": time(scan.taken),
            "evaluated": time(scan.evaluated),
            "tool": scan.tool,
        }
        self._owners, self._fixes = ResourceOwners(document), PlainFixes(document)
        # Rows stand in the order of their resources.
        self._common = lru_cache(maxsize=64)(self._make_common)

    def _make_common(self, id: str) -> Row:
        """Return the cells that rows of a resource share. They must not be changed."""
        row = self._resources.get(id)
        subscription = (row.subscription.lower() if row else "") or subscription_of(id)
        tenant = tenant_of(id) or self._tenants.get(subscription, "")
        return {
            **self._scan,
            "tenant": tenant,
            "tenant_name": self._tenant_names.get(tenant, ""),
            "subscription": subscription,
            "subscription_name": self._names.get(subscription, ""),
            "resource_group": row.resource_group if row else group_of(id),
            "type": type_of(id) or (row.type if row else ""),
            "name": (row.name if row else "") or name_of(id),
            "location": row.location if row else "",
            "owner": self._owners.of(id),
            "tags": row.tags if row else None,
            "resource": id,
            "bundle": bundle_of(id),
        }

    def exposure(self, row: ExposureRow) -> Row:
        is_closed = row.severity is None or row.state in ("closed", "unknown")
        is_certain = not is_uncertain_exposure(row)
        closed = "closed" if is_certain else "inconclusive"
        gaps = row.gaps or []
        return {
            **self._common(row.resource),
            "record": "exposure",
            "fingerprint": row.fingerprint,
            "counted": True,
            "outcome": closed if is_closed else "open" if row.state == "open" else "accepted",
            "status": row.state,
            "severity": row.severity,
            "worst": row.worst,
            "cause": self._cause(gaps) if row.state == "unknown" or may_be_worse(row) else None,
            "title": row.title,
            "endpoint": row.endpoint,
            "kind": row.kind,
            "address": row.address,
            "reach": row.reach,
            "authentication": row.authentication,
            "message": row.reason,
            "fix": self._fixes.text(row) if row.fix else None,
            "gaps": gaps,
            **_waiver(row.waiver),
            **_history(row),
        }

    def finding(self, row: FindingRow) -> Row:
        rule = self._document.rules.get(row.rule)
        cause = {"unknown": self._cause(row.gaps), "error": CRASHED}.get(row.status)
        return {
            **self._common(row.resource),
            "record": "finding",
            "fingerprint": row.fingerprint,
            "counted": row.is_counted,
            "outcome": _OUTCOMES.get(row.status, "inconclusive"),
            "status": row.status,
            "severity": row.severity if row.status in ("fail", "waived") else None,
            "worst": row.severity,
            "cause": cause,
            "rule": row.rule,
            "category": row.category,
            "responsibility": responsibility_of(row, rule) or None,
            "controls": self._controls.get(row.rule),
            "title": row.title,
            "endpoints": row.endpoints,
            "message": row.message,
            "fix": self._fixes.text(row) if row.fix else None,
            "gaps": row.gaps,
            **_waiver(row.waiver),
            "waiver_lapsed": (row.lapsed.expires or None) if row.lapsed else None,
            **_history(row),
        }

    def _cause(self, gaps: Collection[str]) -> str:
        if any(url.lower() in self._refused for url in gaps):
            return MISSING_PERMISSION
        return FAILED_READ if gaps else NO_VALUE

    def resource(self, id: str, row: ResourceRow) -> Row:
        return {
            **self._common(id),
            "record": "resource",
            "passed": self._document.passed.get(id, []),
            "not_applicable": list(self._document.not_applicable.get(id, ())),
        }

    def gap(self, gap: GapRow) -> Row:
        return {
            **self._common(gap.url),
            "record": "gap",
            "status": "accepted" if gap.accepted else "not read",
            "cause": MISSING_PERMISSION if misses_permission(gap) else FAILED_READ,
            "message": f"{gap.status} {gap.code}".strip(),
            "permission": gap.action,
            "rules": gap.rules,
            **_waiver(gap.waiver),
        }

    def scopes(self) -> Iterator[Row]:
        """Yield a row for each tenant and each subscription of the scan."""
        for tenant in sorted({*self._tenant_names, *self._tenants.values()} - {""}):
            name = self._tenant_names.get(tenant, "")
            yield {**self._scan, "record": "tenant", "tenant": tenant, "tenant_name": name, "subscription": ""}
        for scope in self._document.coverage.scopes:
            id = f"/subscriptions/{scope.subscription}"
            yield {**self._common(id), "record": "subscription", "name": scope.name, "view": scope.view}

    def scan(self) -> Row:
        """Return the row of the scan: what it covered."""
        document = self._document
        scan, coverage = document.scan, document.coverage
        types = endpoint_types(document, load(packages=False))
        return {
            **self._scan,
            "record": "scan",
            "message": ". ".join(left_out(scan, Words())),
            "complete": scan.complete,
            "limited": bool(scan.limited),
            "subscriptions": [scope.subscription.lower() for scope in coverage.scopes],
            "excluded": [row.scope.lower() for row in scan.excluded or []],
            "rules": list(document.rules),
            "types": sorted(types),
            "unlisted_types": sorted(row.type.lower() for row in coverage.types if not row.complete),
        }


def time(text: str) -> str | None:
    """Return a time of the document as DuckDB reads it, None for "". Documents have checked times, in UTC."""
    return datetime.fromisoformat(text).isoformat(sep=" ") if text else None


def _waiver(waiver: WaiverRow | msgspec.UnsetType | None) -> Row:
    if not waiver:
        return {}
    return {
        "waiver_reason": waiver.reason,
        "waiver_owner": waiver.owner,
        "waiver_expires": waiver.expires or None,
        "waiver_ticket": waiver.ticket,
    }


def _history(row: ExposureRow | FindingRow) -> Row:
    """Return `new` and `since` of a document with history, else nothing."""
    return {
        "new": None if row.new is msgspec.UNSET else row.new,
        "since": None if row.since is msgspec.UNSET else time(row.since),
    }
