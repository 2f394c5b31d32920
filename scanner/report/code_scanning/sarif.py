"""Write the findings as SARIF 2.1.0 for code scanning: failed, inconclusive and accepted checks.

Where GitHub (November 2026) differs from the standard, the file follows GitHub:

- GitHub takes a severity from the rule alone (`security-severity`), but the severity of a lock rule depends on who can
  connect. So a lock rule has one descriptor per severity (`storage-shared-key-enabled.high`), and a raised severity is
  a new alert.
- GitHub shows every result as an alert, whatever its `kind` and in spite of `suppressions`. So what is inconclusive or
  accepted has a descriptor of its own (`RULE.undecided`, `RULE.waived`) without a severity: it is shown and blocks
  nothing.
- GitHub reads no `baselineState` (others do: with a history each result has one) and would show `absent` results as
  alerts, so what is fixed is no result. It is missing in the file, and GitHub closes its alert.
- A result needs a location with a URI. There is no file, so the URI is made from the resource id, in lower case.
"""

import heapq
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import IO, Any, NamedTuple
from urllib.parse import quote

import msgspec

from scanner.document.schema import ChangesRow, Document, FindingRow, Remediation, RuleRow
from scanner.document.tenants import tenant_labels
from scanner.document.value_messages import with_title
from scanner.evaluate.counts import count
from scanner.model.ids import name_of, subscription_of
from scanner.model.message import message_text
from scanner.model.severity import SEVERITIES, severity_rank
from scanner.report.language.plain_fixes import PlainFixes
from scanner.report.language.text import IN_BASH, first_step_label, shortened, without_ticks
from scanner.report.language.words import Words
from scanner.report.views.gaps import GapGroup, accepted_by, group_gaps
from scanner.report.views.headline import left_out
from scanner.text.invisible import plain

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MOST = 25_000
"""Results of a file. GitHub refuses more, and shows the first 5,000."""

NOTES = 200
SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.5"}
"""The bounds of GitHub: critical above 9.0, high from 7.0, medium from 4.0, low above 0."""

LEVELS = {"critical": "error", "high": "error", "medium": "warning"}
RANKS = {"critical": 95.0, "high": 80.0, "medium": 55.0, "low": 25.0, "info": 5.0}
_STATUSES = ("fail", "error", "unknown", "waived")
"""The statuses of findings, the worst first."""
_LONGEST = 1_000
_NO_HELP = "See the rule."
_encoder = msgspec.json.Encoder(enc_hook=message_text)


def write_sarif(document: Document, out: IO[bytes]) -> None:
    """Write a findings document as SARIF. The same document gives the same bytes."""
    omitted: Counter[str] = Counter()
    kept = heapq.nsmallest(MOST, _results(document, omitted))
    omitted.subtract(each.severity for each in kept)
    kept.sort(key=lambda each: (each.resource, each.rule))
    keys = sorted({each.key for each in kept})
    indexes = {key: index for index, key in enumerate(keys)}
    states, tenants = _BaselineStates(document.changes), tenant_labels(document.coverage.scopes, document.scan)
    fixes = PlainFixes(document)
    driver = {
        "name": "Twolocks",
        "semanticVersion": document.scan.tool.rpartition(" ")[2],
        "rules": [_descriptor(key, document.rules.get(key.partition(".")[0])) for key in keys],
    }
    counts = count(document)
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"twolocks/{_category(document)}/"},
        "invocations": [_invocation(document, omitted)],
        "columnKind": "unicodeCodePoints",
        "properties": {"endpoints": counts.by_state, "numbers": counts.numbers()},
    }
    head = {"$schema": SCHEMA, "version": "2.1.0"}
    out.write(_encoder.encode(head)[:-1] + b',"runs":[\n' + _encoder.encode(run)[:-1] + b',"results":[')
    for number, each in enumerate(kept):
        out.write(b",\n" if number else b"\n")
        row = document.findings[each.position]
        properties = _result_properties(row, fixes, tenants)
        out.write(_encoder.encode(_result(row, each.key, indexes[each.key], properties) | states.of(row)))
    out.write(b"\n]}]}\n")


class _Result(NamedTuple):
    """What decides whether a finding is a result, and where it stands: the worst one is the smallest. The findings
    themselves would take 2 kB each. `position`: that of the finding; `key`: the id of its descriptor.
    """

    severity_rank: int
    status: int
    resource: str
    rule: str
    position: int
    key: str
    severity: str


def _results(document: Document, severities: Counter[str]) -> Iterator[_Result]:
    """Yield the results of all findings, and count them by severity ("none" for one without)."""
    resource = ""
    for position, row in enumerate(document.findings):
        severity = row.severity or "none"
        severities[severity] += 1
        # The findings of a resource follow each other, so that they share its id.
        lower = row.resource.lower()
        resource = resource if resource == lower else lower
        key, rank, status = (
            _descriptor_id(row, document.rules),
            severity_rank(row.severity),
            _STATUSES.index(row.status),
        )
        yield _Result(rank, status, resource, row.rule, position, key, severity)


def _category(document: Document) -> str:
    """Return the subscriptions as a category: GitHub keeps the alerts of each category apart."""
    scopes = document.coverage.scopes[:8]
    return quote("+".join(sorted(scope.subscription.lower() for scope in scopes)) or "none", safe="+")


# Rules


def _descriptor_id(row: FindingRow, rules: Mapping[str, RuleRow]) -> str:
    """Return the id of a finding's descriptor: the rule, and its severity where that is the exposure's."""
    if row.status in ("unknown", "error"):
        return f"{row.rule}.undecided"
    if row.status == "waived":
        return f"{row.rule}.waived"
    severity = rules[row.rule].severity if row.rule in rules else None
    return row.rule if severity == row.severity else f"{row.rule}.{row.severity}"


def _descriptor(key: str, rule: RuleRow | None) -> dict[str, Any]:
    """Return a descriptor; a rule that the document does not describe has its id as title."""
    id, _, kind = key.partition(".")
    title = rule.title if rule else id
    title = _sentence({"undecided": "Not assessed: ", "waived": "Accepted: "}.get(kind, "") + title)
    severity = kind if kind in SEVERITIES else "" if kind or not rule else rule.severity or ""
    return {
        "id": key,
        "name": "".join(word.capitalize() for word in key.replace(".", "-").split("-")),
        "shortDescription": {"text": title},
        "fullDescription": {"text": _sentence(without_ticks(rule.why if rule else "") or title)},
        "help": {
            "text": (_help(rule) if rule else "") or _NO_HELP,
            "markdown": (_help_markdown(rule) if rule else "") or _NO_HELP,
        },
        **({"helpUri": page} if (page := _page(rule.references if rule else ())) else {}),
        "defaultConfiguration": {"level": LEVELS.get(severity, "note")},
        "properties": _properties(kind, severity, rule),
    }


_CONTROLS = 15


def _page(references: Sequence[str]) -> str:
    """Return the first https link. A findings file may come from somebody else, and a viewer opens what it names."""
    return next((each for each in references if _is_https(each)), "")


def _is_https(url: str) -> bool:
    return re.fullmatch(r"https://[^\s<>\"'`\\]+", url) is not None and url.isprintable()


def _properties(kind: str, severity: str, rule: RuleRow | None) -> dict[str, Any]:
    """Return precision, tags and `security-severity` of a descriptor."""
    category = rule.category if rule else ""
    tags = [category, kind] if kind in ("undecided", "waived") else ["security", category]
    tags += _control_tags(rule.controls) if rule else []
    score = {"security-severity": SCORES[severity]} if severity in SCORES else {}
    return {"precision": "very-high", "tags": tags, **score}


def _control_tags(controls: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the first controls of a rule, in turn one of each framework, because code scanning takes 20 tags."""
    turns = zip_longest(*([f"{name} {id}" for id in ids] for name, ids in sorted(controls.items())))
    return [tag for turn in turns for tag in turn if tag is not None][:_CONTROLS]


def _sentence(text: str) -> str:
    text = shortened(text, _LONGEST)
    return text if text.endswith((".", "!", "?")) else text + "."


def _help(rule: RuleRow) -> str:
    fix = rule.remediation
    label = f"Azure CLI, {IN_BASH}" if fix.az.startswith("az ") else "Azure CLI"
    az = fix.az if fix.az.startswith("az ") else without_ticks(fix.az)
    fixes = [(label, az), ("Bicep", fix.bicep), ("Terraform", fix.terraform), ("Portal", fix.portal)]
    fixes += [("Impact", without_ticks(fix.breaks)), (first_step_label(fix.first_step), fix.first_step)]
    lines = [without_ticks(rule.why), *(_labelled(name, text) for name, text in fixes if text), *rule.references]
    return "\n".join(line for line in lines if line)


def _labelled(name: str, text: str) -> str:
    return f"{name}:\n{text}" if "\n" in text else f"{name}: {text}"


def _help_markdown(rule: RuleRow) -> str:
    fix = rule.remediation
    texts = [rule.why, *_code_blocks(fix)]
    texts += [f"**Portal:** {fix.portal}"] if fix.portal else []
    texts += [f"**Impact:** {fix.breaks}"] if fix.breaks else []
    texts += [f"<{url}>" for url in rule.references if _is_https(url)]
    return "\n\n".join(segment for segment in texts if segment)


def _code_blocks(fix: Remediation) -> Iterator[str]:
    for text, language in ((fix.az, "sh"), (fix.bicep, "bicep"), (fix.terraform, "hcl")):
        is_sentence = language == "sh" and not text.startswith("az ")
        if text:
            shell = f"I{IN_BASH[1:]}:\n\n" if language == "sh" else ""
            yield text if is_sentence else f"{shell}```{language}\n{text}\n```"


# Results


def _result(row: FindingRow, key: str, index: int, properties: dict[str, Any]) -> dict[str, Any]:
    severity = row.severity or ""
    inconclusive = row.status in ("unknown", "error")
    level = "none" if inconclusive else "note" if row.status == "waived" else LEVELS.get(severity, "note")
    return {
        "ruleId": key,
        "ruleIndex": index,
        "kind": "open" if inconclusive else "fail",
        "level": level,
        **({} if inconclusive else {"rank": RANKS.get(severity, 0.0)}),
        # In a message of SARIF, [text](n) is a link and {n} takes an argument.
        "message": {"text": _sentence(_message(row).translate({ord(char): f"\\{char}" for char in "[]"}))},
        "locations": [_location(row.resource)],
        "partialFingerprints": {
            "twolocks/v1": row.fingerprint,
            # GitHub reads this one; without it an upload through the API doubles every alert.
            "primaryLocationLineHash": f"{row.fingerprint}:1",
        },
        # By the standard, all results of a run have suppressions, or none has.
        "suppressions": [_suppression(row)] if row.status == "waived" or row.waiver else [],
        "properties": properties,
    }


def _message(row: FindingRow) -> str:
    endpoints = f" ({', '.join(row.endpoints)})" if row.endpoints else ""
    prefixes = {"unknown": "Inconclusive, not passed: ", "error": "The rule crashed, not passed: "}
    return f"{name_of(row.resource)}{endpoints}: {prefixes.get(row.status, '')}{with_title(row)}"


def _result_properties(row: FindingRow, fixes: PlainFixes, tenants: Mapping[str, str]) -> dict[str, Any]:
    result: dict[str, Any] = {"severity": row.severity or "", "status": row.status, "rule": row.rule}
    tenant = tenants.get(subscription_of(row.resource))
    result |= {"tenant": plain(tenant)} if tenant else {}
    result |= {"fix": plain("; ".join(fixes.lines(row)))} if row.fix else {}
    result |= {"gaps": [plain(url) for url in row.gaps]} if row.gaps else {}
    history = {"new": row.new, "since": row.since}
    return result | {name: value for name, value in history.items() if value is not msgspec.UNSET}


class _BaselineStates:
    """The `baselineState` of each result by the history: all results have one, or none at the baseline.

    A history keeps what failed. So an inconclusive finding is `updated` where it failed before, else `unchanged`.
    """

    def __init__(self, changes: ChangesRow | None) -> None:
        self._has_states = changes is not None and not changes.baseline
        rows = [*changes.reopened, *changes.worse, *changes.unseen] if changes else []
        self._fingerprints = {row.fingerprint for row in rows}
        self._resources: dict[str, set[str]] = {}
        """Resources with a changed endpoint, in lower case, by the name of the endpoint."""
        for row in rows:
            if row.endpoint:
                self._resources.setdefault(row.endpoint.lower(), set()).add(row.resource.lower())

    def of(self, row: FindingRow) -> dict[str, str]:
        """Return the property of a result, {} where results have none."""
        if not self._has_states:
            return {}
        if row.new:
            return {"baselineState": "new"}
        changed = row.fingerprint in self._fingerprints or self._endpoint_changed(row)
        return {"baselineState": "updated" if changed else "unchanged"}

    def _endpoint_changed(self, row: FindingRow) -> bool:
        """Return whether an endpoint of the finding changed, on its resource or on one above it."""
        prefix = row.resource.lower() + "/"
        resources = (each for name in row.endpoints for each in self._resources.get(name.lower(), ()))
        return any(prefix.startswith(resource + "/") for resource in resources)


def _location(resource: str) -> dict[str, Any]:
    """Return a location: a relative URI that stays the same, and the id as it is."""
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": uri(resource)},
            "region": {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 2},
        },
        "logicalLocations": [{"fullyQualifiedName": shortened(resource, _LONGEST), "kind": "resource"}],
    }


def uri(resource: str) -> str:
    """Return an id as a relative URI in lower case. No segment leads upwards, because a `..` in a name is escaped."""
    segments = [segment for segment in resource.lower().split("/") if segment]
    encoded = [quote(each.encode("utf-8", "replace"), safe="") for each in segments]
    return "/".join(each.replace(".", "%2E") if not each.strip(".") else each for each in encoded) or "unknown"


def _suppression(row: FindingRow) -> dict[str, Any]:
    waiver = row.waiver
    until = f", until {waiver.expires}" if waiver and waiver.expires else ""
    owner = f" ({waiver.owner}{until})" if waiver and waiver.owner else ""
    ticket = f" [{waiver.ticket}]" if waiver and waiver.ticket else ""
    reason = (waiver and waiver.reason) or row.message
    return {
        "kind": "external",
        "status": "accepted",
        "justification": shortened(f"{reason}{owner}{ticket}", _LONGEST),
    }


# The run


def _invocation(document: Document, omitted: Counter[str]) -> dict[str, Any]:
    """Return what happened. `omitted`: the findings that are no results, by severity."""
    scan = document.scan
    crashed = any(row.status == "error" for row in document.findings)
    matches = list(_notifications(document))
    notifications = [_notification(_omitted(omitted), "error")] if omitted.total() else []
    notifications += matches[:NOTES]
    if len(matches) > NOTES:
        notifications.append(_notification(f"And {len(matches) - NOTES:,} more were not assessed; the JSON has all."))
    return {
        # A run with failed reads is not successful either.
        "executionSuccessful": scan.complete and not crashed,
        "startTimeUtc": scan.taken,
        "endTimeUtc": scan.finished,
        "toolExecutionNotifications": notifications,
        "properties": {
            "complete": scan.complete,
            "taken": scan.taken,
            "evaluated": scan.finished,
            "leftOff": omitted.total(),
        },
    }


def _omitted(counts: Counter[str]) -> str:
    counted = ", ".join(f"{counts[name]:,} {name}" for name in (*SEVERITIES, "none") if counts[name])
    return (
        f"{counts.total():,} results were omitted, the least severe ones ({counted}): "
        f"a file has at most {MOST:,}. The JSON has all."
    )


def _notifications(document: Document) -> Iterator[dict[str, Any]]:
    """Return a notification for each rule that crashed, and for what was not assessed."""
    for row in document.findings:
        if row.status == "error":
            yield _notification(f"Rule {row.rule} crashed: {row.message}", "error", row.resource)
    words = Words()
    yield from (_notification(f"{each}.", "note") for each in left_out(document.scan, words))
    missing = group_gaps(document, words)
    for group in missing.groups:
        yield _notification(_gap_text(group), "note" if group.accepted else "warning", group.urls[0])
    for same in missing.accepted:
        checks = f"{len(same.checks):,} {'check is' if len(same.checks) == 1 else 'checks are'}"
        yield _notification(f"{checks} inconclusive for another reason; {accepted_by(same.waiver, words)}.", "note")
    if missing.unexplained:
        yield _notification(f"{missing.unexplained:,} checks are inconclusive, although every read succeeded.")


def _gap_text(group: GapGroup) -> str:
    missing = f"missing permission {group.action}" if group.missing_permission else ", ".join(group.errors)
    up_to = f", up to {group.worst}" if group.worst else ""
    checks = (
        f"; {group.checks:,} {'check' if group.checks == 1 else 'checks'} inconclusive{up_to}" if group.checks else ""
    )
    accepted = f"; {group.accepted_by}" if group.accepted else ""
    return f"Not assessed: {group.what}: {missing}{checks}{accepted}."


def _notification(text: str, level: str = "warning", resource: str = "") -> dict[str, Any]:
    location = {"locations": [_location(resource)]} if resource else {}
    return {"level": level, "message": {"text": _sentence(text)}, **location}
