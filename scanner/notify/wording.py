"""The sentences of a notice, each on one line of limited width in which no name shows as anything else."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from scanner.evaluate.results import EvaluationResult
from scanner.history.items import top_of
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
        return f"What is new is not known: the history could not be read; {_standing(standing)}"
    said = []
    if items:
        counts = [(name, sum(each.news == name for each in items)) for name in ("new", "reopened", "worse")]
        worst = f"; the worst is {items[0].severity}" if len(items) > 1 else f" ({items[0].severity})"
        said.append(", ".join(f"{count:,} {name}" for name, count in counts if count) + worst)
    if expiring:
        said.append(f"{expiring:,} {'waiver is' if expiring == 1 else 'waivers are'} about to expire")
    if turned_incomplete:
        said.append("not everything could be read any more")
    text = "; ".join(said)
    return text[:1].upper() + text[1:]


def _standing(standing: Mapping[str, int]) -> str:
    said = [f"{count:,} {name}" for name, count in standing.items() if count]
    return f"{sum(standing.values()):,} stand open" + (f" ({', '.join(said)})" if said else "")


def remarks(
    kind: NoticeKind, result: ScanResult, expiring: int, days: int, *, turned_incomplete: bool
) -> Iterator[str]:
    """Return what must be known to read the rest, the gravest first.

    `expiring`: the number of waivers that expire within so many `days`.
    """
    if not result.scan.complete:
        yield _incomplete(result.evaluation) + (". The scan before could read everything" if turned_incomplete else "")
    errors = result.history_errors
    yield from (f"The history was not written: {each}. The same may be told again" for each in errors)
    if result.evaluation.crashes:
        rules = len({each.rule for each in result.evaluation.crashes})
        yield f"{rules:,} {'rule' if rules == 1 else 'rules'} crashed; what they judge is not decided"
    if kind == "baseline":
        yield "Nothing in it is new. From now on only what changes is told"
        if expiring:
            yield f"{expiring:,} {'waiver expires' if expiring == 1 else 'waivers expire'} within {days} days"
    if result.row is not None:
        hidden = result.row.counts.get("unseen", 0)
        if hidden:
            yield f"{hidden:,} that stood open could not be seen again; they do not count as fixed"
        yield from (each[:1].upper() + each[1:] for each in result.row.notes)


def _incomplete(result: EvaluationResult) -> str:
    gaps, checks = result.counts.unaccepted_gaps, result.counts.inconclusive
    said = [f"{gaps:,} {'read' if gaps == 1 else 'reads'} failed"] if gaps else []
    said += [f"{checks:,} {'check is' if checks == 1 else 'checks are'} undecided"] if checks else []
    more = f": {', '.join(said)}" if said else ""
    return f"Not everything could be read{more}. What was not read may be open too"


# Sentences


def item_sentence(item: NoticeItem) -> str:
    """Return `new: blob/export. Anybody can read this container`."""
    name = item.endpoint or _child_names(item.resource)
    where = short(f"{name}@{item.address}" if item.address else name)
    text = f"{where}. {item.title}" if where else item.title
    more = f"; {item.why}" if item.why else ""
    late = " (found by an earlier scan, not told then)" if item.late else ""
    return line(f"{item.news}: {text}{more}") + late


def _child_names(resource: str) -> str:
    """Return the names of the children that an id names below its top-level resource."""
    parts = [part for part in resource.split("/") if part]
    return "/".join(parts[len(segments(top_of(resource))) + 1 :: 2])


def waiver_sentence(waiver: ExpiringWaiver) -> str:
    """Return what is accepted, by whom and until when, and how many findings count again then."""
    covers = f"{waiver.covers:,} {'counts' if waiver.covers == 1 else 'count'} again then"
    return line(f"{waiver.what}, accepted by {waiver.owner} until {waiver.expires} ({waiver.at}); {covers}")


def gap_sentence(gap: NoticeGap) -> str:
    """Return the path of a read that failed, the answer, and the missing permission."""
    missing = f", missing {gap.action}" if gap.action else ""
    return line(f"{gap.url}: {gap.status} {gap.code}{missing}")


def scan_sentence(scan: NoticeScan) -> str:
    """Return `prod-journal, 25 November 2026, 02:00 UTC. Exit 1: ...`."""
    names = [short(each) for each in scan.subscriptions[:3]]
    more = f" and {len(scan.subscriptions) - 3:,} more" if len(scan.subscriptions) > 3 else ""
    return f"{', '.join(names)}{more}, {_time(scan.taken)}. Exit {scan.exit}: {line(scan.why)}"


def _time(text: str) -> str:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return clean(text)
    return f"{found.day} {found:%B %Y, %H:%M} UTC"


def files_sentence(files: Sequence[str]) -> str:
    """Return `Written: /srv/report.html, findings.json`: the names of what was written, reports first."""
    ordered = sorted(files, key=lambda name: not name.endswith((".html", ".md")))
    return f"Written: {', '.join(line(name) for name in ordered[:5])}"


def lists(notice: Notice, most: int) -> Iterator[tuple[str, list[str], str]]:
    """Return the lists that follow the items: a heading, at most so many sentences, and how many more there are."""
    found = (
        ("About to expire", [waiver_sentence(each) for each in notice.waivers]),
        ("Not read", [gap_sentence(each) for each in notice.gaps]),
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
    """Return how many entries are left out, "" where none is."""
    return f"and {total - shown:,} more; all are in the report" if total > shown else ""


def short(name: str) -> str:
    """Return a name on one line."""
    return line(name, NAME_WIDTH)


def line(text: str, width: int = WIDTH) -> str:
    """Return a text on one line of at most so many columns, in which nothing shows as something else."""
    # Only both ends of a text that is far too long are read. The cut at the end is for marks that take no column.
    text = text if len(text) <= 4 * width else text[: 2 * width] + text[-2 * width :]
    shown = middle(clean(text), width)
    return shown if len(shown) <= width else f"{shown[: width - 3]}..."
