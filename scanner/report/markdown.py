"""Write a summary in Markdown for the page of a job (`$GITHUB_STEP_SUMMARY`, Azure DevOps) or a comment.

It is not a full report: it has the most severe endpoints, the changes, and what was not assessed, each list with its
count and "and N more". Names and messages come from Azure, so they are in code spans, where nothing is markup, a link
or a mention.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import IO

from scanner.document.schema import ChangeRow, ChangesRow, Document, ExposureRow, FindingRow, FixRow
from scanner.document.states import STATES, state_word
from scanner.evaluate.counts import Counts, rank
from scanner.model.ids import name_of
from scanner.model.verdict import SEVERITIES
from scanner.report.gaps import GapGroup, accepted_by, group_gaps
from scanner.report.headline import headline, inconclusive
from scanner.report.summary import ReportSummary, summarize
from scanner.report.text import field_lines, has_invisible, shortened, split_fix, uncovered_types
from scanner.report.words import Words, scanned

MOST_BYTES = 900_000
"""GitHub refuses a summary above 1 MiB (1,048,576 bytes)."""

ENDPOINTS, RULES, GAPS, CHANGES, NOTES = 20, 20, 20, 20, 10
_LONGEST = 300
_TICKS = re.compile("`+")
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>+\-.!|~:&$])")


def write_markdown(document: Document, out: IO[bytes]) -> None:
    """Write a summary of a findings document. The same document gives the same bytes."""
    parts: list[str] = []
    room = MOST_BYTES
    for part in _parts(document):
        room -= len(part.encode()) + 1
        if room < 0:
            parts.append("The summary is cut here; the findings file has everything.\n")
            break
        parts.append(part)
    out.write("\n".join(parts).encode())


def code(text: object) -> str:
    """Return foreign text as a code span: nothing in it is markup, and invisible characters show as `[U+202E]`."""
    found = shortened(text, _LONGEST)
    fence = "`" * (max((len(run) for run in _TICKS.findall(found)), default=0) + 1)
    pad = " " if found.startswith(("`", " ")) or found.endswith(("`", " ")) or not found else ""
    return f"{fence}{pad}{found}{pad}{fence}"


def text(sentence: object) -> str:
    """Return a sentence with its markup escaped. `@` and `#` become code spans: GitHub links them even if escaped."""
    found = _MARKUP.sub(r"\\\1", shortened(sentence, _LONGEST))
    return re.sub("[@#]", lambda hit: f"`{hit[0]}`", found)


def block(command: str) -> str:
    """Return a command in a fence that the command cannot end."""
    fence = "`" * max(3, max((len(run) for run in _TICKS.findall(command)), default=0) + 1)
    return f"  {fence}sh\n  {command}\n  {fence}"


def _parts(document: Document) -> Iterator[str]:
    words, summary = Words(), summarize(document)
    yield _headline(document, summary, words)
    yield _scope(document, words)
    yield _counts(summary.counts)
    if document.changes:
        yield from _changes(document, document.changes, words)
    yield from _endpoints(document)
    yield from _other_findings(document)
    yield from _info(summary.counts)
    yield from _not_assessed(document, summary.counts, words)
    yield from _uncovered(document)
    yield from _notes(document)


def _headline(document: Document, summary: ReportSummary, words: Words) -> str:
    """Return the headline of the result of a scan."""
    if not document.exposures and not summary.counts.checks and summary.complete:
        return f"# Twolocks: {words('headline.empty')}\n"
    found = headline(summary.counts, document.coverage.scopes, words, complete=summary.complete)
    why = f"\n{text(found.reasons)}.\n" if found.reasons else ""
    return f"# Twolocks: {text(found)}\n{why}"


def _scope(document: Document, words: Words) -> str:
    scan, scopes = document.scan, document.coverage.scopes
    views = {"full": "", "partial": " (partial visibility)"}
    named = [
        code(scope.name or scope.subscription) + views.get(scope.view, " (no visibility)") for scope in scopes[:10]
    ]
    named += [f"and {len(scopes) - 10:,} more"] if len(scopes) > 10 else []
    complete = "complete" if scan.complete else "**incomplete**: see what was not assessed"
    where = f" of {', '.join(named)}" if named else ""
    return f"{scan.resources:,} resources{where}, {scanned(words, scan.taken, scan.evaluated)}; {complete}.\n"


def _counts(counts: Counts) -> str:
    lines = ["| severity | open endpoints | other findings |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {counts.open[name]:,} | {counts.other_failures[name]:,} |" for name in SEVERITIES]
    unknown, errors, states = counts.statuses["unknown"], counts.statuses["error"], counts.states
    more = [f"{_checks(unknown)} inconclusive; none of them counts as passed"] if unknown else []
    more += [f"{_checks(errors)} crashed"] if errors else []
    named = [f"{states[name]:,} {state_word(name)}" for name in STATES if states[name]]
    more += [f"{counts.endpoints:,} endpoints: {', '.join(named)}"] if named else []
    return "\n".join(lines) + (f"\n\n{'; '.join(more)}.\n" if more else "\n")


def _checks(count: int) -> str:
    return f"{count:,} {'check' if count == 1 else 'checks'}"


def _changes(document: Document, changes: ChangesRow, words: Words) -> Iterator[str]:
    yield f"## Changes{f' since {words.date_and_time(changes.since)}' if changes.since else ''}\n"
    if changes.baseline:
        yield "This is the first scan, the baseline. Nothing in it is new.\n"
    yield _change_counts(changes.counts)
    yield from (f"{text(note)}\n" for note in changes.notes)
    exposures = [row for row in document.exposures if row.new and row.state == "open" and row.severity]
    findings = [row for row in document.findings if row.new and row.status == "fail" and row.is_counted]
    yield from _change_list("new", [*exposures, *findings])
    yield from _change_list("reopened", changes.reopened)
    yield from _change_list("raised", changes.worse)
    yield from _change_list("fixed", changes.fixed)
    yield from _change_list("no longer visible, not fixed", changes.unseen)


def _change_counts(counts: dict[str, int]) -> str:
    names = {
        "new": "new", "reopened": "reopened", "worse": "raised", "better": "lowered", "fixed": "fixed",
        "unseen": "no longer visible", "first_looked": "evaluated for the first time", "open": "still open",
    }  # fmt: skip
    counted = [f"{counts[key]:,} {word}" for key, word in names.items() if counts.get(key) or (key == "new" and counts)]
    return f"{', '.join(counted)}.\n" if counted else ""


def _change_list(word: str, rows: Sequence[ExposureRow | FindingRow | ChangeRow]) -> Iterator[str]:
    ordered = sorted(rows, key=lambda row: (rank(row.severity), row.resource.lower(), row.fingerprint))
    for row in ordered[:CHANGES]:
        endpoint = ", ".join(row.endpoints) if isinstance(row, FindingRow) else row.endpoint
        where = f"{code(name_of(row.resource))}{f' {code(endpoint)}' if endpoint else ''}"
        why = (row.why if isinstance(row, ChangeRow) else "") or row.title
        yield f"- **{word}** {row.severity or ''} {where}: {text(why)}".replace("  ", " ")
    if len(ordered) > CHANGES:
        yield f"- and {len(ordered) - CHANGES:,} more {word}"
    if ordered:
        yield ""


def _endpoints(document: Document) -> Iterator[str]:
    """List the most severe open endpoints; those of one resource that one command fixes are one entry."""
    rows = [row for row in document.exposures if row.state == "open" and row.severity]
    groups: dict[tuple[str, str], list[ExposureRow]] = {}
    for row in sorted(rows, key=lambda row: rank(row.severity)):
        groups.setdefault((row.resource.lower(), row.fix.key if row.fix else row.endpoint), []).append(row)
    if not groups:
        return
    yield "## Most severe endpoints\n"
    for same in list(groups.values())[:ENDPOINTS]:
        first, more = same[0], len(same) - 1
        others = f" and {more:,} more" if more else ""
        name = code(name_of(first.resource))
        yield f"- **{first.severity}** {name} {code(first.endpoint)}{others}: {text(first.title)}"
        yield from _fix(first.fix)
    if len(groups) > ENDPOINTS:
        left = sum(len(same) for same in list(groups.values())[ENDPOINTS:])
        yield f"- and {left:,} more open endpoints"
    yield ""


def _fix(fix: FixRow | None) -> Iterator[str]:
    sentence, commands = split_fix(fix)
    if any(map(has_invisible, commands)):
        yield "\n  No command is shown because the name contains invisible characters. Use the portal.\n"
    elif commands:
        yield from (f"\n{block(command)}\n" for command in commands)
        yield from (f"  {text(line)}" for line in field_lines(fix))
    elif sentence:
        yield f"  {text(sentence)}"


def _other_findings(document: Document) -> Iterator[str]:
    """List the rules that fail without an endpoint, with the number of resources."""
    counted = Counter(
        (rank(row.severity), row.rule, row.title)
        for row in document.findings
        if row.status == "fail" and row.is_counted and rank(row.severity) <= rank("medium")
    )
    if not counted:
        return
    ordered = sorted(counted.items(), key=lambda each: (each[0][0], -each[1], each[0][1]))
    yield "## Other findings, medium or above\n"
    for (severity, rule, title), count in ordered[:RULES]:
        yield f"- **{SEVERITIES[severity]}** {count:,} x {code(rule)}: {text(title)}"
    if len(counted) > RULES:
        yield f"- and {len(counted) - RULES:,} more rules"
    yield ""


def _info(counts: Counts) -> Iterator[str]:
    """List the findings of severity info, one line a type."""
    groups = counts.info_groups()
    if not groups:
        return
    yield "## Findings of severity info\n"
    for group in groups[:RULES]:
        names, others = group.names(RULES)
        more = f" and {others:,} more rules" if others else ""
        yield f"- {code(group.type)}: {group.count()}, {', '.join(map(code, names))}{more}"
    if len(groups) > RULES:
        yield f"- and {len(groups) - RULES:,} more types"
    yield ""


def _not_assessed(document: Document, counts: Counts, words: Words) -> Iterator[str]:
    missing = group_gaps(document, words)
    if not (missing.groups or missing.unexplained or missing.accepted):
        return
    yield "## Not assessed; none of it counts as passed\n"
    unknown, worse = counts.not_assessed, counts.in_part
    if unknown:
        yield f"{unknown:,} {'endpoint' if unknown == 1 else 'endpoints'} may be publicly accessible.\n"
    if worse:
        yield f"{worse:,} {'endpoint' if worse == 1 else 'endpoints'} may be more exposed than shown above.\n"
    if said := inconclusive(counts, words):
        yield f"{text(said)}.\n"
    yield from (_gap(group) for group in missing.groups[:GAPS])
    if len(missing.groups) > GAPS:
        yield f"- and {len(missing.groups) - GAPS:,} more"
    for same in missing.accepted[:GAPS]:
        yield f"- {_checks(len(same.checks))} inconclusive for another reason; {text(accepted_by(same.waiver))}"
    if missing.unexplained:
        yield f"- {_checks(missing.unexplained)} inconclusive, although every read succeeded"
    yield ""


def _gap(group: GapGroup) -> str:
    why = (
        f"missing permission {code(group.action)}"
        if group.missing_permission
        else code(", ".join(group.errors) or "no answer")
    )
    up_to = f"up to **{group.worst}**, " if group.worst else ""
    checks = f"{up_to}{_checks(group.checks)}: " if group.checks else ""
    accepted = f"; {text(group.accepted_by)}" if group.accepted else ""
    return f"- {checks}{code(group.what)}, {why}{accepted}"


def _uncovered(document: Document) -> Iterator[str]:
    """Name the types that no rule covers."""
    types = uncovered_types(document.coverage.types, RULES)
    if types:
        yield f"Not covered by any rule: {text(types)}.\n"


def _notes(document: Document) -> Iterator[str]:
    """List the notes of the scan, such as waivers that expired or match nothing."""
    notes = document.coverage.notes
    if not notes:
        return
    yield "## Notes\n"
    yield from (f"- {text(note)}" for note in notes[:NOTES])
    if len(notes) > NOTES:
        yield f"- and {len(notes) - NOTES:,} more"
    yield ""
