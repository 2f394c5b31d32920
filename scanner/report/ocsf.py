"""Write the findings as OCSF 1.6.0: one Compliance Finding (class 2003) a line, for a SIEM or a security data lake.

Failed, inconclusive and accepted findings are events, and so is each failed read, because a subscription that could not
be read must not look clean. What the scan was limited to, and each scope that was excluded, is an event too, and each
event says it in `unmapped`. Passed checks are no events. Source of names and numbers: the schema of OCSF 1.6.0.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import IO, Any

import msgspec

from scanner.document.schema import Document, EvidenceRow, FindingRow, FixRow, GapRow, ResourceRow, RuleRow, WaiverRow
from scanner.document.scopes import ExcludedRow
from scanner.model.ids import name_of, subscription_of
from scanner.model.message import message_text
from scanner.report.language.plain_fixes import PlainFixes
from scanner.report.language.text import IN_BASH, shortened
from scanner.report.language.words import Words
from scanner.report.views.gaps import answer, waiver_of
from scanner.report.views.headline import left_out, limited
from scanner.report.views.owners import ResourceOwners
from scanner.text.invisible import plain

VERSION = "1.6.0"
READ = "everything-was-read"
"""The control of an event that is a failed read."""
SCANNED = "everything-was-scanned"
"""The control of an event that says what was not scanned, because the scan was limited or a scope was excluded."""

SEVERITIES = {
    "info": (1, "Informational"),
    "low": (2, "Low"),
    "medium": (3, "Medium"),
    "high": (4, "High"),
    "critical": (5, "Critical"),
}
_UNKNOWN = (0, "Unknown")
_FAIL = (3, "Fail")
_INCONCLUSIVE = (99, "Inconclusive")
_NOT_ASSESSED = (99, "Not assessed")
"""99 is `Other`: the word beside it says what."""

_INFORMATIONAL = SEVERITIES["info"]
_NEW = (1, "New")
_SUPPRESSED = (3, "Suppressed")
_ACTIVITIES = {1: "Create", 2: "Update"}
_SUBSCRIPTION = 13
"""`account.type_id` of a subscription of Azure."""
_TARGET = 1
"""`role_id` of the resource that was checked."""

_LONGEST = 2_000
_encoder = msgspec.json.Encoder(enc_hook=message_text)
Event = dict[str, Any]


def write_ocsf(document: Document, out: IO[bytes]) -> None:
    """Write a findings document as JSON lines, an event for each finding and each failed read.

    The same document gives the same bytes.
    """
    for event in _events(document):
        out.write(_encoder.encode(event) + b"\n")


def _events(document: Document) -> Iterator[Event]:
    made = _Events(document)
    yield from map(made.of_finding, document.findings)
    yield from map(made.of_gap, document.gaps)
    if text := limited(document.scan.limited or None, Words()):
        yield made.of_limit(text)
    yield from map(made.of_excluded, document.scan.excluded or ())


class _Events:
    """Makes the events of a document. What is the same in all of them is made once."""

    def __init__(self, document: Document) -> None:
        self._rules = document.rules
        self._resources = document.resources
        self._owners, self._fixes = ResourceOwners(document), PlainFixes(document)
        self._scopes = {scope.subscription.lower(): scope for scope in document.coverage.scopes}
        self._cloud = document.scan.cloud
        self._time = milliseconds(document.scan.taken)
        self._not_scanned = left_out(document.scan, Words())
        self._metadata = {
            "version": VERSION,
            "product": {
                "name": "Twolocks",
                "vendor_name": "Twolocks",
                "version": document.scan.tool.rpartition(" ")[2],
            },
            "profiles": ["cloud"],
            "correlation_uid": document.scan.id,
            "original_time": document.scan.taken,
        }

    def of_finding(self, row: FindingRow) -> Event:
        """Return the event of a finding. One that is inconclusive did not pass, and nothing is proven."""
        rule = self._rules.get(row.rule)
        is_proven = row.status in ("fail", "waived")
        result = self._event(row.rule, row.resource, SEVERITIES.get(row.severity or "", _UNKNOWN), row.waiver)
        result["activity_id"] = 2 if row.new is False else 1
        result["message"] = shortened(row.message, _LONGEST)
        result["finding_info"] |= {"uid": row.fingerprint, "title": plain(row.title), "types": [row.category]}
        if rule and rule.why:
            result["finding_info"]["desc"] = plain(rule.why)
        if isinstance(row.since, str):
            result["finding_info"]["first_seen_time"] = milliseconds(row.since)
        result["compliance"] |= _status(_FAIL if is_proven else _INCONCLUSIVE) | _controls(rule)
        result["compliance"]["status_details"] = [result["message"], *(plain(url) for url in row.gaps)]
        if row.endpoints:
            result["resources"][0]["labels"] = [f"endpoint {plain(name)}" for name in row.endpoints]
        if row.evidence:
            result["evidences"] = [_evidence(each) for each in row.evidence]
        return _complete(result | _remediation(self._fixes.lines(row), row.fix, rule))

    def of_gap(self, gap: GapRow) -> Event:
        """Return the event of a failed read."""
        result = self._event(READ, gap.url, _UNKNOWN, waiver_of(gap))
        text = answer(gap) + (f", missing permission {gap.action}" if gap.action else "")
        result["message"] = shortened(f"Not assessed: {text}", _LONGEST)
        result["finding_info"] |= {"uid": plain(gap.url), "title": "A read failed", "types": ["not-assessed"]}
        result["compliance"] |= _status(_NOT_ASSESSED)
        result["compliance"]["status_details"] = [result["message"], *gap.rules]
        return _complete(result)

    def of_limit(self, text: str) -> Event:
        """Return the event of what the scan was limited to: without it, what was not scanned looks clean."""
        result = self._unscanned("", "limited", "The scan was limited", text)
        del result["resources"]
        return result

    def of_excluded(self, row: ExcludedRow) -> Event:
        """Return the event of a scope that `--exclude` left out."""
        title = "A scope was excluded"
        return self._unscanned(row.scope, f"excluded:{row.scope}", title, f"{row.name}: left out by --exclude")

    def _unscanned(self, id: str, uid: str, title: str, text: str) -> Event:
        result = self._event(SCANNED, id, _INFORMATIONAL, None)
        result["message"] = shortened(text, _LONGEST)
        result["finding_info"] |= {"uid": plain(uid), "title": title, "types": ["not-scanned"]}
        result["compliance"] |= _status(_NOT_ASSESSED) | {"status_details": [result["message"]]}
        return _complete(result)

    def _event(self, control: str, id: str, severity: tuple[int, str], waiver: WaiverRow | None) -> Event:
        row = self._resources.get(id)
        subscription = (row.subscription if row else "") or subscription_of(id)
        status = _SUPPRESSED if waiver else _NEW
        event = {
            "category_uid": 2,
            "category_name": "Findings",
            "class_uid": 2003,
            "class_name": "Compliance Finding",
            "activity_id": 1,
            "time": self._time,
            "severity_id": severity[0],
            "severity": severity[1],
            "status_id": status[0],
            "status": status[1],
            "metadata": {**self._metadata, "event_code": control},
            "cloud": self._cloud_of(subscription, row),
            "resources": [self._resource(id, row)],
            "finding_info": {"last_seen_time": self._time},
            "compliance": {"control": control},
        }
        if self._not_scanned:
            event["unmapped"] = {"not_scanned": self._not_scanned}
        return event | ({"comment": _acceptance(waiver)} if waiver else {})

    def _cloud_of(self, subscription: str, row: ResourceRow | None) -> Event:
        scope = self._scopes.get(subscription.lower())
        account = {"uid": subscription, "type_id": _SUBSCRIPTION, "type": "Azure Subscription"}
        result: Event = {"provider": "Azure", "cloud_partition": self._cloud}
        if subscription:
            result["account"] = account | ({"name": plain(scope.name)} if scope else {})
        if scope and scope.tenant:
            result["org"] = {"uid": scope.tenant}
        return result | ({"region": row.location} if row and row.location else {})

    def _resource(self, id: str, row: ResourceRow | None) -> Event:
        result: Event = {"uid": plain(id), "name": plain((row.name if row else "") or name_of(id)), "role_id": _TARGET}
        if row is None:
            return result
        result |= {"type": row.type, "cloud_partition": self._cloud}
        result |= {"region": row.location} if row.location else {}
        result |= {"group": {"name": plain(row.resource_group)}} if row.resource_group else {}
        if row.tags:
            result["tags"] = [{"name": plain(name), "value": plain(value)} for name, value in sorted(row.tags.items())]
        owner = self._owners.of(id)
        return result | ({"owner": {"name": plain(owner)}} if owner else {})


def milliseconds(time: str) -> int:
    """Return an ISO 8601 time as OCSF writes it: milliseconds since 1970 in UTC; 0 for a text that is no time."""
    try:
        result = datetime.fromisoformat(time)
    except ValueError:
        return 0
    return round((result if result.tzinfo else result.replace(tzinfo=UTC)).timestamp() * 1000)


def _status(status: tuple[int, str]) -> Event:
    return {"status_id": status[0], "status": status[1]}


def _controls(rule: RuleRow | None) -> Event:
    """Return the frameworks of a rule, and its controls in them."""
    controls = sorted(rule.controls.items()) if rule else []
    result: Event = {"standards": [name for name, _ in controls]} if controls else {}
    requirements = [f"{name}: {each}" for name, ids in controls for each in ids]
    return result | ({"requirements": requirements} if requirements else {})


def _evidence(row: EvidenceRow) -> Event:
    data = {"path": row.path, "value": row.value}
    return {"name": plain(row.path), "data": data | ({} if row.expected is None else {"expected": row.expected})}


def _remediation(lines: Iterable[str], fix: FixRow | None, rule: RuleRow | None) -> Event:
    text = "\n".join(map(plain, lines))
    if not text:
        return {}
    if fix and fix.commands:
        text = f"I{IN_BASH[1:]}:\n{text}"
    references = [each for each in rule.references if each.startswith("https://")] if rule else []
    return {"remediation": {"desc": text} | ({"references": references} if references else {})}


def _acceptance(waiver: WaiverRow) -> str:
    texts = (f"accepted by {waiver.owner}", waiver.expires and f"until {waiver.expires}", waiver.ticket)
    return shortened(f"{waiver.reason} ({', '.join(segment for segment in texts if segment)})", _LONGEST)


def _complete(event: Event) -> Event:
    """Add the names and numbers that follow from others."""
    activity = event["activity_id"]
    event["activity_name"] = _ACTIVITIES[activity]
    event["type_uid"] = event["class_uid"] * 100 + activity
    event["type_name"] = f"{event['class_name']}: {_ACTIVITIES[activity]}"
    return event
