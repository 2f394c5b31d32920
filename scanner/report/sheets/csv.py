"""Write the findings as CSV for a spreadsheet: one row per exposure, finding and failed read.

The file begins with a byte order mark, because a spreadsheet reads `å` as two letters without it. Programs read JSON.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from io import StringIO
from typing import IO

import msgspec

from scanner.document.schema import Document, ExposureRow, FindingRow, GapRow, ResourceRow, RuleRow, WaiverRow
from scanner.document.scopes import ExcludedRow
from scanner.document.tenants import tenant_labels, tenant_names, tenant_of
from scanner.model.ids import group_of, name_of, subscription_of
from scanner.report.language.plain_fixes import PlainFixes
from scanner.report.language.words import Words
from scanner.report.views.gaps import answer
from scanner.report.views.headline import limited
from scanner.report.views.owners import ResourceOwners
from scanner.report.views.responsibility import responsibility_of
from scanner.text.invisible import plain

COLUMNS = (
    "record", "status", "severity", "worst", "new", "since", "rule", "category", "title", "subscription",
    "subscription_name", "resource_group", "type", "name", "location", "endpoint", "kind", "address", "reach",
    "authentication", "message", "fix", "waiver_reason", "waiver_owner", "waiver_expires", "waiver_ticket", "tags",
    "fingerprint", "resource", "waiver_lapsed", "taken", "evaluated", "responsibility", "controls", "owner",
)  # fmt: skip
"""The columns in their order; `docs/formats.md` describes each. A new one is added at the end."""

TENANT_COLUMNS = ("tenant", "tenant_name")
"""The columns after them, where the subscriptions are of more than one tenant."""

LONGEST = 32_000
"""Characters of a cell. A spreadsheet moves what exceeds 32,767 characters into the next row."""

_CUT = " [cut]"
_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b\u2212"
_LEAD = re.compile(rf"(^|[;,])(?=[\s\"'`\u2018\u2019\u201c\u201d]*[{_SIGNS}])")
_ROWS = 512
Row = dict[str, object]


def write_csv(document: Document, out: IO[bytes]) -> None:
    """Write a findings document as CSV. The same document gives the same bytes."""
    text = StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    tenants = tenant_labels(document.coverage.scopes, document.scan)
    columns = (*COLUMNS, *(TENANT_COLUMNS if tenants else ()))
    writer.writerow(columns)
    out.write(b"\xef\xbb\xbf")
    for number, row in enumerate(rows(document), 1):
        writer.writerow([cell(row.get(name)) for name in columns])
        if number % _ROWS == 0:
            _flush(text, out)
    _flush(text, out)


def _flush(text: StringIO, out: IO[bytes]) -> None:
    out.write(text.getvalue().encode())
    text.seek(0)
    text.truncate()


def cell(value: object) -> str:
    """Return a value as text that no spreadsheet reads as a formula, with its invisible characters written out.

    An apostrophe is put before a sign, also after a comma or semicolon, because a spreadsheet that is set to one of
    them splits there, whether quoted or not.
    """
    return "" if value is None else _cell(str(value))


@lru_cache(maxsize=65_536)
def _cell(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        text = plain(text)
    if len(text) > LONGEST:
        text = text[: LONGEST - len(_CUT)] + _CUT
    return _LEAD.sub(r"\1'", text)


def rows(document: Document) -> Iterator[Row]:
    """Return every row of a document by the names of `COLUMNS`, what was not scanned last."""
    yield from exposure_rows(document, document.exposures)
    yield from finding_rows(document, document.findings)
    yield from gap_rows(document)
    common = _Common(document)
    if text := limited(document.scan.limited or None, Words()):
        yield common.of("") | {"record": "limited", "status": "not scanned", "message": text}
    for row in document.scan.excluded or []:
        yield common.of(row.scope) | _excluded(row)


def exposure_rows(document: Document, exposures: Iterable[ExposureRow]) -> Iterator[Row]:
    """Return the rows of exposures of a document, in the order that they are given."""
    common, fixes = _Common(document), PlainFixes(document)
    for exposure in exposures:
        yield common.of(exposure.resource) | _exposure(exposure, fixes)


def finding_rows(document: Document, findings: Iterable[FindingRow]) -> Iterator[Row]:
    """Return the rows of findings of a document, in the order that they are given."""
    common, fixes = _Common(document), PlainFixes(document)
    of_rules = {id: _rule(rule) for id, rule in document.rules.items()}
    for finding in findings:
        row = common.of(finding.resource) | _finding(finding, fixes) | of_rules.get(finding.rule, {})
        yield row | {"responsibility": responsibility_of(finding, document.rules.get(finding.rule))}


def gap_rows(document: Document) -> Iterator[Row]:
    """Return the rows of the failed reads of a document."""
    common = _Common(document)
    for gap in document.gaps:
        yield common.of(gap.url) | _gap(gap)


class _Common:
    """Makes the cells that every row has: those of its resource and tenant, and the times of the scan."""

    def __init__(self, document: Document) -> None:
        scopes, scan = document.coverage.scopes, document.scan
        self._resources = document.resources
        self._owners = ResourceOwners(document)
        self._names = {scope.subscription.lower(): scope.name for scope in scopes}
        self._tenants = {scope.subscription.lower(): scope.tenant for scope in scopes}
        self._labels, self._tenant_names = tenant_labels(scopes, scan), tenant_names(scan)
        self._times: Row = {"taken": scan.taken, "evaluated": scan.evaluated}

    def of(self, id: str) -> Row:
        """Return the cells of the resource with an id."""
        subscription = subscription_of(id)
        tenant = tenant_of(id) or self._tenants.get(subscription, "")
        return {
            **_resource(id, self._resources, self._names),
            **self._times,
            "owner": self._owners.of(id),
            "tenant": tenant,
            "tenant_name": self._labels.get(subscription) or self._tenant_names.get(tenant, ""),
        }


def _resource(id: str, resources: Mapping[str, ResourceRow], names: Mapping[str, str]) -> Row:
    row = resources.get(id)
    subscription = (row.subscription if row else "") or subscription_of(id)
    return {
        "resource": id,
        "subscription": subscription,
        "subscription_name": names.get(subscription.lower(), ""),
        "resource_group": row and row.resource_group,
        "type": row and row.type,
        "name": (row.name if row else "") or name_of(id),
        "location": row and row.location,
        "tags": "; ".join(f"{name}={value}" for name, value in sorted(row.tags.items())) if row else "",
    }


def _exposure(row: ExposureRow, fixes: PlainFixes) -> Row:
    return {
        "record": "exposure",
        "status": row.state,
        "severity": row.severity,
        "worst": row.worst,
        "title": row.title,
        "endpoint": row.endpoint,
        "kind": row.kind,
        "address": row.address,
        "reach": row.reach,
        "authentication": row.authentication,
        "message": row.reason,
        "fix": row.fix and fixes.text(row),
        "fingerprint": row.fingerprint,
        **_waiver(row.waiver),
        **_history(row),
    }


def _finding(row: FindingRow, fixes: PlainFixes) -> Row:
    return {
        "record": "finding",
        "status": row.status,
        # A finding that is not proven has no severity; `worst` has the possible one.
        "severity": row.severity if row.status in ("fail", "waived") else None,
        "worst": row.severity,
        "rule": row.rule,
        "category": row.category,
        "title": row.title,
        "endpoint": ", ".join(row.endpoints),
        "message": row.message,
        "fix": row.fix and fixes.text(row),
        "fingerprint": row.fingerprint,
        **_waiver(row.waiver),
        "waiver_lapsed": row.lapsed.expires if row.lapsed else None,
        **_history(row),
    }


def _rule(rule: RuleRow) -> Row:
    controls = [f"{framework} {id}" for framework, ids in rule.controls.items() for id in ids]
    return {"controls": "; ".join(controls)}


def _gap(row: GapRow) -> Row:
    return {
        "record": "gap",
        "status": "accepted" if row.accepted else "not read",
        "message": answer(row) + (f", missing permission {row.action}" if row.action else ""),
        "rule": ", ".join(row.rules),
        **_waiver(row.waiver),
    }


def _excluded(row: ExcludedRow) -> Row:
    return {
        "record": "excluded",
        "status": "not scanned",
        "message": f"{row.name}: left out by --exclude",
        "resource_group": group_of(row.scope),
    }


def _waiver(waiver: WaiverRow | msgspec.UnsetType | None) -> Row:
    if not waiver:
        return {}
    return {f"waiver_{name}": getattr(waiver, name) for name in ("reason", "owner", "expires", "ticket")}


def _history(row: ExposureRow | FindingRow) -> Row:
    """Return `new` and `since` of a document with history, else nothing."""
    since: Row = {} if row.since is msgspec.UNSET else {"since": row.since}
    return since if row.new is msgspec.UNSET else {"new": "yes" if row.new else "no", **since}
