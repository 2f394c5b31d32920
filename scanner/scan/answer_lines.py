"""The blocks of a last screen that people act on: numbers by severity, what to change first, the next command."""

import shlex
from collections.abc import Iterator, Sequence

from scanner.config.commands import SCAN
from scanner.config.settings import Settings
from scanner.document import schema as rows
from scanner.evaluate.counts import Counts
from scanner.evaluate.fix_groups import FixGroup
from scanner.model.ids import path_of
from scanner.model.severity import SEVERITIES, Severity
from scanner.report.language.text import field_lines, split_fix, without_ticks
from scanner.report.language.words import Words
from scanner.report.views.first_changes import by_severity, effect, total
from scanner.terminal.lines import Line
from scanner.terminal.text import odd

INDENT = 2
_COLUMN = 14
_NOT_SHOWN = ("out", "snapshot", "quiet", "verbose", "format", "severity", "resume")
"""The options of `scan` that the next command leaves out."""
NOT_RESUMED = ("resume", "no-journal", "deadline", "quiet", "verbose")
"""Those that the command leaves out with which an interrupted scan goes on."""


def severity_lines(counts: Counts) -> Iterator[Line]:
    """Yield open endpoints and other findings by severity, then the endpoints that were not assessed.

    Nothing where all are 0.
    """
    table = [(name, counts.open[name], counts.other_failures[name]) for name in SEVERITIES]
    if not any(endpoints or others for _, endpoints, others in table) and not counts.not_assessed:
        return
    yield Line()
    yield Line(f"{'endpoints':>9}  {'other findings':>14}", "Severity", _COLUMN, whole=True)
    for name, endpoints, others in table:
        yield Line(f"{endpoints:>9,}  {others:>14,}", name, _COLUMN, name, whole=True)
    if counts.not_assessed:
        yield Line(f"{counts.not_assessed:>9,}", "not assessed", _COLUMN, "not assessed", whole=True)


def first_lines(counts: Counts, count: int, commands: int, least: str = "") -> Iterator[Line]:
    """Yield the first `count` changes: fingerprint and title of the most severe thing that each answers, its resource
    and reason, what the change does and its impact; the first with commands.

    `least`: the value of `--severity`; lower ones are not listed.
    """
    groups = counts.fix_groups()
    listed = [group for group in groups if is_shown(group.severity, least)]
    if least and len(listed) < len(groups):
        yield Line()
        yield Line(f"What is below {least} is not listed (--severity); it counts in the numbers and files", column=0)
    if not listed:
        return
    yield Line()
    first = counts.first_changes()
    is_severe = bool(first.groups) and is_shown("high", least)
    words = Words()
    yield Line(f"{words('first.heading')}: {total(first, words)}" if is_severe else words("first.heading"), column=0)
    for position, group in enumerate(listed[:count]):
        yield from _entry(group, words)
        if position < commands:
            yield from closing(group.fix)
        elif group.fix is not None and group.fix.impact:
            yield Line(words("first.impact", text=group.fix.impact), column=10)


def is_shown(severity: str, least: str) -> bool:
    """Return whether `--severity` lists a severity; "" lists all."""
    return not least or Severity[severity] >= Severity[least]


def _entry(group: FixGroup, words: Words) -> Iterator[Line]:
    where = named(group)
    yield Line(f"{group.fingerprint}  {group.rule_title or where}", group.severity, 10, group.severity)
    # No name from Azure stands first on a line.
    yield Line(f"on {where}. {group.title}" if group.rule_title else group.title, column=10)
    yield Line(f"{by_severity(group, words)}. {effect(group, words)}".rstrip(), column=10)


def named(group: FixGroup, between: str = ": ") -> str:
    """Return resource and endpoint of a group: `stplankart/planer: blob/planer and 2 more`."""
    more = group.items - 1
    what = between.join(filter(None, (path_of(group.resource), group.endpoint)))
    return f"{what}{f' and {more:,} more' if more else ''}"


def closing(fix: rows.FixRow | None) -> Iterator[Line]:
    """Yield the commands that fix an endpoint, each on a line of its own, a line for each of their fields, and what
    they may break.

    None if a name in them has hidden characters.
    """
    sentence, commands = split_fix(fix)
    if char := next(filter(None, map(odd, commands)), ""):
        yield Line(f"No command is shown because the name contains {char}. Use the portal.", column=INDENT)
        return
    if sentence and not commands:
        yield Line(without_ticks(sentence), column=INDENT)
    for each in commands:
        yield Line(each, column=INDENT, command=True)
    for each in field_lines(fix):
        yield Line(each, column=INDENT)
    if commands and fix is not None and fix.impact:
        yield Line(f"Impact: {without_ticks(fix.impact)}", column=INDENT)


def again(settings: Settings, without: Sequence[str] = _NOT_SHOWN) -> list[str]:
    """Return the words of the same scan, without its outputs or the named options."""
    words = ["twolocks", "scan"]
    for option in SCAN:
        value = settings.options[option.name]
        if option.name in without or not value.source.startswith("--"):
            continue
        if option.flag:
            words.append(f"--{option.name}")
            continue
        values = value.value if isinstance(value.value, tuple) else (value.value,)
        words += [word for each in values for word in (f"--{option.name}", str(each))]
    return words


def next_lines(counts: Counts, wrote: Sequence[str], words: Sequence[str]) -> Iterator[Line]:
    """Yield the next command: to write a report where none was written, else to accept the worst finding.

    `wrote`: the names of the files. `words`: see `again`.
    """
    groups = counts.fix_groups()
    findings = next((each for each in wrote if each.endswith(".json")), "")
    if not any(each.endswith(".html") for each in wrote):
        text, command = "to write a report with all findings and fixes:", [*words, "--out", "report.html"]
        if findings:
            command = ["twolocks", "report", findings, "--out", "report.html"]
    elif not groups:
        return
    elif findings:
        text = "to accept the worst one, with your reason, name and date:"
        given = ("--reason", "TEXT", "--owner", "NAME", "--expires", "YYYY-MM-DD")
        command = ["twolocks", "waive", groups[0].fingerprint, "--in", findings, *given]
    else:
        text = "after a fix, to check that resource alone:"
        command = ["twolocks", "scan", "--resource", groups[0].resource]
    if any(map(odd, command)):
        return
    yield Line(text, "Next")
    yield Line(shlex.join(command), command=True)
