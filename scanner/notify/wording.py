"""The sentences of a notice. Each is one line of limited width, and no name in it can pass for other text."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from scanner.evaluate.counts import Counts
from scanner.evaluate.results import EvaluationResult
from scanner.history.items import ALERTS, top_of
from scanner.model.ids import segments
from scanner.notify.notice import (
    ExpiringWaiver,
    Notice,
    NoticeGap,
    NoticeItem,
    NoticeKind,
    NoticeScan,
    ScanResult,
)
from scanner.terminal.text import clean, middle

WIDTH = 400
"""Columns of a sentence."""
NAME_WIDTH = 120
"""Columns of a name."""
_NEWS = {kind.value: kind.word for kind in ALERTS}
"""The word of each value of `news`."""


def title(
    kind: NoticeKind,
    items: Sequence[NoticeItem],
    expiring: int,
    standing: Mapping[str, int],
    *,
    turned_incomplete: bool,
) -> str:
    """Return the title: one line of our own words and numbers.

    `expiring`: the number of waivers about to expire. `standing`: open items by severity.
    """
    if kind == "baseline":
        return f"First scan, the baseline: {_standing(standing)}"
    if kind == "unknown":
        return f"Changes are unknown because the history could not be read: {_standing(standing)}"
    said = []
    if items:
        counts = [(word, sum(each.news == name for each in items)) for name, word in _NEWS.items()]
        worst = f"; highest severity: {items[0].severity}" if len(items) > 1 else f" ({items[0].severity})"
        said.append(", ".join(f"{count:,} {word}" for word, count in counts if count) + worst)
    if expiring:
        said.append(f"{expiring:,} {'waiver is' if expiring == 1 else 'waivers are'} about to expire")
    if turned_incomplete:
        said.append("the scan is incomplete, the previous one was complete")
    text = "; ".join(said)
    return text[:1].upper() + text[1:]


def _standing(standing: Mapping[str, int]) -> str:
    said = [f"{count:,} {name}" for name, count in standing.items() if count]
    return f"{sum(standing.values()):,} open" + (f" ({', '.join(said)})" if said else "")


def remarks(
    kind: NoticeKind, result: ScanResult, expiring: int, days: int, *, turned_incomplete: bool
) -> Iterator[str]:
    """Return the remarks on the scan, the most important first.

    `expiring`: the number of waivers that expire within so many `days`.
    """
    if not result.scan.complete:
        yield _incomplete(result.evaluation) + (". The previous scan was complete" if turned_incomplete else "")
    errors = result.history_errors
    yield from (f"The history was not written: {each}. The same items may be reported again" for each in errors)
    if result.evaluation.crashes:
        rules = len({each.rule for each in result.evaluation.crashes})
        yield f"{rules:,} {'rule' if rules == 1 else 'rules'} crashed; their checks have no result"
    if kind == "baseline":
        yield "Nothing in it is new. From now on only changes are reported"
        if expiring:
            yield f"{expiring:,} {'waiver expires' if expiring == 1 else 'waivers expire'} within {days} days"
    if result.row is not None:
        hidden = result.row.counts.get("unseen", 0)
        if hidden:
            yield f"{hidden:,} {'is' if hidden == 1 else 'are'} no longer visible; not counted as fixed"
        yield from (each[:1].upper() + each[1:] for each in result.row.notes)


def _incomplete(result: EvaluationResult) -> str:
    counts = result.counts
    endpoints, gaps = counts.not_fully_assessed.total(), counts.gaps
    were = "endpoint was" if endpoints == 1 else "endpoints were"
    said = [f"{endpoints:,} {were} not fully assessed"] if endpoints else []
    said += [f"{gaps:,} {'read' if gaps == 1 else 'reads'} failed"] if gaps else []
    said += [text] if (text := _inconclusive(counts)) else []
    more = f": {', '.join(said)}" if said else ""
    return f"The scan is incomplete{more}. What was not assessed may be open too"


def _inconclusive(counts: Counts) -> str:
    """Return how many checks are inconclusive, how many of them are accepted, and the reasons."""
    total, found = counts.statuses["unknown"], counts.reasons(counts.inconclusive)
    if not total:
        return ""
    named = (
        (found.missing_permission, "for a missing permission"),
        (found.failed_read, "because a read failed"),
        (found.no_value, "because Azure returned no value"),
    )
    why = ", ".join(f"{count:,} {reason}" for count, reason in named if count)
    accepted = f", {counts.accepted_inconclusive:,} of them accepted" if counts.accepted_inconclusive else ""
    return f"{total:,} {'check is' if total == 1 else 'checks are'} inconclusive{accepted}{f' ({why})' if why else ''}"


# Sentences


def item_sentence(item: NoticeItem) -> str:
    """Return `new: blob/export. Blob container allows anonymous access`."""
    name = item.endpoint or _child_names(item.resource)
    where = short(f"{name}@{item.address}" if item.address else name)
    text = f"{where}. {item.title}" if where else item.title
    more = f"; {item.why}" if item.why else ""
    late = " (found by an earlier scan, not reported then)" if item.late else ""
    return line(f"{_NEWS[item.news]}: {text}{more}") + late


def _child_names(resource: str) -> str:
    """Return the names of the children that an id names below its top-level resource."""
    parts = [part for part in resource.split("/") if part]
    return "/".join(parts[len(segments(top_of(resource))) + 1 :: 2])


def waiver_sentence(waiver: ExpiringWaiver) -> str:
    """Return the accepted object, the owner, the expiry, and the number of findings that count again then."""
    covers = f"{waiver.covers:,} {'counts' if waiver.covers == 1 else 'count'} again then"
    return line(f"{waiver.what}, accepted by {waiver.owner} until {waiver.expires} ({waiver.at}); {covers}")


def gap_sentence(gap: NoticeGap) -> str:
    """Return the path of a failed read, the response, and the missing permission."""
    missing = f", missing permission {gap.action}" if gap.action else ""
    return line(f"{gap.url}: {gap.status} {gap.code}{missing}")


def scan_sentence(scan: NoticeScan) -> str:
    """Return `prod-journal, 25 November 2026, 02:00 UTC. Exit 1: ...`."""
    names = [short(each) for each in scan.subscriptions[:3]]
    more = f" and {len(scan.subscriptions) - 3:,} more" if len(scan.subscriptions) > 3 else ""
    time = _time(scan.taken) + (f", evaluated {_time(scan.evaluated)}" if scan.evaluated else "")
    return f"{', '.join(names)}{more}, {time}. Exit {scan.exit}: {line(scan.why)}"


def _time(text: str) -> str:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return clean(text)
    return f"{found.day} {found:%B %Y, %H:%M} UTC"


def files_sentence(files: Sequence[str]) -> str:
    """Return `Written: /srv/report.html, findings.json`: the names of the files, reports first."""
    ordered = sorted(files, key=lambda name: not name.endswith((".html", ".md")))
    return f"Written: {', '.join(line(name) for name in ordered[:5])}"


def lists(notice: Notice, most: int) -> Iterator[tuple[str, list[str], str]]:
    """Return the lists that follow the items: a heading, at most so many sentences, and how many more there are."""
    found = (
        ("About to expire", [waiver_sentence(each) for each in notice.waivers]),
        ("Not assessed", [gap_sentence(each) for each in notice.gaps]),
    )
    for heading, sentences in found:
        if sentences:
            yield heading, sentences[:most], and_more(len(sentences), most)


def endings(notice: Notice) -> Iterator[str]:
    """Return the last sentences: about the scan, and about its files."""
    if notice.scan is not None:
        yield scan_sentence(notice.scan)
    if notice.files:
        yield files_sentence(notice.files)


def and_more(total: int, shown: int) -> str:
    """Return the number of omitted entries, "" where none is omitted."""
    return f"and {total - shown:,} more; all are in the report" if total > shown else ""


def short(name: str) -> str:
    """Return a name on one line."""
    return line(name, NAME_WIDTH)


def line(text: str, width: int = WIDTH) -> str:
    """Return a text on one line of at most so many columns, without characters that disguise it."""
    # Only both ends of a text that is far too long are read. The cut at the end is for marks that take no column.
    text = text if len(text) <= 4 * width else text[: 2 * width] + text[-2 * width :]
    shown = middle(clean(text), width)
    return shown if len(shown) <= width else f"{shown[: width - 3]}..."
