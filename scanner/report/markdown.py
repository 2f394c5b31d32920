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
from scanner.document.states import STATES
from scanner.document.tenants import scope_labels
from scanner.evaluate.counts import Counts
from scanner.evaluate.fix_groups import SEVERE
from scanner.model.framework import in_order
from scanner.model.ids import path_of
from scanner.model.severity import SEVERITIES, severity_rank
from scanner.report.language.localized import localized
from scanner.report.language.text import code_parts, field_lines, has_invisible, shortened, split_fix, uncovered_types
from scanner.report.language.words import ENGLISH, Words, scanned
from scanner.report.views.due import Due, accepted
from scanner.report.views.first_changes import by_severity, effect, total
from scanner.report.views.frameworks import none_passed, tested
from scanner.report.views.gaps import GapGroup, accepted_by, group_gaps
from scanner.report.views.headline import headline, inconclusive, left_out
from scanner.report.views.management import Management, summarize_with_management
from scanner.report.views.owners import ResourceOwners
from scanner.report.views.places import eea_sentence, groups
from scanner.report.views.responsibility import whose_word
from scanner.report.views.services import Services
from scanner.report.views.summary import ReportSummary

MOST_BYTES = 900_000
"""GitHub refuses a summary above 1 MiB (1,048,576 bytes)."""

CHANGES_FIRST, RULES, GAPS, CHANGES, NOTES = 10, 20, 20, 20, 10
_LONGEST = 300
_TICKS = re.compile("`+")
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>+\-.!|~:&$])")


def write_markdown(document: Document, out: IO[bytes], language: str = ENGLISH) -> None:
    """Write a summary of a findings document. The same document gives the same bytes."""
    words = Words(language)
    sections: list[str] = []
    room = MOST_BYTES
    for section in _sections(localized(document, words), words):
        room -= len(section.encode()) + 1
        if room < 0:
            sections.append(f"{words('summary.cut')}\n")
            break
        sections.append(section)
    out.write("\n".join(sections).encode())


def code(text: object) -> str:
    """Return foreign text as a code span: nothing in it is markup, and invisible characters show as `[U+202E]`."""
    value = shortened(text, _LONGEST)
    fence = "`" * (max((len(run) for run in _TICKS.findall(value)), default=0) + 1)
    pad = " " if value.startswith(("`", " ")) or value.endswith(("`", " ")) or not value else ""
    return f"{fence}{pad}{value}{pad}{fence}"


def text(sentence: object) -> str:
    """Return a sentence with its markup escaped. `@` and `#` become code spans: GitHub links them even if escaped."""
    value = _MARKUP.sub(r"\\\1", shortened(sentence, _LONGEST))
    return re.sub("[@#]", lambda hit: f"`{hit[0]}`", value)


def prose(sentence: str) -> str:
    """Return a sentence with its code in code spans, and the markup of the rest escaped."""
    return "".join(code(part) if is_code else text(part) for part, is_code in code_parts(sentence))


def block(command: str) -> str:
    """Return a command in a fence that the command cannot end."""
    fence = "`" * max(3, max((len(run) for run in _TICKS.findall(command)), default=0) + 1)
    return f"  {fence}sh\n  {command}\n  {fence}"


def _sections(document: Document, words: Words) -> Iterator[str]:
    summary, management = summarize_with_management(document)
    yield _headline(document, summary, words)
    yield _scope(document, words)
    yield _counts(summary.counts, words)
    if document.changes:
        yield from _changes(document, document.changes, words)
    yield from _first(document, summary.counts, words)
    yield from _other_findings(document, words)
    yield from _info(summary.counts, words)
    yield from _not_assessed(document, summary.counts, words)
    yield from _management(document, management, words)
    yield from _uncovered(document, words)
    yield from _notes(document, words)


def _headline(document: Document, summary: ReportSummary, words: Words) -> str:
    """Return the headline of the result of a scan."""
    if not document.exposures and not summary.counts.checks and summary.complete:
        return f"# {words('summary.title', text=words('headline.empty'))}\n"
    result = headline(summary.counts, document.coverage.scopes, words, complete=summary.complete)
    why = f"\n{text(result.reasons)}.\n" if result.reasons else ""
    return f"# {words('summary.title', text=text(result))}\n{why}"


def _scope(document: Document, words: Words) -> str:
    scan, scopes = document.scan, document.coverage.scopes
    labels = scope_labels(scopes, scan)
    views = {"full": "", "partial": "summary.partial"}
    named = []
    for scope in scopes[:10]:
        name, view = code(labels[scope.subscription.lower()]), views.get(scope.view, "summary.no_view")
        named.append(words(view, name=name) if view else name)
    named += [words("summary.and_more", len(scopes) - 10)] if len(scopes) > 10 else []
    return words(
        "summary.scope" if named else "summary.scope_of_none",
        resources=words("count.resources", scan.resources),
        time=scanned(words, scan.taken, scan.evaluated),
        state=words("summary.complete" if scan.complete else "summary.incomplete"),
        scopes=", ".join(named),
    ) + "".join([*(f" {text(each)}." for each in left_out(scan, words)), "\n"])


def _counts(counts: Counts, words: Words) -> str:
    names = ("severity", "open_endpoints", "other_findings")
    lines = [f"| {' | '.join(words(f'summary.{each}') for each in names)} |", "| --- | ---: | ---: |"]
    for name in SEVERITIES:
        numbers = [words.number(each[name]) for each in (counts.open, counts.other_failures)]
        lines.append(f"| {_severity(name, words)} | {' | '.join(numbers)} |")
    unknown, errors, states = counts.statuses["unknown"], counts.statuses["error"], counts.states
    more = [words("summary.inconclusive", unknown)] if unknown else []
    more += [words("summary.crashed", errors)] if errors else []
    named = [f"{words.number(states[name])} {words(f'state.{name}')}" for name in STATES if states[name]]
    more += [words("summary.endpoints_by_state", counts.endpoints, states=", ".join(named))] if named else []
    return "\n".join(lines) + (f"\n\n{'; '.join(more)}.\n" if more else "\n")


def _severity(name: str | None, words: Words) -> str:
    """Return the word of a severity within a sentence, "" for none."""
    return words(f"severity.{name}").lower() if name in SEVERITIES else ""


def _changes(document: Document, changes: ChangesRow, words: Words) -> Iterator[str]:
    since = words.date_and_time(changes.since) if changes.since else ""
    yield f"## {words('summary.changes_since', since=since) if since else words('summary.changes')}\n"
    if changes.baseline:
        yield f"{words('summary.baseline')}\n"
    yield _change_counts(changes.counts, words)
    yield from (f"{text(note)}\n" for note in changes.notes)
    exposures = [row for row in document.exposures if row.new and row.state == "open" and row.severity]
    findings = [row for row in document.findings if row.new and row.status == "fail" and row.is_counted]
    yield from _change_list("new", [*exposures, *findings], words)
    yield from _change_list("reopened", changes.reopened, words)
    yield from _change_list("worse", changes.worse, words)
    yield from _change_list("fixed", changes.fixed, words)
    yield from _change_list("unseen", changes.unseen, words)


def _change_counts(counts: dict[str, int], words: Words) -> str:
    names = ("new", "reopened", "worse", "better", "fixed", "unseen", "first_looked", "open")
    counted = [
        words(f"summary_change.{name}", counts[name])
        for name in names
        if counts.get(name) or (name == "new" and counts)
    ]
    return f"{', '.join(counted)}.\n" if counted else ""


def _change_list(name: str, rows: Sequence[ExposureRow | FindingRow | ChangeRow], words: Words) -> Iterator[str]:
    mark = words(f"summary_mark.{name}")
    ordered = sorted(rows, key=lambda row: (severity_rank(row.severity), row.resource.lower(), row.fingerprint))
    for row in ordered[:CHANGES]:
        endpoint = ", ".join(row.endpoints) if isinstance(row, FindingRow) else row.endpoint
        where = f"{code(path_of(row.resource))}{f' {code(endpoint)}' if endpoint else ''}"
        why = (row.why if isinstance(row, ChangeRow) else "") or row.title
        yield f"- **{mark}** {_severity(row.severity, words)} {where}: {text(why)}".replace("  ", " ")
    if len(ordered) > CHANGES:
        yield f"- {words('summary.more_marked', len(ordered) - CHANGES, mark=mark)}"
    if ordered:
        yield ""


def _first(document: Document, counts: Counts, words: Words) -> Iterator[str]:
    """List the changes to make first, each with what it answers, what a trial showed, its impact and its owner."""
    groups = [each for each in counts.fix_groups() if severity_rank(each.severity) <= severity_rank("low")]
    if not groups:
        return
    yield f"## {words('first.heading')}\n"
    first, owners = counts.first_changes(), ResourceOwners(document)
    if first.groups:
        yield f"{text(total(first, words))}.\n"
    if any(group.fix and group.fix.commands for group in groups[:CHANGES_FIRST]):
        yield f"{words('summary.in_bash')}\n"
    for group in groups[:CHANGES_FIRST]:
        others = f" {words('summary.and_more', group.items - 1)}" if group.items > 1 else ""
        name = code(path_of(group.resource)) + (f" {code(group.endpoint)}" if group.endpoint else "")
        yield f"- **{_severity(group.severity, words)}** {name}{others}: {text(group.title)}"
        more = [f"{by_severity(group, words)}. {effect(group, words)}".rstrip()]
        more += [words("first.owner", name=owner)] if (owner := owners.of(group.resource)) else []
        yield f"  {text(' '.join(more))}"
        yield from _fix(group.fix, words)
    listed = sum(each.items for each in groups[:CHANGES_FIRST])
    if left := sum(counts.by_severity[name] for name in SEVERITIES if name != "info") - listed:
        yield f"- {words('summary.more_open', left)}"
    yield ""


def _fix(fix: FixRow | None, words: Words) -> Iterator[str]:
    sentence, commands = split_fix(fix)
    if any(map(has_invisible, commands)):
        yield f"\n  {words('summary.no_command')}\n"
    elif commands:
        yield from (f"\n{block(command)}\n" for command in commands)
        yield from (f"  {text(line)}" for line in field_lines(fix))
        if fix is not None and fix.impact:
            yield f"  {prose(words('endpoints.cuts', text=fix.impact))}"
    elif sentence:
        yield f"  {prose(sentence)}"


def _other_findings(document: Document, words: Words) -> Iterator[str]:
    """List the rules that fail without an endpoint, with the number of resources."""
    counted = Counter(
        (severity_rank(row.severity), row.rule, row.title)
        for row in document.findings
        if row.status == "fail" and row.is_counted and severity_rank(row.severity) <= severity_rank("medium")
    )
    if not counted:
        return
    ordered = sorted(counted.items(), key=lambda each: (each[0][0], -each[1], each[0][1]))
    yield f"## {words('summary.others')}\n"
    for (severity, rule, title), count in ordered[:RULES]:
        rated = _severity(SEVERITIES[severity], words)
        yield f"- **{rated}** {words.number(count)} x {code(rule)}: {text(title)}"
    if len(counted) > RULES:
        yield f"- {words('summary.more_rules', len(counted) - RULES)}"
    yield ""


def _info(counts: Counts, words: Words) -> Iterator[str]:
    """List the findings of severity info, one line a type."""
    groups = counts.info_groups()
    if not groups:
        return
    yield f"## {words('summary.info')}\n"
    for group in groups[:RULES]:
        names, others = group.names(RULES)
        more = f" {words('summary.more_rules', others)}" if others else ""
        count = words("count.findings", group.rules.total())
        yield f"- {code(group.type)}: {count}, {', '.join(map(code, names))}{more}"
    if len(groups) > RULES:
        yield f"- {words('summary.more_types', len(groups) - RULES)}"
    yield ""


def _not_assessed(document: Document, counts: Counts, words: Words) -> Iterator[str]:
    missing = group_gaps(document, words)
    if not (missing.groups or missing.unexplained or missing.accepted):
        return
    yield f"## {words('summary.not_assessed')}\n"
    for name, count in (("may_be_open", counts.not_assessed), ("may_be_worse", counts.in_part)):
        if count:
            yield f"{words(f'summary.{name}', count)}\n"
    if message := inconclusive(counts, words):
        yield f"{text(message)}.\n"
    yield from (_gap(group, words) for group in missing.groups[:GAPS])
    if len(missing.groups) > GAPS:
        yield f"- {words('summary.and_more', len(missing.groups) - GAPS)}"
    for same in missing.accepted[:GAPS]:
        accepted = text(accepted_by(same.waiver, words))
        yield f"- {words('summary.another_reason', len(same.checks), accepted=accepted)}"
    if missing.unexplained:
        yield f"- {words('summary.unexplained', missing.unexplained)}"
    yield ""


def _gap(group: GapGroup, words: Words) -> str:
    if group.missing_permission:
        why = words("summary.missing_permission", action=code(group.action))
    else:
        why = code(", ".join(group.errors) or words("summary.no_answer"))
    checks = words("count.checks", group.checks)
    if group.worst:
        checks = words("summary.up_to", severity=f"**{_severity(group.worst, words)}**", checks=checks)
    counted = f"{checks}: " if group.checks else ""
    accepted = f"; {text(group.accepted_by)}" if group.accepted else ""
    return f"- {counted}{code(group.what)}, {why}{accepted}"


def _management(document: Document, management: Management, words: Words) -> Iterator[str]:
    """Say what is by service and owner, who is responsible, where data lies, and what of each framework is tested."""
    yield from _services(management.services, words)
    yield from _due(management.due, words)
    if whose := management.whose.totals():
        yield f"## {words('responsibility.heading')}\n"
        named = (f"{whose_word(name, words)}: {words.number(n)}" for name, n in whose.items())
        yield f"{text(', '.join(named))}.\n"
    if len(document.places):
        yield f"## {words('places.heading')}\n"
        yield f"{text(eea_sentence(groups(document.places), words))}.\n"
    if document.frameworks:
        yield f"## {words('frameworks.heading')}\n"
        for row in in_order(document.frameworks):
            passed = none_passed(row, words) or f"{words('frameworks.passed', row.states['passed'])}."
            yield f"- {text(row.name)}: {text(f'{tested(row, words)}. {passed}')}"
        yield ""


def _services(services: Services, words: Words) -> Iterator[str]:
    rows = services.named(words)
    if not rows:
        return
    yield f"## {words('services.heading')}\n"
    heads = [words(f"services.{each}") for each in ("service", "resources", "endpoints", "open")]
    yield f"| {' | '.join([*heads, *(_severity(each, words) for each in SEVERITIES)])} |\n| --- {'| ---: ' * 8}|"
    for name, each in rows[:RULES]:
        numbers = (each.resources, each.endpoints, each.open, *(each.failed[name] for name in SEVERITIES))
        yield f"| {text(name)} | {' | '.join(map(words.number, numbers))} |"
    if len(rows) > RULES:
        yield f"\n{words('summary.and_more', len(rows) - RULES)}"
    yield ""


def _due(due: Due, words: Words) -> Iterator[str]:
    if owners := due.rows():
        yield f"## {words('due.owners')}\n"
    for owner, counts in owners[:RULES]:
        numbers = zip(counts, SEVERE, strict=True)
        said = ", ".join(f"{words.number(n)} {_severity(name, words)}" for n, name in numbers if n)
        yield f"- {code(owner) if owner else words('due.nobody')}: {said}"
    if len(owners) > RULES:
        yield f"- {words('summary.and_more', len(owners) - RULES)}"
    if owners:
        yield ""
    if ends := due.ends():
        yield f"## {words('due.ends')}\n"
        for end in ends[:RULES]:
            yield f"- {text(words.date(end.date))}: {accepted([end], words, code)}"
        if len(ends) > RULES:
            yield f"- {words('summary.and_more', len(ends) - RULES)}"
        yield ""


def _uncovered(document: Document, words: Words) -> Iterator[str]:
    """Name the types that no rule covers."""
    types = uncovered_types(document.coverage.types, words, RULES)
    if types:
        yield f"{words('summary.uncovered', types=text(types))}\n"


def _notes(document: Document, words: Words) -> Iterator[str]:
    """List the notes of the scan, such as waivers that expired or match nothing."""
    notes = document.coverage.notes
    if not notes:
        return
    yield f"## {words('summary.notes')}\n"
    yield from (f"- {text(note)}" for note in notes[:NOTES])
    if len(notes) > NOTES:
        yield f"- {words('summary.and_more', len(notes) - NOTES)}"
    yield ""
