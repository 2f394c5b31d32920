"""The findings as SARIF 2.1.0, for code scanning: what fails, what could not be decided, what was accepted.

Written for how GitHub reads it (November 2026), where that differs from the standard:

- GitHub takes a severity from the rule alone (`security-severity`), but the severity of a lock rule depends on who can
  connect. So a lock rule has one descriptor a severity (`storage-shared-key.high`); what got worse is a new alert.
- GitHub shows every result as an alert, whatever its `kind` and in spite of `suppressions`. So what is undecided or
  accepted has a descriptor of its own (`RULE.undecided`, `RULE.waived`) without a severity: seen, blocking nothing.
- GitHub reads no `baselineState` (others do: with a history each result has one) and would show `absent` results as
  alerts, so what is fixed is no result. It goes from the file, and GitHub closes its alert.
- A result needs a location with a URI. There is no file, so it is made from the resource id, in lower case.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any
from urllib.parse import quote

import msgspec

from scanner.report.gaps import Entry, accepted_by, gather
from scanner.report.summary import SEVERITIES, rank
from scanner.report.text import plain
from scanner.report.words import Words

Item = Mapping[str, Any]

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MOST = 25_000
"""Results of a file; GitHub refuses more, and shows the first 5,000."""

NOTES = 200
SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.5"}
"""GitHub: critical above 9.0, high from 7.0, medium from 4.0, low above 0."""

LEVELS = {"critical": "error", "high": "error", "medium": "warning"}
RANKS = {"critical": 95.0, "high": 80.0, "medium": 55.0, "low": 25.0, "info": 5.0}
_LONGEST = 1_000
_encoder = msgspec.json.Encoder()


def write_sarif(document: Item, out: IO[bytes]) -> None:
    """Writes a findings document (schema `twolocks/1`, decoded). The same document gives the same bytes."""
    findings = sorted(document["findings"], key=_worst_first)
    kept = sorted(findings[:MOST], key=lambda row: (row["resource"].lower(), row["rule"]))
    keys = sorted({_key(row, document["rules"]) for row in kept})
    places = {key: place for place, key in enumerate(keys)}
    compared = _Compared(document.get("changes"))
    driver = {
        "name": "Twolocks",
        "semanticVersion": document["scan"]["tool"].rpartition(" ")[2],
        "rules": [_rule(key, document["rules"].get(_of(key), {})) for key in keys],
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"twolocks/{_scope(document)}/"},
        "invocations": [_invocation(document, findings[MOST:])],
        "columnKind": "unicodeCodePoints",
    }
    head = {"$schema": SCHEMA, "version": "2.1.0"}
    out.write(_encoder.encode(head)[:-1] + b',"runs":[\n' + _encoder.encode(run)[:-1] + b',"results":[')
    for place, row in enumerate(kept):
        out.write(b",\n" if place else b"\n")
        out.write(_encoder.encode(_result(row, document["rules"], places) | compared.state(row)))
    out.write(b"\n]}]}\n")


def _worst_first(row: Item) -> tuple[int, int, str, str]:
    statuses = ("fail", "error", "unknown", "waived")
    return rank(row["severity"]), statuses.index(row["status"]), row["resource"].lower(), row["rule"]


def _scope(document: Item) -> str:
    """What tells the runs of two scopes apart: GitHub keeps the alerts of each category."""
    scopes = document["coverage"]["scopes"]
    return quote("+".join(sorted(scope["subscription"].lower() for scope in scopes[:8])) or "none", safe="+")


# Rules


def _key(row: Item, rules: Mapping[str, Item]) -> str:
    """The id of a finding's descriptor: the rule, and its severity where that is the exposure's."""
    if row["status"] in ("unknown", "error"):
        return f"{row['rule']}.undecided"
    if row["status"] == "waived":
        return f"{row['rule']}.waived"
    own = rules.get(row["rule"], {}).get("severity")
    return row["rule"] if own == row["severity"] else f"{row['rule']}.{row['severity']}"


def _of(key: str) -> str:
    return key.partition(".")[0]


def _rule(key: str, rule: Item) -> dict[str, Any]:
    id, _, kind = key.partition(".")
    severity = kind if kind in SEVERITIES else "" if kind else rule.get("severity") or ""
    title = _sentence({"undecided": "Not decided: ", "waived": "Accepted: "}.get(kind, "") + rule.get("title", id))
    level = LEVELS.get(severity, "note")
    properties: dict[str, Any] = {"precision": "very-high", "tags": ["security", rule.get("category", "")]}
    if kind in ("undecided", "waived"):
        properties["tags"] = [rule.get("category", ""), kind]
    elif severity in SCORES:
        properties["security-severity"] = SCORES[severity]
    properties["tags"] += [f"{name} {control}" for name, each in _controls(rule) for control in each][:10]
    fix = rule.get("remediation", {})
    return {
        "id": key,
        "name": "".join(word.capitalize() for word in key.replace(".", "-").split("-")),
        "shortDescription": {"text": title},
        "fullDescription": {"text": _sentence(rule.get("why") or title)},
        "help": {"text": _help(rule, fix), "markdown": _help_markdown(rule, fix)},
        **({"helpUri": rule["references"][0]} if rule.get("references") else {}),
        "defaultConfiguration": {"level": level},
        "properties": properties,
    }


def _controls(rule: Item) -> Iterator[tuple[str, Sequence[str]]]:
    yield from sorted(rule.get("controls", {}).items())


def _sentence(text: str) -> str:
    text = _short(text)
    return text if text.endswith((".", "!", "?")) else text + "."


def _help(rule: Item, fix: Item) -> str:
    ways = [("Azure CLI", fix.get("az")), ("Bicep", fix.get("bicep")), ("Terraform", fix.get("terraform"))]
    ways += [("Portal", fix.get("portal")), ("What may break", fix.get("breaks"))]
    ways += [("First step", fix.get("first_step"))]
    lines = [rule.get("why") or "", *(f"{name}: {text}" for name, text in ways if text), *rule.get("references", ())]
    return "\n".join(line for line in lines if line) or "See the rule."


def _help_markdown(rule: Item, fix: Item) -> str:
    parts = [rule.get("why") or ""]
    for name, language in (("az", "sh"), ("bicep", "bicep"), ("terraform", "hcl")):
        if text := fix.get(name):
            fence = "```" if text.startswith("az ") or name != "az" else ""
            parts.append(f"{fence}{language}\n{text}\n{fence}" if fence else text)
    parts += [f"**Portal:** {fix['portal']}"] if fix.get("portal") else []
    parts += [f"**What may break:** {fix['breaks']}"] if fix.get("breaks") else []
    parts += [f"<{url}>" for url in rule.get("references", ())]
    return "\n\n".join(part for part in parts if part) or "See the rule."


# Results


def _result(row: Item, rules: Mapping[str, Item], places: Mapping[str, int]) -> dict[str, Any]:
    key = _key(row, rules)
    severity = row["severity"] or ""
    undecided = row["status"] in ("unknown", "error")
    level = "none" if undecided else "note" if row["status"] == "waived" else LEVELS.get(severity, "note")
    said = {"unknown": "Not decided, which is no pass: ", "error": "The rule crashed, which is no pass: "}
    endpoints = f" ({', '.join(row['endpoints'])})" if row["endpoints"] else ""
    name = row["resource"].rstrip("/").rsplit("/", 1)[-1]
    text = f"{name}{endpoints}: {said.get(row['status'], '')}{row['message']}"
    properties: dict[str, Any] = {"severity": severity, "status": row["status"], "rule": row["rule"]}
    properties |= {"fix": plain(row["fix"])} if row["fix"] else {}
    properties |= {"gaps": [plain(url) for url in row["gaps"]]} if row["gaps"] else {}
    properties |= {name: row[name] for name in ("new", "since") if row.get(name) is not None}
    return {
        "ruleId": key,
        "ruleIndex": places[key],
        "kind": "open" if undecided else "fail",
        "level": level,
        **({} if undecided else {"rank": RANKS.get(severity, 0.0)}),
        # In a message of SARIF, [text](n) is a link and {n} takes an argument.
        "message": {"text": _sentence(text.translate({ord(char): f"\\{char}" for char in "[]"}))},
        "locations": [_location(row["resource"])],
        "partialFingerprints": {
            "twolocks/v1": row["fingerprint"],
            # The one that GitHub reads; without it an upload through the API doubles every alert.
            "primaryLocationLineHash": f"{row['fingerprint']}:1",
        },
        # The standard: all results of a run have it, or none.
        "suppressions": [_suppression(row)] if row["status"] == "waived" or row.get("waiver") else [],
        "properties": properties,
    }


class _Compared:
    """What the history says of each result: `baselineState`, which all have or none. None at the baseline.

    A history keeps what failed. So what could not be decided is `updated` where it failed before, else `unchanged`.
    """

    def __init__(self, changes: Item | None) -> None:
        self.whole = changes is not None and not changes["baseline"]
        rows = [row for name in ("reopened", "worse", "unseen") for row in changes[name]] if changes else []
        self._marks = {row["fingerprint"] for row in rows}
        self._doors: dict[str, set[str]] = {}
        for row in rows:
            if row["endpoint"]:
                self._doors.setdefault(row["endpoint"].lower(), set()).add(row["resource"].lower())

    def state(self, row: Item) -> dict[str, str]:
        if not self.whole:
            return {}
        if row.get("new"):
            return {"baselineState": "new"}
        return {"baselineState": "updated" if row["fingerprint"] in self._marks or self._moved(row) else "unchanged"}

    def _moved(self, row: Item) -> bool:
        """Whether a door moved that the finding names, on its resource or on one above it."""
        own = row["resource"].lower() + "/"
        doors = (door for name in row["endpoints"] for door in self._doors.get(name.lower(), ()))
        return any(own.startswith(door + "/") for door in doors)


def _location(resource: str) -> dict[str, Any]:
    """A relative URI that stays the same, and the id as it is."""
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": uri(resource)},
            "region": {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 2},
        },
        "logicalLocations": [{"fullyQualifiedName": _short(resource), "kind": "resource"}],
    }


def uri(resource: str) -> str:
    """The id as a relative URI, in lower case. No segment climbs: a `..` in a name is escaped."""
    segments = [segment for segment in resource.lower().split("/") if segment]
    encoded = [quote(each.encode("utf-8", "replace"), safe="") for each in segments]
    return "/".join(each.replace(".", "%2E") if not each.strip(".") else each for each in encoded) or "unknown"


def _suppression(row: Item) -> dict[str, Any]:
    waiver = row.get("waiver") or {}
    until = f", until {waiver['expires']}" if waiver.get("expires") else ""
    who = f" ({waiver['owner']}{until})" if waiver.get("owner") else ""
    ticket = f" [{waiver['ticket']}]" if waiver.get("ticket") else ""
    return {
        "kind": "external",
        "status": "accepted",
        "justification": _short(f"{waiver.get('reason') or row['message']}{who}{ticket}"),
    }


# The run


def _invocation(document: Item, left: Sequence[Item]) -> dict[str, Any]:
    scan = document["scan"]
    crashed = any(row["status"] == "error" for row in document["findings"])
    notes = list(_notes(document))
    notes = [
        *([_note(_left(left), "error")] if left else []),
        *notes[:NOTES],
        *(
            [_note(f"And {len(notes) - NOTES:,} more could not be read; the JSON has all.")]
            if len(notes) > NOTES
            else []
        ),
    ]
    return {
        # What could not be read is no success of the run, either.
        "executionSuccessful": bool(scan["complete"]) and not crashed,
        "startTimeUtc": scan["started"],
        "endTimeUtc": scan["finished"],
        "toolExecutionNotifications": notes,
        "properties": {"complete": scan["complete"], "taken": scan["taken"], "leftOff": len(left)},
    }


def _left(left: Sequence[Item]) -> str:
    counts = Counter(row["severity"] or "none" for row in left)
    said = ", ".join(f"{counts[name]:,} {name}" for name in (*SEVERITIES, "none") if counts[name])
    return (
        f"{len(left):,} results are left off, the mildest ones ({said}): no more than {MOST:,} fit. The JSON has all."
    )


def _notes(document: Item) -> Iterator[dict[str, Any]]:
    """What could not be read, and which rules crashed."""
    for row in document["findings"]:
        if row["status"] == "error":
            yield _note(f"Rule {row['rule']} crashed: {row['message']}", "error", row["resource"])
    missing = gather(document, Words())
    for entry in missing.entries:
        yield _note(_entry(entry), "note" if entry.accepted else "warning", entry.urls[0])
    for group in missing.agreed:
        checks = f"{len(group.places):,} {'check is' if len(group.places) == 1 else 'checks are'}"
        yield _note(f"{checks} undecided for another reason; {accepted_by(group.waiver)}.", "note")
    if missing.other:
        yield _note(f"{missing.other:,} checks are undecided for another reason than a read that failed.")


def _entry(entry: Entry) -> str:
    missing = f"missing {entry.action}" if entry.curable else ", ".join(entry.errors)
    up_to = f", up to {entry.worst}" if entry.worst else ""
    checks = f"; {entry.checks:,} {'check' if entry.checks == 1 else 'checks'} undecided{up_to}" if entry.checks else ""
    accepted = f"; {accepted_by(entry.waiver)}" if entry.accepted else ""
    return f"Not read: {entry.what}: {missing}{checks}{accepted}."


def _note(text: str, level: str = "warning", resource: str = "") -> dict[str, Any]:
    place = {"locations": [_location(resource)]} if resource else {}
    return {"level": level, "message": {"text": _sentence(text)}, **place}


def _short(text: object) -> str:
    said = plain(text)
    return said if len(said) <= _LONGEST else said[:_LONGEST] + " [cut]"
